// SPDX-License-Identifier: GPL-2.0
/*
 * Arena memory as the buffer of other system calls: the kernel faults it in, pins it,
 * or passes its pages on, also while chunks are given back.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/uio.h>
#include <time.h>

#include "fuzz/ops.h"
#include "fuzz/sys.h"
#include "fuzz/world.h"

static size_t choose_bytes(struct worker *w)
{
	return 1 + below(w, DICE_VALUE, one_in(w, DICE_VALUE, 3) ? 64 * KIB : 512);
}

/* Of this process or a child; scratch memory on the near side, an arena on the far one. */
long op_vm_copy(struct worker *w)
{
	size_t bytes = 1 + choose_bytes(w) % (SCRATCH_RW * PAGE);
	struct iovec near = { .iov_base = w->array, .iov_len = bytes };
	struct iovec far = { .iov_base = (void *)(uintptr_t)choose_memory(w), .iov_len = bytes };
	int pid = w->pids[below(w, DICE_TARGET, NR_PIDS)];

	if (!pid || one_in(w, DICE_TARGET, 2))
		pid = sys(SYS_getpid);
	if (one_in(w, DICE_VALUE, 4))
		near.iov_base = (void *)(uintptr_t)choose_memory(w);
	return sys(below(w, DICE_VALUE, 2) ? SYS_process_vm_readv : SYS_process_vm_writev,
		   pid, &near, 1, &far, 1, 0);
}

long op_mem_file(struct worker *w)
{
	long fd = sys(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR, 0), ret;
	size_t bytes = 1 + choose_bytes(w) % (SCRATCH_RW * PAGE);

	if (fd < 0)
		return fd;
	ret = sys(below(w, DICE_VALUE, 2) ? SYS_pread64 : SYS_pwrite64, fd, w->array, bytes,
		  choose_memory(w));
	sys(SYS_close, fd);
	return ret;
}

/* Through a pipe from one place of an arena to another; and other calls that write there. */
long op_pipe(struct worker *w)
{
	void *from = (void *)(uintptr_t)choose_memory(w);
	void *to = (void *)(uintptr_t)choose_memory(w);
	size_t bytes = choose_bytes(w);
	int fds[2];
	long ret;

	if (one_in(w, DICE_VALUE, 3))
		return sys(SYS_getrandom, to, bytes % 4096, 0);
	ret = sys(SYS_pipe2, fds, O_NONBLOCK);
	if (ret)
		return ret;
	ret = sys(SYS_write, fds[1], from, bytes);
	if (ret > 0)
		ret = sys(SYS_read, fds[0], to, bytes);
	sys(SYS_close, fds[0]);
	sys(SYS_close, fds[1]);
	return ret;
}

/* The pipe holds references to the pages; it may live on while the chunk goes. */
long op_splice(struct worker *w)
{
	struct iovec io = {
		.iov_base = (void *)(uintptr_t)choose_memory(w), .iov_len = choose_bytes(w),
	};
	unsigned int gift = below(w, DICE_VALUE, 2) ? SPLICE_F_GIFT : 0;
	int fds[2];
	long ret;

	ret = sys(SYS_pipe2, fds, O_NONBLOCK);
	if (ret)
		return ret;
	ret = sys(SYS_vmsplice, fds[1], &io, 1, SPLICE_F_NONBLOCK | gift);
	if (ret > 0 && one_in(w, DICE_VALUE, 2))
		ret = sys(SYS_read, fds[0], w->array, ret % (SCRATCH_RW * PAGE));
	sys(SYS_close, fds[1]);
	remember_file(w, fds[0]);
	return ret;
}

/* Where the file system has it; tmpfs and the like say EINVAL. */
long op_direct(struct worker *w)
{
	static const char * const files[] = { "/tmp", "/var/tmp", "." };
	uint64_t at = choose_memory(w) & ~4095ULL;
	long fd, ret;

	fd = sys(SYS_openat, AT_FDCWD, files[below(w, DICE_TARGET, 3)],
		 O_TMPFILE | O_RDWR | O_DIRECT, 0600);
	if (fd < 0)
		return fd;
	ret = sys(SYS_pwrite64, fd, at, 4096 * (1 + below(w, DICE_VALUE, 8)), 0);
	if (ret > 0)
		ret = sys(SYS_pread64, fd, choose_memory(w) & ~4095ULL, ret, 0);
	sys(SYS_close, fd);
	return ret;
}

/* A futex word in an arena is keyed by its page. */
long op_futex(struct worker *w)
{
	struct timespec soon = { .tv_nsec = 2000000 };
	uint64_t at = choose_memory(w);
	int private = below(w, DICE_VALUE, 2) ? FUTEX_PRIVATE_FLAG : 0;

	if (one_in(w, DICE_VALUE, 2))
		return sys(SYS_futex, at, FUTEX_WAKE | private, 1, NULL, NULL, 0);
	if (one_in(w, DICE_VALUE, 4))
		return sys(SYS_futex, at, FUTEX_LOCK_PI | private, 0, &soon, NULL, 0);
	return sys(SYS_futex, at, FUTEX_WAIT | private, 0, &soon, NULL, 0);
}
