package soak

import (
	"context"
	"fmt"
	"time"

	"github.com/storepulse/storepulse/internal/produce"
)

// tick sends each lane a visitor of its own who comes when every other span
// has left the horizon, and once more when no order waits any longer for its
// payment: what was late is rebuilt then.
func (r *run) tick(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startBound) // a broker that is not there for good ends the run
	defer cancel()
	w := produce.NewWriter(r.feed.cfg)
	defer func() { _ = w.Close(ctx) }()
	t := r.cfg.Transform()
	horizon := r.feed.lastTime().Add(2*t.Gap + t.MergeHorizon + 10*time.Minute)
	if err := r.feed.deliver(ctx, w, produce.LastVisitors(r.Lanes, horizon, horizon.Add(t.PayWindow+t.MergeHorizon))); err != nil {
		return fmt.Errorf("send the last visitors: %w", err)
	}
	return nil
}
