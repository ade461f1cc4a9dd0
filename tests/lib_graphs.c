// SPDX-License-Identifier: GPL-2.0
/*
 * Graphs of the shapes that break collectors: deep ones (a marker that recurses),
 * wide ones (a mark stack that overflows), cycles (reference counts), and many
 * objects at once. All have explicit roots, so that live counts are exact.
 *
 * Then what a program sees of the heap's size: memory comes back, and collections
 * happen as often as gc_percent says.
 */
#include <kselftest_harness.h>

#include "gcarena.h"
#include "lib/oracle.h"
#include "lib/rawarena.h"
#include "lib/rng.h"

#define MIB		(1024UL * 1024)
#define LIST_LENGTH	10000000
#define TREE_DEPTH	20
#define MILLION		1000000

struct node {
	struct node *next;
	long number;
};

struct fork {
	struct fork *left, *right;
};

FIXTURE(graph)
{
	gca_arena *arena;
	gca_type *node, *fork;
	void *root[4];		/* the only roots */
};

static void open_graph(struct __test_metadata *_metadata, FIXTURE_DATA(graph) *self,
		       int gc_percent)
{
	self->arena = open_arena(GCA_ROOTS_EXPLICIT, gc_percent, 0);
	ASSERT_NE(NULL, self->arena) {
		TH_LOG("gca_open: %s", gca_strerror(errno));
	}
	ASSERT_EQ(0, gca_roots_add_in(self->arena, self->root, sizeof(self->root)));
	self->node = GCA_TYPE_IN(self->arena, struct node, next);
	self->fork = GCA_TYPE_IN(self->arena, struct fork, left, right);
	ASSERT_NE(NULL, self->node);
	ASSERT_NE(NULL, self->fork);
}

FIXTURE_SETUP(graph)
{
	open_graph(_metadata, self, GCA_GC_PERCENT_OFF);
}

FIXTURE_TEARDOWN(graph)
{
	EXPECT_EQ(0, gca_close(self->arena));
}

static void read_stats(struct __test_metadata *_metadata, gca_arena *arena,
		       struct gca_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->size = sizeof(*stats);
	ASSERT_EQ(0, gca_read_stats_in(arena, stats));
}

/* ---- Lists -------------------------------------------------------------------- */

/* Numbered from n - 1 at the head to 0; NULL when an allocation failed. */
static struct node *make_list(gca_type *type, long n)
{
	struct node *head = NULL, *p;
	long i;

	for (i = 0; i < n; i++) {
		p = gca_new(type);
		if (!p)
			return NULL;
		p->next = head;
		p->number = i;
		head = p;
	}
	return head;
}

static struct node *nth(struct node *p, long n)
{
	while (n--)
		p = p->next;
	return p;
}

/* Length of a list whose numbers descend to 0; -1 when they do not. */
static long check_list(const struct node *p)
{
	long n = 0;

	for (; p; p = p->next, n++)
		if (p->next ? p->number != p->next->number + 1 : p->number != 0)
			return -1;
	return n;
}

TEST_F_TIMEOUT(graph, list_of_ten_million, 120)
{
	struct gca_collection result;
	struct node *head = make_list(self->node, LIST_LENGTH), *half;

	ASSERT_NE(NULL, head);
	self->root[0] = head;
	ASSERT_EQ(0, collect_exactly(self->arena, &result));
	EXPECT_EQ(LIST_LENGTH, result.live_objects);
	EXPECT_EQ(16UL * LIST_LENGTH, result.live_bytes);
	EXPECT_EQ(0, result.freed_objects);
	/* The half that is dropped is the one at the end. */
	half = nth(head, LIST_LENGTH / 2 - 1);
	half->next = NULL;
	half->number = 0;
	ASSERT_EQ(0, collect_exactly(self->arena, &result));
	EXPECT_EQ(LIST_LENGTH / 2, result.live_objects);
	EXPECT_EQ(LIST_LENGTH / 2, result.freed_objects);
	EXPECT_EQ(16UL * (LIST_LENGTH / 2), result.freed_bytes);
	EXPECT_EQ(LIST_LENGTH - 1, head->number);
	self->root[0] = NULL;
	EXPECT_EQ(0, collect_count(self->arena));
}

static int descending(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

	return x > y ? -1 : x < y;
}

/* Each node points to the one below it in memory, then to the one above. */
TEST_F_TIMEOUT(graph, list_in_address_order, 60)
{
	enum { NR = MILLION };
	struct node **nodes = malloc(NR * sizeof(*nodes));
	int i;

	ASSERT_NE(NULL, nodes);
	for (i = 0; i < NR; i++) {
		nodes[i] = gca_new(self->node);
		ASSERT_NE(NULL, nodes[i]);
	}
	qsort(nodes, NR, sizeof(*nodes), descending);
	for (i = 0; i < NR; i++) {
		nodes[i]->next = i + 1 < NR ? nodes[i + 1] : NULL;
		nodes[i]->number = NR - 1 - i;
	}
	self->root[0] = nodes[0];
	EXPECT_EQ(NR, collect_count(self->arena));
	EXPECT_EQ(NR, check_list(nodes[0]));
	for (i = 0; i < NR; i++) {
		nodes[i]->next = i ? nodes[i - 1] : NULL;
		nodes[i]->number = i;
	}
	self->root[0] = nodes[NR - 1];
	EXPECT_EQ(NR, collect_count(self->arena));
	EXPECT_EQ(NR, check_list(nodes[NR - 1]));
	free(nodes);
}

/* Large objects, conservative, with the link in the middle. */
TEST_F_TIMEOUT(graph, list_of_large_objects, 60)
{
	enum { NR = 1000, SIZE = 40960, LINK = SIZE / 16 };
	void **head = NULL, **p;
	int i;

	for (i = 0; i < NR; i++) {
		p = gca_alloc_in(self->arena, SIZE);
		ASSERT_NE(NULL, p);
		p[LINK] = head;
		head = p;
	}
	self->root[0] = head;
	EXPECT_EQ(NR, collect_count(self->arena));
	for (p = head, i = 0; i < NR / 2 - 1; i++)
		p = p[LINK];
	p[LINK] = NULL;
	EXPECT_EQ(NR / 2, collect_count(self->arena));
	for (i = 0; head; head = head[LINK])
		i++;
	EXPECT_EQ(NR / 2, i);
}

/* ---- Trees and wide objects ---------------------------------------------------- */

static struct fork *make_tree(gca_type *type, int depth)
{
	struct fork *p = gca_new(type);

	if (p && depth > 1) {
		p->left = make_tree(type, depth - 1);
		p->right = make_tree(type, depth - 1);
	}
	return p;
}

static long count_tree(const struct fork *p)
{
	return p ? 1 + count_tree(p->left) + count_tree(p->right) : 0;
}

TEST_F_TIMEOUT(graph, complete_binary_tree, 60)
{
	struct fork *tree = make_tree(self->fork, TREE_DEPTH);
	long all = (1L << TREE_DEPTH) - 1, i;

	ASSERT_NE(NULL, tree);
	self->root[0] = tree;
	ASSERT_EQ(all, collect_count(self->arena));
	EXPECT_EQ(all, count_tree(tree));
	/* Cut a branch on each level on the way down the left side. */
	for (i = 0; i < TREE_DEPTH - 1; i++) {
		tree->right = NULL;
		tree = tree->left;
	}
	EXPECT_EQ(TREE_DEPTH, collect_count(self->arena));
	EXPECT_EQ(TREE_DEPTH, count_tree(self->root[0]));
}

/* A million pointers in one object, more than any mark stack takes at once. */
TEST_F_TIMEOUT(graph, wide_object, 60)
{
	long **wide = gca_alloc_in(self->arena, MILLION * sizeof(*wide)), i, bad = 0;

	ASSERT_NE(NULL, wide);
	self->root[0] = wide;
	for (i = 0; i < MILLION; i++) {
		wide[i] = gca_alloc_in(self->arena, 16);
		ASSERT_NE(NULL, wide[i]);
		*wide[i] = i;
	}
	EXPECT_EQ(1 + MILLION, collect_count(self->arena));
	for (i = 0; i < MILLION; i++)
		bad += *wide[i] != i;
	EXPECT_EQ(0, bad);
	for (i = 0; i < MILLION; i++)
		if (i % 10)
			wide[i] = NULL;
	EXPECT_EQ(1 + MILLION / 10, collect_count(self->arena));
}

/* Wide at every level of a deep chain. */
TEST_F_TIMEOUT(graph, deep_and_wide, 60)
{
	enum { LEVELS = 2000, WIDTH = 300 };
	void **head = NULL, **p;
	struct gca_stats stats;
	int level, i;

	for (level = 0; level < LEVELS; level++) {
		p = gca_alloc_in(self->arena, WIDTH * sizeof(*p));
		ASSERT_NE(NULL, p);
		/* The chain is in the middle, leaves on both sides. */
		for (i = 0; i < WIDTH; i++)
			p[i] = i == WIDTH / 2 ? (void *)head : gca_new(self->fork);
		head = p;
	}
	self->root[0] = head;
	EXPECT_EQ(LEVELS * WIDTH, collect_count(self->arena));
	read_stats(_metadata, self->arena, &stats);
	TH_LOG("mark stack overflows: %lu", stats.mark_overflows);
	for (p = head, i = 0; i < LEVELS / 4; i++)
		p = p[WIDTH / 2];
	self->root[0] = p;
	EXPECT_EQ(LEVELS / 4 * 3 * WIDTH, collect_count(self->arena));
}

/* ---- Cycles --------------------------------------------------------------------- */

TEST_F_TIMEOUT(graph, cycle_of_a_million, 60)
{
	struct node *head = make_list(self->node, MILLION);

	ASSERT_NE(NULL, head);
	nth(head, MILLION - 1)->next = head;
	self->root[0] = nth(head, MILLION / 3);
	EXPECT_EQ(MILLION, collect_count(self->arena));
	EXPECT_EQ(head, nth(head, MILLION));
	self->root[0] = NULL;
	EXPECT_EQ(0, collect_count(self->arena));
}

/* A million little ones: to themselves, and to each other in pairs. */
TEST_F_TIMEOUT(graph, small_cycles, 60)
{
	struct fork *p, *q = NULL;
	int i;

	for (i = 0; i < MILLION; i++) {
		p = gca_new(self->fork);
		ASSERT_NE(NULL, p);
		p->left = p;
		if (i % 2) {
			p->right = q;
			q->right = p;
		}
		q = p;
	}
	self->root[0] = q;
	EXPECT_EQ(2, collect_count(self->arena));
	self->root[0] = NULL;
	EXPECT_EQ(0, collect_count(self->arena));
}

/* ---- Random graphs --------------------------------------------------------------- */

FIXTURE(random)
{
	gca_arena *arena;
	gca_type *type;
	void *root;
	uint64_t seed;
	uint32_t *edges;	/* two of each object */
	uint64_t *hidden;
	bool *reached;
};

FIXTURE_VARIANT(random)
{
	bool typed;
};

FIXTURE_VARIANT_ADD(random, conservative)
{
	.typed = false,
};

FIXTURE_VARIANT_ADD(random, typed)
{
	.typed = true,
};

struct vertex {
	long number;
	struct vertex *a, *b;
	uint64_t decoy;		/* an address that a conservative layout follows */
};

FIXTURE_SETUP(random)
{
	self->arena = open_arena(GCA_ROOTS_EXPLICIT, GCA_GC_PERCENT_OFF, 0);
	ASSERT_NE(NULL, self->arena);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, &self->root, sizeof(self->root)));
	self->type = GCA_TYPE_IN(self->arena, struct vertex, a, b);
	ASSERT_NE(NULL, self->type);
	self->seed = rng_seed_from_env();
	self->edges = malloc(2 * MILLION * sizeof(*self->edges));
	self->hidden = malloc(MILLION * sizeof(*self->hidden));
	self->reached = calloc(MILLION, sizeof(*self->reached));
	ASSERT_TRUE(self->edges && self->hidden && self->reached);
}

FIXTURE_TEARDOWN(random)
{
	EXPECT_EQ(0, gca_close(self->arena));
	free(self->edges);
	free(self->hidden);
	free(self->reached);
}

/* Which vertices vertex @from reaches, by the edge list alone. */
static size_t count_reached(FIXTURE_DATA(random) *self, uint32_t from)
{
	uint32_t *stack = malloc((MILLION + 1) * sizeof(*stack)), at, next;
	size_t depth = 0, n = 0;
	int i;

	memset(self->reached, 0, MILLION);
	self->reached[from] = true;
	stack[depth++] = from;
	while (depth) {
		at = stack[--depth];
		n++;
		for (i = 0; i < 2; i++) {
			next = self->edges[2 * at + i];
			if (!self->reached[next]) {
				self->reached[next] = true;
				stack[depth++] = next;
			}
		}
	}
	free(stack);
	return n;
}

static void build_random(struct __test_metadata *_metadata, FIXTURE_DATA(random) *self,
			 bool typed)
{
	struct vertex *p;
	struct rng rng;
	uint32_t i;

	rng_init(&rng, self->seed);
	for (i = 0; i < MILLION; i++) {
		p = typed ? gca_new(self->type) : gca_alloc_in(self->arena, sizeof(*p));
		ASSERT_NE(NULL, p);
		p->number = i;
		self->hidden[i] = hide(p);
		self->edges[2 * i] = rng_below(&rng, MILLION);
		self->edges[2 * i + 1] = rng_below(&rng, MILLION);
	}
	for (i = 0; i < MILLION; i++) {
		p = reveal(self->hidden[i]);
		p->a = reveal(self->hidden[self->edges[2 * i]]);
		p->b = reveal(self->hidden[self->edges[2 * i + 1]]);
		if (typed)
			p->decoy = (uintptr_t)reveal(self->hidden[rng_below(&rng, MILLION)]);
	}
}

static size_t count_damaged(const FIXTURE_DATA(random) *self)
{
	size_t i, damaged = 0;

	for (i = 0; i < MILLION; i++) {
		const struct vertex *p = reveal(self->hidden[i]);

		if (self->reached[i])
			damaged += p->number != (long)i ||
				   hide(p->a) != self->hidden[self->edges[2 * i]] ||
				   hide(p->b) != self->hidden[self->edges[2 * i + 1]];
	}
	return damaged;
}

/* With two edges each about four in five are reached: 203,000 are not. */
TEST_F_TIMEOUT(random, million_vertices, 90)
{
	size_t reached, i, wrong = 0;

	build_random(_metadata, self, variant->typed);
	self->root = reveal(self->hidden[0]);
	reached = count_reached(self, 0);
	ASSERT_EQ(reached, collect_count(self->arena));
	EXPECT_EQ(0, count_damaged(self));
	for (i = 0; i < MILLION; i += 37)
		wrong += is_object(self->hidden[i]) != self->reached[i];
	EXPECT_EQ(0, wrong);
	self->root = NULL;
	EXPECT_EQ(0, collect_count(self->arena));
}

/* ---- The size of the heap --------------------------------------------------------- */

TEST_F_TIMEOUT(graph, memory_comes_back, 60)
{
	struct gca_collection result = { .size = sizeof(result) };
	struct gca_stats full, empty;

	self->root[0] = make_list(self->node, 2 * MILLION);
	ASSERT_NE(NULL, self->root[0]);
	self->root[1] = gca_alloc_noscan_in(self->arena, 20 * MIB);
	ASSERT_NE(NULL, self->root[1]);
	memset(self->root[1], 1, 20 * MIB);
	ASSERT_EQ(2 * MILLION + 1, collect_count(self->arena));
	read_stats(_metadata, self->arena, &full);
	EXPECT_LE(52 * MIB, full.heap_sys);
	/* Metadata: at most 2 % of the heap. */
	EXPECT_GE(full.heap_sys / 50, full.gc_sys) {
		TH_LOG("%lu bytes of metadata for %lu", full.gc_sys, full.heap_sys);
	}
	EXPECT_EQ(full.heap_sys, full.heap_idle + full.heap_inuse);
	EXPECT_EQ(full.sys, full.heap_sys + full.gc_sys);
	self->root[0] = NULL;
	self->root[1] = NULL;
	gca_flush();
	scrub_stack();
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL_RELEASE, &result));
	EXPECT_EQ(0, result.live_objects);
	EXPECT_EQ(2 * MILLION + 1, result.freed_objects);
	EXPECT_LT(0, result.released_bytes);
	read_stats(_metadata, self->arena, &empty);
	EXPECT_GE(4 * MIB, empty.heap_sys);
	EXPECT_EQ(full.heap_sys - empty.heap_sys, result.released_bytes);
	EXPECT_EQ(full.heap_released + result.released_bytes, empty.heap_released);
	EXPECT_LE(full.heap_sys, empty.heap_peak);
	EXPECT_LE(empty.gc_sys, full.gc_sys);
	/* And memory can be had again, zeroed. */
	self->root[1] = gca_alloc_noscan_in(self->arena, 20 * MIB);
	ASSERT_NE(NULL, self->root[1]);
	EXPECT_TRUE(all_zero(self->root[1], 20 * MIB));
}

/* Memory that was given back is not there any more: a stale pointer is caught. */
TEST_F(graph, released_memory_is_gone)
{
	struct gca_collection result = { .size = sizeof(result) };
	char *p = gca_alloc_in(self->arena, 8 * MIB);
	pid_t child;
	int status;

	ASSERT_NE(NULL, p);
	p[4 * MIB] = 1;
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL_RELEASE, &result));
	ASSERT_LE(6 * MIB, result.released_bytes);
	child = fork();
	ASSERT_LE(0, child);
	if (child == 0) {
		signal(SIGBUS, SIG_DFL);
		*(volatile char *)(p + 4 * MIB);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGBUS, WTERMSIG(status));
}

/* Fragmented: one object in a hundred lives, and the others' slots are used again. */
TEST_F_TIMEOUT(graph, holes_are_used_again, 60)
{
	enum { NR = 100000, KEEP = 100 };
	void **kept = gca_alloc_in(self->arena, NR / KEEP * sizeof(*kept)), *p;
	struct gca_stats before, after;
	int i, round;

	ASSERT_NE(NULL, kept);
	self->root[0] = kept;
	for (round = 0; round < 4; round++) {
		for (i = 0; i < NR; i++) {
			p = gca_alloc_noscan_in(self->arena, 96);
			ASSERT_NE(NULL, p);
			if (i % KEEP == 0 && round == 0)
				kept[i / KEEP] = p;
		}
		ASSERT_EQ(1 + NR / KEEP, collect_count(self->arena));
		read_stats(_metadata, self->arena, round ? &after : &before);
	}
	EXPECT_LE(after.heap_sys, before.heap_sys);
}

/* ---- gc_percent -------------------------------------------------------------------- */

#define CHURN	(160 * MIB)

/* Allocate @bytes of garbage; returns the number of collections meanwhile. */
static uint64_t churn(struct __test_metadata *_metadata, FIXTURE_DATA(graph) *self,
		      size_t bytes, size_t size)
{
	struct gca_stats before, after;
	size_t done;

	read_stats(_metadata, self->arena, &before);
	for (done = 0; done < bytes; done += size)
		ASSERT_NE(NULL, gca_alloc_noscan_in(self->arena, size));
	read_stats(_metadata, self->arena, &after);
	EXPECT_EQ(before.num_forced_gc, after.num_forced_gc);
	return after.num_gc - before.num_gc;
}

/* 10 MiB live. @size: of the garbage. */
static void check_percent(struct __test_metadata *_metadata, FIXTURE_DATA(graph) *self,
			  int percent, size_t size)
{
	uint64_t cycles, expected = CHURN * 100 / (10 * MIB * percent);
	struct gca_stats stats;

	ASSERT_EQ(0, gca_set_gc_percent_in(self->arena, percent, NULL));
	ASSERT_NE(UINT64_MAX, collect_count(self->arena));
	read_stats(_metadata, self->arena, &stats);
	/* Within a tenth: stack and globals may be added to what grows. */
	EXPECT_LE(10 * MIB / 100 * (100 + percent) * 9 / 10, stats.next_gc);
	EXPECT_GE(10 * MIB / 100 * (100 + percent) * 11 / 10, stats.next_gc);
	cycles = churn(_metadata, self, CHURN, size);
	/* While a concurrent one runs, the heap may grow past its goal for a while. */
	EXPECT_LE(expected / 2, cycles) {
		TH_LOG("%d %%, %zu bytes: %lu cycles", percent, size, cycles);
	}
	EXPECT_GE(expected * 3 / 2, cycles) {
		TH_LOG("%d %%, %zu bytes: %lu cycles", percent, size, cycles);
	}
	read_stats(_metadata, self->arena, &stats);
	EXPECT_EQ(0, stats.num_refused_gc);
	EXPECT_EQ(0, stats.num_aborted_gc);
	EXPECT_GE(10 * MIB / 100 * (100 + percent) + 8 * MIB, stats.heap_sys);
}

TEST_F_TIMEOUT(graph, gc_percent, 60)
{
	static const int percents[] = { 50, 100, 200 };
	size_t i;

	if (raw_zeal_is_on())
		SKIP(return, "cycles come when zeal says");
	self->root[0] = make_list(self->node, 10 * MIB / sizeof(struct node));
	ASSERT_NE(NULL, self->root[0]);
	for (i = 0; i < ARRAY_SIZE(percents); i++)
		check_percent(_metadata, self, percents[i], 256);
	/* The same for large objects, which take another way in. */
	check_percent(_metadata, self, 100, 100000);
	EXPECT_EQ(10 * MIB / sizeof(struct node), check_list(self->root[0]));
}

TEST_F(graph, gc_percent_off)
{
	struct gca_stats stats;

	read_stats(_metadata, self->arena, &stats);
	EXPECT_EQ(UINT64_MAX, stats.next_gc);
	EXPECT_EQ(0, churn(_metadata, self, 64 * MIB, 4096));
	read_stats(_metadata, self->arena, &stats);
	EXPECT_LE(64 * MIB, stats.heap_sys);
	EXPECT_EQ(0, collect_count(self->arena));
}

TEST_F(graph, gc_percent_bounds)
{
	int old = 0;

	EXPECT_EQ(-EINVAL, gca_set_gc_percent_in(self->arena, 0, &old));
	EXPECT_EQ(-EINVAL, gca_set_gc_percent_in(self->arena, -2, &old));
	EXPECT_EQ(-EINVAL, gca_set_gc_percent_in(self->arena, 1000001, &old));
	EXPECT_EQ(0, gca_set_gc_percent_in(self->arena, 1, &old));
	EXPECT_EQ(GCA_GC_PERCENT_OFF, old);
	EXPECT_EQ(0, gca_set_gc_percent_in(self->arena, 1000000, &old));
	EXPECT_EQ(1, old);
}

/*
 * An ordinary program: the default arena, all roots found by themselves, collections
 * whenever the heap wants one, and nothing but locals to hold what is being built.
 */
TEST(ordinary_program)
{
	gca_type *type = GCA_TYPE(struct fork, left, right);
	struct gca_stats stats = { .size = sizeof(stats) };
	struct fork *keep = make_tree(type, 16), *tree;
	int i, depth;

	ASSERT_NE(NULL, keep);
	for (i = 0; i < 60; i++) {
		depth = 8 + i % 8;
		tree = make_tree(type, depth);
		ASSERT_EQ((1L << depth) - 1, count_tree(tree));
	}
	EXPECT_EQ((1L << 16) - 1, count_tree(keep));
	ASSERT_EQ(0, gca_read_stats(&stats));
	EXPECT_LE(1, stats.num_gc);
	EXPECT_EQ(0, stats.num_forced_gc);
	EXPECT_EQ(0, stats.num_refused_gc);
	/* 1 MiB live, and as much again, at least min_heap; a chunk or two on top. */
	EXPECT_GE(10 * MIB, stats.heap_peak);
}

/* Below min_heap nothing happens; it scales with the percentage. */
TEST(min_heap)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = GCA_ROOTS_EXPLICIT,
		.min_heap = 16 * MIB, .gc_percent = 100,
	};
	FIXTURE_DATA(graph) self = { .arena = gca_open(&options) };
	struct gca_stats stats;

	if (raw_zeal_is_on())
		SKIP(return, "cycles come when zeal says");
	ASSERT_NE(NULL, self.arena);
	EXPECT_EQ(0, churn(_metadata, &self, 15 * MIB, 256));
	EXPECT_LE(1, churn(_metadata, &self, 3 * MIB, 256));
	ASSERT_EQ(0, collect_count(self.arena));
	read_stats(_metadata, self.arena, &stats);
	EXPECT_EQ(16 * MIB, stats.next_gc);
	ASSERT_EQ(0, gca_set_gc_percent_in(self.arena, 50, NULL));
	ASSERT_EQ(0, collect_count(self.arena));
	read_stats(_metadata, self.arena, &stats);
	EXPECT_EQ(8 * MIB, stats.next_gc);
	EXPECT_EQ(0, gca_close(self.arena));
}

TEST_HARNESS_MAIN
