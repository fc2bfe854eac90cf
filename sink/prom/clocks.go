package prom

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/schemas"
)

// Clocks says by how much the clock of each shop is ahead of UTC at the moment of
// a scrape: who compares with weeks before must know whether it was moved.
type Clocks struct {
	desc    *prometheus.Desc
	tenants []schemas.Tenant
	label   bool
	now     func() time.Time
}

var _ prometheus.Collector = (*Clocks)(nil)

// NewClocks is told the time by now.
func NewClocks(v *schemas.Vocabulary, r *schemas.Register, now func() time.Time) *Clocks {
	label := len(v.Tenants) > 1
	return &Clocks{desc: newDesc(r.ShopClock, label), tenants: v.Tenants, label: label, now: now}
}

// Describe implements prometheus.Collector.
func (c *Clocks) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements prometheus.Collector.
func (c *Clocks) Collect(ch chan<- prometheus.Metric) {
	now := c.now()
	for _, t := range c.tenants {
		var labels []string
		if c.label {
			labels = []string{t.ID}
		}
		_, offset := now.In(t.Location).Zone()
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(offset), labels...)
	}
}
