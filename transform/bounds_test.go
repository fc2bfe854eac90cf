package transform

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/zeebo/xxh3"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform/oracle"
)

// A device that never rests, bots beyond the session bound, many users and
// many orders: every event is in exactly one session, sessions do not overlap,
// the state stays small and leaves nothing behind.
func TestBounds(t *testing.T) {
	v := testVocabulary(t)
	l := newLane(t, v, DefaultSettings())
	l.facts = newStanding()
	r := rand.New(rand.NewPCG(7, 7))
	var rows oracle.Rows
	sent, cut := map[string]uint32{}, int64(0)
	largest := 0
	end := func(watermark int64) {
		out := l.end(watermark)
		rows.Add(out.Sessions)
		for k := range l.r.StateCut.Series() {
			cut += out.Deltas.Tenants[0][l.r.StateCut.Slot(0)+k]
		}
		for _, id := range out.Late.Visitor {
			if id != visitorID("family") { // its older sessions were made final by the bound
				t.Fatalf("late events: %+v", out.Counts)
			}
			sent["family"]--
		}
		for i := range l.state.everyVisitor {
			largest = max(largest, int(l.state.visitors.at(i).n))
		}
		l.next()
		if r.IntN(5) == 0 {
			l.reopen()
		}
	}
	n, copies := 0, 0
	var history []*click
	for at := noon; at < noon+4*day; at += 10 * second {
		add := func(visitor, user string, kind schemas.Kind, order string) {
			n++
			c := &click{visitor: visitor, user: user, id: fmt.Sprint(n), at: at - r.Int64N(minute), kind: kind, order: order}
			l.click(c)
			sent[visitor]++
			// A copy of one of the last few, or of hours or days before.
			history = append(history, c)
			if r.IntN(20) == 0 {
				copies++
				l.click(history[max(0, len(history)-1-r.IntN([]int{10, 3000, 100_000}[r.IntN(3)]))])
			}
		}
		add("monitor", "", schemas.KindPageView, "")
		add("family", fmt.Sprint("user", n%3), schemas.KindPageView, "")
		if at%(25*minute) == 0 {
			add("kiosk", fmt.Sprint("user", r.IntN(30)), schemas.KindPageView, "")
			add("till", "", schemas.KindOrderSubmit, fmt.Sprint("order", n))
			l.sale(&sale{order: fmt.Sprint("order", n), visitor: "till", id: fmt.Sprint("s", n), at: at, created: at, kind: schemas.KindOrderCreated, payable: 1})
		}
		if at < noon+12*hour {
			add("bot", "", schemas.KindViewItem, "")
			add("bot", "", schemas.KindPageView, "")
		}
		if r.IntN(400) == 0 {
			end(0)
		}
	}
	end(0)
	end(l.state.CloseAllWatermark())
	got := map[string]uint32{}
	live := rows.Live()
	for i, s := range live {
		for name := range sent {
			if uuidOf(name) == s.Visitor {
				got[name] += s.Events
			}
		}
		if i > 0 && live[i-1].Visitor == s.Visitor && s.Start < live[i-1].End {
			t.Errorf("sessions overlap: %+v and %+v", live[i-1], s)
		}
		if !s.Closed {
			t.Errorf("still open: %+v", s)
		}
	}
	for name, want := range sent {
		if got[name] != want {
			t.Errorf("%s: %d events in sessions, %d sent", name, got[name], want)
			for _, s := range live {
				if uuidOf(name) == s.Visitor {
					t.Logf("%s to %s: %d events", stamp(s.Start), stamp(s.End), s.Events)
				}
			}
		}
	}
	if largest > maxVisitorEvents {
		t.Errorf("a visitor held %d events, the bound is %d", largest, maxVisitorEvents)
	}
	if int64(copies) != l.facts.duplicates {
		t.Errorf("%d copies came, %d were dropped", copies, l.facts.duplicates)
	}
	if cut == 0 {
		t.Error("no bound was counted")
	}
	end(l.state.watermark + 400*hour)
	if n := l.state.index.n + len(l.state.orderIndex) + l.state.sessions.live() + l.state.kept.live() + l.state.users.live() + len(l.state.ids.expires); n != 0 {
		t.Errorf("%d things stay in state for ever", n)
	}
}

func TestSketch(t *testing.T) {
	k := newSketch()
	n := 0
	for _, want := range []int{0, 1, 10, 500, 1000, 5000, 20_000, 60_000, 300_000} {
		for ; n < want; n++ {
			var id schemas.ID
			binary.BigEndian.PutUint64(id[:], xxh3.Hash(binary.BigEndian.AppendUint64(nil, uint64(n))))
			k.add(id)
			k.add(id)
		}
		if got := k.count(); math.Abs(float64(got)-float64(want)) > 0.03*float64(want)+0.5 {
			t.Errorf("%d ids are counted as %d", want, got)
		}
	}
}

func TestDates(t *testing.T) {
	v := testVocabulary(t)
	d := newDays(v)
	for _, c := range []struct {
		at   int64
		want uint16
	}{{shopMidnight - 1, 20767}, {shopMidnight, 20768}, {shopMidnight + day - 1, 20768}, {shopMidnight + day, 20769}, {-1, 0}} {
		if got := d[0].date(c.at); got != c.want {
			t.Errorf("business date of %d: %d, want %d", c.at, got, c.want)
		}
	}
}

// A state that was put together again from part of its records asks for
// whatever it may have known, and its snapshot does so too.
func TestAStateWithGapsAsks(t *testing.T) {
	l := newLane(t, testVocabulary(t), DefaultSettings())
	l.click(&click{visitor: "v", id: "a", at: noon, kind: schemas.KindPageView})
	l.end(0)
	ask := func(s *State, at int64) int {
		l.next()
		l.click(&click{visitor: "v", id: "b", at: at, kind: schemas.KindPageView})
		l.sale(&sale{order: "o", visitor: "v", id: "c", at: at, kind: schemas.KindOrderPaid})
		var x Suspects
		s.Suspects(l.batch, &x)
		return len(x.Ask[schemas.Clickstream]) + len(x.Ask[schemas.OrdersTopic])
	}
	if n := ask(l.state, noon); n != 0 {
		t.Fatalf("a whole state asks for %d events", n)
	}
	l.state.MayLack()
	restored, err := Restore(l.v, l.r, l.state.Settings(), l.state.Snapshot(nil))
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*State{"itself": l.state, "restored": restored} {
		if n := ask(s, noon); n != 2 {
			t.Errorf("%s: asks for %d events, want 2", name, n)
		}
		if n := ask(s, noon+10*minute); n != 0 {
			t.Errorf("%s: asks for %d events that nobody can have seen", name, n)
		}
	}
}

// A click whose clock ran ahead took the time of its arrival; its copy comes
// when the stated time has passed and keeps it.
func TestACopyOfAClickFromTheFuture(t *testing.T) {
	for _, restart := range []bool{false, true} {
		l := newLane(t, testVocabulary(t), DefaultSettings())
		ahead := click{visitor: "v", id: "a", at: noon + 3*hour, received: noon, kind: schemas.KindPageView}
		l.click(&ahead)
		l.end(0)
		for at := noon + 20*minute; at <= noon+6*hour; at += 20 * minute {
			l.next()
			l.click(&click{visitor: "w", id: fmt.Sprint(at), at: at, received: at, kind: schemas.KindPageView})
			l.end(0)
		}
		if restart {
			s, err := Restore(l.v, l.r, l.state.Settings(), l.state.Snapshot(nil))
			if err != nil {
				t.Fatal(err)
			}
			l.state = s
		}
		again := ahead
		again.received = noon + 6*hour
		l.next()
		l.click(&again)
		l.click(&click{visitor: "v", id: "b", at: ahead.at, received: again.received, kind: schemas.KindPageView})
		l.end(0)
		if n := l.out.Counts.Duplicates[schemas.Clickstream]; n != 1 {
			t.Errorf("restart %v: %d duplicates, want the copy alone", restart, n)
		}
	}
}
