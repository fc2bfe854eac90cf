package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform"
)

// toyFound is what the toy has read of the past: it settles a waiting id by
// what all facts before the epoch are, so that one fact too many or too few
// shows in the rows and in the state.
type toyFound struct {
	settled []uint64
	digest  uint64
	old     []transform.PastSession
}

func (e *toyEngine) Waiting() int { return len(e.waits) }

func (e *toyEngine) Survey(load func(*transform.Ask) (*transform.Past, error)) (due bool, err error) {
	e.found = nil
	if len(e.waits) == 0 {
		return false, nil
	}
	p, err := load(&transform.Ask{Orders: e.waits})
	if err != nil {
		return false, err
	}
	slices.SortFunc(p.Clicks, func(a, b transform.PastClick) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Key, b.Key))
	})
	h := fnv.New64a()
	for _, c := range p.Clicks {
		fmt.Fprintf(h, "%d %d %d,", c.Order, c.Offset, c.Key)
	}
	f := &toyFound{digest: h.Sum64()}
	for _, id := range e.waits {
		if (f.digest^id)%4 != 0 {
			f.settled = append(f.settled, id)
		}
	}
	p, err = load(&transform.Ask{Sessions: []transform.Span{{}}})
	if err != nil {
		return false, err
	}
	f.old = p.Sessions
	slices.SortFunc(f.old, func(a, b transform.PastSession) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Tenant, b.Tenant))
	})
	e.found = f
	return len(f.settled) > 0, nil
}

// Rebuild writes a session for every settled id and withdraws what was ever
// written for it otherwise.
func (e *toyEngine) Rebuild(_ int, epoch uint64, out *transform.Output) (did transform.Rebuilt, err error) {
	out.Late.Reset()
	out.Sessions.Reset()
	out.Counts = transform.Counts{}
	f := e.found
	e.found = nil
	if f == nil { // a state rebuilt in part does not know what waited
		return did, nil
	}
	add := func(id uint64, value int64, deleted uint8) {
		s := out.Sessions
		appendZero(s.Columns())
		n := s.Rows() - 1
		s.User[n], s.Start[n], s.IsDeleted[n] = id, value, deleted
	}
	for _, id := range f.settled {
		value := int64((f.digest ^ id) % 1000)
		add(id, value, 0)
		last := int64(-1)
		for _, o := range f.old {
			if uint64(o.Tenant) == id && o.Start != value && o.Start != last {
				last = o.Start
				add(id, o.Start, 1)
			}
		}
	}
	e.waits = slices.DeleteFunc(e.waits, func(id uint64) bool { return slices.Contains(f.settled, id) })
	e.hash = e.hash*13 + f.digest%97
	did.More = len(f.settled) > 1
	return did, nil
}

// fakePast reads the fake tables as a lane may: facts of earlier epochs, and
// sessions of whatever epoch.
type fakePast struct{ p *proc }

func (f *fakePast) Past(_ context.Context, _ uint32, epoch uint64, ask *transform.Ask) (*transform.Past, error) {
	f.p.step()
	w := f.p.w
	if w.f.lost && !w.quiet && w.r.Intn(10) == 0 {
		return nil, errors.New("no answer")
	}
	bound := func(r row) bool { return r.epoch < epoch || w.f.sabotage == noBound }
	any := func(row) bool { return true }
	if w.f.sabotage == earlierIDs {
		// Rows of earlier epochs may have been merged into the epoch's own.
		any = func(r row) bool {
			return r.epoch < epoch && !slices.ContainsFunc(w.tables[tSessions], func(x row) bool { return x.epoch >= epoch && sameSession(x, r) })
		}
	}
	return w.past(ask, bound, any), nil
}

func sameSession(a, b row) bool {
	return slices.Equal(strings.Fields(a.text)[:2], strings.Fields(b.text)[:2])
}

// past answers from the facts and the sessions that pass.
func (w *world) past(ask *transform.Ask, facts, sessions func(row) bool) *transform.Past {
	p := &transform.Past{}
	if len(ask.Sessions) > 0 {
		for _, r := range w.tables[tSessions] {
			if sessions(r) {
				var id, value int64
				_, _ = fmt.Sscanf(r.text, "%d %d", &id, &value)
				p.Sessions = append(p.Sessions, transform.PastSession{Tenant: uint8(id), Start: value})
			}
		}
		return p
	}
	for _, r := range w.tables[tFacts] {
		if facts(r) {
			id, _ := strconv.ParseUint(strings.Fields(r.text)[0], 10, 64)
			p.Clicks = append(p.Clicks, transform.PastClick{Order: id, Offset: r.pos.Offset, Key: uint64(r.pos.Topic)})
		}
	}
	return p
}

func sessionText(id uint64, value int64, deleted uint8) string {
	return fmt.Sprintf("%d %d %d", id, value, deleted)
}

// sessionsOf is what the epoch's rows say, from what the toy put out.
func sessionsOf(s *schemas.Sessions) (list []string) {
	for i := range s.Rows() {
		list = append(list, sessionText(s.User[i], s.Start[i], s.IsDeleted[i]))
	}
	return list
}
