// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once: threads and processes that allocate, link, hand lists to each
 * other, are born and die, while collections come by themselves and are forced by
 * several threads at a time. Whoever receives a list checks all of it.
 *
 * GCARENA_SEED repeats the random choices (not the timing), GCARENA_THREADS and
 * GCARENA_SECONDS (of each test) set how much there is.
 */
#include <kselftest_harness.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#include "gcarena.h"
#include "lib/oracle.h"
#include "lib/rawarena.h"
#include "lib/rng.h"

#define KIB		1024UL
#define MIB		(1024 * KIB)
#define PAGE		4096UL
#define NR_SLOTS	32
#define NR_PROCESSES	8
#define MAX_THREADS	256
#define FAULT_BYTES	(4 * MIB)

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

static uint64_t seconds(void)
{
	return rng_env_number("GCARENA_SECONDS", 8);
}

/* ---- Lists that know what they must look like ------------------------------------ */

struct node {
	struct node *next;
	uint64_t *payload;	/* PAYLOAD words without pointers, or NULL */
	uint64_t value;
};

struct list {
	struct node *first;
	uint64_t seed;		/* of the values */
	uint64_t length;
};

#define PAYLOAD_MAX	200	/* words */

struct types {
	gca_arena *arena;
	gca_type *node, *list;
};

static uint64_t value_of(uint64_t seed, uint64_t n)
{
	/* No value looks like an address. */
	return rng_mix(seed + n) | 1ULL << 63;
}

static uint64_t payload_words(uint64_t value)
{
	return value % 4 ? 0 : 1 + value / 4 % PAYLOAD_MAX;
}

static bool fill_payload(const struct types *types, struct node *node)
{
	uint64_t words = payload_words(node->value), i;

	if (!words)
		return true;
	node->payload = gca_alloc_noscan_in(types->arena, words * sizeof(uint64_t));
	for (i = 0; node->payload && i < words; i++)
		node->payload[i] = node->value + i;
	return node->payload;
}

/* Half of the nodes are typed, half are scanned word by word. */
static struct node *new_node(const struct types *types, uint64_t value)
{
	struct node *node;

	node = value & 2 ? gca_new(types->node) : gca_alloc_in(types->arena, sizeof(*node));
	if (!node)
		return NULL;
	node->value = value;
	return fill_payload(types, node) ? node : NULL;
}

/* Node 0 comes last, so that the list grows at its head. */
static struct list *new_list(const struct types *types, struct rng *rng)
{
	struct list *list = gca_new(types->list);
	struct node *node;
	uint64_t i;

	if (!list)
		return NULL;
	list->seed = rng_next(rng);
	list->length = 1 + rng_below(rng, 60);
	for (i = 0; i < list->length; i++) {
		node = new_node(types, value_of(list->seed, i));
		if (!node)
			return NULL;
		node->next = list->first;
		list->first = node;
	}
	return list;
}

static bool check_node(const struct node *node, uint64_t value)
{
	uint64_t words = payload_words(value), i;

	if (!node || node->value != value || !node->payload != !words)
		return false;
	for (i = 0; i < words; i++)
		if (node->payload[i] != value + i)
			return false;
	return true;
}

static bool check_list(const struct list *list)
{
	const struct node *node = list->first;
	uint64_t i;

	if (!list->length)
		return false;	/* what was swept is zero */
	for (i = list->length; i; i--) {
		if (!check_node(node, value_of(list->seed, i - 1)))
			return false;
		node = node->next;
	}
	return !node;
}

static bool open_types(struct types *types)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = GCA_ROOTS_AUTO, .min_heap = MIB,
	};

	types->arena = gca_open(&options);
	if (!types->arena)
		return false;
	types->node = GCA_TYPE_IN(types->arena, struct node, next, payload);
	types->list = GCA_TYPE_IN(types->arena, struct list, first);
	return types->node && types->list;
}

/* Nobody has failed to stop; @killed: who collected then had to give it up. */
static void report(struct __test_metadata *_metadata, const struct types *types,
		   unsigned int killed)
{
	struct gca_stats stats = { .size = sizeof(stats) };
	struct gcarena_stats raw;

	ASSERT_EQ(0, gca_read_stats_in(types->arena, &stats));
	ASSERT_EQ(0, raw_stats(gca_fd(types->arena), &raw));
	EXPECT_EQ(0, raw.stop_timeout_pid);
	EXPECT_EQ(0, stats.num_refused_gc);
	EXPECT_GE(killed, stats.num_aborted_gc);
	TH_LOG("%llu objects, %llu collections, %llu forced, longest pause %llu us",
	       (unsigned long long)stats.mallocs, (unsigned long long)stats.num_gc,
	       (unsigned long long)stats.num_forced_gc,
	       (unsigned long long)stats.pause_max_ns / 1000);
}

/* ---- Threads ----------------------------------------------------------------------- */

struct slot {
	pthread_mutex_t lock;
	struct list *list;
};

/* The roots of all that is on its way: .bss. */
static struct slot slots[NR_SLOTS];

struct worker {
	pthread_t thread;
	const struct types *types;
	uint64_t seed, until;
	unsigned long exchanges, damaged, failures;
};

static struct list *exchange(struct slot *slot, struct list *list)
{
	struct list *other;

	pthread_mutex_lock(&slot->lock);
	other = slot->list;
	slot->list = list;
	pthread_mutex_unlock(&slot->lock);
	return other;
}

static void make_and_exchange(struct worker *me, struct rng *rng)
{
	struct list *list = new_list(me->types, rng);

	if (!list) {
		me->failures++;
		return;
	}
	list = exchange(&slots[rng_below(rng, NR_SLOTS)], list);
	me->exchanges++;
	me->damaged += list && !check_list(list);
}

static void *live_shortly(void *arg)
{
	struct worker *me = arg;
	struct rng rng;
	int i;

	rng_init(&rng, me->seed);
	for (i = 0; i < 5; i++)
		make_and_exchange(me, &rng);
	return NULL;
}

/* While the child lives the parent holds a list on its stack alone. */
static void have_a_child(struct worker *me, struct rng *rng)
{
	struct worker child = { .types = me->types, .seed = rng_next(rng) };
	struct list *mine = new_list(me->types, rng);

	if (!mine || pthread_create(&child.thread, NULL, live_shortly, &child)) {
		me->failures++;
		return;
	}
	pthread_join(child.thread, NULL);
	me->exchanges += child.exchanges;
	me->damaged += child.damaged + !check_list(mine);
	me->failures += child.failures;
}

static void *work(void *arg)
{
	struct worker *me = arg;
	struct rng rng;
	uint64_t dice;

	rng_init(&rng, me->seed);
	while (now_ms() < me->until) {
		dice = rng_below(&rng, 200);
		if (dice == 0)
			me->failures += gca_collect_in(me->types->arena, GCA_FULL, NULL) != 0;
		else if (dice < 3)
			have_a_child(me, &rng);
		else
			make_and_exchange(me, &rng);
	}
	return NULL;
}

/* Back to back, so that there is always one who waits for the other's end. */
static void *collect_all_the_time(void *arg)
{
	struct worker *me = arg;

	while (now_ms() < me->until) {
		me->failures += gca_collect_in(me->types->arena, GCA_FULL, NULL) != 0;
		me->exchanges++;
	}
	return NULL;
}

static void start(struct __test_metadata *_metadata, struct worker *worker,
		  const struct types *types, uint64_t seed, void *(*function)(void *))
{
	*worker = (struct worker){
		.types = types, .seed = seed, .until = now_ms() + seconds() * 1000,
	};
	ASSERT_EQ(0, pthread_create(&worker->thread, NULL, function, worker));
}

static void finish(struct __test_metadata *_metadata, struct worker *worker)
{
	ASSERT_EQ(0, pthread_join(worker->thread, NULL));
	EXPECT_EQ(0, worker->damaged);
	EXPECT_EQ(0, worker->failures);
	EXPECT_LT(0, worker->exchanges);
}

static void check_slots(struct __test_metadata *_metadata)
{
	int i;

	for (i = 0; i < NR_SLOTS; i++)
		EXPECT_TRUE(!slots[i].list || check_list(slots[i].list));
}

FIXTURE(storm)
{
	struct types types;
	struct rng rng;
};

FIXTURE_SETUP(storm)
{
	int i;

	rng_init(&self->rng, rng_seed_from_env());
	ASSERT_TRUE(open_types(&self->types)) {
		TH_LOG("gca_open: %s", gca_strerror(errno));
	}
	for (i = 0; i < NR_SLOTS; i++)
		ASSERT_EQ(0, pthread_mutex_init(&slots[i].lock, NULL));
}

FIXTURE_TEARDOWN(storm)
{
	EXPECT_EQ(0, gca_close(self->types.arena));
}

TEST_F_TIMEOUT(storm, threads, 120)
{
	static struct worker workers[MAX_THREADS], collectors[2];
	uint64_t n = rng_env_number("GCARENA_THREADS", 16), i, exchanges = 0;

	ASSERT_GE(MAX_THREADS, n);
	for (i = 0; i < n; i++)
		start(_metadata, &workers[i], &self->types, rng_next(&self->rng), work);
	for (i = 0; i < ARRAY_SIZE(collectors); i++)
		start(_metadata, &collectors[i], &self->types, 0, collect_all_the_time);
	for (i = 0; i < n; i++) {
		finish(_metadata, &workers[i]);
		exchanges += workers[i].exchanges;
	}
	for (i = 0; i < ARRAY_SIZE(collectors); i++)
		finish(_metadata, &collectors[i]);
	check_slots(_metadata);
	TH_LOG("%llu lists received", (unsigned long long)exchanges);
	report(_metadata, &self->types, 0);
}

/* ---- Two arenas at the same time ------------------------------------------------------ */

/* Neither may wait for the other's thread, which is in a collection and never parks. */
TEST_F_TIMEOUT(storm, two_arenas, 120)
{
	struct worker collectors[2], workers[2];
	struct types other;
	int i;

	ASSERT_TRUE(open_types(&other));
	start(_metadata, &collectors[0], &self->types, 0, collect_all_the_time);
	start(_metadata, &collectors[1], &other, 0, collect_all_the_time);
	for (i = 0; i < 2; i++)
		start(_metadata, &workers[i], i ? &other : &self->types,
		      rng_next(&self->rng), work);
	for (i = 0; i < 2; i++) {
		finish(_metadata, &collectors[i]);
		finish(_metadata, &workers[i]);
		TH_LOG("arena %d: %lu collections", i, collectors[i].exchanges);
	}
	/* The slots are shared: what is in them may be of either arena. */
	check_slots(_metadata);
	memset(slots, 0, sizeof(slots));
	report(_metadata, &self->types, 0);
	report(_metadata, &other, 0);
	EXPECT_EQ(0, gca_close(other.arena));
}

/* ---- Faults ------------------------------------------------------------------------------ */

/* Throws page table entries away, all the time, and looks at what comes back. */
static void *fault_all_the_time(void *arg)
{
	struct worker *me = arg;
	uint64_t *memory = gca_alloc_noscan_in(me->types->arena, FAULT_BYTES), i;

	if (!memory) {
		me->failures++;
		return NULL;
	}
	for (i = 0; i < FAULT_BYTES / 8; i++)
		memory[i] = i;
	while (now_ms() < me->until) {
		me->failures += madvise(memory, FAULT_BYTES, MADV_DONTNEED) != 0;
		for (i = 0; i < FAULT_BYTES / 8; i += PAGE / 8)
			me->damaged += memory[i] != i;
		me->exchanges++;
	}
	return NULL;
}

TEST_F_TIMEOUT(storm, faults, 120)
{
	struct worker faulters[2], collector;
	int i;

	for (i = 0; i < 2; i++)
		start(_metadata, &faulters[i], &self->types, 0, fault_all_the_time);
	start(_metadata, &collector, &self->types, 0, collect_all_the_time);
	for (i = 0; i < 2; i++)
		finish(_metadata, &faulters[i]);
	finish(_metadata, &collector);
	TH_LOG("%lu and %lu times %lu pages, %lu collections", faulters[0].exchanges,
	       faulters[1].exchanges, FAULT_BYTES / PAGE, collector.exchanges);
	report(_metadata, &self->types, 0);
}

/* ---- Processes --------------------------------------------------------------------------- */

/* Outside the arena, and no root. */
struct meeting {
	pthread_mutex_t lock;		/* robust: who is killed may hold it */
	uint64_t until;
	atomic_ulong exchanges, damaged, failures;
};

/* In the arena; every process has its address in .bss. */
static struct list **table;

static void lock_meeting(struct meeting *meeting)
{
	if (pthread_mutex_lock(&meeting->lock) == EOWNERDEAD)
		pthread_mutex_consistent(&meeting->lock);
}

static struct meeting *new_meeting(struct __test_metadata *_metadata)
{
	struct meeting *meeting = mmap(NULL, sizeof(*meeting), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attributes;

	ASSERT_NE(MAP_FAILED, (void *)meeting);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	ASSERT_EQ(0, pthread_mutex_init(&meeting->lock, &attributes));
	return meeting;
}

static struct list *swap_in_table(struct meeting *meeting, uint64_t n, struct list *list)
{
	struct list *other;

	lock_meeting(meeting);
	other = table[n];
	table[n] = list;
	pthread_mutex_unlock(&meeting->lock);
	return other;
}

static void meet(const struct types *types, struct meeting *meeting, struct rng *rng)
{
	struct list *list = new_list(types, rng);

	if (!list) {
		atomic_fetch_add(&meeting->failures, 1);
		return;
	}
	list = swap_in_table(meeting, rng_below(rng, NR_SLOTS), list);
	atomic_fetch_add(&meeting->exchanges, 1);
	if (list && !check_list(list))
		atomic_fetch_add(&meeting->damaged, 1);
}

static void run_process(const struct types *types, struct meeting *meeting, uint64_t seed)
{
	struct rng rng;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rng_init(&rng, seed);
	while (now_ms() < meeting->until) {
		if (rng_below(&rng, 100))
			meet(types, meeting, &rng);
		else if (gca_collect_in(types->arena, GCA_FULL, NULL))
			atomic_fetch_add(&meeting->failures, 1);
	}
	_exit(0);
}

static pid_t fork_process(struct __test_metadata *_metadata, const struct types *types,
			  struct meeting *meeting, uint64_t seed)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid)
		run_process(types, meeting, seed);
	return pid;
}

/* Kill one, take its place with a new one; and collect as well. */
static void kill_one(struct __test_metadata *_metadata, FIXTURE_DATA(storm) *self,
		     struct meeting *meeting, pid_t *pid)
{
	usleep(rng_below(&self->rng, 50000));
	ASSERT_EQ(0, kill(*pid, SIGKILL));
	if (rng_below(&self->rng, 2))
		EXPECT_EQ(0, gca_collect_in(self->types.arena, GCA_FULL, NULL));
	ASSERT_EQ(128 + SIGKILL, raw_reap(*pid));
	*pid = fork_process(_metadata, &self->types, meeting, rng_next(&self->rng));
}

static void check_table(struct __test_metadata *_metadata)
{
	int i;

	for (i = 0; i < NR_SLOTS; i++)
		EXPECT_TRUE(!table[i] || check_list(table[i]));
}

TEST_F_TIMEOUT(storm, processes, 120)
{
	struct meeting *meeting = new_meeting(_metadata);
	unsigned int i, killed = 0;
	pid_t pids[NR_PROCESSES];

	table = gca_alloc_in(self->types.arena, NR_SLOTS * sizeof(*table));
	ASSERT_NE(NULL, table);
	meeting->until = now_ms() + seconds() * 1000;
	for (i = 0; i < NR_PROCESSES; i++)
		pids[i] = fork_process(_metadata, &self->types, meeting,
				       rng_next(&self->rng));
	/* The last ones end by themselves. */
	while (now_ms() + 500 < meeting->until) {
		kill_one(_metadata, self, meeting,
			 &pids[rng_below(&self->rng, NR_PROCESSES)]);
		killed++;
	}
	for (i = 0; i < NR_PROCESSES; i++)
		EXPECT_EQ(0, raw_reap(pids[i]));
	EXPECT_EQ(0, gca_collect_in(self->types.arena, GCA_FULL, NULL));
	check_table(_metadata);
	EXPECT_EQ(0, atomic_load(&meeting->damaged));
	EXPECT_EQ(0, atomic_load(&meeting->failures));
	TH_LOG("%lu lists received, %u killed", meeting->exchanges, killed);
	report(_metadata, &self->types, killed);
}

TEST_HARNESS_MAIN
