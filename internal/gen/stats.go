package gen

import (
	"math"

	"github.com/storepulse/storepulse/schemas"
)

// Stats is what the generator emitted, counted at emission and independently
// of any decoder, so that a test can hold the engine against it.
type Stats struct {
	Records int64 // everything handed out
	Bytes   int64 // of values
	Topics  [schemas.NumTopics]int64

	Kinds      [schemas.NumKinds]int64   // distinct good events
	Duplicates [schemas.NumTopics]int64  // further copies of good events
	Broken     [schemas.NumReasons]int64 // must become dead letters
	Future     int64                     // good, with a time far ahead
	Late       int64                     // good, over 10 min behind
	TooLate    int64                     // good, over 72 h behind
	Stale      int64                     // of Duplicates: over 4 h after the event, when its span has left the state
	Skewed     int64                     // good, with a time that is wrong by minutes to years and nothing to correct it

	// What of the above is marked is_test, which metrics leave out.
	TestKinds                      [schemas.NumKinds]int64
	TestPlacedMinor, TestPaidMinor int64

	Visits        int64 // begun, not necessarily seen: an upper bound of sessions' causes
	PlacedMinor   int64 // Σ payable of order.created
	PaidMinor     int64 // Σ paid of order.paid
	RefundedMinor int64 // Σ amount of refund.succeeded

	// Incidents counts, for each of the settings, what it has changed: payments
	// refused, pages slow, client events lost, products not put into a cart.
	Incidents []int64

	FirstArrival, LastArrival int64 // Unix ms
}

func newStats(s Settings) Stats {
	return Stats{FirstArrival: math.MaxInt64, Incidents: make([]int64, len(s.Incidents))}
}

// Good counts the distinct events the engine must accept.
func (s *Stats) Good() int64 {
	n := int64(0)
	for _, k := range s.Kinds {
		n += k
	}
	return n
}

// BrokenTotal counts the records that must become dead letters.
func (s *Stats) BrokenTotal() int64 {
	n := int64(0)
	for _, b := range s.Broken {
		n += b
	}
	return n
}

func (s *Stats) count(r *record, size int, arrival int64) {
	s.Records++
	s.Bytes += int64(size)
	s.Topics[r.topic]++
	s.FirstArrival = min(s.FirstArrival, arrival)
	s.LastArrival = max(s.LastArrival, arrival)
	switch r.fate {
	case fateDuplicate:
		s.Duplicates[r.topic]++
		if r.stale {
			s.Stale++
		}
		return
	case fateBroken:
		s.Broken[r.reason]++
		return
	case fateFuture:
		s.Future++
	case fateLate:
		s.Late++
	case fateTooLate:
		s.TooLate++
	}
	s.Kinds[r.kind]++
	if r.skewed {
		s.Skewed++
	}
	if r.test {
		s.TestKinds[r.kind]++
		switch r.kind {
		case schemas.KindOrderCreated:
			s.TestPlacedMinor += r.amount
		case schemas.KindOrderPaid:
			s.TestPaidMinor += r.amount
		}
	}
	switch r.kind {
	case schemas.KindOrderCreated:
		s.PlacedMinor += r.amount
	case schemas.KindOrderPaid:
		s.PaidMinor += r.amount
	case schemas.KindRefundSucceeded:
		s.RefundedMinor += r.amount
	}
}
