// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation that a call makes fails once: each command, open, mmap, page faults,
 * fork, munmap and close. The call says ENOMEM then, or does without; nothing that was
 * there before is lost; and the same call, made again, leaves the arena as if it had
 * not failed before. Copying from and to the program fails in the same way, with
 * EFAULT; and so do the module's own faults: a stop that takes too long, memory
 * that cannot be read at the first try.
 *
 * A sweep runs a call again and again, each time in a new arena, and lets the first,
 * the second, the third ... place fail, until there is no such place. What is compared
 * comes from the same call in an arena where nothing failed. Memory that is lost for
 * good is not seen here, but by kmemleak after the run.
 *
 * Last come random failures, in long series, which get to where one failure alone
 * does not.
 *
 * GCARENA_FAULT_CASES="alloc pin ..." runs some cases only: names of the variants below, and
 * "storm" for the random ones.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <time.h>

#include "kselftest_harness.h"
#include "lib/nlarena.h"
#include "lib/nth.h"
#include "lib/rawarena.h"
#include "lib/rng.h"

#define RESERVE		(64 * RAW_MIB)
#define NR_NODES	400
#define NODE_BYTES	64
#define LARGE_BYTES	(100 * RAW_KIB)
#define HUGE_BYTES	(5 * RAW_MIB)	/* several chunks, the last one in part */
#define FRESH_BYTES	1000		/* objects of a class that nobody else uses */
#define NR_BIG		16
#define BIG_BYTES	(512 * RAW_KIB)
#define LAST_SPAN	(64 * RAW_KIB)	/* what a span of the last class takes */
#define PLACES_MAX	20000
#define SWEEPS		3
#define SWEEP_SECONDS	600

static void __attribute__((constructor)) need_injection(void)
{
	const char *why = nth_unavailable();

	if (why) {
		printf("TAP version 13\n1..0 # SKIP %s\n", why);
		exit(KSFT_SKIP);
	}
	raw_need_device();
}

struct node {
	struct node *next;
	__u64 number;
	__u64 check;
};

/* What an arena is known to hold. Shared memory, and with explicit roots the only one. */
struct board {
	struct node *nodes;
	struct node **large;		/* an object whose last word points to the nodes */
	__u64 big[NR_BIG];		/* for filling it up */
};

/* A thread or a process that the stop has to wait for. */
struct others {
	pthread_t spinner;
	pthread_t sleeper;
	pid_t process;
	atomic_bool stop;
	int pipe[2];
};

struct world {
	struct rawarena arena;
	struct board *board;
	struct raw_class_table classes;
	struct gcarena_span span[GCARENA_REFILL_MAX];
	struct gcarena_stats stats;
	struct others others;
	__u64 live;
	__u64 addr;
	__u32 layout;
	__u32 id;			/* of the arena, to netlink */
	int fd;				/* what the call has opened, or -1 */
	bool shared;
};

/* ---- What must survive ------------------------------------------------------------ */

static struct node *nodes_build(struct world *w)
{
	struct raw_allocator from = { .fd = w->arena.fd };
	struct node *head = NULL, *node;
	unsigned int i;

	from.size_class = raw_class_of(&w->classes, NODE_BYTES);
	for (i = 0; i < NR_NODES; i++) {
		node = raw_new(&from);
		if (!node)
			return NULL;
		*node = (struct node) { head, i, ~(__u64)i };
		head = node;
	}
	return raw_release_all(w->arena.fd) ? NULL : head;
}

static bool nodes_are_whole(const struct board *board)
{
	const struct node *node = board->nodes;
	unsigned int left = NR_NODES;

	if (board->large[LARGE_BYTES / sizeof(node) - 1] != node)
		return false;
	for (; node && left--; node = node->next)
		if (node->number != left || node->check != ~node->number)
			return false;
	return !node && !left;
}

static int world_build(struct world *w)
{
	__u64 large;

	if (raw_classes(w->arena.fd, &w->classes))
		return -EIO;
	if (raw_roots_add(w->arena.fd, w->board, sizeof(*w->board)))
		return -EIO;
	w->board->nodes = nodes_build(w);
	if (!w->board->nodes || raw_alloc(w->arena.fd, 0, LARGE_BYTES, &large))
		return -EIO;
	w->board->large = (void *)(uintptr_t)large;
	w->board->large[LARGE_BYTES / sizeof(void *) - 1] = w->board->nodes;
	return 0;
}

static int world_open(struct world *w, __u32 root_mode)
{
	int ret;

	memset(w, 0, sizeof(*w));
	w->fd = -1;
	w->board = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (w->board == MAP_FAILED)
		return -errno;
	memset(w->board, 0, 4096);
	ret = rawarena_open(&w->arena, RESERVE, root_mode);
	return ret ?: world_build(w);
}

static void world_close(struct world *w)
{
	if (w->fd >= 0)
		close(w->fd);
	rawarena_close(&w->arena);
	munmap(w->board, 4096);
}

/*
 * Give back what the thread holds, collect, and note what is left. Chunks of small
 * pages need more memory for themselves than one made of a huge page does, a table of
 * pointers; which it is, is left to chance.
 */
static int world_tidy(struct world *w)
{
	struct gcarena_collect collect;
	int ret = raw_release_all(w->arena.fd);

	ret = ret ?: raw_collect(w->arena.fd, GCARENA_COLLECT_RELEASE, &collect);
	ret = ret ?: raw_stats(w->arena.fd, &w->stats);
	w->live = collect.live_objects;
	w->stats.metadata_bytes -= w->stats.split_chunks * 512 * sizeof(void *);
	return ret;
}

/* ---- The calls --------------------------------------------------------------------- */

static int call_open(struct world *w)
{
	w->fd = raw_open();
	return w->fd < 0 ? w->fd : 0;
}

static int before_close(struct world *w)
{
	__u64 addr;
	struct rawarena arena;
	int ret = rawarena_open(&arena, RESERVE, GCARENA_ROOTS_EXPLICIT);

	ret = ret ?: raw_alloc(arena.fd, 0, HUGE_BYTES, &addr);
	ret = ret ?: rawarena_unmap(&arena);
	w->fd = arena.fd;
	return ret;
}

static int call_close(struct world *w)
{
	int fd = w->fd;

	w->fd = -1;
	return close(fd) ? -errno : 0;
}

static int before_create(struct world *w)
{
	return call_open(w);
}

static int call_create(struct world *w)
{
	struct gcarena_create create = {
		.size = sizeof(create),
		.reserve = RESERVE,
	};

	return raw_ioctl(w->fd, GCARENA_IOC_CREATE, &create);
}

/* Of an arena that has no parameters yet: mmap() gives it some. */
static int call_mmap(struct world *w)
{
	void *base = mmap(NULL, 64 * RAW_GIB, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	w->addr = (uintptr_t)base;
	return 0;
}

static int after_mmap(struct world *w)
{
	return munmap((void *)(uintptr_t)w->addr, 64 * RAW_GIB) ? -errno : 0;
}

static int before_munmap(struct world *w)
{
	int ret = call_open(w);

	return ret ?: call_mmap(w);
}

static int call_munmap(struct world *w)
{
	return after_mmap(w);
}

static int call_info(struct world *w)
{
	struct gcarena_info info;

	return raw_info(w->arena.fd, &info);
}

static int call_classes(struct world *w)
{
	return raw_classes(w->arena.fd, &w->classes);
}

/* As many before it as make the table of layouts grow. */
static int before_type(struct world *w)
{
	__u32 layout;
	int i, ret = 0;

	for (i = 0; i < 6 && !ret; i++)
		ret = raw_type_add(w->arena.fd, 64, 1, &layout);
	return ret;
}

static int call_type(struct world *w)
{
	static __u64 ptrmap[2048] = { 1 };
	struct gcarena_type_add type = {
		.size = sizeof(type),
		.elem_size = GCARENA_TYPE_SIZE_MAX,
		.ptrmap = (uintptr_t)ptrmap,
		.name = "nth",
	};

	return raw_ioctl(w->arena.fd, GCARENA_IOC_TYPE_ADD, &type);
}

static int call_refill(struct world *w)
{
	int got = raw_refill(w->arena.fd, raw_class_of(&w->classes, FRESH_BYTES), 0,
			     w->span, GCARENA_REFILL_MAX);

	return got < 0 ? got : 0;
}

/* A cycle is due: it comes first, or is put off. */
static int before_refill_due(struct world *w)
{
	int ret = raw_set(w->arena.fd, GCARENA_PARAM_MIN_HEAP, 1, NULL);

	return ret ?: raw_set(w->arena.fd, GCARENA_PARAM_GC_PERCENT, 1, NULL);
}

/*
 * The arena is full, and nearly all that fills it is garbage: only a cycle finds room.
 * Smaller and smaller objects fill the gaps, until none is left for a span of the last
 * class. While it fills, the board holds on to them: a full ALLOC collects.
 */
static int before_refill_full(struct world *w)
{
	int ret = raw_set(w->arena.fd, GCARENA_PARAM_LIMIT, 4 * RAW_MIB, NULL);
	__u64 bytes = BIG_BYTES;
	unsigned int i = 0;

	while (!ret && bytes >= LAST_SPAN && i < NR_BIG) {
		ret = raw_alloc(w->arena.fd, 0, bytes, &w->board->big[i]);
		if (!ret) {
			i++;
		} else if (ret == -ENOSPC) {
			ret = 0;
			bytes /= 2;
		}
	}
	memset(w->board->big, 0, sizeof(w->board->big));
	return ret ?: bytes < LAST_SPAN ? 0 : -EIO;
}

static int call_refill_full(struct world *w)
{
	int got = raw_refill(w->arena.fd, w->classes.nr - 1, 0, w->span, GCARENA_REFILL_MAX);

	return got < 0 ? got : 0;
}

static int before_release(struct world *w)
{
	return call_refill(w);
}

static int call_release(struct world *w)
{
	return raw_release_all(w->arena.fd);
}

static int call_alloc(struct world *w)
{
	return raw_alloc(w->arena.fd, 0, HUGE_BYTES, &w->addr);
}

static int call_free(struct world *w)
{
	int ret = raw_free(w->arena.fd, w->addr);

	/* The second time, if it was but the answer that failed. */
	return ret == -ENOENT ? 0 : ret;
}

static int call_collect(struct world *w)
{
	return raw_collect(w->arena.fd, GCARENA_COLLECT_RELEASE, NULL);
}

static int collect_kind(struct world *w, __u32 kind)
{
	struct gcarena_collect collect = { .size = sizeof(collect), .kind = kind };

	return raw_ioctl(w->arena.fd, GCARENA_IOC_COLLECT, &collect);
}

/* Only an old object knows a young one. */
static int before_minor(struct world *w)
{
	struct raw_allocator from = { .fd = w->arena.fd };
	int ret = call_collect(w);
	struct node *young;

	if (ret)
		return ret;
	from.size_class = raw_class_of(&w->classes, FRESH_BYTES);
	young = raw_new(&from);
	if (!young)
		return -errno;
	*young = (struct node) { NULL, NR_NODES, ~(__u64)NR_NODES };
	*w->board->large = young;
	return raw_release_all(w->arena.fd);
}

static int call_minor(struct world *w)
{
	return collect_kind(w, GCARENA_COLLECT_MINOR);
}

static int after_minor(struct world *w)
{
	const struct node *young = *w->board->large;

	if (young->next || young->number != NR_NODES || young->check != ~young->number)
		return -EUCLEAN;
	return raw_object(w->arena.fd, (uintptr_t)young, NULL);
}

static int call_major(struct world *w)
{
	return collect_kind(w, GCARENA_COLLECT_MAJOR);
}

/* What a collection has to tell, and nothing else. */
static int before_read(struct world *w)
{
	return fcntl(w->arena.fd, F_SETFL, O_NONBLOCK) ? -errno : call_collect(w);
}

static int call_read(struct world *w)
{
	struct gcarena_event event;
	ssize_t got = read(w->arena.fd, &event, sizeof(event));

	if (got < 0)
		return -errno;
	return got == sizeof(event) && event.kind == GCARENA_EVENT_CYCLE ? 0 : -EPROTO;
}

static int after_read(struct world *w)
{
	int ret = call_read(w);

	return ret == -EAGAIN ? 0 : -EPROTO;
}

/* Objects in every span of a few, at its end, that hang from slots on the board. */
#define NR_SPARSE	8
#define FIRST_SLOT	256		/* words of the board's page; behind what it holds */

static void **board_slot(struct world *w, int i)
{
	return (void **)w->board + FIRST_SLOT + i;
}

static int sparse_begin(struct world *w)
{
	int ret = raw_type_add(w->arena.fd, NODE_BYTES, 1, &w->layout);

	return ret ?: raw_slots_add(w->arena.fd, board_slot(w, 0), NR_SPARSE * sizeof(void *));
}

/* Return: how many spans, or -errno. */
static int sparse_refill(struct world *w, int nr)
{
	return raw_refill(w->arena.fd, raw_class_of(&w->classes, NODE_BYTES), w->layout,
			  w->span, nr);
}

static void sparse_put(struct world *w, struct gcarena_span *span, int i)
{
	__u32 last = span->nr_slots - 1;
	struct node *node = (void *)(uintptr_t)raw_slot(span, last);

	*node = (struct node) { i ? *board_slot(w, i - 1) : NULL, i, ~(__u64)i };
	*board_slot(w, i) = node;
	span->free[last / 64] &= ~(1ULL << last % 64);
}

/* They are whole, and know each other; all below @end. */
static int sparse_check(struct world *w, __u64 end)
{
	int i;

	for (i = 0; i < NR_SPARSE; i++) {
		const struct node *node = *board_slot(w, i);

		if (node->number != (__u64)i || node->check != ~node->number ||
		    node->next != (i ? *board_slot(w, i - 1) : NULL))
			return -EUCLEAN;
		if ((uintptr_t)node >= end)
			return -EXDEV;
	}
	return 0;
}

static int sparse_end(struct world *w)
{
	return raw_slots_del(w->arena.fd, board_slot(w, 0), NR_SPARSE * sizeof(void *));
}

static int before_compact(struct world *w)
{
	int i, nr, ret = sparse_begin(w);

	if (ret)
		return ret;
	nr = sparse_refill(w, NR_SPARSE);
	for (i = 0; i < nr; i++)
		sparse_put(w, &w->span[i], i);
	ret = nr == NR_SPARSE ? 0 : -EIO;
	return ret ?: raw_release(w->arena.fd, w->span, nr);
}

static int call_compact(struct world *w)
{
	return collect_kind(w, GCARENA_COLLECT_COMPACT);
}

/* All are together in the first span. */
static int after_compact(struct world *w)
{
	const struct gcarena_span *span = &w->span[0];
	int ret = sparse_check(w, span->base + span->nr_slots * span->slot_size);

	return ret ?: sparse_end(w);
}

/*
 * Half of them in the first chunk, with room for the others, which are in the second one and
 * have it for themselves. So many spans to get there: nothing else has been in them.
 */
static int before_evacuate(struct world *w)
{
	int i, got, put = 0, rounds = 0, ret = sparse_begin(w);

	while (!ret && put < NR_SPARSE && rounds++ < 64) {
		got = sparse_refill(w, GCARENA_REFILL_MAX);
		if (got < 0)
			return got;
		for (i = 0; i < got && put < NR_SPARSE; i++) {
			bool high = w->span[i].base >= w->arena.base + GCARENA_CHUNK_SIZE;

			if (high == (put >= NR_SPARSE / 2))
				sparse_put(w, &w->span[i], put++);
		}
	}
	ret = ret ?: put == NR_SPARSE ? 0 : -EIO;
	ret = ret ?: raw_release_all(w->arena.fd);
	return ret ?: call_collect(w);
}

static int call_evacuate(struct world *w)
{
	return collect_kind(w, GCARENA_COLLECT_EVACUATE);
}

/* What had to stay for want of memory moves when it is asked for again. */
static int after_evacuate(struct world *w)
{
	int ret = sparse_check(w, ~0ULL) ?: call_evacuate(w);

	ret = ret ?: sparse_check(w, w->arena.base + GCARENA_CHUNK_SIZE);
	return ret ?: sparse_end(w);
}

/*
 * An object of several chunks above a hole as large: where its chunks move as they are. A
 * slot has the address of its last element, and that the object's.
 */
static int before_shift(struct world *w)
{
	int ret = raw_type_add(w->arena.fd, NODE_BYTES, 1, &w->layout);
	struct node *last;
	__u64 huge;

	ret = ret ?: raw_slots_add(w->arena.fd, board_slot(w, NR_SPARSE), sizeof(void *));
	ret = ret ?: raw_alloc(w->arena.fd, 0, HUGE_BYTES, &w->addr);
	ret = ret ?: raw_alloc(w->arena.fd, w->layout, HUGE_BYTES, &huge);
	ret = ret ?: raw_free(w->arena.fd, w->addr);
	if (ret)
		return ret;
	last = (void *)(uintptr_t)(huge + HUGE_BYTES - NODE_BYTES);
	*last = (struct node) { (void *)(uintptr_t)huge, NR_SPARSE, ~(__u64)NR_SPARSE };
	*board_slot(w, NR_SPARSE) = last;
	return 0;
}

/* It is whole, wherever it is. */
static int after_shift_or_not(struct world *w)
{
	const struct node *last = *board_slot(w, NR_SPARSE);

	if (last->number != NR_SPARSE || last->check != ~last->number ||
	    (uintptr_t)last - (uintptr_t)last->next != HUGE_BYTES - NODE_BYTES)
		return -EUCLEAN;
	return raw_slots_del(w->arena.fd, board_slot(w, NR_SPARSE), sizeof(void *));
}

static int after_shift(struct world *w)
{
	const struct node *last = *board_slot(w, NR_SPARSE);

	return (uintptr_t)last->next == w->addr ? after_shift_or_not(w) : -EXDEV;
}

/* Others have moved before: if this one cannot, the collection has done what it could. */
static int before_shift_last(struct world *w)
{
	int ret = before_shift(w);

	return ret ?: before_compact(w);
}

static int after_shift_last(struct world *w)
{
	int ret = after_compact(w);

	return ret ?: after_shift_or_not(w);
}

static int call_pin(struct world *w)
{
	return raw_pin(w->arena.fd, (uintptr_t)w->board->nodes);
}

static int call_id(struct world *w)
{
	__u64 id;

	return raw_id(w->arena.fd, (uintptr_t)w->board->nodes, &id);
}

/* The first one takes a table, which the next arena must not have. */
static int after_id(struct world *w)
{
	__u64 id;

	return raw_id(w->arena.fd, (uintptr_t)w->board->nodes, &id) ?: id == 1 ? 0 : -EUCLEAN;
}

static int call_unpin(struct world *w)
{
	return raw_unpin(w->arena.fd, (uintptr_t)w->board->nodes);
}

static int call_permanent(struct world *w)
{
	return raw_permanent(w->arena.fd, (uintptr_t)w->board->nodes);
}

/* What is live: some have bitmaps, some have none yet. */
static int call_permanent_all(struct world *w)
{
	struct gcarena_collect arg = { .size = sizeof(arg), .flags = GCARENA_COLLECT_PERMANENT };

	return raw_ioctl(w->arena.fd, GCARENA_IOC_COLLECT, &arg);
}

static int call_roots_add(struct world *w)
{
	return raw_roots_add(w->arena.fd, &w->board->big[1], 8);
}

static int before_roots_del(struct world *w)
{
	return call_roots_add(w);
}

static int call_roots_del(struct world *w)
{
	return raw_roots_del(w->arena.fd, &w->board->big[1], 8);
}

static int call_slots_add(struct world *w)
{
	return raw_slots_add(w->arena.fd, board_slot(w, 0), sizeof(void *));
}

static int before_slots_del(struct world *w)
{
	return call_slots_add(w);
}

static int call_slots_del(struct world *w)
{
	return raw_slots_del(w->arena.fd, board_slot(w, 0), sizeof(void *));
}

static int call_set(struct world *w)
{
	return raw_set(w->arena.fd, GCARENA_PARAM_GC_PERCENT, 50, NULL);
}

static int call_name(struct world *w)
{
	struct gcarena_name name = { .size = sizeof(name), .name = "nth" };

	return raw_ioctl(w->arena.fd, GCARENA_IOC_NAME, &name);
}

static int call_stats(struct world *w)
{
	struct gcarena_stats stats;

	return raw_stats(w->arena.fd, &stats);
}

static int call_object(struct world *w)
{
	return raw_object(w->arena.fd, (uintptr_t)w->board->nodes, NULL);
}

/* Netlink has names of its own for a want of memory. */
static int nl_error(int error)
{
	return error == -ENOBUFS || error == -ENFILE ? -ENOMEM : error;
}

/* What nothing fails in: the family's number is asked for once, the arena's each time. */
static int before_nl(struct world *w)
{
	w->id = nl_arena_id(w->arena.fd);
	return w->id && nl_family() > 0 ? 0 : -ENOENT;
}

/* A socket for each: what comes late to one is not taken for the next answer. */
static int nl_call(struct world *w, uint16_t flags, uint8_t cmd)
{
	int fd = nl_open(), error;

	if (fd < 0)
		return nl_error(fd);
	error = nl_ask_about(fd, flags, cmd, GCARENA_A_ARENA_ID, w->id, NULL, NULL).error;
	close(fd);
	return nl_error(error);
}

static int call_nl_get(struct world *w)
{
	return nl_call(w, NLM_F_ACK, GCARENA_CMD_ARENA_GET);
}

static int call_nl_stats(struct world *w)
{
	return nl_call(w, NLM_F_ACK, GCARENA_CMD_STATS_GET);
}

static int call_nl_classes(struct world *w)
{
	return nl_call(w, NLM_F_DUMP, GCARENA_CMD_CLASSES_GET);
}

static int call_nl_spans(struct world *w)
{
	return nl_call(w, NLM_F_DUMP, GCARENA_CMD_SPANS_GET);
}

/* Of all arenas. */
static int nl_dump(uint8_t cmd)
{
	struct nl_request request;
	int fd = nl_open(), error;

	if (fd < 0)
		return nl_error(fd);
	nl_begin(&request, NLM_F_DUMP, cmd);
	error = nl_ask(fd, &request, NULL, NULL).error;
	close(fd);
	return nl_error(error);
}

static int call_nl_arenas(struct world *w)
{
	return nl_dump(GCARENA_CMD_ARENA_GET);
}

static int call_nl_all_stats(struct world *w)
{
	return nl_dump(GCARENA_CMD_STATS_GET);
}

static int call_nl_set(struct world *w)
{
	int fd = nl_open(), error;

	if (fd < 0)
		return nl_error(fd);
	error = nl_set_percent(fd, w->id, 50);
	close(fd);
	return nl_error(error);
}

static int call_nl_collect(struct world *w)
{
	struct nl_seen seen;
	int fd = nl_open(), error;

	if (fd < 0)
		return nl_error(fd);
	error = nl_collect(fd, w->id, GCARENA_COLLECT_FULL, &seen);
	close(fd);
	return nl_error(error);
}

/* A worker collects, in which nothing fails. Two that it comes late to are one. */
static int after_nl_collect(struct world *w)
{
	uint64_t end = nl_now_ms() + 30000;
	struct nl_seen seen;
	int fd = nl_open(), ret;

	if (fd < 0)
		return fd;
	do {
		ret = nl_see(fd, w->id, &seen);
	} while (!ret && seen.done != seen.asked && nl_now_ms() < end && !usleep(1000));
	close(fd);
	if (!ret && seen.done != seen.asked)
		ret = -ETIMEDOUT;
	if (!ret && (!seen.cycles || seen.cycles > seen.asked))
		ret = -EPROTO;
	return ret ?: -(int)seen.done_error;
}

/* Memory behind what ALLOC has filled in, in a page table of its own. */
static int call_fault(struct world *w)
{
	*(volatile __u64 *)(uintptr_t)(w->addr + HUGE_BYTES - 8) = 1;
	return 0;
}

/* The child sees the same heap, and can collect it. */
static int call_fork(struct world *w)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid)
		_exit(nodes_are_whole(w->board) && !call_collect(w) ? 0 : 1);
	return raw_reap(pid) ? -ECHILD : 0;
}

/* Ranges that a child still shares are copied before they change. */
static int before_roots_shared(struct world *w)
{
	int ret = pipe(w->others.pipe) ? -errno : 0;
	unsigned int i;

	for (i = 2; i < NR_BIG && !ret; i++)
		ret = raw_roots_add(w->arena.fd, &w->board->big[i], 8);
	if (ret)
		return ret;
	w->others.process = fork();
	if (!w->others.process) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(w->others.pipe[1]);
		raw_await(w->others.pipe[0]);
		_exit(0);
	}
	return w->others.process < 0 ? -errno : 0;
}

static int process_end(struct world *w)
{
	int ret;

	close(w->others.pipe[1]);
	ret = raw_reap(w->others.process);
	close(w->others.pipe[0]);
	return ret;
}

static int after_roots_shared(struct world *w)
{
	int ret = process_end(w);
	unsigned int i;

	for (i = 2; i < NR_BIG && !ret; i++)
		ret = raw_roots_del(w->arena.fd, &w->board->big[i], 8);
	return ret;
}

static void *spin(void *argument)
{
	struct others *others = argument;

	while (!atomic_load(&others->stop))
		;
	return NULL;
}

static void *sleep_on(void *argument)
{
	struct others *others = argument;
	const struct timespec ms = { .tv_nsec = 1000000 };

	while (!atomic_load(&others->stop))
		nanosleep(&ms, NULL);
	return NULL;
}

/* One thread that runs, one that sleeps, and a process that sleeps. */
static int before_collect_world(struct world *w)
{
	int ret = before_roots_shared(w);

	ret = ret ?: -pthread_create(&w->others.spinner, NULL, spin, &w->others);
	return ret ?: -pthread_create(&w->others.sleeper, NULL, sleep_on, &w->others);
}

static int after_collect_world(struct world *w)
{
	atomic_store(&w->others.stop, true);
	pthread_join(w->others.spinner, NULL);
	pthread_join(w->others.sleeper, NULL);
	return after_roots_shared(w);
}

/* ---- Sweeps ------------------------------------------------------------------------ */

/**
 * struct call - what is swept
 * @before: what the call needs; nothing fails
 * @call: a single system call, if it is to fail; returns 0 or -errno
 * @after: undoes what would be in the way of comparing
 * @allocates: some of its allocations can fail, and it says so
 * @recovers: some can fail, and it finds memory in another way
 * @once: there is no second time, whatever it returned
 * @sparse: a round takes seconds: of the later places, try fewer and fewer
 * @answered_late: an answer that cannot be copied out leaves something behind
 * @copies: copying can fail, and it says so
 * @root_mode: of the arena; with roots found by the kernel, garbage may live on
 */
FIXTURE_VARIANT(nth) {
	int (*before)(struct world *w);
	int (*call)(struct world *w);
	int (*after)(struct world *w);
	bool allocates;
	bool recovers;
	bool once;
	bool sparse;
	bool answered_late;
	bool copies;
	__u32 root_mode;
};

FIXTURE(nth) {
	struct nth nth;
	struct world world;
	struct gcarena_stats stats;
	__u64 live;
	unsigned int failures;
	unsigned int unseen;
	unsigned int copies;
	unsigned int own;
};

#define CALL(name, ...)				\
FIXTURE_VARIANT_ADD(nth, name) {		\
	.root_mode = GCARENA_ROOTS_EXPLICIT,	\
	.call = call_##name,			\
	__VA_ARGS__				\
}

CALL(open, .allocates = true);
CALL(close, .before = before_close, .once = true);
CALL(create, .before = before_create, .allocates = true);
CALL(mmap, .before = before_create, .after = after_mmap, .allocates = true);
CALL(munmap, .before = before_munmap, .once = true);
CALL(info);
CALL(classes);
CALL(type, .before = before_type, .allocates = true, .answered_late = true);
CALL(refill, .allocates = true);
CALL(refill_full, .before = before_refill_full, .allocates = true);
CALL(release, .before = before_release);
CALL(alloc, .allocates = true, .recovers = true);
CALL(free, .before = call_alloc);
CALL(collect, .allocates = true);
CALL(minor, .before = before_minor, .after = after_minor, .allocates = true);
CALL(major, .allocates = true);
CALL(compact, .before = before_compact, .after = after_compact, .allocates = true);
CALL(evacuate, .before = before_evacuate, .after = after_evacuate, .allocates = true);
CALL(roots_add, .allocates = true, .after = call_roots_del);
CALL(slots_add, .allocates = true, .after = call_slots_del);
CALL(slots_del, .before = before_slots_del);
CALL(pin, .allocates = true, .after = call_unpin);
CALL(unpin, .before = call_pin);
CALL(permanent, .allocates = true);
CALL(permanent_all, .allocates = true);
CALL(id, .allocates = true, .after = after_id);
CALL(roots_del, .before = before_roots_del);
CALL(set);
CALL(name);
CALL(stats);
CALL(object);
CALL(read, .before = before_read, .after = after_read, .copies = true);
CALL(nl_get, .before = before_nl, .allocates = true);
CALL(nl_stats, .before = before_nl, .allocates = true);
CALL(nl_classes, .before = before_nl, .allocates = true);
CALL(nl_spans, .before = before_nl, .allocates = true);
CALL(nl_set, .before = before_nl, .allocates = true);
CALL(nl_arenas, .before = before_nl, .allocates = true);
CALL(nl_all_stats, .before = before_nl, .allocates = true);
CALL(nl_collect, .before = before_nl, .after = after_nl_collect, .allocates = true);
CALL(fault, .before = call_alloc);
CALL(fork, .allocates = true);

FIXTURE_VARIANT_ADD(nth, refill_due) {
	.root_mode = GCARENA_ROOTS_EXPLICIT,
	.before = before_refill_due,
	.call = call_refill,
	.allocates = true,
	.recovers = true,
};

FIXTURE_VARIANT_ADD(nth, shift) {
	.root_mode = GCARENA_ROOTS_EXPLICIT,
	.before = before_shift,
	.call = call_compact,
	.after = after_shift,
	.allocates = true,
};

FIXTURE_VARIANT_ADD(nth, shift_last) {
	.root_mode = GCARENA_ROOTS_EXPLICIT,
	.before = before_shift_last,
	.call = call_compact,
	.after = after_shift_last,
	.allocates = true,
	.recovers = true,
};

FIXTURE_VARIANT_ADD(nth, roots_add_shared) {
	.root_mode = GCARENA_ROOTS_EXPLICIT,
	.before = before_roots_shared,
	.call = call_roots_add,
	.after = after_roots_shared,
	.allocates = true,
};

FIXTURE_VARIANT_ADD(nth, collect_auto) {
	.root_mode = GCARENA_ROOTS_AUTO,
	.call = call_collect,
	.allocates = true,
};

FIXTURE_VARIANT_ADD(nth, collect_world) {
	.root_mode = GCARENA_ROOTS_ALL,
	.before = before_collect_world,
	.call = call_collect,
	.after = after_collect_world,
	.allocates = true,
	.sparse = true,
};

FIXTURE_SETUP(nth)
{
	ASSERT_EQ(0, nth_settle());
	ASSERT_EQ(0, nth_open(&self->nth));
}

FIXTURE_TEARDOWN(nth)
{
	nth_close(&self->nth);
}

static const struct {
	const char *name;
	size_t offset;
} compared[] = {
#define COMPARED(field)	{ #field, offsetof(struct gcarena_stats, field) }
	COMPARED(heap_objects),
	COMPARED(heap_bytes),
	COMPARED(span_bytes),
	COMPARED(backing_bytes),
	COMPARED(idle_bytes),
	COMPARED(metadata_bytes),
	COMPARED(owned_spans),
};

static __u64 counter(const struct gcarena_stats *stats, unsigned int i)
{
	return *(const __u64 *)((const char *)stats + compared[i].offset);
}

/* The arena is as it was in the round without a failure. */
static void expect_same(struct __test_metadata *_metadata, FIXTURE_DATA(nth) * self,
			unsigned int n)
{
	const unsigned int nr = sizeof(compared) / sizeof(compared[0]);
	unsigned int i = 0;

	EXPECT_EQ(self->live, self->world.live)
		TH_LOG("live objects differ after a failure at place %u", n);
	while (i < nr && counter(&self->stats, i) == counter(&self->world.stats, i))
		i++;
	EXPECT_EQ(nr, i)
		TH_LOG("%s is %llu, not %llu, after a failure at place %u",
		       i < nr ? compared[i].name : "", counter(&self->world.stats, i % nr),
		       counter(&self->stats, i % nr), n);
}

static void expect_tidy(struct __test_metadata *_metadata, FIXTURE_DATA(nth) * self,
			const FIXTURE_VARIANT(nth) * variant)
{
	if (variant->after)
		ASSERT_EQ(0, variant->after(&self->world));
	ASSERT_TRUE(nodes_are_whole(self->world.board));
	ASSERT_EQ(0, world_tidy(&self->world));
	ASSERT_TRUE(nodes_are_whole(self->world.board));
	/* The objects of the board at least: the nodes, and the large one. */
	ASSERT_LE(NR_NODES + 1, self->world.live);
}

static void begin(struct __test_metadata *_metadata, FIXTURE_DATA(nth) * self,
		  const FIXTURE_VARIANT(nth) * variant)
{
	ASSERT_EQ(0, world_open(&self->world, variant->root_mode));
	if (variant->before)
		ASSERT_EQ(0, variant->before(&self->world));
}

/* What the arena is like when nothing has failed. */
static void run_without(struct __test_metadata *_metadata, FIXTURE_DATA(nth) * self,
			const FIXTURE_VARIANT(nth) * variant)
{
	begin(_metadata, self, variant);
	ASSERT_EQ(0, variant->call(&self->world));
	expect_tidy(_metadata, self, variant);
	self->stats = self->world.stats;
	self->live = self->world.live;
	world_close(&self->world);
}

/* What it may say, if it does not do without. */
static const int error_of[NTH_KINDS] = {
	[NTH_MEMORY] = -ENOMEM,
	[NTH_USERCOPY] = -EFAULT,
	[NTH_STOP] = -ETIMEDOUT,
};

static void expect_errno(struct __test_metadata *_metadata, FIXTURE_DATA(nth) * self,
			 enum nth_kind kind, int ret, unsigned int n)
{
	if (kind == NTH_NONE)
		ASSERT_EQ(0, ret);
	if (kind == NTH_USERCOPY)
		self->copies++;
	else if (kind == NTH_STOP || kind == NTH_READ)
		self->own++;
	else if (ret)
		self->failures++;
	else if (kind == NTH_MEMORY)
		self->unseen++;
	if (ret)
		ASSERT_EQ(error_of[kind], ret)
			TH_LOG("errno after a failure at place %u", n);
}

/* Return: false: there is no @n-th place. */
static bool run_with(struct __test_metadata *_metadata, FIXTURE_DATA(nth) * self,
		     const FIXTURE_VARIANT(nth) * variant, unsigned int n)
{
	enum nth_kind kind;
	int ret;

	begin(_metadata, self, variant);
	ASSERT_EQ(0, nth_arm(&self->nth, n));
	ret = variant->call(&self->world);
	kind = nth_disarm(&self->nth);
	expect_errno(_metadata, self, kind, ret, n);
	if (ret && !variant->once)
		ASSERT_EQ(0, variant->call(&self->world))
			TH_LOG("again, after a failure at place %u", n);
	expect_tidy(_metadata, self, variant);
	if (variant->root_mode == GCARENA_ROOTS_EXPLICIT &&
	    !(kind == NTH_USERCOPY && variant->answered_late))
		expect_same(_metadata, self, n);
	world_close(&self->world);
	return kind != NTH_NONE;
}

static void sweep(struct __test_metadata *_metadata, FIXTURE_DATA(nth) * self,
		  const FIXTURE_VARIANT(nth) * variant)
{
	unsigned int n = 0;

	do {
		n += variant->sparse ? 1 + n / 8 : 1;
		ASSERT_GT(PLACES_MAX, n);
	} while (run_with(_metadata, self, variant, n) && _metadata->passed);
}

static bool has_seen_all(const FIXTURE_DATA(nth) * self, const FIXTURE_VARIANT(nth) * variant)
{
	return (!variant->allocates || self->failures) && (!variant->recovers || self->unseen);
}

/*
 * A slab that happens to need a page is one place more: all behind it move, and the one that
 * matters may be stepped over, from the n-th now to the n-th but one in the next round.
 */
TEST_F_TIMEOUT(nth, sweep, SWEEP_SECONDS)
{
	unsigned int i = 0;

	run_without(_metadata, self, variant);
	do {
		sweep(_metadata, self, variant);
	} while (++i < SWEEPS && _metadata->passed && !has_seen_all(self, variant));
	TH_LOG("%u allocations failed the call, %u did not; %u copies failed, %u stops and reads",
	       self->failures, self->unseen, self->copies, self->own);
	if (variant->allocates)
		EXPECT_NE(0, self->failures);
	if (variant->recovers)
		EXPECT_NE(0, self->unseen);
	if (variant->copies)
		EXPECT_NE(0, self->copies);
}

/* ---- Series of failures ------------------------------------------------------------- */

#define STORM_ROUNDS	1000

FIXTURE(storm) {
	struct world world;
	struct rng rng;
};

FIXTURE_SETUP(storm)
{
	ASSERT_EQ(0, nth_settle());
	rng_init(&self->rng, rng_seed_from_env());
	ASSERT_EQ(0, world_open(&self->world, GCARENA_ROOTS_EXPLICIT));
	ASSERT_EQ(0, before_evacuate(&self->world));
}

FIXTURE_TEARDOWN(storm)
{
	nth_random(0);
	world_close(&self->world);
}

static int storm_type(struct world *w)
{
	return raw_type_add(w->arena.fd, 64, 1, &w->layout);
}

static int storm_small(struct world *w)
{
	int ret = call_refill(w);

	return ret ?: raw_release_all(w->arena.fd);
}

static int storm_large(struct world *w)
{
	__u64 addr;

	return raw_alloc(w->arena.fd, 0, BIG_BYTES, &addr);
}

static int storm_other_class(struct world *w)
{
	static __u32 class;
	int got;

	class = class % (w->classes.nr - 1) + 1;
	got = raw_refill(w->arena.fd, class, w->layout, w->span, 2);
	return got < 0 ? got : 0;
}

static int (*const storm_table[])(struct world *w) = {
	storm_small, storm_small, storm_other_class, storm_other_class, storm_other_class,
	storm_large, storm_large, call_alloc, call_collect, call_roots_add,
	call_roots_del, call_object, storm_type, call_minor, call_minor, call_major,
	call_compact, call_evacuate,
};

/* Nothing but ENOMEM, and what follows from it: a range that could not be added. */
TEST_F_TIMEOUT(storm, calls, SWEEP_SECONDS)
{
	unsigned int i, pick, failed = 0;
	int ret;

	self->world.layout = 0;
	ASSERT_EQ(0, nth_random(3));
	for (i = 0; i < STORM_ROUNDS; i++) {
		pick = rng_below(&self->rng, sizeof(storm_table) / sizeof(storm_table[0]));
		ret = storm_table[pick](&self->world);
		if (ret == -ENOENT && storm_table[pick] == call_roots_del)
			continue;
		failed += ret == -ENOMEM;
		if (ret && ret != -ENOMEM)
			break;
	}
	ASSERT_EQ(0, nth_random(0));
	ASSERT_EQ(STORM_ROUNDS, i)
		TH_LOG("call %u of the table returned %d", pick, ret);
	TH_LOG("%u of %u calls failed", failed, i);
	EXPECT_NE(0, failed);
	ASSERT_TRUE(nodes_are_whole(self->world.board));
	ASSERT_EQ(0, world_tidy(&self->world));
	EXPECT_EQ(NR_NODES + 1 + NR_SPARSE, self->world.live);
	EXPECT_EQ(0, self->world.stats.idle_bytes);
	EXPECT_EQ(0, sparse_check(&self->world, ~0ULL));
	ASSERT_TRUE(nodes_are_whole(self->world.board));
}

/* ---- Some of it ---------------------------------------------------------------------- */

static bool is_chosen(const char *names, const char *name)
{
	size_t length = strlen(name);
	const char *at = names;

	while ((at = strstr(at, name))) {
		if ((at == names || at[-1] == ' ') && (!at[length] || at[length] == ' '))
			return true;
		at += length;
	}
	return false;
}

static unsigned int count_names(const char *names)
{
	unsigned int nr = 0;

	for (; *names; names++)
		nr += *names != ' ' && (!names[1] || names[1] == ' ');
	return nr;
}

/*
 * The harness of these kernels has no filter; what is taken off its lists is not planned. It
 * is all there: this is the last constructor. A name that stands for nothing is an error,
 * and one case at least has to stay.
 */
static void __attribute__((constructor)) choose_cases(void)
{
	struct __fixture_variant_metadata **at = &_nth_fixture_object.variant;
	const char *names = getenv("GCARENA_FAULT_CASES");
	unsigned int nr = 0;

	if (!names || !*names)
		return;
	while (*at) {
		if (!is_chosen(names, (*at)->name)) {
			*at = (*at)->next;
			continue;
		}
		at = &(*at)->next;
		nr++;
	}
	if (!nr || nr + is_chosen(names, "storm") != count_names(names)) {
		printf("GCARENA_FAULT_CASES: no such case: one of %s\n", names);
		exit(1);
	}
	if (!is_chosen(names, "storm"))
		_storm_fixture_object.tests = NULL;
}

TEST_HARNESS_MAIN
