// SPDX-License-Identifier: GPL-2.0
/*
 * Each command of the ABI by itself: what it answers, and the errors that need a history.
 */
#define _GNU_SOURCE

#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib/abi.h"

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
	struct gcarena_info info;
	int fd = raw_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, raw_info(fd, &info));
	ASSERT_EQ(0, raw_stats(fd, &stats));
	/* What it is, and no count. */
	zero.dirty_method = info.dirty_method;
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
	raw_need_device();
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
