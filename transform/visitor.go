package transform

import "github.com/storepulse/storepulse/schemas"

// visitor is what the lane knows about one visitor: packed events inside the
// horizon, the sessions that were emitted, and the orders that may link.
type visitor struct {
	id           schemas.ID
	base         int64  // Unix ms; event times are relative to it
	floor        int64  // newest event that has left: nothing may touch it any more
	firstUser    uint64 // user 1; most visitors have no other
	block        uint32 // of packed events, in class
	n            uint32 // events
	moreUsers    uint32 // users 2 to 15, in State.users
	sessions     uint32 // emitted sessions, ascending by start
	orders       uint32 // orders by this visitor
	hints        uint32 // orders hinted by a click of this visitor
	next, prev   uint32 // in the wheel
	bucket       int32
	mark         uint32 // 1 + place among the touched of this epoch
	open, active uint16 // share in the gauges
	sealed       uint16 // leading events that have logically left
	class        uint8
	users        uint8
	tenant       uint8
	platform     uint8 // under which active is counted
}

// noFloor is below every time that can be subtracted from.
const noFloor = -1 << 62

type userTable [maxVisitorUsers - 1]uint64

func (s *State) events(v *visitor) []event {
	if v.n == 0 {
		return nil
	}
	return s.blocks.at(v.class, v.block)[:v.n]
}

// visitorOf finds or makes the visitor.
func (s *State) visitorOf(id schemas.ID, tenant uint8) uint32 {
	if i := s.find(&id); i != 0 {
		return i
	}
	return s.newVisitor(id, tenant)
}

// find gives the visitor's number, 0 if nothing is known of it.
func (s *State) find(id *schemas.ID) uint32 { return s.index.find(&s.visitors, id) }

// newVisitor takes in a visitor of whom nothing is known yet.
func (s *State) newVisitor(id schemas.ID, tenant uint8) uint32 {
	i := s.visitors.take()
	v := s.visitors.at(i)
	v.id, v.tenant, v.bucket, v.floor = id, tenant, unqueued, noFloor
	s.index.add(&s.visitors, i)
	return i
}

// drop frees a visitor of whom nothing is known any more.
func (s *State) drop(i uint32) bool {
	v := s.visitors.at(i)
	if v.n > 0 || v.sessions != 0 || v.orders != 0 || v.hints != 0 || v.mark != 0 {
		return false
	}
	if v.moreUsers != 0 {
		s.users.put(v.moreUsers)
	}
	s.wheel.remove(s, i)
	s.index.remove(&s.visitors, i)
	s.visitors.put(i)
	return true
}

// user gives the hash behind a packed user index.
func (s *State) user(v *visitor, k uint8) uint64 {
	switch k {
	case 0:
		return 0
	case 1:
		return v.firstUser
	}
	return s.users.at(v.moreUsers)[k-2]
}

// userIndex finds or adds a user; over the bound the event counts as anonymous.
func (s *State) userIndex(v *visitor, hash uint64) (k uint8, ok bool) {
	if hash == 0 {
		return 0, true
	}
	if v.users > 0 && v.firstUser == hash {
		return 1, true
	}
	for k := uint8(2); k <= v.users; k++ {
		if s.users.at(v.moreUsers)[k-2] == hash {
			return k, true
		}
	}
	if v.users == maxVisitorUsers {
		return 0, false
	}
	v.users++
	if v.users == 1 {
		v.firstUser = hash
		return 1, true
	}
	if v.moreUsers == 0 {
		v.moreUsers = s.users.take()
	}
	s.users.at(v.moreUsers)[v.users-2] = hash
	return v.users, true
}

// pruneUsers forgets users of whom no event is left, so that the bound speaks
// of the horizon and a restored state has the same room.
func (s *State) pruneUsers(v *visitor) {
	if v.n == 0 {
		if v.moreUsers != 0 {
			s.users.put(v.moreUsers)
		}
		v.users, v.firstUser, v.moreUsers = 0, 0, 0
		return
	}
	if v.users < 2 {
		return
	}
	evs := s.events(v)
	var seen [maxVisitorUsers + 1]uint8
	var order [maxVisitorUsers]uint64
	n := uint8(0)
	for i := range evs {
		k := evs[i].user()
		if k == 0 {
			continue
		}
		if seen[k] == 0 {
			order[n] = s.user(v, k)
			n++
			seen[k] = n
		}
		evs[i].meta = evs[i].meta&^(15<<24) | uint32(seen[k])<<24
	}
	v.users, v.firstUser = n, order[0]
	if n < 2 && v.moreUsers != 0 {
		s.users.put(v.moreUsers)
		v.moreUsers = 0
	}
	for k := uint8(2); k <= n; k++ {
		s.users.at(v.moreUsers)[k-2] = order[k-1]
	}
	if v.moreUsers != 0 {
		t := s.users.at(v.moreUsers)
		clear(t[n-1:])
	}
}

// insert puts the event at its canonical place. The caller has checked that it
// is no duplicate and fits the base.
func (s *State) insert(v *visitor, e event) {
	n := int(v.n)
	var evs []event
	switch {
	case n == 0:
		v.class = 0
		v.block = s.blocks.take(0)
		evs = s.blocks.at(0, v.block)
	case n == s.blocks.classes[v.class].size:
		k := s.blocks.class(n+1, v.class)
		b := s.blocks.take(k)
		evs = s.blocks.at(k, b)
		copy(evs, s.blocks.at(v.class, v.block))
		s.blocks.put(v.class, v.block)
		v.class, v.block = k, b
	default:
		evs = s.blocks.at(v.class, v.block)
	}
	i := n
	for i > int(v.sealed) && e.before(evs[i-1]) {
		evs[i] = evs[i-1]
		i--
	}
	evs[i] = e
	v.n++
}

// shrink gives back room after events were dropped from the list.
func (s *State) shrink(v *visitor, n int) {
	evs := s.blocks.at(v.class, v.block)
	if n == 0 {
		s.blocks.put(v.class, v.block)
		v.n, v.block, v.class = 0, 0, 0
		return
	}
	if k := s.blocks.class(n, 0); k < v.class {
		b := s.blocks.take(k)
		copy(s.blocks.at(k, b), evs[:n])
		s.blocks.put(v.class, v.block)
		v.class, v.block = k, b
	}
	v.n = uint32(n)
}

// rebase moves the base so that t fits; false if the events lie too far apart.
func (s *State) rebase(v *visitor, t int64) bool {
	if v.n == 0 {
		v.base = t - baseMargin
		return true
	}
	evs := s.events(v)
	first, last := v.base+int64(evs[0].at), v.base+int64(evs[len(evs)-1].at)
	base := min(first, t) - baseMargin
	if max(last, t)-base > maxOffset {
		return false
	}
	for i := range evs {
		evs[i].at = uint32(v.base + int64(evs[i].at) - base)
	}
	v.base = base
	return true
}
