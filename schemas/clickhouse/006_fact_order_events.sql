CREATE TABLE IF NOT EXISTS fact_order_events {{on_cluster}}
(
    lane UInt32 COMMENT 'lane = Kafka partition',
    term UInt64 COMMENT 'claim under which the row was inserted',
    epoch UInt64 COMMENT 'micro-batch of the lane, from 1',
    plan_id UUID COMMENT 'hash of the plan of the epoch',
    epoch_row UInt32 COMMENT 'number of the row in this table and epoch, from 0' CODEC(Delta, LZ4),
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic of the record',
    kafka_offset Int64 COMMENT 'Kafka offset of the record' CODEC(Delta, LZ4),
    tenant LowCardinality(String) COMMENT 'shop',
    event_id String COMMENT 'id of the event, unique within source',
    source String COMMENT 'producer',
    event_type LowCardinality(String) COMMENT 'canonical event name',
    event_time DateTime64(3) COMMENT 'when it happened, UTC' CODEC(Delta, LZ4),
    received_at DateTime64(3) COMMENT 'when the collector or Kafka received it, UTC' CODEC(Delta, LZ4),
    business_date Date COMMENT 'local date of event_time in the shop''s time zone',
    order_id String COMMENT 'order',
    order_hash UInt64 COMMENT 'hash of tenant and order_id',
    order_version UInt64 COMMENT 'grows with every change of the order',
    status_rank UInt16 COMMENT 'rank of the order state this event sets, 0 = none',
    visitor_id UUID COMMENT 'visitor the order is linked by',
    user_hash UInt64 COMMENT 'hash of tenant and user_id, 0 = unknown',
    anonymous_id String COMMENT 'device or browser id',
    user_id String COMMENT 'keyed hash of the user',
    platform LowCardinality(String) COMMENT 'where the order was placed',
    device_class LowCardinality(String) COMMENT 'follows from platform',
    order_type LowCardinality(String) COMMENT 'normal, presale, subscription, group_buy, exchange, gift, imported',
    fulfillment_type LowCardinality(String) COMMENT 'warehouse, dropship, pickup',
    ship_region LowCardinality(String) COMMENT 'province, ISO 3166-2:CN',
    currency LowCardinality(String) COMMENT 'ISO 4217 code',
    goods_minor Int64 COMMENT 'goods, minor units',
    discount_minor Int64 COMMENT 'discounts, minor units',
    freight_minor Int64 COMMENT 'freight, minor units',
    tax_minor Int64 COMMENT 'tax, minor units',
    payable_minor Int64 COMMENT 'goods - discount + freight + tax, minor units',
    paid_minor Int64 COMMENT 'paid amount of order.paid, minor units',
    payment_method LowCardinality(String) COMMENT 'closed list payment_method',
    attempt_id String COMMENT 'payment attempt',
    payment_error LowCardinality(String) COMMENT 'hard, soft, user_cancel, risk_block, timeout',
    error_code String COMMENT 'the gateway''s code',
    cancel_reason LowCardinality(String) COMMENT 'buyer, timeout_unpaid, out_of_stock, seller, risk, other',
    cancel_paid Bool COMMENT 'the order had been paid when it was cancelled',
    refund_id String COMMENT 'refund',
    refund_type LowCardinality(String) COMMENT 'refund_only, return_and_refund, pre_ship',
    refund_reason LowCardinality(String) COMMENT 'closed list refund_reason',
    refund_minor Int64 COMMENT 'refunded amount, minor units',
    created_at Nullable(DateTime64(3)) COMMENT 'when the order was created, null if this event does not say',
    paid_at Nullable(DateTime64(3)) COMMENT 'when the order was paid, null if this event does not say',
    item_count UInt16 COMMENT 'order lines in this event',
    units UInt32 COMMENT 'sum of line quantities in this event',
    is_test Bool COMMENT 'test order',
    is_internal Bool COMMENT 'the shop''s own order',
    payable_mismatch Bool COMMENT 'payable differs from goods - discount + freight + tax by more than one minor unit',
    time_corrected Bool COMMENT 'event_time was set from received_at because it lay more than 5 minutes ahead',
    late_class LowCardinality(String) COMMENT 'none, late, too_late',
    extra String COMMENT 'unknown fields as a JSON object' CODEC(ZSTD(1)),
    inserted_at DateTime64(3) DEFAULT now64(3) COMMENT 'when the row was inserted, UTC' CODEC(Delta, LZ4),
    INDEX epoch_range epoch TYPE minmax GRANULARITY 4,
    INDEX offset_range kafka_offset TYPE minmax GRANULARITY 4
)
ENGINE = {{replicated}}MergeTree
PARTITION BY business_date
ORDER BY (tenant, order_id, order_version)
TTL toDateTime(inserted_at) + INTERVAL 1095 DAY
SETTINGS {{durable}}, ttl_only_drop_parts = 1
COMMENT 'events of orders as accepted, one row per event';

-- Takes the same rows under the same constraints, the fence excepted, and keeps
-- none: finds the row that the table refuses. The fence is added after the copy.
CREATE TABLE IF NOT EXISTS fact_order_events_probe {{on_cluster}} AS fact_order_events ENGINE = Null;
ALTER TABLE fact_order_events {{on_cluster}} ADD CONSTRAINT IF NOT EXISTS fenced CHECK (lane, term) IN (SELECT lane, max(term) FROM lanes GROUP BY lane);
