/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * gcarena: a garbage-collected heap behind a file descriptor.
 *
 * This header is the whole contract between the kernel module and programs.
 */
#ifndef _UAPI_LINUX_GCARENA_H
#define _UAPI_LINUX_GCARENA_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: The arena
 *
 * Each open of ``/dev/gcarena`` is one arena: a reserved range of addresses
 * that a program maps whole and shared, and whose memory the kernel manages.
 * The kernel finds the objects that can still be reached from the program's
 * registers, stack and data, and reuses the memory of all others.
 *
 * A program's first steps::
 *
 *	fd = open("/dev/gcarena", O_RDWR | O_CLOEXEC);
 *	ioctl(fd, GCARENA_IOC_CREATE, &create);		(optional)
 *	ioctl(fd, GCARENA_IOC_INFO, &info);
 *	base = mmap(NULL, info.reserve, PROT_READ | PROT_WRITE,
 *		    MAP_SHARED, fd, 0);
 *	ioctl(fd, GCARENA_IOC_REFILL, &refill);
 *
 * The first mapping fixes the arena's base address for the arena's lifetime.
 * Every other mapping of the same arena has the same base. The arena is mapped
 * as a whole: offset 0, length &struct gcarena_info.reserve, MAP_SHARED.
 *
 * DOC: Rules for all commands
 *
 * Every structure starts with ``__u32 size``, which the caller sets to the size
 * it was compiled with. A kernel that knows a longer structure takes the missing
 * tail as zero. A kernel that knows a shorter one accepts the command when the
 * unknown tail is zero, and writes back only the part it knows. Fields named
 * ``reserved`` and undefined flag bits must be zero.
 *
 * All commands may sleep. They wait for the arena's lock, and that wait can be
 * ended only by a signal that kills the caller. Errors common to all commands:
 *
 * ======== ==================================================================
 * ENOTTY   unknown command number
 * EFAULT   a structure or an array it points to is not readable or writable
 * EINVAL   ``size`` is smaller than the first version of the structure, or a
 *          field has a value outside its documented range
 * E2BIG    a tail that this kernel does not know is not zero
 * EINTR    the caller is being killed
 * ENOMEM   the kernel has no memory for the request (also: memory cgroup limit)
 * ENXIO    the caller has not mapped the arena (REFILL, RELEASE, ALLOC, COLLECT,
 *          ROOTS_ADD, ROOTS_DEL, PIN, UNPIN), or the arena was not created
 *          (TYPE_ADD, SET)
 * ======== ==================================================================
 *
 * Undefined flag bits and reserved fields that are not zero are EOPNOTSUPP: a
 * later kernel may give them a meaning.
 */

#define GCARENA_ABI_VERSION	1

/* The device's ioctl type byte; command numbers stay when structures grow. */
#define GCARENA_IOC_TYPE	0xB9

#define GCARENA_IOC_INFO	_IO(GCARENA_IOC_TYPE, 0x00)
#define GCARENA_IOC_CREATE	_IO(GCARENA_IOC_TYPE, 0x01)
#define GCARENA_IOC_CLASSES	_IO(GCARENA_IOC_TYPE, 0x02)
#define GCARENA_IOC_TYPE_ADD	_IO(GCARENA_IOC_TYPE, 0x03)
#define GCARENA_IOC_REFILL	_IO(GCARENA_IOC_TYPE, 0x04)
#define GCARENA_IOC_RELEASE	_IO(GCARENA_IOC_TYPE, 0x05)
#define GCARENA_IOC_ALLOC	_IO(GCARENA_IOC_TYPE, 0x06)
#define GCARENA_IOC_FREE	_IO(GCARENA_IOC_TYPE, 0x07)
#define GCARENA_IOC_COLLECT	_IO(GCARENA_IOC_TYPE, 0x08)
#define GCARENA_IOC_ROOTS_ADD	_IO(GCARENA_IOC_TYPE, 0x09)
#define GCARENA_IOC_ROOTS_DEL	_IO(GCARENA_IOC_TYPE, 0x0a)
#define GCARENA_IOC_SET		_IO(GCARENA_IOC_TYPE, 0x0b)
#define GCARENA_IOC_STATS	_IO(GCARENA_IOC_TYPE, 0x0c)
#define GCARENA_IOC_OBJECT	_IO(GCARENA_IOC_TYPE, 0x0d)
#define GCARENA_IOC_PIN		_IO(GCARENA_IOC_TYPE, 0x0e)
#define GCARENA_IOC_UNPIN	_IO(GCARENA_IOC_TYPE, 0x0f)
#define GCARENA_IOC_PERMANENT	_IO(GCARENA_IOC_TYPE, 0x10)
#define GCARENA_IOC_NAME	_IO(GCARENA_IOC_TYPE, 0x11)
#define GCARENA_IOC_ID		_IO(GCARENA_IOC_TYPE, 0x12)

/**
 * enum gcarena_layout - where an object's pointers are
 * @GCARENA_LAYOUT_CONSERVATIVE: any aligned 8-byte word may be a pointer
 * @GCARENA_LAYOUT_NOSCAN: no word is a pointer; the object is never read
 * @GCARENA_LAYOUT_FIRST_TYPE: first number that GCARENA_IOC_TYPE_ADD gives
 */
enum gcarena_layout {
	GCARENA_LAYOUT_CONSERVATIVE	= 0,
	GCARENA_LAYOUT_NOSCAN		= 1,
	GCARENA_LAYOUT_FIRST_TYPE	= 2,
};

/**
 * enum gcarena_root_mode - where the collector looks for the program's pointers
 * @GCARENA_ROOTS_DEFAULT: as GCARENA_ROOTS_AUTO
 * @GCARENA_ROOTS_AUTO: registers, stack, thread-local storage and writable data
 *	segments of the program and its libraries, and the added ranges. Memory
 *	from malloc() is not looked at
 * @GCARENA_ROOTS_EXPLICIT: the added ranges alone
 * @GCARENA_ROOTS_ALL: as AUTO, and all private writable anonymous memory,
 *	malloc()'s heap included. Memory marked MADV_WIPEONFORK is left out
 */
enum gcarena_root_mode {
	GCARENA_ROOTS_DEFAULT	= 0,
	GCARENA_ROOTS_AUTO	= 1,
	GCARENA_ROOTS_EXPLICIT	= 2,
	GCARENA_ROOTS_ALL	= 3,
};

/* Bits of &struct gcarena_info.features */
#define GCARENA_FEATURE_MARK_SWEEP	(1ULL << 0)	/* full mark-sweep cycles */
#define GCARENA_FEATURE_TYPES		(1ULL << 1)	/* GCARENA_IOC_TYPE_ADD */
#define GCARENA_FEATURE_AUTO_ROOTS	(1ULL << 2)	/* GCARENA_ROOTS_AUTO, _ALL */
#define GCARENA_FEATURE_AUTO_COLLECT	(1ULL << 3)	/* gc_percent */
#define GCARENA_FEATURE_STOP_WORLD	(1ULL << 4)	/* any number of threads and processes */
#define GCARENA_FEATURE_EVENTS		(1ULL << 5)	/* read() and poll() */
#define GCARENA_FEATURE_MINOR		(1ULL << 6)	/* GCARENA_COLLECT_MINOR */
#define GCARENA_FEATURE_COMPACT		(1ULL << 7)	/* GCARENA_COLLECT_COMPACT, pins, slots */
#define GCARENA_FEATURE_CONCURRENT	(1ULL << 8)	/* traces while the program runs */
#define GCARENA_FEATURE_MEMORY_LIMIT	(1ULL << 9)	/* GCARENA_PARAM_MEMORY_LIMIT */
#define GCARENA_FEATURE_MAJOR		(1ULL << 10)	/* GCARENA_COLLECT_MAJOR */
#define GCARENA_FEATURE_PERMANENT	(1ULL << 11)	/* GCARENA_IOC_PERMANENT */
#define GCARENA_FEATURE_NAMES		(1ULL << 12)	/* GCARENA_IOC_NAME */
#define GCARENA_FEATURE_IDS		(1ULL << 13)	/* GCARENA_IOC_ID */
#define GCARENA_FEATURE_EVACUATE	(1ULL << 14)	/* GCARENA_COLLECT_EVACUATE */

/* Values of gc_percent */
#define GCARENA_GC_PERCENT_DEFAULT	0	/* at creation: take the default, 100 */
#define GCARENA_GC_PERCENT_OFF		(-1)	/* only collect when asked or full */
#define GCARENA_GC_PERCENT_MAX		1000000

/* Bounds of a reserve: multiples of the chunk size between these, in bytes. */
#define GCARENA_CHUNK_SIZE	(1ULL << 21)
#define GCARENA_RESERVE_MIN	GCARENA_CHUNK_SIZE
#define GCARENA_RESERVE_MAX	(1ULL << 42)

/**
 * enum gcarena_dirty_method - how minor collections find the pages that were written
 * @GCARENA_DIRTY_PTE: from the page tables' dirty bits: costs the program nothing
 * @GCARENA_DIRTY_REFAULT: pages are unmapped, and fault when they are next used: for
 *	kernels that offer no access to dirty bits (without MAPPING_DIRTY_HELPERS)
 */
enum gcarena_dirty_method {
	GCARENA_DIRTY_PTE	= 1,
	GCARENA_DIRTY_REFAULT	= 2,
};

/**
 * struct gcarena_info - what this kernel and this arena are (GCARENA_IOC_INFO)
 * @size: sizeof(struct gcarena_info)
 * @flags: must be zero
 * @abi_version: GCARENA_ABI_VERSION of the module
 * @block_size: granule of spans and large objects, bytes
 * @features: GCARENA_FEATURE_ bits
 * @base: address of the arena in every process, 0 before the first mmap()
 * @reserve: length of the mapping, bytes; before CREATE: what it would be
 * @limit: most bytes of backing memory the arena may hold
 * @min_heap: the heap size below which no collection starts by itself, bytes
 * @root_mode: enum gcarena_root_mode in force
 * @gc_percent: growth that starts a collection, percent; -1 is off
 * @nr_size_classes: number of entries that GCARENA_IOC_CLASSES gives
 * @max_small: largest object that spans hold; larger ones need ALLOC, bytes
 * @created: 1 when the arena's parameters are fixed (CREATE or mmap() was done)
 * @dirty_method: enum gcarena_dirty_method: how written pages are found
 * @memory_limit: all memory should stay below this, bytes; 0: no such limit
 *
 * Works on every arena in any state. Errors: the common ones.
 */
struct gcarena_info {
	__u32 size;
	__u32 flags;
	__u32 abi_version;
	__u32 block_size;
	__aligned_u64 features;
	__aligned_u64 base;
	__aligned_u64 reserve;
	__aligned_u64 limit;
	__aligned_u64 min_heap;
	__u32 root_mode;
	__s32 gc_percent;
	__u32 nr_size_classes;
	__u32 max_small;
	__u32 created;
	__u32 dirty_method;
	__aligned_u64 memory_limit;
};

/**
 * struct gcarena_create - fix an arena's parameters (GCARENA_IOC_CREATE)
 * @size: sizeof(struct gcarena_create)
 * @flags: must be zero
 * @reserve: length of the address range, bytes, a multiple of
 *	GCARENA_CHUNK_SIZE; 0 takes the default (64 GiB)
 * @limit: most bytes of backing memory, a multiple of GCARENA_CHUNK_SIZE, at
 *	most @reserve; 0 takes @reserve or the administrator's bound
 * @min_heap: heap size in bytes below which no collection starts by itself;
 *	0 takes the default (4 MiB). It scales with @gc_percent / 100, as in Go
 * @root_mode: enum gcarena_root_mode
 * @gc_percent: the heap may grow by this many percent of what the last cycle
 *	found live before the next one starts; GCARENA_GC_PERCENT_DEFAULT or
 *	_OFF, or 1 to GCARENA_GC_PERCENT_MAX
 * @memory_limit: see GCARENA_PARAM_MEMORY_LIMIT; 0: none
 *
 * Optional: mmap() of an arena that was not created takes all defaults.
 *
 * Errors besides the common ones: EBUSY the arena has its parameters already;
 * EOPNOTSUPP unknown @root_mode; EPERM @limit is above the administrator's bound
 * (module parameter ``max_limit_mib``) and the caller has no CAP_SYS_RESOURCE.
 */
struct gcarena_create {
	__u32 size;
	__u32 flags;
	__aligned_u64 reserve;
	__aligned_u64 limit;
	__aligned_u64 min_heap;
	__u32 root_mode;
	__s32 gc_percent;
	__aligned_u64 memory_limit;
};

/**
 * struct gcarena_size_class - one row of the size-class table
 * @slot_size: bytes of a slot, a multiple of 16
 * @nr_slots: slots in a span
 * @span_size: bytes of a span
 * @reserved: zero
 */
struct gcarena_size_class {
	__u32 slot_size;
	__u32 nr_slots;
	__u32 span_size;
	__u32 reserved;
};

/**
 * struct gcarena_classes - read the size-class table (GCARENA_IOC_CLASSES)
 * @size: sizeof(struct gcarena_classes)
 * @flags: must be zero
 * @classes: address of an array of struct gcarena_size_class
 * @nr: in: entries that fit the array; out: entries of the table
 * @reserved: must be zero
 *
 * Entry 0 stands for large objects and is zero. Slot sizes ascend: an object
 * takes the first class whose slot it fits. The table is the same for all arenas
 * of a loaded module, and may differ between module versions.
 *
 * Errors besides the common ones: EMSGSIZE the array is too small (@nr tells
 * the number needed).
 */
struct gcarena_classes {
	__u32 size;
	__u32 flags;
	__aligned_u64 classes;
	__u32 nr;
	__u32 reserved;
};

#define GCARENA_TYPE_NAME_LEN	32
#define GCARENA_TYPE_SIZE_MAX	(1U << 20)
#define GCARENA_TYPES_MAX	4096

/**
 * struct gcarena_type_add - register an object layout (GCARENA_IOC_TYPE_ADD)
 * @size: sizeof(struct gcarena_type_add)
 * @flags: must be zero
 * @elem_size: bytes of one element, 1 to GCARENA_TYPE_SIZE_MAX; a multiple of 8
 *	when the bitmap has a bit set
 * @layout: out: the number to use as layout from now on
 * @ptrmap: address of an array of __u64, one bit for each 8-byte word of an
 *	element, lowest first; a set bit says that the word holds a pointer or
 *	zero. 0 when no word does. Bits past the element must be zero
 * @name: what to call it; zero-terminated. What is no text (see GCARENA_IOC_NAME) is
 *	replaced by question marks
 *
 * An object of the layout is an array of such elements, from its first byte to
 * its end. A layout without pointers is scanned no more than NOSCAN. Layouts
 * live as long as the arena.
 *
 * Errors besides the common ones: ENOSPC GCARENA_TYPES_MAX layouts exist.
 */
struct gcarena_type_add {
	__u32 size;
	__u32 flags;
	__u32 elem_size;
	__u32 layout;
	__aligned_u64 ptrmap;
	char name[GCARENA_TYPE_NAME_LEN];
};

#define GCARENA_SPAN_WORDS	64	/* of a free bitmap: at most 4096 slots */
#define GCARENA_REFILL_MAX	16	/* spans in one call */

/* The memory of all free slots reads as zero. */
#define GCARENA_SPAN_ZEROED	(1U << 0)

/**
 * struct gcarena_span - a span as it is handed out and given back
 * @base: address of slot 0
 * @slot_size: bytes of a slot
 * @nr_slots: slots in the span
 * @nr_free: slots that are free (set bits in @free)
 * @flags: GCARENA_SPAN_ bits
 * @size_class: index into the size-class table
 * @layout: layout of all its objects
 * @free: bit n is set when slot n is free; slot n is at
 *	@base + n * @slot_size. Words past the last slot are left as they were
 */
struct gcarena_span {
	__aligned_u64 base;
	__u32 slot_size;
	__u32 nr_slots;
	__u32 nr_free;
	__u32 flags;
	__u32 size_class;
	__u32 layout;
	__aligned_u64 free[GCARENA_SPAN_WORDS];
};

/**
 * struct gcarena_refill - give back used-up spans, get more (GCARENA_IOC_REFILL)
 * @size: sizeof(struct gcarena_refill)
 * @flags: must be zero
 * @size_class: class wanted, 1 to nr_size_classes - 1
 * @layout: layout wanted
 * @used: address of an array of __u64: bases of the calling thread's spans
 *	that have no free slot any more
 * @spans: address of an array of struct gcarena_span, which the call fills; one that
 *	becomes unwritable half way is an early end, not an error
 * @nr_used: entries in @used, at most GCARENA_REFILL_MAX
 * @nr_spans: in: entries in @spans, 1 to GCARENA_REFILL_MAX; out: entries filled,
 *	at least 1 on success
 * @want: stop when the spans handed out have this many free bytes; one span is
 *	handed out in any case, and no more where a collection is due or about to end:
 *	the thread is to come back soon then, and to help
 * @cycle: out: number of collections completed in this arena
 *
 * A span that was handed out belongs to the calling thread until it gives it
 * back, exits or unmaps the arena: no collection sweeps it, no other thread gets
 * it. The thread takes a slot by clearing its bit, in its own memory. A free slot
 * may hold old data unless the span is GCARENA_SPAN_ZEROED.
 *
 * May run a collection first, when the heap has grown by gc_percent or the arena
 * is full. The registers, stack and data of the calling thread are roots, as at
 * any other moment.
 *
 * Errors besides the common ones: ENOENT an entry of @used is no span of this
 * thread, or there is no such layout (nothing was done); ENOSPC the arena is full
 * after collecting; ETIMEDOUT, EFAULT the arena is full and a collection failed (see
 * GCARENA_IOC_COLLECT). After ENOSPC, ETIMEDOUT and ENOMEM the spans in @used have
 * been taken back.
 */
struct gcarena_refill {
	__u32 size;
	__u32 flags;
	__u32 size_class;
	__u32 layout;
	__aligned_u64 used;
	__aligned_u64 spans;
	__u32 nr_used;
	__u32 nr_spans;
	__aligned_u64 want;
	__aligned_u64 cycle;
};

/* Also give back all other spans of the calling thread, as used up. */
#define GCARENA_RELEASE_ALL	(1U << 0)

/**
 * struct gcarena_release - give spans back early (GCARENA_IOC_RELEASE)
 * @size: sizeof(struct gcarena_release)
 * @flags: GCARENA_RELEASE_ bits
 * @spans: address of an array of struct gcarena_span, of which base and free are
 *	read: free slots as the thread left them. Slots that were not free when
 *	the span was handed out are ignored
 * @nr_spans: entries in @spans, at most GCARENA_REFILL_MAX
 * @reserved: must be zero
 *
 * For thread exit, and before a collection that is to find every unused slot.
 * A thread that ends without it loses nothing: its spans come back as used up.
 *
 * Errors besides the common ones: ENOENT an entry is no span of this thread;
 * entries before it have been given back.
 */
struct gcarena_release {
	__u32 size;
	__u32 flags;
	__aligned_u64 spans;
	__u32 nr_spans;
	__u32 reserved;
};

/**
 * struct gcarena_alloc - allocate one large object (GCARENA_IOC_ALLOC)
 * @size: sizeof(struct gcarena_alloc)
 * @flags: must be zero
 * @layout: layout of the object
 * @reserved: must be zero
 * @bytes: length, above max_small (smaller ones come from REFILL)
 * @addr: out: address of the object, a multiple of block_size; all bytes zero
 *
 * May run a collection first, as REFILL does.
 *
 * Errors besides the common ones: ENOENT there is no such layout; ENOSPC the
 * arena is full after collecting, or @bytes is above its limit; ETIMEDOUT, EFAULT as
 * REFILL.
 */
struct gcarena_alloc {
	__u32 size;
	__u32 flags;
	__u32 layout;
	__u32 reserved;
	__aligned_u64 bytes;
	__aligned_u64 addr;
};

/**
 * struct gcarena_free - free one object now (GCARENA_IOC_FREE)
 * @size: sizeof(struct gcarena_free)
 * @flags: must be zero
 * @addr: address of the object's first byte
 *
 * Errors besides the common ones: EINVAL @addr is inside an object, not at its
 * start, or not in the arena; ENOENT no object is there (freed already, or
 * collected); EBUSY the slot was handed out free to a thread that still has the
 * span: only that thread knows its state; EPERM the object is permanent. A thread puts
 * slots of its own spans back by setting their bits; those of others are left to the
 * collector.
 */
struct gcarena_free {
	__u32 size;
	__u32 flags;
	__aligned_u64 addr;
};

/**
 * enum gcarena_collect_kind - what a collection does
 * @GCARENA_COLLECT_FULL: mark everything from the roots, sweep everything
 * @GCARENA_COLLECT_MINOR: collect the young: objects that were allocated since the last
 *	collection. What survived one counts as reachable, and of it only the pages written
 *	since are read. Frees no old object. After a collection that failed, or if
 *	there was none yet, it is a full one
 * @GCARENA_COLLECT_COMPACT: as FULL; then move objects to fewer chunks, change the pointers
 *	to them, and give all empty chunks back. See below for what moves
 * @GCARENA_COLLECT_MAJOR: as FULL, but trace while the program runs, and stop it a few times
 *	for moments only. The caller traces, until it is done. Events and statistics tell
 *	of it as of a FULL one that was concurrent
 * @GCARENA_COLLECT_EVACUATE: collect nothing; move objects as COMPACT does, out of the chunks
 *	where that saves the most, beside the program: it is stopped for moments only, to move
 *	GCARENA_PARAM_COMPACT_BYTES at most. What is dead and was not found so moves as well.
 *	When @moved_objects is 0 nothing is left that is worth moving
 *
 * FULL, MINOR and COMPACT stop the program once, from beginning to end. (A MINOR one that is
 * asked for while a concurrent one is on completes that instead.)
 */
enum gcarena_collect_kind {
	GCARENA_COLLECT_FULL	= 0,
	GCARENA_COLLECT_MINOR	= 1,
	GCARENA_COLLECT_COMPACT	= 2,
	GCARENA_COLLECT_MAJOR	= 3,
	GCARENA_COLLECT_EVACUATE = 4,
};

/* Give all empty chunks back to the system, also those the heap will need soon. */
#define GCARENA_COLLECT_RELEASE	(1U << 0)
/* Then make all objects permanent that are left (GCARENA_IOC_PERMANENT). FULL, MINOR, COMPACT. */
#define GCARENA_COLLECT_PERMANENT	(1U << 1)

/**
 * struct gcarena_collect - collect now (GCARENA_IOC_COLLECT)
 * @size: sizeof(struct gcarena_collect)
 * @flags: GCARENA_COLLECT_ bits
 * @kind: enum gcarena_collect_kind
 * @reserved: must be zero
 * @cycle: out: number of this collection, from 1
 * @pause_ns: out: time for which the program could not run, ns; the sum, if it was stopped
 *	several times; EVACUATE: the longest of several such times
 * @live_objects: out: objects found reachable
 * @live_bytes: out: bytes of their slots
 * @freed_objects: out: objects freed by this collection. Free slots of spans that
 *	threads hold are not known and not counted
 * @freed_bytes: out: bytes of their slots
 * @released_bytes: out: backing memory given back to the system, bytes
 * @moved_objects: out: objects that have a new address
 * @moved_bytes: out: bytes of their slots
 *
 * Stops all threads of all processes that map the arena, before they next run in user
 * mode. No signal is sent, and no system call is interrupted: threads that sleep
 * in one are left asleep.
 *
 * Errors besides the common ones: EOPNOTSUPP unknown @kind, or MAJOR or EVACUATE with
 * GCARENA_COLLECT_PERMANENT; ENOMEM, EINTR with that: no object was made permanent, but the
 * collection may have been completed; ETIMEDOUT a thread did
 * not stop in time: within 10 s, or what the module parameter ``stop_timeout_ms`` says (an
 * event and &struct gcarena_stats.stop_timeout_pid tell which); EFAULT an added root range
 * cannot be read; EIO the module parameter ``verify`` is on, and an object would have been
 * lost (the kernel log tells). A collection that fails frees nothing.
 *
 * What dies while MAJOR traces may be found dead by the next collection only. It frees
 * what FULL would have freed when it was called, and numbers count what others freed
 * meanwhile, too. When another thread asks for a collection that is none of MINOR while
 * this one is on, that takes its place. Killed, it is left to the kernel's own threads.
 *
 * What COMPACT moves: objects of a registered type or NOSCAN, of at most max_small bytes,
 * that are not pinned and lie in no span that a thread holds. An object is pinned by
 * GCARENA_IOC_PIN; by a word that may be a pointer and may not: in registers, on a
 * stack, in a data segment, in an added range that is not GCARENA_ROOTS_PRECISE, in a
 * CONSERVATIVE object; and by I/O that is under way on a page of its span. What is
 * changed: the pointer words of typed objects, and precise slots. A pointer to the inside
 * of an object keeps its distance from the start; one to just behind its end belongs to
 * whatever is there. Addresses that are anywhere else are wrong afterwards, if they are
 * of objects that have moved: in memory that is no root, in files, in the kernel, in an
 * arena with GCARENA_ROOTS_EXPLICIT also in registers and on stacks.
 *
 * When COMPACT fails with ENOMEM, EINTR, or with EFAULT because a precise slot cannot be
 * written, either the collection has failed as above, or it was completed, and all objects
 * are where they were. &struct gcarena_stats.moves tells of moves for certain. When EVACUATE
 * fails, what has moved has moved: with ENOMEM also because an allocation that found no
 * memory needed that which it was to move to. Killed, it is left to the kernel's own threads.
 */
struct gcarena_collect {
	__u32 size;
	__u32 flags;
	__u32 kind;
	__u32 reserved;
	__aligned_u64 cycle;
	__aligned_u64 pause_ns;
	__aligned_u64 live_objects;
	__aligned_u64 live_bytes;
	__aligned_u64 freed_objects;
	__aligned_u64 freed_bytes;
	__aligned_u64 released_bytes;
	__aligned_u64 moved_objects;
	__aligned_u64 moved_bytes;
};

#define GCARENA_ROOTS_RANGES_MAX	65536

/* The range is of precise slots: each word is a pointer for certain, or in no arena. */
#define GCARENA_ROOTS_PRECISE	(1U << 0)

/**
 * struct gcarena_roots - add or remove a root range (GCARENA_IOC_ROOTS_ADD, _DEL)
 * @size: sizeof(struct gcarena_roots)
 * @flags: GCARENA_ROOTS_ bits; DEL wants the same as ADD
 * @addr: first byte, in the caller's address space
 * @len: bytes, at least 1
 *
 * Every aligned 8-byte word that lies whole inside the range may be a pointer.
 * The memory must stay readable until the range is removed. Ranges belong to the
 * process and go when it unmaps the arena, execs or exits; a child that it forks has
 * them, too. The same range may be added several times, and is then to be removed as
 * often.
 *
 * A precise slot does not pin the object it points to: COMPACT changes the slot when the
 * object moves. The memory must be writable, and private or shared anonymous memory or
 * that of a tmpfs. Where it is part of a data segment it no longer counts as that.
 *
 * Errors besides the common ones: EINVAL the range is empty, wraps round or lies
 * outside user space, or is precise and in the arena (ADD); ENOSPC
 * GCARENA_ROOTS_RANGES_MAX different ranges of its sort are there (ADD); ENOENT no such range
 * was added (DEL).
 */
struct gcarena_roots {
	__u32 size;
	__u32 flags;
	__aligned_u64 addr;
	__aligned_u64 len;
};

#define GCARENA_PINS_MAX	65536

/**
 * struct gcarena_pin - keep an object where it is (GCARENA_IOC_PIN, _UNPIN)
 * @size: sizeof(struct gcarena_pin)
 * @flags: must be zero
 * @addr: any address inside the object
 *
 * For objects whose address is handed to what the collector does not see: the kernel,
 * devices, other programs. A pinned object is reachable, and does not move. Pins are
 * counted: an object is to be unpinned as often as it was pinned. They belong to the
 * process, and go when it unmaps the arena, execs or exits; a child that it forks does not
 * have them. An object that is freed by FREE leaves its pins to what is there next:
 * unpin before.
 *
 * Errors besides the common ones: EINVAL @addr is not in the arena (PIN); ENOENT no object
 * is there (PIN), or none that this process has pinned (UNPIN); ENOSPC the process has
 * pinned GCARENA_PINS_MAX objects, or one 2^32 - 1 times (PIN).
 */
struct gcarena_pin {
	__u32 size;
	__u32 flags;
	__aligned_u64 addr;
};

/**
 * struct gcarena_permanent - make an object permanent (GCARENA_IOC_PERMANENT)
 * @size: sizeof(struct gcarena_permanent)
 * @flags: must be zero
 * @addr: any address inside the object
 *
 * A permanent object is never freed, by whatever collection or by FREE, as long as the
 * arena is there. It is a root: what it points to is reachable, and when it is written to
 * later, what it points to then. Minor collections read of it what was written since the
 * last one, full ones all of it once, unless it is NOSCAN; but they need not find it. It does
 * not move, nor does what shares its span. For what a program sets up once and keeps: most
 * cheaply with GCARENA_COLLECT_PERMANENT, for all that there is, and after COMPACT, in
 * the same call, for all of it in one place. Not undone by anything.
 *
 * Errors besides the common ones: EINVAL @addr is not in the arena; ENOENT no object is there.
 */
struct gcarena_permanent {
	__u32 size;
	__u32 flags;
	__aligned_u64 addr;
};

/**
 * struct gcarena_id - a number that stands for an object (GCARENA_IOC_ID)
 * @size: sizeof(struct gcarena_id)
 * @flags: must be zero
 * @addr: any address inside the object
 * @id: out: its number, never 0
 *
 * An object has the same number for as long as it lives, wherever it moves, in all
 * processes. It gets one when it is first asked for; numbers count up, and no two objects
 * of an arena ever have the same, dead ones included. For tables that are keyed by
 * object. Costs kernel memory until the object is dead: 16 to 64 bytes.
 *
 * Of a slot that a thread holds, the number ends when it is freed by FREE (EBUSY), or
 * given back unused; not when the thread sets its bit without a word.
 *
 * Errors besides the common ones: EINVAL @addr is not in the arena; ENOENT no object is
 * there.
 */
struct gcarena_id {
	__u32 size;
	__u32 flags;
	__aligned_u64 addr;
	__aligned_u64 id;
};

/**
 * enum gcarena_param - what GCARENA_IOC_SET sets
 * @GCARENA_PARAM_GC_PERCENT: see &struct gcarena_create.gc_percent; 1 to
 *	GCARENA_GC_PERCENT_MAX, or GCARENA_GC_PERCENT_OFF
 * @GCARENA_PARAM_LIMIT: see &struct gcarena_create.limit; not 0. May be below what the
 *	arena holds now: then nothing more is taken until it fits again
 * @GCARENA_PARAM_MIN_HEAP: see &struct gcarena_create.min_heap; not 0
 * @GCARENA_PARAM_MEMORY_LIMIT: a soft limit, as Go's GOMEMLIMIT: collections begin so early
 *	that backing and metadata together stay below so many bytes, also where gc_percent
 *	is off, and empty chunks are given back to get there. When the live objects do not
 *	fit, or collecting would take more than half of the time, more is taken, up to
 *	the limit of GCARENA_PARAM_LIMIT. 0: no such limit
 * @GCARENA_PARAM_COMPACT_PERCENT: do what GCARENA_COLLECT_EVACUATE does when a full collection
 *	finds that more than this percent of the chunks in use is not live, 1 to 99; 0, the
 *	default, is never: addresses that a program has where no collector looks must
 *	not become wrong unasked
 * @GCARENA_PARAM_COMPACT_BYTES: most bytes to move in one stop for that; 1 MiB unless set
 */
enum gcarena_param {
	GCARENA_PARAM_GC_PERCENT	= 1,
	GCARENA_PARAM_LIMIT		= 2,
	GCARENA_PARAM_MIN_HEAP		= 3,
	GCARENA_PARAM_MEMORY_LIMIT	= 4,
	GCARENA_PARAM_COMPACT_PERCENT	= 5,
	GCARENA_PARAM_COMPACT_BYTES	= 6,
};

/**
 * struct gcarena_set - change a parameter (GCARENA_IOC_SET)
 * @size: sizeof(struct gcarena_set)
 * @flags: must be zero
 * @param: enum gcarena_param
 * @reserved: must be zero
 * @value: in: new value; out: the value before
 *
 * Errors besides the common ones: EOPNOTSUPP unknown @param; EPERM a limit above
 * the administrator's bound.
 */
struct gcarena_set {
	__u32 size;
	__u32 flags;
	__u32 param;
	__u32 reserved;
	__s64 value;
};

#define GCARENA_NAME_LEN	64

/**
 * struct gcarena_name - give the arena a name (GCARENA_IOC_NAME)
 * @size: sizeof(struct gcarena_name)
 * @flags: must be zero
 * @name: zero-terminated text; "" takes the name away
 *
 * For people: it is shown wherever the arena is, in /proc/PID/fdinfo, by netlink and by
 * gcarenactl(8). Names need not be unique. Text is UTF-8 without control characters, line
 * separators, and characters that change the direction of writing.
 *
 * Errors besides the common ones: EINVAL @name is not terminated, or is no text.
 */
struct gcarena_name {
	__u32 size;
	__u32 flags;
	char name[GCARENA_NAME_LEN];
};

#define GCARENA_PAUSE_BUCKETS	26	/* the last one is for 16.8 s and more */

/**
 * struct gcarena_stats - counters of an arena (GCARENA_IOC_STATS)
 * @size: sizeof(struct gcarena_stats)
 * @flags: must be zero
 * @heap_objects: slots in use: live objects and dead ones not yet found, and the
 *	free slots of spans that threads hold
 * @heap_bytes: bytes of those slots
 * @span_bytes: bytes of all spans
 * @backing_bytes: memory held for objects, bytes
 * @backing_peak: highest @backing_bytes so far
 * @idle_bytes: part of @backing_bytes in chunks that hold no span
 * @metadata_bytes: kernel memory held for spans, bitmaps and tables, bytes
 * @total_alloc_objects: slots handed out since creation, less those given back
 * @total_alloc_bytes: bytes of those slots
 * @total_freed_objects: slots freed by sweeping and by FREE since creation
 * @total_freed_bytes: bytes of those slots
 * @released_bytes: backing given back to the system since creation, bytes
 * @next_gc: the next collection starts when @heap_bytes reaches this, or, if it is a
 *	concurrent one, should end then; ~0 is never
 * @cycles: collections completed
 * @cycles_forced: of these, asked for by COLLECT
 * @cycles_refused: always 0
 * @cycles_aborted: collections given up (killed, no memory, unreadable roots, a thread
 *	that did not stop)
 * @last_live_objects: found reachable by the last collection
 * @last_live_bytes: bytes of their slots
 * @pause_total_ns: sum of all pauses, ns; a concurrent collection has several
 * @pause_last_ns: last pause, ns
 * @pause_max_ns: longest pause, ns
 * @mark_total_ns: part of the pauses spent tracing, ns
 * @root_total_ns: part of the pauses spent reading roots, ns
 * @sweep_total_ns: time spent sweeping, ns
 * @root_bytes_last: bytes of roots read by the last collection
 * @mark_stack_peak: most bytes of mark stack used so far
 * @mark_overflows: times that the mark stack was full and spans were rescanned
 * @refills: REFILL calls that succeeded
 * @refill_spans: spans handed out by them
 * @large_allocs: ALLOC calls that succeeded
 * @frees: FREE calls that succeeded
 * @faults: page faults on the arena's memory
 * @populated_pages: page table entries filled ahead of use
 * @owned_spans: spans that threads hold now
 * @huge_chunks: chunks backed by one 2 MiB page
 * @split_chunks: chunks backed by small pages
 * @stop_last_ns: last time from the request to stop to the last thread stopped, ns
 * @stop_total_ns: sum of all these, ns
 * @stop_max_ns: longest, ns
 * @stop_threads_last: threads stopped and scanned by the last collection
 * @stop_timeout_pid: number of the thread that last failed to stop in time, or 0
 * @cycles_minor: of @cycles, minor ones
 * @old_objects: of @heap_objects, those that survived a collection; the others are young
 * @old_bytes: bytes of their slots
 * @dirty_pages_last: pages that the last look for written ones found
 * @dirty_pages_total: sum of all these
 * @dirty_total_ns: time spent finding written pages, ns
 * @cycles_compact: of @cycles, compacting ones
 * @moves: how often objects were moved: as long as this stays the same, so do addresses
 * @moved_objects: objects moved since creation; one that moves twice counts twice
 * @moved_bytes: bytes of their slots
 * @compact_total_ns: part of the pauses spent compacting, ns
 * @cycles_concurrent: of @cycles, those that traced while the program ran
 * @rounds: times that these looked for written pages
 * @concurrent_ns: time they spent tracing while the program ran, ns
 * @assist_ns: time that allocating threads spent helping them, ns; pauses included
 * @pauses: how many pauses there were; [0]: of less than 1 us, [i]: of 2^(i-1) us or more,
 *	but less than 2^i; the last one has no upper bound
 * @mark_workers_last: threads that traced in the last collection, its own included
 * @mark_shared: pieces of mark stack that they gave to each other, in all collections
 * @quiet_bytes: backing that is unmapped because it was not written for some collections,
 *	so that looks for written pages leave it out
 * @quiet_total: how often a chunk of it became so
 * @quiet_faults: page faults that mapped one again
 * @clear_total_ns: time that full collections spent clearing marks, ns
 * @root_stop_total_ns: of the pauses, those of concurrent collections for roots alone, ns
 * @last_stop_total_ns: of the pauses, those that end concurrent collections, ns
 * @marked_objects: objects found by tracing, by all collections; a minor one finds young ones
 * @marked_bytes: bytes of their slots
 * @rounds_last: of @rounds, those of the last concurrent collection
 * @dirty_passes: looks for written pages
 * @permanent_objects: of @old_objects, those that are never freed (GCARENA_IOC_PERMANENT)
 * @permanent_bytes: bytes of their slots
 * @limit_exceeded: times that memory was taken above GCARENA_PARAM_MEMORY_LIMIT
 * @limit_throttled: collections for its sake that did not happen, as too much time had been
 *	spent already
 * @dirty_method: enum gcarena_dirty_method: how written pages are found, as in
 *	&struct gcarena_info. No count, and as wide as one: all fields are alike to netlink
 *
 * Always works, on an arena not yet created too (all zero, but for @dirty_method). Counters
 * fit together at one moment: the arena's lock is held.
 */
struct gcarena_stats {
	__u32 size;
	__u32 flags;
	__aligned_u64 heap_objects;
	__aligned_u64 heap_bytes;
	__aligned_u64 span_bytes;
	__aligned_u64 backing_bytes;
	__aligned_u64 backing_peak;
	__aligned_u64 idle_bytes;
	__aligned_u64 metadata_bytes;
	__aligned_u64 total_alloc_objects;
	__aligned_u64 total_alloc_bytes;
	__aligned_u64 total_freed_objects;
	__aligned_u64 total_freed_bytes;
	__aligned_u64 released_bytes;
	__aligned_u64 next_gc;
	__aligned_u64 cycles;
	__aligned_u64 cycles_forced;
	__aligned_u64 cycles_refused;
	__aligned_u64 cycles_aborted;
	__aligned_u64 last_live_objects;
	__aligned_u64 last_live_bytes;
	__aligned_u64 pause_total_ns;
	__aligned_u64 pause_last_ns;
	__aligned_u64 pause_max_ns;
	__aligned_u64 mark_total_ns;
	__aligned_u64 root_total_ns;
	__aligned_u64 sweep_total_ns;
	__aligned_u64 root_bytes_last;
	__aligned_u64 mark_stack_peak;
	__aligned_u64 mark_overflows;
	__aligned_u64 refills;
	__aligned_u64 refill_spans;
	__aligned_u64 large_allocs;
	__aligned_u64 frees;
	__aligned_u64 faults;
	__aligned_u64 populated_pages;
	__aligned_u64 owned_spans;
	__aligned_u64 huge_chunks;
	__aligned_u64 split_chunks;
	__aligned_u64 stop_last_ns;
	__aligned_u64 stop_total_ns;
	__aligned_u64 stop_max_ns;
	__aligned_u64 stop_threads_last;
	__aligned_u64 stop_timeout_pid;
	__aligned_u64 cycles_minor;
	__aligned_u64 old_objects;
	__aligned_u64 old_bytes;
	__aligned_u64 dirty_pages_last;
	__aligned_u64 dirty_pages_total;
	__aligned_u64 dirty_total_ns;
	__aligned_u64 cycles_compact;
	__aligned_u64 moves;
	__aligned_u64 moved_objects;
	__aligned_u64 moved_bytes;
	__aligned_u64 compact_total_ns;
	__aligned_u64 cycles_concurrent;
	__aligned_u64 rounds;
	__aligned_u64 concurrent_ns;
	__aligned_u64 assist_ns;
	__aligned_u64 pauses[GCARENA_PAUSE_BUCKETS];
	__aligned_u64 mark_workers_last;
	__aligned_u64 mark_shared;
	__aligned_u64 quiet_bytes;
	__aligned_u64 quiet_total;
	__aligned_u64 quiet_faults;
	__aligned_u64 clear_total_ns;
	__aligned_u64 root_stop_total_ns;
	__aligned_u64 last_stop_total_ns;
	__aligned_u64 marked_objects;
	__aligned_u64 marked_bytes;
	__aligned_u64 rounds_last;
	__aligned_u64 dirty_passes;
	__aligned_u64 permanent_objects;
	__aligned_u64 permanent_bytes;
	__aligned_u64 limit_exceeded;
	__aligned_u64 limit_throttled;
	__aligned_u64 dirty_method;
};

/* Bits of &struct gcarena_object.state */
#define GCARENA_OBJECT_MARKED	(1U << 0)	/* reached by the last collection */
#define GCARENA_OBJECT_OWNED	(1U << 1)	/* small, in a span that a thread holds */
#define GCARENA_OBJECT_LARGE	(1U << 2)	/* has a span of its own */

/**
 * enum gcarena_region - how old an object is
 * @GCARENA_REGION_YOUNG: allocated since the last collection
 * @GCARENA_REGION_OLD: survived a collection
 * @GCARENA_REGION_PERMANENT: is never freed: GCARENA_IOC_PERMANENT
 */
enum gcarena_region {
	GCARENA_REGION_YOUNG	= 0,
	GCARENA_REGION_OLD	= 1,
	GCARENA_REGION_PERMANENT = 2,
};

/**
 * struct gcarena_object - ask about one address (GCARENA_IOC_OBJECT)
 * @size: sizeof(struct gcarena_object)
 * @flags: must be zero
 * @addr: any address inside the object
 * @base: out: address of its first byte
 * @bytes: out: length of its slot
 * @layout: out: its layout
 * @size_class: out: its class; 0 is large
 * @region: out: enum gcarena_region
 * @state: out: GCARENA_OBJECT_ bits
 *
 * A free slot of a span that a thread holds counts as an object: only the thread
 * knows better.
 *
 * Errors besides the common ones: EINVAL @addr is not in the arena; ENOENT no
 * object is there.
 */
struct gcarena_object {
	__u32 size;
	__u32 flags;
	__aligned_u64 addr;
	__aligned_u64 base;
	__aligned_u64 bytes;
	__u32 layout;
	__u32 size_class;
	__u32 region;
	__u32 state;
};

/* What the kernel keeps of events that nobody reads: the newest ones. */
#define GCARENA_EVENTS_MAX	64

/**
 * enum gcarena_event_kind - what happened
 * @GCARENA_EVENT_CYCLE: a collection has ended; the program runs again
 * @GCARENA_EVENT_ABORTED: a collection was given up, and has freed nothing
 * @GCARENA_EVENT_MOVED: objects were moved beside the program (GCARENA_COLLECT_EVACUATE)
 */
enum gcarena_event_kind {
	GCARENA_EVENT_CYCLE	= 1,
	GCARENA_EVENT_ABORTED	= 2,
	GCARENA_EVENT_MOVED	= 3,
};

/**
 * struct gcarena_event - what read() on an arena returns, one or more of them
 * @size: bytes of this event, always a multiple of 8; step by it: a later kernel may
 *	append fields
 * @kind: enum gcarena_event_kind; skip those you do not know
 * @error: ABORTED: the errno that COLLECT failed with
 * @pid: ABORTED with ETIMEDOUT: the thread that did not stop; else the thread that
 *	collected. As the collecting thread sees it; 0 when it does not see it, or when
 *	the kernel collected for somebody outside (linux/gcarena_netlink.h)
 * @lost: events that were overwritten by newer ones, just before this one
 * @collect_kind: enum gcarena_collect_kind that it was
 * @time_ns: when it happened, CLOCK_MONOTONIC, ns
 * @cycle: number of the last collection that was completed
 * @duration_ns: for how long the program could not run, ns
 * @live_bytes: CYCLE: bytes of the slots found reachable
 * @longest_ns: a concurrent collection stops the program several times: the longest of the
 *	stops that @duration_ns is the sum of, ns
 * @moves: &struct gcarena_stats.moves: as long as it stays the same, so do addresses
 * @moved_objects: CYCLE, MOVED: objects that have a new address by that
 * @moved_bytes: bytes of their slots
 *
 * read() waits for an event, unless the descriptor is O_NONBLOCK. poll() says POLLIN when
 * there is one. All processes that share an arena share its events: each is read once.
 * What is not read is overwritten once there are GCARENA_EVENTS_MAX newer ones.
 *
 * A buffer that has room for the first version of the structure alone, up to @live_bytes,
 * gets events of that size.
 *
 * Errors of read(): EINVAL the buffer has no room for an event; EAGAIN there is none
 * (O_NONBLOCK); EFAULT the buffer is not writable: nothing is lost; EINTR a signal.
 */
struct gcarena_event {
	__u32 size;
	__u32 kind;
	__u32 error;
	__u32 pid;
	__u32 lost;
	__u32 collect_kind;
	__aligned_u64 time_ns;
	__aligned_u64 cycle;
	__aligned_u64 duration_ns;
	__aligned_u64 live_bytes;
	__aligned_u64 longest_ns;
	__aligned_u64 moves;
	__aligned_u64 moved_objects;
	__aligned_u64 moved_bytes;
};

#endif /* _UAPI_LINUX_GCARENA_H */
