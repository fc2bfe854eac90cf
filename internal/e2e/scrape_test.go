package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
)

// scrape is what /metrics says.
type scrape map[string]*dto.MetricFamily

func scraped(t *testing.T, addr string) scrape {
	t.Helper()
	res, err := devtest.HTTP.Get("http://" + addr + "/metrics")
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

// by adds a counter or gauge up by some of its labels.
func (s scrape) by(name string, labels []string) map[string]int64 {
	out := map[string]int64{}
	for _, m := range s[name].GetMetric() {
		var key []string
		for _, want := range labels {
			for _, l := range m.GetLabel() {
				if l.GetName() == want {
					key = append(key, l.GetValue())
				}
			}
		}
		out[strings.Join(key, " ")] += int64(m.GetCounter().GetValue() + m.GetGauge().GetValue())
	}
	return out
}

func (s scrape) total(name string) int64 { return s.by(name, nil)[""] }

// sum adds up the series of a counter or gauge that have all of the labels,
// which alternate with their values; 0 if there are none.
func (s scrape) sum(name string, labels ...string) (sum float64) {
	for _, m := range s[name].GetMetric() {
		has := map[string]string{}
		for _, l := range m.GetLabel() {
			has[l.GetName()] = l.GetValue()
		}
		match := true
		for i := 0; i+1 < len(labels); i += 2 {
			match = match && has[labels[i]] == labels[i+1]
		}
		if match {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// series counts the lines of a page that are samples, and its names.
func (s scrape) series() (all, names int) {
	for _, f := range s {
		for _, m := range f.GetMetric() {
			switch {
			case m.GetHistogram() != nil:
				all += len(m.GetHistogram().GetBucket()) + 2
			case m.GetSummary() != nil:
				all += len(m.GetSummary().GetQuantile()) + 2
			default:
				all++
			}
		}
	}
	return all, len(s)
}

var listening = regexp.MustCompile(`msg="Listening on".* address=(\S+)\n`)

// scraped reads a worker's series, once it says where.
func (p *process) scraped(t *testing.T) scrape {
	t.Helper()
	return scraped(t, p.address(t))
}

// address is where the process serves HTTP, once it says so.
func (p *process) address(t *testing.T) string {
	t.Helper()
	var found []string
	p.until(t, "where it listens", func(log string) bool {
		found = listening.FindStringSubmatch(log)
		return found != nil
	})
	return found[1]
}

// caughtUp waits until the worker has taken so many records, and scrapes; nil
// if a lane had to recover on the way.
func (s *shop) caughtUp(worker *process, produced int64) scrape {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		if said := worker.log.String(); strings.Contains(said, "lane lost") || strings.Contains(said, "epoch in hand abandoned") {
			// Not even that loses anything.
			worker.stop(s.t)
			s.drain()
			s.start("verify", "--records").wait(s.t)
			return nil
		}
		if n := worker.scraped(s.t).total("ecom_pipeline_records_total"); n == produced {
			return worker.scraped(s.t) // the families of one page are not of one moment
		} else if n > produced || time.Now().After(deadline) {
			s.t.Fatalf("the worker took %d of %d records\n%s", n, produced, worker.log.tail(20))
		}
		pause(s.t, 20*time.Millisecond)
	}
}

// undisturbed makes up to three runs, until one is without a recovery: an epoch
// in doubt is finished without its metrics, as after a crash. A run says false
// if a lane had to recover.
func undisturbed(t *testing.T, run func(t *testing.T) bool) {
	t.Helper()
	for try := 1; try <= 3; try++ {
		judged := false
		t.Run(fmt.Sprintf("run %d", try), func(t *testing.T) { judged = run(t) })
		if judged || t.Failed() {
			return
		}
	}
	t.Fatal("a lane lost its place in each of three runs")
}

// gauges reads "today" and "now", added up over workers as dashboards do.
func (s *shop) gauges(workers ...*process) map[string]map[string]int64 {
	s.t.Helper()
	out := map[string]map[string]int64{}
	for _, name := range []string{"ecom_visitors_today", "ecom_buyers_today", "ecom_sessions_open", "ecom_sessions_active", "ecom_visitors_active", "ecom_orders_unpaid", "ecom_last_paid_order_timestamp_seconds"} {
		out[name] = map[string]int64{}
	}
	for _, w := range workers {
		m := w.scraped(s.t)
		for name, sums := range out {
			for k, n := range m.by(name, []string{"platform", "age_bucket"}) {
				if name == "ecom_last_paid_order_timestamp_seconds" {
					sums[k] = max(sums[k], n)
				} else {
					sums[k] += n
				}
			}
		}
	}
	return out
}

// gaugesStay: "today" and "now" are the lanes' state, so they outlive a worker;
// others show them before their first record, each those of its lanes.
func (s *shop) gaugesStay(before map[string]map[string]int64, env []string) {
	s.t.Helper()
	for name, sums := range before {
		sum := int64(0)
		for _, n := range sums {
			sum += n
		}
		if sum == 0 {
			s.t.Errorf("%s is 0: a restart would not show", name)
		}
	}
	same := func(what string, workers ...*process) {
		s.t.Helper()
		eventually(s.t, func() string {
			if d := cmp.Diff(s.gauges(workers...), before); d != "" {
				return fmt.Sprintf("gauges (-after %s +before)\n%s", what, d)
			}
			return ""
		})
		s.t.Logf("%d gauges are after %s as they were before", len(before), what)
	}
	first := s.startEnv(env, "run")
	first.await(s.t, "lane recovered")
	same("a restart", first)
	second := s.startEnv(env, "run")
	second.await(s.t, "lane recovered")
	same("a rebalance", first, second)
}
