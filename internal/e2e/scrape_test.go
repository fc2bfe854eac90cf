package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/google/go-cmp/cmp"
)

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

// caughtUp waits until the worker has taken so many records, and scrapes; nil
// if a lane had to recover on the way.
func (s *shop) caughtUp(addr string, worker *process, produced int64) scrape {
	s.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		if strings.Contains(worker.log.String(), "lane lost") {
			return nil
		}
		m := scraped(s.t, addr)
		if n := m.total("ecom_pipeline_records_total"); n == produced {
			return m
		} else if n > produced || time.Now().After(deadline) {
			s.t.Fatalf("the worker took %d of %d records\n%s", n, produced, worker.log.tail(20))
		}
		pause(s.t, 20*time.Millisecond)
	}
}

// gaugesStay: "today" and "now" are the lanes' state, so they outlive the worker.
func (s *shop) gaugesStay(worker *process, env []string, listen string) {
	s.t.Helper()
	gauges := []string{"ecom_visitors_today", "ecom_buyers_today", "ecom_sessions_open", "ecom_sessions_active", "ecom_visitors_active", "ecom_orders_unpaid", "ecom_last_paid_order_timestamp_seconds"}
	read := func() map[string]map[string]int64 {
		m, out := scraped(s.t, listen), map[string]map[string]int64{}
		for _, name := range gauges {
			out[name] = m.by(name, []string{"platform", "age_bucket"})
		}
		return out
	}
	before := read()
	for _, name := range gauges {
		sum := int64(0)
		for _, n := range before[name] {
			sum += n
		}
		s.t.Logf("%-40s %d before the restart", name, sum)
		if sum == 0 {
			s.t.Errorf("%s is 0: a restart would not show", name)
		}
	}
	worker.stop(s.t, time.Minute)
	again := s.startEnv(env, "run")
	again.await(s.t, "worker starts")
	var d string
	for range 300 {
		if d = cmp.Diff(read(), before); d == "" {
			return
		}
		pause(s.t, 100*time.Millisecond)
	}
	s.t.Errorf("gauges (-after +before the restart)\n%s", d)
}
