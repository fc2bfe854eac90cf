package catalogue

const (
	occurrence = "occurrence basis: each amount on the business day it happened; closed days never change"
	cohort     = "cohort basis: what became of the orders paid on the day; restated while refunds come"
	perMoney   = "minor units; currencies are never added: group by currency"
	paidIn     = "in the currency of the payment; what is refunded in another counts in that, and not against the orders of a day"
	untested   = "test and internal orders are left out"
	resent     = "an order first heard of over 2½ hours after it was created or paid is in the view alone: the series cannot tell it from one that is sent again"
)

// sales: orders and money.
func sales() []*Metric {
	dims := []string{"platform", "device_class", "region", "order_type", "currency"}
	return []*Metric{
		{
			ID: "SAL-01", Name: "gmv_placed", Title: "GMV placed", Unit: "minor units", Dimensions: dims,
			Formula: "payable amount of the orders created, unpaid and cancelled ones included",
			Edges:   []string{perMoney, untested, resent, "an amendment replaces the amount on the day of creation: the greatest version wins", "goods_minor leaves freight and tax out"},
			Series:  []string{"ecom_orders_placed_amount_minor_total"}, Now: "sum by (tenant, currency) (increase(ecom_orders_placed_amount_minor_total[1h]))",
			View: `SELECT o.tenant AS tenant, toStartOfHour(assumeNotNull(o.created_at), 'UTC') AS time, assumeNotNull(o.created_date) AS business_date,
    o.platform AS platform, o.device_class AS device_class, o.ship_region AS region, o.order_type AS order_type, o.currency AS currency,
    count() AS orders, sum(o.payable_minor) AS amount_minor, sum(o.goods_minor - o.discount_minor) AS goods_minor
FROM orders AS o WHERE o.created_at IS NOT NULL AND {orders} GROUP BY ALL`,
			Value: "sum(amount_minor)", Dashboards: []string{"D01"}, Alerts: []string{"A-GMV-01"},
		},
		{
			ID: "SAL-02", Name: "gmv_paid", Title: "GMV paid", Unit: "minor units", Dimensions: append([]string{"payment_method"}, dims...),
			Formula: "paid amount of the orders that became fully paid",
			Edges:   []string{perMoney, paidIn, untested, resent, "refunds are not deducted", "by the time of payment, and the platform the order was placed on"},
			Series:  []string{"ecom_orders_paid_amount_minor_total"}, Now: "sum by (tenant, currency) (increase(ecom_orders_paid_amount_minor_total[1h]))",
			View: `SELECT o.tenant AS tenant, toStartOfHour(assumeNotNull(o.paid_at), 'UTC') AS time, assumeNotNull(o.paid_date) AS business_date,
    o.platform AS platform, o.device_class AS device_class, o.ship_region AS region, o.order_type AS order_type, o.payment_method AS payment_method, o.paid_currency AS currency,
    count() AS orders, sum(o.paid_minor) AS amount_minor, sum(o.units) AS units, countIf(o.status = 'cancelled_paid') AS cancelled,
    uniqExactState({buyer}) AS buyers, quantileTDigestState(0.5)(toFloat64(o.paid_minor)) AS amounts
FROM orders AS o WHERE o.paid_at IS NOT NULL AND {orders} GROUP BY ALL`,
			Value: "sum(amount_minor)", Dashboards: []string{"D01", "D02"}, Alerts: []string{"A-GMV-01", "A-ORD-01"},
		},
		{
			ID: "SAL-03", Name: "net_sales", Title: "Net sales, by occurrence", Unit: "minor units", Dimensions: dims,
			Formula: "amount paid less amount refunded, each on its own day",
			Edges:   []string{perMoney, paidIn, untested, occurrence, "may be below zero on a day"},
			View:    netSales, Value: "sum(paid_minor) - sum(refunded_minor)", Dashboards: []string{"D01"},
		},
		{
			ID: "SAL-03", Name: "net_sales_cohort", Title: "Net sales, by cohort", Unit: "minor units", Dimensions: dims, Of: "net_sales",
			Formula: "amount paid less what was ever refunded of the same orders",
			Edges:   []string{perMoney, paidIn, untested, cohort},
			Value:   "sum(paid_minor) - sum(cohort_refunded_minor)", Dashboards: []string{"D01"},
		},
		{
			ID: "SAL-04", Name: "gmv_device_split", Title: "GMV by device", Unit: "minor units", Dimensions: []string{"device_class", "platform", "currency"}, Of: "gmv_paid",
			Formula: "amount paid by the device class on which the order was placed",
			Edges:   []string{perMoney, untested, "other and unknown are classes: they add up to the whole"},
			Series:  []string{"ecom_orders_paid_amount_minor_total"}, Now: "sum by (tenant, currency, platform) (increase(ecom_orders_paid_amount_minor_total[1h]))",
			Value: "sum(amount_minor)", Dashboards: []string{"D01"},
		},
		{
			ID: "SAL-05", Name: "orders_placed", Title: "Orders placed", Unit: "orders", Dimensions: dims, Of: "gmv_placed",
			Formula: "distinct orders created", Edges: []string{untested, "by order, not by event: a state that is sent again counts once", resent},
			Series: []string{"ecom_orders_placed_total"}, Now: "sum by (tenant) (increase(ecom_orders_placed_total[5m]))",
			Value: "sum(orders)", Dashboards: []string{"D01", "D02"}, Alerts: []string{"A-GMV-01"},
		},
		{
			ID: "SAL-05", Name: "orders_paid", Title: "Orders paid", Unit: "orders", Dimensions: dims, Of: "gmv_paid",
			Formula: "distinct orders that became fully paid", Edges: []string{untested, "by the time of payment", "by order, not by event: a state that is sent again counts once", resent},
			Series: []string{"ecom_orders_paid_total", "ecom_last_paid_order_timestamp_seconds"}, Now: "sum by (tenant) (increase(ecom_orders_paid_total[5m]))",
			Value: "sum(orders)", Dashboards: []string{"D01", "D02"}, Alerts: []string{"A-ORD-01", "A-GMV-01"},
		},
		{
			ID: "SAL-06", Name: "unpaid_close_rate", Title: "Orders closed without payment", Unit: "ratio", Dimensions: append([]string{"cancel_reason"}, dims...),
			Formula: "orders closed without payment, of the orders created",
			Edges:   []string{untested, "only orders whose pay window has passed: young days have no value, not a low one", "cancel_reason is none where nobody cancelled: by reason compare sum(closed), the orders of one reason are all closed"},
			Series:  []string{"ecom_orders_cancelled_total"}, Now: `sum by (tenant) (increase(ecom_orders_cancelled_total{paid="false"}[1h]))`,
			View: `SELECT o.tenant AS tenant, toStartOfHour(assumeNotNull(o.created_at), 'UTC') AS time, assumeNotNull(o.created_date) AS business_date,
    o.platform AS platform, o.device_class AS device_class, o.ship_region AS region, o.order_type AS order_type, o.currency AS currency, if(o.cancel_reason = '', 'none', o.cancel_reason) AS cancel_reason,
    count() AS orders, countIf(o.status = 'closed_unpaid') AS closed
FROM orders AS o WHERE o.created_at + {pay_window} <= now64(3) AND {orders} GROUP BY ALL`,
			Value: "sum(closed) / nullIf(sum(orders), 0)", Dashboards: []string{"D01"},
		},
		{
			ID: "SAL-06", Name: "paid_cancel_rate", Title: "Orders cancelled after payment", Unit: "ratio", Dimensions: dims, Of: "gmv_paid",
			Formula: "orders cancelled after payment, of the orders paid", Edges: []string{untested, "by the time of payment: young days still move"},
			Series: []string{"ecom_orders_cancelled_total"}, Now: `sum by (tenant) (increase(ecom_orders_cancelled_total{paid="true"}[1h]))`,
			Value: "sum(cancelled) / nullIf(sum(orders), 0)", Dashboards: []string{"D01"},
		},
		{
			ID: "SAL-07", Name: "aov", Title: "Average order value", Unit: "minor units an order", Dimensions: dims, Of: "gmv_paid",
			Formula: "GMV paid by orders paid", Edges: []string{perMoney, untested, "per order; what a buyer spends is SAL-08", "the series are in the shop's own currency: orders in others are left out on both sides"},
			Series: []string{"ecom_orders_paid_amount_minor_total", "ecom_orders_paid_total", "ecom_orders_foreign_currency_total"},
			Now:    "sum by (tenant) (increase(ecom_orders_paid_amount_minor_total[1h])) / (sum by (tenant) (increase(ecom_orders_paid_total[1h])) - sum by (tenant) (increase(ecom_orders_foreign_currency_total[1h])) > 0)",
			Value:  "sum(amount_minor) / nullIf(sum(orders), 0)", Dashboards: []string{"D01"}, Alerts: []string{"A-GMV-01"},
		},
		{
			ID: "SAL-07", Name: "aov_median", Title: "Median order value", Unit: "minor units an order", Dimensions: dims, Of: "gmv_paid",
			Formula: "half of the orders paid are of more", Edges: []string{perMoney, untested, "beside the mean, which a few large orders move", "estimated by a digest, within 1 %"},
			Value: "if(sum(orders) = 0, NULL, quantileTDigestMerge(0.5)(amounts))", Dashboards: []string{"D01"},
		},
		{
			ID: "SAL-08", Name: "spend_per_buyer", Title: "Spend per buyer", Unit: "minor units a buyer", Dimensions: dims, Of: "gmv_paid",
			Formula: "GMV paid by distinct paying buyers",
			Edges:   []string{perMoney, untested, "a buyer is the user, without login the visitor", "who buys on two days or devices counts once in the whole: slices do not add up"},
			Value:   "sum(amount_minor) / nullIf(uniqExactMerge(buyers), 0)", Dashboards: []string{"D01"},
		},
		{
			ID: "SAL-09", Name: "units_sold", Title: "Units sold", Unit: "units", Dimensions: []string{"item_id", "category_l1", "item_brand", "platform", "currency"},
			Formula: "units in the lines of paid orders",
			Edges:   []string{untested, "the lines of the order's newest version that has any", "amount_minor is price times quantity without gifts; discounts on the whole order are not spread over lines", "by the time of payment"},
			Series:  []string{"ecom_units_sold_total"}, Now: "sum by (tenant, category_l1) (increase(ecom_units_sold_total[1h]))",
			View: soldLines + " GROUP BY ALL", Value: "sum(units)", Dashboards: []string{"D01"},
		},
		{
			ID: "SAL-09", Name: "items_per_order", Title: "Units per order", Unit: "units an order", Dimensions: dims, Of: "gmv_paid",
			Formula: "units in paid orders by orders paid", Edges: []string{untested}, Value: "sum(units) / nullIf(sum(orders), 0)", Dashboards: []string{"D01"},
		},
		{
			ID: "SAL-13", Name: "sales_growth", Title: "GMV against the week before", Unit: "ratio", Dimensions: []string{"platform", "device_class", "currency"},
			Formula: "GMV paid less that of seven days before, by that of seven days before",
			Edges:   []string{perMoney, untested, "the day that goes on is compared with the same hours", "exactly 168 hours: an hour off where clocks changed", "no value where nothing was sold a week before"},
			Series:  []string{"ecom_orders_paid_amount_minor_total"},
			Now:     "sum by (tenant, currency) (increase(ecom_orders_paid_amount_minor_total[1h])) / (sum by (tenant, currency) (increase(ecom_orders_paid_amount_minor_total[1h] offset 1w)) > 0) - 1",
			View: `SELECT tenant, time, business_date, platform, device_class, currency, sum(amount) AS amount_minor, sum(before) AS before_minor FROM (
    SELECT o.tenant AS tenant, toStartOfHour(assumeNotNull(o.paid_at), 'UTC') AS time, assumeNotNull(o.paid_date) AS business_date, o.platform AS platform, o.device_class AS device_class, o.paid_currency AS currency, o.paid_minor AS amount, toInt64(0) AS before
    FROM orders AS o WHERE o.paid_at IS NOT NULL AND {orders}
    UNION ALL
    SELECT o.tenant, toStartOfHour(assumeNotNull(o.paid_at) + toIntervalDay(7), 'UTC'), assumeNotNull(o.paid_date) + 7, o.platform, o.device_class, o.paid_currency, toInt64(0), o.paid_minor
    FROM orders AS o WHERE o.paid_at + toIntervalDay(7) <= now64(3) AND {orders}
) GROUP BY ALL`,
			Value: "(sum(amount_minor) - sum(before_minor)) / nullIf(sum(before_minor), 0)", Dashboards: []string{"D01"}, Alerts: []string{"A-GMV-01"},
		},
		{
			ID: "SAL-16", Name: "sold_today", Title: "Units sold today", Unit: "units", Dimensions: []string{"item_id", "category_l1", "item_brand", "platform", "currency"},
			Formula: "units of lines paid on the shop's business day that are still sold",
			Edges:   []string{untested, "orders cancelled or refunded in full are left out; a refund in part says no lines and takes none away", "the day ends at midnight of the shop's time zone"},
			View:    soldLines + " AND o.paid_date = {today} GROUP BY ALL", Value: "sum(kept_units)", Dashboards: []string{"D01"},
		},
	}
}

const netSales = `SELECT tenant, time, business_date, platform, device_class, region, order_type, currency, refund_reason, refund_type,
    sum(paid) AS paid_minor, sum(back) AS refunded_minor, sum(ever) AS cohort_refunded_minor, sum(n) AS orders, sum(r) AS refunded_orders, sum(old_n) AS mature_orders, sum(old_r) AS mature_refunded_orders,
    sum(old_paid) AS mature_paid_minor, sum(old_ever) AS mature_refunded_minor
FROM (
    SELECT o.tenant AS tenant, toStartOfHour(assumeNotNull(o.paid_at), 'UTC') AS time, assumeNotNull(o.paid_date) AS business_date,
        o.platform AS platform, o.device_class AS device_class, o.ship_region AS region, o.order_type AS order_type, o.paid_currency AS currency, 'none' AS refund_reason, 'none' AS refund_type,
        o.paid_minor AS paid, toInt64(0) AS back, o.refunded_minor AS ever, 1 AS n, toUInt8(o.refunded_minor > 0) AS r,
        if(o.paid_at + toIntervalDay(30) <= now64(3), o.paid_minor, 0) AS old_paid, if(o.paid_at + toIntervalDay(30) <= now64(3), o.refunded_minor, 0) AS old_ever,
        toUInt8(o.paid_at + toIntervalDay(30) <= now64(3)) AS old_n, toUInt8(o.paid_at + toIntervalDay(30) <= now64(3) AND o.refunded_minor > 0) AS old_r
    FROM orders AS o WHERE o.paid_at IS NOT NULL AND {orders}
    UNION ALL
    SELECT f.tenant, toStartOfHour(f.at, 'UTC'), f.day, if(o.platform = '', 'unknown', o.platform), if(o.device_class = '', 'unknown', o.device_class),
        if(o.ship_region = '', 'unknown', o.ship_region), if(o.order_type = '', 'unknown', o.order_type), f.currency, f.reason, f.type, toInt64(0), f.minor, toInt64(0), 0, 0, toInt64(0), toInt64(0), 0, 0
    FROM (
        SELECT tenant, order_hash, refund_id, min(event_time) AS at, min(fact_refunds.business_date) AS day, fact_refunds.currency AS currency, max(refund_minor) AS minor,
            argMin(refund_reason, event_time) AS reason, argMin(if(fact_refunds.refund_type = '', 'unknown', fact_refunds.refund_type), event_time) AS type
        FROM fact_refunds WHERE event_type = 'refund.succeeded' GROUP BY tenant, order_hash, refund_id, currency
    ) AS f LEFT JOIN orders AS o ON f.tenant = o.tenant AND f.order_hash = o.order_hash
    WHERE {orders}
) GROUP BY ALL`

// soldLines are the lines of paid orders, of the newest version that has any.
const soldLines = `SELECT o.tenant AS tenant, toStartOfHour(assumeNotNull(o.paid_at), 'UTC') AS time, assumeNotNull(o.paid_date) AS business_date,
    i.item_id AS item_id, i.category_l1 AS category_l1, i.item_brand AS item_brand, o.platform AS platform, i.currency AS currency,
    sum(i.quantity) AS units, sumIf(i.quantity, o.status = 'paid' AND o.refund_state != 'full') AS kept_units, sumIf(i.amount_minor, NOT i.is_gift) AS amount_minor, any(i.item_name) AS item_name
FROM (
    SELECT l.tenant AS tenant, l.order_hash AS order_hash, l.item_id AS item_id, l.item_name AS item_name, l.category_l1 AS category_l1, l.item_brand AS item_brand, l.currency AS currency, l.quantity AS quantity, l.amount_minor AS amount_minor, l.is_gift AS is_gift
    FROM fact_order_items AS l
    WHERE (l.tenant, l.order_hash, l.order_version) IN (SELECT tenant, order_hash, max(order_version) FROM fact_order_items GROUP BY tenant, order_hash)
    LIMIT 1 BY l.tenant, l.order_hash, l.line
) AS i INNER JOIN orders AS o ON i.tenant = o.tenant AND i.order_hash = o.order_hash
WHERE o.paid_at IS NOT NULL AND {orders}`
