package e2e

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/storepulse/storepulse/internal/deadletters"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/records"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// fixFile mends what brokenShop breaks, except what nobody can mend.
const fixFile = `rules:
- match: {reason: bad_currency, field: currency}
  map: {currency: {RMB: CNY}}
- match: {reason: missing_required, field: platform}
  set: {platform: h5}
- match: {reason: bad_money, field: "items[*].price"}
  map: {"items[*].price": {"10.005": "10.00"}}
- match: {reason: unknown_type, type: cart_add}
  set: {type: add_to_cart}
- match: {type: warp}
  set: {type: page_view}
`

// brokenShop is one visitor's way to a paid order; half of it is broken. mended
// is what the shop meant.
func brokenShop() (broken, mended []gen.Event) {
	at := time.Date(2026, 11, 10, 10, 0, 0, 0, time.UTC)
	add := func(topic schemas.Topic, minute int, value string, fix ...string) {
		e := gen.Event{Topic: topic, Key: []byte("a1"), Value: []byte(value), Time: at.Add(time.Duration(minute)*time.Minute + 3*time.Second)}
		broken = append(broken, e)
		if fix == nil || fix[0] != "" {
			e.Value = []byte(strings.NewReplacer(fix...).Replace(value))
			mended = append(mended, e)
		}
	}
	click := func(id string, minute int, fields string) string {
		return `{"id":"` + id + `","source":"/web","time":"` + at.Add(time.Duration(minute)*time.Minute).Format(time.RFC3339) + `","anonymous_id":"a1",` + fields + `}`
	}
	order := func(id string, minute int, version, fields string) string {
		return `{"id":"` + id + `","source":"/oms","time":"` + at.Add(time.Duration(minute)*time.Minute).Format(time.RFC3339) + `","anonymous_id":"a1","order_id":"o1","order_version":` + version + `,` + fields + `}`
	}
	const home = `"type":"page_view","platform":"h5","page_type":"home"`
	add(schemas.Clickstream, 0, click("c1", 0, home))
	add(schemas.Clickstream, 1, click("no-platform", 1, `"type":"view_item","page_type":"detail","items":[{"item_id":"s1"}]`), `"page_type":"detail"`, `"page_type":"detail","platform":"h5"`)
	add(schemas.Clickstream, 2, click("type", 2, `"type":"cart_add","platform":"h5","currency":"CNY","items":[{"item_id":"s1","price":"10.00","quantity":1}]`), "cart_add", "add_to_cart")
	add(schemas.Clickstream, 2, click("type", 2, `"type":"cart_add","platform":"h5","currency":"CNY","items":[{"item_id":"s1","price":"10.00","quantity":1}]`), "") // the producer tried twice
	add(schemas.Clickstream, 3, click("pii", 3, `"type":"begin_checkout","platform":"h5","currency":"CNY","items":[{"item_id":"s1","price":"10.00"}],"phone":"13812345678","user_agent":"Mozilla/5.0"`), `"13812345678"`, "null")
	add(schemas.Clickstream, 4, `{"id":"json","source":`, "")
	add(schemas.Clickstream, 4, click("teleport", 4, `"type":"teleport","platform":"h5"`), "")
	add(schemas.Clickstream, 4, click("cut", 4, `"type":"warp","platform":"h5","page_type":"home","page_title":"`+strings.Repeat("x", 70<<10)+`"`), `"warp"`, `"page_view"`) // the letter is cut, Kafka has it all
	add(schemas.OrdersTopic, 5, order("o1-1", 5, "1", `"type":"order.created","platform":"h5","created_at":"2026-11-10T10:05:00Z","currency":"RMB","payable_amount":"10.00","items":[{"item_id":"s1","price":"10.00"}]`), "RMB", "CNY")
	add(schemas.OrdersTopic, 6, order("o1-2", 6, "2", `"type":"order.paid","platform":"h5","paid_at":"2026-11-10T10:06:00Z","currency":"CNY","paid_amount":"10.00","payment_method":"alipay"`))
	add(schemas.Clickstream, 7, click("c2", 7, home))
	return broken, mended
}

// run runs the program to its end and gives what it said.
func (s *shop) run(args ...string) string {
	s.t.Helper()
	p := s.start(args...)
	p.wait(s.t)
	return p.log.String()
}

func (s *shop) fix() string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "fix.yaml")
	if err := os.WriteFile(file, []byte(fixFile), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file
}

// inKafka counts the records of each id that a worker would accept.
func (s *shop) inKafka() map[string]int {
	s.t.Helper()
	r := s.reader()
	batch, decoder := s.decoder()
	n := map[string]int{}
	partitions, err := r.Partitions(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for t, name := range s.cfg.ClickHouse().Topics {
		for p := range partitions {
			err := r.Scan(s.t.Context(), name, uint32(p), schemas.Range{End: 1 << 62}, func(rec *records.Record) bool {
				batch.Reset()
				if decoder.Decode(schemas.Topic(t), &schemas.Record{Key: rec.Key, Value: rec.Value, Timestamp: rec.Timestamp}, batch) == schemas.ReasonNone {
					if t == 0 {
						n[string(batch.Events.EventID.At(0))]++
					} else {
						n[string(batch.Orders.EventID.At(0))]++
					}
				}
				return true
			})
			if err != nil {
				s.t.Fatal(err)
			}
		}
	}
	return n
}

func (s *shop) reader() *records.Reader {
	s.t.Helper()
	r, err := records.NewReader(s.cfg.Source(), slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = r.Close() })
	return r
}

const ids = "SELECT arrayStringConcat(arraySort(groupArray(event_id)), ' ') FROM "

// TestReplay: letters that a fix file mends arrive exactly once under their own
// ids, and the session and the order become what the shop meant.
func TestReplay(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 2)
		broken, mended := brokenShop()
		s.send(broken)
		worker := s.startWorker()
		s.wait(ids+"fact_events", "c1 c2")
		s.wait("SELECT arraySort(groupArray(reason)) FROM dead_letters", "['bad_currency','bad_json','missing_required','pii','unknown_type','unknown_type','unknown_type','unknown_type']")
		fix := s.fix()

		before := s.inKafka()
		said := s.run("deadletters", "replay", "--fix", fix, "--dry-run")
		for _, want := range []string{`- "currency": "RMB"`, `+ "currency": "CNY"`, "unknown_type: type", "the rule at line 6 of the fix file matches no letter", "5  send", "1  leave out: the same event", "2  leave out: would be refused again"} {
			if !strings.Contains(strings.Join(strings.Fields(said), " "), strings.Join(strings.Fields(want), " ")) {
				t.Errorf("the dry run does not say %q:\n%s", want, said)
			}
		}
		if strings.Contains(said, "13812345678") {
			t.Errorf("the dry run shows what was removed:\n%s", said)
		}
		if n := s.ask("SELECT count() FROM replays"); n != "0" || !maps.Equal(before, s.inKafka()) {
			t.Fatalf("the dry run sent or noted something: %s intents", n)
		}

		t.Log(s.run("deadletters", "replay", "--fix", fix, "--yes"))
		s.wait(ids+"fact_events", "c1 c2 cut no-platform pii type")
		s.wait(ids+"fact_order_events", "o1-1 o1-2")
		said = s.run("deadletters", "replay", "--fix", fix, "--yes")
		if !strings.Contains(strings.Join(strings.Fields(said), " "), "replay would: 0 send") {
			t.Errorf("the second replay sends again:\n%s", said)
		}
		if n := s.inKafka(); slices.Max(slices.Collect(maps.Values(n))) != 1 {
			t.Errorf("an id stands twice in Kafka: %v", n)
		}
		if got := s.ask("SELECT state, count(), uniqExact(event_id) FROM replays GROUP BY state ORDER BY state"); got != "intent\t5\t5\nsent\t5\t5" {
			t.Errorf("replays: %q", got)
		}
		if got := s.ask("SELECT status, synthetic_created, currency, payable_minor, paid_minor FROM orders"); got != "paid\t0\tCNY\t1000\t1000" {
			t.Errorf("the order is %q", got)
		}
		worker.stop(t)
		s.drain()
		if got := s.ask("SELECT max_stage, events, orders, orders_paid, order_hashes = [(SELECT any(order_hash) FROM fact_order_events)] FROM fact_sessions FINAL WHERE is_deleted = 0"); got != "pay\t6\t1\t1\t1" {
			t.Errorf("the session is %q", got)
		}
		s.compareSessions(mended)
		s.wantCount("SELECT count() FROM fact_events WHERE late_class != 'none'", 0)
		for _, args := range [][]string{
			{"deadletters", "list"},
			{"deadletters", "list", "--replayed"},
			{"deadletters", "show", "orders/" + s.ask("SELECT concat(kafka_partition, '/', kafka_offset) FROM dead_letters WHERE reason = 'bad_currency'")},
		} {
			t.Logf("%s\n%s", strings.Join(args, " "), s.run(args...))
		}
		if n := len(lines(strings.TrimSpace(s.run("deadletters", "export", "--headers", "--lane", "0", "--lane", "1")))); n != 8 {
			t.Errorf("%d letters exported, want 8", n)
		}
	})
}

// dying is a store whose program dies at the n-th note: before it is written,
// or right after.
type dying struct {
	*clickhouse.Client
	at    int
	after bool
	notes int
}

var errDied = errors.New("the program died")

func (d *dying) InsertColumns(ctx context.Context, queryID, token, table string, rows int, cols []clickhouse.Column) error {
	d.notes++
	if d.notes < d.at {
		return d.Client.InsertColumns(ctx, queryID, token, table, rows, cols)
	}
	if d.after {
		if err := d.Client.InsertColumns(ctx, queryID, token, table, rows, cols); err != nil {
			return err
		}
	}
	return errDied
}

// TestReplayInterrupted: whatever step a run dies at, the next one ends with
// each event once, in Kafka and in the tables.
func TestReplayInterrupted(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		for _, c := range []struct {
			name  string
			at    int
			after bool
			state string // of the letters in the end
		}{
			{"before the intent", 1, false, "intent 5 sent 5"},
			{"between intent and sending", 1, true, "intent 10 sent 5"},
			{"between sending and its note", 2, false, "found 5 intent 5"},
			{"after the note", 2, true, "intent 5 sent 5"},
		} {
			t.Run(c.name, func(t *testing.T) {
				s := newShop(t, addr, session, 1)
				broken, _ := brokenShop()
				s.send(broken)
				s.drain()
				fix, err := deadletters.LoadFix(s.fix())
				if err != nil {
					t.Fatal(err)
				}
				client := s.store()
				voc, err := s.cfg.Vocabulary()
				if err != nil {
					t.Fatal(err)
				}
				r := deadletters.Replay{
					Store: &dying{Client: client, at: c.at, after: c.after}, Kafka: s.reader(), Fix: fix, Run: uuid.New(), By: "test",
					Settings: deadletters.Settings{Vocabulary: voc, Horizon: 2 * time.Hour, Remember: 3 * time.Hour}, Writer: s.writer(),
				}
				if _, err := r.Send(t.Context()); !errors.Is(err, errDied) {
					t.Fatalf("the run says %v", err)
				}
				t.Log(s.run("deadletters", "replay", "--fix", s.fix(), "--yes"))
				if got := s.ask("SELECT arrayStringConcat(arraySort(groupArray(concat(state, ' ', n))), ' ') FROM (SELECT state, toString(count()) AS n FROM replays GROUP BY state)"); got != c.state {
					t.Errorf("replays: %q, want %q", got, c.state)
				}
				for id, n := range s.inKafka() {
					if n != 1 {
						t.Errorf("%s stands %d times in Kafka", id, n)
					}
				}
				s.drain()
				s.wantCount("SELECT count() FROM fact_events WHERE event_id IN ('type', 'pii', 'no-platform', 'cut')", 4)
				s.wantCount("SELECT count() FROM fact_order_events WHERE event_id = 'o1-1'", 1)
			})
		}
	})
}
