package checkpoint

import (
	"context"
	"fmt"

	"github.com/storepulse/storepulse/schemas"
)

// Balance is the whole ledger against the whole tables, per topic. Consumed
// ends at the last epoch that is known to be done.
type Balance struct {
	Lanes, Epochs uint64
	Consumed      [schemas.NumTopics]int64 // offsets of done epochs
	Ledger        Counts
	Facts         [schemas.NumTopics]int64 // rows of fact_events and fact_order_events under done epochs
	Letters       int64                    // dead letters under done epochs, those of refused rows excepted
}

// Balanced says whether every consumed offset has its place in the ledger and
// every fact and dead letter of the ledger stands in its table.
func (b Balance) Balanced() bool {
	var letters int64
	for t := range b.Consumed {
		c := b.Ledger
		if b.Consumed[t] != c.Facts[t]+c.Duplicates[t]+c.Letters[t]+c.Tombstones[t]+c.Lost[t]+c.Absent[t] || b.Facts[t] != c.Facts[t] {
			return false
		}
		letters += c.Letters[t]
	}
	return letters == b.Letters
}

// doneEpochs lists every epoch some row says is done, once: the row that says
// it is the plan after it or its own done row.
const doneEpochs = `
	SELECT lane, if(own, epoch, toUInt64(epoch - 1)) AS e, if(own, plan_id, prev_plan_id) AS p, max(seq) AS said,
		any(clickstream_facts) AS cf, any(clickstream_duplicates) AS cd, any(clickstream_letters) AS cl, any(clickstream_tombstones) AS ct, any(clickstream_lost) AS co, any(clickstream_absent) AS ca,
		any(orders_facts) AS of, any(orders_duplicates) AS od, any(orders_letters) AS ol, any(orders_tombstones) AS ot, any(orders_lost) AS oo, any(orders_absent) AS oa
	FROM (SELECT *, kind IN ('done', 'gap_done', 'rebuild_done') AS own FROM epochs) WHERE has_done GROUP BY lane, e, p`

// Balance reads the ledger and the tables. It is exact when no lane is writing.
func (s *Store) Balance(ctx context.Context) (Balance, error) {
	var b Balance
	c := &b.Ledger
	err := s.scanRow(ctx, `
		SELECT uniqExact(lane), count(),
			sum(cf), sum(cd), sum(cl), sum(ct), sum(co), sum(ca), sum(of), sum(od), sum(ol), sum(ot), sum(oo), sum(oa)
		FROM (`+doneEpochs+`)`,
		&b.Lanes, &b.Epochs, &c.Facts[0], &c.Duplicates[0], &c.Letters[0], &c.Tombstones[0], &c.Lost[0], &c.Absent[0],
		&c.Facts[1], &c.Duplicates[1], &c.Letters[1], &c.Tombstones[1], &c.Lost[1], &c.Absent[1])
	if err != nil {
		return b, fmt.Errorf("add up the ledger: %w", err)
	}
	err = s.scanRow(ctx, `
		SELECT sum(ce - cs), sum(oe - os) FROM (
			SELECT lane, epoch, plan_id, any(clickstream_start) AS cs, any(clickstream_end) AS ce, any(orders_start) AS os, any(orders_end) AS oe
			FROM epochs WHERE (lane, epoch, plan_id) IN (SELECT lane, e, p FROM (`+doneEpochs+`)) GROUP BY lane, epoch, plan_id)`,
		&b.Consumed[0], &b.Consumed[1])
	if err != nil {
		return b, fmt.Errorf("add up the ledger's ranges: %w", err)
	}
	for _, t := range []struct {
		query string
		into  *int64
	}{
		{`SELECT toInt64(count()) FROM fact_events WHERE (lane, epoch, plan_id) IN (SELECT lane, e, p FROM (` + doneEpochs + `))`, &b.Facts[schemas.Clickstream]},
		{`SELECT toInt64(count()) FROM fact_order_events WHERE (lane, epoch, plan_id) IN (SELECT lane, e, p FROM (` + doneEpochs + `))`, &b.Facts[schemas.OrdersTopic]},
		{`SELECT toInt64(count()) FROM dead_letters WHERE reason != 'refused_by_store' AND (lane, epoch, plan_id) IN (SELECT lane, e, p FROM (` + doneEpochs + `))`, &b.Letters},
	} {
		if err := s.scanRow(ctx, t.query, t.into); err != nil {
			return b, fmt.Errorf("count the rows of done epochs: %w", err)
		}
	}
	return b, nil
}

// scanRow reads the one row of a query.
func (s *Store) scanRow(ctx context.Context, query string, into ...any) error {
	rows, err := s.c.Query(ctx, query, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return fmt.Errorf("no row")
	}
	return rows.Scan(into...)
}

// LaneStatus is where a lane stands, as the ledger knows it.
type LaneStatus struct {
	Head   Plan
	Worker string // that claimed it last
}

// Lanes lists every lane the ledger knows, by number.
func (s *Store) Lanes(ctx context.Context) ([]LaneStatus, error) {
	rows, err := s.c.Query(ctx, `SELECT lane, argMax(worker, term) FROM lanes GROUP BY lane ORDER BY lane`, nil)
	if err != nil {
		return nil, fmt.Errorf("list the lanes: %w", err)
	}
	defer rows.Close()
	var list []LaneStatus
	for rows.Next() {
		var l LaneStatus
		if err := rows.Scan(&l.Head.Lane, &l.Worker); err != nil {
			return nil, fmt.Errorf("list the lanes: %w", err)
		}
		list = append(list, l)
	}
	if err := rows.Err(); err != nil {
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
