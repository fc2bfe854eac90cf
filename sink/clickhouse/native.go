package clickhouse

import (
	"encoding/binary"
	"unsafe"

	"github.com/storepulse/storepulse/schemas"
)

// A block in ClickHouse's Native format (protocol revision 0, as HTTP reads it):
// number of columns and rows, then per column its name, its type and its values.

// Column is one column of a small block, its values already in Native form.
type Column struct {
	Name, Type string
	Data       []byte
}

// AppendString appends a String value.
func AppendString[T ~string | ~[]byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// AppendUUID appends a UUID value: two little-endian halves.
func AppendUUID(dst []byte, id schemas.ID) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, binary.BigEndian.Uint64(id[:8]))
	return binary.LittleEndian.AppendUint64(dst, binary.BigEndian.Uint64(id[8:]))
}

// appendBlock appends a whole block of small columns.
func appendBlock(dst []byte, rows int, cols []Column) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(cols)))
	dst = binary.AppendUvarint(dst, uint64(rows))
	for _, c := range cols {
		dst = AppendString(dst, c.Name)
		dst = AppendString(dst, c.Type)
		dst = append(dst, c.Data...)
	}
	return dst
}

// grow gives dst with n more bytes, which the caller fills.
func grow(dst []byte, n int) (all, tail []byte) {
	at := len(dst)
	if cap(dst)-at < n {
		bigger := make([]byte, at, max(2*cap(dst), at+n))
		copy(bigger, dst)
		dst = bigger
	}
	dst = dst[:at+n]
	return dst, dst[at:]
}

// repeat appends n copies of v by doubling.
func repeat(dst, v []byte, n int) []byte {
	if n == 0 {
		return dst
	}
	dst, tail := grow(dst, n*len(v))
	for done := copy(tail, v); done < len(tail); done *= 2 {
		copy(tail[done:], tail[:done])
	}
	return dst
}

// appendStrings appends rows of an arena; rows nil means all.
func appendStrings(dst []byte, offsets []int32, data []byte, rows []uint32) []byte {
	if rows == nil {
		n := len(offsets) - 1
		dst, _ = grow(dst, int(offsets[n]-offsets[0])+5*n)
		out := dst[:cap(dst)]
		at := len(dst) - int(offsets[n]-offsets[0]) - 5*n
		from := offsets[0]
		for _, to := range offsets[1:] {
			size := uint32(to - from)
			if size < 0x80 {
				out[at] = byte(size)
				at++
			} else {
				at += binary.PutUvarint(out[at:], uint64(size))
			}
			at += copy(out[at:], data[from:to])
			from = to
		}
		return out[:at]
	}
	for _, r := range rows {
		dst = AppendString(dst, data[offsets[r]:offsets[r+1]])
	}
	return dst
}

// appendLists appends an Array(UInt64): cumulative ends, then the values.
func appendLists(dst []byte, offsets []int32, values []byte, rows []uint32) []byte {
	if rows == nil {
		for _, end := range offsets[1:] {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(end-offsets[0]))
		}
		return append(dst, values[8*offsets[0]:8*offsets[len(offsets)-1]]...)
	}
	end := uint64(0)
	for _, r := range rows {
		end += uint64(offsets[r+1] - offsets[r])
		dst = binary.LittleEndian.AppendUint64(dst, end)
	}
	for _, r := range rows {
		dst = append(dst, values[8*offsets[r]:8*offsets[r+1]]...)
	}
	return dst
}

// appendFixed appends fixed-width values.
func appendFixed(dst, values []byte, width int, rows []uint32) []byte {
	if rows == nil {
		return append(dst, values...)
	}
	for _, r := range rows {
		dst = append(dst, values[int(r)*width:(int(r)+1)*width]...)
	}
	return dst
}

// appendUUIDs appends 16-byte values with each half reversed.
func appendUUIDs(dst, values []byte, rows []uint32) []byte {
	n := len(rows)
	if rows == nil {
		n = len(values) / 16
	}
	dst, tail := grow(dst, 16*n)
	for i := range n {
		r := i
		if rows != nil {
			r = int(rows[i])
		}
		v := values[16*r : 16*r+16]
		binary.LittleEndian.PutUint64(tail[16*i:], binary.BigEndian.Uint64(v))
		binary.LittleEndian.PutUint64(tail[16*i+8:], binary.BigEndian.Uint64(v[8:]))
	}
	return dst
}

// appendNulls appends the null map of a Nullable column: 1 = null.
func appendNulls(dst, valid []byte, offset, n int, rows []uint32) []byte {
	if rows != nil {
		n = len(rows)
	}
	dst, tail := grow(dst, n)
	for i := range tail {
		r := i
		if rows != nil {
			r = int(rows[i])
		}
		r += offset
		tail[i] = 0
		if valid != nil {
			tail[i] = 1 &^ (valid[r>>3] >> (r & 7))
		}
	}
	return dst
}

// LowCardinality(String): version of the key serialization, once per column;
// then per block the kind of its indices with the flags "has its own keys" and
// "keys change with this block", the keys, the indices.
const (
	lowCardinalityVersion = 1
	lowCardinalityUInt8   = 0 | 1<<9 | 1<<10
)

// appendLowCardinality appends a dictionary column with 8-bit indices.
func appendLowCardinality(dst []byte, keyOffsets []int32, keys, index []byte, rows []uint32) []byte {
	n := len(index)
	if rows != nil {
		n = len(rows)
	}
	dst = binary.LittleEndian.AppendUint64(dst, lowCardinalityVersion)
	dst = binary.LittleEndian.AppendUint64(dst, lowCardinalityUInt8)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(keyOffsets)-1))
	dst = appendStrings(dst, keyOffsets, keys, nil)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(n))
	return appendFixed(dst, index, 1, rows)
}

// int32s views an offsets buffer.
func int32s(b []byte) []int32 {
	if len(b) == 0 {
		return nil
	}
	return unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}
