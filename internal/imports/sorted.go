package imports

import (
	"fmt"
	"slices"

	"github.com/storepulse/storepulse/internal/gen"
)

// sorted holds a whole file's events to give them out by time; events of one
// time keep the order of the file.
type sorted struct {
	events    []gen.Event
	bytes     int64
	maxEvents int
	maxBytes  int64
	head      int
}

func newSorted(o Options) *sorted {
	s := &sorted{maxEvents: o.SortedEvents, maxBytes: o.SortedBytes}
	if s.maxEvents <= 0 {
		s.maxEvents = 5_000_000
	}
	if s.maxBytes <= 0 {
		s.maxBytes = 2 << 30
	}
	return s
}

// add keeps the event; its buffers are the reader's gift, nobody reuses them.
func (s *sorted) add(e *gen.Event) error {
	s.bytes += int64(len(e.Key) + len(e.Value))
	if len(s.events) >= s.maxEvents || s.bytes > s.maxBytes {
		return fmt.Errorf("import: `order: time` holds at most %d events and %d MiB in memory: sort the file by time first and use order: file, or split it", s.maxEvents, s.maxBytes>>20)
	}
	s.events = append(s.events, *e)
	return nil
}

func (s *sorted) sort() {
	slices.SortStableFunc(s.events, func(a, b gen.Event) int { return a.Time.Compare(b.Time) })
}

func (s *sorted) next(e *gen.Event) bool {
	if s.head == len(s.events) {
		return false
	}
	*e = s.events[s.head]
	s.events[s.head] = gen.Event{}
	s.head++
	return true
}
