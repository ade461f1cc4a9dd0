/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A well-behaved user of an arena of its own, which must notice nothing of what the
 * fuzzer does: two processes with linked objects whose contents and number they know.
 */
#ifndef TESTS_FUZZ_CANARY_H
#define TESTS_FUZZ_CANARY_H

#include <stdbool.h>
#include <stdint.h>

struct canary;
struct shared;

struct canary *canary_start(void);		/* ends the program if it cannot */
/* NULL: it is well. Else what happened to it. */
const char *canary_complaint(struct canary *canary);
uint64_t canary_collections(const struct canary *canary);
/* Who it is, for those who shall leave it alone. */
void canary_tell(const struct canary *canary, struct shared *shared);
void canary_stop(struct canary *canary);

#endif
