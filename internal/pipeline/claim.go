package pipeline

import (
	"context"
	"fmt"
)

// claim makes this worker the lane's owner: docs/design.md, section 3, Claim.
func (l *Lane) claim(ctx context.Context) error {
	led := l.deps.Ledger
	l.term, l.seq, l.fenced = 0, 1, false
	l.deps.Metrics.claimed()

	// 1. A program that cannot run the last plan stops here, before it fences
	// anybody. Then the next claim number, with a random part of its own.
	head, err := led.Head(ctx, l.id)
	if err != nil {
		return fmt.Errorf("read the ledger's head: %w", err)
	}
	if head != nil && !l.deps.Rules.Runs(int(head.Transform)) {
		return stopf("the last plan was made with transform version %d, this program runs version %d: start a release that runs both, let it finish the epoch, then try again", head.Transform, l.deps.Rules.Current)
	}
	partitions, err := led.Partitions(ctx)
	if err != nil {
		return err
	}
	if partitions == 0 {
		partitions = l.cfg.Partitions
	}
	if l.id >= partitions {
		return stopf("the topics have more partitions than the %d this pipeline began with: a visitor's events would move to another lane; create new topics with more partitions, switch the producers to them, drain the old ones with `storepulse run --drain`, then run on the new topics and an empty database", partitions)
	}
	greatest, err := led.MaxTerm(ctx, l.id)
	if err != nil {
		return fmt.Errorf("read the greatest term: %w", err)
	}
	term := (greatest>>32+1)<<32 | uint64(l.deps.Random())
	l.fenced = true
	if err := led.Claim(ctx, l.id, term, l.cfg.Worker, partitions); err != nil {
		return fmt.Errorf("claim: %w", err)
	}
	owner, err := led.Owner(ctx, l.id)
	if err != nil {
		return fmt.Errorf("read the claim back: %w", err)
	}
	if owner != term {
		return errLost
	}

	// 2. Drain: an insert that had begun before the fence may still land. Only
	// after it is gone do the ledger and the rows stand still.
	if err := led.Drain(ctx, l.id, term); err != nil {
		return fmt.Errorf("wait for the former owner's inserts: %w", err)
	}
	l.term = term
	return nil
}
