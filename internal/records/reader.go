package records

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/schemas"
)

// Record is one record as it is in Kafka. It owns its bytes.
type Record struct {
	Position
	Timestamp int64 // Unix milliseconds
	Key       []byte
	Value     []byte // nil is a tombstone
	Headers   []Header
	Section   []byte // the headers as they were encoded, for a decoder
}

// Header is one header of a record.
type Header struct {
	Key   string
	Value []byte
}

// Reader reads records by position. It is for one goroutine at a time.
type Reader struct {
	client     *ingest.Client
	topics     [schemas.NumTopics]string
	partitions int
}

// NewReader makes a reader; it connects with the first call.
func NewReader(cfg ingest.Config, log *slog.Logger) (*Reader, error) {
	c, err := ingest.New(cfg, log, prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	return &Reader{client: c, topics: cfg.Kafka.Topics.Names()}, nil
}

// Close lets the connections go.
func (r *Reader) Close() error { return r.client.Close() }

// Partitions says how many partitions each topic has.
func (r *Reader) Partitions(ctx context.Context) (int, error) {
	if r.partitions == 0 {
		n, err := r.client.Check(ctx)
		if err != nil {
			return 0, err
		}
		r.partitions = n
	}
	return r.partitions, nil
}

// Ends gives the offset after the last readable record of a partition, by topic.
func (r *Reader) Ends(ctx context.Context, partition uint32) (schemas.Positions, error) {
	lane := r.client.Lane(partition)
	defer func() { _ = lane.Close() }()
	_, end, err := lane.Bounds(ctx)
	return end, err
}

// Bounds of one read: a few wanted records near each other come in one.
const (
	maxGap  = 32
	maxSpan = 128
)

// Read fetches the records that Kafka still has of the wanted positions. What
// retention, compaction or an abort took is absent from the answer.
func (r *Reader) Read(ctx context.Context, want []Position) (map[Position]*Record, error) {
	want = slices.Clone(want)
	slices.SortFunc(want, Position.Compare)
	want = slices.Compact(want)
	found := make(map[Position]*Record, len(want))
	keep := func(rec *Record) bool {
		if _, ok := slices.BinarySearchFunc(want, rec.Position, Position.Compare); ok {
			found[rec.Position] = rec.clone()
		}
		return true
	}
	for len(want) > 0 {
		first, n := want[0], 1
		for n < len(want) && want[n].Topic == first.Topic && want[n].Partition == first.Partition &&
			want[n].Offset-want[n-1].Offset <= maxGap && want[n].Offset-first.Offset < maxSpan {
			n++
		}
		span := schemas.Range{Start: first.Offset, End: want[n-1].Offset + 1}
		if err := r.Scan(ctx, first.Topic, first.Partition, span, keep); err != nil {
			return nil, err
		}
		want = want[n:]
	}
	return found, nil
}

// Scan shows visit every readable record of the range, as far as the log has
// it, until visit says false. The record is valid during the call only.
func (r *Reader) Scan(ctx context.Context, topic string, partition uint32, span schemas.Range, visit func(*Record) bool) error {
	t, ok := TopicOf(topic, r.topics)
	if !ok {
		return fmt.Errorf("read %s: it is neither of the configured topics %q", topic, r.topics)
	}
	n, err := r.Partitions(ctx)
	if err != nil {
		return err
	}
	if int(partition) >= n {
		return nil // never existed, or the topic was made anew with fewer
	}
	lane := r.client.Lane(partition)
	defer func() { _ = lane.Close() }()
	start, end, err := lane.Bounds(ctx)
	if err != nil {
		return err
	}
	span = schemas.Range{Start: max(span.Start, start[t]), End: min(span.End, end[t])}
	for span.Start < span.End {
		var part schemas.Ranges
		part[t] = schemas.Range{Start: span.Start, End: min(span.End, span.Start+maxSpan)}
		in, err := lane.Read(ctx, part)
		if errors.Is(err, ingest.ErrRetention) {
			if start, _, err = lane.Bounds(ctx); err != nil {
				return err
			}
			span.Start = max(start[t], span.Start+1)
			continue
		}
		if err != nil {
			return err
		}
		more := true
		for i := range in.Records[t] {
			rec := &in.Records[t][i]
			more = more && visit(&Record{
				Position:  Position{Topic: topic, Partition: partition, Offset: rec.Offset},
				Timestamp: rec.Timestamp, Key: rec.Key, Value: rec.Value, Headers: headers(rec.Headers), Section: rec.Headers,
			})
		}
		in.Release()
		if !more {
			return nil
		}
		span.Start = part[t].End
	}
	return nil
}

func (r *Record) clone() *Record {
	c := *r
	c.Key, c.Value, c.Section = bytes.Clone(r.Key), bytes.Clone(r.Value), bytes.Clone(r.Section)
	c.Headers = make([]Header, len(r.Headers))
	for i, h := range r.Headers {
		c.Headers[i] = Header{h.Key, bytes.Clone(h.Value)}
	}
	return &c
}

// headers decodes a record's header section as far as it is whole.
func headers(b []byte) []Header {
	n, k := binary.Varint(b)
	if k <= 0 {
		return nil
	}
	var list []Header
	for b = b[k:]; n > 0; n-- {
		key, rest, ok := part(b)
		if !ok {
			break
		}
		value, rest, ok := part(rest)
		if !ok {
			break
		}
		list = append(list, Header{Key: string(key), Value: value})
		b = rest
	}
	return list
}

// part reads a byte string with its length in front; length -1 is null.
func part(b []byte) (value, rest []byte, ok bool) {
	n, k := binary.Varint(b)
	if k <= 0 || n < -1 || n > int64(len(b)-k) {
		return nil, nil, false
	}
	if n == -1 {
		return nil, b[k:], true
	}
	return b[k : k+int(n)], b[k+int(n):], true
}
