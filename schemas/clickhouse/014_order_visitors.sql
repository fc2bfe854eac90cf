-- What has this visitor ordered: asked by hand. Parts of before get the index
-- when they are merged.
ALTER TABLE fact_order_events {{on_cluster}} ADD INDEX IF NOT EXISTS visitors visitor_id TYPE bloom_filter GRANULARITY 1;
