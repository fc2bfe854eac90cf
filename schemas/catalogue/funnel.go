package catalogue

import (
	"strings"

	"github.com/storepulse/storepulse/schemas"
)

// steps are the rates of FUN-04, each from a stage to the next.
func steps() string {
	var all []string
	for s := schemas.StageVisit; s < schemas.StagePay; s++ {
		all = append(all, schemas.StageNames[s]+"_to_"+schemas.StageNames[s+1])
	}
	return strings.Join(all, "|")
}

const payLater = "orders of which an event names cash on delivery or credit are left out: say payment_method on order.created"

// funnel: from the visit to the payment.
func funnel() []*Metric {
	dims := []string{"stage", "platform", "device_class", "channel", "region"}
	return []*Metric{
		{
			ID: "FUN-01", Name: "visitor_pay_cvr", Title: "Visitor-to-buyer conversion", Unit: "ratio", Dimensions: []string{"platform", "device_class"},
			Formula: "distinct paying buyers by distinct visitors of the same days",
			Edges:   []string{clients, distinct, viewDay, "a ratio of a period: who visited yesterday and pays today counts today", "no value where nobody came"},
			Series:  []string{"ecom_visitors_today", "ecom_buyers_today"}, Now: "sum by (tenant) (ecom_buyers_today) / (sum by (tenant) (ecom_visitors_today) > 0)",
			View: `SELECT tenant, time, business_date, platform, device_class, uniqExactState(v) AS visitors, uniqExactState(b) AS buyers FROM (
    SELECT s.tenant AS tenant, toStartOfHour(s.event_time, 'UTC') AS time, s.business_date AS business_date, s.platform AS platform, s.device_class AS device_class, toNullable(s.visitor_id) AS v, CAST(NULL, 'Nullable(String)') AS b
    FROM fact_events AS s WHERE s.event_type = 'page_view' AND {customers}
    UNION ALL
    SELECT o.tenant, toStartOfHour(assumeNotNull(o.paid_at), 'UTC'), assumeNotNull(o.paid_date), o.platform, o.device_class, CAST(NULL, 'Nullable(UUID)'), toNullable({buyer})
    FROM orders AS o WHERE o.paid_at IS NOT NULL AND {orders}
) GROUP BY ALL`,
			Value: "uniqExactMerge(buyers) / nullIf(uniqExactMerge(visitors), 0)", Dashboards: []string{"D01"}, Alerts: []string{"A-CVR-01"},
		},
		{
			ID: "FUN-02", Name: "session_cvr", Title: "Session conversion", Unit: "ratio", Dimensions: visitDims(), Of: "sessions",
			Formula: "sessions with a paid order, of the sessions; one conversion a session",
			Edges:   []string{people, mature, "the series give the flow: payments and visits of the same minutes"},
			Series:  []string{"ecom_session_stage_total"},
			Now:     `sum by (tenant) (increase(ecom_session_stage_total{stage="pay"}[30m])) / (sum by (tenant) (increase(ecom_session_stage_total{stage="visit"}[30m])) > 0)`,
			Value:   "sum(mature_paid) / nullIf(sum(mature), 0)", Dashboards: []string{"D04"}, Alerts: []string{"A-CVR-01", "A-CVR-03"},
		},
		{
			ID: "FUN-03", Name: "funnel_stage_reach", Title: "Reach of the funnel", Unit: "sessions", Dimensions: dims,
			Formula: "sessions that came to a stage or beyond it", Edges: []string{people, corrects, "who buys without a cart has reached the cart; raw counts the stage's own event"},
			Series: []string{"ecom_session_stage_total", "ecom_session_stage_region_total"}, Now: "sum by (tenant, stage) (increase(ecom_session_stage_total[1h]))",
			View: `SELECT s.tenant AS tenant, toStartOfHour(s.start_time, 'UTC') AS time, s.business_date AS business_date,
    stage, s.platform AS platform, s.device_class AS device_class, s.channel AS channel, s.region AS region,
    countIf(reached >= k) AS reach, countIf(bitTest(s.stages_raw, k)) AS raw,
    countIf(k < 6 AND reached >= k AND (k < 5 OR s.end_time + {pay_window} <= now64(3))) AS step_from,
    countIf(k < 6 AND reached >= k + 1 AND (k < 5 OR s.end_time + {pay_window} <= now64(3))) AS step_to
FROM (SELECT *, indexOf(['visit', 'product_view', 'add_to_cart', 'checkout_start', 'order_submit', 'pay'], toString(max_stage)) AS reached FROM sessions) AS s
ARRAY JOIN ['visit', 'product_view', 'add_to_cart', 'checkout_start', 'order_submit', 'pay'] AS stage, [1, 2, 3, 4, 5, 6] AS k
WHERE {customers} GROUP BY ALL`,
			Value: "sum(reach)", Dashboards: []string{"D04"}, Alerts: []string{"A-CVR-02"},
		},
		{
			ID: "FUN-04", Name: "step_conversion", Title: "Step conversion", Unit: "ratio", Dimensions: dims, Of: "funnel_stage_reach",
			Formula: "sessions that reached the stage after this one, of those that reached this one; the loss is one less that",
			Edges:   []string{people, "from order to payment only sessions whose pay window has passed", "pay has no next stage and no value", "group by stage"},
			Series:  []string{"ecom_session_stage_total"}, Now: `ecom:rate:now30m{rate=~"` + steps() + `",dimension=""}`,
			Value: "sum(step_to) / nullIf(sum(step_from), 0)", Dashboards: []string{"D04"}, Alerts: []string{"A-CVR-02"},
		},
		{
			ID: "FUN-05", Name: "cart_to_pay_loss", Title: "Carts that leave without paying", Unit: "ratio", Dimensions: visitDims(), Of: "sessions",
			Formula: "sessions with an add_to_cart that have no paid order, of those sessions",
			Edges:   []string{people, mature, "a purchase of other products in the session counts as paid", "who buys without a cart is on neither side"},
			Series:  []string{"ecom_cart_sessions_total"},
			Now:     `1 - sum by (tenant) (increase(ecom_cart_sessions_total{outcome="paid"}[1h])) / (sum by (tenant) (increase(ecom_cart_sessions_total{outcome="added"}[1h])) > 0)`,
			Value:   "1 - sum(mature_carted_paid) / nullIf(sum(mature_carted), 0)", Dashboards: []string{"D04"}, Alerts: []string{"A-CVR-04"},
		},
		{
			ID: "FUN-06", Name: "detail_to_cart", Title: "Product page to cart", Unit: "ratio", Dimensions: []string{"item_id", "category_l1", "platform", "device_class", "channel"},
			Formula: "sessions that put a product into the cart after they saw its page, of the sessions that saw it",
			Edges:   []string{people, "an add from a list, without the page, is on neither side", "by session and product: over products a session counts once for each"},
			// An event is of a session that began on its own day or on the day before:
			// it is offered to both, so that days asked of the view are days read.
			View: `SELECT tenant, toStartOfHour(viewed, 'UTC') AS time, business_date, item_id, category_l1, platform, device_class, channel, count() AS seen, countIf(added >= viewed) AS carted
FROM (
    SELECT s.tenant AS tenant, s.session_id AS session_id, e.day AS business_date, e.item_id AS item_id, any(e.category_l1) AS category_l1,
        any(s.platform) AS platform, any(s.device_class) AS device_class, any(s.channel) AS channel,
        minIf(e.event_time, e.event_type = 'view_item') AS viewed, maxIf(e.event_time, e.event_type = 'add_to_cart') AS added, countIf(e.event_type = 'view_item') AS views
    FROM (
        SELECT tenant, visitor_id, event_type, event_time, item_id, category_l1, business_date AS day FROM fact_events WHERE event_type IN ('view_item', 'add_to_cart') AND item_id != ''
        UNION ALL
        SELECT tenant, visitor_id, event_type, event_time, item_id, category_l1, business_date - 1 FROM fact_events WHERE event_type IN ('view_item', 'add_to_cart') AND item_id != ''
    ) AS e
    ASOF INNER JOIN (SELECT * FROM sessions) AS s ON e.tenant = s.tenant AND e.visitor_id = s.visitor_id AND e.day = s.business_date AND e.event_time >= s.start_time
    WHERE e.event_time <= s.end_time AND {customers} GROUP BY s.tenant, s.session_id, e.day, e.item_id
) WHERE views > 0 GROUP BY ALL`,
			Value: "sum(carted) / nullIf(sum(seen), 0)", Dashboards: []string{"D04"}, Alerts: []string{"A-CVR-02"},
		},
		{
			ID: "FUN-07", Name: "order_pay_rate", Title: "Orders that get paid", Unit: "ratio", Dimensions: []string{"platform", "device_class", "region", "order_type", "currency"},
			Formula: "orders paid within the pay window, of the orders created",
			Edges:   []string{untested, "only orders whose pay window has passed: young days have no value, not a low one", "paid_1h and paid_24h are those paid sooner", payLater, "the series have them, and those of any age: payments and orders of the same minutes"},
			Series:  []string{"ecom_orders_placed_total", "ecom_orders_paid_total"},
			Now:     "sum by (tenant) (increase(ecom_orders_paid_total[1h])) / (sum by (tenant) (increase(ecom_orders_placed_total[1h])) > 0)",
			View: `SELECT o.tenant AS tenant, toStartOfHour(assumeNotNull(o.created_at), 'UTC') AS time, assumeNotNull(o.created_date) AS business_date,
    o.platform AS platform, o.device_class AS device_class, o.ship_region AS region, o.order_type AS order_type, o.currency AS currency,
    count() AS orders, countIf(o.paid_at <= o.created_at + {pay_window}) AS paid, countIf(o.paid_at <= o.created_at + toIntervalHour(1)) AS paid_1h, countIf(o.paid_at <= o.created_at + toIntervalHour(24)) AS paid_24h
FROM orders AS o WHERE o.created_at + {pay_window} <= now64(3) AND NOT o.pays_later AND {orders} GROUP BY ALL`,
			Value: "sum(paid) / nullIf(sum(orders), 0)", Dashboards: []string{"D04"}, Alerts: []string{"A-CVR-02"},
		},
		{
			ID: "FUN-08", Name: "payment_failure_rate", Title: "Payments that fail", Unit: "ratio", Dimensions: []string{"payment_method", "platform"},
			Formula: "technical failures of payments, of the attempts", Edges: []string{untested, "an order is a test if any of its events says so: the series know it from that event on", "who gives up is no failure: user_cancels", "by the time of attempt and of failure", "hard, soft, risk_blocks, timeouts and other_failures add up to the failures: an attempt has no error type"},
			Series: []string{"ecom_payment_attempts_total"},
			Now:    `sum by (tenant, payment_method) (increase(ecom_payment_attempts_total{result!~"attempted|user_cancel"}[5m])) / (sum by (tenant, payment_method) (increase(ecom_payment_attempts_total{result="attempted"}[5m])) > 0)`,
			View: `SELECT o.tenant AS tenant, toStartOfHour(o.event_time, 'UTC') AS time, o.business_date AS business_date, o.payment_method AS payment_method, o.platform AS platform,
    countIf(o.event_type = 'payment.attempted') AS attempts, countIf(o.event_type = 'payment.failed' AND o.payment_error != 'user_cancel') AS failures, countIf(o.event_type = 'payment.failed' AND o.payment_error = 'user_cancel') AS user_cancels,
    countIf(o.event_type = 'payment.failed' AND o.payment_error = 'hard') AS hard, countIf(o.event_type = 'payment.failed' AND o.payment_error = 'soft') AS soft, countIf(o.event_type = 'payment.failed' AND o.payment_error = 'risk_block') AS risk_blocks,
    countIf(o.event_type = 'payment.failed' AND o.payment_error = 'timeout') AS timeouts, countIf(o.event_type = 'payment.failed' AND o.payment_error NOT IN ('hard', 'soft', 'risk_block', 'timeout', 'user_cancel')) AS other_failures
FROM fact_order_events AS o WHERE o.event_type IN ('payment.attempted', 'payment.failed') AND (o.tenant, o.order_hash) NOT IN (SELECT tenant, order_hash FROM fact_orders WHERE is_test OR is_internal) GROUP BY ALL`,
			Value: "sum(failures) / nullIf(sum(attempts), 0)", Dashboards: []string{"D02", "D04"}, Alerts: []string{"A-PAY-01"},
		},
		{
			ID: "FUN-09", Name: "unpaid_orders_backlog", Title: "Unpaid orders by age", Unit: "orders", Dimensions: []string{"age_bucket", "platform", "currency"},
			Formula: "orders that wait for payment", Edges: []string{untested, "until the pay window has passed; presale, subscription, exchange and imported orders are left out", payLater, "nothing tells of follow-up messages", "the gauge is state: it survives restarts and moves with its lanes; the view is as of now, by the day of the order"},
			Series: []string{"ecom_orders_unpaid"}, Now: "sum by (tenant, age_bucket) (ecom_orders_unpaid)",
			View: `SELECT o.tenant AS tenant, toStartOfHour(assumeNotNull(o.created_at), 'UTC') AS time, assumeNotNull(o.created_date) AS business_date,
    multiIf(o.created_at + toIntervalMinute(15) > now64(3), 'lt_15m', o.created_at + toIntervalHour(1) > now64(3), '15m_1h', o.created_at + toIntervalHour(24) > now64(3), '1h_24h', 'gt_24h') AS age_bucket,
    o.platform AS platform, o.currency AS currency, count() AS orders, sum(o.payable_minor) AS amount_minor
FROM orders AS o WHERE o.status = 'created' AND o.order_type NOT IN ('presale', 'subscription', 'exchange', 'imported') AND o.created_at + {pay_window} > now64(3) AND NOT o.pays_later AND {orders} GROUP BY ALL`,
			Value: "sum(orders)", Dashboards: []string{"D02", "D04"},
		},
		{
			ID: "FUN-11", Name: "time_to_convert", Title: "Median time from checkout to order", Unit: "seconds", Dimensions: visitDims(),
			Formula: "median of the time from the first begin_checkout to the linked order, in the session of the order",
			Edges:   []string{people, "an order that seems older than its checkout, by clocks that differ, is counted in negatives and left out"},
			Series:  []string{"ecom_checkout_duration_seconds"}, Now: "histogram_quantile(0.5, sum by (tenant, le) (increase(ecom_checkout_duration_seconds_bucket[1h])))",
			View: `SELECT s.tenant AS tenant, toStartOfHour(s.start_time, 'UTC') AS time, s.business_date AS business_date,
    s.platform AS platform, s.device_class AS device_class, s.channel AS channel, s.region AS region, s.landing_page_type AS landing_page_type,
    countIf(s.first_order_submit >= s.first_checkout_start) AS orders, countIf(s.first_order_submit < s.first_checkout_start) AS negatives,
    quantileTDigestStateIf(0.5)(toFloat64(dateDiff('millisecond', assumeNotNull(s.first_checkout_start), assumeNotNull(s.first_order_submit))) / 1000, s.first_order_submit >= s.first_checkout_start) AS durations
FROM sessions AS s WHERE s.first_checkout_start IS NOT NULL AND s.first_order_submit IS NOT NULL AND {customers} GROUP BY ALL`,
			Value: "if(sum(orders) = 0, NULL, quantileTDigestMerge(0.5)(durations))", Dashboards: []string{"D04"},
		},
		{
			ID: "FUN-11", Name: "time_to_convert_p90", Title: "Long time from checkout to order", Unit: "seconds", Dimensions: visitDims(), Of: "time_to_convert",
			Formula: "nine of ten orders take less from the first begin_checkout", Edges: []string{people, "negatives are left out"},
			Series: []string{"ecom_checkout_duration_seconds"}, Now: "histogram_quantile(0.9, sum by (tenant, le) (increase(ecom_checkout_duration_seconds_bucket[1h])))",
			Value: "if(sum(orders) = 0, NULL, quantileTDigestMerge(0.9)(durations))", Dashboards: []string{"D04"},
		},
		{
			ID: "FUN-14", Name: "anomaly_score", Title: "How unlikely is it?", Unit: "standard deviations", Dimensions: []string{"rate", "dimension", "slice"},
			Formula: "z of a share against the same window of the last four weeks, by the over-dispersion of shops",
			Edges:   []string{"weeks in a promotion are left out", "no score without a week to compare with"},
			Series:  []string{"ecom_session_stage_total"}, Now: "ecom:rate:z30m", Dashboards: []string{"D02", "D04"}, Alerts: []string{"A-CVR-01", "A-CVR-02", "A-CVR-03", "A-CVR-04"},
		},
	}
}
