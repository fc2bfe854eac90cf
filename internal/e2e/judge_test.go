package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/judge"
	"github.com/storepulse/storepulse/internal/produce"
)

// TestJudge: the judge finds nothing in a sound database, and each kind of
// damage in a damaged one, counted as what it is.
func TestJudge(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 2)
		defects := gen.RealisticDefects()
		defects.Broken, defects.Duplicate, defects.Late, defects.TooLate = 0.02, 0.02, 0, 0
		g := gen.New(gen.Settings{Seed: 7, Start: time.Date(2026, 11, 10, 14, 0, 0, 0, time.UTC), Rate: 1, FlatDay: true, MaxEvents: 6000, Defects: defects})
		events := s.feed(t.Context(), g, produce.Pace{})
		s.drain()

		records, err := judge.Read(t.Context(), s.cfg.Kafka.Brokers, s.cfg.ClickHouse().Topics)
		if err != nil {
			t.Fatal(err)
		}
		before := s.judgeRecords(records)
		st := g.Stats()
		if before.Records != len(events) || int64(before.Events) != st.Good() || int64(before.Letters) != st.BrokenTotal() || int64(before.Copies) != st.Duplicates[0]+st.Duplicates[1] {
			t.Errorf("the judge counts %s; the generator made %d records, %d events, %d letters, %v copies", before, len(events), st.Good(), st.BrokenTotal(), st.Duplicates)
		}
		settings, err := judge.SettingsOf(s.cfg)
		if err != nil {
			t.Fatal(err)
		}

		const record, oneSession = "(kafka_topic, kafka_partition, kafka_offset)", "session_id"
		// The fence takes rows of a lane's newest term alone, and they may be of an older one.
		const newest = "(SELECT groupArray(t) FROM (SELECT max(term) AS t FROM lanes GROUP BY lane ORDER BY lane))[lane + 1] AS term"
		for _, d := range []struct {
			name              string
			statement         string // about the rows of one key, chosen from those that stand
			from, key, chosen string
			counter           func(*judge.Report) *int
		}{
			{"a fact deleted", "DELETE FROM fact_events WHERE", "fact_events", record, "late_class = 'none'", func(r *judge.Report) *int { return &r.Lost }},
			{"an order's event deleted", "DELETE FROM fact_order_events WHERE", "fact_order_events", record, "event_type = 'order.paid'", func(r *judge.Report) *int { return &r.Lost }},
			{"a fact doubled", "INSERT INTO fact_events SELECT * REPLACE(" + newest + ") FROM fact_events WHERE", "fact_events", record, "late_class = 'none'", func(r *judge.Report) *int { return &r.Duplicated }},
			{"a fact invented", "INSERT INTO fact_events SELECT * REPLACE('nobody' AS event_id, " + newest + ") FROM fact_events WHERE", "fact_events", record, "event_type = 'search'", func(r *judge.Report) *int { return &r.Invented }},
			{"an amount altered", "ALTER TABLE fact_order_events UPDATE payable_minor = payable_minor + 1 WHERE", "fact_order_events", record, "event_type = 'order.created'", func(r *judge.Report) *int { return &r.Wrong }},
			{"a user altered", "ALTER TABLE fact_events UPDATE user_hash = user_hash + 1 WHERE", "fact_events", record, "event_type = 'view_item'", func(r *judge.Report) *int { return &r.Wrong }},
			{"an order forgotten", "DELETE FROM fact_orders WHERE", "orders", "order_id", "status = 'paid'", func(r *judge.Report) *int { return &r.OrdersWrong }},
			{"a line of an order deleted", "DELETE FROM fact_order_items WHERE", "fact_order_items", record, "line = 0", func(r *judge.Report) *int { return &r.LinesWrong }},
			{"a session deleted", "DELETE FROM fact_sessions WHERE", "sessions", oneSession, "orders = 0", func(r *judge.Report) *int { return &r.SessionsWrong }},
			{"a session's amount altered", "ALTER TABLE fact_sessions UPDATE paid_minor = paid_minor + 1 WHERE", "sessions", oneSession, "orders_paid > 0", func(r *judge.Report) *int { return &r.SessionsWrong }},
			{"a session invented", "INSERT INTO fact_sessions SELECT * REPLACE(generateUUIDv4() AS session_id, " + newest + ") FROM fact_sessions FINAL WHERE", "sessions", "visitor_id", "orders = 0", func(r *judge.Report) *int { return &r.SessionsWrong }},
			{"a dead letter deleted", "DELETE FROM dead_letters WHERE", "dead_letters", record, "reason = 'bad_json'", func(r *judge.Report) *int { return &r.LettersWrong }},
			{"a dead letter doubled", "INSERT INTO dead_letters SELECT * REPLACE(" + newest + ") FROM dead_letters WHERE", "dead_letters", record, "reason = 'pii'", func(r *judge.Report) *int { return &r.LettersWrong }},
			{"a fact called late", "ALTER TABLE fact_events UPDATE late_class = 'late' WHERE", "fact_events", record, "event_type = 'view_cart'", func(r *judge.Report) *int { return &r.LatenessWrong }},
		} {
			in := fmt.Sprintf("(SELECT %s FROM %s WHERE %s ORDER BY %[1]s LIMIT 1)", d.key, d.from, d.chosen)
			s.ask(d.statement + " " + d.key + " IN " + in + " SETTINGS mutations_sync = 2, lightweight_deletes_sync = 2")
			after, err := judge.Check(t.Context(), records, s.store(), settings)
			if err != nil {
				t.Fatalf("%s: %v", d.name, err)
			}
			if got, had := *d.counter(after), *d.counter(before); got <= had || after.OK() {
				t.Errorf("%s: not noticed:\n%s", d.name, after)
			}
			before = after
		}
		t.Log(before.Err())

		if r, err := judge.Check(t.Context(), nil, s.store(), settings); err != nil || r.OK() {
			t.Errorf("no records: got (%s, %v), want a failure", r, err)
		}
	})
}
