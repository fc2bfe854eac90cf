CREATE TABLE IF NOT EXISTS fact_order_items {{on_cluster}}
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
    business_date Date COMMENT 'local date of the event''s time in the shop''s time zone',
    event_time DateTime64(3) COMMENT 'when the order event happened, UTC' CODEC(Delta, LZ4),
    order_id String COMMENT 'order',
    order_hash UInt64 COMMENT 'hash of tenant and order_id',
    order_version UInt64 COMMENT 'version of the order this line belongs to',
    line UInt16 COMMENT 'number of the line in the event, from 0',
    item_id String COMMENT 'SKU',
    spu_id String COMMENT 'product',
    item_name String COMMENT 'product name',
    item_brand String COMMENT 'brand',
    category_l1 String COMMENT 'first-level category',
    category_l2 String COMMENT 'second-level category',
    category_l3 String COMMENT 'third-level category',
    quantity UInt32 COMMENT 'units',
    price_minor Int64 COMMENT 'unit price after item discount, minor units',
    list_price_minor Int64 COMMENT 'unit list price, minor units',
    discount_minor Int64 COMMENT 'unit discount, minor units',
    amount_minor Int64 COMMENT 'price times quantity, minor units',
    currency LowCardinality(String) COMMENT 'ISO 4217 code',
    is_gift Bool COMMENT 'gift line',
    inserted_at DateTime64(3) DEFAULT now64(3) COMMENT 'when the row was inserted, UTC' CODEC(Delta, LZ4),
    INDEX epoch_range epoch TYPE minmax GRANULARITY 4,
    INDEX offset_range kafka_offset TYPE minmax GRANULARITY 4
)
ENGINE = {{replicated}}MergeTree
PARTITION BY business_date
ORDER BY (tenant, order_id, order_version, line)
TTL toDateTime(inserted_at) + INTERVAL 1095 DAY
SETTINGS {{durable}}, ttl_only_drop_parts = 1
COMMENT 'lines of the order events';

-- Takes the same rows under the same constraints, the fence excepted, and keeps
-- none: finds the row that the table refuses. The fence is added after the copy.
CREATE TABLE IF NOT EXISTS fact_order_items_probe {{on_cluster}} AS fact_order_items ENGINE = Null;
ALTER TABLE fact_order_items {{on_cluster}} ADD CONSTRAINT IF NOT EXISTS fenced CHECK (lane, term) IN (SELECT lane, max(term) FROM lanes GROUP BY lane);
