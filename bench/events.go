package main

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/schemas"
)

const (
	epochRecords = 50_000 // as ingest.epoch.records
	perVisitor   = 12
	// span is the event time of a whole stream: longer than the merge horizon, so
	// that sessions also close and leave the state.
	span = 4 * time.Hour
)

var streamStart = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// stream gives events of one standard size by number: visitors come in
// groups, each of a group acts in turn, and a visit of 12 events takes about
// six minutes. Events are templates with their ids, visitor and time replaced, so that
// any number of them costs no memory.
type stream struct {
	templates []template
	n         int
	group     int           // visitors that act in turn
	per       int           // events of a visitor
	step      time.Duration // between two events
	start     time.Time
}

// template is an event and the places that differ between copies of it.
type template struct {
	value                      []byte
	id, time, visitor, session int
}

const visitorBytes = 17 // a and 16 hexadecimal digits

// newStream spreads n events over the span.
func newStream(events []gen.Event, n int) (*stream, error) {
	s := &stream{n: n, group: max(1, n/500), per: perVisitor, step: span / time.Duration(n), start: streamStart}
	for i := range events {
		t := template{value: events[i].Value}
		for _, f := range []struct {
			at     *int
			marker string
		}{{&t.id, `"id":"`}, {&t.time, `"time":"`}, {&t.visitor, `"anonymous_id":"`}, {&t.session, `"client_session_id":"`}} {
			at := bytes.Index(t.value, []byte(f.marker))
			if at < 0 {
				return nil, fmt.Errorf("BUG: a standard event has no %s: %s", f.marker, t.value)
			}
			*f.at = at + len(f.marker)
		}
		s.templates = append(s.templates, t)
	}
	return s, nil
}

// standard315 is the plain stream: flat views of 14 fields and about 315 bytes.
func standard315(n int) (*stream, error) {
	return newStream(gen.Standard315(1, 24_000, streamStart), n)
}

// standard800 has events of about 800 bytes alone: carts with three items.
func standard800(n int) (*stream, error) {
	var carts []gen.Event
	for i, e := range gen.Standard(1, 60_000, streamStart) {
		if i%10 == 9 {
			carts = append(carts, e)
		}
	}
	return newStream(carts, n)
}

// visitorOf numbers the visitor of an event.
func (s *stream) visitorOf(i int) int {
	block := s.group * s.per
	return i/block*s.group + i%s.group
}

func (s *stream) at(i int) time.Time { return s.start.Add(time.Duration(i) * s.step) }

// append renders event i.
func (s *stream) append(dst []byte, i int) (value []byte, keyAt int) {
	t := &s.templates[i%len(s.templates)]
	from := len(dst)
	dst = append(dst, t.value...)
	b := dst[from:]
	hex(b[t.id+9:t.id+19], uint64(i))
	visitor := mix(uint64(s.visitorOf(i)))
	hex(b[t.visitor+1:t.visitor+visitorBytes], visitor)
	hex(b[t.session:t.session+8], visitor)
	var at [32]byte // AppendFormat writes more than it keeps
	copy(b[t.time:], s.at(i).AppendFormat(at[:0], "2006-01-02T15:04:05.000"))
	return dst, t.visitor
}

// epoch is a run of a stream as a lane gets it; its memory is reused.
type epoch struct {
	records []schemas.Record
	bytes   []byte
}

// fill renders events from..to; offsets are the events' numbers.
func (e *epoch) fill(s *stream, from, to int) []schemas.Record {
	e.records, e.bytes = e.records[:0], e.bytes[:0]
	type place struct{ from, to, key int }
	places := make([]place, 0, to-from)
	for i := from; i < to; i++ {
		at, key := len(e.bytes), 0
		e.bytes, key = s.append(e.bytes, i)
		places = append(places, place{at, len(e.bytes), at + key})
	}
	for k, p := range places {
		e.records = append(e.records, schemas.Record{
			Offset: int64(from + k), Timestamp: s.at(from + k).UnixMilli(),
			Key: e.bytes[p.key : p.key+visitorBytes], Value: e.bytes[p.from:p.to],
		})
	}
	return e.records
}

// epochs calls f for one run of records after another.
func (s *stream) epochs(f func(records []schemas.Record) error) error {
	var e epoch
	for from := 0; from < s.n; from += epochRecords {
		if err := f(e.fill(s, from, min(from+epochRecords, s.n))); err != nil {
			return err
		}
	}
	return nil
}

func hex(dst []byte, x uint64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = strconv.FormatUint(x&15, 16)[0]
		x >>= 4
	}
}

// mix spreads visitor numbers over partitions and hash tables (splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
