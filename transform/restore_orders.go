package transform

import (
	"github.com/storepulse/storepulse/schemas"
)

func (s *State) readOrders(r *reader, tenants []knownTenant) {
	last := uint64(0)
	for n := range r.count(61) {
		hash := r.fixed()
		if n > 0 && hash <= last {
			r.fail(errOrder)
		}
		last = hash
		if r.err != nil {
			return
		}
		if i := s.orderOf(hash, 0); !s.readOrder(r, i, tenants) {
			return
		}
	}
}

func (s *State) readOrder(r *reader, i uint32, tenants []knownTenant) bool {
	o := s.orders.at(i)
	o.created, o.paidAt, o.cancelled, o.seen = r.time(), r.time(), r.time(), r.time()
	o.payable, o.paid = r.int(), r.int()
	o.payableVersion, o.paidVersion, o.rankVersion = r.uint(), r.uint(), r.uint()
	o.rank, o.flags = uint16(r.upTo(1<<16-1)), orderFlags(r.upTo(uint64(paysLater)<<1-1))
	other := uint8(len(s.vocabulary.Categories) - 1)
	for k := range o.units.n {
		o.units.n[k] = uint32(r.upTo(1<<32 - 1))
		o.units.category[k] = min(r.byte(), other)
	}
	tenant := r.below(len(tenants))
	o.ident, o.how = r.below(3), r.below(len(schemas.AttributionNames))
	o.platform = r.below(int(schemas.NumPlatforms))
	o.currency, o.paidIn = r.below(len(schemas.CurrencyNames())), r.below(len(schemas.CurrencyNames()))
	o.kind, o.region = r.below(len(schemas.OrderTypeNames)), r.below(schemas.RegionOther+1)
	refs := r.below(8)
	o.visitor = r.id()
	if r.err != nil || o.flags&uncounted != 0 {
		r.fail(errValue)
		return false
	}
	if tenants[tenant].number == closedShop {
		skipRefs(r, refs)
		s.dropOrder(i)
		return r.err == nil
	}
	o.tenant = tenants[tenant].number
	if refs&1 != 0 {
		if o.visitorRef = s.known(r, o.visitor); o.visitorRef != 0 {
			v := s.extend(s.visitors.at(o.visitorRef))
			o.nextOrder, v.orders = v.orders, i
		}
	}
	if refs&2 != 0 {
		o.hintRef = s.known(r, r.id())
		o.hintTime, o.hintKey = r.time(), r.fixed()
		if o.hintRef != 0 {
			v := s.extend(s.visitors.at(o.hintRef))
			o.nextHint, v.hints = v.hints, i
		}
	}
	if refs&4 != 0 {
		o.link = s.known(r, r.id())
		o.linkStart, o.linkKey = r.time(), r.fixed()
	}
	if r.err == nil && !s.linkHolds(o) {
		r.fail(errRef)
	}
	if r.err != nil {
		return false
	}
	s.ageOrder(i, s.watermark)
	return true
}

// linkHolds says that the order's link names a session that is there, of a
// visitor who lists the order, and that both say alike whether it has left.
func (s *State) linkHolds(o *order) bool {
	left := o.flags&linkFrozen != 0
	if o.link == 0 {
		return !left
	}
	if o.link != o.visitorRef && o.link != o.hintRef {
		return false
	}
	x := s.sessionOfLink(o)
	return x != nil && (x.flags&archived != 0) == left
}

// sessionOfLink gives the session to which the order is linked, nil if it is not there.
func (s *State) sessionOfLink(o *order) *session {
	for i := s.visitors.at(o.link).sessions; i != 0; i = s.sessions.at(i).next {
		if r := s.sessions.at(i); r.start == o.linkStart && r.key == o.linkKey {
			return r
		}
	}
	return nil
}

func (s *State) known(r *reader, id schemas.ID) uint32 {
	i := s.find(&id)
	if i == 0 {
		r.fail(errRef)
	}
	return i
}
