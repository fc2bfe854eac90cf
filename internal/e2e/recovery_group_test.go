package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// TestTheGroupForgets: positions are in ClickHouse. A group that is deleted,
// rewound or set ahead changes nothing.
func TestTheGroupForgets(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		const lanes = 2
		s := newShop(t, addr, session, lanes)
		g := shopping(51, began)
		events := s.load(g, 600)
		s.work(len(events))
		if got := s.committed(lanes); got != int64(len(events)) {
			t.Errorf("%d offsets are committed after a clean stop, want %d", got, len(events))
		}

		res, err := s.admin().DeleteGroups(within(t, 20*time.Second), &kafka.DeleteGroupsRequest{GroupIDs: []string{s.cfg.Kafka.Group}})
		if err != nil || res.Errors[s.cfg.Kafka.Group] != nil {
			t.Fatalf("delete the group: %v %v", err, res)
		}
		if got := s.committed(lanes); got != 0 {
			t.Fatalf("the deleted group still has %d offsets", got)
		}
		events = append(events, s.load(g, 300)...)
		s.work(len(events))

		s.setOffsets(lanes, 0)
		events = append(events, s.load(g, 300)...)
		s.work(len(events))

		s.load(g, 300)
		s.setOffsets(lanes, 100_000) // beyond the log end
		s.recovers()
		s.judge()
	})
}

// work runs a worker until it has planned so many records, and stops it; once
// more if the machine was too slow for the bound of a clean stop. It ends with
// done epochs, a snapshot of each lane, and the group's offsets committed.
func (s *shop) work(records int, extra ...string) {
	s.t.Helper()
	const tidy = `SELECT count() = countIf(last IN ('done', 'gap_done', 'rebuild_done') AND (lane, epoch) IN (SELECT lane, epoch FROM snapshots))
		FROM (SELECT lane, argMax(kind, (term, seq)) AS last, argMax(epoch, (term, seq)) AS epoch FROM epochs GROUP BY lane)`
	for range 5 {
		p := s.startEnv(s.small(extra...), "run")
		p.await(s.t, `part=pipeline lane=0`) // it claims, and knows what a signal is
		s.consumed(records)
		p.stop(s.t)
		if s.ask(tidy) == "1" && s.committed(s.lanes) == int64(records) {
			return
		}
	}
	s.t.Fatalf("no clean stop in five tries")
}

// consumed waits until so many records are planned, over all lanes.
func (s *shop) consumed(records int) {
	s.t.Helper()
	s.wait("SELECT sum(c + o) FROM (SELECT max(clickstream_end) AS c, max(orders_end) AS o FROM epochs GROUP BY lane)", fmt.Sprint(records))
}

// committed adds up the group's offsets.
func (s *shop) committed(lanes int) (sum int64) {
	s.t.Helper()
	topics := map[string][]int{}
	for _, topic := range s.topics() {
		for lane := range lanes {
			topics[topic] = append(topics[topic], lane)
		}
	}
	res, err := s.admin().OffsetFetch(within(s.t, 20*time.Second), &kafka.OffsetFetchRequest{GroupID: s.cfg.Kafka.Group, Topics: topics})
	if err == nil && !errors.Is(res.Error, kafka.GroupIdNotFound) { // which says that there is none
		err = res.Error
	}
	if err != nil {
		s.t.Fatalf("fetch offsets: %v", err)
	}
	for _, partitions := range res.Topics {
		for _, p := range partitions {
			sum += max(p.CommittedOffset, 0)
		}
	}
	return sum
}

// setOffsets commits an offset for every partition, as an operator's tool does
// while no member is alive.
func (s *shop) setOffsets(lanes int, offset int64) {
	s.t.Helper()
	req := &kafka.OffsetCommitRequest{GroupID: s.cfg.Kafka.Group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{}}
	for _, topic := range s.topics() {
		for lane := range lanes {
			req.Topics[topic] = append(req.Topics[topic], kafka.OffsetCommit{Partition: lane, Offset: offset})
		}
	}
	res, err := s.admin().OffsetCommit(within(s.t, 20*time.Second), req)
	if err != nil {
		s.t.Fatalf("commit offsets: %v", err)
	}
	for topic, partitions := range res.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				s.t.Fatalf("commit offsets of %s/%d: %v", topic, p.Partition, p.Error)
			}
		}
	}
	if got := s.committed(lanes); got != offset*int64(2*lanes) {
		s.t.Fatalf("%d offsets are committed, want %d", got, offset*int64(2*lanes))
	}
}
