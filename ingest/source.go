package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/storepulse/storepulse/schemas"
)

// What one fetch asks for. At the log end it waits for the first byte; where
// little comes it lets a little more gather, which costs that much delay and
// saves a request per record.
const (
	fetchBytes    = 1 << 20
	maxFetchBytes = maxBatchBytes + 1<<20
	waitForFirst  = time.Second
	waitForMore   = 100 * time.Millisecond
	gatherBytes   = 32 << 10
)

// Bounds of patience with what may pass by itself.
const (
	firstBackoff   = 50 * time.Millisecond
	maxBackoff     = 2 * time.Second
	corruptTries   = 3
	missingFor     = 30 * time.Second // an unknown topic: metadata may be late
	beyondEndFor   = 15 * time.Second // an offset after the log end: a new leader may be behind
	recreatedFor   = 5 * time.Second  // another id of the topic: one broker may be behind the others
	warnEvery      = 30 * time.Second
	misrouteSample = 1024
)

// source fetches one partition. It belongs to one goroutine.
type source struct {
	client    *Client
	topic     schemas.Topic
	id        schemas.ID // of the topic, zero if not known
	partition uint32
	version   int16 // of the Fetch API at the leader, 0 if not known
	epoch     int32 // leader epoch of the batch that ends at offset after, -1 if not known
	after     int64
	doubt     bool  // the topic may be another one than that of id
	size      int32 // fetch size: grows for a batch that does not fit
	busy      bool  // the last fetch brought records
	settled   bool  // a fetch has told where the log ends; until then none waits
	sampled   int   // records since the last key check
	warn      throttle
	failing   failing
}

// failing is how long and how often the partition has not been readable.
type failing struct {
	since time.Time
	tries int
}

func (l *Lane) source(t schemas.Topic) *source {
	return &source{
		client: l.client, topic: t, id: l.ids[t], partition: l.partition, epoch: -1,
		size: fetchBytes, warn: throttle{every: warnEvery},
	}
}

func (s *source) name() string { return s.client.cfg.Kafka.Topics.name(s.topic) }

// next gives the records from offset on, none if none came in time. It tries
// again until ctx ends; what trying cannot mend is an error. failed, if not
// nil, hears of every attempt that brought nothing.
func (s *source) next(ctx context.Context, offset int64, failed func()) (*chunk, error) {
	for {
		k, err := s.once(ctx, offset)
		if err == nil {
			s.failing, s.settled = failing{}, true
			return k, nil
		}
		s.doubt = s.doubt || doubtful(err) || s.version != fetchByID
		s.settled, s.version = false, 0
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if failed != nil {
			failed()
		}
		if s.failing.tries == 0 {
			s.failing.since = time.Now()
		}
		s.failing.tries++
		s.client.metrics.fetchErrors.WithLabelValues(s.topic.String(), reason(err)).Inc()
		if fatal := s.fatal(ctx, offset, err); fatal != nil {
			s.failing = failing{}
			return nil, fatal
		}
		if dropped, ok := s.warn.allow(time.Now()); ok && s.failing.tries > 1 {
			s.client.log.Warn("fetch fails, trying again", "topic", s.name(), "partition", s.partition, "offset", offset, "cause", err, "dropped", dropped)
		}
		if !sleep(ctx, min(firstBackoff<<min(s.failing.tries-1, 10), maxBackoff)) {
			return nil, ctx.Err()
		}
	}
}

// once sends one fetch and decodes the answer.
func (s *source) once(ctx context.Context, offset int64) (*chunk, error) {
	c := s.client
	if s.doubt {
		if err := s.sameTopic(ctx); err != nil {
			return nil, err
		}
		s.doubt = false
	}
	q := fetchQuery{
		topic: s.name(), id: s.id, version: s.version, partition: int32(s.partition), offset: offset, epoch: -1,
		maxBytes: s.size, minBytes: 1, maxWait: waitForFirst,
	}
	if s.after == offset {
		q.epoch = s.epoch
	}
	switch {
	case !s.settled:
		q.maxWait = 0
	case s.busy:
		q.minBytes, q.maxWait = gatherBytes, waitForMore
	}
	k := c.takeChunk(offset)
	raw := k.raw
	k.raw = nil
	reply, err := c.fetch(ctx, q, raw)
	if err == nil {
		k.raw, s.version = reply.buf, reply.version
		err = s.accept(k, &reply)
	}
	if err != nil {
		c.dropChunk(k)
		return nil, err
	}
	return k, nil
}

// accept decodes a reply into k. What came before a fault is kept; the next
// fetch begins with the fault.
func (s *source) accept(k *chunk, reply *fetchReply) error {
	if reply.code != 0 {
		return reply.code
	}
	if err := sameLog(k.next, reply.diverged); err != nil {
		return err
	}
	m := s.client.metrics
	m.fetchedBytes.WithLabelValues(s.topic.String()).Add(float64(len(reply.records)))
	offset := k.next
	need, err := s.client.decode.decode(k, reply.records, reply.aborted)
	if k.next == offset {
		switch {
		case err != nil:
			return err
		case need > maxFetchBytes:
			return fmt.Errorf("record batch at offset %d: %w: %d bytes, at most %d", offset, errTooLarge, need, maxFetchBytes)
		case len(reply.records) > 0:
			// Brokers send a whole batch even when it exceeds the fetch size;
			// one that does not, or a proxy, is asked again for more.
			if s.size >= maxFetchBytes {
				return fmt.Errorf("%w at offset %d: no whole batch in %d bytes", errCorrupt, offset, len(reply.records))
			}
			s.size = int32(min(max(2*int(s.size), need), maxFetchBytes))
		}
	} else {
		s.size, s.epoch, s.after = fetchBytes, k.epoch, k.next
	}
	s.busy = len(k.records) > 0
	k.logEnd, k.open = reply.lastStable, reply.highWatermark > reply.lastStable
	k.memory = k.spilled + cap(k.plain) + len(k.records)*recordBytes
	if k.aliasesRaw {
		k.memory += len(k.raw)
	}
	for i := range k.records {
		k.tail = max(k.tail, k.records[i].Timestamp)
	}
	m.fetchedRecords.WithLabelValues(s.topic.String()).Add(float64(len(k.records)))
	s.sample(k)
	return nil
}

// sample checks the partition of one key in many: producers that hash
// otherwise split a visitor over two lanes, and nobody else would notice.
func (s *source) sample(k *chunk) {
	c := s.client
	partitions := c.partitions.Load()
	if partitions < 2 {
		return
	}
	for i := (misrouteSample - s.sampled) % misrouteSample; i < len(k.records); i += misrouteSample {
		r := &k.records[i]
		if r.Key == nil || partitionOf(r.Key, partitions) == int32(s.partition) {
			continue
		}
		c.metrics.misrouted.WithLabelValues(s.topic.String()).Inc()
		if dropped, ok := c.misrouteWarn.allow(time.Now()); ok {
			c.log.Warn("a record's key does not belong to its partition: producers must use the murmur2 partitioner "+
				"(the Java client's default; librdkafka: partitioner=murmur2_random), or a visitor's events fall apart",
				"topic", s.name(), "partition", s.partition, "offset", r.Offset, "dropped", dropped)
		}
	}
	s.sampled = (s.sampled + len(k.records)) % misrouteSample
}

// fatal tells errors that time may heal (nil) from those it will not.
func (s *source) fatal(ctx context.Context, offset int64, err error) error {
	read := func(cause error) error {
		return fmt.Errorf("read %s partition %d at offset %d: %w", s.name(), s.partition, offset, cause)
	}
	if lost := s.unreadable(offset, err); lost != nil {
		return lost
	}
	if errors.Is(err, errCorrupt) && s.failing.tries >= corruptTries {
		return read(err)
	}
	if fixed := s.client.setup(err); fixed != nil {
		return read(fixed)
	}
	var code kafka.Error
	if !errors.As(err, &code) {
		return nil
	}
	switch code {
	case kafka.UnknownTopicOrPartition:
		switch {
		case time.Since(s.failing.since) <= missingFor:
		case errors.Is(err, errSetup):
			return err
		default:
			return s.client.missingTopic(s.name())
		}
	case kafka.OffsetOutOfRange:
		s.epoch = -1 // one that the leader does not know has the same answer
		if s.sameTopic(ctx) != nil {
			return nil // asked again with the next attempt
		}
		start, end, err := s.client.offsets(ctx, s.topic, s.partition)
		switch {
		case err != nil:
			return nil // asked again with the next attempt
		case offset < start:
			return &RetentionError{Topic: s.name(), Partition: s.partition, Offset: offset, LogStart: start}
		case offset > end && time.Since(s.failing.since) > beyondEndFor:
			return &BeyondEndError{Topic: s.name(), Partition: s.partition, Offset: offset, LogEnd: end}
		}
	}
	return nil
}

// reason is the metric label of a fetch error.
func reason(err error) string {
	var code kafka.Error
	switch {
	case errors.Is(err, errCorrupt), errors.Is(err, errTooLarge), errors.Is(err, errOldMagic):
		return "corrupt"
	case errors.Is(err, errRecreated), errors.Is(err, errTruncated):
		return "offset"
	case !errors.As(err, &code):
		return "connection"
	}
	switch code {
	case kafka.OffsetOutOfRange:
		return "offset"
	case kafka.NotLeaderForPartition, kafka.LeaderNotAvailable, kafka.FencedLeaderEpoch, kafka.UnknownLeaderEpoch, kafka.ReplicaNotAvailable,
		kafka.UnknownTopicOrPartition, kafka.UnknownTopicID, kafka.InconsistentTopicID:
		return "leader"
	case kafka.SASLAuthenticationFailed, kafka.TopicAuthorizationFailed:
		return "auth"
	}
	return "broker"
}

// sleep waits unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
