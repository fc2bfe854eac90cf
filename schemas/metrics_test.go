package schemas_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/schemas"
)

func metricsRegister(t *testing.T) *schemas.Register {
	t.Helper()
	v, err := schemas.NewVocabulary(
		[schemas.NumTopics]string{"c", "o"},
		[]schemas.Tenant{{ID: "a", Location: time.UTC, Currency: "CNY"}, {ID: "b", Location: time.UTC, Currency: "EUR"}, {ID: "c", Location: time.UTC, Currency: "CNY"}},
		nil, []string{"food"},
	)
	if err != nil {
		t.Fatal(err)
	}
	return schemas.NewRegister(v)
}

// TestEverySlotHasOneOwner: two label combinations in one slot would add up
// quietly to wrong numbers.
func TestEverySlotHasOneOwner(t *testing.T) {
	r := metricsRegister(t)
	owner := make([]string, r.Size)
	for _, m := range r.Metrics {
		cell := 1
		if m.Type == schemas.Histogram {
			cell = len(m.Buckets) + 2
		}
		at := make([]int, len(m.Labels))
		for n := 0; ; n++ {
			slot := m.Slot(at...)
			for i := slot; i < slot+cell; i++ {
				if owner[i] != "" {
					t.Fatalf("slot %d belongs to %s and to %s%v", i, owner[i], m.Name, at)
				}
				owner[i] = m.Name
			}
			if !turn(at, m.Labels) {
				if n+1 != m.Series() {
					t.Errorf("%s says %d series, has %d label combinations", m.Name, m.Series(), n+1)
				}
				break
			}
		}
	}
	for i, name := range owner {
		if name == "" {
			t.Fatalf("slot %d belongs to no metric", i)
		}
	}
}

// turn counts one up like a mileage counter.
func turn(at []int, labels []schemas.Label) bool {
	for i := len(at) - 1; i >= 0; i-- {
		if at[i]++; at[i] < len(labels[i].Values) {
			return true
		}
		at[i] = 0
	}
	return false
}

func TestSlotRefusesAnIndexOutsideItsList(t *testing.T) {
	r := metricsRegister(t)
	for _, at := range [][]int{{len(schemas.PlatformNames), 0}, {0, -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Slot(%v) gave a slot of another series", at)
				}
			}()
			r.OrdersPaid.Slot(at...)
		}()
	}
}

func TestMetricNamesAndLabels(t *testing.T) {
	r := metricsRegister(t)
	names := map[string]bool{}
	for _, m := range r.Metrics {
		if !strings.HasPrefix(m.Name, "ecom_") || names[m.Name] {
			t.Errorf("%s: names begin with ecom_ and are used once", m.Name)
		}
		names[m.Name] = true
		if strings.HasSuffix(m.Name, "_total") != (m.Type == schemas.Counter) {
			t.Errorf("%s: counters, and nothing else, end in _total", m.Name)
		}
		if m.Type == schemas.Histogram && !strings.HasSuffix(m.Name, "_seconds") {
			t.Errorf("%s: the histograms count seconds", m.Name)
		}
		if m.Help == "" || m.Unit == "" || !strings.HasSuffix(m.Help, ".") {
			t.Errorf("%s: help %q, unit %q; want a sentence and a unit", m.Name, m.Help, m.Unit)
		}
		for _, l := range m.Labels {
			seen := map[string]bool{}
			for _, v := range l.Values {
				if v == "" || seen[v] {
					t.Errorf("%s: label %s has the value %q twice or empty", m.Name, l.Name, v)
				}
				seen[v] = true
			}
			if l.Name == "tenant" {
				t.Errorf("%s: tenant is added by the sink", m.Name)
			}
		}
		for i := 1; i < len(m.Buckets); i++ {
			if m.Buckets[i] <= m.Buckets[i-1] {
				t.Errorf("%s: buckets must ascend: %v", m.Name, m.Buckets)
			}
		}
	}
}

func TestReportingCurrenciesAreThoseOfTheTenants(t *testing.T) {
	r := metricsRegister(t)
	if diff := cmp.Diff(r.RefundAmount.Labels[0].Values, []string{"CNY", "EUR"}); diff != "" {
		t.Errorf("-got, +want:\n%s", diff)
	}
}

func TestDeltas(t *testing.T) {
	r := metricsRegister(t)
	d := schemas.NewDeltas(r, 2)
	h := r.CheckoutDuration
	mobile := int(schemas.DeviceMobile)
	for _, ms := range []int64{0, 10_000, 10_001, 3_600_001} {
		d.Observe(1, h, ms, mobile)
	}
	d.Add(0, r.SessionsMerged, 2)
	d.Add(0, r.SessionsMerged, 3)
	d.Set(0, r.SessionsOpen, 4)
	d.Set(0, r.SessionsOpen, 1)
	s := h.Slot(mobile)
	got := d.Tenants[1][s : s+len(h.Buckets)+2]
	if diff := cmp.Diff(got, []int64{2, 1, 0, 0, 0, 0, 0, 0, 1, 3_620_002}); diff != "" {
		t.Errorf("buckets, +Inf and sum in ms (-got, +want):\n%s", diff)
	}
	if n := d.Tenants[0][r.SessionsMerged.Slot()]; n != 5 {
		t.Errorf("counter = %d, want 5", n)
	}
	if n := d.Tenants[0][r.SessionsOpen.Slot()]; n != 1 {
		t.Errorf("gauge = %d, want 1", n)
	}
	d.Reset()
	if diff := cmp.Diff(d.Tenants, schemas.NewDeltas(r, 2).Tenants); diff != "" {
		t.Error("Reset left something behind")
	}
}
