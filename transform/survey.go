package transform

import (
	"cmp"
	"slices"

	"github.com/storepulse/storepulse/schemas"
)

// survey finds out what a rebuild must write anew. It starts from what waits
// and widens until nothing outside can matter: around every event the whole
// stretch of the visitor's events no two of which lie further apart than reach
// (a cluster: no order can go to one cluster because of an event in another),
// and from a cluster over the orders that may link to it to every cluster that
// may have, or have had, their link. What hangs together is a group: it is
// written as a whole, or stays if the state still holds a part of it.
//
// It decides by the state and the answers alone, so that a repeated survey of
// the same state over the same facts gives the same rows.
type survey struct {
	s        *State
	visits   []visitWait
	orderIDs []uint64
	active   int // of visits and orderIDs, counted through
	full     bool

	past    map[schemas.ID]*pastVisitor
	ids     []schemas.ID // of past, in order of discovery
	orders  map[uint64]*pastOrder
	hashes  []uint64
	clicks  int // loaded
	stopped bool
	emitted []PastSession
	ended   bool
}

type visitWait struct {
	id schemas.ID
	wait
}

type pastVisitor struct {
	clicks   []PastClick // by time and key
	changed  bool
	loaded   []interval
	owned    []interval
	regions  []interval
	clusters []*cluster
	pad      int64
	big      bool
}

type interval struct{ from, to int64 }

// cluster is a stretch of a visitor's events with gaps below reach.
type cluster struct {
	visitor     schemas.ID
	from, to    int64
	first, last int // clicks
	state       taint
	group       *cluster // union-find
}

type pastOrder struct {
	events   []PastOrder
	names    []PastClick
	known    bool // loaded
	big      bool
	seed     bool
	times    []int64
	owners   []schemas.ID
	expanded bool
}

// taint says why a group is not written.
type taint uint8

const (
	held  taint = 1 << iota // the state may still write there
	lacks                   // not all of it is known yet
	big                     // beyond the bounds
)

const (
	rebuildSeeds = 500     // waits that a survey takes up
	seedsAtOnce  = 100     // of them at a time
	maxSurvey    = 1 << 18 // clicks that a survey holds
	maxNames     = 500     // clicks that name one order, and times that it gives
)

// begin picks what waits and is touched by nothing in state, in the order of
// ids; nil if nothing is.
func (s *State) beginSurvey() *survey {
	x := &survey{s: s, past: map[schemas.ID]*pastVisitor{}, orders: map[uint64]*pastOrder{}}
	visitors, orders := s.waits.sorted()
	for _, id := range visitors {
		for _, w := range s.waits.visits[id] {
			if w.after <= s.watermark && s.final(w.to) < s.watermark && !s.holds(id, w.from-s.reach(), w.to+s.reach()) {
				x.visits = append(x.visits, visitWait{id, w})
			}
		}
	}
	for _, hash := range orders {
		if w := s.waits.orders[hash]; w.after <= s.watermark && s.final(w.to) < s.watermark && !s.holdsOrder(hash) {
			x.orderIDs = append(x.orderIDs, hash)
		}
	}
	if len(x.visits)+len(x.orderIDs) == 0 {
		return nil
	}
	if len(x.visits)+len(x.orderIDs) > rebuildSeeds {
		x.full = true
		x.visits = x.visits[:min(len(x.visits), max(rebuildSeeds/2, rebuildSeeds-len(x.orderIDs)))]
		x.orderIDs = x.orderIDs[:min(len(x.orderIDs), rebuildSeeds-len(x.visits))]
	}
	return x
}

// ask gives what must be known next, nil when all is.
func (x *survey) ask() *Ask {
	for !x.ended {
		a := &Ask{}
		if !x.stopped {
			x.widen(a)
		}
		if !a.empty() && x.clicks > maxSurvey {
			x.stopped = true
			continue
		}
		if !a.empty() {
			return a
		}
		if n := len(x.visits) + len(x.orderIDs); x.active < n && !x.stopped && x.clicks <= maxSurvey {
			x.seed(min(n, x.active+seedsAtOnce))
			continue
		}
		x.ended = true
		x.judge()
		for _, c := range x.done() {
			a.Sessions = append(a.Sessions, Span{c.visitor, c.from, c.to})
		}
		if !a.empty() {
			return a
		}
	}
	return nil
}

// seed takes up waits until n are.
func (x *survey) seed(n int) {
	for ; x.active < n; x.active++ {
		if x.active < len(x.visits) {
			w := x.visits[x.active]
			x.region(w.id, w.from, w.to)
		} else {
			x.order(x.orderIDs[x.active-len(x.visits)]).seed = true
		}
	}
}

func (x *survey) visitor(id schemas.ID) *pastVisitor {
	v := x.past[id]
	if v == nil {
		v = &pastVisitor{pad: 3 * x.s.reach()}
		x.past[id] = v
		x.ids = append(x.ids, id)
	}
	return v
}

func (x *survey) order(hash uint64) *pastOrder {
	o := x.orders[hash]
	if o == nil {
		o = &pastOrder{}
		x.orders[hash] = o
		x.hashes = append(x.hashes, hash)
	}
	return o
}

// region asks for the visitor's clusters with an event in it.
func (x *survey) region(id schemas.ID, from, to int64) (added bool) {
	v := x.visitor(id)
	r := interval{from, to}
	if slices.Contains(v.regions, r) {
		return false
	}
	v.regions = append(v.regions, r)
	return true
}

// widen follows what is known until something is missing or nothing is new.
func (x *survey) widen(a *Ask) {
	for again := true; again; {
		again = false
		*a = Ask{}
		for i := 0; i < len(x.ids); i++ { // grows
			x.findClusters(a, x.ids[i])
		}
		for i := 0; i < len(x.hashes); i++ {
			o := x.orders[x.hashes[i]]
			if !o.known {
				a.Orders = append(a.Orders, x.hashes[i])
			} else if !o.expanded && !o.big && (o.seed || x.reached(o)) && !x.s.holdsOrder(x.hashes[i]) {
				o.expanded = true
				for _, r := range x.regionsOf(o) {
					again = x.region(r.Visitor, r.From, r.To) || again
				}
			}
		}
	}
}

// take adds the answer to the last ask.
func (x *survey) take(a *Ask, p *Past) {
	x.emitted = append(x.emitted, p.Sessions...)
	for _, r := range a.Clicks {
		v := x.visitor(r.Visitor)
		v.loaded = cover(v.loaded, r.From, r.To)
		v.pad = min(v.pad*2, 30*day)
	}
	for _, r := range a.Owned {
		v := x.visitor(r.Visitor)
		v.owned = cover(v.owned, r.From, r.To)
	}
	count := map[schemas.ID]int{}
	asked := map[uint64]bool{}
	for _, hash := range a.Orders {
		asked[hash] = true
	}
	for _, c := range p.Clicks {
		if c.Naming && asked[c.Order] {
			o := x.orders[c.Order]
			o.names = append(o.names, c)
		}
		v := x.past[c.Visitor]
		if v == nil || !covered(v.loaded, c.Time, c.Time) {
			continue
		}
		v.clicks, v.changed = append(v.clicks, c), true
		if count[c.Visitor]++; count[c.Visitor] > MaxPast {
			v.big = true
		}
		x.clicks++
	}
	for _, hash := range p.Owned {
		x.order(hash)
	}
	for _, e := range p.Orders {
		o := x.order(e.Order)
		o.events = append(o.events, e)
	}
	for _, hash := range a.Orders {
		x.orders[hash].settle()
	}
}

// cover adds a stretch to the list of what is known.
func cover(list []interval, from, to int64) []interval {
	list = append(list, interval{from, to})
	slices.SortFunc(list, func(a, b interval) int { return cmp.Compare(a.from, b.from) })
	n := 0
	for _, r := range list[1:] {
		if r.from <= list[n].to+1 {
			list[n].to = max(list[n].to, r.to)
		} else {
			n++
			list[n] = r
		}
	}
	return list[:n+1]
}

func covered(list []interval, from, to int64) bool {
	return slices.ContainsFunc(list, func(r interval) bool { return r.from <= from && to <= r.to })
}
