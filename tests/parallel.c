// SPDX-License-Identifier: GPL-2.0
/*
 * Several threads trace together: all that can be reached is found, by the verifier's word
 * and by count, in each kind of collection, with plenty of mark stack and with next to
 * none; somebody really helps; and nobody is left over, whatever becomes of the program.
 */
#include <kselftest_harness.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gcarena.h"
#include "lib/oracle.h"
#include "lib/param.h"
#include "lib/rawarena.h"
#include "lib/rng.h"

#define NODES		40000UL
#define ROUNDS		200	/* to see somebody help */
#define PATIENCE_S	60
#define MAGIC		0x8badf00d8badf00dULL	/* looks like no address */

struct node {
	struct node *left;
	struct node *right;
	uint64_t mark;
	uint64_t pad[5];
};

/* The harness runs a test whose setup was skipped: decide before that. */
static void __attribute__((constructor)) need_quiet_device(void)
{
	raw_need_device();
	if (!geteuid() && !raw_zeal_is_on())
		return;
	printf("1..0 # SKIP needs root, and collections that come when they are asked for\n");
	exit(4);
}

FIXTURE(parallel)
{
	struct params params;
	gca_arena *arena;
	gca_type *type;
	struct node *root[2];	/* the only roots */
	struct node **all;
	long users;
};

FIXTURE_VARIANT(parallel)
{
	long workers;
};

FIXTURE_VARIANT_ADD(parallel, two)
{
	.workers = 2,
};

/* More than there are processors, mostly. */
FIXTURE_VARIANT_ADD(parallel, nine)
{
	.workers = 9,
};

static gca_arena *open_quiet(uint64_t min_heap)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = GCA_ROOTS_EXPLICIT, .min_heap = min_heap,
	};

	return gca_open(&options);
}

static void open_arena_of(struct __test_metadata *_metadata, FIXTURE_DATA(parallel) *self,
			  uint64_t min_heap)
{
	self->arena = open_quiet(min_heap);
	ASSERT_NE(NULL, self->arena);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, self->root, sizeof(self->root)));
	self->type = GCA_TYPE_IN(self->arena, struct node, left, right);
	ASSERT_NE(NULL, self->type);
}

FIXTURE_SETUP(parallel)
{
	ASSERT_TRUE(params_set(&self->params, "verify", 1));
	ASSERT_TRUE(params_set(&self->params, "mark_workers", variant->workers));
	ASSERT_TRUE(params_set(&self->params, "zeal_mark_stack", 0));
	ASSERT_TRUE(params_set(&self->params, "concurrent", 0));
	self->users = module_users();
	open_arena_of(_metadata, self, 1ULL << 30);
	self->all = calloc(NODES, sizeof(*self->all));
	ASSERT_NE(NULL, self->all);
}

static bool module_is_left(long users)
{
	time_t end = time(NULL) + PATIENCE_S;

	while (module_users() > users) {
		if (time(NULL) > end)
			return false;
		usleep(1000);
	}
	return true;
}

FIXTURE_TEARDOWN(parallel)
{
	if (self->arena)
		gca_close(self->arena);
	params_restore(&self->params);
	EXPECT_TRUE(module_is_left(self->users));
	free(self->all);
}

static struct node *node_new(gca_arena *arena, gca_type *type, uint64_t number)
{
	struct node *node = type ? gca_new(type) : gca_alloc_in(arena, sizeof(*node));

	if (node)
		node->mark = MAGIC ^ number;
	return node;
}

/* A tree that is wide at every depth: each node hangs under an earlier one. */
static bool tree_make(FIXTURE_DATA(parallel) *self, gca_type *type)
{
	unsigned long i;

	for (i = 0; i < NODES; i++) {
		self->all[i] = node_new(self->arena, type, i);
		if (!self->all[i])
			return false;
		if (!i)
			self->root[0] = self->all[0];
		else if (i % 2)
			self->all[(i - 1) / 2]->left = self->all[i];
		else
			self->all[(i - 1) / 2]->right = self->all[i];
	}
	return true;
}

/* By way of the tree, as objects may have been moved. */
static unsigned long tree_count(const struct node *node, uint64_t number)
{
	if (!node || node->mark != (MAGIC ^ number))
		return 0;
	return 1 + tree_count(node->left, 2 * number + 1) + tree_count(node->right, 2 * number + 2);
}

static uint64_t collect(struct __test_metadata *_metadata, FIXTURE_DATA(parallel) *self, int kind)
{
	struct gca_collection collected = { .size = sizeof(collected) };

	EXPECT_EQ(0, gca_collect_in(self->arena, kind, &collected)) {
		TH_LOG("kind %d: %s", kind, gca_strerror(errno));
	}
	return collected.live_objects;
}

/* A thread comes when it gets a processor: some day it does, if there are two. */
static void expect_help(struct __test_metadata *_metadata, FIXTURE_DATA(parallel) *self,
			uint64_t live)
{
	struct gcarena_stats stats = raw_stats_of(gca_fd(self->arena));
	int i;

	for (i = 0; i < ROUNDS && stats.mark_workers_last < 2; i++) {
		ASSERT_EQ(live, collect(_metadata, self, GCA_FULL));
		stats = raw_stats_of(gca_fd(self->arena));
	}
	TH_LOG("%llu threads, %llu pieces shared so far", stats.mark_workers_last,
	       stats.mark_shared);
	EXPECT_GE(9, stats.mark_workers_last);
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1) {
		EXPECT_LE(2, stats.mark_workers_last);
		EXPECT_LT(0, stats.mark_shared);
	}
}

TEST_F_TIMEOUT(parallel, tree, 300)
{
	ASSERT_TRUE(tree_make(self, self->type));
	EXPECT_EQ(NODES, collect(_metadata, self, GCA_FULL));
	expect_help(_metadata, self, NODES);
	EXPECT_EQ(NODES, tree_count(self->root[0], 0));
	/* Half of it, and a bit. */
	self->root[0] = self->all[1];
	EXPECT_EQ(tree_count(self->all[1], 1), collect(_metadata, self, GCA_FULL));
	self->root[0] = NULL;
	EXPECT_EQ(0, collect(_metadata, self, GCA_FULL));
}

TEST_F_TIMEOUT(parallel, random_graph, 300)
{
	unsigned long i;
	struct rng rng;

	rng_init(&rng, rng_seed_from_env());
	ASSERT_TRUE(tree_make(self, NULL));
	for (i = 0; i < NODES; i++) {
		self->all[i]->pad[0] = (uintptr_t)self->all[rng_below(&rng, NODES)] + 8;
		self->all[i]->pad[1] = (uintptr_t)self->all[rng_below(&rng, NODES)];
	}
	EXPECT_EQ(NODES, collect(_metadata, self, GCA_FULL));
	expect_help(_metadata, self, NODES);
	EXPECT_EQ(NODES, tree_count(self->root[0], 0));
}

/* One array, of which each has a part. */
TEST_F_TIMEOUT(parallel, wide_array, 300)
{
	void **wide = gca_alloc_in(self->arena, NODES * sizeof(*wide));
	unsigned long i;

	ASSERT_NE(NULL, wide);
	self->root[1] = (struct node *)wide;
	for (i = 0; i < NODES; i++) {
		struct node *node = node_new(self->arena, self->type, i);

		ASSERT_NE(NULL, node);
		node->left = node_new(self->arena, self->type, i);
		ASSERT_NE(NULL, node->left);
		wide[i] = node;
	}
	EXPECT_EQ(1 + 2 * NODES, collect(_metadata, self, GCA_FULL));
	expect_help(_metadata, self, 1 + 2 * NODES);
}

/* Whatever falls from the stacks is found again, by whomever it was dropped. */
TEST_F_TIMEOUT(parallel, next_to_no_stack, 300)
{
	uint64_t before = raw_stats_of(gca_fd(self->arena)).mark_overflows;
	int i;

	ASSERT_TRUE(tree_make(self, self->type));
	for (i = 1; i < 6; i++) {
		ASSERT_TRUE(param_set("zeal_mark_stack", i));
		EXPECT_EQ(NODES, collect(_metadata, self, GCA_FULL));
	}
	EXPECT_LT(before, raw_stats_of(gca_fd(self->arena)).mark_overflows);
	ASSERT_TRUE(param_set("zeal_mark_stack", 0));
	EXPECT_EQ(NODES, collect(_metadata, self, GCA_FULL));
}

/* Young objects that hang under old ones. */
TEST_F_TIMEOUT(parallel, minor, 300)
{
	unsigned long i, round;

	ASSERT_TRUE(tree_make(self, self->type));
	ASSERT_EQ(NODES, collect(_metadata, self, GCA_FULL));
	for (round = 1; round <= 3; round++) {
		for (i = NODES / 2; i < NODES; i++) {
			struct node *node = node_new(self->arena, self->type, i);

			ASSERT_NE(NULL, node);
			node->left = self->all[i]->left;
			self->all[i]->left = node;
		}
		EXPECT_EQ(NODES + round * (NODES - NODES / 2), collect(_metadata, self, GCA_MINOR));
	}
	EXPECT_EQ(3, raw_stats_of(gca_fd(self->arena)).cycles_minor);
}

TEST_F_TIMEOUT(parallel, compact, 300)
{
	unsigned long i;

	ASSERT_TRUE(tree_make(self, self->type));
	/* Every second subtree near the leaves goes, and leaves holes. */
	for (i = NODES / 16; i < NODES / 8; i += 2)
		self->all[i]->left = NULL;
	i = collect(_metadata, self, GCA_FULL);
	EXPECT_EQ(i, collect(_metadata, self, GCA_COMPACT));
	EXPECT_EQ(i, collect(_metadata, self, GCA_FULL));
}

/*
 * Cycles beside the program: threads for all processors, so that some may help in slices, too.
 * They do where a slice gets far enough; in a kernel with KCSAN it does not.
 */
TEST_F_TIMEOUT(parallel, concurrent, 300)
{
	time_t end = time(NULL) + PATIENCE_S;
	struct gcarena_stats stats;
	bool help = false;
	unsigned long i;

	gca_close(self->arena);
	ASSERT_TRUE(params_set(&self->params, "concurrent", 2));
	ASSERT_TRUE(params_set(&self->params, "background_cpu_percent", 100));
	open_arena_of(_metadata, self, 4 << 20);
	ASSERT_TRUE(tree_make(self, self->type));
	do {
		/* Leaves are exchanged all the time: garbage, and written pages. */
		for (i = NODES / 2; i < NODES; i++) {
			struct node *node = node_new(self->arena, self->type, i);

			ASSERT_NE(NULL, node);
			if (i % 2)
				self->all[(i - 1) / 2]->left = node;
			else
				self->all[(i - 1) / 2]->right = node;
		}
		stats = raw_stats_of(gca_fd(self->arena));
		help |= stats.mark_workers_last > 1;
	} while (stats.cycles_concurrent < (help ? 5 : 15) && time(NULL) < end);
	TH_LOG("%llu cycles, %llu concurrent, %llu pieces shared, %shelp", stats.cycles,
	       stats.cycles_concurrent, stats.mark_shared, help ? "" : "no ");
	EXPECT_LE(5, stats.cycles_concurrent);
	EXPECT_EQ(0, stats.cycles_aborted);
	EXPECT_EQ(NODES, tree_count(self->root[0], 0));
	EXPECT_EQ(NODES, collect(_metadata, self, GCA_FULL));
}

/*
 * Where a worker has no whole processor, nobody helps it, and the last stop has too little to
 * do for two: who is there was called by a thread that allocates.
 */
TEST_F_TIMEOUT(parallel, who_allocates_is_helped, 300)
{
	long percent = 80 / sysconf(_SC_NPROCESSORS_ONLN);
	time_t end = time(NULL) + PATIENCE_S;
	struct gcarena_stats stats;
	unsigned long i;

	if (sysconf(_SC_NPROCESSORS_ONLN) == 1 || !percent)
		SKIP(return, "needs two processors, or fewer than 80");
	gca_close(self->arena);
	ASSERT_TRUE(params_set(&self->params, "concurrent", 2));
	ASSERT_TRUE(params_set(&self->params, "generational", 0));
	ASSERT_TRUE(params_set(&self->params, "background_cpu_percent", percent));
	open_arena_of(_metadata, self, 4 << 20);
	ASSERT_TRUE(tree_make(self, self->type));
	do {
		for (i = 0; i < 1000; i++)
			ASSERT_NE(NULL, node_new(self->arena, self->type, 0));
		stats = raw_stats_of(gca_fd(self->arena));
	} while (stats.mark_workers_last < 2 && time(NULL) < end);
	TH_LOG("%llu cycles, %llu concurrent, %llu pieces shared", stats.cycles,
	       stats.cycles_concurrent, stats.mark_shared);
	EXPECT_EQ(2, stats.mark_workers_last);
	EXPECT_LT(0, stats.assist_ns);
	EXPECT_EQ(stats.cycles, stats.cycles_concurrent);
	EXPECT_EQ(NODES, tree_count(self->root[0], 0));
}

/* With one thread all is as it was: nobody is called. */
TEST_F_TIMEOUT(parallel, alone, 120)
{
	ASSERT_TRUE(param_set("mark_workers", 1));
	ASSERT_TRUE(tree_make(self, self->type));
	EXPECT_EQ(NODES, collect(_metadata, self, GCA_FULL));
	EXPECT_EQ(1, raw_stats_of(gca_fd(self->arena)).mark_workers_last);
	EXPECT_EQ(0, raw_stats_of(gca_fd(self->arena)).mark_shared);
}

/* Collects until it is killed. */
static void collect_for_ever(FIXTURE_DATA(parallel) *self, int ready)
{
	self->arena = open_quiet(1ULL << 30);
	if (!self->arena || gca_roots_add_in(self->arena, self->root, sizeof(self->root)))
		_exit(1);
	self->type = GCA_TYPE_IN(self->arena, struct node, left, right);
	if (!self->type || !tree_make(self, self->type) || write(ready, "", 1) != 1)
		_exit(2);
	while (!gca_collect_in(self->arena, GCA_FULL, NULL))
		;
	_exit(3);
}

TEST_F_TIMEOUT(parallel, killed, 300)
{
	int ready[2], i, status;
	struct rng rng;
	pid_t pid;
	char c;

	rng_init(&rng, rng_seed_from_env());
	ASSERT_EQ(0, pipe(ready));
	gca_close(self->arena);
	self->arena = NULL;
	/* The verifier takes most of the time, and is not what is to be hit. */
	ASSERT_TRUE(param_set("verify", 0));
	for (i = 0; i < 20; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			collect_for_ever(self, ready[1]);
		}
		ASSERT_EQ(1, read(ready[0], &c, 1));
		usleep(rng_below(&rng, 50000));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(SIGKILL, status);
		EXPECT_TRUE(module_is_left(self->users));
	}
	ASSERT_TRUE(param_set("verify", 1));
}

TEST_HARNESS_MAIN
