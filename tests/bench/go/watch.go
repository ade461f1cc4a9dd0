// SPDX-License-Identifier: GPL-2.0

package main

import (
	"runtime"
	"sync/atomic"
	"syscall"
)

// As lib/watch.h: a thread that looks at the clock. It has a thread of the system
// to itself, and sleeps in the system call: the runtime's own timers are late by
// up to a millisecond, whoever collects.
const (
	watchSleepNs = 200000
	watchMinCPUs = 4
	prSetSlack   = 29
)

var watch struct {
	gaps  histogram
	over  int32
	sleep int64
	done  chan bool
}

func watchMain() {
	runtime.LockOSThread()
	syscall.RawSyscall(syscall.SYS_PRCTL, prSetSlack, 1, 0)
	pause := syscall.NsecToTimespec(watch.sleep)
	last := nowNs()
	for atomic.LoadInt32(&watch.over) == 0 {
		if watch.sleep > 0 {
			syscall.Nanosleep(&pause, nil)
		}
		now := nowNs()
		watch.gaps.add(now - last - watch.sleep)
		last = now
	}
	watch.done <- true
}

func watchStart() {
	spin := runtime.NumCPU() >= watchMinCPUs
	spin = arg("watch", "") == "spin" || (spin && arg("watch", "") != "sleep")
	if !spin {
		watch.sleep = watchSleepNs
	}
	watch.done = make(chan bool)
	go watchMain()
}

func watchStop() {
	atomic.StoreInt32(&watch.over, 1)
	<-watch.done
	result("other thread, longest gap", "ms", float64(watch.gaps.max)/1e6)
	result("other thread, 99.9 % gap", "ms", watch.gaps.percentile(99.9)/1e6)
	result("other thread, median gap", "ms", watch.gaps.percentile(50)/1e6)
	result("other thread, looks", "", float64(watch.gaps.total))
}
