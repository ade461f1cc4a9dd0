// SPDX-License-Identifier: GPL-2.0
/*
 * What can be tested inside the kernel only: KUnit tests, linked into gcarena.ko when it
 * is made with GCARENA_KUNIT=y. They run when something is written to the module's parameter
 * "kunit": KUnit itself would start them before the module has been initialised. The
 * process that writes maps an arena, and sleeps while the tests run, in a kthread.
 *
 *   locks	the order that arena.h promises is taken once, so that lockdep knows it
 *		before anything else runs, and speaks up at the first step against it, even
 *		if nothing ever takes it in the right order later
 *   life	the shell of an arena lives as long as its last reference
 *   parking	who is asked to stop, how often, and what is held until he has
 *   dirty	pages that were written, exactly, whatever became of their entries
 */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/debug_locks.h>
#include <linux/file.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/moduleparam.h>
#include <linux/uaccess.h>

#include "arena.h"
#include "dirty.h"
#include "layout.h"
#include "park.h"

#define RESERVE		(64ULL << 20)
#define NR_CHUNKS	2
#define NR_PAGES	(NR_CHUNKS * GCARENA_CHUNK_PAGES)

/**
 * struct scene - what the tests find
 * @device: an open /dev/gcarena
 * @arena: its arena
 * @process: who has mapped it, and waits for the tests
 * @mm: its address space; a reference
 * @base: where the arena is in there
 * @ordered: lockdep has taken the order of the locks without a word
 */
static struct scene {
	struct file *device;
	struct gcarena *arena;
	struct task_struct *process;
	struct mm_struct *mm;
	unsigned long base;
	bool ordered;
} scene;

/* In the process: the tests' kthread has no mmap_lock of its own. */
static bool take_locks_in_order(struct gcarena *arena)
{
	bool ordered;

	mutex_lock(&arena->lock);
	mmap_write_lock(current->mm);
	mutex_lock(&arena->setup_lock);
	down_write(&arena->backing_lock);
	spin_lock(&arena->park_lock);
	spin_lock(&arena->mappings_lock);
	ordered = debug_locks;
	spin_unlock(&arena->mappings_lock);
	spin_unlock(&arena->park_lock);
	up_write(&arena->backing_lock);
	mutex_unlock(&arena->setup_lock);
	mmap_write_unlock(current->mm);
	mutex_unlock(&arena->lock);
	return ordered;
}

static int scene_map(void)
{
	struct gcarena_params params;
	int ret;

	gcarena_params_default(&params);
	params.reserve = RESERVE;
	params.limit = RESERVE;
	params.gc_percent = GCARENA_GC_PERCENT_OFF;
	ret = gcarena_setup(scene.arena, &params);
	if (ret)
		return ret;
	scene.base = vm_mmap(scene.device, 0, RESERVE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	return IS_ERR_VALUE(scene.base) ? (int)scene.base : 0;
}

static int gcarena_suite_init(struct kunit_suite *suite)
{
	int ret;

	scene.device = filp_open("/dev/gcarena", O_RDWR, 0);
	if (IS_ERR(scene.device))
		return PTR_ERR(scene.device);
	scene.arena = scene.device->private_data;
	ret = scene_map();
	if (ret) {
		fput(scene.device);
		return ret;
	}
	scene.process = current;
	scene.mm = current->mm;
	mmget(scene.mm);
	scene.ordered = take_locks_in_order(scene.arena);
	return 0;
}

static void gcarena_suite_exit(struct kunit_suite *suite)
{
	if (!scene.mm)
		return;
	vm_munmap(scene.base, RESERVE);
	mmput(scene.mm);
	fput(scene.device);
	memset(&scene, 0, sizeof(scene));
}

static void locks_in_order(struct kunit *test)
{
	KUNIT_EXPECT_TRUE_MSG(test, scene.ordered, "lockdep rejects the order of arena.h");
}

/* ---- Life ---------------------------------------------------------------------------- */

static void refs_keep_the_shell(struct kunit *test)
{
	struct gcarena *arena = gcarena_create();

	KUNIT_ASSERT_NOT_NULL(test, arena);
	gcarena_get(arena);
	gcarena_get(arena);
	KUNIT_EXPECT_EQ(test, refcount_read(&arena->refs), 3U);
	gcarena_destroy(arena);
	KUNIT_EXPECT_EQ(test, refcount_read(&arena->refs), 2U);
	KUNIT_EXPECT_TRUE(test, arena->abandoned);
	gcarena_put(arena);
	KUNIT_EXPECT_EQ(test, refcount_read(&arena->refs), 1U);
	gcarena_put(arena);
}

/* Parameters are there once, whoever asks again. */
static void setup_happens_once(struct kunit *test)
{
	struct gcarena_params params;
	struct gcarena *arena = gcarena_create();

	KUNIT_ASSERT_NOT_NULL(test, arena);
	gcarena_params_default(&params);
	KUNIT_EXPECT_FALSE(test, gcarena_is_created(arena));
	KUNIT_EXPECT_EQ(test, gcarena_setup(arena, &params), 0);
	KUNIT_EXPECT_TRUE(test, gcarena_is_created(arena));
	KUNIT_EXPECT_EQ(test, gcarena_setup(arena, &params), -EBUSY);
	KUNIT_EXPECT_EQ(test, gcarena_setup_default(arena), 0);
	gcarena_destroy(arena);
}

/* ---- Parking -------------------------------------------------------------------------- */

/* The process sleeps: it is asked, settles at once, and does not run the work. */
static void expect_one_asked(struct kunit *test, struct gcarena *arena)
{
	struct gcarena_parker *parker = gcarena_park_next(arena);

	/* No ASSERT under the lock: it ends the thread. */
	KUNIT_EXPECT_NOT_NULL(test, parker);
	if (!parker)
		return;
	KUNIT_EXPECT_PTR_EQ(test, parker->task, scene.process);
	KUNIT_EXPECT_PTR_EQ(test, gcarena_park_task_of(arena, scene.mm), scene.process);
	KUNIT_EXPECT_TRUE(test, parker->pending);
	KUNIT_EXPECT_FALSE(test, parker->parked);
	KUNIT_EXPECT_TRUE(test, gcarena_thread_look(parker));
	KUNIT_EXPECT_TRUE(test, gcarena_thread_unchanged(parker));
	parker->scanned = true;
	KUNIT_EXPECT_PTR_EQ(test, gcarena_park_next(arena), NULL);
	/* Nobody else, and not a second time. */
	KUNIT_EXPECT_EQ(test, gcarena_park_gather(arena), 0);
}

/* However many stops it sleeps through, it has one work, and one reference each. */
static void sleepers_are_asked_once(struct kunit *test)
{
	struct gcarena *arena = scene.arena;
	int i, users = module_refcount(THIS_MODULE);

	KUNIT_EXPECT_EQ(test, refcount_read(&arena->refs), 1U);
	mutex_lock(&arena->lock);
	for (i = 0; i < 3; i++) {
		u64 stop = arena->stop;

		KUNIT_EXPECT_EQ(test, gcarena_world_stop(arena), 0);
		KUNIT_EXPECT_TRUE(test, arena->closed);
		KUNIT_EXPECT_EQ(test, arena->stop, stop + 1);
		KUNIT_EXPECT_TRUE(test, gcarena_is_collecting(current));
		expect_one_asked(test, arena);
		gcarena_world_start(arena);
		KUNIT_EXPECT_FALSE(test, arena->closed);
		KUNIT_EXPECT_FALSE(test, gcarena_is_collecting(current));
		KUNIT_EXPECT_EQ(test, refcount_read(&arena->refs), 2U);
		KUNIT_EXPECT_EQ(test, module_refcount(THIS_MODULE), users + 1);
	}
	mutex_unlock(&arena->lock);
}

static int borrow_memory(void *data)
{
	struct completion *borrowed = data;

	kthread_use_mm(scene.mm);
	complete(borrowed);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	kthread_unuse_mm(scene.mm);
	return 0;
}

/* A kernel thread in the program's memory is none of the program's. */
static void kernel_threads_are_left_alone(struct kunit *test)
{
	DECLARE_COMPLETION_ONSTACK(borrowed);
	struct task_struct *task = kthread_run(borrow_memory, &borrowed, "gcarena_borrow");

	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	wait_for_completion(&borrowed);
	mutex_lock(&scene.arena->lock);
	KUNIT_EXPECT_EQ(test, gcarena_world_stop(scene.arena), 0);
	expect_one_asked(test, scene.arena);
	gcarena_world_start(scene.arena);
	mutex_unlock(&scene.arena->lock);
	kthread_stop(task);
}

/* ---- Dirty pages ------------------------------------------------------------------------ */

/* At the edges of page tables and chunks, and some in between. */
static const unsigned int some_pages[] = { 0, 1, 7, 63, 64, 511, 512, 700, NR_PAGES - 1 };

static u64 __user *word_of_page(unsigned int page)
{
	return (u64 __user *)(scene.base + page * PAGE_SIZE + 8);
}

static void write_pages(struct kunit *test, unsigned long *written)
{
	unsigned int i;

	kthread_use_mm(scene.mm);
	for (i = 0; i < ARRAY_SIZE(some_pages); i++) {
		KUNIT_EXPECT_EQ(test, put_user(1ULL, word_of_page(some_pages[i])), 0);
		__set_bit(some_pages[i], written);
	}
	kthread_unuse_mm(scene.mm);
}

static void read_pages(struct kunit *test)
{
	unsigned int page;
	u64 word;

	kthread_use_mm(scene.mm);
	for (page = 0; page < NR_PAGES; page++)
		KUNIT_EXPECT_EQ(test, get_user(word, word_of_page(page)), 0);
	kthread_unuse_mm(scene.mm);
}

/* What is dirty is @expected, and nothing is afterwards. */
static void expect_dirty(struct kunit *test, const unsigned long *expected)
{
	struct gcarena *arena = scene.arena;
	struct gcarena_dirty dirty = { };
	u64 nr_dirty;
	int ret;

	mutex_lock(&arena->lock);
	ret = gcarena_dirty_take(arena, &dirty);
	nr_dirty = arena->counters.dirty_pages_last;
	mutex_unlock(&arena->lock);
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, dirty.nr_pages, (u64)NR_PAGES);
	KUNIT_EXPECT_EQ(test, nr_dirty, (u64)bitmap_weight(expected, NR_PAGES));
	KUNIT_EXPECT_TRUE(test, bitmap_equal(dirty.pages, expected, NR_PAGES));
	gcarena_dirty_free(&dirty);
}

static struct heap_span *fill_chunks(struct kunit *test)
{
	struct gcarena_heap *heap = &scene.arena->heap;
	struct heap_span *span;

	mutex_lock(&scene.arena->lock);
	span = gcarena_span_create(heap, gcarena_layout_find(heap, GCARENA_NR_CONSERVATIVE),
				   GCARENA_CLASS_LARGE, NR_CHUNKS * GCARENA_CHUNK_BYTES);
	mutex_unlock(&scene.arena->lock);
	KUNIT_ASSERT_FALSE(test, IS_ERR(span));
	KUNIT_EXPECT_EQ(test, span->start, 0ULL);
	return span;
}

static void free_chunks(struct kunit *test, struct heap_span *span)
{
	struct gcarena_heap *heap = &scene.arena->heap;

	mutex_lock(&scene.arena->lock);
	gcarena_span_destroy(heap, span);
	gcarena_chunks_release(heap, 0);
	KUNIT_EXPECT_EQ(test, heap->nr_chunks, 0U);
	KUNIT_EXPECT_EQ(test, heap->nr_empty, 0U);
	mutex_unlock(&scene.arena->lock);
}

/* All that there are, and none is quiet: all were written to. */
static void unmap_chunks(void)
{
	u32 first = 0, nr;

	mutex_lock(&scene.arena->lock);
	nr = gcarena_quiet_next_loud(scene.arena, &first, U32_MAX);
	gcarena_backing_unmap(scene.arena, first, nr, false);
	gcarena_backing_settle(scene.arena, first, nr, true);
	mutex_unlock(&scene.arena->lock);
}

static void dirty_with(struct kunit *test, u32 method)
{
	DECLARE_BITMAP(none, NR_PAGES) = { };
	DECLARE_BITMAP(written, NR_PAGES) = { };
	u32 before = scene.arena->dirty_method;
	struct heap_span *span = fill_chunks(test);

	scene.arena->dirty_method = method;
	read_pages(test);
	expect_dirty(test, none);
	write_pages(test, written);
	expect_dirty(test, written);
	expect_dirty(test, none);
	read_pages(test);
	expect_dirty(test, none);
	/* The entries go, and with them their bits. */
	write_pages(test, written);
	unmap_chunks();
	expect_dirty(test, written);
	expect_dirty(test, none);
	scene.arena->dirty_method = before;
	free_chunks(test, span);
}

static void dirty_bits(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_MAPPING_DIRTY_HELPERS))
		kunit_skip(test, "the kernel has no dirty helpers");
	dirty_with(test, GCARENA_DIRTY_PTE);
}

static void dirty_by_refault(struct kunit *test)
{
	dirty_with(test, GCARENA_DIRTY_REFAULT);
}

static struct kunit_case gcarena_cases[] = {
	KUNIT_CASE(locks_in_order),
	KUNIT_CASE(refs_keep_the_shell),
	KUNIT_CASE(setup_happens_once),
	KUNIT_CASE(sleepers_are_asked_once),
	KUNIT_CASE(kernel_threads_are_left_alone),
	KUNIT_CASE(dirty_bits),
	KUNIT_CASE(dirty_by_refault),
	{ }
};

static struct kunit_suite gcarena_suite = {
	.name = "gcarena",
	.suite_init = gcarena_suite_init,
	.suite_exit = gcarena_suite_exit,
	.test_cases = gcarena_cases,
};

static int run_tests(const char *value, const struct kernel_param *param)
{
	struct kunit_suite *suites[] = { &gcarena_suite };
	int ret = __kunit_test_suites_init(suites, ARRAY_SIZE(suites));

	__kunit_test_suites_exit(suites, ARRAY_SIZE(suites));
	return ret;
}

static const struct kernel_param_ops run_ops = {
	.set = run_tests,
};

module_param_cb(kunit, &run_ops, NULL, 0200);
MODULE_PARM_DESC(kunit, "Run the KUnit tests");
