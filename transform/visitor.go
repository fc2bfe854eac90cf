package transform

import "github.com/storepulse/storepulse/schemas"

// visitor is what the lane knows about one visitor: packed events inside the
// horizon, the sessions that were emitted, and the orders that may link. It
// fills one cache line: a lane walks visitors in no order that memory knows.
type visitor struct {
	id           schemas.ID
	floor        int64  // newest event that has left: nothing may touch it any more
	origin       int32  // of event times, in units of 1 << originShift ms
	block        uint32 // of packed events
	sessions     uint32 // emitted sessions, ascending by start
	more         uint32 // what few visitors have, in State.extras
	next, prev   uint32 // in the wheel
	bucket       int32
	mark         uint32 // 1 + place among the touched of this epoch
	n            uint16 // events
	sealed       uint16 // leading events that have logically left
	open, active uint8  // share in the gauges; spilled = it stands in extra
	tenant       uint8
	platform     uint8 // under which active is counted
}

// extra is what a visitor has who logged in, ordered, or has many sessions.
type extra struct {
	firstUser    uint64 // user 1; most have no other
	moreUsers    uint32 // users 2 to 15, in State.users
	orders       uint32 // orders by this visitor
	hints        uint32 // orders hinted by a click of this visitor
	open, active uint16 // share in the gauges
	users        uint8
}

const (
	originShift = 17
	spilled     = 255
	// noFloor is below every time that can be subtracted from.
	noFloor = -1 << 62
)

type userTable [maxVisitorUsers - 1]uint64

// base is what event times are relative to, Unix ms.
func (v *visitor) base() int64 { return int64(v.origin) << originShift }

func (v *visitor) setBase(first int64) { v.origin = int32((first - baseMargin) >> originShift) }

// extra gives what few visitors have, to read.
func (s *State) extra(v *visitor) (x extra) {
	if v.more != 0 {
		x = *s.extras.at(v.more)
	}
	return x
}

// extend gives it to write.
func (s *State) extend(v *visitor) *extra {
	if v.more == 0 {
		v.more = s.extras.take()
	}
	return s.extras.at(v.more)
}

// trim gives back what the visitor no longer has.
func (s *State) trim(v *visitor) {
	if v.more != 0 && *s.extras.at(v.more) == (extra{}) {
		s.extras.put(v.more)
		v.more = 0
	}
}

func (s *State) events(v *visitor) []event {
	if v.n == 0 {
		return nil
	}
	return s.blocks.at(v.block)[:v.n]
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
func (s *State) drop(i uint32) {
	v := s.visitors.at(i)
	if v.n > 0 || v.sessions != 0 || v.mark != 0 {
		return
	}
	if v.more != 0 {
		x := s.extras.at(v.more)
		if x.orders != 0 || x.hints != 0 {
			return
		}
		if x.moreUsers != 0 {
			s.users.put(x.moreUsers)
		}
		s.extras.put(v.more)
	}
	s.wheel.remove(s, i)
	s.index.remove(&s.visitors, i)
	v.platform = gone
	s.visitors.put(i)
}

// gone stands for the platform of a visitor that has left the pool.
const gone = 255

// everyVisitor runs over the visitors as they lie in memory.
func (s *State) everyVisitor(yield func(uint32) bool) {
	for i := uint32(1); i < s.visitors.used; i++ {
		if s.visitors.at(i).platform != gone && !yield(i) {
			return
		}
	}
}

// user gives the hash behind a packed user index.
func (s *State) user(v *visitor, k uint8) uint64 {
	switch k {
	case 0:
		return 0
	case 1:
		return s.extra(v).firstUser
	}
	return s.users.at(s.extra(v).moreUsers)[k-2]
}

// userIndex finds or adds a user; over the bound the event counts as anonymous.
func (s *State) userIndex(v *visitor, hash uint64) (k uint8, ok bool) {
	if hash == 0 {
		return 0, true
	}
	x := s.extend(v)
	if x.users > 0 && x.firstUser == hash {
		return 1, true
	}
	for k := uint8(2); k <= x.users; k++ {
		if s.users.at(x.moreUsers)[k-2] == hash {
			return k, true
		}
	}
	if x.users == maxVisitorUsers {
		return 0, false
	}
	x.users++
	if x.users == 1 {
		x.firstUser = hash
		return 1, true
	}
	if x.moreUsers == 0 {
		x.moreUsers = s.users.take()
	}
	s.users.at(x.moreUsers)[x.users-2] = hash
	return x.users, true
}

// pruneUsers forgets users of whom no event is left, so that the bound speaks
// of the horizon and a restored state has the same room.
func (s *State) pruneUsers(v *visitor) {
	if v.more == 0 {
		return
	}
	x := s.extras.at(v.more)
	if x.users == 0 {
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
	x.users, x.firstUser = n, order[0]
	if n < 2 && x.moreUsers != 0 {
		s.users.put(x.moreUsers)
		x.moreUsers = 0
	}
	if x.moreUsers != 0 {
		t := s.users.at(x.moreUsers)
		clear(t[copy(t[:], order[1:n]):])
	}
}

// insert puts the event at its canonical place. The caller has checked that it
// is no duplicate and fits the base.
func (s *State) insert(v *visitor, e event) {
	n := int(v.n)
	var evs []event
	if n == 0 {
		v.block = s.blocks.take(0)
		evs = s.blocks.at(v.block)
	} else if evs = s.blocks.at(v.block); n == len(evs) {
		b := s.blocks.take(s.blocks.class(n+1, s.blocks.classOf(v.block)))
		wider := s.blocks.at(b)
		copy(wider, evs)
		s.blocks.put(v.block)
		v.block, evs = b, wider
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
	v.n = uint16(n)
	if n == 0 {
		s.blocks.put(v.block)
		v.block = 0
		return
	}
	if k := s.blocks.class(n, 0); k < s.blocks.classOf(v.block) {
		b := s.blocks.take(k)
		copy(s.blocks.at(b), s.blocks.at(v.block)[:n])
		s.blocks.put(v.block)
		v.block = b
	}
}

// rebase makes room for an event at t; false if the visitor's events would lie
// too far apart. The answer depends on their times alone.
func (s *State) rebase(v *visitor, t int64) bool {
	if v.n == 0 {
		v.setBase(t)
		return true
	}
	evs, was := s.events(v), v.base()
	first, last := was+int64(evs[0].at), was+int64(evs[len(evs)-1].at)
	if max(last, t)-min(first, t) > maxSpan {
		return false
	}
	if t >= was && t-was <= maxOffset {
		return true
	}
	v.setBase(min(first, t))
	shift := uint32(was - v.base()) // modulo 2^32, as the sum is
	for i := range evs {
		evs[i].at += shift
	}
	return true
}
