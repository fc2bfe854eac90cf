package clickhouse_test

import (
	"fmt"
	"testing"
	"time"
)

// Two currencies are two rows, whatever else they share.
func TestViewsKeepCurrenciesApart(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.order("a", s.ago(recent), nil)
	s.order("b", s.ago(recent), cells{"currency": "'USD'"})
	for _, c := range []string{"CNY", "USD"} {
		for _, name := range []string{"gmv_placed", "gmv_paid", "net_sales", "aov", "spend_per_buyer"} {
			s.want(s.value(name, "currency = '"+c+"'"), "10000", name+" in "+c)
		}
	}
	s.want(s.value("orders_paid", "1"), "2", "orders of both")
	s.want(s.ask(fmt.Sprintf("SELECT uniqExactMerge(buyers) FROM `%s`.metric_gmv_paid", s.db)), "1", "the one buyer of both")
}

// Nor are those of one order, created in one currency and paid in another.
func TestViewsKeepCurrenciesOfAnOrderApart(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	at := s.ago(40 * 24 * time.Hour)
	event := func(kind, currency string, more cells) {
		s.row("fact_order_events", cells{
			"tenant": "'cn'", "order_id": "'m'", "order_hash": "sipHash64('m')", "event_time": at, "business_date": "toDate(" + at + ", 'Asia/Shanghai')", "platform": "'h5'", "device_class": "'mobile'",
			"event_type": "'" + kind + "'", "currency": "'" + currency + "'",
		}, more)
	}
	event("order.created", "CNY", cells{"order_version": "1", "status_rank": "10", "created_at": at, "payable_minor": "70000"})
	state := func() string {
		return s.ask(fmt.Sprintf("SELECT currency, payable_minor, paid_currency, paid_minor, refunded_minor, refund_state, currency_mismatch FROM `%s`.orders", s.db))
	}
	s.want(state(), "CNY\t70000\tCNY\t0\t0\tnone\tfalse", "not paid")
	event("order.paid", "USD", cells{"order_version": "2", "status_rank": "20", "paid_at": at, "paid_minor": "10000", "payment_method": "'card'"})
	s.want(state(), "CNY\t70000\tUSD\t10000\t0\tnone\ttrue", "paid in another currency")
	for id, refund := range map[string][2]string{"1": {"USD", "4000"}, "2": {"CNY", "20000"}} {
		event("refund.succeeded", refund[0], cells{"order_version": "3", "refund_id": "'" + id + "'", "refund_minor": refund[1]})
		s.row("fact_refunds", cells{
			"tenant": "'cn'", "order_id": "'m'", "order_hash": "sipHash64('m')", "event_time": at, "business_date": "toDate(" + at + ", 'Asia/Shanghai')",
			"refund_id": "'" + id + "'", "refund_minor": refund[1], "currency": "'" + refund[0] + "'", "event_type": "'refund.succeeded'", "refund_reason": "'size'",
		}, nil)
	}
	s.want(state(), "CNY\t70000\tUSD\t10000\t4000\tpartial\ttrue", "refunded in both")
	for name, want := range map[string][2]string{
		"gmv_placed": {"70000", "0"}, "gmv_paid": {"0", "10000"}, "net_sales": {"-20000", "6000"}, "net_sales_cohort": {"0", "6000"}, "refund_rate_cohort": {"null", "0.4"}, "top20_value": {"null", "1"},
	} {
		s.want(s.value(name, "currency = 'CNY'")+" "+s.value(name, "currency = 'USD'"), want[0]+" "+want[1], name+" in CNY and USD")
	}
	s.want(s.ask(fmt.Sprintf("SELECT sum(refunded_minor) FROM `%s`.metric_net_sales WHERE refund_reason = 'size' AND currency = 'USD'", s.db)), "4000", "refunded for a reason")
}

// Orders that wait, by how long they do.
func TestViewsOfUnpaidOrders(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for i, ago := range []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 2 * time.Hour, 30 * time.Hour, 80 * time.Hour} { // the last one's window has passed
		s.unpaid(fmt.Sprint("o", i), ago, nil)
	}
	s.unpaid("usd", 20*time.Minute, cells{"currency": "'USD'", "payable_minor": "700"})
	s.unpaid("presale", 5*time.Minute, cells{"order_type": "'presale'"})
	s.unpaid("test", 5*time.Minute, cells{"is_test": "1"})
	s.unpaid("on delivery", 5*time.Minute, cells{"payment_method": "'cod'"})
	s.order("paid", s.ago(5*time.Minute), nil)
	s.unpaid("cancelled", 5*time.Minute, nil)
	s.row("fact_order_events", cells{"tenant": "'cn'", "order_id": "'cancelled'", "order_hash": "sipHash64('cancelled')", "event_time": s.ago(0), "business_date": "toDate(" + s.ago(0) + ")"}, cells{"event_type": "'order.cancelled'", "order_version": "3", "status_rank": "90"})
	got := s.ask(fmt.Sprintf("SELECT arrayStringConcat(groupArray(line), ', ') FROM (SELECT concat(age_bucket, ' ', currency, ' ', toString(sum(orders)), ' ', toString(sum(amount_minor))) AS line FROM `%s`.metric_unpaid_orders_backlog GROUP BY age_bucket, currency ORDER BY line)", s.db))
	s.want(got, "15m_1h CNY 1 10000, 15m_1h USD 1 700, 1h_24h CNY 1 10000, gt_24h CNY 1 10000, lt_15m CNY 2 20000", "unpaid orders")
}

// Fixed cohorts: who bought first in a month, and again within 90, 180, 365 days.
func TestViewsOfCohorts(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	user := func(n int) cells { return cells{"user_hash": fmt.Sprint(n), "visitor_id": "generateUUIDv4()"} }
	buys := func(n int, days ...int) {
		for _, d := range days {
			s.order(fmt.Sprint("u", n, "d", d), s.ago(time.Duration(d)*24*time.Hour), user(n))
		}
	}
	buys(1, 500, 420)                                                    // within 90 days
	buys(2, 500, 340)                                                    // within 180
	buys(3, 500, 200)                                                    // within 365
	buys(4, 500, 100)                                                    // later
	buys(5, 250)                                                         // judged over 90 and 180 days, not over a year
	buys(6, 20, 10)                                                      // not judged
	s.order("u5 again", s.ago(250*24*time.Hour-10*time.Minute), user(5)) // the same purchase
	for name, want := range map[string]string{"repurchase_3m": "0.2", "repurchase_6m": "0.4", "repurchase_12m": "0.75"} {
		s.want(s.value(name, "1"), want, name)
	}
	s.want(s.value("repurchase_3m", "cohort > today() - 60"), "null", "a young cohort")
	s.want(s.value("repurchase_12m", "cohort > today() - 300"), "null", "a cohort younger than a year")
}

// Failures by error type add up to the failures.
func TestViewsOfPaymentErrors(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	event := func(n int, kind, trouble string) {
		s.row("fact_order_events", cells{
			"tenant": "'cn'", "order_id": "'o'", "order_hash": "1", "event_time": s.ago(old), "business_date": "toDate(" + s.ago(old) + ")", "epoch_row": fmt.Sprint(n),
			"event_type": "'payment." + kind + "'", "payment_error": "'" + trouble + "'", "payment_method": "'alipay'",
		}, nil)
	}
	for i := range 10 {
		event(i, "attempted", "")
	}
	for i, trouble := range []string{"hard", "soft", "soft", "risk_block", "timeout", "", "user_cancel"} {
		event(10+i, "failed", trouble)
	}
	test := cells{"tenant": "'cn'", "order_id": "'t'", "order_hash": "2", "event_time": s.ago(old), "business_date": "toDate(" + s.ago(old) + ")"}
	s.row("fact_order_events", test, cells{"event_type": "'order.created'", "is_test": "1"})
	s.row("fact_order_events", test, cells{"event_type": "'payment.failed'", "payment_error": "'hard'"}) // which does not say it
	s.want(s.value("payment_failure_rate", "1"), "0.6", "failures")
	s.want(s.ask(fmt.Sprintf("SELECT sum(hard), sum(soft), sum(risk_blocks), sum(timeouts), sum(other_failures), sum(user_cancels) FROM `%s`.metric_payment_failure_rate", s.db)), "1\t2\t1\t1\t1\t1", "by error type")
}

// A refund counts on its own day, and against the day of its order.
func TestViewsHaveBothBasesOfRefunds(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	sold, back := s.ago(40*24*time.Hour), s.ago(5*24*time.Hour)
	s.order("a", sold, nil)
	s.order("b", sold, nil)
	for id, amount := range map[string]string{"1": "2500", "2": "1500"} { // in two parts
		refund := cells{
			"tenant": "'cn'", "order_id": "'a'", "order_hash": "sipHash64('a')", "event_time": back, "business_date": "toDate(" + back + ", 'Asia/Shanghai')",
			"refund_id": "'" + id + "'", "refund_minor": amount, "currency": "'CNY'", "event_type": "'refund.succeeded'",
		}
		s.row("fact_refunds", refund, nil)
		s.row("fact_refunds", refund, cells{"epoch_row": "1"}) // said twice
		s.row("fact_order_events", refund, cells{"order_version": "3"})
	}
	day := func(of string) string { return "business_date = toDate(" + of + ", 'Asia/Shanghai')" }
	s.want(s.value("net_sales", day(sold)), "20000", "occurrence, day of the orders")
	s.want(s.value("net_sales", day(back)), "-4000", "occurrence, day of the refunds")
	s.want(s.value("net_sales_cohort", day(sold)), "16000", "cohort, day of the orders")
	s.want(s.value("net_sales_cohort", day(back)), "0", "cohort, day of the refunds")
	s.want(s.value("refund_rate_cohort", "1"), "0.2", "refund rate, cohort")
	s.want(s.value("refund_rate_orders", "1"), "0.5", "one of two orders, refunded in two parts")
	s.want(s.value("refund_rate", day(back)), "null", "refund rate of a day without sales")
	s.want(s.value("refund_rate", "1"), "0.2", "refund rate, occurrence")
	s.order("young", s.ago(recent), nil)
	s.want(s.value("refund_rate_cohort", day(s.ago(recent)))+" "+s.value("refund_rate_orders", day(s.ago(recent))), "null null", "orders younger than 30 days are not judged")
}

// Buyers, over days and orders.
func TestViewsOfBuyers(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	user := func(n int) cells { return cells{"user_hash": fmt.Sprint(n), "visitor_id": "generateUUIDv4()"} }
	s.order("a1", s.ago(100*24*time.Hour), user(1))
	s.order("a2", s.ago(old), user(1))
	s.order("b1", s.ago(old), user(2))
	s.order("b2", s.ago(old-20*time.Minute), user(2)) // within the hour: the same purchase
	s.order("c1", s.ago(old), user(3))
	s.order("t", s.ago(old), join(user(3), cells{"is_test": "1"}))
	s.want(s.value("repurchase_rate", "business_date > today() - 120")[:6], "0.3333", "one of three came again")
	s.want(s.value("repurchase_rate", "business_date > today() - 30"), "0", "nobody within 30 days")
	s.want(s.value("new_vs_repeat", "business_date > today() - 30")[:6], "0.3333", "one of three had bought before")
	s.want(s.value("repeat_gmv_share", "business_date > today() - 30"), "0.5", "a2 and b1 of four orders of the same amount")
	s.want(s.value("repeat_gmv_share", "currency = 'USD'"), "null", "no amount in that currency")
	s.want(s.value("spend_per_buyer", "business_date > today() - 30")[:6], "13333.", "four orders, three buyers")
	s.want(s.value("top20_value", "1"), "1", "all spend the same: ties are in")
	s.view(9, s.ago(old), nil)
	s.want(s.value("visitor_pay_cvr", "business_date > today() - 30"), "3", "three buyers, one visit: a ratio of a period")
}

// Products: the lines that count, and who put what into the cart.
func TestViewsOfProducts(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	line := func(order, version, at, item, n string) {
		s.row("fact_order_items", cells{
			"tenant": "'cn'", "order_id": "'" + order + "'", "order_hash": "sipHash64('" + order + "')", "order_version": version, "event_time": at, "business_date": "toDate(" + at + ", 'Asia/Shanghai')",
			"item_id": "'" + item + "'", "category_l1": "'toys'", "quantity": n, "amount_minor": "100 * " + n, "currency": "'CNY'",
		}, nil)
	}
	now := s.ago(0)
	s.order("a", now, nil)
	line("a", "1", now, "p", "3")
	line("a", "2", now, "p", "2") // amended
	s.order("b", now, cells{"unpaid": "yes"})
	line("b", "1", now, "p", "5")
	s.order("c", now, nil)
	line("c", "1", now, "p", "4")
	s.row("fact_order_events", cells{"tenant": "'cn'", "order_id": "'c'", "order_hash": "sipHash64('c')", "event_time": now, "business_date": "toDate(" + now + ")"}, cells{"event_type": "'order.cancelled'", "order_version": "3", "status_rank": "90", "cancel_paid": "1"})
	s.want(s.value("units_sold", "item_id = 'p'"), "6", "units in paid orders, as amended")
	s.want(s.value("sold_today", "item_id = 'p'"), "2", "still sold")
	s.want(s.value("paid_cancel_rate", "1"), "0.5", "one of two")

	s.session(1, s.ago(old), nil)
	for i, e := range []string{"view_item", "add_to_cart"} {
		for n, item := range []string{"p", "q", "r"} {
			if e == "add_to_cart" && item == "q" {
				continue // seen, not taken
			}
			minute := i * 2
			if item == "r" {
				minute = 3 - 2*i // taken from a list, seen later
			}
			s.row("fact_events", cells{
				"tenant": "'cn'", "visitor_id": "toUUID('00000000-0000-0000-0000-000000000001')", "event_type": "'" + e + "'", "event_time": fmt.Sprintf("%s + toIntervalMinute(%d)", s.ago(old), minute),
				"business_date": "toDate(" + s.ago(old) + ")", "item_id": "'" + item + "'", "category_l1": "'toys'", "epoch_row": fmt.Sprint(i*3 + n),
			}, nil)
		}
	}
	s.want(s.value("detail_to_cart", "1")[:6], "0.3333", "one of three products that were seen")

	s.session(7, "toDateTime64('2025-11-10 15:50:00.000', 3, 'UTC')", cells{"end_time": "toDateTime64('2025-11-10 16:10:00.000', 3, 'UTC')"})
	for kind, clock := range map[string]string{"view_item": "15:59", "add_to_cart": "16:01"} { // midnight in Shanghai lies between
		s.view(7, "toDateTime64('2025-11-10 "+clock+":00.000', 3, 'UTC')", cells{"event_type": "'" + kind + "'", "item_id": "'m'"})
	}
	s.want(s.value("detail_to_cart", "business_date = '2025-11-10'")+" "+s.value("detail_to_cart", "business_date = '2025-11-11'"), "1 null", "over midnight, on the day of the session")
	s.want(s.ask(fmt.Sprintf("SELECT sum(seen) FROM `%s`.metric_detail_to_cart", s.db)), "4", "each product once a session")
}
