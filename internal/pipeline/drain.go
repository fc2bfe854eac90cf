package pipeline

import (
	"context"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/checkpoint"
)

// Drain asks the lane to stop by itself once it has taken all that is in the
// log, closing every session.
func (l *Lane) Drain() { l.draining.Store(true) }

// drained says whether the lane has taken all that a drain asks for: producers
// may go on meanwhile.
func (l *Lane) drained(ctx context.Context) bool {
	if l.drainTo == nil {
		_, end, err := l.src.Bounds(ctx)
		if err != nil {
			return false // it is asked again
		}
		l.drainTo = &end
	}
	for t, end := range l.drainTo {
		if l.pos[t] < end {
			return false
		}
	}
	return true
}

// close ends a drained lane: a recorded epoch whose watermark closes every
// session, more of them as long as one has not had room for all, then the done row.
func (l *Lane) close(ctx context.Context) error {
	open, retained := l.state.Sessions()
	for more := retained > 0 && l.last != nil; more; {
		in := &ingest.Input{Ranges: emptyAt(l.pos)}
		l.decode(in)
		if err := l.epoch(ctx, in, checkpoint.KindPlan, max(l.state.Watermark(), l.state.CloseAllWatermark())); err != nil {
			return err
		}
		before := open
		open, _ = l.state.Sessions()
		more = open > 0 && open < before
	}
	if err := l.rebuildAll(ctx); err != nil {
		return err
	}
	return l.stop(ctx)
}

// stopSnapshotRecords is how much a new owner may have to repeat after a
// rebalance: reading and folding so many records again takes a fraction of a
// second, while a snapshot of every lane of the worker, at the same moment,
// would make those wait that only change their generation.
const stopSnapshotRecords = 100_000

// stop says that the last epoch is done, commits its offsets and saves the
// state: always when the process stops, because another release or
// configuration may come next, else if much would have to be repeated.
func (l *Lane) stop(ctx context.Context) error {
	if l.last == nil {
		return nil
	}
	if l.snap.ref.Epoch < l.last.Epoch && (l.leaving() || l.snap.records > stopSnapshotRecords) {
		l.snap.wait()
		_ = l.saveSnapshot(ctx) // said and counted there; the next recovery is longer
	}
	if err := l.sayDone(ctx); err != nil {
		return err
	}
	l.commitOffsets(ctx, l.pos, true)
	return nil
}
