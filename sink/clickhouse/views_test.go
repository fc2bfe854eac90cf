package clickhouse_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/dashboards"
	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/schemas/catalogue"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// shelf is a database with rows written by hand, and the views over them.
type shelf struct {
	t       *testing.T
	url, db string
	c       *clickhouse.Client
	begin   time.Time
}

// dormancies are days since an order, on both sides of the limits.
var dormancies = [...]int{29, 30, 59, 60}

// newShelf has a tenant in Shanghai, and one in New York for each of dormancies.
func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{t: t, url: engine(t), db: newDatabase(t), begin: time.Now().UTC()}
	s.c = openClient(t, s.url, s.db)
	if _, err := s.c.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.apply()
	s.insert("lanes (lane, term, worker, pipeline, partitions)", "0, 1, 'w', 'main', 1")
	return s
}

func (s *shelf) apply() {
	s.t.Helper()
	var views []clickhouse.View
	tenants := []schemas.Tenant{{ID: "cn", Location: zone(s.t, "Asia/Shanghai"), Currency: "CNY"}}
	for _, days := range dormancies {
		tenants = append(tenants, schemas.Tenant{ID: fmt.Sprintf("us%d", days), Location: zone(s.t, "America/New_York"), Currency: "USD"})
	}
	for _, v := range catalogue.Views(catalogue.Settings{PayWindow: 72 * time.Hour, Gap: 30 * time.Minute, Topics: [schemas.NumTopics]string{"clicks", "orders"}, Tenants: tenants}) {
		views = append(views, clickhouse.View(v))
	}
	if err := s.c.ApplyViews(s.t.Context(), views); err != nil {
		s.t.Fatal(err)
	}
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	l, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (s *shelf) insert(into string, rows ...string) {
	s.t.Helper()
	into = strings.Replace(into, " (", "` (", 1)
	devtest.Exec(s.t, s.url, fmt.Sprintf("INSERT INTO `%s`.`%s VALUES (%s)", s.db, into, strings.Join(rows, "), (")))
}

// cells are the columns of a row that matter, as SQL expressions.
type cells map[string]string

func (s *shelf) row(table string, base, more cells) {
	s.t.Helper()
	all := cells{"term": "1"}
	maps.Copy(all, base)
	maps.Copy(all, more)
	names := slices.Sorted(maps.Keys(all))
	var values []string
	for _, n := range names {
		values = append(values, all[n])
	}
	s.insert(table+" ("+strings.Join(names, ", ")+")", strings.Join(values, ", "))
}

// value asks a metric of the catalogue, as text; NULL is "null".
func (s *shelf) value(name, where string) string {
	s.t.Helper()
	m := catalogue.Find(name)[0]
	return s.ask(fmt.Sprintf("SELECT toString(%s) FROM `%s`.%s WHERE %s", m.Value, s.db, m.ViewName(), where))
}

func (s *shelf) ask(sql string) string {
	s.t.Helper()
	out := strings.TrimSpace(devtest.Exec(s.t, s.url, sql+" FORMAT TSV"))
	if out == `\N` {
		return "null"
	}
	return out
}

func (s *shelf) want(got, want, what string) {
	s.t.Helper()
	if got != want {
		s.t.Errorf("%s: %s, want %s", what, got, want)
	}
}

// order is an order of tenant cn by one buyer, created and paid at the time,
// of 100 yuan.
func (s *shelf) order(id, at string, more cells) {
	s.t.Helper()
	base := cells{
		"tenant": "'cn'", "order_id": "'" + id + "'", "order_hash": "sipHash64('" + id + "')", "event_time": at, "business_date": "toDate(" + at + ", 'Asia/Shanghai')",
		"platform": "'h5'", "device_class": "'mobile'", "ship_region": "'CN-GD'", "order_type": "'normal'", "currency": "'CNY'", "visitor_id": "toUUID('00000000-0000-0000-0000-000000000001')",
		"payable_minor": "10000", "goods_minor": "10000",
	}
	created, paid := maps.Clone(more), maps.Clone(more)
	s.row("fact_order_events", base, join(created, cells{"event_type": "'order.created'", "order_version": "1", "status_rank": "10", "created_at": at}))
	if more["unpaid"] == "" {
		s.row("fact_order_events", base, join(paid, cells{"event_type": "'order.paid'", "order_version": "2", "status_rank": "20", "paid_at": at, "paid_minor": "10000", "payment_method": "'alipay'"}))
	}
}

func join(maps_ ...cells) cells {
	out := cells{}
	for _, m := range maps_ {
		maps.Copy(out, m)
	}
	delete(out, "unpaid")
	return out
}

// unpaid is an order that nobody paid.
func (s *shelf) unpaid(id string, ago time.Duration, more cells) {
	s.t.Helper()
	all := cells{"unpaid": "yes"}
	maps.Copy(all, more)
	s.order(id, s.ago(ago), all)
}

// session is a session of tenant cn, closed, with ten page views.
func (s *shelf) session(n int, start string, more cells) {
	s.t.Helper()
	s.row("fact_sessions", cells{
		"tenant": "'cn'", "session_id": fmt.Sprintf("toUUID('00000000-0000-0000-0001-%012d')", n), "visitor_id": fmt.Sprintf("toUUID('00000000-0000-0000-0000-%012d')", n),
		"start_time": start, "end_time": start + " + toIntervalMinute(5)", "business_date": "toDate(" + start + ", 'Asia/Shanghai')", "events": "12", "page_views": "10",
		"platform": "'h5'", "device_class": "'mobile'", "channel": "'direct'", "region": "'CN-GD'", "landing_page_type": "'home'", "exit_page_type": "'cart'",
		"max_stage": "'add_to_cart'", "stages_raw": "14", "is_closed": "1", "is_engaged": "1", "version": "1",
	}, more)
}

// view is a page view of the visitor of session n, of tenant cn.
func (s *shelf) view(n int, at string, more cells) {
	s.t.Helper()
	s.row("fact_events", cells{
		"tenant": "'cn'", "visitor_id": fmt.Sprintf("toUUID('00000000-0000-0000-0000-%012d')", n), "event_type": "'page_view'", "event_time": at,
		"business_date": "toDate(" + at + ", 'Asia/Shanghai')", "platform": "'h5'", "device_class": "'mobile'", "channel": "'direct'", "region": "'CN-GD'", "page_type": "'home'",
	}, more)
}

// ago is a moment before the start of the test, as an SQL expression.
func (s *shelf) ago(d time.Duration) string {
	return "toDateTime64('" + s.begin.Add(-d).Format("2006-01-02 15:04:05.000") + "', 3, 'UTC')"
}

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
			got := s.ask("SELECT arrayStringConcat(groupArray(day), ' '), toString(min(orders)), toString(max(orders)) FROM (" + rows + ")")
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
