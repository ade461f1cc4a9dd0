// SPDX-License-Identifier: GPL-2.0
/*
 * Signals and collections. A process that is killed in the middle of a cycle, or while
 * objects move step by step, leaves an arena with everything in it; one that is stopped, or
 * that takes signals all the time, notices nothing: no object is lost, and no call ends with
 * EINTR. A collection may also be called from a signal handler, whatever stack that runs on.
 *
 * The heap is one long linked list, so that marking takes as long as it can and a
 * single lost object is seen. GCARENA_SEED repeats the moments.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <time.h>

#include "kselftest_harness.h"
#include "lib/rawarena.h"
#include "lib/rng.h"

#define ARENA_RESERVE	(512 * RAW_MIB)
#define NODE_BYTES	64
#define KILL_SECONDS	8
#define KILL_ROUNDS_MIN	5
#define KILL_ROUNDS_MAX	200
#define SPARSE_NODES	6400
#define NR_SOME		64
#define STACK_BYTES	(256 * RAW_KIB)

static void __attribute__((constructor)) need_device(void)
{
	raw_need_device();
}

struct node {
	struct node *next;
	__u64 number;		/* the last one is 0 */
	struct node *far;	/* some other one, or NULL */
};

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void sleep_ns(__u64 ns)
{
	struct timespec time = {
		.tv_sec = ns / 1000000000,
		.tv_nsec = ns % 1000000000,
	};

	nanosleep(&time, NULL);
}

static struct raw_allocator nodes_from(int fd, __u32 layout)
{
	struct raw_allocator from = { .fd = fd, .layout = layout };
	struct raw_class_table classes;

	if (!raw_classes(fd, &classes))
		from.size_class = raw_class_of(&classes, NODE_BYTES);
	return from;
}

/*
 * @nr nodes, newest first. The address is inverted: to the collector, a number. A wide
 * list has shortcuts: several threads can mark it.
 */
static __u64 list_build(int fd, __u64 nr, bool wide)
{
	struct node **all = wide ? calloc(nr, sizeof(*all)) : NULL;
	struct raw_allocator from = nodes_from(fd, 0);
	struct node *head = NULL, *node;
	__u64 i;

	for (i = 0; i < nr; i++) {
		node = raw_new(&from);
		if (!node)
			return 0;
		node->next = head;
		node->number = i;
		node->far = NULL;
		if (all) {
			all[i] = node;
			node->far = all[i * 7919 % (i + 1)];
		}
		head = node;
	}
	free(all);
	raw_release_all(fd);
	return ~(__u64)(uintptr_t)head;
}

/* Are all @nr nodes there, each with its number? */
static bool list_is_whole(const struct node *node, __u64 nr)
{
	while (node && nr) {
		if (node->number != nr - 1)
			return false;
		node = node->next;
		nr--;
	}
	return !node && !nr;
}

/* ---- Killed, stopped, continued ------------------------------------------------- */

/* What parent and child know of each other; in shared memory, and the only root. */
struct board {
	struct node *head;
	struct node *sparse;	/* the next one; see evacuate_once() */
	struct node *some[NR_SOME];	/* nodes of the list, far apart */
	__u32 layout;		/* of nodes that may move; 0: none */
	__u64 nr_nodes;
	bool wide;
	__u64 cycle_ns;
	atomic_int stop;
	atomic_int turns;
	atomic_ulong moved;
	int error;
};

FIXTURE(killed) {
	struct rawarena arena;
	struct board *board;
	struct rng rng;
	int ready[2];
};

FIXTURE_SETUP(killed)
{
	rng_init(&self->rng, rng_seed_from_env());
	self->board = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->board);
	ASSERT_EQ(0, pipe(self->ready));
	ASSERT_EQ(0, rawarena_open(&self->arena, ARENA_RESERVE,
				   GCARENA_ROOTS_EXPLICIT));
}

FIXTURE_TEARDOWN(killed)
{
	rawarena_close(&self->arena);
}

/*
 * A list of that many bytes; and how long a cycle takes with it. Afterwards the parent
 * has the descriptor only: a second mapping would forbid the child's collections.
 */
static void prepare(struct __test_metadata *_metadata, FIXTURE_DATA(killed) * self,
		    __u64 bytes)
{
	struct board *board = self->board;
	struct gcarena_collect collect;

	board->nr_nodes = bytes / NODE_BYTES;
	board->head = (void *)~list_build(self->arena.fd, board->nr_nodes,
					   board->wide);
	ASSERT_TRUE(list_is_whole(board->head, board->nr_nodes));
	ASSERT_EQ(0, raw_roots_add(self->arena.fd, board, 8));
	ASSERT_EQ(0, raw_collect(self->arena.fd, 0, &collect));
	ASSERT_EQ(board->nr_nodes, collect.live_objects);
	board->cycle_ns = collect.pause_ns;
	ASSERT_EQ(0, rawarena_unmap(&self->arena));
}

/* A little garbage, so that there is something to sweep too. */
static int make_garbage(int fd)
{
	struct gcarena_span span;
	__u64 addr;
	int ret;

	ret = raw_refill(fd, 10, GCARENA_LAYOUT_CONSERVATIVE, &span, 1);
	if (ret < 0)
		return ret;
	ret = raw_use_up(fd, span.base);
	return ret ?: raw_alloc(fd, GCARENA_LAYOUT_NOSCAN, 100000, &addr);
}

/* Once round for a child: 0, or a number that says what went wrong. */
static int collect_once(struct rawarena *arena, struct board *board)
{
	struct gcarena_collect collect;

	board->error = make_garbage(arena->fd);
	if (board->error)
		return 2;
	board->error = raw_collect(arena->fd, 0, &collect);
	if (board->error)
		return 3;
	return collect.live_objects == board->nr_nodes ? 0 : 4;
}

/* The same for one that allocates as much as it can, and is collected now and then. */
static int allocate_once(struct rawarena *arena, struct board *board)
{
	struct gcarena_span spans[GCARENA_REFILL_MAX];
	int i, n;

	for (i = 1; i < 20; i++) {
		n = raw_refill(arena->fd, i, 0, spans, GCARENA_REFILL_MAX);
		board->error = n < 0 ? n : 0;
		while (n-- > 0)
			memset((void *)(uintptr_t)spans[n].base, 0xff,
			       spans[n].nr_slots * spans[n].slot_size);
		if (!board->error)
			board->error = raw_release_all(arena->fd);
		if (!board->error)
			board->error = make_garbage(arena->fd);
		if (board->error)
			return 6;
	}
	return 0;
}

/* What is in there is changed when a node moves. */
static int add_slots(int fd, const struct board *board)
{
	return raw_slots_add(fd, &board->head, 8) ?: raw_slots_add(fd, &board->sparse, 8) ?:
	       raw_slots_add(fd, board->some, sizeof(board->some));
}

static void note_some(struct board *board)
{
	struct node *node;

	for (node = board->head; node; node = node->next) {
		if (node->number % (SPARSE_NODES / NR_SOME) == 0)
			board->some[node->number / (SPARSE_NODES / NR_SOME)] = node;
	}
}

/* A list at *@list with @gap times as much in between that nothing points to. */
static bool list_build_sparse(int fd, struct board *board, struct node **list, __u64 nr, int gap)
{
	struct raw_allocator from = nodes_from(fd, board->layout);
	struct node *node = NULL;
	__u64 i;
	int k;

	*list = NULL;
	for (i = 0; i < nr; i++) {
		for (k = 0; k <= gap; k++) {
			node = raw_new(&from);
			if (!node)
				return false;
		}
		node->number = i;
		node->next = *list;
		*list = node;
	}
	return !raw_release_all(fd);
}

/* A sparse list takes the place of the one that was there before, and is moved together. */
static int evacuate_once(struct rawarena *arena, struct board *board)
{
	struct gcarena_collect collect = {
		.size = sizeof(collect), .kind = GCARENA_COLLECT_EVACUATE,
	};
	__u64 begin = now_ns();

	if (!list_build_sparse(arena->fd, board, &board->sparse, SPARSE_NODES, 9))
		return 2;
	board->head = board->sparse;
	board->sparse = NULL;
	note_some(board);
	board->error = raw_collect(arena->fd, 0, NULL);
	if (board->error)
		return 3;
	board->error = raw_ioctl(arena->fd, GCARENA_IOC_COLLECT, &collect);
	if (board->error)
		return 4;
	board->cycle_ns = now_ns() - begin;
	atomic_fetch_add(&board->moved, collect.moved_objects);
	return list_is_whole(board->head, SPARSE_NODES) ? 0 : 6;
}

/* What a child does until it is told to stop; it says when it has done it once. */
static int go_round(struct rawarena *arena, struct board *board, int ready,
		    int (*once)(struct rawarena *arena, struct board *board))
{
	int ret;

	if (rawarena_map(arena))
		return 1;
	if (board->layout ? add_slots(arena->fd, board) :
			    raw_roots_add(arena->fd, &board->head, 8))
		return 1;
	while (!atomic_load(&board->stop)) {
		ret = once(arena, board);
		if (ret)
			return ret;
		if (atomic_fetch_add(&board->turns, 1) == 0 && raw_post(ready))
			return 5;
	}
	return 0;
}

static pid_t start_child(struct __test_metadata *_metadata, FIXTURE_DATA(killed) * self,
			 int (*once)(struct rawarena *arena, struct board *board))
{
	pid_t pid;

	atomic_store(&self->board->stop, 0);
	atomic_store(&self->board->turns, 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(go_round(&self->arena, self->board, self->ready[1], once));
	}
	ASSERT_LT(0, pid);
	return pid;
}

/* How many are not where the slots say? */
static int count_lost(int fd, struct board *board)
{
	struct node *const *node;
	int lost = 0;

	for (node = board->some; node < board->some + NR_SOME; node++) {
		if (*node && (raw_object(fd, (__u64)(uintptr_t)*node, NULL) ||
			      (*node)->number % (SPARSE_NODES / NR_SOME)))
			lost++;
	}
	return lost;
}

/* Nothing of the list is gone; the arena can be mapped, and nobody holds a lock. */
static void expect_whole(struct __test_metadata *_metadata, FIXTURE_DATA(killed) * self)
{
	struct gcarena_stats stats;

	ASSERT_EQ(0, rawarena_map(&self->arena));
	ASSERT_EQ(0, raw_stats(self->arena.fd, &stats));
	ASSERT_TRUE(list_is_whole(self->board->head, self->board->nr_nodes));
	EXPECT_LE(self->board->nr_nodes, stats.heap_objects);
	EXPECT_EQ(0, count_lost(self->arena.fd, self->board));
	ASSERT_EQ(0, raw_object(self->arena.fd, (__u64)(uintptr_t)self->board->head,
				NULL));
	ASSERT_EQ(0, rawarena_unmap(&self->arena));
}

/* Kill it somewhere in its second round or later. Returns how long dying took, ns. */
static __u64 kill_once(struct __test_metadata *_metadata, FIXTURE_DATA(killed) * self,
		       int (*once)(struct rawarena *arena, struct board *board))
{
	pid_t pid = start_child(_metadata, self, once);
	__u64 begin;
	int code;

	ASSERT_EQ(0, raw_await(self->ready[0]));
	sleep_ns(rng_below(&self->rng, self->board->cycle_ns * 3 / 2));
	begin = now_ns();
	ASSERT_EQ(0, kill(pid, SIGKILL));
	code = raw_reap(pid);
	ASSERT_EQ(128 + SIGKILL, code)
		TH_LOG("error %d", self->board->error);
	return now_ns() - begin;
}

static void kill_many(struct __test_metadata *_metadata, FIXTURE_DATA(killed) * self,
		      int (*once)(struct rawarena *arena, struct board *board))
{
	__u64 end = now_ns() + KILL_SECONDS * 1000000000ULL, took, longest = 0;
	int round;

	for (round = 0; round < KILL_ROUNDS_MAX; round++) {
		if (now_ns() > end && round >= KILL_ROUNDS_MIN)
			break;
		took = kill_once(_metadata, self, once);
		if (took > longest)
			longest = took;
		expect_whole(_metadata, self);
	}
	TH_LOG("%d kills; a cycle takes %llu ms, dying %llu ms", round,
	       self->board->cycle_ns / 1000000, longest / 1000000);
}

/* The list and nothing else, once the dead have been collected. */
static void expect_list_only(struct __test_metadata *_metadata,
			     FIXTURE_DATA(killed) * self)
{
	struct gcarena_collect collect;
	struct gcarena_stats stats;

	ASSERT_EQ(0, rawarena_map(&self->arena));
	ASSERT_EQ(0, raw_roots_add(self->arena.fd, self->board, 8));
	ASSERT_EQ(0, raw_collect(self->arena.fd, 0, &collect));
	EXPECT_EQ(self->board->nr_nodes, collect.live_objects);
	EXPECT_TRUE(list_is_whole(self->board->head, self->board->nr_nodes));
	ASSERT_EQ(0, raw_stats(self->arena.fd, &stats));
	EXPECT_EQ(self->board->nr_nodes, stats.heap_objects);
	EXPECT_EQ(0ULL, stats.owned_spans);
	EXPECT_EQ(stats.total_alloc_bytes - stats.total_freed_bytes, stats.heap_bytes);
}

TEST_F_TIMEOUT(killed, while_collecting, 150)
{
	struct gcarena_stats stats;

	prepare(_metadata, self, 64 * RAW_MIB);
	kill_many(_metadata, self, collect_once);
	/* The child does little else than collecting: some must have been hit. */
	ASSERT_EQ(0, raw_stats(self->arena.fd, &stats));
	TH_LOG("%llu cycles aborted", stats.cycles_aborted);
	EXPECT_LT(0ULL, stats.cycles_aborted);
	expect_list_only(_metadata, self);
}

/* The collector is killed, and the threads that help it have to go. */
TEST_F_TIMEOUT(killed, while_several_mark, 150)
{
	struct gcarena_stats stats;

	self->board->wide = true;
	prepare(_metadata, self, 64 * RAW_MIB);
	kill_many(_metadata, self, collect_once);
	ASSERT_EQ(0, raw_stats(self->arena.fd, &stats));
	TH_LOG("%llu cycles aborted, %llu pieces shared", stats.cycles_aborted,
	       stats.mark_shared);
	EXPECT_LT(0ULL, stats.cycles_aborted);
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		EXPECT_LT(0ULL, stats.mark_shared);
	expect_list_only(_metadata, self);
}

/* Objects move step by step, and who has asked for it is killed: the kernel goes on, or not. */
TEST_F_TIMEOUT(killed, while_evacuating, 150)
{
	struct board *board = self->board;
	struct gcarena_collect collect;
	struct gcarena_stats stats;

	ASSERT_EQ(0, raw_type_add(self->arena.fd, NODE_BYTES, 5, &board->layout));
	ASSERT_EQ(0, raw_set(self->arena.fd, GCARENA_PARAM_COMPACT_BYTES, 8 * RAW_KIB, NULL));
	board->nr_nodes = SPARSE_NODES;
	ASSERT_TRUE(list_build_sparse(self->arena.fd, board, &board->head, SPARSE_NODES, 9));
	ASSERT_EQ(0, rawarena_unmap(&self->arena));
	kill_many(_metadata, self, evacuate_once);
	EXPECT_LT(0UL, atomic_load(&board->moved));
	/* Nothing is left behind of a list that was being built. */
	board->sparse = NULL;
	ASSERT_EQ(0, rawarena_map(&self->arena));
	ASSERT_EQ(0, add_slots(self->arena.fd, board));
	ASSERT_EQ(0, raw_collect(self->arena.fd, 0, &collect));
	EXPECT_EQ(board->nr_nodes, collect.live_objects);
	ASSERT_EQ(0, raw_stats(self->arena.fd, &stats));
	TH_LOG("%lu objects moved by the living, %llu in all", atomic_load(&board->moved),
	       stats.moved_objects);
	EXPECT_LE(atomic_load(&board->moved), stats.moved_objects);
	EXPECT_TRUE(list_is_whole(board->head, board->nr_nodes));
}

TEST_F_TIMEOUT(killed, while_allocating, 150)
{
	struct gcarena_stats stats;

	prepare(_metadata, self, 4 * RAW_MIB);
	ASSERT_EQ(0, raw_set(self->arena.fd, GCARENA_PARAM_GC_PERCENT, 100, NULL));
	kill_many(_metadata, self, allocate_once);
	ASSERT_EQ(0, raw_stats(self->arena.fd, &stats));
	TH_LOG("%llu cycles, %llu aborted", stats.cycles, stats.cycles_aborted);
	EXPECT_LT(1ULL, stats.cycles);
	expect_list_only(_metadata, self);
}

TEST_F_TIMEOUT(killed, stopped_and_continued, 150)
{
	int i, status;
	pid_t pid;

	prepare(_metadata, self, 8 * RAW_MIB);
	pid = start_child(_metadata, self, collect_once);
	ASSERT_EQ(0, raw_await(self->ready[0]));
	for (i = 0; i < 30; i++) {
		sleep_ns(rng_below(&self->rng, self->board->cycle_ns));
		ASSERT_EQ(0, kill(pid, SIGSTOP));
		ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
		ASSERT_TRUE(WIFSTOPPED(status))
			TH_LOG("status %#x, error %d", status, self->board->error);
		ASSERT_EQ(0, kill(pid, SIGCONT));
	}
	atomic_store(&self->board->stop, 1);
	EXPECT_EQ(0, raw_reap(pid))
		TH_LOG("error %d", self->board->error);
	EXPECT_LE(2, atomic_load(&self->board->turns));
	expect_list_only(_metadata, self);
}

/* ---- Signal handlers ------------------------------------------------------------- */

#define HANDLER_NODES	20000

static struct {
	int fd;
	atomic_int calls;
	int result;
	struct gcarena_collect collect;
} handled;

FIXTURE(handler) {
	struct rawarena arena;
	__u64 hidden;		/* the list's head, inverted */
	void *stack;		/* for handlers; memory that is nobody's stack yet */
};

FIXTURE_SETUP(handler)
{
	memset(&handled, 0, sizeof(handled));
	ASSERT_EQ(0, rawarena_open(&self->arena, ARENA_RESERVE, GCARENA_ROOTS_AUTO));
	self->hidden = list_build(self->arena.fd, HANDLER_NODES, false);
	ASSERT_NE(0ULL, self->hidden);
	handled.fd = self->arena.fd;
	self->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	ASSERT_NE(MAP_FAILED, self->stack);
}

FIXTURE_TEARDOWN(handler)
{
	rawarena_close(&self->arena);
}

static void count_signal(int sig)
{
	(void)sig;
	atomic_fetch_add(&handled.calls, 1);
}

static int set_timer(long first_us, long every_us)
{
	struct itimerval timer = {
		.it_value.tv_usec = first_us,
		.it_interval.tv_usec = every_us,
	};

	return setitimer(ITIMER_REAL, &timer, NULL) ? -errno : 0;
}

static void collect_in_handler(int sig)
{
	(void)sig;
	handled.result = raw_collect(handled.fd, 0, &handled.collect);
	atomic_fetch_add(&handled.calls, 1);
}

/* The next one is due after some time of the program's: a collection may take longer. */
static void collect_now_and_again(int sig)
{
	collect_in_handler(sig);
	if (atomic_load(&handled.calls) < 20)
		set_timer(20000, 0);
}

/* @handler for @sig, on the fixture's stack if that is asked for; never SA_RESTART. */
static int handle(int sig, void (*handler)(int sig), void *stack)
{
	stack_t alternate = { .ss_sp = stack, .ss_size = STACK_BYTES };
	struct sigaction action = {
		.sa_handler = handler,
		.sa_flags = stack ? SA_ONSTACK : 0,
	};

	if (stack && sigaltstack(&alternate, NULL))
		return -errno;
	return sigaction(sig, &action, NULL) ? -errno : 0;
}

/* A timer all the time: every call of every kind ends as if there were none. */
TEST_F_TIMEOUT(handler, timer_during_calls, 120)
{
	struct gcarena_collect collect;
	struct gcarena_stats stats;
	struct node *head = (void *)~self->hidden;
	int fd = self->arena.fd, i, ret;

	ASSERT_EQ(0, handle(SIGALRM, count_signal, NULL));
	ASSERT_EQ(0, set_timer(1000, 1000));
	for (i = 0; i < 200; i++) {
		ret = make_garbage(fd);
		ASSERT_EQ(0, ret)
			TH_LOG("turn %d", i);
		ret = raw_collect(fd, 0, &collect);
		ASSERT_EQ(0, ret)
			TH_LOG("turn %d", i);
		ASSERT_LE(HANDLER_NODES, collect.live_objects);
		ASSERT_EQ(0, raw_stats(fd, &stats));
		ASSERT_EQ(0, raw_release_all(fd));
	}
	ASSERT_EQ(0, set_timer(0, 0));
	TH_LOG("%d signals", atomic_load(&handled.calls));
	EXPECT_LT(0, atomic_load(&handled.calls));
	EXPECT_TRUE(list_is_whole(head, HANDLER_NODES));
}

/* Collections as the only thing that handlers do, at moments that nobody chose. */
TEST_F_TIMEOUT(handler, collect_from_a_timer, 120)
{
	struct node *head = (void *)~self->hidden;
	int turns = 0;

	ASSERT_EQ(0, handle(SIGALRM, collect_now_and_again, NULL));
	ASSERT_EQ(0, set_timer(1000, 0));
	while (atomic_load(&handled.calls) < 20) {
		ASSERT_EQ(0, handled.result);
		ASSERT_TRUE(list_is_whole(head, HANDLER_NODES));
		turns++;
	}
	TH_LOG("%d walks", turns);
	EXPECT_LE(HANDLER_NODES, handled.collect.live_objects);
	EXPECT_EQ(0, raw_object(self->arena.fd, (__u64)(uintptr_t)head, NULL));
}

/* The pointer lies on the thread's own stack while the handler runs on another one. */
TEST_F(handler, pointer_on_the_stack_that_was_left)
{
	struct node *slot[1] = { (void *)~self->hidden };

	asm volatile("" : : "r"(slot) : "memory");
	ASSERT_EQ(0, handle(SIGUSR1, collect_in_handler, self->stack));
	ASSERT_EQ(0, raise(SIGUSR1));
	asm volatile("" : : "r"(slot) : "memory");
	ASSERT_EQ(1, atomic_load(&handled.calls));
	ASSERT_EQ(0, handled.result);
	EXPECT_LE(HANDLER_NODES, handled.collect.live_objects);
	EXPECT_EQ(0, raw_object(self->arena.fd, (__u64)(uintptr_t)slot[0], NULL));
	EXPECT_TRUE(list_is_whole(slot[0], HANDLER_NODES));
}

#ifdef __x86_64__
/*
 * The pointer is in a register alone when the signal comes, so the kernel puts it into
 * the signal frame, on the handler's stack. In the loop all else is inverted.
 */
static void spin_with_general_register(__u64 hidden)
{
	asm volatile("movq %[hidden], %%r12\n"
		     "notq %%r12\n"
		     "1:	pause\n"
		     "cmpl $0, %[calls]\n"
		     "je 1b\n"
		     "xorl %%r12d, %%r12d\n"
		     :
		     : [hidden] "r"(hidden), [calls] "m"(handled.calls)
		     : "r12", "memory", "cc");
}

static void spin_with_vector_register(__u64 hidden)
{
	asm volatile("movq %[hidden], %%r12\n"
		     "notq %%r12\n"
		     "movq %%r12, %%xmm7\n"
		     "xorl %%r12d, %%r12d\n"
		     "1:	pause\n"
		     "cmpl $0, %[calls]\n"
		     "je 1b\n"
		     "pxor %%xmm7, %%xmm7\n"
		     :
		     : [hidden] "r"(hidden), [calls] "m"(handled.calls)
		     : "r12", "xmm7", "memory", "cc");
}

static void expect_kept(struct __test_metadata *_metadata, FIXTURE_DATA(handler) * self,
			void *stack, void (*spin)(__u64 hidden))
{
	ASSERT_EQ(0, handle(SIGALRM, collect_in_handler, stack));
	ASSERT_EQ(0, set_timer(20000, 0));
	spin(self->hidden);
	ASSERT_EQ(0, handled.result);
	EXPECT_LE(HANDLER_NODES, handled.collect.live_objects);
	EXPECT_EQ(0, raw_object(self->arena.fd, ~self->hidden, NULL));
}

TEST_F(handler, pointer_in_a_general_register)
{
	expect_kept(_metadata, self, NULL, spin_with_general_register);
}

TEST_F(handler, pointer_in_a_vector_register)
{
	expect_kept(_metadata, self, NULL, spin_with_vector_register);
}

TEST_F(handler, pointer_in_a_general_register_other_stack)
{
	expect_kept(_metadata, self, self->stack, spin_with_general_register);
}

TEST_F(handler, pointer_in_a_vector_register_other_stack)
{
	expect_kept(_metadata, self, self->stack, spin_with_vector_register);
}
#endif

/* What the tests above rely on: an inverted pointer keeps nothing. */
TEST_F(handler, hidden_pointer_keeps_nothing)
{
	struct gcarena_collect collect;

	ASSERT_EQ(0, raw_collect(self->arena.fd, 0, &collect));
	/* A stale word somewhere may keep a few; a list from its head is all of it. */
	EXPECT_GT(HANDLER_NODES, collect.live_objects);
}

TEST_HARNESS_MAIN
