package trace

import (
	"context"
	"fmt"
	"slices"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/storepulse/storepulse/internal/records"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// Event looks for an event by its id; source may be empty.
func (t *Tracer) Event(ctx context.Context, id, source string) (*Report, error) {
	r := &Report{Question: "event " + id}
	args := ch.Parameters{"id": clickhouse.Text(id)}
	where, also := "event_id = {id:String}", ""
	if source != "" {
		r.Question += " of " + source
		args["source"] = clickhouse.Text(source)
		also = " AND source = {source:String}"
	}
	stories := map[records.Position]*Story{}
	story := func(p records.Position) *Story {
		if stories[p] == nil {
			stories[p] = &Story{Position: p}
			r.Records = append(r.Records, stories[p])
		}
		return stories[p]
	}
	for _, table := range []string{clickEvents, orderEvents} {
		facts, err := t.facts(ctx, table, where+also, args)
		if err != nil {
			return nil, err
		}
		for _, f := range facts {
			if s := story(f.at); s.Event == nil {
				s.Event = &f
			}
		}
	}
	letters, err := t.letters(ctx, where, args)
	if err != nil {
		return nil, err
	}
	for _, l := range letters {
		s := story(l.at)
		s.Letters = append(s.Letters, l)
	}
	slices.SortFunc(r.Records, func(a, b *Story) int { return a.Position.Compare(b.Position) })
	for _, s := range r.Records {
		if err := t.complete(ctx, s); err != nil {
			return nil, err
		}
	}
	if !r.Found() {
		r.note("looked at event_id in fact_events, fact_order_events and dead_letters%s: it stands nowhere", t.span())
		r.note("a copy of another record has no row: copies are dropped and counted by epoch. A dead letter whose id could not be read is found by its position")
		r.note("the record may be unread yet (storepulse status), or expired. With --position topic/partition/offset the look-up goes by position, with --record it says what is there")
	}
	return r, nil
}

func (t *Tracer) span() string {
	if t.From.IsZero() && t.To.IsZero() {
		return ""
	}
	return " of the given days"
}

// Position looks for what became of one record.
func (t *Tracer) Position(ctx context.Context, p records.Position) (*Report, error) {
	r := &Report{Question: "record " + p.String()}
	s := &Story{Position: p}
	r.Records = []*Story{s}
	args := positionArgs(p)
	for _, table := range []string{clickEvents, orderEvents} {
		facts, err := t.facts(ctx, table, ofPosition, args)
		if err != nil {
			return nil, err
		}
		if len(facts) > 0 && s.Event == nil {
			s.Event = &facts[0]
		}
	}
	var err error
	if s.Letters, err = t.letters(ctx, ofPosition, args); err != nil {
		return nil, err
	}
	return r, t.complete(ctx, s)
}

func positionArgs(p records.Position) ch.Parameters {
	return ch.Parameters{"topic": clickhouse.Text(p.Topic), "partition": fmt.Sprint(p.Partition), "offset": fmt.Sprint(p.Offset)}
}

// complete adds to a story what its fact and its letters lead to.
func (t *Tracer) complete(ctx context.Context, s *Story) error {
	stamp := (*Stamp)(nil)
	switch {
	case s.Event != nil:
		stamp = &s.Event.Stamp
	case len(s.Letters) > 0:
		stamp = &s.Letters[0].Stamp
	}
	var err error
	if stamp != nil {
		s.Epoch, err = t.epochOf(ctx, stamp)
	} else {
		s.Epoch, err = t.epochAt(ctx, s.Position)
	}
	if err != nil {
		return err
	}
	if s.Rows, err = t.rowsOf(ctx, s.Position); err != nil {
		return err
	}
	if err := t.replays(ctx, s); err != nil {
		return err
	}
	if t.Kafka != nil {
		if s.Record, err = t.record(ctx, s.Position); err != nil {
			return err
		}
	}
	if s.Event != nil {
		if s.Session, err = t.sessionOf(ctx, s.Event); err != nil {
			return err
		}
	}
	return t.judge(ctx, s)
}

// rowsOf counts what one record has in every table.
func (t *Tracer) rowsOf(ctx context.Context, p records.Position) ([]Rows, error) {
	var list []Rows
	for id := range schemas.NumTables {
		row := Rows{Table: schemas.TableName(id)}
		args := positionArgs(p)
		where := ofPosition
		if id == schemas.FactSessions {
			where += " AND is_deleted <= 1" // every version, tombstones too
		}
		err := t.each(ctx, row.Table, "SELECT count(), arraySort(groupArray(100)(epoch_row)) FROM "+row.Table+" WHERE "+where+t.days(args), args,
			func(r driver.Rows) error { return r.Scan(&row.Number, &row.Rows) })
		if err != nil {
			return nil, err
		}
		if row.Number > 0 {
			list = append(list, row)
		}
	}
	return list, nil
}

// replays says where a dead letter was sent to, or which one this record was
// sent for.
func (t *Tracer) replays(ctx context.Context, s *Story) error {
	at := func(into *string, query string) error {
		return t.each(ctx, "replays", query, positionArgs(s.Position), func(r driver.Rows) error {
			var p records.Position
			err := r.Scan(&p.Topic, &p.Partition, &p.Offset)
			*into = p.String()
			return err
		})
	}
	if len(s.Letters) > 0 {
		err := at(&s.Replayed, `SELECT topic, partition, offset FROM replays WHERE state != 'intent'
			AND letter_topic = {topic:String} AND letter_partition = {partition:UInt32} AND letter_offset = {offset:Int64} ORDER BY replayed_at`)
		if err != nil {
			return err
		}
	}
	return at(&s.Of, `SELECT letter_topic, letter_partition, letter_offset FROM replays WHERE state != 'intent'
		AND topic = {topic:String} AND partition = {partition:UInt32} AND offset = {offset:Int64} ORDER BY replayed_at`)
}
