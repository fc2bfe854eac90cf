//go:build linux && amd64

package chdb

import (
	"runtime"
	"unsafe"
)

// cstrings is an array of C strings and their lengths, pinned until Unpin.
type cstrings struct {
	ptrs []unsafe.Pointer
	lens []uintptr
	pin  runtime.Pinner
}

func newStrings(list []string) *cstrings {
	// One entry more than needed: argv ends with a null pointer, and an empty
	// array still needs an address.
	c := &cstrings{ptrs: make([]unsafe.Pointer, len(list)+1), lens: make([]uintptr, len(list)+1)}
	for i, s := range list {
		b := append([]byte(s), 0)
		c.pin.Pin(&b[0])
		c.ptrs[i], c.lens[i] = unsafe.Pointer(&b[0]), uintptr(len(s))
	}
	c.pin.Pin(&c.ptrs[0])
	c.pin.Pin(&c.lens[0])
	return c
}

func split(params []Param) (names, values *cstrings) {
	n, v := make([]string, len(params)), make([]string, len(params))
	for i, p := range params {
		n[i], v[i] = p.Name, p.Value
	}
	return newStrings(n), newStrings(v)
}

func (c *cstrings) data() unsafe.Pointer    { return unsafe.Pointer(&c.ptrs[0]) }
func (c *cstrings) lengths() unsafe.Pointer { return unsafe.Pointer(&c.lens[0]) }
