package transform

import (
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
