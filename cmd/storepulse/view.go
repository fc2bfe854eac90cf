package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/storepulse/storepulse/schemas"
)

// view shows the shop's numbers as the program itself exposes them: it reads
// the same registry as /metrics.
type view struct {
	out   io.Writer
	live  bool // a terminal: draw over the last picture
	lines int
	begun time.Time
	at    time.Time
	last  float64
}

// series are gathered metric families by name.
type series map[string]*dto.MetricFamily

func gather(reg prometheus.Gatherer) (series, error) {
	list, err := reg.Gather()
	if err != nil {
		return nil, fmt.Errorf("read the metrics: %w", err)
	}
	s := series{}
	for _, f := range list {
		s[f.GetName()] = f
	}
	return s, nil
}

// sum adds the series of a family whose labels hold all of want (name, value, …).
func (s series) sum(name string, want ...string) (total float64) {
	f := s[name]
	for _, m := range f.GetMetric() {
		if !slices.ContainsFunc(pairs(want), func(p [2]string) bool { return label(m, p[0]) != p[1] }) {
			total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return total
}

func (s series) max(name string) (greatest float64) {
	for _, m := range s[name].GetMetric() {
		greatest = max(greatest, m.GetGauge().GetValue())
	}
	return greatest
}

func pairs(list []string) (p [][2]string) {
	for i := 0; i+1 < len(list); i += 2 {
		p = append(p, [2]string{list[i], list[i+1]})
	}
	return p
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// draw shows one picture.
func (v *view) draw(s series, now time.Time) {
	consumed := s.sum("ecom_pipeline_records_total")
	rate := 0.0
	if !v.at.IsZero() {
		rate = (consumed - v.last) / now.Sub(v.at).Seconds()
	}
	v.at, v.last = now, consumed
	var b strings.Builder
	lag := s.sum("ecom_kafka_consumer_lag_messages")
	until := "—"
	if t := s.max("ecom_complete_until_timestamp_seconds"); t > 0 {
		until = time.UnixMilli(int64(t * 1000)).UTC().Format("2006-01-02 15:04:05")
	}
	// Lines stay below 80 columns: a wrapped one would break the drawing.
	fmt.Fprintf(&b, "%4ds  events %.0f (%.0f/s)  lag %.0f  shop time %s UTC\n", int(now.Sub(v.begun).Seconds()), consumed, rate, lag, until)
	visits := s.sum("ecom_session_stage_total", "stage", "visit")
	names, counts := &strings.Builder{}, &strings.Builder{}
	for _, stage := range schemas.StageNames[1:] {
		n := s.sum("ecom_session_stage_total", "stage", stage)
		fmt.Fprintf(names, "%13s", strings.TrimSuffix(strings.ReplaceAll(stage, "_to_", " to "), "_start"))
		fmt.Fprintf(counts, "%13s", strings.TrimSpace(fmt.Sprintf("%.0f %s", n, share(n, visits))))
	}
	fmt.Fprintf(&b, "%s\n%s\n", names, counts)
	fmt.Fprintf(&b, "       orders %.0f, paid %.0f  cvr %s  gmv %s\n",
		s.sum("ecom_orders_placed_total"), s.sum("ecom_orders_paid_total"), percent(s.sum("ecom_session_stage_total", "stage", "pay"), visits), s.money())
	fmt.Fprintf(&b, "       open sessions %.0f  dead letters %.0f  late %.0f  duplicates %.0f\n",
		s.sum("ecom_sessions_open"), s.sum("ecom_events_dead_letter_total"), s.sum("ecom_events_late_total"), s.sum("ecom_events_duplicate_total"))
	if v.live && v.lines > 0 {
		fmt.Fprintf(v.out, "\033[%dA\033[J", v.lines)
	}
	_, _ = io.WriteString(v.out, b.String())
	v.lines = strings.Count(b.String(), "\n")
}

// say writes a line that stays: the next picture comes below it.
func (v *view) say(line string) {
	fmt.Fprintln(v.out, line)
	v.lines = 0
}

// money lists paid amounts by currency; currencies are never added up.
func (s series) money() string {
	by := map[string]float64{}
	for _, m := range s["ecom_orders_paid_amount_minor_total"].GetMetric() {
		by[label(m, "currency")] += m.GetCounter().GetValue()
	}
	var parts []string
	for c, minor := range by {
		scale := 1.0
		for range schemas.CurrencyExponent(schemas.CurrencyIndex([]byte(c))) {
			scale *= 10
		}
		parts = append(parts, fmt.Sprintf("%.2f %s", minor/scale, c))
	}
	slices.Sort(parts)
	return strings.Join(parts, " + ")
}

func share(n, of float64) string {
	if of == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f%%", 100*n/of)
}

func percent(n, of float64) string {
	if of == 0 {
		return "—"
	}
	return fmt.Sprintf("%.2f%%", 100*n/of)
}
