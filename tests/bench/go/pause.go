// SPDX-License-Identifier: GPL-2.0

package main

// As workloads/pause.h.
const pausePoll = 1 << 16 // transactions; by then fewer than 256 collections have come

func pauseRun(gaps *histogram, most int, deadline int64) int {
	last := nowNs()
	i := 0
	for ; i < most && last < deadline; i++ {
		transaction()
		now := nowNs()
		gaps.add(now - last)
		last = now
		if i%pausePoll == 0 {
			pausesPoll()
			last = nowNs()
		}
	}
	return i
}

func pauseWorkload() {
	var gaps histogram
	build()
	pausesStart()
	watchStart()
	start := nowNs()
	done := pauseRun(&gaps, transactions(4), start+seconds())
	ns := float64(nowNs() - start)
	result("throughput", "Mobj/s", float64(done*allocations)*1e3/ns)
	pausesPoll()
	watchStop()
	pausesReport()
	result("allocating thread, longest gap", "ms", float64(gaps.max)/1e6)
	result("allocating thread, 99.9 % gap", "ms", gaps.percentile(99.9)/1e6)
	result("time", "s", ns/1e9)
	checkGraph()
}
