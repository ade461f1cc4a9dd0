/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A forced full collection of a heap in which everything lives, and then of one
 * in which nothing does. The graphs are those of lib/graph.h.
 *
 *	shape=list|tree|random mib=HEAP samples=N
 *	layout=typed|conservative	(gcarena)
 *	markers=one|all			(libgc: all is a thread for each processor)
 *
 * libgc scans nodes conservatively, all eight words; gcarena does that, too, or
 * is told the two pointers.
 */
#include <string.h>

#include "lib/graph.h"

/* The only root; data segment. */
static struct graph_node *root;
/* Addresses of all nodes; keeps nothing alive. */
static struct graph_node **nodes;
static size_t nr_nodes;
static contender_type mark_type;

static struct graph_node *mark_alloc(void)
{
	if (mark_type)
		return contender_new(mark_type, sizeof(struct graph_node));
	return contender_alloc(sizeof(struct graph_node));
}

/* As a list, so that all live if a collection should come. */
static void build(void)
{
	struct graph_node *n;
	size_t i;

	for (i = 0; i < nr_nodes; i++) {
		n = mark_alloc();
		if (!n)
			bench_die("out of memory");
		n->a = root;
		root = n;
		nodes[i] = n;
	}
	root = graph_link(nodes, nr_nodes);
}

/* One stale address in a register must not keep the heap: cut all links. */
static void drop_all(void)
{
	size_t i;

	for (i = 0; i < nr_nodes; i++)
		memset(nodes[i], 0, sizeof(struct graph_node));
	root = NULL;
	bench_clear_stack();
}

static double gib(void)
{
	return nr_nodes * sizeof(struct graph_node) / (1024.0 * MIB);
}

static void report_mark(double wall_ns, double cpu)
{
	bench_result("full collection", "ms", wall_ns / 1e6);
	bench_result("marked", "Mobj/s", nr_nodes * 1e3 / wall_ns);
	bench_result("marked, GiB/s", "GiB/s", gib() * 1e9 / wall_ns);
	bench_result("marked, by CPU time", "Mobj/s", nr_nodes * 1e3 / cpu);
}

#ifdef CONTENDER_GCARENA

static struct gca_collection collect(void)
{
	struct gca_collection c = { .size = sizeof(c) };
	int err = gca_collect_in(NULL, GCA_FULL, &c);

	if (err)
		bench_die("collection failed: %s", gca_strerror(err));
	return c;
}

static double ms_between(uint64_t before, uint64_t after)
{
	return (after - before) / 1e6;
}

static void report_phases(const struct gca_stats *before, const struct gca_stats *after)
{
	bench_result("root phase", "ms", ms_between(before->root_total_ns, after->root_total_ns));
	bench_result("mark phase", "ms", ms_between(before->mark_total_ns, after->mark_total_ns));
	bench_result("sweep of live heap", "ms",
		     ms_between(before->sweep_total_ns, after->sweep_total_ns));
	bench_result("root bytes", "KiB", after->root_bytes / 1024.0);
	bench_result("mark stack peak", "KiB", after->mark_stack_peak / 1024.0);
	bench_result("mark overflows", "", after->mark_overflows - before->mark_overflows);
	bench_result("threads that marked", "", after->mark_workers);
	bench_result("pieces shared", "", after->mark_shared - before->mark_shared);
}

static void sample_mark(void)
{
	struct gca_stats before = contender_stats(), after;
	uint64_t cpu = cpu_ns(), start = now_ns(), wall;
	struct gca_collection c = collect();

	wall = now_ns() - start;
	cpu = cpu_ns() - cpu;
	if (c.live_objects < nr_nodes)
		bench_die("%zu nodes live, the collection found %lu", nr_nodes,
			  (unsigned long)c.live_objects);
	after = contender_stats();
	report_mark(wall, cpu);
	bench_result("pause", "ms", c.pause_ns / 1e6);
	report_phases(&before, &after);
}

static void sample_drop(void)
{
	struct gca_stats before = contender_stats(), after;
	uint64_t start = now_ns(), wall;
	struct gca_collection c = collect();

	wall = now_ns() - start;
	after = contender_stats();
	if (c.freed_objects < nr_nodes * 9 / 10)
		bench_note("only %lu of %zu dropped objects were freed",
			   (unsigned long)c.freed_objects, nr_nodes);
	bench_result("collection of garbage", "ms", wall / 1e6);
	bench_result("swept", "GiB/s",
		     gib() * 1e9 / (after.sweep_total_ns - before.sweep_total_ns + 1));
}

#elif defined(CONTENDER_LIBGC)

static void sample_mark(void)
{
	uint64_t cpu = cpu_ns(), start = now_ns(), wall;

	contender_collect();
	wall = now_ns() - start;
	cpu = cpu_ns() - cpu;
	report_mark(wall, cpu);
	/* The world stands still from beginning to end. */
	bench_result("pause", "ms", wall / 1e6);
}

static void sample_drop(void)
{
	size_t bytes = nr_nodes * sizeof(struct graph_node), empty;
	uint64_t start = now_ns();

	contender_collect();
	bench_result("collection of garbage", "ms", (now_ns() - start) / 1e6);
	empty = GC_get_free_bytes() + GC_get_unmapped_bytes();
	if (empty < bytes / 10 * 9)
		bench_note("only %zu of %zu dropped bytes are free blocks", empty, bytes);
}

#else
#error "only collectors mark"
#endif

static void mark_workload(void)
{
	unsigned long samples = bench_arg_number("samples", 2), i;

	nr_nodes = bench_arg_number("mib", 256) * MIB / sizeof(struct graph_node);
	nodes = bench_hidden_alloc(nr_nodes * sizeof(*nodes));
	contender_init();
#ifdef CONTENDER_LIBGC
	if (bench_arg_is("markers", "all"))
		GC_start_mark_threads();
#endif
	if (bench_arg_is("layout", "typed"))
		mark_type = CONTENDER_TYPE(graph_node, a, b);

	/* Collections while it grows would measure nothing that is asked here. */
	contender_auto_collect(false);
	build();
	/* The first one meets a heap that was never swept: not a sample. */
	contender_collect();
	for (i = 0; i < samples; i++)
		sample_mark();
	drop_all();
	sample_drop();
}
