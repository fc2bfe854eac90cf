package transform

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/storepulse/storepulse/schemas"
)

// TestClosedShop: a shop whose sessions are closed may leave the configuration,
// whatever else is remembered of it, and the other shops do not notice.
func TestClosedShop(t *testing.T) {
	both := testVocabulary(t)
	one, err := schemas.NewVocabulary(both.Topics, both.Tenants[:1], nil, []string{"shoes"})
	if err != nil {
		t.Fatal(err)
	}
	settings := DefaultSettings()
	l := newLane(t, both, settings)
	n := 0
	visit := func(l *lane, tenant uint8, visitor string, at int64) {
		n++
		order := fmt.Sprint("order", n)
		l.click(&click{tenant: tenant, visitor: visitor, id: fmt.Sprint("v", n), at: at, kind: schemas.KindPageView})
		l.click(&click{tenant: tenant, visitor: visitor, id: fmt.Sprint("s", n), at: at + minute, kind: schemas.KindOrderSubmit, order: order})
		l.sale(&sale{tenant: tenant, order: order, user: "any", id: order, at: at + minute, created: at + minute, kind: schemas.KindOrderCreated, version: 1, payable: 500})
	}
	for i := range 200 {
		visit(l, uint8(i%2), fmt.Sprint("early", i), noon+int64(i)*second)
	}
	for i := range maxSessionEvents + 10 { // a frozen one
		l.click(&click{tenant: 1, visitor: "bot", id: fmt.Sprint("bot", i), at: noon + int64(i)*10, kind: schemas.KindPageView})
	}
	l.end(0)
	l.next()
	visit(l, 0, "shop is open", noon+3*hour)
	visit(l, 1, "tokyo is open", noon+3*hour) // those before have left, with orders that have not
	l.end(0)
	l.next()

	_, err = Restore(one, schemas.NewRegister(one), settings, l.state.Snapshot(nil))
	var closed *ClosedShopError
	if !errors.As(err, &closed) || closed.Tenant != "tokyo" || !strings.Contains(closed.Error(), "run --drain") {
		t.Fatalf("a shop with an open session may go: %v", err)
	}
	l.end(l.state.CloseAllWatermark())
	l.next()
	if l.state.today.visits[1].count(l.state.days[1].date(noon), 0) == 0 {
		t.Fatal("the shop has no visitors today")
	}

	x := newLane(t, one, settings)
	if x.state, err = Restore(one, x.r, settings, l.state.Snapshot(nil)); err != nil {
		t.Fatalf("a shop without open sessions may not go: %v", err)
	}
	x.epoch, x.offsets = l.epoch, l.offsets
	x.reopen()
	for i := range x.state.everyVisitor {
		if v := x.state.visitors.at(i); v.tenant != 0 {
			t.Fatalf("visitor %x of shop %d is left", v.id, v.tenant)
		}
	}
	if got, want := len(x.state.orderIndex), len(l.state.orderIndex)-101; got != want {
		t.Errorf("%d orders are left, want %d", got, want)
	}
	for step := range int64(6) {
		for i := range 10 {
			for _, l := range []*lane{l, x} {
				n = 1000*int(step) + 10*i
				visit(l, 0, fmt.Sprint("early", 2*i), noon+3*hour+step*14*hour)
			}
		}
		x.end(0)
		l.end(0)
		if a, b := x.out.Sessions.Rows(), l.out.Sessions.Rows(); a != b || a == 0 {
			t.Fatalf("step %d: %d session rows, want %d", step, a, b)
		}
		for i, id := range l.out.Sessions.Session {
			if x.out.Sessions.Session[i] != id || x.out.Sessions.Version[i] != l.out.Sessions.Version[i] || x.out.Sessions.OrdersPaid[i] != l.out.Sessions.OrdersPaid[i] {
				t.Fatalf("step %d: row %d differs", step, i)
			}
		}
		x.next()
		l.next()
		x.reopen()
	}
}
