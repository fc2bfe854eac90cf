package e2e

import (
	"time"

	"github.com/storepulse/storepulse/internal/gen"
)

// history is a shop's five weeks until shortly after now: a few customers all
// the time, and a crowd around this time of the day, today, on each of the last
// seven days and a week, two, three and four weeks ago. Those are what a
// baseline looks at, so windows of half an hour have their samples and the whole
// stays small.
type history struct {
	streams []*stream
}

type stream struct {
	g    *gen.Generator
	next gen.Event
	more bool
}

func newHistory(now time.Time) *history {
	h := &history{}
	add := func(seed uint64, from, to time.Time, rate float64) {
		s := &stream{g: gen.New(gen.Settings{Seed: seed, Start: from, Rate: rate, FlatDay: true, Duration: to.Sub(from), Defects: gen.Defects{Duplicate: 0.002, OutOfOrder: 0.01, Bots: 0.01}, KnownVisitors: 500})}
		s.more = s.g.Next(&s.next)
		h.streams = append(h.streams, s)
	}
	end := now.Add(10 * time.Minute) // what is unfinished then, and the watermark, lie beyond now
	add(1, now.AddDate(0, 0, -35), end, 0.04)
	for i, days := range []int{28, 21, 14, 7, 6, 5, 4, 3, 2, 1, 0} {
		at := now.AddDate(0, 0, -days)
		rate := 2.0 // so that payments have their days to compare with
		if days%7 == 0 {
			rate = 5
		}
		add(uint64(2+i), at.Add(-50*time.Minute), at.Add(10*time.Minute), rate)
	}
	return h
}

// Next gives the records of all streams in the order of their arrival.
func (h *history) Next(e *gen.Event) bool {
	var first *stream
	for _, s := range h.streams {
		if s.more && (first == nil || s.next.Time.Before(first.next.Time)) {
			first = s
		}
	}
	if first == nil {
		return false
	}
	e.Topic, e.Time, e.Headers = first.next.Topic, first.next.Time, first.next.Headers
	e.Key, e.Value = append(e.Key[:0], first.next.Key...), append(e.Value[:0], first.next.Value...)
	first.more = first.g.Next(&first.next)
	return true
}
