package clickhouse_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

func vocabulary(t testing.TB) *schemas.Vocabulary {
	t.Helper()
	v, err := schemas.NewVocabulary([2]string{"ecom.clickstream.v1", "ecom.orders.v1"}, []schemas.Tenant{
		{ID: "acme", Location: time.UTC, Currency: "CNY"}, {ID: "beta", Location: time.UTC, Currency: "EUR"},
	}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// newFacts gives the empty facts of a table.
func newFacts(v *schemas.Vocabulary, id schemas.TableID) schemas.Facts {
	switch id {
	case schemas.FactEvents:
		return schemas.NewEvents(v)
	case schemas.FactSessions:
		return schemas.NewSessions(v)
	case schemas.FactOrderEvents:
		return schemas.NewOrders(v)
	case schemas.FactOrderItems:
		return schemas.NewOrderItems(v)
	case schemas.FactRefunds:
		return schemas.NewRefunds(v)
	case schemas.LateEvents:
		return schemas.NewLate(v)
	default:
		return schemas.NewLetters(v)
	}
}

// firstDay is 2026-09-01 in days and milliseconds.
const (
	firstDay  = 20697
	firstTime = int64(firstDay) * 86_400_000
)

// fill appends n rows with a different value in every cell, spread over days.
func fill(f schemas.Facts, n, days int) {
	for i := range n {
		for c, col := range f.Columns() {
			x := i*7 + c*13
			def := f.Table().Columns[c]
			switch col := col.(type) {
			case *schemas.Fixed[uint8]:
				col.Append(uint8(x % 2))
			case *schemas.Fixed[uint16]:
				if def.Type == "Date" {
					x = firstDay + i%days
				}
				col.Append(uint16(x))
			case *schemas.Fixed[uint32]:
				col.Append(uint32(x) * 99991)
			case *schemas.Fixed[uint64]:
				col.Append(uint64(x+1) * 0x9e3779b97f4a7c15)
			case *schemas.Fixed[int64]:
				v := int64(x-50) * 1_000_003
				if def.Type == "DateTime64(3)" {
					v = firstTime + int64(i)*1001
				}
				col.Append(v)
			case *schemas.Fixed[schemas.ID]:
				var v schemas.ID
				for k := range v {
					v[k] = byte(x + k*17)
				}
				col.Append(v)
			case *schemas.NullTimes:
				col.Append([]int64{0, firstTime + int64(x)}[i%2])
			case *schemas.Strings:
				col.AppendString(fmt.Sprintf("%s %d %.*s", def.Name, i, x%300, longText))
			case *schemas.Dict:
				col.Append(uint8(x % len(col.Names)))
			case *schemas.Lists:
				v := []uint64{}
				for k := range i % 4 {
					v = append(v, uint64(x+k)<<40)
				}
				col.Append(v)
			default:
				panic(fmt.Sprintf("column %s: %T", def.Name, col))
			}
		}
	}
}

var longText = "ein langer Text mit ümlauten und 中文, lang genug, daß seine Länge zwei Bytes braucht: " +
	"0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789"

// claim makes the term the owner of the lane.
func claim(t testing.TB, c *clickhouse.Client, lane uint32, term uint64) {
	t.Helper()
	if err := checkpoint.NewStore(c, "test").Claim(t.Context(), lane, term, "test", 4); err != nil {
		t.Fatal(err)
	}
}

func insert(ctx context.Context, c *clickhouse.Client, token string, stamp schemas.Stamp, id schemas.TableID, f schemas.Facts, rows []uint32) error {
	rec := schemas.NewRecord(f)
	defer rec.Release()
	return c.Insert(ctx, fmt.Sprintf("storepulse/test/%d/%d/1", stamp.Lane, stamp.Term), token, stamp, id, rec, rows)
}

func TestEveryColumnComesBackAsItWasAppended(t *testing.T) {
	c, v := newClient(t), vocabulary(t)
	claim(t, c, 3, 7)
	for id := range schemas.NumTables {
		f := newFacts(v, id)
		fill(f, 40, 3)
		stamp := schemas.Stamp{Lane: 3, Term: 7, Epoch: 9, PlanID: schemas.ID{1, 2, 3, 15: 16}}
		if err := insert(t.Context(), c, "roundtrip", stamp, id, f, nil); err != nil {
			t.Fatal(err)
		}
		for i, col := range f.Columns() {
			def := f.Table().Columns[i]
			var got, want []string
			rows, err := c.Query(t.Context(), fmt.Sprintf("SELECT toString(%s) FROM %s ORDER BY epoch_row", read(def), f.Table().Name), nil)
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
				var s string
				if err := rows.Scan(&s); err != nil {
					t.Fatal(err)
				}
				got = append(got, s)
			}
			for r := range f.Rows() {
				want = append(want, cell(col, r))
			}
			if d := cmp.Diff(got, want); d != "" {
				t.Errorf("%s.%s (-got, +want):\n%s", f.Table().Name, def.Name, d)
			}
		}
		var same uint64
		err := c.Conn().QueryRow(t.Context(), fmt.Sprintf(`SELECT countIf(lane = 3 AND term = 7 AND epoch = 9 AND kafka_partition = 3
			AND plan_id = '01020300-0000-0000-0000-000000000010' AND abs(dateDiff('second', inserted_at, now64(3))) < 1000) FROM %s`, f.Table().Name)).Scan(&same)
		if err != nil || same != 40 {
			t.Errorf("%s: %d of 40 rows carry the stamp: %v", f.Table().Name, same, err)
		}
	}
}

// read gives the SQL that shows a column as cell does.
func read(def schemas.ColumnDef) string {
	switch def.Type {
	case "DateTime64(3)":
		return "toUnixTimestamp64Milli(" + def.Name + ")"
	case "Nullable(DateTime64(3))":
		return "ifNull(toUnixTimestamp64Milli(" + def.Name + "), 0)"
	case "Date":
		return "toUInt16(" + def.Name + ")"
	case "Bool":
		return "toUInt8(" + def.Name + ")"
	}
	return def.Name
}

func cell(col schemas.Column, r int) string {
	switch col := col.(type) {
	case *schemas.Fixed[uint8]:
		return fmt.Sprint((*col)[r])
	case *schemas.Fixed[uint16]:
		return fmt.Sprint((*col)[r])
	case *schemas.Fixed[uint32]:
		return fmt.Sprint((*col)[r])
	case *schemas.Fixed[uint64]:
		return fmt.Sprint((*col)[r])
	case *schemas.Fixed[int64]:
		return fmt.Sprint((*col)[r])
	case *schemas.Fixed[schemas.ID]:
		b := (*col)[r]
		return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	case *schemas.NullTimes:
		return fmt.Sprint((*col)[r])
	case *schemas.Strings:
		return string(col.At(r))
	case *schemas.Dict:
		return col.Names[col.Index[r]]
	case *schemas.Lists:
		s := "["
		for i, v := range col.Values[col.Offsets[r]:col.Offsets[r+1]] {
			if i > 0 {
				s += ","
			}
			s += fmt.Sprint(v)
		}
		return s + "]"
	}
	panic(fmt.Sprintf("%T", col))
}

func TestSelectedRowsKeepTheirNumbers(t *testing.T) {
	c, v := newClient(t), vocabulary(t)
	claim(t, c, 1, 1)
	for id := range schemas.NumTables {
		f := newFacts(v, id)
		fill(f, 30, 1)
		stamp := schemas.Stamp{Lane: 1, Term: 1, Epoch: 2, PlanID: schemas.ID{5}}
		want := []uint32{0, 3, 4, 17, 29}
		if err := insert(t.Context(), c, "some", stamp, id, f, want); err != nil {
			t.Fatal(err)
		}
		got, err := c.Standing(t.Context(), id, stamp)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(got, want); d != "" {
			t.Errorf("%s (-got, +want):\n%s", f.Table().Name, d)
		}
		var offsets, expect []int64
		rows, err := c.Query(t.Context(), "SELECT kafka_offset FROM "+f.Table().Name+" ORDER BY epoch_row", nil)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var o int64
			if err := rows.Scan(&o); err != nil {
				t.Fatal(err)
			}
			offsets = append(offsets, o)
		}
		for _, r := range want {
			_, o := schemas.Position(f, int(r))
			expect = append(expect, o)
		}
		if d := cmp.Diff(offsets, expect); d != "" {
			t.Errorf("%s (-got, +want):\n%s", f.Table().Name, d)
		}
	}
}

func TestANewerClaimFencesTheOlder(t *testing.T) {
	c, v := newClient(t), vocabulary(t)
	claim(t, c, 1, 10)
	for id := range schemas.NumTables {
		f := newFacts(v, id)
		fill(f, 10, 1)
		before := schemas.Stamp{Lane: 1, Term: 10 + uint64(id), Epoch: 1, PlanID: schemas.ID{byte(id)}}
		if err := insert(t.Context(), c, "a", before, id, f, nil); err != nil {
			t.Fatal(err)
		}
		after := before
		after.Term++
		claim(t, c, 1, after.Term)
		for _, token := range []string{"a", "b"} { // also with a token seen before
			if err := insert(t.Context(), c, token, before, id, f, nil); !errors.Is(err, sink.ErrFenced) {
				t.Errorf("%s: former owner got %v", f.Table().Name, err)
			}
		}
		after.Epoch = 2
		if err := insert(t.Context(), c, "c", after, id, f, nil); err != nil {
			t.Errorf("%s: owner got %v", f.Table().Name, err)
		}
		other := schemas.Stamp{Lane: 99, Term: 1, Epoch: 1}
		if err := insert(t.Context(), c, "d", other, id, f, nil); !errors.Is(err, sink.ErrFenced) {
			t.Errorf("%s: a lane nobody claimed got %v", f.Table().Name, err)
		}
	}
	var states uint64
	if err := c.Conn().QueryRow(t.Context(), "SELECT sum(rows) FROM system.parts WHERE active AND database = currentDatabase() AND table = 'fact_orders'").Scan(&states); err != nil {
		t.Fatal(err)
	}
	if states == 0 || states > 20 {
		t.Errorf("fact_orders has %d rows of two accepted inserts of 10: refused inserts reached the view", states)
	}
}

func TestATokenIsWrittenOnce(t *testing.T) {
	c, v := newClient(t), vocabulary(t)
	claim(t, c, 1, 1)
	f := newFacts(v, schemas.FactOrderEvents)
	fill(f, 50, 12) // 12 partitions: 12 parts under one token
	stamp := schemas.Stamp{Lane: 1, Term: 1, Epoch: 1}
	for _, token := range []string{"same", "same", "same", "other"} {
		if err := insert(t.Context(), c, token, stamp, schemas.FactOrderEvents, f, nil); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]uint64{
		"SELECT count() FROM fact_order_events":                  100, // "same" once and "other" once
		"SELECT uniqExact(epoch_row) FROM fact_order_events":     50,
		"SELECT count() FROM orders":                             50,
		"SELECT sum(units = 0 OR payable_minor = 0) FROM orders": 0,
	} {
		var got uint64
		if err := c.Conn().QueryRow(t.Context(), query).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want && !(want == 0 && got < 50) {
			t.Errorf("%s = %d, want %d", query, got, want)
		}
	}
}

func TestARefusedRowIsFoundByProbes(t *testing.T) {
	c, v := newClient(t), vocabulary(t)
	claim(t, c, 1, 1)
	for _, table := range []string{"fact_refunds", "fact_refunds_probe"} {
		// A constraint of the operator's own; Null tables take no ALTER.
		if table == "fact_refunds" {
			if err := c.Exec(t.Context(), "ALTER TABLE fact_refunds ADD CONSTRAINT sane CHECK refund_id != 'bad'", nil); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for _, q := range []string{
			"DROP TABLE fact_refunds_probe", "ALTER TABLE fact_refunds DROP CONSTRAINT fenced", "CREATE TABLE fact_refunds_probe AS fact_refunds ENGINE = Null",
			"ALTER TABLE fact_refunds ADD CONSTRAINT fenced CHECK (lane, term) IN (SELECT lane, max(term) FROM lanes GROUP BY lane)",
		} {
			if err := c.Exec(t.Context(), q, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	f := schemas.NewRefunds(v)
	fill(f, 100, 2)
	f.RefundID.Reset()
	for i := range 100 {
		f.RefundID.AppendString([]string{"good", "bad"}[b2i(i == 37 || i == 80)])
	}
	rec := schemas.NewRecord(f)
	defer rec.Release()
	stamp := schemas.Stamp{Lane: 1, Term: 1, Epoch: 1}
	err := c.Insert(t.Context(), "q", "t", stamp, schemas.FactRefunds, rec, nil)
	var refused *sink.RefusedError
	if !errors.As(err, &refused) || refused.Code != 469 {
		t.Fatalf("insert with bad rows: %v", err)
	}
	var bad, good []uint32
	for r := range uint32(100) {
		err := c.Probe(t.Context(), schemas.FactRefunds, rec, []uint32{r})
		switch {
		case errors.As(err, &refused):
			bad = append(bad, r)
		case err != nil:
			t.Fatal(err)
		default:
			good = append(good, r)
		}
	}
	if d := cmp.Diff(bad, []uint32{37, 80}); d != "" {
		t.Errorf("refused rows (-got, +want):\n%s", d)
	}
	if err := c.Insert(t.Context(), "q", "t/rest", stamp, schemas.FactRefunds, rec, good); err != nil {
		t.Fatal(err)
	}
	got, err := c.Standing(t.Context(), schemas.FactRefunds, stamp)
	if err != nil || !slices.Equal(got, good) {
		t.Errorf("standing %d rows, want %d: %v", len(got), len(good), err)
	}
	// Their dead letters say which rows they stand for.
	letters := schemas.NewLetters(v)
	for _, r := range bad {
		topic, offset := schemas.Position(f, int(r))
		letters.AppendRefused(topic, offset, schemas.FactRefunds, r, refused.Text, nil)
		stamp.Numbers = append(stamp.Numbers, schemas.RefusedNumber(schemas.FactRefunds, r))
	}
	if err := insert(t.Context(), c, "letters", stamp, schemas.DeadLetters, letters, nil); err != nil {
		t.Fatal(err)
	}
	who, err := c.Refused(t.Context(), stamp)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(who, map[schemas.TableID][]uint32{schemas.FactRefunds: {37, 80}}); d != "" {
		t.Errorf("refused by dead letters (-got, +want):\n%s", d)
	}
	numbers, err := c.Standing(t.Context(), schemas.DeadLetters, stamp)
	if err != nil || !slices.Equal(numbers, stamp.Numbers) {
		t.Errorf("numbers of the dead letters: %v, want %v (%v)", numbers, stamp.Numbers, err)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
