// Package sink says what "deliver an output" means: the classes of outcome an
// insert can have. The implementations are in sink/clickhouse and sink/prom.
package sink

import (
	"errors"
	"fmt"
)

var (
	// ErrFenced: the store refused the insert because a newer claim owns the
	// lane (ClickHouse error 469). Nothing was written; the lane must be claimed again.
	ErrFenced = errors.New("the lane has a newer owner")
	// ErrNotApplied: definitely nothing was written (refused connection, an
	// overloaded server that said so). The same insert may be sent again.
	ErrNotApplied = errors.New("not applied")
	// ErrUnknown: the insert may or may not have been written. It must not be
	// repeated: the lane is claimed again and recovers.
	ErrUnknown = errors.New("outcome unknown")
	// ErrBug: this program made an insert that nobody can send. Nothing was
	// written, and the same insert would fail for ever.
	ErrBug = errors.New("BUG")
)

// RefusedError is a definite refusal for what the data is: the same rows will
// never be accepted. Nothing was written. The rows are found by bisection.
type RefusedError struct {
	Table string
	Code  int // ClickHouse error code
	Text  string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("insert into %s refused: code %d: %s", e.Table, e.Code, e.Text)
}
