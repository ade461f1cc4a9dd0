// SPDX-License-Identifier: GPL-2.0
/*
 * Quiet chunks: memory that was not written for a while is unmapped, and looks for written
 * pages leave it out (kmod/quiet.c). The only pointer to a young object gets into such
 * memory by each way of writing there is, and has to be found. Memory that somebody may
 * write to without a page fault must not become quiet. Each cycle is verified.
 *
 * zeal_quiet makes all that can be quiet so at each look; without it that takes some
 * collections. Kernels that cannot read dirty bits unmap everything at each look.
 */
#include <kselftest_harness.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "gcarena.h"
#include "lib/oracle.h"
#include "lib/param.h"
#include "lib/rawarena.h"

#define MIB		(1024UL * 1024)
#define PAGE		4096UL
#define WORD		sizeof(uint64_t)
#define CHUNK		(2 * MIB)
/* Longer than a chunk: it begins where one does. */
#define OLD_BYTES	(3 * CHUNK)
#define OLD_WORDS	(OLD_BYTES / WORD)
#define AT		(CHUNK / WORD + 12345)	/* the word that is written */

static void __attribute__((constructor)) need_root(void)
{
	raw_need_root();
}

FIXTURE(quiet)
{
	gca_arena *arena;
	uint64_t *root[4];	/* all roots there are */
	uint64_t *old;
	struct params params;
};

FIXTURE_VARIANT(quiet)
{
	long refault;
};

/* Kernels without the helpers for dirty bits test the fallback twice. */
FIXTURE_VARIANT_ADD(quiet, dirty_bits) { .refault = 0 };
FIXTURE_VARIANT_ADD(quiet, refault) { .refault = 1 };

static void collect(struct __test_metadata *_metadata, FIXTURE_DATA(quiet) *self,
		    enum gca_kind kind)
{
	struct gca_collection collected = { .size = sizeof(collected) };

	ASSERT_EQ(0, gca_collect_in(self->arena, kind, &collected));
}

FIXTURE_SETUP(quiet)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = GCA_ROOTS_EXPLICIT,
		.gc_percent = GCA_GC_PERCENT_OFF,
	};

	ASSERT_TRUE(params_set(&self->params, "verify", 1));
	ASSERT_TRUE(params_set(&self->params, "refault", variant->refault));
	ASSERT_TRUE(params_set(&self->params, "quiet", 1));
	ASSERT_TRUE(params_set(&self->params, "zeal_quiet", 1));
	self->arena = gca_open(&options);
	ASSERT_NE(NULL, self->arena);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, self->root, sizeof(self->root)));
	self->old = gca_alloc_in(self->arena, OLD_BYTES);
	ASSERT_NE(NULL, self->old);
	memset(self->old, 0, OLD_BYTES);
	self->root[0] = self->old;
	collect(_metadata, self, GCA_FULL);
}

FIXTURE_TEARDOWN(quiet)
{
	if (self->arena)
		gca_close(self->arena);
	params_restore(&self->params);
}

/* Two looks with nothing written: a page's flag may count twice. */
static void make_quiet(struct __test_metadata *_metadata, FIXTURE_DATA(quiet) *self)
{
	collect(_metadata, self, GCA_MINOR);
	collect(_metadata, self, GCA_MINOR);
	ASSERT_LE(OLD_BYTES, raw_stats_of(gca_fd(self->arena)).quiet_bytes);
}

typedef void writer(struct __test_metadata *_metadata, FIXTURE_DATA(quiet) *self, uint64_t *to,
		    uint64_t hidden);

/* The only pointer to a young object is written by @write, several times over. */
static void check_writer(struct __test_metadata *_metadata, FIXTURE_DATA(quiet) *self,
			 writer *write_word)
{
	uint64_t young, faults;
	int i;

	for (i = 0; i < 4; i++) {
		make_quiet(_metadata, self);
		young = sealed_new(self->arena);
		faults = raw_stats_of(gca_fd(self->arena)).quiet_faults;
		write_word(_metadata, self, &self->old[AT + i * 1000], young);
		EXPECT_LT(faults, raw_stats_of(gca_fd(self->arena)).quiet_faults);
		collect(_metadata, self, GCA_MINOR);
		ASSERT_TRUE(sealed_is_whole(young));
		ASSERT_EQ(young, hide((void *)(uintptr_t)self->old[AT + i * 1000]));
	}
}

/* ---- Ways to write ---------------------------------------------------------------------- */

static void by_store(struct __test_metadata *_metadata, FIXTURE_DATA(quiet) *self,
		     uint64_t *to, uint64_t hidden)
{
	*(volatile uint64_t *)to = (uintptr_t)reveal(hidden);
}

TEST_F_TIMEOUT(quiet, store, 120)
{
	check_writer(_metadata, self, by_store);
}

static void by_exchange(struct __test_metadata *_metadata, FIXTURE_DATA(quiet) *self,
			uint64_t *to, uint64_t hidden)
{
	ASSERT_EQ(0, atomic_exchange((_Atomic uint64_t *)to, (uintptr_t)reveal(hidden)));
}

TEST_F_TIMEOUT(quiet, atomic_exchange, 120)
{
	check_writer(_metadata, self, by_exchange);
}

/* A read makes all of the chunk accessible, and is no write; the store takes no fault. */
static void by_store_after_read(struct __test_metadata *_metadata, FIXTURE_DATA(quiet) *self,
				uint64_t *to, uint64_t hidden)
{
	EXPECT_EQ(0, ((volatile uint64_t *)to)[64]);
	*(volatile uint64_t *)to = (uintptr_t)reveal(hidden);
}

TEST_F_TIMEOUT(quiet, store_after_a_read, 120)
{
	check_writer(_metadata, self, by_store_after_read);
}

static void by_read(struct __test_metadata *_metadata, FIXTURE_DATA(quiet) *self, uint64_t *to,
		    uint64_t hidden)
{
	void *p = reveal(hidden);
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(WORD, write(ends[1], &p, WORD));
	ASSERT_EQ(WORD, read(ends[0], to, WORD));
	close(ends[0]);
	close(ends[1]);
}

TEST_F_TIMEOUT(quiet, system_call, 120)
{
	check_writer(_metadata, self, by_read);
}

static void by_process_vm_writev(struct __test_metadata *_metadata, FIXTURE_DATA(quiet) *self,
				 uint64_t *to, uint64_t hidden)
{
	void *p = reveal(hidden);
	struct iovec from = { &p, WORD }, there = { to, WORD };

	ASSERT_EQ(WORD, process_vm_writev(getpid(), &from, 1, &there, 1, 0));
}

TEST_F_TIMEOUT(quiet, process_vm_writev, 120)
{
	check_writer(_metadata, self, by_process_vm_writev);
}

static void by_mem_file(struct __test_metadata *_metadata, FIXTURE_DATA(quiet) *self,
			uint64_t *to, uint64_t hidden)
{
	void *p = reveal(hidden);
	int fd = open("/proc/self/mem", O_RDWR);

	ASSERT_LE(0, fd);
	ASSERT_EQ(WORD, pwrite(fd, &p, WORD, (uintptr_t)to));
	close(fd);
}

TEST_F_TIMEOUT(quiet, proc_mem, 120)
{
	check_writer(_metadata, self, by_mem_file);
}

static void by_child(struct __test_metadata *_metadata, FIXTURE_DATA(quiet) *self, uint64_t *to,
		     uint64_t hidden)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		*(volatile uint64_t *)to = (uintptr_t)reveal(hidden);
		_exit(0);
	}
	ASSERT_EQ(0, raw_reap(pid));
}

TEST_F_TIMEOUT(quiet, child_that_has_ended, 120)
{
	check_writer(_metadata, self, by_child);
}

/* Direct I/O into memory, where the file system has such. */
static void by_direct_io(struct __test_metadata *_metadata, FIXTURE_DATA(quiet) *self,
			 uint64_t *to, uint64_t hidden)
{
	uint64_t *page = (uint64_t *)((uintptr_t)to & ~(PAGE - 1));
	static char name[] = "build/quiet-direct-io";
	uint64_t *copy = aligned_alloc(PAGE, PAGE);
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);

	ASSERT_NE(NULL, copy);
	if (fd < 0)
		SKIP(return, "no direct I/O here");
	memset(copy, 0, PAGE);
	copy[to - page] = (uintptr_t)reveal(hidden);
	ASSERT_EQ(PAGE, pwrite(fd, copy, PAGE, 0));
	free(copy);
	ASSERT_EQ(PAGE, pread(fd, page, PAGE, 0));
	close(fd);
	unlink(name);
}

TEST_F_TIMEOUT(quiet, direct_io, 120)
{
	check_writer(_metadata, self, by_direct_io);
}

/* A process that shares the arena, has entries of its own, and goes on. */
TEST_F_TIMEOUT(quiet, other_process, 120)
{
	struct word {
		_Atomic uint64_t hidden;
	} *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int go[2], done[2], i;
	uint64_t young;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, shared);
	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, pipe(done));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		memset(self->root, 0, sizeof(self->root));
		for (i = 0; !raw_await(go[0]); i++) {
			self->old[AT + i] = (uintptr_t)reveal(shared->hidden);
			raw_post(done[1]);
		}
		_exit(0);
	}
	for (i = 0; i < 8; i++) {
		make_quiet(_metadata, self);
		young = sealed_new(self->arena);
		atomic_store(&shared->hidden, young);
		ASSERT_EQ(0, raw_post(go[1]));
		ASSERT_EQ(0, raw_await(done[0]));
		collect(_metadata, self, GCA_MINOR);
		ASSERT_TRUE(sealed_is_whole(young));
	}
	kill(pid, SIGKILL);
	raw_reap(pid);
	munmap(shared, PAGE);
}

/* ---- Memory that must not become quiet --------------------------------------------------- */

/* Pages in a pipe: somebody else refers to them. */
TEST_F_TIMEOUT(quiet, not_while_somebody_has_a_page, 120)
{
	struct iovec from = { &self->old[AT], WORD };
	uint64_t word;
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	make_quiet(_metadata, self);
	ASSERT_EQ(WORD, vmsplice(ends[1], &from, 1, 0));
	collect(_metadata, self, GCA_MINOR);
	collect(_metadata, self, GCA_MINOR);
	EXPECT_GT(OLD_BYTES, raw_stats_of(gca_fd(self->arena)).quiet_bytes);
	EXPECT_LE(OLD_BYTES - CHUNK, raw_stats_of(gca_fd(self->arena)).quiet_bytes);
	ASSERT_EQ(WORD, read(ends[0], &word, WORD));
	make_quiet(_metadata, self);
	close(ends[0]);
	close(ends[1]);
}

/* A ring with one registered buffer, just as much of it as is needed for one read. */
struct ring {
	int fd;
	struct io_uring_params p;
	char *sq;
	struct io_uring_sqe *sqe;
};

static bool ring_open(struct ring *r, void *buffer, size_t bytes)
{
	struct iovec iov = { buffer, bytes };
	size_t len;

	memset(r, 0, sizeof(*r));
	r->fd = syscall(__NR_io_uring_setup, 1, &r->p);
	if (r->fd < 0)
		return false;
	len = r->p.sq_off.array + r->p.sq_entries * sizeof(unsigned int);
	r->sq = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQ_RING);
	r->sqe = mmap(NULL, sizeof(*r->sqe), PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		      IORING_OFF_SQES);
	return r->sq != MAP_FAILED && r->sqe != MAP_FAILED &&
	       !syscall(__NR_io_uring_register, r->fd, IORING_REGISTER_BUFFERS, &iov, 1);
}

/* One word from @from into the registered buffer, without any page table. */
static bool ring_read(struct ring *r, int from, void *to)
{
	_Atomic unsigned int *tail = (void *)(r->sq + r->p.sq_off.tail);
	unsigned int mask = *(unsigned int *)(r->sq + r->p.sq_off.ring_mask);

	memset(r->sqe, 0, sizeof(*r->sqe));
	r->sqe->opcode = IORING_OP_READ_FIXED;
	r->sqe->fd = from;
	r->sqe->off = -1;
	r->sqe->addr = (uintptr_t)to;
	r->sqe->len = WORD;
	((unsigned int *)(r->sq + r->p.sq_off.array))[*tail & mask] = 0;
	atomic_fetch_add(tail, 1);
	return syscall(__NR_io_uring_enter, r->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1;
}

/* A buffer registered for I/O is written without a fault, a dirty bit or a flag. */
TEST_F_TIMEOUT(quiet, registered_buffer, 120)
{
	uint64_t *page = (uint64_t *)((uintptr_t)&self->old[AT] & ~(PAGE - 1)), young;
	struct gcarena_stats stats;
	struct ring ring;
	int ends[2], i;
	void *p;

	ASSERT_EQ(0, pipe(ends));
	make_quiet(_metadata, self);
	if (!ring_open(&ring, page, PAGE))
		SKIP(return, "no io_uring with registered buffers here: %s", strerror(errno));
	for (i = 0; i < 4; i++) {
		collect(_metadata, self, GCA_MINOR);
		collect(_metadata, self, GCA_MINOR);
		/* The chunk of the young objects may be. */
		stats = raw_stats_of(gca_fd(self->arena));
		EXPECT_GT(stats.backing_bytes, stats.quiet_bytes);
		/* That of the buffer is not: it need not wake. */
		EXPECT_EQ(0, ((volatile uint64_t *)page)[i]);
		EXPECT_EQ(stats.quiet_faults, raw_stats_of(gca_fd(self->arena)).quiet_faults);
		young = sealed_new(self->arena);
		p = reveal(young);
		ASSERT_EQ(WORD, write(ends[1], &p, WORD));
		ASSERT_TRUE(ring_read(&ring, ends[0], page + i));
		collect(_metadata, self, GCA_MINOR);
		ASSERT_TRUE(sealed_is_whole(young));
		ASSERT_EQ(young, hide((void *)(uintptr_t)page[i]));
	}
	close(ring.fd);
	close(ends[0]);
	close(ends[1]);
}

/* ---- Becoming quiet, and waking ---------------------------------------------------------- */

/* The pointer goes round and round, from one chunk to the next. */
TEST_F_TIMEOUT(quiet, back_and_forth, 120)
{
	uint64_t young = sealed_new(self->arena), garbage;
	unsigned int i, at = 0, next;

	self->old[at] = (uintptr_t)reveal(young);
	for (i = 1; i < 60; i++) {
		next = i * (OLD_WORDS / 3 + 777) % OLD_WORDS;
		self->old[next] = (uintptr_t)reveal(young);
		self->old[at] = 0;
		at = next;
		if (i % 4 == 0) {
			garbage = sealed_new(self->arena);
			collect(_metadata, self, GCA_MINOR);
			ASSERT_FALSE(is_object(garbage));
		} else if (i % 7 == 0) {
			collect(_metadata, self, GCA_FULL);
		}
		ASSERT_TRUE(sealed_is_whole(young));
	}
}

/* New objects in the free slots of quiet chunks. */
TEST_F_TIMEOUT(quiet, allocation, 120)
{
	uint64_t *table = gca_alloc_in(self->arena, 64 * 1024), *p, young;
	unsigned int round, i;

	self->root[1] = table;
	for (i = 0; i < 8192; i++) {
		p = gca_alloc_in(self->arena, 512);
		table[i] = i % 2 ? (uintptr_t)p : 0;
	}
	collect(_metadata, self, GCA_FULL);
	for (round = 0; round < 8; round++) {
		make_quiet(_metadata, self);
		for (i = 0; i < 100; i++) {
			p = gca_alloc_in(self->arena, 512);
			young = sealed_new(self->arena);
			p[5] = (uintptr_t)reveal(young);
			table[(round * 100 + i) * 2] = (uintptr_t)p;
		}
		collect(_metadata, self, GCA_MINOR);
		ASSERT_TRUE(sealed_is_whole(young));
		young = sealed_new(self->arena);
		p[6] = (uintptr_t)reveal(young);
		collect(_metadata, self, GCA_MINOR);
		ASSERT_TRUE(sealed_is_whole(young));
	}
}

/* New objects in blocks of quiet chunks that nothing has been in: no fault on the way. */
TEST_F_TIMEOUT(quiet, allocation_in_fresh_blocks, 120)
{
	uint64_t *p, young;
	unsigned int i;

	for (i = 0; i < 20; i++) {
		self->root[1] = gca_alloc_in(self->arena, 40 * 1024);
		ASSERT_NE(NULL, self->root[1]);
		self->root[1][0] = (uintptr_t)self->root[2];
		self->root[2] = self->root[1];
		collect(_metadata, self, GCA_MINOR);
		make_quiet(_metadata, self);
		/* It lies behind the one before, in the same chunk but for once or twice. */
		p = gca_alloc_in(self->arena, 40 * 1024);
		ASSERT_NE(NULL, p);
		self->root[3] = p;
		collect(_metadata, self, GCA_MINOR);
		young = sealed_new(self->arena);
		p[5] = (uintptr_t)reveal(young);
		collect(_metadata, self, GCA_MINOR);
		ASSERT_TRUE(sealed_is_whole(young));
	}
}

/* Moved objects are written through the collector's own mapping. */
TEST_F_TIMEOUT(quiet, compaction, 120)
{
	const uint64_t map = 3;
	gca_type *type = gca_type_from_bitmap_in(self->arena, "pair", 64, &map);
	uint64_t *table = gca_make(type, 4096), young;
	unsigned int i;

	self->root[1] = table;
	for (i = 0; i < 40000; i++) {
		uint64_t *p = gca_new(type);

		if (i % 10 == 0)
			table[i / 10 % 4096 * 8] = (uintptr_t)p;
	}
	collect(_metadata, self, GCA_FULL);
	make_quiet(_metadata, self);
	collect(_metadata, self, GCA_COMPACT);
	for (i = 0; i < 4000; i += 100) {
		young = sealed_new(self->arena);
		((uint64_t *)(uintptr_t)table[i * 8])[1] = (uintptr_t)reveal(young);
		collect(_metadata, self, GCA_MINOR);
		ASSERT_TRUE(sealed_is_whole(young));
	}
}

/* Threads write while the world runs, is looked at, and falls quiet under them. */
#define MOVERS	2

struct mover {
	pthread_t thread;
	uint64_t *old;
	uint64_t hidden;
	unsigned int self;
	_Atomic bool stop;
	_Atomic unsigned long moves;
};

static void *move(void *arg)
{
	struct mover *m = arg;
	size_t at = m->self, next;
	unsigned long n;

	m->old[at] = (uintptr_t)reveal(m->hidden);
	while (!atomic_load(&m->stop)) {
		n = atomic_fetch_add(&m->moves, 1);
		next = (n * 40961 * MOVERS + m->self) % OLD_WORDS;
		((volatile uint64_t *)m->old)[next] = (uintptr_t)reveal(m->hidden);
		if (next != at)
			((volatile uint64_t *)m->old)[at] = 0;
		at = next;
	}
	return NULL;
}

TEST_F_TIMEOUT(quiet, threads, 300)
{
	struct mover mover[MOVERS] = { };
	unsigned int i, round;

	for (i = 0; i < MOVERS; i++) {
		mover[i].old = self->old;
		mover[i].self = i;
	}
	for (round = 0; round < 4; round++) {
		memset(self->old, 0, OLD_BYTES);
		for (i = 0; i < MOVERS; i++) {
			mover[i].hidden = sealed_new(self->arena);
			atomic_store(&mover[i].stop, false);
			self->root[1 + i] = reveal(mover[i].hidden);
			atomic_store(&mover[i].moves, 0);
			ASSERT_EQ(0, pthread_create(&mover[i].thread, NULL, move, mover + i));
		}
		for (i = 0; i < MOVERS; i++) {
			while (!atomic_load(&mover[i].moves))
				usleep(100);
		}
		self->root[1] = NULL;
		self->root[2] = NULL;
		for (i = 0; i < 10; i++)
			collect(_metadata, self, i % 5 ? GCA_MINOR : GCA_FULL);
		for (i = 0; i < MOVERS; i++) {
			atomic_store(&mover[i].stop, true);
			pthread_join(mover[i].thread, NULL);
			ASSERT_TRUE(sealed_is_whole(mover[i].hidden));
		}
	}
}

/* ---- Without zeal -------------------------------------------------------------------------- */

/* Collect with nothing written until all of the old object is quiet. Return: how often. */
static unsigned int wait_until_quiet(struct __test_metadata *_metadata,
				     FIXTURE_DATA(quiet) *self)
{
	int fd = gca_fd(self->arena);
	unsigned int i, n;

	for (i = 1; i < 20; i++) {
		collect(_metadata, self, GCA_MINOR);
		/* The background work comes after a while. */
		for (n = 0; n < 50 && raw_stats_of(fd).quiet_bytes < OLD_BYTES; n++)
			usleep(2000);
		if (raw_stats_of(fd).quiet_bytes >= OLD_BYTES)
			break;
	}
	return i;
}

TEST_F_TIMEOUT(quiet, after_some_collections, 120)
{
	unsigned int first, second, i;
	struct gcarena_info info;
	uint64_t young, faults;

	ASSERT_EQ(0, raw_info(gca_fd(self->arena), &info));
	if (info.dirty_method == GCARENA_DIRTY_REFAULT)
		SKIP(return, "all is unmapped at each look");
	ASSERT_TRUE(param_set("zeal_quiet", 0));
	first = wait_until_quiet(_metadata, self);
	EXPECT_LE(2, first);
	ASSERT_GT(20, first);
	EXPECT_LE(3, raw_stats_of(gca_fd(self->arena)).quiet_total);
	/* One fault for each chunk, though all pages of it are read. */
	faults = raw_stats_of(gca_fd(self->arena)).faults;
	for (i = 0; i < OLD_WORDS; i += PAGE / WORD)
		EXPECT_EQ(0, ((volatile uint64_t *)self->old)[i]);
	EXPECT_EQ(faults + 3, raw_stats_of(gca_fd(self->arena)).faults);
	EXPECT_EQ(3, raw_stats_of(gca_fd(self->arena)).quiet_faults);
	EXPECT_GT(CHUNK, raw_stats_of(gca_fd(self->arena)).quiet_bytes);
	/* Who wakes at once is left alone for longer. */
	second = wait_until_quiet(_metadata, self);
	ASSERT_GT(20, second);
	EXPECT_LT(first, second);
	young = sealed_new(self->arena);
	self->old[AT] = (uintptr_t)reveal(young);
	collect(_metadata, self, GCA_MINOR);
	EXPECT_TRUE(sealed_is_whole(young));
}

TEST_F_TIMEOUT(quiet, never_when_switched_off, 120)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = GCA_ROOTS_EXPLICIT,
		.gc_percent = GCA_GC_PERCENT_OFF,
	};
	gca_arena *arena = self->arena;

	ASSERT_TRUE(params_set(&self->params, "quiet", 0));
	self->arena = gca_open(&options);
	ASSERT_NE(NULL, self->arena);
	self->root[1] = gca_alloc_in(self->arena, OLD_BYTES);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, self->root + 1, WORD));
	collect(_metadata, self, GCA_FULL);
	collect(_metadata, self, GCA_MINOR);
	collect(_metadata, self, GCA_MINOR);
	EXPECT_EQ(0, raw_stats_of(gca_fd(self->arena)).quiet_bytes);
	gca_close(self->arena);
	self->arena = arena;
}

TEST_HARNESS_MAIN
