// SPDX-License-Identifier: GPL-2.0
/*
 * Compaction: objects move, and a program notices nothing but what it is told. Lists, trees
 * and graphs are the same afterwards, pointers to the inside included; what a word
 * that only may be a pointer points to, or a pin, stays; precise slots follow; memory
 * comes back. With threads, with processes that share an arena, in the middle of SIGKILLs.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "lib/moving.h"

#define MASK	0xa5a5000000000000ULL	/* hides addresses */

static uint64_t hidden(const void *p)
{
	return (uintptr_t)p ^ MASK;
}

static uint64_t nr_moves(FIXTURE_DATA(moving) *self)
{
	struct gcarena_stats stats;

	return raw_stats(gca_fd(self->arena), &stats) ? ~0ULL : stats.moves;
}

/* ---- Structures ------------------------------------------------------------------- */

TEST_F_TIMEOUT(moving, list, 120)
{
	struct gcarena_stats stats;
	const uint64_t nr = 20000;

	build_list(self, &self->slot[0], nr, 9);
	compact(_metadata, self);
	EXPECT_EQ(nr, check_list(self->slot[0], nr));
	EXPECT_LT(nr * 8 / 10, self->collected.moved_objects);
	EXPECT_EQ(self->collected.moved_objects * sizeof(struct node), self->collected.moved_bytes);
	EXPECT_GE(nr + 100, self->collected.live_objects);
	EXPECT_LE(nr * 9 - 100, self->collected.freed_objects);
	/* Nothing to do the second time. */
	compact(_metadata, self);
	EXPECT_GE(300, self->collected.moved_objects);
	EXPECT_EQ(nr, check_list(self->slot[0], nr));
	ASSERT_EQ(0, raw_stats(gca_fd(self->arena), &stats));
	EXPECT_GE(nr * sizeof(struct node) * 11 / 10 + 4 * MIB, stats.backing_bytes);
	EXPECT_EQ(2, stats.cycles_compact);
	EXPECT_EQ(stats.cycles, stats.cycles_compact);
	EXPECT_LT(0, stats.compact_total_ns);
}

static struct node *build_tree(FIXTURE_DATA(moving) *self, unsigned int depth, uint64_t id)
{
	struct node *n = new_node(self, id);
	unsigned int i;

	for (i = 0; i < 5; i++)
		gca_new(self->filler);
	if (depth) {
		n->next = build_tree(self, depth - 1, 2 * id);
		n->other = build_tree(self, depth - 1, 2 * id + 1);
	}
	return n;
}

static bool check_tree(const struct node *n, unsigned int depth, uint64_t id)
{
	if (!n || !is_whole(n, id))
		return false;
	if (!depth)
		return !n->next && !n->other;
	return check_tree(n->next, depth - 1, 2 * id) &&
	       check_tree(n->other, depth - 1, 2 * id + 1);
}

TEST_F_TIMEOUT(moving, tree_between_other_collections, 120)
{
	int i;

	self->slot[NR_SLOTS - 1] = build_tree(self, 11, 1);
	for (i = 0; i < 4; i++) {
		build_list(self, &self->slot[i], 3000, i);
		ASSERT_EQ(0, gca_collect_in(self->arena, i % 2 ? GCA_MINOR : GCA_FULL, NULL));
		/* Some of it dies: there is something to do each time. */
		((struct node *)self->slot[NR_SLOTS - 1])->next = build_tree(self, 10, 2);
		compact(_metadata, self);
		EXPECT_LT(0, self->collected.moved_objects);
		EXPECT_EQ(3000, check_list(self->slot[i], 3000));
	}
	EXPECT_TRUE(check_tree(self->slot[NR_SLOTS - 1], 11, 1));
}

TEST_F_TIMEOUT(moving, random_graphs_with_interior_pointers, 180)
{
	struct graph *g = mmap(NULL, sizeof(*g), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t live, round, moved = 0;
	struct rng rng;

	ASSERT_NE(MAP_FAILED, g);
	rng_init(&rng, self->seed);
	for (round = 0; round < 6; round++) {
		build_graph(self, g, &rng, 0);
		live = check_graph(self, g);
		ASSERT_LT(NR_SLOTS, live);
		/* Its addresses are in no stack any more, and @g is no root. */
		compact(_metadata, self);
		moved += self->collected.moved_objects;
		ASSERT_EQ(live, check_graph(self, g)) TH_LOG("GCARENA_SEED=%#lx", self->seed);
	}
	EXPECT_LT(0, moved);
	munmap(g, sizeof(*g));
}

/* Dense memory at the high end, and the low end is dropped. */
TEST_F_TIMEOUT(moving, memory_comes_back, 120)
{
	const uint64_t nr = 60000;
	struct gcarena_stats stats;

	if (variant->root_mode != GCA_ROOTS_EXPLICIT)
		SKIP(return, "an address left on the stack keeps 2 MiB in place");
	build_list(self, &self->slot[0], nr, 0);
	build_list(self, &self->slot[1], nr, 0);
	self->slot[0] = NULL;
	compact(_metadata, self);
	EXPECT_EQ(nr, check_list(self->slot[1], nr));
	ASSERT_EQ(0, raw_stats(gca_fd(self->arena), &stats));
	EXPECT_GE(nr * sizeof(struct node) * 11 / 10 + 2 * 2 * MIB, stats.backing_bytes);
	EXPECT_LT(3 * MIB, self->collected.released_bytes);
}

#define LARGE_NODES	4000U
#define HUGE_NODES	50000U	/* more than a chunk */

/* In each slot an array whose nodes point to others of it, and of the first. */
static __attribute__((noinline)) bool build_arrays(FIXTURE_DATA(moving) *self, unsigned int nodes)
{
	unsigned int i, k;

	for (i = 0; i < 3 * NR_SLOTS; i++) {
		struct node *a = gca_make(self->node, nodes);

		if (!a)
			return false;
		if (i % 3 != 1)
			continue;	/* it dies */
		self->slot[i / 3] = a;
		for (k = 0; k < nodes; k++) {
			a[k].id = i / 3 + k;
			a[k].next = &a[k * 7 % nodes];
			a[k].other = (struct node *)self->slot[0] + k;
		}
	}
	return true;
}

/* Returns how many nodes are as they should be; and the offset of the highest one's end. */
static __attribute__((noinline)) unsigned int check_arrays(FIXTURE_DATA(moving) *self,
							   unsigned int nodes, uint64_t *highest)
{
	unsigned int i, k, good = 0;

	*highest = 0;
	for (i = 0; i < NR_SLOTS; i++) {
		const struct node *a = self->slot[i];
		uint64_t end = (uintptr_t)&a[nodes] - (uintptr_t)gca_base(self->arena, NULL);

		for (k = 0; k < nodes; k++)
			good += a[k].id == i + k && a[k].next == &a[k * 7 % nodes] &&
				a[k].other == (const struct node *)self->slot[0] + k;
		if (end > *highest)
			*highest = end;
	}
	return good;
}

/* They come down: the highest address is near what is live, of @held bytes for each. */
static void check_come_down(struct __test_metadata *_metadata, FIXTURE_DATA(moving) *self,
			    unsigned int nodes, uint64_t held, bool precise)
{
	uint64_t highest;

	ASSERT_TRUE(build_arrays(self, nodes));
	ASSERT_EQ(NR_SLOTS * nodes, check_arrays(self, nodes, &highest));
	EXPECT_LT(2 * NR_SLOTS * nodes * sizeof(struct node), highest);
	compact(_metadata, self);
	ASSERT_EQ(NR_SLOTS * nodes, check_arrays(self, nodes, &highest));
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_MINOR, NULL));
	ASSERT_EQ(NR_SLOTS * nodes, check_arrays(self, nodes, &highest));
	if (!precise)
		SKIP(return, "an address left on the stack keeps 2 MiB in place");
	EXPECT_LE(NR_SLOTS / 3, self->collected.moved_objects);
	EXPECT_GE(NR_SLOTS * held + MIB, highest);
}

TEST_F_TIMEOUT(moving, large_objects_come_down, 120)
{
	check_come_down(_metadata, self, LARGE_NODES,
			LARGE_NODES * sizeof(struct node) * 11 / 10,
			variant->root_mode == GCA_ROOTS_EXPLICIT);
}

/* Those of more than a chunk begin where one does: each holds whole ones. */
TEST_F_TIMEOUT(moving, huge_objects_come_down, 120)
{
	const uint64_t bytes = HUGE_NODES * sizeof(struct node);

	check_come_down(_metadata, self, HUGE_NODES, (bytes + 2 * MIB - 1) / (2 * MIB) * 2 * MIB,
			variant->root_mode == GCA_ROOTS_EXPLICIT);
}

/* The only pointer to a young object is written to where a huge one has moved to. */
TEST_F_TIMEOUT(moving, huge_objects_are_written_after_moving, 120)
{
	struct node *a;
	unsigned int i, round;
	uint64_t old;

	for (round = 0; round < 4; round++) {
		self->slot[0] = gca_make(self->node, HUGE_NODES);
		self->slot[1] = gca_make(self->node, HUGE_NODES);
		ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL, NULL));
		old = hidden(self->slot[1]);
		self->slot[0] = NULL;
		compact(_metadata, self);
		if (variant->root_mode == GCA_ROOTS_EXPLICIT)
			EXPECT_NE(old, hidden(self->slot[1]));
		a = self->slot[1];
		for (i = 0; i < HUGE_NODES; i += 997)
			a[i].next = new_node(self, i);
		ASSERT_EQ(0, gca_collect_in(self->arena, GCA_MINOR, NULL));
		a = self->slot[1];
		for (i = 0; i < HUGE_NODES; i += 997)
			ASSERT_TRUE(is_whole(a[i].next, i));
	}
}

/* A huge object that is pinned stays, and so does what shares its last chunk with it. */
TEST_F_TIMEOUT(moving, huge_object_that_is_pinned, 120)
{
	uint64_t old;

	self->slot[0] = gca_make(self->node, HUGE_NODES);
	self->slot[1] = gca_make(self->node, HUGE_NODES);
	ASSERT_EQ(0, gca_pin((struct node *)self->slot[1] + HUGE_NODES / 2));
	((struct node *)self->slot[1])[HUGE_NODES - 1].next = new_node(self, 7);
	old = hidden(self->slot[1]);
	self->slot[0] = NULL;
	compact(_metadata, self);
	EXPECT_EQ(old, hidden(self->slot[1]));
	ASSERT_EQ(0, gca_unpin((struct node *)self->slot[1] + HUGE_NODES / 2));
	compact(_metadata, self);
	if (variant->root_mode == GCA_ROOTS_EXPLICIT)
		EXPECT_NE(old, hidden(self->slot[1]));
	EXPECT_TRUE(is_whole(((struct node *)self->slot[1])[HUGE_NODES - 1].next, 7));
}

/* ---- What stays --------------------------------------------------------------------- */

/* Each @step-th node of the list in @slot, hidden. Returns how many. */
static __attribute__((noinline)) unsigned int note(const struct node *n, unsigned int step,
						   uint64_t *at, unsigned int room)
{
	unsigned int i, nr = 0;

	for (i = 0; n && nr < room; n = n->next, i++) {
		if (i % step == 0)
			at[nr++] = hidden(n);
	}
	return nr;
}

static __attribute__((noinline)) unsigned int nr_same(const uint64_t *a, const uint64_t *b,
						      unsigned int nr)
{
	unsigned int i, same = 0;

	for (i = 0; i < nr; i++)
		same += a[i] == b[i];
	return same;
}

#define NOTED	50

TEST_F_TIMEOUT(moving, pinned_objects_stay, 120)
{
	uint64_t before[NOTED], after[NOTED];
	const uint64_t nr = 5000;
	unsigned int i;

	build_list(self, &self->slot[0], nr, 5);
	ASSERT_EQ(NOTED, note(self->slot[0], 100, before, NOTED));
	for (i = 0; i < NOTED; i++) {
		ASSERT_EQ(0, gca_pin((char *)(before[i] ^ MASK) + i));
		if (i % 2)
			ASSERT_EQ(0, gca_pin((void *)(before[i] ^ MASK)));
	}
	compact(_metadata, self);
	EXPECT_LT(nr / 2, self->collected.moved_objects);
	EXPECT_EQ(nr, check_list(self->slot[0], nr));
	ASSERT_EQ(NOTED, note(self->slot[0], 100, after, NOTED));
	EXPECT_EQ(NOTED, nr_same(before, after, NOTED));
	/* Half of them are pinned once more. Their neighbours are gone now. */
	for (i = 0; i < NOTED; i++)
		ASSERT_EQ(0, gca_unpin((char *)(before[i] ^ MASK) + 63 - i));
	compact(_metadata, self);
	ASSERT_EQ(NOTED, note(self->slot[0], 100, after, NOTED));
	EXPECT_LE(NOTED / 2, nr_same(before, after, NOTED));
	for (i = 1; i < NOTED; i += 2)
		EXPECT_EQ(before[i], after[i]);
	/* And a pin keeps alive. */
	self->slot[0] = NULL;
	compact(_metadata, self);
	EXPECT_LE(nr - 100 * (NOTED - 1), self->collected.live_objects);
	EXPECT_TRUE(is_whole((struct node *)(before[1] ^ MASK), nr - 1 - 100));
	for (i = 0; i < NOTED; i++)
		EXPECT_EQ(i % 2 ? 0 : -ENOENT, gca_unpin((void *)(before[i] ^ MASK)));
	compact(_metadata, self);
	/* An address left on the stack keeps a part of the list. */
	if (variant->root_mode == GCA_ROOTS_EXPLICIT)
		EXPECT_EQ(0, self->collected.live_objects);
	EXPECT_EQ(-ENOENT, gca_unpin((void *)(before[1] ^ MASK)));
}

/* Notes the numbers of the first @room nodes of a list. */
static __attribute__((noinline)) unsigned int note_ids(const struct node *n, uint64_t *ids,
							unsigned int room)
{
	unsigned int nr = 0;

	for (; n && nr < room && (ids[nr] = gca_id((char *)n + nr % 64)); n = n->next)
		nr++;
	return nr;
}

#define NR_IDS	2000

/* A number stays with its object wherever it goes, and is no one else's. */
TEST_F_TIMEOUT(moving, ids_survive_moves, 120)
{
	static uint64_t before[NR_IDS], after[NR_IDS];
	unsigned int round;

	build_list(self, &self->slot[0], 5000, 5);
	ASSERT_EQ(NR_IDS, note_ids(self->slot[0], before, NR_IDS));
	for (round = 0; round < 3; round++) {
		compact(_metadata, self);
		EXPECT_LT(round ? 0 : 1000, self->collected.moved_objects);
		ASSERT_EQ(NR_IDS, note_ids(self->slot[0], after, NR_IDS));
		EXPECT_EQ(0, memcmp(before, after, sizeof(before)));
		build_list(self, &self->slot[1], 3000, 3 + round);
	}
	/* Those of the new ones are above all that have been. */
	ASSERT_EQ(NR_IDS, note_ids(self->slot[1], after, NR_IDS));
	EXPECT_EQ(NR_IDS + 1, after[0]);
	EXPECT_EQ(2 * NR_IDS, after[NR_IDS - 1]);
	EXPECT_EQ(0, gca_id(before));
	EXPECT_EQ(EINVAL, errno);
}

/* What a handle stands for may be anywhere. */
TEST_F_TIMEOUT(moving, handles_follow, 120)
{
	gca_handle *handle = gca_handle_new_in(self->arena, NULL), *second;
	uint64_t at;

	ASSERT_NE(NULL, handle);
	EXPECT_EQ(NULL, gca_handle_get(handle));
	build_list(self, &self->slot[0], 4000, 8);
	gca_handle_set(handle, self->slot[0]);
	at = hidden(self->slot[0]);
	self->slot[0] = NULL;
	compact(_metadata, self);
	EXPECT_EQ(4000, check_list(gca_handle_get(handle), 4000));
	EXPECT_LT(2000, self->collected.moved_objects);
	if (variant->root_mode == GCA_ROOTS_EXPLICIT)
		EXPECT_NE(at, hidden(gca_handle_get(handle)));
	second = gca_handle_new_in(self->arena, gca_handle_get(handle));
	EXPECT_EQ(0, gca_handle_free(handle));
	compact(_metadata, self);
	EXPECT_EQ(4000, check_list(gca_handle_get(second), 4000));
	EXPECT_EQ(0, gca_handle_free(second));
	EXPECT_EQ(-EINVAL, gca_handle_free((gca_handle *)&at));
	EXPECT_EQ(0, gca_handle_free(NULL));
}

TEST_F_TIMEOUT(moving, ambiguous_words_pin, 120)
{
	uint64_t before[NOTED], after[NOTED];
	const uint64_t nr = 5000;
	void **range = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void **object;
	unsigned int i;

	ASSERT_NE(MAP_FAILED, range);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, range, PAGE));
	build_list(self, &self->slot[0], nr, 5);
	ASSERT_EQ(NOTED, note(self->slot[0], 100, before, NOTED));
	/* Half of them by a range, half by a conservative object, which stays itself. */
	object = gca_alloc_in(self->arena, PAGE);
	for (i = 0; i < NOTED; i++)
		(i % 2 ? range : object)[i] = (char *)(before[i] ^ MASK) + i;
	self->slot[1] = object;
	compact(_metadata, self);
	EXPECT_EQ(object, self->slot[1]);
	EXPECT_LT(nr / 2, self->collected.moved_objects);
	EXPECT_EQ(nr, check_list(self->slot[0], nr));
	ASSERT_EQ(NOTED, note(self->slot[0], 100, after, NOTED));
	EXPECT_EQ(NOTED, nr_same(before, after, NOTED));
	for (i = 0; i < NOTED; i++)
		EXPECT_EQ((char *)(before[i] ^ MASK) + i, (i % 2 ? range : object)[i]);
	ASSERT_EQ(0, gca_roots_remove_in(self->arena, range, PAGE));
	munmap(range, PAGE);
}

/* Variables of this function. They need not be told of anything. */
TEST_F_TIMEOUT(moving, variables_stay_valid, 120)
{
	struct node *head = NULL, *n, *middle = NULL;
	const uint64_t nr = 3000;
	uint64_t i, k;

	if (variant->root_mode == GCA_ROOTS_EXPLICIT)
		SKIP(return, "with explicit roots they are none");
	for (i = 0; i < nr; i++) {
		for (k = 0; k < 4; k++)
			new_node(self, ~0ULL);
		n = new_node(self, i);
		ASSERT_NE(NULL, n);
		n->next = head;
		head = n;
		if (i == nr / 2)
			middle = n;
		if (i % 1000 == 999) {
			compact(_metadata, self);
			ASSERT_TRUE(is_whole(n, i));
		}
	}
	compact(_metadata, self);
	EXPECT_LT(0, self->collected.moved_objects + nr_moves(self));
	EXPECT_EQ(nr, check_list(head, nr));
	EXPECT_TRUE(is_whole(middle, nr / 2));
	EXPECT_EQ(nr / 2 + 1, check_list(middle, nr / 2 + 1));
}

/* ---- Slots --------------------------------------------------------------------------- */

static void *static_slot;	/* in a data segment, which is a root by itself */

TEST_F_TIMEOUT(moving, slots_follow, 120)
{
	const uint64_t nr = 2000;
	void **slots[3];
	uint64_t before;
	int i;

	ASSERT_EQ(0, gca_slots_add_in(self->arena, &static_slot, sizeof(static_slot)));
	build_list(self, &static_slot, nr, 9);
	before = hidden(static_slot);
	for (i = 0; i < 3; i++) {
		slots[i] = gca_root_slot_in(self->arena, (char *)static_slot + i);
		ASSERT_NE(NULL, slots[i]);
	}
	/* So that it is not the head's turn to stay by chance. */
	build_list(self, &self->slot[0], nr, 9);
	compact(_metadata, self);
	EXPECT_NE(before, hidden(static_slot));
	EXPECT_EQ(nr, check_list(static_slot, nr));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ((char *)static_slot + i, *slots[i]);
		ASSERT_EQ(0, gca_root_slot_free(slots[i]));
	}
	EXPECT_EQ(-EINVAL, gca_root_slot_free(&static_slot));
	EXPECT_EQ(0, gca_root_slot_free(NULL));
	ASSERT_EQ(0, gca_slots_remove_in(self->arena, &static_slot, sizeof(static_slot)));
	EXPECT_EQ(-ENOENT, gca_slots_remove_in(self->arena, &static_slot, sizeof(static_slot)));
	static_slot = NULL;
}

/* More slots than one page or one block of the library has, and numbers among them. */
TEST_F_TIMEOUT(moving, many_slots, 120)
{
	const unsigned int nr = 5000;
	void ***slot = calloc(nr, sizeof(*slot));
	unsigned int i, k;

	for (i = 0; i < nr; i++) {
		for (k = 0; k < 3; k++)
			new_node(self, ~0ULL);
		slot[i] = gca_root_slot_in(self->arena, i % 5 ? (void *)new_node(self, i)
							      : (void *)(uintptr_t)check_of(i, 0));
		ASSERT_NE(NULL, slot[i]);
	}
	compact(_metadata, self);
	EXPECT_LT(nr / 2, self->collected.moved_objects);
	for (i = 0; i < nr; i++) {
		ASSERT_TRUE(i % 5 ? is_whole(*slot[i], i)
				  : (uintptr_t)*slot[i] == check_of(i, 0));
	}
	for (i = 0; i < nr; i++)
		ASSERT_EQ(0, gca_root_slot_free(slot[i]));
	free(slot);
	compact(_metadata, self);
	EXPECT_GE(20, self->collected.live_objects);
}

/* A slot that cannot be written: nothing moves, nothing is lost, and it is told. */
TEST_F_TIMEOUT(moving, slot_that_cannot_be_written, 120)
{
	const uint64_t nr = 2000;
	uint64_t before[NOTED], after[NOTED], moves;
	void **page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, gca_slots_add_in(self->arena, page, 2 * PAGE));
	build_list(self, &page[PAGE / 8 + 5], nr, 9);
	build_list(self, &self->slot[0], nr, 9);
	ASSERT_EQ(NOTED, note(page[PAGE / 8 + 5], 20, before, NOTED));
	moves = nr_moves(self);
	ASSERT_EQ(0, mprotect(page, 2 * PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, gca_collect_in(self->arena, GCA_COMPACT, NULL));
	EXPECT_EQ(moves, nr_moves(self));
	EXPECT_EQ(nr, check_list(page[PAGE / 8 + 5], nr));
	EXPECT_EQ(nr, check_list(self->slot[0], nr));
	ASSERT_EQ(NOTED, note(page[PAGE / 8 + 5], 20, after, NOTED));
	EXPECT_EQ(NOTED, nr_same(before, after, NOTED));
	ASSERT_EQ(0, mprotect(page, 2 * PAGE, PROT_READ | PROT_WRITE));
	compact(_metadata, self);
	EXPECT_EQ(moves + 1, nr_moves(self));
	EXPECT_EQ(nr, check_list(page[PAGE / 8 + 5], nr));
	/* And one that cannot even be read. */
	munmap(page, PAGE);
	EXPECT_EQ(-EFAULT, gca_collect_in(self->arena, GCA_COMPACT, NULL));
	ASSERT_EQ(0, gca_slots_remove_in(self->arena, page, 2 * PAGE));
	compact(_metadata, self);
	EXPECT_EQ(nr, check_list(self->slot[0], nr));
	munmap(page, 2 * PAGE);
}

/* Shared anonymous memory will do; in the arena itself a slot would move away. */
TEST_F_TIMEOUT(moving, where_slots_may_be, 120)
{
	void **page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const uint64_t nr = 2000;
	void *base = gca_base(self->arena, NULL);

	EXPECT_EQ(-EINVAL, gca_slots_add_in(self->arena, base, 64));
	EXPECT_EQ(-EINVAL, gca_slots_add_in(self->arena, (char *)base - 8, 16));
	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, gca_slots_add_in(self->arena, page, PAGE));
	ASSERT_EQ(0, gca_slots_add_in(self->arena, (char *)page + 12, 30));	/* overlaps */
	build_list(self, &page[2], nr, 9);
	page[3] = page[2];
	compact(_metadata, self);
	EXPECT_LT(nr / 2, self->collected.moved_objects);
	EXPECT_EQ(page[3], page[2]);
	EXPECT_EQ(nr, check_list(page[2], nr));
	munmap(page, PAGE);
}

/* ---- With the other kinds of collection ------------------------------------------------- */

TEST_F_TIMEOUT(moving, moved_objects_are_old, 120)
{
	const uint64_t nr = 2000;
	struct node *n;
	int i;

	build_list(self, &self->slot[0], nr, 9);
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_MINOR, NULL));
	for (i = 0; i < 5; i++) {
		compact(_metadata, self);
		/* Young ones hang from what has moved, from its written pages alone. */
		for (n = self->slot[0]; n; n = n->next)
			n->other = n->id % 3 ? NULL : new_node(self, n->id);
		ASSERT_EQ(0, gca_collect_in(self->arena, GCA_MINOR, &self->collected));
		EXPECT_LE(nr / 3, self->collected.live_objects - nr);
		for (n = self->slot[0]; n; n = n->next)
			ASSERT_TRUE(n->id % 3 || is_whole(n->other, n->id));
		EXPECT_EQ(nr, check_list(self->slot[0], nr));
	}
}

TEST_F_TIMEOUT(moving, it_is_told, 120)
{
	struct gcarena_event event;
	uint64_t moves = nr_moves(self);

	build_list(self, &self->slot[0], 2000, 9);
	while (read(gca_fd(self->arena), &event, sizeof(event)) > 0)
		;
	compact(_metadata, self);
	EXPECT_EQ(moves + 1, nr_moves(self));
	ASSERT_EQ(sizeof(event), read(gca_fd(self->arena), &event, sizeof(event)));
	EXPECT_EQ(GCARENA_EVENT_CYCLE, event.kind);
	EXPECT_EQ(GCARENA_COLLECT_COMPACT, event.collect_kind);
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL, &self->collected));
	EXPECT_EQ(0, self->collected.moved_objects);
	EXPECT_EQ(moves + 1, nr_moves(self));
}

/* Every collection by itself compacts. */
TEST_F_TIMEOUT(moving, zeal, 180)
{
	const uint64_t nr = 6000;

	if (variant->root_mode == GCA_ROOTS_EXPLICIT)
		SKIP(return, "zeal leaves explicit roots alone");
	if (!params_set(&self->params, "zeal_compact", 1))
		SKIP(return, "needs root");
	ASSERT_EQ(0, gca_set_gc_percent_in(self->arena, 10, NULL));
	build_list(self, &self->slot[0], nr, 30);
	build_list(self, &self->slot[1], nr, 9);
	EXPECT_LT(0, nr_moves(self));
	EXPECT_EQ(nr, check_list(self->slot[0], nr));
	EXPECT_EQ(nr, check_list(self->slot[1], nr));
}

/* ---- Threads and processes ---------------------------------------------------------------- */

#define NR_THREADS	4

struct worker {
	struct _test_data_moving *self;
	pthread_t thread;
	atomic_int *end;
	uint64_t rounds;
	bool good;
};

/* Its list is in its registers and on its stack; it grows, is read, and is cut. */
static void *work(void *arg)
{
	struct worker *w = arg;
	struct node *head = NULL, *n;
	uint64_t i = 0, k;

	w->good = true;
	while (!atomic_load(w->end) && w->good) {
		for (k = 0; k < 50; k++) {
			gca_new(w->self->filler);
			new_node(w->self, ~0ULL);
		}
		n = new_node(w->self, i);
		if (!n)
			w->good = false;
		if (!n)
			break;
		n->next = head;
		n->other = n;
		head = n;
		i++;
		for (n = head; n && w->good; n = n->next)
			w->good = n->other == n && is_whole(n, n->id) &&
				  (!n->next || n->next->id + 1 == n->id);
		if (i % 400 == 0)
			head->next = NULL;
		w->rounds++;
	}
	return NULL;
}

TEST_F_TIMEOUT(moving, threads_that_go_on, 240)
{
	struct worker w[NR_THREADS];
	atomic_int end = 0;
	uint64_t moved = 0;
	int i;

	if (variant->root_mode == GCA_ROOTS_EXPLICIT)
		SKIP(return, "their stacks are to be roots");
	build_list(self, &self->slot[0], 5000, 9);
	for (i = 0; i < NR_THREADS; i++) {
		w[i] = (struct worker) { .self = self, .end = &end };
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, work, &w[i]));
	}
	for (i = 0; i < 60; i++) {
		compact(_metadata, self);
		moved += self->collected.moved_objects;
	}
	atomic_store(&end, 1);
	for (i = 0; i < NR_THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_TRUE(w[i].good);
		EXPECT_LT(0, w[i].rounds);
	}
	EXPECT_EQ(5000, check_list(self->slot[0], 5000));
	EXPECT_LT(3000, moved);
	TH_LOG("%lu objects moved", moved);
}

/*
 * Parent and child share the arena. Each has slots at the same addresses, in memory of its
 * own, and changes them to lists of its own.
 */
TEST_F_TIMEOUT(moving, processes_that_share, 180)
{
	const uint64_t nr = 3000;
	int to_child[2], to_parent[2], status, i;
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe(to_child));
	ASSERT_EQ(0, pipe(to_parent));
	build_list(self, &self->slot[0], nr, 9);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		build_list(self, &self->slot[1], nr + 1, 9);
		gca_flush();
		for (i = 0; i < 5; i++) {
			if (write(to_parent[1], "x", 1) != 1 || read(to_child[0], &byte, 1) != 1 ||
			    check_list(self->slot[0], nr) != nr ||
			    check_list(self->slot[1], nr + 1) != nr + 1)
				_exit(1);
			build_list(self, &self->slot[1], nr + 1, 9);
		}
		/* Now it is this one that compacts, while the parent waits. */
		if (gca_collect_in(self->arena, GCA_COMPACT, NULL) ||
		    check_list(self->slot[1], nr + 1) != nr + 1)
			_exit(2);
		_exit(0);
	}
	build_list(self, &self->slot[1], nr + 2, 9);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(1, read(to_parent[0], &byte, 1));
		compact(_metadata, self);
		EXPECT_LT(nr / 2, self->collected.moved_objects);
		EXPECT_EQ(nr, check_list(self->slot[0], nr));
		EXPECT_EQ(nr + 2, check_list(self->slot[1], nr + 2));
		ASSERT_EQ(1, write(to_child[1], "x", 1));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(nr, check_list(self->slot[0], nr));
	EXPECT_EQ(nr + 2, check_list(self->slot[1], nr + 2));
	/* What only the child had is gone. */
	compact(_metadata, self);
	EXPECT_GE(2 * nr + 200, self->collected.live_objects);
}

/* A pin goes with its process, and is not inherited. */
TEST_F_TIMEOUT(moving, pins_of_processes, 120)
{
	struct gca_object found = { .size = sizeof(found) };
	uint64_t at = hidden(gca_alloc_noscan_in(self->arena, 64));
	int to_parent[2], status;
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe(to_parent));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (gca_unpin((void *)(at ^ MASK)) != -ENOENT || gca_pin((void *)(at ^ MASK)))
			_exit(1);
		if (write(to_parent[1], "x", 1) == 1)
			pause();
		_exit(2);
	}
	close(to_parent[1]);
	ASSERT_EQ(1, read(to_parent[0], &byte, 1));
	compact(_metadata, self);
	EXPECT_EQ(0, gca_query((void *)(at ^ MASK), &found));
	EXPECT_EQ(-ENOENT, gca_unpin((void *)(at ^ MASK)));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	compact(_metadata, self);
	/* A copy of the address may be left on the stack. */
	if (variant->root_mode == GCA_ROOTS_EXPLICIT)
		EXPECT_EQ(-ENOENT, gca_query((void *)(at ^ MASK), &found));
	close(to_parent[0]);
}

/* Killed at any moment of a compaction: the others find everything in its place. */
TEST_F_TIMEOUT(moving, killed_in_the_middle, 240)
{
	const uint64_t nr = 4000;
	struct rng rng;
	int i, status;
	pid_t pid;

	rng_init(&rng, self->seed);
	params_set(&self->params, "zeal_delay_us", 2000);
	for (i = 0; i < 25; i++) {
		build_list(self, &self->slot[i % NR_SLOTS], nr, 3);
		gca_flush();
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			for (;;)
				gca_collect_in(self->arena, GCA_COMPACT, NULL);
		}
		usleep(1000 + rng_below(&rng, 60000));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(nr, check_list(self->slot[i % NR_SLOTS], nr));
	}
	param_set("zeal_delay_us", 0);
	compact(_metadata, self);
	for (i = 0; i < NR_SLOTS; i++)
		EXPECT_EQ(nr, check_list(self->slot[i], nr));
}

TEST_HARNESS_MAIN
