// SPDX-License-Identifier: GPL-2.0
/*
 * The verifier and the zeal modes do what they say: cycles are verified when that is on
 * and not otherwise, a tiny mark stack overflows and nothing is missed, each n-th refill
 * collects, freed memory is overwritten, phases are waited for.
 */
#include <kselftest_harness.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "gcarena.h"
#include "lib/param.h"
#include "lib/rawarena.h"

#define NODES		20000
#define SLOT_BYTES	64
#define POISON		0xd5d5d5d5d5d5d5d5ULL

struct node {
	struct node *left;
	struct node *right;
};

static const char *const modes[] = {
	"verify", "zeal_refill", "zeal_mark_stack", "zeal_poison", "zeal_delay_us",
	"concurrent",
};

#define NR_MODES	(sizeof(modes) / sizeof(*modes))

static void __attribute__((constructor)) need_root(void)
{
	raw_need_root();
}

/* One mode alone is on. */
FIXTURE(zeal)
{
	long before[NR_MODES];
	gca_arena *arena;
	struct node *tree;	/* the only root */
	struct gca_collection collected;
};

FIXTURE_SETUP(zeal)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = GCA_ROOTS_EXPLICIT,
		.min_heap = 1ULL << 30,
	};
	size_t i;

	for (i = 0; i < NR_MODES; i++) {
		self->before[i] = param_get(modes[i]);
		ASSERT_LE(0, self->before[i]);
		ASSERT_TRUE(param_set(modes[i], 0));
	}
	self->collected.size = sizeof(self->collected);
	self->arena = gca_open(&options);
	ASSERT_NE(NULL, self->arena);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, &self->tree, sizeof(self->tree)));
}

FIXTURE_TEARDOWN(zeal)
{
	size_t i;

	for (i = 0; i < NR_MODES; i++)
		param_set(modes[i], self->before[i]);
	gca_close(self->arena);
}

/* A tree that is wide at every depth: each node hangs under an earlier one. */
static void make_tree(struct __test_metadata *_metadata, FIXTURE_DATA(zeal) *self, long nr)
{
	struct node **all = calloc(nr, sizeof(*all));
	long i;

	ASSERT_NE(NULL, all);
	for (i = 0; i < nr; i++) {
		all[i] = gca_alloc_in(self->arena, SLOT_BYTES);
		ASSERT_NE(NULL, all[i]);
		if (!i)
			self->tree = all[0];
		else if (i % 2)
			all[(i - 1) / 2]->left = all[i];
		else
			all[(i - 1) / 2]->right = all[i];
	}
	free(all);
}

static void collect(struct __test_metadata *_metadata, FIXTURE_DATA(zeal) *self)
{
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL, &self->collected));
}

TEST_F_TIMEOUT(zeal, cycles_are_verified, 120)
{
	long before = param_get("verified_cycles");

	make_tree(_metadata, self, NODES);
	collect(_metadata, self);
	EXPECT_EQ(before, param_get("verified_cycles"));
	ASSERT_TRUE(param_set("verify", 1));
	collect(_metadata, self);
	EXPECT_EQ(before + 1, param_get("verified_cycles"));
	EXPECT_EQ(NODES, self->collected.live_objects);
	EXPECT_FALSE(param_set("verified_cycles", 0));
}

TEST_F_TIMEOUT(zeal, a_tiny_mark_stack_overflows, 120)
{
	struct gcarena_stats stats;
	uint64_t before;

	make_tree(_metadata, self, NODES);
	collect(_metadata, self);
	EXPECT_EQ(NODES, self->collected.live_objects);
	ASSERT_EQ(0, raw_stats(gca_fd(self->arena), &stats));
	before = stats.mark_overflows;
	ASSERT_TRUE(param_set("verify", 1));
	ASSERT_TRUE(param_set("zeal_mark_stack", 4));
	collect(_metadata, self);
	EXPECT_EQ(NODES, self->collected.live_objects);
	ASSERT_EQ(0, raw_stats(gca_fd(self->arena), &stats));
	EXPECT_LT(before + 100, stats.mark_overflows);
}

TEST_F(zeal, every_nth_refill_collects)
{
	struct gcarena_stats stats;
	uint64_t refills;

	/* 1 GiB of min_heap: no cycle comes by itself. */
	make_tree(_metadata, self, NODES);
	ASSERT_EQ(0, raw_stats(gca_fd(self->arena), &stats));
	ASSERT_EQ(0, stats.cycles);
	refills = stats.refills;
	ASSERT_TRUE(param_set("zeal_refill", 3));
	make_tree(_metadata, self, NODES);
	ASSERT_EQ(0, raw_stats(gca_fd(self->arena), &stats));
	refills = stats.refills - refills;
	EXPECT_LE(6, refills);
	EXPECT_LE(refills / 3, stats.cycles);
	EXPECT_GE(refills / 3 + 1, stats.cycles);
	/* Unless the program has said that there are to be none. */
	ASSERT_EQ(0, gca_set_gc_percent_in(self->arena, GCA_GC_PERCENT_OFF, NULL));
	refills = stats.cycles;
	make_tree(_metadata, self, NODES);
	ASSERT_EQ(0, raw_stats(gca_fd(self->arena), &stats));
	EXPECT_EQ(refills, stats.cycles);
}

TEST_F(zeal, freed_memory_is_overwritten)
{
	const struct node *dead;
	size_t i;

	/* Two in a span, of which the other lives on. */
	make_tree(_metadata, self, 2);
	dead = self->tree->left;
	self->tree->left = NULL;
	ASSERT_TRUE(param_set("zeal_poison", 1));
	collect(_metadata, self);
	EXPECT_EQ(1, self->collected.live_objects);
	for (i = 0; i < SLOT_BYTES / sizeof(uint64_t); i++)
		EXPECT_EQ(POISON, ((const volatile uint64_t *)dead)[i]);
	/* What is allocated there is zero all the same. */
	for (i = 0; i < 200; i++) {
		const uint64_t *fresh = gca_alloc_in(self->arena, SLOT_BYTES);

		ASSERT_NE(NULL, fresh);
		EXPECT_EQ(0, fresh[0] | fresh[SLOT_BYTES / sizeof(*fresh) - 1]);
	}
}

TEST_F(zeal, phases_are_waited_for)
{
	make_tree(_metadata, self, 10);
	ASSERT_TRUE(param_set("zeal_delay_us", 50000));
	collect(_metadata, self);
	EXPECT_LE(100000000, self->collected.pause_ns);
}

TEST_HARNESS_MAIN
