package rules

import (
	"fmt"
	"strings"
)

const (
	leastVisits = 200 // usual in 15 minutes, of A-TRF-01
	leastCrowd  = 500 // sessions in 30 minutes, of A-TRF-02
)

// traffic: A-TRF-01, A-TRF-02, A-BNC-01, A-TRK-01.
func traffic(o Options) []Rule {
	var out []Rule
	now, usual := "ecom:sessions:inc15m", "ecom:sessions:median15m"
	for _, level := range []struct {
		severity string
		share    float64
	}{{"critical", 0.4}, {"warning", 0.7}} {
		a := alert{
			id: "A-TRF-01", name: "TrafficDrop", severity: level.severity, family: "business", scope: "overall", hold: "10m", window: quarter, dashboard: "storepulse-d03",
			expr: fmt.Sprintf(`%s / (%s >= %d) < on (tenant) group_left () (%g / ecom:promo:factor) and ecom:sessions:z15m >= 4 unless on (tenant) %s{count="events"}`,
				now, usual, leastVisits, level.share, trackingShare),
			summary:     "Sessions are at {{ $value | humanizePercentage }} of what is usual",
			description: "Sessions started in the last 15 minutes against the median of the same slot of the last four weeks. Not where the tracker fell silent while orders go on: that is A-TRK-01.",
			current:     ask(now, number, nil, "tenant") + " sessions", base: ask(usual, number, nil, "tenant") + " sessions",
			sample: ask(usual, number, nil, "tenant") + " sessions are usual", z: ask("ecom:sessions:z15m", score, nil, "tenant"),
		}
		a.costs("sessions", quarter)
		out = append(out, a.rule(o))
	}
	crowd := alert{
		id: "A-TRF-02", name: "TrafficSpikeBots", severity: "warning", family: "business", scope: "overall", hold: "10m", window: halfHour, dashboard: "storepulse-d03",
		expr: fmt.Sprintf(`ecom:count:inc30m{count="sessions"} >= %d and ecom:count:inc30m{count="sessions"} >= 2 * (ecom:count:median30m{count="sessions"} * on (tenant) group_left () ecom:promo:factor) and on (tenant) ecom:rate:now30m{rate="cvr",dimension=""} <= 0.5 * ecom:rate:base30m{rate="cvr",dimension=""}`,
			leastCrowd),
		summary:     "Twice the usual sessions, and they buy half as often",
		description: "Traffic of machines, or a campaign that brings the wrong people.",
		labels:      map[string]string{"reason": "conversion"},
		current:     "{{ $value | humanize }} sessions", base: ask("ecom:count:median30m", number, map[string]string{"count": "sessions"}, "tenant") + " sessions",
		sample: "{{ $value | humanize }} sessions", z: ask("ecom:rate:z30m", score, map[string]string{"rate": "cvr", "dimension": ""}, "tenant") + " of their conversion",
	}
	out = append(out, crowd.rule(o))
	bots := crowd
	bots.labels = map[string]string{"reason": "bots"}
	bots.expr = fmt.Sprintf(`ecom:bots:inc30m / (ecom:events:inc30m > 0) >= 0.2 and on (tenant) ecom:count:inc30m{count="sessions"} >= %d`, leastCrowd)
	bots.summary, bots.current, bots.base = "{{ $value | humanizePercentage }} of the events come from bots", "{{ $value | humanizePercentage }}", "below 20 %"
	bots.sample, bots.z = ask("ecom:events:inc30m", number, nil, "tenant")+" events", ""
	bots.description = "Recognised bots are left out of the numbers; what is not recognised comes with them."
	out = append(out, bots.rule(o))

	var bounced []string
	for _, g := range bounceGates {
		bounced = append(bounced, "("+g.grown(halfHour, g.by(halfHour, -0.1), g.unlikely(halfHour, -3))+")")
	}
	bounce := alert{
		id: "A-BNC-01", name: "BounceSpike", severity: "warning", family: "business", scope: "slice", hold: "30m", window: halfHour, dashboard: "storepulse-d03",
		expr:        strings.Join(bounced, " or "),
		summary:     "More visits that land on {{ $labels.slice }} leave at once",
		description: "Bounces of closed sessions are 10 points or more above the same window of the last weeks. A session closes half an hour after its last event, so this is at least so old.",
	}
	bounce.numbersOfRate("bounce")
	return append(append(out, bounce.rule(o)), tracking(o)...)
}

// tracking: events vanish while orders go on.
func tracking(o Options) []Rule {
	of := func(what string) string {
		return ask("ecom:count:"+what+"30m", number, map[string]string{"dimension": "platform"}, "tenant", "slice", "count")
	}
	silent := alert{
		id: "A-TRK-01", name: "TrackingBroken", severity: "critical", family: "tracking", scope: "slice", hold: "15m", window: halfHour, dashboard: "storepulse-d03",
		expr:        trackingShare,
		labels:      map[string]string{"reason": "events"},
		summary:     "{{ $labels.count }} of {{ $labels.slice }} have fallen to {{ $value | humanizePercentage }}, its orders have not",
		description: "The shop sells, its tracker does not report: conversion and traffic of this platform say nothing now.",
		current:     of("inc") + " events", base: of("median") + " events",
		sample: of("median") + " events are usual, with " + ask("ecom:count:median30m", number, map[string]string{"count": "orders_placed", "dimension": "platform"}, "tenant", "slice") + " orders",
	}
	g := attributedGate
	lost := alert{
		id: silent.id, name: silent.name, severity: silent.severity, family: silent.family, scope: "overall", hold: silent.hold, window: halfHour, dashboard: "storepulse-d04",
		// Promotions do not excuse a tracker.
		expr:        fmt.Sprintf("ecom:rate:base30m%[1]s - ecom:rate:now30m%[1]s >= 0.15 and ecom:rate:z30m%[1]s >= 3 and %s", g.selector(), g.holds(halfHour, 1)),
		labels:      map[string]string{"reason": "attribution"},
		summary:     "Fewer orders find the session they came from",
		description: "The share of orders whose visitor is known is 15 points or more below the same window of the last weeks.",
	}
	lost.numbersOfRate(g.rate)
	lost.lost = false
	out := []Rule{silent.rule(o), lost.rule(o)}
	// Business numbers are in doubt before somebody is paged, and until their
	// windows have no event missing: what was lost stays lost.
	for _, a := range []alert{silent, lost} {
		for _, w := range growing {
			doubt := a
			doubt.severity, doubt.hold, doubt.window = "info", "5m", w
			doubt.keep = map[window]string{halfHour: aftermath, twoHours: "2h15m", day: "24h15m"}[w]
			doubt.expr = fmt.Sprintf("max by (tenant, dimension, slice) (%s)", a.expr)
			doubt.labels = map[string]string{"reason": a.labels["reason"] + "_aftermath"}
			doubt.current, doubt.base, doubt.sample, doubt.z = "", "", "", ""
			doubt.summary = "Business numbers are in doubt: events are or were missing"
			doubt.description = "Silences the business alerts of the shop that look at " + string(w) + " until those are whole again."
			out = append(out, doubt.rule(o))
		}
	}
	return out
}
