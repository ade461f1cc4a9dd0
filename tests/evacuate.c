// SPDX-License-Identifier: GPL-2.0
/*
 * Objects move beside the program, step by step: it gets as dense as by a compaction at once,
 * nothing is lost whatever the program and other collections do in between, it begins by
 * itself when that pays, and is not tried for ever when it does not.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "lib/moving.h"

static void evacuate(struct __test_metadata *_metadata, FIXTURE_DATA(moving) *self)
{
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_EVACUATE, &self->collected));
}

/* Step by step it gets as dense as by one compaction, and never stops for long. */
TEST_F_TIMEOUT(moving, evacuated_list, 120)
{
	struct gcarena_stats stats;
	const uint64_t nr = 20000;
	uint64_t moved = 0, cycles;
	unsigned int steps = 0;

	ASSERT_EQ(0, gca_set_compact_in(self->arena, 0, 128 * 1024));
	build_list(self, &self->slot[0], nr, 9);
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL_RELEASE, &self->collected));
	cycles = self->collected.cycle;
	do {
		evacuate(_metadata, self);
		ASSERT_EQ(nr, check_list(self->slot[0], nr));
		moved += self->collected.moved_objects;
	} while (self->collected.moved_objects && ++steps < 20);
	EXPECT_LT(nr / 2, moved);
	EXPECT_GT(20, steps);
	EXPECT_EQ(cycles, self->collected.cycle);
	ASSERT_EQ(0, raw_stats(gca_fd(self->arena), &stats));
	EXPECT_GE(nr * sizeof(struct node) * 14 / 10 + 4 * MIB, stats.backing_bytes);
	EXPECT_LT(moved * sizeof(struct node) / MIB * 4, stats.moves);
	compact(_metadata, self);
	EXPECT_EQ(nr, check_list(self->slot[0], nr));
}

TEST_F_TIMEOUT(moving, evacuated_graphs, 240)
{
	struct graph *g = mmap(NULL, sizeof(*g), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t live, round, moved = 0;
	struct rng rng;

	ASSERT_NE(MAP_FAILED, g);
	rng_init(&rng, self->seed);
	ASSERT_EQ(0, gca_set_compact_in(self->arena, 0, 64 * 1024));
	for (round = 0; round < 6; round++) {
		build_graph(self, g, &rng, 12);
		live = check_graph(self, g);
		/* Pages that are not in use are not looked at. */
		params_set(&self->params, "zeal_quiet", round % 2);
		ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL, NULL));
		evacuate(_metadata, self);
		moved += self->collected.moved_objects;
		ASSERT_EQ(live, check_graph(self, g)) TH_LOG("GCARENA_SEED=%#lx", self->seed);
		/* Minor ones have to know what was written meanwhile. */
		ASSERT_EQ(0, gca_collect_in(self->arena, GCA_MINOR, NULL));
		ASSERT_EQ(live, check_graph(self, g)) TH_LOG("GCARENA_SEED=%#lx", self->seed);
	}
	EXPECT_LT(0, moved);
	munmap(g, sizeof(*g));
}

#define CHURN_LISTS	64
#define CHURN_NODES	64

struct churn {
	struct _test_data_moving *self;
	gca_arena *arena;
	atomic_bool stop;
	atomic_ulong wrong;
	atomic_ulong rounds;
};

/* Lists whose nodes are replaced, one by one, all the time. */
static void *churn_lists(void *argument)
{
	struct churn *churn = argument;
	void **slots[CHURN_LISTS];
	struct node *n, *fresh;
	uint64_t seed = churn->self->seed | 1;
	unsigned int i, k;

	for (i = 0; i < CHURN_LISTS; i++) {
		slots[i] = gca_root_slot_in(churn->arena, NULL);
		build_list(churn->self, slots[i], CHURN_NODES, 1);
	}
	while (!churn->stop) {
		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		i = (seed >> 33) % CHURN_LISTS;
		n = *slots[i];
		if (check_list(n, CHURN_NODES) != CHURN_NODES)
			churn->wrong++;
		/* The list is moved over from the front, node by node. */
		for (k = 0; n->next; k++, n = n->next) {
			fresh = new_node(churn->self, n->next->id);
			fresh->next = n->next->next;
			n->next = fresh;
		}
		churn->rounds++;
	}
	for (i = 0; i < CHURN_LISTS; i++)
		gca_root_slot_free(slots[i]);
	return NULL;
}

#define MANY_CYCLES	32	/* what begins meanwhile must not keep it from its end */

/* Evacuate or collect as is @i's turn. Return: what has moved. */
static uint64_t collect_under_load(struct __test_metadata *_metadata, FIXTURE_DATA(moving) *self,
				   unsigned int i)
{
	uint64_t cycles = raw_stats_of(gca_fd(self->arena)).cycles;

	EXPECT_EQ(0, gca_collect_in(self->arena, i % 4 ? GCA_EVACUATE :
				    i % 8 ? GCA_FULL : GCA_COMPACT, &self->collected));
	if (!raw_zeal_is_on())
		EXPECT_GE(cycles + MANY_CYCLES, raw_stats_of(gca_fd(self->arena)).cycles);
	return self->collected.moved_objects;
}

/* A program that writes, allocates and collects all the while. */
TEST_F_TIMEOUT(moving, evacuated_under_load, 240)
{
	struct gca_options options = {
		.size = sizeof(options), .min_heap = MIB,
	};
	struct churn churn = { .self = self };
	struct gcarena_stats stats;
	uint64_t moved = 0, begun = 0, n;
	pthread_t thread[2];
	unsigned int i;

	if (variant->root_mode == GCA_ROOTS_EXPLICIT)
		SKIP(return, "their stacks are to be roots");
	gca_close(self->arena);
	self->arena = gca_open(&options);
	ASSERT_NE(NULL, self->arena);
	self->node = GCA_TYPE_IN(self->arena, struct node, next, other);
	ASSERT_EQ(0, gca_slots_add_in(self->arena, self->slot, NR_SLOTS * sizeof(*self->slot)));
	ASSERT_EQ(0, gca_set_compact_in(self->arena, 10, 256 * 1024));
	churn.arena = self->arena;
	build_list(self, &self->slot[0], 20000, 9);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, churn_lists, &churn));
	for (i = 0; i < 60 && moved < 20000; i++) {
		n = collect_under_load(_metadata, self, i);
		moved += n;
		EXPECT_EQ(20000, check_list(self->slot[0], 20000));
		begun += n && i % 4;
		if (i % 16 == 5)
			build_list(self, &self->slot[1], 5000, 9);
	}
	churn.stop = true;
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	EXPECT_EQ(0, atomic_load(&churn.wrong));
	EXPECT_LT(0, atomic_load(&churn.rounds));
	EXPECT_LT(0, begun);
	ASSERT_EQ(0, raw_stats(gca_fd(self->arena), &stats));
	EXPECT_LE(moved, stats.moved_objects);
}

/* By itself, after collections; and told of by events. */
TEST_F_TIMEOUT(moving, evacuated_by_policy, 120)
{
	struct gca_event event = { .size = sizeof(event) };
	const uint64_t nr = 20000;
	struct gcarena_stats stats;
	uint64_t told = 0, moves = 0;
	unsigned int i;

	EXPECT_EQ(-EINVAL, gca_set_compact_in(self->arena, 100, 0));
	EXPECT_EQ(-EINVAL, gca_set_compact_in(self->arena, -1, 0));
	build_list(self, &self->slot[0], nr, 9);
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL, NULL));
	usleep(100000);
	ASSERT_EQ(0, raw_stats(gca_fd(self->arena), &stats));
	EXPECT_EQ(0, stats.moves);
	ASSERT_EQ(0, gca_set_compact_in(self->arena, 50, 256 * 1024));
	while (!gca_next_event(self->arena, 0, &event))
		EXPECT_EQ(0, event.moved_objects);
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL, NULL));
	for (i = 0; i < 300 && stats.moved_objects < nr / 2; i++) {
		usleep(100000);
		ASSERT_EQ(0, raw_stats(gca_fd(self->arena), &stats));
	}
	EXPECT_LE(nr / 2, stats.moved_objects);
	EXPECT_EQ(nr, check_list(self->slot[0], nr));
	/* It may be at it still. */
	for (i = 0; i < 300 && told != stats.moved_objects; i++) {
		while (!gca_next_event(self->arena, 100, &event)) {
			if (event.kind != GCA_EVENT_MOVED)
				continue;
			EXPECT_LT(0, event.moved_objects);
			EXPECT_LT(moves, event.moves);
			moves = event.moves;
			told += event.moved_objects;
		}
		ASSERT_EQ(0, raw_stats(gca_fd(self->arena), &stats));
	}
	EXPECT_EQ(stats.moved_objects, told);
	EXPECT_EQ(stats.moves, moves);
}

static uint64_t nr_pauses(FIXTURE_DATA(moving) *self)
{
	struct gcarena_stats stats = raw_stats_of(gca_fd(self->arena));
	uint64_t nr = 0;
	unsigned int i;

	for (i = 0; i < GCARENA_PAUSE_BUCKETS; i++)
		nr += stats.pauses[i];
	return nr;
}

/* Collects, and waits until what that has begun has ended. */
static void collect_and_settle(struct __test_metadata *_metadata, FIXTURE_DATA(moving) *self)
{
	uint64_t before, nr = 0;

	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL, NULL));
	do {
		before = nr;
		usleep(50000);
		nr = nr_pauses(self);
	} while (nr != before);
}

static void pin_some(void **slot, int (*change)(const void *object))
{
	struct node *n = *slot;
	unsigned int i;

	for (i = 0; n; n = n->next, i++) {
		if (i % 8 == 0)
			change(n);
	}
}

/* What a word holds that may be a pointer stays; once it has gone, no collection is needed. */
TEST_F_TIMEOUT(moving, evacuated_once_words_are_gone, 120)
{
	const uint64_t nr = 20000;
	const size_t bytes = nr * sizeof(void *);
	uint64_t moved = 0;
	unsigned int i;
	struct node *n;
	void **words;

	words = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, words);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, words, bytes));
	build_list(self, &self->slot[0], nr, 9);
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL, NULL));
	for (i = 0, n = self->slot[0]; n; n = n->next, i++)
		words[i] = i % 8 ? NULL : n;
	for (i = 0; i < 3; i++) {
		evacuate(_metadata, self);
		moved += self->collected.moved_objects;
	}
	EXPECT_GT(nr / 10, moved);
	memset(words, 0, bytes);
	evacuate(_metadata, self);
	EXPECT_LE(nr / 2, self->collected.moved_objects);
	EXPECT_EQ(nr, check_list(self->slot[0], nr));
	ASSERT_EQ(0, gca_roots_remove_in(self->arena, words, bytes));
	munmap(words, bytes);
}

/* An object in each span is pinned, so nothing gives way: it is tried again, but seldom. */
TEST_F_TIMEOUT(moving, evacuation_that_is_futile, 240)
{
	uint64_t tries = 100 * rng_env_number("GCARENA_PATIENCE", 1);
	const unsigned int rounds = 32;
	const uint64_t nr = 20000;
	uint64_t before, pauses;
	unsigned int i;

	build_list(self, &self->slot[0], nr, 9);
	pin_some(&self->slot[0], gca_pin);
	ASSERT_EQ(0, gca_set_compact_in(self->arena, 20, 0));
	collect_and_settle(_metadata, self);
	before = nr_pauses(self);
	for (i = 0; i < rounds; i++)
		collect_and_settle(_metadata, self);
	/* Each collection stops the world once, each evacuation twice at least. */
	pauses = nr_pauses(self) - before - rounds;
	EXPECT_LT(0, pauses);
	EXPECT_GT(rounds * 3 / 2, pauses);
	before = raw_stats_of(gca_fd(self->arena)).moved_objects;
	EXPECT_GT(nr / 10, before);
	pin_some(&self->slot[0], gca_unpin);
	/* Setting it means another try, whatever was before. */
	ASSERT_EQ(0, gca_set_compact_in(self->arena, 20, 0));
	while (tries-- && raw_stats_of(gca_fd(self->arena)).moved_objects < nr / 2)
		collect_and_settle(_metadata, self);
	EXPECT_LE(nr / 2, raw_stats_of(gca_fd(self->arena)).moved_objects);
	EXPECT_EQ(nr, check_list(self->slot[0], nr));
}

TEST_HARNESS_MAIN
