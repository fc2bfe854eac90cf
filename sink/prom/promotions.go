package prom

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/schemas"
)

// Promotion is a time in which a shop sells otherwise than on usual days.
type Promotion struct {
	Tenant      string // empty: every shop
	Kind        string // of schemas.PromotionKindNames
	From, Until time.Time
}

// Promotions says which kinds of promotions run at the moment of a scrape. A
// kind without a promotion is 0, so that an alert sees the end of one as well as
// its beginning.
type Promotions struct {
	desc    *prometheus.Desc
	tenants []string
	label   bool
	list    []Promotion
	now     func() time.Time
}

var _ prometheus.Collector = (*Promotions)(nil)

// NewPromotions is told the promotions of the configuration, in any order;
// they may overlap.
func NewPromotions(v *schemas.Vocabulary, r *schemas.Register, list []Promotion, now func() time.Time) *Promotions {
	label := len(v.Tenants) > 1
	return &Promotions{desc: newDesc(r.PromoActive, label), tenants: v.TenantNames, label: label, list: list, now: now}
}

// Describe implements prometheus.Collector.
func (p *Promotions) Describe(ch chan<- *prometheus.Desc) { ch <- p.desc }

// Collect implements prometheus.Collector.
func (p *Promotions) Collect(ch chan<- prometheus.Metric) {
	now := p.now()
	for _, tenant := range p.tenants {
		for _, kind := range schemas.PromotionKindNames {
			labels := []string{kind}
			if p.label {
				labels = []string{tenant, kind}
			}
			ch <- prometheus.MustNewConstMetric(p.desc, prometheus.GaugeValue, p.active(tenant, kind, now), labels...)
		}
	}
}

func (p *Promotions) active(tenant, kind string, now time.Time) float64 {
	for i := range p.list {
		if l := &p.list[i]; l.Concerns(tenant, kind) && !now.Before(l.From) && now.Before(l.Until) {
			return 1
		}
	}
	return 0
}

// Concerns says whether it is one of the kind in the shop.
func (p *Promotion) Concerns(tenant, kind string) bool {
	return p.Kind == kind && (p.Tenant == "" || p.Tenant == tenant)
}
