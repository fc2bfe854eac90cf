package transform

import (
	"bytes"
	"cmp"
	"slices"
)

// judge joins what hangs together and spreads taints over groups.
func (x *survey) judge() {
	any := func(*cluster) bool { return true }
	for _, hash := range x.hashes {
		o := x.orders[hash]
		var first *cluster
		state := taint(0)
		if o.big {
			state |= big
		}
		if x.s.holdsOrder(hash) {
			state |= held
		}
		for _, r := range x.regionsOf(o) {
			c := x.cluster(r, any)
			if c == nil {
				if v := x.past[r.Visitor]; o.expanded && (v == nil || !covered(v.loaded, r.From-x.s.reach(), r.To+x.s.reach())) {
					state |= lacks // stopped before it was looked at
				}
				continue
			}
			if first == nil {
				first = c
			}
			join(first, c)
		}
		if first != nil {
			root(first).state |= state
		}
	}
	for _, id := range x.ids {
		for _, c := range x.past[id].clusters {
			root(c).state |= c.state
		}
	}
}

func root(c *cluster) *cluster {
	for c.group != c {
		c.group = c.group.group
		c = c.group
	}
	return c
}

func join(a, b *cluster) {
	a, b = root(a), root(b)
	if a != b {
		b.group = a
		a.state |= b.state
	}
}

// done gives the clusters that are to be written, by visitor and time.
func (x *survey) done() (list []*cluster) {
	for _, id := range x.ids {
		for _, c := range x.past[id].clusters {
			if root(c).state == 0 {
				list = append(list, c)
			}
		}
	}
	slices.SortFunc(list, func(a, b *cluster) int {
		return cmp.Or(bytes.Compare(a.visitor[:], b.visitor[:]), cmp.Compare(a.from, b.from))
	})
	return list
}

// outcome says what becomes of a wait: taint 0 is over.
func (x *survey) visitOutcome(w visitWait) (t taint) {
	v := x.past[w.id]
	if v == nil || !covered(v.loaded, w.from-x.s.reach(), w.to+x.s.reach()) {
		return lacks
	}
	for _, c := range v.clusters {
		if c.from <= w.to && c.to >= w.from {
			t |= root(c).state
		}
	}
	return t
}

func (x *survey) orderOutcome(hash uint64) (t taint) {
	o := x.orders[hash]
	if o == nil || !o.known {
		return lacks
	}
	if o.big {
		return big
	}
	for _, r := range x.regionsOf(o) {
		if v := x.past[r.Visitor]; v == nil || !covered(v.loaded, r.From-x.s.reach(), r.To+x.s.reach()) {
			return lacks
		}
		if c := x.cluster(r, func(*cluster) bool { return true }); c != nil {
			t |= root(c).state
		}
	}
	return t
}

// due says that a rebuild would change anything: something is over, or others
// wait behind what is not.
func (x *survey) due() bool {
	if x.full || x.stopped {
		return true
	}
	for i := range x.visits[:min(x.active, len(x.visits))] {
		if x.visitOutcome(x.visits[i])&(held|lacks) == 0 {
			return true
		}
	}
	for _, hash := range x.orderIDs[:max(0, x.active-len(x.visits))] {
		if x.orderOutcome(hash)&(held|lacks) == 0 {
			return true
		}
	}
	return false
}
