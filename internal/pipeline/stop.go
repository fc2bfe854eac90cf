package pipeline

import (
	"errors"
	"fmt"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/sink"
)

// stopError ends a lane until an operator acts; the text says how.
type stopError struct{ text string }

func (e *stopError) Error() string { return e.text }

func stopf(format string, args ...any) error { return &stopError{fmt.Sprintf(format, args...)} }

// operators makes a stop error of one that no other try can mend, whatever step
// of the lane met it.
func operators(err error) error {
	switch {
	case errors.Is(err, ingest.ErrUnreadable):
		return stopf("%v", err) // its text says what to do
	case errors.Is(err, checkpoint.ErrBrokenChain):
		return stopf("%v: rows of the ledger are gone, and the epochs from there on cannot be repeated; an operator must decide: restore the database from a backup, or start with an empty one; `storepulse verify` shows what is missing", err)
	case errors.Is(err, sink.ErrBug):
		return stopf("%v; nothing of it was written: keep Kafka's records and report this", err)
	}
	return err
}
