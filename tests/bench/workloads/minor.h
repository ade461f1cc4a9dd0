/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Minor beside full collections: mib= MiB of old 64-byte nodes in a list, of whose pages a
 * part is written before each collection: per_mille= of a thousand.
 */
#include <stdlib.h>

#define MINOR_ROUNDS	7
#define MINOR_PAGE	4096UL

struct minor_node {
	struct minor_node *next;
	uint64_t value[7];
};

static struct minor_node *minor_root;

static int minor_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The median pause of collections of that kind, with pages written before each, ms. */
static double minor_pause(enum gca_kind kind, struct minor_node **node, size_t nr,
			  unsigned long per_mille)
{
	struct gca_collection collected = { .size = sizeof(collected) };
	uint64_t seed = 88172645463325252ULL;
	size_t pages = nr * sizeof(**node) / MINOR_PAGE, n;
	double ms[MINOR_ROUNDS];
	int i;

	for (i = 0; i < MINOR_ROUNDS; i++) {
		for (n = 0; n < pages * per_mille / 1000; n++)
			node[random_below(&seed, nr)]->value[0]++;
		if (gca_collect_in(NULL, kind, &collected))
			bench_die("collection failed");
		ms[i] = collected.pause_ns / 1e6;
	}
	qsort(ms, MINOR_ROUNDS, sizeof(*ms), minor_compare);
	return ms[MINOR_ROUNDS / 2];
}

static void minor_workload(void)
{
	size_t nr = bench_arg_number("mib", 64) * MIB / sizeof(struct minor_node), i;
	unsigned long per_mille = bench_arg_number("per_mille", 10);
	struct minor_node **node = bench_hidden_alloc(nr * sizeof(*node));
	gca_type *type = GCA_TYPE(struct minor_node, next);
	double full, minor;

	contender_init();
	contender_auto_collect(false);
	for (i = 0; i < nr; i++) {
		node[i] = gca_new(type);
		if (!node[i])
			bench_die("out of memory");
		node[i]->next = minor_root;
		minor_root = node[i];
	}
	full = minor_pause(GCA_FULL, node, nr, per_mille);
	minor_pause(GCA_MINOR, node, nr, per_mille);	/* the first takes all that is written */
	minor = minor_pause(GCA_MINOR, node, nr, per_mille);
	bench_result("pause, full", "ms", full);
	bench_result("pause, minor", "ms", minor);
	bench_result("full by minor", "", full / minor);
}
