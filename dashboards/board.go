// Package dashboards defines Grafana's dashboards as Go values. They become
// JSON files, committed under dashboards/generated: see Files. Rules and alerts
// are in package rules below it.
package dashboards

import "fmt"

// A board answers the questions of one reader; each of its rows answers one.
type board struct {
	uid, file, title string
	about            string
	next             []string // uids of the boards to go on with
	from             string   // how far back it looks at first
	sliced           bool     // has the choices of platform and channel
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

// panel shows one thing; every panel has a description, a unit, a page to read
// on, and thresholds or a place in noLimits.
type panel struct {
	kind               kind
	title, description string
	unit               string // Grafana's name of it
	span               int    // of 24
	targets            []target
	shares             []string // columns of a table that are ratios
	noValue            string   // what stands where there is none; empty: no data
	steps              []step   // thresholds, ascending
	below              string   // colour below the first of them; empty: good
	stale              string   // text from the last threshold on, all over the panel
	runbook            string   // anchor in docs/operations.md; empty: of the first alert on the metric it speaks of, if there is one
	mayBeEmpty         string   // why it may have no data
	signed             bool     // values may be below zero
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
	sample   bool // n of the other targets: in the legend and the tooltip only
}

// minSample is the least n of a share that is shown. Below it chance decides:
// the share is left out, its n stands beside it.
const minSample = 100

// tooFew is what stands in a table where a share is left out.
const tooFew = "n < 100"

// tooFewOrYoung is the same where a share needs time.
const tooFewOrYoung = "n < 100, or too young"

// sampled is a share in SQL that is null below the sample.
func sampled(n, share string) string {
	return fmt.Sprintf("if(%s >= %d, %s, NULL)", n, minSample, share)
}

// enough is a divisor in PromQL with the sample for it.
func enough(n string) string { return fmt.Sprintf("(%s >= %d)", n, minSample) }

const (
	good, warn, bad = "green", "orange", "red"
)

func atLeast(warnAt, badAt float64) []step { return []step{{warnAt, warn}, {badAt, bad}} }

// noLimits are the panels without thresholds, by board and title, with the reason.
var noLimits = map[string][]string{
	"no level is right for every shop": {
		"d01 Paid GMV by day", "d01 Placed GMV by day", "d01 Orders placed and paid by day", "d01 Order value and spend per buyer by day", "d01 GMV against the week before", "d01 Units per order by day",
		"d01 Net sales by day, by occurrence and by cohort", "d01 Refund rate by day, by occurrence and by cohort", "d01 Cancelled by day, unpaid and paid",
		"d01 GMV of buyers who had bought before", "d01 Sessions", "d01 Visitors", "d01 Visitor-to-buyer conversion", "d01 Buyers who had bought before", "d01 Buyers who came again", "d01 No purchase for 30 to 59 days", "d01 No purchase for 60 days", "d01 GMV of the top fifth of buyers",
		"d02 Orders paid, last 5 minutes", "d02 Visitors active", "d02 Visitors today", "d02 Orders a minute", "d02 Unpaid orders by age", "d02 Attempts in 30 minutes by method",
		"d03 Sessions started a minute by platform", "d03 Page views a minute by page", "d03 Visitors", "d03 Pages per visitor", "d03 Duration of a visit, median and 90 %", "d03 Sessions by channel",
		"d04 Reach of the stages", "d04 From each stage to the next, over 30 minutes", "d04 Carts that leave without paying", "d04 Time from checkout to order, median and 90 %", "d04 Orders paid within 72 hours, by day of the order",
	},
	"an alert compares it with its own past": {
		"d02 Since the last paid order", "d02 Paid GMV in 30 minutes, and its usual value", "d02 Sessions in 15 minutes, and the usual number",
		"d03 Bounces by landing page", "d03 Client events a minute by platform", "d04 Session conversion, and its usual value", "d04 Orders lost an hour", "d12 Sessions open",
	},
	"a list to read": {
		"d01 Paid GMV by device", "d01 Paid GMV by province", "d01 Products by units sold", "d01 Sold today", "d02 Alerts that fire", "d02 Insufficient data",
		"d01 Buyers who came again, by month of their first order", "d03 Channels: sessions, bounces, conversion", "d03 Channels: amount paid", "d04 Orders that wait for payment", "d03 Landing pages", "d03 Exit pages",
		"d04 By platform", "d04 By channel", "d04 By province", "d04 Slices that convert worse than usual", "d04 Products that are seen and not taken", "d04 Payment failures by method",
	},
	"it follows the traffic and the machine": {
		"d12 Events a second, by hour", "d12 Records a second", "d12 Records by what became of them", "d12 Rows a second by table", "d12 Late events that wait for a rebuild", "d12 Memory of the state",
	},
	"the panel beside it has the limit": {"Complete until"},
}

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
