-- States of lanes. One partition holds one snapshot, so that the program drops
-- the ones before the last three without a mutation and no merge copies a body.
CREATE TABLE IF NOT EXISTS snapshots {{on_cluster}}
(
    lane UInt32 COMMENT 'lane = Kafka partition',
    term UInt64 COMMENT 'claim under which the row was inserted',
    epoch UInt64 COMMENT 'the state is the one after this epoch',
    plan_id UUID COMMENT 'plan of that epoch',
    body String COMMENT 'versioned, compressed state with its checksum' CODEC(NONE),
    created_at DateTime64(3) DEFAULT now64(3) COMMENT 'when the row was inserted, UTC',
    CONSTRAINT fenced CHECK (lane, term) IN (SELECT lane, max(term) FROM lanes GROUP BY lane)
)
ENGINE = {{replicated}}MergeTree
PARTITION BY (lane, epoch)
ORDER BY plan_id
SETTINGS {{durable}}
COMMENT 'states of lanes, the last three of each';
