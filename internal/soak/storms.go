package soak

import (
	"context"
	"sync"
	"time"

	"github.com/storepulse/storepulse/internal/gen"
)

// storms are weathers of the feed: while one holds, the shop's records are
// doubled, late, accompanied by rubbish or dated wrongly. Which records it meets depends
// on when it begins, which no seed decides.
type storms struct {
	mu struct {
		sync.Mutex
		changed bool
		now     gen.Defects
	}
}

// set begins a storm; the zero value ends it.
func (s *storms) set(d gen.Defects) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.changed, s.mu.now = true, d
}

// turn tells the generator when the weather has changed.
func (s *storms) turn(g *gen.Generator) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.changed {
		g.SetStorm(s.mu.now)
		s.mu.changed = false
	}
}

// storm lets one weather hold.
func (r *run) storm(ctx context.Context, f Fault) (time.Time, error) {
	part := 0.2 + 0.8*f.Force
	d := map[Kind]gen.Defects{
		StormDuplicate: gen.DuplicateStorm(), StormLate: gen.LateStorm(), StormPoison: gen.PoisonStorm(), StormSkew: gen.SkewStorm(),
	}[f.Kind]
	for _, share := range []*float64{&d.Repeated, &d.Late, &d.TooLate, &d.Poison, &d.Amended, &d.Skewed, &d.Future} {
		*share *= part
	}
	r.feed.storms.set(d)
	r.hold(ctx, f.Hold)
	r.feed.storms.set(gen.Defects{})
	return time.Now(), nil
}
