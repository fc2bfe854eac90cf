package soak

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// storeKill is kill -9 of the engine, and a start over the same data.
func (r *run) storeKill(ctx context.Context, f Fault) (time.Time, error) {
	if err := r.store.child().Kill(); err != nil {
		return time.Now(), err
	}
	r.hold(ctx, f.Hold)
	err := r.store.start(context.WithoutCancel(ctx))
	return time.Now(), err
}

// storeHang stops the engine's process: connections stay, nothing answers.
func (r *run) storeHang(ctx context.Context, f Fault) (time.Time, error) {
	if err := r.store.signal(syscall.SIGSTOP); err != nil {
		return time.Now(), err
	}
	r.hold(ctx, f.Hold)
	err := r.store.signal(syscall.SIGCONT)
	return time.Now(), err
}

// storeSlow delays answers and narrows the way there.
func (r *run) storeSlow(ctx context.Context, f Fault) (time.Time, error) {
	ms := 100 + int(1500*f.Force)
	err := errors.Join(
		toxic(r.network.store, "latency", "downstream", 1, map[string]any{"latency": ms, "jitter": ms / 2}),
		toxic(r.network.store, "bandwidth", "upstream", 1, map[string]any{"rate": 60 + int(400*(1-f.Force))}), // KB/s
	)
	r.hold(ctx, f.Hold)
	return healed(err, r)
}

func (r *run) storeRefuse(ctx context.Context, f Fault) (time.Time, error) {
	r.network.store.Stop()
	r.hold(ctx, f.Hold)
	return healed(nil, r)
}

func (r *run) storeUnavailable(ctx context.Context, f Fault) (time.Time, error) {
	err := r.network.redirect(r.network.to.busy)
	r.hold(ctx, f.Hold)
	err = errors.Join(err, r.network.redirect(r.network.to.store))
	return time.Now(), err
}

// storeAnswerCut lets requests through and closes the connection in place of
// the answer: what was asked for has been done and nobody hears of it.
func (r *run) storeAnswerCut(ctx context.Context, f Fault) (time.Time, error) {
	err := toxic(r.network.store, "limit_data", "downstream", 0.3+0.7*f.Force, map[string]any{"bytes": 0})
	r.hold(ctx, f.Hold)
	return healed(err, r)
}

// storeCut breaks connections after a few KB of a request.
func (r *run) storeCut(ctx context.Context, f Fault) (time.Time, error) {
	err := toxic(r.network.store, "limit_data", "upstream", 1, map[string]any{"bytes": 500 + int(40_000*f.Force)})
	r.hold(ctx, f.Hold)
	return healed(err, r)
}

func healed(err error, r *run) (time.Time, error) {
	err = errors.Join(err, heal(r.network.store))
	return time.Now(), err
}
