package transform

import (
	"bytes"
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

// findClusters brings the visitor's clusters up to date and asks for what they lack.
func (x *survey) findClusters(a *Ask, id schemas.ID) {
	v, reach := x.past[id], x.s.reach()
	v.settle()
	v.clusters = v.clusters[:0]
	need := func(from, to int64) bool {
		if covered(v.loaded, from, to) {
			return false
		}
		a.Clicks = append(a.Clicks, Span{id, from - v.pad, to + v.pad})
		return true
	}
	for _, r := range v.regions {
		if need(r.from-reach, r.to+reach) {
			continue
		}
		i, _ := slices.BinarySearchFunc(v.clicks, r.from, func(c PastClick, t int64) int { return cmp.Compare(c.Time, t) })
		for i < len(v.clicks) && v.clicks[i].Time <= r.to {
			c := v.clusterAt(id, i, reach)
			i = c.last + 1
			if slices.ContainsFunc(v.clusters, func(k *cluster) bool { return k.from == c.from }) {
				continue
			}
			v.clusters = append(v.clusters, c)
			if v.big || c.last-c.first >= MaxPast {
				c.state |= big
				continue
			}
			if need(c.from-reach, c.to+reach) {
				c.state |= lacks
				continue
			}
			if x.s.final(c.to) >= x.s.watermark || x.s.holds(id, c.from-reach, c.to+reach) {
				c.state |= held
				continue
			}
			if own := (interval{c.from - clockTolerance, c.to + x.s.gap + clockTolerance}); !covered(v.owned, own.from, own.to) {
				a.Owned = append(a.Owned, Span{id, own.from, own.to})
				c.state |= lacks
			}
			for _, k := range v.clicks[c.first : c.last+1] {
				if k.Naming && k.Order != 0 {
					if o := x.order(k.Order); !o.known {
						c.state |= lacks
					}
				}
			}
		}
	}
}

// clusterAt gives the cluster around click i, as far as it is loaded.
func (v *pastVisitor) clusterAt(id schemas.ID, i int, reach int64) *cluster {
	c := &cluster{visitor: id, first: i, last: i}
	for c.first > 0 && v.clicks[c.first].Time-v.clicks[c.first-1].Time <= reach {
		c.first--
	}
	for c.last+1 < len(v.clicks) && v.clicks[c.last+1].Time-v.clicks[c.last].Time <= reach {
		c.last++
	}
	c.from, c.to, c.group = v.clicks[c.first].Time, v.clicks[c.last].Time, c
	return c
}

// settle sorts the clicks and drops copies: the one with the lowest offset is
// the event.
func (v *pastVisitor) settle() {
	if !v.changed {
		return
	}
	v.changed = false
	slices.SortFunc(v.clicks, func(a, b PastClick) int { return cmp.Compare(a.Offset, b.Offset) })
	seen := make(map[uint64]bool, len(v.clicks))
	v.clicks = slices.DeleteFunc(v.clicks, func(c PastClick) bool {
		was := seen[c.Key&hashMask]
		seen[c.Key&hashMask] = true
		return was
	})
	slices.SortFunc(v.clicks, func(a, b PastClick) int { return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Key, b.Key)) })
}

// regionsOf lists where the order's session may be or may have been, by every
// time and owner that any of its events tells.
func (x *survey) regionsOf(o *pastOrder) (list []Span) {
	for _, t := range o.times {
		for _, id := range o.owners {
			list = append(list, Span{id, t - x.s.gap - clockTolerance, t + clockTolerance})
		}
	}
	for _, c := range o.names {
		if slices.ContainsFunc(o.times, func(t int64) bool { return c.Time >= t-x.s.gap && c.Time <= t+x.s.gap }) {
			list = append(list, Span{c.Visitor, c.Time, c.Time})
		}
	}
	return list
}

// reached says that a cluster which is to be written may have the order's link.
func (x *survey) reached(o *pastOrder) bool {
	for _, r := range x.regionsOf(o) {
		if x.cluster(r, func(c *cluster) bool { return c.state&(held|big) == 0 }) != nil {
			return true
		}
	}
	return false
}

// cluster finds a known cluster in the span.
func (x *survey) cluster(r Span, ok func(*cluster) bool) *cluster {
	v := x.past[r.Visitor]
	if v == nil {
		return nil
	}
	for _, c := range v.clusters {
		if c.from <= r.To && c.to >= r.From && ok(c) {
			return c
		}
	}
	return nil
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

// settle works out the times and owners that the order's events tell.
func (o *pastOrder) settle() {
	o.known = true
	slices.SortFunc(o.events, func(a, b PastOrder) int { return cmp.Compare(a.Offset, b.Offset) })
	o.events = slices.CompactFunc(o.events, func(a, b PastOrder) bool { return a.Offset == b.Offset })
	slices.SortFunc(o.names, func(a, b PastClick) int { return cmp.Compare(a.Offset, b.Offset) })
	o.names = slices.CompactFunc(o.names, func(a, b PastClick) bool { return a.Offset == b.Offset })
	tell := func(t int64) {
		if !slices.Contains(o.times, t) {
			o.times = append(o.times, t)
		}
	}
	for _, e := range o.events {
		kind := schemas.Kind(e.Kind)
		switch kind {
		case schemas.KindOrderCreated, schemas.KindOrderUpdated, schemas.KindOrderPaid, schemas.KindOrderCancelled:
		default:
			continue
		}
		if t := payloadTime(e.CreatedAt, e.Received); t > 0 {
			tell(t)
		} else if kind == schemas.KindOrderCreated {
			tell(e.Time)
		}
		if kind == schemas.KindOrderPaid {
			if t := payloadTime(e.PaidAt, e.Received); t > 0 {
				tell(t)
			} else {
				tell(e.Time)
			}
		}
		if e.Identity != 0 && !slices.Contains(o.owners, e.Visitor) {
			o.owners = append(o.owners, e.Visitor)
		}
		if len(o.times)*max(1, len(o.owners)) > maxNames {
			break
		}
	}
	o.big = len(o.events) > MaxPast || len(o.names) > maxNames || len(o.times)*max(1, len(o.owners)) > maxNames
}

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
