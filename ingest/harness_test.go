package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/schemas"
)

// broker is a Kafka that the scenarios run against; fake is nil for the real one.
type broker struct {
	addr string
	fake *kfake.Cluster
}

// onBrokers runs a scenario on kfake, and on a real Kafka where one is named.
func onBrokers(t *testing.T, scenario func(t *testing.T, b broker)) {
	t.Helper()
	t.Run("kfake", func(t *testing.T) { scenario(t, startFake(t)) })
	t.Run("kafka", func(t *testing.T) { scenario(t, realBroker(t)) })
}

func startFake(t testing.TB, opts ...kfake.Opt) broker {
	t.Helper()
	opts = append([]kfake.Opt{kfake.NumBrokers(3)}, opts...)
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return broker{addr: c.ListenAddrs()[0], fake: c}
}

func realBroker(t *testing.T) broker {
	t.Helper()
	addr := os.Getenv("STOREPULSE_TEST_KAFKA")
	if addr == "" {
		devtest.Missing(t, "STOREPULSE_TEST_KAFKA=host:port names no real Kafka; tools/kafka/kafka.sh start runs one on 127.0.0.1:19092")
	}
	return broker{addr: addr}
}

var topicCounter atomic.Int64

// patience is how long a test waits for what must happen.
const patience = 2 * time.Minute

// world is one pair of topics, a client over them, and a producer.
type world struct {
	t      testing.TB
	b      broker
	cfg    Config
	client *Client
	reg    *prometheus.Registry
}

// newWorld creates the topics with the given partitions; configure may change
// the client's configuration.
func newWorld(t testing.TB, b broker, partitions int, configure func(*Config)) *world {
	t.Helper()
	n := fmt.Sprintf("%d-%d", time.Now().UnixNano(), topicCounter.Add(1))
	cfg := DefaultConfig()
	cfg.Kafka.Brokers = []string{b.addr}
	cfg.Kafka.Group = "g-" + n
	cfg.Kafka.Topics = TopicsConfig{Clickstream: "clicks-" + n, Orders: "orders-" + n}
	cfg.Ingest.Epoch.Interval = 50 * time.Millisecond
	if configure != nil {
		configure(&cfg)
	}
	w := &world{t: t, b: b, cfg: cfg}
	for _, topic := range cfg.Kafka.Topics.list() {
		w.createTopic(topic, partitions)
	}
	w.client, w.reg = w.newClient()
	return w
}

func (w *world) newClient() (*Client, *prometheus.Registry) {
	w.t.Helper()
	reg := prometheus.NewRegistry()
	var out io.Writer = io.Discard
	if testing.Verbose() {
		out = w.t.Output()
	}
	c, err := New(w.cfg, slog.New(slog.NewTextHandler(out, nil)), reg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	// A broker may not yet know of topics that were created a moment ago.
	ctx := w.ctx()
	for {
		_, err := c.Check(ctx)
		if err == nil {
			return c, reg
		}
		if !errors.Is(err, kafka.UnknownTopicOrPartition) || !sleep(ctx, 50*time.Millisecond) {
			w.t.Fatal(err)
		}
	}
}

// ctx ends with the test, and where what it is for does not come on the slowest
// of machines.
func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	w.t.Cleanup(cancel)
	return ctx
}

func (w *world) createTopic(topic string, partitions int) {
	w.t.Helper()
	if err := w.tryCreateTopic(topic, partitions); err != nil {
		w.t.Fatalf("create topic %s: %v", topic, err)
	}
}

func (w *world) tryCreateTopic(topic string, partitions int) error {
	// The library's default transport knows each address for ever: another test's
	// broker may have had this one.
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	admin := &kafka.Client{Addr: kafka.TCP(w.b.addr), Transport: transport}
	res, err := admin.CreateTopics(w.ctx(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: topic, NumPartitions: partitions, ReplicationFactor: 1,
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "max.message.bytes", ConfigValue: "20000000"}},
	}}})
	if err == nil {
		err = res.Errors[topic]
	}
	return err
}

// kgo gives a franz-go client whose records keep the partition they name.
func (w *world) kgo(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	opts = append([]kgo.Opt{
		kgo.SeedBrokers(w.b.addr), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(16_000_000), kgo.MetadataMinAge(50 * time.Millisecond), kgo.UnknownTopicRetries(-1),
	}, opts...)
	c, err := kgo.NewClient(opts...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

func (w *world) topic(t schemas.Topic) string { return w.cfg.Kafka.Topics.name(t) }

// produce writes records at the given times (Unix ms) to partition 0.
func (w *world) produce(c *kgo.Client, t schemas.Topic, records ...*kgo.Record) {
	w.t.Helper()
	for _, r := range records {
		r.Topic = w.topic(t)
	}
	if err := c.ProduceSync(w.ctx(), records...).FirstErr(); err != nil {
		w.t.Fatalf("produce: %v", err)
	}
}

// at makes n records, one per millisecond from start on.
func at(start int64, n int) []*kgo.Record {
	rs := make([]*kgo.Record, n)
	for i := range rs {
		rs[i] = &kgo.Record{Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Appendf(nil, "v%d", start+int64(i)), Timestamp: time.UnixMilli(start + int64(i))}
	}
	return rs
}

func (w *world) lane(p uint32) *Lane {
	l := w.client.Lane(p)
	w.t.Cleanup(func() { _ = l.Close() })
	return l
}

func (w *world) next(l *Lane, from schemas.Positions) *Input {
	w.t.Helper()
	in, err := l.Next(w.ctx(), from)
	if err != nil {
		w.t.Fatalf("next from %v: %v", from, err)
	}
	if got := (schemas.Positions{in.Ranges[0].Start, in.Ranges[1].Start}); got != from {
		w.t.Fatalf("ranges begin at %v, want %v", got, from)
	}
	return in
}

// collect reads epochs until the positions are reached and gives the values.
func (w *world) collect(l *Lane, from, to schemas.Positions) (values [schemas.NumTopics][]string) {
	w.t.Helper()
	for from != to {
		in := w.next(l, from)
		for t := range in.Records {
			for _, r := range in.Records[t] {
				values[t] = append(values[t], string(r.Value))
			}
		}
		from = in.Ranges.End()
		in.Release()
	}
	return values
}

func (w *world) deleteRecords(t schemas.Topic, before int64) {
	w.t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 10_000
	topic := kmsg.NewDeleteRecordsRequestTopic()
	topic.Topic = w.topic(t)
	part := kmsg.NewDeleteRecordsRequestTopicPartition()
	part.Partition, part.Offset = 0, before
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	res, err := w.kgo().Request(w.ctx(), req)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, tp := range res.(*kmsg.DeleteRecordsResponse).Topics {
		for _, p := range tp.Partitions {
			if p.ErrorCode != 0 {
				w.t.Fatalf("delete records: error %d", p.ErrorCode)
			}
		}
	}
}

func join(values []string) string { return strings.Join(values, " ") }
