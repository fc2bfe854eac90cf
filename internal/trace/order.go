package trace

import (
	"context"
	"slices"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/storepulse/storepulse/sink/clickhouse"
)

// Order is an order's state with every event that made it.
type Order struct {
	ID        string     `json:"order_id"`
	Tenant    string     `json:"tenant"`
	Status    string     `json:"status"`
	Refunded  string     `json:"refund_state"`
	Version   uint64     `json:"order_version"`
	Created   *time.Time `json:"created_at"`
	Paid      *time.Time `json:"paid_at"`
	Cancelled *time.Time `json:"cancelled_at"`
	Currency  string     `json:"currency"`
	Payable   int64      `json:"payable_minor"`
	PaidIn    string     `json:"paid_currency"`
	PaidMinor int64      `json:"paid_minor"`
	Back      int64      `json:"refunded_minor"`
	Visitor   uuid.UUID  `json:"visitor_id"`
	Events    []Fact     `json:"events"`
	Refunds   []Refund   `json:"refunds,omitempty"`
	Clicks    []Fact     `json:"clicks,omitempty"` // clickstream events that name the order
	Session   *Session   `json:"session,omitempty"`
}

// Refund is a row of fact_refunds.
type Refund struct {
	ID       string    `json:"refund_id"`
	Type     string    `json:"event_type"`
	Time     time.Time `json:"event_time"`
	Minor    int64     `json:"refund_minor"`
	Currency string    `json:"currency"`
	Reason   string    `json:"refund_reason"`
}

// Orders looks for an order by its id; an empty tenant looks at all of them.
func (t *Tracer) Orders(ctx context.Context, id, tenant string) (*Report, error) {
	r := &Report{Question: "order " + id}
	args := ch.Parameters{"id": clickhouse.Text(id)}
	where := "order_id = {id:String}"
	if tenant != "" {
		where += " AND tenant = {tenant:String}"
		args["tenant"] = clickhouse.Text(tenant)
	}
	events, err := t.facts(ctx, orderEvents, where, args)
	if err != nil {
		return nil, err
	}
	clicks, err := t.facts(ctx, clickEvents, where, args)
	if err != nil {
		return nil, err
	}
	if len(events) == 0 && len(clicks) == 0 {
		r.note("looked at order_id in fact_order_events and fact_events%s: it stands nowhere", t.span())
		r.note("its events may be dead letters (storepulse deadletters list --topic orders), unread yet, or of another tenant")
		return r, nil
	}
	byTime := func(a, b Fact) int { return a.Time.Compare(b.Time) }
	slices.SortFunc(clicks, byTime)
	slices.SortFunc(events, func(a, b Fact) int {
		if a.OrderVersion != b.OrderVersion {
			return slices.Compare([]uint64{a.OrderVersion}, []uint64{b.OrderVersion})
		}
		return byTime(a, b)
	})
	o := &Order{ID: id, Tenant: tenant, Events: events, Clicks: clicks, Status: "no order event"}
	r.Order = o
	if len(events) == 0 {
		return r, nil
	}
	o.Tenant = events[0].Tenant
	for _, e := range events {
		if e.Tenant != o.Tenant {
			r.note("tenant %s has an order of this id too: say --tenant", e.Tenant)
		}
	}
	o.Events = slices.DeleteFunc(o.Events, func(f Fact) bool { return f.Tenant != o.Tenant })
	args = ch.Parameters{"id": clickhouse.Text(id), "tenant": clickhouse.Text(o.Tenant)}
	err = t.each(ctx, "the order", `SELECT status, refund_state, order_version, created_at, paid_at, cancelled_at, currency, payable_minor, paid_currency, paid_minor, refunded_minor, visitor_id
		FROM orders WHERE tenant = {tenant:String} AND order_id = {id:String}`, args, func(r driver.Rows) error {
		return r.Scan(&o.Status, &o.Refunded, &o.Version, &o.Created, &o.Paid, &o.Cancelled, &o.Currency, &o.Payable, &o.PaidIn, &o.PaidMinor, &o.Back, &o.Visitor)
	})
	if err != nil {
		return nil, err
	}
	err = t.each(ctx, "refunds", `SELECT refund_id, event_type, event_time, refund_minor, currency, refund_reason
		FROM fact_refunds WHERE tenant = {tenant:String} AND order_id = {id:String}`+t.days(args)+" ORDER BY event_time", args, func(r driver.Rows) error {
		var f Refund
		err := r.Scan(&f.ID, &f.Type, &f.Time, &f.Minor, &f.Currency, &f.Reason)
		o.Refunds = append(o.Refunds, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	around := events[0].Time
	if o.Created != nil {
		around = *o.Created
	}
	o.Session, err = t.sessionOfOrder(ctx, events[0].OrderHash, around)
	return r, err
}
