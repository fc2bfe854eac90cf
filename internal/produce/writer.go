// Package produce writes events to Kafka, paced as they arrived or as fast as
// the brokers take them. The caller of NewWriter must Close it, which flushes;
// nothing runs in the background between calls.
package produce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/schemas"
)

// Config says where to.
type Config struct {
	Brokers   []string
	Topics    [schemas.NumTopics]string
	Transport kafka.RoundTripper // TLS and SASL; nil = a plain one of the writer's own
	// BatchRecords and BatchBytes bound what is held before it is sent; 0 = 5,000 and 4 MiB.
	BatchRecords int
	BatchBytes   int
	// Acknowledged, if not nil, hears where each record stands, before the
	// flush that sent it returns; tag is what WriteTagged was given. It is
	// called from several goroutines.
	Acknowledged func(tag any, partition int, offset int64)
}

// Counts is what the brokers have acknowledged.
type Counts struct {
	Records [schemas.NumTopics]int64
	Bytes   int64     // keys and values
	Last    time.Time // greatest arrival time written
}

// Total is the number of records over both topics.
func (c Counts) Total() int64 { return c.Records[0] + c.Records[1] }

// Writer collects records and sends them in batches. It is at least once:
// kafka-go's Writer is not idempotent, so a retried batch may stand twice in
// the log; the engine drops such copies by source and id.
type Writer struct {
	cfg    Config
	kafka  *kafka.Writer
	plain  *kafka.Transport // nil if the caller has given one
	held   []kafka.Message
	arena  []byte // keys and values of held
	since  time.Time
	counts Counts
}

// NewWriter gives a writer that has not connected yet.
func NewWriter(cfg Config) *Writer {
	if cfg.BatchRecords <= 0 {
		cfg.BatchRecords = 5000
	}
	if cfg.BatchBytes <= 0 {
		cfg.BatchBytes = 4 << 20
	}
	w := &Writer{cfg: cfg}
	if cfg.Transport == nil {
		// The library's default one is for the whole process and never forgets an
		// address: it would take another cluster there for the one it knew.
		w.plain = &kafka.Transport{}
		cfg.Transport = w.plain
	}
	w.kafka = &kafka.Writer{
		Addr: kafka.TCP(cfg.Brokers...),
		// Java's default. Any other partitioner would split a visitor over lanes.
		Balancer:     kafka.Murmur2Balancer{},
		Compression:  kafka.Lz4,
		RequiredAcks: kafka.RequireAll,
		BatchSize:    cfg.BatchRecords,
		BatchBytes:   900 << 10, // below the brokers' default limit of a batch
		// What is left of a batch after the full ones have gone is sent after
		// this long; a flush must not wait for company.
		BatchTimeout: 5 * time.Millisecond,
		// About half a minute of patience: a broker's restart.
		MaxAttempts:     20,
		WriteBackoffMin: 100 * time.Millisecond,
		WriteBackoffMax: 2 * time.Second,
		// A batch whose answer comes later is sent again, and stored twice.
		WriteTimeout: 30 * time.Second,
		Transport:    cfg.Transport,
	}
	if cfg.Acknowledged != nil {
		w.kafka.Completion = func(messages []kafka.Message, err error) {
			for i := 0; err == nil && i < len(messages); i++ {
				cfg.Acknowledged(messages[i].WriterData, messages[i].Partition, messages[i].Offset)
			}
		}
	}
	return w
}

// Write takes a copy of the record and sends when enough are held.
func (w *Writer) Write(ctx context.Context, e *gen.Event) error { return w.WriteTagged(ctx, e, nil) }

// WriteTagged is Write with something for Config.Acknowledged to know it by.
func (w *Writer) WriteTagged(ctx context.Context, e *gen.Event, tag any) error {
	size := len(e.Key) + len(e.Value)
	if len(w.held) >= w.cfg.BatchRecords || len(w.held) > 0 && len(w.arena)+size > w.cfg.BatchBytes {
		if err := w.Flush(ctx); err != nil {
			return err
		}
	}
	if len(w.held) == 0 {
		w.since = time.Now()
	}
	w.held = append(w.held, kafka.Message{Topic: w.cfg.Topics[e.Topic], Key: w.copy(e.Key), Value: w.copy(e.Value), Time: e.Time, Headers: headers(e), WriterData: tag})
	return nil
}

// headers are few and rare: nothing is gained by keeping them in the arena.
func headers(e *gen.Event) []kafka.Header {
	var list []kafka.Header
	for _, h := range e.Headers {
		list = append(list, kafka.Header{Key: h.Key, Value: bytes.Clone(h.Value)})
	}
	return list
}

// copy keeps b until the flush. A grown arena leaves older copies where they
// were; they stay valid.
func (w *Writer) copy(b []byte) []byte {
	if b == nil {
		return nil
	}
	from := len(w.arena)
	w.arena = append(w.arena, b...)
	return w.arena[from:len(w.arena):len(w.arena)]
}

// Counts gives what has been acknowledged.
func (w *Writer) Counts() Counts { return w.counts }

// Flush sends everything held and waits for the acknowledgement.
func (w *Writer) Flush(ctx context.Context) error {
	if len(w.held) == 0 {
		return nil
	}
	if err := w.kafka.WriteMessages(ctx, w.held...); err != nil {
		n := len(w.held)
		// The client may still be reading these: they are left to it.
		w.held, w.arena = nil, nil
		return w.explain(n, err)
	}
	for i := range w.held {
		m := &w.held[i]
		t := schemas.Clickstream
		if m.Topic == w.cfg.Topics[schemas.OrdersTopic] {
			t = schemas.OrdersTopic
		}
		w.counts.Records[t]++
		w.counts.Bytes += int64(len(m.Key) + len(m.Value))
		if m.Time.After(w.counts.Last) {
			w.counts.Last = m.Time
		}
	}
	w.held, w.arena = w.held[:0], w.arena[:0]
	return nil
}

// Close flushes and lets the connections go.
func (w *Writer) Close(ctx context.Context) error {
	err := errors.Join(w.Flush(ctx), w.kafka.Close())
	if w.plain != nil {
		w.plain.CloseIdleConnections()
	}
	return err
}

// explain says what failed, why, and what an operator can do.
func (w *Writer) explain(n int, err error) error {
	cause, failed := err, n
	var many kafka.WriteErrors
	if errors.As(err, &many) {
		failed = many.Count()
		for _, e := range many {
			if e != nil {
				cause = e
				break
			}
		}
	}
	hint := ""
	var large kafka.MessageTooLargeError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("write %d records: %w", n, err)
	case errors.As(err, &large):
		cause = fmt.Errorf("record of %d bytes is over the client's limit of 900 KiB", len(large.Message.Value))
		hint = "records over 256 KiB are refused by the engine as too_large anyway"
	case errors.Is(cause, kafka.UnknownTopicOrPartition):
		hint = "create the topics or correct kafka.topics.clickstream and kafka.topics.orders"
	case errors.Is(cause, kafka.TopicAuthorizationFailed), errors.Is(cause, kafka.ClusterAuthorizationFailed):
		hint = "grant the user Write on both topics, see kafka.sasl"
	case errors.Is(cause, kafka.NotEnoughReplicas), errors.Is(cause, kafka.NotEnoughReplicasAfterAppend):
		hint = "fewer replicas are in sync than min.insync.replicas asks for: look at the brokers"
	case errors.Is(cause, io.ErrUnexpectedEOF), errors.Is(cause, io.EOF), errors.Is(cause, syscall.ECONNRESET), errors.Is(cause, syscall.EPIPE):
		hint = "the broker closed the connection: if it expects TLS or SASL, set kafka.tls or kafka.sasl"
	default:
		hint = "is a broker listening at kafka.brokers?"
	}
	return fmt.Errorf("write to kafka %s: %d of %d records failed: %w (%s)", strings.Join(w.cfg.Brokers, ","), failed, n, cause, hint)
}
