// SPDX-License-Identifier: GPL-2.0
/*
 * Arguments that another thread changes while a command reads them. A command that
 * reads something twice, once to check it and once to use it, is soon made to use what
 * it has not checked. What it may do is what it does for one of the two values; and the
 * books are right afterwards.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "kselftest_harness.h"
#include "lib/rawarena.h"

#define RESERVE		(64 * RAW_MIB)
#define NS		(2 * 1000000000ULL)	/* of each test */
#define NR_SPANS	4
#define NOSCAN		GCARENA_LAYOUT_NOSCAN

static void __attribute__((constructor)) need_device(void)
{
	raw_need_device();
}

/* A word that is now the one value, now the other. */
struct flipper {
	pthread_t thread;
	bool is_wide;
	void *word;
	atomic_ullong value[2];
	atomic_bool end;
};

static void flip_to(struct flipper *f, int which)
{
	if (f->is_wide)
		*(volatile __u64 *)f->word = f->value[which];
	else
		*(volatile __u32 *)f->word = f->value[which];
}

/* Not in step with the other thread, and each value for a while. */
static void *flip(void *arg)
{
	struct flipper *f = arg;
	volatile unsigned int wait;
	unsigned int i;

	for (i = 0; !atomic_load(&f->end); i++) {
		flip_to(f, i & 1);
		for (wait = 0; wait < i * 7 % 61; wait++)
			;
	}
	return NULL;
}

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

FIXTURE(torn) {
	struct rawarena arena;
	struct gcarena_span spans[GCARENA_REFILL_MAX];
	__u64 used[NR_SPANS];
	struct gcarena_refill refill;
	struct flipper flipper;
	unsigned int done[2];	/* calls that failed, and that did not */
};

FIXTURE_SETUP(torn)
{
	ASSERT_EQ(0, rawarena_open(&self->arena, RESERVE, GCARENA_ROOTS_EXPLICIT));
	self->refill = (struct gcarena_refill) {
		.size = sizeof(self->refill),
		.size_class = 1,
		.layout = NOSCAN,
		.used = (uintptr_t)self->used,
		.spans = (uintptr_t)self->spans,
		.nr_spans = 1,
	};
}

FIXTURE_TEARDOWN(torn)
{
	struct gcarena_collect collect;

	/* Nothing is lost, and nothing counted twice. */
	EXPECT_EQ(0, raw_release_all(self->arena.fd));
	EXPECT_EQ(0, raw_collect(self->arena.fd, GCARENA_COLLECT_RELEASE, &collect));
	EXPECT_EQ(0, collect.live_objects);
	rawarena_close(&self->arena);
	TH_LOG("%u calls succeeded, %u did not", self->done[1], self->done[0]);
	EXPECT_NE(0, self->done[0]);
	EXPECT_NE(0, self->done[1]);
}

static void start_flipping(struct __test_metadata *_metadata, struct flipper *f, void *word,
			   bool is_wide, __u64 one, __u64 other)
{
	f->word = word;
	f->is_wide = is_wide;
	f->value[0] = one;
	f->value[1] = other;
	f->end = false;
	ASSERT_EQ(0, pthread_create(&f->thread, NULL, flip, f));
}

static void stop_flipping(struct __test_metadata *_metadata, struct flipper *f)
{
	atomic_store(&f->end, true);
	ASSERT_EQ(0, pthread_join(f->thread, NULL));
}

static __u64 owned_spans(struct __test_metadata *_metadata, int fd)
{
	struct gcarena_stats stats;

	ASSERT_EQ(0, raw_stats(fd, &stats));
	return stats.owned_spans;
}

/* A list of spans of which one is now the thread's own, now nobody's, or named twice. */
static void swap_spans(struct __test_metadata *_metadata, FIXTURE_DATA(torn) * self,
		       bool twice)
{
	struct gcarena_refill *refill = &self->refill;
	__u64 until = now_ns() + NS;
	struct gcarena_refill first;
	int i, ret;

	refill->nr_spans = NR_SPANS;
	refill->want = ~0ULL;
	first = *refill;
	refill->nr_used = NR_SPANS;
	ASSERT_EQ(0, raw_ioctl(self->arena.fd, GCARENA_IOC_REFILL, &first));
	start_flipping(_metadata, &self->flipper, &self->used[NR_SPANS - 1], true, 0, 0);
	do {
		for (i = 0; i < NR_SPANS - 1; i++)
			self->used[i] = self->spans[i].base;
		self->flipper.value[0] = self->spans[i].base;
		self->flipper.value[1] = twice ? self->used[0] : 0;
		do {
			ret = raw_ioctl(self->arena.fd, GCARENA_IOC_REFILL, refill);
			self->done[!ret]++;
		} while (ret == -ENOENT && now_ns() < until);
		ASSERT_TRUE(!ret || ret == -ENOENT)
			TH_LOG("REFILL: %d", ret);
		ASSERT_EQ(NR_SPANS, refill->nr_spans);
		ASSERT_EQ(NR_SPANS, owned_spans(_metadata, self->arena.fd));
	} while (now_ns() < until);
	stop_flipping(_metadata, &self->flipper);
}

TEST_F(torn, used_span_and_nobodys)
{
	swap_spans(_metadata, self, false);
}

TEST_F(torn, used_span_and_the_same_again)
{
	swap_spans(_metadata, self, true);
}

/* A field that is right, and one that must be refused, with @refused. */
static void flip_field(struct __test_metadata *_metadata, FIXTURE_DATA(torn) * self,
		       __u32 *field, __u32 wrong, int refused)
{
	__u64 until = now_ns() + NS;
	__u32 right = *field;
	int ret;

	start_flipping(_metadata, &self->flipper, field, false, right, wrong);
	do {
		self->refill.nr_spans = 1;
		ret = raw_ioctl(self->arena.fd, GCARENA_IOC_REFILL, &self->refill);
		self->done[!ret]++;
		ASSERT_TRUE(!ret || ret == refused)
			TH_LOG("REFILL: %d", ret);
		if (!ret)
			ASSERT_EQ(0, raw_release(self->arena.fd, self->spans, 1));
		ASSERT_EQ(0, owned_spans(_metadata, self->arena.fd));
	} while (now_ns() < until);
	stop_flipping(_metadata, &self->flipper);
}

TEST_F(torn, size)
{
	flip_field(_metadata, self, &self->refill.size, 8, -EINVAL);
}

TEST_F(torn, flags)
{
	flip_field(_metadata, self, &self->refill.flags, 1U << 31, -EOPNOTSUPP);
}

TEST_F(torn, size_class)
{
	flip_field(_metadata, self, &self->refill.size_class, ~0U, -EINVAL);
}

TEST_F(torn, nr_used)
{
	flip_field(_metadata, self, &self->refill.nr_used, 1U << 20, -EINVAL);
}

TEST_HARNESS_MAIN
