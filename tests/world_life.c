// SPDX-License-Identifier: GPL-2.0
/*
 * Collections while those who share the arena are not in one of the usual states:
 * frozen, traced, stopped, dumping core, in execve(), exiting. The collecting
 * process is never held up for long, nothing it has is lost, and neither is what
 * the other has the only pointer to, on its stack or in a register: it checks that
 * itself when it runs again. What the dead had is reclaimed.
 *
 * GCARENA_SEED repeats the random choices, not the timing.
 */
#include <kselftest_harness.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "gcarena.h"
#include "lib/oracle.h"
#include "lib/rawarena.h"
#include "lib/rng.h"

#ifndef __x86_64__
int main(void)
{
	ksft_exit_skip("registers are named for x86-64 here\n");
}
#else

#define MIB		(1024UL * 1024)
#define BATCH		32
#define HELD		11	/* the one of a batch that the other process has */
#define STRAYS		2	/* copies in dead parts of frames */
#define NR_KEPT		64
#define WORDS		24
#define DUMP_BYTES	(48 * MIB)
#define DAMAGED		3	/* exit code of a child that lost its object */
#define CORE_PATTERN	"/proc/sys/kernel/core_pattern"
#define CORE_FILE	"/tmp/gcarena-core"

/* Shared memory, which is no root. The asm knows the first members. */
struct control {
	uint64_t value;		/* hidden address */
	atomic_int ready;
	atomic_int end;
	int pipe[2];
};

_Static_assert(offsetof(struct control, ready) == 8, "known to the asm");
_Static_assert(offsetof(struct control, end) == 12, "known to the asm");

/* ---- Objects that know what they hold ------------------------------------------------ */

static uint64_t word_of(uint64_t hidden, int i)
{
	/* No value looks like an address. */
	return rng_mix(hidden + i) | 1ULL << 63;
}

static void fill(uint64_t *object)
{
	int i;

	for (i = 0; i < WORDS; i++)
		object[i] = word_of(hide(object), i);
}

static bool is_intact(const uint64_t *object)
{
	int i;

	for (i = 0; i < WORDS; i++)
		if (object[i] != word_of(hide(object), i))
			return false;
	return true;
}

static uint64_t *new_object(gca_arena *arena)
{
	uint64_t *object = gca_alloc_noscan_in(arena, WORDS * sizeof(*object));

	if (object)
		fill(object);
	return object;
}

/* What the collecting process has: in .bss. A child that does not want them zeroes it. */
static uint64_t *kept[NR_KEPT];

static bool kept_are_intact(void)
{
	int i;

	for (i = 0; i < NR_KEPT; i++)
		if (!is_intact(kept[i]))
			return false;
	return true;
}

/* ---- How the other process holds its object -------------------------------------------- */

/* Only this slot ever has the address, and no register. */
static noinline bool spin_with_stack(struct control *c)
{
	volatile uint64_t slot;

	asm volatile("mov (%1), %%rax\n\t"
		     "xor %2, %%rax\n\t"
		     "mov %%rax, (%0)\n\t"
		     "xor %%eax, %%eax"
		     : : "r"(&slot), "r"(c), "r"(HIDE_MASK) : "rax", "memory", "cc");
	atomic_store(&c->ready, 1);
	while (!atomic_load(&c->end))
		asm volatile("pause");
	return is_intact((uint64_t *)slot);
}

static noinline bool read_with_stack(struct control *c)
{
	volatile uint64_t slot;

	asm volatile("mov (%1), %%rax\n\t"
		     "xor %2, %%rax\n\t"
		     "mov %%rax, (%0)\n\t"
		     "xor %%eax, %%eax"
		     : : "r"(&slot), "r"(c), "r"(HIDE_MASK) : "rax", "memory", "cc");
	atomic_store(&c->ready, 1);
	return !raw_await(c->pipe[0]) && is_intact((uint64_t *)slot);
}

static noinline bool spin_with_register(struct control *c)
{
	uint64_t *object;

	asm volatile("mov (%%rdi), %%r12\n\t"
		     "xor %2, %%r12\n\t"
		     "movl $1, 8(%%rdi)\n"
		     "1:	pause\n\t"
		     "cmpl $0, 12(%%rdi)\n\t"
		     "je 1b\n\t"
		     "mov %%r12, %0"
		     : "=a"(object) : "D"(c), "r"(HIDE_MASK) : "r12", "memory", "cc");
	return is_intact(object);
}

/* In read(), which is called again when a signal or a tracer has ended it early. */
static noinline bool read_with_register(struct control *c)
{
	register struct control *r8 asm("r8") = c;
	uint64_t *object;
	char byte;

	asm volatile("mov (%%r8), %%r12\n\t"
		     "xor %[mask], %%r12\n\t"
		     "movl $1, 8(%%r8)\n"
		     "1:	xor %%eax, %%eax\n\t"
		     "syscall\n\t"
		     "cmp $1, %%rax\n\t"
		     "jne 1b\n\t"
		     "mov %%r12, %%rax"
		     : "=a"(object)
		     : "D"((long)c->pipe[0]), "S"(&byte), "d"(1L), "r"(r8),
		       [mask] "r"(HIDE_MASK)
		     : "rcx", "r11", "r12", "memory", "cc");
	return is_intact(object);
}

/* ---- The collecting process --------------------------------------------------------- */

/* Who shares the arena. */
struct scene {
	gca_arena *arena;
	struct control *control;
	uint64_t hidden[BATCH];
	pid_t child;
};

static void open_scene(struct __test_metadata *_metadata, struct scene *scene)
{
	int i;

	scene->control = mmap(NULL, sizeof(*scene->control), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)scene->control);
	scene->arena = open_arena(GCA_ROOTS_AUTO, GCA_GC_PERCENT_OFF, 0);
	ASSERT_NE(NULL, scene->arena) {
		TH_LOG("gca_open: %s", gca_strerror(errno));
	}
	ASSERT_EQ(0, pipe(scene->control->pipe));
	for (i = 0; i < NR_KEPT; i++) {
		kept[i] = new_object(scene->arena);
		ASSERT_NE(NULL, kept[i]);
	}
}

static void report(struct __test_metadata *_metadata, gca_arena *arena)
{
	struct gcarena_stats raw;
	struct gca_stats stats = { .size = sizeof(stats) };

	ASSERT_EQ(0, gca_read_stats_in(arena, &stats));
	ASSERT_EQ(0, raw_stats(gca_fd(arena), &raw));
	EXPECT_EQ(0, raw.stop_timeout_pid);
	EXPECT_EQ(0, stats.num_aborted_gc);
	TH_LOG("%llu collections, longest pause %llu us", (unsigned long long)stats.num_gc,
	       (unsigned long long)stats.pause_max_ns / 1000);
}

static void close_scene(struct __test_metadata *_metadata, struct scene *scene)
{
	EXPECT_TRUE(kept_are_intact());
	report(_metadata, scene->arena);
	EXPECT_EQ(0, gca_close(scene->arena));
}

/* Everything that can go does. */
static void collect_all(struct __test_metadata *_metadata, struct scene *scene)
{
	struct gca_collection result = { .size = sizeof(result) };

	ASSERT_EQ(0, collect_exactly(scene->arena, &result));
	EXPECT_TRUE(kept_are_intact());
}

static void collect(struct __test_metadata *_metadata, struct scene *scene)
{
	ASSERT_EQ(0, gca_collect_in(scene->arena, GCA_FULL, NULL));
	EXPECT_TRUE(kept_are_intact());
}

/* Few of a batch survive, and the one that the child has must. */
static void collect_and_look(struct __test_metadata *_metadata, struct scene *scene)
{
	int i;

	for (i = 0; i < 3; i++) {
		collect_all(_metadata, scene);
		EXPECT_TRUE(is_object(scene->hidden[HELD]));
	}
	EXPECT_GE(1 + STRAYS, count_objects(scene->hidden, BATCH));
}

static noinline void make_batch(struct __test_metadata *_metadata, struct scene *scene)
{
	int i;

	for (i = 0; i < BATCH; i++) {
		uint64_t *object = new_object(scene->arena);

		ASSERT_NE(NULL, object);
		scene->hidden[i] = hide(object);
	}
	scrub_stack();
}

static noinline void run_holder(struct control *c, bool (*body)(struct control *c))
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	memset(kept, 0, sizeof(kept));
	_exit(body(c) ? 0 : DAMAGED);
}

static noinline void start_holder(struct __test_metadata *_metadata, struct scene *scene,
				  bool (*body)(struct control *c), bool asleep)
{
	struct control *c = scene->control;

	make_batch(_metadata, scene);
	c->value = scene->hidden[HELD];
	scene->child = fork();
	ASSERT_LE(0, scene->child);
	if (!scene->child)
		run_holder(c, body);
	while (!atomic_load(&c->ready) ||
	       (asleep && raw_task_state(scene->child, scene->child) != 'S'))
		sched_yield();
	scrub_stack();
}

/* It finds its object as it was; afterwards nobody has it. */
static noinline void end_holder(struct __test_metadata *_metadata, struct scene *scene)
{
	collect_and_look(_metadata, scene);
	atomic_store(&scene->control->end, 1);
	ASSERT_EQ(0, raw_post(scene->control->pipe[1]));
	EXPECT_EQ(0, raw_reap(scene->child));
	scrub_stack();
	collect_all(_metadata, scene);
	EXPECT_GE(STRAYS, count_objects(scene->hidden, BATCH));
}

FIXTURE(life)
{
	struct scene scene;
};

FIXTURE_VARIANT(life)
{
	bool (*body)(struct control *c);
	bool asleep;
};

#define LIFE(name, ...)	FIXTURE_VARIANT_ADD(life, name) { __VA_ARGS__ }

LIFE(spin_with_stack, .body = spin_with_stack);
LIFE(spin_with_register, .body = spin_with_register);
LIFE(read_with_stack, .body = read_with_stack, .asleep = true);
LIFE(read_with_register, .body = read_with_register, .asleep = true);

FIXTURE_SETUP(life)
{
	open_scene(_metadata, &self->scene);
}

FIXTURE_TEARDOWN(life)
{
	close_scene(_metadata, &self->scene);
}

/* ---- Frozen --------------------------------------------------------------------------- */

struct group {
	char mount[64], path[96];
	int freeze, events;
};

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t length = strlen(text);
	bool written = fd >= 0 && write(fd, text, length) == length;

	if (fd >= 0)
		close(fd);
	return written;
}

static int open_in_group(const struct group *group, const char *name, int flags)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", group->path, name);
	return open(path, flags | O_CLOEXEC);
}

static void remove_group(struct group *group)
{
	close(group->freeze);
	close(group->events);
	rmdir(group->path);
	umount(group->mount);
	rmdir(group->mount);
}

/* A new one, in a mount of its own: where cgroup2 is mounted here is of no interest. */
static bool make_group(struct group *group)
{
	snprintf(group->mount, sizeof(group->mount), "/tmp/gcarena-cgroup-XXXXXX");
	if (!mkdtemp(group->mount))
		return false;
	if (mount("none", group->mount, "cgroup2", 0, NULL)) {
		rmdir(group->mount);
		return false;
	}
	snprintf(group->path, sizeof(group->path), "%s/gcarena-%d", group->mount, getpid());
	mkdir(group->path, 0755);
	group->freeze = open_in_group(group, "cgroup.freeze", O_WRONLY);
	group->events = open_in_group(group, "cgroup.events", O_RDONLY);
	if (group->freeze >= 0 && group->events >= 0)
		return true;
	remove_group(group);
	return false;
}

static bool group_is_frozen(const struct group *group)
{
	char text[128] = "";

	return pread(group->events, text, sizeof(text) - 1, 0) > 0 && strstr(text, "frozen 1");
}

static bool set_frozen(const struct group *group, bool frozen)
{
	return write(group->freeze, frozen ? "1" : "0", 1) == 1;
}

static void await_frozen(const struct group *group, bool frozen)
{
	struct pollfd pollfd = { .fd = group->events, .events = POLLPRI };

	while (group_is_frozen(group) != frozen)
		poll(&pollfd, 1, 100);
}

static void move_to_group(struct __test_metadata *_metadata, const struct group *group,
			  pid_t pid)
{
	int fd = open_in_group(group, "cgroup.procs", O_WRONLY);

	ASSERT_LE(0, fd);
	ASSERT_LT(0, dprintf(fd, "%d", pid));
	close(fd);
}

/* Frozen and thawed with nobody waiting for that: the stop meets it anywhere. */
static void freeze_and_collect(struct __test_metadata *_metadata, struct scene *scene,
			       const struct group *group)
{
	int i;

	for (i = 0; i < 20; i++) {
		ASSERT_TRUE(set_frozen(group, true));
		collect(_metadata, scene);
		ASSERT_TRUE(set_frozen(group, false));
		collect(_metadata, scene);
	}
}

TEST_F_TIMEOUT(life, frozen, 30)
{
	struct scene *scene = &self->scene;
	struct group group;

	if (!make_group(&group))
		SKIP(return, "no cgroup2 to freeze processes with");
	start_holder(_metadata, scene, variant->body, variant->asleep);
	move_to_group(_metadata, &group, scene->child);
	ASSERT_TRUE(set_frozen(&group, true));
	await_frozen(&group, true);
	collect_and_look(_metadata, scene);
	EXPECT_TRUE(group_is_frozen(&group));
	ASSERT_TRUE(set_frozen(&group, false));
	await_frozen(&group, false);
	freeze_and_collect(_metadata, scene, &group);
	end_holder(_metadata, scene);
	remove_group(&group);
}

/* ---- Traced --------------------------------------------------------------------------- */

static void await_trap(struct __test_metadata *_metadata, pid_t pid)
{
	int status;

	ASSERT_EQ(pid, waitpid(pid, &status, __WALL));
	ASSERT_TRUE(WIFSTOPPED(status));
}

TEST_F_TIMEOUT(life, traced, 30)
{
	struct scene *scene = &self->scene;
	int i;

	start_holder(_metadata, scene, variant->body, variant->asleep);
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, scene->child, NULL, NULL));
	ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, scene->child, NULL, NULL));
	await_trap(_metadata, scene->child);
	collect_and_look(_metadata, scene);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, ptrace(PTRACE_CONT, scene->child, NULL, NULL));
		collect(_metadata, scene);
		ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, scene->child, NULL, NULL));
		collect(_metadata, scene);
		await_trap(_metadata, scene->child);
	}
	collect_and_look(_metadata, scene);
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, scene->child, NULL, NULL));
	end_holder(_metadata, scene);
}

/* ---- Stopped and continued ----------------------------------------------------------- */

struct stopper {
	pthread_t thread;
	pid_t child;
	atomic_bool end;
	atomic_ulong stops;
	bool failed;
};

static void *stop_and_continue(void *arg)
{
	struct stopper *me = arg;
	siginfo_t info;

	while (!atomic_load(&me->end) && !me->failed) {
		me->failed = kill(me->child, SIGSTOP) ||
			     waitid(P_PID, me->child, &info, WSTOPPED) ||
			     kill(me->child, SIGCONT) ||
			     waitid(P_PID, me->child, &info, WCONTINUED);
		atomic_fetch_add(&me->stops, 1);
	}
	return NULL;
}

TEST_F_TIMEOUT(life, stopped, 30)
{
	struct scene *scene = &self->scene;
	struct stopper stopper = { };
	int i;

	start_holder(_metadata, scene, variant->body, variant->asleep);
	stopper.child = scene->child;
	ASSERT_EQ(0, pthread_create(&stopper.thread, NULL, stop_and_continue, &stopper));
	/* It may take a while to get a processor. */
	for (i = 0; i < 100 || !atomic_load(&stopper.stops); i++)
		collect(_metadata, scene);
	atomic_store(&stopper.end, true);
	ASSERT_EQ(0, pthread_join(stopper.thread, NULL));
	EXPECT_FALSE(stopper.failed);
	TH_LOG("stopped %lu times", atomic_load(&stopper.stops));
	end_holder(_metadata, scene);
}

/* ---- Processes that end, and what they had ------------------------------------------- */

#define MAX_CHILD_THREADS	8

/* In the child only. */
static gca_arena *child_arena;
static struct control *child_control;

static void *live_on(void *arg)
{
	long number = (long)arg;
	uint64_t *mine = new_object(child_arena);
	char byte;

	while (mine && is_intact(mine)) {
		if (number % 3 == 1)
			mine = new_object(child_arena);
		else if (number % 3 == 2 && read(child_control->pipe[0], &byte, 1) == 1)
			break;
	}
	_exit(DAMAGED);
}

static void start_threads(struct scene *scene, long nr, void *(*function)(void *))
{
	pthread_t thread;
	long i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	memset(kept, 0, sizeof(kept));
	child_arena = scene->arena;
	child_control = scene->control;
	for (i = 0; i < nr; i++)
		if (pthread_create(&thread, NULL, function, (void *)i))
			_exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void spin_for(uint64_t ns)
{
	uint64_t until = now_ns() + ns;

	while (now_ns() < until)
		;
}

/* Collect until the child is gone. Return: its exit code, as raw_reap(). */
static int collect_until_gone(struct __test_metadata *_metadata, struct scene *scene,
			      unsigned int *collections)
{
	siginfo_t info;

	do {
		collect(_metadata, scene);
		(*collections)++;
		info.si_pid = 0;
		waitid(P_PID, scene->child, &info, WEXITED | WNOHANG | WNOWAIT);
	} while (!info.si_pid);
	return raw_reap(scene->child);
}

/* Only what this process has is left. */
static noinline void check_reclaimed(struct __test_metadata *_metadata,
				     struct scene *scene)
{
	uint64_t live;

	scrub_stack();
	live = collect_count(scene->arena);
	EXPECT_LE(NR_KEPT, live);
	EXPECT_GE(NR_KEPT + STRAYS, live);
}

FIXTURE(end)
{
	struct scene scene;
	struct rng rng;
	char core_pattern[256];
};

FIXTURE_SETUP(end)
{
	int fd = open(CORE_PATTERN, O_RDONLY | O_CLOEXEC);

	ASSERT_LE(0, fd);
	ASSERT_LE(0, read(fd, self->core_pattern, sizeof(self->core_pattern) - 1));
	close(fd);
	rng_init(&self->rng, rng_seed_from_env());
	open_scene(_metadata, &self->scene);
}

FIXTURE_TEARDOWN(end)
{
	write_text(CORE_PATTERN, self->core_pattern);
	close_scene(_metadata, &self->scene);
}

/* ---- Exiting ------------------------------------------------------------------------- */

static void exit_soon(struct scene *scene, uint64_t ns)
{
	start_threads(scene, MAX_CHILD_THREADS - 1, live_on);
	spin_for(ns);
	syscall(SYS_exit_group, 0);
}

TEST_F_TIMEOUT(end, exit_group, 60)
{
	struct scene *scene = &self->scene;
	unsigned int collections = 0;
	uint64_t ns;
	int round;

	for (round = 0; round < 35; round++) {
		ns = rng_below(&self->rng, 5000000);
		scene->child = fork();
		ASSERT_LE(0, scene->child);
		if (!scene->child)
			exit_soon(scene, ns);
		EXPECT_EQ(0, collect_until_gone(_metadata, scene, &collections));
	}
	check_reclaimed(_metadata, scene);
	TH_LOG("%u collections in 35 rounds", collections);
}

/* ---- execve() --------------------------------------------------------------------------- */

static void exec_true(void)
{
	execl("/bin/true", "true", NULL);
	_exit(1);
}

/* Not the first thread: the kernel has it take the first one's place. */
static void *exec_in_thread(void *arg)
{
	if (arg)
		return live_on(arg);
	/* While it is in execve(), clone() may fail: EAGAIN. */
	while (!atomic_load(&child_control->ready))
		sched_yield();
	exec_true();
	return NULL;
}

static void exec_soon(struct scene *scene, bool first)
{
	start_threads(scene, 4, first ? live_on : exec_in_thread);
	atomic_store(&scene->control->ready, 1);
	if (first)
		exec_true();
	for (;;)
		pause();
}

TEST_F_TIMEOUT(end, execve, 60)
{
	struct scene *scene = &self->scene;
	unsigned int collections = 0;
	int round;

	for (round = 0; round < 16; round++) {
		atomic_store(&scene->control->ready, 0);
		scene->child = fork();
		ASSERT_LE(0, scene->child);
		if (!scene->child)
			exec_soon(scene, round % 2);
		EXPECT_EQ(0, collect_until_gone(_metadata, scene, &collections));
	}
	check_reclaimed(_metadata, scene);
	TH_LOG("%u collections in 16 rounds", collections);
}

/* ---- Dumping core ------------------------------------------------------------------------ */

static void dump_core(struct scene *scene)
{
	struct rlimit unlimited = { .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };
	void *large = mmap(NULL, DUMP_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (large == MAP_FAILED || setrlimit(RLIMIT_CORE, &unlimited))
		_exit(1);
	memset(large, 1, DUMP_BYTES);
	start_threads(scene, 4, live_on);
	signal(SIGABRT, SIG_DFL);
	atomic_store(&scene->control->ready, 1);
	abort();
}

/* From just before the child begins to die until it has. */
static void collect_while_dumping(struct __test_metadata *_metadata, struct scene *scene)
{
	unsigned int collections = 0;

	scene->child = fork();
	ASSERT_LE(0, scene->child);
	if (!scene->child)
		dump_core(scene);
	while (!atomic_load(&scene->control->ready) &&
	       raw_task_state(scene->child, scene->child) != 'Z')
		sched_yield();
	EXPECT_EQ(128 + SIGABRT, collect_until_gone(_metadata, scene, &collections));
	check_reclaimed(_metadata, scene);
	TH_LOG("%u collections", collections);
}

static void core_file(char *path, size_t size, pid_t pid)
{
	snprintf(path, size, "%s.%d", CORE_FILE, pid);
}

TEST_F_TIMEOUT(end, core_dump_to_file, 60)
{
	struct scene *scene = &self->scene;
	struct stat core;
	char path[64];

	if (!write_text(CORE_PATTERN, CORE_FILE ".%p"))
		SKIP(return, "core_pattern cannot be set");
	collect_while_dumping(_metadata, scene);
	core_file(path, sizeof(path), scene->child);
	ASSERT_EQ(0, stat(path, &core));
	EXPECT_LE(DUMP_BYTES, core.st_size);
	unlink(path);
}

/* The one that dumps sleeps often: until the other side has read. */
TEST_F_TIMEOUT(end, core_dump_to_pipe, 60)
{
	if (!write_text(CORE_PATTERN, "|/usr/bin/wc -c"))
		SKIP(return, "core_pattern cannot be set");
	collect_while_dumping(_metadata, &self->scene);
}

TEST_HARNESS_MAIN
#endif
