package ingest

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/storepulse/storepulse/schemas"
)

// requestTimeout is what a broker may take to answer, beyond the time it was
// asked to wait for data.
const requestTimeout = 10 * time.Second

// Versions of the Fetch API that we write and read. 13 names the topic by its
// id, so that the log of another topic of that name is never read; brokers
// before Kafka 3.1 end below it.
const fetchByName, fetchByID = 11, 13

// maxResponseBytes refuses a response that no broker has reason to send: the
// largest batch we decode and room for the rest.
const maxResponseBytes = maxBatchBytes + 64<<20

// fetchQuery asks for one partition from an offset on, committed records only.
type fetchQuery struct {
	topic     string
	id        schemas.ID // of the topic; zero: by name only
	version   int16      // fetchByName, fetchByID, or 0: to be asked of the broker
	partition int32
	offset    int64
	epoch     int32 // leader epoch of the batch before the offset, -1 if not known
	minBytes  int32
	maxBytes  int32
	maxWait   time.Duration
}

// fetchReply is the partition's part of the answer. records and aborted alias
// or were read from buf, which now belongs to whoever holds the reply.
type fetchReply struct {
	version       int16 // that was used
	code          kafka.Error
	highWatermark int64
	lastStable    int64
	logStart      int64
	diverged      *divergence
	aborted       []abortedTransaction
	records       []byte
	buf           []byte
}

// divergence says that the leader's log is not the one that was read before:
// it agrees up to an offset only.
type divergence struct {
	epoch int32
	end   int64
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
	query fetchQuery
	buf   []byte
	reply fetchReply
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

// Required always asks for the raw exchange.
func (m *fetchMessage) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange writes the request and reads the response.
func (m *fetchMessage) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	q := m.query
	if q.version == 0 {
		versions, err := apiVersions(rw)
		if err != nil {
			return nil, err
		}
		if q.version, err = q.choose(versions[protocol.Fetch]); err != nil {
			return nil, err
		}
	}
	buf, body, err := exchange(rw, q.appendRequest(make([]byte, 0, 256)), m.buf)
	if err != nil {
		return nil, err
	}
	res := &fetchMessage{query: q}
	res.reply, err = parseFetchResponse(body, q)
	res.reply.buf, res.reply.version = buf, q.version
	return res, err
}

// choose gives the version to speak with a broker that ends at limit.
func (q fetchQuery) choose(limit int16) (int16, error) {
	switch {
	case limit < fetchByName:
		return 0, tooOld("Fetch", limit, fetchByName)
	case limit < fetchByID || q.id == schemas.ID{}:
		return fetchByName, nil
	}
	return fetchByID, nil
}
