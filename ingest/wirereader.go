package ingest

import (
	"encoding/binary"
	"errors"
)

var errShortResponse = errors.New("response ends early")

// wireReader takes fields off a response and remembers the first that was
// missing.
type wireReader struct {
	b        []byte
	flexible bool // the encoding with short lengths and tagged fields
	err      error
}

func (r *wireReader) take(n int) []byte {
	if r.err != nil || n < 0 || n > len(r.b) {
		r.err = errShortResponse
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *wireReader) skip(n int) { r.take(n) }

func (r *wireReader) int16() int16 {
	if v := r.take(2); v != nil {
		return int16(binary.BigEndian.Uint16(v))
	}
	return 0
}

func (r *wireReader) int32() int32 {
	if v := r.take(4); v != nil {
		return int32(binary.BigEndian.Uint32(v))
	}
	return 0
}

func (r *wireReader) int64() int64 {
	if v := r.take(8); v != nil {
		return int64(binary.BigEndian.Uint64(v))
	}
	return 0
}

func (r *wireReader) string() []byte { return r.take(int(r.int16())) }

// count is the length of an array or of a record set, 0 or less for none.
func (r *wireReader) count() int {
	if r.flexible {
		return r.length()
	}
	return int(r.int32())
}

// uvarint, length, compact and tags belong to the flexible encoding.
func (r *wireReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.err = errShortResponse
	}
	r.skip(max(n, 0))
	return v
}

// length is that of an array or string: one less than written, 0 for null. No
// more than the bytes at hand could hold.
func (r *wireReader) length() int {
	v := r.uvarint()
	if r.err != nil || v == 0 {
		return 0
	}
	if v-1 > uint64(len(r.b)) {
		r.err = errShortResponse
		return 0
	}
	return int(v - 1)
}

func (r *wireReader) compact() []byte { return r.take(r.length()) }

// tags passes over the tagged fields, which only the flexible encoding has.
func (r *wireReader) tags() { r.tagged(func(uint64, wireReader) {}) }

// tagged gives the tagged fields to f.
func (r *wireReader) tagged(f func(tag uint64, value wireReader)) {
	if !r.flexible {
		return
	}
	n := r.uvarint()
	for ; n > 0 && r.err == nil; n-- {
		tag, size := r.uvarint(), r.uvarint()
		if size > uint64(len(r.b)) {
			r.err = errShortResponse
			return
		}
		if value := r.take(int(size)); r.err == nil {
			f(tag, wireReader{b: value, flexible: true})
		}
	}
}
