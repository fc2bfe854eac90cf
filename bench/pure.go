package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform"
)

// decodeInto appends the records to the batch, which it empties first.
func decodeInto(d *schemas.Decoder, records []schemas.Record, b *schemas.Batch) {
	b.Reset()
	for i := range records {
		d.Decode(schemas.Clickstream, &records[i], b)
	}
}

// accepted says that no record of the batch became a dead letter: a figure
// about those would mean nothing.
func accepted(b *schemas.Batch, want int) error {
	if got := b.Events.Rows(); got != want {
		return fmt.Errorf("BUG: %d of %d standard events were accepted", got, want)
	}
	return nil
}

func decodeStage(ctx context.Context, b *bench) error {
	decode := func(s *stream) (float64, error) {
		return repeated(ctx, func() (float64, error) {
			var m meter
			d, batch := schemas.NewDecoder(b.vocabulary), schemas.NewBatch(b.vocabulary)
			err := s.epochs(func(records []schemas.Record) error {
				m.start()
				decodeInto(d, records, batch)
				m.stop()
				return accepted(batch, len(records))
			})
			return m.perMillion(s.n), err
		})
	}
	if err := b.measure(ctx, "decode", "315B", b.small.n, "median of 3", func() (float64, error) { return decode(b.small) }); err != nil {
		return err
	}
	return b.measure(ctx, "decode-800", "800B", b.large.n, "median of 3", func() (float64, error) { return decode(b.large) })
}

// engine is the transform of one lane in a loop.
type engine struct {
	state *transform.State
	out   *transform.Output
	n     uint64
}

func newEngine(b *bench) *engine {
	return &engine{
		state: transform.New(b.vocabulary, b.register, transform.DefaultSettings()),
		out:   transform.NewOutput(b.vocabulary, b.register),
	}
}

// apply runs one epoch over the batch.
func (e *engine) apply(batch *schemas.Batch, lastOffset int64) error {
	e.n++
	in := transform.Input{Epoch: e.n, Batch: batch, Watermark: e.state.NextWatermark(batch), LastClick: lastOffset}
	return e.state.Apply(transform.Version, in, e.out)
}

func transformStage(ctx context.Context, b *bench) error {
	apply := func(s *stream) (float64, error) {
		return repeated(ctx, func() (float64, error) {
			var m meter
			d, batch, e := schemas.NewDecoder(b.vocabulary), schemas.NewBatch(b.vocabulary), newEngine(b)
			err := s.epochs(func(records []schemas.Record) error {
				decodeInto(d, records, batch)
				m.start()
				err := e.apply(batch, records[len(records)-1].Offset)
				m.stop()
				return err
			})
			return m.perMillion(s.n), err
		})
	}
	if err := b.measure(ctx, "transform", "315B", b.small.n, "median of 3", func() (float64, error) { return apply(b.small) }); err != nil {
		return err
	}
	if err := b.measure(ctx, "transform-800", "800B", b.large.n, "median of 3", func() (float64, error) { return apply(b.large) }); err != nil {
		return err
	}
	// One second of a lane is far less than 50,000 events: the fold of a visitor
	// is then done more often.
	if err := b.measure(ctx, "transform-shoppers", "shoppers", b.events, "simulated shop with orders and defects", func() (float64, error) { return shoppers(b, epochRecords) }); err != nil {
		return err
	}
	return b.measure(ctx, "transform-shoppers-1000", "shoppers", b.events800, "the same in epochs of 1,000 events", func() (float64, error) { return shoppers(b, 1000) })
}

// shoppers applies the generator's stream: sessions of all lengths, orders,
// copies, late events.
func shoppers(b *bench, size int) (float64, error) {
	total := b.events
	if size < epochRecords {
		total = b.events800
	}
	g := gen.New(gen.Settings{
		Seed: 1, Start: streamStart, Rate: float64(total) / span.Seconds(), FlatDay: true, MaxEvents: int64(total),
		Defects: gen.RealisticDefects(), KnownVisitors: 2000,
	})
	var m meter
	d, batch, eng := schemas.NewDecoder(b.vocabulary), schemas.NewBatch(b.vocabulary), newEngine(b)
	var ev gen.Event
	var offsets schemas.Positions
	n := 0
	for more := true; more; {
		batch.Reset()
		for i := 0; i < size && more; i++ {
			if more = g.Next(&ev); !more {
				break
			}
			d.Decode(ev.Topic, &schemas.Record{Offset: offsets[ev.Topic], Timestamp: ev.Time.UnixMilli(), Key: ev.Key, Value: ev.Value}, batch)
			offsets[ev.Topic]++
			n++
		}
		m.start()
		err := eng.apply(batch, offsets[schemas.Clickstream]-1)
		m.stop()
		if err != nil {
			return 0, err
		}
	}
	return m.perMillion(n), nil
}

const (
	heapSessions     = 200_000
	snapshotSessions = 100_000
	sessionEvents    = 10
)

// stateStage measures the memory of open sessions and how long a lane stops
// for its snapshot.
func stateStage(ctx context.Context, b *bench) error {
	b.progress("state: %d open sessions of %d events", heapSessions, sessionEvents)
	e, heap, err := openSessions(ctx, b, heapSessions)
	if err != nil {
		return err
	}
	open, _ := e.state.Sessions()
	b.report.results = append(b.report.results, result{
		Stage: "bytes_per_open_session", Bytes: heap / float64(open), Sessions: open,
		note: fmt.Sprintf("%.0f of heap after GC, %.0f by the state's own count, %d sessions of %d events", heap/float64(open), float64(e.state.Bytes())/float64(open), open, sessionEvents),
	})
	if e, _, err = openSessions(ctx, b, snapshotSessions); err != nil {
		return err
	}
	var pauses []float64
	var m meter
	var buf []byte
	for range 5 {
		began := time.Now()
		m.start()
		buf = e.state.Snapshot(buf[:0])
		m.stop()
		pauses = append(pauses, milliseconds(time.Since(began)))
	}
	b.report.results = append(b.report.results, result{
		Stage: "snapshot_pause_ms", Millis: median(pauses), CPUMillis: milliseconds(m.sum) / 5, Bytes: float64(len(buf)), Sessions: snapshotSessions,
		note: fmt.Sprintf("%.0f ms by the clock (median of 5; the first, into new memory, %.0f), %.0f ms of CPU on average; %d bytes, %d sessions of %d events in one lane",
			median(pauses), pauses[0], milliseconds(m.sum)/5, len(buf), snapshotSessions, sessionEvents),
	})
	return nil
}

// openSessions gives a state with n open sessions and the heap it takes.
func openSessions(ctx context.Context, b *bench, n int) (*engine, float64, error) {
	s := *b.small
	s.n, s.per, s.group, s.step = n*sessionEvents, sessionEvents, n, 25*time.Minute/time.Duration(n*sessionEvents)
	d, batch := schemas.NewDecoder(b.vocabulary), schemas.NewBatch(b.vocabulary)
	e := newEngine(b)
	before := heapNow()
	err := s.epochs(func(records []schemas.Record) error {
		decodeInto(d, records, batch)
		if err := e.apply(batch, records[len(records)-1].Offset); err != nil {
			return err
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, 0, err
	}
	if open, _ := e.state.Sessions(); open != n {
		return nil, 0, fmt.Errorf("BUG: %d sessions are open, want %d", open, n)
	}
	// The columns that carried the events are not the state, nor is the record
	// that the decoder has seen last.
	e.out, d, batch = transform.NewOutput(b.vocabulary, b.register), nil, nil
	after := heapNow()
	return e, after - before, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func heapNow() float64 {
	runtime.GC()
	runtime.GC() // the second one frees what the first only finalized
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
