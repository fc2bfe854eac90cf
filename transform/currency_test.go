package transform

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/schemas"
)

// The yen of a shop that counts in yuan are foreign, though another shop counts
// in them: an order is counted, its amount is not.
func TestAmountsAreInTheShopsOwnCurrency(t *testing.T) {
	l := newLane(t, testVocabulary(t), DefaultSettings())
	at := int64(1_794_300_000_000)
	for i, currency := range []string{"CNY", "JPY"} {
		order := "o-" + currency
		l.sale(&sale{order: order, visitor: "v", id: order + "1", at: at, created: at, kind: schemas.KindOrderCreated, version: 1, payable: 100, currency: currency})
		l.sale(&sale{order: order, visitor: "v", id: order + "2", at: at + 1000, created: at, paidAt: at + 1000, kind: schemas.KindOrderPaid, version: 2, payable: 100, paid: int64(100 + i), currency: currency})
	}
	out := l.end(0)
	r := out.Deltas.Register
	sum := func(m *schemas.Metric) (n int64) {
		first := m.Slot(make([]int, len(m.Labels))...)
		for _, v := range out.Deltas.Tenants[0][first : first+m.Series()] {
			n += v
		}
		return n
	}
	got := map[string]int64{}
	for _, m := range []*schemas.Metric{r.OrdersPlaced, r.OrdersPaid, r.OrdersPlacedAmount, r.OrdersPaidAmount, r.OrdersForeignCurrency} {
		got[m.Name] = sum(m)
	}
	want := map[string]int64{
		"ecom_orders_placed_total": 2, "ecom_orders_paid_total": 2, "ecom_orders_placed_amount_minor_total": 100, "ecom_orders_paid_amount_minor_total": 100,
		"ecom_orders_foreign_currency_total": 1,
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("-got, +want:\n%s", diff)
	}
}

// A payment in another currency than the order's is counted in its own, and the
// conflict once.
func TestAmountsOfOneOrderAreNotMixed(t *testing.T) {
	for _, reverse := range []bool{false, true} {
		l := newLane(t, testVocabulary(t), DefaultSettings())
		l.at(noon)
		events := []sale{
			{kind: schemas.KindOrderCreated, created: noon, version: 1, payable: 70000, currency: "CNY"},
			{kind: schemas.KindOrderPaid, paidAt: noon, version: 2, paid: 10000, currency: "USD"},
		}
		if reverse {
			events[0].currency, events[1].currency = "USD", "CNY"
		}
		for i, x := range events {
			x.order, x.visitor, x.at, x.id = "o", "v", noon, stamp(int64(i+1))
			l.sale(&x)
		}
		want := map[*schemas.Metric]int64{l.r.OrdersPlaced: 1, l.r.OrdersPaid: 1, l.r.OrdersPlacedAmount: 70000, l.r.OrdersPaidAmount: 0, l.r.OrdersForeignCurrency: 1, l.r.OrderStateConflicts: 1}
		if reverse {
			want[l.r.OrdersPlacedAmount], want[l.r.OrdersPaidAmount], want[l.r.OrdersForeignCurrency] = 0, 10000, 0
		}
		l.wantCounts("paid in another currency", want)
		l.reopen()
		refund := sale{order: "o", visitor: "v", id: "back", at: noon, kind: schemas.KindRefundSucceeded, version: 3, refund: 100, currency: events[0].currency}
		l.sale(&refund)
		l.wantCounts("refunded in the order's", map[*schemas.Metric]int64{l.r.OrderStateConflicts: 1})
		refund.id, refund.currency = "back 2", events[1].currency
		l.sale(&refund)
		l.wantCounts("refunded in the payment's", map[*schemas.Metric]int64{l.r.OrderStateConflicts: 0})
	}
}
