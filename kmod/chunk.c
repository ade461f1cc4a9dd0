// SPDX-License-Identifier: GPL-2.0
/*
 * Chunks and runs of blocks.
 *
 * Owns the chunk table and each chunk's block bitmaps. A run is taken at the lowest
 * address where it fits (first fit): the heap stays dense at its low end, and the
 * chunks at the high end fall empty first. A run longer than a chunk starts at a
 * chunk boundary and takes whole chunks, but for its last one.
 *
 * Free blocks in a chunk that is in use may be absent: their memory was given back. They are
 * the last to be used again, as that costs the chunk its one large piece of memory.
 *
 * Invariant: nr_empty counts the chunks whose nr_used is 0. All functions need the
 * heap lock; they allocate memory and may sleep.
 */
#include "heap.h"
#include "ids.h"
#include "layout.h"

#define FIRST_TABLE_ENTRIES	64U

struct kmem_cache *gcarena_chunk_cache;

/**
 * gcarena_heap_init() - make an empty heap
 * @heap: zeroed memory
 * @reserve: bytes of address range, a multiple of the chunk size
 * @limit: most bytes of backing, a multiple of the chunk size
 *
 * Return: 0 or -ENOMEM.
 */
int gcarena_heap_init(struct gcarena_heap *heap, u64 reserve, u64 limit)
{
	int ret;

	INIT_LIST_HEAD(&heap->buckets);
	INIT_LIST_HEAD(&heap->pending);
	INIT_LIST_HEAD(&heap->emptied);
	gcarena_bucket_init(heap, &heap->large);
	heap->max_chunks = reserve >> GCARENA_CHUNK_SHIFT;
	heap->limit_chunks = limit >> GCARENA_CHUNK_SHIFT;
	ret = gcarena_layouts_init(heap);
	if (ret) {
		gcarena_heap_destroy(heap);
		memset(heap, 0, sizeof(*heap));		/* as it came: there may be a next try */
	}
	return ret;
}

static void chunk_destroy(struct gcarena_heap *heap, u32 index)
{
	struct heap_chunk *chunk = heap->chunks[index];
	unsigned int nr_absent = chunk->nr_absent;

	/* Unpublish first: no page fault may map what is about to be freed. */
	gcarena_backing_publish(heap, index, NULL);
	gcarena_backing_free(heap, chunk, index);
	kmem_cache_free(gcarena_chunk_cache, chunk);
	heap->metadata_bytes -= sizeof(*chunk);
	heap->nr_chunks--;
	heap->nr_empty--;
	heap->nr_absent -= nr_absent;
	heap->nr_absent_idle -= nr_absent;
	heap->first_fit = min(heap->first_fit, index);
}

/* Frees everything. No lease may be left, and no mapping of the memory. */
void gcarena_heap_destroy(struct gcarena_heap *heap)
{
	struct heap_span *span;
	u64 pos = 0;
	u32 i;

	gcarena_ids_destroy(heap);
	while ((span = gcarena_span_next(heap, &pos))) {
		if (!list_empty(&span->link))
			list_del(&span->link);
		gcarena_span_destroy(heap, span);
		cond_resched();
	}
	for (i = 0; i < heap->nr_table; i++) {
		if (heap->chunks[i])
			chunk_destroy(heap, i);
		cond_resched();
	}
	gcarena_layouts_destroy(heap);
	kvfree(heap->chunks);
	heap->chunks = NULL;
	heap->nr_table = 0;
}

static int table_grow(struct gcarena_heap *heap, u32 index)
{
	struct heap_chunk **table, **old = heap->chunks;
	u32 nr = max(heap->nr_table, FIRST_TABLE_ENTRIES);

	while (nr <= index)
		nr *= 2;
	table = kvcalloc(nr, sizeof(*table), GCARENA_GFP);
	if (!table)
		return -ENOMEM;
	if (heap->nr_table)
		memcpy(table, old, heap->nr_table * sizeof(*table));
	heap->metadata_bytes += (nr - heap->nr_table) * sizeof(*table);
	gcarena_backing_publish_table(heap, table, nr);
	kvfree(old);
	return 0;
}

/* May there be @more blocks? */
static bool within_limit(const struct gcarena_heap *heap, unsigned int more)
{
	u64 held = (u64)heap->nr_chunks * GCARENA_CHUNK_BLOCKS - heap->nr_absent;

	return held + more <= (u64)heap->limit_chunks * GCARENA_CHUNK_BLOCKS;
}

static int chunk_create(struct gcarena_heap *heap, u32 index)
{
	struct heap_chunk *chunk;
	int ret;

	if (!within_limit(heap, GCARENA_CHUNK_BLOCKS))
		return -ENOSPC;
	if (index >= heap->nr_table) {
		ret = table_grow(heap, index);
		if (ret)
			return ret;
	}
	chunk = kmem_cache_zalloc(gcarena_chunk_cache, GCARENA_GFP);
	if (!chunk)
		return -ENOMEM;
	ret = gcarena_backing_alloc(heap, chunk);
	if (ret) {
		kmem_cache_free(gcarena_chunk_cache, chunk);
		return ret;
	}
	chunk->longest_free = GCARENA_CHUNK_BLOCKS;
	heap->metadata_bytes += sizeof(*chunk);
	heap->nr_chunks++;
	heap->nr_empty++;
	heap->peak_chunks = max(heap->peak_chunks, heap->nr_chunks);
	heap->top = max(heap->top, index + 1);
	gcarena_backing_publish(heap, index, chunk);
	return 0;
}

static void chunk_take(struct gcarena_heap *heap, u32 index, unsigned int first, unsigned int nr)
{
	struct heap_chunk *chunk = heap->chunks[index];

	if (!chunk->nr_used) {
		heap->nr_empty--;
		heap->nr_absent_idle -= chunk->nr_absent;
	}
	chunk->nr_used += nr;
	bitmap_set(chunk->used, first, nr);
}

static void chunk_put(struct gcarena_heap *heap, u32 index, unsigned int first, unsigned int nr)
{
	struct heap_chunk *chunk = heap->chunks[index];

	bitmap_clear(chunk->used, first, nr);
	chunk->nr_used -= nr;
	if (!chunk->nr_used) {
		heap->nr_empty++;
		heap->nr_absent_idle += chunk->nr_absent;
	}
	/* An upper bound is enough; it is corrected when a search fails. */
	chunk->longest_free = GCARENA_CHUNK_BLOCKS - chunk->nr_used;
	heap->first_fit = min(heap->first_fit, index);
}

/* Where @nr blocks in a row are free and there; GCARENA_CHUNK_BLOCKS: nowhere. */
static unsigned long chunk_find(const struct heap_chunk *chunk, unsigned int nr)
{
	DECLARE_BITMAP(taken, GCARENA_CHUNK_BLOCKS);
	unsigned long first;

	bitmap_or(taken, chunk->used, chunk->absent, GCARENA_CHUNK_BLOCKS);
	first = bitmap_find_next_zero_area(taken, GCARENA_CHUNK_BLOCKS, 0, nr, 0);
	return min_t(unsigned long, first, GCARENA_CHUNK_BLOCKS);
}

/* Take @nr blocks inside one chunk, if it has such a run. */
static bool chunk_fit(struct gcarena_heap *heap, u32 index, unsigned int nr, u64 *start)
{
	struct heap_chunk *chunk = heap->chunks[index];
	unsigned long first;

	if (chunk->longest_free < nr || chunk->apart)
		return false;
	first = chunk_find(chunk, nr);
	if (first >= GCARENA_CHUNK_BLOCKS) {
		chunk->longest_free = nr - 1;
		return false;
	}
	chunk_take(heap, index, first, nr);
	*start = ((u64)index << GCARENA_CHUNK_SHIFT) + ((u64)first << GCARENA_BLOCK_SHIFT);
	return true;
}

/* Have all blocks of a chunk. Return: 0, -ENOSPC, -ENOMEM or -EINTR. */
static int chunk_revive(struct gcarena_heap *heap, u32 index)
{
	struct heap_chunk *chunk = heap->chunks[index];
	unsigned int nr = chunk->nr_absent;
	int ret;

	if (!nr)
		return 0;
	if (!within_limit(heap, nr))
		return -ENOSPC;
	ret = gcarena_backing_revive(heap, index);
	if (ret)
		return ret;
	heap->nr_absent -= nr;
	if (!chunk->nr_used)
		heap->nr_absent_idle -= nr;
	chunk->nr_absent = 0;
	chunk->longest_free = GCARENA_CHUNK_BLOCKS - chunk->nr_used;
	return 0;
}

/* A chunk where @nr blocks in a row would be free if all were there. Return: as revive. */
static int alloc_absent(struct gcarena_heap *heap, unsigned int nr, u32 *index)
{
	struct heap_chunk *chunk;

	for (*index = heap->first_fit; heap->nr_absent && *index < heap->top; ++*index) {
		chunk = heap->chunks[*index];
		if (chunk && chunk->nr_absent && !chunk->apart &&
		    bitmap_find_next_zero_area(chunk->used, GCARENA_CHUNK_BLOCKS, 0, nr, 0) <
		    GCARENA_CHUNK_BLOCKS)
			return chunk_revive(heap, *index);
	}
	return -ENOSPC;
}

static int alloc_in_chunk(struct gcarena_heap *heap, unsigned int nr, u64 *start)
{
	u32 index, hole = heap->max_chunks;
	int ret;

	for (index = heap->first_fit; index < heap->top; index++) {
		if (heap->chunks[index]) {
			if (chunk_fit(heap, index, nr, start))
				return 0;
			if (index == heap->first_fit &&
			    heap->chunks[index]->nr_used == GCARENA_CHUNK_BLOCKS)
				heap->first_fit++;
		} else if (hole == heap->max_chunks) {
			hole = index;
		}
	}
	index = min(hole, heap->top);
	ret = index < heap->max_chunks ? chunk_create(heap, index) : -ENOSPC;
	if (ret == -ENOSPC)
		ret = alloc_absent(heap, nr, &index);
	if (ret)
		return ret;
	return chunk_fit(heap, index, nr, start) ? 0 : -ENOSPC;
}

static bool chunk_is_empty(struct gcarena_heap *heap, u32 index)
{
	return index >= heap->nr_table || !heap->chunks[index] || !heap->chunks[index]->nr_used;
}

/* Lowest index where @nr chunks in a row are absent or empty. */
static u32 find_empty_chunks(struct gcarena_heap *heap, u64 nr)
{
	u32 index, run = 0;

	for (index = 0; index < heap->max_chunks && run < nr; index++) {
		if (index >= heap->top)		/* all absent from here on */
			return heap->max_chunks - (index - run) >= nr ? index - run
								       : heap->max_chunks;
		run = chunk_is_empty(heap, index) ? run + 1 : 0;
	}
	return run == nr ? index - run : heap->max_chunks;
}

static int alloc_chunks(struct gcarena_heap *heap, u64 nr, u64 *start)
{
	u64 nr_chunks = DIV_ROUND_UP(nr, GCARENA_CHUNK_BLOCKS);
	u32 first, i;
	int ret;

	if (nr_chunks > heap->max_chunks || nr_chunks > heap->limit_chunks)
		return -ENOSPC;
	first = find_empty_chunks(heap, nr_chunks);
	if (first >= heap->max_chunks)
		return -ENOSPC;
	for (i = first; i < first + nr_chunks; i++) {
		ret = gcarena_checkpoint();
		/* On failure the chunks made so far stay, empty and of use to others. */
		if (!ret && (i >= heap->nr_table || !heap->chunks[i]))
			ret = chunk_create(heap, i);
		else if (!ret)
			ret = chunk_revive(heap, i);
		if (ret)
			return ret;
	}
	*start = (u64)first << GCARENA_CHUNK_SHIFT;
	for (i = first; nr; i++) {
		unsigned int n = min_t(u64, nr, GCARENA_CHUNK_BLOCKS);

		chunk_take(heap, i, 0, n);
		heap->chunks[i]->longest_free = GCARENA_CHUNK_BLOCKS - n;
		nr -= n;
	}
	return 0;
}

/**
 * gcarena_blocks_alloc() - take a run of blocks, and backing for it
 * @heap: the heap
 * @nr: how many blocks
 * @start: offset of the first, set on success
 *
 * Return: 0, -ENOSPC (limit or address range is used up), -ENOMEM or -EINTR.
 */
int gcarena_blocks_alloc(struct gcarena_heap *heap, u64 nr, u64 *start)
{
	int ret;

	if (nr <= GCARENA_CHUNK_BLOCKS)
		ret = alloc_in_chunk(heap, nr, start);
	else
		ret = alloc_chunks(heap, nr, start);
	if (!ret)
		heap->span_bytes += nr << GCARENA_BLOCK_SHIFT;
	return ret;
}

/**
 * gcarena_blocks_alloc_below() - take a run of blocks in memory that is there
 * @heap: the heap
 * @nr: how many blocks, at most a chunk's
 * @below: index of the first chunk that will not do
 * @start: offset of the first, set on success
 *
 * Return: 0 or -ENOSPC: there is no such run.
 */
int gcarena_blocks_alloc_below(struct gcarena_heap *heap, u64 nr, u32 below, u64 *start)
{
	u32 index;

	for (index = heap->first_fit; index < min(below, heap->top); index++) {
		if (heap->chunks[index] && chunk_fit(heap, index, nr, start)) {
			heap->span_bytes += nr << GCARENA_BLOCK_SHIFT;
			return 0;
		}
	}
	return -ENOSPC;
}

/* Calls for each chunk that the run [start, start + nr blocks) touches. */
#define for_each_part(start, nr, index, first, n)				\
	for (index = (start) >> GCARENA_CHUNK_SHIFT,				\
	     first = ((start) >> GCARENA_BLOCK_SHIFT) % GCARENA_CHUNK_BLOCKS;	\
	     (n = min_t(u64, nr, GCARENA_CHUNK_BLOCKS - first));		\
	     nr -= n, index++, first = 0)

/* Give a run back. Its chunks stay until gcarena_chunks_release(). */
void gcarena_blocks_free(struct gcarena_heap *heap, u64 start, u64 nr)
{
	unsigned int first, n;
	u32 index;

	heap->span_bytes -= nr << GCARENA_BLOCK_SHIFT;
	for_each_part(start, nr, index, first, n) {
		bitmap_set(heap->chunks[index]->dirty, first, n);
		chunk_put(heap, index, first, n);
	}
}

static bool span_is_scanned(const struct heap_span *span)
{
	return span && span->layout->scan != GCARENA_SCAN_NONE;
}

/* Enter @span, or NULL, for each block of a run. What was there before is still valid. */
void gcarena_blocks_set_span(struct gcarena_heap *heap, u64 start, u64 nr,
			     struct heap_span *span)
{
	unsigned int first, n, i, index_in_span = 0;
	u32 index;

	for_each_part(start, nr, index, first, n) {
		struct heap_chunk *chunk = heap->chunks[index];
		struct heap_block *block = &chunk->blocks[first];

		chunk->nr_scanned += n * (span_is_scanned(span) - span_is_scanned(block->span));
		for (i = 0; i < n; i++, block++) {
			block->layout = span ? span->layout->number : 0;
			block->class = span ? span->class : 0;
			block->index = index_in_span++;
			WRITE_ONCE(block->span, span);	/* pairs with the fault path */
		}
	}
}

/* Was any block of the run in a span before, so that it may not be all zero? */
bool gcarena_blocks_dirty(struct gcarena_heap *heap, u64 start, u64 nr)
{
	unsigned int first, n;
	u32 index;

	for_each_part(start, nr, index, first, n) {
		if (find_next_bit(heap->chunks[index]->dirty, first + n, first) < first + n)
			return true;
	}
	return false;
}

/**
 * gcarena_chunks_exchange() - move a chunk, with all that is in it
 * @heap: the heap
 * @from: its index
 * @to: an index below that, whose chunk is empty or absent: that one goes to @from
 *
 * What is said about places stays with the places. The spans are for the caller to change.
 */
void gcarena_chunks_exchange(struct gcarena_heap *heap, u32 from, u32 to)
{
	struct heap_chunk *chunk = heap->chunks[from], *other = heap->chunks[to];
	bool apart = chunk->apart;

	chunk->apart = other && other->apart;
	if (other)
		other->apart = apart;
	gcarena_backing_exchange(heap, from, to);
	heap->first_fit = min(heap->first_fit, to);
}

static bool chunk_can_go(const struct gcarena_heap *heap, u32 index)
{
	return heap->chunks[index] && !heap->chunks[index]->nr_used;
}

/* Give back an empty one. Return: bytes. */
static u64 chunk_release(struct gcarena_heap *heap, u32 index)
{
	u64 bytes = GCARENA_CHUNK_BYTES -
		    ((u64)heap->chunks[index]->nr_absent << GCARENA_BLOCK_SHIFT);

	chunk_destroy(heap, index);
	heap->released_bytes += bytes;
	return bytes;
}

/* After that. */
static void top_lower(struct gcarena_heap *heap)
{
	while (heap->top && !heap->chunks[heap->top - 1])
		heap->top--;
	heap->first_fit = min(heap->first_fit, heap->top);
}

/**
 * gcarena_chunks_release() - give empty chunks back to the system
 * @heap: the heap
 * @keep: stop when the heap has no more than this many bytes of backing
 *
 * From the high end down, as the low end is filled first. Nothing while a trace is on.
 *
 * Return: bytes given back.
 */
u64 gcarena_chunks_release(struct gcarena_heap *heap, u64 keep)
{
	u64 released = 0;
	u32 i;

	if (heap->tracing)
		return 0;
	for (i = heap->top; i && heap->nr_empty; i--) {
		if (gcarena_heap_held(heap) <= keep)
			break;
		if (!chunk_can_go(heap, i - 1))
			continue;
		released += chunk_release(heap, i - 1);
		cond_resched();
	}
	top_lower(heap);
	return released;
}

/* Chunks with less to give back stay whole. */
#define RELEASE_BLOCKS	(GCARENA_CHUNK_BLOCKS / 8)

/* Give a chunk's free blocks back. Return: bytes. */
static u64 chunk_discard(struct gcarena_heap *heap, u32 index)
{
	struct heap_chunk *chunk = heap->chunks[index];
	unsigned long first, end = 0;
	unsigned int nr = 0;

	if (GCARENA_CHUNK_BLOCKS - chunk->nr_used - chunk->nr_absent < RELEASE_BLOCKS)
		return 0;
	while ((first = chunk_find(chunk, 1)) < GCARENA_CHUNK_BLOCKS) {
		end = min(find_next_bit(chunk->used, GCARENA_CHUNK_BLOCKS, first),
			  find_next_bit(chunk->absent, GCARENA_CHUNK_BLOCKS, first));
		if (!gcarena_backing_discard(heap, index, first, end - first))
			break;
		/* When they are had again they are zero. */
		bitmap_clear(chunk->dirty, first, end - first);
		chunk->nr_absent += end - first;
		heap->nr_absent += end - first;
		nr += end - first;
	}
	heap->released_bytes += (u64)nr << GCARENA_BLOCK_SHIFT;
	return (u64)nr << GCARENA_BLOCK_SHIFT;
}

/**
 * gcarena_blocks_release() - give free blocks of chunks in use back to the system
 * @heap: the heap
 * @keep: stop when the heap has no more than this many bytes of backing
 *
 * After gcarena_chunks_release(). For a heap that is not about to grow again. Nothing while a
 * trace is on.
 *
 * Return: bytes given back.
 */
u64 gcarena_blocks_release(struct gcarena_heap *heap, u64 keep)
{
	u64 released = 0;
	u32 i;

	for (i = heap->top; i && !heap->tracing && gcarena_heap_held(heap) > keep; i--) {
		if (heap->chunks[i - 1] && heap->chunks[i - 1]->nr_used)
			released += chunk_discard(heap, i - 1);
		cond_resched();
	}
	return released;
}

/**
 * gcarena_release_begin() - begin to do what the two above do, in steps
 * @heap: the heap
 * @release: where gcarena_release_step() goes on
 */
void gcarena_release_begin(const struct gcarena_heap *heap, struct heap_release *release)
{
	release->next = heap->top;
	release->blocks = false;
}

/**
 * gcarena_release_step() - look at one chunk, and give back what it has
 * @heap: the heap; between steps anything may become of it
 * @release: from gcarena_release_begin()
 * @keep: as for gcarena_chunks_release()
 * @bytes: what was given back is added
 *
 * Return: there is more to look at.
 */
bool gcarena_release_step(struct gcarena_heap *heap, struct heap_release *release, u64 keep,
			  u64 *bytes)
{
	u32 index;

	if (!release->next)
		return false;
	index = --release->next;
	/* No more than there was when it began: what came after that is in use. */
	if (!heap->tracing && index < heap->top && gcarena_heap_held(heap) > keep) {
		if (chunk_can_go(heap, index)) {
			*bytes += chunk_release(heap, index);
			top_lower(heap);
		} else if (release->blocks && heap->chunks[index]) {
			*bytes += chunk_discard(heap, index);
		}
	}
	if (!release->next && !release->blocks) {
		release->next = heap->top;
		release->blocks = true;
	}
	return release->next;
}
