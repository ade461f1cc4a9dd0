/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The Boehm-Demers-Weiser collector as it comes: interior pointers on,
 * free-space divisor 3, not incremental. GC_malloc() and GC_malloc_atomic() in
 * the shared library allocate from thread-local free lists when it was built
 * with THREAD_LOCAL_ALLOC, as Debian's is. It starts its helper marker threads,
 * one less than there are processors, with the program's second thread.
 */
#define GC_THREADS
#include <gc/gc.h>
#include <pthread.h>

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
}

static inline void contender_init(void)
{
	GC_INIT();
	GC_set_on_collection_event(contender_on_event);
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

static GC_word contender_watched;

static inline void contender_watch(void)
{
	contender_watched = GC_get_gc_no();
}

static inline void contender_report(double mib)
{
	(void)mib;
	bench_result("collections", "", GC_get_gc_no() - contender_watched);
}
