/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_REMEMBER_H
#define GCARENA_REMEMBER_H

#include "heap.h"

/* What is remembered of a word is the piece of memory it is in. */
#define GCARENA_CARD_SHIFT	9
#define GCARENA_CARD_BYTES	BIT(GCARENA_CARD_SHIFT)

/**
 * struct remember_region - a chunk to be emptied
 * @chunk: its index
 * @given_up: too much refers to it: it stays as it is
 * @whole: all of it is to be moved, not only what is in sparse spans
 * @movable: bytes of objects that may move, when it was chosen
 * @used: bytes of those that are to be moved
 * @saved: bytes of memory that are gained by that, about
 * @cards: where words are that point into it, by number of the card; some more than once
 * @nr: how many
 * @room: entries in @cards
 */
struct remember_region {
	u32 chunk;
	bool given_up;
	bool whole;
	u64 movable;
	u64 used;
	u64 saved;
	u64 *cards;
	u32 nr;
	u32 room;
};

/* What gcarena_remember_choose() is at. */
enum remember_step {
	REMEMBER_ROOM,		/* how much room other spans have */
	REMEMBER_WEIGH,		/* what each chunk costs and saves */
	REMEMBER_FORGET,	/* that spans could not be emptied */
};

/**
 * struct gcarena_remember - regions, and where the words are that point into them
 * @heap: the heap
 * @end: offsets at or above are in no region
 * @region_of: for each chunk: one more than the number of its region, or 0
 * @nr_chunks: entries in @region_of
 * @regions: the regions, in the order in which they are to be emptied
 * @nr: how many
 * @room: entries in @regions
 * @step: choosing
 * @pos: where to go on, an offset
 * @index: where to go on, a chunk
 * @below: free blocks of the chunks before it that are in use
 * @saved: what emptying those is worth, bytes
 * @retried: those that could not be emptied before get another turn
 * @any_stuck: there were some
 * @next: those before it are done with
 * @page: gcarena_remember_some(): where to go on
 * @max_cards: so many at most, or a region is given up
 * @error: -ENOMEM once a card could not be noted
 */
struct gcarena_remember {
	struct gcarena_heap *heap;
	u64 end;
	u16 *region_of;
	u32 nr_chunks;
	struct remember_region *regions;
	u32 nr;
	u32 room;
	enum remember_step step;
	u64 pos;
	u32 index;
	u64 below;
	u64 saved;
	bool retried;
	bool any_stuck;
	u32 next;
	u64 page;
	u32 max_cards;
	int error;
};

int gcarena_remember_init(struct gcarena_remember *r, struct gcarena_heap *heap, u32 room,
			  u32 max_cards);
void gcarena_remember_destroy(struct gcarena_remember *r);
int gcarena_remember_choose(struct gcarena_remember *r, u64 most, bool retry, u32 max);
int gcarena_remember_some(struct gcarena_remember *r, u64 pages);
int gcarena_remember_dirty(struct gcarena_remember *r, const unsigned long *pages,
			   unsigned long nr_pages, unsigned long *page, u64 max);
void gcarena_region_tidy(struct remember_region *region);
void gcarena_region_done(struct gcarena_remember *r, struct remember_region *region);

#endif
