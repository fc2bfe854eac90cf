package gen

import "github.com/storepulse/storepulse/schemas"

// order is one order on its way to payment, cancellation or refund.
type order struct {
	visit
	number   uint64
	version  uint64
	cart     cart
	created  int64
	paid     int64
	step     orderStep
	attempts uint8
	method   uint8 // index into schemas.PaymentMethodNames
	reason   uint8 // of the coming cancellation or refund
	refunds  uint8

	goods, discount, freight, payable, refund int64 // minor units
}

type orderStep uint8

const (
	orderAttempt orderStep = iota
	orderOutcome
	orderCancel
	orderRefundRequest
	orderRefundDone
)

// price works out what is to be paid.
func (g *Generator) price(o *order) {
	for _, l := range o.cart.items() {
		o.goods += g.shop.skus[l.sku].price * int64(l.quantity)
	}
	if g.chance(0.35) {
		o.discount = o.goods * int64(5+g.rng.IntN(16)) / 100
	}
	if o.goods < 9900 {
		o.freight = 800 + 400*int64(g.rng.IntN(2))
	}
	o.payable = o.goods - o.discount + o.freight
}

// planPayment decides when the buyer comes back to pay, or that nobody will.
func (g *Generator) planPayment(slot int32) {
	o := g.open.at(slot)
	switch x := g.rng.Float64(); {
	case x < 0.80: // at once
		g.wakeOrder(slot, orderAttempt, g.between(3000, 60_000))
	case x < 0.88: // hours later
		g.wakeOrder(slot, orderAttempt, g.between(20*60_000, 20*3600_000))
	case x < 0.97:
		g.unpaid(slot)
	default:
		o.reason = 1 // buyer
		g.wakeOrder(slot, orderCancel, g.between(60_000, 3600_000))
	}
}

// unpaid lets the shop cancel the order when its patience ends.
func (g *Generator) unpaid(slot int32) {
	g.open.at(slot).reason = 2 // timeout_unpaid
	g.wakeOrder(slot, orderCancel, g.between(30*60_000, 24*3600_000))
}

func (g *Generator) wakeOrder(slot int32, s orderStep, after int64) {
	g.open.at(slot).step = s
	g.wake(actorOrder, slot, g.now+after)
}

// stepOrder does the next thing in the life of an order.
func (g *Generator) stepOrder(slot int32) {
	o := g.open.at(slot)
	switch o.step {
	case orderAttempt:
		o.attempts++
		o.method = 1 + uint8(min(g.rng.ExpFloat64()*1.1, 8))
		g.paymentAttempted(o, g.now)
		g.wakeOrder(slot, orderOutcome, g.between(2000, 20_000))
	case orderOutcome:
		g.outcome(slot)
	case orderCancel:
		g.orderCancelled(o, g.now)
		if o.paid == 0 {
			g.open.free(slot)
			return
		}
		o.refund, o.refunds = o.payable, 2
		g.refundRequested(o, g.now+500)
		g.wakeOrder(slot, orderRefundDone, g.between(60_000, 6*3600_000))
	case orderRefundRequest:
		o.refund, o.refunds = o.payable, uint8(g.rng.IntN(2))
		if g.chance(0.4) {
			o.refund = max(o.payable/int64(2+g.rng.IntN(3)), 1)
		}
		o.reason = 1 + uint8(g.rng.IntN(10))
		g.refundRequested(o, g.now)
		if !g.chance(0.93) {
			g.open.free(slot)
			return
		}
		g.wakeOrder(slot, orderRefundDone, g.between(1800_000, 48*3600_000))
	case orderRefundDone:
		g.refundSucceeded(o, g.now)
		g.open.free(slot)
	}
}

// outcome is what the gateway answers to an attempt.
func (g *Generator) outcome(slot int32) {
	o := g.open.at(slot)
	outage := g.meets(PaymentOutage, g.now, Slice{Platform: schemas.PlatformNames[o.platform], PaymentMethod: o.methodName()})
	if outage || g.chance(0.06) {
		g.paymentFailed(o, g.now, outage)
		if o.attempts < 4 && g.chance(0.65) {
			g.wakeOrder(slot, orderAttempt, g.between(8000, 180_000))
			return
		}
		g.unpaid(slot)
		return
	}
	o.paid = g.now
	g.orderPaid(o, g.now)
	if g.chance(0.9) { // the rest closes the window before the page is there
		if !g.pageView(&o.visit, "pay_result", nil, g.now+700) {
			g.purchase(&o.visit, o, g.now+760)
		}
	}
	switch x := g.rng.Float64(); {
	case x < 0.025:
		o.reason = []uint8{1, 3, 4, 5}[g.rng.IntN(4)] // buyer, out_of_stock, seller, risk
		g.wakeOrder(slot, orderCancel, g.between(120_000, 12*3600_000))
	case x < 0.085:
		g.wakeOrder(slot, orderRefundRequest, g.between(2*3600_000, 96*3600_000))
	default:
		g.open.free(slot)
	}
}

// next gives the version of the next event; the order system counts them.
func (o *order) next() uint64 {
	o.version++
	return o.version
}

// methodName is how the buyer pays.
func (o *order) methodName() string { return schemas.PaymentMethodNames[o.method] }
