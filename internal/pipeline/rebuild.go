package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/transform"
)

// rebuilder remembers when the lane last looked at what waits for a rebuild.
type rebuilder struct {
	at   time.Time
	more bool // the last round left some for the next
	did  transform.Rebuilt
}

// due says whether to look now. A round follows the input that came meanwhile,
// so that old sessions do not hold new ones up.
func (r *rebuilder) due(now time.Time, every time.Duration) bool {
	return r.more || now.Sub(r.at) >= every
}

// rebuild runs one round: it looks up what waits and can no longer be touched
// by anything in state, and writes those sessions in an epoch of their own. A
// look that fails is not worth the lane: nothing was begun, it looks again later.
func (l *Lane) rebuild(ctx context.Context) error {
	if l.last == nil || l.deps.Past == nil {
		return nil
	}
	l.rebuilds.at, l.rebuilds.more = l.deps.Now(), false
	due, err := l.survey(ctx, l.last.Epoch+1)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		l.log.Warn("the past cannot be read now, sessions of late events wait", "cause", err)
		l.deps.Metrics.rebuildFailed()
		return nil
	}
	if !due {
		return nil
	}
	in := &ingest.Input{Ranges: emptyAt(l.pos)}
	l.decode(in)
	if err := l.epoch(ctx, in, checkpoint.KindRebuild, l.state.Watermark()); err != nil {
		return err
	}
	l.rebuilds.more = l.rebuilds.did.More
	l.deps.Metrics.rebuilt(l.rebuilds.did)
	if n := l.rebuilds.did.Left; n > 0 {
		l.log.Warn("sessions with late events are too large to be written anew and stay as they are", "epoch", l.last.Epoch, "left", n)
	}
	return nil
}

// rebuildAll ends a drained lane: nothing more comes that could be held up.
func (l *Lane) rebuildAll(ctx context.Context) error {
	for {
		if err := l.rebuild(ctx); err != nil || !l.rebuilds.more {
			return err
		}
	}
}

// survey reads what the state asks of the epochs before the given one. They
// are done, so the same state finds the same again.
func (l *Lane) survey(ctx context.Context, epoch uint64) (due bool, err error) {
	if l.deps.Past == nil {
		return false, errors.New("BUG: sessions must be rebuilt and nobody reads the past")
	}
	return l.state.Survey(func(a *transform.Ask) (*transform.Past, error) { return l.deps.Past.Past(ctx, l.id, epoch, a) })
}

// surveyAgain prepares a recorded rebuild for its re-run.
func (l *Lane) surveyAgain(ctx context.Context, p *checkpoint.Plan) error {
	if _, err := l.survey(ctx, p.Epoch); err != nil {
		return fmt.Errorf("read the past of epoch %d again: %w", p.Epoch, err)
	}
	return nil
}

// writeAnew is the transform of an epoch of kind rebuild.
func (l *Lane) writeAnew(p *checkpoint.Plan) (err error) {
	l.rebuilds.did, err = l.state.Rebuild(int(p.Transform), p.Epoch, l.out)
	return err
}
