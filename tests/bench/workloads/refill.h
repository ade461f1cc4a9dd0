/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the slow path of allocation costs: GCARENA_IOC_REFILL by itself, with no
 * library and no collection in between.
 *
 *	size=BYTES spans=PER_CALL mib=TOTAL
 *
 * Fresh: the arena grows, and the kernel takes, zeroes and maps memory. Recycled:
 * after a collection that found one object alive in each span, the same spans are
 * handed out again. Empty: after one that found nothing alive, and may have given
 * memory back to the system. Each time every page is touched and the page faults
 * are counted: refilling is meant to have populated them all.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/gcarena.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define CLASSES_MAX	256
#define INFO_ROUNDS	2000

struct refill_totals {
	uint64_t ns, calls, objects, bytes;
};

static int refill_fd;
static unsigned int refill_class;
/* Every span of a pass. */
static char **span_bases;
static size_t nr_bases;
static size_t span_length;

static void command(const char *name, unsigned long nr, void *argument)
{
	if (ioctl(refill_fd, nr, argument))
		bench_die("%s: %s", name, strerror(errno));
}

static void open_arena(void)
{
	struct gcarena_create create = {
		.size = sizeof(create),
		.root_mode = GCARENA_ROOTS_EXPLICIT,
		.gc_percent = GCARENA_GC_PERCENT_OFF,
	};
	struct gcarena_info info = { .size = sizeof(info) };

	refill_fd = open("/dev/gcarena", O_RDWR | O_CLOEXEC);
	if (refill_fd < 0)
		bench_die("/dev/gcarena: %s", strerror(errno));
	command("CREATE", GCARENA_IOC_CREATE, &create);
	command("INFO", GCARENA_IOC_INFO, &info);
	if (mmap(NULL, info.reserve, PROT_READ | PROT_WRITE, MAP_SHARED, refill_fd,
		 0) == MAP_FAILED)
		bench_die("mmap: %s", strerror(errno));
}

static unsigned int find_class(unsigned int size)
{
	struct gcarena_size_class table[CLASSES_MAX];
	struct gcarena_classes classes = {
		.size = sizeof(classes),
		.classes = (uintptr_t)table,
		.nr = CLASSES_MAX,
	};
	unsigned int i;

	command("CLASSES", GCARENA_IOC_CLASSES, &classes);
	for (i = 1; i < classes.nr; i++)
		if (table[i].slot_size >= size)
			return i;
	bench_die("size=%u has no class", size);
}

static double info_ns(void)
{
	struct gcarena_info info;
	uint64_t start = now_ns();
	int i;

	for (i = 0; i < INFO_ROUNDS; i++) {
		info = (struct gcarena_info) { .size = sizeof(info) };
		command("INFO", GCARENA_IOC_INFO, &info);
	}
	return (double)(now_ns() - start) / INFO_ROUNDS;
}

static struct gcarena_stats arena_stats(void)
{
	struct gcarena_stats stats = { .size = sizeof(stats) };

	command("STATS", GCARENA_IOC_STATS, &stats);
	return stats;
}

static struct refill_totals refill_pass(unsigned int per_call, size_t bytes)
{
	static struct gcarena_span spans[GCARENA_REFILL_MAX];
	uint64_t used[GCARENA_REFILL_MAX];
	struct gcarena_refill refill = {
		.size = sizeof(refill),
		.size_class = refill_class,
		.layout = GCARENA_LAYOUT_NOSCAN,
		.used = (uintptr_t)used,
		.spans = (uintptr_t)spans,
		.want = UINT64_MAX,
	};
	struct refill_totals t = { };
	uint64_t start = now_ns();
	unsigned int i;

	for (nr_bases = 0; t.bytes < bytes; t.calls++) {
		refill.nr_spans = per_call;
		command("REFILL", GCARENA_IOC_REFILL, &refill);
		for (i = 0; i < refill.nr_spans; i++) {
			used[i] = spans[i].base;
			t.objects += spans[i].nr_free;
			t.bytes += (uint64_t)spans[i].nr_free * spans[i].slot_size;
			span_bases[nr_bases++] = (char *)(uintptr_t)spans[i].base;
		}
		refill.nr_used = refill.nr_spans;
	}
	t.ns = now_ns() - start;
	span_length = (size_t)spans[0].slot_size * spans[0].nr_slots;
	return t;
}

static void give_all_back(void)
{
	struct gcarena_release release = {
		.size = sizeof(release),
		.flags = GCARENA_RELEASE_ALL,
	};

	command("RELEASE", GCARENA_IOC_RELEASE, &release);
}

/* What is in span_bases when this is called is alive: the first object of each. */
static void change_roots(const char *name, unsigned long nr)
{
	struct gcarena_roots roots = {
		.size = sizeof(roots),
		.addr = (uintptr_t)span_bases,
		.len = nr_bases * sizeof(*span_bases),
	};

	command(name, nr, &roots);
}

static void collect_all(void)
{
	struct gcarena_collect collect = { .size = sizeof(collect) };

	give_all_back();
	command("COLLECT", GCARENA_IOC_COLLECT, &collect);
}

static void collect_but_one(void)
{
	change_roots("ROOTS_ADD", GCARENA_IOC_ROOTS_ADD);
	collect_all();
	change_roots("ROOTS_DEL", GCARENA_IOC_ROOTS_DEL);
}

static void touch_all(void)
{
	size_t i, at;

	for (i = 0; i < nr_bases; i++)
		for (at = 0; at < span_length; at += 4096)
			*(volatile char *)(span_bases[i] + at) = 0;
}

static void report_pass(const char *name, const struct refill_totals *t)
{
	char metric[64];

	snprintf(metric, sizeof(metric), "%s, per refill", name);
	bench_result(metric, "ns", (double)t->ns / t->calls);
	snprintf(metric, sizeof(metric), "%s, per object", name);
	bench_result(metric, "ns", (double)t->ns / t->objects);
	snprintf(metric, sizeof(metric), "%s, per 4 KiB", name);
	bench_result(metric, "ns", t->ns * 4096.0 / t->bytes);
}

static void report_faults(const char *name, const struct refill_totals *t)
{
	struct gcarena_stats before = arena_stats(), after;
	uint64_t minor = bench_minor_faults();
	double mib = t->bytes / (double)MIB;
	char metric[64];

	touch_all();
	minor = bench_minor_faults() - minor;
	after = arena_stats();
	snprintf(metric, sizeof(metric), "%s, arena faults/MiB", name);
	bench_result(metric, "", (after.faults - before.faults) / mib);
	snprintf(metric, sizeof(metric), "%s, minor faults/MiB", name);
	bench_result(metric, "", minor / mib);
}

static void measure(const char *name, unsigned int per_call, size_t bytes)
{
	struct refill_totals t = refill_pass(per_call, bytes);

	report_pass(name, &t);
	report_faults(name, &t);
}

static void refill_workload(void)
{
	size_t bytes = bench_arg_number("mib", 64) * MIB, room;
	unsigned int per_call = bench_arg_number("spans", 1);

	if (per_call > GCARENA_REFILL_MAX)
		bench_die("spans=%d at most", GCARENA_REFILL_MAX);
	open_arena();
	refill_class = find_class(bench_arg_number("size", 64));
	/* A span is a block of 8 KiB at least, and some of it may be taken. */
	room = bytes / 4096 + GCARENA_REFILL_MAX;
	span_bases = bench_hidden_alloc(room * sizeof(*span_bases));
	bench_result("ioctl that does nothing", "ns", info_ns());

	measure("fresh", per_call, bytes);
	collect_but_one();
	/* The same spans, less the slots that are taken. */
	measure("recycled", per_call, bytes * 7 / 8);
	collect_all();
	measure("empty", per_call, bytes);
}
