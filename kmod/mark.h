/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_MARK_H
#define GCARENA_MARK_H

#include "heap.h"

struct gcarena_crew;
struct gcarena_mark_segment;

/* How far candidates and objects are behind the prefetch of what they need. */
#define GCARENA_MARK_CANDIDATES	32U
#define GCARENA_MARK_OBJECTS	8U

/**
 * struct gcarena_mark_ring - a short first-in first-out queue
 * @item: room for a power of two
 * @first: index of the oldest
 * @nr: how many are in it
 */
struct gcarena_mark_ring {
	u64 item[GCARENA_MARK_CANDIDATES];
	unsigned int first;
	unsigned int nr;
};

/**
 * struct gcarena_marker - the state of one trace, or of a helper in it
 * @heap: what is traced
 * @base: heap->base
 * @end: offsets at or above are in no chunk
 * @segment: top of the mark stack
 * @room: items that a segment takes
 * @spare: an empty segment kept at hand
 * @stack_bytes: memory in segments, those of helpers included; see crew.c
 * @stack_limit: most memory in segments
 * @stack_peak: most there was
 * @candidates: offsets that may lie in an object
 * @objects: marked objects about to be scanned
 * @shared: others mark at the same time
 * @helpers: how many may be called to help now
 * @most_helpers: how many at some time of the trace
 * @crew: what is shared with them, once one was called, or NULL
 * @next_call: where @steps is when one may be called
 * @steps: counts the work, over all calls; of helpers, too, once they have left
 * @interval: steps between two checkpoints
 * @next_look: where @steps is at the next one
 * @next_check: the same, or earlier: does anybody want work?
 * @pause: if set, asked at checkpoints: is it enough for now?
 * @overflowed: the stack was full: some span has ->rescan set
 * @rescanning: a walk over all spans for that is not at its end
 * @rescan_pos: where it goes on
 * @rescan_span: the span it is in, or NULL
 * @rescan_slot: the slot it goes on with there
 * @overflows: how often it was
 * @marked: what was reached; by helpers, too, once they have left
 * @told: of that, what the heap knows
 * @helped_ns: time for which helpers that have left were there
 */
struct gcarena_marker {
	struct gcarena_heap *heap;
	u64 base;
	u64 end;
	struct gcarena_mark_segment *segment;
	u32 room;
	struct gcarena_mark_segment *spare;
	u64 stack_bytes;
	u64 stack_limit;
	u64 stack_peak;
	struct gcarena_mark_ring candidates;
	struct gcarena_mark_ring objects;
	bool shared;
	unsigned int helpers;
	unsigned int most_helpers;
	struct gcarena_crew *crew;
	u64 next_call;
	u64 steps;
	u64 next_look;
	u64 next_check;
	u32 interval;
	bool (*pause)(const struct gcarena_marker *m);
	bool overflowed;
	bool rescanning;
	u64 rescan_pos;
	const struct heap_span *rescan_span;
	u32 rescan_slot;
	u64 overflows;
	struct heap_tally marked;
	struct heap_tally told;
	u64 helped_ns;
};

int gcarena_marker_init(struct gcarena_marker *m, struct gcarena_heap *heap, u64 stack_limit);
void gcarena_marker_set_room(struct gcarena_marker *m, u32 items);
void gcarena_marker_destroy(struct gcarena_marker *m);
void gcarena_marker_set_interval(struct gcarena_marker *m, u32 steps);
void gcarena_marker_set_helpers(struct gcarena_marker *m, unsigned int helpers);
void gcarena_marker_resume(struct gcarena_marker *m);
void gcarena_marker_suspend(struct gcarena_marker *m);
bool gcarena_mark_clear_some(struct gcarena_heap *heap, u64 *pos, unsigned int max);
int gcarena_mark_clear(struct gcarena_heap *heap);
int gcarena_mark_dirty(struct gcarena_marker *m, const unsigned long *pages,
		       unsigned long nr_pages, unsigned long *page);
int gcarena_mark_words(struct gcarena_marker *m, const unsigned long *words, size_t nr);
int gcarena_mark_finish(struct gcarena_marker *m);

#endif
