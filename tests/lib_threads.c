// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that allocate at the same time: no slot is given out twice, nobody's
 * object is written by another. And collections while other threads sleep or run.
 */
#include <kselftest_harness.h>
#include <pthread.h>
#include <stdatomic.h>

#include "gcarena.h"
#include "lib/oracle.h"
#include "lib/rawarena.h"
#include "lib/rng.h"

#define MIB		(1024UL * 1024)
#define NR_THREADS	8
#define NR_OBJECTS	20000

struct link {
	long number;
	void *a, *b;
};

struct object {
	char *p;
	uint32_t size;
	uint32_t dropped;
};

struct worker {
	pthread_t thread;
	pthread_barrier_t *start;
	gca_arena *arena;
	gca_type *type;
	uint64_t seed;
	struct object *objects;
	void **kept;		/* roots */
	size_t failures, damaged;
};

FIXTURE(threads)
{
	gca_arena *arena;
	gca_type *type;
	pthread_barrier_t start;
	struct worker workers[NR_THREADS];
	struct object *objects;
	void **roots;
};

FIXTURE_SETUP(threads)
{
	size_t bytes = NR_THREADS * NR_OBJECTS * sizeof(void *), i;

	self->arena = open_arena(GCA_ROOTS_EXPLICIT, GCA_GC_PERCENT_OFF, 0);
	ASSERT_NE(NULL, self->arena) {
		TH_LOG("gca_open: %s", gca_strerror(errno));
	}
	self->type = GCA_TYPE_IN(self->arena, struct link, a, b);
	ASSERT_NE(NULL, self->type);
	self->roots = calloc(1, bytes);
	self->objects = calloc(NR_THREADS * NR_OBJECTS, sizeof(*self->objects));
	ASSERT_TRUE(self->roots && self->objects);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, self->roots, bytes));
	ASSERT_EQ(0, pthread_barrier_init(&self->start, NULL, NR_THREADS));
	for (i = 0; i < NR_THREADS; i++)
		self->workers[i] = (struct worker){
			.start = &self->start, .arena = self->arena, .type = self->type,
			.seed = i, .objects = self->objects + i * NR_OBJECTS,
			.kept = self->roots + i * NR_OBJECTS,
		};
}

FIXTURE_TEARDOWN(threads)
{
	EXPECT_EQ(0, gca_close(self->arena));
	free(self->roots);
	free(self->objects);
}

static char *allocate(const struct worker *worker, struct rng *rng, uint32_t *size)
{
	uint64_t dice = rng_below(rng, 300);

	if (dice == 0) {
		*size = 33000 + rng_below(rng, 50000);
		return gca_alloc_noscan_in(worker->arena, *size);
	}
	if (dice < 100) {
		*size = sizeof(struct link);
		return gca_new(worker->type);
	}
	*size = 8 + rng_below(rng, dice < 200 ? 64 : 600);
	if (dice % 2)
		return gca_alloc_noscan_in(worker->arena, *size);
	return gca_alloc_in(worker->arena, *size);
}

/* Every byte says whose it is; values never look like addresses. */
static int mark_of(const struct worker *worker, size_t n)
{
	return 0x80 | (worker->seed * 13 + n) % 128;
}

static bool check_object(const struct worker *worker, size_t n)
{
	const struct object *object = &worker->objects[n];
	int mark = mark_of(worker, n);
	uint32_t i;

	for (i = 0; i < object->size; i++)
		if ((unsigned char)object->p[i] != mark)
			return false;
	return true;
}

static void *run_worker(void *arg)
{
	struct worker *worker = arg;
	struct rng rng;
	size_t i;

	rng_init(&rng, worker->seed);
	pthread_barrier_wait(worker->start);
	for (i = 0; i < NR_OBJECTS; i++) {
		struct object *object = &worker->objects[i];

		object->p = allocate(worker, &rng, &object->size);
		if (!object->p || !all_zero(object->p, object->size)) {
			worker->failures++;
			object->size = 0;
			continue;
		}
		memset(object->p, mark_of(worker, i), object->size);
		worker->kept[i] = object->p;
		/* Looks back, while the others write. */
		if (i % 16 == 0)
			worker->damaged += !check_object(worker, rng_below(&rng, i + 1));
	}
	for (i = 0; i < NR_OBJECTS; i++)
		worker->damaged += !check_object(worker, i);
	return NULL;
}

static int by_address(const void *a, const void *b)
{
	const struct object *x = a, *y = b;

	return x->p < y->p ? -1 : x->p > y->p;
}

static size_t count_overlaps(const struct object *objects, size_t nr)
{
	struct object *sorted = malloc(nr * sizeof(*sorted));
	size_t i, overlaps = 0;

	memcpy(sorted, objects, nr * sizeof(*sorted));
	qsort(sorted, nr, sizeof(*sorted), by_address);
	for (i = 1; i < nr; i++)
		overlaps += sorted[i - 1].p + sorted[i - 1].size > sorted[i].p;
	free(sorted);
	return overlaps;
}

static void run_all(struct __test_metadata *_metadata, FIXTURE_DATA(threads) *self,
		    void *(*function)(void *))
{
	int i;

	for (i = 0; i < NR_THREADS; i++)
		ASSERT_EQ(0, pthread_create(&self->workers[i].thread, NULL, function,
					    &self->workers[i]));
	for (i = 0; i < NR_THREADS; i++)
		ASSERT_EQ(0, pthread_join(self->workers[i].thread, NULL));
}

static void check_all(struct __test_metadata *_metadata, FIXTURE_DATA(threads) *self)
{
	size_t i, n, damaged = 0;

	for (i = 0; i < NR_THREADS; i++) {
		EXPECT_EQ(0, self->workers[i].failures);
		EXPECT_EQ(0, self->workers[i].damaged);
		for (n = 0; n < NR_OBJECTS; n++)
			damaged += !self->objects[i * NR_OBJECTS + n].dropped &&
				   !check_object(&self->workers[i], n);
	}
	EXPECT_EQ(0, damaged);
}

static size_t drop_some(FIXTURE_DATA(threads) *self)
{
	size_t i, left = 0;

	for (i = 0; i < NR_THREADS * NR_OBJECTS; i++) {
		if (i % 3) {
			self->objects[i].dropped = 1;
			self->roots[i] = NULL;
		} else {
			left++;
		}
	}
	return left;
}

TEST_F_TIMEOUT(threads, allocate_at_once, 120)
{
	size_t all = NR_THREADS * NR_OBJECTS, left;
	struct gca_stats stats = { .size = sizeof(stats) };

	run_all(_metadata, self, run_worker);
	check_all(_metadata, self);
	EXPECT_EQ(0, count_overlaps(self->objects, all));
	/* Exiting threads gave back what they had not used. */
	ASSERT_EQ(0, gca_read_stats_in(self->arena, &stats));
	EXPECT_EQ(all, stats.heap_objects);
	EXPECT_EQ(all, stats.mallocs);
	ASSERT_EQ(all, collect_count(self->arena));
	left = drop_some(self);
	ASSERT_EQ(left, collect_count(self->arena));
	check_all(_metadata, self);
	memset(self->roots, 0, all * sizeof(*self->roots));
	ASSERT_EQ(0, collect_count(self->arena));
}

struct observer {
	gca_arena *arena;
	pthread_t thread;
	atomic_bool done;
	size_t looks, torn;
};

/* Numbers that were read at different moments do not add up. */
static bool fits_together(const struct gcarena_stats *s)
{
	return s->total_alloc_objects - s->total_freed_objects == s->heap_objects &&
	       s->total_alloc_bytes - s->total_freed_bytes == s->heap_bytes &&
	       s->heap_bytes <= s->span_bytes && s->span_bytes <= s->backing_bytes &&
	       s->old_objects <= s->heap_objects;
}

static void *observe(void *arg)
{
	struct observer *observer = arg;
	struct gcarena_stats stats;

	while (!atomic_load(&observer->done)) {
		observer->torn += raw_stats(gca_fd(observer->arena), &stats) ||
				  !fits_together(&stats);
		if (++observer->looks % 1000 == 0)
			collect_count(observer->arena);
	}
	return NULL;
}

TEST_F_TIMEOUT(threads, statistics_fit_together, 120)
{
	struct observer observer = { .arena = self->arena };

	ASSERT_EQ(0, pthread_create(&observer.thread, NULL, observe, &observer));
	run_all(_metadata, self, run_worker);
	atomic_store(&observer.done, true);
	ASSERT_EQ(0, pthread_join(observer.thread, NULL));
	check_all(_metadata, self);
	EXPECT_LT(0, observer.looks);
	EXPECT_EQ(0, observer.torn)
		TH_LOG("of %zu looks", observer.looks);
}

/* Two rounds: the second one's threads take up the spans of the first one's. */
TEST_F_TIMEOUT(threads, new_threads_use_what_old_ones_left, 120)
{
	size_t all = NR_THREADS * NR_OBJECTS;
	struct gca_stats first = { .size = sizeof(first) }, second = { .size = sizeof(second) };

	run_all(_metadata, self, run_worker);
	ASSERT_EQ(0, gca_read_stats_in(self->arena, &first));
	memset(self->roots, 0, all * sizeof(*self->roots));
	ASSERT_EQ(0, collect_count(self->arena));
	run_all(_metadata, self, run_worker);
	check_all(_metadata, self);
	EXPECT_EQ(0, count_overlaps(self->objects, all));
	ASSERT_EQ(0, gca_read_stats_in(self->arena, &second));
	/* How the classes mix depends on the threads' timing: a chunk's leeway. */
	EXPECT_GE(first.heap_sys + 4 * MIB, second.heap_sys);
	ASSERT_EQ(all, collect_count(self->arena));
}

/* Free and allocate in the spans of one's own, while the others do too. */
static void *free_and_allocate(void *arg)
{
	struct worker *worker = arg;
	struct rng rng;
	size_t i, n;

	rng_init(&rng, worker->seed);
	pthread_barrier_wait(worker->start);
	for (i = 0; i < NR_OBJECTS; i++) {
		struct object *object;

		n = rng_below(&rng, 500);
		object = &worker->objects[n];
		if (object->p) {
			worker->damaged += !check_object(worker, n);
			worker->failures += gca_free(object->p) != 0;
		}
		object->p = allocate(worker, &rng, &object->size);
		if (!object->p || !all_zero(object->p, object->size)) {
			worker->failures++;
			object->size = 0;
			continue;
		}
		memset(object->p, mark_of(worker, n), object->size);
		worker->kept[n] = object->p;
	}
	return NULL;
}

TEST_F_TIMEOUT(threads, free_at_once, 120)
{
	size_t i, n, left = 0;

	run_all(_metadata, self, free_and_allocate);
	check_all(_metadata, self);
	for (i = 0; i < NR_THREADS; i++)
		for (n = 0; n < NR_OBJECTS; n++)
			left += self->workers[i].kept[n] ? 1 : 0;
	ASSERT_EQ(left, collect_count(self->arena));
}

/* Leaves a few objects in each of many classes, and goes. */
static void *allocate_a_little(void *arg)
{
	struct worker *worker = arg;
	size_t i;

	for (i = 0; i < 40; i++)
		worker->failures += !gca_alloc_in(worker->arena, 16 + i * 50);
	return NULL;
}

/* What they leave half used is taken up by those after them. */
TEST_F_TIMEOUT(threads, many_short_lives, 60)
{
	struct gca_stats stats = { .size = sizeof(stats) };
	struct worker *worker = &self->workers[0];
	int i;

	for (i = 0; i < 300; i++) {
		ASSERT_EQ(0, pthread_create(&worker->thread, NULL, allocate_a_little, worker));
		ASSERT_EQ(0, pthread_join(worker->thread, NULL));
	}
	EXPECT_EQ(0, worker->failures);
	ASSERT_EQ(0, gca_read_stats_in(self->arena, &stats));
	EXPECT_EQ(300 * 40, stats.heap_objects);
	/* 300 * 40 objects of 1 KiB on average, and a span of each class over. */
	EXPECT_GE(18 * MIB, stats.heap_sys);
	EXPECT_EQ(0, collect_count(self->arena));
}

/* The arena goes while a thread still has spans of it. */
static void *outlive_the_arena(void *arg)
{
	struct worker *worker = arg;
	gca_arena *own = open_arena(GCA_ROOTS_EXPLICIT, GCA_GC_PERCENT_OFF, 0);

	worker->failures = !gca_alloc_in(worker->arena, 100) || !gca_alloc_in(own, 100);
	pthread_barrier_wait(worker->start);
	pthread_barrier_wait(worker->start);
	worker->failures += !gca_alloc_in(own, 100);
	gca_flush();
	worker->failures += !gca_alloc_in(own, 100);
	worker->failures += gca_close(own) != 0;
	return NULL;
}

TEST(arena_closed_under_a_thread)
{
	struct worker worker = { .arena = open_arena(GCA_ROOTS_EXPLICIT, 0, 0) };
	pthread_barrier_t barrier;

	ASSERT_NE(NULL, worker.arena);
	worker.start = &barrier;
	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL, 2));
	ASSERT_EQ(0, pthread_create(&worker.thread, NULL, outlive_the_arena, &worker));
	pthread_barrier_wait(&barrier);
	EXPECT_EQ(0, gca_close(worker.arena));
	pthread_barrier_wait(&barrier);
	ASSERT_EQ(0, pthread_join(worker.thread, NULL));
	EXPECT_EQ(0, worker.failures);
}

/*
 * An object in a span that another thread allocates from: freeing it is no error,
 * and does not take it from under the other thread.
 */
static void *free_a_foreign_object(void *arg)
{
	struct worker *worker = arg;

	worker->failures = gca_free(worker->kept[0]) != 0;
	return NULL;
}

TEST_F(threads, free_in_a_span_of_another_thread)
{
	struct worker *worker = &self->workers[0];
	size_t i;

	worker->kept[0] = gca_alloc_in(self->arena, 64);
	ASSERT_NE(NULL, worker->kept[0]);
	memset(worker->kept[0], 0xa5, 64);
	ASSERT_EQ(0, pthread_create(&worker->thread, NULL, free_a_foreign_object, worker));
	ASSERT_EQ(0, pthread_join(worker->thread, NULL));
	EXPECT_EQ(0, worker->failures);
	for (i = 1; i < 10000; i++)
		ASSERT_NE(worker->kept[0], gca_alloc_in(self->arena, 64));
	worker->kept[0] = NULL;
	EXPECT_EQ(0, collect_count(self->arena));
}

/* ---- Collecting while others run ---------------------------------------------- */

/* A thread that holds an object on its stack, asleep or busy, until it is told. */
struct holder {
	pthread_t thread;
	pthread_barrier_t barrier;
	uint64_t hidden;	/* of the object, or of NULL */
	bool busy;
	atomic_bool end;
};

static void *hold_until_told(void *arg)
{
	struct holder *holder = arg;
	void *volatile kept = reveal(holder->hidden);

	pthread_barrier_wait(&holder->barrier);
	if (holder->busy)
		while (!atomic_load(&holder->end))
			;
	else
		pthread_barrier_wait(&holder->barrier);
	kept = NULL;
	return kept;
}

static void start_holder(struct __test_metadata *_metadata, struct holder *holder,
			 uint64_t hidden, bool busy)
{
	holder->hidden = hidden;
	holder->busy = busy;
	atomic_store(&holder->end, false);
	ASSERT_EQ(0, pthread_barrier_init(&holder->barrier, NULL, 2));
	ASSERT_EQ(0, pthread_create(&holder->thread, NULL, hold_until_told, holder));
	pthread_barrier_wait(&holder->barrier);
}

static void stop_holder(struct __test_metadata *_metadata, struct holder *holder)
{
	atomic_store(&holder->end, true);
	if (!holder->busy)
		pthread_barrier_wait(&holder->barrier);
	ASSERT_EQ(0, pthread_join(holder->thread, NULL));
}

TEST_F(threads, collecting_works)
{
	struct gca_stats stats = { .size = sizeof(stats) };
	struct holder holder;
	int busy;

	self->roots[0] = gca_alloc_in(self->arena, 100);
	for (busy = 0; busy < 2; busy++) {
		ASSERT_NE(NULL, gca_alloc_in(self->arena, 100));
		start_holder(_metadata, &holder, hide(NULL), busy);
		EXPECT_EQ(1, collect_count(self->arena));
		ASSERT_EQ(0, gca_read_stats_in(self->arena, &stats));
		EXPECT_EQ(1, stats.heap_objects);
		EXPECT_EQ(0, stats.num_refused_gc);
		EXPECT_EQ(0, stats.num_aborted_gc);
		EXPECT_EQ(busy + 1, stats.num_gc);
		stop_holder(_metadata, &holder);
	}
	EXPECT_EQ(1, collect_count(self->arena));
}

static noinline uint64_t new_hidden(gca_arena *arena)
{
	void *p = gca_alloc_in(arena, 200);
	uint64_t hidden = hide(p);

	scrub_stack();
	return p ? hidden : 0;
}

/* Twice, so that it is the thread, and no stray copy, that holds the object. */
TEST(stacks_of_threads_are_roots)
{
	gca_arena *arena = open_arena(GCA_ROOTS_AUTO, GCA_GC_PERCENT_OFF, 0);
	struct holder holder;
	uint64_t hidden;
	int busy;

	ASSERT_NE(NULL, arena);
	for (busy = 0; busy < 2; busy++) {
		hidden = new_hidden(arena);
		ASSERT_NE(0, hidden);
		start_holder(_metadata, &holder, hidden, busy);
		ASSERT_NE(UINT64_MAX, collect_count(arena));
		EXPECT_TRUE(is_object(hidden));
		stop_holder(_metadata, &holder);
		ASSERT_NE(UINT64_MAX, collect_count(arena));
		EXPECT_FALSE(is_object(hidden));
	}
	EXPECT_EQ(0, gca_close(arena));
}

/* A second thread does not keep the heap from being collected when it has grown. */
TEST_F(threads, automatic_collection_happens)
{
	struct gca_stats stats = { .size = sizeof(stats) };
	struct holder holder;
	size_t i;

	ASSERT_EQ(0, gca_set_gc_percent_in(self->arena, 100, NULL));
	start_holder(_metadata, &holder, hide(NULL), false);
	for (i = 0; i < 32 * MIB / 256; i++)
		ASSERT_NE(NULL, gca_alloc_in(self->arena, 256));
	ASSERT_EQ(0, gca_read_stats_in(self->arena, &stats));
	EXPECT_LE(2, stats.num_gc);
	EXPECT_EQ(0, stats.num_refused_gc);
	/* All garbage: it never grew far beyond the smallest heap. */
	EXPECT_GE(16 * MIB, stats.heap_peak);
	stop_holder(_metadata, &holder);
	EXPECT_EQ(0, collect_count(self->arena));
}

/* Allocate a list of live objects until there is no room. Returns how many. */
static size_t fill_arena(gca_arena *arena, size_t size, void **head)
{
	size_t n = 0;
	void **p;

	errno = 0;
	while (n < 10000 && (p = gca_alloc_in(arena, size))) {
		*p = *head;
		*head = p;
		n++;
	}
	return n;
}

TEST(full_arena_with_threads)
{
	gca_arena *arena = open_arena(GCA_ROOTS_EXPLICIT, 0, 4 * MIB);
	static const size_t sizes[] = { 1000, 100000 };
	struct holder holder;
	void *head = NULL;
	size_t i, n;

	ASSERT_NE(NULL, arena);
	ASSERT_EQ(0, gca_roots_add_in(arena, &head, sizeof(head)));
	start_holder(_metadata, &holder, hide(NULL), false);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		n = fill_arena(arena, sizes[i], &head);
		EXPECT_EQ(ENOSPC, errno);
		EXPECT_LE(25, strlen(gca_strerror(errno)));
		EXPECT_GE(4 * MIB / sizes[i], n);
		EXPECT_LE(2 * MIB / sizes[i], n);
		/* Now it is all garbage, and makes room by itself. */
		head = NULL;
		EXPECT_NE(NULL, gca_alloc_in(arena, sizes[i]));
	}
	stop_holder(_metadata, &holder);
	EXPECT_NE(NULL, gca_alloc_in(arena, 1000));
	EXPECT_NE(NULL, gca_alloc_in(arena, 100000));
	EXPECT_EQ(0, gca_close(arena));
}

/* Right after pthread_join() the thread is gone as far as the program can tell. */
static void *do_nothing(void *arg)
{
	return arg;
}

TEST_F(threads, joined_threads_do_not_count)
{
	pthread_t thread;
	int i;

	self->roots[0] = gca_alloc_in(self->arena, 100);
	for (i = 0; i < 300; i++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, do_nothing, NULL));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		ASSERT_EQ(1, collect_count(self->arena)) {
			TH_LOG("round %d", i);
		}
	}
}

TEST_HARNESS_MAIN
