package transform

import (
	"encoding/binary"

	"github.com/storepulse/storepulse/schemas"
)

// Indexes into label values of schemas.Register.
const (
	botUserAgent  = 0
	botEventCount = 1

	conflictMismatch  = 0
	conflictPaidTwice = 1
	conflictLowerRank = 2
	conflictCurrency  = 3

	searchUnknown = 0
	searchFound   = 1
	searchZero    = 2

	cartAdded = 0
	cartPaid  = 1
)

func (s *State) cut(tenant uint8, bound int) {
	s.deltas.Add(int(tenant), s.register.StateCut, 1, bound)
}

// countEvent counts one accepted clickstream event, in state or late.
func (s *State) countEvent(e *schemas.Events, i int) {
	d, r := s.deltas, s.register
	tenant, kind := int(e.Tenant.Index[i]), schemas.Kind(e.Kind[i])
	platform := int(e.Platform.Index[i])
	d.Add(tenant, r.EventsIngested, 1, int(schemas.Clickstream), int(kind), platform)
	d.Add(tenant, r.EventsConsent, 1, int(e.Consent.Index[i]))
	if e.IsBot[i] != 0 {
		d.Add(tenant, r.EventsBot, 1, botUserAgent)
	}
	if e.IsTest[i]|e.IsInternal[i]|e.IsBot[i] != 0 {
		return
	}
	switch kind {
	case schemas.KindPageView:
		d.Add(tenant, r.PageViews, 1, int(e.PageType.Index[i]), platform)
		s.today.visit(tenant, e.Day[i], uint8(platform), e.Visitor[i])
	case schemas.KindSearch:
		result := searchUnknown
		if e.HasSearchResult[i] != 0 {
			result = searchFound
			if e.ResultCount[i] == 0 {
				result = searchZero
			}
		}
		d.Add(tenant, r.Searches, 1, result)
	}
}

// countOrderEvent counts one accepted event of the orders topic.
func (s *State) countOrderEvent(o *schemas.Orders, i int) {
	d, r := s.deltas, s.register
	tenant, kind := int(o.Tenant.Index[i]), schemas.Kind(o.Kind[i])
	d.Add(tenant, r.EventsIngested, 1, int(schemas.OrdersTopic), int(kind), int(o.Platform.Index[i]))
	switch kind {
	case schemas.KindPaymentAttempted, schemas.KindPaymentFailed, schemas.KindRefundSucceeded:
	default:
		return
	}
	var known *order // nil: not in state
	if at, ok := s.orderIndex[o.Order[i]]; ok {
		known = s.orders.at(at)
	}
	if o.IsTest[i]|o.IsInternal[i] != 0 || known != nil && known.flags&(orderTest|orderInternal) != 0 {
		return
	}
	switch kind {
	case schemas.KindPaymentAttempted:
		d.Add(tenant, r.PaymentAttempts, 1, int(o.PaymentMethod.Index[i]), 0)
	case schemas.KindPaymentFailed:
		result := int(o.PaymentError.Index[i]) // 0 = unknown, then as in PaymentResultNames
		if result == 0 {
			result = len(schemas.PaymentResultNames) - 1
		}
		d.Add(tenant, r.PaymentAttempts, 1, int(o.PaymentMethod.Index[i]), result)
	case schemas.KindRefundSucceeded:
		d.Add(tenant, r.Refunds, 1, int(o.RefundReason.Index[i]), int(o.RefundType.Index[i]))
		if c, ok := s.reporting(tenant, o.Currency.Index[i]); ok {
			d.Add(tenant, r.RefundAmount, o.Refund[i], c)
		}
		if known != nil && known.paidIn != 0 && known.paidIn != o.Currency.Index[i] {
			s.conflict(known, conflictCurrency)
		}
	}
}

// lateness is how far the event lies behind the newest one before it.
func (s *State) lateness(t, run int64) int64 {
	return min(max(0, run+s.outOfOrder-t), maxLateness)
}

func (s *State) countCancelled(o *order, b *schemas.Orders, i int) {
	if b.IsTest[i]|b.IsInternal[i] != 0 || o.flags&(orderTest|orderInternal) != 0 {
		return
	}
	s.deltas.Add(int(o.tenant), s.register.OrdersCancelled, 1, int(b.CancelReason.Index[i]), int(b.CancelPaid[i]|bit(o.paidAt != 0)))
}

func (s *State) conflict(o *order, kind int) {
	s.deltas.Add(int(o.tenant), s.register.OrderStateConflicts, 1, kind)
}

// reporting is the currency of a tenant's amounts, and its label.
type reporting struct {
	currency uint8
	label    int
}

// reporting gives the label of the tenant's own currency. That of another shop
// is as foreign to it as any: amounts of two currencies never stand side by side.
func (s *State) reporting(tenant int, currency uint8) (label int, ok bool) {
	r := s.reports[tenant]
	return r.label, r.currency == currency && currency != 0
}

// countOrders counts the orders that were first seen created or paid in this
// epoch, once their session is known.
func (s *State) countOrders() {
	d, r := s.deltas, s.register
	for _, i := range s.pending {
		o := s.orders.at(i)
		o.flags &^= uncounted
		if o.flags&linkFrozen != 0 && s.orderIndex[o.hash] == i {
			s.orderWheel.queue(s, i, s.watermark) // its session may have stayed for the count alone
		}
		if o.flags&(orderTest|orderInternal) != 0 {
			continue
		}
		tenant, platform, channel := int(o.tenant), int(o.platform), s.linkedChannel(o)
		if o.flags&countedPlaced == 0 {
			o.flags |= countedPlaced
			d.Add(tenant, r.OrdersPlaced, 1, platform, channel)
			if currency, known := s.reporting(tenant, o.money()); known {
				d.Add(tenant, r.OrdersPlacedAmount, o.payable, currency, platform, channel)
			}
			if o.linkable() {
				d.Add(tenant, r.OrdersAttributed, 1, int(o.how), platform)
			}
		}
		if o.paidAt != 0 && o.flags&countedPaid == 0 {
			o.flags |= countedPaid
			s.today.buy(tenant, s.days[tenant].date(o.paidAt), o.platform, o.buyer())
			s.lastPaid[tenant] = max(s.lastPaid[tenant], o.paidAt)
			d.Add(tenant, r.OrdersPaid, 1, platform, channel)
			d.Add(tenant, r.OrdersRegionPaid, 1, int(o.region))
			if currency, known := s.reporting(tenant, o.paidIn); known {
				d.Add(tenant, r.OrdersPaidAmount, o.paid, currency, platform, channel)
			} else {
				d.Add(tenant, r.OrdersForeignCurrency, 1)
			}
			for k, n := range o.units.n {
				if n > 0 {
					d.Add(tenant, r.UnitsSold, int64(n), int(o.units.category[k]))
				}
			}
		}
	}
	s.pending = s.pending[:0]
}

// buyer is the order's visitor. An order of nobody known has a buyer of its own.
func (o *order) buyer() schemas.ID {
	if o.ident != 0 {
		return o.visitor
	}
	var id schemas.ID
	binary.BigEndian.PutUint64(id[:8], o.hash)
	binary.BigEndian.PutUint64(id[8:], o.hash)
	return id
}

// linkedChannel is the channel of the order's session, unknown without one.
func (s *State) linkedChannel(o *order) int {
	if o.link == 0 {
		return int(schemas.ChannelUnknown)
	}
	if r := s.sessionOfLink(o); r != nil {
		return int(r.channel())
	}
	return int(schemas.ChannelUnknown)
}

// countSession moves the session counters forward; they never go back.
func (s *State) countSession(v *visitor, f *fold, r *session, closed bool) {
	d, m, tenant := s.deltas, s.register, int(v.tenant)
	merged := int64(f.absorbed)
	if f.fresh && merged > 0 {
		merged-- // the same session under another first event
	}
	if merged > 0 {
		d.Add(tenant, m.SessionsMerged, merged)
	}
	if f.filtered() {
		return
	}
	platform, channel, region := int(f.platform), int(f.channel), int(f.region)
	device := int(schemas.Platform(f.platform).Device())
	if r.counted == 0 {
		d.Add(tenant, m.SessionsStarted, 1, platform, channel)
	}
	for k := r.counted + 1; k <= f.stage; k++ {
		d.Add(tenant, m.SessionStage, 1, int(k)-1, platform, channel)
		d.Add(tenant, m.SessionStageRegion, 1, int(k)-1, region)
	}
	r.counted = max(r.counted, f.stage)
	if f.raw&(1<<schemas.StageAddToCart) != 0 {
		if r.flags&countedCart == 0 {
			r.flags |= countedCart
			d.Add(tenant, m.CartSessions, 1, cartAdded, platform, channel)
		}
		if f.ordersPaid > 0 && r.flags&countedCartPaid == 0 {
			r.flags |= countedCartPaid
			d.Add(tenant, m.CartSessions, 1, cartPaid, platform, channel)
		}
	}
	if f.orders > 0 && f.firstCheckout != 0 && r.flags&countedCheckout == 0 && f.firstSubmit >= f.firstCheckout {
		r.flags |= countedCheckout
		d.Observe(tenant, m.CheckoutDuration, f.firstSubmit-f.firstCheckout, device)
	}
	if closed && r.flags&countedClosed == 0 {
		r.flags |= countedClosed
		d.Add(tenant, m.SessionsClosed, 1, int(f.landing), device)
		if f.bounce() {
			d.Add(tenant, m.SessionsBounced, 1, int(f.landing), device)
		}
		if f.views > 0 {
			d.Add(tenant, m.SessionExits, 1, int(f.exit))
		}
		d.Observe(tenant, m.SessionDuration, f.end-f.start, device)
	}
}

// countAside counts what never reached the columns; such records have no
// tenant, so the first stands for the pipeline.
func (s *State) countAside(b *schemas.Batch) {
	for i, topic := range b.Letters.Topic.Index {
		s.deltas.Add(0, s.register.EventsDeadLetter, 1, int(topic), int(b.Letters.Reason.Index[i])-1)
	}
	for topic, n := range b.Tombstones {
		s.deltas.Add(0, s.register.EventsTombstone, n, topic)
	}
}
