// SPDX-License-Identifier: GPL-2.0
/*
 * What can be tested inside the kernel only: KUnit tests, linked into gcarena.ko when it
 * is made with GCARENA_KUNIT=y. They run when something is written to the module's parameter
 * "kunit": KUnit itself would start them before the module has been initialised.
 *
 *   locks	the order that arena.h promises is taken once, so that lockdep knows it
 *		before anything else runs, and speaks up at the first step against it, even
 *		if nothing ever takes it in the right order later
 *   chunks	the page fault path's view of the chunk table: a chunk that is found
 *		under backing_lock is whole, while chunks come, go, and the table grows
 *   refs	the shell of an arena lives as long as its last reference
 *   parking	threads of processes that map nothing are left alone; a stop without
 *		any thread begins and ends
 */
#include <kunit/test.h>
#include <linux/debug_locks.h>
#include <linux/file.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/random.h>

#include "arena.h"
#include "layout.h"
#include "park.h"

#define NR_LOOKERS	3
#define ROUNDS		6
/* More chunks than the table has room for at first. */
#define MANY_CHUNKS	70

static struct file *device;
static bool order_taken;

static struct gcarena *arena_of_device(void)
{
	return device->private_data;
}

/* In the process that wrote the parameter: the tests themselves run in a kthread. */
static void take_locks_in_order(struct gcarena *arena)
{
	mutex_lock(&arena->lock);
	mmap_write_lock(current->mm);
	mutex_lock(&arena->setup_lock);
	down_write(&arena->backing_lock);
	spin_lock(&arena->park_lock);
	spin_lock(&arena->mappings_lock);
	order_taken = debug_locks;
	spin_unlock(&arena->mappings_lock);
	spin_unlock(&arena->park_lock);
	up_write(&arena->backing_lock);
	mutex_unlock(&arena->setup_lock);
	mmap_write_unlock(current->mm);
	mutex_unlock(&arena->lock);
}

static int gcarena_suite_init(struct kunit_suite *suite)
{
	int ret;

	device = filp_open("/dev/gcarena", O_RDWR, 0);
	if (IS_ERR(device))
		return PTR_ERR(device);
	ret = gcarena_setup_default(arena_of_device());
	if (ret) {
		fput(device);
		return ret;
	}
	take_locks_in_order(arena_of_device());
	return 0;
}

static void gcarena_suite_exit(struct kunit_suite *suite)
{
	if (!IS_ERR_OR_NULL(device))
		fput(device);
	device = NULL;
}

static void locks_in_order(struct kunit *test)
{
	KUNIT_EXPECT_TRUE_MSG(test, order_taken, "lockdep rejects the order of arena.h");
}

/**
 * struct looker - a thread that does what a page fault does
 * @task: the thread
 * @seen: chunks it found
 * @wrong: chunks that were not whole
 */
struct looker {
	struct task_struct *task;
	u64 seen;
	u64 wrong;
};

static bool chunk_is_whole(const struct heap_chunk *chunk)
{
	const u64 *words = chunk->kaddr;
	unsigned int at = prandom_u32_max(GCARENA_CHUNK_BYTES / sizeof(*words));

	/* Nobody writes to it: all zero. If it has been freed, KASAN knows. */
	return words && chunk->backing && !READ_ONCE(words[at]);
}

static int look(void *data)
{
	struct gcarena *arena = arena_of_device();
	struct looker *looker = data;

	while (!kthread_should_stop()) {
		u64 index = prandom_u32_max(MANY_CHUNKS + 10);
		const struct heap_chunk *chunk;

		down_read(&arena->backing_lock);
		chunk = gcarena_heap_chunk(&arena->heap, index << GCARENA_CHUNK_SHIFT);
		if (chunk) {
			looker->seen++;
			looker->wrong += !chunk_is_whole(chunk);
		}
		up_read(&arena->backing_lock);
		cond_resched();
	}
	return 0;
}

/* Chunks come with a large object, and go with it. */
static void chunks_come_and_go(struct kunit *test, unsigned int nr_chunks)
{
	struct gcarena *arena = arena_of_device();
	struct gcarena_heap *heap = &arena->heap;
	struct heap_span *span;

	mutex_lock(&arena->lock);
	span = gcarena_span_create(heap, gcarena_layout_find(heap, GCARENA_NR_CONSERVATIVE),
				   GCARENA_CLASS_LARGE, nr_chunks * GCARENA_CHUNK_BYTES);
	KUNIT_EXPECT_FALSE(test, IS_ERR(span));
	mutex_unlock(&arena->lock);
	schedule_timeout_uninterruptible(2);
	mutex_lock(&arena->lock);
	if (!IS_ERR(span))
		gcarena_span_destroy(heap, span);
	gcarena_chunks_release(heap, 0);
	KUNIT_EXPECT_EQ(test, heap->nr_chunks, 0U);
	KUNIT_EXPECT_EQ(test, heap->nr_empty, 0U);
	mutex_unlock(&arena->lock);
}

static void chunks_under_lookup(struct kunit *test)
{
	struct looker lookers[NR_LOOKERS] = { };
	u64 seen = 0;
	int i;

	for (i = 0; i < NR_LOOKERS; i++) {
		lookers[i].task = kthread_run(look, &lookers[i], "gcarena_look/%d", i);
		KUNIT_EXPECT_FALSE(test, IS_ERR(lookers[i].task));
	}
	for (i = 0; i < ROUNDS; i++)
		chunks_come_and_go(test, i < ROUNDS - 2 ? 4 + i : MANY_CHUNKS);
	for (i = 0; i < NR_LOOKERS; i++) {
		if (IS_ERR(lookers[i].task))
			continue;
		kthread_stop(lookers[i].task);
		KUNIT_EXPECT_EQ(test, lookers[i].wrong, 0ULL);
		seen += lookers[i].seen;
	}
	KUNIT_EXPECT_GT(test, seen, 0ULL);
}

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

static void parking_without_threads(struct kunit *test)
{
	struct gcarena *arena = arena_of_device();
	int i;

	mutex_lock(&arena->lock);
	for (i = 0; i < ROUNDS; i++) {
		u64 stop = arena->stop;

		KUNIT_EXPECT_EQ(test, gcarena_world_stop(arena), 0);
		KUNIT_EXPECT_TRUE(test, arena->closed);
		KUNIT_EXPECT_EQ(test, arena->stop, stop + 1);
		KUNIT_EXPECT_TRUE(test, gcarena_is_collecting(current));
		/* Nobody has mapped the arena: nobody is asked. */
		KUNIT_EXPECT_EQ(test, gcarena_park_gather(arena), 0);
		KUNIT_EXPECT_TRUE(test, hash_empty(arena->parkers));
		KUNIT_EXPECT_PTR_EQ(test, gcarena_park_next(arena), NULL);
		gcarena_world_start(arena);
		KUNIT_EXPECT_FALSE(test, arena->closed);
		KUNIT_EXPECT_FALSE(test, gcarena_is_collecting(current));
	}
	mutex_unlock(&arena->lock);
	KUNIT_EXPECT_EQ(test, refcount_read(&arena->refs), 1U);
}

static struct kunit_case gcarena_cases[] = {
	KUNIT_CASE(locks_in_order),
	KUNIT_CASE(chunks_under_lookup),
	KUNIT_CASE(refs_keep_the_shell),
	KUNIT_CASE(setup_happens_once),
	KUNIT_CASE(parking_without_threads),
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
