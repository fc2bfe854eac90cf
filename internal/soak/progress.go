package soak

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// progress follows the ledger: when each lane planned an epoch and when the
// ledger said that it was done.
type progress struct {
	store *store
	lanes int
	mu    struct {
		sync.Mutex
		from  time.Time // rows before it have been read
		lanes map[int]*laneProgress
	}
}

type laneProgress struct {
	planned map[int64]time.Time // first plan of an epoch
	done    []doneEpoch         // ascending
	ends    [2]int64            // offsets of the last epoch that is done
}

type doneEpoch struct {
	epoch int64
	said  time.Time
}

func newProgress(s *store, lanes int) *progress {
	p := &progress{store: s, lanes: lanes}
	p.mu.lanes = map[int]*laneProgress{}
	return p
}

// run reads the ledger until ctx ends. While the engine is down it waits; what
// was written meanwhile carries its own time.
func (p *progress) run(ctx context.Context) {
	for sleep(ctx, 500*time.Millisecond) == nil {
		_ = p.read(ctx) // asked again; a ledger that never answers shows as no recovery
	}
}

func (p *progress) read(ctx context.Context) error {
	p.mu.Lock()
	from := p.mu.from
	p.mu.Unlock()
	// Rows may become visible a little after their time.
	out, err := p.store.ask(ctx, fmt.Sprintf(`SELECT lane, epoch, kind IN ('done', 'gap_done', 'rebuild_done'), has_done, toUnixTimestamp64Milli(created_at), clickstream_start, clickstream_end, orders_start, orders_end
		FROM epochs WHERE created_at >= fromUnixTimestamp64Milli(%d) ORDER BY created_at, term, seq`, max(0, from.Add(-5*time.Second).UnixMilli())))
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range strings.Split(out, "\n") {
		var n [9]int64
		f := strings.Split(line, "\t")
		if len(f) != len(n) {
			continue
		}
		for i := range f {
			if f[i] == "true" {
				n[i] = 1
			} else {
				n[i], _ = strconv.ParseInt(f[i], 10, 64)
			}
		}
		at := time.UnixMilli(n[4])
		if at.After(p.mu.from) {
			p.mu.from = at
		}
		p.row(int(n[0]), n[1], n[2] == 1, n[3] == 1, at, n[5:])
	}
	return nil
}

// row takes one row of the ledger; the same row may come again.
func (p *progress) row(lane int, epoch int64, own, hasDone bool, at time.Time, ranges []int64) {
	l := p.mu.lanes[lane]
	if l == nil {
		l = &laneProgress{planned: map[int64]time.Time{}}
		p.mu.lanes[lane] = l
	}
	if _, ok := l.planned[epoch]; !ok && !own {
		l.planned[epoch] = at
		delete(l.planned, epoch-500)
	}
	if !hasDone {
		return
	}
	ends := [2]int64{ranges[1], ranges[3]}
	if !own {
		epoch, ends = epoch-1, [2]int64{ranges[0], ranges[2]}
	}
	if n := len(l.done); n == 0 || l.done[n-1].epoch < epoch {
		l.done = append(l.done, doneEpoch{epoch, at})
		l.done = l.done[max(0, len(l.done)-500):]
		l.ends = ends
	}
}

// recovered says when every lane had finished an epoch that was planned after t.
func (p *progress) recovered(t time.Time) (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var last time.Time
	if len(p.mu.lanes) < p.lanes {
		return last, false
	}
	for _, l := range p.mu.lanes {
		found := false
		for _, d := range l.done {
			if planned, ok := l.planned[d.epoch]; ok && planned.After(t) {
				found = true
				if d.said.After(last) {
					last = d.said
				}
				break
			}
		}
		if !found {
			return last, false
		}
	}
	return last, true
}

// waiting names the lanes that have finished nothing planned after t.
func (p *progress) waiting(t time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for lane := range p.lanes {
		l := p.mu.lanes[lane]
		if l == nil || len(l.done) == 0 {
			names = append(names, fmt.Sprintf("%d (nothing done)", lane))
			continue
		}
		d := l.done[len(l.done)-1]
		if planned, ok := l.planned[d.epoch]; !ok || !planned.After(t) {
			names = append(names, fmt.Sprintf("%d (last done: epoch %d, %s ago)", lane, d.epoch, time.Since(d.said).Round(time.Second)))
		}
	}
	return strings.Join(names, ", ")
}

// taken is how many offsets the done epochs have taken in all.
func (p *progress) taken() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := int64(0)
	for _, l := range p.mu.lanes {
		n += l.ends[0] + l.ends[1]
	}
	return n
}
