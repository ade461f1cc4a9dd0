// SPDX-License-Identifier: GPL-2.0
/*
 * A trace in slices, and a program that runs in between: it makes objects, frees them, makes
 * some permanent, moves pointers about, and has the pages that it wrote noted. At the end
 * the trace must have found all that can be reached, as a walk over the test's own record
 * tells, and nothing that it still referred to may have gone.
 */
#include "core/fixture.h"

#define NODES		600
#define LINKS		4
#define NODE_BYTES	64
#define ROOTS		8
#define PERMANENTS	40
#define LARGE_BYTES	(40 * 1024)
#define NONE		(~0U)
#define NOWHERE		U64_MAX

/* What the test knows of a node. */
struct node {
	u64 offset;		/* NOWHERE: there is none */
	bool large;
	bool permanent;
	unsigned int link[LINKS];
	bool seen;
};

struct program {
	struct gcarena_heap *heap;
	struct node node[NODES];
	unsigned int root[ROOTS];
	unsigned long words[ROOTS];
	unsigned long *dirty;
	unsigned int nr_permanent;
	u64 seed;
};

static u64 below(struct program *p, u64 n)
{
	return next_random(&p->seed) % n;
}

static u64 slot_new(struct gcarena_heap *heap)
{
	struct heap_layout *layout = heap->layouts[0];
	unsigned int class = core_class_of(NODE_BYTES), slot = 0;
	struct heap_bucket *bucket = gcarena_layout_bucket(heap, layout, class);
	u64 taken[GCARENA_MAX_SLOTS / 64], unused[GCARENA_MAX_SLOTS / 64];
	struct heap_span *span;

	span = list_first_entry_or_null(&bucket->partial, struct heap_span, link);
	if (span)
		list_del_init(&span->link);
	else
		span = span_new(heap, layout, class);
	gcarena_span_take(heap, span, taken);
	memcpy(unused, taken, sizeof(taken));
	while (!(taken[slot / 64] & BIT_ULL(slot % 64)))
		slot++;
	unused[slot / 64] &= ~BIT_ULL(slot % 64);
	gcarena_span_put(heap, span, taken, unused);
	gcarena_span_settle(heap, span);
	return span->start + slot * span->slot_bytes;
}

static void write_word(struct program *p, u64 offset, u64 value)
{
	core_word(p->heap, offset)[0] = value;
	p->dirty[(offset >> PAGE_SHIFT) / 64] |= BIT((offset >> PAGE_SHIFT) % 64);
}

/* A word at either end of the node, so that a large one has them on two pages. */
static u64 link_at(const struct node *n, unsigned int i)
{
	return n->offset + (n->large && i >= LINKS / 2 ? LARGE_BYTES - 8 * (i + 1) : 8 * i);
}

static void set_link(struct program *p, unsigned int from, unsigned int i, unsigned int to)
{
	struct node *n = &p->node[from];

	n->link[i] = to;
	write_word(p, link_at(n, i), to == NONE ? 0 : BASE + p->node[to].offset + below(p, 64));
}

static void set_root(struct program *p, unsigned int i, unsigned int to)
{
	p->root[i] = to;
	p->words[i] = to == NONE ? 0 : BASE + p->node[to].offset;
}

static void node_new(struct program *p, unsigned int at)
{
	struct node *n = &p->node[at];
	unsigned int i;

	n->permanent = false;
	n->large = below(p, 30) == 0;
	n->offset = n->large ? large_new(p->heap, p->heap->layouts[0], LARGE_BYTES)->start
			     : slot_new(p->heap);
	/* As the module does with large objects, and the library with small ones. */
	memset(core_word(p->heap, n->offset), 0, n->large ? LARGE_BYTES : NODE_BYTES);
	for (i = 0; i < LINKS; i++)
		n->link[i] = NONE;
	if (below(p, 4))
		set_link(p, at, 0, at);
	set_root(p, below(p, ROOTS), at);
}

/* The program says it is dead. Nothing must point to it any more. */
static void node_free(struct program *p, unsigned int at)
{
	struct heap_slot slot = gcarena_heap_resolve(p->heap, p->node[at].offset);
	unsigned int i, j;

	for (i = 0; i < NODES; i++)
		for (j = 0; p->node[i].offset != NOWHERE && j < LINKS; j++)
			if (p->node[i].link[j] == at)
				set_link(p, i, j, NONE);
	for (i = 0; i < ROOTS; i++)
		if (p->root[i] == at)
			set_root(p, i, NONE);
	p->node[at].offset = NOWHERE;
	gcarena_slot_free(p->heap, &slot);
}

/* Reachable or not: it is a root from now on. */
static void node_keep(struct program *p, unsigned int at)
{
	struct heap_slot slot = gcarena_heap_resolve(p->heap, p->node[at].offset);

	if (gcarena_permanent_add(p->heap, &slot))
		abort();
	p->nr_permanent += !p->node[at].permanent;
	p->node[at].permanent = true;
}

static void run_a_little(struct program *p)
{
	unsigned int from = below(p, NODES), to = below(p, NODES);

	if (p->node[to].offset == NOWHERE)
		node_new(p, to);
	else if (p->node[from].offset == NOWHERE)
		set_root(p, below(p, ROOTS), to);
	else if (below(p, 10) == 0 && !p->node[to].permanent)
		node_free(p, to);
	else if (below(p, 50) == 0 && p->nr_permanent < PERMANENTS)
		node_keep(p, to);
	else
		set_link(p, from, below(p, LINKS), to);
	gcarena_chunks_release(p->heap, 0);
}

static unsigned int see(struct program *p, unsigned int at)
{
	unsigned int i, nr = 1;

	if (at >= NODES || p->node[at].seen)
		return 0;
	p->node[at].seen = true;
	for (i = 0; i < LINKS; i++)
		nr += see(p, p->node[at].link[i]);
	return nr;
}

static bool always(const struct gcarena_marker *m)
{
	(void)m;
	return true;
}

/* Trace to the end of a round, in slices, the program running in between. */
static unsigned int trace_round(struct program *p, struct gcarena_marker *m, unsigned int *slices)
{
	u64 nr_pages = RESERVE >> PAGE_SHIFT;
	unsigned long page = 0, *dirty = p->dirty;
	int ret;

	p->dirty = calloc(nr_pages / 64, sizeof(*dirty));
	m->pause = always;
	if (gcarena_mark_words(m, p->words, ROOTS))
		return 1;
	do {
		gcarena_marker_resume(m);
		ret = gcarena_mark_dirty(m, dirty, nr_pages, &page);
		if (!ret)
			ret = gcarena_mark_finish(m);
		gcarena_marker_suspend(m);
		run_a_little(p);
		++*slices;
	} while (ret == -EAGAIN);
	free(dirty);
	return ret;
}

static int trace_last(struct program *p, struct gcarena_marker *m)
{
	unsigned long page = 0;
	int ret;

	m->pause = NULL;
	gcarena_marker_resume(m);
	ret = gcarena_mark_words(m, p->words, ROOTS);
	if (!ret)
		ret = gcarena_mark_dirty(m, p->dirty, RESERVE >> PAGE_SHIFT, &page);
	return ret ? ret : gcarena_mark_finish(m);
}

static void check_reached(struct __test_metadata *_metadata, struct program *p)
{
	unsigned int i, reached = 0;

	for (i = 0; i < ROOTS; i++)
		reached += see(p, p->root[i]);
	for (i = 0; i < NODES; i++)
		reached += p->node[i].permanent ? see(p, i) : 0;
	ASSERT_LT(0, reached);
	for (i = 0; i < NODES; i++) {
		if (!p->node[i].seen)
			continue;
		ASSERT_TRUE(is_marked(p->heap, p->node[i].offset)) {
			TH_LOG("node %u at %#lx", i, p->node[i].offset);
		}
	}
}

/* @minor: marks stay from the cycle before. Returns the slices that it took. */
static unsigned int cycle_in_slices(struct __test_metadata *_metadata, struct program *p,
				    bool minor, u32 interval, u32 room)
{
	unsigned int slices = 0, rounds = 1 + below(p, 3), i;
	struct gcarena_marker m;

	for (i = 0; i < NODES; i++)
		p->node[i].seen = false;
	ASSERT_EQ(0, gcarena_marker_init(&m, p->heap, 0));
	gcarena_marker_set_room(&m, room);
	gcarena_marker_set_interval(&m, interval);
	if (!minor)
		ASSERT_EQ(0, gcarena_mark_clear(p->heap));
	gcarena_spans_hold(p->heap);
	while (rounds--)
		ASSERT_EQ(0, trace_round(p, &m, &slices));
	ASSERT_EQ(0, trace_last(p, &m));
	gcarena_marker_destroy(&m);
	check_reached(_metadata, p);
	memset(p->dirty, 0, (RESERVE >> PAGE_SHIFT) / 8);
	gcarena_sweep_flip(p->heap);
	gcarena_spans_let_go(p->heap);
	/* What went is what the program cannot have a use for. */
	for (i = 0; i < NODES; i++)
		if (!p->node[i].seen && p->node[i].offset != NOWHERE &&
		    !is_marked(p->heap, p->node[i].offset))
			p->node[i].offset = NOWHERE;
	ASSERT_EQ(0, gcarena_sweep_all(p->heap));
	EXPECT_WHOLE(p->heap, 0);
	return slices;
}

static void check_program(struct __test_metadata *_metadata, struct gcarena_heap *heap,
			  u32 interval, u32 room)
{
	struct program *p = calloc(1, sizeof(*p));
	unsigned int i, slices = 0;

	p->heap = heap;
	p->seed = interval * 1000 + room;
	p->dirty = calloc((RESERVE >> PAGE_SHIFT) / 64, sizeof(*p->dirty));
	for (i = 0; i < NODES; i++)
		p->node[i].offset = NOWHERE;
	for (i = 0; i < ROOTS; i++)
		set_root(p, i, NONE);
	for (i = 0; i < 2000; i++)
		run_a_little(p);
	for (i = 0; i < 30; i++) {
		slices += cycle_in_slices(_metadata, p, i % 3, interval, room);
		run_a_little(p);
	}
	EXPECT_LT(3000 / interval, slices);
	EXPECT_LE(10, heap->permanent.objects);
	free(p->dirty);
	free(p);
}

TEST_F(core, slices_of_one_step)
{
	check_program(_metadata, &self->heap, 1, 0);
}

TEST_F(core, slices_of_a_few_steps)
{
	check_program(_metadata, &self->heap, 7, 0);
}

/* The stack overflows all the time, and the walk over all spans is interrupted. */
TEST_F(core, slices_with_a_tiny_stack)
{
	check_program(_metadata, &self->heap, 3, 2);
}

TEST_F(core, slices_of_many_steps_with_a_tiny_stack)
{
	check_program(_metadata, &self->heap, 200, 3);
}

TEST_HARNESS_MAIN
