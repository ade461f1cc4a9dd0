// SPDX-License-Identifier: GPL-2.0
/*
 * Layouts: registering them, and which words of an object they make the marker follow.
 * What it follows is told by the marks of objects that only one word each refers to.
 */
#include "core/fixture.h"

TEST_F(core, built_in)
{
	EXPECT_EQ(GCARENA_NR_FIRST_TYPE, self->heap.nr_layouts);
	EXPECT_EQ(GCARENA_SCAN_ALL, self->heap.layouts[GCARENA_NR_CONSERVATIVE]->scan);
	EXPECT_EQ(GCARENA_SCAN_NONE, self->heap.layouts[GCARENA_NR_NOSCAN]->scan);
	EXPECT_EQ(NULL, gcarena_layout_find(&self->heap, GCARENA_NR_FIRST_TYPE));
	EXPECT_EQ(NULL, gcarena_layout_find(&self->heap, U32_MAX));
	EXPECT_EQ(&self->heap.large,
		  gcarena_layout_bucket(&self->heap, self->heap.layouts[0], GCARENA_CLASS_LARGE));
}

TEST_F(core, numbers_are_given_in_order)
{
	struct heap_layout *first = self->heap.layouts[0];
	const u32 max = 1000;
	unsigned long map;
	u32 i;

	for (i = GCARENA_NR_FIRST_TYPE; i < max; i++) {
		ASSERT_EQ(i, gcarena_layout_add(&self->heap, 8 * i, NULL, "plain", max));
		ASSERT_EQ(i, gcarena_layout_find(&self->heap, i)->elem_words);
		EXPECT_EQ(GCARENA_SCAN_NONE, gcarena_layout_find(&self->heap, i)->scan);
	}
	/* The bitmap stays the caller's when there is no room. */
	EXPECT_EQ(-ENOSPC, gcarena_layout_add(&self->heap, 8, &map, "one more", max));
	EXPECT_EQ(first, gcarena_layout_find(&self->heap, 0));
	EXPECT_EQ(NULL, gcarena_layout_find(&self->heap, max));
	EXPECT_WHOLE(&self->heap, 0);
}

TEST_F(core, names_are_kept)
{
	char longest[GCARENA_TYPE_NAME_BYTES];
	int number;

	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	number = gcarena_layout_add(&self->heap, 8, NULL, longest, U32_MAX);
	ASSERT_LE(0, number);
	EXPECT_STREQ(longest, gcarena_layout_find(&self->heap, number)->name);
}

TEST_F(core, bucket_is_made_once)
{
	struct heap_layout *layout = self->heap.layouts[0];
	struct heap_bucket *bucket = gcarena_layout_bucket(&self->heap, layout, 3);

	ASSERT_NE(NULL, bucket);
	EXPECT_EQ(bucket, gcarena_layout_bucket(&self->heap, layout, 3));
	EXPECT_NE(bucket, gcarena_layout_bucket(&self->heap, layout, 4));
	EXPECT_NE(bucket, gcarena_layout_bucket(&self->heap, self->heap.layouts[1], 3));
	EXPECT_WHOLE(&self->heap, 0);
}

/* A map with bits only where the element has words, and which words those are. */
TEST(scan_kinds)
{
	unsigned long map[3] = { };

	EXPECT_EQ(GCARENA_SCAN_NONE, scan_of(0, NULL));
	EXPECT_EQ(GCARENA_SCAN_NONE, scan_of(8, NULL));
	EXPECT_EQ(GCARENA_SCAN_NONE, scan_of(0, map));
	EXPECT_EQ(GCARENA_SCAN_NONE, scan_of(129, map));
	map[2] = 1;
	EXPECT_EQ(GCARENA_SCAN_NONE, scan_of(128, map));
	EXPECT_EQ(GCARENA_SCAN_LONG, scan_of(129, map));
	map[0] = 1;
	EXPECT_EQ(GCARENA_SCAN_SHORT, scan_of(1, map));
	EXPECT_EQ(GCARENA_SCAN_SHORT, scan_of(64, map));
	EXPECT_EQ(GCARENA_SCAN_LONG, scan_of(65, map));
}

/* Each element length up to 140 words and a bit, and each single bit of its bitmap. */
TEST(bitmaps_are_checked)
{
	unsigned long map[3];
	u32 bytes, bit;

	for (bytes = 1; bytes < 140 * 8; bytes++) {
		u32 room = gcarena_layout_map_words(bytes) * 64;

		memset(map, 0, sizeof(map));
		EXPECT_LE(bytes / 8, room);
		ASSERT_LE(room, sizeof(map) * 8);
		EXPECT_TRUE(gcarena_layout_map_is_valid(bytes, map));
		for (bit = 0; bit < room; bit++) {
			map[bit / 64] = BIT(bit % 64);
			ASSERT_EQ(bytes % 8 == 0 && bit < bytes / 8,
				  gcarena_layout_map_is_valid(bytes, map));
			map[bit / 64] = 0;
		}
	}
}

/* Each element length up to eight words, each bitmap, in a slot of 21 words. */
TEST_F(core, every_short_bitmap)
{
	struct pool targets = { .heap = &self->heap, .layout = self->heap.layouts[1], .class = 1 };
	const u32 words = gcarena_sizeclasses[core_class_of(160)].slot_bytes / 8;
	struct gcarena_marker m;
	unsigned long map, root;
	u64 target[32], object;
	u32 n, i;

	ASSERT_LE(words, ARRAY_SIZE(target));
	for (i = 0; i < words; i++)
		target[i] = pool_alloc(&targets);
	pool_close(&targets);
	for (n = 1; n <= 8; n++) {
		for (map = 0; map < 1UL << n; map++) {
			struct pool pool = { .heap = &self->heap, .class = core_class_of(160),
					     .layout = layout_new(&self->heap, n, &map) };
			u64 expected = 1;

			object = pool_alloc(&pool);
			pool_close(&pool);
			for (i = 0; i < words; i++)
				core_word(&self->heap, object)[i] = BASE + target[i];
			root = BASE + object;
			ASSERT_EQ(0, mark_from(&self->heap, &root, 1, 0, &m));
			for (i = 0; i < words; i++) {
				bool pointer = map >> i % n & 1;

				ASSERT_EQ(pointer, is_marked(&self->heap, target[i]));
				expected += pointer;
			}
			ASSERT_EQ(expected, m.marked.objects);
		}
	}
}

static const u32 long_elements[] = { 1, 2, 3, 63, 64, 65, 100, 127, 128, 129, 1000, 4095, 4096,
				     4097, 5001, 8192 };

/* Does the marker follow exactly the words of the map, in an array of @words or more? */
static void check_array(struct __test_metadata *_metadata, struct gcarena_heap *heap,
			u32 elem, u64 words, u64 *seed)
{
	struct pool targets = { .heap = heap, .layout = heap->layouts[1], .class = 1 };
	unsigned long map[GCARENA_MAX_SMALL / 64] = { }, root;
	u64 *target, i, expected = 1;
	struct heap_span *array;
	struct gcarena_marker m;

	for (i = 0; i < elem; i++)
		map[i / 64] |= (next_random(seed) % 4 == 0) * BIT(i % 64);
	array = large_new(heap, layout_new(heap, elem, map), words * 8);
	ASSERT_NE(NULL, array);
	words = array->bytes / 8;	/* it is rounded up, and not zeroed here */
	target = calloc(words, sizeof(*target));
	for (i = 0; i < words; i++) {
		target[i] = pool_alloc(&targets);
		*core_word(heap, array->start + i * 8) = BASE + target[i];
	}
	pool_close(&targets);
	root = BASE + array->start + next_random(seed) % array->bytes;
	ASSERT_EQ(0, mark_from(heap, &root, 1, 0, &m));
	for (i = 0; i < words; i++) {
		bool pointer = core_test_bit(map, i % elem);

		if (pointer != is_marked(heap, target[i]))
			TH_LOG("word %lu of %lu, elements of %u", i, words, elem);
		ASSERT_EQ(pointer, is_marked(heap, target[i]));
		expected += pointer;
	}
	EXPECT_EQ(expected, m.marked.objects);
	free(target);
	EXPECT_EQ(0, cycle(heap, RESERVE, 0, NULL));
	EXPECT_EQ(0, heap->used.objects);
}

/* Elements straddle the pieces that a large object is scanned in, and chunks. */
TEST_F(core, long_elements_in_large_objects)
{
	struct heap_span *pad;
	unsigned int i;
	u64 seed = 1;

	for (i = 0; i < ARRAY_SIZE(long_elements); i++) {
		/* Not at the start of a chunk, the second time. */
		check_array(_metadata, &self->heap, long_elements[i], 14000, &seed);
		pad = gcarena_span_create(&self->heap, self->heap.layouts[1], 0, 3 * 8192);
		ASSERT_FALSE(IS_ERR(pad));
		check_array(_metadata, &self->heap, long_elements[i], 14000, &seed);
		gcarena_span_destroy(&self->heap, pad);
	}
	check_array(_metadata, &self->heap, 1000, 2 * MIB / 8 + 5000, &seed);
}

/* Elements longer than the slot: the slot's end cuts them off. */
TEST_F(core, slot_ends_before_the_element)
{
	struct pool targets = { .heap = &self->heap, .layout = self->heap.layouts[1], .class = 1 };
	struct pool pool = { .heap = &self->heap };
	unsigned long map[2] = { }, root;
	struct gcarena_marker m;
	u64 object, neighbour, i;
	u32 elem, words;

	for (elem = 1; elem <= 128; elem++) {
		map[(elem - 1) / 64] |= BIT((elem - 1) % 64);
		pool.class = 1 + elem % 20;
		pool.layout = layout_new(&self->heap, elem, map);
		ASSERT_NE(NULL, pool.layout);
		words = gcarena_sizeclasses[pool.class].slot_bytes / 8;
		object = pool_alloc(&pool);
		neighbour = pool_alloc(&pool);
		ASSERT_EQ(object + words * 8, neighbour);
		for (i = 0; i < 2 * words; i++)
			core_word(&self->heap, object)[i] = BASE + pool_alloc(&targets);
		pool_close(&pool);
		root = BASE + object;
		ASSERT_EQ(0, mark_from(&self->heap, &root, 1, 0, &m));
		EXPECT_EQ(1 + words, m.marked.objects);
	}
	pool_close(&targets);
}

TEST_HARNESS_MAIN
