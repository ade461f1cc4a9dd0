// SPDX-License-Identifier: GPL-2.0
/*
 * A crew: markers that share a trace, and the mark stack's memory.
 *
 * The leader is the marker that was asked to trace; its thread holds the heap lock on
 * behalf of all. Helpers are threads that come when they are called, trace what is given
 * to them, wait a moment for more, and leave. There may be none: no thread is called
 * before there has been some work, none is waited for that has not begun, and
 * the leader finishes alone what nobody takes.
 *
 * Each marker has a stack and queues of its own. Between them go segments of mark stack,
 * over a list of those on offer. Who has enough looks now and then whether somebody is
 * hungry, and gives: a segment below its top one, or the lower half of its only one,
 * which leads to more than the upper half does, as the stack is worked off from above.
 *
 * The end: a marker is busy while anything is in its hands (stack or queues). Work on
 * offer is in nobody's. Both are counted under crew->lock, and only a busy marker can offer
 * work; so when nobody is busy and nothing is on offer, everything has been traced.
 *
 * What the markers write to at the same time: mark bits, by atomic operations
 * (mark.c); flags of spans that overflowed, under crew->lock. All the rest of the heap
 * stays as it is, because the leader's thread has the heap lock.
 *
 * crew->lock is a spin lock, and innermost.
 */
#include "crew.h"

/* How long one who has nothing to do waits for work before it sleeps, or leaves. */
#define LINGER_NS	(50ULL * 1000)
/* Checkpoints of the leader between two calls: what a call costs is little beside that. */
#define CALL_CHECKS	2U
#define MAX_EMPTY	4U

/* ---- Segments ---- */

static bool account_add(struct gcarena_marker *leader)
{
	if (leader->stack_bytes + SEGMENT_BYTES > leader->stack_limit)
		return false;
	leader->stack_bytes += SEGMENT_BYTES;
	leader->stack_peak = max(leader->stack_peak, leader->stack_bytes);
	return true;
}

/* From what is shared: an empty segment, or the right to allocate one. */
static bool shared_get(struct gcarena_crew *crew, struct gcarena_mark_segment **s)
{
	bool ok = true;

	spin_lock(&crew->lock);
	*s = crew->empty;
	if (*s) {
		crew->empty = (*s)->below;
		crew->nr_empty--;
	} else {
		ok = account_add(crew->leader);
	}
	spin_unlock(&crew->lock);
	return ok;
}

static void account_sub(struct gcarena_marker *m)
{
	struct gcarena_crew *crew = m->crew;

	if (!crew) {
		m->stack_bytes -= SEGMENT_BYTES;
		return;
	}
	spin_lock(&crew->lock);
	crew->leader->stack_bytes -= SEGMENT_BYTES;
	spin_unlock(&crew->lock);
}

/* An empty segment, or NULL: the stack is as large as it may be, or there is no memory. */
struct gcarena_mark_segment *gcarena_segment_get(struct gcarena_marker *m)
{
	struct gcarena_mark_segment *s = m->spare;

	m->spare = NULL;
	if (s)
		return s;
	if (m->crew ? !shared_get(m->crew, &s) : !account_add(m))
		return NULL;
	/* Failing is an overflow, not an error: do not try hard. */
	if (!s) {
		s = kvmalloc(SEGMENT_BYTES, GCARENA_GFP | __GFP_NORETRY);
		if (!s)
			account_sub(m);
	}
	return s;
}

void gcarena_segment_put(struct gcarena_marker *m, struct gcarena_mark_segment *s)
{
	struct gcarena_crew *crew = m->crew;

	if (!m->spare) {
		m->spare = s;
		return;
	}
	if (crew) {
		spin_lock(&crew->lock);
		if (crew->nr_empty < MAX_EMPTY) {
			s->below = crew->empty;
			crew->empty = s;
			crew->nr_empty++;
			s = NULL;
		}
		spin_unlock(&crew->lock);
	}
	if (s) {
		kvfree(s);
		account_sub(m);
	}
}

/* ---- Overflow ---- */

/*
 * A marked object of the span is not going to be scanned, as it did not fit the stack. The
 * mark was set before the lock is taken: who takes the flag away sees it.
 */
void gcarena_span_flag(struct gcarena_marker *m, struct heap_span *span)
{
	struct gcarena_crew *crew = m->crew;

	m->overflows++;
	if (!crew) {
		span->rescan = true;
		m->overflowed = true;
		return;
	}
	spin_lock(&crew->lock);
	WRITE_ONCE(span->rescan, true);
	crew->leader->overflowed = true;
	spin_unlock(&crew->lock);
}

/* Its marked objects are about to be looked at. */
void gcarena_span_unflag(struct gcarena_marker *m, struct heap_span *span)
{
	struct gcarena_crew *crew = m->crew;

	if (!crew) {
		span->rescan = false;
		return;
	}
	spin_lock(&crew->lock);
	WRITE_ONCE(span->rescan, false);
	spin_unlock(&crew->lock);
}

/* ---- Giving and taking ---- */

/* Under crew->lock. */
static void offer(struct gcarena_crew *crew, struct gcarena_mark_segment *s)
{
	s->below = crew->full;
	crew->full = s;
	WRITE_ONCE(crew->nr_full, crew->nr_full + 1);
}

/* Not under crew->lock. @asleep: what crew->asleep was under it. */
static void wake_leader(struct gcarena_crew *crew, bool asleep)
{
	if (asleep)
		wake_up(&crew->wait);
}

/* The lower half of the only segment, or NULL. */
static struct gcarena_mark_segment *split(struct gcarena_marker *m)
{
	struct gcarena_mark_segment *top = m->segment, *s;
	u32 nr = top->nr / 2;

	s = nr ? gcarena_segment_get(m) : NULL;
	if (!s)
		return NULL;
	memcpy(s->item, top->item, nr * sizeof(*s->item));
	memmove(top->item, top->item + nr, (top->nr - nr) * sizeof(*s->item));
	s->nr = nr;
	top->nr -= nr;
	return s;
}

/* Offer a part of what is on the stack. Return: false: there is too little. */
bool gcarena_crew_give(struct gcarena_marker *m)
{
	struct gcarena_mark_segment *s = m->segment->below;
	struct gcarena_crew *crew = m->crew;
	bool asleep;

	if (s)
		m->segment->below = s->below;
	else
		s = split(m);
	if (!s)
		return false;
	spin_lock(&crew->lock);
	offer(crew, s);
	crew->given++;
	asleep = crew->asleep;
	spin_unlock(&crew->lock);
	wake_leader(crew, asleep);
	return true;
}

/*
 * For a marker that has nothing in its hands, and does not count as busy. Under crew->lock.
 * Return: 1: it has now; 0: everything is traced; -EAGAIN: others are at it.
 */
static int take(struct gcarena_crew *crew, struct gcarena_mark_segment **s)
{
	*s = crew->full;
	if (!*s)
		return crew->busy ? -EAGAIN : 0;
	crew->full = (*s)->below;
	WRITE_ONCE(crew->nr_full, crew->nr_full - 1);
	(*s)->below = NULL;
	return 1;
}

/* Has it become worth while to look? Without the lock: whoever does looks under it. */
static bool has_news(const struct gcarena_crew *crew)
{
	return READ_ONCE(crew->nr_full) || !READ_ONCE(crew->busy) || READ_ONCE(crew->stop);
}

/* The stack is empty, or there is none yet. */
static void stack_set(struct gcarena_marker *m, struct gcarena_mark_segment *s)
{
	if (m->segment)
		gcarena_segment_put(m, m->segment);
	m->segment = s;
}

/* ---- The leader ---- */

static struct gcarena_crew *crew_create(struct gcarena_marker *m)
{
	struct gcarena_crew *crew;
	unsigned int i;

	crew = kvzalloc(struct_size(crew, helper, m->most_helpers), GCARENA_GFP | __GFP_NORETRY);
	if (!crew)
		return NULL;
	crew->leader = m;
	crew->nr = m->most_helpers;
	crew->busy = 1;
	crew->stop = true;
	spin_lock_init(&crew->lock);
	init_waitqueue_head(&crew->wait);
	for (i = 0; i < crew->nr; i++)
		gcarena_helper_init(&crew->helper[i]);
	/* One to work on and one on the way, for each of them. */
	m->stack_limit += 2ULL * crew->nr * SEGMENT_BYTES;
	return crew;
}

/* One that is not there, or NULL. */
static struct gcarena_helper *find_absent(struct gcarena_crew *crew, unsigned int nr)
{
	struct gcarena_helper *found = NULL;
	unsigned int i;

	spin_lock(&crew->lock);
	for (i = 0; i < min(nr, crew->nr) && !found; i++) {
		if (!crew->helper[i].called)
			found = &crew->helper[i];
	}
	spin_unlock(&crew->lock);
	return found;
}

/**
 * gcarena_crew_absent() - find one who could be called to help
 * @m: the leader
 *
 * The first time makes the crew. If there is no memory for it, there will be no help.
 *
 * Return: for gcarena_crew_call(), or NULL: all are there.
 */
struct gcarena_helper *gcarena_crew_absent(struct gcarena_marker *m)
{
	m->next_call = m->steps + CALL_CHECKS * m->interval;
	if (!m->crew)
		m->crew = crew_create(m);
	if (m->crew)
		return find_absent(m->crew, m->helpers);
	m->helpers = 0;
	return NULL;
}

/* Nobody else looks at it now: its thread has left, or was never there. */
static void helper_prepare(struct gcarena_helper *helper, const struct gcarena_marker *leader)
{
	struct gcarena_marker *m = &helper->marker;

	memset(m, 0, sizeof(*m));
	m->heap = leader->heap;
	m->base = leader->base;
	m->end = leader->end;
	m->room = leader->room;
	m->interval = leader->interval;
	m->crew = leader->crew;
	m->shared = true;
	helper->running = true;
	helper->busy = false;
}

/* Have it help the leader, who has offered work. */
void gcarena_crew_call(struct gcarena_marker *m, struct gcarena_helper *helper)
{
	struct gcarena_crew *crew = m->crew;

	helper_prepare(helper, m);
	m->shared = true;
	spin_lock(&crew->lock);
	helper->called = true;
	WRITE_ONCE(crew->stop, false);
	spin_unlock(&crew->lock);
	gcarena_helper_call(helper);
}

static void set_asleep(struct gcarena_crew *crew, bool asleep)
{
	spin_lock(&crew->lock);
	crew->asleep = asleep;
	spin_unlock(&crew->lock);
}

/*
 * Others have all that is left. One that has to pause soon does not wait for it: it takes
 * back what they have. Return: 0, -EAGAIN, -EINTR.
 */
static int leader_idle(struct gcarena_marker *m, u64 since)
{
	struct gcarena_crew *crew = m->crew;
	bool lingered;
	int ret;

	do {
		cpu_relax();
		ret = gcarena_checkpoint();
		lingered = ktime_get_ns() - since >= LINGER_NS;
		if (m->pause && (lingered || m->pause(m)))
			return -EAGAIN;
	} while (!ret && !lingered && !has_news(crew));
	if (ret || !lingered)
		return ret;
	/* Who offers work, or stops being busy, after this wakes us. */
	set_asleep(crew, true);
	ret = wait_event_killable(crew->wait, has_news(crew)) ? -EINTR : 0;
	set_asleep(crew, false);
	return ret;
}

/**
 * gcarena_crew_await() - get more work, or see all of it done
 * @m: the leader, with nothing in its hands
 *
 * Return: 1: there is more on its stack; 0: everything is traced; -EAGAIN: it is time to
 * pause; -EINTR.
 */
int gcarena_crew_await(struct gcarena_marker *m)
{
	struct gcarena_mark_segment *s = NULL;
	struct gcarena_crew *crew = m->crew;
	u64 since;
	int ret, idle = 0;

	if (!crew)
		return 0;
	since = ktime_get_ns();
	spin_lock(&crew->lock);
	WRITE_ONCE(crew->busy, crew->busy - 1);
	WRITE_ONCE(crew->hungry, crew->hungry + 1);
	while ((ret = take(crew, &s)) == -EAGAIN && !idle) {
		spin_unlock(&crew->lock);
		idle = leader_idle(m, since);
		spin_lock(&crew->lock);
	}
	WRITE_ONCE(crew->hungry, crew->hungry - 1);
	WRITE_ONCE(crew->busy, crew->busy + 1);
	spin_unlock(&crew->lock);
	if (ret == 1)
		stack_set(m, s);
	return ret == -EAGAIN ? idle : ret;
}

/**
 * gcarena_crew_recall() - send all helpers away
 * @m: the leader
 *
 * When this returns, none of them runs or will. What they had left to do is on offer.
 */
void gcarena_crew_recall(struct gcarena_marker *m)
{
	struct gcarena_crew *crew = m->crew;
	unsigned int i;

	if (!m->shared)
		return;
	spin_lock(&crew->lock);
	WRITE_ONCE(crew->stop, true);
	spin_unlock(&crew->lock);
	for (i = 0; i < crew->nr; i++) {
		if (crew->helper[i].running)
			gcarena_helper_recall(&crew->helper[i]);
		crew->helper[i].running = false;
		crew->helper[i].called = false;
	}
	m->shared = false;
	m->marked.objects += crew->marked.objects;
	m->marked.bytes += crew->marked.bytes;
	m->overflows += crew->overflows;
	m->helped_ns += crew->busy_ns;
	m->steps += crew->steps;
	m->next_look += crew->steps;
	m->next_check += crew->steps;
	m->next_call += crew->steps;
	crew->marked = (struct heap_tally) { };
	crew->overflows = 0;
	crew->steps = 0;
	crew->busy_ns = 0;
}

static void list_free(struct gcarena_marker *m, struct gcarena_mark_segment *s)
{
	struct gcarena_mark_segment *below;

	for (; s; s = below) {
		below = s->below;
		kvfree(s);
		m->stack_bytes -= SEGMENT_BYTES;
	}
}

/* The trace is done, or given up. */
void gcarena_crew_destroy(struct gcarena_marker *m)
{
	struct gcarena_crew *crew = m->crew;

	gcarena_crew_recall(m);
	if (!crew)
		return;
	m->crew = NULL;
	list_free(m, crew->full);
	list_free(m, crew->empty);
	kvfree(crew);
}

/* How many have really helped so far. No helper may run. */
unsigned int gcarena_crew_nr_helped(const struct gcarena_marker *m)
{
	unsigned int i, nr = 0;

	for (i = 0; m->crew && i < m->crew->nr; i++)
		nr += m->crew->helper[i].helped;
	return nr;
}

/* ---- Helpers ---- */

/* Return: false: it has been long enough. */
static bool linger(const struct gcarena_crew *crew, u64 until)
{
	do {
		if (ktime_get_ns() >= until)
			return false;
		cond_resched();
		cpu_relax();
	} while (!has_news(crew));
	return true;
}

/**
 * gcarena_crew_take() - get work, or learn that it is time to leave
 * @helper: one with nothing in its hands
 *
 * Return: there is something on its stack.
 */
bool gcarena_crew_take(struct gcarena_helper *helper)
{
	struct gcarena_crew *crew = helper->marker.crew;
	u64 until = ktime_get_ns() + LINGER_NS;
	struct gcarena_mark_segment *s = NULL;
	bool asleep, last = false;

	spin_lock(&crew->lock);
	WRITE_ONCE(crew->busy, crew->busy - helper->busy);
	WRITE_ONCE(crew->hungry, crew->hungry + 1);
	asleep = crew->asleep && !crew->busy;
	while (!crew->stop && take(crew, &s) == -EAGAIN && !last) {
		spin_unlock(&crew->lock);
		last = !linger(crew, until);
		spin_lock(&crew->lock);
	}
	WRITE_ONCE(crew->hungry, crew->hungry - 1);
	helper->busy = s;
	WRITE_ONCE(crew->busy, crew->busy + helper->busy);
	spin_unlock(&crew->lock);
	wake_leader(crew, asleep);
	if (!s)
		return false;
	helper->helped = true;
	stack_set(&helper->marker, s);
	return true;
}

/* Hand all segments back: those with items on offer, the others for use. Under crew->lock. */
static void hand_back(struct gcarena_crew *crew, struct gcarena_mark_segment *s)
{
	struct gcarena_mark_segment *below;

	for (; s; s = below) {
		below = s->below;
		if (s->nr) {
			offer(crew, s);
		} else {
			s->below = crew->empty;
			crew->empty = s;
			crew->nr_empty++;
		}
	}
}

/* The last thing that a helper does. Its queues are empty; its stack need not be. */
void gcarena_crew_leave(struct gcarena_helper *helper)
{
	struct gcarena_marker *m = &helper->marker;
	struct gcarena_crew *crew = m->crew;
	bool asleep;

	if (m->spare)
		m->spare->nr = 0;
	spin_lock(&crew->lock);
	hand_back(crew, m->segment);
	if (m->spare) {
		m->spare->below = NULL;
		hand_back(crew, m->spare);
	}
	crew->marked.objects += m->marked.objects;
	crew->marked.bytes += m->marked.bytes;
	crew->steps += m->steps;
	crew->overflows += m->overflows;
	crew->busy_ns += ktime_get_ns() - helper->came;
	WRITE_ONCE(crew->busy, crew->busy - helper->busy);
	helper->called = false;
	asleep = crew->asleep;
	spin_unlock(&crew->lock);
	wake_leader(crew, asleep);
}
