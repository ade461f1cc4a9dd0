// SPDX-License-Identifier: GPL-2.0
/*
 * Marking: trace what can be reached from the roots.
 *
 *	roots --> stack of offsets --> FIFO: fetch .. resolve .. scan --+
 *		      ^						  |
 *		      +-------------------------------------------------+
 *
 * Every word that lies in the arena goes on the stack, as an offset; nothing is
 * looked up then. An offset that is popped enters a short FIFO, and the lines of its
 * block's entry and of the object itself are prefetched. In the middle of the FIFO the
 * entry is there: the slot is found and its bits are prefetched. At the end of it the mark
 * is tested and set, and the object's words, which have come too, are scanned. So
 * no step waits for memory, as long as there is work enough.
 * (C.-Y. Cher, A. Hosking, T. Vijaykumar: Software prefetching for mark-sweep
 * garbage collection, ASPLOS 2004.)
 *
 * The stack is a list of segments, bounded in all. When it is full, the span whose
 * object was being scanned is flagged, and all its marked objects are scanned
 * again after the stack has run empty; this goes on until no span is flagged. Each
 * such pass empties the stack whenever it fills, so that it ends in linear time.
 *
 * Objects of more than a piece are scanned piece by piece, so that one array does
 * not flood the stack. An offset with its lowest bit set asks for the rest of such
 * an object from there on.
 *
 * Invariant: an object whose mark is set has been scanned, or is about to be (what is
 * left of it is on the stack), or its span is flagged for rescan.
 *
 * The words of objects are the program's, and may change as they are read. They are
 * read once, and mean nothing until gcarena_heap_resolve() has checked them.
 *
 * Needs the heap lock. May sleep, allocate, and be killed (-EINTR).
 */
#include "layout.h"
#include "mark.h"

#define SEGMENT_BYTES	(64UL * 1024)
#define PIECE_WORDS	4096U
#define REST		1ULL		/* tag: the rest of a large object */
#define CHECK_INTERVAL	4096U

struct gcarena_mark_segment {
	struct gcarena_mark_segment *below;
	u32 nr;
	u64 offset[];
};

#define SEGMENT_ITEMS \
	((SEGMENT_BYTES - sizeof(struct gcarena_mark_segment)) / sizeof(u64))

static bool segment_add(struct gcarena_marker *m)
{
	struct gcarena_mark_segment *s = m->spare;

	m->spare = NULL;
	if (!s) {
		if (m->stack_bytes + SEGMENT_BYTES > m->stack_limit)
			return false;
		/* Failing is an overflow, not an error: do not try hard. */
		s = kvmalloc(SEGMENT_BYTES, GCARENA_GFP | __GFP_NORETRY);
		if (!s)
			return false;
		m->stack_bytes += SEGMENT_BYTES;
		m->stack_peak = max(m->stack_peak, m->stack_bytes);
	}
	s->below = m->segment;
	s->nr = 0;
	m->segment = s;
	return true;
}

static void segment_drop(struct gcarena_marker *m)
{
	struct gcarena_mark_segment *s = m->segment;

	m->segment = s->below;
	if (m->spare) {
		kvfree(s);
		m->stack_bytes -= SEGMENT_BYTES;
	} else {
		m->spare = s;
	}
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
	m->base = heap->base;
	m->end = (u64)heap->top << GCARENA_CHUNK_SHIFT;
	m->stack_limit = max_t(u64, stack_limit, SEGMENT_BYTES);
	return segment_add(m) ? 0 : -ENOMEM;
}

void gcarena_marker_destroy(struct gcarena_marker *m)
{
	while (m->segment)
		segment_drop(m);
	kvfree(m->spare);
}

/* Before a full cycle: nothing has been reached. Return: 0 or -EINTR. */
int gcarena_mark_clear(struct gcarena_heap *heap)
{
	struct heap_span *span;
	unsigned int nr = 0;
	u64 pos = 0;

	while ((span = gcarena_span_next(heap, &pos))) {
		gcarena_span_clear(span);
		if (++nr % CHECK_INTERVAL == 0 && gcarena_checkpoint())
			return -EINTR;
	}
	return 0;
}

static int drain(struct gcarena_marker *m);

/*
 * The stack is full. A root or a rescan may empty it. An object that is scanned by
 * drain() itself may not: its span remembers that it is not done.
 */
static noinline int push_slow(struct gcarena_marker *m, u64 offset)
{
	int ret;

	if (!segment_add(m)) {
		if (m->source) {
			m->source->rescan = true;
			m->overflowed = true;
			m->overflows++;
			return -ENOSPC;
		}
		ret = drain(m);
		if (ret)
			return ret;
	}
	m->segment->offset[m->segment->nr++] = offset;
	return 0;
}

static __always_inline int push(struct gcarena_marker *m, u64 offset)
{
	struct gcarena_mark_segment *s = m->segment;

	if (unlikely(s->nr == SEGMENT_ITEMS))
		return push_slow(m, offset);
	s->offset[s->nr++] = offset;
	return 0;
}

static __always_inline int visit(struct gcarena_marker *m, const unsigned long *word)
{
	u64 offset = READ_ONCE(*word) - m->base;

	if (likely(offset >= m->end))
		return 0;
	return push(m, offset & ~REST);
}

static int scan_all(struct gcarena_marker *m, const unsigned long *words, size_t nr)
{
	const unsigned long *end = words + nr;
	int ret = 0;

	for (; words < end && !ret; words++)
		ret = visit(m, words);
	return ret;
}

static int scan_short(struct gcarena_marker *m, const struct heap_layout *layout,
		      const unsigned long *words, size_t nr)
{
	u64 elem = layout->elem_words;
	u64 map = layout->map[0];
	int ret = 0;

	for (; nr >= elem && !ret; words += elem, nr -= elem) {
		u64 rest = map;

		for (; rest && !ret; rest &= rest - 1)
			ret = visit(m, words + __ffs64(rest));
	}
	/* The slot's end may cut an element off. */
	for (map &= BIT_ULL(nr % elem) - 1; map && !ret; map &= map - 1)
		ret = visit(m, words + __ffs64(map));
	return ret;
}

/* @phase: how many words of an element come before @words. */
static int scan_elements(struct gcarena_marker *m, const struct heap_layout *layout,
			 const unsigned long *words, size_t nr, size_t phase)
{
	int ret = 0;

	while (nr && !ret) {
		size_t end = min_t(size_t, phase + nr, layout->elem_words);
		unsigned long bit = phase;

		for_each_set_bit_from(bit, layout->map, end) {
			ret = visit(m, words + bit - phase);
			if (ret)
				break;
		}
		words += end - phase;
		nr -= end - phase;
		phase = 0;
	}
	return ret;
}

static int scan_words(struct gcarena_marker *m, const struct heap_layout *layout,
		      const unsigned long *words, size_t nr, size_t phase)
{
	switch (layout->scan) {
	case GCARENA_SCAN_NONE:
		return 0;
	case GCARENA_SCAN_ALL:
		return scan_all(m, words, nr);
	case GCARENA_SCAN_SHORT:
		if (!phase && nr % layout->elem_words == 0)
			return scan_short(m, layout, words, nr);
		break;
	case GCARENA_SCAN_LONG:
		break;
	}
	return scan_elements(m, layout, words, nr, phase);
}

/* One piece of a large object, from @offset on; the rest is pushed before. */
static int scan_piece(struct gcarena_marker *m, struct heap_span *span, u64 offset)
{
	u64 done = (offset - span->start) / sizeof(u64);
	u64 nr = min_t(u64, PIECE_WORDS, span->bytes / sizeof(u64) - done);
	u32 phase = 0;
	int ret = 0;

	/* Pieces divide a chunk, and spans start at blocks: no piece leaves its chunk. */
	BUILD_BUG_ON(GCARENA_CHUNK_BYTES % (PIECE_WORDS * sizeof(u64)));
	nr = min_t(u64, nr, PIECE_WORDS - offset / sizeof(u64) % PIECE_WORDS);
	if (done + nr < span->bytes / sizeof(u64))
		ret = push(m, (offset + nr * sizeof(u64)) | REST);
	if (ret)
		return ret;
	if (span->layout->elem_words)
		div_u64_rem(done, span->layout->elem_words, &phase);
	return scan_words(m, span->layout, gcarena_heap_kaddr(m->heap, offset), nr, phase);
}

/* All words of a slot; of a large object the first piece. */
static __always_inline int scan_slot(struct gcarena_marker *m, const struct heap_block *block,
				     const unsigned long *words, u64 offset)
{
	const struct heap_layout *layout = m->heap->layouts[block->layout];
	size_t nr = gcarena_sizeclasses[block->class].slot_bytes / sizeof(u64);

	if (layout->scan == GCARENA_SCAN_NONE)
		return 0;
	if (unlikely(block->class == GCARENA_CLASS_LARGE))
		return scan_piece(m, block->span, offset);
	if (layout->scan == GCARENA_SCAN_ALL)
		return scan_all(m, words, nr);
	if (layout->scan == GCARENA_SCAN_SHORT)
		return scan_short(m, layout, words, nr);
	return scan_words(m, layout, words, nr, 0);
}

static __always_inline struct gcarena_mark_item *fifo_item(struct gcarena_marker *m,
							   unsigned int n)
{
	return &m->fifo[n % GCARENA_MARK_FIFO];
}

/* First step: start loading what resolving and scanning will need. */
static __always_inline void fetch(struct gcarena_marker *m, u64 offset)
{
	struct gcarena_mark_item *item = fifo_item(m, m->put);

	item->chunk = m->heap->chunks[offset >> GCARENA_CHUNK_SHIFT];
	if (unlikely(!item->chunk))
		return;
	prefetch(&item->chunk->blocks[gcarena_block_of(offset)]);
	prefetch(item->chunk->kaddr + offset % GCARENA_CHUNK_BYTES);
	item->offset = offset;
	m->put++;
}

/* Second step: find the slot, and start loading its bits. */
static __always_inline void resolve(struct gcarena_marker *m)
{
	struct gcarena_mark_item *item = fifo_item(m, m->resolved++);
	unsigned int number = gcarena_block_of(item->offset);
	struct heap_block *block = &item->chunk->blocks[number];
	const struct gcarena_sizeclass *sc = &gcarena_sizeclasses[block->class];
	u32 start, index;

	item->block = NULL;
	if (unlikely(!block->span))
		return;
	if (unlikely(block->class == GCARENA_CLASS_LARGE)) {
		item->offset = block->span->start;
		index = 0;
	} else {
		start = (number - block->index) << GCARENA_BLOCK_SHIFT;
		index = ((item->offset % GCARENA_CHUNK_BYTES - start) * sc->magic) >> 32;
		if (unlikely(index >= sc->nr_slots))	/* the unused tail */
			return;
		item->offset = round_down(item->offset, GCARENA_CHUNK_BYTES) + start +
			       index * sc->slot_bytes;
	}
	item->block = block;
	item->word = &block->span->words[index / 64];
	item->bit = BIT_ULL(index % 64);
	prefetchw(item->word);
}

/* Last step: mark the object, and scan it if it was not marked before. */
static __always_inline void process(struct gcarena_marker *m)
{
	const struct gcarena_mark_item *item = fifo_item(m, m->taken++);
	const struct heap_block *block = item->block;

	if (!block || !(item->word->alloc & ~item->word->mark & item->bit))
		return;
	item->word->mark |= item->bit;
	m->marked.objects++;
	m->marked.bytes += likely(block->class) ? gcarena_sizeclasses[block->class].slot_bytes
						 : block->span->bytes;
	m->source = block->span;
	/* If it fails, the source has ->rescan set. */
	scan_slot(m, block, item->chunk->kaddr + item->offset % GCARENA_CHUNK_BYTES, item->offset);
	m->source = NULL;
}

static void scan_rest(struct gcarena_marker *m, u64 offset)
{
	struct heap_slot slot = gcarena_heap_resolve(m->heap, offset);

	m->source = slot.span;
	scan_piece(m, slot.span, offset);
	m->source = NULL;
}

/* Take the next offset off the stack. False: it is empty. */
static __always_inline bool pop(struct gcarena_marker *m, u64 *offset)
{
	if (unlikely(!m->segment->nr)) {
		if (!m->segment->below)
			return false;
		segment_drop(m);
	}
	*offset = m->segment->offset[--m->segment->nr];
	return true;
}

/* Move offsets from the stack to the FIFO, until that is full or the stack empty. */
static __always_inline void fifo_fill(struct gcarena_marker *m)
{
	u64 offset;

	while (m->put - m->taken < GCARENA_MARK_FIFO && pop(m, &offset)) {
		if (unlikely(offset & REST))
			scan_rest(m, offset & ~REST);
		else
			fetch(m, offset);
	}
}

/* Trace until stack and FIFO are empty. Return: 0 or -EINTR. */
static int drain(struct gcarena_marker *m)
{
	unsigned int nr = 0;

	for (;;) {
		fifo_fill(m);
		if (m->put == m->taken)
			return 0;
		while (m->resolved != m->put && m->resolved - m->taken < GCARENA_MARK_RESOLVED)
			resolve(m);
		process(m);
		if (++nr % CHECK_INTERVAL == 0 && gcarena_checkpoint())
			return -EINTR;
	}
}

static int rescan_span(struct gcarena_marker *m, struct heap_span *span)
{
	struct heap_chunk *chunk = gcarena_heap_chunk(m->heap, span->start);
	const struct heap_block *block = &chunk->blocks[gcarena_block_of(span->start)];
	u64 offset = span->start;
	int ret = 0;
	u32 i;

	span->rescan = false;
	for (i = 0; i < span->nr_slots && !ret; i++, offset += span->slot_bytes) {
		if (span->words[i / 64].mark & BIT_ULL(i % 64))
			ret = scan_slot(m, block, gcarena_heap_kaddr(m->heap, offset), offset);
	}
	return ret ?: drain(m);
}

/* Spans whose objects did not fit the stack. Return: 0 or -EINTR. */
static int rescan(struct gcarena_marker *m)
{
	struct heap_span *span;
	u64 pos = 0;
	int ret;

	m->overflowed = false;
	while ((span = gcarena_span_next(m->heap, &pos))) {
		ret = span->rescan ? rescan_span(m, span) : 0;
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * gcarena_mark_words() - trace from words that may be pointers
 * @m: the marker
 * @words: the words; they need not be pointers, nor into the arena
 * @nr: how many
 *
 * Tracing itself is left to gcarena_mark_finish(), as far as the mark stack holds.
 *
 * Return: 0 or -EINTR.
 */
int gcarena_mark_words(struct gcarena_marker *m, const unsigned long *words, size_t nr)
{
	return scan_all(m, words, nr);
}

/**
 * gcarena_mark_finish() - trace what is left
 * @m: the marker
 *
 * After all roots. Everything that can be reached is marked then.
 *
 * Return: 0 or -EINTR: then marks mean nothing and must not be swept by.
 */
int gcarena_mark_finish(struct gcarena_marker *m)
{
	int ret = drain(m);

	while (!ret && m->overflowed)
		ret = rescan(m);
	return ret;
}
