package dashboards

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Query is one query of a panel, as Grafana would send it but for its macros.
type Query struct {
	Board, Panel string
	PromQL, SQL  string // one of them
	MayBeEmpty   string // why it may have no data
}

// Queries lists those of every panel and of the annotations, so that a test can run them all.
func Queries() []Query {
	var all []Query
	for _, b := range boards() {
		all = append(all, Query{Board: b.uid, Panel: "annotations", PromQL: pages, MayBeEmpty: "nobody was paged"})
		for _, r := range append([]row{{panels: stamp()}}, b.rows...) {
			for _, p := range r.panels {
				for _, t := range p.targets {
					all = append(all, Query{Board: b.uid, Panel: p.title, PromQL: t.promql, SQL: t.sql, MayBeEmpty: p.mayBeEmpty})
				}
			}
		}
	}
	return all
}

var (
	timeFilter   = regexp.MustCompile(`\$__timeFilter\(([a-z_]+)\)`)
	timeInterval = regexp.MustCompile(`\$__timeInterval\(([a-z_]+)\)`)
)

// Expand replaces Grafana's macros and variables: everything is chosen.
func (q Query) Expand(from, to time.Time, step time.Duration) string {
	literal := func(t time.Time) string {
		return fmt.Sprintf("toDateTime64('%s', 3, 'UTC')", t.UTC().Format("2006-01-02 15:04:05.000"))
	}
	text := timeFilter.ReplaceAllString(q.PromQL+q.SQL, "($1 >= "+literal(from)+" AND $1 <= "+literal(to)+")")
	text = timeInterval.ReplaceAllString(text, fmt.Sprintf("toStartOfInterval(toDateTime($1), INTERVAL %d second)", int(step.Seconds())))
	return strings.NewReplacer(
		"$__fromTime", literal(from), "$__toTime", literal(to),
		"$__rate_interval", fmt.Sprintf("%ds", int(4*step.Seconds())), "$__range", fmt.Sprintf("%ds", int(to.Sub(from).Seconds())),
		"${tenant:regex}", ".*", "${platform:regex}", ".*", "${channel:regex}", ".*",
		"$tenant", ".*", "$platform", ".*", "$channel", ".*",
	).Replace(text)
}
