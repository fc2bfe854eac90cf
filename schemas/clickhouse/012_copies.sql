-- A plan also names the copies that the lane's state could not recognise, and
-- an epoch may do nothing but rebuild sessions.
ALTER TABLE epochs {{on_cluster}}
    ADD COLUMN IF NOT EXISTS clickstream_copies Array(Int64) COMMENT 'offsets of clickstream records that the planner found in fact_events already, ascending' AFTER watermark,
    ADD COLUMN IF NOT EXISTS orders_copies Array(Int64) COMMENT 'offsets of orders records that the planner found in fact_order_events already, ascending' AFTER clickstream_copies,
    COMMENT COLUMN IF EXISTS kind 'plan, gap (lost to retention), rebuild (sessions with late events written anew); done, gap_done, rebuild_done repeat the last plan and say that it is done';

-- Who is this event, what has this visitor done: asked for late copies, for
-- rebuilds and by hand. The sort order serves neither, and lanes share parts.
-- Parts of before get these indexes when they are merged.
ALTER TABLE fact_events {{on_cluster}}
    ADD INDEX IF NOT EXISTS event_ids event_id TYPE bloom_filter GRANULARITY 1,
    ADD INDEX IF NOT EXISTS visitors visitor_id TYPE bloom_filter GRANULARITY 1,
    ADD INDEX IF NOT EXISTS order_ids order_id TYPE bloom_filter GRANULARITY 1;
ALTER TABLE fact_order_events {{on_cluster}}
    ADD INDEX IF NOT EXISTS event_ids event_id TYPE bloom_filter GRANULARITY 1,
    ADD INDEX IF NOT EXISTS order_ids order_id TYPE bloom_filter GRANULARITY 1;
