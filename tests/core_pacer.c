// SPDX-License-Identifier: GPL-2.0
/*
 * The pacer against the rule it implements, computed in 128 bits.
 */
#include "core/fixture.h"

TEST(follows_gogc)
{
	struct gcarena_pacer p;

	gcarena_pacer_init(&p, 100, 4 * MIB, false);
	EXPECT_EQ(4 * MIB, p.goal);
	gcarena_pacer_allocated(&p, 4 * MIB - 1);
	EXPECT_FALSE(gcarena_pacer_due(&p));
	gcarena_pacer_allocated(&p, 1);
	EXPECT_TRUE(gcarena_pacer_due(&p));
	gcarena_pacer_cycle_done(&p, false, 3 * MIB, 0);
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

	gcarena_pacer_init(&p, GCARENA_PACER_OFF, 4 * MIB, false);
	gcarena_pacer_allocated(&p, 1ULL << 60);
	EXPECT_FALSE(gcarena_pacer_due(&p));
	gcarena_pacer_cycle_done(&p, false, 1ULL << 60, 0);
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

	gcarena_pacer_init(&p, 100, 4 * MIB, false);
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
		gcarena_pacer_init(&p, 100, 4 * MIB, false);
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
				gcarena_pacer_init(&p, percents[i], min_heap, false);
				gcarena_pacer_cycle_done(&p, false, marked, 0);
				want = goal_by_the_book(marked, min_heap, percents[i]);
				if (want >= U64_MAX / 100)
					want = p.goal > U64_MAX / 100 ? p.goal : U64_MAX / 100;
				ASSERT_EQ(want, p.goal);
				ASSERT_LE(marked, p.goal);
			}
		}
	}
}

/* Allocate to the goal, and let a cycle find @marked. */
static void one_cycle(struct gcarena_pacer *p, u64 marked, u64 ns)
{
	gcarena_pacer_allocated(p, p->goal - p->live);
	gcarena_pacer_cycle_done(p, p->next_minor, marked, ns);
}

/* A concurrent cycle begins between what is live and the goal, never below the minimum. */
TEST(begins_before_the_goal)
{
	static const u64 runways[] = { 0, 1, 64 * 1024, MIB, 10 * MIB, 1 << 30 };
	struct gcarena_pacer p;
	u64 marked;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(runways); i++) {
		for (marked = 0; marked < 1ULL << 40; marked = marked * 2 + 12345) {
			gcarena_pacer_init(&p, 100, 4 * MIB, false);
			p.runway = runways[i];
			gcarena_pacer_cycle_done(&p, false, marked, 1);
			ASSERT_LE(p.trigger, p.goal);
			ASSERT_LE(4 * MIB, p.trigger);
			ASSERT_LE(marked + (p.goal - marked) / 4, p.trigger);
			if (p.goal - marked > 2 * runways[i] && p.trigger > 4 * MIB)
				ASSERT_LE(runways[i], p.goal - p.trigger);
		}
	}
}

/* What the program allocated meanwhile is the runway of the next one. */
TEST(learns_its_runway)
{
	struct gcarena_pacer p;

	gcarena_pacer_init(&p, 100, 4 * MIB, false);
	gcarena_pacer_cycle_done(&p, false, 100 * MIB, 1);
	gcarena_pacer_allocated(&p, p.trigger - p.live);
	gcarena_pacer_cycle_begun(&p);
	EXPECT_EQ(0, gcarena_pacer_progress(&p));
	gcarena_pacer_allocated(&p, (p.goal - p.live) / 2);
	EXPECT_LE(510, gcarena_pacer_progress(&p));
	EXPECT_GE(514, gcarena_pacer_progress(&p));
	gcarena_pacer_allocated(&p, p.goal - p.live);
	EXPECT_EQ(1024, gcarena_pacer_progress(&p));
	gcarena_pacer_cycle_done(&p, false, 100 * MIB, 1);
	EXPECT_EQ(25 * MIB, p.runway);
	EXPECT_EQ(200 * MIB - 25 * MIB * 5 / 4, p.trigger);
	/* One that was dropped half-way, for a synchronous one, taught nothing. */
	gcarena_pacer_allocated(&p, p.trigger - p.live);
	gcarena_pacer_cycle_begun(&p);
	gcarena_pacer_cycle_dropped(&p);
	gcarena_pacer_cycle_done(&p, false, 100 * MIB, 1);
	EXPECT_EQ(25 * MIB, p.runway);
}

TEST(minor_while_there_is_room)
{
	struct gcarena_pacer p;
	unsigned int minors = 0;

	gcarena_pacer_init(&p, 100, 4 * MIB, true);
	gcarena_pacer_cycle_done(&p, false, 100 * MIB, 1000);
	EXPECT_TRUE(p.next_minor);
	/* A tenth survives each time, and is old from then on. */
	while (p.next_minor && minors < 100) {
		one_cycle(&p, p.marked + (p.goal - p.marked) / 10, 10);
		minors++;
		EXPECT_EQ(200 * MIB, max(p.goal, 200 * MIB));
	}
	EXPECT_LE(5, minors);
	EXPECT_GE(8, minors);
	one_cycle(&p, 100 * MIB, 1000);
	EXPECT_TRUE(p.next_minor);
	/* All that is old lives on: the next one has to be a full one, soon but not at once. */
	one_cycle(&p, 199 * MIB, 10);
	EXPECT_FALSE(p.next_minor);
	EXPECT_LE(199 * MIB + 10 * MIB, p.goal);
	one_cycle(&p, 199 * MIB, 1000);
	EXPECT_EQ(398 * MIB, p.goal);
}

TEST(minor_has_to_pay)
{
	struct gcarena_pacer p;
	unsigned int fulls = 0;

	gcarena_pacer_init(&p, 100, 4 * MIB, true);
	gcarena_pacer_cycle_done(&p, false, 100 * MIB, 1000);
	/* As long as a full one, and frees half as much. */
	one_cycle(&p, 150 * MIB, 1000000);
	EXPECT_FALSE(p.next_minor);
	while (!p.next_minor && fulls < 100) {
		one_cycle(&p, 100 * MIB, 1000);
		fulls++;
	}
	EXPECT_EQ(8, fulls);
	gcarena_pacer_init(&p, 100, 4 * MIB, false);
	gcarena_pacer_cycle_done(&p, false, 100 * MIB, 1000);
	EXPECT_FALSE(p.next_minor);
}

TEST_HARNESS_MAIN
