package judge

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/storepulse/storepulse/schemas"
)

// Record is one record of the two topics.
type Record struct {
	Topic     schemas.Topic
	Partition int32
	schemas.Record
}

// Records is all that lies in the two topics, by topic, partition and offset.
type Records []Record

// stalled is how long a broker may give nothing while records are owed.
const stalled = 30 * time.Second

// Read reads both topics from the log start to the end that they have now, as
// a reader of committed records sees them. It uses a client of its own, none
// of package ingest; opts add to it (TLS, SASL).
func Read(ctx context.Context, brokers []string, topics [schemas.NumTopics]string, opts ...kgo.Opt) (Records, error) {
	opts = append([]kgo.Opt{kgo.SeedBrokers(brokers...)}, opts...)
	asker, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to kafka at %q: %w", brokers, err)
	}
	defer asker.Close()
	ends, err := logEnds(ctx, asker, topics)
	if err != nil {
		return nil, err
	}
	from := map[string]map[int32]kgo.Offset{}
	owed, left := 0, map[string]map[int32]bool{}
	for topic, partitions := range ends {
		from[topic], left[topic] = map[int32]kgo.Offset{}, map[int32]bool{}
		for p, r := range partitions {
			if r.Start < r.End {
				from[topic][p], left[topic][p] = kgo.NewOffset().At(r.Start), true
				owed++
			}
		}
	}
	// Control records are kept so that the last offset is seen even where a
	// transaction ends there.
	client, err := kgo.NewClient(append(opts, kgo.ConsumePartitions(from), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())...)
	if err != nil {
		return nil, fmt.Errorf("connect to kafka at %q: %w", brokers, err)
	}
	defer client.Close()
	var out Records
	for owed > 0 {
		wait, cancel := context.WithTimeout(ctx, stalled)
		fetches := client.PollFetches(wait)
		cancel()
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("read the topics: %w", err)
		}
		if fetches.Empty() || len(fetches.Errors()) > 0 {
			for _, e := range fetches.Errors() {
				if wait.Err() == nil || e.Err != wait.Err() {
					return nil, fmt.Errorf("read %s/%d: %w", e.Topic, e.Partition, e.Err)
				}
			}
			return nil, fmt.Errorf("read the topics: no record for %s, still owed: %v", stalled, left)
		}
		fetches.EachPartition(func(f kgo.FetchTopicPartition) {
			if !left[f.Topic][f.Partition] || len(f.Records) == 0 {
				return
			}
			end := ends[f.Topic][f.Partition].End
			topic := schemas.Clickstream
			if f.Topic == topics[schemas.OrdersTopic] {
				topic = schemas.OrdersTopic
			}
			for _, r := range f.Records {
				if r.Offset < end && !r.Attrs.IsControl() {
					out = append(out, Record{Topic: topic, Partition: r.Partition, Record: schemas.Record{
						Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value, Headers: rawHeaders(r.Headers),
					}})
				}
			}
			if f.Records[len(f.Records)-1].Offset+1 >= end {
				delete(left[f.Topic], f.Partition)
				owed--
				client.PauseFetchPartitions(map[string][]int32{f.Topic: {f.Partition}})
			}
		})
	}
	slices.SortFunc(out, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	return out, nil
}

// rawHeaders writes headers as they stand in a record batch: that is what the decoder reads.
func rawHeaders(headers []kgo.RecordHeader) []byte {
	if len(headers) == 0 {
		return nil
	}
	b := binary.AppendVarint(nil, int64(len(headers)))
	for _, h := range headers {
		b = append(binary.AppendVarint(b, int64(len(h.Key))), h.Key...)
		if h.Value == nil {
			b = binary.AppendVarint(b, -1)
			continue
		}
		b = append(binary.AppendVarint(b, int64(len(h.Value))), h.Value...)
	}
	return b
}

// logEnds asks for the log start and the last stable offset of every partition.
func logEnds(ctx context.Context, client *kgo.Client, topics [schemas.NumTopics]string) (map[string]map[int32]schemas.Range, error) {
	meta := kmsg.NewPtrMetadataRequest()
	for _, t := range topics {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(t)
		meta.Topics = append(meta.Topics, topic)
	}
	res, err := meta.RequestWith(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("ask for the topics' partitions: %w", err)
	}
	ends := map[string]map[int32]schemas.Range{}
	for _, t := range res.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return nil, fmt.Errorf("ask for the partitions of %s: %w", *t.Topic, err)
		}
		ends[*t.Topic] = map[int32]schemas.Range{}
		for _, p := range t.Partitions {
			ends[*t.Topic][p.Partition] = schemas.Range{}
		}
	}
	for _, at := range []int64{-2, -1} { // log start, end
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID, req.IsolationLevel = -1, 1
		for name, partitions := range ends {
			topic := kmsg.NewListOffsetsRequestTopic()
			topic.Topic = name
			for p := range partitions {
				part := kmsg.NewListOffsetsRequestTopicPartition()
				part.Partition, part.Timestamp = p, at
				topic.Partitions = append(topic.Partitions, part)
			}
			req.Topics = append(req.Topics, topic)
		}
		for _, shard := range client.RequestSharded(ctx, req) {
			if shard.Err != nil {
				return nil, fmt.Errorf("ask for the topics' ends: %w", shard.Err)
			}
			for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
				for _, p := range t.Partitions {
					if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
						return nil, fmt.Errorf("ask for the end of %s/%d: %w", t.Topic, p.Partition, err)
					}
					r := ends[t.Topic][p.Partition]
					if at == -2 {
						r.Start = p.Offset
					} else {
						r.End = p.Offset
					}
					ends[t.Topic][p.Partition] = r
				}
			}
		}
	}
	return ends, nil
}
