package clickhouse_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink"
)

// Two live workers fight over a lane on the real engine: each claims, drains,
// completes the epoch in doubt by its row numbers and writes on until the fence
// refuses it. Inserts are abandoned at random moments. At the end every epoch
// has every row once. This is the engine's half of design section 3; the
// randomized model in internal/pipeline is the other.
func TestTwoWritersDuelOverALane(t *testing.T) {
	const (
		rows   = 300
		days   = 3 // an insert is three parts, which may land one by one
		lane   = 7
		length = 10 * time.Second
	)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c, v := newClient(t), vocabulary(t)
	var claims, fenced, unknown, inserts, repaired, aside, max atomic.Int64
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()

	// finish completes the lane's last epoch and says which one is next.
	finish := func(store *checkpoint.Store, f schemas.Facts, term uint64) (next uint64, err error) {
		if err := store.Drain(t.Context(), lane, term); err != nil {
			return 0, err
		}
		var last uint64
		if err := c.Conn().QueryRow(t.Context(), "SELECT max(epoch) FROM fact_order_events").Scan(&last); err != nil {
			return 0, err
		}
		if last == 0 {
			return 1, nil
		}
		stamp := schemas.Stamp{Lane: lane, Term: term, Epoch: last, PlanID: schemas.ID{byte(last)}}
		standing, err := c.Standing(t.Context(), schemas.FactOrderEvents, stamp)
		if err != nil {
			return 0, err
		}
		there := map[uint32]bool{}
		for _, r := range standing {
			there[r] = true
		}
		var missing []uint32
		for r := range uint32(rows) {
			if !there[r] {
				missing = append(missing, r)
			}
		}
		if len(missing) > 0 {
			repaired.Add(1)
			if err := insert(t.Context(), c, fmt.Sprintf("epoch %d by %d", last, term), stamp, schemas.FactOrderEvents, f, missing); err != nil {
				return 0, err
			}
		}
		err = c.Refeed(t.Context(), fmt.Sprintf("storepulse/test/%d/%d/refeed", lane, term), stamp)
		var ended *ch.Exception
		if errors.As(err, &ended) && ended.Code == 394 { // a newer owner drains for no more than ten seconds
			return 0, fmt.Errorf("%w: %w", sink.ErrUnknown, err)
		}
		if err != nil {
			return 0, err
		}
		return last + 1, nil
	}
	worker := func(i uint64) error {
		rnd := rand.New(rand.NewPCG(seed, i))
		store := checkpoint.NewStore(c, "test")
		f := newFacts(v, schemas.FactOrderEvents)
		fill(f, rows, days)
		backOff := 100 * time.Millisecond
		for ctx.Err() == nil {
			greatest, err := store.MaxTerm(t.Context(), lane)
			if err != nil {
				return err
			}
			term := (greatest>>32+1)<<32 | uint64(rnd.Uint32())
			if err := store.Claim(t.Context(), lane, term, fmt.Sprint(i), 4); err != nil {
				return err
			}
			claims.Add(1)
			if owner, err := store.Owner(t.Context(), lane); err != nil {
				return err
			} else if owner != term {
				aside.Add(1)
				continue
			}
			epoch, err := finish(store, f, term)
			for ; err == nil && ctx.Err() == nil; epoch++ {
				stamp := schemas.Stamp{Lane: lane, Term: term, Epoch: epoch, PlanID: schemas.ID{byte(epoch)}}
				step, stop := context.WithTimeout(t.Context(), time.Minute)
				if rnd.IntN(5) == 0 { // abandon this one somewhere on the way
					stop()
					step, stop = context.WithTimeout(t.Context(), time.Duration(rnd.IntN(60))*time.Millisecond)
				}
				inserts.Add(1)
				err = insert(step, c, fmt.Sprintf("epoch %d", epoch), stamp, schemas.FactOrderEvents, f, nil)
				stop()
				if err == nil {
					max.Store(int64(epoch))
					backOff = 100 * time.Millisecond
				}
			}
			switch {
			case err == nil:
			case errors.Is(err, sink.ErrFenced):
				fenced.Add(1)
			case errors.Is(err, sink.ErrUnknown), errors.Is(err, sink.ErrNotApplied):
				unknown.Add(1)
			default:
				return err
			}
			// Only a finished epoch resets the back-off: the other one gets somewhere.
			pause := time.NewTimer(time.Duration(rnd.Int64N(int64(backOff))))
			backOff *= 2
			select {
			case <-ctx.Done():
			case <-pause.C:
			}
			pause.Stop()
		}
		return nil
	}
	var wg sync.WaitGroup
	for i := range uint64(2) {
		wg.Go(func() {
			if err := worker(i); err != nil {
				t.Errorf("worker %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	store := checkpoint.NewStore(c, "test")
	greatest, err := store.MaxTerm(t.Context(), lane)
	if err != nil {
		t.Fatal(err)
	}
	term := (greatest>>32 + 1) << 32
	if err := store.Claim(t.Context(), lane, term, "last", 4); err != nil {
		t.Fatal(err)
	}
	f := newFacts(v, schemas.FactOrderEvents)
	fill(f, rows, days)
	next, err := finish(store, f, term)
	if err != nil {
		t.Fatal(err)
	}
	var epochs, all, wrong, terms uint64
	if err := c.Conn().QueryRow(t.Context(), `SELECT count(), sum(n), countIf(n != 300 OR u != 300), (SELECT uniqExact(term) FROM fact_order_events)
		FROM (SELECT epoch, count() AS n, uniqExact(epoch_row) AS u FROM fact_order_events GROUP BY epoch)`).Scan(&epochs, &all, &wrong, &terms); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d epochs, %d rows by %d terms; %d claims (%d gave way at once), %d inserts, %d fenced, %d abandoned, %d epochs completed",
		epochs, all, terms, claims.Load(), aside.Load(), inserts.Load(), fenced.Load(), unknown.Load(), repaired.Load())
	if wrong != 0 || epochs != next-1 || int64(epochs) < max.Load() {
		t.Errorf("%d of %d epochs have a row twice or not at all; %d acknowledged, next is %d", wrong, epochs, max.Load(), next)
	}
}
