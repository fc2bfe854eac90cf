// Package transform is the pure core: (state, input) → (state, output). It
// has no clock, no I/O, no goroutine and no logger; what it dropped or found
// late is counted in the output. One State belongs to one lane and one goroutine.
package transform

import (
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// Version numbers the behaviour: same state, input and version give the same
// facts, byte for byte. Raise it with every change of output and keep the
// version before it runnable.
const Version = 1

// Settings are the session and order rules. They live in the snapshot.
type Settings struct {
	Gap          time.Duration // inactivity that ends a session
	MaxLength    time.Duration // a session is cut here
	OutOfOrder   time.Duration // watermark = newest event time − this
	MergeHorizon time.Duration // closed sessions stay in state this long
	PayWindow    time.Duration // a payment counts for the session this long after the order
}

// DefaultSettings are those of docs/events.md: 30 min, 24 h, 2 min, 2 h, 72 h.
func DefaultSettings() Settings {
	return Settings{Gap: 30 * time.Minute, MaxLength: 24 * time.Hour, OutOfOrder: 2 * time.Minute, MergeHorizon: 2 * time.Hour, PayWindow: 72 * time.Hour}
}

// Input is one epoch: decoded records in offset order per topic, and the
// watermark the plan recorded.
type Input struct {
	Epoch     uint64
	Batch     *schemas.Batch
	Watermark int64 // Unix ms; never below the state's
	LastClick int64 // clickstream offset before the range's end: position of rows that the watermark caused
	// Copies are the offsets, ascending, of rows whose event is a fact already:
	// what was found of the State's Suspects, or what the plan recorded of it.
	Copies [schemas.NumTopics][]int64
}

// Output is what one epoch gives beside the batch itself: the batch's events,
// orders, items and letters are facts as they stand after Apply (duplicates
// dropped, times corrected). It is reset by Apply and reused.
type Output struct {
	Sessions *schemas.Sessions
	Refunds  *schemas.Refunds
	Late     *schemas.Late
	Deltas   *schemas.Deltas
	Counts   Counts
}

// Counts balance the epoch, per topic: decoded = facts + duplicates.
type Counts struct {
	Facts      [schemas.NumTopics]int64
	Duplicates [schemas.NumTopics]int64
	Late       [schemas.NumTopics]int64 // among Facts
}

// NewOutput gives an empty output.
func NewOutput(v *schemas.Vocabulary, r *schemas.Register) *Output {
	return &Output{
		Sessions: schemas.NewSessions(v), Refunds: schemas.NewRefunds(v), Late: schemas.NewLate(v),
		Deltas: schemas.NewDeltas(r, len(v.Tenants)),
	}
}
