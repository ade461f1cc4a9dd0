// SPDX-License-Identifier: GPL-2.0
/*
 * The share: threads that work as much as it lets them, and what they have taken in the end.
 */
#include "core/fixture.h"

#define MS		1000000ULL
#define START		(123456789 * MS)

/*
 * Work for @slice ns, wait for as long as is told, and so on, for @total ns at least. Returns
 * what was worked, and sets @total to how long it took.
 */
static u64 work(unsigned int percent, u64 slice, u64 *total)
{
	struct gcarena_share share = { };
	u64 now = START, worked = 0;

	while (now - START < *total) {
		gcarena_share_charge(&share, percent, now, slice);
		now += slice;
		worked += slice;
		now += gcarena_share_wait(&share, percent, now);
	}
	*total = now - START;
	return worked;
}

/* A worker takes its part, all of it, and no more, whatever its slices are. */
TEST(takes_its_part)
{
	static const u64 slices[] = { 1000, 12345, MS, 7 * MS, 19 * MS };
	unsigned int percent, i;
	u64 total, worked;

	for (percent = 1; percent <= 100; percent++) {
		for (i = 0; i < ARRAY_SIZE(slices); i++) {
			total = 20 * slices[i] * 100 / percent;
			worked = work(percent, slices[i], &total);
			EXPECT_GE(total * percent, worked * 100);
			EXPECT_LE(total * percent, worked * 100 + 100 * slices[i] / 20);
		}
	}
}

/* With a processor or more of its own it never waits. */
TEST(whole_processors)
{
	static const unsigned int percents[] = { 100, 150, 400, 100 * 8192 };
	unsigned int i;
	u64 total;

	for (i = 0; i < ARRAY_SIZE(percents); i++) {
		total = 100 * MS;
		EXPECT_EQ(100 * MS, work(percents[i], MS, &total));
		EXPECT_EQ(100 * MS, total);
	}
}

/* Two at the same time owe for both, in whichever order it is told. */
TEST(two_at_a_time)
{
	struct gcarena_share share = { };

	gcarena_share_charge(&share, 50, START + MS, 2 * MS);
	gcarena_share_charge(&share, 50, START, 4 * MS);
	/* 6 ms of work at half of a processor, from when the second began: 12. */
	EXPECT_EQ(12 * MS, gcarena_share_wait(&share, 50, START + MS));
	EXPECT_EQ(1 * MS, gcarena_share_wait(&share, 50, START + 12 * MS));
	EXPECT_EQ(0, gcarena_share_wait(&share, 50, START + 13 * MS));
	EXPECT_EQ(0, gcarena_share_wait(&share, 50, U64_MAX));
}

/* Who did nothing for a day has no more to spend than who did nothing for a moment. */
TEST(saves_nothing)
{
	struct gcarena_share share = { };
	u64 day = 86400000 * MS;

	gcarena_share_charge(&share, 25, START, MS);
	EXPECT_EQ(0, gcarena_share_wait(&share, 25, START + day));
	gcarena_share_charge(&share, 25, START + day, MS);
	EXPECT_EQ(3 * MS, gcarena_share_wait(&share, 25, START + day + MS));
}

/* A slice that took an hour, as the machine slept, is no reason to sleep for four. */
TEST(owes_no_more_than_so_much)
{
	struct gcarena_share share = { };
	int i;

	for (i = 0; i < 10; i++)
		gcarena_share_charge(&share, 1, START, 3600000 * MS);
	EXPECT_EQ(100 * GCARENA_SHARE_DEBT_MAX, gcarena_share_wait(&share, 1, START));
	EXPECT_EQ(0, gcarena_share_wait(&share, 1, START + 100 * GCARENA_SHARE_DEBT_MAX));
	/* The parameter may change at any time. */
	EXPECT_EQ(GCARENA_SHARE_DEBT_MAX, gcarena_share_wait(&share, 100, START));
}

TEST_HARNESS_MAIN
