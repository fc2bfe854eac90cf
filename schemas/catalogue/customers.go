package catalogue

const validOrders = "valid orders only: paid, not cancelled, not refunded in full"

// customers: who buys, and buys again; what comes back.
func customers() []*Metric {
	return []*Metric{
		{
			ID: "CUS-01", Name: "repurchase_rate", Title: "Repurchase rate", Unit: "ratio", Dimensions: []string{"platform"},
			Formula: "buyers with two orders or more in the time range, of the buyers in it: choose 3, 6 or 12 months",
			Edges:   []string{validOrders, "orders of a buyer within an hour of the one before count once", "a buyer is the user, without login the visitor"},
			View: `SELECT tenant, toStartOfHour(at, 'UTC') AS time, day AS business_date, platform, buyer, countIf(fresh) AS orders FROM (
    SELECT o.tenant AS tenant, assumeNotNull(o.paid_at) AS at, assumeNotNull(o.paid_date) AS day, o.platform AS platform, {buyer} AS buyer,
        at > lagInFrame(at + toIntervalHour(1), 1, toDateTime64(0, 3)) OVER (PARTITION BY o.tenant, {buyer} ORDER BY assumeNotNull(o.paid_at) ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS fresh
    FROM orders AS o WHERE {valid}
) GROUP BY ALL HAVING orders > 0`,
			Value: "arrayCount(n -> n > 1, mapValues(sumMap(map(buyer, orders)))) / nullIf(length(mapKeys(sumMap(map(buyer, orders)))), 0)", Dashboards: []string{"D01"},
		},
		{
			ID: "CUS-03", Name: "new_vs_repeat", Title: "Repeat buyers", Unit: "ratio", Dimensions: []string{"platform", "currency"},
			Formula: "buyers whose first order ever is older than the time range, of its buyers",
			Edges:   []string{validOrders, distinct, "as far back as orders are kept"},
			View: `SELECT tenant, toStartOfHour(at, 'UTC') AS time, day AS business_date, platform, currency, uniqExactState(buyer) AS buyers, uniqExactStateIf(buyer, at = first) AS new_buyers, count() AS orders, sum(minor) AS amount_minor, sumIf(minor, at = first) AS new_minor FROM (
    SELECT o.tenant AS tenant, assumeNotNull(o.paid_at) AS at, assumeNotNull(o.paid_date) AS day, o.platform AS platform, o.currency AS currency, o.paid_minor AS minor, {buyer} AS buyer,
        min(assumeNotNull(o.paid_at)) OVER (PARTITION BY o.tenant, {buyer}) AS first
    FROM orders AS o WHERE {valid}
) GROUP BY ALL`,
			Value: "(uniqExactMerge(buyers) - uniqExactMerge(new_buyers)) / nullIf(uniqExactMerge(buyers), 0)", Dashboards: []string{"D01"},
		},
		{
			ID: "CUS-05", Name: "dormant_30", Title: "No purchase for 30 to 59 days", Unit: "ratio",
			Formula: "buyers of the last 365 days whose last order is 30 to 59 business days old, of those buyers",
			Edges:   []string{validOrders, "as of today: one row a tenant", "in days of the shop's calendar: who bought 30 days ago is in"},
			View: `SELECT tenant, toStartOfHour(now(), 'UTC') AS time, day AS business_date, count() AS buyers, countIf(days >= 30 AND days < 60) AS dormant_30, countIf(days >= 60) AS dormant_60 FROM (
    SELECT o.tenant AS tenant, {today} AS day, {buyer} AS buyer, {today} - max(assumeNotNull(o.paid_date)) AS days
    FROM orders AS o WHERE {valid} AND o.paid_date > {today} - 365 GROUP BY tenant, day, buyer
) GROUP BY ALL`,
			Value: "sum(dormant_30) / nullIf(sum(buyers), 0)", Dashboards: []string{"D01"},
		},
		{
			ID: "CUS-06", Name: "dormant_60", Title: "No purchase for 60 days", Unit: "ratio", Of: "dormant_30",
			Formula: "buyers of the last 365 days whose last order is 60 days old or older, of those buyers",
			Edges:   []string{validOrders, "as of today: one row a tenant", "of buyers: nothing tells of memberships"},
			Value:   "sum(dormant_60) / nullIf(sum(buyers), 0)", Dashboards: []string{"D01"},
		},
		{
			ID: "CUS-08", Name: "top20_value", Title: "GMV of the top fifth of buyers", Unit: "ratio", Dimensions: []string{"is_top", "currency"},
			Formula: "paid amount of the fifth of buyers who spend most an order, of the amount of all, over 365 days",
			Edges:   []string{validOrders, perMoney, "as of today", "ties at the cut are in", "ranked by the mean of an order, so one large order ranks high"},
			View: `SELECT tenant, toStartOfHour(now(), 'UTC') AS time, day AS business_date, currency, place <= 0.2 AS is_top, count() AS buyers, sum(orders) AS orders, sum(minor) AS amount_minor FROM (
    SELECT tenant, day, currency, buyer, orders, minor, percent_rank() OVER (PARTITION BY tenant, currency ORDER BY minor / orders DESC) AS place FROM (
        SELECT o.tenant AS tenant, {today} AS day, o.currency AS currency, {buyer} AS buyer, count() AS orders, sum(o.paid_minor) AS minor
        FROM orders AS o WHERE {valid} AND o.paid_date > {today} - 365 GROUP BY tenant, day, currency, buyer
    )
) GROUP BY ALL`,
			Value: "sumIf(amount_minor, is_top) / nullIf(sum(amount_minor), 0)", Dashboards: []string{"D01"},
		},
		{
			ID: "SVC-01", Name: "refund_rate", Title: "Refund rate, by occurrence", Unit: "ratio", Dimensions: []string{"platform", "device_class", "region", "order_type", "currency"}, Of: "net_sales",
			Formula: "amount refunded by amount paid in the same time", Edges: []string{perMoney, untested, occurrence, "may exceed 1 after a promotion"},
			Series: []string{"ecom_refund_amount_minor_total", "ecom_refunds_total", "ecom_orders_paid_amount_minor_total"},
			Now:    "sum by (tenant, currency) (increase(ecom_refund_amount_minor_total[1h])) / (sum by (tenant, currency) (increase(ecom_orders_paid_amount_minor_total[1h])) > 0)",
			Value:  "sum(refunded_minor) / nullIf(sum(paid_minor), 0)", Dashboards: []string{"D01"},
		},
		{
			ID: "SVC-01", Name: "refund_rate_cohort", Title: "Refund rate, by cohort", Unit: "ratio", Dimensions: []string{"platform", "device_class", "region", "order_type", "currency"}, Of: "net_sales",
			Formula: "amount ever refunded of the orders paid, by their amount",
			Edges:   []string{perMoney, untested, cohort, "only orders paid 30 days ago or earlier: young days have no value, not a low one"},
			Value:   "sum(mature_refunded_minor) / nullIf(sum(mature_paid_minor), 0)", Dashboards: []string{"D01"},
		},
	}
}
