package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/devmode"
	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
)

func TestMain(m *testing.M) { devtest.Main(m) }

var built struct {
	once sync.Once
	path string
	err  error
}

// program builds the program once a test run and gives its path.
func program(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		built.path = filepath.Join(devtest.Dir(t), "storepulse")
		out, err := exec.Command("go", "build", "-o", built.path, "github.com/storepulse/storepulse/cmd/storepulse").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("build the program: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// shop is one test's own Kafka topics, ClickHouse database and group.
type shop struct {
	t       *testing.T
	cfg     config.Config
	session time.Duration
	lanes   int
}

// Session timeouts. A machine that stands still for seconds must not cost a
// worker its lanes in the middle of a test, nor the time it has for a clean
// stop; only where the lanes of a dead worker must come to another is it brief.
const (
	calm  = 10 * time.Second
	brief = 2 * time.Second
)

// patience is how long a step may take that must happen.
const patience = 3 * time.Minute

// kafkas runs a scenario on the embedded broker, or on the real Kafka that
// STOREPULSE_TEST_KAFKA names: `make test` and `make test-kafka` together run both.
func kafkas(t *testing.T, scenario func(t *testing.T, addr string, session time.Duration)) {
	t.Helper()
	if addr := os.Getenv("STOREPULSE_TEST_KAFKA"); addr != "" {
		t.Run("real", func(t *testing.T) { scenario(t, addr, calm) })
		return
	}
	t.Run("embedded", func(t *testing.T) {
		k, err := devmode.StartKafka(devmode.KafkaOptions{DataDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = k.Close() })
		scenario(t, k.Addr(), calm)
	})
}

// newShop makes topics with so many lanes, and a fresh database.
func newShop(t *testing.T, addr string, session time.Duration, lanes int) *shop {
	t.Helper()
	url := devtest.ClickHouse(t)
	s := &shop{t: t, cfg: config.Default(), session: session, lanes: lanes}
	id := fmt.Sprintf("t%d", time.Now().UnixNano())
	s.cfg.Kafka.Brokers = []string{addr}
	s.cfg.Kafka.Group = "g-" + id
	s.cfg.Kafka.Topics.Clickstream, s.cfg.Kafka.Topics.Orders = "clicks-"+id, "orders-"+id
	s.cfg.Sink.ClickHouse.URL, s.cfg.Sink.ClickHouse.Database = url, devtest.Database(t, url)
	s.createTopics(lanes, lanes)
	return s
}

func (s *shop) createTopics(clicks, orders int) {
	s.t.Helper()
	client := s.admin()
	topics := s.cfg.Kafka.Topics
	large := []kafka.ConfigEntry{
		{ConfigName: "max.message.bytes", ConfigValue: "20971520"}, // a broken producer may send 10 MB
		{ConfigName: "retention.ms", ConfigValue: "-1"},            // records bear fixed dates: a broker's week would eat them
	}
	res, err := client.CreateTopics(s.t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
		{Topic: topics.Clickstream, NumPartitions: clicks, ReplicationFactor: 1, ConfigEntries: large},
		{Topic: topics.Orders, NumPartitions: orders, ReplicationFactor: 1, ConfigEntries: large},
	}})
	if err != nil {
		s.t.Fatalf("create topics: %v", err)
	}
	for name, err := range res.Errors {
		if err != nil {
			s.t.Fatalf("create topic %s: %v", name, err)
		}
	}
	s.awaitPartitions(clicks, orders)
}

// awaitPartitions waits until the broker says that the topics have so many
// partitions, each with a leader: it answers the request that makes them before.
func (s *shop) awaitPartitions(clicks, orders int) {
	s.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(s.cfg.Kafka.Brokers...))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	req := kmsg.NewPtrMetadataRequest()
	for _, name := range s.topics() {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(name)
		req.Topics = append(req.Topics, topic)
	}
	eventually(s.t, func() string {
		res, err := req.RequestWith(s.t.Context(), c)
		if err != nil {
			return fmt.Sprintf("metadata: %v", err)
		}
		for i, want := range []int{clicks, orders} {
			led := 0
			for _, p := range res.Topics[i].Partitions {
				if p.ErrorCode == 0 && p.Leader >= 0 {
					led++
				}
			}
			if topic := res.Topics[i]; topic.ErrorCode != 0 || led != want {
				return fmt.Sprintf("topic %s: error %d, %d partitions with a leader, want %d", s.topics()[i], topic.ErrorCode, led, want)
			}
		}
		return ""
	})
}

// env is the configuration as a worker process gets it.
func (s *shop) env() []string {
	c := s.cfg
	return append(os.Environ(),
		"STOREPULSE_KAFKA_BROKERS="+strings.Join(c.Kafka.Brokers, ","),
		"STOREPULSE_KAFKA_GROUP="+c.Kafka.Group,
		"STOREPULSE_KAFKA_TOPICS_CLICKSTREAM="+c.Kafka.Topics.Clickstream,
		"STOREPULSE_KAFKA_TOPICS_ORDERS="+c.Kafka.Topics.Orders,
		"STOREPULSE_KAFKA_SESSION_TIMEOUT="+s.session.String(),
		"STOREPULSE_SINK_CLICKHOUSE_URL="+c.Sink.ClickHouse.URL,
		"STOREPULSE_SINK_CLICKHOUSE_DATABASE="+c.Sink.ClickHouse.Database,
		"STOREPULSE_PIPELINE_SNAPSHOT_EVERY=2s",
		"STOREPULSE_INGEST_EPOCH_INTERVAL=100ms",
		"STOREPULSE_HTTP_LISTEN=127.0.0.1:0",
		"STOREPULSE_LOG_FORMAT=text",
		"STOREPULSE_EVENTS_EXTRA_TYPES="+strings.Join(c.Events.ExtraTypes, ","),
	)
}

// process is a running worker.
type process struct {
	cmd  *exec.Cmd
	log  *syncBuffer
	done chan struct{}
	err  error
}

func (s *shop) start(args ...string) *process {
	s.t.Helper()
	return s.startEnv(s.env(), args...)
}

// startPlain starts the program without the shop's configuration.
func (s *shop) startPlain(args ...string) *process {
	s.t.Helper()
	return s.startEnv(os.Environ(), args...)
}

func (s *shop) startEnv(env []string, args ...string) *process {
	s.t.Helper()
	return start(s.t, env, program(s.t), args...)
}

func start(t *testing.T, env []string, bin string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(bin, args...), log: &syncBuffer{}, done: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = env, p.log, p.log
	if err := devmode.StartChild(p.cmd, func(err error) { p.err = err; close(p.done) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.kill() })
	return p
}

// startWorker starts a worker and waits until it has spoken to both ends.
func (s *shop) startWorker() *process {
	s.t.Helper()
	p := s.start("run")
	p.await(s.t, "worker starts")
	return p
}

// eventually waits until nothing is wrong any more.
func eventually(t *testing.T, wrong func() string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; pause(t, 50*time.Millisecond) {
		what := wrong()
		if what == "" {
			return
		}
		if time.Now().After(deadline) || t.Context().Err() != nil {
			t.Fatal(what)
		}
	}
}

// await waits until the process has logged something.
func (p *process) await(t *testing.T, text string) {
	t.Helper()
	p.until(t, text, func(log string) bool { return strings.Contains(log, text) })
}

func (p *process) until(t *testing.T, text string, said func(log string) bool) {
	t.Helper()
	tick, late := time.NewTicker(20*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for !said(p.log.String()) {
		select {
		case <-tick.C:
		case <-p.done:
			t.Fatalf("it ended before it said %q: %v\n%s", text, p.err, p.log.tail(60))
		case <-late:
			t.Fatalf("it never said %q\n%s", text, p.log.tail(60))
		}
	}
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop is SIGTERM, and waits for the exit.
func (p *process) stop(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	p.wait(t)
}

func (p *process) wait(t *testing.T) {
	t.Helper()
	select {
	case <-p.done:
		if p.err != nil {
			t.Fatalf("worker failed: %v\n%s", p.err, p.log.tail(60))
		}
	case <-time.After(patience):
		t.Fatalf("worker did not end within %s\n%s", patience, p.log.tail(60))
	}
}

// drain runs a worker until everything in the topics is written and closed.
func (s *shop) drain() {
	s.t.Helper()
	s.start("run", "--drain").wait(s.t)
}

// feed produces events until the generator or ctx ends, and gives those it
// wrote. The writer itself is never cut off: a batch whose acknowledgement is
// not awaited may or may not be in the log.
func (s *shop) feed(ctx context.Context, g *gen.Generator, pace produce.Pace) []gen.Event {
	s.t.Helper()
	w := produce.NewWriter(s.writer())
	var all []gen.Event
	err := produce.Run(context.WithoutCancel(ctx), w, func(e *gen.Event) bool {
		if ctx.Err() != nil || !g.Next(e) {
			return false
		}
		all = append(all, gen.Event{Topic: e.Topic, Key: bytes.Clone(e.Key), Value: bytes.Clone(e.Value), Time: e.Time, Headers: e.Headers})
		return true
	}, pace, nil)
	if err := errors.Join(err, w.Close(context.WithoutCancel(ctx))); err != nil {
		s.t.Error(err)
	}
	return all
}

// ask gives a query's answer as tab-separated text.
func (s *shop) ask(query string) string {
	s.t.Helper()
	return strings.TrimSpace(devtest.Exec(s.t, s.cfg.Sink.ClickHouse.URL, query, "database", s.cfg.Sink.ClickHouse.Database))
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (s *syncBuffer) tail(lines int) string {
	all := strings.Split(strings.TrimSpace(s.String()), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// writer gives what a producer to the shop's topics is told.
func (s *shop) writer() produce.Config {
	return produce.Config{Brokers: s.cfg.Kafka.Brokers, Topics: s.cfg.ClickHouse().Topics}
}

// send writes the events to their topics, in their order.
func (s *shop) send(events []gen.Event) {
	s.t.Helper()
	w := produce.NewWriter(s.writer())
	for i := range events {
		if err := w.Write(s.t.Context(), &events[i]); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := w.Close(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}
