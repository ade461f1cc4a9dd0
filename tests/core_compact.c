// SPDX-License-Identifier: GPL-2.0
/*
 * Compaction: random graphs of objects of all kinds, checked word by word against what is
 * remembered of them outside of the heap; what must not move; what is gained; and a
 * failure at each place where there can be one.
 */
#include "core/world.h"

/* ---- Graphs ------------------------------------------------------------------- */

TEST_F_TIMEOUT(core, random_graphs, 180)
{
	struct world *w = &world;
	u64 seed, moved, total = 0;
	u32 round;

	core_close(&self->heap);
	for (seed = 1; seed <= 40; seed++) {
		ASSERT_EQ(0, core_open(&self->heap, RESERVE, RESERVE));
		world_open(_metadata, w, &self->heap, seed);
		populate(_metadata, w, 500 * (1 + seed % 6), 1 + seed % 3);
		for (round = 0; round < 4; round++) {
			pick_roots(w, seed % 4, 2 + seed % 8);
			ASSERT_EQ(0, compact_world(_metadata, w, &moved));
			check_world(_metadata, w);
			total += moved;
			forget_dead(w);
			if (!w->nr)
				break;
			if (seed % 2)
				gcarena_chunks_release(&self->heap, 0);
			populate(_metadata, w, min(w->nr + 400, MAX_NODES), 1 + seed % 3);
		}
		core_close(&self->heap);
		ASSERT_EQ(0, core_allocations);
	}
	EXPECT_LT(5000, total);
	ASSERT_EQ(0, core_open(&self->heap, RESERVE, RESERVE));
}

/* With poison, what is read where an object was is not what it was. */
TEST_F_TIMEOUT(core, nothing_refers_to_what_was_left, 60)
{
	static u64 first[3000];
	struct world *w = &world;
	u64 at;
	u32 i;

	world_open(_metadata, w, &self->heap, 77);
	populate(_metadata, w, 3000, 2);
	pick_roots(w, 1, 3);
	for (i = 0; i < 3000; i++)
		first[i] = w->nodes[i].offset;
	self->heap.poison = true;
	ASSERT_EQ(0, compact_world(_metadata, w, NULL));
	check_world(_metadata, w);
	/* One of them was where nothing is now. */
	for (i = 0, at = 0; i < 3000 && !at; i++) {
		if (w->nodes[i].live && !gcarena_heap_resolve(&self->heap, first[i]).span &&
		    gcarena_heap_chunk(&self->heap, first[i]))
			at = first[i];
	}
	ASSERT_NE(0, at);
	EXPECT_EQ(0xd5d5d5d5d5d5d5d5ULL, *core_word(&self->heap, at));
}

/* ---- What is gained ------------------------------------------------------------- */

/* Nine in ten die at random: what is left takes hardly more than its own size. */
TEST_F_TIMEOUT(core, dense_afterwards, 120)
{
	const u32 nr = 200000;
	unsigned long *roots = calloc(nr, sizeof(*roots));
	struct pool pools[NR_SIZES] = { };
	struct gcarena_compact c;
	struct gcarena_marker m;
	u64 seed = 5, before, live, moved;
	u32 i, kept = 0, size;

	for (i = 0; i < nr; i++) {
		size = next_random(&seed) % 5;
		pools[size] = pools[size].heap ? pools[size] :
			      (struct pool) { .heap = &self->heap,
					      .class = core_class_of(sizes[size]),
					      .layout = self->heap.layouts[1] };
		roots[kept] = BASE + pool_alloc(&pools[size]);
		kept += next_random(&seed) % 10 == 0;
	}
	for (i = 0; i < NR_SIZES; i++)
		pool_close(&pools[i]);
	before = self->heap.nr_chunks;
	ASSERT_EQ(0, gcarena_compact_init(&c, &self->heap));
	ASSERT_EQ(0, mark_from(&self->heap, roots, kept, STACK_PLENTY, &m));
	gcarena_sweep_flip(&self->heap);
	ASSERT_EQ(0, gcarena_sweep_all(&self->heap));
	gcarena_chunks_release(&self->heap, 0);
	EXPECT_LT(before * 9 / 10, self->heap.nr_chunks);	/* all are needed a little */
	ASSERT_EQ(0, gcarena_compact_plan_slots(&c));
	gcarena_compact_move(&c);
	ASSERT_EQ(0, gcarena_compact_plan_spans(&c));
	gcarena_compact_move(&c);
	gcarena_chunks_release(&self->heap, 0);
	live = self->heap.used.bytes;
	TH_LOG("%lu MiB live, %u MiB held, top at %u MiB; %lu MiB before; %lu objects moved",
	       live / MIB, self->heap.nr_chunks * 2, self->heap.top * 2, before * 2,
	       c.moved.objects);
	EXPECT_GE(live + live / 10 + 2 * GCARENA_CHUNK_BYTES,
		  self->heap.nr_chunks * GCARENA_CHUNK_BYTES);
	EXPECT_GE(live + live / 10 + 2 * GCARENA_CHUNK_BYTES, self->heap.top * GCARENA_CHUNK_BYTES);
	EXPECT_EQ(kept, self->heap.used.objects);
	EXPECT_WHOLE(&self->heap, 0);
	/* There is nothing left to do: the same again moves nothing. */
	moved = c.moved.objects;
	ASSERT_EQ(0, gcarena_compact_plan_slots(&c));
	gcarena_compact_move(&c);
	EXPECT_EQ(moved, c.moved.objects);
	gcarena_compact_destroy(&c);
	free(roots);
}

/* 3 MiB of objects at the high end, full of their numbers, and nothing below. */
static u64 high_objects(struct gcarena_heap *heap, struct heap_span **last)
{
	struct heap_span *low = large_new(heap, heap->layouts[1], 6 * MIB);
	struct pool pool = { .heap = heap, .layout = heap->layouts[1],
			     .class = core_class_of(1024) };
	u64 at = 0, i;

	for (i = 0; i < 3 * MIB / 1024; i++) {
		at = pool_alloc(&pool);
		*core_word(heap, at) = i;
	}
	pool_close(&pool);
	*last = gcarena_heap_resolve(heap, at).span;
	gcarena_slot_free(heap, &(struct heap_slot) { low, 0 });
	return at;
}

static u64 first_told, nr_told;

static void count_page(u64 page)
{
	first_told = min(first_told, page);
	nr_told++;
}

/* They come down as they are. */
TEST_F(core, spans_come_down)
{
	struct gcarena_compact c;
	struct heap_span *last;
	u64 at = high_objects(&self->heap, &last), to;

	first_told = ~0ULL;
	nr_told = 0;
	core_wrote = count_page;
	/* As if it had never been used: it is no longer all zero afterwards. */
	bitmap_clear(self->heap.chunks[0]->dirty, 0, GCARENA_CHUNK_BLOCKS);
	ASSERT_EQ(0, gcarena_compact_init(&c, &self->heap));
	ASSERT_EQ(0, gcarena_compact_plan_spans(&c));
	to = gcarena_compact_forward(&c, at + 5);
	EXPECT_LT(to, at);
	gcarena_compact_move(&c);
	core_wrote = NULL;
	EXPECT_EQ(3 * MIB / 1024 - 1, *core_word(&self->heap, to - 5));
	EXPECT_EQ(6 * MIB, gcarena_chunks_release(&self->heap, 0));
	EXPECT_EQ(2, self->heap.top);
	EXPECT_EQ(3 * MIB / 1024, c.moved.objects);
	EXPECT_FALSE(!!gcarena_heap_resolve(&self->heap, 0).span->zeroed);
	EXPECT_EQ(0, first_told);
	EXPECT_EQ(3 * MIB >> PAGE_SHIFT, nr_told);
	EXPECT_WHOLE(&self->heap, 0);
	gcarena_compact_destroy(&c);
}

/* With a span that somebody holds, or a pinned object, a chunk cannot be emptied. */
TEST_F(core, chunks_that_cannot_be_emptied)
{
	struct gcarena_compact c;
	struct heap_span *last;
	u64 at = high_objects(&self->heap, &last), i;
	unsigned long word = BASE + at;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, gcarena_compact_init(&c, &self->heap));
		if (i) {
			gcarena_compact_pin_words(&c, &word, 1);
		} else {
			list_del_init(&last->link);
			last->lease = (void *)1;
		}
		ASSERT_EQ(0, gcarena_compact_plan_spans(&c));
		EXPECT_EQ(at, gcarena_compact_forward(&c, at));
		EXPECT_EQ(last->start, gcarena_compact_forward(&c, last->start));
		/* But the chunk below can. */
		at = last->start - 2 * MIB;
		EXPECT_NE(at, gcarena_compact_forward(&c, at));
		at = word - BASE;
		gcarena_compact_cancel(&c);
		EXPECT_EQ(last->start - 2 * MIB,
			  gcarena_compact_forward(&c, last->start - 2 * MIB));
		gcarena_compact_destroy(&c);
		if (last->lease) {
			last->lease = NULL;
			gcarena_span_settle(&self->heap, last);
		}
		EXPECT_WHOLE(&self->heap, 0);
	}
}

TEST_F(core, no_memory_to_come_down)
{
	struct gcarena_compact c;
	struct heap_span *last;
	u64 at = high_objects(&self->heap, &last);
	long nth;

	ASSERT_EQ(0, gcarena_compact_init(&c, &self->heap));
	for (nth = 0; nth < 20; nth++) {
		core_fail_after = nth;
		EXPECT_EQ(-ENOMEM, gcarena_compact_plan_spans(&c));
		core_fail_after = -1;
		EXPECT_EQ(at, gcarena_compact_forward(&c, at));
		EXPECT_WHOLE(&self->heap, 0);
	}
	ASSERT_EQ(0, gcarena_compact_plan_spans(&c));
	EXPECT_NE(at, gcarena_compact_forward(&c, at));
	gcarena_compact_cancel(&c);
	EXPECT_WHOLE(&self->heap, 0);
	gcarena_compact_destroy(&c);
}

/* ---- What stays ------------------------------------------------------------------- */

/* @nr spans of @layout, each with one object, the last slot. */
static void sparse(struct gcarena_heap *heap, struct heap_layout *layout, struct heap_span **spans,
		   u32 nr)
{
	u64 taken[GCARENA_MAX_SLOTS / 64], unused[GCARENA_MAX_SLOTS / 64];
	u32 last;

	while (nr--) {
		struct heap_span *span = span_new(heap, layout, core_class_of(256));

		gcarena_span_take(heap, span, taken);
		memcpy(unused, taken, sizeof(unused));
		last = span->nr_slots - 1;
		unused[last / 64] &= ~BIT_ULL(last % 64);
		gcarena_span_put(heap, span, taken, unused);
		gcarena_span_settle(heap, span);
		span->words[last / 64].mark = BIT_ULL(last % 64);
		gcarena_tally_add(&heap->old, 1, span->slot_bytes);
		*spans++ = span;
	}
}

static u64 only_object(const struct heap_span *span)
{
	return span->start + (span->nr_slots - 1) * span->slot_bytes;
}

TEST_F(core, pinned_objects_stay_and_their_spans_are_filled)
{
	struct heap_span *spans[8];
	struct gcarena_compact c;
	unsigned long word;
	u64 pinned;

	sparse(&self->heap, self->heap.layouts[1], spans, 8);
	pinned = only_object(spans[6]);
	word = BASE + pinned + 100;
	ASSERT_EQ(0, gcarena_compact_init(&c, &self->heap));
	gcarena_compact_pin_words(&c, &word, 1);
	ASSERT_EQ(0, gcarena_compact_plan_slots(&c));
	EXPECT_EQ(pinned, gcarena_compact_forward(&c, pinned));
	EXPECT_NE(only_object(spans[7]), gcarena_compact_forward(&c, only_object(spans[7])));
	gcarena_compact_move(&c);
	EXPECT_EQ(7, c.moved.objects);
	EXPECT_EQ(8, spans[6]->nr_used);
	EXPECT_EQ(spans[6]->bytes, self->heap.span_bytes);
	EXPECT_WHOLE(&self->heap, 0);
	/* Its chunk is the lowest. With a pin it would not be moved out of, either. */
	ASSERT_EQ(0, gcarena_compact_plan_spans(&c));
	EXPECT_EQ(pinned, gcarena_compact_forward(&c, pinned));
	gcarena_compact_move(&c);
	gcarena_compact_destroy(&c);
}

/* Words that pin nothing: before, behind, between, and free slots. */
TEST_F(core, words_that_pin_nothing)
{
	struct heap_span *spans[4];
	struct gcarena_compact c;

	sparse(&self->heap, self->heap.layouts[1], spans, 4);
	ASSERT_EQ(0, gcarena_compact_init(&c, &self->heap));
	{
		const unsigned long words[] = {
			0, -1UL, BASE - 1, BASE + spans[3]->start, BASE + RESERVE,
			BASE + GCARENA_CHUNK_BYTES, BASE + GCARENA_CHUNK_BYTES - 1,
			BASE + only_object(spans[3]) - 1, BASE + spans[3]->start + spans[3]->bytes,
		};

		gcarena_compact_pin_words(&c, words, ARRAY_SIZE(words));
	}
	ASSERT_EQ(0, gcarena_compact_plan_slots(&c));
	/* Nor are these forwarded anywhere. */
	EXPECT_EQ(spans[3]->start, gcarena_compact_forward(&c, spans[3]->start));
	EXPECT_EQ(-1ULL, gcarena_compact_forward(&c, -1ULL));
	EXPECT_EQ(RESERVE, gcarena_compact_forward(&c, RESERVE));
	gcarena_compact_move(&c);
	EXPECT_EQ(3, c.moved.objects);
	gcarena_compact_destroy(&c);
}

TEST_F(core, leased_spans_are_left_alone_but_updated)
{
	struct heap_layout *layout = layout_new(&self->heap, 2, (unsigned long[]) { 2 });
	struct heap_span *spans[6];
	struct gcarena_compact c;
	u64 *words, target, to;

	sparse(&self->heap, layout, spans, 6);
	list_del_init(&spans[0]->link);
	list_del_init(&spans[5]->link);
	spans[0]->lease = (void *)1;
	spans[5]->lease = (void *)1;
	target = only_object(spans[4]);
	words = core_word(&self->heap, only_object(spans[5]));
	words[0] = BASE + target + 8;
	words[1] = BASE + target + 8;
	words[3] = BASE + target + 8;
	ASSERT_EQ(0, gcarena_compact_init(&c, &self->heap));
	ASSERT_EQ(0, gcarena_compact_plan_slots(&c));
	EXPECT_EQ(only_object(spans[5]), gcarena_compact_forward(&c, only_object(spans[5])));
	to = gcarena_compact_forward(&c, target);
	/* The third of three that are emptied. */
	EXPECT_EQ(spans[1]->start + 2 * 256, to);
	EXPECT_EQ(to + 8, gcarena_compact_forward(&c, target + 8));
	gcarena_compact_move(&c);
	EXPECT_EQ(3, c.moved.objects);
	EXPECT_EQ(1, spans[0]->nr_used);
	EXPECT_EQ(BASE + target + 8, words[0]);		/* not a pointer */
	EXPECT_EQ(BASE + to + 8, words[1]);
	EXPECT_EQ(BASE + to + 8, words[3]);
	EXPECT_WHOLE(&self->heap, 0);
	spans[0]->lease = NULL;
	spans[5]->lease = NULL;
	gcarena_span_settle(&self->heap, spans[0]);
	gcarena_span_settle(&self->heap, spans[5]);
	gcarena_compact_destroy(&c);
}

static u64 busy_page;

static bool is_busy(u64 page)
{
	return page == busy_page;
}

TEST_F(core, pages_in_use_by_io_stay)
{
	struct heap_span *spans[3];
	struct gcarena_compact c;

	sparse(&self->heap, self->heap.layouts[1], spans, 3);
	busy_page = (spans[2]->start + spans[2]->bytes - 1) >> PAGE_SHIFT;
	core_is_busy = is_busy;
	ASSERT_EQ(0, gcarena_compact_init(&c, &self->heap));
	ASSERT_EQ(0, gcarena_compact_plan_slots(&c));
	EXPECT_EQ(only_object(spans[2]), gcarena_compact_forward(&c, only_object(spans[2])));
	EXPECT_NE(only_object(spans[1]), gcarena_compact_forward(&c, only_object(spans[1])));
	gcarena_compact_move(&c);
	EXPECT_EQ(2, c.moved.objects);
	gcarena_compact_destroy(&c);
	core_is_busy = NULL;
}

/* CONSERVATIVE objects, and what their words point to: none of them moves. */
TEST_F(core, conservative_objects_stay_and_pin)
{
	struct heap_span *typed[4], *all[4];
	struct gcarena_compact c;

	sparse(&self->heap, self->heap.layouts[1], typed, 4);
	sparse(&self->heap, self->heap.layouts[0], all, 4);
	core_word(&self->heap, only_object(all[2]))[31] = BASE + only_object(typed[3]) + 255;
	/* A dead one pins nothing. */
	core_word(&self->heap, all[2]->start)[0] = BASE + only_object(typed[2]);
	ASSERT_EQ(0, gcarena_compact_init(&c, &self->heap));
	ASSERT_EQ(0, gcarena_compact_pin_conservative(&c));
	ASSERT_EQ(0, gcarena_compact_plan_slots(&c));
	EXPECT_EQ(only_object(typed[3]), gcarena_compact_forward(&c, only_object(typed[3])));
	EXPECT_NE(only_object(typed[2]), gcarena_compact_forward(&c, only_object(typed[2])));
	EXPECT_EQ(only_object(all[3]), gcarena_compact_forward(&c, only_object(all[3])));
	gcarena_compact_move(&c);
	EXPECT_EQ(3, c.moved.objects);
	gcarena_compact_destroy(&c);
}

/*
 * Large objects move to the low end, pointers in them and to their middle are changed. One that
 * fits nowhere does not keep the others from it.
 */
TEST_F(core, large_objects_move)
{
	const u64 sizes[] = { 600 * 1024, 40 * 1024, GCARENA_CHUNK_BYTES - GCARENA_BLOCK_BYTES };
	struct heap_layout *layout = layout_new(&self->heap, 3, (unsigned long[]) { 2 });
	struct heap_span *low[4], *high[3];
	struct gcarena_compact c;
	u64 at[3], to[3], i, k;

	for (i = 0; i < 4; i++)
		low[i] = large_new(&self->heap, self->heap.layouts[1], MIB);
	for (i = 0; i < 3; i++) {
		high[i] = large_new(&self->heap, layout, sizes[i]);
		at[i] = high[i]->start;
		high[i]->words[0].mark = 1;
		gcarena_tally_add(&self->heap.old, 1, high[i]->bytes);
	}
	ASSERT_EQ(2, at[0] >> GCARENA_CHUNK_SHIFT);
	ASSERT_EQ(3, at[2] >> GCARENA_CHUNK_SHIFT);
	for (i = 0; i < 3; i++) {
		for (k = 0; k < sizes[i] / 8; k++)
			*core_word(&self->heap, at[i] + k * 8) =
				BASE + at[k % 3] + k % sizes[k % 3];
	}
	gcarena_slot_free(&self->heap, &(struct heap_slot) { low[1], 0 });
	gcarena_slot_free(&self->heap, &(struct heap_slot) { low[2], 0 });
	ASSERT_EQ(0, gcarena_compact_init(&c, &self->heap));
	ASSERT_EQ(0, gcarena_compact_plan_spans(&c));
	for (i = 0; i < 3; i++) {
		to[i] = gcarena_compact_forward(&c, at[i]);
		EXPECT_EQ(to[i] + sizes[i] - 1, gcarena_compact_forward(&c, at[i] + sizes[i] - 1));
	}
	EXPECT_GT(2 * GCARENA_CHUNK_BYTES, to[0]);
	EXPECT_GT(2 * GCARENA_CHUNK_BYTES, to[1]);
	EXPECT_EQ(at[2], to[2]);
	gcarena_compact_move(&c);
	EXPECT_EQ(2, c.moved.objects);
	for (i = 0; i < 3; i++) {
		for (k = 0; k < sizes[i] / 8; k++)
			ASSERT_EQ(BASE + (k % 3 == 1 ? to : at)[k % 3] + k % sizes[k % 3],
				  *core_word(&self->heap, to[i] + k * 8)) TH_LOG("%lu: %lu", i, k);
	}
	EXPECT_WHOLE(&self->heap, 0);
	gcarena_compact_destroy(&c);
	EXPECT_EQ(GCARENA_CHUNK_BYTES, gcarena_chunks_release(&self->heap, 0));
	EXPECT_EQ(NULL, self->heap.chunks[2]);
}

/* Each pointer in one of more than a chunk is updated, across all pieces. */
TEST_F(core, large_objects_are_updated)
{
	struct heap_layout *layout = layout_new(&self->heap, 3, (unsigned long[]) { 2 });
	struct heap_span *spans[2], *large;
	u64 i, words = 5 * MIB / 8, from, to;
	struct gcarena_compact c;

	sparse(&self->heap, layout, spans, 2);
	large = large_new(&self->heap, layout, 5 * MIB);
	large->words[0].mark = 1;
	gcarena_tally_add(&self->heap.old, 1, large->bytes);
	from = only_object(spans[1]);
	for (i = 0; i < words; i++)
		*core_word(&self->heap, large->start + i * 8) = BASE + from + i % 256;
	ASSERT_EQ(0, gcarena_compact_init(&c, &self->heap));
	ASSERT_EQ(0, gcarena_compact_plan_slots(&c));
	to = gcarena_compact_forward(&c, from);
	ASSERT_NE(from, to);
	gcarena_compact_move(&c);
	for (i = 0; i < words; i++)
		ASSERT_EQ(BASE + (i % 3 == 1 ? to : from) + i % 256,
			  *core_word(&self->heap, large->start + i * 8)) TH_LOG("word %lu", i);
	EXPECT_WHOLE(&self->heap, 0);
	gcarena_compact_destroy(&c);
}

/* ---- Written pages ---------------------------------------------------------------- */

static u8 *before;
static bool *told;
static u64 nr_pages;

static void wrote_page(u64 page)
{
	told[page] = true;
}

/* Each page that is not what it was has been told of, if it is still there. */
TEST_F_TIMEOUT(core, each_written_page_is_told, 60)
{
	struct world *w = &world;
	u64 page, nr_told = 0, missed = 0;

	world_open(_metadata, w, &self->heap, 9);
	populate(_metadata, w, 4000, 2);
	nr_pages = (u64)self->heap.top * GCARENA_CHUNK_PAGES;
	before = malloc(nr_pages << PAGE_SHIFT);
	told = calloc(nr_pages, sizeof(*told));
	for (page = 0; page < nr_pages; page++)
		memcpy(before + (page << PAGE_SHIFT),
		       gcarena_heap_kaddr(&self->heap, page << PAGE_SHIFT), BIT(PAGE_SHIFT));
	core_wrote = wrote_page;
	pick_roots(w, 2, 6);
	ASSERT_EQ(0, compact_world(_metadata, w, NULL));
	core_wrote = NULL;
	check_world(_metadata, w);
	for (page = 0; page < nr_pages; page++) {
		nr_told += told[page];
		/* A chunk of which all has moved may be elsewhere itself. */
		if (!told[page] && self->heap.chunks[page / GCARENA_CHUNK_PAGES]->nr_used)
			missed += !!memcmp(before + (page << PAGE_SHIFT),
					   gcarena_heap_kaddr(&self->heap, page << PAGE_SHIFT),
					   BIT(PAGE_SHIFT));
	}
	EXPECT_EQ(0, missed);
	EXPECT_LT(10, nr_told);
	EXPECT_LT(nr_told, nr_pages);
	free(before);
	free(told);
}

/* ---- Failures --------------------------------------------------------------------- */

/*
 * Whatever fails, and wherever: the heap is as it was, but for its garbage, and the next
 * try is like the first. Returns how many places there were.
 */
static long fail_everywhere(struct __test_metadata *_metadata, struct gcarena_heap *heap, u64 seed,
			    long *countdown, int error)
{
	struct world *w = &world;
	long nth, failed = 0;
	bool reached = true;
	int ret;

	core_close(heap);
	for (nth = 0; reached; nth++) {
		ASSERT_EQ(0, core_open(heap, RESERVE, RESERVE));
		world_open(_metadata, w, heap, seed);
		populate(_metadata, w, 900, 2);
		pick_roots(w, 1, 4);
		*countdown = nth;
		ret = compact_world(_metadata, w, NULL);
		reached = countdown == &core_fail_after ? *countdown < 0 : *countdown == 0;
		*countdown = -1;
		/* More mark stack is something that marking can do without. */
		if (ret)
			ASSERT_EQ(error, ret);
		failed += !!ret;
		ASSERT_STREQ("", core_check(heap, 0));
		ASSERT_EQ(0, compact_world(_metadata, w, NULL));
		check_world(_metadata, w);
		core_close(heap);
		ASSERT_EQ(0, core_allocations);
	}
	ASSERT_EQ(0, core_open(heap, RESERVE, RESERVE));
	return failed;
}

TEST_F_TIMEOUT(core, each_allocation_fails_once, 180)
{
	long failed = fail_everywhere(_metadata, &self->heap, 3, &core_fail_after, -ENOMEM);

	TH_LOG("%ld allocations failed", failed);
	EXPECT_LE(15, failed);
}

TEST_F_TIMEOUT(core, killed_at_each_checkpoint, 180)
{
	long failed = fail_everywhere(_metadata, &self->heap, 4, &core_kill_after, -EINTR);

	TH_LOG("killed at %ld checkpoints", failed);
	EXPECT_LE(3, failed);
}

TEST_HARNESS_MAIN
