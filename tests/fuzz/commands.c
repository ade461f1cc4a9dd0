// SPDX-License-Identifier: GPL-2.0
/*
 * The ioctls. Each operation fills its structure as the ABI wants it; command() may
 * then damage the structure and choose a bad place for it. When nothing of the kind
 * was done, the result is checked.
 */
#include <string.h>

#include "fuzz/ops.h"
#include "fuzz/sys.h"
#include "fuzz/world.h"

#define MAX_TAIL	(2 * PAGE)
#define MAX_SPANS	GCARENA_REFILL_MAX
#define NR_CLASSES_ROOM	256

/* Every structure begins like this. */
struct header {
	__u32 size;
	__u32 flags;
};

static uint32_t hostile_size(struct worker *w, size_t bytes)
{
	const uint32_t sizes[] = {
		0, 1, 4, 7, 8, bytes - 8, bytes - 1, bytes + 1, bytes + 8, bytes + 64,
		4096, 4097, 8192, 65536, 0x7fffffff, 0xffffffff,
	};

	return sizes[below(w, DICE_HOSTILE, sizeof(sizes) / sizeof(sizes[0]))];
}

/* @bytes of @args, and room for a tail behind them. */
static void damage(struct worker *w, char *args, size_t bytes)
{
	uint64_t value = interesting(&w->dice[DICE_HOSTILE]);
	struct header *header = (void *)args;
	size_t at;

	switch (below(w, DICE_HOSTILE, 6)) {
	case 0:
		header->size = hostile_size(w, bytes);
		break;
	case 1:
		header->flags ^= 1U << below(w, DICE_HOSTILE, 32);
		break;
	case 2:
		/* A tail that this kernel does not know: zeros, or not. */
		header->size = bytes + 8;
		if (one_in(w, DICE_HOSTILE, 2))
			args[bytes + below(w, DICE_HOSTILE, 8)] = 1;
		break;
	case 3:
		at = below(w, DICE_HOSTILE, bytes / 4) * 4;
		memcpy(args + at, &value, 4);
		break;
	default:
		at = below(w, DICE_HOSTILE, bytes / 8) * 8;
		memcpy(args + at, &value, 8);
	}
}

static bool damage_some(struct worker *w, char *args, size_t bytes)
{
	unsigned int n;

	if (!one_in(w, DICE_HOSTILE, 6))
		return false;
	for (n = 1 + below(w, DICE_HOSTILE, 2); n; n--)
		damage(w, args, bytes);
	return true;
}

static bool is_arena(int fd)
{
	unsigned int i;

	for (i = 0; i < NR_ARENAS; i++)
		if (world.arenas[i].fd == fd)
			return true;
	return false;
}

static void check_result(struct worker *w, int fd, unsigned int cmd, long ret)
{
	world.shared->calls++;
	if (ret <= 0 && ret > -NR_ERRORS)
		world.shared->results[command_index(cmd)][-ret]++;
	world.shared->succeeded += ret >= 0;
	world.shared->timeouts += ret == -ETIMEDOUT;
	world.shared->collections += !ret && cmd == GCARENA_IOC_COLLECT;
	/* Another thread may have closed it, and opened something else. */
	if (ret >= 0 || !is_arena(fd) || ret == -EBADF || ret == -ENOTTY)
		return;
	if (!command_may_fail(cmd, -ret))
		fail("%s: undocumented error %ld (%s), thread %u", command_name(cmd), -ret,
		     strerror(-ret), w->number);
}

/**
 * command() - issue an ioctl
 * @w: the worker
 * @fd: on what
 * @cmd: the command
 * @args: its structure, filled well; what the kernel has left there, on return
 * @bytes: length of the structure
 * @exact: unless NULL set to: all was as it should be, so the result can be trusted;
 *	false on entry: it cannot
 *
 * Return: 0 or -errno.
 */
static long command(struct worker *w, int fd, unsigned int cmd, void *args, size_t bytes,
		    bool *exact)
{
	char buffer[MAX_TAIL] = { 0 };
	struct place where;
	bool damaged;
	size_t tail;
	long ret;

	memcpy(buffer, args, bytes);
	((struct header *)buffer)->size = bytes;
	damaged = damage_some(w, buffer, bytes);
	tail = damaged ? bytes + 8 : bytes;
	where = place(w, w->args, buffer, tail);
	ret = sys(SYS_ioctl, fd, cmd, where.user);
	scribble_off(w);
	check_result(w, fd, cmd, ret);
	if (damaged || !where.exact) {
		if (exact)
			*exact = false;
		return ret;
	}
	place_read(w, &where, args, bytes);
	return ret;
}

/* An array that a structure points to. */
static struct place array(struct worker *w, const void *data, size_t bytes, bool *exact)
{
	struct place where = place(w, w->array, data, bytes);

	*exact = *exact && where.exact;
	return where;
}

static void expect(bool holds, const char *what)
{
	if (!holds)
		fail("wrong answer: %s", what);
}

/* ---- Questions --------------------------------------------------------- */

long op_info(struct worker *w)
{
	struct gcarena_info info = { 0 };
	bool exact = true;
	int fd = choose_fd(w);
	long ret = command(w, fd, GCARENA_IOC_INFO, &info, sizeof(info), &exact);

	if (!exact || ret)
		return ret;
	expect(info.abi_version == GCARENA_ABI_VERSION, "INFO: abi_version");
	expect(info.reserve && info.reserve % GCARENA_CHUNK_SIZE == 0, "INFO: reserve");
	expect(info.base % GCARENA_CHUNK_SIZE == 0, "INFO: base");
	expect(!info.base || info.created, "INFO: base without created");
	return ret;
}

long op_stats(struct worker *w)
{
	struct gcarena_stats s = { 0 };
	bool exact = true;
	long ret = command(w, choose_fd(w), GCARENA_IOC_STATS, &s, sizeof(s), &exact);

	if (!exact || ret)
		return ret;
	expect(s.heap_bytes <= s.span_bytes, "STATS: heap_bytes above span_bytes");
	expect(s.span_bytes + s.idle_bytes <= s.backing_bytes, "STATS: more spans than backing");
	expect(s.backing_bytes <= s.backing_peak, "STATS: backing_peak");
	expect(s.total_alloc_objects - s.total_freed_objects == s.heap_objects,
	       "STATS: objects allocated, freed, there");
	expect(s.total_alloc_bytes - s.total_freed_bytes == s.heap_bytes,
	       "STATS: bytes allocated, freed, there");
	/* Of some chunks a part was given back, by blocks of 8 KiB or more. */
	expect((s.huge_chunks + s.split_chunks) * GCARENA_CHUNK_SIZE >= s.backing_bytes &&
	       s.backing_bytes % 8192 == 0, "STATS: chunks");
	return ret;
}

long op_classes(struct worker *w)
{
	static const char nothing[MAX_TAIL];
	struct gcarena_classes classes = { .nr = NR_CLASSES_ROOM };
	bool exact = true;
	struct place rows = array(w, nothing, NR_CLASSES_ROOM * sizeof(struct gcarena_size_class),
				  &exact);

	classes.classes = (uintptr_t)rows.user;
	if (one_in(w, DICE_VALUE, 4))
		classes.nr = interesting(&w->dice[DICE_VALUE]);
	return command(w, choose_fd(w), GCARENA_IOC_CLASSES, &classes, sizeof(classes), &exact);
}

long op_object(struct worker *w)
{
	struct gcarena_object object = { .addr = choose_memory(w) + below(w, DICE_VALUE, 8) };
	__u64 asked = object.addr;
	bool exact = true;
	int fd = choose_fd_of(w, asked);
	long ret;

	ret = command(w, fd, GCARENA_IOC_OBJECT, &object, sizeof(object), &exact);
	if (exact && !ret)
		expect(asked - object.base < object.bytes, "OBJECT: not around the address");
	return ret;
}

long op_unknown(struct worker *w)
{
	unsigned int cmd = _IO(GCARENA_IOC_TYPE, below(w, DICE_VALUE, 256));
	__u64 words[8] = { 0 };
	int fd = choose_arena(w)->fd;

	switch (below(w, DICE_VALUE, 4)) {
	case 0:
		cmd = _IOWR(GCARENA_IOC_TYPE, below(w, DICE_VALUE, 16), words);
		break;
	case 1:
		cmd = below(w, DICE_VALUE, 1U << 31);
		break;
	case 2:
		cmd = _IO(below(w, DICE_VALUE, 256), below(w, DICE_VALUE, 16));
		break;
	}
	/* Those of all files work on any descriptor; FIOASYNC and the like are fine here. */
	if (_IOC_TYPE(cmd) == 'T' || _IOC_TYPE(cmd) == 'f')
		return sys(SYS_ioctl, fd, cmd, interesting(&w->dice[DICE_PLACE]));
	return command(w, fd, cmd, words, sizeof(words), NULL);
}

/* ---- Parameters and layouts -------------------------------------------- */

long op_create(struct worker *w)
{
	static const __u64 reserves[] = {
		0, 2 * MIB, 4 * MIB, 16 * MIB, 16 * MIB, 64 * MIB, 256 * MIB, GIB, 64 * GIB,
		1ULL << 42,
	};
	static const __u64 limits[] = { 0, 2 * MIB, 4 * MIB, 8 * MIB, 16 * MIB, 32 * MIB, GIB };
	static const __s32 percents[] = { 0, -1, 1, 10, 50, 100, 100, 400, 1000000, -2 };
	struct gcarena_create create = {
		.reserve = reserves[below(w, DICE_VALUE, 10)],
		.limit = limits[below(w, DICE_VALUE, 7)],
		.min_heap = below(w, DICE_VALUE, 8) << 16,
		.root_mode = below(w, DICE_VALUE, 4),
		.gc_percent = percents[below(w, DICE_VALUE, 10)],
	};

	return command(w, choose_fd(w), GCARENA_IOC_CREATE, &create, sizeof(create), NULL);
}

long op_set(struct worker *w)
{
	struct gcarena_set set = { .param = 1 + below(w, DICE_VALUE, 5) };

	switch (set.param) {
	case GCARENA_PARAM_GC_PERCENT:
		set.value = (__s64)below(w, DICE_VALUE, 300) - 1;
		break;
	case GCARENA_PARAM_LIMIT:
		set.value = (1 + below(w, DICE_VALUE, 32)) * GCARENA_CHUNK_SIZE;
		break;
	case GCARENA_PARAM_COMPACT_PERCENT:
		set.value = below(w, DICE_VALUE, 100);
		break;
	default:
		set.value = below(w, DICE_VALUE, 64) << 14;
	}
	if (one_in(w, DICE_VALUE, 8))
		set.value = interesting(&w->dice[DICE_VALUE]);
	return command(w, choose_fd(w), GCARENA_IOC_SET, &set, sizeof(set), NULL);
}

#define MAP_WORDS	256

long op_type_add(struct worker *w)
{
	struct gcarena_type_add type = { .name = "fuzz" };
	__u64 map[MAP_WORDS] = { 0 };
	__u32 words, i;
	bool exact = true;
	long ret;

	words = 1 + below(w, DICE_VALUE, one_in(w, DICE_VALUE, 4) ? 64 * MAP_WORDS : 64);
	type.elem_size = words * 8;
	for (i = 0; i < words; i++)
		if (one_in(w, DICE_VALUE, 3))
			map[i / 64] |= 1ULL << (i % 64);
	if (one_in(w, DICE_VALUE, 8))
		type.elem_size = interesting(&w->dice[DICE_VALUE]);
	if (one_in(w, DICE_VALUE, 16))
		memset(type.name, 'x', sizeof(type.name));
	type.ptrmap = one_in(w, DICE_VALUE, 8) ? 0 :
		      (uintptr_t)array(w, map, sizeof(map), &exact).user;
	ret = command(w, choose_fd(w), GCARENA_IOC_TYPE_ADD, &type, sizeof(type), &exact);
	if (exact && !ret) {
		expect(type.layout >= GCARENA_LAYOUT_FIRST_TYPE, "TYPE_ADD: layout");
		world.layouts[below(w, DICE_VALUE, NR_LAYOUTS)] = type.layout;
	}
	return ret;
}

/* ---- Spans ------------------------------------------------------------- */

static unsigned int count_bits(const struct gcarena_span *span)
{
	unsigned int i, n = 0;

	for (i = 0; i < (span->nr_slots + 63) / 64 && i < GCARENA_SPAN_WORDS; i++)
		n += __builtin_popcountll(span->free[i]);
	return n;
}

static void held_forget_all(struct worker *w)
{
	w->nr_held = 0;
}

static void held_forget(struct worker *w, unsigned int n)
{
	w->held[n] = w->held[--w->nr_held];
}

/* Spans that the thread holds are its own: no two overlap. */
static void check_span(struct worker *w, const struct arena *arena,
		       const struct gcarena_span *span, uint64_t generation)
{
	uint64_t bytes = (uint64_t)span->slot_size * span->nr_slots;
	struct gcarena_info info = { .size = sizeof(info) };
	unsigned int i;

	expect(span->slot_size && span->nr_slots, "REFILL: empty span");
	expect(span->nr_slots <= 64 * GCARENA_SPAN_WORDS, "REFILL: nr_slots");
	expect(count_bits(span) == span->nr_free && span->nr_free, "REFILL: nr_free");
	if (world.generation != generation)
		return;
	/* The descriptor's number may stand for another arena by now. */
	if (!sys(SYS_ioctl, arena->fd, GCARENA_IOC_INFO, &info) && world.generation == generation)
		expect(span->base - info.base < info.reserve, "REFILL: span not in arena");
	for (i = 0; i < w->nr_held; i++) {
		const struct gcarena_span *other = &w->held[i].span;

		if (w->held[i].generation == generation)
			expect(span->base >= other->base +
			       (uint64_t)other->slot_size * other->nr_slots ||
			       other->base >= span->base + bytes,
			       "REFILL: span overlaps one that the thread has");
	}
}

/* Take some slots, and remember the span. */
static void held_add(struct worker *w, struct gcarena_span *span, uint64_t generation)
{
	unsigned int slot, n = 0;

	for (slot = 0; slot < span->nr_slots && n < 8; slot++) {
		if (!(span->free[slot / 64] >> (slot % 64) & 1) || one_in(w, DICE_VALUE, 2))
			continue;
		span->free[slot / 64] &= ~(1ULL << (slot % 64));
		remember_object(w, span->base + (uint64_t)slot * span->slot_size);
		n++;
	}
	if (w->nr_held == NR_HELD)
		held_forget(w, below(w, DICE_VALUE, NR_HELD));
	w->held[w->nr_held].span = *span;
	w->held[w->nr_held++].generation = generation;
}

static void held_add_all(struct worker *w, const struct arena *arena, char *from, unsigned int nr,
			 uint64_t generation)
{
	struct gcarena_span span = { 0 };
	unsigned int i;

	for (i = 0; i < nr && i < MAX_SPANS; i++) {
		if (!load(w, (uintptr_t)(from + i * sizeof(span)), &span, sizeof(span)))
			return;
		check_span(w, arena, &span, generation);
		held_add(w, &span, generation);
	}
}

/* Some of the thread's spans, and now and then something else. */
static unsigned int choose_used(struct worker *w, __u64 *used)
{
	unsigned int n = 0;

	while (w->nr_held && n < 4 && one_in(w, DICE_VALUE, 2)) {
		unsigned int i = below(w, DICE_VALUE, w->nr_held);

		used[n++] = w->held[i].span.base;
		held_forget(w, i);
	}
	if (one_in(w, DICE_VALUE, 16)) {
		used[n++] = choose_object(w);
		/* It may be the base of any span: nothing is known after that. */
		held_forget_all(w);
	}
	return n;
}

/* In a page of the scratch memory that place() does not use: it is asked for @spans. */
static char *place_used(struct worker *w, const __u64 *used, bool *exact)
{
	char *to = w->args + (SCRATCH_RW + 2) * PAGE;

	memcpy(to, used, MAX_SPANS * sizeof(*used));
	if (!one_in(w, DICE_PLACE, 32))
		return to;
	*exact = false;
	return (char *)(uintptr_t)interesting(&w->dice[DICE_PLACE]);
}

long op_refill(struct worker *w)
{
	static const char nothing[MAX_SPANS * sizeof(struct gcarena_span)];
	struct arena *arena = choose_arena(w);
	struct gcarena_refill refill = {
		.size_class = 1 + below(w, DICE_VALUE, one_in(w, DICE_VALUE, 4) ? 80 : 12),
		.layout = choose_layout(w),
		.nr_spans = 1 + below(w, DICE_VALUE, one_in(w, DICE_VALUE, 4) ? MAX_SPANS : 3),
		.want = below(w, DICE_VALUE, 2) ? 0 : below(w, DICE_VALUE, 256 * KIB),
	};
	uint64_t generation = world.generation;
	__u64 used[MAX_SPANS] = { 0 };
	struct place spans;
	bool exact = true;
	long ret;

	refill.nr_used = choose_used(w, used);
	refill.used = (uintptr_t)place_used(w, used, &exact);
	if (!one_in(w, DICE_PLACE, 8))
		spans = (struct place) { .user = w->array, .exact = true };
	else
		spans = array(w, nothing, refill.nr_spans * sizeof(struct gcarena_span), &exact);
	refill.spans = (uintptr_t)spans.user;
	ret = command(w, arena->fd, GCARENA_IOC_REFILL, &refill, sizeof(refill), &exact);
	if (!exact) {
		held_forget_all(w);
	} else if (!ret) {
		expect(refill.nr_spans >= 1 && refill.nr_spans <= MAX_SPANS, "REFILL: nr_spans");
		held_add_all(w, arena, spans.user, refill.nr_spans, generation);
	}
	return ret;
}

long op_release(struct worker *w)
{
	struct gcarena_release release = { 0 };
	struct gcarena_span spans[4] = { 0 };
	bool exact = true;

	while (w->nr_held && release.nr_spans < 4 && !one_in(w, DICE_VALUE, 3)) {
		unsigned int i = below(w, DICE_VALUE, w->nr_held);

		spans[release.nr_spans] = w->held[i].span;
		/* Lie about what is free. */
		if (one_in(w, DICE_VALUE, 3))
			spans[release.nr_spans].free[0] = interesting(&w->dice[DICE_VALUE]);
		if (one_in(w, DICE_VALUE, 16))
			spans[release.nr_spans].base += below(w, DICE_VALUE, 64) * 8;
		release.nr_spans++;
		held_forget(w, i);
	}
	if (one_in(w, DICE_VALUE, 4)) {
		release.flags = GCARENA_RELEASE_ALL;
		held_forget_all(w);
	}
	release.spans = (uintptr_t)array(w, spans, sizeof(spans), &exact).user;
	/* With a damaged structure it may give back anything. */
	if (one_in(w, DICE_VALUE, 16))
		release.nr_spans = interesting(&w->dice[DICE_VALUE]);
	held_forget_all(w);
	return command(w, choose_fd_of(w, spans[0].base), GCARENA_IOC_RELEASE, &release,
		       sizeof(release), &exact);
}

/* ---- Objects ----------------------------------------------------------- */

static void expect_zero(struct worker *w, __u64 addr, __u64 bytes)
{
	char words[64] = { 0 }, zero[64] = { 0 };
	__u64 at;
	int i;

	if (!world.alone)
		return;
	for (i = 0; i < 4; i++) {
		at = below(w, DICE_VALUE, bytes / sizeof(words)) * sizeof(words);
		if (load(w, addr + at, words, sizeof(words)))
			expect(!memcmp(words, zero, sizeof(words)), "ALLOC: not zero");
	}
}

long op_alloc(struct worker *w)
{
	struct arena *arena = choose_arena(w);
	struct gcarena_alloc alloc = { .layout = choose_layout(w) };
	bool exact = true;
	__u64 bytes;
	long ret;

	bytes = 32768 + 1 + below(w, DICE_VALUE, one_in(w, DICE_VALUE, 6) ? 12 * MIB : 128 * KIB);
	if (one_in(w, DICE_VALUE, 12))
		bytes = interesting(&w->dice[DICE_VALUE]);
	alloc.bytes = bytes;
	ret = command(w, arena->fd, GCARENA_IOC_ALLOC, &alloc, sizeof(alloc), &exact);
	if (!exact || ret)
		return ret;
	expect(alloc.addr && alloc.addr % 4096 == 0, "ALLOC: address");
	expect_zero(w, alloc.addr, bytes);
	remember_object(w, alloc.addr);
	return ret;
}

long op_free(struct worker *w)
{
	struct gcarena_free args = { .addr = choose_object(w) };

	if (one_in(w, DICE_VALUE, 6))
		args.addr = choose_memory(w);
	return command(w, choose_fd_of(w, args.addr), GCARENA_IOC_FREE, &args, sizeof(args), NULL);
}

long op_collect(struct worker *w)
{
	struct gcarena_collect collect = {
		.flags = below(w, DICE_VALUE, 2) ? GCARENA_COLLECT_RELEASE : 0,
		.kind = below(w, DICE_VALUE, GCARENA_COLLECT_EVACUATE + 1),
	};
	bool exact = true;
	long ret;

	if (one_in(w, DICE_VALUE, 40))
		collect.flags |= GCARENA_COLLECT_PERMANENT;
	ret = command(w, choose_fd(w), GCARENA_IOC_COLLECT, &collect, sizeof(collect), &exact);

	if (exact && !ret)
		expect(collect.cycle || collect.kind == GCARENA_COLLECT_EVACUATE, "COLLECT: cycle");
	return ret;
}

/* ---- Root ranges ------------------------------------------------------- */

static uint64_t choose_root(struct worker *w)
{
	switch (below(w, DICE_TARGET, 6)) {
	case 0:
		return choose_memory(w);
	case 1:
		return interesting(&w->dice[DICE_TARGET]);
	case 2:
		return (uintptr_t)w->args + below(w, DICE_TARGET, SCRATCH_PAGES * PAGE);
	default:
		return (uintptr_t)world.objects + below(w, DICE_TARGET, sizeof(world.objects));
	}
}

long op_roots_add(struct worker *w)
{
	struct gcarena_roots roots = {
		.addr = choose_root(w), .len = below(w, DICE_VALUE, 2048),
	};
	struct range *range = &world.ranges[below(w, DICE_VALUE, NR_RANGES)];
	bool exact = true;
	long ret;

	if (one_in(w, DICE_VALUE, 8))
		roots.len = interesting(&w->dice[DICE_VALUE]);
	/* One that cannot be read makes every collection fail: not too often. */
	if (!one_in(w, DICE_TARGET, 4)) {
		roots.addr = (uintptr_t)world.objects;
		roots.len = 1 + roots.len % sizeof(world.objects);
	}
	if (one_in(w, DICE_TARGET, 3))
		roots.flags = GCARENA_ROOTS_PRECISE;
	ret = command(w, choose_fd(w), GCARENA_IOC_ROOTS_ADD, &roots, sizeof(roots), &exact);
	if (exact && !ret) {
		range->flags = roots.flags;
		range->addr = roots.addr;
		range->len = roots.len;
	}
	return ret;
}

long op_roots_del(struct worker *w)
{
	struct range *range = &world.ranges[below(w, DICE_VALUE, NR_RANGES)];
	struct gcarena_roots roots = {
		.flags = range->flags, .addr = range->addr, .len = range->len,
	};

	if (one_in(w, DICE_VALUE, 8))
		roots.addr = choose_root(w);
	return command(w, choose_fd(w), GCARENA_IOC_ROOTS_DEL, &roots, sizeof(roots), NULL);
}

/* ---- Pins ---------------------------------------------------------------- */

static long change_pin(struct worker *w, unsigned int cmd)
{
	struct gcarena_pin args = { .addr = choose_object(w) + below(w, DICE_VALUE, 64) };

	if (one_in(w, DICE_VALUE, 4))
		args.addr = choose_memory(w);
	return command(w, choose_fd_of(w, args.addr), cmd, &args, sizeof(args), NULL);
}

long op_pin(struct worker *w)
{
	return change_pin(w, GCARENA_IOC_PIN);
}

long op_unpin(struct worker *w)
{
	return change_pin(w, GCARENA_IOC_UNPIN);
}

/* For good: seldom, or arenas are full of it. */
long op_permanent(struct worker *w)
{
	struct gcarena_permanent args = { .addr = choose_object(w) + below(w, DICE_VALUE, 64) };

	if (one_in(w, DICE_VALUE, 4))
		args.addr = choose_memory(w);
	return command(w, choose_fd_of(w, args.addr), GCARENA_IOC_PERMANENT, &args, sizeof(args),
		       NULL);
}

/* ---- Names --------------------------------------------------------------- */

long op_name(struct worker *w)
{
	struct gcarena_name name = { .name = "fuzz" };
	__u32 i, length = below(w, DICE_VALUE, sizeof(name.name) + 1);

	for (i = 0; i < length && one_in(w, DICE_VALUE, 2); i++)
		name.name[i] = below(w, DICE_VALUE, 256);
	return command(w, choose_fd(w), GCARENA_IOC_NAME, &name, sizeof(name), NULL);
}

long op_id(struct worker *w)
{
	struct gcarena_id args = { .addr = choose_object(w) + below(w, DICE_VALUE, 64) };

	if (one_in(w, DICE_VALUE, 4))
		args.addr = choose_memory(w);
	return command(w, choose_fd_of(w, args.addr), GCARENA_IOC_ID, &args, sizeof(args), NULL);
}
