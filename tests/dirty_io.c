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
 * Each way is a variant of its own: one that the kernel does not have is skipped, and says
 * so. Needs root, and a block device for direct I/O: the VM has a RAM disk. There are pages
 * to move between nodes with numa=fake=2.
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
#define COMPACT_MEMORY	"/proc/sys/vm/compact_memory"
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

/* Each returns whether it was written. */
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

	memcpy(copy, sector, SECTOR);
	copy[to - sector] = value;
	return pwrite(w->disk, copy, SECTOR, 0) == SECTOR;
}

static bool by_direct_io(struct ways *w, uint64_t *to, uint64_t value)
{
	void *sector = (void *)((uintptr_t)to & ~(SECTOR - 1));

	return w->disk >= 0 && sector_prepare(w, to, value) &&
	       pread(w->disk, sector, SECTOR, 0) == SECTOR;
}

static bool by_aio(struct ways *w, uint64_t *to, uint64_t value)
{
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = w->disk,
		.aio_buf = (uintptr_t)to & ~(SECTOR - 1), .aio_nbytes = SECTOR,
	}, *list = &cb;
	struct io_event done;

	if (!sector_prepare(w, to, value))
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

	if (!sector_prepare(w, to, value))
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

/* To the other node, if there is one. The kernel may refuse; it must not lose the write. */
static bool by_store_and_move_pages(struct ways *w, uint64_t *to, uint64_t value)
{
	void *page = (void *)((uintptr_t)to & ~(PAGE - 1));
	int node, status = 0;

	(void)w;
	*to = value;
	if (syscall(SYS_move_pages, 0, 1UL, &page, NULL, &status, 0))
		return false;
	node = status == 0 && !access("/sys/devices/system/node/node1", F_OK);
	if (syscall(SYS_move_pages, 0, 1UL, &page, &node, &status, 2 /* MPOL_MF_MOVE */) < 0)
		return false;
	return *(volatile uint64_t *)to == value;
}

static bool by_store_and_compaction(struct ways *w, uint64_t *to, uint64_t value)
{
	int fd = open(COMPACT_MEMORY, O_WRONLY);
	bool done;

	(void)w;
	*to = value;
	done = fd >= 0 && write(fd, "1", 1) == 1;
	close(fd);
	return done && *(volatile uint64_t *)to == value;
}

/* ---- What this kernel has not ----------------------------------------------------------- */

/* Each returns why not, or NULL. */
typedef const char *(*missing_fn)(struct ways *w);

static const char *no_disk(struct ways *w)
{
	return w->disk < 0 ? "no " DISK " that opens with O_DIRECT" : NULL;
}

/* Its context stays: taking one down waits for a grace period, which is long here. */
static const char *no_aio(struct ways *w)
{
	if (no_disk(w))
		return no_disk(w);
	return syscall(SYS_io_setup, 1, &w->aio) ? "no asynchronous I/O" : NULL;
}

/* Linux 6.1 refuses (EOPNOTSUPP) to keep what is mapped from a file pinned for so long. */
static const char *no_ring(struct ways *w)
{
	return w->ring < 0 ? "io_uring registers no memory of a file here" : NULL;
}

static const char *no_disk_or_ring(struct ways *w)
{
	return no_disk(w) ?: no_ring(w);
}

static const char *no_move_pages(struct ways *w)
{
	void *page = w->table;
	int status;

	return syscall(SYS_move_pages, 0, 1UL, &page, NULL, &status, 0) ? "no move_pages()" : NULL;
}

static const char *no_compaction(struct ways *w)
{
	(void)w;
	return access(COMPACT_MEMORY, W_OK) ? "no memory compaction" : NULL;
}

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

/**
 * struct dirty_io_variant - a way to write
 * @write: the way
 * @missing: tells why it cannot be done, if it may be so
 * @hops: while cycles trace: the slower ways fewer
 * @has_ring: needs an io_uring, with the table as its buffer
 */
FIXTURE_VARIANT(dirty_io)
{
	way_fn write;
	missing_fn missing;
	unsigned int hops;
	bool has_ring;
};

#define WAY(way, ...)	FIXTURE_VARIANT_ADD(dirty_io, way) { .write = by_##way, __VA_ARGS__ }

WAY(store, .hops = 2000);
WAY(direct_io, .hops = 800, .missing = no_disk);
WAY(aio, .hops = 500, .missing = no_aio);
WAY(registered_buffer, .hops = 800, .missing = no_disk_or_ring, .has_ring = true);
WAY(other_process, .hops = 60);
WAY(new_mapping, .hops = 60);
WAY(store_and_mprotect, .hops = 500);
WAY(store_and_madvise, .hops = 300);
WAY(store_and_move_pages, .hops = 60, .missing = no_move_pages);
WAY(store_and_compaction, .hops = 60, .missing = no_compaction);

/* What else is different: each way is tried in all four. */
enum how {
	PLAIN	= 0,
	REFAULT	= 1,		/* as on a kernel that offers no access to dirty bits */
	PINNED	= 2,		/* the pages of the table are pinned for I/O all the while */
};

static bool ways_begin(struct ways *w, struct params *params)
{
	*w = (struct ways) { .ring = -1, .disk = open(DISK, O_RDWR | O_DIRECT) };
	w->bounce = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return w->bounce != MAP_FAILED && params_set(params, "verify", 1) &&
	       params_set(params, "zeal_poison", 1);
}

static void ways_end(struct ways *w, struct params *params)
{
	if (w->ring >= 0)
		close(w->ring);
	if (w->aio)
		syscall(SYS_io_destroy, w->aio);
	if (w->disk >= 0)
		close(w->disk);
	if (w->arena)
		gca_close(w->arena);
	params_restore(params);
}

/* With @percent there are collections by themselves. */
static bool arena_begin(struct ways *w, uint64_t *root[2], int percent)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = GCA_ROOTS_EXPLICIT,
		.gc_percent = percent, .reserve = RESERVE,
	};

	w->arena = gca_open(&options);
	if (!w->arena || gca_roots_add_in(w->arena, root, 2 * sizeof(*root)))
		return false;
	w->table = gca_alloc_in(w->arena, TABLE_BYTES);
	root[0] = w->table;
	return w->table;
}

FIXTURE_SETUP(dirty_io)
{
	ASSERT_TRUE(ways_begin(&self->ways, &self->params));
}

FIXTURE_TEARDOWN(dirty_io)
{
	ways_end(&self->ways, &self->params);
}

/* Return: why this way cannot be had here, or NULL. */
static const char *begin(struct __test_metadata *_metadata, FIXTURE_DATA(dirty_io) *self,
			 const FIXTURE_VARIANT(dirty_io) *variant, enum how how, int percent)
{
	EXPECT_TRUE(params_set(&self->params, "refault", !!(how & REFAULT)));
	EXPECT_TRUE(arena_begin(&self->ways, self->root, percent));
	if (how & PINNED || variant->has_ring)
		ring_open(&self->ways);
	if (how & PINNED && no_ring(&self->ways))
		return no_ring(&self->ways);
	return variant->missing ? variant->missing(&self->ways) : NULL;
}

/* ---- Between collections --------------------------------------------------------------- */

static void minor_cycles(struct __test_metadata *_metadata, FIXTURE_DATA(dirty_io) *self,
			 const FIXTURE_VARIANT(dirty_io) *variant, enum how how)
{
	const char *missing = begin(_metadata, self, variant, how, GCA_GC_PERCENT_OFF);
	struct ways *w = &self->ways;
	uint64_t young;
	size_t word;

	if (missing)
		SKIP(return, "%s", missing);
	for (word = 5; word < WORDS; word += WORDS / 5) {
		ASSERT_EQ(0, gca_collect_in(w->arena, GCA_FULL, NULL));
		ASSERT_EQ(0, gca_collect_in(w->arena, GCA_MINOR, NULL));
		young = sealed_new(w->arena);
		ASSERT_TRUE(variant->write(w, &w->table[word], (uintptr_t)reveal(young))) {
			TH_LOG("errno %d", errno);
		}
		ASSERT_EQ(0, gca_collect_in(w->arena, GCA_MINOR, NULL));
		ASSERT_TRUE(sealed_is_whole(young)) {
			TH_LOG("word %zu", word);
		}
		ASSERT_EQ(young, hide((void *)(uintptr_t)w->table[word]));
		w->table[word] = 0;
	}
}

TEST_F_TIMEOUT(dirty_io, then_a_minor_cycle, 60)
{
	minor_cycles(_metadata, self, variant, PLAIN);
}

TEST_F_TIMEOUT(dirty_io, then_a_minor_cycle_by_refault, 60)
{
	minor_cycles(_metadata, self, variant, REFAULT);
}

TEST_F_TIMEOUT(dirty_io, then_a_minor_cycle_with_pins, 60)
{
	minor_cycles(_metadata, self, variant, PINNED);
}

TEST_F_TIMEOUT(dirty_io, then_a_minor_cycle_by_refault_with_pins, 60)
{
	minor_cycles(_metadata, self, variant, REFAULT | PINNED);
}

/* ---- While cycles trace ---------------------------------------------------------------- */

#define CYCLES		2	/* that trace while the program runs: so many at least */
#define HOPS_TIMES	50	/* for that, so many times the hops at most */

/* Allocating drives the cycles on. The slower the way, the more of it. */
static void churn(struct ways *w, unsigned int hops, struct rng *rng)
{
	unsigned int i;

	for (i = 0; i < 1 + 300 / hops; i++)
		gca_alloc_in(w->arena, 16 << rng_below(rng, 9));
}

/* From one place of the table to the next, which is written before the last is cleared. */
static bool hop(struct ways *w, const FIXTURE_VARIANT(dirty_io) *variant, uint64_t value,
		size_t *at, struct rng *rng)
{
	size_t to = rng_below(rng, WORDS), from = *at;

	if (to == from)
		return true;
	if (!variant->write(w, &w->table[to], value))
		return false;
	churn(w, variant->hops, rng);
	if (w->table[to] != value || !variant->write(w, &w->table[from], 0))
		return false;
	*at = to;
	churn(w, variant->hops, rng);
	return true;
}

static bool drive_cycles(struct params *params)
{
	return params_set(params, "concurrent", 2) && params_set(params, "generational", 2) &&
	       params_set(params, "zeal_refill", 1) && params_set(params, "zeal_slice", 100);
}

static bool has_hopped_enough(struct ways *w, unsigned int done, unsigned int hops)
{
	return done >= HOPS_TIMES * hops ||
	       (done >= hops && raw_stats_of(gca_fd(w->arena)).cycles_concurrent >= CYCLES);
}

static void concurrent_cycles(struct __test_metadata *_metadata, FIXTURE_DATA(dirty_io) *self,
			      const FIXTURE_VARIANT(dirty_io) *variant, enum how how)
{
	struct ways *w = &self->ways;
	struct gcarena_stats stats;
	const char *missing;
	uint64_t young, value;
	unsigned int i = 0;
	struct rng rng;
	size_t at;

	ASSERT_TRUE(drive_cycles(&self->params));
	missing = begin(_metadata, self, variant, how, 100);
	if (missing)
		SKIP(return, "%s", missing);
	rng_init(&rng, rng_seed_from_env());
	at = rng_below(&rng, WORDS);
	young = sealed_new(w->arena);
	value = (uintptr_t)reveal(young);
	w->table[at] = value;
	do {
		ASSERT_TRUE(hop(w, variant, value, &at, &rng)) {
			TH_LOG("hop %u failed, errno %d", i, errno);
		}
	} while (!has_hopped_enough(w, ++i, variant->hops));
	ASSERT_TRUE(sealed_is_whole(young));
	ASSERT_EQ(value, w->table[at]);
	ASSERT_EQ(0, raw_stats(gca_fd(w->arena), &stats));
	EXPECT_LE(CYCLES, stats.cycles_concurrent);
	EXPECT_EQ(0, stats.cycles_aborted);
	TH_LOG("%u hops, %llu cycles, %llu minor, %llu concurrent", i, stats.cycles,
	       stats.cycles_minor, stats.cycles_concurrent);
}

TEST_F_TIMEOUT(dirty_io, while_a_cycle_traces, 120)
{
	concurrent_cycles(_metadata, self, variant, PLAIN);
}

TEST_F_TIMEOUT(dirty_io, while_a_cycle_traces_by_refault, 120)
{
	concurrent_cycles(_metadata, self, variant, REFAULT);
}

TEST_F_TIMEOUT(dirty_io, while_a_cycle_traces_with_pins, 120)
{
	concurrent_cycles(_metadata, self, variant, PINNED);
}

TEST_F_TIMEOUT(dirty_io, while_a_cycle_traces_by_refault_with_pins, 120)
{
	concurrent_cycles(_metadata, self, variant, REFAULT | PINNED);
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

FIXTURE(writers)
{
	struct params params;
	struct ways ways;
	uint64_t *root[2];
};

FIXTURE_VARIANT(writers)
{
	long refault;
	bool direct;		/* one of them by direct I/O as well */
};

FIXTURE_VARIANT_ADD(writers, dirty_bits) { .refault = 0 };
FIXTURE_VARIANT_ADD(writers, refault) { .refault = 1 };
FIXTURE_VARIANT_ADD(writers, direct_io) { .direct = true };
FIXTURE_VARIANT_ADD(writers, direct_io_refault) { .refault = 1, .direct = true };

FIXTURE_SETUP(writers)
{
	ASSERT_TRUE(ways_begin(&self->ways, &self->params));
	ASSERT_TRUE(params_set(&self->params, "refault", variant->refault));
}

FIXTURE_TEARDOWN(writers)
{
	ways_end(&self->ways, &self->params);
}

TEST_F_TIMEOUT(writers, at_the_same_time, 300)
{
	struct writer writer[WRITERS];
	atomic_bool stop = false;
	unsigned int i;

	if (variant->direct && no_disk(&self->ways))
		SKIP(return, "%s", no_disk(&self->ways));
	ASSERT_TRUE(arena_begin(&self->ways, self->root, GCA_GC_PERCENT_OFF));
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
	if (variant->direct)
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
