/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_QUIET_H
#define GCARENA_QUIET_H

#include <linux/atomic.h>
#include <linux/types.h>

struct gcarena;

/**
 * struct gcarena_quiet - the quiet chunks of an arena
 * @allowed: there may be some
 * @chunks: how many there are
 * @faults: page faults that woke one
 * @total: how many times a chunk became quiet
 * @seen_looks: counters.dirty_passes when the last walk began
 * @seen_cycles: counters.cycles then
 * @walking: a walk over all chunks is not at its end
 * @pos: where it goes on
 */
struct gcarena_quiet {
	bool allowed;
	atomic_t chunks;
	atomic64_t faults;
	u64 total;
	u64 seen_looks;
	u64 seen_cycles;
	bool walking;
	u32 pos;
};

/**
 * struct gcarena_nap - when a chunk is to be quiet
 * @written: a look has found a written page since the last walk
 * @asleep: it was quiet at the last walk, or became so
 * @calm: walks in a row that have found it unwritten
 * @patience: so many there must be
 * @since: counters.cycles when it became quiet
 */
struct gcarena_nap {
	bool written;
	bool asleep;
	u8 calm;
	u8 patience;
	u64 since;
};

void gcarena_nap_init(struct gcarena_nap *nap);
bool gcarena_quiet_default(void);
u32 gcarena_quiet_next_loud(const struct gcarena *arena, u32 *first, u32 max);
void gcarena_quiet_note(struct gcarena *arena, u32 first, u32 nr, const unsigned long *pages);
bool gcarena_quiet_some(struct gcarena *arena);

#endif
