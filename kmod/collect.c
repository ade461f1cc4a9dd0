// SPDX-License-Identifier: GPL-2.0
/*
 * The cycle: stop, mark, start, sweep.
 *
 *  1. Sweep what the last cycle left: its marks are about to be cleared.
 *  2. Stop the world. Take back what dead threads and processes held.
 *  3. Clear the marks. A minor cycle keeps them instead: what is marked is old and counts
 *     as reachable; the pages written since the last cycle are found (dirty.c).
 *  4. Mark from the roots, and in a minor cycle from what is old on written pages. In
 *     tests, have the marks verified.
 *  5. Flip: the marks count from here on. Set the next goal.
 *  6. Start the world.
 *  7. Sweep: at once when the program asked for the cycle; else at refills and in the
 *     background.
 *
 * A cycle that fails before step 5 frees nothing, and leaves the heap as it was but for
 * the mark bits. The next one is a full one then, and clears them.
 *
 * Everything here runs in the calling thread, under the heap lock, and can be killed. That
 * thread uses the arena, or is a worker that collects for somebody outside (request.c).
 */
#include <linux/ktime.h>

#include "arena.h"
#include "dirty.h"
#include "mark.h"
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

/* @dirty: what old objects to trace from in a minor cycle, else NULL. */
static int mark_all(struct gcarena *arena, struct gcarena_marker *m,
		    const struct gcarena_dirty *dirty, struct gcarena_verifier *verifier)
{
	u64 start = ktime_get_ns(), rooted, marked;
	int ret;

	arena->counters.root_bytes_last = 0;
	ret = gcarena_roots_mark(arena, m, verifier, &arena->counters.root_bytes_last);
	rooted = ktime_get_ns();
	arena->counters.root_total_ns += rooted - start;
	ret = ret ?: gcarena_zeal_delay();
	if (!ret && dirty)
		ret = gcarena_mark_dirty(m, dirty->pages, dirty->nr_pages);
	ret = ret ?: gcarena_mark_finish(m);
	marked = ktime_get_ns();
	arena->counters.mark_total_ns += marked - rooted;
	trace_gcarena_mark_end(arena->entry.id, ret, arena->counters.root_bytes_last,
			       rooted - start, marked - rooted, m->overflows);
	arena->counters.mark_stack_peak = max(arena->counters.mark_stack_peak, m->stack_peak);
	arena->counters.mark_overflows += m->overflows;
	return ret;
}

/* Mark, and find out in another way whether that was right. */
static int mark_and_verify(struct gcarena *arena, struct gcarena_marker *m,
			   const struct gcarena_dirty *dirty)
{
	struct gcarena_verifier verifier;
	int ret;

	gcarena_verifier_init(&verifier, &arena->heap);
	ret = gcarena_verify_heap(&arena->heap) ?: mark_all(arena, m, dirty, &verifier) ?:
	      gcarena_verify_marks(&verifier);
	gcarena_verifier_destroy(&verifier);
	if (!ret)
		gcarena_zeal_verified();
	return ret;
}

/* Step 4. */
static int mark(struct gcarena *arena, struct gcarena_marker *m, const struct gcarena_dirty *dirty)
{
	return gcarena_zeal_verify() ? mark_and_verify(arena, m, dirty)
				     : mark_all(arena, m, dirty, NULL);
}

/* Steps 4 and 5, with the marks as they are to be. */
static int trace_from(struct gcarena *arena, const struct gcarena_dirty *dirty)
{
	struct gcarena_marker *m;
	int ret;

	m = kmalloc(sizeof(*m), GCARENA_GFP);
	if (!m)
		return -ENOMEM;
	ret = gcarena_marker_init(m, &arena->heap, mark_stack_limit(arena));
	if (ret)
		goto out_free;
	gcarena_marker_set_room(m, gcarena_zeal_mark_stack());
	ret = gcarena_zeal_delay() ?: mark(arena, m, dirty) ?: gcarena_zeal_delay();
	gcarena_marker_destroy(m);
	if (ret)
		goto out_free;
	arena->counters.last_live = arena->heap.old;
	arena->heap.poison = gcarena_zeal_poison();
	gcarena_sweep_flip(&arena->heap);
	gcarena_pacer_cycle_done(&arena->pacer, arena->heap.old.bytes);
out_free:
	kfree(m);
	return ret;
}

static int take_dirty(struct gcarena *arena, struct gcarena_dirty *dirty)
{
	u64 start = ktime_get_ns(), ns;
	int ret = gcarena_dirty_alloc(arena, dirty);

	if (ret)
		return ret;
	gcarena_dirty_take(arena, dirty);
	ns = ktime_get_ns() - start;
	arena->counters.dirty_total_ns += ns;
	trace_gcarena_dirty_pass(arena->entry.id, dirty->nr_pages, dirty->nr_dirty, ns);
	return 0;
}

/*
 * Steps 3 to 5 of a minor cycle. Once the dirty bits are cleared, what they told is
 * gone with a failure: must_trace_all is set meanwhile.
 */
static int trace_young(struct gcarena *arena)
{
	struct gcarena_dirty dirty;
	int ret = take_dirty(arena, &dirty);

	if (ret)
		return ret;
	arena->counters.dirty_pages_last = dirty.nr_dirty;
	arena->counters.dirty_pages_total += dirty.nr_dirty;
	arena->must_trace_all = true;
	ret = trace_from(arena, &dirty);
	arena->must_trace_all = ret;
	gcarena_dirty_free(&dirty);
	return ret;
}

/*
 * Steps 3 to 5 of a full cycle. Dirty bits are cleared for the next minor one; without
 * that it only finds more of them.
 */
static int trace_all(struct gcarena *arena)
{
	struct gcarena_dirty dirty;
	int ret;

	if (arena->generational && !take_dirty(arena, &dirty))
		gcarena_dirty_free(&dirty);
	arena->must_trace_all = true;
	ret = gcarena_mark_clear(&arena->heap) ?: trace_from(arena, NULL);
	arena->must_trace_all = ret;
	return ret;
}

static void count_pause(struct gcarena_counters *c, u64 ns)
{
	c->pause_last_ns = ns;
	c->pause_total_ns += ns;
	c->pause_max_ns = max(c->pause_max_ns, ns);
}

/* Who collects, as it sees itself; 0: a worker, for somebody outside. */
static pid_t collector_pid(void)
{
	return current->flags & PF_KTHREAD ? 0 : task_pid_vnr(current);
}

/* A cycle has ended, with @error or 0: count it, and tell who listens. */
static void tell(struct gcarena *arena, enum gcarena_collect_kind kind, int error, u64 ns)
{
	struct gcarena_counters *c = &arena->counters;
	struct gcarena_event event = {
		.kind = error ? GCARENA_EVENT_ABORTED : GCARENA_EVENT_CYCLE,
		.error = -error,
		.collect_kind = kind,
		.pid = error == -ETIMEDOUT ? c->stop_timeout_pid : collector_pid(),
		.duration_ns = ns,
	};

	if (error) {
		c->cycles_aborted++;
	} else {
		c->cycles++;
		c->cycles_minor += kind == GCARENA_COLLECT_MINOR;
		count_pause(c, ns);
		event.live_bytes = c->last_live.bytes;
	}
	event.cycle = c->cycles;
	gcarena_event_post(&arena->events, &event);
	gcarena_notify_end(arena, &event);
	trace_gcarena_cycle_end(arena->entry.id, kind, c->cycles, error, ns, event.live_bytes);
}

static int sweep_all(struct gcarena *arena)
{
	struct heap_tally freed = arena->heap.freed;
	u64 start = ktime_get_ns(), ns;
	int ret;

	gcarena_phase_set(&arena->notify, GCARENA_PHASE_SWEEP);
	ret = gcarena_sweep_all(&arena->heap);
	gcarena_phase_set(&arena->notify, GCARENA_PHASE_IDLE);
	ns = ktime_get_ns() - start;
	arena->counters.sweep_total_ns += ns;
	if (arena->heap.freed.objects != freed.objects)
		trace_gcarena_sweep(arena->entry.id, false,
				    arena->heap.freed.objects - freed.objects,
				    arena->heap.freed.bytes - freed.bytes, ns);
	return ret;
}

/* Steps 1 to 6. Return: 0, or -ETIMEDOUT, -EFAULT, -ENOMEM, -EINTR: nothing happened. */
static int cycle(struct gcarena *arena, enum gcarena_collect_kind kind)
{
	u64 start;
	int ret;

	lockdep_assert_held(&arena->lock);
	ret = sweep_all(arena);
	if (ret)
		return ret;
	/* What is marked must be what was reachable, or there is no knowing what is old. */
	if (arena->must_trace_all || !arena->counters.cycles)
		kind = GCARENA_COLLECT_FULL;
	gcarena_notify_begin(arena, kind);
	trace_gcarena_cycle_begin(arena->entry.id, kind, arena->counters.cycles,
				  arena->heap.used.bytes);
	start = ktime_get_ns();
	gcarena_phase_set(&arena->notify, GCARENA_PHASE_STOP);
	ret = gcarena_world_stop(arena);
	if (!ret) {
		gcarena_phase_set(&arena->notify, GCARENA_PHASE_MARK);
		gcarena_owners_reap(arena);
		ret = kind == GCARENA_COLLECT_MINOR ? trace_young(arena) : trace_all(arena);
		gcarena_world_start(arena);
	}
	gcarena_phase_set(&arena->notify, GCARENA_PHASE_IDLE);
	tell(arena, kind, ret, ktime_get_ns() - start);
	return ret;
}

/**
 * gcarena_collect_if_due() - collect when the heap has grown to its goal
 * @arena: the arena; the caller holds its heap lock
 *
 * A cycle that cannot be done is put off: the heap grows on instead.
 *
 * Return: 0 or -EINTR.
 */
int gcarena_collect_if_due(struct gcarena *arena)
{
	int ret;

	if (!gcarena_pacer_due(&arena->pacer) && !gcarena_zeal_due(arena))
		return 0;
	ret = cycle(arena, GCARENA_COLLECT_FULL);
	if (ret)
		gcarena_pacer_postpone(&arena->pacer);
	else
		gcarena_background_kick(arena);
	return ret == -EINTR ? ret : 0;
}

/**
 * gcarena_make_space() - find memory when there is none left
 * @arena: the arena; the caller holds its heap lock
 * @error: what the allocation failed with
 * @effort: what to try now
 *
 * Return: 0: try again; else the error for the program.
 */
int gcarena_make_space(struct gcarena *arena, int error, enum gcarena_effort effort)
{
	int ret = 0;

	if (error != -ENOSPC && error != -ENOMEM)
		return error;
	if (effort == GCARENA_EFFORT_COLLECT)
		ret = cycle(arena, GCARENA_COLLECT_FULL);
	ret = ret ?: sweep_all(arena);
	/* Empty chunks in the wrong place count against the limit, too. */
	if (!ret)
		gcarena_release_to(arena, 0);
	return ret;
}

/* Collect, under the heap lock. The calling thread need not take part in the arena. */
int gcarena_collect_locked(struct gcarena *arena, struct gcarena_collect *arg)
{
	struct heap_tally freed;
	int ret;

	lockdep_assert_held(&arena->lock);
	arena->generational |= arg->kind == GCARENA_COLLECT_MINOR;
	ret = cycle(arena, arg->kind);
	if (ret)
		return ret;
	arena->counters.cycles_forced++;
	freed = arena->heap.freed;
	ret = sweep_all(arena);
	arg->released_bytes = gcarena_release_to(arena, arg->flags & GCARENA_COLLECT_RELEASE ?
						 0 : gcarena_background_keep(arena));
	arg->cycle = arena->counters.cycles;
	arg->pause_ns = arena->counters.pause_last_ns;
	arg->live_objects = arena->counters.last_live.objects;
	arg->live_bytes = arena->counters.last_live.bytes;
	arg->freed_objects = arena->heap.freed.objects - freed.objects;
	arg->freed_bytes = arena->heap.freed.bytes - freed.bytes;
	gcarena_background_kick(arena);
	return ret;
}

/* GCARENA_IOC_COLLECT. Return: 0 or a negative errno as in the ABI. */
int gcarena_collect_now(struct gcarena *arena, struct gcarena_collect *arg)
{
	struct gcarena_mapping *mapping;
	int ret;

	if (arg->kind > GCARENA_COLLECT_MINOR)
		return -EOPNOTSUPP;
	if (mutex_lock_killable(&arena->lock))
		return -EINTR;
	mapping = gcarena_mapping_get(arena);
	ret = IS_ERR(mapping) ? PTR_ERR(mapping) : gcarena_collect_locked(arena, arg);
	mutex_unlock(&arena->lock);
	return ret;
}
