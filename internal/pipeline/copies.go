package pipeline

import (
	"context"
	"fmt"
	"slices"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink"
)

// findCopies names the rows of the batch that are copies and that the state
// cannot recognise, because their originals have left it. The store is asked,
// and what it says goes into the plan: it is part of the epoch's input, and
// nobody may ask again once the epoch's own rows stand there.
func (l *Lane) findCopies(ctx context.Context) (copies [schemas.NumTopics][]int64, err error) {
	l.state.Suspects(l.batch, &l.suspects)
	if l.suspects.Empty() {
		return copies, nil
	}
	began := l.deps.Now()
	asked := 0
	for t := range schemas.NumTopics {
		ask := l.suspects.Ask[t]
		copies[t] = slices.Clone(l.suspects.Copies[t])
		if len(ask) == 0 {
			continue
		}
		asked += len(ask)
		err := l.retry(ctx, "lookup of copies", func() error {
			found, err := l.deps.Facts.Copies(ctx, l.id, t, ask)
			if err != nil {
				return fmt.Errorf("%w: %w", sink.ErrNotApplied, err) // a read leaves nothing in doubt
			}
			copies[t] = append(copies[t], found...)
			return nil
		})
		if err != nil {
			return copies, err
		}
		slices.Sort(copies[t])
	}
	l.deps.Metrics.lookedUp(asked, l.deps.Now().Sub(began))
	return copies, nil
}
