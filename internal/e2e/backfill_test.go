package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
)

// TestBackfill: a shop with five weeks of history and a Prometheus that has
// none. The weeks are computed from the tables, promtool makes blocks of them,
// and the rules that a real Prometheus runs on these compare with four weeks
// before: with the numbers that the tables give. Another Prometheus, which only
// scrapes the worker, says that it has too little to compare with.
func TestBackfill(t *testing.T) {
	prometheus := devtest.Tool(t, "prometheus")
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 2)
		data := s.fiveWeeks()

		old := startPrometheus(t, prometheus, data)
		worker := s.startWorker()
		young := startPrometheus(t, prometheus, filepath.Join(t.TempDir(), "young"), worker.address(t))
		old.await(t, `ecom:rate:z30m{rate="cvr",dimension=""}`, `ecom:count:median1d`, `ecom:insufficient_data`)
		young.await(t, `ecom:rate_n:inc30m{rate="cvr"}`, `ecom:insufficient_data`)

		sameLabels(t, old, young)
		s.compareBaselines(old)
		if n := old.series(t, `ecom:promo:weeks1d{week="2"}`); n != 1 {
			t.Errorf("%d series say that the second week has a promotion, want 1", n)
		}
		if n := old.series(t, `ecom:clock:offset offset 4w == 8 * 3600`); n != 1 {
			t.Errorf("%d series say how the shop's clock stood four weeks ago, want 1", n)
		}
		for at := range 300 {
			// Whatever the moment, there is a sample a week before it.
			if !old.has(t, fmt.Sprintf(`ecom:sessions:inc15m offset %ds`, 7*86400+at)) {
				t.Errorf("no sample a week and %d s ago", at)
			}
		}
		thin := func(p prometheusServer) []string {
			var list []string
			for _, r := range p.ask(t, "ecom:insufficient_data") {
				list = append(list, strings.TrimSpace(r.Metric["alert_id"]+" "+r.Metric["step"]+r.Metric["pages"]+" "+r.Metric["slice"]))
			}
			slices.Sort(list)
			return list
		}
		// One rule is evaluated after the other: the first look may be too early.
		eventually(t, func() string {
			before, after := thin(young), thin(old)
			if !old.has(t, `ecom:rate_n:inc30m{rate="cvr",dimension=""}`) {
				t.Fatal("the newest samples of the weeks are stale by now: nothing was judged")
			}
			for _, id := range []string{"A-CVR-01", "A-CVR-02 visit_to_product_view", "A-ORD-01", "A-GMV-01", "A-TRF-01", "A-TRK-01"} {
				if !slices.Contains(before, id) {
					return fmt.Sprintf("%s can be judged without anything to compare with", id)
				}
				if slices.Contains(after, id) {
					return fmt.Sprintf("%s cannot be judged with four weeks to compare with", id)
				}
			}
			t.Logf("insufficient data without the weeks: %s", strings.Join(before, ", "))
			t.Logf("insufficient data with them: %s", strings.Join(after, ", "))
			return ""
		})
	})
}

// fiveWeeks fills the shop with five weeks until now, two weeks ago with a
// promotion that ended some hours before this time of the day, and computes from
// the tables what the rules would have recorded: as blocks, which a Prometheus
// finds in the folder.
func (s *shop) fiveWeeks() (data string) {
	t := s.t
	t.Helper()
	promtool := devtest.Tool(t, "promtool")
	now := time.Now().UTC()
	t.Logf("%d records of five weeks until %s", s.feedAll(newHistory(now).Next), now.UTC().Format(time.RFC3339))
	s.drain()
	// The newest sample is at the last whole five minutes, and five minutes long
	// Prometheus takes it for the present: enough of them must be left, and what
	// the shop has taken until here says how slow the machine is.
	need := min(max(100*time.Second, 3*time.Since(now)), 290*time.Second)
	if left := time.Until(time.Now().Truncate(5 * time.Minute).Add(5 * time.Minute)); left < need {
		t.Logf("waiting %s for the next whole five minutes", left.Round(time.Second))
		pause(t, left+time.Second)
	}

	dir := t.TempDir()
	config := filepath.Join(dir, "storepulse.yaml")
	began := now.AddDate(0, 0, -14).Add(-8 * time.Hour)
	promotion := fmt.Sprintf("promotions: [{kind: festival, name: two weeks ago, from: %s, until: %s}]\n", began.Format(time.RFC3339), began.Add(3*time.Hour).Format(time.RFC3339))
	if err := os.WriteFile(config, []byte(promotion), 0o600); err != nil {
		t.Fatal(err)
	}
	file, data := filepath.Join(dir, "past.om"), filepath.Join(dir, "data")
	fill := s.startEnv(append(s.env(), "STOREPULSE_CONFIG="+config), "rules", "backfill", "--output", file)
	fill.wait(t)
	t.Log("\n" + fill.log.String())
	out, err := exec.CommandContext(t.Context(), promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet", "--max-block-duration=486h", file, data).CombinedOutput()
	if err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	return data
}

// feedAll produces all that next gives and returns how much.
func (s *shop) feedAll(next func(*gen.Event) bool) int64 {
	s.t.Helper()
	w := produce.NewWriter(s.writer())
	var e gen.Event
	for next(&e) {
		if err := w.Write(s.t.Context(), &e); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := w.Close(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return w.Counts().Total()
}

// sameLabels: the series that were computed are those that the rules record of
// a worker, no more and no less.
func sameLabels(t *testing.T, computed, scraped prometheusServer) {
	t.Helper()
	const windows = `{__name__=~"ecom:.*:inc(15m|30m)",__name__!~"ecom:(events|bots|ingested|duplicates|late|letters):.*"}`
	list := func(p prometheusServer) []string {
		var all []string
		for _, r := range p.ask(t, windows) {
			all = append(all, fmt.Sprint(r.Metric))
		}
		slices.Sort(all)
		return all
	}
	eventually(t, func() string {
		got, want := list(computed), list(scraped)
		if d := cmp.Diff(got, want); d != "" {
			return "series (-computed +recorded by the rules)\n" + d
		}
		t.Logf("%d series of windows have the labels that the rules record", len(got))
		return ""
	})
}

// compareBaselines holds what the rules recorded against plain questions to the
// tables.
func (s *shop) compareBaselines(p prometheusServer) {
	t := s.t
	t.Helper()
	const customers = "NOT is_bot AND NOT is_test AND NOT is_internal"
	count := func(what, table, column, more string) func(from, until time.Time) float64 {
		return func(from, until time.Time) float64 {
			v, err := strconv.ParseFloat(s.ask(fmt.Sprintf("SELECT toFloat64(%s) FROM %s WHERE toUnixTimestamp64Milli(%s) >= %d AND toUnixTimestamp64Milli(%s) < %d AND %s", what, table, column, from.UnixMilli(), column, until.UnixMilli(), more)), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	visits := count("count()", "sessions", "start_time", customers)
	pays := count("count()", "sessions", "assumeNotNull(first_pay)", customers+" AND max_stage = 'pay'")
	paid := count("count()", "orders", "assumeNotNull(paid_at)", "paid_at IS NOT NULL AND NOT is_test AND NOT is_internal")
	day := 24 * time.Hour
	baselines := []struct {
		expr     string
		days     []int
		over     time.Duration
		combine  func([]float64) float64
		question func(from, until time.Time) float64
	}{
		{`ecom:rate_n:base30m{rate="cvr",dimension=""}`, weeks4, 30 * time.Minute, total, visits},
		{`ecom:rate_k:base30m{rate="cvr",dimension=""}`, weeks4, 30 * time.Minute, total, pays},
		{`ecom:rate_n:base2h{rate="cvr",dimension=""}`, weeks4, 2 * time.Hour, total, visits},
		{`ecom:rate_n:base1d{rate="cvr",dimension=""}`, weeks4, day, total, visits},
		{`ecom:rate_n:base30m{rate="cvr",dimension="platform",slice="mini_program"}`, weeks4, 30 * time.Minute, total, count("count()", "sessions", "start_time", customers+" AND platform = 'mini_program'")},
		{`ecom:rate_n:base30m{rate="cvr",dimension="device_class",slice="mobile"}`, weeks4, 30 * time.Minute, total, count("count()", "sessions", "start_time", customers+" AND device_class = 'mobile'")},
		{`ecom:rate_n:base30m{rate="cvr",dimension="region",slice="CN-GD"}`, weeks4, 30 * time.Minute, total, count("count()", "sessions", "start_time", customers+" AND region = 'CN-GD'")},
		{`ecom:rate_n:base30m{rate="add_to_cart_to_checkout_start"}`, weeks4, 30 * time.Minute, total, count("count()", "sessions", "least(coalesce(first_add_to_cart, toDateTime64('2200-01-01', 3)), coalesce(first_checkout_start, toDateTime64('2200-01-01', 3)))", customers+" AND max_stage NOT IN ('visit', 'product_view')")},
		{`ecom:rate_k:base2h{rate="bounce",slice="home"}`, weeks4, 2 * time.Hour, total, count("count()", "sessions", "end_time + INTERVAL 32 MINUTE", customers+" AND is_bounce AND is_closed AND landing_page_type = 'home'")},
		{`ecom:rate_n:base1d{rate="attributed"}`, weeks4, day, total, count("count()", "orders", "assumeNotNull(created_at)", "created_at IS NOT NULL AND NOT is_test AND NOT is_internal")},
		{`ecom:sessions:median15m`, weeks4, 15 * time.Minute, median, visits},
		{`ecom:count:median30m{count="orders_paid"}`, weeks4, 30 * time.Minute, median, paid},
		{`ecom:count:mean1d{count="orders_paid"}`, weeks4, day, mean, paid},
		{`ecom:count:median2h{count="gmv_paid",currency="CNY"}`, weeks4, 2 * time.Hour, median, count("sum(paid_minor)", "orders", "assumeNotNull(paid_at)", "paid_at IS NOT NULL AND NOT is_test AND NOT is_internal")},
		{`ecom:count:median30m{count="events",slice="web_pc"}`, weeks4, 30 * time.Minute, median, count("count()", "fact_events", "event_time", "platform = 'web_pc'")},
		{`ecom:count:median30m{count="view_item",slice="web_pc"}`, weeks4, 30 * time.Minute, median, count("count()", "fact_events", "event_time", "platform = 'web_pc' AND event_type = 'view_item'")},
		{`ecom:payments:base30m{slice="alipay"}`, []int{1, 2, 3, 4, 5, 6, 7}, 30 * time.Minute, total, count("count()", "fact_order_events", "event_time", "event_type = 'payment.attempted' AND payment_method = 'alipay' AND NOT is_test AND NOT is_internal")},
	}
	ask := func(at time.Time, days []int, over time.Duration, combine func([]float64) float64, question func(from, until time.Time) float64) float64 {
		var all []float64
		for _, d := range days {
			end := at.AddDate(0, 0, -d).Truncate(5 * time.Minute)
			if over == day {
				if d == 14 {
					continue // a promotion was among its hours
				}
				end = end.Truncate(30 * time.Minute)
			}
			all = append(all, question(end.Add(-over), end))
		}
		return combine(all)
	}
	t.Logf("%-85s %12s %12s", "recorded by the rules", "Prometheus", "ClickHouse")
	judge := func(expr string, got, want float64) {
		t.Logf("%-85s %12.6g %12.6g", expr, got, want)
		if math.Abs(got-want) > 1e-9*math.Max(1, math.Abs(want)) || want == 0 {
			t.Errorf("%s: the rules have %g, the tables %g", expr, got, want)
		}
	}
	for _, b := range baselines {
		at, got := p.last(t, b.expr)
		judge(b.expr, got, ask(at, b.days, b.over, b.combine, b.question))
	}
	// The last samples stand for now, until the worker's own come.
	at, got := p.last(t, `ecom:rate:z30m{rate="cvr",dimension=""}`)
	until, _ := p.last(t, `ecom:rate_n:inc30m{rate="cvr",dimension=""}`)
	n, k := visits(until.Add(-30*time.Minute), until), pays(until.Add(-30*time.Minute), until)
	n0, k0 := ask(at, weeks4, 30*time.Minute, total, visits), ask(at, weeks4, 30*time.Minute, total, pays)
	pooled := (k + k0) / (n + n0)
	judge(`ecom:rate:z30m{rate="cvr",dimension=""}`, got, (k0/n0-k/n)/(1.5*math.Sqrt(pooled*(1-pooled)*(1/n+1/n0))))
}

var weeks4 = []int{7, 14, 21, 28}

func total(v []float64) (sum float64) {
	for _, x := range v {
		sum += x
	}
	return sum
}

func mean(v []float64) float64 { return total(v) / float64(len(v)) }

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// result is one series of an answer.
type result struct {
	Metric map[string]string
	Value  [2]any   // of a vector
	Values [][2]any // of a matrix
}

func (p prometheusServer) ask(t *testing.T, expr string) []result {
	t.Helper()
	res, err := devtest.HTTP.Get(p.url + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var out struct {
		Status, Error string
		Data          struct{ Result []result }
	}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	if out.Status != "success" {
		t.Fatalf("%s: %s", expr, out.Error)
	}
	return out.Data.Result
}

// last gives the newest sample of the one series that expr names, and its time.
func (p prometheusServer) last(t *testing.T, expr string) (time.Time, float64) {
	t.Helper()
	var all []result
	eventually(t, func() string {
		if all = p.ask(t, expr+"[10m]"); len(all) != 1 || len(all[0].Values) == 0 {
			return fmt.Sprintf("%s: want one series, got %v", expr, all)
		}
		return ""
	})
	v := all[0].Values[len(all[0].Values)-1]
	value, err := strconv.ParseFloat(v[1].(string), 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.UnixMilli(int64(math.Round(v[0].(float64) * 1000))).UTC(), value
}

// await waits until each of the expressions has data.
func (p prometheusServer) await(t *testing.T, exprs ...string) {
	t.Helper()
	for _, expr := range exprs {
		eventually(t, func() string {
			if !p.has(t, expr) {
				return "never: " + expr
			}
			return ""
		})
	}
}
