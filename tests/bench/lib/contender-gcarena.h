/* SPDX-License-Identifier: GPL-2.0 */
/* gcarena: the default arena with the default pacing. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gcarena.h"
#include "pauses.h"

#define CONTENDER_COLLECTS	1
#define CONTENDER_TYPE(t, ...)	GCA_TYPE(struct t, __VA_ARGS__)
typedef gca_type *contender_type;

static inline void contender_parameter(const char *name, const char *value)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/module/gcarena/parameters/%s", name);
	file = fopen(path, "w");
	if (!file || fputs(value, file) == EOF || fclose(file))
		bench_die("cannot set %s: run as root", path);
}

static inline void contender_reset_workers(void)
{
	contender_parameter("mark_workers", "0");
}

/* workers=N: threads that trace together, for as long as this process runs. */
static inline void contender_set_workers(void)
{
	char value[24];
	unsigned long workers = bench_arg_number("workers", 0);

	if (!workers)
		return;
	snprintf(value, sizeof(value), "%lu", workers);
	contender_parameter("mark_workers", value);
	atexit(contender_reset_workers);
}

static inline struct gca_stats contender_stats(void)
{
	struct gca_stats stats = { .size = sizeof(stats) };
	int err = gca_read_stats(&stats);

	if (err)
		bench_die("cannot read statistics: %s", gca_strerror(err));
	return stats;
}

/*
 * What the default arena is opened with:
 *
 *	tracking=off	nobody tracks writes: neither minor nor concurrent collections
 *	concurrent=off	no concurrent ones
 *	refault=on	written pages are found by refaulting, as where the kernel cannot read
 *			dirty bits, and all collections happen that happen with those
 */
static inline void contender_init(void)
{
	bool refault = bench_arg_is("refault", "on"), tracking = !bench_arg_is("tracking", "off");
	bool concurrent = tracking && !bench_arg_is("concurrent", "off");
	bool set_generational = refault || !tracking, set_concurrent = refault || !concurrent;

	contender_set_workers();
	if (refault)
		contender_parameter("refault", "Y");
	if (set_generational)
		contender_parameter("generational", tracking ? "2" : "0");
	if (set_concurrent)
		contender_parameter("concurrent", concurrent ? "2" : "0");
	if (!gca_default())
		bench_die("cannot open the default arena: %s", gca_strerror(0));
	if (refault)
		contender_parameter("refault", "N");
	if (set_generational)
		contender_parameter("generational", "1");
	if (set_concurrent)
		contender_parameter("concurrent", "1");
	if (refault && contender_stats().dirty_method != GCA_DIRTY_REFAULT)
		bench_die("the arena does not refault");
}

static inline void contender_print_version(void)
{
	bench_version("gcarena %d.%d", GCA_VERSION_MAJOR, GCA_VERSION_MINOR);
}

static inline void *contender_alloc(size_t size)
{
	return gca_alloc(size);
}

static inline void *contender_alloc_noscan(size_t size)
{
	return gca_alloc_noscan(size);
}

static inline void *contender_new(contender_type type, size_t size)
{
	(void)size;
	return gca_new(type);
}

static inline void contender_free(void *p)
{
	(void)p;
}

static inline void contender_collect(void)
{
	int err = gca_collect(GCA_FULL);

	if (err)
		bench_die("collection failed: %s", gca_strerror(err));
}

static inline void contender_collect_minor(void)
{
	int err = gca_collect(GCA_MINOR);

	if (err)
		bench_die("collection failed: %s", gca_strerror(err));
}

/* See contender_init(): what is opened without stays without, unless a minor one is asked for. */
static bool contender_tracking = true;

static inline void contender_track(bool on)
{
	contender_tracking = on;
	if (on)
		contender_collect_minor();
}

/* Minor where writes are tracked. */
static inline void contender_collect_tracked(void)
{
	if (contender_tracking)
		contender_collect_minor();
	else
		contender_collect();
}

/* The kernel keeps what nobody has read yet, but not much. */
static inline void contender_pauses_poll(void)
{
	struct gca_event event = { .size = sizeof(event) };

	while (!gca_next_event(gca_default(), 0, &event)) {
		if (event.kind == GCA_EVENT_CYCLE)
			pauses_add_stops(event.duration_ns, event.longest_ns);
		if (event.lost && pauses.ns)
			bench_note("%u events were lost: pauses are missing", event.lost);
	}
}

static inline void contender_auto_collect(bool on)
{
	int err = gca_set_gc_percent(on ? 100 : GCA_GC_PERCENT_OFF, NULL);

	if (err)
		bench_die("cannot set gc_percent: %s", gca_strerror(err));
}

static inline void contender_roots_add(void *start, size_t bytes)
{
	int err = gca_roots_add(start, bytes);

	if (err)
		bench_die("cannot add roots: %s", gca_strerror(err));
}

/* Of the last collection: from the request until the last thread stood still. */
static inline double contender_stop_ns(void)
{
	return contender_stats().stop_last_ns;
}

static struct gca_stats contender_watched;

static inline void contender_watch(void)
{
	contender_watched = contender_stats();
}

/*
 * What collecting took since contender_watch(), @ns ago, of all processors. The time of
 * threads that allocate and help is part of the tracing and, where they stop the program, of
 * the pauses, and is known for both together: so is what is left for the background, stops
 * of its own included.
 */
static inline void contender_cost(uint64_t ns)
{
	struct gca_stats now = contender_stats(), then = contender_watched;
	double all = ns * (double)sysconf(_SC_NPROCESSORS_ONLN) / 100;
	double traced = now.concurrent_ns - then.concurrent_ns;
	double paused = now.pause_total_ns - then.pause_total_ns;
	double beside = traced + paused - (now.assist_ns - then.assist_ns);

	if (beside > traced)
		beside = traced;
	bench_result("collecting, of all processors", "%", (traced + paused) / all);
	bench_result("background marking, of all processors", "%", (beside > 0 ? beside : 0) / all);
	bench_result("helping, of all processors", "%", (now.assist_ns - then.assist_ns) / all);
}

static inline void contender_report(double mib)
{
	struct gca_stats now = contender_stats(), then = contender_watched;

	bench_result("collections", "", now.num_gc - then.num_gc);
	bench_result("refused collections", "", now.num_refused_gc - then.num_refused_gc);
	bench_result("refills/MiB", "", (now.refills - then.refills) / mib);
	bench_result("spans/refill", "", (double)(now.refill_spans - then.refill_spans) /
					 (now.refills - then.refills + 1e-9));
	bench_result("arena faults/MiB", "", (now.faults - then.faults) / mib);
	bench_result("populated pages/MiB", "",
		     (now.populated_pages - then.populated_pages) / mib);
	bench_result("pause total", "ms", (now.pause_total_ns - then.pause_total_ns) / 1e6);
	bench_result("mark total", "ms", (now.mark_total_ns - then.mark_total_ns) / 1e6);
	bench_result("root total", "ms", (now.root_total_ns - then.root_total_ns) / 1e6);
	bench_result("sweep total", "ms", (now.sweep_total_ns - then.sweep_total_ns) / 1e6);
	bench_result("heap peak", "MiB", now.heap_peak / (double)MIB);
}
