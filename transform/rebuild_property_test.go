package transform

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform/oracle"
)

// archive is a fact store in memory.
type archive struct {
	clicks   []PastClick
	orders   []PastOrder
	sessions []PastSession
	events   []oracle.Event
	sales    []oracle.OrderEvent
	late     int
	asked    int
}

// add keeps the facts of an epoch.
func (a *archive) add(b *schemas.Batch, out *Output) {
	events, sales := oracle.Facts(b)
	a.events, a.sales = append(a.events, events...), append(a.sales, sales...)
	e := b.Events
	for i := range e.Offset {
		if e.Late.Index[i] == schemas.LateTooOld {
			continue
		}
		a.late += int(bit(e.Late.Index[i] != schemas.LateNone))
		kind := schemas.Kind(e.Kind[i])
		a.clicks = append(a.clicks, PastClick{
			Offset: e.Offset[i], Time: e.Time[i], Visitor: e.Visitor[i], Key: e.Key[i], User: e.User[i], Order: e.Order[i], Tenant: e.Tenant.Index[i],
			Kind: e.Kind[i], PageType: e.PageType.Index[i], Channel: e.Channel.Index[i], Platform: e.Platform.Index[i], Region: e.Region.Index[i],
			IsTest: e.IsTest[i] != 0, IsInternal: e.IsInternal[i] != 0, IsBot: e.IsBot[i] != 0,
			Naming: e.Order[i] != 0 && (kind == schemas.KindOrderSubmit || kind == schemas.KindPurchase),
		})
	}
	o := b.Orders
	for i := range o.Offset {
		a.orders = append(a.orders, PastOrder{
			Offset: o.Offset[i], Time: o.Time[i], Received: o.Received[i], Order: o.Order[i], Version: o.Version[i], Visitor: o.Visitor[i], Identity: o.HasAnon[i],
			CreatedAt: o.CreatedAt[i], PaidAt: o.PaidAt[i], Payable: o.Payable[i], Paid: o.Paid[i], Rank: o.Rank[i], Tenant: o.Tenant.Index[i], Kind: o.Kind[i],
			Platform: o.Platform.Index[i], Currency: o.Currency.Index[i], Region: o.Region.Index[i], OrderType: o.OrderType.Index[i],
			IsTest: o.IsTest[i] != 0, IsInternal: o.IsInternal[i] != 0,
		})
	}
	a.addSessions(out)
}

func (a *archive) addSessions(out *Output) {
	s := out.Sessions
	for i := range s.Offset {
		a.sessions = append(a.sessions, PastSession{Session: s.Session[i], Visitor: s.Visitor[i], Start: s.Start[i], Tenant: s.Tenant.Index[i]})
	}
}

func (a *archive) answer(ask *Ask) (*Past, error) {
	a.asked++
	in := func(spans []Span, id schemas.ID, t int64) bool {
		return slices.ContainsFunc(spans, func(r Span) bool { return r.Visitor == id && t >= r.From && t <= r.To })
	}
	p := &Past{}
	owns := func(r Span, hash uint64) bool {
		named, within := false, false
		for _, o := range a.orders {
			if o.Order == hash {
				named = named || o.Visitor == r.Visitor
				for _, t := range []int64{o.CreatedAt, o.PaidAt, o.Time, o.Received} {
					within = within || t >= r.From && t <= r.To
				}
			}
		}
		return named && within
	}
	for _, c := range a.clicks {
		if in(ask.Clicks, c.Visitor, c.Time) || c.Naming && slices.Contains(ask.Orders, c.Order) {
			p.Clicks = append(p.Clicks, c)
		}
	}
	for _, o := range a.orders {
		if slices.Contains(ask.Orders, o.Order) {
			p.Orders = append(p.Orders, o)
		}
		if slices.ContainsFunc(ask.Owned, func(r Span) bool { return owns(r, o.Order) }) {
			p.Owned = append(p.Owned, o.Order)
		}
	}
	for _, s := range a.sessions {
		if in(ask.Sessions, s.Visitor, s.Start) {
			p.Sessions = append(p.Sessions, s)
		}
	}
	return p, nil
}

// rebuild runs what is due, as the pipeline does, and says how many epochs it took.
func (l *lane) rebuild(a *archive, rows *oracle.Rows) (n int) {
	for {
		due, err := l.state.Survey(a.answer)
		if err != nil {
			l.tb.Fatal(err)
		}
		if !due {
			return n
		}
		l.epoch++
		did, err := l.state.Rebuild(Version, l.epoch, l.out)
		if err != nil {
			l.tb.Fatal(err)
		}
		rows.Add(l.out.Sessions)
		a.addSessions(l.out)
		n++
		if !did.More {
			return n
		}
	}
}

// deliverLate delays some records by days.
func (w *world) deliverLate(r *rand.Rand) []arrival {
	list := w.deliver(r)
	seen := map[any]bool{}
	late := 1 + r.IntN(5)
	list = slices.DeleteFunc(list, func(a arrival) bool { // copies are another matter
		var k any = a.click
		if a.click == nil {
			k = a.sale
		}
		was := seen[k]
		seen[k] = true
		return was
	})
	for i := range list {
		if r.IntN(late) == 0 {
			list[i].at += r.Int64N([]int64{4 * hour, 20 * hour, 90 * hour}[r.IntN(3)])
		}
	}
	slices.SortStableFunc(list, func(a, b arrival) int { return cmpInt(a.at, b.at) })
	return list
}

// TestRebuiltSessionsAreAFunctionOfTheEvents lets events come any time after
// they happened: once the rebuild has run, the sessions are those of all
// accepted events, as if they had come in time.
func TestRebuiltSessionsAreAFunctionOfTheEvents(t *testing.T) {
	seed := propertySeed(t)
	v := testVocabulary(t)
	l := newLane(t, v, DefaultSettings())
	var w *world
	n, late, rebuilds := 0, 0, 0
	defer func() {
		if t.Failed() {
			t.Logf("case %d: -seed %d -cases 1 repeats it\n%s", n, seed+uint64(n), w)
		}
	}()
	for n = range *casesFlag {
		r := rand.New(rand.NewPCG(seed+uint64(n), 2))
		w = newWorld(r)
		w.runAhead(r)
		w.ownLater(r)
		l.state, l.epoch = New(v, l.r, w.settings), 0
		l.next()
		var rows oracle.Rows
		a := &archive{}
		list := w.deliverLate(r)
		cut, often := 1+r.IntN(8), 1+r.IntN(6)
		end := func(watermark int64) {
			out := l.end(watermark)
			rows.Add(out.Sessions)
			a.add(l.batch, out)
			l.next()
			if r.IntN(5) == 0 {
				l.reopen()
			}
			if r.IntN(often) == 0 {
				rebuilds += l.rebuild(a, &rows)
			}
		}
		for _, x := range list {
			if x.click != nil {
				l.click(x.click)
			} else {
				l.sale(x.sale)
			}
			if r.IntN(cut) == 0 {
				end(0)
			}
			if r.IntN(10) == 0 { // time goes on without this visitor
				end(min(x.at, l.state.Watermark()+r.Int64N(10*hour)))
			}
		}
		end(0)
		end(l.state.CloseAllWatermark())
		for range 3 {
			end(l.state.Watermark() + 400*hour)
			rebuilds += l.rebuild(a, &rows)
		}
		if left := l.state.Waiting(); left != 0 {
			t.Fatalf("%d things wait for ever", left)
		}
		want := oracle.Sessions(a.events, a.sales, w.oracleSettings())
		if d := cmp.Diff(rows.Live(), want); d != "" {
			t.Fatalf("engine (-) and oracle (+) differ:\n%s", d)
		}
		late += a.late
	}
	t.Logf("%d worlds, %d late events, %d rebuilds", n+1, late, rebuilds)
	if late == 0 || rebuilds == 0 {
		t.Error("nothing was late, or nothing rebuilt")
	}
}
