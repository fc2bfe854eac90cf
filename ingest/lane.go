package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// Lane reads one partition of both topics. Next, Read and Bounds are for one
// goroutine at a time; Close may be called from another.
type Lane struct {
	client    *Client
	partition uint32
	ids       [schemas.NumTopics]schemas.ID // of the topics: all zero if nobody has asked for them
	wake      chan struct{}                 // something changed that Next may wait for

	// Of the goroutine that calls Next.
	position schemas.Positions // where the next epoch begins
	reached  [schemas.NumTopics]int64
	lastCut  time.Time
	lastIdle time.Time
	cursors  [schemas.NumTopics]cursor
	stop     context.CancelFunc // of the readers, nil when none run
	readers  sync.WaitGroup

	mu struct {
		sync.Mutex
		closed bool
		queues [schemas.NumTopics]queue
	}
}

// queue is what a reader has fetched and no epoch has taken.
type queue struct {
	chunks  []*chunk
	head    int   // records of chunks[0] that were taken
	records int   // that remain
	bytes   int   // of those records' chunks, keys, values and headers
	memory  int   // held by the chunks
	next    int64 // offset the reader fetches from
	tail    int64 // greatest timestamp fetched
	err     error // why the reader has stopped

	atEnd    bool
	endSince time.Time // first of the fetches at the log end that no record or error interrupted
	endAt    time.Time // last of them

	logEnd int64
	done   int64 // offset up to which the caller has finished, for the lag
	oldest int64 // timestamp of the first record in the caller's hands, 0 if none
	space  chan struct{}
}

func (q *queue) full(c *Client) bool {
	return q.memory >= int(c.readAhead.Load()) || q.records >= 2*c.cfg.Ingest.Epoch.Records
}

// Next gives the next epoch's input from the positions on. It waits until
// there is enough to read, the interval has passed with something read, or the
// lane has been idle long enough; it returns promptly when ctx ends.
func (l *Lane) Next(ctx context.Context, from schemas.Positions) (*Input, error) {
	if l.stop == nil || l.position != from {
		if err := l.seek(from); err != nil {
			return nil, err
		}
	}
	l.finished(from)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		in, wait, err := l.cut(time.Now())
		if err != nil {
			l.halt()
			return nil, err
		}
		if in != nil {
			in.seal()
			return in, nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-l.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Close stops reading, waits for the readers and drops the lane's gauges.
// Inputs that were handed out stay valid until they are released.
func (l *Lane) Close() error {
	l.client.lanes.Lock()
	if l.client.lanes.open[l.partition] == l {
		delete(l.client.lanes.open, l.partition)
	}
	l.client.lanes.Unlock()
	l.mu.Lock()
	closed := l.mu.closed
	l.mu.closed = true
	stop := l.stop
	l.mu.Unlock()
	if closed {
		return nil
	}
	if stop != nil {
		stop()
	}
	l.readers.Wait()
	l.discard()
	return nil
}

var errLaneClosed = errors.New("the lane is closed")

// seek starts both readers at the positions.
func (l *Lane) seek(from schemas.Positions) error {
	for t, offset := range from {
		if offset < 0 {
			return fmt.Errorf("BUG: lane %d reads %v from offset %d", l.partition, schemas.Topic(t), offset)
		}
	}
	l.halt()
	ctx, cancel := context.WithCancel(context.Background())
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		cancel()
		return errLaneClosed
	}
	now := time.Now()
	l.position, l.lastIdle, l.stop = from, now, cancel
	// A lane that comes to a new owner has waited long enough: its first epoch
	// takes what there is.
	l.lastCut = now.Add(-l.client.Interval())
	l.reached = [schemas.NumTopics]int64{}
	for t := range schemas.NumTopics {
		q := &l.mu.queues[t]
		*q = queue{next: from[t], done: from[t], logEnd: q.logEnd, space: q.space, chunks: q.chunks[:0]}
		l.readers.Add(1)
		go func() {
			defer l.readers.Done()
			l.readAhead(ctx, t)
		}()
	}
	return nil
}

// halt stops the readers and forgets what they fetched.
func (l *Lane) halt() {
	l.mu.Lock()
	stop := l.stop
	l.stop = nil
	l.mu.Unlock()
	if stop != nil {
		stop()
	}
	l.readers.Wait()
	l.discard()
}

func (l *Lane) discard() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for t := range l.mu.queues {
		q := &l.mu.queues[t]
		for _, k := range q.chunks {
			l.client.dropChunk(k)
		}
		clear(q.chunks)
		q.chunks, q.head, q.records, q.bytes, q.memory = q.chunks[:0], 0, 0, 0, 0
		q.atEnd = false
	}
}

// finished notes that everything before the positions is done.
func (l *Lane) finished(from schemas.Positions) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for t := range l.mu.queues {
		l.mu.queues[t].done, l.mu.queues[t].oldest = from[t], 0
	}
}

func (l *Lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
