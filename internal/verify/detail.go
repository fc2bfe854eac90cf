package verify

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/storepulse/storepulse/schemas"
)

// row is one row of an epoch, by number.
type row struct {
	number uint32
	topic  schemas.Topic
	offset int64
	copies uint64
}

// rowsNamed bounds what is read of an epoch that differs.
const rowsNamed = 2_000_000

// detail names the rows in which an epoch differs. It says nothing if none do:
// an epoch with refused rows comes here to be looked at closely.
func (l *laneCheck) detail(ctx context.Context, e *epoch, table schemas.TableID, want, have int64) error {
	name := schemas.TableName(table)
	args := l.args(0, 0)
	args["epoch"], args["plan"] = fmt.Sprint(e.number()), uuid.UUID(e.plan.ID).String()
	const ofPlan = " WHERE lane = {lane:UInt32} AND epoch = {epoch:UInt64} AND plan_id = {plan:UUID} AND "
	var rows []row
	refused := map[uint32]bool{}
	err := l.client.Each(ctx, `SELECT epoch_row, any(kafka_topic = {orders:String}), any(kafka_offset), count() FROM `+name+ofPlan+`epoch_row < 2147483648
		GROUP BY epoch_row ORDER BY epoch_row LIMIT `+fmt.Sprint(rowsNamed), args, func(r driver.Rows) error {
		var it row
		var orders uint8
		err := r.Scan(&it.number, &orders, &it.offset, &it.copies)
		it.topic = schemas.Topic(orders)
		rows = append(rows, it)
		return err
	})
	if err == nil {
		args["low"], args["high"] = fmt.Sprint(schemas.RefusedNumber(table, 0)), fmt.Sprint(schemas.RefusedNumber(table, 1<<24-1))
		err = l.client.Each(ctx, `SELECT DISTINCT epoch_row FROM dead_letters`+ofPlan+`epoch_row >= {low:UInt32} AND epoch_row <= {high:UInt32}`, args, func(r driver.Rows) error {
			var n uint32
			err := r.Scan(&n)
			refused[n&(1<<24-1)] = true
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("read the rows of epoch %d in %s: %w", e.number(), name, err)
	}
	var d difference
	part := e.partial() || len(rows) > 0 && rows[len(rows)-1].number >= partNumbers
	if table != schemas.FactSessions && !part {
		d.findMissing(rows, refused, want, e, table)
	}
	d.findSurplus(rows, refused, want, e, table, part)
	if len(d.texts) == 0 && (have == want || table == schemas.FactSessions) {
		return nil
	}
	f := l.finding(e, "tables", name, fmt.Sprintf("%d rows stand, the ledger says %d", have, want), "")
	if len(d.texts) > 0 {
		f.What += ": " + strings.Join(d.texts, "; ")
	}
	f.Remedy = remedy(d)
	topic, _ := topicOf(table)
	f.events[topic] = max(d.missing+d.surplus, have-want, want-have)
	if table == schemas.FactEvents {
		l.missing, l.surplus = l.missing || d.missing > 0, l.surplus || d.surplus > 0
		l.differs = append(l.differs, e.number())
	}
	l.report.add(f)
	return nil
}

func remedy(d difference) string {
	switch {
	case d.missing > 0 && d.surplus == 0:
		return "rows were deleted or a disk lost them: restore the partition from a backup; while Kafka has the records, a pipeline on an empty database gives them again"
	case d.surplus > 0 && d.missing == 0:
		return "rows were inserted by hand or restored twice: delete one of each pair"
	}
	return "rows were changed behind the program: restore the table from a backup"
}

// difference collects what is said of an epoch's rows.
type difference struct {
	texts            []string
	missing, surplus int64
}

func (d *difference) say(n int64, into *int64, format string, args ...any) {
	if *into += n; len(d.texts) < 12 {
		d.texts = append(d.texts, fmt.Sprintf(format, args...))
	}
}

// findMissing names the numbers that no row bears, run by run, and where in
// Kafka their records lie: rows of one topic are numbered by offset.
func (d *difference) findMissing(rows []row, refused map[uint32]bool, want int64, e *epoch, table schemas.TableID) {
	at := 0
	for n := uint32(0); int64(n) < want; n++ {
		if at < len(rows) && rows[at].number == n {
			at++
			continue
		}
		if refused[n] {
			continue
		}
		first := n
		for int64(n)+1 < want && !refused[n+1] && (at == len(rows) || rows[at].number != n+1) {
			n++
		}
		d.say(int64(n-first)+1, &d.missing, "missing %s%s", numbers(first, n), position(rows, at, int64(n-first)+1, e, table))
	}
}

func numbers(first, last uint32) string {
	if first == last {
		return fmt.Sprintf("row %d", first)
	}
	return fmt.Sprintf("rows %d to %d", first, last)
}

// position says where the records of missing rows lie, as far as the rows
// around them tell; rows[at] is the one after them.
func position(rows []row, at int, n int64, e *epoch, table schemas.TableID) string {
	topic, facts := topicOf(table)
	var low, high int64 // exclusive
	switch {
	case facts && !e.missing:
		low, high = e.plan.Ranges[topic].Start-1, e.plan.Ranges[topic].End
		if at > 0 {
			low = rows[at-1].offset
		}
		if at < len(rows) {
			high = rows[at].offset
		}
	case at > 0 && at < len(rows) && rows[at-1].topic == rows[at].topic:
		topic, low, high = rows[at].topic, rows[at-1].offset, rows[at].offset
		if table == schemas.FactOrderItems { // a record has several
			low, high = low-1, high+1
		}
	default:
		return ""
	}
	switch {
	case high-low-1 == n && n == 1:
		return fmt.Sprintf(" (%v offset %d)", topic, low+1)
	case high-low-1 >= n:
		return fmt.Sprintf(" (%v offset %d to %d)", topic, low+1, high-1)
	}
	return ""
}

// findSurplus names the rows that stand too much.
func (d *difference) findSurplus(rows []row, refused map[uint32]bool, want int64, e *epoch, table schemas.TableID, part bool) {
	seen := map[schemas.RowPosition]uint32{}
	_, exact := topicOf(table)
	exact = exact || table == schemas.DeadLetters
	for _, r := range rows {
		where := fmt.Sprintf("row %d (%v offset %d)", r.number, r.topic, r.offset)
		pos := schemas.RowPosition{Topic: r.topic, Offset: r.offset}
		before, again := seen[pos]
		seen[pos] = r.number
		switch {
		case r.copies > 1:
			d.say(int64(r.copies)-1, &d.surplus, "%s stands %d times", where, r.copies)
		case refused[r.number]:
			d.say(1, &d.surplus, "%s stands, and as a dead letter too", where)
		case int64(r.number) >= want && !part:
			d.say(1, &d.surplus, "%s stands beyond the last", where)
		case exact && again:
			d.say(1, &d.surplus, "%s is of the same record as row %d", where, before)
		case exact && !e.missing && (r.offset < e.plan.Ranges[r.topic].Start || r.offset >= e.plan.Ranges[r.topic].End):
			d.say(1, &d.surplus, "%s is of a record outside the epoch", where)
		}
	}
}
