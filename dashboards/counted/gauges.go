package counted

import (
	"fmt"
	"strings"
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// Gauge is a gauge of "today" or "now" as a query: what one lane says of it
// after all the facts that are there.
type Gauge struct {
	Name   string
	Labels []string
	rows   string // SELECT tenant, the labels, and n over groups of them
}

// At gives tenant, labels and value. The parameters are lane, and until: the
// event time that the lane has come to, its watermark and the allowed disorder,
// in Unix milliseconds.
func (g Gauge) At() string {
	labels := Counter{Labels: g.Labels}.labels()
	return fmt.Sprintf("SELECT toString(tenant), %s AS labels, toInt64(sum(n)) FROM (%s) GROUP BY tenant, labels ORDER BY tenant, labels", labels, g.rows)
}

// Gauges gives those whose facts are in the tables.
func Gauges(s Settings) []Gauge {
	watermark := fmt.Sprintf("(%s - INTERVAL %d MILLISECOND)", until, s.OutOfOrder.Milliseconds())
	var day, settled []string
	for _, t := range s.Vocabulary.Tenants {
		settled = append(settled, fmt.Sprintf("tenant = '%s', toDate(settled, '%s')", t.ID, t.Location))
		day = append(day, fmt.Sprintf("tenant = '%s', toDate(%s, '%s')", t.ID, watermark, t.Location))
	}
	const lane = "lane = {lane:UInt32}"
	date := fmt.Sprintf("multiIf(%s, toDate(%s))", strings.Join(day, ", "), watermark)
	// The first condition finds the partitions.
	today := fmt.Sprintf("%s AND business_date BETWEEN toDate(%s) - 1 AND toDate(%[2]s) + 1 AND business_date = %s", lane, watermark, date)
	since := func(ago int64) string {
		return fmt.Sprintf("%s AND business_date >= toDate(%s - INTERVAL %d SECOND) - 1", lane, until, ago)
	}
	waiting := fmt.Sprintf(`SELECT tenant, min(coalesce(e.created_at, if(event_type = 'order.created', toNullable(event_time), NULL))) AS made, dateDiff('millisecond', assumeNotNull(made), %s) AS age
		FROM fact_order_events AS e
		WHERE event_type IN ('order.created', 'order.updated', 'order.paid', 'order.cancelled') AND %s
		GROUP BY tenant, order_hash
		HAVING made IS NOT NULL AND countIf(event_type IN ('order.paid', 'order.cancelled')) = 0 AND max(is_test OR is_internal OR payment_method IN ('cod', 'credit')) = 0 AND %s[greatest(1, max(indexOf(%[3]s, toString(order_type))))] NOT IN ('presale', 'subscription', 'exchange', 'imported')`,
		until, since(int64(s.PayWindow.Seconds())), list(schemas.OrderTypeNames))
	// An order pays on the day of its first payment and on its own platform; who
	// is known by anonymous_id is known best.
	paying := fmt.Sprintf(`SELECT tenant, %[1]s[greatest(1, max(indexOf(%[1]s, toString(e.platform))))] AS platform, argMin(visitor_id, multiIf(anonymous_id != '', 1, user_id != '', 2, 3)) AS buyer,
		assumeNotNull(min(if(event_type = 'order.paid', coalesce(e.paid_at, toNullable(event_time)), NULL))) AS settled
		FROM fact_order_events AS e
		WHERE event_type IN ('order.created', 'order.updated', 'order.paid', 'order.cancelled') AND %[2]s
		GROUP BY tenant, order_hash HAVING countIf(event_type = 'order.paid') > 0 AND max(is_test OR is_internal) = 0`,
		list(schemas.PlatformNames), since(int64((s.PayWindow + 24*time.Hour).Seconds())))
	settledOn := fmt.Sprintf("multiIf(%s, toDate(settled))", strings.Join(settled, ", "))
	return []Gauge{
		{"ecom_visitors_today", []string{"platform"}, "SELECT tenant, platform, uniqExact(visitor_id) AS n FROM fact_events WHERE event_type = 'page_view' AND NOT is_bot AND " + business + " AND " + today + " GROUP BY tenant, platform"},
		// By visitor: of people it is an upper bound, who pays on two devices is two.
		{"ecom_buyers_today", []string{"platform"}, fmt.Sprintf("SELECT tenant, platform, uniqExact(buyer) AS n FROM (%s) WHERE %s = %s GROUP BY tenant, platform", paying, settledOn, date)},
		{"ecom_orders_unpaid", []string{"age_bucket"}, fmt.Sprintf("SELECT tenant, %s[1 + (age >= 900000) + (age >= 3600000) + (age >= 86400000)] AS age_bucket, 1 AS n FROM (%s)", list(schemas.AgeBucketNames), waiting)},
		// The end of a session that is open may be later than its row says.
		{"ecom_sessions_open", nil, "SELECT tenant, 1 AS n FROM fact_sessions FINAL WHERE is_deleted = 0 AND NOT is_closed AND " + since(int64(s.closing().Seconds()))},
	}
}
