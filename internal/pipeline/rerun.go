package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/schemas"
)

// rerun applies a recorded plan again. A done epoch is compared with the
// ledger; the one in doubt gets exactly its missing rows.
func (l *Lane) rerun(ctx context.Context, p *checkpoint.Plan, want []checkpoint.TableCount, done bool, start schemas.Positions) error {
	if !l.deps.Rules.Runs(int(p.Transform)) {
		return stopf("epoch %d was made with transform version %d, this program runs version %d: start a release that runs both", p.Epoch, p.Transform, l.deps.Rules.Current)
	}
	if p.Vocabulary != l.vocabulary {
		return stopf("epoch %d must be repeated and was planned under another configuration of tenants, events.extra_types, events.categories or topics: put the former one back, let `storepulse run --drain` finish, then change it", p.Epoch)
	}
	in, err := l.reread(ctx, p, start)
	if err != nil {
		return err
	}
	defer in.Release()
	l.decode(in)
	if p.Kind.Rebuild() {
		if err := l.surveyAgain(ctx, p); err != nil {
			return err
		}
		want = nil // sessions that later epochs wrote have come to those it asks for
	}
	got, err := l.transform(p, in)
	if err != nil {
		return err
	}
	if done {
		if want != nil && !l.partial && !slices.Equal(got.rows, want) {
			return stopf("not deterministic: the re-run of epoch %d gives rows %v, the ledger says %v; keep the ledger and report this as a bug", p.Epoch, got.rows, want)
		}
		return nil
	}
	if l.partial {
		err = l.finishPart(ctx, p, in, &got)
	} else {
		err = l.finish(ctx, p, in)
	}
	if err != nil {
		return err
	}
	l.counted = got
	return nil
}

// reread gets the input of a plan again and makes sure that it is the same.
func (l *Lane) reread(ctx context.Context, p *checkpoint.Plan, start schemas.Positions) (*ingest.Input, error) {
	if p.Kind.Gap() || p.Ranges.Empty() {
		return &ingest.Input{Ranges: p.Ranges}, nil
	}
	if below(*p, start) {
		return l.rereadPart(ctx, p, start)
	}
	in, err := l.src.Read(ctx, p.Ranges)
	if err != nil {
		return nil, fmt.Errorf("read epoch %d again: %w", p.Epoch, err)
	}
	if in.CRC != p.CRC {
		in.Release()
		return nil, stopf("input changed: the records of epoch %d at %v are not the ones that were planned (checksum %08x, planned %08x): the topic was created again or rewritten; an operator must decide", p.Epoch, p.Ranges, in.CRC, p.CRC)
	}
	return in, nil
}

// finish inserts the rows that the epoch in doubt lacks.
func (l *Lane) finish(ctx context.Context, p *checkpoint.Plan, in *ingest.Input) error {
	have := &standing{}
	stamp := l.stamp(p)
	var err error
	if have.refused, err = l.deps.Facts.Refused(ctx, stamp); err != nil {
		return fmt.Errorf("read the refused rows of epoch %d: %w", p.Epoch, err)
	}
	for table := range schemas.NumTables {
		if have.rows[table], err = l.deps.Facts.Standing(ctx, table, stamp); err != nil {
			return fmt.Errorf("read the rows of epoch %d in %s: %w", p.Epoch, schemas.TableName(table), err)
		}
	}
	if err := l.write(ctx, p, in, have); err != nil {
		return err
	}
	return l.refeed(ctx, stamp)
}

// refeed brings the current state of orders up to the rows of the epoch: a
// crash may have come between the rows and the view behind them.
func (l *Lane) refeed(ctx context.Context, stamp schemas.Stamp) error {
	if l.facts(schemas.FactOrderEvents).Rows() == 0 {
		return nil
	}
	return l.deps.Facts.Refeed(ctx, l.queryID(), stamp)
}
