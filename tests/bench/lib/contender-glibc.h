/* SPDX-License-Identifier: GPL-2.0 */
/* The C library's calloc() and free(). */
#include <gnu/libc-version.h>
#include <stdlib.h>

static inline void contender_print_version(void)
{
	bench_version("glibc %s calloc+free", gnu_get_libc_version());
}

static inline void *contender_alloc(size_t size)
{
	return calloc(1, size);
}

static inline void contender_free(void *p)
{
	free(p);
}

#include "contender-manual.h"
