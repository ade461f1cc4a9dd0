/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Coverage of the module, from a kernel with CONFIG_KCOV and a module that was built
 * with KCOV_INSTRUMENT=y. A feature is a pair of places that were reached one after
 * the other, hashed.
 */
#ifndef TESTS_FUZZ_KCOV_H
#define TESTS_FUZZ_KCOV_H

#include <stdbool.h>

#include "fuzz/shared.h"

#define COVERAGE_MAX	8	/* buffers */

struct coverage {
	int fd;
	unsigned long *buffer;
};

bool coverage_exists(void);
/* Before there are threads: a buffer for each. */
bool coverage_prepare(struct coverage *c);
/* In the thread itself. */
bool coverage_enable(struct coverage *c);
/* Around an operation; @c may be NULL. */
void coverage_begin(struct coverage *c);
void coverage_end(struct coverage *c, struct shared *shared);

#endif
