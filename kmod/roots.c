// SPDX-License-Identifier: GPL-2.0
/*
 * Roots: where the program's pointers are.
 *
 * Found without the program's help: the calling thread's general registers, its stack
 * from the stack pointer on, its thread-local storage, and the writable data segments
 * of the program and its libraries. Vector registers are not read: the caller is in a
 * system call, and a call destroys them all (System V ABI). On top come the ranges
 * that the program added; with GCARENA_ROOTS_EXPLICIT they are all there is.
 *
 * When in doubt, memory is scanned: too many roots cost time, a missing one costs
 * an object.
 *
 * The list of VMAs is made under mmap_lock, and the memory is read after it was dropped:
 * reading may fault. The world is stopped, so the list stays true. Memory that
 * cannot be read, the program cannot read either; for an added range that is an error.
 */
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/uaccess.h>

#include "arch.h"
#include "arena.h"
#include "mark.h"

#define BUFFER_BYTES	(32UL * 1024)

/* Memory of devices or of an arena: never a root. */
#define VM_NEVER	(VM_IO | VM_PFNMAP | VM_MIXEDMAP)

/* Memory of others, or that is known to hold no pointers: no root by itself. */
#define VM_NO_DATA	(VM_NEVER | VM_SHARED | VM_WIPEONFORK)

/**
 * struct gcarena_range - a range that the program added
 * @node: in mapping->ranges, by start and end
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
 * struct scan - reading roots
 * @m: where words go
 * @buffer: BUFFER_BYTES
 * @bytes: read so far
 */
struct scan {
	struct gcarena_marker *m;
	unsigned long *buffer;
	u64 bytes;
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
 * @areas: found so far
 * @nr: how many; more than @room: some are missing
 * @room: entries in @areas
 * @sp: the thread's stack pointer
 * @tp: its thread pointer
 * @all: all private memory is wanted
 * @image_end: end of the last VMA that belongs to a file mapped privately: an
 *	anonymous one that starts there is its .bss
 */
struct finder {
	struct area *areas;
	unsigned int nr;
	unsigned int room;
	unsigned long sp;
	unsigned long tp;
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
static struct gcarena_range *range_find(struct gcarena_mapping *mapping, u64 start, u64 end,
					struct rb_node **parent, struct rb_node ***link)
{
	struct rb_node **node = &mapping->ranges.rb_node;

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

static int range_insert(struct gcarena_mapping *mapping, u64 start, u64 end)
{
	struct rb_node *parent, **link;
	struct gcarena_range *range = range_find(mapping, start, end, &parent, &link);

	if (range && range->count < U32_MAX) {
		range->count++;
		return 0;
	}
	if (range || mapping->nr_ranges >= GCARENA_ROOTS_RANGES_MAX)
		return -ENOSPC;
	range = kmalloc(sizeof(*range), GCARENA_GFP);
	if (!range)
		return -ENOMEM;
	range->start = start;
	range->end = end;
	range->count = 1;
	rb_link_node(&range->node, parent, link);
	rb_insert_color(&range->node, &mapping->ranges);
	mapping->nr_ranges++;
	return 0;
}

static int range_remove(struct gcarena_mapping *mapping, u64 start, u64 end)
{
	struct rb_node *parent, **link;
	struct gcarena_range *range = range_find(mapping, start, end, &parent, &link);

	if (!range)
		return -ENOENT;
	if (--range->count)
		return 0;
	rb_erase(&range->node, &mapping->ranges);
	mapping->nr_ranges--;
	kfree(range);
	return 0;
}

/* The process is gone. */
void gcarena_ranges_destroy(struct gcarena_mapping *mapping)
{
	struct gcarena_range *range, *next;

	rbtree_postorder_for_each_entry_safe(range, next, &mapping->ranges, node)
		kfree(range);
}

static int with_range(struct gcarena *arena, u64 addr, u64 len,
		      int (*change)(struct gcarena_mapping *mapping, u64 start, u64 end))
{
	struct gcarena_mapping *mapping;
	int ret;

	if (!len || addr + len < addr || addr + len > TASK_SIZE)
		return -EINVAL;
	if (mutex_lock_killable(&arena->lock))
		return -EINTR;
	mapping = gcarena_mapping_get(arena);
	ret = IS_ERR(mapping) ? PTR_ERR(mapping) : change(mapping, addr, addr + len);
	mutex_unlock(&arena->lock);
	return ret;
}

/* GCARENA_IOC_ROOTS_ADD. Return: 0 or a negative errno as in the ABI. */
int gcarena_range_add(struct gcarena *arena, u64 addr, u64 len)
{
	return with_range(arena, addr, len, range_insert);
}

/* GCARENA_IOC_ROOTS_DEL. Return: 0 or a negative errno as in the ABI. */
int gcarena_range_del(struct gcarena *arena, u64 addr, u64 len)
{
	return with_range(arena, addr, len, range_remove);
}

/*
 * Mark from one buffer full. Pages that cannot be read are left out.
 * Return: bytes done, -EFAULT: nothing was readable, or -EINTR.
 */
static long scan_buffer(struct scan *scan, unsigned long start, unsigned long bytes)
{
	unsigned long left;
	int ret;

	left = copy_from_user(scan->buffer, (void __user *)start, bytes);
	if (gcarena_checkpoint())
		return -EINTR;
	bytes = round_down(bytes - left, sizeof(long));
	if (!bytes)
		return -EFAULT;
	scan->bytes += bytes;
	ret = gcarena_mark_words(scan->m, scan->buffer, bytes / sizeof(long));
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
		if (done == -EINTR || (done < 0 && must))
			return done;
		/* Go on behind the page that could not be read. */
		at = done < 0 ? round_down(at, PAGE_SIZE) + PAGE_SIZE : at + done;
	}
	return 0;
}

static int scan_ranges(struct scan *scan, struct gcarena_mapping *mapping)
{
	struct rb_node *node;
	int ret = 0;

	for (node = rb_first(&mapping->ranges); node && !ret; node = rb_next(node)) {
		struct gcarena_range *range = rb_entry(node, struct gcarena_range, node);

		ret = scan_area(scan, (struct area) { range->start, range->end }, true);
	}
	return ret;
}

static int scan_registers(struct scan *scan)
{
	const struct pt_regs *regs = task_pt_regs(current);

	BUILD_BUG_ON(sizeof(*regs) % sizeof(long));
	memcpy(scan->buffer, regs, sizeof(*regs));
	scan->bytes += sizeof(*regs);
	return gcarena_mark_words(scan->m, scan->buffer, sizeof(*regs) / sizeof(long));
}

static void found(struct finder *f, unsigned long start, unsigned long end)
{
	if (start >= end)
		return;
	if (f->nr < f->room)
		f->areas[f->nr] = (struct area) { start, end };
	f->nr++;
}

static bool contains(const struct vm_area_struct *vma, unsigned long addr)
{
	return vma->vm_start <= addr && addr < vma->vm_end;
}

/*
 * The stack in use, from the stack pointer to the end of its VMA. A thread on a signal
 * stack or a coroutine's has frames on its first stack, too, where its stack
 * pointer was we do not know where: all of it then.
 */
static void find_stack(struct finder *f, const struct vm_area_struct *vma)
{
	if (contains(vma, f->sp))
		found(f, max(vma->vm_start, f->sp - GCARENA_RED_ZONE), vma->vm_end);
	else if (contains(vma, current->mm->start_stack) && thread_group_leader(current))
		found(f, vma->vm_start, vma->vm_end);
}

/* Thread-local storage, unless it lies in the stack's VMA. */
static void find_tls(struct finder *f, const struct vm_area_struct *vma)
{
	if (contains(vma, f->tp) && !contains(vma, f->sp))
		found(f, vma->vm_start, min(vma->vm_end, f->tp + GCARENA_TLS_ABOVE));
}

/*
 * .data is private and writable memory of a file. .bss is anonymous and comes directly
 * behind it; the program's own ends where the heap of brk() starts, which may be part of
 * the same VMA.
 */
static void find_data(struct finder *f, const struct vm_area_struct *vma)
{
	const struct mm_struct *mm = current->mm;
	unsigned long end = vma->vm_end;

	if (!vma->vm_file && vma->vm_start >= mm->start_brk && vma->vm_start < mm->brk)
		return;
	if (!vma->vm_file && vma->vm_start < mm->start_brk)
		end = min(end, mm->start_brk);
	if (vma->vm_file || vma->vm_start == f->image_end ||
	    (vma->vm_start < mm->start_brk && vma->vm_end > mm->end_data))
		found(f, vma->vm_start, end);
}

static void find_in_vma(struct finder *f, const struct vm_area_struct *vma)
{
	bool image = vma->vm_file && !(vma->vm_flags & VM_SHARED);

	if (!(vma->vm_flags & VM_WRITE) || (vma->vm_flags & VM_NEVER)) {
		/* Nothing to find, but for where .bss may start. */
	} else if (contains(vma, f->sp) || contains(vma, current->mm->start_stack)) {
		/* Below the stack pointer, a stack's memory is dead, or not there yet. */
		find_stack(f, vma);
	} else if (!(vma->vm_flags & VM_NO_DATA)) {
		if (f->all) {
			found(f, vma->vm_start, vma->vm_end);
		} else {
			find_data(f, vma);
			find_tls(f, vma);
		}
	}
	if (image || (!vma->vm_file && vma->vm_start == f->image_end))
		f->image_end = vma->vm_end;
}

/* Each VMA gives two areas at most. */
static int finder_init(struct finder *f, u32 root_mode)
{
	unsigned long sp = user_stack_pointer(task_pt_regs(current));

	memset(f, 0, sizeof(*f));
	f->sp = sp;
	f->tp = gcarena_thread_pointer();
	/* On a signal stack, only the first thread's other stack is known. */
	f->all = root_mode == GCARENA_ROOTS_ALL ||
		 (on_sig_stack(sp) && !thread_group_leader(current));
	f->room = 2 * (READ_ONCE(current->mm->map_count) + 16);
	f->areas = kvmalloc_array(f->room, sizeof(*f->areas), GCARENA_GFP);
	return f->areas ? 0 : -ENOMEM;
}

/* The world is stopped: map_count, and the list, stay as they are. */
static int find_areas(struct finder *f)
{
	VMA_ITERATOR(vmi, current->mm, 0);
	struct vm_area_struct *vma;

	if (mmap_read_lock_killable(current->mm))
		return -EINTR;
	for_each_vma(vmi, vma)
		find_in_vma(f, vma);
	mmap_read_unlock(current->mm);
	/* A root left out is an object lost: rather give the cycle up. */
	return f->nr <= f->room ? 0 : -ENOMEM;
}

static int scan_found(struct scan *scan, u32 root_mode)
{
	struct finder f;
	unsigned int i;
	int ret;

	ret = finder_init(&f, root_mode);
	if (ret)
		return ret;
	ret = find_areas(&f);
	for (i = 0; i < f.nr && !ret; i++)
		ret = scan_area(scan, f.areas[i], false);
	kvfree(f.areas);
	return ret ?: scan_registers(scan);
}

/**
 * gcarena_roots_mark() - mark what the roots reach
 * @arena: the arena, its world stopped
 * @mapping: the calling process's mapping
 * @m: the marker
 * @bytes: set to the bytes of roots read
 *
 * Return: 0; -EFAULT: an added range cannot be read; -ENOMEM; -EINTR.
 */
int gcarena_roots_mark(struct gcarena *arena, struct gcarena_mapping *mapping,
		       struct gcarena_marker *m, u64 *bytes)
{
	struct scan scan = { .m = m };
	int ret;

	scan.buffer = kvmalloc(BUFFER_BYTES, GCARENA_GFP);
	if (!scan.buffer)
		return -ENOMEM;
	ret = scan_ranges(&scan, mapping);
	if (!ret && arena->params.root_mode != GCARENA_ROOTS_EXPLICIT)
		ret = scan_found(&scan, arena->params.root_mode);
	kvfree(scan.buffer);
	*bytes = scan.bytes;
	return ret;
}
