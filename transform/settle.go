package transform

import (
	"github.com/storepulse/storepulse/schemas"
)

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
