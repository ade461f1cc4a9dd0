// SPDX-License-Identifier: GPL-2.0
/*
 * Permanent objects: nothing frees or moves one, and what it points to lives, whenever that
 * pointer was stored: before it was permanent, between collections, while one is on, by
 * another process. Regions are told, of objects and of arenas. Each cycle is verified when
 * root runs this.
 */
#include <kselftest_harness.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "gcarena.h"
#include "lib/oracle.h"
#include "lib/param.h"
#include "lib/rawarena.h"

#define KIB		1024UL
#define MIB		(1024 * KIB)

static void __attribute__((constructor)) need_root(void)
{
	raw_need_root();
}

FIXTURE(permanent)
{
	struct params params;
	gca_arena *arena;
	uint64_t *root[16];
};

FIXTURE_VARIANT(permanent)
{
	long refault;
};

FIXTURE_VARIANT_ADD(permanent, dirty_bits) { .refault = 0 };
FIXTURE_VARIANT_ADD(permanent, refault) { .refault = 1 };

FIXTURE_SETUP(permanent)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = GCA_ROOTS_EXPLICIT,
		.gc_percent = GCA_GC_PERCENT_OFF,
	};

	ASSERT_TRUE(params_set(&self->params, "verify", 1));
	ASSERT_TRUE(params_set(&self->params, "refault", variant->refault));
	self->arena = gca_open(&options);
	ASSERT_NE(NULL, self->arena);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, self->root, sizeof(self->root)));
}

FIXTURE_TEARDOWN(permanent)
{
	if (self->arena)
		gca_close(self->arena);
	params_restore(&self->params);
}

/* An object that knows itself, with room for pointers in words 0 to 6. */
static void link_to(uint64_t from, int word, uint64_t to)
{
	((uint64_t *)reveal(from))[word] = to ? (uintptr_t)reveal(to) : 0;
}

static uint32_t region_of(FIXTURE_DATA(permanent) *self, uint64_t hidden)
{
	struct gcarena_object object;

	if (raw_object(gca_fd(self->arena), (uintptr_t)reveal(hidden), &object))
		return ~0U;
	return object.region;
}

static const enum gca_kind kinds[] = { GCA_MINOR, GCA_FULL, GCA_MAJOR, GCA_COMPACT, GCA_MINOR };

static void collect(struct __test_metadata *_metadata, FIXTURE_DATA(permanent) *self,
		    enum gca_kind kind)
{
	ASSERT_EQ(0, gca_collect_in(self->arena, kind, NULL)) {
		TH_LOG("kind %d", kind);
	}
}

TEST_F_TIMEOUT(permanent, nothing_frees_it, 120)
{
	uint64_t kept = sealed_new(self->arena), young = sealed_new(self->arena), garbage, old;
	struct gca_object object = { .size = sizeof(object) };
	size_t i;

	link_to(kept, 3, young);
	ASSERT_EQ(0, gca_make_permanent((char *)reveal(kept) + 17));
	ASSERT_EQ(0, gca_make_permanent(reveal(kept)));
	EXPECT_EQ(GCARENA_REGION_PERMANENT, region_of(self, kept));
	EXPECT_EQ(GCARENA_REGION_YOUNG, region_of(self, young));
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		garbage = sealed_new(self->arena);
		collect(_metadata, self, kinds[i]);
		EXPECT_TRUE(sealed_is_whole(kept));
		EXPECT_TRUE(sealed_is_whole(young));
		EXPECT_FALSE(is_object(garbage));
		EXPECT_EQ(GCARENA_REGION_OLD, region_of(self, young));
		EXPECT_EQ(1, raw_stats_of(gca_fd(self->arena)).permanent_objects);
		EXPECT_EQ(64, raw_stats_of(gca_fd(self->arena)).permanent_bytes);
		/* After a minor one, what died old is there as well. */
		EXPECT_LE(2, raw_stats_of(gca_fd(self->arena)).old_objects);
		/* What is stored in it now. */
		old = young;
		young = sealed_new(self->arena);
		link_to(kept, 3, young);
		if (kinds[i] != GCA_MINOR)
			continue;
		collect(_metadata, self, GCA_MINOR);
		EXPECT_TRUE(sealed_is_whole(old));	/* old, and so only a full one frees it */
		link_to(young, 0, old);
		link_to(kept, 3, young);
		collect(_metadata, self, GCA_FULL);
		EXPECT_TRUE(sealed_is_whole(old));
		link_to(young, 0, 0);
		collect(_metadata, self, GCA_FULL);
		EXPECT_FALSE(is_object(old));
	}
	ASSERT_EQ(0, gca_query(reveal(kept), &object));
	EXPECT_EQ(1, object.permanent);
	EXPECT_EQ(1, object.old);
	EXPECT_EQ(1, object.marked);
	EXPECT_EQ(-EPERM, gca_free(reveal(kept)));
	EXPECT_NE(NULL, strstr(gca_strerror(EPERM), "permanent"));
	EXPECT_TRUE(sealed_is_whole(kept));
	/* One that grows is a new one; the old one stays. */
	ASSERT_NE(NULL, gca_realloc(reveal(kept), 4096));
	collect(_metadata, self, GCA_FULL);
	EXPECT_TRUE(sealed_is_whole(kept));
}

TEST_F(permanent, no_such_object)
{
	uint64_t p = sealed_new(self->arena);
	int fd = gca_fd(self->arena), local;

	EXPECT_EQ(-EINVAL, gca_make_permanent(NULL));
	EXPECT_EQ(-EINVAL, gca_make_permanent(&local));
	gca_flush();
	ASSERT_EQ(0, gca_free(reveal(p)));
	EXPECT_EQ(-ENOENT, gca_make_permanent(reveal(p)));
	EXPECT_EQ(-ENOENT, raw_permanent(fd, (uintptr_t)gca_base(self->arena, NULL) + MIB));
	EXPECT_EQ(0, raw_stats_of(gca_fd(self->arena)).permanent_objects);
}

/* All that is reachable, and no more; of large and small, of each layout. */
static void check_all(struct __test_metadata *_metadata, FIXTURE_DATA(permanent) *self,
		      enum gca_kind kind)
{
	const uint64_t map = 2;
	gca_type *pair = gca_type_from_bitmap_in(self->arena, "pair", 16, &map);
	uint64_t *table = gca_alloc_in(self->arena, 1000 * 8), *large, garbage, young;
	uint64_t **pairs = gca_make(pair, 100);
	struct gcarena_stats stats;
	size_t i;

	ASSERT_NE(NULL, pairs);
	self->root[0] = table;
	for (i = 0; i < 1000; i++)
		table[i] = (uintptr_t)reveal(sealed_new(self->arena));
	large = gca_alloc_in(self->arena, 3 * MIB);
	ASSERT_NE(NULL, large);
	table[7] = (uintptr_t)large;
	large[3 * MIB / 8 - 1] = (uintptr_t)pairs;
	pairs[99 * 2 + 1] = gca_alloc_noscan_in(self->arena, 100);
	garbage = sealed_new(self->arena);
	collect(_metadata, self, kind);
	stats = raw_stats_of(gca_fd(self->arena));
	EXPECT_EQ(999 + 4, stats.permanent_objects);
	EXPECT_EQ(stats.old_objects, stats.permanent_objects);
	EXPECT_EQ(stats.old_bytes, stats.permanent_bytes);
	EXPECT_FALSE(is_object(garbage));
	self->root[0] = NULL;
	table = NULL;
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		young = sealed_new(self->arena);
		large[3 * MIB / 8 - 1000] = (uintptr_t)reveal(young);
		garbage = sealed_new(self->arena);
		collect(_metadata, self, kinds[i]);
		stats = raw_stats_of(gca_fd(self->arena));
		EXPECT_EQ(999 + 4, stats.permanent_objects);
		EXPECT_TRUE(sealed_is_whole(young));
		EXPECT_FALSE(is_object(garbage));
	}
	/* Traced through once more in each full one, they were not found, and are there. */
	large[3 * MIB / 8 - 1000] = 0;
	collect(_metadata, self, GCA_FULL);
	stats = raw_stats_of(gca_fd(self->arena));
	EXPECT_EQ(999 + 4, stats.heap_objects);
	EXPECT_EQ(999 + 4, stats.last_live_objects);
}

TEST_F_TIMEOUT(permanent, all_there_is, 120)
{
	check_all(_metadata, self, GCA_FULL_PERMANENT);
}

TEST_F_TIMEOUT(permanent, all_there_is_compacted, 120)
{
	check_all(_metadata, self, GCA_COMPACT_PERMANENT);
}

TEST_F(permanent, not_after_a_major_one)
{
	struct gcarena_collect arg = {
		.size = sizeof(arg), .kind = GCARENA_COLLECT_MAJOR,
		.flags = GCARENA_COLLECT_PERMANENT,
	};

	EXPECT_EQ(-EOPNOTSUPP, raw_ioctl(gca_fd(self->arena), GCARENA_IOC_COLLECT, &arg));
	arg.kind = GCARENA_COLLECT_EVACUATE;
	EXPECT_EQ(-EOPNOTSUPP, raw_ioctl(gca_fd(self->arena), GCARENA_IOC_COLLECT, &arg));
	arg.kind = GCARENA_COLLECT_MINOR;
	self->root[0] = reveal(sealed_new(self->arena));
	EXPECT_EQ(0, raw_ioctl(gca_fd(self->arena), GCARENA_IOC_COLLECT, &arg));
	EXPECT_EQ(1, raw_stats_of(gca_fd(self->arena)).permanent_objects);
}

static void gap(struct __test_metadata *_metadata, gca_type *type, int nr)
{
	while (nr--)
		ASSERT_NE(NULL, gca_new(type));
}

/* @compact moves others together, and changes the pointers that permanent ones have. */
static void check_moving(struct __test_metadata *_metadata, FIXTURE_DATA(permanent) *self,
			 unsigned int compact)
{
	const uint64_t map = 1;
	gca_type *type = gca_type_from_bitmap_in(self->arena, "node", 128, &map);
	uint64_t *kept[20], **slots, i, moved = 0;

	ASSERT_NE(NULL, type);
	slots = gca_make(type, 1);
	self->root[0] = (uint64_t *)slots;
	for (i = 0; i < 20; i++) {
		uint64_t *other;

		kept[i] = gca_new(type);
		ASSERT_NE(NULL, kept[i]);
		gap(_metadata, type, 5000);
		other = gca_new(type);
		other[3] = MAGIC + i;
		kept[i][0] = (uintptr_t)other;
		kept[i][1] = (uintptr_t)other;	/* a number, by its type */
		kept[i][3] = MAGIC ^ i;
		ASSERT_EQ(0, gca_make_permanent(kept[i]));
		/* The next one would keep the other in its place, were it near. */
		gap(_metadata, type, 100);
	}
	collect(_metadata, self, GCA_FULL);
	collect(_metadata, self, compact);
	collect(_metadata, self, GCA_MINOR);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(MAGIC ^ i, kept[i][3]);
		ASSERT_EQ(MAGIC + i, ((uint64_t *)(uintptr_t)kept[i][0])[3]);
		moved += kept[i][0] != kept[i][1];
	}
	EXPECT_LT(0, moved);
	EXPECT_EQ(20, raw_stats_of(gca_fd(self->arena)).permanent_objects);
}

TEST_F_TIMEOUT(permanent, it_does_not_move, 120)
{
	check_moving(_metadata, self, GCA_COMPACT);
}

TEST_F_TIMEOUT(permanent, it_does_not_move_beside_the_program, 120)
{
	check_moving(_metadata, self, GCA_EVACUATE);
}

/* The process that did it is gone; the arena and its objects are not. */
TEST_F_TIMEOUT(permanent, made_by_a_child, 120)
{
	uint64_t *board = gca_alloc_in(self->arena, 64), kept;
	pid_t pid;

	self->root[0] = board;
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		uint64_t p = sealed_new(self->arena);

		link_to(p, 0, sealed_new(self->arena));
		board[0] = p;		/* hidden: nobody points to it */
		_exit(gca_make_permanent(reveal(p)) != 0);
	}
	ASSERT_EQ(0, raw_reap(pid));
	kept = board[0];
	collect(_metadata, self, GCA_MINOR);
	collect(_metadata, self, GCA_FULL);
	EXPECT_TRUE(sealed_is_whole(kept));
	EXPECT_TRUE(sealed_is_whole(hide((void *)*(uintptr_t *)reveal(kept))));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		link_to(kept, 1, sealed_new(self->arena));
		_exit(0);
	}
	ASSERT_EQ(0, raw_reap(pid));
	collect(_metadata, self, GCA_MINOR);
	EXPECT_TRUE(sealed_is_whole(hide((void *)((uintptr_t *)reveal(kept))[1])));
}

/* A program that says the slot was never used, after all. Nobody else is harmed. */
TEST_F(permanent, given_back_as_unused)
{
	struct gcarena_span span;
	struct raw_class_table table;
	int fd = gca_fd(self->arena);

	ASSERT_EQ(0, raw_classes(fd, &table));
	ASSERT_EQ(1, raw_refill(fd, raw_class_of(&table, 64), 0, &span, 1));
	ASSERT_EQ(0, raw_permanent(fd, span.base));
	ASSERT_EQ(0, raw_permanent(fd, span.base + 3 * 64));
	EXPECT_EQ(2, raw_stats_of(gca_fd(self->arena)).permanent_objects);
	collect(_metadata, self, GCA_FULL);
	EXPECT_EQ(-EPERM, raw_free(fd, span.base));
	ASSERT_EQ(0, raw_release(fd, &span, 1));
	EXPECT_EQ(0, raw_stats_of(gca_fd(self->arena)).permanent_objects);
	collect(_metadata, self, GCA_FULL);
	EXPECT_EQ(-ENOENT, raw_object(fd, span.base, NULL));
}

/* ---- While a collection is on ------------------------------------------------------------- */

#define MADE	400

struct maker {
	gca_arena *arena;
	uint64_t **root;
	uint64_t made[MADE];
	atomic_uint nr;
	pthread_t thread;
};

/* Makes young objects permanent, each with the only pointer to another one. */
static void *make_some(void *data)
{
	struct maker *m = data;
	unsigned int i;

	for (i = 0; i < MADE; i++) {
		uint64_t p = sealed_new(m->arena);

		/* Until then it is kept as others are: the next one may end p's span's lease. */
		*m->root = reveal(p);
		link_to(p, 2, sealed_new(m->arena));
		if (gca_make_permanent(reveal(p)))
			break;
		*m->root = NULL;
		link_to(p, 3, sealed_new(m->arena));
		m->made[i] = p;
		atomic_store(&m->nr, i + 1);
		if (i >= 10)
			link_to(m->made[i / 2], 4, sealed_new(m->arena));
	}
	return NULL;
}

TEST_F_TIMEOUT(permanent, made_beside_collections, 300)
{
	struct maker m = { .arena = self->arena, .root = &self->root[1] };
	unsigned int i, n = 0;

	/* Something to trace. */
	self->root[0] = NULL;
	for (i = 0; i < 20000; i++) {
		uint64_t p = sealed_new(self->arena);

		link_to(p, 0, self->root[0] ? hide(self->root[0]) : 0);
		self->root[0] = reveal(p);
	}
	ASSERT_EQ(0, pthread_create(&m.thread, NULL, make_some, &m));
	while (atomic_load(&m.nr) < MADE && n < 60) {
		collect(_metadata, self, n % 3 ? GCA_MAJOR : GCA_MINOR);
		n++;
	}
	pthread_join(m.thread, NULL);
	ASSERT_EQ(MADE, atomic_load(&m.nr));
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		collect(_metadata, self, kinds[i]);
		for (n = 0; n < MADE; n++) {
			uintptr_t *p = reveal(m.made[n]);

			ASSERT_TRUE(sealed_is_whole(m.made[n]));
			ASSERT_TRUE(sealed_is_whole(hide((void *)p[2])));
			ASSERT_TRUE(sealed_is_whole(hide((void *)p[3])));
			ASSERT_TRUE(!p[4] || sealed_is_whole(hide((void *)p[4])));
		}
	}
	EXPECT_EQ(MADE, raw_stats_of(gca_fd(self->arena)).permanent_objects);
}

TEST_HARNESS_MAIN
