// SPDX-License-Identifier: GPL-2.0
/*
 * The verifier and the zeal modes do what they say: cycles are verified when that is on
 * and not otherwise, a tiny mark stack overflows and nothing is missed, each n-th refill
 * collects, freed memory is overwritten, phases are waited for, a concurrent cycle takes as
 * many refills as it has steps, memory is quiet after each look, full collections compact.
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
#define CHUNK		(2UL * 1024 * 1024)

struct node {
	struct node *left;
	struct node *right;
};

static const char *const modes[] = {
	"verify", "zeal_refill", "zeal_mark_stack", "zeal_poison", "zeal_slice", "zeal_quiet",
	"zeal_delay_us", "zeal_compact", "concurrent",
};

#define NR_MODES	(sizeof(modes) / sizeof(*modes))

static void __attribute__((constructor)) need_root(void)
{
	raw_need_root();
}

/* One mode alone is on. */
FIXTURE(zeal)
{
	struct params params;
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

	for (i = 0; i < NR_MODES; i++)
		ASSERT_TRUE(params_set(&self->params, modes[i], 0));
	self->collected.size = sizeof(self->collected);
	self->arena = gca_open(&options);
	ASSERT_NE(NULL, self->arena);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, &self->tree, sizeof(self->tree)));
}

FIXTURE_TEARDOWN(zeal)
{
	params_restore(&self->params);
	gca_close(self->arena);
}

/* Another arena instead, for parameters that count when one is opened. */
static void open_anew(struct __test_metadata *_metadata, FIXTURE_DATA(zeal) *self,
		      const struct gca_options *options)
{
	gca_close(self->arena);
	self->tree = NULL;
	self->arena = gca_open(options);
	ASSERT_NE(NULL, self->arena);
	if (options->root_mode == GCA_ROOTS_EXPLICIT)
		ASSERT_EQ(0, gca_roots_add_in(self->arena, &self->tree, sizeof(self->tree)));
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

/* ---- A few steps at a time ------------------------------------------------------------ */

#define SLICED_NODES	4000

/*
 * Allocate until one more concurrent cycle has ended, without the library: it would take
 * many spans at a time. Return: in how many refills.
 */
static uint64_t refills_to_cycle(struct __test_metadata *_metadata, FIXTURE_DATA(zeal) *self)
{
	struct gcarena_stats before = raw_stats_of(gca_fd(self->arena)), now = before;
	struct raw_allocator from = {
		.fd = gca_fd(self->arena), .layout = GCARENA_LAYOUT_NOSCAN,
	};
	struct raw_class_table classes;

	ASSERT_EQ(0, raw_classes(from.fd, &classes));
	from.size_class = raw_class_of(&classes, 4096);
	while (now.cycles_concurrent == before.cycles_concurrent) {
		ASSERT_GT(100 * SLICED_NODES, now.refills - before.refills);
		ASSERT_NE(NULL, raw_new(&from));
		now = raw_stats_of(from.fd);
	}
	ASSERT_EQ(0, raw_release(from.fd, &from.span, 1));
	return now.refills - before.refills;
}

/*
 * The worker hardly gets a turn, so that the program has to do the work: at its refills, as
 * the heap is soon far over its goal. Of each two cycles one is concurrent; all are full.
 */
TEST_F_TIMEOUT(zeal, a_concurrent_cycle_takes_many_refills, 120)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = GCA_ROOTS_EXPLICIT, .min_heap = 64 * 1024,
	};
	uint64_t few, many;

	ASSERT_TRUE(param_set("concurrent", 2));
	ASSERT_TRUE(params_set(&self->params, "generational", 0));
	ASSERT_TRUE(params_set(&self->params, "background_cpu_percent", 1));
	open_anew(_metadata, self, &options);
	ASSERT_EQ(0, gca_set_gc_percent_in(self->arena, GCA_GC_PERCENT_OFF, NULL));
	make_tree(_metadata, self, SLICED_NODES);
	ASSERT_EQ(0, gca_set_gc_percent_in(self->arena, 1, NULL));
	ASSERT_TRUE(param_set("zeal_refill", 1));
	few = refills_to_cycle(_metadata, self);
	ASSERT_TRUE(param_set("zeal_slice", 1));
	many = refills_to_cycle(_metadata, self);
	TH_LOG("%lu refills, in slices %lu", few, many);
	/* Some steps are the worker's. */
	EXPECT_LT(SLICED_NODES / 2, many);
	EXPECT_GT(SLICED_NODES / 8, few);
	collect(_metadata, self);
	EXPECT_LE(SLICED_NODES, self->collected.live_objects);
}

/* ---- Quiet memory --------------------------------------------------------------------- */

static struct gcarena_stats after_looks(struct __test_metadata *_metadata,
					FIXTURE_DATA(zeal) *self)
{
	/* Two, as a page's flag may count twice. */
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_MINOR, &self->collected));
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_MINOR, &self->collected));
	return raw_stats_of(gca_fd(self->arena));
}

TEST_F(zeal, memory_is_quiet_after_each_look)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = GCA_ROOTS_EXPLICIT,
		.gc_percent = GCA_GC_PERCENT_OFF,
	};
	struct gcarena_stats stats, woken;
	struct gcarena_info info;
	int round;

	ASSERT_TRUE(params_set(&self->params, "quiet", 1));
	open_anew(_metadata, self, &options);
	ASSERT_EQ(0, raw_info(gca_fd(self->arena), &info));
	if (info.dirty_method == GCARENA_DIRTY_REFAULT)
		SKIP(return, "each look unmaps all memory, with zeal or without");
	self->tree = gca_alloc_in(self->arena, 3 * CHUNK);
	ASSERT_NE(NULL, self->tree);
	/* By itself memory is quiet after more collections than these. */
	stats = after_looks(_metadata, self);
	EXPECT_EQ(0, stats.quiet_bytes);
	ASSERT_TRUE(param_set("zeal_quiet", 1));
	for (round = 0; round < 3; round++) {
		stats = after_looks(_metadata, self);
		EXPECT_LE(3 * CHUNK, stats.quiet_bytes);
		*(void *volatile *)&self->tree->left = NULL;
		woken = raw_stats_of(gca_fd(self->arena));
		EXPECT_EQ(stats.quiet_faults + 1, woken.quiet_faults);
		EXPECT_GT(stats.quiet_bytes, woken.quiet_bytes);
	}
	ASSERT_TRUE(param_set("zeal_quiet", 0));
	stats = after_looks(_metadata, self);
	EXPECT_EQ(woken.quiet_total, stats.quiet_total);
}

/* ---- Full collections compact ----------------------------------------------------------- */

#define GAP	10

/* A list that hangs from *@slot, with garbage in between. */
static void make_list(struct __test_metadata *_metadata, FIXTURE_DATA(zeal) *self, void **slot)
{
	gca_type *type = GCA_TYPE_IN(self->arena, struct node, left, right);
	struct node *n;
	long i;

	ASSERT_NE(NULL, type);
	*slot = NULL;
	for (i = 0; i < NODES; i++) {
		n = gca_new(type);
		ASSERT_NE(NULL, n);
		if (i % GAP)
			continue;
		n->left = *slot;
		*slot = n;
	}
}

/* Return: how many objects a full collection moved. */
static uint64_t moved_by_full(struct __test_metadata *_metadata, FIXTURE_DATA(zeal) *self)
{
	void **slot = gca_root_slot_in(self->arena, NULL);
	const struct node *n;
	uint64_t moved;
	long nr = 0;

	ASSERT_NE(NULL, slot);
	make_list(_metadata, self, slot);
	moved = raw_stats_of(gca_fd(self->arena)).moved_objects;
	collect(_metadata, self);
	moved = raw_stats_of(gca_fd(self->arena)).moved_objects - moved;
	for (n = *slot; n; n = n->left)
		nr++;
	EXPECT_EQ(NODES / GAP, nr);
	EXPECT_EQ(0, gca_root_slot_free(slot));
	return moved;
}

TEST_F_TIMEOUT(zeal, full_collections_compact, 120)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = GCA_ROOTS_AUTO,
		.gc_percent = GCA_GC_PERCENT_OFF,
	};

	/* Who has explicit roots alone may have addresses where nobody looks. */
	ASSERT_TRUE(param_set("zeal_compact", 1));
	EXPECT_EQ(0, moved_by_full(_metadata, self));
	open_anew(_metadata, self, &options);
	ASSERT_TRUE(param_set("zeal_compact", 0));
	EXPECT_EQ(0, moved_by_full(_metadata, self));
	ASSERT_TRUE(param_set("zeal_compact", 1));
	EXPECT_LT(NODES / GAP / 2, moved_by_full(_metadata, self));
}

TEST_HARNESS_MAIN
