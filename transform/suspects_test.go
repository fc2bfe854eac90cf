package transform

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/schemas"
)

// standing plays the tables: it knows from which record every event became a
// fact, and refuses a second one.
type standing struct {
	clicks, orders map[string]int64
	asked          int
	rows           int64
	duplicates     int64
}

func newStanding() *standing {
	return &standing{clicks: map[string]int64{}, orders: map[string]int64{}}
}

func (f *standing) copies(tb testing.TB, x *Suspects) (out [schemas.NumTopics][]int64) {
	for t, known := range []map[string]int64{f.clicks, f.orders} {
		out[t] = slices.Clone(x.Copies[t])
		last := int64(-1)
		for _, ref := range x.Ask[t] {
			if ref.Offset <= last || slices.Contains(x.Copies[t], ref.Offset) || ref.From >= ref.To {
				tb.Fatalf("topic %d: odd question %+v after offset %d", t, ref, last)
			}
			last = ref.Offset
			f.asked++
			key := string(ref.ID)
			if t == 0 {
				key = string(ref.Visitor[:]) + key
			}
			if offset, ok := known[key]; ok && offset < ref.Offset {
				out[t] = append(out[t], ref.Offset)
			}
		}
		slices.Sort(out[t])
	}
	return out
}

// add takes the facts of an epoch; one that stands already is a fault.
func (f *standing) add(tb testing.TB, b *schemas.Batch) {
	for i, offset := range b.Events.Offset {
		key := string(b.Events.Visitor[i][:]) + string(b.Events.EventID.At(i))
		if was, ok := f.clicks[key]; ok {
			tb.Fatalf("click %s became a fact from offset %d and from %d", b.Events.EventID.At(i), was, offset)
		}
		f.clicks[key] = offset
		f.rows++
		f.duplicates = offset + 1 - f.rows // clicks alone
	}
	for i, offset := range b.Orders.Offset {
		key := string(b.Orders.EventID.At(i))
		if was, ok := f.orders[key]; ok {
			tb.Fatalf("order event %s became a fact from offset %d and from %d", key, was, offset)
		}
		f.orders[key] = offset
	}
}

// Copies hours and days later, of events that were late themselves, doubled in
// one batch or in several: each event is a fact once, and nothing else than the
// first record of it.
func TestEachEventStandsOnce(t *testing.T) {
	seed := propertySeed(t)
	v := testVocabulary(t)
	l := newLane(t, v, DefaultSettings())
	asked, dropped := 0, int64(0)
	for n := range max(1, *casesFlag/5) {
		r := rand.New(rand.NewPCG(seed+uint64(n), 5))
		w := newWorld(r)
		w.runAhead(r)
		list := w.anyDelay(r, true)
		for _, a := range list[:len(list):len(list)] {
			for r.IntN(4) == 0 {
				a.at += copyDelay(r) * r.Int64N(2)
				list = append(list, a)
			}
		}
		slices.SortStableFunc(list, func(a, b arrival) int { return cmpInt(a.at, b.at) })
		*l = lane{tb: t, v: v, r: l.r, batch: l.batch, out: l.out, state: New(v, l.r, w.settings), facts: newStanding()}
		cut := 1 + r.IntN(30)
		var sent, facts, duplicates [schemas.NumTopics]int64
		late := int64(0)
		end := func() {
			t.Helper()
			out := l.end(0)
			for topic := range sent {
				facts[topic] += out.Counts.Facts[topic]
				duplicates[topic] += out.Counts.Duplicates[topic]
				late += out.Counts.Late[topic]
				tenant := out.Deltas.Tenants[0]
				if got := tenant[l.r.EventsDuplicate.Slot(topic)]; got != out.Counts.Duplicates[topic] {
					t.Fatalf("%d duplicates in the counters, %d in the ledger", got, out.Counts.Duplicates[topic])
				}
			}
			if int(late) < out.Late.Rows() {
				t.Fatal("late rows that nobody counted")
			}
			l.next()
			if r.IntN(4) == 0 {
				l.reopen()
			}
		}
		for _, x := range list {
			if x.click != nil {
				l.click(x.click)
				sent[0]++
			} else {
				l.sale(x.sale)
				sent[1]++
			}
			if r.IntN(cut) == 0 {
				end()
			}
		}
		end()
		want := [schemas.NumTopics]int64{int64(len(w.clicks)), int64(len(w.sales))}
		if facts != want || sent[0] != facts[0]+duplicates[0] || sent[1] != facts[1]+duplicates[1] {
			t.Fatalf("case %d, seed %d: %v events in %v records gave %v facts and %v duplicates\n%s", n, seed+uint64(n), want, sent, facts, duplicates, w)
		}
		asked += l.facts.asked
		dropped += duplicates[0] + duplicates[1]
	}
	if asked == 0 || dropped == 0 {
		t.Errorf("%d records were asked for, %d dropped", asked, dropped)
	}
}

// What is suspect is listed here by the ids of the records.
func suspects(l *lane) string {
	l.state.Suspects(l.batch, &l.suspects)
	var s []string
	for topic := range l.suspects.Ask {
		for _, ref := range l.suspects.Ask[topic] {
			s = append(s, fmt.Sprintf("%s days %d-%d", ref.ID, ref.From, ref.To))
		}
		for _, offset := range l.suspects.Copies[topic] {
			s = append(s, fmt.Sprint("copy at ", offset))
		}
	}
	return strings.Join(s, ", ")
}

func TestSuspects(t *testing.T) {
	v := testVocabulary(t)
	l := newLane(t, v, DefaultSettings())
	date := int(newDays(v)[0].date(noon))
	at := func(visitor, id string, t int64) *click {
		return &click{visitor: visitor, id: id, at: t, kind: schemas.KindPageView, received: max(t, noon+9*hour)}
	}
	expect := func(want string) {
		t.Helper()
		before := l.state.Snapshot(nil)
		if d := cmp.Diff(suspects(l), want); d != "" {
			t.Errorf("suspects (-got, +want):\n%s", d)
		}
		if !bytes.Equal(l.state.Snapshot(nil), before) {
			t.Error("asking changed the state")
		}
		l.end(0)
		l.next()
	}
	// History in order: an epoch spans hours, nobody is asked.
	for i := range int64(100) {
		l.click(at(fmt.Sprint("v", i%7), fmt.Sprint("c", i), noon+i*5*minute))
		l.sale(&sale{order: fmt.Sprint("o", i), id: fmt.Sprint("s", i), at: noon + i*5*minute, kind: schemas.KindOrderCreated, version: 1})
	}
	expect("")
	newest := noon + 99*5*minute
	l.click(at("v1", "in time", newest-hour))
	l.click(at("v1", "c80", newest-19*5*minute)) // a copy that the state knows
	l.click(at("v1", "old", newest-3*hour))
	l.click(at("v2", "c2", noon+10*minute))
	l.click(at("v2", "c2", noon+10*minute))
	l.click(at("v3", "c2", noon+10*minute)) // another visitor's
	l.click(at("v1", "older", newest-30*hour))
	l.sale(&sale{order: "o99", id: "s99", at: newest, kind: schemas.KindOrderCreated, version: 1}) // known
	l.sale(&sale{order: "o1", id: "s1", at: noon + 5*minute, kind: schemas.KindOrderCreated, version: 1})
	l.sale(&sale{order: "o98", id: "new", at: newest - hour, kind: schemas.KindOrderPaid, version: 2})
	around := func(name string, day int) string { return fmt.Sprintf("%s days %d-%d", name, date+day-1, date+day+1) }
	expect(strings.Join([]string{around("old", 0), around("c2", 0), around("c2", 0), around("older", -1), "copy at 104", around("s1", 0)}, ", "))
	// A clock that runs ahead: the event has the time of its arrival, and so
	// has every copy; unless it was the record that had a wrong clock.
	l.click(&click{visitor: "v9", id: "ahead", at: newest + 400*day, received: newest, kind: schemas.KindPageView})
	expect(fmt.Sprintf("ahead days %d-%d", date-lookBack, date+lookBack+1))
}

// A bound takes events out of the state while they are inside the horizon, also
// in the middle of a batch. In order, a bot is not asked for.
func TestSuspectsOfACrowd(t *testing.T) {
	v := testVocabulary(t)
	for name, users := range map[string]int{"one long session": 1, "many sessions of two users": 2} {
		t.Run(name, func(t *testing.T) {
			l := newLane(t, v, DefaultSettings())
			l.facts = newStanding()
			n := int64(0)
			next := func() *click {
				n++
				return &click{visitor: "bot", user: fmt.Sprint("u", n%int64(users)), id: fmt.Sprint("c", n), at: noon + n*100, kind: schemas.KindPageView}
			}
			send := func(count int, copies ...*click) (duplicates int64) {
				for range count {
					l.click(next())
				}
				for _, c := range copies {
					l.click(c)
				}
				duplicates = l.end(0).Counts.Duplicates[0]
				l.next()
				return duplicates
			}
			first, late := next(), next()
			l.click(first)
			l.click(late)
			if got := send(20_000, first, late); got != 2 { // the bound was met in the batch
				t.Errorf("%d of 2 copies in the batch were dropped", got)
			}
			asked := l.facts.asked
			middle := next()
			l.click(middle)
			if got := send(6000); got != 0 || l.facts.asked != asked {
				t.Errorf("a bot in order: %d dropped, %d asked for", got, l.facts.asked-asked)
			}
			for range 2 {
				if got := send(1, first, middle); got != 2 {
					t.Errorf("%d of 2 copies in a later batch were dropped", got)
				}
				l.reopen()
			}
			if len(l.state.crowds) != 1 {
				t.Errorf("%d visitors are watched", len(l.state.crowds))
			}
			l.end(l.state.Watermark() + 3*hour)
			if len(l.state.crowds) != 0 {
				t.Error("the visitor is watched for ever")
			}
		})
	}
}

// The bound on remembered ids of orders forgets the oldest: they are asked for.
func TestSuspectsBeyondTheBoundOfIDs(t *testing.T) {
	v := testVocabulary(t)
	l := newLane(t, v, DefaultSettings())
	l.click(&click{visitor: "v", id: "c", at: noon, kind: schemas.KindPageView})
	l.end(0)
	l.next()
	add := func(id string, at int64) {
		l.sale(&sale{order: id, id: id, at: at, kind: schemas.KindOrderUpdated, version: 1})
	}
	for i := range maxDedup {
		id, _ := schemas.DedupID(nil, []byte("/oms"), fmt.Append(nil, "s", i))
		l.state.ids.add(id, noon+int64(i)*(hour*1000/maxDedup)/1000+l.state.retain)
	}
	add("s0", noon)
	add("fresh", noon+hour)
	if got := suspects(l); got != "" {
		t.Errorf("suspects while all are remembered: %s", got)
	}
	l.end(0)
	l.next()
	for restart := range 2 {
		add("s0", noon)
		add("s1000000", noon+1_000_000*(hour*1000/maxDedup)/1000)
		add("newer", noon+hour)
		if got := suspects(l); !strings.HasPrefix(got, "s0 ") || strings.Contains(got, ",") {
			t.Errorf("suspects after the bound was met: %q", got)
		}
		l.batch.Reset()
		if restart == 0 {
			l.reopen()
		}
	}
}

// On its usual way asking allocates nothing.
func TestSuspectsAllocates(t *testing.T) {
	s := newShoppers(500, 1000)
	l := benchLane(t, s, 3, 5000)
	s.fill(l.batch, 5000)
	n := testing.AllocsPerRun(10, func() { l.state.Suspects(l.batch, &l.suspects) })
	if !l.suspects.Empty() || n > 0 {
		t.Errorf("%v allocations for %d suspects", n, len(l.suspects.rows))
	}
}

func BenchmarkSuspects(b *testing.B) {
	for _, late := range []int{0, 50} {
		b.Run(fmt.Sprint(late, " late"), func(b *testing.B) {
			s := newShoppers(20_000, 2000)
			l := benchLane(b, s, 2, 50_000)
			s.fill(l.batch, 50_000)
			for i := range l.batch.Events.Dedup {
				l.batch.Events.Dedup[i] = bigID(uint64(i))
			}
			for i := range late {
				l.batch.Events.Received[i*1000] -= 5 * hour
				l.batch.Events.Time[i*1000] -= 5 * hour
				l.batch.Events.Sent[i*1000] = 0
			}
			b.ReportAllocs()
			for b.Loop() {
				l.state.Suspects(l.batch, &l.suspects)
			}
			if len(l.suspects.rows) != late {
				b.Fatalf("%d suspects, want %d", len(l.suspects.rows), late)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/50_000, "ns/event")
		})
	}
}
