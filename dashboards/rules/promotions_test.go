package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestWeeksOfPromotions: windows that touched a promotion of the shop leave the
// baselines of the weeks after it, unless promotions of its kinds run again.
func TestWeeksOfPromotions(t *testing.T) {
	t.Parallel()
	dir := write(t)
	type series struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	}
	type sample struct {
		Labels string  `yaml:"labels"`
		Value  float64 `yaml:"value"`
	}
	type query struct {
		Expr     string   `yaml:"expr"`
		EvalTime string   `yaml:"eval_time"`
		Samples  []sample `yaml:"exp_samples"`
	}
	// A sample each half hour. South has a promotion in the first half of the second
	// day, and so it has a week later for the second hour.
	input := []series{
		{`ecom:rate_n:inc30m{tenant="north",rate="cvr",dimension=""}`, "1000+0x480"},
		{`ecom:rate_n:inc30m{tenant="south",rate="cvr",dimension=""}`, "1000+0x480"},
		{`ecom_promo_active{tenant="south",kind="member_day"}`, "0x47 1x23 0x313 1x1 0x92"},
		{`ecom_promo_active{tenant="south",kind="coupon"}`, "0x480"},
		{`ecom_promo_active{tenant="north",kind="member_day"}`, "0x480"},
	}
	var queries []query
	at := func(day int, clock, record string, south bool) {
		var hour, minute int
		if _, err := fmt.Sscanf(clock, "%d:%d", &hour, &minute); err != nil {
			t.Fatal(err)
		}
		q := query{Expr: fmt.Sprintf(`group by (tenant) (%s{rate="cvr"})`, record), EvalTime: fmt.Sprintf("%dm", (day*24+hour)*60+minute)}
		q.Samples = []sample{{`{tenant="north"}`, 1}}
		if south {
			q.Samples = append(q.Samples, sample{`{tenant="south"}`, 1})
		}
		queries = append(queries, q)
	}
	at(7, "23:30", "ecom:rate_n:base30m", true)  // before it
	at(8, "00:30", "ecom:rate_n:base30m", false) // in it
	at(8, "01:00", "ecom:rate_n:base30m", true)  // both in one of a kind
	at(8, "06:00", "ecom:rate_n:base30m", false)
	at(8, "12:00", "ecom:rate_n:base30m", false) // its last half hour
	at(8, "12:30", "ecom:rate_n:base30m", true)
	at(8, "13:00", "ecom:rate_n:base2h", false) // touched by the window
	at(8, "14:00", "ecom:rate_n:base2h", true)
	at(9, "00:30", "ecom:rate_n:base1d", true) // both days had one
	at(9, "06:00", "ecom:rate_n:base1d", false)
	at(9, "13:00", "ecom:rate_n:base1d", true)
	queries = append(queries, query{Expr: `ecom:promo:factor`, EvalTime: "1800m", Samples: []sample{
		{`ecom:promo:factor{tenant="north"}`, 1}, {`ecom:promo:factor{tenant="south"}`, 1.5},
	}}, query{Expr: `ecom:promo:active`, EvalTime: "1800m", Samples: []sample{{`ecom:promo:active{tenant="south",kind="member_day"}`, 1}}})

	b, err := yaml.Marshal(map[string]any{
		"rule_files": []string{filepath.Join(dir, "prometheus/rules/recording.yml")}, "evaluation_interval": "30m",
		"group_eval_order": []string{"storepulse-windows", "storepulse-baselines", "storepulse-statistics", "storepulse-samples"},
		"tests":            []any{map[string]any{"interval": "30m", "input_series": input, "promql_expr_test": queries}},
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "promotions.yml")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, "promtool", "test", "rules", path)
}
