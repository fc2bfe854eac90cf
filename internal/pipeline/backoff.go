package pipeline

import "time"

// Backoff is a random, doubling wait between Min and Max.
type Backoff struct{ Min, Max time.Duration }

type backoff struct {
	Backoff
	random func() uint32
	step   int
}

func newBackoff(b Backoff, deps Deps) *backoff { return &backoff{Backoff: b, random: deps.Random} }

// next doubles the bound and draws from it, so that two workers that duel for
// a lane drift apart.
func (b *backoff) next() time.Duration {
	bound := b.Min << min(b.step, 20)
	if bound <= 0 || bound > b.Max {
		bound = b.Max
	} else {
		b.step++
	}
	return bound/2 + time.Duration(uint64(b.random())*uint64(bound/2)>>32)
}

// reset is called by a finished epoch only.
func (b *backoff) reset() { b.step = 0 }
