package rules

import (
	"fmt"

	"github.com/storepulse/storepulse/schemas"
)

// topics records what came by topic, for the alerts on the pipeline.
func topics() []Rule {
	grown := func(record, counter, by string) Rule {
		return Rule{Record: record, Expr: fmt.Sprintf("sum by (%s) (increase(%s[30m]))", by, counter)}
	}
	return []Rule{
		grown("ecom:ingested:inc30m", "ecom_events_ingested_total", "topic"),
		grown("ecom:duplicates:inc30m", "ecom_events_duplicate_total", "topic"),
		grown("ecom:late:inc30m", "ecom_events_late_total", "topic, class"),
		grown("ecom:letters:inc30m", "ecom_events_dead_letter_total", "topic, reason"),
	}
}

// topicsOfWeek records what is usual, from what topics has recorded: seven days
// of the counters themselves would be millions of samples each time.
func topicsOfWeek() []Rule {
	const week = "[7d:30m]"
	all := "sum_over_time(ecom:ingested:inc30m" + week + ")"
	return []Rule{
		{Record: "ecom:duplicates:share7d", Expr: fmt.Sprintf("sum_over_time(ecom:duplicates:inc30m%s) / (%s > 0)", week, all)},
		{Record: "ecom:late:share7d", Expr: fmt.Sprintf("sum_over_time(ecom:late:inc30m%s) / on (topic) group_left () (%s > 0)", week, all)},
		// Until ten minutes ago, so that a burst is not its own past.
		{Record: "ecom:letters:max7d", Expr: fmt.Sprintf("max_over_time(ecom:letters:inc30m%s offset 10m)", week)},
	}
}

// lateness is the share of a class of late events.
func lateness(class uint8) string {
	return fmt.Sprintf("ecom:late:inc30m{class=%q} / on (topic) group_left () (ecom:ingested:inc30m >= 1000)", schemas.LateClassNames[class])
}
