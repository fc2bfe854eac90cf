// Package trace answers an audit: where a record stands in Kafka, which epoch
// read it, what it became, and which session and order it is in. It reads the
// tables and, if asked to, the record itself; it writes nothing. Nobody starts
// it.
package trace

import (
	"context"
	"fmt"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/storepulse/storepulse/internal/records"
	"github.com/storepulse/storepulse/schemas"
)

// Querier reads the store; sink/clickhouse's Client is one.
type Querier interface {
	Each(ctx context.Context, query string, args ch.Parameters, scan func(driver.Rows) error) error
}

// Kafka reads records by position; records.Reader is one.
type Kafka interface {
	Read(ctx context.Context, want []records.Position) (map[records.Position]*records.Record, error)
}

// Tracer looks things up. It is for one goroutine.
type Tracer struct {
	Store      Querier
	Vocabulary *schemas.Vocabulary
	Kafka      Kafka     // nil: records are not shown
	From, To   time.Time // bounds the days that are looked at; zero: all
	Limit      int       // of events of a visitor
}

// Report is the answer to one question.
type Report struct {
	Question string   `json:"question"`
	Records  []*Story `json:"records,omitempty"`
	Order    *Order   `json:"order,omitempty"`
	Visitor  *Visitor `json:"visitor,omitempty"`
	Notes    []string `json:"notes,omitempty"` // what was looked at, and what it may be if nothing was found
}

// Found says whether the question has an answer.
func (r *Report) Found() bool { return len(r.Records) > 0 || r.Order != nil || r.Visitor != nil }

func (r *Report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// Story is what became of one Kafka record.
type Story struct {
	records.Position
	Outcome  string   `json:"outcome"` // fact, late, too_late, dead letter, late copy, unknown, …
	Says     string   `json:"says"`    // the outcome in a sentence
	Event    *Fact    `json:"event,omitempty"`
	Letters  []Letter `json:"letters,omitempty"`
	Replayed string   `json:"replayed,omitempty"`  // position its dead letter was sent to
	Of       string   `json:"replay_of,omitempty"` // position of the dead letter it was sent for
	Epoch    *Epoch   `json:"epoch,omitempty"`
	Rows     []Rows   `json:"rows,omitempty"`
	Session  *Session `json:"session,omitempty"`
	Record   *Record  `json:"record,omitempty"`
}

// Fact is a row of fact_events or fact_order_events.
type Fact struct {
	Table        string    `json:"table"`
	Stamp        Stamp     `json:"stamp"`
	Tenant       string    `json:"tenant"`
	ID           string    `json:"event_id"`
	Source       string    `json:"source"`
	Type         string    `json:"event_type"`
	Time         time.Time `json:"event_time"`
	Received     time.Time `json:"received_at"`
	Day          time.Time `json:"-"`
	Visitor      uuid.UUID `json:"visitor_id"`
	OrderID      string    `json:"order_id,omitempty"`
	OrderHash    uint64    `json:"order_hash,omitempty"`
	OrderVersion uint64    `json:"order_version,omitempty"`
	Late         string    `json:"late_class"`
	Corrected    bool      `json:"time_corrected,omitempty"`
	Inserted     time.Time `json:"inserted_at"`
	Record       string    `json:"record"` // position in Kafka

	at records.Position
}

// Stamp is the identity of a row in the ledger.
type Stamp struct {
	Lane   uint32    `json:"lane"`
	Term   uint64    `json:"term"`
	Epoch  uint64    `json:"epoch"`
	PlanID uuid.UUID `json:"plan_id"`
	Row    uint32    `json:"epoch_row"`
}

// Rows are the rows of one table that one record caused.
type Rows struct {
	Table  string   `json:"table"`
	Number uint64   `json:"rows"`
	Rows   []uint32 `json:"epoch_rows"`
}

// Letter is a dead letter of the record.
type Letter struct {
	Stamp    Stamp     `json:"stamp"`
	Reason   string    `json:"reason"`
	Field    string    `json:"field,omitempty"`
	Detail   string    `json:"detail"`
	EventID  string    `json:"event_id,omitempty"`
	Table    string    `json:"refused_table,omitempty"`
	Received time.Time `json:"received_at"`

	at records.Position
}

// days bounds a column of dates by From and To.
func (t *Tracer) days(args ch.Parameters) string {
	where := ""
	if !t.From.IsZero() {
		where += " AND business_date >= {from:Date}"
		args["from"] = t.From.UTC().Format(time.DateOnly)
	}
	if !t.To.IsZero() {
		where += " AND business_date <= {to:Date}"
		args["to"] = t.To.UTC().Format(time.DateOnly)
	}
	return where
}

// each runs a read and calls scan for every row.
func (t *Tracer) each(ctx context.Context, what, query string, args ch.Parameters, scan func(driver.Rows) error) error {
	if err := t.Store.Each(ctx, query, args, scan); err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}

const stampColumns = "lane, term, epoch, plan_id, epoch_row, kafka_topic, kafka_partition, kafka_offset"

func stampInto(s *Stamp, p *records.Position) []any {
	return []any{&s.Lane, &s.Term, &s.Epoch, &s.PlanID, &s.Row, &p.Topic, &p.Partition, &p.Offset}
}

// facts reads rows of one table.
func (t *Tracer) facts(ctx context.Context, table, where string, args ch.Parameters) ([]Fact, error) {
	return t.someFacts(ctx, table, where, "", args)
}

// someFacts is facts with an order and a limit.
func (t *Tracer) someFacts(ctx context.Context, table, where, order string, args ch.Parameters) ([]Fact, error) {
	hash, version := "toUInt64(0)", "toUInt64(0)"
	if table == orderEvents {
		hash, version = "order_hash", "order_version"
	}
	var list []Fact
	err := t.each(ctx, table, "SELECT "+stampColumns+", tenant, event_id, source, event_type, event_time, received_at, business_date, visitor_id, order_id, "+
		hash+", "+version+", late_class, time_corrected, inserted_at FROM "+table+" WHERE "+where+t.days(args)+order, args,
		func(r driver.Rows) error {
			f := Fact{Table: table}
			err := r.Scan(append(stampInto(&f.Stamp, &f.at), &f.Tenant, &f.ID, &f.Source, &f.Type, &f.Time, &f.Received, &f.Day, &f.Visitor, &f.OrderID,
				&f.OrderHash, &f.OrderVersion, &f.Late, &f.Corrected, &f.Inserted)...)
			f.Record = f.at.String()
			list = append(list, f)
			return err
		})
	return list, err
}

// letters reads dead letters.
func (t *Tracer) letters(ctx context.Context, where string, args ch.Parameters) ([]Letter, error) {
	var list []Letter
	err := t.each(ctx, "dead letters", "SELECT "+stampColumns+", reason, field, detail, event_id, refused_table, received_at FROM dead_letters WHERE "+where+t.days(args), args,
		func(r driver.Rows) error {
			var l Letter
			err := r.Scan(append(stampInto(&l.Stamp, &l.at), &l.Reason, &l.Field, &l.Detail, &l.EventID, &l.Table, &l.Received)...)
			list = append(list, l)
			return err
		})
	return list, err
}

const (
	clickEvents = "fact_events"
	orderEvents = "fact_order_events"
)

// ofPosition is the condition for rows of one record.
const ofPosition = "kafka_offset = {offset:Int64} AND kafka_partition = {partition:UInt32} AND kafka_topic = {topic:String}"
