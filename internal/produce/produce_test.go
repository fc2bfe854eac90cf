package produce

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/schemas"
)

// broker gives one with two topics of the test's own: the real Kafka that
// STOREPULSE_TEST_KAFKA names, or the fake one.
func broker(t *testing.T, partitions int) (addr string, topics [schemas.NumTopics]string) {
	t.Helper()
	id := fmt.Sprint(time.Now().UnixNano())
	topics = [schemas.NumTopics]string{"clicks-" + id, "orders-" + id}
	addr = os.Getenv("STOREPULSE_TEST_KAFKA")
	if addr == "" {
		c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(int32(partitions), topics[0], topics[1]))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c.ListenAddrs()[0], topics
	}
	req := &kafka.CreateTopicsRequest{}
	for _, name := range topics {
		req.Topics = append(req.Topics, kafka.TopicConfig{
			Topic: name, NumPartitions: partitions, ReplicationFactor: 1,
			ConfigEntries: []kafka.ConfigEntry{{ConfigName: "retention.ms", ConfigValue: "-1"}}, // records bear fixed dates
		})
	}
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(addr), Transport: transport, Timeout: time.Minute}
	res, err := client.CreateTopics(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range res.Errors {
		if err != nil {
			t.Fatal(err)
		}
	}
	return addr, topics
}

func TestEverythingArrivesWithItsTimeAndAVisitorStaysInOneLane(t *testing.T) {
	addr, topics := broker(t, 4)
	start := time.Date(2026, 11, 10, 4, 0, 0, 0, time.UTC)
	settings := gen.Settings{Seed: 7, Start: start, Rate: 50, MaxEvents: 20_000, Defects: gen.RealisticDefects()}
	g := gen.New(settings)
	w := NewWriter(Config{Brokers: []string{addr}, Topics: topics, BatchRecords: 1500})
	if err := Run(t.Context(), w, g.Next, Pace{}, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(w.Counts().Records, g.Stats().Topics); d != "" {
		t.Errorf("acknowledged against generated (-got +want):\n%s", d)
	}

	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topics[:]...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	lanes := map[string]int32{}
	got := map[string]int{}
	read := int64(0)
	for read < g.Stats().Records {
		for _, r := range cl.PollFetches(t.Context()).Records() {
			read++
			got[r.Timestamp.UTC().Format(time.RFC3339Nano)+" "+string(r.Value)]++
			if lane, ok := lanes[string(r.Key)]; ok && lane != r.Partition {
				t.Fatalf("key %s in partitions %d and %d", r.Key, lane, r.Partition)
			}
			lanes[string(r.Key)] = r.Partition
		}
	}
	want := map[string]int{}
	again := gen.New(settings)
	for e := (gen.Event{}); again.Next(&e); {
		want[e.Time.Format(time.RFC3339Nano)+" "+string(e.Value)]++
	}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("records (-got +want):\n%.2000s", d)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	addr, topics := broker(t, 1)
	e := &gen.Event{Key: []byte("a"), Value: []byte("{}"), Time: time.Unix(1e9, 0)}
	for _, c := range []struct {
		name, addr, topic, want string
		value                   []byte
	}{
		{"nobody listens", "127.0.0.1:1", topics[0], "is a broker listening at kafka.brokers?", e.Value},
		{"hangs up", hangsUp(t), topics[0], "if it expects TLS or SASL", e.Value},
		{"no such topic", addr, "nowhere", "kafka.topics.clickstream", e.Value},
		{"too large", addr, topics[0], "over the client's limit", make([]byte, 1<<20)},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := NewWriter(Config{Brokers: []string{c.addr}, Topics: [schemas.NumTopics]string{c.topic, topics[1]}})
			w.kafka.MaxAttempts = 1
			e := &gen.Event{Key: e.Key, Value: c.value, Time: e.Time}
			if err := w.Write(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			err := w.Close(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to contain %q", err, c.want)
			}
		})
	}
}

// A writer takes the cluster that is there for another one than a writer before
// it has met at the same address.
func TestAnotherClusterAtTheAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := l.(*net.TCPListener).File() // keeps the port while no cluster has it
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	l.Close()
	listen := kfake.ListenFn(func(string, string) (net.Listener, error) { return net.FileListener(socket) })
	for _, topics := range [][schemas.NumTopics]string{{"a", "b"}, {"c", "d"}} {
		c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topics[:]...), listen)
		if err != nil {
			t.Fatal(err)
		}
		w := NewWriter(Config{Brokers: c.ListenAddrs(), Topics: topics})
		err = w.Write(t.Context(), &gen.Event{Key: []byte("a"), Value: []byte("{}"), Time: time.Unix(1e9, 0)})
		if err = errors.Join(err, w.Close(t.Context())); err != nil {
			t.Error(err)
		}
		c.Close()
	}
}

// hangsUp is the address of a listener that closes every connection with bytes
// unread, so that it is reset.
func hangsUp(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1))
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

func TestPacerKeepsTheSpacing(t *testing.T) {
	arrivals := []time.Duration{0, time.Minute, time.Hour}
	cases := []struct {
		name string
		pace Pace
		want []time.Duration
	}{
		{"full speed", Pace{}, []time.Duration{0, 0, 0}},
		{"real time", Pace{TimeLapse: 1}, []time.Duration{0, time.Minute, time.Hour}},
		{"an hour in a minute", Pace{TimeLapse: 60}, []time.Duration{0, time.Second, time.Minute}},
		{"two per second", Pace{Rate: 2}, []time.Duration{0, 500 * time.Millisecond, time.Second}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, begun := NewPacer(c.pace), time.Now()
				for i, a := range arrivals {
					time.Sleep(time.Until(p.At(time.Unix(1e9, 0).Add(a))))
					if got := time.Since(begun); got != c.want[i] {
						t.Errorf("record %d after %s, want %s", i, got, c.want[i])
					}
				}
			})
		})
	}
}

// A stream that began an hour ago catches up, then goes on with the clock.
func TestLivePacerWaitsForTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		p := NewPacer(Pace{TimeLapse: 60, Live: true})
		for _, c := range []struct{ ago, want time.Duration }{
			{-time.Hour, 0},
			{-30 * time.Minute, 30 * time.Second},
			{0, time.Minute},
			{5 * time.Minute, 5 * time.Minute},
		} {
			time.Sleep(time.Until(p.At(begun.Add(c.ago))))
			if got := time.Since(begun); got != c.want {
				t.Errorf("record of %s goes after %s, want %s", c.ago, got, c.want)
			}
		}
	})
}

func TestCancelDrainsWhatIsHeld(t *testing.T) {
	addr, topics := broker(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	w := NewWriter(Config{Brokers: []string{addr}, Topics: topics})
	n := 0
	next := func(e *gen.Event) bool {
		if n++; n == 100 {
			cancel()
		}
		*e = gen.Event{Key: []byte("a"), Value: []byte("{}"), Time: time.Unix(1e9, 0)}
		return true
	}
	if err := Run(ctx, w, next, Pace{}, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want canceled", err)
	}
	if got := w.Counts().Total(); got != 100 {
		t.Errorf("%d records acknowledged, want the 100 taken before the cancel was seen", got)
	}
}
