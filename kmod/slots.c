// SPDX-License-Identifier: GPL-2.0
/*
 * Precise slots: words of programs that hold exact pointers, and are changed when what
 * they point to moves.
 *
 * A write to a program's memory can fail, and may have to wait for who knows what. Once
 * objects move, neither must happen. So the pages of all slots that are going to
 * change are pinned before, for writing, and are written through the kernel's mapping;
 * the new values are known then, too. Only pages that nobody writes back to a file will
 * do: anonymous ones and those of a tmpfs. There it is enough to flag them dirty.
 *
 * The same page may be seen twice, in two processes: a slot then gets the same value twice.
 *
 * Needs the heap lock, and the world stopped, so that ranges and address spaces stay
 * as they were when they were added here. References to the latter keep them.
 */
#include <linux/highmem.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "arena.h"
#include "compact.h"
#include "compat.h"
#include "slots.h"

/**
 * struct slot_space - an address space with slots
 * @link: on slots->spaces
 * @mm: a reference that keeps its memory
 * @ranges: where in it
 */
struct slot_space {
	struct list_head link;
	struct mm_struct *mm;
	const struct gcarena_ranges *ranges;
};

/**
 * struct slot_write - a slot that gets a new value
 * @page: its page, pinned
 * @at: where in the page, bytes
 * @last: the next one is on another page: this one's pin ends here
 * @value: the value
 */
struct slot_write {
	struct page *page;
	u16 at;
	bool last;
	u64 value;
};

void gcarena_slots_init(struct gcarena_slots *slots)
{
	memset(slots, 0, sizeof(*slots));
	INIT_LIST_HEAD(&slots->spaces);
}

void gcarena_slots_destroy(struct gcarena_slots *slots)
{
	struct slot_space *space, *next;

	list_for_each_entry_safe(space, next, &slots->spaces, link) {
		mmput_async(space->mm);
		kfree(space);
	}
	kvfree(slots->writes);
}

/* The process with @mm has slots in @ranges. Return: 0 or -ENOMEM. */
int gcarena_slots_add(struct gcarena_slots *slots, struct mm_struct *mm,
		      const struct gcarena_ranges *ranges)
{
	struct slot_space *space = kmalloc(sizeof(*space), GCARENA_GFP);

	if (!space)
		return -ENOMEM;
	mmget(mm);
	space->mm = mm;
	space->ranges = ranges;
	list_add_tail(&space->link, &slots->spaces);
	return 0;
}

/* Pin the page at @addr. Return: 0, -EFAULT: it cannot be had; -ENOMEM, -EINTR. */
static int page_pin(struct mm_struct *mm, unsigned long addr, bool write, struct page **page)
{
	long got;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	got = gcarena_pin_user_page(mm, addr, write ? FOLL_WRITE : 0, page);
	mmap_read_unlock(mm);
	if (got == 1)
		return 0;
	return got == -ENOMEM || got == -EINTR ? got : -EFAULT;
}

/* Memory that lives in memory alone. */
static bool page_will_do(struct page *page)
{
	struct folio *folio = page_folio(page);

	return folio_test_anon(folio) || folio_test_swapbacked(folio);
}

static int writes_reserve(struct gcarena_slots *slots, size_t more)
{
	size_t room = max(2 * slots->room, slots->nr + more);
	struct slot_write *writes;

	if (slots->room - slots->nr >= more)
		return 0;
	writes = kvmalloc_array(room, sizeof(*writes), GCARENA_GFP);
	if (!writes)
		return -ENOMEM;
	if (slots->nr)
		memcpy(writes, slots->writes, slots->nr * sizeof(*writes));
	kvfree(slots->writes);
	slots->writes = writes;
	slots->room = room;
	return 0;
}

/*
 * Words [@from, @to) of a page, bytes: note those that will change, if @slots is given.
 * Return: how many there are.
 */
static size_t look(struct gcarena_slots *slots, const struct gcarena_compact *c, struct page *page,
		   unsigned int from, unsigned int to)
{
	const void *kaddr = kmap_local_page(page);
	u64 offset, new, base = c->heap->base;
	size_t nr = 0;

	for (; from < to; from += sizeof(u64)) {
		offset = READ_ONCE(*(const u64 *)(kaddr + from)) - base;
		new = gcarena_compact_forward(c, offset);
		if (new == offset)
			continue;
		nr++;
		if (slots)
			slots->writes[slots->nr++] = (struct slot_write) { page, from, false,
									   base + new };
	}
	kunmap_local((void *)kaddr);
	return nr;
}

/* The slots of one page, from @addr on. Return: 0 or a negative errno. */
static int prepare_page(struct gcarena_slots *slots, const struct gcarena_compact *c,
			struct mm_struct *mm, unsigned long addr, unsigned long bytes)
{
	unsigned int from = offset_in_page(addr), to = from + bytes;
	struct page *page;
	size_t nr;
	int ret;

	ret = page_pin(mm, addr, false, &page);
	if (ret)
		return ret;
	nr = look(NULL, c, page, from, to);
	unpin_user_page(page);
	if (!nr)
		return 0;
	/* Room for all: the page for writing may be another one, and have changed. */
	ret = writes_reserve(slots, bytes / sizeof(u64)) ?: page_pin(mm, addr, true, &page);
	if (ret)
		return ret;
	if (!page_will_do(page)) {
		unpin_user_page(page);
		return -EFAULT;
	}
	if (look(slots, c, page, from, to))
		slots->writes[slots->nr - 1].last = true;
	else
		unpin_user_page(page);
	return 0;
}

static int prepare_range(struct gcarena_slots *slots, const struct gcarena_compact *c,
			 struct mm_struct *mm, u64 start, u64 end)
{
	unsigned long bytes;
	int ret = 0;

	for (; start < end && !ret; start += bytes) {
		bytes = min_t(unsigned long, end - start, PAGE_SIZE - offset_in_page(start));
		ret = gcarena_checkpoint() ?: prepare_page(slots, c, mm, start, bytes);
	}
	return ret;
}

/**
 * gcarena_slots_prepare() - get ready to change slots
 * @slots: the slots
 * @c: says what goes where
 *
 * Return: 0; -EFAULT: a slot cannot be written; -ENOMEM; -EINTR. In any case
 * gcarena_slots_finish() must be called.
 */
int gcarena_slots_prepare(struct gcarena_slots *slots, const struct gcarena_compact *c)
{
	struct slot_space *space;
	int ret = 0;

	list_for_each_entry(space, &slots->spaces, link) {
		struct rb_node *node = NULL;
		u64 start, end;

		while (!ret && (node = gcarena_range_next(space->ranges, node, &start, &end)))
			ret = prepare_range(slots, c, space->mm, start, end);
	}
	return ret;
}

static void slot_write(const struct slot_write *write)
{
	void *kaddr = kmap_local_page(write->page);

	WRITE_ONCE(*(u64 *)(kaddr + write->at), write->value);
	kunmap_local(kaddr);
}

/* Change the slots, or with @write false do not. Cannot fail. */
void gcarena_slots_finish(struct gcarena_slots *slots, bool write)
{
	size_t i;

	for (i = 0; i < slots->nr; i++) {
		if (write)
			slot_write(&slots->writes[i]);
		if (!slots->writes[i].last)
			continue;
		if (write)
			folio_mark_dirty(page_folio(slots->writes[i].page));
		unpin_user_page(slots->writes[i].page);
		cond_resched();
	}
	slots->nr = 0;
}
