package backfill

import (
	"time"

	"github.com/storepulse/storepulse/dashboards/rules"
)

// clock is the series of a shop's clock.
type clock struct {
	windowLine
	tenant int
	zone   *time.Location
}

func (r *run) clocks() {
	for tenant := range r.opt.Tenants {
		r.zones = append(r.zones, clock{r.window(rules.Window{Record: rules.ShopClocks}, tenant, nil), tenant, r.opt.Settings.Vocabulary.Tenants[tenant].Location})
	}
}

// writeClock says by how much it was ahead of UTC, in seconds.
func (r *run) writeClock(c *clock, begin, last int64) error {
	for at := begin; at <= last; at += Grid.Milliseconds() {
		if at < r.since[c.tenant] {
			continue
		}
		_, offset := time.UnixMilli(at).In(c.zone).Zone()
		if err := r.sample(&c.windowLine, int64(offset), at); err != nil {
			return err
		}
	}
	return nil
}
