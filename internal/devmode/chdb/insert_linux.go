//go:build linux && amd64

package chdb

import (
	"runtime"
	"unsafe"
)

// Insert is a running INSERT whose data arrives in pieces. It ends with Commit
// or Abort; its Conn runs nothing else in between. Binary data must never be
// put into the statement itself: the engine cuts it at a blank line.
type Insert struct {
	e *Engine
	s unsafe.Pointer
}

// Insert begins an INSERT. sql has neither a FORMAT clause nor data.
func (c *Conn) Insert(sql []byte, format string, params []Param) (*Insert, error) {
	names, values := split(params)
	defer names.pin.Unpin()
	defer values.pin.Unpin()
	s := c.e.insert(c.conn, c.e.bytes(sql), uintptr(len(sql)), c.e.text(format), uintptr(len(format)),
		names.data(), names.lengths(), values.data(), values.lengths(), uintptr(len(params)))
	runtime.KeepAlive(sql)
	if s == nil {
		return nil, newError("the engine returned no insert stream")
	}
	if text := c.e.insertError(s); text != "" {
		c.e.insertDestroy(s)
		return nil, newError(text)
	}
	return &Insert{e: c.e, s: s}, nil
}

// Append pushes a piece of the body, cut anywhere. It blocks while the engine
// is behind.
func (i *Insert) Append(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	rc := i.e.insertAppend(i.s, i.e.bytes(p), uintptr(len(p)))
	runtime.KeepAlive(p)
	if rc != 0 {
		return newError(i.e.insertError(i.s))
	}
	return nil
}

// Commit ends the body and waits until the rows are stored.
func (i *Insert) Commit() (Summary, error) {
	_, s, err := i.e.take(i.e.insertDone(i.s), nil)
	i.free()
	return s, err
}

// Abort drops what is not yet stored. It may follow Commit and does nothing then.
func (i *Insert) Abort() {
	if i.s == nil {
		return
	}
	i.e.insertCancel(i.s)
	i.free()
}

func (i *Insert) free() {
	i.e.insertDestroy(i.s)
	i.s = nil
}
