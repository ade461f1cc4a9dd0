// SPDX-License-Identifier: GPL-2.0
/*
 * The pacer against the rule it implements, computed in 128 bits.
 */
#include "core/fixture.h"

TEST(follows_gogc)
{
	struct gcarena_pacer p;

	gcarena_pacer_init(&p, 100, 4 * MIB);
	EXPECT_EQ(4 * MIB, p.goal);
	gcarena_pacer_allocated(&p, 4 * MIB - 1);
	EXPECT_FALSE(gcarena_pacer_due(&p));
	gcarena_pacer_allocated(&p, 1);
	EXPECT_TRUE(gcarena_pacer_due(&p));
	gcarena_pacer_cycle_done(&p, 3 * MIB);
	EXPECT_EQ(6 * MIB, p.goal);
	EXPECT_FALSE(gcarena_pacer_due(&p));
	gcarena_pacer_set_percent(&p, 50);
	EXPECT_EQ(4 * MIB + MIB / 2, p.goal);
	gcarena_pacer_set_min_heap(&p, 16 * MIB);
	EXPECT_EQ(8 * MIB, p.goal);
}

TEST(off_is_never)
{
	struct gcarena_pacer p;

	gcarena_pacer_init(&p, GCARENA_PACER_OFF, 4 * MIB);
	gcarena_pacer_allocated(&p, 1ULL << 60);
	EXPECT_FALSE(gcarena_pacer_due(&p));
	gcarena_pacer_cycle_done(&p, 1ULL << 60);
	EXPECT_FALSE(gcarena_pacer_due(&p));
	gcarena_pacer_set_min_heap(&p, 1);
	EXPECT_FALSE(gcarena_pacer_due(&p));
	gcarena_pacer_set_percent(&p, 1);
	EXPECT_FALSE(gcarena_pacer_due(&p));	/* 101 % of it is not there yet */
	gcarena_pacer_allocated(&p, 1ULL << 60);
	EXPECT_TRUE(gcarena_pacer_due(&p));
}

TEST(freeing_counts_down_to_nothing)
{
	struct gcarena_pacer p;

	gcarena_pacer_init(&p, 100, 4 * MIB);
	gcarena_pacer_allocated(&p, 5 * MIB);
	gcarena_pacer_freed(&p, 2 * MIB);
	EXPECT_EQ(3 * MIB, p.live);
	EXPECT_FALSE(gcarena_pacer_due(&p));
	/* What a program frees may be older than the count. */
	gcarena_pacer_freed(&p, U64_MAX);
	EXPECT_EQ(0, p.live);
}

/* A cycle that cannot be done is not tried at each refill, but is tried again. */
TEST(postponing_moves_on)
{
	struct gcarena_pacer p;
	u64 live;

	for (live = 0; live < 1ULL << 40; live = live * 3 + 1000) {
		gcarena_pacer_init(&p, 100, 4 * MIB);
		gcarena_pacer_allocated(&p, live);
		gcarena_pacer_postpone(&p);
		EXPECT_FALSE(gcarena_pacer_due(&p));
		gcarena_pacer_allocated(&p, MIB);
		EXPECT_EQ(live < 8 * MIB, gcarena_pacer_due(&p));
		gcarena_pacer_allocated(&p, live / 8);
		EXPECT_TRUE(gcarena_pacer_due(&p));
	}
}

static u64 goal_by_the_book(u64 marked, u64 min_heap, int percent)
{
	unsigned __int128 least = (unsigned __int128)min_heap * percent / 100;
	unsigned __int128 goal = marked + (unsigned __int128)marked * percent / 100;

	goal = max(goal, least);
	return min(goal, (unsigned __int128)U64_MAX);
}

/* Exact as long as 100 times the goal fits in 64 bits; beyond, far away. */
TEST(goal_is_exact)
{
	static const int percents[] = { 1, 7, 50, 99, 100, 101, 200, 1000, 65537, 1000000 };
	struct gcarena_pacer p;
	u64 marked, min_heap, want;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(percents); i++) {
		for (marked = 0; marked < 1ULL << 62; marked = marked * 2 + 12345) {
			for (min_heap = 1; min_heap < 1ULL << 62; min_heap = min_heap * 5 + 99) {
				gcarena_pacer_init(&p, percents[i], min_heap);
				gcarena_pacer_cycle_done(&p, marked);
				want = goal_by_the_book(marked, min_heap, percents[i]);
				if (want >= U64_MAX / 100)
					want = p.goal > U64_MAX / 100 ? p.goal : U64_MAX / 100;
				ASSERT_EQ(want, p.goal);
				ASSERT_LE(marked, p.goal);
			}
		}
	}
}

TEST_HARNESS_MAIN
