// SPDX-License-Identifier: GPL-2.0
/*
 * Spans: making and unmaking them, and the two bits of each slot.
 *
 * Invariants: no alloc or mark bit is set past the last slot; nr_used is the number
 * of alloc bits; heap->used is the sum over all spans, heap->old that of mark bits.
 * A span is on exactly one of its bucket's lists, or has a lease, or is in the hands
 * of the caller; or it is empty, and stays on heap->emptied as long as a trace is on.
 *
 * All functions need the heap lock.
 */
#include "heap.h"
#include "ids.h"
#include "layout.h"

/* By number of bit words: what lies between two sizes of kmalloc() would be lost. */
static struct kmem_cache *span_caches[GCARENA_MAX_SLOTS / 64 + 1];

static size_t span_size(unsigned int words)
{
	return struct_size((struct heap_span *)NULL, words, words);
}

void gcarena_span_caches_destroy(void)
{
	unsigned int words;

	for (words = 0; words < ARRAY_SIZE(span_caches); words++) {
		kmem_cache_destroy(span_caches[words]);	/* NULL is fine */
		span_caches[words] = NULL;
	}
}

/* Return: 0 or -ENOMEM. */
int gcarena_span_caches_create(void)
{
	unsigned int class, words;
	char name[32];

	for (class = 0; class < GCARENA_NR_CLASSES; class++) {
		words = max(1U, (gcarena_sizeclasses[class].nr_slots + 63) / 64);
		if (span_caches[words])
			continue;
		/* The name is copied; two caches of one name would share a folder. */
		snprintf(name, sizeof(name), "gcarena_span_%u", words);
		span_caches[words] = kmem_cache_create(name, span_size(words), 0,
						       SLAB_ACCOUNT, NULL);
		if (!span_caches[words]) {
			gcarena_span_caches_destroy();
			return -ENOMEM;
		}
	}
	return 0;
}

static struct heap_span *span_alloc(struct gcarena_heap *heap, unsigned int class)
{
	unsigned int words = max(1U, (gcarena_sizeclasses[class].nr_slots + 63) / 64);
	struct heap_span *span = kmem_cache_zalloc(span_caches[words], GCARENA_GFP);

	if (span)
		heap->metadata_bytes += span_size(words);
	return span;
}

static void span_free(struct gcarena_heap *heap, struct heap_span *span)
{
	unsigned int words = gcarena_span_nr_words(span);

	gcarena_permanent_forget(heap, span);
	heap->metadata_bytes -= span_size(words);
	kmem_cache_free(span_caches[words], span);
}

static void span_shape(struct heap_span *span, unsigned int class, u64 bytes)
{
	const struct gcarena_sizeclass *sc = &gcarena_sizeclasses[class];

	span->class = class;
	span->magic = sc->magic;
	if (class == GCARENA_CLASS_LARGE) {
		span->bytes = round_up(bytes, GCARENA_BLOCK_BYTES);
		span->slot_bytes = span->bytes;
		span->nr_slots = 1;
	} else {
		span->bytes = (u64)sc->nr_blocks << GCARENA_BLOCK_SHIFT;
		span->slot_bytes = sc->slot_bytes;
		span->nr_slots = sc->nr_slots;
	}
}

/* A span without blocks, or NULL. */
static struct heap_span *span_blank(struct gcarena_heap *heap, struct heap_layout *layout,
				    unsigned int class, u64 bytes)
{
	struct heap_span *span = span_alloc(heap, class);

	if (!span)
		return NULL;
	INIT_LIST_HEAD(&span->link);
	span->layout = layout;
	span_shape(span, class, bytes);
	return span;
}

/* Blocks have been taken for it, or not: @error. */
static struct heap_span *span_place(struct gcarena_heap *heap, struct heap_span *span, int error)
{
	u64 nr_blocks = span->bytes >> GCARENA_BLOCK_SHIFT;

	if (error) {
		span_free(heap, span);
		return ERR_PTR(error);
	}
	span->zeroed = !gcarena_blocks_dirty(heap, span->start, nr_blocks);
	span->epoch = heap->epoch;
	gcarena_blocks_set_span(heap, span->start, nr_blocks, span);
	return span;
}

/**
 * gcarena_span_create() - take memory for a new span
 * @heap: the heap
 * @layout: layout of its objects
 * @class: size class
 * @bytes: length of the object, for class GCARENA_CLASS_LARGE
 *
 * The span has no object, is on no list, and is ->zeroed if its memory is.
 *
 * Return: the span, or ERR_PTR of -ENOMEM, -ENOSPC or -EINTR.
 */
struct heap_span *gcarena_span_create(struct gcarena_heap *heap,
				      struct heap_layout *layout,
				      unsigned int class, u64 bytes)
{
	struct heap_span *span = span_blank(heap, layout, class, bytes);

	if (!span)
		return ERR_PTR(-ENOMEM);
	return span_place(heap, span, gcarena_blocks_alloc(heap, span->bytes >> GCARENA_BLOCK_SHIFT,
							   &span->start));
}

/* As gcarena_span_create(), in one chunk of those there are with lower index than @below. */
struct heap_span *gcarena_span_create_below(struct gcarena_heap *heap,
					    struct heap_layout *layout,
					    unsigned int class, u64 bytes, u32 below)
{
	struct heap_span *span = span_blank(heap, layout, class, bytes);

	if (!span)
		return ERR_PTR(-ENOMEM);
	return span_place(heap, span,
			  gcarena_blocks_alloc_below(heap, span->bytes >> GCARENA_BLOCK_SHIFT,
						     below, &span->start));
}

/* Give a span's memory back, with whatever is in it. It is on no list. */
void gcarena_span_destroy(struct gcarena_heap *heap, struct heap_span *span)
{
	u64 nr_blocks = span->bytes >> GCARENA_BLOCK_SHIFT;
	unsigned int w;

	for (w = 0; span->nr_ids && heap->ids.nr && w < gcarena_span_nr_words(span); w++)
		gcarena_ids_drop(heap, span, w, span->words[w].alloc);
	gcarena_tally_sub(&heap->used, span->nr_used, span->slot_bytes);
	gcarena_blocks_set_span(heap, span->start, nr_blocks, NULL);
	gcarena_blocks_free(heap, span->start, nr_blocks);
	span_free(heap, span);
}

struct heap_bucket *gcarena_span_bucket(struct gcarena_heap *heap, struct heap_span *span)
{
	/* Made before the span was. */
	return span->class == GCARENA_CLASS_LARGE ? &heap->large
						  : span->layout->buckets[span->class];
}

/* Put a swept span that is on no list where it belongs, or unmake it when empty. */
void gcarena_span_settle(struct gcarena_heap *heap, struct heap_span *span)
{
	struct heap_bucket *bucket = gcarena_span_bucket(heap, span);

	if (!span->nr_used && heap->tracing)
		list_add(&span->link, &heap->emptied);
	else if (!span->nr_used)
		gcarena_span_destroy(heap, span);
	else if (span->nr_used == span->nr_slots)
		list_add(&span->link, &bucket->full);
	else
		list_add(&span->link, &bucket->partial);
}

/* A trace begins that drops the lock now and then: what it refers to is to stay. */
void gcarena_spans_hold(struct gcarena_heap *heap)
{
	heap->tracing = true;
}

/* It has ended. */
void gcarena_spans_let_go(struct gcarena_heap *heap)
{
	struct heap_span *span;

	heap->tracing = false;
	while ((span = list_first_entry_or_null(&heap->emptied, struct heap_span, link))) {
		list_del_init(&span->link);
		gcarena_span_destroy(heap, span);
	}
}

/* Take marks off. What had one is young again, or free. */
static void unmark(struct gcarena_heap *heap, struct heap_span *span, unsigned int w, u64 slots)
{
	gcarena_tally_sub(&heap->old, hweight64(span->words[w].mark & slots), span->slot_bytes);
	span->words[w].mark &= ~slots;
	if (unlikely(span->permanent))
		gcarena_permanent_drop(heap, span, w, slots);
}

/* A full cycle starts: no object was reached yet, but for what is permanent. */
void gcarena_span_clear(struct gcarena_heap *heap, struct heap_span *span)
{
	unsigned int w;

	for (w = 0; w < gcarena_span_nr_words(span); w++)
		unmark(heap, span, w, span->permanent ? ~span->permanent[w] : U64_MAX);
	span->rescan = false;
	gcarena_permanent_rescan(heap, span);
}

/**
 * gcarena_span_take() - hand out all free slots
 * @heap: the heap
 * @span: a swept span on no list
 * @taken: set to the slots handed out, gcarena_span_nr_words() words
 *
 * From now on each slot may hold an object: all alloc bits are set.
 */
void gcarena_span_take(struct gcarena_heap *heap, struct heap_span *span, u64 *taken)
{
	u64 nr = span->nr_slots - span->nr_used;
	unsigned int w;

	for (w = 0; w < gcarena_span_nr_words(span); w++) {
		u64 valid = gcarena_span_valid(span, w);

		taken[w] = valid & ~span->words[w].alloc;
		span->words[w].alloc = valid;
		unmark(heap, span, w, taken[w]);
	}
	span->nr_used = span->nr_slots;
	gcarena_tally_add(&heap->used, nr, span->slot_bytes);
	gcarena_tally_add(&heap->allocated, nr, span->slot_bytes);
}

/**
 * gcarena_span_put() - take back the slots that were not used
 * @heap: the heap
 * @span: the span
 * @taken: what gcarena_span_take() handed out
 * @unused: which slots the program says it has not used, or NULL for none: any
 *	bits at all, only those in @taken count
 *
 * Return: number of slots taken back.
 */
u64 gcarena_span_put(struct gcarena_heap *heap, struct heap_span *span,
		     const u64 *taken, const u64 *unused)
{
	unsigned int w;
	u64 nr = 0;

	for (w = 0; unused && w < gcarena_span_nr_words(span); w++) {
		u64 back = unused[w] & taken[w];

		/* The program may have used and freed them: no longer all zero. */
		span->words[w].alloc &= ~back;
		unmark(heap, span, w, back);
		gcarena_ids_drop(heap, span, w, back);
		nr += hweight64(back);
	}
	span->zeroed = false;
	span->epoch = heap->epoch;	/* cycles passed it by while it was leased */
	span->nr_used -= nr;
	gcarena_tally_sub(&heap->used, nr, span->slot_bytes);
	gcarena_tally_sub(&heap->allocated, nr, span->slot_bytes);
	return nr;
}

/**
 * gcarena_slot_free() - make one slot free now
 * @heap: the heap
 * @slot: an allocated slot of a span that is swept or leased
 *
 * The span may be gone afterwards. In a leased span the slot is not handed out
 * before the lease has ended.
 */
void gcarena_slot_free(struct gcarena_heap *heap, const struct heap_slot *slot)
{
	struct heap_span *span = slot->span;
	u64 bit = BIT_ULL(slot->index % 64);

	span->words[slot->index / 64].alloc &= ~bit;
	unmark(heap, span, slot->index / 64, bit);
	gcarena_ids_drop(heap, span, slot->index / 64, bit);
	span->nr_used--;
	gcarena_tally_sub(&heap->used, 1, span->slot_bytes);
	gcarena_tally_add(&heap->freed, 1, span->slot_bytes);
	if (span->lease)
		return;
	list_del_init(&span->link);
	gcarena_span_settle(heap, span);
}

/**
 * gcarena_span_in_chunk() - walk the spans that have blocks in a chunk
 * @heap: the heap
 * @index: the chunk, which is there
 * @block: where to go on; 0 at first
 *
 * Return: the next span, which may begin in a chunk before and end in one behind; or NULL.
 */
struct heap_span *gcarena_span_in_chunk(const struct gcarena_heap *heap, u32 index,
					unsigned long *block)
{
	const struct heap_chunk *chunk = heap->chunks[index];
	struct heap_span *span;

	*block = find_next_bit(chunk->used, GCARENA_CHUNK_BLOCKS, *block);
	if (*block >= GCARENA_CHUNK_BLOCKS)
		return NULL;
	span = chunk->blocks[*block].span;
	*block = ((span->start + span->bytes) >> GCARENA_BLOCK_SHIFT) -
		 (u64)index * GCARENA_CHUNK_BLOCKS;
	return span;
}

/**
 * gcarena_span_next() - walk all spans in address order
 * @heap: the heap
 * @pos: where to go on; 0 at first. Spans may be destroyed on the way
 *
 * Return: the next span, or NULL at the end.
 */
struct heap_span *gcarena_span_next(struct gcarena_heap *heap, u64 *pos)
{
	u64 offset = *pos, end = (u64)heap->top << GCARENA_CHUNK_SHIFT;

	while (offset < end) {
		struct heap_chunk *chunk = gcarena_heap_chunk(heap, offset);
		unsigned int block = (offset >> GCARENA_BLOCK_SHIFT) % GCARENA_CHUNK_BLOCKS;

		if (!chunk || !chunk->nr_used) {
			offset = round_down(offset, GCARENA_CHUNK_BYTES) + GCARENA_CHUNK_BYTES;
			continue;
		}
		block = find_next_bit(chunk->used, GCARENA_CHUNK_BLOCKS, block);
		offset = round_down(offset, GCARENA_CHUNK_BYTES) +
			 ((u64)block << GCARENA_BLOCK_SHIFT);
		if (block < GCARENA_CHUNK_BLOCKS) {
			*pos = offset + chunk->blocks[block].span->bytes;
			return chunk->blocks[block].span;
		}
	}
	*pos = offset;
	return NULL;
}
