// SPDX-License-Identifier: GPL-2.0
/*
 * Netlink: what is told is what the arena's own descriptor says; malformed requests get
 * their errno and a sentence, and change nothing; who may not trace the owner sees and
 * does nothing, whatever socket he uses; dumps notice that arenas come and go; nobody
 * waits for a busy arena, and no collection for a listener.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "gcarena.h"
#include "lib/nl.h"
#include "lib/nlarena.h"
#include "lib/param.h"
#include "lib/rawarena.h"

#define RESERVE		(16 * RAW_MIB)
#define NO_SUCH_ID	0x7ffffff0

FIXTURE(netlink)
{
	struct rawarena arena;
	uint32_t id;
	int fd;
};

FIXTURE_SETUP(netlink)
{
	raw_need_device();
	ASSERT_EQ(0, rawarena_open(&self->arena, RESERVE, GCARENA_ROOTS_EXPLICIT));
	self->fd = nl_open();
	ASSERT_LE(0, self->fd);
	ASSERT_LT(0, nl_family());
	self->id = nl_arena_id(self->arena.fd);
	ASSERT_NE(0, self->id);
}

FIXTURE_TEARDOWN(netlink)
{
	close(self->fd);
	rawarena_close(&self->arena);
}

/* ---- What is told ----------------------------------------------------------------- */

TEST_F(netlink, an_arena_by_number_and_by_process)
{
	struct gcarena_info info;
	struct nl_seen seen;
	uint32_t pid = getpid();

	ASSERT_EQ(0, raw_info(self->arena.fd, &info));
	ASSERT_EQ(0, nl_see(self->fd, self->id, &seen));
	EXPECT_EQ(1, seen.nr);
	EXPECT_EQ(self->id, seen.id);
	EXPECT_EQ(pid, seen.pid);
	EXPECT_STREQ("netlink", seen.comm);
	EXPECT_EQ(1, seen.created);
	EXPECT_EQ(GCARENA_PHASE_IDLE, seen.phase);
	EXPECT_EQ(1, seen.processes);
	EXPECT_EQ(self->arena.base, seen.base);
	EXPECT_EQ(RESERVE, seen.reserve);
	EXPECT_EQ(info.limit, seen.limit);
	EXPECT_EQ(info.min_heap, seen.min_heap);
	EXPECT_EQ(info.gc_percent, (int)seen.gc_percent);
	seen = (struct nl_seen){ };
	EXPECT_EQ(0, nl_ask_about(self->fd, NLM_F_ACK, GCARENA_CMD_ARENA_GET,
				  GCARENA_A_ARENA_PID, pid, nl_see_arena, &seen).error);
	EXPECT_EQ(self->id, seen.id);
	EXPECT_EQ(-ENOENT, nl_ask_about(self->fd, NLM_F_ACK, GCARENA_CMD_ARENA_GET,
					GCARENA_A_ARENA_PID, getppid(), NULL, NULL).error);
}

TEST_F(netlink, a_process_that_maps_it_counts_as_well)
{
	int status, ready[2], end[2];
	struct nl_seen seen = { };
	pid_t pid;
	char byte;

	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(end));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(end[1]);
		_exit(write(ready[1], "", 1) != 1 || read(end[0], &byte, 1));
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	EXPECT_EQ(0, nl_ask_about(self->fd, NLM_F_ACK, GCARENA_CMD_ARENA_GET,
				  GCARENA_A_ARENA_PID, pid, nl_see_arena, &seen).error);
	EXPECT_EQ(self->id, seen.id);
	EXPECT_EQ(getpid(), seen.pid);
	EXPECT_EQ(2, seen.processes);
	close(end[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* Who opened it has ended: the child that maps it takes its place. */
TEST_F(netlink, an_owner_that_ends_has_a_heir)
{
	int fds[2], end[2], status;
	struct nl_seen seen;
	struct { uint32_t id; pid_t heir; } told;
	pid_t pid;
	char byte;

	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(0, pipe(end));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct rawarena arena;

		close(end[1]);
		if (rawarena_open(&arena, RESERVE, GCARENA_ROOTS_EXPLICIT))
			_exit(1);
		if (fork())
			_exit(0);
		told.id = nl_arena_id(arena.fd);
		told.heir = getpid();
		_exit(write(fds[1], &told, sizeof(told)) != sizeof(told) || read(end[0], &byte, 1));
	}
	ASSERT_EQ(sizeof(told), read(fds[0], &told, sizeof(told)));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, nl_see(self->fd, told.id, &seen));
	EXPECT_EQ(told.heir, seen.pid);
	close(end[1]);
}

static void see_stats(const struct nl_message *message, void *data)
{
	struct gcarena_stats *stats = data;
	uint64_t *field = (uint64_t *)&stats->heap_objects;
	size_t i, nr = (sizeof(*stats) - offsetof(struct gcarena_stats, heap_objects)) / 8;

	stats->flags = nl_u32(message, GCARENA_A_STATS_ID);
	for (i = 0; i < nr; i++)
		field[i] = message->attrs[GCARENA_A_STATS_FIRST + i] ?
			   nl_u64(message, GCARENA_A_STATS_FIRST + i) : UINT64_MAX / 3;
}

/* Make an arena that has a bit of everything. */
static int use_arena(int fd)
{
	struct gcarena_collect collected;
	struct gcarena_span spans[2];
	__u64 large;
	int nr;

	nr = raw_refill(fd, 3, GCARENA_LAYOUT_NOSCAN, spans, 1);
	if (nr == 1)
		nr = raw_refill(fd, 5, GCARENA_LAYOUT_CONSERVATIVE, spans + 1, 1);
	if (nr != 1)
		return nr;
	return raw_alloc(fd, GCARENA_LAYOUT_NOSCAN, RAW_MIB, &large) ?:
	       raw_collect(fd, 0, &collected) ?: raw_use_up(fd, spans[0].base);
}

TEST_F(netlink, statistics_are_those_of_the_descriptor)
{
	const size_t same = offsetof(struct gcarena_stats, heap_objects);
	struct gcarena_stats told = { }, own;
	bool differ = true;
	int i;

	ASSERT_EQ(0, use_arena(self->arena.fd));
	/* What is done in the background may come in between. */
	for (i = 0; i < 100 && differ; i++) {
		ASSERT_EQ(0, nl_ask_about(self->fd, NLM_F_ACK, GCARENA_CMD_STATS_GET,
					  GCARENA_A_STATS_ID, self->id, see_stats, &told).error);
		ASSERT_EQ(0, raw_stats(self->arena.fd, &own));
		differ = memcmp((char *)&told + same, (char *)&own + same, sizeof(own) - same);
	}
	EXPECT_FALSE(differ);
	EXPECT_EQ(self->id, told.flags);
	EXPECT_LT(0, own.cycles);
}

/* Sums over messages of spans or classes. */
struct sums {
	uint32_t id;
	uint64_t spans, bytes, owned, slots, used;
	uint64_t last_start;
	bool disorder;
};

static void sum_class(const struct nl_message *message, void *data)
{
	struct sums *sums = data;

	sums->id = nl_u32(message, GCARENA_A_CLASS_ID);
	sums->spans += nl_u64(message, GCARENA_A_CLASS_SPANS);
	sums->bytes += nl_u64(message, GCARENA_A_CLASS_SPAN_BYTES);
	sums->owned += nl_u64(message, GCARENA_A_CLASS_OWNED);
	sums->slots += nl_u64(message, GCARENA_A_CLASS_SLOTS);
	sums->used += nl_u64(message, GCARENA_A_CLASS_USED);
}

static void sum_span(const struct nl_message *message, void *data)
{
	struct sums *sums = data;
	uint64_t start = nl_u64(message, GCARENA_A_SPAN_START);

	sums->disorder |= sums->spans && start <= sums->last_start;
	sums->last_start = start;
	sums->id = nl_u32(message, GCARENA_A_SPAN_ID);
	sums->spans++;
	sums->bytes += nl_u64(message, GCARENA_A_SPAN_BYTES);
	sums->owned += nl_u32(message, GCARENA_A_SPAN_STATE) & GCARENA_SPAN_STATE_OWNED;
	sums->slots += nl_u32(message, GCARENA_A_SPAN_SLOTS);
	sums->used += nl_u32(message, GCARENA_A_SPAN_USED);
}

TEST_F(netlink, spans_one_by_one_and_by_class_add_up)
{
	struct sums spans = { }, classes = { };
	struct gcarena_span got[GCARENA_REFILL_MAX];
	struct gcarena_stats stats;
	unsigned int i;

	/* More than one message buffer full. */
	for (i = 0; i < 30; i++)
		ASSERT_LT(0, raw_refill(self->arena.fd, 4 + i % 8, i % 2, got,
					GCARENA_REFILL_MAX));
	ASSERT_EQ(0, use_arena(self->arena.fd));
	ASSERT_EQ(0, raw_stats(self->arena.fd, &stats));
	EXPECT_EQ(0, nl_ask_about(self->fd, NLM_F_DUMP, GCARENA_CMD_SPANS_GET,
				  GCARENA_A_SPAN_ID, self->id, sum_span, &spans).error);
	EXPECT_EQ(0, nl_ask_about(self->fd, NLM_F_DUMP, GCARENA_CMD_CLASSES_GET,
				  GCARENA_A_CLASS_ID, self->id, sum_class, &classes).error);
	EXPECT_EQ(self->id, spans.id);
	EXPECT_EQ(self->id, classes.id);
	EXPECT_FALSE(spans.disorder);
	EXPECT_LE(200, spans.spans);
	EXPECT_EQ(spans.spans, classes.spans);
	EXPECT_EQ(stats.span_bytes, spans.bytes);
	EXPECT_EQ(stats.span_bytes, classes.bytes);
	EXPECT_EQ(stats.owned_spans, spans.owned);
	EXPECT_EQ(stats.owned_spans, classes.owned);
	EXPECT_EQ(spans.slots, classes.slots);
	EXPECT_EQ(stats.heap_objects, spans.used);
	EXPECT_EQ(stats.heap_objects, classes.used);
}

/* A dump that nobody reads to its end leaves nothing behind: see the debug kernel. */
TEST_F(netlink, a_dump_can_be_left)
{
	static const uint8_t cmds[] = { GCARENA_CMD_ARENA_GET, GCARENA_CMD_STATS_GET,
					GCARENA_CMD_CLASSES_GET, GCARENA_CMD_SPANS_GET };
	struct nl_request request;
	unsigned int i;

	ASSERT_EQ(0, use_arena(self->arena.fd));
	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		int fd = nl_open();

		ASSERT_LE(0, fd);
		nl_begin(&request, NLM_F_DUMP, cmds[i]);
		if (cmds[i] >= GCARENA_CMD_CLASSES_GET)
			nl_put_u32(&request, GCARENA_A_CLASS_ID, self->id);
		else if (cmds[i] == GCARENA_CMD_ARENA_GET)
			nl_put_u32(&request, GCARENA_A_ARENA_PID, getpid());
		EXPECT_EQ(0, nl_send(fd, &request));
		close(fd);
	}
}

TEST_F(netlink, fdinfo)
{
	struct gcarena_name given = { .size = sizeof(given), .name = "a name: \xc3\xa9 \\" };
	char path[64], line[128], phase[16] = "", name[GCARENA_NAME_LEN] = "";
	unsigned long long reserve = 0, cycles = 99, limit = 0;
	struct gcarena_collect collected;
	struct gcarena_info info;
	FILE *file;

	ASSERT_EQ(0, raw_info(self->arena.fd, &info));
	ASSERT_EQ(0, raw_collect(self->arena.fd, 0, &collected));
	ASSERT_EQ(0, raw_ioctl(self->arena.fd, GCARENA_IOC_NAME, &given));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->arena.fd);
	file = fopen(path, "r");
	ASSERT_NE(NULL, file);
	while (fgets(line, sizeof(line), file)) {
		sscanf(line, "gcarena-reserve: %llu bytes", &reserve);
		sscanf(line, "gcarena-limit: %llu bytes", &limit);
		sscanf(line, "gcarena-cycles: %llu", &cycles);
		sscanf(line, "gcarena-phase: %15s", phase);
		sscanf(line, "gcarena-name:\t%63[^\n]", name);
	}
	fclose(file);
	EXPECT_EQ(RESERVE, reserve);
	EXPECT_EQ(info.limit, limit);
	EXPECT_EQ(collected.cycle, cycles);
	EXPECT_STREQ("idle", phase);
	EXPECT_STREQ(given.name, name);
}

/* ---- What is set and asked for ----------------------------------------------------- */

TEST_F(netlink, all_are_set_or_none)
{
	struct nl_request request;
	struct nl_result result;
	struct gcarena_info before, after;
	int32_t percent = 77;

	ASSERT_EQ(0, raw_info(self->arena.fd, &before));
	nl_begin(&request, NLM_F_ACK, GCARENA_CMD_ARENA_SET);
	nl_put_u32(&request, GCARENA_A_ARENA_ID, self->id);
	nl_put(&request, GCARENA_A_ARENA_GC_PERCENT, &percent, sizeof(percent));
	nl_put_u64(&request, GCARENA_A_ARENA_MIN_HEAP, RAW_MIB);
	nl_put_u64(&request, GCARENA_A_ARENA_LIMIT, 3 * RAW_MIB);
	result = nl_ask(self->fd, &request, NULL, NULL);
	EXPECT_EQ(-EINVAL, result.error);
	EXPECT_NE(NULL, strstr(result.sentence, "limit"));
	/* Where the attribute is that is wrong. */
	EXPECT_EQ(NLMSG_HDRLEN + 4 + 8 + 8 + 12, result.offset);
	ASSERT_EQ(0, raw_info(self->arena.fd, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));

	nl_begin(&request, NLM_F_ACK, GCARENA_CMD_ARENA_SET);
	nl_put_u32(&request, GCARENA_A_ARENA_ID, self->id);
	nl_put(&request, GCARENA_A_ARENA_GC_PERCENT, &percent, sizeof(percent));
	nl_put_u64(&request, GCARENA_A_ARENA_MIN_HEAP, RAW_MIB);
	nl_put_u64(&request, GCARENA_A_ARENA_LIMIT, 4 * RAW_MIB);
	EXPECT_EQ(0, nl_ask(self->fd, &request, NULL, NULL).error);
	ASSERT_EQ(0, raw_info(self->arena.fd, &after));
	EXPECT_EQ(77, after.gc_percent);
	EXPECT_EQ(RAW_MIB, after.min_heap);
	EXPECT_EQ(4 * RAW_MIB, after.limit);
	EXPECT_EQ(0, nl_set_percent(self->fd, self->id, GCARENA_GC_PERCENT_OFF));
	EXPECT_EQ(-EINVAL, nl_set_percent(self->fd, self->id, 0));
	EXPECT_EQ(-EINVAL, nl_set_percent(self->fd, self->id, -2));
	EXPECT_EQ(-EINVAL, nl_set_percent(self->fd, self->id, GCARENA_GC_PERCENT_MAX + 1));
}

TEST_F(netlink, a_worker_collects)
{
	struct gcarena_stats before, after;
	struct nl_seen seen;
	__u64 kept, dropped;

	ASSERT_EQ(0, raw_alloc(self->arena.fd, GCARENA_LAYOUT_NOSCAN, RAW_MIB, &dropped));
	/* The last one is its thread's until the thread asks for something else. */
	ASSERT_EQ(0, raw_alloc(self->arena.fd, GCARENA_LAYOUT_NOSCAN, RAW_MIB, &kept));
	ASSERT_EQ(0, raw_roots_add(self->arena.fd, &kept, sizeof(kept)));
	ASSERT_EQ(0, raw_stats(self->arena.fd, &before));
	ASSERT_EQ(0, nl_collect_and_wait(self->fd, self->id, GCARENA_COLLECT_FULL, &seen));
	EXPECT_EQ(0, seen.done_error);
	ASSERT_EQ(0, raw_stats(self->arena.fd, &after));
	EXPECT_EQ(before.cycles + 1, after.cycles);
	EXPECT_EQ(before.cycles_forced + 1, after.cycles_forced);
	EXPECT_EQ(1, after.last_live_objects);
	EXPECT_EQ(before.total_freed_objects + 1, after.total_freed_objects);
	/* The program's threads were stopped, ours too. */
	EXPECT_EQ(1, after.stop_threads_last);
	ASSERT_EQ(0, nl_collect_and_wait(self->fd, self->id, GCARENA_COLLECT_MINOR, &seen));
	ASSERT_EQ(0, raw_stats(self->arena.fd, &after));
	EXPECT_EQ(before.cycles_minor + 1, after.cycles_minor);
	EXPECT_EQ(0, raw_roots_del(self->arena.fd, &kept, sizeof(kept)));
}

TEST(a_worker_compacts)
{
	struct gcarena_stats stats;
	struct rawarena arena;
	struct nl_seen seen;
	int fd = nl_open();

	raw_need_device();
	ASSERT_EQ(0, rawarena_open(&arena, RESERVE, GCARENA_ROOTS_AUTO));
	ASSERT_EQ(0, nl_collect_and_wait(fd, nl_arena_id(arena.fd), GCARENA_COLLECT_COMPACT,
					 &seen));
	EXPECT_EQ(0, seen.done_error);
	ASSERT_EQ(0, raw_stats(arena.fd, &stats));
	EXPECT_EQ(1, stats.cycles_compact);
	rawarena_close(&arena);
	close(fd);
}

/* Beside the program, and told when it has ended; no collection, unless asked for with it. */
TEST(a_worker_evacuates)
{
	struct pair { struct pair *next; void *unused; } *p, *list;
	struct gca_options options = {
		.size = sizeof(options), .gc_percent = GCA_GC_PERCENT_OFF,
	};
	gca_arena *arena = gca_open(&options);
	struct nl_seen seen = { };
	gca_type *type;
	uint32_t id;
	void **slot;
	int i, fd = nl_open();

	ASSERT_NE(NULL, arena);
	id = nl_arena_id(gca_fd(arena));
	type = GCA_TYPE_IN(arena, struct pair, next);
	slot = gca_root_slot_in(arena, NULL);
	ASSERT_NE(NULL, type);
	ASSERT_NE(NULL, slot);
	/* One in ten lives, from the list that the slot begins. */
	for (i = 0; i < 200000; i++) {
		p = gca_new(type);
		ASSERT_NE(NULL, p);
		if (i % 10)
			continue;
		p->next = *slot;
		*slot = p;
	}
	p = NULL;
	ASSERT_EQ(0, nl_collect_and_wait(fd, id, GCARENA_COLLECT_FULL, &seen));
	ASSERT_EQ(0, nl_collect_and_wait(fd, id, GCARENA_COLLECT_EVACUATE, &seen));
	EXPECT_EQ(0, seen.done_error);
	EXPECT_LT(1000, raw_stats_of(gca_fd(arena)).moved_objects);
	EXPECT_EQ(1, raw_stats_of(gca_fd(arena)).cycles);
	for (list = *slot, i = 0; list; list = list->next)
		i++;
	EXPECT_EQ(20000, i);
	/* Both at once: nothing is left out. */
	ASSERT_EQ(0, nl_collect(fd, id, GCARENA_COLLECT_EVACUATE, &seen));
	ASSERT_EQ(0, nl_collect_and_wait(fd, id, GCARENA_COLLECT_MINOR, &seen));
	EXPECT_EQ(0, seen.done_error);
	EXPECT_LT(1, raw_stats_of(gca_fd(arena)).cycles);
	gca_close(arena);
	close(fd);
}

/* Registers and stacks of a program that does not collect itself are roots as well. */
TEST(a_worker_finds_roots)
{
	struct gcarena_stats stats;
	struct rawarena arena;
	struct nl_seen seen;
	volatile __u64 kept;
	__u64 addr;
	int i, fd = nl_open();

	raw_need_device();
	ASSERT_EQ(0, rawarena_open(&arena, RESERVE, GCARENA_ROOTS_AUTO));
	ASSERT_EQ(0, raw_alloc(arena.fd, GCARENA_LAYOUT_NOSCAN, RAW_MIB, &addr));
	kept = addr;
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, nl_collect_and_wait(fd, nl_arena_id(arena.fd), i % 2, &seen));
		ASSERT_EQ(0, seen.done_error);
	}
	ASSERT_EQ(0, raw_stats(arena.fd, &stats));
	EXPECT_EQ(1, stats.last_live_objects);
	EXPECT_NE(0, kept);
	rawarena_close(&arena);
	close(fd);
}

#ifdef __x86_64__

#define MASK	0x5a5a5a5a5a5a5a5aULL

/* An object whose address is written nowhere: only a vector register holds it. */
struct held {
	int fd;
	__u64 hidden;		/* its address, XOR mask */
	__u64 mask;
	volatile int holding;
	volatile int end;
};

/* In a thread that ends, and takes what its stack and registers remember along. */
static void *allocate_main(void *arg)
{
	struct held *held = arg;
	__u64 addr = 0;

	/* The first object lies at the arena's base, which everybody knows. */
	raw_alloc(held->fd, GCARENA_LAYOUT_NOSCAN, RAW_MIB, &addr);
	raw_alloc(held->fd, GCARENA_LAYOUT_NOSCAN, RAW_MIB, &addr);
	held->hidden = addr ^ held->mask;
	return NULL;
}

static void *hold_main(void *arg)
{
	struct held *held = arg;

	asm volatile("movq (%0), %%xmm7\n\t"
		     "movq (%1), %%xmm6\n\t"
		     "pxor %%xmm6, %%xmm7\n\t"
		     "pxor %%xmm6, %%xmm6\n\t"
		     "movl $1, (%2)\n"
		     "1:\tpause\n\t"
		     "cmpl $0, (%3)\n\t"
		     "je 1b\n\t"
		     "pxor %%xmm7, %%xmm7\n\t"
		     : : "r" (&held->hidden), "r" (&held->mask), "r" (&held->holding),
		       "r" (&held->end) : "memory", "cc", "xmm6", "xmm7");
	return NULL;
}

TEST(a_worker_finds_vector_registers)
{
	struct held held = { .mask = MASK };
	struct gcarena_stats stats;
	struct rawarena arena;
	struct nl_seen seen;
	pthread_t thread;
	int fd = nl_open();

	raw_need_device();
	ASSERT_EQ(0, rawarena_open(&arena, RESERVE, GCARENA_ROOTS_AUTO));
	held.fd = arena.fd;
	ASSERT_EQ(0, pthread_create(&thread, NULL, allocate_main, &held));
	pthread_join(thread, NULL);
	ASSERT_NE(MASK, held.hidden);
	ASSERT_EQ(0, pthread_create(&thread, NULL, hold_main, &held));
	while (!held.holding)
		usleep(1000);
	ASSERT_EQ(0, nl_collect_and_wait(fd, nl_arena_id(arena.fd), 0, &seen));
	EXPECT_EQ(0, seen.done_error);
	ASSERT_EQ(0, raw_stats(arena.fd, &stats));
	EXPECT_EQ(2, stats.last_live_objects);
	held.end = 1;
	pthread_join(thread, NULL);
	ASSERT_EQ(0, nl_collect_and_wait(fd, nl_arena_id(arena.fd), 0, &seen));
	ASSERT_EQ(0, raw_stats(arena.fd, &stats));
	EXPECT_EQ(1, stats.last_live_objects);
	rawarena_close(&arena);
	close(fd);
}

#endif

TEST_F(netlink, nothing_is_collected_that_nobody_maps)
{
	struct gcarena_collect collected;
	struct rawarena other;
	struct nl_seen seen;
	__u64 object;
	uint32_t id;

	/* Objects would move under registers that are no roots. */
	EXPECT_EQ(-EOPNOTSUPP, nl_collect(self->fd, self->id, GCARENA_COLLECT_COMPACT, &seen));
	EXPECT_EQ(-EOPNOTSUPP, nl_collect(self->fd, self->id, GCARENA_COLLECT_EVACUATE, &seen));
	EXPECT_EQ(-EOPNOTSUPP, nl_collect(self->fd, self->id, GCARENA_COLLECT_MAJOR, &seen));
	EXPECT_EQ(-EOPNOTSUPP, nl_collect(self->fd, self->id, 77, &seen));
	/* Not created. */
	other.fd = raw_open();
	ASSERT_LE(0, other.fd);
	id = nl_arena_id(other.fd);
	EXPECT_EQ(-ENXIO, nl_collect(self->fd, id, 0, &seen));
	EXPECT_EQ(-ENXIO, nl_set_percent(self->fd, id, 50));
	ASSERT_EQ(0, nl_see(self->fd, id, &seen));
	EXPECT_EQ(0, seen.created);
	close(other.fd);
	/* Not mapped any more: what is in there may be found again. */
	ASSERT_EQ(0, rawarena_open(&other, RESERVE, GCARENA_ROOTS_EXPLICIT));
	ASSERT_EQ(0, raw_alloc(other.fd, GCARENA_LAYOUT_NOSCAN, RAW_MIB, &object));
	ASSERT_EQ(0, raw_roots_add(other.fd, &object, sizeof(object)));
	id = nl_arena_id(other.fd);
	ASSERT_EQ(0, rawarena_unmap(&other));
	EXPECT_EQ(-ENXIO, nl_collect(self->fd, id, 0, &seen));
	ASSERT_EQ(0, rawarena_map(&other));
	ASSERT_EQ(0, raw_roots_add(other.fd, &object, sizeof(object)));
	ASSERT_EQ(0, raw_collect(other.fd, 0, &collected));
	EXPECT_EQ(1, collected.live_objects);
	rawarena_close(&other);
}

/* Arenas end while a worker is about to collect them. */
TEST_F(netlink, an_arena_ends_under_its_worker)
{
	struct rawarena other;
	struct nl_seen seen;
	int i;

	for (i = 0; i < 100; i++) {
		__u64 object;
		uint32_t id;

		ASSERT_EQ(0, rawarena_open(&other, RESERVE, GCARENA_ROOTS_AUTO));
		ASSERT_EQ(0, raw_alloc(other.fd, GCARENA_LAYOUT_NOSCAN, RAW_MIB, &object));
		id = nl_arena_id(other.fd);
		ASSERT_EQ(0, nl_collect(self->fd, id, i % 2, &seen));
		usleep(i % 8 * 50);
		rawarena_close(&other);
		EXPECT_EQ(-ENOENT, nl_see(self->fd, id, &seen));
	}
}

/* The same, when each collection has another worker move objects, which then has the arena. */
TEST_F(netlink, an_arena_ends_as_a_worker_begins)
{
	static const uint32_t kinds[] = {
		GCARENA_COLLECT_FULL, GCARENA_COLLECT_MINOR, GCARENA_COLLECT_EVACUATE,
	};
	struct rawarena other;
	struct nl_seen seen;
	int i, error;

	for (i = 0; i < 150; i++) {
		uint64_t end = nl_now_ms() + 10000;
		__u64 object;
		uint32_t id;

		ASSERT_EQ(0, rawarena_open(&other, RESERVE, GCARENA_ROOTS_AUTO));
		ASSERT_EQ(0, raw_alloc(other.fd, GCARENA_LAYOUT_NOSCAN, RAW_MIB, &object));
		ASSERT_EQ(0, raw_set(other.fd, GCARENA_PARAM_COMPACT_PERCENT, 1, NULL));
		id = nl_arena_id(other.fd);
		ASSERT_EQ(0, nl_collect(self->fd, id, kinds[i % 3], &seen));
		usleep(i % 8 * 50);
		rawarena_close(&other);
		do
			error = nl_see(self->fd, id, &seen);
		while (error != -ENOENT && nl_now_ms() < end);
		EXPECT_EQ(-ENOENT, error);
	}
}

/* ---- Nobody waits ------------------------------------------------------------------- */

static void see_busy(const struct nl_message *message, void *data)
{
	if (message->attrs[GCARENA_A_STATS_BUSY])
		*(uint32_t *)data = nl_u32(message, GCARENA_A_STATS_ID);
}

/* While the arena's program stands still. Return: 0, or which look was wrong. */
static int look_at_busy(uint32_t id)
{
	struct nl_result result;
	struct nl_request request;
	int fd = nl_open();
	uint32_t busy_id = 0;
	struct nl_seen seen;
	uint64_t began;

	do {
		if (nl_see(fd, id, &seen))
			return 1;
	} while (seen.phase != GCARENA_PHASE_MARK);
	began = nl_now_ms();
	result = nl_ask_about(fd, NLM_F_ACK, GCARENA_CMD_STATS_GET, GCARENA_A_STATS_ID, id, NULL,
			      NULL);
	if (result.error != -EBUSY || !strstr(result.sentence, "busy"))
		return 2;
	if (nl_now_ms() - began > 600)
		return 3;
	/* A dump of all does not end at one that is busy. */
	nl_begin(&request, NLM_F_DUMP, GCARENA_CMD_STATS_GET);
	if (nl_ask(fd, &request, see_busy, &busy_id).error || busy_id != id)
		return 4;
	if (nl_set_percent(fd, id, 50) != -EBUSY)
		return 5;
	if (nl_ask_about(fd, NLM_F_DUMP, GCARENA_CMD_CLASSES_GET, GCARENA_A_CLASS_ID, id, NULL,
			 NULL).error != -EBUSY)
		return 6;
	return 0;
}

TEST_F_TIMEOUT(netlink, a_busy_arena_is_told_to_be_busy, 60)
{
	struct gcarena_collect collected;
	pid_t pid;

	if (!param_set("zeal_delay_us", 1000000))
		SKIP(return, "needs root, to slow collections down");
	pid = fork();
	if (!pid) {
		/* It shall not be stopped. */
		if (rawarena_unmap(&self->arena))
			_exit(10);
		_exit(look_at_busy(self->id));
	}
	usleep(100000);
	EXPECT_EQ(0, raw_collect(self->arena.fd, 0, &collected));
	EXPECT_TRUE(param_set("zeal_delay_us", 0));
	EXPECT_EQ(0, raw_reap(pid));
}

/* ---- Wrong requests ------------------------------------------------------------------ */

/* One attribute, as it is sent. */
struct wrong_attr {
	uint16_t type;
	uint16_t length;	/* in the header; 0: what it ought to be */
	uint16_t bytes;		/* that are there */
	uint64_t value;
};

struct wrong {
	const char *what;
	int error;
	uint8_t cmd;
	uint16_t flags;
	bool no_id;
	struct wrong_attr attr[2];
};

/* The number of the arena is the first attribute of each, unless no_id is set. */
static const struct wrong wrongs[] = {
	{ "get: nothing", -EINVAL, GCARENA_CMD_ARENA_GET, NLM_F_ACK, true, { } },
	{ "get: number 0", -ERANGE, GCARENA_CMD_ARENA_GET, NLM_F_ACK, true,
	  { { GCARENA_A_ARENA_ID, 0, 4, 0 } } },
	{ "get: no such number", -ENOENT, GCARENA_CMD_ARENA_GET, NLM_F_ACK, true,
	  { { GCARENA_A_ARENA_ID, 0, 4, NO_SUCH_ID } } },
	{ "get: number of 8 bytes", -EINVAL, GCARENA_CMD_ARENA_GET, NLM_F_ACK, true,
	  { { GCARENA_A_ARENA_ID, 0, 8, 1 } } },
	{ "get: number of 2 bytes", -EINVAL, GCARENA_CMD_ARENA_GET, NLM_F_ACK, true,
	  { { GCARENA_A_ARENA_ID, 0, 2, 1 } } },
	{ "get: number of no bytes", -EINVAL, GCARENA_CMD_ARENA_GET, NLM_F_ACK, true,
	  { { GCARENA_A_ARENA_ID, 0, 0, 0 } } },
	{ "get: longer than the message", -EINVAL, GCARENA_CMD_ARENA_GET, NLM_F_ACK, true,
	  { { GCARENA_A_ARENA_ID, 400, 4, 1 } } },
	{ "get: shorter than its header", -EINVAL, GCARENA_CMD_ARENA_GET, NLM_F_ACK, false,
	  { { GCARENA_A_ARENA_PID, 2, 4, 1 } } },
	{ "get: number as a nest", -EINVAL, GCARENA_CMD_ARENA_GET, NLM_F_ACK, true,
	  { { GCARENA_A_ARENA_ID | NLA_F_NESTED, 0, 4, 1 } } },
	{ "get: number and process", -EINVAL, GCARENA_CMD_ARENA_GET, NLM_F_ACK, false,
	  { { GCARENA_A_ARENA_PID, 0, 4, 1 } } },
	{ "get: process 0", -ERANGE, GCARENA_CMD_ARENA_GET, NLM_F_ACK, true,
	  { { GCARENA_A_ARENA_PID, 0, 4, 0 } } },
	{ "get: no such process", -ENOENT, GCARENA_CMD_ARENA_GET, NLM_F_ACK, true,
	  { { GCARENA_A_ARENA_PID, 0, 4, 0xffffffff } } },
	{ "get: an attribute too many", -EINVAL, GCARENA_CMD_ARENA_GET, NLM_F_ACK, false,
	  { { GCARENA_A_ARENA_LIMIT, 0, 8, 1 } } },
	{ "get: an unknown attribute", -EINVAL, GCARENA_CMD_ARENA_GET, NLM_F_ACK, false,
	  { { 1000, 0, 4, 1 } } },
	{ "get: padding", -EINVAL, GCARENA_CMD_ARENA_GET, NLM_F_ACK, false,
	  { { GCARENA_A_ARENA_PAD, 0, 0, 0 } } },
	{ "get: dump of one", -EINVAL, GCARENA_CMD_ARENA_GET, NLM_F_DUMP, false, { } },
	{ "get: dump, no such process", -ENOENT, GCARENA_CMD_ARENA_GET, NLM_F_DUMP, true,
	  { { GCARENA_A_ARENA_PID, 0, 4, 0xffffffff } } },
	{ "get: dump, an attribute too many", -EINVAL, GCARENA_CMD_ARENA_GET, NLM_F_DUMP, true,
	  { { GCARENA_A_ARENA_KIND, 0, 4, 0 } } },
	{ "set: nothing", -EINVAL, GCARENA_CMD_ARENA_SET, NLM_F_ACK, false, { } },
	{ "set: no number", -EINVAL, GCARENA_CMD_ARENA_SET, NLM_F_ACK, true,
	  { { GCARENA_A_ARENA_LIMIT, 0, 8, 1ULL << 21 } } },
	{ "set: dump", -EOPNOTSUPP, GCARENA_CMD_ARENA_SET, NLM_F_DUMP, false, { } },
	{ "set: limit 0", -EINVAL, GCARENA_CMD_ARENA_SET, NLM_F_ACK, false,
	  { { GCARENA_A_ARENA_LIMIT, 0, 8, 0 } } },
	{ "set: limit above the reserve", -EINVAL, GCARENA_CMD_ARENA_SET, NLM_F_ACK, false,
	  { { GCARENA_A_ARENA_LIMIT, 0, 8, 2 * RESERVE } } },
	{ "set: limit all ones", -EINVAL, GCARENA_CMD_ARENA_SET, NLM_F_ACK, false,
	  { { GCARENA_A_ARENA_LIMIT, 0, 8, UINT64_MAX } } },
	{ "set: limit of 4 bytes", -EINVAL, GCARENA_CMD_ARENA_SET, NLM_F_ACK, false,
	  { { GCARENA_A_ARENA_LIMIT, 0, 4, 1U << 21 } } },
	{ "set: min_heap 0", -EINVAL, GCARENA_CMD_ARENA_SET, NLM_F_ACK, false,
	  { { GCARENA_A_ARENA_MIN_HEAP, 0, 8, 0 } } },
	{ "set: min_heap all ones", -EINVAL, GCARENA_CMD_ARENA_SET, NLM_F_ACK, false,
	  { { GCARENA_A_ARENA_MIN_HEAP, 0, 8, UINT64_MAX } } },
	{ "set: gc_percent of 8 bytes", -EINVAL, GCARENA_CMD_ARENA_SET, NLM_F_ACK, false,
	  { { GCARENA_A_ARENA_GC_PERCENT, 0, 8, 100 } } },
	{ "set: memory_limit all ones", -EINVAL, GCARENA_CMD_ARENA_SET, NLM_F_ACK, false,
	  { { GCARENA_A_ARENA_MEMORY_LIMIT, 0, 8, UINT64_MAX } } },
	{ "set: memory_limit of 4 bytes", -EINVAL, GCARENA_CMD_ARENA_SET, NLM_F_ACK, false,
	  { { GCARENA_A_ARENA_MEMORY_LIMIT, 0, 4, 1 } } },
	{ "set: what cannot be set", -EINVAL, GCARENA_CMD_ARENA_SET, NLM_F_ACK, false,
	  { { GCARENA_A_ARENA_RESERVE, 0, 8, RESERVE } } },
	{ "set: one right, one wrong", -EINVAL, GCARENA_CMD_ARENA_SET, NLM_F_ACK, false,
	  { { GCARENA_A_ARENA_MIN_HEAP, 0, 8, 12345 }, { GCARENA_A_ARENA_LIMIT, 0, 8, 7 } } },
	{ "collect: no number", -EINVAL, GCARENA_CMD_COLLECT, NLM_F_ACK, true, { } },
	{ "collect: dump", -EOPNOTSUPP, GCARENA_CMD_COLLECT, NLM_F_DUMP, false, { } },
	{ "collect: unknown kind", -EOPNOTSUPP, GCARENA_CMD_COLLECT, NLM_F_ACK, false,
	  { { GCARENA_A_ARENA_KIND, 0, 4, 77 } } },
	{ "collect: a flag with a value", -ERANGE, GCARENA_CMD_COLLECT, NLM_F_ACK, false,
	  { { GCARENA_A_ARENA_RELEASE, 0, 4, 1 } } },
	{ "stats: no number", -EINVAL, GCARENA_CMD_STATS_GET, NLM_F_ACK, true, { } },
	{ "stats: dump of one", -EINVAL, GCARENA_CMD_STATS_GET, NLM_F_DUMP, false, { } },
	{ "stats: what is output", -EINVAL, GCARENA_CMD_STATS_GET, NLM_F_ACK, false,
	  { { GCARENA_A_STATS_FIRST, 0, 8, 1 } } },
	{ "classes: not a dump", -EOPNOTSUPP, GCARENA_CMD_CLASSES_GET, NLM_F_ACK, false, { } },
	{ "classes: no number", -EINVAL, GCARENA_CMD_CLASSES_GET, NLM_F_DUMP, true, { } },
	{ "classes: no such number", -ENOENT, GCARENA_CMD_CLASSES_GET, NLM_F_DUMP, true,
	  { { GCARENA_A_CLASS_ID, 0, 4, NO_SUCH_ID } } },
	{ "spans: not a dump", -EOPNOTSUPP, GCARENA_CMD_SPANS_GET, NLM_F_ACK, false, { } },
	{ "spans: no number", -EINVAL, GCARENA_CMD_SPANS_GET, NLM_F_DUMP, true, { } },
	{ "spans: no such number", -ENOENT, GCARENA_CMD_SPANS_GET, NLM_F_DUMP, true,
	  { { GCARENA_A_SPAN_ID, 0, 4, NO_SUCH_ID } } },
	{ "spans: an attribute too many", -EINVAL, GCARENA_CMD_SPANS_GET, NLM_F_DUMP, false,
	  { { GCARENA_A_SPAN_START, 0, 8, 0 } } },
	{ "no command 0", -EOPNOTSUPP, GCARENA_CMD_UNSPEC, NLM_F_ACK, true, { } },
	{ "an event as a command", -EOPNOTSUPP, GCARENA_CMD_CYCLE_END, NLM_F_ACK, true, { } },
	{ "an unknown command", -EOPNOTSUPP, 200, NLM_F_ACK, true, { } },
};

static struct nl_result ask_wrong(int fd, const struct wrong *wrong, uint32_t id)
{
	const struct wrong_attr *attr;
	struct nl_request request;

	nl_begin(&request, wrong->flags, wrong->cmd);
	if (!wrong->no_id)
		nl_put_u32(&request, GCARENA_A_ARENA_ID, id);
	for (attr = wrong->attr; attr < wrong->attr + 2; attr++) {
		if (attr->type)
			nl_put_raw(&request, attr->type,
				   attr->length ? attr->length : NLA_HDRLEN + attr->bytes,
				   &attr->value, attr->bytes);
	}
	return nl_ask(fd, &request, NULL, NULL);
}

TEST_F(netlink, wrong_requests)
{
	struct gcarena_info before, after;
	const struct wrong *wrong;
	struct nl_result result;

	/* The number has the same attribute in all sets. */
	ASSERT_TRUE((int)GCARENA_A_STATS_ID == (int)GCARENA_A_ARENA_ID &&
		    (int)GCARENA_A_CLASS_ID == (int)GCARENA_A_ARENA_ID &&
		    (int)GCARENA_A_SPAN_ID == (int)GCARENA_A_ARENA_ID);
	ASSERT_EQ(0, raw_info(self->arena.fd, &before));
	for (wrong = wrongs; wrong < wrongs + ARRAY_SIZE(wrongs); wrong++) {
		result = ask_wrong(self->fd, wrong, self->id);
		EXPECT_EQ(wrong->error, result.error)
			TH_LOG("%s (%s)", wrong->what, result.sentence);
		/* What netlink itself does not know has none, nor have dumps in 6.1. */
		if (result.error != -EOPNOTSUPP && !(wrong->flags & NLM_F_DUMP))
			EXPECT_NE('\0', result.sentence[0]) TH_LOG("%s", wrong->what);
	}
	ASSERT_EQ(0, raw_info(self->arena.fd, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
}

/* Messages that end anywhere. */
TEST_F(netlink, truncated_requests)
{
	struct nl_request request;
	struct nl_result result;
	uint32_t length;

	nl_begin(&request, NLM_F_ACK, GCARENA_CMD_ARENA_GET);
	nl_put_u32(&request, GCARENA_A_ARENA_ID, self->id);
	for (length = request.header->nlmsg_len; length-- > NLMSG_HDRLEN;) {
		request.header->nlmsg_len = length;
		result = nl_ask(self->fd, &request, NULL, NULL);
		EXPECT_EQ(-EINVAL, result.error) TH_LOG("%u bytes", length);
	}
	/* What is longer than its first attribute, and is no second one. */
	nl_begin(&request, NLM_F_ACK, GCARENA_CMD_ARENA_GET);
	nl_put_u32(&request, GCARENA_A_ARENA_ID, self->id);
	request.header->nlmsg_len += 3;
	EXPECT_EQ(-EINVAL, nl_ask(self->fd, &request, NULL, NULL).error);
}

/* ---- Who may ------------------------------------------------------------------------- */

static void count_id(const struct nl_message *message, void *data)
{
	(void)message;
	++*(unsigned int *)data;
}

/* All that can be done to an arena; 0: all of it is forbidden, and dumps are empty. */
static int try_all(int fd, uint32_t id)
{
	unsigned int seen = 0;
	struct nl_request request;
	struct nl_seen arena;

	if (nl_see(fd, id, &arena) != -EPERM)
		return 10;
	if (nl_set_percent(fd, id, 55) != -EPERM)
		return 11;
	if (nl_collect(fd, id, 0, &arena) != -EPERM)
		return 12;
	if (nl_ask_about(fd, NLM_F_ACK, GCARENA_CMD_STATS_GET, GCARENA_A_STATS_ID, id, NULL,
			 NULL).error != -EPERM)
		return 13;
	if (nl_ask_about(fd, NLM_F_DUMP, GCARENA_CMD_CLASSES_GET, GCARENA_A_CLASS_ID, id, NULL,
			 NULL).error != -EPERM)
		return 14;
	if (nl_ask_about(fd, NLM_F_DUMP, GCARENA_CMD_SPANS_GET, GCARENA_A_SPAN_ID, id, NULL,
			 NULL).error != -EPERM)
		return 15;
	if (nl_ask_about(fd, NLM_F_ACK, GCARENA_CMD_ARENA_GET, GCARENA_A_ARENA_PID, getppid(),
			 NULL, NULL).error != -EPERM)
		return 16;
	nl_begin(&request, NLM_F_DUMP, GCARENA_CMD_ARENA_GET);
	if (nl_ask(fd, &request, count_id, &seen).error || seen)
		return 17;
	nl_begin(&request, NLM_F_DUMP, GCARENA_CMD_STATS_GET);
	if (nl_ask(fd, &request, count_id, &seen).error || seen)
		return 18;
	return 0;
}

/* The exit code of a child that does this. */
static int in_child(int (*what)(uint32_t id), uint32_t id)
{
	pid_t pid = fork();

	if (!pid)
		_exit(what(id));
	return raw_reap(pid);
}

static int as_nobody(uint32_t id)
{
	int fd;

	if (nl_become(NOBODY))
		return 1;
	fd = nl_open();
	if (nl_join(fd) != -EPERM)
		return 2;
	return try_all(fd, id);
}

/* Root of a user namespace, and of a network namespace, is nobody here. */
static int in_namespaces(uint32_t id)
{
	int fd;

	if (nl_become(NOBODY))
		return 1;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return 4;
	fd = nl_open();
	if (fd < 0)
		return 3;
	return try_all(fd, id);
}

/* The socket is an unprivileged one's; who uses it is root. */
static int with_anothers_socket(uint32_t id)
{
	int fd, result;

	if (setresgid(NOBODY, NOBODY, 0) || setresuid(NOBODY, NOBODY, 0))
		return 1;
	fd = nl_open();
	if (setresuid(0, 0, 0) || setresgid(0, 0, 0))
		return 2;
	result = try_all(fd, id);
	close(fd);
	return result;
}

/* The socket is root's; who uses it is not. */
static int with_roots_socket(uint32_t id)
{
	int fd = nl_open();

	if (nl_become(NOBODY))
		return 1;
	return try_all(fd, id);
}

TEST_F(netlink, who_may_not_trace_the_owner)
{
	struct gcarena_info before, after;
	int status;

	if (getuid())
		SKIP(return, "needs root, to be somebody else");
	ASSERT_EQ(0, raw_info(self->arena.fd, &before));
	EXPECT_EQ(0, in_child(as_nobody, self->id));
	EXPECT_EQ(0, in_child(with_anothers_socket, self->id));
	EXPECT_EQ(0, in_child(with_roots_socket, self->id));
	status = in_child(in_namespaces, self->id);
	EXPECT_TRUE(status == 0 || status == 4) TH_LOG("%d", status);
	ASSERT_EQ(0, raw_info(self->arena.fd, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
}

/* Two processes of one user, neither privileged: see each other, until one does not want. */
static int as_owner(int dumpable, int ready, int end)
{
	struct rawarena arena;
	uint32_t id;
	char byte;

	if (nl_become(NOBODY) || prctl(PR_SET_DUMPABLE, 1) ||
	    rawarena_open(&arena, RESERVE, GCARENA_ROOTS_EXPLICIT))
		return 1;
	id = nl_arena_id(arena.fd);
	if (prctl(PR_SET_DUMPABLE, dumpable) || write(ready, &id, sizeof(id)) != sizeof(id))
		return 2;
	return read(end, &byte, 1) != 0;
}

static int as_equal(uint32_t id)
{
	struct nl_seen seen;

	if (nl_become(NOBODY))
		return 1;
	return -nl_see(nl_open(), id, &seen);
}

static int as_parent_who_sets(uint32_t id)
{
	if (nl_become(NOBODY))
		return 1;
	return -nl_set_percent(nl_open(), id, 66);
}

TEST_F(netlink, who_may)
{
	int dumpable, ready[2], end[2];
	uint32_t id;
	pid_t pid;

	if (getuid())
		SKIP(return, "needs root, to be somebody else");
	for (dumpable = 0; dumpable < 2; dumpable++) {
		ASSERT_EQ(0, pipe(ready));
		ASSERT_EQ(0, pipe(end));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			close(end[1]);
			_exit(as_owner(dumpable, ready[1], end[0]));
		}
		ASSERT_EQ(sizeof(id), read(ready[0], &id, sizeof(id)));
		EXPECT_EQ(dumpable ? 0 : EPERM, in_child(as_equal, id));
		EXPECT_EQ(dumpable ? 0 : EPERM, in_child(as_parent_who_sets, id));
		close(end[1]);
		EXPECT_EQ(0, raw_reap(pid));
		close(end[0]);
		close(ready[0]);
		close(ready[1]);
	}
}

/* ---- Dumps while arenas come and go ---------------------------------------------------- */

#define MANY	300

struct dumped {
	unsigned int nr;
	uint32_t last;
	uint32_t wanted;
	bool disorder;
	bool found;
};

static void note_dumped(const struct nl_message *message, void *data)
{
	uint32_t id = nl_u32(message, GCARENA_A_ARENA_ID);
	struct dumped *dumped = data;

	dumped->disorder |= id <= dumped->last;
	dumped->found |= id == dumped->wanted;
	dumped->last = id;
	dumped->nr++;
}

TEST_F(netlink, a_dump_notices_that_arenas_come)
{
	struct dumped dumped = { .wanted = self->id };
	struct nl_result result = { }, rest;
	struct nl_request request;
	int i, fds[MANY];

	for (i = 0; i < MANY; i++)
		fds[i] = raw_open();
	nl_begin(&request, NLM_F_DUMP, GCARENA_CMD_ARENA_GET);
	/* Undisturbed. */
	result = nl_ask(self->fd, &request, note_dumped, &dumped);
	EXPECT_EQ(0, result.error);
	EXPECT_FALSE(result.interrupted);
	EXPECT_FALSE(dumped.disorder);
	EXPECT_TRUE(dumped.found);
	EXPECT_LE(MANY + 1, dumped.nr);
	/* One goes when some have been told. */
	dumped = (struct dumped){ .wanted = self->id };
	result = (struct nl_result){ };
	ASSERT_EQ(0, nl_send(self->fd, &request));
	ASSERT_LT(0, nl_receive_some(self->fd, 0, note_dumped, &dumped, &result));
	EXPECT_GT(MANY, dumped.nr);
	close(fds[MANY - 1]);
	rest = nl_receive(self->fd, note_dumped, &dumped);
	EXPECT_EQ(0, rest.error);
	EXPECT_TRUE(rest.interrupted);
	EXPECT_FALSE(dumped.disorder);
	EXPECT_LE(MANY, dumped.nr);
	for (i = 0; i < MANY - 1; i++)
		close(fds[i]);
}

static atomic_int come_and_go_end;

static void *come_and_go_main(void *arg)
{
	struct rawarena arena;

	(void)arg;
	while (!come_and_go_end) {
		if (!rawarena_open(&arena, RESERVE, GCARENA_ROOTS_EXPLICIT))
			rawarena_close(&arena);
	}
	return NULL;
}

TEST_F_TIMEOUT(netlink, dumps_while_arenas_come_and_go, 60)
{
	static const uint8_t cmds[] = { GCARENA_CMD_ARENA_GET, GCARENA_CMD_STATS_GET };
	struct nl_request request;
	uint64_t end = nl_now_ms() + 3000;
	pthread_t threads[2];
	unsigned int i, rounds;

	come_and_go_end = 0;
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, come_and_go_main, NULL));
	for (rounds = 0; nl_now_ms() < end; rounds++) {
		struct dumped dumped = { .wanted = self->id };
		struct nl_seen seen;

		nl_begin(&request, NLM_F_DUMP, cmds[rounds % 2]);
		ASSERT_EQ(0, nl_ask(self->fd, &request, note_dumped, &dumped).error);
		ASSERT_FALSE(dumped.disorder);
		ASSERT_TRUE(dumped.found);
		/* One that may go at any moment. */
		nl_collect(self->fd, dumped.last, 0, &seen);
		nl_ask_about(self->fd, NLM_F_DUMP, GCARENA_CMD_CLASSES_GET, GCARENA_A_CLASS_ID,
			     dumped.last + 1, NULL, NULL);
	}
	come_and_go_end = 1;
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	EXPECT_LT(10, rounds);
}

TEST_HARNESS_MAIN
