// Package prom exposes the business metrics to Prometheus. Nobody starts it:
// it is a prometheus.Collector that the program registers and that the lanes
// publish to after their facts are stored. It holds nothing to flush; what it
// has counted is lost with the process, as it is with every Prometheus counter.
package prom

import (
	"fmt"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/schemas"
)

// Collector adds up the deltas of all lanes of this worker. Counters are dense
// vectors in the layout of the register and exist at zero from the start, so
// that the first increment is seen as one by rate(). Gauges are kept a lane,
// because a lane that moves to another worker takes its share with it.
type Collector struct {
	register   *schemas.Register
	descs      []*prometheus.Desc
	series     []series
	gaugeSlots []int // slots of a tenant's vector that are gauges
	isGauge    []bool
	tenants    int

	mu struct {
		sync.Mutex
		counts [][]int64          // by tenant: sums of all increments
		lanes  map[uint32][]int64 // by lane: tenant by tenant, in the order of gaugeSlots
	}
}

var _ prometheus.Collector = (*Collector)(nil)

// New lays out every series of the register. The label tenant is in front
// when the vocabulary has more than one.
func New(v *schemas.Vocabulary, r *schemas.Register) *Collector {
	c := &Collector{register: r, tenants: len(v.Tenants), isGauge: make([]bool, r.Size)}
	c.mu.lanes = make(map[uint32][]int64)
	for range v.Tenants {
		c.mu.counts = append(c.mu.counts, make([]int64, r.Size))
	}
	for _, m := range r.Metrics {
		c.descs = append(c.descs, newDesc(m, c.tenants > 1))
	}
	for tenant, name := range v.TenantNames {
		// A shop's amounts are in its own currency: the others' would stay zero.
		foreign := func(s series) bool { return s.isForeign(v.Tenants[tenant].Currency) }
		for i, m := range r.Metrics {
			all := newSeries(m, c.descs[i], tenant)
			for k := range all {
				all[k].setLabels(m, k, name, c.tenants > 1)
				if m.Type == schemas.Gauge && tenant == 0 {
					c.isGauge[all[k].slot] = true
					c.gaugeSlots = append(c.gaugeSlots, all[k].slot)
				}
			}
			c.series = append(c.series, slices.DeleteFunc(all, foreign)...)
		}
	}
	return c
}

// Publish adds the increments of one epoch and replaces the lane's gauges. It
// copies what it needs: the caller may reset the deltas afterwards.
func (c *Collector) Publish(lane uint32, d *schemas.Deltas) {
	if len(d.Tenants) != c.tenants {
		panic(fmt.Sprintf("BUG: deltas of %d tenants published to a collector of %d", len(d.Tenants), c.tenants))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for tenant, slots := range d.Tenants {
		counts := c.mu.counts[tenant]
		for slot, n := range slots {
			if n == 0 || c.isGauge[slot] {
				continue
			}
			if n < 0 {
				panic(fmt.Sprintf("BUG: counter in slot %d changes by %d", slot, n))
			}
			counts[slot] += n
		}
	}
	c.show(lane, d)
}

// Show replaces the lane's gauges and counts nothing: a lane that has just been
// taken over shows what it holds before its first epoch.
func (c *Collector) Show(lane uint32, d *schemas.Deltas) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.show(lane, d)
}

func (c *Collector) show(lane uint32, d *schemas.Deltas) {
	gauges := c.mu.lanes[lane][:0]
	for _, slots := range d.Tenants {
		for _, slot := range c.gaugeSlots {
			gauges = append(gauges, slots[slot])
		}
	}
	c.mu.lanes[lane] = gauges
}

// Drop takes the lane's gauges away: another worker shows them now. Counters
// stay, they are what this worker has counted.
func (c *Collector) Drop(lane uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.mu.lanes, lane)
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector. The lock is held for the copy of
// the vectors only, so a slow scraper never holds up a lane.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	values, lanes := c.snapshot()
	samples := make([]sample, len(c.series))
	for i := range c.series {
		s := &c.series[i]
		v := values[s.tenant]
		switch s.metric.Type {
		case schemas.Gauge:
			// Without a lane there is nothing to say; zero would be a statement. A
			// timestamp of zero is one, too: no order was paid yet.
			if lanes == 0 || v[s.slot] == 0 && s.metric == c.register.LastPaidOrder {
				continue
			}
		case schemas.Histogram:
			// All buckets of all labels at zero would be the greater part of the budget.
			if !slices.ContainsFunc(v[s.slot:s.slot+len(s.metric.Buckets)+1], func(n int64) bool { return n != 0 }) {
				continue
			}
		}
		samples[i] = sample{series: s, values: v}
		ch <- &samples[i]
	}
}

// snapshot copies the counters and puts the lanes' gauges into their slots.
func (c *Collector) snapshot() (values [][]int64, lanes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	values = make([][]int64, c.tenants)
	for tenant, counts := range c.mu.counts {
		values[tenant] = slices.Clone(counts)
	}
	newest := c.register.LastPaidOrder.Slot()
	for _, gauges := range c.mu.lanes {
		for tenant, v := range values {
			own := gauges[tenant*len(c.gaugeSlots):]
			for i, slot := range c.gaugeSlots {
				if slot == newest {
					v[slot] = max(v[slot], own[i])
				} else {
					v[slot] += own[i]
				}
			}
		}
	}
	return values, len(c.mu.lanes)
}
