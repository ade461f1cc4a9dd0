/* SPDX-License-Identifier: GPL-2.0 */
/* The operations that programs are made of: ops.c lists them all. */
#ifndef TESTS_FUZZ_OPS_H
#define TESTS_FUZZ_OPS_H

struct worker;

/**
 * struct op_info - one kind of operation
 * @name: in programs that are written down
 * @run: does it. Returns what the last system call did, 0 or above, or -errno
 * @weight: how often it is chosen
 */
struct op_info {
	const char *name;
	long (*run)(struct worker *w);
	unsigned int weight;
};

extern const struct op_info ops[];
extern const unsigned int nr_ops;

/* commands.c: one for each ioctl */
long op_info(struct worker *w);
long op_create(struct worker *w);
long op_classes(struct worker *w);
long op_type_add(struct worker *w);
long op_refill(struct worker *w);
long op_release(struct worker *w);
long op_alloc(struct worker *w);
long op_free(struct worker *w);
long op_collect(struct worker *w);
long op_roots_add(struct worker *w);
long op_roots_del(struct worker *w);
long op_set(struct worker *w);
long op_stats(struct worker *w);
long op_object(struct worker *w);
long op_pin(struct worker *w);
long op_unpin(struct worker *w);
long op_permanent(struct worker *w);
long op_name(struct worker *w);
long op_id(struct worker *w);
long op_unknown(struct worker *w);

/* memory.c: mappings of arenas */
long op_map(struct worker *w);
long op_unmap(struct worker *w);
long op_remap(struct worker *w);
long op_protect(struct worker *w);
long op_advise(struct worker *w);
long op_lock(struct worker *w);
long op_inspect(struct worker *w);
long op_store(struct worker *w);
long op_load(struct worker *w);

/* files.c: descriptors, and data that the kernel moves */
long op_open(struct worker *w);
long op_close(struct worker *w);
long op_dup(struct worker *w);
long op_reopen(struct worker *w);
long op_file(struct worker *w);
long op_pass(struct worker *w);
long op_take_fd(struct worker *w);
long op_proc(struct worker *w);

/* io.c: arena memory as the buffer of other system calls */
long op_vm_copy(struct worker *w);
long op_mem_file(struct worker *w);
long op_pipe(struct worker *w);
long op_splice(struct worker *w);
long op_direct(struct worker *w);
long op_futex(struct worker *w);

/* netlink.c: the generic netlink family */
long op_nl_socket(struct worker *w);
long op_nl_ask(struct worker *w);
long op_nl_dump(struct worker *w);
long op_nl_group(struct worker *w);
long op_nl_read(struct worker *w);

/* process.c: threads, processes, signals */
long op_fork(struct worker *w);
long op_exec(struct worker *w);
long op_clone_vm(struct worker *w);
long op_kill(struct worker *w);
long op_signal(struct worker *w);
long op_timer(struct worker *w);
long op_trace(struct worker *w);
long op_be_traced(struct worker *w);
long op_pause(struct worker *w);

#endif
