/* SPDX-License-Identifier: GPL-2.0 */
/* mimalloc by its own names. */
#include <mimalloc.h>

static inline void contender_print_version(void)
{
	int v = mi_version();

	bench_version("mimalloc %d.%d.%d calloc+free", v / 100, v / 10 % 10, v % 10);
}

static inline void *contender_alloc(size_t size)
{
	return mi_calloc(1, size);
}

static inline void contender_free(void *p)
{
	mi_free(p);
}

#include "contender-manual.h"
