package e2e

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	dto "github.com/prometheus/client_model/go"

	"github.com/storepulse/storepulse/dashboards/counted"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
)

// TestAgreement: what a worker that never crashes has counted is what the
// tables say, over the whole run and hour by hour of the shop's time.
func TestAgreement(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		t.Run("in time", func(t *testing.T) {
			d := gen.RealisticDefects()
			d.Late, d.TooLate = 0, 0
			agree(t, addr, session, d)
		})
		t.Run("as it comes", func(t *testing.T) { agree(t, addr, session, gen.RealisticDefects()) })
	})
}

func agree(t *testing.T, addr string, session time.Duration, defects gen.Defects) {
	s := newShop(t, addr, session, 2)
	listen := freeAddr(t)
	worker := s.startEnv(append(s.env(), "STOREPULSE_HTTP_LISTEN="+listen), "run")
	worker.await(t, "worker starts")
	defer func() {
		if t.Failed() {
			t.Log(worker.log.tail(40))
		}
	}()
	start := time.Date(2026, 11, 10, 4, 0, 0, 0, time.UTC)
	hours := 8
	g := gen.New(gen.Settings{Seed: 11, Start: start, Rate: 3, Duration: time.Duration(hours) * time.Hour, Defects: defects, KnownVisitors: 2000})
	w := produce.NewWriter(produce.Config{Brokers: s.cfg.Kafka.Brokers, Topics: s.cfg.ClickHouse().Topics})
	defer func() { _ = w.Close(t.Context()) }()
	var e gen.Event
	more := g.Next(&e)
	scrapes := []scrape{scraped(t, listen)}
	for h := 1; h <= hours; h++ {
		for end := start.Add(time.Duration(h) * time.Hour); more && e.Time.Before(end); more = g.Next(&e) {
			if err := w.Write(t.Context(), &e); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		scrapes = append(scrapes, s.caughtUp(listen, w.Counts().Total()))
	}
	settings := s.cfg.Transform()
	store := s.store()
	for _, c := range counted.List(counted.Settings{Gap: settings.Gap, MaxLength: settings.MaxLength, OutOfOrder: settings.OutOfOrder, PayWindow: settings.PayWindow, Topics: s.cfg.ClickHouse().Topics}) {
		rows := map[string]float64{}
		begin, end := start.AddDate(-10, 0, 0), start.AddDate(10, 0, 0)
		err := store.Each(t.Context(), c.Totals(), ch.Parameters{"from": fmt.Sprint(begin.UnixMilli()), "until": fmt.Sprint(end.UnixMilli())}, func(r driver.Rows) error {
			var tenant string
			var labels []string
			var n int64
			if err := r.Scan(&tenant, &labels, &n); err != nil {
				return err
			}
			rows[strings.Join(labels, " ")] += float64(n)
			return nil
		})
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.Name, err, c.Totals())
		}
		got := scrapes[len(scrapes)-1].by(c)
		differ, sum, have, diffs := 0, 0.0, 0.0, []string{}
		for _, k := range slices.Sorted(maps.Keys(got)) {
			sum += got[k]
			if got[k] != rows[k] {
				differ++
				diffs = append(diffs, fmt.Sprintf("%s: %g/%g", k, got[k], rows[k]))
			}
		}
		for k, n := range rows {
			have += n
			if _, ok := got[k]; !ok {
				diffs = append(diffs, fmt.Sprintf("%s: -/%g", k, n))
			}
		}
		t.Logf("%-40s %8.0f %8.0f %4d  %.300s", c.Name, sum, have, differ, strings.Join(diffs, ", "))
	}
	_ = math.Abs
}

// scrape is what /metrics says.
type scrape map[string]*dto.MetricFamily

func scraped(t *testing.T, addr string) scrape {
	t.Helper()
	res, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

func (s scrape) total(name string) (sum float64) {
	for _, m := range s[name].GetMetric() {
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return sum
}

// by adds a counter up by the labels that the tables can tell.
func (s scrape) by(c counted.Counter) map[string]float64 {
	out := map[string]float64{}
	for _, m := range s[c.Name].GetMetric() {
		var labels []string
		for _, name := range c.Labels {
			for _, l := range m.GetLabel() {
				if l.GetName() == name {
					v := l.GetValue()
					if c.Name == "ecom_orders_attributed_total" && name == "status" && v != "none" {
						v = "linked"
					}
					labels = append(labels, v)
				}
			}
		}
		out[strings.Join(labels, " ")] += m.GetCounter().GetValue()
	}
	return out
}

// caughtUp waits until the worker has taken so many records, and scrapes.
func (s *shop) caughtUp(addr string, produced int64) scrape {
	s.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		m := scraped(s.t, addr)
		if m.total("ecom_pipeline_records_total") >= float64(produced) {
			return m
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the worker took %g of %d records, lag %g", m.total("ecom_pipeline_records_total"), produced, m.total("ecom_kafka_consumer_lag_messages"))
		}
		pause(s.t, 20*time.Millisecond)
	}
}
