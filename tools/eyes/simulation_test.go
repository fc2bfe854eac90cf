package eyes

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/teststorage"

	generated "github.com/storepulse/storepulse/dashboards/rules"
)

// simulation is a Prometheus whose clock is moved by hand.
type simulation struct {
	t      *testing.T
	db     *teststorage.TestStorage
	groups []*rules.Group       // in the order of their needs
	mapped time.Time            // when chunks were last written down
	last   map[string]time.Time // when a group was evaluated
	// unread groups are evaluated only so often: no alert looks at what they record.
	unread map[string]time.Duration
	query  rules.QueryFunc
	firing map[string]time.Time
	log    []transition
}

// transition is an alert that begins or ends to fire.
type transition struct {
	at       time.Time
	labels   labels.Labels
	resolved bool
}

// edit changes the rules before they are loaded, if it is not nil.
func newSimulation(t *testing.T, edit func(rules []byte) []byte) *simulation {
	t.Helper()
	db := teststorage.New(t, func(o *tsdb.Options) {
		// Everything stays in memory: blocks on disk are slow to ask, and nobody restarts.
		o.MinBlockDuration = (100 * 24 * time.Hour).Milliseconds()
		o.MaxBlockDuration = o.MinBlockDuration
		o.WALSegmentSize = -1
	})
	s := &simulation{t: t, db: db, last: map[string]time.Time{}, firing: map[string]time.Time{}}
	parse := parser.NewParser(parser.Options{})
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 50_000_000, Timeout: time.Hour, Parser: parse})
	s.query = rules.EngineQueryFunc(engine, s.db)
	manager := rules.NewManager(&rules.ManagerOptions{
		Context: t.Context(), QueryFunc: s.query, NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Appendable: s.db, Queryable: s.db, Logger: slog.New(slog.DiscardHandler), Parser: parse,
	})
	files, err := generated.Files(generated.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var paths []string
	for _, name := range []string{"recording", "business", "pipeline"} {
		path := filepath.Join(dir, name+".yml")
		content := files["prometheus/rules/"+name+".yml"]
		if edit != nil {
			content = edit(content)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	loaded, errs := manager.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, paths...)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	o := generated.DefaultOptions()
	for _, g := range slices.Concat(generated.Recording(), generated.Business(o), generated.Pipeline(o)) {
		for _, l := range loaded {
			if l.Name() == g.Name {
				s.groups = append(s.groups, l)
			}
		}
	}
	if len(s.groups) != len(loaded) {
		t.Fatalf("%d groups of %d are in order", len(s.groups), len(loaded))
	}
	return s
}

// write appends one sample to each series.
func (s *simulation) write(at time.Time, samples map[*labels.Labels]float64) {
	s.t.Helper()
	app := s.db.Appender(s.t.Context())
	for l, v := range samples {
		if _, err := app.Append(0, *l, at.UnixMilli(), v); err != nil {
			s.t.Fatalf("append %s at %s: %v", l, at, err)
		}
	}
	if err := app.Commit(); err != nil {
		s.t.Fatal(err)
	}
	if at.Sub(s.mapped) >= 6*time.Hour {
		s.mapped = at
		s.db.ForceHeadMMap() // long lists of chunks are slow to ask
	}
}

// record runs only the rules that later baselines read: the windows, and what
// came by topic.
func (s *simulation) record(at time.Time) {
	s.t.Helper()
	for _, g := range s.groups {
		if g.Name() != "storepulse-windows" && g.Name() != "storepulse-topics" {
			continue
		}
		g.Eval(s.t.Context(), at)
		for _, r := range g.Rules() {
			if err := r.LastError(); err != nil {
				s.t.Fatalf("%s at %s: %v", r.Name(), at, err)
			}
		}
	}
}

// has says whether an expression has data at a moment.
func (s *simulation) has(at time.Time, expr string) bool {
	s.t.Helper()
	v, err := s.query(s.t.Context(), expr, at)
	if err != nil {
		s.t.Fatalf("%s: %v", expr, err)
	}
	return len(v) > 0
}

// eval runs every rule at the moment, and notes which alerts begin and end.
func (s *simulation) eval(at time.Time) {
	s.t.Helper()
	now := map[string]labels.Labels{}
	for _, g := range s.groups {
		if at.Sub(s.last[g.Name()]) < max(g.Interval(), s.unread[g.Name()]) {
			continue
		}
		s.last[g.Name()] = at
		g.Eval(s.t.Context(), at)
		for _, r := range g.Rules() {
			if err := r.LastError(); err != nil {
				s.t.Fatalf("%s at %s: %v", r.Name(), at, err)
			}
			alert, ok := r.(*rules.AlertingRule)
			if !ok {
				continue
			}
			for _, a := range alert.ActiveAlerts() {
				if a.State == rules.StateFiring && a.Labels.Get("alert_id") != "A-PL-11" { // which always fires

					now[a.Labels.String()] = a.Labels
				}
			}
		}
	}
	for key, l := range now {
		if _, was := s.firing[key]; !was {
			s.firing[key] = at
			s.log = append(s.log, transition{at: at, labels: l})
		}
	}
	for key := range s.firing {
		if _, is := now[key]; !is {
			delete(s.firing, key)
			var l labels.Labels
			for _, tr := range s.log {
				if tr.labels.String() == key {
					l = tr.labels
				}
			}
			s.log = append(s.log, transition{at: at, labels: l, resolved: true})
		}
	}
}

// pending says whether an alert has begun and not held long enough to fire.
func (s *simulation) pending() bool {
	for _, g := range s.groups {
		for _, r := range g.Rules() {
			if alert, ok := r.(*rules.AlertingRule); ok && alert.State() == rules.StatePending {
				return true
			}
		}
	}
	return false
}

// story tells the transitions in the order of time, relative to a moment.
func (s *simulation) story(from time.Time) string {
	var b strings.Builder
	for _, tr := range s.log {
		what := "fires"
		if tr.resolved {
			what = "ends "
		}
		fmt.Fprintf(&b, "%+7.0f min %s %s %s\n", tr.at.Sub(from).Minutes(), what, tr.labels.Get("alert_id"), describe(tr.labels))
	}
	return b.String()
}

func describe(l labels.Labels) string {
	var parts []string
	for _, name := range []string{"severity", "window", "step", "dimension", "slice", "reason"} {
		if v := l.Get(name); v != "" {
			parts = append(parts, name+"="+v)
		}
	}
	return strings.Join(parts, " ")
}

// first is when an alert with these labels fired first, as name=value.
func (s *simulation) first(want ...string) (time.Time, bool) {
	i := slices.IndexFunc(s.log, func(tr transition) bool {
		for _, w := range want {
			name, value, _ := strings.Cut(w, "=")
			if tr.resolved || tr.labels.Get(name) != value {
				return false
			}
		}
		return true
	})
	if i < 0 {
		return time.Time{}, false
	}
	return s.log[i].at, true
}
