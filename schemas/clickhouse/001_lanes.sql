-- One row per claim. Every other table accepts rows of the greatest term of a
-- lane only. No deduplication window: a claim must never be swallowed. Merges
-- keep the greatest term of a lane, so the fence's set stays as small as the
-- number of lanes and its greatest row is never deleted.
CREATE TABLE IF NOT EXISTS lanes {{on_cluster}}
(
    lane UInt32 COMMENT 'lane = Kafka partition',
    term UInt64 COMMENT 'claim number * 2^32 + a random number',
    worker String COMMENT 'host and process that claimed the lane',
    pipeline String COMMENT 'pipeline.id of the worker',
    partitions UInt32 COMMENT 'number of lanes the pipeline began with',
    claimed_at DateTime64(3) DEFAULT now64(3) COMMENT 'when the lane was claimed, UTC'
)
ENGINE = {{replicated}}ReplacingMergeTree(term)
ORDER BY lane
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'claims: who may write a lane';
