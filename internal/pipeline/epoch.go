package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform"
)

// step decides what the input asks for and runs it as one epoch.
func (l *Lane) step(ctx context.Context, in *ingest.Input, kind checkpoint.Kind) error {
	l.decode(in)
	switch {
	case kind == checkpoint.KindGap:
		l.log.Error("records lost to retention before they were read", "ranges", in.Ranges)
		return l.epoch(ctx, in, kind, l.state.Watermark())
	case !in.Ranges.Empty():
		return l.epoch(ctx, in, kind, l.state.NextWatermark(l.batch))
	}
	// Idle: time goes on from the last watermark, never to the wall clock, so
	// that imported history behaves as live. Without sessions nothing waits for it.
	if _, retained := l.state.Sessions(); retained > 0 || l.state.Waiting() > 0 {
		return l.epoch(ctx, in, kind, l.state.Watermark()+in.Idle.Milliseconds())
	}
	// The watermark stands then, so that history which is imported in parts does
	// not become late in between; the facts are complete all the same, the day
	// ends and orders age.
	if l.state.Watermark() > 0 {
		l.quiet += in.Idle
		l.showGauges()
	}
	if l.last == nil {
		return nil
	}
	if err := l.sayDone(ctx); err != nil {
		return err
	}
	l.commitOffsets(ctx, l.pos, false)
	return nil
}

// epoch runs the numbered steps of one epoch: docs/design.md, section 3. The
// batch holds the decoded input.
func (l *Lane) epoch(ctx context.Context, in *ingest.Input, kind checkpoint.Kind, watermark int64) error {
	began := l.deps.Now()
	l.quiet = 0

	// 1. Plan: write down what is about to be done. A crash before it costs
	// nothing, the ranges are cut anew; after it the epoch is in doubt, and the
	// next owner finishes exactly this plan.
	copies, err := l.findCopies(ctx)
	if err != nil {
		return err
	}
	plan := l.plan(in, kind, watermark, copies)
	if err := l.writePlan(ctx, plan); err != nil {
		return err
	}
	before := l.last
	l.last, l.doneSaid = plan, false
	l.seq++

	// 2. Transform: pure. A crash costs the CPU time; the re-run gives the same bytes.
	got, err := l.transform(plan, in)
	if err != nil {
		return err
	}

	// 3. Write: one insert per table. A crash leaves some tables written: the
	// next owner inserts exactly the rows that are missing.
	if err := l.write(ctx, plan, in, nil); err != nil {
		return err
	}
	l.pos, l.counted = in.Ranges.End(), got
	l.snap.records += len(in.Records[schemas.Clickstream]) + len(in.Records[schemas.OrdersTopic])

	// 4. Publish. A crash before it loses at most this epoch's deltas in
	// Prometheus; ClickHouse is exact.
	l.deps.Publisher.Publish(l.id, l.out.Deltas) // write has added the rows that the store refuses
	l.deps.Metrics.epoch(l, plan, got, in, l.deps.Now().Sub(began))
	l.duelWait.reset()

	// 5. Done is said by the next plan; this plan said it of the one before,
	// whose offsets follow now. A crash before the commit only makes lag tools
	// show an older position.
	if before != nil {
		l.commitOffsets(ctx, before.Ranges.End(), false)
	}

	// 6. Snapshot, now and then, beside the lane. A crash or a failure makes
	// the next recovery longer and loses nothing.
	if l.snap.due(l.deps.Now(), l.cfg.SnapshotEvery, plan.Epoch) {
		l.startSnapshot(ctx)
	}
	return nil
}

// plan fills the next ledger row: it follows last and says that last is done.
func (l *Lane) plan(in *ingest.Input, kind checkpoint.Kind, watermark int64, copies [schemas.NumTopics][]int64) *checkpoint.Plan {
	p := &checkpoint.Plan{
		Lane: l.id, Term: l.term, Seq: l.seq, Epoch: 1, Kind: kind, Identity: l.cfg.Identity, Ranges: in.Ranges, CRC: in.CRC,
		Watermark: watermark, Copies: copies, Transform: uint32(l.deps.Rules.Current), Vocabulary: l.vocabulary, Snapshot: l.snap.acknowledged(),
	}
	if l.last != nil {
		p.Epoch, p.Prev = l.last.Epoch+1, l.last.ID
		p.Done, p.Ledger = l.counted.rows, l.counted.counts
	}
	p.ID = p.Hash()
	return p
}

func (l *Lane) writePlan(ctx context.Context, p *checkpoint.Plan) error {
	err := l.retry(ctx, "plan", func() error { return l.deps.Ledger.WritePlan(ctx, p) })
	if err != nil {
		return fmt.Errorf("write plan of epoch %d: %w", p.Epoch, err)
	}
	return nil
}

// sayDone writes a row of its own that says the last epoch is done, for a lane
// that goes idle, drains or stops: nobody has to wait for it or repeat it.
func (l *Lane) sayDone(ctx context.Context) error {
	if l.doneSaid || l.last == nil {
		return nil
	}
	p := *l.last
	p.Term, p.Seq, p.Kind, p.Snapshot = l.term, l.seq, p.Kind.WithDone(), l.snap.acknowledged()
	p.Done, p.Ledger = l.counted.rows, l.counted.counts
	if err := l.writePlan(ctx, &p); err != nil {
		return err
	}
	l.doneSaid = true
	l.seq++
	return nil
}

// decode turns the input's records into the batch.
func (l *Lane) decode(in *ingest.Input) {
	l.batch.Reset()
	l.batch.Reserve(len(in.Records[schemas.Clickstream]), len(in.Records[schemas.OrdersTopic]))
	for t := range in.Records {
		for i := range in.Records[t] {
			l.dec.Decode(schemas.Topic(t), &in.Records[t][i], l.batch)
		}
	}
}

// transform applies the decoded batch under the plan and balances it: what was
// consumed must be found again as fact, duplicate, letter, tombstone or loss.
func (l *Lane) transform(p *checkpoint.Plan, in *ingest.Input) (outcome, error) {
	if p.Kind.Rebuild() {
		if err := l.writeAnew(p); err != nil {
			return outcome{}, stopf("rebuild in epoch %d: %v", p.Epoch, err)
		}
	} else {
		input := transform.Input{Epoch: p.Epoch, Batch: l.batch, Watermark: p.Watermark, LastClick: p.Ranges[schemas.Clickstream].End - 1, Copies: p.Copies}
		if err := l.state.Apply(int(p.Transform), input, l.out); err != nil {
			return outcome{}, stopf("apply epoch %d: %v", p.Epoch, err)
		}
	}
	got := outcome{rows: []checkpoint.TableCount{}} // not nil: an epoch without rows is done as well
	for table := range schemas.NumTables {
		n := l.facts(table).Rows()
		if n > maxRows(table) {
			return outcome{}, stopf("BUG: epoch %d gives %d rows of %s, at most %d can be numbered; nothing of it was written: keep Kafka's records and report this", p.Epoch, n, schemas.TableName(table), maxRows(table))
		}
		if n > 0 {
			got.rows = append(got.rows, checkpoint.TableCount{Table: table, Rows: uint32(n)})
		}
	}
	c := &got.counts
	c.Facts, c.Duplicates, c.Late, c.Tombstones = l.out.Counts.Facts, l.out.Counts.Duplicates, l.out.Counts.Late, l.batch.Tombstones
	for _, t := range l.batch.Letters.Topic.Index {
		c.Letters[t]++
	}
	for t := range p.Ranges {
		if p.Kind.Gap() {
			c.Lost[t] = p.Ranges[t].Len()
			continue
		}
		c.Lost[t] = in.Ranges[t].Start - p.Ranges[t].Start // only in the re-run of an epoch that retention has reached
		c.Absent[t] = in.Ranges[t].Len() - int64(len(in.Records[t]))
		if n := c.Facts[t] + c.Duplicates[t] + c.Letters[t] + c.Tombstones[t]; n != int64(len(in.Records[t])) {
			return outcome{}, stopf("BUG: epoch %d topic %d: %d records came in, %d are accounted for", p.Epoch, t, len(in.Records[t]), n)
		}
	}
	return got, nil
}

// maxRows is how many rows of a table one epoch can have.
func maxRows(t schemas.TableID) int {
	if t == schemas.FactSessions {
		return transform.MaxSessionRows
	}
	return schemas.MaxRows
}

// facts gives the rows of a table after transform.
func (l *Lane) facts(t schemas.TableID) schemas.Facts {
	return [schemas.NumTables]schemas.Facts{
		schemas.FactEvents: l.batch.Events, schemas.FactSessions: l.out.Sessions, schemas.FactOrderEvents: l.batch.Orders,
		schemas.FactOrderItems: l.batch.Items, schemas.FactRefunds: l.out.Refunds, schemas.LateEvents: l.out.Late, schemas.DeadLetters: l.batch.Letters,
	}[t]
}

// commitEvery bounds offset commits: they serve lag tools only.
const commitEvery = 5 * time.Second

// commitOffsets tells Kafka how far the lane is. A failure costs nothing: the
// next commit says more.
func (l *Lane) commitOffsets(ctx context.Context, pos schemas.Positions, always bool) {
	if l.commit == nil || !l.snap.commitDue(l.deps.Now(), always) {
		return
	}
	if err := l.commit(ctx, l.id, pos); err != nil {
		l.log.Debug("offset commit failed", "offsets", pos, "cause", err)
	}
}
