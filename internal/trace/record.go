package trace

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"
	"unicode/utf8"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/storepulse/storepulse/internal/records"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// Record is the record itself, as Kafka has it.
type Record struct {
	There       bool              `json:"in_kafka"`
	Time        time.Time         `json:"timestamp"`
	Key         string            `json:"key"`
	Headers     map[string]string `json:"headers,omitempty"`
	Value       string            `json:"value"`
	ValueBase64 string            `json:"value_base64,omitempty"`
	CopyOf      string            `json:"copy_of,omitempty"` // source and id, and where its event stands

	raw *records.Record
}

func (t *Tracer) record(ctx context.Context, p records.Position) (*Record, error) {
	found, err := t.Kafka.Read(ctx, []records.Position{p})
	if err != nil {
		return nil, err
	}
	raw := found[p]
	if raw == nil {
		return &Record{}, nil
	}
	r := &Record{There: true, Time: time.UnixMilli(raw.Timestamp).UTC(), Key: string(raw.Key), raw: raw}
	if r.Value = string(raw.Value); !utf8.Valid(raw.Value) {
		r.Value, r.ValueBase64 = "", base64.StdEncoding.EncodeToString(raw.Value)
	}
	for _, h := range raw.Headers {
		if r.Headers == nil {
			r.Headers = map[string]string{}
		}
		r.Headers[h.Key] = string(h.Value)
	}
	return r, nil
}

// judge says what became of the record.
func (t *Tracer) judge(ctx context.Context, s *Story) error {
	say := func(outcome, format string, args ...any) {
		s.Outcome, s.Says = outcome, fmt.Sprintf(format, args...)
	}
	refused := ""
	for _, l := range s.Letters {
		if l.Table != "" {
			refused = fmt.Sprintf("; a row of it was refused by %s and is a dead letter", l.Table)
		}
	}
	switch e := s.Event; {
	case e != nil && e.Late == schemas.LateClassNames[schemas.LateNone]:
		say("fact", "a fact of %s%s", e.Table, refused)
		return nil
	case e != nil:
		where := "its order is up to date all the same"
		if e.Table == clickEvents {
			where = "in no session"
			if s.Session != nil {
				where = "its session was rebuilt"
			}
		}
		say(e.Late, "a fact that came %s after the watermark; %s%s", e.Late, where, refused)
		return nil
	case len(s.Letters) > 0:
		l := s.Letters[0]
		say("dead letter", "set aside: %s %s", l.Reason, l.Field)
		return nil
	}
	topic, _ := records.TopicOf(s.Topic, t.Vocabulary.Topics)
	ep := s.Epoch
	switch {
	case ep == nil:
		say("unread", "no epoch has read this offset: the lane has not come so far, or never existed (storepulse status)")
	case ep.copied(topic, s.Offset):
		say("late copy", "the plan names it as a copy of an event that stands already; dropped")
	case ep.Kind == "gap" || ep.Kind == "gap_done":
		say("lost", "lost to retention: Kafka had deleted it before it was read")
	case !ep.Done:
		say("in hand", "its epoch is planned and not known to be done")
	default:
		c := ep.Counts[topic]
		say("no row", "a duplicate, a tombstone or absent: this epoch counts %d duplicates, %d tombstones and %d absent of the topic", c.Duplicates, c.Tombstones, c.Absent)
	}
	if s.Record != nil && ep != nil {
		return t.identify(ctx, s, topic, say)
	}
	return nil
}

// identify decodes a record that has no row, and says what it is.
func (t *Tracer) identify(ctx context.Context, s *Story, topic schemas.Topic, say func(string, string, ...any)) error {
	switch r := s.Record; {
	case !r.There:
		s.Says += "; Kafka has no record there: it was removed by retention or compaction, or never visible (a control record, an aborted transaction)"
		return nil
	case len(r.raw.Value) == 0:
		say("tombstone", "a record without a value: counted, nothing stored")
		return nil
	}
	batch := schemas.NewBatch(t.Vocabulary)
	reason := schemas.NewDecoder(t.Vocabulary).Decode(topic, &schemas.Record{Key: s.Record.raw.Key, Value: s.Record.raw.Value, Headers: s.Record.raw.Section, Timestamp: s.Record.raw.Timestamp}, batch)
	if reason != schemas.ReasonNone {
		s.Says += fmt.Sprintf("; today's configuration would set it aside: %s %s", reason, batch.Letters.Detail.At(0))
		return nil
	}
	table, id, source := clickEvents, "", ""
	if topic == schemas.OrdersTopic {
		table, id, source = orderEvents, string(batch.Orders.EventID.At(0)), string(batch.Orders.Source.At(0))
	} else {
		id, source = string(batch.Events.EventID.At(0)), string(batch.Events.Source.At(0))
	}
	facts, err := t.facts(ctx, table, "event_id = {id:String} AND source = {source:String}", ch.Parameters{"id": clickhouse.Text(id), "source": clickhouse.Text(source)})
	if err != nil || len(facts) == 0 {
		s.Says += fmt.Sprintf("; it is event %s of %s, which is no fact", id, source)
		return err
	}
	s.Record.CopyOf = fmt.Sprintf("event %s of %s, which stands from %s", id, source, facts[0].at)
	say("duplicate", "a copy of %s; dropped and counted", s.Record.CopyOf)
	return nil
}
