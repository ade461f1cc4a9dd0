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
 *     A compacting cycle then moves objects (move.c).
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
#include <linux/moduleparam.h>

#include "collect.h"
#include "evacuate.h"
#include "move.h"
#include "trace.h"
#include "zeal.h"

static uint generational = 1;
module_param(generational, uint, 0644);
MODULE_PARM_DESC(generational, "Choose minor collections where they pay: 0 never, 1 where the kernel can read dirty bits, 2 always; for arenas opened from now on");

/* A heap with less to lose by looking at all of it is not looked at for written pages. */
#define TRACK_BYTES	(1024ULL * 1024)

/* For a new arena. */
bool gcarena_generational_default(u32 dirty_method)
{
	uint value = READ_ONCE(generational);

	return value > 1 || (value && dirty_method == GCARENA_DIRTY_PTE);
}

/* A trace has ended, or was given up. */
void gcarena_count_marked(struct gcarena_counters *c, const struct gcarena_marker *m)
{
	c->marked.objects += m->marked.objects;
	c->marked.bytes += m->marked.bytes;
}

/* Steps 4 and 5, with the marks as they are to be. */
static int trace_from(struct gcarena *arena, struct gcarena_dirty *dirty)
{
	struct gcarena_marker *m;
	int ret;

	m = kmalloc(sizeof(*m), GCARENA_GFP);
	if (!m)
		return -ENOMEM;
	ret = gcarena_trace_init(arena, m);
	if (!ret) {
		ret = gcarena_trace_last(arena, m, U64_MAX, dirty);
		arena->counters.mark_overflows += m->overflows;
		gcarena_count_marked(&arena->counters, m);
		gcarena_marker_destroy(m);
	}
	kfree(m);
	return ret;
}

/*
 * Steps 3 to 5 of a minor cycle. Once the dirty bits are cleared, what they told is
 * gone with a failure: must_trace_all is set meanwhile.
 */
static int trace_young(struct gcarena *arena)
{
	struct gcarena_dirty dirty = { };
	int ret = gcarena_dirty_take(arena, &dirty);

	if (!ret) {
		arena->must_trace_all = true;
		ret = trace_from(arena, &dirty);
		arena->must_trace_all = ret;
	}
	gcarena_dirty_free(&dirty);
	return ret;
}

/*
 * Steps 3 to 5 of a full cycle. Dirty bits are cleared for the next minor one; without
 * that it only finds more of them.
 */
static int trace_all(struct gcarena *arena)
{
	struct gcarena_dirty dirty = { };
	u64 start;
	int ret;

	if (arena->generational && arena->pacer.marked >= TRACK_BYTES)
		gcarena_dirty_take(arena, &dirty);
	gcarena_dirty_free(&dirty);
	arena->must_trace_all = true;
	start = ktime_get_ns();
	ret = gcarena_mark_clear(&arena->heap);
	arena->counters.clear_total_ns += ktime_get_ns() - start;
	ret = ret ?: trace_from(arena, NULL);
	arena->must_trace_all = ret;
	return ret;
}

/* The program could not run for @ns. */
void gcarena_count_pause(struct gcarena_counters *c, u64 ns)
{
	unsigned int bucket = fls64(ns / NSEC_PER_USEC);

	c->pauses[min_t(unsigned int, bucket, GCARENA_PAUSE_BUCKETS - 1)]++;
	c->pause_last_ns = ns;
	c->pause_total_ns += ns;
	c->pause_max_ns = max(c->pause_max_ns, ns);
}

/* Who collects, as it sees itself; 0: a worker. */
static pid_t collector_pid(void)
{
	return current->flags & PF_KTHREAD ? 0 : task_pid_vnr(current);
}

/**
 * gcarena_cycle_tell() - a cycle has ended: count it, and tell who listens
 * @arena: the arena
 * @kind: what kind it was
 * @error: 0, or why it was given up
 * @ns: for how long the program could not run
 * @longest: the longest of the stops that this is the sum of
 */
void gcarena_cycle_tell(struct gcarena *arena, enum gcarena_collect_kind kind, int error, u64 ns,
			u64 longest)
{
	struct gcarena_counters *c = &arena->counters;
	struct gcarena_event event = {
		.kind = error ? GCARENA_EVENT_ABORTED : GCARENA_EVENT_CYCLE,
		.error = -error,
		.collect_kind = kind,
		.pid = error == -ETIMEDOUT ? c->stop_timeout_pid : collector_pid(),
		.duration_ns = ns,
		.longest_ns = longest,
	};

	if (error) {
		c->cycles_aborted++;
	} else {
		c->cycles++;
		c->cycles_minor += kind == GCARENA_COLLECT_MINOR;
		c->cycles_compact += kind == GCARENA_COLLECT_COMPACT;
		event.live_bytes = c->last_live.bytes;
	}
	c->cycle_paused_ns = ns;
	c->cycle_error = error;
	if (kind == GCARENA_COLLECT_COMPACT) {
		event.moved_objects = c->moved_last.objects;
		event.moved_bytes = c->moved_last.bytes;
	}
	event.moves = c->moves;
	event.cycle = c->cycles;
	gcarena_event_post(&arena->events, &event);
	gcarena_notify_end(arena, &event);
	trace_gcarena_cycle_end(arena->entry.id, kind, c->cycles, error, ns, event.live_bytes);
}

/**
 * gcarena_cycle_dropped() - a cycle that was announced is of no use any more
 * @arena: the arena
 * @kind: what kind it was
 * @ns: for how long the program could not run
 * @longest: the longest of the times that it was stopped for
 *
 * It has not failed, and so it is not counted, and not told to the program.
 */
void gcarena_cycle_dropped(struct gcarena *arena, enum gcarena_collect_kind kind, u64 ns,
			   u64 longest)
{
	struct gcarena_event event = {
		.kind = GCARENA_EVENT_ABORTED,
		.error = ECANCELED,
		.collect_kind = kind,
		.duration_ns = ns,
		.longest_ns = longest,
		.cycle = arena->counters.cycles,
	};

	gcarena_notify_end(arena, &event);
	trace_gcarena_cycle_end(arena->entry.id, kind, event.cycle, -ECANCELED, ns, 0);
}

/* Sweep what the last cycle left. Return: 0 or -EINTR. */
int gcarena_sweep_now(struct gcarena *arena)
{
	struct heap_tally freed = arena->heap.freed;
	u32 phase = arena->notify.phase;
	u64 start = ktime_get_ns(), ns;
	int ret;

	gcarena_phase_set(&arena->notify, GCARENA_PHASE_SWEEP);
	ret = gcarena_sweep_all(&arena->heap);
	/* A concurrent cycle may be on. */
	gcarena_phase_set(&arena->notify, phase);
	ns = ktime_get_ns() - start;
	arena->counters.sweep_total_ns += ns;
	if (arena->heap.freed.objects != freed.objects)
		trace_gcarena_sweep(arena->entry.id, false,
				    arena->heap.freed.objects - freed.objects,
				    arena->heap.freed.bytes - freed.bytes, ns);
	return ret;
}

/* The program's allocation fails with @error: tell, if that is for want of memory. */
void gcarena_out_of_space(struct gcarena *arena, int error)
{
	lockdep_assert_held(&arena->lock);
	if (error != -ENOSPC && error != -ENOMEM)
		return;
	arena->counters.limit_hits++;
	trace_gcarena_limit_hit(arena->entry.id, error, arena->heap.used.bytes,
				(u64)arena->heap.nr_chunks << GCARENA_CHUNK_SHIFT,
				arena->params.limit);
	gcarena_notify_limit(arena, error);
}

/* A cycle begins: tell who listens. */
void gcarena_cycle_announce(struct gcarena *arena, enum gcarena_collect_kind kind)
{
	gcarena_notify_begin(arena, kind);
	trace_gcarena_cycle_begin(arena->entry.id, kind, arena->counters.cycles,
				  arena->heap.used.bytes);
}

/*
 * Steps 2 to 6. *@moving is what moving failed with, after a cycle that is complete
 * otherwise. Return: as cycle().
 */
static int stop_and_trace(struct gcarena *arena, enum gcarena_collect_kind kind, int *moving)
{
	u64 start, ns;
	int ret;

	gcarena_cycle_announce(arena, kind);
	start = ktime_get_ns();
	gcarena_phase_set(&arena->notify, GCARENA_PHASE_STOP);
	ret = gcarena_world_stop(arena);
	if (!ret) {
		gcarena_phase_set(&arena->notify, GCARENA_PHASE_MARK);
		gcarena_owners_reap(arena);
		ret = kind == GCARENA_COLLECT_MINOR ? trace_young(arena) : trace_all(arena);
		if (!ret && arena->move) {
			gcarena_phase_set(&arena->notify, GCARENA_PHASE_COMPACT);
			*moving = gcarena_move_run(arena);
		}
		gcarena_world_start(arena);
	}
	ns = ktime_get_ns() - start;
	gcarena_phase_set(&arena->notify, GCARENA_PHASE_IDLE);
	if (!ret) {
		arena->trace_ns[kind == GCARENA_COLLECT_MINOR] = ns;
		gcarena_count_pause(&arena->counters, ns);
		gcarena_pacer_observe(&arena->pacer, gcarena_memory_overhead(arena));
		gcarena_pacer_cycle_done(&arena->pacer, kind == GCARENA_COLLECT_MINOR,
					 arena->heap.old.bytes, ns);
		if (kind == GCARENA_COLLECT_FULL)
			gcarena_evacuate_if_fragmented(arena);
	}
	gcarena_cycle_tell(arena, kind, ret, ns, ns);
	return ret;
}

/* Which kind of cycle it has to be when @kind is wanted. */
static enum gcarena_collect_kind kind_of(const struct gcarena *arena,
					 enum gcarena_collect_kind kind)
{
	/* What is marked must be what was reachable, or there is no knowing what is old. */
	if (kind == GCARENA_COLLECT_MINOR && (arena->must_trace_all || !arena->counters.cycles))
		kind = GCARENA_COLLECT_FULL;
	if (kind == GCARENA_COLLECT_FULL && gcarena_zeal_compact(arena))
		kind = GCARENA_COLLECT_COMPACT;
	return kind;
}

/* Steps 1 to 6. Return: 0, or -ETIMEDOUT, -EFAULT, -ENOMEM, -EINTR: nothing happened. */
static int cycle(struct gcarena *arena, enum gcarena_collect_kind kind)
{
	int ret, moving = 0;

	lockdep_assert_held(&arena->lock);
	if (arena->concurrent && kind == GCARENA_COLLECT_MINOR) {
		ret = gcarena_concurrent_finish(arena);
		/* Else it was the cycle of a process that has gone: this one has its own. */
		if (ret != -ENXIO)
			return ret;
	}
	/* What it has marked so far may have died since. */
	gcarena_concurrent_abandon(arena);
	ret = gcarena_sweep_now(arena);
	if (ret)
		return ret;
	kind = kind_of(arena, kind);
	if (kind == GCARENA_COLLECT_COMPACT)
		ret = gcarena_move_begin(arena);
	ret = ret ?: stop_and_trace(arena, kind, &moving);
	gcarena_move_end(arena);
	return ret ?: moving;
}

/* A cycle by itself, in the thread that allocates. One that cannot be done is put off. */
static int collect_here(struct gcarena *arena, enum gcarena_collect_kind kind)
{
	bool counts_itself = arena->concurrent && kind == GCARENA_COLLECT_MINOR;
	u64 start = ktime_get_ns(), end;
	int ret = cycle(arena, kind);

	end = ktime_get_ns();
	if (!counts_itself)
		gcarena_pacer_spent(&arena->pacer, end - start, end);
	if (ret)
		gcarena_pacer_postpone(&arena->pacer);
	else
		gcarena_background_kick(arena);
	return ret == -EINTR ? ret : 0;
}

static enum gcarena_collect_kind next_kind(const struct gcarena *arena)
{
	bool minor = gcarena_zeal_due(arena) ? gcarena_zeal_minor(arena)
					     : arena->pacer.next_minor;

	return minor ? GCARENA_COLLECT_MINOR : GCARENA_COLLECT_FULL;
}

/**
 * gcarena_collect_if_due() - collect when the heap grows to its goal
 * @arena: the arena; the caller holds its heap lock
 *
 * If it pays, a concurrent cycle is begun before that, or helped along. A cycle that cannot
 * be done is put off: the heap grows on instead.
 *
 * Return: 0 or -EINTR.
 */
int gcarena_collect_if_due(struct gcarena *arena)
{
	enum gcarena_collect_kind kind = next_kind(arena);
	bool zeal = gcarena_zeal_due(arena);

	gcarena_evacuate_zeal(arena);
	if (arena->concurrent)
		return gcarena_concurrent_assist(arena);
	if (!zeal && (!gcarena_pacer_triggered(&arena->pacer) ||
		      gcarena_pacer_throttled(&arena->pacer, ktime_get_ns())))
		return 0;
	if ((zeal ? gcarena_zeal_concurrent(arena) : gcarena_concurrent_wanted(arena)) &&
	    !gcarena_concurrent_begin(arena, kind))
		return 0;
	return zeal || gcarena_pacer_due(&arena->pacer) ? collect_here(arena, kind) : 0;
}

/* How many chunks there may be below the memory limit. */
static u32 chunks_below_limit(const struct gcarena *arena)
{
	u64 limit = arena->params.memory_limit;

	limit -= min(limit, arena->heap.metadata_bytes);
	return min_t(u64, limit >> GCARENA_CHUNK_SHIFT, U32_MAX);
}

/**
 * gcarena_space_renew() - no more chunks than the limits allow, from now on
 * @arena: the arena; the caller holds its heap lock
 *
 * For each allocation anew, as it may exceed the memory limit (GCARENA_EFFORT_EXCEED).
 */
void gcarena_space_renew(struct gcarena *arena)
{
	arena->heap.limit_chunks = arena->params.limit >> GCARENA_CHUNK_SHIFT;
	if (arena->params.memory_limit)
		arena->heap.limit_chunks = min(arena->heap.limit_chunks, chunks_below_limit(arena));
}

/*
 * The next chunk would be one above the memory limit. Collect, or have the cycle that is on
 * completed, unless collecting takes too much time already. Return: 0 or -EINTR.
 */
static int collect_to_spare(struct gcarena *arena)
{
	if (gcarena_pacer_is_hasty(&arena->pacer, ktime_get_ns())) {
		arena->counters.limit_throttled++;
		return 0;
	}
	return collect_here(arena, arena->concurrent ? GCARENA_COLLECT_MINOR : next_kind(arena));
}

static int make_effort(struct gcarena *arena, enum gcarena_effort effort)
{
	switch (effort) {
	case GCARENA_EFFORT_SPARE:
		return collect_to_spare(arena);
	case GCARENA_EFFORT_EXCEED:
		arena->heap.limit_chunks = arena->params.limit >> GCARENA_CHUNK_SHIFT;
		arena->counters.limit_exceeded++;
		return 0;
	case GCARENA_EFFORT_COLLECT:
		return cycle(arena, GCARENA_COLLECT_FULL);
	default:
		return 0;
	}
}

/**
 * gcarena_make_space() - find memory when there is none left
 * @arena: the arena; the caller holds its heap lock
 * @error: what the allocation failed with
 * @effort: what to try now; changed to what is to be tried next
 *
 * Return: 0: try again; else the error for the program.
 */
int gcarena_make_space(struct gcarena *arena, int error, enum gcarena_effort *effort)
{
	bool soft = arena->heap.limit_chunks < arena->params.limit >> GCARENA_CHUNK_SHIFT;
	int ret;

	if (error != -ENOSPC && error != -ENOMEM)
		return error;
	gcarena_evacuate_abandon(arena);
	/* It is not the memory limit that is in the way. */
	if (*effort == GCARENA_EFFORT_SPARE && (!soft || error != -ENOSPC))
		*effort = GCARENA_EFFORT_COLLECT;
	ret = make_effort(arena, (*effort)++) ?: gcarena_sweep_now(arena);
	/* Empty chunks in the wrong place count against the limit, too. */
	if (!ret)
		gcarena_release_to(arena, 0);
	return ret;
}

/* What a collection that was asked for has come to; @freed: what was freed before. */
static void collected(struct gcarena *arena, struct gcarena_collect *arg,
		      const struct heap_tally *freed)
{
	bool compact = arg->kind == GCARENA_COLLECT_COMPACT;
	bool release = compact || arg->flags & GCARENA_COLLECT_RELEASE;
	const struct gcarena_counters *c = &arena->counters;

	arg->released_bytes = release ? gcarena_release_hard(arena, 0) :
				      gcarena_release_to(arena, gcarena_background_keep(arena));
	arg->cycle = c->cycles;
	arg->pause_ns = c->cycle_paused_ns;
	arg->live_objects = c->last_live.objects;
	arg->live_bytes = c->last_live.bytes;
	arg->freed_objects = arena->heap.freed.objects - freed->objects;
	arg->freed_bytes = arena->heap.freed.bytes - freed->bytes;
	arg->moved_objects = compact ? c->moved_last.objects : 0;
	arg->moved_bytes = compact ? c->moved_last.bytes : 0;
	gcarena_background_kick(arena);
}

/* Collect, under the heap lock. The calling thread need not take part in the arena. */
int gcarena_collect_locked(struct gcarena *arena, struct gcarena_collect *arg)
{
	struct heap_tally freed;
	int ret;

	lockdep_assert_held(&arena->lock);
	arena->generational |= arg->kind == GCARENA_COLLECT_MINOR;
	gcarena_lease_large_end(arena);
	/* What the last cycle left is not for this one to count. */
	ret = gcarena_sweep_now(arena);
	freed = arena->heap.freed;
	ret = ret ?: cycle(arena, arg->kind);
	if (ret)
		return ret;
	arena->counters.cycles_forced++;
	ret = gcarena_sweep_now(arena);
	if (!ret && arg->flags & GCARENA_COLLECT_PERMANENT)
		ret = gcarena_permanent_add_all(&arena->heap);
	collected(arena, arg, &freed);
	return ret;
}

/*
 * Others may have the heap lock now. A lock that is free is taken by the killed as well: they
 * have to be asked. Return: 0, or -EINTR: we have it no more.
 */
int gcarena_give_way(struct gcarena *arena)
{
	mutex_unlock(&arena->lock);
	return gcarena_checkpoint() ?: gcarena_lock(arena);
}

/*
 * Trace beside the program until a full cycle has ended that began after this call, be it
 * ours or another that took its place. Has the heap lock, and gives way to others.
 * Return: 0 or a negative errno; -EINTR: the lock may be lost, which @locked tells.
 */
static int trace_major(struct gcarena *arena, bool *locked)
{
	const struct gcarena_counters *c = &arena->counters;
	const u64 cycles = c->cycles, aborted = c->cycles_aborted;
	int ret;

	gcarena_concurrent_abandon(arena);
	for (;;) {
		if (c->cycles != cycles)
			return 0;
		if (c->cycles_aborted != aborted)
			return c->cycle_error;
		ret = arena->concurrent ? gcarena_concurrent_step(arena) :
		      gcarena_concurrent_begin(arena, GCARENA_COLLECT_FULL);
		if (ret && ret != -EAGAIN)
			return ret;
		ret = gcarena_give_way(arena);
		*locked = !ret;
		if (ret)
			return ret;
	}
}

/* GCARENA_COLLECT_MAJOR, under the heap lock. Return: as trace_major(). */
static int collect_major(struct gcarena *arena, struct gcarena_collect *arg, bool *locked)
{
	struct heap_tally freed;
	int ret;

	gcarena_lease_large_end(arena);
	ret = gcarena_sweep_now(arena);
	freed = arena->heap.freed;
	ret = ret ?: trace_major(arena, locked);
	if (ret)
		return ret;
	arena->counters.cycles_forced++;
	while (gcarena_sweep_batch(arena)) {
		ret = gcarena_give_way(arena);
		*locked = !ret;
		if (ret)
			return ret;
	}
	collected(arena, arg, &freed);
	return 0;
}

/* GCARENA_IOC_COLLECT. Return: 0 or a negative errno as in the ABI. */
int gcarena_collect_now(struct gcarena *arena, struct gcarena_collect *arg)
{
	struct gcarena_mapping *mapping;
	bool locked = true;
	int ret;

	if (arg->kind > GCARENA_COLLECT_EVACUATE)
		return -EOPNOTSUPP;
	/*
	 * When a MAJOR one has ended, the next may be on, and the marks are not its any more.
	 * EVACUATE has none.
	 */
	if ((arg->kind == GCARENA_COLLECT_MAJOR || arg->kind == GCARENA_COLLECT_EVACUATE) &&
	    arg->flags & GCARENA_COLLECT_PERMANENT)
		return -EOPNOTSUPP;
	if (arg->kind == GCARENA_COLLECT_EVACUATE)
		return gcarena_evacuate_now(arena, arg);
	if (gcarena_lock(arena))
		return -EINTR;
	mapping = gcarena_mapping_get(arena);
	if (IS_ERR(mapping))
		ret = PTR_ERR(mapping);
	else if (arg->kind == GCARENA_COLLECT_MAJOR)
		ret = collect_major(arena, arg, &locked);
	else
		ret = gcarena_collect_locked(arena, arg);
	if (locked)
		mutex_unlock(&arena->lock);
	return ret;
}
