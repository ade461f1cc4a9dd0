/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Concurrent marking by dirty bits, as a model for spin. See README.md.
 *
 * Three objects of one word each: 1 and 2 on page A, 3 on page B. A span is a page.
 * Threads share the word root[0] and have one word each, root[1 + me]: all are roots.
 * Sets of objects and of pages are bit masks.
 *
 * THREADS=2, LEASES, UNMAP add to what the program does, QUIET to what the collector does;
 * TABLE_RECLAIM is a newer kernel; FLAGS_* are ways to read the pages' own dirty flags. A macro NO_* or WITH_* puts a bug
 * in. SEE_* makes something that should be possible an error.
 */
#ifndef THREADS
#define THREADS 1
#endif

#define OBJECTS 3
#define A 1
#define B 2
#define BIT(o) (1 << ((o) - 1))
#define PAGE(o) ((o) == 3 -> B : A)
#define ON(p) ((((p) & A) -> 3 : 0) | (((p) & B) -> 4 : 0))

/* The program. */
byte field[OBJECTS + 1];
byte root[THREADS + 1];

/* The machine: page table entries, and what each processor has cached as dirty. */
byte present = A | B;
byte dirty;
byte tlb[THREADS];
byte flag;		/* the pages' own dirty flags */
bool table_lock;	/* held while entries are zapped, until the TLBs are flushed */
bool table_gone;	/* TABLE_RECLAIM: unhooked before that */

/* The heap. */
byte alloc;
byte mark;
byte leased;		/* pages in a thread's hands */
byte unused;		/* slots handed out and not used yet; they count as alloc */
byte unswept;		/* pages */

/* The collector. */
bool stopped;
bool must_trace_all = true;
byte grey;		/* marked objects to scan */
byte cleaned;		/* pages whose entries were cleaned, not flushed yet */
byte taken;		/* pages to scan */
byte again;		/* FLAGS_TWICE: pages to take once more */
#ifdef QUIET
byte quiet;		/* pages that takes leave out */
byte skipped;		/* pages that this one does */
#ifdef WITH_LATE_WAKE
byte late;		/* pages whose fault has made the entry already */
#endif
#else
#define quiet 0
#define skipped 0
#endif

hidden byte h_reach, h_i;

/* --- the program ------------------------------------------------------------------ */

/* A page fault, if there is no entry: the page is quiet no more. */
inline fault(p)
{
#ifdef SEE_WOKEN
	assert(!(quiet & ~present & (p)));
#endif
#ifdef QUIET
#ifdef WITH_LATE_WAKE
	late = late | (quiet & ~present & (p));
#else
	quiet = quiet & ~(~present & (p));
#endif
#endif
	present = present | (p)
}

/*
 * A store sets the entry's dirty bit, unless the processor has it cached as set. If
 * there is no entry, it faults, which brings a clean one.
 */
inline store(x, v)
{
	d_step {
		root[x] && (((tlb[me] | present) & PAGE(root[x])) || !table_lock) ->
		if
		:: tlb[me] & PAGE(root[x]) ->
#ifdef SEE_STALE
			assert(dirty & PAGE(root[x]))
#endif
			skip
		:: else ->
			fault(PAGE(root[x]));
			dirty = dirty | PAGE(root[x]);
			tlb[me] = tlb[me] | PAGE(root[x])
		fi;
		field[root[x]] = v
	}
}

/* A load caches the entry as it is. */
inline load(x, y)
{
	d_step {
		root[y] ->
#ifdef QUIET
		fault(PAGE(root[y]));
#endif
		tlb[me] = tlb[me] | (dirty & PAGE(root[y]));
		root[x] = field[root[y]]
	}
}

/* The slot is zero already: nothing is written, no trace is left. */
inline new(x, o)
{
	d_step {
#ifdef LEASES
		unused & BIT(o) ->
		assert(alloc & BIT(o));
		unused = unused & ~BIT(o);
#else
		!(alloc & BIT(o)) && !(unswept & PAGE(o)) ->
		alloc = alloc | BIT(o);
		mark = mark & ~BIT(o);
#endif
		root[x] = o
	}
}

#ifdef WITH_UNSWEPT_LEASED
#define MAY_LEASE(p) (!(leased & (p)))
#else
#define MAY_LEASE(p) (!((leased | unswept) & (p)))
#endif

/* A refill: all free slots of a swept span. */
inline lease(p)
{
	d_step {
		(ON(p) & ~alloc) && MAY_LEASE(p) ->
		leased = leased | p;
		unused = unused | (ON(p) & ~alloc);
		mark = mark & ~(ON(p) & ~alloc);
		alloc = alloc | ON(p)
	}
}

inline give_back(p)
{
	d_step {
		leased & p ->
		alloc = alloc & ~(unused & ON(p));
		unused = unused & ~ON(p);
		leased = leased & ~p
	}
}

proctype thread(byte me) provided (!stopped)
{
	byte own = me + 1;

	do
	:: load(0, 0)
	:: load(own, 0)
	:: load(0, own)
	:: load(own, own)
	:: store(0, root[own])
	:: store(own, root[0])
	:: store(0, 0)
	:: store(own, 0)
	:: d_step { root[0] -> root[0] = 0 }
	:: d_step { root[own] -> root[own] = 0 }
	:: d_step { root[own] != root[0] -> root[own] = root[0] }
	:: d_step { root[own] != root[0] -> root[0] = root[own] }
#ifndef UNMAP
	:: new(own, 1)
	:: new(own, 2)
#endif
	:: new(own, 3)
#ifdef LEASES
	:: lease(A)
	:: lease(B)
	:: give_back(A)
	:: give_back(B)
#endif
#ifdef WITH_LATE_WAKE
	:: d_step { late -> quiet = quiet & ~late; late = 0 }
#endif
	od
}

/* --- the kernel -------------------------------------------------------------------- */

inline flush(pages)
{
	tlb[0] = tlb[0] & ~(pages);
#if THREADS > 1
	tlb[1] = tlb[1] & ~(pages)
#endif
}

/*
 * MADV_DONTNEED or munmap of page A, in some thread. A stop waits for it when it is on a
 * processor, but it may wake up inside the kernel and do this in the middle of a stop.
 */
proctype zap()
{
	byte was;

	do
	:: atomic {
			!table_lock && (present & A) ->
			table_lock = true;
			was = dirty & A;
			dirty = dirty & ~A;
			present = present & ~A
		}
		d_step {
#ifndef NO_MOVED_BIT
			flag = flag | was;
#endif
#ifdef TABLE_RECLAIM
			table_gone = true;
#endif
			skip
		}
#ifdef SEE_STOPPED_ZAP
		assert(!stopped || !was);
#endif
		d_step {
			flush(was);
			was = 0;
			table_gone = false;
			table_lock = false
		}
	od
}

/* --- the collector ------------------------------------------------------------------ */

/* Who holds a lock of page tables is on a processor, unless that lock can sleep. */
#ifdef SLEEPING_LOCKS
#define CAN_STOP true
#else
#define CAN_STOP (!table_lock)
#endif

/* A walk takes the lock of each table, but passes by one that is gone. */
#define CAN_WALK (!table_lock || table_gone)

inline clean_entries()
{
	d_step {
		CAN_WALK ->
#ifdef QUIET
		skipped = quiet;
#endif
		cleaned = dirty & ~skipped;
		dirty = dirty & skipped;
		taken = taken | cleaned
	}
}

inline flush_entries()
{
#ifndef NO_FLUSH
	flush(cleaned);
#endif
	cleaned = 0
}

inline take_flags()
{
#ifdef FLAGS_TWICE
	taken = taken | ((flag | again) & ~skipped);
	again = (flag & ~skipped) | (again & skipped);
#else
	taken = taken | (flag & ~skipped);
#endif
	flag = flag & skipped
}

/*
 * Page A is to be quiet: it is called so; unmapped, which moves its bit to its flag; and
 * that is looked at. Who unmaps it at the same time has a reference till it has flushed.
 */
inline quieten()
{
	d_step { !(quiet & A) && CAN_WALK -> quiet = quiet | A }
	d_step {
		CAN_WALK ->
		flag = flag | (dirty & A);
		dirty = dirty & ~A;
		present = present & ~A
	}
#ifndef NO_QUIET_FLUSH
	d_step { flush(A) }
#endif
#ifndef NO_QUIET_CHECK
	d_step {
		if
		:: ((flag | again) & A) || table_lock -> quiet = quiet & ~A
		:: else
		fi
	}
#endif
}

/* Marked objects on dirty pages are to be scanned again. */
inline rescan()
{
#ifdef SEE_DIRTY_RUNNING
	assert(stopped || !(mark & ON(taken)));
#endif
	grey = grey | (mark & ON(taken));
	taken = 0
}

/* A round while the program runs. */
inline take_running()
{
#ifdef FLAGS_FIRST
	d_step { take_flags() }
#endif
	clean_entries();
#ifdef WITH_LATE_FLUSH
	d_step { rescan() }
	do
	:: scan(1)
	:: scan(2)
	:: scan(3)
	:: break
	od;
#endif
	atomic { flush_entries() }
#if !defined(FLAGS_FIRST) && !defined(FLAGS_LATE)
	d_step { take_flags() }
#endif
	d_step { rescan() }
}

inline mark_object(o)
{
	if
	:: (o) && (alloc & ~mark & BIT(o)) ->
		mark = mark | BIT(o);
		grey = grey | BIT(o)
	:: else
	fi
}

inline scan(o)
{
	d_step {
		grey & BIT(o) ->
		grey = grey & ~BIT(o);
		mark_object(field[o])
	}
}

inline mark_roots()
{
	mark_object(root[0]);
	mark_object(root[1]);
#if THREADS > 1
	mark_object(root[2])
#endif
}

inline short_stop()
{
	d_step { CAN_STOP -> mark_roots() }
}

/* In a stop the order of scanning does not matter. */
inline trace_all()
{
	do
	:: grey & BIT(1) -> grey = grey & ~BIT(1); mark_object(field[1])
	:: else ->
		if
		:: grey & BIT(2) -> grey = grey & ~BIT(2); mark_object(field[2])
		:: else ->
			if
			:: grey & BIT(3) -> grey = grey & ~BIT(3); mark_object(field[3])
			:: else -> break
			fi
		fi
	od
}

/* All that the program can get at. */
inline find_reachable()
{
	h_reach = 0;
	h_i = 0;
	do
	:: h_i <= THREADS ->
		if
		:: root[h_i] -> h_reach = h_reach | BIT(root[h_i])
		:: else
		fi;
		h_i++
	:: else -> break
	od;
	h_i = 0;
	do
	:: h_i < OBJECTS * OBJECTS ->
		if
		:: (h_reach & BIT(h_i % OBJECTS + 1)) && field[h_i % OBJECTS + 1] ->
			h_reach = h_reach | BIT(field[h_i % OBJECTS + 1])
		:: else
		fi;
		h_i++
	:: else -> break
	od
}

/* What is not marked is free now. This is what must not hit anything in use. */
inline sweep()
{
	d_step {
		find_reachable();
		assert(!(h_reach & ON(unswept) & alloc & ~mark));
#ifdef SEE_FREED
		assert(!(ON(unswept) & alloc & ~mark));
#endif
#ifdef SEE_YOUNG_FREED
		assert(!minor || !mark || !(ON(unswept) & alloc & ~mark));
#endif
		h_i = 1;
		do
		:: h_i <= OBJECTS ->
			if
			:: ON(unswept) & alloc & ~mark & BIT(h_i) -> field[h_i] = 0
			:: else
			fi;
			h_i++
		:: else -> break
		od;
		alloc = alloc & ~(ON(unswept) & ~mark);
		unswept = 0;
		h_i = 0;
		h_reach = 0
	}
}

proctype collector()
{
#ifdef SEE_YOUNG_FREED
	bool minor;
#endif

cycle:
	do
	::	/* A cycle. Full, or minor if the marks mean something. */
		atomic {
			if
			:: mark = 0
#ifdef SEE_YOUNG_FREED
				-> minor = false
#endif
#ifdef WITH_MINOR_AFTER_ABORT
			:: true
#else
			:: !must_trace_all
#endif
#ifdef SEE_YOUNG_FREED
				-> minor = true
#endif
			fi;
			must_trace_all = true
		}
		do
#ifdef WITH_ROOTS_BEFORE_TAKE
		:: short_stop();
			take_running()
#else
		:: take_running();
			short_stop()
#endif
		:: scan(1)
		:: scan(2)
		:: scan(3)
#ifdef WITH_LATE_SWEEP
		:: sweep()
#endif
#ifdef QUIET
		:: quieten()
#endif
		:: break
		:: d_step { true -> grey = 0 }	/* given up */
			goto cycle
		od;

		/* The last round. */
#ifdef NO_STOP
		skip;
#else
		atomic { CAN_STOP -> stopped = true }
#endif
#ifdef WITH_FLAGS_FIRST_STOPPED
		d_step { take_flags() }
#endif
#ifndef NO_FINAL_TAKE
		clean_entries();
		d_step { flush_entries() }
#ifndef WITH_FLAGS_FIRST_STOPPED
		d_step { take_flags() }
#endif
#ifdef SEE_DIRTY_STOPPED
		assert(!(mark & ON(taken)));
#endif
#endif
#ifdef SEE_LATE_MARK
		assert(!root[0] || (mark & BIT(root[0])));
#endif
		d_step {
			rescan();
#ifndef NO_FINAL_ROOTS
			mark_roots();
#endif
			trace_all();
#ifdef WITH_LEASED_SWEPT
			unswept = A | B;
#else
			unswept = (A | B) & ~leased;
#endif
			must_trace_all = false
		}
		stopped = false;
#ifndef WITH_LATE_SWEEP
		sweep()
#endif
	od
}

init {
	atomic {
#ifdef UNMAP
		/* New objects on page B alone: enough is going on. */
		alloc = 7;
		field[1] = 2;
		root[0] = 1;
		root[1] = 3;
#endif
		run thread(0);
#if THREADS > 1
		run thread(1);
#endif
#ifdef UNMAP
		run zap();
#endif
		run collector()
	}
}
