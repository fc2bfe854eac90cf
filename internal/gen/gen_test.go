package gen

import (
	"testing"
	"time"

	"github.com/storepulse/storepulse/schemas"
)

var start = time.Date(2026, 11, 9, 16, 0, 0, 0, time.UTC) // midnight in Shanghai

func TestVisitsConvertPlausibly(t *testing.T) {
	g := New(Settings{Seed: 1, Start: start, Rate: 20, Duration: 24 * time.Hour, Finish: true, KnownVisitors: 50_000})
	var e Event
	for g.Next(&e) {
	}
	s := g.Stats()
	t.Logf("%+v", *s)
	for k, n := range s.Kinds {
		t.Logf("%-20s %d", schemas.KindNames[k], n)
	}
	t.Logf("per visit %.3f", float64(s.Good())/float64(s.Visits))
	t.Logf("paid per visit %.4f", float64(s.Kinds[schemas.KindOrderPaid])/float64(s.Visits))
}

func BenchmarkNext(b *testing.B) {
	g := New(Settings{Seed: 1, Start: start, Rate: 10_000, FlatDay: true, Defects: RealisticDefects()})
	var e Event
	for range 2_000_000 {
		g.Next(&e)
	}
	b.ReportAllocs()
	n := int64(0)
	for b.Loop() {
		g.Next(&e)
		n += int64(len(e.Value))
	}
	b.SetBytes(n / int64(b.N))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
