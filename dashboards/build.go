package dashboards

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"

	"github.com/storepulse/storepulse/dashboards/rules"
)

// Options are what differs from one installation to the next.
type Options struct {
	Runbooks string // where docs/operations.md can be read, without the anchor
	Metrics  string // where docs/metrics.md can be read
}

// DefaultOptions are those of the files that are committed.
func DefaultOptions() Options {
	runbooks := rules.DefaultOptions().Runbooks
	return Options{Runbooks: runbooks, Metrics: strings.TrimSuffix(runbooks, "operations.md") + "metrics.md"}
}

// Files gives every dashboard by its path below dashboards/generated.
func Files(o Options) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, b := range boards() {
		d, err := b.build(o)
		if err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", b.uid, err)
		}
		marked, err := withPages(d)
		if err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", b.uid, err)
		}
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(marked); err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", b.uid, err)
		}
		out["grafana/dashboards/"+b.file+".json"] = buf.Bytes()
	}
	return out, nil
}

func (b board) build(o Options) (dashboard.Dashboard, error) {
	d := dashboard.NewDashboardBuilder(b.title).Uid(b.uid).Description(b.about).Tags([]string{"storepulse"}).
		Readonly().Time(b.from, "now").Refresh("1m").Timezone("browser").Tooltip(dashboard.DashboardCursorSyncCrosshair).
		WithVariable(source("prometheus", "Prometheus", "prometheus")).
		WithVariable(source("clickhouse", "ClickHouse", clickhouseType)).
		WithVariable(choice("tenant", "Shop", "ecom_sessions_started_total"))
	if b.sliced {
		d = d.WithVariable(choice("platform", "Platform", "ecom_sessions_started_total")).
			WithVariable(choice("channel", "Channel", "ecom_sessions_started_total"))
	}
	for _, uid := range b.next {
		d = d.Link(dashboard.NewDashboardLinkBuilder(titleOf(uid)).Type(dashboard.DashboardLinkTypeLink).Url("/d/" + uid).KeepTime(true).IncludeVars(true))
	}
	id := uint32(1)
	rows := append([]row{{question: "Are the numbers complete?", panels: stamp()}}, b.rows...)
	for _, r := range rows {
		d = d.WithRow(dashboard.NewRowBuilder(r.question).Id(id))
		id++
		for _, p := range r.panels {
			if b.sliced && r.question != rows[0].question {
				p.description += p.whole()
			}
			if p.daily() {
				p.description += " Days are the shop's, drawn at midnight UTC."
			}
			built, err := p.build(id, o)
			if err != nil {
				return dashboard.Dashboard{}, fmt.Errorf("panel %q: %w", p.title, err)
			}
			d = d.WithPanel(built)
			id++
		}
	}
	return d.Build()
}

// stamp says until when the facts behind a dashboard are complete.
func stamp() []panel {
	return []panel{
		{
			kind: asStat, title: "Complete until", unit: "dateTimeAsIso", span: 6, runbook: "a-pl-02",
			description: "PLT-03: event time up to which the facts of every lane are complete. Later numbers still grow.",
			targets:     []target{{promql: "min(ecom_complete_until_timestamp_seconds) * 1000"}},
		},
		{
			kind: asStat, title: "Behind now", unit: "s", span: 6, steps: atLeast(300, 420), stale: "STALE: what is newer is missing", runbook: "a-pl-02",
			description: "PLT-03: how far that is behind the clock. Two minutes are usual: events may be so much out of order.",
			targets:     []target{{promql: "time() - min(ecom_complete_until_timestamp_seconds)"}},
		},
		{
			kind: asStat, title: "Oldest unread record", unit: "s", span: 6, steps: atLeast(120, 600), runbook: "a-pl-01",
			description: "PLT-04: age of the oldest record in Kafka that no finished epoch has read.",
			targets:     []target{{promql: "max(ecom_kafka_consumer_lag_seconds)"}},
		},
		{
			kind: asStat, title: "Rows by which ledger and tables differ", unit: "short", span: 6, steps: []step{{1, bad}}, runbook: "a-pl-08",
			description: "PLT-09. Must be 0: storepulse verify names the epochs otherwise.",
			targets:     []target{{promql: "max(ecom_ledger_imbalance_events)"}},
		},
	}
}

func titleOf(uid string) string {
	for _, b := range boards() {
		if b.uid == uid {
			return b.title
		}
	}
	return uid
}

func source(name, label, kind string) cog.Builder[dashboard.VariableModel] {
	return dashboard.NewDatasourceVariableBuilder(name).Label(label).Type(kind)
}

// choice is a variable of label values; all of them is a match of anything, so
// that series without the label are shown as well.
func choice(name, label, metric string) cog.Builder[dashboard.VariableModel] {
	all := dashboard.VariableOption{
		Selected: cog.ToPtr(true), Text: dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}}, Value: dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
	}
	return dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(ref("prometheus")).
		Query(dashboard.StringOrMap{String: cog.ToPtr(fmt.Sprintf("label_values(%s, %s)", metric, name))}).
		Refresh(dashboard.VariableRefreshOnDashboardLoad).Multi(true).IncludeAll(true).AllValue(".*").Current(all)
}

// ref names a datasource by its variable.
func ref(variable string) common.DataSourceRef {
	kind := map[string]string{"prometheus": "prometheus", "clickhouse": clickhouseType}[variable]
	return common.DataSourceRef{Type: &kind, Uid: cog.ToPtr("${" + variable + "}")}
}

func (p panel) build(id uint32, o Options) (cog.Builder[dashboard.Panel], error) {
	var targets []cog.Builder[variants.Dataquery]
	datasource := ref("prometheus")
	for i, t := range p.targets {
		letter := letter(i)
		switch {
		case t.promql != "" && t.sql == "":
			q := prometheus.NewDataqueryBuilder().RefId(letter).Expr(t.promql).LegendFormat(t.legend).Datasource(ref("prometheus"))
			if p.kind == asSeries {
				q = q.Range()
			} else {
				q = q.Instant()
				if p.kind == asTable {
					q = q.Format(prometheus.PromQueryFormatTable)
				}
			}
			targets = append(targets, q)
		case t.sql != "" && t.promql == "":
			datasource = ref("clickhouse")
			targets = append(targets, newClickHouseQuery(letter, t.sql, t.overTime))
		default:
			return nil, fmt.Errorf("target %s: needs PromQL or SQL", letter)
		}
	}
	calm := "text"
	if len(p.steps) > 0 {
		calm = cmp.Or(p.below, good)
	}
	steps := []dashboard.Threshold{{Color: calm}}
	for _, s := range p.steps {
		steps = append(steps, dashboard.Threshold{Value: cog.ToPtr(s.from), Color: s.color})
	}
	thresholds := dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)
	var links []cog.Builder[dashboard.DashboardLink]
	for _, l := range p.links(o) {
		links = append(links, dashboard.NewDashboardLinkBuilder(l.title).Type(dashboard.DashboardLinkTypeLink).Url(l.url).TargetBlank(true))
	}
	const short, tall = 4, 8
	span, empty := uint32(p.span), cmp.Or(p.noValue, "no data")
	switch p.kind {
	case asStat:
		out := stat.NewPanelBuilder().Id(id).Title(p.title).Description(p.description).Unit(p.unit).Span(span).Height(short).
			Datasource(datasource).Targets(targets).Thresholds(thresholds).Links(links).NoValue(empty).GraphMode(common.BigValueGraphModeNone)
		if slices.ContainsFunc(p.targets, func(t target) bool { return strings.Contains(t.sql, " GROUP BY ") }) {
			out = out.ReduceOptions(common.NewReduceDataOptionsBuilder().Values(true).Calcs([]string{}))
		}
		if p.stale != "" {
			last := p.steps[len(p.steps)-1]
			text := dashboard.RangeMap{Type: dashboard.MappingTypeRangeToText, Options: dashboard.DashboardRangeMapOptions{From: &last.from, Result: dashboard.ValueMappingResult{Text: &p.stale, Color: &last.color}}}
			out = out.ColorMode(common.BigValueColorModeBackground).Mappings([]dashboard.ValueMapping{{RangeMap: &text}})
		}
		return out, nil
	case asTable:
		out := table.NewPanelBuilder().Id(id).Title(p.title).Description(p.description).Unit(p.unit).Span(span).Height(tall).
			Datasource(datasource).Targets(targets).Thresholds(thresholds).Links(links).NoValue(empty)
		if len(p.shares) > 0 {
			out = out.OverrideByRegexp("^("+strings.Join(p.shares, "|")+")$", []dashboard.DynamicConfigValue{{Id: "unit", Value: "percentunit"}, {Id: "decimals", Value: 1}})
		}
		return out, nil
	case asBars:
		return bargauge.NewPanelBuilder().Id(id).Title(p.title).Description(p.description).Unit(p.unit).Span(span).Height(tall).Min(0).
			Datasource(datasource).Targets(targets).Thresholds(thresholds).Links(links).NoValue(empty).Orientation(common.VizOrientationHorizontal), nil
	case asSeries:
		out := timeseries.NewPanelBuilder().Id(id).Title(p.title).Description(p.description).Unit(p.unit).Span(span).Height(tall).
			Datasource(datasource).Targets(targets).Thresholds(thresholds).Links(links).NoValue(empty).LineWidth(1).FillOpacity(8)
		if !p.signed {
			out = out.Min(0)
		}
		if p.daily() {
			// Options that are not said would be empty, not Grafana's usual ones.
			out = out.Timezone([]common.TimeZone{"utc"}).
				Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom)).
				Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeSingle).Sort(common.SortOrderNone))
		}
		if len(p.steps) > 0 {
			out = out.ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed))
		}
		for i, t := range p.targets {
			if t.sample {
				out = out.Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeTable).Placement(common.LegendPlacementBottom).Calcs([]string{"lastNotNull"})).
					OverrideByQuery(letter(i), []dashboard.DynamicConfigValue{{Id: "unit", Value: "short"}, {Id: "custom.hideFrom", Value: map[string]bool{"viz": true, "legend": false, "tooltip": false}}})
			}
		}
		return out, nil
	}
	return nil, fmt.Errorf("BUG: kind %d of panel", p.kind)
}

// letter names a target.
func letter(i int) string { return string(rune('A' + i)) }
