package clickhouse

import (
	"bytes"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/storepulse/storepulse/schemas"
)

// A slice of a column and the selection of the same rows are the same bytes.
func TestSliceAndSelectionEncodeAlike(t *testing.T) {
	rec := benchEvents(t, 300)
	l := newLayout(schemas.EventsTable)
	var rows []uint32
	for r := range uint32(100) {
		rows = append(rows, 150+r)
	}
	check := func(name string, k kind, whole arrow.Array) {
		t.Helper()
		slice := array.NewSlice(whole, 150, 250)
		defer slice.Release()
		got, err := encodeColumn(nil, k, slice, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := encodeColumn(nil, k, whole, rows)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes of the slice differ from %d of the selection", name, len(got), len(want))
		}
	}
	for i, def := range schemas.EventsTable.Columns {
		check(def.Name, l.kinds[i], rec.Column(i))
	}
	times := array.NewTimestampBuilder(memory.DefaultAllocator, &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"})
	lists := array.NewListBuilder(memory.DefaultAllocator, arrow.PrimitiveTypes.Uint64)
	for i := range 300 {
		if i%3 == 0 {
			times.AppendNull()
		} else {
			times.Append(arrow.Timestamp(i))
		}
		lists.Append(true)
		for k := range i % 5 {
			lists.ValueBuilder().(*array.Uint64Builder).Append(uint64(i*10 + k))
		}
	}
	check("Nullable(DateTime64(3))", kindNullableTime, times.NewArray())
	check("Array(UInt64)", kindArray, lists.NewArray())
}

func TestEncodeRefusesWhatItCannotSay(t *testing.T) {
	rec := benchEvents(t, 3)
	l := newLayout(schemas.EventsTable)
	if _, err := l.encode(nil, schemas.Stamp{}, rec, []uint32{3}); err == nil {
		t.Error("a row beyond the record was encoded")
	}
	if _, err := l.encode(nil, schemas.Stamp{Numbers: []uint32{1}}, rec, nil); err == nil {
		t.Error("one number for three rows was taken")
	}
	if _, err := newLayout(schemas.LateTable).encode(nil, schemas.Stamp{}, rec, nil); err == nil {
		t.Error("a record of another table was encoded")
	}
}

func TestAWarmEncoderDoesNotAllocate(t *testing.T) {
	rec := benchEvents(t, 500)
	l := newLayout(schemas.EventsTable)
	buf := newBuffer()
	// So many that what else the process allocates meanwhile is less than one a run.
	n := testing.AllocsPerRun(500, func() {
		var err error
		if buf.block, err = l.encode(buf.block[:0], schemas.Stamp{}, rec, nil); err != nil {
			t.Fatal(err)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations per block of 500 rows", n)
	}
}
