// SPDX-License-Identifier: GPL-2.0
/*
 * Remembering: which words of the heap point into chunks that are to be emptied.
 *
 * To move an object, everything that points to it has to be found while the world stands
 * still. A compacting collection looks at the whole heap for that. Here a few chunks
 * (regions) are chosen before; then the heap is gone through while the program runs, and
 * for each region the places are noted where words point into it (a remembered set, as in
 * D. Detlefs et al.: Garbage-first garbage collection, ISMM 2004; here made when it is
 * needed and dropped after, so that nobody has to keep it up). What is written meanwhile
 * is found by the pages' dirty bits, and looked at again. So little is left for the stop.
 *
 * Invariant, from the end of the first pass on: a word of an object in the heap that points
 * into a region is on one of its cards, or on a page written since the last look, or the
 * region was given up. So it does not matter what happens to spans and objects in between:
 * regions are addresses, and what is in there at the stop is moved or not.
 *
 * Needs the heap lock, which may be dropped between any two calls. Reads objects while the
 * program writes to them.
 */
#include "layout.h"
#include "remember.h"
#include "words.h"

#define FIRST_CARDS	64U
/* Such a part of what is held has to be saved: all of the heap is gone through for it. */
#define SAVED_PART	256U

static void choose_anew(struct gcarena_remember *r)
{
	struct heap_bucket *bucket;

	list_for_each_entry(bucket, &r->heap->buckets, link)
		bucket->room = 0;
	r->step = REMEMBER_ROOM;
	r->pos = 0;
	r->index = 0;
	r->below = 0;
	r->saved = 0;
}

/**
 * gcarena_remember_init() - nothing is chosen yet
 * @r: zeroed memory, or any
 * @heap: the heap
 * @room: most regions
 * @max_cards: most cards of one
 *
 * Return: 0 or -ENOMEM. In any case gcarena_remember_destroy() may be called.
 */
int gcarena_remember_init(struct gcarena_remember *r, struct gcarena_heap *heap, u32 room,
			  u32 max_cards)
{
	memset(r, 0, sizeof(*r));
	r->heap = heap;
	r->nr_chunks = heap->top;
	r->end = (u64)heap->top << GCARENA_CHUNK_SHIFT;
	r->room = min_t(u32, room, U16_MAX - 1);
	r->max_cards = max_cards;
	r->region_of = kvcalloc(max(heap->top, 1U), sizeof(*r->region_of), GCARENA_GFP);
	r->regions = kvcalloc(r->room, sizeof(*r->regions), GCARENA_GFP);
	choose_anew(r);
	return r->region_of && r->regions ? 0 : -ENOMEM;
}

static struct heap_chunk *chunk_of(const struct gcarena_remember *r,
				   const struct remember_region *region)
{
	/* It may have been given back, and the table may even be shorter. */
	return gcarena_heap_chunk(r->heap, (u64)region->chunk << GCARENA_CHUNK_SHIFT);
}

static void forget_cards(struct remember_region *region)
{
	kvfree(region->cards);
	region->cards = NULL;
	region->nr = 0;
	region->room = 0;
}

/* The region has been emptied, or will not be. Its chunk is like all others again. */
void gcarena_region_done(struct gcarena_remember *r, struct remember_region *region)
{
	struct heap_chunk *chunk = chunk_of(r, region);

	forget_cards(region);
	r->region_of[region->chunk] = 0;
	if (chunk)
		chunk->apart = false;
}

void gcarena_remember_destroy(struct gcarena_remember *r)
{
	for (; r->regions && r->next < r->nr; r->next++)
		gcarena_region_done(r, &r->regions[r->next]);
	kvfree(r->regions);
	kvfree(r->region_of);
	memset(r, 0, sizeof(*r));
}

/* ---- Choosing ----------------------------------------------------------------- */

/* What is stuck has room as well: it is filled. Return: there are more than @max spans. */
static bool count_room(struct gcarena_remember *r, u32 max)
{
	struct heap_span *span;

	for (; max; max--) {
		span = gcarena_span_next(r->heap, &r->pos);
		if (!span)
			return false;
		if (!span->lease)
			gcarena_span_bucket(r->heap, span)->room += span->nr_slots - span->nr_used;
	}
	return true;
}

/* Would there be one span less if this one were emptied, and is that worth the moving? */
static bool is_worth_it(struct gcarena_remember *r, struct heap_span *span)
{
	return gcarena_span_is_sparse(span) &&
	       gcarena_span_bucket(r->heap, span)->room >= span->nr_slots;
}

/*
 * What emptying a chunk costs and saves: its sparse spans; or everything, if that can go to
 * lower chunks, and leaves this one empty.
 */
static struct remember_region region_of(struct gcarena_remember *r,
					const struct heap_chunk *chunk, u32 index)
{
	struct remember_region region = { .chunk = index };
	unsigned long block = 0;
	struct heap_span *span;
	u64 movable = 0;

	while ((span = gcarena_span_in_chunk(r->heap, index, &block))) {
		if (!gcarena_span_movable(span) || span->stuck)
			continue;
		movable += span->bytes;
		region.movable += span->nr_used * span->slot_bytes;
		if (!is_worth_it(r, span))
			continue;
		region.used += span->nr_used * span->slot_bytes;
		region.saved += (span->nr_slots - span->nr_used) * span->slot_bytes;
	}
	if (movable == (u64)chunk->nr_used << GCARENA_BLOCK_SHIFT && r->below >= chunk->nr_used &&
	    region.movable <= GCARENA_CHUNK_BYTES / 4 * 3) {
		region.whole = true;
		region.used = region.movable;
		region.saved = GCARENA_CHUNK_BYTES - region.used;
	}
	return region;
}

/* Those that save the most first; of equal ones the higher. */
static void insert(struct gcarena_remember *r, struct remember_region new)
{
	u32 i;

	if (r->nr == r->room) {
		if (new.saved < r->regions[r->nr - 1].saved)
			return;
		r->nr--;
	}
	for (i = r->nr++; i && new.saved >= r->regions[i - 1].saved; i--)
		r->regions[i] = r->regions[i - 1];
	r->regions[i] = new;
}

/*
 * Nobody shall be given memory in there from now on, if there is any other. That is
 * no more than a wish: nothing depends on it.
 */
static void set_apart(struct gcarena_remember *r, const struct remember_region *region)
{
	struct heap_chunk *chunk = chunk_of(r, region);
	struct heap_bucket *bucket;
	struct heap_span *span;
	unsigned long block = 0;

	if (!chunk)
		return;
	chunk->apart = true;
	while ((span = gcarena_span_in_chunk(r->heap, region->chunk, &block))) {
		if (!gcarena_span_movable(span) || span->nr_used == span->nr_slots)
			continue;
		bucket = gcarena_span_bucket(r->heap, span);
		list_del_init(&span->link);
		list_add_tail(&span->link, &bucket->partial);
	}
}

/* Keep the best ones, of @most bytes in all, and no more than the others have room for. */
static void keep(struct gcarena_remember *r, u64 most)
{
	u64 room = ((u64)r->heap->nr_chunks << GCARENA_CHUNK_SHIFT) - r->heap->used.bytes;
	u64 used = 0;
	u32 i;

	for (i = 0; i < r->nr && (!i || used + r->regions[i].used <= most); i++) {
		used += r->regions[i].used;
		room -= min(room, GCARENA_CHUNK_BYTES - r->regions[i].movable);
		if (used > room)
			break;
	}
	r->nr = i;
	for (i = 0; i < r->nr; i++) {
		r->region_of[r->regions[i].chunk] = i + 1;
		set_apart(r, &r->regions[i]);
	}
}

/* All chunks that are worth it. Return: there are more than those of about @max spans. */
static bool weigh(struct gcarena_remember *r, u32 max)
{
	struct remember_region region;
	struct heap_chunk *chunk;

	for (; max && r->index < r->nr_chunks; r->index++) {
		chunk = gcarena_heap_chunk(r->heap, (u64)r->index << GCARENA_CHUNK_SHIFT);
		if (!chunk || !chunk->nr_used)
			continue;
		region = region_of(r, chunk, r->index);
		r->saved += region.saved;
		if (region.used)
			insert(r, region);
		r->below += GCARENA_CHUNK_BLOCKS - chunk->nr_used - chunk->nr_absent;
		max -= min_t(u32, max, GCARENA_CHUNK_BLOCKS);
	}
	return r->index < r->nr_chunks;
}

/* What kept them when it was tried may be gone. Return: there are more than @max spans. */
static bool forget_stuck(struct gcarena_remember *r, u32 max)
{
	struct heap_span *span;

	for (; max; max--) {
		span = gcarena_span_next(r->heap, &r->pos);
		if (!span)
			return false;
		r->any_stuck |= span->stuck;
		span->stuck = false;
	}
	return true;
}

/* All have been weighed: are they worth it together? Return: 0, -EAGAIN. */
static int decide(struct gcarena_remember *r, u64 most, bool retry)
{
	if (r->saved < gcarena_heap_held(r->heap) / SAVED_PART)
		r->nr = 0;
	if (r->nr || !retry || r->retried) {
		keep(r, most);
		return 0;
	}
	r->retried = true;
	r->step = REMEMBER_FORGET;
	r->pos = 0;
	return -EAGAIN;
}

/**
 * gcarena_remember_choose() - which chunks to empty
 * @r: as gcarena_remember_init() has left it, or an earlier call
 * @most: move no more bytes than that in all
 * @retry: if there is nothing else, those that could not be emptied before, too
 * @max: look at about so many spans, some 100 at least
 *
 * Those that save the most first. Spans that could not be emptied before do not count, so that
 * each gets its turn, whatever is pinned in the emptiest; who calls again with @retry gives
 * them another one. The heap is swept. What changes between two calls may make the choice
 * a worse one, and nothing else.
 *
 * Return: 0, or -EAGAIN: there is more to look at.
 */
int gcarena_remember_choose(struct gcarena_remember *r, u64 most, bool retry, u32 max)
{
	switch (r->step) {
	case REMEMBER_ROOM:
		if (!count_room(r, max))
			r->step = REMEMBER_WEIGH;
		return -EAGAIN;
	case REMEMBER_WEIGH:
		return weigh(r, max) ? -EAGAIN : decide(r, most, retry);
	default:
		if (forget_stuck(r, max))
			return -EAGAIN;
		if (!r->any_stuck)
			return 0;
		choose_anew(r);
		return -EAGAIN;
	}
}

/* ---- Looking at words --------------------------------------------------------- */

static bool cards_grow(struct remember_region *region)
{
	u32 room = max(2 * region->room, FIRST_CARDS);
	u64 *cards = kvmalloc(room * sizeof(*cards), GCARENA_GFP);

	if (!cards)
		return false;
	if (region->nr)
		memcpy(cards, region->cards, region->nr * sizeof(*cards));
	kvfree(region->cards);
	region->cards = cards;
	region->room = room;
	return true;
}

static int compare_cards(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/**
 * gcarena_region_tidy() - have each card once
 * @region: the region
 *
 * A page that is written again and again is looked at as often, and what is on it noted.
 */
void gcarena_region_tidy(struct remember_region *region)
{
	u32 i, nr = 0;

	if (region->nr < 2)
		return;
	sort(region->cards, region->nr, sizeof(*region->cards), compare_cards, NULL);
	for (i = 0; i < region->nr; i++) {
		if (!nr || region->cards[nr - 1] != region->cards[i])
			region->cards[nr++] = region->cards[i];
	}
	region->nr = nr;
}

/* Have room for another card. What is gained by sorting has to last. Return: false: no memory. */
static bool cards_make_room(struct gcarena_remember *r, struct remember_region *region)
{
	if (region->nr < min(region->room, r->max_cards))
		return true;
	gcarena_region_tidy(region);
	if (region->nr > r->max_cards / 4 * 3) {
		region->given_up = true;
		forget_cards(region);
		return true;
	}
	return region->nr < region->room / 4 * 3 || cards_grow(region);
}

static noinline void remember(struct gcarena_remember *r, struct remember_region *region, u64 card)
{
	if (region->given_up || (region->nr && region->cards[region->nr - 1] == card))
		return;
	if (!cards_make_room(r, region))
		r->error = -ENOMEM;
	else if (!region->given_up)
		region->cards[region->nr++] = card;
}

static __always_inline void look(void *data, unsigned long *word, u64 at)
{
	struct gcarena_remember *r = data;
	u64 offset = READ_ONCE(*word) - r->heap->base;
	u16 number;

	if (offset >= r->end)
		return;
	number = r->region_of[offset >> GCARENA_CHUNK_SHIFT];
	if (unlikely(number))
		remember(r, &r->regions[number - 1], at >> GCARENA_CARD_SHIFT);
}

/* All words on a page. Return: the next page that there is something on, as far as is known. */
static u64 look_at_page(struct gcarena_remember *r, u64 page)
{
	u64 from = page << PAGE_SHIFT;
	const struct heap_chunk *chunk = gcarena_heap_chunk(r->heap, from);
	const struct heap_span *span;

	if (!chunk || !chunk->nr_used)
		return round_down(page, GCARENA_CHUNK_PAGES) + GCARENA_CHUNK_PAGES;
	span = chunk->blocks[gcarena_block_of(from)].span;
	if (span && span->layout->scan == GCARENA_SCAN_NONE)
		return (span->start + span->bytes) >> PAGE_SHIFT;
	if (span)
		gcarena_words_between(r->heap, span, from, from + BIT(PAGE_SHIFT), look, r);
	return page + 1;
}

/**
 * gcarena_remember_some() - look at some of the heap, the first time
 * @r: what has been chosen
 * @pages: how much
 *
 * What is written from the first call on has to be told to gcarena_remember_dirty().
 *
 * Return: 0: that was all; -EAGAIN; -ENOMEM.
 */
int gcarena_remember_some(struct gcarena_remember *r, u64 pages)
{
	u64 end = (u64)r->heap->top * GCARENA_CHUNK_PAGES;

	for (; pages && r->page < end; pages--)
		r->page = look_at_page(r, r->page);
	if (r->error)
		return r->error;
	return r->page < end ? -EAGAIN : 0;
}

/**
 * gcarena_remember_dirty() - look at pages that were written
 * @r: what has been chosen
 * @pages: a bit for each page of the arena, set if it was written to
 * @nr_pages: bits in @pages
 * @page: where to go on; 0 at first
 * @max: how many pages
 *
 * Return: as gcarena_remember_some().
 */
int gcarena_remember_dirty(struct gcarena_remember *r, const unsigned long *pages,
			   unsigned long nr_pages, unsigned long *page, u64 max)
{
	for (; max && (*page = find_next_bit(pages, nr_pages, *page)) < nr_pages; max--)
		look_at_page(r, (*page)++);
	if (r->error)
		return r->error;
	return *page < nr_pages ? -EAGAIN : 0;
}
