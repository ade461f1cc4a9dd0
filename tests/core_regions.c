// SPDX-License-Identifier: GPL-2.0
/*
 * Emptying chunks a few at a time, while a program changes the graph, allocates, frees and
 * takes spans in between: random graphs, word by word; what must not move; that it ends as
 * dense as a compaction of everything; each allocation failing, each checkpoint killing.
 */
#include "core/world.h"

#define PAGES		(RESERVE >> PAGE_SHIFT)
#define NR_REGIONS	8U
#define PLENTY		1000000U

/* What a kernel would find in the page tables; and what it has not told a cycle of yet. */
static DECLARE_BITMAP(dirty, PAGES);
static DECLARE_BITMAP(written, PAGES);

static void set_dirty(u64 page)
{
	__set_bit(page, dirty);
	__set_bit(page, written);
}

static void dirty_object(const struct node *n)
{
	u64 page, last = (n->offset + n->bytes - 1) >> PAGE_SHIFT;

	for (page = n->offset >> PAGE_SHIFT; page <= last; page++)
		set_dirty(page);
}

/* ---- The program ---------------------------------------------------------------- */

/* Point one word of a live object somewhere else. */
static void repoint(struct world *w)
{
	struct node *n = &w->nodes[next_random(&w->seed) % w->nr];
	u32 k = next_random(&w->seed) % 4, to = next_random(&w->seed) % w->nr;

	if (n->kind == NOSCAN)
		return;
	n->ref[k] = to;
	n->inner[k] = next_random(&w->seed) % w->nodes[to].bytes;
	words_of(w, n)[k] = address(w, to, n->inner[k]);
	set_dirty((n->offset + k * 8) >> PAGE_SHIFT);
}

/* A new object that points to others, and is pointed to. */
static void add_node(struct __test_metadata *_metadata, struct world *w)
{
	struct pool pools[NR_KINDS][NR_SIZES] = { };
	struct node *n = &w->nodes[w->nr];
	u32 i, k;

	if (w->nr == MAX_NODES)
		return;
	ASSERT_TRUE(node_new(w, pools));
	for (k = 0; k < NR_KINDS; k++) {
		for (i = 0; i < NR_SIZES; i++)
			pool_close(&pools[k][i]);
	}
	for (k = 0; k < 4 && n->kind != NOSCAN; k++) {
		n->ref[k] = next_random(&w->seed) % w->nr;
		n->inner[k] = next_random(&w->seed) % w->nodes[n->ref[k]].bytes;
	}
	write_node(w, n);
	dirty_object(n);
}

static void mutate(struct __test_metadata *_metadata, struct world *w)
{
	u32 i;

	for (i = 0; i < 20; i++)
		repoint(w);
	if (next_random(&w->seed) % 4 == 0)
		add_node(_metadata, w);
}

/* ---- The collector --------------------------------------------------------------- */

/* Collected before: all nodes are alive. Which of them must not move? */
static void all_live(struct world *w)
{
	u32 i, k;

	for (i = 0; i < w->nr; i++) {
		w->nodes[i].live = true;
		w->nodes[i].fixed = w->nodes[i].kind == CONSERVATIVE ||
			gcarena_heap_resolve(w->heap, w->nodes[i].offset).span->lease;
	}
	for (i = 0; i < NR_ROOTS; i++) {
		if (w->roots[i] != NONE)
			w->nodes[w->roots[i]].fixed = true;
	}
	for (i = 0; i < w->nr; i++) {
		for (k = 0; k < 4 && w->nodes[i].kind == CONSERVATIVE; k++) {
			if (w->nodes[i].ref[k] != NONE)
				w->nodes[w->nodes[i].ref[k]].fixed = true;
		}
	}
}

/* Objects of some sizes; one in ten is left, and one in so many of those is pinned. */
struct scattered {
	unsigned long *roots;
	u32 nr;
	u32 pin_every;		/* 0: none */
};

static const struct scattered *scattered;

static void pin_scattered(struct gcarena_compact *c)
{
	u32 i;

	for (i = 0; scattered && scattered->pin_every && i < scattered->nr;
	     i += scattered->pin_every)
		gcarena_compact_pin_words(c, &scattered->roots[i], 1);
}

static void pin_roots(struct world *w, struct gcarena_compact *c)
{
	unsigned long word;
	u32 i;

	for (i = 0; i < NR_ROOTS; i++) {
		if (w->roots[i] == NONE)
			continue;
		word = address(w, w->roots[i], i % 3);
		gcarena_compact_pin_words(c, &word, 1);
	}
	pin_scattered(c);
}

/* By the long way: each word that points into a region is on one of its cards. */
static void check_remembered(struct __test_metadata *_metadata, struct world *w,
			     const struct gcarena_remember *r)
{
	u32 i, k, n, region;

	for (i = 0; i < w->nr; i++) {
		for (k = 0; k < 4 && w->nodes[i].kind != NOSCAN; k++) {
			u64 at = w->nodes[i].offset + k * 8, to;

			if (w->nodes[i].ref[k] == NONE)
				continue;
			to = w->nodes[w->nodes[i].ref[k]].offset >> GCARENA_CHUNK_SHIFT;
			region = to < r->nr_chunks ? r->region_of[to] : 0;
			if (!region || r->regions[region - 1].given_up)
				continue;
			for (n = 0; n < r->regions[region - 1].nr; n++) {
				if (r->regions[region - 1].cards[n] == at >> GCARENA_CARD_SHIFT)
					break;
			}
			ASSERT_LT(n, r->regions[region - 1].nr);
		}
	}
}

/* What happens with the world stopped, to some regions. Return: 0, -EAGAIN, or a failure. */
static int empty_regions(struct __test_metadata *_metadata, struct world *w,
			 struct gcarena_remember *r, u32 nr, u64 budget, u64 *moved)
{
	struct remember_region *region = &r->regions[r->next];
	u32 i, done = 0, end = r->next + nr;
	struct gcarena_compact c;
	unsigned long page = 0;
	int ret;

	ret = gcarena_remember_dirty(r, dirty, PAGES, &page, U64_MAX);
	if (ret)
		return ret;
	memset(dirty, 0, sizeof(dirty));
	check_remembered(_metadata, w, r);
	ret = gcarena_compact_init_none(&c, w->heap);
	if (ret)
		return ret;
	for (i = 0; i < nr && !ret; i++)
		ret = gcarena_compact_add(&c, region[i].chunk);
	pin_roots(w, &c);
	for (i = 0; i < nr && !ret; i++)
		gcarena_compact_pin_cards(&c, &region[i]);
	for (i = 0; i < nr && !ret; i++)
		gcarena_compact_sort_region(&c, &region[i]);
	for (i = 0; i < nr && !ret; i++) {
		if (!region[i].given_up)
			ret = gcarena_compact_plan_region(&c, &region[i], &budget);
		done += !ret;
	}
	if (ret && ret != -EAGAIN)
		gcarena_compact_cancel(&c);
	all_live(w);
	note_moves(_metadata, w, &c);
	gcarena_compact_move_regions(&c, region, nr);
	*moved += c.moved.objects;
	gcarena_compact_destroy(&c);
	if (ret && ret != -EAGAIN)
		return ret;
	while (done--)
		gcarena_region_done(r, &r->regions[r->next++]);
	return r->next < end ? -EAGAIN : 0;
}

/* All at once. */
static void choose_regions(struct gcarena_remember *r)
{
	while (gcarena_remember_choose(r, U64_MAX, true, U32_MAX))
		;
}

/* Return: 0 or a failure. @busy: the program runs in between. */
static int empty_some(struct __test_metadata *_metadata, struct world *w, u64 budget, bool busy,
		      u64 *moved)
{
	struct gcarena_remember r;
	int ret;
	u32 nr;

	core_wrote = set_dirty;
	memset(dirty, 0, sizeof(dirty));
	ret = gcarena_remember_init(&r, w->heap, NR_REGIONS, PLENTY) ?: -EAGAIN;
	while (ret == -EAGAIN) {
		ret = gcarena_remember_choose(&r, U64_MAX, true, 1 + next_random(&w->seed) % 500);
		if (busy)
			mutate(_metadata, w);
	}
	while (!ret) {
		ret = gcarena_remember_some(&r, 1 + next_random(&w->seed) % 50);
		if (ret != -EAGAIN)
			break;
		ret = 0;
		if (busy)
			mutate(_metadata, w);
	}
	while (!ret && r.next < r.nr) {
		if (busy)
			mutate(_metadata, w);
		nr = 1 + next_random(&w->seed) % 4;
		ret = empty_regions(_metadata, w, &r, min(nr, r.nr - r.next), budget, moved);
		ret = ret == -EAGAIN ? 0 : ret;
		if (busy && !ret)
			check_world(_metadata, w);
	}
	gcarena_remember_destroy(&r);
	core_wrote = NULL;
	return ret;
}

/* Mark, sweep, and leave what is alive. */
static void collect(struct __test_metadata *_metadata, struct world *w)
{
	struct gcarena_compact c;

	ASSERT_EQ(0, gcarena_compact_init(&c, w->heap));
	ASSERT_EQ(0, mark_world(w, &c));
	gcarena_compact_destroy(&c);
	predict(w);
	forget_dead(w);
	w->marked = false;
}

/* ---- Graphs ------------------------------------------------------------------- */

TEST_F_TIMEOUT(core, random_graphs, 300)
{
	struct world *w = &world;
	u64 seed, moved = 0, budget;
	u32 round;

	core_close(&self->heap);
	for (seed = 1; seed <= 30; seed++) {
		ASSERT_EQ(0, core_open(&self->heap, RESERVE, RESERVE));
		world_open(_metadata, w, &self->heap, seed);
		populate(_metadata, w, 700 * (1 + seed % 5), 1 + seed % 3);
		budget = seed % 3 ? 1 + next_random(&w->seed) % (256 * 1024) : U64_MAX;
		for (round = 0; round < 3; round++) {
			pick_roots(w, seed % 4, 2 + seed % 8);
			collect(_metadata, w);
			if (!w->nr)
				break;
			ASSERT_EQ(0, empty_some(_metadata, w, budget, true, &moved));
			all_live(w);
			check_world(_metadata, w);
			populate(_metadata, w, min(w->nr + 900, MAX_NODES - 200), 1 + seed % 3);
		}
		core_close(&self->heap);
		ASSERT_EQ(0, core_allocations);
	}
	EXPECT_LT(2000, moved);
	ASSERT_EQ(0, core_open(&self->heap, RESERVE, RESERVE));
}

/* What is in there may be freed, handed out and given back before its turn comes. */
TEST_F_TIMEOUT(core, regions_change_meanwhile, 120)
{
	u64 taken[GCARENA_MAX_SLOTS / 64], moved = 0;
	struct world *w = &world;
	struct gcarena_remember r;
	struct heap_span *span;
	unsigned long block = 0;
	struct heap_slot slot;
	u32 i;

	world_open(_metadata, w, &self->heap, 4);
	populate(_metadata, w, 5000, 2);
	pick_roots(w, 2, 8);
	collect(_metadata, w);
	core_wrote = set_dirty;
	memset(dirty, 0, sizeof(dirty));
	ASSERT_EQ(0, gcarena_remember_init(&r, &self->heap, NR_REGIONS, PLENTY));
	choose_regions(&r);
	ASSERT_LT(2, r.nr);
	ASSERT_EQ(0, gcarena_remember_some(&r, U64_MAX));
	/* All spans of the first are taken: none of its objects moves. */
	w->leased = NULL;
	while ((block = find_next_bit(self->heap.chunks[r.regions[0].chunk]->used,
				      GCARENA_CHUNK_BLOCKS, block)) < GCARENA_CHUNK_BLOCKS) {
		span = self->heap.chunks[r.regions[0].chunk]->blocks[block].span;
		block += span->bytes >> GCARENA_BLOCK_SHIFT;
		list_del_init(&span->link);
		gcarena_span_take(&self->heap, span, taken);
		span->lease = (struct gcarena_lease *)1;
	}
	ASSERT_EQ(0, empty_regions(_metadata, w, &r, 1, U64_MAX, &moved));
	EXPECT_EQ(0, moved);
	EXPECT_EQ(1, r.next);
	/* All of the second are free by now, and it is given back. */
	for (i = 0; i < w->nr; i++) {
		if (w->nodes[i].offset >> GCARENA_CHUNK_SHIFT != r.regions[1].chunk)
			continue;
		slot = gcarena_heap_resolve(&self->heap, w->nodes[i].offset);
		gcarena_slot_free(&self->heap, &slot);
	}
	EXPECT_LT(0, gcarena_chunks_release(&self->heap, 0));
	EXPECT_EQ(NULL, self->heap.chunks[r.regions[1].chunk]);
	w->nr = 0;	/* some of what is left points to them */
	ASSERT_EQ(0, empty_regions(_metadata, w, &r, 1, U64_MAX, &moved));
	EXPECT_EQ(0, moved);
	EXPECT_EQ(2, r.next);
	ASSERT_EQ(0, empty_regions(_metadata, w, &r, 1, U64_MAX, &moved));
	EXPECT_LT(0, moved);
	gcarena_remember_destroy(&r);
	core_wrote = NULL;
	ASSERT_STREQ("", core_check(&self->heap, 0));
}

/* Free nodes: all in chunk @index, or of the others so many in a hundred. */
static void free_nodes(struct world *w, u32 index, u32 percent)
{
	struct heap_slot slot;
	u32 i, nr = 0;

	for (i = 0; i < w->nr; i++) {
		if (index == NONE ? next_random(&w->seed) % 100 >= percent :
		    w->nodes[i].offset >> GCARENA_CHUNK_SHIFT != index) {
			w->nodes[nr++] = w->nodes[i];
			continue;
		}
		slot = gcarena_heap_resolve(w->heap, w->nodes[i].offset);
		gcarena_slot_free(w->heap, &slot);
	}
	w->nr = nr;
}

/*
 * One is given back, and made anew, before its turn comes: nobody has set it apart. It must
 * not be filled by the same step that empties it.
 */
TEST_F_TIMEOUT(core, region_that_is_made_anew, 120)
{
	struct gcarena_remember r;
	struct world *w = &world;
	u32 first, before;
	u64 moved = 0;

	world_open(_metadata, w, &self->heap, 17);
	w->marked = false;
	populate(_metadata, w, MAX_NODES - 10, 0);
	free_nodes(w, NONE, 90);
	ASSERT_EQ(0, gcarena_remember_init(&r, &self->heap, 64, PLENTY));
	choose_regions(&r);
	ASSERT_LT(3, r.nr);
	ASSERT_EQ(0, gcarena_remember_some(&r, U64_MAX));
	memset(dirty, 0, sizeof(dirty));
	core_wrote = set_dirty;
	first = r.regions[0].chunk;
	free_nodes(w, first, 0);
	gcarena_chunks_release(&self->heap, 0);
	ASSERT_EQ(NULL, self->heap.chunks[first]);
	for (before = w->nr; !self->heap.chunks[first]; before = w->nr)
		populate(_metadata, w, before + 10, 0);
	populate(_metadata, w, w->nr + 400, 0);
	free_nodes(w, NONE, 50);
	ASSERT_FALSE(self->heap.chunks[first]->apart);
	all_live(w);
	check_world(_metadata, w);
	ASSERT_EQ(0, empty_regions(_metadata, w, &r, r.nr, U64_MAX, &moved));
	gcarena_remember_destroy(&r);
	core_wrote = NULL;
	EXPECT_LT(0, moved);
	check_world(_metadata, w);
}

/* Popular ones are left alone, and so is what they point to. */
TEST_F_TIMEOUT(core, too_many_cards, 60)
{
	struct gcarena_remember r;
	struct world *w = &world;
	u64 moved = 0;
	u32 i, n;

	world_open(_metadata, w, &self->heap, 9);
	populate(_metadata, w, 4000, 3);
	pick_roots(w, 0, 8);
	collect(_metadata, w);
	ASSERT_EQ(0, gcarena_remember_init(&r, &self->heap, NR_REGIONS, 20));
	choose_regions(&r);
	ASSERT_LT(0, r.nr);
	ASSERT_EQ(0, gcarena_remember_some(&r, U64_MAX));
	for (i = 0, n = 0; i < r.nr; i++) {
		EXPECT_GE(20, r.regions[i].nr);
		n += r.regions[i].given_up;
	}
	EXPECT_LT(0, n);
	memset(dirty, 0, sizeof(dirty));
	while (r.next < r.nr)
		ASSERT_EQ(0, empty_regions(_metadata, w, &r, 1, U64_MAX, &moved));
	gcarena_remember_destroy(&r);
	all_live(w);
	check_world(_metadata, w);
}

/* Everything is to be emptied at once, and nothing is left to fill but each other. */
static void empty_everything(struct __test_metadata *_metadata, struct gcarena_heap *heap, u64 seed)
{
	struct gcarena_remember r;
	struct world *w = &world;
	u64 moved = 0;
	u32 i;

	world_open(_metadata, w, heap, seed);
	populate(_metadata, w, 5000, 2);
	pick_roots(w, 1, 8);
	collect(_metadata, w);
	ASSERT_EQ(0, gcarena_remember_init(&r, heap, 64, PLENTY));
	for (i = 0; i < heap->top; i++) {
		if (!heap->chunks[i] || !heap->chunks[i]->nr_used)
			continue;
		r.regions[r.nr++] = (struct remember_region) { .chunk = i };
		r.region_of[i] = r.nr;
		heap->chunks[i]->apart = true;
	}
	ASSERT_LT(3, r.nr);
	ASSERT_EQ(0, gcarena_remember_some(&r, U64_MAX));
	memset(dirty, 0, sizeof(dirty));
	ASSERT_EQ(0, empty_regions(_metadata, w, &r, r.nr - 1, U64_MAX, &moved));
	gcarena_remember_destroy(&r);
	check_world(_metadata, w);
	EXPECT_LT(0, moved);
}

/* Which spans there are to fill is a matter of luck: a mistake shows in one heap out of six. */
TEST_F_TIMEOUT(core, no_room_elsewhere, 180)
{
	u64 seed;

	for (seed = 1; seed <= 30; seed++) {
		empty_everything(_metadata, &self->heap, seed);
		core_close(&self->heap);
		ASSERT_EQ(0, core_open(&self->heap, RESERVE, RESERVE));
	}
}

/* ---- With all else that happens to a heap ------------------------------------------ */

#define NR_HELD		6U

/**
 * struct held - a span that a thread has
 * @span: the span, or NULL
 * @taken: its slots that were free
 */
struct held {
	struct heap_span *span;
	u64 taken[GCARENA_MAX_SLOTS / 64];
};

static struct held held[NR_HELD];

/* Its free slots are objects from then on, with whatever is in them. */
static void take_span(struct world *w, struct held *h)
{
	const struct node *n = &w->nodes[next_random(&w->seed) % w->nr];
	struct heap_span *span = gcarena_heap_resolve(w->heap, n->offset).span;
	u64 at;

	if (h->span || span->lease || span->nr_used == span->nr_slots)
		return;
	list_del_init(&span->link);
	gcarena_span_take(w->heap, span, h->taken);
	span->lease = (struct gcarena_lease *)1;
	h->span = span;
	for (at = span->start; at < span->start + span->bytes; at += BIT(PAGE_SHIFT))
		set_dirty(at >> PAGE_SHIFT);
}

static void return_span(struct world *w, struct held *h)
{
	if (!h->span)
		return;
	gcarena_span_put(w->heap, h->span, h->taken, h->taken);
	h->span->lease = NULL;
	gcarena_span_settle(w->heap, h->span);
	h->span = NULL;
}

/* Roots, and what is old on written pages: all that is alive has a mark then. */
static void minor(struct __test_metadata *_metadata, struct world *w)
{
	unsigned long words[2 * NR_ROOTS], page = 0;
	struct gcarena_marker m;
	u32 i, nr = 0;

	for (i = 0; i < NR_ROOTS; i++) {
		if (w->roots[i] != NONE)
			words[nr++] = address(w, w->roots[i], i % 3);
		if (w->precise[i] != NONE)
			words[nr++] = address(w, w->precise[i], i % 3);
	}
	ASSERT_EQ(0, gcarena_marker_init(&m, w->heap, STACK_PLENTY));
	ASSERT_EQ(0, gcarena_mark_words(&m, words, nr));
	ASSERT_EQ(0, gcarena_mark_dirty(&m, written, PAGES, &page));
	ASSERT_EQ(0, gcarena_mark_finish(&m));
	gcarena_marker_destroy(&m);
	memset(written, 0, sizeof(written));
	predict(w);
	for (i = 0; i < w->nr; i++)
		ASSERT_TRUE(!w->nodes[i].live || is_marked(w->heap, w->nodes[i].offset));
	gcarena_sweep_flip(w->heap);
	ASSERT_EQ(0, gcarena_sweep_all(w->heap));
	forget_dead(w);
}

static void cycle_of_some_kind(struct __test_metadata *_metadata, struct world *w)
{
	u32 kind = next_random(&w->seed) % 6;

	if (kind < 4)
		minor(_metadata, w);
	memset(written, 0, sizeof(written));
	if (kind == 4)
		collect(_metadata, w);
	if (kind == 5) {
		ASSERT_EQ(0, compact_world(_metadata, w, NULL));
		forget_dead(w);
	}
	if (next_random(&w->seed) % 2)
		gcarena_chunks_release(w->heap, 0);
	if (next_random(&w->seed) % 4 == 0)
		gcarena_blocks_release(w->heap, 0);
}

static void make_permanent(struct __test_metadata *_metadata, struct world *w)
{
	const struct node *n = &w->nodes[next_random(&w->seed) % w->nr];
	struct heap_slot slot = gcarena_heap_resolve(w->heap, n->offset);

	/* A minor cycle scans it, and what is old is scanned if it was written. */
	ASSERT_EQ(0, gcarena_permanent_add(w->heap, &slot));
}

/* Something that a program, or a cycle, does between two steps. */
static void meanwhile(struct __test_metadata *_metadata, struct world *w)
{
	u32 i, what = next_random(&w->seed) % 12;

	if (what < 4)
		mutate(_metadata, w);
	else if (what < 6)
		take_span(w, &held[next_random(&w->seed) % NR_HELD]);
	else if (what < 8)
		return_span(w, &held[next_random(&w->seed) % NR_HELD]);
	else if (what == 8 && next_random(&w->seed) % 8 == 0)
		make_permanent(_metadata, w);
	for (i = 0; what == 9 && i < 60; i++)
		add_node(_metadata, w);
	if (what == 10)
		cycle_of_some_kind(_metadata, w);
	if (what == 11 && next_random(&w->seed) % 4 == 0)
		pick_roots(w, next_random(&w->seed) % 4, 4 + next_random(&w->seed) % 8);
}

/* One after the other, until all are done with. */
static void empty_amid(struct __test_metadata *_metadata, struct world *w, u64 *moved)
{
	u64 budget = next_random(&w->seed) % 2 ? 64 * 1024 : U64_MAX;
	struct gcarena_remember r;
	int ret;
	u32 nr;

	ASSERT_EQ(0, gcarena_sweep_all(w->heap));
	ASSERT_EQ(0, gcarena_remember_init(&r, w->heap, NR_REGIONS, PLENTY));
	choose_regions(&r);
	memset(dirty, 0, sizeof(dirty));
	do {
		ret = gcarena_remember_some(&r, 1 + next_random(&w->seed) % 200);
		meanwhile(_metadata, w);
	} while (ret == -EAGAIN);
	ASSERT_EQ(0, ret);
	while (r.next < r.nr) {
		meanwhile(_metadata, w);
		nr = 1 + next_random(&w->seed) % 3;
		ret = empty_regions(_metadata, w, &r, min(nr, r.nr - r.next), budget, moved);
		ASSERT_TRUE(!ret || ret == -EAGAIN);
		check_world(_metadata, w);
	}
	gcarena_remember_destroy(&r);
}

TEST_F_TIMEOUT(core, amid_cycles_and_threads, 300)
{
	u64 seed, moved = 0, first = 1, nr = 10;
	const char *s = getenv("GCARENA_SEED");
	struct world *w = &world;
	u32 i, k;

	if (s) {
		first = strtoull(s, NULL, 0);
		nr = 1;
	}
	core_close(&self->heap);
	core_wrote = set_dirty;
	for (seed = first; seed < first + nr; seed++) {
		TH_LOG("GCARENA_SEED=%lu repeats this one", (unsigned long)seed);
		ASSERT_EQ(0, core_open(&self->heap, RESERVE, RESERVE));
		world_open(_metadata, w, &self->heap, 1000 + seed);
		populate(_metadata, w, 4000, 1 + seed % 3);
		pick_roots(w, seed % 3, 10);
		memset(written, 0, sizeof(written));
		collect(_metadata, w);
		for (i = 0; i < 12; i++) {
			for (k = 0; k < 400; k++)
				add_node(_metadata, w);
			pick_roots(w, i % 3, 10);
			empty_amid(_metadata, w, &moved);
		}
		for (i = 0; i < NR_HELD; i++)
			return_span(w, &held[i]);
		ASSERT_STREQ("", core_check(w->heap, 0));
		core_close(&self->heap);
		ASSERT_EQ(0, core_allocations);
	}
	core_wrote = NULL;
	EXPECT_LT(2000, moved);
	TH_LOG("%lu objects moved", (unsigned long)moved);
	ASSERT_EQ(0, core_open(&self->heap, RESERVE, RESERVE));
}

/* ---- What is gained ------------------------------------------------------------- */

static void scatter(struct __test_metadata *_metadata, struct gcarena_heap *heap,
		    struct scattered *s, u32 pin_every)
{
	const u32 nr = 300000;
	struct pool pools[NR_SIZES] = { };
	struct gcarena_marker m;
	u32 i, size;
	u64 seed = 5;

	s->roots = calloc(nr, sizeof(*s->roots));
	s->pin_every = pin_every;
	for (i = 0, s->nr = 0; i < nr; i++) {
		size = next_random(&seed) % 5;
		pools[size] = pools[size].heap ? pools[size] :
			      (struct pool) { .heap = heap, .class = core_class_of(sizes[size]),
					      .layout = heap->layouts[1] };
		s->roots[s->nr] = BASE + pool_alloc(&pools[size]);
		s->nr += next_random(&seed) % 10 == 0;
	}
	for (i = 0; i < 5; i++)
		pool_close(&pools[i]);
	ASSERT_EQ(0, mark_from(heap, s->roots, s->nr, STACK_PLENTY, &m));
	gcarena_sweep_flip(heap);
	ASSERT_EQ(0, gcarena_sweep_all(heap));
	scattered = s;
}

/* In steps of 64 KiB. Nobody needs to be told: they point to nothing, and are of no further use. */
static u32 empty_all(struct __test_metadata *_metadata, struct world *w)
{
	u64 moved = 0, last;
	u32 steps = 0;

	do {
		last = moved;
		ASSERT_EQ(0, empty_some(_metadata, w, 64 * 1024, false, &moved));
		gcarena_chunks_release(w->heap, 0);
		ASSERT_STREQ("", core_check(w->heap, 0));
		steps++;
	} while (moved > last);
	return steps;
}

/* As dense as if everything had been compacted at once. */
TEST_F_TIMEOUT(core, dense_after_some_steps, 180)
{
	struct world *w = &world;
	struct scattered s;
	u64 before, live;
	u32 passes;

	world_open(_metadata, w, &self->heap, 1);
	scatter(_metadata, &self->heap, &s, 0);
	live = self->heap.used.bytes;
	before = self->heap.nr_chunks;
	passes = empty_all(_metadata, w);
	TH_LOG("%llu MiB live, %u MiB held, %llu MiB before; %u passes",
	       (unsigned long long)live / MIB, self->heap.nr_chunks * 2,
	       (unsigned long long)before * 2, passes);
	EXPECT_EQ(live, self->heap.used.bytes);
	EXPECT_GE(live * 12 / 10 + 2 * MIB, self->heap.nr_chunks * GCARENA_CHUNK_BYTES);
	scattered = NULL;
	free(s.roots);
}

/* What is held by blocks if all is compacted at once, with the same pins. */
static u64 held_at_once(struct __test_metadata *_metadata, struct gcarena_heap *heap,
			u32 pin_every)
{
	struct gcarena_compact c;
	struct scattered s;

	scatter(_metadata, heap, &s, pin_every);
	ASSERT_EQ(0, gcarena_compact_init(&c, heap));
	pin_scattered(&c);
	ASSERT_EQ(0, gcarena_compact_plan_slots(&c));
	gcarena_compact_move(&c);
	ASSERT_EQ(0, gcarena_compact_plan_spans(&c));
	gcarena_compact_move(&c);
	gcarena_compact_destroy(&c);
	gcarena_chunks_release(heap, 0);
	gcarena_blocks_release(heap, 0);
	scattered = NULL;
	free(s.roots);
	return gcarena_heap_held(heap);
}

/* Spans with a pinned object are filled rather than left as they are; by later steps, too. */
TEST_F_TIMEOUT(core, dense_around_what_is_pinned, 180)
{
	static const u32 pin_every[] = { 1000, 100, 10 };
	struct world *w = &world;
	struct scattered s;
	u64 at_once, held;
	u32 i;

	for (i = 0; i < 3; i++) {
		at_once = held_at_once(_metadata, &self->heap, pin_every[i]);
		core_close(&self->heap);
		ASSERT_EQ(0, core_open(&self->heap, RESERVE, RESERVE));
		world_open(_metadata, w, &self->heap, 1);
		scatter(_metadata, &self->heap, &s, pin_every[i]);
		empty_all(_metadata, w);
		gcarena_blocks_release(&self->heap, 0);
		held = gcarena_heap_held(&self->heap);
		TH_LOG("1 of %u pinned: %llu KiB held, %llu KiB if compacted at once",
		       pin_every[i], (unsigned long long)held >> 10,
		       (unsigned long long)at_once >> 10);
		EXPECT_GE(at_once * 105 / 100, held);
		scattered = NULL;
		free(s.roots);
		core_close(&self->heap);
		ASSERT_EQ(0, core_open(&self->heap, RESERVE, RESERVE));
	}
}

/* Whose pin has gone gets another turn, once nothing else is worth it. */
TEST_F_TIMEOUT(core, no_longer_pinned, 180)
{
	struct world *w = &world;
	struct scattered s;
	u64 held;

	world_open(_metadata, w, &self->heap, 1);
	scatter(_metadata, &self->heap, &s, 10);
	empty_all(_metadata, w);
	gcarena_blocks_release(&self->heap, 0);
	held = gcarena_heap_held(&self->heap);
	s.pin_every = 0;
	EXPECT_LT(1, empty_all(_metadata, w));
	gcarena_blocks_release(&self->heap, 0);
	EXPECT_LT(gcarena_heap_held(&self->heap), held * 3 / 4);
	EXPECT_GE(self->heap.used.bytes * 12 / 10 + 2 * MIB, gcarena_heap_held(&self->heap));
	scattered = NULL;
	free(s.roots);
}

/* ---- Failures ------------------------------------------------------------------- */

static void failing_world(struct __test_metadata *_metadata, struct world *w,
			  struct gcarena_heap *heap)
{
	world_open(_metadata, w, heap, 31);
	populate(_metadata, w, 1500, 2);
	pick_roots(w, 2, 6);
	collect(_metadata, w);
}

/* Whatever fails, all is where it was, or where it was told to be; the next try goes well. */
TEST_F_TIMEOUT(core, each_allocation_fails_once, 300)
{
	struct world *w = &world;
	long n, failed = 0;
	u64 moved;
	int ret;

	core_close(&self->heap);
	for (n = 0; ; n++) {
		ASSERT_EQ(0, core_open(&self->heap, RESERVE, RESERVE));
		failing_world(_metadata, w, &self->heap);
		core_fail_after = n;
		ret = empty_some(_metadata, w, 100000, false, &moved);
		if (core_fail_after >= 0)
			break;
		core_fail_after = -1;
		failed += ret == -ENOMEM;
		all_live(w);
		check_world(_metadata, w);
		ASSERT_EQ(0, empty_some(_metadata, w, 100000, false, &moved));
		all_live(w);
		check_world(_metadata, w);
		core_close(&self->heap);
		ASSERT_EQ(0, core_allocations);
	}
	core_fail_after = -1;
	EXPECT_EQ(0, ret);
	EXPECT_LT(20, failed);
}

/* A heap that is large enough to have some. */
TEST_F_TIMEOUT(core, killed_at_each_checkpoint, 120)
{
	struct world *w = &world;
	struct scattered s;
	u64 moved = 0, used;
	long n = 0;
	int ret;

	world_open(_metadata, w, &self->heap, 31);
	scatter(_metadata, &self->heap, &s, 0);
	populate(_metadata, w, 1500, 2);
	used = self->heap.used.bytes;
	do {
		core_kill_after = n++;
		ret = empty_some(_metadata, w, U64_MAX, false, &moved);
		core_kill_after = -1;
		ASSERT_TRUE(!ret || ret == -EINTR);
		ASSERT_EQ(used, self->heap.used.bytes);
		all_live(w);
		w->marked = false;	/* nor are these all there are */
		check_world(_metadata, w);
	} while (ret);
	EXPECT_LT(1, n);
	EXPECT_LT(0, moved);
	scattered = NULL;
	free(s.roots);
}

TEST_HARNESS_MAIN
