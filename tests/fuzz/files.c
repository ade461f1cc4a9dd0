// SPDX-License-Identifier: GPL-2.0
/* Descriptors of arenas: opened, copied, handed round, closed, and used as other files. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "fuzz/ops.h"
#include "fuzz/sys.h"
#include "fuzz/world.h"

long op_open(struct worker *w)
{
	static const int modes[] = {
		O_RDWR, O_RDWR, O_RDWR | O_CLOEXEC, O_RDWR, O_RDWR, O_RDWR, O_RDONLY, O_WRONLY,
		O_PATH,
	};
	struct arena *arena = &world.arenas[below(w, DICE_TARGET, NR_ARENAS)];
	long fd;

	world.generation++;
	if (one_in(w, DICE_VALUE, 2)) {
		arena->base = 0;
		arena->reserve = 0;
		fill_arena(arena, &w->dice[DICE_VALUE]);
		world.generation++;
		return arena->fd;
	}
	fd = sys(SYS_openat, AT_FDCWD, "/dev/gcarena",
		 modes[below(w, DICE_VALUE, 9)] | O_NONBLOCK, 0);
	CHECK_CALL("open", fd, ENOMEM, EMFILE);
	if (fd < 0)
		return fd;
	arena->base = 0;
	arena->reserve = 0;
	set_arena(arena, fd);
	world.generation++;
	return fd;
}

/* Of an arena that stays mapped, mostly; or a number that is still believed in. */
long op_close(struct worker *w)
{
	struct arena *arena = choose_arena(w);
	int fd;

	world.generation++;
	if (one_in(w, DICE_TARGET, 2)) {
		set_arena(arena, -1);
		return 0;
	}
	fd = one_in(w, DICE_TARGET, 4) ? arena->fd : choose_any_fd(w);
	return fd > 2 && fd < SHARED_FD ? sys(SYS_close, fd) : -EBADF;
}

long op_dup(struct worker *w)
{
	struct arena *arena = choose_arena(w);
	long fd;

	world.generation++;
	switch (below(w, DICE_VALUE, 6)) {
	case 0:
		fd = sys(SYS_dup, arena->fd);
		remember_file(w, fd);
		return fd;
	case 1:
	case 2:
		/* Another mapping of the same arena has to have the same base. */
		fd = sys(SYS_dup, arena->fd);
		if (fd > 0)
			set_arena(&world.arenas[below(w, DICE_VALUE, NR_ARENAS)], fd);
		return fd;
	case 3:
		/* The other arena goes, if this was all it had; its mappings stay. */
		fd = choose_fd(w);
		return fd > 2 ? sys(SYS_dup3, arena->fd, fd, 0) : -EBADF;
	default:
		fd = sys(SYS_fcntl, arena->fd, F_DUPFD, 50 + below(w, DICE_VALUE, 20));
		remember_file(w, fd);
		return fd;
	}
}

/* Through /proc: another arena, not the same one. */
long op_reopen(struct worker *w)
{
	char path[32];
	long fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", choose_fd(w));
	fd = sys(SYS_openat, AT_FDCWD, path, O_RDWR | O_NONBLOCK, 0);
	remember_file(w, fd);
	return fd;
}

static long file_poll(int fd)
{
	struct pollfd poll = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI };
	struct timespec soon = { .tv_nsec = 1000000 };

	return sys(SYS_ppoll, &poll, 1, &soon, NULL, 0);
}

/*
 * Calls of all files that an arena has not, or that the kernel answers for it, and events.
 * Always O_NONBLOCK: who waits for an event that never comes is no failure.
 */
long op_file(struct worker *w)
{
	int fd = choose_arena(w)->fd, other = choose_any_fd(w);
	struct stat stat;
	long ret;

	switch (below(w, DICE_VALUE, 16)) {
	case 0:
		ret = sys(SYS_read, fd, w->array, 64);
		return ret;
	case 1:
		return sys(SYS_write, fd, w->array, 64);
	case 2:
		return file_poll(fd);
	case 3:
		return sys(SYS_lseek, fd, interesting(&w->dice[DICE_VALUE]),
			   below(w, DICE_HOSTILE, 5));
	case 4:
		return sys(SYS_pread64, fd, w->array, 64, interesting(&w->dice[DICE_VALUE]));
	case 5:
		return sys(SYS_ftruncate, fd, interesting(&w->dice[DICE_VALUE]));
	case 6:
		return sys(SYS_fallocate, fd, below(w, DICE_HOSTILE, 64), 0, MIB);
	case 7:
		return sys(SYS_fsync, fd);
	case 8:
		return sys(SYS_splice, fd, NULL, other, NULL, PAGE, SPLICE_F_NONBLOCK);
	case 9:
		return sys(SYS_sendfile, other, fd, NULL, PAGE);
	case 10:
		return sys(SYS_copy_file_range, fd, NULL, other, NULL, PAGE, 0);
	case 11:
		return sys(SYS_flock, fd, LOCK_EX | LOCK_NB);
	case 12:
		return sys(SYS_fcntl, fd, F_SETFL,
			   O_NONBLOCK | (below(w, DICE_HOSTILE, 2) ? O_ASYNC : O_DIRECT));
	case 13:
		return sys(SYS_fadvise64, fd, 0, MIB, below(w, DICE_HOSTILE, 6));
	case 14:
		return sys(SYS_readahead, fd, 0, MIB);
	default:
		return sys(SYS_fstat, fd, &stat);
	}
}

/* Into a socket, which is closed with the descriptor inside, or received. */
long op_pass(struct worker *w)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .header = {
		.cmsg_len = CMSG_LEN(sizeof(int)),
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
	} };
	char byte = 0;
	struct iovec io = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &io, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct arena *arena = choose_arena(w);
	int pair[2], fd = arena->fd;
	long ret;

	ret = sys(SYS_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair);
	if (ret)
		return ret;
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	ret = sys(SYS_sendmsg, pair[0], &message, 0);
	if (one_in(w, DICE_VALUE, 4))
		set_arena(arena, -1);
	if (ret >= 0 && !one_in(w, DICE_VALUE, 3)) {
		message.msg_controllen = sizeof(control);
		ret = sys(SYS_recvmsg, pair[1], &message, 0);
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
		if (ret == 1 && message.msg_controllen >= CMSG_LEN(sizeof(int)))
			remember_file(w, fd);
	}
	sys(SYS_close, pair[0]);
	/* A socket with arenas in flight to itself is for the kernel's own collector. */
	if (one_in(w, DICE_VALUE, 4))
		remember_file(w, pair[1]);
	else
		sys(SYS_close, pair[1]);
	return ret;
}

/* A descriptor of a child, maybe one that we have closed ourselves; or a file as arena. */
long op_take_fd(struct worker *w)
{
	struct arena *arena = choose_arena(w);
	int pidfd, fd;

	if (one_in(w, DICE_VALUE, 2)) {
		world.generation++;
		fd = sys(SYS_dup, choose_any_fd(w));
		if (fd < 0)
			return fd;
		arena->base = 0;
		arena->reserve = 0;
		set_arena(arena, fd);
		return fd;
	}
	pidfd = sys(SYS_pidfd_open, w->pids[below(w, DICE_TARGET, NR_PIDS)], 0);
	if (pidfd < 0)
		return pidfd;
	fd = sys(SYS_pidfd_getfd, pidfd, arena->fd, 0);
	sys(SYS_close, pidfd);
	remember_file(w, fd);
	return fd;
}

static long read_proc(struct worker *w, const char *path)
{
	long fd = sys(SYS_openat, AT_FDCWD, path, O_RDONLY, 0), ret;

	if (fd < 0)
		return fd;
	do {
		ret = sys(SYS_read, fd, w->array, SCRATCH_RW * PAGE);
	} while (ret > 0);
	sys(SYS_close, fd);
	return ret;
}

long op_proc(struct worker *w)
{
	char path[48];
	long fd, ret;

	switch (below(w, DICE_VALUE, 6)) {
	case 0:
		return read_proc(w, "/proc/self/smaps");
	case 1:
		return read_proc(w, "/proc/self/numa_maps");
	case 2:
		return read_proc(w, "/proc/self/maps");
	case 3:
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", choose_fd(w));
		return read_proc(w, path);
	case 4:
		fd = sys(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY, 0);
		ret = sys(SYS_pread64, fd, w->array, PAGE, choose_memory(w) / PAGE * 8);
		sys(SYS_close, fd);
		return ret;
	default:
		/* Soft-dirty and referenced bits, cleared under everybody's feet. */
		fd = sys(SYS_openat, AT_FDCWD, "/proc/self/clear_refs", O_WRONLY, 0);
		ret = sys(SYS_write, fd, below(w, DICE_HOSTILE, 2) ? "1" : "4", 1);
		sys(SYS_close, fd);
		return ret;
	}
}
