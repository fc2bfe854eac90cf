package dashboards

// traffic is D03: who comes, from where, and to which pages.
func traffic() board {
	pc := filter("platform", "channel")
	landed := `sum by (landing_page_type) (increase(ecom_sessions_closed_total{tenant=~"$tenant"}[30m]))`
	linked := `sum(increase(ecom_orders_attributed_total{` + filter("platform") + `}[30m]))`
	return board{
		uid: "storepulse-d03", file: "d03-traffic", title: "D03 Traffic and pages", from: "now-24h", sliced: true, next: []string{"storepulse-d04", "storepulse-d02", "storepulse-d01", "storepulse-d12"},
		about: "Sessions, page views and bounces, live from the workers and in detail from ClickHouse.",
		rows: []row{
			{"How many come?", []panel{
				{
					kind: asSeries, title: "Sessions started a minute by platform", unit: "short", span: 12, runbook: "a-trf-01",
					description: "TRF-04: counted when first seen.",
					targets:     []target{{legend: "{{platform}}", promql: "sum by (platform) (rate(ecom_sessions_started_total{" + pc + "}[$__rate_interval])) * 60 > 0"}},
				},
				{
					kind: asSeries, title: "Page views a minute by page", unit: "short", span: 12,
					description: "TRF-02.",
					targets:     []target{{legend: "{{page_type}}", promql: "sum by (page_type) (rate(ecom_page_views_total{" + filter("platform") + "}[$__rate_interval])) * 60 > 0"}},
				},
				{
					kind: asStat, title: "Visitors", unit: "short", span: 6,
					description: "TRF-01: distinct visitors with a page view in the time range. A visit over midnight is a session of the first day and a visitor of both: daily sessions and daily visitors are not of one set.",
					targets:     []target{{sql: history("", []string{"uv"}, "")}},
				},
				{
					kind: asStat, title: "Pages per visitor", unit: "short", span: 6,
					description: "TRF-03: page views by visitor.",
					targets:     []target{{sql: history("", []string{"pv_per_uv"}, "")}},
				},
				{
					kind: asStat, title: "Duration of a visit, median and 90 %", unit: "s", span: 6,
					description: "TRF-05: sessions of one event last 0 s and are left out.",
					targets:     []target{{sql: history("", []string{"session_duration", "session_duration_p90"}, "")}},
				},
				{
					kind: asStat, title: "Share of bot events", unit: "percentunit", span: 6, steps: atLeast(0.1, 0.2), runbook: "a-trf-02",
					description: "RSK-05: recognised bots, of the events taken in an hour.",
					targets:     []target{{promql: `sum(increase(ecom_events_bot_total{tenant=~"$tenant"}[1h])) / ` + enough(`sum(increase(ecom_events_ingested_total{topic="clickstream",tenant=~"$tenant"}[1h]))`)}},
				},
			}},
			{"Where do they come from?", []panel{
				{
					kind: asSeries, title: "Sessions by channel", unit: "short", span: 24,
					description: "TRF-10: first touch that is not direct, by hour.",
					targets:     []target{{overTime: true, sql: history("time, channel", []string{"traffic_by_source"}, "ORDER BY time")}},
				},
				{
					kind: asTable, title: "Channels: sessions, bounces, conversion", unit: "short", span: 18, shares: []string{"share", "bounce", "conversion_so_far"}, noValue: tooFew,
					description: "TRF-10, TRF-06: shares with their sample, n closed sessions, and none below a hundred. Payments of the last 72 hours may still come.",
					targets: []target{{sql: from(definition("traffic_by_source"), "channel, "+definition("traffic_by_source").Value+" AS visits, visits / sum(visits) OVER () AS share, "+definition("channel_visitors").Value+" AS visitors, sum(closed) AS n, "+sampled("n", definition("bounce_rate").Value)+" AS bounce, "+
						sampled("visits", share("sum(paid)", "sum(sessions)"))+" AS conversion_so_far", "channel", "ORDER BY visits DESC")}},
				},
				{
					kind: asTable, title: "Channels: amount paid", unit: "short", span: 6,
					description: "TRF-10: paid orders that are linked to a session, by its channel and the day it began, in units of the currency.",
					targets:     []target{{sql: history("channel", []string{"channel_gmv"}, "ORDER BY channel_gmv DESC")}},
				},
			}},
			{"Do they stay?", []panel{
				{
					kind: asSeries, title: "Bounces by landing page", unit: "percentunit", span: 12, runbook: "a-bnc-01",
					description: "TRF-06, TRF-07: closed sessions with one page view and no action. A session closes half an hour after its last event, so the curve is at least so old.",
					targets: []target{
						{legend: "{{landing_page_type}}", promql: `sum by (landing_page_type) (increase(ecom_sessions_bounced_total{tenant=~"$tenant"}[30m])) / ` + enough(landed)},
						{legend: "n {{landing_page_type}}", promql: landed + " > 0", sample: true},
					},
				},
				{
					kind: asTable, title: "Landing pages", unit: "short", span: 6, shares: []string{"bounce", "not_engaged"}, noValue: tooFew,
					description: "TRF-07: where visits begin, how many of n closed sessions leave at once; and how many stay without engaging, as Google Analytics 4 has it.",
					targets:     []target{{sql: from(definition("bounce_rate_by_page"), "landing_page_type, "+definition("sessions").Value+" AS visits, sum(closed) AS n, "+sampled("n", definition("bounce_rate_by_page").Value)+" AS bounce, "+sampled("n", definition("bounce_rate_ga4").Value)+" AS not_engaged", "landing_page_type", "ORDER BY visits DESC")}},
				},
				{
					kind: asTable, title: "Exit pages", unit: "short", span: 6, shares: []string{"exit_rate"}, noValue: tooFew,
					description: "TRF-08: where closed sessions end, and their share of the n views of the page.",
					targets:     []target{{sql: from(definition("exit_rate_by_page"), "page_type, sum(exits) AS ends, sum(views) AS n, "+sampled("n", definition("exit_rate_by_page").Value)+" AS exit_rate", "page_type", "ORDER BY ends DESC")}},
				},
			}},
			{"Can we trust the tracking?", []panel{
				{
					kind: asSeries, title: "Client events a minute by platform", unit: "short", span: 12, runbook: "a-trk-01",
					description: "PLT-02. A platform that falls while its orders go on has lost its tracker.",
					targets:     []target{{legend: "{{platform}}", promql: `sum by (platform) (rate(ecom_events_ingested_total{topic="clickstream",` + filter("platform") + `}[$__rate_interval])) * 60 > 0`}},
				},
				{
					kind: asSeries, title: "Orders that find their session", unit: "percentunit", span: 12, below: bad, steps: []step{{0.5, warn}, {0.8, good}}, runbook: "a-trk-01",
					description: "PLT-12: share of orders whose visitor is known when first seen, from 20 orders on; 0.8 to 0.95 is usual.",
					targets: []target{
						{legend: "attributed", promql: `sum(increase(ecom_orders_attributed_total{status!="none",` + filter("platform") + `}[30m])) / (` + linked + ` >= 20)`},
						{legend: "n orders", promql: linked, sample: true},
					},
				},
			}},
		},
	}
}
