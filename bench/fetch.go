package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
)

// fill writes the stream to its topics, once.
func (b *bench) fill(ctx context.Context, event string, s *stream) error {
	if err := b.startKafka(); err != nil {
		return err
	}
	if b.kafka.filled[event] {
		return nil
	}
	b.progress("filling kafka: %d events of %s", s.n, event)
	if err := b.kafka.produce(ctx, event, s, 0, produce.Pace{}); err != nil {
		return err
	}
	b.kafka.filled[event] = true
	return nil
}

// produce writes the stream's events from the given one on.
func (k *kafkaChild) produce(ctx context.Context, event string, s *stream, from int, pace produce.Pace) error {
	w := produce.NewWriter(produce.Config{Brokers: []string{k.addr}, Topics: topicsOf(event), BatchRecords: 20_000, BatchBytes: 16 << 20})
	i, buf := from, []byte(nil)
	err := produce.Run(ctx, w, func(e *gen.Event) bool {
		if i == s.n {
			return false
		}
		key := 0
		buf, key = s.append(buf[:0], i)
		e.Key, e.Value, e.Time = buf[key:key+visitorBytes], buf, s.at(i)
		i++
		return true
	}, pace, nil)
	return errors.Join(err, w.Close(context.WithoutCancel(ctx)))
}

func fetchStage(ctx context.Context, b *bench) error {
	for _, c := range []struct {
		stage, event string
		s            *stream
	}{{"fetch", "315B", b.small}, {"fetch-800", "800B", b.large}} {
		if err := b.fill(ctx, c.event, c.s); err != nil {
			return err
		}
		err := b.measure(ctx, c.stage, c.event, c.s.n, "lz4, 4 lanes at once, median of 3", func() (float64, error) {
			return repeated(ctx, func() (float64, error) { return b.fetch(ctx, c.event, c.s.n) })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// fetch reads the whole topic as a worker's lanes do and forgets it.
func (b *bench) fetch(ctx context.Context, event string, want int) (float64, error) {
	cfg := ingest.DefaultConfig()
	cfg.Kafka.Brokers = []string{b.kafka.addr}
	topics := topicsOf(event)
	cfg.Kafka.Topics = ingest.TopicsConfig{Clickstream: topics[0], Orders: topics[1]}
	cfg.Ingest.Epoch.Interval = 10 * time.Millisecond // the time between epochs costs no CPU
	var m meter
	m.start()
	client, err := ingest.New(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return 0, err
	}
	if _, err := client.Check(ctx); err != nil {
		return 0, err
	}
	client.SetLanes(1) // as long as there is something to read, epochs are cut by records
	var got atomic.Int64
	lanes, ctx := errgroup.WithContext(ctx)
	for p := range uint32(partitions) {
		lanes.Go(func() error {
			n, err := drainLane(ctx, client.Lane(p))
			got.Add(n)
			return err
		})
	}
	err = lanes.Wait()
	m.stop()
	if err == nil && got.Load() != int64(want) {
		err = fmt.Errorf("%d records were read, want %d", got.Load(), want)
	}
	if cerr := client.Close(); err == nil {
		err = cerr
	}
	return m.perMillion(want), err
}

func drainLane(ctx context.Context, l *ingest.Lane) (n int64, err error) {
	defer func() {
		if cerr := l.Close(); err == nil {
			err = cerr
		}
	}()
	at, end, err := l.Bounds(ctx)
	if err != nil {
		return 0, err
	}
	for at != end {
		in, err := l.Next(ctx, at)
		if err != nil {
			return n, err
		}
		for t := range in.Records {
			n += int64(len(in.Records[t]))
		}
		at = in.Ranges.End()
		in.Release()
	}
	return n, nil
}
