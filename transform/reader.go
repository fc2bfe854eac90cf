package transform

import (
	"encoding/binary"
	"errors"

	"github.com/storepulse/storepulse/schemas"
)

// reader takes values off a byte slice; the first fault sticks.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *reader) uint() uint64 {
	n, k := binary.Uvarint(r.b)
	if k <= 0 {
		r.fail(errShort)
		return 0
	}
	r.b = r.b[k:]
	return n
}

func (r *reader) int() int64 {
	n, k := binary.Varint(r.b)
	if k <= 0 {
		r.fail(errShort)
		return 0
	}
	r.b = r.b[k:]
	return n
}

func (r *reader) take(n int) []byte {
	if len(r.b) < n {
		r.fail(errShort)
		return make([]byte, min(n, 64))
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) fixed() uint64  { return binary.LittleEndian.Uint64(r.take(8)) }
func (r *reader) id() schemas.ID { return schemas.ID(r.take(16)) }
func (r *reader) byte() uint8    { return r.take(1)[0] }

// below reads one byte that must be under the limit.
func (r *reader) below(limit int) uint8 {
	v := r.byte()
	if int(v) >= limit {
		r.fail(errValue)
		return 0
	}
	return v
}

// count reads how many entries follow; each has at least size bytes.
func (r *reader) count(size int) int {
	n := r.uint()
	if n > uint64(len(r.b)/size) {
		r.fail(errShort)
		return 0
	}
	return int(n)
}

// upTo reads a number that must not exceed the limit.
func (r *reader) upTo(limit uint64) uint64 {
	n := r.uint()
	if n > limit {
		r.fail(errValue)
		return 0
	}
	return n
}

// maxTime bounds times, so that sums of them cannot overflow: the year 10,000.
const maxTime = 253_402_300_800_000

func (r *reader) time() int64 {
	t := r.int()
	if t < -maxTime || t > maxTime {
		r.fail(errValue)
		return 0
	}
	return t
}

var (
	errShort = errors.New("it ends early")
	errValue = errors.New("a value is out of range")
	errOrder = errors.New("entries are not in order")
	errRef   = errors.New("an entry names another that is absent")
	errLong  = errors.New("a part is longer than its entries")
)
