package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink"
)

// refusal is a row that the store will never take; it becomes a dead letter.
type refusal struct {
	table schemas.TableID
	row   uint32
	text  string
}

// maxRefusals bounds what bisection looks for in one epoch: when more rows
// than this are refused it is the table that is wrong, not the data.
const maxRefusals = 1000

// standing says which rows of an epoch in doubt are in the store already.
type standing struct {
	rows    [schemas.NumTables][]uint32
	refused map[schemas.TableID][]uint32 // rows that stand as dead letters
}

// write inserts the epoch's facts, one insert a table, dead letters last: they
// also take the rows that another table refused. With have it inserts exactly
// the rows that are missing.
func (l *Lane) write(ctx context.Context, p *checkpoint.Plan, in *ingest.Input, have *standing) error {
	var refused []refusal
	for table := range schemas.NumTables {
		facts := l.facts(table)
		rows, missing := missingRows(table, facts.Rows(), have)
		if !missing {
			continue
		}
		token := l.token(p, facts.Table().Name)
		if have != nil {
			// An old token may have outlived the rows it stood for.
			token += fmt.Sprintf("/%d/%s", l.term, hashRows(rows))
		}
		rec := schemas.NewRecord(facts)
		no, err := l.insert(ctx, p, l.stamp(p), table, rec, rows, token)
		rec.Release()
		if err != nil {
			return err
		}
		refused = append(refused, no...)
	}
	return l.writeRefused(ctx, p, in, refused)
}

// missingRows lists the rows to insert; nil stands for all of them.
func missingRows(table schemas.TableID, n int, have *standing) (rows []uint32, missing bool) {
	if n == 0 {
		return nil, false
	}
	if have == nil || len(have.rows[table]) == 0 && len(have.refused[table]) == 0 {
		return nil, true
	}
	there := make([]bool, n)
	for _, list := range [][]uint32{have.rows[table], have.refused[table]} {
		for _, r := range list {
			if int(r) < n {
				there[r] = true
			}
		}
	}
	for r, ok := range there {
		if !ok {
			rows = append(rows, uint32(r))
		}
	}
	return rows, len(rows) > 0
}

// insert writes rows of one table and returns those that the store refuses for
// good. The plan id stays: the insert is repeated without them.
func (l *Lane) insert(ctx context.Context, p *checkpoint.Plan, stamp schemas.Stamp, table schemas.TableID, rec arrow.Record, rows []uint32, token string) ([]refusal, error) {
	name := schemas.TableName(table)
	send := func() error {
		return l.retry(ctx, name, func() error {
			return l.deps.Facts.Insert(ctx, l.queryID(), token, stamp, table, rec, rows)
		})
	}
	err := send()
	var refused *sink.RefusedError
	if !errors.As(err, &refused) {
		return nil, wrapInsert(err, p, name)
	}
	if rows == nil {
		rows = make([]uint32, rec.NumRows())
		for i := range rows {
			rows[i] = uint32(i)
		}
	}
	var no []refusal
	if err := l.bisect(ctx, table, rec, rows, &no); err != nil {
		return nil, err
	}
	if len(no) == 0 {
		return nil, fmt.Errorf("insert epoch %d into %s was refused, but every row passes alone: %w", p.Epoch, name, refused)
	}
	l.log.Warn("rows refused by the store become dead letters", "table", name, "rows", len(no), "cause", refused)
	l.deps.Metrics.refused(name, len(no))
	isRefused := make(map[uint32]bool, len(no))
	for _, r := range no {
		isRefused[r.row] = true
	}
	rows = slices.DeleteFunc(rows, func(r uint32) bool { return isRefused[r] })
	if len(rows) > 0 {
		token += "/" + hashRows(rows)
		if err := send(); err != nil {
			return nil, wrapInsert(err, p, name)
		}
	}
	return no, nil
}

func wrapInsert(err error, p *checkpoint.Plan, table string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("insert epoch %d into %s: %w", p.Epoch, table, err)
}

// bisect finds the refused rows with probes against the table's Null-engine
// twin: a probe must not write.
func (l *Lane) bisect(ctx context.Context, table schemas.TableID, rec arrow.Record, rows []uint32, no *[]refusal) error {
	err := l.retry(ctx, "probe", func() error { return l.deps.Facts.Probe(ctx, table, rec, rows) })
	var refused *sink.RefusedError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &refused):
		return fmt.Errorf("probe %d rows of %s: %w", len(rows), schemas.TableName(table), err)
	case table == schemas.DeadLetters:
		return stopf("the store refuses dead letters: %v; run `storepulse migrate`, then restart", refused)
	case len(rows) == 1:
		*no = append(*no, refusal{table, rows[0], refused.Text})
		if len(*no) > maxRefusals {
			return stopf("the store refuses more than %d rows of one epoch of %s: %v; the table does not fit this program: run `storepulse migrate`, then restart", maxRefusals, schemas.TableName(table), refused)
		}
		return nil
	}
	half := len(rows) / 2
	if err := l.bisect(ctx, table, rec, rows[:half], no); err != nil {
		return err
	}
	return l.bisect(ctx, table, rec, rows[half:], no)
}

// writeRefused writes the dead letters of refused rows, after all tables. Their
// numbers follow from table and row, so that a second try cannot double them.
func (l *Lane) writeRefused(ctx context.Context, p *checkpoint.Plan, in *ingest.Input, refused []refusal) error {
	if len(refused) == 0 {
		return nil
	}
	slices.SortFunc(refused, func(a, b refusal) int { return cmp.Or(cmp.Compare(a.table, b.table), cmp.Compare(a.row, b.row)) })
	letters := schemas.NewLetters(l.deps.Vocabulary)
	stamp := l.stamp(p)
	for _, r := range refused {
		topic, offset := schemas.Position(l.facts(r.table), int(r.row))
		l.out.Deltas.Add(0, l.deps.Register.EventsDeadLetter, 1, int(topic), int(schemas.ReasonRefused)-1)
		letters.AppendRefused(topic, offset, r.table, r.row, r.text, findRecord(in, topic, offset))
		stamp.Numbers = append(stamp.Numbers, schemas.RefusedNumber(r.table, r.row))
	}
	rec := schemas.NewRecord(letters)
	defer rec.Release()
	token := fmt.Sprintf("%s/refused/%d/%s", l.token(p, schemas.LettersTable.Name), l.term, hashRows(stamp.Numbers))
	err := l.retry(ctx, schemas.LettersTable.Name, func() error {
		return l.deps.Facts.Insert(ctx, l.queryID(), token, stamp, schemas.DeadLetters, rec, nil)
	})
	return wrapInsert(err, p, schemas.LettersTable.Name)
}

func findRecord(in *ingest.Input, topic schemas.Topic, offset int64) *schemas.Record {
	list := in.Records[topic]
	i, ok := slices.BinarySearchFunc(list, offset, func(r schemas.Record, o int64) int { return cmp.Compare(r.Offset, o) })
	if !ok {
		return nil
	}
	return &list[i]
}

func hashRows(rows []uint32) string {
	if rows == nil {
		return "all"
	}
	h := fnv.New64a()
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%d,", r)
	}
	h.Write([]byte(b.String()))
	return fmt.Sprintf("%x", h.Sum64())
}
