package ingest

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"

	"github.com/storepulse/storepulse/schemas"
)

// Committed gives the offsets of a lane that the group has committed, -1 where
// there is none. Lag tools see these; nothing is resumed from them.
func (c *Client) Committed(ctx context.Context, lane uint32) (schemas.Positions, error) {
	at := schemas.Positions{-1, -1}
	ask := map[string][]int{}
	for _, name := range c.cfg.Kafka.Topics.list() {
		ask[name] = []int{int(lane)}
	}
	res, err := c.admin.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: c.cfg.Kafka.Group, Topics: ask})
	if err == nil {
		err = res.Error
	}
	if errors.Is(err, kafka.GroupIdNotFound) {
		return at, nil
	}
	if err != nil {
		return at, fmt.Errorf("fetch the offsets of group %s: %w", c.cfg.Kafka.Group, err)
	}
	for t := range schemas.NumTopics {
		name := c.cfg.Kafka.Topics.name(t)
		for _, p := range res.Topics[name] { // a group that has committed nothing has no topics
			if p.Partition != int(lane) {
				continue
			}
			if p.Error != nil {
				return at, fmt.Errorf("fetch the offset of group %s on %s partition %d: %w", c.cfg.Kafka.Group, name, lane, p.Error)
			}
			at[t] = p.CommittedOffset
		}
	}
	return at, nil
}
