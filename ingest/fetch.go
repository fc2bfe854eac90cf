package ingest

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// requestTimeout is what a broker may take to answer, beyond the time it was
// asked to wait for data.
const requestTimeout = 10 * time.Second

// Versions of the Fetch API that we write and read: 4 brought transactions,
// 12 is the first of the flexible encoding.
const minFetchVersion, maxFetchVersion = 4, 11

// maxResponseBytes refuses a response that no broker has reason to send: the
// largest batch we decode and room for the rest.
const maxResponseBytes = maxBatchBytes + 64<<20

// fetchQuery asks for one partition from an offset on, committed records only.
type fetchQuery struct {
	topic     string
	partition int32
	offset    int64
	minBytes  int32
	maxBytes  int32
	maxWait   time.Duration
}

// fetchReply is the partition's part of the answer. records and aborted alias
// or were read from buf, which now belongs to whoever holds the reply.
type fetchReply struct {
	code          kafka.Error
	highWatermark int64
	lastStable    int64
	logStart      int64
	aborted       []abortedTransaction
	records       []byte
	buf           []byte
}

// abortedTransaction names a producer whose records from an offset on were
// aborted, until its next abort marker.
type abortedTransaction struct{ producer, first int64 }

// fetchFunc sends one query. It reads into buf if that is large enough; after
// an error buf must not be used again, because an abandoned request may still
// be reading into it.
type fetchFunc func(ctx context.Context, q fetchQuery, buf []byte) (fetchReply, error)

// transportFetch sends queries over kafka-go's transport: connections, TLS,
// SASL and the way to the leader stay the transport's, the bytes are ours.
func transportFetch(t *kafka.Transport, brokers net.Addr) fetchFunc {
	return func(ctx context.Context, q fetchQuery, buf []byte) (fetchReply, error) {
		ctx, cancel := context.WithTimeout(ctx, q.maxWait+requestTimeout)
		defer cancel()
		res, err := t.RoundTrip(ctx, brokers, &fetchMessage{query: q, buf: buf})
		if err != nil {
			return fetchReply{}, err
		}
		return res.(*fetchMessage).reply, nil
	}
}

// fetchMessage is request and response in one. kafka-go's own fetch response
// copies every record into pages; a message that does the exchange on the
// connection itself keeps the record set as the bytes that came.
type fetchMessage struct {
	query   fetchQuery
	buf     []byte
	version int16
	reply   fetchReply
}

var (
	_ protocol.RawExchanger  = (*fetchMessage)(nil)
	_ protocol.BrokerMessage = (*fetchMessage)(nil)
)

func (m *fetchMessage) ApiKey() protocol.ApiKey { return protocol.Fetch }

// Broker routes the request to the partition's leader.
func (m *fetchMessage) Broker(c protocol.Cluster) (protocol.Broker, error) {
	t, ok := c.Topics[m.query.topic]
	if !ok {
		return protocol.Broker{}, kafka.UnknownTopicOrPartition
	}
	if t.Error != 0 {
		return protocol.Broker{}, kafka.Error(t.Error)
	}
	p, ok := t.Partitions[m.query.partition]
	if !ok {
		return protocol.Broker{}, kafka.UnknownTopicOrPartition
	}
	b, ok := c.Brokers[p.Leader]
	if !ok {
		return protocol.Broker{}, kafka.LeaderNotAvailable
	}
	return b, nil
}

// Required always asks for the raw exchange and notes the version that the
// connection agreed on.
func (m *fetchMessage) Required(versions map[protocol.ApiKey]int16) bool {
	m.version = min(versions[protocol.Fetch], maxFetchVersion)
	return true
}

// RawExchange writes the request and reads the response.
func (m *fetchMessage) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if m.version < minFetchVersion {
		return nil, fmt.Errorf("the broker's fetch API ends at version %d and %d is needed: Kafka 0.11 or newer is required", m.version, minFetchVersion)
	}
	const correlation = 1 // one request at a time on a connection
	if _, err := rw.Write(m.appendRequest(make([]byte, 0, 256), correlation)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(rw, size[:]); err != nil {
		return nil, err
	}
	n := int64(int32(binary.BigEndian.Uint32(size[:])))
	if n < 4 || n > maxResponseBytes {
		return nil, fmt.Errorf("fetch response of %d bytes: outside 4 to %d", n, maxResponseBytes)
	}
	buf, err := readBody(rw, m.buf, int(n))
	if err != nil {
		return nil, err
	}
	res := &fetchMessage{query: m.query, version: m.version}
	if got := binary.BigEndian.Uint32(buf); got != correlation {
		return nil, fmt.Errorf("fetch response with correlation id %d, want %d", got, correlation)
	}
	res.reply, err = parseFetchResponse(buf[4:], m.version, m.query)
	res.reply.buf = buf
	return res, err
}

// readBody reads n bytes into buf, growing it only as bytes arrive.
func readBody(r io.Reader, buf []byte, n int) ([]byte, error) {
	const step = 4 << 20
	if cap(buf) < n && n <= step {
		buf = make([]byte, n+n/8)
	}
	buf = buf[:min(cap(buf), n)]
	read := 0
	for {
		k, err := io.ReadFull(r, buf[read:])
		read += k
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if read == n {
			return buf, nil
		}
		grown := make([]byte, min(n, max(2*read, step)))
		copy(grown, buf)
		buf = grown
	}
}

func (m *fetchMessage) appendRequest(b []byte, correlation int32) []byte {
	be, q, v := binary.BigEndian, m.query, m.version
	str := func(s string) { b = append(be.AppendUint16(b, uint16(len(s))), s...) }
	none := ^uint32(0)
	b = append(b, 0, 0, 0, 0) // size, set below
	b = be.AppendUint16(b, uint16(protocol.Fetch))
	b = be.AppendUint16(b, uint16(v))
	b = be.AppendUint32(b, uint32(correlation))
	str(clientID)
	b = be.AppendUint32(b, none) // replica id: a consumer
	b = be.AppendUint32(b, uint32(q.maxWait.Milliseconds()))
	b = be.AppendUint32(b, uint32(q.minBytes))
	b = be.AppendUint32(b, uint32(q.maxBytes))
	b = append(b, 1) // isolation level: read committed
	if v >= 7 {
		b = be.AppendUint32(b, 0)    // session id: none
		b = be.AppendUint32(b, none) // session epoch: none
	}
	b = be.AppendUint32(b, 1)
	str(q.topic)
	b = be.AppendUint32(b, 1)
	b = be.AppendUint32(b, uint32(q.partition))
	if v >= 9 {
		b = be.AppendUint32(b, none) // leader epoch: not known
	}
	b = be.AppendUint64(b, uint64(q.offset))
	if v >= 5 {
		b = be.AppendUint64(b, ^uint64(0)) // log start: a consumer
	}
	b = be.AppendUint32(b, uint32(q.maxBytes))
	if v >= 7 {
		b = be.AppendUint32(b, 0) // forgotten topics
	}
	if v >= 11 {
		str("") // rack: always the leader
	}
	be.PutUint32(b, uint32(len(b)-4))
	return b
}

// parseFetchResponse reads a response body of one topic and partition.
func parseFetchResponse(b []byte, version int16, q fetchQuery) (fetchReply, error) {
	r := wireReader{b: b}
	r.skip(4) // throttle time
	if version >= 7 {
		if code := kafka.Error(r.int16()); code != 0 {
			return fetchReply{code: code}, r.err
		}
		r.skip(4) // session id
	}
	if n := r.int32(); r.err == nil && n != 1 {
		return fetchReply{}, fmt.Errorf("fetch response with %d topics, want 1", n)
	}
	if topic := r.string(); r.err == nil && string(topic) != q.topic {
		return fetchReply{}, fmt.Errorf("fetch response for topic %q, want %q", topic, q.topic)
	}
	if n := r.int32(); r.err == nil && n != 1 {
		return fetchReply{}, fmt.Errorf("fetch response with %d partitions, want 1", n)
	}
	if p := r.int32(); r.err == nil && p != q.partition {
		return fetchReply{}, fmt.Errorf("fetch response for partition %d, want %d", p, q.partition)
	}
	reply := fetchReply{code: kafka.Error(r.int16()), highWatermark: r.int64(), lastStable: r.int64()}
	if version >= 5 {
		reply.logStart = r.int64()
	}
	if n := int(r.int32()); n > 0 && r.err == nil {
		if n > len(r.b)/16 {
			return fetchReply{}, errShortResponse
		}
		reply.aborted = make([]abortedTransaction, n)
		for i := range reply.aborted {
			reply.aborted[i] = abortedTransaction{producer: r.int64(), first: r.int64()}
		}
		// Brokers list them by their end.
		slices.SortFunc(reply.aborted, func(a, b abortedTransaction) int { return cmp.Compare(a.first, b.first) })
	}
	if version >= 11 {
		r.skip(4) // preferred replica: not asked for
	}
	if n := int(r.int32()); n > 0 {
		reply.records = r.take(n)
	}
	if reply.lastStable < 0 {
		reply.lastStable = reply.highWatermark
	}
	return reply, r.err
}

var errShortResponse = errors.New("fetch response ends early")

// wireReader takes fields off a response and remembers the first that was
// missing.
type wireReader struct {
	b   []byte
	err error
}

func (r *wireReader) take(n int) []byte {
	if r.err != nil || n < 0 || n > len(r.b) {
		r.err = errShortResponse
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *wireReader) skip(n int) { r.take(n) }

func (r *wireReader) int16() int16 {
	if v := r.take(2); v != nil {
		return int16(binary.BigEndian.Uint16(v))
	}
	return 0
}

func (r *wireReader) int32() int32 {
	if v := r.take(4); v != nil {
		return int32(binary.BigEndian.Uint32(v))
	}
	return 0
}

func (r *wireReader) int64() int64 {
	if v := r.take(8); v != nil {
		return int64(binary.BigEndian.Uint64(v))
	}
	return 0
}

func (r *wireReader) string() []byte { return r.take(int(r.int16())) }
