package counted

import (
	"fmt"
	"strings"
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// sessions are counted where they are now: a channel or region that was found
// later, or a session that merged into another, changed the row and not the
// counter.
func sessions(s Settings) []Counter {
	rows := func(columns, more string, before time.Duration) string {
		return fmt.Sprintf("SELECT tenant, %s FROM fact_sessions FINAL WHERE is_deleted = 0 AND NOT is_bot AND %s AND %s%s", columns, business, within("start_time", before), more)
	}
	// A session may pay so long after its first event.
	life := s.MaxLength + 2*s.Gap + s.PayWindow
	closed := s.end() + " AS at, "
	stage := fmt.Sprintf("arrayJoin(range(1, indexOf(%[1]s, toString(max_stage)) + 1)) AS k, %[1]s[k] AS stage, greatest(start_time, arrayMin(arraySlice(%[2]s, k))) AS at, 1 AS n, ", list(schemas.StageNames[1:]), stageTimes())
	cart := fmt.Sprintf(" AND bitTest(stages_raw, %d)", schemas.StageAddToCart)
	return []Counter{
		{"ecom_sessions_started_total", []string{"platform", "channel"}, rows("start_time AS at, platform, channel, 1 AS n", "", 0)},
		{"ecom_session_stage_total", []string{"stage", "platform", "channel"}, rows(stage+"platform, channel", "", life)},
		{"ecom_session_stage_region_total", []string{"stage", "region"}, rows(stage+"region", "", life)},
		{"ecom_cart_sessions_total", []string{"outcome", "platform", "channel"}, rows(
			"arrayJoin(if(orders_paid > 0, ['added', 'paid'], ['added'])) AS outcome, if(outcome = 'added', assumeNotNull(first_add_to_cart), greatest(assumeNotNull(first_add_to_cart), assumeNotNull(first_pay))) AS at, platform, channel, 1 AS n", cart, life)},
		{"ecom_sessions_closed_total", []string{"landing_page_type", "device_class"}, rows(closed+"landing_page_type, device_class, 1 AS n", " AND is_closed", s.closing())},
		{"ecom_sessions_bounced_total", []string{"landing_page_type", "device_class"}, rows(closed+"landing_page_type, device_class, 1 AS n", " AND is_closed AND is_bounce", s.closing())},
		{"ecom_session_exits_total", []string{"page_type"}, rows(closed+"exit_page_type AS page_type, 1 AS n", " AND is_closed AND page_views > 0", s.closing())},
	}
}

// stageTimes lists when each stage was reached by an event of its own.
func stageTimes() string {
	times := []string{"start_time"}
	for _, name := range schemas.StageNames[2:] {
		times = append(times, "coalesce(first_"+name+", toDateTime64('2200-01-01 00:00:00', 3))")
	}
	return "[" + strings.Join(times, ", ") + "]"
}

// Open says when sessions, those of bots included, begin (n = 1) and end (n = -1).
func Open(s Settings) Counter {
	return Counter{Name: "ecom_sessions_open", rows: fmt.Sprintf(
		"SELECT tenant, arrayJoin([(start_time, 1), (%s, -1)]) AS change, change.1 AS at, change.2 AS n FROM fact_sessions FINAL WHERE is_deleted = 0 AND %s",
		s.end(), within("start_time", s.closing()))}
}

// OpenAt counts the sessions that are open at the moment in the parameters from
// and until.
func OpenAt(s Settings) string {
	return fmt.Sprintf("SELECT toInt64(count()) FROM fact_sessions FINAL WHERE is_deleted = 0 AND %s AND %s >= %s", within("start_time", s.closing()), s.end(), until)
}

// end is when the watermark closes a session.
func (s Settings) end() string {
	return fmt.Sprintf("end_time + INTERVAL %d MILLISECOND", (s.Gap + s.OutOfOrder).Milliseconds())
}

// closing is how long after its first event that is at most.
func (s Settings) closing() time.Duration { return s.MaxLength + s.Gap + s.OutOfOrder }
