package clickhouse_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/schemas"
)

// copyClick appends an event of the visitor at minutes after firstTime.
func copyClick(e *schemas.Events, offset int64, visitor byte, source, id string, day uint16) {
	fill(e, 1, 1)
	row := e.Rows() - 1
	e.Offset[row], e.Visitor[row], e.Day[row] = offset, schemas.ID{visitor}, day
	setLast(&e.EventID, id)
	setLast(&e.Source, source)
}

func setLast(c *schemas.Strings, v string) {
	n := len(c.Offsets) - 2
	c.Data = append(c.Data[:c.Offsets[n]], v...)
	c.Offsets[n+1] = int32(len(c.Data))
}

func TestCopiesAreFoundByWhatMakesAnEvent(t *testing.T) {
	c, v := newClient(t), vocabulary(t)
	odd := "a,b'\\\x00\xff\"\t" // nothing in an id may end the list
	e := schemas.NewEvents(v)
	copyClick(e, 10, 1, "//web", "one", firstDay)
	copyClick(e, 11, 1, "//web", odd, firstDay)
	copyClick(e, 12, 2, "//web", "two", firstDay+9)
	for lane := range uint32(2) {
		claim(t, c, lane+1, 1)
	}
	insert := func(lane uint32, table schemas.TableID, f schemas.Facts) {
		rec := schemas.NewRecord(f)
		defer rec.Release()
		if err := c.Insert(t.Context(), fmt.Sprintf("storepulse/test/%d/1/%s", lane, f.Table().Name), "", schemas.Stamp{Lane: lane, Term: 1, Epoch: 1}, table, rec, nil); err != nil {
			t.Fatal(err)
		}
	}
	insert(1, schemas.FactEvents, e)
	other := schemas.NewEvents(v)
	copyClick(other, 3, 1, "//web", "elsewhere", firstDay)
	insert(2, schemas.FactEvents, other)
	o := schemas.NewOrders(v)
	fill(o, 1, 1)
	o.Offset[0] = 5
	setLast(&o.EventID, "paid-7")
	setLast(&o.Source, "//oms")
	insert(1, schemas.FactOrderEvents, o)

	ref := func(offset int64, visitor byte, source, id string, day int) schemas.EventRef {
		return schemas.EventRef{Offset: offset, Visitor: schemas.ID{visitor}, Source: []byte(source), ID: []byte(id), From: uint16(firstDay + day - 1), To: uint16(firstDay + day + 1)}
	}
	refs := []schemas.EventRef{
		ref(20, 1, "//web", "one", 0),
		ref(21, 1, "//web", odd, 1),
		ref(22, 2, "//web", "one", 0),         // another visitor's
		ref(23, 1, "//app", "one", 0),         // another producer's
		ref(24, 1, "//web", "One", 0),         // another id
		ref(25, 2, "//web", "two", 8),         // a day beside
		ref(26, 2, "//web", "two", 10),        // on the other side
		ref(27, 1, "//web", "elsewhere", 0),   // in another lane
		ref(10, 1, "//web", "one", 0),         // the record itself
		ref(9, 1, "//web", "one", 0),          // one before it
		ref(28, 1, "//web", "one", -1),        // the day after
		ref(29, 1, "//web", "unheard of", -5), // nothing
	}
	got, err := c.Copies(t.Context(), 1, schemas.Clickstream, refs)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(got, []int64{20, 21, 25, 26, 28}); d != "" {
		t.Errorf("clicks (-got, +want):\n%s", d)
	}
	if got, err = c.Copies(t.Context(), 1, schemas.Clickstream, refs[5:6]); err != nil || len(got) != 1 {
		t.Errorf("the day before: %v, %v", got, err)
	}
	far := ref(30, 2, "//web", "two", 7)
	if got, err = c.Copies(t.Context(), 1, schemas.Clickstream, []schemas.EventRef{far}); err != nil || len(got) != 0 {
		t.Errorf("two days before: %v, %v", got, err)
	}
	got, err = c.Copies(t.Context(), 1, schemas.OrdersTopic, []schemas.EventRef{ref(6, 0, "//oms", "paid-7", 0), ref(7, 0, "//oms", "paid-8", 0), ref(4, 0, "//oms", "paid-7", 0)})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(got, []int64{6}); d != "" {
		t.Errorf("orders (-got, +want):\n%s", d)
	}

	// More than one query takes, with ids as long as they may be.
	many := schemas.NewEvents(v)
	refs = refs[:0]
	long := strings.Repeat("ü", 60)
	var want []int64
	for i := range 1500 {
		id := fmt.Sprint(long, i)
		if i%2 == 0 {
			copyClick(many, int64(100+i), byte(i%7), "//web", id, uint16(firstDay+i%30))
			want = append(want, int64(5000+i))
		}
		refs = append(refs, ref(int64(5000+i), byte(i%7), "//web", id, i%30))
	}
	insert(1, schemas.FactEvents, many)
	if got, err = c.Copies(t.Context(), 1, schemas.Clickstream, refs); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("many (-got, +want):\n%s", d)
	}
}

// TestCopiesOfLongIDs: an id may have 512 bytes, and a request's value a size
// that 400 of them exceed.
func TestCopiesOfLongIDs(t *testing.T) {
	c, v := newClient(t), vocabulary(t)
	claim(t, c, 1, 1)
	e := schemas.NewEvents(v)
	var refs []schemas.EventRef
	var want []int64
	for i := range 400 {
		id := fmt.Sprintf("%s%03d", strings.Repeat("\xf0\x9f\x9b\x92", 127), i) + "x"
		copyClick(e, int64(i), 1, "//web", id, firstDay)
		refs = append(refs, schemas.EventRef{Offset: int64(1000 + i), Visitor: schemas.ID{1}, Source: []byte("//web"), ID: []byte(id), From: firstDay - 1, To: firstDay + 1})
		want = append(want, int64(1000+i))
	}
	if err := insert(t.Context(), c, "", schemas.Stamp{Lane: 1, Term: 1, Epoch: 1}, schemas.FactEvents, e, nil); err != nil {
		t.Fatal(err)
	}
	got, err := c.Copies(t.Context(), 1, schemas.Clickstream, refs)
	if err != nil {
		t.Fatalf("%.600v", err)
	}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("copies (-got, +want):\n%s", d)
	}
}
