package dashboards

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/dashboards/rules"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/schemas/catalogue"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestPanelsAreComplete: the rules of Grafana's dashboard-linter that can be
// said of our own types, and our own.
func TestPanelsAreComplete(t *testing.T) {
	runbooks := read(t, "../docs/operations.md")
	definitions := map[string]bool{}
	for _, h := range regexp.MustCompile(`(?m)^### (.*)$`).FindAllStringSubmatch(read(t, "../docs/metrics.md"), -1) {
		definitions["#"+anchor(h[1])] = true
	}
	excused, titles, seen := map[string]string{}, map[string]bool{}, map[string]bool{}
	for reason, panels := range noLimits {
		for _, p := range panels {
			if excused[p] != "" {
				t.Errorf("%s stands twice among the panels without thresholds", p)
			}
			excused[p] = reason
		}
	}
	for _, b := range boards() {
		if titles[b.title] || b.about == "" || len(b.next) == 0 {
			t.Errorf("%s: wants a title of its own, what it is about, and where to go on", b.uid)
		}
		titles[b.title] = true
		for _, uid := range b.next {
			if titleOf(uid) == uid || uid == b.uid {
				t.Errorf("%s links to %s, which is no other dashboard", b.uid, uid)
			}
		}
		panels := map[string]bool{}
		for _, r := range append([]row{{question: "?", panels: stamp()}}, b.rows...) {
			if !strings.HasSuffix(r.question, "?") {
				t.Errorf("%s: row %q is no question", b.uid, r.question)
			}
			width := 0
			for _, p := range r.panels {
				width += p.span
				if width > 24 && (width-p.span)%24 != 0 {
					t.Errorf("%s: %s crosses the edge: widths must add up to 24", b.uid, p.title)
				}
				if width%24 == 0 {
					width = 0
				}
				switch {
				case p.title == "" || panels[p.title]:
					t.Errorf("%s: panel %q wants a title of its own", b.uid, p.title)
				case !strings.HasSuffix(p.description, "."):
					t.Errorf("%s: %s wants a description", b.uid, p.title)
				case p.unit == "":
					t.Errorf("%s: %s wants a unit", b.uid, p.title)
				case len(p.targets) == 0:
					t.Errorf("%s: %s asks nothing", b.uid, p.title)
				case p.alert() != "" && !strings.Contains(runbooks, "\n### "+strings.ToUpper(p.alert())+"\n"):
					t.Errorf("%s: %s links to runbook %s, which docs/operations.md does not have", b.uid, p.title, p.alert())
				case p.metric() == nil && p.title != "Alerts that fire" && p.title != "Insufficient data": // these are of all
					t.Errorf("%s: the description of %s names no metric to read on about", b.uid, p.title)
				case p.metric() != nil && !slices.ContainsFunc(p.links(Options{}), func(l link) bool { return definitions[l.url] }):
					t.Errorf("%s: %s links to no heading of docs/metrics.md: %v", b.uid, p.title, p.links(Options{}))
				}
				board := b.file[:3] + " " + p.title
				if r.question == "?" {
					board = p.title // stands on every dashboard
				}
				if (excused[board] == "") == (len(p.steps) == 0) {
					t.Errorf("%s: %s wants thresholds, or a reason in noLimits to have none", b.uid, p.title)
				}
				seen[board] = true
				panels[p.title] = true
				for i, q := range p.targets {
					if (len(p.targets) > 1 || strings.Contains(q.promql, " by (")) && p.kind == asSeries && q.promql != "" && q.legend == "" {
						t.Errorf("%s: %s, target %d wants a legend", b.uid, p.title, i)
					}
				}
			}
			if width != 0 {
				t.Errorf("%s: row %q ends at %d of 24", b.uid, r.question, width)
			}
		}
	}
	for p := range excused {
		if !seen[p] {
			t.Errorf("%s has no thresholds by noLimits, and is no panel", p)
		}
	}
}

// TestSharesHaveTheirSample: a share of a slice is left out below the sample, and
// its n stands beside it.
func TestSharesHaveTheirSample(t *testing.T) {
	divided := regexp.MustCompile(`\) / (on \([a-z]+\) group_left \(\) )?\(`)
	for _, b := range boards() {
		for _, r := range b.rows {
			for _, p := range r.panels {
				for _, q := range p.targets {
					if p.kind == asTable && strings.Contains(q.sql, "nullIf(") && (!strings.Contains(q.sql, " >= 100, ") || len(p.shares) == 0) {
						t.Errorf("%s: %s shows a share whatever its sample", b.uid, p.title)
					}
					if b.file != "d12-pipeline" && divided.MatchString(q.promql) && !strings.Contains(q.promql, " >= ") {
						t.Errorf("%s: %s divides whatever the sample", b.uid, p.title)
					}
				}
			}
		}
	}
}

// TestChoicesAct: a panel follows the choices of its dashboard or says that it
// does not.
func TestChoicesAct(t *testing.T) {
	files, err := Files(DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range boards() {
		text := string(files["grafana/dashboards/"+b.file+".json"])
		for _, choice := range []string{"platform", "channel"} {
			if has := strings.Contains(text, `"name": "`+choice+`"`); has != b.sliced {
				t.Errorf("%s: has the choice of %s: %t, want %t", b.uid, choice, has, b.sliced)
			}
		}
		for _, r := range b.rows {
			for _, p := range r.panels {
				if whole := p.whole(); b.sliced && whole != "" && !strings.Contains(text, p.description+whole) {
					t.Errorf("%s: %s does not say that it shows everything", b.uid, p.title)
				}
				for _, q := range p.targets {
					if !b.sliced && strings.Contains(q.promql+q.sql, "$channel") {
						t.Errorf("%s: %s follows a choice that is not there", b.uid, p.title)
					}
				}
			}
		}
	}
}

var (
	seriesName = regexp.MustCompile(`\becom[_:][a-z0-9_:]+`)
	counter    = regexp.MustCompile(`(rate|increase|sum)?\(?\s*(ecom_[a-z0-9_]+_total)(\{[^}]*\})?(\[[^\]]+\])?`)
)

// knownSeries are those that the program exports or a rule records.
func knownSeries(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	voc, err := schemas.NewVocabulary([schemas.NumTopics]string{"clickstream", "orders"}, []schemas.Tenant{{ID: "main", Location: time.UTC, Currency: "CNY"}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range schemas.NewRegister(voc).Metrics {
		known[m.Name] = true
		if m.Type == schemas.Histogram {
			known[m.Name+"_bucket"] = true
		}
	}
	// What the program says of itself is in docs/operations.md, which a test
	// compares with the running program.
	for _, name := range seriesName.FindAllString(read(t, "../docs/operations.md"), -1) {
		known[name], known[name+"_bucket"] = true, true
	}
	for _, g := range rules.Recording() {
		for _, r := range g.Rules {
			known[r.Record] = true
		}
	}
	return known
}

// TestSeriesExist: a panel or a rule names only series that somebody exports or
// records, and takes counters by their increase.
func TestSeriesExist(t *testing.T) {
	known := knownSeries(t)
	check := func(where, expr string) {
		for _, name := range seriesName.FindAllString(expr, -1) {
			if !known[name] {
				t.Errorf("%s names %s, which nobody exports", where, name)
			}
		}
		for _, m := range counter.FindAllStringSubmatch(expr, -1) {
			if m[4] == "" {
				t.Errorf("%s takes the counter %s as it stands: a restart would look like a loss", where, m[2])
			}
		}
	}
	for _, q := range Queries() {
		check(q.Board+" "+q.Panel, q.PromQL)
	}
	o := rules.DefaultOptions()
	for _, groups := range [][]rules.Group{rules.Recording(), rules.Business(o), rules.Pipeline(o)} {
		for _, g := range groups {
			for _, r := range g.Rules {
				check(r.Record+r.Alert, r.Expr)
			}
		}
	}
}

// TestAlertsLeadSomewhere: each alert has what on-call needs, and its links end
// at something that is there.
func TestAlertsLeadSomewhere(t *testing.T) {
	o := rules.DefaultOptions()
	text := read(t, "../docs/operations.md")
	var ids []string
	for _, groups := range [][]rules.Group{rules.Business(o), rules.Pipeline(o)} {
		for _, g := range groups {
			for _, r := range g.Rules {
				id := r.Labels["alert_id"]
				ids = append(ids, id)
				for _, want := range []string{"summary", "description", "runbook", "dashboard"} {
					if r.Annotations[want] == "" {
						t.Errorf("%s has no %s", id, want)
					}
				}
				if g.Name != "storepulse-pipeline" && (r.Annotations["current"] == "" || r.Annotations["baseline"] == "") {
					t.Errorf("%s does not say what is and what is usual", id)
				}
				if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) || r.Labels["family"] == "" {
					t.Errorf("%s has labels %v", id, r.Labels)
				}
				if !strings.Contains(text, "\n### "+id+"\n") {
					t.Errorf("%s has no runbook in docs/operations.md", id)
				}
				board := regexp.MustCompile(`/d/([a-z0-9-]+)\?`).FindStringSubmatch(r.Annotations["dashboard"])
				if board == nil || titleOf(board[1]) == board[1] {
					t.Errorf("%s links to no dashboard: %s", id, r.Annotations["dashboard"])
				}
			}
		}
	}
	for _, want := range []string{
		"A-CVR-01", "A-CVR-02", "A-CVR-03", "A-CVR-04", "A-ORD-01", "A-GMV-01", "A-PAY-01", "A-TRF-01", "A-TRF-02", "A-BNC-01", "A-TRK-01",
		"A-PL-01", "A-PL-02", "A-PL-03", "A-PL-04", "A-PL-05", "A-PL-06", "A-PL-07", "A-PL-08", "A-PL-11", "A-PL-12", "A-PL-13",
	} {
		if !slices.Contains(ids, want) {
			t.Errorf("%s of docs/design.md is not there", want)
		}
	}
}

// TestTheCatalogueIsShown: the catalogue, the dashboards and the alerts name
// each other, and nobody names what does not exist.
func TestTheCatalogueIsShown(t *testing.T) {
	known := knownSeries(t)
	alerts, watched := map[string]bool{}, map[string]bool{}
	for _, g := range slices.Concat(rules.Business(rules.DefaultOptions()), rules.Pipeline(rules.DefaultOptions())) {
		for _, r := range g.Rules {
			if id := r.Labels["alert_id"]; id != "" {
				alerts[id] = true
			}
		}
	}
	number := regexp.MustCompile(`\b(SAL|TRF|FUN|CUS|SVC|FUL|RSK|PLT)-\d\d\b`)
	shown := map[string]map[string]bool{} // dashboard, id
	for _, b := range boards() {
		board := strings.ToUpper(b.file[:3])
		shown[board] = map[string]bool{}
		for _, r := range append([]row{{panels: stamp()}}, b.rows...) {
			for _, p := range r.panels {
				for _, id := range number.FindAllString(p.description, -1) {
					shown[board][id] = true
					if len(catalogue.Find(id)) == 0 {
						t.Errorf("%s: %s speaks of %s, which the catalogue does not have", b.uid, p.title, id)
					}
				}
				for _, q := range p.targets {
					for _, view := range regexp.MustCompile(`\bmetric_([a-z0-9_]+)`).FindAllStringSubmatch(q.sql, -1) {
						if m := catalogue.Find(view[1]); len(m) != 1 || m[0].View == "" {
							t.Errorf("%s: %s reads %s, which is no view of the catalogue", b.uid, p.title, view[0])
						}
					}
				}
			}
		}
	}
	names := map[string]bool{}
	for _, m := range catalogue.All() {
		if names[m.Name] {
			t.Errorf("%s is the name of two metrics", m.Name)
		}
		names[m.Name] = true
		if m.Title == "" || m.Unit == "" || m.Formula == "" || len(m.Edges) == 0 || len(m.Dashboards) == 0 {
			t.Errorf("%s: wants title, unit, formula, edge rules and a dashboard", m.Name)
		}
		if (m.Now == "") != (len(m.Series) == 0) || (m.ViewName() == "") != (m.Value == "") || m.Now == "" && m.Value == "" {
			t.Errorf("%s: wants series with a query, or a view with a value", m.Name)
		}
		if m.Of != "" && (m.View != "" || len(catalogue.Find(m.Of)) != 1 || catalogue.Find(m.Of)[0].View == "") {
			t.Errorf("%s: %s has no view to share", m.Name, m.Of)
		}
		for _, s := range m.Series {
			if !known[s] {
				t.Errorf("%s: nobody exports %s", m.Name, s)
			}
		}
		for _, s := range seriesName.FindAllString(m.Now, -1) {
			if !known[s] {
				t.Errorf("%s: nobody exports %s, which its query names", m.Name, s)
			}
		}
		for _, d := range m.Dashboards {
			if !shown[d][m.ID] {
				t.Errorf("%s: no panel of %s speaks of %s", m.Name, d, m.ID)
			}
		}
		for _, a := range m.Alerts {
			watched[a] = true
			if !alerts[a] {
				t.Errorf("%s: there is no alert %s", m.Name, a)
			}
		}
	}
	for a := range alerts {
		if !watched[a] {
			t.Errorf("no metric names the alert %s", a)
		}
	}
}
