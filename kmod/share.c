// SPDX-License-Identifier: GPL-2.0
/*
 * The share: what part of the processors the collector's own threads take while the program
 * runs.
 *
 * A leaky bucket. What a thread took is a debt, and time pays for it, at the rate that they are
 * allowed. Nobody has to wait who owes nothing; nothing is saved up, so that threads that had
 * nothing to do for a while do not take all processors afterwards.
 *
 * Needs the heap lock.
 */
#include "share.h"

static u64 owed(const struct gcarena_share *share, unsigned int percent, u64 now)
{
	/* Whatever the rate is, no debt takes longer. */
	u64 ns = min(now - min(now, share->since), 100 * GCARENA_SHARE_DEBT_MAX);

	return share->debt - min(share->debt, div_u64(ns * percent, 100));
}

/**
 * gcarena_share_wait() - for how long do they have to leave the processors to others?
 * @share: the share
 * @percent: what they may take, percent of one processor, not 0
 * @now: what time it is, ns
 *
 * Return: ns, 0 for not at all.
 */
u64 gcarena_share_wait(const struct gcarena_share *share, unsigned int percent, u64 now)
{
	return div_u64(owed(share, percent, now) * 100, percent);
}

/**
 * gcarena_share_charge() - one of them had a processor
 * @share: the share
 * @percent: as for gcarena_share_wait()
 * @start: from when on, ns
 * @ns: for how long
 */
void gcarena_share_charge(struct gcarena_share *share, unsigned int percent, u64 start, u64 ns)
{
	u64 debt = owed(share, percent, start);

	share->debt = min(debt + min(ns, GCARENA_SHARE_DEBT_MAX), GCARENA_SHARE_DEBT_MAX);
	/* What two did at the same time is told one after the other. */
	share->since = max(share->since, start);
}
