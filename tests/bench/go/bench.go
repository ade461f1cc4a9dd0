// SPDX-License-Identifier: GPL-2.0

package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const mib = 1 << 20

var args = map[string]string{}

func parseArgs(words []string) {
	for _, word := range words {
		name, value, found := strings.Cut(word, "=")
		if !found {
			die("argument '%s' is not of the form name=value", word)
		}
		args[name] = value
	}
}

func arg(name, otherwise string) string {
	if value, found := args[name]; found {
		return value
	}
	return otherwise
}

func argNumber(name string, otherwise int) int {
	text, found := args[name]
	if !found {
		return otherwise
	}
	value, err := strconv.Atoi(text)
	if err != nil || value <= 0 {
		die("%s=%s: not a number above zero", name, text)
	}
	return value
}

func result(metric, unit string, value float64) {
	fmt.Printf("result\t%s\t%s\t%.6g\n", metric, unit, value)
}

func note(format string, a ...any) {
	fmt.Printf("note\t"+format+"\n", a...)
}

func die(format string, a ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", a...)
	os.Exit(1)
}

var began = time.Now()

// The monotonic clock, as in C.
func nowNs() int64 {
	return int64(time.Since(began))
}

// Processor time and page faults of all threads.
func usage() (cpuNs, faults int64) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		die("no usage")
	}
	return u.Utime.Nano() + u.Stime.Nano(), u.Minflt
}

// xorshift64*, as in lib/bench.h
type random uint64

func (r *random) next() uint64 {
	s := uint64(*r)
	s ^= s >> 12
	s ^= s << 25
	s ^= s >> 27
	*r = random(s)
	return s * 0x2545f4914f6cdd1d
}

func (r *random) below(bound int) int {
	return int((r.next() >> 32) * uint64(bound) >> 32)
}

// A table that the collector neither reads nor counts.
func hidden(words int) []uintptr {
	memory, err := syscall.Mmap(-1, 0, words*8, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_SHARED|syscall.MAP_ANON|syscall.MAP_POPULATE)
	if err != nil {
		die("no memory for a table of %d words", words)
	}
	return unsafe.Slice((*uintptr)(unsafe.Pointer(&memory[0])), words)
}

func autoCollect(on bool) {
	if on {
		debug.SetGCPercent(100)
	} else {
		debug.SetGCPercent(-1)
	}
}

func collect() {
	runtime.GC()
}

func seconds() int64 {
	return int64(argNumber("seconds", 20)) * int64(time.Second)
}
