// SPDX-License-Identifier: GPL-2.0

package main

import "unsafe"

// As workloads/barrier.h. Go has no minor collections, and its barrier is on only
// while it marks.
const (
	densePerPage = 16
	pageBytes    = 4096
)

func barrierRun(most int, deadline int64) int {
	i := 0
	for ; i < most; i++ {
		transaction()
		if i%1024 == 0 && nowNs() > deadline {
			break
		}
	}
	return i
}

func barrierWorkload() {
	build()
	pausesStart()
	_, before := usage()
	start := nowNs()
	done := barrierRun(transactions(4), start+seconds())
	ns := float64(nowNs() - start)
	_, faults := usage()
	pausesPoll()
	objects := float64(done * allocations)
	result("throughput", "Mobj/s", objects*1e3/ns)
	result("throughput outside of pauses", "Mobj/s", objects*1e3/(ns-float64(pauses.total)))
	result("faults/1000 objects", "", float64(faults-before)*1e3/objects)
	pausesReport()
	result("time", "s", ns/1e9)
	checkGraph()
}

func denseRound(writes int) int64 {
	start := nowNs()
	mask := uint64(nr - 1)
	for i := 0; i < writes; i++ {
		at(int(seed.next() >> 32 & mask)).a = at(i & (nr - 1))
	}
	return nowNs() - start
}

func denseWorkload() {
	if arg("shape", "") != "random" {
		die("shape=random alone survives this")
	}
	build()
	autoCollect(false)
	pages := nr * int(unsafe.Sizeof(node{})) / pageBytes
	writes := pages * densePerPage
	most, rounds := argNumber("rounds", 5), 0
	var ns, collectNs, faults int64
	begin := nowNs()
	for i := 0; i <= most; i++ {
		start := nowNs()
		collect()
		took := nowNs() - start
		_, before := usage()
		round := denseRound(writes)
		_, after := usage()
		if i == 0 {
			continue // as the others: the first one may differ
		}
		rounds++
		collectNs += took
		ns += round
		faults += after - before
		if nowNs()-begin > seconds() {
			break
		}
	}
	result("writes", "M/s", float64(rounds*writes)*1e3/float64(ns))
	result("collection", "ms", float64(collectNs)/1e6/float64(rounds))
	result("faults/page", "", float64(faults)/float64(rounds)/float64(pages))
	result("rounds", "", float64(rounds))
	checkGraph()
}
