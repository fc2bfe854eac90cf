package transform

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// snapshotVersion is the first byte of a snapshot. A reader of version n also
// reads n-1; testdata keeps a sample of each.
const snapshotVersion = 1

// Snapshot appends the state to dst. The bytes are a function of what the
// state means: visitors, orders and ids are sorted, and nothing is written that
// depends on where a value happens to lie in memory.
func (s *State) Snapshot(dst []byte) []byte {
	w := writer{append(dst, snapshotVersion)}
	for _, d := range s.settings.durations() {
		w.int(d.Milliseconds())
	}
	w.int(s.watermark)
	w.int(s.ordersClock)
	w.uint(uint64(len(s.vocabulary.TenantNames)))
	for i, name := range s.vocabulary.TenantNames {
		w.uint(uint64(len(name)))
		w.b = append(w.b, name...)
		w.int(s.lastPaid[i])
	}
	s.writeVisitors(&w)
	s.writeOrders(&w)
	s.ids.write(&w)
	for _, days := range [2][]perDay{s.today.visits, s.today.buys} {
		for i := range days {
			days[i].write(&w)
		}
	}
	return w.b
}

func (s *Settings) durations() [5]time.Duration {
	return [5]time.Duration{s.Gap, s.MaxLength, s.OutOfOrder, s.MergeHorizon, s.PayWindow}
}

// writer appends to a byte slice: varints for numbers that tend to be small,
// fixed width for hashes.
type writer struct{ b []byte }

func (w *writer) uint(n uint64)   { w.b = binary.AppendUvarint(w.b, n) }
func (w *writer) int(n int64)     { w.b = binary.AppendVarint(w.b, n) }
func (w *writer) fixed(n uint64)  { w.b = binary.LittleEndian.AppendUint64(w.b, n) }
func (w *writer) id(x schemas.ID) { w.b = append(w.b, x[:]...) }
func (w *writer) bytes(v ...byte) { w.b = append(w.b, v...) }

// byID is a visitor's place, sorted by its id.
type byID struct {
	high  uint64
	index uint32
}

func (s *State) writeVisitors(w *writer) {
	order := make([]byID, 0, s.index.n)
	for _, i := range s.index.all(nil) {
		order = append(order, byID{binary.BigEndian.Uint64(s.visitors.at(i).id[:8]), i})
	}
	slices.SortFunc(order, func(a, b byID) int {
		if a.high != b.high {
			if a.high < b.high {
				return -1
			}
			return 1
		}
		x, y := s.visitors.at(a.index), s.visitors.at(b.index)
		return bytes.Compare(x.id[:], y.id[:])
	})
	w.uint(uint64(len(order)))
	for _, o := range order {
		s.writeVisitor(w, s.visitors.at(o.index))
	}
}

func (s *State) writeVisitor(w *writer, v *visitor) {
	w.id(v.id)
	w.bytes(v.tenant)
	w.int(v.floor)
	evs := s.events(v)
	// Users are numbered by first appearance.
	var number [maxVisitorUsers + 1]uint8
	var users [maxVisitorUsers]uint64
	n := uint8(0)
	if x := s.extra(v); x.users > 0 {
		for _, e := range evs {
			if k := e.user(); k != 0 && number[k] == 0 {
				users[n] = s.user(v, k)
				n++
				number[k] = n
			}
		}
	}
	w.bytes(n)
	for _, u := range users[:n] {
		w.fixed(u)
	}
	w.uint(uint64(len(evs)))
	w.uint(uint64(v.sealed))
	b, last := w.b, int64(0)
	for _, e := range evs {
		t := v.base() + int64(e.at)
		b = binary.AppendUvarint(b, uint64(t-last))
		last = t
		b = binary.LittleEndian.AppendUint64(b, e.key)
		b = binary.LittleEndian.AppendUint32(b, e.meta&^(15<<24)|uint32(number[e.user()])<<24)
	}
	w.b = b
	count := uint64(0)
	for i := v.sessions; i != 0; i = s.sessions.at(i).next {
		count++
	}
	w.uint(count)
	for i := v.sessions; i != 0; {
		r := s.sessions.at(i)
		w.int(r.start)
		w.uint(uint64(r.length))
		w.fixed(r.key)
		w.fixed(r.digest)
		w.fixed(r.links)
		w.uint(uint64(r.flags))
		w.bytes(r.stage, r.counted, r.channel(), r.platform())
		if r.flags&(frozen|archived) != 0 {
			s.kept.at(r.kept).write(w)
		}
		i = r.next
	}
}

// write stores the row of a session; what its orders contribute is computed anew.
func (f *fold) write(w *writer) {
	w.int(f.start)
	w.int(f.end)
	w.fixed(f.key)
	w.fixed(f.user)
	for _, t := range [...]int64{f.firstView, f.firstCart, f.firstCheckout} {
		w.int(t)
	}
	w.uint(uint64(f.events))
	w.uint(uint64(f.views))
	w.bytes(f.landing, f.exit, f.channel, f.platform, f.region, f.raw&^orderBits,
		bit(f.test)|bit(f.internal)<<1|bit(f.bot)<<2|bit(f.conversion)<<3|bit(f.approximate)<<4)
}

const orderBits = 1<<schemas.StageOrderSubmit | 1<<schemas.StagePay

func (s *State) writeOrders(w *writer) {
	order := make([]uint32, 0, len(s.orderIndex))
	for _, i := range s.orderIndex {
		order = append(order, i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return compareOrders(s.orders.at(a), s.orders.at(b)) })
	w.uint(uint64(len(order)))
	for _, i := range order {
		o := s.orders.at(i)
		w.fixed(o.hash)
		for _, n := range [...]int64{o.created, o.paidAt, o.cancelled, o.seen, o.payable, o.paid} {
			w.int(n)
		}
		for _, n := range [...]uint64{o.payableVersion, o.paidVersion, o.rankVersion, uint64(o.rank), uint64(o.flags &^ uncounted)} {
			w.uint(n)
		}
		for _, u := range o.units {
			w.uint(uint64(u.n))
			w.bytes(u.category)
		}
		w.bytes(o.tenant, o.ident, o.how, o.platform, o.currency, o.kind, o.region,
			bit(o.visitorRef != 0)|bit(o.hintRef != 0)<<1|bit(o.link != 0)<<2)
		w.id(o.visitor)
		if o.hintRef != 0 {
			w.id(s.visitors.at(o.hintRef).id)
			w.int(o.hintTime)
			w.fixed(o.hintKey)
		}
		if o.link != 0 {
			w.id(s.visitors.at(o.link).id)
			w.int(o.linkStart)
			w.fixed(o.linkKey)
		}
	}
}

func (d *dedup) write(w *writer) {
	ids := make([]schemas.ID, 0, len(d.expires))
	for id := range d.expires {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b schemas.ID) int { return bytes.Compare(a[:], b[:]) })
	w.uint(uint64(len(ids)))
	for _, id := range ids {
		w.id(id)
		w.int(d.expires[id])
	}
}

func (p *perDay) write(w *writer) {
	w.uint(uint64(len(p.days)))
	for i := range p.days {
		d := &p.days[i]
		w.uint(uint64(d.day))
		for _, k := range d.platforms {
			k.write(w)
		}
	}
}

// write stores an absent sketch as an empty one: both count nothing.
func (k *sketch) write(w *writer) {
	if k == nil {
		w.uint(0)
		return
	}
	if k.dense != nil {
		w.uint(sketchRegisters)
		w.b = append(w.b, k.dense...)
		return
	}
	registers := make([]uint16, 0, len(k.sparse))
	for r := range k.sparse {
		registers = append(registers, r)
	}
	slices.Sort(registers)
	w.uint(uint64(len(registers)))
	for _, r := range registers {
		w.bytes(byte(r), byte(r>>8), k.sparse[r])
	}
}
