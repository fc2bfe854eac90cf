package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/storepulse/storepulse/schemas"
)

// Assignment is what one generation of the group gives this worker.
type Assignment struct {
	Generation int32
	Lanes      []uint32 // ascending; empty when there are more workers than lanes
	Partitions uint32   // of each topic
	Identity   string   // of the two topics: a topic that was created again has another
	// Commit tells Kafka how far a lane is, for lag tools only: nothing is
	// ever resumed from it. It fails once the generation has ended.
	Commit func(ctx context.Context, lane uint32, p schemas.Positions) error
}

// Run takes part in the consumer group until ctx ends, and calls run once per
// generation. run's context ends when the lanes are revoked or ctx ends;
// heartbeats stop at that moment, so run must return well within the session
// timeout. A run that returns nil before gives nothing away: its lanes stay
// assigned until the generation ends. Errors that time may heal are logged and
// tried again; Run returns what only an operator can mend (errSetup), an error
// of run, or nil when ctx has ended.
func (c *Client) Run(ctx context.Context, run func(ctx context.Context, a Assignment) error) error {
	for tries := 0; ; tries++ {
		_, err := c.Check(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil
		}
		// A missing topic may be a cluster that has just started; the first
		// check is patient for a few seconds, wrong credentials are not.
		if errors.Is(err, errSetup) && (tries >= 5 || !errors.Is(err, kafka.UnknownTopicOrPartition)) {
			return err
		}
		c.log.Warn("kafka is not ready, trying again", "cause", err)
		if !sleep(ctx, maxBackoff) {
			return nil
		}
	}
	balancer := &laneBalancer{topics: c.cfg.Kafka.Topics.list()}
	group, err := kafka.NewConsumerGroup(c.groupConfig(balancer))
	if err != nil {
		return fmt.Errorf("join group %s: %w", c.cfg.Kafka.Group, err)
	}
	err = c.generations(ctx, group, balancer, run)
	_ = group.Close() // leaves the group; waits for run
	if ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err())) {
		return nil
	}
	return err
}

func (c *Client) groupConfig(b *laneBalancer) kafka.ConsumerGroupConfig {
	session := c.cfg.Kafka.SessionTimeout
	return kafka.ConsumerGroupConfig{
		ID: c.cfg.Kafka.Group, Brokers: c.cfg.Kafka.Brokers, Topics: b.topics, GroupBalancers: []kafka.GroupBalancer{b},
		Dialer:           &kafka.Dialer{ClientID: clientID, Timeout: 5 * time.Second, DualStack: true, TLS: c.tls, SASLMechanism: c.sasl, DialFunc: c.dial},
		SessionTimeout:   session,
		RebalanceTimeout: session,
		// Many chances to say that we live before the session ends; and a
		// heartbeat is how a member learns that another one has come: its lanes
		// stand still until all have learnt it.
		HeartbeatInterval: min(session/5, 500*time.Millisecond),
		JoinGroupBackoff:  min(session/5, maxBackoff),
		Logger:            nil,
	}
}

// generations calls run for one generation after the other.
func (c *Client) generations(ctx context.Context, group *kafka.ConsumerGroup, balancer *laneBalancer, run func(context.Context, Assignment) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	work := context.WithoutCancel(ctx)
	failed := make(chan error, 1)
	warn := throttle{every: warnEvery}
	for {
		gen, err := group.Next(ctx)
		select {
		case ferr := <-failed:
			return ferr
		default:
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if fixed := c.setup(err); fixed != nil {
				return fixed
			}
			c.joinFails(&warn, err)
			continue
		}
		a, err := c.assignment(gen)
		if err != nil {
			return err
		}
		c.metrics.generations.Inc()
		balancer.hold(gen.ID, a.Lanes)
		c.SetLanes(len(a.Lanes))
		c.log.Info("lanes assigned", slog.Int("generation", int(gen.ID)), slog.Any("lanes", a.Lanes), slog.String("member", gen.MemberID))
		// kafka-go joins again as soon as one of a generation's functions
		// returns. So that a worker which stops only leaves, run's context
		// ends with the generation, which ends when the group is closed, and
		// the function stays until then.
		gen.Start(func(gctx context.Context) {
			rctx, stop := context.WithCancel(work)
			defer stop()
			defer context.AfterFunc(gctx, stop)()
			var err error
			// A topic may have been created again since the generation before.
			if a.Identity, err = c.identify(rctx); err == nil {
				err = run(rctx, a)
			}
			if err != nil && rctx.Err() == nil {
				failed <- err
				cancel()
			}
			<-gctx.Done()
		})
	}
}

// joinFails says that the group could not be joined. A rebalance is no news, and
// must not use up the line of an error that is.
func (c *Client) joinFails(warn *throttle, err error) {
	c.metrics.groupErrors.Inc()
	if errors.Is(err, kafka.RebalanceInProgress) {
		return
	}
	if dropped, ok := warn.allow(time.Now()); ok {
		c.log.Warn("joining the group fails, trying again", "group", c.cfg.Kafka.Group, "cause", err, "dropped", dropped)
	}
}

// identify asks for the topics' identity until there is one or ctx ends.
func (c *Client) identify(ctx context.Context) (string, error) {
	warn := throttle{every: warnEvery}
	for tries := 0; ; tries++ {
		identity, err := c.Identity(ctx)
		if err == nil || ctx.Err() != nil {
			return identity, err
		}
		if dropped, ok := warn.allow(time.Now()); ok {
			c.log.Warn("the topics' ids cannot be read, trying again", "cause", err, "dropped", dropped)
		}
		if !sleep(ctx, min(firstBackoff<<min(tries, 10), maxBackoff)) {
			return "", ctx.Err()
		}
	}
}

// assignment checks that a generation's partitions are lanes.
func (c *Client) assignment(gen *kafka.Generation) (Assignment, error) {
	var lanes [schemas.NumTopics][]uint32
	for t := range schemas.NumTopics {
		for _, p := range gen.Assignments[c.cfg.Kafka.Topics.name(t)] {
			lanes[t] = append(lanes[t], uint32(p.ID))
		}
		slices.Sort(lanes[t])
	}
	if !slices.Equal(lanes[0], lanes[1]) {
		return Assignment{}, &setupError{
			text: fmt.Sprintf("group %s assigned partitions %v of one topic and %v of the other: another kind of consumer uses this group; give the pipeline a group of its own",
				c.cfg.Kafka.Group, lanes[0], lanes[1]),
			cause: kafka.InconsistentGroupProtocol,
		}
	}
	return Assignment{
		Generation: gen.ID, Lanes: lanes[0], Partitions: c.Partitions(),
		Commit: func(ctx context.Context, lane uint32, p schemas.Positions) error {
			return c.commit(ctx, gen.ID, gen.MemberID, lane, p)
		},
	}, nil
}

// commit goes through the client and not the generation, whose commits know
// no context and share a connection with the heartbeats.
func (c *Client) commit(ctx context.Context, generation int32, member string, lane uint32, p schemas.Positions) error {
	topics := map[string][]kafka.OffsetCommit{}
	for t, offset := range p {
		topics[c.cfg.Kafka.Topics.name(schemas.Topic(t))] = []kafka.OffsetCommit{{Partition: int(lane), Offset: offset}}
	}
	res, err := c.admin.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: c.cfg.Kafka.Group, GenerationID: int(generation), MemberID: member, Topics: topics,
	})
	if err != nil {
		return fmt.Errorf("commit offsets of lane %d: %w", lane, err)
	}
	for topic, partitions := range res.Topics {
		for _, part := range partitions {
			if part.Error != nil {
				return fmt.Errorf("commit offset of %s partition %d: %w", topic, part.Partition, part.Error)
			}
		}
	}
	return nil
}
