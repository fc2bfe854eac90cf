package judge

import (
	"cmp"
	"context"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/storepulse/storepulse/schemas"
)

// order is what the view orders must say of an order.
type order struct {
	Status, Created, PaidOn string // days as 2006-01-02, empty = never
	Currency, PaidIn        string // of Payable; of Paid and Refunded
	Payable, Paid, Refunded int64  // minor units
}

// orderKey names an order of a shop.
type orderKey struct{ Tenant, Order string }

// collectOrder adds an accepted event to its order.
func (j *judgement) collectOrder(at position, o *schemas.Orders, f fact) {
	key := orderKey{f.Tenant, f.Order}
	j.orders[key] = append(j.orders[key], orderStep{fact: f, offset: at.offset, kind: schemas.Kind(o.Kind[0]), cancelPaid: o.CancelPaid[0] != 0})
}

// orderStep is one event in the life of an order.
type orderStep struct {
	fact
	offset     int64
	kind       schemas.Kind
	cancelPaid bool
}

// newer orders the steps of an order: the greatest is the one that counts.
func (s *orderStep) newer(than *orderStep) bool {
	if than == nil {
		return true
	}
	return cmp.Or(cmp.Compare(s.Version, than.Version), cmp.Compare(s.Rank, than.Rank), cmp.Compare(s.Time, than.Time), cmp.Compare(s.offset, than.offset)) > 0
}

// orderOf tells the whole life of an order by the rules of docs/events.md.
func orderOf(steps []orderStep) order {
	var o order
	var amounts, payment *orderStep
	paid, rank := false, uint16(0)
	refunds := map[[2]string]int64{} // by currency and id
	for i := range steps {
		s := &steps[i]
		rank = max(rank, s.Rank)
		paid = paid || s.cancelPaid || s.PaidAt != 0 || s.kind == schemas.KindOrderPaid
		if (s.Payable != 0 || s.kind == schemas.KindOrderCreated) && s.newer(amounts) {
			amounts = s
		}
		switch s.kind {
		case schemas.KindOrderCreated:
			o.Created = earlier(o.Created, s.Day)
		case schemas.KindOrderPaid:
			o.PaidOn = earlier(o.PaidOn, s.Day)
			if s.newer(payment) {
				payment = s
			}
		case schemas.KindRefundSucceeded:
			key := [2]string{s.Currency, s.Refund}
			refunds[key] = max(refunds[key], s.Refunded)
		}
	}
	switch {
	case rank >= 90 && paid:
		o.Status = "cancelled_paid"
	case rank >= 90:
		o.Status = "closed_unpaid"
	case rank >= 20:
		o.Status = "paid"
	case rank >= 10:
		o.Status = "created"
	default:
		o.Status = "unknown"
	}
	if o.Created == "" {
		o.Created = o.PaidOn
	}
	if payment != nil {
		o.Paid, o.PaidIn = payment.Paid, payment.Currency
	}
	if amounts != nil {
		o.Payable, o.Currency = amounts.Payable, amounts.Currency
	}
	o.PaidIn = cmp.Or(o.PaidIn, o.Currency)
	if o.PaidIn == "" {
		for key := range refunds { // nothing else is known of the order: the first by name
			o.PaidIn = earlier(o.PaidIn, key[0])
		}
	}
	o.Currency = cmp.Or(o.Currency, o.PaidIn)
	for key, amount := range refunds {
		if key[0] == o.PaidIn {
			o.Refunded += amount
		}
	}
	return o
}

// earlier is the first of the two that is given.
func earlier(known, day string) string {
	if known == "" || day < known {
		return day
	}
	return known
}

// total is what a shop's business day adds up to in one currency.
type total struct {
	What, Tenant, Currency, Day string
}

type sum struct {
	Orders uint64
	Amount int64 // minor units
}

// judgeOrders compares order by order, then the totals of every business day
// as a report would ask for them.
func (j *judgement) judgeOrders(ctx context.Context, _ Records) error {
	want := map[orderKey]order{}
	totals := map[total]sum{}
	add := func(t total, amount int64) {
		s := totals[t]
		totals[t] = sum{s.Orders + 1, s.Amount + amount}
	}
	for key, steps := range j.orders {
		o := orderOf(steps)
		want[key] = o
		if o.Created != "" {
			add(total{"placed", key.Tenant, o.Currency, o.Created}, o.Payable)
		}
		if o.PaidOn != "" {
			add(total{"paid", key.Tenant, o.PaidIn, o.PaidOn}, o.Paid)
		}
		if o.Refunded > 0 {
			add(total{"refunded", key.Tenant, o.PaidIn, ""}, o.Refunded)
		}
	}
	j.report.Orders = len(want)
	err := j.each(ctx, "orders", `SELECT tenant, order_id, status, ifNull(toString(created_date), ''), ifNull(toString(paid_date), ''), currency, paid_currency, payable_minor, paid_minor, refunded_minor
		FROM orders`, func(rows driver.Rows) error {
		var key orderKey
		var got order
		if err := rows.Scan(&key.Tenant, &key.Order, &got.Status, &got.Created, &got.PaidOn, &got.Currency, &got.PaidIn, &got.Payable, &got.Paid, &got.Refunded); err != nil {
			return err
		}
		if o, ok := want[key]; !ok {
			j.report.fail(&j.report.OrdersWrong, "orders: %+v stands, nobody sent it: %+v", key, got)
		} else if o != got {
			j.report.fail(&j.report.OrdersWrong, "orders: %+v (-row +records)\n%s", key, diff(got, o))
		}
		delete(want, key)
		return nil
	})
	if err != nil {
		return err
	}
	for key, o := range want {
		j.report.fail(&j.report.OrdersWrong, "orders: %+v does not stand, want %+v", key, o)
	}
	return j.judgeTotals(ctx, totals)
}

func (j *judgement) judgeTotals(ctx context.Context, want map[total]sum) error {
	err := j.each(ctx, "totals of orders", `
		SELECT 'placed', tenant, currency, toString(created_date), count(), sum(payable_minor) FROM orders WHERE created_date IS NOT NULL GROUP BY tenant, currency, created_date
		UNION ALL
		SELECT 'paid', tenant, paid_currency, toString(paid_date), count(), sum(paid_minor) FROM orders WHERE paid_date IS NOT NULL GROUP BY tenant, paid_currency, paid_date
		UNION ALL
		SELECT 'refunded', tenant, paid_currency, '', count(), sum(refunded_minor) FROM orders WHERE refunded_minor > 0 GROUP BY tenant, paid_currency`, func(rows driver.Rows) error {
		var t total
		var got sum
		var day *string
		if err := rows.Scan(&t.What, &t.Tenant, &t.Currency, &day, &got.Orders, &got.Amount); err != nil {
			return err
		}
		if day != nil {
			t.Day = *day
		}
		if got != want[t] {
			j.report.fail(&j.report.OrdersWrong, "totals: %+v is %+v, want %+v", t, got, want[t])
		}
		delete(want, t)
		return nil
	})
	if err != nil {
		return err
	}
	for t, s := range want {
		j.report.fail(&j.report.OrdersWrong, "totals: %+v does not stand, want %+v", t, s)
	}
	return nil
}
