// SPDX-License-Identifier: GPL-2.0
/*
 * The budget of a stop, on machines that take so long for each byte.
 */
#include "core/fixture.h"

#define MS		1000000ULL
#define MOST		(64 * MIB)
/* Doubling from the least budget to MOST takes eight. */
#define STOPS		16

/* A stop, on a machine that does what the budget allows, or less if less is left. */
static u64 stop_once(struct gcarena_budget *budget, u64 usual_ns, u64 before_ns, u64 ns_per_kib,
		     u64 left)
{
	u64 moved = min(budget->bytes, left);
	struct gcarena_budget_stop stop = {
		.usual_ns = usual_ns,
		.before_ns = before_ns,
		.stop_ns = before_ns + moved / 1024 * ns_per_kib,
		.moved = moved,
	};

	gcarena_budget_adapt(budget, &stop);
	return stop.stop_ns;
}

static void settle(struct gcarena_budget *budget, u64 usual_ns, u64 before_ns, u64 ns_per_kib)
{
	int i;

	for (i = 0; i < STOPS; i++)
		stop_once(budget, usual_ns, before_ns, ns_per_kib, U64_MAX);
}

/* The largest of its doubles that is not too long for what is usual. */
static u64 best(u64 usual_ns, u64 before_ns, u64 ns_per_kib, u64 most)
{
	u64 aim = max(max(usual_ns, 2 * before_ns), MS), bytes = GCARENA_BUDGET_LEAST;

	while (bytes < most && before_ns + 2 * bytes / 1024 * ns_per_kib < aim)
		bytes *= 2;
	return min(bytes, most);
}

/* Whatever the machine, and wherever it began: it finds the same, and keeps to it. */
TEST(settles)
{
	const u64 usual[] = { 0, 3 * MS, 10 * MS, 60 * MS, 1000 * MS };
	const u64 before[] = { 0, 100000, MS, 20 * MS };
	struct gcarena_budget budget;
	unsigned int u, b, i;
	u64 ns_per_kib, want;

	for (ns_per_kib = 1; ns_per_kib <= 1 << 20; ns_per_kib *= 3) {
		for (i = 0; i < ARRAY_SIZE(usual) * ARRAY_SIZE(before); i++) {
			u = i / ARRAY_SIZE(before);
			b = i % ARRAY_SIZE(before);
			want = best(usual[u], before[b], ns_per_kib, MOST);
			gcarena_budget_init(&budget, MOST);
			settle(&budget, usual[u], before[b], ns_per_kib);
			EXPECT_EQ(want, budget.bytes);
			budget.bytes = MOST;
			settle(&budget, usual[u], before[b], ns_per_kib);
			/* Coming from above, what is as long as is usual is not too long. */
			EXPECT_LE(want, budget.bytes);
			EXPECT_GE(2 * want, budget.bytes);
			stop_once(&budget, usual[u], before[b], ns_per_kib, U64_MAX);
			EXPECT_LE(want, budget.bytes);
			EXPECT_GE(2 * want, budget.bytes);
		}
	}
}

/* Stops of the program get longer, and short again. */
TEST(follows_what_is_usual)
{
	struct gcarena_budget budget;

	gcarena_budget_init(&budget, MOST);
	settle(&budget, 2 * MS, 0, 1000);
	EXPECT_EQ(MIB, budget.bytes);
	settle(&budget, 40 * MS, 0, 1000);
	EXPECT_EQ(32 * MIB, budget.bytes);
	settle(&budget, 2 * MS, 0, 1000);
	EXPECT_EQ(MIB, budget.bytes);
}

/* One stop that was too long is not repeated; one that fits is not made shorter. */
TEST(too_long_is_halved_at_once)
{
	struct gcarena_budget budget;
	u64 bytes;

	gcarena_budget_init(&budget, MOST);
	settle(&budget, 40 * MS, 0, 1000);
	bytes = budget.bytes;
	EXPECT_LT(40 * MS, stop_once(&budget, 40 * MS, 20 * MS, 1000, U64_MAX));
	EXPECT_EQ(bytes / 2, budget.bytes);
	EXPECT_GE(40 * MS, stop_once(&budget, 40 * MS, 20 * MS, 1000, U64_MAX));
	EXPECT_EQ(bytes / 2, budget.bytes);
}

/* That little was left to move says nothing. */
TEST(grows_by_what_was_moved)
{
	struct gcarena_budget budget;

	gcarena_budget_init(&budget, MOST);
	stop_once(&budget, 1000 * MS, 0, 1, 4096);
	EXPECT_EQ(GCARENA_BUDGET_LEAST, budget.bytes);
	stop_once(&budget, 1000 * MS, 0, 1, GCARENA_BUDGET_LEAST / 2);
	EXPECT_EQ(2 * GCARENA_BUDGET_LEAST, budget.bytes);
	EXPECT_EQ(budget.bytes, budget.look);
}

/* That nothing could be moved says: look further; but nothing of how long it takes to move. */
TEST(looks_further_if_nothing_moves)
{
	struct gcarena_budget budget;
	int i;

	gcarena_budget_init(&budget, MOST);
	for (i = 0; i < STOPS; i++) {
		EXPECT_EQ(GCARENA_BUDGET_LEAST, budget.bytes);
		EXPECT_EQ(min(GCARENA_BUDGET_LEAST << i, MOST), budget.look);
		stop_once(&budget, 1000 * MS, 0, 1, 0);
	}
	stop_once(&budget, 1000 * MS, 0, 1, U64_MAX);
	EXPECT_EQ(2 * GCARENA_BUDGET_LEAST, budget.bytes);
	EXPECT_EQ(budget.bytes, budget.look);
	/* To look takes time, too. */
	for (i = 0; i < STOPS; i++)
		stop_once(&budget, 1000 * MS, 0, 1, 0);
	stop_once(&budget, 10 * MS, 0, MS, 4096);
	EXPECT_LE(budget.bytes, budget.look);
	EXPECT_GE(2 * GCARENA_BUDGET_LEAST, budget.look);
}

/* However short stops are, no more than the program wants; and it may want next to nothing. */
TEST(never_above_the_limit)
{
	struct gcarena_budget budget;
	u64 most;

	for (most = 1; most <= 1ULL << 50; most *= 2) {
		gcarena_budget_init(&budget, most);
		EXPECT_GE(most, budget.bytes);
		settle(&budget, U64_MAX / 2, 0, 0);
		EXPECT_GE(most, budget.bytes);
		gcarena_budget_limit(&budget, most / 2 + 1);
		EXPECT_GE(most / 2 + 1, budget.bytes);
		EXPECT_GE(most / 2 + 1, budget.look);
		/* However long they are, no less than is of use. */
		settle(&budget, 0, 0, U64_MAX >> 50);
		EXPECT_EQ(min(GCARENA_BUDGET_LEAST, most / 2 + 1), budget.bytes);
		/* It may want more again. */
		gcarena_budget_limit(&budget, MOST);
		EXPECT_EQ(GCARENA_BUDGET_LEAST, budget.bytes);
	}
}

/* Times that make no sense, of a clock that stood still, do no harm. */
TEST(clock_stands_still)
{
	struct gcarena_budget budget;
	struct gcarena_budget_stop stop = { .before_ns = 5 * MS, .stop_ns = MS, .moved = MIB };

	gcarena_budget_init(&budget, MIB);
	gcarena_budget_adapt(&budget, &stop);
	EXPECT_EQ(2 * GCARENA_BUDGET_LEAST, budget.bytes);
}

TEST_HARNESS_MAIN
