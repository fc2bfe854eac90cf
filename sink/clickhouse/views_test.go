package clickhouse_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/dashboards"
	"github.com/storepulse/storepulse/schemas/catalogue"
)

// dormancies are days since an order, on both sides of the limits.
var dormancies = [...]int{29, 30, 59, 60}

const (
	old    = 10 * 24 * time.Hour
	recent = 2 * time.Hour
)

// TestViewsOfNothing: every view can be made again, read and asked, and gives
// null, not zero, where it would divide by nothing.
func TestViewsOfNothing(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.apply()
	for _, m := range catalogue.All() {
		if m.ViewName() == "" {
			continue
		}
		want := "0"
		if m.Unit == "ratio" || m.Unit == "seconds" || strings.Contains(m.Unit, " a") {
			want = "null"
		}
		s.want(s.value(m.Name, "1"), want, m.Name+" of no rows")
		columns := s.ask(fmt.Sprintf("SELECT arrayStringConcat(groupArray(name), ' ') FROM system.columns WHERE database = '%s' AND table = '%s'", s.db, m.ViewName()))
		for _, c := range append([]string{"tenant", "time", "business_date"}, m.Dimensions...) {
			if !slices.Contains(strings.Fields(columns), c) {
				t.Errorf("%s lacks the column %s: %s", m.ViewName(), c, columns)
			}
		}
		if m.View != "" {
			s.want(s.ask(fmt.Sprintf("SELECT count() FROM `%s`.%s", s.db, m.ViewName())), "0", m.ViewName())
		}
	}
}

// What no event says is unknown, on both sides of a ratio.
func TestViewsFoldWhatNobodySays(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	nothing := cells{"platform": "'unknown'", "device_class": "'unknown'", "ship_region": "'unknown'", "order_type": "'unknown'"}
	s.order("a", s.ago(old), nothing)
	refund := cells{
		"tenant": "'cn'", "order_id": "'a'", "order_hash": "sipHash64('a')", "event_time": s.ago(recent), "business_date": "toDate(" + s.ago(recent) + ", 'Asia/Shanghai')",
		"refund_id": "'1'", "refund_minor": "2500", "currency": "'CNY'", "event_type": "'refund.succeeded'",
	}
	s.row("fact_refunds", refund, nil)
	s.row("fact_order_events", refund, join(nothing, cells{"order_version": "3"}))
	s.unpaid("b", old, nothing)
	s.row("fact_order_events", cells{"tenant": "'cn'", "order_id": "'b'", "order_hash": "sipHash64('b')", "event_time": s.ago(old), "business_date": "toDate(" + s.ago(old) + ")"}, cells{"event_type": "'order.cancelled'", "order_version": "3", "status_rank": "90", "cancel_reason": "'timeout_unpaid'"})
	for _, m := range catalogue.All() {
		for _, d := range m.Dimensions {
			switch d {
			case "platform", "device_class", "region", "order_type", "cancel_reason":
				if m.ViewName() != "" {
					s.want(s.ask(fmt.Sprintf("SELECT count() FROM `%s`.%s WHERE %s = ''", s.db, m.ViewName(), d)), "0", "rows of "+m.Name+" without "+d)
				}
			}
		}
	}
	for _, d := range []string{"platform", "device_class", "region", "order_type"} {
		s.want(s.value("refund_rate", d+" = 'unknown'")+" "+s.value("net_sales", d+" = 'unknown'")+" "+s.value("gmv_paid", d+" = 'unknown'"), "0.25 7500 10000", "by "+d)
	}
	s.want(s.ask(fmt.Sprintf("SELECT cancel_reason, sum(closed), sum(orders) FROM `%s`.metric_unpaid_close_rate GROUP BY cancel_reason ORDER BY cancel_reason", s.db)), "none\t0\t1\ntimeout_unpaid\t1\t1", "closed by reason")
}

// The business day is the shop's, the hour is UTC's.
func TestViewsKnowTheBusinessDay(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	midnight := "toDateTime64('2026-11-10 16:00:00.000', 3, 'UTC')" // of the 11th in Shanghai
	s.order("before", "("+midnight+" - toIntervalMillisecond(1))", nil)
	s.order("after", midnight, nil)
	s.session(1, "("+midnight+" - toIntervalMillisecond(1))", nil)
	s.session(2, midnight, nil)
	s.view(1, "("+midnight+" - toIntervalMillisecond(1))", nil)
	s.view(2, midnight, nil)
	for day, at := range map[string]string{"2026-11-10": "15:00:00", "2026-11-11": "16:00:00"} {
		where := fmt.Sprintf("business_date = '%s' AND time = toDateTime('2026-11-10 %s', 'UTC')", day, at)
		for _, name := range []string{"orders_placed", "orders_paid", "sessions", "uv"} {
			s.want(s.value(name, where), "1", name+" of "+day)
		}
	}
	// Today is a day of each shop's.
	for i, want := range []string{"0 0", "1 0", "1 0", "0 1"} {
		days := dormancies[i]
		at := fmt.Sprintf("(toDateTime64(toDate(now(), 'America/New_York') - %d, 3, 'America/New_York') + toIntervalHour(12))", days)
		tenant := fmt.Sprintf("'us%d'", days)
		s.order(fmt.Sprint("x", days), at, cells{"tenant": tenant, "business_date": "toDate(" + at + ", 'America/New_York')"})
		s.want(s.value("dormant_30", "tenant = "+tenant)+" "+s.value("dormant_60", "tenant = "+tenant), want, fmt.Sprintf("an order %d days ago", days))
	}
}

// Medians stand beside means, and nine in ten beside the median.
func TestViewsOfDistributions(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for i, minor := range []string{"1000", "2000", "30000"} {
		id := fmt.Sprint("o", i)
		s.order(id, s.ago(old), cells{"unpaid": "yes"})
		s.row("fact_order_events", cells{"tenant": "'cn'", "order_id": "'" + id + "'", "order_hash": "sipHash64('" + id + "')", "event_time": s.ago(old), "business_date": "toDate(" + s.ago(old) + ", 'Asia/Shanghai')", "currency": "'CNY'"},
			cells{"event_type": "'order.paid'", "order_version": "2", "status_rank": "20", "paid_at": s.ago(old), "paid_minor": minor})
	}
	s.order("usd", s.ago(old), cells{"currency": "'USD'"})
	s.want(s.value("aov", "currency = 'CNY'")+" "+s.value("aov_median", "currency = 'CNY'")+" "+s.value("aov_median", "currency = 'USD'"), "11000 2000 10000", "mean and median of orders")
	for i := 1; i <= 11; i++ {
		s.session(i, s.ago(old), cells{
			"end_time":             fmt.Sprintf("%s + toIntervalMinute(%d)", s.ago(old), i),
			"first_checkout_start": s.ago(old), "first_order_submit": fmt.Sprintf("%s + toIntervalSecond(%d)", s.ago(old), 10*i),
		})
	}
	s.want(s.value("session_duration", "1")+" "+s.value("time_to_convert", "1"), "360 60", "medians of 1 to 11 minutes and of 10 to 110 seconds")
	for name, within := range map[string][2]float64{"session_duration_p90": {570, 660}, "time_to_convert_p90": {95, 110}} {
		if v, err := strconv.ParseFloat(s.value(name, "1"), 64); err != nil || v < within[0] || v > within[1] {
			t.Errorf("%s: %v (%v), want %v", name, v, err, within)
		}
	}
}

// What a channel brings: visitors once, money by currency.
func TestViewsOfChannels(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.session(1, s.ago(old), cells{"channel": "'affiliate'", "orders_paid": "1", "paid_minor": "5000", "currency": "'CNY'"})
	s.session(2, s.ago(old), cells{"channel": "'affiliate'", "orders_paid": "2", "paid_minor": "700", "currency": "'USD'", "visitor_id": "toUUID('00000000-0000-0000-0000-000000000001')"})
	s.session(3, s.ago(old), cells{"channel": "'affiliate'", "orders_paid": "1", "paid_minor": "9000", "currency": "'CNY'", "is_bot": "1"})
	s.session(4, s.ago(old), cells{"page_views": "0"})
	s.want(s.value("channel_visitors", "channel = 'affiliate'")+" "+s.value("channel_visitors", "channel = 'direct'"), "1 0", "visitors")
	s.want(s.value("channel_gmv", "currency = 'CNY'")+" "+s.value("channel_gmv", "currency = 'USD'"), "5000 700", "amounts")
}

// The ledger by the hour: each epoch once, however often its row stands there.
func TestViewsOfTheLedger(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	epoch := func(seq, number int, kind string, more cells) {
		s.row("epochs", cells{"lane": "0", "seq": fmt.Sprint(seq), "epoch": fmt.Sprint(number), "kind": "'" + kind + "'", "created_at": "toDateTime64('2026-11-10 04:10:00.000', 3, 'UTC')"}, more)
	}
	counts := cells{"has_done": "1", "clickstream_facts": "90", "clickstream_duplicates": "6", "clickstream_letters": "3", "clickstream_tombstones": "1", "clickstream_late": "9", "orders_facts": "10"}
	epoch(1, 1, "plan", nil)
	epoch(2, 2, "plan", counts)
	epoch(3, 3, "plan", join(counts, cells{"clickstream_facts": "30"}))
	epoch(4, 2, "done", join(counts, cells{"clickstream_facts": "30"})) // epoch 2 again
	epoch(5, 3, "done", cells{"has_done": "1", "orders_facts": "70", "created_at": "toDateTime64('2026-11-10 05:10:00.000', 3, 'UTC')"})
	for n, topic := range []string{"clicks", "clicks", "orders"} {
		s.row("dead_letters", cells{"kafka_topic": "'" + topic + "'", "reason": "'unknown_type'", "inserted_at": "toDateTime64('2026-11-10 04:20:00.000', 3, 'UTC')", "business_date": "'2026-11-10'", "epoch_row": fmt.Sprint(n)}, nil)
	}
	// Another hour goes on: a part of one is no load of an hour.
	epoch(6, 4, "plan", join(counts, cells{"has_done": "0", "created_at": "now64(3)"}))
	epoch(7, 4, "done", cells{"has_done": "1", "orders_facts": "3600", "created_at": "now64(3)"})
	s.want(s.value("peak_load", "time = toStartOfHour(now(), 'UTC')")+" "+s.value("dead_letter_rate", "time = toStartOfHour(now(), 'UTC')"), "null 0", "load of the hour that goes on, dead letters of it")
	for where, want := range map[string]string{
		"topic = 'clickstream'": fmt.Sprint(120.0/3600, " ", 6.0/140, " ", 12.0/140, " ", 18.0/120, " ", 2.0/140),
		"topic = 'orders'":      fmt.Sprint(90.0/7200, " 0 0 0 ", 1.0/3690),
		"topic = 'orders' AND time = toDateTime('2026-11-10 05:00:00', 'UTC')": fmt.Sprint(70.0/3600, " 0 0 0 0"),
	} {
		var got []string
		for _, name := range []string{"peak_load", "dead_letter_rate", "duplicate_rate", "late_events", "schema_drift"} {
			got = append(got, s.value(name, where))
		}
		s.want(strings.Join(got, " "), want, "load, dead letters, copies, late, unknown types where "+where)
	}
}

// Orders that the tracker knows, over a midnight too.
func TestViewsOfTracking(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	at := func(day int, clock string) string {
		return fmt.Sprintf("toDateTime64('2025-11-%02d %s:00.000', 3, 'UTC')", day, clock)
	}
	s.order("same day", at(10, "05:00"), nil)
	s.order("next day", at(10, "15:59"), nil) // 23:59 in Shanghai
	s.order("never", at(10, "06:00"), nil)
	s.order("a week later", at(10, "07:00"), nil)
	sent := func(order, when, kind string) {
		s.view(1, when, cells{"event_type": "'" + kind + "'", "order_id": "'" + order + "'"})
	}
	sent("same day", at(10, "05:01"), "order_submit")
	sent("same day", at(10, "05:02"), "purchase")
	sent("next day", at(10, "16:01"), "purchase")
	sent("a week later", at(17, "07:00"), "purchase")
	sent("of nobody", at(10, "07:00"), "purchase")
	s.want(s.value("tracking_completeness", "1"), "0.5", "tracked")
	s.want(s.value("tracking_completeness", "business_date = '2025-11-10' AND platform = 'h5'"), "0.5", "tracked, of one day")
	s.want(s.ask(fmt.Sprintf("SELECT sum(orders) FROM `%s`.metric_tracking_completeness", s.db)), "4", "orders, once each")
}

// What needs time is not judged before it has passed.
func TestViewsWaitForMaturity(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.order("young", s.ago(recent), cells{"unpaid": "yes"})
	s.session(1, s.ago(recent), nil)
	for _, name := range []string{"order_pay_rate", "unpaid_close_rate", "session_cvr", "cart_to_pay_loss"} {
		s.want(s.value(name, "1"), "null", name+" of today")
	}
	s.want(s.value("step_conversion", "stage = 'order_submit'"), "null", "order to payment of today")
	s.want(s.value("step_conversion", "stage = 'add_to_cart'"), "0", "an earlier step needs no time")
	s.order("paid", s.ago(old), nil)
	s.order("never", s.ago(old), cells{"unpaid": "yes"})
	s.session(2, s.ago(old), cells{"orders_paid": "1", "max_stage": "'pay'", "stages_raw": "126"})
	s.session(3, s.ago(old), nil)
	s.want(s.value("order_pay_rate", "1"), "0.5", "orders paid")
	s.order("on delivery", s.ago(old), cells{"unpaid": "yes", "payment_method": "'cod'"})
	s.want(s.value("order_pay_rate", "1"), "0.5", "orders paid, of those that pay at once")
	s.want(s.value("session_cvr", "1"), "0.5", "sessions that paid")
	s.want(s.value("cart_to_pay_loss", "1"), "0.5", "carts that left")
	s.want(s.value("step_conversion", "stage = 'order_submit'"), "1", "order to payment")
	s.want(s.value("funnel_stage_reach", "stage = 'add_to_cart'"), "3", "reach of the cart, of any age")
}

// A session that was retracted is gone, one that was restated counts as it is.
func TestViewsFollowSessions(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.session(1, s.ago(old), nil)
	s.session(2, s.ago(old), nil)
	s.session(3, s.ago(old), cells{"is_bounce": "1", "page_views": "1", "is_engaged": "0"})
	s.session(4, s.ago(old), cells{"is_bot": "1"})
	s.session(5, s.ago(old), cells{"is_test": "1"})
	s.want(s.value("sessions", "1"), "3", "sessions of customers")
	s.session(1, s.ago(old), cells{"version": "2", "is_deleted": "1", "end_time": s.ago(old)})
	s.session(2, s.ago(old), cells{"version": "2", "page_views": "20"})
	s.want(s.value("sessions", "1"), "2", "after a retraction")
	s.want(s.value("bounce_rate", "1"), "0.5", "bounces")
	s.session(6, s.ago(recent), cells{"is_closed": "0"})
	s.want(s.value("bounce_rate", "1"), "0.5", "an open session is not judged")
	s.want(s.value("session_duration", "1"), "300", "five minutes")
}

// A panel by day shows a day with all its hours or not at all, wherever the
// shop and whenever the range begins.
func TestPanelsByDayShowWholeDays(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for tenant, zone := range map[string]string{"cn": "Asia/Shanghai", "us30": "America/New_York"} {
		for day := 1; day <= 6; day++ {
			for _, clock := range []string{"00:30", "23:30"} {
				at := fmt.Sprintf("toTimeZone(toDateTime64('2025-11-%02d %s:00.000', 3, '%s'), 'UTC')", day, clock, zone)
				s.order(fmt.Sprint(tenant, day, clock), at, cells{"tenant": "'" + tenant + "'", "business_date": fmt.Sprintf("'2025-11-%02d'", day)})
			}
		}
	}
	for _, q := range dashboards.Queries() {
		if q.Panel != "Orders placed and paid by day" {
			continue
		}
		for hour, days := range map[int]string{0: "3 4 5 6", 1: "4 5 6", 9: "4 5 6", 17: "4 5 6", 23: "4 5 6"} {
			from := time.Date(2025, 11, 3, hour, 0, 0, 0, time.UTC)
			sql := strings.ReplaceAll(q.Expand(from, from.AddDate(0, 0, 10), time.Hour), "metric_", "`"+s.db+"`.metric_")
			rows := fmt.Sprintf("SELECT toDayOfMonth(tupleElement(row, 1), 'UTC') AS day, tupleElement(row, 2) AS orders FROM (SELECT tuple(*) AS row FROM (%s))", sql)
			got := s.ask("SELECT arrayStringConcat(arraySort(groupArray(day)), ' '), toString(min(orders)), toString(max(orders)) FROM (" + rows + ")")
			s.want(got, days+"\t4\t4", fmt.Sprintf("days from %s, and their orders", from))
		}
	}
}

// A visit over midnight is a visitor of both days, and one of the two together.
func TestViewsCountVisitorsByTheirViews(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	midnight := "toDateTime64('2026-11-10 16:00:00.000', 3, 'UTC')" // of the 11th in Shanghai
	s.session(1, "("+midnight+" - toIntervalMinute(1))", nil)
	s.view(1, "("+midnight+" - toIntervalMinute(1))", nil)
	for i := range 3 {
		s.view(1, fmt.Sprintf("(%s + toIntervalMinute(%d))", midnight, i), cells{"page_type": "'cart'", "channel": "'affiliate'"})
	}
	s.view(2, midnight, nil)
	for _, flag := range []string{"is_bot", "is_test", "is_internal"} {
		s.view(3, midnight, cells{flag: "1"})
	}
	s.view(4, midnight, cells{"event_type": "'view_item'"})
	s.order("a", midnight, nil)
	for where, want := range map[string]string{
		"business_date = '2026-11-10'": "1 1 1 0",
		"business_date = '2026-11-11'": "2 4 2 0.5",
		"1":                            "2 5 2.5 0.5",
	} {
		s.want(strings.Join([]string{s.value("uv", where), s.value("pv", where), s.value("pv_per_uv", where), s.value("visitor_pay_cvr", where)}, " "), want, "visitors, views, views a visitor, conversion where "+where)
	}
	s.want(s.value("sessions", "business_date = '2026-11-11'"), "0", "the session is of the day before")
}
