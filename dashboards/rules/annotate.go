package rules

import (
	"fmt"
	"strings"
)

// alert is what all alerts have in common.
type alert struct {
	id, name           string // A-CVR-01, ConversionDropOverall
	severity, family   string
	scope              string // overall, stage, slice; empty outside of business
	hold               string // for
	expr               string
	summary            string
	description        string
	dashboard          string // uid of the one to open
	labels             map[string]string
	current, base      string // templates; empty where the alert has no such number
	sample, z          string
	lost, lostMoney    string
	keepFiring, window string
}

func (a alert) rule(o Options) Rule {
	labels := map[string]string{"alert_id": a.id, "severity": a.severity, "family": a.family}
	for k, v := range a.labels {
		labels[k] = v
	}
	for k, v := range map[string]string{"scope": a.scope, "window": a.window} {
		if v != "" {
			labels[k] = v
		}
	}
	annotations := map[string]string{
		"summary": a.summary, "description": a.description,
		"runbook": o.Runbooks + "#" + strings.ToLower(a.id),
	}
	if a.dashboard != "" {
		// From three hours before the alert to now; the tenant is chosen.
		annotations["dashboard"] = o.Grafana + "/d/" + a.dashboard + "?from=now-3h&to=now&var-tenant={{ $labels.tenant }}"
	}
	for k, v := range map[string]string{
		"current": a.current, "baseline": a.base, "sample": a.sample, "z": a.z,
		"lost_orders_per_hour": a.lost, "lost_money_per_hour": a.lostMoney,
	} {
		if v != "" {
			annotations[k] = v
		}
	}
	if a.scope == "slice" {
		annotations["slice"] = "{{ $labels.dimension }}={{ $labels.slice }}"
	}
	keep := a.keepFiring
	if keep == "" && a.family != "pipeline" {
		keep = "10m"
	}
	return Rule{Alert: a.name, Expr: a.expr, For: a.hold, KeepFiringFor: keep, Labels: labels, Annotations: annotations}
}

// ask is a template that reads another series with the labels of the alert, and
// says "unknown" where there is none.
func ask(series, format string, fixed map[string]string, labels ...string) string {
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
	return fmt.Sprintf("{{ with printf `%s{%s}` %s | query }}{{ . | first | value | %s }}{{ else }}unknown{{ end }}", series, matchers, strings.Join(args, " "), format)
}

// Formats of numbers in annotations.
const (
	percent = "humanizePercentage"
	number  = `printf "%.0f"`
	score   = `printf "%.1f"`
)

// numbersOfRate fills what a rate's alert says, from the series of its window.
func (a *alert) numbersOfRate(w window, rate string) {
	fixed := map[string]string{"rate": rate}
	of := func(series, format string) string {
		return ask(series+string(w), format, fixed, "tenant", "dimension", "slice")
	}
	a.current, a.base = of("ecom:rate:now", percent), of("ecom:rate:base", percent)
	a.sample, a.z = of("ecom:rate_n:inc", number), of("ecom:rate:z", score)
}

// moneyOfRate says what a drop of conversion costs.
func (a *alert) moneyOfRate() {
	a.lost = ask("ecom:cvr:lost_orders_per_hour", number, nil, "tenant", "dimension", "slice")
	a.lostMoney = "about " + a.lost + " times " + ask("ecom:order_value:mean", number, nil, "tenant") + " minor units"
}
