package gen

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/schemas"
)

var update = flag.Bool("update", false, "rewrite testdata")

var start = time.Date(2026, 11, 9, 16, 0, 0, 0, time.UTC) // midnight in Shanghai

func vocabulary(t testing.TB) *schemas.Vocabulary {
	t.Helper()
	v, err := schemas.NewVocabulary([schemas.NumTopics]string{"ecom.clickstream.v1", "ecom.orders.v1"},
		[]schemas.Tenant{{ID: "default", Location: time.UTC, Currency: "CNY", Domains: []string{"shop.example"}}}, nil, Categories())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// messy has every defect often enough to meet each in a short stream.
var messy = Defects{Duplicate: 0.02, OutOfOrder: 0.05, Late: 0.01, TooLate: 0.002, Future: 0.01, SkewedApps: 0.3, Broken: 0.05, Bots: 0.02, Test: 0.05}

func TestSameSettingsSameBytes(t *testing.T) {
	s := Settings{Seed: 42, Start: start, Rate: 200, MaxEvents: 50_000, Defects: messy, KnownVisitors: 1000}
	a, b := New(s), New(s)
	s.Seed++
	other := New(s)
	var ea, eb, eo Event
	differs := false
	for n := 0; ; n++ {
		more := a.Next(&ea)
		if b.Next(&eb) != more {
			t.Fatalf("after %d records one stream ended before the other", n)
		}
		if !more {
			break
		}
		if ea.Topic != eb.Topic || !ea.Time.Equal(eb.Time) || !bytes.Equal(ea.Key, eb.Key) || !bytes.Equal(ea.Value, eb.Value) {
			t.Fatalf("record %d (-first +second):\n%s", n, cmp.Diff(ea, eb))
		}
		if other.Next(&eo); !bytes.Equal(ea.Value, eo.Value) {
			differs = true
		}
	}
	if d := cmp.Diff(a.Stats(), b.Stats()); d != "" {
		t.Errorf("stats (-first +second):\n%s", d)
	}
	if !differs {
		t.Error("another seed gave the same stream")
	}
}

func TestArrivalsAreInOrder(t *testing.T) {
	g := New(Settings{Seed: 3, Start: start, Rate: 100, MaxEvents: 50_000, Defects: messy})
	last := start
	for e := (Event{}); g.Next(&e); {
		if e.Time.Before(last) {
			t.Fatalf("arrival %s after %s", e.Time, last)
		}
		last = e.Time
	}
}

// The decoder judges every record; the generator has said what it must say.
func TestDecoderAgreesWithTheGenerator(t *testing.T) {
	var all [schemas.NumReasons]int64
	for tenant, records := range map[string]int64{"": 60_000, "default": 5000} {
		v := vocabulary(t)
		d, b := schemas.NewDecoder(v), schemas.NewBatch(v)
		g := New(Settings{Seed: 9, Start: start, Rate: 100, MaxEvents: records, Defects: messy, TenantID: tenant})
		var broken [schemas.NumReasons]int64
		seen := map[string]bool{}
		var kinds [schemas.NumKinds]int64
		duplicates, placed, paid, refunded, tests := [schemas.NumTopics]int64{}, int64(0), int64(0), int64(0), int64(0)
		for e := (Event{}); g.Next(&e); {
			reason := d.Decode(e.Topic, &schemas.Record{Key: e.Key, Value: e.Value, Timestamp: e.Time.UnixMilli()}, b)
			before := g.Stats().Broken
			if reason != schemas.ReasonNone {
				broken[reason]++
				if broken != before {
					t.Fatalf("decoder says %s (%s: %s), generator %v for\n%s", reason, b.Letters.Field.At(0), b.Letters.Detail.At(0), before, e.Value)
				}
				b.Reset()
				continue
			}
			if broken != before {
				t.Fatalf("decoder accepts, generator says %v:\n%s", before, e.Value)
			}
			id := string(e.Value[:40])
			if seen[id] {
				duplicates[e.Topic]++
				b.Reset()
				continue
			}
			seen[id] = true
			if e.Topic == schemas.Clickstream {
				kinds[b.Events.Kind[0]]++
				tests += int64(b.Events.IsTest[0])
			} else {
				k := schemas.Kind(b.Orders.Kind[0])
				kinds[k]++
				tests += int64(b.Orders.IsTest[0])
				switch k {
				case schemas.KindOrderCreated:
					placed += b.Orders.Payable[0]
					if b.Orders.PayableMismatch[0] != 0 {
						t.Fatalf("amounts do not add up: %s", e.Value)
					}
				case schemas.KindOrderPaid:
					paid += b.Orders.Paid[0]
				case schemas.KindRefundSucceeded:
					refunded += b.Orders.Refund[0]
				}
			}
			b.Reset()
		}
		s := g.Stats()
		if d := cmp.Diff(kinds, s.Kinds); d != "" {
			t.Errorf("events by kind (-decoded +generated):\n%s", d)
		}
		if d := cmp.Diff(duplicates, s.Duplicates); d != "" {
			t.Errorf("duplicates (-decoded +generated):\n%s", d)
		}
		if placed != s.PlacedMinor || paid != s.PaidMinor || refunded != s.RefundedMinor {
			t.Errorf("money: decoded %d placed, %d paid, %d refunded, generated %d, %d, %d", placed, paid, refunded, s.PlacedMinor, s.PaidMinor, s.RefundedMinor)
		}
		marked := int64(0)
		for _, n := range s.TestKinds {
			marked += n
		}
		if tests != marked || tests == 0 {
			t.Errorf("%d decoded events are test traffic, generated %d", tests, marked)
		}
		for reason, n := range s.Broken {
			all[reason] += n
		}
	}
	for _, b := range breakages {
		if all[b.reason] == 0 {
			t.Errorf("no record was broken as %s", b.reason)
		}
	}
}

func TestLandingPagesCarryTheirChannel(t *testing.T) {
	v := vocabulary(t)
	d, b := schemas.NewDecoder(v), schemas.NewBatch(v)
	for i := range touches {
		touch := &touches[i]
		g := New(Settings{Seed: 1, Start: start, Rate: 1})
		g.pageView(&visit{profile: profile{platform: schemas.PlatformH5, region: 1}}, touch.landing, touch, start.UnixMilli())
		r := g.records.at(g.arrivals.first().slot)
		b.Reset()
		if reason := d.Decode(schemas.Clickstream, &schemas.Record{Value: r.value, Timestamp: start.UnixMilli()}, b); reason != schemas.ReasonNone {
			t.Errorf("%s: %s", schemas.ChannelNames[touch.channel], reason)
			continue
		}
		if got := schemas.Channel(b.Events.Channel.Index[0]); got != touch.channel {
			t.Errorf("%s is classified as %s", schemas.ChannelNames[touch.channel], schemas.ChannelNames[got])
		}
	}
}

func TestADayInTheShopIsPlausible(t *testing.T) {
	g := New(Settings{Seed: 1, Start: start, Rate: 10, Duration: 24 * time.Hour, Finish: true, KnownVisitors: 50_000})
	var hours [24]int
	for e := (Event{}); g.Next(&e); {
		if since := e.Time.Sub(start); since < 24*time.Hour {
			hours[int(since.Hours())]++
		}
	}
	s := g.Stats()
	ratio := func(a, b int64) float64 { return float64(a) / float64(b) }
	k := s.Kinds
	for _, c := range []struct {
		name       string
		got        float64
		low, hi    float64
		whyInRange string
	}{
		{"events a second", float64(s.Good()) / 86400, 9.3, 10.7, "the rate that was asked for"},
		{"orders paid per visit", ratio(k[schemas.KindOrderPaid], s.Visits), 0.02, 0.06, "shops convert two to six of a hundred"},
		{"carts per visit", ratio(k[schemas.KindAddToCart], s.Visits), 0.08, 0.30, ""},
		{"checkouts per cart", ratio(k[schemas.KindBeginCheckout], k[schemas.KindAddToCart]), 0.2, 0.6, "most carts are abandoned"},
		{"paid per placed", ratio(k[schemas.KindOrderPaid], k[schemas.KindOrderCreated]), 0.75, 0.95, ""},
		{"failed per attempt", ratio(k[schemas.KindPaymentFailed], k[schemas.KindPaymentAttempted]), 0.03, 0.10, ""},
		{"refunded per paid", ratio(k[schemas.KindRefundSucceeded], k[schemas.KindOrderPaid]), 0.03, 0.15, ""},
		{"evening over dawn", float64(hours[21]) / float64(hours[4]), 6, 20, "the daily curve"},
		{"mean order, yuan", float64(s.PlacedMinor) / 100 / float64(k[schemas.KindOrderCreated]), 100, 800, ""},
	} {
		if c.got < c.low || c.got > c.hi {
			t.Errorf("%s: %.4f, want between %g and %g %s", c.name, c.got, c.low, c.hi, c.whyInRange)
		}
	}
}

func TestStopsWhereTold(t *testing.T) {
	s := Settings{Seed: 1, Start: start, Rate: 100, Duration: time.Minute}
	g := New(s)
	last := start
	for e := (Event{}); g.Next(&e); {
		last = e.Time
	}
	if end := start.Add(time.Minute); !last.Before(end) {
		t.Errorf("last arrival %s, want before %s", last, end)
	}
	if g.Stats().Records == 0 {
		t.Error("no record in a minute at 100 events/s")
	}
}

func TestBadSettingsAreAllNamed(t *testing.T) {
	err := Settings{Start: time.Unix(0, 0), Rate: -1, Defects: Defects{Late: 2}, Incidents: []Incident{{}}}.Validate()
	for _, want := range []string{"start:", "rate:", "defects.late:", "incidents[0]:"} {
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte(want)) {
			t.Errorf("got %v, want it to name %s", err, want)
		}
	}
}

// The first records of a stream, as a golden file: a change of the format or of
// the draws shows up as a diff to review.
func TestGolden(t *testing.T) {
	g := New(Settings{Seed: 1, Start: start, Rate: 5, MaxEvents: 60, Defects: messy})
	var got bytes.Buffer
	for e := (Event{}); g.Next(&e); {
		fmt.Fprintf(&got, "%s %s %s %s\n", e.Time.Format("15:04:05.000"), e.Topic, e.Key, e.Value)
	}
	name := filepath.Join("testdata", "golden.txt")
	if *update {
		if err := os.WriteFile(name, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(got.String(), string(want)); d != "" {
		t.Errorf("stream (-got +want), rewrite with -update after review:\n%s", d)
	}
}

func BenchmarkNext(b *testing.B) {
	g := New(Settings{Seed: 1, Start: start, Rate: 10_000, FlatDay: true, Defects: RealisticDefects()})
	var e Event
	for range 500_000 {
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
