/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is held after most of a heap of mixed objects was dropped at random.
 *
 *	objects=N drop=PERCENT collect=full|compact|evacuate pinned=PERCENT budget=KIB
 *
 * Objects of 16 B to 8 KiB, as many below each power of two as below the next; half of
 * them have a pointer to another one. Then the collector collects, and gives back
 * what it can; the others have freed by hand, and trim. With pinned, so many of a hundred
 * that are left are pointed to by words that only may be pointers (gcarena). evacuate: a
 * concurrent and a full collection, then GCA_EVACUATE until nothing moves any more, at
 * most budget= at a time.
 */
#ifdef CONTENDER_GLIBC
#include <malloc.h>
#endif

struct pair {
	struct pair *next;
	uint64_t number;
};

static struct pair **survivors;

static inline size_t mixed_size(uint64_t *seed)
{
	size_t least = 16UL << random_below(seed, 9);

	return (least + random_below(seed, least)) & ~15UL;
}

#ifdef CONTENDER_GCARENA
static struct pair *new_pairs(gca_type *type, size_t bytes)
{
	return gca_make(type, bytes / sizeof(struct pair));
}

static void **new_table(size_t nr)
{
	const uint64_t map = 1;
	gca_type *type = gca_type_from_bitmap_in(NULL, "pointer", sizeof(void *), &map);

	return gca_make(type, nr);
}

/* Step by step. The longest stop is what a program notices; all together is what it costs. */
static void give_back_in_steps(void)
{
	struct gca_collection done = { .size = sizeof(done) };
	uint64_t longest = 0, moved = 0, start = now_ns();
	struct gca_stats before = contender_stats(), after;
	unsigned int passes = 0;
	int err = gca_collect_in(NULL, GCA_MAJOR, &done);

	/* The world stands still for it, at the end of a cycle that traces beside the program. */
	after = contender_stats();
	bench_result("remark", "ms",
		     (after.last_stop_total_ns - before.last_stop_total_ns) / 1e6);
	if (!err)
		err = gca_collect_in(NULL, GCA_FULL_RELEASE, &done);
	if (!err)
		err = gca_set_compact(0, bench_arg_number("budget", 1024) * 1024);
	before = contender_stats();
	while (!err && passes < 1000) {
		err = gca_collect_in(NULL, GCA_EVACUATE, &done);
		if (!err && !done.moved_objects)
			break;
		if (done.pause_ns > longest)
			longest = done.pause_ns;
		moved += done.moved_bytes;
		passes++;
	}
	if (err)
		bench_die("collection failed: %s", gca_strerror(err));
	after = contender_stats();
	bench_result("pause", "ms", longest / 1e6);
	bench_result("moved", "MiB", moved / (double)MIB);
	bench_result("passes", "", passes);
	bench_result("stops that moved", "", after.moves - before.moves);
	bench_result("stopped in all", "ms", (after.pause_total_ns - before.pause_total_ns) / 1e6);
	bench_result("time in all", "ms", (now_ns() - start) / 1e6);
	if (moved)
		bench_result("pause by MiB moved", "ms",
			     (after.pause_total_ns - before.pause_total_ns) / 1e6 * MIB / moved);
}

static void give_back_at_once(void)
{
	struct gca_collection done = { .size = sizeof(done) };
	bool compact = bench_arg_is("collect", "compact");
	int err = gca_collect_in(NULL, compact ? GCA_COMPACT : GCA_FULL_RELEASE, &done);

	if (err)
		bench_die("collection failed: %s", gca_strerror(err));
	bench_result("pause", "ms", done.pause_ns / 1e6);
	bench_result("moved", "MiB", done.moved_bytes / (double)MIB);
	if (done.moved_bytes)
		bench_result("pause by MiB moved", "ms", done.pause_ns / 1e6 * MIB /
			     done.moved_bytes);
}

static void give_back(void)
{
	if (bench_arg_is("collect", "evacuate"))
		give_back_in_steps();
	else
		give_back_at_once();
}
#else
static struct pair *new_pairs(contender_type type, size_t bytes)
{
	(void)type;
	return contender_alloc(bytes);
}

static void **new_table(size_t nr)
{
	return contender_alloc(nr * sizeof(void *));
}

static void give_back(void)
{
#if defined(CONTENDER_LIBGC)
	GC_gcollect_and_unmap();
	GC_gcollect_and_unmap();
#elif defined(CONTENDER_GLIBC)
	malloc_trim(0);
#elif defined(CONTENDER_MIMALLOC)
	mi_collect(true);
#endif
}
#endif

static void fill_mixed(contender_type type, size_t nr, size_t *sizes)
{
	uint64_t seed = 42;
	size_t i;

	for (i = 0; i < nr; i++) {
		sizes[i] = mixed_size(&seed);
		survivors[i] = i % 2 ? new_pairs(type, sizes[i]) : contender_alloc_noscan(sizes[i]);
		if (!survivors[i])
			bench_die("out of memory");
		survivors[i]->number = i;
	}
}

/* Returns the bytes that are left, as they were asked for. */
static double drop_most(size_t nr, size_t *sizes, unsigned long percent)
{
	struct pair *last = NULL;
	uint64_t seed = 43;
	double live = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		if (random_below(&seed, 100) < percent) {
			contender_free(survivors[i]);
			survivors[i] = NULL;
			continue;
		}
		live += sizes[i];
		if (i % 2)
			survivors[i]->next = last;
		last = survivors[i];
	}
	return live;
}

#ifdef CONTENDER_GCARENA
static void pin_some(size_t nr, unsigned long percent)
{
	uint64_t seed = 44;
	void **words;
	size_t i;

	if (!percent)
		return;
	words = bench_hidden_alloc(nr * sizeof(*words));
	for (i = 0; i < nr; i++) {
		if (survivors[i] && random_below(&seed, 100) < percent)
			words[i] = survivors[i];
	}
	contender_roots_add(words, nr * sizeof(*words));
}

static void report_top(size_t nr, size_t *sizes, double live)
{
	uintptr_t base = (uintptr_t)gca_base(NULL, NULL), top = 0, end;
	size_t i;

	for (i = 0; i < nr; i++) {
		end = survivors[i] ? (uintptr_t)survivors[i] + sizes[i] - base : 0;
		if (end > top)
			top = end;
	}
	bench_result("highest address/live", "", top / live);
	bench_result("heap_sys/live", "", contender_stats().heap_sys / live);
	bench_result("metadata/live", "", contender_stats().gc_sys / live);
}
#else
static void pin_some(size_t nr, unsigned long percent)
{
	(void)nr;
	(void)percent;
}

static void report_top(size_t nr, size_t *sizes, double live)
{
	(void)nr;
	(void)sizes;
	(void)live;
}
#endif

static void check_mixed(size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		if (survivors[i] && survivors[i]->number != i)
			bench_die("object %zu is not what it was", i);
	}
}

static void compact_workload(void)
{
	size_t nr = bench_arg_number("objects", 100000), *sizes;
	contender_type type;
	double live, full;
	uint64_t before;

	contender_init();
	type = CONTENDER_TYPE(pair, next);
	survivors = (struct pair **)new_table(nr);
	sizes = bench_hidden_alloc(nr * sizeof(*sizes));
	memset(sizes, 0xff, nr * sizeof(*sizes));
	memset(survivors, 0, nr * sizeof(*survivors));
	before = bench_resident();
	fill_mixed(type, nr, sizes);
	full = bench_resident() - before;
	/* The table is alive, too. */
	live = drop_most(nr, sizes, bench_arg_number("drop", 90)) + nr * sizeof(*survivors);
	pin_some(nr, bench_arg_number("pinned", 0));
	bench_clear_stack();
	give_back();
	bench_result("resident/live", "", (bench_resident() - (double)before) / live);
	bench_result("resident before", "MiB", full / MIB);
	bench_result("live", "MiB", live / MIB);
	check_mixed(nr);
	report_top(nr, sizes, live);
}
