/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_MARK_H
#define GCARENA_MARK_H

#include "heap.h"

struct gcarena_mark_segment;

/* Objects between stack and scan, and how many of them have been resolved. */
#define GCARENA_MARK_FIFO	32U
#define GCARENA_MARK_RESOLVED	16U

/**
 * struct gcarena_mark_item - an offset on its way from the stack to the scan
 * @offset: the offset; once resolved, that of the slot's first byte
 * @chunk: the chunk it is in
 * @block: set when resolved; NULL: there is no object
 * @word: the slot's bits, when resolved
 * @bit: which of them
 */
struct gcarena_mark_item {
	u64 offset;
	struct heap_chunk *chunk;
	struct heap_block *block;
	struct heap_slot_word *word;
	u64 bit;
};

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
 * @fifo: a ring of items on their way into the cache
 * @taken: counts items taken out of it
 * @resolved: counts items resolved, at least @taken
 * @put: counts items put in, at least @resolved
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
	struct gcarena_mark_item fifo[GCARENA_MARK_FIFO];
	unsigned int taken;
	unsigned int resolved;
	unsigned int put;
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
