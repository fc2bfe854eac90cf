-- The current state of every order, from its events in any order and any number
-- of copies: each aggregate is idempotent. No partitions: rows of one order in
-- two of them would never merge, and a part per partition and insert is what a
-- small insert costs. Values that belong together share a state for the same reason.
CREATE TABLE IF NOT EXISTS fact_orders {{on_cluster}}
(
    tenant LowCardinality(String) COMMENT 'shop',
    order_id String COMMENT 'order',
    order_hash UInt64 COMMENT 'hash of tenant and order_id',
    order_version SimpleAggregateFunction(max, UInt64) COMMENT 'greatest version seen',
    status_rank SimpleAggregateFunction(max, UInt16) COMMENT 'greatest rank seen: 10 created, 20 paid, 90 cancelled, 0 none yet',
    last_event_time SimpleAggregateFunction(max, DateTime64(3)) COMMENT 'time of the last event, UTC',
    has_created SimpleAggregateFunction(max, UInt8) COMMENT '1 = order.created was seen',
    created_at SimpleAggregateFunction(min, Nullable(DateTime64(3))) COMMENT 'when the order was created, UTC',
    created_date SimpleAggregateFunction(min, Nullable(Date)) COMMENT 'local date of order.created in the shop''s time zone',
    paid_at SimpleAggregateFunction(min, Nullable(DateTime64(3))) COMMENT 'when the order was paid, UTC',
    paid_date SimpleAggregateFunction(min, Nullable(Date)) COMMENT 'local date of order.paid in the shop''s time zone',
    cancelled_at SimpleAggregateFunction(min, Nullable(DateTime64(3))) COMMENT 'when the order was cancelled, UTC',
    cancel_paid SimpleAggregateFunction(max, UInt8) COMMENT '1 = the order had been paid when it was cancelled',
    is_test SimpleAggregateFunction(max, UInt8) COMMENT '1 = test order',
    is_internal SimpleAggregateFunction(max, UInt8) COMMENT '1 = the shop''s own order',
    payable_mismatch SimpleAggregateFunction(max, UInt8) COMMENT '1 = payable differs from its parts by more than one minor unit',
    refunds SimpleAggregateFunction(maxMap, Map(String, Int64)) COMMENT 'succeeded refunds: refund_id to amount, minor units',
    refunds_requested SimpleAggregateFunction(maxMap, Map(String, Int64)) COMMENT 'requested refunds: refund_id to amount, minor units',
    visitor_id AggregateFunction(argMax, UUID, Tuple(UInt64, UInt16, DateTime64(3), Int64)) COMMENT 'visitor the order is linked by, of the greatest version',
    user_hash AggregateFunction(argMaxIf, UInt64, Tuple(UInt64, UInt16, DateTime64(3), Int64), UInt8) COMMENT 'hash of tenant and user_id, of the greatest version that says it',
    order_type AggregateFunction(argMaxIf, LowCardinality(String), Tuple(UInt64, UInt16, DateTime64(3), Int64), UInt8) COMMENT 'order type, of the greatest version that says it',
    fulfillment_type AggregateFunction(argMaxIf, LowCardinality(String), Tuple(UInt64, UInt16, DateTime64(3), Int64), UInt8) COMMENT 'fulfilment, of the greatest version that says it',
    ship_region AggregateFunction(argMaxIf, LowCardinality(String), Tuple(UInt64, UInt16, DateTime64(3), Int64), UInt8) COMMENT 'province, of the greatest version that says it',
    cancel_reason AggregateFunction(argMaxIf, LowCardinality(String), Tuple(UInt64, UInt16, DateTime64(3), Int64), UInt8) COMMENT 'reason of the greatest version of order.cancelled',
    placed_on AggregateFunction(argMaxIf, Tuple(String, String), Tuple(UInt64, UInt16, DateTime64(3), Int64), UInt8) COMMENT 'platform and device_class, of the greatest version that says them',
    amounts AggregateFunction(argMaxIf, Tuple(Int64, Int64, Int64, Int64, Int64, String), Tuple(UInt64, UInt16, DateTime64(3), Int64), UInt8) COMMENT 'goods, discount, freight, tax, payable in minor units and their currency, of the greatest version that says payable',
    payment AggregateFunction(argMaxIf, Tuple(Int64, String, String), Tuple(UInt64, UInt16, DateTime64(3), Int64), UInt8) COMMENT 'paid amount in minor units, payment method and currency, of the greatest version of order.paid',
    lines AggregateFunction(argMaxIf, Tuple(UInt16, UInt32), Tuple(UInt64, UInt16, DateTime64(3), Int64), UInt8) COMMENT 'order lines and units, of the greatest version that has any'
)
ENGINE = {{replicated}}AggregatingMergeTree
ORDER BY (tenant, order_id, order_hash)
SETTINGS {{durable}}
COMMENT 'current state of orders as aggregate states; read the view orders';

CREATE MATERIALIZED VIEW IF NOT EXISTS fact_orders_feed {{on_cluster}} TO fact_orders AS
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
    max(toUInt8(e.payable_mismatch)) AS payable_mismatch,
    maxMap(if(event_type = 'refund.succeeded', map(refund_id, refund_minor), CAST(map(), 'Map(String, Int64)'))) AS refunds,
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

CREATE VIEW IF NOT EXISTS orders {{on_cluster}}
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
    platform LowCardinality(String) COMMENT 'where the order was placed',
    device_class LowCardinality(String) COMMENT 'follows from platform',
    order_type LowCardinality(String) COMMENT 'order type',
    fulfillment_type LowCardinality(String) COMMENT 'fulfilment',
    ship_region LowCardinality(String) COMMENT 'province, ISO 3166-2:CN',
    currency LowCardinality(String) COMMENT 'ISO 4217 code',
    goods_minor Int64 COMMENT 'goods, minor units',
    discount_minor Int64 COMMENT 'discounts, minor units',
    freight_minor Int64 COMMENT 'freight, minor units',
    tax_minor Int64 COMMENT 'tax, minor units',
    payable_minor Int64 COMMENT 'goods - discount + freight + tax, minor units',
    paid_minor Int64 COMMENT 'paid, minor units',
    refunded_minor Int64 COMMENT 'sum of the succeeded refunds, minor units',
    payment_method LowCardinality(String) COMMENT 'payment method, empty if not paid',
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
    o.visitor AS visitor_id, o.usr AS user_hash, o.on.1 AS platform, o.on.2 AS device_class, o.typ AS order_type, o.ful AS fulfillment_type,
    o.reg AS ship_region, if(o.am.6 != '', o.am.6, o.pay.3) AS currency, o.am.1 AS goods_minor, o.am.2 AS discount_minor, o.am.3 AS freight_minor, o.am.4 AS tax_minor,
    o.am.5 AS payable_minor, o.pay.1 AS paid_minor, o.refunded AS refunded_minor, o.pay.2 AS payment_method,
    o.li.1 AS item_count, o.li.2 AS units, o.test AS is_test, o.internal AS is_internal, o.mismatch AS payable_mismatch, o.last AS last_event_time
FROM
(
    SELECT
        tenant, order_id, order_hash,
        max(order_version) AS v, max(status_rank) AS rank, max(last_event_time) AS last, max(has_created) AS seen,
        min(created_at) AS c_at, min(created_date) AS c_date, min(paid_at) AS p_at, min(paid_date) AS p_date, min(cancelled_at) AS x_at,
        max(cancel_paid) AS c_paid, max(is_test) AS test, max(is_internal) AS internal, max(payable_mismatch) AS mismatch,
        arraySum(mapValues(maxMap(refunds))) AS refunded, length(mapKeys(maxMap(refunds_requested))) AS asked,
        argMaxMerge(visitor_id) AS visitor, argMaxIfMerge(user_hash) AS usr, argMaxIfMerge(order_type) AS typ,
        argMaxIfMerge(fulfillment_type) AS ful, argMaxIfMerge(ship_region) AS reg, argMaxIfMerge(cancel_reason) AS x_reason,
        argMaxIfMerge(placed_on) AS on, argMaxIfMerge(amounts) AS am, argMaxIfMerge(payment) AS pay, argMaxIfMerge(lines) AS li
    FROM fact_orders
    GROUP BY tenant, order_id, order_hash
) AS o;
