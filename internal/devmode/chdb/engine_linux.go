//go:build linux && amd64

package chdb

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Engine is the loaded library.
type Engine struct {
	setSignals    func(int32)
	connect       func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	closeConn     func(unsafe.Pointer)
	shutdown      func() int32
	version       func() string
	query         func(conn, q unsafe.Pointer, qn uintptr, f unsafe.Pointer, fn uintptr, names, nameLens, vals, valLens unsafe.Pointer, n uintptr) unsafe.Pointer
	stream        func(conn, q unsafe.Pointer, qn uintptr, f unsafe.Pointer, fn uintptr, names, nameLens, vals, valLens unsafe.Pointer, n uintptr) unsafe.Pointer
	fetch         func(conn, res unsafe.Pointer) unsafe.Pointer
	cancel        func(conn, res unsafe.Pointer)
	buffer        func(unsafe.Pointer) unsafe.Pointer
	length        func(unsafe.Pointer) uintptr
	resultError   func(unsafe.Pointer) string
	rowsRead      func(unsafe.Pointer) uint64
	bytesRead     func(unsafe.Pointer) uint64
	rowsWritten   func(unsafe.Pointer) uint64
	bytesWritten  func(unsafe.Pointer) uint64
	destroy       func(unsafe.Pointer)
	insert        func(conn, q unsafe.Pointer, qn uintptr, f unsafe.Pointer, fn uintptr, names, nameLens, vals, valLens unsafe.Pointer, n uintptr) unsafe.Pointer
	insertAppend  func(s, p unsafe.Pointer, n uintptr) int32
	insertDone    func(s unsafe.Pointer) unsafe.Pointer
	insertCancel  func(s unsafe.Pointer)
	insertError   func(s unsafe.Pointer) string
	insertDestroy func(s unsafe.Pointer)
	nothing       *byte // what an empty string points at
}

// Load opens the library. It must be called once per process.
func Load(path string) (*Engine, error) {
	lib, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load the embedded ClickHouse engine %s: %w", path, err)
	}
	e := &Engine{nothing: new(byte)}
	for _, f := range []struct {
		name string
		fn   any
	}{
		{"chdb_set_signal_handlers_enabled", &e.setSignals},
		{"chdb_connect", &e.connect},
		{"chdb_close_conn", &e.closeConn},
		{"chdb_shutdown", &e.shutdown},
		{"chdb_version", &e.version},
		{"chdb_query_with_params_n", &e.query},
		{"chdb_stream_query_with_params_n", &e.stream},
		{"chdb_stream_fetch_result", &e.fetch},
		{"chdb_stream_cancel_query", &e.cancel},
		{"chdb_result_buffer", &e.buffer},
		{"chdb_result_length", &e.length},
		{"chdb_result_error", &e.resultError},
		{"chdb_result_rows_read", &e.rowsRead},
		{"chdb_result_bytes_read", &e.bytesRead},
		{"chdb_result_rows_written", &e.rowsWritten},
		{"chdb_result_bytes_written", &e.bytesWritten},
		{"chdb_destroy_query_result", &e.destroy},
		{"chdb_stream_insert_with_params_n", &e.insert},
		{"chdb_stream_append", &e.insertAppend},
		{"chdb_stream_done", &e.insertDone},
		{"chdb_stream_cancel_insert", &e.insertCancel},
		{"chdb_stream_insert_error", &e.insertError},
		{"chdb_destroy_insert_stream", &e.insertDestroy},
	} {
		sym, err := purego.Dlsym(lib, f.name)
		if err != nil {
			return nil, fmt.Errorf("load the embedded ClickHouse engine %s: it lacks %s: %w", path, f.name, err)
		}
		purego.RegisterFunc(f.fn, sym)
	}
	// The engine's own signal handlers would turn a nil dereference in Go
	// into a silent death of the process. This must precede the first connect.
	e.setSignals(0)
	return e, nil
}

// Version of the engine, such as 26.7.2.1.
func (e *Engine) Version() string { return e.version() }

// Shutdown ends the engine after every Conn was closed.
func (e *Engine) Shutdown() error {
	if n := e.shutdown(); n != 0 {
		return fmt.Errorf("shut down the embedded ClickHouse engine: state %d", n)
	}
	return nil
}

// Conn is one session of the engine. It runs one statement at a time.
type Conn struct {
	e    *Engine
	cell unsafe.Pointer // chdb_connection*
	conn unsafe.Pointer
}

// Connect opens a session. The first call starts the engine with args such as
// --path=DIR; later calls must repeat the same path.
func (e *Engine) Connect(args ...string) (*Conn, error) {
	args = append([]string{"clickhouse"}, args...)
	argv := newStrings(args)
	defer argv.pin.Unpin()
	cell := e.connect(int32(len(args)), argv.data())
	if cell == nil {
		return nil, errors.New("connect to the embedded ClickHouse engine: refused; its reason is on standard error")
	}
	return &Conn{e: e, cell: cell, conn: *(*unsafe.Pointer)(cell)}, nil
}

// Close ends the session.
func (c *Conn) Close() {
	if c.cell != nil {
		c.e.closeConn(c.cell)
		c.cell, c.conn = nil, nil
	}
}

// Query runs one statement and hands its whole output, in format, to out. The
// bytes belong to the engine and are gone after out returns.
func (c *Conn) Query(sql []byte, format string, params []Param, out func([]byte) error) (Summary, error) {
	names, values := split(params)
	defer names.pin.Unpin()
	defer values.pin.Unpin()
	r := c.e.query(c.conn, c.e.bytes(sql), uintptr(len(sql)), c.e.text(format), uintptr(len(format)),
		names.data(), names.lengths(), values.data(), values.lengths(), uintptr(len(params)))
	runtime.KeepAlive(sql)
	_, s, err := c.e.take(r, out)
	return s, err
}

// Stream runs a SELECT and hands its output to out piece by piece. An error of
// out ends the query and is returned.
func (c *Conn) Stream(sql []byte, format string, params []Param, out func([]byte) error) error {
	names, values := split(params)
	defer names.pin.Unpin()
	defer values.pin.Unpin()
	r := c.e.stream(c.conn, c.e.bytes(sql), uintptr(len(sql)), c.e.text(format), uintptr(len(format)),
		names.data(), names.lengths(), values.data(), values.lengths(), uintptr(len(params)))
	runtime.KeepAlive(sql)
	if r == nil {
		return newError("the engine returned no result")
	}
	defer c.e.destroy(r)
	if text := c.e.resultError(r); text != "" {
		return newError(text)
	}
	for {
		var stopped error
		n, _, err := c.e.take(c.e.fetch(c.conn, r), func(b []byte) error {
			stopped = out(b)
			return stopped
		})
		switch {
		case stopped != nil:
			c.e.cancel(c.conn, r)
			return stopped
		case err != nil:
			return err
		case n == 0:
			return nil
		}
	}
}

// take hands a result's bytes to out and frees it.
func (e *Engine) take(r unsafe.Pointer, out func([]byte) error) (int, Summary, error) {
	if r == nil {
		return 0, Summary{}, newError("the engine returned no result")
	}
	defer e.destroy(r)
	if text := e.resultError(r); text != "" {
		return 0, Summary{}, newError(text)
	}
	s := Summary{RowsRead: e.rowsRead(r), BytesRead: e.bytesRead(r), RowsWritten: e.rowsWritten(r), BytesWritten: e.bytesWritten(r)}
	n := int(e.length(r))
	if n == 0 || out == nil {
		return n, s, nil
	}
	return n, s, out(unsafe.Slice((*byte)(e.buffer(r)), n))
}

func (e *Engine) bytes(b []byte) unsafe.Pointer {
	if len(b) == 0 {
		return unsafe.Pointer(e.nothing)
	}
	return unsafe.Pointer(unsafe.SliceData(b))
}

func (e *Engine) text(s string) unsafe.Pointer {
	if s == "" {
		return unsafe.Pointer(e.nothing)
	}
	return unsafe.Pointer(unsafe.StringData(s))
}
