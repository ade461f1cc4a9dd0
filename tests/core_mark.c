// SPDX-License-Identifier: GPL-2.0
/*
 * Marking: graphs, words that are no pointers, a mark stack that overflows or cannot
 * grow, and being killed.
 */
#include "core/fixture.h"

TEST_F(core, list_needs_no_stack)
{
	struct pool pool = { .heap = &self->heap, .layout = self->heap.layouts[0],
			     .class = core_class_of(64) };
	u64 head = 0, offset, overflows;
	int i;

	for (i = 0; i < 100000; i++) {
		offset = pool_alloc(&pool);
		ASSERT_NE(0, offset);
		core_word(&self->heap, offset)[0] = head ? BASE + head : 0;
		head = offset;
	}
	pool_close(&pool);
	EXPECT_EQ(100000, cycle(&self->heap, head, 0, &overflows));
	EXPECT_EQ(0, overflows);
	EXPECT_EQ(100000, self->heap.used.objects);
	EXPECT_EQ(0, cycle(&self->heap, RESERVE, 0, NULL));
	EXPECT_EQ(0, self->heap.used.objects);
	EXPECT_EQ(self->heap.nr_chunks, self->heap.nr_empty);
	EXPECT_WHOLE(&self->heap, 0);
}

/* An address inside an object, each of them, in each class, marks that object alone. */
TEST_F(core, every_interior_pointer)
{
	struct heap_span *span;
	u64 taken[GCARENA_MAX_SLOTS / 64];
	struct gcarena_marker m;
	unsigned int c;
	u64 at;

	ASSERT_EQ(0, gcarena_marker_init(&m, &self->heap, 0));
	for (c = 1; c < GCARENA_NR_CLASSES; c++) {
		span = span_new(&self->heap, self->heap.layouts[1], c);
		ASSERT_FALSE(IS_ERR(span));
		gcarena_span_take(&self->heap, span, taken);
		m.end = (u64)self->heap.top << GCARENA_CHUNK_SHIFT;
		/* Each address near a slot's ends, and some in its middle. */
		for (at = 0; at < span->bytes; at += at % span->slot_bytes % 61 ? 1 : 13) {
			unsigned long word = BASE + span->start + at;
			u64 slot = at / span->slot_bytes;
			bool tail = slot >= span->nr_slots;

			memset(&m.marked, 0, sizeof(m.marked));
			ASSERT_EQ(0, gcarena_mark_words(&m, &word, 1));
			ASSERT_EQ(0, gcarena_mark_finish(&m));
			ASSERT_EQ(!tail, m.marked.objects);
			ASSERT_EQ(tail ? 0 : span->slot_bytes, m.marked.bytes);
			if (!tail)
				ASSERT_EQ(BIT_ULL(slot % 64), span->words[slot / 64].mark);
			self->heap.old = m.marked;
			gcarena_span_clear(&self->heap, span);
		}
		gcarena_span_put(&self->heap, span, taken, taken);
		gcarena_span_settle(&self->heap, span);
	}
	memset(&m.marked, 0, sizeof(m.marked));
	gcarena_marker_destroy(&m);
	EXPECT_WHOLE(&self->heap, 0);
}

/* Numbers around the ends of everything, and free memory, are not followed. */
TEST_F(core, words_that_are_no_pointers)
{
	struct heap_span *span = span_new(&self->heap, self->heap.layouts[0], 4);
	struct heap_span *high = large_new(&self->heap, self->heap.layouts[1], 4 * MIB);
	u64 taken[GCARENA_MAX_SLOTS / 64], unused[GCARENA_MAX_SLOTS / 64];
	const unsigned long words[] = {
		0, 1, -1UL, BASE - 1, BASE - 8, BASE + 6 * MIB, BASE + RESERVE - 1, BASE + RESERVE,
		1UL << 63, -BASE, BASE / 2, BASE + span->bytes, BASE + 2 * MIB - 1,
		BASE + 64 * 2 * MIB, BASE | 1UL << 63,
		BASE + 64,	/* a free slot */
	};
	struct gcarena_marker m;

	ASSERT_EQ(0, span->start);
	ASSERT_EQ(2 * MIB, high->start);
	gcarena_span_take(&self->heap, span, taken);
	memset(unused, 0xff, sizeof(unused));
	unused[0] = ~1UL;
	gcarena_span_put(&self->heap, span, taken, unused);
	gcarena_span_settle(&self->heap, span);
	ASSERT_EQ(0, mark_from(&self->heap, words, ARRAY_SIZE(words), 0, &m));
	EXPECT_EQ(0, m.marked.objects);
	ASSERT_EQ(0, mark_from(&self->heap, &(unsigned long) { BASE }, 1, 0, &m));
	EXPECT_EQ(1, m.marked.objects);
	ASSERT_EQ(0, mark_from(&self->heap, &(unsigned long) { BASE + 6 * MIB - 1 }, 1, 0, &m));
	EXPECT_EQ(1, m.marked.objects);
	EXPECT_EQ(4 * MIB, m.marked.bytes);
}

/* What there is to scan in one object of a class, which refers to nothing. */
static u64 steps_of_one(struct gcarena_heap *heap, u64 offset)
{
	unsigned long word = BASE + offset;
	struct gcarena_marker m;

	if (mark_from(heap, &word, 1, 0, &m))
		return 0;
	return m.steps;
}

/*
 * Steps are what decides when others get the lock: an object of many words is many of them,
 * to a factor of two for the words alone.
 */
TEST_F(core, steps_tell_of_words)
{
	struct heap_span *span;
	u64 taken[GCARENA_MAX_SLOTS / 64], steps, words;
	unsigned int c;

	for (c = 1; c < GCARENA_NR_CLASSES; c++) {
		span = span_new(&self->heap, self->heap.layouts[0], c);
		ASSERT_FALSE(IS_ERR(span));
		gcarena_span_take(&self->heap, span, taken);
		words = span->slot_bytes / 8;
		steps = steps_of_one(&self->heap, span->start);
		EXPECT_LE(words / 16, steps);
		EXPECT_GE(words / 16 + 4, steps);
		gcarena_span_put(&self->heap, span, taken, taken);
		gcarena_span_settle(&self->heap, span);
	}
	for (words = 8192; words <= 8 * MIB; words *= 4) {
		span = large_new(&self->heap, self->heap.layouts[0], words * 8);
		steps = steps_of_one(&self->heap, span->start);
		EXPECT_LE(words / 16, steps);
		EXPECT_GE(words / 8, steps);
		gcarena_slot_free(&self->heap, &(struct heap_slot) { span, 0 });
	}
}

/* And so it is a page that was written, whatever lies there. */
TEST_F(core, steps_tell_of_pages)
{
	struct heap_span *span = large_new(&self->heap, self->heap.layouts[0], 2 * MIB);
	unsigned long word = BASE + span->start, pages[2 * MIB / 4096 / 64], page = 0;
	struct gcarena_marker m;
	u64 steps;

	memset(pages, 0xff, sizeof(pages));
	ASSERT_EQ(0, gcarena_marker_init(&m, &self->heap, 0));
	ASSERT_EQ(0, gcarena_mark_words(&m, &word, 1));
	ASSERT_EQ(0, gcarena_mark_finish(&m));
	steps = m.steps;
	ASSERT_EQ(0, gcarena_mark_dirty(&m, pages, 2 * MIB / 4096, &page));
	ASSERT_EQ(0, gcarena_mark_finish(&m));
	EXPECT_LE(512 * (512 / 16), m.steps - steps);
	EXPECT_GE(512 * (512 / 8), m.steps - steps);
	gcarena_marker_destroy(&m);
}

/* A chunk in the middle that was given back. */
TEST_F(core, pointers_into_a_hole)
{
	struct heap_span *spans[3];
	struct gcarena_marker m;
	unsigned long word;
	int i;

	for (i = 0; i < 3; i++)
		spans[i] = large_new(&self->heap, self->heap.layouts[0], 2 * MIB);
	word = BASE + spans[1]->start;
	*core_word(&self->heap, spans[2]->start) = word;
	gcarena_slot_free(&self->heap, &(struct heap_slot) { spans[1], 0 });
	ASSERT_EQ(2 * MIB, gcarena_chunks_release(&self->heap, 0));
	ASSERT_EQ(0, mark_from(&self->heap, &word, 1, 0, &m));
	EXPECT_EQ(0, m.marked.objects);
	word = BASE + spans[2]->start;
	ASSERT_EQ(0, mark_from(&self->heap, &word, 1, 0, &m));
	EXPECT_EQ(1, m.marked.objects);
}

/* What is not to be scanned is not, whatever is in it; what a thread holds is. */
TEST_F(core, noscan_and_leased)
{
	struct heap_span *noscan = span_new(&self->heap, self->heap.layouts[1], 4);
	struct heap_span *leased = span_new(&self->heap, self->heap.layouts[0], 4);
	u64 taken[GCARENA_MAX_SLOTS / 64];
	struct gcarena_marker m;
	unsigned long word;

	gcarena_span_take(&self->heap, noscan, taken);
	gcarena_span_settle(&self->heap, noscan);
	gcarena_span_take(&self->heap, leased, taken);
	leased->lease = (void *)1;
	*core_word(&self->heap, noscan->start) = BASE + leased->start;
	*core_word(&self->heap, leased->start) = BASE + noscan->start;
	*core_word(&self->heap, leased->start + 8) = BASE + leased->start + 70;
	word = BASE + noscan->start;
	ASSERT_EQ(0, mark_from(&self->heap, &word, 1, 0, &m));
	EXPECT_EQ(1, m.marked.objects);
	word = BASE + leased->start;
	ASSERT_EQ(0, mark_from(&self->heap, &word, 1, 0, &m));
	EXPECT_EQ(3, m.marked.objects);
	EXPECT_TRUE(is_marked(&self->heap, leased->start + 64));
	EXPECT_WHOLE(&self->heap, 0);
	leased->lease = NULL;
	gcarena_span_settle(&self->heap, leased);
}

/* A random graph whose breadth is far more than one segment of mark stack holds. */
static u64 build_graph(struct gcarena_heap *heap, struct heap_layout *layout, unsigned int nr)
{
	struct pool pool = { .heap = heap, .layout = layout, .class = core_class_of(256) };
	u64 *nodes = calloc(nr, sizeof(*nodes)), seed = 1, root;
	unsigned int i, j;

	for (i = 0; i < nr; i++)
		nodes[i] = pool_alloc(&pool);
	pool_close(&pool);
	for (i = 0; i < nr; i++) {
		/* A spine, so that all can be reached; and thirty edges anywhere. */
		core_word(heap, nodes[i])[31] = i + 1 < nr ? BASE + nodes[i + 1] : 0;
		for (j = 0; j < 30; j++)
			core_word(heap, nodes[i])[j] = BASE + j * 8 +
						       nodes[next_random(&seed) % nr];
	}
	root = nodes[0];
	free(nodes);
	return root;
}

TEST_F(core, overflow_loses_nothing)
{
	const unsigned int nr = 30000;
	u64 root, overflows = 0;

	root = build_graph(&self->heap, self->heap.layouts[0], nr);
	EXPECT_EQ(nr, cycle(&self->heap, root, 0, &overflows));
	EXPECT_LT(0, overflows);
	EXPECT_EQ(nr, cycle(&self->heap, root, STACK_PLENTY, &overflows));
	EXPECT_EQ(0, overflows);
	EXPECT_WHOLE(&self->heap, 0);
}

/* Roots alone fill the first segment many times over. */
TEST_F(core, many_roots)
{
	struct pool pool = { .heap = &self->heap, .layout = self->heap.layouts[0], .class = 4 };
	const unsigned int nr = 100000;
	unsigned long *words = calloc(nr, sizeof(*words)), i, n;
	struct gcarena_marker m;

	for (i = 0; i < nr; i++)
		words[i] = BASE + pool_alloc(&pool);
	pool_close(&pool);
	ASSERT_EQ(0, gcarena_marker_init(&m, &self->heap, STACK_PLENTY));
	ASSERT_EQ(0, gcarena_mark_clear(&self->heap));
	/* In batches, as the module does: each leaves a stack that is drained. */
	for (i = 0; i < nr; i += n) {
		n = min(nr - i, 512UL);
		ASSERT_EQ(0, gcarena_mark_words(&m, words + i, n));
	}
	EXPECT_GE(2 * SEGMENT_BYTES, m.stack_peak);
	ASSERT_EQ(0, gcarena_mark_finish(&m));
	EXPECT_EQ(nr, m.marked.objects);
	EXPECT_EQ(0, m.overflows);
	gcarena_marker_destroy(&m);
	ASSERT_EQ(0, mark_from(&self->heap, words, nr, 0, &m));
	EXPECT_EQ(nr, m.marked.objects);
	EXPECT_LT(0, m.overflows);
	free(words);
}

/* The stack may take less than its limit: each segment but the first fails in turn. */
TEST_F(core, stack_that_cannot_grow)
{
	const unsigned int nr = 20000;
	unsigned long root = BASE + build_graph(&self->heap, self->heap.layouts[0], nr);
	struct gcarena_marker m;
	int nth;

	for (nth = 0; nth < 30; nth++) {
		core_fail_after = nth;
		if (!nth) {
			EXPECT_EQ(-ENOMEM, mark_from(&self->heap, &root, 1, STACK_PLENTY, &m));
			continue;
		}
		ASSERT_EQ(0, mark_from(&self->heap, &root, 1, STACK_PLENTY, &m));
		EXPECT_EQ(nr, m.marked.objects);
		if (core_fail_after >= 0)
			break;		/* it did not need as many */
	}
	EXPECT_LT(1, nth);
	EXPECT_GT(30, nth);
	core_fail_after = -1;
	EXPECT_WHOLE(&self->heap, 0);
}

/* An array larger than chunk and stack, of elements that straddle both. */
TEST_F(core, large_array_overflows)
{
	struct pool pool = { .heap = &self->heap, .layout = self->heap.layouts[1],
			     .class = core_class_of(16) };
	const u64 words = 5 * MIB / 8;
	unsigned long map = 1UL << 1;	/* the second of three words */
	struct heap_span *array;
	u64 i, n = 0;

	array = large_new(&self->heap, layout_new(&self->heap, 3, &map), words * 8);
	ASSERT_NE(NULL, array);
	for (i = 0; i < words; i++) {
		u64 target = pool_alloc(&pool);

		ASSERT_NE(0, target);
		*core_word(&self->heap, array->start + i * 8) = BASE + target;
		n += i % 3 == 1;
	}
	pool_close(&pool);
	EXPECT_EQ(n + 1, cycle(&self->heap, array->start + 4 * MIB, 0, NULL));
	EXPECT_EQ(n + 1, self->heap.used.objects);
}

/* Arrays of arrays: what is left of them competes with their elements for the stack. */
TEST_F(core, arrays_of_arrays_overflow)
{
	struct pool pool = { .heap = &self->heap, .layout = self->heap.layouts[0], .class = 1 };
	struct heap_span *outer = large_new(&self->heap, self->heap.layouts[0], 128 * 1024), *inner;
	u64 i, j, n = 1, overflows;

	for (i = 0; i < 12; i++) {
		inner = large_new(&self->heap, self->heap.layouts[0], 256 * 1024);
		*core_word(&self->heap, outer->start + i * 8) = BASE + inner->start;
		for (j = 0; j < inner->bytes / 8; j++)
			*core_word(&self->heap, inner->start + j * 8) = BASE + pool_alloc(&pool);
		n += 1 + inner->bytes / 8;
	}
	pool_close(&pool);
	EXPECT_EQ(n, cycle(&self->heap, outer->start, 0, &overflows));
	EXPECT_LT(0, overflows);
	EXPECT_EQ(n, self->heap.used.objects);
	EXPECT_WHOLE(&self->heap, 0);
}

/* Killed at one checkpoint after the other, the next cycle is as if nothing had happened. */
TEST_F(core, killed_at_many_checkpoints)
{
	const unsigned int nr = 12000;
	unsigned long root = BASE + build_graph(&self->heap, self->heap.layouts[0], nr);
	struct gcarena_marker m;
	long nth, checkpoints;

	core_checkpoints = 0;
	ASSERT_EQ(0, mark_from(&self->heap, &root, 1, 0, &m));
	checkpoints = core_checkpoints;
	ASSERT_LT(5, checkpoints);
	for (nth = 0; nth < checkpoints; nth += 1 + checkpoints / 64) {
		core_kill_after = nth;
		EXPECT_EQ(-EINTR, mark_from(&self->heap, &root, 1, 0, &m));
		core_kill_after = -1;
		EXPECT_WHOLE(&self->heap, 0);
	}
	EXPECT_EQ(nr, cycle(&self->heap, root - BASE, 0, NULL));
	EXPECT_EQ(nr, self->heap.used.objects);
}

/* Clearing the marks of a heap of many spans is no uninterruptible loop either. */
TEST_F(core, killed_while_clearing)
{
	struct heap_span *span;
	int i;

	for (i = 0; i < 2 * CHECK_INTERVAL; i++) {
		span = span_new(&self->heap, self->heap.layouts[1], core_class_of(8192 - 512));
		ASSERT_FALSE(IS_ERR(span));
	}
	EXPECT_EQ(0, gcarena_mark_clear(&self->heap));
	core_kill_after = 1;
	EXPECT_EQ(-EINTR, gcarena_mark_clear(&self->heap));
}

/* The first address after a heap that fills its table: nothing is read behind that. */
TEST_F(core, end_of_a_full_table)
{
	const u64 bytes = 64 * GCARENA_CHUNK_BYTES;
	struct heap_span *all = large_new(&self->heap, self->heap.layouts[1], bytes);
	unsigned long words[] = { BASE + bytes, BASE + bytes + 8 };
	struct gcarena_marker m;

	ASSERT_NE(NULL, all);
	ASSERT_EQ(64, self->heap.nr_table);
	ASSERT_EQ(64, self->heap.top);
	ASSERT_EQ(0, mark_from(&self->heap, words, 2, 0, &m));
	EXPECT_EQ(0, m.marked.objects);
}

/*
 * A pass over the heap that overflows itself, in spans that it is past: low, of objects
 * that each refer to one leaf, is reached from wide objects at the high end.
 */
TEST_F(core, second_pass)
{
	struct pool low = { .heap = &self->heap, .layout = self->heap.layouts[0], .class = 1 };
	struct pool leaf = { .heap = &self->heap, .layout = self->heap.layouts[1], .class = 1 };
	struct pool wide = { .heap = &self->heap, .layout = self->heap.layouts[0],
			     .class = core_class_of(32768) };
	u64 start[4], at;
	struct gcarena_marker m;
	struct heap_slot slot;
	u32 i, j;

	for (i = 0; i < 3 * 4096; i++) {
		at = pool_alloc(&low);
		*core_word(&self->heap, at) = BASE + pool_alloc(&leaf);
	}
	pool_close(&low);
	pool_close(&leaf);
	for (i = 0; i < 4; i++)
		start[i] = pool_alloc(&wide);
	pool_close(&wide);
	for (i = 0, at = 16; i < 3; i++) {
		*core_word(&self->heap, start[3] + i * 8) = BASE + start[i];
		for (j = 0; j < 4096; j++, at += 16) {
			while (gcarena_heap_resolve(&self->heap, at).span->layout->number)
				at += GCARENA_BLOCK_BYTES;	/* a span of leaves */
			*core_word(&self->heap, start[i] + j * 8) = BASE + at;
		}
	}
	/* These push the wide ones out of the queue before any of them is scanned. */
	for (i = 3; i < 50; i++)
		*core_word(&self->heap, start[3] + i * 8) = BASE + i * 16;
	ASSERT_EQ(0, gcarena_marker_init(&m, &self->heap, 0));
	slot = gcarena_heap_resolve(&self->heap, start[3]);
	slot.span->words[0].mark |= BIT_ULL(slot.index);
	slot.span->rescan = true;
	m.overflowed = true;
	ASSERT_EQ(0, gcarena_mark_finish(&m));
	EXPECT_LT(0, m.overflows);
	EXPECT_EQ(2 * 3 * 4096 + 3, m.marked.objects);
	gcarena_marker_destroy(&m);
}

/*
 * What overflows while a span is scanned again, and lies in that span, before the object at
 * hand. The words behind those that count push them out of the queue.
 */
TEST_F(core, overflow_behind_the_pass)
{
	struct heap_span *span = span_new(&self->heap, self->heap.layouts[0], core_class_of(512));
	struct heap_span *leaves = span_new(&self->heap, self->heap.layouts[1], 1);
	const u32 last = span->nr_slots - 1, nr = min(last, 32U);
	u64 taken[GCARENA_MAX_SLOTS / 64];
	struct gcarena_marker m;
	u32 i;

	ASSERT_LT(8, nr);
	gcarena_span_take(&self->heap, span, taken);
	gcarena_span_settle(&self->heap, span);
	gcarena_span_take(&self->heap, leaves, taken);
	gcarena_span_settle(&self->heap, leaves);
	for (i = 0; i < 64; i++)
		core_word(&self->heap, span->start + last * 512)[i] =
			BASE + (i < nr ? span->start + i * 512 : leaves->start);
	for (i = 0; i < nr; i++)
		*core_word(&self->heap, span->start + i * 512) = BASE + leaves->start + i * 16;
	ASSERT_EQ(0, gcarena_marker_init(&m, &self->heap, 0));
	gcarena_marker_set_room(&m, 4);
	span->words[last / 64].mark |= BIT_ULL(last % 64);
	span->rescan = true;
	m.overflowed = true;
	ASSERT_EQ(0, gcarena_mark_finish(&m));
	EXPECT_LT(0, m.overflows);
	EXPECT_EQ(2 * nr, m.marked.objects);
	gcarena_marker_destroy(&m);
}

/* What overflows is found by passes over the heap: these have checkpoints, too. */
TEST_F(core, rescanning_has_checkpoints)
{
	const unsigned int nr = 50000;
	unsigned long root = BASE + build_graph(&self->heap, self->heap.layouts[0], nr);
	struct heap_span *span;
	struct gcarena_marker m;
	u64 pos = 0;

	ASSERT_EQ(0, mark_from(&self->heap, &root, 1, STACK_PLENTY, &m));
	ASSERT_EQ(0, gcarena_marker_init(&m, &self->heap, 0));
	while ((span = gcarena_span_next(&self->heap, &pos)))
		span->rescan = true;
	m.overflowed = true;
	core_checkpoints = 0;
	ASSERT_EQ(0, gcarena_mark_finish(&m));
	EXPECT_LE(nr / CHECK_INTERVAL, core_checkpoints);
	gcarena_marker_destroy(&m);
}

TEST_HARNESS_MAIN
