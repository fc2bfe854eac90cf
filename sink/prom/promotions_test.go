package prom_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/prom"
)

// A promotion is on from its first moment to before its last; two that overlap
// are one after the other for nobody; every kind says 0 when it does not run.
func TestPromotions(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 11, 11, hour, 0, 0, 0, time.UTC) }
	list := []prom.Promotion{
		{Kind: "big_promotion", From: at(2), Until: at(6)},
		{Tenant: "south", Kind: "flash", From: at(4), Until: at(8)},
		{Tenant: "south", Kind: "flash", From: at(7), Until: at(9)},
	}
	scrape := func(now time.Time, tenants ...string) (on []string, all int) {
		v := vocabulary(t, tenants...)
		f := fixture{g: prometheus.NewPedanticRegistry()}
		f.g.MustRegister(prom.NewPromotions(v, schemas.NewRegister(v), list, func() time.Time { return now }))
		for name, value := range f.values(t, true) {
			all++
			if value != 0 {
				on = append(on, strings.TrimPrefix(name, "promo_active"))
			}
		}
		slices.Sort(on)
		return on, all
	}
	for _, c := range []struct {
		now  time.Time
		want []string
	}{
		{at(2).Add(-time.Millisecond), nil},
		{at(2), []string{"{kind=big_promotion,tenant=north}", "{kind=big_promotion,tenant=south}"}},
		{at(5), []string{"{kind=big_promotion,tenant=north}", "{kind=big_promotion,tenant=south}", "{kind=flash,tenant=south}"}},
		{at(6), []string{"{kind=flash,tenant=south}"}},
		{at(8), []string{"{kind=flash,tenant=south}"}},
		{at(9), nil},
	} {
		got, all := scrape(c.now, "north", "south")
		if diff := cmp.Diff(got, c.want); diff != "" {
			t.Errorf("%s (-got, +want):\n%s", c.now.Format(time.TimeOnly), diff)
		}
		if want := 2 * len(schemas.PromotionKindNames); all != want {
			t.Errorf("%d series, want %d", all, want)
		}
	}
	// With one shop there is no label tenant.
	if got, all := scrape(at(3), "south"); !cmp.Equal(got, []string{"{kind=big_promotion}"}) || all != len(schemas.PromotionKindNames) {
		t.Errorf("of one shop %v, %d series", got, all)
	}
}
