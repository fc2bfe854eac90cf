package transform

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
