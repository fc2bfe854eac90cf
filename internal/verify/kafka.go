package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/schemas"
)

// Kafka reads lanes on demand. It is for one goroutine.
type Kafka struct{ client *ingest.Client }

// NewKafka makes a Log of a client.
func NewKafka(c *ingest.Client) Kafka { return Kafka{c} }

// Identity implements Log.
func (k Kafka) Identity(ctx context.Context) (string, error) { return k.client.Identity(ctx) }

// Committed implements Log.
func (k Kafka) Committed(ctx context.Context, lane uint32) (schemas.Positions, error) {
	return k.client.Committed(ctx, lane)
}

// Bounds implements Log.
func (k Kafka) Bounds(ctx context.Context, lane uint32) (start, end schemas.Positions, err error) {
	l := k.client.Lane(lane)
	defer func() { _ = l.Close() }() // nothing was started
	return l.Bounds(ctx)
}

// Read implements Log.
func (k Kafka) Read(ctx context.Context, lane uint32, r schemas.Ranges) (*ingest.Input, error) {
	l := k.client.Lane(lane)
	defer func() { _ = l.Close() }()
	return l.Read(ctx, r)
}

// identity holds the topics against those that the lanes were planned for.
func (c *checker) identity(ctx context.Context, lanes []*laneCheck) error {
	identity, err := c.opt.Log.Identity(ctx)
	if err != nil {
		return err
	}
	for _, l := range lanes {
		if l.head.Epoch == 0 || l.head.Identity == identity {
			continue
		}
		c.report.add(Finding{
			Lane: l.Lane.Lane, Check: "kafka", What: fmt.Sprintf("the ledger was written for topics %s, these are %s", l.head.Identity, identity),
			Remedy: "a topic was deleted and created again, or kafka.topics names others: restore the topics, or start with an empty database",
		})
		l.foreign = true
	}
	return nil
}

// log holds the ledger's positions against the log.
func (l *laneCheck) log(ctx context.Context) error {
	if l.opt.Log == nil || l.head.Epoch == 0 || l.foreign {
		return nil
	}
	start, end, err := l.opt.Log.Bounds(ctx, l.Lane.Lane)
	if err != nil {
		return fmt.Errorf("read the log's bounds of lane %d: %w (--no-kafka compares ledger and tables only)", l.Lane.Lane, err)
	}
	committed, err := l.opt.Log.Committed(ctx, l.Lane.Lane)
	if err != nil {
		l.report.note("lane %d: %v; no worker resumes from them", l.Lane.Lane, err)
	}
	next := l.head.Ranges.End()
	l.logStart = start
	l.Log = &LogLane{Start: start, End: end, Next: next, Committed: committed}
	for t := range schemas.NumTopics {
		f := Finding{Lane: l.Lane.Lane, Epoch: l.head.Epoch, Plan: planID(l.head.ID), Ranges: rangesOf(l.head.Ranges), Check: "kafka"}
		switch {
		case end[t] < next[t]:
			f.What = fmt.Sprintf("%v: the ledger ends at offset %d, the log at %d: the log lost its tail", t, next[t], end[t])
			f.Remedy = "restore the topic, or start with an empty database; see \"When a lane stops or recovers\" in docs/operations.md"
		case start[t] > next[t]:
			f.What = fmt.Sprintf("%v: the log begins at offset %d, but records from %d on have not been read", t, start[t], next[t])
			f.Remedy = "retention removed them; the next epoch will name them lost_to_retention. Lengthen the topic's retention and look for what holds the lane up"
		case end[t] > next[t] && next[t]-start[t] < (end[t]-start[t])/10:
			l.report.note("lane %d %v: only %d records of %d in the log lie behind the lane, %d before it: retention may reach it; see why it lags", l.Lane.Lane, t, next[t]-start[t], end[t]-start[t], end[t]-next[t])
		}
		if f.What != "" {
			l.report.add(f)
		}
		if committed[t] > next[t] {
			l.report.note("lane %d %v: the group's committed offset %d is ahead of the ledger's %d; the ledger decides, no worker resumes from the other", l.Lane.Lane, t, committed[t], next[t])
		}
	}
	return nil
}

// recordsAtOnce bounds what is read of the log at once; an epoch is read whole.
const recordsAtOnce = 5000

// records reads the ranges of epochs again and compares the checksums, several
// epochs with one read.
func (l *laneCheck) records(ctx context.Context, chunk []epoch) error {
	if l.foreign {
		return nil
	}
	var batch []epoch
	n := int64(0)
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := l.reread(ctx, batch)
		batch, n = batch[:0], 0
		return err
	}
	for i := range chunk {
		e := &chunk[i]
		r := e.plan.Ranges
		if e.missing || e.plan.Kind.Gap() || r.Empty() {
			continue
		}
		if below(r, l.logStart) {
			l.Unread++
			continue
		}
		size := r[0].Len() + r[1].Len()
		if len(batch) > 0 && (n+size > recordsAtOnce || batch[len(batch)-1].plan.Ranges.End() != starts(r)) {
			if err := flush(); err != nil {
				return err
			}
		}
		batch, n = append(batch, *e), n+size
	}
	return flush()
}

func below(r schemas.Ranges, start schemas.Positions) bool {
	for t := range r {
		if r[t].Len() > 0 && r[t].Start < start[t] {
			return true
		}
	}
	return false
}

func (l *laneCheck) reread(ctx context.Context, batch []epoch) error {
	whole := batch[0].plan.Ranges
	for t := range whole {
		whole[t].End = batch[len(batch)-1].plan.Ranges[t].End
	}
	began := time.Now()
	in, err := l.opt.Log.Read(ctx, l.Lane.Lane, whole)
	switch {
	case errors.Is(err, ingest.ErrRetention): // it went on while we read
		l.Unread += uint64(len(batch))
		return nil
	case errors.Is(err, ingest.ErrBeyondEnd): // said with the log's end
		l.Unread += uint64(len(batch))
		return nil
	case err != nil:
		return fmt.Errorf("read %v of lane %d again: %w", whole, l.Lane.Lane, err)
	}
	defer in.Release()
	for i := range batch {
		e := &batch[i]
		if got := in.Checksum(e.plan.Ranges); got != e.plan.CRC {
			l.report.add(l.finding(e, "records", "", fmt.Sprintf("the records at these offsets are not those that were planned: checksum %08x, planned %08x", got, e.plan.CRC),
				"the log was rewritten, or the ledger's row was changed; a lane that must repeat the epoch stops with \"input changed\": see docs/operations.md"))
		}
	}
	for t := range in.Records {
		l.Lane.Records += int64(len(in.Records[t]))
	}
	l.opt.Progress(l.done, l.total, fmt.Sprintf("lane %d, %d records read again (%s for the last %d)", l.Lane.Lane, l.Lane.Records, time.Since(began).Round(time.Millisecond), len(in.Records[0])+len(in.Records[1])))
	return nil
}

func starts(r schemas.Ranges) (p schemas.Positions) {
	for t := range r {
		p[t] = r[t].Start
	}
	return p
}
