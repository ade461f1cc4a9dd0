// SPDX-License-Identifier: GPL-2.0
/* The round's process: its limits, its threads, its end. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fuzz/kcov.h"
#include "fuzz/ops.h"
#include "fuzz/round.h"
#include "fuzz/sys.h"
#include "fuzz/world.h"

#define NOBODY		65534

static struct coverage coverages[PROGRAM_THREADS];
static pthread_barrier_t all_ready;

static void limit(int resource, rlim_t value)
{
	struct rlimit rlimit = { value, value };

	setrlimit(resource, &rlimit);
}

/* Some rounds run without privileges, as programs mostly do. Returns whether this one does. */
static bool drop_privileges(struct rng *rng)
{
	limit(RLIMIT_NOFILE, SHARED_FD / 2);
	limit(RLIMIT_CORE, rng_below(rng, 8) ? 0 : MIB);
	limit(RLIMIT_FSIZE, MIB);
	limit(RLIMIT_STACK, MIB);
	if (geteuid() || rng_below(rng, 3))
		return false;
	limit(RLIMIT_NPROC, 256);
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		_exit(1);
	/* For ptrace() and the like among ourselves. */
	prctl(PR_SET_DUMPABLE, 1);
	return true;
}

static void no_terminal(void)
{
	int fd = open("/dev/null", O_RDWR);

	dup2(fd, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	if (fd > 2)
		close(fd);
	if (chdir("/tmp"))
		_exit(1);
}

/* A handler that uses an arena itself. */
static void signal_handler(int nr)
{
	struct gcarena_collect collect = { .size = sizeof(collect) };
	struct gcarena_stats stats = { .size = sizeof(stats) };
	long ret;

	if (nr == SIGALRM)
		ret = sys(SYS_ioctl, world.arenas[0].fd, GCARENA_IOC_STATS, &stats);
	else
		ret = sys(SYS_ioctl, world.arenas[0].fd, GCARENA_IOC_COLLECT, &collect);
	if (ret == -EINTR)
		fail("EINTR in a signal handler");
}

/* Every other thread takes signals on a stack of its own. */
static void handle_signals(struct worker *w)
{
	struct sigaction action = { .sa_handler = signal_handler, .sa_flags = SA_ONSTACK };
	stack_t stack = { .ss_sp = w->stack + STACK_BYTES + PAGE, .ss_size = SIGNAL_STACK };

	if (w->number % 2)
		sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
	action.sa_flags |= SA_RESTART;
	sigaction(SIGALRM, &action, NULL);
	/* Another thread may close the end of a pipe that one writes to. */
	signal(SIGPIPE, SIG_IGN);
}

static void *thread_main(void *arg)
{
	struct worker *w = arg;
	unsigned int i;

	handle_signals(w);
	w->progress->tid = sys(SYS_gettid);
	w->coverage = &coverages[w->number];
	if (!coverage_enable(w->coverage))
		w->coverage = NULL;
	pthread_barrier_wait(&all_ready);
	for (i = 0; i < world.program->nr_ops; i++)
		if (world.program->ops[i].thread == w->number)
			run_op(w, &world.program->ops[i]);
	w->progress->tid = 0;
	return NULL;
}

/* On a stack that is known: see fault_handler(). */
static pthread_t start_thread(struct worker *w)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, w->stack, STACK_BYTES);
	if (pthread_create(&thread, &attr, thread_main, w))
		_exit(1);
	return thread;
}

static void run_threads(void)
{
	pthread_t threads[PROGRAM_THREADS];
	unsigned int i, n = world.program->nr_threads;

	pthread_barrier_init(&all_ready, NULL, n);
	for (i = 0; i < n; i++)
		threads[i] = start_thread(&world.workers[i]);
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

void round_run(struct shared *shared, const struct program *p, bool coverage)
{
	struct rng rng;
	unsigned int i;

	rng_init(&rng, p->setup);
	no_terminal();
	world_init(shared, p);
	for (i = 0; coverage && i < p->nr_threads; i++)
		coverage_prepare(&coverages[i]);
	shared->stranger = drop_privileges(&rng);
	for (i = 0; i < p->nr_threads; i++)
		world.workers[i].progress = &shared->progress[i];
	scribble_start();
	world_fill(rng_next(&rng));
	run_threads();
	_exit(0);
}

void after_exec(uint64_t seed, int fd)
{
	static struct program none = { .nr_threads = 1 };
	struct gcarena_info info = { .size = sizeof(info) };
	struct shared *shared = shared_attach();
	struct rng rng;
	unsigned int i;

	if (!shared)
		exit(1);
	for (i = 0; getpgrp() == getpid() && i < PROGRAM_THREADS; i++)
		shared->progress[i].kind = -1;
	world_init(shared, &none);
	rng_init(&rng, seed);
	if (sys(SYS_ioctl, fd, GCARENA_IOC_INFO, &info))
		fill_arena(&world.arenas[0], &rng);
	else
		world.arenas[0].fd = fd;
	world.workers[0].depth = MAX_DEPTH;
	/* It runs on the stack that exec() made: see fault_handler(). */
	world.workers[0].stack = (char *)__builtin_frame_address(0) - STACK_BYTES + PAGE;
	run_some(&world.workers[0], seed, 8);
	_exit(0);
}
