/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pauses as the collector itself tells them: contenders add what they hear of to
 * this list, once pauses_start() was called.
 */
#ifndef PAUSES_H
#define PAUSES_H

#include <stdlib.h>

#include "bench.h"

#define PAUSES_MAX	(1UL << 18)

static struct {
	uint64_t *ns;		/* hidden from collectors; NULL: nobody asked */
	size_t nr;
	uint64_t total;
	uint64_t longest_stop;
} pauses;

/* A collection stopped the program for @ns in all, and for @longest at a time. */
static inline void pauses_add_stops(uint64_t ns, uint64_t longest)
{
	if (!pauses.ns)
		return;
	if (pauses.nr == PAUSES_MAX)
		bench_die("more than %lu pauses", PAUSES_MAX);
	pauses.ns[pauses.nr++] = ns;
	pauses.total += ns;
	if (pauses.longest_stop < longest)
		pauses.longest_stop = longest;
}

/* In one go. */
static inline void pauses_add(uint64_t ns)
{
	pauses_add_stops(ns, ns);
}

static inline void pauses_start(void)
{
	pauses.ns = bench_hidden_alloc(PAUSES_MAX * sizeof(*pauses.ns));
}

static int pauses_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static inline void pauses_report(void)
{
	bench_result("collections", "", pauses.nr);
	if (!pauses.nr)
		return;
	qsort(pauses.ns, pauses.nr, sizeof(*pauses.ns), pauses_compare);
	bench_result("pause, longest", "ms", pauses.ns[pauses.nr - 1] / 1e6);
	bench_result("single stop, longest", "ms", pauses.longest_stop / 1e6);
	bench_result("pause, 99th percentile", "ms",
		     pauses.ns[(pauses.nr * 99 + 99) / 100 - 1] / 1e6);
	bench_result("pause, median", "ms", pauses.ns[pauses.nr / 2] / 1e6);
}

#endif /* PAUSES_H */
