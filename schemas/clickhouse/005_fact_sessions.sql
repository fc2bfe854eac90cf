-- A tombstone repeats tenant, visitor_id and business_date of the session it ends:
-- rows whose sort key or partition differ never replace each other.
CREATE TABLE IF NOT EXISTS fact_sessions {{on_cluster}}
(
    lane UInt32 COMMENT 'lane = Kafka partition',
    term UInt64 COMMENT 'claim under which the row was inserted',
    epoch UInt64 COMMENT 'micro-batch of the lane, from 1',
    plan_id UUID COMMENT 'hash of the plan of the epoch',
    epoch_row UInt32 COMMENT 'number of the row in this table and epoch, from 0' CODEC(Delta, LZ4),
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic of the causing record',
    kafka_offset Int64 COMMENT 'Kafka offset of the causing record' CODEC(Delta, LZ4),
    tenant LowCardinality(String) COMMENT 'shop',
    session_id UUID COMMENT 'UUIDv5 of the visitor and its first event',
    visitor_id UUID COMMENT 'hash of tenant and anonymous_id',
    user_hash UInt64 COMMENT 'last known user, 0 = none',
    business_date Date COMMENT 'local date of start_time in the shop''s time zone',
    start_time DateTime64(3) COMMENT 'first activity, UTC',
    end_time DateTime64(3) COMMENT 'last activity, UTC',
    events UInt32 COMMENT 'activity events',
    page_views UInt32 COMMENT 'page views',
    landing_page_type LowCardinality(String) COMMENT 'page type of the first page view',
    exit_page_type LowCardinality(String) COMMENT 'page type of the last page view',
    channel LowCardinality(String) COMMENT 'first touch that is not direct, else direct',
    platform LowCardinality(String) COMMENT 'of the first event',
    device_class LowCardinality(String) COMMENT 'follows from platform',
    region LowCardinality(String) COMMENT 'first known region',
    max_stage LowCardinality(String) COMMENT 'funnel reach: the highest stage',
    stages_raw UInt8 COMMENT 'bit k set: the event of stage k itself happened (1 visit … 6 pay)',
    first_product_view Nullable(DateTime64(3)) COMMENT 'first view_item, UTC',
    first_add_to_cart Nullable(DateTime64(3)) COMMENT 'first add_to_cart, UTC',
    first_checkout_start Nullable(DateTime64(3)) COMMENT 'first begin_checkout, UTC',
    first_order_submit Nullable(DateTime64(3)) COMMENT 'first linked order created, UTC',
    first_pay Nullable(DateTime64(3)) COMMENT 'first linked order paid, UTC',
    orders UInt16 COMMENT 'linked orders',
    orders_paid UInt16 COMMENT 'linked orders paid within the pay window',
    placed_minor Int64 COMMENT 'payable of the linked orders in currency, minor units',
    paid_minor Int64 COMMENT 'paid of the linked orders in currency, minor units',
    currency LowCardinality(String) COMMENT 'of the first linked order, empty if none',
    order_hashes Array(UInt64) COMMENT 'linked orders, order_hash of fact_order_events',
    is_bounce Bool COMMENT 'exactly one page view and no conversion action',
    is_engaged Bool COMMENT 'over 10 s, or a conversion action, or two page views',
    cart_skipped Bool COMMENT 'reached checkout without add_to_cart',
    is_bot Bool COMMENT 'an event was recognised as a bot''s, or over 5,000 events',
    is_test Bool COMMENT 'test traffic',
    is_internal Bool COMMENT 'the shop''s own traffic',
    is_approximate Bool COMMENT 'over 5,000 events: counts only',
    is_closed Bool COMMENT 'the watermark has passed end_time + 30 min',
    merged_into UUID COMMENT 'of a tombstone: the session that holds its first event now, else zero',
    version UInt64 COMMENT 'epoch * 2^20 + ordinal',
    is_deleted UInt8 COMMENT '1 = tombstone',
    inserted_at DateTime64(3) DEFAULT now64(3) COMMENT 'when the row was inserted, UTC' CODEC(Delta, LZ4),
    INDEX epoch_range epoch TYPE minmax GRANULARITY 4,
    INDEX offset_range kafka_offset TYPE minmax GRANULARITY 4
)
ENGINE = {{replicated}}ReplacingMergeTree(version, is_deleted)
PARTITION BY business_date
ORDER BY (tenant, visitor_id, session_id)
TTL toDateTime(inserted_at) + INTERVAL 1095 DAY
SETTINGS {{durable}}, ttl_only_drop_parts = 1
COMMENT 'sessions, one row per version; read the view sessions for the current ones';

-- Takes the same rows under the same constraints, the fence excepted, and keeps
-- none: finds the row that the table refuses. The fence is added after the copy.
CREATE TABLE IF NOT EXISTS fact_sessions_probe {{on_cluster}} AS fact_sessions ENGINE = Null;
ALTER TABLE fact_sessions {{on_cluster}} ADD CONSTRAINT IF NOT EXISTS fenced CHECK (lane, term) IN (SELECT lane, max(term) FROM lanes GROUP BY lane);

-- The live rows: the greatest version of each session, tombstones left out.
CREATE VIEW IF NOT EXISTS sessions {{on_cluster}} AS SELECT * FROM fact_sessions FINAL;
