// SPDX-License-Identifier: GPL-2.0
/*
 * Where pointers of other threads and processes are found while they run, sleep or
 * stand still: each test plants one in a single place of another thread or of a
 * forked child, which got it in hidden form, and collects.
 *
 * Three things are shown for each place: what it holds survives, together with next to
 * nothing else of the same batch; once the thread or the child is gone it does not;
 * and neither does it when the same code puts the hidden form in the same place. The
 * last two allow one failure in several rounds: a stray copy may lie in a dead
 * part of a frame.
 */
#include <kselftest_harness.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "gcarena.h"
#include "lib/oracle.h"
#include "lib/rawarena.h"

#ifndef __x86_64__
int main(void)
{
	ksft_exit_skip("registers are named for x86-64 here\n");
}
#else

#define BATCH		32
#define STRAYS		2
#define ROUNDS		4
#define STACK_SIZE	(256UL << 10)

#ifndef SS_AUTODISARM
#define SS_AUTODISARM	(1U << 31)
#endif

/*
 * Shared between the test and the one that holds. In shared memory, so that it works
 * with children, and is no root. The asm below knows the first members.
 */
struct control {
	uint64_t value;		/* hidden address */
	uint64_t mask;		/* reveals it, or 0 */
	atomic_int ready;	/* it is in its place */
	atomic_int end;		/* no longer needed */
	atomic_int in_handler;
	atomic_int word;	/* to wait for in a futex */
	pid_t tid;
	int pipe[2];
	uint64_t *range;	/* an added one */
};

_Static_assert(offsetof(struct control, mask) == 8, "known to the asm");
_Static_assert(offsetof(struct control, ready) == 16, "known to the asm");
_Static_assert(offsetof(struct control, end) == 20, "known to the asm");
_Static_assert(offsetof(struct control, in_handler) == 24, "known to the asm");

static struct control *control;	/* for the signal handler */

/* ---- Registers ----------------------------------------------------------------- */

#define SPIN	"movl $1, 16(%%rdi)\n"		\
		"1:	pause\n\t"		\
		"cmpl $0, 20(%%rdi)\n\t"	\
		"je 1b\n\t"

/* Only the asm ever has the address; what the register held before is in r10. */
#define SPIN_HOLDING(reg)						\
static void spin_holding_##reg(struct control *c)			\
{									\
	asm volatile("mov %%" #reg ", %%r10\n\t"			\
		     "mov (%%rdi), %%" #reg "\n\t"			\
		     "xor 8(%%rdi), %%" #reg "\n\t"			\
		     SPIN						\
		     "mov %%r10, %%" #reg				\
		     : : "D"(c) : "r10", "memory", "cc");		\
}

SPIN_HOLDING(rax)
SPIN_HOLDING(rbx)
SPIN_HOLDING(rbp)
SPIN_HOLDING(r9)
SPIN_HOLDING(r11)
SPIN_HOLDING(r12)
SPIN_HOLDING(r13)
SPIN_HOLDING(r14)
SPIN_HOLDING(r15)

/* In read() of an empty pipe. The kernel leaves all but rax, rcx and r11 alone. */
#define READ_HOLDING(what, in, out)					\
static void read_holding_##what(struct control *c)			\
{									\
	register struct control *r8 asm("r8") = c;			\
	long ret = SYS_read;						\
	char byte;							\
									\
	asm volatile(in							\
		     "movl $1, 16(%%r8)\n\t"				\
		     "syscall\n\t"					\
		     out						\
		     : "+a"(ret)					\
		     : "D"((long)c->pipe[0]), "S"(&byte), "d"(1L),	\
		       "r"(r8)						\
		     : "rcx", "r9", "r11", "memory", "cc", "xmm5", "xmm6");	\
}

#define READ_HOLDING_REGISTER(reg)					\
READ_HOLDING(reg, "mov %%" #reg ", %%r9\n\t"				\
		  "mov (%%r8), %%" #reg "\n\t"				\
		  "xor 8(%%r8), %%" #reg "\n\t",			\
		  "mov %%r9, %%" #reg)

READ_HOLDING_REGISTER(rbx)
READ_HOLDING_REGISTER(rbp)
READ_HOLDING_REGISTER(r12)
READ_HOLDING_REGISTER(r13)
READ_HOLDING_REGISTER(r14)
READ_HOLDING_REGISTER(r15)
READ_HOLDING(xmm5, "movq (%%r8), %%xmm5\n\t"
		   "movq 8(%%r8), %%xmm6\n\t"
		   "pxor %%xmm6, %%xmm5\n\t",
		   "pxor %%xmm5, %%xmm5")

/* Vector registers: a function can end with them zero. */
#define SPIN_HOLDING_VECTOR(what, in, out)				\
static void spin_holding_##what(struct control *c)			\
{									\
	asm volatile("movq (%%rdi), %%xmm5\n\t"				\
		     "movq 8(%%rdi), %%xmm6\n\t"			\
		     "pxor %%xmm6, %%xmm5\n\t"				\
		     in							\
		     SPIN						\
		     out						\
		     : : "D"(c)						\
		     : "memory", "cc", "xmm5", "xmm6", "xmm7");		\
}

SPIN_HOLDING_VECTOR(xmm5, "", "pxor %%xmm5, %%xmm5")
SPIN_HOLDING_VECTOR(xmm5_high, "pslldq $8, %%xmm5\n\t", "pxor %%xmm5, %%xmm5")
SPIN_HOLDING_VECTOR(ymm5_high,
		    "vpxor %%xmm7, %%xmm7, %%xmm7\n\t"
		    "vinsertf128 $1, %%xmm5, %%ymm7, %%ymm5\n\t",
		    "vpxor %%xmm5, %%xmm5, %%xmm5\n\t"
		    "vzeroupper")

/* The last word of what a leaf function may use below its stack pointer. */
static void spin_holding_red_zone(struct control *c)
{
	asm volatile("mov -128(%%rsp), %%r10\n\t"
		     "mov (%%rdi), %%rax\n\t"
		     "xor 8(%%rdi), %%rax\n\t"
		     "mov %%rax, -128(%%rsp)\n\t"
		     "xor %%eax, %%eax\n\t"
		     SPIN
		     "mov %%r10, -128(%%rsp)"
		     : : "D"(c) : "rax", "r10", "memory", "cc");
}

/* ---- Memory --------------------------------------------------------------------- */

static volatile uint64_t data_slot = 1;
static volatile uint64_t bss_slot;
static __thread volatile uint64_t tls_slot;

/* No register keeps the address: a signal would put it into its frame. */
static inline void reveal_in(volatile uint64_t *slot, const struct control *c)
{
	asm volatile("mov (%1), %%rax\n\t"
		     "xor 8(%1), %%rax\n\t"
		     "mov %%rax, (%0)\n\t"
		     "xor %%eax, %%eax"
		     : : "r"(slot), "r"(c) : "rax", "memory", "cc");
}

static void spin(struct control *c)
{
	asm volatile(SPIN : : "D"(c) : "memory", "cc");
}

static void sleep_in_read(struct control *c)
{
	char byte;

	atomic_store(&c->ready, 1);
	if (read(c->pipe[0], &byte, 1) == 1)
		abort();
}

static void sleep_in_futex(struct control *c)
{
	atomic_store(&c->ready, 1);
	syscall(SYS_futex, &c->word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void sleep_in_nanosleep(struct control *c)
{
	struct timespec hour = { .tv_sec = 3600 };

	atomic_store(&c->ready, 1);
	nanosleep(&hour, NULL);
}

#define HOLD_IN(slot, wait)						\
static noinline void wait##_with_##slot(struct control *c)		\
{									\
	reveal_in(&(slot), c);						\
	wait(c);							\
	(slot) = 0;							\
}

#define HOLD_ON_STACK(wait)						\
static noinline void wait##_with_stack(struct control *c)		\
{									\
	volatile uint64_t slot;						\
									\
	reveal_in(&slot, c);						\
	wait(c);							\
	slot = 0;							\
}

HOLD_IN(data_slot, spin)
HOLD_IN(bss_slot, spin)
HOLD_IN(tls_slot, spin)
HOLD_IN(tls_slot, sleep_in_read)
HOLD_ON_STACK(spin)
HOLD_ON_STACK(sleep_in_read)
HOLD_ON_STACK(sleep_in_futex)
HOLD_ON_STACK(sleep_in_nanosleep)

static noinline void spin_with_range(struct control *c)
{
	reveal_in(c->range, c);
	spin(c);
}

/* ---- Signal handlers --------------------------------------------------------------- */

/* r9 goes, so that the signal frame alone has what it held. */
static void on_interrupt(int sig)
{
	asm volatile("xor %%r9d, %%r9d\n\t"
		     "movl $1, 24(%%rdi)\n"
		     "1:	pause\n\t"
		     "cmpl $0, 20(%%rdi)\n\t"
		     "je 1b"
		     : : "D"(control) : "r9", "memory", "cc");
}

static void *use_signal_stack(int flags)
{
	stack_t stack = { .ss_size = STACK_SIZE, .ss_flags = flags };

	stack.ss_sp = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, NULL))
		abort();
	return stack.ss_sp;
}

static void drop_signal_stack(void *stack)
{
	stack_t none = { .ss_flags = SS_DISABLE };

	if (sigaltstack(&none, NULL) || munmap(stack, STACK_SIZE))
		abort();
}

/* Holds in the frame that the signal leaves on the other stack. */
static noinline void spin_holding_r9_altstack(struct control *c)
{
	void *stack = use_signal_stack(0);

	spin_holding_r9(c);
	drop_signal_stack(stack);
}

/* Holds on the first stack, which the stack pointer then no longer points to. */
static noinline void spin_with_stack_altstack(struct control *c)
{
	void *stack = use_signal_stack(0);

	spin_with_stack(c);
	drop_signal_stack(stack);
}

/* The same, but while the handler runs the kernel forgets that there is another stack. */
static noinline void spin_with_stack_disarmed(struct control *c)
{
	void *stack = use_signal_stack((int)SS_AUTODISARM);

	spin_with_stack(c);
	drop_signal_stack(stack);
}

static void on_wakeup(int sig)
{
}

static void catch_signals(void)
{
	struct sigaction interrupt = { .sa_handler = on_interrupt, .sa_flags = SA_ONSTACK };
	struct sigaction wakeup = { .sa_handler = on_wakeup };

	if (sigaction(SIGUSR1, &interrupt, NULL) || sigaction(SIGUSR2, &wakeup, NULL))
		abort();
}

/* ---- Those who hold ---------------------------------------------------------------- */

enum state {
	SPINS,
	SLEEPS,			/* in a system call; a signal ends that */
	SPINS_IN_HANDLER,	/* of SIGUSR1 */
	STOPPED,		/* by SIGSTOP */
};

struct holder {
	struct control *control;
	void (*body)(struct control *c);
	enum state state;
	pthread_t thread;
	pid_t child;		/* or 0: a thread */
};

static noinline void *run_thread(void *arg)
{
	struct holder *holder = arg;

	holder->control->tid = gettid();
	holder->body(holder->control);
	return NULL;
}

static noinline void run_child(struct holder *holder)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	holder->control->tid = getpid();
	holder->body(holder->control);
	_exit(0);
}

static void settle(struct holder *holder)
{
	struct control *c = holder->control;
	pid_t pid = holder->child ?: getpid();

	while (!atomic_load(&c->ready))
		sched_yield();
	if (holder->state == SLEEPS)
		while (raw_task_state(pid, c->tid) != 'S')
			sched_yield();
	if (holder->state == SPINS_IN_HANDLER) {
		syscall(SYS_tgkill, pid, c->tid, SIGUSR1);
		while (!atomic_load(&c->in_handler))
			sched_yield();
	}
	if (holder->state == STOPPED) {
		kill(pid, SIGSTOP);
		while (raw_task_state(pid, c->tid) != 'T')
			sched_yield();
	}
}

static void reset(struct control *c, uint64_t hidden, uint64_t mask)
{
	c->value = hidden;
	c->mask = mask;
	atomic_store(&c->ready, 0);
	atomic_store(&c->end, 0);
	atomic_store(&c->in_handler, 0);
}

static noinline void start_thread(struct __test_metadata *_metadata, struct holder *holder)
{
	ASSERT_EQ(0, pthread_create(&holder->thread, NULL, run_thread, holder));
	settle(holder);
	scrub_stack();
}

static noinline void stop_thread(struct __test_metadata *_metadata, struct holder *holder)
{
	atomic_store(&holder->control->end, 1);
	if (holder->state == SLEEPS)
		pthread_kill(holder->thread, SIGUSR2);
	ASSERT_EQ(0, pthread_join(holder->thread, NULL));
	scrub_stack();
}

static noinline void start_child(struct __test_metadata *_metadata, struct holder *holder)
{
	holder->child = fork();
	ASSERT_LE(0, holder->child);
	if (!holder->child)
		run_child(holder);
	settle(holder);
	scrub_stack();
}

static noinline void kill_child(struct __test_metadata *_metadata, struct holder *holder)
{
	ASSERT_EQ(0, kill(holder->child, SIGKILL));
	ASSERT_EQ(128 + SIGKILL, raw_reap(holder->child));
	scrub_stack();
}

static noinline void end_child(struct __test_metadata *_metadata, struct holder *holder)
{
	atomic_store(&holder->control->end, 1);
	ASSERT_EQ(0, raw_reap(holder->child));
	scrub_stack();
}

/* The child is a copy of this frame; the frame itself gives its pointer up. */
static noinline void start_copy(struct __test_metadata *_metadata, struct holder *holder)
{
	volatile uint64_t slot;

	reveal_in(&slot, holder->control);
	start_child(_metadata, holder);
	slot = 0;
}

/* ---- The tests ---------------------------------------------------------------------- */

FIXTURE(held)
{
	gca_arena *arena;
	struct control *control;
	int survived, hidden_gone, gone;
};

typedef void change_fn(struct __test_metadata *_metadata, struct holder *holder);

FIXTURE_VARIANT(held)
{
	void (*body)(struct control *c);
	change_fn *start, *stop;
	enum state state;
	bool avx;
};

#define HELD(name, ...)	FIXTURE_VARIANT_ADD(held, name) { __VA_ARGS__ }
#define BY_THREAD	.start = start_thread, .stop = stop_thread
#define BY_CHILD	.start = start_child, .stop = kill_child
#define BY_INTERRUPTED	BY_THREAD, .state = SPINS_IN_HANDLER
#define BY_INTERRUPTED_CHILD	BY_CHILD, .state = SPINS_IN_HANDLER

HELD(rax, .body = spin_holding_rax, BY_THREAD);
HELD(rbx, .body = spin_holding_rbx, BY_THREAD);
HELD(rbp, .body = spin_holding_rbp, BY_THREAD);
HELD(r11, .body = spin_holding_r11, BY_THREAD);
HELD(r12, .body = spin_holding_r12, BY_THREAD);
HELD(r13, .body = spin_holding_r13, BY_THREAD);
HELD(r14, .body = spin_holding_r14, BY_THREAD);
HELD(r15, .body = spin_holding_r15, BY_THREAD);
HELD(rbx_in_read, .body = read_holding_rbx, BY_THREAD, .state = SLEEPS);
HELD(rbp_in_read, .body = read_holding_rbp, BY_THREAD, .state = SLEEPS);
HELD(r12_in_read, .body = read_holding_r12, BY_THREAD, .state = SLEEPS);
HELD(r13_in_read, .body = read_holding_r13, BY_THREAD, .state = SLEEPS);
HELD(r14_in_read, .body = read_holding_r14, BY_THREAD, .state = SLEEPS);
HELD(r15_in_read, .body = read_holding_r15, BY_THREAD, .state = SLEEPS);
HELD(xmm5, .body = spin_holding_xmm5, BY_THREAD);
HELD(xmm5_high, .body = spin_holding_xmm5_high, BY_THREAD);
HELD(ymm5_high, .body = spin_holding_ymm5_high, BY_THREAD, .avx = true);
HELD(xmm5_in_read, .body = read_holding_xmm5, BY_THREAD, .state = SLEEPS);
HELD(red_zone, .body = spin_holding_red_zone, BY_THREAD);
HELD(tls, .body = spin_with_tls_slot, BY_THREAD);
HELD(tls_in_read, .body = sleep_in_read_with_tls_slot, BY_THREAD, .state = SLEEPS);
HELD(stack, .body = spin_with_stack, BY_THREAD);
HELD(stack_in_read, .body = sleep_in_read_with_stack, BY_THREAD, .state = SLEEPS);
HELD(stack_in_futex, .body = sleep_in_futex_with_stack, BY_THREAD, .state = SLEEPS);
HELD(stack_in_nanosleep, .body = sleep_in_nanosleep_with_stack, BY_THREAD, .state = SLEEPS);
HELD(signal_frame, .body = spin_holding_r9, BY_INTERRUPTED);
HELD(signal_frame_on_altstack, .body = spin_holding_r9_altstack, BY_INTERRUPTED);
HELD(stack_while_on_altstack, .body = spin_with_stack_altstack, BY_INTERRUPTED);
HELD(stack_while_on_disarmed_altstack, .body = spin_with_stack_disarmed, BY_INTERRUPTED);

HELD(child_rbx, .body = spin_holding_rbx, BY_CHILD);
HELD(child_xmm5, .body = spin_holding_xmm5, BY_CHILD);
HELD(child_red_zone, .body = spin_holding_red_zone, BY_CHILD);
HELD(child_r15_in_read, .body = read_holding_r15, BY_CHILD, .state = SLEEPS);
HELD(child_data, .body = spin_with_data_slot, BY_CHILD);
HELD(child_bss, .body = spin_with_bss_slot, BY_CHILD);
HELD(child_tls, .body = spin_with_tls_slot, BY_CHILD);
HELD(child_stack, .body = spin_with_stack, BY_CHILD);
HELD(child_stack_in_read, .body = sleep_in_read_with_stack, BY_CHILD, .state = SLEEPS);
HELD(child_stack_exit, .body = spin_with_stack, .start = start_child, .stop = end_child);
HELD(child_stack_stopped, .body = spin_with_stack, BY_CHILD, .state = STOPPED);
HELD(child_rbx_stopped, .body = spin_holding_rbx, BY_CHILD, .state = STOPPED);
HELD(child_xmm5_stopped, .body = spin_holding_xmm5, BY_CHILD, .state = STOPPED);
HELD(child_signal_frame, .body = spin_holding_r9, BY_INTERRUPTED_CHILD);
HELD(child_main_stack_on_altstack, .body = spin_with_stack_altstack, BY_INTERRUPTED_CHILD);
HELD(child_main_stack_disarmed, .body = spin_with_stack_disarmed, BY_INTERRUPTED_CHILD);
HELD(child_inherited_range, .body = spin_with_range, BY_CHILD);
HELD(copy_after_fork, .body = spin, .start = start_copy, .stop = kill_child);

FIXTURE_SETUP(held)
{
	void *shared = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, shared);
	control = shared;
	self->control = control;
	self->arena = open_arena(GCA_ROOTS_AUTO, GCA_GC_PERCENT_OFF, 0);
	ASSERT_NE(NULL, self->arena) {
		TH_LOG("gca_open: %s", gca_strerror(errno));
	}
	ASSERT_EQ(0, pipe(control->pipe));
	control->range = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)control->range);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, control->range, 4096));
	catch_signals();
}

FIXTURE_TEARDOWN(held)
{
	EXPECT_EQ(0, gca_close(self->arena));
}

static noinline void make_batch(struct __test_metadata *_metadata, gca_arena *arena,
				uint64_t *hidden)
{
	int i;

	for (i = 0; i < BATCH; i++) {
		void *p = gca_alloc_noscan_in(arena, 16 + 48 * (i % 7));

		ASSERT_NE(NULL, p);
		hidden[i] = hide(p);
	}
	scrub_stack();
}

static void collect(struct __test_metadata *_metadata, gca_arena *arena)
{
	struct gca_collection result = { .size = sizeof(result) };

	ASSERT_EQ(0, collect_exactly(arena, &result));
}

/* The place holds the address, for three collections, then it is gone. */
static void hold(struct __test_metadata *_metadata, FIXTURE_DATA(held) *self,
		 const FIXTURE_VARIANT(held) *variant, int which)
{
	struct holder holder = {
		.control = self->control, .body = variant->body, .state = variant->state,
	};
	uint64_t hidden[BATCH];
	int i;

	make_batch(_metadata, self->arena, hidden);
	reset(self->control, hidden[which], HIDE_MASK);
	variant->start(_metadata, &holder);
	for (i = 0; i < 3; i++) {
		collect(_metadata, self->arena);
		self->survived += is_object(hidden[which]);
		EXPECT_GE(1 + STRAYS, count_objects(hidden, BATCH));
	}
	variant->stop(_metadata, &holder);
	collect(_metadata, self->arena);
	self->gone += !is_object(hidden[which]);
}

/* The place holds the hidden form of the address. */
static void hold_hidden(struct __test_metadata *_metadata, FIXTURE_DATA(held) *self,
			const FIXTURE_VARIANT(held) *variant, int which)
{
	struct holder holder = {
		.control = self->control, .body = variant->body, .state = variant->state,
	};
	uint64_t hidden[BATCH];

	make_batch(_metadata, self->arena, hidden);
	reset(self->control, hidden[which], 0);
	variant->start(_metadata, &holder);
	collect(_metadata, self->arena);
	self->hidden_gone += !is_object(hidden[which]);
	variant->stop(_metadata, &holder);
}

TEST_F_TIMEOUT(held, and_let_go, 60)
{
	int round;

	if (variant->avx && !__builtin_cpu_supports("avx"))
		SKIP(return, "the processor has no AVX");
	for (round = 0; round < ROUNDS; round++) {
		hold(_metadata, self, variant, 5 + 6 * round);
		hold_hidden(_metadata, self, variant, 6 + 6 * round);
	}
	EXPECT_EQ(3 * ROUNDS, self->survived);
	EXPECT_LE(ROUNDS - 1, self->gone);
	EXPECT_LE(ROUNDS - 1, self->hidden_gone);
}

TEST_HARNESS_MAIN
#endif
