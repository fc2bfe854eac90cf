package dashboards

import "github.com/storepulse/storepulse/schemas/catalogue"

// realtime is D02: the last hours, minute by minute, for the war room.
func realtime() board {
	pc := filter("platform", "channel")
	attempts := `sum by (payment_method) (increase(ecom_payment_attempts_total{result="attempted",tenant=~"$tenant"}[5m]))`
	return board{
		uid: "storepulse-d02", file: "d02-realtime", title: "D02 Real-time operations", from: "now-6h", sliced: true, next: []string{"storepulse-d04", "storepulse-d03", "storepulse-d01", "storepulse-d12"},
		about: "Counters of the workers: early, and never corrected. ClickHouse is exact.",
		rows: []row{
			{"Does the shop sell now?", []panel{
				{
					kind: asStat, title: "Orders paid, last 5 minutes", unit: "short", span: 6, runbook: "a-ord-01",
					description: "SAL-05 over five minutes.",
					targets:     []target{{promql: "sum(increase(ecom_orders_paid_total{" + pc + "}[5m]))"}},
				},
				{
					kind: asStat, title: "Since the last paid order", unit: "s", span: 6, runbook: "a-ord-01",
					description: "SAL-05: time since the newest paid order of each shop, by event time. A-ORD-01 knows how long is unusual at this hour.",
					targets:     []target{{legend: "{{tenant}}", promql: `time() - max by (tenant) (ecom_last_paid_order_timestamp_seconds{tenant=~"$tenant"} > 0)`}},
				},
				{
					kind: asStat, title: "Visitors active", unit: "short", span: 6, noValue: "unknown", mayBeEmpty: "the facts lag behind",
					description: "TRF-14: visitors with activity in the last five minutes of event time; unknown while the facts are more than four minutes behind, two of which are usual.",
					targets:     []target{{promql: "sum(ecom_visitors_active{" + filter("platform") + "}) and on () " + catalogue.UpToDate}},
				},
				{
					kind: asStat, title: "Visitors today", unit: "short", span: 6,
					description: "TRF-01 of the business day; survives restarts.",
					targets:     []target{{promql: "sum(ecom_visitors_today{" + filter("platform") + "})"}},
				},
				{
					kind: asSeries, title: "Orders a minute", unit: "short", span: 12, runbook: "a-gmv-01",
					description: "SAL-05: placed and paid.",
					targets: []target{
						{legend: "placed", promql: "sum(rate(ecom_orders_placed_total{" + pc + "}[$__rate_interval])) * 60"},
						{legend: "paid", promql: "sum(rate(ecom_orders_paid_total{" + pc + "}[$__rate_interval])) * 60"},
					},
				},
				{
					kind: asSeries, title: "Paid GMV in 30 minutes, and its usual value", unit: "short", span: 12, runbook: "a-gmv-01",
					description: "SAL-02 in units of the currency, against the median of the same slot of the last four weeks.",
					targets: []target{
						{legend: "now {{tenant}} {{currency}}", promql: majorNow(`sum by (tenant, currency) (ecom:count:inc30m{count="gmv_paid",tenant=~"$tenant"%s})`)},
						{legend: "usual {{tenant}} {{currency}}", promql: majorNow(`sum by (tenant, currency) (ecom:count:median30m{count="gmv_paid",tenant=~"$tenant"%s})`)},
					},
				},
			}},
			{"Can people pay?", []panel{
				{
					kind: asSeries, title: "Technical failures, of payment attempts", unit: "percentunit", span: 12, steps: atLeast(0.05, 0.1), runbook: "a-pay-01",
					description: "FUN-08 over 5 minutes by method, from 50 attempts on: the alert's sample; who gives up is no failure.",
					targets: []target{
						{legend: "{{payment_method}}", promql: `sum by (payment_method) (increase(ecom_payment_attempts_total{result!~"attempted|user_cancel",tenant=~"$tenant"}[5m])) / (` + attempts + ` >= 50)`},
						{legend: "n {{payment_method}}", promql: attempts, sample: true},
					},
				},
				{
					kind: asBars, title: "Attempts in 30 minutes by method", unit: "short", span: 6, runbook: "a-pay-01",
					description: "FUN-08: the sample behind the shares.",
					targets:     []target{{legend: "{{payment_method}}", promql: `sum by (payment_method) (increase(ecom_payment_attempts_total{result="attempted",tenant=~"$tenant"}[30m])) > 0`}},
				},
				{
					kind: asBars, title: "Unpaid orders by age", unit: "short", span: 6,
					description: "FUN-09: orders that wait for payment.",
					targets:     []target{{legend: "{{age_bucket}}", promql: `sum by (age_bucket) (ecom_orders_unpaid{tenant=~"$tenant"})`}},
				},
			}},
			{"Is anything unusual?", []panel{
				{
					kind: asTable, title: "Alerts that fire", unit: "short", span: 12, mayBeEmpty: "nothing fires",
					description: "Those of the shop and of the pipeline, with severity and slice; the annotations are in Alertmanager.",
					targets:     []target{{promql: `max by (alert_id, alertname, severity, tenant, dimension, slice, step) (ALERTS{alertstate="firing",alert_id!="",alert_id!="A-PL-11",tenant=~"$tenant|"})`}},
				},
				{
					kind: asTable, title: "Insufficient data", unit: "short", span: 12, mayBeEmpty: "every alert has its sample",
					description: "Alerts that cannot be judged: too small a sample even over a day, or no weeks to compare with. Not green.",
					targets:     []target{{promql: `max by (alert_id, tenant, step) (ecom:insufficient_data{tenant=~"$tenant"})`}},
				},
				{
					kind: asSeries, title: "How unlikely is today's conversion?", unit: "short", span: 12, signed: true, steps: []step{{3, warn}, {4, bad}}, runbook: "a-cvr-01",
					description: "FUN-14: z of the share of sessions that pay, against the last four weeks: above 3 is a drop that chance does not explain.",
					targets: []target{
						{legend: "30 minutes {{tenant}}", promql: `max by (tenant) (ecom:rate:z30m{rate="cvr",dimension="",tenant=~"$tenant"})`},
						{legend: "2 hours {{tenant}}", promql: `max by (tenant) (ecom:rate:z2h{rate="cvr",dimension="",tenant=~"$tenant"})`},
						{legend: "a day {{tenant}}", promql: `max by (tenant) (ecom:rate:z1d{rate="cvr",dimension="",tenant=~"$tenant"})`},
					},
				},
				{
					kind: asSeries, title: "Sessions in 15 minutes, and the usual number", unit: "short", span: 12, runbook: "a-trf-01",
					description: "TRF-04 against the median of the same slot of the last four weeks.",
					targets: []target{
						{legend: "now {{tenant}}", promql: `sum by (tenant) (ecom:sessions:inc15m{tenant=~"$tenant"})`},
						{legend: "usual {{tenant}}", promql: `sum by (tenant) (ecom:sessions:median15m{tenant=~"$tenant"})`},
					},
				},
			}},
		},
	}
}
