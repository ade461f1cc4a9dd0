/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_PACER_H
#define GCARENA_PACER_H

#include "platform.h"

#define GCARENA_PACER_OFF	(-1)
#define GCARENA_PACER_NEVER	U64_MAX

/**
 * struct gcarena_pacer - when to collect
 * @percent: growth that starts a cycle, or GCARENA_PACER_OFF
 * @min_heap: no cycle below this many bytes, times @percent / 100
 * @live: bytes: found reachable by the last cycle, plus allocated since
 * @marked: bytes found reachable by the last cycle
 * @goal: start a cycle when @live reaches this
 */
struct gcarena_pacer {
	int percent;
	u64 min_heap;
	u64 live;
	u64 marked;
	u64 goal;
};

void gcarena_pacer_init(struct gcarena_pacer *pacer, int percent, u64 min_heap);
void gcarena_pacer_set_percent(struct gcarena_pacer *pacer, int percent);
void gcarena_pacer_set_min_heap(struct gcarena_pacer *pacer, u64 min_heap);
void gcarena_pacer_cycle_done(struct gcarena_pacer *pacer, u64 marked);
void gcarena_pacer_postpone(struct gcarena_pacer *pacer);

static inline void gcarena_pacer_allocated(struct gcarena_pacer *pacer, u64 bytes)
{
	pacer->live += bytes;
}

static inline void gcarena_pacer_freed(struct gcarena_pacer *pacer, u64 bytes)
{
	pacer->live -= min(pacer->live, bytes);
}

static inline bool gcarena_pacer_due(const struct gcarena_pacer *pacer)
{
	return pacer->live >= pacer->goal;
}

#endif
