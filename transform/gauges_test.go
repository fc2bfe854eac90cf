package transform

import (
	"testing"

	"github.com/storepulse/storepulse/schemas"
)

// TestGaugesOfAQuietLane: without a session the watermark stands, but the day
// ends and orders age; an epoch at that time would say the same.
func TestGaugesOfAQuietLane(t *testing.T) {
	v := testVocabulary(t)
	l := newLane(t, v, DefaultSettings())
	l.click(&click{visitor: "a", id: "1", at: noon, kind: schemas.KindPageView})
	l.sale(&sale{order: "o", id: "2", at: noon, created: noon, kind: schemas.KindOrderCreated, version: 1, payable: 500})
	l.end(0)
	l.next()
	l.end(noon + 3*hour)
	if _, retained := l.state.Sessions(); retained > 0 {
		t.Fatalf("%d sessions are retained", retained)
	}
	get := func(d *schemas.Deltas, m *schemas.Metric, label int) int64 { return d.Tenants[0][m.Slot(label)] }
	before := l.state.Snapshot(nil)
	seen := map[[5]int64]bool{}
	for _, after := range []int64{0, hour, 10 * hour, 23 * hour, 25 * hour, 3 * day, 4 * day} {
		at := l.state.watermark + after
		quiet := schemas.NewDeltas(l.r, len(v.Tenants))
		l.state.Gauges(quiet, at)
		state, err := Restore(v, l.r, DefaultSettings(), before)
		if err != nil {
			t.Fatal(err)
		}
		x := &lane{tb: t, v: v, r: l.r, state: state, batch: schemas.NewBatch(v), out: NewOutput(v, l.r), epoch: l.epoch}
		want := x.end(at).Deltas
		var got, epoch [5]int64
		for i := range got {
			m, label := l.r.OrdersUnpaid, i
			if i == 4 {
				m, label = l.r.VisitorsToday, 0
			}
			got[i], epoch[i] = get(quiet, m, label), get(want, m, label)
		}
		if got != epoch {
			t.Errorf("%d h later: unpaid by age and visitors today %v, an epoch says %v", after/hour, got, epoch)
		}
		seen[got] = true
	}
	if len(seen) < 3 {
		t.Errorf("the gauges stand still: %v", seen)
	}
	if string(l.state.Snapshot(nil)) != string(before) {
		t.Error("showing gauges changes the state")
	}
}
