package transform

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"

	"github.com/storepulse/storepulse/schemas"
)

// shoppers is a steady crowd: sessions of about ten events, a new one whenever
// one ends, three orders per hundred sessions.
type shoppers struct {
	r      *rand.Rand
	now    int64
	active []shopper
	next   uint64
	offset int64
	rate   int64 // events a second
}

type shopper struct {
	id    schemas.ID
	n     uint64
	left  int
	order bool
}

func newShoppers(n int, rate int64) *shoppers {
	s := &shoppers{r: rand.New(rand.NewPCG(1, 2)), now: noon, rate: rate}
	s.active = make([]shopper, n)
	for i := range s.active {
		s.active[i] = s.arrive()
	}
	return s
}

func (s *shoppers) arrive() shopper {
	s.next++
	return shopper{id: bigID(s.next), left: 1 + s.r.IntN(19), order: s.r.IntN(30) == 0}
}

// bigID spreads a counter over an id.
func bigID(n uint64) schemas.ID {
	var id schemas.ID
	binary.BigEndian.PutUint64(id[:], n*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(id[8:], n*0xbf58476d1ce4e5b9+1)
	return id
}

var shoppingKinds = []schemas.Kind{
	schemas.KindPageView, schemas.KindPageView, schemas.KindPageView, schemas.KindViewItem, schemas.KindViewItem,
	schemas.KindViewItem, schemas.KindOther, schemas.KindSearch, schemas.KindAddToCart, schemas.KindBeginCheckout,
}

// fill appends n events to the batch.
func (s *shoppers) fill(b *schemas.Batch, n int) {
	for range n {
		k := s.r.IntN(len(s.active))
		p := &s.active[k]
		s.now += s.r.Int64N(2*second/s.rate + 1)
		t := s.now - s.r.Int64N(3*second)
		c := click{anyVisitor: p.id, at: t, received: s.now, sent: s.now, kind: shoppingKinds[s.r.IntN(len(shoppingKinds))], page: uint8(1 + k%14), channel: uint8(1 + k%20), platform: uint8(1 + k%5), region: uint8(1 + k%30)}
		p.n++
		fastClick(b, s.offset, &c, p.id, p.n)
		s.offset++
		p.left--
		if p.left > 0 {
			continue
		}
		if p.order {
			addSale(b, s.offset, &sale{order: fmt.Sprint(s.next), id: fmt.Sprint("o", s.next), at: s.now, created: s.now, payable: 100, kind: schemas.KindOrderCreated, version: 1})
			last := len(b.Orders.Visitor) - 1
			b.Orders.Visitor[last], b.Orders.HasAnon[last] = p.id, identAnonymous
			s.offset++
		}
		*p = s.arrive()
	}
}

// fastClick is addClick with ids made from numbers.
func fastClick(b *schemas.Batch, offset int64, c *click, visitor schemas.ID, n uint64) {
	addClick(b, offset, c)
	h := (binary.BigEndian.Uint64(visitor[:]) ^ n) * 0x9e3779b97f4a7c15
	b.Events.Key[len(b.Events.Key)-1] = h >> 16
}

func benchLane(tb testing.TB, shoppers *shoppers, epochs, records int) *lane {
	l := newLane(tb, testVocabulary(tb), DefaultSettings())
	l.unchecked = true
	for range epochs {
		shoppers.fill(l.batch, records)
		l.end(0)
		l.next()
	}
	return l
}

// BenchmarkApply measures 50,000-event epochs in a steady state: the horizon is
// full, sessions open and leave at the same rate.
func BenchmarkApply(b *testing.B) {
	const records = 50_000
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s := newShoppers(20_000, 2000)
	l := benchLane(b, s, *warmFlag, records)
	open, retained := l.state.Sessions()
	b.ReportAllocs()
	b.ResetTimer()
	rows, cpu := 0, int64(0)
	for b.Loop() {
		b.StopTimer()
		l.next()
		s.fill(l.batch, records)
		b.StartTimer()
		before := threadTime()
		rows = l.end(0).Sessions.Rows()
		cpu += threadTime() - before
	}
	b.ReportMetric(float64(cpu)/float64(b.N*records), "cpu-ns/event")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/event")
	b.ReportMetric(float64(open), "open")
	b.ReportMetric(float64(retained), "retained")
	b.ReportMetric(float64(rows), "rows/epoch")
	b.ReportMetric(float64(l.state.Bytes()), "bytes")
}

// threadTime is the CPU time of this thread in ns: the wall clock says little
// on a shared machine.
func threadTime() int64 {
	const thread = 1 // RUSAGE_THREAD
	var u syscall.Rusage
	_ = syscall.Getrusage(thread, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

// tenEvents brings n sessions of ten events into an empty state.
func tenEvents(tb testing.TB, n int) *lane {
	l := newLane(tb, testVocabulary(tb), DefaultSettings())
	offset := int64(0)
	for round := range 10 {
		for i := range n {
			c := click{anyVisitor: bigID(uint64(i + 1)), at: noon + int64(round)*2*minute + int64(i%1000), kind: shoppingKinds[round], page: 1, channel: 1, platform: 2}
			fastClick(l.batch, offset, &c, c.anyVisitor, uint64(round))
			offset++
			if len(l.batch.Events.Offset) == 50_000 {
				l.end(0)
				l.next()
			}
		}
	}
	l.end(0)
	l.next()
	return l
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// sessionBytes measures what an open session of ten events costs in live heap,
// all included, and what the state says of itself.
func sessionBytes(tb testing.TB) (measured, estimate float64) {
	const sessions = 200_000
	l := tenEvents(tb, sessions)
	// What the lane holds beside the state does not count.
	l.batch, l.out = nil, nil
	with := heap()
	open, _ := l.state.Sessions()
	if open != sessions {
		tb.Fatalf("%d sessions are open, want %d", open, sessions)
	}
	estimate = float64(l.state.Bytes()) / sessions
	l.state = nil
	return float64(with-heap()) / sessions, estimate
}

func BenchmarkStateBytes(b *testing.B) {
	for range b.N {
		measured, estimate := sessionBytes(b)
		b.ReportMetric(measured, "bytes/session")
		b.ReportMetric(estimate, "estimate/session")
	}
}

// A million open sessions must fit into 300 MB.
func TestSessionBytes(t *testing.T) {
	measured, estimate := sessionBytes(t)
	if measured > 300 {
		t.Errorf("an open session of ten events takes %.0f bytes, the bound is 300", measured)
	}
	if estimate < 0.9*measured || estimate > 1.1*measured {
		t.Errorf("the state says that a session takes %.0f bytes, the heap says %.0f", estimate, measured)
	}
}

// BenchmarkSnapshot measures how long a lane of 200,000 open sessions stops.
func BenchmarkSnapshot(b *testing.B) {
	l := tenEvents(b, 200_000)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var dst []byte
	b.ReportAllocs()
	b.ResetTimer()
	cpu := threadTime()
	for b.Loop() {
		dst = l.state.Snapshot(dst[:0])
	}
	b.ReportMetric(float64(threadTime()-cpu)/float64(b.N)/1e6, "cpu-ms/op")
	b.ReportMetric(float64(len(dst))/200_000, "bytes/session")
}

// BenchmarkRestore measures how long the same lane takes to come back.
func BenchmarkRestore(b *testing.B) {
	l := tenEvents(b, 200_000)
	snapshot := l.state.Snapshot(nil)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ReportAllocs()
	b.ResetTimer()
	cpu := threadTime()
	for b.Loop() {
		if _, err := Restore(l.v, l.r, DefaultSettings(), snapshot); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(threadTime()-cpu)/float64(b.N)/1e6, "cpu-ms/op")
}

// warmFlag: 420 epochs of 25 s of shop time fill the whole horizon.
var warmFlag = flag.Int("warm", 60, "epochs before BenchmarkApply measures")
