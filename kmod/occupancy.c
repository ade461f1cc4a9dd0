// SPDX-License-Identifier: GPL-2.0
/*
 * What spans hold, for people: one by one, and summed up by class.
 *
 * Needs the heap lock, which may be dropped between two calls: a position is an offset,
 * and the walk goes on at the first span behind it.
 */
#include "arena.h"
#include "occupancy.h"

/* Spans to look at before the lock can be dropped. */
#define BATCH_SPANS	1024

/* Classes of spans are numbered by layout and size class. */
static unsigned long row_key(const struct heap_span *span)
{
	return (unsigned long)span->layout->number << 8 | span->class;
}

static bool is_unswept(const struct gcarena *arena, const struct heap_span *span)
{
	return !span->lease && span->epoch != arena->heap.epoch;
}

/* Marks outlive what sweeping or the program has freed for no longer than the cycle. */
static u32 count_old(const struct heap_span *span)
{
	unsigned int w;
	u32 nr = 0;

	for (w = 0; w < gcarena_span_nr_words(span); w++)
		nr += hweight64(span->words[w].alloc & span->words[w].mark);
	return nr;
}

static struct gcarena_class_row *row_create(struct xarray *rows, const struct heap_span *span)
{
	struct gcarena_class_row *row = kzalloc(sizeof(*row), GCARENA_GFP);

	if (!row)
		return NULL;
	row->size_class = span->class;
	row->layout = span->layout->number;
	if (span->class != GCARENA_CLASS_LARGE)
		row->slot_bytes = span->slot_bytes;
	BUILD_BUG_ON(sizeof(row->name) != sizeof(span->layout->name));
	memcpy(row->name, span->layout->name, sizeof(row->name));
	if (xa_err(xa_store(rows, row_key(span), row, GCARENA_GFP))) {
		kfree(row);
		return NULL;
	}
	return row;
}

static int row_add(struct gcarena *arena, struct xarray *rows, const struct heap_span *span)
{
	struct gcarena_class_row *row = xa_load(rows, row_key(span));

	if (!row)
		row = row_create(rows, span);
	if (!row)
		return -ENOMEM;
	row->spans++;
	row->span_bytes += span->bytes;
	row->owned += !!span->lease;
	row->unswept += is_unswept(arena, span);
	row->slots += span->nr_slots;
	row->used += span->nr_used;
	row->used_bytes += span->nr_used * span->slot_bytes;
	row->old += count_old(span);
	return 0;
}

/**
 * gcarena_occupancy_add() - add up some spans by class
 * @arena: the arena
 * @rows: struct gcarena_class_row by key; see gcarena_occupancy_free()
 * @pos: where to go on; 0 at first
 *
 * Return: 1: there may be more; 0: these were all; -ENOMEM.
 */
int gcarena_occupancy_add(struct gcarena *arena, struct xarray *rows, u64 *pos)
{
	const struct heap_span *span;
	unsigned int n;
	int ret;

	lockdep_assert_held(&arena->lock);
	if (!gcarena_is_created(arena))
		return 0;
	for (n = 0; n < BATCH_SPANS; n++) {
		span = gcarena_span_next(&arena->heap, pos);
		if (!span)
			return 0;
		ret = row_add(arena, rows, span);
		if (ret)
			return ret;
	}
	return 1;
}

void gcarena_occupancy_free(struct xarray *rows)
{
	struct gcarena_class_row *row;
	unsigned long key;

	xa_for_each(rows, key, row)
		kfree(row);
	xa_destroy(rows);
}

/* Describe the next span at or behind @pos, and step over it. Return: false: none. */
bool gcarena_occupancy_span(struct gcarena *arena, u64 *pos, struct gcarena_span_row *row)
{
	const struct heap_span *span;

	lockdep_assert_held(&arena->lock);
	span = gcarena_is_created(arena) ? gcarena_span_next(&arena->heap, pos) : NULL;
	if (!span)
		return false;
	*row = (struct gcarena_span_row) {
		.start = span->start,
		.bytes = span->bytes,
		.size_class = span->class,
		.layout = span->layout->number,
		.state = (span->lease ? GCARENA_SPAN_STATE_OWNED : 0) |
			 (is_unswept(arena, span) ? GCARENA_SPAN_STATE_UNSWEPT : 0),
		.slots = span->nr_slots,
		.used = span->nr_used,
		.old = count_old(span),
	};
	return true;
}
