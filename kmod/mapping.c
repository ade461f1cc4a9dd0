// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings: mmap() of an arena, and the processes that did it.
 *
 * An arena is mapped as a whole, shared, at one base: objects hold plain addresses.
 * The first mmap() chooses the base; later ones, in this or another process, get the
 * same address or an error. A VMA of an arena is never split, moved or resized.
 *
 * A process has a struct gcarena_mapping from mmap() or fork() on: the collector must
 * know of it even if it never calls in. When its VMA goes (munmap, exec, exit,
 * SIGKILL), the mapping is only flagged, because that happens under mmap_lock; it is
 * reaped with its root ranges under the heap lock later on.
 */
#include <linux/compat.h>
#include <linux/mman.h>
#include <linux/sched/signal.h>

#include "arena.h"
#include "compat.h"

static const struct vm_operations_struct gcarena_vm_ops;

static bool vma_is_ours(const struct vm_area_struct *vma, const struct gcarena *arena)
{
	return vma && vma->vm_ops == &gcarena_vm_ops && vma->vm_private_data == arena;
}

/* The calling process's VMA of the arena, or NULL. Needs its mmap_lock. */
static struct vm_area_struct *find_own_vma(const struct gcarena *arena)
{
	struct vm_area_struct *vma;

	lockdep_assert_held(&current->mm->mmap_lock);
	vma = vma_lookup(current->mm, arena->heap.base);
	return vma_is_ours(vma, arena) ? vma : NULL;
}

static struct gcarena_mapping *mapping_find(struct gcarena *arena, const struct mm_struct *mm)
{
	struct gcarena_mapping *mapping, *found = NULL;

	lockdep_assert_held(&arena->mappings_lock);
	list_for_each_entry(mapping, &arena->mappings, link) {
		if (mapping->mm == mm && !mapping->dead)
			found = mapping;
	}
	return found;
}

static void mapping_add(struct gcarena *arena, struct gcarena_mapping *mapping,
			struct mm_struct *mm)
{
	lockdep_assert_held(&arena->mappings_lock);
	mapping->mm = mm;
	mapping->id = ++arena->last_mapping_id;
	list_add(&mapping->link, &arena->mappings);
}

/*
 * fork(), in the parent. It cannot fail: a process that the collector does not know
 * would be fatal. The child's copy of an added range is a root like the parent's.
 */
static void gcarena_vma_open(struct vm_area_struct *vma)
{
	struct gcarena *arena = vma->vm_private_data;
	struct gcarena_mapping *mapping, *parent;

	/* mremap() makes a second VMA elsewhere, and unmaps it when we refuse to move. */
	if (vma->vm_start != arena->heap.base)
		return;
	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);
	spin_lock(&arena->mappings_lock);
	parent = mapping_find(arena, current->mm);
	if (parent) {
		mapping->ranges = gcarena_ranges_get(parent->ranges);
		mapping->slots = gcarena_ranges_get(parent->slots);
	}
	mapping_add(arena, mapping, vma->vm_mm);
	spin_unlock(&arena->mappings_lock);
}

static void gcarena_vma_close(struct vm_area_struct *vma)
{
	struct gcarena *arena = vma->vm_private_data;
	struct gcarena_mapping *mapping;

	if (vma->vm_start != arena->heap.base)
		return;		/* as in gcarena_vma_open() */
	spin_lock(&arena->mappings_lock);
	list_for_each_entry(mapping, &arena->mappings, link) {
		if (mapping->mm == vma->vm_mm)
			mapping->dead = true;
	}
	spin_unlock(&arena->mappings_lock);
	gcarena_background_kick(arena);
}

static int gcarena_vma_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	return -EINVAL;
}

static int gcarena_vma_mremap(struct vm_area_struct *vma)
{
	return -EINVAL;
}

static vm_fault_t gcarena_vma_fault(struct vm_fault *vmf)
{
	return gcarena_backing_fault(vmf->vma->vm_private_data, vmf);
}

static const struct vm_operations_struct gcarena_vm_ops = {
	.open = gcarena_vma_open,
	.close = gcarena_vma_close,
	.may_split = gcarena_vma_may_split,
	.mremap = gcarena_vma_mremap,
	.fault = gcarena_vma_fault,
};

static int check_request(const struct gcarena *arena, const struct vm_area_struct *vma)
{
	if (in_compat_syscall())
		return -EOPNOTSUPP;	/* pointers of 4 bytes would not be seen */
	if ((vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) != (VM_SHARED | VM_MAYWRITE))
		return -EACCES;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;		/* as mprotect() says later: VM_MAYEXEC goes */
	if (vma->vm_pgoff || vma->vm_end - vma->vm_start != arena->params.reserve)
		return -EINVAL;
	if (vma->vm_start % GCARENA_CHUNK_BYTES)
		return -EINVAL;
	return 0;
}

/*
 * Fix the base, or check it, and enter the mapping. A second VMA in the same process
 * cannot be: it would have to have the same base.
 */
static int claim_base(struct gcarena *arena, const struct vm_area_struct *vma,
		      struct gcarena_mapping *mapping)
{
	lockdep_assert_held(&arena->mappings_lock);
	if (arena->heap.base && arena->heap.base != vma->vm_start)
		return -EADDRINUSE;
	if (arena->closed)
		return -EAGAIN;
	arena->heap.base = vma->vm_start;
	mapping_add(arena, mapping, vma->vm_mm);
	return 0;
}

/*
 * A process that maps the arena in the middle of a cycle would not stand still: it
 * waits. But not here, under its mmap_lock: the collector takes that when the process has
 * mapped the arena before, and so does the collector of another arena that it maps,
 * which may be waiting for a process like this one itself. So the system call begins
 * anew, after a nap that everybody can afford. Between the two a thread that takes
 * part in the stop is parked.
 */
static int claim_base_when_running(struct gcarena *arena, const struct vm_area_struct *vma,
				   struct gcarena_mapping *mapping)
{
	int ret;

	do {
		spin_lock(&arena->mappings_lock);
		ret = claim_base(arena, vma, mapping);
		spin_unlock(&arena->mappings_lock);
		if (ret != -EAGAIN)
			return ret;
	} while (wait_event_killable_timeout(arena->go, !READ_ONCE(arena->closed), 1) > 0);
	return restart_syscall();
}

/**
 * gcarena_mmap() - map an arena
 * @file: the arena
 * @vma: the new VMA
 *
 * Called under mmap_lock for writing.
 *
 * Return: 0; -EINVAL: not the whole arena, or not aligned to a chunk; -EACCES:
 * not MAP_SHARED and writable, or executable; -EADDRINUSE: another base than the arena's;
 * -EOPNOTSUPP: a 32-bit caller; -ENOMEM; -EINTR: killed; -ERESTARTNOINTR, which the program
 * does not see: the arena is being collected.
 */
int gcarena_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct gcarena *arena = file->private_data;
	struct gcarena_mapping *mapping;
	int ret;

	ret = gcarena_setup_default(arena) ?: check_request(arena, vma);
	if (ret)
		return ret;
	mapping = kzalloc(sizeof(*mapping), GCARENA_GFP);
	if (!mapping)
		return -ENOMEM;
	ret = claim_base_when_running(arena, vma, mapping);
	if (ret) {
		kfree(mapping);
		return ret;
	}
	/*
	 * MIXEDMAP: pages are inserted one by one, with their own reference counts.
	 * DONTEXPAND also keeps VMAs from being merged.
	 */
	gcarena_vm_flags_mod(vma, VM_MIXEDMAP | VM_DONTEXPAND | VM_DONTDUMP, VM_MAYEXEC);
	vma->vm_private_data = arena;
	vma->vm_ops = &gcarena_vm_ops;
	return 0;
}

/**
 * gcarena_get_area() - choose where a mapping goes
 * @file: the arena
 * @addr: the caller's wish, or 0
 * @len: length in bytes
 * @pgoff: offset in pages
 * @flags: of mmap()
 *
 * The arena's base if it has one, else an address aligned to a chunk.
 *
 * Return: an address; -EADDRINUSE: something else is mapped at the arena's base;
 * or what the architecture's function returns.
 */
unsigned long gcarena_get_area(struct file *file, unsigned long addr, unsigned long len,
			       unsigned long pgoff, unsigned long flags)
{
	struct gcarena *arena = file->private_data;
	unsigned long base = READ_ONCE(arena->heap.base), got;

	if (flags & MAP_FIXED)
		return gcarena_get_unmapped_area(file, addr, len, pgoff, flags);
	if (base) {
		got = gcarena_get_unmapped_area(file, base, len, pgoff, flags);
		return IS_ERR_VALUE(got) || got == base ? got : -EADDRINUSE;
	}
	if (len > TASK_SIZE - GCARENA_CHUNK_BYTES)
		return -ENOMEM;
	got = gcarena_get_unmapped_area(file, 0, len + GCARENA_CHUNK_BYTES - PAGE_SIZE,
					pgoff, flags);
	return IS_ERR_VALUE(got) ? got : round_up(got, GCARENA_CHUNK_BYTES);
}

/* Does address space @mm, which may be NULL, have the arena mapped? */
bool gcarena_mapping_has_mm(struct gcarena *arena, const struct mm_struct *mm)
{
	bool has;

	spin_lock(&arena->mappings_lock);
	has = mm && mapping_find(arena, mm);
	spin_unlock(&arena->mappings_lock);
	return has;
}

/* A mapping whose memory was not scanned in this stop, or NULL. */
struct gcarena_mapping *gcarena_mapping_unscanned(struct gcarena *arena)
{
	struct gcarena_mapping *mapping, *found = NULL;

	spin_lock(&arena->mappings_lock);
	list_for_each_entry(mapping, &arena->mappings, link) {
		if (!mapping->dead && mapping->scanned != arena->stop)
			found = mapping;
	}
	spin_unlock(&arena->mappings_lock);
	return found;
}

/* How many processes map the arena? */
unsigned int gcarena_mapping_count(struct gcarena *arena)
{
	struct gcarena_mapping *mapping;
	unsigned int nr = 0;

	spin_lock(&arena->mappings_lock);
	list_for_each_entry(mapping, &arena->mappings, link)
		nr += !mapping->dead;
	spin_unlock(&arena->mappings_lock);
	return nr;
}

/* struct gcarena_mapping.id of the newest: who comes later has a higher one. */
u64 gcarena_mapping_newest(struct gcarena *arena)
{
	u64 id;

	spin_lock(&arena->mappings_lock);
	id = arena->last_mapping_id;
	spin_unlock(&arena->mappings_lock);
	return id;
}

/**
 * gcarena_mapping_get() - the calling process's mapping
 * @arena: the arena; the caller holds its heap lock
 *
 * The mapping stays, even if it is flagged dead, until the heap lock is dropped.
 *
 * Return: the mapping, or ERR_PTR(-ENXIO): the process has not mapped the arena.
 */
struct gcarena_mapping *gcarena_mapping_get(struct gcarena *arena)
{
	struct gcarena_mapping *mapping;

	lockdep_assert_held(&arena->lock);
	spin_lock(&arena->mappings_lock);
	mapping = mapping_find(arena, current->mm);
	spin_unlock(&arena->mappings_lock);
	return mapping ?: ERR_PTR(-ENXIO);
}

/*
 * Free what processes left behind, but for mappings that owners refer to: one may have
 * died since owners were reaped. Not called by cycles, whose callers use mappings.
 * @last: the arena ends.
 */
void gcarena_mappings_reap(struct gcarena *arena, bool last)
{
	struct gcarena_mapping *mapping, *next;
	LIST_HEAD(dead);

	lockdep_assert_held(&arena->lock);
	spin_lock(&arena->mappings_lock);
	list_for_each_entry_safe(mapping, next, &arena->mappings, link) {
		if (last || (mapping->dead && !mapping->nr_owners))
			list_move(&mapping->link, &dead);
	}
	spin_unlock(&arena->mappings_lock);
	list_for_each_entry_safe(mapping, next, &dead, link) {
		gcarena_ranges_put(mapping->ranges);
		gcarena_ranges_put(mapping->slots);
		gcarena_pins_free(mapping);
		kfree(mapping);
	}
}

/**
 * gcarena_populate() - fill page table entries ahead of use
 * @arena: the arena
 * @mapping_id: struct gcarena_mapping.id of the calling process
 * @runs: memory to fill
 * @nr: entries in @runs
 *
 * A hint: what is not filled is faulted in later. Takes mmap_lock.
 */
void gcarena_populate(struct gcarena *arena, u64 mapping_id, const struct gcarena_run *runs,
		      unsigned int nr)
{
	struct vm_area_struct *vma;

	if (gcarena_backing_is_populated(arena, mapping_id, runs, nr))
		return;
	if (mmap_read_lock_killable(current->mm))
		return;
	vma = find_own_vma(arena);
	if (vma)
		gcarena_backing_populate(arena, vma, mapping_id, runs, nr);
	mmap_read_unlock(current->mm);
}
