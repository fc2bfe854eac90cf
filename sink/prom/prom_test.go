package prom_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/prom"
)

func vocabulary(t testing.TB, tenants ...string) *schemas.Vocabulary {
	t.Helper()
	var list []schemas.Tenant
	for _, id := range tenants {
		list = append(list, schemas.Tenant{ID: id, Location: time.UTC, Currency: "CNY"})
	}
	v, err := schemas.NewVocabulary([schemas.NumTopics]string{"c", "o"}, list, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

type fixture struct {
	r *schemas.Register
	c *prom.Collector
	d *schemas.Deltas
	g *prometheus.Registry
}

func setUp(t testing.TB, tenants ...string) *fixture {
	t.Helper()
	v := vocabulary(t, tenants...)
	r := schemas.NewRegister(v)
	f := &fixture{r: r, c: prom.New(v, r), d: schemas.NewDeltas(r, len(tenants)), g: prometheus.NewPedanticRegistry()}
	f.g.MustRegister(f.c)
	return f
}

// values gives the metric map of a scrape; zero counters are left out unless
// all is set, histograms are spelt out bucket by bucket.
func (f *fixture) values(t testing.TB, all bool) map[string]float64 {
	t.Helper()
	families, err := f.g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, fam := range families {
		for _, m := range fam.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			name := strings.TrimPrefix(fam.GetName(), "ecom_") + "{" + strings.Join(labels, ",") + "}"
			switch {
			case m.Counter != nil && (all || m.Counter.GetValue() != 0):
				got[name] = m.Counter.GetValue()
			case m.Gauge != nil && (all || m.Gauge.GetValue() != 0):
				got[name] = m.Gauge.GetValue()
			case m.Histogram != nil:
				for _, b := range m.Histogram.Bucket {
					got[fmt.Sprintf("%s le=%g", name, b.GetUpperBound())] = float64(b.GetCumulativeCount())
				}
				got[name+" sum"] = m.Histogram.GetSampleSum()
				got[name+" count"] = float64(m.Histogram.GetSampleCount())
			}
		}
	}
	return got
}

func (f *fixture) expect(t *testing.T, want map[string]float64) {
	t.Helper()
	if diff := cmp.Diff(f.values(t, false), want); diff != "" {
		t.Fatalf("metrics (-got, +want):\n%s", diff)
	}
}

func TestPublishAddsCountersAndSpellsHistograms(t *testing.T) {
	f := setUp(t, "default")
	f.expect(t, map[string]float64{})

	h5, sms := int(schemas.PlatformH5), int(schemas.ChannelSMS)
	f.d.Add(0, f.r.OrdersPaid, 2, h5, sms)
	f.d.Add(0, f.r.EventsDuplicate, 5, int(schemas.OrdersTopic))
	f.d.Observe(0, f.r.CheckoutDuration, 10_000, int(schemas.DeviceMobile)) // on the bound: inside it
	f.d.Observe(0, f.r.CheckoutDuration, 10_001, int(schemas.DeviceMobile))
	f.d.Observe(0, f.r.CheckoutDuration, 9_999_999, int(schemas.DeviceMobile))
	f.c.Publish(3, f.d)
	f.d.Reset()
	f.d.Add(0, f.r.OrdersPaid, 1, h5, sms)
	f.c.Publish(4, f.d)

	checkout := func(what string) string { return "checkout_duration_seconds{device_class=mobile} " + what }
	f.expect(t, map[string]float64{
		"orders_paid_total{channel=sms,platform=h5}": 3,
		"events_duplicate_total{topic=orders}":       5,
		checkout("le=10"):                            1, checkout("le=30"): 2, checkout("le=60"): 2, checkout("le=120"): 2, checkout("le=300"): 2,
		checkout("le=600"): 2, checkout("le=1800"): 2, checkout("le=3600"): 2,
		checkout("count"): 3, checkout("sum"): 10_020,
	})
}

func TestGaugesAreSummedOverLanesAndLeaveWithThem(t *testing.T) {
	f := setUp(t, "default")
	if _, ok := f.values(t, true)["sessions_open{}"]; ok {
		t.Error("a gauge is shown before any lane has reported; a restart would look like an empty shop")
	}
	set := func(lane uint32, open, paid int64) {
		f.d.Reset()
		f.d.Set(0, f.r.SessionsOpen, open)
		f.d.Set(0, f.r.LastPaidOrder, paid)
		f.d.Add(0, f.r.SessionsMerged, 1)
		f.c.Publish(lane, f.d)
	}
	set(1, 10, 1_700_000_000)
	set(2, 5, 1_700_000_500)
	set(2, 7, 1_700_000_400) // replaces, not adds
	f.expect(t, map[string]float64{"sessions_open{}": 17, "last_paid_order_timestamp_seconds{}": 1_700_000_400, "sessions_merged_total{}": 3})
	f.c.Drop(2)
	f.expect(t, map[string]float64{"sessions_open{}": 10, "last_paid_order_timestamp_seconds{}": 1_700_000_000, "sessions_merged_total{}": 3})
	set(1, 0, 0)
	all := f.values(t, true)
	if v, ok := all["sessions_open{}"]; !ok || v != 0 {
		t.Errorf("sessions_open of an owned, empty lane = %v, %v; want 0", v, ok)
	}
	if _, ok := all["last_paid_order_timestamp_seconds{}"]; ok {
		t.Error("a lane that never saw a paid order shows a time in 1970")
	}
	f.c.Drop(1)
	f.c.Drop(9) // not there: nothing happens
	f.expect(t, map[string]float64{"sessions_merged_total{}": 4})
}

func TestTenantLabelComesWithTheSecondTenant(t *testing.T) {
	f := setUp(t, "north", "south")
	f.d.Add(1, f.r.SessionsMerged, 4)
	f.d.Set(0, f.r.SessionsOpen, 1)
	f.d.Set(1, f.r.SessionsOpen, 2)
	f.c.Publish(0, f.d)
	f.c.Publish(1, f.d)
	f.expect(t, map[string]float64{
		"sessions_merged_total{tenant=south}": 8,
		"sessions_open{tenant=north}":         2,
		"sessions_open{tenant=south}":         4,
	})
}

func TestEveryClosedCombinationExistsAtZero(t *testing.T) {
	f := setUp(t, "default")
	want := 0
	for _, m := range f.r.Metrics {
		if m.Type == schemas.Counter {
			want += m.Series()
		}
	}
	if got := len(f.values(t, true)); got != want {
		t.Errorf("%d series before the first event, want %d", got, want)
	}
}

// TestSeriesBudget: the budget of docs/design.md, section 7, in the worst case:
// every combination of every closed list seen, as many categories as may be
// configured, shops of many currencies. Counted as Prometheus counts: every
// bucket, sum and count of a histogram is a series.
func TestSeriesBudget(t *testing.T) {
	const budget = 4000
	var tenants []schemas.Tenant
	for _, currency := range []string{"CNY", "JPY", "KWD", "USD", "EUR", "GBP", "NOK", "CHF", "INR", "KRW"} {
		tenants = append(tenants, schemas.Tenant{ID: currency, Location: time.UTC, Currency: currency})
	}
	var categories []string
	for i := range 30 {
		categories = append(categories, fmt.Sprint("category ", i))
	}
	v, err := schemas.NewVocabulary([schemas.NumTopics]string{"c", "o"}, tenants, nil, categories)
	if err != nil {
		t.Fatal(err)
	}
	r := schemas.NewRegister(v)
	c, d, g := prom.New(v, r), schemas.NewDeltas(r, len(tenants)), prometheus.NewPedanticRegistry()
	g.MustRegister(c, prom.NewPromotions(v, r, nil, time.Now))
	for tenant := range tenants {
		for _, m := range r.Metrics {
			if m.Type != schemas.Histogram {
				continue
			}
			for k := range m.Labels[0].Values {
				d.Observe(tenant, m, 1, k)
			}
		}
		d.Set(tenant, r.LastPaidOrder, 1)
	}
	c.Publish(0, d)
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, fam := range families {
		for _, m := range fam.Metric {
			at := slices.IndexFunc(m.Label, func(l *dto.LabelPair) bool { return l.GetName() == "tenant" })
			tenant := m.Label[at].GetValue()
			n[tenant]++
			if m.Histogram != nil {
				n[tenant] += len(m.Histogram.Bucket) + 2 // and +Inf, sum, count, less the one counted
			}
		}
	}
	t.Logf("series by tenant, all label combinations seen: %v", n)
	for _, tenant := range tenants {
		if got := n[tenant.ID]; got > budget || got < budget/2 {
			t.Errorf("%d series of %s, want at most %d: drop a label or shorten a closed list", got, tenant.ID, budget)
		}
	}
}

func TestNamesPassPromlint(t *testing.T) {
	f := setUp(t, "default")
	for _, m := range f.r.Metrics {
		if m.Type == schemas.Histogram {
			f.d.Observe(0, m, 1, 0)
		}
	}
	f.c.Publish(0, f.d)
	// One series of each metric will do: the linter is slow with thousands.
	problems, err := testutil.GatherAndLint(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := f.g.Gather()
		for _, fam := range families {
			fam.Metric = fam.Metric[:1]
		}
		return families, err
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestPublishRefusesDeltasOfAnotherVocabulary(t *testing.T) {
	f := setUp(t, "default")
	defer func() {
		if recover() == nil {
			t.Error("deltas of two tenants were taken by a collector of one")
		}
	}()
	f.c.Publish(0, schemas.NewDeltas(f.r, 2))
}

func TestScrapesWhileLanesPublish(t *testing.T) {
	f := setUp(t, "default")
	f.d.Add(0, f.r.SessionsMerged, 1)
	f.d.Set(0, f.r.SessionsOpen, 1)
	var wg sync.WaitGroup
	for lane := range uint32(4) {
		wg.Go(func() {
			for range 50 {
				f.c.Publish(lane, f.d)
			}
		})
	}
	wg.Go(func() {
		for range 5 {
			f.values(t, false)
		}
	})
	wg.Wait()
	f.expect(t, map[string]float64{"sessions_merged_total{}": 200, "sessions_open{}": 4})
}

func BenchmarkPublish(b *testing.B) {
	f := setUp(b, "default")
	for b.Loop() {
		f.c.Publish(0, f.d)
	}
}

func BenchmarkGather(b *testing.B) {
	v := vocabulary(b, "default")
	r := schemas.NewRegister(v)
	g := prometheus.NewRegistry()
	g.MustRegister(prom.New(v, r))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
