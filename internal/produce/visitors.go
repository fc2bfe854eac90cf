package produce

import (
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/schemas"
)

// LastVisitors gives each of so many lanes a page view at each of the times, by
// a visitor of its own: whoever wants to see what a lane does when time goes on
// sends them after everything else.
func LastVisitors(lanes int, at ...time.Time) []gen.Event {
	var events []gen.Event
	for n, t := range at {
		for lane := range lanes {
			visitor := visitorOf(lane, lanes)
			events = append(events, gen.Event{
				Topic: schemas.Clickstream, Key: []byte(visitor), Time: t,
				Value: fmt.Appendf(nil, `{"id":"last-%d-%d","source":"/last","type":"page_view","time":%q,"partitionkey":%q,"anonymous_id":%q,"platform":"h5","page_type":"home"}`,
					lane, n, t.UTC().Format("2006-01-02T15:04:05.000Z"), visitor, visitor),
			})
		}
	}
	return events
}

// visitorOf finds a visitor whose key belongs to the lane.
func visitorOf(lane, lanes int) string {
	partitions := make([]int, lanes)
	for i := range partitions {
		partitions[i] = i
	}
	for n := 0; ; n++ {
		key := fmt.Sprintf("last%08d", n)
		if (kafka.Murmur2Balancer{}).Balance(kafka.Message{Key: []byte(key)}, partitions...) == lane {
			return key
		}
	}
}
