package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
)

// TestOutagePages: in a shop with five weeks of history, payments begin to
// fail. A worker counts them as they come, a real Prometheus compares, and
// A-PAY-01 says what on-call must know.
func TestOutagePages(t *testing.T) {
	prometheus := devtest.Tool(t, "prometheus")
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 2)
		data := s.fiveWeeks()
		worker := s.startWorker()
		prom := startPrometheus(t, prometheus, data, worker.address(t))
		prom.await(t, `sum(ecom_payment_attempts_total) >= 0`, `ecom:payments:base30m > 0`)
		// A quarter of an hour passes quickly, so that somebody is about to pay; four
		// minutes before now the outage begins.
		outage, err := gen.ParseIncident("payment_outage,start=11m,length=1h")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		fed := make(chan struct{})
		go func() {
			defer close(fed)
			s.feed(ctx, gen.New(gen.Settings{Seed: 13, Start: time.Now().Add(-15 * time.Minute), Rate: 200, FlatDay: true, KnownVisitors: 500, Incidents: []gen.Incident{outage}}), produce.Pace{TimeLapse: 60, Live: true})
		}()
		defer func() { stop(); <-fed }()
		defer func() {
			if !t.Failed() {
				return
			}
			for _, expr := range []string{"sum by (result) (ecom_payment_attempts_total)", "ecom:payments:inc5m > 0", "ecom:payments:share5m", "ecom:payments:z5m", "ecom:payments:base30m > 0"} {
				for _, r := range prom.ask(t, expr) {
					t.Logf("%s: %v %v", expr, r.Metric, r.Value[1])
				}
			}
		}()
		prom.await(t, `ALERTS{alert_id="A-PAY-01",reason="failures",alertstate="firing"}`)

		// One rule is evaluated after the other: the first look may be too early.
		eventually(t, func() string {
			var said []string
			for _, a := range prom.alerts(t) {
				if a.Labels["alert_id"] != "A-PAY-01" || a.Labels["reason"] != "failures" || a.State != "firing" {
					continue
				}
				for _, name := range []string{"summary", "slice", "current", "baseline", "sample", "z", "lost_orders_per_hour", "lost_money_per_hour", "dashboard", "runbook"} {
					text := a.Annotations[name]
					if text == "" || strings.Contains(text, "unknown") || strings.Contains(text, "error") || strings.Contains(text, "{{") {
						return fmt.Sprintf("A-PAY-01 says of %s: %q", name, text)
					}
					said = append(said, fmt.Sprintf("%-22s %s", name, text))
				}
				if text := a.Annotations["slice"]; !strings.HasPrefix(text, "payment_method=") {
					return fmt.Sprintf("A-PAY-01 speaks of slice %q", text)
				}
				t.Log("\n" + strings.Join(said, "\n"))
				return ""
			}
			return "A-PAY-01 fires and is not in the list of alerts"
		})
	})
}

// firing is an alert as Prometheus lists it.
type firing struct {
	Labels, Annotations map[string]string
	State               string
}

func (p prometheusServer) alerts(t *testing.T) []firing {
	t.Helper()
	res, err := devtest.HTTP.Get(p.url + "/api/v1/alerts")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var out struct{ Data struct{ Alerts []firing } }
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out.Data.Alerts
}
