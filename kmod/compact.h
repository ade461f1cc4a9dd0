/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_COMPACT_H
#define GCARENA_COMPACT_H

#include "heap.h"

struct compact_chunk;
struct compact_forward;
struct remember_region;

/**
 * struct compact_shift - chunks that move as they are; see shift.c
 * @from: index of the first
 * @to: where it goes
 * @nr: how many
 */
struct compact_shift {
	u32 from;
	u32 to;
	u32 nr;
};

/**
 * struct gcarena_compact - one compaction
 * @heap: what is compacted
 * @chunks: pins and forwarding of each chunk
 * @nr_chunks: entries in @chunks
 * @end: offsets at or above are in none of them
 * @forwards: spans that are about to be moved out of
 * @new_index: for each chunk that moves as it is where it goes, for others itself; or NULL
 * @shifts: the same as a list, in order
 * @nr_shifts: entries in @shifts
 * @dirty_page: the page last told of as written, by number
 * @moved: objects moved so far
 * @steps: counts the work between checkpoints
 */
struct gcarena_compact {
	struct gcarena_heap *heap;
	struct compact_chunk **chunks;
	u32 nr_chunks;
	u64 end;
	struct compact_forward *forwards;
	u32 *new_index;
	struct compact_shift *shifts;
	u32 nr_shifts;
	u64 dirty_page;
	struct heap_tally moved;
	unsigned int steps;
};

int gcarena_compact_init(struct gcarena_compact *c, struct gcarena_heap *heap);
int gcarena_compact_init_none(struct gcarena_compact *c, struct gcarena_heap *heap);
int gcarena_compact_add(struct gcarena_compact *c, u32 index);
void gcarena_compact_destroy(struct gcarena_compact *c);
void gcarena_compact_pin_words(struct gcarena_compact *c, const unsigned long *words, size_t nr);
int gcarena_compact_pin_conservative(struct gcarena_compact *c);
int gcarena_compact_plan_slots(struct gcarena_compact *c);
int gcarena_compact_plan_spans(struct gcarena_compact *c);
u64 gcarena_compact_forward(const struct gcarena_compact *c, u64 offset);
bool gcarena_compact_is_fixed(struct gcarena_compact *c, u32 first, u32 nr);
void gcarena_compact_cancel(struct gcarena_compact *c);
void gcarena_compact_move(struct gcarena_compact *c);
void gcarena_compact_update(struct gcarena_compact *c);
void gcarena_compact_pin_cards(struct gcarena_compact *c, const struct remember_region *region);
void gcarena_compact_sort_region(struct gcarena_compact *c, const struct remember_region *region);
int gcarena_compact_plan_region(struct gcarena_compact *c, const struct remember_region *region,
				u64 *budget);
void gcarena_compact_move_regions(struct gcarena_compact *c, const struct remember_region *regions,
				  u32 nr);

#endif
