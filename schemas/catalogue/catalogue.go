// Package catalogue defines every metric of the product once: what it means,
// the Prometheus series and the ClickHouse view it is read from, its unit,
// dimensions and edge rules, and where it is shown and alerted on. The views,
// the panels that read them, `storepulse metrics` and docs/metrics.md follow
// from it.
package catalogue

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// Metric is the one definition of a metric.
type Metric struct {
	ID         string   // number of the metric; both bases of one share it
	Name       string   // unique; the view is metric_ and the name
	Title      string   // for people
	Unit       string   // of the value
	Formula    string   // one sentence
	Dimensions []string // by which the view can be sliced
	Edges      []string // what a reader must know to trust the number
	Series     []string // Prometheus series it is read from; none: history only
	Now        string   // PromQL of the present value; empty with Series
	View       string   // SQL of the view, {…} filled by Views; empty: Of has it, or real time only
	Of         string   // name of the metric whose view it shares
	Value      string   // SQL aggregate over any rows of the view; null where it divides by nothing
	Dashboards []string // where it is shown, D01
	Alerts     []string // that watch it
}

// ViewName is the view that Value reads, "" if there is none.
func (m *Metric) ViewName() string {
	switch {
	case m.Of != "":
		return "metric_" + m.Of
	case m.View != "":
		return "metric_" + m.Name
	}
	return ""
}

// All lists the metrics in the order of their ids.
func All() []*Metric {
	all := slices.Concat(sales(), traffic(), funnel(), customers(), pipeline())
	slices.SortStableFunc(all, func(a, b *Metric) int { return cmp.Compare(family(a.ID), family(b.ID)) })
	return all
}

// family orders ids as the catalogue speaks of them.
func family(id string) string {
	return fmt.Sprintf("%d%s", slices.Index([]string{"SAL", "TRF", "FUN", "CUS", "SVC", "RSK", "PLT"}, id[:3]), id)
}

// Find gives the metrics of a name or of an id.
func Find(key string) []*Metric {
	var out []*Metric
	for _, m := range All() {
		if strings.EqualFold(m.Name, key) || strings.EqualFold(m.ID, key) {
			out = append(out, m)
		}
	}
	return out
}

// Settings are what the views take from the configuration.
type Settings struct {
	PayWindow time.Duration             // an order older than this is paid or is not going to be
	Gap       time.Duration             // a session without events for so long is over
	Topics    [schemas.NumTopics]string // as Kafka calls them
	Tenants   []schemas.Tenant
}

// View is one ClickHouse view.
type View struct{ Name, Comment, SQL string }

// Views renders the views. They have the columns tenant, time (start of the
// hour, UTC) and business_date, the dimensions, and columns that can be added
// up or merged over any rows: sums, and states of distinct counts.
func Views(s Settings) []View {
	fill := strings.NewReplacer(
		"{pay_window}", fmt.Sprintf("toIntervalSecond(%d)", int64(s.PayWindow.Seconds())),
		"{gap}", fmt.Sprintf("toIntervalSecond(%d)", int64(s.Gap.Seconds())),
		"{today}", today(s.Tenants),
		"{clickstream}", literal(s.Topics[schemas.Clickstream]),
		"{customers}", "NOT s.is_bot AND NOT s.is_test AND NOT s.is_internal",
		"{orders}", "NOT o.is_test AND NOT o.is_internal",
		"{valid}", "o.status = 'paid' AND o.refund_state != 'full' AND o.paid_at IS NOT NULL AND NOT o.is_test AND NOT o.is_internal",
		"{buyer}", "if(o.user_hash = 0, toString(o.visitor_id), toString(o.user_hash))",
	)
	var out []View
	for _, m := range All() {
		if m.View != "" {
			out = append(out, View{Name: m.ViewName(), Comment: m.ID + " " + m.Title + ": " + m.Formula, SQL: fill.Replace(m.View)})
		}
	}
	return out
}

// today is the business date of a row's tenant now.
func today(tenants []schemas.Tenant) string {
	var b strings.Builder
	b.WriteString("multiIf(")
	for _, t := range tenants {
		fmt.Fprintf(&b, "o.tenant = %s, toDate(now(), %s), ", literal(t.ID), literal(t.Location.String()))
	}
	b.WriteString("toDate(now(), 'UTC'))")
	return b.String()
}

// literal is a string of SQL.
func literal(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
