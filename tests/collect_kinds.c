// SPDX-License-Identifier: GPL-2.0
/*
 * The kinds of collections that a program can ask for, side by side: what each frees, how it
 * stops the program, what it tells. Above all the major one, which traces beside the
 * other threads: while they allocate and move pointers, while several ask for it at once, and
 * when another collection or SIGKILL comes in between. Verified when root runs this.
 */
#include <kselftest_harness.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "gcarena.h"
#include "lib/oracle.h"
#include "lib/param.h"
#include "lib/rawarena.h"

#define KIB		1024UL
#define MIB		(1024 * KIB)
#define NR_OLD		40000UL
#define PAGE		4096UL

static void __attribute__((constructor)) need_root(void)
{
	raw_need_root();
}

FIXTURE(kinds)
{
	struct params params;
	gca_arena *arena;
	void **list;			/* the root */
	struct gca_collection collected;
};

FIXTURE_VARIANT(kinds)
{
	long refault;
};

FIXTURE_VARIANT_ADD(kinds, dirty_bits) { .refault = 0 };
FIXTURE_VARIANT_ADD(kinds, refault) { .refault = 1 };

FIXTURE_SETUP(kinds)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = GCA_ROOTS_EXPLICIT,
		.gc_percent = GCA_GC_PERCENT_OFF,
	};

	ASSERT_TRUE(params_set(&self->params, "verify", 1));
	ASSERT_TRUE(params_set(&self->params, "refault", variant->refault));
	self->collected.size = sizeof(self->collected);
	self->arena = gca_open(&options);
	ASSERT_NE(NULL, self->arena);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, &self->list, sizeof(self->list)));
}

FIXTURE_TEARDOWN(kinds)
{
	if (self->arena)
		gca_close(self->arena);
	params_restore(&self->params);
}

/* A node before the list at @link. */
static bool push(gca_arena *arena, void ***link)
{
	void **node = gca_alloc_in(arena, 64);

	if (!node)
		return false;
	node[0] = *link;
	node[1] = (void *)MAGIC;
	*link = node;
	return true;
}

static unsigned long length(void **list)
{
	unsigned long n = 0;

	for (; list; list = list[0], n++)
		if (list[1] != (void *)MAGIC)
			return ~0UL;
	return n;
}

static bool grow(gca_arena *arena, void ***link, unsigned long n)
{
	while (n--)
		if (!push(arena, link))
			return false;
	return true;
}

TEST_F_TIMEOUT(kinds, each_frees_what_it_says, 120)
{
	static const struct {
		enum gca_kind kind;
		bool old_goes, concurrent;
		__u32 told;
	} rows[] = {
		{ GCA_FULL, true, false, GCARENA_COLLECT_FULL },
		{ GCA_MINOR, false, false, GCARENA_COLLECT_MINOR },
		{ GCA_MAJOR, true, true, GCARENA_COLLECT_FULL },
		{ GCA_COMPACT, true, false, GCARENA_COLLECT_COMPACT },
	};
	struct gcarena_stats before, after;
	struct gcarena_event event;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t old, young;

		self->list = NULL;
		ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL, NULL));
		ASSERT_TRUE(grow(self->arena, &self->list, 1000));
		ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL, NULL));
		while (read(gca_fd(self->arena), &event, sizeof(event)) > 0)
			;
		old = hide(self->list);
		self->list = self->list[0];
		young = hide(gca_alloc_in(self->arena, 64));
		ASSERT_TRUE(grow(self->arena, &self->list, 10));
		before = raw_stats_of(gca_fd(self->arena));
		ASSERT_EQ(0, gca_collect_in(self->arena, rows[i].kind, &self->collected));
		after = raw_stats_of(gca_fd(self->arena));
		EXPECT_EQ(before.cycles + 1, after.cycles);
		EXPECT_EQ(before.cycles_forced + 1, after.cycles_forced);
		EXPECT_EQ(before.cycles_concurrent + rows[i].concurrent, after.cycles_concurrent);
		EXPECT_EQ(after.cycles, self->collected.cycle);
		EXPECT_EQ(rows[i].old_goes, !is_object(old));
		EXPECT_FALSE(is_object(young));
		EXPECT_EQ(1 + rows[i].old_goes, self->collected.freed_objects);
		EXPECT_EQ(1009 + !rows[i].old_goes, self->collected.live_objects);
		EXPECT_EQ(1009, length(self->list));
		ASSERT_EQ(sizeof(event), read(gca_fd(self->arena), &event, sizeof(event)));
		EXPECT_EQ(rows[i].told, event.collect_kind);
		EXPECT_EQ(self->collected.pause_ns, event.duration_ns);
		/* One stop, or several: at least for the roots, and the last one. */
		if (rows[i].concurrent) {
			EXPECT_GT(event.duration_ns, event.longest_ns);
			EXPECT_EQ(after.pause_total_ns - before.pause_total_ns, event.duration_ns);
		} else {
			EXPECT_EQ(event.duration_ns, event.longest_ns);
		}
		EXPECT_LE(event.longest_ns, after.pause_max_ns);
		EXPECT_GT(0, read(gca_fd(self->arena), &event, sizeof(event)));
	}
}

TEST_F_TIMEOUT(kinds, phases_are_counted, 120)
{
	struct gcarena_stats before, after;

	ASSERT_TRUE(grow(self->arena, &self->list, NR_OLD));
	before = raw_stats_of(gca_fd(self->arena));
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_MAJOR, NULL));
	after = raw_stats_of(gca_fd(self->arena));
	EXPECT_LT(before.clear_total_ns, after.clear_total_ns);
	EXPECT_LT(before.root_stop_total_ns, after.root_stop_total_ns);
	EXPECT_LT(before.last_stop_total_ns, after.last_stop_total_ns);
	EXPECT_LT(before.concurrent_ns, after.concurrent_ns);
	EXPECT_LT(before.sweep_total_ns, after.sweep_total_ns);
	EXPECT_LT(before.root_total_ns, after.root_total_ns);
	EXPECT_EQ(after.pause_total_ns, after.root_stop_total_ns + after.last_stop_total_ns);
	EXPECT_EQ(NR_OLD, after.marked_objects - before.marked_objects);
	EXPECT_EQ(64 * NR_OLD, after.marked_bytes - before.marked_bytes);
	EXPECT_EQ(after.rounds_last, after.rounds - before.rounds);
	EXPECT_EQ(after.dirty_passes, after.rounds);
	/* A minor one marks what is young, and takes no time for clearing. */
	before = after;
	ASSERT_TRUE(grow(self->arena, &self->list, 5));
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_MINOR, NULL));
	after = raw_stats_of(gca_fd(self->arena));
	EXPECT_EQ(5, after.marked_objects - before.marked_objects);
	EXPECT_EQ(before.clear_total_ns, after.clear_total_ns);
	EXPECT_EQ(before.rounds, after.rounds);
	EXPECT_EQ(before.last_stop_total_ns, after.last_stop_total_ns);
	EXPECT_EQ(before.dirty_passes + 1, after.dirty_passes);
	EXPECT_LT(before.pause_total_ns, after.pause_total_ns);
}

/* Of the collections between: stops, roots and marking are parts of the pauses. */
static void expect_parts(struct __test_metadata *_metadata, const struct gcarena_stats *before,
			 const struct gcarena_stats *after)
{
	uint64_t stop = after->stop_total_ns - before->stop_total_ns;
	uint64_t mark = after->mark_total_ns - before->mark_total_ns;
	uint64_t root = after->root_total_ns - before->root_total_ns;

	EXPECT_LT(0, after->stop_last_ns);
	EXPECT_LE(after->stop_last_ns, stop);
	EXPECT_LE(after->stop_last_ns, after->stop_max_ns);
	EXPECT_LE(after->stop_max_ns, after->stop_total_ns);
	EXPECT_LT(0, mark);
	EXPECT_LE(stop + mark + root, after->pause_total_ns - before->pause_total_ns);
	EXPECT_LT(0, after->mark_stack_peak);
	EXPECT_GE(16 * NR_OLD, after->mark_stack_peak);
}

/* Looks for written pages: how many, how long, what they found. */
static void expect_looks(struct __test_metadata *_metadata, const struct gcarena_stats *before,
			 const struct gcarena_stats *after)
{
	uint64_t looks = after->dirty_passes - before->dirty_passes;
	uint64_t pages = after->dirty_pages_total - before->dirty_pages_total;

	EXPECT_EQ(looks > 0, after->dirty_total_ns > before->dirty_total_ns);
	EXPECT_LE(looks ? after->dirty_pages_last : 0, pages);
	EXPECT_GE(looks * after->backing_bytes / PAGE, pages);
}

TEST_F_TIMEOUT(kinds, counters_are_plausible, 120)
{
	static const enum gca_kind kinds[] = {
		GCA_MAJOR, GCA_MINOR, GCA_MAJOR, GCA_FULL, GCA_COMPACT,
	};
	struct gcarena_stats before, after;
	size_t i;

	ASSERT_TRUE(grow(self->arena, &self->list, NR_OLD));
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		uint64_t live = NR_OLD + 5 * (i + 1);

		ASSERT_TRUE(grow(self->arena, &self->list, 5));
		before = raw_stats_of(gca_fd(self->arena));
		ASSERT_EQ(0, gca_collect_in(self->arena, kinds[i], NULL));
		after = raw_stats_of(gca_fd(self->arena));
		EXPECT_EQ(live, after.last_live_objects);
		EXPECT_EQ(64 * live, after.last_live_bytes);
		expect_parts(_metadata, &before, &after);
		expect_looks(_metadata, &before, &after);
		EXPECT_EQ(kinds[i] == GCA_COMPACT,
			  after.compact_total_ns > before.compact_total_ns);
		EXPECT_EQ(before.rounds == after.rounds ? before.rounds_last
							: after.rounds - before.rounds,
			  after.rounds_last);
	}
	EXPECT_EQ(NR_OLD + 5 * ARRAY_SIZE(kinds), length(self->list));
}

TEST_F_TIMEOUT(kinds, written_pages_are_counted, 120)
{
	enum { WRITTEN = 7 };
	struct gcarena_stats before, after;
	void **node;
	size_t i;

	ASSERT_TRUE(grow(self->arena, &self->list, NR_OLD));
	before = raw_stats_of(gca_fd(self->arena));
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_MAJOR, NULL));
	after = raw_stats_of(gca_fd(self->arena));
	EXPECT_LE(64 * NR_OLD / PAGE, after.dirty_pages_total - before.dirty_pages_total);
	/* Nodes that lie far enough apart are on different pages. */
	for (i = 0, node = self->list; i < WRITTEN * 2 * (PAGE / 64); i++, node = node[0])
		if (i % (2 * (PAGE / 64)) == 0)
			((volatile uint64_t *)node)[2] = i;
	before = after;
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_MINOR, NULL));
	after = raw_stats_of(gca_fd(self->arena));
	EXPECT_EQ(WRITTEN, after.dirty_pages_last);
	EXPECT_EQ(before.dirty_pages_total + WRITTEN, after.dirty_pages_total);
}

/* Statistics and INFO agree, whoever asks; what an arena was opened with it keeps. */
TEST_F(kinds, dirty_method_is_told)
{
	struct gca_stats stats = { .size = sizeof(stats) };
	struct gcarena_info info, other_info;
	int other;

	ASSERT_TRUE(param_set("refault", !variant->refault));
	other = raw_open();
	ASSERT_LE(0, other);
	ASSERT_EQ(0, raw_info(gca_fd(self->arena), &info));
	ASSERT_EQ(0, raw_info(other, &other_info));
	ASSERT_EQ(0, gca_read_stats_in(self->arena, &stats));
	EXPECT_EQ(info.dirty_method, raw_stats_of(gca_fd(self->arena)).dirty_method);
	EXPECT_EQ(info.dirty_method, stats.dirty_method);
	EXPECT_EQ(other_info.dirty_method, raw_stats_of(other).dirty_method);
	EXPECT_EQ(GCARENA_DIRTY_REFAULT,
		  variant->refault ? info.dirty_method : other_info.dirty_method);
	close(other);
	/* Where the kernel has no other way, both do that. */
	if (info.dirty_method != other_info.dirty_method)
		EXPECT_EQ(GCARENA_DIRTY_PTE,
			  variant->refault ? other_info.dirty_method : info.dirty_method);
}

/* ---- While other threads are at work ------------------------------------------------------ */

struct mover {
	gca_arena *arena;
	void **table;			/* old places, one of which has the only pointer */
	atomic_bool stop;
	atomic_ulong moves, lost;
	pthread_t thread;
};

#define PLACES	4096

/* Carries one young object after the other through old places, hidden in between. */
static void *move_about(void *data)
{
	struct mover *m = data;
	unsigned long n = 0;
	uint64_t at = 0;

	m->table[at] = gca_alloc_in(m->arena, 64);
	while (!atomic_load(&m->stop)) {
		uint64_t to = (at * 61 + 17) % PLACES;

		if (n++ % 16 == 0) {
			void **fresh = gca_alloc_in(m->arena, 64);

			if (!fresh)
				break;
			fresh[0] = m->table[at];
			fresh[1] = (void *)MAGIC;
			((void **)m->table[at])[0] = NULL;
			m->table[at] = fresh;
		}
		m->table[to] = m->table[at];
		if (to != at)
			m->table[at] = NULL;
		at = to;
		if (n > 16 && length(m->table[at]) == ~0UL)
			atomic_fetch_add(&m->lost, 1);
		atomic_fetch_add(&m->moves, 1);
	}
	return NULL;
}

static void *ask_for_major(void *data)
{
	unsigned long i, failed = 0;

	for (i = 0; i < 5; i++)
		failed += !!gca_collect_in(data, GCA_MAJOR, NULL);
	return (void *)failed;
}

TEST_F_TIMEOUT(kinds, major_beside_a_thread, 300)
{
	struct mover m = { .arena = self->arena };
	uint64_t before;
	int i;

	self->list = gca_alloc_in(self->arena, 64);
	m.table = gca_alloc_in(self->arena, PLACES * sizeof(void *));
	ASSERT_NE(NULL, m.table);
	self->list[0] = m.table;
	self->list[1] = (void *)MAGIC;
	ASSERT_TRUE(grow(self->arena, (void ***)&self->list[2], NR_OLD));
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL, NULL));
	ASSERT_EQ(0, pthread_create(&m.thread, NULL, move_about, &m));
	while (atomic_load(&m.moves) < 1000)
		usleep(100);
	for (i = 0; i < 8; i++) {
		before = atomic_load(&m.moves);
		ASSERT_EQ(0, gca_collect_in(self->arena, i % 4 == 3 ? GCA_MINOR : GCA_MAJOR,
					    &self->collected));
		while (atomic_load(&m.moves) == before)
			usleep(100);
	}
	atomic_store(&m.stop, true);
	pthread_join(m.thread, NULL);
	EXPECT_EQ(0, atomic_load(&m.lost));
	EXPECT_EQ(NR_OLD, length(self->list[2]));
	EXPECT_EQ(0, raw_stats_of(gca_fd(self->arena)).cycles_aborted);
}

/* Each takes the place of the one before; all come to an end. */
TEST_F_TIMEOUT(kinds, major_by_several_at_once, 300)
{
	uint64_t dead;
	pthread_t thread[4];
	void *failed;
	size_t i;

	ASSERT_TRUE(grow(self->arena, &self->list, NR_OLD));
	dead = hide(self->list);
	self->list = self->list[0];
	for (i = 0; i < ARRAY_SIZE(thread); i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, ask_for_major, self->arena));
	for (i = 0; i < 5; i++)
		EXPECT_EQ(0, gca_collect_in(self->arena, i & 1 ? GCA_FULL : GCA_COMPACT, NULL));
	for (i = 0; i < ARRAY_SIZE(thread); i++) {
		pthread_join(thread[i], &failed);
		EXPECT_EQ(NULL, failed);
	}
	EXPECT_FALSE(is_object(dead));
	EXPECT_EQ(NR_OLD - 1, length(self->list));
	EXPECT_EQ(0, raw_stats_of(gca_fd(self->arena)).cycles_aborted);
}

/* The child dies in the middle of it; the next one is complete all the same. */
TEST_F_TIMEOUT(kinds, major_killed, 300)
{
	unsigned int i;
	pid_t pid;

	ASSERT_TRUE(grow(self->arena, &self->list, NR_OLD));
	for (i = 0; i < 10; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			for (;;)
				gca_collect_in(self->arena, GCA_MAJOR, NULL);
		}
		usleep(500 + i * 3001);
		kill(pid, SIGKILL);
		raw_reap(pid);
		self->list = self->list[0];
		ASSERT_EQ(0, gca_collect_in(self->arena, GCA_MAJOR, &self->collected));
		ASSERT_EQ(NR_OLD - i - 1, self->collected.live_objects);
		ASSERT_EQ(NR_OLD - i - 1, length(self->list));
	}
}

TEST_HARNESS_MAIN
