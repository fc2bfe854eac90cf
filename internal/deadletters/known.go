package deadletters

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/storepulse/storepulse/internal/records"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// event identifies an event on a topic.
type event struct {
	topic      schemas.Topic
	source, id string
}

var factTables = [schemas.NumTopics]string{"fact_events", "fact_order_events"}

// facts finds which of the events are facts, and where they came from.
func facts(ctx context.Context, q Querier, events []event) (map[event]records.Position, error) {
	found := map[event]records.Position{}
	for t, table := range factTables {
		var ids []string
		for _, e := range events {
			if e.topic == schemas.Topic(t) {
				ids = append(ids, e.id)
			}
		}
		if len(ids) == 0 {
			continue
		}
		slices.Sort(ids)
		err := byID(ctx, q, table, "SELECT source, event_id, kafka_topic, kafka_partition, kafka_offset FROM "+table+" WHERE ",
			slices.Compact(ids), func(r driver.Rows) error {
				e := event{topic: schemas.Topic(t)}
				var p records.Position
				err := r.Scan(&e.source, &e.id, &p.Topic, &p.Partition, &p.Offset)
				found[e] = p
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// byID runs a query that ends before its condition on event_id, in as many
// pieces as long ids need.
func byID(ctx context.Context, q Querier, what, query string, ids []string, scan func(driver.Rows) error) error {
	for part := range clickhouse.Chunks(ids, pageSize, func(id *string) string { return clickhouse.Texts([]string{*id}) }) {
		if err := rows(ctx, q, what, query+"event_id IN {ids:Array(String)}", ch.Parameters{"ids": clickhouse.Texts(part)}, scan); err != nil {
			return err
		}
	}
	return nil
}

// earlier is what the table replays says of letters and events.
type earlier struct {
	letters map[records.Position]records.Position // sent letters: where the record stands
	events  map[[2]string][]records.Position      // sent events by source and id, those that were refused again left out
}

func readEarlier(ctx context.Context, q Querier, letters []records.Position, ids []string) (earlier, error) {
	e := earlier{map[records.Position]records.Position{}, map[[2]string][]records.Position{}}
	const columns = "SELECT letter_topic, letter_partition, letter_offset, source, event_id, topic, partition, offset FROM replays WHERE state != 'intent' AND "
	var sent []records.Position
	scan := func(r driver.Rows) error {
		var letter, at records.Position
		var source, id string
		err := r.Scan(&letter.Topic, &letter.Partition, &letter.Offset, &source, &id, &at.Topic, &at.Partition, &at.Offset)
		e.letters[letter] = at
		e.events[[2]string{source, id}] = append(e.events[[2]string{source, id}], at)
		sent = append(sent, at)
		return err
	}
	if len(letters) > 0 {
		if err := rows(ctx, q, "replays", columns+"(letter_topic, letter_partition, letter_offset) IN ("+tuples(letters)+")", nil, scan); err != nil {
			return e, err
		}
	}
	if err := byID(ctx, q, "replays", columns, ids, scan); err != nil {
		return e, err
	}
	if len(sent) == 0 {
		return e, nil
	}
	// What was refused again is a letter of its own and no reason against sending.
	again, err := standing(ctx, q, []string{"dead_letters"}, sent)
	for key, list := range e.events {
		e.events[key] = slices.DeleteFunc(list, func(p records.Position) bool { return again[p] != "" })
	}
	return e, err
}

// tuples writes positions as literals: a bound parameter cannot hold a list of tuples.
func tuples(list []records.Position) string {
	parts := make([]string, len(list))
	for i, p := range list {
		parts[i] = fmt.Sprintf("(%s, %d, %d)", clickhouse.Literal(p.Topic), p.Partition, p.Offset)
	}
	return strings.Join(parts, ", ")
}

// derived are the tables with rows of one record, which a second record would
// store again.
var derived = []string{"fact_events", "fact_order_events", "fact_order_items", "fact_refunds"}

// standing finds the positions with rows in the tables, and one table of each.
func standing(ctx context.Context, q Querier, tables []string, letters []records.Position) (map[records.Position]string, error) {
	found := map[records.Position]string{}
	for _, table := range tables {
		err := rows(ctx, q, table, "SELECT DISTINCT kafka_topic, kafka_partition, kafka_offset FROM "+table+
			" WHERE (kafka_topic, kafka_partition, kafka_offset) IN ("+tuples(letters)+") AND kafka_offset IN ("+offsets(letters)+")", nil,
			func(r driver.Rows) error {
				var p records.Position
				err := r.Scan(&p.Topic, &p.Partition, &p.Offset)
				found[p] = table
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// offsets repeats the positions for the index on the offset alone.
func offsets(list []records.Position) string {
	set := map[int64]bool{}
	for _, p := range list {
		set[p.Offset] = true
	}
	var parts []string
	for _, o := range slices.Sorted(maps.Keys(set)) {
		parts = append(parts, fmt.Sprint(o))
	}
	return strings.Join(parts, ", ")
}

// lastSeen gives the time of the newest session of a visitor near the event,
// and the watermark of the letter's epoch: the lane remembers the event for a
// while after both.
func lastSeen(ctx context.Context, q Querier, v *Verdict) (int64, error) {
	var session, watermark int64
	day := time.UnixMilli(v.EventTime).UTC()
	err := rows(ctx, q, "sessions of the visitor", `SELECT ifNull(toUnixTimestamp64Milli(max(end_time)), 0) FROM fact_sessions
		WHERE visitor_id = {visitor:UUID} AND business_date BETWEEN {from:Date} AND {to:Date}`,
		ch.Parameters{
			"visitor": uuid.UUID(v.visitor).String(),
			"from":    day.AddDate(0, 0, -2).Format(time.DateOnly), "to": day.AddDate(0, 0, 3).Format(time.DateOnly),
		}, func(r driver.Rows) error { return r.Scan(&session) })
	if err != nil {
		return 0, err
	}
	err = rows(ctx, q, "the letter's epoch", "SELECT max(watermark) FROM epochs WHERE lane = {lane:UInt32} AND epoch = {epoch:UInt64}",
		ch.Parameters{"lane": fmt.Sprint(v.Letter.Lane), "epoch": fmt.Sprint(v.Letter.Epoch)}, func(r driver.Rows) error { return r.Scan(&watermark) })
	return max(session, watermark, v.EventTime), err
}
