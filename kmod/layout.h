/* SPDX-License-Identifier: GPL-2.0 */
#ifndef GCARENA_LAYOUT_H
#define GCARENA_LAYOUT_H

#include "heap.h"

#define GCARENA_TYPE_NAME_BYTES	32

/* Layout numbers, as in the ABI. */
#define GCARENA_NR_CONSERVATIVE	0
#define GCARENA_NR_NOSCAN	1
#define GCARENA_NR_FIRST_TYPE	2

/**
 * enum gcarena_scan - how objects of a layout are searched for pointers
 * @GCARENA_SCAN_NONE: not at all
 * @GCARENA_SCAN_ALL: each word may be one
 * @GCARENA_SCAN_SHORT: elements of at most 64 words, @map[0] says which
 * @GCARENA_SCAN_LONG: longer elements
 */
enum gcarena_scan {
	GCARENA_SCAN_NONE,
	GCARENA_SCAN_ALL,
	GCARENA_SCAN_SHORT,
	GCARENA_SCAN_LONG,
};

/**
 * struct heap_layout - where the pointers of an object are
 * @scan: how to look for them
 * @number: what programs call it
 * @elem_words: words of an element, when typed
 * @map: one bit for each word of an element, when typed
 * @buckets: spans by size class, made when first needed
 * @name: what the program calls it
 */
struct heap_layout {
	enum gcarena_scan scan;
	u32 number;
	u32 elem_words;
	unsigned long *map;
	struct heap_bucket *buckets[GCARENA_NR_CLASSES];
	char name[GCARENA_TYPE_NAME_BYTES];
};

int gcarena_layouts_init(struct gcarena_heap *heap);
void gcarena_layouts_destroy(struct gcarena_heap *heap);
size_t gcarena_layout_map_words(u32 elem_bytes);
bool gcarena_layout_map_is_valid(u32 elem_bytes, const unsigned long *map);
int gcarena_layout_add(struct gcarena_heap *heap, u32 elem_bytes, unsigned long *map,
		       const char *name, u32 max);
struct heap_bucket *gcarena_layout_bucket(struct gcarena_heap *heap,
					  struct heap_layout *layout, unsigned int class);
void gcarena_bucket_init(struct gcarena_heap *heap, struct heap_bucket *bucket);

static inline struct heap_layout *gcarena_layout_find(struct gcarena_heap *heap, u32 number)
{
	return number < heap->nr_layouts ? heap->layouts[number] : NULL;
}

/* May its objects move, as long as nothing pins them? */
static inline bool gcarena_span_movable(const struct heap_span *span)
{
	return !span->lease && span->class != GCARENA_CLASS_LARGE && !span->permanent &&
	       span->layout->scan != GCARENA_SCAN_ALL;
}

/* Moving more than three quarters of it is not worth one quarter. */
static inline bool gcarena_span_is_sparse(const struct heap_span *span)
{
	return span->nr_used * 4U <= span->nr_slots * 3U;
}

#endif
