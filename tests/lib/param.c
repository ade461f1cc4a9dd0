// SPDX-License-Identifier: GPL-2.0
#include "param.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MODULE	"/sys/module/gcarena/"

static int param_open(const char *name, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), MODULE "parameters/%s", name);
	return open(path, flags);
}

static long read_number(int fd)
{
	char text[32] = "";
	ssize_t got;

	if (fd < 0)
		return -1;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0)
		return -1;
	return text[0] == 'Y' ? 1 : text[0] == 'N' ? 0 : atol(text);
}

long param_get(const char *name)
{
	return read_number(param_open(name, O_RDONLY));
}

long module_users(void)
{
	return read_number(open(MODULE "refcnt", O_RDONLY));
}

bool param_set(const char *name, long value)
{
	char text[32];
	int fd = param_open(name, O_WRONLY);
	ssize_t length = snprintf(text, sizeof(text), "%ld", value), done;

	if (fd < 0)
		return false;
	done = write(fd, text, length);
	close(fd);
	return done == length;
}

bool params_set(struct params *params, const char *name, long value)
{
	long before = param_get(name);

	if (before < 0 || params->nr == PARAMS_MAX || !param_set(name, value))
		return false;
	params->name[params->nr] = name;
	params->before[params->nr++] = before;
	return true;
}

void params_restore(struct params *params)
{
	while (params->nr--)
		param_set(params->name[params->nr], params->before[params->nr]);
	params->nr = 0;
}
