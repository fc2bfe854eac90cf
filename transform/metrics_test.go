package transform

import (
	"testing"

	"github.com/storepulse/storepulse/schemas"
)

// A lateness of decades is counted as a week's, on both topics: so many of them
// that the sum had no room for them would be 15 thousand million events.
func TestLatenessHasABound(t *testing.T) {
	l := newLane(t, testVocabulary(t), DefaultSettings())
	l.click(&click{visitor: "v", id: "a", at: noon, kind: schemas.KindPageView})
	l.sale(&sale{order: "o", id: "s", at: noon, kind: schemas.KindOrderUpdated, version: 1})
	l.end(0)
	l.next()
	for i, behind := range []int64{100 * hour, 11 * 365 * day} {
		l.click(&click{visitor: "v", id: string(rune('b' + i)), at: noon - behind, kind: schemas.KindPageView})
		l.sale(&sale{order: "o", id: string(rune('t' + i)), at: noon - behind, kind: schemas.KindOrderUpdated, version: 1})
	}
	l.end(0)
	m := l.r.EventLateness
	for topic := range int(schemas.NumTopics) {
		cell := l.out.Deltas.Tenants[0][m.Slot(topic):][:len(m.Buckets)+2]
		beyond, sum := cell[len(m.Buckets)], cell[len(m.Buckets)+1]
		if beyond != 2 || sum != 100*hour+7*day {
			t.Errorf("topic %d: %d events beyond all buckets, %d ms in all; want 2 and %d", topic, beyond, sum, 100*hour+7*day)
		}
	}
}

// An order of 200 lines of 100,000 pieces is counted to the last one, also if
// the lane changes hands before it is paid.
func TestUnitsOfALargeOrder(t *testing.T) {
	l := newLane(t, testVocabulary(t), DefaultSettings())
	l.sale(&sale{order: "o", id: "s1", at: noon, created: noon, kind: schemas.KindOrderCreated, version: 1, payable: 1})
	items := l.batch.Items
	for i := range 200 {
		items.Offset.Append(0)
		items.Time.Append(noon)
		items.Day.Append(0)
		items.Quantity.Append(100_000)
		items.Category1.AppendString([]string{"shoes", "", "hats"}[i%3])
	}
	l.end(0)
	l.next()
	l.reopen()
	l.sale(&sale{order: "o", id: "s2", at: noon, paidAt: noon, kind: schemas.KindOrderPaid, version: 2, paid: 1})
	l.end(0)
	for label, want := range []int64{6_700_000, 6_700_000, 6_600_000} {
		if got := l.out.Deltas.Tenants[0][l.r.UnitsSold.Slot(label)]; got != want {
			t.Errorf("%s: %d units, want %d", l.v.Categories[label], got, want)
		}
	}
}

// A payment counts under the channel of the order's session, also if the epoch
// that brings it passes the time until which the order is kept.
func TestChannelOfAPaymentAtTheEndOfItsOrder(t *testing.T) {
	l := newLane(t, testVocabulary(t), DefaultSettings())
	const channel = 3
	end := func() {
		l.end(0)
		l.next()
	}
	l.click(&click{visitor: "v", id: "a", at: noon, kind: schemas.KindPageView, channel: channel})
	l.sale(&sale{order: "o", visitor: "v", id: "s1", at: noon, created: noon, kind: schemas.KindOrderCreated, version: 1, payable: 1})
	end()
	l.click(&click{visitor: "w", id: "b", at: noon + 4*hour, kind: schemas.KindPageView})
	end()
	l.sale(&sale{order: "o", visitor: "v", id: "s2", at: noon + 4*hour, paidAt: noon + 4*hour, kind: schemas.KindOrderPaid, version: 2, paid: 1})
	l.click(&click{visitor: "w", id: "c", at: noon + 10*hour, kind: schemas.KindPageView})
	end()
	if n := l.out.Deltas.Tenants[0][l.r.OrdersPaid.Slot(0, channel)]; n != 1 {
		t.Errorf("%d orders paid under the channel, want 1", n)
	}
	if n := len(l.state.orderIndex); n != 0 {
		t.Errorf("%d orders in state, want none", n)
	}
}
