package judge

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/storepulse/storepulse/schemas"
)

// lines is what the rows of a record add up to in a table beside its fact.
type lines struct {
	Rows   uint64
	Amount int64 // minor units; of late_events 1 for late, 2 for too_late
}

// beside are the tables that hold rows of a record beside its fact.
var beside = [...]struct{ table, amount string }{
	{"fact_order_items", "amount_minor"},
	{"fact_refunds", "refund_minor"},
	{"late_events", "toInt64(if(late_class = 'late', 1, 2))"},
}

// expectLines notes what the accepted event must leave in those tables.
func (j *judgement) expectLines(at position, b *schemas.Batch, class string) {
	if n := b.Items.Rows(); n > 0 {
		l := lines{Rows: uint64(n)}
		for _, a := range b.Items.Amount {
			l.Amount += a
		}
		j.lines[0][at] = l
	}
	if at.topic == schemas.OrdersTopic {
		switch schemas.Kind(b.Orders.Kind[0]) {
		case schemas.KindRefundRequested, schemas.KindRefundSucceeded:
			j.lines[1][at] = lines{1, b.Orders.Refund[0]}
		}
	}
	switch class {
	case "late":
		j.lines[2][at] = lines{1, 1}
	case "too_late":
		j.lines[2][at] = lines{1, 2}
	}
}

func (j *judgement) judgeLines(ctx context.Context, _ Records) error {
	for i, b := range beside {
		want := j.lines[i]
		query := fmt.Sprintf("SELECT kafka_topic, kafka_partition, kafka_offset, count(), sum(%s) FROM %s GROUP BY kafka_topic, kafka_partition, kafka_offset", b.amount, b.table)
		err := j.each(ctx, b.table, query, func(rows driver.Rows) error {
			var at position
			var topic string
			var partition uint32
			var got lines
			if err := rows.Scan(&topic, &partition, &at.offset, &got.Rows, &got.Amount); err != nil {
				return err
			}
			var err error
			if at.topic, err = j.topicOf(topic); err != nil {
				return err
			}
			at.partition = int32(partition)
			if got != want[at] && !j.refused[refusal{at, b.table}] {
				j.report.fail(&j.report.LinesWrong, "%s: the rows of %s are %+v, want %+v", b.table, at, got, want[at])
			}
			delete(want, at)
			return nil
		})
		if err != nil {
			return err
		}
		for at, l := range want {
			if !j.refused[refusal{at, b.table}] {
				j.report.fail(&j.report.LinesWrong, "%s: nothing stands for %s, want %+v", b.table, at, l)
			}
		}
	}
	return nil
}
