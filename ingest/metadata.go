package ingest

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	meta "github.com/segmentio/kafka-go/protocol/metadata"

	"github.com/storepulse/storepulse/schemas"
)

func metadataRequest(topics []string) *meta.Request { return &meta.Request{TopicNames: topics} }

// partitionCounts reads a metadata response; a missing topic is an error with
// its remedy.
func (c *Client) partitionCounts(m protocol.Message) ([schemas.NumTopics]int, error) {
	var counts [schemas.NumTopics]int
	res, ok := m.(*meta.Response)
	if !ok {
		return counts, fmt.Errorf("BUG: metadata answered with %T", m)
	}
	for t, name := range c.cfg.Kafka.Topics.list() {
		for _, topic := range res.Topics {
			if topic.Name != name {
				continue
			}
			code := kafka.Error(topic.ErrorCode)
			if code != 0 && code != kafka.UnknownTopicOrPartition {
				if fixed := c.setup(code); fixed != nil {
					return counts, fixed
				}
				return counts, fmt.Errorf("metadata of topic %s: %w", name, code)
			}
			if code == 0 {
				counts[t] = len(topic.Partitions)
			}
		}
		if counts[t] == 0 {
			return counts, c.missingTopic(name)
		}
	}
	return counts, nil
}

// offsets asks for the log start and the end of what committed readers see.
func (c *Client) offsets(ctx context.Context, t schemas.Topic, partition uint32) (start, end int64, err error) {
	name := c.cfg.Kafka.Topics.name(t)
	res, err := c.admin.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics:         map[string][]kafka.OffsetRequest{name: {kafka.FirstOffsetOf(int(partition)), kafka.LastOffsetOf(int(partition))}},
		IsolationLevel: kafka.ReadCommitted,
	})
	if err != nil {
		return 0, 0, fmt.Errorf("list offsets of %s partition %d: %w", name, partition, err)
	}
	for _, p := range res.Topics[name] {
		if p.Partition == int(partition) {
			if p.Error != nil {
				return 0, 0, fmt.Errorf("list offsets of %s partition %d: %w", name, partition, p.Error)
			}
			if p.FirstOffset < 0 || p.LastOffset < p.FirstOffset {
				return 0, 0, fmt.Errorf("list offsets of %s partition %d: answer makes no sense: %d to %d", name, partition, p.FirstOffset, p.LastOffset)
			}
			return p.FirstOffset, p.LastOffset, nil
		}
	}
	return 0, 0, fmt.Errorf("list offsets of %s partition %d: %w", name, partition, kafka.UnknownTopicOrPartition)
}
