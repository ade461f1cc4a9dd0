// SPDX-License-Identifier: GPL-2.0
/*
 * Layouts: where an object's pointers are, and the buckets that hold the spans of
 * each layout and size class.
 *
 * Owns heap->layouts. Layouts are added and never removed, so that a pointer to one
 * stays valid as long as the heap. All functions need the heap lock.
 */
#include "layout.h"

#define FIRST_ROOM	8U

/* An empty bucket; it joins the heap's list and stays there for good. */
void gcarena_bucket_init(struct gcarena_heap *heap, struct heap_bucket *bucket)
{
	INIT_LIST_HEAD(&bucket->pending);
	INIT_LIST_HEAD(&bucket->partial);
	INIT_LIST_HEAD(&bucket->unswept);
	INIT_LIST_HEAD(&bucket->full);
	list_add_tail(&bucket->link, &heap->buckets);
}

static int layouts_reserve(struct gcarena_heap *heap)
{
	u32 room = heap->room_layouts ? 2 * heap->room_layouts : FIRST_ROOM;
	struct heap_layout **layouts;

	if (heap->nr_layouts < heap->room_layouts)
		return 0;
	layouts = kvcalloc(room, sizeof(*layouts), GCARENA_GFP);
	if (!layouts)
		return -ENOMEM;
	if (heap->nr_layouts)
		memcpy(layouts, heap->layouts, heap->nr_layouts * sizeof(*layouts));
	kvfree(heap->layouts);
	heap->metadata_bytes += (room - heap->room_layouts) * sizeof(*layouts);
	heap->layouts = layouts;
	heap->room_layouts = room;
	return 0;
}

static enum gcarena_scan scan_of(u32 elem_words, const unsigned long *map)
{
	if (!map || bitmap_empty(map, elem_words))
		return GCARENA_SCAN_NONE;
	return elem_words <= 64 ? GCARENA_SCAN_SHORT : GCARENA_SCAN_LONG;
}

/* Words of the bitmap that gcarena_layout_map_is_valid() looks at: one at least. */
size_t gcarena_layout_map_words(u32 elem_bytes)
{
	return max_t(size_t, 1, DIV_ROUND_UP(elem_bytes / sizeof(u64), BITS_PER_LONG));
}

/* Are all bits about whole words of the element, in an array of whole words? */
bool gcarena_layout_map_is_valid(u32 elem_bytes, const unsigned long *map)
{
	size_t room = gcarena_layout_map_words(elem_bytes) * BITS_PER_LONG;
	size_t last = find_last_bit(map, room);

	if (last == room)
		return true;	/* no pointers: any length will do */
	return last < elem_bytes / sizeof(u64) && elem_bytes % sizeof(u64) == 0;
}

/**
 * gcarena_layout_add() - register a layout
 * @heap: the heap
 * @elem_bytes: length of an element
 * @map: one bit for each word, or NULL for no pointers; valid, for the marker
 *	follows it wherever it leads. Belongs to the layout
 *	afterwards, and is freed with kvfree(); stays the caller's on failure
 * @name: zero-terminated, shorter than GCARENA_TYPE_NAME_BYTES
 * @max: most layouts there may be, built-in ones included
 *
 * Return: the layout's number, -ENOSPC or -ENOMEM.
 */
int gcarena_layout_add(struct gcarena_heap *heap, u32 elem_bytes, unsigned long *map,
		       const char *name, u32 max)
{
	struct heap_layout *layout;
	int ret;

	if (heap->nr_layouts >= max)
		return -ENOSPC;
	ret = layouts_reserve(heap);
	if (ret)
		return ret;
	layout = kzalloc(sizeof(*layout), GCARENA_GFP);
	if (!layout)
		return -ENOMEM;
	layout->elem_words = elem_bytes / sizeof(u64);
	layout->scan = scan_of(layout->elem_words, map);
	layout->map = map;
	strscpy(layout->name, name, sizeof(layout->name));
	layout->number = heap->nr_layouts;
	heap->metadata_bytes += sizeof(*layout) + (map ? DIV_ROUND_UP(layout->elem_words, 8) : 0);
	heap->layouts[heap->nr_layouts++] = layout;
	return layout->number;
}

/* The two built-in layouts. Return: 0 or -ENOMEM. */
int gcarena_layouts_init(struct gcarena_heap *heap)
{
	int ret;

	ret = gcarena_layout_add(heap, 0, NULL, "conservative", U32_MAX);
	if (ret < 0)
		return ret;
	heap->layouts[GCARENA_NR_CONSERVATIVE]->scan = GCARENA_SCAN_ALL;
	ret = gcarena_layout_add(heap, 0, NULL, "noscan", U32_MAX);
	return ret < 0 ? ret : 0;
}

/* All spans are gone already. */
void gcarena_layouts_destroy(struct gcarena_heap *heap)
{
	unsigned int class;
	u32 i;

	for (i = 0; i < heap->nr_layouts; i++) {
		for (class = 0; class < GCARENA_NR_CLASSES; class++)
			kfree(heap->layouts[i]->buckets[class]);
		kvfree(heap->layouts[i]->map);
		kfree(heap->layouts[i]);
	}
	kvfree(heap->layouts);
	heap->layouts = NULL;
	heap->nr_layouts = 0;
}

/* The bucket of a layout and class, made now if need be. NULL: no memory. */
struct heap_bucket *gcarena_layout_bucket(struct gcarena_heap *heap,
					  struct heap_layout *layout, unsigned int class)
{
	struct heap_bucket *bucket = layout->buckets[class];

	if (class == GCARENA_CLASS_LARGE)
		return &heap->large;
	if (!bucket) {
		bucket = kmalloc(sizeof(*bucket), GCARENA_GFP);
		if (!bucket)
			return NULL;
		gcarena_bucket_init(heap, bucket);
		heap->metadata_bytes += sizeof(*bucket);
		layout->buckets[class] = bucket;
	}
	return bucket;
}
