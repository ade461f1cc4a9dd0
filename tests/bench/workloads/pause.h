/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pauses: a program allocates at work on a live heap (lib/mutator.h) until it has
 * allocated cycles= times what lives, or for seconds=. Collections start by
 * themselves. Told are: the pauses that the collector reports; how long transactions
 * took; and what another thread saw (lib/watch.h).
 */
#include "lib/histogram.h"
#include "lib/mutator.h"
#include "lib/pauses.h"
#include "lib/watch.h"

/* Less often than collections come, and gcarena's kernel keeps the last 64 events. */
#define PAUSE_POLL	1024

/* Returns the number of transactions done. */
static size_t pause_run(struct histogram *gaps, size_t transactions, uint64_t deadline)
{
	uint64_t last = now_ns(), now;
	size_t i;

	for (i = 0; i < transactions && last < deadline; i++) {
		mutator_transaction();
		now = now_ns();
		histogram_add(gaps, now - last);
		last = now;
		if (i % PAUSE_POLL == 0) {
			contender_pauses_poll();
			last = now_ns();
		}
	}
	return i;
}

static void pause_workload(void)
{
	uint64_t seconds = bench_arg_number("seconds", 20), start, ns;
	struct histogram gaps;
	size_t done;

	contender_init();
	histogram_init(&gaps);
	mutator_build();
	contender_pauses_poll();
	pauses_start();
	watch_start();
	contender_watch();
	start = now_ns();
	done = pause_run(&gaps, mutator_transactions(4), start + seconds * NSEC_PER_SEC);
	ns = now_ns() - start;
	contender_cost(ns);
	bench_result("throughput", "Mobj/s", done * MUTATOR_ALLOCATIONS * 1e3 / ns);
	contender_pauses_poll();
	watch_stop();
	pauses_report();
	bench_result("allocating thread, longest gap", "ms", gaps.max / 1e6);
	bench_result("allocating thread, 99.9 % gap", "ms",
		     histogram_percentile(&gaps, 99.9) / 1e6);
	bench_result("time", "s", ns / 1e9);
	contender_auto_collect(false);
	mutator_check();
}
