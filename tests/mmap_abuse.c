// SPDX-License-Identifier: GPL-2.0
/*
 * What a program can do to a mapping, and with several processes and threads: each
 * call that would break the rule "the whole arena, shared, at one base" is refused,
 * and after each refusal, fork, exec, exit and kill the arena is as good as before.
 *
 * Processes and threads are ordered by pipes. Children die with their parent, so that
 * a failed assertion leaves nobody behind who maps an arena.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "kselftest_harness.h"
#include "lib/rawarena.h"

#define PAGE		4096ULL
#define ARENA_RESERVE	(128 * RAW_MIB)
#define NOSCAN		GCARENA_LAYOUT_NOSCAN
#define PATTERN		0x1122334455667788ULL
#define RW		(PROT_READ | PROT_WRITE)

static __u64 roots[64];

static void *to_ptr(__u64 addr)
{
	return (void *)(uintptr_t)addr;
}

static __u64 *words_at(__u64 addr)
{
	return to_ptr(addr);
}

/* mmap() with -errno for an answer; @got may be NULL. */
static int try_mmap(void *addr, size_t bytes, int prot, int flags, int fd, off_t offset,
		    __u64 *got)
{
	void *p = mmap(addr, bytes, prot, flags, fd, offset);

	if (p == MAP_FAILED)
		return -errno;
	if (got)
		*got = (__u64)(uintptr_t)p;
	return 0;
}

/* ---- exec: this program again, with other work ----------------------------- */

#define EXECED_WORD	"--execed"

/* What a program finds that was exec'ed with an arena's descriptor open. */
static int execed(int fd)
{
	struct rawarena arena = { .fd = fd, .reserve = ARENA_RESERVE };
	struct gcarena_stats stats;
	struct gcarena_info info;
	struct gcarena_span span;

	if (raw_refill(fd, 1, NOSCAN, &span, 1) != -ENXIO)
		return 1;
	if (raw_info(fd, &info) || !info.base)
		return 2;
	if (rawarena_map(&arena))
		return 3;
	if (arena.base != info.base)
		return 4;
	/* Nothing was freed on the way; no root and no span has come along. */
	if (raw_object(fd, info.base, NULL))
		return 5;
	if (raw_collect(fd, 0, NULL))
		return 6;
	if (raw_stats(fd, &stats) || stats.owned_spans || stats.heap_objects)
		return 7;
	return raw_refill(fd, 1, NOSCAN, &span, 1) == 1 ? 0 : 8;
}

static void __attribute__((constructor)) prelude(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], EXECED_WORD))
		_exit(execed(atoi(argv[2])));
	raw_need_device();
}

/* ---- The fixture ----------------------------------------------------------- */

FIXTURE(map) {
	struct rawarena arena;
	int fd;
	__u64 object;	/* PATTERN in its first word; rooted; 1 MiB long */
	struct gcarena_span held;
};

/* What goes with the mapping, and has to be had again with a new one. */
static void join(struct __test_metadata *_metadata, FIXTURE_DATA(map) * self)
{
	ASSERT_EQ(0, raw_roots_add(self->fd, roots, sizeof(roots)));
	ASSERT_EQ(1, raw_refill(self->fd, 8, NOSCAN, &self->held, 1));
}

FIXTURE_SETUP(map)
{
	memset(roots, 0, sizeof(roots));
	ASSERT_EQ(0, rawarena_open(&self->arena, ARENA_RESERVE,
				   GCARENA_ROOTS_EXPLICIT));
	self->fd = self->arena.fd;
	ASSERT_EQ(0, raw_alloc(self->fd, NOSCAN, RAW_MIB, &self->object));
	*words_at(self->object) = PATTERN;
	roots[0] = self->object;
	join(_metadata, self);
}

FIXTURE_TEARDOWN(map)
{
	rawarena_close(&self->arena);
}

/* All that a mapping is good for still works, and what we have is still ours. */
static void expect_alive(struct __test_metadata *_metadata, FIXTURE_DATA(map) * self)
{
	struct gcarena_object object;
	struct gcarena_span span;

	EXPECT_EQ(PATTERN, *words_at(self->object));
	EXPECT_EQ(0, raw_object(self->fd, self->object, NULL));
	ASSERT_EQ(1, raw_refill(self->fd, 1, NOSCAN, &span, 1));
	*words_at(span.base) = 1;
	EXPECT_EQ(0, raw_release(self->fd, &span, 1));
	EXPECT_EQ(0, raw_collect(self->fd, 0, NULL));
	EXPECT_EQ(0, raw_object(self->fd, self->object, NULL));
	EXPECT_EQ(PATTERN, *words_at(self->object));
	EXPECT_EQ(0, raw_object(self->fd, self->held.base, &object));
	EXPECT_EQ(GCARENA_OBJECT_OWNED, object.state & GCARENA_OBJECT_OWNED);
}

/* ---- mmap ------------------------------------------------------------------ */

TEST_F(map, wrong_requests_are_refused)
{
	static const struct {
		const char *what;
		size_t bytes;
		int prot, flags;
		off_t offset;
	} rows[] = {
		{ "offset of a page", ARENA_RESERVE, RW, MAP_SHARED, PAGE },
		{ "offset of a chunk", ARENA_RESERVE, RW, MAP_SHARED,
		  GCARENA_CHUNK_SIZE },
		{ "the second half", ARENA_RESERVE / 2, RW, MAP_SHARED,
		  ARENA_RESERVE / 2 },
		{ "one page", PAGE, RW, MAP_SHARED, 0 },
		{ "one chunk", GCARENA_CHUNK_SIZE, RW, MAP_SHARED, 0 },
		{ "a page short", ARENA_RESERVE - PAGE, RW, MAP_SHARED, 0 },
		{ "a page long", ARENA_RESERVE + PAGE, RW, MAP_SHARED, 0 },
		{ "twice as long", ARENA_RESERVE * 2, RW, MAP_SHARED, 0 },
		{ "private", ARENA_RESERVE, RW, MAP_PRIVATE, 0 },
		{ "private, to read", ARENA_RESERVE, PROT_READ, MAP_PRIVATE, 0 },
	};
	struct rawarena fresh;
	size_t i;
	int ret;

	ASSERT_EQ(0, rawarena_create(&fresh, ARENA_RESERVE, 0));
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ret = try_mmap(NULL, rows[i].bytes, rows[i].prot, rows[i].flags,
			       fresh.fd, rows[i].offset, NULL);
		EXPECT_TRUE(ret == -EINVAL || ret == -EACCES) {
			TH_LOG("%s: %d", rows[i].what, ret);
		}
	}
	EXPECT_EQ(0, rawarena_map(&fresh));
	rawarena_close(&fresh);
}

/* A descriptor to read with is no way to a mapping that the collector may trust. */
TEST_F(map, read_only_descriptor)
{
	int fd = open(RAW_DEVICE, O_RDONLY);
	struct gcarena_info info;

	if (fd < 0)
		SKIP(return, "the device cannot be opened to read only");
	ASSERT_EQ(0, raw_info(fd, &info));
	EXPECT_NE(0, try_mmap(NULL, info.reserve, RW, MAP_SHARED, fd, 0, NULL));
	EXPECT_NE(0, try_mmap(NULL, info.reserve, PROT_READ, MAP_SHARED, fd, 0, NULL));
	close(fd);
}

static sigjmp_buf after_signal;
static atomic_int caught;

static void on_signal(int sig)
{
	caught = sig;
	siglongjmp(after_signal, 1);
}

/* The signal that touching @addr raises, or 0. */
static int touch(__u64 addr, bool write)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	caught = 0;
	if (!sigsetjmp(after_signal, 1)) {
		if (write)
			__atomic_store_n((char *)to_ptr(addr), 1, __ATOMIC_SEQ_CST);
		else
			__atomic_load_n((char *)to_ptr(addr), __ATOMIC_SEQ_CST);
	}
	signal(SIGBUS, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	return caught;
}

/* Granted or not, it must not upset the module; what is granted must hold. */
TEST_F(map, protection_read_only)
{
	struct rawarena fresh;
	struct gcarena_span span;
	int ret;

	ASSERT_EQ(0, rawarena_create(&fresh, ARENA_RESERVE, GCARENA_ROOTS_EXPLICIT));
	ret = try_mmap(NULL, ARENA_RESERVE, PROT_READ, MAP_SHARED, fresh.fd, 0,
		       &fresh.base);
	TH_LOG("mmap(PROT_READ) gives %d", ret);
	if (ret) {
		close(fresh.fd);
		return;
	}
	ASSERT_EQ(1, raw_refill(fresh.fd, 1, NOSCAN, &span, 1));
	EXPECT_EQ(0, touch(span.base, false));
	EXPECT_EQ(SIGSEGV, touch(span.base, true));
	ASSERT_EQ(0, mprotect(to_ptr(fresh.base), ARENA_RESERVE, RW));
	EXPECT_EQ(0, touch(span.base, true));
	rawarena_close(&fresh);
}

static int execute_at(__u64 base)
{
	int (*code)(int unused) = to_ptr(base);
	struct sigaction action = { .sa_handler = on_signal };

	*(unsigned char *)to_ptr(base) = 0xc3;	/* ret */
	sigaction(SIGSEGV, &action, NULL);
	caught = 0;
	if (!sigsetjmp(after_signal, 1))
		code(0);
	signal(SIGSEGV, SIG_DFL);
	return caught;
}

/* Executable from the start or never: mmap() and mprotect() say the same. */
TEST_F(map, protection_exec)
{
	struct rawarena fresh;
	struct gcarena_span span;
	int at_mmap, at_mprotect;

	at_mprotect = mprotect(to_ptr(self->arena.base), ARENA_RESERVE,
			       RW | PROT_EXEC) ? -errno : 0;
	ASSERT_EQ(0, rawarena_create(&fresh, ARENA_RESERVE, GCARENA_ROOTS_EXPLICIT));
	at_mmap = try_mmap(NULL, ARENA_RESERVE, RW | PROT_EXEC, MAP_SHARED, fresh.fd, 0,
			   &fresh.base);
	TH_LOG("mmap(PROT_EXEC) gives %d, mprotect(PROT_EXEC) %d", at_mmap, at_mprotect);
	EXPECT_EQ(!at_mprotect, !at_mmap);
	if (!at_mmap) {
		ASSERT_EQ(1, raw_refill(fresh.fd, 1, NOSCAN, &span, 1));
		TH_LOG("calling code there ends in signal %d", execute_at(span.base));
	}
	rawarena_close(&fresh);
}

TEST_F(map, second_mapping_in_one_process)
{
	__u64 elsewhere = 0;

	EXPECT_NE(0, try_mmap(NULL, ARENA_RESERVE, RW, MAP_SHARED, self->fd, 0, NULL));
	ASSERT_EQ(0, try_mmap(NULL, ARENA_RESERVE, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &elsewhere));
	EXPECT_NE(0, try_mmap(to_ptr(elsewhere), ARENA_RESERVE, RW,
			      MAP_SHARED | MAP_FIXED, self->fd, 0, NULL));
	expect_alive(_metadata, self);
}

/* Over itself: the old mapping goes, the new one may or may not come. */
TEST_F(map, mapping_over_itself)
{
	int ret = try_mmap(to_ptr(self->arena.base), ARENA_RESERVE, RW,
			   MAP_SHARED | MAP_FIXED, self->fd, 0, NULL);

	TH_LOG("mmap(MAP_FIXED) over itself gives %d", ret);
	if (ret)
		rawarena_map(&self->arena);
	/* The old mapping's root ranges went with it. */
	join(_metadata, self);
	expect_alive(_metadata, self);
}

/* A place that is no multiple of a chunk may be refused; if not, it must work. */
TEST_F(map, fixed_at_odd_page)
{
	struct rawarena fresh;
	struct gcarena_span span;
	__u64 hole = 0, at;
	int ret;

	ASSERT_EQ(0, rawarena_create(&fresh, ARENA_RESERVE, GCARENA_ROOTS_EXPLICIT));
	ASSERT_EQ(0, try_mmap(NULL, ARENA_RESERVE * 2, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &hole));
	at = (hole + GCARENA_CHUNK_SIZE) / GCARENA_CHUNK_SIZE * GCARENA_CHUNK_SIZE + PAGE;
	ret = try_mmap(to_ptr(at), ARENA_RESERVE, RW, MAP_SHARED | MAP_FIXED, fresh.fd,
		       0, &fresh.base);
	TH_LOG("mmap() at an odd page gives %d", ret);
	if (ret) {
		/* And has fixed no base. */
		ASSERT_EQ(0, rawarena_map(&fresh));
	}
	ASSERT_EQ(1, raw_refill(fresh.fd, 1, NOSCAN, &span, 1));
	EXPECT_EQ(0, touch(span.base, true));
	rawarena_close(&fresh);
	munmap(to_ptr(hole), ARENA_RESERVE * 2);
}

TEST_F(map, fixed_at_chunk)
{
	struct rawarena fresh;
	__u64 hole = 0, at;

	ASSERT_EQ(0, rawarena_create(&fresh, ARENA_RESERVE, GCARENA_ROOTS_EXPLICIT));
	ASSERT_EQ(0, try_mmap(NULL, ARENA_RESERVE * 2, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &hole));
	at = (hole + GCARENA_CHUNK_SIZE) / GCARENA_CHUNK_SIZE * GCARENA_CHUNK_SIZE;
	ASSERT_EQ(0, try_mmap(to_ptr(at), ARENA_RESERVE, RW, MAP_SHARED | MAP_FIXED,
			      fresh.fd, 0, &fresh.base));
	EXPECT_EQ(at, fresh.base);
	/* From now on the base is fixed, whatever the caller wishes. */
	ASSERT_EQ(0, rawarena_unmap(&fresh));
	EXPECT_NE(0, try_mmap(to_ptr(at + GCARENA_CHUNK_SIZE), ARENA_RESERVE, RW,
			      MAP_SHARED | MAP_FIXED, fresh.fd, 0, NULL));
	EXPECT_EQ(0, rawarena_map(&fresh));
	EXPECT_EQ(at, fresh.base);
	rawarena_close(&fresh);
}

TEST_F(map, remap_finds_base_and_contents)
{
	__u64 base = self->arena.base;
	int i;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, rawarena_unmap(&self->arena));
		EXPECT_EQ(SIGSEGV, touch(self->object, false));
		ASSERT_EQ(0, rawarena_map(&self->arena));
		ASSERT_EQ(base, self->arena.base);
		EXPECT_EQ(PATTERN, *words_at(self->object));
	}
	join(_metadata, self);
	expect_alive(_metadata, self);
}

/* A hint is a wish: the base comes first. */
TEST_F(map, remap_with_another_hint)
{
	__u64 hint = self->arena.base + 2 * ARENA_RESERVE, got = 0;

	ASSERT_EQ(0, rawarena_unmap(&self->arena));
	ASSERT_EQ(0, try_mmap(to_ptr(hint), ARENA_RESERVE, RW, MAP_SHARED, self->fd, 0,
			      &got));
	EXPECT_EQ(self->arena.base, got);
}

TEST_F(map, remap_where_something_else_is)
{
	__u64 last = self->arena.base + ARENA_RESERVE - PAGE;
	int ret;

	ASSERT_EQ(0, rawarena_unmap(&self->arena));
	ASSERT_EQ(0, try_mmap(to_ptr(last), PAGE, RW,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0, NULL));
	ret = try_mmap(NULL, ARENA_RESERVE, RW, MAP_SHARED, self->fd, 0, NULL);
	EXPECT_TRUE(ret == -EADDRINUSE || ret == -EEXIST || ret == -EBUSY)
		TH_LOG("got %d", ret);
	ASSERT_EQ(0, munmap(to_ptr(last), PAGE));
	ASSERT_EQ(0, rawarena_map(&self->arena));
	join(_metadata, self);
	expect_alive(_metadata, self);
}

/* ---- munmap, mprotect, mremap, madvise and their like ---------------------- */

/* Parts of the mapping, as offset and length. */
static const struct {
	__u64 offset, bytes;
} parts[] = {
	{ 0, PAGE },
	{ 0, GCARENA_CHUNK_SIZE },
	{ 0, ARENA_RESERVE - PAGE },
	{ PAGE, ARENA_RESERVE - PAGE },
	{ GCARENA_CHUNK_SIZE, PAGE },
	{ ARENA_RESERVE / 2, ARENA_RESERVE / 2 },
	{ ARENA_RESERVE - PAGE, PAGE },
};

TEST_F(map, partial_munmap_is_refused)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(parts); i++)
		EXPECT_NE(0, munmap(to_ptr(self->arena.base + parts[i].offset),
				    parts[i].bytes));
	expect_alive(_metadata, self);
}

/* Another mapping over a part is a munmap() of that part. */
TEST_F(map, partial_overlay_is_refused)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(parts); i++)
		EXPECT_NE(0, try_mmap(to_ptr(self->arena.base + parts[i].offset),
				      parts[i].bytes, RW,
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0,
				      NULL));
	expect_alive(_metadata, self);
}

/* Over the whole: as good as munmap(). */
TEST_F(map, overlay_of_the_whole)
{
	struct gcarena_span span;

	ASSERT_EQ(0, try_mmap(to_ptr(self->arena.base), ARENA_RESERVE, RW,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
			      -1, 0, NULL));
	EXPECT_EQ(-ENXIO, raw_refill(self->fd, 1, NOSCAN, &span, 1));
	EXPECT_EQ(-ENXIO, raw_collect(self->fd, 0, NULL));
	EXPECT_EQ(0ULL, *words_at(self->object));
	ASSERT_EQ(0, munmap(to_ptr(self->arena.base), ARENA_RESERVE));
	ASSERT_EQ(0, rawarena_map(&self->arena));
	join(_metadata, self);
	expect_alive(_metadata, self);
}

/* One munmap() that takes the arena and its neighbours on both sides with it. */
TEST_F(map, munmap_of_more_than_the_whole)
{
	struct gcarena_span span;

	ASSERT_EQ(0, munmap(to_ptr(self->arena.base - PAGE), ARENA_RESERVE + 2 * PAGE));
	EXPECT_EQ(-ENXIO, raw_refill(self->fd, 1, NOSCAN, &span, 1));
	ASSERT_EQ(0, rawarena_map(&self->arena));
	join(_metadata, self);
	expect_alive(_metadata, self);
}

TEST_F(map, partial_mprotect_is_refused)
{
	static const int prots[] = { PROT_NONE, PROT_READ, RW | PROT_EXEC };
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(parts); i++)
		for (j = 0; j < ARRAY_SIZE(prots); j++)
			EXPECT_NE(0, mprotect(to_ptr(self->arena.base +
						     parts[i].offset),
					      parts[i].bytes, prots[j]));
	expect_alive(_metadata, self);
}

TEST_F(map, mprotect_of_the_whole_and_back)
{
	static const int prots[] = { PROT_NONE, PROT_READ };
	void *base = to_ptr(self->arena.base);
	struct gcarena_span span;
	__u64 large;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(prots); i++) {
		ASSERT_EQ(0, mprotect(base, ARENA_RESERVE, prots[i]));
		EXPECT_EQ(SIGSEGV, touch(self->object, true));
		/* Not the kernel's business: it works behind the protection. */
		EXPECT_EQ(1, raw_refill(self->fd, 1, NOSCAN, &span, 1));
		EXPECT_EQ(0, raw_alloc(self->fd, NOSCAN, RAW_MIB, &large));
		EXPECT_EQ(0, raw_collect(self->fd, 0, NULL));
		EXPECT_EQ(SIGSEGV, touch(self->object, true));
		EXPECT_EQ(SIGSEGV, touch(span.base, true));
		EXPECT_EQ(SIGSEGV, touch(large, true));
		ASSERT_EQ(0, mprotect(base, ARENA_RESERVE, RW));
		EXPECT_EQ(0, touch(span.base, true));
	}
	expect_alive(_metadata, self);
}

TEST_F(map, mremap_is_refused)
{
	void *base = to_ptr(self->arena.base);
	__u64 to = 0;
	static const struct {
		const char *what;
		size_t from, to;
		int flags;
	} rows[] = {
		{ "grow", ARENA_RESERVE, ARENA_RESERVE * 2, 0 },
		{ "grow or move", ARENA_RESERVE, ARENA_RESERVE * 2, MREMAP_MAYMOVE },
		{ "shrink", ARENA_RESERVE, ARENA_RESERVE / 2, 0 },
		{ "shrink or move", ARENA_RESERVE, PAGE, MREMAP_MAYMOVE },
		{ "move", ARENA_RESERVE, ARENA_RESERVE, MREMAP_MAYMOVE | MREMAP_FIXED },
		{ "move a part", PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED },
		{ "a second one", 0, ARENA_RESERVE, MREMAP_MAYMOVE },
		{ "a second one there", 0, ARENA_RESERVE,
		  MREMAP_MAYMOVE | MREMAP_FIXED },
		{ "move and stay", ARENA_RESERVE, ARENA_RESERVE,
		  MREMAP_MAYMOVE | MREMAP_DONTUNMAP },
	};
	size_t i;

	ASSERT_EQ(0, try_mmap(NULL, ARENA_RESERVE * 2, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &to));
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		EXPECT_EQ(MAP_FAILED, mremap(base, rows[i].from, rows[i].to,
					     rows[i].flags, to_ptr(to))) {
			TH_LOG("%s", rows[i].what);
		}
	}
	expect_alive(_metadata, self);
}

/* The pages belong to the arena: what is dropped from page tables is found again. */
TEST_F(map, madvise_loses_nothing)
{
	static const int advice[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED,
		MADV_FREE, MADV_REMOVE, MADV_DONTFORK, MADV_DOFORK, MADV_MERGEABLE,
		MADV_UNMERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP,
		MADV_DODUMP, MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT,
		22 /* POPULATE_READ */, 23 /* POPULATE_WRITE */,
		24 /* DONTNEED_LOCKED */, 25 /* COLLAPSE */, 102 /* GUARD_INSTALL */,
		103 /* GUARD_REMOVE */,
	};
	__u64 base = self->arena.base;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		madvise(to_ptr(base), ARENA_RESERVE, advice[i]);
		EXPECT_EQ(PATTERN, *words_at(self->object)) {
			TH_LOG("advice %d", advice[i]);
		}
		for (j = 0; j < ARRAY_SIZE(parts); j++)
			madvise(to_ptr(base + parts[j].offset), parts[j].bytes,
				advice[i]);
		expect_alive(_metadata, self);
	}
}

TEST_F(map, locking_and_syncing)
{
	__u64 base = self->arena.base;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		void *part = to_ptr(base + parts[i].offset);

		mlock(part, parts[i].bytes);
		msync(part, parts[i].bytes, MS_SYNC | MS_INVALIDATE);
		munlock(part, parts[i].bytes);
		/* remap_file_pages(): page 1 of the arena at the place of another */
		EXPECT_NE(0, syscall(SYS_remap_file_pages, part, PAGE, 0, 1, 0));
	}
	expect_alive(_metadata, self);
	mlockall(MCL_CURRENT | MCL_FUTURE);
	expect_alive(_metadata, self);
	munlockall();
}

/* The file operations that a memory file would have. */
TEST_F(map, file_calls)
{
	char byte = 0;

	EXPECT_GT(0, write(self->fd, &byte, 1));
	EXPECT_GT(0, pwrite(self->fd, &byte, 1, 0));
	EXPECT_GT(0, pread(self->fd, &byte, 1, 0));
	EXPECT_NE(0, ftruncate(self->fd, 0));
	EXPECT_NE(0, ftruncate(self->fd, ARENA_RESERVE));
	EXPECT_NE(0, fallocate(self->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			       ARENA_RESERVE));
	EXPECT_GT(0, lseek(self->fd, 0, SEEK_END));
	expect_alive(_metadata, self);
}

/* Spans held at munmap() are given back by it. */
TEST_F(map, munmap_with_spans_held)
{
	struct gcarena_stats stats;
	struct gcarena_span span, other;

	ASSERT_EQ(1, raw_refill(self->fd, 1, NOSCAN, &span, 1));
	ASSERT_EQ(0, rawarena_unmap(&self->arena));
	EXPECT_EQ(-ENXIO, raw_refill(self->fd, 1, NOSCAN, &other, 1));
	EXPECT_EQ(-ENXIO, raw_release(self->fd, &span, 1));
	EXPECT_EQ(-ENXIO, raw_release_all(self->fd));
	EXPECT_EQ(-ENXIO, raw_collect(self->fd, 0, NULL));
	ASSERT_EQ(0, rawarena_map(&self->arena));
	EXPECT_EQ(-ENOENT, raw_release(self->fd, &span, 1));
	ASSERT_EQ(1, raw_refill(self->fd, 1, NOSCAN, &other, 1));
	EXPECT_NE(span.base, other.base);
	ASSERT_EQ(0, raw_stats(self->fd, &stats));
	EXPECT_EQ(1ULL, stats.owned_spans);
	join(_metadata, self);
	expect_alive(_metadata, self);
}

/* ---- Touching what is not there, and system calls that touch --------------- */

TEST_F(map, address_without_memory)
{
	__u64 last = self->arena.base + ARENA_RESERVE - 1;
	struct gcarena_span span;

	EXPECT_EQ(SIGBUS, touch(last, false));
	EXPECT_EQ(SIGBUS, touch(last, true));
	expect_alive(_metadata, self);
	/* And memory that was there: what is given back is gone. */
	ASSERT_EQ(0, raw_release_all(self->fd));
	ASSERT_EQ(1, raw_refill(self->fd, 1, NOSCAN, &span, 1));
	EXPECT_EQ(0, touch(span.base, true));
	ASSERT_EQ(0, raw_release(self->fd, &span, 1));
	roots[0] = 0;
	ASSERT_EQ(0, raw_collect(self->fd, GCARENA_COLLECT_RELEASE, NULL));
	EXPECT_EQ(SIGBUS, touch(span.base, false));
	EXPECT_EQ(SIGBUS, touch(self->object, true));
}

TEST_F(map, system_calls_on_arena_memory)
{
	__u64 hole = self->arena.base + ARENA_RESERVE - PAGE;
	char *object = to_ptr(self->object), elf[4];
	struct iovec iov;
	int pipe_fd[2], file;

	ASSERT_EQ(0, pipe(pipe_fd));
	ASSERT_EQ(5, write(pipe_fd[1], "hello", 5));
	/* A page that was never touched: the kernel takes the fault. */
	ASSERT_EQ(5, read(pipe_fd[0], object + 900 * 1024, 10));
	EXPECT_EQ(0, memcmp(object + 900 * 1024, "hello", 5));
	ASSERT_EQ(5, write(pipe_fd[1], object + 900 * 1024, 5));
	ASSERT_EQ(5, read(pipe_fd[0], object, 5));
	EXPECT_EQ(0, memcmp(object, "hello", 5));

	file = open("/proc/self/exe", O_RDONLY);
	ASSERT_LE(0, file);
	ASSERT_EQ(4, pread(file, elf, 4, 0));
	ASSERT_EQ(8192, pread(file, object + 512 * 1024 - 1, 8192, 0));
	EXPECT_EQ(0, memcmp(object + 512 * 1024 - 1, elf, 4));

	EXPECT_EQ(-1, pread(file, to_ptr(hole), 10, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, write(pipe_fd[1], to_ptr(hole), 10));
	EXPECT_EQ(EFAULT, errno);
	iov.iov_base = object;
	iov.iov_len = 4096;
	EXPECT_EQ(4096, vmsplice(pipe_fd[1], &iov, 1, 0));
	close(file);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* The kernel's own structures may lie in the arena. */
TEST_F(map, arguments_in_the_arena)
{
	struct gcarena_stats *stats = to_ptr(self->object + 8192);
	struct gcarena_span *span = to_ptr(self->object + 65536 - 8);
	__u64 hole = self->arena.base + ARENA_RESERVE - PAGE;

	EXPECT_EQ(0, raw_stats(self->fd, stats));
	EXPECT_EQ(1, raw_refill(self->fd, 1, NOSCAN, span, 1));
	EXPECT_EQ(0, raw_release(self->fd, span, 1));
	EXPECT_EQ(-EFAULT, raw_refill(self->fd, 1, NOSCAN, to_ptr(hole), 1));
	EXPECT_EQ(-EFAULT, raw_ioctl(self->fd, GCARENA_IOC_COLLECT, to_ptr(hole)));
	/* A root range in the arena itself, of memory that is there. */
	ASSERT_EQ(0, raw_roots_add(self->fd, to_ptr(self->object), 4096));
	*words_at(self->object) = PATTERN;
	expect_alive(_metadata, self);
	/* And of memory that is not. */
	ASSERT_EQ(0, raw_roots_add(self->fd, to_ptr(hole), 8));
	EXPECT_EQ(-EFAULT, raw_collect(self->fd, 0, NULL));
	ASSERT_EQ(0, raw_roots_del(self->fd, to_ptr(hole), 8));
	expect_alive(_metadata, self);
}

/* ---- Other processes ------------------------------------------------------- */

/* Two pipes: the parent tells the child to go on, and the child the parent. */
struct sync {
	int down[2], up[2];
};

static int sync_open(struct sync *sync)
{
	return pipe(sync->down) || pipe(sync->up) ? -errno : 0;
}

static void sync_close(struct sync *sync)
{
	close(sync->down[0]);
	close(sync->down[1]);
	close(sync->up[0]);
	close(sync->up[1]);
}

/* In the child: here I am; wait for the parent's word. */
static int sync_child(struct sync *sync)
{
	return raw_post(sync->up[1]) ?: raw_await(sync->down[0]);
}

struct job {
	struct sync sync;
	struct rawarena *arena;	/* the fixture's, as is */
	__u64 object;		/* the fixture's */
	__u64 number;		/* what else the child has to know */
};

/* A child that runs @body and exits with what it returns. */
static pid_t child_start(struct __test_metadata *_metadata, struct job *job,
			 int (*body)(struct job *job))
{
	pid_t pid;

	ASSERT_EQ(0, sync_open(&job->sync));
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(body(job));
	}
	ASSERT_LT(0, pid);
	return pid;
}

static int child_looks_and_writes(struct job *job)
{
	struct gcarena_info info;

	if (raw_info(job->arena->fd, &info) || info.base != job->arena->base)
		return 1;
	if (*words_at(job->object) != PATTERN)
		return 2;
	*words_at(job->object) = PATTERN + 1;
	return 0;
}

TEST_F(map, fork_shares_memory)
{
	struct job job = { .arena = &self->arena, .object = self->object };
	pid_t pid = child_start(_metadata, &job, child_looks_and_writes);

	EXPECT_EQ(0, raw_reap(pid));
	EXPECT_EQ(PATTERN + 1, *words_at(self->object));
	*words_at(self->object) = PATTERN;
	expect_alive(_metadata, self);
	sync_close(&job.sync);
}

static int child_waits(struct job *job)
{
	return sync_child(&job->sync) ? 1 : 0;
}

/* COLLECT works now, and stops @threads: the caller, and those who map the arena. */
static void expect_collect(struct __test_metadata *_metadata, int fd, unsigned int threads)
{
	struct gcarena_stats before, after;

	ASSERT_EQ(0, raw_stats(fd, &before));
	EXPECT_EQ(0, raw_collect(fd, 0, NULL));
	ASSERT_EQ(0, raw_stats(fd, &after));
	EXPECT_EQ(0ULL, after.cycles_refused);
	EXPECT_EQ(before.cycles_aborted, after.cycles_aborted);
	EXPECT_EQ(before.cycles + 1, after.cycles);
	EXPECT_EQ(threads, after.stop_threads_last);
}

TEST_F(map, collect_with_a_child)
{
	struct job job = { .arena = &self->arena, .object = self->object };
	pid_t pid = child_start(_metadata, &job, child_waits);
	struct gcarena_span span;

	ASSERT_EQ(0, raw_await(job.sync.up[0]));
	expect_collect(_metadata, self->fd, 2);
	/* Allocation goes on. */
	EXPECT_EQ(1, raw_refill(self->fd, 1, NOSCAN, &span, 1));
	ASSERT_EQ(0, raw_post(job.sync.down[1]));
	ASSERT_EQ(0, raw_reap(pid));
	expect_collect(_metadata, self->fd, 1);
	expect_alive(_metadata, self);
	sync_close(&job.sync);
}

/* The same many times: nothing of the child may linger once it has been reaped. */
TEST_F(map, collect_after_many_children)
{
	struct job job = { .arena = &self->arena, .object = self->object };
	int i;

	for (i = 0; i < 50; i++) {
		pid_t pid = child_start(_metadata, &job, child_looks_and_writes);

		ASSERT_EQ(0, raw_reap(pid));
		sync_close(&job.sync);
		*words_at(self->object) = PATTERN;
		ASSERT_EQ(0, raw_collect(self->fd, 0, NULL))
			TH_LOG("after child %d", i);
	}
	expect_alive(_metadata, self);
}

/* A child that has not got the mapping is nobody's business. */
TEST_F(map, collect_with_a_child_without_mapping)
{
	struct job job = { .arena = &self->arena, .object = self->object };
	pid_t pid;

	ASSERT_EQ(0, madvise(to_ptr(self->arena.base), ARENA_RESERVE, MADV_DONTFORK));
	pid = child_start(_metadata, &job, child_waits);
	ASSERT_EQ(0, raw_await(job.sync.up[0]));
	expect_collect(_metadata, self->fd, 1);
	ASSERT_EQ(0, raw_post(job.sync.down[1]));
	ASSERT_EQ(0, raw_reap(pid));
	sync_close(&job.sync);
}

static int child_refills(struct job *job)
{
	struct gcarena_span span = { .base = job->number }, got;
	int i;

	/* The parent's span is not the child's to give back. */
	if (raw_release(job->arena->fd, &span, 1) != -ENOENT)
		return 1;
	for (i = 0; i < 40; i++) {
		if (raw_refill(job->arena->fd, 1, NOSCAN, &got, 1) != 1)
			return 2;
		if (got.base == job->number)
			return 3;
		memset(to_ptr(got.base), 0xcc, (size_t)got.nr_slots * got.slot_size);
	}
	return sync_child(&job->sync) ? 4 : 0;
}

TEST_F(map, child_gets_other_spans)
{
	struct job job = { .arena = &self->arena, .object = self->object };
	struct gcarena_span mine, span;
	struct gcarena_stats stats;
	pid_t pid;

	ASSERT_EQ(1, raw_refill(self->fd, 1, NOSCAN, &mine, 1));
	*words_at(mine.base) = PATTERN;
	job.number = mine.base;
	pid = child_start(_metadata, &job, child_refills);
	ASSERT_EQ(0, raw_await(job.sync.up[0]));
	ASSERT_EQ(1, raw_refill(self->fd, 1, NOSCAN, &span, 1));
	EXPECT_NE(0xccccccccccccccccULL, *words_at(span.base));
	EXPECT_EQ(PATTERN, *words_at(mine.base));
	ASSERT_EQ(0, raw_post(job.sync.down[1]));
	ASSERT_EQ(0, raw_reap(pid));
	/* The child's spans have come back. */
	ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
	ASSERT_EQ(0, raw_stats(self->fd, &stats));
	EXPECT_EQ(3ULL, stats.owned_spans);
	EXPECT_EQ(0, raw_use_up(self->fd, mine.base));
	expect_alive(_metadata, self);
	sync_close(&job.sync);
}

/* Killed with spans in hand. */
TEST_F(map, child_killed)
{
	struct job job = { .arena = &self->arena, .number = 1 };
	struct gcarena_stats stats;
	pid_t pid = child_start(_metadata, &job, child_refills);

	ASSERT_EQ(0, raw_await(job.sync.up[0]));
	ASSERT_EQ(0, raw_stats(self->fd, &stats));
	EXPECT_EQ(41ULL, stats.owned_spans);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(128 + SIGKILL, raw_reap(pid));
	ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
	ASSERT_EQ(0, raw_stats(self->fd, &stats));
	EXPECT_EQ(1ULL, stats.owned_spans);
	EXPECT_EQ(1ULL + self->held.nr_slots, stats.heap_objects);
	expect_alive(_metadata, self);
	sync_close(&job.sync);
}

/* Full after collecting, with a child as without: these spans are held, not garbage. */
TEST_F(map, full_arena_with_a_child)
{
	struct job job = { .arena = &self->arena, .object = self->object };
	pid_t pid = child_start(_metadata, &job, child_waits);
	struct gcarena_span spans[GCARENA_REFILL_MAX];
	__u64 addr;
	int ret;

	ASSERT_EQ(0, raw_await(job.sync.up[0]));
	ASSERT_EQ(0, raw_set(self->fd, GCARENA_PARAM_LIMIT, 4 * RAW_MIB, NULL));
	do {
		ret = raw_refill(self->fd, 8, NOSCAN, spans, GCARENA_REFILL_MAX);
	} while (ret > 0);
	EXPECT_EQ(-ENOSPC, ret);
	EXPECT_EQ(-ENOSPC, raw_alloc(self->fd, NOSCAN, RAW_MIB, &addr));
	/* Above the limit there is nothing that a collection could do. */
	EXPECT_EQ(-ENOSPC, raw_alloc(self->fd, NOSCAN, 5 * RAW_MIB, &addr));
	ASSERT_EQ(0, raw_release_all(self->fd));
	EXPECT_EQ(0, raw_alloc(self->fd, NOSCAN, RAW_MIB, &addr));
	ASSERT_EQ(0, raw_post(job.sync.down[1]));
	ASSERT_EQ(0, raw_reap(pid));
	EXPECT_EQ(0, raw_alloc(self->fd, NOSCAN, RAW_MIB, &addr));
	sync_close(&job.sync);
}

/* A child inherits root ranges, but as its own: it cannot take ours away. */
static int child_unroots_itself(struct job *job)
{
	if (raw_roots_del(job->arena->fd, roots, sizeof(roots)))
		return 1;
	if (raw_roots_del(job->arena->fd, roots, sizeof(roots)) != -ENOENT)
		return 2;
	/* Ours still hold it, though the child's do not. */
	if (raw_collect(job->arena->fd, 0, NULL))
		return 3;
	return raw_object(job->arena->fd, job->object, NULL) ? 4 : 0;
}

TEST_F(map, root_ranges_are_inherited)
{
	struct job job = { .arena = &self->arena, .object = self->object };
	pid_t pid = child_start(_metadata, &job, child_unroots_itself);

	EXPECT_EQ(0, raw_reap(pid));
	expect_alive(_metadata, self);
	sync_close(&job.sync);
}

static int child_execs(struct job *job)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", job->arena->fd);
	fcntl(job->arena->fd, F_SETFD, 0);
	execl("/proc/self/exe", "mmap_abuse", EXECED_WORD, number, NULL);
	return 100;
}

/* The parent has unmapped: the exec'ed program is alone with the arena. */
static int child_holds_and_execs(struct job *job)
{
	struct gcarena_span span;

	if (raw_await(job->sync.down[0]))
		return 101;
	if (raw_refill(job->arena->fd, 1, NOSCAN, &span, 1) != 1)
		return 102;
	if (raw_roots_add(job->arena->fd, roots, sizeof(roots)))
		return 103;
	return child_execs(job);
}

TEST_F(map, exec_drops_all)
{
	struct job job = { .arena = &self->arena, .object = self->object };
	pid_t pid = child_start(_metadata, &job, child_holds_and_execs);

	ASSERT_EQ(0, rawarena_unmap(&self->arena));
	ASSERT_EQ(0, raw_post(job.sync.down[1]));
	EXPECT_EQ(0, raw_reap(pid));
	/* And what the exec'ed program has left behind is rubbish to us. */
	ASSERT_EQ(0, rawarena_map(&self->arena));
	ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
	EXPECT_EQ(-ENOENT, raw_object(self->fd, self->object, NULL));
	sync_close(&job.sync);
}

/* In a vfork() child, on the parent's stack, while the parent sleeps in vfork(). */
TEST_F(map, vfork_and_exec)
{
	static atomic_int in_child;
	pid_t pid;
	int i;

	for (i = 0; i < 20; i++) {
		in_child = -1;
		pid = vfork();
		if (!pid) {
			in_child = raw_collect(self->fd, 0, NULL);
			execl("/bin/true", "true", NULL);
			_exit(1);
		}
		ASSERT_LT(0, pid);
		EXPECT_EQ(0, atomic_load(&in_child));
		EXPECT_EQ(0, raw_object(self->fd, self->object, NULL));
		/* The child may run on, but in another address space. */
		ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
		EXPECT_EQ(0, raw_reap(pid));
		expect_alive(_metadata, self);
	}
}

/* Descriptor passing. */

static int send_fd(int socket, int fd)
{
	char byte = 'f', control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(socket, &msg, 0) == 1 ? 0 : -errno;
}

static int receive_fd(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(socket, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

/* The receiver: @number is the socket. Maps, reads, waits until it is alone. */
static int child_receives(struct job *job)
{
	struct rawarena arena = { .reserve = ARENA_RESERVE };
	struct gcarena_info info;

	/* The fixture's arena came with the fork: away with it. */
	rawarena_close(job->arena);
	arena.fd = receive_fd(job->number);
	if (arena.fd < 0)
		return 1;
	if (raw_info(arena.fd, &info) || !info.base)
		return 2;
	if (rawarena_map(&arena) || arena.base != info.base)
		return 3;
	if (*words_at(arena.base) != PATTERN)
		return 4;
	/* The sender's root range holds it. */
	if (raw_collect(arena.fd, 0, NULL) || raw_object(arena.fd, arena.base, NULL))
		return 5;
	if (sync_child(&job->sync))
		return 6;
	/* The sender has unmapped. Its object is still there, then collected. */
	if (*words_at(arena.base) != PATTERN || raw_object(arena.fd, arena.base, NULL))
		return 7;
	if (raw_collect(arena.fd, 0, NULL))
		return 8;
	return raw_object(arena.fd, arena.base, NULL) == -ENOENT ? 0 : 9;
}

TEST_F(map, descriptor_passed_and_closed)
{
	struct job job = { .arena = &self->arena, .object = self->object };
	struct rawarena sent;
	int sockets[2];
	__u64 addr;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	job.number = sockets[1];
	pid = child_start(_metadata, &job, child_receives);
	ASSERT_EQ(0, rawarena_open(&sent, ARENA_RESERVE, GCARENA_ROOTS_EXPLICIT));
	ASSERT_EQ(0, raw_alloc(sent.fd, NOSCAN, RAW_MIB, &addr));
	ASSERT_EQ(sent.base, addr);
	*words_at(addr) = PATTERN;
	ASSERT_EQ(0, raw_roots_add(sent.fd, &addr, sizeof(addr)));
	ASSERT_EQ(0, send_fd(sockets[0], sent.fd));
	/* In flight or arrived: our own copy is not needed for it. */
	close(sent.fd);
	ASSERT_EQ(0, raw_await(job.sync.up[0]));
	ASSERT_EQ(0, rawarena_unmap(&sent));
	ASSERT_EQ(0, raw_post(job.sync.down[1]));
	EXPECT_EQ(0, raw_reap(pid));
	expect_alive(_metadata, self);
	sync_close(&job.sync);
}

/* A receiver that has something else at the base hears so. */
static int child_cannot_map(struct job *job)
{
	struct rawarena arena = { .reserve = ARENA_RESERVE };
	struct gcarena_info info;
	int ret;

	rawarena_close(job->arena);
	arena.fd = receive_fd(job->number);
	if (arena.fd < 0 || raw_info(arena.fd, &info))
		return 1;
	if (try_mmap(to_ptr(info.base), PAGE, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0, NULL))
		return 2;
	ret = rawarena_map(&arena);
	if (ret != -EADDRINUSE && ret != -EEXIST && ret != -EBUSY)
		return 3;
	/* What fails here is without effect on the others. */
	return raw_collect(arena.fd, 0, NULL) == -ENXIO ? 0 : 4;
}

TEST_F(map, descriptor_passed_base_taken)
{
	struct job job = { .arena = &self->arena, .object = self->object };
	struct rawarena sent;
	int sockets[2];
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	job.number = sockets[1];
	pid = child_start(_metadata, &job, child_cannot_map);
	ASSERT_EQ(0, rawarena_open(&sent, ARENA_RESERVE, GCARENA_ROOTS_EXPLICIT));
	ASSERT_EQ(0, send_fd(sockets[0], sent.fd));
	EXPECT_EQ(0, raw_reap(pid));
	EXPECT_EQ(0, raw_collect(sent.fd, 0, NULL));
	rawarena_close(&sent);
	sync_close(&job.sync);
}

/* ---- Closing --------------------------------------------------------------- */

TEST_F(map, close_while_mapped)
{
	struct gcarena_span span;

	ASSERT_EQ(1, raw_refill(self->fd, 4, NOSCAN, &span, 1));
	ASSERT_EQ(0, close(self->fd));
	self->arena.fd = -1;
	EXPECT_EQ(PATTERN, *words_at(self->object));
	memset(to_ptr(self->object), 0x33, RAW_MIB);
	memset(to_ptr(span.base), 0x44, (size_t)span.nr_slots * span.slot_size);
	EXPECT_EQ(0x3333333333333333ULL, *words_at(self->object + RAW_MIB - 8));
	EXPECT_EQ(SIGBUS, touch(self->arena.base + ARENA_RESERVE - 1, false));
	EXPECT_EQ(0, rawarena_unmap(&self->arena));
	self->arena.base = 0;
}

#define NR_ARENAS	200

TEST_F_TIMEOUT(map, many_arenas, 120)
{
	static struct rawarena arenas[NR_ARENAS];
	static struct gcarena_span spans[NR_ARENAS];
	int i;

	for (i = 0; i < NR_ARENAS; i++) {
		ASSERT_EQ(0, rawarena_open(&arenas[i], 64 * RAW_GIB,
					   GCARENA_ROOTS_EXPLICIT))
			TH_LOG("arena %d", i);
		ASSERT_EQ(1, raw_refill(arenas[i].fd, 1, NOSCAN, &spans[i], 1));
		*words_at(spans[i].base) = i;
	}
	for (i = 0; i < NR_ARENAS; i++) {
		EXPECT_EQ((__u64)i, *words_at(spans[i].base));
		if (i % 10 == 0)
			EXPECT_EQ(0, raw_collect(arenas[i].fd, 0, NULL));
		EXPECT_EQ(0, raw_release(arenas[i].fd, &spans[i], 1));
	}
	/* A span of one arena is nothing to another. */
	EXPECT_EQ(-ENOENT, raw_release(arenas[0].fd, &spans[1], 1));
	for (i = 0; i < NR_ARENAS; i++)
		rawarena_close(&arenas[i]);
	expect_alive(_metadata, self);
}

/* ---- Threads --------------------------------------------------------------- */

struct thread_job {
	struct sync sync;
	int fd;
	__u64 base;	/* of a span */
	int result;
};

static void *thread_waits(void *arg)
{
	struct thread_job *job = arg;

	job->result = sync_child(&job->sync);
	return NULL;
}

/*
 * As soon as pthread_join() returns the thread cannot run user code any more, though
 * the kernel may still be taking it apart: that must not count.
 */
TEST_F(map, collect_with_a_thread)
{
	struct thread_job job = { .fd = self->fd };
	pthread_t thread;
	int i;

	ASSERT_EQ(0, sync_open(&job.sync));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, thread_waits, &job));
		ASSERT_EQ(0, raw_await(job.sync.up[0]));
		expect_collect(_metadata, self->fd, 2);
		ASSERT_EQ(0, raw_post(job.sync.down[1]));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		ASSERT_EQ(0, raw_collect(self->fd, 0, NULL))
			TH_LOG("after thread %d", i);
	}
	expect_alive(_metadata, self);
	sync_close(&job.sync);
}

static int clone_body(void *arg)
{
	struct thread_job *job = arg;

	return sync_child(&job->sync) ? 1 : 0;
}

/* Not a thread, yet in the same memory. */
TEST_F(map, collect_with_a_clone)
{
	const size_t stack_bytes = 256 * RAW_KIB;
	struct thread_job job = { .fd = self->fd };
	char *stack;
	pid_t pid;

	ASSERT_EQ(0, sync_open(&job.sync));
	stack = mmap(NULL, stack_bytes, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	ASSERT_NE(MAP_FAILED, stack);
	pid = clone(clone_body, stack + stack_bytes, CLONE_VM | SIGCHLD, &job);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, raw_await(job.sync.up[0]));
	expect_collect(_metadata, self->fd, 2);
	ASSERT_EQ(0, raw_post(job.sync.down[1]));
	EXPECT_EQ(0, raw_reap(pid));
	expect_collect(_metadata, self->fd, 1);
	expect_alive(_metadata, self);
	munmap(stack, stack_bytes);
	sync_close(&job.sync);
}

static void *thread_refills_and_ends(void *arg)
{
	struct thread_job *job = arg;
	struct gcarena_span spans[GCARENA_REFILL_MAX];

	job->result = raw_refill(job->fd, 1, NOSCAN, spans, GCARENA_REFILL_MAX);
	return NULL;
}

TEST_F(map, thread_ends_with_spans)
{
	struct thread_job job = { .fd = self->fd };
	struct gcarena_stats stats;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, thread_refills_and_ends, &job));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(GCARENA_REFILL_MAX, job.result);
	ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
	ASSERT_EQ(0, raw_stats(self->fd, &stats));
	EXPECT_EQ(1ULL, stats.owned_spans);
	EXPECT_EQ(1ULL + self->held.nr_slots, stats.heap_objects);
	expect_alive(_metadata, self);
}

/* A thread cannot give back what another one holds. */
static void *thread_releases_foreign(void *arg)
{
	struct thread_job *job = arg;
	struct gcarena_span span = { .base = job->base };

	job->result = raw_release(job->fd, &span, 1);
	return NULL;
}

TEST_F(map, spans_belong_to_the_thread)
{
	struct thread_job job = { .fd = self->fd };
	struct gcarena_span span;
	pthread_t thread;

	ASSERT_EQ(1, raw_refill(self->fd, 1, NOSCAN, &span, 1));
	job.base = span.base;
	ASSERT_EQ(0, pthread_create(&thread, NULL, thread_releases_foreign, &job));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(-ENOENT, job.result);
	EXPECT_EQ(0, raw_release(self->fd, &span, 1));
}

/*
 * Several threads in one arena. Each writes its number into a table of blocks when it
 * gets a span, and takes it out before it gives the span back: a span in two hands
 * is seen at once. Each also fills the free slots with its number and looks again.
 */
#define NR_THREADS	4
#define NR_TURNS	300
#define BLOCK		8192

static atomic_uchar holder[ARENA_RESERVE / BLOCK];

struct crowd {
	struct rawarena *arena;
	unsigned char number;
	unsigned int overlaps, errors, corrupt;
};

static void claim_span(struct crowd *me, const struct gcarena_span *span)
{
	__u64 block = (span->base - me->arena->base) / BLOCK;
	__u64 end = (span->base + (__u64)span->nr_slots * span->slot_size - 1 -
		     me->arena->base) / BLOCK;
	unsigned int slot;

	for (; block <= end; block++)
		if (atomic_exchange(&holder[block], me->number))
			me->overlaps++;
	for (slot = 0; slot < span->nr_slots; slot++)
		if (raw_slot_is_free(span, slot))
			*words_at(raw_slot(span, slot)) = me->number;
}

static void drop_span(struct crowd *me, const struct gcarena_span *span)
{
	__u64 block = (span->base - me->arena->base) / BLOCK;
	__u64 end = (span->base + (__u64)span->nr_slots * span->slot_size - 1 -
		     me->arena->base) / BLOCK;
	unsigned int slot;

	for (slot = 0; slot < span->nr_slots; slot++)
		if (raw_slot_is_free(span, slot) &&
		    *words_at(raw_slot(span, slot)) != me->number)
			me->corrupt++;
	for (; block <= end; block++)
		if (atomic_exchange(&holder[block], 0) != me->number)
			me->overlaps++;
}

/* Refill two, use one up, give the other one back unused; sizes in turn. */
static void *crowd_member(void *arg)
{
	struct crowd *me = arg;
	struct gcarena_span spans[2];
	int turn, n, i;

	for (turn = 0; turn < NR_TURNS; turn++) {
		n = raw_refill(me->arena->fd, 1 + turn % 12, NOSCAN, spans, 2);
		if (n <= 0) {
			me->errors++;
			break;
		}
		for (i = 0; i < n; i++)
			claim_span(me, &spans[i]);
		for (i = 0; i < n; i++)
			drop_span(me, &spans[i]);
		me->errors += raw_use_up(me->arena->fd, spans[0].base) != 0;
		if (n == 2)
			me->errors += raw_release(me->arena->fd, &spans[1], 1) != 0;
	}
	return NULL;
}

TEST_F_TIMEOUT(map, threads_refill_together, 120)
{
	struct crowd crowd[NR_THREADS] = { 0 };
	pthread_t thread[NR_THREADS];
	struct gcarena_stats stats;
	int i;

	for (i = 0; i < NR_THREADS; i++) {
		crowd[i].arena = &self->arena;
		crowd[i].number = i + 1;
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, crowd_member, &crowd[i]));
	}
	for (i = 0; i < NR_THREADS; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
		EXPECT_EQ(0U, crowd[i].overlaps);
		EXPECT_EQ(0U, crowd[i].corrupt);
		EXPECT_EQ(0U, crowd[i].errors);
	}
	ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
	ASSERT_EQ(0, raw_stats(self->fd, &stats));
	EXPECT_EQ(1ULL, stats.owned_spans);
	EXPECT_EQ(1ULL + self->held.nr_slots, stats.heap_objects);
	expect_alive(_metadata, self);
}

/* ---- Mappings that go and come while others are at work ------------------------ */

/* Each munmap() leaves spans and root ranges behind, which the module clears away. */
TEST_F_TIMEOUT(map, remap_many_times, 120)
{
	struct gcarena_span spans[4];
	struct gcarena_stats stats;
	int i;

	for (i = 0; i < 300; i++) {
		ASSERT_EQ(4, raw_refill(self->fd, 1 + i % 8, NOSCAN, spans, 4))
			TH_LOG("turn %d", i);
		*words_at(spans[0].base) = PATTERN;
		ASSERT_EQ(0, rawarena_unmap(&self->arena));
		ASSERT_EQ(0, rawarena_map(&self->arena));
		join(_metadata, self);
	}
	expect_alive(_metadata, self);
	ASSERT_EQ(0, raw_stats(self->fd, &stats));
	EXPECT_EQ(1ULL, stats.owned_spans);
	EXPECT_EQ(1ULL + self->held.nr_slots, stats.heap_objects);
}

struct remapper {
	struct rawarena arena;
	atomic_int go;
	int result;
};

/* Out and in again; with it go the root ranges of the process. */
static void *thread_remaps(void *arg)
{
	struct remapper *me = arg;

	while (!atomic_load(&me->go))
		;
	me->result = rawarena_unmap(&me->arena) ?: rawarena_map(&me->arena);
	return NULL;
}

/* Many dead spans that nobody has swept yet, and few page table entries. */
static void make_sweeping_long(struct __test_metadata *_metadata, FIXTURE_DATA(map) * self)
{
	struct gcarena_span spans[GCARENA_REFILL_MAX];
	int i;

	ASSERT_EQ(0, raw_set(self->fd, GCARENA_PARAM_GC_PERCENT, -1, NULL));
	for (i = 0; i < 200; i++) {
		ASSERT_LT(0, raw_refill(self->fd, 4, NOSCAN, spans, GCARENA_REFILL_MAX));
		ASSERT_EQ(0, raw_release_all(self->fd));
	}
	ASSERT_EQ(0, madvise(to_ptr(self->arena.base), ARENA_RESERVE, MADV_DONTNEED));
	/* Due at once: this refill collects, and leaves the sweeping to others. */
	ASSERT_EQ(0, raw_set(self->fd, GCARENA_PARAM_MIN_HEAP, 1, NULL));
	ASSERT_EQ(0, raw_set(self->fd, GCARENA_PARAM_GC_PERCENT, 1, NULL));
	ASSERT_EQ(1, raw_refill(self->fd, 4, NOSCAN, spans, 1));
}

static int act_collect(int fd)
{
	return raw_collect(fd, 0, NULL);
}

static int act_refill(int fd)
{
	struct gcarena_span span;
	int ret = raw_refill(fd, 5, NOSCAN, &span, 1);

	return ret == 1 ? 0 : ret;
}

static int act_alloc(int fd)
{
	__u64 addr;

	return raw_alloc(fd, NOSCAN, RAW_MIB, &addr);
}

/* @act while another thread unmaps the arena, maps it again and ends. */
static int act_against_remap(struct __test_metadata *_metadata, FIXTURE_DATA(map) * self,
			     int (*act)(int fd))
{
	struct remapper remapper = { .arena = self->arena };
	pthread_t thread;
	int ret;

	make_sweeping_long(_metadata, self);
	ASSERT_EQ(0, pthread_create(&thread, NULL, thread_remaps, &remapper));
	atomic_store(&remapper.go, 1);
	ret = act(self->fd);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(0, remapper.result);
	EXPECT_TRUE(ret == 0 || ret == -ENXIO)
		TH_LOG("got %d", ret);
	return ret;
}

/*
 * A collection begins with sweeping, and a thread that remaps the arena meanwhile may
 * end in time for it to go on. Then it goes without the root ranges that went with
 * the old mapping. If it stops that thread before, the ranges are there. A collection
 * that fails frees nothing.
 */
TEST_F_TIMEOUT(map, remap_under_a_collection, 120)
{
	int i, ret, collected = 0, lost = 0;

	for (i = 0; i < 20; i++) {
		ret = act_against_remap(_metadata, self, act_collect);
		collected += !ret;
		if (!raw_object(self->fd, self->object, NULL)) {
			EXPECT_EQ(PATTERN, *words_at(self->object));
		} else {
			EXPECT_EQ(0, ret);
			lost++;
			ASSERT_EQ(0, raw_alloc(self->fd, NOSCAN, RAW_MIB, &self->object));
			roots[0] = self->object;
			*words_at(self->object) = PATTERN;
		}
		join(_metadata, self);
	}
	TH_LOG("%d of %d collections took place, %d without roots", collected, i, lost);
	expect_alive(_metadata, self);
}

/* The same for collections that start by themselves, in calls that go on after them. */
TEST_F_TIMEOUT(map, remap_under_an_allocation, 120)
{
	struct gcarena_stats stats;
	int i;

	for (i = 0; i < 20; i++) {
		act_against_remap(_metadata, self, i & 1 ? act_alloc : act_refill);
		ASSERT_EQ(0, raw_release_all(self->fd));
		ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
		ASSERT_EQ(0, raw_stats(self->fd, &stats));
		EXPECT_EQ(0ULL, stats.owned_spans);
		EXPECT_EQ(0ULL, stats.heap_objects);
	}
	EXPECT_EQ(0ULL, stats.cycles_refused);
	TH_LOG("%llu cycles, %llu asked for, %llu given up", stats.cycles,
	       stats.cycles_forced, stats.cycles_aborted);
}

/* ---- A mapping that comes in the middle of a collection -------------------- */

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void spin_until(__u64 when)
{
	while (now_ns() < when)
		;
}

/* Shared by the two: when who did what, ns. */
struct moments {
	atomic_ullong collect_starts;
	__u64 delay, mapped;
	int result;
};

/* Has the descriptor, but no mapping until the collection is well under way. */
static int child_maps_late(struct job *job)
{
	struct moments *moments = to_ptr(job->number);
	struct rawarena arena = *job->arena;

	if (sync_child(&job->sync))
		return 1;
	while (!atomic_load(&moments->collect_starts))
		;
	spin_until(moments->collect_starts + moments->delay);
	moments->result = rawarena_map(&arena);
	moments->mapped = now_ns();
	return sync_child(&job->sync) ? 2 : 0;
}

/* A list of @nr objects, which a marker follows one by one. */
static void build_list(struct __test_metadata *_metadata, FIXTURE_DATA(map) * self,
		       unsigned int nr)
{
	struct raw_allocator from = { .fd = self->fd, .size_class = 1 };
	__u64 *object, head = 0;

	while (nr--) {
		object = raw_new(&from);
		ASSERT_NE(NULL, object);
		object[0] = head;
		head = (__u64)(uintptr_t)object;
	}
	roots[1] = head;
	ASSERT_EQ(0, raw_release_all(self->fd));
}

/*
 * While a cycle traces, no program code may run that can see the arena: a process that
 * maps it meanwhile has to wait or be refused, or the cycle has to fail.
 */
TEST_F_TIMEOUT(map, mapping_during_a_collection, 120)
{
	struct job job = { .arena = &self->arena, .object = self->object };
	struct moments *moments;
	__u64 begin, end;
	pid_t pid;
	int ret;

	moments = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, moments);
	job.number = (__u64)(uintptr_t)moments;
	build_list(_metadata, self, 500000);
	begin = now_ns();
	ASSERT_EQ(0, raw_collect(self->fd, 0, NULL));
	moments->delay = (now_ns() - begin) / 4;

	ASSERT_EQ(0, madvise(to_ptr(self->arena.base), ARENA_RESERVE, MADV_DONTFORK));
	pid = child_start(_metadata, &job, child_maps_late);
	ASSERT_EQ(0, raw_await(job.sync.up[0]));
	ASSERT_EQ(0, raw_post(job.sync.down[1]));
	/* The child spins by now, or soon. */
	sched_yield();
	atomic_store(&moments->collect_starts, now_ns());
	ret = raw_collect(self->fd, 0, NULL);
	end = now_ns();
	ASSERT_EQ(0, raw_await(job.sync.up[0]));
	TH_LOG("collect %d in %llu us, mmap %d at %llu us", ret,
	       (end - moments->collect_starts) / 1000, moments->result,
	       (moments->mapped - moments->collect_starts) / 1000);
	/* Half a cycle or more lies between: no doubt who was first. */
	if (!ret && !moments->result)
		EXPECT_GT(moments->mapped + moments->delay, end);
	ASSERT_EQ(0, raw_post(job.sync.down[1]));
	EXPECT_EQ(0, raw_reap(pid));
	sync_close(&job.sync);
}

TEST_HARNESS_MAIN
