// SPDX-License-Identifier: GPL-2.0
/*
 * gcarenactl: look at the gcarena module and at the arenas of running programs.
 *
 * Commands are rows of a table: usage, help and dispatch are made from it.
 */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
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
	bool takes_classes;
	enum exit_status (*run)(const struct options *options, int argc, char **argv);
};

static const struct command commands[] = {
	{
		.name = "info",
		.arguments = "[--classes]",
		.summary = "what the loaded module can do, and its defaults",
		.help = "With --classes, the size-class table too: the slot an object takes, and\n"
			"the span its slots lie in.\n",
		.takes_classes = true,
		.run = command_info,
	}, {
		.name = "stats",
		.arguments = "PID[:FD]...",
		.summary = "heap and collector statistics of a process's arenas",
		.help = "Every arena of process PID, once, or the one behind its descriptor FD.\n"
			"Needs the right to trace the process: be its owner, or root. Waits\n"
			"while the arena is busy, with a collection for example.\n",
		.max_arguments = -1,
		.run = command_stats,
	}, {
		.name = "list",
		.arguments = "[PID...]",
		.summary = "the arenas of all processes, or of those given, a line each",
		.help = "Processes that you have no right to trace are left out.\n",
		.max_arguments = -1,
		.run = command_list,
	},
};

static const struct option long_options[] = {
	{ "json",	no_argument, NULL, 'j' },
	{ "classes",	no_argument, NULL, 'c' },
	{ "help",	no_argument, NULL, 'h' },
	{ "version",	no_argument, NULL, 'V' },
	{ }
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

static void print_options(bool classes)
{
	puts("Options:");
	if (classes)
		puts("  -c, --classes  also show the size-class table (info)");
	puts("  -j, --json     print JSON: bytes and nanoseconds, no units");
	puts("  -h, --help     show this help, or that of a command");
	puts("  -V, --version  show the version");
}

static void print_help(void)
{
	const struct command *command;

	puts("usage: gcarenactl COMMAND [ARGUMENT...] [OPTION...]\n");
	puts("Look at the gcarena module and at the garbage-collected arenas of programs.\n");
	puts("Commands:");
	for (command = commands; command < commands + ARRAY_SIZE(commands); command++)
		printf("  %-5s  %-12s  %s\n", command->name, command->arguments,
		       command->summary);
	putchar('\n');
	print_options(true);
	puts("\nExit status: 0 success, 1 failure, 2 usage error.");
}

static void print_command_help(const struct command *command)
{
	printf("usage: gcarenactl %s %s [OPTION...]\n\n", command->name, command->arguments);
	printf("Shows %s.\n%s\n", command->summary, command->help);
	print_options(command->takes_classes);
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

static enum exit_status run(const struct options *options, int argc, char **argv)
{
	const struct command *command = find_command(argv[0]);
	enum exit_status status;

	if (!command)
		return usage_error("there is no command '%s'", argv[0]);
	if (command->max_arguments >= 0 && argc - 1 > command->max_arguments)
		return usage_error("%s takes no argument '%s'", command->name, argv[1]);
	if (options->classes && !command->takes_classes)
		return usage_error("%s has no option --classes", command->name);

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

int main(int argc, char **argv)
{
	struct options options = { };
	bool want_help = false;
	int option;

	setlocale(LC_CTYPE, "");
	while ((option = getopt_long(argc, argv, "jchV", long_options, NULL)) != -1) {
		switch (option) {
		case 'j':
			options.json = true;
			break;
		case 'c':
			options.classes = true;
			break;
		case 'h':
			want_help = true;
			break;
		case 'V':
			print_version();
			return STATUS_OK;
		default:
			fputs("See gcarenactl --help.\n", stderr);
			return STATUS_USAGE;
		}
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
