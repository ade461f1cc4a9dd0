// SPDX-License-Identifier: GPL-2.0
/*
 * Identity: against a table of what each slot's number should be, through freeing, sweeping
 * and giving back; numbers that are never given twice; memory that comes and goes with
 * them; each allocation failing, each checkpoint killing.
 */
#include "core/fixture.h"

#define NR_OBJECTS	20000U

/* What was told of each object, 0: nothing. */
static u64 told[NR_OBJECTS];
static u64 offsets[NR_OBJECTS];

static u64 id_of(struct gcarena_heap *heap, u64 offset)
{
	struct heap_slot slot = gcarena_heap_resolve(heap, offset);
	u64 id = 0;

	if (!slot.span || gcarena_id_get(heap, &slot, &id))
		return 0;
	return id;
}

static void allocate(struct __test_metadata *_metadata, struct gcarena_heap *heap, u32 nr,
		     unsigned int class)
{
	struct pool pool = { .heap = heap, .layout = heap->layouts[1], .class = class };
	u32 i;

	for (i = 0; i < nr; i++) {
		offsets[i] = pool_alloc(&pool);
		ASSERT_NE(0, offsets[i]);
		told[i] = 0;
	}
	pool_close(&pool);
}

static void free_one(struct gcarena_heap *heap, u32 i)
{
	struct heap_slot slot = gcarena_heap_resolve(heap, offsets[i]);

	gcarena_slot_free(heap, &slot);
	offsets[i] = 0;
}

TEST_F(core, an_object_has_one_number)
{
	u64 seed = 1, newest = 0, id, round;
	u32 i;

	allocate(_metadata, &self->heap, NR_OBJECTS, core_class_of(48));
	for (round = 0; round < 6 * NR_OBJECTS; round++) {
		i = next_random(&seed) % NR_OBJECTS;
		if (!offsets[i])
			continue;
		if (next_random(&seed) % 8 == 0) {
			free_one(&self->heap, i);
			continue;
		}
		id = id_of(&self->heap, offsets[i] + next_random(&seed) % 48);
		ASSERT_NE(0, id);
		if (!told[i]) {
			ASSERT_LT(newest, id);	/* so no other one has, or had it */
			newest = id;
			told[i] = id;
		}
		ASSERT_EQ(told[i], id);
	}
	EXPECT_WHOLE(&self->heap, 0);
	EXPECT_LT(NR_OBJECTS / 4, self->heap.ids.nr);
}

/* What a cycle does not reach has no number any more, and no memory for it. */
TEST_F(core, numbers_die_with_their_objects)
{
	unsigned long words[64];
	struct gcarena_marker m;
	u64 metadata;
	u32 i;

	metadata = self->heap.metadata_bytes;
	allocate(_metadata, &self->heap, 2000, core_class_of(64));
	for (i = 0; i < 2000; i++)
		told[i] = id_of(&self->heap, offsets[i]);
	for (i = 0; i < 64; i++)
		words[i] = BASE + offsets[i * 31] + i;
	ASSERT_EQ(0, mark_from(&self->heap, words, 64, STACK_PLENTY, &m));
	gcarena_sweep_flip(&self->heap);
	ASSERT_EQ(0, gcarena_sweep_all(&self->heap));
	EXPECT_EQ(64, self->heap.ids.nr);
	EXPECT_WHOLE(&self->heap, 0);
	for (i = 0; i < 64; i++)
		EXPECT_EQ(told[i * 31], id_of(&self->heap, offsets[i * 31]));
	ASSERT_EQ(0, mark_from(&self->heap, words, 0, STACK_PLENTY, &m));
	gcarena_sweep_flip(&self->heap);
	ASSERT_EQ(0, gcarena_sweep_all(&self->heap));
	EXPECT_EQ(0, self->heap.ids.nr);
	EXPECT_EQ(NULL, self->heap.ids.table);
	gcarena_chunks_release(&self->heap, 0);
	/* Buckets and the chunk table stay. */
	EXPECT_GT(metadata + 8192, self->heap.metadata_bytes);
	EXPECT_WHOLE(&self->heap, 0);
}

/* The next object in the same place is another one. */
TEST_F(core, places_are_used_again)
{
	struct heap_layout *layout = self->heap.layouts[1];
	struct heap_span *span = span_new(&self->heap, layout, core_class_of(1024));
	u64 taken[GCARENA_MAX_SLOTS / 64], first, second;

	ASSERT_FALSE(IS_ERR(span));
	gcarena_span_take(&self->heap, span, taken);
	first = id_of(&self->heap, span->start);
	EXPECT_EQ(first, id_of(&self->heap, span->start + 1023));
	/* Given back unused: whoever asked, asked for nothing. */
	gcarena_span_put(&self->heap, span, taken, taken);
	EXPECT_EQ(0, span->nr_ids + 0);
	EXPECT_EQ(0, self->heap.ids.nr);
	gcarena_span_take(&self->heap, span, taken);
	second = id_of(&self->heap, span->start);
	EXPECT_LT(first, second);
	gcarena_span_put(&self->heap, span, taken, NULL);
	gcarena_span_settle(&self->heap, span);
	EXPECT_EQ(second, id_of(&self->heap, span->start));
	EXPECT_WHOLE(&self->heap, 0);
}

/* Large objects, whose span goes with them; and the end of a heap that has numbers. */
TEST_F(core, large_objects)
{
	struct heap_span *a = large_new(&self->heap, self->heap.layouts[1], 100000);
	struct heap_span *b = large_new(&self->heap, self->heap.layouts[0], 5 * MIB);
	struct heap_slot slot = { .span = a };
	u64 id_a, id_b;

	ASSERT_NE(NULL, a);
	ASSERT_NE(NULL, b);
	id_a = id_of(&self->heap, a->start + 99999);
	id_b = id_of(&self->heap, b->start + 4 * MIB);
	EXPECT_NE(id_a, id_b);
	gcarena_slot_free(&self->heap, &slot);
	EXPECT_EQ(1, self->heap.ids.nr);
	EXPECT_EQ(id_b, id_of(&self->heap, b->start));
	EXPECT_WHOLE(&self->heap, 0);
}

/* The table grows as there are more, and shrinks again. */
TEST_F(core, memory_is_bounded)
{
	u32 i;

	allocate(_metadata, &self->heap, NR_OBJECTS, core_class_of(16));
	for (i = 0; i < NR_OBJECTS; i++) {
		told[i] = id_of(&self->heap, offsets[i]);
		ASSERT_GE(max(64U, 4 * (i + 1)), 1U << self->heap.ids.bits);
	}
	for (i = 0; i < NR_OBJECTS; i++) {
		if (i % 100)
			free_one(&self->heap, i);
	}
	/* Who is asked for new ones notices. */
	allocate(_metadata, &self->heap, 6, core_class_of(512));
	for (i = 0; i < 6; i++)
		ASSERT_NE(0, id_of(&self->heap, offsets[i]));
	EXPECT_EQ(NR_OBJECTS / 100 + 6, self->heap.ids.nr);
	EXPECT_GE(16 * self->heap.ids.nr, 1U << self->heap.ids.bits);
	EXPECT_WHOLE(&self->heap, 0);
}

/* A number that there is no memory for is not given; those there are can be had. */
TEST_F(core, failures)
{
	struct heap_slot slot;
	u32 i, failed = 0;
	u64 id;

	allocate(_metadata, &self->heap, NR_OBJECTS, core_class_of(32));
	for (i = 0; i < NR_OBJECTS; i++) {
		slot = gcarena_heap_resolve(&self->heap, offsets[i]);
		core_fail_after = 0;
		if (gcarena_id_get(&self->heap, &slot, &id)) {
			failed++;
			ASSERT_EQ(i, self->heap.ids.nr);
			core_fail_after = -1;
			core_kill_after = 0;
			/* There is nothing to take over into the first table. */
			ASSERT_EQ(i ? -EINTR : 0, gcarena_id_get(&self->heap, &slot, &id));
			core_kill_after = -1;
			ASSERT_EQ(0, gcarena_id_get(&self->heap, &slot, &id));
		}
		told[i] = id;
		ASSERT_EQ(i + 1, id);
	}
	core_fail_after = 0;
	for (i = 0; i < NR_OBJECTS; i++)
		ASSERT_EQ(told[i], id_of(&self->heap, offsets[i]));
	core_fail_after = -1;
	EXPECT_LT(5, failed);
	EXPECT_WHOLE(&self->heap, 0);
}

TEST_HARNESS_MAIN
