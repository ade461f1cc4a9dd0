// SPDX-License-Identifier: GPL-2.0
/*
 * The soft memory limit: a program whose live objects fit well, barely, or not at all, and
 * makes garbage all the time. What it holds stays below the limit as long as its live
 * objects do; when they do not, it gets on all the same, and is not collected to death.
 */
#include <kselftest_harness.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "gcarena.h"
#include "lib/param.h"
#include "lib/rawarena.h"

#define KIB		1024UL
#define MIB		(1024 * KIB)
#define LIMIT		(48 * MIB)
#define OBJECT		1024
#define NR_LIVE_MAX	(96 * MIB / OBJECT)

FIXTURE(memory_limit)
{
	gca_arena *arena;
	void **live;			/* the one root */
	size_t nr_live;
	uint64_t held_max;		/* objects and metadata together */
};

FIXTURE_VARIANT(memory_limit)
{
	long concurrent, generational;
	int percent;
};

FIXTURE_VARIANT_ADD(memory_limit, synchronous)
{
	.concurrent = 0, .generational = 0, .percent = GCA_GC_PERCENT_OFF,
};

FIXTURE_VARIANT_ADD(memory_limit, concurrent)
{
	.concurrent = 2, .generational = 2, .percent = GCA_GC_PERCENT_OFF,
};

FIXTURE_VARIANT_ADD(memory_limit, with_percentage)
{
	.concurrent = 1, .generational = 1, .percent = 400,
};

FIXTURE_SETUP(memory_limit)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = GCA_ROOTS_EXPLICIT,
		.gc_percent = variant->percent, .memory_limit = LIMIT,
	};
	struct params params = { };

	raw_need_device();
	params_set(&params, "concurrent", variant->concurrent);
	params_set(&params, "generational", variant->generational);
	self->arena = gca_open(&options);
	params_restore(&params);
	ASSERT_NE(NULL, self->arena);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, &self->live, sizeof(self->live)));
	self->live = gca_alloc_in(self->arena, NR_LIVE_MAX * sizeof(void *));
	ASSERT_NE(NULL, self->live);
}

/* With zeal there are more, and such dear ones that those for the limit's sake have to wait. */
#define COUNTS	"counts collections"

FIXTURE_TEARDOWN(memory_limit)
{
	if (self->arena)
		gca_close(self->arena);
}

static struct gcarena_stats stats_of(FIXTURE_DATA(memory_limit) *self)
{
	struct gcarena_stats stats;

	if (raw_stats(gca_fd(self->arena), &stats))
		memset(&stats, 0xff, sizeof(stats));
	if (self->held_max < stats.backing_bytes + stats.metadata_bytes)
		self->held_max = stats.backing_bytes + stats.metadata_bytes;
	return stats;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* So many bytes of live objects in all. */
static bool grow_to(FIXTURE_DATA(memory_limit) *self, uint64_t bytes)
{
	while (self->nr_live < bytes / OBJECT) {
		void **p = gca_alloc_in(self->arena, OBJECT);

		if (!p)
			return false;
		p[0] = &p[1];
		self->live[self->nr_live++] = p;
	}
	return true;
}

static bool all_there(FIXTURE_DATA(memory_limit) *self)
{
	size_t i;

	for (i = 0; i < self->nr_live; i++) {
		void **p = self->live[i];

		if (p[0] != &p[1])
			return false;
	}
	return true;
}

/* Garbage of many sizes; looks at what is held after each MiB. */
static bool churn(FIXTURE_DATA(memory_limit) *self, uint64_t bytes)
{
	uint64_t done = 0, next = MIB;
	size_t size = 16;

	while (done < bytes) {
		if (!gca_alloc_noscan_in(self->arena, size))
			return false;
		done += size;
		size = size < 6000 ? size + 112 : 16;
		if (done < next)
			continue;
		stats_of(self);
		next += MIB;
	}
	return true;
}

TEST_F_TIMEOUT(memory_limit, well_below, 120)
{
	struct gcarena_stats before, after;

	if (raw_zeal_is_on())
		SKIP(return, COUNTS);
	ASSERT_TRUE(grow_to(self, 8 * MIB));
	before = stats_of(self);
	ASSERT_TRUE(churn(self, 192 * MIB));
	after = stats_of(self);
	EXPECT_TRUE(all_there(self));
	EXPECT_LE(self->held_max, LIMIT);
	EXPECT_EQ(0, after.limit_exceeded);
	EXPECT_EQ(0, after.limit_throttled);
	/* About 34 MiB a cycle without a percentage; and not many more than that takes. */
	EXPECT_LE(4, after.cycles - before.cycles);
	EXPECT_GE(24, after.cycles - before.cycles);
	EXPECT_GE(LIMIT, after.next_gc);
}

TEST_F_TIMEOUT(memory_limit, near, 120)
{
	struct gcarena_stats after;

	if (raw_zeal_is_on())
		SKIP(return, COUNTS);
	ASSERT_TRUE(grow_to(self, 36 * MIB));
	ASSERT_TRUE(churn(self, 64 * MIB));
	after = stats_of(self);
	EXPECT_TRUE(all_there(self));
	EXPECT_LE(8, after.cycles);
	/* Spans that are full but for a few slots may take a chunk or two. */
	EXPECT_LE(self->held_max, LIMIT + 4 * MIB);
	TH_LOG("%llu KiB held at most, %llu cycles, %llu times beyond",
	       (unsigned long long)self->held_max / KIB, after.cycles,
	       after.limit_exceeded);
}

TEST_F_TIMEOUT(memory_limit, above, 240)
{
	uint64_t start = now_ns(), all, collected;
	struct gcarena_stats after;

	ASSERT_TRUE(grow_to(self, 64 * MIB));
	ASSERT_TRUE(churn(self, 128 * MIB));
	after = stats_of(self);
	all = now_ns() - start;
	EXPECT_TRUE(all_there(self));
	EXPECT_LT(0, after.limit_exceeded);
	/* Half of the time and a second; pauses alone are less than that. */
	collected = after.pause_total_ns + after.concurrent_ns;
	TH_LOG("%llu ms of %llu ms collecting, %llu cycles; %llu MiB held at most",
	       (unsigned long long)collected / 1000000, (unsigned long long)all / 1000000,
	       after.cycles, (unsigned long long)self->held_max / MIB);
	EXPECT_LE(collected, all / 2 + 1500000000ULL);
	/* Beyond it, but not without bounds: collections are seldom, but there are some. */
	EXPECT_GE(256 * MIB, self->held_max);
}

/* Live objects go: the next cycles bring the program below the limit again. */
TEST_F_TIMEOUT(memory_limit, comes_back, 240)
{
	struct gcarena_stats after;

	ASSERT_TRUE(grow_to(self, 64 * MIB));
	EXPECT_LT(LIMIT, stats_of(self).backing_bytes);
	memset(self->live, 0, NR_LIVE_MAX * sizeof(void *));
	self->nr_live = 0;
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL, NULL));
	EXPECT_GE(LIMIT, stats_of(self).backing_bytes + stats_of(self).metadata_bytes);
	self->held_max = 0;
	ASSERT_TRUE(churn(self, 96 * MIB));
	after = stats_of(self);
	EXPECT_LE(self->held_max, LIMIT);
	EXPECT_LE(2, after.cycles);
}

TEST_F_TIMEOUT(memory_limit, lowered_and_raised, 120)
{
	uint64_t old = 0;
	int tries;

	if (raw_zeal_is_on())
		SKIP(return, COUNTS);
	EXPECT_EQ(0, gca_set_memory_limit_in(self->arena, 0, &old));
	EXPECT_EQ(LIMIT, old);
	EXPECT_EQ(0, gca_set_memory_limit_in(self->arena, 1024 * MIB, &old));
	EXPECT_EQ(0, old);
	EXPECT_EQ(0, gca_set_gc_percent_in(self->arena, GCA_GC_PERCENT_OFF, NULL));
	ASSERT_TRUE(churn(self, 64 * MIB));
	EXPECT_EQ(0, stats_of(self).cycles);
	EXPECT_LE(64 * MIB, stats_of(self).backing_bytes);
	ASSERT_EQ(0, gca_set_memory_limit_in(self->arena, LIMIT, &old));
	EXPECT_EQ(1024 * MIB, old);
	ASSERT_NE(NULL, gca_alloc_in(self->arena, 64 * KIB));
	ASSERT_TRUE(churn(self, 2 * MIB));
	EXPECT_LE(1, stats_of(self).cycles);
	/* What is empty is given back in the background, without a call from the program. */
	for (tries = 0; tries < 100; tries++) {
		if (stats_of(self).backing_bytes + stats_of(self).metadata_bytes <= LIMIT)
			break;
		usleep(100000);
	}
	EXPECT_GT(100, tries);
	EXPECT_EQ(-EINVAL, gca_set_memory_limit_in(self->arena, 1ULL << 63, &old));
	EXPECT_EQ(0, gca_set_memory_limit_in(self->arena, 1, &old));
	EXPECT_EQ(LIMIT, old);
	/* However low it is, the program gets on. */
	ASSERT_TRUE(churn(self, 16 * MIB));
	EXPECT_TRUE(all_there(self));
}

/* The other limit is as hard as ever. */
TEST_F_TIMEOUT(memory_limit, below_the_hard_one, 120)
{
	ASSERT_EQ(0, gca_set_limit_in(self->arena, LIMIT + 8 * MIB, NULL));
	EXPECT_FALSE(grow_to(self, 64 * MIB));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_GE(LIMIT + 8 * MIB, stats_of(self).backing_bytes);
	EXPECT_LE(LIMIT, stats_of(self).backing_bytes);
	EXPECT_TRUE(all_there(self));
	/* Large objects, too. */
	EXPECT_EQ(NULL, gca_alloc_noscan_in(self->arena, 32 * MIB));
	memset(self->live, 0, NR_LIVE_MAX * sizeof(void *));
	self->nr_live = 0;
	EXPECT_NE(NULL, gca_alloc_noscan_in(self->arena, 32 * MIB));
}

/* A large object that does not fit below it is made room for, and is had at last. */
TEST_F_TIMEOUT(memory_limit, large_objects, 120)
{
	uint64_t i;

	for (i = 0; i < 40; i++) {
		char *p = gca_alloc_noscan_in(self->arena, 20 * MIB);

		ASSERT_NE(NULL, p);
		p[i * KIB] = 1;
		stats_of(self);
	}
	EXPECT_GE(LIMIT, self->held_max);
	EXPECT_EQ(0, stats_of(self).limit_exceeded);
	self->live[0] = gca_alloc_noscan_in(self->arena, 80 * MIB);
	ASSERT_NE(NULL, self->live[0]);
	EXPECT_LT(0, stats_of(self).limit_exceeded);
}

TEST_HARNESS_MAIN
