/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For the unit tests: a heap of 1 GiB that must be whole at the end, and what takes
 * the place of the module's upper half: leases, large objects, whole cycles.
 */
#ifndef TESTS_CORE_FIXTURE_H
#define TESTS_CORE_FIXTURE_H

#include "core/check.h"

#include "kselftest_harness.h"

#define RESERVE		(1024 * MIB)
#define STACK_PLENTY	(64 * MIB)

/* Nothing is wrong with the heap; the caller has @held spans in hand. */
#define EXPECT_WHOLE(heap, held)	EXPECT_STREQ("", core_check(heap, held))

FIXTURE(core) {
	struct gcarena_heap heap;
};

FIXTURE_SETUP(core)
{
	ASSERT_EQ(0, core_open(&self->heap, RESERVE, RESERVE));
}

FIXTURE_TEARDOWN(core)
{
	core_fail_after = -1;
	core_kill_after = -1;
	core_close(&self->heap);
	EXPECT_EQ(0, self->heap.used.objects);
	EXPECT_EQ(0, self->heap.span_bytes);
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

static inline void pool_close(struct pool *pool)
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

static inline struct heap_span *span_new(struct gcarena_heap *heap, struct heap_layout *layout,
					 unsigned int class)
{
	if (!gcarena_layout_bucket(heap, layout, class))
		return ERR_PTR(-ENOMEM);
	return gcarena_span_create(heap, layout, class, 0);
}

/* The offset of a new slot, 0 when there is no memory. (Offset 0 is never given.) */
static inline u64 pool_alloc(struct pool *pool)
{
	u64 taken[GCARENA_MAX_SLOTS / 64];

	if (!pool->span || pool->next == pool->span->nr_slots) {
		pool_close(pool);
		pool->span = span_new(pool->heap, pool->layout, pool->class);
		if (IS_ERR(pool->span)) {
			pool->span = NULL;
			return 0;
		}
		gcarena_span_take(pool->heap, pool->span, taken);
		pool->next = pool->span->start ? 0 : 1;
	}
	return pool->span->start + pool->next++ * pool->span->slot_bytes;
}

/* A large object, or NULL. */
static inline struct heap_span *large_new(struct gcarena_heap *heap, struct heap_layout *layout,
					  u64 bytes)
{
	struct heap_span *span = gcarena_span_create(heap, layout, GCARENA_CLASS_LARGE, bytes);
	u64 taken;

	if (IS_ERR(span))
		return NULL;
	gcarena_span_take(heap, span, &taken);
	gcarena_span_settle(heap, span);
	return span;
}

/* A layout of @elem_words words, of which those in @map are pointers. */
static inline struct heap_layout *layout_new(struct gcarena_heap *heap, u32 elem_words,
					     const unsigned long *map)
{
	size_t bytes = (elem_words + 63) / 64 * sizeof(*map);
	unsigned long *copy = core_alloc(bytes);
	int number;

	if (!copy)
		return NULL;
	memcpy(copy, map, bytes);
	number = gcarena_layout_add(heap, elem_words * 8, copy, "test", U32_MAX);
	if (number >= 0)
		return gcarena_layout_find(heap, number);
	core_free(copy);
	return NULL;
}

/* Mark from @nr words. Returns 0 or a negative errno. */
static inline int mark_from(struct gcarena_heap *heap, const unsigned long *words, size_t nr,
			    u64 stack_limit, struct gcarena_marker *m)
{
	int ret = gcarena_marker_init(m, heap, stack_limit);

	if (ret)
		return ret;
	ret = gcarena_mark_clear(heap);
	if (!ret)
		ret = gcarena_mark_words(m, words, nr);
	if (!ret)
		ret = gcarena_mark_finish(m);
	gcarena_marker_destroy(m);
	return ret;
}

/* A full cycle from one root. Returns the objects reached. */
static inline u64 cycle(struct gcarena_heap *heap, u64 root, u64 stack_limit, u64 *overflows)
{
	unsigned long word = heap->base + root;
	struct gcarena_marker m;

	if (mark_from(heap, &word, 1, stack_limit, &m))
		return 0;
	if (overflows)
		*overflows = m.overflows;
	gcarena_sweep_flip(heap);
	gcarena_sweep_all(heap);
	return m.marked.objects;
}

/* What does @offset lie in, and was it reached? */
static inline bool is_marked(struct gcarena_heap *heap, u64 offset)
{
	struct heap_slot slot = gcarena_heap_resolve(heap, offset);

	return slot.span && gcarena_slot_marked(&slot);
}

/* Multiplicative, as in tests/lib/rng.c: the same numbers on every run. */
static inline u64 next_random(u64 *state)
{
	u64 x = *state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

#endif
