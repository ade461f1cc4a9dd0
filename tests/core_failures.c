// SPDX-License-Identifier: GPL-2.0
/*
 * One scenario that comes by every place where the core allocates or can be killed,
 * run once for each of these places. There it fails with the right error, leaves the
 * heap whole and its objects as they were, and goes on when asked again.
 */
#include "core/fixture.h"

#define MAX_OBJECTS	2048
#define NR_TYPES	20
#define LARGE_BYTES	(70 * 2 * MIB)	/* the chunk table has to grow for it */
#define AGAIN_BYTES	(5 * MIB)
#define ARRAY_BYTES	(2 * MIB + 65536)	/* in two chunks */

/**
 * struct scene - how far the scenario is
 * @heap: the heap
 * @types: types registered
 * @class: the class to allocate next
 * @pool: where small objects come from
 * @objects: offsets of all objects, in a list from the newest to the oldest
 * @nr: entries in @objects
 * @large: a large object without pointers
 * @array: a large object with a pointer to each small one
 */
struct scene {
	struct gcarena_heap heap;
	u32 types;
	unsigned int class;
	struct pool pool;
	u64 objects[MAX_OBJECTS];
	u32 nr;
	struct heap_span *large;
	struct heap_span *array;
};

static u64 tag_of(u64 offset)
{
	return ~offset * 3;
}

static int object_add(struct scene *s)
{
	u64 offset = pool_alloc(&s->pool), *words;

	if (!offset)
		return -ENOMEM;
	words = core_word(&s->heap, offset);
	words[0] = s->nr ? BASE + s->objects[s->nr - 1] : 0;
	words[1] = tag_of(offset);
	s->objects[s->nr++] = offset;
	return 0;
}

static int step_open(struct scene *s)
{
	return core_open(&s->heap, RESERVE, RESERVE);
}

static int step_types(struct scene *s)
{
	static const unsigned long map[2] = { 1, 1 };

	for (; s->types < NR_TYPES; s->types++) {
		if (!layout_new(&s->heap, s->types % 2 ? 10 : 100, map))
			return -ENOMEM;
	}
	return 0;
}

static int step_classes(struct scene *s)
{
	for (; s->class < GCARENA_NR_CLASSES; s->class++) {
		pool_close(&s->pool);
		s->pool = (struct pool) { .heap = &s->heap, .class = s->class,
					  .layout = s->heap.layouts[0] };
		if (object_add(s))
			return -ENOMEM;
	}
	return 0;
}

static int step_large(struct scene *s)
{
	struct heap_span *again = s->large;

	/* The second time is after the first one was dropped. */
	s->large = gcarena_span_create(&s->heap, s->heap.layouts[1], 0,
				       s->large ? AGAIN_BYTES : LARGE_BYTES);
	if (IS_ERR(s->large)) {
		int ret = PTR_ERR(s->large);

		s->large = again;
		return ret;
	}
	gcarena_span_take(&s->heap, s->large, &(u64) { 0 });
	gcarena_span_settle(&s->heap, s->large);
	return 0;
}

static int step_array(struct scene *s)
{
	u32 i;

	s->array = gcarena_span_create(&s->heap, s->heap.layouts[0], 0, ARRAY_BYTES);
	if (IS_ERR(s->array))
		return PTR_ERR(s->array);
	gcarena_span_take(&s->heap, s->array, &(u64) { 0 });
	gcarena_span_settle(&s->heap, s->array);
	*core_word(&s->heap, s->array->start) = BASE + s->large->start;
	for (i = 0; i < MAX_OBJECTS; i++)
		*core_word(&s->heap, s->array->start + 8 + i * 64) = 0;
	return 0;
}

static int step_many_objects(struct scene *s)
{
	pool_close(&s->pool);
	s->pool.class = 1;
	while (s->nr < MAX_OBJECTS) {
		if (object_add(s))
			return -ENOMEM;
	}
	pool_close(&s->pool);
	return 0;
}

/* Everything is reached twice, by the list and by the array. */
static int step_collect(struct scene *s)
{
	unsigned long root = BASE + s->array->start;
	struct gcarena_marker m;
	u32 i;
	int ret;

	for (i = 0; i < s->nr; i++)
		*core_word(&s->heap, s->array->start + 8 + i * 64) = BASE + s->objects[i];
	ret = mark_from(&s->heap, &root, 1, STACK_PLENTY, &m);
	if (ret)
		return ret;
	if (m.marked.objects != 2 + MAX_OBJECTS)
		return -EINVAL;
	gcarena_sweep_flip(&s->heap);
	return gcarena_sweep_all(&s->heap);
}

/* Drop the array, the large object, and the newer half of the list. */
static int step_drop(struct scene *s)
{
	unsigned long root = BASE + s->objects[MAX_OBJECTS / 2 - 1];
	struct gcarena_marker m;
	int ret;

	ret = mark_from(&s->heap, &root, 1, 0, &m);
	if (ret)
		return ret;
	if (m.marked.objects != MAX_OBJECTS / 2)
		return -EINVAL;
	s->nr = MAX_OBJECTS / 2;
	gcarena_sweep_flip(&s->heap);
	return gcarena_sweep_all(&s->heap);
}

static int step_release(struct scene *s)
{
	int ret = gcarena_sweep_all(&s->heap);

	if (!ret && !gcarena_chunks_release(&s->heap, 0))
		return -EINVAL;
	return ret;
}

static int (*const steps[])(struct scene *s) = {
	step_open, step_types, step_classes, step_large, step_array, step_many_objects,
	step_collect, step_drop, step_release, step_large, step_array, step_many_objects,
	step_collect,
};

static bool objects_are_intact(struct scene *s)
{
	u32 i;

	for (i = 0; i < s->nr; i++) {
		struct heap_slot slot = gcarena_heap_resolve(&s->heap, s->objects[i]);

		if (!slot.span || !gcarena_slot_allocated(&slot) ||
		    core_word(&s->heap, s->objects[i])[1] != tag_of(s->objects[i]))
			return false;
	}
	return true;
}

/* Returns how many steps failed. */
static int play(struct __test_metadata *_metadata, struct scene *s, int error)
{
	unsigned int i;
	int failed = 0, ret;

	memset(s, 0, sizeof(*s));
	s->class = 1;
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		ret = steps[i](s);
		if (!ret)
			continue;
		ASSERT_EQ(error, ret);
		failed++;
		core_fail_after = -1;
		core_kill_after = -1;
		if (i) {
			EXPECT_STREQ("", core_check(&s->heap, !!s->pool.span));
			EXPECT_TRUE(objects_are_intact(s));
		} else {
			EXPECT_EQ(0, core_allocations);
		}
		ASSERT_EQ(0, steps[i](s));
	}
	EXPECT_TRUE(objects_are_intact(s));
	EXPECT_STREQ("", core_check(&s->heap, 0));
	EXPECT_EQ(2 + MAX_OBJECTS, s->heap.used.objects);
	core_close(&s->heap);
	EXPECT_EQ(0, core_allocations);
	return failed;
}

/* The scenario takes its time where the processor is emulated. */
FIXTURE(scenario) {
	struct scene *scene;
};

FIXTURE_SETUP(scenario)
{
	self->scene = malloc(sizeof(*self->scene));
}

FIXTURE_TEARDOWN(scenario)
{
	free(self->scene);
}

TEST_F_TIMEOUT(scenario, every_allocation_fails_once, 150)
{
	long nth, failed = 0;

	for (nth = 0; nth < 100000; nth++) {
		core_fail_after = nth;
		failed += play(_metadata, self->scene, -ENOMEM);
		if (core_fail_after >= 0)
			break;		/* there are no more */
	}
	core_fail_after = -1;
	TH_LOG("%ld allocations, %ld of them with an error", nth, failed);
	EXPECT_LT(300, nth);
	/* The others are for more mark stack, which marking can do without. */
	EXPECT_LE(nth - 4, failed);
}

TEST_F_TIMEOUT(scenario, every_checkpoint_kills_once, 150)
{
	long nth, failed;

	for (nth = 0; nth < 100000; nth++) {
		core_kill_after = nth;
		failed = play(_metadata, self->scene, -EINTR);
		if (core_kill_after >= 0)
			break;
		EXPECT_EQ(1, failed);
	}
	core_kill_after = -1;
	TH_LOG("%ld checkpoints", nth);
	EXPECT_LT(70, nth);
}

TEST_HARNESS_MAIN
