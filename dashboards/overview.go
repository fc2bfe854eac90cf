package dashboards

// overview is D01: how the shop does, day by day, for those who run it.
func overview() board {
	daily := func(names ...string) target {
		return target{overTime: true, sql: history(byDay, names, "ORDER BY day")}
	}
	one := func(names ...string) []target { return []target{{sql: history("", names, "")}} }
	top := func(by, name string) []target {
		return []target{{sql: history(by, []string{name}, "ORDER BY "+name+" DESC LIMIT 20")}}
	}
	sold := func(name, title string) []target {
		m := definition(name)
		return []target{{sql: from(m, "item_id, any(item_name) AS product, "+m.Value+" AS "+title, "item_id", "ORDER BY "+title+" DESC LIMIT 20")}}
	}
	conversion := definition("visitor_pay_cvr")
	return board{
		uid: "storepulse-d01", file: "d01-overview", title: "D01 Executive overview", from: "now-14d", sliced: true, next: []string{"storepulse-d02", "storepulse-d04", "storepulse-d03", "storepulse-d12"},
		about: "Orders, money and customers by business day, from ClickHouse: exact, and corrected when late events come.",
		rows: []row{
			{"What do we sell?", []panel{
				{
					kind: asSeries, title: "Paid GMV by day", unit: "short", span: 12, runbook: "a-gmv-01",
					description: "SAL-02: paid amount of orders by the business day of payment, in units of the currency; refunds are not deducted. Test and internal orders are left out.",
					targets:     []target{daily("gmv_paid")},
				},
				{
					kind: asSeries, title: "Placed GMV by day", unit: "short", span: 12,
					description: "SAL-01: payable amount of orders by the business day of creation, unpaid and cancelled ones included.",
					targets:     []target{daily("gmv_placed")},
				},
				{
					kind: asSeries, title: "Orders placed and paid by day", unit: "short", span: 12,
					description: "SAL-05: each by its own business day.",
					targets:     []target{daily("orders_placed"), daily("orders_paid")},
				},
				{
					kind: asSeries, title: "Order value and spend per buyer by day", unit: "short", span: 12,
					description: "SAL-07, SAL-08: paid amount by order, mean and median, and by distinct buyer of the day; a gap where nobody paid.",
					targets:     []target{daily("aov", "aov_median", "spend_per_buyer")},
				},
				{
					kind: asSeries, title: "GMV against the week before", unit: "percentunit", span: 12, signed: true, runbook: "a-gmv-01",
					description: "SAL-13: paid GMV of the day against that of seven days before; today against the same hours. A gap where there was none.",
					targets:     []target{{overTime: true, sql: history(byDay+", currency", []string{"sales_growth"}, "ORDER BY day")}},
				},
				{
					kind: asSeries, title: "Units per order by day", unit: "short", span: 12,
					description: "SAL-09: units in paid orders by orders paid.",
					targets:     []target{daily("items_per_order")},
				},
			}},
			{"What do we keep?", []panel{
				{
					kind: asSeries, title: "Net sales by day, by occurrence and by cohort", unit: "short", span: 12, signed: true,
					description: "SAL-03, both bases. Occurrence: amounts on the day they were paid or refunded; closed days never change. Cohort: paid less what was ever refunded of the day's orders, restated as refunds come.",
					targets:     []target{daily("net_sales", "net_sales_cohort")},
				},
				{
					kind: asSeries, title: "Refund rate by day, by occurrence and by cohort", unit: "percentunit", span: 6,
					description: "SVC-01 by amount, both bases, and by orders. The cohorts have no value before their orders are 30 days old.",
					targets:     []target{{overTime: true, sql: history(byDay+", currency", []string{"refund_rate", "refund_rate_cohort", "refund_rate_orders"}, "ORDER BY day")}},
				},
				{
					kind: asSeries, title: "Cancelled by day, unpaid and paid", unit: "percentunit", span: 6,
					description: "SAL-06: orders closed without payment, once their pay window has passed; and orders cancelled after payment.",
					targets:     []target{daily("unpaid_close_rate"), daily("paid_cancel_rate")},
				},
			}},
			{"Where is it sold?", []panel{
				{
					kind: asTable, title: "Paid GMV by device", unit: "short", span: 12,
					description: "SAL-04: device where the order was placed; the classes add up to the whole.",
					targets:     top("device_class", "gmv_device_split"),
				},
				{
					kind: asTable, title: "Paid GMV by province", unit: "short", span: 12,
					description: "SAL-02 by shipping province.",
					targets:     top("region", "gmv_paid"),
				},
				{
					kind: asTable, title: "Products by units sold", unit: "short", span: 12,
					description: "SAL-09 in the time range: units in the newest version of orders paid.",
					targets:     sold("units_sold", "units"),
				},
				{
					kind: asTable, title: "Sold today", unit: "short", span: 12, mayBeEmpty: "the shop's day has begun without an order",
					description: "SAL-16: units of the shop's business day, without orders cancelled or refunded in full.",
					targets:     sold("sold_today", "units"),
				},
			}},
			{"Who buys?", []panel{
				{
					kind: asStat, title: "Sessions", unit: "short", span: 6,
					description: "TRF-04 in the time range.",
					targets:     one("sessions"),
				},
				{
					kind: asStat, title: "Visitors", unit: "short", span: 6,
					description: "TRF-01: distinct visitors in the time range. Days are not added up: who comes twice counts once.",
					targets:     one("uv"),
				},
				{
					kind: asStat, title: "Visitor-to-buyer conversion", unit: "percentunit", span: 6, noValue: tooFew, runbook: "a-cvr-01",
					description: "FUN-01: distinct buyers of the time range, by its distinct visitors, n of the panel beside.",
					targets:     []target{{sql: from(conversion, sampled("uniqExactMerge(visitors)", conversion.Value)+" AS visitor_pay_cvr", "", "")}},
				},
				{
					kind: asStat, title: "Buyers who had bought before", unit: "percentunit", span: 6,
					description: "CUS-03: buyers of the time range whose first order ever is older than the range.",
					targets:     one("new_vs_repeat"),
				},
				{
					kind: asStat, title: "Buyers who came again", unit: "percentunit", span: 6,
					description: "CUS-01: buyers with two orders or more in the time range: choose 3, 6 or 12 months. Orders within an hour count once.",
					targets:     one("repurchase_rate"),
				},
				{
					kind: asStat, title: "No purchase for 30 to 59 days", unit: "percentunit", span: 6,
					description: "CUS-05: of the buyers of the last 365 days, as of today.",
					targets:     one("dormant_30"),
				},
				{
					kind: asStat, title: "No purchase for 60 days", unit: "percentunit", span: 6,
					description: "CUS-06: of the buyers of the last 365 days, as of today.",
					targets:     one("dormant_60"),
				},
				{
					kind: asStat, title: "GMV of buyers who had bought before", unit: "percentunit", span: 6,
					description: "CUS-03: amount of orders that were not the buyer's first, of the amount paid; the rest is of new buyers. By currency.",
					targets:     []target{{sql: history("currency", []string{"repeat_gmv_share"}, "ORDER BY currency")}},
				},
				{
					kind: asTable, title: "Buyers who came again, by month of their first order", unit: "short", span: 18, shares: []string{"within_.*"}, noValue: "too young, or n < 100",
					description: "CUS-01 of fixed cohorts: n buyers by the month of their first order, and who bought again within 90, 180 and 365 days. A month has a value once all of it is old enough: choose two years.",
					targets: []target{{sql: from(definition("repurchase_3m"), "cohort, sum(buyers) AS n, "+sampled("sum(mature_3m)", definition("repurchase_3m").Value)+" AS within_3_months, "+
						sampled("sum(mature_6m)", definition("repurchase_6m").Value)+" AS within_6_months, "+sampled("sum(mature_12m)", definition("repurchase_12m").Value)+" AS within_12_months", "cohort", "ORDER BY cohort DESC")}},
				},
				{
					kind: asStat, title: "GMV of the top fifth of buyers", unit: "percentunit", span: 6,
					description: "CUS-08: of 365 days, by the mean of an order; by currency.",
					targets:     []target{{sql: history("currency", []string{"top20_value"}, "ORDER BY currency")}},
				},
			}},
		},
	}
}
