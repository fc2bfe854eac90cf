// Package ingest reads the two input topics lane by lane: it fetches record
// batches straight from Kafka, decodes them without a copy and cuts them into
// epochs. It decides nothing about what a record means and keeps no position:
// the caller says where to read.
//
// New is inert. The caller runs Client.Run, which calls back once per group
// generation, and closes every Lane it has read from; a Lane starts two
// goroutines with the first Next and Close waits for them. Nothing has to be
// flushed.
package ingest

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"

	"github.com/storepulse/storepulse/schemas"
)

// clientID is what brokers show in their logs and quotas.
const clientID = "storepulse"

// metadataTTL bounds how long a moved leader goes unnoticed: the transport
// asks again after a random part of it, and has no way to be told.
const metadataTTL = 2 * time.Second

// readAheadTotal bounds the records that all lanes of a worker hold before
// they are asked for them.
const readAheadTotal = 512 << 20

// Client is one worker's connection to Kafka.
type Client struct {
	cfg       Config
	log       *slog.Logger
	metrics   *metrics
	tls       *tls.Config
	sasl      sasl.Mechanism
	transport *kafka.Transport
	admin     *kafka.Client
	dial      func(ctx context.Context, network, address string) (net.Conn, error) // nil but in tests
	fetch     fetchFunc
	decode    *batchDecoder
	chunks    sync.Pool
	slabs     sync.Pool // of *[]schemas.Record

	ids          atomic.Pointer[[schemas.NumTopics]schemas.ID] // of the topics, nil until Identity has seen them
	misrouteWarn throttle

	partitions atomic.Int32 // of each topic, 0 until Check has seen them
	interval   atomic.Int64 // nanoseconds between epochs of a lane
	readAhead  atomic.Int64 // bytes a lane may hold per topic

	lanes struct {
		sync.Mutex
		open map[uint32]*Lane
	}
}

// New checks the configuration and reads the files it names. It opens no connection.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	tlsConfig, err := cfg.Kafka.TLS.load()
	if err != nil {
		return nil, err
	}
	mechanism, err := cfg.Kafka.SASL.load()
	if err != nil {
		return nil, err
	}
	if cfg.Kafka.SASL.Mechanism == "PLAIN" && tlsConfig == nil {
		log.Warn("kafka.sasl.mechanism is PLAIN without kafka.tls: the password travels in the clear")
	}
	c := &Client{cfg: cfg, log: log, tls: tlsConfig, sasl: mechanism, misrouteWarn: throttle{every: warnEvery}}
	c.lanes.open = map[uint32]*Lane{}
	c.transport = c.newTransport()
	c.admin = &kafka.Client{Addr: kafka.TCP(cfg.Kafka.Brokers...), Transport: c.transport, Timeout: requestTimeout}
	c.fetch = transportFetch(c.transport, c.admin.Addr)
	c.decode = &batchDecoder{codecs: newCodecs(), maxBatch: maxBatchBytes, maxTotal: maxChunkBytes}
	c.chunks.New = func() any { return new(chunk) }
	c.SetLanes(1)
	c.metrics = newMetrics(reg, c.lags)
	return c, nil
}

func (c *Client) newTransport() *kafka.Transport {
	return &kafka.Transport{
		ClientID: clientID, TLS: c.tls, SASL: c.sasl, MetadataTTL: metadataTTL,
		MetadataTopics: c.cfg.Kafka.Topics.list(), DialTimeout: 5 * time.Second, Dial: c.dial,
	}
}

// Partitions is how many each topic has, as the last Check saw it.
func (c *Client) Partitions() uint32 { return uint32(c.partitions.Load()) }

// SetLanes shares what a worker may hold and send over its lanes: epochs come
// at most ten times a second over all of them, and the read-ahead is split.
// Run calls it with every assignment.
func (c *Client) SetLanes(n int) {
	n = max(n, 1)
	c.interval.Store(int64(max(c.cfg.Ingest.Epoch.Interval, time.Duration(n)*time.Second/10)))
	c.readAhead.Store(int64(min(max(readAheadTotal/(2*n), 1<<20), int(c.cfg.Ingest.Epoch.Bytes))))
}

// Interval is the time between two epochs of a lane that has something to read.
func (c *Client) Interval() time.Duration { return time.Duration(c.interval.Load()) }

// Lane gives the reader of one partition of both topics, as Check or Identity
// last saw them. It is inert; it must be closed, and only one of a partition may
// be open.
func (c *Client) Lane(partition uint32) *Lane {
	l := &Lane{client: c, partition: partition, wake: make(chan struct{}, 1)}
	if ids := c.ids.Load(); ids != nil {
		l.ids = *ids
	}
	for t := range schemas.NumTopics {
		l.mu.queues[t].space = make(chan struct{}, 1)
	}
	c.lanes.Lock()
	c.lanes.open[partition] = l
	c.lanes.Unlock()
	return l
}

// Close lets go of idle connections. Lanes are closed by whoever asked for them.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// Check asks the cluster whether both topics exist with the same number of
// partitions, and says what to do where they do not.
func (c *Client) Check(ctx context.Context) (int, error) {
	// A connection of its own, because the shared one answers from a cache
	// that may be older than the topics.
	transport := c.newTransport()
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := transport.RoundTrip(ctx, c.admin.Addr, metadataRequest(c.cfg.Kafka.Topics.list()))
	if err != nil {
		return 0, c.unreachable(err)
	}
	counts, err := c.partitionCounts(res)
	if err != nil {
		return 0, err
	}
	if counts[schemas.Clickstream] != counts[schemas.OrdersTopic] {
		names := c.cfg.Kafka.Topics.list()
		return 0, &setupError{
			text: fmt.Sprintf("topic %s has %d partitions and %s has %d: a visitor's events and orders must share a partition number; "+
				"create both topics with the same number of partitions", names[0], counts[0], names[1], counts[1]),
			cause: kafka.InvalidPartitionNumber,
		}
	}
	if _, err := c.Identity(ctx); err != nil {
		return 0, err
	}
	c.partitions.Store(int32(counts[0]))
	return counts[0], nil
}
