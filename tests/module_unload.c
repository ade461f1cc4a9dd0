// SPDX-License-Identifier: GPL-2.0
/*
 * The module stays for as long as anybody uses an arena, in whatever way, and goes as
 * soon as nobody does. Each test unloads it for real and loads it again, from the file
 * that GCARENA_MODULE names (with the parameters in GCARENA_MODULE_ARGS): without that,
 * or without the right to do it, there is nothing to test.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "kselftest_harness.h"
#include "lib/rawarena.h"

#define MODULE		"gcarena"
#define ARENA_RESERVE	(64 * RAW_MIB)
#define UNLOAD_TRIES	500	/* of 10 ms */

static const char *module_file;

static void skip_all(const char *why)
{
	printf("TAP version 13\n1..0 # SKIP %s\n", why);
	exit(KSFT_SKIP);
}

static void __attribute__((constructor)) need_module(void)
{
	raw_need_device();
	module_file = getenv("GCARENA_MODULE");
	if (!module_file)
		skip_all("GCARENA_MODULE is not set: it could not be loaded again");
	if (access(module_file, R_OK))
		skip_all("GCARENA_MODULE cannot be read");
	if (geteuid())
		skip_all("not root");
}

static int module_unload(void)
{
	return syscall(SYS_delete_module, MODULE, O_NONBLOCK) ? -errno : 0;
}

static int module_load(void)
{
	const char *args = getenv("GCARENA_MODULE_ARGS");
	int ret, fd = open(module_file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, args ?: "", 0) ? -errno : 0;
	close(fd);
	return ret;
}

static bool module_is_loaded(void)
{
	return !access("/sys/module/" MODULE, F_OK);
}

/*
 * Unload it. A process that is gone for its parent may hold a file for a moment more
 * (delayed fput), so a busy module gets some time; how much is told.
 */
static int module_unload_soon(int *tries)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int ret;

	for (*tries = 0; *tries < UNLOAD_TRIES; ++*tries) {
		ret = module_unload();
		if (ret != -EAGAIN && ret != -EBUSY)
			return ret;
		nanosleep(&pause, NULL);
	}
	return ret;
}

/* Load it, and wait for udev or devtmpfs to make the device. */
static int module_load_and_open(struct rawarena *arena)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int ret = module_load(), tries;

	for (tries = 0; !ret && tries < UNLOAD_TRIES; tries++) {
		ret = rawarena_open(arena, ARENA_RESERVE, GCARENA_ROOTS_EXPLICIT);
		if (ret != -ENOENT)
			return ret;
		ret = 0;
		nanosleep(&pause, NULL);
	}
	return ret ?: -ENOENT;
}

FIXTURE(unload) {
	struct rawarena arena;
	__u64 object;
};

FIXTURE_SETUP(unload)
{
	ASSERT_EQ(0, rawarena_open(&self->arena, ARENA_RESERVE,
				   GCARENA_ROOTS_EXPLICIT));
	ASSERT_EQ(0, raw_alloc(self->arena.fd, 0, RAW_MIB, &self->object));
}

/* Whatever happened: the programs that come next find it loaded. */
FIXTURE_TEARDOWN(unload)
{
	rawarena_close(&self->arena);
	if (!module_is_loaded())
		EXPECT_EQ(0, module_load());
}

static void expect_in_use(struct __test_metadata *_metadata)
{
	int ret = module_unload();

	EXPECT_TRUE(ret == -EAGAIN || ret == -EBUSY)
		TH_LOG("delete_module() gives %d", ret);
	ASSERT_TRUE(module_is_loaded());
}

/* Gone, back, and as good as new. */
static void expect_reload(struct __test_metadata *_metadata)
{
	struct rawarena fresh;
	struct gcarena_span span;
	int tries;

	ASSERT_EQ(0, module_unload_soon(&tries));
	if (tries)
		TH_LOG("busy for %d tries", tries);
	EXPECT_FALSE(module_is_loaded());
	EXPECT_EQ(-ENOENT, raw_open());
	ASSERT_EQ(0, module_load_and_open(&fresh));
	EXPECT_EQ(1, raw_refill(fresh.fd, 1, 0, &span, 1));
	EXPECT_EQ(0, raw_collect(fresh.fd, 0, NULL));
	rawarena_close(&fresh);
}

TEST_F(unload, open_descriptor)
{
	ASSERT_EQ(0, rawarena_unmap(&self->arena));
	self->arena.base = 0;
	expect_in_use(_metadata);
	rawarena_close(&self->arena);
	expect_reload(_metadata);
}

TEST_F(unload, mapping_alone)
{
	close(self->arena.fd);
	self->arena.fd = -1;
	expect_in_use(_metadata);
	*(__u64 *)(uintptr_t)self->object = 1;
	rawarena_close(&self->arena);
	expect_reload(_metadata);
}

/* Right after the last close, with objects and spans in the arena: no pause needed. */
TEST_F(unload, at_once_after_close)
{
	struct gcarena_span spans[GCARENA_REFILL_MAX];
	int i;

	ASSERT_EQ(GCARENA_REFILL_MAX, raw_refill(self->arena.fd, 1, 0, spans,
						 GCARENA_REFILL_MAX));
	ASSERT_EQ(0, raw_collect(self->arena.fd, 0, NULL));
	rawarena_close(&self->arena);
	for (i = 0; i < 5; i++) {
		struct rawarena again;

		ASSERT_EQ(0, module_unload())
			TH_LOG("turn %d", i);
		ASSERT_EQ(0, module_load_and_open(&again));
		ASSERT_EQ(1, raw_refill(again.fd, 1, 0, spans, 1));
		rawarena_close(&again);
	}
}

/* In a child that waits for ever; it says when it does. */
static pid_t child_that_holds(struct __test_metadata *_metadata)
{
	int ready[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		raw_post(ready[1]);
		for (;;)
			pause();
	}
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, raw_await(ready[0]));
	close(ready[0]);
	close(ready[1]);
	return pid;
}

TEST_F(unload, mapping_in_a_killed_child)
{
	pid_t pid = child_that_holds(_metadata);

	rawarena_close(&self->arena);
	expect_in_use(_metadata);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(128 + SIGKILL, raw_reap(pid));
	expect_reload(_metadata);
}

/* Killed while it collects: nothing may keep the module for longer than the process. */
TEST_F(unload, killed_in_a_collection)
{
	int ready[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		rawarena_close(&self->arena);
		if (rawarena_open(&self->arena, ARENA_RESERVE, GCARENA_ROOTS_AUTO))
			_exit(1);
		raw_post(ready[1]);
		while (!raw_collect(self->arena.fd, 0, NULL))
			;
		_exit(2);
	}
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, raw_await(ready[0]));
	rawarena_close(&self->arena);
	expect_in_use(_metadata);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(128 + SIGKILL, raw_reap(pid));
	expect_reload(_metadata);
}

/* Opens that were refused, and arenas that were never mapped, count for nothing. */
TEST_F(unload, after_failures)
{
	struct rawarena bad;
	int i, fd;

	rawarena_close(&self->arena);
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(-EINVAL, rawarena_create(&bad, 4096, 0));
		fd = raw_open();
		ASSERT_LE(0, fd);
		close(fd);
	}
	expect_reload(_metadata);
}

/* ---- Load, use, unload, again and again ------------------------------------ */

#define SLEEPERS	3

struct user {
	struct rawarena arena;
	int pipe[2];
};

static void *sleep_for_ever(void *data)
{
	struct user *user = data;
	char byte;

	raw_post(user->pipe[1]);
	pause();
	/* Not reached; keeps the frame. */
	return read(user->pipe[0], &byte, 1) > 0 ? data : NULL;
}

static void *spin_for_ever(void *data)
{
	volatile unsigned long n = 0;

	for (;;)
		n++;
	return data;
}

/* Collections stop sleepers, which are then killed with their task works queued. */
static void use_and_exit(void)
{
	struct user user;
	struct gcarena_span span;
	pthread_t thread;
	int i, ret = 0;

	if (pipe(user.pipe) || rawarena_open(&user.arena, ARENA_RESERVE, GCARENA_ROOTS_AUTO))
		_exit(1);
	for (i = 0; i < SLEEPERS; i++) {
		if (pthread_create(&thread, NULL, sleep_for_ever, &user) ||
		    raw_await(user.pipe[0]))
			_exit(2);
	}
	if (pthread_create(&thread, NULL, spin_for_ever, NULL))
		_exit(3);
	for (i = 0; i < 3 && !ret; i++) {
		ret = raw_refill(user.arena.fd, 1, 0, &span, 1) != 1;
		ret = ret ?: raw_collect(user.arena.fd, 0, NULL);
	}
	if (ret)
		printf("# turn %d: %d\n", i, ret);
	fflush(stdout);
	_exit(ret ? 4 : 0);
}

/* GCARENA_ROUNDS says how many; make soak asks for a thousand. */
TEST_F_TIMEOUT(unload, rounds, 3600)
{
	const char *asked = getenv("GCARENA_ROUNDS");
	long rounds = asked ? atol(asked) : 20, i;
	struct rawarena arena;
	int tries;
	pid_t pid;

	rawarena_close(&self->arena);
	for (i = 0; i < rounds; i++) {
		pid = fork();
		if (!pid)
			use_and_exit();
		ASSERT_LT(0, pid);
		ASSERT_EQ(0, raw_reap(pid))
			TH_LOG("round %ld", i);
		ASSERT_EQ(0, module_unload_soon(&tries))
			TH_LOG("round %ld", i);
		ASSERT_EQ(0, module_load_and_open(&arena));
		rawarena_close(&arena);
	}
	TH_LOG("%ld rounds", i);
}

TEST_HARNESS_MAIN
