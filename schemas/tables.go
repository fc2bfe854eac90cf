package schemas

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// TableID names a fact table; it indexes Tables.
type TableID uint8

const (
	FactEvents TableID = iota
	FactSessions
	FactOrderEvents
	FactOrderItems
	FactRefunds
	LateEvents
	DeadLetters // last: it also receives the rows that another table refused
	NumTables
)

// ColumnDef describes one column: its ClickHouse type decides the Arrow type.
type ColumnDef struct {
	Name    string
	Type    string // ClickHouse type, as in the migrations
	Comment string // meaning and unit; the migrations carry the same text
}

// Table describes one fact table as the transform fills it. The columns of
// StampColumns come first in ClickHouse; the sink fills them.
type Table struct {
	Name    string
	Columns []ColumnDef
}

// StampColumns stand in front of every fact table's own columns. They are the
// identity of the row in the ledger and are written by the sink, because the
// term is not known to the transform.
var StampColumns = []ColumnDef{
	{"lane", "UInt32", "lane = Kafka partition"},
	{"term", "UInt64", "claim under which the row was inserted"},
	{"epoch", "UInt64", "micro-batch of the lane, from 1"},
	{"plan_id", "UUID", "hash of the plan of the epoch"},
	{"epoch_row", "UInt32", "number of the row in this table and epoch, from 0"},
	{"kafka_partition", "UInt32", "Kafka partition of the record"},
}

// Stamp is the identity that the sink writes in front of each row of an insert.
type Stamp struct {
	Lane   uint32
	Term   uint64
	Epoch  uint64
	PlanID ID
	// Numbers are the epoch_row values of the record's rows; nil numbers them
	// by their place. Dead letters of refused rows use it (see RefusedNumber).
	Numbers []uint32
}

// MaxRows bounds the rows of a table in one epoch: RefusedNumber has 24 bits for
// them. The greatest epoch that can be configured stays below it.
const MaxRows = 1<<24 - 1

// RefusedNumber is the epoch_row of the dead letter that stands for a refused
// row: apart from the numbers of ordinary dead letters, and the same whenever
// the same row is refused.
func RefusedNumber(t TableID, row uint32) uint32 { return 1<<31 | uint32(t)<<24 | row }

// Facts is one table's rows of one epoch, column by column.
type Facts interface {
	Table() *Table
	Columns() []Column // in the order of Table().Columns
	Rows() int
}

// NewRecord wraps the facts as an Arrow record without copying the values. It
// is valid until the facts are reset. A column of another length is a bug.
func NewRecord(f Facts) arrow.Record {
	t := f.Table()
	cols := f.Columns()
	arrays := make([]arrow.Array, len(cols))
	schema := t.Arrow()
	for i, c := range cols {
		if c.Len() != f.Rows() {
			panic(fmt.Sprintf("BUG: %s.%s has %d rows, want %d", t.Name, t.Columns[i].Name, c.Len(), f.Rows()))
		}
		arrays[i] = c.Arrow(schema.Field(i).Type)
	}
	rec := array.NewRecord(schema, arrays, int64(f.Rows()))
	for _, a := range arrays {
		a.Release()
	}
	return rec
}

// Arrow gives the schema of the table's own columns (without the stamp). Each
// field carries its ClickHouse type as metadata "clickhouse".
func (t *Table) Arrow() *arrow.Schema {
	fields := make([]arrow.Field, len(t.Columns))
	for i, c := range t.Columns {
		typ, nullable := arrowType(c.Type)
		fields[i] = arrow.Field{Name: c.Name, Type: typ, Nullable: nullable, Metadata: arrow.NewMetadata([]string{"clickhouse"}, []string{c.Type})}
	}
	return arrow.NewSchema(fields, nil)
}

var arrowTypes = map[string]arrow.DataType{
	"UInt8": arrow.PrimitiveTypes.Uint8, "Bool": arrow.PrimitiveTypes.Uint8,
	"UInt16": arrow.PrimitiveTypes.Uint16, "Date": arrow.PrimitiveTypes.Uint16,
	"UInt32": arrow.PrimitiveTypes.Uint32, "UInt64": arrow.PrimitiveTypes.Uint64, "Int64": arrow.PrimitiveTypes.Int64,
	"UUID":                   &arrow.FixedSizeBinaryType{ByteWidth: 16},
	"String":                 arrow.BinaryTypes.String,
	"LowCardinality(String)": &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Uint8, ValueType: arrow.BinaryTypes.String},
	"DateTime64(3)":          &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"},
	"Array(UInt64)":          arrow.ListOf(arrow.PrimitiveTypes.Uint64),
}

func arrowType(ch string) (arrow.DataType, bool) {
	if ch == "Nullable(DateTime64(3))" {
		return arrowTypes["DateTime64(3)"], true
	}
	t, ok := arrowTypes[ch]
	if !ok {
		panic("BUG: no Arrow type for ClickHouse type " + ch)
	}
	return t, false
}

// TableName gives the name of a fact table.
func TableName(t TableID) string {
	return [NumTables]string{
		EventsTable.Name, SessionsTable.Name, OrdersTable.Name, OrderItemsTable.Name, RefundsTable.Name, LateTable.Name, LettersTable.Name,
	}[t]
}

// Position gives the Kafka position of a row; every table has topic and offset
// as its first two columns.
func Position(f Facts, row int) (Topic, int64) {
	cols := f.Columns()
	return Topic(cols[0].(*Dict).Index[row]), (*cols[1].(*Fixed[int64]))[row]
}

// RowPosition is where the record of a row stood in Kafka.
type RowPosition struct {
	Topic  Topic
	Offset int64
}

// EventRef is an event that somebody asks the facts for: the one under the same
// source and id, and of the same visitor if it is a click, of an earlier offset
// and between two business dates. Its byte slices alias the batch.
type EventRef struct {
	Offset     int64
	Visitor    ID // clickstream only
	Source, ID []byte
	From, To   uint16 // business dates, days since 1970
}
