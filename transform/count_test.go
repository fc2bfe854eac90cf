package transform

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/schemas"
)

// count adds a series up over its labels.
func (l *lane) count(m *schemas.Metric) (n int64) {
	first := m.Slot(make([]int, len(m.Labels))...)
	for _, v := range l.out.Deltas.Tenants[0][first : first+m.Series()] {
		n += v
	}
	return n
}

// wantCounts compares series of the first tenant after the epoch that ends here.
func (l *lane) wantCounts(what string, want map[*schemas.Metric]int64) {
	l.tb.Helper()
	l.end(0)
	l.next()
	got, wanted := map[string]int64{}, map[string]int64{}
	for m, n := range want {
		got[m.Name], wanted[m.Name] = l.count(m), n
	}
	if d := cmp.Diff(got, wanted); d != "" {
		l.tb.Errorf("%s: -got, +want:\n%s", what, d)
	}
}

// at moves the lane's watermark past a time by a click.
func (l *lane) at(t int64) {
	l.tb.Helper()
	l.click(&click{visitor: "passer-by", id: stamp(t), at: t, kind: schemas.KindLogin})
	l.end(0)
	l.next()
}

// A state that is sent again is no new order, nor a sign of life of the till.
func TestAnOrderCountsOnceHoweverOftenItsStateIsSent(t *testing.T) {
	again := map[string][]sale{
		"paid":                      {{kind: schemas.KindOrderPaid, version: 2, paidAt: noon + minute, paid: 100}},
		"paid, and created":         {{kind: schemas.KindOrderPaid, version: 2, created: noon, paidAt: noon + minute, paid: 100}},
		"created":                   {{kind: schemas.KindOrderCreated, version: 1, created: noon, payable: 100}},
		"updated":                   {{kind: schemas.KindOrderUpdated, version: 3, created: noon, payable: 100}},
		"cancelled":                 {{kind: schemas.KindOrderCancelled, version: 3, created: noon}},
		"created, then paid":        {{kind: schemas.KindOrderCreated, version: 1, created: noon, payable: 100}, {kind: schemas.KindOrderPaid, version: 2, paidAt: noon + minute, paid: 100}},
		"paid, then created":        {{kind: schemas.KindOrderPaid, version: 2, paidAt: noon + minute, paid: 100}, {kind: schemas.KindOrderCreated, version: 1, created: noon, payable: 100}},
		"updated only, then paid":   {{kind: schemas.KindOrderUpdated, version: 3}, {kind: schemas.KindOrderPaid, version: 2, paidAt: noon + minute, paid: 100}},
		"cancelled only, then paid": {{kind: schemas.KindOrderCancelled, version: 3}, {kind: schemas.KindOrderPaid, version: 2, paidAt: noon + minute, paid: 100}},
	}
	for name, events := range again {
		for _, gone := range []bool{false, true} {
			for _, together := range []bool{false, true} {
				l := newLane(t, testVocabulary(t), DefaultSettings())
				l.sale(&sale{order: "o", visitor: "v", id: "1", at: noon, created: noon, kind: schemas.KindOrderCreated, version: 1, payable: 100})
				l.sale(&sale{order: "o", visitor: "v", id: "2", at: noon + minute, paidAt: noon + minute, kind: schemas.KindOrderPaid, version: 2, paid: 100})
				want := map[*schemas.Metric]int64{l.r.OrdersPlaced: 1, l.r.OrdersPaid: 1, l.r.OrdersPaidAmount: 100, l.r.LastPaidOrder: (noon + minute) / second}
				l.wantCounts(name+", at first", want)
				l.click(&click{visitor: "v", id: "seen", at: noon, kind: schemas.KindPageView})
				now := noon + hour
				if gone {
					now = noon + 6*hour
				}
				l.at(now)
				if known := l.state.orderIndex[hash("o")] != 0; known == gone {
					t.Fatalf("%s: the order is in state: %t", name, known)
				}
				clear(want)
				want[l.r.OrdersPlaced], want[l.r.OrdersPaid], want[l.r.OrdersPaidAmount], want[l.r.LastPaidOrder], want[l.r.BuyersToday] = 0, 0, 0, (noon+minute)/second, 1
				for i, x := range events {
					x.order, x.visitor, x.id, x.at = "o", "v", name+string(rune('a'+i)), now+int64(i)
					l.sale(&x)
					if !together {
						l.wantCounts(name+", again", want)
						l.reopen()
					}
				}
				l.wantCounts(name+", again", want)
			}
		}
	}
}

// What happens now counts, however old the order.
func TestAPaymentOfAnOldOrderCounts(t *testing.T) {
	l := newLane(t, testVocabulary(t), DefaultSettings())
	l.at(noon)
	l.sale(&sale{order: "o", visitor: "v", id: "1", at: noon + minute, created: noon - 5*day, paidAt: noon + minute, kind: schemas.KindOrderPaid, version: 2, paid: 100})
	l.wantCounts("paid after days", map[*schemas.Metric]int64{l.r.OrdersPlaced: 0, l.r.OrdersPaid: 1, l.r.OrdersPaidAmount: 100, l.r.LastPaidOrder: (noon + minute) / second, l.r.BuyersToday: 1})
	l.sale(&sale{order: "o", visitor: "v", id: "2", at: noon + 2*minute, created: noon - 5*day, kind: schemas.KindOrderCreated, version: 1, payable: 100})
	l.wantCounts("created, said later", map[*schemas.Metric]int64{l.r.OrdersPlaced: 0, l.r.OrdersPaid: 0})
	l.sale(&sale{order: "known", visitor: "v", id: "3", at: noon + 2*minute, created: noon, kind: schemas.KindOrderCreated, version: 1, payable: 100})
	l.wantCounts("created", map[*schemas.Metric]int64{l.r.OrdersPlaced: 1, l.r.OrdersPaid: 0})
	l.at(noon + 30*hour)
	l.sale(&sale{order: "known", visitor: "v", id: "4", at: noon + 30*hour, paidAt: noon + 20*hour, kind: schemas.KindOrderPaid, version: 2, paid: 100})
	l.wantCounts("paid ten hours ago, by an order in state", map[*schemas.Metric]int64{l.r.OrdersPlaced: 0, l.r.OrdersPaid: 1, l.r.LastPaidOrder: (noon + 20*hour) / second})
}

// A payment is a buyer of the platform the order was placed on, at the time of
// the payment.
func TestABuyerIsOfTheOrder(t *testing.T) {
	l := newLane(t, testVocabulary(t), DefaultSettings())
	l.at(noon)
	l.sale(&sale{order: "o", visitor: "v", id: "1", at: noon, created: noon, kind: schemas.KindOrderCreated, version: 1, payable: 100, platform: uint8(schemas.PlatformH5)})
	l.sale(&sale{order: "o", visitor: "v", id: "2", at: noon + 2*minute, paidAt: noon + minute, kind: schemas.KindOrderPaid, version: 2, paid: 100})
	l.sale(&sale{order: "nobody's", id: "3", at: noon + 2*minute, paidAt: noon + minute, kind: schemas.KindOrderPaid, version: 2, paid: 100, platform: uint8(schemas.PlatformH5)})
	l.sale(&sale{order: "nobody's 2", id: "4", at: noon + 2*minute, paidAt: noon + minute, kind: schemas.KindOrderPaid, version: 2, paid: 100, platform: uint8(schemas.PlatformH5)})
	l.wantCounts("paid", map[*schemas.Metric]int64{l.r.OrdersPaid: 3, l.r.BuyersToday: 3, l.r.LastPaidOrder: (noon + minute) / second})
	if n := l.out.Deltas.Tenants[0][l.r.BuyersToday.Slot(int(schemas.PlatformH5))]; n != 3 {
		t.Errorf("%d of three buyers are on the platform of their orders", n)
	}
}

// An order is a test in all that happens to it, whichever event says so.
func TestATestOrderCountsNowhere(t *testing.T) {
	l := newLane(t, testVocabulary(t), DefaultSettings())
	l.at(noon)
	zero := map[*schemas.Metric]int64{}
	for _, m := range []*schemas.Metric{
		l.r.OrdersPlaced, l.r.OrdersPaid, l.r.OrdersCancelled, l.r.PaymentAttempts, l.r.Refunds, l.r.RefundAmount, l.r.BuyersToday, l.r.LastPaidOrder, l.r.OrdersUnpaid,
	} {
		zero[m] = 0
	}
	l.sale(&sale{order: "o", visitor: "v", id: "1", at: noon, created: noon, kind: schemas.KindOrderCreated, version: 1, payable: 100, test: true})
	for i, kind := range []schemas.Kind{schemas.KindPaymentAttempted, schemas.KindPaymentFailed, schemas.KindOrderPaid, schemas.KindRefundSucceeded, schemas.KindOrderCancelled} {
		l.wantCounts("a test order", zero)
		l.sale(&sale{order: "o", visitor: "v", id: kind.String(), at: noon + int64(i)*minute, paidAt: noon, kind: kind, version: uint64(i), paid: 100, refund: 100})
	}
	l.wantCounts("a test order", zero)
}

// Who pays on delivery or on credit is not asked for the money yet.
func TestOrdersThatPayLaterDoNotWait(t *testing.T) {
	if schemas.PaymentMethodNames[methodCOD] != "cod" || schemas.PaymentMethodNames[methodCredit] != "credit" {
		t.Fatal("the numbers of the methods have changed")
	}
	l := newLane(t, testVocabulary(t), DefaultSettings())
	l.at(noon)
	for i, method := range []uint8{0, 1, methodCOD, methodCredit} {
		l.sale(&sale{order: stamp(int64(i)), visitor: "v", id: stamp(int64(i)), at: noon, created: noon, kind: schemas.KindOrderCreated, version: 1, payable: 100, method: method})
	}
	l.wantCounts("created", map[*schemas.Metric]int64{l.r.OrdersPlaced: 4, l.r.OrdersUnpaid: 2})
	l.reopen()
	l.wantCounts("after a restart", map[*schemas.Metric]int64{l.r.OrdersUnpaid: 2})
}

// A bot that only the number of its events gives away is one in all of them.
func TestABotCountsWithAllItsEvents(t *testing.T) {
	l := newLane(t, testVocabulary(t), DefaultSettings())
	const before, after = maxSessionEvents, 300
	rules := [2]int64{}
	for n := range int64(before + after) {
		l.click(&click{visitor: "crawler", id: stamp(n + 1), at: noon + n*second, kind: schemas.KindPageView, bot: n%10 == 0})
		if n%700 == 0 || n == before-1 || n == before || n == before+after-1 {
			l.end(0)
			l.next()
			for rule := range rules {
				rules[rule] += l.out.Deltas.Tenants[0][l.r.EventsBot.Slot(rule)]
			}
			if n%1400 == 0 {
				l.reopen()
			}
			want := [2]int64{n/10 + 1, 0}
			if n >= before {
				want[botEventCount] = n + 1 - want[botUserAgent]
			}
			if rules != want {
				t.Errorf("after %d events: %d, want %d, by user agent and by the number of events", n+1, rules, want)
			}
		}
	}
}
