/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A random graph of objects of all kinds in a heap, what is known of it outside of the heap,
 * and how to find out whether it is still so: for tests of what moves objects.
 */
#ifndef TESTS_CORE_WORLD_H
#define TESTS_CORE_WORLD_H

#include "core/fixture.h"

#define MAX_NODES	6000
#define NR_SIZES	7
#define NR_ROOTS	12
#define WORDS_OF(bytes)	((bytes) / 8)
#define NONE		(~0u)

/* Where the pointers of a kind of object are. */
enum kind { TYPED, LONG_TYPED, NOSCAN, CONSERVATIVE, NR_KINDS };

/**
 * struct node - what is known of an object
 * @offset: where it is, as far as we were told
 * @bytes: its slot
 * @kind: its layout
 * @ref: for each of its first words that are pointers: a node, or NONE
 * @inner: how far into that node the pointer points
 * @tag: what its other words are made from
 * @id: its number, 0: it was not asked for
 * @live: can be reached
 * @fixed: must not move
 */
struct node {
	u64 offset;
	u32 bytes;
	enum kind kind;
	u32 ref[4];
	u32 inner[4];
	u64 tag;
	u64 id;
	bool live;
	bool fixed;
};

/**
 * struct world - a heap and what should be in it
 * @heap: the heap
 * @layouts: by kind
 * @nodes: all objects, @nr of them
 * @roots: nodes that ambiguous words point to
 * @precise: nodes that exact words point to, which are changed
 * @leased: a span that somebody holds, of nodes from @first_leased on
 * @marked: all live ones are marked; else there are new ones
 */
struct world {
	struct gcarena_heap *heap;
	struct heap_layout *layouts[NR_KINDS];
	struct node nodes[MAX_NODES];
	u32 nr;
	u32 roots[NR_ROOTS];
	u32 precise[NR_ROOTS];
	struct heap_span *leased;
	bool marked;
	u64 seed;
};

static const u32 sizes[NR_SIZES] = { 32, 48, 64, 208, 1024, 4608, 20480 };
static const unsigned long short_map[1] = { 0xf };
/* An element of 130 words: it does not fit the smaller slots, whose end cuts it off. */
static const unsigned long long_map[3] = { 0xf, 0, 0 };

static struct world world;

static inline bool is_pointer(const struct node *n, u32 word)
{
	switch (n->kind) {
	case TYPED:
		return word % 13 < 4;
	case LONG_TYPED:
		return word % 130 < 4;
	case CONSERVATIVE:
		return true;
	default:
		return false;
	}
}

static inline u64 *words_of(struct world *w, const struct node *n)
{
	return core_word(w->heap, n->offset);
}

static inline u64 address(struct world *w, u32 node, u32 inner)
{
	return BASE + w->nodes[node].offset + inner;
}

/* Numbers that look like no address; or, where no pointer is, like one. */
static inline u64 filler(struct world *w, const struct node *n, u32 word)
{
	u64 x = (n->tag + word) * 0x9e3779b97f4a7c15ULL;

	if (is_pointer(n, word))
		return word % 7 ? 0 : 0xdead000000000000ULL | x >> 20;
	return word % 5 ? x | 1ULL << 63 : BASE + x % (64 * MIB);
}

static inline void write_node(struct world *w, const struct node *n)
{
	u64 *words = words_of(w, n);
	u32 i;

	for (i = 0; i < WORDS_OF(n->bytes); i++)
		words[i] = filler(w, n, i);
	for (i = 0; i < 4 && n->kind != NOSCAN; i++)
		words[i] = n->ref[i] == NONE ? 0 : address(w, n->ref[i], n->inner[i]);
}

/* Follow a pointer of the first live node found to where the object is now. */
static inline void read_node(struct __test_metadata *_metadata, struct world *w,
			     const struct node *n)
{
	u64 *words = words_of(w, n);
	u32 i;

	for (i = 0; i < WORDS_OF(n->bytes); i++) {
		if (i < 4 && n->kind != NOSCAN)
			continue;
		ASSERT_EQ(filler(w, n, i), words[i])
			TH_LOG("word %u of %u bytes at %#lx", i, n->bytes, n->offset);
	}
}

static inline struct heap_layout *pick_layout(struct world *w, enum kind *kind)
{
	*kind = next_random(&w->seed) % NR_KINDS;
	/* Most objects can move. */
	if (*kind == CONSERVATIVE && next_random(&w->seed) % 4)
		*kind = TYPED;
	return w->layouts[*kind];
}

static inline bool node_new(struct world *w, struct pool pools[NR_KINDS][NR_SIZES])
{
	struct node *n = &w->nodes[w->nr];
	u32 size = next_random(&w->seed) % NR_SIZES, i;
	struct heap_layout *layout = pick_layout(w, &n->kind);
	struct pool *pool = &pools[n->kind][size];

	pool->heap = w->heap;
	pool->layout = layout;
	pool->class = core_class_of(sizes[size]);
	n->bytes = gcarena_sizeclasses[pool->class].slot_bytes;
	n->offset = pool_alloc(pool);
	if (!n->offset)
		return false;
	n->tag = next_random(&w->seed);
	n->id = 0;
	for (i = 0; i < 4; i++)
		n->ref[i] = NONE;
	w->nr++;
	return true;
}

static inline void link_nodes(struct world *w, u32 per_node)
{
	u32 i, k;

	for (i = 0; i < w->nr; i++) {
		struct node *n = &w->nodes[i];

		for (k = 0; k < per_node && n->kind != NOSCAN; k++) {
			u32 to = next_random(&w->seed) % w->nr;

			n->ref[k] = to;
			n->inner[k] = next_random(&w->seed) % 3 ? 0 :
				      next_random(&w->seed) % w->nodes[to].bytes;
		}
		write_node(w, n);
	}
}

static inline void reach(struct world *w, u32 from)
{
	static u32 todo[4 * MAX_NODES + 1];
	u32 nr = 0, i;

	if (from == NONE)
		return;
	todo[nr++] = from;
	while (nr) {
		struct node *n = &w->nodes[todo[--nr]];

		if (n->live)
			continue;
		n->live = true;
		for (i = 0; i < 4 && n->kind != NOSCAN; i++) {
			if (n->ref[i] != NONE)
				todo[nr++] = n->ref[i];
		}
	}
}

/* Which nodes live, and which of them are where an ambiguous word says. */
static inline void predict(struct world *w)
{
	u32 i, k;

	for (i = 0; i < w->nr; i++) {
		w->nodes[i].live = false;
		w->nodes[i].fixed = false;
	}
	for (i = 0; i < NR_ROOTS; i++) {
		reach(w, w->roots[i]);
		reach(w, w->precise[i]);
	}
	for (i = 0; i < NR_ROOTS; i++) {
		if (w->roots[i] != NONE)
			w->nodes[w->roots[i]].fixed = true;
	}
	for (i = 0; i < w->nr; i++) {
		struct node *n = &w->nodes[i];
		struct heap_slot slot = gcarena_heap_resolve(w->heap, n->offset);

		if (n->kind == CONSERVATIVE || (n->live && slot.span->lease))
			n->fixed = true;
		for (k = 0; k < 4 && n->live && n->kind == CONSERVATIVE; k++) {
			if (n->ref[k] != NONE)
				w->nodes[n->ref[k]].fixed = true;
		}
	}
}

/* Mark and sweep, as a cycle does; pins of the ambiguous roots go to @c. */
static inline int mark_world(struct world *w, struct gcarena_compact *c)
{
	unsigned long words[2 * NR_ROOTS] = { };
	struct gcarena_marker m;
	u32 i, nr = 0;
	int ret;

	for (i = 0; i < NR_ROOTS; i++) {
		if (w->roots[i] != NONE)
			words[nr++] = address(w, w->roots[i], i % 3);
	}
	gcarena_compact_pin_words(c, words, nr);
	for (i = 0; i < NR_ROOTS; i++) {
		if (w->precise[i] != NONE)
			words[nr++] = address(w, w->precise[i], i % 3);
	}
	ret = mark_from(w->heap, words, nr, STACK_PLENTY, &m);
	if (ret)
		return ret;
	gcarena_sweep_flip(w->heap);
	return gcarena_sweep_all(w->heap);
}

/* Between plan and move: where each node is going. */
static inline void note_moves(struct __test_metadata *_metadata, struct world *w,
			      struct gcarena_compact *c)
{
	u32 i;

	for (i = 0; i < w->nr; i++) {
		struct node *n = &w->nodes[i];
		u64 to = gcarena_compact_forward(c, n->offset), in = n->tag % n->bytes;

		if (!n->live)
			continue;
		ASSERT_EQ(to + in, gcarena_compact_forward(c, n->offset + in));
		if (n->fixed)
			ASSERT_EQ(n->offset, to);
		n->offset = to;
	}
}

static inline int compact_world(struct __test_metadata *_metadata, struct world *w, u64 *moved)
{
	struct gcarena_compact c;
	int ret = gcarena_compact_init(&c, w->heap);

	if (ret)
		return ret;
	ret = mark_world(w, &c) ?: gcarena_compact_pin_conservative(&c);
	if (ret)
		goto out_destroy;
	predict(w);
	ret = gcarena_compact_plan_slots(&c);
	if (!ret) {
		note_moves(_metadata, w, &c);
		gcarena_compact_move(&c);
		ret = gcarena_compact_plan_spans(&c);
	}
	if (!ret) {
		note_moves(_metadata, w, &c);
		gcarena_compact_move(&c);
		ret = gcarena_shift_plan(&c);
	}
	if (!ret) {
		note_moves(_metadata, w, &c);
		gcarena_shift_move(&c);
	}
	if (moved)
		*moved = c.moved.objects;
out_destroy:
	gcarena_compact_destroy(&c);
	return ret;
}

/* A node that had a number has the same one; some get one now. */
static inline void check_id(struct __test_metadata *_metadata, struct world *w, struct node *n,
			    const struct heap_slot *slot)
{
	u64 id;

	if (!n->id && n->tag % 3)
		return;
	ASSERT_EQ(0, gcarena_id_get(w->heap, slot, &id));
	if (n->id)
		ASSERT_EQ(n->id, id);
	n->id = id;
}

/* All live nodes are where they should be, with all their words; and nothing else is there. */
static inline void check_world(struct __test_metadata *_metadata, struct world *w)
{
	u64 live = 0, bytes = 0, marked = 0, pos = 0;
	struct heap_span *span;
	u32 i, k;

	for (i = 0; i < w->nr; i++) {
		struct node *n = &w->nodes[i];
		struct heap_slot slot = gcarena_heap_resolve(w->heap, n->offset);

		if (!n->live)
			continue;
		live++;
		bytes += n->bytes;
		ASSERT_NE(NULL, slot.span);
		ASSERT_TRUE(gcarena_slot_allocated(&slot));
		ASSERT_TRUE(gcarena_slot_marked(&slot) || !w->marked);
		ASSERT_EQ(w->layouts[n->kind], slot.span->layout);
		ASSERT_EQ(n->offset, slot.span->start + slot.index * slot.span->slot_bytes);
		ASSERT_EQ(n->bytes, slot.span->slot_bytes);
		check_id(_metadata, w, n, &slot);
		read_node(_metadata, w, n);
		for (k = 0; k < 4 && n->kind != NOSCAN; k++)
			ASSERT_EQ(n->ref[k] == NONE ? 0 : address(w, n->ref[k], n->inner[k]),
				  words_of(w, n)[k]);
	}
	while ((span = gcarena_span_next(w->heap, &pos))) {
		for (i = 0; i < gcarena_span_nr_words(span); i++)
			marked += hweight64(span->words[i].mark);
		if (span == w->leased)
			live += span->nr_slots;
	}
	if (!w->leased && w->marked) {
		EXPECT_EQ(live, w->heap->used.objects);
		EXPECT_EQ(bytes, w->heap->used.bytes);
		EXPECT_EQ(live, w->heap->old.objects);
		EXPECT_EQ(bytes, w->heap->old.bytes);
	}
	EXPECT_EQ(w->heap->old.objects, marked);
	ASSERT_STREQ("", core_check(w->heap, 0));
}

static inline void world_open(struct __test_metadata *_metadata, struct world *w,
			      struct gcarena_heap *heap, u64 seed)
{
	u32 i;

	memset(w, 0, sizeof(*w));
	w->heap = heap;
	w->seed = seed;
	w->marked = true;
	w->layouts[NOSCAN] = heap->layouts[1];
	w->layouts[CONSERVATIVE] = heap->layouts[0];
	w->layouts[TYPED] = layout_new(heap, 13, short_map);
	w->layouts[LONG_TYPED] = layout_new(heap, 130, long_map);
	ASSERT_NE(NULL, w->layouts[LONG_TYPED]);
	for (i = 0; i < NR_ROOTS; i++)
		w->roots[i] = NONE;
	for (i = 0; i < NR_ROOTS; i++)
		w->precise[i] = NONE;
}

static inline void populate(struct __test_metadata *_metadata, struct world *w, u32 nr,
			    u32 per_node)
{
	struct pool pools[NR_KINDS][NR_SIZES] = { };
	u32 i, k;

	while (w->nr < nr)
		ASSERT_TRUE(node_new(w, pools));
	for (k = 0; k < NR_KINDS; k++) {
		for (i = 0; i < NR_SIZES; i++)
			pool_close(&pools[k][i]);
	}
	link_nodes(w, per_node);
}

/* Some roots of each sort, of which not all are there. */
static inline void pick_roots(struct world *w, u32 ambiguous, u32 precise)
{
	u32 i;

	for (i = 0; i < NR_ROOTS; i++) {
		w->roots[i] = i < ambiguous ? next_random(&w->seed) % w->nr : NONE;
		w->precise[i] = i < precise ? next_random(&w->seed) % w->nr : NONE;
	}
}

/* Dead nodes leave the world: their memory may be anybody's. */
static inline void forget_dead(struct world *w)
{
	static u32 now[MAX_NODES];
	u32 i, k, nr = 0;

	for (i = 0; i < w->nr; i++) {
		now[i] = nr;
		if (w->nodes[i].live)
			w->nodes[nr++] = w->nodes[i];
	}
	w->nr = nr;
	for (i = 0; i < nr; i++) {
		for (k = 0; k < 4; k++) {
			if (w->nodes[i].ref[k] != NONE)
				w->nodes[i].ref[k] = now[w->nodes[i].ref[k]];
		}
	}
	for (i = 0; i < NR_ROOTS; i++) {
		w->roots[i] = w->roots[i] == NONE ? NONE : now[w->roots[i]];
		w->precise[i] = w->precise[i] == NONE ? NONE : now[w->precise[i]];
	}
}

#endif
