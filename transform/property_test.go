package transform

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform/oracle"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "seed of the property tests, 0 = from the clock")
	casesFlag = flag.Int("cases", 10000, "random worlds that the property tests try")
)

// world is a random small shop: its clicks and order events, each once.
type world struct {
	settings Settings
	clicks   []click
	sales    []sale
	cross    bool // orders are hinted by visitors other than their own
}

var noon = time.Date(2026, 11, 10, 4, 0, 0, 0, time.UTC).UnixMilli()

func newWorld(r *rand.Rand) *world {
	w := &world{settings: DefaultSettings(), cross: r.IntN(4) == 0}
	if r.IntN(3) > 0 {
		w.settings.MaxLength = time.Duration(1+r.IntN(3)) * time.Hour
		w.settings.PayWindow = time.Duration(1+r.IntN(6)) * time.Hour
	}
	if r.IntN(3) == 0 {
		w.settings.MergeHorizon = time.Duration(20+r.IntN(60)) * time.Minute
	}
	visitors := 1 + r.IntN(3)
	kinds := []schemas.Kind{
		schemas.KindPageView, schemas.KindPageView, schemas.KindViewItem, schemas.KindAddToCart, schemas.KindBeginCheckout,
		schemas.KindOther, schemas.KindSearch, schemas.KindLogin, schemas.KindOrderSubmit, schemas.KindPurchase,
	}
	orders := r.IntN(5)
	for i := range visitors {
		t := noon + r.Int64N(2*hour)
		user := ""
		for range 1 + r.IntN(14) {
			switch r.IntN(12) {
			case 0:
				t += 30 * minute
			case 1:
				t += 30*minute + 1
			case 2:
				t += 30*minute + r.Int64N(10*hour)
			case 3: // the same millisecond
			case 4:
				t += 30*minute + r.Int64N(5*minute)
			default:
				t += r.Int64N(29 * minute)
			}
			switch r.IntN(6) {
			case 0:
				user = []string{"", "ann", "bob"}[r.IntN(3)]
			}
			c := click{
				visitor: fmt.Sprint("v", i), user: user, id: fmt.Sprint("c", i, "-", len(w.clicks)), at: t, kind: kinds[r.IntN(len(kinds))],
				page: uint8(r.IntN(schemas.NumPageTypes)), channel: uint8(r.IntN(5)), platform: uint8(r.IntN(int(schemas.NumPlatforms))),
				region: uint8(r.IntN(3)), sequence: r.Uint64N(3), test: r.IntN(40) == 0, internal: r.IntN(40) == 0, bot: r.IntN(40) == 0,
			}
			if (c.kind == schemas.KindOrderSubmit || c.kind == schemas.KindPurchase) && orders > 0 {
				if k := r.IntN(orders); w.cross || k%visitors == i {
					c.order = fmt.Sprint("o", k)
				}
			}
			w.clicks = append(w.clicks, c)
		}
	}
	for k := range orders {
		w.addOrder(r, k, k%visitors)
	}
	return w
}

// addOrder makes the life of one order near some click of its visitor.
func (w *world) addOrder(r *rand.Rand, k, owner int) {
	var near []click
	for _, c := range w.clicks {
		if c.visitor == fmt.Sprint("v", owner) {
			near = append(near, c)
		}
	}
	created := near[r.IntN(len(near))].at + r.Int64N(70*minute) - 10*minute
	base := sale{owner: owner, order: fmt.Sprint("o", k), at: created, payable: 1 + r.Int64N(10000), currency: []string{"CNY", "CNY", "JPY"}[r.IntN(3)], test: r.IntN(20) == 0}
	if r.IntN(12) == 0 {
		base.orderType = uint8(r.IntN(len(schemas.OrderTypeNames)))
	}
	// The first event knows best whose order it is: what is learnt days later
	// finds no session in state any more.
	known := 3
	identified := func(x sale) sale {
		known = min(known, r.IntN(6))
		switch {
		case known >= 2:
			x.visitor = fmt.Sprint("v", owner)
		case known == 1:
			x.user = "zoe"
		}
		return x
	}
	add := func(x sale, kind schemas.Kind, version uint64) {
		x.kind, x.version, x.id = kind, version, fmt.Sprint("s", k, "-", len(w.sales))
		w.sales = append(w.sales, identified(x))
	}
	stated := r.IntN(8) > 0 // an order.created exists
	if stated {
		x := base
		x.created = created
		add(x, schemas.KindOrderCreated, 1)
		if r.IntN(4) == 0 {
			x.created, x.at, x.payable = 0, created+r.Int64N(10*minute), 1+r.Int64N(10000)
			add(x, schemas.KindOrderUpdated, 2)
		}
	}
	window, paidAt := w.settings.PayWindow.Milliseconds(), created
	if r.IntN(3) > 0 {
		x := base
		x.payable, x.paid = 0, base.payable
		if r.IntN(6) == 0 {
			x.currency = "JPY"
		}
		x.at = created + []int64{window, window + 1, r.Int64N(window), r.Int64N(hour)}[r.IntN(4)]
		x.paidAt, paidAt = x.at, x.at
		if stated && r.IntN(2) == 0 {
			x.created = created
		}
		add(x, schemas.KindOrderPaid, 3)
	}
	// A click names an order at the earliest a gap before it exists.
	for i := range w.clicks {
		at := paidAt
		if stated {
			at = created
		}
		if c := &w.clicks[i]; c.order == base.order && c.at < at-30*minute {
			c.order = ""
		}
	}
	if r.IntN(5) == 0 {
		x := base
		x.payable, x.at = 0, paidAt+r.Int64N(window)
		if stated {
			x.created = created
		}
		add(x, schemas.KindOrderCancelled, 4)
	}
}

// arrival is one record on its way: clicks and order events in the order in
// which they reach the topics, copies included.
type arrival struct {
	at    int64
	click *click
	sale  *sale
}

// deliver delays and copies the world's records; the delay of a first copy is
// below the merge horizon.
func (w *world) deliver(r *rand.Rand) []arrival {
	horizon := w.settings.MergeHorizon.Milliseconds()
	style := r.IntN(3)
	delay := func() int64 {
		switch {
		case style == 0 || r.IntN(2) == 0:
			return r.Int64N(second)
		case style == 1:
			return r.Int64N(10 * minute)
		}
		return r.Int64N(horizon)
	}
	var list []arrival
	for i := range w.clicks {
		c := &w.clicks[i]
		list = append(list, arrival{at: c.at + delay(), click: c})
		if r.IntN(8) == 0 {
			list = append(list, arrival{at: list[len(list)-1].at + copyDelay(r), click: c})
		}
	}
	for i := range w.sales {
		x := &w.sales[i]
		list = append(list, arrival{at: x.at + delay(), sale: x})
		if r.IntN(8) == 0 {
			list = append(list, arrival{at: list[len(list)-1].at + copyDelay(r), sale: x})
		}
	}
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	slices.SortStableFunc(list, func(a, b arrival) int { return cmpInt(a.at, b.at) })
	return list
}

// copyDelay: a copy may come after everything about its original has left.
func copyDelay(r *rand.Rand) int64 {
	return r.Int64N([]int64{4 * hour, 4 * hour, 12 * hour, 100 * hour}[r.IntN(4)])
}

func cmpInt(a, b int64) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

// runAhead gives one event in ten a clock, its own and the collector's, that is
// ahead by an hour or a year: nothing may come of it.
func (w *world) runAhead(r *rand.Rand) {
	ahead := func() int64 {
		if r.IntN(10) > 0 {
			return 0
		}
		return 5*minute + 1 + r.Int64N([]int64{hour, 10 * day, 25000 * day}[r.IntN(3)])
	}
	for i := range w.clicks {
		w.clicks[i].ahead = ahead()
	}
	for i := range w.sales {
		w.sales[i].ahead = ahead()
	}
}

// passOn lets orders change hands in some worlds: clicks of anybody name them,
// whenever, and their events tell of other owners.
func (w *world) passOn(r *rand.Rand) {
	if len(w.sales) == 0 || r.IntN(3) > 0 {
		return
	}
	for i := range w.clicks {
		if c := &w.clicks[i]; r.IntN(3) == 0 {
			c.kind, c.order = schemas.KindOrderSubmit, w.sales[r.IntN(len(w.sales))].order
		}
	}
	for i := range w.sales {
		if r.IntN(3) == 0 {
			w.giveTo(r, &w.sales[i])
		}
	}
}

// ownLater lets events that do not tell when the order was created name another
// owner, in some worlds.
func (w *world) ownLater(r *rand.Rand) {
	if r.IntN(3) > 0 {
		return
	}
	for i := range w.sales {
		if w.sales[i].created == 0 && r.IntN(3) == 0 {
			w.giveTo(r, &w.sales[i])
		}
	}
}

func (w *world) giveTo(r *rand.Rand, x *sale) {
	x.visitor, x.user = w.clicks[r.IntN(len(w.clicks))].visitor, ""
}

// oracle gives the sessions of all the world's events.
func (w *world) oracle(v *schemas.Vocabulary) []oracle.Session {
	b := schemas.NewBatch(v)
	for i, c := range w.clicks {
		c.ahead = 0
		addClick(b, int64(i), &c)
	}
	for i, x := range w.sales {
		x.ahead = 0
		addSale(b, int64(i), &x)
	}
	events, orders := oracle.Facts(b)
	return oracle.Sessions(events, orders, w.oracleSettings())
}

func (w *world) oracleSettings() oracle.Settings {
	return oracle.Settings{Gap: w.settings.Gap, MaxLength: w.settings.MaxLength, PayWindow: w.settings.PayWindow}
}

// run sends the records of some visitors through one lane with random epochs,
// restarts and idle advances, and adds its rows.
func (w *world) run(r *rand.Rand, l *lane, list []arrival, rows *oracle.Rows) {
	cut := 1 + r.IntN(8)
	restart := r.IntN(2) == 0
	var now int64
	end := func(watermark int64) {
		rows.Add(l.end(watermark).Sessions)
		for i, topic := range l.out.Late.Topic.Index {
			if topic == 0 {
				l.tb.Fatalf("event %s inside the horizon is late", l.out.Late.EventID.At(i))
			}
		}
		l.next()
		if restart && r.IntN(3) == 0 {
			l.reopen()
		}
	}
	for i, a := range list {
		now = a.at
		if a.click != nil {
			l.click(a.click)
		} else {
			l.sale(a.sale)
		}
		if r.IntN(cut) == 0 {
			idle := int64(0)
			if i+1 < len(list) && r.IntN(6) == 0 {
				idle = now - w.settings.OutOfOrder.Milliseconds()
			}
			end(idle)
		}
	}
	end(0)
	end(l.state.CloseAllWatermark())
	end(l.state.Watermark() + 400*hour)
	if n := l.state.index.n + len(l.state.orderIndex) + l.state.sessions.live() + l.state.kept.live() + l.state.users.live() + l.state.orders.live(); n != 0 {
		l.tb.Fatalf("%d things stay in state for ever", n)
	}
}

func TestSessionsAreAFunctionOfTheEvents(t *testing.T) {
	seed := propertySeed(t)
	v := testVocabulary(t)
	lanes := []*lane{newLane(t, v, DefaultSettings()), newLane(t, v, DefaultSettings()), newLane(t, v, DefaultSettings())}
	var w *world
	n := 0
	defer func() {
		if t.Failed() {
			t.Logf("case %d: -seed %d -cases 1 repeats it\n%s", n, seed+uint64(n), w)
		}
	}()
	for n = range *casesFlag {
		r := rand.New(rand.NewPCG(seed+uint64(n), 1))
		w = newWorld(r)
		w.runAhead(r)
		want := w.oracle(v)
		for range 2 {
			list := w.deliver(r)
			count := 1
			if !w.cross {
				count = 1 + r.IntN(len(lanes))
			}
			var rows oracle.Rows
			for k, l := range lanes[:count] {
				l.tb = t
				l.state, l.epoch, l.facts = New(v, l.r, w.settings), 0, newStanding()
				var share []arrival
				for _, a := range list {
					if a.lane(count) == k {
						share = append(share, a)
					}
				}
				w.run(r, l, share, &rows)
			}
			if d := cmp.Diff(rows.Live(), want); d != "" {
				t.Fatalf("%d lanes: engine (-) and oracle (+) differ:\n%s", count, d)
			}
		}
	}
}

// lane keeps a visitor's clicks and orders together.
func (a arrival) lane(count int) int {
	if a.click != nil {
		return int(a.click.visitor[1]-'0') % count
	}
	return a.sale.owner % count
}

func (w *world) String() string {
	s := fmt.Sprintf("%+v\n", w.settings)
	for _, c := range w.clicks {
		s += fmt.Sprintf("%s %s %q %s key %d order %q\n", stamp(c.at), c.visitor, c.user, c.kind, c.sequence, c.order)
	}
	for _, x := range w.sales {
		s += fmt.Sprintf("%s %s v%d %q %q %s %s created %s paid %s\n", stamp(x.at), x.order, x.version, x.visitor, x.user, x.kind, x.currency, stamp(x.created), stamp(x.paidAt))
	}
	return s
}

func stamp(t int64) string {
	if t == 0 {
		return "-"
	}
	return time.UnixMilli(t).UTC().Format("02 15:04:05.000")
}
