/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_IDS_H
#define GCARENA_IDS_H

#include "heap.h"

int gcarena_id_get(struct gcarena_heap *heap, const struct heap_slot *slot, u64 *id);
void gcarena_ids_drop(struct gcarena_heap *heap, struct heap_span *span, unsigned int w,
		      u64 slots);
void gcarena_id_move(struct gcarena_heap *heap, struct heap_span *from, u32 index,
		     const struct heap_slot *to);
void gcarena_ids_shift(struct gcarena_heap *heap, const struct heap_span *span, u64 bytes);
void gcarena_ids_destroy(struct gcarena_heap *heap);

#endif
