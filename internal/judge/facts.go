package judge

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/storepulse/storepulse/schemas"
)

// fact is what a row of fact_events or fact_order_events says that can be
// compared. Fields that the other table has stay zero.
type fact struct {
	Tenant, Type, Currency, Order, Refund string
	Visitor                               uuid.UUID
	User                                  uint64
	Time                                  int64 // Unix ms
	Day                                   string
	Value, Quantity                       int64 // of clicks
	Version                               uint64
	Rank                                  uint16
	Goods, Discount, Freight, Tax         int64
	Payable, Paid, Refunded               int64
	CreatedAt, PaidAt                     int64
	Test, Internal, Bot                   bool
}

// stored is what a table of facts holds.
type stored struct {
	rows []row
	byID map[string]int32 // last row of an identity; the others follow by next
	at   map[position]int32
}

type row struct {
	fact
	at    position
	epoch uint64
	late  string
	next  int32 // another row of the same identity, -1 = none
}

// identity is what makes two records copies of one event: source and id and,
// in the clickstream, the visitor.
func identity(t schemas.Topic, source, id string, visitor uuid.UUID) string {
	if t == schemas.Clickstream {
		return source + "\x00" + id + "\x00" + string(visitor[:])
	}
	return source + "\x00" + id
}

const factColumns = `kafka_topic, kafka_partition, kafka_offset, epoch, source, event_id, late_class,
	tenant, event_type, currency, order_id, visitor_id, user_hash, toUnixTimestamp64Milli(event_time), toString(business_date), is_test, is_internal`

func (j *judgement) loadFacts(ctx context.Context, _ Records) error {
	for t, q := range []struct{ table, columns string }{
		{"fact_events", "value_minor, toInt64(quantity), is_bot"},
		{"fact_order_events", `refund_id, order_version, status_rank, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor, refund_minor,
			ifNull(toUnixTimestamp64Milli(created_at), 0), ifNull(toUnixTimestamp64Milli(paid_at), 0)`},
	} {
		s := &stored{byID: map[string]int32{}, at: map[position]int32{}}
		j.stored[t] = s
		err := j.each(ctx, q.table, "SELECT "+factColumns+", "+q.columns+" FROM "+q.table, func(rows driver.Rows) error {
			var r row
			var topic, source, id string
			var partition uint32
			into := []any{
				&topic, &partition, &r.at.offset, &r.epoch, &source, &id, &r.late,
				&r.Tenant, &r.Type, &r.Currency, &r.Order, &r.Visitor, &r.User, &r.Time, &r.Day, &r.Test, &r.Internal,
			}
			if t == int(schemas.Clickstream) {
				into = append(into, &r.Value, &r.Quantity, &r.Bot)
			} else {
				into = append(into, &r.Refund, &r.Version, &r.Rank, &r.Goods, &r.Discount, &r.Freight, &r.Tax, &r.Payable, &r.Paid, &r.Refunded, &r.CreatedAt, &r.PaidAt)
			}
			if err := rows.Scan(into...); err != nil {
				return err
			}
			var err error
			if r.at.topic, err = j.topicOf(topic); err != nil {
				return err
			}
			r.at.partition, r.next = int32(partition), -1
			key, n := identity(schemas.Topic(t), source, id, r.Visitor), int32(len(s.rows))
			if other, ok := s.byID[key]; ok {
				r.next = other
			}
			s.byID[key], s.at[r.at] = n, n
			s.rows = append(s.rows, r)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// judgeFact compares the rows that stand for an event with what it must be and
// gives the row that is its fact, nil if there is none.
func (j *judgement) judgeFact(at position, key string, who name, want fact) *row {
	s := j.stored[at.topic]
	last, ok := s.byID[key]
	if !ok {
		if j.refused[refusal{at, [...]string{"fact_events", "fact_order_events"}[at.topic]}] {
			j.report.Refused++
			return nil
		}
		j.report.fail(&j.report.Lost, "lost: %s at %s has no fact", who, at)
		return nil
	}
	delete(s.byID, key)
	for n := s.rows[last].next; n >= 0; n = s.rows[n].next {
		j.report.fail(&j.report.Duplicated, "duplicated: %s at %s also stands as %s of epoch %d", who, at, s.rows[n].at, s.rows[n].epoch)
	}
	n, ok := s.at[at]
	if !ok {
		j.report.fail(&j.report.Wrong, "wrong: %s stands as %s, but its first copy lies at %s", who, s.rows[last].at, at)
		return &s.rows[last]
	}
	r := &s.rows[n]
	if r.fact != want {
		j.report.fail(&j.report.Wrong, "wrong: %s at %s (-row +record)\n%s", who, at, diff(r.fact, want))
	}
	return r
}

// judgeInvented names the facts that no record explains.
func (j *judgement) judgeInvented() {
	for _, s := range j.stored {
		for key, n := range s.byID {
			for ; n >= 0; n = s.rows[n].next {
				j.report.fail(&j.report.Invented, "invented: %s stands at %s of epoch %d, nobody sent it", nameOfKey(key), s.rows[n].at, s.rows[n].epoch)
			}
		}
	}
}

func nameOfKey(key string) name {
	parts := strings.SplitN(key, "\x00", 3)
	return name{parts[0], parts[1]}
}

// name is an event in words, spelt out only where it is needed.
type name struct{ source, id string }

func (n name) String() string { return fmt.Sprintf("event %q of %q", n.id, n.source) }
