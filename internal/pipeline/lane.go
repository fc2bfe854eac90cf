package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink"
	"github.com/storepulse/storepulse/transform"
)

// Lane owns one lane: its claim, its state and its position. All fields below
// deps belong to the goroutine that runs Run.
type Lane struct {
	id   uint32
	cfg  Config
	deps Deps
	log  *slog.Logger
	src  Source
	dec  Decoder

	vocabulary uint64 // its hash: stands in every plan

	batch    *schemas.Batch
	out      *transform.Output
	suspects transform.Suspects

	// What a claim gives; term 0 means that the lane is not owned.
	term     uint64
	seq      uint64
	state    Engine
	pos      schemas.Positions
	last     *checkpoint.Plan // plan in force, nil before the first epoch ever
	counted  outcome          // of last, to be said by the next row
	doneSaid bool             // a ledger row says that last is done
	partial  bool             // the recovery at work lacks input: what it gives again is not what was given
	queries  uint64

	commit    func(ctx context.Context, lane uint32, p schemas.Positions) error
	draining  *atomic.Bool
	drainTo   *schemas.Positions // the log's end when the drain began
	leaving   func() bool        // whether the process stops, not only a generation of the group
	snap      snapshotter
	rebuilds  rebuilder
	quiet     time.Duration // since the last epoch of a lane in which nothing is retained
	duelWait  *backoff      // after a claim that may have fenced somebody
	reachWait *backoff      // after one that did not come so far: nobody duels
	fenced    bool          // the last claim came so far
}

// outcome is what an epoch gave: rows per table and the balance per topic.
type outcome struct {
	rows   []checkpoint.TableCount
	counts checkpoint.Counts
}

// errLost: another claim came in between; claim again.
var errLost = errors.New("another worker claimed the lane at the same time")

// NewLane prepares a lane; it reads and writes nothing before Run.
func NewLane(id uint32, cfg Config, src Source, deps Deps) *Lane {
	return &Lane{
		id: id, cfg: cfg, deps: deps, src: src, dec: deps.Decoder(), vocabulary: deps.Vocabulary.Hash(), log: deps.Log.With("lane", id),
		batch: schemas.NewBatch(deps.Vocabulary), out: transform.NewOutput(deps.Vocabulary, deps.Register),
		draining: new(atomic.Bool), leaving: func() bool { return true }, duelWait: newBackoff(cfg.ClaimBackoff, deps),
		reachWait: newBackoff(cfg.RetryBackoff, deps),
	}
}

// Run owns the lane until ctx ends: it claims, recovers, runs epochs, and
// claims again when an insert's outcome is unknown or the fence refused it. It
// returns nil when ctx ended or the lane is drained, and a stop error when
// only an operator can help. After ctx ends the epoch in hand is finished
// within the stop bound, so that the next owner finds nothing in doubt. The
// state is kept: when the lane comes back, the next Run goes on without a claim.
func (l *Lane) Run(ctx context.Context, commit func(ctx context.Context, lane uint32, p schemas.Positions) error) error {
	l.commit = commit
	work, cancel := boundAfter(ctx, l.cfg.StopBound)
	defer cancel()
	unreached := 0
	for {
		err := operators(l.own(ctx, work))
		var stop *stopError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &stop):
			l.leave()
			l.deps.Metrics.stopped(l.id)
			return fmt.Errorf("lane %d: %w", l.id, err)
		}
		l.leave()
		if ctx.Err() != nil {
			l.log.Warn("epoch in hand abandoned, the next owner finishes it", "cause", err)
			return nil
		}
		d := l.reachWait.next()
		unreached++
		if l.fenced {
			d = l.duelWait.next()
			l.reachWait.reset()
			unreached = 0
		}
		if unreached&(unreached-1) == 0 { // an outage is said once, then ever less often
			l.log.Warn("lane lost, will claim it again", "cause", err, "after", d, "try", unreached+1)
		}
		if l.deps.Sleep(ctx, d) != nil {
			return nil
		}
	}
}

// leave forgets the lane: its gauges and its state. The ledger is untouched.
func (l *Lane) leave() {
	l.snap.wait()
	l.term, l.state, l.last = 0, nil, nil
	l.hideGauges()
}

// showGauges exposes what the state holds, before the first epoch of a lane
// that was recovered or has come back, and while one is quiet.
func (l *Lane) showGauges() {
	at := l.state.Watermark()
	if at > 0 { // 0 before the first event ever
		at += l.quiet.Milliseconds()
	}
	l.out.Deltas.Reset()
	l.state.Gauges(l.out.Deltas, at)
	l.deps.Publisher.Show(l.id, l.out.Deltas)
	l.deps.Metrics.shown(l.id, at)
}

// hideGauges: whoever has the lane now shows them.
func (l *Lane) hideGauges() {
	l.deps.Publisher.Drop(l.id)
	l.deps.Metrics.drop(l.id)
}

// own runs the lane under one claim. ctx ends taking; work ends finishing.
func (l *Lane) own(ctx, work context.Context) error {
	if l.term == 0 {
		if err := l.claim(work); err != nil {
			return err
		}
		if err := l.recover(work); err != nil {
			return err
		}
	}
	l.showGauges()
	defer l.hideGauges()
	for ctx.Err() == nil {
		if l.rebuilds.due(l.deps.Now(), l.cfg.RebuildEvery) {
			if err := l.rebuild(work); err != nil {
				return err
			}
		}
		in, kind, err := l.next(ctx)
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			return err
		}
		if in == nil && kind == checkpoint.KindRebuild {
			continue
		}
		if in == nil { // drained
			return l.close(work)
		}
		err = l.step(work, in, kind)
		in.Release()
		if err != nil {
			return err
		}
	}
	return l.stop(work)
}

// next waits for input. It returns nil in a draining lane that has taken what
// was in the log when the drain began, and nil of kind rebuild when one is due.
func (l *Lane) next(ctx context.Context) (*ingest.Input, checkpoint.Kind, error) {
	for {
		draining := l.draining.Load()
		if draining && l.drained(ctx) {
			return nil, 0, nil
		}
		wait, cancel := context.WithTimeout(ctx, l.cfg.DrainPoll)
		in, err := l.src.Next(wait, l.pos)
		expired := wait.Err() != nil
		cancel()
		switch {
		case err == nil && !(draining && in.Ranges.Empty()):
			return in, checkpoint.KindPlan, nil
		case err == nil:
			in.Release()
		case ctx.Err() != nil:
			return nil, 0, ctx.Err()
		case errors.Is(err, ingest.ErrRetention):
			in, err := l.gap(ctx)
			return in, checkpoint.KindGap, err
		case !expired:
			return nil, 0, fmt.Errorf("fetch: %w", err)
		}
		if !draining && l.rebuilds.due(l.deps.Now(), l.cfg.RebuildEvery) {
			return nil, checkpoint.KindRebuild, nil
		}
	}
}

func emptyAt(p schemas.Positions) (r schemas.Ranges) {
	for t := range p {
		r[t] = schemas.Range{Start: p[t], End: p[t]}
	}
	return r
}

func (l *Lane) stamp(p *checkpoint.Plan) schemas.Stamp {
	return schemas.Stamp{Lane: l.id, Term: l.term, Epoch: p.Epoch, PlanID: p.ID}
}

// queryID names an insert so that a later claim can wait for it.
func (l *Lane) queryID() string {
	l.queries++
	return fmt.Sprintf("storepulse/%s/%d/%d/%d", l.cfg.ID, l.id, l.term, l.queries)
}

// token lets the engine drop a late copy of the same insert. No term is in it:
// the copy may come from a former owner.
func (l *Lane) token(p *checkpoint.Plan, table string) string {
	return strings.Join([]string{l.cfg.ID, l.cfg.Identity, fmt.Sprint(l.id), fmt.Sprint(p.Epoch), fmt.Sprintf("%x", p.ID), table}, "/")
}

// boundAfter gives a context that lives on for d after ctx has ended.
func boundAfter(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		bound := time.NewTimer(d)
		defer bound.Stop()
		select {
		case <-work.Done():
		case <-bound.C:
			cancel()
		}
	})
	return work, func() { stop(); cancel() }
}

// retry repeats f as long as it was definitely not applied.
func (l *Lane) retry(ctx context.Context, what string, f func() error) error {
	wait := newBackoff(l.cfg.RetryBackoff, l.deps)
	for try := 1; ; try++ {
		err := f()
		if err == nil || !errors.Is(err, sink.ErrNotApplied) {
			return err
		}
		l.deps.Metrics.retried(what)
		if try&(try-1) == 0 { // an outage is said once, then ever less often
			l.log.Warn("the store does not take a write now, the lane waits for it", "what", what, "try", try, "cause", err)
		}
		if l.deps.Sleep(ctx, wait.next()) != nil {
			return fmt.Errorf("%s: gave up at the stop bound: %w", what, err)
		}
	}
}
