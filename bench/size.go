package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"github.com/storepulse/storepulse/internal/produce"
)

const (
	sizeDatabase = "bench_size"
	// sizeRate is what keeps coming, over all lanes, while workers come and go.
	sizeRate = 500
	// sizeTimeout is the workers' session timeout in Kafka: the default.
	sizeTimeout = 10 * time.Second
	// sizeStop is how long a worker that is told to stop may take: its states are large.
	sizeStop = 2 * time.Minute
)

// size is the stage that holds many sessions open while workers stop, die and
// join: how long a lane stands still, and what it costs in memory. It fills
// Kafka with ten events a session, so it takes minutes and is not run unless
// it is asked for.
type size struct {
	*bench
	sessions, lanes int
	exe             string
	event           string // names topics and group
	kafka           *kafkaChild
	stream          *stream
	db              driver.Conn
}

func sizeStage(ctx context.Context, b *bench) (err error) {
	z := &size{bench: b, sessions: b.sizeSessions, lanes: b.sizeLanes, exe: b.exe, event: "size"}
	if z.exe == "" {
		if z.exe, err = b.build(ctx); err != nil {
			return err
		}
	}
	if err := b.startClickHouse(ctx); err != nil {
		return err
	}
	if b.sizeKafka != "" {
		z.event = fmt.Sprintf("size.%d", time.Now().UnixNano())
		z.kafka, err = realKafka(ctx, b.sizeKafka, z.lanes, z.event)
	} else {
		z.kafka, err = newKafkaChild(z.lanes, z.event)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, z.kafka.stop()) }()
	client, err := z.client(sizeDatabase)
	if err != nil {
		return err
	}
	defer client.Close()
	z.db = client.Conn()
	return z.run(ctx)
}

func (z *size) run(ctx context.Context) error {
	// All sessions are open at the end: each visitor has acted within the last
	// 25 minutes of event time.
	s := *z.small
	filled := z.sessions * sessionEvents
	s.n, s.per, s.group, s.step = filled, sessionEvents, z.sessions, 25*time.Minute/time.Duration(filled)
	z.stream = &s
	z.progress("size: filling kafka with %d events of %d sessions on %d lanes", s.n, z.sessions, z.lanes)
	if err := z.kafka.produce(ctx, z.event, &s, 0, produce.Pace{}); err != nil {
		return err
	}
	first, err := z.start(ctx)
	if err != nil {
		return err
	}
	defer first.kill()
	if err := z.until(ctx, 10*time.Minute, "the worker has taken everything", func() (bool, error) {
		n, err := z.consumed(ctx)
		return n == int64(filled), err
	}); err != nil {
		return errors.Join(err, first.failure())
	}

	if err := z.settle(ctx); err != nil {
		return err
	}
	// Something keeps coming on every lane while workers come and go.
	more := s
	more.n = math.MaxInt
	feed, feedCtx := errgroup.WithContext(ctx)
	feedCtx, stop := context.WithCancel(feedCtx)
	feed.Go(func() error {
		err := z.kafka.produce(feedCtx, z.event, &more, filled, produce.Pace{Rate: sizeRate})
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		return err
	})
	err = z.phases(ctx, first)
	stop()
	return errors.Join(err, feed.Wait())
}

// settle waits until the engine has merged what the filling left behind: ten
// million rows in a minute are not what the workers' moves are measured under,
// and the engine shares their processors.
func (z *size) settle(ctx context.Context) error {
	z.progress("size: waiting for the engine's merges")
	var quietSince time.Time
	return z.until(ctx, 5*time.Minute, "the engine has no merges for 5 s", func() (bool, error) {
		var merges uint64
		if err := z.db.QueryRow(ctx, `SELECT count() FROM system.merges`).Scan(&merges); err != nil {
			return false, err
		}
		if merges > 0 || quietSince.IsZero() {
			quietSince = time.Now()
		}
		return time.Since(quietSince) > 5*time.Second, nil
	})
}

// consumed is how far the lanes' finished or planned epochs reach.
func (z *size) consumed(ctx context.Context) (n int64, err error) {
	err = z.db.QueryRow(ctx, `SELECT sum(e) FROM (SELECT lane, max(clickstream_end) AS e FROM epochs GROUP BY lane)`).Scan(&n)
	return n, ignoreMissing(err)
}

// until asks again and again.
func (z *size) until(ctx context.Context, within time.Duration, what string, reached func() (bool, error)) error {
	deadline := time.Now().Add(within)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := reached()
		if ok && err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("waited %s until %s", within, what), err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
