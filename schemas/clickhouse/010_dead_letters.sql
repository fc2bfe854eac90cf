CREATE TABLE IF NOT EXISTS dead_letters {{on_cluster}}
(
    lane UInt32 COMMENT 'lane = Kafka partition',
    term UInt64 COMMENT 'claim under which the row was inserted',
    epoch UInt64 COMMENT 'micro-batch of the lane, from 1',
    plan_id UUID COMMENT 'hash of the plan of the epoch',
    epoch_row UInt32 COMMENT 'number of the row in this table and epoch, from 0' CODEC(Delta, LZ4),
    kafka_partition UInt32 COMMENT 'Kafka partition of the record',
    kafka_topic LowCardinality(String) COMMENT 'Kafka topic of the record',
    kafka_offset Int64 COMMENT 'Kafka offset of the record' CODEC(Delta, LZ4),
    reason LowCardinality(String) COMMENT 'closed list reason',
    field String COMMENT 'JSON path of the offending field',
    detail String COMMENT 'what is wrong and what would be right',
    event_id String COMMENT 'id of the event, if it could be read',
    event_type String COMMENT 'type as the producer wrote it, if it could be read',
    received_at DateTime64(3) COMMENT 'Kafka timestamp of the record, UTC' CODEC(Delta, LZ4),
    business_date Date COMMENT 'UTC date of received_at',
    record_key String COMMENT 'Kafka key',
    record_value String COMMENT 'the record, at most 64 KiB of it, personal data removed' CODEC(ZSTD(1)),
    value_bytes UInt32 COMMENT 'full size of the record''s value in bytes',
    refused_table String COMMENT 'table whose insert refused the row, for refused_by_store',
    refused_row UInt32 COMMENT 'row number in refused_table',
    inserted_at DateTime64(3) DEFAULT now64(3) COMMENT 'when the row was inserted, UTC' CODEC(Delta, LZ4),
    INDEX epoch_range epoch TYPE minmax GRANULARITY 4,
    INDEX offset_range kafka_offset TYPE minmax GRANULARITY 4
)
ENGINE = {{replicated}}MergeTree
PARTITION BY business_date
ORDER BY (reason, received_at)
TTL toDateTime(inserted_at) + INTERVAL 180 DAY
SETTINGS {{durable}}, ttl_only_drop_parts = 1
COMMENT 'records set aside with reason and position';

-- Takes the same rows under the same constraints, the fence excepted, and keeps
-- none: finds the row that the table refuses. The fence is added after the copy.
CREATE TABLE IF NOT EXISTS dead_letters_probe {{on_cluster}} AS dead_letters ENGINE = Null;
ALTER TABLE dead_letters {{on_cluster}} ADD CONSTRAINT IF NOT EXISTS fenced CHECK (lane, term) IN (SELECT lane, max(term) FROM lanes GROUP BY lane);
