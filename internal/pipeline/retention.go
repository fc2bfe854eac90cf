package pipeline

import (
	"context"
	"fmt"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/schemas"
)

// rereadPart reads what Kafka still has of a plan's ranges.
func (l *Lane) rereadPart(ctx context.Context, p *checkpoint.Plan, start schemas.Positions) (*ingest.Input, error) {
	rest := p.Ranges
	for t := range rest {
		rest[t].Start = min(max(rest[t].Start, start[t]), rest[t].End)
	}
	l.log.Error("records of a planned epoch lost to retention", "epoch", p.Epoch, "planned", p.Ranges, "readable", rest)
	l.partial = true
	l.deps.Metrics.partial()
	if rest.Empty() {
		return &ingest.Input{Ranges: rest}, nil
	}
	in, err := l.src.Read(ctx, rest)
	if err != nil {
		return nil, fmt.Errorf("read the rest of epoch %d again: %w", p.Epoch, err)
	}
	return in, nil
}

// partNumber sets the rows of a partly readable epoch apart from those of a
// whole one: their places in the tables are not the planned ones.
const partNumber = 1 << 30

// finishPart finishes an epoch in doubt of which retention took the beginning,
// or the epochs that its state came from: the plan id stays, and what is
// readable and not in the store is inserted. A row is known by its Kafka
// position here, because its place in the table may have moved. Session rows
// are written only if none stands: they depend on what was lost. got is what
// the re-run gives, and becomes what stands.
func (l *Lane) finishPart(ctx context.Context, p *checkpoint.Plan, in *ingest.Input, got *outcome) error {
	stamp := l.stamp(p)
	refusedRows, err := l.deps.Facts.Refused(ctx, stamp)
	if err != nil {
		return fmt.Errorf("read the refused rows of epoch %d: %w", p.Epoch, err)
	}
	letters, err := l.positions(ctx, schemas.DeadLetters, stamp)
	if err != nil {
		return err
	}
	var refused []refusal
	for table := range schemas.NumTables {
		there, err := l.positions(ctx, table, stamp)
		if err != nil {
			return err
		}
		written(table, there, in.Ranges, &got.counts)
		facts := l.facts(table)
		if facts.Rows() == 0 || table == schemas.FactSessions && len(there) > 0 {
			continue
		}
		stamp.Numbers = stamp.Numbers[:0]
		var rows []uint32
		for r := range facts.Rows() {
			var pos schemas.RowPosition
			pos.Topic, pos.Offset = schemas.Position(facts, r)
			stamp.Numbers = append(stamp.Numbers, partNumber|uint32(r))
			if !there[pos] && !(len(refusedRows[table]) > 0 && letters[pos]) {
				rows = append(rows, uint32(r))
			}
		}
		if len(rows) == 0 {
			continue
		}
		rec := schemas.NewRecord(facts)
		token := fmt.Sprintf("%s/part/%d/%s", l.token(p, schemas.TableName(table)), l.term, hashRows(rows))
		no, err := l.insert(ctx, p, stamp, table, rec, rows, token)
		rec.Release()
		if err != nil {
			return err
		}
		refused = append(refused, no...)
	}
	if err := l.writeRefused(ctx, p, in, refused); err != nil {
		return err
	}
	l.deps.Metrics.lost(got.counts.Lost)
	if got.rows, err = l.count(ctx, p); err != nil {
		return err
	}
	return l.refeed(ctx, l.stamp(p))
}

// written takes what retention ate after it had been written off the losses.
func written(table schemas.TableID, there map[schemas.RowPosition]bool, readable schemas.Ranges, c *checkpoint.Counts) {
	of := &c.Facts
	switch table {
	case schemas.FactEvents, schemas.FactOrderEvents:
	case schemas.DeadLetters:
		of = &c.Letters
	default:
		return
	}
	for pos := range there {
		if pos.Offset < readable[pos.Topic].Start {
			of[pos.Topic]++
			c.Lost[pos.Topic]--
		}
	}
}

// count gives the rows that stand under a plan, those that became dead letters
// among them, as a whole epoch counts them.
func (l *Lane) count(ctx context.Context, p *checkpoint.Plan) ([]checkpoint.TableCount, error) {
	stamp, counts := l.stamp(p), []checkpoint.TableCount{}
	refused, err := l.deps.Facts.Refused(ctx, stamp)
	if err != nil {
		return nil, fmt.Errorf("read the refused rows of epoch %d: %w", p.Epoch, err)
	}
	for table := range schemas.NumTables {
		rows, err := l.deps.Facts.Standing(ctx, table, stamp)
		if err != nil {
			return nil, fmt.Errorf("count the rows of epoch %d in %s: %w", p.Epoch, schemas.TableName(table), err)
		}
		n := len(refused[table])
		for _, r := range rows {
			if r < schemas.RefusedNumber(0, 0) { // those above are letters of another table's rows
				n++
			}
		}
		if n > 0 {
			counts = append(counts, checkpoint.TableCount{Table: table, Rows: uint32(n)})
		}
	}
	return counts, nil
}

func (l *Lane) positions(ctx context.Context, table schemas.TableID, stamp schemas.Stamp) (map[schemas.RowPosition]bool, error) {
	list, err := l.deps.Facts.Positions(ctx, table, stamp)
	if err != nil {
		return nil, fmt.Errorf("read the positions of epoch %d in %s: %w", stamp.Epoch, schemas.TableName(table), err)
	}
	there := make(map[schemas.RowPosition]bool, len(list))
	for _, pos := range list {
		there[pos] = true
	}
	return there, nil
}

// gap is the input of an epoch of kind gap: ranges that the log no longer has.
func (l *Lane) gap(ctx context.Context) (*ingest.Input, error) {
	start, _, err := l.src.Bounds(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the log's bounds: %w", err)
	}
	in := &ingest.Input{}
	for t := range start {
		in.Ranges[t] = schemas.Range{Start: l.pos[t], End: max(l.pos[t], start[t])}
	}
	if in.Ranges.Empty() {
		return nil, fmt.Errorf("fetch below the log start, but the log starts at %v and the lane stands at %v", start, l.pos)
	}
	return in, nil
}
