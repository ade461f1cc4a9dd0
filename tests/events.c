// SPDX-License-Identifier: GPL-2.0
/*
 * Events: each collection is told once, in order, with the figures that COLLECT gave; one
 * that was given up names the thread that did not stop; what is not read in time is
 * counted; a reader waits, and can be interrupted, polled, and given bad memory without
 * anything being lost.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "gcarena.h"
#include "lib/rawarena.h"

#define RESERVE		(16 * RAW_MIB)
#define TIMEOUT_FILE	"/sys/module/gcarena/parameters/stop_timeout_ms"
#define BUSY_BYTES	(8 * RAW_MIB)
#define ATTEMPTS	50

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void set_nonblocking(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && p.revents == POLLIN;
}

/* Return: bytes read or -errno. */
static long read_events(int fd, void *buffer, size_t bytes)
{
	ssize_t got = read(fd, buffer, bytes);

	return got < 0 ? -errno : got;
}

FIXTURE(events)
{
	struct rawarena arena;
	struct gcarena_collect collected;
};

FIXTURE_SETUP(events)
{
	raw_need_device();
	ASSERT_EQ(0, rawarena_open(&self->arena, RESERVE, GCARENA_ROOTS_EXPLICIT));
	set_nonblocking(self->arena.fd, true);
}

FIXTURE_TEARDOWN(events)
{
	rawarena_close(&self->arena);
}

TEST_F(events, a_collection_is_told_once)
{
	struct gcarena_event event;
	uint64_t before = now_ns();
	int fd = self->arena.fd;
	__u64 object;

	ASSERT_EQ(0, raw_alloc(fd, GCARENA_LAYOUT_NOSCAN, RAW_MIB, &object));
	EXPECT_FALSE(is_readable(fd));
	EXPECT_EQ(-EAGAIN, read_events(fd, &event, sizeof(event)));
	ASSERT_EQ(0, raw_collect(fd, 0, &self->collected));
	EXPECT_TRUE(is_readable(fd));
	memset(&event, 0xff, sizeof(event));
	ASSERT_EQ(sizeof(event), read_events(fd, &event, sizeof(event)));
	EXPECT_EQ(sizeof(event), event.size);
	EXPECT_EQ(GCARENA_EVENT_CYCLE, event.kind);
	EXPECT_EQ(0, event.error);
	EXPECT_EQ(getpid(), event.pid);
	EXPECT_EQ(0, event.lost);
	EXPECT_EQ(GCARENA_COLLECT_FULL, event.collect_kind);
	EXPECT_EQ(self->collected.cycle, event.cycle);
	EXPECT_EQ(self->collected.pause_ns, event.duration_ns);
	EXPECT_EQ(self->collected.live_bytes, event.live_bytes);
	EXPECT_EQ(event.duration_ns, event.longest_ns);
	EXPECT_LE(before, event.time_ns);
	EXPECT_GE(now_ns(), event.time_ns);
	EXPECT_FALSE(is_readable(fd));
	EXPECT_EQ(-EAGAIN, read_events(fd, &event, sizeof(event)));
}

/* A program that was built when events were shorter. */
TEST_F(events, events_of_the_first_size)
{
	const size_t first = offsetof(struct gcarena_event, longest_ns);
	char buffer[3 * sizeof(struct gcarena_event)];
	struct gcarena_event event;
	int i, fd = self->arena.fd;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, raw_collect(fd, 0, &self->collected));
	EXPECT_EQ(-EINVAL, read_events(fd, buffer, first - 1));
	memset(buffer, 0x5a, sizeof(buffer));
	ASSERT_EQ(first, read_events(fd, buffer, first + 7));
	memcpy(&event, buffer, first);
	EXPECT_EQ(first, event.size);
	EXPECT_EQ(1, event.cycle);
	for (i = first; i < (int)sizeof(buffer); i++)
		ASSERT_EQ(0x5a, buffer[i]);
	ASSERT_EQ(sizeof(event), read_events(fd, buffer, 2 * sizeof(event) - 1));
	memcpy(&event, buffer, sizeof(event));
	EXPECT_EQ(2, event.cycle);
	EXPECT_EQ(sizeof(event), event.size);
	EXPECT_EQ(event.duration_ns, event.longest_ns);
}

TEST_F(events, whole_events_and_in_order)
{
	struct gcarena_event event[4];
	int i, fd = self->arena.fd;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, raw_collect(fd, 0, &self->collected));
	/* Room for two, and for a piece of a third that has to stay untouched. */
	memset(event, 0x5a, sizeof(event));
	ASSERT_EQ(2 * sizeof(*event), read_events(fd, event, 3 * sizeof(*event) - 1));
	EXPECT_EQ(1, event[0].cycle);
	EXPECT_EQ(2, event[1].cycle);
	EXPECT_LE(event[0].time_ns, event[1].time_ns);
	EXPECT_EQ(0x5a5a5a5a, event[2].size);
	ASSERT_EQ(sizeof(*event), read_events(fd, event, sizeof(event)));
	EXPECT_EQ(3, event[0].cycle);
}

TEST_F(events, the_oldest_make_room)
{
	struct gcarena_event event[GCARENA_EVENTS_MAX];
	int i, fd = self->arena.fd;

	for (i = 0; i < GCARENA_EVENTS_MAX + 5; i++)
		ASSERT_EQ(0, raw_collect(fd, 0, &self->collected));
	ASSERT_EQ(sizeof(event), read_events(fd, event, sizeof(event)));
	EXPECT_EQ(5, event[0].lost);
	for (i = 0; i < GCARENA_EVENTS_MAX; i++) {
		EXPECT_EQ(i + 6, event[i].cycle);
		EXPECT_TRUE(!i || !event[i].lost);
	}
}

TEST_F(events, bad_buffers_lose_nothing)
{
	struct gcarena_event event[2], *split;
	int fd = self->arena.fd;
	char *pages;

	ASSERT_EQ(0, raw_collect(fd, 0, &self->collected));
	ASSERT_EQ(0, raw_collect(fd, 0, &self->collected));
	EXPECT_EQ(-EINVAL, read_events(fd, event, 0));
	EXPECT_EQ(-EINVAL, read_events(fd, event, offsetof(struct gcarena_event, longest_ns) - 1));
	/* As a bare call: compilers know of this that it must fail. */
	EXPECT_EQ(-1, syscall(SYS_read, fd, 8UL, sizeof(*event)));
	EXPECT_EQ(EFAULT, errno);
	pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, pages);
	ASSERT_EQ(0, munmap(pages + 4096, 4096));
	/* One fits, the second ends in nowhere. */
	split = (void *)(pages + 4096 - sizeof(*split) - sizeof(*split) / 2);
	ASSERT_EQ(sizeof(*split), read_events(fd, split, 2 * sizeof(*split)));
	EXPECT_EQ(1, split->cycle);
	ASSERT_EQ(sizeof(*event), read_events(fd, event, sizeof(event)));
	EXPECT_EQ(2, event[0].cycle);
	/* A descriptor that is not readable. */
	EXPECT_EQ(-1, write(fd, event, sizeof(event)));
	munmap(pages, 4096);
}

/* ---- Waiting ------------------------------------------------------------------------ */

struct reader {
	int fd;
	atomic_int tid;
	struct gcarena_event event;
	long result;
};

static void *reader_main(void *arg)
{
	struct reader *reader = arg;

	reader->tid = gettid();
	reader->result = read_events(reader->fd, &reader->event, sizeof(reader->event));
	return NULL;
}

/* Wait until the thread sleeps in a system call. */
static bool sleeps_within_seconds(pid_t tid, int seconds)
{
	uint64_t end = now_ns() + seconds * 1000000000ULL;

	while (raw_task_state(getpid(), tid) != 'S') {
		if (now_ns() > end)
			return false;
		usleep(1000);
	}
	return true;
}

static void start_reader(struct __test_metadata *_metadata, struct reader *reader,
			 pthread_t *thread)
{
	set_nonblocking(reader->fd, false);
	ASSERT_EQ(0, pthread_create(thread, NULL, reader_main, reader));
	while (!reader->tid)
		usleep(1000);
	ASSERT_TRUE(sleeps_within_seconds(reader->tid, 5));
}

TEST_F(events, a_reader_waits)
{
	struct reader reader = { .fd = self->arena.fd };
	pthread_t thread;

	start_reader(_metadata, &reader, &thread);
	ASSERT_EQ(0, raw_collect(reader.fd, 0, &self->collected));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(sizeof(reader.event), reader.result);
	EXPECT_EQ(1, reader.event.cycle);
}

static void on_signal(int signo)
{
	(void)signo;
}

TEST_F(events, a_signal_ends_the_wait)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct reader reader = { .fd = self->arena.fd };
	pthread_t thread;

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	start_reader(_metadata, &reader, &thread);
	ASSERT_EQ(0, pthread_kill(thread, SIGUSR1));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(-EINTR, reader.result);
}

TEST_F(events, a_waiting_reader_can_be_killed)
{
	struct gcarena_event event;
	int status, fd = self->arena.fd;
	pid_t pid;

	set_nonblocking(fd, false);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(read_events(fd, &event, sizeof(event)) > 0);
	usleep(100000);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	/* It has taken nothing with it. */
	ASSERT_EQ(0, raw_collect(fd, 0, &self->collected));
	EXPECT_EQ(sizeof(event), read_events(fd, &event, sizeof(event)));
}

/* ---- Who did not stop ------------------------------------------------------------------ */

static atomic_int busy_end;

/* In the kernel for long stretches, running all the time. */
static void *busy_main(void *tid)
{
	char *p = mmap(NULL, BUSY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	/* Clearing huge pages, a machine that is slow enough schedules too seldom for RCU. */
	madvise(p, BUSY_BYTES, MADV_NOHUGEPAGE);
	*(atomic_int *)tid = gettid();
	while (!busy_end) {
		madvise(p, BUSY_BYTES, 23 /* MADV_POPULATE_WRITE */);
		madvise(p, BUSY_BYTES, MADV_DONTNEED);
	}
	munmap(p, BUSY_BYTES);
	return NULL;
}

static bool set_stop_timeout(const char *ms, char *old, size_t room)
{
	int fd = open(TIMEOUT_FILE, O_RDWR);
	ssize_t got = 0;
	bool done;

	if (fd < 0)
		return false;
	if (old) {
		got = read(fd, old, room - 1);
		old[got < 0 ? 0 : got] = 0;
	}
	done = got >= 0 && write(fd, ms, strlen(ms)) == (ssize_t)strlen(ms);
	close(fd);
	return done;
}

/* Collect until one is given up. Return: what the last one returned. */
static int collect_until_timeout(int fd, struct gcarena_collect *collected)
{
	int i, ret = 0;

	for (i = 0; i < ATTEMPTS && !ret; i++) {
		usleep(5000);	/* into the middle of its system call */
		ret = raw_collect(fd, 0, collected);
	}
	return ret;
}

TEST_F_TIMEOUT(events, who_did_not_stop, 120)
{
	struct gcarena_event event = { };
	struct gcarena_stats before, after;
	atomic_int tid = 0;
	int ret, fd = self->arena.fd;
	pthread_t thread;
	char old[32];

	if (!set_stop_timeout("1", old, sizeof(old)))
		SKIP(return, "needs root, to set %s", TIMEOUT_FILE);
	busy_end = 0;
	ASSERT_EQ(0, pthread_create(&thread, NULL, busy_main, &tid));
	while (!tid)
		usleep(1000);
	ret = collect_until_timeout(fd, &self->collected);
	EXPECT_EQ(-ETIMEDOUT, ret);
	while (read_events(fd, &event, sizeof(event)) > 0)
		;
	EXPECT_EQ(GCARENA_EVENT_ABORTED, event.kind);
	EXPECT_EQ(ETIMEDOUT, event.error);
	EXPECT_EQ(atomic_load(&tid), event.pid);
	ASSERT_EQ(0, raw_stats(fd, &before));
	EXPECT_EQ(atomic_load(&tid), before.stop_timeout_pid);
	EXPECT_LE(1, before.cycles_aborted);
	/* With time enough the same thread is stopped, on however busy a machine. */
	EXPECT_TRUE(set_stop_timeout("100000", NULL, 0));
	EXPECT_EQ(0, raw_collect(fd, 0, &self->collected));
	ASSERT_EQ(0, raw_stats(fd, &after));
	EXPECT_EQ(before.cycles + 1, after.cycles);
	EXPECT_EQ(before.cycles_aborted, after.cycles_aborted);
	EXPECT_TRUE(set_stop_timeout(old, NULL, 0));
	busy_end = 1;
	ASSERT_EQ(0, pthread_join(thread, NULL));
}

/* ---- The library ---------------------------------------------------------------------- */

TEST(next_event)
{
	struct gca_event event = { .size = sizeof(event) };
	struct gca_collection collected = { .size = sizeof(collected) };
	gca_arena *arena;

	raw_need_device();
	arena = gca_open(NULL);
	ASSERT_NE(NULL, arena);
	EXPECT_EQ(-EAGAIN, gca_next_event(arena, 0, &event));
	EXPECT_EQ(-EAGAIN, gca_next_event(arena, 20, &event));
	EXPECT_NE(NULL, strstr(gca_strerror(EAGAIN), "nothing has happened"));
	ASSERT_EQ(0, gca_collect_in(arena, GCA_FULL, &collected));
	ASSERT_EQ(0, gca_next_event(arena, -1, &event));
	EXPECT_EQ(GCA_EVENT_CYCLE, event.kind);
	EXPECT_EQ(collected.cycle, event.cycle);
	EXPECT_EQ(collected.pause_ns, event.duration_ns);
	EXPECT_EQ(collected.live_bytes, event.live_bytes);
	EXPECT_EQ(-EAGAIN, gca_next_event(arena, 0, &event));
	event.size = 4;
	EXPECT_EQ(-EINVAL, gca_next_event(arena, 0, &event));
	EXPECT_EQ(-EINVAL, gca_next_event(arena, 0, NULL));
	EXPECT_EQ(0, gca_close(arena));
}

TEST_HARNESS_MAIN
