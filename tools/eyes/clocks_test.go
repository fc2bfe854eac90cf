package eyes

import (
	"testing"
	"time"
	_ "time/tzdata"
)

// TestClocksGoBack: a shop in Oslo that opens at half past six, on the first
// working day after clocks went back. Customers come an hour later by UTC, and
// nothing is wrong. Who is not told of clocks takes it for a fall of traffic.
func TestClocksGoBack(t *testing.T) {
	t.Parallel()
	oslo, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		t.Fatal(err)
	}
	for _, told := range []bool{true, false} {
		t.Run(map[bool]string{true: "told", false: "not told"}[told], func(t *testing.T) {
			t.Parallel()
			s, shop := newSimulation(t, nil), newShop(17, 300)
			shop.shape = func(at time.Time) float64 {
				local := at.In(oslo)
				return min(1, max(.02, local.Sub(time.Date(local.Year(), local.Month(), local.Day(), 6, 30, 0, 0, oslo)).Hours()))
			}
			if told {
				shop.zone = oslo
			}
			// Sunday was the 25th.
			begin, length := time.Date(2026, 10, 26, 5, 0, 0, 0, oslo), 4*time.Hour
			history(s, shop, begin.Add(-time.Hour), length+2*time.Hour)
			run(s, shop, begin.Add(-time.Hour), begin, time.Minute, 4*time.Minute, s.record)
			run(s, shop, begin, begin.Add(length), time.Minute, time.Minute, s.eval)
			t.Logf("the shop opens after 90 min:\n%s", s.story(begin))
			paged := false
			for _, tr := range s.log {
				paged = paged || tr.labels.Get("severity") == "critical" && tr.labels.Get("family") == "business"
			}
			if paged == told {
				t.Errorf("somebody is paged: %t", paged)
			}
		})
	}
}
