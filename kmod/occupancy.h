/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_OCCUPANCY_H
#define GCARENA_OCCUPANCY_H

#include <linux/xarray.h>

#include "layout.h"

/**
 * struct gcarena_class_row - what the spans of one class hold
 * @size_class: size class
 * @layout: number of the layout
 * @name: its name
 * @slot_bytes: length of a slot, 0 for large objects
 * @spans: spans
 * @span_bytes: bytes of them
 * @owned: of the spans, those that threads hold
 * @unswept: of the spans, those not swept since the last cycle
 * @slots: slots
 * @used: slots in use
 * @used_bytes: bytes of those
 * @old: slots in use that survived a collection
 */
struct gcarena_class_row {
	u32 size_class;
	u32 layout;
	char name[GCARENA_TYPE_NAME_BYTES];
	u64 slot_bytes;
	u64 spans;
	u64 span_bytes;
	u64 owned;
	u64 unswept;
	u64 slots;
	u64 used;
	u64 used_bytes;
	u64 old;
};

/**
 * struct gcarena_span_row - what one span holds
 * @start: offset
 * @bytes: length
 * @size_class: size class
 * @layout: number of the layout
 * @state: GCARENA_SPAN_STATE_ bits
 * @slots: slots
 * @used: slots in use
 * @old: slots in use that survived a collection
 */
struct gcarena_span_row {
	u64 start;
	u64 bytes;
	u32 size_class;
	u32 layout;
	u32 state;
	u32 slots;
	u32 used;
	u32 old;
};

int gcarena_occupancy_add(struct gcarena *arena, struct xarray *rows, u64 *pos);
void gcarena_occupancy_free(struct xarray *rows);
bool gcarena_occupancy_span(struct gcarena *arena, u64 *pos, struct gcarena_span_row *row);

#endif
