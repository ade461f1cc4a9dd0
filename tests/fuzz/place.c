// SPDX-License-Identifier: GPL-2.0
/*
 * Where arguments lie: in the middle of a page or across its end, at odd addresses,
 * half in memory that is not there or cannot be written, in an arena, nowhere; and
 * whether somebody writes to them during the call.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fuzz/sys.h"
#include "fuzz/world.h"

/* ---- Memory that may not be there -------------------------------------- */

static struct worker *worker_of_stack(const char *address)
{
	struct worker *w;

	for (w = world.workers; w < world.workers + NR_WORKERS; w++)
		if (w->stack && address >= w->stack && address < w->stack + STACK_BYTES)
			return w;
	return NULL;
}

/* Found by the stack: thread-local storage is shared with CLONE_VM children. */
static void fault_handler(int nr, siginfo_t *info, void *context)
{
	char here;
	struct worker *w = worker_of_stack(&here);

	(void)info;
	(void)context;
	if (w && w->guarded) {
		w->guarded = 0;
		siglongjmp(w->env, 1);
	}
	signal(nr, SIG_DFL);
}

void handle_faults(void)
{
	struct sigaction action = {
		.sa_sigaction = fault_handler,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

static bool guarded_copy(struct worker *w, void *to, const void *from, size_t bytes)
{
	if (sigsetjmp(w->env, 0))
		return false;
	w->guarded = 1;
	atomic_signal_fence(memory_order_seq_cst);
	memcpy(to, from, bytes);
	atomic_signal_fence(memory_order_seq_cst);
	w->guarded = 0;
	return true;
}

bool load(struct worker *w, uint64_t address, void *to, size_t bytes)
{
	return guarded_copy(w, to, (const void *)(uintptr_t)address, bytes);
}

bool store(struct worker *w, uint64_t address, const void *from, size_t bytes)
{
	return guarded_copy(w, (void *)(uintptr_t)address, from, bytes);
}

/* ---- Scratch memory ---------------------------------------------------- */

static char *map_at(uint64_t address, size_t bytes, int prot)
{
	void *p = mmap((void *)(uintptr_t)address, bytes, prot,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED) {
		perror("# scratch memory");
		exit(1);
	}
	return p;
}

static char *scratch_area(unsigned int n)
{
	uint64_t base = SCRATCH_BASE + n * SCRATCH_PAGES * PAGE;

	map_at(base, SCRATCH_RW * PAGE, PROT_READ | PROT_WRITE);
	map_at(base + (SCRATCH_RW + 1) * PAGE, SCRATCH_RW * PAGE, PROT_READ | PROT_WRITE);
	map_at(base + (2 * SCRATCH_RW + 1) * PAGE, SCRATCH_RW * PAGE, PROT_READ);
	return (char *)(uintptr_t)base;
}

void scratch_map(void)
{
	unsigned int i;

	for (i = 0; i < NR_WORKERS; i++) {
		world.workers[i].args = scratch_area(2 * i);
		world.workers[i].array = scratch_area(2 * i + 1);
		/* Behind a hole: a stack for signals. */
		world.workers[i].stack = map_at(SCRATCH_BASE + GIB + 2 * i * STACK_BYTES,
						STACK_BYTES, PROT_READ | PROT_WRITE);
		map_at(SCRATCH_BASE + GIB + (2 * i + 1) * STACK_BYTES + PAGE, SIGNAL_STACK,
		       PROT_READ | PROT_WRITE);
	}
}

/* ---- Changes during a call --------------------------------------------- */

static _Atomic int scribbling;

static void wait_for_work(void)
{
	while (!scribbling)
		sys(SYS_futex, &scribbling, FUTEX_WAIT, 0, NULL, NULL, 0);
}

/* Whole words of 8 bytes: a torn pointer leads nowhere (see world.h). */
static void scribble_once(struct scribble *s, struct rng *rng)
{
	char *start = s->start;
	size_t words = s->bytes / 8;
	uint64_t value, *word;

	if (!start || !words)
		return;
	word = (uint64_t *)start + rng_below(rng, words);
	value = *(volatile uint64_t *)word;
	if (rng_below(rng, 2))
		*(volatile uint64_t *)word = interesting(rng);
	*(volatile uint64_t *)word = value;
}

static void *scribbler(void *unused)
{
	struct rng rng;
	unsigned int i;

	rng_init(&rng, world.program->setup);
	for (;;) {
		wait_for_work();
		for (i = 0; i < NR_WORKERS; i++)
			scribble_once(&world.scribble[i], &rng);
	}
	return unused;
}

void scribble_start(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, scribbler, NULL)) {
		perror("# scribbler");
		exit(1);
	}
}

/* @start is aligned to 8. */
static void scribble_on(struct worker *w, char *start, size_t bytes)
{
	struct scribble *s = &world.scribble[w->number];

	if (!s->start)
		scribbling++;
	s->bytes = 0;
	s->start = start;
	s->bytes = bytes;
	sys(SYS_futex, &scribbling, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* It may still be about to restore a word: nobody relies on that memory any more. */
void scribble_off(struct worker *w)
{
	struct scribble *s = &world.scribble[w->number];

	if (!s->start)
		return;
	s->start = NULL;
	scribbling--;
}

/* ---- Places ------------------------------------------------------------ */

enum where { PLAIN, END, ODD, HOLE, READ_ONLY, ARENA, NOWHERE, SCRIBBLED };

static const enum where wheres[] = {
	PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN,
	PLAIN, PLAIN, PLAIN, PLAIN, END, END, END, ODD, ODD, HOLE, READ_ONLY, ARENA, NOWHERE,
	SCRIBBLED, SCRIBBLED,
};

/* What lies behind the last writable byte is lost: the kernel sees zeros, or nothing. */
static void copy_until(char *to, const void *data, size_t bytes, const char *end)
{
	size_t room = end > to ? end - to : 0;

	memcpy(to, data, bytes < room ? bytes : room);
}

static char *put(struct worker *w, enum where at, char *scratch, const void *data,
		 size_t bytes)
{
	char *hole = scratch + SCRATCH_RW * PAGE;
	char *read_only = scratch + (2 * SCRATCH_RW + 1) * PAGE;
	size_t room = SCRATCH_RW * PAGE - bytes;
	char *to;

	switch (at) {
	case END:
		to = hole - bytes;
		break;
	case HOLE:
		to = hole - 1 - below(w, DICE_PLACE, bytes);
		break;
	case READ_ONLY:
		to = read_only - below(w, DICE_PLACE, bytes);
		copy_until(to, data, bytes, read_only);
		return to;
	case SCRIBBLED:
		/* Where no exact place is: the scribbler may come late. */
		to = scratch + (SCRATCH_RW + 1) * PAGE;
		memcpy(to, data, bytes);
		scribble_on(w, to, bytes);
		return to;
	case ARENA:
		to = (char *)(uintptr_t)choose_memory(w);
		store(w, (uintptr_t)to, data, bytes);
		return to;
	case NOWHERE:
		/* Not the address of anything that could be written by mistake. */
		return (char *)(uintptr_t)interesting(&w->dice[DICE_PLACE]);
	default:
		to = scratch + (below(w, DICE_PLACE, room) & ~7UL) + (at == ODD);
	}
	copy_until(to, data, bytes, hole);
	return to;
}

/* Put @data, up to three pages of it, where the kernel shall read it. */
struct place place(struct worker *w, char *scratch, const void *data, size_t bytes)
{
	enum where where = wheres[below(w, DICE_PLACE, sizeof(wheres) / sizeof(wheres[0]))];
	struct place place = { .exact = where <= ODD };

	place.user = put(w, where, scratch, data, bytes ? bytes : 1);
	return place;
}

/* What is there now. The data stays as it was if that cannot be told. */
void place_read(struct worker *w, const struct place *place, void *data, size_t bytes)
{
	if (place->exact)
		load(w, (uintptr_t)place->user, data, bytes);
}
