/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_SHARE_H
#define GCARENA_SHARE_H

#include "platform.h"

/*
 * No debt is higher, ns: what took far too long is not atoned for by standing still. At one
 * percent this takes two seconds to pay, and an arena that is closed waits for it to go.
 */
#define GCARENA_SHARE_DEBT_MAX	(20ULL * 1000 * 1000)

/**
 * struct gcarena_share - what the collector's threads took of the processors
 * @debt: time of one processor that was taken and not paid for, ns, at @since
 * @since: CLOCK_MONOTONIC, ns
 */
struct gcarena_share {
	u64 debt;
	u64 since;
};

u64 gcarena_share_wait(const struct gcarena_share *share, unsigned int percent, u64 now);
void gcarena_share_charge(struct gcarena_share *share, unsigned int percent, u64 start, u64 ns);

#endif
