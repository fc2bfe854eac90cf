package soak

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

// sessionTimeout is the workers'; a zombie sleeps longer.
const sessionTimeout = 4 * time.Second

// workerKill is kill -9; a new worker comes after a while.
func (r *run) workerKill(ctx context.Context, f Fault) (time.Time, error) {
	w, err := r.workers.victim(ctx, f.Pick)
	if err != nil {
		return time.Now(), err
	}
	r.workers.leave(w)
	w.kill()
	at := time.Now()
	r.hold(ctx, f.Hold)
	return at, r.workers.start()
}

// workerZombie stops a worker's process until the group has given its lanes
// away, and lets it go on: what it had in hand must be refused or dropped.
func (r *run) workerZombie(ctx context.Context, f Fault) (time.Time, error) {
	w, err := r.workers.victim(ctx, f.Pick)
	if err != nil {
		return time.Now(), err
	}
	r.workers.freeze(w, true)
	if err := w.signal(syscall.SIGSTOP); err != nil {
		return time.Now(), fmt.Errorf("freeze %s: %w", w.name, err)
	}
	r.hold(ctx, sessionTimeout+time.Second+f.Hold)
	err = w.signal(syscall.SIGCONT)
	r.workers.freeze(w, false)
	return time.Now(), err
}

func (r *run) workerRestart(ctx context.Context, f Fault) (time.Time, error) {
	w, err := r.workers.victim(ctx, f.Pick)
	if err != nil {
		return time.Now(), err
	}
	if err := r.workers.stop(w); err != nil {
		return time.Now(), err
	}
	at := time.Now()
	r.hold(ctx, f.Hold)
	return at, r.workers.start()
}

func (r *run) scaleUp(context.Context, Fault) (time.Time, error) {
	return time.Now(), r.workers.start()
}

func (r *run) scaleDown(ctx context.Context, f Fault) (time.Time, error) {
	w, err := r.workers.victim(ctx, f.Pick)
	if err != nil {
		return time.Now(), err
	}
	err = r.workers.stop(w)
	return time.Now(), err
}

// drain stops all workers, drains the topics under traffic, and starts as many
// workers as there were. A drain ends where the log ended when it began.
func (r *run) drain(context.Context, Fault) (time.Time, error) {
	count := len(r.workers.alive())
	if err := r.workers.stopAll(); err != nil {
		return time.Now(), err
	}
	err := r.drainOnce(time.Minute)
	at := time.Now()
	for range max(count, minWorkers) {
		if err := r.workers.start(); err != nil {
			return at, err
		}
	}
	return at, err
}

// drainOnce runs `storepulse run --drain`. Other faults may meet it: a drain
// that could not begin, or did not end in time, is begun again after a second,
// as a supervisor would.
func (r *run) drainOnce(within time.Duration) error {
	for begun := time.Now(); ; time.Sleep(time.Second) {
		w, err := r.workers.launch("run", "--drain", "--within", within.String())
		if err != nil {
			return err
		}
		r.workers.leave(w)
		err = w.wait(within + stopBound)
		r.workers.remove(w)
		if err == nil || w.said(startedText) && !w.said("not drained within") || time.Since(begun) > stuck {
			return err
		}
	}
}
