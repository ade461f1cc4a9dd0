// SPDX-License-Identifier: GPL-2.0
/*
 * The ABI as a matrix: every command against every rule of linux/gcarena.h that
 * holds for all of them, one fixture variant a command. And where each field is.
 */
#define _GNU_SOURCE

/* No implicit padding: the compiler is asked, before anybody includes the header. */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
#include <linux/gcarena.h>
#pragma GCC diagnostic pop

#include <assert.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib/abi.h"

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

SIZE(stats, 808);
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
AT(stats, dirty_method, 800);

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

/* ---- Rules that hold for all commands --------------------------------------- */

#define NO_FIELD	0

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
	size_t grown;		/* bytes appended since */
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
	.grown = 8,
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
		size = variant->first_size + variant->grown + tail_bytes[i];
		arg = prepare(_metadata, &self->env, variant, size);
		EXPECT_EQ(0, call(&self->env, variant, arg))
			TH_LOG("tail of %zu bytes", tail_bytes[i]);
	}
}

/* "writes back only the part it knows" */
TEST_F(abi, tail_is_left_alone)
{
	size_t known = variant->first_size + variant->grown, size = known + 64, i;
	char *arg = prepare(_metadata, &self->env, variant, size);

	ASSERT_EQ(0, call(&self->env, variant, arg));
	for (i = known; i < size; i++)
		EXPECT_EQ(0, arg[i]);
}

static void expect_tail_refused(struct __test_metadata *_metadata, struct env *env,
				const FIXTURE_VARIANT(abi) * variant, size_t tail,
				size_t at)
{
	size_t known = variant->first_size + variant->grown, size = known + tail;
	char *arg = prepare(_metadata, env, variant, size);
	char before[PAGE];

	arg[known + at] = 1;
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

TEST_HARNESS_MAIN
