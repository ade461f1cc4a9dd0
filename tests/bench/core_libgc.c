// SPDX-License-Identifier: GPL-2.0
/*
 * The graphs of core_mark.c, collected by libgc: the same arguments, less layout, stack
 * and pages, and the same results.
 *
 *	markers=one|all		GC_MARKERS=1, or a thread for each processor
 *
 * libgc does a part of its sweeping in the collection, and puts the rest off until
 * somebody allocates. Both parts are timed: its events tell where the phases of a
 * collection begin and end; and a collection that may be stopped, as GC_try_to_collect()
 * lets it, first sweeps what the last one has put off.
 */
/* LIBS: -lgc */
#define GC_THREADS
#include <gc/gc.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bench.h"
#include "lib/counters.h"
#include "lib/graph.h"
#include "lib/phases.h"

static void *volatile root;		/* the only one; data segment */
static struct graph_node **nodes;	/* hidden */
static size_t nr_nodes;
static size_t nr_live;

/* When each event was last, by the clock and in processor time of all threads. */
static struct bench_time event_at[GC_EVENT_THREAD_UNSUSPENDED + 1];

static void GC_CALLBACK on_event(GC_EventType event)
{
	event_at[event] = time_now();
}

static struct bench_time between(GC_EventType from, GC_EventType to)
{
	return time_between(event_at[from], event_at[to]);
}

static int GC_CALLBACK never(void)
{
	return 0;
}

static void *alloc(size_t bytes)
{
	void *p = GC_MALLOC(bytes);

	if (!p)
		bench_die("out of memory");
	nr_live++;
	return p;
}

static void build_arrays(void)
{
	size_t nr = graph_nr_arrays(nr_nodes), n = 0, i, j;
	void **top = alloc(GRAPH_ARRAY_POINTERS * sizeof(*top));

	for (i = 0; i < nr; i++) {
		void **array = alloc(GRAPH_ARRAY_POINTERS * sizeof(*array));

		top[i] = array;
		for (j = 0; j < GRAPH_ARRAY_POINTERS && n < nr_nodes; j++)
			array[j] = nodes[n++];
	}
	root = top;
}

static void build(void)
{
	size_t i;

	for (i = 0; i < nr_nodes; i++)
		nodes[i] = alloc(sizeof(struct graph_node));
	if (bench_arg_is("shape", "arrays"))
		build_arrays();
	else
		root = graph_link(nodes, nr_nodes);
}

static void drop(void)
{
	if (bench_arg_is("drop", "half")) {
		nr_live = graph_halve(nodes, nr_nodes);
		root = nodes[0];
	} else if (bench_arg_is("drop", "all")) {
		root = NULL;
		nr_live = 0;
		memset(nodes[0], 0, sizeof(*nodes[0]));
	}
	bench_clear_stack();
}

/* What the last collection has put off. Does a whole one after it. */
static struct bench_time deferred_sweep(void)
{
	if (!GC_try_to_collect(never))
		bench_die("libgc refused to collect");
	return between(GC_EVENT_START, GC_EVENT_PRE_STOP_WORLD);
}

/* Does live what should, and nothing when nothing should? In whole blocks. */
static void check_live(void)
{
	size_t held = GC_get_heap_size() - GC_get_free_bytes() - GC_get_unmapped_bytes();

	if (held < nr_live * sizeof(struct graph_node) ||
	    (!nr_live && held > nr_nodes * sizeof(struct graph_node) / 2))
		bench_die("%zu objects should live, %zu bytes are in use", nr_live, held);
}

static void sample(void)
{
	struct bench_time mark, sweep, later;

	counters_start();
	GC_gcollect();
	counters_stop("collection", nr_live ? nr_live : nr_nodes);
	/* From its start, clearing the marks included, to the last object. */
	mark = between(GC_EVENT_START, GC_EVENT_MARK_END);
	sweep = between(GC_EVENT_RECLAIM_START, GC_EVENT_RECLAIM_END);
	later = deferred_sweep();
	sweep.wall += later.wall;
	sweep.cpu += later.cpu;
	check_live();
	bench_phases(nr_nodes, nr_live, mark, sweep);
}

int main(int argc, char **argv)
{
	unsigned long samples, i;
	unsigned int v;

	bench_args(argc, argv);
	nr_nodes = bench_arg_number("mib", 256) * MIB / sizeof(struct graph_node);
	samples = bench_arg_number("samples", 2);
	nodes = bench_hidden_alloc(nr_nodes * sizeof(*nodes));
	counters_open();
	if (!bench_arg_is("markers", "all"))
		setenv("GC_MARKERS", "1", 1);
	GC_INIT();
	GC_set_on_collection_event(on_event);
	if (bench_arg_is("markers", "all"))
		GC_start_mark_threads();
	GC_disable();		/* while it grows */
	build();
	GC_enable();
	/* The first one meets a heap that was never swept. */
	GC_gcollect();
	deferred_sweep();
	drop();
	for (i = 0; i < samples; i++)
		sample();
	v = GC_get_version();
	bench_version("libgc %u.%u.%u, %d helper marker threads", v >> 16, v >> 8 & 0xff, v & 0xff,
		      GC_get_parallel());
	return 0;
}
