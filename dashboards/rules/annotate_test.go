package rules

import (
	"strings"
	"testing"
)

// TestAlertsSayEverything: whoever is paged reads what is, what is usual, on how
// large a sample, how unlikely that is, where, what it costs and what to do; or
// that a number does not apply.
func TestAlertsSayEverything(t *testing.T) {
	o := DefaultOptions()
	for _, g := range Business(o) {
		for _, r := range g.Rules {
			for _, want := range []string{"summary", "description", "runbook", "dashboard", "current", "baseline", "sample", "z", "slice", "lost_orders_per_hour", "lost_money_per_hour"} {
				if r.Annotations[want] == "" {
					t.Errorf("%s %s has no %s", r.Labels["alert_id"], r.Labels["window"], want)
				}
			}
		}
	}
	for _, g := range Pipeline(o) {
		for _, r := range g.Rules {
			for _, want := range []string{"summary", "description", "runbook", "dashboard", "current", "baseline"} {
				if r.Annotations[want] == "" && r.Expr != "vector(1)" {
					t.Errorf("%s %s has no %s", r.Labels["alert_id"], r.Labels["trouble"], want)
				}
			}
		}
	}
}

// TestEstimatesAreRecorded: what an alert says of its costs is found under the
// labels that it asks for.
func TestEstimatesAreRecorded(t *testing.T) {
	have := map[string]bool{}
	for _, r := range lost() {
		have[r.Record+" "+r.Labels["of"]+" "+r.Labels["window"]] = true
	}
	for _, g := range Business(DefaultOptions()) {
		for _, r := range g.Rules {
			text := r.Annotations["lost_orders_per_hour"]
			_, rest, found := strings.Cut(text, lostOrders+"{")
			if !found {
				continue
			}
			value := func(name string) string {
				_, v, _ := strings.Cut(rest, name+`="`)
				v, _, _ = strings.Cut(v, `"`)
				return v
			}
			if key := lostOrders + " " + value("of") + " " + value("window"); !have[key] {
				t.Errorf("%s %s asks for %s, which no rule records", r.Labels["alert_id"], r.Labels["window"], key)
			}
		}
	}
}
