package produce

import (
	"context"
	"time"

	"github.com/storepulse/storepulse/internal/gen"
)

// Pace decides when a record may go. The zero value is as fast as possible.
type Pace struct {
	// TimeLapse > 0 keeps the records' own spacing: 1 is real time, 60 turns an
	// hour into a minute.
	TimeLapse float64
	// Rate > 0 is records per second, whatever their times; TimeLapse wins.
	Rate float64
	// Live keeps a record back until its own time: a stream that began in the
	// past and catches up goes on at the pace of the clock.
	Live bool
}

// Pacer holds records back. It never hurries after a stall beyond the schedule
// of its first record.
type Pacer struct {
	pace   Pace
	begun  time.Time // wall clock of the first record
	first  time.Time // its arrival
	passed int64
}

// NewPacer gives a pacer whose clock starts with its first record.
func NewPacer(p Pace) *Pacer { return &Pacer{pace: p} }

// At gives the moment at which the record may go; zero is now. Each record
// asks once, in its order.
func (p *Pacer) At(arrival time.Time) time.Time {
	if p.pace.TimeLapse <= 0 && p.pace.Rate <= 0 {
		return time.Time{}
	}
	if p.begun.IsZero() {
		p.begun, p.first = time.Now(), arrival
	}
	after := float64(p.passed) / max(p.pace.Rate, 1e-9) * float64(time.Second)
	if p.pace.TimeLapse > 0 {
		after = float64(arrival.Sub(p.first)) / p.pace.TimeLapse
	}
	p.passed++
	due := p.begun.Add(time.Duration(after))
	if p.pace.Live && due.Before(arrival) {
		return arrival
	}
	return due
}

const (
	// shortest wait worth a sleep: timers are not finer on a busy machine.
	worthSleeping = 2 * time.Millisecond
	// longest time a paced record is held back for the sake of a bigger batch.
	maxHeld = 50 * time.Millisecond
)

// Run writes everything next gives, paced, until it says false or ctx ends.
// What is held is flushed in both cases. progress may be nil; it is called
// after a flush.
func Run(ctx context.Context, w *Writer, next func(*gen.Event) bool, p Pace, progress func(Counts)) error {
	pacer := NewPacer(p)
	paced := p != Pace{}
	flush := func(ctx context.Context) error {
		if err := w.Flush(ctx); err != nil {
			return err
		}
		if progress != nil {
			progress(w.Counts())
		}
		return nil
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var e gen.Event
	for n := 0; ctx.Err() == nil && next(&e); n++ {
		if due := pacer.At(e.Time); time.Until(due) >= worthSleeping {
			if due.After(w.since.Add(maxHeld)) {
				if err := flush(ctx); err != nil {
					return err
				}
			}
			timer.Reset(time.Until(due))
			select {
			case <-ctx.Done():
				continue // the record in hand is not taken; the rest is drained below
			case <-timer.C:
			}
		}
		before := w.counts.Total()
		if err := w.Write(ctx, &e); err != nil {
			return err
		}
		if w.counts.Total() != before && progress != nil {
			progress(w.Counts())
		}
		if paced && n%16 == 0 && time.Since(w.since) > maxHeld {
			if err := flush(ctx); err != nil {
				return err
			}
		}
	}
	// Cancel means stop taking; what was taken is still delivered, in bounded time.
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := flush(drain); err != nil {
		return err
	}
	return ctx.Err()
}
