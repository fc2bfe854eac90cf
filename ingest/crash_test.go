package ingest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/storepulse/storepulse/schemas"
)

// A real broker of its own is killed under two workers and a producer, and
// started again: lanes come back, and every acknowledged record is read once.
func TestKafkaKilled(t *testing.T) {
	realBroker(t) // for the reason of skipping
	script, err := filepath.Abs("../tools/kafka/kafka.sh")
	if err != nil {
		t.Fatal(err)
	}
	port := portOfBroker(t)
	kafkaSh := func(command string) {
		t.Helper()
		cmd := exec.Command(script, command)
		cmd.Env = append(os.Environ(), "KAFKA_PORT="+port)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("kafka.sh %s: %v\n%s", command, err, out)
		}
	}
	kafkaSh("start")
	t.Cleanup(func() { kafkaSh("clean") })

	w := newWorld(t, broker{addr: "127.0.0.1:" + port}, 4, func(c *Config) { c.Kafka.SessionTimeout = 6 * time.Second })
	first := w.join(w.client)
	c2, _ := w.newClient()
	second := w.join(c2)
	settle(t, 4, first, second)

	// The producer writes one record at a time and remembers what was acknowledged.
	producer := w.kgo(kgo.RecordDeliveryTimeout(5*time.Minute), kgo.RequestRetries(100))
	ctx, stop := context.WithCancel(t.Context())
	acknowledged := make(chan []string, 1)
	go func() {
		var values []string
		for i := 0; ctx.Err() == nil; i++ {
			r := &kgo.Record{Topic: w.topic(schemas.Clickstream), Value: fmt.Appendf(nil, "v%d", i)}
			if producer.ProduceSync(t.Context(), r).FirstErr() == nil {
				values = append(values, string(r.Value))
			}
		}
		acknowledged <- values
	}()
	var read []string
	l, from := w.lane(0), schemas.Positions{}
	readSome := func(d time.Duration) {
		t.Helper()
		for end := time.Now().Add(d); time.Now().Before(end); {
			rctx, cancel := context.WithTimeout(t.Context(), time.Until(end))
			in, err := l.Next(rctx, from)
			cancel()
			if err != nil {
				if rctx.Err() == nil {
					t.Fatal(err)
				}
				continue
			}
			for _, r := range in.Records[0] {
				read = append(read, string(r.Value))
			}
			from = in.Ranges.End()
			in.Release()
		}
	}
	for deadline := time.Now().Add(patience); len(read) == 0 && time.Now().Before(deadline); {
		readSome(2 * time.Second)
	}
	before := len(read)
	kafkaSh("kill")
	readSome(2 * time.Second)
	restarted := time.Now()
	kafkaSh("start")
	ready := time.Now()
	got := settle(t, 4, first, second)
	t.Logf("start took %s; lanes %v assigned %s later", ready.Sub(restarted).Round(time.Millisecond), lanesOf(got), time.Since(ready).Round(time.Millisecond))
	readSome(2 * time.Second)
	stop()
	want := <-acknowledged
	_, end, err := l.Bounds(w.ctx())
	if err != nil {
		t.Fatal(err)
	}
	for from[0] < end[0] {
		readSome(200 * time.Millisecond)
	}
	t.Logf("%d records read before the kill, %d in all, %d acknowledged", before, len(read), len(want))
	if before == 0 || len(read) <= before {
		t.Fatal("nothing was read on one side of the kill: the test proves nothing")
	}
	if !slices.Equal(read, want) {
		t.Fatalf("read %d records, acknowledged %d; first difference at %d", len(read), len(want), difference(read, want))
	}
}

func difference(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// portOfBroker finds a port whose next five are free as well, for a broker's
// other listeners, below those that the system gives to clients.
func portOfBroker(t *testing.T) string {
	t.Helper()
	for range 100 {
		first := 20_000 + rand.IntN(12_000)
		free := true
		for port := first; port <= first+5; port++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				free = false
				break
			}
			defer l.Close()
		}
		if free {
			return strconv.Itoa(first)
		}
	}
	t.Fatal("no six free ports in a row")
	return ""
}
