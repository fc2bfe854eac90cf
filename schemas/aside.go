package schemas

import "encoding/json"

// Late holds one row per event that came outside the merge horizon.
type Late struct {
	Topic     Dict
	Offset    Fixed[int64]
	Tenant    Dict
	EventID   Strings
	Type      Dict
	Time      Fixed[int64]
	Day       Fixed[uint16]
	Visitor   Fixed[ID]
	Watermark Fixed[int64] // against which it was judged
	Class     Dict
}

// LateTable describes late_events.
var LateTable = &Table{Name: "late_events", Columns: []ColumnDef{
	{"kafka_topic", "LowCardinality(String)", "Kafka topic of the record"},
	{"kafka_offset", "Int64", "Kafka offset of the record"},
	{"tenant", "LowCardinality(String)", "shop"},
	{"event_id", "String", "id of the event, unique within source"},
	{"event_type", "LowCardinality(String)", "canonical event name"},
	{"event_time", "DateTime64(3)", "when it happened, UTC"},
	{"business_date", "Date", "local date of event_time in the shop's time zone"},
	{"visitor_id", "UUID", "hash of tenant and anonymous_id"},
	{"watermark", "DateTime64(3)", "watermark the event was judged against, UTC"},
	{"late_class", "LowCardinality(String)", "late or too_late"},
}}

// NewLate gives empty columns over the vocabulary's lists.
func NewLate(v *Vocabulary) *Late {
	return &Late{Topic: Dict{Names: v.Topics[:]}, Tenant: Dict{Names: v.TenantNames}, Type: Dict{Names: v.Types}, Class: Dict{Names: LateClassNames}}
}

func (l *Late) Table() *Table { return LateTable }
func (l *Late) Rows() int     { return len(l.Offset) }

// Columns are the stored columns in the order of LateTable.
func (l *Late) Columns() []Column {
	return []Column{&l.Topic, &l.Offset, &l.Tenant, &l.EventID, &l.Type, &l.Time, &l.Day, &l.Visitor, &l.Watermark, &l.Class}
}

// Reset empties the columns and keeps their memory.
func (l *Late) Reset() { resetAll(l.Columns()) }

// Reason says why a record became a dead letter; it indexes ReasonNames.
type Reason uint8

const (
	ReasonNone Reason = iota
	ReasonBadJSON
	ReasonTooLarge
	ReasonMissingRequired
	ReasonBadType // a field has the wrong JSON type
	ReasonBadValue
	ReasonBadTime
	ReasonBadMoney
	ReasonBadCurrency
	ReasonUnknownType
	ReasonUnknownTenant
	ReasonWrongTopic
	ReasonPII
	ReasonTooManyItems
	ReasonUnsupportedMode
	ReasonRefused // the store will never take the row
	NumReasons
)

var ReasonNames = []string{
	"none", "bad_json", "too_large", "missing_required", "bad_type", "bad_value", "bad_time", "bad_money", "bad_currency",
	"unknown_type", "unknown_tenant", "wrong_topic", "pii", "too_many_items", "unsupported_mode", "refused_by_store",
}

func (r Reason) String() string { return ReasonNames[r] }

// Letters holds dead letters: records set aside with their reason and
// position. Value is cut at 64 KiB and, for reason pii, without the value of
// the offending field.
type Letters struct {
	Topic        Dict
	Offset       Fixed[int64]
	Reason       Dict
	Field        Strings // JSON path of the offending field, empty if the record as a whole
	Detail       Strings // what is wrong and what would be right
	EventID      Strings // if it could be read
	Type         Strings // as the producer wrote it, if it could be read
	Received     Fixed[int64]
	Day          Fixed[uint16] // UTC date of Received: dead letters may have no tenant
	Key          Strings
	Value        Strings
	ValueBytes   Fixed[uint32]
	RefusedTable Strings       // for reason refused_by_store
	RefusedRow   Fixed[uint32] // row number in RefusedTable
}

// LettersTable describes dead_letters.
var LettersTable = &Table{Name: "dead_letters", Columns: []ColumnDef{
	{"kafka_topic", "LowCardinality(String)", "Kafka topic of the record"},
	{"kafka_offset", "Int64", "Kafka offset of the record"},
	{"reason", "LowCardinality(String)", "closed list reason"},
	{"field", "String", "JSON path of the offending field"},
	{"detail", "String", "what is wrong and what would be right"},
	{"event_id", "String", "id of the event, if it could be read"},
	{"event_type", "String", "type as the producer wrote it, if it could be read"},
	{"received_at", "DateTime64(3)", "Kafka timestamp of the record, UTC"},
	{"business_date", "Date", "UTC date of received_at"},
	{"record_key", "String", "Kafka key"},
	{"record_value", "String", "the record, at most 64 KiB of it, personal data removed"},
	{"value_bytes", "UInt32", "full size of the record's value in bytes"},
	{"refused_table", "String", "table whose insert refused the row, for refused_by_store"},
	{"refused_row", "UInt32", "row number in refused_table"},
}}

// NewLetters gives empty columns over the vocabulary's lists.
func NewLetters(v *Vocabulary) *Letters {
	return &Letters{Topic: Dict{Names: v.Topics[:]}, Reason: Dict{Names: ReasonNames}}
}

func (d *Letters) Table() *Table { return LettersTable }
func (d *Letters) Rows() int     { return len(d.Offset) }

// Columns are the stored columns in the order of LettersTable.
func (d *Letters) Columns() []Column {
	return []Column{
		&d.Topic, &d.Offset, &d.Reason, &d.Field, &d.Detail, &d.EventID, &d.Type, &d.Received, &d.Day, &d.Key, &d.Value, &d.ValueBytes,
		&d.RefusedTable, &d.RefusedRow,
	}
}

// Reset empties the columns and keeps their memory.
func (d *Letters) Reset() { resetAll(d.Columns()) }

// MaxLetterBytes bounds what a dead letter keeps of its record.
const MaxLetterBytes = 64 << 10

// AppendRefused adds the dead letter of a row that a table will never take.
// rec is the record it came from, nil where the watermark caused the row. The
// record was accepted, so nothing denied is in it; what is used and never
// stored, such as user_agent, is taken out here too.
func (d *Letters) AppendRefused(topic Topic, offset int64, table TableID, row uint32, detail string, rec *Record) {
	if rec == nil {
		rec = &Record{}
	}
	d.Topic.Append(uint8(topic))
	d.Offset.Append(offset)
	d.Reason.Append(uint8(ReasonRefused))
	d.Field.Append(nil)
	d.Detail.AppendString(detail[:min(len(detail), 500)])
	var head struct {
		ID   string `json:"id"`
		Type string `json:"type"`
	}
	_ = json.Unmarshal(rec.Value, &head) // only to find the letter by
	d.EventID.AppendString(head.ID[:min(len(head.ID), 4*maxID)])
	d.Type.AppendString(head.Type[:min(len(head.Type), 4*maxID)])
	received := storable(rec.Timestamp)
	d.Received.Append(received)
	d.Day.Append(uint16(received / 86_400_000))
	d.Key.Append(rec.Key)
	deny := newDenyList()
	value := deny.redact(nil, rec.Value[:min(len(rec.Value), MaxLetterBytes)])
	d.Value.Append(value[:min(len(value), MaxLetterBytes)])
	d.ValueBytes.Append(uint32(len(rec.Value)))
	d.RefusedTable.AppendString(TableName(table))
	d.RefusedRow.Append(row)
}
