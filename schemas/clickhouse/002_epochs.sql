-- The ledger: what a lane is about to do, written before it is done. The plan in
-- force is the row with the greatest (term, seq); older epochs are found by
-- following prev_plan_id, rows off this chain are void. Never expires.
CREATE TABLE IF NOT EXISTS epochs {{on_cluster}}
(
    lane UInt32 COMMENT 'lane = Kafka partition',
    term UInt64 COMMENT 'claim under which the row was inserted',
    seq UInt64 COMMENT 'number of the row in its term, from 1' CODEC(Delta, LZ4),
    epoch UInt64 COMMENT 'micro-batch of the lane, from 1' CODEC(Delta, LZ4),
    plan_id UUID COMMENT 'hash of everything that decides the facts of the epoch',
    prev_plan_id UUID COMMENT 'plan id of the epoch before, zero for the first',
    kind LowCardinality(String) COMMENT 'plan, gap (lost to retention), done (repeats the last plan and says that it is done)',
    identity String COMMENT 'identity of the two topics',
    clickstream_start Int64 COMMENT 'first clickstream offset of the epoch' CODEC(Delta, LZ4),
    clickstream_end Int64 COMMENT 'clickstream offset after the last of the epoch' CODEC(Delta, LZ4),
    orders_start Int64 COMMENT 'first orders offset of the epoch' CODEC(Delta, LZ4),
    orders_end Int64 COMMENT 'orders offset after the last of the epoch' CODEC(Delta, LZ4),
    input_crc UInt32 COMMENT 'CRC-32C of the input records',
    watermark Int64 COMMENT 'watermark of the epoch, Unix milliseconds' CODEC(Delta, LZ4),
    transform UInt32 COMMENT 'transform version',
    vocabulary UInt64 COMMENT 'hash of the configured tenants, types and categories',
    snapshot_epoch UInt64 COMMENT 'snapshot to start recovery from: its epoch, 0 = none' CODEC(Delta, LZ4),
    snapshot_plan_id UUID COMMENT 'snapshot to start recovery from: its plan id',
    has_done Bool COMMENT 'done and the counts are given',
    done Map(String, UInt32) COMMENT 'rows per table of the epoch before (kind done: of this epoch)',
    clickstream_facts Int64 COMMENT 'clickstream: rows that became facts, of the same epoch as done',
    clickstream_duplicates Int64 COMMENT 'clickstream: records dropped as duplicates, of the same epoch as done',
    clickstream_letters Int64 COMMENT 'clickstream: records set aside as dead letters, of the same epoch as done',
    clickstream_tombstones Int64 COMMENT 'clickstream: records without a value, of the same epoch as done',
    clickstream_late Int64 COMMENT 'clickstream: late events, among facts, of the same epoch as done',
    clickstream_lost Int64 COMMENT 'clickstream: offsets lost to retention, of the same epoch as done',
    clickstream_absent Int64 COMMENT 'clickstream: offsets without a record, of the same epoch as done',
    orders_facts Int64 COMMENT 'orders: rows that became facts, of the same epoch as done',
    orders_duplicates Int64 COMMENT 'orders: records dropped as duplicates, of the same epoch as done',
    orders_letters Int64 COMMENT 'orders: records set aside as dead letters, of the same epoch as done',
    orders_tombstones Int64 COMMENT 'orders: records without a value, of the same epoch as done',
    orders_late Int64 COMMENT 'orders: late events, among facts, of the same epoch as done',
    orders_lost Int64 COMMENT 'orders: offsets lost to retention, of the same epoch as done',
    orders_absent Int64 COMMENT 'orders: offsets without a record, of the same epoch as done',
    created_at DateTime64(3) DEFAULT now64(3) COMMENT 'when the row was inserted, UTC' CODEC(Delta, LZ4),
    INDEX epoch_range epoch TYPE minmax GRANULARITY 1,
    CONSTRAINT fenced CHECK (lane, term) IN (SELECT lane, max(term) FROM lanes GROUP BY lane)
)
ENGINE = {{replicated}}MergeTree
ORDER BY (lane, term, seq)
SETTINGS {{durable}}, index_granularity = 1024
COMMENT 'ledger: plans of the lanes and what came of them';
