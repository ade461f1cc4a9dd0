/* SPDX-License-Identifier: GPL-2.0 */
/*
 * System calls that return -errno and touch nothing else: errno lies in thread-local
 * storage, which a CLONE_VM process shares with the thread that made it.
 */
#ifndef TESTS_FUZZ_SYS_H
#define TESTS_FUZZ_SYS_H

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline long sys_call(long nr, long a, long b, long c, long d, long e, long f)
{
#ifdef __x86_64__
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	register long r9 asm("r9") = f;
	long ret;

	asm volatile("syscall"
		     : "=a"(ret)
		     : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
		     : "rcx", "r11", "memory");
	return ret;
#else
	long ret = syscall(nr, a, b, c, d, e, f);

	return ret < 0 ? -errno : ret;
#endif
}

#define sys_pad(nr, a, b, c, d, e, f, ...)					\
	sys_call(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* sys(SYS_close, fd): up to six arguments, missing ones are 0 */
#define sys(...)	sys_pad(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

#endif
