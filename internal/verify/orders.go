package verify

import (
	"context"
	"fmt"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// orderQuery lists the orders whose current state lacks an event, or that stand
// under two hashes. A merge never takes anything away from the aggregates.
const orderQuery = `
SELECT e.of_lane, e.newest, e.tenant, e.order_id, e.hashes, o.known, e.version, o.version FROM (
	SELECT tenant, order_id, argMax(lane, epoch) AS of_lane, max(epoch) AS newest, uniqExact(order_hash) AS hashes,
		max(order_version) AS version, max(status_rank) AS rank, max(event_time) AS last
	FROM fact_order_events
	WHERE cityHash64(order_id) % {buckets:UInt64} = {bucket:UInt64}
		AND epoch >= transform(lane, {lanes:Array(UInt32)}, {froms:Array(UInt64)}, toUInt64(1))
		AND epoch <= transform(lane, {lanes:Array(UInt32)}, {tos:Array(UInt64)}, toUInt64(0))
	GROUP BY tenant, order_id
) AS e LEFT JOIN (
	SELECT tenant, order_id, toUInt8(1) AS known, max(order_version) AS version, max(status_rank) AS rank, max(last_event_time) AS last
	FROM fact_orders WHERE cityHash64(order_id) % {buckets:UInt64} = {bucket:UInt64} GROUP BY tenant, order_id
) AS o ON e.tenant = o.tenant AND e.order_id = o.order_id
WHERE o.known = 0 OR o.version < e.version OR o.rank < e.rank OR o.last < e.last OR e.hashes > 1
ORDER BY e.of_lane, e.newest, e.order_id LIMIT 1000`

// orders holds the current state of orders against their events.
func (c *checker) orders(ctx context.Context, lanes []*laneCheck) error {
	var ids, froms, tos []string
	for _, l := range lanes {
		if l.to >= l.from && l.head.Epoch > 0 {
			ids, froms, tos = append(ids, fmt.Sprint(l.Lane.Lane)), append(froms, fmt.Sprint(l.from)), append(tos, fmt.Sprint(l.to))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	array := func(v []string) string { return "[" + strings.Join(v, ",") + "]" }
	args := ch.Parameters{"lanes": array(ids), "froms": array(froms), "tos": array(tos)}
	var events, orders uint64
	err := c.client.Each(ctx, "SELECT count(), uniq(tenant, order_id) FROM fact_order_events", nil, func(rows driver.Rows) error { return rows.Scan(&events, &orders) })
	if err != nil {
		return fmt.Errorf("count the orders: %w", err)
	}
	c.report.Orders = int64(orders)
	buckets := events/rowsAtOnce + 1
	args["buckets"] = fmt.Sprint(buckets)
	for b := range buckets {
		args["bucket"] = fmt.Sprint(b)
		err := c.client.Each(ctx, orderQuery, args, func(rows driver.Rows) error {
			f := Finding{Check: "orders", Table: "fact_orders"}
			var tenant, id string
			var hashes, want, have uint64
			var known uint8
			if err := rows.Scan(&f.Lane, &f.Epoch, &tenant, &id, &hashes, &known, &want, &have); err != nil {
				return err
			}
			switch {
			case hashes > 1:
				f.What = fmt.Sprintf("order %s of %s stands under %d hashes, so twice in fact_orders", id, tenant, hashes)
				f.Remedy = "this is a bug: report it with the order's rows of fact_order_events"
			case known == 0:
				f.What = fmt.Sprintf("order %s of %s is not in fact_orders, but in fact_order_events", id, tenant)
			default:
				f.What = fmt.Sprintf("order %s of %s lacks an event in fact_orders: version %d there, %d in fact_order_events", id, tenant, have, want)
			}
			if f.Remedy == "" {
				f.Remedy = "rows of fact_orders were deleted, or its view was missing for a time: feed it again from fact_order_events with the SELECT of fact_orders_feed; feeding a row twice is harmless"
			}
			c.report.add(f)
			return nil
		})
		if err != nil {
			return fmt.Errorf("compare orders with their events: %w", err)
		}
	}
	return nil
}
