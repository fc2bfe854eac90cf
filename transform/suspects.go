package transform

import (
	"encoding/binary"
	"slices"

	"github.com/storepulse/storepulse/schemas"
)

// Suspects are the rows of a batch that may be copies which the state cannot
// recognise: their originals may have left it, or were never in it because
// they came late. It is filled by State.Suspects and reused.
type Suspects struct {
	// Ask lists the rows that somebody must look up among the facts, in offset
	// order. Their byte slices alias the batch.
	Ask [schemas.NumTopics][]schemas.EventRef
	// Copies are the offsets of rows whose original stands in the same batch,
	// ascending: nobody has to be asked, and nobody could know.
	Copies [schemas.NumTopics][]int64

	rows   []int32 // of the clickstream, ascending
	newest map[schemas.ID]int64
	first  map[identity]int32
	// Two filters over hashes, so that the maps are seldom asked.
	tally [1 << tallyBits]uint16
	bloom [1 << (bloomBits - 6)]uint64
}

const (
	tallyBits = 10
	bloomBits = 16
	// suspectSlack is how much a copy may state another time than its original
	// where the original stood at the edge of what the state takes.
	suspectSlack = linkSlack
	// crowdEvents: a visitor of whom the state keeps so many events may meet
	// maxVisitorEvents within a batch, and so may one with as many in the batch.
	crowdEvents = maxVisitorEvents / 2
	// lookBack is how many days an event whose clock ran ahead, and which took
	// the time of its arrival instead, may have arrived before.
	lookBack = 8
)

// identity of an event inside a lane.
type identity struct {
	visitor, dedup schemas.ID
}

// Empty says that the batch holds no such row.
func (x *Suspects) Empty() bool {
	for t := range x.Ask {
		if len(x.Ask[t])+len(x.Copies[t]) > 0 {
			return false
		}
	}
	return true
}

func (x *Suspects) reset() {
	for t := range x.Ask {
		x.Ask[t], x.Copies[t] = x.Ask[t][:0], x.Copies[t][:0]
	}
	x.rows = x.rows[:0]
}

// Suspects lists the rows of the decoded batch whose copies the state would not
// notice. What is found of them is input of Apply: Input.Copies. The state
// stays as it is.
func (s *State) Suspects(b *schemas.Batch, dst *Suspects) {
	dst.reset()
	s.suspectOrders(b.Orders, dst)
	s.suspectClicks(b.Events, dst)
	if len(dst.rows) > 0 {
		s.repeats(b.Events, dst)
	}
}

// suspectClicks goes through the clickstream as applyClicks does. An event is
// remembered as long as it lies inside the horizon, unless a bound has taken it.
func (s *State) suspectClicks(e *schemas.Events, dst *Suspects) {
	run := s.watermark
	most := uint16(0)
	clear(dst.tally[:])
	for i := range e.Offset {
		t, clamped := eventTime(e.Time[i], e.Sent[i], e.Received[i], e.Stamp[i], e.Explicit[i])
		// A clamped one has the time of its arrival: the original came before.
		if t < run-s.horizon+suspectSlack || clamped || t <= s.gapsUntil {
			dst.rows = append(dst.rows, int32(i))
		}
		run = max(run, t-s.outOfOrder)
		n := &dst.tally[tallyOf(&e.Visitor[i])]
		*n += 1 - *n>>15
		most = max(most, *n)
	}
	if len(s.crowds) > 0 || most >= crowdEvents {
		s.suspectCrowds(e, dst)
	}
}

func tallyOf(visitor *schemas.ID) uint64 {
	return binary.LittleEndian.Uint64(visitor[:8]) & (1<<tallyBits - 1)
}

// suspectCrowds adds rows of visitors of whom a bound has taken events that are
// still inside the horizon, or may do so in this batch: all but those newer than
// everything seen of the visitor.
func (s *State) suspectCrowds(e *schemas.Events, dst *Suspects) {
	if dst.newest == nil {
		dst.newest = map[schemas.ID]int64{}
	}
	clear(dst.newest)
	for i := range e.Offset {
		id := e.Visitor[i]
		newest, crowd := s.crowds[id]
		if !crowd && dst.tally[tallyOf(&id)] < crowdEvents {
			continue
		}
		if seen, ok := dst.newest[id]; ok {
			newest = seen
		} else if !crowd {
			newest = noFloor
			if vi := s.find(&id); vi != 0 {
				newest = s.newest(s.visitors.at(vi))
			}
		}
		t, _ := eventTime(e.Time[i], e.Sent[i], e.Received[i], e.Stamp[i], e.Explicit[i])
		if t <= newest {
			dst.rows = append(dst.rows, int32(i))
		}
		dst.newest[id] = max(newest, t)
	}
	slices.Sort(dst.rows)
	dst.rows = slices.Compact(dst.rows)
}

// newest is the time of the newest event seen of the visitor.
func (s *State) newest(v *visitor) int64 {
	t := v.floor
	if n := len(s.events(v)); n > 0 {
		t = max(t, v.base()+int64(s.events(v)[n-1].at))
	}
	for i := v.sessions; i != 0; i = s.sessions.at(i).next {
		t = max(t, s.sessions.at(i).end())
	}
	return t
}

// crowd remembers a visitor whose events a bound has taken, or may take soon.
// Called by evict, before it drops the events.
func (s *State) crowd(v *visitor, cut bool, watermark int64) {
	if !cut && v.n < crowdEvents {
		return
	}
	newest := v.floor
	for k := range s.folds {
		newest = max(newest, s.folds[k].end)
	}
	if newest+s.retain > watermark {
		s.crowds[v.id] = max(newest, s.crowds[v.id])
	}
}

// MayLack says that the state was put together again without some of the
// records that made it. Which events it has forgotten it cannot know: until the
// horizon has passed them, all that may be copies of such are asked for.
func (s *State) MayLack() {
	s.lack(max(s.watermark, s.ordersClock) + s.outOfOrder + futureBound)
}

func (s *State) lack(until int64) {
	s.gapsUntil = max(s.gapsUntil, until)
	if s.gapsUntil > 0 {
		s.ids.cut = max(s.ids.cut, s.gapsUntil+s.retain)
	}
}

// findCrowds does for a restored state what crowd did.
func (s *State) findCrowds() {
	for i := uint32(1); i < s.visitors.used; i++ {
		v := s.visitors.at(i)
		if v.n >= crowdEvents || v.floor+s.retain > s.watermark || s.nextFrozen(v.sessions) != 0 {
			s.crowds[v.id] = s.newest(v)
		}
	}
	if len(s.ids.expires) > maxDedup/2 {
		s.ids.cut = s.ids.oldest << dedupShift // the snapshot does not say; nothing below is remembered
	}
}

// forgetCrowds drops those of whom everything lies outside the horizon.
func (s *State) forgetCrowds() {
	for id, newest := range s.crowds { // removal only: the order is nothing
		if newest+s.retain < s.watermark {
			delete(s.crowds, id)
		}
	}
}

// repeats splits the suspects into those whose original stands before them in
// the batch and those that must be asked for.
func (s *State) repeats(e *schemas.Events, dst *Suspects) {
	if dst.first == nil {
		dst.first = map[identity]int32{}
	}
	clear(dst.first)
	clear(dst.bloom[:])
	for _, i := range dst.rows {
		dst.first[identity{e.Visitor[i], e.Dedup[i]}] = -1
		word, bit := bloomOf(&e.Dedup[i])
		dst.bloom[word] |= bit
	}
	next := 0
	for i := range e.Offset {
		suspect := next < len(dst.rows) && int(dst.rows[next]) == i
		if suspect {
			next++
		}
		if word, bit := bloomOf(&e.Dedup[i]); dst.bloom[word]&bit == 0 {
			continue
		}
		id := identity{e.Visitor[i], e.Dedup[i]}
		first, ok := dst.first[id]
		switch {
		case !ok:
			continue
		case first < 0:
			dst.first[id] = int32(i)
		}
		switch {
		case suspect && first >= 0:
			dst.Copies[schemas.Clickstream] = append(dst.Copies[schemas.Clickstream], e.Offset[i])
		case suspect:
			stated := statedTime(e.Time[i], e.Sent[i], e.Received[i], e.Explicit[i])
			t, _ := eventTime(e.Time[i], e.Sent[i], e.Received[i], e.Stamp[i], e.Explicit[i])
			ref := schemas.EventRef{Offset: e.Offset[i], Visitor: e.Visitor[i], Source: e.Source.At(i), ID: e.EventID.At(i)}
			ref.From, ref.To = s.around(e.Tenant.Index[i], t, stated)
			dst.Ask[schemas.Clickstream] = append(dst.Ask[schemas.Clickstream], ref)
		}
	}
}

func bloomOf(dedup *schemas.ID) (word, bit uint64) {
	h := binary.LittleEndian.Uint64(dedup[8:]) & (1<<bloomBits - 1)
	return h >> 6, 1 << (h & 63)
}

// around gives the business dates on which the original may stand. A time that
// was replaced by the arrival's says that the original arrived before, and maybe
// with the time that it states, if it was the record's clock that was wrong.
func (s *State) around(tenant uint8, t, stated int64) (from, to uint16) {
	date := s.days[tenant].date(t)
	if stated == t {
		return date - min(1, date), date + 1
	}
	return date - min(lookBack, date), s.days[tenant].date(min(stated, t+lookBack*day)) + 1
}

// suspectOrders lists events of the orders topic whose ids may have been
// forgotten. Copies inside the batch are found by Apply itself.
func (s *State) suspectOrders(o *schemas.Orders, dst *Suspects) {
	for i := range o.Offset {
		t, clamped := eventTime(o.Time[i], o.Sent[i], o.Received[i], o.Stamp[i], o.Explicit[i])
		// An id counts at least until the watermark has passed its time by the retention.
		if t+s.retain >= s.watermark+suspectSlack && t+s.retain > s.ids.cut && !clamped || s.ids.remembers(o.Dedup[i], s.watermark) {
			continue
		}
		stated := statedTime(o.Time[i], o.Sent[i], o.Received[i], o.Explicit[i])
		ref := schemas.EventRef{Offset: o.Offset[i], Source: o.Source.At(i), ID: o.EventID.At(i)}
		ref.From, ref.To = s.around(o.Tenant.Index[i], t, stated)
		dst.Ask[schemas.OrdersTopic] = append(dst.Ask[schemas.OrdersTopic], ref)
	}
}

// copied says that the plan names the row at the offset a copy. It is asked in
// offset order; rest is what it has not come to.
func copied(rest *[]int64, offset int64) bool {
	list := *rest
	for len(list) > 0 && list[0] < offset {
		list = list[1:]
	}
	found := len(list) > 0 && list[0] == offset
	if found {
		list = list[1:]
	}
	*rest = list
	return found
}
