package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/storepulse/storepulse/schemas"
)

// story runs on a fake clock with a lane over a log in memory.
func story(t *testing.T, configure func(*Config), tell func(t *testing.T, m *memoryLog, l *Lane)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryLog()
		c, _ := m.client(t, configure)
		l := c.Lane(0)
		defer l.Close()
		tell(t, m, l)
	})
}

// epoch reads one epoch and tells it in a line: when, ranges, records.
func epoch(t *testing.T, l *Lane, from *schemas.Positions, since time.Time) string {
	t.Helper()
	in, err := l.Next(t.Context(), *from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Release()
	var b strings.Builder
	fmt.Fprintf(&b, "+%s [%d,%d) [%d,%d)", time.Since(since).Round(time.Second), in.Ranges[0].Start, in.Ranges[0].End, in.Ranges[1].Start, in.Ranges[1].End)
	for _, records := range in.Records {
		for _, r := range records {
			fmt.Fprintf(&b, " %s", r.Value)
		}
	}
	if in.Idle > 0 {
		fmt.Fprintf(&b, " idle %s", in.Idle.Round(time.Second))
	}
	*from = in.Ranges.End()
	return b.String()
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(got, want); diff != "" {
		t.Fatalf("epochs (-got, +want):\n%s", diff)
	}
}

func TestNextCutsByTimeAndGoesIdle(t *testing.T) {
	story(t, nil, func(t *testing.T, m *memoryLog, l *Lane) {
		start, from, got := time.Now(), schemas.Positions{}, []string(nil)
		m.add(schemas.Clickstream, 1, 2)
		m.add(schemas.OrdersTopic, 2)
		got = append(got, epoch(t, l, &from, start))
		time.Sleep(5 * time.Second)
		go func() { time.Sleep(2 * time.Second); m.add(schemas.OrdersTopic, 3) }()
		got = append(got, epoch(t, l, &from, start)) // at once: the last cut is long ago
		m.gap(schemas.Clickstream)
		got = append(got, epoch(t, l, &from, start)) // 30 s after the last record, over the marker
		got = append(got, epoch(t, l, &from, start)) // and every 30 s
		expect(
			t, got,
			"+0s [0,2) [0,1) clickstream@1 clickstream@2 orders@2",
			"+7s [2,2) [1,2) orders@3",
			"+37s [2,3) [2,2) idle 30s",
			"+1m7s [3,3) [2,2) idle 30s",
		)
	})
}

func TestNextCutsByRecords(t *testing.T) {
	story(t, func(c *Config) { c.Ingest.Epoch.Records = 3 }, func(t *testing.T, m *memoryLog, l *Lane) {
		start, from, got := time.Now(), schemas.Positions{}, []string(nil)
		m.add(schemas.Clickstream, 1, 3, 5, 7)
		m.add(schemas.OrdersTopic, 2, 4, 6)
		for range 3 {
			got = append(got, epoch(t, l, &from, start))
		}
		expect(
			t, got,
			"+0s [0,2) [0,1) clickstream@1 clickstream@3 orders@2",
			"+0s [2,3) [1,3) clickstream@5 orders@4 orders@6",
			"+1s [3,4) [3,3) clickstream@7",
		)
	})
}

func TestNextCutsByBytes(t *testing.T) {
	story(t, func(c *Config) { c.Ingest.Epoch.Bytes = 1 << 20 }, func(t *testing.T, m *memoryLog, l *Lane) {
		var records []schemas.Record
		for i := range int64(5) {
			// Later than zero, so that none is taken before the orders are known.
			records = append(records, schemas.Record{Offset: i, Timestamp: i + 1, Value: make([]byte, 400<<10)})
		}
		m.addBatch(schemas.Clickstream, batchOf(batchSpec{records: records}), 5)
		from := schemas.Positions{}
		for _, want := range []int64{3, 5} {
			in, err := l.Next(t.Context(), from)
			if err != nil {
				t.Fatal(err)
			}
			from = in.Ranges.End()
			in.Release()
			if from[0] != want {
				t.Fatalf("cut at %d, want %d", from[0], want)
			}
		}
	})
}

// A topic with a backlog is read as far as the other, not further.
func TestNextKeepsTopicsTogether(t *testing.T) {
	story(t, func(c *Config) { c.Ingest.Epoch.Records = 4 }, func(t *testing.T, m *memoryLog, l *Lane) {
		m.limit = 1 // every fetch brings one batch: both topics stay behind their end
		start, from := time.Now(), schemas.Positions{}
		for i := range int64(30) {
			m.add(schemas.Clickstream, 10*i, 10*i+1, 10*i+2) // 0 … 292
		}
		for i := range int64(5) {
			m.add(schemas.OrdersTopic, 60*i) // 0 … 240
		}
		var last [2]int64
		for from != (schemas.Positions{90, 5}) {
			before := from
			line := epoch(t, l, &from, start)
			if from == before {
				t.Fatalf("no progress: %s", line)
			}
			for _, word := range strings.Fields(line)[3:] {
				var ts int64
				topic, _, _ := strings.Cut(word, "@")
				if _, err := fmt.Sscanf(word, topic+"@%d", &ts); err != nil {
					t.Fatal(err)
				}
				if topic == "orders" {
					last[1] = ts
				} else {
					last[0] = ts
				}
			}
			// The orders are 60 apart: until they end, no click is read that lies
			// beyond the next order.
			if from[1] < 5 && last[0] > last[1]+60 {
				t.Fatalf("clicks at %d while orders are at %d: %s", last[0], last[1], line)
			}
		}
	})
}

// While one topic cannot be fetched, nothing after what it has is read, and
// the time does not count as idle.
func TestNextWaitsForAFailingTopic(t *testing.T) {
	story(t, nil, func(t *testing.T, m *memoryLog, l *Lane) {
		start, from, got := time.Now(), schemas.Positions{}, []string(nil)
		m.fail(schemas.OrdersTopic, errTestNetwork)
		m.add(schemas.Clickstream, 5)
		go func() { time.Sleep(60 * time.Second); m.fail(schemas.OrdersTopic, nil) }()
		got = append(got, epoch(t, l, &from, start), epoch(t, l, &from, start))
		in := strings.Fields(got[0])[0]
		if d, err := time.ParseDuration(in[1:]); err != nil || d < 60*time.Second || d > 63*time.Second {
			t.Fatalf("first epoch at %s", in)
		}
		if d, err := time.ParseDuration(strings.Fields(got[1])[0][1:]); err != nil || d < 90*time.Second || d > 95*time.Second {
			t.Fatalf("idle at %s", got[1])
		}
	})
}

func TestNextReturnsWithContext(t *testing.T) {
	story(t, nil, func(t *testing.T, _ *memoryLog, l *Lane) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		if _, err := l.Next(ctx, schemas.Positions{}); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Fatalf("%v after %s", err, time.Since(start))
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Next(t.Context(), schemas.Positions{}); !errors.Is(err, errLaneClosed) {
			t.Fatalf("next on a closed lane: %v", err)
		}
	})
}

// Going back re-reads; records of an epoch stay valid until they are released,
// whatever is read meanwhile.
func TestNextSeeks(t *testing.T) {
	story(t, func(c *Config) { c.Ingest.Epoch.Records = 2 }, func(t *testing.T, m *memoryLog, l *Lane) {
		for i := range int64(100) {
			m.add(schemas.Clickstream, i)
		}
		held, err := l.Next(t.Context(), schemas.Positions{10, 0})
		if err != nil {
			t.Fatal(err)
		}
		start, from := time.Now(), schemas.Positions{50, 0}
		got := []string{epoch(t, l, &from, start)}
		from = schemas.Positions{10, 0}
		got = append(got, epoch(t, l, &from, start))
		for range 20 {
			epoch(t, l, &from, start)
		}
		expect(t, got, "+0s [50,52) [0,0) clickstream@50 clickstream@51", "+0s [10,12) [0,0) clickstream@10 clickstream@11")
		again := *held
		again.seal()
		if again.CRC != held.CRC || string(held.Records[0][0].Value) != "clickstream@10" {
			t.Fatalf("held records changed: %s", held.Records[0][0].Value)
		}
		held.Release()
	})
}

// A producer's clock far ahead neither stops the lane nor the other topic.
func TestNextWithAClockAhead(t *testing.T) {
	story(t, func(c *Config) { c.Ingest.Epoch.Records = 4 }, func(t *testing.T, m *memoryLog, l *Lane) {
		m.limit = 1
		far := time.Now().Add(24 * 365 * time.Hour).UnixMilli()
		for i := range int64(10) {
			m.add(schemas.Clickstream, i, far, i+1)
			m.add(schemas.OrdersTopic, i, i)
		}
		start, from := time.Now(), schemas.Positions{}
		for n := 0; from != (schemas.Positions{30, 20}); n++ {
			if n > 50 {
				t.Fatalf("at %v after %d epochs", from, n)
			}
			epoch(t, l, &from, start)
		}
		if d := time.Since(start); d > 15*time.Second {
			t.Fatalf("took %s", d)
		}
	})
}

func TestLagGauges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryLog()
		c, reg := m.client(t, nil)
		l := c.Lane(3)
		defer l.Close()
		now := time.Now().UnixMilli()
		m.add(schemas.Clickstream, now-5000, now-4000)
		in, err := l.Next(t.Context(), schemas.Positions{})
		if err != nil {
			t.Fatal(err)
		}
		in.Release()
		gauges := func(messages, seconds int) string {
			return fmt.Sprintf(`# HELP ecom_kafka_consumer_lag_messages Offsets between the last finished epoch and the last stable offset.
# TYPE ecom_kafka_consumer_lag_messages gauge
ecom_kafka_consumer_lag_messages{partition="3",topic="clickstream"} %d
ecom_kafka_consumer_lag_messages{partition="3",topic="orders"} 0
# HELP ecom_kafka_consumer_lag_seconds Age of the oldest record that no finished epoch has read, 0 if there is none.
# TYPE ecom_kafka_consumer_lag_seconds gauge
ecom_kafka_consumer_lag_seconds{partition="3",topic="clickstream"} %d
ecom_kafka_consumer_lag_seconds{partition="3",topic="orders"} 0
`, messages, seconds)
		}
		check := func(want string) {
			t.Helper()
			if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "ecom_kafka_consumer_lag_messages", "ecom_kafka_consumer_lag_seconds"); err != nil {
				t.Fatal(err)
			}
		}
		check(gauges(2, 5)) // in hand, not finished
		in, err = l.Next(t.Context(), in.Ranges.End())
		if err != nil || in.Idle == 0 {
			t.Fatalf("%v, idle %s", err, in.Idle)
		}
		check(gauges(0, 0))
		// A look that fails: what may have come since the last one is not old. The
		// bubble's clock sleeps, nobody waits.
		time.Sleep(time.Hour)
		synctest.Wait()
		m.fail(schemas.Clickstream, errors.New("no answer"))
		time.Sleep(3 * time.Second)
		synctest.Wait()
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "ecom_kafka_consumer_lag_seconds" && f.Metric[0].GetGauge().GetValue() > 60 {
				t.Errorf("after three seconds without an answer the lag is %g s", f.Metric[0].GetGauge().GetValue())
			}
		}
		m.fail(schemas.Clickstream, nil)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		check("")
	})
}
