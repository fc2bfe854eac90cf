package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestLossesOfADay: the alert on lost records goes on for a day after the newest
// loss, whatever restarts, and no longer.
func TestLossesOfADay(t *testing.T) {
	t.Parallel()
	dir := write(t)
	type object = map[string]any
	var tests []any
	// A sample each five minutes: a day has 288.
	scene := func(values string, hour int, fires bool) {
		alerts := []object{}
		if fires {
			alerts = append(alerts, object{"labels": `{topic="orders"}`, "value": 1})
		}
		tests = append(tests, object{
			"name": fmt.Sprintf("%s, after %d h", values, hour), "interval": "5m",
			"input_series": []object{{"series": `ecom_pipeline_records_total{instance="w0",topic="orders",outcome="lost_to_retention"}`, "values": values}},
			"promql_expr_test": []object{{
				"expr": `count by (topic) (ALERTS{alertstate="firing",alertname="RecordsLost",severity="critical",trouble="lost_to_retention"})`, "eval_time": fmt.Sprintf("%dh", hour), "exp_samples": alerts,
			}},
		})
	}
	const known, unseen, restarted = "0+0x300 7+0x400", "_x12 7+0x700", "0+0x12 7+0x500 3+0x400"
	scene(known, 25, false)
	scene(known, 26, true)
	scene(known, 48, true)
	scene(known, 51, false)
	scene(unseen, 2, true) // before anybody looked
	scene(unseen, 24, true)
	scene(unseen, 27, false)
	scene(restarted, 40, false)
	scene(restarted, 44, true) // fewer than before the restart

	b, err := yaml.Marshal(object{"rule_files": []string{filepath.Join(dir, "prometheus/rules/pipeline.yml")}, "evaluation_interval": "5m", "tests": tests})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "losses.yml")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, "promtool", "test", "rules", path)
}
