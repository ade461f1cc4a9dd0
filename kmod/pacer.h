/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_PACER_H
#define GCARENA_PACER_H

#include "platform.h"

#define GCARENA_PACER_OFF	(-1)
#define GCARENA_PACER_NEVER	U64_MAX

/**
 * struct gcarena_pacer - when to collect, and what
 * @percent: growth that starts a cycle, or GCARENA_PACER_OFF
 * @min_heap: no cycle below this many bytes, times @percent / 100
 * @generational: minor cycles may be chosen
 * @live: bytes: found reachable by the last cycle, plus allocated since
 * @marked: bytes found reachable by the last cycle
 * @base: bytes found reachable by the last full cycle
 * @goal: the next cycle should have ended when @live reaches this
 * @trigger: one that runs beside the program should begin when @live reaches this
 * @begun: @live when it did, or 0
 * @runway: bytes allocated while the last one ran
 * @next_minor: the next cycle should be a minor one
 * @full_cost: ns for each MiB that full cycles freed lately
 * @minor_cost: the same for minor ones
 * @fulls_since_minor: full cycles since the last minor one
 * @memory_limit: all memory should stay below this many bytes; 0: no limit
 * @overhead: bytes held besides @live when the last cycle ended
 * @limited: it is @memory_limit that makes the goal as low as it is
 * @debt: ns that cycles took, less the time the program has had since
 * @paid_at: when @debt was right, ns
 */
struct gcarena_pacer {
	int percent;
	u64 min_heap;
	bool generational;
	u64 live;
	u64 marked;
	u64 base;
	u64 goal;
	u64 trigger;
	u64 begun;
	u64 runway;
	bool next_minor;
	u64 full_cost;
	u64 minor_cost;
	unsigned int fulls_since_minor;
	u64 memory_limit;
	u64 overhead;
	bool limited;
	u64 debt;
	u64 paid_at;
};

void gcarena_pacer_init(struct gcarena_pacer *pacer, int percent, u64 min_heap, bool generational);
void gcarena_pacer_set_percent(struct gcarena_pacer *pacer, int percent);
void gcarena_pacer_set_min_heap(struct gcarena_pacer *pacer, u64 min_heap);
void gcarena_pacer_set_memory_limit(struct gcarena_pacer *pacer, u64 limit, u64 overhead);
void gcarena_pacer_cycle_begun(struct gcarena_pacer *pacer);
void gcarena_pacer_cycle_dropped(struct gcarena_pacer *pacer);
u64 gcarena_pacer_progress(const struct gcarena_pacer *pacer);
void gcarena_pacer_cycle_done(struct gcarena_pacer *pacer, bool minor, u64 marked, u64 ns);
void gcarena_pacer_observe(struct gcarena_pacer *pacer, u64 overhead);
void gcarena_pacer_spent(struct gcarena_pacer *pacer, u64 ns, u64 now);
bool gcarena_pacer_is_hasty(const struct gcarena_pacer *pacer, u64 now);
bool gcarena_pacer_throttled(const struct gcarena_pacer *pacer, u64 now);
void gcarena_pacer_postpone(struct gcarena_pacer *pacer);

static inline void gcarena_pacer_allocated(struct gcarena_pacer *pacer, u64 bytes)
{
	pacer->live += bytes;
}

static inline void gcarena_pacer_freed(struct gcarena_pacer *pacer, u64 bytes)
{
	pacer->live -= min(pacer->live, bytes);
}

/* Should a cycle that runs beside the program begin? */
static inline bool gcarena_pacer_triggered(const struct gcarena_pacer *pacer)
{
	return pacer->live >= pacer->trigger;
}

static inline bool gcarena_pacer_due(const struct gcarena_pacer *pacer)
{
	return pacer->live >= pacer->goal;
}

#endif
