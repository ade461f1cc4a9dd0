// SPDX-License-Identifier: GPL-2.0
/*
 * Marking: trace what can be reached from the roots.
 *
 *	roots --> candidates --> mark --> stack --> objects --> scan --+
 *		      ^						       |
 *		      +------------------------------------------------+
 *
 * A word that lies in the arena is a candidate. Candidates pass through a short queue
 * while the line that tells what their block is used for is on its way into the
 * cache. At its end the slot is found, and its mark is tested and set. An object that
 * was not marked before goes on the mark stack. What is popped from there passes
 * through another short queue, while the object itself is on its way, and is scanned
 * for more candidates at the end. So each object is on the stack once at most, and
 * no step waits for memory as long as there is work enough.
 * (C.-Y. Cher, A. Hosking, T. Vijaykumar: Software prefetching for mark-sweep
 * garbage collection, ASPLOS 2004; here with two queues.)
 *
 * The stack is a list of segments, bounded in all. When it is full, an object is
 * marked all the same, and its span is flagged. (So are the spans of permanent objects,
 * before a full cycle: permanent.c.) After the stack has run empty, the marked
 * objects of flagged spans are scanned again, one by one; this goes on until no span
 * is flagged. It ends, because a pass that marks nothing flags nothing.
 *
 * Objects of more than a piece are scanned piece by piece, so that one array does
 * not flood the stack: what is left of it goes on the stack first.
 *
 * Invariant: an object whose mark is set has been scanned, or is about to be (it, or
 * what is left of it, is on the stack or in a queue), or its span is flagged.
 *
 * The words of objects are the program's, and may change as they are read. They are
 * read once, and mean nothing until their slot has been found.
 *
 * A trace may be done in slices (struct gcarena_marker.pause): then the lock is dropped
 * in between, the program runs on, and so does everything else that the lock protects.
 * What a slice finds in the marker is still there then, because meanwhile no span is
 * destroyed and no chunk is given back (struct gcarena_heap.tracing). What the program
 * wrote behind the marker's back is for the caller to find: gcarena_mark_dirty().
 *
 * Others may help (crew.c), if the caller allows it (struct gcarena_marker.helpers): from
 * the moment when there has been some work and there is more, until
 * gcarena_mark_finish() or gcarena_marker_suspend(). Then mark bits are set by atomic
 * operations. Nothing needs to be ordered by them: who wins scans the object, and work
 * changes hands under a lock.
 *
 * Work is counted in steps: one for each item, and one more for so many words of it. A
 * checkpoint is never far in time then, whether objects are small, or arrays, or pages.
 *
 * Needs the heap lock. May sleep, allocate, be killed (-EINTR), and pause (-EAGAIN).
 */
#include "crew.h"
#include "layout.h"

#define PIECE_WORDS	4096U
#define CHECK_INTERVAL	512U
/* Scanning so many words is one step more. */
#define STEP_WORDS	16U
/* With others at it: steps between two looks whether somebody wants work. */
#define SHARE_INTERVAL	64U
/* With less at hand there is nothing to share: a list, or almost one. */
#define SHARE_LEAST	8U

/*
 * What is on the stack: the offset of an object, with all that is needed to scan it.
 * Of a large object it may be an offset in the middle: scan on from there. Or it is a page:
 * scan what is marked there.
 */
#define ITEM_OFFSET_BITS	GCARENA_OFFSET_BITS
#define ITEM_CLASS_BITS		7
#define ITEM_OFFSET(item)	((item) & (BIT_ULL(ITEM_OFFSET_BITS) - 1))
#define ITEM_CLASS(item)	((item) >> ITEM_OFFSET_BITS & (BIT_ULL(ITEM_CLASS_BITS) - 1))
#define ITEM_LAYOUT(item)	((item) >> (ITEM_OFFSET_BITS + ITEM_CLASS_BITS))

#define CLASS_PAGE		GCARENA_NR_CLASSES

static __always_inline u64 item_of(u64 offset, const struct heap_block *block)
{
	BUILD_BUG_ON(BIT(ITEM_CLASS_BITS) <= CLASS_PAGE);
	return offset | (u64)block->class << ITEM_OFFSET_BITS |
	       (u64)block->layout << (ITEM_OFFSET_BITS + ITEM_CLASS_BITS);
}

static bool segment_add(struct gcarena_marker *m)
{
	struct gcarena_mark_segment *s = gcarena_segment_get(m);

	if (!s)
		return false;
	s->below = m->segment;
	s->nr = 0;
	m->segment = s;
	return true;
}

static void segment_drop(struct gcarena_marker *m)
{
	struct gcarena_mark_segment *s = m->segment;

	m->segment = s->below;
	gcarena_segment_put(m, s);
}

/**
 * gcarena_marker_init() - prepare a trace
 * @m: the marker
 * @heap: the heap
 * @stack_limit: most bytes of mark stack; one segment there is in any case
 *
 * Return: 0 or -ENOMEM. After 0, gcarena_marker_destroy() must be called.
 */
int gcarena_marker_init(struct gcarena_marker *m, struct gcarena_heap *heap, u64 stack_limit)
{
	memset(m, 0, sizeof(*m));
	m->heap = heap;
	m->stack_limit = max_t(u64, stack_limit, SEGMENT_BYTES);
	m->room = SEGMENT_ITEMS;
	m->interval = CHECK_INTERVAL;
	m->next_look = CHECK_INTERVAL;
	m->next_check = CHECK_INTERVAL;
	gcarena_marker_resume(m);
	return segment_add(m) ? 0 : -ENOMEM;
}

/* For tests: checkpoints every @steps, closer than they usually are; 0 changes nothing. */
void gcarena_marker_set_interval(struct gcarena_marker *m, u32 steps)
{
	if (!steps || steps >= m->interval)
		return;
	m->interval = steps;
	m->next_look = m->steps + steps;
	m->next_check = m->next_look;
}

/*
 * How many may be called to help from now on, until it is said otherwise. Where there was
 * enough for others once, they are called at once.
 */
void gcarena_marker_set_helpers(struct gcarena_marker *m, unsigned int helpers)
{
	m->helpers = min(helpers, GCARENA_MARK_WORKERS_MAX - 1);
	m->most_helpers = max(m->most_helpers, m->helpers);
	m->next_call = m->steps + (m->crew ? 0 : 2 * m->interval);
}

/* Before a slice: the heap may have grown since the last one. */
void gcarena_marker_resume(struct gcarena_marker *m)
{
	m->base = m->heap->base;
	m->end = (u64)m->heap->top << GCARENA_CHUNK_SHIFT;
}

/*
 * After a slice: nobody helps any more. What was marked is old from now on, also when the
 * trace is given up.
 */
void gcarena_marker_suspend(struct gcarena_marker *m)
{
	gcarena_crew_recall(m);
	m->heap->old.objects += m->marked.objects - m->told.objects;
	m->heap->old.bytes += m->marked.bytes - m->told.bytes;
	m->told = m->marked;
}

/* For tests: a stack of @items at most, fewer than there usually are; 0 changes nothing. */
void gcarena_marker_set_room(struct gcarena_marker *m, u32 items)
{
	if (!items || items >= SEGMENT_ITEMS)
		return;
	m->room = items;
	m->stack_limit = SEGMENT_BYTES;
}

/* The trace is done, or given up. */
void gcarena_marker_destroy(struct gcarena_marker *m)
{
	gcarena_marker_suspend(m);
	gcarena_crew_destroy(m);
	while (m->segment)
		segment_drop(m);
	kvfree(m->spare);
}

/**
 * gcarena_mark_clear_some() - before a full cycle: nothing has been reached
 * @heap: the heap
 * @pos: where to go on; 0 at first
 * @max: how many spans to look at
 *
 * Return: true: there may be more, call again.
 */
bool gcarena_mark_clear_some(struct gcarena_heap *heap, u64 *pos, unsigned int max)
{
	struct heap_span *span;

	while (max--) {
		span = gcarena_span_next(heap, pos);
		if (!span)
			return false;
		gcarena_span_clear(heap, span);
	}
	return true;
}

/* All of them. Return: 0 or -EINTR. */
int gcarena_mark_clear(struct gcarena_heap *heap)
{
	u64 pos = 0;
	int ret = 0;

	while (!ret && gcarena_mark_clear_some(heap, &pos, CHECK_INTERVAL))
		ret = gcarena_checkpoint();
	return ret;
}

static __always_inline void ring_put(struct gcarena_mark_ring *ring, unsigned int room, u64 item)
{
	ring->item[(ring->first + ring->nr++) % room] = item;
}

static __always_inline u64 ring_get(struct gcarena_mark_ring *ring, unsigned int room)
{
	u64 item = ring->item[ring->first];

	ring->first = (ring->first + 1) % room;
	ring->nr--;
	return item;
}

/* The object is marked. If the stack is full, its span remembers that it is not scanned. */
static __always_inline void push(struct gcarena_marker *m, u64 item, struct heap_span *span)
{
	if (unlikely(m->segment->nr == m->room) && !segment_add(m)) {
		gcarena_span_flag(m, span);
		return;
	}
	m->segment->item[m->segment->nr++] = item;
}

/* Take the next item off the stack. False: it is empty. */
static __always_inline bool pop(struct gcarena_marker *m, u64 *item)
{
	if (unlikely(!m->segment->nr)) {
		if (!m->segment->below)
			return false;
		segment_drop(m);
	}
	*item = m->segment->item[--m->segment->nr];
	return true;
}

/* Set the mark of slot @index there. Return: it was not set. */
static __always_inline bool set_mark(const struct gcarena_marker *m, struct heap_slot_word *word,
				     u32 index)
{
	u64 bit = BIT_ULL(index % 64);

	if (!(word->alloc & ~READ_ONCE(word->mark) & bit))
		return false;
	if (m->shared)
		return !test_and_set_bit(index % 64, (unsigned long *)&word->mark);
	word->mark |= bit;
	return true;
}

/* Mark the object at @offset, if there is one and it is not marked yet. */
static __always_inline void mark(struct gcarena_marker *m, u64 offset)
{
	unsigned int number = gcarena_block_of(offset);
	struct heap_chunk *chunk = m->heap->chunks[offset >> GCARENA_CHUNK_SHIFT];
	const struct heap_block *block = &chunk->blocks[number];
	const struct gcarena_sizeclass *sc = &gcarena_sizeclasses[block->class];
	struct heap_span *span = block->span;
	u64 start = round_down(offset, GCARENA_BLOCK_BYTES) -
		    ((u64)block->index << GCARENA_BLOCK_SHIFT);
	u64 slot_bytes = sc->slot_bytes;
	u32 index;

	if (unlikely(!span))
		return;
	index = ((offset - start) * sc->magic) >> 32;
	if (unlikely(block->class == GCARENA_CLASS_LARGE)) {
		start = span->start;
		slot_bytes = span->bytes;
	} else if (unlikely(index >= sc->nr_slots)) {
		return;		/* the unused tail */
	}
	if (!set_mark(m, &span->words[index / 64], index))
		return;
	gcarena_tally_add(&m->marked, 1, slot_bytes);
	if (m->heap->layouts[block->layout]->scan != GCARENA_SCAN_NONE)
		push(m, item_of(start + index * slot_bytes, block), span);
}

/* A word that points to somewhere between base and end. */
static __always_inline void candidate(struct gcarena_marker *m, u64 offset)
{
	const struct heap_chunk *chunk;

	chunk = m->heap->chunks[offset >> GCARENA_CHUNK_SHIFT];
	if (unlikely(!chunk))
		return;
	prefetch(&chunk->blocks[gcarena_block_of(offset)]);
	if (m->candidates.nr == GCARENA_MARK_CANDIDATES)
		mark(m, ring_get(&m->candidates, GCARENA_MARK_CANDIDATES));
	ring_put(&m->candidates, GCARENA_MARK_CANDIDATES, offset);
}

/* A word that may be a pointer. */
static __always_inline void visit(struct gcarena_marker *m, const unsigned long *word)
{
	u64 offset = READ_ONCE(*word) - m->base;

	if (offset < m->end)
		candidate(m, offset);
}

/* Most words of roots are no pointers: the bounds stay in registers here. */
static void scan_all(struct gcarena_marker *m, const unsigned long *words, size_t nr)
{
	const unsigned long *last = words + nr;
	const u64 base = m->base, end = m->end;
	u64 offset;

	for (; words < last; words++) {
		offset = READ_ONCE(*words) - base;
		if (unlikely(offset < end))
			candidate(m, offset);
	}
}

static void scan_short(struct gcarena_marker *m, const struct heap_layout *layout,
		       const unsigned long *words, size_t nr)
{
	u64 elem = layout->elem_words;
	u64 map = layout->map[0], rest;

	for (; nr >= elem; words += elem, nr -= elem) {
		for (rest = map; rest; rest &= rest - 1)
			visit(m, words + __ffs64(rest));
	}
	/* The slot's end may cut an element off. */
	for (rest = nr ? map & (BIT_ULL(nr) - 1) : 0; rest; rest &= rest - 1)
		visit(m, words + __ffs64(rest));
}

/* @phase: how many words of an element come before @words. */
static void scan_elements(struct gcarena_marker *m, const struct heap_layout *layout,
			  const unsigned long *words, size_t nr, size_t phase)
{
	while (nr) {
		size_t end = min_t(size_t, phase + nr, layout->elem_words);
		unsigned long bit = phase;

		for_each_set_bit_from(bit, layout->map, end)
			visit(m, words + bit - phase);
		words += end - phase;
		nr -= end - phase;
		phase = 0;
	}
}

static void scan_words(struct gcarena_marker *m, const struct heap_layout *layout,
		       const unsigned long *words, size_t nr, size_t phase)
{
	if (layout->scan == GCARENA_SCAN_ALL)
		scan_all(m, words, nr);
	else if (layout->scan == GCARENA_SCAN_SHORT && !phase)
		scan_short(m, layout, words, nr);
	else
		scan_elements(m, layout, words, nr, phase);
}

/* Steps besides the one that each item is. */
static __always_inline u64 steps_of(u64 words)
{
	return words / STEP_WORDS;
}

/* One piece of a large object; what is left of it is pushed before. */
static void scan_piece(struct gcarena_marker *m, u64 item, const unsigned long *words)
{
	u64 offset = ITEM_OFFSET(item), done, nr;
	struct heap_span *span = gcarena_heap_resolve(m->heap, offset).span;
	u32 phase = 0;

	/* Pieces divide a chunk, and spans start at blocks: no piece leaves its chunk. */
	BUILD_BUG_ON(GCARENA_CHUNK_BYTES % (PIECE_WORDS * sizeof(u64)));
	done = (offset - span->start) / sizeof(u64);
	nr = min_t(u64, span->bytes / sizeof(u64) - done,
		   PIECE_WORDS - offset / sizeof(u64) % PIECE_WORDS);
	if (done + nr < span->bytes / sizeof(u64))
		push(m, item + nr * sizeof(u64), span);
	if (span->layout->elem_words)
		div_u64_rem(done, span->layout->elem_words, &phase);
	m->steps += steps_of(nr);
	scan_words(m, span->layout, words, nr, phase);
}

/* The words of a marked object that lie in [@from, @to), a page at most. */
static void scan_part(struct gcarena_marker *m, const struct heap_span *span, u64 start,
		      u64 from, u64 to)
{
	u64 first = max(start, from), last = min(start + span->slot_bytes, to);
	const unsigned long *words = gcarena_heap_kaddr(m->heap, first);
	u32 phase = 0;

	if (span->layout->elem_words)
		div_u64_rem((first - start) / sizeof(u64), span->layout->elem_words, &phase);
	scan_words(m, span->layout, words, (last - first) / sizeof(u64), phase);
}

/* The span that @offset lies in, its unused tail included, or NULL. */
static struct heap_span *span_at(const struct gcarena_marker *m, u64 offset)
{
	const struct heap_chunk *chunk = gcarena_heap_chunk(m->heap, offset);

	return chunk ? chunk->blocks[gcarena_block_of(offset)].span : NULL;
}

/* What was written to the page at @from since the last look: marked objects' words. */
static void mark_page(struct gcarena_marker *m, u64 from)
{
	struct heap_span *span = span_at(m, from);
	u64 to = from + BIT(PAGE_SHIFT), start;
	u32 i;

	i = ((from - span->start) * span->magic) >> 32;	/* 0 in a large object */
	m->steps += steps_of(BIT(PAGE_SHIFT) / sizeof(u64));
	for (; i < span->nr_slots; i++) {
		start = span->start + i * span->slot_bytes;
		if (start >= to)
			break;
		if (READ_ONCE(span->words[i / 64].mark) & BIT_ULL(i % 64))
			scan_part(m, span, start, from, to);
	}
}

static __always_inline void *item_kaddr(const struct gcarena_marker *m, u64 item)
{
	u64 offset = ITEM_OFFSET(item);

	return m->heap->chunks[offset >> GCARENA_CHUNK_SHIFT]->kaddr + offset % GCARENA_CHUNK_BYTES;
}

static __always_inline void scan_object(struct gcarena_marker *m, const struct heap_layout *layout,
					unsigned int class, const unsigned long *words)
{
	u32 nr = gcarena_sizeclasses[class].slot_bytes / sizeof(u64);

	m->steps += steps_of(nr);
	scan_words(m, layout, words, nr, 0);
}

static __always_inline void scan_item(struct gcarena_marker *m, u64 item)
{
	const struct heap_layout *layout = m->heap->layouts[ITEM_LAYOUT(item)];
	unsigned int class = ITEM_CLASS(item);

	if (unlikely(class == GCARENA_CLASS_LARGE))
		scan_piece(m, item, item_kaddr(m, item));
	else if (unlikely(class == CLASS_PAGE))
		mark_page(m, ITEM_OFFSET(item));
	else
		scan_object(m, layout, class, item_kaddr(m, item));
}

/* Move items from the stack to the queue, until that is full or the stack empty. */
static __always_inline void fetch_objects(struct gcarena_marker *m)
{
	u64 item;

	while (m->objects.nr < GCARENA_MARK_OBJECTS && pop(m, &item)) {
		prefetch(item_kaddr(m, item));
		ring_put(&m->objects, GCARENA_MARK_OBJECTS, item);
	}
}

/* Does somebody want work, or would one who is called get some? Then offer some. */
static void share(struct gcarena_marker *m)
{
	struct gcarena_helper *helper = NULL;

	if (!m->segment->below && m->segment->nr + m->candidates.nr < SHARE_LEAST)
		return;
	if (m->helpers && m->steps >= m->next_call)
		helper = gcarena_crew_absent(m);
	if (!helper && !(m->crew && gcarena_crew_wants(m->crew)))
		return;
	/* The stack alone can be given away. */
	while (!m->segment->below && m->candidates.nr)
		mark(m, ring_get(&m->candidates, GCARENA_MARK_CANDIDATES));
	if (gcarena_crew_give(m) && helper)
		gcarena_crew_call(m, helper);
}

static noinline int checkpoint(struct gcarena_marker *m)
{
	if (m->helpers || m->crew)
		share(m);
	m->next_check = m->steps + (m->crew ? min(m->interval, SHARE_INTERVAL) : m->interval);
	if (gcarena_crew_is_helper(m)) {
		cond_resched();
		return READ_ONCE(m->crew->stop) ? -EAGAIN : 0;
	}
	if (m->steps < m->next_look)
		return 0;
	m->next_look = m->steps + m->interval;
	return m->pause && m->pause(m) ? -EAGAIN : gcarena_checkpoint();
}

/*
 * A step of a loop over the heap. The marker counts them, not the loop: rescanning is
 * many short ones. Return: 0, -EINTR or -EAGAIN.
 */
static __always_inline int step(struct gcarena_marker *m)
{
	return likely(++m->steps < m->next_check) ? 0 : checkpoint(m);
}

/* Trace until the marker's own stack and queues are empty. Return: 0, -EINTR or -EAGAIN. */
static int drain(struct gcarena_marker *m)
{
	int ret;

	for (;;) {
		fetch_objects(m);
		if (m->objects.nr)
			scan_item(m, ring_get(&m->objects, GCARENA_MARK_OBJECTS));
		else if (m->candidates.nr)
			mark(m, ring_get(&m->candidates, GCARENA_MARK_CANDIDATES));
		else
			return 0;
		ret = step(m);
		if (ret)
			return ret;
	}
}

/* Trace until nothing is left, in anybody's hands. Return: 0, -EINTR or -EAGAIN. */
static int drain_all(struct gcarena_marker *m)
{
	int ret;

	do {
		ret = drain(m) ?: gcarena_crew_await(m);
	} while (ret > 0);
	return ret;
}

/* All that is in the queues goes on the stack. */
static void flush(struct gcarena_marker *m)
{
	while (m->candidates.nr)
		mark(m, ring_get(&m->candidates, GCARENA_MARK_CANDIDATES));
	while (m->objects.nr) {
		u64 item = ring_get(&m->objects, GCARENA_MARK_OBJECTS);

		push(m, item, span_at(m, ITEM_OFFSET(item)));
	}
}

/**
 * gcarena_mark_help() - help to trace, until there is no more to do
 * @helper: one that was called
 *
 * The leader's thread holds the heap lock, and waits for this one before it lets go.
 */
void gcarena_mark_help(struct gcarena_helper *helper)
{
	struct gcarena_marker *m = &helper->marker;

	helper->came = ktime_get_ns();
	while (gcarena_crew_take(helper)) {
		if (drain(m)) {
			flush(m);
			break;
		}
	}
	gcarena_crew_leave(helper);
}

/*
 * Each object is scanned with an empty stack, which holds all it can refer to. When that
 * is interrupted, the next call goes on behind the object, once the stack is empty. What
 * was given to others is done by them meanwhile, or after the pass.
 */
static int rescan_span(struct gcarena_marker *m, struct heap_span *span)
{
	const struct heap_chunk *chunk = gcarena_heap_chunk(m->heap, span->start);
	const struct heap_block *block = &chunk->blocks[gcarena_block_of(span->start)];
	int ret = 0;

	BUILD_BUG_ON(GCARENA_MAX_SMALL / sizeof(u64) > PIECE_WORDS ||
		     PIECE_WORDS >= SEGMENT_ITEMS);
	if (m->rescan_span != span) {
		m->rescan_span = span;
		m->rescan_slot = 0;
		gcarena_span_unflag(m, span);
	}
	while (m->rescan_slot < span->nr_slots && !ret) {
		u32 i = m->rescan_slot++;

		if (!(READ_ONCE(span->words[i / 64].mark) & BIT_ULL(i % 64)))
			continue;
		scan_item(m, item_of(span->start + i * span->slot_bytes, block));
		ret = drain(m);
	}
	if (!ret)
		m->rescan_span = NULL;
	return ret;
}

/*
 * Spans whose objects did not fit the stack: a walk over all of them, which is gone on
 * with when it was interrupted. Return: 0, -EINTR or -EAGAIN.
 */
static int rescan(struct gcarena_marker *m)
{
	struct heap_span *span;
	int ret = 0;
	u64 pos;

	if (!m->rescanning) {
		m->rescanning = true;
		m->rescan_pos = 0;
		m->overflowed = false;
		m->heap->unscanned = false;
	}
	pos = m->rescan_pos;
	while (!ret && (span = gcarena_span_next(m->heap, &pos))) {
		if (READ_ONCE(span->rescan) || span == m->rescan_span)
			ret = rescan_span(m, span);
		if (ret)
			return ret;
		m->rescan_pos = pos;
		ret = step(m);
	}
	m->rescanning = ret;
	return ret;
}

/*
 * The marked objects on the page at @from are scanned: at once, or by somebody else, if
 * there may be help. A page for which the stack has no room is looked at with all of its
 * span.
 */
static void dirty_page(struct gcarena_marker *m, u64 from)
{
	struct heap_span *span = span_at(m, from);

	if (!span || span->layout->scan == GCARENA_SCAN_NONE)
		return;
	if (m->helpers)
		push(m, from | (u64)CLASS_PAGE << ITEM_OFFSET_BITS, span);
	else
		mark_page(m, from);
}

/**
 * gcarena_mark_dirty() - trace from marked objects that were written to
 * @m: the marker
 * @pages: a bit for each page of the arena, set if it was written to
 * @nr_pages: bits in @pages
 * @page: where to go on; 0 at first, @nr_pages when all is done
 *
 * Whatever a marked object points to was marked when the last cycle ended, or when this
 * one scanned it, and a pointer that it got since stands on a page written since. So
 * only the words on such pages are looked at, however long the object is.
 *
 * Return: 0; -EINTR; -EAGAIN: to be called again.
 */
int gcarena_mark_dirty(struct gcarena_marker *m, const unsigned long *pages,
		       unsigned long nr_pages, unsigned long *page)
{
	int ret = 0;

	while (!ret && (*page = find_next_bit(pages, nr_pages, *page)) < nr_pages) {
		dirty_page(m, (u64)*page << PAGE_SHIFT);
		++*page;
		ret = m->segment->below ? drain(m) : step(m);
	}
	return ret;
}

/**
 * gcarena_mark_words() - trace from words that may be pointers
 * @m: the marker
 * @words: the words; they need not be pointers, nor into the arena
 * @nr: how many
 *
 * Tracing itself is left to gcarena_mark_finish(): all of it when it may pause, as the
 * world may be standing still for the roots alone; else as far as the mark stack holds.
 *
 * Return: 0 or -EINTR.
 */
int gcarena_mark_words(struct gcarena_marker *m, const unsigned long *words, size_t nr)
{
	scan_all(m, words, nr);
	/* Large roots fill the stack: better to trace now than to overflow. */
	return m->segment->below && !m->pause ? drain(m) : 0;
}

/**
 * gcarena_mark_finish() - trace what is left
 * @m: the marker
 *
 * After all roots. Everything that can be reached is marked then.
 *
 * Return: 0; -EAGAIN: to be called again; -EINTR. Unless it is 0, marks mean nothing yet
 * and must not be swept by.
 */
int gcarena_mark_finish(struct gcarena_marker *m)
{
	int ret = drain_all(m);

	while (!ret && (m->overflowed || m->rescanning || m->heap->unscanned))
		ret = rescan(m) ?: drain_all(m);
	gcarena_crew_recall(m);
	return ret;
}
