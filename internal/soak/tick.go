package soak

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
	"github.com/storepulse/storepulse/schemas"
)

// tick sends each lane a visitor of its own who comes when every other span
// has left the horizon, and once more when no order waits any longer for its payment: what
// was late is rebuilt then.
func (r *run) tick(ctx context.Context) error {
	w := produce.NewWriter(r.feed.cfg)
	defer func() { _ = w.Close(ctx) }()
	t := r.cfg.Transform()
	horizon := r.feed.lastTime().Add(2*t.Gap + t.MergeHorizon + 10*time.Minute)
	var batch []gen.Event
	for n, at := range []time.Time{horizon, horizon.Add(t.PayWindow + t.MergeHorizon)} {
		for lane := range r.Lanes {
			visitor := visitorOf(lane, r.Lanes)
			batch = append(batch, gen.Event{
				Topic: schemas.Clickstream, Key: []byte(visitor), Time: at,
				Value: fmt.Appendf(nil, `{"id":"tick-%d-%d","source":"/soak","type":"page_view","time":%q,"partitionkey":%q,"anonymous_id":%q,"platform":"h5","page_type":"home"}`,
					lane, n, at.UTC().Format("2006-01-02T15:04:05.000Z"), visitor, visitor),
			})
		}
	}
	if err := r.feed.deliver(ctx, w, batch); err != nil {
		return fmt.Errorf("send the last visitors: %w", err)
	}
	return nil
}

// visitorOf finds a visitor whose key belongs to the lane.
func visitorOf(lane, lanes int) string {
	partitions := make([]int, lanes)
	for i := range partitions {
		partitions[i] = i
	}
	for n := 0; ; n++ {
		key := fmt.Sprintf("tick%08d", n)
		if (kafka.Murmur2Balancer{}).Balance(kafka.Message{Key: []byte(key)}, partitions...) == lane {
			return key
		}
	}
}
