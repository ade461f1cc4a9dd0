// SPDX-License-Identifier: GPL-2.0
/*
 * Compaction's last plan: chunks move as they are, with their memory, to lower places that
 * have none. Nothing is copied: the chunk table gets another order, page tables follow at the
 * next access, and pointers are changed. That is how objects of more than a chunk move.
 *
 * (Within a chunk, large objects are copied: compact.c. To exchange some pages of a chunk for
 * pages of another would split the huge pages that both of them are.)
 *
 * Chunks that an object connects move together: a group. First, from the highest down, each
 * goes to the lowest place that it fits in, so that no more move than there have to. Then,
 * from the lowest up, those that have not moved: places have become free, or larger, and now
 * one may be in part where the group is. A group stays if something in it must: see
 * gcarena_compact_is_fixed(). The order of addresses is not kept.
 *
 *	before	|AA.|BBB|...|cc.|...|DDD|D..|	B is pinned
 *	after	|AA.|BBB|cc.|DDD|D..|
 *
 * Needs what compact.c needs, and nothing else planned.
 */
#include "compact.h"
#include "ids.h"
#include "shift.h"

static bool is_empty(const struct gcarena_heap *heap, u32 index)
{
	return !heap->chunks[index] || !heap->chunks[index]->nr_used;
}

/* Does an object reach into the chunk from the one before? */
static bool is_connected(const struct gcarena_heap *heap, u32 index)
{
	const struct heap_chunk *chunk = heap->chunks[index];
	const struct heap_span *span = chunk ? chunk->blocks[0].span : NULL;

	return span && span->start < (u64)index << GCARENA_CHUNK_SHIFT;
}

/* The first chunk of the group that ends before @end. */
static u32 group_first(const struct gcarena_heap *heap, u32 end)
{
	while (is_connected(heap, --end))
		;
	return end;
}

/* Behind the last chunk of the group that begins at @first. */
static u32 group_end(const struct gcarena_compact *c, u32 first)
{
	while (++first < c->nr_chunks && is_connected(c->heap, first))
		;
	return first;
}

/* Find a lower place; with @slide in part its own perhaps. */
static void plan_group(struct gcarena_compact *c, unsigned long *taken, u32 first, u32 nr,
		       bool slide)
{
	u32 i, to, end = slide ? first + nr : first;

	if (slide)
		bitmap_clear(taken, first, nr);
	to = bitmap_find_next_zero_area(taken, end, 0, nr, 0);
	if (to + nr > end)
		return;
	/* Only now: it takes longer than finding a place does. */
	if (to < first && gcarena_compact_is_fixed(c, first, nr))
		to = first;
	bitmap_clear(taken, first, nr);
	bitmap_set(taken, to, nr);
	if (to == first)
		return;
	for (i = 0; i < nr; i++)
		c->new_index[first + i] = to + i;
	c->shifts[c->nr_shifts++] = (struct compact_shift) { first, to, nr };
}

static int plan_downwards(struct gcarena_compact *c, unsigned long *taken)
{
	u32 end, first, low = 0;

	for (end = c->nr_chunks; end; end = first) {
		first = group_first(c->heap, end);
		low = find_next_zero_bit(taken, c->nr_chunks, low);
		if (low >= first)
			break;
		if (!is_empty(c->heap, first))
			plan_group(c, taken, first, end - first, false);
		if (gcarena_checkpoint())
			return -EINTR;
	}
	return 0;
}

static int plan_upwards(struct gcarena_compact *c, unsigned long *taken)
{
	u32 first = find_next_zero_bit(taken, c->nr_chunks, 0), end;

	for (; first < c->nr_chunks; first = end) {
		end = group_end(c, first);
		if (!is_empty(c->heap, first) && c->new_index[first] == first)
			plan_group(c, taken, first, end - first, true);
		if (gcarena_checkpoint())
			return -EINTR;
	}
	return 0;
}

static int plan_all(struct gcarena_compact *c, unsigned long *taken)
{
	u32 i;

	c->new_index = kvcalloc(c->nr_chunks, sizeof(*c->new_index), GCARENA_GFP);
	c->shifts = kvcalloc(c->nr_chunks, sizeof(*c->shifts), GCARENA_GFP);
	if (!c->new_index || !c->shifts)
		return -ENOMEM;
	for (i = 0; i < c->nr_chunks; i++) {
		c->new_index[i] = i;
		if (!is_empty(c->heap, i))
			bitmap_set(taken, i, 1);
	}
	return plan_downwards(c, taken) ?: plan_upwards(c, taken);
}

/**
 * gcarena_shift_plan() - plan to move chunks to lower places
 * @c: the compaction, of all chunks, with nothing planned
 *
 * gcarena_compact_forward() tells of it, and gcarena_compact_cancel() takes it back.
 *
 * Return: 0, -ENOMEM or -EINTR: then nothing is planned.
 */
int gcarena_shift_plan(struct gcarena_compact *c)
{
	unsigned long *taken;
	int ret;

	if (!c->nr_chunks)
		return 0;
	taken = kvcalloc(DIV_ROUND_UP(c->nr_chunks, BITS_PER_LONG), sizeof(*taken), GCARENA_GFP);
	ret = taken ? plan_all(c, taken) : -ENOMEM;
	kvfree(taken);
	if (ret || !c->nr_shifts)
		gcarena_compact_cancel(c);
	return ret;
}

/* ---- Moving: nothing fails ------------------------------------------------------- */

static void span_shift(struct gcarena_compact *c, struct heap_span *span, u64 down)
{
	gcarena_ids_shift(c->heap, span, down);
	span->start -= down;
	gcarena_tally_add(&c->moved, span->nr_used, span->slot_bytes);
}

/* @to is empty or absent. */
static void chunk_shift(struct gcarena_compact *c, u32 from, u32 to)
{
	const u64 start = (u64)from << GCARENA_CHUNK_SHIFT;
	struct heap_chunk *chunk = c->heap->chunks[from];
	unsigned long block = 0;
	struct heap_span *span;

	/* One that reaches into the chunk has been told of its new place. */
	while ((block = find_next_bit(chunk->used, GCARENA_CHUNK_BLOCKS, block)) <
	       GCARENA_CHUNK_BLOCKS) {
		span = chunk->blocks[block].span;
		if (span->start == start + (block << GCARENA_BLOCK_SHIFT)) {
			block += span->bytes >> GCARENA_BLOCK_SHIFT;
			span_shift(c, span, (u64)(from - to) << GCARENA_CHUNK_SHIFT);
		} else {
			block++;
		}
	}
	gcarena_chunks_exchange(c->heap, from, to);
	/* Pages are known by where they are. */
	gcarena_backing_mark_dirty(c->heap, (u64)to << GCARENA_CHUNK_SHIFT, GCARENA_CHUNK_BYTES);
}

/**
 * gcarena_shift_move() - do what gcarena_shift_plan() has planned
 * @c: the compaction
 *
 * Then nothing is planned any more. What has moved away from, is empty or absent.
 */
void gcarena_shift_move(struct gcarena_compact *c)
{
	const struct compact_shift *shift = c->shifts;
	u32 i;

	if (!c->nr_shifts)
		return;
	gcarena_compact_update(c);
	/* In the order of the plan: a place that was vacated is free when it is filled. */
	for (; shift < c->shifts + c->nr_shifts; shift++) {
		for (i = 0; i < shift->nr; i++)
			chunk_shift(c, shift->from + i, shift->to + i);
		cond_resched();
	}
	gcarena_compact_cancel(c);
}
