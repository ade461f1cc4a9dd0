// SPDX-License-Identifier: GPL-2.0
/*
 * Concurrent cycles: trace while the program runs, and stop it twice or a few times for
 * a moment.
 *
 *  1. Sweep what the last cycle left.
 *  2. A full cycle clears the marks. From here on marks mean nothing until the end.
 *  3. A round: find the pages written since the last round (dirty.c); stop the world,
 *     read the roots, start the world; trace from the roots, and from marked objects on
 *     those pages, while the program runs.
 *  4. More rounds, as long as each has much less to do than the one before.
 *  5. The last round happens with the world stopped (tracer.c). Then the marks count.
 *
 * Why nothing is lost: what a marked object pointed to when it was scanned, is marked.
 * Where it points since then, stands on a page written since, and the last round, during
 * which nothing is written, looks at those. New objects are unmarked, and are found like
 * all others. (A mostly parallel collector: H.-J. Boehm, A. Demers, S. Shenker, PLDI 1991.)
 *
 * All this is one state machine, advanced in slices by whoever holds the heap lock: a
 * worker (worker.c), which has a bounded part of the processors, and so many helpers
 * (helper.c) as that part has whole ones; and threads that allocate, which help when the
 * program would reach its goal before the trace does. As the worker cannot have the lock
 * then, they get helpers out of its part. Between slices the lock is free. A thread that
 * waits for it ends the slice.
 */
#include <linux/ktime.h>
#include <linux/moduleparam.h>

#include "collect.h"
#include "compat.h"
#include "evacuate.h"
#include "helper.h"
#include "trace.h"
#include "worker.h"
#include "zeal.h"

#define SLICE_NS	NSEC_PER_MSEC
#define BATCH_SPANS	256
#define MAX_ROUNDS	12
/* With so little left to do, the next round can be the last. */
#define LAST_STEPS	2048
/* Tracing that is done sooner is done at once: two stops cost more than one. */
#define WORTH_NS	(500 * NSEC_PER_USEC)
#define WORTH_BYTES	(4ULL << 20)
/*
 * The most a thread has to do for one allocation, unless the heap is far over its goal.
 * Steps are of tracing alone, so there is a bound for time as well.
 */
#define ASSIST_STEPS	8192
/* The least that is worth the while: with less, one that is called comes too late. */
#define ASSIST_STEPS_MIN	2048
#define ASSIST_NS	(4 * NSEC_PER_MSEC)

static uint concurrent = 1;
module_param(concurrent, uint, 0644);
MODULE_PARM_DESC(concurrent, "Trace while the program runs: 0 never, 1 where the kernel can read dirty bits, 2 always; for arenas opened from now on");

enum phase {
	PHASE_SWEEP,
	PHASE_CLEAR,
	PHASE_ROOTS,
	PHASE_TRACE,
	PHASE_LAST,
};

/**
 * struct gcarena_concurrent - a cycle that is on
 * @arena: whose it is
 * @kind: what kind it is
 * @since: as for gcarena_roots_mark()
 * @phase: what is to be done next
 * @marker: the trace
 * @dirty: written pages that have not been traced from yet
 * @clear_pos: PHASE_CLEAR: where to go on
 * @rounds: rounds completed
 * @round_steps: marker.steps at the end of the last round
 * @round_work: steps of the last round
 * @paused_ns: for how long the world was stopped
 * @longest_ns: for how long at a time
 * @worked_ns: time spent tracing beside the program
 * @slice_end: when the slice has to end, CLOCK_MONOTONIC, ns
 * @slice_steps: at how many marker.steps it has to end
 * @helpers: how many may help in it
 */
struct gcarena_concurrent {
	struct gcarena *arena;
	enum gcarena_collect_kind kind;
	u64 since;
	enum phase phase;
	struct gcarena_marker marker;
	struct gcarena_dirty dirty;
	u64 clear_pos;
	unsigned int rounds;
	u64 round_steps;
	u64 round_work;
	u64 paused_ns;
	u64 longest_ns;
	u64 worked_ns;
	u64 slice_end;
	u64 slice_steps;
	unsigned int helpers;
};

/* For a new arena. */
bool gcarena_concurrent_default(u32 dirty_method)
{
	uint value = READ_ONCE(concurrent);

	return value > 1 || (value && dirty_method == GCARENA_DIRTY_PTE);
}

/* Does a concurrent cycle pay now, as far as the last one tells? */
bool gcarena_concurrent_wanted(const struct gcarena *arena)
{
	u64 ns = arena->trace_ns[arena->pacer.next_minor];

	if (!arena->concurrent_allowed)
		return false;
	return ns ? ns >= WORTH_NS : arena->pacer.live >= WORTH_BYTES;
}

/* Asked by the marker now and then. */
static bool slice_is_over(const struct gcarena_marker *m)
{
	const struct gcarena_concurrent *c = container_of(m, struct gcarena_concurrent, marker);

	return m->steps >= c->slice_steps || atomic_read(&c->arena->waiters) ||
	       gcarena_zeal_slice() || ktime_get_ns() >= c->slice_end;
}

static void cycle_end(struct gcarena *arena, struct gcarena_concurrent *c)
{
	arena->concurrent = NULL;
	gcarena_phase_set(&arena->notify, GCARENA_PHASE_IDLE);
	if (c->phase > PHASE_SWEEP) {
		arena->counters.mark_overflows += c->marker.overflows;
		gcarena_count_marked(&arena->counters, &c->marker);
		gcarena_marker_destroy(&c->marker);
		gcarena_spans_let_go(&arena->heap);
	}
	gcarena_dirty_free(&c->dirty);
	kfree(c);
	gcarena_background_kick(arena);
}

/* Another cycle is to begin, or the arena ends. Its marks are of no use. */
void gcarena_concurrent_abandon(struct gcarena *arena)
{
	struct gcarena_concurrent *c = arena->concurrent;

	if (!c)
		return;
	/* It tells nothing of how long such a cycle takes. */
	gcarena_pacer_cycle_dropped(&arena->pacer);
	/* What was announced has its end. */
	if (c->phase > PHASE_SWEEP)
		gcarena_cycle_dropped(arena, c->kind, c->paused_ns, c->longest_ns);
	cycle_end(arena, c);
}

/* It cannot be done: the heap grows on, and the next one will be a full one. */
static int give_up(struct gcarena *arena, struct gcarena_concurrent *c, int error)
{
	gcarena_cycle_tell(arena, c->kind, error, c->paused_ns, c->longest_ns);
	gcarena_pacer_postpone(&arena->pacer);
	cycle_end(arena, c);
	return error;
}

static int trace_begin(struct gcarena *arena, struct gcarena_concurrent *c)
{
	u64 start = ktime_get_ns();
	bool more = gcarena_sweep_some(&arena->heap, BATCH_SPANS);
	int ret;

	arena->counters.sweep_total_ns += ktime_get_ns() - start;
	if (more)
		return -EAGAIN;
	/* What is marked must be what was reachable, or there is no knowing what is old. */
	if (arena->must_trace_all || !arena->counters.cycles)
		c->kind = GCARENA_COLLECT_FULL;
	/* If it can be begun or not: what is told to be given up has been told to begin. */
	gcarena_cycle_announce(arena, c->kind);
	ret = gcarena_trace_init(arena, &c->marker);
	if (ret)
		return ret;
	gcarena_phase_set(&arena->notify, GCARENA_PHASE_TRACE);
	c->phase = c->kind == GCARENA_COLLECT_MINOR ? PHASE_ROOTS : PHASE_CLEAR;
	arena->must_trace_all = true;
	gcarena_spans_hold(&arena->heap);
	return -EAGAIN;
}

static int clear(struct gcarena *arena, struct gcarena_concurrent *c)
{
	u64 start = ktime_get_ns();

	if (!gcarena_mark_clear_some(&arena->heap, &c->clear_pos, BATCH_SPANS))
		c->phase = PHASE_ROOTS;
	arena->counters.clear_total_ns += ktime_get_ns() - start;
	return -EAGAIN;
}

static void count_pause(struct gcarena *arena, struct gcarena_concurrent *c, u64 start)
{
	u64 ns = ktime_get_ns() - start;

	gcarena_count_pause(&arena->counters, ns);
	if (c->phase == PHASE_LAST)
		arena->counters.last_stop_total_ns += ns;
	else
		arena->counters.root_stop_total_ns += ns;
	c->paused_ns += ns;
	c->longest_ns = max(c->longest_ns, ns);
}

/* Between the two, the phase says what the program waits for. Return: as gcarena_world_stop() */
static int stop_world(struct gcarena *arena)
{
	int ret;

	gcarena_phase_set(&arena->notify, GCARENA_PHASE_STOP);
	ret = gcarena_world_stop(arena);
	gcarena_phase_set(&arena->notify, ret ? GCARENA_PHASE_TRACE : GCARENA_PHASE_MARK);
	return ret;
}

static void start_world(struct gcarena *arena)
{
	gcarena_world_start(arena);
	gcarena_phase_set(&arena->notify, GCARENA_PHASE_TRACE);
}

static int read_roots(struct gcarena *arena, struct gcarena_concurrent *c)
{
	u64 began = ktime_get_ns(), stopped, bytes;
	int ret = stop_world(arena);

	if (ret)
		return ret;
	gcarena_owners_reap(arena);
	c->marker.pause = slice_is_over;
	gcarena_marker_resume(&c->marker);
	gcarena_marker_set_helpers(&c->marker, 0);
	stopped = ktime_get_ns();
	ret = gcarena_roots_mark(arena, &c->marker, NULL, c->since, &bytes);
	arena->counters.root_total_ns += ktime_get_ns() - stopped;
	gcarena_marker_suspend(&c->marker);
	start_world(arena);
	count_pause(arena, c, began);
	return ret;
}

/*
 * The stop comes after the written pages were taken, and before the first of them is
 * looked at: it waits for threads that are about to flush the translation of a page whose
 * dirty flag has been taken already. (tests/model: roots-before-take)
 */
static int round_begin(struct gcarena *arena, struct gcarena_concurrent *c)
{
	int ret = gcarena_dirty_take(arena, &c->dirty);

	if (ret)
		return ret;
	/* Nothing is marked yet, let alone changed since it was scanned. */
	if (c->kind == GCARENA_COLLECT_FULL && !c->rounds)
		gcarena_dirty_done(&c->dirty);
	ret = read_roots(arena, c) ?: gcarena_zeal_delay();
	if (ret)
		return ret;
	c->phase = PHASE_TRACE;
	return -EAGAIN;
}

/* Has the last round left so little that it can be done with the world stopped? */
static void round_end(struct gcarena *arena, struct gcarena_concurrent *c)
{
	u64 work = c->marker.steps - c->round_steps;
	bool shrinks = !c->rounds || work < c->round_work - c->round_work / 4;
	u64 few = gcarena_zeal_slice() ?: LAST_STEPS;

	c->rounds++;
	trace_gcarena_round_end(arena->entry.id, c->rounds, work, c->worked_ns, c->paused_ns);
	c->round_work = work;
	c->round_steps = c->marker.steps;
	c->phase = work > few && shrinks && c->rounds < MAX_ROUNDS ? PHASE_ROOTS
									  : PHASE_LAST;
}

/*
 * After the first round there is left what the program writes, and the world stands still
 * for what it has written since the last but one: be quick, and let who writes help.
 */
static bool is_catching_up(const struct gcarena_concurrent *c)
{
	return c->rounds;
}

static int trace(struct gcarena *arena, struct gcarena_concurrent *c)
{
	struct gcarena_marker *m = &c->marker;
	u64 start = ktime_get_ns(), helped_ns = m->helped_ns, ns;
	int ret;

	m->pause = slice_is_over;
	gcarena_marker_resume(m);
	gcarena_marker_set_helpers(m, c->helpers);
	ret = gcarena_mark_dirty(m, c->dirty.pages, c->dirty.nr_pages, &c->dirty.page) ?:
	      gcarena_mark_finish(m);
	gcarena_marker_suspend(m);
	ns = ktime_get_ns() - start;
	if (!is_catching_up(c))
		gcarena_worker_charge(arena, start, m->helped_ns - helped_ns);
	c->worked_ns += ns;
	arena->counters.concurrent_ns += ns;
	if (ret)
		return ret;
	gcarena_dirty_done(&c->dirty);
	round_end(arena, c);
	return -EAGAIN;
}

static void cycle_done(struct gcarena *arena, struct gcarena_concurrent *c)
{
	bool minor = c->kind == GCARENA_COLLECT_MINOR;
	u64 ns = c->worked_ns + c->paused_ns;

	arena->must_trace_all = false;
	arena->trace_ns[minor] = ns;
	arena->trace_steps[minor] = c->marker.steps;
	arena->counters.cycles_concurrent++;
	arena->counters.rounds += c->rounds + 1;
	arena->counters.rounds_last = c->rounds + 1;
	gcarena_pacer_observe(&arena->pacer, gcarena_memory_overhead(arena));
	gcarena_pacer_spent(&arena->pacer, ns, ktime_get_ns());
	gcarena_pacer_cycle_done(&arena->pacer, minor, arena->heap.old.bytes, ns);
	gcarena_cycle_tell(arena, c->kind, 0, c->paused_ns, c->longest_ns);
	cycle_end(arena, c);
	if (!minor)
		gcarena_evacuate_if_fragmented(arena);
}

static int last_round(struct gcarena *arena, struct gcarena_concurrent *c)
{
	u64 began = ktime_get_ns();
	int ret = stop_world(arena);

	if (!ret) {
		gcarena_owners_reap(arena);
		ret = gcarena_dirty_take(arena, &c->dirty) ?:
		      gcarena_trace_last(arena, &c->marker, c->since, &c->dirty);
		start_world(arena);
	}
	count_pause(arena, c, began);
	if (ret) {
		/* Who was killed may have got some way: the rest is not for a pause. */
		c->phase = PHASE_ROOTS;
		return ret;
	}
	arena->counters.last_stop_ns = ktime_get_ns() - began;
	cycle_done(arena, c);
	return 0;
}

/*
 * Do some of what is to be done next. Return: 0: the cycle is complete, and @c gone;
 * -EAGAIN: there is more; -EINTR: somebody else may go on; else it must be given up.
 */
static int advance(struct gcarena *arena, struct gcarena_concurrent *c)
{
	switch (c->phase) {
	case PHASE_SWEEP:
		return trace_begin(arena, c);
	case PHASE_CLEAR:
		return clear(arena, c);
	case PHASE_ROOTS:
		return round_begin(arena, c);
	case PHASE_TRACE:
		return trace(arena, c);
	default:
		return last_round(arena, c);
	}
}

/* Advance until the slice is over. @c may be gone then. Return: as advance(). */
static int slice(struct gcarena *arena, struct gcarena_concurrent *c)
{
	int ret;

	do {
		ret = advance(arena, c);
		if (ret == -EAGAIN && gcarena_checkpoint())
			return -EINTR;
	} while (ret == -EAGAIN && !slice_is_over(&c->marker));
	if (ret && ret != -EAGAIN && ret != -EINTR)
		give_up(arena, c, ret);
	return ret;
}

/**
 * gcarena_concurrent_begin() - begin a concurrent cycle
 * @arena: the arena, no such cycle being on; the caller holds its heap lock, and its file
 * @kind: GCARENA_COLLECT_MINOR becomes a full one where there is no knowing what is old
 *
 * Return: 0, -ENOMEM, or -ENXIO: the arena is about to end.
 */
int gcarena_concurrent_begin(struct gcarena *arena, enum gcarena_collect_kind kind)
{
	struct gcarena_concurrent *c;
	int ret;

	lockdep_assert_held(&arena->lock);
	c = kzalloc(sizeof(*c), GCARENA_GFP);
	if (!c)
		return -ENOMEM;
	/* It waits for the heap lock. */
	ret = gcarena_worker_queue(arena, &arena->tracer);
	if (ret) {
		kfree(c);
		return ret;
	}
	c->arena = arena;
	c->kind = kind;
	c->since = gcarena_mapping_newest(arena);
	arena->concurrent = c;
	gcarena_pacer_cycle_begun(&arena->pacer);
	return 0;
}

/*
 * Is a thread that allocates to get little at a time, as it has to come back and help? Who
 * gets much writes more in between than it traces then, and rounds get no shorter.
 */
bool gcarena_concurrent_needs_help(const struct gcarena *arena)
{
	lockdep_assert_held(&arena->lock);
	return arena->concurrent && is_catching_up(arena->concurrent);
}

/* How many steps the trace is behind the program, as far as the last one tells. */
static u64 steps_behind(const struct gcarena *arena, const struct gcarena_concurrent *c)
{
	u64 total = arena->trace_steps[c->kind == GCARENA_COLLECT_MINOR];
	u64 due = (total * gcarena_pacer_progress(&arena->pacer)) >> 10;

	if (gcarena_pacer_due(&arena->pacer) || is_catching_up(c))
		return ASSIST_STEPS;
	due -= min(due, c->marker.steps);
	return due < ASSIST_STEPS_MIN ? 0 : due;
}

/*
 * A thread that allocates is helped by as many as may work beside the program, as the worker
 * waits for the lock meanwhile.
 */
static unsigned int assistants(const struct gcarena *arena, const struct gcarena_concurrent *c)
{
	if (!is_catching_up(c) && gcarena_worker_rest_due(arena))
		return 0;
	return gcarena_helpers_assisting();
}

static int assist(struct gcarena *arena, struct gcarena_concurrent *c, u64 steps)
{
	bool far = arena->pacer.live > arena->pacer.goal + arena->pacer.goal / 4;
	u64 start = ktime_get_ns();
	int ret;

	do {
		c->slice_end = far ? U64_MAX : start + ASSIST_NS;
		c->slice_steps = c->marker.steps + min_t(u64, steps, ASSIST_STEPS);
		c->helpers = assistants(arena, c);
		ret = slice(arena, c);
	} while (far && ret == -EAGAIN && !gcarena_zeal_slice());
	arena->counters.assist_ns += ktime_get_ns() - start;
	return ret == -EINTR ? ret : 0;
}

/**
 * gcarena_concurrent_assist() - help the cycle along that is on, if it needs help
 * @arena: the arena; the caller holds its heap lock, and is about to allocate
 *
 * Return: 0 or -EINTR.
 */
int gcarena_concurrent_assist(struct gcarena *arena)
{
	u64 steps = gcarena_zeal_slice() ?: steps_behind(arena, arena->concurrent);

	return steps ? assist(arena, arena->concurrent, steps) : 0;
}

/* Advance the cycle that is on, for a slice of time. Return: as slice(). */
int gcarena_concurrent_step(struct gcarena *arena)
{
	struct gcarena_concurrent *c = arena->concurrent;

	c->slice_end = ktime_get_ns() + SLICE_NS;
	c->slice_steps = U64_MAX;
	c->helpers = gcarena_helpers_beside();
	return slice(arena, c);
}

/* Complete the cycle that is on. Return: 0 or why it could not be. */
int gcarena_concurrent_finish(struct gcarena *arena)
{
	struct gcarena_concurrent *c = arena->concurrent;
	int ret;

	do {
		c->slice_end = U64_MAX;
		c->slice_steps = U64_MAX;
		c->helpers = gcarena_helpers_beside();
		ret = slice(arena, c);
	} while (ret == -EAGAIN);
	return ret;
}

static enum gcarena_work_next work_slice(struct gcarena *arena)
{
	struct gcarena_concurrent *c = arena->concurrent;
	bool hurry;

	if (!c)
		return GCARENA_WORK_DONE;
	hurry = is_catching_up(c);
	if (gcarena_concurrent_step(arena) != -EAGAIN)
		return GCARENA_WORK_DONE;
	return hurry ? GCARENA_WORK_HURRY : GCARENA_WORK_REST;
}

static const struct gcarena_job job = {
	.slice = work_slice,
	.abandon = gcarena_concurrent_abandon,
};

void gcarena_concurrent_work(struct work_struct *work)
{
	gcarena_worker_run(container_of(work, struct gcarena, tracer), &job);
}
