package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// pages is when somebody was paged; alerts on the pipeline have no shop.
const pages = `max by (alert_id, alertname, tenant, slice, step, trouble) (ALERTS{alertstate="firing",severity="critical",tenant=~"$tenant|"})`

// marked is a dashboard with annotations as Grafana's Prometheus datasource reads
// them. The SDK's type lacks their texts.
type marked struct {
	dashboard.Dashboard
	Annotations struct {
		List []annotation `json:"list"`
	} `json:"annotations"`
}

type annotation struct {
	dashboard.AnnotationQuery
	TitleFormat string `json:"titleFormat"`
	TagKeys     string `json:"tagKeys"`
}

func withPages(d dashboard.Dashboard) (marked, error) {
	source := ref("prometheus")
	query, err := prometheus.NewDataqueryBuilder().RefId("A").Expr(pages).Range().Datasource(source).Build()
	if err != nil {
		return marked{}, err
	}
	out := marked{Dashboard: d}
	out.Annotations.List = []annotation{{
		AnnotationQuery: dashboard.AnnotationQuery{Name: "Pages", Datasource: &source, Enable: true, IconColor: bad, Target: query},
		TitleFormat:     "{{alert_id}} {{alertname}}", TagKeys: "tenant,slice,step,trouble",
	}}
	return out, nil
}
