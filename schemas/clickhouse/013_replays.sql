-- What became of dead letters that were sent again. A row "intent" is written
-- before the record is sent and a row "sent" after the broker has acknowledged it:
-- an intent without its sent row says where to look for the record first. No
-- fence: no lane writes here.
CREATE TABLE IF NOT EXISTS replays {{on_cluster}}
(
    letter_topic LowCardinality(String) COMMENT 'Kafka topic of the dead letter',
    letter_partition UInt32 COMMENT 'Kafka partition of the dead letter',
    letter_offset Int64 COMMENT 'Kafka offset of the dead letter' CODEC(Delta, LZ4),
    event_id String COMMENT 'id of the event that was sent',
    source String COMMENT 'producer of the event that was sent',
    state LowCardinality(String) COMMENT 'intent: about to be sent, sent: acknowledged by the broker, found: an earlier run had sent it',
    run UUID COMMENT 'one call of the command',
    topic LowCardinality(String) COMMENT 'Kafka topic it is sent to',
    partition UInt32 COMMENT 'Kafka partition it is sent to',
    offset Int64 COMMENT 'intent: end of that partition before sending; sent, found: where the record stands' CODEC(Delta, LZ4),
    fix String COMMENT 'SHA-256 of the fix file, empty if none',
    replayed_by String COMMENT 'user and host',
    replayed_at DateTime64(3) COMMENT 'when the row was made, UTC' CODEC(Delta, LZ4),
    INDEX event_ids event_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = {{replicated}}MergeTree
ORDER BY (letter_topic, letter_partition, letter_offset, replayed_at)
SETTINGS {{durable}}
COMMENT 'dead letters that were sent again';
