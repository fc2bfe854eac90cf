package transform

import "github.com/storepulse/storepulse/schemas"

// cause names the record that a session row answers to.
type cause struct {
	topic  schemas.Topic
	offset int64
}

// touched is a visitor whose sessions must be folded again in this epoch.
type touched struct {
	visitor uint32
	cause   cause
}

// touch asks for a new fold of the visitor after all records are in.
func (s *State) touch(vi uint32, topic schemas.Topic, offset int64) {
	v := s.visitors.at(vi)
	if v.mark == 0 {
		s.touched = append(s.touched, touched{vi, cause{topic, offset}})
		v.mark = uint32(len(s.touched))
		return
	}
	if t := &s.touched[v.mark-1]; topic == schemas.Clickstream || t.cause.topic == topic {
		t.cause = cause{topic, offset}
	}
}

// settle folds the visitor, writes the rows in which the fold differs from
// what was emitted, closes and evicts by the watermark, and queues the visitor
// for the next time that the watermark alone changes it. With force, all
// sessions but the last leave (a bound was hit).
func (s *State) settle(vi uint32, watermark int64, force bool) {
	v := s.visitors.at(vi)
	mark := v.mark
	v.mark = settling // so that orders which leave do not take the visitor along
	s.absorb(v)
	s.foldEvents(v)
	for k := range s.folds {
		out := int(s.folds[k].to) <= int(v.sealed) && s.folds[k].to > 0
		s.folds[k].gone = out || s.spanEnds[k]+s.retain < watermark || force && k < len(s.folds)-1
	}
	s.freezeLong(v)
	s.linkOrders(vi, v)
	s.compare(v)
	s.emit(v, watermark)
	s.settleArchived(vi, v, watermark)
	s.evict(v, watermark)
	s.schedule(vi, v, watermark)
	s.trim(v)
	v.mark = mark
	s.drop(vi)
}

const settling = 1<<32 - 1

// freezeLong marks sessions beyond the bound; evict takes their events. All of
// them are a bot's, those that told it themselves are counted.
func (s *State) freezeLong(v *visitor) {
	for k := range s.folds {
		f := &s.folds[k]
		if f.events > maxSessionEvents && !f.approximate {
			f.approximate, f.bot = true, true
			s.cut(v.tenant, cutSessionEvents)
			for _, e := range s.events(v)[f.from:f.to] {
				s.countBotEvent(v, e)
			}
		}
	}
}

func (s *State) countBotEvent(v *visitor, e event) {
	if e.meta&flagBot == 0 {
		s.deltas.Add(int(v.tenant), s.register.EventsBot, 1, botEventCount)
	}
}

// compare walks the emitted sessions and the folds, both ascending by start.
// Emitted ones without a fold get a tombstone and leave what the counters have
// seen to the session that holds their first event now.
func (s *State) compare(v *visitor) {
	k := 0
	p := &v.sessions
	for *p != 0 {
		i := *p
		r := s.sessions.at(i)
		if r.flags&archived != 0 {
			p = &r.next
			continue
		}
		for k < len(s.folds) && s.folds[k].precedes(r) {
			k++
		}
		if k < len(s.folds) && s.folds[k].start == r.start && s.folds[k].key == r.key {
			s.folds[k].rec = i
			p = &r.next
			continue
		}
		// The fold before k is the last that begins before r.
		var heir *fold
		if k > 0 && s.folds[k-1].end >= r.start {
			heir = &s.folds[k-1]
		}
		s.tombstone(v, r, heir)
		if heir != nil {
			heir.absorbed++
			s.heirs = append(s.heirs, inheritance{int32(k - 1), r.counted, r.flags & countedFlags})
		}
		*p = r.next
		if r.kept != 0 {
			s.kept.put(r.kept)
		}
		s.sessions.put(i)
	}
	// New records take their place in the list.
	p = &v.sessions
	for k := range s.folds {
		f := &s.folds[k]
		if f.rec == 0 {
			for *p != 0 && s.sessions.at(*p).start <= f.start && !(s.sessions.at(*p).start == f.start && s.sessions.at(*p).key > f.key) {
				p = &s.sessions.at(*p).next
			}
			i := s.sessions.take()
			r := s.sessions.at(i)
			r.start, r.key, r.next = f.start, f.key, *p
			*p = i
			f.rec, f.fresh = i, true
		}
	}
	for _, h := range s.heirs {
		r := s.sessions.at(s.folds[h.fold].rec)
		r.counted = max(r.counted, h.counted)
		r.flags |= h.flags
	}
	s.heirs = s.heirs[:0]
}

// inheritance is what the counters have seen of a session that is gone.
type inheritance struct {
	fold    int32
	counted uint8
	flags   sessionFlags
}

// precedes is the canonical order of first events.
func (f *fold) precedes(r *session) bool {
	return f.start < r.start || f.start == r.start && f.key < r.key
}

// emit writes the rows that the emission rules ask for: at the start, at
// another stage or other orders, at the close, and at any change after it.
func (s *State) emit(v *visitor, watermark int64) {
	for k := range s.folds {
		f := &s.folds[k]
		r := s.sessions.at(f.rec)
		closed := f.end+s.gap < watermark || f.gone
		was := r.flags&emittedClosed != 0
		write := f.fresh || closed != was || r.stage != f.stage || r.links != f.links
		var digest uint64
		if write || was {
			digest = s.digest(f)
			write = write || digest != r.digest
		}
		if write {
			s.row(v, f, closed)
			r.digest, r.stage, r.links = digest, f.stage, f.links
			r.flags &^= emittedClosed
			if closed {
				r.flags |= emittedClosed
			}
		}
		r.ends(f.end)
		r.sees(f.channel, f.platform)
		r.flags &^= filtered
		if f.filtered() {
			r.flags |= filtered
		}
		s.countSession(v, f, r, closed)
	}
}

// evict takes the events of spans that have left and of frozen sessions out of
// the state. A session with an order that may still change stays as a row.
func (s *State) evict(v *visitor, watermark int64) {
	removed, cut := 0, false
	for k := range s.folds {
		f := &s.folds[k]
		r := s.sessions.at(f.rec)
		if f.gone {
			v.floor = max(v.floor, f.end)
			removed += int(f.to - f.from)
			s.leave(v, k, watermark)
		} else if f.approximate {
			cut = true
			if r.flags&frozen == 0 {
				removed += int(f.to - f.from)
				r.flags |= frozen
				s.keep(r, f)
			}
		}
	}
	s.crowd(v, cut, watermark) // a forced settle found the bound's worth of events
	if removed == 0 {
		return
	}
	evs, n := s.events(v), 0
	for k := range s.folds {
		if f := &s.folds[k]; !f.gone && !f.approximate {
			n += copy(evs[n:], evs[f.from:f.to])
		}
	}
	v.sealed = 0
	s.shrink(v, n)
	s.pruneUsers(v)
}

// leave ends the session's stay, or archives it for its orders' sake.
func (s *State) leave(v *visitor, k int, watermark int64) {
	f := &s.folds[k]
	r := s.sessions.at(f.rec)
	orders := s.linked[f.firstOrder:f.lastOrder]
	stays := false
	for _, l := range orders {
		o := s.orders.at(l.order)
		stays = stays || s.leaves(o) >= watermark || o.flags&uncounted != 0
	}
	if stays {
		for _, l := range orders {
			s.orders.at(l.order).flags |= linkFrozen
		}
		s.keep(r, f)
		r.flags |= archived
		r.flags &^= frozen
	} else {
		s.unlist(v, f.rec)
		for _, l := range orders {
			s.dropOrder(l.order)
		}
	}
	// Hints by events of this session have nothing to point at any more.
	for i := s.extra(v).hints; i != 0; {
		o := s.orders.at(i)
		next := o.nextHint
		if o.flags&linkFrozen == 0 && s.sessionWith(o.hintTime, o.hintKey) == k {
			s.detachHint(i)
		}
		i = next
	}
}

// keep stores the row of a session whose events are dropped.
func (s *State) keep(r *session, f *fold) {
	if r.kept == 0 {
		r.kept = s.kept.take()
	}
	k := s.kept.at(r.kept)
	*k = *f
	k.from, k.to, k.rec, k.firstOrder, k.lastOrder, k.absorbed, k.fresh, k.gone = 0, 0, 0, 0, 0, 0, false, false
}

func (s *State) unlist(v *visitor, i uint32) {
	p := &v.sessions
	for *p != i {
		p = &s.sessions.at(*p).next
	}
	r := s.sessions.at(i)
	*p = r.next
	if r.kept != 0 {
		s.kept.put(r.kept)
	}
	s.sessions.put(i)
}

// settleArchived brings rows of sessions whose span has left up to date with
// their orders and lets them go when no order can change them any more.
func (s *State) settleArchived(vi uint32, v *visitor, watermark int64) {
	for i := v.sessions; i != 0; {
		r := s.sessions.at(i)
		next := r.next
		if r.flags&archived != 0 {
			s.settleRow(vi, v, i, watermark)
		}
		i = next
	}
}

func (s *State) settleRow(vi uint32, v *visitor, i uint32, watermark int64) {
	r := s.sessions.at(i)
	s.archive = s.archive[:0]
	stays := false
	collect := func(oi uint32) {
		o := s.orders.at(oi)
		if o.flags&linkFrozen != 0 && o.link == vi && o.linkStart == r.start && o.linkKey == r.key {
			stays = stays || s.leaves(o) >= watermark || o.flags&uncounted != 0
			s.archive = append(s.archive, linked{order: oi, at: o.at(), hash: o.hash})
		}
	}
	for oi := s.extra(v).orders; oi != 0; oi = s.orders.at(oi).nextOrder {
		collect(oi)
	}
	for oi := s.extra(v).hints; oi != 0; oi = s.orders.at(oi).nextHint {
		if s.orders.at(oi).visitorRef != vi {
			collect(oi)
		}
	}
	sortLinked(s.archive)
	f := s.kept.at(r.kept)
	hold := s.linked
	s.linked = s.archive
	s.foldOrders(f, s.linked)
	f.firstOrder, f.lastOrder = 0, int32(len(s.linked))
	if f.links != r.links || f.stage != r.stage {
		s.row(v, f, true)
		r.digest, r.stage, r.links = s.digest(f), f.stage, f.links
		s.countSession(v, f, r, true)
	}
	s.linked = hold
	if !stays {
		s.unlist(v, i)
		for _, l := range s.archive {
			s.dropOrder(l.order)
		}
	}
}

// schedule queues the visitor for the earliest watermark at which something
// about it changes without a record, and brings the gauges up to date.
func (s *State) schedule(vi uint32, v *visitor, watermark int64) {
	due := int64(never)
	var open, active uint16
	platform := uint8(0)
	for i := v.sessions; i != 0; {
		r := s.sessions.at(i)
		if r.flags&archived == 0 {
			if r.flags&emittedClosed == 0 {
				open++
				due = min(due, r.end()+s.gap+1)
			}
			if quiet := r.end() + activeWindow - s.outOfOrder; quiet > watermark && r.flags&filtered == 0 {
				active++
				platform = r.platform()
				due = min(due, quiet)
			}
			if r.flags&frozen != 0 {
				due = min(due, r.end()+s.retain+1)
			}
		}
		i = r.next
	}
	if v.n > 0 {
		due = min(due, s.firstSpanEnd(v)+s.retain+1)
	}
	s.gauge(v, open, active, platform)
	if due == never {
		s.wheel.remove(s, vi)
		return
	}
	s.wheel.later(s, vi, due)
}

const never = 1<<63 - 1

// firstSpanEnd is the last event of the first natural span.
func (s *State) firstSpanEnd(v *visitor) int64 {
	evs := s.events(v)
	i := 0
	for i+1 < len(evs) && int64(evs[i+1].at-evs[i].at) <= s.gap && evs[i].meta&flagBarrier == 0 {
		i++
	}
	return v.base() + int64(evs[i].at)
}
