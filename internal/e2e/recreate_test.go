package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
)

// TestTopicCreatedAgain: offsets alone prove nothing. A topic of the same name
// that has grown beyond the ledger's end is still another topic.
func TestTopicCreatedAgain(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 1)
		feed := func(seed uint64, n int64) {
			s.feed(t.Context(), gen.New(gen.Settings{Seed: seed, Start: time.Date(2026, 11, 10, 18, 0, 0, 0, time.UTC), Rate: 5, FlatDay: true, MaxEvents: n}), produce.Pace{})
		}
		feed(1, 500)
		s.drain()
		stand := s.ask("SELECT count() FROM fact_events")

		client := s.admin()
		topics := s.cfg.Kafka.Topics
		res, err := client.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{topics.Clickstream, topics.Orders}})
		if err != nil || res.Errors[topics.Clickstream] != nil || res.Errors[topics.Orders] != nil {
			t.Fatalf("delete the topics: %v %v", err, res)
		}
		eventually(t, func() string { // a broker deletes behind its answer
			m, err := client.Metadata(t.Context(), &kafka.MetadataRequest{Topics: []string{topics.Clickstream, topics.Orders}})
			if err == nil && len(m.Topics) == 2 && m.Topics[0].Error != nil && m.Topics[1].Error != nil {
				return ""
			}
			return fmt.Sprintf("the topics are still there: %v %+v", err, m)
		})
		s.createTopics(1, 1)
		feed(2, 2000)
		fails(t, s.start("run", "--drain"), "deleted and created again", "empty database")
		if got := s.ask("SELECT count() FROM fact_events"); got != stand || got == "0" {
			t.Errorf("%s facts stand, before the topic was created again %s", got, stand)
		}
	})
}
