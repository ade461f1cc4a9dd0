// SPDX-License-Identifier: GPL-2.0
/*
 * Where the collector finds pointers, and where it must not look.
 *
 * Every place is tested twice: objects that only this place holds survive, and the
 * same objects are gone once the place is cleared, which shows that nothing else
 * held them. Where the stack is scanned a stray copy may always be left somewhere,
 * so those tests hold a batch and allow a few to stay. In arenas with explicit
 * roots there are no strays and the counts are exact.
 */
#include <kselftest_harness.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "gcarena.h"
#include "lib/oracle.h"
#include "lib/rawarena.h"

#define MIB	(1024UL * 1024)
#define BATCH	32
#define STRAYS	2

/* Where a batch is kept; volatile, since only the collector reads it. */
struct place {
	void *volatile word[BATCH];
};

/* ---- Batches of objects ----------------------------------------------------- */

/*
 * Allocate a batch, keep only hidden addresses. Sizes differ so that a stray
 * pointer is unlikely to hold two of them.
 */
static noinline void make_batch(gca_arena *arena, uint64_t *hidden)
{
	int i;

	for (i = 0; i < BATCH; i++) {
		void *p = gca_alloc_noscan_in(arena, 16 + 48 * (i % 7));

		hidden[i] = p ? hide(p) : 0;
		if (p)
			memset(p, i + 1, 16);
	}
	scrub_stack();
}

static noinline void reveal_into(struct place *place, const uint64_t *hidden)
{
	int i;

	for (i = 0; i < BATCH; i++)
		place->word[i] = reveal(hidden[i]);
	scrub_stack();
}

static noinline void clear_place(struct place *place)
{
	int i;

	for (i = 0; i < BATCH; i++)
		place->word[i] = NULL;
	scrub_stack();
}

static noinline int count_intact(const uint64_t *hidden)
{
	int i, n = 0;

	for (i = 0; i < BATCH; i++) {
		char want[16];

		memset(want, i + 1, sizeof(want));
		if (is_object(hidden[i]) && !memcmp(reveal(hidden[i]), want, sizeof(want)))
			n++;
	}
	scrub_stack();
	return n;
}

static noinline int collect_now(gca_arena *arena)
{
	struct gca_collection result;

	return collect_exactly(arena, &result);
}

/* A macro, so that what will be the frame of collect_now() is wiped as well. */
#define collect(arena)	(scrub_stack(), collect_now(arena))

/* The objects of a batch live and die with @place. */
static void place_is_root(struct __test_metadata *_metadata, gca_arena *arena,
			  struct place *place)
{
	uint64_t hidden[BATCH];
	int round;

	make_batch(arena, hidden);
	reveal_into(place, hidden);
	for (round = 0; round < 3; round++) {
		ASSERT_EQ(0, collect(arena));
		EXPECT_EQ(BATCH, count_intact(hidden));
	}
	clear_place(place);
	ASSERT_EQ(0, collect(arena));
	EXPECT_GE(STRAYS, count_objects(hidden, BATCH));
}

static void place_is_no_root(struct __test_metadata *_metadata, gca_arena *arena,
			     struct place *place)
{
	uint64_t hidden[BATCH];

	make_batch(arena, hidden);
	reveal_into(place, hidden);
	ASSERT_EQ(0, collect(arena));
	EXPECT_GE(STRAYS, count_objects(hidden, BATCH));
	clear_place(place);
}

/* ---- Automatic roots --------------------------------------------------------- */

FIXTURE(automatic)
{
	gca_arena *arena;
};

FIXTURE_SETUP(automatic)
{
	self->arena = open_arena(GCA_ROOTS_AUTO, GCA_GC_PERCENT_OFF, 0);
	ASSERT_NE(NULL, self->arena) {
		TH_LOG("gca_open: %s", gca_strerror(errno));
	}
}

FIXTURE_TEARDOWN(automatic)
{
	EXPECT_EQ(0, gca_close(self->arena));
}

TEST_F(automatic, nothing_holds_nothing)
{
	uint64_t hidden[BATCH];

	make_batch(self->arena, hidden);
	ASSERT_EQ(BATCH, count_intact(hidden));
	ASSERT_EQ(0, collect(self->arena));
	EXPECT_GE(STRAYS, count_objects(hidden, BATCH));
}

TEST_F(automatic, locals)
{
	struct place place;

	place_is_root(_metadata, self->arena, &place);
}

/* A frame far up the stack, with much between it and the collection. */
static noinline void far_down(struct __test_metadata *_metadata, gca_arena *arena,
			      struct place *place, int depth)
{
	volatile char frame[1000];

	frame[0] = depth;
	if (depth)
		far_down(_metadata, arena, place, depth - 1);
	else
		place_is_root(_metadata, arena, place);
	frame[999] = frame[0];
}

TEST_F(automatic, locals_of_a_far_caller)
{
	struct place place;

	far_down(_metadata, self->arena, &place, 500);
}

static struct place data_place = { { (void *)1 } };
static struct place bss_place;
static __thread struct place tls_place;
static __thread struct place tls_data_place = { { (void *)1 } };

TEST_F(automatic, data_segment)
{
	place_is_root(_metadata, self->arena, &data_place);
}

TEST_F(automatic, bss_segment)
{
	place_is_root(_metadata, self->arena, &bss_place);
}

/* Bss that is not adjacent to the file's pages, with every page its own. */
TEST_F(automatic, large_bss)
{
	static struct place large[8 * MIB / sizeof(struct place)];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(large); i += ARRAY_SIZE(large) / 3)
		place_is_root(_metadata, self->arena, &large[i]);
}

TEST_F(automatic, thread_local_storage)
{
	place_is_root(_metadata, self->arena, &tls_place);
	place_is_root(_metadata, self->arena, &tls_data_place);
}

struct segment_search {
	uintptr_t address;
	bool first;
	bool in_library;
};

static int find_segment(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct segment_search *search = arg;
	int i;

	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		const __typeof__(*info->dlpi_phdr) *header = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + header->p_vaddr;

		if (header->p_type == PT_LOAD && search->address >= start &&
		    search->address < start + header->p_memsz)
			search->in_library = !search->first;
	}
	search->first = false;
	return 0;
}

/* optarg is a variable of the C library that nobody else uses here. */
TEST_F(automatic, library_data)
{
	struct segment_search search = { .address = (uintptr_t)&optarg, .first = true };
	uint64_t hidden[BATCH];

	dl_iterate_phdr(find_segment, &search);
	if (!search.in_library)
		SKIP(return, "this program is linked statically");
	make_batch(self->arena, hidden);
	optarg = reveal(hidden[0]);
	ASSERT_EQ(0, collect(self->arena));
	EXPECT_TRUE(is_object(hidden[0]));
	EXPECT_GE(1 + STRAYS, count_objects(hidden, BATCH));
	optarg = NULL;
	ASSERT_EQ(0, collect(self->arena));
	EXPECT_GE(STRAYS, count_objects(hidden, BATCH));
}

TEST_F(automatic, added_range)
{
	/* Above malloc()'s threshold: a mapping of its own. */
	struct place *places = calloc(1, MIB);
	size_t last = MIB / sizeof(*places) - 1;

	ASSERT_NE(NULL, places);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, places, MIB));
	place_is_root(_metadata, self->arena, &places[0]);
	place_is_root(_metadata, self->arena, &places[last]);
	ASSERT_EQ(0, gca_roots_remove_in(self->arena, places, MIB));
	place_is_no_root(_metadata, self->arena, &places[0]);
	free(places);
}

static void check_malloc(struct __test_metadata *_metadata, gca_arena *arena, bool is_root)
{
	struct place *small = malloc(sizeof(*small));
	struct place *large = malloc(MIB);

	ASSERT_NE(NULL, small);
	ASSERT_NE(NULL, large);
	if (is_root) {
		place_is_root(_metadata, arena, small);
		place_is_root(_metadata, arena, large);
	} else {
		place_is_no_root(_metadata, arena, small);
		place_is_no_root(_metadata, arena, large);
	}
	free(small);
	free(large);
}

TEST_F(automatic, malloc_is_no_root)
{
	check_malloc(_metadata, self->arena, false);
}

TEST(all_memory_includes_malloc)
{
	gca_arena *arena = open_arena(GCA_ROOTS_ALL, GCA_GC_PERCENT_OFF, 0);
	struct place local;

	ASSERT_NE(NULL, arena);
	check_malloc(_metadata, arena, true);
	place_is_root(_metadata, arena, &bss_place);
	place_is_root(_metadata, arena, &local);
	EXPECT_EQ(0, gca_close(arena));
}

/* An object in the arena that holds a batch, and that nothing holds. */
static noinline bool make_dead_holder(gca_arena *arena, const uint64_t *hidden)
{
	struct place *place = gca_alloc_in(arena, sizeof(*place));

	if (place)
		reveal_into(place, hidden);
	return place;
}

/* The arena's own pages are no roots: dead objects must not hold each other. */
TEST(all_memory_leaves_the_arena_out)
{
	gca_arena *arena = open_arena(GCA_ROOTS_ALL, GCA_GC_PERCENT_OFF, 0);
	uint64_t hidden[BATCH];

	ASSERT_NE(NULL, arena);
	make_batch(arena, hidden);
	ASSERT_TRUE(make_dead_holder(arena, hidden));
	ASSERT_EQ(0, collect(arena));
	EXPECT_GE(STRAYS, count_objects(hidden, BATCH));
	EXPECT_EQ(0, gca_close(arena));
}

TEST_F(automatic, shared_memory_is_no_root)
{
	struct place *place = mmap(NULL, sizeof(*place), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, (void *)place);
	place_is_no_root(_metadata, self->arena, place);
	munmap(place, sizeof(*place));
}

/* ---- Registers ---------------------------------------------------------------- */

#ifdef __x86_64__
/*
 * The system call itself, with an address in one register and nowhere else: a
 * library call would spill it to the stack. The address is computed from its
 * hidden form inside the asm, and the register is restored there too, so the
 * compiler never sees it. r10 is free: ioctl() has three arguments.
 */
#define COLLECT_HOLDING(reg)							\
static long collect_holding_##reg(int fd, void *collect, uint64_t hidden,	\
				  uint64_t mask)				\
{										\
	register uint64_t r8 asm("r8") = hidden;				\
	register uint64_t r9 asm("r9") = mask;					\
	long ret;								\
										\
	asm volatile("mov %%" #reg ", %%r10\n\t"				\
		     "mov %%r8, %%" #reg "\n\t"				\
		     "xor %%r9, %%" #reg "\n\t"				\
		     "xor %%r9d, %%r9d\n\t"					\
		     "syscall\n\t"						\
		     "mov %%r10, %%" #reg					\
		     : "=a"(ret), "+r"(r9)					\
		     : "0"((long)SYS_ioctl), "D"((long)fd),			\
		       "S"((long)GCARENA_IOC_COLLECT), "d"(collect), "r"(r8)	\
		     : "rcx", "r10", "r11", "memory", "cc");			\
	return ret;								\
}

COLLECT_HOLDING(rbx)
COLLECT_HOLDING(rbp)
COLLECT_HOLDING(r12)
COLLECT_HOLDING(r13)
COLLECT_HOLDING(r14)
COLLECT_HOLDING(r15)

typedef long collect_fn(int fd, void *collect, uint64_t hidden, uint64_t mask);

/*
 * With the right mask the register holds an object, with mask 0 it holds the
 * hidden address: the same code, and the object goes.
 */
static void register_is_root(struct __test_metadata *_metadata, gca_arena *arena,
			     collect_fn *collect_holding)
{
	struct gcarena_collect args = { .size = sizeof(args) };
	uint64_t hidden[BATCH];
	int i, gone = 0;

	for (i = 0; i < 8; i++) {
		make_batch(arena, hidden);
		gca_flush();
		scrub_stack();
		ASSERT_EQ(0, collect_holding(gca_fd(arena), &args, hidden[i], HIDE_MASK));
		EXPECT_TRUE(is_object(hidden[i]));
		EXPECT_GE(1 + STRAYS, count_objects(hidden, BATCH));
		scrub_stack();
		ASSERT_EQ(0, collect_holding(gca_fd(arena), &args, hidden[i], 0));
		gone += !is_object(hidden[i]);
	}
	EXPECT_LE(7, gone);
}

TEST_F(automatic, register_rbx)
{
	register_is_root(_metadata, self->arena, collect_holding_rbx);
}

TEST_F(automatic, register_rbp)
{
	register_is_root(_metadata, self->arena, collect_holding_rbp);
}

TEST_F(automatic, register_r12)
{
	register_is_root(_metadata, self->arena, collect_holding_r12);
}

TEST_F(automatic, register_r13)
{
	register_is_root(_metadata, self->arena, collect_holding_r13);
}

TEST_F(automatic, register_r14)
{
	register_is_root(_metadata, self->arena, collect_holding_r14);
}

TEST_F(automatic, register_r15)
{
	register_is_root(_metadata, self->arena, collect_holding_r15);
}
#endif

/* ---- Other stacks -------------------------------------------------------------- */

#define STACK_SIZE	(256UL << 10)

static struct {
	gca_arena *arena;
	int err;
	uint64_t own[BATCH];	/* held by the other stack's frame */
	int own_intact;
	ucontext_t main, other;
} crossing;

/* Runs on the other stack, whose frame holds a batch as well. */
static noinline void collect_over_there(void)
{
	struct place place;

	make_batch(crossing.arena, crossing.own);
	reveal_into(&place, crossing.own);
	crossing.err = collect(crossing.arena);
	crossing.own_intact = count_intact(crossing.own);
	clear_place(&place);
}

static void coroutine(void)
{
	collect_over_there();
	swapcontext(&crossing.other, &crossing.main);
}

static void *map_stack(struct __test_metadata *_metadata)
{
	void *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	ASSERT_NE(MAP_FAILED, stack);
	return stack;
}

TEST_F(automatic, main_stack_while_in_a_coroutine)
{
	void *stack = map_stack(_metadata);
	struct place place;
	uint64_t hidden[BATCH];

	crossing.arena = self->arena;
	make_batch(self->arena, hidden);
	reveal_into(&place, hidden);
	ASSERT_EQ(0, getcontext(&crossing.other));
	crossing.other.uc_stack.ss_sp = stack;
	crossing.other.uc_stack.ss_size = STACK_SIZE;
	makecontext(&crossing.other, coroutine, 0);
	ASSERT_EQ(0, swapcontext(&crossing.main, &crossing.other));
	EXPECT_EQ(0, crossing.err);
	EXPECT_EQ(BATCH, crossing.own_intact);
	EXPECT_EQ(BATCH, count_intact(hidden));
	clear_place(&place);
	ASSERT_EQ(0, collect(self->arena));
	EXPECT_GE(STRAYS, count_objects(hidden, BATCH));
	munmap(stack, STACK_SIZE);
}

static void on_signal(int signal)
{
	(void)signal;
	collect_over_there();
}

TEST_F(automatic, main_stack_while_on_a_signal_stack)
{
	struct place place;
	uint64_t hidden[BATCH];
	stack_t stack = { .ss_sp = map_stack(_metadata), .ss_size = STACK_SIZE };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };

	crossing.arena = self->arena;
	ASSERT_EQ(0, sigaltstack(&stack, NULL));
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	make_batch(self->arena, hidden);
	reveal_into(&place, hidden);
	ASSERT_EQ(0, raise(SIGUSR1));
	EXPECT_EQ(0, crossing.err);
	EXPECT_EQ(BATCH, crossing.own_intact);
	EXPECT_EQ(BATCH, count_intact(hidden));
	clear_place(&place);
	ASSERT_EQ(0, collect(self->arena));
	EXPECT_GE(STRAYS, count_objects(hidden, BATCH));
}

/* A signal frame on the main stack holds the registers of what it interrupted. */
TEST_F(automatic, main_stack_in_a_signal_handler)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct place place;
	uint64_t hidden[BATCH];

	crossing.arena = self->arena;
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	make_batch(self->arena, hidden);
	reveal_into(&place, hidden);
	ASSERT_EQ(0, raise(SIGUSR1));
	EXPECT_EQ(0, crossing.err);
	EXPECT_EQ(BATCH, crossing.own_intact);
	EXPECT_EQ(BATCH, count_intact(hidden));
}

/*
 * A process forked by a thread: its only thread's stack and TLS are not where the
 * process began. Failures are exit codes, since the harness is the parent's.
 */
static int check_in_forked_thread(void)
{
	gca_arena *arena = open_arena(GCA_ROOTS_AUTO, GCA_GC_PERCENT_OFF, 0);
	struct place place;
	uint64_t hidden[BATCH], tls[BATCH];

	if (!arena)
		return 10;
	make_batch(arena, hidden);
	reveal_into(&place, hidden);
	make_batch(arena, tls);
	reveal_into(&tls_place, tls);
	if (collect(arena))
		return 11;
	if (count_intact(hidden) != BATCH)
		return 12;
	if (count_intact(tls) != BATCH)
		return 13;
	clear_place(&place);
	clear_place(&tls_place);
	if (collect(arena))
		return 14;
	return count_objects(hidden, BATCH) > STRAYS || count_objects(tls, BATCH) > STRAYS ?
	       15 : 0;
}

static void *fork_and_check(void *arg)
{
	pid_t child = fork();

	if (child == 0)
		_exit(check_in_forked_thread());
	*(int *)arg = raw_reap(child);
	return NULL;
}

TEST(process_forked_by_a_thread)
{
	pthread_t thread;
	int status = -1;

	ASSERT_EQ(0, pthread_create(&thread, NULL, fork_and_check, &status));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, status);
}

/* ---- Explicit roots -------------------------------------------------------------- */

#define NR_ROOTS	4096

FIXTURE(precise)
{
	gca_arena *arena;
	void **roots;
};

FIXTURE_SETUP(precise)
{
	self->arena = open_arena(GCA_ROOTS_EXPLICIT, GCA_GC_PERCENT_OFF, 0);
	ASSERT_NE(NULL, self->arena) {
		TH_LOG("gca_open: %s", gca_strerror(errno));
	}
	self->roots = calloc(NR_ROOTS, sizeof(void *));
	ASSERT_NE(NULL, self->roots);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, self->roots, NR_ROOTS * sizeof(void *)));
}

FIXTURE_TEARDOWN(precise)
{
	EXPECT_EQ(0, gca_close(self->arena));
	free(self->roots);
}

TEST_F(precise, only_added_ranges_count)
{
	struct place local;
	uint64_t hidden[BATCH];

	make_batch(self->arena, hidden);
	reveal_into(&local, hidden);
	reveal_into(&data_place, hidden);
	reveal_into(&bss_place, hidden);
	reveal_into(&tls_place, hidden);
	self->roots[7] = local.word[0];
	EXPECT_EQ(1, collect_count(self->arena));
	EXPECT_TRUE(is_object(hidden[0]));
	self->roots[7] = NULL;
	EXPECT_EQ(0, collect_count(self->arena));
}

/* The first and the last word of a range, and no word beside it. */
TEST_F(precise, range_bounds)
{
	void **buffer = calloc(64, sizeof(*buffer));
	int i;

	ASSERT_NE(NULL, buffer);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, buffer + 16, 32 * sizeof(*buffer)));
	for (i = 0; i < 64; i++) {
		buffer[i] = gca_alloc_in(self->arena, 32);
		ASSERT_NE(NULL, buffer[i]);
	}
	ASSERT_EQ(32, collect_count(self->arena));
	for (i = 0; i < 64; i++)
		EXPECT_EQ(i >= 16 && i < 48, is_object(hide(buffer[i])));
	ASSERT_EQ(0, gca_roots_remove_in(self->arena, buffer + 16, 32 * sizeof(*buffer)));
	ASSERT_EQ(0, collect_count(self->arena));
	free(buffer);
}

/* Of a range with odd bounds those words count that lie whole inside. */
TEST_F(precise, range_with_odd_bounds)
{
	void **buffer = calloc(8, sizeof(*buffer));
	char *start = (char *)(buffer + 2) + 1;
	int i;

	ASSERT_NE(NULL, buffer);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, start, 3 * sizeof(*buffer)));
	for (i = 0; i < 8; i++)
		buffer[i] = gca_alloc_in(self->arena, 32);
	ASSERT_EQ(2, collect_count(self->arena));
	EXPECT_TRUE(is_object(hide(buffer[3])));
	EXPECT_TRUE(is_object(hide(buffer[4])));
	ASSERT_EQ(0, gca_roots_remove_in(self->arena, start, 3 * sizeof(*buffer)));
	/* Too short to hold a word. */
	ASSERT_EQ(0, gca_roots_add_in(self->arena, start, 14));
	ASSERT_EQ(0, collect_count(self->arena));
	free(buffer);
}

TEST_F(precise, range_added_twice)
{
	void **buffer = calloc(8, sizeof(*buffer));
	size_t length = 8 * sizeof(*buffer);

	ASSERT_NE(NULL, buffer);
	EXPECT_EQ(-ENOENT, gca_roots_remove_in(self->arena, buffer, length));
	ASSERT_EQ(0, gca_roots_add_in(self->arena, buffer, length));
	ASSERT_EQ(0, gca_roots_add_in(self->arena, buffer, length));
	/* One that overlaps is another range. */
	ASSERT_EQ(0, gca_roots_add_in(self->arena, buffer + 2, length - 16));
	buffer[3] = gca_alloc_in(self->arena, 32);
	ASSERT_EQ(1, collect_count(self->arena));
	ASSERT_EQ(0, gca_roots_remove_in(self->arena, buffer, length));
	ASSERT_EQ(1, collect_count(self->arena));
	ASSERT_EQ(0, gca_roots_remove_in(self->arena, buffer + 2, length - 16));
	ASSERT_EQ(1, collect_count(self->arena));
	EXPECT_EQ(-ENOENT, gca_roots_remove_in(self->arena, buffer, length - 8));
	ASSERT_EQ(0, gca_roots_remove_in(self->arena, buffer, length));
	EXPECT_EQ(-ENOENT, gca_roots_remove_in(self->arena, buffer, length));
	ASSERT_EQ(0, collect_count(self->arena));
	free(buffer);
}

TEST_F(precise, many_ranges)
{
	enum { NR = 3000 };
	void **buffer = calloc(NR, 16);
	int i;

	ASSERT_NE(NULL, buffer);
	for (i = 0; i < NR; i++) {
		buffer[2 * i] = gca_alloc_in(self->arena, 16);
		buffer[2 * i + 1] = gca_alloc_in(self->arena, 16);
		ASSERT_EQ(0, gca_roots_add_in(self->arena, buffer + 2 * i, 8));
	}
	ASSERT_EQ(NR, collect_count(self->arena));
	for (i = 0; i < NR; i += 3)
		ASSERT_EQ(0, gca_roots_remove_in(self->arena, buffer + 2 * i, 8));
	ASSERT_EQ(NR - NR / 3, collect_count(self->arena));
	free(buffer);
}

TEST_F(precise, bad_ranges)
{
	EXPECT_EQ(-EINVAL, gca_roots_add_in(self->arena, self->roots, 0));
	EXPECT_EQ(-EINVAL, gca_roots_add_in(self->arena, self->roots, SIZE_MAX));
	EXPECT_EQ(-EINVAL, gca_roots_add_in(self->arena, (void *)-4096L, 8192));
	EXPECT_EQ(-EINVAL, gca_roots_add_in(self->arena, (void *)(1UL << 63), 4096));
	EXPECT_EQ(0, collect_count(self->arena));
}

/* What cannot be read may hold anything: nothing at all may be freed. */
static void check_unreadable(struct __test_metadata *_metadata, FIXTURE_DATA(precise) *self,
			     char *range, size_t length)
{
	struct gca_collection result = { .size = sizeof(result) };
	struct gca_stats before = { .size = sizeof(before) }, after = { .size = sizeof(after) };
	uint64_t hidden[BATCH];

	make_batch(self->arena, hidden);
	self->roots[0] = reveal(hidden[0]);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, range, length));
	ASSERT_EQ(0, gca_read_stats_in(self->arena, &before));
	ASSERT_EQ(-EFAULT, collect_exactly(self->arena, &result));
	EXPECT_EQ(BATCH, count_intact(hidden));
	ASSERT_EQ(0, gca_read_stats_in(self->arena, &after));
	EXPECT_EQ(before.heap_objects, after.heap_objects);
	EXPECT_EQ(before.num_aborted_gc + 1, after.num_aborted_gc);
	EXPECT_EQ(before.num_gc, after.num_gc);
	/* The heap is as usable as before. */
	self->roots[1] = gca_alloc_in(self->arena, 100);
	ASSERT_NE(NULL, self->roots[1]);
	ASSERT_EQ(0, gca_roots_remove_in(self->arena, range, length));
	EXPECT_EQ(2, collect_count(self->arena));
	EXPECT_TRUE(is_object(hidden[0]));
	memset(self->roots, 0, 2 * sizeof(void *));
	EXPECT_EQ(0, collect_count(self->arena));
}

TEST_F(precise, unreadable_range)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *range = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	ASSERT_NE(MAP_FAILED, range);
	ASSERT_EQ(0, mprotect(range + page, page, PROT_NONE));
	check_unreadable(_metadata, self, range, 3 * page);
	check_unreadable(_metadata, self, range + page, 8);
	ASSERT_EQ(0, munmap(range + page, page));
	check_unreadable(_metadata, self, range + page - 8, 16);
	/* Pages never touched read as zero: that is no error. */
	ASSERT_EQ(0, gca_roots_add_in(self->arena, range + 2 * page, page));
	EXPECT_EQ(0, collect_count(self->arena));
}

/* ---- Which words are pointers --------------------------------------------------- */

/* For every word of a conservative object of @size: pointers in all, in some. */
static void check_conservative(struct __test_metadata *_metadata, FIXTURE_DATA(precise) *self,
			       size_t size)
{
	size_t i, nr = size / 8, half = 0;
	void **parent = gca_alloc_in(self->arena, size);

	ASSERT_NE(NULL, parent);
	self->roots[0] = parent;
	for (i = 0; i < nr; i++) {
		parent[i] = gca_alloc_noscan_in(self->arena, 16);
		ASSERT_NE(NULL, parent[i]);
	}
	ASSERT_EQ(1 + nr, collect_count(self->arena));
	/* Leave those words that a stride or a bitmap might miss. */
	for (i = 0; i < nr; i++) {
		if (i % 64 == 63 || i % 1024 == 0 || i == nr - 1 || i % 7 == 3)
			half++;
		else
			parent[i] = NULL;
	}
	ASSERT_EQ(1 + half, collect_count(self->arena));
	for (i = 0; i < nr; i++)
		if (parent[i])
			ASSERT_TRUE(is_object(hide(parent[i])));
	memset(parent, 0, nr * 8);
	ASSERT_EQ(1, collect_count(self->arena));
	self->roots[0] = NULL;
	ASSERT_EQ(0, collect_count(self->arena));
}

TEST_F_TIMEOUT(precise, every_word_of_conservative_objects, 120)
{
	static const size_t sizes[] = {
		8, 16, 24, 64, 512, 4096, 8192, 32768, 32776, 40000, 2 * MIB + 40000,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		check_conservative(_metadata, self, sizes[i]);
}

/* One word at a time, to the end of the slot. */
TEST_F_TIMEOUT(precise, each_word_alone, 60)
{
	static const size_t sizes[] = { 16, 48, 112, 1024 };
	size_t i, word;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		void **parent = gca_alloc_in(self->arena, sizes[i]);

		self->roots[0] = parent;
		for (word = 0; word < sizes[i] / 8; word++) {
			parent[word] = gca_alloc_in(self->arena, 64);
			ASSERT_EQ(2, collect_count(self->arena)) {
				TH_LOG("%zu bytes, word %zu", sizes[i], word);
			}
			parent[word] = NULL;
		}
	}
}

TEST_F(precise, interior_pointers)
{
	static const size_t sizes[] = { 16, 48, 1000, 4096, 32768, 32769, 3 * MIB };
	size_t i, at, step;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		char *p = gca_alloc_in(self->arena, sizes[i]);

		step = sizes[i] / 29 | 1;
		for (at = 0; at < sizes[i]; at += step) {
			self->roots[0] = p + at;
			ASSERT_EQ(1, collect_count(self->arena)) {
				TH_LOG("%zu bytes, at %zu", sizes[i], at);
			}
		}
		self->roots[0] = p + sizes[i] - 1;
		ASSERT_EQ(1, collect_count(self->arena));
		self->roots[0] = NULL;
		ASSERT_EQ(0, collect_count(self->arena));
	}
}

/*
 * One past the end is where the neighbour begins: that one lives, and the
 * object itself need not. Whatever happens, no neighbour comes to life twice.
 */
TEST_F(precise, one_past_the_end)
{
	enum { NR = 64 };
	char *p[NR];
	uint64_t live;
	int i;

	for (i = 0; i < NR; i++)
		p[i] = gca_alloc_in(self->arena, 64);
	for (i = 0; i < NR; i++)
		self->roots[i] = p[i] + 64;
	live = collect_count(self->arena);
	EXPECT_GE(NR, live);
	for (i = 0; i + 1 < NR; i++)
		if (p[i + 1] == p[i] + 64)
			EXPECT_TRUE(is_object(hide(p[i + 1])));
}

/* Pointers into the arena to where nothing is, and near misses of the arena. */
TEST_F(precise, pointers_to_nothing)
{
	uint64_t length, at;
	char *base = gca_base(self->arena, &length);
	char *p = gca_alloc_in(self->arena, 64), *large = gca_alloc_in(self->arena, MIB);
	size_t i = 0;

	ASSERT_EQ(0, gca_free(large));
	self->roots[i++] = large + 100;
	self->roots[i++] = base - 1;
	self->roots[i++] = base - 8;
	self->roots[i++] = base + length;
	self->roots[i++] = base + length - 1;
	self->roots[i++] = (void *)-1L;
	self->roots[i++] = (void *)1L;
	self->roots[i++] = (void *)(1UL << 63 | (uintptr_t)p);
	self->roots[i++] = (void *)(1UL << 56 | (uintptr_t)p);
	for (at = MIB; at < length; at = at * 2 + 12345)
		self->roots[i++] = base + at;
	ASSERT_GE(NR_ROOTS, i);
	EXPECT_EQ(0, collect_count(self->arena));
}

TEST_F(precise, unaligned_words_do_not_count)
{
	char *buffer = (char *)self->roots, *parent = gca_alloc_in(self->arena, 1024);
	void *p;
	int at;

	for (at = 1; at < 8; at++) {
		p = gca_alloc_in(self->arena, 64);
		memset(buffer, 0, 24);
		memcpy(buffer + at, &p, sizeof(p));
		ASSERT_EQ(0, collect_count(self->arena)) {
			TH_LOG("at %d", at);
		}
	}
	memset(buffer, 0, 24);
	/* In objects as in roots; the last word is half past the end. */
	parent = gca_alloc_in(self->arena, 1024);
	self->roots[0] = parent;
	for (at = 1; at < 8; at++) {
		p = gca_alloc_in(self->arena, 64);
		memset(parent, 0, 1024);
		memcpy(parent + 504 + at, &p, sizeof(p));
		ASSERT_EQ(1, collect_count(self->arena));
	}
}

TEST_F(precise, noscan_is_not_read)
{
	static const size_t sizes[] = { 16, 64, 1000, 8192, 32768, 40000, 3 * MIB };
	size_t i, word;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		void **parent = gca_alloc_noscan_in(self->arena, sizes[i]);

		self->roots[0] = parent;
		for (word = 0; word < sizes[i] / 8; word += sizes[i] > 4096 ? 16 : 1)
			parent[word] = gca_alloc_in(self->arena, 16);
		ASSERT_EQ(1, collect_count(self->arena)) {
			TH_LOG("%zu bytes", sizes[i]);
		}
	}
}

/* ---- Types ----------------------------------------------------------------------- */

struct record {
	void *a;
	long number;
	void *b[3];
	long more;
	void *c;
};

/* 1 for each word that struct record's type declares. */
static const bool record_words[] = { 1, 0, 1, 1, 1, 0, 1 };

static size_t fill_with_children(gca_arena *arena, void **words, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		words[i] = gca_alloc_noscan_in(arena, 16);
		if (!words[i])
			break;
	}
	return i;
}

/* Every word of @words holds a child; those with a bit in @map live. */
static void expect_declared(struct __test_metadata *_metadata, void **words, size_t nr,
			    const bool *map, size_t period)
{
	size_t i;

	for (i = 0; i < nr; i++)
		ASSERT_EQ(map[i % period], is_object(hide(words[i]))) {
			TH_LOG("word %zu of element %zu", i % period, i / period);
		}
}

TEST_F(precise, typed_object)
{
	gca_type *type = GCA_TYPE_IN(self->arena, struct record, a, b, c);
	void **words = gca_new(type);

	ASSERT_NE(NULL, type);
	self->roots[0] = words;
	ASSERT_EQ(7, fill_with_children(self->arena, words, 7));
	ASSERT_EQ(1 + 5, collect_count(self->arena));
	expect_declared(_metadata, words, 7, record_words, 7);
}

TEST_F(precise, typed_arrays)
{
	gca_type *type = GCA_TYPE_IN(self->arena, struct record, a, b, c);
	size_t n, period = ARRAY_SIZE(record_words);

	ASSERT_NE(NULL, type);
	for (n = 1; n < 2000; n = n * 3 / 2 + 1) {
		void **words = gca_make(type, n);

		ASSERT_NE(NULL, words);
		self->roots[0] = words;
		ASSERT_EQ(n * period, fill_with_children(self->arena, words, n * period));
		ASSERT_EQ(1 + 5 * n, collect_count(self->arena)) {
			TH_LOG("%zu elements", n);
		}
		expect_declared(_metadata, words, n * period, record_words, period);
	}
}

TEST_F(precise, typed_without_pointers)
{
	gca_type *type = GCA_TYPE_NOSCAN_IN(self->arena, struct record);
	void **words = gca_make(type, 100);

	ASSERT_NE(NULL, words);
	self->roots[0] = words;
	fill_with_children(self->arena, words, 700);
	EXPECT_EQ(1, collect_count(self->arena));
}

/* Bitmaps of more than one 64-bit word: 125 words, 8 of them pointers. */
static const size_t far_words[] = { 0, 1, 62, 63, 64, 65, 100, 124 };

static gca_type *define_far_type(gca_arena *arena, bool *map)
{
	uint64_t bits[2] = { 0, 0 };
	size_t i;

	memset(map, 0, 125);
	for (i = 0; i < ARRAY_SIZE(far_words); i++) {
		bits[far_words[i] / 64] |= 1ULL << far_words[i] % 64;
		map[far_words[i]] = true;
	}
	return gca_type_from_bitmap_in(arena, "far", 1000, bits);
}

/* In slots, where the pattern starts at each object and ends before the slot does. */
TEST_F(precise, long_elements_in_slots)
{
	bool map[125];
	gca_type *type = define_far_type(self->arena, map);
	size_t n, each = ARRAY_SIZE(far_words);

	ASSERT_NE(NULL, type);
	for (n = 1; n <= 32; n++) {
		void **first = gca_make(type, n), **second = gca_make(type, n);

		ASSERT_NE(NULL, first);
		ASSERT_NE(NULL, second);
		self->roots[0] = first;
		self->roots[1] = second;
		ASSERT_EQ(n * 125, fill_with_children(self->arena, first, n * 125));
		ASSERT_EQ(n * 125, fill_with_children(self->arena, second, n * 125));
		ASSERT_EQ(2 + 2 * each * n, collect_count(self->arena)) {
			TH_LOG("%zu elements", n);
		}
		expect_declared(_metadata, first, n * 125, map, 125);
		expect_declared(_metadata, second, n * 125, map, 125);
	}
}

/*
 * Arrays that cross chunk boundaries with elements that do not divide a chunk, a
 * block or a page: where the pattern is cut it must go on in the right place.
 */
static void check_large_array(struct __test_metadata *_metadata, FIXTURE_DATA(precise) *self,
			      gca_type *type, const bool *map, size_t period)
{
	size_t n = (2 * MIB + 500000) / 8 / period, nr = n * period, i, declared = 0;
	void **words = gca_make(type, n);

	ASSERT_NE(NULL, words);
	self->roots[0] = words;
	ASSERT_EQ(nr, fill_with_children(self->arena, words, nr));
	for (i = 0; i < period; i++)
		declared += map[i];
	ASSERT_EQ(1 + declared * n, collect_count(self->arena));
	expect_declared(_metadata, words, nr, map, period);
	/* Overwritten children are gone; what is left is the array. */
	memset(words, 0, nr * 8);
	ASSERT_EQ(1, collect_count(self->arena));
	self->roots[0] = NULL;
	ASSERT_EQ(0, collect_count(self->arena));
}

TEST_F_TIMEOUT(precise, large_arrays_of_24, 60)
{
	static const bool map[] = { 0, 1, 0 };
	uint64_t bits = 0x2;

	check_large_array(_metadata, self,
			  gca_type_from_bitmap_in(self->arena, "t24", 24, &bits), map, 3);
}

TEST_F_TIMEOUT(precise, large_arrays_of_40, 60)
{
	static const bool map[] = { 1, 0, 0, 1, 0 };
	uint64_t bits = 0x9;

	check_large_array(_metadata, self,
			  gca_type_from_bitmap_in(self->arena, "t40", 40, &bits), map, 5);
}

TEST_F_TIMEOUT(precise, large_arrays_of_72, 60)
{
	static const bool map[] = { 0, 0, 0, 1, 1, 1, 0, 0, 1 };
	uint64_t bits = 0x138;

	check_large_array(_metadata, self,
			  gca_type_from_bitmap_in(self->arena, "t72", 72, &bits), map, 9);
}

TEST_F_TIMEOUT(precise, large_arrays_of_1000, 60)
{
	bool map[125];
	gca_type *type = define_far_type(self->arena, map);

	ASSERT_NE(NULL, type);
	check_large_array(_metadata, self, type, map, 125);
}

/* An element larger than a chunk's worth of pages, with pointers at its ends. */
TEST_F_TIMEOUT(precise, large_elements, 60)
{
	enum { WORDS = 100003, BYTES = WORDS * 8 };
	uint64_t *bits = calloc(WORDS / 64 + 1, 8);
	size_t i, n = 7;
	gca_type *type;
	void **words;

	bits[0] = 1;
	bits[(WORDS - 1) / 64] |= 1ULL << (WORDS - 1) % 64;
	type = gca_type_from_bitmap_in(self->arena, "huge", BYTES, bits);
	ASSERT_NE(NULL, type);
	words = gca_make(type, n);
	ASSERT_NE(NULL, words);
	self->roots[0] = words;
	for (i = 0; i < n * WORDS; i++)
		if (i % WORDS < 3 || i % WORDS > WORDS - 4)
			words[i] = gca_alloc_in(self->arena, 16);
	EXPECT_EQ(1 + 2 * n, collect_count(self->arena));
	for (i = 0; i < n; i++) {
		EXPECT_TRUE(is_object(hide(words[i * WORDS])));
		EXPECT_TRUE(is_object(hide(words[i * WORDS + WORDS - 1])));
	}
	free(bits);
}

TEST_HARNESS_MAIN
