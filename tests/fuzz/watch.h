/* SPDX-License-Identifier: GPL-2.0 */
/* What the engine looks at from outside of a round. */
#ifndef TESTS_FUZZ_WATCH_H
#define TESTS_FUZZ_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "fuzz/shared.h"

/* The kernel's log, from now on; and what a complaint looks like. */
void kernel_log_begin(void);
/* The first complaint since the last call, or NULL. */
const char *kernel_log_complaint(void);

/* References to the module: open arenas, and threads that are asked to stop. -1: unknown. */
int module_references(void);
/* Wait until there are no more than @most. False: there still are. */
bool module_references_drop(int most, unsigned int ms);

/* The thread that has been at one operation for @ms, or -1. */
int find_stuck(const struct shared *shared, unsigned int ms);
/* Where all threads of a process group are, to stdout. */
void print_group(pid_t group);

#endif
