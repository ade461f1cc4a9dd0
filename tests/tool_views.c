// SPDX-License-Identifier: GPL-2.0
/*
 * gcarenactl top, map and the histogram of pauses: what they show is what is there, as text,
 * JSON, picture and on a terminal; names that programs choose reach people whole, and do
 * nothing to a terminal, to JSON or to XML.
 *
 * Golden output is in tests/golden; numbers of arenas, processes and times are masked.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lib/nl.h"
#include "lib/rawarena.h"
#include "lib/tool.h"

#define RESERVE		(64 * RAW_MIB)
#define UTF8		"LC_ALL=C.UTF-8 "
#define MASKED(command)	command " | sed -E 's/@[0-9]+/@N/; s/process [0-9]+/process P/; " \
			"s/[0-9.]+ (ns|us|ms|s)( |$)/T /g; s/ +$//'"
#define PATIENCE_MS	20000

FIXTURE(views)
{
	struct rawarena arena;
	uint32_t id;
	char output[TOOL_OUTPUT];
};

static int set_name(int fd, const char *text)
{
	struct gcarena_name name = { .size = sizeof(name) };

	snprintf(name.name, sizeof(name.name), "%s", text);
	return raw_ioctl(fd, GCARENA_IOC_NAME, &name);
}

/*
 * 3 MiB that are old, 2 MiB that were collected, 2 MiB that are young, and a span of young
 * slots that this thread holds.
 */
static int fill(struct rawarena *arena)
{
	static __u64 old;
	struct gcarena_collect collected;
	struct gcarena_span span;
	__u64 object;

	return raw_alloc(arena->fd, GCARENA_LAYOUT_NOSCAN, 3 * RAW_MIB, &old) ?:
	       raw_roots_add(arena->fd, &old, sizeof(old)) ?:
	       raw_alloc(arena->fd, GCARENA_LAYOUT_NOSCAN, RAW_MIB, &object) ?:
	       raw_alloc(arena->fd, GCARENA_LAYOUT_NOSCAN, RAW_MIB, &object) ?:
	       raw_collect(arena->fd, 0, &collected) ?:
	       raw_alloc(arena->fd, GCARENA_LAYOUT_NOSCAN, 2 * RAW_MIB, &object) ?:
	       raw_refill(arena->fd, 7, 0, &span, 1) != 1;
}

FIXTURE_SETUP(views)
{
	raw_need_device();
	if (access(TOOL, X_OK))
		SKIP(return, "there is no " TOOL " here");
	ASSERT_EQ(0, rawarena_open(&self->arena, RESERVE, GCARENA_ROOTS_EXPLICIT));
	ASSERT_EQ(0, set_name(self->arena.fd, "views"));
	ASSERT_EQ(0, fill(&self->arena));
	self->id = nl_arena_id(self->arena.fd);
}

FIXTURE_TEARDOWN(views)
{
	rawarena_close(&self->arena);
}

/* With GCARENA_GOLDEN=write the file is written instead. */
#define EXPECT_GOLDEN(file)	do {						\
	char path_[128], expected_[TOOL_OUTPUT] = "";				\
	bool write_ = getenv("GCARENA_GOLDEN");					\
	FILE *golden_;								\
	snprintf(path_, sizeof(path_), "tests/golden/%s", file);		\
	golden_ = fopen(path_, write_ ? "w" : "r");				\
	ASSERT_NE(NULL, golden_) TH_LOG("%s", path_);				\
	if (write_)								\
		fputs(self->output, golden_);					\
	else									\
		expected_[fread(expected_, 1, sizeof(expected_) - 1, golden_)] = '\0'; \
	fclose(golden_);							\
	if (!write_)								\
		EXPECT_STREQ(expected_, self->output) TH_LOG("%s", path_);	\
} while (0)

/* ---- Golden output ----------------------------------------------------------------- */

TEST_F_TIMEOUT(views, map, 120)
{
	EXPECT_EQ(0, tool_run(self->output, MASKED(UTF8 TOOL " map @%u --width 80"), self->id));
	EXPECT_GOLDEN("map.txt");
	EXPECT_EQ(0, tool_run(self->output, MASKED("LC_ALL=C " TOOL " map @%u --width 40"),
			      self->id));
	EXPECT_GOLDEN("map-narrow.txt");
	EXPECT_EQ(0, tool_run(self->output, MASKED(UTF8 TOOL " map @%u --svg -"), self->id));
	EXPECT_GOLDEN("map.svg");
}

TEST_F_TIMEOUT(views, map_of_nothing, 120)
{
	struct rawarena arena;

	ASSERT_EQ(0, rawarena_open(&arena, RESERVE, GCARENA_ROOTS_EXPLICIT));
	EXPECT_EQ(0, tool_run(self->output, UTF8 TOOL " map @%u", nl_arena_id(arena.fd)));
	EXPECT_NE(NULL, strstr(self->output, "0 spans of 0 B"));
	EXPECT_JSON("[]\n", false, "v[\"spans\"]", "map @%u", nl_arena_id(arena.fd));
	rawarena_close(&arena);
}

TEST_F_TIMEOUT(views, map_in_json, 120)
{
	struct gcarena_stats stats;
	char expected[128];

	ASSERT_EQ(0, raw_stats(self->arena.fd, &stats));
	snprintf(expected, sizeof(expected), "(%u, \"views\", %llu, %llu, %llu)\n", self->id,
		 stats.span_bytes, stats.heap_objects, stats.old_objects);
	EXPECT_JSON(expected, false,
		    "str((v[\"id\"], v[\"name\"], sum(s[\"bytes\"] for s in v[\"spans\"]),"
		    " sum(s[\"used\"] for s in v[\"spans\"]), sum(s[\"old\"] for s in v[\"spans\"])))"
		    ".replace(chr(39), chr(34))", "map @%u", self->id);
	EXPECT_JSON("[7]\n", false,
		    "[s[\"size_class\"] for s in v[\"spans\"] if s[\"slots\"] > 1"
		    " and \"owned\" in s[\"state\"]]", "map @%u", self->id);
}

/* All that is masked besides: what differs from kernel to kernel. */
TEST_F_TIMEOUT(views, top_once, 120)
{
	EXPECT_EQ(0, tool_run(self->output,
			      MASKED(UTF8 TOOL " top --once --interval 0.1 --sort live")
			      " | tr -s ' ' | sed -E 's/^ //; s/^%u %d /N P /' | grep -E '^(N P|@)'",
			      self->id, getpid()));
	EXPECT_GOLDEN("top.txt");
}

TEST_F_TIMEOUT(views, top_in_json, 120)
{
	struct gcarena_stats stats;
	char expected[128];

	ASSERT_EQ(0, raw_stats(self->arena.fd, &stats));
	snprintf(expected, sizeof(expected), "[(%llu, %llu, %llu), (%llu, %llu, %llu)]\n",
		 stats.heap_bytes, stats.backing_bytes, stats.cycles,
		 stats.heap_bytes, stats.backing_bytes, stats.cycles);
	snprintf(self->output, sizeof(self->output),
		 "[(a[\"live\"], a[\"heap_sys\"], a[\"num_gc\"]) for l in v for a in l[\"arenas\"]"
		 " if a[\"id\"] == %u]", self->id);
	EXPECT_EQ(0, tool_json(self->output, true, "top --batch --count 2 -i 0.1",
			       strdup(self->output)));
	EXPECT_STREQ(expected, self->output);
}

/* Who allocates is seen to, and comes first. */
TEST_F_TIMEOUT(views, top_sorts, 60)
{
	struct rawarena busy;
	pid_t pid;

	ASSERT_EQ(0, rawarena_open(&busy, RESERVE, GCARENA_ROOTS_EXPLICIT));
	pid = fork();
	if (!pid) {
		struct gcarena_collect collected;
		__u64 object;

		while (!raw_alloc(busy.fd, GCARENA_LAYOUT_NOSCAN, RAW_MIB, &object) &&
		       !raw_collect(busy.fd, 0, &collected))
			usleep(1000);
		_exit(1);
	}
	snprintf(self->output, sizeof(self->output), "%u\n", nl_arena_id(busy.fd));
	EXPECT_JSON(strdup(self->output), true, "v[0][\"arenas\"][0][\"id\"]",
		    "top --once -i 0.5 --sort rate");
	EXPECT_JSON("True\n", true, "v[0][\"arenas\"][0][\"alloc_per_s\"] > 1 << 20",
		    "top --once -i 0.5 --sort rate");
	snprintf(self->output, sizeof(self->output), "%u\n", nl_arena_id(busy.fd));
	EXPECT_JSON(strdup(self->output), true, "v[0][\"arenas\"][0][\"id\"]",
		    "top --once -i 0.5 --sort pause");
	snprintf(self->output, sizeof(self->output), "%u\n", self->id);
	EXPECT_JSON(strdup(self->output), true,
		    "[a[\"id\"] for a in v[0][\"arenas\"] if a[\"command\"] == \"tool_views\"][0]",
		    "top --once -i 0.5 --sort pages");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	rawarena_close(&busy);
}

/* ---- Pauses ------------------------------------------------------------------------ */

TEST_F_TIMEOUT(views, pauses, 120)
{
	struct gcarena_stats stats;
	char expected[512] = "[";
	unsigned int i, nr = 0, first = 0, last = 0;
	size_t n = 1;

	ASSERT_EQ(0, raw_stats(self->arena.fd, &stats));
	for (i = 0; i < GCARENA_PAUSE_BUCKETS; i++) {
		n += snprintf(expected + n, sizeof(expected) - n, "%s%llu", i ? ", " : "",
			      stats.pauses[i]);
		if (!stats.pauses[i])
			continue;
		first = nr ? first : i;
		last = i;
		nr += stats.pauses[i];
	}
	strcpy(expected + n, "]\n");
	ASSERT_LT(0, nr);
	EXPECT_JSON(expected, false, "[p[\"count\"] for p in v[0][\"pauses\"]]", "stats @%u",
		    self->id);
	/* Each begins where the one before ends; the last one has no end. */
	EXPECT_JSON("(True, 0, None)\n", false,
		    "(all(a[\"below_ns\"] == b[\"from_ns\"] for a, b in"
		    " zip(v[0][\"pauses\"], v[0][\"pauses\"][1:])),"
		    " v[0][\"pauses\"][0][\"from_ns\"], v[0][\"pauses\"][-1][\"below_ns\"])",
		    "stats @%u", self->id);
	/* Lines from the shortest to the longest, the largest with a whole bar. */
	EXPECT_EQ(0, tool_run(self->output, UTF8 TOOL " stats @%u | sed -n '/^ pauses/,/^ [a-o]/p'"
			      " | grep -c '^   '", self->id));
	EXPECT_EQ(last - first + 1, atoi(self->output));
	EXPECT_EQ(0, tool_run(self->output, UTF8 TOOL " stats @%u | grep -cE ' █{40}$'",
			      self->id));
	EXPECT_LE(1, atoi(self->output));
	EXPECT_EQ(0, tool_run(self->output, "LC_ALL=C " TOOL " stats @%u | grep -cE ' #{40}$'",
			      self->id));
	EXPECT_LE(1, atoi(self->output));
}

/* ---- Names ------------------------------------------------------------------------- */

/* Harmless to terminals, and taken by the module; a trap for JSON, XML and shells. */
#define TRAP	"a\"b\\c<d>&e'f$(g)%s\xc3\xa9"

TEST_F_TIMEOUT(views, names_arrive_whole, 120)
{
	static const char *const arguments[] = { "list", "show", "stats" };
	char expected[] = "['a\"b\\\\c<d>&e\\'f$(g)%s\xc3\xa9']\n", file[64];
	size_t i;

	ASSERT_EQ(0, set_name(self->arena.fd, TRAP));
	for (i = 0; i < ARRAY_SIZE(arguments); i++)
		EXPECT_JSON(expected, false, "[a[\"name\"] for a in v]", "%s %d",
			    arguments[i], getpid());
	EXPECT_JSON(expected, false, "[v[\"name\"]]", "map @%u", self->id);
	EXPECT_EQ(0, tool_run(self->output, UTF8 TOOL " list %d", getpid()));
	EXPECT_NE(NULL, strstr(self->output, TRAP));
	snprintf(file, sizeof(file), "/tmp/views.%d.svg", getpid());
	EXPECT_EQ(0, tool_run(self->output, UTF8 TOOL " map @%u --svg %s && python3 -c '"
			      "import sys, xml.dom.minidom as m; d = m.parse(sys.argv[1]);"
			      " print(d.getElementsByTagName(\"title\")[0].firstChild.data,"
			      " d.documentElement.getAttribute(\"role\"),"
			      " len(d.getElementsByTagName(\"desc\")) == 1,"
			      " len(d.getElementsByTagName(\"g\")) == 1)' %s",
			      self->id, file, file));
	EXPECT_NE(NULL, strstr(self->output, TRAP)) TH_LOG("%s", self->output);
	EXPECT_NE(NULL, strstr(self->output, "img True True\n")) TH_LOG("%s", self->output);
	unlink(file);
	EXPECT_EQ(1, tool_run(self->output, TOOL " map @%u --svg /nowhere/x", self->id));
	EXPECT_NE(NULL, strstr(self->output, "cannot write /nowhere/x"));
}

TEST_F_TIMEOUT(views, names_as_long_as_they_can_be, 120)
{
	char name[GCARENA_NAME_LEN] = "", expected[GCARENA_NAME_LEN + 8];
	unsigned int i;

	for (i = 0; i < (GCARENA_NAME_LEN - 1) / 3; i++)
		strcat(name, "\xe2\x82\xac");
	ASSERT_EQ(0, set_name(self->arena.fd, name));
	snprintf(expected, sizeof(expected), "%s\n", name);
	EXPECT_JSON(expected, false, "v[0][\"name\"]", "list %d", getpid());
	/* Columns stay below their headings, however many bytes a character has. */
	EXPECT_EQ(0, tool_run(self->output, UTF8 TOOL " list %d | python3 -c '"
			      "import sys; a, b = sys.stdin.read().splitlines();"
			      " print(a.index(\"COMMAND\") == b.index(\"tool_views\"))'",
			      getpid()));
	EXPECT_STREQ("True\n", self->output);
}

/* What the module does not check: names of processes. It is root's tool that shows them. */
TEST_F_TIMEOUT(views, names_that_are_hostile, 120)
{
	static const char *const commands[] = {
		"list", "show @%u", "stats @%u", "top --once -i 0.1", "map @%u",
		"map @%u --svg -", "--json list", "--json show @%u", "--json map @%u",
		"--json top --once -i 0.1",
	};
	char command[256];
	size_t i;

	prctl(PR_SET_NAME, "\x1b[2J\xc2\x9b\xe2\x80\xae\x07\xff\"\n<");
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		/* No byte of it that a terminal obeys. */
		snprintf(command, sizeof(command), UTF8 TOOL " %s | LC_ALL=C grep -c -P "
			 "'[\\x00-\\x09\\x0b-\\x1f\\x7f]|\\xc2[\\x80-\\x9f]|\\xe2\\x80[\\xa8-\\xae]'",
			 commands[i]);
		EXPECT_EQ(1, tool_run(self->output, command, self->id)) TH_LOG("%s", command);
		EXPECT_STREQ("0\n", self->output) TH_LOG("%s", command);
	}
	EXPECT_JSON("True\n", false, "v[0][\"command\"].startswith(chr(27) + \"[2J\" + chr(155))",
		    "list %d", getpid());
	EXPECT_EQ(0, tool_run(self->output, UTF8 TOOL " map @%u --svg - | python3 -c '"
			      "import sys, xml.dom.minidom as m; m.parse(sys.stdin.buffer)'",
			      self->id));
	prctl(PR_SET_NAME, "tool_views");
	/* And what it does: control characters never come in. */
	EXPECT_EQ(-EINVAL, set_name(self->arena.fd, "\x1b[2J"));
	EXPECT_EQ(-EINVAL, set_name(self->arena.fd, "line\nbreak"));
}

TEST_F_TIMEOUT(views, names_of_types, 120)
{
	struct gcarena_type_add type = {
		.size = sizeof(type), .elem_size = 64, .name = "\x1b[2J\xff<b>&",
	};
	struct gcarena_span span;

	ASSERT_EQ(0, raw_ioctl(self->arena.fd, GCARENA_IOC_TYPE_ADD, &type));
	ASSERT_EQ(1, raw_refill(self->arena.fd, 5, type.layout, &span, 1));
	EXPECT_JSON("['?[2J?<b>&']\n", false,
		    "[c[\"name\"] for c in v[0][\"span_classes\"] if c[\"size_class\"] == 5]",
		    "show @%u", self->id);
	EXPECT_JSON("['?[2J?<b>&']\n", false,
		    "[s[\"type\"] for s in v[\"spans\"] if s[\"size_class\"] == 5]",
		    "map @%u", self->id);
}

/* ---- On a terminal -------------------------------------------------------------------- */

#define TMUX	UTF8 "tmux -u -L gcarena-%d -f /dev/null "

static bool tmux_is_there(char *output)
{
	return !tool_run(output, "command -v tmux");
}

static int tmux(char *output, const char *arguments)
{
	return tool_run(output, TMUX "%s", getpid(), arguments);
}

/* Wait until the screen shows it, and keep the screen. */
static bool shows(char *output, const char *text)
{
	unsigned int ms;

	for (ms = 0; ms < PATIENCE_MS; ms += 100) {
		if (!tmux(output, "capture-pane -p") && strstr(output, text))
			return true;
		usleep(100000);
	}
	return false;
}

#define EXPECT_SHOWS(text)	EXPECT_TRUE(shows(self->output, text))		\
	TH_LOG("no \"%s\" in:\n%s", text, self->output)

TEST_F_TIMEOUT(views, top_on_a_terminal, 180)
{
	char line[128], *at, *end;

	if (!tmux_is_there(self->output))
		SKIP(return, "there is no tmux here: tools/setup check installs it");
	ASSERT_EQ(0, tmux(self->output, "new-session -d -x 130 -y 16 '" TOOL " top -i 0.3'"))
		TH_LOG("%s", self->output);
	EXPECT_SHOWS("; by live, every 0.3 s");
	EXPECT_SHOWS("COMMAND");
	snprintf(line, sizeof(line), "%u  %d  idle", self->id, getpid());
	EXPECT_SHOWS(line);
	EXPECT_SHOWS("views  tool_views");
	EXPECT_SHOWS("q quit  l live");
	tmux(self->output, "send-keys p");
	EXPECT_SHOWS("; by pause,");
	tmux(self->output, "send-keys r");
	EXPECT_SHOWS("; by pause reversed,");
	tmux(self->output, "send-keys a r +");
	EXPECT_SHOWS("; by rate, every 0.6 s");
	tmux(self->output, "send-keys h");
	EXPECT_SHOWS("g  sort by pages: memory held for objects");
	tmux(self->output, "send-keys x");
	EXPECT_SHOWS("views  tool_views");
	/* Smaller: the last line is still that of keys, and nothing is wrapped. */
	tmux(self->output, "resize-window -x 60 -y 8");
	EXPECT_SHOWS("\nq quit  l live  a allocation  p pauses  g pages  i number");
	for (at = self->output; (end = strchr(at, '\n')); at = end + 1)
		EXPECT_GE(60, end - at) TH_LOG("%s", self->output);
	tmux(self->output, "resize-window -x 20 -y 2");
	tmux(self->output, "resize-window -x 130 -y 16");
	EXPECT_SHOWS("views  tool_views");
	/* It ends, and so does the session. */
	tmux(self->output, "send-keys q");
	usleep(1000000);
	EXPECT_NE(0, tmux(self->output, "has-session"));
	tmux(self->output, "kill-server");
}

TEST_F_TIMEOUT(views, map_on_a_terminal, 120)
{
	char line[256];

	if (!tmux_is_there(self->output))
		SKIP(return, "there is no tmux here: tools/setup check installs it");
	snprintf(line, sizeof(line), "new-session -d -x 100 -y 30 '" TOOL " map @%u; sleep 100'",
		 self->id);
	ASSERT_EQ(0, tmux(self->output, line)) TH_LOG("%s", self->output);
	EXPECT_SHOWS("a column is 8 KiB:  █ empty  █ young  █ mixed  █ old");
	/* In colours, as wide as the terminal allows. */
	EXPECT_EQ(0, tmux(self->output, "capture-pane -p -e"));
	EXPECT_NE(NULL, strstr(self->output, "\x1b[34m████"));
	EXPECT_NE(NULL, strstr(self->output, "\x1b[32m████"));
	tmux(self->output, "kill-server");
	snprintf(line, sizeof(line),
		 "new-session -d -x 100 -y 50 'NO_COLOR=1 " TOOL " map @%u; sleep 100'", self->id);
	ASSERT_EQ(0, tmux(self->output, line)) TH_LOG("%s", self->output);
	EXPECT_SHOWS("oooooooooooooooo");
	EXPECT_EQ(0, tmux(self->output, "capture-pane -p -e"));
	EXPECT_EQ(NULL, strstr(self->output, "\x1b[3"));
	tmux(self->output, "kill-server");
}

TEST_HARNESS_MAIN
