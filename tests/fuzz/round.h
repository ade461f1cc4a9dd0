/* SPDX-License-Identifier: GPL-2.0 */
/* One round: a process that runs one program. */
#ifndef TESTS_FUZZ_ROUND_H
#define TESTS_FUZZ_ROUND_H

#include <stdbool.h>

#include "fuzz/program.h"
#include "fuzz/shared.h"

/* In a new process. Does not return. */
void round_run(struct shared *shared, const struct program *p, bool coverage)
	__attribute__((noreturn));

/* What "abi_fuzz --after-exec SEED FD" does. Does not return. */
void after_exec(uint64_t seed, int fd) __attribute__((noreturn));

#endif
