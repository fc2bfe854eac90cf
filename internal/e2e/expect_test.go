package e2e

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/judge"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// judged holds the tables against everything that lies in the topics.
func (s *shop) judged() *judge.Report {
	s.t.Helper()
	records, err := judge.Read(s.t.Context(), s.cfg.Kafka.Brokers, s.cfg.ClickHouse().Topics)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.judgeRecords(records)
}

func (s *shop) judgeRecords(records judge.Records) *judge.Report {
	s.t.Helper()
	settings, err := judge.SettingsOf(s.cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	report, err := judge.Check(s.t.Context(), records, s.store(), settings)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := report.Err(); err != nil {
		s.t.Error(err)
	}
	s.t.Log(report)
	return report
}

// store is a client of the shop's database.
func (s *shop) store() *clickhouse.Client {
	s.t.Helper()
	client, err := clickhouse.New(s.cfg.ClickHouse(), slog.New(slog.NewTextHandler(io.Discard, nil)), prometheus.NewRegistry())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = client.Close() })
	return client
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// wantCount asks for a number and compares it.
func (s *shop) wantCount(query string, want int) {
	s.t.Helper()
	if got := s.ask(query); got != strconv.Itoa(want) {
		s.t.Errorf("%s: got %s, want %d", query, got, want)
	}
}

// expect reads the records with the decoder alone, without engine or store.
func (s *shop) expect(events []gen.Event) expectation {
	s.t.Helper()
	want := expectation{facts: [2]map[string]bool{{}, {}}, letters: map[string]int{}}
	batch, decoder := s.decoder()
	for i := range events {
		e := &events[i]
		batch.Reset()
		if reason := decoder.Decode(e.Topic, &schemas.Record{Key: e.Key, Value: e.Value, Timestamp: e.Time.UnixMilli()}, batch); reason != schemas.ReasonNone {
			want.letters[reason.String()]++
			continue
		}
		id := string(batch.Events.Source.Data) + " " + string(batch.Events.EventID.Data)
		if e.Topic == schemas.OrdersTopic {
			id = string(batch.Orders.Source.Data) + " " + string(batch.Orders.EventID.Data)
		}
		want.facts[e.Topic][id] = true
	}
	return want
}

func (s *shop) decoder() (*schemas.Batch, *schemas.Decoder) {
	s.t.Helper()
	voc, err := s.cfg.Vocabulary()
	if err != nil {
		s.t.Fatal(err)
	}
	return schemas.NewBatch(voc), schemas.NewDecoder(voc)
}

// expectation is what a plain reading of the records says should stand.
type expectation struct {
	facts   [2]map[string]bool // source and id, by topic
	letters map[string]int     // records that must be set aside, by reason
}

// verify holds the tables against the records that were written: each event id
// exactly once, each broken record set aside once.
func (s *shop) verify(events []gen.Event) {
	s.t.Helper()
	want := s.expect(events)
	for topic, table := range []string{"fact_events", "fact_order_events"} {
		got := s.ask(fmt.Sprintf("SELECT count(), uniqExact(source, event_id) FROM %s", table))
		if n := len(want.facts[topic]); got != fmt.Sprintf("%d\t%d", n, n) {
			s.t.Errorf("%s has (rows, distinct ids) %q, want %d of both", table, got, n)
		}
		missing := len(want.facts[topic])
		for _, id := range lines(s.ask(fmt.Sprintf("SELECT concat(source, ' ', event_id) FROM %s", table))) {
			if !want.facts[topic][id] {
				s.t.Errorf("%s has %q, which nobody sent", table, id)
				continue
			}
			missing--
		}
		if missing != 0 {
			s.t.Errorf("%s lacks %d events", table, missing)
		}
	}
	letters := 0
	for _, n := range want.letters {
		letters += n
	}
	if got := s.ask("SELECT count(), uniqExact(kafka_topic, kafka_partition, kafka_offset) FROM dead_letters"); got != fmt.Sprintf("%d\t%d", letters, letters) {
		s.t.Errorf("dead_letters has (rows, distinct positions) %q, want %d of both: %v", got, letters, want.letters)
	}
}
