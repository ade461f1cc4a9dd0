/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_MARK_H
#define GCARENA_MARK_H

#include "heap.h"

struct gcarena_mark_segment;

/* Objects between stack and scan. 8 to 128 measure alike; see mark.c. */
#define GCARENA_MARK_FIFO	16

/**
 * struct gcarena_marker - the state of one trace
 * @heap: what is traced
 * @base: heap->base
 * @end: offsets at or above are in no chunk
 * @segment: top of the mark stack
 * @spare: an empty segment kept at hand
 * @stack_bytes: memory in segments
 * @stack_limit: most memory in segments
 * @stack_peak: most there was
 * @fifo: slots on their way into the cache
 * @fifo_first: counts entries taken out
 * @fifo_used: entries in use
 * @source: the span whose object is being scanned; NULL: a root, or a rescan
 * @overflowed: the stack was full: some span has ->rescan set
 * @overflows: how often it was
 * @marked: what was reached
 */
struct gcarena_marker {
	struct gcarena_heap *heap;
	u64 base;
	u64 end;
	struct gcarena_mark_segment *segment;
	struct gcarena_mark_segment *spare;
	u64 stack_bytes;
	u64 stack_limit;
	u64 stack_peak;
	struct heap_slot fifo[GCARENA_MARK_FIFO];
	unsigned int fifo_first;
	unsigned int fifo_used;
	struct heap_span *source;
	bool overflowed;
	u64 overflows;
	struct heap_tally marked;
};

int gcarena_marker_init(struct gcarena_marker *m, struct gcarena_heap *heap, u64 stack_limit);
void gcarena_marker_destroy(struct gcarena_marker *m);
int gcarena_mark_clear(struct gcarena_heap *heap);
int gcarena_mark_words(struct gcarena_marker *m, const unsigned long *words, size_t nr);
int gcarena_mark_finish(struct gcarena_marker *m);

#endif
