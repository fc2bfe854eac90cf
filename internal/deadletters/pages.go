package deadletters

import (
	"context"
	"fmt"
	"maps"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/storepulse/storepulse/internal/records"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// pageSize bounds what is held in memory: letters have up to 64 KiB each.
const pageSize = 250

// pages shows visit the chosen letters in the order they were received, a page
// at a time. Letters that are written meanwhile are not among them, so that a
// replay whose letters are refused again comes to an end.
func pages(ctx context.Context, q Querier, f Filter, visit func([]Letter) error) error {
	// By epochs, not by the clock: what is sent from here on is read by later ones.
	var heads []string
	err := rows(ctx, q, "the ledger", "SELECT lane, max(epoch) FROM epochs GROUP BY lane", nil, func(r driver.Rows) error {
		var lane uint32
		var epoch uint64
		err := r.Scan(&lane, &epoch)
		heads = append(heads, fmt.Sprintf("%d:%d", lane, epoch))
		return err
	})
	if err != nil {
		return err
	}
	where, base := f.where()
	where += " AND epoch <= {heads:Map(UInt32, UInt64)}[lane]"
	base["heads"] = "{" + strings.Join(heads, ",") + "}"
	left := f.Limit
	for after := (*Letter)(nil); ; {
		n := pageSize
		if f.Limit > 0 {
			n = min(n, left)
		}
		if n == 0 {
			return nil
		}
		args, at := maps.Clone(base), ""
		if after != nil {
			// The partition key first, so that a page does not read the days before.
			at = ` AND business_date >= toDate(fromUnixTimestamp64Milli({a_time:Int64}, 'UTC')) AND (received_at, kafka_topic, kafka_partition, kafka_offset, epoch_row)
				> (fromUnixTimestamp64Milli({a_time:Int64}, 'UTC'), {a_topic:String}, {a_partition:UInt32}, {a_offset:Int64}, {a_row:UInt32})`
			args["a_time"], args["a_topic"] = fmt.Sprint(after.Received.UnixMilli()), clickhouse.Text(after.Topic)
			args["a_partition"], args["a_offset"], args["a_row"] = fmt.Sprint(after.Partition), fmt.Sprint(after.Offset), fmt.Sprint(after.EpochRow)
		}
		page := make([]Letter, 0, n)
		err := rows(ctx, q, "dead letters", fmt.Sprintf(`SELECT %s FROM dead_letters WHERE %s%s
			ORDER BY received_at, kafka_topic, kafka_partition, kafka_offset, epoch_row LIMIT %d`, letterColumns, where, at, n), args,
			func(r driver.Rows) error {
				l, err := scanLetter(r)
				page = append(page, l)
				return err
			})
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return nil
		}
		if err := visit(page); err != nil {
			return err
		}
		if len(page) < n {
			return nil
		}
		left -= len(page)
		last := page[len(page)-1]
		last.Key, last.Value = nil, nil
		after = &last
	}
}

// At gives the letters of one position: a record has one, or one for each of
// its rows that a table refused.
func At(ctx context.Context, q Querier, p records.Position) ([]Letter, error) {
	var list []Letter
	err := rows(ctx, q, "the dead letter", "SELECT "+letterColumns+` FROM dead_letters
		WHERE kafka_offset = {offset:Int64} AND kafka_partition = {partition:UInt32} AND kafka_topic = {topic:String} ORDER BY epoch, epoch_row`,
		ch.Parameters{"topic": clickhouse.Text(p.Topic), "partition": fmt.Sprint(p.Partition), "offset": fmt.Sprint(p.Offset)},
		func(r driver.Rows) error {
			l, err := scanLetter(r)
			list = append(list, l)
			return err
		})
	return list, err
}
