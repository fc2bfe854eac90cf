package ingest

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/storepulse/storepulse/schemas"
)

// Read gives exactly the records of the ranges again. It fails with
// ErrRetention where a range begins before the log does, and with
// ErrBeyondEnd where the log no longer reaches a range's end.
func (l *Lane) Read(ctx context.Context, r schemas.Ranges) (*Input, error) {
	in := &Input{Ranges: r, client: l.client}
	var parts [schemas.NumTopics]Input
	g, gctx := errgroup.WithContext(ctx)
	for t := range schemas.NumTopics {
		g.Go(func() error { return l.readRange(gctx, t, r[t], &parts[t]) })
	}
	err := g.Wait()
	for t := range parts {
		in.chunks = append(in.chunks, parts[t].chunks...)
		in.Records[t] = parts[t].Records[t]
		in.LogEnd[t] = parts[t].LogEnd[t]
	}
	if err != nil {
		in.Release()
		return nil, err
	}
	in.seal()
	return in, nil
}

func (l *Lane) readRange(ctx context.Context, t schemas.Topic, r schemas.Range, in *Input) error {
	if r.Start < 0 || r.End < r.Start {
		return fmt.Errorf("BUG: lane %d reads range %d to %d of %v", l.partition, r.Start, r.End, t)
	}
	if r.Len() == 0 {
		return nil
	}
	s := l.source(t)
	var short time.Time
	for offset := r.Start; offset < r.End; {
		k, err := s.next(ctx, offset, nil)
		if err != nil {
			return err
		}
		in.LogEnd[t] = k.logEnd
		n := len(k.records)
		for n > 0 && k.records[n-1].Offset >= r.End {
			n--
		}
		if n > 0 {
			in.Records[t] = append(in.Records[t], k.records[:n]...)
			in.chunks = append(in.chunks, k) // takes over our reference
		}
		stuck := k.next == offset && k.next >= k.logEnd
		offset = k.next
		end := k.logEnd
		if n == 0 {
			l.client.dropChunk(k)
		}
		if !stuck {
			short = time.Time{}
			continue
		}
		// The log ends inside the range: right after a leader has changed that may pass.
		if short.IsZero() {
			short = time.Now()
		}
		if time.Since(short) > beyondEndFor {
			return &BeyondEndError{Topic: s.name(), Partition: l.partition, Offset: r.End, LogEnd: end}
		}
	}
	return nil
}

// Bounds gives, per topic, the first offset that Kafka still has and the last
// stable offset. It fails with ErrUnreadable if a topic was created again.
func (l *Lane) Bounds(ctx context.Context) (start, end schemas.Positions, err error) {
	g, gctx := errgroup.WithContext(ctx)
	for t := range schemas.NumTopics {
		g.Go(func() (err error) {
			start[t], end[t], err = l.bounds(gctx, t)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return schemas.Positions{}, schemas.Positions{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for t := range l.mu.queues {
		l.mu.queues[t].logEnd = end[t]
	}
	return start, end, nil
}

// bounds tries a few times: a leader may just be moving. Offsets are asked for
// by the topic's name, so whether it is still that topic is asked behind them.
func (l *Lane) bounds(ctx context.Context, t schemas.Topic) (start, end int64, err error) {
	const tries = 6
	s := l.source(t)
	for i := range tries {
		if start, end, err = l.client.offsets(ctx, t, l.partition); err == nil {
			err = s.sameTopic(ctx)
		}
		if err == nil {
			return start, end, nil
		}
		if fixed := l.client.setup(err); fixed != nil {
			return 0, 0, fixed
		}
		if i < tries-1 && !sleep(ctx, min(firstBackoff<<i, maxBackoff)) {
			return 0, 0, ctx.Err()
		}
	}
	if lost := s.unreadable(start, err); lost != nil {
		return 0, 0, lost
	}
	return 0, 0, err
}
