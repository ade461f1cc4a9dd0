// SPDX-License-Identifier: GPL-2.0
/*
 * The ABI as a matrix: every command against every rule of linux/gcarena.h that
 * holds for all of them (one fixture variant a command), then the range of each
 * field (one table row a value), then the errors that need a history.
 *
 * The structure under test ends where an unmapped page begins, so that a kernel
 * that reads or writes a byte too much is seen.
 */
#define _GNU_SOURCE

/* No implicit padding: the compiler is asked, before anybody includes the header. */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
#include <linux/gcarena.h>
#pragma GCC diagnostic pop

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "lib/rawarena.h"

static void __attribute__((constructor)) need_device(void)
{
	raw_need_device();
}

/* ---- Layout --------------------------------------------------------------- */

#define SIZE(type, bytes) \
	static_assert(sizeof(struct gcarena_##type) == (bytes), "size of " #type)
#define AT(type, field, offset) \
	static_assert(offsetof(struct gcarena_##type, field) == (offset), \
		       "offset of " #type "." #field)
#define NUMBER(cmd, nr) \
	static_assert(GCARENA_IOC_##cmd == (0xb900 | (nr)), "number of " #cmd)

NUMBER(INFO, 0);
NUMBER(CREATE, 1);
NUMBER(CLASSES, 2);
NUMBER(TYPE_ADD, 3);
NUMBER(REFILL, 4);
NUMBER(RELEASE, 5);
NUMBER(ALLOC, 6);
NUMBER(FREE, 7);
NUMBER(COLLECT, 8);
NUMBER(ROOTS_ADD, 9);
NUMBER(ROOTS_DEL, 10);
NUMBER(SET, 11);
NUMBER(STATS, 12);
NUMBER(OBJECT, 13);
NUMBER(PIN, 14);
NUMBER(UNPIN, 15);
NUMBER(PERMANENT, 16);
NUMBER(NAME, 17);
NUMBER(ID, 18);

SIZE(info, 88);
AT(info, size, 0);
AT(info, flags, 4);
AT(info, abi_version, 8);
AT(info, block_size, 12);
AT(info, features, 16);
AT(info, base, 24);
AT(info, reserve, 32);
AT(info, limit, 40);
AT(info, min_heap, 48);
AT(info, root_mode, 56);
AT(info, gc_percent, 60);
AT(info, nr_size_classes, 64);
AT(info, max_small, 68);
AT(info, created, 72);
AT(info, dirty_method, 76);
AT(info, memory_limit, 80);

SIZE(create, 48);
AT(create, size, 0);
AT(create, flags, 4);
AT(create, reserve, 8);
AT(create, limit, 16);
AT(create, min_heap, 24);
AT(create, root_mode, 32);
AT(create, gc_percent, 36);
AT(create, memory_limit, 40);

SIZE(size_class, 16);
AT(size_class, slot_size, 0);
AT(size_class, nr_slots, 4);
AT(size_class, span_size, 8);
AT(size_class, reserved, 12);

SIZE(classes, 24);
AT(classes, size, 0);
AT(classes, flags, 4);
AT(classes, classes, 8);
AT(classes, nr, 16);
AT(classes, reserved, 20);

SIZE(type_add, 56);
AT(type_add, size, 0);
AT(type_add, flags, 4);
AT(type_add, elem_size, 8);
AT(type_add, layout, 12);
AT(type_add, ptrmap, 16);
AT(type_add, name, 24);

SIZE(span, 544);
AT(span, base, 0);
AT(span, slot_size, 8);
AT(span, nr_slots, 12);
AT(span, nr_free, 16);
AT(span, flags, 20);
AT(span, size_class, 24);
AT(span, layout, 28);
AT(span, free, 32);

SIZE(refill, 56);
AT(refill, size, 0);
AT(refill, flags, 4);
AT(refill, size_class, 8);
AT(refill, layout, 12);
AT(refill, used, 16);
AT(refill, spans, 24);
AT(refill, nr_used, 32);
AT(refill, nr_spans, 36);
AT(refill, want, 40);
AT(refill, cycle, 48);

SIZE(release, 24);
AT(release, size, 0);
AT(release, flags, 4);
AT(release, spans, 8);
AT(release, nr_spans, 16);
AT(release, reserved, 20);

SIZE(alloc, 32);
AT(alloc, size, 0);
AT(alloc, flags, 4);
AT(alloc, layout, 8);
AT(alloc, reserved, 12);
AT(alloc, bytes, 16);
AT(alloc, addr, 24);

SIZE(free, 16);
AT(free, size, 0);
AT(free, flags, 4);
AT(free, addr, 8);

SIZE(collect, 88);
AT(collect, size, 0);
AT(collect, flags, 4);
AT(collect, kind, 8);
AT(collect, reserved, 12);
AT(collect, cycle, 16);
AT(collect, pause_ns, 24);
AT(collect, live_objects, 32);
AT(collect, live_bytes, 40);
AT(collect, freed_objects, 48);
AT(collect, freed_bytes, 56);
AT(collect, released_bytes, 64);
AT(collect, moved_objects, 72);
AT(collect, moved_bytes, 80);

SIZE(roots, 24);
AT(roots, size, 0);
AT(roots, flags, 4);
AT(roots, addr, 8);
AT(roots, len, 16);

SIZE(name, 72);
AT(name, size, 0);
AT(name, flags, 4);
AT(name, name, 8);

SIZE(set, 24);
AT(set, size, 0);
AT(set, flags, 4);
AT(set, param, 8);
AT(set, reserved, 12);
AT(set, value, 16);

SIZE(stats, 800);
AT(stats, size, 0);
AT(stats, flags, 4);
AT(stats, heap_objects, 8);
AT(stats, heap_bytes, 16);
AT(stats, span_bytes, 24);
AT(stats, backing_bytes, 32);
AT(stats, backing_peak, 40);
AT(stats, idle_bytes, 48);
AT(stats, metadata_bytes, 56);
AT(stats, total_alloc_objects, 64);
AT(stats, total_alloc_bytes, 72);
AT(stats, total_freed_objects, 80);
AT(stats, total_freed_bytes, 88);
AT(stats, released_bytes, 96);
AT(stats, next_gc, 104);
AT(stats, cycles, 112);
AT(stats, cycles_forced, 120);
AT(stats, cycles_refused, 128);
AT(stats, cycles_aborted, 136);
AT(stats, last_live_objects, 144);
AT(stats, last_live_bytes, 152);
AT(stats, pause_total_ns, 160);
AT(stats, pause_last_ns, 168);
AT(stats, pause_max_ns, 176);
AT(stats, mark_total_ns, 184);
AT(stats, root_total_ns, 192);
AT(stats, sweep_total_ns, 200);
AT(stats, root_bytes_last, 208);
AT(stats, mark_stack_peak, 216);
AT(stats, mark_overflows, 224);
AT(stats, refills, 232);
AT(stats, refill_spans, 240);
AT(stats, large_allocs, 248);
AT(stats, frees, 256);
AT(stats, faults, 264);
AT(stats, populated_pages, 272);
AT(stats, owned_spans, 280);
AT(stats, huge_chunks, 288);
AT(stats, split_chunks, 296);
AT(stats, stop_last_ns, 304);
AT(stats, stop_total_ns, 312);
AT(stats, stop_max_ns, 320);
AT(stats, stop_threads_last, 328);
AT(stats, stop_timeout_pid, 336);
AT(stats, cycles_minor, 344);
AT(stats, old_objects, 352);
AT(stats, old_bytes, 360);
AT(stats, dirty_pages_last, 368);
AT(stats, dirty_pages_total, 376);
AT(stats, dirty_total_ns, 384);
AT(stats, cycles_compact, 392);
AT(stats, moves, 400);
AT(stats, moved_objects, 408);
AT(stats, moved_bytes, 416);
AT(stats, compact_total_ns, 424);
AT(stats, cycles_concurrent, 432);
AT(stats, rounds, 440);
AT(stats, concurrent_ns, 448);
AT(stats, assist_ns, 456);
AT(stats, pauses, 464);
AT(stats, mark_workers_last, 672);
AT(stats, mark_shared, 680);
AT(stats, quiet_bytes, 688);
AT(stats, quiet_total, 696);
AT(stats, quiet_faults, 704);
AT(stats, clear_total_ns, 712);
AT(stats, root_stop_total_ns, 720);
AT(stats, last_stop_total_ns, 728);
AT(stats, marked_objects, 736);
AT(stats, marked_bytes, 744);
AT(stats, rounds_last, 752);
AT(stats, dirty_passes, 760);
AT(stats, permanent_objects, 768);
AT(stats, permanent_bytes, 776);
AT(stats, limit_exceeded, 784);
AT(stats, limit_throttled, 792);

SIZE(object, 48);
AT(object, size, 0);
AT(object, flags, 4);
AT(object, addr, 8);
AT(object, base, 16);
AT(object, bytes, 24);
AT(object, layout, 32);
AT(object, size_class, 36);
AT(object, region, 40);
AT(object, state, 44);

SIZE(pin, 16);
AT(pin, size, 0);
AT(pin, flags, 4);
AT(pin, addr, 8);

SIZE(permanent, 16);
AT(permanent, size, 0);
AT(permanent, flags, 4);
AT(permanent, addr, 8);

SIZE(id, 24);
AT(id, size, 0);
AT(id, flags, 4);
AT(id, addr, 8);
AT(id, id, 16);

SIZE(event, 88);
AT(event, size, 0);
AT(event, kind, 4);
AT(event, error, 8);
AT(event, pid, 12);
AT(event, lost, 16);
AT(event, collect_kind, 20);
AT(event, time_ns, 24);
AT(event, cycle, 32);
AT(event, duration_ns, 40);
AT(event, live_bytes, 48);
AT(event, longest_ns, 56);
AT(event, moves, 64);
AT(event, moved_objects, 72);
AT(event, moved_bytes, 80);

/* ---- What a test works with ------------------------------------------------ */

#define PAGE		4096UL
#define ARENA_RESERVE	(64 * RAW_MIB)
#define NO_FIELD	0
#define KERNEL_ADDRESS	0xffff888000000000ULL
#define NON_CANONICAL	0x0001000000000000ULL

/* Everything that a command may need, set up before each test. */
struct env {
	struct rawarena arena;
	int spare;	/* an arena that is not created, for CREATE */
	int target;	/* what the command under test works on */
	char *page;	/* one page, followed by one that is not accessible */
	__u32 max_small;
	__u32 nr_classes;
};

/* Memory that no thread can lose sight of, and that outlives the test's stack. */
static __u64 root_words[8];
static __u64 one_bitmap = 1;
static struct gcarena_size_class class_buffer[RAW_CLASSES_MAX];
static struct gcarena_span span_buffer[GCARENA_REFILL_MAX];

static __u64 to_u64(const void *p)
{
	return (__u64)(uintptr_t)p;
}

static int env_guard_page(struct env *env)
{
	env->page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (env->page == MAP_FAILED)
		return -errno;
	return mprotect(env->page + PAGE, PAGE, PROT_NONE) ? -errno : 0;
}

static int env_open(struct env *env)
{
	struct gcarena_info info;
	int ret = env_guard_page(env);

	if (ret)
		return ret;
	env->spare = -1;
	ret = rawarena_open(&env->arena, ARENA_RESERVE, GCARENA_ROOTS_EXPLICIT);
	if (ret)
		return ret;
	env->target = env->arena.fd;
	ret = raw_info(env->arena.fd, &info);
	env->max_small = info.max_small;
	env->nr_classes = info.nr_size_classes;
	return ret;
}

static void env_close(struct env *env)
{
	rawarena_close(&env->arena);
	if (env->spare >= 0)
		close(env->spare);
	munmap(env->page, 2 * PAGE);
}

/* The last @bytes before the page that faults. */
static void *env_place(struct env *env, size_t bytes)
{
	return env->page + PAGE - bytes;
}

/* An arena in its first state becomes the target. */
static int env_target_fresh(struct env *env)
{
	if (env->spare >= 0)
		close(env->spare);
	env->spare = raw_open();
	if (env->spare < 0)
		return env->spare;
	env->target = env->spare;
	return 0;
}

/* ---- Valid arguments for each command -------------------------------------- */

static int fill_info(struct env *env, void *arg)
{
	struct gcarena_info *info = arg;

	(void)env;
	info->size = sizeof(*info);
	return 0;
}

static int fill_create(struct env *env, void *arg)
{
	struct gcarena_create *create = arg;

	create->size = sizeof(*create);
	create->reserve = 8 * GCARENA_CHUNK_SIZE;
	create->limit = 4 * GCARENA_CHUNK_SIZE;
	create->min_heap = RAW_MIB;
	create->root_mode = GCARENA_ROOTS_AUTO;
	create->gc_percent = 50;
	return env_target_fresh(env);
}

static int fill_classes(struct env *env, void *arg)
{
	struct gcarena_classes *classes = arg;

	(void)env;
	classes->size = sizeof(*classes);
	classes->classes = to_u64(class_buffer);
	classes->nr = RAW_CLASSES_MAX;
	return 0;
}

static int fill_type_add(struct env *env, void *arg)
{
	struct gcarena_type_add *type = arg;

	(void)env;
	type->size = sizeof(*type);
	type->elem_size = 16;
	type->ptrmap = to_u64(&one_bitmap);
	strcpy(type->name, "matrix");
	return 0;
}

static int fill_refill(struct env *env, void *arg)
{
	struct gcarena_refill *refill = arg;

	(void)env;
	refill->size = sizeof(*refill);
	refill->size_class = 1;
	refill->layout = GCARENA_LAYOUT_NOSCAN;
	refill->spans = to_u64(span_buffer);
	refill->nr_spans = 1;
	return 0;
}

static int fill_release(struct env *env, void *arg)
{
	struct gcarena_release *release = arg;
	int nr;

	nr = raw_refill(env->arena.fd, 1, GCARENA_LAYOUT_NOSCAN, span_buffer, 1);
	if (nr < 0)
		return nr;
	release->size = sizeof(*release);
	release->spans = to_u64(span_buffer);
	release->nr_spans = nr;
	return 0;
}

static int fill_alloc(struct env *env, void *arg)
{
	struct gcarena_alloc *alloc = arg;

	alloc->size = sizeof(*alloc);
	alloc->layout = GCARENA_LAYOUT_CONSERVATIVE;
	alloc->bytes = env->max_small + 1;
	return 0;
}

static int fill_free(struct env *env, void *arg)
{
	struct gcarena_free *free = arg;

	free->size = sizeof(*free);
	return raw_alloc(env->arena.fd, 0, env->max_small + 1, (__u64 *)&free->addr);
}

static int fill_collect(struct env *env, void *arg)
{
	struct gcarena_collect *collect = arg;

	(void)env;
	collect->size = sizeof(*collect);
	collect->kind = GCARENA_COLLECT_FULL;
	return 0;
}

static int fill_roots_add(struct env *env, void *arg)
{
	struct gcarena_roots *roots = arg;

	(void)env;
	roots->size = sizeof(*roots);
	roots->addr = to_u64(root_words);
	roots->len = sizeof(root_words);
	return 0;
}

/* Of both sorts, so that it may be removed with and without the flag. */
static int fill_roots_del(struct env *env, void *arg)
{
	int ret;

	fill_roots_add(env, arg);
	ret = raw_slots_add(env->arena.fd, root_words, sizeof(root_words));
	return ret ?: raw_roots_add(env->arena.fd, root_words, sizeof(root_words));
}

static int fill_pin(struct env *env, void *arg)
{
	struct gcarena_pin *pin = arg;

	pin->size = sizeof(*pin);
	return raw_alloc(env->arena.fd, 0, env->max_small + 1, (__u64 *)&pin->addr);
}

static int fill_permanent(struct env *env, void *arg)
{
	struct gcarena_permanent *permanent = arg;

	permanent->size = sizeof(*permanent);
	return raw_alloc(env->arena.fd, 0, env->max_small + 1, (__u64 *)&permanent->addr);
}

static int fill_unpin(struct env *env, void *arg)
{
	struct gcarena_pin *pin = arg;
	int ret = fill_pin(env, arg);

	return ret ?: raw_pin(env->arena.fd, pin->addr);
}

static int fill_name(struct env *env, void *arg)
{
	struct gcarena_name *name = arg;

	(void)env;
	name->size = sizeof(*name);
	strcpy(name->name, "matrix");
	return 0;
}

static int fill_id(struct env *env, void *arg)
{
	struct gcarena_id *id = arg;

	id->size = sizeof(*id);
	return raw_alloc(env->arena.fd, 0, env->max_small + 1, (__u64 *)&id->addr);
}

static int fill_set(struct env *env, void *arg)
{
	struct gcarena_set *set = arg;

	(void)env;
	set->size = sizeof(*set);
	set->param = GCARENA_PARAM_GC_PERCENT;
	set->value = 200;
	return 0;
}

static int fill_stats(struct env *env, void *arg)
{
	struct gcarena_stats *stats = arg;

	(void)env;
	stats->size = sizeof(*stats);
	return 0;
}

static int fill_object(struct env *env, void *arg)
{
	struct gcarena_object *object = arg;

	object->size = sizeof(*object);
	return raw_alloc(env->arena.fd, 0, env->max_small + 1,
			 (__u64 *)&object->addr);
}

/* ---- Rules that hold for all commands --------------------------------------- */

/* An array that the command reads or writes. */
struct inner_array {
	size_t pointer;		/* offset of its address */
	size_t count;		/* offset of its number of entries, or NO_FIELD */
	size_t bytes;		/* bytes of one entry */
	bool written;		/* by the kernel */
};

FIXTURE(abi) {
	struct env env;
};

FIXTURE_VARIANT(abi) {
	unsigned long cmd;
	size_t first_size;	/* of the structure's first version; never changes */
	__u32 known_flags;
	size_t reserved;	/* offset of a reserved field, or NO_FIELD */
	bool writes;		/* has fields that the kernel fills */
	struct inner_array array[2];
	int fresh;		/* result on an arena that is not created */
	int unmapped;		/* result on one that was never mapped */
	int gone;		/* result on one that is not mapped any more */
	int (*fill)(struct env *env, void *arg);
};

FIXTURE_SETUP(abi)
{
	ASSERT_EQ(0, env_open(&self->env));
}

FIXTURE_TEARDOWN(abi)
{
	env_close(&self->env);
}

FIXTURE_VARIANT_ADD(abi, info) {
	.cmd = GCARENA_IOC_INFO,
	.first_size = 88,
	.writes = true,
	.fill = fill_info,
};

FIXTURE_VARIANT_ADD(abi, create) {
	.cmd = GCARENA_IOC_CREATE,
	.first_size = 48,
	.unmapped = -EBUSY,
	.gone = -EBUSY,
	.fill = fill_create,
};

FIXTURE_VARIANT_ADD(abi, classes) {
	.cmd = GCARENA_IOC_CLASSES,
	.first_size = 24,
	.reserved = offsetof(struct gcarena_classes, reserved),
	.writes = true,
	.array[0] = {
		.pointer = offsetof(struct gcarena_classes, classes),
		.bytes = sizeof(struct gcarena_size_class),
		.written = true,
	},
	.fill = fill_classes,
};

FIXTURE_VARIANT_ADD(abi, type_add) {
	.cmd = GCARENA_IOC_TYPE_ADD,
	.first_size = 56,
	.writes = true,
	.array[0] = {
		.pointer = offsetof(struct gcarena_type_add, ptrmap),
		.bytes = sizeof(__u64),
	},
	.fresh = -ENXIO,
	.fill = fill_type_add,
};

FIXTURE_VARIANT_ADD(abi, refill) {
	.cmd = GCARENA_IOC_REFILL,
	.first_size = 56,
	.writes = true,
	.array[0] = {
		.pointer = offsetof(struct gcarena_refill, spans),
		.count = offsetof(struct gcarena_refill, nr_spans),
		.bytes = offsetof(struct gcarena_span, free) + sizeof(__u64),
		.written = true,
	},
	.array[1] = {
		.pointer = offsetof(struct gcarena_refill, used),
		.count = offsetof(struct gcarena_refill, nr_used),
		.bytes = sizeof(__u64),
	},
	.fresh = -ENXIO,
	.unmapped = -ENXIO,
	.gone = -ENXIO,
	.fill = fill_refill,
};

FIXTURE_VARIANT_ADD(abi, release) {
	.cmd = GCARENA_IOC_RELEASE,
	.first_size = 24,
	.known_flags = GCARENA_RELEASE_ALL,
	.reserved = offsetof(struct gcarena_release, reserved),
	.array[0] = {
		.pointer = offsetof(struct gcarena_release, spans),
		.count = offsetof(struct gcarena_release, nr_spans),
		.bytes = offsetof(struct gcarena_span, free),
	},
	.fresh = -ENXIO,
	.unmapped = -ENXIO,
	.gone = -ENXIO,
	.fill = fill_release,
};

FIXTURE_VARIANT_ADD(abi, alloc) {
	.cmd = GCARENA_IOC_ALLOC,
	.first_size = 32,
	.reserved = offsetof(struct gcarena_alloc, reserved),
	.writes = true,
	.fresh = -ENXIO,
	.unmapped = -ENXIO,
	.gone = -ENXIO,
	.fill = fill_alloc,
};

FIXTURE_VARIANT_ADD(abi, free) {
	.cmd = GCARENA_IOC_FREE,
	.first_size = 16,
	/* An address is enough; no base, no address in the arena. */
	.fresh = -EINVAL,
	.unmapped = -EINVAL,
	.fill = fill_free,
};

FIXTURE_VARIANT_ADD(abi, collect) {
	.cmd = GCARENA_IOC_COLLECT,
	.first_size = 88,
	.known_flags = GCARENA_COLLECT_RELEASE | GCARENA_COLLECT_PERMANENT,
	.reserved = offsetof(struct gcarena_collect, reserved),
	.writes = true,
	.fresh = -ENXIO,
	.unmapped = -ENXIO,
	.gone = -ENXIO,
	.fill = fill_collect,
};

FIXTURE_VARIANT_ADD(abi, roots_add) {
	.cmd = GCARENA_IOC_ROOTS_ADD,
	.first_size = 24,
	.known_flags = GCARENA_ROOTS_PRECISE,
	.fresh = -ENXIO,
	.unmapped = -ENXIO,
	.gone = -ENXIO,
	.fill = fill_roots_add,
};

FIXTURE_VARIANT_ADD(abi, roots_del) {
	.cmd = GCARENA_IOC_ROOTS_DEL,
	.first_size = 24,
	.known_flags = GCARENA_ROOTS_PRECISE,
	.fresh = -ENXIO,
	.unmapped = -ENXIO,
	.gone = -ENXIO,
	.fill = fill_roots_del,
};

FIXTURE_VARIANT_ADD(abi, set) {
	.cmd = GCARENA_IOC_SET,
	.first_size = 24,
	.reserved = offsetof(struct gcarena_set, reserved),
	.writes = true,
	.fresh = -ENXIO,
	.fill = fill_set,
};

FIXTURE_VARIANT_ADD(abi, stats) {
	.cmd = GCARENA_IOC_STATS,
	.first_size = 800,
	.writes = true,
	.fill = fill_stats,
};

FIXTURE_VARIANT_ADD(abi, object) {
	.cmd = GCARENA_IOC_OBJECT,
	.first_size = 48,
	.writes = true,
	/* An address is enough; no base, no address in the arena. */
	.fresh = -EINVAL,
	.unmapped = -EINVAL,
	.fill = fill_object,
};

FIXTURE_VARIANT_ADD(abi, pin) {
	.cmd = GCARENA_IOC_PIN,
	.first_size = 16,
	.fresh = -ENXIO,
	.unmapped = -ENXIO,
	.gone = -ENXIO,
	.fill = fill_pin,
};

FIXTURE_VARIANT_ADD(abi, unpin) {
	.cmd = GCARENA_IOC_UNPIN,
	.first_size = 16,
	.fresh = -ENXIO,
	.unmapped = -ENXIO,
	.gone = -ENXIO,
	.fill = fill_unpin,
};

FIXTURE_VARIANT_ADD(abi, permanent) {
	.cmd = GCARENA_IOC_PERMANENT,
	.first_size = 16,
	.fresh = -EINVAL,
	.unmapped = -EINVAL,
	.gone = 0,
	.fill = fill_permanent,
};

FIXTURE_VARIANT_ADD(abi, name) {
	.cmd = GCARENA_IOC_NAME,
	.first_size = 72,
	.fill = fill_name,
};

FIXTURE_VARIANT_ADD(abi, id) {
	.cmd = GCARENA_IOC_ID,
	.first_size = 24,
	.writes = true,
	/* As OBJECT. */
	.fresh = -EINVAL,
	.unmapped = -EINVAL,
	.fill = fill_id,
};

/* A structure of @bytes before the guard page: valid, with a zero tail. */
static void *prepare(struct __test_metadata *_metadata, struct env *env,
		     const FIXTURE_VARIANT(abi) * variant, size_t bytes)
{
	char *arg = env_place(env, bytes);

	memset(env->page, 0, PAGE);
	ASSERT_EQ(0, variant->fill(env, arg));
	/* What the program knows is the first version, and then a tail. */
	*(__u32 *)arg = bytes;
	return arg;
}

static int call(struct env *env, const FIXTURE_VARIANT(abi) * variant, void *arg)
{
	return raw_ioctl(env->target, variant->cmd, arg);
}

TEST_F(abi, valid)
{
	void *arg = prepare(_metadata, &self->env, variant, variant->first_size);

	EXPECT_EQ(0, call(&self->env, variant, arg));
}

/* Also an address that is no multiple of 8, or even of 2. */
TEST_F(abi, odd_address)
{
	size_t bytes = variant->first_size;
	char *arg = prepare(_metadata, &self->env, variant, bytes);
	char *odd = arg - 1;

	memmove(odd, arg, bytes);
	EXPECT_EQ(0, call(&self->env, variant, odd));
}

TEST_F(abi, size_too_small)
{
	size_t bytes = variant->first_size;
	char *arg = prepare(_metadata, &self->env, variant, bytes);
	__u32 size;

	for (size = 0; size < bytes; size++) {
		*(__u32 *)arg = size;
		EXPECT_EQ(-EINVAL, call(&self->env, variant, arg))
			TH_LOG("size %u", size);
	}
}

/* Lengths of the unknown tail; together with any structure less than a page. */
static const size_t tail_bytes[] = { 1, 4, 8, 64, 1000, 3000 };

TEST_F(abi, tail_zero)
{
	size_t i, size;
	char *arg;

	for (i = 0; i < ARRAY_SIZE(tail_bytes); i++) {
		size = variant->first_size + tail_bytes[i];
		arg = prepare(_metadata, &self->env, variant, size);
		EXPECT_EQ(0, call(&self->env, variant, arg))
			TH_LOG("tail of %zu bytes", tail_bytes[i]);
	}
}

/* "writes back only the part it knows" */
TEST_F(abi, tail_is_left_alone)
{
	size_t size = variant->first_size + 64, i;
	char *arg = prepare(_metadata, &self->env, variant, size);

	ASSERT_EQ(0, call(&self->env, variant, arg));
	for (i = variant->first_size; i < size; i++)
		EXPECT_EQ(0, arg[i]);
}

static void expect_tail_refused(struct __test_metadata *_metadata, struct env *env,
				const FIXTURE_VARIANT(abi) * variant, size_t tail,
				size_t at)
{
	size_t size = variant->first_size + tail;
	char *arg = prepare(_metadata, env, variant, size);
	char before[PAGE];

	arg[variant->first_size + at] = 1;
	memcpy(before, arg, size);
	EXPECT_EQ(-E2BIG, call(env, variant, arg))
		TH_LOG("byte %zu of a tail of %zu", at, tail);
	EXPECT_EQ(0, memcmp(before, arg, size));
}

TEST_F(abi, tail_not_zero)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tail_bytes); i++) {
		expect_tail_refused(_metadata, &self->env, variant, tail_bytes[i], 0);
		expect_tail_refused(_metadata, &self->env, variant, tail_bytes[i],
				    tail_bytes[i] - 1);
	}
}

/* The whole of what size promises must be readable. */
TEST_F(abi, tail_not_readable)
{
	size_t bytes = variant->first_size;
	char *arg = prepare(_metadata, &self->env, variant, bytes);

	*(__u32 *)arg = bytes + 1;
	EXPECT_EQ(-EFAULT, call(&self->env, variant, arg));
	*(__u32 *)arg = bytes + PAGE;
	EXPECT_NE(0, call(&self->env, variant, arg));
	*(__u32 *)arg = INT_MAX;
	EXPECT_NE(0, call(&self->env, variant, arg));
	*(__u32 *)arg = UINT_MAX;
	EXPECT_NE(0, call(&self->env, variant, arg));
}

TEST_F(abi, undefined_flags)
{
	size_t bytes = variant->first_size;
	char *arg = prepare(_metadata, &self->env, variant, bytes);
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		if (variant->known_flags >> bit & 1)
			continue;
		((__u32 *)arg)[1] = 1U << bit;
		EXPECT_EQ(-EOPNOTSUPP, call(&self->env, variant, arg))
			TH_LOG("flag bit %u", bit);
	}
}

TEST_F(abi, known_flags)
{
	void *arg = prepare(_metadata, &self->env, variant, variant->first_size);

	((__u32 *)arg)[1] = variant->known_flags;
	EXPECT_EQ(0, call(&self->env, variant, arg));
}

TEST_F(abi, reserved_field)
{
	char *arg = prepare(_metadata, &self->env, variant, variant->first_size);
	unsigned int bit;

	if (variant->reserved == NO_FIELD)
		return;
	for (bit = 0; bit < 32; bit++) {
		*(__u32 *)(arg + variant->reserved) = 1U << bit;
		EXPECT_EQ(-EOPNOTSUPP, call(&self->env, variant, arg))
			TH_LOG("reserved bit %u", bit);
	}
}

TEST_F(abi, bad_struct_pointer)
{
	char *arg = prepare(_metadata, &self->env, variant, variant->first_size);
	__u64 bad[] = {
		0, 1, PAGE - 1, to_u64(self->env.page + PAGE),
		/* size can be read, the rest cannot; and not even all of size */
		to_u64(self->env.page + PAGE - 4), to_u64(self->env.page + PAGE - 2),
		KERNEL_ADDRESS, NON_CANONICAL, ~0ULL, ~0ULL - 63,
	};
	size_t i;

	memcpy(self->env.page + PAGE - 4, arg, 4);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EFAULT, call(&self->env, variant, (void *)(uintptr_t)bad[i]))
			TH_LOG("structure at %#llx", bad[i]);
	}
}

/* Where the kernel has nothing to tell, a constant structure will do. */
TEST_F(abi, read_only_struct)
{
	void *arg = prepare(_metadata, &self->env, variant, variant->first_size);

	ASSERT_EQ(0, mprotect(self->env.page, PAGE, PROT_READ));
	EXPECT_EQ(variant->writes ? -EFAULT : 0, call(&self->env, variant, arg));
	ASSERT_EQ(0, mprotect(self->env.page, PAGE, PROT_READ | PROT_WRITE));
}

static void expect_array_fault(struct __test_metadata *_metadata, struct env *env,
			       const FIXTURE_VARIANT(abi) * variant,
			       const struct inner_array *array, __u64 addr)
{
	char *arg = prepare(_metadata, env, variant, variant->first_size);

	*(__u64 *)(arg + array->pointer) = addr;
	if (array->count != NO_FIELD)
		*(__u32 *)(arg + array->count) = 1;
	EXPECT_EQ(-EFAULT, call(env, variant, arg))
		TH_LOG("array at %#llx", addr);
}

static void expect_array_faults(struct __test_metadata *_metadata, struct env *env,
				const FIXTURE_VARIANT(abi) * variant,
				const struct inner_array *array, __u64 read_only)
{
	__u64 hole = to_u64(env->page + PAGE);
	__u64 bad[] = {
		1, PAGE - 1, hole, hole - array->bytes + 1, hole - 1,
		KERNEL_ADDRESS, NON_CANONICAL, ~0ULL - 7, ~0ULL,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		expect_array_fault(_metadata, env, variant, array, bad[i]);
	if (array->written)
		expect_array_fault(_metadata, env, variant, array, read_only);
}

TEST_F(abi, bad_array_pointer)
{
	void *read_only = mmap(NULL, 2 * PAGE, PROT_READ,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	ASSERT_NE(MAP_FAILED, read_only);
	for (i = 0; i < ARRAY_SIZE(variant->array); i++)
		if (variant->array[i].bytes)
			expect_array_faults(_metadata, &self->env, variant,
					    &variant->array[i],
					    to_u64(read_only));
	munmap(read_only, 2 * PAGE);
}

TEST_F(abi, not_created)
{
	void *arg = prepare(_metadata, &self->env, variant, variant->first_size);

	ASSERT_EQ(0, env_target_fresh(&self->env));
	EXPECT_EQ(variant->fresh, call(&self->env, variant, arg));
}

TEST_F(abi, created_not_mapped)
{
	struct rawarena other;
	void *arg = prepare(_metadata, &self->env, variant, variant->first_size);

	ASSERT_EQ(0, rawarena_create(&other, ARENA_RESERVE, GCARENA_ROOTS_EXPLICIT));
	EXPECT_EQ(variant->unmapped, raw_ioctl(other.fd, variant->cmd, arg));
	close(other.fd);
}

TEST_F(abi, not_mapped_any_more)
{
	struct env *env = &self->env;
	void *arg = prepare(_metadata, env, variant, variant->first_size);

	ASSERT_EQ(0, rawarena_unmap(&env->arena));
	EXPECT_EQ(variant->gone, raw_ioctl(env->arena.fd, variant->cmd, arg));
	ASSERT_EQ(0, rawarena_map(&env->arena));
}

#ifdef __x86_64__
/*
 * The way in of a 32-bit program, from a 64-bit one: int 0x80 takes the 32-bit
 * system call table, and with it the driver's compat_ioctl.
 */
static long compat_syscall(long nr, long a, long b, long c)
{
	long ret = nr;

	asm volatile("int $0x80"
		     : "+a"(ret)
		     : "b"(a), "c"(b), "d"(c)
		     : "r8", "r9", "r10", "r11", "memory");
	return (int)ret;
}

#define COMPAT_NR_IOCTL		54
#define COMPAT_NR_GETPID	20

static sigjmp_buf no_compat;

static void on_fault(int sig)
{
	siglongjmp(no_compat, sig);
}

static bool have_compat(void)
{
	struct sigaction action = { .sa_handler = on_fault }, old;
	bool have = false;

	sigaction(SIGSEGV, &action, &old);
	if (!sigsetjmp(no_compat, 1))
		have = compat_syscall(COMPAT_NR_GETPID, 0, 0, 0) == getpid();
	sigaction(SIGSEGV, &old, NULL);
	return have;
}

TEST_F(abi, compat_caller)
{
	void *arg = prepare(_metadata, &self->env, variant, variant->first_size);
	void *low = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (!have_compat())
		SKIP(return, "no 32-bit system calls in this kernel");
	ASSERT_NE(MAP_FAILED, low);
	memcpy(low, arg, variant->first_size);
	EXPECT_EQ(0, compat_syscall(COMPAT_NR_IOCTL, self->env.target, variant->cmd,
				    (long)low));
	munmap(low, PAGE);
}
#endif

/* ---- Commands that do not exist ---------------------------------------------- */

FIXTURE(bare) {
	struct env env;
};

FIXTURE_SETUP(bare)
{
	ASSERT_EQ(0, env_open(&self->env));
}

FIXTURE_TEARDOWN(bare)
{
	env_close(&self->env);
}

static void expect_unknown(struct __test_metadata *_metadata, struct env *env,
			   unsigned long cmd)
{
	struct gcarena_stats arg = { .size = sizeof(arg) };

	EXPECT_EQ(-ENOTTY, raw_ioctl(env->arena.fd, cmd, &arg))
		TH_LOG("command %#lx", cmd);
}

TEST_F(bare, unknown_number)
{
	unsigned int nr;

	for (nr = 0x13; nr <= 0xff; nr++)
		expect_unknown(_metadata, &self->env, _IO(GCARENA_IOC_TYPE, nr));
}

/* Number 4 of no type byte is taken by the file system layer. */
TEST_F(bare, unknown_type)
{
	unsigned int type;

	for (type = 0; type <= 0xff; type++)
		if (type != GCARENA_IOC_TYPE)
			expect_unknown(_metadata, &self->env, _IO(type, 4));
}

TEST_F(bare, encoded_size_or_direction)
{
	unsigned int nr;

	for (nr = 0; nr <= 0x12; nr++) {
		expect_unknown(_metadata, &self->env, _IOR(GCARENA_IOC_TYPE, nr, int));
		expect_unknown(_metadata, &self->env, _IOW(GCARENA_IOC_TYPE, nr, int));
		expect_unknown(_metadata, &self->env,
			       _IOC(_IOC_NONE, GCARENA_IOC_TYPE, nr, 8));
		expect_unknown(_metadata, &self->env,
			       _IOC(_IOC_READ | _IOC_WRITE, GCARENA_IOC_TYPE, nr, 80));
	}
}

/* A pointer that would fault does not matter to an unknown command. */
TEST_F(bare, unknown_before_pointer)
{
	EXPECT_EQ(-ENOTTY, raw_ioctl(self->env.arena.fd,
				     _IO(GCARENA_IOC_TYPE, 0x13), NULL));
}

/* ---- Ranges of fields --------------------------------------------------------- */

/* A valid call with one field changed. */
struct field_case {
	const char *what;
	unsigned long cmd;
	int (*fill)(struct env *env, void *arg);
	size_t offset;
	size_t bytes;
	__u64 value;
	int result;
};

#define CASE(CMD, command, type, field_, value_, result_) { \
	.what = #CMD "." #field_ " = " #value_, \
	.cmd = GCARENA_IOC_##CMD, \
	.fill = fill_##command, \
	.offset = offsetof(struct gcarena_##type, field_), \
	.bytes = sizeof(((struct gcarena_##type *)0)->field_), \
	.value = (__u64)(value_), \
	.result = (result_), \
}

#define CREATE(field, value, result) \
	CASE(CREATE, create, create, field, value, result)
#define REFILL(field, value, result) \
	CASE(REFILL, refill, refill, field, value, result)
#define RELEASE(field, value, result) \
	CASE(RELEASE, release, release, field, value, result)
#define TYPE(field, value, result) \
	CASE(TYPE_ADD, type_add, type_add, field, value, result)
#define ALLOC(field, value, result) \
	CASE(ALLOC, alloc, alloc, field, value, result)
#define FREE(value, result) \
	CASE(FREE, free, free, addr, value, result)
#define COLLECT(field, value, result) \
	CASE(COLLECT, collect, collect, field, value, result)
#define ADD(field, value, result) \
	CASE(ROOTS_ADD, roots_add, roots, field, value, result)
#define DEL(field, value, result) \
	CASE(ROOTS_DEL, roots_del, roots, field, value, result)
#define SET(field, value, result) \
	CASE(SET, set, set, field, value, result)
#define OBJECT(value, result) \
	CASE(OBJECT, object, object, addr, value, result)

#define PIN(value, result) \
	CASE(PIN, pin, pin, addr, value, result)
#define UNPIN(value, result) \
	CASE(UNPIN, unpin, pin, addr, value, result)
/* The first eight bytes of it. */
#define NAME(value, result) \
	CASE(NAME, name, name, name, value, result)

#define PERMANENT(value, result) \
	CASE(PERMANENT, permanent, permanent, addr, value, result)

#define ID(value, result) \
	CASE(ID, id, id, addr, value, result)

#define CHUNK		GCARENA_CHUNK_SIZE

static const struct field_case field_cases[] = {
	/* With reserve 0 the default of 64 GiB holds, and the limit is fine. */
	CREATE(reserve, 0, 0),
	CREATE(reserve, 1, -EINVAL),
	CREATE(reserve, CHUNK - 1, -EINVAL),
	CREATE(reserve, CHUNK + 4096, -EINVAL),
	CREATE(reserve, 8 * CHUNK + CHUNK / 2, -EINVAL),
	CREATE(reserve, 4 * CHUNK, 0),
	CREATE(reserve, GCARENA_RESERVE_MAX, 0),
	CREATE(reserve, GCARENA_RESERVE_MAX + CHUNK, -EINVAL),
	CREATE(reserve, 1ULL << 63, -EINVAL),
	CREATE(reserve, -CHUNK, -EINVAL),
	CREATE(reserve, ~0ULL, -EINVAL),
	/* Below the limit that fill_create() gives, and what a limit may be. */
	CREATE(reserve, 3 * CHUNK, -EINVAL),
	CREATE(limit, 0, 0),
	CREATE(limit, 1, -EINVAL),
	CREATE(limit, 4096, -EINVAL),
	CREATE(limit, CHUNK, 0),
	CREATE(limit, CHUNK + 1, -EINVAL),
	CREATE(limit, 8 * CHUNK, 0),
	CREATE(limit, 9 * CHUNK, -EINVAL),
	CREATE(limit, -CHUNK, -EINVAL),
	CREATE(min_heap, 0, 0),
	CREATE(min_heap, 1, 0),
	CREATE(root_mode, GCARENA_ROOTS_DEFAULT, 0),
	CREATE(root_mode, GCARENA_ROOTS_EXPLICIT, 0),
	CREATE(root_mode, GCARENA_ROOTS_ALL, 0),
	CREATE(root_mode, 4, -EOPNOTSUPP),
	CREATE(root_mode, ~0U, -EOPNOTSUPP),
	CREATE(gc_percent, GCARENA_GC_PERCENT_DEFAULT, 0),
	CREATE(gc_percent, GCARENA_GC_PERCENT_OFF, 0),
	CREATE(gc_percent, 1, 0),
	CREATE(gc_percent, GCARENA_GC_PERCENT_MAX, 0),
	CREATE(gc_percent, GCARENA_GC_PERCENT_MAX + 1, -EINVAL),
	CREATE(gc_percent, -2, -EINVAL),
	CREATE(gc_percent, INT_MAX, -EINVAL),
	CREATE(gc_percent, INT_MIN, -EINVAL),
	CREATE(memory_limit, 1, 0),
	CREATE(memory_limit, LLONG_MAX, 0),
	CREATE(memory_limit, 1ULL << 63, -EINVAL),
	CREATE(memory_limit, ~0ULL, -EINVAL),

	TYPE(elem_size, 0, -EINVAL),
	TYPE(elem_size, 4, -EINVAL),
	TYPE(elem_size, 8, 0),
	TYPE(elem_size, 9, -EINVAL),
	TYPE(elem_size, 20, -EINVAL),
	TYPE(elem_size, 63 * 8, 0),
	TYPE(elem_size, 64 * 8, 0),
	TYPE(elem_size, GCARENA_TYPE_SIZE_MAX + 8, -EINVAL),
	TYPE(elem_size, GCARENA_TYPE_SIZE_MAX + 1, -EINVAL),
	TYPE(elem_size, 1U << 31, -EINVAL),
	TYPE(elem_size, ~0U, -EINVAL),
	TYPE(ptrmap, 0, 0),
	TYPE(layout, ~0U, 0),	/* only ever written */

	REFILL(size_class, 0, -EINVAL),
	REFILL(size_class, RAW_CLASSES_MAX, -EINVAL),
	REFILL(size_class, 1U << 31, -EINVAL),
	REFILL(size_class, ~0U, -EINVAL),
	REFILL(layout, GCARENA_LAYOUT_CONSERVATIVE, 0),
	REFILL(layout, GCARENA_LAYOUT_FIRST_TYPE, -ENOENT),
	REFILL(layout, GCARENA_TYPES_MAX, -ENOENT),
	REFILL(layout, 1U << 31, -ENOENT),
	REFILL(layout, ~0U, -ENOENT),
	REFILL(nr_spans, 0, -EINVAL),
	REFILL(nr_spans, GCARENA_REFILL_MAX, 0),
	REFILL(nr_spans, GCARENA_REFILL_MAX + 1, -EINVAL),
	REFILL(nr_spans, ~0U, -EINVAL),
	REFILL(nr_used, GCARENA_REFILL_MAX + 1, -EINVAL),
	REFILL(nr_used, 1U << 29, -EINVAL),
	REFILL(nr_used, ~0U, -EINVAL),
	REFILL(used, ~0ULL, 0),		/* with no entries: not looked at */
	REFILL(want, ~0ULL, 0),
	REFILL(cycle, ~0ULL, 0),	/* only ever written */

	RELEASE(nr_spans, 0, 0),
	RELEASE(nr_spans, GCARENA_REFILL_MAX + 1, -EINVAL),
	RELEASE(nr_spans, ~0U, -EINVAL),

	ALLOC(bytes, 0, -EINVAL),
	ALLOC(bytes, 16, -EINVAL),
	ALLOC(bytes, RAW_MIB, 0),
	ALLOC(bytes, ARENA_RESERVE + 1, -ENOSPC),
	ALLOC(bytes, GCARENA_RESERVE_MAX, -ENOSPC),
	ALLOC(bytes, 1ULL << 63, -ENOSPC),
	ALLOC(bytes, ~0ULL - 8191, -ENOSPC),
	ALLOC(bytes, ~0ULL, -ENOSPC),
	ALLOC(layout, GCARENA_LAYOUT_NOSCAN, 0),
	ALLOC(layout, GCARENA_LAYOUT_FIRST_TYPE, -ENOENT),
	ALLOC(layout, ~0U, -ENOENT),
	ALLOC(addr, ~0ULL, 0),		/* only ever written */

	FREE(0, -EINVAL),
	FREE(1, -EINVAL),
	FREE(KERNEL_ADDRESS, -EINVAL),
	FREE(~0ULL, -EINVAL),

	COLLECT(kind, GCARENA_COLLECT_MINOR, 0),
	COLLECT(kind, GCARENA_COLLECT_COMPACT, 0),
	COLLECT(kind, GCARENA_COLLECT_MAJOR, 0),
	COLLECT(kind, GCARENA_COLLECT_EVACUATE, 0),
	COLLECT(kind, 5, -EOPNOTSUPP),
	COLLECT(kind, ~0U, -EOPNOTSUPP),
	COLLECT(cycle, ~0ULL, 0),	/* only ever written */
	COLLECT(moved_objects, ~0ULL, 0),	/* likewise */

	ADD(len, 0, -EINVAL),
	ADD(len, 1, 0),
	ADD(len, ~0ULL, -EINVAL),
	ADD(len, 1ULL << 63, -EINVAL),
	ADD(len, 1ULL << 60, -EINVAL),
	ADD(addr, KERNEL_ADDRESS, -EINVAL),
	ADD(addr, NON_CANONICAL, -EINVAL),
	ADD(addr, 1ULL << 63, -EINVAL),
	ADD(addr, ~0ULL - 63, -EINVAL),
	ADD(addr, ~0ULL - 62, -EINVAL),
	ADD(addr, ~0ULL, -EINVAL),

	DEL(len, 0, -EINVAL),
	DEL(len, 1, -ENOENT),
	DEL(len, ~0ULL, -EINVAL),
	DEL(len, 1ULL << 63, -EINVAL),
	DEL(len, 1ULL << 60, -EINVAL),
	DEL(addr, KERNEL_ADDRESS, -EINVAL),
	DEL(addr, NON_CANONICAL, -EINVAL),
	DEL(addr, 1ULL << 63, -EINVAL),
	DEL(addr, ~0ULL - 63, -EINVAL),
	DEL(addr, ~0ULL - 62, -EINVAL),
	DEL(addr, ~0ULL, -EINVAL),

	SET(param, 0, -EOPNOTSUPP),
	SET(param, GCARENA_PARAM_MEMORY_LIMIT, 0),
	SET(param, 7, -EOPNOTSUPP),
	SET(param, ~0U, -EOPNOTSUPP),
	SET(value, GCARENA_GC_PERCENT_OFF, 0),
	SET(value, 1, 0),
	SET(value, GCARENA_GC_PERCENT_MAX, 0),
	SET(value, GCARENA_GC_PERCENT_MAX + 1, -EINVAL),
	SET(value, 0, -EINVAL),
	SET(value, -2, -EINVAL),
	SET(value, 1ULL << 32 | 100, -EINVAL),	/* would be 100 if it were cut */
	SET(value, LLONG_MAX, -EINVAL),
	SET(value, LLONG_MIN, -EINVAL),

	OBJECT(0, -EINVAL),
	OBJECT(KERNEL_ADDRESS, -EINVAL),
	OBJECT(~0ULL, -EINVAL),

	PIN(0, -EINVAL),
	PIN(KERNEL_ADDRESS, -EINVAL),
	PIN(~0ULL, -EINVAL),
	UNPIN(0, -ENOENT),
	UNPIN(KERNEL_ADDRESS, -ENOENT),
	UNPIN(~0ULL, -ENOENT),
	PERMANENT(0, -EINVAL),
	PERMANENT(KERNEL_ADDRESS, -EINVAL),
	PERMANENT(~0ULL, -EINVAL),
	COLLECT(flags, GCARENA_COLLECT_PERMANENT, 0),
	COLLECT(flags, GCARENA_COLLECT_PERMANENT << 1, -EOPNOTSUPP),
	NAME(0, 0),
	NAME('a', 0),
	NAME(0xa9c3, 0),		/* U+00E9 */
	NAME(0x1b, -EINVAL),		/* a control character */
	NAME('a' | '\n' << 8, -EINVAL),
	NAME(0x7f, -EINVAL),
	NAME(0x9bc2, -EINVAL),		/* U+009B, which terminals obey */
	NAME(0xc3, -EINVAL),		/* half a character */
	NAME(0xffff, -EINVAL),
	NAME(0x80c0, -EINVAL),		/* overlong */
	NAME(0xae80e2, -EINVAL),	/* U+202E, from right to left */
	NAME(0x80a0ed, -EINVAL),	/* a surrogate */
	NAME(0x80809ff0, 0),		/* U+1F000 */
	NAME(0x808090f4, -EINVAL),	/* past the last character */
	NAME(0x4141414141414141, 0),

	ID(0, -EINVAL),
	ID(KERNEL_ADDRESS, -EINVAL),
	ID(~0ULL, -EINVAL),
};

static void store(void *to, __u64 value, size_t bytes)
{
	if (bytes == sizeof(__u32))
		*(__u32 *)to = value;
	else
		*(__u64 *)to = value;
}

static void run_field_case(struct __test_metadata *_metadata, struct env *env,
			   const struct field_case *field)
{
	char *arg = env_place(env, sizeof(struct gcarena_stats));

	memset(env->page, 0, PAGE);
	env->target = env->arena.fd;
	ASSERT_EQ(0, field->fill(env, arg));
	store(arg + field->offset, field->value, field->bytes);
	EXPECT_EQ(field->result, raw_ioctl(env->target, field->cmd, arg))
		TH_LOG("%s", field->what);
}

static void run_field_cases(struct __test_metadata *_metadata, struct env *env,
			    unsigned long cmd)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(field_cases); i++)
		if (field_cases[i].cmd == cmd)
			run_field_case(_metadata, env, &field_cases[i]);
}

FIXTURE(fields) {
	struct env env;
};

FIXTURE_VARIANT(fields) {
	unsigned long cmd;
};

FIXTURE_SETUP(fields)
{
	ASSERT_EQ(0, env_open(&self->env));
}

FIXTURE_TEARDOWN(fields)
{
	env_close(&self->env);
}

FIXTURE_VARIANT_ADD(fields, create) { .cmd = GCARENA_IOC_CREATE };
FIXTURE_VARIANT_ADD(fields, type_add) { .cmd = GCARENA_IOC_TYPE_ADD };
FIXTURE_VARIANT_ADD(fields, refill) { .cmd = GCARENA_IOC_REFILL };
FIXTURE_VARIANT_ADD(fields, release) { .cmd = GCARENA_IOC_RELEASE };
FIXTURE_VARIANT_ADD(fields, alloc) { .cmd = GCARENA_IOC_ALLOC };
FIXTURE_VARIANT_ADD(fields, free) { .cmd = GCARENA_IOC_FREE };
FIXTURE_VARIANT_ADD(fields, collect) { .cmd = GCARENA_IOC_COLLECT };
FIXTURE_VARIANT_ADD(fields, roots_add) { .cmd = GCARENA_IOC_ROOTS_ADD };
FIXTURE_VARIANT_ADD(fields, roots_del) { .cmd = GCARENA_IOC_ROOTS_DEL };
FIXTURE_VARIANT_ADD(fields, set) { .cmd = GCARENA_IOC_SET };
FIXTURE_VARIANT_ADD(fields, object) { .cmd = GCARENA_IOC_OBJECT };
FIXTURE_VARIANT_ADD(fields, pin) { .cmd = GCARENA_IOC_PIN };
FIXTURE_VARIANT_ADD(fields, unpin) { .cmd = GCARENA_IOC_UNPIN };
FIXTURE_VARIANT_ADD(fields, permanent) { .cmd = GCARENA_IOC_PERMANENT };
FIXTURE_VARIANT_ADD(fields, name) { .cmd = GCARENA_IOC_NAME };
FIXTURE_VARIANT_ADD(fields, id) { .cmd = GCARENA_IOC_ID };

TEST_F(fields, range)
{
	run_field_cases(_metadata, &self->env, variant->cmd);
}

/* ---- INFO and CREATE ------------------------------------------------------------ */

TEST_F(bare, info_of_this_arena)
{
	const __u64 features = GCARENA_FEATURE_MARK_SWEEP | GCARENA_FEATURE_TYPES;
	struct gcarena_info info;

	ASSERT_EQ(0, raw_info(self->env.arena.fd, &info));
	EXPECT_EQ(sizeof(info), info.size);
	EXPECT_EQ(GCARENA_ABI_VERSION, info.abi_version);
	EXPECT_GE(info.block_size, 8192);
	EXPECT_EQ(0, info.block_size & (info.block_size - 1));
	EXPECT_EQ(features, info.features & features);
	EXPECT_EQ(self->env.arena.base, info.base);
	EXPECT_EQ(ARENA_RESERVE, info.reserve);
	EXPECT_EQ(ARENA_RESERVE, info.limit);
	EXPECT_EQ(4 * RAW_MIB, info.min_heap);
	EXPECT_EQ(GCARENA_ROOTS_EXPLICIT, info.root_mode);
	EXPECT_EQ(GCARENA_GC_PERCENT_OFF, info.gc_percent);
	EXPECT_GT(info.nr_size_classes, 2);
	EXPECT_GE(info.max_small, info.block_size);
	EXPECT_EQ(1, info.created);
	EXPECT_TRUE(info.dirty_method == GCARENA_DIRTY_PTE ||
		    info.dirty_method == GCARENA_DIRTY_REFAULT);
}

TEST_F(bare, info_before_and_after_default_mmap)
{
	struct gcarena_info before, after;
	void *base;
	int fd = raw_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, raw_info(fd, &before));
	EXPECT_EQ(0, before.base);
	EXPECT_EQ(0, before.created);
	EXPECT_EQ(64 * RAW_GIB, before.reserve);
	EXPECT_EQ(4 * RAW_MIB, before.min_heap);
	EXPECT_EQ(100, before.gc_percent);
	EXPECT_EQ(GCARENA_ROOTS_AUTO, before.root_mode);
	base = mmap(NULL, before.reserve, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, base);
	ASSERT_EQ(0, raw_info(fd, &after));
	EXPECT_EQ(1, after.created);
	EXPECT_EQ(to_u64(base), after.base);
	after.created = 0;
	after.base = 0;
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	munmap(base, before.reserve);
	close(fd);
}

TEST_F(bare, create_shows_in_info)
{
	struct gcarena_create create = { 0 };
	struct gcarena_info info;

	ASSERT_EQ(0, fill_create(&self->env, &create));
	ASSERT_EQ(0, raw_ioctl(self->env.target, GCARENA_IOC_CREATE, &create));
	ASSERT_EQ(0, raw_info(self->env.target, &info));
	EXPECT_EQ(create.reserve, info.reserve);
	EXPECT_EQ(create.limit, info.limit);
	EXPECT_EQ(create.min_heap, info.min_heap);
	EXPECT_EQ(create.root_mode, info.root_mode);
	EXPECT_EQ(create.gc_percent, info.gc_percent);
	EXPECT_EQ(1, info.created);
	EXPECT_EQ(0, info.base);
}

TEST_F(bare, create_twice)
{
	struct gcarena_create create = { 0 };

	ASSERT_EQ(0, fill_create(&self->env, &create));
	EXPECT_EQ(0, raw_ioctl(self->env.target, GCARENA_IOC_CREATE, &create));
	EXPECT_EQ(-EBUSY, raw_ioctl(self->env.target, GCARENA_IOC_CREATE, &create));
}

/* A CREATE that was refused has fixed nothing. */
TEST_F(bare, create_after_refused_create)
{
	struct gcarena_create create = { 0 };
	struct gcarena_info info;

	ASSERT_EQ(0, fill_create(&self->env, &create));
	create.limit = 1;
	EXPECT_EQ(-EINVAL, raw_ioctl(self->env.target, GCARENA_IOC_CREATE, &create));
	ASSERT_EQ(0, raw_info(self->env.target, &info));
	EXPECT_EQ(0, info.created);
	create.limit = CHUNK;
	EXPECT_EQ(0, raw_ioctl(self->env.target, GCARENA_IOC_CREATE, &create));
}

TEST_F(bare, create_after_mmap)
{
	struct gcarena_create create = { .size = sizeof(create) };
	struct gcarena_info info;
	void *base;
	int fd = raw_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, raw_info(fd, &info));
	base = mmap(NULL, info.reserve, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, base);
	EXPECT_EQ(-EBUSY, raw_ioctl(fd, GCARENA_IOC_CREATE, &create));
	ASSERT_EQ(0, munmap(base, info.reserve));
	EXPECT_EQ(-EBUSY, raw_ioctl(fd, GCARENA_IOC_CREATE, &create));
	close(fd);
}

TEST_F(bare, stats_of_fresh_arena_are_zero)
{
	struct gcarena_stats stats, zero = { .size = sizeof(zero) };
	int fd = raw_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, raw_stats(fd, &stats));
	EXPECT_EQ(0, memcmp(&stats, &zero, sizeof(zero)));
	close(fd);
}

/* ---- The administrator's bound ---------------------------------------------------- */

#define MAX_LIMIT_PARAMETER "/sys/module/gcarena/parameters/max_limit_mib"

FIXTURE(bound) {
	char before[32];
	bool writable;
};

static bool bound_write(const char *mib)
{
	int fd = open(MAX_LIMIT_PARAMETER, O_WRONLY);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, mib, strlen(mib)) == (ssize_t)strlen(mib);
	close(fd);
	return done;
}

static bool bound_read(char *to, size_t bytes)
{
	int fd = open(MAX_LIMIT_PARAMETER, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, to, bytes - 1);
	close(fd);
	to[n > 0 ? n : 0] = 0;
	return n > 0;
}

/* CAP_SYS_RESOURCE, which root has, goes above the bound. */
static int resource_capability(bool keep)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[0].effective &= ~(1U << CAP_SYS_RESOURCE);
	if (keep)
		data[0].effective |= data[0].permitted & 1U << CAP_SYS_RESOURCE;
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

FIXTURE_SETUP(bound)
{
	ASSERT_EQ(0, resource_capability(false));
	self->writable = bound_read(self->before, sizeof(self->before)) &&
			 bound_write("16");
}

FIXTURE_TEARDOWN(bound)
{
	if (self->writable)
		bound_write(self->before);
}

static int create_with(__u64 reserve, __u64 limit, struct gcarena_info *info)
{
	struct gcarena_create create = {
		.size = sizeof(create),
		.reserve = reserve,
		.limit = limit,
	};
	int ret, fd = raw_open();

	if (fd < 0)
		return fd;
	ret = raw_ioctl(fd, GCARENA_IOC_CREATE, &create);
	if (!ret)
		ret = raw_info(fd, info);
	close(fd);
	return ret;
}

TEST_F(bound, create)
{
	struct gcarena_info info;

	if (!self->writable)
		SKIP(return, "cannot write " MAX_LIMIT_PARAMETER);
	EXPECT_EQ(-EPERM, create_with(64 * RAW_MIB, 18 * RAW_MIB, &info));
	EXPECT_EQ(0, create_with(64 * RAW_MIB, 16 * RAW_MIB, &info));
	EXPECT_EQ(16 * RAW_MIB, info.limit);
	/* Not asked for: the bound, or the reserve where that is less. */
	EXPECT_EQ(0, create_with(64 * RAW_MIB, 0, &info));
	EXPECT_EQ(16 * RAW_MIB, info.limit);
	EXPECT_EQ(0, create_with(8 * RAW_MIB, 0, &info));
	EXPECT_EQ(8 * RAW_MIB, info.limit);
	/* A wrong value is wrong for everybody. */
	EXPECT_EQ(-EINVAL, create_with(64 * RAW_MIB, 18 * RAW_MIB + 1, &info));
}

TEST_F(bound, create_with_capability)
{
	struct gcarena_info info;

	if (!self->writable)
		SKIP(return, "cannot write " MAX_LIMIT_PARAMETER);
	ASSERT_EQ(0, resource_capability(true));
	EXPECT_EQ(0, create_with(64 * RAW_MIB, 18 * RAW_MIB, &info));
	EXPECT_EQ(18 * RAW_MIB, info.limit);
	/* Not asked for, not given. */
	EXPECT_EQ(0, create_with(64 * RAW_MIB, 0, &info));
	EXPECT_EQ(16 * RAW_MIB, info.limit);
}

TEST_F(bound, set)
{
	struct rawarena arena;
	__s64 old = 0;

	if (!self->writable)
		SKIP(return, "cannot write " MAX_LIMIT_PARAMETER);
	ASSERT_EQ(0, rawarena_create(&arena, 64 * RAW_MIB, 0));
	EXPECT_EQ(-EPERM, raw_set(arena.fd, GCARENA_PARAM_LIMIT, 18 * RAW_MIB, NULL));
	EXPECT_EQ(0, raw_set(arena.fd, GCARENA_PARAM_LIMIT, 4 * RAW_MIB, &old));
	EXPECT_EQ(16 * RAW_MIB, old);
	EXPECT_EQ(0, raw_set(arena.fd, GCARENA_PARAM_LIMIT, 16 * RAW_MIB, NULL));
	rawarena_close(&arena);
}

TEST_F(bound, default_mmap)
{
	struct gcarena_info info;
	void *base;
	int fd;

	if (!self->writable)
		SKIP(return, "cannot write " MAX_LIMIT_PARAMETER);
	fd = raw_open();
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, raw_info(fd, &info));
	EXPECT_EQ(16 * RAW_MIB, info.limit);
	base = mmap(NULL, info.reserve, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, base);
	ASSERT_EQ(0, raw_info(fd, &info));
	EXPECT_EQ(16 * RAW_MIB, info.limit);
	munmap(base, info.reserve);
	close(fd);
}

/* ---- CLASSES -------------------------------------------------------------------- */

static int classes_into(int fd, void *to, __u32 *nr)
{
	struct gcarena_classes classes = {
		.size = sizeof(classes),
		.classes = to_u64(to),
		.nr = *nr,
	};
	int ret = raw_ioctl(fd, GCARENA_IOC_CLASSES, &classes);

	*nr = classes.nr;
	return ret;
}

/* An array too short: how many are needed, and not a byte written past it. */
TEST_F(bare, classes_array_too_small)
{
	__u32 needed = self->env.nr_classes, given[] = { 0, 1, needed - 1 }, nr;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(given); i++) {
		nr = given[i];
		EXPECT_EQ(-EMSGSIZE,
			  classes_into(self->env.arena.fd,
				       env_place(&self->env, nr * 16), &nr));
		EXPECT_EQ(needed, nr);
	}
}

TEST_F(bare, classes_asked_how_many)
{
	__u32 nr = 0;

	EXPECT_EQ(-EMSGSIZE, classes_into(self->env.arena.fd, NULL, &nr));
	EXPECT_EQ(self->env.nr_classes, nr);
}

TEST_F(bare, classes_array_too_long)
{
	__u32 needed = self->env.nr_classes, nr = RAW_CLASSES_MAX;

	memset(class_buffer, 0xa5, sizeof(class_buffer));
	ASSERT_EQ(0, classes_into(self->env.arena.fd, class_buffer, &nr));
	EXPECT_EQ(needed, nr);
	EXPECT_EQ(0xa5a5a5a5, class_buffer[needed].slot_size);
}

TEST_F(bare, classes_array_fits)
{
	__u32 needed = self->env.nr_classes, nr = needed;

	EXPECT_EQ(0, classes_into(self->env.arena.fd,
				  env_place(&self->env, nr * 16), &nr));
	EXPECT_EQ(needed, nr);
	/* ~0 entries: the product with 16 does not fit 32 bits */
	nr = ~0U;
	EXPECT_EQ(0, classes_into(self->env.arena.fd, class_buffer, &nr));
	EXPECT_EQ(needed, nr);
}

/* ---- TYPE_ADD ------------------------------------------------------------------- */

static int type_add(struct env *env, __u32 elem_size, const void *ptrmap,
		    const char *name)
{
	struct gcarena_type_add type = {
		.size = sizeof(type),
		.elem_size = elem_size,
		.ptrmap = to_u64(ptrmap),
	};

	memcpy(type.name, name, strnlen(name, sizeof(type.name)));
	return raw_ioctl(env->arena.fd, GCARENA_IOC_TYPE_ADD, &type);
}

/* Each bit of the bitmap's words, inside the element and past it. */
TEST_F(bare, type_bits_past_element)
{
	static const __u32 elem_sizes[] = { 8, 16, 63 * 8, 64 * 8, 65 * 8, 128 * 8 };
	unsigned int i, bit, words, bits;
	__u64 ptrmap[2];

	for (i = 0; i < ARRAY_SIZE(elem_sizes); i++) {
		bits = elem_sizes[i] / 8;
		words = (bits + 63) / 64;
		for (bit = 0; bit < words * 64; bit++) {
			memset(ptrmap, 0, sizeof(ptrmap));
			ptrmap[bit / 64] = 1ULL << bit % 64;
			EXPECT_EQ(bit < bits ? 0 : -EINVAL,
				  type_add(&self->env, elem_sizes[i], ptrmap, "bits"))
				TH_LOG("bit %u of %u bytes", bit, elem_sizes[i]);
		}
	}
}

/* The bitmap is as long as the element needs, and no byte longer. */
TEST_F(bare, type_reads_no_word_too_many)
{
	static const __u32 elem_sizes[] = {
		1, 8, 511, 512, 520, GCARENA_TYPE_SIZE_MAX / 8, GCARENA_TYPE_SIZE_MAX / 32,
	};
	unsigned int i, words;

	for (i = 0; i < ARRAY_SIZE(elem_sizes); i++) {
		words = (elem_sizes[i] + 511) / 512;
		memset(self->env.page, 0, PAGE);
		EXPECT_EQ(0, type_add(&self->env, elem_sizes[i],
				      env_place(&self->env, words * 8), "edge"))
			TH_LOG("%u bytes", elem_sizes[i]);
		if (words > 1)
			EXPECT_EQ(-EFAULT, type_add(&self->env, elem_sizes[i],
						    env_place(&self->env, words * 8 - 8),
						    "edge"));
	}
}

TEST_F(bare, type_largest)
{
	size_t bytes = GCARENA_TYPE_SIZE_MAX / 64;
	__u64 *ptrmap = calloc(1, bytes);

	ASSERT_NE(NULL, ptrmap);
	memset(ptrmap, 0xff, bytes);
	EXPECT_EQ(0, type_add(&self->env, GCARENA_TYPE_SIZE_MAX, ptrmap, "large"));
	free(ptrmap);
}

TEST_F(bare, type_without_pointers)
{
	static const __u32 elem_sizes[] = { 1, 2, 3, 7, 9, 12, 33, 1023,
					    GCARENA_TYPE_SIZE_MAX - 1,
					    GCARENA_TYPE_SIZE_MAX };
	__u64 *none = calloc(GCARENA_TYPE_SIZE_MAX / 512, sizeof(*none));
	size_t i;

	ASSERT_NE(NULL, none);
	for (i = 0; i < ARRAY_SIZE(elem_sizes); i++) {
		EXPECT_EQ(0, type_add(&self->env, elem_sizes[i], NULL, "none"))
			TH_LOG("%u bytes, no bitmap", elem_sizes[i]);
		EXPECT_EQ(0, type_add(&self->env, elem_sizes[i], none, "none"))
			TH_LOG("%u bytes, zero bitmap", elem_sizes[i]);
	}
	free(none);
}

TEST_F(bare, type_name)
{
	const char *longest = "abcdefghijklmnopqrstuvwxyz01234";	/* 31 */

	ASSERT_EQ(GCARENA_TYPE_NAME_LEN - 1, strlen(longest));
	EXPECT_EQ(0, type_add(&self->env, 8, NULL, longest));
	EXPECT_EQ(-EINVAL, type_add(&self->env, 8, NULL,
				    "abcdefghijklmnopqrstuvwxyz012345"));
	/* Two layouts may have the same name. */
	EXPECT_EQ(0, type_add(&self->env, 8, NULL, longest));
}

TEST_F(bare, type_numbers_until_full)
{
	__u32 layout = 0, i;
	struct gcarena_span span;

	for (i = 0; i < GCARENA_TYPES_MAX; i++) {
		ASSERT_EQ(0, raw_type_add(self->env.arena.fd, 16, 2, &layout))
			TH_LOG("layout %u", i);
		ASSERT_EQ(GCARENA_LAYOUT_FIRST_TYPE + i, layout);
	}
	EXPECT_EQ(-ENOSPC, raw_type_add(self->env.arena.fd, 16, 2, &layout));
	EXPECT_EQ(1, raw_refill(self->env.arena.fd, 1, layout, &span, 1));
	EXPECT_EQ(layout, span.layout);
	EXPECT_EQ(-ENOENT, raw_refill(self->env.arena.fd, 1, layout + 1, &span, 1));
}

/* ---- REFILL and RELEASE: the entries ---------------------------------------------- */

static __u64 owned_spans(int fd)
{
	struct gcarena_stats stats;

	return raw_stats(fd, &stats) ? ~0ULL : stats.owned_spans;
}

static int refill_used(int fd, const __u64 *used, __u32 nr_used)
{
	struct gcarena_refill refill = {
		.size = sizeof(refill),
		.size_class = 1,
		.layout = GCARENA_LAYOUT_NOSCAN,
		.used = to_u64(used),
		.spans = to_u64(span_buffer),
		.nr_used = nr_used,
		.nr_spans = 1,
	};

	return raw_ioctl(fd, GCARENA_IOC_REFILL, &refill);
}

TEST_F(bare, refill_class_bounds)
{
	int fd = self->env.arena.fd;
	struct gcarena_span span;

	EXPECT_EQ(1, raw_refill(fd, self->env.nr_classes - 1, 0, &span, 1));
	EXPECT_EQ(self->env.max_small, span.slot_size);
	EXPECT_EQ(-EINVAL, raw_refill(fd, self->env.nr_classes, 0, &span, 1));
}

/* Each wrong entry, first alone and then behind a right one: nothing is done. */
TEST_F(bare, refill_used_entries)
{
	int fd = self->env.arena.fd;
	struct gcarena_span mine;
	__u64 large, bad[10], used[2];
	unsigned int i;

	ASSERT_EQ(1, raw_refill(fd, 1, GCARENA_LAYOUT_NOSCAN, &mine, 1));
	ASSERT_EQ(0, raw_alloc(fd, 0, RAW_MIB, &large));
	bad[0] = 0;
	bad[1] = 1;
	bad[2] = mine.base + 1;
	bad[3] = mine.base + mine.slot_size;
	bad[4] = large;
	bad[5] = self->env.arena.base + self->env.arena.reserve;
	bad[6] = self->env.arena.base - 8192;
	bad[7] = self->env.arena.base + self->env.arena.reserve - 8192;
	bad[8] = KERNEL_ADDRESS;
	bad[9] = ~0ULL;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		used[0] = mine.base;
		used[1] = bad[i];
		EXPECT_EQ(-ENOENT, refill_used(fd, &used[1], 1))
			TH_LOG("entry %u: %#llx", i, bad[i]);
		EXPECT_EQ(-ENOENT, refill_used(fd, used, 2))
			TH_LOG("entry %u: %#llx", i, bad[i]);
		EXPECT_EQ(1, owned_spans(fd));
	}
	/* The right one is still ours. */
	EXPECT_EQ(0, refill_used(fd, &mine.base, 1));
	EXPECT_EQ(1, owned_spans(fd));
}

TEST_F(bare, refill_used_twice)
{
	int fd = self->env.arena.fd;
	struct gcarena_span mine;
	__u64 used[2];

	ASSERT_EQ(1, raw_refill(fd, 1, GCARENA_LAYOUT_NOSCAN, &mine, 1));
	used[0] = mine.base;
	used[1] = mine.base;
	EXPECT_EQ(-ENOENT, refill_used(fd, used, 2));
	EXPECT_EQ(1, owned_spans(fd));
	EXPECT_EQ(0, refill_used(fd, used, 1));
	EXPECT_EQ(-ENOENT, refill_used(fd, used, 1));
}

/* All of the documented checks come before anything is taken back. */
TEST_F(bare, refill_unknown_layout_takes_nothing_back)
{
	int fd = self->env.arena.fd;
	struct gcarena_span mine;
	struct gcarena_refill refill = {
		.size = sizeof(refill),
		.size_class = 1,
		.layout = GCARENA_LAYOUT_FIRST_TYPE,
		.used = to_u64(&mine.base),
		.spans = to_u64(span_buffer),
		.nr_used = 1,
		.nr_spans = 1,
	};

	ASSERT_EQ(1, raw_refill(fd, 1, GCARENA_LAYOUT_NOSCAN, &mine, 1));
	EXPECT_EQ(-ENOENT, raw_ioctl(fd, GCARENA_IOC_REFILL, &refill));
	EXPECT_EQ(1, owned_spans(fd));
}

/* A span that could not be told about has not been handed out. */
TEST_F(bare, refill_fault_hands_out_nothing)
{
	int fd = self->env.arena.fd;
	struct gcarena_span *edge = env_place(&self->env, 64);
	__u64 before = owned_spans(fd);

	EXPECT_EQ(-EFAULT, raw_refill(fd, 1, 0, NULL, 1));
	EXPECT_EQ(before, owned_spans(fd));
	/* Room for the first words of a bitmap, not for all of them. */
	EXPECT_EQ(-EFAULT, raw_refill(fd, 1, 0, edge, 1));
	EXPECT_EQ(before, owned_spans(fd));
}

/* The fourth of four entries faults: an error, or three that the thread knows of. */
TEST_F(bare, refill_fault_in_a_later_entry)
{
	int fd = self->env.arena.fd, n;
	struct gcarena_span *spans = env_place(&self->env, 3 * sizeof(*spans));

	n = raw_refill(fd, 1, 0, spans, 4);
	EXPECT_TRUE(n == -EFAULT || n == 3)
		TH_LOG("got %d", n);
	EXPECT_EQ(n == 3 ? 3 : 0, owned_spans(fd));
}

/* Handed out, but the count could not be written: the thread can still let go. */
TEST_F(bare, refill_fault_in_the_struct)
{
	int fd = self->env.arena.fd;
	struct gcarena_refill *refill = env_place(&self->env, sizeof(*refill));

	memset(refill, 0, sizeof(*refill));
	ASSERT_EQ(0, fill_refill(&self->env, refill));
	ASSERT_EQ(0, mprotect(self->env.page, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, raw_ioctl(fd, GCARENA_IOC_REFILL, refill));
	ASSERT_EQ(0, mprotect(self->env.page, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, raw_release_all(fd));
	EXPECT_EQ(0, owned_spans(fd));
}

TEST_F(bare, refill_want)
{
	static const struct {
		__u32 spans;	/* worth of free bytes asked for */
		__s64 more;
		int got;
	} rows[] = {
		{ 0, 0, 1 }, { 0, 1, 1 }, { 1, 0, 1 }, { 1, 1, 2 },
		{ 3, 0, 3 }, { 3, 1, 4 }, { 16, 1, 8 },
	};
	struct gcarena_span one;
	struct gcarena_refill refill;
	size_t i;

	ASSERT_EQ(1, raw_refill(self->env.arena.fd, 3, 0, &one, 1));
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(&refill, 0, sizeof(refill));
		fill_refill(&self->env, &refill);
		refill.size_class = 3;
		refill.nr_spans = 8;
		refill.want = (__u64)rows[i].spans * one.nr_slots * one.slot_size +
			      rows[i].more;
		ASSERT_EQ(0, raw_ioctl(self->env.arena.fd, GCARENA_IOC_REFILL,
				       &refill));
		EXPECT_EQ(rows[i].got, refill.nr_spans)
			TH_LOG("want %llu", refill.want);
	}
}

TEST_F(bare, refill_tells_cycle)
{
	struct gcarena_refill refill = { 0 };
	struct gcarena_collect collect;

	fill_refill(&self->env, &refill);
	ASSERT_EQ(0, raw_ioctl(self->env.arena.fd, GCARENA_IOC_REFILL, &refill));
	EXPECT_EQ(0, refill.cycle);
	ASSERT_EQ(0, raw_collect(self->env.arena.fd, 0, &collect));
	EXPECT_EQ(1, collect.cycle);
	ASSERT_EQ(0, raw_ioctl(self->env.arena.fd, GCARENA_IOC_REFILL, &refill));
	EXPECT_EQ(1, refill.cycle);
}

/* "entries before it have been given back" */
TEST_F(bare, release_foreign_spans)
{
	int fd = self->env.arena.fd;
	struct gcarena_span spans[3];

	ASSERT_EQ(3, raw_refill(fd, 1, 0, spans, 3));
	spans[1].base = self->env.arena.base + self->env.arena.reserve - 8192;
	EXPECT_EQ(-ENOENT, raw_release(fd, spans, 3));
	EXPECT_EQ(2, owned_spans(fd));
	EXPECT_EQ(-ENOENT, raw_release(fd, spans, 1));
	EXPECT_EQ(0, raw_release(fd, &spans[2], 1));
	EXPECT_EQ(1, owned_spans(fd));
}

TEST_F(bare, release_entries)
{
	int fd = self->env.arena.fd;
	struct gcarena_span mine, wrong;
	__u64 large, bad[8];
	size_t i;

	ASSERT_EQ(1, raw_refill(fd, 1, 0, &mine, 1));
	ASSERT_EQ(0, raw_alloc(fd, 0, RAW_MIB, &large));
	bad[0] = 0;
	bad[1] = mine.base + 1;
	bad[2] = mine.base + mine.slot_size;
	bad[3] = large;
	bad[4] = self->env.arena.base - 8192;
	bad[5] = self->env.arena.base + self->env.arena.reserve;
	bad[6] = KERNEL_ADDRESS;
	bad[7] = ~0ULL;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		wrong = mine;
		wrong.base = bad[i];
		EXPECT_EQ(-ENOENT, raw_release(fd, &wrong, 1))
			TH_LOG("base %#llx", bad[i]);
	}
	EXPECT_EQ(1, owned_spans(fd));
	/* Only base and free are read. */
	memset(&wrong, 0xff, sizeof(wrong));
	wrong.base = mine.base;
	EXPECT_EQ(0, raw_release(fd, &wrong, 1));
	EXPECT_EQ(0, owned_spans(fd));
}

TEST_F(bare, release_all)
{
	int fd = self->env.arena.fd;
	struct gcarena_span spans[GCARENA_REFILL_MAX], *last = &spans[15];
	struct gcarena_release release = {
		.size = sizeof(release),
		.flags = GCARENA_RELEASE_ALL,
		.spans = to_u64(last),
		.nr_spans = 1,
	};

	ASSERT_EQ(16, raw_refill(fd, 1, 0, spans, GCARENA_REFILL_MAX));
	EXPECT_EQ(16, owned_spans(fd));
	EXPECT_EQ(0, raw_ioctl(fd, GCARENA_IOC_RELEASE, &release));
	EXPECT_EQ(0, owned_spans(fd));
	EXPECT_EQ(0, raw_release_all(fd));
}

/* ---- ALLOC ------------------------------------------------------------------------ */

TEST_F(bare, alloc_bounds)
{
	int fd = self->env.arena.fd;
	__u64 addr;

	EXPECT_EQ(-EINVAL, raw_alloc(fd, 0, self->env.max_small, &addr));
	EXPECT_EQ(0, raw_alloc(fd, 0, self->env.max_small + 1, &addr));
}

/* ---- COLLECT ---------------------------------------------------------------------- */

TEST_F(bare, collect_counts)
{
	int fd = self->env.arena.fd;
	struct gcarena_collect collect;
	struct gcarena_stats stats;
	__u64 addr;

	ASSERT_EQ(0, raw_alloc(fd, 0, RAW_MIB, &addr));
	ASSERT_EQ(0, raw_collect(fd, 0, &collect));
	EXPECT_EQ(1, collect.cycle);
	EXPECT_EQ(0, collect.live_objects);
	EXPECT_EQ(0, collect.live_bytes);
	EXPECT_EQ(1, collect.freed_objects);
	EXPECT_GE(collect.freed_bytes, RAW_MIB);
	EXPECT_LT(0, collect.pause_ns);
	ASSERT_EQ(0, raw_collect(fd, GCARENA_COLLECT_RELEASE, &collect));
	EXPECT_EQ(2, collect.cycle);
	EXPECT_EQ(0, collect.freed_objects);
	ASSERT_EQ(0, raw_stats(fd, &stats));
	EXPECT_EQ(0, stats.backing_bytes);
	EXPECT_EQ(2, stats.cycles);
	EXPECT_EQ(2, stats.cycles_forced);
}

/* A root that cannot be read: the collection fails, and frees nothing. */
TEST_F(bare, collect_unreadable_root)
{
	int fd = self->env.arena.fd;
	char *gone = env_place(&self->env, 0);
	struct gcarena_stats stats;
	__u64 addr;

	ASSERT_EQ(0, raw_alloc(fd, 0, RAW_MIB, &addr));
	ASSERT_EQ(0, raw_roots_add(fd, gone, 64));
	EXPECT_EQ(-EFAULT, raw_collect(fd, 0, NULL));
	EXPECT_EQ(0, raw_object(fd, addr, NULL));
	ASSERT_EQ(0, raw_stats(fd, &stats));
	EXPECT_EQ(1, stats.cycles_aborted);
	EXPECT_EQ(0, stats.cycles);
	ASSERT_EQ(0, raw_roots_del(fd, gone, 64));
	EXPECT_EQ(0, raw_collect(fd, 0, NULL));
	EXPECT_EQ(-ENOENT, raw_object(fd, addr, NULL));
}

/* The last readable byte before the hole counts, the first one in it does not. */
TEST_F(bare, collect_root_at_the_edge)
{
	int fd = self->env.arena.fd;
	__u64 *word = env_place(&self->env, 8);
	__u64 addr;

	ASSERT_EQ(0, raw_alloc(fd, 0, RAW_MIB, &addr));
	*word = addr;
	ASSERT_EQ(0, raw_roots_add(fd, word, 8));
	EXPECT_EQ(0, raw_collect(fd, 0, NULL));
	EXPECT_EQ(0, raw_object(fd, addr, NULL));
}

/* ---- ROOTS_ADD and ROOTS_DEL -------------------------------------------------------- */

TEST_F(bare, roots_added_three_times)
{
	int fd = self->env.arena.fd, i;
	__u64 addr;

	ASSERT_EQ(0, raw_alloc(fd, 0, RAW_MIB, &addr));
	root_words[0] = addr;
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, raw_roots_add(fd, root_words, 8));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, raw_collect(fd, 0, NULL));
		EXPECT_EQ(0, raw_object(fd, addr, NULL));
		ASSERT_EQ(0, raw_roots_del(fd, root_words, 8));
	}
	EXPECT_EQ(-ENOENT, raw_roots_del(fd, root_words, 8));
	ASSERT_EQ(0, raw_collect(fd, 0, NULL));
	EXPECT_EQ(-ENOENT, raw_object(fd, addr, NULL));
}

/* Only what was added can be removed, not a part, not more. */
TEST_F(bare, roots_del_is_exact)
{
	int fd = self->env.arena.fd;

	ASSERT_EQ(0, raw_roots_add(fd, root_words, 32));
	EXPECT_EQ(-ENOENT, raw_roots_del(fd, root_words, 24));
	EXPECT_EQ(-ENOENT, raw_roots_del(fd, root_words, 40));
	EXPECT_EQ(-ENOENT, raw_roots_del(fd, root_words + 1, 24));
	EXPECT_EQ(-ENOENT, raw_roots_del(fd, root_words + 1, 32));
	EXPECT_EQ(0, raw_roots_del(fd, root_words, 32));
}

/* "Every aligned 8-byte word that lies whole inside the range" */
TEST_F(bare, roots_alignment)
{
	static const struct {
		size_t offset, len;	/* in bytes, of root_words; word 1 is the root */
		bool inside;
	} rows[] = {
		{ 8, 8, true }, { 8, 7, false }, { 9, 7, false }, { 9, 8, false },
		{ 7, 9, true }, { 1, 15, true }, { 1, 14, false }, { 0, 16, true },
		{ 5, 20, true }, { 8, 1, false }, { 15, 1, false }, { 0, 8, false },
		{ 16, 8, false },
	};
	int fd = self->env.arena.fd;
	__u64 addr;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ASSERT_EQ(0, raw_alloc(fd, 0, RAW_MIB, &addr));
		root_words[1] = addr;
		ASSERT_EQ(0, raw_roots_add(fd, (char *)root_words + rows[i].offset,
					   rows[i].len));
		ASSERT_EQ(0, raw_collect(fd, 0, NULL));
		EXPECT_EQ(rows[i].inside ? 0 : -ENOENT, raw_object(fd, addr, NULL))
			TH_LOG("range at %zu, %zu bytes", rows[i].offset, rows[i].len);
		ASSERT_EQ(0, raw_roots_del(fd, (char *)root_words + rows[i].offset,
					   rows[i].len));
	}
}

TEST_F_TIMEOUT(bare, roots_until_full, 120)
{
	static char bytes[GCARENA_ROOTS_RANGES_MAX];
	int fd = self->env.arena.fd, i;

	for (i = 0; i < GCARENA_ROOTS_RANGES_MAX; i++) {
		ASSERT_EQ(0, raw_roots_add(fd, &bytes[i], 1))
			TH_LOG("range %d", i);
	}
	EXPECT_EQ(-ENOSPC, raw_roots_add(fd, root_words, 8));
	EXPECT_EQ(0, raw_collect(fd, 0, NULL));
	ASSERT_EQ(0, raw_roots_del(fd, &bytes[GCARENA_ROOTS_RANGES_MAX / 2], 1));
	EXPECT_EQ(0, raw_roots_add(fd, root_words, 8));
	EXPECT_EQ(-ENOSPC, raw_roots_add(fd, root_words, 16));
}

/* Ranges go with the mapping. */
TEST_F(bare, roots_end_with_the_mapping)
{
	struct env *env = &self->env;
	__u64 addr;

	ASSERT_EQ(0, raw_alloc(env->arena.fd, 0, RAW_MIB, &addr));
	root_words[0] = addr;
	ASSERT_EQ(0, raw_roots_add(env->arena.fd, root_words, 8));
	ASSERT_EQ(0, rawarena_unmap(&env->arena));
	ASSERT_EQ(0, rawarena_map(&env->arena));
	EXPECT_EQ(0, raw_object(env->arena.fd, addr, NULL));
	EXPECT_EQ(-ENOENT, raw_roots_del(env->arena.fd, root_words, 8));
	ASSERT_EQ(0, raw_collect(env->arena.fd, 0, NULL));
	EXPECT_EQ(-ENOENT, raw_object(env->arena.fd, addr, NULL));
}

/* A range of slots is another one than the same range of words. */
TEST_F(bare, slots_and_ranges_are_apart)
{
	int fd = self->env.arena.fd;

	ASSERT_EQ(0, raw_slots_add(fd, root_words, 32));
	EXPECT_EQ(-ENOENT, raw_roots_del(fd, root_words, 32));
	ASSERT_EQ(0, raw_roots_add(fd, root_words, 32));
	EXPECT_EQ(0, raw_slots_del(fd, root_words, 32));
	EXPECT_EQ(-ENOENT, raw_slots_del(fd, root_words, 32));
	EXPECT_EQ(0, raw_roots_del(fd, root_words, 32));
}

TEST_F(bare, slots_in_the_arena)
{
	const struct rawarena *arena = &self->env.arena;

	EXPECT_EQ(-EINVAL, raw_slots_add(arena->fd, (void *)(uintptr_t)arena->base, 8));
	EXPECT_EQ(-EINVAL, raw_slots_add(arena->fd, (void *)(uintptr_t)(arena->base - 8), 9));
	EXPECT_EQ(-EINVAL, raw_slots_add(arena->fd, (void *)(uintptr_t)(arena->base +
						arena->reserve - 1), 8));
	EXPECT_EQ(0, raw_slots_add(arena->fd, (void *)(uintptr_t)(arena->base - 8), 8));
	EXPECT_EQ(-ENOENT, raw_slots_del(arena->fd, (void *)(uintptr_t)arena->base, 8));
}

/* ---- NAME ---------------------------------------------------------------------------- */

TEST_F(bare, name_is_terminated)
{
	struct gcarena_name name = { .size = sizeof(name) };

	memset(name.name, 'n', sizeof(name.name));
	EXPECT_EQ(-EINVAL, raw_ioctl(self->env.arena.fd, GCARENA_IOC_NAME, &name));
	name.name[sizeof(name.name) - 1] = '\0';
	EXPECT_EQ(0, raw_ioctl(self->env.arena.fd, GCARENA_IOC_NAME, &name));
	/* Half a character at the end. */
	name.name[sizeof(name.name) - 2] = '\xe2';
	EXPECT_EQ(-EINVAL, raw_ioctl(self->env.arena.fd, GCARENA_IOC_NAME, &name));
}

/* ---- ID ------------------------------------------------------------------------------ */

TEST_F(bare, ids_of_objects)
{
	int fd = self->env.arena.fd;
	__u64 a, b, id, same, other;

	ASSERT_EQ(0, raw_alloc(fd, 0, RAW_MIB, &a));
	ASSERT_EQ(0, raw_alloc(fd, 0, RAW_MIB, &b));
	ASSERT_EQ(0, raw_id(fd, a, &id));
	ASSERT_EQ(0, raw_id(fd, a + RAW_MIB - 1, &same));
	ASSERT_EQ(0, raw_id(fd, b + 1, &other));
	EXPECT_NE(0, id);
	EXPECT_EQ(id, same);
	EXPECT_LT(id, other);
	ASSERT_EQ(0, raw_free(fd, a));
	EXPECT_EQ(-ENOENT, raw_id(fd, a, &same));
	/* The next one in its place is another one. */
	ASSERT_EQ(0, raw_alloc(fd, 0, RAW_MIB, &b));
	ASSERT_EQ(a, b);
	ASSERT_EQ(0, raw_id(fd, b, &same));
	EXPECT_LT(other, same);
}

/* Slots of a span that the thread holds: freed with a word, given back, used again. */
TEST_F(bare, ids_in_held_spans)
{
	int fd = self->env.arena.fd;
	struct gcarena_span *span = span_buffer;
	__u64 id, next;

	ASSERT_EQ(1, raw_refill(fd, 3, GCARENA_LAYOUT_NOSCAN, span, 1));
	ASSERT_EQ(0, raw_id(fd, span->base, &id));
	EXPECT_EQ(-EBUSY, raw_free(fd, span->base));
	ASSERT_EQ(0, raw_id(fd, span->base, &next));
	EXPECT_LT(id, next);
	/* All are free still. */
	ASSERT_EQ(0, raw_release(fd, span, 1));
	EXPECT_EQ(-ENOENT, raw_id(fd, span->base, &next));
	ASSERT_EQ(1, raw_refill(fd, 3, GCARENA_LAYOUT_NOSCAN, span, 1));
	ASSERT_EQ(0, raw_id(fd, span->base, &id));
	EXPECT_LT(next, id);
}

/* A collection that frees an object ends its number, and the memory for it. */
TEST_F(bare, ids_end_with_their_objects)
{
	struct gcarena_stats before, after;
	int fd = self->env.arena.fd, nr, i;
	__u64 slot, id, last = 0;

	nr = raw_refill(fd, 1, GCARENA_LAYOUT_NOSCAN, span_buffer, GCARENA_REFILL_MAX);
	ASSERT_LT(0, nr);
	ASSERT_EQ(0, raw_stats(fd, &before));
	for (i = 0; i < nr; i++) {
		for (slot = 0; slot < span_buffer[i].nr_slots; slot++) {
			ASSERT_EQ(0, raw_id(fd, span_buffer[i].base + slot * 16 + slot % 16, &id));
			ASSERT_EQ(++last, id);
		}
	}
	ASSERT_EQ(0, raw_stats(fd, &after));
	EXPECT_LE(before.metadata_bytes + 16 * last, after.metadata_bytes);
	EXPECT_GE(before.metadata_bytes + 64 * last + 4096, after.metadata_bytes);
	ASSERT_EQ(0, raw_release_all(fd));
	ASSERT_EQ(0, raw_collect(fd, 0, NULL));
	ASSERT_EQ(0, raw_stats(fd, &after));
	EXPECT_GE(before.metadata_bytes, after.metadata_bytes);
	EXPECT_EQ(-ENOENT, raw_id(fd, span_buffer[0].base, &id));
}

/* ---- PIN and UNPIN ------------------------------------------------------------------- */

TEST_F(bare, pins_are_counted)
{
	int fd = self->env.arena.fd;
	__u64 addr;

	ASSERT_EQ(0, raw_alloc(fd, 0, RAW_MIB, &addr));
	EXPECT_EQ(-ENOENT, raw_unpin(fd, addr));
	EXPECT_EQ(0, raw_pin(fd, addr));
	EXPECT_EQ(0, raw_pin(fd, addr + RAW_MIB - 1));
	ASSERT_EQ(0, raw_collect(fd, 0, NULL));
	EXPECT_EQ(0, raw_unpin(fd, addr + 5000));
	ASSERT_EQ(0, raw_collect(fd, 0, NULL));
	EXPECT_EQ(0, raw_object(fd, addr, NULL));
	EXPECT_EQ(-ENOENT, raw_unpin(fd, addr + RAW_MIB));
	EXPECT_EQ(0, raw_unpin(fd, addr));
	EXPECT_EQ(-ENOENT, raw_unpin(fd, addr));
	ASSERT_EQ(0, raw_collect(fd, 0, NULL));
	EXPECT_EQ(-ENOENT, raw_object(fd, addr, NULL));
	EXPECT_EQ(-ENOENT, raw_pin(fd, addr));
}

/* An object that is freed leaves its pin, until another one wants the place. */
TEST_F(bare, pins_of_freed_objects)
{
	int fd = self->env.arena.fd;
	__u64 addr, next;

	ASSERT_EQ(0, raw_alloc(fd, 0, RAW_MIB, &addr));
	ASSERT_EQ(0, raw_pin(fd, addr));
	ASSERT_EQ(0, raw_free(fd, addr));
	ASSERT_EQ(0, raw_collect(fd, 0, NULL));
	ASSERT_EQ(0, raw_alloc(fd, 0, 2 * RAW_MIB, &next));
	ASSERT_EQ(addr, next);
	ASSERT_EQ(0, raw_pin(fd, next + RAW_MIB));
	EXPECT_EQ(0, raw_unpin(fd, next + 2 * RAW_MIB - 1));
	EXPECT_EQ(-ENOENT, raw_unpin(fd, next));
}

/* Pins go with the mapping. */
TEST_F(bare, pins_end_with_the_mapping)
{
	struct env *env = &self->env;
	__u64 addr;

	ASSERT_EQ(0, raw_alloc(env->arena.fd, 0, RAW_MIB, &addr));
	ASSERT_EQ(0, raw_pin(env->arena.fd, addr));
	ASSERT_EQ(0, rawarena_unmap(&env->arena));
	ASSERT_EQ(0, rawarena_map(&env->arena));
	EXPECT_EQ(-ENOENT, raw_unpin(env->arena.fd, addr));
	ASSERT_EQ(0, raw_collect(env->arena.fd, 0, NULL));
	EXPECT_EQ(-ENOENT, raw_object(env->arena.fd, addr, NULL));
}

TEST_F_TIMEOUT(bare, pins_until_full, 120)
{
	int fd = self->env.arena.fd, nr, i;
	__u64 slot, pinned = 0, addr;

	nr = raw_refill(fd, 1, GCARENA_LAYOUT_NOSCAN, span_buffer, GCARENA_REFILL_MAX);
	ASSERT_LT(0, nr);
	for (i = 0; i < nr; i++) {
		for (slot = 0; slot < span_buffer[i].nr_slots; slot++, pinned++)
			ASSERT_EQ(pinned < GCARENA_PINS_MAX ? 0 : -ENOSPC,
				  raw_pin(fd, span_buffer[i].base + slot * 16));
	}
	ASSERT_EQ(0, raw_alloc(fd, 0, RAW_MIB, &addr));
	EXPECT_EQ(pinned < GCARENA_PINS_MAX ? 0 : -ENOSPC, raw_pin(fd, addr));
	EXPECT_LE(GCARENA_PINS_MAX, pinned);
	EXPECT_EQ(0, raw_pin(fd, span_buffer[0].base));
	EXPECT_EQ(0, raw_unpin(fd, span_buffer[1].base));
	EXPECT_EQ(0, raw_pin(fd, addr));
	EXPECT_EQ(0, raw_collect(fd, 0, NULL));
	EXPECT_EQ(0, raw_object(fd, addr, NULL));
}

/* ---- SET ---------------------------------------------------------------------------- */

TEST_F(bare, set_returns_old_value)
{
	int fd = self->env.arena.fd;
	struct gcarena_info info;
	__s64 old = 0;

	EXPECT_EQ(0, raw_set(fd, GCARENA_PARAM_GC_PERCENT, 300, &old));
	EXPECT_EQ(GCARENA_GC_PERCENT_OFF, old);
	EXPECT_EQ(0, raw_set(fd, GCARENA_PARAM_GC_PERCENT, -1, &old));
	EXPECT_EQ(300, old);
	EXPECT_EQ(0, raw_set(fd, GCARENA_PARAM_LIMIT, 4 * CHUNK, &old));
	EXPECT_EQ(ARENA_RESERVE, old);
	EXPECT_EQ(0, raw_set(fd, GCARENA_PARAM_MIN_HEAP, 12345, &old));
	EXPECT_EQ(4 * RAW_MIB, old);
	EXPECT_EQ(0, raw_set(fd, GCARENA_PARAM_MEMORY_LIMIT, 7654321, &old));
	EXPECT_EQ(0, old);
	ASSERT_EQ(0, raw_info(fd, &info));
	EXPECT_EQ(7654321, info.memory_limit);
	EXPECT_EQ(0, raw_set(fd, GCARENA_PARAM_MEMORY_LIMIT, 0, &old));
	EXPECT_EQ(7654321, old);
	EXPECT_EQ(-1, info.gc_percent);
	EXPECT_EQ(4 * CHUNK, info.limit);
	EXPECT_EQ(12345, info.min_heap);
}

TEST_F(bare, set_limit_and_min_heap_ranges)
{
	static const struct {
		__u32 param;
		__s64 value;
		int result;
	} rows[] = {
		{ GCARENA_PARAM_LIMIT, CHUNK, 0 },
		{ GCARENA_PARAM_LIMIT, ARENA_RESERVE, 0 },
		{ GCARENA_PARAM_LIMIT, ARENA_RESERVE + CHUNK, -EINVAL },
		{ GCARENA_PARAM_LIMIT, CHUNK + 4096, -EINVAL },
		{ GCARENA_PARAM_LIMIT, 1, -EINVAL },
		{ GCARENA_PARAM_LIMIT, -1, -EINVAL },
		{ GCARENA_PARAM_LIMIT, -(__s64)CHUNK, -EINVAL },
		{ GCARENA_PARAM_LIMIT, LLONG_MIN, -EINVAL },
		{ GCARENA_PARAM_MIN_HEAP, 1, 0 },
		{ GCARENA_PARAM_MIN_HEAP, RAW_GIB, 0 },
		{ GCARENA_PARAM_MIN_HEAP, 0, -EINVAL },
		{ GCARENA_PARAM_MIN_HEAP, -1, -EINVAL },
		{ GCARENA_PARAM_MIN_HEAP, LLONG_MIN, -EINVAL },
		{ GCARENA_PARAM_MEMORY_LIMIT, 1, 0 },
		{ GCARENA_PARAM_MEMORY_LIMIT, 12345678, 0 },
		{ GCARENA_PARAM_MEMORY_LIMIT, LLONG_MAX, 0 },
		{ GCARENA_PARAM_MEMORY_LIMIT, -1, -EINVAL },
		{ GCARENA_PARAM_MEMORY_LIMIT, LLONG_MIN, -EINVAL },
		{ GCARENA_PARAM_MEMORY_LIMIT, 0, 0 },
		{ GCARENA_PARAM_COMPACT_PERCENT, 1, 0 },
		{ GCARENA_PARAM_COMPACT_PERCENT, 99, 0 },
		{ GCARENA_PARAM_COMPACT_PERCENT, 100, -EINVAL },
		{ GCARENA_PARAM_COMPACT_PERCENT, -1, -EINVAL },
		{ GCARENA_PARAM_COMPACT_PERCENT, LLONG_MAX, -EINVAL },
		{ GCARENA_PARAM_COMPACT_PERCENT, LLONG_MIN, -EINVAL },
		{ GCARENA_PARAM_COMPACT_PERCENT, 0, 0 },
		{ GCARENA_PARAM_COMPACT_BYTES, 1, 0 },
		{ GCARENA_PARAM_COMPACT_BYTES, LLONG_MAX, 0 },
		{ GCARENA_PARAM_COMPACT_BYTES, 0, -EINVAL },
		{ GCARENA_PARAM_COMPACT_BYTES, -1, -EINVAL },
		{ GCARENA_PARAM_COMPACT_BYTES, LLONG_MIN, -EINVAL },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		EXPECT_EQ(rows[i].result, raw_set(self->env.arena.fd, rows[i].param,
						  rows[i].value, NULL))
			TH_LOG("param %u = %lld", rows[i].param, rows[i].value);
	}
}

/* A limit of 0 is the default again or refused, but never a limit of nothing. */
TEST_F(bare, set_limit_zero)
{
	struct gcarena_info info;
	int ret = raw_set(self->env.arena.fd, GCARENA_PARAM_LIMIT, 0, NULL);

	EXPECT_TRUE(ret == 0 || ret == -EINVAL)
		TH_LOG("got %d", ret);
	ASSERT_EQ(0, raw_info(self->env.arena.fd, &info));
	EXPECT_EQ(ARENA_RESERVE, info.limit);
}

/* ---- OBJECT and FREE ------------------------------------------------------------------ */

TEST_F(bare, object_and_free_at_the_edges)
{
	__u64 base = self->env.arena.base, end = base + self->env.arena.reserve;
	static const struct {
		bool from_end;
		__s64 offset;
		int result;
	} rows[] = {
		{ false, 0, -ENOENT }, { false, -1, -EINVAL },
		{ true, -1, -ENOENT }, { true, -16, -ENOENT }, { true, 0, -EINVAL },
	};
	int fd = self->env.arena.fd;
	__u64 addr;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		addr = (rows[i].from_end ? end : base) + rows[i].offset;
		EXPECT_EQ(rows[i].result, raw_object(fd, addr, NULL));
		EXPECT_EQ(rows[i].result, raw_free(fd, addr));
	}
}

TEST_HARNESS_MAIN
