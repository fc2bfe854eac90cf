package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform"
)

// recover brings the lane to the end of its ledger: one code path, always
// after a claim.
func (l *Lane) recover(ctx context.Context) error {
	began := l.deps.Now()
	head, err := l.deps.Ledger.Head(ctx, l.id)
	if err != nil {
		return fmt.Errorf("read the ledger's head: %w", err)
	}
	start, end, err := l.src.Bounds(ctx)
	if err != nil {
		return fmt.Errorf("read the log's bounds: %w", err)
	}
	l.snap = snapshotter{at: began.Add(-l.share(l.cfg.SnapshotEvery)), commit: began}
	l.rebuilds, l.quiet = rebuilder{at: began}, 0
	l.last, l.doneSaid, l.counted, l.partial = nil, true, outcome{}, false
	if head == nil {
		l.state, l.pos = l.deps.Rules.New(), start
		l.log.Info("lane starts", "from", start)
		// The session settings of the first epochs are found here again. It costs
		// nothing, so the lane keeps its own place in the interval.
		err := l.saveSnapshot(ctx)
		l.snap.at = began.Add(-l.share(l.cfg.SnapshotEvery))
		return err
	}
	if err := l.sameTopic(head, end); err != nil {
		return err
	}

	// 1. The snapshot named by the last plan, else an older one, else the
	// oldest epoch whose input Kafka still has.
	plans, err := l.restore(ctx, head, start)
	if err != nil {
		return err
	}
	// 2. and 3. Re-run what came after it; the last plan may be in doubt.
	for i := range plans {
		// Who says what an epoch gave: the plan after it, or its own done row.
		done := i+1 < len(plans) || head.Kind.Done()
		var want []checkpoint.TableCount
		if i+1 == len(plans) {
			want = head.Done
		} else if !plans[i+1].Kind.Done() {
			want = plans[i+1].Done
		}
		if err := l.rerun(ctx, &plans[i], want, done, start); err != nil {
			return err
		}
	}
	last := *head
	if last.Kind.Done() {
		last.Kind = last.Kind.WithoutDone()
		l.counted = outcome{rows: head.Done, counts: head.Ledger}
	} else {
		l.doneSaid = false
	}
	l.last, l.pos = &last, head.Ranges.End()
	if l.partial {
		l.state.MayLack()
	}
	l.log.Info("lane recovered", "epoch", head.Epoch, "rerun", len(plans), "in_doubt", !head.Kind.Done(), "took", l.deps.Now().Sub(began))
	l.deps.Metrics.recovered(l.deps.Now().Sub(began))
	if int(head.Transform) != l.deps.Rules.Current {
		// The next plan is made by another version: it starts from here.
		if err := l.saveSnapshot(ctx); err != nil {
			return err
		}
	}
	return l.adopt(ctx)
}

// share is the lane's part of an interval: lanes that were claimed together
// must not save their states at the same moment ever after.
func (l *Lane) share(every time.Duration) time.Duration {
	const golden = 0x9e3779b9 // spreads small numbers evenly over 32 bits
	return time.Duration(float64(every) * float64(l.id*golden) / (1 << 32))
}

// adopt puts changed session settings in force. Epochs can only be repeated
// from a snapshot that has their settings: an empty epoch ends the old ones,
// and nothing is planned before the snapshot after it is acknowledged.
func (l *Lane) adopt(ctx context.Context) error {
	if !l.deps.Rules.Differs(l.state) {
		return nil
	}
	in := &ingest.Input{Ranges: emptyAt(l.pos)}
	l.decode(in)
	l.snap.active = true // no snapshot of the old settings under this epoch
	if err := l.epoch(ctx, in, checkpoint.KindPlan, l.state.Watermark()); err != nil {
		return err
	}
	l.deps.Rules.Adopt(l.state)
	if err := l.saveSnapshot(ctx); err != nil {
		return err
	}
	l.log.Info("session settings changed", "from_epoch", l.last.Epoch+1)
	return nil
}

// sameTopic refuses a lane whose log is not the one the ledger speaks of.
func (l *Lane) sameTopic(head *checkpoint.Plan, end schemas.Positions) error {
	if head.Identity != l.cfg.Identity {
		return stopf("the ledger was written for topics %s, these are %s: a topic was deleted and created again, or kafka.topics was changed; an operator must decide: restore the topics, or start with an empty database", head.Identity, l.cfg.Identity)
	}
	for t, r := range head.Ranges {
		if end[t] < r.End {
			return stopf("topic %s: the ledger ends at offset %d, the log at %d: the topic was deleted and created again, or lost its tail; an operator must decide: restore the topic, or start with an empty database", schemas.Topic(t), r.End, end[t])
		}
	}
	return nil
}

// restore loads the newest usable snapshot into the state and returns the
// plans that follow it, oldest first.
func (l *Lane) restore(ctx context.Context, head *checkpoint.Plan, start schemas.Positions) ([]checkpoint.Plan, error) {
	refs, err := l.deps.Ledger.Snapshots(ctx, l.id)
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	for _, ref := range refs {
		if ref.Epoch > head.Snapshot.Epoch {
			continue
		}
		plans, err := l.deps.Ledger.Chain(ctx, l.id, head, max(ref.Epoch, 1))
		if err != nil {
			return nil, err
		}
		if ref.Epoch > 0 { // 0 is the empty state before the first epoch
			if plans[0].Epoch != ref.Epoch || plans[0].ID != ref.Plan {
				continue // of a plan that is off the chain
			}
			plans = plans[1:]
		}
		state, err := l.load(ctx, ref)
		var closed *transform.ClosedShopError
		if errors.As(err, &closed) { // the epochs after an older one are of the former configuration
			return nil, stopf("%v", closed)
		}
		if err != nil {
			l.log.Error("snapshot unusable, falling back to an older one", "epoch", ref.Epoch, "cause", err)
			l.deps.Metrics.snapshotFailed()
			continue
		}
		l.state, l.snap.ref = state, ref
		l.snap.mu.acked = ref
		return plans, nil
	}

	plans, err := l.deps.Ledger.Chain(ctx, l.id, head, 1)
	if err != nil {
		return nil, err
	}
	l.state = l.deps.Rules.New()
	first := 0
	for i, p := range plans {
		if below(p, start) && i+1 < len(plans) {
			first = i + 1
		}
	}
	if first > 0 {
		l.partial = true
		l.log.Error("state is partial: no usable snapshot, and Kafka has lost the input of older epochs; sessions that began before are cut", "first_epoch", plans[first].Epoch)
		l.deps.Metrics.partial()
	}
	return plans[first:], nil
}

func below(p checkpoint.Plan, start schemas.Positions) bool {
	for t, r := range p.Ranges {
		if !p.Kind.Gap() && r.Len() > 0 && r.Start < start[t] {
			return true
		}
	}
	return false
}

func (l *Lane) load(ctx context.Context, ref checkpoint.SnapshotRef) (Engine, error) {
	snap, err := l.deps.Ledger.LoadSnapshot(ctx, l.id, ref)
	if err != nil {
		return nil, err
	}
	if snap == nil {
		return nil, errors.New("the store no longer has it")
	}
	body, err := unpack(snap.Body, maxSnapshot)
	if err != nil {
		return nil, err
	}
	return l.deps.Rules.Restore(body)
}
