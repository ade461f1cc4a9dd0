/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What operations work on: the handles that a round has collected so far, and the
 * memory that arguments lie in.
 *
 * Handles are shared by all threads of the round without any lock: stale, torn and
 * swapped ones are what a fuzzer wants. A forked child has a copy of them.
 *
 * Nothing here may damage the fuzzer itself. So the round allocates no memory and
 * makes no mappings of its own once threads run; pointers that the kernel or the
 * program writes through are taken from a few ranges that belong to the fuzz: scratch
 * memory at a fixed, lonely address, windows, and the addresses of arenas.
 */
#ifndef TESTS_FUZZ_WORLD_H
#define TESTS_FUZZ_WORLD_H

#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <linux/gcarena.h>

#include "fuzz/program.h"
#include "fuzz/shared.h"

#define PAGE		4096UL
#define KIB		1024ULL
#define MIB		(1024 * KIB)
#define GIB		(1024 * MIB)

#define NR_ARENAS	4
#define NR_FILES	8
#define NR_OBJECTS	128
#define NR_LAYOUTS	8
#define NR_RANGES	8
#define NR_HELD		16
#define NR_PIDS		2
#define NR_SOCKETS	3
#define NR_NUMBERS	6
#define MAX_DEPTH	2	/* of fork() in fork() */
#define NR_WORKERS	(2 * PROGRAM_THREADS)	/* each thread has one CLONE_VM child */

#define STACK_BYTES	(256 * KIB)
#define SIGNAL_STACK	(32 * KIB)	/* a page behind it */

/*
 * Scratch memory: RW pages, a hole, RW pages again and read-only ones behind them, a
 * hole. Arguments end before, reach into, or lie on either side of these borders.
 */
#define SCRATCH_RW	4UL
#define SCRATCH_PAGES	16UL
#define SCRATCH_BASE	0x1000000000ULL
/* Where MAP_FIXED and MREMAP_FIXED put things. */
#define WINDOW_BASE	0x8000000000ULL
#define WINDOW_BYTES	(8 * GIB)
#define NR_WINDOWS	4

struct arena {
	_Atomic int fd;
	_Atomic uint64_t base, reserve;
};

/* A span as a thread remembers it. */
struct held {
	struct gcarena_span span;
	uint64_t generation;
};

/**
 * struct worker - a thread of the round
 * @number: its own, in the world's table
 * @progress: what it is at, for the watchdog; NULL in children
 * @stack: its stack, by which a signal handler knows it
 * @env: where to go when memory turns out to be gone
 * @guarded: @env is valid
 * @dice: the current operation's
 * @args: scratch memory for arguments
 * @array: scratch memory for arrays that arguments point to
 * @held: spans from REFILL
 * @pids: children
 * @depth: how many forks below the round's first process
 * @vm_pid: the child that shares this memory, or 0
 * @coverage: see kcov.h, or NULL
 */
struct worker {
	unsigned int number;
	struct progress *progress;
	char *stack;
	sigjmp_buf env;
	volatile sig_atomic_t guarded;
	struct rng dice[NR_DICE];
	char *args;
	char *array;
	unsigned int nr_held;
	struct held held[NR_HELD];
	pid_t pids[NR_PIDS];
	int depth;
	pid_t vm_pid;
	struct coverage *coverage;
};

struct range {
	_Atomic uint64_t addr, len;
	_Atomic uint32_t flags;
};

struct scribble {
	char *_Atomic start;
	_Atomic size_t bytes;
};

/**
 * struct world - everything a round has
 * @sockets: of generic netlink
 * @numbers: of arenas that are there, or were
 * @generation: counts the calls that may take spans away from threads
 * @alone: there never was another thread or process
 */
struct world {
	struct shared *shared;
	const struct program *program;
	struct arena arenas[NR_ARENAS];
	_Atomic int files[NR_FILES];
	_Atomic int sockets[NR_SOCKETS];
	_Atomic uint32_t numbers[NR_NUMBERS];
	_Atomic uint64_t objects[NR_OBJECTS];
	_Atomic uint32_t layouts[NR_LAYOUTS];
	struct range ranges[NR_RANGES];
	_Atomic uint64_t generation;
	_Atomic bool alone;
	struct scribble scribble[NR_WORKERS];
	struct worker workers[NR_WORKERS];
};

extern struct world world;

/* world.c */
void world_init(struct shared *shared, const struct program *p);
void world_fill(uint64_t setup);
void fill_arena(struct arena *arena, struct rng *rng);	/* open, and mostly create and map */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void run_op(struct worker *w, const struct op *op);
/* A few operations of their own, from @seed; for children. */
void run_some(struct worker *w, uint64_t seed, unsigned int max);

/* choose.c: numbers and handles */
uint64_t below(struct worker *w, enum dice which, uint64_t n);
bool one_in(struct worker *w, enum dice which, uint64_t n);
uint64_t interesting(struct rng *rng);
struct arena *choose_arena(struct worker *w);
int choose_fd(struct worker *w);
int choose_fd_of(struct worker *w, uint64_t address);
int choose_any_fd(struct worker *w);
uint32_t choose_layout(struct worker *w);
uint64_t choose_object(struct worker *w);	/* a stale one, very likely */
uint64_t choose_memory(struct worker *w);	/* an address in an arena, aligned to 8 */
int choose_thread(struct worker *w);		/* a thread number of this round, or 0 */
void remember_object(struct worker *w, uint64_t address);
void remember_file(struct worker *w, int fd);
void set_arena(struct arena *arena, int fd);	/* closes what was there */

/* place.c: where arguments lie */
struct place {
	char *user;
	bool exact;	/* the kernel reads and writes what was meant */
};

/* scribble_off() after the call that it is for. */
struct place place(struct worker *w, char *scratch, const void *data, size_t bytes);
void place_read(struct worker *w, const struct place *place, void *data, size_t bytes);
void scribble_off(struct worker *w);
void scribble_start(void);
void scratch_map(void);
/* Memory that may not be there. False: it was not. */
bool load(struct worker *w, uint64_t address, void *to, size_t bytes);
bool store(struct worker *w, uint64_t address, const void *from, size_t bytes);
void handle_faults(void);

/* errors.c */
bool command_may_fail(unsigned int cmd, int error);
bool request_may_fail(unsigned int cmd, bool dump, int error);	/* of netlink */
void check_call(const char *name, long ret, const int *allowed);

#define CHECK_CALL(name, ret, ...)						\
	check_call(name, ret, (const int []) { __VA_ARGS__, 0 })

#endif
