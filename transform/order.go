package transform

import (
	"bytes"
	"cmp"

	"github.com/storepulse/storepulse/schemas"
)

// order is what the lane knows of an order while it can still move a session.
// Every merge is a minimum, a maximum or a union, so arrival order is nothing.
type order struct {
	hash                        uint64
	created, paidAt, cancelled  int64 // 0 = not known
	seen                        int64 // newest event or hint
	payable, paid               int64 // minor units, of the greatest version
	payableVersion, paidVersion uint64
	rankVersion                 uint64
	visitor                     schemas.ID
	visitorRef, hintRef         uint32 // in State.visitors, 0 = none
	nextOrder, nextHint         uint32 // of the same visitor
	hintTime                    int64
	hintKey                     uint64
	linkStart                   int64
	linkKey                     uint64
	link                        uint32 // visitor of the linked session
	next, prev                  uint32 // in the wheel
	bucket                      int32
	units                       unitCounts
	rank                        uint16
	ident                       uint8 // how visitor is known: 0 not, identAnonymous, identUser
	how                         uint8 // index into schemas.AttributionNames
	platform, kind              uint8
	currency                    uint8 // of payable, 0 = not known
	paidIn                      uint8 // currency of paid, 0 = not known
	region, tenant              uint8
	age                         uint8 // 1 + age bucket under which it counts as unpaid, 0 = none
	flags                       orderFlags
}

// unitCounts are the units of an order's first categories. All that one event
// can list, 200 lines of 100,000, have room in each.
type unitCounts struct {
	n        [4]uint32
	category [4]uint8
}

type orderFlags uint16

const (
	orderTest orderFlags = 1 << iota
	orderInternal
	linkFrozen // the linked session's span has left
	countedPlaced
	countedPaid
	countedCancelled
	uncounted // waits in State.pending
	orderUnits
	orderLate  // first heard of beyond the horizon: it may have been here before, so it takes no link
	orderHeard // by an event of its own, not only by clicks that name it
	orderAgain // its time became known when it may have been here before and left: what it says of that time is counted
	paysLater  // on delivery or on credit
)

const (
	identAnonymous = 1
	identUser      = 2
)

// Attribution, an index into schemas.AttributionNames.
const (
	byNone = iota
	byHint
	byAnonymous
	byUser
)

// at is when the order was created, as far as is known; 0 = it is no order yet.
func (o *order) at() int64 {
	if o.created == 0 {
		return o.paidAt
	}
	return o.created
}

// linkable says that the order takes part in the session funnel (docs/events.md, Orders).
func (o *order) linkable() bool {
	return o.at() != 0 && o.flags&orderLate == 0 && !o.apart()
}

func (o *order) linkableKind() bool {
	return o.kind != typeSubscription && o.kind != typeExchange && o.kind != typeImported
}

// Order types outside the funnel, indexes into schemas.OrderTypeNames.
const (
	typePresale      = 2
	typeSubscription = 3
	typeExchange     = 5
	typeImported     = 7
)

// Payment methods that do not pay at once, indexes into schemas.PaymentMethodNames.
const (
	methodCredit = 6
	methodCOD    = 7
)

// mixed says that the order was paid in another currency than it is in.
func (o *order) mixed() bool { return o.currency != 0 && o.paidIn != 0 && o.currency != o.paidIn }

// money is the order's currency: that of its amounts, else of its payment.
func (o *order) money() uint8 { return cmp.Or(o.currency, o.paidIn) }

// paidInTime says that the payment counts for the session.
func (o *order) paidInTime(window int64) bool {
	return o.paidAt != 0 && o.paidAt <= o.at()+window
}

// leaves is the last watermark at which the order is still of use.
func (s *State) leaves(o *order) int64 {
	switch {
	case o.at() == 0:
		return o.seen + s.retain
	case o.paidAt != 0:
		return max(o.at(), o.paidAt) + s.retain
	case o.cancelled != 0:
		return max(o.at(), o.cancelled) + s.retain
	}
	return o.at() + s.payWindow + s.retain
}

// orderOf finds or makes the order.
func (s *State) orderOf(hash uint64, tenant uint8) uint32 {
	if i, ok := s.orderIndex[hash]; ok {
		return i
	}
	i := s.orders.take()
	o := s.orders.at(i)
	o.hash, o.tenant, o.bucket = hash, tenant, unqueued
	s.orderIndex[hash] = i
	return i
}

// mergeOrder takes row i of the orders topic into the table.
func (s *State) mergeOrder(b *schemas.Orders, row int) {
	kind := schemas.Kind(b.Kind[row])
	switch kind {
	case schemas.KindOrderCreated, schemas.KindOrderUpdated, schemas.KindOrderPaid, schemas.KindOrderCancelled:
	default:
		return
	}
	_, known := s.orderIndex[b.Order[row]]
	i := s.orderOf(b.Order[row], b.Tenant.Index[row])
	o := s.orders.at(i)
	t, received, version := b.Time[row], b.Received[row], b.Version[row]
	wasAt, wasApart := o.at(), o.apart()
	o.seen = max(o.seen, t)
	if created := payloadTime(b.CreatedAt[row], received); created > 0 {
		o.created = earliest(o.created, created)
	} else if kind == schemas.KindOrderCreated {
		o.created = earliest(o.created, t)
	}
	c, mixed := b.Currency.Index[row], o.mixed()
	if p := b.Payable[row]; p > 0 || kind == schemas.KindOrderCreated {
		if version > o.payableVersion || version == o.payableVersion && cmp.Or(cmp.Compare(p, o.payable), cmp.Compare(c, o.currency)) > 0 {
			o.payableVersion, o.payable, o.currency = version, p, c
		}
	}
	switch kind {
	case schemas.KindOrderPaid:
		at := payloadTime(b.PaidAt[row], received)
		if at <= 0 {
			at = t
		}
		if o.paidAt != 0 && o.paidAt != at {
			s.conflict(o, conflictPaidTwice)
		}
		o.paidAt = earliest(o.paidAt, at)
		if p := b.Paid[row]; version > o.paidVersion || version == o.paidVersion && cmp.Or(cmp.Compare(p, o.paid), cmp.Compare(c, o.paidIn)) > 0 {
			o.paidVersion, o.paid, o.paidIn = version, p, c
		}
	case schemas.KindOrderCancelled:
		o.cancelled = earliest(o.cancelled, t)
		if o.flags&countedCancelled == 0 {
			o.flags |= countedCancelled
			s.countCancelled(o, b, row)
		}
	}
	if b.PayableMismatch[row] != 0 {
		s.conflict(o, conflictMismatch)
	}
	if !mixed && o.mixed() {
		s.conflict(o, conflictCurrency)
	}
	if rank := b.Rank[row]; rank > 0 {
		if rank < o.rank && version > o.rankVersion {
			s.conflict(o, conflictLowerRank)
		}
		if rank > o.rank {
			o.rank, o.rankVersion = rank, version
		}
	}
	o.platform = max(o.platform, b.Platform.Index[row])
	o.region = max(o.region, b.Region.Index[row])
	o.kind = max(o.kind, b.OrderType.Index[row])
	if b.IsTest[row] != 0 {
		o.flags |= orderTest
	}
	if b.IsInternal[row] != 0 {
		o.flags |= orderInternal
	}
	if m := b.PaymentMethod.Index[row]; m == methodCOD || m == methodCredit {
		o.flags |= paysLater
	}
	if !known && (t+s.retain < s.watermark || o.at() != 0 && o.at()+s.retain < s.watermark) {
		o.flags |= orderLate
	}
	s.doubt(o, wasAt == 0)
	ident := b.HasAnon[row]
	moved := wasAt != o.at() || wasApart != o.apart() || o.outranked(ident, b.Visitor[row])
	if s.mayBelongToPast(o, kind, moved) {
		s.oweOrder(o.hash, o.tenant, max(wasAt, cmp.Or(o.at(), t)))
	}
	o.flags |= orderHeard
	if ident == identAnonymous || ident == identUser {
		s.identify(i, ident, b.Visitor[row])
	}
	if o.flags&uncounted == 0 && (o.flags&countedPlaced == 0 || o.paidAt != 0 && o.flags&countedPaid == 0) && o.at() != 0 {
		o.flags |= uncounted
		s.pending = append(s.pending, i)
	}
	s.touchOrder(i, schemas.OrdersTopic, b.Offset[row])
}

// doubt keeps an order whose state is sent again from counting again. The state
// cannot tell it from one that comes late for the first time; the tables can.
func (s *State) doubt(o *order, first bool) {
	if first && o.at() != 0 && o.at()+s.retain < s.watermark {
		o.flags |= orderAgain | countedPlaced
	}
	if o.flags&orderAgain != 0 && o.paidAt != 0 && o.paidAt+s.retain < s.watermark {
		o.flags |= countedPaid
	}
}

func earliest(known, t int64) int64 {
	if known == 0 || t < known {
		return t
	}
	return known
}

// mayBelongToPast says that the session of the order may have left before what
// the state has just learnt of it: a rebuild has to look for it.
func (s *State) mayBelongToPast(o *order, kind schemas.Kind, moved bool) bool {
	first := o.flags&orderHeard == 0
	switch {
	case o.flags&orderLate != 0:
		return true
	case first && o.created == 0 && kind != schemas.KindOrderCreated:
		return true // the order may be older than what this event says
	}
	return (first || moved) && o.at() != 0 && o.at()+s.horizon < s.watermark
}

// apart says that the order takes no part in the funnel for what it is.
func (o *order) apart() bool { return o.flags&orderTest != 0 || !o.linkableKind() }

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
