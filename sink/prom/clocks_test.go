package prom_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/prom"
)

// Each shop has the distance of its own clock, which moves with summer time.
func TestClocks(t *testing.T) {
	oslo, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		now     time.Time
		tenants []string
		want    map[string]float64
	}{
		{time.Date(2026, 10, 25, 0, 59, 59, 0, time.UTC), []string{"north", "south"}, map[string]float64{"{tenant=north}": 7200, "{tenant=south}": 0}},
		{time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC), []string{"north"}, map[string]float64{"{}": 3600}},
	} {
		v := vocabulary(t, c.tenants...)
		v.Tenants[0].Location = oslo
		if len(c.tenants) > 1 {
			v.Tenants[1].Location = time.UTC
		}
		f, want := fixture{g: prometheus.NewPedanticRegistry()}, map[string]float64{}
		f.g.MustRegister(prom.NewClocks(v, schemas.NewRegister(v), func() time.Time { return c.now }))
		for labels, seconds := range c.want {
			want["shop_utc_offset_seconds"+labels] = seconds
		}
		if diff := cmp.Diff(f.values(t, true), want); diff != "" {
			t.Errorf("%s (-got, +want):\n%s", c.now.Format(time.DateTime), diff)
		}
	}
}
