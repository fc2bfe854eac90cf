package transform

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/storepulse/storepulse/schemas"
)

// Apply runs one epoch: it corrects, judges and de-duplicates the batch in
// place, moves the state to the input's watermark and fills the output. An
// error means that nothing was done.
func (s *State) Apply(version int, in Input, out *Output) error {
	if version != Version {
		return fmt.Errorf("transform version %d: this program runs version %d", version, Version)
	}
	if in.Watermark < s.watermark {
		return fmt.Errorf("BUG: watermark %d of epoch %d is below the state's %d", in.Watermark, in.Epoch, s.watermark)
	}
	if next := s.NextWatermark(in.Batch); in.Watermark < next {
		return fmt.Errorf("BUG: watermark %d of epoch %d is below the %d that its events give", in.Watermark, in.Epoch, next)
	}
	out.reset()
	s.out, s.deltas, s.epoch, s.ordinal = out, out.Deltas, in.Epoch, 0
	s.copies = in.Copies
	s.countAside(in.Batch)
	s.applyOrders(in.Batch)
	s.applyClicks(in.Batch.Events)

	for n := 0; n < len(s.touched); n++ {
		if n%ahead == 0 {
			s.fetchTouched(s.touched[n:])
		}
		t := s.touched[n]
		s.visitors.at(t.visitor).mark = 0
		s.cause = t.cause
		s.settle(t.visitor, in.Watermark, false)
	}
	s.touched = s.touched[:0]
	s.countOrders()
	s.watermark = in.Watermark
	s.cause = cause{schemas.Clickstream, in.LastClick}
	s.passTime()
	s.forgetCrowds()
	s.setGauges(s.watermark)
	s.out, s.deltas, s.copies = nil, nil, [schemas.NumTopics][]int64{}
	return nil
}

func (o *Output) reset() {
	o.Sessions.Reset()
	o.Refunds.Reset()
	o.Late.Reset()
	o.Deltas.Reset()
	o.Counts = Counts{}
}

// applyClicks takes the clickstream in offset order.
func (s *State) applyClicks(e *schemas.Events) {
	keep := s.keeping[:0]
	run := s.watermark
	dropped := false
	for i := range e.Offset {
		if i%ahead == 0 {
			s.fetchIDs(e.Visitor[i:min(i+ahead, len(e.Visitor))])
		}
		stated := statedTime(e.Time[i], e.Sent[i], e.Received[i], e.Explicit[i])
		t, clamped := eventTime(e.Time[i], e.Sent[i], e.Received[i], e.Stamp[i], e.Explicit[i])
		e.Time[i], e.Sent[i] = t, 0
		if clamped {
			e.TimeCorrected[i], e.Received[i] = 1, t
		}
		tenant := e.Tenant.Index[i]
		e.Day[i] = s.days[tenant].date(t)
		s.cause = cause{schemas.Clickstream, e.Offset[i]}
		duplicate := copied(&s.copies[schemas.Clickstream], e.Offset[i]) || s.strays.has(&e.Visitor[i], &e.Dedup[i], s.watermark)
		class := schemas.LateNone
		if !duplicate {
			class, duplicate = s.click(e, i, t, run)
		}
		keep = append(keep, !duplicate)
		if duplicate {
			dropped = true
			s.out.Counts.Duplicates[schemas.Clickstream]++
			s.deltas.Add(int(tenant), s.register.EventsDuplicate, 1, int(schemas.Clickstream))
		} else {
			s.out.Counts.Facts[schemas.Clickstream]++
			if clamped {
				s.strayed(e, i, stated)
			}
			e.Late.Index[i] = class
			s.countEvent(e, i)
			if run > 0 {
				s.deltas.Observe(int(tenant), s.register.EventLateness, s.lateness(t, run), int(schemas.Clickstream))
			}
			if class != schemas.LateNone {
				s.late(schemas.Clickstream, e.Offset[i], tenant, e.EventID.At(i), e.Type.Index[i], t, e.Day[i], e.Visitor[i], run, class)
			}
		}
		run = max(run, t-s.outOfOrder)
	}
	s.keeping = keep
	if dropped {
		e.Keep(keep)
	}
}

// click takes one event into the state, unless it is a copy or too late.
func (s *State) click(e *schemas.Events, i int, t, run int64) (class uint8, duplicate bool) {
	vi := s.find(&e.Visitor[i])
	known := vi != 0
	key := e.Key[i]
	if known {
		v := s.visitors.at(vi)
		s.seal(v, run)
		if s.has(v, key) {
			return 0, true
		}
		if v.n >= maxVisitorEvents { // before the event is judged: it may belong to what becomes final now
			s.cut(v.tenant, cutSessionEvents)
			s.settle(vi, run, true)
		}
	}
	if t < run-s.horizon && !(known && s.near(s.visitors.at(vi), t, run)) || known && t <= s.visitors.at(vi).floor {
		if t < run-tooOld {
			return schemas.LateTooOld, false
		}
		s.owe(e.Visitor[i], e.Tenant.Index[i], t)
		return schemas.LateOld, false
	}
	if t < run-s.horizon {
		s.owe(e.Visitor[i], e.Tenant.Index[i], t) // an order whose session it begins or carries on may have left
	}
	if !known {
		vi = s.visitorOf(e.Visitor[i], e.Tenant.Index[i])
	}
	v := s.visitors.at(vi)
	if int(v.n) == int(v.sealed) && s.nextFrozen(v.sessions) == 0 {
		v.floor = max(v.floor, run-s.retain) // whether anything of the visitor is remembered must not matter
	}
	s.touch(vi, schemas.Clickstream, e.Offset[i])
	if !s.rebase(v, t) {
		v.sealed = uint16(v.n) // 49 days lie between: the older events have long left
		s.settle(vi, run, false)
		s.rebase(v, t)
	}
	user, ok := s.userIndex(v, e.User[i])
	if !ok {
		s.cut(v.tenant, cutVisitorUsers)
	}
	var flags uint32
	if e.IsTest[i] != 0 {
		flags |= flagTest
	}
	if e.IsInternal[i] != 0 {
		flags |= flagInternal
	}
	if e.IsBot[i] != 0 {
		flags |= flagBot
	}
	s.insert(v, event{
		key: key, at: uint32(t - v.base()),
		meta: pack(e.Kind[i], e.PageType.Index[i], e.Channel.Index[i], e.Platform.Index[i], e.Region.Index[i], user, flags),
	})
	switch schemas.Kind(e.Kind[i]) {
	case schemas.KindOrderSubmit, schemas.KindPurchase:
		if e.Order[i] != 0 {
			s.hint(vi, e.Order[i], t, key)
		}
	}
	return schemas.LateNone, false
}

// has finds a copy among the visitor's events: the same source and id,
// whatever time and sequence the copy states.
func (s *State) has(v *visitor, key uint64) bool {
	evs := s.events(v)
	for i := len(evs) - 1; i >= int(v.sealed); i-- {
		if (evs[i].key^key)&hashMask == 0 {
			return true
		}
	}
	return false
}

// seal marks the spans that the running watermark has passed by more than the
// retention as out of the state, so that the outcome does not depend on when
// an epoch ended and evicted them.
func (s *State) seal(v *visitor, run int64) {
	for int(v.sealed) < int(v.n) {
		evs := s.events(v)
		i := int(v.sealed)
		if v.base()+int64(evs[i].at)+s.retain >= run {
			return
		}
		for i+1 < len(evs) && int64(evs[i+1].at-evs[i].at) <= s.gap {
			i++
		}
		if v.base()+int64(evs[i].at)+s.retain >= run {
			return
		}
		evs[i].meta |= flagBarrier
		v.sealed = uint16(i + 1)
		v.floor = max(v.floor, v.base()+int64(evs[i].at))
	}
}

// near says that t touches a span in state: a late event is then taken however
// late it is, so that nobody else has to write the session. One that touches
// what has left is not: the two would overlap.
func (s *State) near(v *visitor, t, run int64) bool {
	if t <= v.floor+s.gap {
		return false
	}
	evs := s.events(v)[v.sealed:]
	after, _ := slices.BinarySearchFunc(evs, t, func(e event, t int64) int {
		if v.base()+int64(e.at) < t {
			return -1
		}
		return 1
	})
	from := -1
	if after > 0 && t-(v.base()+int64(evs[after-1].at)) <= s.gap {
		from = after - 1
	} else if after < len(evs) && v.base()+int64(evs[after].at)-t <= s.gap {
		from = after
	}
	if from >= 0 {
		for from+1 < len(evs) && int64(evs[from+1].at-evs[from].at) <= s.gap {
			from++
		}
		if v.base()+int64(evs[from].at)+s.retain >= run {
			return true
		}
		// The span after the event may reach further than the one before it.
		if after < len(evs) && after > from && v.base()+int64(evs[after].at)-t <= s.gap {
			for after+1 < len(evs) && int64(evs[after+1].at-evs[after].at) <= s.gap {
				after++
			}
			if v.base()+int64(evs[after].at)+s.retain >= run {
				return true
			}
		}
	}
	for i := s.nextFrozen(v.sessions); i != 0; i = s.nextFrozen(s.sessions.at(i).next) {
		if r := s.sessions.at(i); t >= r.start-s.gap && t <= r.end()+s.gap && r.end()+s.retain >= run {
			return true
		}
	}
	return false
}

// passTime does what the watermark alone asks for: orders that age or leave,
// sessions that close or leave. Both are taken in the order of their ids.
func (s *State) passTime() {
	s.due = s.orderWheel.take(s, s.watermark, s.due[:0])
	slices.SortFunc(s.due, func(a, b uint32) int { return compareOrders(s.orders.at(a), s.orders.at(b)) })
	orders := len(s.due)
	for _, i := range s.due[:orders] {
		o := s.orders.at(i)
		if s.leaves(o) >= s.watermark {
			s.ageOrder(i, s.watermark)
			continue
		}
		if o.link == 0 {
			s.dropOrder(i)
			continue
		}
		s.setAge(o, 0)
		if v := s.visitors.at(o.link); v.mark == 0 {
			v.mark = settling
			s.due = append(s.due, o.link)
		}
	}
	for _, vi := range s.due[orders:] {
		s.wheel.remove(s, vi)
	}
	s.due = s.wheel.take(s, s.watermark, s.due)
	due := s.due[orders:]
	slices.SortFunc(due, func(a, b uint32) int {
		x, y := s.visitors.at(a), s.visitors.at(b)
		return bytes.Compare(x.id[:], y.id[:])
	})
	for _, vi := range due {
		s.visitors.at(vi).mark = settling // an order that leaves with another visitor must not drop this one
	}
	for k, vi := range due {
		if k%ahead == 0 {
			s.fetch(due[k:min(k+ahead, len(due))])
		}
		s.visitors.at(vi).mark = 0
		if s.ordinal > maxRows {
			s.wheel.queue(s, vi, s.watermark) // the version has no room: next epoch
			continue
		}
		if v := s.visitors.at(vi); s.unmoved(v) {
			s.schedule(vi, v, s.watermark) // only a gauge has changed
			s.drop(vi)                     // or the last order has left with another visitor
		} else {
			s.settle(vi, s.watermark, false)
		}
	}
	if n := s.ids.expire(s.watermark) + s.strays.expire(s.watermark); n > 0 {
		s.deltas.Add(0, s.register.StateCut, n, cutDedup)
	}
}

// unmoved says that the watermark alone changes none of the visitor's rows.
func (s *State) unmoved(v *visitor) bool {
	for i := v.sessions; i != 0; i = s.sessions.at(i).next {
		if r := s.sessions.at(i); r.flags&(archived|frozen) != 0 || r.flags&emittedClosed == 0 && r.end()+s.gap < s.watermark {
			return false
		}
	}
	return v.n == 0 || v.base()+int64(s.events(v)[0].at)+s.retain >= s.watermark
}

func compareOrders(a, b *order) int {
	if a.hash < b.hash {
		return -1
	}
	return 1
}
