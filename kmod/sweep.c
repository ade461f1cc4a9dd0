// SPDX-License-Identifier: GPL-2.0
/*
 * Sweeping: turn marks into free slots, span by span, when somebody needs them.
 *
 * A cycle ends with gcarena_sweep_flip(): all spans that no thread holds become
 * unswept, and the heap's epoch moves on. Unswept spans are those on an unswept list;
 * their epoch is older than the heap's. A span is swept once for each cycle: when a
 * refill comes upon it, in the background, or before the next cycle starts, because
 * that one clears the marks.
 *
 * Leased spans are left alone: they are on no list, and come back with the epoch
 * of the moment. What died in them is found by the next cycle.
 *
 * All functions need the heap lock.
 */
#include "heap.h"
#include "ids.h"

#define SWEEP_BATCH	64

/* The marks of a finished cycle count from now on. */
void gcarena_sweep_flip(struct gcarena_heap *heap)
{
	struct heap_bucket *bucket;

	heap->epoch++;
	list_for_each_entry(bucket, &heap->buckets, link) {
		list_splice_tail_init(&bucket->partial, &bucket->unswept);
		list_splice_tail_init(&bucket->full, &bucket->unswept);
		if (!list_empty(&bucket->unswept) && list_empty(&bucket->pending))
			list_add_tail(&bucket->pending, &heap->pending);
	}
}

/* For tests: what still uses a freed object shall not find it as it was. */
static void poison_slots(struct gcarena_heap *heap, struct heap_span *span, unsigned int w,
			 u64 slots)
{
	u64 start, offset, n;

	for (; slots; slots &= slots - 1) {
		start = span->start + (w * 64 + __ffs64(slots)) * span->slot_bytes;
		for (offset = start; offset < start + span->slot_bytes; offset += n) {
			n = min_t(u64, start + span->slot_bytes - offset,
				  GCARENA_CHUNK_BYTES - offset % GCARENA_CHUNK_BYTES);
			memset(gcarena_heap_kaddr(heap, offset), GCARENA_POISON, n);
		}
	}
}

static void span_sweep(struct gcarena_heap *heap, struct heap_span *span)
{
	unsigned int w;
	u32 live = 0;

	for (w = 0; w < gcarena_span_nr_words(span); w++) {
		u64 dead = span->words[w].alloc & ~span->words[w].mark;

		if (unlikely(heap->poison))
			poison_slots(heap, span, w, dead);
		if (unlikely(span->nr_ids))
			gcarena_ids_drop(heap, span, w, dead);
		span->words[w].alloc &= span->words[w].mark;
		live += hweight64(span->words[w].alloc);
	}
	gcarena_tally_sub(&heap->used, span->nr_used - live, span->slot_bytes);
	gcarena_tally_add(&heap->freed, span->nr_used - live, span->slot_bytes);
	span->nr_used = live;
	span->epoch = heap->epoch;
}

/* Sweep one span of the bucket. It is on no list then. NULL: all are swept. */
struct heap_span *gcarena_sweep_next(struct gcarena_heap *heap, struct heap_bucket *bucket)
{
	struct heap_span *span;

	span = list_first_entry_or_null(&bucket->unswept, struct heap_span, link);
	if (span) {
		list_del_init(&span->link);
		span_sweep(heap, span);
	}
	return span;
}

/* Make sure that the span at @offset, if any, is swept. It may be gone after. */
void gcarena_sweep_at(struct gcarena_heap *heap, u64 offset)
{
	struct heap_slot slot = gcarena_heap_resolve(heap, offset);

	if (!slot.span || slot.span->lease || slot.span->epoch == heap->epoch)
		return;
	list_del_init(&slot.span->link);
	span_sweep(heap, slot.span);
	gcarena_span_settle(heap, slot.span);
}

/* Sweep up to @max spans. Return: false when nothing is left to do. */
bool gcarena_sweep_some(struct gcarena_heap *heap, unsigned int max)
{
	struct heap_bucket *bucket;
	struct heap_span *span;

	while (max) {
		bucket = list_first_entry_or_null(&heap->pending, struct heap_bucket, pending);
		if (!bucket)
			return false;
		span = gcarena_sweep_next(heap, bucket);
		if (!span) {
			list_del_init(&bucket->pending);
			continue;
		}
		gcarena_span_settle(heap, span);
		max--;
	}
	return true;
}

/* Sweep everything. Return: 0, or -EINTR: some spans are left for later. */
int gcarena_sweep_all(struct gcarena_heap *heap)
{
	int ret = 0;

	while (!ret && gcarena_sweep_some(heap, SWEEP_BATCH))
		ret = gcarena_checkpoint();
	return ret;
}
