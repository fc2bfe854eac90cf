package counted

import (
	"fmt"

	"github.com/storepulse/storepulse/schemas"
)

// orders are put together from their events: current states of orders have no
// dates to find those of a day by.
func orders(s Settings) []Counter {
	life := s.PayWindow + 2*s.Gap + s.MaxLength
	greatest := func(names []string, column string) string {
		l := list(names)
		return fmt.Sprintf("%[1]s[greatest(1, max(indexOf(%[1]s, toString(%[2]s))))]", l, column)
	}
	order := fmt.Sprintf(`SELECT tenant, order_hash,
		min(coalesce(e.created_at, if(event_type = 'order.created', toNullable(event_time), NULL))) AS made,
		min(if(event_type = 'order.paid', coalesce(e.paid_at, toNullable(event_time)), NULL)) AS settled,
		%s AS place, %s AS province, %s AS kind,
		argMaxIf((payable_minor, toString(currency)), (order_version, payable_minor), payable_minor > 0 OR event_type = 'order.created') AS amount, amount.1 AS payable,
		argMaxIf((e.paid_minor, toString(currency)), (order_version, e.paid_minor), event_type = 'order.paid') AS payment, payment.1 AS settled_minor,
		payment.2 AS settled_in, if(amount.2 = '', settled_in, amount.2) AS money
		FROM fact_order_events AS e
		WHERE event_type IN ('order.created', 'order.updated', 'order.paid', 'order.cancelled') AND %s
		GROUP BY tenant, order_hash HAVING max(is_test OR is_internal) = 0`,
		greatest(schemas.PlatformNames, "platform"), greatest(schemas.RegionNames, "ship_region"), greatest(schemas.OrderTypeNames, "order_type"), within("event_time", life))
	placed := func(columns, more string) string {
		return fmt.Sprintf("SELECT tenant, assumeNotNull(coalesce(made, settled)) AS at, %s FROM (%s) WHERE coalesce(made, settled) IS NOT NULL%s", columns, order, more)
	}
	paid := func(columns string) string {
		return fmt.Sprintf("SELECT tenant, assumeNotNull(settled) AS at, %s FROM (%s) WHERE settled IS NOT NULL", columns, order)
	}
	// Whether an order has found a session, not how: that is in no table.
	linked := fmt.Sprintf("order_hash IN (SELECT arrayJoin(order_hashes) FROM fact_sessions FINAL WHERE is_deleted = 0 AND %s)", within("start_time", life))
	// An order is a test if any of its events says so.
	trade := fmt.Sprintf("(tenant, order_hash) NOT IN (SELECT tenant, order_hash FROM fact_order_events WHERE (is_test OR is_internal) AND %s)", within("event_time", life))
	event := func(columns, types string) string {
		return fmt.Sprintf("SELECT tenant, event_time AS at, %s FROM fact_order_events WHERE event_type IN (%s) AND %s AND %s", columns, types, trade, within("event_time", 0))
	}
	const one = "1 AS n"
	var tenants, currencies []string
	for _, t := range s.Vocabulary.Tenants {
		tenants, currencies = append(tenants, t.ID), append(currencies, t.Currency)
	}
	// Amounts are counted in the tenant's own currency alone.
	own := func(currency string) string {
		return fmt.Sprintf(" AND toString(%s) = transform(toString(tenant), %s, %s, '')", currency, list(tenants), list(currencies))
	}
	foreign := fmt.Sprintf(" AND settled_in != transform(toString(tenant), %s, %s, '')", list(tenants), list(currencies))
	// The lines of the first event that lists any are those that count.
	units := fmt.Sprintf(`SELECT tenant, assumeNotNull(settled) AS at, multiIf(category_l1 = '', 'unknown', has(%s, category_l1), category_l1, 'other') AS category, quantity AS n
		FROM (%s) AS o
		INNER JOIN (SELECT order_hash, min(kafka_offset) AS offset FROM fact_order_items WHERE %[3]s GROUP BY order_hash) AS first ON first.order_hash = o.order_hash
		INNER JOIN (SELECT order_hash, kafka_offset, category_l1, quantity FROM fact_order_items WHERE %[3]s) AS line ON line.order_hash = first.order_hash AND line.kafka_offset = first.offset
		WHERE settled IS NOT NULL`, list(s.Vocabulary.Categories), order, within("event_time", life))
	return []Counter{
		{"ecom_orders_placed_total", []string{"platform"}, placed("place AS platform, "+one, "")},
		{"ecom_orders_paid_total", []string{"platform"}, paid("place AS platform, " + one)},
		{"ecom_orders_placed_amount_minor_total", []string{"currency", "platform"}, placed("money AS currency, place AS platform, payable AS n", own("money"))},
		{"ecom_orders_paid_amount_minor_total", []string{"currency", "platform"}, paid("settled_in AS currency, place AS platform, settled_minor AS n") + own("settled_in")},
		{"ecom_orders_foreign_currency_total", nil, paid(one) + foreign},
		{"ecom_units_sold_total", []string{"category_l1"}, "SELECT tenant, at, category AS category_l1, n FROM (" + units + ")"},
		{"ecom_orders_region_paid_total", []string{"region"}, paid("province AS region, " + one)},
		{"ecom_orders_attributed_total", []string{"status", "platform"}, placed("if("+linked+", 'linked', 'none') AS status, place AS platform, "+one, " AND kind NOT IN ('subscription', 'exchange', 'imported')")},
		{"ecom_orders_cancelled_total", []string{"reason", "paid"}, fmt.Sprintf(`SELECT tenant, minIf(event_time, event_type = 'order.cancelled') AS at, argMinIf(toString(cancel_reason), kafka_offset, event_type = 'order.cancelled') AS reason,
			toString(argMinIf(cancel_paid, kafka_offset, event_type = 'order.cancelled') OR minIf(kafka_offset, event_type = 'order.paid') < minIf(kafka_offset, event_type = 'order.cancelled') AND countIf(event_type = 'order.paid') > 0) AS paid, 1 AS n
			FROM fact_order_events WHERE event_type IN ('order.paid', 'order.cancelled') AND %s AND %s GROUP BY tenant, order_hash HAVING countIf(event_type = 'order.cancelled') > 0`, trade, within("event_time", life))},
		{"ecom_payment_attempts_total", []string{"payment_method", "result"}, event(
			"payment_method, multiIf(event_type = 'payment.attempted', 'attempted', payment_error IN ('', 'unknown'), 'unknown_error', toString(payment_error)) AS result, "+one, "'payment.attempted', 'payment.failed'")},
		{"ecom_refunds_total", []string{"reason", "type"}, event("refund_reason AS reason, refund_type AS type, "+one, "'refund.succeeded'")},
		{"ecom_refund_amount_minor_total", []string{"currency"}, event("currency, refund_minor AS n", "'refund.succeeded'") + own("currency")},
	}
}
