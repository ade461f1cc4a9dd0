// SPDX-License-Identifier: GPL-2.0
/*
 * Stopping the world must not be seen by those who sleep: no system call returns early
 * because of it, with EINTR or with anything else, and no sleep is cut short or
 * begun anew. Threads sleep in calls that end only when they are told, while the first
 * one collects all the time; what they return is counted.
 *
 * No signal handler is involved, so whether calls are restarted does not matter.
 */
#include <kselftest_harness.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#include "gcarena.h"
#include "lib/oracle.h"
#include "lib/rawarena.h"
#include "lib/rng.h"

#define NR_COLLECTIONS	1000
#define MS		1000000ULL

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* ---- What sleepers sleep in ---------------------------------------------------------- */

struct sleeper {
	const struct way *way;
	pthread_t thread;
	pid_t tid;
	int fd[2];		/* what is waited for, and its other end */
	int word;		/* a futex */
	atomic_bool over;	/* they are being told */
	unsigned long returns, early;
	int first_error;	/* of an early return */
};

/* A call that sleeps: 0 when it was told, else -errno. And how to set up and to tell. */
struct way {
	const char *name;
	int (*open)(struct sleeper *s);
	int (*sleep)(struct sleeper *s);
	int (*tell)(struct sleeper *s);
};

static int done(long ret)
{
	return ret < 0 ? -errno : 0;
}

static int open_nothing(struct sleeper *s)
{
	return 0;
}

static int open_pipe(struct sleeper *s)
{
	return done(pipe(s->fd));
}

static int tell_pipe(struct sleeper *s)
{
	return raw_post(s->fd[1]);
}

static int sleep_read(struct sleeper *s)
{
	char byte;

	return done(read(s->fd[0], &byte, 1));
}

static int sleep_poll(struct sleeper *s)
{
	struct pollfd pollfd = { .fd = s->fd[0], .events = POLLIN };
	int ret = poll(&pollfd, 1, -1);

	/* No time limit: 0 would be as wrong as an error. */
	return ret ? done(ret) : -ETIME;
}

static int open_epoll(struct sleeper *s)
{
	struct epoll_event event = { .events = EPOLLIN };
	int pipes[2], fd = epoll_create1(0);

	if (fd < 0 || pipe(pipes) || epoll_ctl(fd, EPOLL_CTL_ADD, pipes[0], &event))
		return -errno;
	s->fd[0] = fd;
	s->fd[1] = pipes[1];
	return 0;
}

/* It is the call that Linux ends with EINTR in cases where others go on. */
static int sleep_epoll(struct sleeper *s)
{
	struct epoll_event event;
	int ret = epoll_wait(s->fd[0], &event, 1, -1);

	return ret ? done(ret) : -ETIME;
}

static int sleep_futex(struct sleeper *s)
{
	return done(syscall(SYS_futex, &s->word, FUTEX_WAIT, 0, NULL, NULL, 0));
}

static int tell_futex(struct sleeper *s)
{
	__atomic_store_n(&s->word, 1, __ATOMIC_SEQ_CST);
	return done(syscall(SYS_futex, &s->word, FUTEX_WAKE, 1, NULL, NULL, 0));
}

static int open_socket(struct sleeper *s)
{
	struct sockaddr_un any = { .sun_family = AF_UNIX };

	s->fd[0] = socket(AF_UNIX, SOCK_STREAM, 0);
	/* An address that the kernel chooses, in no file system. */
	if (s->fd[0] < 0 ||
	    bind(s->fd[0], (void *)&any, sizeof(sa_family_t)) ||
	    listen(s->fd[0], 1))
		return -errno;
	return 0;
}

static int sleep_accept(struct sleeper *s)
{
	return done(accept(s->fd[0], NULL, NULL));
}

static int tell_socket(struct sleeper *s)
{
	struct sockaddr_un address;
	socklen_t length = sizeof(address);

	s->fd[1] = socket(AF_UNIX, SOCK_STREAM, 0);
	if (getsockname(s->fd[0], (void *)&address, &length))
		return -errno;
	return done(connect(s->fd[1], (void *)&address, length));
}

static int open_semaphore(struct sleeper *s)
{
	s->fd[0] = semget(IPC_PRIVATE, 1, 0600);
	return done(s->fd[0]);
}

static int add_to_semaphore(struct sleeper *s, int n)
{
	struct sembuf op = { .sem_op = n };

	return done(semop(s->fd[0], &op, 1));
}

static int sleep_semop(struct sleeper *s)
{
	return add_to_semaphore(s, -1);
}

static int tell_semaphore(struct sleeper *s)
{
	return add_to_semaphore(s, 1);
}

/* SIGUSR1 is blocked in all threads. */
static int sleep_sigtimedwait(struct sleeper *s)
{
	struct timespec hour = { .tv_sec = 3600 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return done(sigtimedwait(&set, NULL, &hour));
}

static int tell_signal(struct sleeper *s)
{
	return -pthread_kill(s->thread, SIGUSR1);
}

/* 20 ms each, which must not be less; -ETIME is for that, and it is over by itself. */
static int sleep_nanosleep(struct sleeper *s)
{
	struct timespec span = { .tv_nsec = 20 * MS };
	uint64_t start;

	while (!atomic_load(&s->over)) {
		start = now_ns();
		if (nanosleep(&span, NULL))
			return -errno;
		if (now_ns() - start < 20 * MS)
			return -ETIME;
		s->returns++;
	}
	return 0;
}

/* The same with poll(), which goes on by a restart block of its own. */
static int sleep_poll_a_while(struct sleeper *s)
{
	uint64_t start;

	while (!atomic_load(&s->over)) {
		start = now_ns();
		if (poll(NULL, 0, 20))
			return -errno;
		if (now_ns() - start < 20 * MS)
			return -ETIME;
		s->returns++;
	}
	return 0;
}

static const struct way ways[] = {
	{ "read", open_pipe, sleep_read, tell_pipe },
	{ "poll", open_pipe, sleep_poll, tell_pipe },
	{ "epoll_wait", open_epoll, sleep_epoll, tell_pipe },
	{ "futex", open_nothing, sleep_futex, tell_futex },
	{ "accept", open_socket, sleep_accept, tell_socket },
	{ "semop", open_semaphore, sleep_semop, tell_semaphore },
	{ "sigtimedwait", open_nothing, sleep_sigtimedwait, tell_signal },
	{ "nanosleep of 20 ms", open_nothing, sleep_nanosleep, open_nothing },
	{ "poll of 20 ms", open_nothing, sleep_poll_a_while, open_nothing },
};

#define NR_SLEEPERS	ARRAY_SIZE(ways)

/* ---- The test -------------------------------------------------------------------------- */

static void *run_sleeper(void *arg)
{
	struct sleeper *s = arg;
	int ret;

	s->tid = gettid();
	do {
		ret = s->way->sleep(s);
		if (ret || !atomic_load(&s->over)) {
			s->first_error = s->early ? s->first_error : ret;
			s->early++;
		}
	} while (ret && s->early < 1000);
	return NULL;
}

FIXTURE(sleepers)
{
	gca_arena *arena;
	struct sleeper sleepers[NR_SLEEPERS];
};

FIXTURE_SETUP(sleepers)
{
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ASSERT_EQ(0, pthread_sigmask(SIG_BLOCK, &set, NULL));
	self->arena = open_arena(GCA_ROOTS_AUTO, GCA_GC_PERCENT_OFF, 0);
	ASSERT_NE(NULL, self->arena) {
		TH_LOG("gca_open: %s", gca_strerror(errno));
	}
	for (i = 0; i < NR_SLEEPERS; i++) {
		self->sleepers[i].way = &ways[i];
		ASSERT_EQ(0, ways[i].open(&self->sleepers[i])) {
			TH_LOG("%s", ways[i].name);
		}
		ASSERT_EQ(0, pthread_create(&self->sleepers[i].thread, NULL, run_sleeper,
					    &self->sleepers[i]));
	}
	usleep(200000);
}

FIXTURE_TEARDOWN(sleepers)
{
	size_t i;

	for (i = 0; i < NR_SLEEPERS; i++)
		if (ways[i].open == open_semaphore)
			semctl(self->sleepers[i].fd[0], 0, IPC_RMID);
	EXPECT_EQ(0, gca_close(self->arena));
}

static void wake_all(struct __test_metadata *_metadata, FIXTURE_DATA(sleepers) *self)
{
	struct sleeper *s;

	for (s = self->sleepers; s < self->sleepers + NR_SLEEPERS; s++) {
		/* Whoever has returned by now has done so too early. */
		atomic_store(&s->over, true);
		EXPECT_EQ(0, s->way->tell(s)) {
			TH_LOG("%s", s->way->name);
		}
		ASSERT_EQ(0, pthread_join(s->thread, NULL));
	}
}

static void expect_undisturbed(struct __test_metadata *_metadata, const struct sleeper *s)
{
	EXPECT_EQ(0, s->early) {
		TH_LOG("%s: %lu early, the first with %d", s->way->name, s->early,
		       s->first_error);
	}
}

TEST_F_TIMEOUT(sleepers, are_left_asleep, 120)
{
	uint64_t n = rng_env_number("GCARENA_COLLECTIONS", NR_COLLECTIONS), i, start = now_ns();
	struct gca_stats stats = { .size = sizeof(stats) };

	for (i = 0; i < n; i++)
		ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL, NULL));
	TH_LOG("%llu collections in %llu ms", (unsigned long long)n,
	       (unsigned long long)((now_ns() - start) / MS));
	wake_all(_metadata, self);
	for (i = 0; i < NR_SLEEPERS; i++)
		expect_undisturbed(_metadata, &self->sleepers[i]);
	/* The short ones have come round again and again. */
	EXPECT_LT(0, self->sleepers[NR_SLEEPERS - 1].returns);
	EXPECT_LT(0, self->sleepers[NR_SLEEPERS - 2].returns);
	ASSERT_EQ(0, gca_read_stats_in(self->arena, &stats));
	EXPECT_EQ(n, stats.num_gc);
	EXPECT_EQ(0, stats.num_aborted_gc);
}

/* A long sleep is as long as it was asked for, and not begun anew each time. */
static void *sleep_for_a_second(void *arg)
{
	struct timespec second = { .tv_sec = 1 };
	uint64_t start = now_ns(), *took = arg;

	if (nanosleep(&second, NULL))
		return "nanosleep was interrupted";
	*took = now_ns() - start;
	return NULL;
}

TEST_F_TIMEOUT(sleepers, sleep_their_time, 60)
{
	uint64_t took = 0;
	pthread_t thread;
	void *complaint;

	ASSERT_EQ(0, pthread_create(&thread, NULL, sleep_for_a_second, &took));
	while (pthread_tryjoin_np(thread, &complaint) == EBUSY)
		ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL, NULL));
	EXPECT_EQ(NULL, complaint);
	EXPECT_LE(1000 * MS, took);
	/* The machine may be slow; but a sleep begun anew would not have ended yet. */
	EXPECT_GE(3000 * MS, took);
	wake_all(_metadata, self);
}

TEST_HARNESS_MAIN
