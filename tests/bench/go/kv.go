// SPDX-License-Identifier: GPL-2.0

package main

import "bytes"

// As workloads/kv.h.
const (
	keyPattern = "user:0000000000:name"
	valueMin   = 512
	valueSpan  = 3072
	kvPoll     = 1 << 16
	// What an entry takes in C: the number of keys is the same.
	kvEntryBytes = 32 + 8 + len(keyPattern) + 1 + valueMin + valueSpan/2
)

type entry struct {
	next  *entry
	key   string
	value []byte
}

type keyBuffer [len(keyPattern)]byte

var kv struct {
	mask    uint64
	nrKeys  int
	seed    random
	check   uint64
	buckets []*entry
}

func formatKey(key *keyBuffer, number int) {
	copy(key[:], keyPattern)
	for i := 14; number > 0; i-- {
		key[i] = byte('0' + number%10)
		number /= 10
	}
}

func hashKey(key *keyBuffer) uint64 {
	hash := uint64(0xcbf29ce484222325)
	for _, c := range key {
		hash = (hash ^ uint64(c)) * 0x100000001b3
	}
	return hash ^ hash>>32
}

func find(key *keyBuffer) *entry {
	e := kv.buckets[hashKey(key)&kv.mask]
	for e != nil && e.key != string(key[:]) {
		e = e.next
	}
	if e == nil {
		die("key %s is lost", key)
	}
	return e
}

// To copy from: Go has no memset() for a letter.
var fills [26][]byte

func init() {
	for i := range fills {
		fills[i] = bytes.Repeat([]byte{byte('a' + i)}, valueMin+valueSpan)
	}
}

func randomValue() []byte {
	value := make([]byte, valueMin+kv.seed.below(valueSpan))
	copy(value, fills[len(value)%26])
	return value
}

func kvGet(key *keyBuffer) {
	value := find(key).value
	answer := make([]byte, len(value))
	copy(answer, value)
	fill := byte('a' + len(value)%26)
	if answer[0] != fill || answer[len(answer)-1] != fill {
		die("the value of %s is damaged", key)
	}
	kv.check += uint64(answer[len(answer)/2])
	kvAnswer = answer
}

// The answer escapes: it is to be allocated in the heap.
var kvAnswer []byte

func kvRequest() {
	var key keyBuffer
	r := kv.seed.next()
	formatKey(&key, int((r>>32)*uint64(kv.nrKeys)>>32))
	if r&1 != 0 {
		kvGet(&key)
	} else {
		find(&key).value = randomValue()
	}
}

func kvBuild() {
	kv.seed = 20260804
	kv.nrKeys = argNumber("mib", 64) * mib / kvEntryBytes
	buckets := 1
	for buckets < kv.nrKeys {
		buckets *= 2
	}
	kv.mask = uint64(buckets - 1)
	autoCollect(false)
	kv.buckets = make([]*entry, buckets)
	for i := 0; i < kv.nrKeys; i++ {
		var key keyBuffer
		formatKey(&key, i)
		bucket := &kv.buckets[hashKey(&key)&kv.mask]
		*bucket = &entry{next: *bucket, key: string(key[:]), value: randomValue()}
	}
	collect()
	autoCollect(true)
}

func kvServe(latency *histogram, start, end int64, rate int64) {
	due := start
	for n := int64(1); due < end; n++ {
		if nowNs() > end+(end-start) {
			note("kv: cannot keep up with %d requests a second", rate)
			return
		}
		for nowNs() < due {
		}
		kvRequest()
		latency.add(nowNs() - due)
		if n%kvPoll == 0 {
			pausesPoll()
		}
		due = start + n*1e9/rate
	}
}

func kvWorkload() {
	var latency histogram
	rate := argNumber("rate", 5000)
	kvBuild()
	pausesStart()
	watchStart()
	cpu, _ := usage()
	start := nowNs()
	kvServe(&latency, start, start+seconds(), int64(rate))
	ns := float64(nowNs() - start)
	end, _ := usage()
	pausesPoll()
	result("served", "1/s", float64(latency.total)*1e9/ns)
	result("CPU time", "%", float64(end-cpu)*100/ns)
	watchStop()
	result("latency, 50 %", "us", latency.percentile(50)/1e3)
	result("latency, 99 %", "us", latency.percentile(99)/1e3)
	result("latency, 99.9 %", "us", latency.percentile(99.9)/1e3)
	result("latency, longest", "us", float64(latency.max)/1e3)
	latency.printCurve("latency")
	pausesReport()
}
