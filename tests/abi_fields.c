// SPDX-License-Identifier: GPL-2.0
/*
 * The range of each field of the ABI: one table row a value, around each bound.
 */
#define _GNU_SOURCE

#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "kselftest_harness.h"
#include "lib/abi.h"

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

TEST_HARNESS_MAIN
