package transform

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/storepulse/storepulse/schemas"
)

// Survey looks at what waits for a rebuild and is out of the state's reach, and
// asks load for the past until it knows all that matters. It changes nothing
// but what Rebuild takes up next, and says whether a Rebuild is due.
func (s *State) Survey(load func(*Ask) (*Past, error)) (due bool, err error) {
	s.survey = nil
	x := s.beginSurvey()
	if x == nil {
		return false, nil
	}
	for a := x.ask(); a != nil; a = x.ask() {
		p, err := load(a)
		if err != nil {
			return false, err
		}
		x.take(a, p)
	}
	s.survey = x
	return x.due(), nil
}

// Rebuilt says what a rebuild did.
type Rebuilt struct {
	Sessions  int // written anew
	Withdrawn int // of these tombstones
	Settled   int // waits that are over
	Left      int // of these because the sessions are beyond the bounds: they stay as they are
	Waiting   int // waits that remain
	More      bool
}

// Rebuild ends the survey: it writes the sessions that it found anew, all of
// them, withdraws those that are no more, and forgets what is settled. Rows
// depend on the facts alone and come in one order, so that an epoch in doubt
// gives them again.
func (s *State) Rebuild(version int, epoch uint64, out *Output) (did Rebuilt, err error) {
	if version != Version {
		return did, fmt.Errorf("transform version %d: this program runs version %d", version, Version)
	}
	x := s.survey
	s.survey = nil
	out.reset()
	if x != nil {
		clusters := x.done()
		x.replay(clusters, epoch, out)
		did.Sessions = out.Sessions.Rows()
		did.Withdrawn = x.withdraw(clusters, epoch, out)
		s.settleWaits(x, &did)
		did.More = x.full || x.stopped
	}
	did.Waiting = s.waits.n
	s.deltas = out.Deltas
	s.setGauges(s.watermark)
	s.deltas = nil
	return did, nil
}

// far is later than every event, and away from the numbers' end.
const far = 1 << 44

// replay runs the sessionizer over the events of the clusters, with everything
// in the horizon, and gives their sessions.
func (x *survey) replay(clusters []*cluster, epoch uint64, out *Output) {
	s := New(x.s.vocabulary, x.s.register, x.s.settings)
	s.retain, s.epoch = 2*far, epoch
	s.deltas = schemas.NewDeltas(s.register, len(s.vocabulary.Tenants))
	s.out = &Output{Sessions: out.Sessions, Refunds: schemas.NewRefunds(s.vocabulary), Late: schemas.NewLate(s.vocabulary), Deltas: s.deltas}

	var clicks []PastClick
	for _, c := range clusters {
		clicks = append(clicks, x.past[c.visitor].clicks[c.first:c.last+1]...)
	}
	have := make(map[int64]bool, len(clicks))
	for _, c := range clicks {
		have[c.Offset] = true
	}
	orders := schemas.NewOrders(s.vocabulary)
	hashes := slices.Clone(x.hashes)
	slices.Sort(hashes)
	for _, hash := range hashes {
		o := x.orders[hash]
		if !x.within(o) {
			continue
		}
		for _, e := range o.events {
			e.appendTo(orders)
		}
		for _, c := range o.names { // the earliest decides, wherever it lies
			if !have[c.Offset] {
				have[c.Offset] = true
				clicks = append(clicks, c)
			}
		}
	}
	slices.SortFunc(clicks, func(a, b PastClick) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Key, b.Key), bytes.Compare(a.Visitor[:], b.Visitor[:]), cmp.Compare(a.Offset, b.Offset))
	})
	events := schemas.NewEvents(s.vocabulary)
	for i := range clicks {
		clicks[i].appendTo(events)
	}

	for i := range orders.Offset {
		s.cause = cause{schemas.OrdersTopic, orders.Offset[i]}
		s.mergeOrder(orders, i)
	}
	for i := range events.Offset {
		s.cause = cause{schemas.Clickstream, events.Offset[i]}
		s.click(events, i, events.Time[i], -far)
	}
	slices.SortFunc(s.touched, func(a, b touched) int {
		x, y := s.visitors.at(a.visitor), s.visitors.at(b.visitor)
		return bytes.Compare(x.id[:], y.id[:])
	})
	for _, t := range s.touched {
		s.visitors.at(t.visitor).mark = 0
		s.cause = t.cause
		s.settle(t.visitor, far, false)
	}

	// The sessions of clicks that only name an order are not asked for.
	rows := out.Sessions
	keep := make([]bool, rows.Rows())
	for i := range keep {
		keep[i] = inside(clusters, rows.Visitor[i], rows.Start[i]) != nil
	}
	for _, c := range rows.Columns() {
		c.Keep(keep)
	}
	for i := range rows.Version {
		rows.Version[i] = epoch<<20 | uint64(i+1)
	}
}

// within says that the order may link to a cluster that is written.
func (x *survey) within(o *pastOrder) bool {
	for _, r := range x.regionsOf(o) {
		if x.cluster(r, func(c *cluster) bool { return root(c).state == 0 }) != nil {
			return true
		}
	}
	return false
}

// inside finds the cluster of a time.
func inside(clusters []*cluster, id schemas.ID, t int64) *cluster {
	i, found := slices.BinarySearchFunc(clusters, t, func(c *cluster, t int64) int {
		return cmp.Or(bytes.Compare(c.visitor[:], id[:]), cmp.Compare(c.from, t))
	})
	if !found {
		i--
	}
	if i < 0 || clusters[i].visitor != id || t > clusters[i].to {
		return nil
	}
	return clusters[i]
}

// withdraw adds a tombstone for every session that was ever written there and
// is not among the rows. It names the session that holds its first event.
func (x *survey) withdraw(clusters []*cluster, epoch uint64, out *Output) (n int) {
	rows := out.Sessions
	live := make(map[schemas.ID]bool, rows.Rows())
	for _, id := range rows.Session {
		live[id] = true
	}
	list := slices.Clone(x.emitted)
	slices.SortFunc(list, func(a, b PastSession) int {
		return cmp.Or(bytes.Compare(a.Visitor[:], b.Visitor[:]), cmp.Compare(a.Start, b.Start), bytes.Compare(a.Session[:], b.Session[:]))
	})
	list = slices.CompactFunc(list, func(a, b PastSession) bool { return a.Session == b.Session && a.Visitor == b.Visitor })
	known := rows.Rows()
	s := &State{out: out, epoch: epoch, ordinal: uint64(known), days: x.s.days}
	for _, old := range list {
		c := inside(clusters, old.Visitor, old.Start)
		if c == nil || live[old.Session] {
			continue
		}
		s.cause = cause{schemas.Clickstream, x.past[old.Visitor].clicks[c.last].Offset}
		v := &visitor{id: old.Visitor, tenant: old.Tenant}
		s.tombstone(v, &session{start: old.Start}, nil)
		last := rows.Rows() - 1
		rows.Session[last] = old.Session
		if start, key, ok := x.heir(rows, known, c, old); ok {
			rows.MergedInto[last] = sessionID(old.Visitor, start, key)
		}
		n++
	}
	return n
}

// heir finds the session that holds the first event of one that is no more.
func (x *survey) heir(rows *schemas.Sessions, n int, c *cluster, old PastSession) (start int64, key uint64, ok bool) {
	clicks := x.past[old.Visitor].clicks[c.first : c.last+1]
	first := -1
	for i, k := range clicks {
		if k.Time == old.Start && sessionID(old.Visitor, k.Time, k.Key) == old.Session {
			first = i
		}
	}
	begins := make(map[schemas.ID]bool)
	for i := range n {
		if rows.Visitor[i] == old.Visitor {
			begins[rows.Session[i]] = true
		}
	}
	for i := first; i >= 0; i-- { // back to the event that begins a session
		if begins[sessionID(old.Visitor, clicks[i].Time, clicks[i].Key)] {
			return clicks[i].Time, clicks[i].Key, true
		}
	}
	return 0, 0, false
}

// settleWaits forgets what is over and puts off what was found unfinished.
func (s *State) settleWaits(x *survey, did *Rebuilt) {
	off := s.watermark + s.gap
	end := func(t taint) bool {
		if t&(held|lacks) != 0 {
			return false
		}
		did.Settled++
		if t != 0 {
			did.Left++
		}
		s.waits.n--
		return true
	}
	for _, w := range x.visits[:min(x.active, len(x.visits))] {
		list := s.waits.visits[w.id]
		i := slices.Index(list, w.wait)
		if !end(x.visitOutcome(w)) {
			list[i].after = off
		} else if list = slices.Delete(list, i, i+1); len(list) > 0 {
			s.waits.visits[w.id] = list
		} else {
			delete(s.waits.visits, w.id)
		}
	}
	for _, hash := range x.orderIDs[:max(0, x.active-len(x.visits))] {
		if end(x.orderOutcome(hash)) {
			delete(s.waits.orders, hash)
		} else {
			w := s.waits.orders[hash]
			w.after = off
			s.waits.orders[hash] = w
		}
	}
}

// appendTo fills the columns that the sessionizer reads.
func (c *PastClick) appendTo(e *schemas.Events) {
	e.Offset.Append(c.Offset)
	e.Time.Append(c.Time)
	e.Visitor.Append(c.Visitor)
	e.Key.Append(c.Key)
	e.User.Append(c.User)
	e.Order.Append(c.Order)
	e.Tenant.Append(c.Tenant)
	e.Kind.Append(c.Kind)
	e.PageType.Append(c.PageType)
	e.Channel.Append(c.Channel)
	e.Platform.Append(c.Platform)
	e.Region.Append(c.Region)
	e.IsTest.Append(bit(c.IsTest))
	e.IsInternal.Append(bit(c.IsInternal))
	e.IsBot.Append(bit(c.IsBot))
}

func (e *PastOrder) appendTo(o *schemas.Orders) {
	o.Offset.Append(e.Offset)
	o.Time.Append(e.Time)
	o.Received.Append(e.Received)
	o.Order.Append(e.Order)
	o.Version.Append(e.Version)
	o.Visitor.Append(e.Visitor)
	o.HasAnon.Append(e.Identity)
	o.CreatedAt.Append(e.CreatedAt)
	o.PaidAt.Append(e.PaidAt)
	o.Payable.Append(e.Payable)
	o.Paid.Append(e.Paid)
	o.Rank.Append(e.Rank)
	o.Tenant.Append(e.Tenant)
	o.Kind.Append(e.Kind)
	o.Platform.Append(e.Platform)
	o.Currency.Append(e.Currency)
	o.Region.Append(e.Region)
	o.OrderType.Append(e.OrderType)
	o.IsTest.Append(bit(e.IsTest))
	o.IsInternal.Append(bit(e.IsInternal))
	o.PayableMismatch.Append(0)
	o.PaymentMethod.Append(0) // sessions do not depend on it
	o.CancelReason.Append(0)
	o.CancelPaid.Append(0)
}
