package clickhouse_test

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"

	"github.com/storepulse/storepulse/schemas/catalogue"
)

// clickstreamParts are the parts of fact_events that a plan reads, for each
// time that it reads the table.
var clickstreamParts = regexp.MustCompile(`ReadFromMergeTree \([^)]*\.fact_events\)(?s:.*?)Parts: (\d+) \| Granules`)

// TestViewsReadTheDaysAsked: a view over the clickstream asked for two days
// reads the partitions of those, and of three days around them at most: one in three parts each.
func TestViewsReadTheDaysAsked(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for day := 1; day <= 30; day++ {
		at := fmt.Sprintf("toDateTime64('2026-11-%02d 04:00:00.000', 3, 'UTC')", day)
		for _, kind := range []string{"page_view", "view_item", "order_submit"} {
			s.view(day, at, cells{"event_type": "'" + kind + "'", "item_id": "'p'", "order_id": "'o'"})
		}
	}
	for _, name := range []string{"pv", "uv", "visitor_pay_cvr", "exit_rate_by_page", "bot_traffic_share", "detail_to_cart", "tracking_completeness"} {
		m := catalogue.Find(name)[0]
		plan := s.ask(fmt.Sprintf("EXPLAIN indexes = 1 SELECT business_date, %s FROM `%s`.%s WHERE business_date BETWEEN '2026-11-10' AND '2026-11-11' AND time >= '2026-11-09 00:00:00' GROUP BY business_date", m.Value, s.db, m.ViewName()))
		reads := clickstreamParts.FindAllStringSubmatch(plan, -1)
		if len(reads) == 0 {
			t.Errorf("%s does not read the clickstream:\n%s", name, plan)
		}
		for _, r := range reads {
			if n, err := strconv.Atoi(r[1]); err != nil || n > 12 {
				t.Errorf("%s reads %s days for two:\n%s", name, r[1], plan)
			}
		}
	}
}
