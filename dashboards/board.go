// Package dashboards defines Grafana's dashboards as Go values. They become
// JSON files, committed under dashboards/generated: see Files. Rules and alerts
// are in package rules below it.
package dashboards

// A board answers the questions of one reader; each of its rows answers one.
type board struct {
	uid, file, title string
	about            string
	next             []string // uids of the boards to go on with
	from             string   // how far back it looks at first
	rows             []row
}

type row struct {
	question string
	panels   []panel
}

// kind is how a panel draws.
type kind int

const (
	asSeries kind = iota
	asStat
	asTable
	asBars
)

// panel shows one thing; every panel has a description and a unit.
type panel struct {
	kind               kind
	title, description string
	unit               string // Grafana's name of it
	span               int    // of 24
	targets            []target
	steps              []step // thresholds, ascending; none: no colour
	runbook            string // anchor in docs/operations.md
	mayBeEmpty         string // why it may have no data
}

// step colours values from it on.
type step struct {
	from  float64
	color string
}

// target is a query: PromQL or ClickHouse SQL, not both.
type target struct {
	legend   string
	promql   string
	sql      string
	overTime bool // of SQL: the first column is the time
}

const (
	good, warn, bad = "green", "orange", "red"
)

func atLeast(warnAt, badAt float64) []step { return []step{{warnAt, warn}, {badAt, bad}} }

// boards lists all dashboards, in the order of their numbers.
func boards() []board {
	return []board{overview(), realtime(), traffic(), funnel(), pipeline()}
}

// filter are the matchers of a series that has these labels.
func filter(labels ...string) string {
	out := `tenant=~"$tenant"`
	for _, l := range labels {
		out += "," + l + `=~"$` + l + `"`
	}
	return out
}

// sqlFilter is the same for a table with these columns.
func sqlFilter(columns ...string) string {
	out := "match(tenant, '^(?:${tenant:regex})$')"
	for _, c := range columns {
		out += " AND match(" + c + ", '^(?:${" + c + ":regex})$')"
	}
	return out
}
