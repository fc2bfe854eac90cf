package ingest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/storepulse/storepulse/schemas"
)

// A batch that no retry can read ends the lane with what to do, after the
// records before it; what may pass does not.
func TestUnreadableBatch(t *testing.T) {
	good := func() []byte { return batchOf(batchSpec{base: 2, records: recordsAt(2, "a", "b")}) }
	attributes, bomb := pack(t, "zstd", make([]byte, maxBatchBytes+1))
	for name, tc := range map[string]struct {
		batch []byte
		want  []string // nil: it may pass
	}{
		"bomb":         {batchOf(batchSpec{base: 2, attributes: attributes, packed: bomb, lastDelta: 1, count: 2}), []string{"too large", "2 to 3"}},
		"old format":   {func() []byte { b := good(); b[16] = 1; return b }(), []string{"message format before 2"}},
		"no codec":     {func() []byte { b := good(); b[22] = 7; return sealBatch(b) }(), []string{"codec 7", "2 to 3"}},
		"bad record":   {func() []byte { b := good(); b[61] = 0x7e; return sealBatch(b) }(), []string{"bad record", "2 to 3"}},
		"bad checksum": {func() []byte { b := good(); b[70]++; return b }(), nil},
	} {
		for _, late := range []time.Duration{0, time.Second} { // the orders' first answer after the fault, too
			t.Run(fmt.Sprintf("%s/orders after %v", name, late), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { unreadableBatch(t, tc.batch, late, tc.want) })
			})
		}
	}
}

func unreadableBatch(t *testing.T, batch []byte, late time.Duration, want []string) {
	m := newMemoryLog()
	m.add(schemas.Clickstream, 1000, 1001)
	m.addBatch(schemas.Clickstream, batch, 4)
	c, _ := m.client(t, nil)
	fetch := c.fetch
	c.fetch = func(ctx context.Context, q fetchQuery, buf []byte) (fetchReply, error) {
		if q.topic == c.cfg.Kafka.Topics.Orders {
			sleep(ctx, late)
		}
		return fetch(ctx, q, buf)
	}
	l := c.Lane(5)
	defer l.Close()
	in, err := l.Next(t.Context(), schemas.Positions{})
	if err != nil || len(in.Records[0]) != 2 {
		t.Fatalf("the records before: %v, %v", in, err)
	}
	from := in.Ranges.End()
	in.Release()
	_, nextErr := l.Next(t.Context(), from)
	_, readErr := l.Read(t.Context(), schemas.Ranges{{Start: 0, End: 4}, {}})
	for _, err := range []error{nextErr, readErr} {
		if errors.Is(err, ErrUnreadable) != (want != nil) || err == nil {
			t.Fatalf("got %v", err)
		}
		for _, part := range append(want, c.cfg.Kafka.Topics.Clickstream, "partition 5", "offset 2") {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("error %v, want it to say %q", err, part)
			}
		}
		if want != nil && !strings.Contains(err.Error(), "kafka-delete-records.sh") {
			t.Errorf("error %v names no remedy", err)
		}
	}
}

// recreate deletes the topic and makes it again; meanwhile runs between.
func (w *world) recreate(t schemas.Topic, partitions int, meanwhile func()) {
	w.t.Helper()
	name := w.topic(t)
	res, err := w.client.admin.DeleteTopics(w.ctx(), &kafka.DeleteTopicsRequest{Topics: []string{name}})
	if err == nil {
		err = res.Errors[name]
	}
	if err != nil {
		w.t.Fatal(err)
	}
	meanwhile()
	ctx := w.ctx()
	for w.tryCreateTopic(name, partitions) != nil {
		if !sleep(ctx, 50*time.Millisecond) {
			w.t.Fatal("the topic did not come back")
		}
	}
}

func recreated(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrUnreadable) || !strings.Contains(err.Error(), "deleted and created again") || !strings.Contains(err.Error(), "empty database") {
		t.Fatalf("got %v, want that the topic was created again", err)
	}
}

// A lane that was made for a topic reads no other of the same name, not even
// if nobody noticed that the first was gone.
func TestLaneOfATopicCreatedAgain(t *testing.T) {
	onBrokers(t, func(t *testing.T, b broker) {
		w := newWorld(t, b, 1, nil)
		w.produce(w.kgo(), schemas.Clickstream, at(1000, 5)...)
		l := w.lane(0)
		w.recreate(schemas.Clickstream, 1, func() {})
		w.produce(w.kgo(), schemas.Clickstream, at(2000, 8)...)
		_, err := l.Next(w.ctx(), schemas.Positions{5, 0})
		recreated(t, err)
		_, err = l.Read(w.ctx(), schemas.Ranges{{Start: 0, End: 5}, {}})
		recreated(t, err)
		_, _, err = l.Bounds(w.ctx())
		recreated(t, err)
		if _, err := w.client.Identity(w.ctx()); err != nil {
			t.Fatal(err)
		}
		if got := w.collect(w.lane(0), schemas.Positions{}, schemas.Positions{8, 0}); len(got[0]) != 8 {
			t.Fatalf("a new lane got %d records", len(got[0]))
		}
	})
}

// Brokers before Kafka 3.1 know topics by name only: a fetch that failed makes
// the lane look whether it is the same one.
func TestTopicCreatedAgainOnAnOldBroker(t *testing.T) {
	for _, reason := range []string{"leader", "connection"} {
		t.Run(reason, func(t *testing.T) {
			w := newWorld(t, startFake(t, kfake.MaxVersions(kversion.V3_0_0())), 1, nil)
			var cut atomic.Bool
			w.b.fake.ControlKey(1, func(kmsg.Request) (kmsg.Response, error, bool) {
				w.b.fake.KeepControl()
				return nil, errTestNetwork, cut.Load()
			})
			failed := func(reason string) {
				ctx := w.ctx()
				for testutil.ToFloat64(w.client.metrics.fetchErrors.WithLabelValues("clickstream", reason)) == 0 {
					if !sleep(ctx, 10*time.Millisecond) {
						t.Fatalf("no fetch failed for reason %s", reason)
					}
				}
			}
			w.produce(w.kgo(), schemas.Clickstream, at(1000, 5)...)
			l := w.lane(0)
			w.collect(l, schemas.Positions{}, schemas.Positions{5, 0})
			if reason == "leader" {
				w.recreate(schemas.Clickstream, 1, func() { failed(reason) })
			} else {
				cut.Store(true)
				failed(reason)
				w.recreate(schemas.Clickstream, 1, func() {})
				failed("offset") // a fetch that had looked before must not go through
			}
			w.produce(w.kgo(), schemas.Clickstream, at(2000, 8)...)
			cut.Store(false)
			_, err := l.Next(w.ctx(), schemas.Positions{5, 0})
			recreated(t, err)
		})
	}
}

// The leader's log lost what was read: another log stands at the same offsets.
func TestTruncatedLog(t *testing.T) {
	onBrokers(t, func(t *testing.T, b broker) {
		w := newWorld(t, b, 1, nil)
		w.produce(w.kgo(), schemas.Clickstream, at(1000, 5)...)
		l := w.lane(0)
		if b.fake != nil { // it does not compare epochs
			b.fake.ControlKey(1, func(r kmsg.Request) (kmsg.Response, error, bool) {
				req := r.(*kmsg.FetchRequest)
				if req.Topics[0].Partitions[0].LastFetchedEpoch != 0 {
					b.fake.KeepControl()
					return nil, nil, false
				}
				res := req.ResponseKind().(*kmsg.FetchResponse)
				topic, part := kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition()
				topic.TopicID, part.DivergingEpoch.Epoch, part.DivergingEpoch.EndOffset = req.Topics[0].TopicID, 0, 5
				topic.Partitions = append(topic.Partitions, part)
				res.Topics = append(res.Topics, topic)
				return res, nil, true
			})
		}
		s := l.source(schemas.Clickstream)
		s.epoch, s.after = 0, 9 // as if records 5 to 8 had been there
		_, err := s.next(w.ctx(), 9, nil)
		if !errors.Is(err, ErrUnreadable) || !errors.Is(err, errTruncated) || !strings.Contains(err.Error(), "up to offset 5 in leader epoch 0") {
			t.Fatalf("got %v, want that the log was truncated", err)
		}
	})
}

// The epoch of the last batch goes with the next fetch, and with no other.
func TestLeaderEpochIsSent(t *testing.T) {
	m := newMemoryLog()
	m.add(schemas.Clickstream, 1000, 1001)
	b := batchOf(batchSpec{base: 2, records: recordsAt(2, "x")})
	binary.BigEndian.PutUint32(b[12:], 6)
	m.addBatch(schemas.Clickstream, b, 3)
	m.limit = 1
	c, _ := m.client(t, nil)
	var epochs []int32
	fetch := c.fetch
	c.fetch = func(ctx context.Context, q fetchQuery, buf []byte) (fetchReply, error) {
		epochs = append(epochs, q.epoch)
		return fetch(ctx, q, buf)
	}
	s := c.Lane(0).source(schemas.Clickstream)
	for _, offset := range []int64{0, 2, 3, 1} {
		if _, err := s.next(t.Context(), offset, nil); err != nil {
			t.Fatal(err)
		}
	}
	if want := []int32{-1, 0, 6, -1}; !slices.Equal(epochs, want) {
		t.Fatalf("epochs %v, want %v", epochs, want)
	}
}
