package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/schemas"
)

// TestRetentionAteAPlan: an epoch that was planned and not written, and what
// came after it, fall below the log start while nobody runs. What is readable
// becomes facts, what is not is named and counted, and the lane goes on.
func TestRetentionAteAPlan(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 1)
		g := shopping(31, began)
		// Some epochs, and a snapshot after the last of them.
		events := s.load(g, 1000)
		s.work(1000)
		// Then one that is planned, and of which nothing reaches the store.
		events = append(events, s.load(g, 1000)...)
		gate := newGate(t, s.cfg.Sink.ClickHouse.URL)
		s.crash(gate, gate.trap("fact_events", "", 0, before))
		plan := s.ranges("ORDER BY term DESC, seq DESC LIMIT 1")
		events = append(events, s.load(g, 2000)...)

		// Clickstream loses the first third of the plan; orders all of it and 20 more.
		clicks, orders := plan[schemas.Clickstream], plan[schemas.OrdersTopic]
		start := schemas.Positions{clicks.Start + clicks.Len()/3, orders.End + 20}
		if orders.Len() == 0 || clicks.Len() < 3 {
			t.Fatalf("the plan %v has nothing to lose", plan)
		}
		s.deleteRecords(0, start)
		rest := readable(events, func(e *gen.Event, offset int64) bool {
			return offset >= start[e.Topic] || offset < plan[e.Topic].Start
		})

		p := s.startEnv(s.small(), "run")
		s.consumed(len(events))
		p.await(t, "lane recovered")
		metrics := p.scraped(t)
		p.stop(t)
		mentions(t, p.log.String(), "records of a planned epoch lost to retention", "records lost to retention before they were read")
		if n := metrics.sum("ecom_pipeline_records_total", "outcome", "lost_to_retention", "topic", "orders"); int64(n) != orders.Len()+20 {
			t.Errorf("the counter says that %v orders are lost, want %d of the plan and 20 of the gap", n, orders.Len())
		}
		if n := metrics.sum("ecom_pipeline_partial_recoveries_total"); n != 1 {
			t.Errorf("%v partial recoveries are counted, want 1", n)
		}
		s.recovers()

		if got, want := s.lost(), fmt.Sprintf("%d\t%d", start[0]-clicks.Start, start[1]-orders.Start); got != want {
			t.Errorf("the ledger says that (clickstream, orders) lost %q, want %q", got, want)
		}
		want := schemas.Ranges{{Start: clicks.End, End: clicks.End}, {Start: orders.End, End: orders.End + 20}}
		if diff := cmp.Diff(s.ranges("WHERE kind = 'gap'"), want); diff != "" {
			t.Errorf("the gap (-ledger +want)\n%s", diff)
		}
		s.start("verify").wait(t)
		s.verify(rest)
		s.compareSessions(rest)
	})
}

// TestRetentionAteDoneEpochs: without a snapshot the state is rebuilt from
// what is readable. Facts stand as they are, the epoch in doubt gets its rows,
// and the state is called partial.
func TestRetentionAteDoneEpochs(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 1)
		events := s.load(shopping(32, began), 2000)
		gate := newGate(t, s.cfg.Sink.ClickHouse.URL)
		s.crash(gate, gate.trap("fact_sessions", "", 5, before))
		s.change("TRUNCATE TABLE snapshots")
		s.wantCount("SELECT max(epoch) FROM epochs", 6)
		// Five epochs are gone, and of the one in doubt the first half: its clicks
		// stand already, its orders do not.
		plan := s.ranges("WHERE epoch = 6")
		start := schemas.Positions{plan[0].Start + plan[0].Len()/2, plan[1].Start + (plan[1].Len()+1)/2}
		s.deleteRecords(0, start)
		stand := s.ask(fmt.Sprintf("SELECT count() FROM fact_events WHERE epoch = 6 AND kafka_offset < %d", start[0]))
		clicks, err := strconv.ParseInt(stand, 10, 64)
		if err != nil || clicks == 0 {
			t.Fatalf("%q clicks of epoch 6 stand and are gone from the log", stand)
		}

		mentions(t, s.recovers(), "state is partial: no usable snapshot", "first_epoch=6", "records of a planned epoch lost to retention")
		if got, want := s.lost(), fmt.Sprintf("%d\t%d", start[0]-plan[0].Start-clicks, start[1]-plan[1].Start); got != want {
			t.Errorf("the ledger says that (clickstream, orders) lost %q, want %q: what had been written is not lost", got, want)
		}
		s.start("status").wait(t) // facts are whole; sessions are cut, which verify would say
		s.verify(readable(events, func(e *gen.Event, offset int64) bool {
			gone := offset >= plan[e.Topic].Start && offset < start[e.Topic]
			return !gone || e.Topic == schemas.Clickstream && len(s.expect([]gen.Event{*e}).letters) == 0
		}))
	})
}

// ranges reads the ranges of one plan.
func (s *shop) ranges(where string) (r schemas.Ranges) {
	s.t.Helper()
	row := s.ask("SELECT clickstream_start, clickstream_end, orders_start, orders_end FROM epochs " + where)
	if _, err := fmt.Sscan(row, &r[0].Start, &r[0].End, &r[1].Start, &r[1].End); err != nil || strings.Contains(row, "\n") {
		s.t.Fatalf("the plan %s: %q", where, row)
	}
	return r
}

// lost adds up what the ledger calls lost to retention.
func (s *shop) lost() string {
	s.t.Helper()
	return s.ask(`SELECT sum(c), sum(o) FROM (SELECT any(clickstream_lost) AS c, any(orders_lost) AS o
		FROM (SELECT *, kind IN ('done', 'gap_done') AS own FROM epochs) WHERE has_done GROUP BY lane, if(own, epoch, toUInt64(epoch - 1)))`)
}

// readable keeps the events that the log of a single lane has kept. Their
// offsets are their numbers within their topic.
func readable(events []gen.Event, keep func(e *gen.Event, offset int64) bool) (rest []gen.Event) {
	var offset [schemas.NumTopics]int64
	for i := range events {
		e := &events[i]
		if keep(e, offset[e.Topic]) {
			rest = append(rest, *e)
		}
		offset[e.Topic]++
	}
	return rest
}

// deleteRecords moves the log start of one lane, as retention does.
func (s *shop) deleteRecords(lane int32, start schemas.Positions) {
	s.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(s.cfg.Kafka.Brokers...))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 10_000
	for t, name := range s.topics() {
		topic, part := kmsg.NewDeleteRecordsRequestTopic(), kmsg.NewDeleteRecordsRequestTopicPartition()
		topic.Topic, part.Partition, part.Offset = name, lane, start[t]
		topic.Partitions = append(topic.Partitions, part)
		req.Topics = append(req.Topics, topic)
	}
	res, err := req.RequestWith(within(s.t, 20*time.Second), c)
	if err != nil {
		s.t.Fatalf("delete records: %v", err)
	}
	for _, topic := range res.Topics {
		for _, p := range topic.Partitions {
			if p.ErrorCode != 0 {
				s.t.Fatalf("delete records of %s: error %d", topic.Topic, p.ErrorCode)
			}
		}
	}
}
