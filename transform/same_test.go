package transform

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform/oracle"
)

func propertySeed(t *testing.T) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (-seed %d -cases 1 repeats the first)", seed, seed)
	return seed
}

// anyDelay delays records without a bound, so that many are late.
func (w *world) anyDelay(r *rand.Rand, orders bool) []arrival {
	var list []arrival
	delay := func() int64 {
		if r.IntN(3) > 0 {
			return r.Int64N(minute)
		}
		return r.Int64N([]int64{hour, 4 * hour, 12 * hour, 100 * hour}[r.IntN(4)])
	}
	for i := range w.clicks {
		for range 1 + r.IntN(6)/5 {
			list = append(list, arrival{at: w.clicks[i].at + delay(), click: &w.clicks[i]})
		}
	}
	for i := range w.sales {
		if orders {
			list = append(list, arrival{at: w.sales[i].at + delay(), sale: &w.sales[i]})
		}
	}
	slices.SortStableFunc(list, func(a, b arrival) int { return cmpInt(a.at, b.at) })
	return list
}

// Recovery repeats epochs from a snapshot and compares them with the ledger:
// every byte must be the same, late and doubled events included.
func TestARestoredStateGoesOnTheSame(t *testing.T) {
	seed := propertySeed(t)
	v := testVocabulary(t)
	a, b := newLane(t, v, DefaultSettings()), newLane(t, v, DefaultSettings())
	for n := range max(1, *casesFlag/5) {
		r := rand.New(rand.NewPCG(seed+uint64(n), 2))
		w := newWorld(r)
		w.passOn(r)
		*a = lane{tb: t, v: v, r: a.r, batch: a.batch, out: a.out, state: New(v, a.r, w.settings), facts: newStanding()}
		*b = lane{tb: t, v: v, r: b.r, batch: b.batch, out: b.out, state: New(v, b.r, w.settings), facts: newStanding()}
		end := func(watermark int64) {
			t.Helper()
			x := fingerprint(a.batch, a.end(watermark))
			y := fingerprint(b.batch, b.end(watermark))
			if x != y {
				t.Fatalf("case %d, seed %d, epoch %d: output differs after a restore\n%s", n, seed+uint64(n), a.epoch, w)
			}
			if s := a.state.Snapshot(nil); !bytes.Equal(s, b.state.Snapshot(nil)) {
				t.Fatalf("case %d, seed %d, epoch %d: state differs after a restore\n%s", n, seed+uint64(n), a.epoch, w)
			}
			a.next()
			b.next()
		}
		cut := 1 + r.IntN(10)
		for _, x := range w.anyDelay(r, true) {
			for _, l := range []*lane{a, b} {
				if x.click != nil {
					l.click(x.click)
				} else {
					l.sale(x.sale)
				}
			}
			if r.IntN(cut) == 0 {
				end([]int64{0, a.state.watermark + r.Int64N(hour), x.at - 2*minute}[r.IntN(3)])
				if r.IntN(2) == 0 {
					b.reopen()
				}
			}
		}
		end(0)
		b.reopen()
		end(a.state.CloseAllWatermark())
		b.reopen()
		end(a.state.watermark + 10*hour)
	}
}

// Where epochs are cut decides nothing about the clickstream: not what is
// late, not what is a copy, not the sessions, however late events come.
func TestEpochCutsDecideNothing(t *testing.T) {
	seed := propertySeed(t)
	v := testVocabulary(t)
	l := newLane(t, v, DefaultSettings())
	for n := range max(1, *casesFlag/5) {
		r := rand.New(rand.NewPCG(seed+uint64(n), 3))
		w := newWorld(r)
		list := w.anyDelay(r, false)
		type outcome struct {
			Late []uint8 // by offset; 255 = copy
			Live []oracle.Session
		}
		run := func(cut int) (o outcome) {
			*l = lane{tb: t, v: v, r: l.r, batch: l.batch, out: l.out, state: New(v, l.r, w.settings), facts: newStanding()}
			o.Late = slices.Repeat([]uint8{255}, len(list))
			var rows oracle.Rows
			var accepted []oracle.Event
			end := func(watermark int64) {
				decoded := len(l.batch.Events.Offset)
				out := l.end(watermark)
				rows.Add(out.Sessions)
				for i, offset := range l.batch.Events.Offset {
					o.Late[offset] = l.batch.Events.Late.Index[i]
				}
				if got := out.Counts.Facts[0] + out.Counts.Duplicates[0]; int(got) != decoded {
					t.Fatalf("%d events in, %d out", decoded, got)
				}
				inTime := make([]bool, len(l.batch.Events.Offset)) // the others wait for a rebuild
				for i := range inTime {
					inTime[i] = l.batch.Events.Late.Index[i] == schemas.LateNone
				}
				l.batch.Events.Keep(inTime)
				events, _ := oracle.Facts(l.batch)
				accepted = append(accepted, events...)
				l.next()
			}
			for _, x := range list {
				l.click(x.click)
				if cut > 0 && r.IntN(cut) == 0 {
					end(0)
				}
			}
			end(0)
			end(l.state.CloseAllWatermark())
			o.Live = rows.Live()
			if d := cmp.Diff(o.Live, oracle.Sessions(accepted, nil, w.oracleSettings())); d != "" {
				t.Fatalf("case %d, seed %d: engine (-) and oracle (+) differ on the accepted events:\n%s\n%s", n, seed+uint64(n), d, w)
			}
			return o
		}
		want := run(1)
		for _, cut := range []int{0, 2, 5} {
			if d := cmp.Diff(run(cut), want); d != "" {
				t.Fatalf("case %d, seed %d: epochs of about %d records (-), of one (+):\n%s\n%s", n, seed+uint64(n), cut, d, w)
			}
		}
		for i, x := range want.Live[1:] {
			if was := want.Live[i]; was.Visitor == x.Visitor && x.Start < was.End {
				t.Fatalf("case %d, seed %d: sessions overlap:\n%s", n, seed+uint64(n), cmp.Diff(was, x))
			}
		}
	}
}

// goldenRun is a fixed shop with everything in it; it gives a hash of all its
// output and its last snapshot.
func goldenRun(t *testing.T) (hash uint64, snapshot []byte) {
	v := testVocabulary(t)
	l := newLane(t, v, DefaultSettings())
	for n := range uint64(20) {
		r := rand.New(rand.NewPCG(n, 4))
		w := newWorld(r)
		shift := int64(n) * 20 * hour
		for _, x := range w.anyDelay(r, true) {
			if x.click != nil {
				c := *x.click
				c.at, c.id = c.at+shift, c.id+string(rune('a'+n))
				l.click(&c)
			} else {
				s := *x.sale
				s.at, s.order, s.id = s.at+shift, s.order+string(rune('a'+n)), s.id+string(rune('a'+n))
				if s.created != 0 {
					s.created += shift
				}
				if s.paidAt != 0 {
					s.paidAt += shift
				}
				l.sale(&s)
			}
			if r.IntN(5) == 0 {
				hash = hash*31 + fingerprint(l.batch, l.end(0))
				l.next()
			}
		}
	}
	hash = hash*31 + fingerprint(l.batch, l.end(0))
	l.next()
	return hash, l.state.Snapshot(nil)
}

// Recovery runs old epochs again and compares: whoever changes what comes out
// raises Version and keeps the version before runnable.
func TestVersion(t *testing.T) {
	const golden = uint64(7976999698767559918)
	hash, snapshot := goldenRun(t)
	if hash != golden {
		t.Errorf("output of version %d changed (%d, was %d): raise transform.Version and keep the version before runnable", Version, hash, golden)
	}
	const file = "testdata/snapshot-1.bin"
	if *sampleFlag {
		if err := os.WriteFile(file, snapshot, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sample, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	v := testVocabulary(t)
	s, err := Restore(v, schemas.NewRegister(v), DefaultSettings(), sample)
	if err != nil {
		t.Fatalf("the stored sample of snapshot format 1: %v", err)
	}
	if !bytes.Equal(s.Snapshot(nil), snapshot) {
		t.Errorf("the stored sample of snapshot format 1 no longer equals the state it was taken from")
	}
}

var sampleFlag = flag.Bool("sample", false, "store the sample snapshot of this format anew; only before its first release")

func TestRestoreFailure(t *testing.T) {
	v := testVocabulary(t)
	r := schemas.NewRegister(v)
	sample, err := os.ReadFile("testdata/snapshot-1.bin")
	if err != nil {
		t.Fatal(err)
	}
	for n := range sample {
		if _, err := Restore(v, r, DefaultSettings(), sample[:n]); err == nil {
			t.Fatalf("%d of %d bytes are taken for a whole snapshot", n, len(sample))
		}
	}
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
	}{
		{"another format", func(b []byte) []byte { b[0] = 99; return b }},
		{"a byte too many", func(b []byte) []byte { return append(b, 0) }},
		{"nothing", func([]byte) []byte { return nil }},
	} {
		if _, err := Restore(v, r, DefaultSettings(), c.change(bytes.Clone(sample))); err == nil {
			t.Errorf("%s is accepted", c.name)
		}
	}
}

// FuzzRestore: whatever the bytes, there is a state that works or an error.
func FuzzRestore(f *testing.F) {
	v := testVocabulary(f)
	r := schemas.NewRegister(v)
	sample, err := os.ReadFile("testdata/snapshot-1.bin")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	f.Add(New(v, r, DefaultSettings()).Snapshot(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Restore(v, r, DefaultSettings(), b)
		if err != nil {
			return
		}
		again := s.Snapshot(nil)
		if _, err := Restore(v, r, DefaultSettings(), again); err != nil {
			t.Fatalf("the snapshot of a restored state: %v", err)
		}
		l := &lane{tb: t, v: v, r: r, state: s, batch: schemas.NewBatch(v), out: NewOutput(v, r), unchecked: true}
		l.click(&click{visitor: "v0", id: "x", at: max(s.watermark, noon), kind: schemas.KindPurchase, order: "o0"})
		l.sale(&sale{order: "o0", visitor: "v0", id: "y", at: max(s.watermark, noon), kind: schemas.KindOrderPaid})
		l.end(0)
		l.next()
		l.end(s.CloseAllWatermark())
		l.end(s.watermark + 1000*hour)
	})
}

// A warm lane allocates nothing per event.
func TestApplyAllocates(t *testing.T) {
	const records = 5000
	s := newShoppers(500, 1000)
	l := benchLane(t, s, 100, records)
	var before, after runtime.MemStats
	total := uint64(0)
	for range 10 {
		s.fill(l.batch, records)
		runtime.ReadMemStats(&before)
		l.end(0)
		runtime.ReadMemStats(&after)
		total += after.Mallocs - before.Mallocs
		l.next()
	}
	if per := float64(total) / (10 * records); per > 0.01 {
		t.Errorf("%.3f allocations per event, want none but the growth of maps", per)
	}
}
