// Package verify holds Kafka's offsets, the ledger and the tables against each
// other: nothing is lost and nothing stands twice, or the epochs that differ
// are named. It only reads, and may do so while workers write: what is compared
// ends at the last epoch of each lane that was known to be done at the start.
// A command runs Check; a worker runs a Watch over its own lanes.
package verify

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// Log is what verify asks of Kafka; *ingest.Client is behind it.
type Log interface {
	// Identity is that of the two topics, as it stands in every plan.
	Identity(ctx context.Context) (string, error)
	// Committed gives the group's offsets, -1 where there is none.
	Committed(ctx context.Context, lane uint32) (schemas.Positions, error)
	Bounds(ctx context.Context, lane uint32) (start, end schemas.Positions, err error)
	Read(ctx context.Context, lane uint32, r schemas.Ranges) (*ingest.Input, error)
}

// Options say what is compared.
type Options struct {
	Topics   [schemas.NumTopics]string // names, as rows bear them
	From, To time.Time                 // only epochs planned at or after From and before To; zero: no bound
	Lanes    []uint32                  // only these; empty: all
	Last     uint64                    // only so many of the last epochs of a lane; 0: all
	Tables   bool                      // compare the ledger with the tables, not only with itself
	Sessions bool                      // and sessions and orders with the events they come from
	Records  bool                      // read the recorded ranges again and compare their checksums
	Gap      time.Duration             // transform.session.gap
	Settled  time.Duration             // event time after which a late event's session must have been rebuilt
	Log      Log                       // nil: without Kafka
	Progress func(done, total int64, note string)
}

// rowsAtOnce and epochsAtOnce bound what one query looks at.
const (
	rowsAtOnce   = 1_000_000
	epochsAtOnce = 10_000
)

type checker struct {
	opt    Options
	store  *checkpoint.Store
	client *clickhouse.Client
	report *Report
	expiry map[string]time.Duration // of tables whose rows expire
	done   int64                    // epochs, for the progress
	total  int64
}

// laneCheck is the state of one lane's comparison.
type laneCheck struct {
	*checker
	*Lane
	head     *checkpoint.Plan
	from, to uint64                    // epochs that are compared, both inclusive
	expired  [schemas.NumTables]uint64 // epochs up to here may have lost their rows to the TTL

	// Of the walk along the chain.
	links  *links         // of the chunk in hand
	gone   []epoch        // not found since the last one that was
	lowest schemas.Ranges // of the last one found
	mark   int64          // watermark of the last done epoch, 0 if not compared

	differs          []uint64 // epochs whose rows of fact_events differ
	missing, surplus bool     // rows of fact_events do
	foreign          bool     // the log is not the one the ledger speaks of
	logStart         schemas.Positions
}

// Check compares and reports. Its error says why it could not; what differs is
// in the report.
func Check(ctx context.Context, store *checkpoint.Store, client *clickhouse.Client, opt Options) (*Report, error) {
	c := &checker{opt: opt, store: store, client: client, report: &Report{From: opt.From, To: opt.To}}
	if c.opt.Progress == nil {
		c.opt.Progress = func(int64, int64, string) {}
	}
	all, err := store.Lanes(ctx)
	if err != nil {
		return nil, err
	}
	if opt.Tables {
		if c.expiry, err = c.readExpiry(ctx); err != nil {
			return nil, err
		}
	}
	if len(all) == 0 {
		c.report.note("the ledger is empty: no worker has claimed a lane of this database yet")
	}
	var lanes []*laneCheck
	for i := range all {
		if len(opt.Lanes) > 0 && !slices.Contains(opt.Lanes, all[i].Head.Lane) {
			continue
		}
		l, err := c.lane(ctx, &all[i])
		if err != nil {
			return nil, err
		}
		lanes = append(lanes, l)
	}
	for _, want := range opt.Lanes {
		if !slices.ContainsFunc(all, func(l checkpoint.LaneStatus) bool { return l.Head.Lane == want }) {
			return nil, fmt.Errorf("lane %d is not in the ledger: `storepulse status` lists the lanes", want)
		}
	}
	if opt.Log != nil {
		if err := c.identity(ctx, lanes); err != nil {
			return nil, err
		}
	}
	for _, l := range lanes {
		if err := l.check(ctx); err != nil {
			return nil, err
		}
		c.report.Lanes = append(c.report.Lanes, l.Lane)
	}
	if opt.Tables && len(opt.Lanes) == 0 && opt.From.IsZero() && opt.To.IsZero() && opt.Last == 0 {
		if err := c.unknownLanes(ctx, all); err != nil {
			return nil, err
		}
	}
	if opt.Sessions {
		if err := c.orders(ctx, lanes); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(c.report.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Epoch, b.Epoch))
	})
	return c.report, nil
}

// lane takes the head as it stands and decides which epochs are compared.
func (c *checker) lane(ctx context.Context, s *checkpoint.LaneStatus) (*laneCheck, error) {
	head := s.Head
	l := &laneCheck{checker: c, head: &head, Lane: &Lane{Lane: head.Lane, Head: head.Epoch}}
	if head.Epoch == 0 {
		return l, nil
	}
	l.Watermark = head.Watermark
	l.from, l.to = 1, head.Epoch
	if !head.Kind.Done() {
		l.to--
		l.InHand = &InHand{Epoch: head.Epoch, Plan: planID(head.ID), Ranges: rangesOf(head.Ranges)}
	}
	if c.opt.Last > 0 && l.to > c.opt.Last {
		l.from = l.to - c.opt.Last + 1
	}
	if !c.opt.From.IsZero() {
		first, err := c.store.PlannedSince(ctx, head.Lane, c.opt.From)
		if err != nil {
			return nil, err
		}
		if first == 0 {
			first = head.Epoch + 1
		}
		l.from = max(l.from, first)
	}
	if !c.opt.To.IsZero() {
		after, err := c.store.PlannedSince(ctx, head.Lane, c.opt.To)
		if err != nil {
			return nil, err
		}
		if after > 0 {
			l.to = min(l.to, after-1)
		}
	}
	for t := range schemas.NumTables {
		ttl := c.expiry[schemas.TableName(t)]
		if ttl == 0 {
			continue
		}
		first, err := c.store.PlannedSince(ctx, head.Lane, time.Now().Add(-ttl+clockSlack))
		if err != nil {
			return nil, err
		}
		l.expired[t] = head.Epoch
		if first > 0 {
			l.expired[t] = first - 1
		}
	}
	if l.to >= l.from {
		c.total += int64(l.to - l.from + 1)
	}
	return l, nil
}

// check compares one lane. Later chunks of the walk are earlier epochs.
func (l *laneCheck) check(ctx context.Context) error {
	if err := l.log(ctx); err != nil {
		return err
	}
	if l.head.Epoch == 0 || l.from > l.to {
		return nil
	}
	l.First, l.Last = l.from, l.to
	note := fmt.Sprintf("lane %d", l.Lane.Lane)
	l.opt.Progress(l.done, l.total, note)
	err := l.walk(ctx, func(chunk []epoch) error {
		if err := l.ledger(ctx, chunk); err != nil {
			return err
		}
		l.done += int64(len(chunk))
		l.opt.Progress(l.done, l.total, note)
		return nil
	})
	if err != nil {
		return err
	}
	l.noteExpiry()
	if err := l.strays(ctx); err != nil {
		return err
	}
	if l.opt.Sessions {
		l.opt.Progress(l.done, l.total, note+", sessions")
		return l.sessions(ctx)
	}
	return nil
}

// ledger compares one chunk of epochs with itself, the tables and the log.
func (l *laneCheck) ledger(ctx context.Context, chunk []epoch) error {
	for i := range chunk {
		l.balance(&chunk[i])
	}
	if l.opt.Tables {
		for part := range parts(chunk) {
			if err := l.tables(ctx, part); err != nil {
				return err
			}
		}
	}
	if l.opt.Records && l.opt.Log != nil {
		return l.records(ctx, chunk)
	}
	return nil
}
