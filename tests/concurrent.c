// SPDX-License-Identifier: GPL-2.0
/*
 * Concurrent collections: the program runs while the collector traces, and moves the only
 * pointer to an object about meanwhile: into objects that have been scanned, through
 * registers, stacks, thread-local storage, other threads and processes. Each cycle is
 * checked by the module's verifier, and what is freed is overwritten.
 *
 * With zeal_slice the trace goes on by a few steps at each refill, so that the program
 * gets in between at every place there is. GCARENA_SEED repeats the random program.
 */
#include <kselftest_harness.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "gcarena.h"
#include "lib/oracle.h"
#include "lib/param.h"
#include "lib/rawarena.h"
#include "lib/rng.h"

#define KIB		1024UL
#define MIB		(1024 * KIB)
#define NR_TREASURES	64
#define PATIENCE_S	60

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* ---- Treasures: objects that one pointer alone keeps ------------------------------------ */

/* Words that the collector takes for pointers, and what the test knows is in them. */
struct places {
	uint64_t *word;		/* hidden addresses of the words */
	uint64_t *held;		/* hidden treasures, 0 for none */
	size_t nr, room;
};

static bool places_add(struct places *places, void **word)
{
	if (places->nr == places->room) {
		places->room = 2 * places->room + 64;
		places->word = realloc(places->word, places->room * sizeof(*places->word));
		places->held = realloc(places->held, places->room * sizeof(*places->held));
		if (!places->word || !places->held)
			return false;
	}
	places->word[places->nr] = hide(word);
	places->held[places->nr++] = 0;
	return true;
}

static void places_free(struct places *places)
{
	free(places->word);
	free(places->held);
	memset(places, 0, sizeof(*places));
}

/* ---- A program in the middle of collections ------------------------------------------- */

#define NR_ROOTS	64

static void __attribute__((constructor)) need_root(void)
{
	raw_need_root();
}

struct shuttle {
	gca_arena *arena;
	void **roots;			/* NR_ROOTS of them */
	struct places places;
	uint64_t treasure[NR_TREASURES];
	size_t at[NR_TREASURES];
	struct rng rng;
	bool clear_first;		/* in between a register alone has the pointer */
};

/* Garbage: refills make collections, and let them go on. */
static noinline bool churn(struct shuttle *s, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (!gca_alloc_in(s->arena, 16 << rng_below(&s->rng, 11)))
			return false;
	return true;
}

static noinline bool move(struct shuttle *s, size_t treasure, size_t to)
{
	size_t from = s->at[treasure];
	void **old = reveal(s->places.word[from]), **new = reveal(s->places.word[to]);
	void *p = *old;
	bool ok = true;

	if (s->clear_first) {
		*old = NULL;
		ok = churn(s, rng_below(&s->rng, 4));
	}
	*new = p;
	if (!s->clear_first && rng_below(&s->rng, 2))
		ok = churn(s, 1);
	*old = NULL;
	/* Or else p may stay in a register for long. */
	__asm__ volatile("" : : "r"(p) : "memory");
	s->places.held[from] = 0;
	s->places.held[to] = s->treasure[treasure];
	s->at[treasure] = to;
	return ok;
}

static noinline bool shuttle_step(struct shuttle *s)
{
	size_t treasure = rng_below(&s->rng, NR_TREASURES), to;

	to = rng_below(&s->rng, s->places.nr);
	return s->places.held[to] ? churn(s, 8) : move(s, treasure, to);
}

static bool shuttle_is_whole(struct shuttle *s)
{
	size_t i;

	for (i = 0; i < NR_TREASURES; i++)
		if (!sealed_is_whole(s->treasure[i]) ||
		    *(void **)reveal(s->places.word[s->at[i]]) != reveal(s->treasure[i]))
			return false;
	return true;
}

static noinline bool shuttle_load(struct shuttle *s)
{
	size_t i, at;

	for (i = 0; i < NR_TREASURES; i++) {
		do
			at = rng_below(&s->rng, s->places.nr);
		while (s->places.held[at]);
		s->treasure[i] = sealed_new(s->arena);
		if (!s->treasure[i])
			return false;
		*(void **)reveal(s->places.word[at]) = reveal(s->treasure[i]);
		s->places.held[at] = s->treasure[i];
		s->at[i] = at;
	}
	return true;
}

/* Pointers in an object: every @step-th word from @first on. */
static bool add_object(struct shuttle *s, size_t root, void **object, size_t words,
		       size_t first, size_t step)
{
	size_t i;

	if (!object)
		return false;
	s->roots[root] = object;
	for (i = first; i < words; i += step)
		if (!places_add(&s->places, object + i))
			return false;
	return true;
}

/*
 * Old places of each kind of layout: scanned whole, by a short and by a long bitmap, and
 * in pieces. Roots 0 to 31 hold them.
 */
static noinline bool shuttle_furnish(struct shuttle *s)
{
	const size_t wide_words = 64 * KIB / 8;
	static const uint64_t every_second[] = { 2 }, across_words[] = { 1ULL << 63, 1 };
	gca_type *pair, *wide;
	size_t i;

	pair = gca_type_from_bitmap_in(s->arena, "pair", 16, every_second);
	wide = gca_type_from_bitmap_in(s->arena, "wide", 1024, across_words);
	if (!pair || !wide)
		return false;
	for (i = 0; i < 8; i++)
		if (!add_object(s, i, gca_alloc_in(s->arena, 128), 16, 0, 1) ||
		    !add_object(s, 8 + i, gca_make(pair, 16), 32, 1, 2))
			return false;
	return add_object(s, 16, gca_make(wide, 16), 16 * 128, 63, 128) &&
	       add_object(s, 17, gca_alloc_in(s->arena, wide_words * 8), wide_words, 1, 509);
}

/* ---- Fixtures ---------------------------------------------------------------------------- */

FIXTURE(concurrent)
{
	struct params params;
	gca_arena *arena;
	void *roots[NR_ROOTS];
	struct shuttle shuttle;
	uint64_t aborted;
};

FIXTURE_VARIANT(concurrent)
{
	long refault, slice, stack, quiet;
	uint32_t root_mode;
	bool clear_first;
};

FIXTURE_VARIANT_ADD(concurrent, slices_of_5)
{
	.slice = 5, .root_mode = GCA_ROOTS_EXPLICIT,
};

FIXTURE_VARIANT_ADD(concurrent, slices_of_20_overflowing)
{
	.slice = 20, .stack = 8, .quiet = 1, .root_mode = GCA_ROOTS_EXPLICIT,
};

FIXTURE_VARIANT_ADD(concurrent, slices_of_300_through_registers)
{
	.slice = 300, .quiet = 1, .root_mode = GCA_ROOTS_AUTO, .clear_first = true,
};

FIXTURE_VARIANT_ADD(concurrent, by_refaults)
{
	.refault = 1, .slice = 100, .root_mode = GCA_ROOTS_AUTO, .clear_first = true,
};

FIXTURE_SETUP(concurrent)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = variant->root_mode,
	};
	struct params *params = &self->params;

	ASSERT_TRUE(params_set(params, "verify", 1));
	ASSERT_TRUE(params_set(params, "concurrent", 2));
	ASSERT_TRUE(params_set(params, "generational", 2));
	ASSERT_TRUE(params_set(params, "refault", variant->refault));
	ASSERT_TRUE(params_set(params, "zeal_refill", 1));
	ASSERT_TRUE(params_set(params, "zeal_poison", 1));
	ASSERT_TRUE(params_set(params, "zeal_slice", variant->slice));
	ASSERT_TRUE(params_set(params, "zeal_mark_stack", variant->stack));
	ASSERT_TRUE(params_set(params, "zeal_quiet", variant->quiet));
	self->arena = gca_open(&options);
	ASSERT_NE(NULL, self->arena);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, self->roots, sizeof(self->roots)));
	self->shuttle = (struct shuttle) {
		.arena = self->arena, .roots = self->roots, .clear_first = variant->clear_first,
	};
	rng_init(&self->shuttle.rng, rng_seed_from_env());
}

FIXTURE_TEARDOWN(concurrent)
{
	places_free(&self->shuttle.places);
	if (self->arena)
		gca_close(self->arena);
	params_restore(&self->params);
}

static void expect_sound(struct __test_metadata *_metadata, FIXTURE_DATA(concurrent) *self)
{
	struct gcarena_stats stats = raw_stats_of(gca_fd(self->arena));

	EXPECT_TRUE(shuttle_is_whole(&self->shuttle));
	EXPECT_EQ(0, stats.cycles_aborted);
	EXPECT_LT(0, stats.cycles_concurrent);
	EXPECT_LT(stats.cycles_concurrent, stats.rounds);
	TH_LOG("%llu cycles, %llu minor, %llu concurrent with %llu rounds",
	       (unsigned long long)stats.cycles, (unsigned long long)stats.cycles_minor,
	       (unsigned long long)stats.cycles_concurrent, (unsigned long long)stats.rounds);
}

/* ---- Pointers that move ------------------------------------------------------------------ */

TEST_F_TIMEOUT(concurrent, the_only_pointer_moves, 300)
{
	struct shuttle *s = &self->shuttle;
	unsigned int i;

	ASSERT_TRUE(shuttle_furnish(s));
	for (i = 32; i < NR_ROOTS; i++)
		ASSERT_TRUE(places_add(&s->places, self->roots + i));
	ASSERT_TRUE(shuttle_load(s));
	for (i = 0; i < 4000; i++) {
		ASSERT_TRUE(shuttle_step(s)) {
			TH_LOG("%s", gca_strerror(errno));
		}
		if (i % 500 == 0)
			ASSERT_TRUE(shuttle_is_whole(s));
	}
	expect_sound(_metadata, self);
}

struct runner {
	struct shuttle shuttle;
	pthread_t thread;
	bool ok;
};

static __thread void *thread_words[8];

/* On its own stack, in its TLS, and in objects that only its stack holds. */
static noinline void *runner_main(void *arg)
{
	struct runner *r = arg;
	struct shuttle *s = &r->shuttle;
	void *stack_words[NR_ROOTS] = { NULL };
	unsigned int i;

	s->roots = stack_words;
	r->ok = shuttle_furnish(s);
	for (i = 0; i < 8 && r->ok; i++)
		r->ok = places_add(&s->places, thread_words + i) &&
			places_add(&s->places, stack_words + 32 + i);
	r->ok = r->ok && shuttle_load(s);
	for (i = 0; i < 1000 && r->ok; i++)
		r->ok = shuttle_step(s);
	r->ok = r->ok && shuttle_is_whole(s);
	/* The words above are read by the collector alone. */
	__asm__ volatile("" : : "r"(stack_words) : "memory");
	return NULL;
}

TEST_F_TIMEOUT(concurrent, many_threads_move_theirs, 300)
{
	struct runner runner[4] = { };
	struct gcarena_stats stats;
	unsigned int i;

	if (variant->root_mode == GCA_ROOTS_EXPLICIT)
		SKIP(return, "threads' stacks are no roots here");
	for (i = 0; i < 4; i++) {
		runner[i].shuttle = self->shuttle;
		rng_init(&runner[i].shuttle.rng, rng_next(&self->shuttle.rng));
		ASSERT_EQ(0, pthread_create(&runner[i].thread, NULL, runner_main, runner + i));
	}
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, pthread_join(runner[i].thread, NULL));
		EXPECT_TRUE(runner[i].ok);
		places_free(&runner[i].shuttle.places);
	}
	stats = raw_stats_of(gca_fd(self->arena));
	TH_LOG("%llu concurrent cycles", stats.cycles_concurrent);
	EXPECT_EQ(0, stats.cycles_aborted);
	EXPECT_LT(3, stats.cycles_concurrent);
}

/* The child moves them about; the parent's refills keep collections going. */
TEST_F_TIMEOUT(concurrent, another_process_moves_them, 300)
{
	struct shuttle *s = &self->shuttle;
	unsigned int i;
	int status;
	pid_t pid;

	ASSERT_TRUE(shuttle_furnish(s));
	ASSERT_TRUE(shuttle_load(s));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		for (i = 0; i < 500; i++) {
			size_t treasure = rng_below(&s->rng, NR_TREASURES);
			size_t to = rng_below(&s->rng, s->places.nr);

			/* Allocating is the parent's: its library owns the spans. */
			if (!s->places.held[to]) {
				void **old = reveal(s->places.word[s->at[treasure]]);
				void **new = reveal(s->places.word[to]);

				*new = *old;
				*old = NULL;
				s->places.held[s->at[treasure]] = 0;
				s->places.held[to] = s->treasure[treasure];
				s->at[treasure] = to;
			}
			usleep(100);
		}
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0)
		ASSERT_TRUE(churn(s, 50));
	EXPECT_EQ(0, status);
	for (i = 0; i < NR_TREASURES; i++)
		EXPECT_TRUE(sealed_is_whole(s->treasure[i]));
	EXPECT_EQ(0, raw_stats_of(gca_fd(self->arena)).cycles_aborted);
}

/* What is on the mark stack may be freed, and its slot or blocks used again at once. */
TEST_F_TIMEOUT(concurrent, objects_are_freed_meanwhile, 300)
{
	struct shuttle *s = &self->shuttle;
	uint64_t victim[32] = { 0 };
	unsigned int i;

	ASSERT_TRUE(shuttle_furnish(s));
	ASSERT_TRUE(shuttle_load(s));
	for (i = 0; i < 3000; i++) {
		size_t n = rng_below(&s->rng, 32);
		void **p;

		/* Freed first: without a root the collector may be quicker. */
		if (victim[n])
			ASSERT_EQ(0, gca_free(reveal(victim[n])));
		self->roots[32 + n] = NULL;
		p = gca_alloc_in(self->arena, rng_below(&s->rng, 8) ? 256 : 96 * KIB);
		ASSERT_NE(NULL, p);
		p[1] = rng_below(&s->rng, 2) ? p : self->roots[rng_below(&s->rng, 16)];
		self->roots[32 + n] = p;
		victim[n] = hide(p);
		ASSERT_TRUE(shuttle_step(s));
	}
	expect_sound(_metadata, self);
}

/* Garbage goes, too: some of it one cycle late, all of it when a full one is asked for. */
TEST_F_TIMEOUT(concurrent, garbage_goes, 300)
{
	struct gca_collection collected = { .size = sizeof(collected) };
	struct shuttle *s = &self->shuttle;
	struct gcarena_stats stats;

	if (variant->root_mode != GCA_ROOTS_EXPLICIT)
		SKIP(return, "what stays on the stack is no exact number");
	ASSERT_TRUE(shuttle_furnish(s));
	ASSERT_TRUE(shuttle_load(s));
	ASSERT_TRUE(churn(s, 20000));
	stats = raw_stats_of(gca_fd(self->arena));
	EXPECT_LT(1000, stats.total_freed_objects);
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL, &collected));
	EXPECT_EQ(18 + NR_TREASURES, collected.live_objects);
	expect_sound(_metadata, self);
}

/* Once the first round is over, who allocates comes back for each span, and helps. */
TEST_F_TIMEOUT(concurrent, rounds_get_help, 300)
{
	struct gcarena_span spans[GCARENA_REFILL_MAX];
	struct shuttle *s = &self->shuttle;
	unsigned int i, one = 0, many = 0;
	struct raw_class_table classes;
	uint64_t cycles = 0;
	__u32 class;
	int nr;

	ASSERT_EQ(0, raw_classes(gca_fd(self->arena), &classes));
	class = raw_class_of(&classes, 1024);
	ASSERT_TRUE(shuttle_furnish(s));
	ASSERT_TRUE(shuttle_load(s));
	for (i = 0; i < 2000 && !(one && many && cycles); i++) {
		ASSERT_TRUE(shuttle_step(s));
		nr = raw_refill(gca_fd(self->arena), class, GCARENA_LAYOUT_NOSCAN, spans,
				GCARENA_REFILL_MAX);
		ASSERT_LT(0, nr);
		one += nr == 1;
		many += nr == GCARENA_REFILL_MAX;
		ASSERT_EQ(0, raw_release(gca_fd(self->arena), spans, nr));
		cycles = raw_stats_of(gca_fd(self->arena)).cycles_concurrent;
	}
	EXPECT_LT(0, one);
	EXPECT_LT(0, many);
	expect_sound(_metadata, self);
}

/* ---- A cycle that is on, and what may happen to it ---------------------------------------- */

FIXTURE(background)
{
	struct params params;
	gca_arena *arena;
	void **list;
	uint64_t nodes;
	long users;
};

/* A worker so slow that a cycle of a few MiB takes seconds. */
FIXTURE_SETUP(background)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = GCA_ROOTS_EXPLICIT, .min_heap = 4 * MIB,
	};

	/* Here collections come when they are due, whatever zeal the others get. */
	ASSERT_TRUE(params_set(&self->params, "zeal_refill", 0));
	ASSERT_TRUE(params_set(&self->params, "zeal_slice", 0));
	ASSERT_TRUE(params_set(&self->params, "zeal_delay_us", 0));
	ASSERT_TRUE(params_set(&self->params, "verify", 1));
	ASSERT_TRUE(params_set(&self->params, "concurrent", 2));
	ASSERT_TRUE(params_set(&self->params, "background_cpu_percent", 1));
	self->users = module_users();
	self->arena = gca_open(&options);
	ASSERT_NE(NULL, self->arena);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, &self->list, sizeof(self->list)));
}

FIXTURE_TEARDOWN(background)
{
	if (self->arena)
		gca_close(self->arena);
	params_restore(&self->params);
}

static bool list_grow(gca_arena *arena, void ***list, uint64_t *nodes, unsigned int n)
{
	while (n--) {
		void **node = gca_alloc_in(arena, 64);

		if (!node)
			return false;
		node[0] = *list;
		node[1] = (void *)(MAGIC ^ ++*nodes);
		*list = node;
	}
	return true;
}

static uint64_t list_length(void **list)
{
	uint64_t n = 0;
	void **node;

	for (node = list; node; node = node[0])
		n++;
	for (node = list; node; node = node[0], n--)
		if (node[1] != (void *)(MAGIC ^ n))
			return ~0ULL;
	for (node = list; node; node = node[0])
		n++;
	return n;
}

/* Allocate until a concurrent cycle is on: its dirty pass has been made. */
static bool begin_cycle(gca_arena *arena, void ***list, uint64_t *nodes)
{
	uint64_t end = now_ns() + PATIENCE_S * 1000000000ULL;
	struct gcarena_stats before = raw_stats_of(gca_fd(arena)), stats;

	do {
		if (!list_grow(arena, list, nodes, 500) || now_ns() > end)
			return false;
		stats = raw_stats_of(gca_fd(arena));
	} while (stats.concurrent_ns == before.concurrent_ns);
	return stats.cycles == before.cycles;
}

static bool wait_for_cycle(gca_arena *arena, uint64_t after)
{
	uint64_t end = now_ns() + PATIENCE_S * 1000000000ULL;

	while (raw_stats_of(gca_fd(arena)).cycles_concurrent <= after) {
		if (now_ns() > end)
			return false;
		usleep(1000);
	}
	return true;
}

/* "Background cycles need no call from the program" */
TEST_F_TIMEOUT(background, ends_without_the_program, 300)
{
	uint64_t before = raw_stats_of(gca_fd(self->arena)).cycles_concurrent;

	ASSERT_TRUE(begin_cycle(self->arena, &self->list, &self->nodes));
	param_set("background_cpu_percent", 100);
	EXPECT_TRUE(wait_for_cycle(self->arena, before));
	EXPECT_EQ(self->nodes, list_length(self->list));
	EXPECT_EQ(0, raw_stats_of(gca_fd(self->arena)).cycles_aborted);
}

/* The worker alone would be far too slow: threads that allocate have to help. */
TEST_F_TIMEOUT(background, the_heap_keeps_to_its_goal, 300)
{
	uint64_t most = 0, i;
	struct gcarena_stats stats = { };

	ASSERT_TRUE(list_grow(self->arena, &self->list, &self->nodes, 60000));
	for (i = 0; i < 400; i++) {
		void **garbage = NULL;
		uint64_t n = 0;

		ASSERT_TRUE(list_grow(self->arena, &garbage, &n, 1000));
		stats = raw_stats_of(gca_fd(self->arena));
		most = stats.heap_bytes * 100 / stats.next_gc > most ?
		       stats.heap_bytes * 100 / stats.next_gc : most;
	}
	TH_LOG("at most %lu %% of the goal; helped for %llu us of %llu", most,
	       (unsigned long long)stats.assist_ns / 1000,
	       (unsigned long long)stats.concurrent_ns / 1000);
	EXPECT_GT(150, most);
	EXPECT_LT(0, stats.assist_ns);
	EXPECT_LT(0, stats.cycles_concurrent);
	EXPECT_EQ(self->nodes, list_length(self->list));
}

TEST_F_TIMEOUT(background, a_full_one_is_asked_for, 300)
{
	struct gca_collection collected = { .size = sizeof(collected) };

	ASSERT_TRUE(begin_cycle(self->arena, &self->list, &self->nodes));
	/* Marked already, perhaps; dead now. A full collection has to free it. */
	self->list = NULL;
	self->nodes = 0;
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL, &collected));
	EXPECT_EQ(0, collected.live_objects);
	EXPECT_EQ(0, raw_stats_of(gca_fd(self->arena)).cycles_aborted);
}

TEST_F_TIMEOUT(background, a_minor_one_is_asked_for, 300)
{
	uint64_t before = raw_stats_of(gca_fd(self->arena)).cycles_concurrent;

	ASSERT_TRUE(begin_cycle(self->arena, &self->list, &self->nodes));
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_MINOR, NULL));
	EXPECT_EQ(before + 1, raw_stats_of(gca_fd(self->arena)).cycles_concurrent);
	EXPECT_EQ(self->nodes, list_length(self->list));
}

/* An empty span may not go while the trace refers to it, and has to go after. */
TEST_F_TIMEOUT(background, memory_freed_meanwhile_comes_back, 300)
{
	uint64_t before = raw_stats_of(gca_fd(self->arena)).cycles_concurrent;
	void *large = gca_alloc_in(self->arena, 2 * MIB);
	struct gcarena_stats stats;

	ASSERT_NE(NULL, large);
	ASSERT_TRUE(begin_cycle(self->arena, &self->list, &self->nodes));
	stats = raw_stats_of(gca_fd(self->arena));
	ASSERT_EQ(0, gca_free(large));
	EXPECT_EQ(stats.span_bytes, raw_stats_of(gca_fd(self->arena)).span_bytes);
	param_set("background_cpu_percent", 100);
	ASSERT_TRUE(wait_for_cycle(self->arena, before));
	EXPECT_GE(stats.span_bytes - 2 * MIB, raw_stats_of(gca_fd(self->arena)).span_bytes);
}

static bool module_is_left(long users)
{
	uint64_t end = now_ns() + PATIENCE_S * 1000000000ULL;

	while (module_users() > users) {
		if (now_ns() > end)
			return false;
		usleep(1000);
	}
	return true;
}

TEST_F_TIMEOUT(background, the_arena_is_closed, 300)
{
	ASSERT_TRUE(begin_cycle(self->arena, &self->list, &self->nodes));
	ASSERT_EQ(0, gca_close(self->arena));
	self->arena = NULL;
	EXPECT_TRUE(module_is_left(self->users));
}

TEST_F_TIMEOUT(background, the_program_is_killed, 300)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = GCA_ROOTS_AUTO, .min_heap = 4 * MIB,
	};
	unsigned int i;
	int status;
	pid_t pid;

	gca_close(self->arena);
	self->arena = NULL;
	for (i = 0; i < 10; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			gca_arena *arena = gca_open(&options);
			void **list = NULL;
			uint64_t nodes = 0;

			if (!arena || !begin_cycle(arena, &list, &nodes))
				_exit(1);
			if (i % 2)
				_exit(0);
			raise(SIGKILL);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(i % 2 ? 0 : SIGKILL, status);
		EXPECT_TRUE(module_is_left(self->users));
	}
}

/*
 * Nobody maps it any more, but the descriptor is there: who maps it again may look for his
 * objects. The cycle is given up.
 */
TEST_F_TIMEOUT(background, the_mapping_goes, 300)
{
	struct gcarena_stats before = raw_stats_of(gca_fd(self->arena)), stats;
	uint64_t end = now_ns() + PATIENCE_S * 1000000000ULL;
	struct gcarena_info info;

	ASSERT_TRUE(begin_cycle(self->arena, &self->list, &self->nodes));
	ASSERT_EQ(0, raw_info(gca_fd(self->arena), &info));
	ASSERT_EQ(0, munmap((void *)(uintptr_t)info.base, info.reserve));
	param_set("background_cpu_percent", 100);
	do
		stats = raw_stats_of(gca_fd(self->arena));
	while (stats.cycles_aborted == before.cycles_aborted && now_ns() < end);
	EXPECT_EQ(before.cycles_aborted + 1, stats.cycles_aborted);
	EXPECT_EQ(before.cycles, stats.cycles);
	EXPECT_EQ(before.total_freed_objects, stats.total_freed_objects);
}

/* What another process may do that has the descriptor; the one before takes its roots along. */
static bool map_again(gca_arena *arena)
{
	struct gcarena_info info;
	void *base;

	if (raw_info(gca_fd(arena), &info))
		return false;
	base = (void *)(uintptr_t)info.base;
	return !munmap(base, info.reserve) &&
	       mmap(base, info.reserve, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		    gca_fd(arena), 0) == base;
}

/* It is mapped again before the cycle's next stop, but there are no roots yet. */
TEST_F_TIMEOUT(background, the_mapping_comes_back, 300)
{
	struct gcarena_stats before = raw_stats_of(gca_fd(self->arena)), stats;
	uint64_t end = now_ns() + PATIENCE_S * 1000000000ULL;
	struct gca_collection collected = { .size = sizeof(collected) };

	ASSERT_TRUE(begin_cycle(self->arena, &self->list, &self->nodes));
	ASSERT_TRUE(map_again(self->arena));
	param_set("background_cpu_percent", 100);
	do
		stats = raw_stats_of(gca_fd(self->arena));
	while (stats.cycles_aborted + stats.cycles == before.cycles_aborted + before.cycles &&
	       now_ns() < end);
	EXPECT_EQ(before.cycles_aborted + 1, stats.cycles_aborted);
	EXPECT_EQ(before.cycles, stats.cycles);
	EXPECT_EQ(before.total_freed_objects, stats.total_freed_objects);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, &self->list, sizeof(self->list)));
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL, &collected));
	EXPECT_EQ(self->nodes, collected.live_objects);
	EXPECT_EQ(self->nodes, list_length(self->list));
}

/* Nor does it end somebody else's collection. */
TEST_F_TIMEOUT(background, the_mapping_comes_back_and_collects, 300)
{
	struct gcarena_stats before = raw_stats_of(gca_fd(self->arena)), stats;

	ASSERT_TRUE(begin_cycle(self->arena, &self->list, &self->nodes));
	ASSERT_TRUE(map_again(self->arena));
	ASSERT_EQ(0, gca_roots_add_in(self->arena, &self->list, sizeof(self->list)));
	EXPECT_EQ(0, gca_collect_in(self->arena, GCA_MINOR, NULL));
	stats = raw_stats_of(gca_fd(self->arena));
	EXPECT_EQ(before.cycles_aborted + 1, stats.cycles_aborted);
	EXPECT_EQ(before.cycles + 1, stats.cycles);
	EXPECT_EQ(self->nodes, list_length(self->list));
}

/* ---- How much of the processors it takes --------------------------------------------------- */

/* Nothing is asked of the arena meanwhile: whoever wants its lock cuts a slice short. */
static bool wait_for_event(gca_arena *arena, struct gcarena_event *event)
{
	struct pollfd fd = { .fd = gca_fd(arena), .events = POLLIN };
	/* At a hundredth of the processors a slow kernel takes its time. */
	int patience = PATIENCE_S * 1000 * rng_env_number("GCARENA_PATIENCE", 1);

	do {
		if (poll(&fd, 1, patience) != 1 ||
		    read(fd.fd, event, sizeof(*event)) != sizeof(*event))
			return false;
	} while (event->kind != GCARENA_EVENT_CYCLE);
	return true;
}

static void drain_events(gca_arena *arena)
{
	struct gcarena_event event;

	while (read(gca_fd(arena), &event, sizeof(event)) > 0)
		;
}

/* What a cycle took from here on, by the collector's own clock. */
struct share {
	uint64_t traced_ns, wall_ns;	/* wall: without the stops */
};

/* The program stands idle while a cycle goes on at @percent of all processors. */
static bool measure_share(gca_arena *arena, long percent, struct share *share)
{
	struct gcarena_stats before, after;
	struct gcarena_event event;
	uint64_t start;

	if (!param_set("background_cpu_percent", percent))
		return false;
	start = now_ns();
	before = raw_stats_of(gca_fd(arena));
	if (!wait_for_event(arena, &event))
		return false;
	after = raw_stats_of(gca_fd(arena));
	share->traced_ns = after.concurrent_ns - before.concurrent_ns;
	share->wall_ns = event.time_ns - start - (after.pause_total_ns - before.pause_total_ns);
	return after.cycles_concurrent == before.cycles_concurrent + 1;
}

static void expect_share(struct __test_metadata *_metadata, long percent,
			 const struct share *share)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	long most = percent * cpus;	/* of one processor */

	TH_LOG("%ld %% of %ld processors: traced for %llu us of %llu us", percent, cpus,
	       (unsigned long long)share->traced_ns / 1000,
	       (unsigned long long)share->wall_ns / 1000);
	EXPECT_LT(0, share->traced_ns);
	/*
	 * After each slice there is the rest that is due, but for the last rounds. The kernel
	 * sleeps up to twice as long as is asked for, so that it may be far more.
	 */
	EXPECT_LE(share->traced_ns * 100 / most * 7 / 10, share->wall_ns);
}

/* In the middle of a cycle that one worker does, without helpers. */
static bool begin_alone(FIXTURE_DATA(background) *self, long percent)
{
	/* To verify would take longer than all the rest. */
	return params_set(&self->params, "mark_workers", 1) &&
	       params_set(&self->params, "verify", 0) &&
	       param_set("background_cpu_percent", percent) &&
	       begin_cycle(self->arena, &self->list, &self->nodes);
}

/*
 * What the worker takes for tracing is by its own clock, which goes on while others have the
 * processor, and so does the rest that follows from it: load does not break the bound.
 */
TEST_F_TIMEOUT(background, takes_no_more_than_its_part, 300)
{
	static const long percents[] = { 10, 50 };
	struct share share[2];
	unsigned int i;

	if (percents[0] * sysconf(_SC_NPROCESSORS_ONLN) >= 100)
		SKIP(return, "that part of this machine is a whole processor");
	/* So many that the rest which is due when it begins does not count. */
	ASSERT_TRUE(list_grow(self->arena, &self->list, &self->nodes, 400000));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL, NULL));
		ASSERT_TRUE(begin_alone(self, percents[0]));
		drain_events(self->arena);
		ASSERT_TRUE(measure_share(self->arena, percents[i], &share[i]));
		expect_share(_metadata, percents[i], &share[i]);
	}
	/* And is it that parameter that makes it so? */
	EXPECT_LT(share[0].traced_ns * share[1].wall_ns, share[1].traced_ns * share[0].wall_ns);
	EXPECT_EQ(self->nodes, list_length(self->list));
}

/* Values that are none count as the nearest that is one; what is no number is refused. */
TEST_F_TIMEOUT(background, percent_out_of_range, 300)
{
	struct share share;

	ASSERT_TRUE(begin_alone(self, 0));
	drain_events(self->arena);
	ASSERT_TRUE(measure_share(self->arena, 0, &share));
	expect_share(_metadata, 1, &share);
	/* Times an even number of processors it would be nothing, in 32 bits. */
	ASSERT_TRUE(begin_alone(self, 1));
	drain_events(self->arena);
	ASSERT_TRUE(measure_share(self->arena, 1L << 31, &share));
	expect_share(_metadata, 100, &share);
	EXPECT_FALSE(param_set("background_cpu_percent", -1));
}

TEST_HARNESS_MAIN
