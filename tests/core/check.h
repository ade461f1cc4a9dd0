/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything that heap.h and the sources say must hold between two calls of the core,
 * found out the long way: by walking all tables, and counting.
 */
#ifndef TESTS_CORE_CHECK_H
#define TESTS_CORE_CHECK_H

#include <stdarg.h>

#include "core/heap.h"

/**
 * struct core_count - what the walk finds
 * @chunks: chunks, @empty of them without a span
 * @empty: see @chunks
 * @spans: spans, @leased of them
 * @leased: see @spans
 * @listed: entries on the buckets' lists
 * @span_bytes: sum of the spans' lengths
 * @ids: slots whose object has a number
 * @absent: blocks that were given back
 * @absent_idle: of these, blocks of chunks without a span
 * @metadata: bytes of all that describes the heap
 * @used: slots with alloc set
 * @permanent: slots with permanent set
 */
struct core_count {
	u64 chunks, empty, spans, leased, listed, span_bytes, ids, absent, absent_idle, metadata;
	struct heap_tally used;
	struct heap_tally permanent;
};

static char core_problem[200];

/* The first problem counts. */
__attribute__((format(printf, 1, 2)))
static inline void core_complain(const char *format, ...)
{
	va_list args;

	if (core_problem[0])
		return;
	va_start(args, format);
	vsnprintf(core_problem, sizeof(core_problem), format, args);
	va_end(args);
}

#define CORE_HOLDS(condition, where) do {						\
	if (!(condition))								\
		core_complain("%s, at %#llx", #condition, (unsigned long long)(where));	\
} while (0)

static inline void core_check_permanent(const struct heap_span *span, struct core_count *n)
{
	unsigned int w, nr = 0;

	if (!span->permanent)
		return;
	for (w = 0; w < (span->nr_slots + 63) / 64; w++) {
		CORE_HOLDS(!(span->permanent[w] & ~span->words[w].mark), span->start);
		nr += __builtin_popcountll(span->permanent[w]);
	}
	CORE_HOLDS(nr, span->start);
	n->permanent.objects += nr;
	n->permanent.bytes += nr * span->slot_bytes;
	n->metadata += w * sizeof(u64);
}

/* An allocated slot whose object has a number: found as ids.c does. */
static inline bool core_has_id(const struct gcarena_heap *heap, const struct heap_span *span,
			       u32 index)
{
	u64 key = (span->start + index * span->slot_bytes) / 16 + 1;
	const struct gcarena_ids *ids = &heap->ids;

	if (!(span->words[index / 64].alloc >> index % 64 & 1))
		return false;
	return ids->table[find(ids, key)].key == key;
}

static inline void core_check_span(const struct gcarena_heap *heap, const struct heap_span *span,
				   struct core_count *n)
{
	const struct gcarena_sizeclass *sc = &gcarena_sizeclasses[span->class];
	u64 used = 0, ids = 0, at = span->start;
	unsigned int w;

	for (w = 0; w < (span->nr_slots + 63) / 64; w++) {
		u32 rest = span->nr_slots - w * 64;
		u64 valid = rest < 64 ? (1ULL << rest) - 1 : ~0ULL;

		CORE_HOLDS(!(span->words[w].alloc & ~valid), at);
		CORE_HOLDS(!(span->words[w].mark & ~span->words[w].alloc), at);
		used += __builtin_popcountll(span->words[w].alloc);
	}
	CORE_HOLDS(span->nr_used == used, at);
	for (w = 0; heap->ids.table && w < span->nr_slots; w++)
		ids += core_has_id(heap, span, w);
	CORE_HOLDS(span->nr_ids == ids, at);
	n->ids += ids;
	w = (span->nr_slots + 63) / 64;
	if (span->class) {
		CORE_HOLDS(span->bytes == (u64)sc->nr_blocks * GCARENA_BLOCK_BYTES, at);
		CORE_HOLDS(span->slot_bytes == sc->slot_bytes, at);
		CORE_HOLDS(span->nr_slots == sc->nr_slots, at);
	} else {
		CORE_HOLDS(span->slot_bytes == span->bytes && span->nr_slots == 1, at);
	}
	CORE_HOLDS(span->layout == heap->layouts[span->layout->number], at);
	n->spans++;
	n->leased += !!span->lease;
	n->span_bytes += span->bytes;
	n->used.objects += used;
	n->used.bytes += used * span->slot_bytes;
	n->metadata += sizeof(*span) + max(w, 1U) * sizeof(*span->words);
	core_check_permanent(span, n);
}

static inline void core_check_block(const struct gcarena_heap *heap, u32 index, u32 b,
				    struct core_count *n)
{
	const struct heap_chunk *chunk = heap->chunks[index];
	const struct heap_block *block = &chunk->blocks[b];
	const struct heap_span *span = block->span;
	u64 at = index * GCARENA_CHUNK_BYTES + b * GCARENA_BLOCK_BYTES;

	CORE_HOLDS(!!span == core_test_bit(chunk->used, b), at);
	if (!span || core_problem[0])
		return;
	CORE_HOLDS(at >= span->start && at < span->start + span->bytes, at);
	CORE_HOLDS(block->layout == span->layout->number, at);
	CORE_HOLDS(block->class == span->class, at);
	if (span->class)
		CORE_HOLDS(block->index == (at - span->start) / GCARENA_BLOCK_BYTES, at);
	if (at == span->start)
		core_check_span(heap, span, n);
}

static inline void core_check_chunk(const struct gcarena_heap *heap, u32 index,
				    struct core_count *n)
{
	const struct heap_chunk *chunk = heap->chunks[index];
	u32 b, used = 0, absent = 0, scanned = 0, run = 0, longest = 0;

	if (!chunk) {
		CORE_HOLDS(index >= heap->first_fit, index);
		return;
	}
	for (b = 0; b < GCARENA_CHUNK_BLOCKS; b++) {
		core_check_block(heap, index, b, n);
		used += core_test_bit(chunk->used, b);
		absent += core_test_bit(chunk->absent, b);
		scanned += chunk->blocks[b].span &&
			   chunk->blocks[b].span->layout->scan != GCARENA_SCAN_NONE;
		CORE_HOLDS(!core_test_bit(chunk->absent, b) || !core_test_bit(chunk->used, b), b);
		run = core_test_bit(chunk->used, b) ||
		      core_test_bit(chunk->absent, b) ? 0 : run + 1;
		longest = max(longest, run);
	}
	CORE_HOLDS(chunk->nr_used == used, index);
	CORE_HOLDS(chunk->nr_scanned == scanned, index);
	CORE_HOLDS(chunk->nr_absent == absent, index);
	n->absent += absent;
	n->absent_idle += used ? 0 : absent;
	CORE_HOLDS(chunk->longest_free >= longest, index);
	CORE_HOLDS(index < heap->top, index);
	CORE_HOLDS(index >= heap->first_fit || !longest, index);
	n->chunks++;
	n->empty += !used;
	n->metadata += sizeof(*chunk);
}

enum core_list { CORE_PARTIAL, CORE_UNSWEPT, CORE_FULL };

static inline void core_check_list(struct gcarena_heap *heap, struct heap_bucket *bucket,
				   struct list_head *list, enum core_list kind,
				   struct core_count *n)
{
	struct heap_span *span;

	list_for_each_entry(span, list, link) {
		CORE_HOLDS(span->link.next->prev == &span->link, span->start);
		CORE_HOLDS(!span->lease, span->start);
		CORE_HOLDS(gcarena_span_bucket(heap, span) == bucket, span->start);
		CORE_HOLDS((kind == CORE_UNSWEPT) == (span->epoch != heap->epoch), span->start);
		CORE_HOLDS(kind == CORE_UNSWEPT || span->nr_used, span->start);
		CORE_HOLDS(kind == CORE_UNSWEPT ||
			   (kind == CORE_FULL) == (span->nr_used == span->nr_slots), span->start);
		if (core_problem[0])
			return;
		n->listed++;
	}
}

static inline void core_check_buckets(struct gcarena_heap *heap, struct core_count *n)
{
	struct heap_bucket *bucket;

	list_for_each_entry(bucket, &heap->buckets, link) {
		core_check_list(heap, bucket, &bucket->partial, CORE_PARTIAL, n);
		core_check_list(heap, bucket, &bucket->unswept, CORE_UNSWEPT, n);
		core_check_list(heap, bucket, &bucket->full, CORE_FULL, n);
		CORE_HOLDS(list_empty(&bucket->unswept) || !list_empty(&bucket->pending), 0);
		n->metadata += bucket == &heap->large ? 0 : sizeof(*bucket);
	}
}

static inline void core_check_layouts(const struct gcarena_heap *heap, struct core_count *n)
{
	u32 i;

	for (i = 0; i < heap->nr_layouts; i++) {
		const struct heap_layout *layout = heap->layouts[i];

		CORE_HOLDS(layout->number == i, i);
		n->metadata += sizeof(*layout) + (layout->map ? (layout->elem_words + 7) / 8 : 0);
	}
	n->metadata += heap->room_layouts * sizeof(*heap->layouts);
}

/*
 * @held: spans that the caller has, on no list and without a lease.
 * Returns what is wrong, or an empty string.
 */
static inline const char *core_check(struct gcarena_heap *heap, u64 held)
{
	struct core_count n = { .metadata = heap->nr_table * sizeof(*heap->chunks) };
	const struct gcarena_ids *ids = &heap->ids;
	u32 i;

	core_problem[0] = 0;
	CORE_HOLDS(heap->top <= heap->nr_table && heap->first_fit <= heap->top, heap->top);
	for (i = 0; i < heap->nr_table; i++)
		core_check_chunk(heap, i, &n);
	if (!core_problem[0])
		core_check_buckets(heap, &n);
	core_check_layouts(heap, &n);
	n.metadata += ids->table ? sizeof(*ids->table) << ids->bits : 0;
	CORE_HOLDS(heap->nr_chunks == n.chunks && heap->nr_empty == n.empty, n.chunks);
	CORE_HOLDS(heap->nr_chunks <= heap->peak_chunks, n.chunks);
	CORE_HOLDS(n.spans == n.listed + n.leased + held, n.spans);
	CORE_HOLDS(heap->span_bytes == n.span_bytes, n.span_bytes);
	CORE_HOLDS(heap->metadata_bytes == n.metadata, n.metadata);
	CORE_HOLDS(heap->ids.nr == n.ids, n.ids);
	CORE_HOLDS(heap->nr_absent == n.absent, n.absent);
	CORE_HOLDS(heap->nr_absent_idle == n.absent_idle, n.absent_idle);
	CORE_HOLDS(heap->used.objects == n.used.objects, n.used.objects);
	CORE_HOLDS(heap->used.bytes == n.used.bytes, n.used.bytes);
	CORE_HOLDS(heap->permanent.objects == n.permanent.objects, n.permanent.objects);
	CORE_HOLDS(heap->permanent.bytes == n.permanent.bytes, n.permanent.bytes);
	CORE_HOLDS(heap->allocated.objects - heap->freed.objects == n.used.objects, n.used.objects);
	return core_problem;
}

#endif
