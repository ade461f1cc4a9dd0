/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counts of durations, in buckets whose width is at most 1/64 of their value, from one
 * nanosecond to centuries. The table lies where no collector looks. One writer at a time.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS	6
#define HISTOGRAM_BUCKETS	((64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
	uint64_t *counts;
	uint64_t total;
	uint64_t max;		/* exact */
};

static inline unsigned int histogram_bucket(uint64_t ns)
{
	int shift;

	if (ns < 2U << HISTOGRAM_SUB_BITS)
		return ns;
	shift = 63 - __builtin_clzll(ns) - HISTOGRAM_SUB_BITS;
	return ((unsigned int)shift << HISTOGRAM_SUB_BITS) + (ns >> shift);
}

static inline void histogram_add(struct histogram *h, uint64_t ns)
{
	h->counts[histogram_bucket(ns)]++;
	h->total++;
	if (ns > h->max)
		h->max = ns;
}

void histogram_init(struct histogram *h);

/* The duration that @percent of all do not exceed; 100 is the longest. In ns. */
double histogram_percentile(const struct histogram *h, double percent);

/* Prints the curve of percentiles as "curve" lines, which tests/bench/plot draws, in us. */
void histogram_print_curve(const struct histogram *h, const char *name);

#endif /* HISTOGRAM_H */
