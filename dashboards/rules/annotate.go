package rules

import (
	"cmp"
	"fmt"
	"maps"
	"strings"
	"time"
)

// alert is what all alerts have in common.
type alert struct {
	id, name         string // A-CVR-01, ConversionDropOverall
	severity, family string
	scope            string // overall, stage, slice; empty outside of business
	hold             string // for
	keep             string // keep_firing_for; empty: the usual one
	window           window // empty: none
	expr             string
	summary          string
	description      string
	dashboard        string // uid of the one to open
	labels           map[string]string
	current, base    string // templates; empty where the alert has no such number
	sample, z        string
	lost             bool // what it costs is recorded, by the matchers that follow
	lostOf           map[string]string
	lostBy           []string // labels of the alert that say which
}

const (
	// usually an alert goes on for so long after its condition ends, so that one
	// around its limit does not come and go.
	usually = "10m"
	// aftermath is for what silences others: those go on for ten minutes after
	// their windows, of half an hour, are good again.
	aftermath = "45m"
)

func (a alert) rule(o Options) Rule {
	labels := map[string]string{"alert_id": a.id, "severity": a.severity, "family": a.family}
	maps.Copy(labels, a.labels)
	for k, v := range map[string]string{"scope": a.scope, "window": string(a.window)} {
		if v != "" {
			labels[k] = v
		}
	}
	annotations := map[string]string{
		"summary": a.summary, "description": a.description,
		"runbook":   o.Runbooks + "#" + strings.ToLower(a.id),
		"dashboard": a.link(o),
	}
	numbers := map[string]string{"current": a.current, "baseline": a.base, "sample": a.sample, "z": a.z}
	if a.scope != "" {
		// On-call must not guess whether a number is missing or does not exist.
		for k, v := range numbers {
			numbers[k] = cmp.Or(v, "does not apply")
		}
		numbers["slice"] = a.slice()
		numbers["lost_orders_per_hour"], numbers["lost_money_per_hour"] = "not estimated", "not estimated"
		if a.lost {
			numbers["lost_orders_per_hour"] = "about " + ask(lostOrders, number, a.lostOf, a.lostBy...)
			numbers["lost_money_per_hour"] = "about " + askWith(lostMoney, `{{ . | first | value | printf "%.0f" }} {{ . | first | label "currency" }}`, a.lostOf, a.lostBy...)
		}
	}
	for k, v := range numbers {
		if v != "" {
			annotations[k] = v
		}
	}
	return Rule{Alert: a.name, Expr: a.expr, For: a.hold, KeepFiringFor: cmp.Or(a.keep, usually), Labels: labels, Annotations: annotations}
}

// slice says which part of the shop it is about.
func (a alert) slice() string {
	switch { // labels that the rule adds are not among $labels
	case a.scope == "slice":
		return cmp.Or(a.labels["dimension"], "{{ $labels.dimension }}") + "={{ $labels.slice }}"
	case a.labels["step"] != "":
		return "step=" + a.labels["step"]
	case a.scope == "stage":
		return "carts"
	}
	return "the whole shop"
}

// link opens the dashboard at the time of the alert, whenever somebody follows
// it: six windows back, with the shop and the slice chosen.
func (a alert) link(o Options) string {
	if a.dashboard == "" {
		return ""
	}
	back := max(3*time.Hour, time.Duration(6*hours[a.window]*float64(time.Hour)))
	moment := func(ago time.Duration) string {
		return fmt.Sprintf(`{{ with query "1000 * (time() - %d)" }}{{ . | first | value | printf "%%.0f" }}{{ end }}`, int(ago.Seconds()))
	}
	link := o.Grafana + "/d/" + a.dashboard + "?from=" + moment(back) + "&to=" + moment(0) + "{{ with $labels.tenant }}&var-tenant={{ . | urlquery }}{{ end }}"
	if a.scope == "slice" {
		for _, v := range []string{"platform", "channel"} {
			link += fmt.Sprintf("{{ if eq $labels.dimension %q }}&var-%s={{ $labels.slice | urlquery }}{{ end }}", v, v)
		}
	}
	return link
}

// ask is a template that reads another series with the labels of the alert, and
// says "unknown" where there is none.
func ask(series, format string, fixed map[string]string, labels ...string) string {
	return askWith(series, "{{ . | first | value | "+format+" }}", fixed, labels...)
}

func askWith(series, template string, fixed map[string]string, labels ...string) string {
	sel := selector(fixed)
	matchers := strings.TrimSuffix(strings.TrimPrefix(sel, "{"), "}")
	var args []string
	for _, l := range labels {
		if matchers != "" {
			matchers += ","
		}
		matchers += l + `="%s"`
		args = append(args, "$labels."+l)
	}
	return fmt.Sprintf("{{ with printf `%s{%s}` %s | query }}%s{{ else }}unknown{{ end }}", series, matchers, strings.Join(args, " "), template)
}

// Formats of numbers in annotations.
const (
	percent = "humanizePercentage"
	number  = `printf "%.0f"`
	score   = `printf "%.1f"`
)

// numbersOfRate fills what a rate's alert says, from the series of its window.
func (a *alert) numbersOfRate(rate string) {
	fixed, by := map[string]string{"rate": rate}, []string{"tenant", "dimension", "slice"}
	of := func(series, format string) string { return ask(series+string(a.window), format, fixed, by...) }
	a.current, a.base = of("ecom:rate:now", percent), of("ecom:rate:base", percent)
	unit := " sessions"
	if rate == attributedGate.rate {
		unit = " orders"
	}
	a.sample, a.z = of("ecom:rate_n:inc", number)+unit, of("ecom:rate:z", score)
	if rate == "bounce" { // nobody knows what they would have bought
		return
	}
	a.costs(map[bool]string{true: "step", false: "rate"}[a.labels["step"] != ""], a.window)
	a.lostOf["rate"], a.lostBy = rate, by
}

// costs takes the estimate from what is recorded of so many orders.
func (a *alert) costs(of string, w window) {
	a.lost, a.lostOf, a.lostBy = true, map[string]string{"of": of, "window": string(w)}, []string{"tenant"}
	if a.scope == "slice" {
		a.lostBy = append(a.lostBy, "slice")
	}
}
