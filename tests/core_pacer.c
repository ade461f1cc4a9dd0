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

/* ---- The memory limit ----------------------------------------------------------------- */

#define FAR	(1ULL << 62)

/* What may be live below the limit: a 32nd, or 2 MiB, is left free. */
static u64 most_by_the_book(u64 limit, u64 overhead, u64 marked)
{
	u64 taken = overhead + max(limit / 32, 2 * MIB);
	u64 least = marked + max(marked / 32, MIB / 4);

	return max(limit > taken ? limit - taken : 0, least);
}

#define for_each_limit(i, percents, marked, limit, overhead)				\
	for (i = 0; i < ARRAY_SIZE(percents); i++)					\
		for (marked = 0; marked < 1ULL << 42; marked = marked * 3 + 12345)	\
			for (limit = 1; limit < FAR; limit = limit * 2 + 999)		\
				for (overhead = 0; overhead < 1ULL << 42;		\
				     overhead = overhead * 7 + 4321)

/* Every goal is the lower of the two, and always a little above what is live. */
TEST(limit_is_exact)
{
	static const int percents[] = { GCARENA_PACER_OFF, 1, 100, 1000 };
	u64 marked, limit, overhead, want, most;
	struct gcarena_pacer p;
	unsigned int i;

	for_each_limit(i, percents, marked, limit, overhead) {
		gcarena_pacer_init(&p, percents[i], 4 * MIB, false);
		gcarena_pacer_set_memory_limit(&p, limit, 0);
		gcarena_pacer_observe(&p, overhead);
		gcarena_pacer_cycle_done(&p, false, marked, 0);
		most = most_by_the_book(limit, overhead, marked);
		want = percents[i] < 0 ? U64_MAX : goal_by_the_book(marked, 4 * MIB, percents[i]);
		want = min(want, most);
		ASSERT_EQ(want, p.goal);
		ASSERT_LT(marked, p.goal);
		ASSERT_EQ(want == most, p.limited);
		ASSERT_LE(p.trigger, p.goal);
		ASSERT_LE(marked + (p.goal - marked) / 4, p.trigger);
		/* It goes as it has come. */
		gcarena_pacer_set_memory_limit(&p, 0, overhead);
		ASSERT_FALSE(p.limited);
		want = percents[i] < 0 ? U64_MAX : goal_by_the_book(marked, 4 * MIB, percents[i]);
		ASSERT_EQ(want, p.goal);
	}
}

TEST(limit_works_without_a_percentage)
{
	struct gcarena_pacer p;

	gcarena_pacer_init(&p, GCARENA_PACER_OFF, 4 * MIB, false);
	gcarena_pacer_set_memory_limit(&p, 64 * MIB, 10 * MIB);
	EXPECT_EQ(52 * MIB, p.goal);
	gcarena_pacer_allocated(&p, 52 * MIB - 1);
	EXPECT_FALSE(gcarena_pacer_due(&p));
	gcarena_pacer_allocated(&p, 1);
	EXPECT_TRUE(gcarena_pacer_due(&p));
	gcarena_pacer_cycle_done(&p, false, 5 * MIB, 1);
	EXPECT_FALSE(gcarena_pacer_due(&p));
	EXPECT_EQ(52 * MIB, p.goal);
	/* The minimum is for small heaps where there is room. */
	gcarena_pacer_set_percent(&p, 100);
	gcarena_pacer_set_memory_limit(&p, 5 * MIB, MIB);
	EXPECT_EQ(5 * MIB + MIB / 4, p.goal);
	EXPECT_TRUE(p.limited);
	gcarena_pacer_cycle_done(&p, false, MIB, 1);
	EXPECT_EQ(2 * MIB, p.goal);
	EXPECT_GE(2 * MIB, p.trigger);
	/* A cycle that could not be done is put off all the same. */
	gcarena_pacer_allocated(&p, MIB);
	gcarena_pacer_postpone(&p);
	EXPECT_FALSE(gcarena_pacer_due(&p));
	EXPECT_FALSE(p.limited);
}

/* Young ones alone, as long as half of what is left below the limit is theirs. */
TEST(minor_below_the_limit)
{
	struct gcarena_pacer p;
	unsigned int minors = 0;

	gcarena_pacer_init(&p, 1000, 4 * MIB, true);
	gcarena_pacer_set_memory_limit(&p, 1024 * MIB, 92 * MIB);
	gcarena_pacer_cycle_done(&p, false, 500 * MIB, 1000);
	EXPECT_EQ(900 * MIB, p.goal);
	while (p.next_minor && minors < 100) {
		one_cycle(&p, p.marked + (p.goal - p.marked) / 10, 10);
		minors++;
		EXPECT_EQ(900 * MIB, p.goal);
	}
	EXPECT_LE(5, minors);
	EXPECT_GE(8, minors);
	/* Over it there is little left, but it is for young ones all the same. */
	one_cycle(&p, 1100 * MIB, 1000);
	EXPECT_TRUE(p.next_minor);
	EXPECT_EQ(1100 * MIB + 1100 * MIB / 32, p.goal);
}

#define MS	1000000ULL

/* A program over its limit: each cycle takes @cost, and is due again after @run. */
static u64 collected_of(u64 cost, u64 run, u64 total)
{
	u64 now = 12345, end = now + total, collected = 0;
	struct gcarena_pacer p;

	gcarena_pacer_init(&p, GCARENA_PACER_OFF, 4 * MIB, false);
	gcarena_pacer_set_memory_limit(&p, 64 * MIB, 0);
	gcarena_pacer_spent(&p, 0, now);
	while (now < end) {
		now += run;
		if (gcarena_pacer_throttled(&p, now))
			continue;
		now += cost;
		collected += cost;
		gcarena_pacer_spent(&p, cost, now);
		gcarena_pacer_cycle_done(&p, false, 100 * MIB, cost);
	}
	return collected;
}

TEST(no_more_than_half_of_the_time)
{
	static const u64 costs[] = { MS / 10, MS, 70 * MS, 800 * MS, 3000 * MS, 20000 * MS };
	const u64 total = 400000 * MS;
	u64 run, all, least;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(costs); i++) {
		for (run = MS / 20; run < 100000 * MS; run *= 3) {
			all = collected_of(costs[i], run, total);
			/* Half, the second to spare, and the last one. */
			ASSERT_LE(all, total / 2 + 1000 * MS + 2 * costs[i]);
			/* And it is not kept from what it may do. */
			least = run >= costs[i] ? total / (run + costs[i]) * costs[i] :
				10 * costs[i] < total ? total / 2 - total / 8 : 0;
			ASSERT_LE(least, all);
		}
	}
}

TEST(the_percentage_is_not_throttled)
{
	struct gcarena_pacer p;

	gcarena_pacer_init(&p, 100, 4 * MIB, false);
	gcarena_pacer_set_memory_limit(&p, 150 * MIB, 0);
	gcarena_pacer_cycle_done(&p, false, 100 * MIB, 1);
	EXPECT_TRUE(p.limited);
	gcarena_pacer_spent(&p, 5000 * MS, 10000 * MS);
	gcarena_pacer_allocated(&p, 50 * MIB);
	EXPECT_TRUE(gcarena_pacer_due(&p));
	EXPECT_TRUE(gcarena_pacer_throttled(&p, 10000 * MS));
	EXPECT_TRUE(gcarena_pacer_throttled(&p, 13999 * MS));
	EXPECT_FALSE(gcarena_pacer_throttled(&p, 14000 * MS));
	gcarena_pacer_allocated(&p, 50 * MIB);
	EXPECT_FALSE(gcarena_pacer_throttled(&p, 10000 * MS));
	EXPECT_TRUE(gcarena_pacer_is_hasty(&p, 10000 * MS));
	/* One that took very long is not held against the program for ever. */
	gcarena_pacer_spent(&p, U64_MAX, 20000 * MS);
	EXPECT_TRUE(gcarena_pacer_is_hasty(&p, 78999 * MS));
	EXPECT_FALSE(gcarena_pacer_is_hasty(&p, 79000 * MS));
}

TEST_HARNESS_MAIN
