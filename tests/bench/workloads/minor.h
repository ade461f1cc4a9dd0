/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Minor beside full collections: mib= MiB of old 64-byte nodes in a list, of whose pages a
 * part is written before each collection: per_mille= of a thousand. Also what a pass over
 * the page tables' dirty bits costs, and how many faults those take who write after it.
 */
#include <stdlib.h>
#include <string.h>

#define MINOR_ROUNDS	7
#define MINOR_LARGE	(512 * MIB / sizeof(struct minor_node))
#define MINOR_FEWER	3	/* rounds, from there on */
#define MINOR_PAGE	4096UL

struct minor_node {
	struct minor_node *next;
	uint64_t value[7];
};

static struct minor_node *minor_root;

/* Of all rounds: what the kernel counted, and faults taken while writing. */
static struct {
	uint64_t dirty_ns, dirty_pages, faults, arena_faults, written;
} minor_cost;

static int minor_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void minor_write(struct minor_node **node, size_t nr, size_t writes, uint64_t *seed)
{
	uint64_t faults = bench_minor_faults(), arena_faults = contender_stats().faults;
	size_t n;

	for (n = 0; n < writes; n++)
		node[random_below(seed, nr)]->value[0]++;
	minor_cost.written += writes;
	minor_cost.faults += bench_minor_faults() - faults;
	minor_cost.arena_faults += contender_stats().faults - arena_faults;
}

/* The median time of collections of that kind, with pages written before each, ms. */
static double minor_time(enum gca_kind kind, struct minor_node **node, size_t nr,
			 unsigned long per_mille)
{
	struct gca_collection collected = { .size = sizeof(collected) };
	uint64_t seed = 88172645463325252ULL;
	size_t pages = nr * sizeof(**node) / MINOR_PAGE;
	int rounds = nr < MINOR_LARGE ? MINOR_ROUNDS : MINOR_FEWER, i;
	double ms[MINOR_ROUNDS];
	uint64_t start;

	for (i = 0; i < rounds; i++) {
		minor_write(node, nr, pages * per_mille / 1000, &seed);
		start = now_ns();
		if (gca_collect_in(NULL, kind, &collected))
			bench_die("collection failed");
		/* Not the pause: a concurrent collection's is only a part of what it costs. */
		ms[i] = (now_ns() - start) / 1e6;
	}
	qsort(ms, rounds, sizeof(*ms), minor_compare);
	return ms[rounds / 2];
}

static void minor_report_cost(size_t nr, const struct gca_stats *before)
{
	struct gca_stats after = contender_stats();
	uint64_t minors = after.num_minor_gc - before->num_minor_gc;
	double gib = nr * sizeof(struct minor_node) / (1024.0 * MIB);

	bench_result("dirty pass", "ms/GiB",
		     (after.dirty_total_ns - before->dirty_total_ns) / 1e6 / minors / gib);
	bench_result("dirty pages", "",
		     (double)(after.dirty_pages_total - before->dirty_pages_total) / minors);
	bench_result("faults/1000 writes after a pass", "",
		     minor_cost.faults * 1e3 / minor_cost.written);
	bench_result("arena faults/1000 writes after a pass", "",
		     minor_cost.arena_faults * 1e3 / minor_cost.written);
}

static void minor_workload(void)
{
	size_t nr = bench_arg_number("mib", 64) * MIB / sizeof(struct minor_node), i;
	unsigned long per_mille = bench_arg_number("per_mille", 10);
	struct minor_node **node = bench_hidden_alloc(nr * sizeof(*node));
	struct gca_stats before;
	double full, minor;
	gca_type *type;

	contender_init();
	contender_auto_collect(false);
	type = GCA_TYPE(struct minor_node, next);
	for (i = 0; i < nr; i++) {
		node[i] = gca_new(type);
		if (!node[i])
			bench_die("out of memory");
		node[i]->next = minor_root;
		minor_root = node[i];
	}
	full = minor_time(GCA_FULL, node, nr, per_mille);
	minor_time(GCA_MINOR, node, nr, per_mille);	/* the first takes all that is written */
	before = contender_stats();
	memset(&minor_cost, 0, sizeof(minor_cost));
	minor = minor_time(GCA_MINOR, node, nr, per_mille);
	bench_result("full", "ms", full);
	bench_result("minor", "ms", minor);
	bench_result("full by minor", "", full / minor);
	minor_report_cost(nr, &before);
}
