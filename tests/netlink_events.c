// SPDX-License-Identifier: GPL-2.0
/*
 * Netlink's events: each is told once, in order, with its number and what the program itself
 * is told; each cycle that begins has its end, whatever becomes of it; allocations that fail,
 * and threads that do not stop, are told; namespaces hear of their own; who falls behind
 * learns what was missed, and nobody waits for a listener.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "gcarena.h"
#include "lib/nl.h"
#include "lib/nlarena.h"
#include "lib/param.h"
#include "lib/rawarena.h"

#define RESERVE		(16 * RAW_MIB)

FIXTURE(told)
{
	struct rawarena arena;
	uint32_t id;
	int fd;
};

FIXTURE_SETUP(told)
{
	raw_need_device();
	ASSERT_EQ(0, rawarena_open(&self->arena, RESERVE, GCARENA_ROOTS_EXPLICIT));
	self->fd = nl_open();
	ASSERT_LE(0, self->fd);
	self->id = nl_arena_id(self->arena.fd);
	ASSERT_NE(0, self->id);
}

FIXTURE_TEARDOWN(told)
{
	close(self->fd);
	rawarena_close(&self->arena);
}

/* ---- What a listener hears ----------------------------------------------------------- */

#define EVENTS_ROOM	64

struct told {
	uint8_t cmd;
	uint32_t id, pid, kind, error, thread;
	uint64_t nr, cycle, duration_ns, stop_ns, live_bytes, heap_bytes, goal_bytes;
	uint64_t trace_ns, rounds, compact_ns, backing_bytes, limit, hits;
	char name[GCARENA_NAME_LEN];
};

struct listener {
	uint32_t id;		/* of others nothing is noted */
	unsigned int nr;	/* may be more than there is room for */
	struct told told[EVENTS_ROOM];
};

static void note_event(const struct nl_message *message, void *data)
{
	struct listener *listener = data;
	struct told *told = &listener->told[listener->nr % EVENTS_ROOM];

	if (listener->id && nl_u32(message, GCARENA_A_EVENT_ID) != listener->id)
		return;
	listener->nr++;
	*told = (struct told){
		.cmd = message->cmd,
		.id = nl_u32(message, GCARENA_A_EVENT_ID),
		.pid = nl_u32(message, GCARENA_A_EVENT_PID),
		.kind = nl_u32(message, GCARENA_A_EVENT_KIND),
		.error = nl_u32(message, GCARENA_A_EVENT_ERROR),
		.thread = nl_u32(message, GCARENA_A_EVENT_THREAD),
		.nr = nl_u64(message, GCARENA_A_EVENT_NR),
		.cycle = nl_u64(message, GCARENA_A_EVENT_CYCLE),
		.duration_ns = nl_u64(message, GCARENA_A_EVENT_DURATION_NS),
		.stop_ns = nl_u64(message, GCARENA_A_EVENT_STOP_NS),
		.live_bytes = nl_u64(message, GCARENA_A_EVENT_LIVE_BYTES),
		.heap_bytes = nl_u64(message, GCARENA_A_EVENT_HEAP_BYTES),
		.goal_bytes = nl_u64(message, GCARENA_A_EVENT_GOAL_BYTES),
		.trace_ns = nl_u64(message, GCARENA_A_EVENT_TRACE_NS),
		.rounds = nl_u64(message, GCARENA_A_EVENT_ROUNDS),
		.compact_ns = nl_u64(message, GCARENA_A_EVENT_COMPACT_NS),
		.backing_bytes = nl_u64(message, GCARENA_A_EVENT_BACKING_BYTES),
		.limit = nl_u64(message, GCARENA_A_EVENT_LIMIT),
		.hits = nl_u64(message, GCARENA_A_EVENT_HITS),
	};
	snprintf(told->name, sizeof(told->name), "%s", nl_string(message, GCARENA_A_EVENT_NAME));
}

/* All that has come by now. Return: 0, or -ENOBUFS: some were lost. */
static int drain(int fd, struct listener *listener)
{
	struct nl_result result = { };
	int got, ret = 0;

	do {
		got = nl_receive_some(fd, MSG_DONTWAIT, note_event, listener, &result);
		if (got == -ENOBUFS)
			ret = got;
	} while (got >= 0 || got == -ENOBUFS);
	return ret;
}

TEST_F(told, events_of_an_arena)
{
	struct listener listener = { };
	struct gcarena_collect full, minor;
	struct rawarena arena;
	struct told *told = listener.told;
	int fd = nl_open();
	unsigned int i;
	__u64 object;

	if (nl_join(fd))
		SKIP(return, "needs CAP_SYS_ADMIN, to listen");
	ASSERT_EQ(0, rawarena_open(&arena, RESERVE, GCARENA_ROOTS_EXPLICIT));
	listener.id = nl_arena_id(arena.fd);
	ASSERT_EQ(0, raw_alloc(arena.fd, GCARENA_LAYOUT_NOSCAN, RAW_MIB, &object));
	ASSERT_EQ(0, raw_roots_add(arena.fd, &object, sizeof(object)));
	ASSERT_EQ(0, raw_collect(arena.fd, 0, &full));
	minor = (struct gcarena_collect){ .size = sizeof(minor), .kind = GCARENA_COLLECT_MINOR };
	ASSERT_EQ(0, raw_ioctl(arena.fd, GCARENA_IOC_COLLECT, &minor));
	rawarena_close(&arena);
	EXPECT_EQ(0, drain(fd, &listener));
	ASSERT_EQ(6, listener.nr);
	EXPECT_EQ(GCARENA_CMD_ARENA_CREATED, told[0].cmd);
	EXPECT_EQ(GCARENA_CMD_CYCLE_BEGIN, told[1].cmd);
	EXPECT_EQ(GCARENA_CMD_CYCLE_END, told[2].cmd);
	EXPECT_EQ(GCARENA_CMD_CYCLE_BEGIN, told[3].cmd);
	EXPECT_EQ(GCARENA_CMD_CYCLE_END, told[4].cmd);
	EXPECT_EQ(GCARENA_CMD_ARENA_GONE, told[5].cmd);
	for (i = 0; i < 6; i++) {
		EXPECT_EQ(getpid(), told[i].pid);
		EXPECT_EQ(i + 1, told[i].nr);
	}
	EXPECT_EQ(GCARENA_COLLECT_FULL, told[2].kind);
	EXPECT_EQ(full.cycle - 1, told[1].cycle);
	EXPECT_EQ(full.cycle, told[2].cycle);
	EXPECT_EQ(full.pause_ns, told[2].duration_ns);
	EXPECT_EQ(full.live_bytes, told[2].live_bytes);
	EXPECT_EQ(RAW_MIB, told[2].heap_bytes);
	EXPECT_LT(0, told[2].stop_ns);
	EXPECT_LE(told[2].stop_ns, told[2].duration_ns);
	EXPECT_EQ(UINT64_MAX, told[2].goal_bytes);
	EXPECT_EQ(GCARENA_COLLECT_MINOR, told[4].kind);
	EXPECT_EQ(minor.cycle, told[4].cycle);
	close(fd);
}

TEST_F_TIMEOUT(told, a_listener_that_falls_behind, 90)
{
	struct listener listener = { .id = self->id };
	struct gcarena_collect collected;
	int small = 4096, i, fd = nl_open();
	struct nl_seen seen;
	uint64_t last;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (nl_join(fd))
		SKIP(return, "needs CAP_SYS_ADMIN, to listen");
	for (i = 0; i < 200; i++)
		ASSERT_EQ(0, raw_collect(self->arena.fd, 0, &collected));
	/* Told once that something is missing. */
	EXPECT_EQ(-ENOBUFS, drain(fd, &listener));
	EXPECT_LT(0, listener.nr);
	EXPECT_GT(400, listener.nr);
	last = listener.told[(listener.nr - 1) % EVENTS_ROOM].nr;
	/* The next event tells how many. */
	listener.nr = 0;
	ASSERT_EQ(0, raw_collect(self->arena.fd, 0, &collected));
	EXPECT_EQ(0, drain(fd, &listener));
	ASSERT_EQ(2, listener.nr);
	EXPECT_LT(last + 1, listener.told[0].nr);
	EXPECT_EQ(0, nl_see(self->fd, self->id, &seen));
	EXPECT_EQ(seen.events, listener.told[1].nr);
	EXPECT_EQ(1 + 2 * 201, seen.events);
	close(fd);
}

/* Who listens in another network namespace hears of what was opened in it. */
static int listen_elsewhere(uint32_t id)
{
	struct listener listener = { };
	struct rawarena arena;
	int fd;

	(void)id;
	if (nl_become(NOBODY))
		return 1;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return 4;
	fd = nl_open();
	if (nl_join(fd))
		return 2;
	if (raw_post(3) || raw_await(4))
		return 3;
	if (drain(fd, &listener) || listener.nr)
		return 5;
	if (rawarena_open(&arena, RESERVE, GCARENA_ROOTS_EXPLICIT))
		return 6;
	drain(fd, &listener);
	return listener.nr != 1 || listener.told[0].cmd != GCARENA_CMD_ARENA_CREATED;
}

TEST_F(told, namespaces_hear_of_their_own)
{
	struct listener listener = { };
	struct gcarena_collect collected;
	int status, there[2], back[2], fd = nl_open();
	bool theirs = false, ours = false;
	unsigned int i;
	pid_t pid;

	if (nl_join(fd))
		SKIP(return, "needs CAP_SYS_ADMIN, to listen");
	ASSERT_EQ(0, pipe(there));
	ASSERT_EQ(0, pipe(back));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		/* High enough not to be each other's. */
		dup2(there[1], 103);
		dup2(back[0], 104);
		dup2(103, 3);
		dup2(104, 4);
		_exit(listen_elsewhere(0));
	}
	close(there[1]);
	if (!raw_await(there[0])) {
		EXPECT_EQ(0, raw_collect(self->arena.fd, 0, &collected));
		EXPECT_EQ(0, raw_post(back[1]));
	}
	status = raw_reap(pid);
	if (status == 4)
		SKIP(return, "this kernel lets users have no user namespaces");
	EXPECT_EQ(0, status);
	/* Here all is heard. */
	drain(fd, &listener);
	for (i = 0; i < listener.nr && i < EVENTS_ROOM; i++) {
		theirs |= listener.told[i].cmd == GCARENA_CMD_ARENA_CREATED &&
			  listener.told[i].pid == (uint32_t)pid;
		ours |= listener.told[i].cmd == GCARENA_CMD_CYCLE_END &&
			listener.told[i].id == self->id;
	}
	EXPECT_TRUE(theirs);
	EXPECT_TRUE(ours);
	close(fd);
}

/* ---- No memory --------------------------------------------------------------------------- */

TEST_F(told, an_arena_that_is_full)
{
	struct gcarena_name name = { .size = sizeof(name), .name = "small one" };
	struct listener listener = { .id = self->id };
	int fd = nl_open(), i;
	const struct told *last;
	struct nl_seen seen;
	__u64 object;

	if (nl_join(fd))
		SKIP(return, "needs CAP_SYS_ADMIN, to listen");
	ASSERT_EQ(0, raw_ioctl(self->arena.fd, GCARENA_IOC_NAME, &name));
	ASSERT_EQ(0, raw_set(self->arena.fd, GCARENA_PARAM_LIMIT, 4 * RAW_MIB, NULL));
	ASSERT_EQ(0, raw_alloc(self->arena.fd, GCARENA_LAYOUT_NOSCAN, 3 * RAW_MIB, &object));
	ASSERT_EQ(0, raw_roots_add(self->arena.fd, &object, sizeof(object)));
	EXPECT_EQ(-ENOSPC, raw_alloc(self->arena.fd, 0, 2 * RAW_MIB, &object));
	EXPECT_EQ(0, drain(fd, &listener));
	/* It was collected before, in vain. */
	ASSERT_EQ(3, listener.nr);
	EXPECT_EQ(GCARENA_CMD_CYCLE_BEGIN, listener.told[0].cmd);
	EXPECT_EQ(GCARENA_CMD_CYCLE_END, listener.told[1].cmd);
	last = &listener.told[2];
	EXPECT_EQ(GCARENA_CMD_LIMIT_HIT, last->cmd);
	EXPECT_EQ(ENOSPC, last->error);
	EXPECT_EQ(gettid(), (int)last->thread);
	EXPECT_EQ(3 * RAW_MIB, last->heap_bytes);
	EXPECT_EQ(4 * RAW_MIB, last->backing_bytes);
	EXPECT_EQ(4 * RAW_MIB, last->limit);
	EXPECT_EQ(1, last->hits);
	EXPECT_STREQ("small one", last->name);
	/* More than the arena could ever hold. */
	EXPECT_EQ(-ENOSPC, raw_alloc(self->arena.fd, 0, RESERVE, &object));
	/* Who goes on trying is told of now and then, and counted. */
	for (i = 0; i < 100; i++)
		EXPECT_EQ(-ENOSPC, raw_alloc(self->arena.fd, 0, 2 * RESERVE, &object));
	listener.nr = 0;
	EXPECT_EQ(0, drain(fd, &listener));
	EXPECT_LE(1, listener.nr);
	EXPECT_GE(21, listener.nr);
	EXPECT_EQ(0, nl_see(self->fd, self->id, &seen));
	EXPECT_EQ(102, seen.limit_hits);
	EXPECT_STREQ("small one", seen.name);
	/* No such layout, and no event of it. */
	listener.nr = 0;
	EXPECT_EQ(-ENOENT, raw_alloc(self->arena.fd, 99, RAW_MIB, &object));
	EXPECT_EQ(0, drain(fd, &listener));
	EXPECT_EQ(0, listener.nr);
	EXPECT_EQ(0, raw_roots_del(self->arena.fd, &object, sizeof(object)));
	close(fd);
}

/* ---- Cycles beside the program ------------------------------------------------------------- */

FIXTURE(beside)
{
	struct params params;
	struct listener listener;
	gca_arena *arena;
	void **list;
	int fd;
};

#define NOT_BESIDE	"needs root, and collections that come when they are due"

/* A worker so slow that a cycle of a few MiB takes seconds. */
FIXTURE_SETUP(beside)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = GCA_ROOTS_EXPLICIT, .min_heap = 4 * RAW_MIB,
	};

	raw_need_device();
	self->fd = nl_open();
	/* The harness runs a test whose setup was skipped: each looks for the arena. */
	if (raw_zeal_is_on() || nl_join(self->fd) || !params_set(&self->params, "concurrent", 2))
		return;
	ASSERT_TRUE(params_set(&self->params, "background_cpu_percent", 1));
	self->arena = gca_open(&options);
	ASSERT_NE(NULL, self->arena);
	ASSERT_EQ(0, gca_set_name(self->arena, "beside"));
	self->listener.id = nl_arena_id(gca_fd(self->arena));
	ASSERT_EQ(0, gca_roots_add_in(self->arena, &self->list, sizeof(self->list)));
}

FIXTURE_TEARDOWN(beside)
{
	if (self->arena)
		gca_close(self->arena);
	params_restore(&self->params);
	close(self->fd);
}

/* Allocate until a concurrent cycle has been told to begin. */
static bool begin_cycle(int fd, struct listener *listener, gca_arena *arena, void ***list)
{
	uint64_t end = nl_now_ms() + 60000;
	unsigned int i;

	do {
		for (i = 0; i < 500; i++) {
			void **node = gca_alloc_in(arena, 64);

			if (!node)
				return false;
			node[0] = *list;
			*list = node;
		}
		drain(fd, listener);
		if (listener->nr && listener->told[(listener->nr - 1) % EVENTS_ROOM].cmd ==
		    GCARENA_CMD_CYCLE_BEGIN)
			return true;
	} while (nl_now_ms() < end);
	return false;
}

TEST_F_TIMEOUT(beside, one_that_is_completed, 300)
{
	uint64_t end = nl_now_ms() + 60000;
	const struct told *last = NULL;
	bool traced = false;
	struct nl_seen seen;
	int fd = nl_open();

	if (!self->arena)
		SKIP(return, NOT_BESIDE);
	ASSERT_TRUE(begin_cycle(self->fd, &self->listener, self->arena, &self->list));
	param_set("background_cpu_percent", 30);
	do {
		ASSERT_EQ(0, nl_see(fd, self->listener.id, &seen));
		traced |= seen.phase == GCARENA_PHASE_TRACE;
		drain(self->fd, &self->listener);
		last = &self->listener.told[(self->listener.nr - 1) % EVENTS_ROOM];
	} while (last->cmd != GCARENA_CMD_CYCLE_END && nl_now_ms() < end);
	EXPECT_TRUE(traced);
	ASSERT_EQ(GCARENA_CMD_CYCLE_END, last->cmd);
	EXPECT_EQ(0, last->error);
	EXPECT_LT(0, last->trace_ns);
	EXPECT_LT(1, last->rounds);
	EXPECT_LT(0, last->stop_ns);
	EXPECT_LE(last->stop_ns, last->duration_ns);
	EXPECT_STREQ("beside", last->name);
	ASSERT_EQ(0, nl_see(fd, self->listener.id, &seen));
	EXPECT_NE(GCARENA_PHASE_TRACE, seen.phase);
	close(fd);
}

TEST_F_TIMEOUT(beside, one_that_another_takes_the_place_of, 300)
{
	const struct told *told = self->listener.told;
	unsigned int nr;

	if (!self->arena)
		SKIP(return, NOT_BESIDE);
	ASSERT_TRUE(begin_cycle(self->fd, &self->listener, self->arena, &self->list));
	nr = self->listener.nr;
	ASSERT_EQ(0, gca_collect_in(self->arena, GCA_FULL, NULL));
	drain(self->fd, &self->listener);
	ASSERT_LE(nr + 3, self->listener.nr);
	ASSERT_GT(EVENTS_ROOM, self->listener.nr);
	EXPECT_EQ(GCARENA_CMD_CYCLE_END, told[nr].cmd);
	EXPECT_EQ(ECANCELED, told[nr].error);
	EXPECT_EQ(told[nr - 1].cycle, told[nr].cycle);
	EXPECT_EQ(GCARENA_CMD_CYCLE_BEGIN, told[nr + 1].cmd);
	EXPECT_EQ(GCARENA_CMD_CYCLE_END, told[nr + 2].cmd);
	EXPECT_EQ(0, told[nr + 2].error);
	EXPECT_EQ(told[nr].cycle + 1, told[nr + 2].cycle);
	EXPECT_EQ(0, told[nr + 2].rounds);
}

TEST_F_TIMEOUT(beside, one_whose_arena_goes, 300)
{
	uint64_t end = nl_now_ms() + 60000;
	const struct told *told = self->listener.told, *last;
	unsigned int nr;

	if (!self->arena)
		SKIP(return, NOT_BESIDE);
	ASSERT_TRUE(begin_cycle(self->fd, &self->listener, self->arena, &self->list));
	nr = self->listener.nr;
	ASSERT_EQ(0, gca_close(self->arena));
	self->arena = NULL;
	do {
		usleep(1000);
		drain(self->fd, &self->listener);
		last = &told[(self->listener.nr - 1) % EVENTS_ROOM];
	} while (last->cmd != GCARENA_CMD_ARENA_GONE && nl_now_ms() < end);
	ASSERT_EQ(nr + 2, self->listener.nr);
	EXPECT_EQ(GCARENA_CMD_CYCLE_END, told[nr % EVENTS_ROOM].cmd);
	EXPECT_EQ(ECANCELED, told[nr % EVENTS_ROOM].error);
	EXPECT_EQ(GCARENA_CMD_ARENA_GONE, last->cmd);
	EXPECT_EQ(told[nr % EVENTS_ROOM].nr + 1, last->nr);
}

/* ---- A thread that does not stop ---------------------------------------------------------- */

#define BUSY_BYTES	(64 * RAW_MIB)

static atomic_int busy_end, busy_tid;

/* In the kernel for long stretches, running all the time. */
static void *busy_main(void *arg)
{
	char *p = mmap(NULL, BUSY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	(void)arg;
	busy_tid = gettid();
	while (!busy_end) {
		madvise(p, BUSY_BYTES, 23 /* MADV_POPULATE_WRITE */);
		madvise(p, BUSY_BYTES, MADV_DONTNEED);
	}
	munmap(p, BUSY_BYTES);
	return NULL;
}

TEST_F_TIMEOUT(told, a_thread_that_does_not_stop_is_told, 120)
{
	struct listener listener = { .id = self->id };
	int i, fd = nl_open();
	struct nl_seen seen = { };
	pthread_t thread;

	if (nl_join(fd) || !param_set("stop_timeout_ms", 1))
		SKIP(return, "needs root");
	busy_end = 0;
	busy_tid = 0;
	ASSERT_EQ(0, pthread_create(&thread, NULL, busy_main, NULL));
	while (!busy_tid)
		usleep(1000);
	for (i = 0; i < 50 && !seen.done_error; i++) {
		usleep(5000);
		ASSERT_EQ(0, nl_collect_and_wait(self->fd, self->id, 0, &seen));
	}
	EXPECT_TRUE(param_set("stop_timeout_ms", 10000));
	busy_end = 1;
	pthread_join(thread, NULL);
	EXPECT_EQ(ETIMEDOUT, seen.done_error);
	drain(fd, &listener);
	ASSERT_LE(3, listener.nr);
	i = listener.nr - 1;
	EXPECT_EQ(GCARENA_CMD_CYCLE_END, listener.told[i % EVENTS_ROOM].cmd);
	EXPECT_EQ(ETIMEDOUT, listener.told[i % EVENTS_ROOM].error);
	EXPECT_EQ(GCARENA_CMD_STOP_TIMEOUT, listener.told[(i - 1) % EVENTS_ROOM].cmd);
	/* Within one millisecond either of the two may have failed to stop. */
	i = listener.told[(i - 1) % EVENTS_ROOM].thread;
	EXPECT_TRUE(i == atomic_load(&busy_tid) || i == gettid());
	close(fd);
}

TEST_HARNESS_MAIN
