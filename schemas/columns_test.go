package schemas

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/google/go-cmp/cmp"
)

// sampleColumn is a column of one Go type with the ClickHouse type it stands for.
type sampleColumn struct {
	name   string
	typ    string
	column Column
	add    func(i int)
	want   func(i int) string // as Arrow prints the value
}

func sampleColumns() []sampleColumn {
	u8, u16, u32, u64, i64 := &Fixed[uint8]{}, &Fixed[uint16]{}, &Fixed[uint32]{}, &Fixed[uint64]{}, &Fixed[int64]{}
	date, times, ids, nulls := &Fixed[uint16]{}, &Fixed[int64]{}, &Fixed[ID]{}, &NullTimes{}
	texts, words, lists := &Strings{}, &Dict{Names: PlatformNames}, &Lists{}
	stamp := func(i int) string {
		return time.UnixMilli(int64(i) * 86_400_123).UTC().Format("2006-01-02 15:04:05.999Z")
	}
	return []sampleColumn{
		{"UInt8", "UInt8", u8, func(i int) { u8.Append(uint8(i)) }, func(i int) string { return fmt.Sprint(uint8(i)) }},
		{"UInt16", "UInt16", u16, func(i int) { u16.Append(uint16(i)) }, func(i int) string { return fmt.Sprint(uint16(i)) }},
		{"Date", "Date", date, func(i int) { date.Append(uint16(i)) }, func(i int) string { return fmt.Sprint(uint16(i)) }},
		{"UInt32", "UInt32", u32, func(i int) { u32.Append(uint32(i) << 16) }, func(i int) string { return fmt.Sprint(uint32(i) << 16) }},
		{"UInt64", "UInt64", u64, func(i int) { u64.Append(uint64(i) << 56) }, func(i int) string { return fmt.Sprint(uint64(i) << 56) }},
		{"Int64", "Int64", i64, func(i int) { i64.Append(-int64(i)) }, func(i int) string { return fmt.Sprint(-i) }},
		{"UUID", "UUID", ids, func(i int) { ids.Append(ID{15: byte(i)}) }, func(i int) string { return string((&ID{15: byte(i)})[:]) }},
		{"DateTime64", "DateTime64(3)", times, func(i int) { times.Append(int64(i) * 86_400_123) }, stamp},
		{"Nullable DateTime64", "Nullable(DateTime64(3))", nulls, func(i int) { nulls.Append(int64(i%3) * 86_400_123) }, func(i int) string {
			if i%3 == 0 {
				return array.NullValueStr
			}
			return stamp(i % 3)
		}},
		{"String", "String", texts, func(i int) { texts.AppendString(text(i)) }, text},
		{"LowCardinality", "LowCardinality(String)", words, func(i int) { words.Append(uint8(i % len(PlatformNames))) }, func(i int) string { return PlatformNames[i%len(PlatformNames)] }},
		{"Array", "Array(UInt64)", lists, func(i int) { lists.Append(list(i)) }, func(i int) string { return fmt.Sprint(list(i)) }},
	}
}

func text(i int) string { return fmt.Sprintf("龙井%0*d", i%5, i)[:3*(i%3)] }

func list(i int) []uint64 { return []uint64{uint64(i), 2, 3}[:i%4] }

// Whatever rows are kept, the Arrow array holds exactly them, also after a
// reset and in a column without rows.
func TestColumns(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for _, c := range sampleColumns() {
		t.Run(c.name, func(t *testing.T) {
			typ, _ := arrowType(c.typ)
			for range 20 {
				c.column.Reset()
				var want []string
				var keep []bool
				for i := range rnd.IntN(40) {
					c.add(i)
					keep = append(keep, rnd.IntN(3) > 0)
					if keep[i] {
						want = append(want, c.want(i))
					}
				}
				if c.column.Len() != len(keep) {
					t.Fatalf("%d rows, want %d", c.column.Len(), len(keep))
				}
				c.column.Keep(keep)
				c.add(1) // a column goes on after rows were dropped
				want = append(want, c.want(1))
				if diff := cmp.Diff(printed(t, c.column.Arrow(typ)), want); diff != "" {
					t.Fatalf("(-got +want):\n%s", diff)
				}
			}
			c.column.Reset()
			if n := len(printed(t, c.column.Arrow(typ))); n != 0 || c.column.Len() != 0 {
				t.Errorf("%d values after a reset", n)
			}
			c.column.Keep(nil)
			if c.column.Len() != 0 {
				t.Errorf("%d rows after keeping none of none", c.column.Len())
			}
		})
	}
}

// printed reads an array back value by value.
func printed(t *testing.T, a arrow.Array) []string {
	t.Helper()
	defer a.Release()
	var out []string
	for i := range a.Len() {
		switch x := a.(type) {
		case *array.FixedSizeBinary:
			out = append(out, string(x.Value(i)))
		case *array.Dictionary:
			out = append(out, x.Dictionary().ValueStr(x.GetValueIndex(i)))
		case *array.List:
			from, to := x.ValueOffsets(i)
			out = append(out, fmt.Sprint(x.ListValues().(*array.Uint64).Uint64Values()[from:to]))
		default:
			out = append(out, a.ValueStr(i))
		}
	}
	return out
}

// Appending to a warm column allocates nothing.
func TestColumnsAllocateOnce(t *testing.T) {
	for _, c := range sampleColumns() {
		texts, isText := c.column.(*Strings)
		fill := func() {
			c.column.Reset()
			for i := range 100 {
				if isText {
					texts.Append([]byte("warm"))
				} else if _, isList := c.column.(*Lists); !isList {
					c.add(i)
				}
			}
		}
		fill()
		if n := testing.AllocsPerRun(10, fill); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}
