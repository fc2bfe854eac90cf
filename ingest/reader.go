package ingest

import (
	"context"
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// logEndEvery is how often a reader that has no room asks for the log end, so
// that the lag stays true while the worker is held up.
const logEndEvery = 5 * time.Second

// readAhead fetches one topic's partition into its queue until ctx ends or an
// error that trying again cannot mend.
func (l *Lane) readAhead(ctx context.Context, t schemas.Topic) {
	s := l.source(t)
	q := &l.mu.queues[t]
	l.mu.Lock()
	offset := q.next
	l.mu.Unlock()
	failed := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		q.atEnd = false // nothing is known while fetches fail
	}
	for {
		if !l.waitForSpace(ctx, t) {
			return
		}
		k, err := s.next(ctx, offset, failed)
		if ctx.Err() != nil {
			if k != nil {
				l.client.dropChunk(k)
			}
			return
		}
		if err != nil {
			l.mu.Lock()
			q.err, q.atEnd = err, false
			l.mu.Unlock()
			l.signal()
			return
		}
		offset = k.next
		l.enqueue(q, k)
	}
}

func (l *Lane) enqueue(q *queue, k *chunk) {
	now := time.Now()
	l.mu.Lock()
	q.next, q.logEnd = k.next, k.logEnd
	was := q.atEnd
	q.atEnd = k.next >= k.logEnd
	if q.atEnd {
		// Behind an open transaction there are records: that is not idle.
		if !was || len(k.records) > 0 || k.open {
			q.endSince = now
		}
		q.endAt = now
	}
	news := was != q.atEnd || len(k.records) > 0
	if len(k.records) == 0 {
		// Only markers or gaps, if anything: the range that takes all records
		// before them ends at q.next.
		l.mu.Unlock()
		l.client.dropChunk(k)
	} else {
		// A clock that is ahead at a producer must not hold the other topic back.
		q.tail = max(q.tail, min(k.tail, now.UnixMilli()))
		q.records += len(k.records)
		q.bytes += k.bytes
		q.memory += k.memory
		q.chunks = append(q.chunks, k)
		l.mu.Unlock()
	}
	if news {
		l.signal()
	}
}

// waitForSpace blocks while the queue is full.
func (l *Lane) waitForSpace(ctx context.Context, t schemas.Topic) bool {
	q := &l.mu.queues[t]
	for ctx.Err() == nil {
		l.mu.Lock()
		full := q.full(l.client)
		l.mu.Unlock()
		if !full {
			return true
		}
		timer := time.NewTimer(logEndEvery)
		select {
		case <-ctx.Done():
		case <-q.space:
		case <-timer.C:
			if _, end, err := l.client.offsets(ctx, t, l.partition); err == nil {
				l.mu.Lock()
				q.logEnd = end
				l.mu.Unlock()
			}
		}
		timer.Stop()
	}
	return false
}
