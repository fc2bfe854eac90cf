package clickhouse_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

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

// newShelf has a tenant in Shanghai, and one in New York for each of dormancies.
func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{t: t, url: engine(t), db: newDatabase(t)}
	s.c = openClient(t, s.url, s.db)
	if _, err := s.c.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.apply()
	s.insert("lanes (lane, term, worker, pipeline, partitions)", "0, 1, 'w', 'main', 1")
	s.begin = withinTheHour()
	return s
}

// withinTheHour waits where an hour is about to turn, and with it perhaps a day
// of some shop: views know the hour and the day that go on.
func withinTheHour() time.Time {
	const enough = time.Minute // a test takes a second
	now := time.Now().UTC()
	if next := now.Truncate(time.Hour).Add(time.Hour); next.Sub(now) < enough {
		<-time.After(next.Sub(now))
		now = time.Now().UTC()
	}
	return now
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
