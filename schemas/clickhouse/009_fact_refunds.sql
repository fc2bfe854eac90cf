CREATE TABLE IF NOT EXISTS fact_refunds {{on_cluster}}
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
    event_type LowCardinality(String) COMMENT 'refund.requested or refund.succeeded',
    event_time DateTime64(3) COMMENT 'when it happened, UTC' CODEC(Delta, LZ4),
    business_date Date COMMENT 'local date of event_time in the shop''s time zone',
    order_id String COMMENT 'order',
    order_hash UInt64 COMMENT 'hash of tenant and order_id',
    refund_id String COMMENT 'refund',
    refund_type LowCardinality(String) COMMENT 'refund_only, return_and_refund, pre_ship',
    refund_reason LowCardinality(String) COMMENT 'closed list refund_reason',
    refund_minor Int64 COMMENT 'amount, minor units',
    currency LowCardinality(String) COMMENT 'ISO 4217 code',
    inserted_at DateTime64(3) DEFAULT now64(3) COMMENT 'when the row was inserted, UTC' CODEC(Delta, LZ4),
    INDEX epoch_range epoch TYPE minmax GRANULARITY 4,
    INDEX offset_range kafka_offset TYPE minmax GRANULARITY 4
)
ENGINE = {{replicated}}MergeTree
PARTITION BY business_date
ORDER BY (tenant, event_time)
TTL toDateTime(inserted_at) + INTERVAL 1095 DAY
SETTINGS {{durable}}, ttl_only_drop_parts = 1
COMMENT 'refund events, one row per accepted event';

-- Takes the same rows under the same constraints, the fence excepted, and keeps
-- none: finds the row that the table refuses. The fence is added after the copy.
CREATE TABLE IF NOT EXISTS fact_refunds_probe {{on_cluster}} AS fact_refunds ENGINE = Null;
ALTER TABLE fact_refunds {{on_cluster}} ADD CONSTRAINT IF NOT EXISTS fenced CHECK (lane, term) IN (SELECT lane, max(term) FROM lanes GROUP BY lane);
