package verify

import (
	"context"
	"fmt"
	"slices"

	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/schemas"
)

// epoch is one link of a lane's chain and what the ledger says came of it.
type epoch struct {
	plan    checkpoint.Plan // only Epoch, and ID if known, where the ledger lacks it
	missing bool            // the ledger has no row of it
	known   bool            // plan.ID is known
	done    bool
	rows    []checkpoint.TableCount
	counts  checkpoint.Counts
}

func (e *epoch) number() uint64 { return e.plan.Epoch }

// partial says that retention took a part of the epoch before it was finished.
func (e *epoch) partial() bool {
	return !e.plan.Kind.Gap() && e.counts.Lost != [schemas.NumTopics]int64{}
}

func (e *epoch) expected(t schemas.TableID) int64 {
	for _, r := range e.rows {
		if r.Table == t {
			return int64(r.Rows)
		}
	}
	return 0
}

func (e *epoch) said(rows []checkpoint.TableCount, counts checkpoint.Counts) {
	if rows != nil && !e.done {
		e.done, e.rows, e.counts = true, rows, counts
	}
}

type link struct {
	epoch uint64
	id    schemas.ID
}

// links are the ledger's rows of some epochs.
type links struct {
	plans map[link]*checkpoint.Plan
	done  map[link]*checkpoint.Plan
	last  map[uint64]*checkpoint.Plan // of each epoch, by (term, seq)
	used  map[link]bool               // those on the chain
}

func newLinks(rows []checkpoint.Plan) *links {
	k := &links{plans: map[link]*checkpoint.Plan{}, done: map[link]*checkpoint.Plan{}, last: map[uint64]*checkpoint.Plan{}, used: map[link]bool{}}
	for i := range rows {
		p := &rows[i]
		at := link{p.Epoch, p.ID}
		if p.Kind.Done() {
			k.done[at] = p
		}
		// A done row repeats its plan; the plan itself is what the chain wants.
		if old := k.plans[at]; old == nil || old.Kind.Done() || !p.Kind.Done() {
			k.plans[at] = p
		}
		k.last[p.Epoch] = p
	}
	return k
}

func (k *links) void() (n uint64) {
	for at := range k.plans {
		if !k.used[at] {
			n++
		}
	}
	return n
}

// walk follows the chain from the last epoch compared, or from the plan after
// it, which says what came of it, down to the first. It gives the epochs chunk
// by chunk, ascending within a chunk. A link that is not there is a finding,
// and the walk goes on below it.
func (l *laneCheck) walk(ctx context.Context, f func([]epoch) error) error {
	var above *epoch
	for high := min(l.head.Epoch, l.to+1); ; {
		low := l.from
		if high-l.from >= epochsAtOnce {
			low = high - epochsAtOnce + 1
		}
		rows, err := l.store.Rows(ctx, l.Lane.Lane, low, high+1)
		if err != nil {
			return err
		}
		l.links = newLinks(rows)
		chunk := make([]epoch, 0, high-low+1)
		for n := high; n >= low; n-- {
			e := l.next(n, above)
			if n <= l.to {
				chunk = append(chunk, e)
			}
			above = &e
		}
		l.Void += l.links.void()
		slices.Reverse(chunk)
		if err := f(chunk); err != nil {
			return err
		}
		if low == l.from {
			l.hole(nil)
			return nil
		}
		high = low - 1
	}
}

// next finds the link below above.
func (l *laneCheck) next(n uint64, above *epoch) epoch {
	e := epoch{plan: checkpoint.Plan{Epoch: n}, missing: true}
	var p *checkpoint.Plan
	switch {
	case above != nil && !above.missing:
		e.known, e.plan.ID = true, above.plan.Prev
		e.said(above.plan.Done, above.plan.Ledger)
		p = l.links.plans[link{n, above.plan.Prev}]
	case n == l.head.Epoch:
		p = l.links.plans[link{n, l.head.ID}] // which says more than its done row
		if p == nil {
			p = l.head
		}
	default:
		// Whatever void rows there are, the last one written is on the chain.
		if p = l.links.last[n]; p != nil {
			p = l.links.plans[link{n, p.ID}]
		}
	}
	if p == nil {
		l.gone = append(l.gone, e)
		return e
	}
	e.plan, e.known, e.missing = *p, true, false
	e.plan.Kind = p.Kind.WithoutDone()
	at := link{n, p.ID}
	l.links.used[at] = true
	if d := l.links.done[at]; d != nil {
		e.said(d.Done, d.Ledger)
	} else if p.Kind.Done() {
		e.said(p.Done, p.Ledger)
	}
	if p.Kind.Done() {
		// What a done row says is of its own epoch, not of the one before it.
		e.plan.Done, e.plan.Ledger = nil, checkpoint.Counts{}
	}
	l.hole(&e)
	l.link(&e, above)
	l.lowest = e.plan.Ranges
	return e
}

// link checks one plan against itself and the one above it.
func (l *laneCheck) link(e, above *epoch) {
	const look = "somebody changed rows of `epochs`: restore the table from a backup, or start with an empty database"
	if got := e.plan.Hash(); got != e.plan.ID {
		l.report.add(l.finding(e, "chain", "epochs", fmt.Sprintf("the plan's row was changed: its values give plan id %s", planID(got)), look))
	}
	if e.plan.Identity != l.head.Identity {
		l.report.add(l.finding(e, "chain", "epochs", fmt.Sprintf("planned for topics %s, the head of the lane for %s", e.plan.Identity, l.head.Identity), look))
	}
	if above == nil || above.missing {
		return
	}
	for t, r := range above.plan.Ranges {
		if end := e.plan.Ranges[t].End; end != r.Start {
			l.report.add(l.finding(above, "chain", "epochs",
				fmt.Sprintf("starts at %v offset %d, but the epoch before it ends at %d", schemas.Topic(t), r.Start, end), look))
		}
	}
}

// hole reports the epochs that the walk has not found, now that it has found
// the one below them, or none.
func (l *laneCheck) hole(below *epoch) {
	if len(l.gone) == 0 {
		return
	}
	what := "the ledger lacks this epoch"
	if below != nil && l.lowest != (schemas.Ranges{}) {
		what += ": the records between the plans around it are"
		for t := range l.lowest {
			what += fmt.Sprintf(" %v %d to %d", schemas.Topic(t), below.plan.Ranges[t].End, l.lowest[t].Start)
		}
	}
	for i := range l.gone {
		f := l.finding(&l.gone[i], "chain", "epochs", what,
			"rows of `epochs` were deleted: restore the table from a backup, or start with an empty database; a lane that must recover across the hole stops")
		for t := range f.events {
			f.events[t] = l.gone[i].counts.Consumed(schemas.Topic(t))
		}
		l.report.add(f)
	}
	l.gone = l.gone[:0]
}

// balance checks what the ledger says came of an epoch, and adds it up.
func (l *laneCheck) balance(e *epoch) {
	if !e.done {
		if !e.missing {
			l.Unsaid++
		}
		return
	}
	if l.Done++; e.number()+1 >= l.head.Epoch && !e.missing {
		l.mark = max(l.mark, e.plan.Watermark)
	}
	b, c := &l.Balance, &e.counts
	b.Ledger.Add(c)
	var letters int64
	for t := range schemas.NumTopics {
		letters += c.Letters[t]
		if e.missing {
			b.Consumed[t] += c.Consumed(t)
			continue
		}
		n := e.plan.Ranges[t].Len()
		b.Consumed[t] += n
		if n != c.Consumed(t) {
			l.unbalanced(e, t, n-c.Consumed(t), fmt.Sprintf("%v: %d offsets were consumed, the ledger accounts for %d", t, n, c.Consumed(t)))
		}
		if e.plan.Kind.Gap() && c.Lost[t] != n {
			l.unbalanced(e, t, n-c.Lost[t], fmt.Sprintf("%v: a gap of %d offsets, but %d are named lost", t, n, c.Lost[t]))
		}
	}
	for _, same := range []struct {
		table schemas.TableID
		n     int64
		topic schemas.Topic
	}{
		{schemas.FactEvents, c.Facts[schemas.Clickstream], schemas.Clickstream},
		{schemas.FactOrderEvents, c.Facts[schemas.OrdersTopic], schemas.OrdersTopic},
		{schemas.DeadLetters, letters, schemas.Clickstream},
	} {
		if rows := e.expected(same.table); rows != same.n {
			l.unbalanced(e, same.topic, rows-same.n, fmt.Sprintf("the ledger counts %d records and %d rows of %s", same.n, rows, schemas.TableName(same.table)))
		}
	}
}

func (l *laneCheck) unbalanced(e *epoch, t schemas.Topic, by int64, what string) {
	f := l.finding(e, "ledger", "epochs", what, "rows of `epochs` were changed, or this is a bug: keep the table and Kafka's records and report it")
	f.events[t] = max(by, -by)
	l.report.add(f)
}
