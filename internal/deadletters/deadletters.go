// Package deadletters lists, shows, exports and replays records that were set
// aside. Nobody starts it; a command calls it and waits.
//
// # A replay arrives once
//
// A replayed record is an ordinary record: it goes to its topic with its id and
// key and becomes a fact by a lane's plan, as any other. That it becomes one
// fact and not two rests on three things, from the cheapest to the surest:
//
//  1. Nothing is sent that stands. A letter is left out if its (source, id) is a
//     fact, if an earlier run has sent the letter or another one of the same
//     event, and if a row that derives from it stands (see below).
//  2. An intent is durable before the record is sent: table replays names the
//     letter, the event and the end of the partition that the record will go
//     to. The row "sent" follows the broker's acknowledgement. A run that was
//     killed leaves intents without an answer; the next run looks for exactly
//     those records, from the noted end on, and sends only what is not there.
//  3. Whatever is sent twice all the same (an insert or a produce request that
//     was still under way when the look-up was made, two operators at once) is
//     a copy with the same key: it comes to the same lane, which drops copies by
//     (source, id) however late they are (docs/design.md, section 4).
//
// Hence the key. A record that had none would go to any partition, and two
// copies to two lanes that know nothing of each other: it is given the key that
// docs/events.md asks for (anonymous_id, else user_id, else order_id).
//
// # Rows that the store refused
//
// The record of such a letter was fine, and the lane has counted it: only its
// row is missing. While the lane remembers the id it would drop the record as a
// copy, so the letter waits until the watermark has passed that time. If other
// rows of the record stand (lines of the order, the refund), sending it again
// would store those twice: such a letter is not replayed but named.
package deadletters

import (
	"context"
	"fmt"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/storepulse/storepulse/internal/records"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// Querier reads and writes the store; sink/clickhouse's Client is one.
type Querier interface {
	Query(ctx context.Context, query string, args ch.Parameters) (driver.Rows, error)
}

// Letter is one row of dead_letters.
type Letter struct {
	records.Position
	Lane       uint32
	Epoch      uint64
	EpochRow   uint32
	Reason     string
	Field      string
	Detail     string
	EventID    string // as it could be read
	Type       string // as it could be read
	Received   time.Time
	Inserted   time.Time
	Key, Value []byte
	ValueBytes uint32 // of the whole value
	Table      string // refused_table
	Row        uint32 // refused_row
}

// whole says that the letter has every byte of the record: nothing was cut off
// and no personal data was taken out.
func (l *Letter) whole() bool { return uint32(len(l.Value)) == l.ValueBytes }

const letterColumns = `kafka_topic, kafka_partition, kafka_offset, lane, epoch, epoch_row, reason, field, detail, event_id, event_type,
	received_at, inserted_at, record_key, record_value, value_bytes, refused_table, refused_row`

func scanLetter(rows driver.Rows) (l Letter, err error) {
	var key, value string
	err = rows.Scan(&l.Topic, &l.Partition, &l.Offset, &l.Lane, &l.Epoch, &l.EpochRow, &l.Reason, &l.Field, &l.Detail, &l.EventID, &l.Type,
		&l.Received, &l.Inserted, &key, &value, &l.ValueBytes, &l.Table, &l.Row)
	l.Key, l.Value = []byte(key), []byte(value)
	return l, err
}

// Filter chooses letters. The zero value chooses all.
type Filter struct {
	Reasons  []string
	Topic    string // Kafka name, empty: both
	Field    string
	Lanes    []uint32  // empty: all
	From, To time.Time // received_at, half open
	Limit    int       // 0: none
}

// where gives the condition and its arguments.
func (f *Filter) where() (string, ch.Parameters) {
	args := ch.Parameters{}
	conditions := []string{"1"}
	if len(f.Reasons) > 0 {
		conditions = append(conditions, "reason IN {reasons:Array(String)}")
		args["reasons"] = clickhouse.Texts(f.Reasons)
	}
	if f.Topic != "" {
		conditions = append(conditions, "kafka_topic = {topic:String}")
		args["topic"] = clickhouse.Text(f.Topic)
	}
	if f.Field != "" {
		conditions = append(conditions, "field = {field:String}")
		args["field"] = clickhouse.Text(f.Field)
	}
	if len(f.Lanes) > 0 {
		conditions = append(conditions, "lane IN {lanes:Array(UInt32)}")
		args["lanes"] = strings.ReplaceAll(fmt.Sprint(f.Lanes), " ", ",")
	}
	if !f.From.IsZero() {
		conditions = append(conditions, "received_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND business_date >= toDate(fromUnixTimestamp64Milli({from:Int64}, 'UTC'))")
		args["from"] = fmt.Sprint(f.From.UnixMilli())
	}
	if !f.To.IsZero() {
		conditions = append(conditions, "received_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC') AND business_date <= toDate(fromUnixTimestamp64Milli({to:Int64}, 'UTC'))")
		args["to"] = fmt.Sprint(f.To.UnixMilli())
	}
	return strings.Join(conditions, " AND "), args
}

// rows runs a read and calls scan for each row.
func rows(ctx context.Context, q Querier, what, query string, args ch.Parameters, scan func(driver.Rows) error) error {
	r, err := q.Query(ctx, query, args)
	if err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	defer r.Close()
	for r.Next() {
		if err := scan(r); err != nil {
			return fmt.Errorf("read %s: %w", what, err)
		}
	}
	if err := r.Err(); err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}
