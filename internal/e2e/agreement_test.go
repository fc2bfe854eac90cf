package e2e

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/storepulse/storepulse/dashboards/counted"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
	"github.com/storepulse/storepulse/internal/verify"
	"github.com/storepulse/storepulse/schemas"
)

// TestAgreement: what a worker that nothing disturbs has counted is what the
// tables say. Over the whole run exactly, each counter by its labels; in each
// hour of the shop's time within 2 %, counted by event time as dashboards and
// backfill do.
func TestAgreement(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		undisturbed(t, func(t *testing.T) bool { return agree(t, addr, session) })
	})
}

// agree makes one run and compares.
func agree(t *testing.T, addr string, session time.Duration) bool {
	s := newShop(t, addr, session, 2)
	// Moments of silence must not become time that passes.
	env := append(s.env(), "STOREPULSE_INGEST_EPOCH_INTERVAL=1s", "STOREPULSE_PIPELINE_SNAPSHOT_EVERY=30s", "STOREPULSE_TRANSFORM_SESSION_IDLE_AFTER=1h")
	worker := s.startEnv(env, "run")
	worker.await(t, "lane starts")
	// Every version of a session is a record of what was counted when.
	s.ask("SYSTEM STOP MERGES fact_sessions")

	start, hours := time.Date(2026, 11, 10, 4, 0, 0, 0, time.UTC), 6
	g := gen.New(gen.Settings{Seed: 11, Start: start, Rate: 3, Duration: time.Duration(hours) * time.Hour, Defects: gen.RealisticDefects(), KnownVisitors: 2000})
	w := produce.NewWriter(s.writer())
	var e gen.Event
	more := g.Next(&e)
	scrapes := []scrape{worker.scraped(t)}
	for h := 1; h <= hours; h++ {
		for end := start.Add(time.Duration(h) * time.Hour); more && e.Time.Before(end); more = g.Next(&e) {
			if err := w.Write(t.Context(), &e); err != nil {
				t.Fatal(err)
			}
		}
		for _, rare := range rarities(start, h) {
			if err := w.Write(t.Context(), &rare); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		m := s.caughtUp(worker, w.Counts().Total())
		if m == nil {
			t.Logf("the run does not count, a lane had to recover:\n%s", worker.log.tail(6))
			return false
		}
		scrapes = append(scrapes, m)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := scrapes[hours]
	c := comparison{t: t, shop: s, names: map[string]bool{}}
	c.whole(last)
	c.versions(last)
	c.hourly(scrapes, start)
	gauges := s.gauges(worker)
	worker.stop(t)
	if !c.ledger(last) {
		t.Logf("the run does not count, the stop was too slow for its bound:\n%s", worker.log.tail(6))
		return false
	}
	s.gaugesAgree(gauges)
	c.complete()
	s.gaugesStay(gauges, env)
	return true
}

// rarities are what the generator does not send, at the end of an hour: two
// sessions that a third click makes one, a tombstone, an order in a currency
// that nobody reports in, and its state again after it has left.
func rarities(start time.Time, hour int) (events []gen.Event) {
	end := start.Add(time.Duration(hour) * time.Hour)
	add := func(topic schemas.Topic, value string) {
		events = append(events, gen.Event{Topic: topic, Key: []byte("rare"), Value: []byte(value), Time: end.Add(-time.Second)})
	}
	click := func(id string, minute int) {
		add(schemas.Clickstream, fmt.Sprintf(`{"id":%q,"source":"/web","type":"page_view","time":%q,"anonymous_id":"rare","platform":"h5","page_type":"home"}`,
			id, start.Add(time.Duration(minute)*time.Minute).Format(time.RFC3339)))
	}
	order := func(id string, version int, fields string) {
		at := end.Add(time.Duration(version-10) * time.Minute)
		add(schemas.OrdersTopic, fmt.Sprintf(`{"id":%q,"source":"/oms","time":%q,"anonymous_id":"rare","order_id":"rare-1","order_version":%d,"platform":"h5","currency":"USD",%s}`,
			id, at.Format(time.RFC3339), version, fields))
	}
	switch hour {
	case 2:
		click("rare-70", 70)
		click("rare-110", 110)
		add(schemas.Clickstream, "")
	case 3:
		click("rare-90", 90)
		made := end.Add(-9 * time.Minute).Format(time.RFC3339)
		order("rare-o1", 1, fmt.Sprintf(`"type":"order.created","created_at":%q,"payable_amount":"10.00","items":[{"item_id":"s1","price":"10.00"}]`, made))
		order("rare-o2", 2, fmt.Sprintf(`"type":"order.paid","paid_at":%q,"paid_amount":"10.00","payment_method":"alipay"`, end.Add(-8*time.Minute).Format(time.RFC3339)))
	case 6:
		order("rare-o3", 2, fmt.Sprintf(`"type":"order.paid","paid_at":%q,"paid_amount":"10.00","payment_method":"alipay"`, start.Add(3*time.Hour-8*time.Minute).Format(time.RFC3339)))
	}
	return events
}

// comparison prints and judges.
type comparison struct {
	t     *testing.T
	shop  *shop
	names map[string]bool // counters that were compared
}

// exactly compares a counter, added up over the labels that are not named.
func (c *comparison) exactly(m scrape, name string, labels []string, rows map[string]int64, how string) {
	c.t.Helper()
	c.names[name] = true
	got := m.by(name, labels)
	sum, differ := int64(0), []string{}
	for _, n := range got {
		sum += n
	}
	tables := int64(0)
	for _, n := range rows {
		tables += n
	}
	keys := maps.Clone(got)
	maps.Copy(keys, rows)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if got[k] != rows[k] {
			differ = append(differ, fmt.Sprintf("%s: %d, tables %d", k, got[k], rows[k]))
		}
	}
	c.t.Logf("%-40s %-34s %10d %10d %6d  %s", name, strings.Join(labels, ", "), sum, tables, len(differ), how)
	if sum == 0 {
		c.t.Errorf("%s is 0: nothing is compared", name)
	}
	if len(differ) > 0 {
		c.t.Errorf("%s differs: %s", name, strings.Join(differ[:min(len(differ), 20)], "; "))
	}
}

// whole compares with the questions that backfill asks, over all time. Session
// counters are left to versions: their rows have moved on since.
func (c *comparison) whole(m scrape) {
	c.t.Logf("%-40s %-34s %10s %10s %6s", "the whole run", "by", "metrics", "tables", "differ")
	for _, counter := range c.shop.counted() {
		if strings.HasPrefix(counter.Name, "ecom_session") || counter.Name == "ecom_cart_sessions_total" || counter.Name == "ecom_orders_attributed_total" {
			continue
		}
		rows := map[string]int64{}
		c.shop.each(counter.Totals(), time.Unix(0, 0).AddDate(30, 0, 0), time.Unix(0, 0).AddDate(130, 0, 0), func(r driver.Rows) error {
			var tenant string
			var labels []string
			var n int64
			err := r.Scan(&tenant, &labels, &n)
			rows[strings.Join(labels, " ")] += n
			return err
		})
		c.exactly(m, counter.Name, counter.Labels, rows, "")
	}
}

// ledger compares what leaves no row; the worker has stopped. It says false if
// that was not a clean stop.
func (c *comparison) ledger(m scrape) bool {
	c.t.Helper()
	store := c.shop.store()
	report, err := verify.Check(c.t.Context(), checkpoint.NewStore(store, c.shop.cfg.Pipeline.ID), store, verify.Options{Topics: c.shop.cfg.ClickHouse().Topics, Tables: true})
	if err != nil {
		c.t.Fatal(err)
	}
	if !report.Agrees() {
		c.t.Fatalf("ledger and tables differ: %v", report.Findings)
	}
	for _, l := range report.Lanes {
		if l.InHand != nil {
			return false
		}
	}
	total := report.Total()
	byTopic := func(counts [schemas.NumTopics]int64) map[string]int64 {
		return map[string]int64{schemas.TopicNames[0]: counts[0], schemas.TopicNames[1]: counts[1]}
	}
	c.exactly(m, "ecom_events_duplicate_total", []string{"topic"}, byTopic(total.Ledger.Duplicates), "in the ledger")
	c.exactly(m, "ecom_events_tombstone_total", []string{"topic"}, byTopic(total.Ledger.Tombstones), "in the ledger")
	return true
}

// complete fails for a counter that nothing was compared with.
func (c *comparison) complete() {
	c.t.Helper()
	voc, err := c.shop.cfg.Vocabulary()
	if err != nil {
		c.t.Fatal(err)
	}
	r := schemas.NewRegister(voc)
	reasons := map[string]string{
		r.OrderStateConflicts.Name: "tells of contradictions between events, not of facts",
		r.StateCut.Name:            "tells of the state's bounds, not of facts",
	}
	for _, m := range r.Metrics {
		switch {
		case m.Type != schemas.Counter || c.names[m.Name]:
		case reasons[m.Name] != "":
			c.t.Logf("%-40s not compared: %s", m.Name, reasons[m.Name])
		default:
			c.t.Errorf("%s is compared with nothing", m.Name)
		}
	}
}

// hourly compares the growth in each hour with what happened in it. What an
// hour has is counted at its end, so up to two minutes of disorder lie between
// the two; numbers below 150 may differ by three.
func (c *comparison) hourly(scrapes []scrape, start time.Time) {
	c.t.Helper()
	c.t.Logf("%-40s %-22s %10s %8s  %s", "hour by hour", "by", "hours*rows", "worst", "where")
	for _, counter := range c.shop.counted() {
		var by []string
		for _, l := range counter.Labels {
			if l != "channel" && l != "status" { // both may be found later than they are counted
				by = append(by, l)
			}
		}
		rows := make([]map[string]int64, len(scrapes))
		for h := range rows {
			rows[h] = map[string]int64{}
		}
		c.shop.each(counter.Slots(time.Hour), start, start.Add(time.Duration(len(scrapes)-1)*time.Hour), func(r driver.Rows) error {
			var tenant string
			var slot, n int64
			var labels []string
			if err := r.Scan(&tenant, &slot, &labels, &n); err != nil {
				return err
			}
			rows[1+int(time.Unix(slot, 0).Sub(start)/time.Hour)][c.shop.fold(counter, labels, by)] += n
			return nil
		})
		cells, worst, where := 0, 0.0, ""
		for h := 1; h < len(scrapes); h++ {
			now, before := scrapes[h].by(counter.Name, by), scrapes[h-1].by(counter.Name, by)
			for k, v := range now {
				got, want := v-before[k], rows[h][k]
				if got == 0 && want == 0 {
					continue
				}
				cells++
				off := math.Abs(float64(got - want))
				allowed := 0.02 * float64(max(got, want))
				if max(got, want) < 150 {
					allowed = 3
				}
				if off > allowed {
					c.t.Errorf("%s{%s} in hour %d: grew by %d, the tables have %d", counter.Name, k, h, got, want)
				}
				if share := off / float64(max(got, want)); off > 0 && max(got, want) >= 150 && share > worst {
					worst, where = share, fmt.Sprintf("%s in hour %d: %d, tables %d", k, h, got, want)
				}
			}
		}
		c.t.Logf("%-40s %-22s %10d %7.2f%%  %s", counter.Name, strings.Join(by, ", "), cells, 100*worst, where)
	}
}

func (s *shop) counted() []counted.Counter {
	s.t.Helper()
	voc, err := s.cfg.Vocabulary()
	if err != nil {
		s.t.Fatal(err)
	}
	r := s.cfg.Transform()
	return counted.List(counted.Settings{Gap: r.Gap, MaxLength: r.MaxLength, OutOfOrder: r.OutOfOrder, PayWindow: r.PayWindow, Vocabulary: voc})
}

// fold takes the named labels out of all.
func (s *shop) fold(c counted.Counter, values, by []string) string {
	var out []string
	for i, l := range c.Labels {
		if slices.Contains(by, l) {
			out = append(out, values[i])
		}
	}
	return strings.Join(out, " ")
}

func (s *shop) each(query string, from, until time.Time, scan func(driver.Rows) error) {
	s.t.Helper()
	if err := s.store().Each(s.t.Context(), query, ch.Parameters{"from": fmt.Sprint(from.UnixMilli()), "until": fmt.Sprint(until.UnixMilli())}, scan); err != nil {
		s.t.Fatalf("%v\n%s", err, query)
	}
}
