package gen

import "github.com/storepulse/storepulse/schemas"

// orderEvent begins a record of the orders topic with the common fields of
// docs/events.md, Order events. The order system's clock is right.
func (g *Generator) orderEvent(o *order, kind schemas.Kind, at int64) (int32, *record) {
	slot, r := g.envelope(&o.visit, "/oms/shop-1", "ecom.", kind, at, false)
	b := append(r.value, `,"order_id":"`...)
	b = g.appendOrderID(b, o)
	b = append(b, `","order_version":`...)
	b = appendInt(b, int64(o.next()))
	b = append(b, `,"anonymous_id":"`...)
	b = o.appendAnonymous(b)
	if o.loggedIn != 0 {
		b = append(b, `","user_id":"`...)
		b = appendUser(b, o.loggedIn)
	}
	b = append(b, `","platform":"`...)
	b = append(b, schemas.PlatformNames[o.platform]...)
	b = append(b, `","order_type":"normal","fulfillment_type":"warehouse","ship_region":"`...)
	b = append(b, schemas.RegionNames[o.region]...)
	b = append(b, '"')
	b = field(b, "currency", g.set.Currency)
	if o.test {
		b = append(b, `,"is_test":true`...)
	}
	r.value = b
	return slot, r
}

func (g *Generator) amounts(b []byte, o *order) []byte {
	b = money(b, "goods_amount", o.goods)
	b = money(b, "discount_total", o.discount)
	b = money(b, "freight_amount", o.freight)
	b = money(b, "tax_amount", 0)
	return money(b, "payable_amount", o.payable)
}

func (g *Generator) moment(b []byte, name string, at int64) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':', '"')
	return append(g.date.append(b, at), 'Z', '"')
}

func (g *Generator) orderCreated(o *order, at int64) {
	slot, r := g.orderEvent(o, schemas.KindOrderCreated, at)
	r.amount = o.payable
	b := g.amounts(r.value, o)
	b = g.moment(b, "created_at", at)
	r.value = g.appendItems(b, o.cart.items(), false)
	o.created = at
	g.close(slot)
}

// orderUpdated is the shop's own change before the payment: a discount.
func (g *Generator) orderUpdated(o *order, at int64) {
	off := max(o.payable/20, 1)
	o.discount, o.payable = o.discount+off, o.payable-off
	slot, r := g.orderEvent(o, schemas.KindOrderUpdated, at)
	r.amount = o.payable
	b := g.amounts(r.value, o)
	r.value = g.moment(b, "created_at", o.created)
	g.close(slot)
}

func (g *Generator) attempt(b []byte, o *order) []byte {
	b = append(b, `,"attempt_id":"`...)
	b = g.appendOrderID(b, o)
	b = append(b, '-', byte('0'+o.attempts), '"')
	return field(b, "payment_method", o.methodName())
}

func (g *Generator) paymentAttempted(o *order, at int64) {
	slot, r := g.orderEvent(o, schemas.KindPaymentAttempted, at)
	r.value = g.attempt(r.value, o)
	g.close(slot)
}

func (g *Generator) paymentFailed(o *order, at int64, hard bool) {
	slot, r := g.orderEvent(o, schemas.KindPaymentFailed, at)
	b := g.attempt(r.value, o)
	kind := "hard"
	if !hard {
		kind = schemas.PaymentErrorNames[1+g.rng.IntN(len(schemas.PaymentErrorNames)-1)]
	}
	b = field(b, "error_type", kind)
	r.value = field(b, "error_code", "GW_4001")
	g.close(slot)
}

func (g *Generator) orderPaid(o *order, at int64) {
	slot, r := g.orderEvent(o, schemas.KindOrderPaid, at)
	r.amount = o.payable
	b := money(r.value, "paid_amount", o.payable)
	b = field(b, "payment_method", o.methodName())
	b = g.amounts(b, o)
	b = g.moment(b, "created_at", o.created)
	b = g.moment(b, "paid_at", at)
	r.value = g.appendItems(b, o.cart.items(), false)
	g.close(slot)
}

func (g *Generator) orderCancelled(o *order, at int64) {
	slot, r := g.orderEvent(o, schemas.KindOrderCancelled, at)
	b := field(r.value, "cancel_reason", schemas.CancelReasonNames[o.reason])
	if o.paid != 0 {
		b = append(b, `,"paid":true`...)
	} else {
		b = append(b, `,"paid":false`...)
	}
	r.value = b
	g.close(slot)
}

func (g *Generator) refundRequested(o *order, at int64) {
	slot, r := g.orderEvent(o, schemas.KindRefundRequested, at)
	r.value = g.refundFields(r.value, o)
	g.close(slot)
}

func (g *Generator) refundSucceeded(o *order, at int64) {
	slot, r := g.orderEvent(o, schemas.KindRefundSucceeded, at)
	r.amount = o.refund
	r.value = g.refundFields(r.value, o)
	g.close(slot)
}

func (g *Generator) refundFields(b []byte, o *order) []byte {
	b = append(b, `,"refund_id":"R`...)
	b = append(g.appendOrderID(b, o), '"')
	b = field(b, "refund_type", schemas.RefundTypeNames[1+o.refunds])
	if o.refunds == 2 {
		b = field(b, "reason", "no_reason")
	} else {
		b = field(b, "reason", schemas.RefundReasonNames[o.reason])
	}
	return money(b, "amount", o.refund)
}
