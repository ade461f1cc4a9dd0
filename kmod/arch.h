/* SPDX-License-Identifier: GPL-2.0 */
/* What differs between processors: where a thread keeps things. */
#ifndef GCARENA_ARCH_H
#define GCARENA_ARCH_H

#include <linux/ptrace.h>
#include <linux/sched.h>

#ifdef CONFIG_X86_64
#include <asm/fsgsbase.h>

/* Bytes below the stack pointer that a leaf function may use (System V ABI). */
#define GCARENA_RED_ZONE	128
/* TLS lies below the thread pointer; glibc's struct pthread, with the values of
 * pthread_setspecific(), is the 2304 bytes from there on.
 */
#define GCARENA_TLS_ABOVE	2304

static inline unsigned long gcarena_thread_pointer(struct task_struct *task)
{
	return task == current ? x86_fsbase_read_cpu() : task->thread.fsbase;
}

/* The register set, as in core dumps, that has all vector registers. */
#define GCARENA_NT_VECTOR	NT_X86_XSTATE

#elif defined(CONFIG_ARM64)
#include <asm/sysreg.h>

#define GCARENA_RED_ZONE	0
/* TLS lies above the thread pointer; struct pthread is just below. */
#define GCARENA_TLS_ABOVE	65536

static inline unsigned long gcarena_thread_pointer(struct task_struct *task)
{
	return task == current ? read_sysreg(tpidr_el0) : *task_user_tls(task);
}

#define GCARENA_NT_VECTOR	NT_PRFPREG

#else
#error "gcarena does not know where this processor keeps the thread pointer"
#endif

#endif
