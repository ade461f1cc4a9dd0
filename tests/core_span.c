// SPDX-License-Identifier: GPL-2.0
/*
 * Spans: handing slots out, taking them back from programs that lie, freeing them
 * one by one; and walking all of them.
 */
#include "core/fixture.h"

#define WORDS	(GCARENA_MAX_SLOTS / 64)

TEST_F(core, lies_are_masked)
{
	struct heap_span *span = span_new(&self->heap, self->heap.layouts[0], 1);
	u64 taken[WORDS], lies[WORDS];

	ASSERT_FALSE(IS_ERR(span));
	gcarena_span_take(&self->heap, span, taken);
	memset(lies, 0, sizeof(lies));
	lies[0] = 0xff;
	EXPECT_EQ(8, gcarena_span_put(&self->heap, span, taken, lies));
	gcarena_span_take(&self->heap, span, taken);
	EXPECT_EQ(0xff, taken[0]);
	memset(lies, 0xff, sizeof(lies));
	EXPECT_EQ(8, gcarena_span_put(&self->heap, span, taken, lies));
	EXPECT_EQ(span->nr_slots - 8, span->nr_used);
	gcarena_span_settle(&self->heap, span);
	EXPECT_WHOLE(&self->heap, 0);
}

/* Every class: all slots are handed out once, and nothing past the last one. */
TEST_F(core, every_class_is_handed_out_whole)
{
	u64 taken[WORDS], all, w;
	struct heap_span *span;
	unsigned int c;

	for (c = 1; c < GCARENA_NR_CLASSES; c++) {
		span = span_new(&self->heap, self->heap.layouts[c % 2], c);
		ASSERT_FALSE(IS_ERR(span));
		EXPECT_EQ(0, span->nr_used);
		gcarena_span_take(&self->heap, span, taken);
		for (all = 0, w = 0; w < gcarena_span_nr_words(span); w++)
			all += hweight64(taken[w]);
		EXPECT_EQ(span->nr_slots, all);
		EXPECT_EQ(span->nr_slots, span->nr_used);
		EXPECT_WHOLE(&self->heap, 1);
		gcarena_span_take(&self->heap, span, taken);
		for (w = 0; w < gcarena_span_nr_words(span); w++)
			EXPECT_EQ(0, taken[w]);
		gcarena_span_put(&self->heap, span, taken, NULL);
		gcarena_span_settle(&self->heap, span);
		EXPECT_WHOLE(&self->heap, 0);
	}
}

/* All bits, whatever they are, of an eight-slot span: 2^8 taken by 2^8 returned. */
TEST_F(core, every_return_of_eight_slots)
{
	struct heap_span *span = span_new(&self->heap, self->heap.layouts[0], core_class_of(8192));
	u64 taken, unused, used, lie;

	ASSERT_FALSE(IS_ERR(span));
	ASSERT_EQ(8, span->nr_slots);
	for (used = 0; used < 256; used++) {
		for (lie = 0; lie < 256; lie++) {
			gcarena_span_take(&self->heap, span, &taken);
			unused = ~used | 0xffffff00;
			gcarena_span_put(&self->heap, span, &taken, &unused);
			ASSERT_EQ(used, span->words[0].alloc);
			gcarena_span_take(&self->heap, span, &taken);
			ASSERT_EQ(~used & 0xff, taken);
			ASSERT_EQ(hweight64(lie & ~used & 0xff),
				  gcarena_span_put(&self->heap, span, &taken, &lie));
			ASSERT_EQ(0xff & ~(lie & ~used), span->words[0].alloc);
			/* Back to nothing: what is there is taken for handed out. */
			taken = span->words[0].alloc;
			gcarena_span_put(&self->heap, span, &taken, &taken);
			ASSERT_EQ(0, span->nr_used);
		}
	}
	EXPECT_WHOLE(&self->heap, 1);
	gcarena_span_destroy(&self->heap, span);
}

/* Fresh memory is announced as zero; memory that anybody has had is not. */
TEST_F(core, zeroed_means_zero)
{
	struct heap_span *a = span_new(&self->heap, self->heap.layouts[0], 4), *b;
	u64 taken[WORDS], start;

	ASSERT_FALSE(IS_ERR(a));
	start = a->start;
	EXPECT_TRUE(!!a->zeroed);
	gcarena_span_take(&self->heap, a, taken);
	EXPECT_TRUE(!!a->zeroed);
	gcarena_span_put(&self->heap, a, taken, taken);
	EXPECT_FALSE(!!a->zeroed);
	gcarena_span_settle(&self->heap, a);
	a = span_new(&self->heap, self->heap.layouts[0], 4);
	EXPECT_EQ(start, a->start);
	EXPECT_FALSE(!!a->zeroed);
	b = span_new(&self->heap, self->heap.layouts[0], 4);
	EXPECT_TRUE(!!b->zeroed);
	gcarena_span_destroy(&self->heap, b);
	gcarena_span_destroy(&self->heap, a);
	EXPECT_WHOLE(&self->heap, 0);
}

TEST_F(core, freeing_slot_by_slot)
{
	struct heap_span *span = span_new(&self->heap, self->heap.layouts[0], 20);
	struct heap_bucket *bucket;
	u64 taken[WORDS], start;
	u32 i, nr;

	ASSERT_FALSE(IS_ERR(span));
	gcarena_span_take(&self->heap, span, taken);
	span->words[0].mark = span->words[0].alloc;	/* marks go with what is freed */
	gcarena_span_settle(&self->heap, span);
	bucket = gcarena_span_bucket(&self->heap, span);
	EXPECT_FALSE(list_empty(&bucket->full));
	start = span->start;
	nr = span->nr_slots;
	for (i = 0; i < nr; i++) {
		struct heap_slot slot = { span, i * 5 % nr };

		ASSERT_NE(0, nr % 5);	/* so each one has its turn */
		ASSERT_TRUE(gcarena_slot_allocated(&slot));
		gcarena_slot_free(&self->heap, &slot);
		ASSERT_STREQ("", core_check(&self->heap, 0));
		EXPECT_EQ(i + 1, self->heap.freed.objects);
		EXPECT_EQ(i + 1 == nr, list_empty(&bucket->partial));
	}
	EXPECT_EQ(NULL, gcarena_heap_resolve(&self->heap, start).span);
	EXPECT_EQ(1, self->heap.nr_empty);
}

/* In a span that a thread holds, only the bits change until the lease ends. */
TEST_F(core, freeing_in_a_leased_span)
{
	struct heap_span *span = span_new(&self->heap, self->heap.layouts[0], 20);
	u64 taken[WORDS];
	u32 i;

	ASSERT_FALSE(IS_ERR(span));
	gcarena_span_take(&self->heap, span, taken);
	span->lease = (void *)1;
	for (i = 0; i < span->nr_slots; i++)
		gcarena_slot_free(&self->heap, &(struct heap_slot) { span, i });
	EXPECT_EQ(0, span->nr_used);
	EXPECT_WHOLE(&self->heap, 0);
	EXPECT_EQ(span, gcarena_heap_resolve(&self->heap, span->start).span);
	memset(taken, 0, sizeof(taken));
	gcarena_span_put(&self->heap, span, taken, NULL);
	span->lease = NULL;
	gcarena_span_settle(&self->heap, span);
	EXPECT_WHOLE(&self->heap, 0);
	EXPECT_EQ(1, self->heap.nr_empty);
}

/* All spans, in order, once: small ones, large ones over chunks, and chunks with none. */
TEST_F(core, walk_meets_each_span)
{
	static const u64 bytes[] = { 16, 5 * MIB, 256, 2 * MIB, 40000, 32768, 64, 3 * MIB };
	struct heap_span *spans[64], *span, *gap;
	u64 pos = 0, seen = 0, start = 0;
	unsigned int i;

	EXPECT_EQ(NULL, gcarena_span_next(&self->heap, &pos));
	for (i = 0; i < ARRAY_SIZE(spans); i++) {
		spans[i] = gcarena_span_create(&self->heap, self->heap.layouts[1],
					       core_class_of(bytes[i % 8]), bytes[i % 8]);
		ASSERT_FALSE(IS_ERR(spans[i]));
	}
	gap = gcarena_span_create(&self->heap, self->heap.layouts[1], 0, 6 * MIB);
	ASSERT_FALSE(IS_ERR(gap));
	spans[0]->rescan = true;
	gcarena_span_destroy(&self->heap, spans[1]);
	gcarena_span_destroy(&self->heap, gap);
	spans[1] = gcarena_span_create(&self->heap, self->heap.layouts[1], 1, 0);
	gcarena_chunks_release(&self->heap, 0);
	for (pos = 0; (span = gcarena_span_next(&self->heap, &pos)); seen++) {
		ASSERT_LE(start, span->start);
		start = span->start + span->bytes;
		EXPECT_EQ(start, pos);
	}
	EXPECT_EQ(ARRAY_SIZE(spans), seen);
	/* Each one may be destroyed when it has been met. */
	for (pos = 0; (span = gcarena_span_next(&self->heap, &pos)); seen--)
		gcarena_span_destroy(&self->heap, span);
	EXPECT_EQ(0, seen);
	EXPECT_WHOLE(&self->heap, 0);
}

/* A heap that is destroyed with everything in it. Teardown looks for leaks. */
TEST_F(core, destroyed_with_spans_on_all_lists)
{
	struct pool pool = { .heap = &self->heap, .layout = self->heap.layouts[0], .class = 9 };
	int i;

	for (i = 0; i < 5000; i++)
		ASSERT_NE(0, pool_alloc(&pool));
	pool_close(&pool);
	ASSERT_NE(NULL, large_new(&self->heap, self->heap.layouts[1], 7 * MIB));
	gcarena_sweep_flip(&self->heap);
	gcarena_sweep_some(&self->heap, 3);
	ASSERT_FALSE(IS_ERR(span_new(&self->heap, self->heap.layouts[0], 3)));
	EXPECT_WHOLE(&self->heap, 1);
}

TEST_HARNESS_MAIN
