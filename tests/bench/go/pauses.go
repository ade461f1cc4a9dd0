// SPDX-License-Identifier: GPL-2.0

package main

import (
	"runtime/debug"
	"sort"
	"time"
)

// Pauses as the runtime tells them: for how long a cycle stopped the world, in all.
var pauses struct {
	started bool
	seen    int64 // collections
	ns      []time.Duration
	total   time.Duration
}

// The runtime keeps the last 256, the newest first. Asking does not stop the world.
func pausesPoll() {
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	for n := stats.NumGC - pauses.seen; n > 0 && pauses.started; n-- {
		ns := stats.Pause[n-1]
		pauses.ns = append(pauses.ns, ns)
		pauses.total += ns
	}
	pauses.seen = stats.NumGC
}

func pausesStart() {
	pausesPoll()
	pauses.started = true
}

func pausesReport() {
	result("collections", "", float64(len(pauses.ns)))
	if len(pauses.ns) == 0 {
		return
	}
	sort.Slice(pauses.ns, func(i, j int) bool { return pauses.ns[i] < pauses.ns[j] })
	nr := len(pauses.ns)
	result("pause, longest", "ms", float64(pauses.ns[nr-1])/1e6)
	result("pause, 99th percentile", "ms", float64(pauses.ns[(nr*99+99)/100-1])/1e6)
	result("pause, median", "ms", float64(pauses.ns[nr/2])/1e6)
}
