package dashboards

// overview is D01: how the shop does, day by day, for those who run it.
func overview() board {
	const byDay, perDay = "GROUP BY time, currency ORDER BY time", "toStartOfDay(toDateTime(paid_date)) AS time, "
	return board{
		uid: "storepulse-d01", file: "d01-overview", title: "D01 Executive overview", from: "now-14d", next: []string{"storepulse-d02", "storepulse-d04", "storepulse-d03", "storepulse-d12"},
		about: "Orders, money and customers by business day, from ClickHouse: exact, and corrected when late events come.",
		rows: []row{
			{"What do we sell?", []panel{
				{
					kind: asSeries, title: "Paid GMV by day", unit: "short", span: 12, runbook: "a-gmv-01",
					description: "SAL-02: paid amount of orders by the business day of payment, in units of the currency; refunds are not deducted. Test and internal orders are left out.",
					targets:     []target{{overTime: true, sql: paid(perDay+"currency, "+major("sum(paid_minor)")+" AS paid", byDay)}},
				},
				{
					kind: asSeries, title: "Placed GMV by day", unit: "short", span: 12,
					description: "SAL-01: payable amount of orders by the business day of creation, unpaid and cancelled ones included.",
					targets:     []target{{overTime: true, sql: placed("toStartOfDay(toDateTime(created_date)) AS time, currency, "+major("sum(payable_minor)")+" AS placed", byDay)}},
				},
				{
					kind: asSeries, title: "Orders placed and paid by day", unit: "short", span: 12,
					description: "SAL-05: each by its own business day.",
					targets: []target{
						{overTime: true, sql: placed("toStartOfDay(toDateTime(created_date)) AS time, count() AS placed", "GROUP BY time ORDER BY time")},
						{overTime: true, sql: paid("toStartOfDay(toDateTime(paid_date)) AS time, count() AS paid", "GROUP BY time ORDER BY time")},
					},
				},
				{
					kind: asSeries, title: "Order value and spend per buyer by day", unit: "short", span: 12,
					description: "SAL-07, SAL-08: paid amount by order, and by distinct buyer of the day; a gap where nobody paid.",
					targets: []target{{overTime: true, sql: paid(perDay+"currency, "+share(major("sum(paid_minor)"), "count()")+" AS order_value, "+
						share(major("sum(paid_minor)"), "uniqExact(if(user_hash = 0, toString(visitor_id), toString(user_hash)))")+" AS spend_per_buyer", byDay)}},
				},
			}},
			{"What do we keep?", []panel{
				{
					kind: asSeries, title: "Net sales by day, cash and cohort", unit: "short", span: 12,
					description: "SAL-03, both bases. Cohort: paid less what was ever refunded of the day's orders, restated as refunds come. The refunds panel has the occurrence basis, by the day of the refund.",
					targets:     []target{{overTime: true, sql: paid(perDay+"currency, "+major("sum(paid_minor - refunded_minor)")+" AS net_cohort", byDay)}},
				},
				{
					kind: asSeries, title: "Refunds by day of the refund", unit: "short", span: 6, mayBeEmpty: "no refund in the time range",
					description: "SVC-01, occurrence basis: amount of refunds that succeeded; closed days never change.",
					targets: []target{{overTime: true, sql: "SELECT toStartOfDay(toDateTime(business_date)) AS time, currency, " + major("sum(refund_minor)") + " AS refunded FROM fact_refunds WHERE event_type = 'refund.succeeded' AND $__timeFilter(event_time) AND " +
						sqlFilter() + " GROUP BY time, currency ORDER BY time"}},
				},
				{
					kind: asSeries, title: "Cancelled, of orders placed", unit: "percentunit", span: 6,
					description: "SAL-06: orders of the day that are cancelled by now, paid or not. Young days still move.",
					targets:     []target{{overTime: true, sql: placed("toStartOfDay(toDateTime(created_date)) AS time, "+share("countIf(cancelled_at IS NOT NULL)", "count()")+" AS cancelled", "GROUP BY time ORDER BY time")}},
				},
			}},
			{"Where is it sold?", []panel{
				{
					kind: asTable, title: "Paid GMV by device", unit: "short", span: 8,
					description: "SAL-04: device where the order was placed; the classes add up to the whole.",
					targets:     []target{{sql: paid("device_class, currency, count() AS orders, "+major("sum(paid_minor)")+" AS paid", "GROUP BY device_class, currency ORDER BY paid DESC")}},
				},
				{
					kind: asTable, title: "Paid GMV by province", unit: "short", span: 8,
					description: "By shipping province.",
					targets:     []target{{sql: paid("ship_region, currency, count() AS orders, "+major("sum(paid_minor)")+" AS paid", "GROUP BY ship_region, currency ORDER BY paid DESC LIMIT 20")}},
				},
				{
					kind: asTable, title: "Products by units sold", unit: "short", span: 8,
					description: "SAL-16 in the time range: units in the newest version of orders paid.",
					targets: []target{{sql: "SELECT item_id, any(item_name) AS product, sum(quantity) AS units FROM fact_order_items WHERE $__timeFilter(event_time) AND " + sqlFilter() +
						" AND (tenant, order_id, order_version) IN (SELECT tenant, order_id, order_version FROM (SELECT tenant, order_id, max(order_version) AS order_version FROM fact_order_items GROUP BY tenant, order_id) WHERE (tenant, order_id) IN (SELECT tenant, order_id FROM orders WHERE paid_at IS NOT NULL AND " + real + ")) GROUP BY item_id ORDER BY units DESC LIMIT 20"}},
				},
			}},
			{"Who buys?", []panel{
				{
					kind: asStat, title: "Sessions", unit: "short", span: 6,
					description: "TRF-04 in the time range.",
					targets:     []target{{sql: sessions("count() AS sessions", "")}},
				},
				{
					kind: asStat, title: "Visitors", unit: "short", span: 6,
					description: "TRF-01: distinct visitors in the time range. Days are not added up: who comes twice counts once.",
					targets:     []target{{sql: sessions("uniqExact(visitor_id) AS visitors", "")}},
				},
				{
					kind: asStat, title: "Visitor-to-buyer conversion", unit: "percentunit", span: 6, runbook: "a-cvr-01",
					description: "FUN-01: visitors with a paid session, of all visitors.",
					targets:     []target{{sql: sessions(share("uniqExactIf(visitor_id, orders_paid > 0)", "uniqExact(visitor_id)")+" AS conversion", "")}},
				},
				{
					kind: asStat, title: "Buyers who had bought before", unit: "percentunit", span: 6,
					description: "CUS-03: buyers of the time range whose first paid order ever is older than the range.",
					targets: []target{{sql: "SELECT " + share("countIf(first < $__fromTime)", "count()") + " AS repeat FROM (SELECT if(user_hash = 0, toString(visitor_id), toString(user_hash)) AS buyer, min(paid_at) AS first, max(paid_at) AS last FROM orders WHERE paid_at IS NOT NULL AND " +
						real + " AND " + sqlFilter("platform") + " GROUP BY buyer HAVING last >= $__fromTime AND first <= $__toTime)"}},
				},
			}},
		},
	}
}
