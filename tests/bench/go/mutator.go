// SPDX-License-Identifier: GPL-2.0

package main

import "unsafe"

// As lib/mutator.h, where all is explained.
const (
	allocations = 16
	ringSlots   = 1024
	stride      = 0x9e3779b1
)

type node struct {
	a, b *node
	rest [6]uint64
}

var (
	nodes   []uintptr // keeps nothing alive
	nr, hot int
	inverse int
	turn    int
	seed    random = 20260803
	replace func(i int, n *node)

	root *node
	ring [ringSlots]unsafe.Pointer

	garbage int
)

// Objects do not move, so an address kept as a number stays good while the object
// lives, which the graph sees to.
func at(i int) *node {
	return *(**node)(unsafe.Pointer(&nodes[i]))
}

func setAt(i int, n *node) {
	nodes[i] = uintptr(unsafe.Pointer(n))
}

func newNode() *node {
	n := new(node)
	n.rest[0] = 1
	return n
}

func replaceList(i int, n *node) {
	n.a = at(i).a
	at(i - 1).a = n
}

func replaceTree(i int, n *node) {
	parent, old := at((i-1)/2), at(i)
	n.a, n.b = old.a, old.b
	if i%2 == 1 {
		parent.a = n
	} else {
		parent.b = n
	}
}

func replaceRandom(i int, n *node) {
	old := at(i)
	n.a, n.b = old.a, old.b
	if n.a == old {
		n.a = n
	}
	at((i - 1) & (nr - 1)).b = n
	at((i * inverse) & (nr - 1)).a = n
}

func invert(odd int) int {
	inverse := odd
	for i := 0; i < 5; i++ {
		inverse *= 2 - odd*inverse
	}
	return inverse
}

func linkList() {
	for i := 0; i < nr; i++ {
		at(i).a = nil
		if i+1 < nr {
			at(i).a = at(i + 1)
		}
	}
	replace = replaceList
}

func child(i int) *node {
	if i < nr {
		return at(i)
	}
	return nil
}

func linkTree() {
	for i := 0; i < nr; i++ {
		at(i).a, at(i).b = child(2*i+1), child(2*i+2)
	}
	replace = replaceTree
}

func linkRandom() {
	inverse = invert(stride)
	for i := nr - 1; i > 0; i-- {
		j := seed.below(i + 1)
		nodes[i], nodes[j] = nodes[j], nodes[i]
	}
	for i := 0; i < nr; i++ {
		at(i).a, at(i).b = at((i*stride)&(nr-1)), at((i+1)&(nr-1))
	}
	replace = replaceRandom
}

func build() {
	nr = argNumber("mib", 64) * mib / int(unsafe.Sizeof(node{}))
	if nr&(nr-1) != 0 {
		die("mib= must be a power of two")
	}
	hot = nr * argNumber("hot", 100) / 100
	nodes = hidden(nr)
	garbage = argNumber("garbage", 0)
	autoCollect(false)
	for i := 0; i < nr; i++ {
		n := newNode()
		n.a = root
		root = n
		setAt(i, n)
	}
	switch arg("shape", "") {
	case "list":
		linkList()
	case "tree":
		linkTree()
	case "random":
		linkRandom()
	default:
		die("shape=list, tree or random")
	}
	root = at(0)
	collect()
	autoCollect(true)
}

func newGarbage() unsafe.Pointer {
	if garbage == 0 {
		return unsafe.Pointer(newNode())
	}
	bytes := make([]byte, garbage)
	bytes[0] = 1
	return unsafe.Pointer(&bytes[0])
}

func transaction() {
	i := 1 + seed.below(hot-1)
	for k := 1; k < allocations; k++ {
		ring[turn%ringSlots] = newGarbage()
		turn++
	}
	n := newNode()
	replace(i, n)
	setAt(i, n)
}

func checkGraph() {
	shape := arg("shape", "")
	n := root
	for i := 0; i < nr && shape != "tree"; i++ {
		if n != at(i) || n.rest[0] != 1 {
			die("node %d of the live graph is damaged", i)
		}
		if shape == "list" {
			n = n.a
		} else {
			n = n.b
		}
	}
}

func transactions(cycles int) int {
	const bytes = int(unsafe.Sizeof(node{}))
	each := garbage
	if each == 0 {
		each = bytes
	}
	return argNumber("cycles", cycles) * nr * bytes / ((allocations-1)*each + bytes)
}
