// SPDX-License-Identifier: GPL-2.0
/* Numbers for people. */
#include <linux/seq_file.h>

#include "arena.h"

#define FEATURES (GCARENA_FEATURE_MARK_SWEEP | GCARENA_FEATURE_TYPES | \
		  GCARENA_FEATURE_AUTO_ROOTS | GCARENA_FEATURE_AUTO_COLLECT | \
		  GCARENA_FEATURE_STOP_WORLD | GCARENA_FEATURE_EVENTS | \
		  GCARENA_FEATURE_MINOR | GCARENA_FEATURE_COMPACT | \
		  GCARENA_FEATURE_CONCURRENT | GCARENA_FEATURE_MEMORY_LIMIT | \
		  GCARENA_FEATURE_MAJOR | GCARENA_FEATURE_PERMANENT | GCARENA_FEATURE_NAMES | \
		  GCARENA_FEATURE_IDS | GCARENA_FEATURE_EVACUATE)

static void fill_heap(const struct gcarena_heap *heap, struct gcarena_stats *stats)
{
	stats->heap_objects = heap->used.objects;
	stats->heap_bytes = heap->used.bytes;
	stats->span_bytes = heap->span_bytes;
	stats->backing_bytes = gcarena_heap_held(heap);
	stats->backing_peak = (u64)heap->peak_chunks << GCARENA_CHUNK_SHIFT;
	stats->idle_bytes = gcarena_heap_idle(heap);
	stats->metadata_bytes = heap->metadata_bytes;
	stats->old_objects = heap->old.objects;
	stats->old_bytes = heap->old.bytes;
	stats->permanent_objects = heap->permanent.objects;
	stats->permanent_bytes = heap->permanent.bytes;
	stats->total_alloc_objects = heap->allocated.objects;
	stats->total_alloc_bytes = heap->allocated.bytes;
	stats->total_freed_objects = heap->freed.objects;
	stats->total_freed_bytes = heap->freed.bytes;
	stats->released_bytes = heap->released_bytes;
}

static void fill_counters(const struct gcarena_counters *c, struct gcarena_stats *stats)
{
	stats->cycles = c->cycles;
	stats->cycles_forced = c->cycles_forced;
	stats->cycles_aborted = c->cycles_aborted;
	stats->last_live_objects = c->last_live.objects;
	stats->last_live_bytes = c->last_live.bytes;
	stats->pause_total_ns = c->pause_total_ns;
	stats->pause_last_ns = c->pause_last_ns;
	stats->pause_max_ns = c->pause_max_ns;
	memcpy(stats->pauses, c->pauses, sizeof(stats->pauses));
	stats->cycles_concurrent = c->cycles_concurrent;
	stats->rounds = c->rounds;
	stats->concurrent_ns = c->concurrent_ns;
	stats->assist_ns = c->assist_ns;
	stats->mark_total_ns = c->mark_total_ns;
	stats->root_total_ns = c->root_total_ns;
	stats->sweep_total_ns = c->sweep_total_ns;
	stats->root_bytes_last = c->root_bytes_last;
	stats->mark_stack_peak = c->mark_stack_peak;
	stats->mark_overflows = c->mark_overflows;
	stats->refills = c->refills;
	stats->refill_spans = c->refill_spans;
	stats->large_allocs = c->large_allocs;
	stats->frees = c->frees;
	stats->owned_spans = c->owned_spans;
	stats->huge_chunks = c->huge_chunks;
	stats->split_chunks = c->split_chunks;
	stats->stop_last_ns = c->stop_last_ns;
	stats->stop_total_ns = c->stop_total_ns;
	stats->stop_max_ns = c->stop_max_ns;
	stats->stop_threads_last = c->stop_threads_last;
	stats->stop_timeout_pid = c->stop_timeout_pid;
	stats->cycles_minor = c->cycles_minor;
	stats->dirty_pages_last = c->dirty_pages_last;
	stats->dirty_pages_total = c->dirty_pages_total;
	stats->dirty_total_ns = c->dirty_total_ns;
	stats->cycles_compact = c->cycles_compact;
	stats->moves = c->moves;
	stats->moved_objects = c->moved.objects;
	stats->moved_bytes = c->moved.bytes;
	stats->compact_total_ns = c->compact_total_ns;
	stats->mark_workers_last = c->mark_workers_last;
	stats->mark_shared = c->mark_shared;
}

static void fill_phases(const struct gcarena_counters *c, struct gcarena_stats *stats)
{
	stats->clear_total_ns = c->clear_total_ns;
	stats->root_stop_total_ns = c->root_stop_total_ns;
	stats->last_stop_total_ns = c->last_stop_total_ns;
	stats->marked_objects = c->marked.objects;
	stats->marked_bytes = c->marked.bytes;
	stats->rounds_last = c->rounds_last;
	stats->dirty_passes = c->dirty_passes;
	stats->limit_exceeded = c->limit_exceeded;
	stats->limit_throttled = c->limit_throttled;
}

/* GCARENA_IOC_STATS, under the heap lock. */
void gcarena_stats_fill(struct gcarena *arena, struct gcarena_stats *stats)
{
	lockdep_assert_held(&arena->lock);
	stats->dirty_method = arena->dirty_method;
	if (!gcarena_is_created(arena))
		return;
	fill_heap(&arena->heap, stats);
	fill_counters(&arena->counters, stats);
	fill_phases(&arena->counters, stats);
	stats->next_gc = arena->pacer.goal;
	stats->faults = atomic64_read(&arena->faults);
	stats->populated_pages = atomic64_read(&arena->populated_pages);
	stats->quiet_bytes = (u64)atomic_read(&arena->quiet.chunks) << GCARENA_CHUNK_SHIFT;
	stats->quiet_total = arena->quiet.total;
	stats->quiet_faults = atomic64_read(&arena->quiet.faults);
}

/* GCARENA_IOC_INFO, under the heap lock. */
void gcarena_info_fill(struct gcarena *arena, struct gcarena_info *info)
{
	bool created = gcarena_is_created(arena);
	struct gcarena_params params;

	lockdep_assert_held(&arena->lock);
	if (created)
		params = arena->params;
	else
		gcarena_params_default(&params);
	info->abi_version = GCARENA_ABI_VERSION;
	info->block_size = GCARENA_BLOCK_BYTES;
	info->features = FEATURES;
	info->base = READ_ONCE(arena->heap.base);
	info->reserve = params.reserve;
	info->limit = params.limit;
	info->min_heap = params.min_heap;
	info->root_mode = params.root_mode;
	info->gc_percent = params.gc_percent;
	info->nr_size_classes = GCARENA_NR_CLASSES;
	info->max_small = GCARENA_MAX_SMALL;
	info->created = created;
	info->dirty_method = arena->dirty_method;
	info->memory_limit = params.memory_limit;
}

/* Without a lock, and so without waiting: each number is right, or was a moment ago. */
void gcarena_overview_fill(struct gcarena *arena, struct gcarena_overview *o)
{
	*o = (struct gcarena_overview) {
		.created = gcarena_is_created(arena),
		.phase = READ_ONCE(arena->notify.phase),
		.base = READ_ONCE(arena->heap.base),
		.heap_objects = READ_ONCE(arena->heap.used.objects),
		.heap_bytes = READ_ONCE(arena->heap.used.bytes),
		.backing_bytes = gcarena_heap_held(&arena->heap),
		.metadata_bytes = READ_ONCE(arena->heap.metadata_bytes),
		.cycles = READ_ONCE(arena->counters.cycles),
		.cycles_aborted = READ_ONCE(arena->counters.cycles_aborted),
		.pause_last_ns = READ_ONCE(arena->counters.pause_last_ns),
		.pause_max_ns = READ_ONCE(arena->counters.pause_max_ns),
		.pause_total_ns = READ_ONCE(arena->counters.pause_total_ns),
		.alloc_bytes = READ_ONCE(arena->heap.allocated.bytes),
		.limit_hits = READ_ONCE(arena->counters.limit_hits),
	};
	if (!o->created) {
		gcarena_params_default(&o->params);
		return;
	}
	o->params.reserve = arena->params.reserve;
	o->params.root_mode = arena->params.root_mode;
	o->params.limit = READ_ONCE(arena->params.limit);
	o->params.min_heap = READ_ONCE(arena->params.min_heap);
	o->params.gc_percent = READ_ONCE(arena->params.gc_percent);
	o->params.memory_limit = READ_ONCE(arena->params.memory_limit);
}

static const char *phase_name(u32 phase)
{
	static const char *const names[] = {
		[GCARENA_PHASE_IDLE] = "idle",
		[GCARENA_PHASE_STOP] = "stop",
		[GCARENA_PHASE_MARK] = "mark",
		[GCARENA_PHASE_SWEEP] = "sweep",
		[GCARENA_PHASE_TRACE] = "trace",
		[GCARENA_PHASE_COMPACT] = "compact",
	};

	return phase < ARRAY_SIZE(names) ? names[phase] : "?";
}

/* /proc/PID/fdinfo/FD. Who may read that may see all of it. */
void gcarena_fdinfo(struct seq_file *m, struct file *file)
{
	struct gcarena *arena = file->private_data;
	char name[GCARENA_NAME_LEN];
	struct gcarena_overview o;

	gcarena_overview_fill(arena, &o);
	gcarena_registry_get_name(arena, name);
	seq_printf(m, "gcarena-id:\t%u\n", arena->entry.id);
	seq_printf(m, "gcarena-name:\t%s\n", name);
	seq_printf(m, "gcarena-base:\t0x%llx\n", o.base);
	seq_printf(m, "gcarena-reserve:\t%llu bytes\n", o.params.reserve);
	seq_printf(m, "gcarena-limit:\t%llu bytes\n", o.params.limit);
	seq_printf(m, "gcarena-memory-limit:\t%llu bytes\n", o.params.memory_limit);
	seq_printf(m, "gcarena-backing:\t%llu bytes\n", o.backing_bytes);
	seq_printf(m, "gcarena-metadata:\t%llu bytes\n", o.metadata_bytes);
	seq_printf(m, "gcarena-heap:\t%llu bytes\n", o.heap_bytes);
	seq_printf(m, "gcarena-objects:\t%llu\n", o.heap_objects);
	seq_printf(m, "gcarena-processes:\t%u\n", gcarena_mapping_count(arena));
	seq_printf(m, "gcarena-phase:\t%s\n", phase_name(o.phase));
	seq_printf(m, "gcarena-cycles:\t%llu\n", o.cycles);
	seq_printf(m, "gcarena-cycles-aborted:\t%llu\n", o.cycles_aborted);
}
