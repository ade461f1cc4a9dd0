// SPDX-License-Identifier: GPL-2.0
/*
 * The pacer: when to collect, and what.
 *
 * When: GOGC's rule. The heap may grow by a percentage of what the last full cycle
 * found live, and small heaps are left alone up to a minimum that scales with the
 * percentage (Go: 4 MiB * GOGC / 100). A cycle that runs beside the program begins as
 * much earlier as the program allocated during the last such cycle, so that it ends
 * about when the goal is reached; but never below the minimum.
 *
 * What: a minor cycle frees young objects alone, and what it finds reachable is old
 * from then on. As long as at least half of the room between the last full cycle's
 * live heap and the goal is left for young ones, the next cycle is a minor one, unless
 * minor cycles were seen to free less for the time they take. They are tried again
 * now and then, as programs change.
 *
 * Memory counts as live from the moment its span is handed out. Sweeping changes
 * nothing here: what it frees was not counted since the cycle ended.
 *
 * All functions need the heap lock.
 */
#include "pacer.h"

/* Full cycles after which minor ones that did not pay get another chance. */
#define RETRY_MINOR	8

static u64 part(u64 bytes, int percent)
{
	/* Saturates: a heap of petabytes is never reached. */
	if (bytes > div_u64(U64_MAX, percent))
		return U64_MAX / 100;
	return div_u64(bytes * percent, 100);
}

static bool minor_pays(const struct gcarena_pacer *pacer)
{
	return !pacer->minor_cost || !pacer->full_cost || pacer->minor_cost <= pacer->full_cost ||
	       pacer->fulls_since_minor >= RETRY_MINOR;
}

/* Where a cycle that runs beside the program has to begin to end at the goal. */
static u64 trigger(const struct gcarena_pacer *pacer)
{
	u64 room = pacer->goal - min(pacer->goal, pacer->marked);
	u64 runway = pacer->runway ? pacer->runway + pacer->runway / 4 : room / 4;

	runway = max(runway, room / 16);
	return max(pacer->goal - min(runway, room - room / 4),
		   part(pacer->min_heap, pacer->percent));
}

static void update_goal(struct gcarena_pacer *pacer)
{
	u64 room;

	pacer->next_minor = false;
	if (pacer->percent == GCARENA_PACER_OFF) {
		pacer->goal = GCARENA_PACER_NEVER;
		pacer->trigger = GCARENA_PACER_NEVER;
		return;
	}
	pacer->goal = max(part(pacer->min_heap, pacer->percent),
			  pacer->base + part(pacer->base, pacer->percent));
	room = pacer->goal - pacer->base;
	if (pacer->marked + room / 2 <= pacer->goal)
		pacer->next_minor = pacer->generational && minor_pays(pacer);
	else
		pacer->goal = max(pacer->goal, pacer->marked + room / 8);
	pacer->trigger = trigger(pacer);
}

void gcarena_pacer_init(struct gcarena_pacer *pacer, int percent, u64 min_heap, bool generational)
{
	memset(pacer, 0, sizeof(*pacer));
	pacer->percent = percent;
	pacer->min_heap = min_heap;
	pacer->generational = generational;
	update_goal(pacer);
}

void gcarena_pacer_set_percent(struct gcarena_pacer *pacer, int percent)
{
	pacer->percent = percent;
	update_goal(pacer);
}

void gcarena_pacer_set_min_heap(struct gcarena_pacer *pacer, u64 min_heap)
{
	pacer->min_heap = min_heap;
	update_goal(pacer);
}

/* A cycle that runs beside the program begins. */
void gcarena_pacer_cycle_begun(struct gcarena_pacer *pacer)
{
	pacer->begun = max_t(u64, pacer->live, 1);
}

/* It is given up for another one, which begins now. */
void gcarena_pacer_cycle_dropped(struct gcarena_pacer *pacer)
{
	pacer->begun = 0;
}

/* How far the program has got on its way from the trigger to the goal, in 1024ths. */
u64 gcarena_pacer_progress(const struct gcarena_pacer *pacer)
{
	u64 way = pacer->goal - min(pacer->goal, pacer->begun);

	if (pacer->live >= pacer->goal)
		return 1024;
	/* The divisor has 32 bits: enough for 4 TiB. */
	return div_u64(pacer->live - min(pacer->live, pacer->begun), max_t(u64, way >> 10, 1));
}

/* Time for each MiB that was freed, the mean of this and the last time. */
static void update_cost(u64 *cost, u64 freed, u64 ns)
{
	u64 now = max_t(u64, div_u64(ns, max_t(u64, freed >> 20, 1)), 1);

	*cost = *cost ? (*cost + now) / 2 : now;
}

/**
 * gcarena_pacer_cycle_done() - a cycle has ended
 * @pacer: the pacer
 * @minor: what kind of cycle it was
 * @marked: bytes found reachable, old ones included
 * @ns: time it took, beside the program or not
 */
void gcarena_pacer_cycle_done(struct gcarena_pacer *pacer, bool minor, u64 marked, u64 ns)
{
	update_cost(minor ? &pacer->minor_cost : &pacer->full_cost,
		    pacer->live - min(pacer->live, marked), ns);
	pacer->fulls_since_minor = minor ? 0 : pacer->fulls_since_minor + 1;
	if (pacer->begun)
		pacer->runway = pacer->live - min(pacer->live, pacer->begun);
	pacer->begun = 0;
	if (!minor)
		pacer->base = marked;
	pacer->marked = marked;
	pacer->live = marked;
	update_goal(pacer);
}

/* A cycle that was due could not be done. Do not try at each refill from now on. */
void gcarena_pacer_postpone(struct gcarena_pacer *pacer)
{
	pacer->begun = 0;
	pacer->goal = pacer->live + max(pacer->live / 8, pacer->min_heap / 4);
	pacer->trigger = pacer->goal;
}
