// SPDX-License-Identifier: GPL-2.0
/*
 * Roots: where the program's pointers are.
 *
 * Found without the program's help, in every process that maps the arena: its writable
 * data segments, and of every thread the general and the vector registers, the stack
 * from the stack pointer on, and thread-local storage. On top come the ranges that
 * the program added; with GCARENA_ROOTS_EXPLICIT they are all there is.
 *
 * Vector registers of the calling thread are not read: it has called ioctl(), and a call
 * destroys them (System V ABI), so they hold nothing but leftovers. Those of another
 * thread are read as they were saved when it last left its CPU; of a thread that is in
 * a cycle of another arena that may be long ago, and the same holds as for the caller.
 *
 * When in doubt, memory is scanned: too many roots cost time, a missing one costs
 * an object.
 *
 * Lists of VMAs are made under mmap_lock, and the memory is read after it was dropped:
 * reading may fault. The world is stopped, so the lists stay true. Memory that
 * cannot be read, the program cannot read either; for an added range that is an error.
 * Unless what is missing is memory to read it into: then the cycle is given up.
 */
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/uaccess.h>

#include "arch.h"
#include "arena.h"
#include "compat.h"
#include "fault.h"
#include "mark.h"
#include "move.h"
#include "park.h"
#include "verify.h"
#include "zeal.h"

#define BUFFER_BYTES	(32UL * 1024)

/* Memory of devices or of an arena: never a root. */
#define VM_NEVER	(VM_IO | VM_PFNMAP | VM_MIXEDMAP)

/* Memory of others, or that is known to hold no pointers: no root by itself. */
#define VM_NO_DATA	(VM_NEVER | VM_SHARED | VM_WIPEONFORK)

/**
 * struct gcarena_range - a range that the program added
 * @node: in ranges->root, by start and end
 * @start: first byte
 * @end: one past the last
 * @count: how often it was added
 */
struct gcarena_range {
	struct rb_node node;
	u64 start;
	u64 end;
	u32 count;
};

/**
 * struct gcarena_ranges - all ranges of a process, or of several after fork()
 * @refs: mappings that share it. With more than one it is copied before a change
 * @root: struct gcarena_range
 * @nr: how many
 *
 * Read and changed under the heap lock. The pointer to it in a mapping changes under
 * mappings_lock as well, as fork() takes a reference under that alone.
 */
struct gcarena_ranges {
	refcount_t refs;
	struct rb_root root;
	u32 nr;
};

/**
 * struct scan - reading roots
 * @arena: the arena
 * @m: where words go, or NULL: nobody traces
 * @verifier: where they go as well, or NULL
 * @task: a thread in the address space that is being read
 * @mm: that address space; a reference
 * @buffer: BUFFER_BYTES
 * @bytes: read so far
 * @precise: what is read now are precise slots: they pin nothing
 * @since: struct gcarena_mapping.id of the newest that was there when the cycle began
 * @any_old: the memory has been read of a process that was there then. Who is about to die
 *	has none any more, though its mapping may be there still
 */
struct scan {
	struct gcarena *arena;
	struct gcarena_marker *m;
	struct gcarena_verifier *verifier;
	struct task_struct *task;
	struct mm_struct *mm;
	unsigned long *buffer;
	u64 bytes;
	bool precise;
	u64 since;
	bool any_old;
};

/**
 * struct area - memory to scan
 * @start: first byte
 * @end: one past the last
 */
struct area {
	unsigned long start;
	unsigned long end;
};

/**
 * struct finder - looking for areas among the VMAs
 * @mm: the address space
 * @areas: found so far
 * @nr: how many; more than @room: some are missing
 * @room: entries in @areas
 * @all: all private memory is wanted
 * @image_end: end of the last VMA that belongs to a file mapped privately: an
 *	anonymous one that starts there is its .bss
 */
struct finder {
	struct mm_struct *mm;
	struct area *areas;
	unsigned int nr;
	unsigned int room;
	bool all;
	unsigned long image_end;
};

static int range_compare(const struct gcarena_range *range, u64 start, u64 end)
{
	if (start != range->start)
		return start < range->start ? -1 : 1;
	return end < range->end ? -1 : end > range->end;
}

/* Find the range, or the place where it would be. */
static struct gcarena_range *range_find(struct gcarena_ranges *ranges, u64 start, u64 end,
					struct rb_node **parent, struct rb_node ***link)
{
	struct rb_node **node = &ranges->root.rb_node;

	*parent = NULL;
	while (*node) {
		struct gcarena_range *range = rb_entry(*node, struct gcarena_range, node);
		int side = range_compare(range, start, end);

		if (!side)
			return range;
		*parent = *node;
		node = side < 0 ? &(*node)->rb_left : &(*node)->rb_right;
	}
	*link = node;
	return NULL;
}

static int range_insert(struct gcarena_ranges *ranges, u64 start, u64 end, u32 count)
{
	struct rb_node *parent, **link;
	struct gcarena_range *range = range_find(ranges, start, end, &parent, &link);

	if (range && range->count <= U32_MAX - count) {
		range->count += count;
		return 0;
	}
	if (range || ranges->nr >= GCARENA_ROOTS_RANGES_MAX)
		return -ENOSPC;
	range = kmalloc(sizeof(*range), GCARENA_GFP);
	if (!range)
		return -ENOMEM;
	range->start = start;
	range->end = end;
	range->count = count;
	rb_link_node(&range->node, parent, link);
	rb_insert_color(&range->node, &ranges->root);
	ranges->nr++;
	return 0;
}

/* One more user. NULL is nobody's. */
struct gcarena_ranges *gcarena_ranges_get(struct gcarena_ranges *ranges)
{
	if (ranges)
		refcount_inc(&ranges->refs);
	return ranges;
}

void gcarena_ranges_put(struct gcarena_ranges *ranges)
{
	struct gcarena_range *range, *next;

	if (!ranges || !refcount_dec_and_test(&ranges->refs))
		return;
	rbtree_postorder_for_each_entry_safe(range, next, &ranges->root, node)
		kfree(range);
	kfree(ranges);
}

static struct gcarena_ranges *ranges_copy(const struct gcarena_ranges *from)
{
	struct gcarena_ranges *to = kzalloc(sizeof(*to), GCARENA_GFP);
	struct rb_node *node;
	int ret = 0;

	if (!to)
		return NULL;
	refcount_set(&to->refs, 1);
	for (node = from ? rb_first(&from->root) : NULL; node && !ret; node = rb_next(node)) {
		struct gcarena_range *range = rb_entry(node, struct gcarena_range, node);

		ret = range_insert(to, range->start, range->end, range->count);
	}
	if (!ret)
		return to;
	gcarena_ranges_put(to);
	return NULL;
}

/* The process's own ranges, @which is in its mapping, to be changed. NULL: no memory. */
static struct gcarena_ranges *ranges_own(struct gcarena *arena, struct gcarena_ranges **which)
{
	struct gcarena_ranges *old = *which, *own;

	if (old && refcount_read(&old->refs) == 1)
		return old;
	own = ranges_copy(old);
	if (!own)
		return NULL;
	spin_lock(&arena->mappings_lock);
	*which = own;
	spin_unlock(&arena->mappings_lock);
	gcarena_ranges_put(old);
	return own;
}

static int range_add(struct gcarena_ranges *ranges, u64 start, u64 end)
{
	return range_insert(ranges, start, end, 1);
}

static int range_remove(struct gcarena_ranges *ranges, u64 start, u64 end)
{
	struct rb_node *parent, **link;
	struct gcarena_range *range = range_find(ranges, start, end, &parent, &link);

	if (!range)
		return -ENOENT;
	if (--range->count)
		return 0;
	rb_erase(&range->node, &ranges->root);
	ranges->nr--;
	kfree(range);
	return 0;
}

static int with_ranges_locked(struct gcarena *arena, u64 start, u64 end, bool precise,
			      int (*change)(struct gcarena_ranges *ranges, u64 start, u64 end))
{
	struct gcarena_mapping *mapping = gcarena_mapping_get(arena);
	struct gcarena_ranges *ranges;

	if (IS_ERR(mapping))
		return PTR_ERR(mapping);
	/* A slot in an object would be at another place after the object has moved. */
	if (precise && change == range_add && start < arena->heap.base + arena->params.reserve &&
	    end > arena->heap.base)
		return -EINVAL;
	ranges = ranges_own(arena, precise ? &mapping->slots : &mapping->ranges);
	return ranges ? change(ranges, start, end) : -ENOMEM;
}

static int with_ranges(struct gcarena *arena, u64 addr, u64 len, bool precise,
		       int (*change)(struct gcarena_ranges *ranges, u64 start, u64 end))
{
	int ret;

	if (!len || addr + len < addr || addr + len > TASK_SIZE)
		return -EINVAL;
	if (gcarena_lock(arena))
		return -EINTR;
	ret = with_ranges_locked(arena, addr, addr + len, precise, change);
	mutex_unlock(&arena->lock);
	return ret;
}

/* GCARENA_IOC_ROOTS_ADD. Return: 0 or a negative errno as in the ABI. */
int gcarena_range_add(struct gcarena *arena, u64 addr, u64 len, bool precise)
{
	return with_ranges(arena, addr, len, precise, range_add);
}

/* GCARENA_IOC_ROOTS_DEL. Return: 0 or a negative errno as in the ABI. */
int gcarena_range_del(struct gcarena *arena, u64 addr, u64 len, bool precise)
{
	return with_ranges(arena, addr, len, precise, range_remove);
}

/**
 * gcarena_range_next() - walk ranges by their starts
 * @ranges: the ranges, or NULL for none
 * @node: where to go on; NULL at first
 * @start: set to the first whole word
 * @end: set to the end of the last one
 *
 * Return: for the next call; NULL at the end.
 */
struct rb_node *gcarena_range_next(const struct gcarena_ranges *ranges, struct rb_node *node,
				   u64 *start, u64 *end)
{
	const struct gcarena_range *range;

	if (!ranges)
		return NULL;
	node = node ? rb_next(node) : rb_first(&ranges->root);
	if (!node)
		return NULL;
	range = rb_entry(node, struct gcarena_range, node);
	*start = round_up(range->start, sizeof(long));
	*end = max(*start, round_down(range->end, sizeof(long)));
	return node;
}

/*
 * Read memory of the address space. What our own protection keys forbid, another
 * thread may be using: then it is read as a debugger would.
 * Return: bytes read, from the start on.
 */
static unsigned long read_memory(struct scan *scan, unsigned long start, unsigned long bytes)
{
	unsigned long done = 0;
	int got;

	if (gcarena_fail_read())
		return 0;
	if (scan->mm == current->mm)
		done = bytes - copy_from_user(scan->buffer, (void __user *)start, bytes);
	if (done == bytes)
		return done;
	got = access_process_vm(scan->task, start + done, (void *)scan->buffer + done,
				bytes - done, 0);
	return done + max(got, 0);
}

/* What is in the buffer may be pointers. Return: 0 or -EINTR. */
static int scan_words(struct scan *scan, size_t nr)
{
	if (scan->arena->move)
		gcarena_move_root_words(scan->arena->move, scan->buffer, nr, scan->precise);
	if (scan->verifier)
		gcarena_verify_root_words(scan->verifier, scan->buffer, nr);
	return scan->m ? gcarena_mark_words(scan->m, scan->buffer, nr) : 0;
}

/*
 * Nothing could be read at @addr. Because nothing is there, or because a page could not
 * be had now? The program may have better luck later, and its pointers are there.
 * Return: 0: it can be read now; -ENOMEM; -EINTR; -EFAULT.
 */
static int why_unreadable(struct scan *scan, unsigned long addr)
{
	bool unlocked = false;
	int ret;

	if (mmap_read_lock_killable(scan->mm))
		return -EINTR;
	ret = fixup_user_fault(scan->mm, addr, 0, &unlocked);
	mmap_read_unlock(scan->mm);
	return ret && ret != -ENOMEM && ret != -EINTR ? -EFAULT : ret;
}

/*
 * Mark from one buffer full.
 * Return: bytes done, -EFAULT: nothing is readable, -ENOMEM, or -EINTR.
 */
static long scan_buffer(struct scan *scan, unsigned long start, unsigned long bytes)
{
	unsigned long got = round_down(read_memory(scan, start, bytes), sizeof(long));
	int ret;

	if (!got) {
		ret = why_unreadable(scan, start);
		if (ret)
			return ret;
		got = round_down(read_memory(scan, start, bytes), sizeof(long));
	}
	if (gcarena_checkpoint())
		return -EINTR;
	if (!got)
		return -EFAULT;
	bytes = got;
	scan->bytes += bytes;
	ret = scan_words(scan, bytes / sizeof(long));
	return ret ?: bytes;
}

/* @must: memory that cannot be read is an error. */
static int scan_area(struct scan *scan, struct area area, bool must)
{
	unsigned long at = round_up(area.start, sizeof(long));
	unsigned long end = round_down(area.end, sizeof(long));
	long done;

	while (at < end) {
		done = scan_buffer(scan, at, min(end - at, BUFFER_BYTES));
		if (done < 0 && (done != -EFAULT || must))
			return done;
		/* Go on behind the page that could not be read. */
		at = done < 0 ? round_down(at, PAGE_SIZE) + PAGE_SIZE : at + done;
	}
	return 0;
}

static int scan_ranges(struct scan *scan, const struct gcarena_ranges *ranges)
{
	struct rb_node *node = NULL;
	u64 start, end;
	int ret = 0;

	while (!ret && (node = gcarena_range_next(ranges, node, &start, &end)))
		ret = scan_area(scan, (struct area) { start, end }, true);
	return ret;
}

static int scan_slots(struct scan *scan, struct gcarena_mapping *mapping)
{
	int ret;

	scan->precise = true;
	ret = scan_ranges(scan, mapping->slots);
	scan->precise = false;
	if (!ret && scan->arena->move && mapping->slots)
		ret = gcarena_move_slots(scan->arena->move, scan->mm, mapping->slots);
	return ret;
}

static int scan_pins(struct scan *scan, struct gcarena_mapping *mapping)
{
	const unsigned int room = BUFFER_BYTES / sizeof(long);
	struct rb_node *node = NULL;
	unsigned int nr;
	int ret = 0;

	while (!ret && (nr = gcarena_pins_read(scan->arena, mapping, &node, scan->buffer, room)))
		ret = scan_words(scan, nr) ?: gcarena_checkpoint();
	return ret;
}

/* What is of precise slots is read as such, and not again as what only may be pointers. */
static int scan_around(struct scan *scan, struct area area, const struct gcarena_ranges *slots)
{
	struct rb_node *node = NULL;
	u64 start, end;
	int ret = 0;

	while (!ret && (node = gcarena_range_next(slots, node, &start, &end)) &&
	       start < area.end) {
		if (end <= area.start || start == end)
			continue;
		ret = scan_area(scan, (struct area) { area.start, start }, false);
		area.start = end;
	}
	return ret ?: scan_area(scan, area, false);
}

static bool contains(const struct vm_area_struct *vma, unsigned long addr)
{
	return vma->vm_start <= addr && addr < vma->vm_end;
}

static void found(struct finder *f, unsigned long start, unsigned long end)
{
	if (start >= end)
		return;
	if (f->nr < f->room)
		f->areas[f->nr] = (struct area) { start, end };
	f->nr++;
}

/*
 * .data is private and writable memory of a file. .bss is anonymous and comes directly
 * behind it; the program's own ends where the heap of brk() starts, which may be part of
 * the same VMA.
 */
static void find_data(struct finder *f, const struct vm_area_struct *vma)
{
	unsigned long end = vma->vm_end;

	if (!vma->vm_file && vma->vm_start >= f->mm->start_brk && vma->vm_start < f->mm->brk)
		return;
	if (!vma->vm_file && vma->vm_start < f->mm->start_brk)
		end = min(end, f->mm->start_brk);
	if (vma->vm_file || vma->vm_start == f->image_end ||
	    (vma->vm_start < f->mm->start_brk && vma->vm_end > f->mm->end_data))
		found(f, vma->vm_start, end);
}

/* Stacks are looked at with their threads: what is below a stack pointer is dead. */
static void find_in_vma(struct finder *f, const struct vm_area_struct *vma)
{
	bool image = vma->vm_file && !(vma->vm_flags & VM_SHARED);

	if ((vma->vm_flags & VM_WRITE) && !(vma->vm_flags & VM_NO_DATA) &&
	    !contains(vma, f->mm->start_stack)) {
		if (f->all)
			found(f, vma->vm_start, vma->vm_end);
		else
			find_data(f, vma);
	}
	if (image || (!vma->vm_file && vma->vm_start == f->image_end))
		f->image_end = vma->vm_end;
}

/* The world is stopped: map_count, and the list, stay as they are. */
static int find_areas(struct finder *f)
{
	VMA_ITERATOR(vmi, f->mm, 0);
	struct vm_area_struct *vma;

	if (mmap_read_lock_killable(f->mm))
		return -EINTR;
	for_each_vma(vmi, vma)
		find_in_vma(f, vma);
	mmap_read_unlock(f->mm);
	/* A root left out is an object lost: rather give the cycle up. */
	return f->nr <= f->room ? 0 : -ENOMEM;
}

/* The data segments of a process, or with @all its memory but for stacks; less @slots. */
static int scan_data(struct scan *scan, bool all, const struct gcarena_ranges *slots)
{
	struct finder f = { .mm = scan->mm, .all = all };
	unsigned int i;
	int ret;

	f.room = READ_ONCE(scan->mm->map_count) + 16;
	f.areas = kvmalloc_array(f.room, sizeof(*f.areas), GCARENA_GFP);
	if (!f.areas)
		return -ENOMEM;
	ret = find_areas(&f);
	for (i = 0; i < f.nr && !ret; i++)
		ret = scan_around(scan, f.areas[i], slots);
	kvfree(f.areas);
	return ret;
}

/*
 * Say whose memory is to be read. A worker has none of its own, and reads faster as a
 * guest of the process. Return: false: the process is gone.
 */
static bool scan_enter(struct scan *scan, struct task_struct *task)
{
	scan->task = task;
	scan->mm = task ? get_task_mm(task) : NULL;
	if (scan->mm && (current->flags & PF_KTHREAD))
		kthread_use_mm(scan->mm);
	return scan->mm;
}

static void scan_leave(struct scan *scan)
{
	if (current->flags & PF_KTHREAD)
		kthread_unuse_mm(scan->mm);
	/* Not the last reference: the thread is stopped, and has one. Else it is soon. */
	mmput_async(scan->mm);
	scan->mm = NULL;
}

/* Data segments, added ranges and pins of a process. */
static int scan_process(struct scan *scan, struct gcarena_mapping *mapping)
{
	struct task_struct *task = current;
	bool same;
	int ret = 0;

	mapping->scanned = scan->arena->stop;
	if (mapping->mm != current->mm)
		task = gcarena_park_task_of(scan->arena, mapping->mm);
	if (!scan_enter(scan, task))
		return 0;
	same = scan->mm == mapping->mm;
	if (same)
		ret = scan_ranges(scan, mapping->ranges) ?: scan_slots(scan, mapping) ?:
		      scan_pins(scan, mapping);
	if (!ret && scan->arena->params.root_mode != GCARENA_ROOTS_EXPLICIT)
		ret = scan_data(scan, scan->arena->params.root_mode == GCARENA_ROOTS_ALL,
				same ? mapping->slots : NULL);
	scan_leave(scan);
	/*
	 * The thread through which the memory was read is being killed: try again through
	 * another. When there is none left, the process takes its roots with it.
	 */
	if (task->flags & PF_EXITING && ret != -EINTR) {
		mapping->scanned = 0;
		return 0;
	}
	scan->any_old |= same && mapping->id <= scan->since;
	return ret;
}

static int scan_registers(struct scan *scan, const struct pt_regs *regs)
{
	BUILD_BUG_ON(sizeof(*regs) % sizeof(long));
	memcpy(scan->buffer, regs, sizeof(*regs));
	scan->bytes += sizeof(*regs);
	return scan_words(scan, sizeof(*regs) / sizeof(long));
}

static int scan_vector_registers(struct scan *scan)
{
	const unsigned long *words;
	size_t bytes, n;
	int ret = 0;

	for (words = gcarena_vector_registers(scan->task, &bytes); bytes && !ret; bytes -= n) {
		n = min_t(size_t, bytes, BUFFER_BYTES);
		/* As in scan_thread_memory(): it may be killed, and run on. */
		if (copy_from_kernel_nofault(scan->buffer, words, n))
			return 0;
		words += n / sizeof(long);
		scan->bytes += n;
		ret = scan_words(scan, n / sizeof(long));
	}
	return ret;
}

/* The writable VMA at @addr that may hold a stack, as an area. */
static bool find_vma_at(struct mm_struct *mm, unsigned long addr, struct area *area)
{
	struct vm_area_struct *vma = vma_lookup(mm, addr);

	if (!vma || !(vma->vm_flags & VM_WRITE) || (vma->vm_flags & VM_NEVER))
		return false;
	*area = (struct area) { vma->vm_start, vma->vm_end };
	return true;
}

#define MAX_THREAD_AREAS	3

/*
 * The stack in use, from the stack pointer to the end of its VMA; and thread-local
 * storage, unless it lies in there. A first thread on a signal stack or a coroutine's
 * has frames on its first stack, too, where its stack pointer was we do not know
 * where: all of it then.
 */
static unsigned int find_thread_areas(struct mm_struct *mm, unsigned long sp, unsigned long tp,
				      bool leader, struct area *areas)
{
	struct area stack = { }, other;
	unsigned int nr = 0;

	if (find_vma_at(mm, sp, &stack)) {
		areas[nr].start = max(stack.start, sp - GCARENA_RED_ZONE);
		areas[nr++].end = stack.end;
	}
	if (find_vma_at(mm, tp, &other) && other.start != stack.start) {
		areas[nr].start = other.start;
		areas[nr++].end = min(other.end, tp + GCARENA_TLS_ABOVE);
	}
	if (leader && find_vma_at(mm, mm->start_stack, &other) && other.start != stack.start)
		areas[nr++] = other;
	return nr;
}

static bool on_signal_stack(const struct task_struct *task, unsigned long sp)
{
	return task->sas_ss_size && sp - task->sas_ss_sp < task->sas_ss_size;
}

/*
 * Registers, stack and TLS of a thread that stands still. If it is killed meanwhile, it
 * may end while we look, and its kernel stack, where the registers are, goes: there is
 * nothing, or no longer its own, in task_pt_regs() then. Modules cannot hold on to the
 * stack (put_task_stack() is not exported), so the copy must bear both. What it brings
 * does no harm: the thread has no roots any more, and a word too many only keeps.
 */
static int scan_thread_memory(struct scan *scan)
{
	bool leader = thread_group_leader(scan->task);
	struct area areas[MAX_THREAD_AREAS];
	struct pt_regs regs;
	unsigned long sp;
	unsigned int i, nr;
	int ret;

	if (copy_from_kernel_nofault(&regs, task_pt_regs(scan->task), sizeof(regs)))
		return 0;
	sp = user_stack_pointer(&regs);
	ret = scan_registers(scan, &regs);
	if (!ret && scan->task != current)
		ret = scan_vector_registers(scan);
	if (ret)
		return ret;
	if (mmap_read_lock_killable(scan->mm))
		return -EINTR;
	nr = find_thread_areas(scan->mm, sp, gcarena_thread_pointer(scan->task), leader, areas);
	mmap_read_unlock(scan->mm);
	for (i = 0; i < nr && !ret; i++)
		ret = scan_area(scan, areas[i], false);
	/* Where the other stack of such a thread lies is not known: look everywhere. */
	if (!ret && !leader && on_signal_stack(scan->task, sp))
		ret = scan_data(scan, true, NULL);
	return ret;
}

static int scan_task(struct scan *scan, struct task_struct *task)
{
	int ret;

	if (scan->arena->params.root_mode == GCARENA_ROOTS_EXPLICIT || !scan_enter(scan, task))
		return 0;
	ret = scan_thread_memory(scan);
	scan_leave(scan);
	return ret;
}

/* The calling thread, if it is the program's: it stands still, as it is here. */
static int scan_self(struct scan *scan)
{
	scan->arena->counters.stop_threads_last++;
	return scan_task(scan, current);
}

/* A thread that has moved meanwhile is left for the next round. */
static int scan_parker(struct scan *scan, struct gcarena_parker *parker)
{
	bool still = gcarena_thread_look(parker);
	int ret = 0;

	if (!gcarena_thread_is_gone(parker)) {
		/* In tests: it may be killed, and end, before its registers are read. */
		if (still)
			ret = gcarena_zeal_delay() ?: scan_task(scan, parker->task);
		if (ret)
			return ret;
		if (!still || !gcarena_thread_unchanged(parker)) {
			if (gcarena_park_timed_out(scan->arena, parker))
				return -ETIMEDOUT;
			return gcarena_world_check(scan->arena);
		}
	}
	parker->scanned = true;
	scan->arena->counters.stop_threads_last++;
	return 0;
}

/* Everything that is known and was not scanned. Return: 1: something was, 0, -errno. */
static int scan_round(struct scan *scan)
{
	struct gcarena_mapping *mapping;
	struct gcarena_parker *parker;
	int ret = 0, some = 0;

	while (!ret && (mapping = gcarena_mapping_unscanned(scan->arena))) {
		ret = scan_process(scan, mapping);
		some = 1;
	}
	while (!ret && (parker = gcarena_park_next(scan->arena))) {
		ret = scan_parker(scan, parker);
		some = 1;
	}
	return ret ?: some;
}

/**
 * gcarena_roots_mark() - mark what the roots reach
 * @arena: the arena, its world stopped
 * @m: the marker
 * @verifier: is told of all words, too; or NULL
 * @since: what gcarena_mapping_newest() was when the cycle began; U64_MAX: it is one stop
 * @bytes: set to the bytes of roots read
 *
 * Return: 0; -EFAULT: an added range cannot be read; -ETIMEDOUT: a thread that woke up
 * in the kernel did not settle again; -ENXIO: nobody is left who mapped the arena then;
 * -ENOMEM; -EINTR.
 */
int gcarena_roots_mark(struct gcarena *arena, struct gcarena_marker *m,
		       struct gcarena_verifier *verifier, u64 since, u64 *bytes)
{
	struct scan scan = {
		.arena = arena, .m = m, .verifier = verifier, .since = since,
	};
	int ret = 0;

	scan.buffer = kvmalloc(BUFFER_BYTES, GCARENA_GFP);
	if (!scan.buffer)
		return -ENOMEM;
	arena->counters.stop_threads_last = 0;
	if (gcarena_mapping_has_mm(arena, current->mm))
		ret = scan_self(&scan);
	/* Threads and processes may be born by sleepers that wake up in clone(). */
	while (!ret) {
		ret = scan_round(&scan);
		if (ret <= 0)
			break;
		ret = gcarena_world_check(arena);
	}
	/*
	 * Who has unmapped the arena may map it again, and expects to find what was there. It
	 * may have done so just now, and is about to say what its roots are.
	 */
	if (!ret && !scan.any_old)
		ret = -ENXIO;
	kvfree(scan.buffer);
	*bytes = scan.bytes;
	return ret;
}
