/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A second thread that allocates nothing and touches no object: it looks at the clock,
 * and counts how late each look is. What it sees late is what a program's other threads
 * see of a collection, whatever the collector says about itself.
 *
 *	watch=sleep	(default on less than four processors) sleeps for WATCH_SLEEP_NS
 *			between looks. It takes next to no processor time, so a concurrent
 *			collector has the second processor to itself; and whoever wakes up
 *			is scheduled at once, where one that always runs has to share
 *	watch=spin	looks again and again
 *
 * Of the time between two looks, the sleep asked for is not counted.
 *
 * To be included after contender.h: libgc has to see pthread_create().
 */
#ifndef WATCH_H
#define WATCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "histogram.h"

#define WATCH_SLEEP_NS	200000UL
#define WATCH_MIN_CPUS	4

static struct {
	struct histogram gaps;
	atomic_bool over;
	uint64_t sleep;
	pthread_t thread;
} watch;

static void *watch_main(void *unused)
{
	struct timespec pause = { .tv_nsec = watch.sleep };
	uint64_t last, now;

	(void)unused;
	/* Timers may fire late by 50 us else. */
	prctl(PR_SET_TIMERSLACK, 1);
	last = now_ns();
	while (!atomic_load_explicit(&watch.over, memory_order_relaxed)) {
		if (watch.sleep)
			nanosleep(&pause, NULL);
		now = now_ns();
		histogram_add(&watch.gaps, now - last > watch.sleep ? now - last - watch.sleep : 0);
		last = now;
	}
	return NULL;
}

static void watch_start(void)
{
	bool spin = sysconf(_SC_NPROCESSORS_ONLN) >= WATCH_MIN_CPUS;

	spin = bench_arg_is("watch", "spin") || (spin && !bench_arg_is("watch", "sleep"));
	watch.sleep = spin ? 0 : WATCH_SLEEP_NS;
	histogram_init(&watch.gaps);
	if (pthread_create(&watch.thread, NULL, watch_main, NULL))
		bench_die("cannot start a thread");
}

static void watch_stop(void)
{
	atomic_store(&watch.over, true);
	pthread_join(watch.thread, NULL);
	bench_result("other thread, longest gap", "ms", watch.gaps.max / 1e6);
	bench_result("other thread, 99.9 % gap", "ms",
		     histogram_percentile(&watch.gaps, 99.9) / 1e6);
	bench_result("other thread, median gap", "ms",
		     histogram_percentile(&watch.gaps, 50) / 1e6);
	bench_result("other thread, looks", "", watch.gaps.total);
}

#endif /* WATCH_H */
