// SPDX-License-Identifier: GPL-2.0
/*
 * What each cycle does last, with the world stopped: find all roots, trace from them and
 * from what is left to trace, have the marks verified (in tests), and make them count.
 *
 * A synchronous cycle does nothing else. A concurrent one has traced most of the heap
 * before.
 *
 * Helpers (helper.c) trace with the thread that collects; none of them is left when it
 * is done, or fails.
 *
 * Needs the heap lock. Can be killed (-EINTR).
 */
#include <linux/ktime.h>

#include "collect.h"
#include "crew.h"
#include "helper.h"
#include "trace.h"
#include "verify.h"
#include "zeal.h"

#define MARK_STACK_MIN	(1024ULL * 1024)

/* A sixteenth of the heap: a random graph of small objects rarely needs as much. */
static u64 mark_stack_limit(const struct gcarena *arena)
{
	return max_t(u64, MARK_STACK_MIN,
		     (u64)arena->heap.nr_chunks << (GCARENA_CHUNK_SHIFT - 4));
}

/* Return: 0 or -ENOMEM. After 0, gcarena_marker_destroy() must be called. */
int gcarena_trace_init(struct gcarena *arena, struct gcarena_marker *m)
{
	int ret = gcarena_marker_init(m, &arena->heap, mark_stack_limit(arena));

	if (ret)
		return ret;
	gcarena_marker_set_room(m, gcarena_zeal_mark_stack());
	gcarena_marker_set_interval(m, gcarena_zeal_slice());
	gcarena_marker_set_helpers(m, gcarena_helpers_stopped());
	return 0;
}

/* @dirty: written pages to trace from, or NULL. */
static int mark_all(struct gcarena *arena, struct gcarena_marker *m, u64 since,
		    struct gcarena_dirty *dirty, struct gcarena_verifier *verifier)
{
	struct gcarena_counters *c = &arena->counters;
	u64 start = ktime_get_ns(), rooted, marked;
	int ret;

	ret = gcarena_roots_mark(arena, m, verifier, since, &c->root_bytes_last);
	rooted = ktime_get_ns();
	c->root_total_ns += rooted - start;
	ret = ret ?: gcarena_zeal_delay();
	if (!ret && dirty)
		ret = gcarena_mark_dirty(m, dirty->pages, dirty->nr_pages, &dirty->page);
	ret = ret ?: gcarena_mark_finish(m);
	marked = ktime_get_ns();
	c->mark_total_ns += marked - rooted;
	trace_gcarena_mark_end(arena->entry.id, ret, c->root_bytes_last, rooted - start,
			       marked - rooted, m->overflows);
	c->mark_stack_peak = max(c->mark_stack_peak, m->stack_peak);
	return ret;
}

/* Mark, and find out in another way whether that was right. */
static int mark_and_verify(struct gcarena *arena, struct gcarena_marker *m, u64 since,
			   struct gcarena_dirty *dirty)
{
	struct gcarena_verifier verifier;
	int ret;

	gcarena_verifier_init(&verifier, &arena->heap);
	ret = gcarena_verify_heap(&arena->heap) ?:
	      mark_all(arena, m, since, dirty, &verifier) ?:
	      gcarena_verify_marks(&verifier);
	gcarena_verifier_destroy(&verifier);
	if (ret)
		return ret;
	gcarena_verify_cut(&arena->heap);
	gcarena_zeal_verified();
	return 0;
}

static void count_helpers(struct gcarena_counters *c, const struct gcarena_marker *m)
{
	c->mark_workers_last = 1 + gcarena_crew_nr_helped(m);
	if (m->crew) {
		c->mark_shared += m->crew->given;
		m->crew->given = 0;
	}
}

/**
 * gcarena_trace_last() - trace to the end and make the marks count
 * @arena: the arena, its world stopped
 * @m: the marker; has traced already, or not
 * @since: as for gcarena_roots_mark()
 * @dirty: written pages to trace from, or NULL
 *
 * Return: 0, or -EFAULT, -ETIMEDOUT, -ENXIO, -ENOMEM, -EINTR, -EIO: the marks do not count.
 */
int gcarena_trace_last(struct gcarena *arena, struct gcarena_marker *m, u64 since,
		       struct gcarena_dirty *dirty)
{
	int ret;

	m->pause = NULL;
	gcarena_marker_resume(m);
	gcarena_marker_set_helpers(m, gcarena_helpers_stopped());
	ret = gcarena_zeal_delay() ?:
	      (gcarena_zeal_verify() ? mark_and_verify(arena, m, since, dirty)
				     : mark_all(arena, m, since, dirty, NULL)) ?:
	      gcarena_zeal_delay();
	gcarena_marker_suspend(m);
	count_helpers(&arena->counters, m);
	if (ret)
		return ret;
	arena->counters.last_live = arena->heap.old;
	arena->heap.poison = gcarena_zeal_poison();
	gcarena_sweep_flip(&arena->heap);
	return 0;
}
