package transform

import (
	"bytes"
	"slices"

	"github.com/storepulse/storepulse/schemas"
)

// waits is what the lane owes to sessions that its state cannot reach: times of
// visitors at which events came too late to be folded, and orders whose link
// may lie in a session that has left. A rebuild pays it off (rebuild.go).
type waits struct {
	visits map[schemas.ID][]wait // ascending, further apart than reach
	orders map[uint64]wait
	n      int
}

// wait is a stretch of time that must be looked at once nothing in state can
// touch it any more.
type wait struct {
	from, to int64
	after    int64 // was looked at and found unfinished: not before this watermark
}

func newWaits() waits { return waits{visits: map[schemas.ID][]wait{}, orders: map[uint64]wait{}} }

// reach is how far apart two events of a visitor must lie so that no order can
// go to the session of the one because of the other.
func (s *State) reach() int64 { return s.gap + linkSlack }

// final is the watermark beyond which neither an event nor an order that comes
// in time can change sessions that end at t.
func (s *State) final(t int64) int64 { return t + s.gap + clockTolerance + s.retain }

// owe notes that the visitor's sessions around t lack an event.
func (s *State) owe(id schemas.ID, tenant uint8, t int64) {
	list := s.waits.visits[id]
	i := 0
	for i < len(list) && list[i].to+s.reach() < t {
		i++
	}
	if i == len(list) || t+s.reach() < list[i].from {
		if s.full(tenant) {
			return
		}
		s.waits.n++
		s.waits.visits[id] = slices.Insert(list, i, wait{from: t, to: t})
		return
	}
	w := &list[i]
	w.from, w.to, w.after = min(w.from, t), max(w.to, t), 0
	if i+1 < len(list) && list[i+1].from-w.to <= s.reach() {
		w.to = list[i+1].to
		s.waits.visits[id] = slices.Delete(list, i+1, i+2)
		s.waits.n--
	}
}

// oweOrder notes that the order may belong to a session that has left.
func (s *State) oweOrder(hash uint64, tenant uint8, t int64) {
	w, known := s.waits.orders[hash]
	if !known {
		if s.full(tenant) {
			return
		}
		s.waits.n++
		w = wait{from: t, to: t}
	}
	s.waits.orders[hash] = wait{from: min(w.from, t), to: max(w.to, t)}
}

func (s *State) full(tenant uint8) bool {
	if s.waits.n < maxWaits {
		return false
	}
	s.cut(tenant, cutRebuild)
	return true
}

// Waiting counts what waits for a rebuild.
func (s *State) Waiting() int { return s.waits.n }

// bytes is an estimate.
func (w *waits) bytes() int64 {
	const visit, order = 112, 56
	return int64(len(w.visits))*visit + int64(len(w.orders))*order
}

// sorted gives the visitors and orders in the order of their ids.
func (w *waits) sorted() (visitors []schemas.ID, orders []uint64) {
	for id := range w.visits {
		visitors = append(visitors, id)
	}
	slices.SortFunc(visitors, func(a, b schemas.ID) int { return bytes.Compare(a[:], b[:]) })
	for hash := range w.orders {
		orders = append(orders, hash)
	}
	slices.Sort(orders)
	return visitors, orders
}

func (w *waits) write(out *writer) {
	visitors, orders := w.sorted()
	one := func(x wait) {
		out.int(x.from)
		out.uint(uint64(x.to - x.from))
		out.int(x.after)
	}
	out.uint(uint64(len(visitors)))
	for _, id := range visitors {
		out.id(id)
		out.uint(uint64(len(w.visits[id])))
		for _, x := range w.visits[id] {
			one(x)
		}
	}
	out.uint(uint64(len(orders)))
	for _, hash := range orders {
		out.fixed(hash)
		one(w.orders[hash])
	}
}

func (w *waits) read(r *reader) {
	one := func() (x wait) {
		x.from = r.time()
		x.to = x.from + int64(r.upTo(maxTime))
		x.after = r.time()
		return x
	}
	var last schemas.ID
	for n := range r.count(20) {
		id := r.id()
		if n > 0 && bytes.Compare(last[:], id[:]) >= 0 {
			r.fail(errOrder)
		}
		last = id
		var list []wait
		for range r.count(3) {
			x := one()
			if len(list) > 0 && x.from <= list[len(list)-1].to {
				r.fail(errOrder)
			}
			list = append(list, x)
		}
		if len(list) == 0 {
			r.fail(errValue) // nobody waits for nothing
		}
		if r.err != nil {
			return
		}
		w.visits[id] = list
		w.n += len(list)
	}
	before := uint64(0)
	for n := range r.count(11) {
		hash := r.fixed()
		if n > 0 && hash <= before {
			r.fail(errOrder)
		}
		before = hash
		x := one()
		if r.err != nil {
			return
		}
		w.orders[hash] = x
		w.n++
	}
}

// holds says that the state has something of the visitor between the times:
// it may still write sessions there.
func (s *State) holds(id schemas.ID, from, to int64) bool {
	vi := s.find(&id)
	if vi == 0 {
		return false
	}
	v := s.visitors.at(vi)
	evs := s.events(v)
	i, _ := slices.BinarySearchFunc(evs, from, func(e event, t int64) int { return cmpTime(v.base()+int64(e.at), t) })
	if i < len(evs) && v.base()+int64(evs[i].at) <= to {
		return true
	}
	for i := v.sessions; i != 0; i = s.sessions.at(i).next {
		if r := s.sessions.at(i); r.start <= to && r.end() >= from {
			return true
		}
	}
	return false
}

// holdsOrder says that the state may still give the order to a session.
func (s *State) holdsOrder(hash uint64) bool {
	i, ok := s.orderIndex[hash]
	return ok && s.orders.at(i).flags&orderLate == 0
}

func cmpTime(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
