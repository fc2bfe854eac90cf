package rules

import (
	"fmt"
	"strings"
)

// bounceGates: pages on which hardly anybody lands need fewer to be judged.
var bounceGates = [...]gate{
	{rate: "bounce", dimension: "landing_page_type", match: `slice!~"cart|checkout|payment"`, sessions: 300},
	{rate: "bounce", dimension: "landing_page_type", match: `slice=~"cart|checkout|payment"`, sessions: 100},
}

// traffic: A-TRF-01, A-TRF-02, A-BNC-01, A-TRK-01.
func traffic(o Options) []Rule {
	var out []Rule
	now, usual := "ecom:sessions:inc15m", "ecom:sessions:median15m"
	for _, level := range []struct {
		severity string
		share    float64
	}{{"critical", 0.4}, {"warning", 0.7}} {
		a := alert{
			id: "A-TRF-01", name: "TrafficDrop", severity: level.severity, family: "business", scope: "overall", hold: "10m", dashboard: "storepulse-d03",
			expr:        fmt.Sprintf("%[1]s / (%[2]s >= 200) < on (tenant) group_left () (%[3]g / ecom:promo:factor) and (%[2]s - %[1]s) / (%[4]g * sqrt(%[2]s * 1.25)) >= 4 unless on (tenant) ecom:tracking:share", now, usual, level.share, countOverdispersion),
			summary:     "Sessions are at {{ $value | humanizePercentage }} of what is usual",
			description: "Sessions started in the last 15 minutes against the median of the same slot of the last four weeks. Not where the tracker fell silent while orders go on: that is A-TRK-01.",
			current:     ask(now, number, nil, "tenant") + " sessions", base: ask(usual, number, nil, "tenant") + " sessions",
		}
		out = append(out, a.rule(o))
	}
	crowd := alert{
		id: "A-TRF-02", name: "TrafficSpikeBots", severity: "warning", family: "business", scope: "overall", hold: "10m", dashboard: "storepulse-d03",
		expr:        `ecom:count:inc30m{count="sessions"} >= 500 and ecom:count:inc30m{count="sessions"} >= 2 * ecom:count:median30m{count="sessions"} and on (tenant) ecom:rate:now30m{rate="cvr",dimension=""} <= 0.5 * ecom:rate:base30m{rate="cvr",dimension=""}`,
		summary:     "Twice the usual sessions, and they buy half as often",
		description: "Traffic of machines, or a campaign that brings the wrong people.",
		labels:      map[string]string{"reason": "conversion"},
		current:     "{{ $value | humanize }} sessions", base: ask("ecom:count:median30m", number, map[string]string{"count": "sessions"}, "tenant") + " sessions",
	}
	out = append(out, crowd.rule(o))
	bots := crowd
	bots.labels = map[string]string{"reason": "bots"}
	bots.expr = `ecom:bots:inc30m / (ecom:events:inc30m > 0) >= 0.2 and on (tenant) ecom:count:inc30m{count="sessions"} >= 500`
	bots.summary, bots.current, bots.base = "{{ $value | humanizePercentage }} of the events come from bots", "{{ $value | humanizePercentage }}", "below 20 %"
	bots.description = "Recognised bots are left out of the numbers; what is not recognised comes with them."
	out = append(out, bots.rule(o))

	var bounced []string
	for _, g := range bounceGates {
		bounced = append(bounced, fmt.Sprintf("(ecom:rate:now30m%[1]s - ecom:rate:base30m%[1]s >= on (tenant) group_left () (0.1 * ecom:promo:factor) and ecom:rate:z30m%[1]s <= -3 and ecom:rate_n:inc30m%[1]s >= %[2]d)", g.selector(), g.sessions))
	}
	bounce := alert{
		id: "A-BNC-01", name: "BounceSpike", severity: "warning", family: "business", scope: "slice", hold: "30m", window: "30m", dashboard: "storepulse-d03",
		expr:        strings.Join(bounced, " or "),
		summary:     "More visits that land on {{ $labels.slice }} leave at once",
		description: "Bounces of closed sessions are 10 points or more above the same window of the last weeks. A session closes half an hour after its last event, so this is at least so old.",
	}
	bounce.numbersOfRate(halfHour, "bounce")
	return append(append(out, bounce.rule(o)), tracking(o)...)
}

// untracked is the share of the usual client events of a platform that sells as
// usual and hardly reports, over the last minutes. Nobody sees such a fall of
// traffic as one of visitors: it must be known before A-TRF-01 has held.
func untracked(over string) string {
	of := func(what, count string) string {
		return fmt.Sprintf(`ecom:count:%s%s{count=%q,dimension="platform"}`, what, over, count)
	}
	return fmt.Sprintf("(%[1]s / (%[2]s >= 100) < 0.3 and on (tenant, slice) %[3]s >= 0.7 * %[4]s and on (tenant, slice) %[4]s >= 20)",
		of("inc", "events"), of("median", "events"), of("inc", "orders_placed"), of("median", "orders_placed"))
}

// tracking: events vanish while orders go on.
func tracking(o Options) []Rule {
	silent := alert{
		id: "A-TRK-01", name: "TrackingBroken", severity: "critical", family: "tracking", scope: "slice", hold: "15m", dashboard: "storepulse-d02",
		expr:        "ecom:tracking:share",
		summary:     "Client events of {{ $labels.slice }} have fallen to {{ $value | humanizePercentage }}, its orders have not",
		description: "The shop sells, its tracker does not report: conversion and traffic of this platform say nothing now.",
		current:     ask("ecom:count:inc30m", number, map[string]string{"count": "events", "dimension": "platform"}, "tenant", "slice") + " events",
		base:        ask("ecom:count:median30m", number, map[string]string{"count": "events", "dimension": "platform"}, "tenant", "slice") + " events",
	}
	sel := `{rate="attributed",dimension=""}`
	lost := silent
	lost.scope = "overall"
	lost.expr = fmt.Sprintf("ecom:rate:base30m%[1]s - ecom:rate:now30m%[1]s >= 0.15 and ecom:rate:z30m%[1]s >= 3 and ecom:rate_n:inc30m%[1]s >= 20", sel)
	lost.summary = "Fewer orders find the session they came from"
	lost.description = "The share of orders whose visitor is known is 15 points or more below the same window of the last weeks."
	lost.numbersOfRate(halfHour, "attributed")
	return []Rule{silent.rule(o), lost.rule(o)}
}
