package transform

import (
	"hash/maphash"
	"math/bits"
	"slices"

	"github.com/storepulse/storepulse/schemas"
)

// index finds visitors by id: open addressing over their numbers in the pool,
// about five bytes a visitor, because the ids stand in the visitors alone. It
// is cut into segments that grow one at a time, so that no growth stops the
// lane. The seed keeps whoever chooses ids from choosing collisions; it decides
// where a number lies, and nothing that leaves the state depends on that.
type index struct {
	seed     maphash.Seed
	segments [1 << segmentBits]segment
	n        int
}

// segment is a table with linear probing. A slot holds a number in its low
// bits and above it what room there is for the hash, so that a probe seldom
// reads a visitor that is not the one.
type segment struct {
	slots []uint32
	used  int
	dead  int  // slots whose visitor has left
	width uint // bits of a number, at most 31
}

const (
	segmentBits = 6
	vacant      = 0       // was never used: the end of a search
	deserted    = 1 << 31 // its visitor has left; number 0 never matches
	minWidth    = 10
)

func newIndex() index { return index{seed: maphash.MakeSeed()} }

func (x *index) hash(id *schemas.ID) uint64 { return maphash.Bytes(x.seed, id[:]) }

// start is where the search for the hash begins.
func (g *segment) start(h uint64) int {
	high, _ := bits.Mul64(h<<segmentBits, uint64(len(g.slots)))
	return int(high)
}

// differ says that two slots have different tags; the mask spares a check.
func (g *segment) differ(a, b uint32) bool { return (a^b)>>(g.width&31) != 0 }
func (g *segment) tag(h uint64) uint32     { return uint32(h) >> (g.width & 31) << (g.width & 31) }
func (g *segment) number(e uint32) uint32  { return e & (1<<(g.width&31) - 1) }

// find gives the visitor's number, 0 if there is none.
func (x *index) find(visitors *pool[visitor], id *schemas.ID) uint32 {
	h := x.hash(id)
	g := &x.segments[h>>(64-segmentBits)]
	if g.used == 0 {
		return 0
	}
	tag := g.tag(h)
	for k := g.start(h); ; {
		e := g.slots[k]
		if e == vacant {
			return 0
		}
		if !g.differ(e, tag) {
			if i := g.number(e); i != 0 && visitors.at(i).id == *id {
				return i
			}
		}
		if k++; k == len(g.slots) {
			k = 0
		}
	}
}

// peek reads where the search for the id would begin.
func (x *index) peek(id *schemas.ID) uint32 {
	h := x.hash(id)
	g := &x.segments[h>>(64-segmentBits)]
	if g.used == 0 {
		return 0
	}
	return g.slots[g.start(h)]
}

// add takes in visitor i, whose id is not in the index.
func (x *index) add(visitors *pool[visitor], i uint32) {
	h := x.hash(&visitors.at(i).id)
	g := &x.segments[h>>(64-segmentBits)]
	if (g.used+g.dead)*20 >= len(g.slots)*17 || g.number(i) != i {
		x.rebuild(g, visitors, g.used+g.used/4, i)
	}
	g.put(h, i)
	g.used++
	x.n++
}

func (g *segment) put(h uint64, i uint32) {
	k := g.start(h)
	for g.slots[k] != vacant {
		if g.slots[k] == deserted {
			g.dead--
			break
		}
		if k++; k == len(g.slots) {
			k = 0
		}
	}
	g.slots[k] = g.tag(h) | i
}

// remove forgets visitor i, which must be in the index.
func (x *index) remove(visitors *pool[visitor], i uint32) {
	h := x.hash(&visitors.at(i).id)
	g := &x.segments[h>>(64-segmentBits)]
	want := g.tag(h) | i
	k := g.start(h)
	for g.slots[k] != want {
		if g.slots[k] == vacant {
			panic("BUG: a visitor is forgotten that is not known")
		}
		if k++; k == len(g.slots) {
			k = 0
		}
	}
	next := k + 1
	if next == len(g.slots) {
		next = 0
	}
	if g.slots[next] == vacant {
		g.slots[k] = vacant // nobody's search leads over it
	} else {
		g.slots[k] = deserted
		g.dead++
	}
	g.used--
	x.n--
}

// rebuild gives the segment room for n visitors, at most 85 % full, and for
// numbers up to i.
func (x *index) rebuild(g *segment, visitors *pool[visitor], n int, i uint32) {
	was := *g
	g.slots = slices.Grow([]uint32(nil), n*20/17+8)
	g.slots = g.slots[:cap(g.slots)]
	g.width, g.dead = max(was.width, uint(bits.Len32(i)), minWidth), 0
	for _, e := range was.slots {
		if i := was.number(e); i != 0 {
			g.put(x.hash(&visitors.at(i).id), i)
		}
	}
}

// reserve makes room for n visitors with numbers up to n.
func (x *index) reserve(visitors *pool[visitor], n int) {
	for k := range x.segments {
		if g := &x.segments[k]; g.used == 0 {
			x.rebuild(g, visitors, n>>segmentBits*9/8, uint32(n))
		}
	}
}

func (x *index) bytes() int64 {
	n := int64(0)
	for k := range x.segments {
		n += int64(cap(x.segments[k].slots)) * 4
	}
	return n
}
