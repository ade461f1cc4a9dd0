// SPDX-License-Identifier: GPL-2.0
/*
 * Random programs against an oracle that knows the object graph (lib/oracle.h).
 *
 * GCARENA_SEED repeats a run, GCARENA_OPS is the number of operations.
 */
#include <kselftest_harness.h>

#include "gcarena.h"
#include "lib/oracle.h"
#include "lib/rng.h"

#define MIB		(1024UL * 1024)
#define NR_ROOTS	1024
#define DEFAULT_OPS	90000

FIXTURE(program)
{
	gca_arena *arena;
	uint64_t seed, ops;
};

FIXTURE_VARIANT(program)
{
	unsigned int root_mode;
	bool exact, types;
	int gc_percent;
	unsigned int share;	/* percent of GCARENA_OPS */
};

/* Few collections of its own: the oracle's exact checks do most of the work. */
FIXTURE_VARIANT_ADD(program, exact)
{
	.root_mode = GCA_ROOTS_EXPLICIT,
	.exact = true,
	.types = true,
	.gc_percent = 100,
	.share = 50,
};

/* A collection by itself every 1 % of growth. */
FIXTURE_VARIANT_ADD(program, exact_and_busy)
{
	.root_mode = GCA_ROOTS_EXPLICIT,
	.exact = true,
	.types = true,
	.gc_percent = 1,
	.share = 25,
};

/* Roots on the stack, layouts without types: nothing that lives is lost. */
FIXTURE_VARIANT_ADD(program, conservative)
{
	.root_mode = GCA_ROOTS_AUTO,
	.gc_percent = 10,
	.share = 25,
};

FIXTURE_SETUP(program)
{
	struct gca_options options = {
		.size = sizeof(options),
		.root_mode = variant->root_mode,
		.gc_percent = variant->gc_percent,
		.min_heap = 64 << 10,
	};

	self->seed = rng_seed_from_env();
	self->ops = rng_env_number("GCARENA_OPS", DEFAULT_OPS) * variant->share / 100;
	self->arena = gca_open(&options);
	ASSERT_NE(NULL, self->arena) {
		TH_LOG("gca_open: %s", gca_strerror(errno));
	}
}

FIXTURE_TEARDOWN(program)
{
	EXPECT_EQ(0, gca_close(self->arena));
}

static void report(struct __test_metadata *_metadata, const struct oracle_counts *n,
		   const struct gca_stats *stats)
{
	TH_LOG("%lu steps: %lu allocated (%lu large), %lu links, %lu realloc (%lu moved), %lu free",
	       n->steps, n->allocs, n->large_allocs, n->links, n->reallocs, n->moved, n->frees);
	TH_LOG("%lu checks, at most %lu live, %lu reclaimed; %lu collections, %lu forced",
	       n->checks, n->peak_live, n->reclaimed, stats->num_gc, stats->num_forced_gc);
}

TEST_F_TIMEOUT(program, agrees_with_the_oracle, 3600)
{
	/* In the conservative variant this is where the collector finds them. */
	void *roots[NR_ROOTS] = { NULL };
	struct oracle_options options = {
		.arena = self->arena, .roots = roots, .nr_roots = NR_ROOTS,
		.seed = self->seed, .live_limit = 8 * MIB,
		.exact = variant->exact, .types = variant->types,
	};
	struct oracle *oracle = oracle_new(&options);
	struct gca_stats stats = { .size = sizeof(stats) };
	uint64_t i;
	bool ok = true;

	ASSERT_NE(NULL, oracle);
	for (i = 0; i < self->ops && ok; i++)
		ok = oracle_step(oracle);
	ok = ok && oracle_finish(oracle);
	EXPECT_TRUE(ok) {
		TH_LOG("GCARENA_SEED=%#lx: %s", self->seed, oracle_error(oracle));
	}
	ASSERT_EQ(0, gca_read_stats_in(self->arena, &stats));
	report(_metadata, oracle_counts(oracle), &stats);
	/* It was a test only if all of this happened. */
	EXPECT_LT(self->ops / 10, oracle_counts(oracle)->reclaimed);
	EXPECT_LT(0, oracle_counts(oracle)->checks);
	EXPECT_LT(0, oracle_counts(oracle)->moved);
	EXPECT_LT(0, oracle_counts(oracle)->large_allocs);
	EXPECT_LT(0, stats.num_gc - stats.num_forced_gc);
	if (variant->exact)
		EXPECT_EQ(0, stats.heap_objects);
	oracle_destroy(oracle);
}

TEST_HARNESS_MAIN
