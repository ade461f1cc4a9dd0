// SPDX-License-Identifier: GPL-2.0
/* See canary.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz/canary.h"
#include "fuzz/shared.h"
#include "lib/nl.h"
#include "lib/rawarena.h"
#include "lib/rng.h"

#define LISTS		4
#define LENGTH		500
#define PEER_LENGTH	300
#define BEAT_MS		100
#define SILENCE_MS	60000

/* A list's head node is the newest. */
struct node {
	struct node *next;
	uint64_t value;
	uint64_t filler[2];
};

struct canary {
	_Atomic bool failed;
	char failure[160];
	_Atomic uint64_t beats, collections;
	uint64_t seen, seen_at;
	pid_t pid;
	uint32_t id;
};

static struct canary *canary;
static struct rawarena arena;
static struct raw_allocator allocator;

/* All roots there are. Each process has its own copy; the last one is the peer's. */
static struct node *lists[LISTS + 1];

static void give_up(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void give_up(const char *format, ...)
{
	va_list args;

	if (!canary->failed) {
		va_start(args, format);
		vsnprintf(canary->failure, sizeof(canary->failure), format, args);
		va_end(args);
		canary->failed = true;
	}
	_exit(1);
}

static uint64_t value_of(unsigned int list, unsigned int n)
{
	/* No value looks like an address. */
	return rng_mix((uint64_t)list << 32 | n) | 1ULL << 63;
}

static void sleep_ms(unsigned int ms)
{
	struct timespec time = { .tv_nsec = ms * 1000000L };

	nanosleep(&time, NULL);
}

/* The machine may be short of memory for a while: that is nobody's fault. */
static struct node *new_node(void)
{
	struct node *node;

	while (!(node = raw_new(&allocator))) {
		if (errno != ENOMEM)
			give_up("no new object: %s", strerror(errno));
		sleep_ms(BEAT_MS);
	}
	return node;
}

static void build(unsigned int list, unsigned int length)
{
	unsigned int i;

	lists[list] = NULL;
	for (i = 0; i < length; i++) {
		struct node *node = new_node();

		node->value = value_of(list, i);
		node->filler[0] = ~node->value;
		node->next = lists[list];
		lists[list] = node;
	}
}

static void verify(unsigned int list, unsigned int length)
{
	const struct node *node = lists[list];
	unsigned int i;

	for (i = length; i; i--, node = node->next) {
		if (!node)
			give_up("list %u is shorter than it was", list);
		if (node->value != value_of(list, i - 1) || node->filler[0] != ~node->value ||
		    node->filler[1])
			give_up("object %u of list %u has changed", i - 1, list);
	}
	if (node)
		give_up("list %u is longer than it was", list);
}

static void collect(void)
{
	struct gcarena_collect result;
	int ret = raw_collect(arena.fd, GCARENA_COLLECT_RELEASE, &result);

	if (ret == -ENOMEM)
		return;
	if (ret)
		give_up("COLLECT: %s", strerror(-ret));
	if (result.live_objects != LISTS * LENGTH + PEER_LENGTH)
		give_up("%llu objects are alive, not %u", (unsigned long long)result.live_objects,
			LISTS * LENGTH + PEER_LENGTH);
	canary->collections++;
}

static void survive(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);

	/* Without the right to, it is a candidate like the others. */
	if (fd >= 0 && write(fd, "-1000", 5) < 0)
		errno = 0;
	close(fd);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Its copies of the other's roots would keep objects that the other has dropped. */
static void __attribute__((noreturn)) be_peer(int ready)
{
	survive();
	memset(lists, 0, sizeof(lists));
	memset(&allocator.span, 0, sizeof(allocator.span));
	build(LISTS, PEER_LENGTH);
	raw_post(ready);
	for (;;) {
		verify(LISTS, PEER_LENGTH);
		sleep_ms(10);
	}
}

static pid_t start_peer(void)
{
	int ready[2];
	pid_t pid;

	if (pipe(ready))
		give_up("pipe: %s", strerror(errno));
	pid = fork();
	if (!pid)
		be_peer(ready[1]);
	close(ready[1]);
	if (raw_await(ready[0]))
		give_up("its peer does not start");
	return pid;
}

static void open_arena(void)
{
	struct raw_class_table classes;
	int ret = rawarena_open(&arena, 64 * RAW_MIB, GCARENA_ROOTS_EXPLICIT);

	ret = ret ? ret : raw_classes(arena.fd, &classes);
	ret = ret ? ret : raw_roots_add(arena.fd, lists, sizeof(lists));
	if (ret)
		give_up("no arena: %s", strerror(-ret));
	canary->id = nl_arena_id(arena.fd);
	allocator.fd = arena.fd;
	allocator.size_class = raw_class_of(&classes, sizeof(struct node));
	allocator.layout = GCARENA_LAYOUT_CONSERVATIVE;
}

static void __attribute__((noreturn)) live(void)
{
	unsigned int i, round;
	pid_t peer;

	survive();
	open_arena();
	peer = start_peer();
	for (i = 0; i < LISTS; i++)
		build(i, LENGTH);
	for (round = 0;; round++) {
		for (i = 0; i < LISTS; i++)
			verify(i, LENGTH);
		collect();
		for (i = 0; i < LISTS; i++)
			verify(i, LENGTH);
		build(round % LISTS, LENGTH);
		if (waitpid(peer, NULL, WNOHANG))
			give_up("its peer has died");
		canary->beats++;
		sleep_ms(BEAT_MS);
	}
}

struct canary *canary_start(void)
{
	pid_t pid;

	canary = mmap(NULL, sizeof(*canary), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (canary == MAP_FAILED) {
		perror("# canary");
		exit(1);
	}
	pid = fork();
	if (!pid)
		live();
	canary->pid = pid;	/* the child shares this memory, and has 0 */
	while (canary->beats < 2 && !canary->failed)
		sleep_ms(10);
	canary->seen_at = now_ms();
	return canary;
}

const char *canary_complaint(struct canary *c)
{
	uint64_t now = now_ms();

	if (c->failed)
		return c->failure;
	if (waitpid(c->pid, NULL, WNOHANG))
		return "it has died";
	if (c->beats != c->seen) {
		c->seen = c->beats;
		c->seen_at = now;
	}
	return now - c->seen_at > SILENCE_MS ? "it does not move any more" : NULL;
}

uint64_t canary_collections(const struct canary *c)
{
	return c->collections;
}

void canary_tell(const struct canary *c, struct shared *shared)
{
	shared->canary = c->id;
	shared->canary_pid = c->pid;
}

void canary_stop(struct canary *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	munmap(c, sizeof(*c));
}
