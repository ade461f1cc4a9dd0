/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Allocate and drop: each new object takes the place of an older one in a ring
 * of 4096 slots, which the program's data segment holds, so that at any moment
 * 4096 objects live. Allocators without a collector free the one replaced.
 *
 *	size=BYTES kind=scanned|noscan threads=1|2 collect=auto|apart mib=TOTAL
 *
 * auto (the default): collections start by themselves, as they do by default, and
 * are part of the time. With two threads that means stopping the other one.
 *
 * apart: to compare allocation alone, in phases of PHASE_MIB a thread with the
 * collector switched off. After each, the threads end, the rings are emptied, and a
 * collection is forced; "ns/object" is the phases alone, and the other result
 * counts the collections as well.
 *
 * Wall time by the objects of one thread: perfect scaling gives the same figure for
 * two threads as for one.
 */
#include <pthread.h>
#include <string.h>

#define RING_SLOTS	4096
#define THREADS_MAX	2
#define WARM_UP_MIB	8
#define PHASE_MIB	8

/* Data segment: every collector finds its roots here without being told. */
static void *rings[THREADS_MAX][RING_SLOTS];

struct worker {
	void **ring;
	uint64_t start, end;
};

static size_t object_size, phase_objects;
static bool noscan;
static pthread_barrier_t start_line;

static inline __attribute__((always_inline)) void *
replace(void **slot, size_t size, bool no_pointers)
{
	void *old = *slot, *new;

	new = no_pointers ? contender_alloc_noscan(size) : contender_alloc(size);
	if (__builtin_expect(!new, 0))
		bench_die("out of memory");
	*(volatile long *)new = 1;
	*slot = new;
	return old;
}

/* Two loops, so that the kind costs nothing in either. */
static __attribute__((noinline)) void churn(void **ring, size_t size, size_t objects)
{
	size_t i;

	if (noscan) {
		for (i = 0; i < objects; i++)
			contender_free(replace(&ring[i % RING_SLOTS], size, true));
	} else {
		for (i = 0; i < objects; i++)
			contender_free(replace(&ring[i % RING_SLOTS], size, false));
	}
}

static void ring_clear(void **ring)
{
	size_t i;

	for (i = 0; i < RING_SLOTS; i++) {
		contender_free(ring[i]);
		ring[i] = NULL;
	}
}

static void report(double phase_ns, size_t objects, double mib, uint64_t faults)
{
	bench_result("ns/object", "ns", phase_ns / objects);
	bench_result("minor faults/MiB", "", faults / mib);
	contender_report(mib);
}

static void run_one_thread(unsigned long mib)
{
	size_t objects = mib * MIB / object_size;
	uint64_t faults, start, end;

	churn(rings[0], object_size, WARM_UP_MIB * MIB / object_size);
	contender_watch();
	faults = bench_minor_faults();
	start = now_ns();
	churn(rings[0], object_size, objects);
	end = now_ns();
	faults = bench_minor_faults() - faults;
	report(end - start, objects, mib, faults);
}

static void *worker_main(void *data)
{
	struct worker *w = data;

	pthread_barrier_wait(&start_line);
	w->start = now_ns();
	churn(w->ring, object_size, phase_objects);
	w->end = now_ns();
	return NULL;
}

/* From the first thread's start to the last one's end. */
static uint64_t run_phase(unsigned int threads)
{
	struct worker workers[THREADS_MAX];
	pthread_t ids[THREADS_MAX];
	uint64_t start = UINT64_MAX, end = 0;
	unsigned int i;

	for (i = 0; i < threads; i++) {
		workers[i].ring = rings[i];
		if (pthread_create(&ids[i], NULL, worker_main, &workers[i]))
			bench_die("cannot start a thread");
	}
	for (i = 0; i < threads; i++) {
		pthread_join(ids[i], NULL);
		start = workers[i].start < start ? workers[i].start : start;
		end = workers[i].end > end ? workers[i].end : end;
	}
	return end - start;
}

static uint64_t clear_and_collect(unsigned int threads)
{
	uint64_t start;
	unsigned int i;

	for (i = 0; i < threads; i++)
		ring_clear(rings[i]);
	start = now_ns();
	contender_collect();
	return now_ns() - start;
}

static void run_apart(unsigned int threads, unsigned long mib)
{
	unsigned long phases = mib / (PHASE_MIB * threads), i;
	uint64_t phase_ns = 0, collect_ns = 0, faults;

	phase_objects = PHASE_MIB * MIB / object_size;
	contender_auto_collect(false);
	run_phase(threads);
	clear_and_collect(threads);

	contender_watch();
	faults = bench_minor_faults();
	for (i = 0; i < phases; i++) {
		phase_ns += run_phase(threads);
		collect_ns += clear_and_collect(threads);
	}
	faults = bench_minor_faults() - faults;
	report(phase_ns, phases * phase_objects, mib, faults);
	bench_result("ns/object with collections", "ns",
		     (double)(phase_ns + collect_ns) / (phases * phase_objects));
}

static void run_auto(unsigned int threads, unsigned long mib)
{
	uint64_t faults, ns;

	phase_objects = WARM_UP_MIB * MIB / object_size;
	run_phase(threads);
	phase_objects = mib * MIB / threads / object_size;
	contender_watch();
	faults = bench_minor_faults();
	ns = run_phase(threads);
	faults = bench_minor_faults() - faults;
	report(ns, phase_objects, mib, faults);
}

static void alloc_workload(void)
{
	unsigned long threads, mib;

	object_size = bench_arg_number("size", 64);
	noscan = bench_arg_is("kind", "noscan");
	threads = bench_arg_number("threads", 1);
	mib = bench_arg_number("mib", 64);
	if (threads > THREADS_MAX || object_size < sizeof(long) ||
	    mib < PHASE_MIB * THREADS_MAX)
		bench_die("threads=1|2, size=8 or more, mib=%d or more",
			  PHASE_MIB * THREADS_MAX);

	contender_init();
	pthread_barrier_init(&start_line, NULL, threads);
	if (bench_arg_is("collect", "apart"))
		run_apart(threads, mib);
	else if (threads > 1)
		run_auto(threads, mib);
	else
		run_one_thread(mib);
}
