package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRoutes: who gets what.
func TestRoutes(t *testing.T) {
	config := filepath.Join(write(t), "alertmanager/alertmanager.yml")
	for labels, want := range map[string]string{
		"alert_id=A-CVR-01 severity=critical family=business": "page",
		"alert_id=A-CVR-03 severity=warning family=business":  "chat",
		"alert_id=A-PL-11 severity=info family=pipeline":      "heartbeat",
		"alert_id=A-XYZ-01 severity=info family=business":     "digest",
	} {
		out := strings.Split(strings.TrimSpace(run(t, "amtool", append([]string{"config", "routes", "test", "--config.file=" + config}, strings.Fields(labels)...)...)), "\n")
		got := out[len(out)-1] // a warning may come first
		if got != want {
			t.Errorf("%s goes to %q, want %q", labels, got, want)
		}
	}
}

// manager is a real Alertmanager with the generated configuration.
type manager struct {
	url  string
	http *http.Client
}

func startManager(t *testing.T) manager {
	t.Helper()
	dir := write(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), tool(t, "prometheus-alertmanager"),
		"--config.file="+filepath.Join(dir, "alertmanager/alertmanager.yml"), "--storage.path="+t.TempDir(), "--web.listen-address="+addr, "--cluster.listen-address=")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	m := manager{url: "http://" + addr, http: &http.Client{Timeout: 20 * time.Second}}
	m.until(t, "Alertmanager is ready", func() bool {
		res, err := m.http.Get(m.url + "/-/ready")
		if err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
	return m
}

func (m manager) until(t *testing.T, what string, reached func() bool) {
	t.Helper()
	deadline, tick := time.After(20*time.Second), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for !reached() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited 20 s until %s", what)
		}
	}
}

func (m manager) post(t *testing.T, alerts ...map[string]string) {
	t.Helper()
	var body []map[string]any
	for _, labels := range alerts {
		body = append(body, map[string]any{"labels": labels, "endsAt": time.Now().Add(time.Hour).Format(time.RFC3339)})
	}
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := m.http.Post(m.url+"/api/v2/alerts", "application/json", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		t.Fatalf("post alerts: %s: %s", res.Status, text)
	}
}

// silenced gives the ids of the alerts that are inhibited, and of all.
func (m manager) silenced(t *testing.T) (inhibited, all map[string]bool) {
	t.Helper()
	res, err := m.http.Get(m.url + "/api/v2/alerts")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var alerts []struct {
		Labels map[string]string
		Status struct{ InhibitedBy []string }
	}
	if err := json.NewDecoder(res.Body).Decode(&alerts); err != nil {
		t.Fatal(err)
	}
	inhibited, all = map[string]bool{}, map[string]bool{}
	for _, a := range alerts {
		key := a.Labels["alert_id"] + a.Labels["tenant"]
		all[key] = true
		if len(a.Status.InhibitedBy) > 0 {
			inhibited[key] = true
		}
	}
	return inhibited, all
}

// TestInhibition: trouble of pipeline and tracking silences every business
// alert, a fall of the whole shop those of its slices and stages.
func TestInhibition(t *testing.T) {
	o := DefaultOptions()
	// One instance of each business alert, with the labels its rule gives.
	business := map[string]map[string]string{}
	for _, g := range Business(o) {
		for _, r := range g.Rules {
			labels := map[string]string{"alertname": r.Alert}
			for k, v := range r.Labels {
				labels[k] = v
			}
			if labels["family"] == "business" {
				business[labels["alert_id"]] = labels
			}
		}
	}
	with := func(labels map[string]string, more ...string) map[string]string {
		out := map[string]string{}
		for k, v := range labels {
			out[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			out[more[i]] = more[i+1]
		}
		return out
	}
	for _, source := range []map[string]string{
		{"alert_id": "A-PL-01", "severity": "critical", "family": "pipeline"},
		{"alert_id": "A-PL-02", "severity": "critical", "family": "pipeline"},
		{"alert_id": "A-PL-06", "severity": "critical", "family": "pipeline"},
		{"alert_id": "A-PL-07", "severity": "critical", "family": "pipeline"},
		{"alert_id": "A-TRK-01", "severity": "critical", "family": "tracking"},
	} {
		t.Run(source["alert_id"], func(t *testing.T) {
			t.Parallel()
			m := startManager(t)
			var alerts []map[string]string
			for _, labels := range business {
				alerts = append(alerts, labels)
			}
			alerts = append(alerts, with(source, "alertname", "Source"))
			m.post(t, alerts...)
			m.until(t, fmt.Sprintf("all %d business alerts are inhibited", len(business)), func() bool {
				inhibited, _ := m.silenced(t)
				return len(inhibited) == len(business)
			})
			if inhibited, _ := m.silenced(t); inhibited[source["alert_id"]] {
				t.Error("the source is silenced itself")
			}
		})
	}
	t.Run("overall", func(t *testing.T) {
		t.Parallel()
		m := startManager(t)
		m.post(
			t, with(business["A-CVR-01"], "tenant", "north"), with(business["A-CVR-03"], "tenant", "north", "slice", "app_ios"), with(business["A-CVR-04"], "tenant", "north"),
			with(business["A-CVR-03"], "tenant", "south", "slice", "app_ios"), with(business["A-PAY-01"], "tenant", "north"),
			map[string]string{"alertname": "x", "alert_id": "A-PL-01", "severity": "warning", "family": "pipeline"},
		)
		m.until(t, "slice and stage of that tenant, and nothing else, are inhibited", func() bool {
			inhibited, all := m.silenced(t)
			return len(all) == 6 && len(inhibited) == 2 && inhibited["A-CVR-03north"] && inhibited["A-CVR-04north"]
		})
	})
}
