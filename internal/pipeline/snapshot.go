package pipeline

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/storepulse/storepulse/internal/checkpoint"
)

// snapshotter remembers when the lane last saved, and what was acknowledged.
// One snapshot is under way at a time, beside the lane.
type snapshotter struct {
	ref    checkpoint.SnapshotRef // acknowledged, as the lane's goroutine knows it
	busy   sync.WaitGroup
	active bool
	at     time.Time // last start
	commit time.Time // last offset commit
	// records that a recovery from the snapshot begun last would have to repeat.
	records int

	mu struct {
		sync.Mutex
		done  bool
		acked checkpoint.SnapshotRef
	}
}

// acknowledged gives the newest snapshot that the store has confirmed: only
// such a one may be named in a plan.
func (s *snapshotter) acknowledged() checkpoint.SnapshotRef {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.acked.Epoch > s.ref.Epoch {
		s.ref = s.mu.acked
	}
	if s.mu.done {
		s.active = false
	}
	return s.ref
}

// due says whether a snapshot should be started now.
func (s *snapshotter) due(now time.Time, every time.Duration, epoch uint64) bool {
	ref := s.acknowledged()
	return !s.active && (now.Sub(s.at) >= every || epoch-ref.Epoch >= snapshotEpochs)
}

func (s *snapshotter) commitDue(now time.Time, always bool) bool {
	if !always && now.Sub(s.commit) < commitEvery {
		return false
	}
	s.commit = now
	return true
}

// wait blocks until the snapshot under way has ended.
func (s *snapshotter) wait() {
	s.busy.Wait()
	s.acknowledged()
}

// startSnapshot stops the lane only for writing its state into memory;
// compression and insert run beside it. It does nothing while other lanes of
// the worker save theirs: the lane asks again after its next epoch.
func (l *Lane) startSnapshot(ctx context.Context) {
	if p := l.deps.Packers.tryTake(); p != nil {
		_ = l.saveBeside(ctx, p, l.deps.Spawn)
	}
}

// saveSnapshot is startSnapshot for a lane that has nothing else to do: it
// waits for its turn.
func (l *Lane) saveSnapshot(ctx context.Context) error {
	p, err := l.deps.Packers.take(ctx)
	if err != nil {
		return fmt.Errorf("wait for the snapshots of other lanes: %w", err)
	}
	return *l.saveBeside(ctx, p, func(f func()) { f() })
}

// saveBeside gives where the outcome will stand once spawn has run its function.
func (l *Lane) saveBeside(ctx context.Context, p *packer, spawn func(func())) *error {
	s := &l.snap
	began := l.deps.Now()
	p.state = l.state.Snapshot(p.state[:0])
	l.deps.Metrics.snapshotPause(l.deps.Now().Sub(began), len(p.state))
	s.at, s.active, s.records = began, true, 0
	s.mu.Lock()
	s.mu.done = false
	s.mu.Unlock()
	snap := &checkpoint.Snapshot{Lane: l.id, Term: l.term}
	if l.last != nil {
		snap.SnapshotRef = checkpoint.SnapshotRef{Epoch: l.last.Epoch, Plan: l.last.ID}
	}
	s.busy.Add(1)
	var failed error
	spawn(func() {
		defer s.busy.Done()
		defer l.deps.Packers.give(p)
		snap.Body = p.pack()
		err := l.deps.Ledger.SaveSnapshot(ctx, snap)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.mu.done = true
		if err != nil {
			failed = fmt.Errorf("save the snapshot of epoch %d: %w", snap.Epoch, err)
			l.deps.Metrics.snapshotFailed()
			l.log.Warn("snapshot failed, recovery gets longer", "epoch", snap.Epoch, "cause", err)
			return
		}
		s.mu.acked = snap.SnapshotRef
	})
	return &failed
}
