package rules

import (
	"fmt"
	"strings"

	"github.com/storepulse/storepulse/schemas"
)

// knownComplete is how far each lane is complete; one that nobody shows counts
// with what was last known of it.
const knownComplete = "(min by (lane) (ecom_complete_until_timestamp_seconds) or max by (lane) (max_over_time(ecom_complete_until_timestamp_seconds[1h])))"

// pipeline: A-PL-01 to 08, 11 to 13.
func pipeline(o Options) []Rule {
	var out []Rule
	add := func(a alert) {
		a.family, a.dashboard = "pipeline", "storepulse-d12"
		out = append(out, a.rule(o))
	}
	const lag = "max by (topic) (ecom_kafka_consumer_lag_seconds)"
	behind := alert{
		id: "A-PL-01", name: "ConsumerLagHigh", hold: "5m", sample: "{{ with printf `sum(ecom_kafka_consumer_lag_messages{topic=\"%s\"})` $labels.topic | query }}{{ . | first | value | printf \"%.0f\" }}{{ else }}unknown{{ end }} records wait",
		summary:     "The workers are {{ $value | humanizeDuration }} behind in topic {{ $labels.topic }}",
		description: "Age of the oldest record that no finished epoch has read.", current: "{{ $value | humanizeDuration }}",
	}
	behind.severity, behind.expr, behind.base = "warning", lag+" > 120", "at most 2 minutes"
	add(behind)
	behind.severity, behind.base = "critical", "at most 10 minutes, and not growing for a quarter of an hour"
	behind.expr = fmt.Sprintf("%s > 600 or %s > 120 and max by (topic) (min_over_time(deriv(ecom_kafka_consumer_lag_seconds[5m])[15m:1m])) > 0", lag, lag)
	add(behind)

	// Only clicks move a watermark: orders that go on alone are the tracker's
	// trouble, A-TRK-01.
	arriving := `on () (sum(rate(ecom_kafka_fetched_records_total{topic="clickstream"}[5m])) > 0 or max(ecom_kafka_consumer_lag_seconds) > 120)`
	standing := "time() - min(" + knownComplete + ") > 300 + 120 and " + arriving
	stale := alert{
		id: "A-PL-02", name: "PipelineStale", severity: "critical", hold: "3m", expr: standing,
		summary:     "The numbers stand still: complete only until {{ $value | humanizeDuration }} ago",
		description: "Events arrive or wait, and the facts are not complete for the last seven minutes: five, and the two that events may be out of order. Business alerts are silenced meanwhile.",
		current:     "{{ $value | humanizeDuration }}", base: "at most 7 minutes",
	}
	add(stale)
	waits := alert{
		id: "A-PL-02", name: "PipelineStale", severity: "critical", hold: "3m", labels: map[string]string{"trouble": "lane_stopped"},
		expr:        "max by (lane) (ecom_pipeline_lane_stopped) == 1",
		summary:     "Lane {{ $labels.lane }} has stopped until an operator acts",
		description: "The others go on, so all numbers lack its part. The log of its worker says what to do. Business alerts are silenced meanwhile.",
		current:     "1 lane stands", base: "none",
	}
	add(waits)
	gone := waits
	gone.labels, gone.hold = map[string]string{"trouble": "lane_gone"}, "5m"
	gone.expr = "group by (lane) (max_over_time(ecom_complete_until_timestamp_seconds[1d])) unless on (lane) ecom_complete_until_timestamp_seconds unless on (lane) ecom_pipeline_lane_stopped == 1"
	gone.summary = "Nobody has lane {{ $labels.lane }}"
	gone.description = "A worker had it within the last day, and none shows it now: no worker is left, or the pipeline has fewer lanes than before. Business alerts are silenced meanwhile."
	gone.current, gone.base = "1 lane is gone", "none"
	add(gone)
	// Business numbers are in doubt before somebody is paged, and until the
	// windows that they look at are whole again.
	doubt := stale
	doubt.severity, doubt.hold, doubt.keep, doubt.labels = "info", "0s", aftermath, map[string]string{"trouble": "aftermath"}
	// Whoever has not seen the counters for a while, or has not looked, sees them
	// grow from zero first.
	doubt.expr = strings.Join([]string{
		standing, "max(min_over_time(ecom_kafka_consumer_lag_seconds[2m])) > 600", "max(ecom_pipeline_lane_stopped) == 1",
		"group(group by (lane) (max_over_time(ecom_complete_until_timestamp_seconds[1d])) unless on (lane) max_over_time(ecom_complete_until_timestamp_seconds[5m]))",
		`max(absent_over_time(up{job="storepulse"}[5m] offset 25m))`,
	}, " or on () ")
	doubt.summary = "The numbers are or were behind"
	doubt.description = "Silences the business alerts until the windows that they look at are whole again."
	add(doubt)

	letters := "sum by (topic) (increase(ecom_events_dead_letter_total[10m]))"
	read := "sum by (topic) (increase(ecom_pipeline_records_total[10m]))"
	enough := fmt.Sprintf("(%s >= 1000 or %s >= 20)", read, letters)
	set := alert{
		id: "A-PL-03", name: "DeadLetterRate", hold: "10m", sample: "{{ with printf `sum(increase(ecom_pipeline_records_total{topic=\"%s\"}[10m]))` $labels.topic | query }}{{ . | first | value | humanize }}{{ end }} records",
		summary: "{{ $value | humanizePercentage }} of the records of {{ $labels.topic }} are set aside", current: "{{ $value | humanizePercentage }}",
		description: "Dead letters against records read in 10 minutes. `storepulse deadletters list` has them by cause.",
	}
	set.severity, set.expr, set.base = "warning", fmt.Sprintf("%s / (%s > 0) >= 0.005 and %s", letters, read, enough), "below 0.5 %"
	add(set)
	set.severity, set.expr, set.base = "critical", fmt.Sprintf("%s / (%s > 0) >= 0.05 and %s", letters, read, enough), "below 5 %"
	add(set)
	add(alert{
		id: "A-PL-03", name: "DeadLetterRate", severity: "critical", hold: "0s", labels: map[string]string{"trouble": "new_reason"}, current: "{{ $value | humanize }} letters in 5 minutes", base: "none in the seven days before",
		expr:        "sum by (topic, reason) (increase(ecom_events_dead_letter_total[5m])) >= 100 unless on (topic, reason) last_over_time(ecom:letters:max7d[20m]) > 0",
		summary:     "Dead letters {{ $labels.reason }} are new to topic {{ $labels.topic }}",
		description: "A hundred or more in five minutes for a reason that the topic did not have for seven days: a producer has changed.",
	})

	late := lateness(schemas.LateOld)
	add(alert{
		id: "A-PL-04", name: "LateEventRate", severity: "warning", hold: "15m", current: "{{ $value | humanizePercentage }}", base: "late below 5 %, or 1 % if that is three times the share of seven days; too late below 0.1 %",
		expr:        fmt.Sprintf("%[1]s >= 0.05 or (%[1]s >= 0.01 and on (topic, class) %[1]s >= on (topic, class) 3 * last_over_time(ecom:late:share7d[20m])) or %[2]s >= 0.001", late, lateness(schemas.LateTooOld)),
		summary:     "{{ $value | humanizePercentage }} of the events of {{ $labels.topic }} come late",
		description: "Late events miss the counters; their sessions are rebuilt in ClickHouse within 72 hours, and not beyond.",
		sample:      ask("ecom:ingested:inc30m", number, nil, "topic") + " events",
	})
	copies := "ecom:duplicates:inc30m / (ecom:ingested:inc30m >= 1000)"
	add(alert{
		id: "A-PL-05", name: "DuplicateRate", severity: "warning", hold: "15m", current: "{{ $value | humanizePercentage }}", base: "below 5 %, and three times that of seven days",
		expr:        fmt.Sprintf("%[1]s >= 0.05 and %[1]s >= 3 * last_over_time(ecom:duplicates:share7d[20m])", copies),
		summary:     "{{ $value | humanizePercentage }} of the events of {{ $labels.topic }} are copies",
		description: "Copies are dropped, whatever their number; somebody sends everything again.",
		sample:      ask("ecom:ingested:inc30m", number, nil, "topic") + " events",
	})
	add(alert{
		id: "A-PL-06", name: "WatermarkStalled", severity: "critical", hold: "5m", current: "{{ $value | humanizeDuration }}", base: "at most 15 minutes",
		expr:        "max by (lane) (ecom_watermark_delay_seconds) > 900 and " + arriving,
		summary:     "The watermark of lane {{ $labels.lane }} stands {{ $value | humanizeDuration }} behind",
		description: "Sessions do not close and the lane's numbers do not move on, although events arrive.",
	})
	add(alert{
		id: "A-PL-07", name: "ClickHouseInsertFailing", severity: "critical", hold: "3m", current: "{{ $value | humanize }}", base: "no failure while rows wait; at most 150 parts",
		expr:        "sum(increase(ecom_clickhouse_insert_failures_total[5m])) > 0 and on () max(ecom_kafka_consumer_lag_seconds) > 120 or max(ecom_clickhouse_parts_max) > 150",
		summary:     "ClickHouse does not take what the workers write",
		description: "Inserts fail and rows wait for over two minutes, or merges cannot keep up with the parts. Nothing is lost: Kafka keeps it.",
	})
	add(alert{
		id: "A-PL-08", name: "ReconciliationMismatch", severity: "critical", hold: "0s", current: "{{ $value | humanize }} events", base: "0",
		expr:        "max by (topic) (ecom_ledger_imbalance_events) > 0",
		summary:     "Ledger and tables differ by {{ $value | humanize }} events of {{ $labels.topic }}",
		description: "Rows are missing, double or under a plan that nobody carried out. `storepulse verify` names the epochs.",
	})
	// A worker may count a loss before its first scrape: what is new within the day
	// counts as it stands.
	const gaps = `ecom_pipeline_records_total{outcome="lost_to_retention"}`
	add(alert{
		id: "A-PL-08", name: "RecordsLost", severity: "critical", hold: "0s", labels: map[string]string{"trouble": "lost_to_retention"}, current: "about {{ $value | humanize }} records in a day", base: "0",
		expr:        fmt.Sprintf("sum by (topic) ((max_over_time(%[1]s[1d]) unless last_over_time(%[1]s[1h] offset 1d)) or increase(%[1]s[1d])) > 0", gaps),
		summary:     "Records of {{ $labels.topic }} are lost for good: Kafka deleted them before they were read",
		description: "Numbers of the time when they were written stay too low. The ledger names the ranges. Fires for a day after the newest loss, whatever restarts.",
	})
	add(alert{
		id: "A-PL-11", name: "DeadMansSwitch", severity: "info", hold: "0s", expr: "vector(1)",
		summary:     "Alerts work",
		description: "Always fires. Whoever receives it pages when it stays away.",
	})
	// Workers that are found by DNS vanish from the targets when they stop. A deploy
	// may double them for a few minutes.
	const targets, most = `count(up{job="storepulse"})`, `max_over_time(min_over_time(count(up{job="storepulse"})[10m:1m])[1h:1m])`
	down := alert{id: "A-PL-12", name: "WorkerDown", hold: "2m", description: "The lanes of a worker that is gone move to the others after the session timeout."}
	down.base = "as many as in the last hour"
	down.severity, down.expr, down.current = "critical", `count(up{job="storepulse"} == 1) < `+most+` - 1 or absent(up{job="storepulse"} == 1) - 1`, "{{ $value }} workers answer"
	down.summary = "More than one worker is down, or none is left"
	add(down)
	down.severity, down.expr, down.current = "warning", `up{job="storepulse"} == 0`, "{{ $labels.instance }} does not answer"
	down.summary = "Worker {{ $labels.instance }} is down"
	add(down)
	down.labels = map[string]string{"trouble": "gone"}
	down.expr, down.current = targets+" < "+most, "{{ $value }} workers are known"
	down.summary = "There were more workers in the last hour"
	add(down)
	down.labels = map[string]string{"trouble": "restarts"}
	down.expr, down.current, down.hold = `changes(process_start_time_seconds{job="storepulse"}[15m]) > 3`, "{{ $value }} starts in 15 minutes", "0s"
	down.summary, down.base = "Worker {{ $labels.instance }} starts again and again", "at most 3"
	add(down)
	grown := alert{id: "A-PL-13", name: "SessionStateGrowth", severity: "warning", hold: "10m", description: "Identities that change with every event, a watermark that stands, or more traffic than the memory was planned for."}
	grown.expr = fmt.Sprintf("sum(ecom_sessions_open) >= 1000 and sum(ecom_sessions_open) >= 3 * %s:median", openSessions)
	grown.summary, grown.current, grown.base = "Three times as many sessions are open as usual", "{{ $value | humanize }} sessions", "the median of the last four weeks"
	grown.labels = map[string]string{"trouble": "sessions"}
	add(grown)
	add(alert{
		id: "A-PL-13", name: "SnapshotsFail", severity: "warning", hold: "0s", labels: map[string]string{"trouble": "snapshots"}, current: "{{ $value | humanize }} failures in 15 minutes", base: "none",
		expr:        "sum by (instance) (increase(ecom_pipeline_snapshot_failures_total[15m])) > 0",
		summary:     "Worker {{ $labels.instance }} cannot save or use snapshots of its state",
		description: "Nothing is lost. The next recovery takes longer, and needs what Kafka has since the last good snapshot.",
	})
	grown.labels = map[string]string{"trouble": "memory"}
	grown.expr = "sum by (instance) (ecom_state_bytes) >= on (instance) (0.8 * (go_gc_gomemlimit_bytes < 1e18))"
	grown.summary, grown.current, grown.base = "The state of {{ $labels.instance }} takes 80 % of its memory", "{{ $value | humanize1024 }}B", "GOMEMLIMIT"
	add(grown)
	return out
}
