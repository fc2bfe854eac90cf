// Package counted asks the tables for what the counters of the register have
// counted: for each counter of facts, which rows, under which labels and at
// which moment. The recording rules of weeks that no Prometheus has seen are
// computed from it, and a test holds it against a worker that counts. It only
// writes queries; whoever has a ClickHouse runs them.
//
// The moment of a count is event time. A counter grows when its event is taken
// in, which in live operation is seconds later, and this is the only time that
// every fact has: a session's row keeps the first event of each stage, not when
// it came, and an imported or re-read history came all at once. Sessions close
// by the watermark, so those counters grow a gap and the allowed disorder after
// the last event. Late events are where they belong here, and never reached the
// counters.
package counted

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// Settings are what decides when and what is counted, as the workers have them.
type Settings struct {
	Gap, MaxLength, OutOfOrder, PayWindow time.Duration
	Vocabulary                            *schemas.Vocabulary
}

// Counter is one counter of the register as a query.
type Counter struct {
	Name   string
	Labels []string // the counter's labels that the tables can tell
	rows   string   // SELECT tenant, at, the labels, n
}

// Slots sums the counts from one moment to another, both Unix milliseconds in
// the parameters from and until, by tenant, slot of time (Unix seconds of its
// begin) and labels.
func (c Counter) Slots(slot time.Duration) string {
	return fmt.Sprintf("SELECT toString(tenant), intDiv(toUnixTimestamp64Milli(at), %d) * %d AS slot, %s AS labels, toInt64(sum(n)) FROM (%s) WHERE at >= %s AND at < %s GROUP BY tenant, slot, labels ORDER BY slot",
		slot.Milliseconds(), int64(slot.Seconds()), c.labels(), c.rows, from, until)
}

// Totals is Slots without the slots.
func (c Counter) Totals() string {
	return fmt.Sprintf("SELECT toString(tenant), %s AS labels, toInt64(sum(n)) FROM (%s) WHERE at >= %s AND at < %s GROUP BY tenant, labels ORDER BY tenant, labels",
		c.labels(), c.rows, from, until)
}

func (c Counter) labels() string {
	if len(c.Labels) == 0 {
		return "emptyArrayString()"
	}
	var parts []string
	for _, l := range c.Labels {
		parts = append(parts, "toString("+l+")")
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// List gives every counter whose facts are in the tables.
func List(s Settings) []Counter {
	return slices.Concat(sessions(s), orders(s), events(s))
}

// Of finds a counter by name.
func Of(s Settings, name string) (Counter, bool) {
	all := List(s)
	i := slices.IndexFunc(all, func(c Counter) bool { return c.Name == name })
	if i < 0 {
		return Counter{}, false
	}
	return all[i], true
}

const (
	from  = "fromUnixTimestamp64Milli({from:Int64}, 'UTC')"
	until = "fromUnixTimestamp64Milli({until:Int64}, 'UTC')"
)

// within bounds the rows by their own time, which may lie before the count by
// at most so much. The date is the partition: local, so a day more on each side.
func within(column string, before time.Duration) string {
	return fmt.Sprintf("business_date >= toDate(%[1]s - INTERVAL %[2]d SECOND) - 1 AND business_date <= toDate(%[3]s) + 1 AND %[4]s >= %[1]s - INTERVAL %[2]d SECOND AND %[4]s < %[3]s",
		from, int64(before.Seconds()), until, column)
}

// list writes an array of strings.
func list(names []string) string { return "['" + strings.Join(names, "', '") + "']" }

const business = "NOT (is_test OR is_internal)"
