// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoints: each is hit by what it is named for, once, in order, with the figures that
 * the program itself is given.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <fcntl.h>

#include "lib/nl.h"
#include "lib/rawarena.h"
#include "lib/tool.h"

#define RESERVE		(64 * RAW_MIB)
#define TRACEFS		"/sys/kernel/tracing/"
#define TRACE_BYTES	(256 * RAW_KIB)

static bool write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	bool done = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);

	if (fd >= 0)
		close(fd);
	return done;
}

/* All that was recorded; freed by the caller. */
static char *read_trace(void)
{
	char *text = calloc(1, TRACE_BYTES);
	FILE *file = fopen(TRACEFS "trace", "r");

	if (file && text)
		text[fread(text, 1, TRACE_BYTES - 1, file)] = '\0';
	if (file)
		fclose(file);
	return text;
}

FIXTURE(trace)
{
	struct rawarena arena;
	uint32_t id;
	char *text;
};

FIXTURE_SETUP(trace)
{
	raw_need_device();
	self->text = NULL;
	if (!write_file(TRACEFS "events/gcarena/enable", "1"))
		SKIP(return, "needs root, and tracefs at " TRACEFS);
	/* Not those of other programs. */
	write_file(TRACEFS "trace", "");
	ASSERT_EQ(0, rawarena_open(&self->arena, RESERVE, GCARENA_ROOTS_EXPLICIT));
	self->id = nl_arena_id(self->arena.fd);
}

FIXTURE_TEARDOWN(trace)
{
	write_file(TRACEFS "events/gcarena/enable", "0");
	free(self->text);
	rawarena_close(&self->arena);
}

/* The @n-th line of an event of our arena from @text on, or NULL. From 0. */
static const char *find_event(const char *text, const char *event, uint32_t id, unsigned int n)
{
	char wanted[96];

	snprintf(wanted, sizeof(wanted), " gcarena_%s: id=%u", event, id);
	while ((text = strstr(text, wanted))) {
		text += strlen(wanted);
		if ((*text == ' ' || *text == '\n') && !n--)
			return text;
	}
	return NULL;
}

/* The value of a field in an event's line; all ones: it has none. */
static uint64_t field(const char *line, const char *name)
{
	const char *end = line ? strchr(line, '\n') : NULL, *at;
	char wanted[64];

	snprintf(wanted, sizeof(wanted), " %s=", name);
	at = line ? strstr(line, wanted) : NULL;
	return at && at < end ? strtoull(at + strlen(wanted), NULL, 0) : UINT64_MAX;
}

TEST_F(trace, a_cycle_and_its_phases)
{
	static const char *const order[] = {
		"cycle_begin", "stop_begin", "stop_end", "mark_end", "world_start",
		"cycle_end", "sweep", "release",
	};
	struct gcarena_collect collected;
	const char *line, *last;
	unsigned int i;
	__u64 object;

	ASSERT_EQ(0, raw_alloc(self->arena.fd, GCARENA_LAYOUT_NOSCAN, 6 * RAW_MIB, &object));
	ASSERT_EQ(0, raw_collect(self->arena.fd, GCARENA_COLLECT_RELEASE, &collected));
	self->text = read_trace();
	ASSERT_NE(NULL, self->text);
	line = find_event(self->text, "large_alloc", self->id, 0);
	EXPECT_EQ(object, field(line, "addr"));
	EXPECT_EQ(6 * RAW_MIB, field(line, "bytes"));
	EXPECT_EQ(GCARENA_LAYOUT_NOSCAN, field(line, "layout"));
	last = self->text;
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		line = find_event(last, order[i], self->id, 0);
		ASSERT_NE(NULL, line) TH_LOG("no %s, or not here", order[i]);
		EXPECT_EQ(NULL, find_event(line, order[i], self->id, 0)) TH_LOG("%s", order[i]);
		last = line;
	}
	line = find_event(self->text, "cycle_begin", self->id, 0);
	EXPECT_NE(NULL, strstr(line, "kind=full"));
	EXPECT_EQ(6 * RAW_MIB, field(line, "heap_bytes"));
	line = find_event(self->text, "cycle_end", self->id, 0);
	EXPECT_EQ(0, field(line, "error"));
	EXPECT_EQ(collected.cycle, field(line, "cycles"));
	EXPECT_EQ(collected.pause_ns, field(line, "pause_ns"));
	EXPECT_EQ(0, field(line, "live_bytes"));
	line = find_event(self->text, "stop_end", self->id, 0);
	EXPECT_EQ(0, field(line, "threads"));
	EXPECT_GT(collected.pause_ns, field(line, "stop_ns"));
	line = find_event(self->text, "sweep", self->id, 0);
	EXPECT_EQ(1, field(line, "freed_objects"));
	EXPECT_EQ(6 * RAW_MIB, field(line, "freed_bytes"));
	line = find_event(self->text, "release", self->id, 0);
	EXPECT_EQ(collected.released_bytes, field(line, "released_bytes"));
	EXPECT_EQ(0, field(line, "backing_bytes"));
}

TEST_F(trace, refills_and_written_pages)
{
	struct gcarena_collect collected = { .size = sizeof(collected) };
	struct gcarena_span spans[2];
	struct gcarena_stats stats;
	const char *line;
	int nr;

	nr = raw_refill(self->arena.fd, 5, GCARENA_LAYOUT_CONSERVATIVE, spans, 2);
	ASSERT_LT(0, nr);
	ASSERT_EQ(0, raw_ioctl(self->arena.fd, GCARENA_IOC_COLLECT, &collected));
	*(volatile long *)(uintptr_t)spans[0].base = 1;
	collected.kind = GCARENA_COLLECT_MINOR;
	ASSERT_EQ(0, raw_ioctl(self->arena.fd, GCARENA_IOC_COLLECT, &collected));
	ASSERT_EQ(0, raw_stats(self->arena.fd, &stats));
	self->text = read_trace();
	ASSERT_NE(NULL, self->text);
	line = find_event(self->text, "refill", self->id, 0);
	EXPECT_EQ(5, field(line, "size_class"));
	EXPECT_EQ(GCARENA_LAYOUT_CONSERVATIVE, field(line, "layout"));
	EXPECT_EQ(nr, field(line, "spans"));
	EXPECT_EQ((uint64_t)nr * spans[0].nr_free * spans[0].slot_size,
		  field(line, "free_bytes"));
	line = find_event(self->text, "dirty_pass", self->id, 0);
	EXPECT_EQ(stats.dirty_pages_last, field(line, "dirty_pages"));
	EXPECT_LE(1, field(line, "dirty_pages"));
	EXPECT_EQ(stats.dirty_total_ns, field(line, "dirty_ns"));
	line = find_event(self->text, "cycle_end", self->id, 1);
	ASSERT_NE(NULL, line);
	EXPECT_NE(NULL, strstr(line, "kind=minor"));
}

/* What a person would do: see gcarenactl(8). */
TEST_F_TIMEOUT(trace, recorded_by_trace_cmd, 120)
{
	char *output = malloc(TOOL_OUTPUT), line[64];

	ASSERT_NE(NULL, output);
	if (tool_run(output, "command -v trace-cmd") || access(TOOL, X_OK))
		SKIP(return, "there is no trace-cmd here: tools/setup check installs it");
	EXPECT_EQ(0, tool_run(output, "f=/tmp/gcarena-trace.%d; "
			      "trace-cmd record -q -e gcarena -o $f " TOOL " collect @%u >/dev/null && "
			      "trace-cmd report -i $f 2>/dev/null | grep gcarena_; s=$?; rm -f $f*; "
			      "exit $s", getpid(), self->id)) TH_LOG("%s", output);
	snprintf(line, sizeof(line), "id=%u kind=full cycles=0", self->id);
	EXPECT_NE(NULL, strstr(output, line)) TH_LOG("%s", output);
	snprintf(line, sizeof(line), "id=%u kind=full cycles=1 error=0 pause_ns=", self->id);
	EXPECT_NE(NULL, strstr(output, line)) TH_LOG("%s", output);
	free(output);
}

TEST_F(trace, what_is_full_and_what_moves)
{
	struct gcarena_collect compact = {
		.size = sizeof(compact), .kind = GCARENA_COLLECT_COMPACT,
	};
	const char *line;
	__u64 object;

	ASSERT_EQ(-ENOSPC, raw_alloc(self->arena.fd, 0, 2 * RESERVE, &object));
	ASSERT_EQ(0, raw_ioctl(self->arena.fd, GCARENA_IOC_COLLECT, &compact));
	self->text = read_trace();
	ASSERT_NE(NULL, self->text);
	line = find_event(self->text, "limit_hit", self->id, 0);
	EXPECT_EQ((uint64_t)-ENOSPC, field(line, "error"));
	EXPECT_EQ(0, field(line, "backing_bytes"));
	line = find_event(self->text, "compact", self->id, 0);
	EXPECT_EQ(0, field(line, "error"));
	EXPECT_EQ(compact.moved_objects, field(line, "moved_objects"));
	line = find_event(self->text, "cycle_end", self->id, 0);
	ASSERT_NE(NULL, line);
	EXPECT_NE(NULL, strstr(line, "kind=compact"));
}

/* Tools that read formats know no names of the kernel's. */
TEST_F(trace, formats_have_plain_numbers)
{
	char format[4096] = "";
	FILE *file = fopen(TRACEFS "events/gcarena/gcarena_cycle_end/format", "r");

	ASSERT_NE(NULL, file);
	format[fread(format, 1, sizeof(format) - 1, file)] = '\0';
	fclose(file);
	EXPECT_EQ(NULL, strstr(format, "GCARENA_"));
	EXPECT_NE(NULL, strstr(format, "field:u64 pause_ns;"));
}

TEST_HARNESS_MAIN
