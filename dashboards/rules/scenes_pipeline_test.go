package rules

import "fmt"

// noSample are the alerts that judge no sample, and why.
var noSample = map[string]string{
	"A-CVR-01 2h": "the flag is said when the largest window has no sample", "A-CVR-01 1d": "as above", "A-CVR-02 2h": "as above", "A-CVR-02 1d": "as above",
	"A-CVR-03 2h": "as above", "A-CVR-03 1d": "as above", "A-CVR-04 2h": "as above", "A-CVR-04 1d": "as above", "A-GMV-01 2h": "as above", "A-GMV-01 1d": "as above",
	"A-PAY-01 5m failures":          "half an hour is judged then",
	"A-TRK-01 30m events_aftermath": "follows the page", "A-TRK-01 2h events_aftermath": "as above", "A-TRK-01 1d events_aftermath": "as above",
	"A-TRK-01 30m attribution_aftermath": "as above", "A-TRK-01 2h attribution_aftermath": "as above", "A-TRK-01 1d attribution_aftermath": "as above",
	"A-PL-01": "an age", "A-PL-02": "an age", "A-PL-02 lane_stopped": "a state", "A-PL-02 lane_gone": "a state", "A-PL-02 aftermath": "follows the others",
	"A-PL-06": "an age", "A-PL-07": "a state", "A-PL-08": "a count that must be 0", "A-PL-08 lost_to_retention": "as above", "A-PL-11": "always fires", "A-PL-12": "a state", "A-PL-12 gone": "a state", "A-PL-12 restarts": "a count",
	"A-PL-13 memory": "a size", "A-PL-13 snapshots": "one is enough to look",
}

func pipelineScenes() []scene {
	busy := grows(`ecom_kafka_fetched_records_total{topic="clickstream"}`, 600)
	click := `topic="clickstream"`
	read := func(perMinute float64) string {
		return grows("ecom_pipeline_records_total{"+click+`,outcome="fact"}`, perMinute)
	}
	in := func(perMinute float64) string {
		return grows("ecom_events_ingested_total{"+click+`,type="page_view"}`, perMinute)
	}
	late := func(class string, perMinute float64) string {
		return grows(fmt.Sprintf("ecom_events_late_total{%s,class=%q}", click, class), perMinute)
	}
	letters := func(perMinute float64) string {
		return grows("ecom_events_dead_letter_total{"+click+`,reason="bad_money"}`, perMinute)
	}
	up := func(v ...float64) (all []string) {
		for i, x := range v {
			all = append(all, flat(fmt.Sprintf(`up{job="storepulse",instance="w%d"}`, i), x))
		}
		return all
	}
	vanishes := func(i int) string { return fmt.Sprintf(`up{job="storepulse",instance="w%d"} 1+0x20 stale`, i) }
	lag := func(s float64) string { return flat("ecom_kafka_consumer_lag_seconds{"+click+"}", s) }
	gaps := func(instance, values string) string {
		return fmt.Sprintf(`ecom_pipeline_records_total{%s,instance=%q,outcome="lost_to_retention"} %s`, click, instance, values)
	}
	watermark := func(s float64) string { return flat(`ecom_watermark_delay_seconds{lane="3"}`, s) }
	failing := grows(`ecom_clickhouse_insert_failures_total{table="fact_events",class="unknown"}`, 1)
	state := func(bytes, limit float64) []string {
		return []string{flat(`ecom_state_bytes{instance="w0",lane="0"}`, bytes), flat(`go_gc_gomemlimit_bytes{instance="w0"}`, limit)}
	}
	open := func(now, usual float64) []string {
		return []string{flat(`ecom_sessions_open{instance="w0"}`, now), flat(`ecom:sessions_open:median{}`, usual)}
	}
	warning, critical := `severity="warning",topic="clickstream"`, `severity="critical",topic="clickstream"`
	return append(staleScenes(), []scene{
		{"A-PL-01", "", "behind", fires, 6, []string{lag(121)}, []string{warning}},
		{"A-PL-01", "", "far behind", fires, 6, []string{lag(601)}, []string{warning, critical}},
		{"A-PL-01", "", "growing", fires, 40, []string{fmt.Sprintf("ecom_kafka_consumer_lag_seconds{%s} 0+10x300", click)}, []string{warning, critical}},
		{"A-PL-01", "", "keeps up", below, 6, []string{lag(120)}, nil},
		{"A-PL-03", "", "one in a hundred", fires, 22, []string{read(200), letters(2)}, []string{warning}},
		{"A-PL-03", "", "one in ten", fires, 22, []string{read(200), letters(19)}, []string{warning, critical}},
		{"A-PL-03", "", "below 0.5 %", below, 22, []string{read(1000), letters(4)}, nil},
		{"A-PL-03", "", "too few", thin, 22, []string{read(50), letters(1)}, nil},
		{"A-PL-03", "new_reason", "a new reason", fires, 8, []string{read(10000), letters(30)}, []string{`severity="critical",topic="clickstream",reason="bad_money",trouble="new_reason"`}},
		{"A-PL-03", "new_reason", "a known reason", below, 8, []string{read(10000), letters(30), flat(`ecom:letters:max7d{topic="clickstream",reason="bad_money"}`, 3)}, nil},
		{"A-PL-03", "new_reason", "below a hundred", thin, 8, []string{read(10000), letters(19)}, nil},
		{"A-PL-04", "", "late", fires, 50, []string{in(100), late("late", 6)}, []string{warning}},
		{"A-PL-04", "", "too late", fires, 50, []string{in(1000), late("too_late", 2)}, []string{warning}},
		{"A-PL-04", "", "three times as many as usual", fires, 28, []string{in(100), late("late", 2), flat(`ecom:late:share7d{topic="clickstream",class="late"}`, .006)}, []string{warning}},
		{"A-PL-04", "", "below 5 %", below, 28, []string{in(100), late("late", 4), flat(`ecom:late:share7d{topic="clickstream",class="late"}`, .02)}, nil},
		{"A-PL-04", "", "too few", thin, 50, []string{in(30), late("late", 20)}, nil},
		{"A-PL-05", "", "everything twice", fires, 245, []string{in(100), "ecom_events_duplicate_total{" + click + "} 0+0x190 0+80x110"}, []string{warning}},
		{"A-PL-05", "", "always so", below, 245, []string{in(100), grows("ecom_events_duplicate_total{"+click+"}", 20)}, nil},
		{"A-PL-05", "", "too few", thin, 245, []string{in(30), "ecom_events_duplicate_total{" + click + "} 0+0x190 0+80x110"}, nil},
		{"A-PL-06", "", "stalled", fires, 6, []string{watermark(901), busy}, []string{`severity="critical",lane="3"`}},
		{"A-PL-06", "", "15 minutes", below, 6, []string{watermark(900), busy}, nil},
		{"A-PL-07", "", "inserts fail and rows wait", fires, 6, []string{failing, lag(121)}, []string{`severity="critical"`}},
		{"A-PL-07", "", "inserts fail and are repeated in time", below, 6, []string{failing, lag(119)}, nil},
		{"A-PL-07", "", "too many parts", fires, 6, []string{flat(`ecom_clickhouse_parts_max{}`, 151)}, []string{`severity="critical"`}},
		{"A-PL-07", "", "as many parts as may be", below, 6, []string{flat(`ecom_clickhouse_parts_max{}`, 150)}, nil},
		{"A-PL-08", "", "a row is missing", fires, 1, []string{flat("ecom_ledger_imbalance_events{"+click+"}", 1)}, []string{critical}},
		{"A-PL-08", "", "all agree", below, 1, []string{flat("ecom_ledger_imbalance_events{"+click+"}", 0)}, nil},
		{"A-PL-08", "lost_to_retention", "a new worker has counted them before anybody looks", fires, 61, []string{gaps("w0", "_x60 7+0x10")}, []string{critical + `,trouble="lost_to_retention"`}},
		{"A-PL-08", "lost_to_retention", "the worker that counted them is gone", fires, 100, []string{gaps("w0", "0+0x60 7 stale"), gaps("w1", "0+0x400")}, []string{critical + `,trouble="lost_to_retention"`}},
		{"A-PL-08", "lost_to_retention", "nothing is lost", below, 61, []string{gaps("w0", "0+0x100"), read(1000)}, nil},
		{"A-PL-11", "", "always", fires, 1, up(1), []string{`severity="info"`}},
		{"A-PL-12", "", "one of three", fires, 4, up(1, 1, 0), []string{`severity="warning",instance="w2"`}},
		{"A-PL-12", "", "two of three", fires, 4, up(1, 0, 0), []string{`severity="warning",instance="w1"`, `severity="warning",instance="w2"`, `severity="critical"`}},
		{"A-PL-12", "", "the only one", fires, 4, up(0), []string{`severity="warning",instance="w0"`, `severity="critical"`}},
		{"A-PL-12", "", "all well", below, 4, up(1, 1, 1), nil},
		{"A-PL-12", "gone", "two of three have vanished", fires, 30, append(up(1), vanishes(1), vanishes(2)), []string{`severity="warning",trouble="gone"`, `severity="critical"`}},
		{"A-PL-12", "gone", "one of three has vanished", fires, 30, append(up(1, 1), vanishes(2)), []string{`severity="warning",trouble="gone"`}},
		{"A-PL-12", "gone", "fewer for over an hour", below, 105, append(up(1, 1), vanishes(2)), nil},
		{"A-PL-12", "gone", "a deploy doubles them for three minutes", below, 60, append(up(1, 1), `up{job="storepulse",instance="w2"} _x30 1+0x3 stale`, `up{job="storepulse",instance="w3"} _x30 1+0x3 stale`), nil},
		{"A-PL-12", "restarts", "starts again and again", fires, 12, append(up(1), `process_start_time_seconds{job="storepulse",instance="w0"} 0+120x300`), []string{`severity="warning",instance="w0",trouble="restarts"`}},
		{"A-PL-12", "restarts", "three times", below, 12, append(up(1), `process_start_time_seconds{job="storepulse",instance="w0"} 0 1 2 3+0x300`), nil},
		{"A-PL-13", "sessions", "three times as many", fires, 12, open(3000, 1000), []string{`severity="warning",trouble="sessions"`}},
		{"A-PL-13", "sessions", "fewer", below, 12, open(2990, 1000), nil},
		{"A-PL-13", "sessions", "too few", thin, 12, open(999, 100), nil},
		{"A-PL-13", "snapshots", "one could not be saved", fires, 21, []string{`ecom_pipeline_snapshot_failures_total{instance="w0"} 0+0x20 1+0x100`}, []string{`severity="warning",instance="w0",trouble="snapshots"`}},
		{"A-PL-13", "snapshots", "not for half an hour", below, 60, []string{`ecom_pipeline_snapshot_failures_total{instance="w0"} 0+0x20 1+0x100`}, nil},
		{"A-PL-13", "memory", "little memory is left", fires, 12, state(8.1e8, 1e9), []string{`severity="warning",instance="w0",trouble="memory"`}},
		{"A-PL-13", "memory", "memory is left", below, 12, state(7.9e8, 1e9), nil},
		{"A-PL-13", "memory", "no limit is set", below, 12, state(8.1e8, 9.2e18), nil},
	}...)
}

// staleScenes are those of A-PL-02. Each begins with an hour and a half in which
// all is well: in the first of them nobody knows.
func staleScenes() []scene {
	busy, waiting := grows(`ecom_kafka_fetched_records_total{topic="clickstream"}`, 600), flat(`ecom_kafka_consumer_lag_seconds{topic="clickstream"}`, 121)
	orders, up := grows(`ecom_kafka_fetched_records_total{topic="orders"}`, 600), flat(`up{job="storepulse",instance="w0"}`, 1)
	complete := func(lane int, then string) string {
		return fmt.Sprintf(`ecom_complete_until_timestamp_seconds{lane="%d",instance="w0"} 0+60x89 %s`, lane, then)
	}
	const goesOn, stands, page, doubt = "5400+60x200", "5400+0x200", `severity="critical"`, `severity="info",trouble="aftermath"`
	stopped := func(v float64) string { return flat(`ecom_pipeline_lane_stopped{lane="3"}`, v) }
	return []scene{
		{"A-PL-02", "", "stands", fires, 102, []string{complete(0, stands), busy, up}, []string{page, doubt}},
		{"A-PL-02", "", "stands while records wait", fires, 102, []string{complete(0, stands), waiting, up}, []string{page, doubt}},
		{"A-PL-02", "", "one lane comes and goes", fires, 105, []string{complete(0, goesOn), complete(1, "5400 _ 5400 _ 5400 _ 5400 _ 5400 _ 5400 _ 5400 _ 5400 _ 5400 _ 5400 _ 5400 _ 5400 _ 5400"), busy, up}, []string{page, doubt}},
		{"A-PL-02", "", "just complete enough", below, 102, []string{complete(0, "5400+60x4 5700+0x200"), busy, up}, nil},
		{"A-PL-02", "", "nothing arrives", below, 102, []string{complete(0, stands), flat(`ecom_kafka_consumer_lag_seconds{topic="clickstream"}`, 0), up}, nil},
		{"A-PL-02", "", "orders go on alone: the tracker's trouble", below, 102, []string{complete(0, stands), orders, up}, nil},
		{"A-PL-02", "aftermath", "stood, and its windows are not whole", fires, 140, []string{complete(0, "5400+0x20 6600+60x200"), busy, up}, []string{doubt}},
		{"A-PL-02", "aftermath", "the windows are whole", below, 165, []string{complete(0, "5400+0x20 6600+60x200"), busy, up}, nil},
		{"A-PL-02", "aftermath", "one look that failed", below, 105, []string{complete(0, goesOn), `ecom_kafka_consumer_lag_seconds{topic="clickstream"} 0+0x99 10800 0+0x200`, busy, up}, nil},
		{"A-PL-02", "aftermath", "nobody looked for half an hour", fires, 130, []string{complete(0, goesOn), busy, `up{job="storepulse",instance="w0"} 1+0x89 _x40 1+0x200`}, []string{doubt}},
		{"A-PL-02", "lane_stopped", "waits for an operator", fires, 100, []string{stopped(1), complete(0, goesOn), complete(3, "5400+60x2 stale"), busy, up}, []string{`severity="critical",lane="3",trouble="lane_stopped"`, doubt}},
		{"A-PL-02", "lane_stopped", "goes on", below, 100, []string{stopped(0), complete(0, goesOn), complete(3, goesOn), busy, up}, nil},
		{"A-PL-02", "lane_gone", "nobody has it, for hours", fires, 260, []string{complete(0, goesOn), complete(1, "5400+60x5 stale"), up}, []string{`severity="critical",lane="1",trouble="lane_gone"`, doubt}},
		{"A-PL-02", "lane_gone", "moves to another worker", below, 110, []string{complete(1, "5400+60x5 stale"), `ecom_complete_until_timestamp_seconds{lane="1",instance="w1"} _x98 5880+60x200`, busy, up}, nil},
	}
}
