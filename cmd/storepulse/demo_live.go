package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
)

// demoLive lets shoppers shop until ctx or the duration ends.
func demoLive(ctx context.Context, s *shared, f demoFlags, cfg config.Config, st *stack) error {
	if f.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.duration)
		defer cancel()
	}
	set := gen.Settings{Seed: f.seed, Rate: f.rate, Defects: gen.RealisticDefects(), KnownVisitors: 2000}
	memory := filepath.Join(f.dataDir, "shop.json")
	set.Start = resume(memory, time.Now().Add(-12*time.Hour).Truncate(time.Second))
	var err error
	set.Incidents, err = gen.ParseIncidents(f.incidents)
	if err := errors.Join(err, set.Validate()); err != nil {
		return &usageError{err}
	}
	w, err := newWriter(cfg)
	if err != nil {
		return err
	}
	intro := fmt.Sprintf(`
  metrics     http://%%s/metrics
  clickhouse  %s  (database %s)
  kafka       %s

  Ask it something, also while it runs:
    bin/storepulse sql 'SELECT max_stage, count() FROM fact_sessions FINAL WHERE NOT is_bot GROUP BY 1 ORDER BY 2 DESC' --data-dir %[4]s
    bin/storepulse sql 'SELECT platform, count() AS orders, sum(paid_minor) / 100 AS paid FROM orders WHERE paid_minor > 0 GROUP BY 1 ORDER BY 3 DESC' --data-dir %[4]s
    bin/storepulse sql 'SELECT reason, field, count() FROM dead_letters GROUP BY 1, 2 ORDER BY 3 DESC' --data-dir %[4]s

  The shop opens at %s and catches up with the clock at %gx. Ctrl-C stops it.

`, cfg.Sink.ClickHouse.URL, cfg.Sink.ClickHouse.Database, cfg.Kafka.Brokers[0], f.dataDir, set.Start.Format(time.DateTime), f.timeLapse)

	// The shoppers stop first, then the worker takes what is left: the numbers
	// it shows at the end are complete.
	shop, closeShop := context.WithCancel(ctx)
	defer closeShop()
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	g := gen.New(set)
	news := make(chan string)
	var parts errgroup.Group
	parts.Go(func() error {
		err := produce.Run(shop, w, g.Next, produce.Pace{TimeLapse: f.timeLapse, Live: true}, func(c produce.Counts) {
			for _, line := range g.News(c.Last) {
				select {
				case news <- line:
				case <-shop.Done(): // nobody looks any more
				}
			}
		})
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			err = nil
		}
		err = errors.Join(err, w.Close(context.WithoutCancel(ctx)), remember(memory, w.Counts().Last))
		caughtUp(work, st, w.Counts().Total())
		stopWork()
		return err
	})
	parts.Go(func() error {
		defer closeShop()
		return st.run(work)
	})
	if addr, err := st.server.Addr(work); err == nil {
		fmt.Fprintf(s.out, intro, addr)
	}
	v := &view{out: s.out, live: isTerminal(s.out) && !f.verbose, begun: time.Now()}
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	done := make(chan error, 1)
	go func() { done <- parts.Wait() }()
	for {
		select {
		case err := <-done:
			tell(s.out, g.Unfinished())
			return err
		case line := <-news:
			v.say(line)
		case now := <-tick.C:
			if m, err := gather(st.reg); err == nil {
				v.draw(m, now)
			}
		}
	}
}

// stopTime bounds how long a stopping demo waits for its worker.
const stopTime = 30 * time.Second

// caughtUp waits until the worker has taken what this run produced, and
// whatever an earlier one left.
func caughtUp(ctx context.Context, st *stack, produced int64) {
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	for sleep(ctx, 300*time.Millisecond) == nil {
		m, err := gather(st.reg)
		if err != nil || m.sum("ecom_pipeline_records_total") >= float64(produced) && m.sum("ecom_kafka_consumer_lag_messages") == 0 {
			return
		}
	}
}

// shopMemory is what one demo tells the next: events must not begin before
// those that are there already, or they would be late.
type shopMemory struct {
	Last time.Time `json:"last"`
}

func resume(path string, start time.Time) time.Time {
	var m shopMemory
	if b, err := os.ReadFile(path); err == nil && json.Unmarshal(b, &m) == nil && m.Last.After(start) {
		return m.Last.Truncate(time.Second).Add(time.Second)
	}
	return start
}

func remember(path string, last time.Time) error {
	if last.IsZero() {
		return nil
	}
	b, err := json.Marshal(shopMemory{last})
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}
