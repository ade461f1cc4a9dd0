// SPDX-License-Identifier: GPL-2.0
/*
 * An arena's life and parameters.
 *
 * An arena is made empty by open(), gets its parameters once, from CREATE or by
 * default from the first mmap(), and is destroyed when no file and no VMA refers to it.
 * Parameters are fixed under setup_lock and published by ->created; what may
 * change later (limits, min_heap, gc_percent) changes under the heap lock.
 */
#include <linux/memcontrol.h>

#include "arena.h"
#include "collect.h"
#include "dirty.h"
#include "evacuate.h"
#include "park.h"

#define DEFAULT_RESERVE		(64ULL << 30)
#define DEFAULT_MIN_HEAP	(4ULL << 20)
#define DEFAULT_GC_PERCENT	100

unsigned int gcarena_max_limit_mib;

/* What an arena may hold without CAP_SYS_RESOURCE, in bytes. */
static u64 max_limit(void)
{
	u64 bytes = (u64)READ_ONCE(gcarena_max_limit_mib) << 20;

	if (!bytes)
		bytes = (u64)totalram_pages() << PAGE_SHIFT >> 1;
	return max_t(u64, round_down(bytes, GCARENA_CHUNK_BYTES), GCARENA_CHUNK_BYTES);
}

/* What an arena gets that asks for nothing. */
void gcarena_params_default(struct gcarena_params *params)
{
	*params = (struct gcarena_params) {
		.reserve = DEFAULT_RESERVE,
		.limit = min_t(u64, DEFAULT_RESERVE, max_limit()),
		.min_heap = DEFAULT_MIN_HEAP,
		.gc_percent = DEFAULT_GC_PERCENT,
		.root_mode = GCARENA_ROOTS_AUTO,
	};
}

/*
 * Return: 0; -EINVAL: not a sensible limit; -EPERM: above the administrator's bound, and
 * so for callers with CAP_SYS_RESOURCE alone.
 */
int gcarena_limit_check(u64 limit, u64 reserve)
{
	if (!limit || limit % GCARENA_CHUNK_BYTES || limit > reserve)
		return -EINVAL;
	return limit > max_limit() ? -EPERM : 0;
}

bool gcarena_percent_is_valid(s64 percent)
{
	return percent == GCARENA_GC_PERCENT_OFF ||
	       (percent >= 1 && percent <= GCARENA_GC_PERCENT_MAX);
}

/**
 * gcarena_knob_check() - may a parameter be set to a value?
 * @arena: the arena, created
 * @param: enum gcarena_param
 * @value: for gcarena_knob_set()
 *
 * Return: 0, or -EINVAL, -EOPNOTSUPP as in the ABI; -EPERM: see gcarena_limit_check().
 */
int gcarena_knob_check(struct gcarena *arena, u32 param, s64 value)
{
	switch (param) {
	case GCARENA_PARAM_GC_PERCENT:
		return gcarena_percent_is_valid(value) ? 0 : -EINVAL;
	case GCARENA_PARAM_LIMIT:
		return gcarena_limit_check(value, arena->params.reserve);
	case GCARENA_PARAM_MIN_HEAP:
	case GCARENA_PARAM_COMPACT_BYTES:
		return value > 0 ? 0 : -EINVAL;
	case GCARENA_PARAM_MEMORY_LIMIT:
		return value >= 0 ? 0 : -EINVAL;
	case GCARENA_PARAM_COMPACT_PERCENT:
		return value >= 0 && value < 100 ? 0 : -EINVAL;
	default:
		return -EOPNOTSUPP;
	}
}

/**
 * gcarena_memory_overhead() - see gcarena_pacer_observe()
 * @arena: the arena
 *
 * Free blocks do not count: any object can have them.
 */
u64 gcarena_memory_overhead(const struct gcarena *arena)
{
	const struct gcarena_heap *heap = &arena->heap;

	lockdep_assert_held(&arena->lock);
	return heap->metadata_bytes + heap->span_bytes - heap->used.bytes;
}

/* Set what has been checked, under the heap lock. Return: the value before. */
s64 gcarena_knob_set(struct gcarena *arena, u32 param, s64 value)
{
	struct gcarena_params *params = &arena->params;
	s64 old = 0;

	lockdep_assert_held(&arena->lock);
	switch (param) {
	case GCARENA_PARAM_GC_PERCENT:
		old = params->gc_percent;
		WRITE_ONCE(params->gc_percent, value);
		gcarena_pacer_set_percent(&arena->pacer, value);
		break;
	case GCARENA_PARAM_LIMIT:
		old = params->limit;
		WRITE_ONCE(params->limit, value);
		gcarena_space_renew(arena);
		break;
	case GCARENA_PARAM_MIN_HEAP:
		old = params->min_heap;
		WRITE_ONCE(params->min_heap, value);
		gcarena_pacer_set_min_heap(&arena->pacer, value);
		break;
	case GCARENA_PARAM_MEMORY_LIMIT:
		old = params->memory_limit;
		WRITE_ONCE(params->memory_limit, value);
		gcarena_pacer_set_memory_limit(&arena->pacer, value,
					       gcarena_memory_overhead(arena));
		/* What is empty goes at once. */
		gcarena_background_kick(arena);
		break;
	case GCARENA_PARAM_COMPACT_PERCENT:
		old = arena->compact_percent;
		arena->compact_percent = value;
		arena->compact_futile = 0;
		arena->compact_wait = 0;
		break;
	case GCARENA_PARAM_COMPACT_BYTES:
		old = arena->compact_budget.most;
		/* More than that is as good as no limit, and can be multiplied. */
		gcarena_budget_limit(&arena->compact_budget,
				     min_t(u64, value, GCARENA_RESERVE_MAX));
		break;
	}
	return old;
}

struct gcarena *gcarena_create(void)
{
	struct gcarena *arena = kzalloc(sizeof(*arena), GCARENA_GFP);

	if (!arena)
		return NULL;
	mutex_init(&arena->lock);
	mutex_init(&arena->setup_lock);
	init_rwsem(&arena->backing_lock);
	spin_lock_init(&arena->mappings_lock);
	INIT_LIST_HEAD(&arena->mappings);
	refcount_set(&arena->refs, 1);
	spin_lock_init(&arena->park_lock);
	hash_init(arena->parkers);
	init_waitqueue_head(&arena->go);
	init_waitqueue_head(&arena->changed);
	xa_init(&arena->owners);
	gcarena_events_init(&arena->events);
	arena->dirty_method = gcarena_dirty_method();
	arena->generational = gcarena_generational_default(arena->dirty_method);
	arena->concurrent_allowed = gcarena_concurrent_default(arena->dirty_method);
	arena->quiet.allowed = gcarena_quiet_default();
	arena->memcg = get_mem_cgroup_from_mm(current->mm);
	INIT_WORK(&arena->tracer, gcarena_concurrent_work);
	INIT_WORK(&arena->evacuator, gcarena_evacuate_work);
	gcarena_budget_init(&arena->compact_budget, GCARENA_COMPACT_BYTES_DEFAULT);
	INIT_DELAYED_WORK(&arena->background, gcarena_background_work);
	gcarena_request_init(arena);
	return arena;
}

void gcarena_get(struct gcarena *arena)
{
	refcount_inc(&arena->refs);
}

void gcarena_put(struct gcarena *arena)
{
	if (refcount_dec_and_test(&arena->refs))
		kfree(arena);
}

/* No file and no VMA refers to the arena any more. */
void gcarena_destroy(struct gcarena *arena)
{
	/* The tracer, while it is queued or runs, has a reference to the file. */
	cancel_delayed_work_sync(&arena->background);
	if (arena->created) {
		/* Nobody else can hold it; the core's functions expect it held. */
		mutex_lock(&arena->lock);
		gcarena_evacuate_abandon(arena);
		gcarena_owners_destroy(arena);
		gcarena_mappings_reap(arena, true);
		gcarena_heap_destroy(&arena->heap);
		mutex_unlock(&arena->lock);
	}
	gcarena_park_reap(arena, true);
	xa_destroy(&arena->owners);
	mutex_destroy(&arena->lock);
	mutex_destroy(&arena->setup_lock);
	mutex_destroy(&arena->events.read_lock);
	mem_cgroup_put(arena->memcg);
	gcarena_put(arena);
}

static int arena_setup(struct gcarena *arena, const struct gcarena_params *params)
{
	int ret;

	lockdep_assert_held(&arena->setup_lock);
	ret = gcarena_heap_init(&arena->heap, params->reserve, params->limit);
	if (ret)
		return ret;
	gcarena_pacer_init(&arena->pacer, params->gc_percent, params->min_heap,
			   arena->generational);
	gcarena_pacer_set_memory_limit(&arena->pacer, params->memory_limit, 0);
	arena->params = *params;
	smp_store_release(&arena->created, true);	/* pairs with gcarena_is_created() */
	return 0;
}

/* Return: 0, -EBUSY: has its parameters already, -ENOMEM, or -EINTR. */
int gcarena_setup(struct gcarena *arena, const struct gcarena_params *params)
{
	int ret;

	if (mutex_lock_killable(&arena->setup_lock))
		return -EINTR;
	ret = arena->created ? -EBUSY : arena_setup(arena, params);
	mutex_unlock(&arena->setup_lock);
	return ret;
}

/* Take the default parameters, unless there are some. */
int gcarena_setup_default(struct gcarena *arena)
{
	struct gcarena_params params;
	int ret;

	if (gcarena_is_created(arena))
		return 0;
	gcarena_params_default(&params);
	ret = gcarena_setup(arena, &params);
	return ret == -EBUSY ? 0 : ret;
}
