package catalogue

import "fmt"

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
		cohortOf(3, `SELECT tenant, toStartOfHour(first, 'UTC') AS time, day AS business_date, toStartOfMonth(day) AS cohort, platform, count() AS buyers,
    countIf(old_3m) AS mature_3m, countIf(old_3m AND again_after <= 90) AS again_3m, countIf(old_6m) AS mature_6m, countIf(old_6m AND again_after <= 180) AS again_6m, countIf(old_12m) AS mature_12m, countIf(old_12m AND again_after <= 365) AS again_12m
FROM (
    SELECT o.tenant AS tenant, {buyer} AS buyer, min(assumeNotNull(o.paid_at)) AS first, argMin(assumeNotNull(o.paid_date), o.paid_at) AS day, argMin(o.platform, o.paid_at) AS platform,
        arrayMin(arrayMap(t -> if(t > first + toIntervalHour(1), dateDiff('millisecond', first, t) / 86400000, inf), groupArray(assumeNotNull(o.paid_at)))) AS again_after,
        toLastDayOfMonth(day) + 90 < any({today}) AS old_3m, toLastDayOfMonth(day) + 180 < any({today}) AS old_6m, toLastDayOfMonth(day) + 365 < any({today}) AS old_12m
    FROM orders AS o WHERE {valid} GROUP BY tenant, buyer
) GROUP BY ALL`),
		cohortOf(6, ""),
		cohortOf(12, ""),
		{
			ID: "CUS-03", Name: "repeat_gmv_share", Title: "GMV of repeat buyers", Unit: "ratio", Dimensions: []string{"platform", "currency"}, Of: "new_vs_repeat",
			Formula: "amount of the orders that were not the buyer's first, of the amount paid; the rest is of new buyers", Edges: []string{validOrders, perMoney, "as far back as orders are kept"},
			Value: "(sum(amount_minor) - sum(new_minor)) / nullIf(sum(amount_minor), 0)", Dashboards: []string{"D01"},
		},
		{
			ID: "CUS-03", Name: "new_vs_repeat", Title: "Repeat buyers", Unit: "ratio", Dimensions: []string{"platform", "currency"},
			Formula: "buyers whose first order ever is older than the time range, of its buyers",
			Edges:   []string{validOrders, distinct, "as far back as orders are kept"},
			View: `SELECT tenant, toStartOfHour(at, 'UTC') AS time, day AS business_date, platform, currency, uniqExactState(buyer) AS buyers, uniqExactStateIf(buyer, at = first) AS new_buyers, count() AS orders, sum(minor) AS amount_minor, sumIf(minor, at = first) AS new_minor FROM (
    SELECT o.tenant AS tenant, assumeNotNull(o.paid_at) AS at, assumeNotNull(o.paid_date) AS day, o.platform AS platform, o.paid_currency AS currency, o.paid_minor AS minor, {buyer} AS buyer,
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
        SELECT o.tenant AS tenant, {today} AS day, o.paid_currency AS currency, {buyer} AS buyer, count() AS orders, sum(o.paid_minor) AS minor
        FROM orders AS o WHERE {valid} AND o.paid_date > {today} - 365 GROUP BY tenant, day, currency, buyer
    )
) GROUP BY ALL`,
			Value: "sumIf(amount_minor, is_top) / nullIf(sum(amount_minor), 0)", Dashboards: []string{"D01"},
		},
		{
			ID: "SVC-01", Name: "refund_rate", Title: "Refund rate, by occurrence", Unit: "ratio", Dimensions: []string{"platform", "device_class", "region", "order_type", "currency"}, Of: "net_sales",
			Formula: "amount refunded by amount paid in the same time", Edges: []string{perMoney, paidIn, untested, occurrence, "may exceed 1 after a promotion", "the view has refund_reason and refund_type beside refunded_minor, none on rows of payments: a reason has an amount and no rate", "a refund may come weeks after its order has left the state: then the series have those of test orders whose refund does not say so"},
			Series: []string{"ecom_refund_amount_minor_total", "ecom_refunds_total", "ecom_orders_paid_amount_minor_total"},
			Now:    "sum by (tenant, currency) (increase(ecom_refund_amount_minor_total[1h])) / (sum by (tenant, currency) (increase(ecom_orders_paid_amount_minor_total[1h])) > 0)",
			Value:  "sum(refunded_minor) / nullIf(sum(paid_minor), 0)", Dashboards: []string{"D01"},
		},
		{
			ID: "SVC-01", Name: "refund_rate_cohort", Title: "Refund rate, by cohort", Unit: "ratio", Dimensions: []string{"platform", "device_class", "region", "order_type", "currency"}, Of: "net_sales",
			Formula: "amount ever refunded of the orders paid, by their amount",
			Edges:   []string{perMoney, paidIn, untested, cohort, "only orders paid 30 days ago or earlier: young days have no value, not a low one"},
			Value:   "sum(mature_refunded_minor) / nullIf(sum(mature_paid_minor), 0)", Dashboards: []string{"D01"},
		},
		{
			ID: "SVC-01", Name: "refund_rate_orders", Title: "Orders with a refund, by cohort", Unit: "ratio", Dimensions: []string{"platform", "device_class", "region", "order_type", "currency"}, Of: "net_sales",
			Formula: "orders with a succeeded refund, of the orders paid", Edges: []string{untested, cohort, "a refund in part is an order, several of one order are one", "only orders paid 30 days ago or earlier: young days have no value, not a low one"},
			Value: "sum(mature_refunded_orders) / nullIf(sum(mature_orders), 0)", Dashboards: []string{"D01"},
		},
	}
}

// cohortOf is the repurchase of fixed cohorts within months. The first has the view.
func cohortOf(months int, view string) *Metric {
	days := map[int]int{3: 90, 6: 180, 12: 365}[months]
	m := &Metric{
		ID: "CUS-01", Name: fmt.Sprintf("repurchase_%dm", months), Title: fmt.Sprintf("Repurchase within %d months", months), Unit: "ratio", Dimensions: []string{"cohort", "platform"}, View: view,
		Formula: fmt.Sprintf("buyers who bought again within %d days of their first order, of the buyers of the first order's month", days),
		Edges:   []string{validOrders, fmt.Sprintf("only months whose last day is over %d days ago: young months have no value, not a low one", days), "an order within an hour of the first is not another one", "as far back as orders are kept"},
		Value:   fmt.Sprintf("sum(again_%[1]dm) / nullIf(sum(mature_%[1]dm), 0)", months), Dashboards: []string{"D01"},
	}
	if view == "" {
		m.Of = "repurchase_3m"
	}
	return m
}
