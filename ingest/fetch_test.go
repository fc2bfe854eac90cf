package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/storepulse/storepulse/schemas"
)

// row is a record with its bytes copied, for comparison.
type row struct {
	Offset, Timestamp   int64
	Key, Value, Headers string
	NilKey, NilValue    bool
}

func rows(records []schemas.Record) (out []row) {
	for _, r := range records {
		out = append(out, row{r.Offset, r.Timestamp, string(r.Key), string(r.Value), string(r.Headers), r.Key == nil, r.Value == nil})
	}
	return out
}

func codecsOf() map[string]kgo.CompressionCodec {
	return map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
}

func TestReadEveryCodec(t *testing.T) {
	onBrokers(t, func(t *testing.T, b broker) {
		for name, codec := range codecsOf() {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t, b, 1, nil)
				producer := w.kgo(kgo.ProducerBatchCompression(codec))
				start := time.Now().UnixMilli() - 10_000
				var want []row
				for batch := range 3 {
					var records []*kgo.Record
					for i := range 200 {
						n := int64(batch*200 + i)
						r := &kgo.Record{Key: fmt.Appendf(nil, "key-%d", i), Value: bytes.Repeat(fmt.Appendf(nil, "value %d ", n), 20), Timestamp: time.UnixMilli(start + n)}
						one := row{Offset: n, Timestamp: start + n, Headers: "\x00"}
						switch i % 5 {
						case 1:
							r.Headers = []kgo.RecordHeader{{Key: "ce_id", Value: []byte("7")}}
							one.Headers = "\x02\x0ace_id\x027"
						case 2:
							r.Key, one.NilKey = nil, true
						case 3:
							r.Value, one.NilValue = nil, true
						}
						one.Key, one.Value = string(r.Key), string(r.Value)
						want = append(want, one)
						records = append(records, r)
					}
					w.produce(producer, schemas.Clickstream, records...)
				}
				l := w.lane(0)
				in, err := l.Read(w.ctx(), schemas.Ranges{{Start: 0, End: 600}, {}})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(rows(in.Records[0]), want); diff != "" {
					t.Fatalf("records (-got, +want):\n%s", diff)
				}
				whole := in.CRC
				in.Release()

				// A range inside a batch gives exactly its records, and the same checksum again.
				for range 2 {
					in, err = l.Read(w.ctx(), schemas.Ranges{{Start: 150, End: 413}, {}})
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(rows(in.Records[0]), want[150:413]); diff != "" {
						t.Fatalf("records (-got, +want):\n%s", diff)
					}
					in.Release()
				}
				in, err = l.Read(w.ctx(), schemas.Ranges{{Start: 0, End: 600}, {}})
				if err != nil {
					t.Fatal(err)
				}
				if in.CRC != whole || whole == 0 {
					t.Fatalf("checksum %08x, before %08x", in.CRC, whole)
				}
				in.Release()
			})
		}
	})
}

// A transaction that was aborted leaves no record, one that is open is not
// read yet, and the range's end moves over the markers.
func TestReadCommittedTransactions(t *testing.T) {
	onBrokers(t, func(t *testing.T, b broker) {
		w := newWorld(t, b, 1, func(c *Config) { c.IdleAfter = 300 * time.Millisecond })
		id := fmt.Sprintf("tx-%d", time.Now().UnixNano())
		tx := w.kgo(kgo.TransactionalID(id), kgo.ProducerBatchCompression(kgo.Lz4Compression()))
		other := w.kgo()
		produce := func(name string, commit bool) {
			t.Helper()
			if err := tx.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				w.produce(tx, schemas.Clickstream, &kgo.Record{Value: fmt.Appendf(nil, "%s%d", name, i)})
				w.produce(other, schemas.Clickstream, &kgo.Record{Value: fmt.Appendf(nil, "p-%s%d", name, i)})
			}
			if err := tx.EndTransaction(w.ctx(), kgo.TransactionEndTry(commit)); err != nil {
				t.Fatal(err)
			}
		}
		produce("a", true)
		produce("b", false)
		produce("c", true)
		// 3 transactions of 6 records and a marker.
		l := w.lane(0)
		got := w.collect(l, schemas.Positions{}, schemas.Positions{21, 0})
		want := "a0 p-a0 a1 p-a1 a2 p-a2 p-b0 p-b1 p-b2 c0 p-c0 c1 p-c1 c2 p-c2"
		if join(got[0]) != want {
			t.Fatalf("got  %s\nwant %s", join(got[0]), want)
		}
		in, err := l.Read(w.ctx(), schemas.Ranges{{Start: 7, End: 14}, {}}) // exactly the aborted one
		if err != nil {
			t.Fatal(err)
		}
		if n := len(in.Records[0]); n != 3 {
			t.Fatalf("%d records of an aborted transaction's range, want the other producer's 3", n)
		}
		in.Release()

		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		w.produce(tx, schemas.Clickstream, &kgo.Record{Value: []byte("open")})
		_, end, err := l.Bounds(w.ctx())
		if err != nil || end[0] != 21 {
			t.Fatalf("bounds end at %d (%v) inside an open transaction, want 21", end[0], err)
		}
		// What began before the transaction may still count as idle, by a fetch that
		// was answered before and one that was under way; nothing else does.
		for before := 0; ; before++ {
			wait, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			in, err = l.Next(wait, schemas.Positions{21, 0})
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if !in.Ranges.Empty() {
				t.Fatalf("an open transaction gave ranges %v", in.Ranges)
			}
			if in.Release(); before == 2 {
				t.Fatal("a lane with an open transaction counts as idle")
			}
		}
		if err := tx.EndTransaction(w.ctx(), kgo.TryAbort); err != nil {
			t.Fatal(err)
		}
		// The aborted record and its marker have no record; an idle input takes them along.
		in = w.next(l, schemas.Positions{21, 0})
		for in.Ranges.Empty() {
			in.Release()
			in = w.next(l, schemas.Positions{21, 0})
		}
		if in.Ranges[0].End != 23 || len(in.Records[0]) != 0 || in.Idle <= 0 {
			t.Fatalf("after the abort: ranges %v, %d records, idle %s", in.Ranges, len(in.Records[0]), in.Idle)
		}
		in.Release()
	})
}

// Of two aborted transactions the one that began first ends last, and the
// broker names it last.
func TestReadInterleavedTransactions(t *testing.T) {
	onBrokers(t, func(t *testing.T, b broker) {
		w := newWorld(t, b, 1, nil)
		plain := w.kgo()
		transaction := func(name string) *kgo.Client {
			c := w.kgo(kgo.TransactionalID(fmt.Sprintf("%s-%d", name, time.Now().UnixNano())))
			if err := c.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			return c
		}
		abort := func(c *kgo.Client) {
			t.Helper()
			if err := c.EndTransaction(w.ctx(), kgo.TryAbort); err != nil {
				t.Fatal(err)
			}
		}
		write := func(c *kgo.Client, value string) {
			t.Helper()
			w.produce(c, schemas.Clickstream, &kgo.Record{Value: []byte(value)})
		}
		outer, inner := transaction("outer"), transaction("inner")
		write(outer, "outer0")
		write(outer, "outer1")
		write(plain, "kept0")
		write(inner, "inner0")
		abort(inner)
		write(plain, "kept1")
		write(outer, "outer2")
		abort(outer)
		write(plain, "kept2")

		// Seven records, of which the aborted ones are nobody's, and two markers:
		// the same from wherever a fetch begins.
		l := w.lane(0)
		var values []string
		whole, err := l.Read(w.ctx(), schemas.Ranges{{End: 9}, {}})
		if err != nil {
			t.Fatal(err)
		}
		defer whole.Release()
		for _, r := range whole.Records[0] {
			values = append(values, string(r.Value))
		}
		if got := join(values); got != "kept0 kept1 kept2" {
			t.Fatalf("got %s", got)
		}
		for offset := range int64(9) {
			var n int
			for _, r := range whole.Records[0] {
				if r.Offset >= offset {
					n++
				}
			}
			in, err := l.Read(w.ctx(), schemas.Ranges{{Start: offset, End: 9}, {}})
			if err != nil {
				t.Fatal(err)
			}
			if len(in.Records[0]) != n {
				t.Errorf("%d records from offset %d, want %d", len(in.Records[0]), offset, n)
			}
			in.Release()
		}
	})
}

// A record of 10 MB passes, so that the transform can set it aside.
func TestHugeRecord(t *testing.T) {
	onBrokers(t, func(t *testing.T, b broker) {
		w := newWorld(t, b, 1, nil)
		huge := bytes.Repeat([]byte("0123456789abcdef"), 10<<16)
		producer := w.kgo(kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(16<<20))
		w.produce(producer, schemas.Clickstream, &kgo.Record{Value: []byte("before")})
		w.produce(producer, schemas.Clickstream, &kgo.Record{Value: huge})
		w.produce(producer, schemas.Clickstream, &kgo.Record{Value: []byte("after")})
		got := w.collect(w.lane(0), schemas.Positions{}, schemas.Positions{3, 0})
		if len(got[0]) != 3 || got[0][1] != string(huge) || got[0][2] != "after" {
			t.Fatalf("%d records", len(got[0]))
		}
	})
}

func TestRetention(t *testing.T) {
	onBrokers(t, func(t *testing.T, b broker) {
		w := newWorld(t, b, 1, nil)
		w.produce(w.kgo(), schemas.Clickstream, at(time.Now().UnixMilli(), 20)...)
		w.deleteRecords(schemas.Clickstream, 12)
		l := w.lane(0)
		start, end, err := l.Bounds(w.ctx())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]schemas.Positions{start, end}, []schemas.Positions{{12, 0}, {20, 0}}); diff != "" {
			t.Fatalf("bounds (-got, +want):\n%s", diff)
		}
		_, nextErr := l.Next(w.ctx(), schemas.Positions{5, 0})
		_, readErr := l.Read(w.ctx(), schemas.Ranges{{Start: 5, End: 20}, {}})
		for _, err := range []error{nextErr, readErr} {
			var lost *RetentionError
			if !errors.Is(err, ErrRetention) || !errors.As(err, &lost) || lost.LogStart != 12 || lost.Offset != 5 {
				t.Fatalf("got error %v, want retention with log start 12", err)
			}
		}
		if got := w.collect(l, schemas.Positions{12, 0}, schemas.Positions{20, 0}); len(got[0]) != 8 {
			t.Fatalf("%d records after retention, want 8", len(got[0]))
		}
	})
}

// A topic that was created again has another id.
func TestTopicIDs(t *testing.T) {
	onBrokers(t, func(t *testing.T, b broker) {
		w := newWorld(t, b, 3, nil)
		first, err := w.client.TopicIDs(w.ctx())
		if err != nil || first[0] == first[1] || first[0] == (schemas.ID{}) {
			t.Fatalf("ids %v, %v", first, err)
		}
		res, err := w.client.admin.DeleteTopics(w.ctx(), &kafka.DeleteTopicsRequest{Topics: []string{w.topic(schemas.OrdersTopic)}})
		if err == nil {
			err = res.Errors[w.topic(schemas.OrdersTopic)]
		}
		if err != nil {
			t.Fatal(err)
		}
		var second [schemas.NumTopics]schemas.ID
		ctx := w.ctx()
		for created := false; ; {
			if !created {
				created = w.tryCreateTopic(w.topic(schemas.OrdersTopic), 3) == nil
			}
			if second, err = w.client.TopicIDs(ctx); err == nil && second != first {
				break
			}
			if !sleep(ctx, 50*time.Millisecond) {
				t.Fatal("the topic did not come back")
			}
		}
		if second[0] != first[0] || second[1] == first[1] {
			t.Fatalf("ids %v, before %v", second, first)
		}
	})
}
