CREATE TABLE IF NOT EXISTS fact_events {{on_cluster}}
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
    event_time DateTime64(3) COMMENT 'when it happened, UTC, client clock corrected' CODEC(Delta, LZ4),
    received_at DateTime64(3) COMMENT 'when the collector or Kafka received it, UTC' CODEC(Delta, LZ4),
    business_date Date COMMENT 'local date of event_time in the shop''s time zone',
    visitor_id UUID COMMENT 'hash of tenant and anonymous_id',
    user_hash UInt64 COMMENT 'hash of tenant and user_id, 0 = not logged in',
    anonymous_id String COMMENT 'device or browser id',
    user_id String COMMENT 'keyed hash of the user after login',
    client_session_id String COMMENT 'the tracker''s own session, informative',
    platform LowCardinality(String) COMMENT 'closed list platform',
    device_class LowCardinality(String) COMMENT 'mobile, pc, other, unknown; follows from platform',
    page_type LowCardinality(String) COMMENT 'closed list page_type',
    channel LowCardinality(String) COMMENT 'channel of this touch, direct if none',
    region LowCardinality(String) COMMENT 'province, ISO 3166-2:CN',
    page_url String COMMENT 'page address' CODEC(ZSTD(1)),
    referrer String COMMENT 'referring address' CODEC(ZSTD(1)),
    utm_source String COMMENT 'campaign source',
    utm_medium String COMMENT 'campaign medium',
    utm_campaign String COMMENT 'campaign name',
    item_id String COMMENT 'SKU of the first item',
    category_l1 String COMMENT 'first-level category of the first item',
    items String COMMENT 'items as a JSON array' CODEC(ZSTD(1)),
    item_count UInt16 COMMENT 'number of items',
    quantity UInt32 COMMENT 'sum of item quantities',
    value_minor Int64 COMMENT 'value in minor units of currency',
    currency LowCardinality(String) COMMENT 'ISO 4217 code, empty if no money',
    order_id String COMMENT 'order id of order_submit and purchase',
    query String COMMENT 'search words',
    result_count UInt32 COMMENT 'search results, see has_result_count',
    consent LowCardinality(String) COMMENT 'granted, denied, unknown',
    sequence UInt64 COMMENT 'producer order, breaks ties of equal time',
    is_test Bool COMMENT 'test traffic',
    is_internal Bool COMMENT 'the shop''s own traffic',
    is_bot Bool COMMENT 'recognised as a bot',
    time_corrected Bool COMMENT 'event_time was set from received_at because it lay more than 5 minutes ahead',
    has_result_count Bool COMMENT 'result_count was given',
    late_class LowCardinality(String) COMMENT 'none, late (outside the merge horizon), too_late (over 72 h)',
    extra String COMMENT 'unknown fields as a JSON object' CODEC(ZSTD(1)),
    inserted_at DateTime64(3) DEFAULT now64(3) COMMENT 'when the row was inserted, UTC' CODEC(Delta, LZ4),
    INDEX epoch_range epoch TYPE minmax GRANULARITY 4,
    INDEX offset_range kafka_offset TYPE minmax GRANULARITY 4
)
ENGINE = {{replicated}}MergeTree
PARTITION BY business_date
ORDER BY (tenant, event_type, event_time)
TTL toDateTime(inserted_at) + INTERVAL 180 DAY
SETTINGS {{durable}}, ttl_only_drop_parts = 1
COMMENT 'clickstream events as accepted, one row per event';

-- Takes the same rows under the same constraints, the fence excepted, and keeps
-- none: finds the row that the table refuses. The fence is added after the copy.
CREATE TABLE IF NOT EXISTS fact_events_probe {{on_cluster}} AS fact_events ENGINE = Null;
ALTER TABLE fact_events {{on_cluster}} ADD CONSTRAINT IF NOT EXISTS fenced CHECK (lane, term) IN (SELECT lane, max(term) FROM lanes GROUP BY lane);
