package pipeline

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/storepulse/storepulse/ingest"
)

// Group runs one call of run per generation of the consumer group;
// (*ingest.Client).Run is one.
type Group func(ctx context.Context, run func(ctx context.Context, a ingest.Assignment) error) error

// Worker runs the lanes that the consumer group assigns to this process. It
// keeps a lane's state between generations: a lane that comes back goes on
// without a claim, because the fence would refuse it had anybody else claimed it.
type Worker struct {
	cfg    Config
	deps   Deps
	group  Group
	source func(lane uint32) Source

	leaving func() bool // whether Run is about to end
	drain   atomic.Bool
	drained atomic.Bool
	lanes   map[uint32]*Lane // only touched by generation, which runs alone

	mu struct {
		sync.Mutex
		running map[uint32]*Lane
		ready   bool
		stopped map[uint32]error
	}
}

// NewWorker prepares a worker; Run starts it.
func NewWorker(cfg Config, group Group, source func(lane uint32) Source, deps Deps) *Worker {
	w := &Worker{cfg: cfg, deps: deps, group: group, source: source, lanes: map[uint32]*Lane{}}
	w.mu.running, w.mu.stopped = map[uint32]*Lane{}, map[uint32]error{}
	return w
}

// Run works until ctx ends or Drain has been asked and every assigned lane is
// drained. It returns the errors of lanes that wait for an operator.
func (w *Worker) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.leaving = func() bool { return ctx.Err() != nil || w.drain.Load() }
	err := w.group(ctx, func(gen context.Context, a ingest.Assignment) error {
		w.generation(gen, a)
		if w.drained.Load() {
			cancel()
		}
		return nil
	})
	for id, l := range w.lanes {
		l.leave()
		if cerr := l.src.Close(); cerr != nil {
			w.deps.Log.Debug("close lane", "lane", id, "cause", cerr)
		}
	}
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		err = nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, stopped := range w.mu.stopped {
		err = errors.Join(err, stopped)
	}
	return err
}

// generation runs the lanes of one assignment until it ends.
func (w *Worker) generation(ctx context.Context, a ingest.Assignment) {
	for id, l := range w.lanes {
		if !slices.Contains(a.Lanes, id) {
			l.leave()
			if err := l.src.Close(); err != nil {
				w.deps.Log.Debug("close lane", "lane", id, "cause", err)
			}
			delete(w.lanes, id)
			w.moved(id)
		}
	}
	var lanes errgroup.Group
	for _, id := range a.Lanes {
		l := w.lanes[id]
		if l == nil {
			cfg := w.cfg
			cfg.Partitions, cfg.Identity = a.Partitions, a.Identity
			l = NewLane(id, cfg, w.source(id), w.deps)
			l.leaving = w.leaving
			w.lanes[id] = l
		}
		w.running(id, l) // before the look: Drain tells those that run
		if w.drain.Load() {
			l.Drain()
		}
		lanes.Go(func() error {
			err := l.Run(ctx, a.Commit)
			w.ended(id, err)
			if err != nil {
				w.deps.Log.Error("lane stopped until an operator acts; the other lanes go on", "cause", err)
			}
			return err
		})
	}
	w.setReady(true)
	_ = lanes.Wait() // each lane's error is kept by ended
	// A member without lanes has drained nothing: they come to it when those
	// that have them leave.
	if w.drain.Load() && ctx.Err() == nil && len(a.Lanes) > 0 {
		w.drained.Store(true)
		return
	}
	<-ctx.Done() // stopped lanes stay assigned, so that nobody else trips over them
	w.setReady(false)
}

// Drain asks every lane to take what is in the log, close its sessions and stop.
func (w *Worker) Drain() {
	w.drain.Store(true)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.mu.running {
		l.Drain()
	}
}

func (w *Worker) running(id uint32, l *Lane) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.running[id] = l
	delete(w.mu.stopped, id)
}

func (w *Worker) ended(id uint32, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.mu.running, id)
	if err != nil {
		w.mu.stopped[id] = err
	}
}

// moved forgets that the lane stopped here: another worker has it.
func (w *Worker) moved(id uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.mu.stopped, id)
}

// Lanes are those that run here now, in no order.
func (w *Worker) Lanes() []uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.mu.running))
}

func (w *Worker) setReady(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.ready = yes
}

// Ready says whether the worker is a member of the group with its lanes running.
func (w *Worker) Ready() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.mu.ready {
		return errors.New("not a member of the consumer group yet")
	}
	for _, err := range w.mu.stopped {
		return err
	}
	return nil
}
