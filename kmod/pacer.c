// SPDX-License-Identifier: GPL-2.0
/*
 * The pacer: GOGC's rule. The heap may grow by a percentage of what the last cycle
 * found live before the next one starts, and small heaps are left alone up to a
 * minimum that scales with the percentage (Go: 4 MiB * GOGC / 100).
 *
 * Memory counts as live from the moment its span is handed out. Sweeping changes
 * nothing here: what it frees was not counted since the cycle ended.
 *
 * All functions need the heap lock.
 */
#include "pacer.h"

static u64 part(u64 bytes, int percent)
{
	/* Saturates: a heap of petabytes is never reached. */
	if (bytes > div_u64(U64_MAX, percent))
		return U64_MAX / 100;
	return div_u64(bytes * percent, 100);
}

static void update_goal(struct gcarena_pacer *pacer)
{
	if (pacer->percent == GCARENA_PACER_OFF)
		pacer->goal = GCARENA_PACER_NEVER;
	else
		pacer->goal = max(part(pacer->min_heap, pacer->percent),
				  pacer->marked + part(pacer->marked, pacer->percent));
}

void gcarena_pacer_init(struct gcarena_pacer *pacer, int percent, u64 min_heap)
{
	pacer->percent = percent;
	pacer->min_heap = min_heap;
	pacer->live = 0;
	pacer->marked = 0;
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

/* A cycle found @marked bytes reachable. */
void gcarena_pacer_cycle_done(struct gcarena_pacer *pacer, u64 marked)
{
	pacer->marked = marked;
	pacer->live = marked;
	update_goal(pacer);
}

/* A cycle that was due could not be done. Do not try at each refill from now on. */
void gcarena_pacer_postpone(struct gcarena_pacer *pacer)
{
	pacer->goal = pacer->live + max(pacer->live / 8, pacer->min_heap / 4);
}
