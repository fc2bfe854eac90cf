package catalogue

const (
	people   = "bots, test and internal traffic are left out"
	clients  = "bots are left out by their user agent, and test and internal traffic: one that only its more than 5,000 events a session give away is in, sessions leave it out"
	noSource = "of all channels: only the landing page tells where a visit comes from"
	distinct = "distinct counts are merged, not added: over days, channels or pages they do not add up"
	viewDay  = "a visit over midnight is a session of the first day, and views and a visitor of both"
	closed   = "only sessions that are closed: it lags the gap after the last event"
	mature   = "only sessions whose pay window has passed: young days have no value, not a low one"
	corrects = "the counter never goes down; the view follows merges and late events"
)

func visitDims() []string {
	return []string{"platform", "device_class", "channel", "region", "landing_page_type"}
}

// UpToDate holds while the facts are not two minutes later than usual: events
// may be two minutes out of order.
const UpToDate = "time() - min(ecom_complete_until_timestamp_seconds) <= 240"

// traffic: visits and pages.
func traffic() []*Metric {
	pages := []string{"page_type", "platform", "device_class", "region"}
	return []*Metric{
		{
			ID: "TRF-04", Name: "sessions", Title: "Sessions", Unit: "sessions", Dimensions: visitDims(),
			Formula: "sessions by the business day they started on", Edges: []string{people, corrects},
			Series: []string{"ecom_sessions_started_total", "ecom_sessions_active", "ecom_sessions_open"}, Now: "sum by (tenant) (increase(ecom_sessions_started_total[1h]))",
			View: `SELECT s.tenant AS tenant, toStartOfHour(s.start_time, 'UTC') AS time, s.business_date AS business_date,
    s.platform AS platform, s.device_class AS device_class, s.channel AS channel, s.region AS region, s.landing_page_type AS landing_page_type,
    count() AS sessions, uniqExactStateIf(s.visitor_id, s.page_views > 0) AS visitors, sum(s.page_views) AS page_views,
    countIf(s.is_closed) AS closed, countIf(s.is_closed AND s.is_bounce) AS bounced, countIf(s.is_closed AND s.is_engaged) AS engaged,
    countIf(s.is_closed AND s.events > 1) AS timed, sumIf(dateDiff('millisecond', s.start_time, s.end_time), s.is_closed AND s.events > 1) / 1000 AS seconds,
    quantileTDigestStateIf(0.5)(toFloat64(dateDiff('millisecond', s.start_time, s.end_time)) / 1000, s.is_closed AND s.events > 1) AS durations,
    countIf(s.orders_paid > 0) AS paid, countIf(s.end_time + {pay_window} <= now64(3)) AS mature, countIf(s.end_time + {pay_window} <= now64(3) AND s.orders_paid > 0) AS mature_paid,
    countIf(s.end_time + {pay_window} <= now64(3) AND bitTest(s.stages_raw, 3)) AS mature_carted, countIf(s.end_time + {pay_window} <= now64(3) AND bitTest(s.stages_raw, 3) AND s.orders_paid > 0) AS mature_carted_paid
FROM sessions AS s WHERE {customers} GROUP BY ALL`,
			Value: "sum(sessions)", Dashboards: []string{"D01", "D03"}, Alerts: []string{"A-TRF-01", "A-TRF-02"},
		},
		{
			ID: "TRF-01", Name: "uv", Title: "Visitors", Unit: "visitors", Dimensions: pages, Of: "pv",
			Formula: "distinct visitors with a page view, by the day of the view", Edges: []string{clients, distinct, viewDay, "a visitor is a device or browser, not a person", noSource + "; visitors by channel are TRF-10"},
			Series: []string{"ecom_visitors_today"}, Now: "sum by (tenant) (ecom_visitors_today)",
			Value: "uniqExactMerge(visitors)", Dashboards: []string{"D01", "D02", "D03"}, Alerts: []string{"A-TRF-01"},
		},
		{
			ID: "TRF-02", Name: "pv", Title: "Page views", Unit: "views", Dimensions: pages,
			Formula: "page views", Edges: []string{clients, noSource, "a view that is sent again under another id counts again"},
			Series: []string{"ecom_page_views_total"}, Now: "sum by (tenant, page_type) (increase(ecom_page_views_total[1h]))",
			View: `SELECT s.tenant AS tenant, toStartOfHour(s.event_time, 'UTC') AS time, s.business_date AS business_date,
    s.page_type AS page_type, s.platform AS platform, s.device_class AS device_class, s.region AS region, count() AS views, uniqExactState(s.visitor_id) AS visitors
FROM fact_events AS s WHERE s.event_type = 'page_view' AND {customers} GROUP BY ALL`,
			Value: "sum(views)", Dashboards: []string{"D03"}, Alerts: []string{"A-TRF-01", "A-TRK-01"},
		},
		{
			ID: "TRF-03", Name: "pv_per_uv", Title: "Pages per visitor", Unit: "views a visitor", Dimensions: pages, Of: "pv",
			Formula: "page views by distinct visitors", Edges: []string{clients, noSource, distinct, viewDay}, Value: "sum(views) / nullIf(uniqExactMerge(visitors), 0)", Dashboards: []string{"D03"},
		},
		{
			ID: "TRF-05", Name: "session_duration", Title: "Median duration of a visit", Unit: "seconds", Dimensions: visitDims(), Of: "sessions",
			Formula: "median of the time from the first to the last event of a session",
			Edges:   []string{people, closed, "sessions of one event last no time and are left out", "the mean is sum(seconds) / sum(timed)"},
			Series:  []string{"ecom_session_duration_seconds"}, Now: "histogram_quantile(0.5, sum by (tenant, le) (increase(ecom_session_duration_seconds_bucket[1h])))",
			Value: "if(sum(timed) = 0, NULL, quantileTDigestMerge(0.5)(durations))", Dashboards: []string{"D03"},
		},
		{
			ID: "TRF-05", Name: "session_duration_p90", Title: "Long visits", Unit: "seconds", Dimensions: visitDims(), Of: "sessions",
			Formula: "nine of ten sessions are shorter", Edges: []string{people, closed, "sessions of one event last no time and are left out"},
			Series: []string{"ecom_session_duration_seconds"}, Now: "histogram_quantile(0.9, sum by (tenant, le) (increase(ecom_session_duration_seconds_bucket[1h])))",
			Value: "if(sum(timed) = 0, NULL, quantileTDigestMerge(0.9)(durations))", Dashboards: []string{"D03"},
		},
		{
			ID: "TRF-06", Name: "bounce_rate", Title: "Bounce rate", Unit: "ratio", Dimensions: visitDims(), Of: "sessions",
			Formula: "sessions with one page view and no conversion action, of the sessions", Edges: []string{people, closed, "of sessions; others count visitors"},
			Series: []string{"ecom_sessions_bounced_total", "ecom_sessions_closed_total"},
			Now:    "sum by (tenant) (increase(ecom_sessions_bounced_total[1h])) / (sum by (tenant) (increase(ecom_sessions_closed_total[1h])) > 0)",
			Value:  "sum(bounced) / nullIf(sum(closed), 0)", Dashboards: []string{"D03"}, Alerts: []string{"A-BNC-01"},
		},
		{
			ID: "TRF-06", Name: "bounce_rate_ga4", Title: "Sessions without engagement", Unit: "ratio", Dimensions: visitDims(), Of: "sessions",
			Formula: "sessions of at most 10 s, one view and no conversion action, of the sessions: one less the engagement rate of Google Analytics 4", Edges: []string{people, closed},
			Value: "1 - sum(engaged) / nullIf(sum(closed), 0)", Dashboards: []string{"D03"},
		},
		{
			ID: "TRF-07", Name: "bounce_rate_by_page", Title: "Bounce rate by landing page", Unit: "ratio", Dimensions: []string{"landing_page_type", "device_class", "channel"}, Of: "sessions",
			Formula: "bounces of the sessions that landed on a page type, of those sessions",
			Edges:   []string{people, closed, "hardly anybody lands on cart and payment pages: judge those by the exit rate"},
			Series:  []string{"ecom_sessions_bounced_total", "ecom_sessions_closed_total"},
			Now:     "sum by (tenant, landing_page_type) (increase(ecom_sessions_bounced_total[1h])) / (sum by (tenant, landing_page_type) (increase(ecom_sessions_closed_total[1h])) > 0)",
			Value:   "sum(bounced) / nullIf(sum(closed), 0)", Dashboards: []string{"D03"}, Alerts: []string{"A-BNC-01"},
		},
		{
			ID: "TRF-08", Name: "exit_rate_by_page", Title: "Exit rate by page", Unit: "ratio", Dimensions: []string{"page_type", "platform", "device_class"},
			Formula: "sessions whose last page view is of a page type, of the views of the page type",
			Edges:   []string{people, closed, "views of the last gap are left out on both sides", "the views are those of TRF-02: of bots that only the number of their events gives away, too", noSource},
			Series:  []string{"ecom_session_exits_total"}, Now: "sum by (tenant, page_type) (increase(ecom_session_exits_total[1h]))",
			View: `SELECT tenant, time, business_date, page_type, platform, device_class, sum(e) AS exits, sum(v) AS views FROM (
    SELECT s.tenant AS tenant, toStartOfHour(s.start_time, 'UTC') AS time, s.business_date AS business_date, s.exit_page_type AS page_type, s.platform AS platform, s.device_class AS device_class, 1 AS e, toUInt64(0) AS v
    FROM sessions AS s WHERE s.is_closed AND s.page_views > 0 AND {customers}
    UNION ALL
    SELECT s.tenant, toStartOfHour(s.event_time, 'UTC'), s.business_date, s.page_type, s.platform, s.device_class, 0, toUInt64(1)
    FROM fact_events AS s WHERE s.event_type = 'page_view' AND s.event_time + {gap} <= now64(3) AND {customers}
) GROUP BY ALL`,
			Value: "sum(exits) / nullIf(sum(views), 0)", Dashboards: []string{"D03"}, Alerts: []string{"A-CVR-02"},
		},
		{
			ID: "TRF-10", Name: "traffic_by_source", Title: "Sessions by channel", Unit: "sessions", Dimensions: []string{"channel", "platform", "device_class"}, Of: "sessions",
			Formula: "sessions by their first touch that is not direct", Edges: []string{people, "a closed list with other and unknown: channels add up to the whole", "source, medium and campaign are in fact_events"},
			Series: []string{"ecom_sessions_started_total", "ecom_orders_paid_total"}, Now: "sum by (tenant, channel) (increase(ecom_sessions_started_total[1h]))",
			Value: "sum(sessions)", Dashboards: []string{"D03"}, Alerts: []string{"A-CVR-03"},
		},
		{
			ID: "TRF-10", Name: "channel_visitors", Title: "Visitors by channel", Unit: "visitors", Dimensions: []string{"channel", "platform", "device_class"}, Of: "sessions",
			Formula: "distinct visitors of the sessions that came by a channel", Edges: []string{people, distinct, "by the first touch of the session that is not direct"},
			Value: "uniqExactMerge(visitors)", Dashboards: []string{"D03"},
		},
		{
			ID: "TRF-10", Name: "channel_gmv", Title: "GMV by channel", Unit: "minor units", Dimensions: []string{"channel", "platform", "device_class", "currency"},
			Formula: "amount paid of the orders linked to a session, by the session's channel",
			Edges:   []string{people, perMoney, "by the day the session began; orders without a session are in no channel", "paid within the pay window: young days still grow", "an order in another currency than the session's first one is left out"},
			Series:  []string{"ecom_orders_paid_amount_minor_total"}, Now: "sum by (tenant, currency, channel) (increase(ecom_orders_paid_amount_minor_total[1h]))",
			View: `SELECT s.tenant AS tenant, toStartOfHour(s.start_time, 'UTC') AS time, s.business_date AS business_date, s.channel AS channel, s.platform AS platform, s.device_class AS device_class, s.currency AS currency,
    sum(s.orders_paid) AS orders, sum(s.paid_minor) AS amount_minor
FROM sessions AS s WHERE s.orders_paid > 0 AND {customers} GROUP BY ALL`,
			Value: "sum(amount_minor)", Dashboards: []string{"D03"},
		},
		{
			ID: "TRF-14", Name: "viewing_now", Title: "Visitors active", Unit: "visitors", Dimensions: []string{"platform"},
			Formula: "visitors with an event in the last five minutes of event time", Edges: []string{people, "survives restarts and moves with its lanes", "unknown while the facts are more than four minutes behind: two are usual (PLT-03)"},
			Series: []string{"ecom_visitors_active"}, Now: "sum by (tenant) (ecom_visitors_active) and on () " + UpToDate, Dashboards: []string{"D02"}, Alerts: []string{"A-TRF-01"},
		},
		{
			ID: "RSK-05", Name: "bot_traffic_share", Title: "Bot traffic", Unit: "ratio", Dimensions: []string{"channel", "platform"},
			Formula: "client events recognised as a bot's, of the client events", Edges: []string{"stored, and left out of sessions; what else leaves which out is said there", "by user agent; a session of more than 5,000 events is a bot's from its first event on, which rule event_count of the series tells and the view does not", "channel is that of the event"},
			Series: []string{"ecom_events_bot_total", "ecom_events_ingested_total"},
			Now:    `sum by (tenant) (increase(ecom_events_bot_total[1h])) / (sum by (tenant) (increase(ecom_events_ingested_total{topic="clickstream"}[1h])) > 0)`,
			View: `SELECT s.tenant AS tenant, toStartOfHour(s.event_time, 'UTC') AS time, s.business_date AS business_date, s.platform AS platform, s.channel AS channel, count() AS events, countIf(s.is_bot) AS bot_events
FROM fact_events AS s GROUP BY ALL`,
			Value: "sum(bot_events) / nullIf(sum(events), 0)", Dashboards: []string{"D03"}, Alerts: []string{"A-TRF-02"},
		},
	}
}
