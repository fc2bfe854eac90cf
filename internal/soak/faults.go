package soak

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// actions does a fault and says when it was over: recovery counts from there.
func (r *run) actions() [numKinds]func(context.Context, Fault) (time.Time, error) {
	return [numKinds]func(context.Context, Fault) (time.Time, error){
		WorkerKill: r.workerKill, WorkerZombie: r.workerZombie, WorkerRestart: r.workerRestart,
		ScaleUp: r.scaleUp, ScaleDown: r.scaleDown, Drain: r.drain,
		BrokerRestart: r.brokerRestart, BrokerKill: r.brokerKill, LeaderMove: r.leaderMove, KafkaCut: r.kafkaCut, KafkaDelay: r.kafkaDelay,
		StoreKill: r.storeKill, StoreHang: r.storeHang, StoreSlow: r.storeSlow, StoreRefuse: r.storeRefuse,
		StoreUnavailable: r.storeUnavailable, StoreAnswerCut: r.storeAnswerCut, StoreCut: r.storeCut,
		StormDuplicate: r.storm, StormLate: r.storm, StormPoison: r.storm, StormSkew: r.storm,
	}
}

// hold waits while a fault lasts; the end of the run ends it early.
func (r *run) hold(ctx context.Context, d time.Duration) { _ = sleep(ctx, d) }

const (
	// stuck is how long lanes may finish nothing after a fault before the run is
	// given up: many times the longest wait between two claims.
	stuck = 8 * time.Minute
	// patience is how long lanes may recover before no other fault is begun: where
	// everything is slow, they would never have the time to.
	patience = 30 * time.Second
)

// disturb draws faults and lets them happen until ctx ends, then waits until
// all are over and every lane has finished an epoch after the last of them.
func (r *run) disturb(ctx, life context.Context, s *Schedule) {
	var running sync.WaitGroup
	var busy [numClasses]chan struct{} // no mutexes: a test waits for them by a clock of its own
	for class := range busy {
		busy[class] = make(chan struct{}, 1)
	}
	actions := r.actions()
	next := time.Now()
	for {
		f := s.Next()
		next = next.Add(f.Gap)
		if late := time.Since(next); late > 0 {
			next = time.Now() // no crowd of faults after a slow one
		}
		if sleep(ctx, time.Until(next)) != nil {
			break
		}
		class := busy[kinds[f.Kind].class]
		class <- struct{}{}
		for r.table.overdue(patience) && sleep(ctx, 200*time.Millisecond) == nil {
		}
		if ctx.Err() != nil {
			break
		}
		h := r.table.begin(f)
		running.Go(func() {
			end, err := actions[f.Kind](ctx, f)
			// The end of the time may meet a fault that still looks for a worker.
			if over := ctx.Err() != nil && errors.Is(err, ctx.Err()); err != nil && !over && life.Err() == nil {
				r.found(fmt.Errorf("fault %d (%s): %w", f.Number, f.Kind, err))
			}
			<-class
			r.table.end(h, end)
			r.recover(life, h, end)
		})
	}
	running.Wait()
}

// recover waits until every lane has finished an epoch planned after the fault.
func (r *run) recover(ctx context.Context, h *happened, end time.Time) {
	for {
		if at, ok := r.progress.recovered(end); ok {
			r.table.recovered(h, at.Sub(end))
			return
		}
		if r.stopped.Load() { // nothing more is fed: no epoch will come
			return
		}
		if time.Since(end) > stuck {
			r.found(fmt.Errorf("fault %d (%s) is over since %s and these lanes have finished no epoch: %s", h.Number, h.Kind, time.Since(end).Round(time.Second), r.progress.waiting(end)))
			return
		}
		if sleep(ctx, 200*time.Millisecond) != nil {
			return
		}
	}
}
