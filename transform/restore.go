package transform

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// Restore reads a snapshot. The rules in force stay those of the snapshot, so
// that the epochs after it can be repeated; Adopt takes over new ones.
func Restore(v *schemas.Vocabulary, r *schemas.Register, settings Settings, snapshot []byte) (*State, error) {
	s := New(v, r, settings)
	if err := s.restore(&reader{b: snapshot}); err != nil {
		return nil, fmt.Errorf("restore the state of a lane from %d bytes: %w", len(snapshot), err)
	}
	return s, nil
}

// Adopt puts new rules in force and says whether they differ. Call it right
// before a snapshot: epochs are only repeatable from one that has the rules.
func (s *State) Adopt(settings Settings) bool {
	if settings == s.settings {
		return false
	}
	s.use(settings)
	for i := uint32(1); i < s.orders.used; i++ {
		if o := s.orders.at(i); o.hash != 0 && s.orderIndex[o.hash] == i {
			s.ageOrder(i, s.watermark)
		}
	}
	for i := range s.everyVisitor { // queueing only: the order inside a bucket is nothing
		s.schedule(i, s.visitors.at(i), s.watermark)
	}
	return true
}

func (s *State) restore(r *reader) error {
	if v := r.byte(); r.err == nil && v != snapshotVersion {
		return fmt.Errorf("format %d: this program reads format %d", v, snapshotVersion)
	}
	const maxLengthSetting = 1 // its place in Settings.durations
	var d [5]time.Duration
	for i := range d {
		ms := r.int()
		if ms < 0 || ms > 400*day || i == maxLengthSetting && ms > maxSpan {
			r.fail(errValue)
			ms = 0
		}
		d[i] = time.Duration(ms) * time.Millisecond
	}
	s.use(Settings{Gap: d[0], MaxLength: d[1], OutOfOrder: d[2], MergeHorizon: d[3], PayWindow: d[4]})
	s.watermark, s.ordersClock, s.gapsUntil = r.time(), r.time(), r.time()
	tenants, err := s.readTenants(r)
	if err != nil {
		return err
	}
	s.readVisitors(r, tenants)
	s.readOrders(r, tenants)
	readIDs(r, s.ids.add)
	readIDs(r, s.strays.add)
	for _, days := range [2][]perDay{s.today.visits, s.today.buys} {
		for _, t := range tenants {
			if t.number == closedShop {
				new(perDay).read(r)
				continue
			}
			days[t.number].read(r)
		}
	}
	s.waits.read(r)
	if r.err == nil && len(r.b) > 0 {
		return fmt.Errorf("%d bytes too many", len(r.b))
	}
	if r.err != nil {
		return r.err
	}
	for i := range s.everyVisitor {
		s.schedule(i, s.visitors.at(i), s.watermark)
	}
	s.findCrowds()
	s.lack(s.gapsUntil)
	return nil
}

// knownTenant is a shop of a snapshot and its number here.
type knownTenant struct {
	name   string
	number uint8
}

// readTenants maps the snapshot's tenants to the configured ones by name.
func (s *State) readTenants(r *reader) (tenants []knownTenant, err error) {
	for range r.count(2) {
		t := knownTenant{string(r.take(r.count(1))), closedShop}
		if i := slices.Index(s.vocabulary.TenantNames, t.name); i >= 0 {
			t.number = uint8(i)
		}
		paid := r.time()
		if r.err != nil {
			return nil, r.err
		}
		if slices.ContainsFunc(tenants, func(o knownTenant) bool { return o.name == t.name }) {
			return nil, errOrder
		}
		if t.number != closedShop {
			s.lastPaid[t.number] = paid
		}
		tenants = append(tenants, t)
	}
	return tenants, nil
}

func (s *State) readVisitors(r *reader, tenants []knownTenant) {
	count := r.count(visitorMin)
	s.index.reserve(&s.visitors, count)
	var last schemas.ID
	for first := true; count > 0 && r.err == nil; {
		n := min(count, chunkVisitors)
		count -= n
		head := r.take(8)
		rows := reader{b: r.take(int(binary.LittleEndian.Uint32(head)))}
		hashes := reader{b: r.take(int(binary.LittleEndian.Uint32(head[4:])))}
		for range n {
			id := hashes.id()
			if !first && bytes.Compare(last[:], id[:]) >= 0 {
				r.fail(errOrder)
				return
			}
			first, last = false, id
			s.readVisitor(&rows, &hashes, tenants, id)
			if err := cmp.Or(r.err, rows.err, hashes.err); err != nil {
				r.fail(err)
				return
			}
		}
		if len(rows.b)+len(hashes.b) > 0 {
			r.fail(errLong)
		}
	}
}

const visitorMin = 22 // bytes of a visitor of whom only the id is known

// readVisitor reads what stands behind the visitor's id.
func (s *State) readVisitor(r, hashes *reader, tenants []knownTenant, id schemas.ID) {
	tenant := r.below(len(tenants))
	if r.err != nil || hashes.err != nil {
		return
	}
	t := tenants[tenant]
	if t.number == closedShop {
		skipVisitor(r, hashes, t.name)
		return
	}
	v := s.visitors.at(s.newVisitor(id, t.number))
	if v.floor = r.int(); v.floor != noFloor && (v.floor < -maxTime || v.floor > maxTime) {
		r.fail(errValue)
	}
	for range r.below(maxVisitorUsers + 1) {
		if hash := hashes.fixed(); hash != 0 {
			s.userIndex(v, hash)
		}
	}
	n := r.count(eventRow)
	if n > maxVisitorEvents+1 {
		r.fail(errValue)
		return
	}
	v.sealed = uint16(r.upTo(uint64(n)))
	if n > 0 {
		s.readEvents(r, hashes, v, n)
	}
	p := &v.sessions
	var before *session
	for range r.count(sessionRow) {
		i := s.sessions.take()
		x := s.sessions.at(i)
		*x = sessionFrom(r.take(sessionRow), hashes.take(sessionHash))
		if !x.valid() {
			r.fail(errValue)
		}
		if before != nil && (x.start < before.start || x.start == before.start && x.key <= before.key) {
			r.fail(errOrder)
		}
		if x.flags&(frozen|archived) != 0 {
			x.kept = s.kept.take()
			f := s.kept.at(x.kept)
			f.read(r)
			if f.start != x.start || f.key != x.key || f.end < f.start || f.end-f.start > maxSpan {
				r.fail(errRef)
			}
		}
		if r.err != nil || hashes.err != nil {
			return
		}
		*p, p, before = i, &x.next, x
	}
}

func (s *State) readEvents(r, hashes *reader, v *visitor, n int) {
	first := r.time()
	rows, keys := r.take(n*eventRow), hashes.take(n*keyHash)
	if r.err != nil || hashes.err != nil {
		return
	}
	v.setBase(first)
	v.block, v.n = s.blocks.take(s.blocks.class(n, 0)), uint16(n)
	evs, users, from := s.events(v), s.extra(v).users, uint32(first-v.base())
	last := event{}
	for i := range evs {
		e := eventFrom(rows[:eventRow], keys[:keyHash])
		rows, keys = rows[eventRow:], keys[keyHash:]
		if i == 0 && e.at != 0 || i > 0 && !last.before(e) {
			r.fail(errOrder)
			return
		}
		if e.at > maxSpan || e.user() > users || !e.valid() {
			r.fail(errValue)
			return
		}
		last = e
		e.at += from
		evs[i] = e
	}
	if first+int64(last.at) > maxTime {
		r.fail(errValue)
	}
}

func (r *session) valid() bool {
	return r.start >= -maxTime && r.start <= maxTime && r.length <= maxSpan &&
		r.flags&(frozen|archived) != frozen|archived &&
		r.stage < uint8(schemas.NumStages) && r.counted < uint8(schemas.NumStages) &&
		r.channel() < uint8(schemas.NumChannels) && r.platform() < uint8(schemas.NumPlatforms)
}

// valid says that every part of the packed event is in its closed list.
func (e event) valid() bool {
	return e.kind() < schemas.NumKinds && e.page() < schemas.NumPageTypes && e.channel() < uint8(schemas.NumChannels) &&
		e.platform() < uint8(schemas.NumPlatforms) && e.region() <= schemas.RegionOther
}

func (f *fold) read(r *reader) {
	f.start, f.end, f.key, f.user = r.time(), r.time(), r.fixed(), r.fixed()
	f.firstView, f.firstCart, f.firstCheckout = r.time(), r.time(), r.time()
	f.events, f.views = uint32(r.upTo(1<<32-1)), uint32(r.upTo(1<<32-1))
	f.landing, f.exit = r.below(schemas.NumPageTypes), r.below(schemas.NumPageTypes)
	f.channel, f.platform = r.below(int(schemas.NumChannels)), r.below(int(schemas.NumPlatforms))
	f.region = r.below(schemas.RegionOther + 1)
	f.raw = r.below(orderBits)
	flags := r.below(1 << 5)
	f.test, f.internal, f.bot = flags&1 != 0, flags&2 != 0, flags&4 != 0
	f.conversion, f.approximate = flags&8 != 0, flags&16 != 0
	f.reach()
}

func readIDs(r *reader, add func(id schemas.ID, until int64)) {
	var last schemas.ID
	for n := range r.count(17) {
		id, until := r.id(), r.time()
		if n > 0 && bytes.Compare(last[:], id[:]) >= 0 {
			r.fail(errOrder)
		}
		last = id
		if r.err != nil {
			return
		}
		add(id, until)
	}
}

func (p *perDay) read(r *reader) {
	last := -1
	for range r.upTo(keptDays) {
		d := daySketches{day: uint16(r.upTo(1<<16 - 1))}
		if int(d.day) <= last {
			r.fail(errOrder)
		}
		last = int(d.day)
		for i := range d.platforms {
			d.platforms[i] = readSketch(r)
		}
		if r.err != nil {
			return
		}
		p.days = append(p.days, d)
	}
}

func readSketch(r *reader) *sketch {
	n := r.upTo(sketchRegisters)
	if n == 0 {
		return nil
	}
	if n != sketchRegisters && n > sketchSparse {
		r.fail(errValue)
		return nil
	}
	k := newSketch()
	if n == sketchRegisters {
		dense := r.take(sketchRegisters)
		if r.err != nil {
			return nil
		}
		k.sparse, k.dense = nil, make([]uint8, sketchRegisters)
		for register, rank := range dense {
			if rank >= sketchRanks {
				r.fail(errValue)
				return nil
			}
			k.set(uint16(register), rank)
		}
		return k
	}
	for range n {
		b := r.take(3)
		register, rank := uint16(b[0])|uint16(b[1])<<8, b[2]
		if register >= sketchRegisters || rank >= sketchRanks || rank == 0 {
			r.fail(errValue)
			return nil
		}
		k.set(register, rank)
	}
	return k
}
