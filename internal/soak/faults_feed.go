package soak

import (
	"context"
	"time"
)

// storm lets one weather hold.
func (r *run) storm(ctx context.Context, f Fault) (time.Time, error) {
	r.feed.storms.set(f.Kind, 0.05+0.95*f.Force)
	r.hold(ctx, f.Hold)
	r.feed.storms.set(f.Kind, 0)
	return time.Now(), nil
}
