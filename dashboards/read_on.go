package dashboards

import (
	"regexp"
	"slices"
	"strings"

	"github.com/storepulse/storepulse/schemas/catalogue"
)

var metricID = regexp.MustCompile(`\b(SAL|TRF|FUN|CUS|SVC|FUL|RSK|PLT)-\d\d\b`)

// metric is the first one of the catalogue that the description speaks of.
func (p panel) metric() *catalogue.Metric {
	if found := catalogue.Find(metricID.FindString(p.description)); len(found) > 0 {
		return found[0]
	}
	return nil
}

// alert is the anchor of the runbook, "" if no alert watches what is shown.
func (p panel) alert() string {
	if m := p.metric(); p.runbook == "" && m != nil && len(m.Alerts) > 0 {
		return strings.ToLower(m.Alerts[0])
	}
	return p.runbook
}

type link struct{ title, url string }

// links lead to what to do, and to what is meant.
func (p panel) links(o Options) (out []link) {
	if a := p.alert(); a != "" {
		out = append(out, link{"Runbook", o.Runbooks + "#" + a})
	}
	if m := p.metric(); m != nil {
		out = append(out, link{"Definition", o.Metrics + "#" + anchor(m.ID+" "+m.Title)})
	}
	return out
}

// anchor is the one that a Markdown heading gets.
func anchor(heading string) string {
	kept := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r > 127:
			return r
		}
		return -1
	}, strings.ToLower(heading))
	return kept
}

// whole says which choices of the dashboard the panel cannot follow, because
// the data do not tell.
func (p panel) whole() string {
	var deaf []string
	for _, choice := range []string{"platform", "channel"} {
		if slices.ContainsFunc(p.targets, func(t target) bool {
			return !strings.Contains(t.promql+t.sql, "$"+choice) && !strings.Contains(t.sql, "${"+choice)
		}) {
			deaf = append(deaf, choice+"s")
		}
	}
	if len(deaf) == 0 {
		return ""
	}
	return " Of all " + strings.Join(deaf, " and ") + ", whatever is chosen."
}
