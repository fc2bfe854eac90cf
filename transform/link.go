package transform

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/storepulse/storepulse/schemas"
)

// linked says that an order belongs to a session of the visitor being folded.
type linked struct {
	session int32 // in State.folds
	order   uint32
	at      int64
	hash    uint64
}

// linkOrders finds the session of each of the visitor's orders (docs/events.md, Orders):
// the session of a click that names the order, if the click lies from a gap
// before the order to the clock tolerance after it; then the latest session
// of the order's own visitor that covers the order; then, for orders without
// another visitor, a click that names it up to a gap later. Each choice
// depends on this visitor's events and the order alone.
func (s *State) linkOrders(vi uint32, v *visitor) {
	s.linked = s.linked[:0]
	for i := s.extra(v).orders; i != 0; i = s.orders.at(i).nextOrder {
		s.linkOrder(vi, i)
	}
	for i := s.extra(v).hints; i != 0; i = s.orders.at(i).nextHint {
		if s.orders.at(i).visitorRef != vi {
			s.linkOrder(vi, i)
		}
	}
	sortLinked(s.linked)
	n := 0
	for k := range s.folds {
		f := &s.folds[k]
		f.firstOrder = int32(n)
		for n < len(s.linked) && int(s.linked[n].session) == k {
			n++
		}
		f.lastOrder = int32(n)
		s.foldOrders(f, s.linked[f.firstOrder:f.lastOrder])
	}
}

func (s *State) linkOrder(vi, i uint32) {
	o := s.orders.at(i)
	if o.flags&linkFrozen != 0 {
		return
	}
	k, how := s.sessionOf(vi, o)
	if k < 0 {
		if o.link == vi {
			s.unlink(i)
		}
		return
	}
	f := &s.folds[k]
	o.link, o.linkStart, o.linkKey, o.how = vi, f.start, f.key, how
	s.linked = append(s.linked, linked{session: int32(k), order: i, at: o.at(), hash: o.hash})
}

// sessionOf gives the fold that the order links to, -1 if none of this visitor.
func (s *State) sessionOf(vi uint32, o *order) (k int, how uint8) {
	if !o.linkable() {
		return -1, byNone
	}
	at := o.at()
	if o.hintRef != 0 && o.hintTime >= at-s.gap && o.hintTime <= at+clockTolerance {
		if o.hintRef != vi {
			return -1, byNone
		}
		return s.sessionWith(o.hintTime, o.hintKey), byHint
	}
	if o.visitorRef == vi {
		for k := len(s.folds) - 1; k >= 0; k-- {
			f := &s.folds[k]
			if f.start > at+clockTolerance {
				continue
			}
			if at > f.end+s.gap+clockTolerance {
				break
			}
			if o.ident == identUser {
				return k, byUser
			}
			return k, byAnonymous
		}
	}
	if o.hintRef == vi && (o.visitorRef == vi || o.visitorRef == 0) && o.hintTime >= at-s.gap && o.hintTime <= at+s.gap {
		return s.sessionWith(o.hintTime, o.hintKey), byHint
	}
	return -1, byNone
}

// sessionWith gives the fold that holds the event, -1 if its session has left.
func (s *State) sessionWith(t int64, key uint64) int {
	for k := len(s.folds) - 1; k >= 0; k-- {
		f := &s.folds[k]
		if f.start < t || f.start == t && f.key <= key {
			if t > f.end {
				return -1
			}
			return k
		}
	}
	return -1
}

// foldOrders computes what the session's orders contribute to its row.
func (s *State) foldOrders(f *fold, orders []linked) {
	f.orders, f.ordersPaid, f.placed, f.paid, f.firstSubmit, f.firstPay, f.currency, f.links = 0, 0, 0, 0, 0, 0, 0, 0
	f.raw &^= 1<<schemas.StageOrderSubmit | 1<<schemas.StagePay
	if len(orders) > 0 {
		f.currency = s.orders.at(orders[0].order).money()
		f.firstSubmit = orders[0].at
		f.raw |= 1 << schemas.StageOrderSubmit
	}
	for _, l := range orders {
		o := s.orders.at(l.order)
		f.orders++
		if o.money() == f.currency {
			f.placed += o.payable
		}
		paid := int64(0)
		if o.paidInTime(s.payWindow) {
			f.ordersPaid++
			f.raw |= 1 << schemas.StagePay
			f.firstPay = earliest(f.firstPay, o.paidAt)
			if o.paidIn == f.currency {
				f.paid += o.paid
			}
			paid = o.paidAt
		}
		var b [48]byte
		binary.LittleEndian.PutUint64(b[0:], f.links)
		binary.LittleEndian.PutUint64(b[8:], o.hash)
		binary.LittleEndian.PutUint64(b[16:], uint64(l.at))
		binary.LittleEndian.PutUint64(b[24:], uint64(paid))
		binary.LittleEndian.PutUint64(b[32:], uint64(f.placed))
		binary.LittleEndian.PutUint64(b[40:], uint64(f.paid))
		f.links = max(1, xxh3.Hash(b[:]))
	}
	f.reach()
}

// sortLinked orders by session, then by creation: the first order of a session
// gives its currency.
func sortLinked(orders []linked) {
	if len(orders) < 2 {
		return
	}
	slices.SortFunc(orders, func(a, b linked) int {
		return cmp.Or(cmp.Compare(a.session, b.session), cmp.Compare(a.at, b.at), cmp.Compare(a.hash, b.hash))
	})
}
