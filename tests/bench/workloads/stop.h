/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Stopping the world: time from the request until the last thread stands still, as
 * the collector itself tells it, with a heap of next to nothing. Threads are busy
 * (they count), asleep in read(), or half of them each. What a signal does to those
 * asleep is counted: system calls that fail with EINTR.
 *
 * Needs contender_stop_ns().
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define STOP_MAX_THREADS	64

static struct {
	atomic_bool over;
	atomic_ulong interrupted;
	atomic_ulong counted;
	int pipe[2];
} stop;

static void *stop_busy(void *unused)
{
	unsigned long n = 0;

	(void)unused;
	while (!atomic_load_explicit(&stop.over, memory_order_relaxed))
		n++;
	atomic_fetch_add(&stop.counted, n);
	return NULL;
}

static void *stop_asleep(void *unused)
{
	char c;

	(void)unused;
	while (read(stop.pipe[0], &c, 1) < 0 && errno == EINTR)
		atomic_fetch_add(&stop.interrupted, 1);
	return NULL;
}

static int stop_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void stop_measure(unsigned long rounds)
{
	double *us = bench_hidden_alloc(rounds * sizeof(*us));
	unsigned long i;

	for (i = 0; i < rounds; i++) {
		contender_collect();
		us[i] = contender_stop_ns() / 1e3;
		usleep(500);	/* lets them run, and go back to sleep */
	}
	qsort(us, rounds, sizeof(*us), stop_compare);
	bench_result("stop, median", "us", us[rounds / 2]);
	bench_result("stop, 99th percentile", "us", us[rounds * 99 / 100]);
	bench_result("stop, longest", "us", us[rounds - 1]);
	bench_result("EINTR per collection", "", (double)stop.interrupted / rounds);
}

static void stop_workload(void)
{
	unsigned long nr = bench_arg_number("threads", 8), i;
	unsigned long rounds = bench_arg_number("rounds", 200);
	bool busy = bench_arg_is("kind", "busy"), mixed = bench_arg_is("kind", "mixed");
	pthread_t thread[STOP_MAX_THREADS];

	if (nr > STOP_MAX_THREADS || pipe(stop.pipe))
		bench_die("at most %d threads", STOP_MAX_THREADS);
	contender_init();
	contender_auto_collect(false);
	for (i = 0; i < nr; i++) {
		if (pthread_create(&thread[i], NULL,
				   busy || (mixed && i % 2) ? stop_busy : stop_asleep, NULL))
			bench_die("cannot create thread %lu", i);
	}
	usleep(20000);
	stop_measure(rounds);
	atomic_store(&stop.over, true);
	close(stop.pipe[1]);
	for (i = 0; i < nr; i++)
		pthread_join(thread[i], NULL);
}
