package dashboards

// pipeline is D12: whether the pipeline itself is well.
func pipeline() board {
	per := func(metric, by string) []target {
		return []target{{legend: "{{" + by + "}}", promql: "sum by (" + by + ") (rate(" + metric + "[$__rate_interval]))"}}
	}
	p99 := func(metric, by string) []target {
		return []target{{legend: "{{" + by + "}}", promql: "histogram_quantile(0.99, sum by (le, " + by + ") (rate(" + metric + "_bucket[$__rate_interval])))"}}
	}
	return board{
		uid: "storepulse-d12", file: "d12-pipeline", title: "D12 Pipeline health", from: "now-6h", next: []string{"storepulse-d02", "storepulse-d01", "storepulse-d03", "storepulse-d04"},
		about: "Workers, Kafka and ClickHouse, as the workers see them.",
		rows: []row{
			{"Do the workers keep up?", []panel{
				{
					kind: asSeries, title: "Age of the oldest unread record", unit: "s", span: 12, steps: atLeast(120, 600), runbook: "a-pl-01",
					description: "PLT-04 by topic: the worst lane.",
					targets:     []target{{legend: "{{topic}}", promql: "max by (topic) (ecom_kafka_consumer_lag_seconds)"}},
				},
				{
					kind: asSeries, title: "Watermark behind the clock", unit: "s", span: 12, steps: atLeast(300, 900), runbook: "a-pl-06",
					description: "PLT-10 by lane. Sessions close when it passes.",
					targets:     []target{{legend: "lane {{lane}}", promql: "max by (lane) (ecom_watermark_delay_seconds)"}},
				},
				{
					kind: asSeries, title: "Records a second", unit: "short", span: 12,
					description: "PLT-02: fetched, those read again after a recovery included.",
					targets:     per("ecom_kafka_fetched_records_total", "topic"),
				},
				{
					kind: asSeries, title: "From Kafka to the store, 99 %", unit: "s", span: 12, steps: atLeast(60, 300), runbook: "a-pl-02",
					description: "PLT-03: newest record of an epoch until its facts stand.",
					targets:     p99("ecom_pipeline_e2e_latency_seconds", "topic"),
				},
			}},
			{"Is everything accounted for?", []panel{
				{
					kind: asSeries, title: "Records by what became of them", unit: "short", span: 12, runbook: "a-pl-08",
					description: "PLT-09: consumed = facts + duplicates + dead letters + tombstones + lost + absent.",
					targets:     per("ecom_pipeline_records_total", "outcome"),
				},
				{
					kind: asSeries, title: "Dead letters by reason", unit: "percentunit", span: 12, steps: atLeast(0.005, 0.05), runbook: "a-pl-03",
					description: "PLT-05, and PLT-11 as unknown_type: records that were set aside, of the records read in 5 minutes. storepulse deadletters list has them by cause.",
					targets:     []target{{legend: "{{topic}} {{reason}}", promql: definition("dead_letter_rate").Now + " > 0"}}, mayBeEmpty: "nothing was set aside",
				},
				{
					kind: asSeries, title: "Late events", unit: "percentunit", span: 8, steps: []step{{0.05, bad}}, runbook: "a-pl-04",
					description: "PLT-06: share of the events of 30 minutes, outside the merge horizon or older than 72 hours.",
					targets:     []target{{legend: "{{topic}} {{class}}", promql: "sum by (topic, class) (increase(ecom_events_late_total[30m])) / on (topic) group_left () (sum by (topic) (increase(ecom_events_ingested_total[30m])) > 0)"}},
				},
				{
					kind: asSeries, title: "Copies", unit: "percentunit", span: 8, steps: []step{{0.05, warn}}, runbook: "a-pl-05",
					description: "PLT-07: events dropped because they were seen before, of the events of 30 minutes.",
					targets:     []target{{legend: "{{topic}}", promql: "sum by (topic) (increase(ecom_events_duplicate_total[30m])) / (sum by (topic) (increase(ecom_events_ingested_total[30m])) > 0)"}},
				},
				{
					kind: asSeries, title: "Late events that wait for a rebuild", unit: "short", span: 8,
					description: "PLT-06 by lane; normally for three and a half hours of event time.",
					targets:     []target{{legend: "{{lane}}", promql: "ecom_pipeline_rebuild_waiting"}},
				},
			}},
			{"How was it hour by hour?", []panel{
				{
					kind: asSeries, title: "Dead letters, copies and late events, by hour", unit: "percentunit", span: 12, steps: []step{{0.05, bad}}, runbook: "a-pl-03",
					description: "PLT-05, PLT-06, PLT-07 from the ledger, exact: of the records read, late events of the events accepted.",
					targets:     []target{{overTime: true, sql: history("time, topic", []string{"dead_letter_rate", "duplicate_rate", "late_events"}, "ORDER BY time")}},
				},
				{
					kind: asSeries, title: "Unknown types, by hour", unit: "percentunit", span: 6, steps: atLeast(0.005, 0.05), runbook: "a-pl-03",
					description: "PLT-11 from the tables: of the records read.",
					targets:     []target{{overTime: true, sql: history("time, topic", []string{"schema_drift"}, "ORDER BY time")}},
				},
				{
					kind: asSeries, title: "Events a second, by hour", unit: "short", span: 6,
					description: "PLT-02 from the ledger: accepted events, mean of the hour; the hour that runs is left out.",
					targets:     []target{{overTime: true, sql: history("time, topic", []string{"peak_load"}, "ORDER BY time")}},
				},
			}},
			{"Does ClickHouse take it?", []panel{
				{
					kind: asSeries, title: "Time of an insert, 99 %", unit: "s", span: 8, steps: atLeast(2, 10), runbook: "a-pl-07",
					description: "PLT-08 by table.",
					targets:     p99("ecom_clickhouse_insert_seconds", "table"),
				},
				{
					kind: asSeries, title: "Inserts that fail, a second", unit: "short", span: 8, steps: atLeast(0.01, 0.1), runbook: "a-pl-07",
					description: "PLT-08 by class of outcome. Repeated until they are taken: nothing is lost.",
					targets:     []target{{legend: "{{table}} {{class}}", promql: "sum by (table, class) (rate(ecom_clickhouse_insert_failures_total[$__rate_interval])) > 0"}}, mayBeEmpty: "no insert failed",
				},
				{
					kind: asStat, title: "Parts in the fullest partition", unit: "short", span: 8, steps: atLeast(100, 150), runbook: "a-pl-07",
					description: "PLT-08: merges cannot keep up when it grows.",
					targets:     []target{{promql: "max(ecom_clickhouse_parts_max)"}},
				},
				{
					kind: asSeries, title: "Rows a second by table", unit: "short", span: 24,
					description: "PLT-02: facts of finished epochs.",
					targets:     per("ecom_pipeline_rows_total", "table"),
				},
			}},
			{"Are the workers well?", []panel{
				{
					kind: asTable, title: "Workers", unit: "short", span: 8, below: bad, steps: []step{{1, good}}, runbook: "a-pl-12",
					description: "PLT-03: 1 of a worker that answers.",
					targets:     []target{{promql: `up{job="storepulse"}`}},
				},
				{
					kind: asSeries, title: "Memory of the state", unit: "bytes", span: 8, runbook: "a-pl-13",
					description: "PLT-10 by worker.",
					targets:     []target{{legend: "{{instance}}", promql: "sum by (instance) (ecom_state_bytes)"}},
				},
				{
					kind: asSeries, title: "Sessions open", unit: "short", span: 8, runbook: "a-pl-13",
					description: "PLT-10: not yet closed by the watermark.",
					targets:     []target{{legend: "sessions", promql: `sum(ecom_sessions_open{tenant=~"$tenant"})`}},
				},
				{
					kind: asSeries, title: "Pause of a lane for its snapshot, 99 %", unit: "s", span: 8, steps: atLeast(1, 5),
					description: "PLT-10: how long a lane stands still to save its state.",
					targets:     []target{{legend: "pause", promql: "histogram_quantile(0.99, sum by (le) (rate(ecom_pipeline_snapshot_pause_seconds_bucket[$__rate_interval])))"}},
				},
				{
					kind: asSeries, title: "Claims and generations", unit: "short", span: 8, steps: []step{{20, warn}}, runbook: "a-pl-12",
					description: "PLT-03: lanes that change their owner, and rebalances of the group, in 10 minutes.",
					targets: []target{
						{legend: "claims", promql: "sum(increase(ecom_pipeline_claims_total[10m]))"},
						{legend: "generations", promql: "max(increase(ecom_kafka_group_generations_total[10m]))"},
					},
				},
				{
					kind: asStat, title: "Lanes that wait for an operator", unit: "short", span: 8, steps: []step{{1, bad}},
					description: "PLT-03: the log says what happened and what to do.",
					targets:     []target{{promql: "sum(ecom_pipeline_lane_stopped) or vector(0)"}},
				},
			}},
		},
	}
}
