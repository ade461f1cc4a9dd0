// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings of arenas, and the program's own loads and stores. Everything stays inside
 * what an arena covers or once covered, and the windows.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "fuzz/ops.h"
#include "fuzz/sys.h"
#include "fuzz/world.h"

/* What spans a thread has is not known after these: before and after the call. */
#define CHANGES_MAPPINGS(call) ({		\
	long ret_;				\
						\
	world.generation++;			\
	ret_ = (call);				\
	world.generation++;			\
	ret_;					\
})

static uint64_t window(struct worker *w)
{
	return WINDOW_BASE + below(w, DICE_TARGET, NR_WINDOWS) * WINDOW_BYTES;
}

static uint64_t reserve_of(const struct arena *arena)
{
	struct gcarena_info info = { .size = sizeof(info) };

	if (arena->reserve)
		return arena->reserve;
	return sys(SYS_ioctl, arena->fd, GCARENA_IOC_INFO, &info) ? 0 : info.reserve;
}

/* @flags are good already; make them bad. The length stays what it may be at @addr. */
static void damage_map(struct worker *w, uint64_t *len, int *prot, int *flags, uint64_t *offset)
{
	switch (below(w, DICE_HOSTILE, 8)) {
	case 0:
		*len = *len > 2 * PAGE ? *len - PAGE * (1 + below(w, DICE_HOSTILE, 2)) : PAGE;
		break;
	case 1:
		*offset = interesting(&w->dice[DICE_HOSTILE]);
		break;
	case 2:
		*flags = (*flags & ~MAP_TYPE) | MAP_PRIVATE;
		break;
	case 3:
		*flags = (*flags & ~MAP_TYPE) | MAP_SHARED_VALIDATE |
			 (below(w, DICE_HOSTILE, 2) ? MAP_SYNC : 0);
		break;
	case 4:
		*prot = below(w, DICE_HOSTILE, 8);
		break;
	case 5:
		*flags |= MAP_HUGETLB;
		break;
	case 6:
		*flags |= 1 << (13 + below(w, DICE_HOSTILE, 4));	/* LOCKED to NONBLOCK */
		break;
	default:
		*len = below(w, DICE_HOSTILE, 4) * 2 * MIB;
	}
}

static void note_mapping(struct arena *arena, long base, uint64_t len)
{
	struct gcarena_info info = { .size = sizeof(info) };

	if (sys(SYS_ioctl, arena->fd, GCARENA_IOC_INFO, &info) || info.base != (uint64_t)base)
		return;
	arena->reserve = len;
	arena->base = base;
}

long op_map(struct worker *w)
{
	struct arena *arena = choose_arena(w);
	uint64_t len = reserve_of(arena), addr = 0, offset = 0;
	int flags = MAP_SHARED, prot = PROT_READ | PROT_WRITE;
	long ret;

	switch (below(w, DICE_PLACE, 8)) {
	case 0:
		addr = window(w);
		flags |= below(w, DICE_PLACE, 2) ? MAP_FIXED : MAP_FIXED_NOREPLACE;
		if (len > WINDOW_BYTES)
			addr = WINDOW_BASE + NR_WINDOWS * WINDOW_BYTES;
		break;
	case 1:
		/* In place of itself. */
		addr = arena->base;
		flags |= addr ? MAP_FIXED : 0;
		break;
	case 2:
		addr = window(w) + below(w, DICE_PLACE, 3) * PAGE;
		break;
	}
	if (one_in(w, DICE_HOSTILE, 4))
		damage_map(w, &len, &prot, &flags, &offset);
	if ((flags & MAP_FIXED) && arena->reserve && len > arena->reserve)
		len = arena->reserve;
	ret = CHANGES_MAPPINGS(sys(SYS_mmap, addr, len, prot, flags, arena->fd, offset));
	CHECK_CALL("mmap", ret, EINVAL, EACCES, EADDRINUSE, EBUSY, ENOMEM, EAGAIN, EEXIST, EBADF,
		   EOPNOTSUPP, EOVERFLOW, ENODEV, EPERM);
	if (ret > 0)
		note_mapping(arena, ret, len);
	return ret;
}

/* A piece of an arena's range, page-aligned. */
static void piece(struct worker *w, struct arena *arena, uint64_t *start, uint64_t *len)
{
	uint64_t reserve = arena->reserve, pages;

	*start = arena->base;
	*len = reserve;
	if (!reserve || one_in(w, DICE_VALUE, 3))
		return;
	if (reserve > 16 * MIB && !one_in(w, DICE_VALUE, 8))
		reserve = 16 * MIB;
	pages = below(w, DICE_VALUE, reserve / PAGE);
	*start += pages * PAGE;
	*len = reserve - pages * PAGE;
	if (one_in(w, DICE_VALUE, 2))
		*len = (1 + below(w, DICE_VALUE, 16)) * PAGE;
	if (*start + *len > arena->base + arena->reserve)
		*len = PAGE;
}

long op_unmap(struct worker *w)
{
	struct arena *arena = choose_arena(w);
	uint64_t start, len;
	long ret;

	piece(w, arena, &start, &len);
	if (!len)
		return -EINVAL;
	ret = CHANGES_MAPPINGS(sys(SYS_munmap, start, len));
	CHECK_CALL("munmap", ret, EINVAL, ENOMEM);
	return ret;
}

long op_remap(struct worker *w)
{
	static const int how[] = {
		0, MREMAP_MAYMOVE, MREMAP_MAYMOVE, MREMAP_MAYMOVE | MREMAP_FIXED,
		MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
	};
	struct arena *arena = choose_arena(w);
	int flags = how[below(w, DICE_VALUE, 5)];
	uint64_t start, len, new_len;
	long ret;

	piece(w, arena, &start, &len);
	new_len = len;
	switch (below(w, DICE_HOSTILE, 4)) {
	case 0:
		new_len = 2 * len;
		break;
	case 1:
		new_len = len / 2 & ~(PAGE - 1);
		break;
	case 2:
		len = 0;	/* duplicate a shared mapping */
		break;
	}
	if (new_len > WINDOW_BYTES && (flags & MREMAP_FIXED))
		return -EINVAL;
	ret = CHANGES_MAPPINGS(sys(SYS_mremap, start, len, new_len, flags, window(w)));
	CHECK_CALL("mremap", ret, EINVAL, EFAULT, ENOMEM, EAGAIN);
	return ret;
}

long op_protect(struct worker *w)
{
	struct arena *arena = choose_arena(w);
	uint64_t start, len;
	int prot = below(w, DICE_HOSTILE, 3) ? PROT_READ | PROT_WRITE : below(w, DICE_HOSTILE, 8);

	piece(w, arena, &start, &len);
	if (!one_in(w, DICE_HOSTILE, 16))
		return sys(SYS_mprotect, start, len, prot);
	return sys(SYS_pkey_mprotect, start, len, prot, below(w, DICE_HOSTILE, 3));
}

long op_advise(struct worker *w)
{
	struct arena *arena = choose_arena(w);
	uint64_t start, len;
	int advice;

	piece(w, arena, &start, &len);
	/* MADV_HWPOISON and above would take memory from the machine. */
	advice = one_in(w, DICE_HOSTILE, 2) ? MADV_DONTNEED : below(w, DICE_HOSTILE, 30);
	if (advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE)
		len = len > 64 * PAGE ? 64 * PAGE : len;
	return sys(SYS_madvise, start, len, advice);
}

long op_lock(struct worker *w)
{
	struct arena *arena = choose_arena(w);
	uint64_t start, len;

	piece(w, arena, &start, &len);
	switch (below(w, DICE_HOSTILE, 6)) {
	case 0:
	case 1:
		return sys(SYS_mlock, start, len);
	case 2:
		return sys(SYS_mlock2, start, len, MLOCK_ONFAULT);
	case 3:
		return sys(SYS_mlockall, MCL_FUTURE | below(w, DICE_HOSTILE, 2) * MCL_ONFAULT);
	case 4:
		return sys(SYS_munlockall);
	default:
		return sys(SYS_munlock, start, len);
	}
}

/* A fault handler that never answers would stop the round: only the asking is tried. */
static long try_userfaultfd(uint64_t start, uint64_t len)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { start, len }, .mode = UFFDIO_REGISTER_MODE_WP,
	};
	int fd = sys(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	long ret;

	if (fd < 0)
		return fd;
	ret = sys(SYS_ioctl, fd, UFFDIO_API, &api) ?: sys(SYS_ioctl, fd, UFFDIO_REGISTER, &reg);
	sys(SYS_close, fd);
	return ret;
}

long op_inspect(struct worker *w)
{
	struct arena *arena = choose_arena(w);
	uint64_t start, len;
	long ret;

	piece(w, arena, &start, &len);
	if (len > 256 * PAGE)
		len = 256 * PAGE;
	switch (below(w, DICE_HOSTILE, 6)) {
	case 0:
		return sys(SYS_mincore, start, len, w->array);
	case 1:
		return sys(SYS_msync, start, len, 1 << below(w, DICE_HOSTILE, 3));
	case 2:
		return sys(SYS_mbind, start, len, below(w, DICE_HOSTILE, 5), NULL, 0,
			   below(w, DICE_HOSTILE, 8));
	case 3:
		ret = CHANGES_MAPPINGS(sys(SYS_remap_file_pages, start, len, 0,
					   below(w, DICE_HOSTILE, 16), 0));
		return ret;
	case 4:
		return try_userfaultfd(start, len);
	default:
		return sys(SYS_get_mempolicy, NULL, NULL, 0, start, 3);
	}
}

/* ---- What programs do with arenas all the time ------------------------- */

/* Link objects to each other, or write nonsense. */
long op_store(struct worker *w)
{
	unsigned int n = 1 + below(w, DICE_VALUE, 8);
	long done = 0;

	while (n--) {
		uint64_t at = choose_memory(w), value = choose_object(w);

		if (one_in(w, DICE_HOSTILE, 4))
			value = interesting(&w->dice[DICE_HOSTILE]);
		else
			value += below(w, DICE_VALUE, 64);
		done += store(w, at, &value, sizeof(value));
	}
	return done;
}

long op_load(struct worker *w)
{
	unsigned int n = 1 + below(w, DICE_VALUE, 8);
	uint64_t at = choose_memory(w), value;
	long done = 0;

	/* Follow pointers, if they are some. */
	while (n-- && load(w, at, &value, sizeof(value))) {
		if (value - world.arenas[0].base < world.arenas[0].reserve)
			at = value & ~7ULL;
		else
			at = choose_memory(w);
		done++;
	}
	return done;
}
