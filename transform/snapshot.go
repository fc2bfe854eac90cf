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
	w := writer{b: append(slices.Grow(dst, s.snapshotSize()), snapshotVersion)}
	for _, d := range s.settings.durations() {
		w.int(d.Milliseconds())
	}
	w.int(s.watermark)
	w.int(s.ordersClock)
	w.int(s.gapsUntil)
	w.uint(uint64(len(s.vocabulary.TenantNames)))
	for i, name := range s.vocabulary.TenantNames {
		w.uint(uint64(len(name)))
		w.b = append(w.b, name...)
		w.int(s.lastPaid[i])
	}
	s.writeVisitors(&w)
	s.writeOrders(&w)
	s.ids.write(&w)
	s.strays.write(&w)
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
	return int(s.blocks.bytes()) + s.index.n*visitorBytes + s.sessions.live()*(sessionRow+sessionHash) + len(s.orderIndex)*orderBytes + len(s.ids.expires)*idBytes
}

func (s *Settings) durations() [5]time.Duration {
	return [5]time.Duration{s.Gap, s.MaxLength, s.OutOfOrder, s.MergeHorizon, s.PayWindow}
}

// writer appends to a byte slice: varints for numbers that tend to be small,
// fixed width for hashes.
type writer struct {
	b      []byte
	hashes []byte // of the chunk in hand
}

func (w *writer) uint(n uint64)   { w.b = binary.AppendUvarint(w.b, n) }
func (w *writer) int(n int64)     { w.b = binary.AppendVarint(w.b, n) }
func (w *writer) fixed(n uint64)  { w.b = binary.LittleEndian.AppendUint64(w.b, n) }
func (w *writer) id(x schemas.ID) { w.b = append(w.b, x[:]...) }
func (w *writer) bytes(v ...byte) { w.b = append(w.b, v...) }

func (w *writer) hash(n uint64) { w.hashes = binary.LittleEndian.AppendUint64(w.hashes, n) }

// room appends n bytes, to be filled by the caller.
func (w *writer) room(n int) []byte {
	at := len(w.b)
	w.b = slices.Grow(w.b, n)[:at+n]
	return w.b[at:]
}

func (w *writer) hashRoom(n int) []byte {
	at := len(w.hashes)
	w.hashes = slices.Grow(w.hashes, n)[:at+n]
	return w.hashes[at:]
}

// chunkVisitors are written together: their rows, then all their hashes. A
// compressor leaves a long run of hashes alone instead of searching it.
const chunkVisitors = 2048

func (s *State) writeVisitors(w *writer) {
	order := s.byID()
	w.uint(uint64(len(order)))
	for k := 0; k < len(order); k += chunkVisitors {
		s.writeChunk(w, order[k:min(len(order), k+chunkVisitors)])
	}
}

func (s *State) writeChunk(w *writer, order []byID) {
	at := len(w.b)
	w.room(8)
	w.hashes = w.hashes[:0]
	for len(order) > 0 {
		n := min(len(order), ahead)
		numbers := s.soon[:0]
		for _, o := range order[:n] {
			numbers = append(numbers, o.index)
		}
		s.fetch(numbers)
		for _, i := range numbers {
			s.writeVisitor(w, s.visitors.at(i))
		}
		order = order[n:]
	}
	binary.LittleEndian.PutUint32(w.b[at:], uint32(len(w.b)-at-8))
	binary.LittleEndian.PutUint32(w.b[at+4:], uint32(len(w.hashes)))
	w.b = append(w.b, w.hashes...)
}

// writeVisitor: tenant, floor, users, events relative to the first, sessions.
func (s *State) writeVisitor(w *writer, v *visitor) {
	w.hashes = append(w.hashes, v.id[:]...)
	w.bytes(v.tenant)
	w.int(v.floor)
	evs := s.events(v)
	// Users are numbered by first appearance.
	x := s.extra(v)
	var number [maxVisitorUsers + 1]uint8
	n := uint8(0)
	if x.users > 0 {
		for _, e := range evs {
			if k := e.user(); k != 0 && number[k] == 0 {
				w.hash(s.user(v, k))
				n++
				number[k] = n
			}
		}
	}
	w.bytes(n)
	w.uint(uint64(len(evs)))
	w.uint(uint64(v.sealed))
	if len(evs) > 0 {
		first := evs[0].at
		w.int(v.base() + int64(first))
		rows, hashes := w.room(len(evs)*eventRow), w.hashRoom(len(evs)*keyHash)
		for _, e := range evs {
			if x.users > 1 { // one alone has its number
				e.meta = e.meta&^(15<<24) | uint32(number[e.user()])<<24
			}
			e.at -= first
			e.put(rows[:eventRow], hashes[:keyHash])
			rows, hashes = rows[eventRow:], hashes[keyHash:]
		}
	}
	count := uint64(0)
	for i := v.sessions; i != 0; i = s.sessions.at(i).next {
		count++
	}
	w.uint(count)
	for i := v.sessions; i != 0; {
		r := s.sessions.at(i)
		r.put(w.room(sessionRow), w.hashRoom(sessionHash))
		if r.flags&(frozen|archived) != 0 {
			s.kept.at(r.kept).write(w)
		}
		i = r.next
	}
}

// Bytes that an event and a session take among rows and among hashes.
const (
	eventRow    = 10
	keyHash     = 6
	sessionRow  = 26
	sessionHash = keyHash + 8
)

func (e event) put(row, hashes []byte) {
	binary.LittleEndian.PutUint32(row, e.at)
	binary.LittleEndian.PutUint32(row[4:], e.meta)
	binary.LittleEndian.PutUint16(row[8:], uint16(e.key>>48))
	putKeyHash(hashes, e.key)
}

func eventFrom(row, hashes []byte) event {
	return event{
		at: binary.LittleEndian.Uint32(row), meta: binary.LittleEndian.Uint32(row[4:]),
		key: uint64(binary.LittleEndian.Uint16(row[8:]))<<48 | getKeyHash(hashes),
	}
}

func (r *session) put(row, hashes []byte) {
	binary.LittleEndian.PutUint64(row, uint64(r.start))
	binary.LittleEndian.PutUint64(row[8:], r.links)
	binary.LittleEndian.PutUint32(row[16:], r.length)
	binary.LittleEndian.PutUint16(row[20:], uint16(r.key>>48))
	row[22], row[23], row[24], row[25] = uint8(r.flags), r.stage, r.counted, r.source
	putKeyHash(hashes, r.key)
	binary.LittleEndian.PutUint64(hashes[keyHash:], r.digest)
}

func sessionFrom(row, hashes []byte) session {
	return session{
		start: int64(binary.LittleEndian.Uint64(row)), links: binary.LittleEndian.Uint64(row[8:]), length: binary.LittleEndian.Uint32(row[16:]),
		key:    uint64(binary.LittleEndian.Uint16(row[20:]))<<48 | getKeyHash(hashes),
		digest: binary.LittleEndian.Uint64(hashes[keyHash:]),
		flags:  sessionFlags(row[22]), stage: row[23], counted: row[24], source: row[25],
	}
}

// The lower 48 bits of an event's key are a hash, those above its sequence.
func putKeyHash(b []byte, key uint64) {
	binary.LittleEndian.PutUint32(b, uint32(key))
	binary.LittleEndian.PutUint16(b[4:], uint16(key>>32))
}

func getKeyHash(b []byte) uint64 {
	return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint16(b[4:]))<<32
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
		for k, n := range o.units.n {
			w.uint(uint64(n))
			w.bytes(o.units.category[k])
		}
		w.bytes(o.tenant, o.ident, o.how, o.platform, o.currency, o.paidIn, o.kind, o.region,
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
