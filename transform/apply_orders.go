package transform

import "github.com/storepulse/storepulse/schemas"

// applyOrders takes the orders topic in offset order. It comes before the
// clickstream, so that a session that leaves in this epoch knows its orders.
func (s *State) applyOrders(b *schemas.Batch) {
	o, items := b.Orders, b.Items
	keep := s.keeping[:0]
	run := s.ordersClock
	dropped, item := false, 0
	keepItems := s.keepingItems[:0]
	for i := range o.Offset {
		t, clamped := eventTime(o.Time[i], o.Sent[i], o.Received[i], o.Stamp[i], o.Explicit[i])
		o.Time[i], o.Sent[i] = t, 0
		if clamped {
			o.TimeCorrected[i] = 1
		}
		if at := arrivedAt(o.Received[i], o.Stamp[i]); clamped || max(o.CreatedAt[i], o.PaidAt[i]) > at+futureBound {
			o.Received[i] = at // a rebuild reads it back, not the Kafka timestamp
		}
		tenant, offset := o.Tenant.Index[i], o.Offset[i]
		o.Day[i] = s.days[tenant].date(t)
		s.cause = cause{schemas.OrdersTopic, offset}
		duplicate := copied(&s.copies[schemas.OrdersTopic], offset) || s.ids.seen(o.Dedup[i], s.watermark, max(t, s.watermark)+s.retain)
		keep = append(keep, !duplicate)
		from := item
		for ; item < len(items.Offset) && items.Offset[item] == offset; item++ {
			items.Time[item], items.Day[item] = t, o.Day[i]
			keepItems = append(keepItems, !duplicate)
		}
		if duplicate {
			dropped = true
			s.out.Counts.Duplicates[schemas.OrdersTopic]++
			s.deltas.Add(int(tenant), s.register.EventsDuplicate, 1, int(schemas.OrdersTopic))
		} else {
			s.out.Counts.Facts[schemas.OrdersTopic]++
			s.acceptOrder(o, i, run)
			s.orderUnits(o.Order[i], items, from, item)
		}
		run = max(run, t-s.outOfOrder)
	}
	s.ordersClock, s.keeping, s.keepingItems = run, keep, keepItems
	if dropped {
		o.Keep(keep)
		items.Keep(keepItems)
	}
}

func (s *State) acceptOrder(o *schemas.Orders, i int, run int64) {
	t, tenant := o.Time[i], o.Tenant.Index[i]
	class := schemas.LateNone
	switch {
	case t < run-tooOld:
		class = schemas.LateTooOld
	case t < run-s.horizon:
		class = schemas.LateOld
	}
	o.Late.Index[i] = class
	s.countOrderEvent(o, i)
	if run > 0 {
		s.deltas.Observe(int(tenant), s.register.EventLateness, s.lateness(t, run), int(schemas.OrdersTopic))
	}
	if class != schemas.LateNone {
		s.late(schemas.OrdersTopic, o.Offset[i], tenant, o.EventID.At(i), o.Type.Index[i], t, o.Day[i], o.Visitor[i], run, class)
	}
	switch schemas.Kind(o.Kind[i]) {
	case schemas.KindRefundRequested, schemas.KindRefundSucceeded:
		s.refund(o, i)
	}
	s.mergeOrder(o, i)
}

func (s *State) refund(o *schemas.Orders, i int) {
	r := s.out.Refunds
	r.Topic.Append(o.Topic.Index[i])
	r.Offset.Append(o.Offset[i])
	r.Tenant.Append(o.Tenant.Index[i])
	r.Type.Append(o.Type.Index[i])
	r.Time.Append(o.Time[i])
	r.Day.Append(o.Day[i])
	r.OrderID.Append(o.OrderID.At(i))
	r.Order.Append(o.Order[i])
	r.RefundID.Append(o.RefundID.At(i))
	r.RefundType.Append(o.RefundType.Index[i])
	r.RefundReason.Append(o.RefundReason.Index[i])
	r.Refund.Append(o.Refund[i])
	r.Currency.Append(o.Currency.Index[i])
}

func (s *State) late(topic schemas.Topic, offset int64, tenant uint8, id []byte, kind uint8, t int64, date uint16, visitor schemas.ID, run int64, class uint8) {
	l := s.out.Late
	l.Topic.Append(uint8(topic))
	l.Offset.Append(offset)
	l.Tenant.Append(tenant)
	l.EventID.Append(id)
	l.Type.Append(kind)
	l.Time.Append(t)
	l.Day.Append(date)
	l.Visitor.Append(visitor)
	l.Watermark.Append(run)
	l.Class.Append(class)
	s.out.Counts.Late[topic]++
	s.deltas.Add(int(tenant), s.register.EventsLate, 1, int(topic), int(class)-1)
}

// orderUnits remembers the units by category of the first event of the order
// that lists its lines; they are counted when it is paid.
func (s *State) orderUnits(hash uint64, items *schemas.OrderItems, from, to int) {
	i, ok := s.orderIndex[hash]
	if !ok || from == to {
		return
	}
	o := s.orders.at(i)
	if o.flags&orderUnits != 0 {
		return
	}
	o.flags |= orderUnits
	other := uint8(len(s.vocabulary.Categories) - 1)
	for k := from; k < to; k++ {
		category := other
		if name := items.Category1.At(k); len(name) == 0 {
			category = 0
		} else if c, ok := s.categories[string(name)]; ok {
			category = c
		}
		o.units.add(category, other, items.Quantity[k])
	}
}

// add counts n units of the category. The last place is shared by all that have
// none of their own: beyond one category it is of the others.
func (u *unitCounts) add(category, other uint8, n uint32) {
	last := len(u.n) - 1
	for k := range u.n {
		if k == last && u.n[k] > 0 && u.category[k] != category {
			u.category[k] = other
		}
		if u.n[k] == 0 || u.category[k] == category || k == last {
			if u.n[k] == 0 {
				u.category[k] = category
			}
			u.n[k] += n
			return
		}
	}
}
