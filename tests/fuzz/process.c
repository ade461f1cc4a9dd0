// SPDX-License-Identifier: GPL-2.0
/*
 * Threads, processes and signals: an arena's participants come, go, stop and are
 * killed at any moment. Children do some operations of their own; they are in the
 * round's process group, by which the engine finds and kills what is left of them.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#include "fuzz/ops.h"
#include "fuzz/sys.h"
#include "fuzz/world.h"

static void sleep_us(unsigned long us)
{
	struct timespec time = { .tv_nsec = us * 1000 };

	sys(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &time, NULL);
}

/* Has the child changed its state within @ms? */
static bool wait_for(int pid, unsigned int ms)
{
	int status;

	do {
		if (sys(SYS_wait4, pid, &status, WNOHANG | __WALL, NULL))
			return true;
		sleep_us(1000);
	} while (ms--);
	return false;
}

/* A slot for another child, or NULL: there are enough. */
static pid_t *free_slot(struct worker *w)
{
	int status;
	unsigned int i;

	if (w->depth >= MAX_DEPTH)
		return NULL;
	for (i = 0; i < NR_PIDS; i++) {
		if (!w->pids[i])
			return &w->pids[i];
		if (sys(SYS_wait4, w->pids[i], &status, WNOHANG | __WALL, NULL) == w->pids[i] &&
		    (WIFEXITED(status) || WIFSIGNALED(status))) {
			w->pids[i] = 0;
			return &w->pids[i];
		}
	}
	return NULL;
}

/* The copy of the thread that called fork(): it has none of the thread's spans. */
static void enter_child(struct worker *w)
{
	unsigned int i;

	w->depth++;
	w->progress = NULL;
	w->coverage = NULL;
	w->nr_held = 0;
	memset(w->pids, 0, sizeof(w->pids));
	for (i = 0; i < NR_WORKERS; i++)
		world.workers[i].vm_pid = 0;
}

static void __attribute__((noreturn)) leave(int status)
{
	for (;;)
		sys(SYS_exit_group, status);
}

/* How a child ends, if nobody kills it before. */
static void __attribute__((noreturn)) end_child(struct worker *w, unsigned int how)
{
	unsigned long i;

	switch (how) {
	case 0:
		for (;;)
			sys(SYS_pause);
	case 1:
		for (i = 0; i < 1UL << 26; i++)
			asm volatile("");
		break;
	case 2:
		sys(SYS_tgkill, sys(SYS_getpid), sys(SYS_gettid), SIGSEGV);
		break;
	case 3:
		sys(SYS_munmap, world.arenas[0].base, world.arenas[0].reserve);
		break;
	}
	leave(0);
}

static long fork_with(struct worker *w, pid_t *slot, unsigned long flags)
{
	long pid;

	world.alone = false;
	pid = sys(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
	if (!pid)
		enter_child(w);
	else if (pid > 0 && !(flags & CLONE_PARENT))
		*slot = pid;
	return pid;
}

static unsigned long fork_flags(struct worker *w)
{
	static const unsigned long flags[] = {
		CLONE_FILES, CLONE_PARENT, CLONE_NEWPID, CLONE_VFORK, CLONE_NEWUSER | CLONE_NEWPID,
		CLONE_NEWUSER | CLONE_NEWNET,
	};

	return one_in(w, DICE_HOSTILE, 3) ? flags[below(w, DICE_HOSTILE, 6)] : 0;
}

long op_fork(struct worker *w)
{
	uint64_t seed = below(w, DICE_VALUE, 1ULL << 32);
	unsigned int how = below(w, DICE_HOSTILE, 16);
	unsigned long flags = fork_flags(w);
	pid_t *slot = free_slot(w);
	long pid;

	if (!slot)
		return -EAGAIN;
	/* Who waits for a vfork() must not wait for ever. */
	if (flags & CLONE_VFORK)
		how = 9;
	pid = fork_with(w, slot, flags);
	if (!pid) {
		run_some(w, seed, 8);
		end_child(w, how);
	}
	if (pid > 0 && *slot == pid && one_in(w, DICE_VALUE, 3)) {
		sleep_us(below(w, DICE_VALUE, 4000));
		sys(SYS_kill, pid, SIGKILL);
	}
	return pid;
}

/* See after_exec() in round.c. */
static void exec_self(uint64_t seed, int fd)
{
	char seed_text[24], fd_text[12];
	char *args[] = { "abi_fuzz", "--after-exec", seed_text, fd_text, NULL };
	char *env[] = { NULL };

	snprintf(seed_text, sizeof(seed_text), "%llu", (unsigned long long)seed);
	snprintf(fd_text, sizeof(fd_text), "%d", fd);
	sys(SYS_execve, "/proc/self/exe", args, env);
}

long op_exec(struct worker *w)
{
	uint64_t seed = below(w, DICE_VALUE, 1ULL << 32);
	int fd = choose_arena(w)->fd;
	pid_t *slot = free_slot(w);
	long pid;

	/* All other threads end; their operations are lost for this round. */
	if (one_in(w, DICE_HOSTILE, 24)) {
		exec_self(seed, fd);
		return -EACCES;
	}
	if (!slot)
		return -EAGAIN;
	pid = fork_with(w, slot, 0);
	if (!pid) {
		run_some(w, seed, 2);
		exec_self(seed, fd);
		leave(1);
	}
	return pid;
}

/* ---- A process that shares the memory, but is no thread ---------------- */

struct vm_start {
	struct worker *worker;
	uint64_t seed;
};

static struct vm_start vm_starts[NR_WORKERS];

static int vm_main(void *arg)
{
	struct vm_start *start = arg;

	run_some(start->worker, start->seed, 8);
	return 0;
}

static bool vm_child_is_free(struct worker *w)
{
	int status;

	if (w->vm_pid && sys(SYS_wait4, w->vm_pid, &status, WNOHANG | __WALL, NULL) == w->vm_pid &&
	    (WIFEXITED(status) || WIFSIGNALED(status)))
		w->vm_pid = 0;
	return !w->vm_pid;
}

long op_clone_vm(struct worker *w)
{
	static const int flags[] = { 0, CLONE_FILES | CLONE_FS, CLONE_SIGHAND, CLONE_VFORK };
	struct vm_start *start = &vm_starts[w->number];
	struct worker *child;
	long pid;

	if (w->number >= PROGRAM_THREADS || w->depth >= MAX_DEPTH || !vm_child_is_free(w))
		return -EAGAIN;
	child = &world.workers[w->number + PROGRAM_THREADS];
	child->depth = MAX_DEPTH;
	child->nr_held = 0;
	start->worker = child;
	start->seed = below(w, DICE_VALUE, 1ULL << 32);
	world.alone = false;
	pid = clone(vm_main, child->stack + STACK_BYTES - 64,
		    CLONE_VM | SIGCHLD | flags[below(w, DICE_HOSTILE, 4)], start);
	if (pid < 0)
		return -EAGAIN;
	w->vm_pid = pid;
	return pid;
}

/* ---- Signals ----------------------------------------------------------- */

long op_kill(struct worker *w)
{
	static const int signals[] = {
		SIGKILL, SIGKILL, SIGKILL, SIGSTOP, SIGCONT, SIGUSR1, SIGTERM, SIGQUIT,
	};
	int pid = w->pids[below(w, DICE_TARGET, NR_PIDS)];

	if (w->vm_pid && one_in(w, DICE_TARGET, 4))
		pid = w->vm_pid;
	if (pid <= 0)
		return -ESRCH;
	return sys(SYS_kill, pid, signals[below(w, DICE_VALUE, 8)]);
}

long op_signal(struct worker *w)
{
	int tid = choose_thread(w);

	if (tid <= 0)
		return -ESRCH;
	return sys(SYS_tgkill, sys(SYS_getpid), tid, SIGUSR1);
}

long op_timer(struct worker *w)
{
	struct itimerval timer = { 0 };

	if (!one_in(w, DICE_VALUE, 3))
		timer.it_interval.tv_usec = 1000 + below(w, DICE_VALUE, 20000);
	timer.it_value = timer.it_interval;
	return sys(SYS_setitimer, ITIMER_REAL, &timer, NULL);
}

/* ---- Debuggers --------------------------------------------------------- */

static void step(struct worker *w, int pid)
{
	static const int requests[] = { PTRACE_CONT, PTRACE_SYSCALL, PTRACE_SINGLESTEP };
	struct user_regs_struct regs;
	uint64_t word;

	sys(SYS_ptrace, PTRACE_GETREGS, pid, 0, &regs);
	sys(SYS_ptrace, PTRACE_PEEKDATA, pid, choose_memory(w), &word);
	sys(SYS_ptrace, PTRACE_POKEDATA, pid, choose_memory(w), choose_object(w));
	sys(SYS_ptrace, requests[below(w, DICE_HOSTILE, 3)], pid, 0, 0);
}

/* Seize a thread, hold it now and then, and let go: or not. */
static long seize(struct worker *w, int pid, unsigned int steps)
{
	long ret = sys(SYS_ptrace, PTRACE_SEIZE, pid, 0, 0);

	if (ret)
		return ret;
	while (steps--) {
		sys(SYS_ptrace, PTRACE_INTERRUPT, pid, 0, 0);
		if (!wait_for(pid, 20))
			break;
		sleep_us(below(w, DICE_HOSTILE, 5000));
		step(w, pid);
	}
	sys(SYS_ptrace, PTRACE_INTERRUPT, pid, 0, 0);
	wait_for(pid, 20);
	/* A tracer that exits lets go as well. */
	if (one_in(w, DICE_HOSTILE, 4))
		return 0;
	return sys(SYS_ptrace, PTRACE_DETACH, pid, 0, 0);
}

long op_trace(struct worker *w)
{
	uint64_t seed = below(w, DICE_VALUE, 1ULL << 32);
	pid_t *slot = free_slot(w);
	long pid;

	if (!slot)
		return -EAGAIN;
	pid = fork_with(w, slot, 0);
	if (!pid) {
		run_some(w, seed, 12);
		leave(0);
	}
	return pid > 0 ? seize(w, pid, 1 + below(w, DICE_HOSTILE, 4)) : pid;
}

/* By a child, which has the arena mapped as well. */
long op_be_traced(struct worker *w)
{
	int tid = choose_thread(w);
	pid_t *slot = free_slot(w);
	long pid;

	if (!slot || tid <= 0)
		return -EAGAIN;
	pid = fork_with(w, slot, 0);
	if (!pid) {
		seize(w, tid, 1 + below(w, DICE_HOSTILE, 3));
		leave(0);
	}
	return pid;
}

long op_pause(struct worker *w)
{
	sleep_us(below(w, DICE_VALUE, 3000));
	return sys(SYS_sched_yield);
}
