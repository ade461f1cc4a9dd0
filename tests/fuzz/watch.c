// SPDX-License-Identifier: GPL-2.0
/* The kernel's log, the module's reference count, stuck threads. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fuzz/watch.h"

#define MAX_PATTERNS	80

static int kernel_log = -1;
static regex_t patterns[MAX_PATTERNS];
static unsigned int nr_patterns;

static void sleep_ms(unsigned int ms)
{
	struct timespec time = { .tv_nsec = ms * 1000000L };

	nanosleep(&time, NULL);
}

/* The same list that tests/run and tools/vm-run have; they look, too. */
static void read_patterns(void)
{
	FILE *file = fopen("tools/kernel-complaints", "r");
	char line[256];

	while (file && fgets(line, sizeof(line), file) && nr_patterns < MAX_PATTERNS) {
		line[strcspn(line, "\n")] = 0;
		if (!line[0] || line[0] == '#')
			continue;
		if (!regcomp(&patterns[nr_patterns], line, REG_EXTENDED | REG_NOSUB))
			nr_patterns++;
	}
	if (file)
		fclose(file);
}

void kernel_log_begin(void)
{
	if (!nr_patterns)
		read_patterns();
	if (kernel_log >= 0)
		close(kernel_log);
	kernel_log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kernel_log >= 0)
		lseek(kernel_log, 0, SEEK_END);
	if (kernel_log < 0 || !nr_patterns)
		printf("# the kernel's log cannot be watched here\n");
}

static bool is_complaint(const char *line)
{
	unsigned int i;

	for (i = 0; i < nr_patterns; i++)
		if (!regexec(&patterns[i], line, 0, NULL, 0))
			return true;
	return false;
}

const char *kernel_log_complaint(void)
{
	static char line[1024];
	ssize_t n;

	if (kernel_log < 0)
		return NULL;
	/* One record each time; EPIPE says that some were lost. */
	while ((n = read(kernel_log, line, sizeof(line) - 1)) != 0) {
		char *text;

		if (n < 0 && errno == EPIPE)
			continue;
		if (n < 0)
			break;
		line[n] = 0;
		text = strchr(line, ';');
		if (!text)
			continue;
		text[strcspn(text, "\n")] = 0;
		if (is_complaint(text + 1))
			return text + 1;
	}
	return NULL;
}

int module_references(void)
{
	FILE *file = fopen("/sys/module/gcarena/refcnt", "r");
	int n = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%d", &n) != 1)
		n = -1;
	fclose(file);
	return n;
}

bool module_references_drop(int most, unsigned int ms)
{
	uint64_t end = now_ms() + ms;

	while (module_references() > most) {
		if (now_ms() > end)
			return false;
		sleep_ms(5);
	}
	return true;
}

int find_stuck(const struct shared *shared, unsigned int ms)
{
	uint64_t now = now_ms();
	int i;

	for (i = 0; i < PROGRAM_THREADS; i++) {
		const struct progress *progress = &shared->progress[i];

		if (progress->kind >= 0 && now > progress->since + ms)
			return i;
	}
	return -1;
}

static void print_file(const char *pid, const char *tid, const char *name)
{
	char path[320], text[1024];
	size_t n;
	FILE *file;
	char *line, *rest;

	snprintf(path, sizeof(path), "/proc/%s/task/%s/%s", pid, tid, name);
	file = fopen(path, "r");
	if (!file)
		return;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = 0;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		printf("#     %s: %s\n", name, line);
}

static void print_threads(const char *pid)
{
	struct dirent *entry;
	char path[320];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (!isdigit(entry->d_name[0]))
			continue;
		printf("#   process %s, thread %s\n", pid, entry->d_name);
		print_file(pid, entry->d_name, "stat");
		print_file(pid, entry->d_name, "wchan");
		print_file(pid, entry->d_name, "syscall");
		print_file(pid, entry->d_name, "stack");
	}
	if (dir)
		closedir(dir);
}

void print_group(pid_t group)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		pid_t pid = atoi(entry->d_name);

		if (pid > 0 && getpgid(pid) == group)
			print_threads(entry->d_name);
	}
	if (dir)
		closedir(dir);
}
