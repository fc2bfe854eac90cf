package ingest

import (
	"math"
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// cursor is a place in a queue: records before it belong to the epoch.
type cursor struct {
	chunk, record int
	reached       int64 // greatest timestamp before it
}

// cut makes an epoch of what was read, if it is time; else it says how long to
// wait for a change.
//
// Both topics are cut at the same record time, so that neither runs ahead: a
// topic that is not at its log end bounds the other by the last timestamp it
// has. Kafka timestamps may go back and clocks be wrong: a record counts as not
// before any record in front of it, and as not after the time it was fetched.
func (l *Lane) cut(now time.Time) (*Input, time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		return nil, 0, errLaneClosed
	}
	var (
		epoch   = l.client.cfg.Ingest.Epoch
		due     = l.client.Interval() - now.Sub(l.lastCut)
		bound   = int64(math.MaxInt64)
		held    = true // every topic that has more in its log has no room for it
		records int
		bytes   int
		err     error
	)
	for t := range l.mu.queues {
		q := &l.mu.queues[t]
		records += q.records
		bytes += q.bytes
		if q.err != nil && err == nil {
			err = q.err
		}
		if !q.atEnd {
			bound = min(bound, q.tail)
			held = held && q.full(l.client)
		}
	}
	if records == 0 {
		if err != nil {
			return nil, 0, err
		}
		in, wait := l.idle(now)
		return in, wait, nil
	}
	anyway := due <= 0 || err != nil || held && (l.mu.queues[0].full(l.client) || l.mu.queues[1].full(l.client))
	if anyway || records >= epoch.Records || bytes >= int(epoch.Bytes) {
		n, limited := l.merge(bound)
		if n > 0 && (anyway || limited) {
			return l.take(now), 0, nil
		}
		if n == 0 && err != nil && !l.waitsForOther() {
			return nil, 0, err
		}
	}
	if due <= 0 {
		due = time.Minute // only a reader can change anything
	}
	return nil, due, nil
}

// waitsForOther says whether records before a topic's fault wait only for the
// other topic, whose reader goes on.
func (l *Lane) waitsForOther() bool {
	failed, other := &l.mu.queues[0], &l.mu.queues[1]
	if failed.err == nil {
		failed, other = other, failed
	}
	return failed.records > 0 && other.err == nil
}

// merge sets the cursors behind the records that an epoch may have: in the
// order of their time, none after bound, until a limit is reached.
func (l *Lane) merge(bound int64) (n int, limited bool) {
	var heads [schemas.NumTopics]int64
	for t := range l.mu.queues {
		l.cursors[t] = cursor{record: l.mu.queues[t].head, reached: l.reached[t]}
		heads[t] = l.headTime(t)
	}
	bytes := 0
	for {
		t := 0
		if heads[1] < heads[0] {
			t = 1
		}
		if heads[t] == math.MaxInt64 || heads[t] > bound {
			return n, false
		}
		q, c := &l.mu.queues[t], &l.cursors[t]
		r := &q.chunks[c.chunk].records[c.record]
		c.reached = heads[t]
		if c.record++; c.record == len(q.chunks[c.chunk].records) {
			c.chunk, c.record = c.chunk+1, 0
		}
		heads[t] = l.headTime(t)
		n++
		bytes += len(r.Key) + len(r.Value) + len(r.Headers)
		if n >= l.client.cfg.Ingest.Epoch.Records || bytes >= int(l.client.cfg.Ingest.Epoch.Bytes) {
			return n, true
		}
	}
}

// headTime is the time of the record at the cursor, the greatest number if
// there is none.
func (l *Lane) headTime(t int) int64 {
	q, c := &l.mu.queues[t], &l.cursors[t]
	if c.chunk == len(q.chunks) {
		return math.MaxInt64
	}
	return max(c.reached, min(q.chunks[c.chunk].records[c.record].Timestamp, q.tail))
}

// take moves what lies before the cursors into an input.
func (l *Lane) take(now time.Time) *Input {
	in := &Input{client: l.client}
	for t := range l.mu.queues {
		q, c := &l.mu.queues[t], l.cursors[t]
		end := l.position[t]
		count := -q.head + c.record
		for _, k := range q.chunks[:c.chunk] {
			count += len(k.records)
		}
		if count > 0 {
			in.Records[t] = l.client.takeSlab(count)
		}
		for i := 0; i <= c.chunk && i < len(q.chunks); i++ {
			k := q.chunks[i]
			from, to := 0, len(k.records)
			if i == 0 {
				from = q.head
			}
			if i == c.chunk {
				to = c.record
			}
			if to <= from {
				continue
			}
			in.Records[t] = append(in.Records[t], k.records[from:to]...)
			in.hold(k)
			for _, r := range k.records[from:to] {
				q.bytes -= len(r.Key) + len(r.Value) + len(r.Headers)
			}
			if end = k.records[to-1].Offset + 1; to == len(k.records) {
				end = k.next
			}
		}
		if count > 0 {
			q.oldest = in.Records[t][0].Timestamp
		}
		for _, k := range q.chunks[:c.chunk] {
			q.memory -= k.memory
			l.client.dropChunk(k)
		}
		q.records -= count
		rest := copy(q.chunks, q.chunks[c.chunk:])
		clear(q.chunks[rest:])
		q.chunks, q.head = q.chunks[:rest], c.record
		if rest == 0 {
			end = q.next // and over the markers and gaps behind the last record
		}
		in.Ranges[t] = schemas.Range{Start: l.position[t], End: end}
		in.LogEnd[t] = q.logEnd
		l.position[t] = end
		l.reached[t] = c.reached
		select {
		case q.space <- struct{}{}:
		default:
		}
	}
	l.lastCut = now
	return in
}

// idle gives an input without records when both topics have been at their log
// end for long enough. Time in which a fetch failed does not count.
func (l *Lane) idle(now time.Time) (*Input, time.Duration) {
	const recheck = 100 * time.Millisecond
	since, until := l.lastIdle, now
	for t := range l.mu.queues {
		q := &l.mu.queues[t]
		if !q.atEnd {
			return nil, time.Minute // a reader will say when it is
		}
		if q.endSince.After(since) {
			since = q.endSince
		}
		if q.endAt.Before(until) {
			until = q.endAt
		}
	}
	idle := until.Sub(since)
	if after := l.client.cfg.IdleAfter; idle < after {
		return nil, max(after-now.Sub(since), recheck)
	}
	for t := range l.mu.queues {
		l.cursors[t] = cursor{record: l.mu.queues[t].head, reached: l.reached[t]}
	}
	in := l.take(now)
	in.Idle = idle
	l.lastIdle = until
	return in, 0
}
