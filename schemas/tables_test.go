package schemas

import (
	"slices"
	"testing"
)

func allFacts(v *Vocabulary) []Facts {
	return []Facts{NewEvents(v), NewSessions(v), NewOrders(v), NewOrderItems(v), NewRefunds(v), NewLate(v), NewLetters(v)}
}

// goTypes says which Go column may hold a ClickHouse type.
func holds(c Column, typ string) bool {
	switch c.(type) {
	case *Fixed[uint8]:
		return slices.Contains([]string{"UInt8", "Bool"}, typ)
	case *Fixed[uint16]:
		return slices.Contains([]string{"UInt16", "Date"}, typ)
	case *Fixed[uint32]:
		return typ == "UInt32"
	case *Fixed[uint64]:
		return typ == "UInt64"
	case *Fixed[int64]:
		return slices.Contains([]string{"Int64", "DateTime64(3)"}, typ)
	case *Fixed[ID]:
		return typ == "UUID"
	case *NullTimes:
		return typ == "Nullable(DateTime64(3))"
	case *Strings:
		return typ == "String"
	case *Dict:
		return typ == "LowCardinality(String)"
	case *Lists:
		return typ == "Array(UInt64)"
	}
	return false
}

// Every table's columns have the Go type that their declared ClickHouse type
// needs, a comment, and names that occur once; a record can be made of them.
func TestTables(t *testing.T) {
	v := testVocabulary(t)
	facts := allFacts(v)
	if len(facts) != int(NumTables) {
		t.Fatalf("%d kinds of facts, %d tables", len(facts), NumTables)
	}
	for _, f := range facts {
		table, columns := f.Table(), f.Columns()
		if len(columns) != len(table.Columns) {
			t.Fatalf("%s: %d columns, %d declared", table.Name, len(columns), len(table.Columns))
		}
		seen := map[string]bool{}
		for _, c := range StampColumns {
			seen[c.Name] = true
		}
		for i, def := range table.Columns {
			if !holds(columns[i], def.Type) {
				t.Errorf("%s.%s: %T cannot hold %s", table.Name, def.Name, columns[i], def.Type)
			}
			if seen[def.Name] || def.Comment == "" {
				t.Errorf("%s.%s: given twice, or without a comment", table.Name, def.Name)
			}
			seen[def.Name] = true
			if d, ok := columns[i].(*Dict); ok && (len(d.Names) == 0 || len(d.Names) > 256) {
				t.Errorf("%s.%s: %d names, want 1 to 256", table.Name, def.Name, len(d.Names))
			}
		}
		for _, rows := range []int{0, 3} {
			for range rows {
				for _, c := range columns {
					appendZero(t, c)
				}
			}
			rec := NewRecord(f)
			if rec.NumRows() != int64(rows) || int(rec.NumCols()) != len(columns) {
				t.Errorf("%s: record of %d × %d", table.Name, rec.NumRows(), rec.NumCols())
			}
			for i := range table.Columns {
				if got, _ := rec.Schema().Field(i).Metadata.GetValue("clickhouse"); got != table.Columns[i].Type {
					t.Errorf("%s.%s: metadata %q", table.Name, table.Columns[i].Name, got)
				}
				if rec.Column(i).Len() != rows {
					t.Errorf("%s.%s: %d values", table.Name, table.Columns[i].Name, rec.Column(i).Len())
				}
			}
			rec.Release()
		}
	}
}

func appendZero(t *testing.T, c Column) {
	t.Helper()
	switch c := c.(type) {
	case *Fixed[uint8]:
		c.Append(0)
	case *Fixed[uint16]:
		c.Append(0)
	case *Fixed[uint32]:
		c.Append(0)
	case *Fixed[uint64]:
		c.Append(0)
	case *Fixed[int64]:
		c.Append(0)
	case *Fixed[ID]:
		c.Append(ID{})
	case *NullTimes:
		c.Append(0)
	case *Strings:
		c.Append(nil)
	case *Dict:
		c.Append(0)
	case *Lists:
		c.Append(nil)
	default:
		t.Fatalf("no zero for %T", c)
	}
}

// A column that is too short is a bug that must not reach the store.
func TestRecordRefusesUnevenColumns(t *testing.T) {
	e := NewLate(testVocabulary(t))
	e.Offset.Append(1)
	defer func() {
		if recover() == nil {
			t.Error("no panic for a table with one filled column")
		}
	}()
	NewRecord(e)
}

// Keep and Reset reach every column of events and orders, also those that are
// not stored.
func TestKeepReachesEveryColumn(t *testing.T) {
	v := testVocabulary(t)
	b := NewBatch(v)
	d := NewDecoder(v)
	for range 3 {
		d.Decode(Clickstream, &Record{Value: []byte(richEvent), Timestamp: arrival}, b)
		d.Decode(OrdersTopic, &Record{Value: []byte(`{"id":"e","source":"s","type":"order.updated","time":"2026-03-01T01:30:00Z","order_id":"o","order_version":1}`), Timestamp: arrival}, b)
	}
	keep := []bool{true, false, true}
	b.Events.Keep(keep)
	b.Orders.Keep(keep)
	check := func(want int) {
		t.Helper()
		for _, group := range [][]Column{b.Events.Columns(), b.Events.side(), b.Orders.Columns(), b.Orders.side()} {
			for i, c := range group {
				if c.Len() != want {
					t.Errorf("column %d has %d rows, want %d", i, c.Len(), want)
				}
			}
		}
	}
	check(2)
	b.Reset()
	check(0)
}
