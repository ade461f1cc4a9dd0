// SPDX-License-Identifier: GPL-2.0
/*
 * mmap() and munmap() of an arena that is being collected, at the same time: both want
 * the locks of the address space. Neither may wait for the other, and the program that
 * maps must notice nothing but the time it takes. A deadlock shows as a test that ends by
 * its time limit.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#include "kselftest_harness.h"
#include "lib/rawarena.h"

#define SECONDS		4
#define RESERVE		(64 * RAW_MIB)
#define HEAP		(16 * RAW_MIB)
#define PAGE		4096

static void __attribute__((constructor)) need_device(void)
{
	raw_need_device();
}

/* A root, by its being in .bss. */
static __u64 object;

static time_t seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static volatile unsigned char *bytes_at(__u64 addr)
{
	return (volatile unsigned char *)(uintptr_t)addr;
}

static int map_fixed(const struct rawarena *arena, int prot, int flags, int fd)
{
	void *at = (void *)(uintptr_t)arena->base;

	return mmap(at, RESERVE, prot, flags | MAP_FIXED, fd, 0) == at ? 0 : -errno;
}

/* Its place is kept, or something else would get there: a thread's stack, say. */
static int keep_place(const struct rawarena *arena)
{
	return map_fixed(arena, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
}

static int map_arena(const struct rawarena *arena)
{
	return map_fixed(arena, PROT_READ | PROT_WRITE, MAP_SHARED, arena->fd);
}

static pid_t start_collecting(int fd, time_t end)
{
	pid_t pid = fork();
	int ret = 0;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!ret && seconds_now() < end)
		ret = raw_collect(fd, 0, NULL);
	_exit(-ret);
}

FIXTURE(collect) {
	struct rawarena arena;
};

FIXTURE_SETUP(collect)
{
	ASSERT_EQ(0, rawarena_open(&self->arena, RESERVE, GCARENA_ROOTS_AUTO));
	ASSERT_EQ(0, raw_alloc(self->arena.fd, GCARENA_LAYOUT_NOSCAN, HEAP, &object));
}

FIXTURE_TEARDOWN(collect)
{
	rawarena_close(&self->arena);
}

/*
 * In place of itself, again and again. First it has to unmap what is there, which takes a
 * while: a collection may begin between that and the new mapping.
 */
TEST_F_TIMEOUT(collect, mapping_that_replaces_itself, 60)
{
	const struct rawarena *arena = &self->arena;
	time_t end = seconds_now() + SECONDS;
	pid_t pid = start_collecting(arena->fd, end);
	unsigned long turns;
	__u64 at;

	for (turns = 0; seconds_now() < end; turns++) {
		for (at = 0; at < HEAP; at += PAGE)
			*bytes_at(object + at) = 1;
		ASSERT_EQ(0, map_arena(arena));
	}
	EXPECT_EQ(0, raw_reap(pid));
	TH_LOG("%lu mappings", turns);
}

/* A process that has one arena, collects it, and maps the other one now and then. */
struct side {
	struct rawarena own, other;
	time_t end;
	int result;
};

static void *map_other(void *arg)
{
	struct side *side = arg;

	while (!side->result && seconds_now() < side->end)
		side->result = map_arena(&side->other) ?: keep_place(&side->other);
	return NULL;
}

static pid_t start_side(struct side side)
{
	pthread_t thread;
	pid_t pid = fork();
	int ret = 0;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* It begins with its own arena alone. (Newer kernels refuse MADV_DOFORK.) */
	if (keep_place(&side.other) || pthread_create(&thread, NULL, map_other, &side))
		_exit(200);
	while (!ret && seconds_now() < side.end)
		ret = raw_collect(side.own.fd, 0, NULL);
	pthread_join(thread, NULL);
	_exit(ret ? -ret : -side.result);
}

/*
 * Two processes, two arenas, crosswise: each collector wants to look into the process
 * whose other thread waits for the other collector.
 */
TEST_F_TIMEOUT(collect, two_arenas_crosswise, 60)
{
	struct side first = { .own = self->arena, .end = seconds_now() + SECONDS };
	struct side second = { .end = first.end };
	struct rawarena other;
	pid_t one, two;

	ASSERT_EQ(0, rawarena_open(&other, RESERVE, GCARENA_ROOTS_AUTO));
	first.other = other;
	second.own = other;
	second.other = self->arena;
	one = start_side(first);
	two = start_side(second);
	EXPECT_EQ(0, raw_reap(one));
	EXPECT_EQ(0, raw_reap(two));
	rawarena_close(&other);
}

#define NR_WAKING	24

static atomic_bool leave;

static void *spin(void *unused)
{
	while (!atomic_load(&leave))
		;
	return unused;
}

/*
 * A collection ends, and the arena is gone before the threads that it has stopped have
 * woken up.
 */
TEST_F_TIMEOUT(collect, gone_while_threads_wake_up, 120)
{
	pthread_t threads[NR_WAKING];
	struct rawarena arena;
	int i, turn;

	for (i = 0; i < NR_WAKING; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, spin, NULL));
	for (turn = 0; turn < 30; turn++) {
		ASSERT_EQ(0, rawarena_open(&arena, RESERVE, GCARENA_ROOTS_EXPLICIT));
		ASSERT_EQ(0, raw_collect(arena.fd, 0, NULL));
		rawarena_close(&arena);
	}
	atomic_store(&leave, true);
	for (i = 0; i < NR_WAKING; i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
}

TEST_HARNESS_MAIN
