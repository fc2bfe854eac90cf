-- Amounts of two currencies are never one: refunds are kept by currency, and the
-- view orders shows a payment in its own. The method of payment tells of orders
-- that are not meant to be paid at once.
ALTER TABLE fact_orders {{on_cluster}}
    ADD COLUMN IF NOT EXISTS refunds_in SimpleAggregateFunction(maxMap, Map(String, Int64)) COMMENT 'succeeded refunds: currency, space, refund_id to amount, minor units' AFTER refunds,
    ADD COLUMN IF NOT EXISTS pays_later SimpleAggregateFunction(max, UInt8) COMMENT '1 = an event names cash on delivery or credit as the method of payment' AFTER is_internal;

-- Changed in place: no insert may find the view gone.
ALTER TABLE fact_orders_feed {{on_cluster}} MODIFY QUERY
SELECT
    tenant, order_id, order_hash,
    max(order_version) AS order_version,
    max(status_rank) AS status_rank,
    max(event_time) AS last_event_time,
    max(toUInt8(event_type = 'order.created')) AS has_created,
    min(e.created_at) AS created_at,
    min(if(event_type = 'order.created', toNullable(business_date), NULL)) AS created_date,
    min(if(event_type = 'order.paid', coalesce(e.paid_at, event_time), e.paid_at)) AS paid_at,
    min(if(event_type = 'order.paid', toNullable(business_date), NULL)) AS paid_date,
    min(if(event_type = 'order.cancelled', toNullable(event_time), NULL)) AS cancelled_at,
    max(toUInt8(e.cancel_paid)) AS cancel_paid,
    max(toUInt8(e.is_test)) AS is_test,
    max(toUInt8(e.is_internal)) AS is_internal,
    max(toUInt8(event_type IN ('order.created', 'order.updated', 'order.paid', 'order.cancelled') AND e.payment_method IN ('cod', 'credit'))) AS pays_later,
    max(toUInt8(e.payable_mismatch)) AS payable_mismatch,
    maxMap(if(event_type = 'refund.succeeded', map(refund_id, refund_minor), CAST(map(), 'Map(String, Int64)'))) AS refunds,
    maxMap(if(event_type = 'refund.succeeded', map(concat(toString(e.currency), ' ', refund_id), refund_minor), CAST(map(), 'Map(String, Int64)'))) AS refunds_in,
    maxMap(if(event_type = 'refund.requested', map(refund_id, refund_minor), CAST(map(), 'Map(String, Int64)'))) AS refunds_requested,
    argMaxState(e.visitor_id, (e.order_version, e.status_rank, event_time, kafka_offset)) AS visitor_id,
    argMaxIfState(e.user_hash, (e.order_version, e.status_rank, event_time, kafka_offset), e.user_hash != 0) AS user_hash,
    argMaxIfState(e.order_type, (e.order_version, e.status_rank, event_time, kafka_offset), e.order_type != 'unknown') AS order_type,
    argMaxIfState(e.fulfillment_type, (e.order_version, e.status_rank, event_time, kafka_offset), e.fulfillment_type != 'unknown') AS fulfillment_type,
    argMaxIfState(e.ship_region, (e.order_version, e.status_rank, event_time, kafka_offset), e.ship_region != 'unknown') AS ship_region,
    argMaxIfState(e.cancel_reason, (e.order_version, e.status_rank, event_time, kafka_offset), event_type = 'order.cancelled') AS cancel_reason,
    argMaxIfState((toString(e.platform), toString(e.device_class)), (e.order_version, e.status_rank, event_time, kafka_offset), e.platform != 'unknown') AS placed_on,
    argMaxIfState((e.goods_minor, e.discount_minor, e.freight_minor, e.tax_minor, e.payable_minor, toString(e.currency)), (e.order_version, e.status_rank, event_time, kafka_offset), e.payable_minor != 0 OR event_type = 'order.created') AS amounts,
    argMaxIfState((e.paid_minor, toString(e.payment_method), toString(e.currency)), (e.order_version, e.status_rank, event_time, kafka_offset), event_type = 'order.paid') AS payment,
    argMaxIfState((e.item_count, e.units), (e.order_version, e.status_rank, event_time, kafka_offset), e.units != 0) AS lines
FROM fact_order_events AS e
GROUP BY tenant, order_id, order_hash;

-- What is new, of the events that are there. The server gives columns of this kind
-- no default, so they are fed again: every aggregate is idempotent.
INSERT INTO fact_orders (tenant, order_id, order_hash, pays_later, refunds_in, order_type, fulfillment_type, ship_region, cancel_reason)
SELECT
    tenant, order_id, order_hash,
    max(toUInt8(event_type IN ('order.created', 'order.updated', 'order.paid', 'order.cancelled') AND e.payment_method IN ('cod', 'credit'))) AS pays_later,
    maxMap(if(event_type = 'refund.succeeded', map(concat(toString(e.currency), ' ', refund_id), refund_minor), CAST(map(), 'Map(String, Int64)'))) AS refunds_in,
    argMaxIfState(e.order_type, (e.order_version, e.status_rank, event_time, kafka_offset), e.order_type != 'unknown') AS order_type,
    argMaxIfState(e.fulfillment_type, (e.order_version, e.status_rank, event_time, kafka_offset), e.fulfillment_type != 'unknown') AS fulfillment_type,
    argMaxIfState(e.ship_region, (e.order_version, e.status_rank, event_time, kafka_offset), e.ship_region != 'unknown') AS ship_region,
    argMaxIfState(e.cancel_reason, (e.order_version, e.status_rank, event_time, kafka_offset), event_type = 'order.cancelled') AS cancel_reason
FROM fact_order_events AS e
WHERE event_type = 'refund.succeeded' OR e.payment_method IN ('cod', 'credit')
GROUP BY tenant, order_id, order_hash;

-- What nobody has said is unknown, as in every table of events.
CREATE OR REPLACE VIEW orders {{on_cluster}}
(
    tenant LowCardinality(String) COMMENT 'shop',
    order_id String COMMENT 'order',
    order_hash UInt64 COMMENT 'hash of tenant and order_id',
    order_version UInt64 COMMENT 'greatest version seen',
    status LowCardinality(String) COMMENT 'unknown, created, paid, closed_unpaid, cancelled_paid',
    refund_state LowCardinality(String) COMMENT 'none, requested, partial, full',
    created_at Nullable(DateTime64(3)) COMMENT 'when the order was created, UTC; paid_at if order.created was never seen',
    created_date Nullable(Date) COMMENT 'local date of order.created, of order.paid if that was never seen',
    synthetic_created Bool COMMENT 'order.created was never seen',
    paid_at Nullable(DateTime64(3)) COMMENT 'when the order was paid, UTC',
    paid_date Nullable(Date) COMMENT 'local date of order.paid',
    cancelled_at Nullable(DateTime64(3)) COMMENT 'when the order was cancelled, UTC',
    cancel_reason LowCardinality(String) COMMENT 'reason of the cancellation, empty if none',
    visitor_id UUID COMMENT 'visitor the order is linked by',
    user_hash UInt64 COMMENT 'hash of tenant and user_id, 0 = unknown',
    platform LowCardinality(String) COMMENT 'where the order was placed, unknown if no event says it',
    device_class LowCardinality(String) COMMENT 'follows from platform',
    order_type LowCardinality(String) COMMENT 'order type, unknown if no event says it',
    fulfillment_type LowCardinality(String) COMMENT 'fulfilment, unknown if no event says it',
    ship_region LowCardinality(String) COMMENT 'province, ISO 3166-2:CN, unknown if no event says it',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts up to payable_minor',
    goods_minor Int64 COMMENT 'goods, minor units',
    discount_minor Int64 COMMENT 'discounts, minor units',
    freight_minor Int64 COMMENT 'freight, minor units',
    tax_minor Int64 COMMENT 'tax, minor units',
    payable_minor Int64 COMMENT 'goods - discount + freight + tax, minor units',
    paid_currency LowCardinality(String) COMMENT 'ISO 4217 code of paid_minor and refunded_minor: that of the payment, of the order if not paid',
    paid_minor Int64 COMMENT 'paid, minor units',
    refunded_minor Int64 COMMENT 'sum of the succeeded refunds in paid_currency, minor units',
    currency_mismatch Bool COMMENT 'payment or a refund is in another currency than the order or the payment',
    payment_method LowCardinality(String) COMMENT 'payment method, empty if not paid',
    pays_later Bool COMMENT 'an event names cash on delivery or credit as the method of payment',
    item_count UInt16 COMMENT 'order lines',
    units UInt32 COMMENT 'sum of line quantities',
    is_test Bool COMMENT 'test order',
    is_internal Bool COMMENT 'the shop''s own order',
    payable_mismatch Bool COMMENT 'payable differs from its parts by more than one minor unit',
    last_event_time DateTime64(3) COMMENT 'time of the last event, UTC'
)
AS
SELECT
    o.tenant, o.order_id, o.order_hash, o.v AS order_version,
    multiIf(o.rank >= 90 AND (o.c_paid OR o.p_at IS NOT NULL), 'cancelled_paid', o.rank >= 90, 'closed_unpaid', o.rank >= 20, 'paid', o.rank >= 10, 'created', 'unknown') AS status,
    multiIf(o.refunded > 0 AND o.refunded >= o.pay.1, 'full', o.refunded > 0, 'partial', o.asked > 0, 'requested', 'none') AS refund_state,
    coalesce(o.c_at, o.p_at) AS created_at,
    coalesce(o.c_date, o.p_date) AS created_date,
    NOT o.seen AS synthetic_created,
    o.p_at AS paid_at, o.p_date AS paid_date, o.x_at AS cancelled_at, o.x_reason AS cancel_reason,
    o.visitor AS visitor_id, o.usr AS user_hash, if(o.on.1 = '', 'unknown', o.on.1) AS platform, if(o.on.2 = '', 'unknown', o.on.2) AS device_class,
    if(o.typ = '', 'unknown', o.typ) AS order_type, if(o.ful = '', 'unknown', o.ful) AS fulfillment_type, if(o.reg = '', 'unknown', o.reg) AS ship_region,
    if(o.am.6 != '', o.am.6, o.money) AS currency, o.am.1 AS goods_minor, o.am.2 AS discount_minor, o.am.3 AS freight_minor, o.am.4 AS tax_minor,
    o.am.5 AS payable_minor, o.money AS paid_currency, o.pay.1 AS paid_minor, o.refunded AS refunded_minor,
    o.am.6 NOT IN ('', o.money) OR arrayExists(k -> NOT startsWith(k, o.money), mapKeys(o.back)) AS currency_mismatch,
    o.pay.2 AS payment_method, o.later AS pays_later,
    o.li.1 AS item_count, o.li.2 AS units, o.test AS is_test, o.internal AS is_internal, o.mismatch AS payable_mismatch, o.last AS last_event_time
FROM
(
    SELECT *,
        multiIf(pay.3 != '', pay.3, am.6 != '', am.6, substring(arrayMin(mapKeys(back)), 1, 3)) AS money,
        arraySum(arrayMap((k, minor) -> if(startsWith(k, money), minor, 0), mapKeys(back), mapValues(back))) AS refunded
    FROM
    (
        SELECT
            tenant, order_id, order_hash,
            max(order_version) AS v, max(status_rank) AS rank, max(last_event_time) AS last, max(has_created) AS seen,
            min(created_at) AS c_at, min(created_date) AS c_date, min(paid_at) AS p_at, min(paid_date) AS p_date, min(cancelled_at) AS x_at,
            max(cancel_paid) AS c_paid, max(is_test) AS test, max(is_internal) AS internal, max(pays_later) AS later, max(payable_mismatch) AS mismatch,
            maxMap(refunds_in) AS back, length(mapKeys(maxMap(refunds_requested))) AS asked,
            argMaxMerge(visitor_id) AS visitor, argMaxIfMerge(user_hash) AS usr, argMaxIfMerge(order_type) AS typ,
            argMaxIfMerge(fulfillment_type) AS ful, argMaxIfMerge(ship_region) AS reg, argMaxIfMerge(cancel_reason) AS x_reason,
            argMaxIfMerge(placed_on) AS on, argMaxIfMerge(amounts) AS am, argMaxIfMerge(payment) AS pay, argMaxIfMerge(lines) AS li
        FROM fact_orders
        GROUP BY tenant, order_id, order_hash
    )
) AS o;
