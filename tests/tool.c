// SPDX-License-Identifier: GPL-2.0
/*
 * gcarenactl: what it prints of an arena is what the arena says, as text and as JSON that
 * a real parser takes; what it sets is set; what cannot be done names the remedy and ends
 * with the right status.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lib/nl.h"
#include "lib/rawarena.h"
#include "lib/rng.h"
#include "lib/tool.h"

#define RESERVE		(64 * RAW_MIB)

FIXTURE(tool)
{
	struct rawarena arena;
	uint32_t id;
	char output[TOOL_OUTPUT];
};

FIXTURE_SETUP(tool)
{
	raw_need_device();
	if (access(TOOL, X_OK))
		SKIP(return, "there is no " TOOL " here");
	ASSERT_EQ(0, rawarena_open(&self->arena, RESERVE, GCARENA_ROOTS_EXPLICIT));
	self->id = nl_arena_id(self->arena.fd);
}

FIXTURE_TEARDOWN(tool)
{
	rawarena_close(&self->arena);
}

/* The numbers that a collection leaves. */
static int fill(struct rawarena *arena)
{
	struct gcarena_collect collected;
	struct gcarena_span spans[2];
	__u64 object;

	return raw_alloc(arena->fd, GCARENA_LAYOUT_NOSCAN, 3 * RAW_MIB, &object) ?:
	       raw_collect(arena->fd, 0, &collected) ?:
	       raw_alloc(arena->fd, GCARENA_LAYOUT_NOSCAN, 5 * RAW_MIB, &object) ?:
	       raw_refill(arena->fd, 7, 0, spans, 1) != 1;
}

TEST_F_TIMEOUT(tool, list_and_show, 60)
{
	char expected[256];

	ASSERT_EQ(0, fill(&self->arena));
	snprintf(expected, sizeof(expected), "[(%u, %d, 1, \"tool\")]\n", self->id, getpid());
	EXPECT_JSON(expected, false,
		    "str([(a[\"id\"], a[\"pid\"], a[\"num_gc\"], a[\"command\"]) for a in v])"
		    ".replace(chr(39), chr(34))", "list %d", getpid());
	EXPECT_JSON("True\n", false, "any(a[\"phase\"] == \"idle\" for a in v)", "list");
	snprintf(expected, sizeof(expected), "(%u, %llu, 1, [0, 7])\n", self->id, RESERVE);
	EXPECT_JSON(expected, false,
		    "(v[0][\"id\"], v[0][\"reserve\"], v[0][\"processes\"],"
		    " [c[\"size_class\"] for c in v[0][\"span_classes\"]][::-1])",
		    "show %d:%d", getpid(), self->arena.fd);
	EXPECT_EQ(0, tool_run(self->output, TOOL " show @%u", self->id));
	EXPECT_NE(NULL, strstr(self->output, "spans by class"));
	EXPECT_NE(NULL, strstr(self->output, "address range              64 MiB"));
}

/* Text and JSON are made from the same rows: no number is in one alone. */
TEST_F(tool, text_and_json_have_the_same_rows)
{
	char lines[32];

	ASSERT_EQ(0, fill(&self->arena));
	EXPECT_EQ(0, tool_run(self->output, TOOL " stats @%u | grep -c '^  [^ ]'", self->id));
	/* Who it is stands in the title of text, and pauses are in lines of their own. */
	snprintf(lines, sizeof(lines), "%d\n", atoi(self->output) + 4 + 1);
	EXPECT_JSON(lines, false, "len(v[0])", "stats @%u", self->id);
}

TEST_F(tool, stats)
{
	struct gcarena_stats stats;
	char expected[256];

	ASSERT_EQ(0, fill(&self->arena));
	ASSERT_EQ(0, raw_stats(self->arena.fd, &stats));
	snprintf(expected, sizeof(expected), "(%llu, %llu, %llu, None)\n", stats.heap_bytes,
		 stats.cycles, stats.pause_last_ns);
	EXPECT_JSON(expected, false,
		    "(v[0][\"heap_alloc\"], v[0][\"num_gc\"], v[0][\"pause_last_ns\"],"
		    " v[0][\"next_gc\"])", "stats @%u", self->id);
	EXPECT_JSON("[0, 0]\n", true, "[l[\"cycles\"] for l in v]",
		    "stats @%u --interval 0.05 --count 2", self->id);
}

TEST_F_TIMEOUT(tool, stats_of_writes_and_moves, 60)
{
	struct gcarena_collect compact = {
		.size = sizeof(compact), .kind = GCARENA_COLLECT_COMPACT,
	};
	struct gcarena_stats s;
	char expected[256];

	ASSERT_EQ(0, fill(&self->arena));
	ASSERT_EQ(0, raw_ioctl(self->arena.fd, GCARENA_IOC_COLLECT, &compact));
	EXPECT_EQ(0, tool_run(self->output, TOOL " collect --minor @%u", self->id));
	EXPECT_EQ(0, tool_run(self->output, TOOL " collect --minor @%u", self->id));
	ASSERT_EQ(0, raw_stats(self->arena.fd, &s));
	ASSERT_LT(0, s.dirty_total_ns);
	ASSERT_LT(0, s.compact_total_ns);
	snprintf(expected, sizeof(expected), "('%s', %llu, %llu, %llu, %llu)\n",
		 s.dirty_method == GCARENA_DIRTY_PTE ? "page tables" : "refault",
		 s.dirty_passes, s.dirty_pages_last, s.dirty_pages_total, s.dirty_total_ns);
	EXPECT_JSON(expected, false,
		    "(v[0][\"dirty_method\"], v[0][\"dirty_passes\"], v[0][\"dirty_pages\"],"
		    " v[0][\"dirty_pages_total\"], v[0][\"dirty_total_ns\"])",
		    "stats @%u", self->id);
	snprintf(expected, sizeof(expected), "[%llu, %llu, %llu, %llu, %llu, %llu, %llu, %llu]\n",
		 s.cycles_compact, s.moves, s.moved_objects, s.moved_bytes, s.compact_total_ns,
		 s.quiet_bytes, s.quiet_total, s.quiet_faults);
	EXPECT_JSON(expected, false,
		    "[v[0][k] for k in (\"num_compact_gc\", \"moves\", \"moved_objects\","
		    " \"moved_bytes\", \"compact_total_ns\", \"quiet_bytes\", \"quiet_total\","
		    " \"quiet_faults\")]", "stats @%u", self->id);
}

TEST_F_TIMEOUT(tool, set_and_collect, 60)
{
	struct gcarena_info info;
	struct gcarena_stats stats;

	ASSERT_EQ(0, fill(&self->arena));
	EXPECT_JSON("(250, 33554432, 1572864)\n", false,
		    "(v[\"gc_percent\"], v[\"limit\"], v[\"min_heap\"])",
		    "set @%u gc-percent=250 limit=32M min-heap=1.5MiB", self->id);
	ASSERT_EQ(0, raw_info(self->arena.fd, &info));
	EXPECT_EQ(250, info.gc_percent);
	EXPECT_EQ(32 * RAW_MIB, info.limit);
	EXPECT_JSON("-1\n", false, "v[\"gc_percent\"]", "set %d gc-percent=off", getpid());
	EXPECT_JSON("8388608\n", false, "v[\"memory_limit\"]", "set %d memory-limit=8M", getpid());
	ASSERT_EQ(0, raw_info(self->arena.fd, &info));
	EXPECT_EQ(8 * RAW_MIB, info.memory_limit);
	EXPECT_JSON("0\n", false, "v[\"memory_limit\"]", "set %d memory-limit=off", getpid());
	EXPECT_JSON("2\n", false, "v[\"num_gc\"]", "collect @%u --release", self->id);
	ASSERT_EQ(0, raw_stats(self->arena.fd, &stats));
	EXPECT_EQ(2, stats.cycles);
	EXPECT_EQ(0, tool_run(self->output, TOOL " collect --minor @%u", self->id));
	ASSERT_EQ(0, raw_stats(self->arena.fd, &stats));
	EXPECT_EQ(1, stats.cycles_minor);
	EXPECT_EQ(1, tool_run(self->output, TOOL " set @%u limit=3", self->id));
	EXPECT_NE(NULL, strstr(self->output, "a limit is a multiple of 2 MiB"));
}

static atomic_int collect_end;

static void *collect_main(void *arg)
{
	struct gcarena_collect collected;

	while (!collect_end) {
		raw_collect(*(int *)arg, 0, &collected);
		usleep(2000);
	}
	return NULL;
}

TEST_F_TIMEOUT(tool, monitor, 90)
{
	pthread_t thread;
	char expected[128];

	collect_end = 0;
	ASSERT_EQ(0, pthread_create(&thread, NULL, collect_main, &self->arena.fd));
	snprintf(expected, sizeof(expected), "([%u], True)\n", self->id);
	/* Begin and end take turns, and their numbers go up one by one. */
	EXPECT_JSON(expected, true,
		    "(sorted({e[\"id\"] for e in v}), all(b[\"nr\"] == a[\"nr\"] + 1 and"
		    " {a[\"event\"], b[\"event\"]} == {\"begin\", \"end\"} for a, b in zip(v, v[1:])))",
		    "monitor @%u --count 8", self->id);
	EXPECT_EQ(0, tool_run(self->output, "timeout 60 " TOOL " monitor @%u -n 2", self->id));
	EXPECT_EQ(&self->output[0], strstr(self->output, "@"));
	EXPECT_NE(NULL, strstr(self->output, " full "));
	EXPECT_NE(NULL, strstr(self->output, "goal none"));
	/* Looking instead of listening tells what was missed. */
	EXPECT_JSON("True\n", true, "any(e[\"event\"] == \"lost\" for e in v)",
		    "monitor @%u --interval 0.2 -n 4", self->id);
	collect_end = 1;
	pthread_join(thread, NULL);
}

TEST_F_TIMEOUT(tool, errors_name_the_remedy, 120)
{
	static const struct {
		const char *arguments;
		int status;
		const char *sentence;
	} errors[] = {
		{ "", 2, "no command given" },
		{ "frobnicate", 2, "there is no command 'frobnicate'" },
		{ "list --minor", 2, "list has no option -m" },
		{ "show", 2, "show needs an arena" },
		{ "show @0", 2, "give @ID, PID or PID:FD" },
		{ "show 12x", 2, "give @ID, PID or PID:FD" },
		{ "show @2000000000", 1, "`gcarenactl list` shows those there are" },
		{ "list 1", 1, "process 1 has no arena" },
		{ "show 1:0", 1, "is no arena" },
		{ "set @1", 2, "something to set" },
		{ "set @1 color=red", 2, "give limit=BYTES" },
		{ "set @1 limit=12Q", 2, "give limit=BYTES" },
		{ "collect", 2, "collect needs one arena" },
		{ "stats --interval 0", 2, "is no interval" },
		{ "stats --count x", 2, "is no count" },
		{ "monitor --frobnicate", 2, "See gcarenactl --help" },
		{ "collect @1 --minor --compact", 2, "give one of them" },
		{ "map", 2, "map needs one arena" },
		{ "map @1 --svg x --json", 2, "not both" },
		{ "map @1 --width 3", 2, "is no width" },
		{ "top --sort size", 2, "give live, rate, pause, pages or id" },
		{ "top --count 3", 2, "--count is for --batch" },
		{ "top </dev/null", 1, "top writes tables with --batch" },
		{ "info extra", 2, "info takes no argument 'extra'" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		EXPECT_EQ(errors[i].status, tool_run(self->output, TOOL " %s", errors[i].arguments))
			TH_LOG("%s", errors[i].arguments);
		EXPECT_NE(NULL, strstr(self->output, errors[i].sentence))
			TH_LOG("%s: %s", errors[i].arguments, self->output);
	}
	EXPECT_EQ(1, tool_run(self->output, TOOL " list >/dev/full"));
	EXPECT_NE(NULL, strstr(self->output, "cannot write the output"));
}

TEST_F_TIMEOUT(tool, help, 90)
{
	static const char *const commands[] = {
		"info", "list", "show", "stats", "set", "collect", "monitor", "top", "map",
	};
	char usage[64];
	size_t i;

	EXPECT_EQ(0, tool_run(self->output, TOOL " --help"));
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		snprintf(usage, sizeof(usage), "\n  %s ", commands[i]);
		EXPECT_EQ(0, tool_run(self->output, TOOL " --help"));
		EXPECT_NE(NULL, strstr(self->output, usage)) TH_LOG("%s", commands[i]);
		snprintf(usage, sizeof(usage), "usage: gcarenactl %s", commands[i]);
		EXPECT_EQ(0, tool_run(self->output, TOOL " %s --help", commands[i]));
		EXPECT_EQ(&self->output[0], strstr(self->output, usage)) TH_LOG("%s", commands[i]);
	}
}

TEST_F(tool, without_privileges)
{
	if (getuid())
		SKIP(return, "needs root, to be somebody else");
#define AS_NOBODY	"setpriv --reuid 65534 --regid 65534 --clear-groups "
	EXPECT_EQ(1, tool_run(self->output, AS_NOBODY TOOL " show @%u", self->id));
	EXPECT_NE(NULL, strstr(self->output, "be its user, or root"));
	EXPECT_EQ(1, tool_run(self->output, AS_NOBODY TOOL " show %d", getpid()));
	EXPECT_NE(NULL, strstr(self->output, "as its owner or as root"));
	EXPECT_EQ(0, tool_run(self->output, AS_NOBODY TOOL " list | wc -l"));
	EXPECT_STREQ("1\n", self->output);
	/* Long enough for it to get to its first line, on a machine that is slow. */
	EXPECT_EQ(124, tool_run(self->output, "timeout %lu " AS_NOBODY TOOL " monitor",
				3 * rng_env_number("GCARENA_PATIENCE", 1)));
	EXPECT_NE(NULL, strstr(self->output, "listening takes CAP_SYS_ADMIN"));
}

TEST_HARNESS_MAIN
