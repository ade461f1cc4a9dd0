/* SPDX-License-Identifier: GPL-2.0 */
/* What differs between processors: where a thread keeps things. */
#ifndef GCARENA_ARCH_H
#define GCARENA_ARCH_H

#include <linux/ptrace.h>
#include <linux/sched.h>

#include "compat.h"

#ifdef CONFIG_X86_64
#include <asm/fpu/types.h>
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

/*
 * The vector registers of a thread that is off its CPU, as they were saved: words to scan,
 * in whatever order. (The interface that core dumps use must not be called by a worker.)
 */
static inline const unsigned long *gcarena_vector_registers(struct task_struct *task, size_t *bytes)
{
	const struct fpstate *state = gcarena_task_fpu(task)->fpstate;

	*bytes = state->size;
	return (const unsigned long *)&state->regs;
}

#elif defined(CONFIG_ARM64)
#include <asm/sysreg.h>

#define GCARENA_RED_ZONE	0
/* TLS lies above the thread pointer; struct pthread is just below. */
#define GCARENA_TLS_ABOVE	65536

static inline unsigned long gcarena_thread_pointer(struct task_struct *task)
{
	return task == current ? read_sysreg(tpidr_el0) : *task_user_tls(task);
}

/* SVE registers overlap these; what is above their low halves is not read. */
static inline const unsigned long *gcarena_vector_registers(struct task_struct *task, size_t *bytes)
{
	*bytes = sizeof(task->thread.uw.fpsimd_state.vregs);
	return (const unsigned long *)&task->thread.uw.fpsimd_state.vregs;
}

#else
#error "gcarena does not know where this processor keeps the thread pointer"
#endif

#endif
