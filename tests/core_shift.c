// SPDX-License-Identifier: GPL-2.0
/*
 * Chunks that move as they are: objects of more than a chunk among others, into holes and
 * empty chunks, over themselves; what stays where it is; what is said of them afterwards;
 * failures.
 */
#include "core/fixture.h"

#define CHUNK	GCARENA_CHUNK_BYTES

/* A marked large object whose words tell where they are, but for one pointer in three. */
static struct heap_span *object_new(struct gcarena_heap *heap, struct heap_layout *layout,
				    u64 bytes, u64 tag)
{
	struct heap_span *span = large_new(heap, layout, bytes);
	u64 i;

	span->words[0].mark = 1;
	gcarena_tally_add(&heap->old, 1, span->bytes);
	for (i = 0; i < bytes / 8; i++)
		*core_word(heap, span->start + i * 8) = i % 3 == 1 ? 0 : tag + i;
	return span;
}

/* How many words are not what object_new() has made them, or point to @target. */
static u64 nr_wrong(struct gcarena_heap *heap, const struct heap_span *span, u64 bytes, u64 tag,
		    u64 target)
{
	u64 i, wrong = 0, word;

	for (i = 0; i < bytes / 8; i++) {
		word = *core_word(heap, span->start + i * 8);
		wrong += word != (i % 3 == 1 ? target : tag + i);
	}
	return wrong;
}

/* All its pointers. */
static void point_to(struct gcarena_heap *heap, const struct heap_span *span, u64 bytes, u64 offset)
{
	u64 i;

	for (i = 1; i < bytes / 8; i += 3)
		*core_word(heap, span->start + i * 8) = BASE + offset;
}

static void release(struct gcarena_heap *heap, struct heap_span *span)
{
	gcarena_slot_free(heap, &(struct heap_slot) { span, 0 });
}

static struct heap_layout *third_word(struct gcarena_heap *heap)
{
	return layout_new(heap, 3, (unsigned long[]) { 2 });
}

static int shift(struct __test_metadata *_metadata, struct gcarena_heap *heap, u64 *moved)
{
	struct gcarena_compact c;
	int ret;

	ASSERT_EQ(0, gcarena_compact_init(&c, heap));
	ret = gcarena_shift_plan(&c);
	gcarena_shift_move(&c);
	*moved = c.moved.objects;
	gcarena_compact_destroy(&c);
	EXPECT_WHOLE(heap, 0);
	return ret;
}

/* ---- What moves ------------------------------------------------------------------- */

/* Into memory that is there but empty, or into a hole; twice, so that it moves over itself. */
static void check_large(struct __test_metadata *_metadata, struct gcarena_heap *heap, bool holes,
			u64 gap)
{
	const u64 bytes = 5 * MIB;
	struct heap_layout *layout = third_word(heap);
	struct heap_span *first = object_new(heap, layout, gap, 0), *a, *b;
	struct heap_slot slot;
	u64 id, same, moved, at;

	a = object_new(heap, layout, bytes, 1000000);
	b = object_new(heap, layout, bytes, 2000000);
	point_to(heap, a, bytes, b->start + 4 * MIB);
	point_to(heap, b, bytes, a->start);
	slot = (struct heap_slot) { b, 0 };
	ASSERT_EQ(0, gcarena_id_get(heap, &slot, &id));
	release(heap, first);
	if (holes)
		ASSERT_EQ(round_up(gap, CHUNK), gcarena_chunks_release(heap, 0));
	at = b->start;
	ASSERT_EQ(0, shift(_metadata, heap, &moved));
	EXPECT_EQ(gap < bytes ? 2 : 1, moved);
	EXPECT_GT(at, b->start);
	EXPECT_EQ(0, min(a->start, b->start));
	EXPECT_EQ(0, nr_wrong(heap, a, bytes, 1000000, BASE + b->start + 4 * MIB));
	EXPECT_EQ(0, nr_wrong(heap, b, bytes, 2000000, BASE + a->start));
	EXPECT_EQ(b, gcarena_heap_resolve(heap, b->start + bytes - 1).span);
	ASSERT_EQ(0, gcarena_id_get(heap, &slot, &same));
	EXPECT_EQ(id, same);
	gcarena_chunks_release(heap, 0);
	EXPECT_EQ(2 * round_up(bytes, CHUNK) / CHUNK, heap->nr_chunks);
	/* There is nothing left to do. */
	ASSERT_EQ(0, shift(_metadata, heap, &moved));
	EXPECT_EQ(0, moved);
}

TEST_F(core, large_into_empty_chunks)
{
	check_large(_metadata, &self->heap, false, 6 * MIB);
}

TEST_F(core, large_into_a_hole)
{
	check_large(_metadata, &self->heap, true, 6 * MIB);
}

TEST_F(core, large_over_itself)
{
	check_large(_metadata, &self->heap, false, 3 * MIB);
}

TEST_F(core, large_over_itself_from_a_hole)
{
	check_large(_metadata, &self->heap, true, 2 * MIB);
}

/* What shares the last chunk with it goes along, and its pointers follow. */
TEST_F(core, neighbours_go_along)
{
	struct heap_layout *layout = third_word(&self->heap);
	struct pool pool = { .heap = &self->heap, .layout = layout, .class = core_class_of(48) };
	struct heap_span *low = large_new(&self->heap, layout, 8 * MIB), *large;
	u64 at[500], moved, i;

	large = object_new(&self->heap, layout, 3 * MIB, 7);
	for (i = 0; i < 500; i++) {
		at[i] = pool_alloc(&pool);
		*core_word(&self->heap, at[i] + 8) = BASE + large->start + i * 8;
		*core_word(&self->heap, at[i] + 16) = i;
	}
	ASSERT_EQ(large->start >> GCARENA_CHUNK_SHIFT, (at[0] >> GCARENA_CHUNK_SHIFT) - 1);
	pool_close(&pool);
	for (i = 0; i < 500; i++) {
		struct heap_slot slot = gcarena_heap_resolve(&self->heap, at[i]);

		slot.span->words[slot.index / 64].mark |= BIT_ULL(slot.index % 64);
		gcarena_tally_add(&self->heap.old, 1, slot.span->slot_bytes);
	}
	point_to(&self->heap, large, 3 * MIB, at[77]);
	release(&self->heap, low);
	ASSERT_EQ(0, shift(_metadata, &self->heap, &moved));
	EXPECT_EQ(501, moved);
	EXPECT_EQ(0, large->start);
	EXPECT_EQ(0, nr_wrong(&self->heap, large, 3 * MIB, 7, BASE + at[77] - 8 * MIB));
	for (i = 0; i < 500; i++) {
		ASSERT_EQ(BASE + i * 8, *core_word(&self->heap, at[i] - 8 * MIB + 8));
		ASSERT_EQ(i, *core_word(&self->heap, at[i] - 8 * MIB + 16));
	}
}

/* No more than there have to. */
TEST_F(core, the_highest_fill_the_lowest_holes)
{
	struct heap_layout *layout = third_word(&self->heap);
	struct heap_span *spans[12];
	u64 moved, i;

	for (i = 0; i < 12; i++)
		spans[i] = object_new(&self->heap, layout, CHUNK, i << 32);
	for (i = 0; i < 6; i += 2)
		release(&self->heap, spans[i]);
	ASSERT_EQ(0, shift(_metadata, &self->heap, &moved));
	EXPECT_EQ(3, moved);
	EXPECT_EQ(0, spans[11]->start);
	EXPECT_EQ(2 * CHUNK, spans[10]->start);
	EXPECT_EQ(4 * CHUNK, spans[9]->start);
	EXPECT_EQ(8 * CHUNK, spans[8]->start);
	gcarena_chunks_release(&self->heap, 0);
	EXPECT_EQ(9, self->heap.top);
	for (i = 1; i < 12; i += i < 5 ? 2 : 1)
		EXPECT_EQ(0, nr_wrong(&self->heap, spans[i], CHUNK, i << 32, 0));
}

/* The picture in shift.c: what is large slides once others have made room. */
TEST_F(core, large_last)
{
	struct heap_layout *layout = third_word(&self->heap);
	struct heap_span *a, *b, *hole, *small, *gap, *d;
	struct gcarena_compact c;
	unsigned long word;

	a = object_new(&self->heap, layout, MIB + 8192, 0);
	b = object_new(&self->heap, layout, CHUNK, 1);
	hole = large_new(&self->heap, layout, CHUNK);
	small = object_new(&self->heap, layout, MIB + 8192, 2);
	gap = large_new(&self->heap, layout, CHUNK);
	d = object_new(&self->heap, layout, 3 * MIB, 3);
	ASSERT_EQ(5 * CHUNK, d->start);
	release(&self->heap, hole);
	release(&self->heap, gap);
	ASSERT_EQ(0, gcarena_compact_init(&c, &self->heap));
	word = BASE + b->start;
	gcarena_compact_pin_words(&c, &word, 1);
	ASSERT_EQ(0, gcarena_shift_plan(&c));
	gcarena_shift_move(&c);
	EXPECT_EQ(2, c.moved.objects);
	gcarena_compact_destroy(&c);
	EXPECT_EQ(0, a->start);
	EXPECT_EQ(CHUNK, b->start);
	EXPECT_EQ(2 * CHUNK, small->start);
	EXPECT_EQ(3 * CHUNK, d->start);
	EXPECT_EQ(0, nr_wrong(&self->heap, d, 3 * MIB, 3, 0));
	EXPECT_EQ(0, nr_wrong(&self->heap, small, MIB + 8192, 2, 0));
	EXPECT_WHOLE(&self->heap, 0);
}

/* ---- What stays ------------------------------------------------------------------- */

static u64 busy_page;

static bool is_busy(u64 page)
{
	return page == busy_page;
}

/* One object in each chunk that must stay keeps all of it there; and groups with such a one. */
TEST_F(core, what_must_stay)
{
	struct heap_layout *layout = third_word(&self->heap), *conservative = self->heap.layouts[0];
	struct heap_span *low, *spans[5];
	struct gcarena_compact c;
	unsigned long word;
	u64 i, at;

	low = large_new(&self->heap, layout, 20 * MIB);
	for (i = 0; i < 5; i++)
		spans[i] = object_new(&self->heap, i == 1 ? conservative : layout, 3 * MIB,
				      i << 32);
	busy_page = (spans[2]->start + 3 * MIB - 1) >> PAGE_SHIFT;
	core_is_busy = is_busy;
	ASSERT_EQ(0, gcarena_permanent_add(&self->heap, &(struct heap_slot) { spans[3], 0 }));
	release(&self->heap, low);
	ASSERT_EQ(0, gcarena_compact_init(&c, &self->heap));
	word = BASE + spans[0]->start + 2 * MIB + 5;
	gcarena_compact_pin_words(&c, &word, 1);
	ASSERT_EQ(0, gcarena_shift_plan(&c));
	for (i = 0; i < 5; i++) {
		at = spans[i]->start;
		EXPECT_EQ(i < 4 ? at : 0, gcarena_compact_forward(&c, at));
	}
	/* Not in an object: no pointer. */
	at += 3 * MIB;
	EXPECT_EQ(at, gcarena_compact_forward(&c, at));
	gcarena_shift_move(&c);
	gcarena_compact_destroy(&c);
	core_is_busy = NULL;
	for (i = 0; i < 5; i++)
		EXPECT_EQ(i < 4 ? 20 * MIB + i * 4 * MIB : 0, spans[i]->start);
	EXPECT_WHOLE(&self->heap, 0);
}

static u64 asked;

static bool count_asked(u64 page)
{
	asked++;
	return false;
}

/* It takes long to see that a chunk may move: once, and if there is a place for it. */
TEST_F(core, no_chunk_is_asked_twice)
{
	struct heap_layout *layout = third_word(&self->heap);
	struct heap_span *holes[2];
	u64 moved;

	holes[0] = large_new(&self->heap, layout, CHUNK);
	object_new(&self->heap, layout, CHUNK, 0);
	holes[1] = large_new(&self->heap, layout, CHUNK);
	object_new(&self->heap, self->heap.layouts[0], CHUNK, 1);	/* CONSERVATIVE */
	object_new(&self->heap, layout, 3 * MIB, 2);			/* no place */
	object_new(&self->heap, layout, CHUNK, 3);
	release(&self->heap, holes[0]);
	release(&self->heap, holes[1]);
	core_is_busy = count_asked;
	asked = 0;
	ASSERT_EQ(0, shift(_metadata, &self->heap, &moved));
	core_is_busy = NULL;
	EXPECT_EQ(1, moved);
	EXPECT_EQ(2 * CHUNK >> PAGE_SHIFT, asked);
}

TEST_F(core, a_leased_span_holds_its_chunk)
{
	struct heap_layout *layout = third_word(&self->heap);
	struct heap_span *low = large_new(&self->heap, layout, 4 * MIB), *leased;
	struct gcarena_lease *somebody = (struct gcarena_lease *)&self->heap;
	struct gcarena_compact c;
	u64 moved;

	object_new(&self->heap, layout, 3 * MIB, 0);
	leased = span_new(&self->heap, layout, core_class_of(48));
	leased->lease = somebody;
	release(&self->heap, low);
	ASSERT_EQ(0, gcarena_compact_init(&c, &self->heap));
	ASSERT_EQ(0, gcarena_shift_plan(&c));
	EXPECT_EQ(0, c.nr_shifts);
	gcarena_compact_destroy(&c);
	leased->lease = NULL;
	gcarena_span_settle(&self->heap, leased);
	ASSERT_EQ(0, shift(_metadata, &self->heap, &moved));
	EXPECT_EQ(1, moved);
}

/* What is set apart are places, not what is there. */
TEST_F(core, apart_is_said_of_places)
{
	struct heap_layout *layout = third_word(&self->heap);
	struct heap_span *low = large_new(&self->heap, layout, 2 * MIB);
	u64 moved;

	object_new(&self->heap, layout, 3 * MIB, 0);
	release(&self->heap, low);
	self->heap.chunks[2]->apart = true;
	ASSERT_EQ(0, shift(_metadata, &self->heap, &moved));
	EXPECT_FALSE(self->heap.chunks[0]->apart);
	EXPECT_FALSE(self->heap.chunks[1]->apart);
	EXPECT_TRUE(self->heap.chunks[2]->apart);
	self->heap.chunks[2]->apart = false;
}

/* ---- Failures ---------------------------------------------------------------------- */

static void fail_at_each(struct __test_metadata *_metadata, struct gcarena_heap *heap,
			 long *countdown, int error)
{
	struct heap_layout *layout = third_word(heap);
	struct heap_span *low = large_new(heap, layout, 4 * MIB), *large;
	struct gcarena_compact c;
	int ret = error;
	long n;

	large = object_new(heap, layout, 5 * MIB, 42);
	release(heap, low);
	for (n = 0; ret == error; n++) {
		ASSERT_EQ(0, gcarena_compact_init(&c, heap));
		*countdown = n;
		ret = gcarena_shift_plan(&c);
		*countdown = -1;
		EXPECT_EQ(ret ? 4 * MIB : 0, gcarena_compact_forward(&c, large->start));
		gcarena_shift_move(&c);
		gcarena_compact_destroy(&c);
		ASSERT_EQ(ret ? 4 * MIB : 0, large->start);
		EXPECT_EQ(0, nr_wrong(heap, large, 5 * MIB, 42, 0));
		EXPECT_WHOLE(heap, 0);
	}
	EXPECT_EQ(0, ret);
	EXPECT_LT(1, n);
}

TEST_F(core, each_allocation_fails_once)
{
	fail_at_each(_metadata, &self->heap, &core_fail_after, -ENOMEM);
}

TEST_F(core, killed_at_each_checkpoint)
{
	fail_at_each(_metadata, &self->heap, &core_kill_after, -EINTR);
}

TEST_HARNESS_MAIN
