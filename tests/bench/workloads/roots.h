/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading roots: full collections of a heap of next to nothing, without and with an added
 * range of mib= MiB. The difference is the time that the range takes. Its words are
 * small numbers, as in most memory, or addresses of one object (words=pointers).
 *
 * Needs contender_roots_add().
 */

#include <stdlib.h>

#define ROOTS_ROUNDS	9

static int roots_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The median time of a collection, ns. */
static double roots_collect(void)
{
	double ns[ROOTS_ROUNDS];
	uint64_t start;
	int i;

	for (i = 0; i < ROOTS_ROUNDS; i++) {
		start = now_ns();
		contender_collect();
		ns[i] = now_ns() - start;
	}
	qsort(ns, ROOTS_ROUNDS, sizeof(*ns), roots_compare);
	return ns[ROOTS_ROUNDS / 2];
}

static void roots_workload(void)
{
	size_t bytes = bench_arg_number("mib", 64) * MIB, i;
	bool pointers = bench_arg_is("words", "pointers");
	double without, with;
	uint64_t *range;
	void *object;

	contender_init();
	object = contender_alloc_noscan(64);
	range = bench_hidden_alloc(bytes);
	for (i = 0; i < bytes / sizeof(*range); i++)
		range[i] = pointers ? (uintptr_t)object : i % 1000;
	contender_auto_collect(false);
	contender_collect();
	without = roots_collect();
	contender_roots_add(range, bytes);
	with = roots_collect();
	bench_result("roots read", "MiB/s",
		     bytes / (double)MIB * NSEC_PER_SEC / (with - without));
	bench_result("collection without them", "us", without / 1e3);
}
