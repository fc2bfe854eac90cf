package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
)

// liveDemo is a shop full of shoppers and the worker that follows them.
type liveDemo struct {
	demoFlags
	set    gen.Settings
	shop   *gen.Generator
	writer *produce.Writer
	stack  *stack
	news   chan string // of incidents, for the screen
}

// shopSettings are the shoppers that the command line asks for; they go on
// where an earlier demo stopped.
func (f demoFlags) shopSettings(now time.Time) (set gen.Settings, err error) {
	set = gen.Settings{Seed: f.seed, Rate: f.rate, Defects: gen.RealisticDefects(), KnownVisitors: 2000}
	set.Start = resume(f.memory(), now.Add(-12*time.Hour).Truncate(time.Second))
	set.Incidents, err = gen.ParseIncidents(f.incidents)
	if err := errors.Join(err, set.Validate()); err != nil {
		return set, &usageError{err}
	}
	return set, nil
}

// demoLive lets shoppers shop until ctx or the duration ends.
func demoLive(ctx context.Context, s *shared, f demoFlags, set gen.Settings, st *stack) error {
	if f.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.duration)
		defer cancel()
	}
	w, err := newWriter(st.cfg)
	if err != nil {
		return err
	}
	d := &liveDemo{demoFlags: f, set: set, shop: gen.New(set), writer: w, stack: st, news: make(chan string)}
	// The shoppers stop first, then the worker takes what is left: the numbers
	// it shows at the end are complete.
	open, closeShop := context.WithCancel(ctx)
	defer closeShop()
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	var parts errgroup.Group
	parts.Go(func() error {
		defer stopWork()
		err := d.feed(open)
		caughtUp(work, st, w.Counts().Total())
		return err
	})
	parts.Go(func() error {
		defer closeShop()
		return st.run(work)
	})
	if addr, err := st.server.Addr(work); err == nil {
		d.intro(s, addr.String())
	}
	done := make(chan error, 1)
	go func() { done <- parts.Wait() }()
	return d.screen(s, done)
}

// intro says what there is to look at.
func (d *liveDemo) intro(s *shared, addr string) {
	cfg := d.stack.cfg
	fmt.Fprintf(s.out, `
  metrics     http://%s/metrics
  clickhouse  %s  (database %s)
  kafka       %s

  Ask it something, also while it runs:
`, addr, cfg.Sink.ClickHouse.URL, cfg.Sink.ClickHouse.Database, cfg.Kafka.Brokers[0])
	for _, query := range []string{
		"SELECT max_stage, count() FROM fact_sessions FINAL WHERE NOT is_bot GROUP BY 1 ORDER BY 2 DESC",
		"SELECT platform, count() AS orders, sum(paid_minor) / 100 AS paid FROM orders WHERE paid_minor > 0 GROUP BY 1 ORDER BY 3 DESC",
		"SELECT reason, field, count() FROM dead_letters GROUP BY 1, 2 ORDER BY 3 DESC",
	} {
		fmt.Fprintf(s.out, "    %s sql '%s' --data-dir %s\n", s.program, query, d.dataDir)
	}
	fmt.Fprintf(s.out, "\n  The shop opens at %s and catches up with the clock at %gx. Ctrl-C stops it.\n\n", d.set.Start.Format(time.DateTime), d.timeLapse)
}

// feed produces what the shoppers do until ctx ends.
func (d *liveDemo) feed(ctx context.Context) error {
	err := produce.Run(ctx, d.writer, d.shop.Next, produce.Pace{TimeLapse: d.timeLapse, Live: true}, func(c produce.Counts) {
		for _, line := range d.shop.News(c.Last) {
			select {
			case d.news <- line:
			case <-ctx.Done(): // nobody looks any more
			}
		}
	})
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return errors.Join(err, d.writer.Close(context.WithoutCancel(ctx)), remember(d.memory(), d.writer.Counts().Last))
}

// screen shows numbers and news until done.
func (d *liveDemo) screen(s *shared, done <-chan error) error {
	v := &view{out: s.out, live: isTerminal(s.out) && !d.verbose, begun: time.Now()}
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			tell(s.out, d.shop.Unfinished())
			return err
		case line := <-d.news:
			v.say(line)
		case now := <-tick.C:
			if m, err := gather(d.stack.reg); err == nil {
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
