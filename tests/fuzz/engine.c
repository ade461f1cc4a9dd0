// SPDX-License-Identifier: GPL-2.0
/*
 * The engine makes programs, runs each in a process group of its own, and looks for
 * what must not be: a call that gives a wrong answer or error, a thread that does not
 * get on, a process that cannot be killed, arenas that stay behind, a canary that was
 * disturbed, a complaint in the kernel's log.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/gcarena.h>

#include "fuzz/canary.h"
#include "fuzz/corpus.h"
#include "fuzz/engine.h"
#include "fuzz/kcov.h"
#include "fuzz/ops.h"
#include "fuzz/round.h"
#include "fuzz/watch.h"
#include "lib/nl.h"

#define CGROUP		"/sys/fs/cgroup/abi_fuzz"
#define ROUND_MS	120000	/* a round that is slow, but gets on, is cut short then */
#define STOP_MS		2000	/* longest that SIGSTOP holds somebody */
#define KILL_MS		30000
#define DROP_MS		20000
#define REPORT_MS	10000

struct run {
	const struct fuzz_options *options;
	struct shared *shared;
	struct canary *canary;
	struct program program;
	int references;		/* to the module, without any round */
	bool coverage;
	bool failed;
	uint64_t rounds, cut_short, killed;
};

static void __attribute__((format(printf, 2, 3))) wrong(struct run *run, const char *format, ...)
{
	va_list args;

	run->failed = true;
	printf("# FAILED in round %llu: ", (unsigned long long)run->program.round);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

/* ---- Files ------------------------------------------------------------- */

/* Before it runs: afterwards there may be no machine left to write it. */
static void save_program(struct run *run, const char *name)
{
	char path[512];
	FILE *file;

	if (!run->options->dir)
		return;
	snprintf(path, sizeof(path), "%s/%s", run->options->dir, name);
	file = fopen(path, "w");
	if (!file)
		return;
	program_print(&run->program, file, "");
	fclose(file);
}

static void print_failed_program(struct run *run)
{
	char name[64];

	snprintf(name, sizeof(name), "failed-%016llx-%llu", (unsigned long long)run->program.seed,
		 (unsigned long long)run->program.round);
	save_program(run, name);
	printf("# this program, in a file, is what --replay FILE takes:\n");
	program_print(&run->program, stdout, "#> ");
	if (!run->coverage && !run->options->replay)
		printf("# or: abi_fuzz --seed %#llx --threads %u --first %llu --rounds 1\n",
		       (unsigned long long)run->program.seed, run->options->threads,
		       (unsigned long long)run->program.round);
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
}

static void make_cgroup(const struct fuzz_options *options)
{
	char bytes[32];

	if (!options->memory_mib)
		return;
	write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		perror("# " CGROUP);
	snprintf(bytes, sizeof(bytes), "%u", options->memory_mib << 20);
	if (!write_file(CGROUP "/memory.max", bytes))
		printf("# no memory cgroup here: --memory has no effect\n");
}

/* ---- A round ----------------------------------------------------------- */

static void __attribute__((noreturn)) child(struct run *run)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	write_file("/proc/self/oom_score_adj", "1000");
	if (run->options->memory_mib)
		write_file(CGROUP "/cgroup.procs", "0");
	round_run(run->shared, &run->program, run->coverage);
}

/* Its first process, until that ends or is ended. Return: wait status. */
static int await_round(struct run *run, pid_t pid)
{
	struct pollfd poll_end = { .fd = syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	uint64_t end = now_ms() + ROUND_MS, next = now_ms() + STOP_MS;
	int status = 0, stuck;

	while (!poll(&poll_end, 1, 200)) {
		/* Children stop each other; a tracer among them keeps its tracee stopped. */
		if (now_ms() >= next) {
			kill(-pid, SIGCONT);
			next = now_ms() + STOP_MS;
		}
		stuck = find_stuck(run->shared, run->options->patience * 1000);
		if (stuck >= 0) {
			wrong(run, "thread %d does not come back from %s", stuck,
			      ops[run->shared->progress[stuck].kind].name);
			print_group(pid);
			break;
		}
		if (now_ms() > end) {
			run->cut_short++;
			break;
		}
	}
	close(poll_end.fd);
	kill(-pid, SIGKILL);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (now_ms() > end + KILL_MS) {
			wrong(run, "the round's process cannot be killed");
			print_group(pid);
			return 0;
		}
		usleep(1000);
	}
	return status;
}

/* Children of its children are ours now. */
static void reap_rest(struct run *run, pid_t group)
{
	uint64_t end = now_ms() + KILL_MS;

	while (!kill(-group, SIGKILL) || errno != ESRCH) {
		while (waitpid(-group, NULL, WNOHANG | __WALL) > 0)
			;
		if (now_ms() > end) {
			wrong(run, "processes cannot be killed");
			print_group(group);
			return;
		}
		usleep(1000);
	}
}

/*
 * By us, for want of memory; by a tracer that was killed in the middle of a step; by a
 * signal that came when exec() had taken its handler away.
 */
static bool may_die_of(int nr)
{
	return nr == SIGKILL || nr == SIGTRAP || nr == SIGUSR1 || nr == SIGALRM;
}

static void check_end(struct run *run, int status)
{
	int nr = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	run->killed += nr != 0;
	if (run->shared->failed)
		wrong(run, "%s", run->shared->failure);
	else if (nr && !may_die_of(nr))
		wrong(run, "the round's process died of signal %d (%s)", nr, strsignal(nr));
}

static void check_surroundings(struct run *run)
{
	const char *complaint = canary_complaint(run->canary);

	if (complaint)
		wrong(run, "the canary: %s", complaint);
	complaint = kernel_log_complaint();
	if (complaint)
		wrong(run, "the kernel: %s", complaint);
	if (run->references >= 0 && !module_references_drop(run->references, DROP_MS))
		wrong(run, "%d references to the module are left, %d were there",
		      module_references(), run->references);
}

static void one_round(struct run *run)
{
	unsigned int i;
	pid_t pid;

	save_program(run, "current");
	memset(run->shared, 0, offsetof(struct shared, calls));
	for (i = 0; i < PROGRAM_THREADS; i++) {
		run->shared->progress[i].kind = -1;
		run->shared->progress[i].tid = 0;
	}
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		wrong(run, "cannot fork: %s", strerror(errno));
		return;
	}
	if (!pid)
		child(run);
	setpgid(pid, pid);
	check_end(run, await_round(run, pid));
	reap_rest(run, pid);
	check_surroundings(run);
	if (run->coverage)
		corpus_judge(&run->program, run->shared, run->options->dir);
	run->rounds++;
}

/* ---- Many rounds ------------------------------------------------------- */

static void report(const struct run *run)
{
	const struct shared *s = run->shared;

	printf("# %llu rounds, %llu operations, %llu commands (%llu without error)",
	       (unsigned long long)run->rounds, (unsigned long long)s->operations,
	       (unsigned long long)s->calls, (unsigned long long)s->succeeded);
	printf(", %llu collections, %llu timed out; canary: %llu collections",
	       (unsigned long long)s->collections, (unsigned long long)s->timeouts,
	       (unsigned long long)canary_collections(run->canary));
	printf("; netlink: %llu messages, %llu events, %llu malformed requests",
	       (unsigned long long)s->messages, (unsigned long long)s->events,
	       (unsigned long long)s->malformed);
	if (run->cut_short || run->killed)
		printf("; %llu rounds cut short, %llu killed",
		       (unsigned long long)run->cut_short, (unsigned long long)run->killed);
	if (run->coverage)
		printf("; %u features, %u programs kept", corpus_features(), corpus_size());
	printf("\n");
	fflush(stdout);
}

static void report_errors(const char *what, const char *name, const _Atomic uint32_t *results)
{
	unsigned int error;

	printf("# %s%-11s", what, name);
	for (error = 0; error < NR_ERRORS; error++)
		if (results[error])
			printf(" %s %u", error ? strerrorname_np(error) : "ok", results[error]);
	printf("\n");
}

static void report_results(const struct shared *s)
{
	unsigned int cmd;

	for (cmd = 0; cmd < NR_COMMANDS; cmd++)
		report_errors("", command_name(_IO(GCARENA_IOC_TYPE, cmd)), s->results[cmd]);
	for (cmd = 0; cmd < NR_REQUESTS; cmd++) {
		report_errors("do   ", request_name(cmd), s->answers[0][cmd]);
		report_errors("dump ", request_name(cmd), s->answers[1][cmd]);
	}
}

static bool read_replay(struct run *run)
{
	FILE *file = fopen(run->options->replay, "r");
	bool good = file && program_read(&run->program, file);

	if (!good)
		fprintf(stderr, "%s: no program in there\n", run->options->replay);
	if (file)
		fclose(file);
	return good;
}

static void choose_program(struct run *run, uint64_t round)
{
	const struct fuzz_options *o = run->options;

	if (o->replay)
		run->program.round = round;
	else if (run->coverage)
		corpus_choose(&run->program, o->seed, round, o->threads);
	else
		program_generate(&run->program, o->seed, round, o->threads);
}

static void run_rounds(struct run *run)
{
	const struct fuzz_options *o = run->options;
	uint64_t end = now_ms() + o->seconds * 1000ULL, next = now_ms() + REPORT_MS, round;

	for (round = o->first; !run->failed; round++) {
		if (o->rounds ? round == o->first + o->rounds : now_ms() >= end)
			break;
		choose_program(run, round);
		one_round(run);
		if (now_ms() >= next) {
			report(run);
			next = now_ms() + REPORT_MS;
		}
	}
	report(run);
	if (o->verbose)
		report_results(run->shared);
	if (run->failed)
		print_failed_program(run);
}

/* The lowest of some looks: the canary's own stops come and go. */
static int quiet_references(void)
{
	int i, n = module_references();

	for (i = 0; i < 50; i++) {
		int now = module_references();

		n = now < n ? now : n;
		usleep(2000);
	}
	return n;
}

int fuzz(const struct fuzz_options *options)
{
	static struct run run;

	memset(&run, 0, sizeof(run));
	run.options = options;
	if (options->replay && !read_replay(&run))
		return 1;
	if (options->dir)
		mkdir(options->dir, 0755);
	run.shared = shared_create();
	run.coverage = coverage_exists();
	if (run.coverage)
		corpus_load(options->dir);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	make_cgroup(options);
	kernel_log_begin();
	nl_family();	/* asked for once: the rounds inherit the answer */
	run.canary = canary_start();
	canary_tell(run.canary, run.shared);
	run.references = quiet_references();
	run_rounds(&run);
	canary_stop(run.canary);
	return run.failed;
}
