package checkpoint

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/storepulse/storepulse/schemas"
)

// Consumed is the number of offsets that the counts of a topic account for:
// the right side of the balance.
func (c *Counts) Consumed(t schemas.Topic) int64 {
	return c.Facts[t] + c.Duplicates[t] + c.Letters[t] + c.Tombstones[t] + c.Lost[t] + c.Absent[t]
}

// Add adds up.
func (c *Counts) Add(o *Counts) {
	from := o.fields()
	for i, f := range c.fields() {
		for t := range f.of {
			f.of[t] += from[i].of[t]
		}
	}
}

// Rows gives every row of the ledger that speaks of the lane's epochs from …
// to-1, void ones too, in the order they were written.
func (s *Store) Rows(ctx context.Context, lane uint32, from, to uint64) ([]Plan, error) {
	args := laneArg(lane)
	args["from"], args["to"] = fmt.Sprint(from), fmt.Sprint(to)
	rows, err := s.plans(ctx, "SELECT "+planColumns+` FROM epochs
		WHERE lane = {lane:UInt32} AND epoch >= {from:UInt64} AND epoch < {to:UInt64} ORDER BY term, seq`, args)
	if err != nil {
		return nil, fmt.Errorf("read epochs %d to %d of lane %d: %w", from, to, lane, err)
	}
	return rows, nil
}

// PlannedSince gives the first epoch of the lane that was planned at or after
// the time, 0 if none was.
func (s *Store) PlannedSince(ctx context.Context, lane uint32, t time.Time) (epoch uint64, err error) {
	args := laneArg(lane)
	args["t"] = fmt.Sprint(t.UnixMilli())
	err = s.c.Each(ctx, `SELECT min(epoch) FROM epochs
		WHERE lane = {lane:UInt32} AND kind NOT LIKE '%done' AND created_at >= fromUnixTimestamp64Milli({t:Int64})`, args,
		func(rows driver.Rows) error { return rows.Scan(&epoch) })
	if err != nil {
		return 0, fmt.Errorf("find the first epoch of lane %d since %s: %w", lane, t.UTC().Format(time.RFC3339), err)
	}
	return epoch, nil
}

// LaneStatus is where a lane stands, as the ledger knows it.
type LaneStatus struct {
	Head   Plan // zero before the first epoch
	Worker string
}

// Lanes lists every lane the ledger knows, by number, and who claimed it last.
func (s *Store) Lanes(ctx context.Context) ([]LaneStatus, error) {
	var list []LaneStatus
	err := s.c.Each(ctx, `SELECT lane, argMax(w, t) FROM (SELECT lane, worker AS w, term AS t FROM lanes
		UNION ALL SELECT lane, '', toUInt64(0) FROM epochs GROUP BY lane) GROUP BY lane ORDER BY lane`, nil, func(rows driver.Rows) error {
		var l LaneStatus
		err := rows.Scan(&l.Head.Lane, &l.Worker)
		list = append(list, l)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the lanes: %w", err)
	}
	for i := range list {
		head, err := s.Head(ctx, list[i].Head.Lane)
		if err != nil {
			return nil, err
		}
		if head != nil {
			list[i].Head = *head
		}
	}
	return list, nil
}
