// SPDX-License-Identifier: GPL-2.0

package main

import (
	"fmt"
	"math/bits"
)

// As lib/histogram.h.
const subBits = 6

type histogram struct {
	counts [(64 - subBits + 1) << subBits]uint64
	total  uint64
	max    int64
}

func (h *histogram) add(ns int64) {
	if ns < 0 {
		ns = 0
	}
	bucket := uint64(ns)
	if ns >= 2<<subBits {
		shift := 63 - bits.LeadingZeros64(uint64(ns)) - subBits
		bucket = uint64(shift)<<subBits + uint64(ns)>>shift
	}
	h.counts[bucket]++
	h.total++
	if ns > h.max {
		h.max = ns
	}
}

func bucketEnd(bucket int) int64 {
	if bucket < 2<<subBits {
		return int64(bucket)
	}
	shift := bucket>>subBits - 1
	return int64(bucket&(1<<subBits-1)+1<<subBits+1)<<shift - 1
}

// The duration that so many percent do not exceed, in ns.
func (h *histogram) percentile(percent float64) float64 {
	rank := float64(h.total) * (percent / 100)
	below := uint64(0)
	for bucket, count := range h.counts {
		below += count
		if below > 0 && float64(below) >= rank {
			if end := bucketEnd(bucket); end < h.max {
				return float64(end)
			}
			break
		}
	}
	return float64(h.max)
}

// Ten to the power of an eighth.
const curveStep = 1.3335214321633241

func (h *histogram) printCurve(name string) {
	for above := 1.0; float64(h.total)*above >= 1; above /= curveStep {
		percent := 100 * (1 - above)
		fmt.Printf("curve\t%s\t%.8g\t%.6g\n", name, percent, h.percentile(percent)/1e3)
	}
	fmt.Printf("curve\t%s\t100\t%.6g\n", name, float64(h.max)/1e3)
}
