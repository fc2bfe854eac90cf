package deadletters

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/storepulse/storepulse/internal/records"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// Store is the database; sink/clickhouse's Client is one.
type Store interface {
	Querier
	InsertColumns(ctx context.Context, queryID, token, table string, rows int, cols []clickhouse.Column) error
}

// States of a row of replays.
const (
	stateIntent = "intent"
	stateSent   = "sent"
	stateFound  = "found"
)

// replayRow is a row of replays about one verdict.
type replayRow struct {
	v  *Verdict
	at records.Position // intent: end of the partition; else where the record stands
}

// note writes rows of one state, as one durable insert. token makes a repeat
// after an unknown outcome harmless.
func (r *Replay) note(ctx context.Context, state string, list []replayRow, token string) error {
	if len(list) == 0 {
		return nil
	}
	now := time.Now().UnixMilli()
	text := map[string][]byte{}
	add := func(column, v string) { text[column] = clickhouse.AppendString(text[column], v) }
	var letterPartition, letterOffset, partition, offset, run, at []byte
	for _, x := range list {
		add("letter_topic", x.v.Letter.Topic)
		letterPartition = binary.LittleEndian.AppendUint32(letterPartition, x.v.Letter.Partition)
		letterOffset = binary.LittleEndian.AppendUint64(letterOffset, uint64(x.v.Letter.Offset))
		add("event_id", x.v.ID)
		add("source", x.v.Source)
		add("state", state)
		run = clickhouse.AppendUUID(run, schemas.ID(r.Run))
		add("topic", x.at.Topic)
		partition = binary.LittleEndian.AppendUint32(partition, x.at.Partition)
		offset = binary.LittleEndian.AppendUint64(offset, uint64(x.at.Offset))
		hash := ""
		if r.Fix != nil {
			hash = r.Fix.Hash
		}
		add("fix", hash)
		add("replayed_by", r.By)
		at = binary.LittleEndian.AppendUint64(at, uint64(now))
	}
	cols := []clickhouse.Column{
		{Name: "letter_topic", Type: "String", Data: text["letter_topic"]},
		{Name: "letter_partition", Type: "UInt32", Data: letterPartition},
		{Name: "letter_offset", Type: "Int64", Data: letterOffset},
		{Name: "event_id", Type: "String", Data: text["event_id"]},
		{Name: "source", Type: "String", Data: text["source"]},
		{Name: "state", Type: "String", Data: text["state"]},
		{Name: "run", Type: "UUID", Data: run},
		{Name: "topic", Type: "String", Data: text["topic"]},
		{Name: "partition", Type: "UInt32", Data: partition},
		{Name: "offset", Type: "Int64", Data: offset},
		{Name: "fix", Type: "String", Data: text["fix"]},
		{Name: "replayed_by", Type: "String", Data: text["replayed_by"]},
		{Name: "replayed_at", Type: "DateTime64(3)", Data: at},
	}
	token = fmt.Sprintf("replay/%s/%s/%s", r.Run, state, token)
	var err error
	for try := range 5 {
		if try > 0 {
			select {
			case <-ctx.Done():
				return errors.Join(err, ctx.Err())
			case <-time.After(time.Second << (try - 1)):
			}
		}
		err = r.Store.InsertColumns(ctx, "", token, "replays", len(list), cols)
		if err == nil || !errors.Is(err, sink.ErrNotApplied) && !errors.Is(err, sink.ErrUnknown) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("note %d replays as %s: %w", len(list), state, err)
	}
	return nil
}

// pending is an intent without an answer.
type pending struct {
	source, id string
	from       records.Position  // where the record would stand at the earliest
	found      *records.Position // where it does
}

// findPending reads the intents that no later row answers and looks for their
// records in Kafka, from the noted end of the partition on.
func (p *planner) findPending(ctx context.Context) (map[records.Position]pending, error) {
	open := map[records.Position]pending{}
	err := rows(ctx, p.store, "replays", `SELECT letter_topic, letter_partition, letter_offset, argMin(source, replayed_at), argMin(event_id, replayed_at),
			argMin(topic, replayed_at), argMin(partition, replayed_at), min(offset)
		FROM replays GROUP BY letter_topic, letter_partition, letter_offset HAVING countIf(state != 'intent') = 0`, nil,
		func(r driver.Rows) error {
			var letter records.Position
			var o pending
			err := r.Scan(&letter.Topic, &letter.Partition, &letter.Offset, &o.source, &o.id, &o.from.Topic, &o.from.Partition, &o.from.Offset)
			open[letter] = o
			return err
		})
	if err != nil {
		return nil, err
	}
	type partition struct {
		topic  string
		number uint32
	}
	from := map[partition]int64{}
	wanted := map[event][]records.Position{} // letters of an event
	for letter, o := range open {
		topic, ok := records.TopicOf(o.from.Topic, p.judge.topics)
		if !ok {
			continue // of a topic that is no longer configured: nothing is sent there either
		}
		k := partition{o.from.Topic, o.from.Partition}
		if at, ok := from[k]; !ok || o.from.Offset < at {
			from[k] = o.from.Offset
		}
		e := event{topic, o.source, o.id}
		wanted[e] = append(wanted[e], letter)
	}
	for k, offset := range from {
		err := p.kafka.Scan(ctx, k.topic, k.number, schemas.Range{Start: offset, End: 1<<63 - 1}, func(r *records.Record) bool {
			topic, _ := records.TopicOf(k.topic, p.judge.topics)
			v := Verdict{Topic: topic, Key: r.Key, Value: r.Value, section: r.Section, Time: time.UnixMilli(r.Timestamp)}
			if p.judge.decode(&v) != schemas.ReasonNone {
				return true
			}
			for _, letter := range wanted[event{topic, v.Source, v.ID}] {
				if o := open[letter]; o.found == nil && r.Offset >= o.from.Offset && letter != r.Position {
					at := r.Position
					o.found = &at
					open[letter] = o
				}
			}
			return true
		})
		if err != nil {
			return nil, fmt.Errorf("look for the records of an interrupted replay: %w", err)
		}
	}
	return open, nil
}
