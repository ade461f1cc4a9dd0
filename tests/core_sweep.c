// SPDX-License-Identifier: GPL-2.0
/*
 * Sweeping: each set of live slots, each way a span can come to be swept, and each
 * place where it can be interrupted.
 */
#include "core/fixture.h"

#define WORDS	(GCARENA_MAX_SLOTS / 64)

/* Fill @nr spans with objects. Returns the first. */
static struct heap_span *fill(struct gcarena_heap *heap, unsigned int class, unsigned int nr)
{
	struct heap_span *span, *first = NULL;
	u64 taken[WORDS];

	while (nr--) {
		span = span_new(heap, heap->layouts[0], class);
		if (IS_ERR(span))
			return NULL;
		gcarena_span_take(heap, span, taken);
		gcarena_span_settle(heap, span);
		first = first ?: span;
	}
	return first;
}

static u64 nr_unswept(struct gcarena_heap *heap, unsigned int class)
{
	struct heap_span *span;
	u64 nr = 0;

	list_for_each_entry(span, &heap->layouts[0]->buckets[class]->unswept, link)
		nr++;
	return nr;
}

/* Eight slots: each set of allocated and each subset of marked ones. */
TEST_F(core, every_set_of_eight_slots)
{
	const unsigned int class = core_class_of(8192);
	u64 alloc, mark, taken, unused, freed;
	struct heap_span *span;

	for (alloc = 1; alloc < 256; alloc++) {
		for (mark = alloc;; mark = (mark - 1) & alloc) {
			span = span_new(&self->heap, self->heap.layouts[0], class);
			ASSERT_FALSE(IS_ERR(span));
			ASSERT_EQ(8, span->nr_slots);
			gcarena_span_take(&self->heap, span, &taken);
			unused = ~alloc;
			gcarena_span_put(&self->heap, span, &taken, &unused);
			gcarena_span_settle(&self->heap, span);
			span->words[0].mark = mark;
			freed = self->heap.freed.objects;
			gcarena_sweep_flip(&self->heap);
			ASSERT_EQ(0, gcarena_sweep_all(&self->heap));
			EXPECT_EQ(hweight64(alloc & ~mark), self->heap.freed.objects - freed);
			ASSERT_STREQ("", core_check(&self->heap, 0));
			if (!mark)
				break;
			EXPECT_EQ(mark, span->words[0].alloc);
			list_del_init(&span->link);
			gcarena_span_put(&self->heap, span, &mark, &mark);
			gcarena_span_settle(&self->heap, span);
		}
		EXPECT_EQ(0, self->heap.span_bytes);
	}
}

/* Spans of more than one word of bits, and the last word not full. */
TEST_F(core, marks_decide_in_every_word)
{
	const unsigned int class = core_class_of(48);
	struct heap_span *span = fill(&self->heap, class, 1);
	u64 seed = 3, live = 0;
	u32 i;

	ASSERT_NE(NULL, span);
	ASSERT_LT(64, span->nr_slots);
	for (i = 0; i < span->nr_slots; i++) {
		bool mark = next_random(&seed) % 2;

		span->words[i / 64].mark |= mark * BIT_ULL(i % 64);
		live += mark;
	}
	gcarena_sweep_flip(&self->heap);
	gcarena_sweep_at(&self->heap, span->start + span->bytes - 1);	/* the tail */
	EXPECT_EQ(span->nr_slots, span->nr_used);
	gcarena_sweep_at(&self->heap, span->start + 5);
	EXPECT_EQ(live, span->nr_used);
	EXPECT_EQ(live, self->heap.used.objects);
	EXPECT_WHOLE(&self->heap, 0);
}

/* Once for each cycle, and not at all in spans that somebody holds. */
TEST_F(core, swept_once_a_cycle)
{
	struct heap_span *span = fill(&self->heap, 20, 1), *leased;
	u64 taken[WORDS];

	ASSERT_NE(NULL, span);
	leased = span_new(&self->heap, self->heap.layouts[0], 20);
	gcarena_span_take(&self->heap, leased, taken);
	leased->lease = (void *)1;
	span->words[0].mark = 1;
	gcarena_sweep_flip(&self->heap);
	gcarena_sweep_at(&self->heap, leased->start);
	EXPECT_EQ(leased->nr_slots, leased->nr_used);
	gcarena_sweep_at(&self->heap, span->start);
	EXPECT_EQ(1, span->nr_used);
	span->words[0].mark = 0;
	gcarena_sweep_at(&self->heap, span->start);
	EXPECT_EQ(1, span->nr_used);
	gcarena_sweep_at(&self->heap, RESERVE + 1);
	EXPECT_EQ(0, gcarena_sweep_all(&self->heap));
	EXPECT_EQ(1, span->nr_used);
	/* Back from the thread it belongs to the cycle of the moment. */
	gcarena_span_put(&self->heap, leased, taken, NULL);
	leased->lease = NULL;
	gcarena_span_settle(&self->heap, leased);
	EXPECT_WHOLE(&self->heap, 0);
	EXPECT_EQ(0, gcarena_sweep_all(&self->heap));
	EXPECT_EQ(leased->nr_slots, leased->nr_used);
	/* Nothing is marked in the next one. */
	gcarena_sweep_flip(&self->heap);
	EXPECT_EQ(0, gcarena_sweep_all(&self->heap));
	EXPECT_EQ(0, self->heap.used.objects);
	EXPECT_EQ(0, self->heap.span_bytes);
}

TEST_F(core, some_at_a_time)
{
	ASSERT_NE(NULL, fill(&self->heap, 20, 100));
	EXPECT_FALSE(gcarena_sweep_some(&self->heap, 1));
	gcarena_sweep_flip(&self->heap);
	EXPECT_EQ(100, nr_unswept(&self->heap, 20));
	EXPECT_TRUE(gcarena_sweep_some(&self->heap, 0));
	EXPECT_TRUE(gcarena_sweep_some(&self->heap, 30));
	EXPECT_EQ(70, nr_unswept(&self->heap, 20));
	EXPECT_WHOLE(&self->heap, 0);
	EXPECT_TRUE(gcarena_sweep_some(&self->heap, 70));
	EXPECT_FALSE(gcarena_sweep_some(&self->heap, 1));
	EXPECT_EQ(0, self->heap.span_bytes);
	EXPECT_WHOLE(&self->heap, 0);
}

/* At a refill: one span of the class that is asked for, in the caller's hands. */
TEST_F(core, next_of_a_bucket)
{
	struct heap_bucket *bucket;
	struct heap_span *span;
	int i;

	ASSERT_NE(NULL, fill(&self->heap, 20, 3));
	ASSERT_NE(NULL, fill(&self->heap, 30, 2));
	bucket = self->heap.layouts[0]->buckets[20];
	EXPECT_EQ(NULL, gcarena_sweep_next(&self->heap, bucket));
	gcarena_sweep_flip(&self->heap);
	for (i = 0; i < 3; i++) {
		span = gcarena_sweep_next(&self->heap, bucket);
		ASSERT_NE(NULL, span);
		EXPECT_EQ(20, (u32)span->class);
		EXPECT_EQ(0, span->nr_used);
		EXPECT_WHOLE(&self->heap, 1);
		gcarena_span_settle(&self->heap, span);
	}
	EXPECT_EQ(NULL, gcarena_sweep_next(&self->heap, bucket));
	EXPECT_EQ(2, nr_unswept(&self->heap, 30));
	/* The bucket is pending still, with nothing to do. */
	EXPECT_EQ(0, gcarena_sweep_all(&self->heap));
	EXPECT_EQ(0, self->heap.span_bytes);
	EXPECT_WHOLE(&self->heap, 0);
}

/* Killed at each checkpoint in turn: what is left is for the next who comes. */
TEST_F(core, killed_and_resumed)
{
	u64 left = 1000;
	int rounds;

	ASSERT_NE(NULL, fill(&self->heap, 20, left));
	gcarena_sweep_flip(&self->heap);
	core_kill_after = 0;
	for (rounds = 0; gcarena_sweep_all(&self->heap) == -EINTR; rounds++) {
		EXPECT_GT(left, nr_unswept(&self->heap, 20));
		left = nr_unswept(&self->heap, 20);
		ASSERT_STREQ("", core_check(&self->heap, 0));
	}
	EXPECT_LT(2, rounds);
	EXPECT_EQ(0, self->heap.span_bytes);
	EXPECT_WHOLE(&self->heap, 0);
}

/* A cycle that begins before the last one is swept: the newer marks count. */
TEST_F(core, flipped_twice)
{
	struct heap_span *span = fill(&self->heap, 20, 1);

	ASSERT_NE(NULL, span);
	span->words[0].mark = 3;
	gcarena_sweep_flip(&self->heap);
	span->words[0].mark = 1;
	gcarena_sweep_flip(&self->heap);
	EXPECT_WHOLE(&self->heap, 0);
	EXPECT_EQ(0, gcarena_sweep_all(&self->heap));
	EXPECT_EQ(1, span->nr_used);
	EXPECT_WHOLE(&self->heap, 0);
}

/* Large objects have a bucket of their own, and give all their memory back. */
TEST_F(core, large_objects)
{
	struct heap_span *dead = large_new(&self->heap, self->heap.layouts[0], 5 * MIB);
	struct heap_span *live = large_new(&self->heap, self->heap.layouts[0], 3 * MIB);

	ASSERT_NE(NULL, dead);
	ASSERT_NE(NULL, live);
	live->words[0].mark = 1;
	gcarena_sweep_flip(&self->heap);
	EXPECT_EQ(0, gcarena_sweep_all(&self->heap));
	EXPECT_EQ(live->bytes, self->heap.span_bytes);
	EXPECT_EQ(1, self->heap.used.objects);
	EXPECT_EQ(live->bytes, self->heap.used.bytes);
	EXPECT_EQ(6 * MIB, gcarena_chunks_release(&self->heap, 0));
	EXPECT_WHOLE(&self->heap, 0);
}

TEST_HARNESS_MAIN
