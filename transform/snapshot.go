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
	w := writer{append(slices.Grow(dst, s.snapshotSize()), snapshotVersion)}
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
	s.waits.write(&w)
	return w.b
}

// snapshotSize guesses, so that a large state is written into one piece of
// memory; what it leaves out the growth of a slice makes up for.
func (s *State) snapshotSize() int {
	const visitorBytes, orderBytes, idBytes = 40, 160, 24
	return int(s.blocks.bytes()) + s.index.n*visitorBytes + s.sessions.live()*sessionBytes + len(s.orderIndex)*orderBytes + len(s.ids.expires)*idBytes
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

// room appends n bytes, to be filled by the caller.
func (w *writer) room(n int) []byte {
	at := len(w.b)
	w.b = slices.Grow(w.b, n)[:at+n]
	return w.b[at:]
}

func (s *State) writeVisitors(w *writer) {
	order := s.byID()
	w.uint(uint64(len(order)))
	for len(order) > 0 {
		n := min(len(order), ahead)
		s.fetch(order[:n])
		for _, o := range order[:n] {
			s.writeVisitor(w, s.visitors.at(o.index))
		}
		order = order[n:]
	}
}

// ahead is how many visitors are fetched into the cache at once.
const ahead = 32

// fetch reads a little of everything that a visitor has, of many visitors one
// after the other: such reads do not wait for each other, while writing one
// visitor after the other would wait for every one of them. Nothing is done
// with what it reads; the sum keeps the compiler from leaving it out.
func (s *State) fetch(order []byID) {
	var sum uint32
	for _, o := range order {
		sum += s.visitors.at(o.index).sessions
	}
	const line = 64 / eventBytes
	for _, o := range order {
		v := s.visitors.at(o.index)
		evs := s.events(v)
		for i := 0; i < min(len(evs), 4*line); i += line {
			sum += evs[i].at
		}
		if len(evs) > 0 {
			sum += evs[len(evs)-1].at
		}
		if v.sessions != 0 {
			r := s.sessions.at(v.sessions)
			sum += r.next + uint32(r.start)
		}
	}
	s.fetched = sum
}

// writeVisitor: id, tenant, floor, users, events relative to the first, sessions.
func (s *State) writeVisitor(w *writer, v *visitor) {
	w.id(v.id)
	w.bytes(v.tenant)
	w.int(v.floor)
	evs := s.events(v)
	// Users are numbered by first appearance.
	x := s.extra(v)
	var number [maxVisitorUsers + 1]uint8
	var users [maxVisitorUsers]uint64
	n := uint8(0)
	if x.users > 0 {
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
	if len(evs) > 0 {
		first := evs[0].at
		w.int(v.base() + int64(first))
		b := w.room(len(evs) * eventBytes)
		if x.users < 2 { // it has its number
			for i, e := range evs {
				e.put(b[i*eventBytes:], first, e.meta)
			}
		} else {
			for i, e := range evs {
				e.put(b[i*eventBytes:], first, e.meta&^(15<<24)|uint32(number[e.user()])<<24)
			}
		}
	}
	count := uint64(0)
	for i := v.sessions; i != 0; i = s.sessions.at(i).next {
		count++
	}
	w.uint(count)
	for i := v.sessions; i != 0; {
		r := s.sessions.at(i)
		b := w.room(sessionBytes)
		binary.LittleEndian.PutUint64(b[0:], uint64(r.start))
		binary.LittleEndian.PutUint64(b[8:], r.key)
		binary.LittleEndian.PutUint64(b[16:], r.digest)
		binary.LittleEndian.PutUint64(b[24:], r.links)
		binary.LittleEndian.PutUint32(b[32:], r.length)
		b[36], b[37], b[38], b[39] = uint8(r.flags), r.stage, r.counted, r.source
		if r.flags&(frozen|archived) != 0 {
			s.kept.at(r.kept).write(w)
		}
		i = r.next
	}
}

const sessionBytes = 40 // in a snapshot

func (e event) put(b []byte, first, meta uint32) {
	b = b[:eventBytes]
	binary.LittleEndian.PutUint64(b, e.key)
	binary.LittleEndian.PutUint32(b[8:], e.at-first)
	binary.LittleEndian.PutUint32(b[12:], meta)
}

func eventFrom(b []byte) event {
	b = b[:eventBytes]
	return event{key: binary.LittleEndian.Uint64(b), at: binary.LittleEndian.Uint32(b[8:]), meta: binary.LittleEndian.Uint32(b[12:])}
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
