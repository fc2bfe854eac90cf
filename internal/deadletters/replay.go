package deadletters

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
	"github.com/storepulse/storepulse/internal/records"
)

// batchSize bounds the intents of one insert, and so what an interrupted run
// leaves to look for.
const batchSize = 200

// Replay sends letters again. It is used once.
type Replay struct {
	Store    Store
	Kafka    Kafka
	Settings Settings
	Fix      *Fix // nil: records go as they are
	Filter   Filter
	Run      uuid.UUID
	By       string  // user and host
	Rate     float64 // events per second, 0 = as fast as it goes
	Writer   produce.Config
	// Progress, if not nil, hears after every batch how many letters are through.
	Progress func(done int)
}

// Plan judges every chosen letter and sends nothing. each may be nil.
func (r *Replay) Plan(ctx context.Context, each func(*Verdict) error) (Counts, error) {
	return r.walk(ctx, func(_ context.Context, list []Verdict) error {
		for i := range list {
			if each == nil {
				return nil
			}
			if err := each(&list[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// walk judges page by page; act sees every page.
func (r *Replay) walk(ctx context.Context, act func(context.Context, []Verdict) error) (Counts, error) {
	var c Counts
	p, err := newPlanner(ctx, r.Store, r.Kafka, r.Settings, r.Fix)
	if err != nil {
		return c, err
	}
	done := 0
	err = pages(ctx, r.Store, r.Filter, func(page []Letter) error {
		verdicts, err := p.page(ctx, page)
		if err != nil {
			return err
		}
		if err := act(ctx, verdicts); err != nil {
			return err
		}
		for i := range verdicts {
			c.add(&verdicts[i])
		}
		done += len(page)
		if r.Progress != nil {
			r.Progress(done)
		}
		return nil
	})
	return c, err
}

// Send judges every chosen letter again and sends those that may go.
func (r *Replay) Send(ctx context.Context) (Counts, error) {
	s := &sender{r: r, begun: time.Now()}
	cfg := r.Writer
	cfg.Acknowledged = s.acknowledged
	s.writer = produce.NewWriter(cfg)
	counts, err := r.walk(ctx, func(ctx context.Context, list []Verdict) error {
		var go_, found []*Verdict
		for i := range list {
			switch v := &list[i]; {
			case v.Fate == Send:
				go_ = append(go_, v)
			case v.found != nil:
				found = append(found, v)
			}
		}
		if err := s.found(ctx, found); err != nil {
			return err
		}
		for len(go_) > 0 {
			n := min(len(go_), s.batch())
			if err := s.send(ctx, go_[:n]); err != nil {
				return err
			}
			go_ = go_[n:]
		}
		return nil
	})
	if cerr := s.writer.Close(context.WithoutCancel(ctx)); err == nil {
		err = cerr
	}
	return counts, err
}

// sender sends batches in the order that makes them arrive once.
type sender struct {
	r       *Replay
	writer  *produce.Writer
	begun   time.Time
	sent    int
	batches int
	mu      struct {
		sync.Mutex
		done []replayRow
	}
}

func (s *sender) acknowledged(tag any, partition int, offset int64) {
	v := tag.(*Verdict)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.done = append(s.mu.done, replayRow{v, records.Position{Topic: s.r.Writer.Topics[v.Topic], Partition: uint32(partition), Offset: offset}})
}

// batch is at most a second's worth, so that the rate is even.
func (s *sender) batch() int {
	if s.r.Rate <= 0 {
		return batchSize
	}
	return max(1, min(batchSize, int(s.r.Rate)))
}

// found notes what an earlier run had sent and could not note.
func (s *sender) found(ctx context.Context, list []*Verdict) error {
	var rows []replayRow
	for _, v := range list {
		rows = append(rows, replayRow{v, *v.found})
	}
	s.batches++
	return s.r.note(ctx, stateFound, rows, fmt.Sprint(s.batches))
}

// send takes a batch through the three steps.
func (s *sender) send(ctx context.Context, list []*Verdict) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	s.batches++
	token := fmt.Sprint(s.batches)
	// 1. Intents. A crash before: nothing has happened. A crash after: the next
	// run finds no record behind the noted ends and sends.
	intents, err := s.intents(ctx, list)
	if err != nil {
		return err
	}
	if err := s.r.note(ctx, stateIntent, intents, token); err != nil {
		return fmt.Errorf("nothing of this batch was sent: %w", err)
	}
	// 2. Send. From here on the batch is finished even if ctx ends. A crash
	// here: the next run looks behind the noted ends and sends what is not there.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	for _, v := range list {
		e := gen.Event{Topic: v.Topic, Key: v.Key, Value: v.Value, Time: v.Time}
		for _, h := range v.Headers {
			e.Headers = append(e.Headers, gen.Header{Key: h.Key, Value: h.Value})
		}
		if err = s.writer.WriteTagged(ctx, &e, v); err != nil {
			break
		}
	}
	if err == nil {
		err = s.writer.Flush(ctx)
	}
	// 3. What was acknowledged is noted, whether all of it was or not. A crash
	// before: the next run finds the records in Kafka, or the facts.
	s.mu.Lock()
	done := s.mu.done
	s.mu.done = nil
	s.mu.Unlock()
	s.sent += len(done)
	if nerr := s.r.note(ctx, stateSent, done, token); nerr != nil {
		return fmt.Errorf("%d records were sent and not noted; the same command again finds them: %w", len(done), nerr)
	}
	if err != nil {
		return fmt.Errorf("replay stopped after %d records; the same command again continues: %w", s.sent, err)
	}
	return nil
}

// intents notes for each letter the end of the partition it goes to.
func (s *sender) intents(ctx context.Context, list []*Verdict) ([]replayRow, error) {
	ends := map[uint32]*[2]int64{}
	var rows []replayRow
	for _, v := range list {
		if ends[v.Partition] == nil {
			end, err := s.r.Kafka.Ends(ctx, v.Partition)
			if err != nil {
				return nil, err
			}
			ends[v.Partition] = (*[2]int64)(&end)
		}
		rows = append(rows, replayRow{v, records.Position{Topic: s.r.Writer.Topics[v.Topic], Partition: v.Partition, Offset: ends[v.Partition][v.Topic]}})
	}
	return rows, nil
}

// wait keeps the rate over the whole run.
func (s *sender) wait(ctx context.Context) error {
	if s.r.Rate <= 0 {
		return ctx.Err()
	}
	due := s.begun.Add(time.Duration(float64(s.sent) / s.r.Rate * float64(time.Second)))
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
