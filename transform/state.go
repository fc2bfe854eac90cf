package transform

import (
	"slices"
	"unsafe"

	"github.com/storepulse/storepulse/schemas"
)

// State is everything a lane remembers between epochs. What it gives depends
// on the records, the watermarks and the settings alone: numbers of pools,
// order inside buckets and maps never show.
type State struct {
	vocabulary *schemas.Vocabulary
	register   *schemas.Register
	settings   Settings

	gap, maxLength, outOfOrder, horizon, payWindow int64 // ms
	retain                                         int64 // a span stays this long after its end

	watermark   int64 // of the clickstream, 0 before the first event
	ordersClock int64 // the same for the orders topic, for lateness only
	gapsUntil   int64 // of events up to this time the state may lack some: see MayLack

	index      index
	visitors   pool[visitor]
	blocks     blocks
	extras     pool[extra]
	users      pool[userTable]
	sessions   pool[session]
	kept       pool[fold]
	orderIndex map[uint64]uint32
	orders     pool[order]
	wheel      wheel
	orderWheel wheel
	ids        dedup
	strays     strays
	waits      waits
	crowds     map[schemas.ID]int64 // newest event of visitors of whom a bound takes events: see Suspects
	today      distinct
	lastPaid   []int64 // by tenant, Unix ms
	gauges     []tenantGauges

	days       []days
	reports    []reporting // by tenant
	categories map[string]uint8

	// Of the epoch in hand.
	out                   *Output
	deltas                *schemas.Deltas
	epoch                 uint64
	ordinal               uint64
	cause                 cause
	survey                *survey                    // what the next Rebuild writes
	copies                [schemas.NumTopics][]int64 // not yet come to
	touched               []touched
	pending               []uint32 // orders not yet counted
	keeping, keepingItems []bool   // rows that are no copies

	// Scratch, without meaning between calls.
	folds    []fold
	spanEnds []int64
	linked   []linked
	archive  []linked
	heirs    []inheritance
	hashes   []uint64
	scratch  []byte
	due      []uint32
	fetched  uint32
	soon     [ahead]uint32
}

// New gives the empty state of a lane.
func New(v *schemas.Vocabulary, r *schemas.Register, settings Settings) *State {
	s := &State{
		vocabulary: v, register: r,
		index: newIndex(), orderIndex: map[uint64]uint32{}, ids: newDedup(), strays: strays{dedup: newDedup()}, waits: newWaits(), crowds: map[schemas.ID]int64{},
		blocks: newBlocks(maxVisitorEvents + 1),
		today:  distinct{visits: make([]perDay, len(v.Tenants)), buys: make([]perDay, len(v.Tenants))},
		days:   newDays(v), lastPaid: make([]int64, len(v.Tenants)), gauges: make([]tenantGauges, len(v.Tenants)),
		categories: map[string]uint8{},
	}
	s.use(settings)
	s.wheel = newWheel(func(s *State, i uint32) (next, prev *uint32, bucket *int32) {
		v := s.visitors.at(i)
		return &v.next, &v.prev, &v.bucket
	})
	s.orderWheel = newWheel(func(s *State, i uint32) (next, prev *uint32, bucket *int32) {
		o := s.orders.at(i)
		return &o.next, &o.prev, &o.bucket
	})
	for _, t := range v.Tenants {
		label := slices.Index(r.OrdersPlacedAmount.Labels[0].Values, t.Currency)
		s.reports = append(s.reports, reporting{schemas.CurrencyIndex([]byte(t.Currency)), label})
	}
	for i, name := range v.Categories {
		s.categories[name] = uint8(i)
	}
	return s
}

func (s *State) use(settings Settings) {
	s.settings = settings
	s.gap = settings.Gap.Milliseconds()
	s.maxLength = settings.MaxLength.Milliseconds()
	s.outOfOrder = settings.OutOfOrder.Milliseconds()
	s.horizon = settings.MergeHorizon.Milliseconds()
	s.payWindow = settings.PayWindow.Milliseconds()
	s.retain = s.gap + s.horizon + linkSlack
}

// Settings are the rules in force; a restored state keeps the ones of its snapshot.
func (s *State) Settings() Settings { return s.settings }

// Watermark is the event time up to which the lane is complete, Unix ms.
func (s *State) Watermark() int64 { return s.watermark }

// NextWatermark is the watermark after the batch. It changes nothing, so that
// the plan can record it before the batch is applied.
func (s *State) NextWatermark(b *schemas.Batch) int64 {
	w, e := s.watermark, b.Events
	for i, t := range e.Time {
		t, _ = eventTime(t, e.Sent[i], e.Received[i], e.Stamp[i], e.Explicit[i])
		w = max(w, t-s.outOfOrder)
	}
	return w
}

// CloseAllWatermark closes every session in state: a drained file ends with it.
func (s *State) CloseAllWatermark() int64 {
	w := s.watermark
	for i := uint32(1); i < s.sessions.used; i++ {
		if r := s.sessions.at(i); r.flags&(emittedClosed|archived) == 0 && r.start != 0 {
			w = max(w, r.end()+s.gap+1)
		}
	}
	return w
}

// Sessions counts the sessions that the watermark has not closed and all that
// are still in state.
func (s *State) Sessions() (open, retained int) {
	for i := range s.gauges {
		open += int(s.gauges[i].open)
	}
	return open, s.sessions.live()
}

// Bytes is the memory that the state holds, for ecom_state_bytes: exact for
// pools and blocks, an estimate for maps.
func (s *State) Bytes() int64 {
	const orderEntry, idEntry = 22, 64
	n := s.blocks.bytes()
	n += int64(len(s.visitors.pages))*poolPage*int64(unsafe.Sizeof(visitor{})) + s.index.bytes()
	n += int64(len(s.extras.pages)) * poolPage * int64(unsafe.Sizeof(extra{}))
	n += int64(len(s.users.pages)) * poolPage * int64(unsafe.Sizeof(userTable{}))
	n += int64(len(s.sessions.pages)) * poolPage * int64(unsafe.Sizeof(session{}))
	n += int64(len(s.kept.pages)) * poolPage * int64(unsafe.Sizeof(fold{}))
	n += int64(len(s.orders.pages))*poolPage*int64(unsafe.Sizeof(order{})) + int64(len(s.orderIndex))*orderEntry
	n += int64(len(s.ids.expires)+len(s.strays.expires)) * idEntry
	n += s.waits.bytes()
	return n
}
