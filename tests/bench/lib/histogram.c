// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>

#include "bench.h"
#include "histogram.h"

void histogram_init(struct histogram *h)
{
	h->counts = bench_hidden_alloc(HISTOGRAM_BUCKETS * sizeof(*h->counts));
	h->total = 0;
	h->max = 0;
}

/* The largest duration that falls into it. */
static uint64_t bucket_end(unsigned int bucket)
{
	unsigned int shift;

	if (bucket < 2U << HISTOGRAM_SUB_BITS)
		return bucket;
	shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
	return ((((uint64_t)bucket & ((1U << HISTOGRAM_SUB_BITS) - 1)) +
		 (1U << HISTOGRAM_SUB_BITS) + 1) << shift) - 1;
}

double histogram_percentile(const struct histogram *h, double percent)
{
	double rank = h->total * (percent / 100);
	uint64_t below = 0, end;
	unsigned int i;

	for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
		below += h->counts[i];
		if (below && below >= rank) {
			end = bucket_end(i);
			return end < h->max ? end : h->max;
		}
	}
	return h->max;
}

/* Eight points from 90 % to 99 %, and again to 99.9 %, and so on. */
#define CURVE_STEP	1.3335214321633241	/* ten to the power of an eighth */

void histogram_print_curve(const struct histogram *h, const char *name)
{
	double above;

	/* As far as there are durations to tell the points apart. */
	for (above = 1; h->total * above >= 1; above /= CURVE_STEP)
		printf("curve\t%s\t%.8g\t%.6g\n", name, 100 * (1 - above),
		       histogram_percentile(h, 100 * (1 - above)) / 1e3);
	printf("curve\t%s\t100\t%.6g\n", name, h->max / 1e3);
}
