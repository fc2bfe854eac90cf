package checkpoint

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// WritePlan inserts the plan's row. The fence refuses a former owner; the
// classes of error are those of clickhouse.Client.Insert. The token makes a
// repeat after a definite refusal harmless.
func (s *Store) WritePlan(ctx context.Context, p *Plan) error {
	cols := []clickhouse.Column{
		u32("lane", p.Lane), u64("term", p.Term), u64("seq", p.Seq), u64("epoch", p.Epoch), id("plan_id", p.ID), id("prev_plan_id", p.Prev),
		str("kind", KindNames[p.Kind]), str("identity", p.Identity),
		i64("clickstream_start", p.Ranges[schemas.Clickstream].Start), i64("clickstream_end", p.Ranges[schemas.Clickstream].End),
		i64("orders_start", p.Ranges[schemas.OrdersTopic].Start), i64("orders_end", p.Ranges[schemas.OrdersTopic].End),
		u32("input_crc", p.CRC), i64("watermark", p.Watermark),
		i64s("clickstream_copies", p.Copies[schemas.Clickstream]), i64s("orders_copies", p.Copies[schemas.OrdersTopic]), u32("transform", p.Transform), u64("vocabulary", p.Vocabulary),
		u64("snapshot_epoch", p.Snapshot.Epoch), id("snapshot_plan_id", p.Snapshot.Plan),
		{Name: "has_done", Type: "Bool", Data: []byte{flag(p.Done != nil)}},
		doneColumn(p.Done),
	}
	counts := p.Ledger
	for t := range schemas.NumTopics {
		for _, c := range counts.fields() {
			cols = append(cols, i64(t.String()+"_"+c.name, c.of[t]))
		}
	}
	token := fmt.Sprintf("%s/%d/%d/%d/epochs", s.pipeline, p.Lane, p.Term, p.Seq)
	return s.c.InsertColumns(ctx, s.queryID(p.Lane, p.Term), token, "epochs", 1, cols)
}

type countField struct {
	name string
	of   *[schemas.NumTopics]int64
}

// fields are the counts in the order of their columns.
func (c *Counts) fields() []countField {
	return []countField{
		{"facts", &c.Facts},
		{"duplicates", &c.Duplicates},
		{"letters", &c.Letters},
		{"tombstones", &c.Tombstones},
		{"late", &c.Late},
		{"lost", &c.Lost},
		{"absent", &c.Absent},
	}
}

func flag(v bool) byte {
	if v {
		return 1
	}
	return 0
}

// doneColumn is one row of Map(String, UInt32): the end of the row, keys, values.
func doneColumn(done []TableCount) clickhouse.Column {
	data := binary.LittleEndian.AppendUint64(nil, uint64(len(done)))
	for _, d := range done {
		data = clickhouse.AppendString(data, schemas.TableName(d.Table))
	}
	for _, d := range done {
		data = binary.LittleEndian.AppendUint32(data, d.Rows)
	}
	return clickhouse.Column{Name: "done", Type: "Map(String, UInt32)", Data: data}
}

const planColumns = `lane, term, seq, epoch, plan_id, prev_plan_id, kind, identity,
	clickstream_start, clickstream_end, orders_start, orders_end, input_crc, watermark, clickstream_copies, orders_copies, transform, vocabulary,
	snapshot_epoch, snapshot_plan_id, has_done, done,
	clickstream_facts, clickstream_duplicates, clickstream_letters, clickstream_tombstones, clickstream_late, clickstream_lost, clickstream_absent,
	orders_facts, orders_duplicates, orders_letters, orders_tombstones, orders_late, orders_lost, orders_absent`

func scanPlan(rows driver.Rows) (Plan, error) {
	var (
		p                Plan
		plan, prev, snap uuid.UUID
		kind             string
		hasDone          bool
		done             map[string]uint32
		copies           [schemas.NumTopics][]int64
		click, order     = &p.Ranges[schemas.Clickstream], &p.Ranges[schemas.OrdersTopic]
		dest             = []any{
			&p.Lane, &p.Term, &p.Seq, &p.Epoch, &plan, &prev, &kind, &p.Identity, &click.Start, &click.End, &order.Start, &order.End,
			&p.CRC, &p.Watermark, &copies[schemas.Clickstream], &copies[schemas.OrdersTopic], &p.Transform, &p.Vocabulary, &p.Snapshot.Epoch, &snap, &hasDone, &done,
		}
	)
	for t := range schemas.NumTopics {
		for _, c := range p.Ledger.fields() {
			dest = append(dest, &c.of[t])
		}
	}
	if err := rows.Scan(dest...); err != nil {
		return p, err
	}
	for t, list := range copies {
		if len(list) > 0 { // no copies are nil, as the planner has it
			p.Copies[t] = list
		}
	}
	p.ID, p.Prev, p.Snapshot.Plan = schemas.ID(plan), schemas.ID(prev), schemas.ID(snap)
	k := slices.Index(KindNames, kind)
	if k < 0 {
		return p, fmt.Errorf("epoch %d of lane %d is of kind %q, which this release does not know: run the release that wrote it", p.Epoch, p.Lane, kind)
	}
	p.Kind = Kind(k)
	if hasDone {
		p.Done = []TableCount{}
		for t := range schemas.NumTables {
			if n, ok := done[schemas.TableName(t)]; ok {
				p.Done = append(p.Done, TableCount{Table: t, Rows: n})
			}
		}
		if len(p.Done) != len(done) {
			return p, fmt.Errorf("epoch %d of lane %d counts a table that this release does not know: run the release that wrote it", p.Epoch, p.Lane)
		}
	}
	return p, nil
}

// Head is the plan in force: the row with the greatest (term, seq). nil, nil if
// the lane has none.
func (s *Store) Head(ctx context.Context, lane uint32) (*Plan, error) {
	plans, err := s.plans(ctx, "SELECT "+planColumns+" FROM epochs WHERE lane = {lane:UInt32} ORDER BY term DESC, seq DESC LIMIT 1", laneArg(lane))
	if err != nil {
		return nil, fmt.Errorf("read the head of lane %d: %w", lane, err)
	}
	if len(plans) == 0 {
		return nil, nil
	}
	return &plans[0], nil
}

// Chain gives the plans of the epochs from … head.Epoch in ascending order,
// following Prev from the head; rows off the chain are void. The head itself is
// the last one, as it was given.
func (s *Store) Chain(ctx context.Context, lane uint32, head *Plan, from uint64) ([]Plan, error) {
	if from > head.Epoch {
		return nil, nil
	}
	args := laneArg(lane)
	args["from"], args["to"] = fmt.Sprint(from), fmt.Sprint(head.Epoch)
	rows, err := s.plans(ctx, "SELECT "+planColumns+` FROM epochs
		WHERE lane = {lane:UInt32} AND epoch >= {from:UInt64} AND epoch < {to:UInt64} ORDER BY term, seq`, args)
	if err != nil {
		return nil, fmt.Errorf("read the chain of lane %d from epoch %d: %w", lane, from, err)
	}
	type key struct {
		epoch uint64
		id    schemas.ID
	}
	byID := make(map[key]*Plan, len(rows))
	for i := range rows {
		p := &rows[i]
		k := key{p.Epoch, p.ID}
		// A done row repeats its plan; the plan itself is what the chain wants.
		if old := byID[k]; old == nil || old.Kind.Done() || !p.Kind.Done() {
			byID[k] = p
		}
	}
	chain := make([]Plan, head.Epoch-from+1)
	at := head
	for i := len(chain) - 1; ; i-- {
		chain[i] = *at
		if i == 0 {
			return chain, nil
		}
		next := byID[key{at.Epoch - 1, at.Prev}]
		if next == nil {
			return nil, fmt.Errorf("%w: %v names epoch %d under plan %s, which is not in epochs", ErrBrokenChain, at, at.Epoch-1, uuid.UUID(at.Prev))
		}
		at = next
	}
}

func (s *Store) plans(ctx context.Context, query string, args ch.Parameters) ([]Plan, error) {
	var out []Plan
	err := s.c.Each(ctx, query, args, func(rows driver.Rows) error {
		p, err := scanPlan(rows)
		out = append(out, p)
		return err
	})
	return out, err
}
