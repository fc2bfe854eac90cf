package pipeline

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/xxh3"

	"github.com/storepulse/storepulse/internal/checkpoint"
)

// snapshotter remembers when the lane last saved, and what was acknowledged.
// One snapshot is under way at a time, beside the lane.
type snapshotter struct {
	ref    checkpoint.SnapshotRef // acknowledged, as the lane's goroutine knows it
	buf    []byte
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
	return !s.active && (now.Sub(s.at) >= every || epoch-ref.Epoch >= SnapshotEpochs)
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
// compression and insert run beside it.
func (l *Lane) startSnapshot(ctx context.Context) {
	_ = l.saveBeside(ctx, l.deps.Spawn)
}

// saveSnapshot is startSnapshot for a lane that has nothing else to do.
func (l *Lane) saveSnapshot(ctx context.Context) error {
	return *l.saveBeside(ctx, func(f func()) { f() })
}

// saveBeside gives where the outcome will stand once spawn has run its function.
func (l *Lane) saveBeside(ctx context.Context, spawn func(func())) *error {
	s := &l.snap
	began := l.deps.Now()
	s.buf = l.state.Snapshot(s.buf[:0])
	l.deps.Metrics.snapshotPause(l.deps.Now().Sub(began), len(s.buf))
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
		snap.Body = pack(s.buf)
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

// Stored form of a snapshot: 4 bytes "SPS1", 8 bytes xxh3-64 of what follows
// (big-endian), then the transform's snapshot compressed with zstd.
const packMagic = "SPS1"

func pack(state []byte) []byte {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		panic("BUG: zstd: " + err.Error())
	}
	out := enc.EncodeAll(state, make([]byte, 12, 12+len(state)/2)) // hashes do not get smaller
	copy(out, packMagic)
	binary.BigEndian.PutUint64(out[4:], xxh3.Hash(out[12:]))
	return out
}

// maxSnapshot bounds what a damaged length could make us allocate.
const maxSnapshot = 4 << 30

func unpack(body []byte) ([]byte, error) {
	if len(body) < 12 || string(body[:4]) != packMagic {
		return nil, errors.New("not a snapshot of this program")
	}
	if binary.BigEndian.Uint64(body[4:]) != xxh3.Hash(body[12:]) {
		return nil, errors.New("checksum differs")
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxSnapshot))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	defer dec.Close()
	return dec.DecodeAll(body[12:], nil)
}
