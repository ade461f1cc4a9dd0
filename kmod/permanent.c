// SPDX-License-Identifier: GPL-2.0
/*
 * Permanent objects: the third region, beside young and old. No cycle frees one.
 *
 * A span that has some has a bitmap of them, others have none: it costs nothing where it
 * is not used. What is permanent is marked, at all times. So it is old; tracing passes
 * it by; sweeping keeps it; minor cycles read of it what was written, as of all that is old.
 * A full cycle, which begins with no marks but these, has to scan each once: they are roots.
 * Their spans are flagged as if the mark stack had been full, and are scanned with those
 * where it was (mark.c). So is the span of an object that becomes permanent while it is
 * young, as it is marked now, and was not scanned.
 *
 * Invariants: a slot whose permanent bit is set has mark and alloc set; heap->permanent is
 * the number of these bits; no bitmap is all zero.
 *
 * All functions need the heap lock.
 */
#include "heap.h"
#include "layout.h"

#define CHECK_SPANS	64

static size_t bitmap_bytes(const struct heap_span *span)
{
	return gcarena_span_nr_words(span) * sizeof(*span->permanent);
}

static int permanent_get(struct gcarena_heap *heap, struct heap_span *span)
{
	if (span->permanent)
		return 0;
	span->permanent = kzalloc(bitmap_bytes(span), GCARENA_GFP);
	if (!span->permanent)
		return -ENOMEM;
	heap->metadata_bytes += bitmap_bytes(span);
	return 0;
}

/* If none is left, do without the bitmap. */
static void permanent_put(struct gcarena_heap *heap, struct heap_span *span)
{
	unsigned int w;

	for (w = 0; w < gcarena_span_nr_words(span); w++) {
		if (span->permanent[w])
			return;
	}
	kfree(span->permanent);
	span->permanent = NULL;
	heap->metadata_bytes -= bitmap_bytes(span);
}

/* Marked objects of the span are to be scanned, by the cycle that is on or by the next. */
void gcarena_permanent_rescan(struct gcarena_heap *heap, struct heap_span *span)
{
	if (!span->permanent || span->layout->scan == GCARENA_SCAN_NONE)
		return;
	span->rescan = true;
	heap->unscanned = true;
}

/* Some slots of a word are free from now on. */
void gcarena_permanent_drop(struct gcarena_heap *heap, struct heap_span *span, unsigned int w,
			    u64 slots)
{
	u64 gone = span->permanent[w] & slots;

	if (!gone)
		return;
	gcarena_tally_sub(&heap->permanent, hweight64(gone), span->slot_bytes);
	span->permanent[w] &= ~gone;
	permanent_put(heap, span);
}

static void permanent_set(struct gcarena_heap *heap, struct heap_span *span, unsigned int w,
			  u64 slots)
{
	u64 more = slots & ~span->permanent[w];

	gcarena_tally_add(&heap->permanent, hweight64(more), span->slot_bytes);
	span->permanent[w] |= more;
}

/**
 * gcarena_permanent_add() - make one object permanent
 * @heap: the heap
 * @slot: an allocated slot of a span that is swept or leased
 *
 * Return: 0, also if it is already; -ENOMEM.
 */
int gcarena_permanent_add(struct gcarena_heap *heap, const struct heap_slot *slot)
{
	struct heap_span *span = slot->span;
	struct heap_slot_word *word = &span->words[slot->index / 64];
	u64 bit = BIT_ULL(slot->index % 64);

	if (permanent_get(heap, span))
		return -ENOMEM;
	permanent_set(heap, span, slot->index / 64, bit);
	if (word->mark & bit)
		return 0;
	word->mark |= bit;
	gcarena_tally_add(&heap->old, 1, span->slot_bytes);
	gcarena_permanent_rescan(heap, span);
	return 0;
}

static bool has_marks(const struct heap_span *span)
{
	unsigned int w;

	for (w = 0; w < gcarena_span_nr_words(span); w++) {
		if (span->words[w].mark)
			return true;
	}
	return false;
}

/* Memory for all bitmaps that will be needed. Return: 0, -ENOMEM or -EINTR. */
static int prepare_all(struct gcarena_heap *heap)
{
	struct heap_span *span;
	unsigned int nr = 0;
	u64 pos = 0;
	int ret = 0;

	while (!ret && (span = gcarena_span_next(heap, &pos))) {
		if (has_marks(span))
			ret = permanent_get(heap, span);
		if (!ret && ++nr % CHECK_SPANS == 0)
			ret = gcarena_checkpoint();
	}
	return ret;
}

static void span_set_all(struct gcarena_heap *heap, struct heap_span *span)
{
	unsigned int w;

	for (w = 0; w < gcarena_span_nr_words(span); w++)
		permanent_set(heap, span, w, span->words[w].mark);
}

/**
 * gcarena_permanent_add_all() - make everything permanent that the last cycle reached
 * @heap: the heap, of which the marks count
 *
 * Return: 0; -ENOMEM, -EINTR: nothing was done.
 */
int gcarena_permanent_add_all(struct gcarena_heap *heap)
{
	struct heap_span *span;
	int ret = prepare_all(heap);
	u64 pos = 0;

	while ((span = gcarena_span_next(heap, &pos))) {
		if (!span->permanent)
			continue;
		if (ret)
			permanent_put(heap, span);
		else
			span_set_all(heap, span);
		cond_resched();
	}
	return ret;
}

/* The span is unmade. */
void gcarena_permanent_forget(struct gcarena_heap *heap, struct heap_span *span)
{
	unsigned int w;

	for (w = 0; span->permanent && w < gcarena_span_nr_words(span); w++)
		gcarena_permanent_drop(heap, span, w, U64_MAX);
}
