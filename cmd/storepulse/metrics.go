package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/schemas/catalogue"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

func newMetrics(s *shared) *cobra.Command {
	list := &cobra.Command{
		Use:   "list",
		Short: "All metrics, a line each",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tNAME\tUNIT\tPROMETHEUS\tVIEW\tTITLE")
			for _, m := range catalogue.All() {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", m.ID, m.Name, m.Unit, dash(strings.Join(m.Series[:min(1, len(m.Series))], "")), dash(m.ViewName()), m.Title)
			}
			return w.Flush()
		},
	}
	show := &cobra.Command{
		Use:     "show NAME",
		Short:   "One metric, by name or id",
		Example: "  storepulse metrics show aov\n  storepulse metrics show FUN-02",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			found := catalogue.Find(args[0])
			if len(found) == 0 {
				return &usageError{fmt.Errorf("no metric %q: %s", args[0], near(args[0]))}
			}
			for i, m := range found {
				if i > 0 {
					fmt.Fprintln(s.out)
				}
				show(s, m)
			}
			return nil
		},
	}
	cmd := group("metrics", "What every metric means, and where to read it", list, show)
	cmd.Long = `metrics explains the metrics: formula, unit, dimensions, edge rules, the
Prometheus series and the ClickHouse view of each, its dashboards and alerts.`
	return cmd
}

// near proposes the metrics whose name, title or id has the word in it.
func near(word string) string {
	word = strings.ToLower(word)
	var names []string
	for _, m := range catalogue.All() {
		if strings.Contains(strings.ToLower(m.Name+" "+m.Title+" "+m.ID), word) {
			names = append(names, m.Name)
		}
	}
	if len(names) == 0 {
		return "`storepulse metrics list` has them all"
	}
	return "perhaps " + strings.Join(names, ", ")
}

func show(s *shared, m *catalogue.Metric) {
	fmt.Fprintf(s.out, "%s  %s (%s)\n", m.ID, m.Title, m.Name)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(s.out, "  %-11s %s\n", name, value)
		}
	}
	line("formula", m.Formula)
	line("unit", m.Unit)
	line("dimensions", strings.Join(m.Dimensions, ", "))
	for i, e := range m.Edges {
		line([]string{"note", ""}[min(i, 1)], e)
	}
	line("series", strings.Join(m.Series, ", "))
	line("now", m.Now)
	if v := m.ViewName(); v != "" {
		by := "business_date"
		for _, d := range []string{"stage", "currency"} { // never to be added up
			if slices.Contains(m.Dimensions, d) {
				by += ", " + d
			}
		}
		line("history", fmt.Sprintf("SELECT %[1]s, %[2]s FROM %[3]s GROUP BY %[1]s ORDER BY %[1]s", by, m.Value, v))
	}
	line("dashboards", strings.Join(m.Dashboards, ", "))
	line("alerts", strings.Join(m.Alerts, ", "))
}

// metricViews are the views of the catalogue under a configuration.
func metricViews(cfg config.Config, voc *schemas.Vocabulary) []clickhouse.View {
	var out []clickhouse.View
	for _, v := range catalogue.Views(catalogue.Settings{PayWindow: cfg.Rules.Orders.PayWindow, Gap: cfg.Rules.Session.Gap, Topics: voc.Topics, Tenants: voc.Tenants}) {
		out = append(out, clickhouse.View(v))
	}
	return out
}
