/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The Boehm-Demers-Weiser collector as it comes: interior pointers on,
 * free-space divisor 3, not incremental. GC_malloc() and GC_malloc_atomic() in
 * the shared library allocate from thread-local free lists when it was built
 * with THREAD_LOCAL_ALLOC, as Debian's is. It starts its helper marker threads,
 * one less than there are processors, with the program's second thread.
 *
 *	mode=incremental	incremental and generational, as GC_enable_incremental() gives
 *				it: writes are found by soft-dirty bits, which are the page
 *				tables' too but come through /proc/self/pagemap, where the
 *				kernel has them
 *	mode=mprotect		the same, but written pages are found by protecting all
 */
#define GC_THREADS
#include <gc/gc.h>
#include <pthread.h>
#include <stdlib.h>

#include "pauses.h"

#define CONTENDER_COLLECTS	1
#define CONTENDER_TYPE(t, ...)	NULL
typedef void *contender_type;

static uint64_t contender_stop_began, contender_stop_took;

/* Called by the thread that collects. */
static void GC_CALLBACK contender_on_event(GC_EventType event)
{
	if (event == GC_EVENT_PRE_STOP_WORLD)
		contender_stop_began = now_ns();
	else if (event == GC_EVENT_POST_STOP_WORLD)
		contender_stop_took = now_ns() - contender_stop_began;
	else if (event == GC_EVENT_POST_START_WORLD)
		pauses_add(now_ns() - contender_stop_began);
}

static inline bool contender_incremental(void)
{
	return bench_arg_is("mode", "incremental") || bench_arg_is("mode", "mprotect");
}

static inline void contender_init(void)
{
	/* Despite its name it stands for soft-dirty bits here. */
	if (bench_arg_is("mode", "mprotect"))
		setenv("GC_USE_GETWRITEWATCH", "0", 1);
	GC_INIT();
	if (contender_incremental())
		GC_enable_incremental();
	GC_set_on_collection_event(contender_on_event);
}

/* As the events come. */
static inline void contender_pauses_poll(void)
{
}

static inline void contender_track(bool on)
{
	(void)on;
}

static inline void contender_roots_add(void *start, size_t bytes)
{
	GC_add_roots(start, (char *)start + bytes);
}

/* Of the last collection: from the request until the last thread stood still. */
static inline double contender_stop_ns(void)
{
	return contender_stop_took;
}

static inline void contender_print_version(void)
{
	unsigned int v = GC_get_version();

	bench_version("libgc %u.%u.%u, %d helper marker threads", v >> 16, v >> 8 & 0xff,
		      v & 0xff, GC_get_parallel());
	if (contender_incremental() && !GC_is_incremental_mode())
		bench_note("libgc has switched its incremental mode off by itself");
}

static inline void *contender_alloc(size_t size)
{
	return GC_MALLOC(size);
}

/* The only one here whose memory is not zeroed by itself. */
static inline void *contender_alloc_noscan(size_t size)
{
	void *p = GC_MALLOC_ATOMIC(size);

	return p ? __builtin_memset(p, 0, size) : NULL;
}

static inline void *contender_new(contender_type type, size_t size)
{
	(void)type;
	return GC_MALLOC(size);
}

static inline void contender_free(void *p)
{
	(void)p;
}

static inline void contender_auto_collect(bool on)
{
	if (on && GC_is_disabled())
		GC_enable();
	else if (!on && !GC_is_disabled())
		GC_disable();
}

/* GC_gcollect() does nothing while collections are disabled. */
static inline void contender_collect(void)
{
	bool automatic = !GC_is_disabled();

	contender_auto_collect(true);
	GC_gcollect();
	contender_auto_collect(automatic);
}

/* A full one is what a program can ask for; in incremental mode it finds written pages, too. */
static inline void contender_collect_minor(void)
{
	contender_collect();
}

static inline void contender_collect_tracked(void)
{
	contender_collect();
}

static GC_word contender_watched;

static inline void contender_watch(void)
{
	contender_watched = GC_get_gc_no();
}

static inline void contender_cost(uint64_t ns)
{
	(void)ns;
}

static inline void contender_report(double mib)
{
	(void)mib;
	bench_result("collections", "", GC_get_gc_no() - contender_watched);
}
