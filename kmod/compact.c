// SPDX-License-Identifier: GPL-2.0
/*
 * Compaction: move objects to fewer places, and change what refers to them.
 *
 * Mostly copying (J. Bartlett, 1988): an object that an ambiguous word points to stays,
 * because a number must not be changed; so does all that is CONSERVATIVE itself. The
 * others, typed and NOSCAN objects, may move: what points to them is known to be a
 * pointer. What happens, in this order:
 *
 *	pin	words of roots and of CONSERVATIVE objects pin what they point to
 *	plan	where each object goes; all memory needed is taken now
 *	move	copy, then update all pointers, then unmake the spans left behind
 *
 * Until gcarena_compact_move() begins, nothing of the heap has changed but what
 * gcarena_compact_cancel() takes back; after that nothing can fail. There are three plans, to
 * be carried out one after the other:
 *
 *	slots	within a class and layout. Spans from the high end are emptied into free
 *		slots of the others: two fingers (E. Saunders, 1974), as long as there are
 *		enough. As all slots are alike, no fewer spans could hold the objects.
 *		A span with a pinned object is not emptied, it is filled
 *	spans	from the high end, chunks that can be emptied are: their spans move
 *		as they are to free blocks of lower chunks, large objects among them
 *	chunks	those that are left move as they are to lower places that have no memory,
 *		objects of more than a chunk among them: shift.c
 *
 *	before	|a.b.|.p..|...c|d..e|	p is pinned
 *	slots	|adbe|cp..|free|free|
 *
 * Permanent objects stay, and so do the others in their spans: who wants them together
 * compacts before. Spans that a thread holds are moved neither out of nor into; spans with a
 * page that is pinned for I/O not out of. But pointers in their objects are updated.
 *
 * Forwarding: for each span that is emptied a table of where its objects go, found through
 * a table of blocks. Nothing is kept in the objects themselves, which the program, or
 * somebody with its rights, may write to at any time. So a word of an object may be
 * anything here, too: it is read once, looked up, and changed only if it points into an
 * object that has moved; an address inside it keeps its distance from the start.
 *
 * Invariant of the plans: no span is both emptied and filled. So a word that has
 * been updated is not found in any table, and may be looked at again.
 *
 * Needs the heap lock, the world stopped, and a heap that is swept: what is allocated
 * outside of leases is alive.
 */
#include "compact.h"
#include "ids.h"
#include "layout.h"
#include "remember.h"
#include "words.h"

#define COMPACT_UNIT		16UL	/* every object begins at a multiple */
#define CHUNK_UNITS	(GCARENA_CHUNK_BYTES / COMPACT_UNIT)
#define COMPACT_INTERVAL	64U
#define COMPACT_PIECE	4096U

/**
 * struct compact_forward - where the objects of one span go
 * @next: on compact->forwards
 * @from: the span
 * @into: the span that takes it as it is, or NULL: see @to
 * @reserved: of @to, so many are taken already; see plan_region_span()
 * @rank: for each word of the bitmaps: objects before it
 * @to: new offsets of the objects, in order of their slots
 */
struct compact_forward {
	struct compact_forward *next;
	struct heap_span *from;
	struct heap_span *into;
	u32 reserved;
	u16 *rank;
	u64 to[];
};

/**
 * struct compact_chunk - what is known of a chunk
 * @fixed: it is known that it must stay, or one of its group: gcarena_compact_is_fixed()
 * @forward: for each block, where the objects of its span go, or NULL
 * @pinned: for each unit: an object that begins there must stay
 */
struct compact_chunk {
	bool fixed;
	struct compact_forward *forward[GCARENA_CHUNK_BLOCKS];
	DECLARE_BITMAP(pinned, CHUNK_UNITS);
};

/**
 * gcarena_compact_init_none() - prepare a compaction of some chunks
 * @c: the compaction
 * @heap: the heap; no chunk is added to it until the end
 *
 * Which ones: gcarena_compact_add().
 *
 * Return: 0 or -ENOMEM. After 0, gcarena_compact_destroy() must be called.
 */
int gcarena_compact_init_none(struct gcarena_compact *c, struct gcarena_heap *heap)
{
	memset(c, 0, sizeof(*c));
	c->heap = heap;
	c->dirty_page = U64_MAX;
	c->chunks = kvcalloc(max(heap->top, 1U), sizeof(*c->chunks), GCARENA_GFP);
	if (!c->chunks)
		return -ENOMEM;
	c->nr_chunks = heap->top;
	c->end = (u64)heap->top << GCARENA_CHUNK_SHIFT;
	return 0;
}

/* Objects of a chunk may move. */
static int chunk_add(struct gcarena_compact *c, u32 index)
{
	c->chunks[index] = kvcalloc(1, sizeof(*c->chunks[index]), GCARENA_GFP);
	return c->chunks[index] ? 0 : -ENOMEM;
}

/**
 * gcarena_compact_add() - a chunk is to be emptied, and no new span is to be made in it
 * @c: the compaction, of some chunks
 * @index: the chunk. It may be gone; or be a new one, that was not set apart: it is now
 *
 * Return: 0 or -ENOMEM.
 */
int gcarena_compact_add(struct gcarena_compact *c, u32 index)
{
	if (index >= c->nr_chunks || !c->heap->chunks[index])
		return 0;
	c->heap->chunks[index]->apart = true;
	return chunk_add(c, index);
}

/* Prepare a compaction of all there is. Return: as gcarena_compact_init_none(). */
int gcarena_compact_init(struct gcarena_compact *c, struct gcarena_heap *heap)
{
	int ret = gcarena_compact_init_none(c, heap);
	u32 i;

	for (i = 0; i < c->nr_chunks && !ret; i++) {
		if (heap->chunks[i])
			ret = chunk_add(c, i);
	}
	if (ret)
		gcarena_compact_destroy(c);
	return ret;
}

/* Nothing is planned, or what was has been cancelled or done. */
void gcarena_compact_destroy(struct gcarena_compact *c)
{
	u32 i;

	for (i = 0; i < c->nr_chunks; i++)
		kvfree(c->chunks[i]);
	kvfree(c->chunks);
	c->chunks = NULL;
	c->nr_chunks = 0;
}

/* ---- Pins -------------------------------------------------------------------- */

static u64 slot_start(const struct heap_slot *slot)
{
	return slot->span->start + slot->index * slot->span->slot_bytes;
}

/* The object that @offset, any number below the end, lies in must stay. */
static void pin(struct gcarena_compact *c, u64 offset)
{
	struct heap_slot slot = gcarena_heap_resolve(c->heap, offset);
	struct compact_chunk *chunk;
	u64 start;

	if (!slot.span || !gcarena_slot_allocated(&slot))
		return;
	start = slot_start(&slot);
	chunk = c->chunks[start >> GCARENA_CHUNK_SHIFT];
	if (chunk)
		__set_bit(start % GCARENA_CHUNK_BYTES / COMPACT_UNIT, chunk->pinned);
}

/**
 * gcarena_compact_pin_words() - what these words point to must stay
 * @c: the compaction
 * @words: the words; they need not be pointers, nor into the arena
 * @nr: how many
 */
void gcarena_compact_pin_words(struct gcarena_compact *c, const unsigned long *words, size_t nr)
{
	const unsigned long *last = words + nr;
	u64 offset;

	for (; words < last; words++) {
		offset = READ_ONCE(*words) - c->heap->base;
		if (offset < c->end)
			pin(c, offset);
	}
}

/* A step of a loop that can still be given up. Return: 0 or -EINTR. */
static int may_go_on(struct gcarena_compact *c)
{
	return ++c->steps % COMPACT_INTERVAL ? 0 : gcarena_checkpoint();
}

/* Bytes from @offset on that are in one piece for the kernel, at most up to @end. */
static u64 piece(u64 offset, u64 end)
{
	return min_t(u64, end - offset,
		     COMPACT_PIECE * sizeof(u64) - offset % (COMPACT_PIECE * sizeof(u64)));
}

static int pin_from_object(struct gcarena_compact *c, u64 start, u64 end)
{
	u64 n;

	for (; start < end; start += n) {
		n = piece(start, end);
		gcarena_compact_pin_words(c, gcarena_heap_kaddr(c->heap, start), n / sizeof(u64));
		if (may_go_on(c))
			return -EINTR;
	}
	return 0;
}

static bool slot_is_marked(const struct heap_span *span, u32 index)
{
	return span->words[index / 64].mark & BIT_ULL(index % 64);
}

static bool slot_is_allocated(const struct heap_span *span, u32 index)
{
	return span->words[index / 64].alloc & BIT_ULL(index % 64);
}

/**
 * gcarena_compact_pin_conservative() - pin what CONSERVATIVE objects may point to
 * @c: the compaction, of a heap that has been marked
 *
 * Return: 0 or -EINTR.
 */
int gcarena_compact_pin_conservative(struct gcarena_compact *c)
{
	struct heap_span *span;
	u64 pos = 0, start;
	int ret = 0;
	u32 i;

	while (!ret && (span = gcarena_span_next(c->heap, &pos))) {
		if (span->layout->scan != GCARENA_SCAN_ALL)
			continue;
		for (i = 0; i < span->nr_slots && !ret; i++) {
			start = span->start + i * span->slot_bytes;
			if (slot_is_marked(span, i))
				ret = pin_from_object(c, start, start + span->slot_bytes);
		}
	}
	return ret;
}

/* Is there an object that is pinned, or a page that somebody else may be writing to? */
static bool has_pin(const struct gcarena_compact *c, const struct heap_span *span)
{
	const struct compact_chunk *chunk = c->chunks[span->start >> GCARENA_CHUNK_SHIFT];
	unsigned long first = span->start % GCARENA_CHUNK_BYTES / COMPACT_UNIT;
	unsigned long end = first + span->bytes / COMPACT_UNIT;

	return find_next_bit(chunk->pinned, end, first) < end ||
	       gcarena_backing_is_busy(c->heap, span->start, span->bytes);
}

static bool may_move(const struct gcarena_compact *c, const struct heap_span *span)
{
	return gcarena_span_movable(span) && !has_pin(c, span);
}

/* As it is; so a large object may move as well, if it is in one chunk. */
static bool may_move_whole(const struct gcarena_compact *c, const struct heap_span *span)
{
	return !span->lease && !span->permanent && span->layout->scan != GCARENA_SCAN_ALL &&
	       span->start % GCARENA_CHUNK_BYTES + span->bytes <= GCARENA_CHUNK_BYTES &&
	       !has_pin(c, span);
}

/* ---- Forwarding --------------------------------------------------------------- */

static struct compact_forward **forward_of(const struct gcarena_compact *c, u64 offset)
{
	return &c->chunks[offset >> GCARENA_CHUNK_SHIFT]->forward[gcarena_block_of(offset)];
}

static void forward_enter(struct gcarena_compact *c, const struct heap_span *span,
			  struct compact_forward *forward)
{
	u64 offset;

	for (offset = span->start; offset < span->start + span->bytes;
	     offset += GCARENA_BLOCK_BYTES)
		*forward_of(c, offset) = forward;
}

static void rank(struct compact_forward *f)
{
	unsigned int w, nr = 0;

	for (w = 0; w < gcarena_span_nr_words(f->from); w++) {
		f->rank[w] = nr;
		nr += hweight64(f->from->words[w].alloc);
	}
}

/*
 * @span is to be emptied: slot by slot, to where is not known yet, or as it is @into another.
 * Return: 0 or -ENOMEM.
 */
static int forward_add(struct gcarena_compact *c, struct heap_span *span, struct heap_span *into)
{
	u32 nr = into ? 0 : span->nr_used, nr_words = into ? 0 : gcarena_span_nr_words(span);
	struct compact_forward *f;

	f = kvmalloc(struct_size(f, to, nr) + nr_words * sizeof(*f->rank), GCARENA_GFP);
	if (!f)
		return -ENOMEM;
	f->from = span;
	f->into = into;
	f->reserved = 0;
	f->rank = (u16 *)&f->to[nr];
	if (!into)
		rank(f);
	f->next = c->forwards;
	c->forwards = f;
	forward_enter(c, span, f);
	return 0;
}

/* Forget the newest one. */
static void forward_drop(struct gcarena_compact *c)
{
	struct compact_forward *f = c->forwards;

	c->forwards = f->next;
	forward_enter(c, f->from, NULL);
	kvfree(f);
}

/* Where the object in slot @index goes. */
static u64 new_start(const struct compact_forward *f, u32 index)
{
	u64 before = f->from->words[index / 64].alloc & (BIT_ULL(index % 64) - 1);

	if (f->into)
		return f->into->start + index * f->from->slot_bytes;
	return f->to[f->rank[index / 64] + hweight64(before)];
}

static u64 forward_chunk(const struct gcarena_compact *c, u64 offset)
{
	u32 index = offset >> GCARENA_CHUNK_SHIFT, to = c->new_index[index];
	struct heap_slot slot;

	if (to == index)
		return offset;
	slot = gcarena_heap_resolve(c->heap, offset);
	if (!slot.span || !gcarena_slot_allocated(&slot))
		return offset;
	return offset - ((u64)(index - to) << GCARENA_CHUNK_SHIFT);
}

/**
 * gcarena_compact_forward() - where a place in the heap goes
 * @c: the compaction, planned
 * @offset: any number
 *
 * Return: the new offset if it lies in an object that moves, else @offset.
 */
u64 gcarena_compact_forward(const struct gcarena_compact *c, u64 offset)
{
	const struct compact_forward *f;
	u64 in_span;
	u32 index;

	if (offset >= c->end || !c->chunks[offset >> GCARENA_CHUNK_SHIFT])
		return offset;
	if (c->new_index)
		return forward_chunk(c, offset);
	f = *forward_of(c, offset);
	if (!f)
		return offset;
	in_span = offset - f->from->start;
	index = (in_span * f->from->magic) >> 32;
	if (index >= f->from->nr_slots || !slot_is_allocated(f->from, index))
		return offset;
	return new_start(f, index) + in_span - index * f->from->slot_bytes;
}

/* ---- The plan for slots ------------------------------------------------------- */

/* Have the spans of each bucket in order of their addresses. Return: 0 or -EINTR. */
static int sort_buckets(struct gcarena_compact *c)
{
	struct heap_bucket *bucket;
	struct heap_span *span;
	u64 pos = 0;

	while ((span = gcarena_span_next(c->heap, &pos))) {
		if (may_go_on(c))
			return -EINTR;
		if (span->lease)
			continue;
		bucket = gcarena_span_bucket(c->heap, span);
		list_del_init(&span->link);
		list_add_tail(&span->link, span->nr_used == span->nr_slots ? &bucket->full
									   : &bucket->partial);
	}
	return 0;
}

/**
 * struct descent - going through a bucket from the high end down
 * @bucket: the bucket, sorted
 * @partial: the next span on that list, or the list's head
 * @full: likewise
 */
struct descent {
	struct heap_bucket *bucket;
	struct list_head *partial;
	struct list_head *full;
};

/* The highest span that was not returned before, or NULL. */
static struct heap_span *descend(struct descent *d)
{
	struct heap_span *partial = NULL, *full = NULL;

	if (d->partial != &d->bucket->partial)
		partial = list_entry(d->partial, struct heap_span, link);
	if (d->full != &d->bucket->full)
		full = list_entry(d->full, struct heap_span, link);
	if (full && (!partial || full->start > partial->start)) {
		d->full = d->full->prev;
		return full;
	}
	if (partial)
		d->partial = d->partial->prev;
	return partial;
}

static u64 nr_free(const struct heap_span *span)
{
	return span->nr_slots - span->nr_used;
}

/* Choose the spans to be emptied: as many as the others can take. Return: 0 or -errno. */
static int choose(struct gcarena_compact *c, struct heap_bucket *bucket)
{
	struct descent d = { bucket, bucket->partial.prev, bucket->full.prev };
	struct heap_span *span;
	u64 room = 0, need = 0;
	int ret = 0;

	list_for_each_entry(span, &bucket->partial, link)
		room += nr_free(span);
	while (room && !ret && (span = descend(&d))) {
		ret = may_go_on(c);
		if (ret || !may_move(c, span))
			continue;
		if (need + span->nr_used > room - nr_free(span))
			break;
		need += span->nr_used;
		room -= nr_free(span);
		ret = forward_add(c, span, NULL);
	}
	return ret;
}

/**
 * struct filler - where the next object goes
 * @span: the span that is filled
 * @index: slots below are taken
 */
struct filler {
	struct heap_span *span;
	u32 index;
};

static struct heap_span *next_span(struct heap_span *span)
{
	return list_entry(span->link.next, struct heap_span, link);
}

/* There is one: choose() has counted them. */
static u64 take_slot(struct gcarena_compact *c, struct filler *fill)
{
	for (;; fill->span = next_span(fill->span), fill->index = 0) {
		if (*forward_of(c, fill->span->start))
			continue;	/* it is to be emptied */
		while (fill->index < fill->span->nr_slots &&
		       slot_is_allocated(fill->span, fill->index))
			fill->index++;
		if (fill->index < fill->span->nr_slots)
			return fill->span->start + fill->index++ * fill->span->slot_bytes;
	}
}

/* Give each object of the spans chosen, up to @last, a slot from the low end on. */
static void assign(struct gcarena_compact *c, struct heap_bucket *bucket,
		   const struct compact_forward *last)
{
	struct filler fill = { list_entry(bucket->partial.next, struct heap_span, link), 0 };
	struct compact_forward *f;
	u32 i;

	for (f = c->forwards; f != last; f = f->next) {
		for (i = 0; i < f->from->nr_used; i++)
			f->to[i] = take_slot(c, &fill);
		cond_resched();
	}
}

static int plan_bucket(struct gcarena_compact *c, struct heap_bucket *bucket)
{
	const struct compact_forward *last = c->forwards;
	int ret = choose(c, bucket);

	if (!ret)
		assign(c, bucket, last);
	return ret;
}

static int plan_layout(struct gcarena_compact *c, const struct heap_layout *layout)
{
	unsigned int class;
	int ret = 0;

	if (layout->scan == GCARENA_SCAN_ALL)
		return 0;
	for (class = GCARENA_CLASS_LARGE + 1; class < GCARENA_NR_CLASSES && !ret; class++) {
		if (layout->buckets[class])
			ret = plan_bucket(c, layout->buckets[class]);
	}
	return ret;
}

/**
 * gcarena_compact_plan_slots() - plan to empty spans into free slots of others
 * @c: the compaction, with all pins
 *
 * Return: 0, -ENOMEM or -EINTR: then nothing is planned.
 */
int gcarena_compact_plan_slots(struct gcarena_compact *c)
{
	int ret = sort_buckets(c);
	u32 i;

	for (i = 0; i < c->heap->nr_layouts && !ret; i++)
		ret = plan_layout(c, c->heap->layouts[i]) ?: may_go_on(c);
	if (ret)
		gcarena_compact_cancel(c);
	return ret;
}

/* ---- The plan for spans ------------------------------------------------------- */

/* Must something in a chunk, which is not empty, keep its address? */
static bool chunk_is_fixed(const struct gcarena_compact *c, u32 index)
{
	unsigned long block = 0;
	struct heap_span *span;

	if (!bitmap_empty(c->chunks[index]->pinned, CHUNK_UNITS) ||
	    gcarena_backing_is_busy(c->heap, (u64)index << GCARENA_CHUNK_SHIFT,
				    GCARENA_CHUNK_BYTES))
		return true;
	while ((span = gcarena_span_in_chunk(c->heap, index, &block))) {
		if (span->lease || span->permanent || span->layout->scan == GCARENA_SCAN_ALL)
			return true;
	}
	return false;
}

/**
 * gcarena_compact_is_fixed() - must something in a group of chunks keep its address?
 * @c: the compaction, of all chunks, with all pins
 * @first: the first of them; none is empty
 * @nr: how many
 *
 * If so, it is not looked for again: it takes long, and the world stands still.
 */
bool gcarena_compact_is_fixed(struct gcarena_compact *c, u32 first, u32 nr)
{
	struct compact_chunk *chunk = c->chunks[first];
	u32 i;

	for (i = first; i < first + nr && !chunk->fixed; i++)
		chunk->fixed = chunk_is_fixed(c, i);
	return chunk->fixed;
}

static bool chunk_may_move(const struct gcarena_compact *c, u32 index)
{
	unsigned long block = 0;
	struct heap_span *span;

	if (!c->heap->chunks[index] || !c->heap->chunks[index]->nr_used)
		return false;
	while ((span = gcarena_span_in_chunk(c->heap, index, &block))) {
		if (!may_move_whole(c, span))
			return false;
	}
	return true;
}

/* Return: 0; -ENOSPC: no room below; -ENOMEM. */
static int plan_span(struct gcarena_compact *c, struct heap_span *span, u32 below)
{
	struct heap_span *into;
	int ret;

	into = gcarena_span_create_below(c->heap, span->layout, span->class, span->bytes, below);
	if (IS_ERR(into))
		return PTR_ERR(into);
	ret = forward_add(c, span, into);
	if (ret)
		gcarena_span_destroy(c->heap, into);
	return ret;
}

/* Slots that were taken for objects that stay after all. */
static void unreserve(struct gcarena_compact *c, struct compact_forward *f)
{
	struct heap_slot slot;

	while (f->reserved) {
		slot = gcarena_heap_resolve(c->heap, f->to[--f->reserved]);
		slot.span->words[slot.index / 64].alloc &= ~BIT_ULL(slot.index % 64);
		slot.span->nr_used--;
		list_del_init(&slot.span->link);
		gcarena_span_settle(c->heap, slot.span);
	}
}

/* Take back what was planned after @last. */
static void cancel_to(struct gcarena_compact *c, const struct compact_forward *last)
{
	struct compact_forward *f;

	while ((f = c->forwards) != last) {
		unreserve(c, f);
		if (f->into)
			gcarena_span_destroy(c->heap, f->into);
		if (list_empty(&f->from->link))
			gcarena_span_settle(c->heap, f->from);
		forward_drop(c);
	}
}

/*
 * All of a chunk or nothing. Return: 0, 1: it does not fit, as a large object does not;
 * -ENOSPC: nothing would fit; -ENOMEM, -EINTR.
 */
static int plan_chunk(struct gcarena_compact *c, u32 index)
{
	const struct compact_forward *last = c->forwards;
	unsigned long block = 0;
	struct heap_span *span;
	int ret = 0;

	while (!ret && (span = gcarena_span_in_chunk(c->heap, index, &block))) {
		ret = plan_span(c, span, index) ?: may_go_on(c);
		if (ret == -ENOSPC && span->class == GCARENA_CLASS_LARGE)
			ret = 1;
	}
	if (ret)
		cancel_to(c, last);
	return ret;
}

/**
 * gcarena_compact_plan_spans() - plan to empty chunks into free blocks of lower ones
 * @c: the compaction, with nothing planned
 *
 * Return: 0, -ENOMEM or -EINTR: then nothing is planned.
 */
int gcarena_compact_plan_spans(struct gcarena_compact *c)
{
	int ret = 0;
	u32 i;

	for (i = c->nr_chunks; i-- && ret >= 0;) {
		ret = 0;
		if (c->chunks[i] && chunk_may_move(c, i))
			ret = plan_chunk(c, i);
		if (ret >= 0)
			ret = may_go_on(c);
	}
	/* What is below has even less room below. */
	if (ret == -ENOSPC)
		return 0;
	if (ret)
		gcarena_compact_cancel(c);
	return ret;
}

/* Nothing shall move after all. */
void gcarena_compact_cancel(struct gcarena_compact *c)
{
	cancel_to(c, NULL);
	kvfree(c->new_index);
	kvfree(c->shifts);
	c->new_index = NULL;
	c->shifts = NULL;
	c->nr_shifts = 0;
}

/* ---- The plan for regions ------------------------------------------------------ */

/**
 * gcarena_compact_sort_region() - which spans of a chunk cannot be emptied
 * @c: the compaction, with all chunks that are to be emptied and all pins
 * @region: the chunk. It may be gone
 *
 * Those are filled instead, before all others. Has to be asked for each chunk before the
 * first gcarena_compact_plan_region(): I/O may end at any time, and a span that has been
 * filled must stay.
 */
void gcarena_compact_sort_region(struct gcarena_compact *c, const struct remember_region *region)
{
	struct heap_bucket *bucket;
	unsigned long block = 0;
	struct heap_span *span;

	if (region->chunk >= c->nr_chunks || !c->chunks[region->chunk])
		return;
	while ((span = gcarena_span_in_chunk(c->heap, region->chunk, &block))) {
		if (!gcarena_span_movable(span))
			continue;
		span->stuck = region->given_up || has_pin(c, span);
		if (!span->stuck || span->nr_used == span->nr_slots)
			continue;
		bucket = gcarena_span_bucket(c->heap, span);
		list_del_init(&span->link);
		list_add(&span->link, &bucket->partial);
	}
}

/* Is nothing moved out of it in this stop? Its flag is of now, or its chunk stays as it is. */
static bool may_fill(const struct gcarena_compact *c, const struct heap_span *span)
{
	return span->stuck || !c->chunks[span->start >> GCARENA_CHUNK_SHIFT];
}

static struct heap_span *span_elsewhere(struct gcarena_compact *c, struct heap_bucket *bucket)
{
	struct heap_span *span;

	list_for_each_entry(span, &bucket->partial, link) {
		if (may_fill(c, span))
			return span;
	}
	return ERR_PTR(-ENOSPC);
}

/*
 * A span with room for another object of @from's sort: one that stays, stuck ones first, or a
 * new one in a chunk there is; one that is to be emptied later only if there is nothing else.
 */
static struct heap_span *span_with_room(struct gcarena_compact *c, struct heap_span *from)
{
	struct heap_bucket *bucket = gcarena_span_bucket(c->heap, from);
	struct heap_span *span;

	span = list_first_entry_or_null(&bucket->partial, struct heap_span, link);
	if (span && (span->stuck || !gcarena_heap_chunk(c->heap, span->start)->apart))
		return span;
	span = gcarena_span_create_below(c->heap, from->layout, from->class, 0, c->heap->top);
	if (!IS_ERR(span))
		list_add(&span->link, &bucket->partial);
	return IS_ERR(span) && PTR_ERR(span) == -ENOSPC ? span_elsewhere(c, bucket) : span;
}

/* Take the first free slot of a span that has one. Return: its offset. */
static u64 slot_reserve(struct gcarena_compact *c, struct heap_span *span)
{
	unsigned int w = 0;
	u64 free;
	u32 i;

	while (!(free = gcarena_span_valid(span, w) & ~span->words[w].alloc))
		w++;
	i = w * 64 + __ffs64(free);
	span->words[w].alloc |= BIT_ULL(i % 64);
	if (++span->nr_used == span->nr_slots) {
		list_del_init(&span->link);
		gcarena_span_settle(c->heap, span);
	}
	return span->start + i * span->slot_bytes;
}

/*
 * Empty @span, slot by slot. The slots are taken at once, so that the next span finds others.
 * Return: 0; -ENOSPC: there is no room; -ENOMEM.
 */
static int plan_region_span(struct gcarena_compact *c, struct heap_span *span)
{
	const struct compact_forward *last = c->forwards;
	struct heap_span *into;
	int ret;

	ret = forward_add(c, span, NULL);
	if (ret)
		return ret;
	list_del_init(&span->link);
	while (c->forwards->reserved < span->nr_used) {
		into = span_with_room(c, span);
		if (IS_ERR(into)) {
			cancel_to(c, last);
			return PTR_ERR(into);
		}
		c->forwards->to[c->forwards->reserved++] = slot_reserve(c, into);
	}
	return 0;
}

/* Even if its chunk is not empty then: there is another span to fill. */
static bool pays_alone(const struct gcarena_compact *c, struct heap_span *span)
{
	return gcarena_span_is_sparse(span) &&
	       !list_is_singular(&gcarena_span_bucket(c->heap, span)->partial);
}

/**
 * gcarena_compact_plan_region() - plan to empty what can be emptied of a chunk
 * @c: the compaction, all its chunks sorted: gcarena_compact_sort_region(); the heap is swept
 * @region: the chunk. It may be gone
 * @budget: most bytes of objects to move, but for one span; what is planned is taken off
 *
 * Return: 0: there is nothing left to do in there; -EAGAIN: the budget is used up;
 * -ENOMEM, -EINTR: what was planned before stays planned.
 */
int gcarena_compact_plan_region(struct gcarena_compact *c, const struct remember_region *region,
				u64 *budget)
{
	unsigned long block = 0;
	struct heap_span *span;
	u64 bytes;
	int ret;

	if (region->chunk >= c->nr_chunks || !c->chunks[region->chunk])
		return 0;
	while ((span = gcarena_span_in_chunk(c->heap, region->chunk, &block))) {
		if (!gcarena_span_movable(span) || span->stuck ||
		    !(region->whole || pays_alone(c, span)))
			continue;
		bytes = span->nr_used * span->slot_bytes;
		if (bytes > *budget && c->forwards)
			return -EAGAIN;
		ret = plan_region_span(c, span) ?: may_go_on(c);
		if (ret == -ENOSPC) {
			/* Its turn is over: it may as well be filled. */
			span->stuck = true;
			continue;
		}
		if (ret)
			return ret;
		*budget -= min(*budget, bytes);
	}
	return 0;
}

/* ---- Moving: from here on nothing fails ---------------------------------------- */

/* The kernel's writes leave no trace in page tables. */
static void wrote(struct gcarena_compact *c, u64 offset, u64 bytes)
{
	gcarena_backing_mark_dirty(c->heap, offset, bytes);
}

/* @taken: the slot is reserved, and counted. */
static void copy_object(struct gcarena_compact *c, struct heap_span *span, u32 index, u64 to,
			bool taken)
{
	struct heap_slot slot = gcarena_heap_resolve(c->heap, to);
	struct heap_slot_word *word = &slot.span->words[slot.index / 64];

	memcpy(gcarena_heap_kaddr(c->heap, to),
	       gcarena_heap_kaddr(c->heap, span->start + index * span->slot_bytes),
	       span->slot_bytes);
	wrote(c, to, span->slot_bytes);
	word->alloc |= BIT_ULL(slot.index % 64);
	if (slot_is_marked(span, index))
		word->mark |= BIT_ULL(slot.index % 64);
	slot.span->zeroed = false;
	gcarena_id_move(c->heap, span, index, &slot);
	if (taken || ++slot.span->nr_used < slot.span->nr_slots)
		return;
	list_del_init(&slot.span->link);
	gcarena_span_settle(c->heap, slot.span);
}

static void copy_objects(struct gcarena_compact *c, const struct compact_forward *f)
{
	struct heap_span *span = f->from;
	u64 rest;
	u32 w, i;

	for (w = 0; w < gcarena_span_nr_words(span); w++) {
		for (rest = span->words[w].alloc; rest; rest &= rest - 1) {
			i = w * 64 + __ffs64(rest);
			copy_object(c, span, i, new_start(f, i), f->reserved);
		}
	}
}

static void move_ids(struct gcarena_compact *c, struct heap_span *from, struct heap_span *into)
{
	struct heap_slot slot = { .span = into };

	for (; from->nr_ids && slot.index < from->nr_slots; slot.index++)
		gcarena_id_move(c->heap, from, slot.index, &slot);
}

static void copy_span(struct gcarena_compact *c, const struct compact_forward *f)
{
	struct heap_span *from = f->from, *into = f->into;

	memcpy(gcarena_heap_kaddr(c->heap, into->start), gcarena_heap_kaddr(c->heap, from->start),
	       from->bytes);
	wrote(c, into->start, from->bytes);
	memcpy(into->words, from->words, gcarena_span_nr_words(from) * sizeof(*from->words));
	into->nr_used = from->nr_used;
	into->zeroed = false;
	move_ids(c, from, into);
	gcarena_span_settle(c->heap, into);
}

static void copy_all(struct gcarena_compact *c)
{
	const struct compact_forward *f;

	for (f = c->forwards; f; f = f->next) {
		gcarena_tally_add(&c->moved, f->from->nr_used, f->from->slot_bytes);
		if (f->into)
			copy_span(c, f);
		else
			copy_objects(c, f);
		cond_resched();
	}
}

static void update_word(void *data, unsigned long *word, u64 at)
{
	struct gcarena_compact *c = data;
	u64 offset = READ_ONCE(*word) - c->heap->base, to;

	to = gcarena_compact_forward(c, offset);
	if (to == offset)
		return;
	WRITE_ONCE(*word, c->heap->base + to);
	if (c->dirty_page == at >> PAGE_SHIFT)
		return;
	c->dirty_page = at >> PAGE_SHIFT;
	wrote(c, at, sizeof(*word));
}

static void update_object(struct gcarena_compact *c, const struct heap_span *span, u64 start)
{
	u64 at, n, end = start + span->slot_bytes;

	for (at = start; at < end; at += n) {
		n = piece(at, end);
		gcarena_words_each(c->heap, span, start, at, at + n, update_word, c);
		cond_resched();
	}
}

/* Are pointers in its objects known to be some? */
static bool has_pointers(const struct heap_span *span)
{
	return span->layout->scan != GCARENA_SCAN_NONE && span->layout->scan != GCARENA_SCAN_ALL;
}

/* The one place where all pointers that are known to be some are changed. */
void gcarena_compact_update(struct gcarena_compact *c)
{
	struct heap_span *span;
	u64 pos = 0;
	u32 i;

	while ((span = gcarena_span_next(c->heap, &pos))) {
		if (!has_pointers(span) || *forward_of(c, span->start))
			continue;
		for (i = 0; i < span->nr_slots; i++) {
			if (slot_is_marked(span, i))
				update_object(c, span, span->start + i * span->slot_bytes);
		}
	}
}

/* Its objects are elsewhere now. */
static void vacate(struct gcarena_compact *c, struct heap_span *span)
{
	if (c->heap->poison)
		memset(gcarena_heap_kaddr(c->heap, span->start), GCARENA_POISON, span->bytes);
	memset(span->words, 0, gcarena_span_nr_words(span) * sizeof(*span->words));
	span->nr_used = 0;
	list_del_init(&span->link);
	gcarena_span_destroy(c->heap, span);
}

static void vacate_all(struct gcarena_compact *c)
{
	struct heap_span *span;

	while (c->forwards) {
		span = c->forwards->from;
		forward_drop(c);
		vacate(c, span);
		cond_resched();
	}
}

/**
 * gcarena_compact_move() - do what is planned
 * @c: the compaction
 *
 * Then nothing is planned any more. Empty chunks stay for gcarena_chunks_release().
 */
void gcarena_compact_move(struct gcarena_compact *c)
{
	if (!c->forwards)
		return;
	copy_all(c);
	gcarena_compact_update(c);
	vacate_all(c);
}

/* ---- Regions: all that matters is on their cards ------------------------------- */

static void pin_word(void *data, unsigned long *word, u64 at)
{
	gcarena_compact_pin_words(data, word, 1);
}

static bool is_emptied(const struct gcarena_compact *c, const struct heap_span *span)
{
	const struct compact_chunk *chunk = c->chunks[span->start >> GCARENA_CHUNK_SHIFT];

	return chunk && chunk->forward[gcarena_block_of(span->start)];
}

typedef bool (*span_filter)(const struct gcarena_compact *c, const struct heap_span *span);

/* Visit the words on a region's cards, in spans that are still there and that @filter takes. */
static __always_inline void visit_cards(struct gcarena_compact *c,
					const struct remember_region *region,
					span_filter filter, gcarena_word_fn visit)
{
	const struct heap_chunk *chunk;
	const struct heap_span *span;
	u64 from;
	u32 i;

	for (i = 0; i < region->nr; i++) {
		from = region->cards[i] << GCARENA_CARD_SHIFT;
		chunk = gcarena_heap_chunk(c->heap, from);
		span = chunk ? chunk->blocks[gcarena_block_of(from)].span : NULL;
		if (span && filter(c, span))
			gcarena_words_between(c->heap, span, from, from + GCARENA_CARD_BYTES,
					      visit, c);
		if (i % COMPACT_INTERVAL == 0)
			cond_resched();
	}
}

static bool is_conservative(const struct gcarena_compact *c, const struct heap_span *span)
{
	return span->layout->scan == GCARENA_SCAN_ALL;
}

static bool is_to_update(const struct gcarena_compact *c, const struct heap_span *span)
{
	return has_pointers(span) && !is_emptied(c, span);
}

/**
 * gcarena_compact_pin_cards() - pin what CONSERVATIVE objects may point to in a region
 * @c: the compaction, with the region's chunk
 * @region: the region; its cards are complete
 */
void gcarena_compact_pin_cards(struct gcarena_compact *c, const struct remember_region *region)
{
	visit_cards(c, region, is_conservative, pin_word);
}

/* Objects that have just moved may point to each other. */
static void update_copies(struct gcarena_compact *c)
{
	const struct compact_forward *f;
	u32 i;

	for (f = c->forwards; f; f = f->next) {
		for (i = 0; i < f->reserved && has_pointers(f->from); i++)
			update_object(c, gcarena_heap_resolve(c->heap, f->to[i]).span, f->to[i]);
	}
}

/**
 * gcarena_compact_move_regions() - do what gcarena_compact_plan_region() has planned
 * @c: the compaction
 * @regions: all regions of which something is planned
 * @nr: how many
 */
void gcarena_compact_move_regions(struct gcarena_compact *c, const struct remember_region *regions,
				  u32 nr)
{
	if (!c->forwards)
		return;
	copy_all(c);
	update_copies(c);
	while (nr--)
		visit_cards(c, &regions[nr], is_to_update, update_word);
	vacate_all(c);
}
