// SPDX-License-Identifier: GPL-2.0
/* The round's state: how it begins, and one operation after the other. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "fuzz/kcov.h"
#include "fuzz/netlink.h"
#include "fuzz/ops.h"
#include "fuzz/sys.h"
#include "fuzz/world.h"

struct world world;

/* The first failure counts; the round ends. */
void fail(const char *format, ...)
{
	static _Atomic bool failing;
	struct shared *shared = world.shared;
	va_list args;

	if (!atomic_exchange(&failing, true)) {
		va_start(args, format);
		vsnprintf(shared->failure, sizeof(shared->failure), format, args);
		va_end(args);
		shared->failed = true;
	}
	sys(SYS_exit_group, 1);
}

void world_init(struct shared *shared, const struct program *p)
{
	unsigned int i;

	memset(&world, 0, sizeof(world));
	world.shared = shared;
	world.program = p;
	for (i = 0; i < NR_WORKERS; i++)
		world.workers[i].number = i;
	for (i = 0; i < NR_ARENAS; i++)
		world.arenas[i].fd = -1;
	for (i = 0; i < NR_FILES; i++)
		world.files[i] = -1;
	for (i = 0; i < NR_SOCKETS; i++)
		world.sockets[i] = -1;
	world.alone = p->nr_threads == 1;
	scratch_map();
	handle_faults();
}

void fill_arena(struct arena *arena, struct rng *rng)
{
	struct gcarena_create create = {
		.size = sizeof(create),
		.reserve = (1 + rng_below(rng, 32)) * GCARENA_CHUNK_SIZE,
		.min_heap = 1 + rng_below(rng, 512) * KIB,
		.root_mode = 1 + rng_below(rng, 3),
		.gc_percent = rng_below(rng, 4) ? 1 + (int)rng_below(rng, 200) : -1,
	};
	long base;

	set_arena(arena, sys(SYS_openat, AT_FDCWD, "/dev/gcarena", O_RDWR | O_NONBLOCK, 0));
	if (rng_below(rng, 8) == 0)
		return;
	if (sys(SYS_ioctl, arena->fd, GCARENA_IOC_CREATE, &create))
		return;
	base = sys(SYS_mmap, 0, create.reserve, PROT_READ | PROT_WRITE, MAP_SHARED, arena->fd, 0);
	if (base < 0)
		return;
	arena->base = base;
	arena->reserve = create.reserve;
}

/* Something to start with: arenas, mostly mapped, sockets and other files. */
void world_fill(uint64_t setup)
{
	struct rng rng;
	int pair[2];

	rng_init(&rng, setup);
	fill_arena(&world.arenas[0], &rng);
	if (rng_below(&rng, 2))
		fill_arena(&world.arenas[1], &rng);
	world.files[0] = sys(SYS_openat, AT_FDCWD, "/dev/zero", O_RDWR, 0);
	world.files[1] = sys(SYS_memfd_create, "fuzz", 0);
	if (!sys(SYS_pipe2, pair, O_NONBLOCK)) {
		world.files[2] = pair[0];
		world.files[3] = pair[1];
	}
	if (!sys(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair)) {
		world.files[4] = pair[0];
		world.files[5] = pair[1];
	}
	open_socket(&world.sockets[0], &rng);
}

static void begin(struct worker *w, const struct op *op)
{
	unsigned int i;

	for (i = 0; i < NR_DICE; i++)
		rng_init(&w->dice[i], rng_mix(op->dice[i] + ((uint64_t)i << 32)));
	if (w->progress) {
		w->progress->since = now_ms();
		w->progress->kind = op->kind;
	}
	coverage_begin(w->coverage);
}

void run_op(struct worker *w, const struct op *op)
{
	begin(w, op);
	ops[op->kind].run(w);
	world.shared->operations++;
	coverage_end(w->coverage, world.shared);
	if (w->progress)
		w->progress->kind = -1;
}

void run_some(struct worker *w, uint64_t seed, unsigned int max)
{
	struct program p;
	struct rng rng;
	unsigned int i, n;

	rng_init(&rng, seed);
	n = 1 + rng_below(&rng, max);
	program_generate(&p, seed, 0, 1);
	for (i = 0; i < n; i++)
		run_op(w, &p.ops[i]);
}
