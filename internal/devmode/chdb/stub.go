//go:build !linux || !amd64

package chdb

// Engine cannot exist in this build.
type Engine struct{}

// Conn cannot exist in this build.
type Conn struct{}

// Insert cannot exist in this build.
type Insert struct{}

// Load reports ErrUnsupported.
func Load(string) (*Engine, error) { return nil, ErrUnsupported }

// Version is empty.
func (*Engine) Version() string { return "" }

// Shutdown reports ErrUnsupported.
func (*Engine) Shutdown() error { return ErrUnsupported }

// Connect reports ErrUnsupported.
func (*Engine) Connect(...string) (*Conn, error) { return nil, ErrUnsupported }

// Close does nothing.
func (*Conn) Close() {}

// Query reports ErrUnsupported.
func (*Conn) Query([]byte, string, []Param, func([]byte) error) (Summary, error) {
	return Summary{}, ErrUnsupported
}

// Stream reports ErrUnsupported.
func (*Conn) Stream([]byte, string, []Param, func([]byte) error) error { return ErrUnsupported }

// Insert reports ErrUnsupported.
func (*Conn) Insert([]byte, string, []Param) (*Insert, error) { return nil, ErrUnsupported }

// Append reports ErrUnsupported.
func (*Insert) Append([]byte) error { return ErrUnsupported }

// Commit reports ErrUnsupported.
func (*Insert) Commit() (Summary, error) { return Summary{}, ErrUnsupported }

// Abort does nothing.
func (*Insert) Abort() {}
