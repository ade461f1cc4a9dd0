// SPDX-License-Identifier: GPL-2.0
/*
 * Shared by all benchmark programs and independent of the contender: arguments,
 * result lines, and what the system says about this process.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <sys/resource.h>

#include "bench.h"

static int arg_count;
static char **arg_words;

void bench_args(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strchr(argv[i], '='))
			bench_die("argument '%s' is not of the form name=value", argv[i]);
	arg_count = argc;
	arg_words = argv;
	setvbuf(stdout, NULL, _IOLBF, 0);
}

const char *bench_arg(const char *name, const char *otherwise)
{
	size_t length = strlen(name);
	int i;

	for (i = 1; i < arg_count; i++)
		if (!strncmp(arg_words[i], name, length) && arg_words[i][length] == '=')
			return arg_words[i] + length + 1;
	return otherwise;
}

unsigned long bench_arg_number(const char *name, unsigned long otherwise)
{
	const char *text = bench_arg(name, NULL);
	unsigned long value;
	char *end;

	if (!text)
		return otherwise;
	value = strtoul(text, &end, 10);
	if (end == text || *end || !value)
		bench_die("%s=%s: not a number above zero", name, text);
	return value;
}

bool bench_arg_is(const char *name, const char *value)
{
	return !strcmp(bench_arg(name, ""), value);
}

void bench_result(const char *metric, const char *unit, double value)
{
	printf("result\t%s\t%s\t%.6g\n", metric, unit, value);
}

static void print_line(const char *what, const char *format, va_list args)
{
	printf("%s\t", what);
	vprintf(format, args);
	putchar('\n');
}

void bench_version(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line("version", format, args);
	va_end(args);
}

void bench_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line("note", format, args);
	va_end(args);
}

void bench_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

uint64_t bench_resident(void)
{
	unsigned long kib = 0;
	char line[256];
	FILE *f;

	f = fopen("/proc/self/smaps_rollup", "r");
	if (!f)
		bench_die("cannot read /proc/self/smaps_rollup");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Rss: %lu kB", &kib) == 1)
			break;
	fclose(f);
	return kib * 1024UL;
}

uint64_t bench_minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

void *bench_hidden_alloc(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	/* Shared, so that GCA_ROOTS_ALL passes it by as well. */
	if (p == MAP_FAILED)
		bench_die("no memory for a table of %zu bytes", bytes);
	return p;
}

void __attribute__((noinline)) bench_clear_stack(void)
{
	volatile char space[16384];

	memset((char *)space, 0, sizeof(space));
	/* The compiler must believe that somebody reads it. */
	__asm__ volatile("" : : "r"(space) : "memory");
}
