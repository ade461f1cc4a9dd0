// SPDX-License-Identifier: GPL-2.0
/*
 * Permanent objects in the core: no cycle frees one, nor what it points to; what is young
 * is found from one that was never scanned; tallies and bitmaps are kept, also when there is
 * no memory, and when the caller is killed. core_slices makes some while a trace is on.
 */
#include "core/fixture.h"

#define OBJECTS	1000

static struct heap_slot slot_at(struct gcarena_heap *heap, u64 offset)
{
	return gcarena_heap_resolve(heap, offset);
}

static bool exists(struct gcarena_heap *heap, u64 offset)
{
	struct heap_slot slot = slot_at(heap, offset);

	return slot.span && gcarena_slot_allocated(&slot);
}

/* A cycle with no root at all, minor or full; no page was written. Returns what it marked. */
static u64 bare_cycle(struct gcarena_heap *heap, bool minor)
{
	struct gcarena_marker m;

	if (gcarena_marker_init(&m, heap, STACK_PLENTY) ||
	    (!minor && gcarena_mark_clear(heap)) || gcarena_mark_finish(&m))
		return ~0ULL;
	gcarena_marker_destroy(&m);
	gcarena_sweep_flip(heap);
	return gcarena_sweep_all(heap) ? ~0ULL : m.marked.objects;
}

/* Pairs: object 2i points to 2i + 1. */
static bool make_pairs(struct gcarena_heap *heap, struct heap_layout *layout, size_t bytes,
		       u64 *offset)
{
	struct pool pool = { .heap = heap, .layout = layout, .class = core_class_of(bytes) };
	unsigned int i;

	for (i = 0; i < OBJECTS; i++) {
		offset[i] = pool_alloc(&pool);
		if (!offset[i])
			return false;
		memset(core_word(heap, offset[i]), 0, bytes);
	}
	for (i = 0; i < OBJECTS; i += 2)
		core_word(heap, offset[i])[0] = BASE + offset[i + 1];
	pool_close(&pool);
	return true;
}

/* Every seventh pair stays, in each kind of cycle; of the others nothing. */
static void check_pairs(struct __test_metadata *_metadata, struct gcarena_heap *heap,
			struct heap_layout *layout, size_t bytes)
{
	bool scanned = layout->scan != GCARENA_SCAN_NONE;
	u64 offset[OBJECTS], nr = 0;
	struct heap_slot slot;
	unsigned int i, n;

	ASSERT_TRUE(make_pairs(heap, layout, bytes, offset));
	for (i = 0; i < OBJECTS; i += 14, nr++) {
		slot = slot_at(heap, offset[i]);
		ASSERT_EQ(0, gcarena_permanent_add(heap, &slot));
		ASSERT_EQ(0, gcarena_permanent_add(heap, &slot));
		ASSERT_TRUE(gcarena_slot_permanent(&slot));
	}
	EXPECT_EQ(nr, heap->permanent.objects);
	EXPECT_EQ(nr, heap->old.objects);
	EXPECT_WHOLE(heap, 0);
	/* Minor, full, full, minor: the first one finds what was young. */
	for (n = 0; n < 4; n++) {
		ASSERT_EQ(scanned && n != 3 ? nr : 0, bare_cycle(heap, n == 0 || n == 3));
		EXPECT_EQ(nr + scanned * nr, heap->used.objects);
		for (i = 0; i < OBJECTS; i++) {
			bool permanent = i % 14 == 0, kept = permanent || (scanned && i % 14 == 1);

			ASSERT_EQ(kept, exists(heap, offset[i])) {
				TH_LOG("object %u after cycle %u", i, n);
			}
		}
		EXPECT_WHOLE(heap, 0);
	}
	/* Freed by hand, as when a thread gives it back: it is gone for good. */
	for (i = 0; i < OBJECTS; i += 14) {
		slot = slot_at(heap, offset[i]);
		gcarena_slot_free(heap, &slot);
	}
	EXPECT_EQ(0, heap->permanent.objects);
	ASSERT_EQ(0, bare_cycle(heap, false));
	EXPECT_EQ(0, heap->used.objects);
	EXPECT_WHOLE(heap, 0);
}

TEST_F(core, each_layout_and_some_classes)
{
	const unsigned long map[] = { 1 };
	static const size_t sizes[] = { 16, 48, 64, 1024, 5000, 32768 };
	struct heap_layout *typed = layout_new(&self->heap, 2, map);
	unsigned int i;

	ASSERT_NE(NULL, typed);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		check_pairs(_metadata, &self->heap, self->heap.layouts[0], sizes[i]);
		check_pairs(_metadata, &self->heap, self->heap.layouts[1], sizes[i]);
		check_pairs(_metadata, &self->heap, typed, sizes[i]);
	}
}

TEST_F(core, large_objects)
{
	struct heap_span *first, *second, *third;
	struct heap_slot slot;

	first = large_new(&self->heap, self->heap.layouts[0], 5 * MIB);
	second = large_new(&self->heap, self->heap.layouts[0], 100000);
	third = large_new(&self->heap, self->heap.layouts[1], 40000);
	ASSERT_NE(NULL, third);
	memset(core_word(&self->heap, second->start), 0, second->bytes);
	core_word(&self->heap, first->start + 5 * MIB - 8)[0] = BASE + second->start + 99999;
	core_word(&self->heap, second->start)[0] = BASE + third->start;
	slot = slot_at(&self->heap, first->start + 12345);
	ASSERT_EQ(0, gcarena_permanent_add(&self->heap, &slot));
	EXPECT_EQ(2, bare_cycle(&self->heap, false));
	EXPECT_EQ(2, bare_cycle(&self->heap, false));
	EXPECT_EQ(0, bare_cycle(&self->heap, true));
	EXPECT_EQ(1, self->heap.permanent.objects);
	EXPECT_EQ(first->bytes, self->heap.permanent.bytes);
	EXPECT_WHOLE(&self->heap, 0);
}

/* A long list hangs from one object, with a stack of two items. */
TEST_F(core, with_a_tiny_stack)
{
	u64 offset[OBJECTS];
	struct gcarena_marker m;
	struct heap_slot slot;
	unsigned int i;

	ASSERT_TRUE(make_pairs(&self->heap, self->heap.layouts[0], 64, offset));
	for (i = 0; i + 2 < OBJECTS; i++) {
		core_word(&self->heap, offset[i])[0] = BASE + offset[i + 1];
		core_word(&self->heap, offset[i])[1] = BASE + offset[i + 2];
		core_word(&self->heap, offset[i])[2] = BASE + offset[i * 7 % OBJECTS];
	}
	slot = slot_at(&self->heap, offset[0]);
	ASSERT_EQ(0, gcarena_permanent_add(&self->heap, &slot));
	ASSERT_EQ(0, gcarena_marker_init(&m, &self->heap, 0));
	gcarena_marker_set_room(&m, 2);
	ASSERT_EQ(0, gcarena_mark_clear(&self->heap));
	ASSERT_EQ(0, gcarena_mark_finish(&m));
	gcarena_marker_destroy(&m);
	EXPECT_EQ(OBJECTS, self->heap.old.objects);
	EXPECT_LT(0, m.overflows);
}

TEST_F(core, all_that_is_reached)
{
	u64 offset[OBJECTS];
	unsigned int i;

	ASSERT_TRUE(make_pairs(&self->heap, self->heap.layouts[0], 64, offset));
	EXPECT_EQ(2, cycle(&self->heap, offset[500], STACK_PLENTY, NULL));
	ASSERT_EQ(0, gcarena_permanent_add_all(&self->heap));
	EXPECT_EQ(2, self->heap.permanent.objects);
	EXPECT_EQ(128, self->heap.permanent.bytes);
	EXPECT_WHOLE(&self->heap, 0);
	EXPECT_EQ(0, bare_cycle(&self->heap, false));
	EXPECT_EQ(2, self->heap.used.objects);
	for (i = 0; i < OBJECTS; i++)
		EXPECT_EQ(i == 500 || i == 501, exists(&self->heap, offset[i]));
	/* Once more does nothing. */
	ASSERT_EQ(0, gcarena_permanent_add_all(&self->heap));
	EXPECT_EQ(2, self->heap.permanent.objects);
}

/* Each allocation fails in turn, then each checkpoint: nothing is done, and all is whole. */
TEST_F(core, all_or_nothing)
{
	struct gcarena_heap *heap = &self->heap;
	u64 offset[OBJECTS], metadata;
	unsigned int class, nr = 0;
	struct heap_slot slot;
	long n, ret;

	ASSERT_TRUE(make_pairs(heap, heap->layouts[0], 64, offset));
	for (class = 1; class < GCARENA_NR_CLASSES; class += 3) {
		struct pool pool = { .heap = heap, .layout = heap->layouts[1], .class = class };
		u64 kept = pool_alloc(&pool);

		ASSERT_NE(0, kept);
		core_word(heap, offset[0])[class % 8] = BASE + kept;
		pool_close(&pool);
	}
	ASSERT_LT(2, cycle(heap, offset[0], STACK_PLENTY, NULL));
	slot = slot_at(heap, offset[0]);
	ASSERT_EQ(0, gcarena_permanent_add(heap, &slot));
	metadata = heap->metadata_bytes;
	for (n = 0; ; n++) {
		core_fail_after = n;
		ret = gcarena_permanent_add_all(heap);
		if (core_fail_after >= 0)
			break;
		ASSERT_EQ(-ENOMEM, ret);
		ASSERT_EQ(1, heap->permanent.objects);
		ASSERT_EQ(metadata, heap->metadata_bytes);
		EXPECT_WHOLE(heap, 0);
		nr++;
	}
	core_fail_after = -1;
	EXPECT_EQ(0, ret);
	EXPECT_LT(2, nr);
	EXPECT_EQ(heap->old.objects, heap->permanent.objects);
	EXPECT_WHOLE(heap, 0);
}

TEST_F(core, a_single_one_without_memory)
{
	u64 offset[OBJECTS];
	struct heap_slot slot;

	ASSERT_TRUE(make_pairs(&self->heap, self->heap.layouts[0], 64, offset));
	slot = slot_at(&self->heap, offset[0]);
	core_fail_after = 0;
	EXPECT_EQ(-ENOMEM, gcarena_permanent_add(&self->heap, &slot));
	core_fail_after = -1;
	EXPECT_EQ(0, self->heap.old.objects);
	EXPECT_WHOLE(&self->heap, 0);
}

TEST_F(core, killed)
{
	u64 offset[OBJECTS];
	unsigned int i;

	/* More spans than are looked at between two checkpoints. */
	ASSERT_TRUE(make_pairs(&self->heap, self->heap.layouts[0], 32768, offset));
	for (i = 0; i < OBJECTS; i += 2)
		core_word(&self->heap, offset[i])[1] = BASE + offset[(i + 2) % OBJECTS];
	ASSERT_EQ(OBJECTS, cycle(&self->heap, offset[0], STACK_PLENTY, NULL));
	core_kill_after = 1;
	EXPECT_EQ(-EINTR, gcarena_permanent_add_all(&self->heap));
	core_kill_after = -1;
	EXPECT_EQ(0, self->heap.permanent.objects);
	EXPECT_WHOLE(&self->heap, 0);
}

/* Compaction leaves them where they are, and changes the pointers in them. */
TEST_F(core, compaction)
{
	const unsigned long map[] = { 1 };
	struct gcarena_heap *heap = &self->heap;
	struct heap_layout *typed = layout_new(heap, 2, map);
	struct gcarena_compact c;
	u64 offset[OBJECTS];
	struct heap_slot slot;
	unsigned int i, moved = 0;

	ASSERT_NE(NULL, typed);
	ASSERT_TRUE(make_pairs(heap, typed, 1024, offset));
	for (i = 0; i < OBJECTS; i += 200) {
		core_word(heap, offset[i])[0] = BASE + offset[i + 100];
		core_word(heap, offset[i])[1] = i;	/* not a pointer, by its type */
		core_word(heap, offset[i + 100])[1] = ~(u64)i;
		core_word(heap, offset[i + 100])[0] = 0;
		slot = slot_at(heap, offset[i]);
		ASSERT_EQ(0, gcarena_permanent_add(heap, &slot));
	}
	ASSERT_EQ(5, bare_cycle(heap, false));
	ASSERT_EQ(0, gcarena_compact_init(&c, heap));
	ASSERT_EQ(0, gcarena_compact_plan_slots(&c));
	gcarena_compact_move(&c);
	ASSERT_EQ(0, gcarena_compact_plan_spans(&c));
	gcarena_compact_move(&c);
	gcarena_compact_destroy(&c);
	for (i = 0; i < OBJECTS; i += 200) {
		u64 to = core_word(heap, offset[i])[0] - BASE;

		slot = slot_at(heap, offset[i]);
		EXPECT_TRUE(gcarena_slot_permanent(&slot));
		EXPECT_EQ(i, core_word(heap, offset[i])[1]);
		EXPECT_TRUE(exists(heap, to));
		EXPECT_EQ(~(u64)i, core_word(heap, to)[1]);
		moved += to != offset[i + 100];
	}
	EXPECT_EQ(5, heap->permanent.objects);
	EXPECT_EQ(10, heap->used.objects);
	EXPECT_WHOLE(heap, 0);
	EXPECT_LE(4, moved);
}

TEST_HARNESS_MAIN
