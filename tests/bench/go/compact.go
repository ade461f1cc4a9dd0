// SPDX-License-Identifier: GPL-2.0

package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"unsafe"
)

type pair struct {
	next   *pair
	number uint64
}

// This process's resident memory in bytes.
func resident() float64 {
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		die("%v", err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Rss:" {
			kib, _ := strconv.Atoi(fields[1])
			return float64(kib) * 1024
		}
	}
	die("no Rss: in smaps_rollup")
	return 0
}

func mixedSize(seed *random) int {
	least := 16 << seed.below(9)
	return (least + seed.below(least)) &^ 15
}

// As workloads/compact.h: what is held after most of a heap was dropped. Go does not move.
func compactWorkload() {
	nr := argNumber("objects", 100000)
	survivors := make([]unsafe.Pointer, nr)
	sizes := make([]int, nr)
	seed := random(42)
	before := resident()
	for i := range survivors {
		sizes[i] = mixedSize(&seed)
		if i%2 == 1 {
			pairs := make([]pair, sizes[i]/16)
			pairs[0].number = uint64(i)
			survivors[i] = unsafe.Pointer(&pairs[0])
		} else {
			words := make([]uint64, sizes[i]/8)
			words[1] = uint64(i)
			survivors[i] = unsafe.Pointer(&words[0])
		}
	}
	full := resident() - before
	live := float64(nr * 8)
	seed = random(43)
	percent := argNumber("drop", 90)
	var last *pair
	for i := range survivors {
		if seed.below(100) < percent {
			survivors[i] = nil
			continue
		}
		live += float64(sizes[i])
		if i%2 == 1 {
			(*pair)(survivors[i]).next = last
			last = (*pair)(survivors[i])
		}
	}
	last = nil
	debug.FreeOSMemory()
	debug.FreeOSMemory()
	result("resident/live", "", (resident()-before)/live)
	result("resident before", "MiB", full/mib)
	result("live", "MiB", live/mib)
	for i, p := range survivors {
		if p != nil && (*pair)(p).number != uint64(i) {
			die("object %d is not what it was", i)
		}
	}
	runtime.KeepAlive(survivors)
}
