package rules

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
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

// longEnough bounds the waits for an Alertmanager that is there at once elsewhere.
const longEnough = 3 * time.Minute

// manager is a real Alertmanager with the generated configuration.
type manager struct {
	url  string
	http *http.Client
}

func startManager(t *testing.T) manager {
	t.Helper()
	dir := write(t)
	cmd := exec.CommandContext(t.Context(), devtest.Tool(t, "prometheus-alertmanager"),
		"--config.file="+filepath.Join(dir, "alertmanager/alertmanager.yml"), "--storage.path="+t.TempDir(), "--web.listen-address=127.0.0.1:0", "--cluster.listen-address=")
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	address, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		listens := regexp.MustCompile(`msg="Listening on" address=(\S+)`)
		for lines := bufio.NewScanner(said); lines.Scan(); {
			fmt.Fprintln(&log, lines.Text())
			if m := listens.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case address <- m[1]:
				default:
				}
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	m := manager{http: &http.Client{Timeout: time.Minute}}
	select {
	case addr := <-address:
		m.url = "http://" + addr
	case <-ended:
		t.Fatal("Alertmanager ended before it listened")
	case <-time.After(longEnough):
		t.Fatal("Alertmanager does not say where it listens")
	}
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
	deadline, tick := time.After(longEnough), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for !reached() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %s until %s", longEnough, what)
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

// silenced gives the alerts that are inhibited, and all, by their keys.
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
		all[key(a.Labels)] = true
		if len(a.Status.InhibitedBy) > 0 {
			inhibited[key(a.Labels)] = true
		}
	}
	return inhibited, all
}

// TestInhibition: trouble of the pipeline silences every business alert and the
// tracker's, trouble of the tracker the business alerts of its shop, a fall of
// the whole shop those of its slices, and a page the warning of the same.
func TestInhibition(t *testing.T) {
	o := DefaultOptions()
	// Every alert on the shop, with the labels its rule gives.
	var business, tracking []map[string]string
	for _, g := range Business(o) {
		for _, r := range g.Rules {
			labels := with(r.Labels, "alertname", r.Alert)
			if r.Labels["family"] == "business" {
				business = append(business, labels)
			} else {
				tracking = append(tracking, labels)
			}
		}
	}
	sources := map[string]map[string]string{}
	for _, g := range Pipeline(o) {
		for _, r := range g.Rules {
			id, severity := r.Labels["alert_id"], r.Labels["severity"]
			if strings.Contains("A-PL-02 A-PL-06 A-PL-07", id) || id == "A-PL-01" && severity == "critical" {
				sources[strings.TrimSpace(id+" "+r.Labels["trouble"])] = with(r.Labels, "alertname", r.Alert)
			}
		}
	}
	if len(sources) != 7 {
		t.Fatalf("%d alerts of the pipeline silence others: %v", len(sources), sources)
	}
	for name, source := range sources {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startManager(t)
			judged := slices.Concat(business, tracking)
			m.post(t, append(slices.Clone(judged), source)...)
			m.until(t, fmt.Sprintf("all %d alerts on the shop are inhibited, and the source is not", len(judged)), func() bool {
				inhibited, all := m.silenced(t)
				return len(all) == len(judged)+1 && len(inhibited) == len(judged) && !inhibited[key(source)]
			})
		})
	}
	for _, source := range tracking {
		larger := source["window"] == string(twoHours) || source["window"] == string(day)
		t.Run("A-TRK-01 "+source["reason"]+" "+source["window"], func(t *testing.T) {
			t.Parallel()
			m := startManager(t)
			alerts := []map[string]string{with(source, "tenant", "north")}
			for _, labels := range business {
				alerts = append(alerts, with(labels, "tenant", "north"), with(labels, "tenant", "south"))
			}
			m.post(t, alerts...)
			m.until(t, "the business alerts of that shop, of those windows, and of no other, are inhibited", func() bool {
				inhibited, all := m.silenced(t)
				if len(all) != len(alerts) {
					return false
				}
				for _, labels := range alerts[1:] {
					// Pages of the other shop still stand for their own warnings.
					silenced := !larger || labels["window"] == source["window"]
					if labels["tenant"] == "north" && silenced && !inhibited[key(labels)] || (labels["tenant"] == "south" || !silenced) && labels["severity"] == "critical" && inhibited[key(labels)] {
						return false
					}
				}
				return !inhibited[key(alerts[0])]
			})
		})
	}
	of := func(id, severity, tenant string, more ...string) map[string]string {
		family := "business"
		if strings.HasPrefix(id, "A-PL") {
			family = "pipeline"
		}
		return with(map[string]string{"alertname": "x", "alert_id": id, "severity": severity, "tenant": tenant, "family": family}, more...)
	}
	for name, c := range map[string]struct{ inhibited, not []map[string]string }{
		"overall": {
			[]map[string]string{of("A-CVR-03", "warning", "north", "dimension", "platform", "slice", "app_ios")},
			[]map[string]string{
				of("A-CVR-01", "critical", "north"), of("A-CVR-03", "warning", "south", "dimension", "platform", "slice", "app_ios"),
				of("A-CVR-02", "warning", "north", "step", "visit_to_product_view"), of("A-CVR-04", "warning", "north"), of("A-PAY-01", "critical", "north", "slice", "alipay"), of("A-PL-01", "warning", "", "topic", "orders"),
			},
		},
		"a page stands for its warning": {
			[]map[string]string{of("A-TRF-01", "warning", "north"), of("A-PL-03", "warning", "", "topic", "orders")},
			[]map[string]string{
				of("A-TRF-01", "critical", "north"), of("A-TRF-01", "warning", "south"),
				of("A-CVR-02", "critical", "south", "step", "order_submit_to_pay"), of("A-CVR-02", "warning", "south", "step", "visit_to_product_view"),
				of("A-PL-03", "critical", "", "topic", "orders"), of("A-PL-03", "warning", "", "topic", "clickstream"),
				of("A-PL-12", "critical", ""), of("A-PL-12", "warning", "", "instance", "w1"),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startManager(t)
			alerts := slices.Concat(c.inhibited, c.not)
			m.post(t, alerts...)
			m.until(t, fmt.Sprintf("%v, and nothing else, are inhibited", c.inhibited), func() bool {
				inhibited, all := m.silenced(t)
				if len(all) != len(alerts) || len(inhibited) != len(c.inhibited) {
					return false
				}
				return !slices.ContainsFunc(c.inhibited, func(labels map[string]string) bool { return !inhibited[key(labels)] })
			})
		})
	}
}

// with is a copy of the labels and more of them; an empty one is none.
func with(labels map[string]string, more ...string) map[string]string {
	out := maps.Clone(labels)
	for i := 0; i < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	maps.DeleteFunc(out, func(_, v string) bool { return v == "" })
	return out
}

// key tells alerts apart.
func key(labels map[string]string) string { return fmt.Sprint(labels) }
