package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/dashboards"
	"github.com/storepulse/storepulse/dashboards/rules"
	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
)

// TestPanels: a shop with five weeks of history and customers now, a Prometheus
// that has the weeks from `rules backfill` and scrapes the worker, the generated
// rules and the real engine. Every query of every panel and every expression of
// every rule is run; one without data must have a reason.
func TestPanels(t *testing.T) {
	prometheus := devtest.Tool(t, "prometheus")
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 2)
		data := s.fiveWeeks()
		began := time.Now()

		// Another worker, in a promotion, meets five weeks anew once it is scraped: its
		// counters are seen to grow from zero through all of them.
		again := newShop(t, addr, session, 2)
		file := filepath.Join(t.TempDir(), "storepulse.yaml")
		promotion := fmt.Sprintf("promotions: [{kind: flash, name: now, from: %s, until: %s}]\n", began.Add(-time.Hour).Format(time.RFC3339), began.Add(time.Hour).Format(time.RFC3339))
		if err := os.WriteFile(file, []byte(promotion), 0o600); err != nil {
			t.Fatal(err)
		}
		worker := again.startEnv(append(again.env(), "STOREPULSE_CONFIG="+file), "run")
		worker.await(t, "lane starts")
		prom := startPrometheus(t, prometheus, data, worker.address(t))
		prom.await(t, "sum(ecom_orders_paid_total) == 0")
		again.feedAll(newHistory(began).Next)
		ctx, stop := context.WithCancel(t.Context())
		fed := make(chan struct{})
		go func() {
			defer close(fed)
			again.feed(ctx, gen.New(gen.Settings{Seed: 12, Start: time.Now(), Rate: 60, FlatDay: true, Defects: gen.RealisticDefects()}), produce.Pace{TimeLapse: 1})
		}()
		defer func() { stop(); <-fed }()
		prom.await(t, `sum(increase(ecom_orders_paid_total[5m])) > 500`, `sum(ecom_sessions_closed_total) > 10000`, `max(ecom_kafka_consumer_lag_seconds) < 10`, `sum(count_over_time(ecom:promo:factor[1m])) > 10`)

		o := outcome{t: t, until: time.Now().Add(patience)}
		labels := prom.labels(t)
		for _, q := range dashboards.Queries() {
			where := q.Board + " / " + q.Panel
			if q.SQL != "" {
				text := q.Expand(began.Add(-35*24*time.Hour), time.Now().Add(time.Minute), time.Minute)
				o.judge(where, text, func() int { return again.rows(where, text) }, q.MayBeEmpty)
				continue
			}
			text := q.Expand(time.Now().Add(-time.Minute), time.Now(), 15*time.Second)
			labels.check(t, where, text)
			o.judge(where, text, func() int { return prom.series(t, text) }, q.MayBeEmpty)
		}
		panels := o.asked
		mayBeEmpty := map[string]string{
			"ecom:insufficient_data":  "the alert has its sample",
			"ecom:tracking:share":     "no platform is silent while it sells",
			"ecom:clock:moved":        "no clock was moved",
			"ecom:promo:weeks30m":     "at this hour no promotion ran in the last weeks",
			"ecom:promo:weeks2h":      "at this hour no promotion ran in the last weeks",
			"ecom:duplicates:share7d": "the first half hour has not passed",
			"ecom:late:share7d":       "the first half hour has not passed",
			"ecom:letters:max7d":      "the first half hour has not passed",
		}
		for _, g := range rules.Recording() {
			for _, r := range g.Rules {
				labels.check(t, "rule "+r.Record, r.Expr)
				o.judge("rule "+r.Record+labelled(r.Labels, "alert_id", "rate", "count", "dimension"), r.Expr, func() int { return prom.series(t, r.Expr) }, mayBeEmpty[r.Record])
			}
		}
		recorded := o.asked - panels
		options := rules.DefaultOptions()
		for _, groups := range [][]rules.Group{rules.Business(options), rules.Pipeline(options)} {
			for _, g := range groups {
				for _, r := range g.Rules {
					labels.check(t, "alert "+r.Labels["alert_id"], r.Expr)
					o.judge("alert"+labelled(r.Labels, "alert_id", "step", "window", "severity", "trouble"), r.Expr, func() int { return prom.series(t, r.Expr) }, "does not fire")
				}
			}
		}
		t.Logf("%d queries of panels, %d recording rules, %d alert rules; %d empty without a reason", panels, recorded, o.asked-panels-recorded, o.empty)
	})
}

// seriesLabels are the labels of the workers' own series.
type seriesLabels map[string]map[string]bool

// labels asks for those of every series whose name begins with ecom_.
func (p prometheusServer) labels(t *testing.T) seriesLabels {
	t.Helper()
	res, err := devtest.HTTP.Get(p.url + "/api/v1/series?match[]=" + url.QueryEscape(`{__name__=~"ecom_.*"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var out struct{ Data []map[string]string }
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	all := seriesLabels{}
	for _, labels := range out.Data {
		name := labels["__name__"]
		if all[name] == nil {
			all[name] = map[string]bool{"tenant": true} // where there are several shops
		}
		for l := range labels {
			all[name][l] = true
		}
	}
	return all
}

var grouped = regexp.MustCompile(`by \(([a-z_, ]+)\) \((?:[a-z_]+\()?(ecom_[a-z0-9_]+)(\{[^}]*\})?`)

// check fails for an expression that groups or chooses a series by a label that
// it does not have: the result would be one nameless sum.
func (s seriesLabels) check(t *testing.T, where, expr string) {
	t.Helper()
	for _, m := range grouped.FindAllStringSubmatch(expr, -1) {
		have := s[m[2]]
		if have == nil {
			continue // nobody has counted anything yet
		}
		wanted := strings.Split(m[1], ", ")
		for _, l := range regexp.MustCompile(`([a-z_]+)(?:=|!=|=~|!~)"`).FindAllStringSubmatch(m[3], -1) {
			wanted = append(wanted, l[1])
		}
		for _, l := range wanted {
			if !have[l] {
				t.Errorf("%s: %s has no label %s: %s", where, m[2], l, expr)
			}
		}
	}
}

// outcome prints what each query gave, and fails for those that have no reason
// to give nothing.
type outcome struct {
	t            *testing.T
	until        time.Time // what a rule has not recorded yet may come as long
	asked, empty int
}

func (o *outcome) judge(where, text string, ask func() int, reason string) {
	o.t.Helper()
	o.asked++
	n := ask()
	for n == 0 && reason == "" && time.Now().Before(o.until) && pause(o.t, time.Second) {
		n = ask()
	}
	verdict := ""
	switch {
	case n == 0 && reason != "":
		verdict = "may be: " + reason
	case n == 0:
		verdict = "EMPTY"
		o.empty++
		o.t.Errorf("%s has no data: %s", where, text)
	}
	o.t.Logf("%6d  %-75s %s", n, where, verdict)
}

// labelled writes what tells rules of one name apart.
func labelled(labels map[string]string, names ...string) (text string) {
	for _, k := range names {
		if v := labels[k]; v != "" {
			text += " " + v
		}
	}
	return text
}

// rows runs a statement on the engine and counts its rows that are not null all over.
func (s *shop) rows(where, sql string) int {
	s.t.Helper()
	res, err := devtest.HTTP.Post(s.cfg.Sink.ClickHouse.URL+"/?default_format=JSONCompact&database="+url.QueryEscape(s.cfg.Sink.ClickHouse.Database), "text/plain", strings.NewReader(sql))
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Errorf("%s: %s: %v %s\n%s", where, res.Status, err, body, sql)
		return 0
	}
	var out struct{ Data [][]any }
	if err := json.Unmarshal(body, &out); err != nil {
		s.t.Fatalf("%s: %v: %s", where, err, body)
	}
	n := 0
	for _, row := range out.Data {
		if slices.ContainsFunc(row, func(v any) bool { return v != nil }) {
			n++
		}
	}
	return n
}

type prometheusServer struct{ url string }

// startPrometheus runs one that scrapes the targets every second and evaluates
// the rules every two; alerts hold for four instead of for minutes.
func startPrometheus(t *testing.T, bin, data string, targets ...string) prometheusServer {
	t.Helper()
	dir := t.TempDir()
	files, err := rules.Files(rules.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	interval, hold := regexp.MustCompile(`interval: (1m|15s|5m)\b`), regexp.MustCompile(`(?m)^( +for:) [1-9]\d*m$`)
	for _, name := range []string{"recording", "business", "pipeline"} {
		text := interval.ReplaceAllString(string(files["prometheus/rules/"+name+".yml"]), "interval: 2s")
		put(name+".yml", hold.ReplaceAllString(text, "$1 4s"))
	}
	hosts := strings.ReplaceAll(strings.Join(targets, ", "), "http://", "")
	put("prometheus.yml", fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 2s}\nrule_files: [recording.yml, business.yml, pipeline.yml]\nscrape_configs:\n- job_name: storepulse\n  static_configs:\n  - targets: [%s]\n", hosts))
	run := start(t, os.Environ(), bin, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+data, "--storage.tsdb.retention.time=45d", "--web.listen-address=127.0.0.1:0")
	p := prometheusServer{"http://" + run.address(t)}
	eventually(t, func() string {
		res, err := devtest.HTTP.Get(p.url + "/-/ready")
		if err != nil {
			return fmt.Sprintf("prometheus is not ready: %v\n%s", err, run.log)
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Sprintf("prometheus is not ready: %s\n%s", res.Status, run.log)
		}
		return ""
	})
	return p
}

// series is how many an expression gives now.
func (p prometheusServer) series(t *testing.T, expr string) int {
	t.Helper()
	res, err := devtest.HTTP.Get(p.url + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var out struct {
		Status, Error string
		Data          struct{ Result []json.RawMessage }
	}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	if out.Status != "success" {
		t.Errorf("%s: %s", expr, out.Error)
	}
	return len(out.Data.Result)
}

func (p prometheusServer) has(t *testing.T, expr string) bool {
	t.Helper()
	return p.series(t, expr) > 0
}
