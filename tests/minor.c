// SPDX-License-Identifier: GPL-2.0
/*
 * Minor collections: young garbage goes, old garbage stays, and nothing that is reachable
 * is lost, however the last pointer to it got where it is: stored by the program into
 * an old object of any layout, by another process, by the kernel, through a mapping that
 * is gone since. Each cycle is checked by the module's verifier when root runs this.
 *
 * Everything is done with both ways of finding written pages. GCARENA_SEED repeats the
 * random program.
 */
#include <kselftest_harness.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
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
#define WORD		sizeof(uint64_t)

static void __attribute__((constructor)) need_root(void)
{
	raw_need_root();
}

FIXTURE(minor)
{
	gca_arena *arena;
	uint64_t *root[16];	/* all roots there are */
	struct gca_collection collected;
};

FIXTURE_VARIANT(minor)
{
	long refault;
};

/* Kernels without the helpers for dirty bits test the fallback twice. */
FIXTURE_VARIANT_ADD(minor, dirty_bits) { .refault = 0 };
FIXTURE_VARIANT_ADD(minor, refault) { .refault = 1 };

FIXTURE_SETUP(minor)
{
	struct gca_options options = {
		.size = sizeof(options), .root_mode = GCA_ROOTS_EXPLICIT,
		.gc_percent = GCA_GC_PERCENT_OFF,
	};
	struct gcarena_info info;

	ASSERT_TRUE(param_set("refault", variant->refault));
	ASSERT_TRUE(param_set("verify", 1));
	self->collected.size = sizeof(self->collected);
	self->arena = gca_open(&options);
	ASSERT_NE(NULL, self->arena);
	ASSERT_EQ(0, gca_roots_add_in(self->arena, self->root, sizeof(self->root)));
	ASSERT_EQ(0, raw_info(gca_fd(self->arena), &info));
	if (variant->refault)
		ASSERT_EQ(GCARENA_DIRTY_REFAULT, info.dirty_method);
}

FIXTURE_TEARDOWN(minor)
{
	param_set("refault", 0);
	param_set("verify", 0);
	if (self->arena)
		gca_close(self->arena);
}

static void collect(struct __test_metadata *_metadata, FIXTURE_DATA(minor) *self,
		    enum gca_kind kind)
{
	ASSERT_EQ(0, gca_collect_in(self->arena, kind, &self->collected));
}

static uint64_t dirty_pages(FIXTURE_DATA(minor) *self)
{
	struct gcarena_stats stats;

	return raw_stats(gca_fd(self->arena), &stats) ? ~0ULL : stats.dirty_pages_last;
}

/* ---- What goes and what stays --------------------------------------------------------- */

TEST_F(minor, young_garbage_goes_and_old_stays)
{
	uint64_t old_garbage, young_garbage, young;

	self->root[0] = reveal(sealed_new(self->arena));
	old_garbage = hide(self->root[0]);
	collect(_metadata, self, GCA_FULL);
	self->root[0] = NULL;
	young_garbage = sealed_new(self->arena);
	young = sealed_new(self->arena);
	self->root[1] = reveal(young);
	collect(_metadata, self, GCA_MINOR);
	EXPECT_TRUE(sealed_is_whole(old_garbage));
	EXPECT_TRUE(sealed_is_whole(young));
	EXPECT_FALSE(is_object(young_garbage));
	EXPECT_EQ(2, self->collected.live_objects);
	/* It has survived one, so it is old now. */
	self->root[1] = NULL;
	collect(_metadata, self, GCA_MINOR);
	EXPECT_TRUE(sealed_is_whole(young));
	collect(_metadata, self, GCA_FULL);
	EXPECT_FALSE(is_object(young));
	EXPECT_FALSE(is_object(old_garbage));
	EXPECT_EQ(0, self->collected.live_objects);
}

TEST_F(minor, the_first_collection_is_a_full_one)
{
	struct gcarena_event event;

	self->root[0] = reveal(sealed_new(self->arena));
	collect(_metadata, self, GCA_MINOR);
	ASSERT_EQ(sizeof(event), read(gca_fd(self->arena), &event, sizeof(event)));
	EXPECT_EQ(GCARENA_COLLECT_FULL, event.collect_kind);
	collect(_metadata, self, GCA_MINOR);
	ASSERT_EQ(sizeof(event), read(gca_fd(self->arena), &event, sizeof(event)));
	EXPECT_EQ(GCARENA_COLLECT_MINOR, event.collect_kind);
}

TEST_F(minor, statistics_tell_old_from_young)
{
	struct gcarena_stats stats;
	int i;

	self->root[0] = gca_alloc_in(self->arena, 1024);
	for (i = 0; i < 100; i++)
		self->root[0][i] = (uintptr_t)reveal(sealed_new(self->arena));
	ASSERT_EQ(0, raw_stats(gca_fd(self->arena), &stats));
	EXPECT_EQ(0, stats.old_objects);
	collect(_metadata, self, GCA_FULL);
	ASSERT_EQ(0, raw_stats(gca_fd(self->arena), &stats));
	EXPECT_EQ(101, stats.old_objects);
	EXPECT_EQ(1024 + 100 * 64, stats.old_bytes);
	EXPECT_EQ(stats.heap_objects, stats.old_objects);
	self->root[1] = reveal(sealed_new(self->arena));
	gca_flush();
	ASSERT_EQ(0, raw_stats(gca_fd(self->arena), &stats));
	EXPECT_EQ(stats.heap_objects, stats.old_objects + 1);
	/* An old one that is freed by hand is neither. */
	ASSERT_EQ(0, gca_free((void *)(uintptr_t)self->root[0][5]));
	self->root[0][5] = 0;
	ASSERT_EQ(0, raw_stats(gca_fd(self->arena), &stats));
	EXPECT_EQ(100, stats.old_objects);
	EXPECT_EQ(1, stats.cycles);
	EXPECT_EQ(0, stats.cycles_minor);
	collect(_metadata, self, GCA_MINOR);
	ASSERT_EQ(0, raw_stats(gca_fd(self->arena), &stats));
	EXPECT_EQ(1, stats.cycles_minor);
	EXPECT_EQ(101, stats.old_objects);
}

/* ---- Old objects that get a pointer to a young one ------------------------------------- */

/* Each word of an old object of @bytes in turn has the only pointer. */
static void check_each_word(struct __test_metadata *_metadata, FIXTURE_DATA(minor) *self,
			    uint64_t *old, size_t first, size_t step, size_t bytes)
{
	uint64_t young;
	size_t i;

	self->root[0] = old;
	collect(_metadata, self, GCA_FULL);
	collect(_metadata, self, GCA_MINOR);
	for (i = first; i < bytes / WORD; i += step) {
		young = sealed_new(self->arena);
		old[i] = (uintptr_t)reveal(young);
		collect(_metadata, self, GCA_MINOR);
		ASSERT_TRUE(sealed_is_whole(young)) TH_LOG("word %zu of %zu", i, bytes / WORD);
		old[i] = 0;
		/* Nobody has it now, and being old it stays. */
	}
}

TEST_F_TIMEOUT(minor, conservative_object, 120)
{
	check_each_word(_metadata, self, gca_alloc_in(self->arena, 256), 0, 1, 256);
}

TEST_F_TIMEOUT(minor, conservative_object_across_pages, 120)
{
	check_each_word(_metadata, self, gca_alloc_in(self->arena, 24 * KIB), 0, 97, 24 * KIB);
}

TEST_F_TIMEOUT(minor, large_object_across_chunks, 120)
{
	size_t bytes = 5 * MIB;

	check_each_word(_metadata, self, gca_alloc_in(self->arena, bytes), 0, 20011, bytes);
	check_each_word(_metadata, self, self->root[0], bytes / WORD - 1, 1, bytes);
}

/* Elements of three words that do not divide a page: the middle one is a pointer. */
TEST_F_TIMEOUT(minor, typed_array_across_pages, 120)
{
	const uint64_t map = 2;
	gca_type *type = gca_type_from_bitmap_in(self->arena, "triple", 3 * WORD, &map);

	ASSERT_NE(NULL, type);
	check_each_word(_metadata, self, gca_make(type, 1000), 1, 3 * 31, 3000 * WORD);
	check_each_word(_metadata, self, gca_make(type, 50000), 1, 3 * 1601, 150000 * WORD);
}

/* An element of 200 words: its bitmap takes several. */
TEST_F_TIMEOUT(minor, long_typed_element, 120)
{
	uint64_t map[4] = { 1, 1ULL << 63, 0, 1ULL << 7 };
	gca_type *type = gca_type_from_bitmap_in(self->arena, "long", 200 * WORD, map);
	static const int at[] = { 0, 127, 199 };
	uint64_t *array, young;
	unsigned int i;

	ASSERT_NE(NULL, type);
	array = gca_make(type, 100);
	self->root[0] = array;
	collect(_metadata, self, GCA_FULL);
	for (i = 0; i < 300; i++) {
		young = sealed_new(self->arena);
		array[i / 3 * 200 + at[i % 3]] = (uintptr_t)reveal(young);
		if (i % 7)
			continue;
		collect(_metadata, self, GCA_MINOR);
		ASSERT_TRUE(sealed_is_whole(young));
	}
}

TEST_F(minor, a_noscan_object_is_not_read)
{
	uint64_t *old = gca_alloc_noscan_in(self->arena, 256), young;

	self->root[0] = old;
	collect(_metadata, self, GCA_FULL);
	young = sealed_new(self->arena);
	old[3] = (uintptr_t)reveal(young);
	collect(_metadata, self, GCA_MINOR);
	EXPECT_FALSE(is_object(young));
}

/* From old to young to younger, and back to the young by an old one's pointer. */
TEST_F(minor, chains_of_young_objects)
{
	uint64_t *old = gca_alloc_in(self->arena, 64), *p, chain[1000];
	int i;

	self->root[0] = old;
	collect(_metadata, self, GCA_FULL);
	for (i = 0; i < 1000; i++)
		chain[i] = sealed_new(self->arena);
	p = old;
	for (i = 0; i < 1000; i++, p = (uint64_t *)p[0])
		p[0] = (uintptr_t)reveal(chain[i]);
	collect(_metadata, self, GCA_MINOR);
	for (i = 0; i < 1000; i++)
		ASSERT_TRUE(sealed_is_whole(chain[i]));
	EXPECT_EQ(1001, self->collected.live_objects);
}

/* ---- Only what was written is read ------------------------------------------------------ */

TEST_F(minor, written_pages_are_counted)
{
	char *old = gca_alloc_in(self->arena, 64 * PAGE);
	int i;

	self->root[0] = (uint64_t *)old;
	collect(_metadata, self, GCA_FULL);
	collect(_metadata, self, GCA_MINOR);
	collect(_metadata, self, GCA_MINOR);
	EXPECT_EQ(0, dirty_pages(self));
	for (i = 0; i < 64; i += 3)
		old[i * PAGE + i] = 1;
	collect(_metadata, self, GCA_MINOR);
	EXPECT_EQ(22, dirty_pages(self));
	/* Reading is not writing. */
	for (i = 0; i < 64; i++)
		EXPECT_EQ(i % 3 == 0, ((volatile char *)old)[i * PAGE + i]);
	collect(_metadata, self, GCA_MINOR);
	/* A page's flag may tell twice: see folio_take_dirty() in kmod/backing.c. */
	EXPECT_TRUE(!dirty_pages(self) || variant->refault);
	collect(_metadata, self, GCA_MINOR);
	EXPECT_EQ(0, dirty_pages(self));
}

/* ---- Writes that did not go through the page table of who collects ---------------------- */

/* The only pointer to @young gets into word 5 of the old object in root[0] by @write. */
static void check_writer(struct __test_metadata *_metadata, FIXTURE_DATA(minor) *self,
			 void (*write_word)(struct __test_metadata *_metadata, gca_arena *arena,
					    uint64_t *to, uint64_t hidden))
{
	uint64_t *old = gca_alloc_in(self->arena, 256), young;

	self->root[0] = old;
	collect(_metadata, self, GCA_FULL);
	collect(_metadata, self, GCA_MINOR);
	young = sealed_new(self->arena);
	write_word(_metadata, self->arena, &old[5], young);
	collect(_metadata, self, GCA_MINOR);
	EXPECT_TRUE(sealed_is_whole(young));
	EXPECT_EQ(young, hide((void *)(uintptr_t)old[5]));
	EXPECT_LE(1, dirty_pages(self));
}

static void by_read(struct __test_metadata *_metadata, gca_arena *arena, uint64_t *to,
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

TEST_F(minor, written_by_a_system_call)
{
	check_writer(_metadata, self, by_read);
}

static void by_process_vm_writev(struct __test_metadata *_metadata, gca_arena *arena,
				 uint64_t *to, uint64_t hidden)
{
	void *p = reveal(hidden);
	struct iovec from = { &p, WORD }, there = { to, WORD };

	ASSERT_EQ(WORD, process_vm_writev(getpid(), &from, 1, &there, 1, 0));
}

TEST_F(minor, written_by_process_vm_writev)
{
	check_writer(_metadata, self, by_process_vm_writev);
}

static void by_mem_file(struct __test_metadata *_metadata, gca_arena *arena, uint64_t *to,
			uint64_t hidden)
{
	void *p = reveal(hidden);
	int fd = open("/proc/self/mem", O_RDWR);

	ASSERT_LE(0, fd);
	ASSERT_EQ(WORD, pwrite(fd, &p, WORD, (uintptr_t)to));
	close(fd);
}

TEST_F(minor, written_through_proc_mem)
{
	check_writer(_metadata, self, by_mem_file);
}

static void by_child_that_exits(struct __test_metadata *_metadata, gca_arena *arena,
				uint64_t *to, uint64_t hidden)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		*to = (uintptr_t)reveal(hidden);
		_exit(0);
	}
	ASSERT_EQ(0, raw_reap(pid));
}

TEST_F(minor, written_by_a_child_that_has_ended)
{
	check_writer(_metadata, self, by_child_that_exits);
}

static void by_child_that_is_killed(struct __test_metadata *_metadata, gca_arena *arena,
				    uint64_t *to, uint64_t hidden)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		*to = (uintptr_t)reveal(hidden);
		kill(getpid(), SIGKILL);
	}
	ASSERT_EQ(128 + SIGKILL, raw_reap(pid));
}

TEST_F(minor, written_by_a_child_that_was_killed)
{
	check_writer(_metadata, self, by_child_that_is_killed);
}

static void by_dropped_entries(struct __test_metadata *_metadata, gca_arena *arena,
			       uint64_t *to, uint64_t hidden)
{
	uintptr_t page = (uintptr_t)to & ~(PAGE - 1);

	*to = (uintptr_t)reveal(hidden);
	ASSERT_EQ(0, madvise((void *)page, PAGE, MADV_DONTNEED));
}

TEST_F(minor, page_table_entry_dropped_after_the_write)
{
	check_writer(_metadata, self, by_dropped_entries);
}

/* Both processes go on: the child is asleep when the parent collects. */
TEST_F(minor, written_by_a_child_that_lives)
{
	uint64_t *old = gca_alloc_in(self->arena, 256), young;
	int go[2], done[2];
	pid_t pid;

	self->root[0] = old;
	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, pipe(done));
	young = sealed_new(self->arena);
	self->root[1] = reveal(young);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		memset(self->root, 0, sizeof(self->root));
		old[5] = 1;		/* has an entry of its own from now on */
		raw_post(done[1]);
		while (!raw_await(go[0])) {
			old[5] = (uintptr_t)reveal(young);
			raw_post(done[1]);
		}
		_exit(0);
	}
	ASSERT_EQ(0, raw_await(done[0]));
	collect(_metadata, self, GCA_FULL);
	young = sealed_new(self->arena);
	EXPECT_EQ(1, old[5]);
	/* The child knows the first one: that is old. It stores it, and nothing is lost. */
	ASSERT_EQ(0, raw_post(go[1]));
	ASSERT_EQ(0, raw_await(done[0]));
	self->root[1] = NULL;
	collect(_metadata, self, GCA_MINOR);
	EXPECT_FALSE(is_object(young));
	EXPECT_TRUE(sealed_is_whole(hide((void *)(uintptr_t)old[5])));
	EXPECT_LE(1, dirty_pages(self));
	kill(pid, SIGKILL);
	raw_reap(pid);
}

/* ---- A random program --------------------------------------------------------------------- */

#define VERTICES	3000
#define EDGES		4
#define VERTEX_BYTES	96
#define ROUNDS		60

/* Vertex i of a graph, or none; edge words 1 to EDGES; word 0 says who it is. */
struct graph {
	uint64_t vertex[VERTICES];	/* hidden, 0 for none */
	int edge[VERTICES][EDGES];	/* -1 for none */
	bool reached[VERTICES];
};

static void reach(struct graph *g, int i)
{
	int e;

	if (i < 0 || g->reached[i])
		return;
	g->reached[i] = true;
	for (e = 0; e < EDGES; e++)
		reach(g, g->edge[i][e]);
}

/* Make a vertex in an unused place, if @i is one, and hang it under one that is reached. */
static bool grow(struct graph *g, FIXTURE_DATA(minor) *self, struct rng *rng, int i)
{
	int parent = rng_below(rng, VERTICES), e = rng_below(rng, EDGES);
	uint64_t *p, *q;
	int n;

	if (g->vertex[i] || !g->vertex[parent])
		return true;
	p = gca_alloc_in(self->arena, VERTEX_BYTES);
	if (!p)
		return false;
	p[0] = MAGIC + i;
	g->vertex[i] = hide(p);
	for (n = 0; n < EDGES; n++)
		g->edge[i][n] = -1;
	q = reveal(g->vertex[parent]);
	q[1 + e] = (uintptr_t)p;
	g->edge[parent][e] = i;
	return true;
}

/* Move an edge from one vertex to another: the pointer is nowhere else for a while. */
static void move(struct graph *g, struct rng *rng)
{
	int from = rng_below(rng, VERTICES), to = rng_below(rng, VERTICES);
	int e = rng_below(rng, EDGES), f = rng_below(rng, EDGES);
	uint64_t *p, *q;

	if (!g->vertex[from] || !g->vertex[to])
		return;
	p = reveal(g->vertex[from]);
	q = reveal(g->vertex[to]);
	q[1 + f] = p[1 + e];
	g->edge[to][f] = g->edge[from][e];
	if (from == to && e == f)
		return;
	p[1 + e] = 0;
	g->edge[from][e] = -1;
}

/* What is not reached any more may be gone; it must not be touched again. */
static int check_graph(struct graph *g)
{
	int i, e, wrong = 0;

	memset(g->reached, 0, sizeof(g->reached));
	reach(g, 0);
	for (i = 0; i < VERTICES; i++) {
		const uint64_t *p = reveal(g->vertex[i]);

		if (!g->reached[i]) {
			g->vertex[i] = 0;
			continue;
		}
		wrong += p[0] != MAGIC + i;
		for (e = 0; e < EDGES; e++) {
			int n = g->edge[i][e];

			wrong += p[1 + e] != (n < 0 ? 0 : (uintptr_t)reveal(g->vertex[n]));
		}
	}
	return wrong;
}

TEST_F_TIMEOUT(minor, random_program, 300)
{
	uint64_t live = 0;
	struct graph *g = calloc(1, sizeof(*g));
	struct rng rng;
	int round, i;

	ASSERT_NE(NULL, g);
	rng_init(&rng, rng_seed_from_env());
	self->root[0] = gca_alloc_in(self->arena, VERTEX_BYTES);
	ASSERT_NE(NULL, self->root[0]);
	self->root[0][0] = MAGIC;
	g->vertex[0] = hide(self->root[0]);
	for (i = 0; i < EDGES; i++)
		g->edge[0][i] = -1;
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < VERTICES; i++)
			ASSERT_TRUE(grow(g, self, &rng, rng_below(&rng, VERTICES)));
		for (i = 0; i < (int)rng_below(&rng, 200); i++)
			move(g, &rng);
		/* Before it is told what went: nothing may be used that is not reached. */
		ASSERT_EQ(0, check_graph(g));
		collect(_metadata, self, rng_below(&rng, 8) ? GCA_MINOR : GCA_FULL);
		ASSERT_EQ(0, check_graph(g));
	}
	collect(_metadata, self, GCA_FULL);
	for (i = 0; i < VERTICES; i++)
		live += g->reached[i];
	EXPECT_EQ(live, self->collected.live_objects);
	free(g);
}

TEST_HARNESS_MAIN
