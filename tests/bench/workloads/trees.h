/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two benchmarks that live and die by the allocator, written from their
 * well-known descriptions:
 *
 *	test=gcbench		Ellis, Kovac and Boehm's GCBench: a stretch tree that is
 *				dropped, a tree and an array that live on, and then trees of
 *				depth 4 to 16 that are built from the root down and from the
 *				leaves up, as many of each depth as make the same number of nodes
 *	test=binary-trees	the Benchmarks Game's: depth=N
 *
 * Where there is no collector, a tree is freed node by node when it is dropped.
 */
struct small_node {
	struct small_node *left, *right;
};

/* GCBench's nodes carry two numbers. */
struct fat_node {
	struct fat_node *left, *right;
	int i, j;
};

static contender_type small_type, fat_type;

static struct small_node *small_new(struct small_node *left, struct small_node *right)
{
	struct small_node *n = contender_new(small_type, sizeof(*n));

	if (__builtin_expect(!n, 0))
		bench_die("out of memory");
	n->left = left;
	n->right = right;
	return n;
}

static struct fat_node *fat_new(struct fat_node *left, struct fat_node *right)
{
	struct fat_node *n = contender_new(fat_type, sizeof(*n));

	if (__builtin_expect(!n, 0))
		bench_die("out of memory");
	n->left = left;
	n->right = right;
	return n;
}

/* The layouts of the two differ in size alone, so one walk frees either. */
static void drop_tree(void *tree)
{
	struct small_node *n = tree;

	if (CONTENDER_COLLECTS || !n)
		return;
	drop_tree(n->left);
	drop_tree(n->right);
	contender_free(n);
}

/* ---- GCBench ---- */

#define STRETCH_DEPTH	18
#define LONG_DEPTH	16
#define ARRAY_LENGTH	500000
#define MIN_DEPTH	4
#define MAX_DEPTH	16

/* Data segment: lives as long as the program. */
static struct fat_node *long_tree;
static double *long_array;

static unsigned long tree_nodes(int depth)
{
	return (1UL << (depth + 1)) - 1;
}

static void populate(struct fat_node *parent, int depth)
{
	if (depth <= 0)
		return;
	parent->left = fat_new(NULL, NULL);
	parent->right = fat_new(NULL, NULL);
	populate(parent->left, depth - 1);
	populate(parent->right, depth - 1);
}

static struct fat_node *top_down(int depth)
{
	struct fat_node *root = fat_new(NULL, NULL);

	populate(root, depth);
	return root;
}

static struct fat_node *bottom_up(int depth)
{
	struct fat_node *left, *right;

	if (depth <= 0)
		return fat_new(NULL, NULL);
	left = bottom_up(depth - 1);
	right = bottom_up(depth - 1);
	return fat_new(left, right);
}

static unsigned long count_fat(const struct fat_node *n)
{
	return n ? 1 + count_fat(n->left) + count_fat(n->right) : 0;
}

static void trees_of_depth(int depth)
{
	unsigned long rounds = 2 * tree_nodes(STRETCH_DEPTH) / tree_nodes(depth), i;

	for (i = 0; i < rounds; i++)
		drop_tree(top_down(depth));
	for (i = 0; i < rounds; i++)
		drop_tree(bottom_up(depth));
}

static void gcbench(void)
{
	int depth, i;

	drop_tree(bottom_up(STRETCH_DEPTH));
	long_tree = top_down(LONG_DEPTH);
	long_array = contender_alloc_noscan(ARRAY_LENGTH * sizeof(*long_array));
	if (!long_array)
		bench_die("out of memory");
	for (i = 1; i < ARRAY_LENGTH / 2; i++)
		long_array[i] = 1.0 / i;

	for (depth = MIN_DEPTH; depth <= MAX_DEPTH; depth += 2)
		trees_of_depth(depth);

	if (count_fat(long_tree) != tree_nodes(LONG_DEPTH) ||
	    long_array[1000] != 1.0 / 1000)
		bench_die("what was to live on is damaged");
}

/* ---- binary-trees ---- */

static struct small_node *kept_tree;

static struct small_node *make_tree(int depth)
{
	struct small_node *left, *right;

	if (!depth)
		return small_new(NULL, NULL);
	left = make_tree(depth - 1);
	right = make_tree(depth - 1);
	return small_new(left, right);
}

static unsigned long count_small(const struct small_node *n)
{
	return n ? 1 + count_small(n->left) + count_small(n->right) : 0;
}

static unsigned long make_count_drop(int depth)
{
	struct small_node *tree = make_tree(depth);
	unsigned long nodes = count_small(tree);

	drop_tree(tree);
	return nodes;
}

static void binary_trees(int max_depth)
{
	unsigned long rounds, nodes, i;
	int depth;

	make_count_drop(max_depth + 1);
	kept_tree = make_tree(max_depth);
	for (depth = MIN_DEPTH; depth <= max_depth; depth += 4) {
		rounds = 1UL << (max_depth - depth + MIN_DEPTH);
		nodes = 0;
		for (i = 0; i < rounds; i++)
			nodes += make_count_drop(depth);
		if (nodes != rounds * tree_nodes(depth))
			bench_die("a tree of depth %d lost nodes", depth);
	}
	if (count_small(kept_tree) != tree_nodes(max_depth))
		bench_die("the tree that was to live on is damaged");
}

static void trees_workload(void)
{
	uint64_t start, faults;
	double ms;

	contender_init();
	small_type = CONTENDER_TYPE(small_node, left, right);
	fat_type = CONTENDER_TYPE(fat_node, left, right);

	contender_watch();
	faults = bench_minor_faults();
	start = now_ns();
	if (bench_arg_is("test", "binary-trees"))
		binary_trees(bench_arg_number("depth", 16));
	else if (bench_arg_is("test", "gcbench"))
		gcbench();
	else
		bench_die("test=gcbench or test=binary-trees depth=N");
	ms = (now_ns() - start) / 1e6;

	bench_result("time", "ms", ms);
	bench_result("minor faults", "", bench_minor_faults() - faults);
	bench_result("resident at end", "MiB", bench_resident() / (double)MIB);
	contender_report(1);
}
