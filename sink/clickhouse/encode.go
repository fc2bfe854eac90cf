package clickhouse

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/storepulse/storepulse/schemas"
)

// layout is what is known of a fact table before the first row.
type layout struct {
	table   *schemas.Table
	stamps  [][]byte // name and type of each stamp column, in Native form
	heads   [][]byte // name and type of each of the table's own columns
	kinds   []kind
	columns string // quoted column list of an INSERT
}

// kind says how a column's Arrow buffers become Native.
type kind uint8

const (
	kindFixed1 kind = 1 // the number is the width in bytes
	kindFixed2 kind = 2
	kindFixed4 kind = 4
	kindFixed8 kind = 8
	kindUUID   kind = iota + 16
	kindString
	kindLowCardinality
	kindNullableTime
	kindArray
)

var kinds = map[string]kind{
	"UInt8": kindFixed1, "Bool": kindFixed1, "UInt16": kindFixed2, "Date": kindFixed2, "UInt32": kindFixed4,
	"UInt64": kindFixed8, "Int64": kindFixed8, "DateTime64(3)": kindFixed8, "UUID": kindUUID, "String": kindString,
	"LowCardinality(String)": kindLowCardinality, "Nullable(DateTime64(3))": kindNullableTime, "Array(UInt64)": kindArray,
}

func newLayout(t *schemas.Table) *layout {
	l := &layout{table: t}
	head := func(c schemas.ColumnDef) []byte { return AppendString(AppendString(nil, c.Name), c.Type) }
	var names []string
	for _, c := range schemas.StampColumns {
		l.stamps = append(l.stamps, head(c))
		names = append(names, quote(c.Name))
	}
	for _, c := range t.Columns {
		k, ok := kinds[c.Type]
		if !ok {
			panic("BUG: no Native encoding for ClickHouse type " + c.Type)
		}
		l.kinds = append(l.kinds, k)
		l.heads = append(l.heads, head(c))
		names = append(names, quote(c.Name))
	}
	l.columns = strings.Join(names, ", ")
	return l
}

// encode appends the rows of the record, with the stamp in front, as one block.
// rows nil means all of them; epoch_row is the row's number in rec, or
// stamp.Numbers of it.
func (l *layout) encode(dst []byte, stamp schemas.Stamp, rec arrow.Record, rows []uint32) ([]byte, error) {
	if int(rec.NumCols()) != len(l.heads) {
		return dst, fmt.Errorf("BUG: record for %s has %d columns, want %d", l.table.Name, rec.NumCols(), len(l.heads))
	}
	n := int(rec.NumRows())
	for _, r := range rows {
		if int(r) >= n {
			return dst, fmt.Errorf("BUG: row %d of %d rows of %s", r, n, l.table.Name)
		}
	}
	if stamp.Numbers != nil && len(stamp.Numbers) != n {
		return dst, fmt.Errorf("BUG: %d numbers for %d rows of %s", len(stamp.Numbers), n, l.table.Name)
	}
	if rows != nil {
		n = len(rows)
	}
	dst = binary.AppendUvarint(dst, uint64(len(l.stamps)+len(l.heads)))
	dst = binary.AppendUvarint(dst, uint64(n))
	dst = l.encodeStamp(dst, stamp, n, rows)
	for i, head := range l.heads {
		dst = append(dst, head...)
		var err error
		if dst, err = encodeColumn(dst, l.kinds[i], rec.Column(i), rows); err != nil {
			return dst, fmt.Errorf("column %s of %s: %w", l.table.Columns[i].Name, l.table.Name, err)
		}
	}
	return dst, nil
}

// encodeStamp appends the columns of schemas.StampColumns.
func (l *layout) encodeStamp(dst []byte, s schemas.Stamp, n int, rows []uint32) []byte {
	var v [16]byte
	u32 := func(x uint32) []byte { return binary.LittleEndian.AppendUint32(v[:0], x) }
	u64 := func(x uint64) []byte { return binary.LittleEndian.AppendUint64(v[:0], x) }
	dst = repeat(append(dst, l.stamps[0]...), u32(s.Lane), n)
	dst = repeat(append(dst, l.stamps[1]...), u64(s.Term), n)
	dst = repeat(append(dst, l.stamps[2]...), u64(s.Epoch), n)
	dst = repeat(append(dst, l.stamps[3]...), AppendUUID(v[:0], s.PlanID), n)
	dst, tail := grow(append(dst, l.stamps[4]...), 4*n)
	for i := range n {
		r := uint32(i)
		if rows != nil {
			r = rows[i]
		}
		if s.Numbers != nil {
			r = s.Numbers[r]
		}
		binary.LittleEndian.PutUint32(tail[4*i:], r)
	}
	return repeat(append(dst, l.stamps[5]...), u32(s.Lane), n)
}

func encodeColumn(dst []byte, k kind, a arrow.Array, rows []uint32) ([]byte, error) {
	d := a.Data()
	bufs, off, n := d.Buffers(), d.Offset(), d.Len()
	if a.NullN() > 0 && k != kindNullableTime {
		return dst, fmt.Errorf("BUG: %d nulls in a column that has none", a.NullN())
	}
	bytesOf := func(i, width int) []byte {
		if n == 0 {
			return nil
		}
		return bufs[i].Bytes()[off*width : (off+n)*width]
	}
	switch k {
	case kindFixed1, kindFixed2, kindFixed4, kindFixed8:
		return appendFixed(dst, bytesOf(1, int(k)), int(k), rows), nil
	case kindUUID:
		return appendUUIDs(dst, bytesOf(1, 16), rows), nil
	case kindNullableTime:
		var valid []byte
		if bufs[0] != nil {
			valid = bufs[0].Bytes()
		}
		dst = appendNulls(dst, valid, off, n, rows)
		return appendFixed(dst, bytesOf(1, 8), 8, rows), nil
	}
	if n == 0 && k != kindLowCardinality {
		return dst, nil
	}
	switch k {
	case kindString:
		return appendStrings(dst, int32s(bufs[1].Bytes())[off:off+n+1], bufs[2].Bytes(), rows), nil
	case kindArray:
		child := d.Children()[0]
		values := child.Buffers()[1].Bytes()
		return appendLists(dst, int32s(bufs[1].Bytes())[off:off+n+1], values[8*child.Offset():], rows), nil
	case kindLowCardinality:
		dict, ok := a.(*array.Dictionary)
		if !ok {
			return dst, fmt.Errorf("BUG: %s is not a dictionary", a.DataType())
		}
		names := dict.Dictionary().Data()
		offsets := int32s(names.Buffers()[1].Bytes())[names.Offset() : names.Offset()+names.Len()+1]
		return appendLowCardinality(dst, offsets, names.Buffers()[2].Bytes(), bytesOf(1, 1), rows), nil
	}
	return dst, fmt.Errorf("BUG: unknown kind %d", k)
}

// quote writes an identifier.
func quote(name string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(name) + "`"
}
