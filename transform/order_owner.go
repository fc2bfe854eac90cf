package transform

import (
	"bytes"

	"github.com/storepulse/storepulse/schemas"
)

// outranked says that another visitor than the known one is the order's owner.
func (o *order) outranked(ident uint8, id schemas.ID) bool {
	return ident != 0 && (o.ident == 0 || o.ident > ident || o.ident == ident && bytes.Compare(o.visitor[:], id[:]) > 0)
}

// identify gives the order a visitor; anonymous_id wins over user_id, then the
// smaller hash, so that arrival order does not decide.
func (s *State) identify(i uint32, ident uint8, id schemas.ID) {
	o := s.orders.at(i)
	if o.flags&linkFrozen != 0 {
		return
	}
	if !o.outranked(ident, id) {
		return
	}
	if o.visitorRef != 0 {
		s.touch(o.visitorRef, s.cause.topic, s.cause.offset)
		s.detachOrder(i)
	}
	o.ident, o.visitor = ident, id
	v := s.visitorOf(id, o.tenant)
	if !s.room(v) {
		s.cut(o.tenant, cutVisitorOrders)
		s.drop(v)
		return
	}
	o.visitorRef = v
	p := s.extend(s.visitors.at(v))
	o.nextOrder, p.orders = p.orders, i
}

// room says that the visitor may hold one more order or hint.
func (s *State) room(v uint32) bool {
	n := 0
	p := s.extra(s.visitors.at(v))
	for i := p.orders; i != 0; i = s.orders.at(i).nextOrder {
		n++
	}
	for i := p.hints; i != 0; i = s.orders.at(i).nextHint {
		n++
	}
	return n < maxVisitorOrders
}

// hint notes that a click of the visitor names the order. The earliest hint
// counts.
func (s *State) hint(v uint32, hash uint64, t int64, key uint64) {
	i := s.orderOf(hash, s.visitors.at(v).tenant)
	o := s.orders.at(i)
	o.seen = max(o.seen, t)
	if o.flags&linkFrozen == 0 && (o.hintRef == 0 || s.hintBefore(v, t, key, o)) {
		if o.hintRef != 0 {
			s.touch(o.hintRef, s.cause.topic, s.cause.offset)
			s.detachHint(i)
		}
		if s.room(v) {
			o.hintRef, o.hintTime, o.hintKey = v, t, key
			p := s.extend(s.visitors.at(v))
			o.nextHint, p.hints = p.hints, i
		} else {
			s.cut(o.tenant, cutVisitorOrders)
		}
	}
	s.touchOrder(i, schemas.Clickstream, s.cause.offset)
}

func (s *State) hintBefore(v uint32, t int64, key uint64, o *order) bool {
	if t != o.hintTime {
		return t < o.hintTime
	}
	if key != o.hintKey {
		return key < o.hintKey
	}
	a, b := s.visitors.at(v), s.visitors.at(o.hintRef)
	return bytes.Compare(a.id[:], b.id[:]) < 0
}

// touchOrder queues the order for its age and asks for a new fold of every
// visitor whose sessions it may concern.
func (s *State) touchOrder(i uint32, topic schemas.Topic, offset int64) {
	o := s.orders.at(i)
	s.ageOrder(i, s.watermark)
	for _, v := range [3]uint32{o.visitorRef, o.hintRef, o.link} {
		if v != 0 {
			s.touch(v, topic, offset)
		}
	}
}

func (s *State) detachOrder(i uint32) {
	o := s.orders.at(i)
	p := &s.extend(s.visitors.at(o.visitorRef)).orders
	for *p != i {
		p = &s.orders.at(*p).nextOrder
	}
	v := o.visitorRef
	*p, o.nextOrder, o.visitorRef = o.nextOrder, 0, 0
	s.unlinkFrom(v, i)
}

func (s *State) detachHint(i uint32) {
	o := s.orders.at(i)
	p := &s.extend(s.visitors.at(o.hintRef)).hints
	for *p != i {
		p = &s.orders.at(*p).nextHint
	}
	v := o.hintRef
	*p, o.nextHint, o.hintRef = o.nextHint, 0, 0
	s.unlinkFrom(v, i)
}

// unlinkFrom takes the order out of its session once the session's visitor no
// longer lists it: that visitor would leave and the order not hear of it.
func (s *State) unlinkFrom(v, i uint32) {
	if o := s.orders.at(i); o.link == v && o.visitorRef != v && o.hintRef != v {
		s.unlink(i)
	}
}

// unlink takes the order out of its session. It leaves by its own time then.
func (s *State) unlink(i uint32) {
	o := s.orders.at(i)
	o.link, o.linkStart, o.linkKey, o.how = 0, 0, 0, byNone
	s.ageOrder(i, s.watermark)
}

// dropOrder forgets the order.
func (s *State) dropOrder(i uint32) {
	o := s.orders.at(i)
	v, h := o.visitorRef, o.hintRef
	o.link = 0
	if v != 0 {
		s.detachOrder(i)
	}
	if h != 0 {
		s.detachHint(i)
	}
	s.setAge(o, 0)
	s.orderWheel.remove(s, i)
	delete(s.orderIndex, o.hash)
	s.orders.put(i)
	if v != 0 {
		s.drop(v)
	}
	if h != 0 && h != v {
		s.drop(h)
	}
}
