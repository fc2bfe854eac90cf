package eyes

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A Tuesday noon, UTC.
var noon = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

// run lets the shop live from a time to another, a step at a time, and evaluates
// by the given method every so often.
func run(s *simulation, shop *shop, from, to time.Time, scrape, every time.Duration, evaluate func(time.Time)) {
	for at := from; at.Before(to); at = at.Add(scrape) {
		s.write(at, shop.pass(at, scrape))
		if at.Sub(from)%every == 0 {
			evaluate(at)
		}
	}
}

// history gives the simulation five weeks of whole days, which trends need,
// coarsely; and finely the hours around the same time of the same weekday and of
// the last days, because payments are compared with those. Recorded there every
// four minutes, each moment finds a sample.
func history(s *simulation, shop *shop, begin time.Time, length time.Duration) {
	at := begin.AddDate(0, 0, -35)
	coarse := func(to time.Time) {
		run(s, shop, at, to, 5*time.Minute, 30*time.Minute, s.record)
		at = to
	}
	for _, days := range []int{28, 21, 14, 7, 6, 5, 4, 3, 2, 1} {
		coarse(begin.AddDate(0, 0, -days))
		run(s, shop, at, at.Add(length), time.Minute, 4*time.Minute, s.record)
		at = at.Add(length).Truncate(30 * time.Minute)
	}
	coarse(begin)
}

// TestPaymentOutage: nobody can pay on iOS for an hour.
func TestPaymentOutage(t *testing.T) {
	t.Parallel()
	s, shop := newSimulation(t, nil), newShop(7, 800)
	begin, length := noon.Add(-3*time.Hour), 7*time.Hour
	history(s, shop, begin, length)
	shop.outage = func(at time.Time, platform string) bool {
		return platform == "app_ios" && !at.Before(noon) && at.Before(noon.Add(time.Hour))
	}
	run(s, shop, begin, begin.Add(length), time.Minute, time.Minute, s.eval)
	t.Logf("seed 7, 800 sessions a minute; payments on app_ios fail from 0 to +60 min:\n%s", s.story(noon))
	for _, want := range []struct {
		within time.Duration
		labels []string
	}{
		{12 * time.Minute, []string{"alert_id=A-PAY-01"}},
		{30 * time.Minute, []string{"alert_id=A-CVR-03", "dimension=platform", "slice=app_ios"}},
		{35 * time.Minute, []string{"alert_id=A-CVR-02", "step=order_submit_to_pay"}},
		{time.Hour, []string{"alert_id=A-CVR-01"}},
	} {
		at, ok := s.first(want.labels...)
		if !ok || at.Before(noon) || at.Sub(noon) > want.within {
			t.Errorf("%v fires at %s (%t), want within %s", want.labels, at.Sub(noon), ok, want.within)
		}
	}
	for _, tr := range s.log {
		if v := tr.labels.Get("slice"); v == "app_android" || v == "web_pc" || tr.labels.Get("alert_id") == "A-TRF-01" {
			t.Errorf("%s fires, which has nothing to do with it", tr.labels)
		}
	}
	if len(s.firing) > 0 {
		t.Errorf("still firing two hours and more after the end: %v", s.firing)
	}
}

// TestTrackingLoss: the tracker of iOS is silent for two hours, its orders go
// on. No business alert may fire that A-TRK-01 does not silence, from the first
// minute to the last.
func TestTrackingLoss(t *testing.T) {
	t.Parallel()
	s, shop := newSimulation(t, nil), newShop(8, 800)
	begin, length := noon.Add(-3*time.Hour), 7*time.Hour
	history(s, shop, begin, length)
	shop.silent = func(at time.Time, platform string) bool {
		return platform == "app_ios" && !at.Before(noon) && at.Before(noon.Add(2*time.Hour))
	}
	run(s, shop, begin, begin.Add(length), time.Minute, time.Minute, s.eval)
	t.Logf("seed 8, 800 sessions a minute; client events of app_ios vanish from 0 to +120 min:\n%s", s.story(noon))
	page, ok := s.first("alert_id=A-TRK-01", "severity=critical", "slice=app_ios")
	if !ok || page.Before(noon) || page.Sub(noon) > 40*time.Minute {
		t.Errorf("A-TRK-01 pages at %s (%t)", page.Sub(noon), ok)
	}
	silences, ok := s.first("alert_id=A-TRK-01")
	if !ok || silences.Before(noon) {
		t.Fatalf("A-TRK-01 silences from %s (%t)", silences.Sub(noon), ok)
	}
	ends := s.ended("A-TRK-01")
	for _, tr := range s.log {
		if tr.labels.Get("family") == "business" && (tr.at.Before(silences) || tr.at.After(ends)) {
			t.Errorf("%s begins or ends at %+.0f min, when A-TRK-01 (%+.0f to %+.0f) does not silence it", tr.labels.Get("alert_id"), tr.at.Sub(noon).Minutes(), silences.Sub(noon).Minutes(), ends.Sub(noon).Minutes())
		}
	}
}

// ended is when the last alert of the id ended.
func (s *simulation) ended(id string) (last time.Time) {
	for _, tr := range s.log {
		if tr.resolved && tr.labels.Get("alert_id") == id {
			last = tr.at
		}
	}
	return last
}

// TestQuietWeeks: three weeks in which nothing happens, after five to compare
// with, in shops of different sizes. Rules are evaluated every quarter of an hour,
// which is the length of the shortest window but one; and an alert need not hold
// to fire, which is more than any quiet minute between could do. Only payments
// over five minutes have to, minute by minute, when they begin to.
func TestQuietWeeks(t *testing.T) {
	t.Parallel()
	for seed, perMinute := range map[uint64]float64{9: 3, 11: 300} {
		t.Run(fmt.Sprintf("%g sessions a minute", perMinute), func(t *testing.T) {
			t.Parallel()
			s, shop := newSimulation(t, withoutPatience), newShop(seed, perMinute)
			s.unread = map[string]time.Duration{"storepulse-lost": 28 * 24 * time.Hour, "storepulse-samples": 28 * 24 * time.Hour}
			begin := noon.AddDate(0, 0, -21)
			run(s, shop, begin.AddDate(0, 0, -35), begin, 150*time.Second, 30*time.Minute, s.record)
			for at := begin; at.Before(noon); at = at.Add(150 * time.Second) {
				s.write(at, shop.pass(at, 150*time.Second))
				if at.Sub(begin)%(15*time.Minute) != 0 {
					continue
				}
				s.eval(at)
				for n := 0; n < 2 && s.pending(); n++ {
					for range 5 {
						at = at.Add(time.Minute)
						s.write(at, shop.pass(at, time.Minute))
						s.eval(at)
					}
				}
			}
			t.Logf("seed %d, three weeks: %d transitions\n%s", seed, len(s.log), s.story(noon))
			for _, tr := range s.log {
				if tr.labels.Get("severity") == "critical" {
					t.Errorf("%s pages in a quiet week", tr.labels)
				}
			}
			s.unread = nil
			s.write(noon, shop.pass(noon, 150*time.Second))
			s.eval(noon)
			judged(t, s, noon, perMinute >= 300)
		})
	}
}

// withoutPatience takes away how long alerts must hold, but for the one with a
// window of five minutes.
func withoutPatience(rules []byte) []byte {
	parts := regexp.MustCompile(`(?m)^ +- alert: `).Split(string(rules), -1)
	for i, p := range parts {
		if !strings.Contains(p, "\n          window: 5m\n") {
			parts[i] = regexp.MustCompile(`(?m)^ +for: .*\n`).ReplaceAllString(p, "")
		}
	}
	return []byte(strings.Join(parts, "      - alert: "))
}

// judged: what is said of a story is worth something only if the alerts had what
// they compare with.
func judged(t *testing.T, s *simulation, at time.Time, large bool) {
	t.Helper()
	for _, expr := range []string{"ecom:count:trend{count=\"gmv_paid\"}", "ecom:count:expected1d", "ecom:orders_paid:usual_per_minute > 0.05", "ecom:rate:z30m{rate=\"cvr\",dimension=\"\"}", "ecom:payments:z30m", "ecom:late:share7d", "ecom:sessions_open:median"} {
		if !s.has(at, expr) {
			t.Errorf("%s has no data: its alerts were not judged", expr)
		}
	}
	if large && s.has(at, `ecom:insufficient_data{alert_id=~"A-CVR-01|A-CVR-02|A-ORD-01|A-GMV-01|A-TRF-01"}`) {
		t.Error("a large shop has too small a sample")
	}
}

// TestPromotion: a festival in which the shop has four times its visitors and
// each buys twice as often says nothing of the week after it. The same story
// without the festival in the configuration shows that it would.
func TestPromotion(t *testing.T) {
	t.Parallel()
	for name, known := range map[string]bool{"known": true, "not known": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, shop := newSimulation(t, nil), newShop(10, 300)
			begin := noon.AddDate(0, 0, -42)
			festival := noon.AddDate(0, 0, -7)
			shop.festival = func(at time.Time) bool { return at.Sub(festival).Abs() < 12*time.Hour }
			shop.announced = known
			after := festival.AddDate(0, 0, 1)
			run(s, shop, begin, after, 5*time.Minute, 30*time.Minute, s.record)
			run(s, shop, after, noon.Add(-2*time.Hour), 5*time.Minute, 30*time.Minute, s.eval)
			run(s, shop, noon.Add(-2*time.Hour), noon.Add(2*time.Hour), time.Minute, time.Minute, s.eval)
			t.Logf("seed 10, 300 sessions a minute, a festival a week ago:\n%s", s.story(noon))
			if quiet := len(s.log) == 0; quiet != known {
				t.Errorf("%d transitions", len(s.log))
			}
			judged(t, s, noon, true)
		})
	}
}
