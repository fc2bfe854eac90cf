package rules

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
)

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), devtest.Tool(t, name), args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out.String())
	}
	return out.String()
}

// write puts the generated files below a folder of the test.
func write(t *testing.T) string {
	t.Helper()
	files, err := Files(DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, b := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestChecks(t *testing.T) {
	dir := write(t)
	run(t, "promtool", "check", "rules", filepath.Join(dir, "prometheus/rules/recording.yml"), filepath.Join(dir, "prometheus/rules/business.yml"), filepath.Join(dir, "prometheus/rules/pipeline.yml"))
	run(t, "promtool", "check", "config", filepath.Join(dir, "prometheus/prometheus.yml"))
	run(t, "amtool", "check-config", filepath.Join(dir, "alertmanager/alertmanager.yml"))
}

// TestAlerts: each alert fires, stays silent just below its limit, and does not
// speak of a sample that is too small.
func TestAlerts(t *testing.T) {
	dir := write(t)
	type sample struct {
		Labels string  `yaml:"labels"`
		Value  float64 `yaml:"value"`
	}
	type query struct {
		Expr     string   `yaml:"expr"`
		EvalTime string   `yaml:"eval_time"`
		Samples  []sample `yaml:"exp_samples"`
	}
	type series struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	}
	type unit struct {
		Name     string   `yaml:"name"`
		Interval string   `yaml:"interval"`
		Series   []series `yaml:"input_series"`
		Queries  []query  `yaml:"promql_expr_test"`
	}
	type suite struct {
		Rules    []string `yaml:"rule_files"`
		Interval string   `yaml:"evaluation_interval"`
		Order    []string `yaml:"group_eval_order"`
		Tests    []unit   `yaml:"tests"`
	}
	o := DefaultOptions()
	suites := map[string]*suite{}
	of := func(s scene) *suite {
		name := s.id[:5] // the family
		if f := suites[name]; f != nil {
			return f
		}
		f := &suite{Interval: "1m"}
		groups := append(Recording(), Business(o)...)
		files := []string{"recording", "business"}
		if name == "A-PL-" {
			groups, files = append(Recording(), Pipeline(o)...), []string{"recording", "pipeline"}
		}
		for _, file := range files {
			f.Rules = append(f.Rules, filepath.Join(dir, "prometheus/rules", file+".yml"))
		}
		for _, g := range groups {
			f.Order = append(f.Order, g.Name)
		}
		suites[name] = f
		return f
	}
	tested := map[string]map[kind]bool{}
	for _, s := range scenes() {
		about := strings.TrimSpace(s.id + " " + s.of)
		if tested[about] == nil {
			tested[about] = map[kind]bool{}
		}
		tested[about][s.kind] = true
		if (s.kind == fires) != (len(s.fires) > 0) && s.kind != other {
			t.Errorf("%s %s: fires %v", about, s.name, s.fires)
		}
		u := unit{Name: about + " " + s.name, Interval: "1m"}
		for _, line := range s.series {
			at := strings.LastIndex(line, "} ")
			if at < 0 {
				t.Fatalf("%s %s: %q has no values", s.id, s.name, line)
			}
			u.Series = append(u.Series, series{Series: line[:at+1], Values: line[at+2:]})
		}
		q := query{Expr: fmt.Sprintf(`count by (severity, window, slice, step, topic, trouble, reason, instance, lane) (ALERTS{alertstate="firing",alert_id=%q})`, s.id), EvalTime: fmt.Sprintf("%dm", s.minutes)}
		for _, f := range s.fires {
			q.Samples = append(q.Samples, sample{Labels: "{" + f + "}", Value: 1})
		}
		// Whoever is judged is not said to have no sample, and the reverse.
		flag := query{Expr: fmt.Sprintf(`max(%s{alert_id=%q})`, insufficientData, s.id), EvalTime: q.EvalTime}
		if s.kind == thin && flagged(s.id) {
			flag.Samples = []sample{{Labels: "{}", Value: 1}}
		}
		u.Queries = []query{q, flag}
		f := of(s)
		f.Tests = append(f.Tests, u)
	}
	for _, groups := range [][]Group{Business(o), Pipeline(o)} {
		for _, g := range groups {
			for _, r := range g.Rules {
				about := r.Labels["alert_id"]
				for _, l := range []string{"window", "reason", "trouble"} {
					if v := r.Labels[l]; v != "" {
						about += " " + v
					}
				}
				has := tested[about]
				if !has[fires] || !has[below] && r.Expr != "vector(1)" || !has[thin] && noSample[about] == "" {
					t.Errorf("%s wants scenes that fire, stay barely below, and have too small a sample or a reason in noSample: it has %v", about, has)
				}
			}
		}
	}
	for name, f := range suites {
		t.Run(strings.Trim(name, "-"), func(t *testing.T) {
			t.Parallel()
			b, err := yaml.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name+"test.yml")
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
			run(t, "promtool", "test", "rules", path)
		})
	}
}

// flagged says whether the alert has a flag of insufficient data at all.
func flagged(id string) bool {
	for _, r := range insufficient() {
		if r.Labels["alert_id"] == id {
			return true
		}
	}
	return false
}
