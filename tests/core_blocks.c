// SPDX-License-Identifier: GPL-2.0
/*
 * Chunks and runs of blocks, against a model that is an array of bytes, one for each
 * block, and looks for space by trying all places.
 */
#include "core/fixture.h"

#define MODEL_CHUNKS	12
#define MODEL_BLOCKS	(MODEL_CHUNKS * GCARENA_CHUNK_BLOCKS)
#define MODEL_RUNS	300

TEST_F(core, blocks_are_reused_low_first)
{
	u64 a, b, c, d;

	ASSERT_EQ(0, gcarena_blocks_alloc(&self->heap, 10, &a));
	ASSERT_EQ(0, gcarena_blocks_alloc(&self->heap, GCARENA_CHUNK_BLOCKS * 2 + 1, &b));
	ASSERT_EQ(0, gcarena_blocks_alloc(&self->heap, 10, &c));
	EXPECT_EQ(0, a);
	EXPECT_EQ(GCARENA_CHUNK_BYTES, b);
	EXPECT_EQ(10 * GCARENA_BLOCK_BYTES, c);
	EXPECT_FALSE(gcarena_blocks_dirty(&self->heap, a, 10));
	gcarena_blocks_free(&self->heap, a, 10);
	ASSERT_EQ(0, gcarena_blocks_alloc(&self->heap, 8, &d));
	EXPECT_EQ(0, d);
	EXPECT_TRUE(gcarena_blocks_dirty(&self->heap, d, 8));
	EXPECT_TRUE(gcarena_blocks_dirty(&self->heap, 9 * GCARENA_BLOCK_BYTES, 2));
	EXPECT_FALSE(gcarena_blocks_dirty(&self->heap, 10 * GCARENA_BLOCK_BYTES, 2));
	gcarena_blocks_free(&self->heap, b, GCARENA_CHUNK_BLOCKS * 2 + 1);
	gcarena_blocks_free(&self->heap, c, 10);
	gcarena_blocks_free(&self->heap, d, 8);
	EXPECT_EQ(4, self->heap.nr_chunks);
	EXPECT_EQ(4, self->heap.nr_empty);
	EXPECT_EQ(3 * GCARENA_CHUNK_BYTES, gcarena_chunks_release(&self->heap, 2 * MIB));
	EXPECT_EQ(1, self->heap.top);
	EXPECT_EQ(0, gcarena_chunks_release(&self->heap, 2 * MIB));
	EXPECT_EQ(GCARENA_CHUNK_BYTES, gcarena_chunks_release(&self->heap, 2 * MIB - 1));
	EXPECT_EQ(0, self->heap.top);
}

/* The length of a run from one block to three chunks: where it starts, what it leaves. */
TEST_F(core, every_length)
{
	u64 nr, start, chunks;

	for (nr = 1; nr <= 3 * GCARENA_CHUNK_BLOCKS; nr++) {
		ASSERT_EQ(0, gcarena_blocks_alloc(&self->heap, nr, &start));
		EXPECT_EQ(0, start);
		chunks = (nr + GCARENA_CHUNK_BLOCKS - 1) / GCARENA_CHUNK_BLOCKS;
		EXPECT_EQ(chunks, self->heap.nr_chunks - self->heap.nr_empty);
		EXPECT_EQ(nr * GCARENA_BLOCK_BYTES, self->heap.span_bytes);
		gcarena_blocks_free(&self->heap, start, nr);
		EXPECT_EQ(0, self->heap.span_bytes);
		ASSERT_STREQ("", core_check(&self->heap, 0));
	}
}

TEST_F(core, limit_is_kept)
{
	u64 a, b, none;

	self->heap.limit_chunks = 2;
	ASSERT_EQ(0, gcarena_blocks_alloc(&self->heap, GCARENA_CHUNK_BLOCKS, &a));
	EXPECT_EQ(-ENOSPC, gcarena_blocks_alloc(&self->heap, GCARENA_CHUNK_BLOCKS + 1, &none));
	ASSERT_EQ(0, gcarena_blocks_alloc(&self->heap, GCARENA_CHUNK_BLOCKS, &b));
	EXPECT_EQ(-ENOSPC, gcarena_blocks_alloc(&self->heap, 1, &none));
	EXPECT_EQ(-ENOSPC, gcarena_blocks_alloc(&self->heap, 3 * GCARENA_CHUNK_BLOCKS, &none));
	EXPECT_EQ(2, self->heap.nr_chunks);
	gcarena_blocks_free(&self->heap, a, GCARENA_CHUNK_BLOCKS);
	gcarena_blocks_free(&self->heap, b, GCARENA_CHUNK_BLOCKS);
	EXPECT_WHOLE(&self->heap, 0);
}

/* A reserve smaller than what the limit would allow, with a hole in its middle. */
TEST_F(core, reserve_is_kept)
{
	u64 start[4], none;
	int i;

	self->heap.max_chunks = 4;
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, gcarena_blocks_alloc(&self->heap, GCARENA_CHUNK_BLOCKS, &start[i]));
	EXPECT_EQ(-ENOSPC, gcarena_blocks_alloc(&self->heap, 1, &none));
	gcarena_blocks_free(&self->heap, start[1], GCARENA_CHUNK_BLOCKS);
	EXPECT_EQ(-ENOSPC, gcarena_blocks_alloc(&self->heap, GCARENA_CHUNK_BLOCKS + 1, &none));
	EXPECT_EQ(-ENOSPC, gcarena_blocks_alloc(&self->heap, U64_MAX >> 13, &none));
	gcarena_chunks_release(&self->heap, 0);
	EXPECT_EQ(3, self->heap.nr_chunks);
	gcarena_blocks_free(&self->heap, start[2], GCARENA_CHUNK_BLOCKS);
	/* One chunk absent and one empty make a run of two. */
	ASSERT_EQ(0, gcarena_blocks_alloc(&self->heap, GCARENA_CHUNK_BLOCKS + 1, &none));
	EXPECT_EQ(start[1], none);
	gcarena_blocks_free(&self->heap, none, GCARENA_CHUNK_BLOCKS + 1);
	gcarena_blocks_free(&self->heap, start[0], GCARENA_CHUNK_BLOCKS);
	gcarena_blocks_free(&self->heap, start[3], GCARENA_CHUNK_BLOCKS);
	EXPECT_WHOLE(&self->heap, 0);
}

TEST_F(core, holes_are_filled_low_first)
{
	u64 start[5], again;
	int i;

	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, gcarena_blocks_alloc(&self->heap, GCARENA_CHUNK_BLOCKS, &start[i]));
	for (i = 3; i > 0; i -= 2) {	/* the second one is found below a hole */
		gcarena_blocks_free(&self->heap, start[i], GCARENA_CHUNK_BLOCKS);
		EXPECT_EQ(GCARENA_CHUNK_BYTES, gcarena_chunks_release(&self->heap, 0));
	}
	EXPECT_EQ(5, self->heap.top);
	for (i = 1; i < 5; i += 2) {
		ASSERT_EQ(0, gcarena_blocks_alloc(&self->heap, GCARENA_CHUNK_BLOCKS, &again));
		EXPECT_EQ(start[i], again);
	}
	for (i = 0; i < 5; i++)
		gcarena_blocks_free(&self->heap, start[i], GCARENA_CHUNK_BLOCKS);
	EXPECT_WHOLE(&self->heap, 0);
}

/* The table is doubled until the index fits, and keeps what it had. */
TEST_F(core, table_grows)
{
	u64 low, high;

	ASSERT_EQ(0, gcarena_blocks_alloc(&self->heap, 1, &low));
	EXPECT_EQ(64, self->heap.nr_table);
	ASSERT_EQ(0, gcarena_blocks_alloc(&self->heap, 300 * GCARENA_CHUNK_BLOCKS, &high));
	EXPECT_EQ(GCARENA_CHUNK_BYTES, high);
	EXPECT_EQ(512, self->heap.nr_table);
	EXPECT_EQ(301, self->heap.nr_chunks);
	gcarena_blocks_free(&self->heap, low, 1);
	gcarena_blocks_free(&self->heap, high, 300 * GCARENA_CHUNK_BLOCKS);
	EXPECT_WHOLE(&self->heap, 0);
}

/* One block of three chunks was used before: all runs with it know, and no others. */
TEST(dirty_is_seen_from_each_run)
{
	const u64 nr = 3 * GCARENA_CHUNK_BLOCKS, step = GCARENA_BLOCK_BYTES;
	static const u64 lengths[] = { 1, 2, 3, 100, GCARENA_CHUNK_BLOCKS, 300, 600 };
	struct gcarena_heap heap;
	u64 start, at, first;
	unsigned int i;

	for (at = 0; at < nr; at++) {
		ASSERT_EQ(0, core_open(&heap, RESERVE, RESERVE));
		ASSERT_EQ(0, gcarena_blocks_alloc(&heap, nr, &start));
		bitmap_set(heap.chunks[at / GCARENA_CHUNK_BLOCKS]->dirty,
			   at % GCARENA_CHUNK_BLOCKS, 1);
		for (i = 0; i < ARRAY_SIZE(lengths); i++) {
			for (first = 0; first + lengths[i] <= nr; first++) {
				bool within = at >= first && at < first + lengths[i];

				ASSERT_EQ(within, gcarena_blocks_dirty(&heap, start + first * step,
								       lengths[i]));
			}
		}
		gcarena_blocks_free(&heap, start, nr);
		core_close(&heap);
	}
}

/* A killed caller leaves the chunks it made, for others. */
TEST_F(core, killed_in_the_middle)
{
	u64 start;

	core_kill_after = 3;
	EXPECT_EQ(-EINTR, gcarena_blocks_alloc(&self->heap, 5 * GCARENA_CHUNK_BLOCKS, &start));
	EXPECT_EQ(0, self->heap.span_bytes);
	EXPECT_EQ(self->heap.nr_chunks, self->heap.nr_empty);
	EXPECT_LT(0, self->heap.nr_chunks);
	EXPECT_WHOLE(&self->heap, 0);
	core_kill_after = -1;
	ASSERT_EQ(0, gcarena_blocks_alloc(&self->heap, 5 * GCARENA_CHUNK_BLOCKS, &start));
	EXPECT_EQ(0, start);
	gcarena_blocks_free(&self->heap, start, 5 * GCARENA_CHUNK_BLOCKS);
}

/* Bytes 0 free, 1 used; absent chunks are free, too. */
struct model {
	u8 used[MODEL_BLOCKS];
	bool present[MODEL_CHUNKS];
	u32 limit;
};

static bool model_fits(const struct model *m, u32 first, u64 nr)
{
	return first + nr <= MODEL_BLOCKS && !memchr(m->used + first, 1, nr);
}

static u32 model_present(const struct model *m)
{
	u32 c, n = 0;

	for (c = 0; c < MODEL_CHUNKS; c++)
		n += m->present[c];
	return n;
}

/* In one chunk: the lowest place in those that are there, else the lowest new one. */
static int model_place_small(struct model *m, u64 nr, u32 *first)
{
	u32 c, b;

	for (*first = 0; *first < MODEL_BLOCKS; ++*first) {
		c = *first / GCARENA_CHUNK_BLOCKS;
		b = *first % GCARENA_CHUNK_BLOCKS;
		if (m->present[c] && b + nr <= GCARENA_CHUNK_BLOCKS && model_fits(m, *first, nr))
			return 0;
	}
	for (c = 0; c < MODEL_CHUNKS && m->present[c]; c++)
		;
	if (c == MODEL_CHUNKS || model_present(m) == m->limit)
		return -ENOSPC;
	m->present[c] = true;
	*first = c * GCARENA_CHUNK_BLOCKS;
	return 0;
}

/* Whole chunks: the lowest row of them that is unused. Some may be made before it fails. */
static int model_place_large(struct model *m, u64 nr, u32 *first)
{
	u32 nr_chunks = (nr + GCARENA_CHUNK_BLOCKS - 1) / GCARENA_CHUNK_BLOCKS, c;

	for (*first = 0; !model_fits(m, *first, nr_chunks * GCARENA_CHUNK_BLOCKS);
	     *first += GCARENA_CHUNK_BLOCKS) {
		if (*first >= MODEL_BLOCKS)
			return -ENOSPC;
	}
	if (nr_chunks > m->limit)
		return -ENOSPC;
	for (c = *first / GCARENA_CHUNK_BLOCKS; nr_chunks--; c++) {
		if (!m->present[c] && model_present(m) == m->limit)
			return -ENOSPC;
		m->present[c] = true;
	}
	return 0;
}

static void model_release(struct model *m)
{
	u32 c;

	for (c = 0; c < MODEL_CHUNKS; c++)
		m->present[c] &= !!memchr(m->used + c * GCARENA_CHUNK_BLOCKS, 1,
					  GCARENA_CHUNK_BLOCKS);
}

struct run {
	u64 start, nr;
	struct heap_span *span;
};

static u64 random_length(u64 *seed)
{
	switch (next_random(seed) % 8) {
	case 0:
		return 1 + next_random(seed) % (3 * GCARENA_CHUNK_BLOCKS);
	case 1:
		return GCARENA_CHUNK_BLOCKS - 1 + next_random(seed) % 3;
	case 2:
		return 1 + next_random(seed) % GCARENA_CHUNK_BLOCKS;
	default:
		return 1 + next_random(seed) % 16;
	}
}

/* Both take or both refuse, at the same place. */
static void take_run(struct __test_metadata *_metadata, struct gcarena_heap *heap,
		     struct model *m, struct run *run, u64 nr)
{
	int ret, want;
	u32 first;

	run->nr = nr;
	want = nr <= GCARENA_CHUNK_BLOCKS ? model_place_small(m, nr, &first)
					  : model_place_large(m, nr, &first);
	run->span = gcarena_span_create(heap, heap->layouts[1], GCARENA_CLASS_LARGE,
					nr * GCARENA_BLOCK_BYTES);
	ret = IS_ERR(run->span) ? PTR_ERR(run->span) : 0;
	if (ret)
		run->span = NULL;
	ASSERT_EQ(want, ret);
	if (ret)
		return;
	ASSERT_EQ(first * GCARENA_BLOCK_BYTES, run->span->start);
	memset(m->used + first, 1, nr);
}

static void drop_run(struct gcarena_heap *heap, struct model *m, struct run *run)
{
	memset(m->used + run->span->start / GCARENA_BLOCK_BYTES, 0, run->nr);
	gcarena_span_destroy(heap, run->span);
	run->span = NULL;
}

TEST_F(core, random_runs_as_in_the_model)
{
	struct run runs[MODEL_RUNS] = { };
	struct model m = { };
	u64 seed = 7, held = 0;
	int i;

	self->heap.max_chunks = MODEL_CHUNKS;
	for (i = 0; i < 20000; i++) {
		struct run *run = &runs[next_random(&seed) % MODEL_RUNS];

		m.limit = 8 + i / 5000 * 2;	/* 8 to 14, with room for 12 */
		self->heap.limit_chunks = m.limit;
		if (run->span) {
			drop_run(&self->heap, &m, run);
			held--;
		} else if (next_random(&seed) % 2 && !(i / 1000 % 3)) {
			/* Emptier, now and then. */
		} else {
			take_run(_metadata, &self->heap, &m, run, random_length(&seed));
			held += !!run->span;
		}
		if (next_random(&seed) % 200 == 0) {
			gcarena_chunks_release(&self->heap, 0);
			model_release(&m);
		}
		ASSERT_EQ(model_present(&m), self->heap.nr_chunks);
		if (i % 50 == 0)
			ASSERT_STREQ("", core_check(&self->heap, held));
	}
}

/* ---- Blocks given back ---------------------------------------------------------- */

static void fill_run(struct gcarena_heap *heap, const struct run *run, u64 value)
{
	u64 at;

	for (at = 0; at < run->nr * GCARENA_BLOCK_BYTES; at += 512)
		*core_word(heap, run->span->start + at) = value ^ at;
}

static bool run_is(struct gcarena_heap *heap, const struct run *run, u64 value)
{
	u64 at;

	for (at = 0; at < run->nr * GCARENA_BLOCK_BYTES; at += 512) {
		if (*core_word(heap, run->span->start + at) != (value ? value ^ at : 0))
			return false;
	}
	return true;
}

/*
 * Memory that was given back dies when it is touched (heap.h); what is had again is zero,
 * or said not to be; the limit counts what is there.
 */
TEST_F(core, random_runs_and_blocks_given_back)
{
	struct run runs[MODEL_RUNS] = { };
	u64 seed = 9, held, released = 0, revived = 0, full = 0, present;
	int i, k, ret;

	self->heap.max_chunks = MODEL_CHUNKS;
	for (i = 0; i < 12000; i++) {
		struct run *run = &runs[k = next_random(&seed) % MODEL_RUNS];
		u32 absent = self->heap.nr_absent;

		self->heap.limit_chunks = 4 + i / 1500;
		if (run->span) {
			ASSERT_TRUE(run_is(&self->heap, run, k + 1000));
			gcarena_span_destroy(&self->heap, run->span);
			run->span = NULL;
			continue;
		}
		if (next_random(&seed) % 40 == 0) {
			present = gcarena_heap_held(&self->heap);
			gcarena_chunks_release(&self->heap, 0);
			released += gcarena_blocks_release(&self->heap, 0);
			ASSERT_LE(gcarena_heap_held(&self->heap), present);
			/* A second time there is nothing left. */
			ASSERT_EQ(0, gcarena_blocks_release(&self->heap, 0));
		}
		if (i / 1000 % 3 == 2 && next_random(&seed) % 2)
			continue;
		run->nr = random_length(&seed);
		run->span = gcarena_span_create(&self->heap, self->heap.layouts[1],
						GCARENA_CLASS_LARGE, run->nr * GCARENA_BLOCK_BYTES);
		ret = IS_ERR(run->span) ? PTR_ERR(run->span) : 0;
		if (ret) {
			run->span = NULL;
			full++;
			ASSERT_EQ(-ENOSPC, ret);
			continue;
		}
		revived += self->heap.nr_absent < absent;
		if (run->span->zeroed)
			ASSERT_TRUE(run_is(&self->heap, run, 0));
		fill_run(&self->heap, run, k + 1000);
		for (held = 0, k = 0; k < MODEL_RUNS; k++)
			held += !!runs[k].span;
		if (i % 20 == 0)
			ASSERT_STREQ("", core_check(&self->heap, held));
	}
	EXPECT_LT(MIB, released);
	EXPECT_LT(10, revived);
	EXPECT_LT(10, full);
	for (k = 0; k < MODEL_RUNS; k++) {
		if (!runs[k].span)
			continue;
		EXPECT_TRUE(run_is(&self->heap, &runs[k], k + 1000));
		gcarena_span_destroy(&self->heap, runs[k].span);
	}
	gcarena_chunks_release(&self->heap, 0);
	EXPECT_EQ(0, self->heap.nr_absent);
}

/* All of it in steps. Returns bytes, or U64_MAX: a step did more than its share. */
static u64 release_in_steps(struct gcarena_heap *heap, u64 keep)
{
	u64 held = gcarena_heap_held(heap), told = heap->released_bytes, bytes = 0, before;
	struct heap_release release;
	bool more;

	gcarena_release_begin(heap, &release);
	do {
		before = bytes;
		more = gcarena_release_step(heap, &release, keep, &bytes);
		if (bytes - before > GCARENA_CHUNK_BYTES)
			return U64_MAX;
	} while (more);
	if (bytes != held - gcarena_heap_held(heap) || bytes != heap->released_bytes - told)
		return U64_MAX;
	return bytes;
}

/* In steps it comes to the same, and what is to be kept is kept. */
TEST_F(core, given_back_in_steps)
{
	struct heap_span *spans[64];
	u64 seed = 11, keep, held;
	int round, i;

	EXPECT_EQ(0, release_in_steps(&self->heap, 0));
	for (round = 0; round < 200; round++) {
		for (i = 0; i < 64; i++) {
			spans[i] = gcarena_span_create(&self->heap, self->heap.layouts[1],
						       GCARENA_CLASS_LARGE,
						       random_length(&seed) * GCARENA_BLOCK_BYTES);
			ASSERT_FALSE(IS_ERR(spans[i]));
		}
		for (i = 0; i < 64; i++) {
			if (next_random(&seed) % 4 == 0)
				continue;
			gcarena_span_destroy(&self->heap, spans[i]);
			spans[i] = NULL;
		}
		held = gcarena_heap_held(&self->heap);
		keep = next_random(&seed) % (held + 1);
		ASSERT_GE(held, release_in_steps(&self->heap, keep));
		/* The last one may have been a whole chunk. */
		EXPECT_LE(min(keep, held), gcarena_heap_held(&self->heap) + GCARENA_CHUNK_BYTES);
		EXPECT_EQ(0, gcarena_chunks_release(&self->heap, keep));
		EXPECT_EQ(0, gcarena_blocks_release(&self->heap, keep));
		ASSERT_NE(U64_MAX, release_in_steps(&self->heap, 0));
		EXPECT_EQ(0, gcarena_chunks_release(&self->heap, 0));
		EXPECT_EQ(0, gcarena_blocks_release(&self->heap, 0));
		for (i = 0; i < 64; i++) {
			if (spans[i])
				gcarena_span_destroy(&self->heap, spans[i]);
		}
	}
}

/* A step may come at any time: chunks have come and gone since the last one. */
TEST_F(core, steps_amid_changes)
{
	struct heap_release release = { };
	struct run runs[MODEL_RUNS] = { };
	u64 seed = 12, bytes = 0, begun = 0;
	int i, k;

	self->heap.max_chunks = MODEL_CHUNKS;
	for (i = 0; i < 12000; i++) {
		struct run *run = &runs[k = next_random(&seed) % MODEL_RUNS];

		self->heap.tracing = i / 500 % 4 == 3;
		if (!gcarena_release_step(&self->heap, &release, i % 3 * MIB, &bytes)) {
			gcarena_release_begin(&self->heap, &release);
			begun++;
		}
		if (run->span) {
			ASSERT_TRUE(run_is(&self->heap, run, k + 1000));
			if (self->heap.tracing)
				continue;
			gcarena_span_destroy(&self->heap, run->span);
			run->span = NULL;
			continue;
		}
		run->nr = random_length(&seed);
		run->span = gcarena_span_create(&self->heap, self->heap.layouts[1],
						GCARENA_CLASS_LARGE, run->nr * GCARENA_BLOCK_BYTES);
		if (IS_ERR(run->span)) {
			ASSERT_EQ(-ENOSPC, PTR_ERR(run->span));
			run->span = NULL;
			continue;
		}
		fill_run(&self->heap, run, k + 1000);
	}
	self->heap.tracing = false;
	EXPECT_LT(MIB, bytes);
	EXPECT_LT(100, begun);
	for (k = 0; k < MODEL_RUNS; k++) {
		if (runs[k].span)
			gcarena_span_destroy(&self->heap, runs[k].span);
	}
	EXPECT_WHOLE(&self->heap, 0);
}

/* One block in a chunk keeps no more than itself; with no memory nothing is lost. */
TEST_F(core, one_block_is_left)
{
	struct heap_span *a, *b, *c;

	a = gcarena_span_create(&self->heap, self->heap.layouts[1], GCARENA_CLASS_LARGE, MIB);
	b = gcarena_span_create(&self->heap, self->heap.layouts[1], GCARENA_CLASS_LARGE, 8192);
	ASSERT_FALSE(IS_ERR(a) || IS_ERR(b));
	gcarena_span_destroy(&self->heap, a);
	core_fail_after = 0;
	EXPECT_EQ(0, gcarena_blocks_release(&self->heap, 0));
	core_fail_after = -1;
	EXPECT_EQ(0, self->heap.nr_absent);
	EXPECT_EQ(GCARENA_CHUNK_BYTES - GCARENA_BLOCK_BYTES,
		  gcarena_blocks_release(&self->heap, 0));
	EXPECT_EQ(GCARENA_BLOCK_BYTES, gcarena_heap_held(&self->heap));
	/* A new chunk is taken rather than what was given back ... */
	c = gcarena_span_create(&self->heap, self->heap.layouts[1], GCARENA_CLASS_LARGE, MIB);
	ASSERT_FALSE(IS_ERR(c));
	EXPECT_EQ(2, self->heap.nr_chunks);
	gcarena_span_destroy(&self->heap, c);
	gcarena_chunks_release(&self->heap, 0);
	/* ... unless there can be none. */
	self->heap.max_chunks = 1;
	core_fail_after = 1;
	EXPECT_EQ(-ENOMEM, PTR_ERR(gcarena_span_create(&self->heap, self->heap.layouts[1],
						       GCARENA_CLASS_LARGE, MIB)));
	core_fail_after = -1;
	c = gcarena_span_create(&self->heap, self->heap.layouts[1], GCARENA_CLASS_LARGE, MIB);
	ASSERT_FALSE(IS_ERR(c));
	EXPECT_TRUE(!!c->zeroed);
	EXPECT_EQ(0, self->heap.nr_absent);
	gcarena_span_destroy(&self->heap, b);
	gcarena_span_destroy(&self->heap, c);
	EXPECT_EQ(1, self->heap.nr_empty);
	self->heap.max_chunks = MODEL_CHUNKS;
	EXPECT_WHOLE(&self->heap, 0);
}

TEST_HARNESS_MAIN
