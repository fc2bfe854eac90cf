package schemas

import (
	"slices"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// Column is one reusable column of rows. Its slices are kept between epochs,
// so that a warm column appends without allocating. Arrow wraps the slices
// without copying: a record is valid until the column is Reset or appended to.
type Column interface {
	Reset()
	Len() int
	// Reserve makes room for n more rows, the bytes of strings excepted.
	Reserve(n int)
	// Keep drops every row whose entry in keep is false, in place.
	Keep(keep []bool)
	// Arrow wraps the rows as an array of the given type.
	Arrow(arrow.DataType) arrow.Array
}

// Fixed is a column of fixed-width values.
type Fixed[T fixedWidth] []T

type fixedWidth interface {
	~uint8 | ~uint16 | ~uint32 | ~uint64 | ~int32 | ~int64 | ~[16]byte
}

// ID is a 128-bit identity: a hash of a visitor, a UUID of a session or a plan.
// It is written as ClickHouse's UUID, big-endian byte order as printed.
type ID [16]byte

func (c *Fixed[T]) Append(v T) { *c = append(*c, v) }
func (c *Fixed[T]) Reset()     { *c = (*c)[:0] }
func (c *Fixed[T]) Len() int   { return len(*c) }

// Reserve makes room for n more rows.
func (c *Fixed[T]) Reserve(n int) { *c = slices.Grow(*c, n) }

func (c *Fixed[T]) Keep(keep []bool) {
	s, n := *c, 0
	for i, k := range keep {
		if k {
			s[n] = s[i]
			n++
		}
	}
	*c = s[:n]
}

func (c *Fixed[T]) Arrow(t arrow.DataType) arrow.Array {
	return array.MakeFromData(array.NewData(t, len(*c), []*memory.Buffer{nil, memory.NewBufferBytes(raw(*c))}, nil, 0, 0))
}

// NullTimes is a column of Unix milliseconds in which 0 means null.
type NullTimes []int64

func (c *NullTimes) Append(v int64)   { *c = append(*c, v) }
func (c *NullTimes) Reset()           { *c = (*c)[:0] }
func (c *NullTimes) Len() int         { return len(*c) }
func (c *NullTimes) Reserve(n int)    { *c = slices.Grow(*c, n) }
func (c *NullTimes) Keep(keep []bool) { (*Fixed[int64])(c).Keep(keep) }

func (c *NullTimes) Arrow(t arrow.DataType) arrow.Array {
	bits := make([]byte, (len(*c)+7)/8)
	nulls := 0
	for i, v := range *c {
		if v == 0 {
			nulls++
		} else {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	return array.MakeFromData(array.NewData(t, len(*c), []*memory.Buffer{memory.NewBufferBytes(bits), memory.NewBufferBytes(raw(*c))}, nil, nulls, 0))
}

// Strings is a column of byte strings in one arena: row i is
// Data[Offsets[i]:Offsets[i+1]]. At most 2 GiB a column, far above an epoch.
type Strings struct {
	Offsets []int32
	Data    []byte
}

func (c *Strings) Append(v []byte) {
	c.start()
	c.Data = append(c.Data, v...)
	c.Offsets = append(c.Offsets, int32(len(c.Data)))
}

func (c *Strings) AppendString(v string) {
	c.start()
	c.Data = append(c.Data, v...)
	c.Offsets = append(c.Offsets, int32(len(c.Data)))
}

func (c *Strings) start() {
	if len(c.Offsets) == 0 {
		c.Offsets = append(c.Offsets, 0)
	}
}

// At gives row i; it aliases the arena.
func (c *Strings) At(i int) []byte { return c.Data[c.Offsets[i]:c.Offsets[i+1]] }
func (c *Strings) Reset()          { c.Offsets, c.Data = c.Offsets[:0], c.Data[:0] }
func (c *Strings) Len() int        { return max(0, len(c.Offsets)-1) }
func (c *Strings) Reserve(n int)   { c.Offsets = slices.Grow(c.Offsets, n+1) }

func (c *Strings) Keep(keep []bool) {
	n, end := 0, int32(0)
	for i, k := range keep {
		if !k {
			continue
		}
		from, to := c.Offsets[i], c.Offsets[i+1]
		copy(c.Data[end:], c.Data[from:to])
		end += to - from
		n++
		c.Offsets[n] = end
	}
	if len(c.Offsets) > 0 {
		c.Offsets, c.Data = c.Offsets[:n+1], c.Data[:end]
	}
}

func (c *Strings) Arrow(t arrow.DataType) arrow.Array {
	c.start()
	return array.MakeFromData(array.NewData(t, c.Len(), []*memory.Buffer{nil, memory.NewBufferBytes(raw(c.Offsets)), memory.NewBufferBytes(c.Data)}, nil, 0, 0))
}

// Dict is a column over a closed list: an index per row, the names once.
// In Arrow it is a dictionary array, in ClickHouse LowCardinality(String).
type Dict struct {
	Index []uint8
	Names []string
}

func (c *Dict) Append(v uint8)   { c.Index = append(c.Index, v) }
func (c *Dict) Reset()           { c.Index = c.Index[:0] }
func (c *Dict) Len() int         { return len(c.Index) }
func (c *Dict) Reserve(n int)    { c.Index = slices.Grow(c.Index, n) }
func (c *Dict) Keep(keep []bool) { (*Fixed[uint8])(&c.Index).Keep(keep) }

func (c *Dict) Arrow(t arrow.DataType) arrow.Array {
	var names Strings
	for _, n := range c.Names {
		names.AppendString(n)
	}
	values := names.Arrow(arrow.BinaryTypes.String)
	defer values.Release()
	return array.MakeFromData(array.NewDataWithDictionary(t, len(c.Index), []*memory.Buffer{nil, memory.NewBufferBytes(c.Index)}, 0, 0, values.Data().(*array.Data)))
}

// Lists is a column of lists of 64-bit hashes (Array(UInt64)).
type Lists struct {
	Offsets []int32
	Values  []uint64
}

// Append adds one row.
func (c *Lists) Append(v []uint64) {
	if len(c.Offsets) == 0 {
		c.Offsets = append(c.Offsets, 0)
	}
	c.Values = append(c.Values, v...)
	c.Offsets = append(c.Offsets, int32(len(c.Values)))
}

func (c *Lists) Reset()   { c.Offsets, c.Values = c.Offsets[:0], c.Values[:0] }
func (c *Lists) Len() int { return max(0, len(c.Offsets)-1) }

// Reserve makes room for n more rows.
func (c *Lists) Reserve(n int) { c.Offsets = slices.Grow(c.Offsets, n+1) }

func (c *Lists) Keep(keep []bool) {
	n, end := 0, int32(0)
	for i, k := range keep {
		if !k {
			continue
		}
		from, to := c.Offsets[i], c.Offsets[i+1]
		copy(c.Values[end:], c.Values[from:to])
		end += to - from
		n++
		c.Offsets[n] = end
	}
	if len(c.Offsets) > 0 {
		c.Offsets, c.Values = c.Offsets[:n+1], c.Values[:end]
	}
}

func (c *Lists) Arrow(t arrow.DataType) arrow.Array {
	if len(c.Offsets) == 0 {
		c.Offsets = append(c.Offsets, 0)
	}
	child := array.NewData(arrow.PrimitiveTypes.Uint64, len(c.Values), []*memory.Buffer{nil, memory.NewBufferBytes(raw(c.Values))}, nil, 0, 0)
	defer child.Release()
	return array.MakeFromData(array.NewData(t, c.Len(), []*memory.Buffer{nil, memory.NewBufferBytes(raw(c.Offsets))}, []arrow.ArrayData{child}, 0, 0))
}

// raw views fixed-width values as bytes; Arrow and ClickHouse are little-endian
// like every platform Go builds this program for.
func raw[T any](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(s[0])))
}
