// SPDX-License-Identifier: GPL-2.0
/* The memory between the engine and its rounds. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fuzz/shared.h"

struct shared *shared_attach(void)
{
	void *p = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED,
		       SHARED_FD, 0);

	return p == MAP_FAILED ? NULL : p;
}

struct shared *shared_create(void)
{
	int fd = memfd_create("abi_fuzz", 0);

	if (fd < 0 || ftruncate(fd, sizeof(struct shared)) || dup2(fd, SHARED_FD) < 0) {
		perror("# shared memory");
		exit(1);
	}
	close(fd);
	return shared_attach();
}

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}
