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
