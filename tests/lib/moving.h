/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests of what moves objects: an arena, slots that hold it precisely, lists and random
 * graphs that know what they were, with garbage in between. Every test runs twice, with
 * explicit roots and with those that the kernel finds; and, when root runs it, each cycle is
 * checked by the module's verifier.
 *
 * GCARENA_SEED repeats the random graphs.
 */
#ifndef GCARENA_TESTS_MOVING_H
#define GCARENA_TESTS_MOVING_H

#include <kselftest_harness.h>
#include <stdint.h>
#include <sys/mman.h>

#include "gcarena.h"
#include "lib/param.h"
#include "lib/rawarena.h"
#include "lib/rng.h"

#define MIB		(1024UL * 1024)
#define PAGE		4096UL
#define NR_SLOTS	16
#define GRAPH_NODES	4000U
#define GRAPH_EDGES	3

struct node {
	struct node *next;
	struct node *other;
	uint64_t id;
	uint64_t check[5];
};

/* Something in between the nodes that dies. */
struct filler {
	uint64_t words[8];
};

/*
 * Precise slots, in memory that is no root by itself. With explicit roots they are all
 * roots there are, so that nothing stays by chance.
 */
FIXTURE(moving)
{
	gca_arena *arena;
	gca_type *node, *filler;
	void **slot;
	struct gca_collection collected;
	struct params params;
	uint64_t seed;
};

FIXTURE_VARIANT(moving)
{
	unsigned int root_mode;
};

FIXTURE_VARIANT_ADD(moving, explicit) { .root_mode = GCA_ROOTS_EXPLICIT };
FIXTURE_VARIANT_ADD(moving, automatic) { .root_mode = GCA_ROOTS_AUTO };

FIXTURE_SETUP(moving)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = variant->root_mode,
		.gc_percent = GCA_GC_PERCENT_OFF,
	};

	raw_need_device();
	params_set(&self->params, "verify", 1);
	self->seed = rng_seed_from_env();
	self->collected.size = sizeof(self->collected);
	self->arena = gca_open(&options);
	ASSERT_NE(NULL, self->arena);
	self->node = GCA_TYPE_IN(self->arena, struct node, next, other);
	self->filler = GCA_TYPE_NOSCAN_IN(self->arena, struct filler);
	ASSERT_NE(NULL, self->node);
	self->slot = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->slot);
	ASSERT_EQ(0, gca_slots_add_in(self->arena, self->slot, NR_SLOTS * sizeof(*self->slot)));
}

FIXTURE_TEARDOWN(moving)
{
	params_restore(&self->params);
	if (self->arena)
		gca_close(self->arena);
}

static inline uint64_t check_of(uint64_t id, unsigned int i)
{
	return (id + 1) * 0x9e3779b97f4a7c15ULL >> 8 ^ i;
}

static inline struct node *new_node(FIXTURE_DATA(moving) *self, uint64_t id)
{
	struct node *n = gca_new(self->node);
	unsigned int i;

	if (!n)
		return NULL;
	n->id = id;
	for (i = 0; i < 5; i++)
		n->check[i] = check_of(id, i);
	return n;
}

static inline bool is_whole(const struct node *n, uint64_t id)
{
	unsigned int i;

	if (n->id != id)
		return false;
	for (i = 0; i < 5; i++) {
		if (n->check[i] != check_of(id, i))
			return false;
	}
	return true;
}

/* A list of @nr nodes with @gap times as much in between. It hangs from *@slot alone. */
static __attribute__((noinline)) void build_list(FIXTURE_DATA(moving) *self, void **slot,
						 uint64_t nr, unsigned int gap)
{
	struct node *n;
	unsigned int k;
	uint64_t i;

	*slot = NULL;
	for (i = 0; i < nr; i++) {
		for (k = 0; k < gap; k++)
			new_node(self, ~0ULL);
		n = new_node(self, i);
		n->next = *slot;
		*slot = n;
	}
}

/* Returns how many nodes of it are as they should be, from the newest on. */
static __attribute__((noinline)) uint64_t check_list(const struct node *n, uint64_t nr)
{
	uint64_t good = 0;

	for (; n && good < nr && is_whole(n, nr - 1 - good); n = n->next)
		good++;
	return n ? ~0ULL : good;
}

/* Once, while the world stands still. */
static inline void compact(struct __test_metadata *_metadata, FIXTURE_DATA(moving) *self)
{
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_COMPACT, &self->collected));
}

/* Vertices of several sizes, with edges to anywhere in others. */
struct vertex {
	char *edge[GRAPH_EDGES];
	uint64_t id;
	uint64_t fill[];
};

struct graph {
	uint32_t to[GRAPH_NODES][GRAPH_EDGES];
	uint32_t inner[GRAPH_NODES][GRAPH_EDGES];
	uint32_t words[GRAPH_NODES];	/* in ->fill */
	struct vertex *at[GRAPH_NODES];	/* when built; then as found */
};

static const uint32_t fill_words[] = { 0, 2, 5, 12, 60, 140, 1000 };

#define NR_SIZES	(sizeof(fill_words) / sizeof(*fill_words))

/* With @gap times as much of the same sorts in between that dies. */
static __attribute__((noinline)) void build_graph(FIXTURE_DATA(moving) *self, struct graph *g,
						  struct rng *rng, unsigned int gap)
{
	static const uint64_t map[20] = { (1 << GRAPH_EDGES) - 1 };
	gca_type *types[NR_SIZES];
	uint32_t i, k;

	for (i = 0; i < NR_SIZES; i++)
		types[i] = gca_type_from_bitmap_in(self->arena, "vertex", sizeof(struct vertex) +
						   fill_words[i] * 8, map);
	for (i = 0; i < GRAPH_NODES; i++) {
		uint32_t size = rng_below(rng, rng_below(rng, 20) ? NR_SIZES - 1 : NR_SIZES);

		g->words[i] = fill_words[size];
		g->at[i] = gca_new(types[size]);
		for (k = 0; k < gap; k++)
			gca_new(types[size]);
		g->at[i]->id = i;
		for (k = 0; k < g->words[i]; k++)
			g->at[i]->fill[k] = check_of(i, k);
	}
	for (i = 0; i < GRAPH_NODES; i++) {
		for (k = 0; k < GRAPH_EDGES; k++) {
			uint32_t to = rng_below(rng, GRAPH_NODES);

			/* Most of them die. */
			if (rng_below(rng, 3))
				to = GRAPH_NODES;
			g->to[i][k] = to;
			if (to == GRAPH_NODES)
				continue;
			g->inner[i][k] = rng_below(rng, sizeof(struct vertex) + g->words[to] * 8);
			g->at[i]->edge[k] = (char *)g->at[to] + g->inner[i][k];
		}
	}
	for (i = 0; i < NR_SLOTS; i++)
		self->slot[i] = (char *)g->at[i] + i;
	for (i = 0; i < GRAPH_NODES; i++)
		g->at[i] = NULL;
}

static inline bool check_vertex(const struct graph *g, uint32_t i)
{
	uint32_t k;

	if (g->at[i]->id != i)
		return false;
	for (k = 0; k < g->words[i]; k++) {
		if (g->at[i]->fill[k] != check_of(i, k))
			return false;
	}
	return true;
}

/* Follow all edges from the slots: each vertex is found at one place. Returns how many. */
static __attribute__((noinline)) uint64_t check_graph(FIXTURE_DATA(moving) *self,
						      struct graph *g)
{
	static uint32_t todo[GRAPH_NODES];
	uint32_t nr = 0, found = 0, i, k;

	memset(g->at, 0, sizeof(g->at));
	for (i = 0; i < NR_SLOTS; i++) {
		g->at[i] = (struct vertex *)((char *)self->slot[i] - i);
		todo[nr++] = i;
	}
	while (nr) {
		i = todo[--nr];
		found++;
		if (!check_vertex(g, i))
			return 0;
		for (k = 0; k < GRAPH_EDGES; k++) {
			uint32_t to = g->to[i][k];
			struct vertex *at;

			if (to == GRAPH_NODES) {
				if (g->at[i]->edge[k])
					return 0;
				continue;
			}
			at = (struct vertex *)(g->at[i]->edge[k] - g->inner[i][k]);
			if (!g->at[to])
				todo[nr++] = to;
			else if (g->at[to] != at)
				return 0;
			g->at[to] = at;
		}
	}
	return found;
}

#endif /* GCARENA_TESTS_MOVING_H */
