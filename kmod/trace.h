/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: events/gcarena in tracefs, gcarena:* in perf, tracepoint:gcarena:* in
 * bpftrace. Units stand in the fields' names. Sites are off until somebody looks.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM gcarena

#if !defined(GCARENA_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define GCARENA_TRACE_H

#include <linux/tracepoint.h>

#include <linux/gcarena.h>

/* For tools that read the format: they know no names of the kernel's. */
TRACE_DEFINE_ENUM(GCARENA_COLLECT_FULL);
TRACE_DEFINE_ENUM(GCARENA_COLLECT_MINOR);
TRACE_DEFINE_ENUM(GCARENA_COLLECT_COMPACT);

#define show_collect_kind(kind)				\
	__print_symbolic(kind,				\
		{ GCARENA_COLLECT_FULL, "full" },	\
		{ GCARENA_COLLECT_MINOR, "minor" },	\
		{ GCARENA_COLLECT_COMPACT, "compact" })

/* A collection begins. */
TRACE_EVENT(gcarena_cycle_begin,
	TP_PROTO(u32 id, u32 kind, u64 cycles, u64 heap_bytes),
	TP_ARGS(id, kind, cycles, heap_bytes),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u32, kind)
		__field(u64, cycles)
		__field(u64, heap_bytes)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->kind = kind;
		__entry->cycles = cycles;
		__entry->heap_bytes = heap_bytes;
	),
	TP_printk("id=%u kind=%s cycles=%llu heap_bytes=%llu", __entry->id,
		  show_collect_kind(__entry->kind), __entry->cycles, __entry->heap_bytes)
);

/* It has ended, or was given up with an error. */
TRACE_EVENT(gcarena_cycle_end,
	TP_PROTO(u32 id, u32 kind, u64 cycles, int error, u64 pause_ns, u64 live_bytes),
	TP_ARGS(id, kind, cycles, error, pause_ns, live_bytes),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u32, kind)
		__field(u64, cycles)
		__field(int, error)
		__field(u64, pause_ns)
		__field(u64, live_bytes)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->kind = kind;
		__entry->cycles = cycles;
		__entry->error = error;
		__entry->pause_ns = pause_ns;
		__entry->live_bytes = live_bytes;
	),
	TP_printk("id=%u kind=%s cycles=%llu error=%d pause_ns=%llu live_bytes=%llu",
		  __entry->id, show_collect_kind(__entry->kind), __entry->cycles,
		  __entry->error, __entry->pause_ns, __entry->live_bytes)
);

/* What has nothing to tell but that it happened. */
DECLARE_EVENT_CLASS(gcarena_moment,
	TP_PROTO(u32 id),
	TP_ARGS(id),
	TP_STRUCT__entry(
		__field(u32, id)
	),
	TP_fast_assign(
		__entry->id = id;
	),
	TP_printk("id=%u", __entry->id)
);

/* The program's threads are asked to stop. */
DEFINE_EVENT(gcarena_moment, gcarena_stop_begin,
	TP_PROTO(u32 id),
	TP_ARGS(id)
);

/* They run again. */
DEFINE_EVENT(gcarena_moment, gcarena_world_start,
	TP_PROTO(u32 id),
	TP_ARGS(id)
);

/* They have stopped, or with an error the stop was given up. */
TRACE_EVENT(gcarena_stop_end,
	TP_PROTO(u32 id, int error, unsigned int threads, u64 stop_ns),
	TP_ARGS(id, error, threads, stop_ns),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(int, error)
		__field(unsigned int, threads)
		__field(u64, stop_ns)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->error = error;
		__entry->threads = threads;
		__entry->stop_ns = stop_ns;
	),
	TP_printk("id=%u error=%d threads=%u stop_ns=%llu", __entry->id, __entry->error,
		  __entry->threads, __entry->stop_ns)
);

/* What can be reached is marked, or with an error marking was given up. */
TRACE_EVENT(gcarena_mark_end,
	TP_PROTO(u32 id, int error, u64 root_bytes, u64 root_ns, u64 mark_ns, u64 overflows),
	TP_ARGS(id, error, root_bytes, root_ns, mark_ns, overflows),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(int, error)
		__field(u64, root_bytes)
		__field(u64, root_ns)
		__field(u64, mark_ns)
		__field(u64, overflows)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->error = error;
		__entry->root_bytes = root_bytes;
		__entry->root_ns = root_ns;
		__entry->mark_ns = mark_ns;
		__entry->overflows = overflows;
	),
	TP_printk("id=%u error=%d root_bytes=%llu root_ns=%llu mark_ns=%llu overflows=%llu",
		  __entry->id, __entry->error, __entry->root_bytes, __entry->root_ns,
		  __entry->mark_ns, __entry->overflows)
);

/* The dirty bits have been read and cleared. */
TRACE_EVENT(gcarena_dirty_pass,
	TP_PROTO(u32 id, u64 pages, u64 dirty_pages, u64 dirty_ns),
	TP_ARGS(id, pages, dirty_pages, dirty_ns),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u64, pages)
		__field(u64, dirty_pages)
		__field(u64, dirty_ns)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->pages = pages;
		__entry->dirty_pages = dirty_pages;
		__entry->dirty_ns = dirty_ns;
	),
	TP_printk("id=%u pages=%llu dirty_pages=%llu dirty_ns=%llu", __entry->id,
		  __entry->pages, __entry->dirty_pages, __entry->dirty_ns)
);

/* Some or all unswept spans were swept, in the background or for a cycle. */
TRACE_EVENT(gcarena_sweep,
	TP_PROTO(u32 id, bool background, u64 freed_objects, u64 freed_bytes, u64 sweep_ns),
	TP_ARGS(id, background, freed_objects, freed_bytes, sweep_ns),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(bool, background)
		__field(u64, freed_objects)
		__field(u64, freed_bytes)
		__field(u64, sweep_ns)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->background = background;
		__entry->freed_objects = freed_objects;
		__entry->freed_bytes = freed_bytes;
		__entry->sweep_ns = sweep_ns;
	),
	TP_printk("id=%u background=%d freed_objects=%llu freed_bytes=%llu sweep_ns=%llu",
		  __entry->id, __entry->background, __entry->freed_objects,
		  __entry->freed_bytes, __entry->sweep_ns)
);

/* A thread got spans. */
TRACE_EVENT(gcarena_refill,
	TP_PROTO(u32 id, u32 size_class, u32 layout, u32 spans, u64 free_bytes),
	TP_ARGS(id, size_class, layout, spans, free_bytes),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u32, size_class)
		__field(u32, layout)
		__field(u32, spans)
		__field(u64, free_bytes)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->size_class = size_class;
		__entry->layout = layout;
		__entry->spans = spans;
		__entry->free_bytes = free_bytes;
	),
	TP_printk("id=%u size_class=%u layout=%u spans=%u free_bytes=%llu", __entry->id,
		  __entry->size_class, __entry->layout, __entry->spans, __entry->free_bytes)
);

/* A thread got a large object. */
TRACE_EVENT(gcarena_large_alloc,
	TP_PROTO(u32 id, u32 layout, u64 addr, u64 bytes),
	TP_ARGS(id, layout, addr, bytes),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u32, layout)
		__field(u64, addr)
		__field(u64, bytes)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->layout = layout;
		__entry->addr = addr;
		__entry->bytes = bytes;
	),
	TP_printk("id=%u layout=%u addr=0x%llx bytes=%llu", __entry->id, __entry->layout,
		  __entry->addr, __entry->bytes)
);

/*
 * A concurrent cycle has traced from roots and written pages once more. Steps are objects
 * and pieces of them; times are of the cycle so far.
 */
TRACE_EVENT(gcarena_round_end,
	TP_PROTO(u32 id, unsigned int round, u64 steps, u64 trace_ns, u64 pause_ns),
	TP_ARGS(id, round, steps, trace_ns, pause_ns),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(unsigned int, round)
		__field(u64, steps)
		__field(u64, trace_ns)
		__field(u64, pause_ns)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->round = round;
		__entry->steps = steps;
		__entry->trace_ns = trace_ns;
		__entry->pause_ns = pause_ns;
	),
	TP_printk("id=%u round=%u steps=%llu trace_ns=%llu pause_ns=%llu", __entry->id,
		  __entry->round, __entry->steps, __entry->trace_ns, __entry->pause_ns)
);

/* Objects have moved, or with an error perhaps none. */
TRACE_EVENT(gcarena_compact,
	TP_PROTO(u32 id, int error, u64 moved_objects, u64 moved_bytes, u64 compact_ns),
	TP_ARGS(id, error, moved_objects, moved_bytes, compact_ns),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(int, error)
		__field(u64, moved_objects)
		__field(u64, moved_bytes)
		__field(u64, compact_ns)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->error = error;
		__entry->moved_objects = moved_objects;
		__entry->moved_bytes = moved_bytes;
		__entry->compact_ns = compact_ns;
	),
	TP_printk("id=%u error=%d moved_objects=%llu moved_bytes=%llu compact_ns=%llu",
		  __entry->id, __entry->error, __entry->moved_objects, __entry->moved_bytes,
		  __entry->compact_ns)
);

/* An allocation fails: the arena is full, or the kernel has no memory for it. */
TRACE_EVENT(gcarena_limit_hit,
	TP_PROTO(u32 id, int error, u64 heap_bytes, u64 backing_bytes, u64 limit_bytes),
	TP_ARGS(id, error, heap_bytes, backing_bytes, limit_bytes),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(int, error)
		__field(u64, heap_bytes)
		__field(u64, backing_bytes)
		__field(u64, limit_bytes)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->error = error;
		__entry->heap_bytes = heap_bytes;
		__entry->backing_bytes = backing_bytes;
		__entry->limit_bytes = limit_bytes;
	),
	TP_printk("id=%u error=%d heap_bytes=%llu backing_bytes=%llu limit_bytes=%llu",
		  __entry->id, __entry->error, __entry->heap_bytes, __entry->backing_bytes,
		  __entry->limit_bytes)
);

/* Empty chunks went back to the system. */
TRACE_EVENT(gcarena_release,
	TP_PROTO(u32 id, u64 released_bytes, u64 backing_bytes),
	TP_ARGS(id, released_bytes, backing_bytes),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u64, released_bytes)
		__field(u64, backing_bytes)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->released_bytes = released_bytes;
		__entry->backing_bytes = backing_bytes;
	),
	TP_printk("id=%u released_bytes=%llu backing_bytes=%llu", __entry->id,
		  __entry->released_bytes, __entry->backing_bytes)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
