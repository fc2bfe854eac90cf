package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/schemas"
)

// TestMostRowsAreRefused: a table that takes almost no row of an epoch is not
// filled up with dead letters. The lane stops, says what to do, and goes on from
// the same place when the table is mended.
func TestMostRowsAreRefused(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 1)
		s.start("migrate").wait(t)
		s.takeWhere("fact_events", "event_type = 'search'")
		s.load(shopping(65, began), 2000)
		epoch := append(s.env(), "STOREPULSE_INGEST_EPOCH_RECORDS=2000", "STOREPULSE_INGEST_EPOCH_INTERVAL=10s") // all of it
		s.refuses(epoch, "the store refuses more than 1000 rows of one epoch of fact_events", "the table does not fit this program", "run `storepulse migrate`, then restart")
		s.wantCount("SELECT count() FROM fact_events", 0)
		s.wantCount("SELECT count() FROM dead_letters WHERE reason = 'refused_by_store'", 0)
		s.wantCount("SELECT max(epoch) FROM epochs", 1)

		s.change("ALTER TABLE fact_events DROP CONSTRAINT nowhere")
		mentions(t, s.recovers(), "epoch=1 rerun=1 in_doubt=true")
		s.judge()
	})
}

// takeWhere makes a table take no row but those that meet the condition. The
// probe must refuse what the table does, the fence excepted: it is made anew as
// the migrations make it, because it cannot be altered.
func (s *shop) takeWhere(table, condition string) {
	s.t.Helper()
	s.change("DROP TABLE " + table + "_probe")
	s.change("ALTER TABLE " + table + " DROP CONSTRAINT fenced")
	s.change("ALTER TABLE " + table + " ADD CONSTRAINT nowhere CHECK " + condition)
	s.change("CREATE TABLE " + table + "_probe AS " + table + " ENGINE = Null")
	s.change("ALTER TABLE " + table + " ADD CONSTRAINT fenced CHECK (lane, term) IN (SELECT lane, max(term) FROM lanes GROUP BY lane)")
}

// TestRefusedRows: rows that a table will never take become dead letters, the
// rest of their epoch stands. Once the table takes them they can be replayed,
// except where that would store something twice, and not while the lane would
// drop them.
func TestRefusedRows(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 1)
		s.run("migrate")
		for table, condition := range map[string]string{
			"fact_events":       "region != 'CN-ZJ'",
			"fact_order_events": "ship_region != 'CN-ZJ'",
			"fact_order_items":  "item_id != 'bad'",
		} {
			s.takeWhere(table, condition)
		}
		at := time.Date(2026, 11, 10, 10, 0, 0, 0, time.UTC)
		var events []gen.Event
		add := func(topic schemas.Topic, after time.Duration, id, visitor, fields string) {
			source := "/web"
			if topic == schemas.OrdersTopic {
				source = "/oms"
			}
			when := at.Add(after)
			events = append(events, gen.Event{Topic: topic, Key: []byte(visitor), Time: when, Value: []byte(`{"id":"` + id + `","source":"` + source + `","time":"` +
				when.Format(time.RFC3339) + `","anonymous_id":"` + visitor + `","platform":"h5",` + fields + `}`)})
		}
		const page = `"type":"page_view","page_type":"home"`
		add(schemas.Clickstream, 0, "c1", "a", page)
		add(schemas.Clickstream, time.Minute, "c2", "a", page+`,"region":"CN-ZJ"`)
		add(schemas.Clickstream, 2*time.Minute, "c3", "a", page)
		add(schemas.OrdersTopic, 3*time.Minute, "o1", "a", `"type":"order.created","order_id":"o1","order_version":1,"created_at":"2026-11-10T10:03:00Z","currency":"CNY","payable_amount":"10.00","items":[{"item_id":"good","price":"10.00"}],"ship_region":"CN-ZJ"`)
		add(schemas.OrdersTopic, 4*time.Minute, "o2", "a", `"type":"order.created","order_id":"o2","order_version":1,"created_at":"2026-11-10T10:04:00Z","currency":"CNY","payable_amount":"10.00","items":[{"item_id":"good","price":"4.00"},{"item_id":"bad","price":"6.00"}]`)
		add(schemas.OrdersTopic, 5*time.Minute, "o3", "a", `"type":"order.paid","order_id":"o2","order_version":2,"paid_at":"2026-11-10T10:05:00Z","currency":"CNY","paid_amount":"10.00","payment_method":"alipay","ship_region":"CN-ZJ"`)
		s.send(events)
		worker := s.startWorker()
		s.wait("SELECT arrayStringConcat(arraySort(groupArray(concat(refused_table, ' ', kafka_offset))), ', ') FROM dead_letters WHERE reason = 'refused_by_store'",
			"fact_events 1, fact_order_events 0, fact_order_events 2, fact_order_items 1")
		if got := s.ask(ids + "dead_letters"); got != "c2 o1 o2 o3" {
			t.Errorf("dead letters of %s", got)
		}
		if got := s.ask(ids + "fact_events"); got != "c1 c3" {
			t.Errorf("facts: %s", got)
		}
		if got := s.ask(ids + "fact_order_events"); got != "o2" {
			t.Errorf("order facts: %s", got)
		}
		s.wantCount("SELECT count() FROM fact_order_items", 2)

		for _, table := range []string{"fact_events", "fact_order_events", "fact_order_items"} {
			s.change("ALTER TABLE " + table + " DROP CONSTRAINT nowhere")
		}
		// The rows come first, then the counters.
		eventually(t, func() string {
			letters := worker.scraped(t).by("ecom_events_dead_letter_total", []string{"topic", "reason"})
			if c, o := letters["clickstream refused_by_store"], letters["orders refused_by_store"]; c != 1 || o != 3 {
				return fmt.Sprintf("counted as dead letters: %v, want 1 click and 3 order events refused", letters)
			}
			return ""
		})
		want := map[string]int64{"fact_events": 1, "fact_order_events": 2, "fact_order_items": 1, "fact_refunds": 0, "fact_sessions": 0, "late_events": 0, "dead_letters": 0}
		if d := cmp.Diff(worker.scraped(t).by("ecom_pipeline_refused_rows_total", []string{"table"}), want); d != "" {
			t.Errorf("refused rows (-got, +want):\n%s", d)
		}
		// The lane still knows c2 and o3: it would drop them.
		s.replays("0 send", "1 leave out: the event is a fact", "2 leave out for now", "1 leave out: other rows of the record stand")
		// A day later it does not.
		events = nil
		add(schemas.Clickstream, 24*time.Hour, "c4", "b", page)
		add(schemas.OrdersTopic, 24*time.Hour, "o4", "b", `"type":"order.cancelled","order_id":"o9","order_version":9,"reason":"buyer","was_paid":false`)
		s.send(events)
		s.wait(ids+"fact_events", "c1 c3 c4")
		s.replays("2 send", "1 late: the lane rebuilds", "1 order events", "1 leave out: the event is a fact", "1 leave out: other rows of the record stand")
		s.wait(ids+"fact_events", "c1 c2 c3 c4")
		s.wait("SELECT arrayStringConcat(arraySort(groupArray(event_id)), ' ') FROM fact_order_events WHERE order_id = 'o2'", "o2 o3")
		s.replays("0 send")
		if got := s.ask("SELECT status, paid_minor FROM orders WHERE order_id = 'o2'"); got != "paid\t1000" {
			t.Errorf("the order is %q", got)
		}
		s.wantCount("SELECT count() FROM fact_order_items", 2)
		worker.stop(t)
		s.drain()
		if got := s.ask("SELECT events, orders, orders_paid FROM fact_sessions FINAL WHERE is_deleted = 0 ORDER BY start_time LIMIT 1"); got != "3\t2\t1" {
			t.Errorf("the session is %q", got)
		}
	})
}

// replays replays everything and looks for what it must say.
func (s *shop) replays(want ...string) {
	s.t.Helper()
	said := strings.Join(strings.Fields(s.run("deadletters", "replay", "--yes")), " ")
	for _, w := range want {
		if !strings.Contains(said, w) {
			s.t.Errorf("the replay does not say %q:\n%s", w, said)
		}
	}
}
