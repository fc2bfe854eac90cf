package prom

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/storepulse/storepulse/schemas"
)

// series is one label combination of one metric and tenant. Descriptor and
// label pairs are built once; a scrape only reads them.
type series struct {
	metric *schemas.Metric
	desc   *prometheus.Desc
	labels []*dto.LabelPair // sorted by name, as the registry wants them
	tenant int
	slot   int
}

func newDesc(m *schemas.Metric, tenantLabel bool) *prometheus.Desc {
	var names []string
	if tenantLabel {
		names = append(names, "tenant")
	}
	for _, l := range m.Labels {
		names = append(names, l.Name)
	}
	return prometheus.NewDesc(m.Name, m.Help, names, nil)
}

// newSeries gives the series of a metric in the order of their slots.
func newSeries(m *schemas.Metric, desc *prometheus.Desc, tenant int) []series {
	first, cell := m.Slot(make([]int, len(m.Labels))...), 1
	if m.Type == schemas.Histogram {
		cell = len(m.Buckets) + 2
	}
	all := make([]series, m.Series())
	for k := range all {
		all[k] = series{metric: m, desc: desc, tenant: tenant, slot: first + k*cell}
	}
	return all
}

// setLabels spells out the k-th combination: the last label turns fastest.
func (s *series) setLabels(m *schemas.Metric, k int, tenant string, tenantLabel bool) {
	for _, l := range slices.Backward(m.Labels) {
		s.labels = append(s.labels, pair(l.Name, l.Values[k%len(l.Values)]))
		k /= len(l.Values)
	}
	if tenantLabel {
		s.labels = append(s.labels, pair("tenant", tenant))
	}
	slices.SortFunc(s.labels, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
}

// isForeign says whether the series has the label currency with another value.
func (s *series) isForeign(currency string) bool {
	return slices.ContainsFunc(s.labels, func(p *dto.LabelPair) bool { return p.GetName() == "currency" && p.GetValue() != currency })
}

func pair(name, value string) *dto.LabelPair {
	return &dto.LabelPair{Name: &name, Value: &value}
}

// sample is the value of a series at one scrape.
type sample struct {
	*series
	values []int64 // snapshot of the tenant's vector, not changed any more
}

// Desc implements prometheus.Metric.
func (s *sample) Desc() *prometheus.Desc { return s.desc }

// Write implements prometheus.Metric.
func (s *sample) Write(out *dto.Metric) error {
	out.Label = s.labels
	switch s.metric.Type {
	case schemas.Counter:
		out.Counter = &dto.Counter{Value: new(float64(s.values[s.slot]))}
	case schemas.Gauge:
		out.Gauge = &dto.Gauge{Value: new(float64(s.values[s.slot]))}
	case schemas.Histogram:
		out.Histogram = s.histogram()
	}
	return nil
}

// histogram adds the bucket counts up, as the exposition format wants them.
func (s *sample) histogram() *dto.Histogram {
	n := len(s.metric.Buckets)
	cells := s.values[s.slot : s.slot+n+2]
	h := &dto.Histogram{Bucket: make([]*dto.Bucket, n)}
	var sum uint64
	for i, upper := range s.metric.Buckets {
		sum += uint64(cells[i])
		h.Bucket[i] = &dto.Bucket{CumulativeCount: new(sum), UpperBound: new(upper)}
	}
	h.SampleCount = new(sum + uint64(cells[n]))
	h.SampleSum = new(float64(cells[n+1]) / 1000)
	return h
}
