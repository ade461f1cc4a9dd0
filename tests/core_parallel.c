// SPDX-License-Identifier: GPL-2.0
/*
 * Several markers in one trace: the same marks as one alone leaves, whatever the graph, the
 * room on the stacks and the moment at which helpers come, leave, fail or are sent away.
 */
#include "core/fixture.h"

#define MAX_WORDS	65536	/* of mark bits that are compared */
#define ARRAYS		6
#define ARRAY_BYTES	(100 * 1024)

struct marks {
	u64 word[MAX_WORDS];
	unsigned int nr;
};

/* All mark bits, one span after the other. */
static struct marks *marks_of(struct gcarena_heap *heap)
{
	struct marks *marks = calloc(1, sizeof(*marks));
	struct heap_span *span;
	unsigned int w;
	u64 pos = 0;

	while ((span = gcarena_span_next(heap, &pos))) {
		for (w = 0; w < gcarena_span_nr_words(span); w++) {
			if (marks->nr == MAX_WORDS)
				abort();
			marks->word[marks->nr++] = span->words[w].mark;
		}
	}
	return marks;
}

static bool marks_differ(struct gcarena_heap *heap, const struct marks *other)
{
	struct marks *now = marks_of(heap);
	bool differ = now->nr != other->nr ||
		      memcmp(now->word, other->word, now->nr * sizeof(*now->word));

	free(now);
	return differ;
}

/* No helper is at work, or will be. */
static bool all_away(const struct gcarena_marker *m)
{
	unsigned int i;

	for (i = 0; m->crew && i < m->crew->nr; i++) {
		if (m->crew->helper[i].work.state != CORE_HELPER_AWAY)
			return false;
	}
	return !m->shared;
}

/**
 * struct way - how to trace
 * @helpers: how many may help
 * @interval: steps between checkpoints, 0 for what is usual
 * @room: items that a segment takes, 0 for what is usual
 * @stack: most bytes of stack
 */
struct way {
	unsigned int helpers;
	u32 interval;
	u32 room;
	u64 stack;
};

/* Trace from @root. */
static int trace(struct gcarena_heap *heap, u64 root, const struct way *way,
		 struct gcarena_marker *m)
{
	unsigned long word = BASE + root;
	int ret;

	ret = gcarena_marker_init(m, heap, way->stack);
	if (ret)
		return ret;
	gcarena_marker_set_interval(m, way->interval);
	gcarena_marker_set_room(m, way->room);
	gcarena_marker_set_helpers(m, way->helpers);
	ret = gcarena_mark_clear(heap);
	if (!ret)
		ret = gcarena_mark_words(m, &word, 1);
	return ret ? ret : gcarena_mark_finish(m);
}

/* ---- Graphs ---- */

/* Nodes of several sizes with links to any others; the last ones are not to be found. */
static u64 build_random(struct gcarena_heap *heap, unsigned int nr, unsigned int links)
{
	static const unsigned long map[] = { 0x5555 };
	struct heap_layout *typed = layout_new(heap, 16, map);
	struct pool pools[] = {
		{ .heap = heap, .layout = heap->layouts[0], .class = core_class_of(128) },
		{ .heap = heap, .layout = typed, .class = core_class_of(256) },
		{ .heap = heap, .layout = heap->layouts[1], .class = core_class_of(64) },
		{ .heap = heap, .layout = heap->layouts[0], .class = core_class_of(2048) },
	};
	u64 *nodes = calloc(nr, sizeof(*nodes)), seed = nr + links, root;
	unsigned int i, j;

	for (i = 0; i < nr; i++)
		nodes[i] = pool_alloc(&pools[i % 97 ? i % 3 : 3]);
	for (i = 0; i < ARRAY_SIZE(pools); i++)
		pool_close(&pools[i]);
	for (i = 0; i < nr; i++) {
		u64 *words = core_word(heap, nodes[i]);

		memset(words, 0, 64);
		if (i % 97 && i % 3 == 2)
			continue;
		for (j = 0; j < links; j++)
			words[2 * j] = BASE + nodes[next_random(&seed) % nr] + j;
	}
	root = nodes[1];
	free(nodes);
	return root;
}

/* An array of long arrays, of pointers to small objects. */
static u64 build_arrays(struct gcarena_heap *heap, unsigned int nr)
{
	struct pool pool = { .heap = heap, .layout = heap->layouts[0], .class = 1 };
	struct heap_span *top = large_new(heap, heap->layouts[0], nr * sizeof(u64) + 65536);
	unsigned int i, j;

	for (i = 0; i < nr; i++) {
		struct heap_span *array = large_new(heap, heap->layouts[0], ARRAY_BYTES);

		*core_word(heap, top->start + i * 8) = BASE + array->start;
		for (j = 0; j < ARRAY_BYTES / 8; j++)
			*core_word(heap, array->start + j * 8) = BASE + pool_alloc(&pool);
	}
	pool_close(&pool);
	return top->start;
}

static u64 build_list(struct gcarena_heap *heap, unsigned int nr)
{
	struct pool pool = { .heap = heap, .layout = heap->layouts[0],
			     .class = core_class_of(64) };
	u64 head = 0, offset;

	while (nr--) {
		offset = pool_alloc(&pool);
		memset(core_word(heap, offset), 0, 64);
		*core_word(heap, offset) = head ? BASE + head : 0;
		head = offset;
	}
	pool_close(&pool);
	return head;
}

/* ---- Against one alone ---- */

/* Returns how often somebody helped. */
static unsigned int compare(struct __test_metadata *_metadata, struct gcarena_heap *heap,
			    u64 root, const struct way *way)
{
	const struct way alone = { .stack = STACK_PLENTY };
	struct gcarena_marker one, many;
	struct marks *marks;
	unsigned int helped;

	ASSERT_EQ(0, trace(heap, root, &alone, &one));
	marks = marks_of(heap);
	gcarena_marker_destroy(&one);
	ASSERT_EQ(0, trace(heap, root, way, &many));
	EXPECT_TRUE(all_away(&many));
	helped = gcarena_crew_nr_helped(&many);
	EXPECT_EQ(one.marked.objects, many.marked.objects);
	EXPECT_EQ(one.marked.bytes, many.marked.bytes);
	EXPECT_FALSE(marks_differ(heap, marks)) {
		TH_LOG("%u helpers, interval %u, room %u", way->helpers, way->interval,
		       way->room);
	}
	EXPECT_GE(many.stack_limit, many.stack_peak);
	gcarena_marker_destroy(&many);
	EXPECT_EQ(one.marked.objects, heap->old.objects);
	EXPECT_WHOLE(heap, 0);
	free(marks);
	return helped;
}

static void compare_ways(struct __test_metadata *_metadata, struct gcarena_heap *heap, u64 root)
{
	static const unsigned int helpers[] = { 1, 3, 7 };
	static const struct way ways[] = {
		{ .stack = STACK_PLENTY },
		{ .stack = STACK_PLENTY, .interval = 1 },
		{ .stack = STACK_PLENTY, .interval = 40 },
		{ .interval = 8 },
		{ .interval = 2, .room = 1 },
		{ .interval = 5, .room = 2 },
		{ .interval = 64, .room = 9 },
	};
	unsigned int i, j, round, helped = 0;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		for (j = 0; j < ARRAY_SIZE(helpers); j++) {
			struct way way = ways[i];

			way.helpers = helpers[j];
			helped += compare(_metadata, heap, root, &way);
		}
	}
	/* Threads come when they can: for this test to mean something they have to. */
	for (round = 0; !helped && round < 1000; round++)
		helped = compare(_metadata, heap, root,
				 &(struct way) { .helpers = 3, .stack = STACK_PLENTY });
	EXPECT_LT(0, helped);
}

TEST_F(core, random_graph)
{
	compare_ways(_metadata, &self->heap, build_random(&self->heap, 12000, 4));
}

TEST_F(core, dense_graph)
{
	compare_ways(_metadata, &self->heap, build_random(&self->heap, 3000, 8));
}

TEST_F(core, arrays)
{
	compare_ways(_metadata, &self->heap, build_arrays(&self->heap, ARRAYS));
}

/* A list has nothing to share; calling somebody for it would be a waste. */
TEST_F(core, list_is_traced_alone)
{
	u64 head = build_list(&self->heap, 100000);
	struct gcarena_marker m;

	ASSERT_EQ(0, trace(&self->heap, head, &(struct way) { .helpers = 3 }, &m));
	EXPECT_EQ(100000, m.marked.objects);
	EXPECT_EQ(0, core_helpers_calls);
	EXPECT_EQ(NULL, m.crew);
	gcarena_marker_destroy(&m);
}

TEST_F(core, small_trace_is_traced_alone)
{
	u64 root = build_random(&self->heap, 400, 4);
	struct gcarena_marker m;

	ASSERT_EQ(0, trace(&self->heap, root, &(struct way) { .helpers = 3 }, &m));
	EXPECT_LT(200, m.marked.objects);
	EXPECT_EQ(0, core_helpers_calls);
	gcarena_marker_destroy(&m);
}

/*
 * A minor trace, all pages written: marks stay, and marked objects there are scanned for what
 * is not marked.
 */
static int trace_minor(struct gcarena_heap *heap, const struct way *way,
		       struct gcarena_marker *m)
{
	const unsigned long nr = (unsigned long)heap->top * GCARENA_CHUNK_PAGES;
	unsigned long *pages = calloc(nr / 64 + 1, sizeof(*pages)), page = 0;
	int ret = gcarena_marker_init(m, heap, way->stack);

	memset(pages, 0xff, nr / 8);
	gcarena_marker_set_interval(m, way->interval);
	gcarena_marker_set_room(m, way->room);
	gcarena_marker_set_helpers(m, way->helpers);
	if (!ret)
		ret = gcarena_mark_dirty(m, pages, nr, &page);
	if (!ret)
		ret = gcarena_mark_finish(m);
	free(pages);
	return ret;
}

/* Take marks of objects without pointers back: their owners are marked still. */
static u64 forget_some(struct gcarena_heap *heap)
{
	struct heap_span *span;
	u64 pos = 0, nr = 0;
	u32 i;

	while ((span = gcarena_span_next(heap, &pos))) {
		for (i = 0; i < span->nr_slots; i += 3) {
			if (span->layout->number == 1 &&
			    span->words[i / 64].mark & BIT_ULL(i % 64)) {
				span->words[i / 64].mark &= ~BIT_ULL(i % 64);
				gcarena_tally_sub(&heap->old, 1, span->slot_bytes);
				nr++;
			}
		}
	}
	return nr;
}

TEST_F(core, written_pages)
{
	static const struct way ways[] = {
		{ .helpers = 3, .stack = STACK_PLENTY },
		{ .helpers = 1, .interval = 1 },
		{ .helpers = 3, .interval = 7, .room = 2 },
		{ .helpers = 0 },
	};
	u64 root = build_random(&self->heap, 12000, 4), forgotten;
	struct gcarena_marker m;
	struct marks *marks;
	unsigned int i;

	ASSERT_EQ(0, trace(&self->heap, root, &(struct way) { .stack = STACK_PLENTY }, &m));
	gcarena_marker_destroy(&m);
	marks = marks_of(&self->heap);
	for (i = 0; i < 40; i++) {
		forgotten = forget_some(&self->heap);
		ASSERT_LT(100, forgotten);
		ASSERT_TRUE(marks_differ(&self->heap, marks));
		ASSERT_EQ(0, trace_minor(&self->heap, &ways[i % 4], &m));
		EXPECT_EQ(forgotten, m.marked.objects);
		EXPECT_FALSE(marks_differ(&self->heap, marks));
		gcarena_marker_destroy(&m);
	}
	EXPECT_WHOLE(&self->heap, 0);
	free(marks);
}

/* ---- Helpers that do not come, or not to the end ---- */

TEST_F(core, helpers_that_never_begin)
{
	u64 root = build_random(&self->heap, 12000, 4);

	core_helpers_never = true;
	EXPECT_EQ(0, compare(_metadata, &self->heap, root,
			     &(struct way) { .helpers = 3, .interval = 8 }));
	EXPECT_LT(0, core_helpers_calls);
	EXPECT_EQ(0, core_helpers_runs);
}

/* Killed at one checkpoint after the other: nobody runs then, and the next trace is right. */
TEST_F(core, killed_at_many_checkpoints)
{
	const struct way way = { .helpers = 3, .interval = 16, .room = 40 };
	u64 root = build_random(&self->heap, 12000, 4);
	struct gcarena_marker m;
	long nth, killed = 0;
	int ret;

	for (nth = 1; nth < 1000; nth += 1 + nth / 8) {
		core_kill_after = nth;
		ret = trace(&self->heap, root, &way, &m);
		core_kill_after = -1;
		ASSERT_TRUE(!ret || ret == -EINTR);
		EXPECT_TRUE(all_away(&m));
		killed += ret == -EINTR;
		gcarena_marker_destroy(&m);
		EXPECT_WHOLE(&self->heap, 0);
	}
	EXPECT_LT(10, killed);
	compare(_metadata, &self->heap, root, &way);
}

/* Given up while helpers are at work, as when reading the roots fails. */
TEST_F(core, given_up_half_way)
{
	u64 root = build_random(&self->heap, 12000, 4);
	unsigned long word = BASE + root;
	struct gcarena_marker m;
	unsigned int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, gcarena_marker_init(&m, &self->heap, 0));
		gcarena_marker_set_interval(&m, 4);
		gcarena_marker_set_room(&m, 16);
		gcarena_marker_set_helpers(&m, 3);
		ASSERT_EQ(0, gcarena_mark_clear(&self->heap));
		ASSERT_EQ(0, gcarena_mark_words(&m, &word, 1));
		drain(&m);
		gcarena_marker_suspend(&m);
		EXPECT_TRUE(all_away(&m));
		gcarena_marker_destroy(&m);
		EXPECT_WHOLE(&self->heap, 0);
	}
}

/* Memory fails at each place in turn, and after it: less help, a smaller stack, no error. */
TEST_F(core, no_memory_is_no_error)
{
	const struct way way = { .helpers = 3, .interval = 8, .stack = STACK_PLENTY };
	u64 root = build_arrays(&self->heap, 4);
	struct gcarena_marker m;
	struct marks *marks;
	long nth;

	ASSERT_EQ(0, trace(&self->heap, root, &(struct way) { .stack = STACK_PLENTY }, &m));
	marks = marks_of(&self->heap);
	gcarena_marker_destroy(&m);
	for (nth = 1; nth < 30; nth++) {
		core_fail_after = nth;
		ASSERT_EQ(0, trace(&self->heap, root, &way, &m));
		core_fail_after = -1;
		EXPECT_FALSE(marks_differ(&self->heap, marks));
		gcarena_marker_destroy(&m);
	}
	free(marks);
}

/* ---- Slices ---- */

static bool always(const struct gcarena_marker *m)
{
	return true;
}

static unsigned int trace_in_slices(struct __test_metadata *_metadata, struct gcarena_heap *heap,
				    u64 root, u32 interval, u32 room)
{
	unsigned long word = BASE + root;
	unsigned int slices = 0;
	struct gcarena_marker m;
	u64 seed = interval;
	int ret;

	ASSERT_EQ(0, gcarena_marker_init(&m, heap, 0));
	gcarena_marker_set_interval(&m, interval);
	gcarena_marker_set_room(&m, room);
	ASSERT_EQ(0, gcarena_mark_clear(heap));
	m.pause = always;
	ASSERT_EQ(0, gcarena_mark_words(&m, &word, 1));
	do {
		gcarena_marker_resume(&m);
		gcarena_marker_set_helpers(&m, next_random(&seed) % 4);
		/* What others do meanwhile takes more than the leader's one checkpoint. */
		m.pause = next_random(&seed) % 3 ? always : NULL;
		ret = next_random(&seed) % 3 ? gcarena_mark_finish(&m) : drain(&m) ?: -EAGAIN;
		gcarena_marker_suspend(&m);
		EXPECT_TRUE(all_away(&m));
		slices++;
	} while (ret == -EAGAIN);
	ASSERT_EQ(0, ret);
	EXPECT_EQ(heap->old.objects, m.marked.objects);
	gcarena_marker_destroy(&m);
	return slices;
}

TEST_F(core, slices)
{
	u64 root = build_random(&self->heap, 12000, 4);
	struct gcarena_marker m;
	struct marks *marks;
	unsigned int i;

	ASSERT_EQ(0, trace(&self->heap, root, &(struct way) { .stack = STACK_PLENTY }, &m));
	marks = marks_of(&self->heap);
	gcarena_marker_destroy(&m);
	for (i = 0; i < 40; i++) {
		EXPECT_LT(0, trace_in_slices(_metadata, &self->heap, root, 1 + i * 7,
					     i % 3 ? 4 : 0));
		EXPECT_FALSE(marks_differ(&self->heap, marks));
	}
	free(marks);
}

TEST_HARNESS_MAIN
