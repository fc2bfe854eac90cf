// Package chdb binds the C API of libchdb, the ClickHouse engine as a shared
// library, without cgo. Load opens the library once per process, Connect opens
// sessions; whoever opened a Conn closes it, and Engine.Shutdown ends the engine.
//
// The engine has one data directory per process, so an Engine belongs to a
// process of its own (see devmode.ServeClickHouse): a crash of the engine then
// takes nothing else with it.
package chdb

import (
	"errors"
	"regexp"
	"strconv"
)

// ErrUnsupported is returned by Load where the embedded engine cannot run.
var ErrUnsupported = errors.New("the embedded ClickHouse needs linux x64; point sink.clickhouse.url at a server")

// Param binds a {name:Type} placeholder of a statement.
type Param struct{ Name, Value string }

// Summary counts what a statement did.
type Summary struct {
	RowsRead, BytesRead       uint64
	RowsWritten, BytesWritten uint64
}

// Error is an exception of the engine.
type Error struct {
	Code int // ClickHouse error code, 1001 when the text names none
	Text string
}

func (e *Error) Error() string { return e.Text }

func newError(text string) *Error {
	e := &Error{Code: 1001, Text: text}
	if m := regexp.MustCompile(`Code: (\d+)\.`).FindStringSubmatch(text); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			e.Code = n
		}
	}
	return e
}
