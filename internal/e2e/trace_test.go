package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/records"
	"github.com/storepulse/storepulse/internal/trace"
	"github.com/storepulse/storepulse/schemas"
)

// watched is a store that remembers what it was asked.
type watched struct {
	trace.Querier
	asked []asked
}

type asked struct {
	query string
	args  ch.Parameters
}

func (w *watched) Each(ctx context.Context, query string, args ch.Parameters, scan func(driver.Rows) error) error {
	w.asked = append(w.asked, asked{query, args})
	return w.Querier.Each(ctx, query, args, scan)
}

// indexes checks that every query that was asked of a table goes by one of the
// indexes.
func (w *watched) indexes(t *testing.T, table string, names ...string) {
	t.Helper()
	n := 0
	for _, a := range w.asked {
		if !strings.Contains(a.query, " FROM "+table+" WHERE") {
			continue
		}
		n++
		plan := ""
		err := w.Querier.Each(t.Context(), "EXPLAIN indexes = 1 "+a.query, a.args, func(rows driver.Rows) error {
			var line string
			err := rows.Scan(&line)
			plan += line + "\n"
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		used := false
		for _, name := range names {
			used = used || strings.Contains(plan, "Name: "+name)
		}
		if !used {
			t.Errorf("%s goes by none of the indexes %q:\n%s", a.query, names, plan)
		}
	}
	if n == 0 {
		t.Errorf("%s was not asked", table)
	}
	w.asked = nil
}

// TestTrace: every record of a batch is found with what became of it.
func TestTrace(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 1)
		at := time.Date(2026, 11, 10, 10, 0, 0, 0, time.UTC)
		click := func(id, visitor string, minute int) string {
			return fmt.Sprintf(`{"id":%q,"source":"/web","type":"page_view","time":%q,"anonymous_id":%q,"platform":"h5","page_type":"home"}`,
				id, at.Add(time.Duration(minute)*time.Minute).Format(time.RFC3339), visitor)
		}
		order := func(id string, version int, fields string) string {
			return fmt.Sprintf(`{"id":%q,"source":"/oms","time":"2026-11-10T11:%02d:00Z","anonymous_id":"a'1\\b","order_id":"o'1\\b","order_version":%d,"platform":"h5","currency":"CNY",%s}`,
				id, 10+version, version, fields)
		}
		const visitor = `a'1\b` // hostile enough for a literal
		var events []gen.Event
		add := func(topic schemas.Topic, minute int, value string) {
			events = append(events, gen.Event{Topic: topic, Key: []byte(visitor), Value: []byte(value), Time: at.Add(time.Duration(minute) * time.Minute)})
		}
		add(schemas.Clickstream, 0, click("e-0", visitor, 0))
		add(schemas.Clickstream, 61, click("e-60", visitor, 60)) // a session of its own
		s.send(events)
		s.run("migrate")
		s.ask("SYSTEM STOP MERGES fact_sessions") // every version is looked at
		worker := s.startWorker()
		s.wait("SELECT count() FROM fact_events", "2")
		events = nil
		add(schemas.Clickstream, 62, click("e-30", visitor, 30)) // joins the two
		add(schemas.Clickstream, 63, click("e-60", visitor, 60)) // a copy
		add(schemas.Clickstream, 63, "")                         // a tombstone
		add(schemas.Clickstream, 63, `{"id":"letter","source":"/web","type":"page_view"}`)
		add(schemas.OrdersTopic, 71, order("o-1", 1, `"type":"order.created","created_at":"2026-11-10T11:11:00Z","payable_amount":"10.00","items":[{"item_id":"s1","price":"10.00"}]`))
		add(schemas.OrdersTopic, 72, order("o-2", 2, `"type":"order.paid","paid_at":"2026-11-10T11:12:00Z","paid_amount":"10.00","payment_method":"alipay"`))
		add(schemas.OrdersTopic, 73, order("o-3", 3, `"type":"refund.succeeded","refund_id":"r1","amount":"4.00","reason":"size"`))
		add(schemas.Clickstream, 74, click("e-72", visitor, 72))
		s.send(events)
		s.wait("SELECT count() FROM fact_order_events", "3")
		s.wait("SELECT count() FROM fact_events", "4")
		worker.stop(t)
		s.drain()

		voc, err := s.cfg.Vocabulary()
		if err != nil {
			t.Fatal(err)
		}
		store := &watched{Querier: s.store()}
		tr := &trace.Tracer{Store: store, Vocabulary: voc, Kafka: s.reader(), Limit: 100}
		ask := func(r *trace.Report, err error) *trace.Report {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			if err := r.Print(&b); err != nil {
				t.Fatal(err)
			}
			t.Log("\n" + b.String())
			return r
		}
		one := func(r *trace.Report, outcome string) *trace.Story {
			t.Helper()
			if len(r.Records) != 1 || r.Records[0].Outcome != outcome {
				t.Fatalf("%s: want one record with outcome %s: %+v", r.Question, outcome, r.Records)
			}
			if e := r.Records[0].Epoch; e == nil || !e.Done || e.Counts == nil || e.Planned.IsZero() {
				t.Fatalf("%s: the epoch is %+v", r.Question, e)
			}
			return r.Records[0]
		}

		st := one(ask(tr.Event(t.Context(), "e-60", "/web")), "fact")
		if st.Session == nil || st.Session.Current.Events < 3 || len(st.Session.Withdrawn) != 1 || len(st.Session.Versions) < 2 {
			t.Errorf("the joined session is %+v", st.Session)
		}
		if st.Offset != 1 || st.Record == nil || !strings.Contains(st.Record.Value, "e-60") {
			t.Errorf("the record is %+v", st.Record)
		}
		store.indexes(t, "fact_events", "event_ids", "offset_range")

		st = one(ask(tr.Event(t.Context(), "letter", "")), "dead letter")
		if len(st.Letters) != 1 || st.Letters[0].Reason != "missing_required" {
			t.Errorf("the letter is %+v", st.Letters)
		}
		if r := ask(tr.Event(t.Context(), "nobody", "")); r.Found() || len(r.Notes) == 0 {
			t.Errorf("nobody was found: %+v", r)
		}

		place := func(offset int64) records.Position {
			return records.Position{Topic: s.cfg.ClickHouse().Topics[0], Offset: offset}
		}
		one(ask(tr.Position(t.Context(), place(2))), "fact")
		if st = one(ask(tr.Position(t.Context(), place(3))), "duplicate"); !strings.Contains(st.Record.CopyOf, "e-60 of /web, which stands from "+place(1).String()) {
			t.Errorf("it is called a copy of %q", st.Record.CopyOf)
		}
		one(ask(tr.Position(t.Context(), place(4))), "tombstone")
		tr.Kafka = nil
		one(ask(tr.Position(t.Context(), place(3))), "no row")
		if r := ask(tr.Position(t.Context(), place(99))); r.Records[0].Outcome != "unread" {
			t.Errorf("beyond the end: %+v", r.Records[0])
		}

		store.asked = nil
		o := ask(tr.Orders(t.Context(), `o'1\b`, "")).Order
		if o == nil || o.Status != "paid" || o.Refunded != "partial" || len(o.Events) != 3 || len(o.Refunds) != 1 || o.Session == nil || o.Session.ID != sessionOf(t, tr, "e-60") {
			t.Errorf("the order is %+v", o)
		}
		store.indexes(t, "fact_order_events", "order_ids", "event_ids", "visitors", "offset_range")
		v := ask(tr.Visitors(t.Context(), visitor, "")).Visitor
		if v == nil || len(v.Events) != 7 || len(v.Sessions) != 1 || v.Events[0].Session == nil || *v.Events[0].Session != v.Sessions[0].ID {
			t.Errorf("the visitor is %+v", v)
		}
		store.indexes(t, "fact_events", "visitors", "event_ids", "offset_range")
		if again := ask(tr.Visitors(t.Context(), v.ID.String(), "")).Visitor; again == nil || len(again.Events) != 7 {
			t.Errorf("the visitor by UUID is %+v", again)
		}
		for _, args := range [][]string{
			{"trace", "--event", "e-60", "--record"},
			{"trace", "--order", `o'1\b`, "--json"},
			{"trace", "--visitor", visitor, "--from", "2026-11-10", "--to", "2026-11-11"},
			{"trace", "--position", "clickstream/0/3", "--record"},
		} {
			if said := s.run(args...); !strings.Contains(said, "e-60") && !strings.Contains(said, "o-1") {
				t.Errorf("%q says\n%s", args, said)
			}
		}
	})
}

// sessionOf gives the session that an event is in.
func sessionOf(t *testing.T, tr *trace.Tracer, id string) uuid.UUID {
	t.Helper()
	r, err := tr.Event(t.Context(), id, "")
	if err != nil || len(r.Records) != 1 || r.Records[0].Session == nil {
		t.Fatalf("%s: %+v, %v", id, r, err)
	}
	return r.Records[0].Session.ID
}
