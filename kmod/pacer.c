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
 * A memory limit, as Go's GOMEMLIMIT (M. Knyszek: Soft memory limit, Go proposal 48409,
 * 2022), lowers the goal so far that live objects, and what was held besides them when the
 * last cycle ended, stay below it. It works without a percentage, too. It is soft: the heap
 * may always grow by a little, and when collecting has taken as much time as the program
 * had, with a second to spare, cycles for the limit's sake wait, and the heap grows
 * beyond it. A program that does not fit so gets half of the time, and does not stand still.
 *
 * Memory counts as live from the moment its span is handed out. Sweeping changes
 * nothing here: what it frees was not counted since the cycle ended.
 *
 * All functions need the heap lock.
 */
#include "pacer.h"

/* Full cycles after which minor ones that did not pay get another chance. */
#define RETRY_MINOR	8

/* Between goal and limit: a 32nd, and room for the chunk that is taken next. */
#define HEADROOM_MIN	(2ULL << 20)
#define HEADROOM_SHIFT	5
/* However low the limit is, so much may be allocated until the next cycle. */
#define LEAST_GROWTH	(256ULL << 10)
/* Collecting may be so far ahead of the program, ns; and may be counted for so long. */
#define DEBT_FREE	1000000000ULL
#define DEBT_MAX	(60 * DEBT_FREE)

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
	u64 begin;

	runway = max(runway, room / 16);
	begin = pacer->goal - min(runway, room - room / 4);
	return pacer->limited ? begin : max(begin, part(pacer->min_heap, pacer->percent));
}

static u64 goal_by_percent(const struct gcarena_pacer *pacer)
{
	if (pacer->percent == GCARENA_PACER_OFF)
		return GCARENA_PACER_NEVER;
	return max(part(pacer->min_heap, pacer->percent),
		   pacer->base + part(pacer->base, pacer->percent));
}

static u64 goal_by_limit(const struct gcarena_pacer *pacer)
{
	u64 limit = pacer->memory_limit, headroom;

	if (!limit)
		return GCARENA_PACER_NEVER;
	headroom = max(limit >> HEADROOM_SHIFT, HEADROOM_MIN);
	limit -= min(limit, headroom);
	return max(limit - min(limit, pacer->overhead),
		   pacer->marked + max(pacer->marked >> HEADROOM_SHIFT, LEAST_GROWTH));
}

static void update_goal(struct gcarena_pacer *pacer)
{
	u64 most = goal_by_limit(pacer), room;

	pacer->next_minor = false;
	pacer->limited = false;
	pacer->trigger = GCARENA_PACER_NEVER;
	pacer->goal = min(goal_by_percent(pacer), most);
	if (pacer->goal == GCARENA_PACER_NEVER)
		return;
	room = pacer->goal - min(pacer->goal, pacer->base);
	if (pacer->marked + room / 2 <= pacer->goal)
		pacer->next_minor = pacer->generational && minor_pays(pacer);
	else
		pacer->goal = min(max(pacer->goal, pacer->marked + room / 8), most);
	pacer->limited = pacer->goal == most;
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

/**
 * gcarena_pacer_set_memory_limit() - set how much memory there should be
 * @pacer: the pacer
 * @limit: bytes, or 0: as much as it takes
 * @overhead: as for gcarena_pacer_observe()
 */
void gcarena_pacer_set_memory_limit(struct gcarena_pacer *pacer, u64 limit, u64 overhead)
{
	pacer->memory_limit = limit;
	pacer->overhead = overhead;
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

/**
 * gcarena_pacer_observe() - what there is besides live objects
 * @pacer: the pacer
 * @overhead: bytes of memory that hold neither objects nor room for any object: metadata,
 *	and what is free in spans when the heap is as full as it gets
 *
 * To be called when a cycle has ended, before gcarena_pacer_cycle_done().
 */
void gcarena_pacer_observe(struct gcarena_pacer *pacer, u64 overhead)
{
	pacer->overhead = overhead;
}

/* The program had the time since the last cycle to itself: as much is forgiven. */
static u64 debt_at(const struct gcarena_pacer *pacer, u64 now)
{
	return pacer->debt - min(pacer->debt, now - pacer->paid_at);
}

/**
 * gcarena_pacer_spent() - a cycle that nobody asked for has ended
 * @pacer: the pacer
 * @ns: time it took
 * @now: what time it is, ns; never goes back
 */
void gcarena_pacer_spent(struct gcarena_pacer *pacer, u64 ns, u64 now)
{
	u64 began = max(now - min(now, ns), pacer->paid_at);

	pacer->debt = min(debt_at(pacer, began) + min(ns, DEBT_MAX), DEBT_MAX);
	pacer->paid_at = now;
}

/* Has collecting taken as much time as the program had, and a second more? */
bool gcarena_pacer_is_hasty(const struct gcarena_pacer *pacer, u64 now)
{
	return debt_at(pacer, now) > DEBT_FREE;
}

/* Has a cycle to wait that is due for the memory limit's sake alone? */
bool gcarena_pacer_throttled(const struct gcarena_pacer *pacer, u64 now)
{
	return pacer->limited && pacer->live < goal_by_percent(pacer) &&
	       gcarena_pacer_is_hasty(pacer, now);
}

/* A cycle that was due could not be done. Do not try at each refill from now on. */
void gcarena_pacer_postpone(struct gcarena_pacer *pacer)
{
	pacer->begun = 0;
	pacer->limited = false;
	pacer->goal = pacer->live + max(pacer->live / 8, pacer->min_heap / 4);
	pacer->trigger = pacer->goal;
}
