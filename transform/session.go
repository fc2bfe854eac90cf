package transform

import (
	"crypto/sha1"
	"encoding/binary"

	"github.com/storepulse/storepulse/schemas"
)

// session remembers what was emitted under a session id, so that a new fold
// can be compared with it, and what the counters have seen of it.
type session struct {
	start   int64
	key     uint64 // of the first event; with start and visitor it gives the id
	digest  uint64 // of the last row, to notice a change after the close
	links   uint64 // digest of the linked orders in the last row
	length  uint32 // ms
	next    uint32 // of the same visitor
	kept    uint32 // the row itself, for archived and frozen sessions
	flags   sessionFlags
	stage   uint8 // of the last row
	counted uint8 // highest stage that the counters have seen, 0 = not even started
	source  uint8 // channel and platform
}

// end is the time of the last event. A session is shorter than maxSpan: its
// events fit the visitor's offsets.
func (r *session) end() int64     { return r.start + int64(r.length) }
func (r *session) ends(end int64) { r.length = uint32(end - r.start) }

func (r *session) channel() uint8  { return r.source & 31 }
func (r *session) platform() uint8 { return r.source >> 5 }

func (r *session) sees(channel, platform uint8) { r.source = channel | platform<<5 }

// Both fit a session's source.
const (
	_ = uint(32 - schemas.NumChannels)
	_ = uint(8 - schemas.NumPlatforms)
)

type sessionFlags uint8

const (
	emittedClosed sessionFlags = 1 << iota
	frozen                     // over maxSessionEvents: its events are counted, not kept
	archived                   // its span has left, a linked order has not
	filtered                   // test, internal or bot: outside the business counters
	countedClosed
	countedCart
	countedCartPaid
	countedCheckout
	countedFlags = countedClosed | countedCart | countedCartPaid | countedCheckout
)

// fold is one session as computed from its events and orders.
type fold struct {
	start, end                                   int64
	key                                          uint64
	user                                         uint64
	firstView, firstCart, firstCheckout          int64
	firstSubmit, firstPay                        int64
	placed, paid                                 int64
	links                                        uint64 // digest of the linked orders
	events, views                                uint32
	orders, ordersPaid                           uint16
	landing, exit, channel, platform, region     uint8
	raw, stage, currency                         uint8
	test, internal, bot, conversion, approximate bool

	// Not part of the row.
	from, to    int32  // its events in the visitor's list
	rec         uint32 // the emitted session
	firstOrder  int32  // its orders in State.linked
	lastOrder   int32
	absorbed    uint16 // emitted sessions whose first event it holds now
	fresh, gone bool   // not emitted before; its span has left
}

func (f *fold) filtered() bool { return f.test || f.internal || f.bot }
func (f *fold) bounce() bool   { return f.views == 1 && !f.conversion && f.orders == 0 }
func (f *fold) engaged() bool {
	return f.end-f.start > 10*second || f.conversion || f.orders > 0 || f.views >= 2
}

func (f *fold) cartSkipped() bool {
	return f.stage >= uint8(schemas.StageCheckoutStart) && f.raw&(1<<schemas.StageAddToCart) == 0
}

// add folds one event at time t into the session.
func (f *fold) add(e event, t int64) {
	f.end = t
	f.events++
	f.test = f.test || e.meta&flagTest != 0
	f.internal = f.internal || e.meta&flagInternal != 0
	f.bot = f.bot || e.meta&flagBot != 0
	if c := e.channel(); f.channel <= uint8(schemas.ChannelDirect) && c > uint8(schemas.ChannelDirect) {
		f.channel = c
	}
	if f.region == 0 {
		f.region = e.region()
	}
	switch e.kind() {
	case schemas.KindPageView:
		if f.views == 0 {
			f.landing = e.page()
		}
		f.exit = e.page()
		f.views++
		f.raw |= 1 << schemas.StageVisit
	case schemas.KindViewItem:
		f.raw |= 1 << schemas.StageProductView
		f.firstView = first(f.firstView, t)
	case schemas.KindAddToCart:
		f.raw |= 1 << schemas.StageAddToCart
		f.firstCart = first(f.firstCart, t)
		f.conversion = true
	case schemas.KindBeginCheckout:
		f.raw |= 1 << schemas.StageCheckoutStart
		f.firstCheckout = first(f.firstCheckout, t)
		f.conversion = true
	case schemas.KindOrderSubmit, schemas.KindPurchase, schemas.KindSearch, schemas.KindLogin:
		f.conversion = true
	}
}

func first(known, t int64) int64 {
	if known == 0 {
		return t
	}
	return known
}

// reach sets the funnel stage from the raw bits.
func (f *fold) reach() {
	f.stage = uint8(schemas.StageVisit)
	for k := schemas.StageProductView; k <= schemas.StagePay; k++ {
		if f.raw&(1<<k) != 0 {
			f.stage = uint8(k)
		}
	}
}

// foldEvents computes the visitor's sessions from its packed events, ascending
// by start, into s.folds. Frozen sessions stand among them with their counts.
// spanEnds gets, per fold, the end of the natural span it lies in.
func (s *State) foldEvents(v *visitor) {
	s.folds, s.spanEnds = s.folds[:0], s.spanEnds[:0]
	frozenNext := s.nextFrozen(v.sessions)
	evs := s.events(v)
	span := 0 // first fold of the span
	closeSpan := func() {
		for i := span; i < len(s.folds); i++ {
			s.spanEnds = append(s.spanEnds, s.folds[len(s.folds)-1].end)
		}
		span = len(s.folds)
	}
	var cur *fold
	var curUser uint8
	for i, e := range evs {
		t := v.base() + int64(e.at)
		for frozenNext != 0 && s.sessions.at(frozenNext).start <= t {
			closeSpan()
			s.foldFrozen(frozenNext)
			closeSpan()
			frozenNext = s.nextFrozen(s.sessions.at(frozenNext).next)
			cur = nil
		}
		newSpan := cur == nil || t-cur.end > s.gap || evs[i-1].meta&flagBarrier != 0
		u := e.user()
		if newSpan || t-cur.start >= s.maxLength || u != 0 && curUser != 0 && u != curUser {
			if newSpan {
				closeSpan()
			}
			s.folds = append(s.folds, fold{start: t, key: e.key, from: int32(i), channel: uint8(schemas.ChannelDirect), platform: e.platform()})
			cur, curUser = &s.folds[len(s.folds)-1], 0
		}
		if u != 0 && curUser == 0 {
			curUser, cur.user = u, s.user(v, u)
		}
		cur.to = int32(i + 1)
		cur.add(e, t)
	}
	for ; frozenNext != 0; frozenNext = s.nextFrozen(s.sessions.at(frozenNext).next) {
		closeSpan()
		s.foldFrozen(frozenNext)
	}
	closeSpan()
}

func (s *State) nextFrozen(i uint32) uint32 {
	for i != 0 {
		r := s.sessions.at(i)
		if r.flags&frozen != 0 && r.flags&archived == 0 {
			return i
		}
		i = r.next
	}
	return 0
}

func (s *State) foldFrozen(i uint32) {
	r := s.sessions.at(i)
	f := *s.kept.at(r.kept)
	f.from, f.to = 0, 0
	s.folds = append(s.folds, f)
}

// absorb takes the events that belong to a frozen session out of the list and
// counts them there. It is rare, so it is allowed to be slow.
func (s *State) absorb(v *visitor) {
	for i := s.nextFrozen(v.sessions); i != 0; i = s.nextFrozen(s.sessions.at(i).next) {
		f := s.kept.at(s.sessions.at(i).kept)
		evs, n := s.events(v), 0
		for k, e := range evs {
			t := v.base() + int64(e.at)
			if k < int(v.sealed) || t < f.start || t > f.end+s.gap || t-f.start >= s.maxLength {
				evs[n] = e
				n++
				continue
			}
			end := max(f.end, t)
			f.add(e, t)
			f.end = end
			s.countBotEvent(v, e)
		}
		if n < len(evs) {
			s.shrink(v, n)
		}
	}
}

// namespace of session ids; it never changes.
var namespace = [16]byte{0x5c, 0x1d, 0x0e, 0x4e, 0x7f, 0x0b, 0x5b, 0x63, 0x9a, 0x51, 0x0d, 0x7e, 0x6a, 0x2c, 0x3b, 0x94}

// sessionID is a UUIDv5 of the visitor and the session's first event, so it is
// the same whoever computes it and a tombstone can repeat start and date.
func sessionID(visitor schemas.ID, start int64, key uint64) schemas.ID {
	var b [48]byte
	copy(b[:16], namespace[:])
	copy(b[16:32], visitor[:])
	binary.BigEndian.PutUint64(b[32:], key)
	binary.BigEndian.PutUint64(b[40:], uint64(start))
	h := sha1.Sum(b[:])
	var id schemas.ID
	copy(id[:], h[:16])
	id[6] = id[6]&0x0f | 0x50
	id[8] = id[8]&0x3f | 0x80
	return id
}
