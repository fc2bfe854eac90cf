package deadletters

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Group is what letters of one cause have in common.
type Group struct {
	Reason   string    `json:"reason"`
	Field    string    `json:"field"` // places in lists left out: items[*].price
	Topic    string    `json:"topic"`
	Count    uint64    `json:"count"`
	Replayed uint64    `json:"replayed"`
	First    time.Time `json:"first"` // received
	Last     time.Time `json:"last"`
	Detail   string    `json:"detail"` // of one of them
}

// replayedPositions are letters that some run has sent. Positions, because the
// letters of one record are replayed by one sending.
const replayedPositions = `(SELECT letter_topic, letter_partition, letter_offset FROM replays WHERE state != 'intent')`

// Overview groups the chosen letters, the greatest groups first. Limit is that
// of groups.
func Overview(ctx context.Context, q Querier, f Filter) ([]Group, error) {
	where, args := f.where()
	limit := ""
	if f.Limit > 0 {
		limit = fmt.Sprintf(" LIMIT %d", f.Limit)
	}
	var list []Group
	err := rows(ctx, q, "dead letters", `SELECT reason, replaceRegexpAll(field, '\\[[0-9]+\\]', '[*]') AS place, kafka_topic, count() AS n,
			countIf((kafka_topic, kafka_partition, kafka_offset) IN `+replayedPositions+`), min(received_at), max(received_at), any(detail)
		FROM dead_letters WHERE `+where+` GROUP BY reason, place, kafka_topic ORDER BY n DESC, reason, place, kafka_topic`+limit, args,
		func(r driver.Rows) error {
			var g Group
			err := r.Scan(&g.Reason, &g.Field, &g.Topic, &g.Count, &g.Replayed, &g.First, &g.Last, &g.Detail)
			list = append(list, g)
			return err
		})
	return list, err
}
