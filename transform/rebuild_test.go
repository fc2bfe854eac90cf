package transform

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform/oracle"
)

// rebuilt is a lane with its past.
type rebuilt struct {
	*lane
	past archive
	rows oracle.Rows
}

func newRebuilt(t *testing.T) *rebuilt {
	return &rebuilt{lane: newLane(t, testVocabulary(t), DefaultSettings())}
}

// after ends an epoch when the watermark has gone on to so long after noon.
func (x *rebuilt) after(d int64) {
	out := x.end(max(x.state.watermark, noon+d))
	x.rows.Add(out.Sessions)
	x.past.add(x.batch, out)
	x.next()
}

// view is a page view some time after noon.
func (x *rebuilt) view(visitor, id string, at int64) {
	x.click(&click{visitor: visitor, id: id, at: noon + at, kind: schemas.KindPageView})
}

// brief is what the cases compare: start and end in minutes after noon.
type brief struct{ From, To, Events, Orders int64 }

func (x *rebuilt) want(what string, want ...brief) {
	x.tb.Helper()
	var got []brief
	for _, s := range x.rows.Live() {
		if s.Start < noon+1000*minute {
			got = append(got, brief{(s.Start - noon) / minute, (s.End - noon) / minute, int64(s.Events), int64(s.Orders)})
		}
	}
	slices.SortFunc(got, func(a, b brief) int { return cmpInt(a.From, b.From) })
	if d := cmp.Diff(got, want); d != "" {
		x.tb.Errorf("%s (-got +want):\n%s", what, d)
	}
}

// wantHeirs compares how many sessions the last rebuild withdrew, and that each
// names the one that begins at the given minute.
func (x *rebuilt) wantHeirs(n int, heir int64) {
	x.tb.Helper()
	s, found := x.out.Sessions, 0
	for i := range s.Offset {
		if s.IsDeleted[i] == 0 {
			continue
		}
		found++
		for k := range s.Offset {
			if s.IsDeleted[k] == 0 && s.Session[k] == s.MergedInto[i] && s.Start[k] != noon+heir*minute {
				x.tb.Errorf("a withdrawn session has the heir of minute %d, want %d", (s.Start[k]-noon)/minute, heir)
			}
		}
		if s.MergedInto[i] == (schemas.ID{}) {
			x.tb.Errorf("the session of minute %d is withdrawn without an heir", (s.Start[i]-noon)/minute)
		}
	}
	if found != n {
		x.tb.Errorf("%d sessions withdrawn, want %d", found, n)
	}
}

func (x *rebuilt) wantRebuilds(n int) {
	x.tb.Helper()
	if got := x.rebuild(&x.past, &x.rows); got != n {
		x.tb.Fatalf("%d rebuilds, want %d; %d things wait", got, n, x.state.Waiting())
	}
}

func TestLateEventJoinsTwoSessions(t *testing.T) {
	x := newRebuilt(t)
	x.view("ann", "a", 0)
	x.view("ann", "b", 50*minute)
	x.after(10 * hour)
	x.view("ann", "late", 25*minute)
	x.after(10 * hour)
	x.want("before", brief{0, 0, 1, 0}, brief{50, 50, 1, 0})
	x.wantRebuilds(1)
	x.want("joined", brief{0, 50, 3, 0})
	x.wantHeirs(1, 0)
	x.wantRebuilds(0)

	x.view("ann", "later", 70*minute) // a second rebuild of the same sessions
	x.view("ann", "first", -10*minute)
	x.after(10 * hour)
	x.wantRebuilds(1)
	x.want("with another first event", brief{-10, 70, 5, 0})
	x.wantHeirs(2, -10) // the first session's id, and again the one that was joined before
	if n := x.state.Waiting(); n != 0 {
		t.Errorf("%d things wait", n)
	}
}

func TestLateClickTakesAnOrder(t *testing.T) {
	x := newRebuilt(t)
	x.view("ann", "a", 0)
	x.view("bob", "b", 5*minute)
	created := noon + 4*minute
	x.sale(&sale{order: "o", visitor: "ann", id: "s1", at: created, created: created, kind: schemas.KindOrderCreated, version: 1, payable: 5})
	x.sale(&sale{order: "o", visitor: "ann", id: "s2", at: created, created: created, paidAt: created, kind: schemas.KindOrderPaid, version: 2, paid: 5})
	x.after(10 * hour)
	x.want("the owner's", brief{0, 0, 1, 1}, brief{5, 5, 1, 0})
	x.click(&click{visitor: "bob", id: "late", at: noon + 3*minute, kind: schemas.KindPurchase, order: "o"})
	x.after(10 * hour)
	x.wantRebuilds(1)
	x.want("the one that names it", brief{0, 0, 1, 0}, brief{3, 5, 2, 1})
}

func TestLateOrderFindsItsSession(t *testing.T) {
	x := newRebuilt(t)
	x.view("ann", "a", 0)
	x.after(10 * hour)
	created := noon + minute
	x.sale(&sale{order: "o", visitor: "ann", id: "s1", at: created, created: created, kind: schemas.KindOrderCreated, version: 1, payable: 5})
	x.after(10 * hour)
	x.want("before", brief{0, 0, 1, 0})
	x.wantRebuilds(1)
	x.want("linked", brief{0, 0, 1, 1})
}

// One event of an order tells when it was created, another whose it is.
func TestRebuiltSessionKeepsAnOrderOwnedLater(t *testing.T) {
	x := newRebuilt(t)
	x.view("ann", "a", 0)
	created, paid := noon+minute, noon+4*hour
	x.sale(&sale{order: "o", user: "zoe", id: "s1", at: created, created: created, kind: schemas.KindOrderCreated, version: 1, payable: 5})
	x.after(hour)
	x.sale(&sale{order: "o", visitor: "ann", id: "s2", at: paid, paidAt: paid, kind: schemas.KindOrderPaid, version: 2, paid: 5})
	x.after(10 * hour)
	x.rebuild(&x.past, &x.rows)
	x.want("linked by the payment", brief{0, 0, 1, 1})
	x.view("ann", "late", 20*minute)
	x.after(11 * hour)
	x.wantRebuilds(1)
	x.want("with the late event", brief{0, 20, 2, 1})
}

// An unpaid order keeps its session in state: the lane writes it again when the
// order is paid, and nobody else may write it before that is over.
func TestLateEventWaitsForTheOrder(t *testing.T) {
	x := newRebuilt(t)
	x.view("ann", "a", 0)
	created := noon + minute
	x.sale(&sale{order: "o", visitor: "ann", id: "s1", at: created, created: created, kind: schemas.KindOrderCreated, version: 1, payable: 5})
	x.after(10 * hour)
	x.view("ann", "late", 20*minute)
	x.after(20 * hour)
	x.wantRebuilds(0)
	x.reopen()
	if n := x.state.Waiting(); n != 1 {
		t.Fatalf("%d things wait, want the late event", n)
	}
	x.sale(&sale{order: "o", visitor: "ann", id: "s2", at: created + 21*hour, created: created, paidAt: created + 21*hour, kind: schemas.KindOrderPaid, version: 2, paid: 5})
	x.after(21 * hour)
	x.wantRebuilds(0)
	x.after(30 * hour)
	x.wantRebuilds(1)
	x.want("paid and whole", brief{0, 20, 2, 1})
}

func TestTooLateIsInNoSession(t *testing.T) {
	x := newRebuilt(t)
	x.view("ann", "a", 0)
	x.after(80 * hour)
	x.view("ann", "late", 20*minute)
	x.after(90 * hour)
	x.wantRebuilds(0)
	x.want("as it was", brief{0, 0, 1, 0})
}

// Sessions beyond the bound stay as they are, and nothing waits for ever.
func TestLargeSessionsAreLeft(t *testing.T) {
	x := newRebuilt(t)
	for i := range maxSessionEvents + 10 {
		x.view("bot", string(rune('a'+i%26))+string(rune(i)), int64(i)*second)
	}
	x.after(20 * hour)
	live := x.rows.Live()
	x.view("bot", "late", 10*minute+1)
	x.after(20 * hour)
	x.wantRebuilds(1)
	if d := cmp.Diff(x.rows.Live(), live); d != "" {
		t.Errorf("the session changed:\n%s", d)
	}
	if n := x.state.Waiting(); n != 0 {
		t.Errorf("%d things wait", n)
	}
}
