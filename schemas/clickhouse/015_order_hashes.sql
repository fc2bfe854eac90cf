-- Everything of this order: asked when sessions are written anew for late events.
-- Parts of before get the index when they are merged.
ALTER TABLE fact_order_events {{on_cluster}} ADD INDEX IF NOT EXISTS order_hashes order_hash TYPE bloom_filter GRANULARITY 1;
