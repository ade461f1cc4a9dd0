// SPDX-License-Identifier: GPL-2.0
/*
 * The collector core in user space: the very sources of the module, included here.
 *
 * Tries what cannot be brought about through the device at will: every offset of every
 * size class, a mark stack of one segment, an allocation that fails at each place in
 * turn.
 */
#include "core/platform.h"

#include "kselftest_harness.h"

#include "../kmod/sizeclass.c"
#include "../kmod/layout.c"
#include "../kmod/chunk.c"
#include "../kmod/span.c"
#include "../kmod/sweep.c"
#include "../kmod/mark.c"
#include "../kmod/pacer.c"

#define MIB		(1024UL * 1024)
#define BASE		0x100000000000ULL

long core_fail_after = -1;
long core_allocations;

static struct kmem_cache chunk_cache = { sizeof(struct heap_chunk) };

int gcarena_backing_alloc(struct gcarena_heap *heap, struct heap_chunk *chunk)
{
	(void)heap;
	chunk->kaddr = core_alloc(GCARENA_CHUNK_BYTES);
	return chunk->kaddr ? 0 : -ENOMEM;
}

void gcarena_backing_free(struct gcarena_heap *heap, struct heap_chunk *chunk, u32 index)
{
	(void)heap;
	(void)index;
	core_free(chunk->kaddr);
}

void gcarena_backing_publish(struct gcarena_heap *heap, u32 index, struct heap_chunk *chunk)
{
	heap->chunks[index] = chunk;
}

void gcarena_backing_publish_table(struct gcarena_heap *heap, struct heap_chunk **table, u32 nr)
{
	heap->chunks = table;
	heap->nr_table = nr;
}

FIXTURE(core) {
	struct gcarena_heap heap;
};

FIXTURE_SETUP(core)
{
	gcarena_chunk_cache = &chunk_cache;
	ASSERT_EQ(0, gcarena_span_caches_create());
	core_fail_after = -1;
	core_allocations = 0;
	memset(&self->heap, 0, sizeof(self->heap));
	ASSERT_EQ(0, gcarena_heap_init(&self->heap, 1024 * MIB, 1024 * MIB));
	self->heap.base = BASE;
}

FIXTURE_TEARDOWN(core)
{
	gcarena_heap_destroy(&self->heap);
	gcarena_span_caches_destroy();
	EXPECT_EQ(0, self->heap.used.objects);
	EXPECT_EQ(0, self->heap.nr_chunks);
	EXPECT_EQ(0, core_allocations);
}

/* An allocator of single slots: the test's thread cache. */
struct pool {
	struct gcarena_heap *heap;
	struct heap_layout *layout;
	unsigned int class;
	struct heap_span *span;
	u32 next;
};

static void pool_close(struct pool *pool)
{
	u64 taken[GCARENA_MAX_SLOTS / 64] = { };
	u32 i;

	if (!pool->span)
		return;
	for (i = pool->next; i < pool->span->nr_slots; i++)
		taken[i / 64] |= 1ULL << i % 64;
	gcarena_span_put(pool->heap, pool->span, taken, taken);
	gcarena_span_settle(pool->heap, pool->span);
	pool->span = NULL;
}

/* The offset of a new slot, 0 when there is no memory. (Offset 0 is never given.) */
static u64 pool_alloc(struct pool *pool)
{
	u64 taken[GCARENA_MAX_SLOTS / 64];

	if (!pool->span || pool->next == pool->span->nr_slots) {
		pool_close(pool);
		if (!gcarena_layout_bucket(pool->heap, pool->layout, pool->class))
			return 0;
		pool->span = gcarena_span_create(pool->heap, pool->layout, pool->class, 0);
		if (IS_ERR(pool->span)) {
			pool->span = NULL;
			return 0;
		}
		gcarena_span_take(pool->heap, pool->span, taken);
		pool->next = pool->span->start ? 0 : 1;
	}
	return pool->span->start + pool->next++ * pool->span->slot_bytes;
}

static u64 *word_at(struct gcarena_heap *heap, u64 offset)
{
	return heap->chunks[offset / GCARENA_CHUNK_BYTES]->kaddr + offset % GCARENA_CHUNK_BYTES;
}

static unsigned int class_of(u32 bytes)
{
	unsigned int class = 1;

	while (gcarena_sizeclasses[class].slot_bytes < bytes)
		class++;
	return class;
}

/* A full cycle from one root. Returns the objects reached. */
static u64 cycle(struct gcarena_heap *heap, u64 root, u64 stack_limit, u64 *overflows)
{
	unsigned long word = heap->base + root;
	struct gcarena_marker m;
	u64 marked;

	if (gcarena_marker_init(&m, heap, stack_limit))
		return 0;
	gcarena_mark_clear(heap);
	gcarena_mark_words(&m, &word, 1);
	gcarena_mark_finish(&m);
	marked = m.marked.objects;
	if (overflows)
		*overflows = m.overflows;
	gcarena_marker_destroy(&m);
	gcarena_sweep_flip(heap);
	gcarena_sweep_all(heap);
	return marked;
}

TEST(magic_divides_every_offset)
{
	unsigned int c;
	u32 offset;

	for (c = 1; c < GCARENA_NR_CLASSES; c++) {
		const struct gcarena_sizeclass *sc = &gcarena_sizeclasses[c];
		u32 end = sc->nr_blocks << GCARENA_BLOCK_SHIFT;

		for (offset = 0; offset < end; offset++) {
			if ((u64)offset * sc->magic >> 32 != offset / sc->slot_bytes)
				TH_LOG("class %u offset %u", c, offset);
			ASSERT_EQ(offset / sc->slot_bytes, (u64)offset * sc->magic >> 32);
		}
	}
}

TEST(classes_waste_little)
{
	unsigned int c;

	for (c = 1; c < GCARENA_NR_CLASSES; c++) {
		const struct gcarena_sizeclass *sc = &gcarena_sizeclasses[c];
		u32 bytes = sc->nr_blocks << GCARENA_BLOCK_SHIFT;

		EXPECT_EQ(0, sc->slot_bytes % 16);
		EXPECT_LT((sc - 1)->slot_bytes, sc->slot_bytes);
		EXPECT_EQ(bytes / sc->slot_bytes, sc->nr_slots);
		EXPECT_LE(sc->nr_slots, GCARENA_MAX_SLOTS);
		EXPECT_LE((bytes - sc->nr_slots * sc->slot_bytes) * 8, bytes);
	}
	EXPECT_EQ(GCARENA_MAX_SMALL, gcarena_sizeclasses[c - 1].slot_bytes);
}

TEST_F(core, list_needs_no_stack)
{
	struct pool pool = { .heap = &self->heap, .layout = self->heap.layouts[0],
			     .class = class_of(64) };
	u64 head = 0, offset, overflows;
	int i;

	for (i = 0; i < 100000; i++) {
		offset = pool_alloc(&pool);
		ASSERT_NE(0, offset);
		word_at(&self->heap, offset)[0] = head ? BASE + head : 0;
		head = offset;
	}
	pool_close(&pool);
	EXPECT_EQ(100000, cycle(&self->heap, head, 0, &overflows));
	EXPECT_EQ(0, overflows);
	EXPECT_EQ(100000, self->heap.used.objects);
	EXPECT_EQ(0, cycle(&self->heap, 1024 * MIB, 0, NULL));
	EXPECT_EQ(0, self->heap.used.objects);
	EXPECT_EQ(self->heap.nr_chunks, self->heap.nr_empty);
}

/* A random graph whose breadth is far more than one segment of mark stack holds. */
static u64 build_graph(struct gcarena_heap *heap, struct heap_layout *layout, u64 *nodes,
		       unsigned int nr)
{
	struct pool pool = { .heap = heap, .layout = layout, .class = class_of(256) };
	unsigned int i, j, seed = 1;

	for (i = 0; i < nr; i++)
		nodes[i] = pool_alloc(&pool);
	pool_close(&pool);
	for (i = 0; i < nr; i++) {
		/* A spine, so that all can be reached; and thirty edges anywhere. */
		word_at(heap, nodes[i])[31] = i + 1 < nr ? BASE + nodes[i + 1] : 0;
		for (j = 0; j < 30; j++) {
			seed = seed * 1664525 + 1013904223;
			word_at(heap, nodes[i])[j] = BASE + nodes[seed % nr] + j * 8;
		}
	}
	return nodes[0];
}

TEST_F(core, overflow_loses_nothing)
{
	const unsigned int nr = 50000;
	u64 *nodes = calloc(nr, sizeof(*nodes));
	u64 root, overflows = 0;

	root = build_graph(&self->heap, self->heap.layouts[0], nodes, nr);
	EXPECT_EQ(nr, cycle(&self->heap, root, 0, &overflows));
	EXPECT_LT(0, overflows);
	EXPECT_EQ(nr, cycle(&self->heap, root, 64 * MIB, &overflows));
	EXPECT_EQ(0, overflows);
	free(nodes);
}

/* An array larger than chunk and stack, of elements that straddle both. */
TEST_F(core, large_array_overflows)
{
	struct pool pool = { .heap = &self->heap, .layout = self->heap.layouts[1],
			     .class = class_of(16) };
	unsigned long *map = core_alloc(sizeof(*map));
	const u64 words = 5 * MIB / 8;
	struct heap_span *array;
	u64 taken, i, n = 0;
	int number;

	*map = 1UL << 1;	/* the second of three words */
	number = gcarena_layout_add(&self->heap, 24, map, "triple", 100);
	ASSERT_LT(0, number);
	array = gcarena_span_create(&self->heap, self->heap.layouts[number],
				    GCARENA_CLASS_LARGE, words * 8);
	ASSERT_FALSE(IS_ERR(array));
	gcarena_span_take(&self->heap, array, &taken);
	gcarena_span_settle(&self->heap, array);
	for (i = 0; i < words; i++) {
		u64 target = pool_alloc(&pool);

		ASSERT_NE(0, target);
		*word_at(&self->heap, array->start + i * 8) = BASE + target;
		n += i % 3 == 1;
	}
	pool_close(&pool);
	EXPECT_EQ(n + 1, cycle(&self->heap, array->start + 4 * MIB, 0, NULL));
	EXPECT_EQ(n + 1, self->heap.used.objects);
}

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
	gcarena_blocks_free(&self->heap, b, GCARENA_CHUNK_BLOCKS * 2 + 1);
	gcarena_blocks_free(&self->heap, c, 10);
	gcarena_blocks_free(&self->heap, d, 8);
	EXPECT_EQ(4, self->heap.nr_chunks);
	EXPECT_EQ(4, self->heap.nr_empty);
	EXPECT_EQ(3 * GCARENA_CHUNK_BYTES, gcarena_chunks_release(&self->heap, 2 * MIB));
	EXPECT_EQ(1, self->heap.top);
}

TEST_F(core, limit_is_kept)
{
	u64 a, b, none;

	self->heap.limit_chunks = 2;
	ASSERT_EQ(0, gcarena_blocks_alloc(&self->heap, GCARENA_CHUNK_BLOCKS, &a));
	EXPECT_EQ(-ENOSPC, gcarena_blocks_alloc(&self->heap, GCARENA_CHUNK_BLOCKS + 1, &none));
	ASSERT_EQ(0, gcarena_blocks_alloc(&self->heap, GCARENA_CHUNK_BLOCKS, &b));
	EXPECT_EQ(-ENOSPC, gcarena_blocks_alloc(&self->heap, 1, &none));
	EXPECT_EQ(2, self->heap.nr_chunks);
	gcarena_blocks_free(&self->heap, a, GCARENA_CHUNK_BLOCKS);
	gcarena_blocks_free(&self->heap, b, GCARENA_CHUNK_BLOCKS);
}

TEST_F(core, lies_are_masked)
{
	struct heap_layout *layout = self->heap.layouts[0];
	u64 taken[GCARENA_MAX_SLOTS / 64], lies[GCARENA_MAX_SLOTS / 64];
	struct heap_span *span;

	ASSERT_NE(NULL, gcarena_layout_bucket(&self->heap, layout, 1));
	span = gcarena_span_create(&self->heap, layout, 1, 0);
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
}

/* Each allocation fails once: an error comes back, and the heap stays whole. */
TEST_F(core, every_allocation_may_fail)
{
	struct heap_layout *layout = self->heap.layouts[0];
	struct heap_span *span = ERR_PTR(-ENOMEM);
	long before, nth;

	for (nth = 0; IS_ERR(span); nth++) {
		before = core_allocations;
		core_fail_after = nth;
		if (gcarena_layout_bucket(&self->heap, layout, 5))
			span = gcarena_span_create(&self->heap, layout, 5, 0);
		core_fail_after = -1;
		if (IS_ERR(span))
			EXPECT_EQ(-ENOMEM, PTR_ERR(span));
		if (IS_ERR(span) && nth > 3)	/* bucket and tables are there by now */
			EXPECT_GE(before + 1, core_allocations);
		ASSERT_LT(nth, 20);
	}
	EXPECT_LT(3, nth);
	gcarena_span_destroy(&self->heap, span);
}

TEST(pacer_follows_gogc)
{
	struct gcarena_pacer p;

	gcarena_pacer_init(&p, 100, 4 * MIB);
	EXPECT_EQ(4 * MIB, p.goal);
	gcarena_pacer_allocated(&p, 4 * MIB - 1);
	EXPECT_FALSE(gcarena_pacer_due(&p));
	gcarena_pacer_allocated(&p, 1);
	EXPECT_TRUE(gcarena_pacer_due(&p));
	gcarena_pacer_cycle_done(&p, 3 * MIB);
	EXPECT_EQ(6 * MIB, p.goal);
	gcarena_pacer_set_percent(&p, 50);
	EXPECT_EQ(4 * MIB + MIB / 2, p.goal);
	gcarena_pacer_set_percent(&p, GCARENA_PACER_OFF);
	gcarena_pacer_allocated(&p, 1ULL << 60);
	EXPECT_FALSE(gcarena_pacer_due(&p));
	gcarena_pacer_freed(&p, U64_MAX);
	EXPECT_EQ(0, p.live);
	gcarena_pacer_set_percent(&p, 1000000);
	gcarena_pacer_cycle_done(&p, 1ULL << 60);
	EXPECT_LT(1ULL << 50, p.goal);
}

TEST_HARNESS_MAIN
