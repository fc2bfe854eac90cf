package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// TestBadRecords: broken records become dead letters that say why; the events
// around them are facts.
func TestBadRecords(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 1)
		good := func(id string, fields string) string {
			return `{"id":"` + id + `","source":"/web","type":"page_view","time":"2026-11-10T10:00:00Z","anonymous_id":"a1","platform":"h5","page_type":"home"` + fields + `}`
		}
		order := func(id, fields string) string {
			return `{"id":"` + id + `","source":"/oms","type":"order.created","time":"2026-11-10T10:00:05Z","anonymous_id":"a1","order_id":"o1","order_version":1,"created_at":"2026-11-10T10:00:05Z","items":[{"item_id":"s1","price":"10.00"}]` + fields + `}`
		}
		huge := good("huge", `,"page_title":"`+strings.Repeat("x", 10<<20)+`"`)
		clicks := []string{
			good("first", ""),
			`{"id":"broken","source":`,
			huge,
			strings.Replace(good("unknown-type", ""), `"page_view"`, `"teleport"`, 1),
			strings.Replace(good("future", ""), "2026-11-10", "2031-11-10", 1),
			good("pii", `,"phone":"13812345678"`),
			good("sent-in-2082", `,"senttime":"2082-01-02T12:00:00Z","receivedtime":"2026-11-10T10:00:00Z"`),
			strings.Replace(good("all-in-2099", `,"receivedtime":"2099-11-10T10:00:00Z"`), `"time":"2026`, `"time":"2099`, 1),
			good("last", ""),
		}
		orders := []string{
			order("good-order", `,"currency":"CNY","payable_amount":"10.00"`),
			order("decimals", `,"currency":"CNY","payable_amount":"10.005"`),
			order("currency", `,"currency":"XYZ","payable_amount":"10.00"`),
		}
		s.produce(s.cfg.Kafka.Topics.Clickstream, clicks)
		s.produce(s.cfg.Kafka.Topics.Orders, orders)
		s.drain()

		if got, want := s.ask("SELECT arrayStringConcat(arraySort(groupArray(event_id)), ' ') FROM fact_events"), "all-in-2099 first future last"; got != want {
			t.Errorf("facts: got %q, want %q", got, want)
		}
		// No clock moves the watermark beyond the records: what comes after is in time.
		if got := s.ask("SELECT event_id, time_corrected, event_time = received_at, toString(event_time), late_class FROM fact_events WHERE time_corrected OR late_class != 'none' ORDER BY event_id"); got !=
			"all-in-2099\ttrue\t1\t2026-11-10 10:01:00.000\tnone\nfuture\ttrue\t1\t2026-11-10 10:01:00.000\tnone" {
			t.Errorf("corrected or late: got\n%s", got)
		}
		want := strings.Join([]string{
			"clickstream\t1\tbad_json", "clickstream\t2\ttoo_large", "clickstream\t3\tunknown_type", "clickstream\t5\tpii", "clickstream\t6\tbad_time",
			"orders\t1\tbad_money", "orders\t2\tbad_currency",
		}, "\n")
		got := s.ask("SELECT if(kafka_topic = '" + s.cfg.Kafka.Topics.Orders + "', 'orders', 'clickstream') AS t, kafka_offset, reason FROM dead_letters ORDER BY t, kafka_offset")
		if got != want {
			t.Errorf("dead letters: got\n%s\nwant\n%s", got, want)
		}
		if n := s.ask("SELECT countIf(detail = '') FROM dead_letters"); n != "0" {
			t.Errorf("%s dead letters do not say what would be right", n)
		}
		if n := s.ask("SELECT count() FROM dead_letters WHERE position(record_value, '13812345678') > 0 OR length(record_value) > 65536"); n != "0" {
			t.Errorf("%s dead letters keep a phone number or more than 64 KiB", n)
		}
		s.judged()
		t.Log(s.ask("SELECT reason, field, detail FROM dead_letters ORDER BY reason FORMAT TSV"))
	})
}

// produce writes raw values with a client that has no opinion of them.
func (s *shop) produce(topic string, values []string) {
	s.t.Helper()
	w := &kafka.Writer{Addr: kafka.TCP(s.cfg.Kafka.Brokers...), Topic: topic, Balancer: kafka.Murmur2Balancer{}, BatchBytes: 20 << 20, BatchSize: 1, RequiredAcks: kafka.RequireAll, WriteTimeout: time.Minute, Transport: s.transport()}
	defer w.Close()
	for _, v := range values {
		if err := w.WriteMessages(context.Background(), kafka.Message{Key: []byte("a1"), Value: []byte(v), Time: time.Date(2026, 11, 10, 10, 1, 0, 0, time.UTC)}); err != nil {
			s.t.Fatalf("produce %.60q: %v", v, err)
		}
	}
}

// TestRefusals: what cannot work is said on the first screen, with a remedy.
func TestRefusals(t *testing.T) {
	t.Run("configuration", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "bad.yaml")
		if err := os.WriteFile(file, []byte("kafka:\n  brokers: [\"localhost:9092\"]\n  session_timeout: 10ms\n  colour: red\nsink:\n  clickhouse:\n    url: ftp://x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		p := (&shop{t: t}).startPlain("config", "check", "--config", file)
		fails(t, p, "4", "colour", "kafka.session_timeout", "sink.clickhouse.url")
	})
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		t.Run("unreachable broker", func(t *testing.T) {
			s := newShop(t, addr, session, 1)
			s.cfg.Kafka.Brokers = []string{"127.0.0.1:1"}
			fails(t, s.start("run"), "127.0.0.1:1", "kafka.brokers")
		})
		t.Run("unequal partitions", func(t *testing.T) {
			s := newShop(t, addr, session, 2)
			id := s.cfg.Kafka.Topics
			s.cfg.Kafka.Topics.Clickstream, s.cfg.Kafka.Topics.Orders = id.Clickstream+"-b", id.Orders+"-b"
			s.createTopics(3, 2)
			fails(t, s.start("run"), "has 3 partitions", "has 2", "same number of partitions")
		})
		t.Run("missing topic", func(t *testing.T) {
			s := newShop(t, addr, session, 1)
			s.cfg.Kafka.Topics.Orders = "nobody-made-this"
			fails(t, s.start("run"), "nobody-made-this")
		})
		t.Run("unreachable clickhouse", func(t *testing.T) {
			s := newShop(t, addr, session, 1)
			s.cfg.Sink.ClickHouse.URL = "http://127.0.0.1:1"
			fails(t, s.start("run"), "127.0.0.1:1", "sink.clickhouse.url")
		})
	})
}

// fails waits for the process to fail, and looks for what it must say.
func fails(t *testing.T, p *process, want ...string) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("still running\n%s", p.log.tail(30))
	}
	if p.err == nil {
		t.Fatalf("it succeeded\n%s", p.log.tail(30))
	}
	for _, text := range want {
		if !strings.Contains(p.log.String(), text) {
			t.Errorf("it does not say %q:\n%s", text, p.log.tail(30))
		}
	}
}
