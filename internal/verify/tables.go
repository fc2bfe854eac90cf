package verify

import (
	"context"
	"fmt"
	"iter"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/storepulse/storepulse/schemas"
)

// parts cuts a chunk so that one query sees a bounded number of rows.
func parts(chunk []epoch) iter.Seq[[]epoch] {
	return func(yield func([]epoch) bool) {
		rows, from := int64(0), 0
		for i := range chunk {
			n := int64(0)
			for _, r := range chunk[i].rows {
				n += int64(r.Rows)
			}
			if rows > 0 && rows+n > rowsAtOnce {
				if !yield(chunk[from:i]) {
					return
				}
				rows, from = 0, i
			}
			rows += n
		}
		if from < len(chunk) {
			yield(chunk[from:])
		}
	}
}

// stat is what stands in a table under one plan. Rows of dead letters that
// stand for refused rows are apart.
type stat struct {
	rows, numbers, positions uint64
	greatest                 uint32
	count                    [schemas.NumTopics]uint64
	low, high                [schemas.NumTopics]int64
}

// partNumbers begin here: rows of an epoch that was finished after its input,
// or its state, had lost a part. Their numbers are not their places.
const partNumbers = 1 << 30

func (l *laneCheck) args(from, to uint64) ch.Parameters {
	return ch.Parameters{
		"lane": fmt.Sprint(l.Lane.Lane), "from": fmt.Sprint(from), "to": fmt.Sprint(to),
		"clicks": l.opt.Topics[schemas.Clickstream], "orders": l.opt.Topics[schemas.OrdersTopic],
	}
}

// stand reads what stands in a table under the plans of some epochs.
func (l *laneCheck) stand(ctx context.Context, table schemas.TableID, from, to uint64) (map[link]stat, error) {
	out := map[link]stat{}
	name := schemas.TableName(table)
	err := l.client.Each(ctx, `SELECT epoch, plan_id, count(), uniqExact(epoch_row), uniqExact(kafka_topic, kafka_offset), max(epoch_row),
			countIf(kafka_topic = {clicks:String}), minIf(kafka_offset, kafka_topic = {clicks:String}), maxIf(kafka_offset, kafka_topic = {clicks:String}),
			countIf(kafka_topic = {orders:String}), minIf(kafka_offset, kafka_topic = {orders:String}), maxIf(kafka_offset, kafka_topic = {orders:String})
		FROM `+name+` WHERE lane = {lane:UInt32} AND epoch >= {from:UInt64} AND epoch <= {to:UInt64} AND epoch_row < 2147483648
		GROUP BY epoch, plan_id`, l.args(from, to), func(rows driver.Rows) error {
		var at link
		var plan uuid.UUID
		var s stat
		err := rows.Scan(&at.epoch, &plan, &s.rows, &s.numbers, &s.positions, &s.greatest,
			&s.count[0], &s.low[0], &s.high[0], &s.count[1], &s.low[1], &s.high[1])
		at.id = schemas.ID(plan)
		out[at] = s
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count the rows of %s: %w", name, err)
	}
	return out, nil
}

// refusals counts the dead letters that stand for refused rows.
type refusals map[link]*[schemas.NumTables]struct{ rows, distinct uint64 }

func (l *laneCheck) refused(ctx context.Context, from, to uint64) (refusals, error) {
	out := refusals{}
	err := l.client.Each(ctx, `SELECT epoch, plan_id, bitAnd(bitShiftRight(epoch_row, 24), 127) AS t, count(), uniqExact(epoch_row)
		FROM dead_letters WHERE lane = {lane:UInt32} AND epoch >= {from:UInt64} AND epoch <= {to:UInt64} AND epoch_row >= 2147483648
		GROUP BY epoch, plan_id, t`, l.args(from, to), func(rows driver.Rows) error {
		var at link
		var plan uuid.UUID
		var table uint32
		var n, distinct uint64
		if err := rows.Scan(&at.epoch, &plan, &table, &n, &distinct); err != nil {
			return err
		}
		at.id = schemas.ID(plan)
		if table >= uint32(schemas.NumTables) {
			return fmt.Errorf("a dead letter of epoch %d stands for a row of table %d, which this release does not know", at.epoch, table)
		}
		if out[at] == nil {
			out[at] = new([schemas.NumTables]struct{ rows, distinct uint64 })
		}
		out[at][table] = struct{ rows, distinct uint64 }{n, distinct}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count the refused rows: %w", err)
	}
	return out, nil
}

// tables compares some epochs with every table.
func (l *laneCheck) tables(ctx context.Context, part []epoch) error {
	from, to := part[0].number(), part[len(part)-1].number()
	refused, err := l.refused(ctx, from, to)
	if err != nil {
		return err
	}
	for table := range schemas.NumTables {
		if to <= l.expired[table] {
			continue
		}
		stands, err := l.stand(ctx, table, max(from, l.expired[table]+1), to)
		if err != nil {
			return err
		}
		unnamed := map[uint64]bool{} // missing from the ledger, plan id and all
		for i := range part {
			e := &part[i]
			at := link{e.number(), e.plan.ID}
			s := stands[at]
			delete(stands, at)
			if !e.known {
				unnamed[e.number()] = true
			}
			if !e.done || e.number() <= l.expired[table] {
				continue
			}
			if err := l.judge(ctx, e, table, s, refused[at]); err != nil {
				return err
			}
		}
		for at, s := range stands {
			if !unnamed[at.epoch] {
				l.stray(table, at, s.rows)
			}
		}
	}
	return nil
}

// judge compares one epoch with one table.
func (l *laneCheck) judge(ctx context.Context, e *epoch, table schemas.TableID, s stat, refused *[schemas.NumTables]struct{ rows, distinct uint64 }) error {
	want, no := e.expected(table), int64(0)
	distinct := s.numbers == s.rows
	if refused != nil {
		no = int64(refused[table].rows)
		distinct = distinct && refused[table].rows == refused[table].distinct
	}
	have := int64(s.rows) + no
	topic, facts := topicOf(table)
	if facts {
		l.Balance.Facts[topic] += have
		l.Balance.Compared[topic] += e.counts.Facts[topic]
	}
	ok := distinct && have == want
	if table == schemas.FactSessions {
		ok = distinct && have <= want // a merge keeps the newest version of a session only
	}
	if part := e.partial() || s.greatest >= partNumbers; !part {
		ok = ok && (s.rows == 0 || int64(s.greatest) < want)
	}
	if table == schemas.DeadLetters {
		for t := range schemas.NumTopics {
			l.Balance.Letters[t] += int64(s.count[t])
			ok = ok && int64(s.count[t]) == e.counts.Letters[t]
		}
	}
	if facts || table == schemas.DeadLetters {
		ok = ok && s.positions == s.rows && s.count[0]+s.count[1] == s.rows
		for t, r := range e.plan.Ranges {
			ok = ok && (e.missing || s.count[t] == 0 || s.low[t] >= r.Start && s.high[t] < r.End)
		}
	}
	if ok && no == 0 {
		return nil
	}
	return l.detail(ctx, e, table, want, have)
}

// topicOf says whose facts a table holds.
func topicOf(t schemas.TableID) (schemas.Topic, bool) {
	switch t {
	case schemas.FactEvents:
		return schemas.Clickstream, true
	case schemas.FactOrderEvents:
		return schemas.OrdersTopic, true
	case schemas.FactOrderItems, schemas.FactRefunds:
		return schemas.OrdersTopic, false
	}
	return schemas.Clickstream, false
}

// stray reports rows under a plan that is not on the chain.
func (l *laneCheck) stray(table schemas.TableID, at link, rows uint64) {
	what := fmt.Sprintf("%d rows under plan %s, which the ledger does not know", rows, planID(at.id))
	if l.links != nil && l.links.plans[at] != nil {
		what = fmt.Sprintf("%d rows under plan %s, which is void", rows, planID(at.id))
	}
	f := Finding{
		Lane: l.Lane.Lane, Epoch: at.epoch, Plan: planID(at.id), Check: "tables", Table: schemas.TableName(table), What: what,
		Remedy: "no lane writes such rows: they were inserted by hand, or `epochs` was restored from an older backup than the tables; delete them if the chain's plan of that epoch has rows of its own",
	}
	topic, _ := topicOf(table)
	f.events[topic] = int64(rows)
	if table == schemas.FactEvents {
		l.surplus = true
		l.differs = append(l.differs, at.epoch)
	}
	l.report.add(f)
}

// strays looks for rows of epochs that nobody has planned yet. Those planned
// since the comparison began are nobody's fault.
func (l *laneCheck) strays(ctx context.Context) error {
	if !l.opt.Tables || l.to+1 < l.head.Epoch {
		return nil
	}
	found := map[schemas.TableID]map[link]uint64{}
	for table := range schemas.NumTables {
		err := l.client.Each(ctx, `SELECT epoch, plan_id, count() FROM `+schemas.TableName(table)+`
			WHERE lane = {lane:UInt32} AND epoch > {from:UInt64} GROUP BY epoch, plan_id ORDER BY epoch LIMIT 1000`, l.args(l.head.Epoch, 0), func(rows driver.Rows) error {
			var at link
			var plan uuid.UUID
			var n uint64
			err := rows.Scan(&at.epoch, &plan, &n)
			at.id = schemas.ID(plan)
			if found[table] == nil {
				found[table] = map[link]uint64{}
			}
			found[table][at] = n
			return err
		})
		if err != nil {
			return fmt.Errorf("look for rows of later epochs in %s: %w", schemas.TableName(table), err)
		}
	}
	if len(found) == 0 {
		return nil
	}
	head, err := l.store.Head(ctx, l.Lane.Lane)
	if err != nil {
		return err
	}
	l.links = nil
	for table, links := range found {
		for at, n := range links {
			if head == nil || at.epoch > head.Epoch {
				l.stray(table, at, n)
			}
		}
	}
	return nil
}
