// SPDX-License-Identifier: GPL-2.0
/*
 * What REFILL, RELEASE, ALLOC, FREE and OBJECT say about memory, held against the
 * memory itself: places, sizes, bitmaps, zeroes, limits and what may be handed
 * out again. Explicit roots only, so that the test decides what is reachable.
 */
#define _GNU_SOURCE
#include <stdlib.h>

#include "kselftest_harness.h"
#include "lib/rawarena.h"

#define ARENA_RESERVE	(512 * RAW_MIB)
#define MAX_INTERVALS	4096
#define NR_ROOTS	4096
#define CONSERVATIVE	GCARENA_LAYOUT_CONSERVATIVE
#define NOSCAN		GCARENA_LAYOUT_NOSCAN

static void __attribute__((constructor)) need_device(void)
{
	raw_need_device();
}

/* All that the collector takes for roots in these tests. */
static __u64 roots[NR_ROOTS];

/* Memory that is in somebody's hands. */
struct interval {
	__u64 start, end;
	const char *what;
};

struct interval_set {
	unsigned int nr;
	struct interval entry[MAX_INTERVALS];
};

FIXTURE(arena) {
	struct rawarena arena;
	int fd;
	struct raw_class_table classes;
	struct gcarena_info info;
	__u32 typed;		/* a registered layout: the second of two words */
	struct interval_set *taken;
};

FIXTURE_SETUP(arena)
{
	memset(roots, 0, sizeof(roots));
	self->taken = calloc(1, sizeof(*self->taken));
	ASSERT_NE(NULL, self->taken);
	ASSERT_EQ(0, rawarena_open(&self->arena, ARENA_RESERVE,
				   GCARENA_ROOTS_EXPLICIT));
	self->fd = self->arena.fd;
	ASSERT_EQ(0, raw_classes(self->fd, &self->classes));
	ASSERT_EQ(0, raw_info(self->fd, &self->info));
	ASSERT_EQ(0, raw_type_add(self->fd, 16, 2, &self->typed));
	ASSERT_EQ(0, raw_roots_add(self->fd, roots, sizeof(roots)));
}

FIXTURE_TEARDOWN(arena)
{
	rawarena_close(&self->arena);
	free(self->taken);
}

static struct gcarena_stats stats_of(struct __test_metadata *_metadata, int fd)
{
	struct gcarena_stats stats;

	ASSERT_EQ(0, raw_stats(fd, &stats));
	return stats;
}

static bool is_zero(const void *start, __u64 bytes)
{
	const char *p = start;

	return !bytes || (!p[0] && !memcmp(p, p + 1, bytes - 1));
}

/* ---- The size-class table ------------------------------------------------------ */

TEST_F(arena, class_table_shape)
{
	const struct raw_class_table *table = &self->classes;
	const struct gcarena_size_class *row;
	__u32 i;

	EXPECT_TRUE(is_zero(&table->entry[0], sizeof(table->entry[0])));
	EXPECT_EQ(self->info.nr_size_classes, table->nr);
	EXPECT_EQ(self->info.max_small, table->entry[table->nr - 1].slot_size);
	for (i = 1; i < table->nr; i++) {
		row = &table->entry[i];
		EXPECT_LT(table->entry[i - 1].slot_size, row->slot_size);
		EXPECT_EQ(0U, row->slot_size % 16);
		EXPECT_EQ(0U, row->span_size % self->info.block_size);
		EXPECT_EQ(row->span_size / row->slot_size, row->nr_slots);
		EXPECT_LE(row->nr_slots, GCARENA_SPAN_WORDS * 64U);
		EXPECT_LE(1U, row->nr_slots);
		EXPECT_EQ(0U, row->reserved);
	}
}

/*
 * Waste is at most an eighth: of a span, behind its last slot; and of a slot,
 * behind the smallest object that takes it, from where steps of 16 are an eighth.
 */
TEST_F(arena, class_table_waste)
{
	const struct raw_class_table *table = &self->classes;
	__u32 i, tail, step;

	for (i = 1; i < table->nr; i++) {
		const struct gcarena_size_class *row = &table->entry[i];

		tail = row->span_size - row->nr_slots * row->slot_size;
		EXPECT_LE(tail * 8, row->span_size) {
			TH_LOG("class %u: tail of %u bytes", i, tail);
		}
		if (row->slot_size <= 128)
			continue;
		step = row->slot_size - (table->entry[i - 1].slot_size + 1);
		EXPECT_LE(step * 8, row->slot_size) {
			TH_LOG("class %u: step of %u bytes", i, step);
		}
	}
}

/* ---- Spans as they are handed out ------------------------------------------------ */

static void take_interval(struct __test_metadata *_metadata, struct interval_set *set,
			  __u64 start, __u64 bytes, const char *what)
{
	ASSERT_GT(MAX_INTERVALS, set->nr);
	set->entry[set->nr++] = (struct interval){ start, start + bytes, what };
}

static int compare_intervals(const void *a, const void *b)
{
	const struct interval *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static void expect_no_overlap(struct __test_metadata *_metadata,
			      struct interval_set *set)
{
	unsigned int i;

	qsort(set->entry, set->nr, sizeof(set->entry[0]), compare_intervals);
	for (i = 1; i < set->nr; i++) {
		EXPECT_LE(set->entry[i - 1].end, set->entry[i].start) {
			TH_LOG("%s %#llx-%#llx and %s %#llx-%#llx",
			       set->entry[i - 1].what, set->entry[i - 1].start,
			       set->entry[i - 1].end, set->entry[i].what,
			       set->entry[i].start, set->entry[i].end);
		}
	}
}

/* The words of the bitmap that span->nr_slots makes use of. */
static unsigned int bitmap_words(const struct gcarena_span *span)
{
	return (span->nr_slots + 63) / 64;
}

static void expect_sane_bitmap(struct __test_metadata *_metadata,
			       const struct gcarena_span *span)
{
	unsigned int words = bitmap_words(span), rest = span->nr_slots % 64;

	EXPECT_LE(1U, span->nr_free);
	EXPECT_LE(span->nr_free, span->nr_slots);
	EXPECT_EQ(raw_count_free(span), span->nr_free);
	if (rest)
		EXPECT_EQ(0ULL, span->free[words - 1] >> rest);
}

static void expect_sane_span(struct __test_metadata *_metadata, FIXTURE_DATA(arena) * self,
			     const struct gcarena_span *span, __u32 size_class,
			     __u32 layout)
{
	const struct gcarena_size_class *row = &self->classes.entry[size_class];

	EXPECT_EQ(size_class, span->size_class);
	EXPECT_EQ(layout, span->layout);
	EXPECT_EQ(row->slot_size, span->slot_size);
	EXPECT_EQ(row->nr_slots, span->nr_slots);
	EXPECT_EQ(0U, span->flags & ~GCARENA_SPAN_ZEROED);
	EXPECT_EQ(0ULL, (span->base - self->arena.base) % self->info.block_size);
	EXPECT_TRUE(rawarena_holds(&self->arena, span->base, row->span_size));
	expect_sane_bitmap(_metadata, span);
}

/* Overwrites all free slots, after a look at what a zeroed span promises. */
static void use_free_slots(struct __test_metadata *_metadata,
			   const struct gcarena_span *span, int fill)
{
	unsigned int slot;

	for (slot = 0; slot < span->nr_slots; slot++) {
		void *object = (void *)(uintptr_t)raw_slot(span, slot);

		if (!raw_slot_is_free(span, slot))
			continue;
		if (span->flags & GCARENA_SPAN_ZEROED)
			EXPECT_TRUE(is_zero(object, span->slot_size));
		memset(object, fill, span->slot_size);
	}
}

static void check_class(struct __test_metadata *_metadata, FIXTURE_DATA(arena) * self,
			__u32 size_class, __u32 layout)
{
	struct gcarena_span span;

	ASSERT_EQ(1, raw_refill(self->fd, size_class, layout, &span, 1))
		TH_LOG("class %u, layout %u", size_class, layout);
	expect_sane_span(_metadata, self, &span, size_class, layout);
	use_free_slots(_metadata, &span, 0xa5);
	take_interval(_metadata, self->taken, span.base,
		      self->classes.entry[size_class].span_size, "span");
}

TEST_F(arena, every_class_and_layout)
{
	const __u32 layouts[] = { CONSERVATIVE, NOSCAN, self->typed };
	unsigned int i, round;
	__u32 size_class;

	for (round = 0; round < 2; round++)
		for (i = 0; i < ARRAY_SIZE(layouts); i++)
			for (size_class = 1; size_class < self->classes.nr; size_class++)
				check_class(_metadata, self, size_class, layouts[i]);
	expect_no_overlap(_metadata, self->taken);
}

TEST_F(arena, many_spans_in_one_call)
{
	struct gcarena_span spans[GCARENA_REFILL_MAX];
	int n, i;

	n = raw_refill(self->fd, 4, NOSCAN, spans, GCARENA_REFILL_MAX);
	ASSERT_EQ(GCARENA_REFILL_MAX, n);
	for (i = 0; i < n; i++) {
		expect_sane_span(_metadata, self, &spans[i], 4, NOSCAN);
		take_interval(_metadata, self->taken, spans[i].base,
			      self->classes.entry[4].span_size, "span");
	}
	expect_no_overlap(_metadata, self->taken);
}

/* "Words past the last slot are left as they were" */
TEST_F(arena, bitmap_words_past_the_last_slot)
{
	struct gcarena_span span;
	__u32 size_class;
	unsigned int word;

	for (size_class = 1; size_class < self->classes.nr; size_class++) {
		memset(&span, 0x5a, sizeof(span));
		ASSERT_EQ(1, raw_refill(self->fd, size_class, NOSCAN, &span, 1));
		for (word = bitmap_words(&span); word < GCARENA_SPAN_WORDS; word++)
			EXPECT_EQ(0x5a5a5a5a5a5a5a5aULL, span.free[word]);
	}
}

/* What REFILL hands out takes no page fault. */
TEST_F(arena, spans_are_populated)
{
	__u64 before, after;
	__u32 size_class;

	for (size_class = 1; size_class < self->classes.nr; size_class++) {
		struct gcarena_span span;

		ASSERT_EQ(1, raw_refill(self->fd, size_class, NOSCAN, &span, 1));
		before = stats_of(_metadata, self->fd).faults;
		use_free_slots(_metadata, &span, 1);
		after = stats_of(_metadata, self->fd).faults;
		EXPECT_EQ(before, after)
			TH_LOG("class %u", size_class);
	}
	EXPECT_LT(0ULL, stats_of(_metadata, self->fd).populated_pages);
}

/* ---- Memory that comes round again ------------------------------------------------ */

/* Dirty it, drop it, collect, get it again: what is called zeroed is zero. */
TEST_F(arena, zeroed_flag_after_reuse)
{
	static const __u32 sizes[] = { 16, 48, 256, 1024, 8192, 32768 };
	struct gcarena_span spans[GCARENA_REFILL_MAX];
	unsigned int i, round;
	__u32 size_class;
	int n, s;

	for (round = 0; round < 6; round++) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			size_class = raw_class_of(&self->classes, sizes[i]);
			n = raw_refill(self->fd, size_class, NOSCAN, spans,
				       GCARENA_REFILL_MAX);
			ASSERT_LT(0, n);
			for (s = 0; s < n; s++)
				use_free_slots(_metadata, &spans[s], round + 1);
		}
		ASSERT_EQ(0, raw_release_all(self->fd));
		ASSERT_EQ(0, raw_collect(self->fd,
					 round & 1 ? GCARENA_COLLECT_RELEASE : 0, NULL));
	}
}

/* One span after another until @base comes, or there are too many. */
static bool refill_until(int fd, __u32 size_class, __u64 base,
			 struct gcarena_span *span)
{
	int tries;

	for (tries = 0; tries < 64; tries++) {
		if (raw_refill(fd, size_class, NOSCAN, span, 1) != 1)
			return false;
		if (span->base == base)
			return true;
	}
	return false;
}

/* Slots 0 .. @nr - 1 in use and rooted, the span in nobody's hands. */
static __u64 span_with_objects(struct __test_metadata *_metadata, FIXTURE_DATA(arena) * self,
			       __u32 size_class, unsigned int nr)
{
	struct gcarena_span span;
	unsigned int i;

	ASSERT_EQ(1, raw_refill(self->fd, size_class, NOSCAN, &span, 1));
	for (i = 0; i < nr; i++) {
		roots[i] = (__u64)(uintptr_t)raw_take(&span);
		ASSERT_EQ(raw_slot(&span, i), roots[i]);
		memset((void *)(uintptr_t)roots[i], 0x77, span.slot_size);
	}
	ASSERT_EQ(0, raw_release(self->fd, &span, 1));
	return span.base;
}

TEST_F(arena, refill_after_release)
{
	const unsigned int nr = 100;
	__u64 base = span_with_objects(_metadata, self, 1, nr);
	struct gcarena_span span;
	unsigned int slot;

	ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
	ASSERT_TRUE(refill_until(self->fd, 1, base, &span));
	expect_sane_bitmap(_metadata, &span);
	EXPECT_EQ(span.nr_slots - nr, span.nr_free);
	for (slot = 0; slot < span.nr_slots; slot++)
		EXPECT_EQ(slot >= nr, raw_slot_is_free(&span, slot));
}

/* The released span says that everything is free, and more than everything. */
TEST_F(arena, release_lies)
{
	const unsigned int nr = 100;
	__u64 base = span_with_objects(_metadata, self, 1, nr);
	struct gcarena_span span;
	unsigned int slot;
	__u64 freed;

	ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
	ASSERT_TRUE(refill_until(self->fd, 1, base, &span));
	freed = stats_of(_metadata, self->fd).total_freed_objects;
	memset(span.free, 0xff, sizeof(span.free));
	ASSERT_EQ(0, raw_release(self->fd, &span, 1));
	EXPECT_EQ(freed, stats_of(_metadata, self->fd).total_freed_objects);
	for (slot = 0; slot < nr; slot++)
		EXPECT_EQ(0, raw_object(self->fd, roots[slot], NULL));

	ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
	ASSERT_TRUE(refill_until(self->fd, 1, base, &span));
	expect_sane_bitmap(_metadata, &span);
	for (slot = 0; slot < nr; slot++) {
		EXPECT_FALSE(raw_slot_is_free(&span, slot));
		EXPECT_EQ(0x7777777777777777ULL, *(__u64 *)(uintptr_t)roots[slot]);
	}
}

/* The opposite lie: nothing is free. The next collection knows better. */
TEST_F(arena, release_as_used_up)
{
	struct gcarena_span span, again;
	struct gcarena_collect collect;

	ASSERT_EQ(1, raw_refill(self->fd, 1, NOSCAN, &span, 1));
	memset(&again, 0, sizeof(again));
	again.base = span.base;
	ASSERT_EQ(0, raw_release(self->fd, &again, 1));
	ASSERT_EQ(0, raw_object(self->fd, span.base, NULL));
	ASSERT_EQ(0, raw_collect(self->fd, 0, &collect));
	EXPECT_EQ(span.nr_slots, collect.freed_objects);
	EXPECT_EQ(0ULL, collect.live_objects);
	ASSERT_EQ(-ENOENT, raw_object(self->fd, span.base, NULL));
}

/* Objects in a span that a thread holds are neither swept nor handed out again. */
TEST_F(arena, owned_spans_are_not_swept)
{
	struct gcarena_span mine, span;
	int i;

	ASSERT_EQ(1, raw_refill(self->fd, 1, NOSCAN, &mine, 1));
	use_free_slots(_metadata, &mine, 0x42);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
	/* Nor by commands that sweep what they look at. */
	EXPECT_EQ(0, raw_object(self->fd, mine.base, NULL));
	EXPECT_EQ(-EBUSY, raw_free(self->fd, mine.base));
	EXPECT_FALSE(refill_until(self->fd, 1, mine.base, &span));
	for (i = 0; i < (int)mine.nr_slots; i++) {
		const char *slot = (char *)(uintptr_t)raw_slot(&mine, i);

		EXPECT_EQ(0x42, slot[0]);
		EXPECT_EQ(0x42, slot[15]);
	}
}

/* What is reachable only through another object stays; what was cut off goes. */
TEST_F(arena, chain_is_followed)
{
	const __u32 layouts[] = { CONSERVATIVE, self->typed, NOSCAN };
	const int followed[] = { 0, 0, -ENOENT };
	struct gcarena_collect collect;
	__u64 *first, *second;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(layouts); i++) {
		struct raw_allocator from = {
			.fd = self->fd, .size_class = 1, .layout = layouts[i],
		};

		first = raw_new(&from);
		second = raw_new(&from);
		ASSERT_NE(NULL, second);
		first[1] = (__u64)(uintptr_t)second;
		roots[0] = (__u64)(uintptr_t)first;
		ASSERT_EQ(0, raw_release_all(self->fd));
		ASSERT_EQ(0, raw_collect(self->fd, 0, &collect));
		EXPECT_EQ(0, raw_object(self->fd, roots[0], NULL));
		EXPECT_EQ(followed[i], raw_object(self->fd, first[1], NULL))
			TH_LOG("layout %u", layouts[i]);
	}
}

/* Word 0 of the typed layout is no pointer, whatever it holds. */
TEST_F(arena, typed_word_without_bit_is_no_pointer)
{
	struct raw_allocator from = {
		.fd = self->fd, .size_class = 1, .layout = self->typed,
	};
	__u64 *first = raw_new(&from), *second = raw_new(&from);

	ASSERT_NE(NULL, second);
	first[0] = (__u64)(uintptr_t)second;
	roots[0] = (__u64)(uintptr_t)first;
	ASSERT_EQ(0, raw_release_all(self->fd));
	ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
	EXPECT_EQ(0, raw_object(self->fd, roots[0], NULL));
	EXPECT_EQ(-ENOENT, raw_object(self->fd, first[0], NULL));
}

/* ---- Large objects ---------------------------------------------------------------- */

static void check_large(struct __test_metadata *_metadata, FIXTURE_DATA(arena) * self,
			__u64 bytes, int fill, unsigned int root)
{
	__u64 addr;

	ASSERT_EQ(0, raw_alloc(self->fd, NOSCAN, bytes, &addr))
		TH_LOG("%llu bytes", bytes);
	EXPECT_EQ(0ULL, (addr - self->arena.base) % self->info.block_size);
	EXPECT_TRUE(rawarena_holds(&self->arena, addr, bytes));
	EXPECT_TRUE(is_zero((void *)(uintptr_t)addr, bytes))
		TH_LOG("%llu bytes at %#llx are not zero", bytes, addr);
	memset((void *)(uintptr_t)addr, fill, bytes);
	take_interval(_metadata, self->taken, addr, bytes, "large object");
	roots[root] = addr;
}

static bool all_bytes_are(__u64 addr, __u64 bytes, int value)
{
	const char *p = (char *)(uintptr_t)addr;

	return p[0] == (char)value && !memcmp(p, p + 1, bytes - 1);
}

static const __u64 large_sizes[] = {
	40 * RAW_KIB, 64 * RAW_KIB, 100000, RAW_MIB, 2 * RAW_MIB - 8192,
	2 * RAW_MIB - 1, 2 * RAW_MIB, 2 * RAW_MIB + 1, 3 * RAW_MIB + 4096,
	5 * RAW_MIB, 16 * RAW_MIB + 8,
};

TEST_F(arena, large_objects)
{
	unsigned int i;

	check_large(_metadata, self, self->info.max_small + 1, 1, 0);
	for (i = 0; i < ARRAY_SIZE(large_sizes); i++)
		check_large(_metadata, self, large_sizes[i], i + 1, i + 1);
	expect_no_overlap(_metadata, self->taken);
	for (i = 0; i < ARRAY_SIZE(large_sizes); i++)
		EXPECT_TRUE(all_bytes_are(roots[i + 1], large_sizes[i], i + 1));
}

/* Zero also where other large objects and small ones have been. */
TEST_F(arena, large_objects_recycled)
{
	struct gcarena_span span;
	unsigned int round, i;

	for (round = 0; round < 3; round++) {
		self->taken->nr = 0;
		ASSERT_EQ(1, raw_refill(self->fd, 1, NOSCAN, &span, 1));
		use_free_slots(_metadata, &span, 0x99);
		ASSERT_EQ(0, raw_release_all(self->fd));
		for (i = 0; i < ARRAY_SIZE(large_sizes); i++)
			check_large(_metadata, self, large_sizes[i], 0xee, i);
		expect_no_overlap(_metadata, self->taken);
		memset(roots, 0, sizeof(roots));
		ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
	}
}

/* A pointer to any of its chunks keeps a large object that spans several. */
TEST_F(arena, large_object_by_interior_pointer)
{
	static const __u64 offsets[] = {
		0, 1, 4095, 2 * RAW_MIB - 1, 2 * RAW_MIB, 4 * RAW_MIB + 3,
		5 * RAW_MIB - 1,
	};
	__u64 addr;
	size_t i;

	ASSERT_EQ(0, raw_alloc(self->fd, NOSCAN, 5 * RAW_MIB, &addr));
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		roots[0] = addr + offsets[i];
		ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
		EXPECT_EQ(0, raw_object(self->fd, addr, NULL))
			TH_LOG("offset %llu", offsets[i]);
	}
	roots[0] = 0;
	ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
	EXPECT_EQ(-ENOENT, raw_object(self->fd, addr, NULL));
}

/* Pointers on both sides of chunk boundaries inside a large object are followed. */
TEST_F(arena, large_object_is_scanned_whole)
{
	const __u64 bytes = 5 * RAW_MIB;
	const __u64 offsets[] = { 0, 2 * RAW_MIB - 8, 2 * RAW_MIB, bytes - 8 };
	__u64 *large, addr;
	size_t i;

	ASSERT_EQ(0, raw_alloc(self->fd, CONSERVATIVE, bytes, &addr));
	large = (__u64 *)(uintptr_t)addr;
	roots[0] = addr;
	for (i = 0; i < ARRAY_SIZE(offsets); i++)
		ASSERT_EQ(0, raw_alloc(self->fd, NOSCAN, 64 * RAW_KIB,
				       (__u64 *)&large[offsets[i] / 8]));
	ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		EXPECT_EQ(0, raw_object(self->fd, large[offsets[i] / 8], NULL))
			TH_LOG("from offset %llu", offsets[i]);
	}
}

/* ---- Limits ------------------------------------------------------------------------- */

static void set_limit(struct __test_metadata *_metadata, FIXTURE_DATA(arena) * self, __u64 limit)
{
	ASSERT_EQ(0, raw_set(self->fd, GCARENA_PARAM_LIMIT, limit, NULL));
}

/* Spans of one class, held, until there are no more; returns the last error. */
static int refill_until_error(int fd, __u32 size_class)
{
	struct gcarena_span spans[GCARENA_REFILL_MAX];
	int n;

	do {
		n = raw_refill(fd, size_class, NOSCAN, spans, GCARENA_REFILL_MAX);
	} while (n > 0);
	return n;
}

TEST_F(arena, refill_to_the_limit)
{
	struct gcarena_span span;
	struct gcarena_stats stats;

	set_limit(_metadata, self, 8 * RAW_MIB);
	EXPECT_EQ(-ENOSPC, refill_until_error(self->fd, 8));
	stats = stats_of(_metadata, self->fd);
	EXPECT_EQ(8 * RAW_MIB, stats.backing_bytes);
	EXPECT_LT(7 * RAW_MIB, stats.span_bytes);
	/* All is held: another collection finds nothing either. */
	EXPECT_EQ(-ENOSPC, raw_refill(self->fd, 8, NOSCAN, &span, 1));
	EXPECT_EQ(-ENOSPC, raw_refill(self->fd, 1, NOSCAN, &span, 1));
	ASSERT_EQ(0, raw_release_all(self->fd));
	EXPECT_EQ(1, raw_refill(self->fd, 8, NOSCAN, &span, 1));
	EXPECT_EQ(1, raw_refill(self->fd, 1, NOSCAN, &span, 1));
}

TEST_F(arena, large_to_the_limit)
{
	__u64 addr;
	int i;

	set_limit(_metadata, self, 8 * RAW_MIB);
	EXPECT_EQ(-ENOSPC, raw_alloc(self->fd, NOSCAN, 8 * RAW_MIB + 1, &addr));
	EXPECT_EQ(-ENOSPC, raw_alloc(self->fd, NOSCAN, ARENA_RESERVE, &addr));
	EXPECT_EQ(-ENOSPC, raw_alloc(self->fd, NOSCAN, ~0ULL, &addr));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, raw_alloc(self->fd, NOSCAN, 2 * RAW_MIB, &addr));
		roots[i] = addr;
	}
	EXPECT_EQ(-ENOSPC, raw_alloc(self->fd, NOSCAN, 64 * RAW_KIB, &addr));
	roots[2] = 0;
	EXPECT_EQ(0, raw_alloc(self->fd, NOSCAN, 2 * RAW_MIB, &addr));
}

/* The whole limit as one object. */
TEST_F(arena, large_is_the_limit)
{
	__u64 addr;

	set_limit(_metadata, self, 8 * RAW_MIB);
	ASSERT_EQ(0, raw_alloc(self->fd, NOSCAN, 8 * RAW_MIB, &addr));
	memset((void *)(uintptr_t)addr, 1, 8 * RAW_MIB);
	EXPECT_EQ(8 * RAW_MIB, stats_of(_metadata, self->fd).backing_bytes);
}

/* A full arena collects by itself, also with gc_percent off. */
TEST_F(arena, full_arena_collects)
{
	struct gcarena_stats stats;
	__u64 addr;
	int i;

	set_limit(_metadata, self, 8 * RAW_MIB);
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, raw_alloc(self->fd, NOSCAN, RAW_MIB, &addr))
			TH_LOG("object %d", i);
	}
	stats = stats_of(_metadata, self->fd);
	EXPECT_LE(stats.backing_peak, 8 * RAW_MIB);
	EXPECT_LT(0ULL, stats.cycles);
	EXPECT_EQ(0ULL, stats.cycles_forced);
}

/* Growth by gc_percent starts a collection, long before the arena is full. */
TEST_F(arena, growth_collects)
{
	struct gcarena_stats stats;
	__u64 addr;
	int i;

	ASSERT_EQ(0, raw_set(self->fd, GCARENA_PARAM_MIN_HEAP, 4 * RAW_MIB, NULL));
	ASSERT_EQ(0, raw_set(self->fd, GCARENA_PARAM_GC_PERCENT, 100, NULL));
	for (i = 0; i < 64; i++)
		ASSERT_EQ(0, raw_alloc(self->fd, NOSCAN, RAW_MIB, &addr));
	stats = stats_of(_metadata, self->fd);
	EXPECT_LE(8ULL, stats.cycles);
	EXPECT_GE(16 * RAW_MIB, stats.backing_peak);
	EXPECT_GE(16 * RAW_MIB, stats.next_gc);
}

/* A limit below what is held now: nothing is taken away, nothing more is given. */
TEST_F(arena, limit_lowered_below_use)
{
	__u64 addr;
	int i;

	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, raw_alloc(self->fd, NOSCAN, 2 * RAW_MIB, &addr));
		roots[i] = addr;
		memset((void *)(uintptr_t)addr, i + 1, 2 * RAW_MIB);
	}
	set_limit(_metadata, self, 8 * RAW_MIB);
	EXPECT_EQ(-ENOSPC, raw_alloc(self->fd, NOSCAN, 2 * RAW_MIB, &addr));
	for (i = 0; i < 8; i++)
		EXPECT_TRUE(all_bytes_are(roots[i], 2 * RAW_MIB, i + 1));
	memset(roots, 0, 6 * sizeof(roots[0]));
	EXPECT_EQ(0, raw_alloc(self->fd, NOSCAN, 2 * RAW_MIB, &addr));
	EXPECT_GE(8 * RAW_MIB, stats_of(_metadata, self->fd).backing_bytes);
}

/* "After ENOSPC ... the spans in @used have been taken back." */
TEST_F(arena, refill_enospc_takes_used_back)
{
	struct gcarena_span mine, other;
	struct gcarena_refill refill = {
		.size = sizeof(refill),
		.size_class = self->classes.nr - 1,
		.layout = NOSCAN,
		.used = (__u64)(uintptr_t)&mine.base,
		.spans = (__u64)(uintptr_t)&other,
		.nr_used = 1,
		.nr_spans = 1,
	};
	__u64 owned;

	set_limit(_metadata, self, 2 * RAW_MIB);
	ASSERT_EQ(1, raw_refill(self->fd, 1, NOSCAN, &mine, 1));
	roots[0] = mine.base;
	ASSERT_EQ(-ENOSPC, refill_until_error(self->fd, 8));
	ASSERT_EQ(-ENOSPC, refill_until_error(self->fd, self->classes.nr - 1));
	owned = stats_of(_metadata, self->fd).owned_spans;
	ASSERT_EQ(-ENOSPC, raw_ioctl(self->fd, GCARENA_IOC_REFILL, &refill));
	EXPECT_EQ(owned - 1, stats_of(_metadata, self->fd).owned_spans);
	EXPECT_EQ(-ENOENT, raw_use_up(self->fd, mine.base));
}

/* ---- FREE ------------------------------------------------------------------------- */

TEST_F(arena, free_large)
{
	__u64 addr;

	ASSERT_EQ(0, raw_alloc(self->fd, NOSCAN, 3 * RAW_MIB, &addr));
	EXPECT_EQ(-EINVAL, raw_free(self->fd, addr + 1));
	EXPECT_EQ(-EINVAL, raw_free(self->fd, addr + 8192));
	EXPECT_EQ(-EINVAL, raw_free(self->fd, addr + 2 * RAW_MIB));
	EXPECT_EQ(-EINVAL, raw_free(self->fd, addr + 3 * RAW_MIB - 1));
	EXPECT_EQ(0, raw_free(self->fd, addr));
	EXPECT_EQ(-ENOENT, raw_free(self->fd, addr));
	EXPECT_EQ(-ENOENT, raw_object(self->fd, addr, NULL));
	EXPECT_EQ(1ULL, stats_of(_metadata, self->fd).frees);
}

TEST_F(arena, free_small)
{
	__u64 base = span_with_objects(_metadata, self, 2, 10);
	__u32 slot_size = self->classes.entry[2].slot_size;
	struct gcarena_span span;

	EXPECT_EQ(-EINVAL, raw_free(self->fd, base + 1));
	EXPECT_EQ(-EINVAL, raw_free(self->fd, base + slot_size - 1));
	EXPECT_EQ(0, raw_free(self->fd, base + 3 * slot_size));
	EXPECT_EQ(-ENOENT, raw_free(self->fd, base + 3 * slot_size));
	/* Free when the span was released. */
	EXPECT_EQ(-ENOENT, raw_free(self->fd, base + 10 * slot_size));
	EXPECT_EQ(-ENOENT, raw_object(self->fd, base + 3 * slot_size, NULL));
	EXPECT_EQ(0, raw_object(self->fd, base + 4 * slot_size, NULL));

	/* Its neighbours live on, and the slot can be had again. */
	roots[3] = 0;
	ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
	ASSERT_TRUE(refill_until(self->fd, 2, base, &span));
	EXPECT_TRUE(raw_slot_is_free(&span, 3));
	EXPECT_FALSE(raw_slot_is_free(&span, 4));
}

TEST_F(arena, free_slot_of_owned_span)
{
	__u64 base = span_with_objects(_metadata, self, 2, 10);
	__u32 slot_size = self->classes.entry[2].slot_size;
	struct gcarena_span span;

	ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
	ASSERT_TRUE(refill_until(self->fd, 2, base, &span));
	/* Handed out free: only the thread knows. */
	EXPECT_EQ(-EBUSY, raw_free(self->fd, base + 10 * slot_size));
	EXPECT_EQ(-EINVAL, raw_free(self->fd, base + 10 * slot_size + 8));
	/* In use when it was handed out. */
	EXPECT_EQ(0, raw_free(self->fd, base + 5 * slot_size));
	EXPECT_EQ(-ENOENT, raw_free(self->fd, base + 5 * slot_size));
	/* And the claim that this slot is free too changes nothing. */
	memset(span.free, 0xff, sizeof(span.free));
	EXPECT_EQ(0, raw_release(self->fd, &span, 1));
	EXPECT_EQ(-ENOENT, raw_free(self->fd, base + 5 * slot_size));
	EXPECT_EQ(0, raw_object(self->fd, base + 4 * slot_size, NULL));
}

/* A class whose span has room behind the last slot. */
static __u32 class_with_tail(const struct raw_class_table *table)
{
	__u32 i;

	for (i = 1; i < table->nr; i++)
		if (table->entry[i].nr_slots * table->entry[i].slot_size + 16 <=
		    table->entry[i].span_size)
			return i;
	return 0;
}

TEST_F(arena, free_span_tail)
{
	__u32 size_class = class_with_tail(&self->classes);
	const struct gcarena_size_class *row = &self->classes.entry[size_class];
	struct gcarena_span span;
	__u64 tail;

	ASSERT_NE(0U, size_class);
	ASSERT_EQ(1, raw_refill(self->fd, size_class, NOSCAN, &span, 1));
	tail = span.base + (__u64)row->nr_slots * row->slot_size;
	EXPECT_EQ(-ENOENT, raw_free(self->fd, tail));
	EXPECT_EQ(-ENOENT, raw_object(self->fd, tail, NULL));
	EXPECT_EQ(-ENOENT, raw_object(self->fd, span.base + row->span_size - 1, NULL));
	/* A pointer into the tail keeps nothing, and breaks nothing. */
	roots[0] = tail;
	roots[1] = span.base + row->span_size - 1;
	ASSERT_EQ(0, raw_use_up(self->fd, span.base));
	ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
	EXPECT_EQ(-ENOENT, raw_object(self->fd, span.base, NULL));
}

TEST_F(arena, free_outside)
{
	__u64 base = self->arena.base, end = base + ARENA_RESERVE;

	EXPECT_EQ(-EINVAL, raw_free(self->fd, (__u64)(uintptr_t)roots));
	EXPECT_EQ(-EINVAL, raw_free(self->fd, base - 16));
	EXPECT_EQ(-EINVAL, raw_free(self->fd, end));
	/* In the arena, but never used. */
	EXPECT_EQ(-ENOENT, raw_free(self->fd, end - 8192));
}

/* What FREE gives back is given out again before the arena grows. */
TEST_F(arena, freed_memory_is_reused)
{
	__u64 addr;
	int i;

	set_limit(_metadata, self, 8 * RAW_MIB);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, raw_alloc(self->fd, NOSCAN, 5 * RAW_MIB, &addr));
		ASSERT_TRUE(is_zero((void *)(uintptr_t)addr, 5 * RAW_MIB));
		memset((void *)(uintptr_t)addr, 0xdd, 5 * RAW_MIB);
		ASSERT_EQ(0, raw_free(self->fd, addr));
	}
	EXPECT_EQ(0ULL, stats_of(_metadata, self->fd).cycles);
}

/* ---- OBJECT ------------------------------------------------------------------------ */

TEST_F(arena, object_small)
{
	__u32 size_class = raw_class_of(&self->classes, 100);
	struct gcarena_object object;
	struct gcarena_span span;
	__u64 addr;

	ASSERT_EQ(1, raw_refill(self->fd, size_class, self->typed, &span, 1));
	addr = raw_slot(&span, 3);
	ASSERT_EQ(0, raw_object(self->fd, addr + 50, &object));
	EXPECT_EQ(addr + 50, object.addr);
	EXPECT_EQ(addr, object.base);
	EXPECT_EQ(span.slot_size, object.bytes);
	EXPECT_EQ(self->typed, object.layout);
	EXPECT_EQ(size_class, object.size_class);
	EXPECT_EQ(GCARENA_REGION_YOUNG, (int)object.region);
	EXPECT_EQ(GCARENA_OBJECT_OWNED, object.state);
	/* First and last byte, and the neighbours. */
	ASSERT_EQ(0, raw_object(self->fd, addr, &object));
	EXPECT_EQ(addr, object.base);
	ASSERT_EQ(0, raw_object(self->fd, addr + span.slot_size - 1, &object));
	EXPECT_EQ(addr, object.base);
	ASSERT_EQ(0, raw_object(self->fd, addr - 1, &object));
	EXPECT_EQ(addr - span.slot_size, object.base);
	ASSERT_EQ(0, raw_object(self->fd, addr + span.slot_size, &object));
	EXPECT_EQ(addr + span.slot_size, object.base);
}

TEST_F(arena, object_free_slot)
{
	struct gcarena_span span;

	ASSERT_EQ(1, raw_refill(self->fd, 1, NOSCAN, &span, 1));
	/* Counts as an object while the thread has the span, and no longer. */
	EXPECT_EQ(0, raw_object(self->fd, span.base, NULL));
	ASSERT_EQ(0, raw_release(self->fd, &span, 1));
	EXPECT_EQ(-ENOENT, raw_object(self->fd, span.base, NULL));
}

TEST_F(arena, object_survivor)
{
	__u64 base = span_with_objects(_metadata, self, 1, 2);
	struct gcarena_object object;

	ASSERT_EQ(0, raw_object(self->fd, base, &object));
	EXPECT_EQ(0U, object.state);
	EXPECT_EQ(GCARENA_REGION_YOUNG, (int)object.region);
	ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
	ASSERT_EQ(0, raw_object(self->fd, base, &object));
	EXPECT_EQ(GCARENA_OBJECT_MARKED, object.state);
	EXPECT_EQ(GCARENA_REGION_OLD, (int)object.region);
}

TEST_F(arena, object_large)
{
	const __u64 bytes = 5 * RAW_MIB + 1;
	static const __u64 offsets[] = { 0, 1, 2 * RAW_MIB, 4 * RAW_MIB - 1,
					 5 * RAW_MIB };
	struct gcarena_object object;
	__u64 addr;
	size_t i;

	ASSERT_EQ(0, raw_alloc(self->fd, self->typed, bytes, &addr));
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		ASSERT_EQ(0, raw_object(self->fd, addr + offsets[i], &object));
		EXPECT_EQ(addr, object.base);
		EXPECT_LE(bytes, object.bytes);
		EXPECT_GT(bytes + self->info.block_size, object.bytes);
		EXPECT_EQ(self->typed, object.layout);
		EXPECT_EQ(0U, object.size_class);
		EXPECT_EQ(GCARENA_OBJECT_LARGE, object.state);
	}
	EXPECT_EQ(-ENOENT, raw_object(self->fd, addr + object.bytes, NULL));
}

/* ---- The books ---------------------------------------------------------------------- */

/* The counters of the header, by their own definitions, through one life. */
TEST_F(arena, stats_balance)
{
	const __u32 slot_size = self->classes.entry[1].slot_size;
	struct gcarena_collect collect;
	struct gcarena_stats stats;
	struct gcarena_span span;
	__u64 large;
	int i;

	ASSERT_EQ(1, raw_refill(self->fd, 1, NOSCAN, &span, 1));
	stats = stats_of(_metadata, self->fd);
	EXPECT_EQ(span.nr_slots, stats.heap_objects);
	EXPECT_EQ((__u64)span.nr_slots * slot_size, stats.heap_bytes);
	EXPECT_EQ(1ULL, stats.owned_spans);
	EXPECT_EQ(1ULL, stats.refills);
	EXPECT_EQ(1ULL, stats.refill_spans);
	EXPECT_EQ(span.nr_slots, stats.total_alloc_objects);

	for (i = 0; i < 10; i++)
		roots[i] = (__u64)(uintptr_t)raw_take(&span);
	ASSERT_EQ(0, raw_release(self->fd, &span, 1));
	stats = stats_of(_metadata, self->fd);
	EXPECT_EQ(10ULL, stats.heap_objects);
	EXPECT_EQ(10ULL * slot_size, stats.heap_bytes);
	EXPECT_EQ(0ULL, stats.owned_spans);
	EXPECT_EQ(10ULL, stats.total_alloc_objects);
	EXPECT_EQ(10ULL * slot_size, stats.total_alloc_bytes);

	ASSERT_EQ(0, raw_alloc(self->fd, NOSCAN, RAW_MIB, &large));
	stats = stats_of(_metadata, self->fd);
	EXPECT_EQ(11ULL, stats.heap_objects);
	EXPECT_EQ(10ULL * slot_size + RAW_MIB, stats.heap_bytes);
	EXPECT_EQ(1ULL, stats.large_allocs);

	memset(roots, 0, 4 * sizeof(roots[0]));
	ASSERT_EQ(0, raw_collect(self->fd, 0, &collect));
	EXPECT_EQ(6ULL, collect.live_objects);
	EXPECT_EQ(6ULL * slot_size, collect.live_bytes);
	EXPECT_EQ(5ULL, collect.freed_objects);
	EXPECT_EQ(4ULL * slot_size + RAW_MIB, collect.freed_bytes);
	stats = stats_of(_metadata, self->fd);
	EXPECT_EQ(6ULL, stats.heap_objects);
	EXPECT_EQ(5ULL, stats.total_freed_objects);
	EXPECT_EQ(11ULL, stats.total_alloc_objects);
	EXPECT_EQ(6ULL, stats.last_live_objects);
	EXPECT_EQ(stats.total_alloc_bytes - stats.total_freed_bytes, stats.heap_bytes);
	EXPECT_EQ(sizeof(roots), stats.root_bytes_last);
	EXPECT_EQ(collect.pause_ns, stats.pause_last_ns);

	ASSERT_EQ(0, raw_free(self->fd, roots[9]));
	stats = stats_of(_metadata, self->fd);
	EXPECT_EQ(5ULL, stats.heap_objects);
	EXPECT_EQ(6ULL, stats.total_freed_objects);
	EXPECT_EQ(1ULL, stats.frees);
}

/* Everything dropped, everything back with the system. */
TEST_F(arena, release_gives_all_back)
{
	struct gcarena_collect collect;
	struct gcarena_stats stats;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(large_sizes); i++)
		check_large(_metadata, self, large_sizes[i], 1, i);
	stats = stats_of(_metadata, self->fd);
	EXPECT_EQ(stats.backing_bytes,
		  (stats.huge_chunks + stats.split_chunks) * GCARENA_CHUNK_SIZE);
	memset(roots, 0, sizeof(roots));
	ASSERT_EQ(0, raw_collect(self->fd, GCARENA_COLLECT_RELEASE, &collect));
	EXPECT_EQ(ARRAY_SIZE(large_sizes), collect.freed_objects);
	stats = stats_of(_metadata, self->fd);
	EXPECT_EQ(0ULL, stats.backing_bytes);
	EXPECT_EQ(0ULL, stats.idle_bytes);
	EXPECT_EQ(0ULL, stats.span_bytes);
	EXPECT_EQ(0ULL, stats.heap_objects);
	EXPECT_EQ(0ULL, stats.heap_bytes);
	EXPECT_EQ(stats.backing_peak, stats.released_bytes);
}

/*
 * What a heap of the smallest slots adds to the metadata is at most a fiftieth of it, and
 * a pointer for each page that had to be found alone. The tables that every arena needs
 * are there before.
 */
TEST_F(arena, metadata_is_small)
{
	struct gcarena_stats before, after;
	struct gcarena_span span;
	__u64 pointers;

	set_limit(_metadata, self, 32 * RAW_MIB);
	ASSERT_EQ(1, raw_refill(self->fd, 1, NOSCAN, &span, 1));
	before = stats_of(_metadata, self->fd);
	ASSERT_EQ(-ENOSPC, refill_until_error(self->fd, 1));
	/* Spans in a thread's hands cost more, but a thread holds a few, not all. */
	ASSERT_EQ(0, raw_release_all(self->fd));
	after = stats_of(_metadata, self->fd);
	ASSERT_EQ(32 * RAW_MIB, after.backing_bytes);
	EXPECT_LT(0ULL, before.metadata_bytes);
	pointers = (after.split_chunks - before.split_chunks) * (2 * RAW_MIB / 4096) *
		   sizeof(void *);
	EXPECT_LE((after.metadata_bytes - before.metadata_bytes - pointers) * 50,
		  after.backing_bytes - before.backing_bytes)
		TH_LOG("%llu bytes, then %llu, for %llu", before.metadata_bytes,
		       after.metadata_bytes, after.backing_bytes);
}

TEST_HARNESS_MAIN
