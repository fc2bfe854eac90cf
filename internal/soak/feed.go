package soak

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
)

// feed is the shop: shoppers in the generator's order, at the generator's
// spacing, whatever happens to the brokers. A batch that was not acknowledged is sent
// again until it is, so copies of whole batches may stand in the log.
type feed struct {
	gen    *gen.Generator
	cfg    produce.Config
	pace   produce.Pace
	storms storms

	sent    atomic.Int64 // acknowledged
	retries atomic.Int64
	mu      struct {
		sync.Mutex
		last time.Time // greatest arrival time sent
	}
}

const (
	batchEvery  = 100 * time.Millisecond
	batchEvents = 2000
	// stopFeed bounds how long the last batch may take once the feed has been told to stop.
	stopFeed = 2 * time.Minute
)

// run feeds until ctx ends; the last batch is delivered all the same.
func (f *feed) run(ctx context.Context) error {
	pacer := produce.NewPacer(f.pace)
	w := produce.NewWriter(f.cfg)
	defer func() { _ = w.Close(context.WithoutCancel(ctx)) }()
	var batch []gen.Event
	var e gen.Event
	since := time.Now()
	for ctx.Err() == nil && f.gen.Next(&e) {
		f.storms.turn(f.gen)
		due := pacer.At(e.Time)
		if wait := time.Until(due); len(batch) >= batchEvents || len(batch) > 0 && (wait > 0 || time.Since(since) > batchEvery) && time.Since(since) > batchEvery/2 {
			if err := f.deliver(ctx, w, batch); err != nil {
				return err
			}
			batch, since = batch[:0], time.Now()
		}
		if wait := time.Until(due); wait > 0 && sleep(ctx, wait) != nil {
			break
		}
		batch = append(batch, gen.Event{Topic: e.Topic, Key: bytes.Clone(e.Key), Value: bytes.Clone(e.Value), Headers: slices.Clone(e.Headers), Time: e.Time})
	}
	return f.deliver(ctx, w, batch)
}

// deliver sends a batch until it is acknowledged as a whole. Only the end of
// the feed bounds it.
func (f *feed) deliver(ctx context.Context, w *produce.Writer, batch []gen.Event) error {
	var until time.Time
	for {
		err := write(context.WithoutCancel(ctx), w, batch)
		if err == nil {
			break
		}
		if ctx.Err() != nil && until.IsZero() {
			until = time.Now().Add(stopFeed)
		}
		if !until.IsZero() && time.Now().After(until) {
			return fmt.Errorf("the feed's last batch was never acknowledged: %w", err)
		}
		f.retries.Add(1)
		time.Sleep(200 * time.Millisecond) // the brokers are at fault just now: no hurry helps them
	}
	f.sent.Add(int64(len(batch)))
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range batch {
		if batch[i].Time.After(f.mu.last) {
			f.mu.last = batch[i].Time
		}
	}
	return nil
}

func write(ctx context.Context, w *produce.Writer, batch []gen.Event) error {
	for i := range batch {
		if err := w.Write(ctx, &batch[i]); err != nil {
			return err
		}
	}
	return w.Flush(ctx)
}

// lastTime is the simulated moment that the feed has reached.
func (f *feed) lastTime() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.last
}
