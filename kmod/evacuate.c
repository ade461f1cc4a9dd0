// SPDX-License-Identifier: GPL-2.0
/*
 * Compaction beside the program: chunks are emptied a few at a time, and the world stands
 * still for one budget of bytes at a time.
 *
 *  1. Sweep what the last cycle left. Choose chunks (remember.c).
 *  2. Find written pages, so that from here on those tell of changes. Go through the
 *     heap for words that point into the chunks.
 *  3. A round: find the pages written since, look at them again. More rounds until a
 *     round finds little.
 *  4. Stop the world; once more the written pages; read the roots; move what fits the budget,
 *     and change what is on the cards of those chunks (move.c). Start the world.
 *  5. Back to 3. for the next chunks.
 *  6. Give back memory, a chunk at a time.
 *
 * Invariant, from the end of 2. on: a pointer into one of the chunks, in an allocated slot
 * that is scanned, stands on a card that is remembered for that chunk, or on a page that
 * step 4. will look at; or the chunk was given up. "Will look at" is
 *
 *	written by the program	its page table entry or the page's flag tells. Quiet chunks
 *				(quiet.c) have neither, and wake before anybody writes
 *	written by the kernel	compaction flags the page: compact.c. What else it writes
 *				holds no pointers: zeroes, poison
 *	not written at all	a free slot that is handed out is an object from then on,
 *				whatever is in it: gcarena_evacuate_handed_out()
 *	taken by a cycle	gcarena_evacuate_exchange(); and what is taken here gets the
 *				next cycle, or a flag at the end: a minor one needs it
 *
 * So it does not matter what else happens between two slices: the chunks are addresses, not
 * spans. Their objects may die, be freed, be moved by a compaction, become permanent; new
 * ones may be put there; a chunk may be given back, and be made anew. What is there in the
 * stop, on a heap that is swept then, is moved, or stays if its span is leased or dense, has a
 * pinned or a permanent object, or is CONSERVATIVE, or if too much refers to the chunk. Marks
 * and numbers go with the object; so old objects stay old, and what is young is young in its
 * new place. A page with a changed word, and all pages of the copy, count as written. Only
 * while a concurrent cycle traces nothing moves: its marker remembers objects by address.
 *
 * As in concurrent.c each look for written pages is followed by a stop before the pages are
 * looked at: it waits for threads that are about to flush the translation of a page whose
 * dirty flag was taken.
 *
 * A state machine like that in concurrent.c: advanced in slices under the heap lock, by a
 * worker (worker.c), and by a thread that asks for it.
 */
#include <linux/ktime.h>

#include "collect.h"
#include "evacuate.h"
#include "layout.h"
#include "move.h"
#include "remember.h"
#include "worker.h"
#include "zeal.h"

#define SLICE_NS	NSEC_PER_MSEC
/* One turn of who asks for it, however long stops are. */
#define TURN_MAX_NS	(100 * NSEC_PER_MSEC)
#define BATCH_SPANS	256
#define BATCH_PAGES	64
#define MAX_REGIONS	256U
/* Bytes to move before the heap is gone through anew, in largest budgets. */
#define PASS_BUDGETS	64
/* Pages and cards to look at in a stop: some MiB. And a card takes as long as so many bytes. */
#define LAST_PAGES	512
#define STOP_CARDS	8192U
#define CARD_WORTH	128U
#define MAX_ROUNDS	4
/* What a program pins and lets go could be chosen for ever. */
#define MAX_AGAIN	8
/* An evacuation by policy pays if it moves such a part of what is held. */
#define WORTH_PART	128
/* After one that does not, leave out a full cycle; after more in a row 3, 7, ... 63. */
#define FUTILE_MAX	6U

enum evacuate_phase {
	EVACUATE_CHOOSE,
	EVACUATE_WEIGH,
	EVACUATE_TAKE,
	EVACUATE_SCAN,
	EVACUATE_ROUND,
	EVACUATE_DIRTY,
	EVACUATE_STOP,
	EVACUATE_RELEASE,
};

/**
 * struct gcarena_evacuation - chunks are being emptied
 * @arena: whose they are
 * @number: which one it is, from 1
 * @phase: what is to be done next
 * @r: the chunks, and what points into them
 * @fresh: written pages that have not been looked at
 * @taken: written pages that no cycle has been told of
 * @taken_pages: bits in @taken
 * @rounds: since the last stop
 * @again: how often chunks have been chosen of which nothing could be moved
 * @by_policy: nobody has asked for it
 * @since: as for gcarena_roots_mark()
 * @moved: bytes moved
 * @release: EVACUATE_RELEASE: where to go on
 * @released: bytes given back
 * @broken: written pages have been forgotten
 * @slice_end: when the slice has to end, CLOCK_MONOTONIC, ns
 * @slice_yields: it also ends when a thread waits for the heap lock
 */
struct gcarena_evacuation {
	struct gcarena *arena;
	u64 number;
	enum evacuate_phase phase;
	struct gcarena_remember r;
	struct gcarena_dirty fresh;
	unsigned long *taken;
	u64 taken_pages;
	unsigned int rounds;
	unsigned int again;
	bool by_policy;
	u64 since;
	u64 moved;
	struct heap_release release;
	u64 released;
	bool broken;
	u64 slice_end;
	bool slice_yields;
};

/* ---- Written pages -------------------------------------------------------------- */

/* Add @from to a bitmap of *@nr bits, which grows. Return: 0 or -ENOMEM. */
static int pages_add(unsigned long **pages, u64 *nr, const unsigned long *from, u64 from_nr)
{
	u64 room = round_up(max(*nr, from_nr), BITS_PER_LONG);
	unsigned long *more;

	if (room > *nr) {
		more = kvcalloc(room / BITS_PER_LONG, sizeof(*more), GCARENA_GFP);
		if (!more)
			return -ENOMEM;
		if (*nr)
			bitmap_copy(more, *pages, *nr);
		kvfree(*pages);
		*pages = more;
		*nr = room;
	}
	if (from_nr)
		bitmap_or(*pages, *pages, from, from_nr);
	return 0;
}

/**
 * gcarena_evacuate_exchange() - written pages have been taken
 * @arena: the arena
 * @dirty: the pages; gets those as well that an evacuation has taken before
 *
 * Called by gcarena_dirty_take().
 */
void gcarena_evacuate_exchange(struct gcarena *arena, struct gcarena_dirty *dirty)
{
	struct gcarena_evacuation *e = arena->evacuation;
	u64 nr;

	if (!e || dirty == &e->fresh)
		return;
	/* There are never fewer pages than there were, as far as @dirty knows. */
	nr = min_t(u64, e->taken_pages, dirty->nr_pages);
	if (nr) {
		bitmap_or(dirty->pages, dirty->pages, e->taken, nr);
		bitmap_zero(e->taken, e->taken_pages);
	}
	if (gcarena_dirty_add(arena, &e->fresh, dirty))
		e->broken = true;
}

/**
 * gcarena_evacuate_handed_out() - free slots of a span are objects from now on
 * @arena: the arena
 * @span: the span
 *
 * What was in there before, when nobody looked, may point into a region, and nobody has to
 * write it for that. Until the thread has used them these words mean nothing; but
 * whoever comes across such a slot, by a number that is no pointer, follows them.
 */
void gcarena_evacuate_handed_out(struct gcarena *arena, const struct heap_span *span)
{
	struct gcarena_evacuation *e = arena->evacuation;

	lockdep_assert_held(&arena->lock);
	if (!e || span->layout->scan == GCARENA_SCAN_NONE || span->class == GCARENA_CLASS_LARGE)
		return;
	if (gcarena_dirty_note(arena, &e->fresh, span->start, span->bytes))
		e->broken = true;
}

/* Find written pages. Return: 0, -ENOMEM. */
static int take(struct gcarena *arena, struct gcarena_evacuation *e)
{
	int ret = gcarena_dirty_take(arena, &e->fresh);

	if (!ret)
		ret = pages_add(&e->taken, &e->taken_pages, e->fresh.pages, e->fresh.nr_pages);
	/* Minor cycles would miss what was written before. */
	if (ret)
		arena->must_trace_all = true;
	return ret;
}

/* The next cycle finds them by their flags. */
static void give_back(struct gcarena *arena, struct gcarena_evacuation *e)
{
	u64 page = 0;

	while ((page = find_next_bit(e->taken, e->taken_pages, page)) < e->taken_pages) {
		if (gcarena_heap_chunk(&arena->heap, page << PAGE_SHIFT))
			gcarena_backing_mark_dirty(&arena->heap, page << PAGE_SHIFT, PAGE_SIZE);
		page++;
	}
}

/* ---- Beginning and ending ------------------------------------------------------- */

/* @error: why it is given up; 0: it is done */
static void evacuation_end(struct gcarena *arena, int error)
{
	struct gcarena_evacuation *e = arena->evacuation;

	arena->evacuation = NULL;
	arena->evacuated.number = e->number;
	arena->evacuated.error = error;
	gcarena_released(arena, e->released);
	give_back(arena, e);
	gcarena_remember_destroy(&e->r);
	gcarena_dirty_free(&e->fresh);
	kvfree(e->taken);
	kfree(e);
}

/* Memory is needed, or the arena ends. What has moved has moved. */
void gcarena_evacuate_abandon(struct gcarena *arena)
{
	lockdep_assert_held(&arena->lock);
	if (arena->evacuation)
		evacuation_end(arena, -ENOMEM);
}

static int evacuation_begin(struct gcarena *arena, bool by_policy)
{
	struct gcarena_evacuation *e = kzalloc(sizeof(*e), GCARENA_GFP);
	int ret;

	if (!e)
		return -ENOMEM;
	/* It waits for the heap lock. */
	ret = gcarena_worker_queue(arena, &arena->evacuator);
	if (ret) {
		kfree(e);
		return ret;
	}
	e->arena = arena;
	e->by_policy = by_policy;
	e->since = gcarena_mapping_newest(arena);
	e->number = ++arena->evacuations;
	arena->evacuate_longest_ns = 0;
	arena->evacuation = e;
	return 0;
}

/* Of the chunks that hold anything: percent that is not live. */
static u32 fragmentation(const struct gcarena *arena)
{
	const struct gcarena_heap *heap = &arena->heap;
	u64 held = gcarena_heap_held(heap) - gcarena_heap_idle(heap);

	return held ? div64_u64((held - min(held, heap->old.bytes)) * 100, held) : 0;
}

/*
 * It has come to its end. What is pinned, or pointed to by ambiguous words, may be so for
 * ever: if little could be moved, do not go through the heap again after each cycle.
 */
static void evacuation_judge(struct gcarena *arena, const struct gcarena_evacuation *e)
{
	if (!e->by_policy)
		return;
	if (e->moved && e->moved >= gcarena_heap_held(&arena->heap) / WORTH_PART)
		arena->compact_futile = 0;
	else
		arena->compact_futile = min(arena->compact_futile + 1, FUTILE_MAX);
	arena->compact_wait = BIT(arena->compact_futile) - 1;
}

static bool is_wanted(struct gcarena *arena)
{
	if (gcarena_zeal_compact(arena))
		return true;
	if (!arena->compact_percent || fragmentation(arena) <= arena->compact_percent)
		return false;
	if (!arena->compact_wait)
		return true;
	arena->compact_wait--;
	return false;
}

/* A full cycle has ended: is it worth while to move objects? */
void gcarena_evacuate_if_fragmented(struct gcarena *arena)
{
	lockdep_assert_held(&arena->lock);
	if (!arena->evacuation && is_wanted(arena))
		evacuation_begin(arena, true);
}

/* ---- What is done in slices ------------------------------------------------------ */

static bool slice_is_over(const struct gcarena_evacuation *e)
{
	return (e->slice_yields && atomic_read(&e->arena->waiters)) ||
	       ktime_get_ns() >= e->slice_end;
}

static int choose_begin(struct gcarena *arena, struct gcarena_evacuation *e)
{
	int ret = gcarena_remember_init(&e->r, &arena->heap, MAX_REGIONS, STOP_CARDS);

	e->phase = EVACUATE_WEIGH;
	return ret ?: -EAGAIN;
}

static int choose(struct gcarena *arena, struct gcarena_evacuation *e)
{
	int ret = gcarena_remember_choose(&e->r, arena->compact_budget.most * PASS_BUDGETS,
					  !e->again, BATCH_SPANS);

	if (ret)
		return ret;
	e->phase = EVACUATE_TAKE;
	return e->r.nr ? -EAGAIN : 0;
}

/* Return: how long it was. */
static u64 count_pause(struct gcarena *arena, u64 start)
{
	u64 ns = ktime_get_ns() - start;

	gcarena_count_pause(&arena->counters, ns);
	arena->evacuate_longest_ns = max(arena->evacuate_longest_ns, ns);
	return ns;
}

/* Written pages are taken; see above for what the stop is good for. */
static int take_and_stop(struct gcarena *arena, struct gcarena_evacuation *e)
{
	int ret = take(arena, e);
	u64 start = ktime_get_ns();

	if (ret)
		return ret;
	ret = gcarena_world_stop(arena);
	if (ret)
		return ret;
	gcarena_world_start(arena);
	count_pause(arena, start);
	return -EAGAIN;
}

static int take_first(struct gcarena *arena, struct gcarena_evacuation *e)
{
	int ret = take_and_stop(arena, e);

	if (ret != -EAGAIN)
		return ret;
	/* All will be looked at in any case. */
	gcarena_dirty_done(&e->fresh);
	e->phase = EVACUATE_SCAN;
	return -EAGAIN;
}

static int scan(struct gcarena_evacuation *e)
{
	int ret = gcarena_remember_some(&e->r, BATCH_PAGES);

	if (ret)
		return ret;
	e->phase = EVACUATE_ROUND;
	return -EAGAIN;
}

static int round_begin(struct gcarena *arena, struct gcarena_evacuation *e)
{
	int ret;

	/* A cycle may have left something, and moved the lists. */
	if (gcarena_sweep_some(&arena->heap, BATCH_SPANS))
		return -EAGAIN;
	ret = take_and_stop(arena, e);
	if (ret == -EAGAIN)
		e->phase = EVACUATE_DIRTY;
	return ret;
}

static int look_at_dirty(struct gcarena_evacuation *e)
{
	u64 nr = bitmap_weight(e->fresh.pages, e->fresh.nr_pages);
	int ret = gcarena_remember_dirty(&e->r, e->fresh.pages, e->fresh.nr_pages,
					 &e->fresh.page, BATCH_PAGES);

	if (ret)
		return ret;
	gcarena_dirty_done(&e->fresh);
	e->phase = nr > LAST_PAGES && ++e->rounds < MAX_ROUNDS ? EVACUATE_ROUND : EVACUATE_STOP;
	return -EAGAIN;
}

/* ---- The stop -------------------------------------------------------------------- */

/* The next stop's budget. A program that collects meets the last stops of cycles anyway. */
static void adapt(struct gcarena *arena, u64 before_ns, u64 stop_ns)
{
	const struct gcarena_budget_stop stop = {
		.usual_ns = arena->counters.last_stop_ns,
		.before_ns = before_ns,
		.stop_ns = stop_ns,
		.moved = arena->counters.moved_last.bytes,
	};

	gcarena_budget_adapt(&arena->compact_budget, &stop);
}

/* How many regions are about to be emptied: as many as the budget allows, one at least. */
static u32 count_regions(const struct gcarena *arena, struct gcarena_remember *r)
{
	u64 look = arena->compact_budget.look;
	u64 used = 0, cards = 0, max_cards = look / CARD_WORTH;
	u32 i;

	for (i = r->next; i < r->nr; i++) {
		gcarena_region_tidy(&r->regions[i]);
		used += r->regions[i].used;
		cards += r->regions[i].nr;
		if (i > r->next && (used > look || cards > max_cards))
			break;
	}
	return i - r->next;
}

/* With the world stopped. Return: 0: @done regions are done with; -errno. */
static int move_stopped(struct gcarena *arena, struct gcarena_evacuation *e, u32 nr, u32 *done,
			u64 *found)
{
	u64 bytes;
	int ret;

	gcarena_owners_reap(arena);
	ret = take(arena, e) ?:
	      gcarena_remember_dirty(&e->r, e->fresh.pages, e->fresh.nr_pages, &e->fresh.page,
				     U64_MAX);
	if (ret)
		return ret;
	gcarena_dirty_done(&e->fresh);
	ret = gcarena_roots_mark(arena, NULL, NULL, e->since, &bytes) ?: gcarena_zeal_delay();
	*found = ktime_get_ns();
	return ret ?: gcarena_move_regions(arena, &e->r.regions[e->r.next], nr,
					   arena->compact_budget.bytes, done);
}

static void tell(struct gcarena *arena, u64 start)
{
	const struct gcarena_counters *c = &arena->counters;
	struct gcarena_event event = {
		.kind = GCARENA_EVENT_MOVED,
		.collect_kind = GCARENA_COLLECT_EVACUATE,
		.cycle = c->cycles,
		.duration_ns = ktime_get_ns() - start,
		.moves = c->moves,
		.moved_objects = c->moved_last.objects,
		.moved_bytes = c->moved_last.bytes,
	};

	gcarena_event_post(&arena->events, &event);
}

static int stop(struct gcarena *arena, struct gcarena_evacuation *e)
{
	u32 nr = count_regions(arena, &e->r), done = 0;
	u64 start, found = 0, ns = 0;
	int ret = gcarena_move_begin_regions(arena, &e->r.regions[e->r.next], nr);

	start = ktime_get_ns();
	if (!ret)
		ret = gcarena_world_stop(arena);
	if (!ret) {
		ret = move_stopped(arena, e, nr, &done, &found);
		gcarena_world_start(arena);
		ns = count_pause(arena, start);
	}
	if (!ret) {
		e->moved += arena->counters.moved_last.bytes;
		adapt(arena, found - start, ns);
	}
	if (arena->move && arena->counters.moved_last.objects)
		tell(arena, start);
	gcarena_move_end(arena);
	e->rounds = 0;
	e->phase = EVACUATE_ROUND;
	if (ret)
		return ret;
	while (done--)
		gcarena_region_done(&e->r, &e->r.regions[e->r.next++]);
	if (e->r.next < e->r.nr)
		return -EAGAIN;
	/* None of these could be moved. They count no longer: there may be others. */
	if (!e->moved && !e->by_policy && ++e->again < MAX_AGAIN) {
		gcarena_remember_destroy(&e->r);
		e->phase = EVACUATE_CHOOSE;
		return -EAGAIN;
	}
	return 0;
}

/* All has been moved, or nothing can be. Return: -EAGAIN: memory is to be given back; 0: no. */
static int release_begin(struct gcarena *arena, struct gcarena_evacuation *e)
{
	if (e->by_policy && !e->moved)
		return 0;
	gcarena_remember_destroy(&e->r);
	gcarena_release_begin(&arena->heap, &e->release);
	e->phase = EVACUATE_RELEASE;
	return -EAGAIN;
}

/* A chunk at a time: to unmap one takes as long as a short stop. Return: 0 or -EAGAIN. */
static int release(struct gcarena *arena, struct gcarena_evacuation *e)
{
	u64 keep = e->by_policy ? gcarena_background_keep(arena) : 0;

	return gcarena_release_step(&arena->heap, &e->release, keep, &e->released) ? -EAGAIN : 0;
}

/*
 * Do some of what is to be done next. Return: 0: that was all; -EAGAIN; -EINTR: who was killed
 * leaves it as it is, for somebody else; or it must be given up.
 */
static int advance(struct gcarena *arena, struct gcarena_evacuation *e)
{
	if (e->broken && e->phase != EVACUATE_RELEASE)
		return -ENOMEM;
	switch (e->phase) {
	case EVACUATE_CHOOSE:
		return choose_begin(arena, e);
	case EVACUATE_WEIGH:
		/* Each time: a cycle may have come since the last slice. */
		if (gcarena_sweep_some(&arena->heap, BATCH_SPANS))
			return -EAGAIN;
		return choose(arena, e);
	case EVACUATE_TAKE:
		return take_first(arena, e);
	case EVACUATE_SCAN:
		return scan(e);
	case EVACUATE_ROUND:
		return round_begin(arena, e);
	case EVACUATE_DIRTY:
		return look_at_dirty(e);
	case EVACUATE_RELEASE:
		return release(arena, e);
	default:
		/* A cycle has been there since the last round. */
		if (gcarena_sweep_some(&arena->heap, BATCH_SPANS))
			return -EAGAIN;
		return stop(arena, e);
	}
}

/*
 * Advance until the slice is over. The evacuation may be gone then. Return: as advance();
 * -EBUSY: a cycle is on.
 */
static int slice(struct gcarena *arena, u64 ns, bool yields)
{
	struct gcarena_evacuation *e = arena->evacuation;
	int ret;

	e->slice_end = ktime_get_ns() + ns;
	e->slice_yields = yields;
	do {
		/* Spans stay while it traces. */
		ret = arena->concurrent ? -EBUSY : advance(arena, e);
		if (!ret && e->phase != EVACUATE_RELEASE)
			ret = release_begin(arena, e);
		if (ret == -EAGAIN && gcarena_checkpoint())
			return -EINTR;
	} while (ret == -EAGAIN && !slice_is_over(e));
	if (!ret)
		evacuation_judge(arena, e);
	if (ret != -EAGAIN && ret != -EBUSY && ret != -EINTR)
		evacuation_end(arena, ret);
	return ret;
}

/* ---- Who does it ----------------------------------------------------------------- */

/* Testing: at refills, too, so that it gets somewhere between all the cycles. */
void gcarena_evacuate_zeal(struct gcarena *arena)
{
	if (arena->evacuation && gcarena_zeal_compact(arena))
		slice(arena, SLICE_NS, true);
}

/* By somebody. If all that pays has been moved, there may be more. */
static void asked_for(struct gcarena_evacuation *e)
{
	if (e->by_policy && e->phase == EVACUATE_RELEASE)
		e->phase = EVACUATE_CHOOSE;
	e->by_policy = false;
}

/**
 * gcarena_evacuate_begin() - begin, or join one that is on
 * @arena: the arena; the caller holds its heap lock
 * @number: set to which one it is, for gcarena_evacuate_result()
 *
 * A worker goes on with it. It always ends: done, or given up. One that nobody has asked for
 * is as thorough from now on as if somebody had.
 *
 * Return: 0, -ENOMEM, or -ENXIO: the arena is about to end.
 */
int gcarena_evacuate_begin(struct gcarena *arena, u64 *number)
{
	int ret = 0;

	gcarena_lease_large_end(arena);
	if (!arena->evacuation)
		ret = evacuation_begin(arena, false);
	if (ret)
		return ret;
	asked_for(arena->evacuation);
	*number = arena->evacuation->number;
	return 0;
}

/**
 * gcarena_evacuate_result() - what has become of an evacuation
 * @arena: the arena; the caller holds its heap lock
 * @number: as gcarena_evacuate_begin() has told
 *
 * Return: -EAGAIN: it is on; 0: it was done, or it is so long ago that nobody knows; or why it
 * was given up: -ENOMEM memory was needed for something else, -ETIMEDOUT, -EFAULT, -EIO.
 */
int gcarena_evacuate_result(const struct gcarena *arena, u64 number)
{
	lockdep_assert_held(&arena->lock);
	if (arena->evacuation && arena->evacuation->number == number)
		return -EAGAIN;
	return arena->evacuated.number == number ? arena->evacuated.error : 0;
}

/*
 * One turn of who has asked. A cycle that is on is helped along, and if that ends it an
 * evacuation's slice follows at once: a program that allocates all the while may begin the
 * next cycle as soon as the lock is free. For the same reason the slice does not end for
 * those who wait, but once they have waited as long as for a cycle's last stop.
 * Return: as gcarena_evacuate_result(), or -EINTR.
 */
static int now_locked(struct gcarena *arena, u64 number)
{
	u64 ns = clamp_t(u64, arena->counters.last_stop_ns, SLICE_NS, TURN_MAX_NS);
	int ret = gcarena_evacuate_result(arena, number);

	if (ret != -EAGAIN)
		return ret;
	if (arena->concurrent) {
		ret = gcarena_concurrent_step(arena);
		if (ret == -EINTR || arena->concurrent)
			return ret;
	}
	return slice(arena, ns, false);
}

/* Under the heap lock. Return: 0; why it could not be done; -EINTR: the lock may be lost. */
static int evacuate(struct gcarena *arena, bool *locked)
{
	struct gcarena_mapping *mapping = gcarena_mapping_get(arena);
	u64 number;
	int ret;

	if (IS_ERR(mapping))
		return PTR_ERR(mapping);
	ret = gcarena_evacuate_begin(arena, &number);
	while (!ret) {
		ret = now_locked(arena, number);
		if (ret != -EAGAIN)
			break;
		ret = gcarena_give_way(arena);
		*locked = !ret;
	}
	return ret;
}

/**
 * gcarena_evacuate_now() - GCARENA_IOC_COLLECT, of kind EVACUATE
 * @arena: the arena
 * @arg: input and output, as in the ABI
 *
 * Return: 0 or a negative errno as in the ABI.
 */
int gcarena_evacuate_now(struct gcarena *arena, struct gcarena_collect *arg)
{
	struct heap_tally moved;
	bool locked = true;
	u64 released;
	int ret;

	if (gcarena_lock(arena))
		return -EINTR;
	moved = arena->counters.moved;
	released = arena->heap.released_bytes;
	ret = evacuate(arena, &locked);
	/* It was that of a process that has gone: this one has its own. */
	if (ret == -ENXIO)
		ret = evacuate(arena, &locked);
	if (!ret) {
		arg->cycle = arena->counters.cycles;
		arg->pause_ns = arena->evacuate_longest_ns;
		arg->live_objects = arena->heap.used.objects;
		arg->live_bytes = arena->heap.used.bytes;
		arg->freed_objects = 0;
		arg->freed_bytes = 0;
		arg->released_bytes = arena->heap.released_bytes - released;
		arg->moved_objects = arena->counters.moved.objects - moved.objects;
		arg->moved_bytes = arena->counters.moved.bytes - moved.bytes;
	}
	if (locked)
		mutex_unlock(&arena->lock);
	return ret;
}

static enum gcarena_work_next work_slice(struct gcarena *arena)
{
	int ret = arena->evacuation ? slice(arena, SLICE_NS, true) : 0;

	if (ret == -EBUSY)
		return GCARENA_WORK_LATER;
	return ret == -EAGAIN ? GCARENA_WORK_REST : GCARENA_WORK_DONE;
}

static const struct gcarena_job job = {
	.slice = work_slice,
	.abandon = gcarena_evacuate_abandon,
};

void gcarena_evacuate_work(struct work_struct *work)
{
	gcarena_worker_run(container_of(work, struct gcarena, evacuator), &job);
}
