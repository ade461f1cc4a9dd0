// SPDX-License-Identifier: GPL-2.0
/*
 * gcarenactl: look at the gcarena module and at the arenas of running programs, and
 * drive them.
 *
 * Commands are rows of a table: usage, help and dispatch are made from it.
 */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/gcarena.h>

#include "gcarena.h"
#include "gcarenactl.h"

struct command {
	const char *name;
	const char *arguments;
	const char *summary;
	const char *help;
	int max_arguments;	/* -1: any number */
	const char *options;	/* letters of those that it takes, besides the common ones */
	enum exit_status (*run)(const struct options *options, int argc, char **argv);
};

static const struct command commands[] = {
	{
		.name = "info",
		.arguments = "[--classes]",
		.summary = "what the loaded module can do, and its defaults",
		.help = "With --classes, the size-class table too: the slot an object takes, and\n"
			"the span its slots lie in.\n",
		.options = "c",
		.run = command_info,
	}, {
		.name = "list",
		.arguments = "[ARENA...]",
		.summary = "all arenas, or those given, a line each",
		.help = "Arenas of processes that you have no right to trace are left out.\n",
		.max_arguments = -1,
		.run = command_list,
	}, {
		.name = "show",
		.arguments = "ARENA...",
		.summary = "one arena: owner, phase, parameters, spans by class",
		.help = "Spans are counted while the program runs.\n",
		.max_arguments = -1,
		.run = command_show,
	}, {
		.name = "stats",
		.arguments = "[ARENA...]",
		.summary = "heap and collector statistics",
		.help = "With --interval, what changes in so many seconds, again and again, --count\n"
			"times or until all arenas are gone. Waits while an arena is busy, with a\n"
			"collection for example.\n",
		.max_arguments = -1,
		.options = "in",
		.run = command_stats,
	}, {
		.name = "set",
		.arguments = "ARENA NAME=VALUE...",
		.summary = "set limit, min-heap (bytes; K, M, G, T) or gc-percent (N or off)",
		.help = "All are set, or none. Shows the parameters afterwards.\n",
		.max_arguments = -1,
		.run = command_set,
	}, {
		.name = "collect",
		.arguments = "ARENA",
		.summary = "collect now, and wait for it",
		.help = "With --minor only what was allocated since the last collection; with\n"
			"--compact objects are moved together as well; with --evacuate that alone\n"
			"is done, a little at a time beside the program, which must be written for\n"
			"either; with --release memory that is empty goes back to the system at\n"
			"once.\n",
		.max_arguments = 1,
		.options = "mCEr",
		.run = command_collect,
	}, {
		.name = "monitor",
		.arguments = "[ARENA...]",
		.summary = "a line for each collection, as they happen",
		.help = "Hears of all arenas, which takes CAP_SYS_ADMIN; without that, or with\n"
			"--interval, looks at yours every so often. --count ends it after so many\n"
			"lines. With --json, an object in a line for each event.\n",
		.max_arguments = -1,
		.options = "in",
		.run = command_monitor,
	}, {
		.name = "top",
		.arguments = "",
		.summary = "all arenas on the whole screen, again and again",
		.help = "Sorted by --sort, or by a key: see its last line. With --batch a table every\n"
			"--interval seconds (default 1), --count times; with --once one table. With\n"
			"--json, an object in a line instead of each table.\n",
		.options = "bosin",
		.run = command_top,
	}, {
		.name = "map",
		.arguments = "ARENA",
		.summary = "what is where: how full and how old each piece of it is",
		.help = "How full: blocks of eight heights. How old: colours, or where there are none\n"
			"a letter below each block. With --svg a picture; with --json each span.\n",
		.max_arguments = 1,
		.options = "gw",
		.run = command_map,
	},
};

static const char short_options[] = "jcmCEri:n:bos:g:w:hV";

static const struct option long_options[] = {
	{ "json",	no_argument, NULL, 'j' },
	{ "classes",	no_argument, NULL, 'c' },
	{ "minor",	no_argument, NULL, 'm' },
	{ "compact",	no_argument, NULL, 'C' },
	{ "evacuate",	no_argument, NULL, 'E' },
	{ "release",	no_argument, NULL, 'r' },
	{ "interval",	required_argument, NULL, 'i' },
	{ "count",	required_argument, NULL, 'n' },
	{ "batch",	no_argument, NULL, 'b' },
	{ "once",	no_argument, NULL, 'o' },
	{ "sort",	required_argument, NULL, 's' },
	{ "svg",	required_argument, NULL, 'g' },
	{ "width",	required_argument, NULL, 'w' },
	{ "help",	no_argument, NULL, 'h' },
	{ "version",	no_argument, NULL, 'V' },
	{ }
};

/* Those that not all commands take, in the order in which help shows them. */
static const struct {
	char letter;
	const char *help;
} option_help[] = {
	{ 'c', "-c, --classes          also show the size-class table" },
	{ 'm', "-m, --minor            a minor collection" },
	{ 'C', "-C, --compact          a compacting collection" },
	{ 'E', "-E, --evacuate         move objects together beside the program" },
	{ 'r', "-r, --release          give all empty memory back" },
	{ 'i', "-i, --interval=SECONDS look every so often" },
	{ 'n', "-n, --count=N          end after so many times or lines" },
	{ 'b', "-b, --batch            tables, not the whole screen" },
	{ 'o', "-o, --once             one table" },
	{ 's', "-s, --sort=KEY         by live, rate, pause, pages or id" },
	{ 'g', "-g, --svg=FILE         write a picture; - is standard output" },
	{ 'w', "-w, --width=COLUMNS    not as wide as the terminal is" },
};

enum exit_status failure(const char *format, ...)
{
	va_list arguments;

	fputs("gcarenactl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return STATUS_FAILURE;
}

enum exit_status usage_error(const char *format, ...)
{
	va_list arguments;

	fputs("gcarenactl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs(" (see gcarenactl --help)\n", stderr);
	return STATUS_USAGE;
}

/* @letters: of those that not all commands take. */
static void print_options(const char *letters)
{
	size_t i;

	puts("Options:");
	for (i = 0; i < ARRAY_SIZE(option_help); i++)
		if (strchr(letters, option_help[i].letter))
			printf("  %s\n", option_help[i].help);
	puts("  -j, --json             print JSON: bytes and nanoseconds, no units");
	puts("  -h, --help             show this help, or that of a command");
	puts("  -V, --version          show the version");
}

static void print_arena_help(void)
{
	puts("An ARENA is @ID, a number that list shows; PID, all that the process opened or\n"
	     "maps; or PID:FD, the one behind a descriptor.");
}

static void print_help(void)
{
	const struct command *command;

	puts("usage: gcarenactl COMMAND [ARGUMENT...] [OPTION...]\n");
	puts("Look at the gcarena module and at the garbage-collected arenas of programs, and\n"
	     "drive them.\n");
	puts("Commands:");
	for (command = commands; command < commands + ARRAY_SIZE(commands); command++)
		printf("  %-7s  %-19s  %s\n", command->name, command->arguments,
		       command->summary);
	putchar('\n');
	print_arena_help();
	putchar('\n');
	print_options("cmCrinbosgw");
	puts("\nExit status: 0 success, 1 failure, 2 usage error.");
}

static void print_command_help(const struct command *command)
{
	printf("usage: gcarenactl %s %s [OPTION...]\n\n", command->name, command->arguments);
	printf("%s: %s.\n%s\n", command->name, command->summary, command->help);
	if (strstr(command->arguments, "ARENA")) {
		print_arena_help();
		putchar('\n');
	}
	print_options(command->options ? command->options : "");
}

static void print_version(void)
{
	printf("gcarenactl %d.%d, for gcarena ABI %d\n", GCA_VERSION_MAJOR,
	       GCA_VERSION_MINOR, GCARENA_ABI_VERSION);
}

static const struct command *find_command(const char *name)
{
	const struct command *command;

	for (command = commands; command < commands + ARRAY_SIZE(commands); command++)
		if (!strcmp(command->name, name))
			return command;
	return NULL;
}

/* The first option given that the command does not take, or 0. */
static char find_stray_option(const struct command *command, const struct options *options)
{
	const char given[] = {
		options->classes ? 'c' : ' ', options->minor ? 'm' : ' ',
		options->release ? 'r' : ' ', options->interval ? 'i' : ' ',
		options->count ? 'n' : ' ', options->compact ? 'C' : ' ',
		options->evacuate ? 'E' : ' ',
		options->batch ? 'b' : ' ', options->once ? 'o' : ' ',
		options->sort ? 's' : ' ', options->svg ? 'g' : ' ',
		options->width ? 'w' : ' ',
	};
	size_t i;

	for (i = 0; i < sizeof(given); i++)
		if (given[i] != ' ' && !(command->options && strchr(command->options, given[i])))
			return given[i];
	return 0;
}

static enum exit_status run(const struct options *options, int argc, char **argv)
{
	const struct command *command = find_command(argv[0]);
	enum exit_status status;
	char stray;

	if (!command)
		return usage_error("there is no command '%s'", argv[0]);
	if (command->max_arguments >= 0 && argc - 1 > command->max_arguments)
		return usage_error("%s takes no argument '%s'", command->name,
				   argv[command->max_arguments + 1]);
	stray = find_stray_option(command, options);
	if (stray)
		return usage_error("%s has no option -%c", command->name, stray);

	status = command->run(options, argc - 1, argv + 1);
	if (output_finish())
		return failure("cannot write the output: %s", strerror(errno));
	return status;
}

static enum exit_status help(int argc, char **argv)
{
	const struct command *command = argc ? find_command(argv[0]) : NULL;

	if (argc && !command)
		return usage_error("there is no command '%s'", argv[0]);
	if (command)
		print_command_help(command);
	else
		print_help();
	return STATUS_OK;
}

static bool parse_interval(const char *text, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	return end != text && !*end && *seconds >= 0.001 && *seconds <= 86400;
}

static bool parse_count(const char *text, unsigned long *count)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*count = strtoul(text, &end, 10);
	return !errno && !*end && *count;
}

/* Return: STATUS_OK: go on; else what to exit with. */
static enum exit_status parse_option(struct options *options, int option, bool *want_help)
{
	switch (option) {
	case 'j':
		options->json = true;
		return STATUS_OK;
	case 'c':
		options->classes = true;
		return STATUS_OK;
	case 'm':
		options->minor = true;
		return STATUS_OK;
	case 'C':
		options->compact = true;
		return STATUS_OK;
	case 'E':
		options->evacuate = true;
		return STATUS_OK;
	case 'b':
		options->batch = true;
		return STATUS_OK;
	case 'o':
		options->once = true;
		return STATUS_OK;
	case 's':
		options->sort = optarg;
		return STATUS_OK;
	case 'g':
		options->svg = optarg;
		return STATUS_OK;
	case 'w':
		if (parse_count(optarg, &options->width) && options->width >= 20)
			return STATUS_OK;
		return usage_error("'%s' is no width: give columns, 20 or more", optarg);
	case 'r':
		options->release = true;
		return STATUS_OK;
	case 'i':
		if (parse_interval(optarg, &options->interval))
			return STATUS_OK;
		return usage_error("'%s' is no interval: give seconds, 0.001 to 86400", optarg);
	case 'n':
		if (parse_count(optarg, &options->count))
			return STATUS_OK;
		return usage_error("'%s' is no count: give a number from 1", optarg);
	case 'h':
		*want_help = true;
		return STATUS_OK;
	default:
		fputs("See gcarenactl --help.\n", stderr);
		return STATUS_USAGE;
	}
}

int main(int argc, char **argv)
{
	struct options options = { };
	bool want_help = false;
	enum exit_status status;
	int option;

	setlocale(LC_CTYPE, "");
	while ((option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		if (option == 'V') {
			print_version();
			return STATUS_OK;
		}
		status = parse_option(&options, option, &want_help);
		if (status)
			return status;
	}
	argc -= optind;
	argv += optind;
	if (want_help)
		return help(argc, argv);
	if (!argc) {
		fputs("gcarenactl: no command given\n", stderr);
		print_help();
		return STATUS_USAGE;
	}
	return run(&options, argc, argv);
}
