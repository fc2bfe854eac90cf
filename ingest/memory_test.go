package ingest

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/storepulse/storepulse/schemas"
)

// memoryLog is a Kafka of two partitions behind a fetchFunc, so that cut rules
// can be told as stories on a fake clock.
type memoryLog struct {
	mu struct {
		sync.Mutex
		batches [schemas.NumTopics][][]byte
		end     [schemas.NumTopics]int64
		failing [schemas.NumTopics]error
		changed chan struct{}
	}
	limit int // batches in one answer, 0 for all
}

func newMemoryLog() *memoryLog {
	m := &memoryLog{}
	m.mu.changed = make(chan struct{})
	return m
}

// add appends one batch of records of the given times.
func (m *memoryLog) add(t schemas.Topic, times ...int64) {
	m.mu.Lock()
	base := m.mu.end[t]
	m.mu.Unlock()
	var records []schemas.Record
	for i, ts := range times {
		records = append(records, schemas.Record{Offset: base + int64(i), Timestamp: ts, Value: fmt.Appendf(nil, "%v@%d", t, ts)})
	}
	m.addBatch(t, batchOf(batchSpec{base: base, records: records}), base+int64(len(times)))
}

// gap appends offsets without a record, as a transaction's marker has.
func (m *memoryLog) gap(t schemas.Topic) {
	m.mu.Lock()
	base := m.mu.end[t]
	m.mu.Unlock()
	m.addBatch(t, batchOf(batchSpec{base: base, attributes: controlBatch | transactional, records: []schemas.Record{{Offset: base, Key: []byte{0, 0, 0, 1}, Value: []byte{0}}}}), base+1)
}

func (m *memoryLog) addBatch(t schemas.Topic, b []byte, end int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.batches[t] = append(m.mu.batches[t], b)
	m.mu.end[t] = end
	close(m.mu.changed)
	m.mu.changed = make(chan struct{})
}

func (m *memoryLog) fail(t schemas.Topic, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.failing[t] = err
	close(m.mu.changed)
	m.mu.changed = make(chan struct{})
}

func (m *memoryLog) fetch(topics TopicsConfig) fetchFunc {
	return func(ctx context.Context, q fetchQuery, buf []byte) (fetchReply, error) {
		t := schemas.Clickstream
		if q.topic == topics.Orders {
			t = schemas.OrdersTopic
		}
		timeout := time.NewTimer(q.maxWait)
		defer timeout.Stop()
		for wait := true; ; {
			m.mu.Lock()
			changed, err := m.mu.changed, m.mu.failing[t]
			reply := fetchReply{highWatermark: m.mu.end[t], lastStable: m.mu.end[t], buf: buf[:0]}
			n := 0
			for _, b := range m.mu.batches[t] {
				last := int64(binary.BigEndian.Uint64(b)) + int64(binary.BigEndian.Uint32(b[23:]))
				if last >= q.offset && (m.limit == 0 || n < m.limit) {
					reply.buf = append(reply.buf, b...)
					n++
				}
			}
			m.mu.Unlock()
			if err != nil {
				return fetchReply{}, err
			}
			if reply.records = reply.buf; n > 0 || !wait {
				return reply, nil
			}
			select {
			case <-ctx.Done():
				return fetchReply{}, ctx.Err()
			case <-changed:
			case <-timeout.C:
				wait = false
			}
		}
	}
}

// client gives a client over the log.
func (m *memoryLog) client(t testing.TB, configure func(*Config)) (*Client, *prometheus.Registry) {
	t.Helper()
	cfg := DefaultConfig()
	if configure != nil {
		configure(&cfg)
	}
	reg := prometheus.NewRegistry()
	c, err := New(cfg, slog.New(slog.NewTextHandler(io.Discard, nil)), reg)
	if err != nil {
		t.Fatal(err)
	}
	c.fetch = m.fetch(cfg.Kafka.Topics)
	c.partitions.Store(4)
	return c, reg
}

// batchSpec describes a record batch to encode.
type batchSpec struct {
	base       int64
	attributes uint16
	producer   int64
	lastDelta  int32 // 0: that of the last record
	timestamp  int64
	records    []schemas.Record
	packed     []byte // the records as compressed bytes, if attributes name a codec
	count      int32
}

// batchOf encodes a record batch; headers nil stands for none.
func batchOf(s batchSpec) []byte {
	body := s.packed
	if body == nil {
		body = recordsOf(s.base, s.timestamp, s.records)
		s.count = int32(len(s.records))
	}
	if n := len(s.records); n > 0 && s.lastDelta == 0 {
		s.lastDelta = int32(s.records[n-1].Offset - s.base)
	}
	be := binary.BigEndian
	b := be.AppendUint64(nil, uint64(s.base))
	b = be.AppendUint32(b, uint32(batchHeader-lengthEnd+len(body)))
	b = be.AppendUint32(b, 0)
	b = append(b, 2)
	b = be.AppendUint32(b, 0)
	b = be.AppendUint16(b, s.attributes)
	b = be.AppendUint32(b, uint32(s.lastDelta))
	b = be.AppendUint64(b, uint64(s.timestamp))
	b = be.AppendUint64(b, uint64(s.timestamp))
	b = be.AppendUint64(b, uint64(s.producer))
	b = be.AppendUint16(b, 0)
	b = be.AppendUint32(b, 0)
	b = be.AppendUint32(b, uint32(s.count))
	b = append(b, body...)
	return sealBatch(b)
}

// sealBatch sets the checksum.
func sealBatch(b []byte) []byte {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
	return b
}

func recordsOf(base, timestamp int64, records []schemas.Record) (out []byte) {
	field := func(b, v []byte) []byte {
		if v == nil {
			return binary.AppendVarint(b, -1)
		}
		return append(binary.AppendVarint(b, int64(len(v))), v...)
	}
	for _, r := range records {
		b := binary.AppendVarint([]byte{0}, r.Timestamp-timestamp)
		b = binary.AppendVarint(b, r.Offset-base)
		b = field(field(b, r.Key), r.Value)
		if r.Headers == nil {
			b = append(b, 0)
		}
		b = append(b, r.Headers...)
		out = append(binary.AppendVarint(out, int64(len(b))), b...)
	}
	return out
}

var errTestNetwork = fmt.Errorf("dial: %w", kafka.NetworkException)
