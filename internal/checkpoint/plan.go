// Package checkpoint keeps claims, plans, ledger and snapshots of the lanes in
// ClickHouse, next to the facts they speak of. Nobody starts it; the pipeline
// calls it in the order that docs/design.md, section 3 gives.
package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/zeebo/xxh3"

	"github.com/storepulse/storepulse/schemas"
)

// Kind of a ledger row.
type Kind uint8

const (
	KindPlan        Kind = iota // an ordinary epoch, also an idle one with empty ranges
	KindGap                     // ranges the log no longer has: lost_to_retention
	KindDone                    // repeats the last plan and says that it is done
	KindGapDone                 // repeats the last gap and says that it is done
	KindRebuild                 // empty ranges: sessions around late events written anew
	KindRebuildDone             // repeats the last rebuild and says that it is done
)

// KindNames are the stored values.
var KindNames = []string{"plan", "gap", "done", "gap_done", "rebuild", "rebuild_done"}

// Done says that the row speaks of its own epoch as finished.
func (k Kind) Done() bool { return k == KindDone || k == KindGapDone || k == KindRebuildDone }

// Gap says that the epoch's ranges were lost to retention.
func (k Kind) Gap() bool { return k == KindGap || k == KindGapDone }

// Rebuild says that the epoch writes sessions around late events anew.
func (k Kind) Rebuild() bool { return k == KindRebuild || k == KindRebuildDone }

// WithDone is the kind of the row that says the epoch is done.
func (k Kind) WithDone() Kind {
	switch {
	case k.Gap():
		return KindGapDone
	case k.Rebuild():
		return KindRebuildDone
	}
	return KindDone
}

// WithoutDone is the kind of the plan itself.
func (k Kind) WithoutDone() Kind {
	switch {
	case k.Gap():
		return KindGap
	case k.Rebuild():
		return KindRebuild
	}
	return KindPlan
}

// Plan is one row of epochs: what a lane is about to do, written before it is
// done. The plan in force is the row with the greatest (Term, Seq); older ones
// are found by following Prev.
type Plan struct {
	Lane      uint32
	Term      uint64
	Seq       uint64 // counts this term's rows
	Epoch     uint64 // from 1
	ID        schemas.ID
	Prev      schemas.ID // plan id of the epoch before, zero for the first
	Kind      Kind
	Identity  string // topic identity, see Identity in docs/design.md
	Ranges    schemas.Ranges
	CRC       uint32 // of the input records
	Watermark int64  // Unix ms
	// Copies are the offsets, ascending, of records whose event stands in the
	// tables already and which the state could not recognise: part of the input.
	Copies    [schemas.NumTopics][]int64
	Transform uint32 // transform version
	// Vocabulary is the hash of the tenants, types and categories in force.
	Vocabulary uint64
	Snapshot   SnapshotRef
	Done       []TableCount // of the epoch before (done rows: of this epoch); nil: not done yet
	Ledger     Counts       // of the epoch before (done rows: of this epoch)
}

// TableCount says how many rows an epoch has in a table.
type TableCount struct {
	Table schemas.TableID
	Rows  uint32
}

// Counts balance an epoch per topic: Consumed = Facts + Duplicates + Letters + Tombstones + Lost + Absent.
// Late ones are among Facts. Absent are offsets without a record (control records, compaction, aborted).
type Counts struct {
	Facts, Duplicates, Letters, Tombstones, Late, Lost, Absent [schemas.NumTopics]int64
}

// SnapshotRef names a snapshot: state after that epoch under that plan.
type SnapshotRef struct {
	Epoch uint64
	Plan  schemas.ID
}

// Snapshot is a stored state. Body is opaque to the store: the pipeline puts
// version, checksum and compression inside.
type Snapshot struct {
	Lane uint32
	Term uint64
	SnapshotRef
	Body []byte
}

// ErrBrokenChain: a plan names a predecessor that the ledger does not have.
var ErrBrokenChain = errors.New("the ledger's chain of plans is broken")

// Hash computes the plan's id: everything that decides the facts, nothing that
// differs between owners (term, seq) or comes after (done, snapshot).
func (p *Plan) Hash() schemas.ID {
	b := make([]byte, 0, 160)
	b = binary.BigEndian.AppendUint32(b, p.Lane)
	b = binary.BigEndian.AppendUint64(b, p.Epoch)
	b = append(b, p.Prev[:]...)
	kind := byte(0)
	switch {
	case p.Kind.Gap():
		kind = 1
	case p.Kind.Rebuild():
		kind = 2
	}
	b = append(b, kind)
	for _, r := range p.Ranges {
		b = binary.BigEndian.AppendUint64(b, uint64(r.Start))
		b = binary.BigEndian.AppendUint64(b, uint64(r.End))
	}
	b = binary.BigEndian.AppendUint32(b, p.CRC)
	b = binary.BigEndian.AppendUint64(b, uint64(p.Watermark))
	b = binary.BigEndian.AppendUint32(b, p.Transform)
	b = binary.BigEndian.AppendUint64(b, p.Vocabulary)
	b = append(b, p.Identity...)
	// Nothing for none: plans of before there were copies keep their ids.
	for t, list := range p.Copies {
		if len(list) == 0 {
			continue
		}
		b = append(b, 0, byte(t))
		b = binary.BigEndian.AppendUint64(b, uint64(len(list)))
		for _, offset := range list {
			b = binary.BigEndian.AppendUint64(b, uint64(offset))
		}
	}
	h := xxh3.Hash128(b)
	var id schemas.ID
	binary.BigEndian.PutUint64(id[:8], h.Hi)
	binary.BigEndian.PutUint64(id[8:], h.Lo)
	return id
}

func (p *Plan) String() string {
	return fmt.Sprintf("lane %d epoch %d (%s, term %d/%d) %v", p.Lane, p.Epoch, KindNames[p.Kind], p.Term>>32, p.Seq, p.Ranges)
}
