package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestClocksAreMoved: after the clock of a shop was moved, what is compared is the
// same hour by that clock, and nothing where there is no such hour.
func TestClocksAreMoved(t *testing.T) {
	t.Parallel()
	dir := write(t)
	type object = map[string]any
	// A sample each half hour; the clocks are moved in the night of the eighth day.
	const days, night = 9, 7*48 + 4
	shops := []struct {
		tenant      string
		before, now int // ahead of UTC
		halfHours   int // by which the hour of before lies earlier
		known       bool
	}{
		{"autumn", 7200, 3600, 2, true},
		{"spring", 3600, 7200, -2, true},
		{"shanghai", 28800, 28800, 0, true},
		{"moved_house", 3600, 28800, 0, false}, // its zone was changed in the configuration
	}
	var input, queries []object
	for _, s := range shops {
		for series, values := range map[string]string{
			fmt.Sprintf(`ecom_shop_utc_offset_seconds{tenant=%q,instance="w0"}`, s.tenant): fmt.Sprintf("%d+0x%d %d+0x%d", s.before, night-1, s.now, days*48),
			fmt.Sprintf(`ecom:sessions:inc15m{tenant=%q}`, s.tenant):                       fmt.Sprintf("0+1x%d", days*48),
			fmt.Sprintf(`ecom:payments:inc30m{tenant=%q,slice="alipay"}`, s.tenant):        fmt.Sprintf("0+1x%d", days*48),
		} {
			input = append(input, object{"series": series, "values": values})
		}
		// Before the night, in the morning after it, and a day later.
		for _, at := range []int{night - 2, night + 10, night + 60} {
			moved := 0
			if at >= night {
				moved = s.halfHours
			}
			median, payments := at-7*48-moved, 0
			sessions := []object{{"labels": fmt.Sprintf(`{tenant=%q}`, s.tenant), "value": median}}
			if median < 0 || at >= night && !s.known {
				sessions = []object{}
			}
			for d := 1; d <= 7; d++ {
				switch then := at - d*48; {
				case at < night || then >= night:
					payments += then
				case s.known:
					payments += max(then-moved, 0)
				}
			}
			base := []object{{"labels": fmt.Sprintf(`{tenant=%q}`, s.tenant), "value": payments}}
			if payments == 0 {
				base = []object{}
			}
			clock := fmt.Sprintf("%dm", at*30)
			queries = append(
				queries,
				object{"expr": fmt.Sprintf(`sum by (tenant) (ecom:sessions:median15m{tenant=%q})`, s.tenant), "eval_time": clock, "exp_samples": sessions},
				object{"expr": fmt.Sprintf(`sum by (tenant) (ecom:payments:base30m{tenant=%q})`, s.tenant), "eval_time": clock, "exp_samples": base},
			)
		}
	}
	b, err := yaml.Marshal(object{
		"rule_files": []string{filepath.Join(dir, "prometheus/rules/recording.yml")}, "evaluation_interval": "30m",
		"group_eval_order": []string{"storepulse-windows", "storepulse-baselines"},
		"tests":            []object{{"interval": "30m", "input_series": input, "promql_expr_test": queries}},
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "clocks.yml")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, "promtool", "test", "rules", path)
}
