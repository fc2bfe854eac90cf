package dashboards

import (
	"fmt"
	"strings"

	"github.com/storepulse/storepulse/schemas"
)

// funnel is D04: how far sessions come, and where they are lost.
func funnel() board {
	pc := filter("platform", "channel")
	carts := `sum(increase(ecom_cart_sessions_total{outcome="added",` + pc + `}[1h]))`
	reach := func(s schemas.Stage, over string) string {
		return fmt.Sprintf(`sum(increase(ecom_session_stage_total{stage=%q,%s}[%s]))`, schemas.StageNames[s], pc, over)
	}
	var stages, steps, samples []target
	var lost []string
	for s := schemas.StageVisit; s <= schemas.StagePay; s++ {
		name := schemas.StageNames[s]
		stages = append(stages, target{legend: name, promql: reach(s, "$__range")})
		if s < schemas.StagePay {
			next := schemas.StageNames[s+1]
			steps = append(steps, target{legend: name + " → " + next, promql: reach(s+1, "30m") + " / " + enough(reach(s, "30m"))})
			samples = append(samples, target{legend: "n " + name, promql: reach(s, "30m"), sample: true})
			of := func(column string) string { return fmt.Sprintf("sumIf(%s, stage = '%s')", column, name) }
			lost = append(lost, sampled(of("step_from"), share(of("step_to"), of("step_from")))+" AS to_"+next)
		}
	}
	by := func(dimension string) string {
		return from(definition("funnel_stage_reach"), dimension+", sumIf(reach, stage = 'visit') AS visits, "+strings.Join(lost, ", "), dimension, "ORDER BY visits DESC")
	}
	const stepShares = "FUN-04: share of each step, of the sessions of the time range; none of fewer than a hundred. to_pay is of the sessions whose pay window, usually 72 hours, has passed: choose a week."
	return board{
		uid: "storepulse-d04", file: "d04-funnel", title: "D04 Funnel and conversion", from: "now-24h", sliced: true, next: []string{"storepulse-d02", "storepulse-d03", "storepulse-d01", "storepulse-d12"},
		about: "Reach of the funnel by sessions: who paid has been everywhere before. A purchase without a cart has skipped it.",
		rows: []row{
			{"How many sessions get how far?", []panel{
				{
					kind: asBars, title: "Reach of the stages", unit: "short", span: 12, runbook: "a-cvr-02",
					description: "FUN-03 in the time range, counted when a session is first seen at a stage.",
					targets:     stages,
				},
				{
					kind: asSeries, title: "From each stage to the next, over 30 minutes", unit: "percentunit", span: 12, runbook: "a-cvr-02",
					description: "FUN-04 as a flow: both stages in the same half hour, so that the time people take cancels out. No share of fewer than a hundred sessions.",
					targets:     append(steps, samples...),
				},
			}},
			{"Does conversion hold?", []panel{
				{
					kind: asSeries, title: "Session conversion, and its usual value", unit: "percentunit", span: 12, runbook: "a-cvr-01",
					description: "FUN-02 over 30 minutes against the same slot of the last four weeks.",
					targets: []target{
						{legend: "now {{tenant}}", promql: `max by (tenant) (ecom:rate:now30m{rate="cvr",dimension="",tenant=~"$tenant"})`},
						{legend: "usual {{tenant}}", promql: `max by (tenant) (ecom:rate:base30m{rate="cvr",dimension="",tenant=~"$tenant"})`},
					},
				},
				{
					kind: asSeries, title: "Orders lost an hour", unit: "short", span: 6, runbook: "a-cvr-01",
					description: "FUN-02: what is missing against the usual conversion at today's traffic.",
					targets:     []target{{legend: "orders", promql: `sum(ecom:lost:orders_per_hour{of="rate",rate="cvr",window="30m",dimension="",tenant=~"$tenant"})`}},
				},
				{
					kind: asStat, title: "Sessions in the sample", unit: "short", span: 6, below: warn, steps: []step{{500, good}}, runbook: "a-cvr-01",
					description: "FUN-02: n of the last 30 minutes in each shop; below 500 the window grows to 2 hours, then to a day.",
					targets:     []target{{legend: "{{tenant}}", promql: `sum by (tenant) (ecom:rate_n:inc30m{rate="cvr",dimension="",tenant=~"$tenant"})`}},
				},
				{
					kind: asSeries, title: "Carts that leave without paying", unit: "percentunit", span: 12, runbook: "a-cvr-04",
					description: "FUN-05 over an hour: sessions with a cart that did not pay, from a hundred carts on.",
					targets: []target{
						{legend: "lost", promql: `1 - sum(increase(ecom_cart_sessions_total{outcome="paid",` + pc + `}[1h])) / ` + enough(carts)},
						{legend: "n carts", promql: carts, sample: true},
					},
				},
				{
					kind: asSeries, title: "Time from checkout to order, median and 90 %", unit: "s", span: 12,
					description: "FUN-11.",
					targets: []target{
						{legend: "median", promql: `histogram_quantile(0.5, sum by (le) (rate(ecom_checkout_duration_seconds_bucket{tenant=~"$tenant"}[$__rate_interval])))`},
						{legend: "90 %", promql: `histogram_quantile(0.9, sum by (le) (rate(ecom_checkout_duration_seconds_bucket{tenant=~"$tenant"}[$__rate_interval])))`},
					},
				},
			}},
			{"Where is it lost?", []panel{
				{
					kind: asTable, title: "By platform", unit: "short", span: 12, shares: []string{"to_.*"}, noValue: tooFewOrYoung, runbook: "a-cvr-03",
					description: stepShares,
					targets:     []target{{sql: by("platform")}},
				},
				{
					kind: asTable, title: "By channel", unit: "short", span: 12, shares: []string{"to_.*"}, noValue: tooFewOrYoung, runbook: "a-cvr-03",
					description: stepShares,
					targets:     []target{{sql: by("channel")}},
				},
				{
					kind: asTable, title: "By province", unit: "short", span: 12, shares: []string{"to_.*"}, noValue: tooFewOrYoung, runbook: "a-cvr-03",
					description: stepShares,
					targets:     []target{{sql: by("region")}},
				},
				{
					kind: asTable, title: "Slices that convert worse than usual", unit: "short", span: 12, runbook: "a-cvr-03", mayBeEmpty: "no slice is below its baseline",
					description: "FUN-14: z above 3 over 30 minutes: one slice of platform, device, channel or province against its own last four weeks.",
					targets:     []target{{promql: `ecom:rate:z30m{rate="cvr",dimension!="",tenant=~"$tenant"} > 3`}},
				},
				{
					kind: asTable, title: "Products that are seen and not taken", unit: "short", span: 24, shares: []string{"to_cart"}, noValue: tooFew,
					description: "FUN-06: sessions that put a product into the cart after they saw its page, of those that saw it; the fifty that most saw.",
					targets:     []target{{sql: from(definition("detail_to_cart"), "item_id, any(category_l1) AS category, sum(seen) AS n, "+sampled("n", definition("detail_to_cart").Value)+" AS to_cart", "item_id", "ORDER BY n DESC LIMIT 50")}},
				},
			}},
			{"Do orders get paid?", []panel{
				{
					kind: asSeries, title: "Orders paid within 72 hours, by day of the order", unit: "percentunit", span: 16,
					description: "FUN-07: only orders whose 72 hours have passed, so that young days are not low but absent.",
					targets:     []target{{overTime: true, sql: history(byDay, []string{"order_pay_rate"}, "ORDER BY day")}},
				},
				{
					kind: asTable, title: "Orders that wait for payment", unit: "short", span: 8,
					description: "FUN-09: as of now, of the orders of the time range, by how long they wait; with their amount in units of the currency.",
					targets:     []target{{sql: from(definition("unpaid_orders_backlog"), "age_bucket, currency, "+definition("unpaid_orders_backlog").Value+" AS waiting, "+major("sum(amount_minor)")+" AS amount", "age_bucket, currency", "ORDER BY waiting DESC")}},
				},
				{
					kind: asTable, title: "Payment failures by method", unit: "short", span: 24, shares: []string{"failure_rate"}, noValue: tooFew,
					description: "FUN-08: n attempts, technical failures by error type, and their share; who gives up is no failure.",
					targets: []target{{sql: from(definition("payment_failure_rate"), "payment_method, sum(attempts) AS n, sum(failures) AS failed, sum(hard) AS hard_errors, sum(soft) AS soft_errors, sum(risk_blocks) AS blocked, sum(timeouts) AS timed_out, sum(other_failures) AS others, sum(user_cancels) AS given_up, "+sampled("n", definition("payment_failure_rate").Value)+" AS failure_rate",
						"payment_method", "ORDER BY n DESC")}},
				},
			}},
		},
	}
}
