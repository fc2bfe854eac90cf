package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/storepulse/storepulse/dashboards"
	"github.com/storepulse/storepulse/dashboards/rules"
)

// TestPanels: the demo's shop, a real Prometheus with the generated rules, and
// the real engine. Every query of every panel and every expression of every
// rule is run; a panel without data must have a reason.
func TestPanels(t *testing.T) {
	bin := promtools(t, "prometheus")
	s := &shop{t: t}
	began := time.Now()
	// Half a day of the shop in a minute and a bit, in a promotion: its rules have data.
	file := filepath.Join(t.TempDir(), "storepulse.yaml")
	promotion := fmt.Sprintf("promotions: [{kind: flash, name: now, from: %s, until: %s}]\n", began.Add(-time.Hour).Format(time.RFC3339), began.Add(time.Hour).Format(time.RFC3339))
	if err := os.WriteFile(file, []byte(promotion), 0o600); err != nil {
		t.Fatal(err)
	}
	demo := s.startEnv(append(os.Environ(), "STOREPULSE_HTTP_LISTEN="+freeAddr(t), "STOREPULSE_CONFIG="+file), "demo", "--data-dir", t.TempDir(), "--time-lapse", "600", "--rate", "30")
	demo.await(t, "catches up with the clock")
	addresses := regexp.MustCompile(`(?m)^  (metrics|clickhouse) +(http://[0-9.:]+)`).FindAllStringSubmatch(demo.log.String(), -1)
	if len(addresses) != 2 {
		t.Fatalf("the demo does not say where it listens:\n%s", demo.log.String())
	}
	metrics, engine := addresses[0][2], addresses[1][2]
	prom := startPrometheus(t, bin, filepath.Join(t.TempDir(), "data"), metrics)

	ready := time.Now().Add(3 * time.Minute)
	for !prom.has(t, `sum(increase(ecom_orders_paid_total[2m])) > 20 and on () sum(ecom:rate_n:inc30m{rate="cvr",dimension=""}) > 500 and on () sum(ecom_sessions_closed_total) > 100`) {
		if time.Now().After(ready) {
			t.Fatalf("the shop does not sell:\n%s", demo.log.tail(30))
		}
		pause(t, time.Second)
	}

	from, to := began.Add(-14*24*time.Hour), time.Now().Add(time.Minute)
	empty := 0
	judge := func(where, text string, n int, reason string) {
		verdict := ""
		switch {
		case n == 0 && reason != "":
			verdict = "may be: " + reason
		case n == 0:
			verdict = "EMPTY"
			empty++
		}
		t.Logf("%6d  %-75s %s", n, where, verdict)
		if verdict == "EMPTY" {
			t.Errorf("%s has no data: %s", where, text)
		}
	}
	for _, q := range dashboards.Queries() {
		reason := q.MayBeEmpty
		if q.NeedsWeeks && reason == "" {
			reason = "compares with weeks that a new shop does not have"
		}
		where := q.Board + " / " + q.Panel
		if q.SQL != "" {
			text := q.Expand(from, to, time.Minute)
			judge(where, text, rowsOf(t, engine, where, text), reason)
			continue
		}
		text := q.Expand(time.Now().Add(-time.Minute), time.Now(), 5*time.Second)
		judge(where, text, prom.series(t, text), reason)
	}
	recorded := 0
	for _, g := range rules.Recording() {
		for _, r := range g.Rules {
			reason := ""
			if old := regexp.MustCompile(`offset|:base|:mean|:median|:pooled|insufficient|inc2h|inc1d`); old.MatchString(r.Expr + r.Record) {
				reason = "compares with weeks that a new shop does not have"
			}
			judge(fmt.Sprintf("rule %s %v", r.Record, r.Labels), r.Expr, prom.series(t, r.Expr), reason)
			recorded++
		}
	}
	o := rules.DefaultOptions()
	for _, groups := range [][]rules.Group{rules.Business(o), rules.Pipeline(o)} {
		for _, g := range groups {
			for _, r := range g.Rules {
				judge(fmt.Sprintf("alert %s %s", r.Labels["alert_id"], r.Labels["window"]), r.Expr, prom.series(t, r.Expr), "does not fire")
			}
		}
	}
	t.Logf("%d empty without a reason, %d recording rules", empty, recorded)
}

// promtools finds a program of `make promtools`; CI has them.
func promtools(t *testing.T, name string) string {
	t.Helper()
	bin, err := filepath.Abs("../../build/promtools/bin/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(bin); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: run `make promtools`", name)
		}
		t.Skipf("%s is missing: run `make promtools`", name)
	}
	return bin
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// rowsOf runs a statement on the engine and counts its rows that are not null all over.
func rowsOf(t *testing.T, engine, where, sql string) int {
	t.Helper()
	res, err := http.Post(engine+"/?database=storepulse&default_format=JSONCompact", "text/plain", strings.NewReader(sql))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%s: %s: %v %s\n%s", where, res.Status, err, body, sql)
		return 0
	}
	var out struct{ Data [][]any }
	if err := json.Unmarshal(body, &out); err != nil {
		t.Fatalf("%s: %v: %s", where, err, body)
	}
	n := 0
	for _, row := range out.Data {
		for _, v := range row {
			if v != nil {
				n++
				break
			}
		}
	}
	return n
}

type prometheusServer struct{ url string }

// startPrometheus runs one that scrapes the targets every second and evaluates
// the rules every two.
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
	interval := regexp.MustCompile(`interval: (1m|15s)\b`)
	for _, name := range []string{"recording", "business", "pipeline"} {
		put(name+".yml", interval.ReplaceAllString(string(files["prometheus/rules/"+name+".yml"]), "interval: 2s"))
	}
	hosts := strings.ReplaceAll(strings.Join(targets, ", "), "http://", "")
	put("prometheus.yml", fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 2s}\nrule_files: [recording.yml, business.yml, pipeline.yml]\nscrape_configs:\n- job_name: storepulse\n  static_configs:\n  - targets: [%s]\n", hosts))
	addr := freeAddr(t)
	log := &syncBuffer{}
	cmd := exec.CommandContext(t.Context(), bin, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+data, "--storage.tsdb.retention.time=45d", "--web.listen-address="+addr)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	p := prometheusServer{"http://" + addr}
	deadline := time.Now().Add(30 * time.Second)
	for {
		res, err := http.Get(p.url + "/-/ready")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return p
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("prometheus is not ready:\n%s", log.String())
		}
		pause(t, 100*time.Millisecond)
	}
}

// series is how many an expression gives now.
func (p prometheusServer) series(t *testing.T, expr string) int {
	t.Helper()
	res, err := http.Get(p.url + "/api/v1/query?query=" + url.QueryEscape(expr))
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
