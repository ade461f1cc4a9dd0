// SPDX-License-Identifier: GPL-2.0
/*
 * pkggraph: the machine's package database as an object graph in an arena.
 *
 * Reads what dpkg and apt know about packages, links all of it up in memory that
 * the kernel collects, takes the graph apart step by step and shows what each
 * collection found and gave back. Nothing is ever freed by hand.
 *
 * Two descriptions of the same data are kept, and neither points to the other:
 *
 *	graph	in the arena: packages, versions, dependencies and reverse
 *		dependencies, strings and tables, full of cycles. Its one root is
 *		the variable graph
 *	record	from malloc(): numbers and checksums, taken from the text that was
 *		read. Each step changes the record by its own means
 *
 * After each collection the whole graph is walked and compared with the record.
 *
 *	pkggraph/input.h	files and paragraphs
 *	pkggraph/load.h		from paragraphs to graph and record
 *	pkggraph/graph.h	building the graph and taking it apart
 *	pkggraph/record.h	the same for the record
 *	pkggraph/verify.h	the comparison
 *	pkggraph/phases.h	the steps of the demo
 *	pkggraph/report.h	what is shown of them
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <glob.h>
#include <langinfo.h>
#include <locale.h>
#include <time.h>
#include <unistd.h>

#include "gcarena.h"
#include "pkggraph/common.h"
#include "pkggraph/phases.h"
#include "pkggraph/report.h"

/* ---- Options ------------------------------------------------------------ */

static const struct option long_options[] = {
	{ "remove-sections",	required_argument, NULL, 'r' },
	{ "limit",		required_argument, NULL, 'l' },
	{ "copies",		required_argument, NULL, 'c' },
	{ "gc-percent",		required_argument, NULL, 'g' },
	{ "json",		no_argument, NULL, 'j' },
	{ "ascii",		no_argument, NULL, 'a' },
	{ "spoil",		no_argument, NULL, 's' },
	{ "help",		no_argument, NULL, 'h' },
	{ }
};

static void print_help(void)
{
	puts("usage: pkggraph [OPTION...] [FILE...]\n\n"
	     "Build the object graph of a package database in a garbage-collected arena, take\n"
	     "it apart step by step, collect after each step and check that all that should be\n"
	     "left is there and intact.\n\n"
	     "FILE is a dpkg status or apt Packages file, packed or not. Default: what this\n"
	     "machine has, /var/lib/dpkg/status and /var/lib/apt/lists/*_Packages*.\n\n"
	     "  --remove-sections LIST  sections that step 3 removes, separated by commas\n"
	     "                          (default doc,libdevel,debug)\n"
	     "  --limit N               read at most N packages of each file\n"
	     "  --copies N              read the files N times, as N separate databases\n"
	     "                          (default: until there are 100,000 objects)\n"
	     "  --gc-percent N          growth until an automatic collection (default 100,\n"
	     "                          off is -1)\n"
	     "  --json                  print JSON: bytes and nanoseconds, no units\n"
	     "  --ascii                 no block characters in the picture\n"
	     "  --spoil                 damage one object, to see that it is noticed\n"
	     "  --help                  show this help\n\n"
	     "Exit status: 0 all intact, 1 a mismatch or another failure, 2 usage error.");
}

static _Noreturn void usage_error(const char *option, const char *argument)
{
	fprintf(stderr, "pkggraph: --%s cannot be '%s' (see pkggraph --help)\n", option,
		argument);
	exit(2);
}

static long parse_number(const char *option, const char *argument, long least)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(argument, &end, 10);
	if (errno || *end || end == argument || value < least)
		usage_error(option, argument);
	return value;
}

static void parse_options(int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case 'r':
			options.sections = optarg;
			break;
		case 'l':
			options.limit = parse_number("limit", optarg, 1);
			break;
		case 'c':
			options.copies = parse_number("copies", optarg, 1);
			break;
		case 'g':
			options.gc_percent = parse_number("gc-percent", optarg, -1);
			if (!options.gc_percent)
				usage_error("gc-percent", optarg);
			break;
		case 'j':
			options.json = true;
			break;
		case 'a':
			options.ascii = true;
			break;
		case 's':
			options.spoil = true;
			break;
		case 'h':
			print_help();
			exit(0);
		default:
			fputs("See pkggraph --help.\n", stderr);
			exit(2);
		}
	}
	options.files = argv + optind;
	options.nr_files = argc - optind;
}

static void check_files(void)
{
	int i;

	for (i = 0; i < options.nr_files; i++)
		if (access(options.files[i], R_OK))
			die("cannot read %s: %s", options.files[i], strerror(errno));
}

static void find_files(void)
{
	static glob_t found;

	glob("/var/lib/dpkg/status", 0, NULL, &found);
	glob("/var/lib/apt/lists/*_Packages*", GLOB_APPEND, NULL, &found);
	if (!found.gl_pathc)
		die("this machine has no package database of dpkg's: name a Packages file");
	options.files = found.gl_pathv;
	options.nr_files = found.gl_pathc;
}

/* ---- The demo ----------------------------------------------------------- */

static void open_arena(void)
{
	static const char no_device[] =
		"there is no /dev/gcarena: try `make demo`, or load it by `modprobe gcarena`";

	if (!gca_default()) {
		if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
			die("%s", no_device);
		die_of_arena("open an arena");
	}
	if (options.gc_percent && gca_set_gc_percent(options.gc_percent, NULL))
		die("--gc-percent cannot be %d", options.gc_percent);
	define_types();
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

static void run(void)
{
	struct result results[NR_PHASES] = { };
	uint64_t start = now_ms();
	struct summary summary;
	size_t i;

	if (!options.json)
		print_heading();
	for (i = 0; i < NR_PHASES; i++) {
		if (!options.json)
			print_title(&phases[i]);
		run_phase(&phases[i], &results[i]);
		if (!options.json)
			print_result(&results[i]);
	}
	summary = summarize(results, now_ms() - start);
	if (options.json) {
		print_json(results, &summary);
		return;
	}
	print_picture(results);
	print_summary(&summary);
}

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "");
	if (strcmp(nl_langinfo(CODESET), "UTF-8"))
		options.ascii = true;
	parse_options(argc, argv);
	if (!options.nr_files)
		find_files();
	check_files();
	open_arena();
	run();
	if (fflush(stdout) || ferror(stdout))
		die("cannot write the output: %s", strerror(errno));
	return 0;
}
