// SPDX-License-Identifier: GPL-2.0
/*
 * Allocation through libgcarena: what comes back is zero, aligned, distinct and of
 * the right layout; what cannot be had is refused with an errno and a sentence.
 *
 * Most tests use an arena with explicit roots and without collections of its own
 * accord, so that objects die when the test says so and counts are exact.
 */
#include <kselftest_harness.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "gcarena.h"
#include "lib/oracle.h"
#include "lib/rawarena.h"

#define MIB		(1024UL * 1024)
#define NR_ROOTS	4096

struct pair {
	void *a;
	long number;
	void *b;
};

struct byte {
	char c;
};

static bool aligned(const void *p)
{
	return (uintptr_t)p % 16 == 0;
}

static void read_stats(struct __test_metadata *_metadata, gca_arena *arena,
		       struct gca_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->size = sizeof(*stats);
	ASSERT_EQ(0, gca_read_stats_in(arena, stats));
}

static void query(struct __test_metadata *_metadata, const void *p, struct gca_object *object)
{
	int err;

	memset(object, 0, sizeof(*object));
	object->size = sizeof(*object);
	err = gca_query(p, object);
	ASSERT_EQ(0, err) {
		TH_LOG("gca_query(%p): %s", p, gca_strerror(err));
	}
}

static int query_error(const void *p)
{
	struct gca_object object = { .size = sizeof(object) };

	return gca_query(p, &object);
}

FIXTURE(heap)
{
	gca_arena *arena;
	void **roots;
	gca_type *pair, *byte;
};

FIXTURE_SETUP(heap)
{
	self->arena = open_arena(GCA_ROOTS_EXPLICIT, GCA_GC_PERCENT_OFF, 0);
	ASSERT_NE(NULL, self->arena) {
		TH_LOG("gca_open: %s", gca_strerror(errno));
	}
	self->roots = calloc(NR_ROOTS, sizeof(void *));
	ASSERT_NE(NULL, self->roots);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, self->roots, NR_ROOTS * sizeof(void *)));
	self->pair = GCA_TYPE_IN(self->arena, struct pair, a, b);
	ASSERT_NE(NULL, self->pair);
	self->byte = GCA_TYPE_NOSCAN_IN(self->arena, struct byte);
	ASSERT_NE(NULL, self->byte);
}

FIXTURE_TEARDOWN(heap)
{
	EXPECT_EQ(0, gca_close(self->arena));
	free(self->roots);
}

/* ---- Every size ------------------------------------------------------------ */

enum layout { CONSERVATIVE, NOSCAN, BYTES, PAIRS };

FIXTURE(sizes)
{
	gca_arena *arena;
	gca_type *pair, *byte;
	struct block *blocks;
	size_t nr;
};

FIXTURE_VARIANT(sizes)
{
	enum layout layout;
};

FIXTURE_VARIANT_ADD(sizes, conservative)
{
	.layout = CONSERVATIVE,
};

FIXTURE_VARIANT_ADD(sizes, noscan)
{
	.layout = NOSCAN,
};

FIXTURE_VARIANT_ADD(sizes, typed_without_pointers)
{
	.layout = BYTES,
};

FIXTURE_VARIANT_ADD(sizes, typed_with_pointers)
{
	.layout = PAIRS,
};

struct block {
	uintptr_t start;
	size_t size;
};

#define MAX_BLOCKS	8192

/* Every size to 1100, then sparse, all class boundaries, and large ones. */
static size_t list_sizes(int fd, struct block *blocks)
{
	static const size_t large[] = {
		40000, 65536, 100000, MIB, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 5 * MIB,
	};
	struct raw_class_table table;
	size_t nr = 0, size, i;

	if (raw_classes(fd, &table))
		return 0;
	size = table.entry[table.nr - 1].slot_size;
	for (i = 0; i <= size; i += i < 1100 ? 1 : 193)
		blocks[nr++].size = i;
	for (i = 1; i < table.nr; i++) {
		blocks[nr++].size = table.entry[i].slot_size - 1;
		blocks[nr++].size = table.entry[i].slot_size;
		blocks[nr++].size = table.entry[i].slot_size + 1;
	}
	for (i = 0; i < ARRAY_SIZE(large); i++)
		blocks[nr++].size = large[i];
	return nr;
}

FIXTURE_SETUP(sizes)
{
	self->arena = open_arena(GCA_ROOTS_EXPLICIT, GCA_GC_PERCENT_OFF, 0);
	ASSERT_NE(NULL, self->arena) {
		TH_LOG("gca_open: %s", gca_strerror(errno));
	}
	self->pair = GCA_TYPE_IN(self->arena, struct pair, a, b);
	self->byte = GCA_TYPE_NOSCAN_IN(self->arena, struct byte);
	ASSERT_NE(NULL, self->pair);
	ASSERT_NE(NULL, self->byte);
	self->blocks = calloc(MAX_BLOCKS, sizeof(*self->blocks));
	ASSERT_NE(NULL, self->blocks);
	self->nr = list_sizes(gca_fd(self->arena), self->blocks);
	ASSERT_LT(1100, self->nr);
	ASSERT_GE(MAX_BLOCKS, self->nr);
	if (variant->layout == PAIRS)
		for (size_t i = 0; i < self->nr; i++)
			self->blocks[i].size -= self->blocks[i].size % sizeof(struct pair);
}

FIXTURE_TEARDOWN(sizes)
{
	EXPECT_EQ(0, gca_close(self->arena));
	free(self->blocks);
}

static void *allocate(const FIXTURE_DATA(sizes) *self, enum layout layout, size_t size)
{
	switch (layout) {
	case CONSERVATIVE:
		return gca_alloc_in(self->arena, size);
	case NOSCAN:
		return gca_alloc_noscan_in(self->arena, size);
	case BYTES:
		return gca_make(self->byte, size);
	default:
		return gca_make(self->pair, size / sizeof(struct pair));
	}
}

static int compare_blocks(const void *a, const void *b)
{
	const struct block *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Two objects of size 0 are distinct too: they count as one byte long. */
static size_t count_overlaps(const struct block *blocks, size_t nr)
{
	struct block *sorted = malloc(nr * sizeof(*sorted));
	size_t i, overlaps = 0;

	memcpy(sorted, blocks, nr * sizeof(*sorted));
	qsort(sorted, nr, sizeof(*sorted), compare_blocks);
	for (i = 1; i < nr; i++)
		if (sorted[i - 1].start + (sorted[i - 1].size ?: 1) > sorted[i].start)
			overlaps++;
	free(sorted);
	return overlaps;
}

static void allocate_all(struct __test_metadata *_metadata, FIXTURE_DATA(sizes) *self,
			 enum layout layout)
{
	size_t i;

	for (i = 0; i < self->nr; i++) {
		struct block *block = &self->blocks[i];
		void *p = allocate(self, layout, block->size);

		ASSERT_NE(NULL, p) {
			TH_LOG("%zu bytes: %s", block->size, gca_strerror(errno));
		}
		ASSERT_TRUE(aligned(p)) {
			TH_LOG("%zu bytes at %p", block->size, p);
		}
		ASSERT_TRUE(all_zero(p, block->size)) {
			TH_LOG("%zu bytes at %p", block->size, p);
		}
		memset(p, 0xa5, block->size);
		block->start = (uintptr_t)p;
	}
}

static void query_all(struct __test_metadata *_metadata, FIXTURE_DATA(sizes) *self,
		      enum layout layout)
{
	gca_type *types[] = { NULL, NULL, self->byte, self->pair };
	struct gca_object object;
	size_t i;

	for (i = 0; i < self->nr; i++) {
		struct block *block = &self->blocks[i];

		query(_metadata, (char *)block->start + block->size / 2, &object);
		ASSERT_EQ(block->start, (uintptr_t)object.base);
		ASSERT_LE(block->size, object.bytes);
		ASSERT_EQ(types[layout], object.type);
		/* A type without pointers is as good as noscan, and may say so. */
		if (layout != BYTES)
			ASSERT_EQ(layout == NOSCAN, object.noscan);
	}
}

/* The second round finds the memory dirty that the first one left. */
TEST_F_TIMEOUT(sizes, zeroed_aligned_and_distinct, 120)
{
	struct gca_stats before, after;
	int round;

	for (round = 0; round < 2; round++) {
		allocate_all(_metadata, self, variant->layout);
		EXPECT_EQ(0, count_overlaps(self->blocks, self->nr));
		query_all(_metadata, self, variant->layout);
		read_stats(_metadata, self->arena, &after);
		EXPECT_EQ(self->nr, after.heap_objects);
		if (round == 0)
			before = after;
		EXPECT_EQ(0, collect_count(self->arena));
	}
	EXPECT_EQ(before.heap_alloc, after.heap_alloc);
	EXPECT_LE(after.heap_sys, before.heap_sys);
	EXPECT_EQ(2 * self->nr, after.mallocs);
}

/* ---- gca_new, gca_make ----------------------------------------------------- */

TEST_F(heap, new_and_make)
{
	struct gca_object object;
	struct pair *one = gca_new(self->pair), *many = gca_make(self->pair, 100);
	char *none = gca_make(self->pair, 0);

	ASSERT_NE(NULL, one);
	ASSERT_NE(NULL, many);
	ASSERT_NE(NULL, none);
	EXPECT_TRUE(all_zero(one, sizeof(*one)));
	EXPECT_TRUE(all_zero(many, 100 * sizeof(*many)));
	query(_metadata, &one->b, &object);
	EXPECT_EQ((void *)one, object.base);
	EXPECT_EQ(self->pair, object.type);
	query(_metadata, &many[99].b, &object);
	EXPECT_EQ((void *)many, object.base);
	EXPECT_EQ(self->pair, object.type);
	EXPECT_LE(100 * sizeof(*many), object.bytes);
}

static void expect_too_big(struct __test_metadata *_metadata, void *p)
{
	int error = errno;

	EXPECT_EQ(NULL, p);
	EXPECT_TRUE(error == ENOSPC || error == ENOMEM || error == EOVERFLOW || error == EINVAL) {
		TH_LOG("errno %d", error);
	}
}

TEST_F(heap, impossible_sizes)
{
	struct gca_stats stats;
	size_t n;

	/* The second product wraps round to 8 bytes, the third to just below 0. */
	for (n = SIZE_MAX / 8; n; n = n == SIZE_MAX ? 0 : SIZE_MAX) {
		errno = 0;
		expect_too_big(_metadata, gca_make(self->pair, n));
	}
	errno = 0;
	expect_too_big(_metadata, gca_make(self->pair, SIZE_MAX / sizeof(struct pair) + 1));
	for (n = SIZE_MAX; n > 1UL << 40; n = n / 2 - 7) {
		errno = 0;
		expect_too_big(_metadata, gca_alloc_in(self->arena, n));
		errno = 0;
		expect_too_big(_metadata, gca_alloc_noscan_in(self->arena, n));
		errno = 0;
		expect_too_big(_metadata, gca_make(self->byte, n));
	}
	/* Nothing is left behind, and the arena works. */
	read_stats(_metadata, self->arena, &stats);
	EXPECT_EQ(0, stats.heap_objects);
	EXPECT_NE(NULL, gca_alloc_in(self->arena, 1));
}

TEST_F(heap, type_errors)
{
	uint64_t map[2] = { 1ULL << 3, 0 };
	static const size_t bad_sizes[] = { 0, SIZE_MAX, 3UL << 30 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad_sizes); i++) {
		errno = 0;
		EXPECT_EQ(NULL, gca_type_define_in(self->arena, "bad", bad_sizes[i], 0));
		EXPECT_NE(0, errno);
	}
	/* A pointer in word 3 of an element of two words. */
	errno = 0;
	EXPECT_EQ(NULL, gca_type_from_bitmap_in(self->arena, "bad", 16, map));
	EXPECT_EQ(EINVAL, errno);
	/* A member that sticks out, and one that is not aligned. */
	errno = 0;
	EXPECT_EQ(NULL, gca_type_define_in(self->arena, "bad", 16, 1, (size_t)16, (size_t)8));
	EXPECT_EQ(EINVAL, errno);
	errno = 0;
	EXPECT_EQ(NULL, gca_type_define_in(self->arena, "bad", 16, 1, (size_t)4, (size_t)8));
	EXPECT_EQ(EINVAL, errno);
}

struct a_structure_whose_name_is_longer_than_the_kernel_keeps {
	void *p;
};

TEST_F(heap, long_type_name)
{
	gca_type *type = GCA_TYPE_IN(self->arena,
				     struct a_structure_whose_name_is_longer_than_the_kernel_keeps,
				     p);

	ASSERT_NE(NULL, type);
	EXPECT_NE(NULL, gca_new(type));
}

/* ---- gca_realloc ----------------------------------------------------------- */

static const size_t realloc_sizes[] = {
	1, 8, 16, 17, 100, 1000, 4096, 32767, 32768, 32769, 100000, 3 * MIB,
};

static unsigned char pattern(size_t at)
{
	return at * 7 + at / 251 + 1;
}

static void write_pattern(unsigned char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = pattern(i);
}

static bool has_pattern(const unsigned char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i] != pattern(i))
			return false;
	return true;
}

static void check_realloc(struct __test_metadata *_metadata, gca_arena *arena, bool noscan,
			  size_t from, size_t to)
{
	unsigned char *p = noscan ? gca_alloc_noscan_in(arena, from) : gca_alloc_in(arena, from);
	size_t kept = from < to ? from : to;
	struct gca_object object;
	unsigned char *q;

	ASSERT_NE(NULL, p);
	write_pattern(p, from);
	q = gca_realloc(p, to);
	ASSERT_NE(NULL, q) {
		TH_LOG("%zu to %zu: %s", from, to, gca_strerror(errno));
	}
	ASSERT_TRUE(aligned(q));
	ASSERT_TRUE(has_pattern(q, kept)) {
		TH_LOG("%zu to %zu", from, to);
	}
	ASSERT_TRUE(all_zero(q + kept, to - kept)) {
		TH_LOG("%zu to %zu", from, to);
	}
	query(_metadata, q + to - 1, &object);
	ASSERT_EQ((void *)q, object.base);
	ASSERT_EQ(noscan, object.noscan);
	ASSERT_EQ(0, gca_free(q));
}

TEST_F(heap, realloc_keeps_contents_and_layout)
{
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(realloc_sizes); i++) {
		for (j = 0; j < ARRAY_SIZE(realloc_sizes); j++) {
			check_realloc(_metadata, self->arena, false, realloc_sizes[i],
				      realloc_sizes[j]);
			check_realloc(_metadata, self->arena, true, realloc_sizes[i],
				      realloc_sizes[j]);
		}
	}
}

/* Grown step by step into memory that earlier objects have dirtied. */
TEST_F(heap, realloc_tail_is_zero)
{
	unsigned char *p;
	size_t size, i;

	for (i = 0; i < 2000; i++)
		memset(gca_alloc_in(self->arena, i), 0xa5, i);
	ASSERT_EQ(0, collect_count(self->arena));
	p = gca_alloc_in(self->arena, 16);
	ASSERT_NE(NULL, p);
	write_pattern(p, 16);
	for (size = 16; size < 2000; size += 13) {
		p = gca_realloc(p, size + 13);
		ASSERT_NE(NULL, p);
		ASSERT_TRUE(has_pattern(p, size)) {
			TH_LOG("at %zu", size);
		}
		ASSERT_TRUE(all_zero(p + size, 13)) {
			TH_LOG("at %zu", size);
		}
		write_pattern(p, size + 13);
	}
}

TEST_F(heap, realloc_keeps_type)
{
	struct pair *p = gca_make(self->pair, 2);
	struct gca_object object;
	size_t i;

	ASSERT_NE(NULL, p);
	self->roots[0] = p;
	p[1].b = gca_alloc_in(self->arena, 16);
	/* A number that looks like a pointer: the type tells them apart. */
	p[1].number = (long)gca_alloc_in(self->arena, 16);
	for (i = 4; i < 300000; i *= 3) {
		p = gca_realloc(p, i * sizeof(*p));
		ASSERT_NE(NULL, p);
		self->roots[0] = p;
		query(_metadata, p, &object);
		ASSERT_EQ(self->pair, object.type);
		ASSERT_EQ(2, collect_count(self->arena));
		ASSERT_TRUE(is_object(hide(p[1].b)));
	}
}

TEST_F(heap, realloc_errors)
{
	char *p = gca_alloc_in(self->arena, 100), *large = gca_alloc_in(self->arena, MIB);
	int local;

	ASSERT_NE(NULL, p);
	ASSERT_NE(NULL, large);
	errno = 0;
	EXPECT_EQ(NULL, gca_realloc(p + 16, 200));
	EXPECT_EQ(EINVAL, errno);
	errno = 0;
	EXPECT_EQ(NULL, gca_realloc(large + 8192, 2 * MIB));
	EXPECT_EQ(EINVAL, errno);
	errno = 0;
	EXPECT_EQ(NULL, gca_realloc(&local, 200));
	EXPECT_EQ(EINVAL, errno);
	strcpy(p, "still here");
	errno = 0;
	EXPECT_EQ(NULL, gca_realloc(p, SIZE_MAX));
	EXPECT_NE(0, errno);
	EXPECT_STREQ("still here", p);
}

/* ---- gca_read_stats ------------------------------------------------------------ */

/* Compiled with the first gcarena.h: it gets what it knows, and nothing behind it. */
TEST_F(heap, stats_of_an_older_program)
{
	const size_t first = offsetof(struct gca_stats, mark_shared) + sizeof(uint64_t);
	struct gca_stats old, new;

	memset(&old, 0xa5, sizeof(old));
	old.size = first;
	ASSERT_NE(NULL, gca_alloc_in(self->arena, 100));
	ASSERT_EQ(0, gca_read_stats_in(self->arena, &old));
	EXPECT_EQ(first, old.size);
	EXPECT_EQ(1, old.heap_objects);
	EXPECT_EQ(0xa5a5a5a5a5a5a5a5ULL, old.dirty_method);
	EXPECT_EQ(0xa5a5a5a5a5a5a5a5ULL, old.quiet_faults);
	read_stats(_metadata, self->arena, &new);
	EXPECT_EQ(sizeof(new), new.size);
	EXPECT_NE(0, new.dirty_method);
	old.size = first - 1;
	EXPECT_EQ(-EINVAL, gca_read_stats_in(self->arena, &old));
}

/* ---- gca_free -------------------------------------------------------------- */

TEST_F(heap, free_small_and_large)
{
	static const size_t sizes[] = { 0, 1, 16, 500, 5000, 32768, 32769, 3 * MIB };
	struct gca_stats stats;
	char *p[ARRAY_SIZE(sizes)];
	size_t i, round;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			p[i] = gca_alloc_in(self->arena, sizes[i]);
			ASSERT_NE(NULL, p[i]);
			ASSERT_TRUE(all_zero(p[i], sizes[i])) {
				TH_LOG("%zu bytes", sizes[i]);
			}
			memset(p[i], 0xa5, sizes[i]);
		}
		read_stats(_metadata, self->arena, &stats);
		EXPECT_EQ(ARRAY_SIZE(sizes), stats.heap_objects);
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			EXPECT_EQ(0, gca_free(p[i])) {
				TH_LOG("%zu bytes", sizes[i]);
			}
		read_stats(_metadata, self->arena, &stats);
		EXPECT_EQ(0, stats.heap_objects);
		EXPECT_EQ(0, stats.heap_alloc);
	}
}

TEST_F(heap, free_errors)
{
	char *p = gca_alloc_in(self->arena, 100), *large = gca_alloc_in(self->arena, MIB);
	char *keep = gca_alloc_in(self->arena, 100);
	char *heap = malloc(100), *end;
	uint64_t length;
	int local;

	ASSERT_NE(NULL, p);
	ASSERT_NE(NULL, large);
	EXPECT_EQ(-EINVAL, gca_free(p + 1));
	EXPECT_EQ(-EINVAL, gca_free(p + 16));
	EXPECT_EQ(-EINVAL, gca_free(large + 4096));
	EXPECT_EQ(-EINVAL, gca_free(large + 65536));
	EXPECT_EQ(-EINVAL, gca_free(&local));
	EXPECT_EQ(-EINVAL, gca_free(heap));
	EXPECT_EQ(-EINVAL, gca_free((void *)gca_free));
	EXPECT_EQ(-EINVAL, gca_free((void *)-16L));
	end = (char *)gca_base(self->arena, &length) + length;
	EXPECT_EQ(-EINVAL, gca_free(end));
	EXPECT_EQ(-ENOENT, gca_free(end - 2 * MIB));
	/* None of that freed anything. */
	EXPECT_TRUE(is_object(hide(p)));
	EXPECT_TRUE(is_object(hide(large)));
	EXPECT_EQ(0, gca_free(p));
	EXPECT_EQ(-ENOENT, gca_free(p));
	EXPECT_EQ(0, gca_free(large));
	EXPECT_EQ(-ENOENT, gca_free(large));
	EXPECT_TRUE(is_object(hide(keep)));
	free(heap);
}

TEST_F(heap, free_null)
{
	EXPECT_EQ(0, gca_free(NULL));
}

/* What the collector took is not there to be freed. */
TEST_F(heap, free_after_collection)
{
	char *p = gca_alloc_in(self->arena, 100), *large = gca_alloc_in(self->arena, MIB);

	ASSERT_NE(NULL, p);
	ASSERT_NE(NULL, large);
	ASSERT_EQ(0, collect_count(self->arena));
	EXPECT_EQ(-ENOENT, gca_free(p));
	EXPECT_EQ(-ENOENT, gca_free(large));
}

/* A freed slot is given out again, and only once. */
TEST_F(heap, free_then_allocate)
{
	enum { NR = 500 };
	struct block blocks[NR];
	void *freed = NULL;
	int i, reused = 0;

	for (i = 0; i < NR; i++) {
		blocks[i].start = (uintptr_t)gca_alloc_in(self->arena, 48);
		blocks[i].size = 48;
		ASSERT_NE(0, blocks[i].start);
	}
	for (i = 0; i < NR; i += 2) {
		freed = (void *)blocks[i].start;
		ASSERT_EQ(0, gca_free(freed));
	}
	for (i = 0; i < NR; i += 2) {
		blocks[i].start = (uintptr_t)gca_alloc_in(self->arena, 48);
		ASSERT_TRUE(all_zero((void *)blocks[i].start, 48));
		reused += (void *)blocks[i].start == freed;
	}
	EXPECT_EQ(0, count_overlaps(blocks, NR));
	EXPECT_GE(1, reused);
}

/* ---- gca_query ------------------------------------------------------------- */

TEST_F(heap, query_every_byte)
{
	static const size_t sizes[] = { 1, 16, 24, 100, 1000, 5000 };
	struct gca_object object, first;
	size_t i, at;
	char *p;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		p = gca_alloc_in(self->arena, sizes[i]);
		ASSERT_NE(NULL, p);
		query(_metadata, p, &first);
		ASSERT_LE(sizes[i], first.bytes);
		ASSERT_EQ(0, first.large);
		ASSERT_EQ(0, first.old);
		for (at = 0; at < first.bytes; at++) {
			query(_metadata, p + at, &object);
			ASSERT_EQ((void *)p, object.base) {
				TH_LOG("%zu bytes, at %zu", sizes[i], at);
			}
		}
		object.base = NULL;
		gca_query(p + first.bytes, &object);
		ASSERT_NE((void *)p, object.base);
	}
}

TEST_F(heap, query_large)
{
	struct gca_object object;
	size_t at, size = 5 * MIB + 100;
	char *p = gca_alloc_noscan_in(self->arena, size);

	ASSERT_NE(NULL, p);
	for (at = 0; at < size; at += 4093) {
		query(_metadata, p + at, &object);
		ASSERT_EQ((void *)p, object.base);
		ASSERT_EQ(1, object.large);
		ASSERT_EQ(1, object.noscan);
		ASSERT_LE(size, object.bytes);
	}
	query(_metadata, p + size - 1, &object);
	EXPECT_EQ((void *)p, object.base);
}

TEST_F(heap, query_nothing)
{
	char *p = gca_alloc_in(self->arena, 100), *large = gca_alloc_in(self->arena, MIB);
	uint64_t hidden[] = { hide(p), hide(large) };
	char *base, *heap = malloc(1);
	uint64_t length;

	base = gca_base(self->arena, &length);
	EXPECT_EQ(-ENOENT, query_error(base + length - 1));
	EXPECT_EQ(-ENOENT, query_error(base + length / 2));
	/* Addresses in no arena at all. */
	EXPECT_EQ(-EINVAL, query_error(base + length));
	EXPECT_EQ(-EINVAL, query_error(base - 1));
	EXPECT_EQ(-EINVAL, query_error(heap));
	EXPECT_EQ(-EINVAL, query_error(NULL));
	EXPECT_EQ(-EINVAL, query_error((void *)-1L));
	EXPECT_EQ(2, count_objects(hidden, 2));
	ASSERT_EQ(0, collect_count(self->arena));
	EXPECT_EQ(0, count_objects(hidden, 2));
	free(heap);
}

TEST_F(heap, query_age)
{
	struct gca_object object;
	void *young;

	self->roots[0] = gca_alloc_in(self->arena, 100);
	query(_metadata, self->roots[0], &object);
	EXPECT_EQ(0, object.old);
	ASSERT_EQ(1, collect_count(self->arena));
	query(_metadata, self->roots[0], &object);
	EXPECT_EQ(1, object.old);
	EXPECT_EQ(1, object.marked);
	young = gca_alloc_in(self->arena, 100);
	query(_metadata, young, &object);
	EXPECT_EQ(0, object.old);
}

/* ---- The end of memory ----------------------------------------------------- */

/* A list through the first word, so that all of it is live. */
static size_t fill_up(gca_arena *arena, void **head, size_t size)
{
	size_t n = 0;
	void **p;

	while ((p = gca_alloc_in(arena, size))) {
		*p = *head;
		*head = p;
		n++;
	}
	return n;
}

static void check_limit(struct __test_metadata *_metadata, size_t size)
{
	gca_arena *arena = open_arena(GCA_ROOTS_EXPLICIT, GCA_GC_PERCENT_OFF, 4 * MIB);
	struct gca_stats stats;
	size_t n, again;
	void *head = NULL;
	uint64_t cycles;

	ASSERT_NE(NULL, arena);
	ASSERT_EQ(0, gca_roots_add_in(arena, &head, sizeof(head)));
	errno = 0;
	n = fill_up(arena, &head, size);
	EXPECT_EQ(ENOSPC, errno) {
		TH_LOG("%zu bytes: %s", size, gca_strerror(errno));
	}
	/* Most of the limit was usable. */
	EXPECT_LE(n * size, 4 * MIB);
	EXPECT_GE(n * size, 4 * MIB * 3 / 4);
	read_stats(_metadata, arena, &stats);
	EXPECT_LE(1, stats.num_gc);
	EXPECT_GE(4 * MIB, stats.heap_sys);
	EXPECT_EQ(n, stats.heap_objects);
	cycles = stats.num_gc;
	/* Still full, and it tries again each time. */
	errno = 0;
	EXPECT_EQ(NULL, gca_alloc_in(arena, size));
	EXPECT_EQ(ENOSPC, errno);
	read_stats(_metadata, arena, &stats);
	EXPECT_LT(cycles, stats.num_gc);
	/* Without the list everything is garbage: the same again, with no call. */
	head = NULL;
	again = fill_up(arena, &head, size);
	EXPECT_EQ(n, again);
	EXPECT_EQ(again, collect_count(arena));
	EXPECT_EQ(0, gca_close(arena));
}

TEST(limit_small_objects)
{
	check_limit(_metadata, 64);
}

TEST(limit_medium_objects)
{
	check_limit(_metadata, 8192);
}

TEST(limit_large_objects)
{
	check_limit(_metadata, 256 << 10);
}

/* Garbage beyond the limit, none of it live, is never refused. */
TEST(limit_is_no_bound_on_garbage)
{
	gca_arena *arena = open_arena(GCA_ROOTS_EXPLICIT, GCA_GC_PERCENT_OFF, 4 * MIB);
	struct gca_stats stats;
	size_t i;

	ASSERT_NE(NULL, arena);
	for (i = 0; i < 64; i++) {
		ASSERT_NE(NULL, gca_alloc_in(arena, MIB));
		ASSERT_NE(NULL, gca_alloc_in(arena, 30000));
	}
	read_stats(_metadata, arena, &stats);
	EXPECT_LE(15, stats.num_gc);
	EXPECT_EQ(0, stats.num_forced_gc);
	EXPECT_EQ(0, gca_close(arena));
}

TEST(limit_can_be_raised)
{
	gca_arena *arena = open_arena(GCA_ROOTS_EXPLICIT, GCA_GC_PERCENT_OFF, 4 * MIB);
	uint64_t old = 0;
	void *head = NULL;
	size_t n;

	ASSERT_NE(NULL, arena);
	ASSERT_EQ(0, gca_roots_add_in(arena, &head, sizeof(head)));
	n = fill_up(arena, &head, 16384);
	ASSERT_EQ(0, gca_set_limit_in(arena, 8 * MIB, &old));
	EXPECT_EQ(4 * MIB, old);
	/* As much again, less what does not fit at a span's or chunk's end. */
	EXPECT_LE(n * 3 / 4, fill_up(arena, &head, 16384));
	EXPECT_EQ(-EINVAL, gca_set_limit_in(arena, 8 * MIB + 4096, NULL));
	EXPECT_EQ(0, gca_close(arena));
}

/* ---- Errors in words ------------------------------------------------------- */

/* What went wrong, a colon, and what to do: more than the C library's words. */
static void check_text(struct __test_metadata *_metadata, int error)
{
	const char *text = gca_strerror(error), *remedy;

	ASSERT_NE(NULL, text);
	ASSERT_NE(0, error);
	EXPECT_STRNE(strerror(abs(error)), text);
	remedy = strstr(text, ": ");
	EXPECT_TRUE(remedy && strlen(remedy) > 15) {
		TH_LOG("%d: \"%s\"", error, text);
	}
}

TEST_F(heap, error_texts)
{
	char *p = gca_alloc_in(self->arena, 100);
	char text[512];

	check_text(_metadata, gca_free(p + 1));
	snprintf(text, sizeof(text), "%s", gca_strerror(EINVAL));
	/* It knows which call failed last: the same error, another sentence. */
	check_text(_metadata, gca_set_limit_in(self->arena, 12345, NULL));
	EXPECT_STRNE(text, gca_strerror(EINVAL));
	check_text(_metadata, gca_set_gc_percent_in(self->arena, -5, NULL));
	EXPECT_EQ(0, gca_free(p));
	check_text(_metadata, gca_free(p));
	check_text(_metadata, gca_roots_remove_in(self->arena, p, 8));
	ASSERT_EQ(NULL, gca_make(self->pair, SIZE_MAX / 8));
	check_text(_metadata, errno);
	ASSERT_EQ(NULL, gca_alloc_in(self->arena, 1UL << 40));
	check_text(_metadata, errno);
	ASSERT_EQ(NULL, gca_type_define_in(self->arena, "bad", 0, 0));
	check_text(_metadata, errno);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, (void *)8, 4096));
	check_text(_metadata, gca_collect_in(self->arena, GCA_FULL, NULL));
}

/* Errors that no call of this thread has met still have a text. */
TEST(error_texts_of_any_number)
{
	int error;

	for (error = -200; error <= 200; error++) {
		ASSERT_NE(NULL, gca_strerror(error));
		ASSERT_NE(0, strlen(gca_strerror(error)));
	}
}

TEST(open_errors)
{
	struct gca_options options = { .size = sizeof(options), .root_mode = 77 };

	errno = 0;
	EXPECT_EQ(NULL, gca_open(&options));
	EXPECT_NE(0, errno);
	options.root_mode = GCA_ROOTS_AUTO;
	options.reserve = 12345;
	errno = 0;
	EXPECT_EQ(NULL, gca_open(&options));
	EXPECT_EQ(EINVAL, errno);
	options.reserve = 0;
	options.gc_percent = -2;
	errno = 0;
	EXPECT_EQ(NULL, gca_open(&options));
	EXPECT_EQ(EINVAL, errno);
}

/* ---- Several arenas -------------------------------------------------------- */

static bool inside(gca_arena *arena, const void *p)
{
	uint64_t length = 0;
	char *base = gca_base(arena, &length);

	return (char *)p >= base && (char *)p < base + length;
}

TEST_F(heap, two_arenas)
{
	gca_arena *other = open_arena(GCA_ROOTS_EXPLICIT, GCA_GC_PERCENT_OFF, 0);
	uint64_t mine[100], theirs[100];
	gca_type *pair;
	int i;

	ASSERT_NE(NULL, other);
	ASSERT_NE(gca_fd(self->arena), gca_fd(other));
	pair = GCA_TYPE_IN(other, struct pair, a, b);
	ASSERT_NE(NULL, pair);
	for (i = 0; i < 100; i++) {
		mine[i] = hide(i % 2 ? gca_alloc_in(self->arena, 32) : gca_new(self->pair));
		theirs[i] = hide(i % 2 ? gca_alloc_in(other, 32) : gca_new(pair));
		ASSERT_TRUE(inside(self->arena, reveal(mine[i])));
		ASSERT_TRUE(inside(other, reveal(theirs[i])));
		ASSERT_FALSE(inside(other, reveal(mine[i])));
	}
	EXPECT_EQ(0, collect_count(other));
	EXPECT_EQ(100, count_objects(mine, 100));
	EXPECT_EQ(0, count_objects(theirs, 100));
	EXPECT_EQ(0, collect_count(self->arena));
	EXPECT_EQ(0, count_objects(mine, 100));
	/* Closing one leaves the other alone. */
	self->roots[0] = gca_alloc_in(self->arena, 32);
	EXPECT_EQ(0, gca_close(other));
	EXPECT_EQ(1, collect_count(self->arena));
}

/* The thread's caches change places at each allocation. */
TEST(many_arenas)
{
	enum { ARENAS = 8, NR = 500 };
	gca_arena *arenas[ARENAS];
	uint64_t hidden[ARENAS];
	int i, n;

	for (i = 0; i < ARENAS; i++) {
		arenas[i] = open_arena(GCA_ROOTS_EXPLICIT, GCA_GC_PERCENT_OFF, 0);
		ASSERT_NE(NULL, arenas[i]);
	}
	for (n = 0; n < NR; n++) {
		for (i = 0; i < ARENAS; i++) {
			hidden[i] = hide(gca_alloc_in(arenas[i], 16 + n % 3 * 100));
			ASSERT_TRUE(inside(arenas[i], reveal(hidden[i])));
		}
	}
	for (i = 0; i < ARENAS; i++) {
		struct gca_collection result;

		ASSERT_EQ(0, collect_exactly(arenas[i], &result));
		EXPECT_EQ(NR, result.freed_objects);
		EXPECT_EQ(ARENAS - 1 - i, count_objects(hidden, ARENAS));
	}
	/* Closed in an order that is neither that of opening nor its reverse. */
	for (i = 0; i < ARENAS; i++)
		EXPECT_EQ(0, gca_close(arenas[i * 3 % ARENAS]));
}

TEST(smallest_reserve)
{
	struct gca_options options = {
		.size = sizeof(options), .reserve = 2 * MIB,
		.root_mode = GCA_ROOTS_EXPLICIT, .gc_percent = GCA_GC_PERCENT_OFF,
	};
	gca_arena *arena = gca_open(&options);
	uint64_t length = 0;
	void *p;

	ASSERT_NE(NULL, arena);
	gca_base(arena, &length);
	EXPECT_EQ(2 * MIB, length);
	errno = 0;
	EXPECT_EQ(NULL, gca_alloc_in(arena, 2 * MIB + 1));
	EXPECT_EQ(ENOSPC, errno);
	/* All of it in one object, then in small ones: the big one is garbage. */
	p = gca_alloc_in(arena, 2 * MIB);
	ASSERT_NE(NULL, p);
	memset(p, 0xa5, 2 * MIB);
	p = gca_alloc_in(arena, 1000);
	ASSERT_NE(NULL, p);
	EXPECT_TRUE(all_zero(p, 1000));
	EXPECT_EQ(0, gca_close(arena));
}

TEST(default_arena)
{
	gca_arena *arena = gca_default();
	gca_type *pair = GCA_TYPE(struct pair, a, b);
	struct gca_stats stats = { .size = sizeof(stats) };
	void *p[5];
	int i, old;

	ASSERT_NE(NULL, arena);
	ASSERT_NE(NULL, pair);
	EXPECT_EQ(arena, gca_default());
	EXPECT_EQ(gca_fd(NULL), gca_fd(arena));
	p[0] = gca_alloc(10);
	p[1] = gca_alloc_noscan(10);
	p[2] = gca_new(pair);
	p[3] = gca_realloc(NULL, 10);
	p[4] = gca_alloc_in(NULL, 10);
	for (i = 0; i < 5; i++)
		EXPECT_TRUE(inside(arena, p[i]));
	EXPECT_TRUE(inside(NULL, p[0]));
	EXPECT_EQ(0, gca_read_stats(&stats));
	EXPECT_EQ(5, stats.heap_objects);
	EXPECT_EQ(0, gca_set_gc_percent(50, &old));
	EXPECT_EQ(100, old);
	EXPECT_EQ(0, gca_set_gc_percent(GCA_GC_PERCENT_OFF, &old));
	EXPECT_EQ(50, old);
	EXPECT_EQ(0, gca_collect(GCA_FULL));
	/* Here p[] is on the stack, so all five are alive. */
	for (i = 0; i < 5; i++)
		EXPECT_TRUE(is_object(hide(p[i])));
}

TEST(close_and_reopen)
{
	unsigned char residency;
	gca_arena *arena;
	void *base, *p;
	int i, fd;

	for (i = 0; i < 50; i++) {
		arena = open_arena(GCA_ROOTS_EXPLICIT, 0, 0);
		ASSERT_NE(NULL, arena);
		fd = gca_fd(arena);
		base = gca_base(arena, NULL);
		p = gca_alloc_in(arena, 100);
		ASSERT_NE(NULL, p);
		ASSERT_TRUE(all_zero(p, 100));
		memset(p, 0xa5, 100);
		ASSERT_NE(NULL, gca_alloc_in(arena, MIB));
		ASSERT_EQ(0, gca_close(arena));
		/* Neither the descriptor nor the mapping is left. */
		ASSERT_EQ(-1, fcntl(fd, F_GETFD));
		ASSERT_EQ(-1, mincore(base, 4096, &residency));
		ASSERT_EQ(ENOMEM, errno);
	}
}

TEST(close_default_and_use_it_again)
{
	void *p;
	int i;

	for (i = 0; i < 3; i++) {
		p = gca_alloc(100);
		ASSERT_NE(NULL, p);
		ASSERT_TRUE(inside(NULL, p));
		ASSERT_EQ(0, gca_close(gca_default()));
		ASSERT_NE(0, query_error(p));
	}
}

/* ---- Threads and processes ------------------------------------------------- */

struct worker {
	pthread_t thread;
	gca_arena *arena;
	void **keep;
	size_t nr_keep, nr_drop;
	size_t failures;
};

/* Leaves spans of several classes half used behind. */
static void *allocate_and_exit(void *arg)
{
	struct worker *worker = arg;
	size_t i;

	for (i = 0; i < worker->nr_keep; i++) {
		worker->keep[i] = gca_alloc_in(worker->arena, 16 + i % 5 * 100);
		worker->failures += !worker->keep[i];
	}
	for (i = 0; i < worker->nr_drop; i++)
		worker->failures += !gca_alloc_noscan_in(worker->arena, 16 + i % 7 * 50);
	return NULL;
}

TEST_F(heap, thread_exit_returns_spans)
{
	enum { NR = 4, KEEP = 777, DROP = 1234 };
	struct worker workers[NR];
	struct gca_collection result;
	struct gca_stats stats;
	int i;

	for (i = 0; i < NR; i++) {
		workers[i] = (struct worker){
			.arena = self->arena, .keep = self->roots + i * KEEP,
			.nr_keep = KEEP, .nr_drop = DROP,
		};
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, allocate_and_exit,
					    &workers[i]));
	}
	for (i = 0; i < NR; i++) {
		ASSERT_EQ(0, pthread_join(workers[i].thread, NULL));
		EXPECT_EQ(0, workers[i].failures);
	}
	read_stats(_metadata, self->arena, &stats);
	EXPECT_EQ(NR * (KEEP + DROP), stats.heap_objects);
	ASSERT_EQ(0, collect_exactly(self->arena, &result));
	EXPECT_EQ(NR * KEEP, result.live_objects);
	EXPECT_EQ(NR * DROP, result.freed_objects);
	memset(self->roots, 0, NR * KEEP * sizeof(void *));
	EXPECT_EQ(0, collect_count(self->arena));
}

/* Spans of a thread that had no chance to give them back come back as well. */
static void *allocate_and_vanish(void *arg)
{
	allocate_and_exit(arg);
	syscall(SYS_exit, 0);
	return NULL;
}

TEST_F(heap, thread_vanishes)
{
	struct worker worker = {
		.arena = self->arena, .keep = self->roots, .nr_keep = 100, .nr_drop = 100,
	};

	ASSERT_EQ(0, pthread_create(&worker.thread, NULL, allocate_and_vanish, &worker));
	ASSERT_EQ(0, pthread_join(worker.thread, NULL));
	EXPECT_EQ(0, worker.failures);
	EXPECT_EQ(100, collect_count(self->arena));
	memset(self->roots, 0, 100 * sizeof(void *));
	EXPECT_EQ(0, collect_count(self->arena));
}

#define NR_FORK		3000

struct shared {
	struct block parent[NR_FORK], child[NR_FORK];
};

static void fill_blocks(gca_arena *arena, struct block *blocks, int from, int to, int byte)
{
	int i;

	for (i = from; i < to; i++) {
		blocks[i].size = 16 + i % 9 * 40;
		blocks[i].start = (uintptr_t)gca_alloc_in(arena, blocks[i].size);
		if (!blocks[i].start || !all_zero((void *)blocks[i].start, blocks[i].size))
			_exit(1);
		memset((void *)blocks[i].start, byte, blocks[i].size);
	}
}

static size_t count_damaged(const struct block *blocks, int byte)
{
	size_t i, at, damaged = 0;

	for (i = 0; i < NR_FORK; i++) {
		const char *p = (const char *)blocks[i].start;

		for (at = 0; at < blocks[i].size && p[at] == byte; at++)
			;
		damaged += at < blocks[i].size;
	}
	return damaged;
}

/* The child's copy of the parent's free slots must not be used by both. */
TEST_F(heap, fork_child_allocates)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;

	ASSERT_NE(MAP_FAILED, shared);
	fill_blocks(self->arena, shared->parent, 0, NR_FORK / 2, 'p');
	child = fork();
	ASSERT_LE(0, child);
	if (child == 0) {
		fill_blocks(self->arena, shared->child, 0, NR_FORK, 'c');
		_exit(0);
	}
	fill_blocks(self->arena, shared->parent, NR_FORK / 2, NR_FORK, 'p');
	ASSERT_EQ(0, raw_reap(child));
	EXPECT_EQ(0, count_overlaps(&shared->parent[0], 2 * NR_FORK));
	EXPECT_EQ(0, count_damaged(shared->parent, 'p'));
	EXPECT_EQ(0, count_damaged(shared->child, 'c'));
	/* The child is gone: its objects are garbage like any other. */
	EXPECT_EQ(0, collect_count(self->arena));
}

/* An arena that a child opens is its own, whatever else it has inherited. */
TEST_F(heap, fork_child_opens_an_arena)
{
	pid_t child;

	ASSERT_NE(NULL, gca_alloc_in(self->arena, 100));
	child = fork();
	ASSERT_LE(0, child);
	if (child == 0) {
		gca_arena *arena = open_arena(GCA_ROOTS_EXPLICIT, 0, 0);
		void *p = arena ? gca_alloc_in(arena, 100) : NULL;

		if (!p || collect_count(arena) != 0 || is_object(hide(p)))
			_exit(1);
		_exit(gca_close(arena) ? 2 : 0);
	}
	ASSERT_EQ(0, raw_reap(child));
	EXPECT_EQ(0, collect_count(self->arena));
}

/*
 * Of a child that only lives, and of one that has an object: its roots count, the
 * ranges that it has inherited among them, until it is killed.
 */
TEST_F(heap, fork_child_dies)
{
	int i, pipes[2];
	pid_t child;

	self->roots[0] = gca_alloc_in(self->arena, 100);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pipe(pipes));
		child = fork();
		ASSERT_LE(0, child);
		if (child == 0) {
			if (i == 1)
				self->roots[1] = gca_alloc_in(self->arena, 100);
			raw_post(pipes[1]);
			pause();
		}
		ASSERT_EQ(0, raw_await(pipes[0]));
		EXPECT_EQ(1 + i, collect_count(self->arena));
		ASSERT_EQ(0, kill(child, SIGKILL));
		ASSERT_EQ(128 + SIGKILL, raw_reap(child));
		EXPECT_EQ(1, collect_count(self->arena));
	}
}

TEST_HARNESS_MAIN
