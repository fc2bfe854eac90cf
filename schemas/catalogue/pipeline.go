package catalogue

import (
	"fmt"
	"strings"
)

const ledger = "the view is of the ledger, by UTC day and hour of the epoch, for all shops: tenant is empty; an epoch that is done again after midnight counts on both days"

// read is what epochs have read, by topic. The counts of an epoch stand in the
// plan after it, in its row done, and in each of the two again after a crash: the
// greatest term has the last word. Its day is in the key, so that days asked are
// days read.
const read = `WITH read AS (
    SELECT '' AS tenant, toStartOfHour(at, 'UTC') AS time, day AS business_date, topic, f + d + b + t AS consumed, f, d, b, l
    FROM (
        SELECT lane, epoch - (kind != 'done') AS of, toDate(created_at, 'UTC') AS day, max(created_at) AS at, argMax(
            [('clickstream', clickstream_facts, clickstream_duplicates, clickstream_letters, clickstream_tombstones, clickstream_late), ('orders', orders_facts, orders_duplicates, orders_letters, orders_tombstones, orders_late)], (term, seq)) AS counts
        FROM epochs WHERE has_done GROUP BY lane, of, day
    ) ARRAY JOIN counts.1 AS topic, counts.2 AS f, counts.3 AS d, counts.4 AS b, counts.5 AS t, counts.6 AS l
    WHERE f + d + b + t > 0
) `

// ofRead divides by the records of a topic that were read.
func ofRead(window string) string {
	return " / on (topic) group_left () (sum by (topic) (increase(ecom_events_ingested_total[" + window + "])) + on (topic) sum by (topic) (increase(ecom_events_dead_letter_total[" + window + "])) > 0)"
}

// pipeline: whether the numbers can be trusted.
func pipeline() []*Metric {
	return []*Metric{
		{
			ID: "PLT-02", Name: "peak_load", Title: "Load", Unit: "events a second", Dimensions: []string{"topic"},
			Formula: "events accepted a second", Edges: []string{ledger, "of the hours that have records and are over", "records fetched again after a recovery are in ecom_kafka_fetched_records_total only"},
			Series: []string{"ecom_events_ingested_total", "ecom_kafka_fetched_records_total"}, Now: "sum by (topic) (rate(ecom_events_ingested_total[1m]))",
			View:  read + `SELECT tenant, time, business_date, topic, sum(consumed) AS records, sum(f) AS facts, sum(d) AS duplicates, sum(b) AS letters, sum(l) AS late FROM read GROUP BY ALL`,
			Value: "sumIf(facts, time != toStartOfHour(now(), 'UTC')) / nullIf(uniqExactIf(time, time != toStartOfHour(now(), 'UTC')) * 3600, 0)", Dashboards: []string{"D03", "D12"}, Alerts: []string{"A-PL-01"},
		},
		{
			ID: "PLT-03", Name: "monitoring_freshness", Title: "Freshness", Unit: "seconds", Dimensions: []string{"lane", "topic"},
			Formula: "how far the time up to which the facts of every lane are complete lies behind the clock", Edges: []string{"an idle topic stays fresh: the lane finishes epochs without records"},
			Series: []string{"ecom_complete_until_timestamp_seconds", "ecom_pipeline_e2e_latency_seconds"}, Now: "time() - min(ecom_complete_until_timestamp_seconds)", Dashboards: []string{"D12"}, Alerts: []string{"A-PL-02", "A-PL-11", "A-PL-12"},
		},
		{
			ID: "PLT-04", Name: "consumer_lag", Title: "Consumer lag", Unit: "seconds", Dimensions: []string{"topic", "partition"},
			Formula: "age of the oldest record in Kafka that no finished epoch has", Edges: []string{"a lane that moves takes its series along"},
			Series: []string{"ecom_kafka_consumer_lag_seconds", "ecom_kafka_consumer_lag_messages"}, Now: "max by (topic) (ecom_kafka_consumer_lag_seconds)", Dashboards: []string{"D12"}, Alerts: []string{"A-PL-01"},
		},
		{
			ID: "PLT-05", Name: "dead_letter_rate", Title: "Dead letters", Unit: "ratio", Dimensions: []string{"topic"}, Of: "peak_load",
			Formula: "records set aside with reason and position, of the records read", Edges: []string{"late events and copies are none", "read: accepted and set aside", "the records are in the table dead_letters, by reason", ledger},
			Series: []string{"ecom_events_dead_letter_total", "ecom_events_ingested_total"}, Now: "sum by (topic, reason) (increase(ecom_events_dead_letter_total[5m]))" + ofRead("5m"),
			Value: "sum(letters) / nullIf(sum(records), 0)", Dashboards: []string{"D12"}, Alerts: []string{"A-PL-03"},
		},
		{
			ID: "PLT-06", Name: "late_events", Title: "Late events", Unit: "ratio", Dimensions: []string{"topic"}, Of: "peak_load",
			Formula: "events outside the merge horizon or older than 72 hours, of the events", Edges: []string{ledger, "by class in the series and in the table late_events", "late is not lost: they are facts, and sessions are rebuilt with them"},
			Series: []string{"ecom_events_late_total", "ecom_sessions_merged_total", "ecom_event_lateness_seconds"},
			Now:    "sum by (topic, class) (increase(ecom_events_late_total[30m])) / on (topic) group_left () (sum by (topic) (increase(ecom_events_ingested_total[30m])) > 0)",
			Value:  "sum(late) / nullIf(sum(facts), 0)", Dashboards: []string{"D12"}, Alerts: []string{"A-PL-04"},
		},
		{
			ID: "PLT-07", Name: "duplicate_rate", Title: "Copies", Unit: "ratio", Dimensions: []string{"topic"}, Of: "peak_load",
			Formula: "events dropped because their source and id were seen, of the events; of the ledger, of the records read", Edges: []string{ledger, "a jump means a producer that repeats itself"},
			Series: []string{"ecom_events_duplicate_total"}, Now: "sum by (topic) (increase(ecom_events_duplicate_total[30m])) / (sum by (topic) (increase(ecom_events_ingested_total[30m])) > 0)",
			Value: "sum(duplicates) / nullIf(sum(records), 0)", Dashboards: []string{"D12"}, Alerts: []string{"A-PL-05"},
		},
		{
			ID: "PLT-08", Name: "sink_health", Title: "Inserts", Unit: "seconds", Dimensions: []string{"table"},
			Formula: "99th percentile of the time of an insert", Edges: []string{"a failed insert is repeated under the same token: nothing is lost or doubled"},
			Series: []string{"ecom_clickhouse_insert_seconds", "ecom_clickhouse_insert_failures_total", "ecom_clickhouse_parts_max"},
			Now:    "histogram_quantile(0.99, sum by (le, table) (rate(ecom_clickhouse_insert_seconds_bucket[5m])))", Dashboards: []string{"D12"}, Alerts: []string{"A-PL-07"},
		},
		{
			ID: "PLT-09", Name: "reconciliation", Title: "Ledger against tables", Unit: "events", Dimensions: []string{"topic"},
			Formula: "records that Kafka, ledger and tables do not agree on", Edges: []string{"must be 0; storepulse verify names the epochs", "no control totals of an order system come by the two topics"},
			Series: []string{"ecom_ledger_imbalance_events"}, Now: "sum by (topic) (ecom_ledger_imbalance_events)", Dashboards: []string{"D12"}, Alerts: []string{"A-PL-08"},
		},
		{
			ID: "PLT-10", Name: "session_state", Title: "Session state", Unit: "sessions", Dimensions: []string{"instance"},
			Formula: "sessions not yet closed by the watermark", Edges: []string{"what a bound cuts off is counted in ecom_state_cut_total"},
			Series: []string{"ecom_sessions_open", "ecom_state_bytes", "ecom_watermark_delay_seconds", "ecom_state_cut_total"}, Now: "sum(ecom_sessions_open)", Dashboards: []string{"D12"}, Alerts: []string{"A-PL-06", "A-PL-13"},
		},
		{
			ID: "PLT-11", Name: "schema_drift", Title: "Unknown types", Unit: "ratio", Dimensions: []string{"topic"},
			Formula: "records of a type that nobody configured, of the records read", Edges: []string{"unknown fields are no fault: they are kept in extra", ledger},
			Series: []string{"ecom_events_dead_letter_total", "ecom_events_ingested_total"}, Now: `sum by (topic) (increase(ecom_events_dead_letter_total{reason="unknown_type"}[1h]))` + ofRead("1h"),
			View: read + `SELECT tenant, time, business_date, topic, sum(u) AS unknown, sum(n) AS records FROM (
    SELECT tenant, time, business_date, topic, consumed AS n, toInt64(0) AS u FROM read
    UNION ALL
    SELECT '', toStartOfHour(inserted_at, 'UTC'), toDate(inserted_at, 'UTC'), if(kafka_topic = {clickstream}, 'clickstream', 'orders'), toInt64(0), toInt64(1) FROM dead_letters WHERE reason = 'unknown_type'
) GROUP BY ALL`,
			Value: "sum(unknown) / nullIf(sum(records), 0)", Dashboards: []string{"D12"}, Alerts: []string{"A-PL-03"},
		},
		{
			ID: "PLT-12", Name: "tracking_completeness", Title: "Orders that the tracker knows", Unit: "ratio", Dimensions: []string{"platform"},
			Formula: "orders with a client event of the same order, of the orders created; the series count those that found a session",
			Edges:   []string{untested, "a client event up to a day before and three after the order's own day counts", "cashier apps lose client events: 0.8 to 0.95 is usual, look at changes"},
			Series:  []string{"ecom_orders_attributed_total"},
			Now:     `sum by (tenant) (increase(ecom_orders_attributed_total{status!="none"}[30m])) / (sum by (tenant) (increase(ecom_orders_attributed_total[30m])) > 0)`,
			View:    "SELECT tenant, time, business_date, platform, count() AS orders, countIf(sent) AS tracked FROM (\n    SELECT tenant, order_id, business_date, max(hour) AS time, max(placed_on) AS platform, max(by_tracker) AS sent FROM (\n" + ordersAndTheirEvents() + "    ) GROUP BY tenant, order_id, business_date HAVING max(placed) = 1\n) GROUP BY ALL",
			Value:   "sum(tracked) / nullIf(sum(orders), 0)", Dashboards: []string{"D03"}, Alerts: []string{"A-TRK-01"},
		},
	}
}

// ordersAndTheirEvents are orders by the day they were created, and the client's
// events of orders by each day on which the order may have been, so that days asked
// of the view are days read.
func ordersAndTheirEvents() string {
	var b strings.Builder
	b.WriteString(`        SELECT toString(o.tenant) AS tenant, o.order_id AS order_id, assumeNotNull(o.created_date) AS business_date, toStartOfHour(assumeNotNull(o.created_at), 'UTC') AS hour, toString(o.platform) AS placed_on, 1 AS placed, 0 AS by_tracker
        FROM orders AS o WHERE o.created_at IS NOT NULL AND {orders}
`)
	for days := -1; days <= 3; days++ {
		fmt.Fprintf(&b, `        UNION ALL SELECT toString(e.tenant), e.order_id, e.business_date - %d, toDateTime(0, 'UTC'), '', 0, 1 FROM fact_events AS e WHERE e.event_type IN ('order_submit', 'purchase') AND e.order_id != ''
`, days)
	}
	return b.String()
}
