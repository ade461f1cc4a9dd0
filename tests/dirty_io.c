// SPDX-License-Identifier: GPL-2.0
/*
 * The only pointer to a young object gets into an old one by all ways there are to write to
 * memory but a store of the collecting process: direct I/O, asynchronous I/O and io_uring
 * with registered buffers, another process's process_vm_writev(), a mapping that is made
 * anew; or by a store, and then the page table entry is changed, dropped, or asked to move:
 * mprotect(), madvise(), move_pages(), memory compaction. Then a minor cycle; or it happens
 * all the time, while cycles trace concurrently, a few steps at each refill. Each cycle is
 * verified, what is freed is overwritten. (tests/minor.c has the plain ways.)
 *
 * Needs root, and a block device for direct I/O: the VM has a RAM disk.
 */
#define _GNU_SOURCE
#include <kselftest_harness.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
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
#include "lib/rng.h"

#define KIB		1024UL
#define MIB		(1024 * KIB)
#define PAGE		4096UL
#define SECTOR		512UL
#define DISK		"/dev/ram0"
#define TABLE_BYTES	(16 * PAGE)		/* the old object: a large one, whole pages */
#define WORDS		(TABLE_BYTES / 8)
#define RESERVE		(1024 * MIB)

static void __attribute__((constructor)) need_root(void)
{
	raw_need_root();
}

struct ways {
	gca_arena *arena;
	uint64_t *table;
	char *bounce;			/* a page outside of the arena */
	int disk;			/* O_DIRECT, or -1 */
	aio_context_t aio;		/* 0: not yet made */
	int ring;			/* of io_uring, or -1 */
	struct io_uring_params ring_params;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
};

/* ---- Ways to write a word ------------------------------------------------------------- */

/* Each returns whether it was written; what cannot be done here returns false. */
typedef bool (*way_fn)(struct ways *w, uint64_t *to, uint64_t value);

static bool by_store(struct ways *w, uint64_t *to, uint64_t value)
{
	(void)w;
	*to = value;
	return true;
}

/* The sector around @to, with the new word in it, on the disk. */
static bool sector_prepare(struct ways *w, uint64_t *to, uint64_t value)
{
	uint64_t *sector = (uint64_t *)((uintptr_t)to & ~(SECTOR - 1));
	uint64_t *copy = (uint64_t *)w->bounce;

	if (w->disk < 0)
		return false;
	memcpy(copy, sector, SECTOR);
	copy[to - sector] = value;
	return pwrite(w->disk, copy, SECTOR, 0) == SECTOR;
}

static bool by_direct_io(struct ways *w, uint64_t *to, uint64_t value)
{
	void *sector = (void *)((uintptr_t)to & ~(SECTOR - 1));

	return sector_prepare(w, to, value) && pread(w->disk, sector, SECTOR, 0) == SECTOR;
}

/* Its context stays: taking one down waits for a grace period, which is long here. */
static bool by_aio(struct ways *w, uint64_t *to, uint64_t value)
{
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = w->disk,
		.aio_buf = (uintptr_t)to & ~(SECTOR - 1), .aio_nbytes = SECTOR,
	}, *list = &cb;
	struct io_event done;

	if (!sector_prepare(w, to, value) || (!w->aio && syscall(SYS_io_setup, 1, &w->aio)))
		return false;
	return syscall(SYS_io_submit, w->aio, 1, &list) == 1 &&
	       syscall(SYS_io_getevents, w->aio, 1, 1, &done, NULL) == 1 && done.res == SECTOR;
}

/* Buffer 0 is the table: its pages are pinned from the beginning to the end. */
static bool by_registered_buffer(struct ways *w, uint64_t *to, uint64_t value)
{
	struct io_uring_params *p = &w->ring_params;
	unsigned int *tail, *array, *head, mask;
	struct io_uring_cqe *cqe;
	bool ok;

	if (w->ring < 0 || !sector_prepare(w, to, value))
		return false;
	tail = (unsigned int *)(w->sq + p->sq_off.tail);
	array = (unsigned int *)(w->sq + p->sq_off.array);
	mask = *(unsigned int *)(w->sq + p->sq_off.ring_mask);
	w->sqes[*tail & mask] = (struct io_uring_sqe) {
		.opcode = IORING_OP_READ_FIXED, .fd = w->disk,
		.addr = (uintptr_t)to & ~(SECTOR - 1), .len = SECTOR,
	};
	array[*tail & mask] = *tail & mask;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, w->ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return false;
	head = (unsigned int *)(w->cq + p->cq_off.head);
	mask = *(unsigned int *)(w->cq + p->cq_off.ring_mask);
	cqe = (struct io_uring_cqe *)(w->cq + p->cq_off.cqes) + (*head & mask);
	ok = cqe->res == (int)SECTOR;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return ok;
}

/* Have a child do it. */
static bool in_child(bool (*call)(struct ways *w, uint64_t *to, uint64_t value), struct ways *w,
		     uint64_t *to, uint64_t value)
{
	pid_t pid = fork();

	if (!pid)
		_exit(call(w, to, value) ? 0 : 1);
	return pid > 0 && raw_reap(pid) == 0;
}

static bool write_to_parent(struct ways *w, uint64_t *to, uint64_t value)
{
	struct iovec from = { &value, 8 }, there = { to, 8 };

	(void)w;
	return process_vm_writev(getppid(), &from, 1, &there, 1, 0) == 8;
}

static bool by_other_process(struct ways *w, uint64_t *to, uint64_t value)
{
	return in_child(write_to_parent, w, to, value);
}

/* The child's own mapping goes, and comes again where it was. */
static bool map_anew(struct ways *w, uint64_t *to, uint64_t value)
{
	uint64_t length;
	void *base = gca_base(w->arena, &length);

	if (munmap(base, length) ||
	    mmap(base, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
		 gca_fd(w->arena), 0) != base)
		return false;
	*to = value;
	return !munmap(base, length);
}

static bool by_new_mapping(struct ways *w, uint64_t *to, uint64_t value)
{
	return in_child(map_anew, w, to, value);
}

/* All of the arena: parts of it have no protection of their own. */
static bool by_store_and_mprotect(struct ways *w, uint64_t *to, uint64_t value)
{
	uint64_t length;
	void *base = gca_base(w->arena, &length);

	*to = value;
	return !mprotect(base, length, PROT_READ) &&
	       !mprotect(base, length, PROT_READ | PROT_WRITE);
}

/* Advice may be refused; it must not lose the write. */
static bool by_store_and_madvise(struct ways *w, uint64_t *to, uint64_t value)
{
	static const int advice[] = {
		MADV_COLD, MADV_PAGEOUT, MADV_FREE, MADV_MERGEABLE, MADV_UNMERGEABLE,
		MADV_WILLNEED, MADV_POPULATE_WRITE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTNEED,
		MADV_RANDOM, MADV_NORMAL, MADV_DONTFORK, MADV_DOFORK, MADV_REMOVE,
	};
	void *page = (void *)((uintptr_t)to & ~(PAGE - 1));
	size_t i;

	(void)w;
	*to = value;
	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		madvise(page, PAGE, advice[i]);
		if (*(volatile uint64_t *)to != value)
			return false;
	}
	return true;
}

static bool by_store_and_migration(struct ways *w, uint64_t *to, uint64_t value)
{
	void *page = (void *)((uintptr_t)to & ~(PAGE - 1));
	int node = 0, status = 0, fd;

	(void)w;
	*to = value;
	syscall(SYS_move_pages, 0, 1UL, &page, &node, &status, 2 /* MPOL_MF_MOVE */);
	fd = open("/proc/sys/vm/compact_memory", O_WRONLY);
	if (fd >= 0) {
		if (write(fd, "1", 1) < 0)
			node = -1;
		close(fd);
	}
	return *(volatile uint64_t *)to == value;
}

static const struct {
	const char *name;
	way_fn write;
	unsigned int hops;	/* the slower ones fewer */
} all_ways[] = {
	{ "store", by_store, 2000 },
	{ "direct I/O", by_direct_io, 800 },
	{ "aio", by_aio, 500 },
	{ "registered buffer", by_registered_buffer, 800 },
	{ "another process", by_other_process, 60 },
	{ "new mapping", by_new_mapping, 60 },
	{ "mprotect", by_store_and_mprotect, 500 },
	{ "madvise", by_store_and_madvise, 300 },
	{ "migration", by_store_and_migration, 60 },
};

/* ---- Setting up ----------------------------------------------------------------------- */

static void ring_open(struct ways *w)
{
	struct iovec buffer = { w->table, TABLE_BYTES };
	struct io_uring_params *p = &w->ring_params;
	int fd = syscall(SYS_io_uring_setup, 4, p);

	if (fd < 0)
		return;
	w->sq = mmap(NULL, p->sq_off.array + p->sq_entries * 4, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQ_RING);
	w->cq = mmap(NULL, p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe),
		     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_CQ_RING);
	w->sqes = mmap(NULL, p->sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQES);
	if (w->sq == MAP_FAILED || w->cq == MAP_FAILED || (void *)w->sqes == MAP_FAILED ||
	    syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, &buffer, 1))
		close(fd);
	else
		w->ring = fd;
}

FIXTURE(dirty_io)
{
	struct params params;
	struct ways ways;
	uint64_t *root[2];
};

FIXTURE_VARIANT(dirty_io)
{
	long refault;
};

FIXTURE_VARIANT_ADD(dirty_io, dirty_bits) { .refault = 0 };
FIXTURE_VARIANT_ADD(dirty_io, refault) { .refault = 1 };

FIXTURE_SETUP(dirty_io)
{
	ASSERT_TRUE(params_set(&self->params, "verify", 1));
	ASSERT_TRUE(params_set(&self->params, "refault", variant->refault));
	ASSERT_TRUE(params_set(&self->params, "zeal_poison", 1));
	self->ways = (struct ways) { .ring = -1 };
	self->ways.disk = open(DISK, O_RDWR | O_DIRECT);
	self->ways.bounce = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->ways.bounce);
}

FIXTURE_TEARDOWN(dirty_io)
{
	if (self->ways.ring >= 0)
		close(self->ways.ring);
	if (self->ways.aio)
		syscall(SYS_io_destroy, self->ways.aio);
	if (self->ways.disk >= 0)
		close(self->ways.disk);
	if (self->ways.arena)
		gca_close(self->ways.arena);
	params_restore(&self->params);
}

/* With @percent there are collections by themselves. */
static void arena_begin(struct __test_metadata *_metadata, FIXTURE_DATA(dirty_io) *self,
			int percent, bool with_ring)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = GCA_ROOTS_EXPLICIT,
		.gc_percent = percent, .reserve = RESERVE,
	};
	struct ways *w = &self->ways;

	w->arena = gca_open(&options);
	ASSERT_NE(NULL, w->arena);
	ASSERT_EQ(0, gca_roots_add_in(w->arena, self->root, sizeof(self->root)));
	w->table = gca_alloc_in(w->arena, TABLE_BYTES);
	ASSERT_NE(NULL, w->table);
	self->root[0] = w->table;
	if (with_ring)
		ring_open(w);
}

/* ---- Between collections --------------------------------------------------------------- */

static void check_way(struct __test_metadata *_metadata, FIXTURE_DATA(dirty_io) *self, size_t n)
{
	struct ways *w = &self->ways;
	uint64_t young;
	size_t word;

	for (word = 5; word < WORDS; word += WORDS / 5) {
		ASSERT_EQ(0, gca_collect_in(w->arena, GCA_FULL, NULL));
		ASSERT_EQ(0, gca_collect_in(w->arena, GCA_MINOR, NULL));
		young = sealed_new(w->arena);
		if (!all_ways[n].write(w, &w->table[word], (uintptr_t)reveal(young))) {
			TH_LOG("%s: not here (errno %d)", all_ways[n].name, errno);
			return;
		}
		ASSERT_EQ(0, gca_collect_in(w->arena, GCA_MINOR, NULL)) {
			TH_LOG("by %s", all_ways[n].name);
		}
		ASSERT_TRUE(sealed_is_whole(young)) {
			TH_LOG("by %s, word %zu", all_ways[n].name, word);
		}
		ASSERT_EQ(young, hide((void *)(uintptr_t)w->table[word]));
		w->table[word] = 0;
	}
}

TEST_F_TIMEOUT(dirty_io, then_a_minor_cycle, 180)
{
	size_t n;

	arena_begin(_metadata, self, GCA_GC_PERCENT_OFF, false);
	for (n = 0; n < ARRAY_SIZE(all_ways); n++)
		check_way(_metadata, self, n);
}

TEST_F_TIMEOUT(dirty_io, then_a_minor_cycle_with_registered_buffers, 180)
{
	size_t n;

	arena_begin(_metadata, self, GCA_GC_PERCENT_OFF, true);
	if (self->ways.ring < 0)
		SKIP(return, "no io_uring with registered buffers");
	for (n = 0; n < ARRAY_SIZE(all_ways); n++)
		check_way(_metadata, self, n);
}

/* ---- While cycles trace ---------------------------------------------------------------- */

/* From one place of the table to the next, which is written before the last is cleared. */
static bool hop(struct ways *w, way_fn write, uint64_t value, size_t *at, struct rng *rng)
{
	size_t to = rng_below(rng, WORDS), from = *at;

	if (to == from)
		return true;
	if (!write(w, &w->table[to], value))
		return false;
	gca_alloc_in(w->arena, 16 << rng_below(rng, 9));
	if (w->table[to] != value || !write(w, &w->table[from], 0))
		return false;
	*at = to;
	gca_alloc_in(w->arena, 16 << rng_below(rng, 9));
	return true;
}

static void check_hops(struct __test_metadata *_metadata, FIXTURE_DATA(dirty_io) *self, size_t n,
		       struct rng *rng)
{
	struct ways *w = &self->ways;
	uint64_t young = sealed_new(w->arena), value = (uintptr_t)reveal(young);
	size_t at = rng_below(rng, WORDS);
	unsigned int i;

	w->table[at] = value;
	for (i = 0; i < all_ways[n].hops; i++) {
		if (hop(w, all_ways[n].write, value, &at, rng))
			continue;
		ASSERT_EQ(0, i) {
			TH_LOG("%s: hop %u failed, errno %d", all_ways[n].name, i, errno);
		}
		TH_LOG("%s: not here (errno %d)", all_ways[n].name, errno);
		break;
	}
	ASSERT_TRUE(sealed_is_whole(young)) {
		TH_LOG("by %s", all_ways[n].name);
	}
	ASSERT_EQ(value, w->table[at]);
	w->table[at] = 0;
}

static void hop_all(struct __test_metadata *_metadata, FIXTURE_DATA(dirty_io) *self, bool ring)
{
	struct gcarena_stats stats;
	struct rng rng;
	size_t n;

	ASSERT_TRUE(params_set(&self->params, "concurrent", 2));
	ASSERT_TRUE(params_set(&self->params, "generational", 2));
	ASSERT_TRUE(params_set(&self->params, "zeal_refill", 1));
	ASSERT_TRUE(params_set(&self->params, "zeal_slice", 40));
	rng_init(&rng, rng_seed_from_env());
	arena_begin(_metadata, self, 100, ring);
	if (ring && self->ways.ring < 0)
		SKIP(return, "no io_uring with registered buffers");
	for (n = 0; n < ARRAY_SIZE(all_ways); n++)
		check_hops(_metadata, self, n, &rng);
	ASSERT_EQ(0, raw_stats(gca_fd(self->ways.arena), &stats));
	EXPECT_LT(5, stats.cycles_concurrent);
	EXPECT_EQ(0, stats.cycles_aborted);
	TH_LOG("%llu cycles, %llu minor, %llu concurrent", stats.cycles, stats.cycles_minor,
	       stats.cycles_concurrent);
}

TEST_F_TIMEOUT(dirty_io, while_a_cycle_traces, 300)
{
	hop_all(_metadata, self, false);
}

TEST_F_TIMEOUT(dirty_io, while_a_cycle_traces_with_registered_buffers, 300)
{
	hop_all(_metadata, self, true);
}

/* ---- Many writers ---------------------------------------------------------------------- */

#define WRITERS	4

struct writer {
	struct ways ways;
	uint64_t young;
	size_t at, first, end;		/* its words of the table */
	atomic_bool *stop;
	bool failed;
	pthread_t thread;
	uint64_t seed;
};

/* Young objects in its part of the table come and go; the newest stays, and hops. */
static void *keep_writing(void *data)
{
	static const way_fn ways[] = { by_store, by_other_process, by_direct_io,
				       by_store_and_madvise, by_store };
	struct writer *me = data;
	struct rng rng;
	unsigned int i;

	rng_init(&rng, me->seed);
	for (i = 0; !atomic_load(me->stop) && !me->failed; i++) {
		size_t to = me->first + rng_below(&rng, me->end - me->first);
		uint64_t *table = me->ways.table;

		if (i % 8 == 0) {
			me->young = sealed_new(me->ways.arena);
			/* In the thread's own span until it is in the table: not freed. */
			table[me->at] = (uintptr_t)reveal(me->young);
		}
		/* Making a process takes long: now and then. */
		if (i % 5 == 1 && i % 97)
			continue;
		if (to != me->at && ways[i % 5](&me->ways, &table[to], table[me->at])) {
			table[me->at] = 0;
			me->at = to;
		}
		me->failed = !sealed_is_whole(me->young) ||
			     table[me->at] != (uintptr_t)reveal(me->young);
	}
	return NULL;
}

TEST_F_TIMEOUT(dirty_io, many_writers, 300)
{
	struct writer writer[WRITERS];
	atomic_bool stop = false;
	unsigned int i;

	arena_begin(_metadata, self, GCA_GC_PERCENT_OFF, false);
	for (i = 0; i < WRITERS; i++) {
		/* A page apart, as sectors are read and written back. */
		writer[i] = (struct writer) {
			.ways = self->ways, .stop = &stop, .seed = rng_seed_from_env() + i,
			.first = i * WORDS / WRITERS, .end = (i + 1) * WORDS / WRITERS,
			.at = i * WORDS / WRITERS,
		};
		writer[i].ways.disk = -1;	/* one disk, one sector: only the first */
		writer[i].ways.bounce = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ASSERT_NE(MAP_FAILED, writer[i].ways.bounce);
	}
	writer[0].ways.disk = self->ways.disk;
	for (i = 0; i < WRITERS; i++)
		ASSERT_EQ(0, pthread_create(&writer[i].thread, NULL, keep_writing, &writer[i]));
	for (i = 0; i < 60; i++)
		ASSERT_EQ(0, gca_collect_in(self->ways.arena, i % 5 == 4 ? GCA_MAJOR : GCA_MINOR,
					    NULL));
	atomic_store(&stop, true);
	for (i = 0; i < WRITERS; i++) {
		pthread_join(writer[i].thread, NULL);
		EXPECT_FALSE(writer[i].failed) {
			TH_LOG("writer %u", i);
		}
	}
}

TEST_HARNESS_MAIN
