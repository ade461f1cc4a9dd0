// SPDX-License-Identifier: GPL-2.0

// The contender Go: the same programs as in tests/bench/workloads, with Go's own
// collector. Arguments, results and random numbers are those of lib/bench.h.
package main

import (
	"fmt"
	"os"
	"runtime"
)

var workloads = map[string]func(){
	"barrier": barrierWorkload,
	"compact": compactWorkload,
	"dense":   denseWorkload,
	"kv":      kvWorkload,
	"pause":   pauseWorkload,
}

func main() {
	parseArgs(os.Args[1:])
	run, found := workloads[arg("workload", "")]
	if !found {
		die("workload='%s' is none of this contender's", arg("workload", ""))
	}
	run()
	fmt.Printf("version\t%s, GOMAXPROCS=%d\n", runtime.Version(), runtime.GOMAXPROCS(0))
}
