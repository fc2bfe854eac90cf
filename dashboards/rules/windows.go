package rules

import (
	"fmt"
	"strings"

	"github.com/storepulse/storepulse/schemas"
)

// A rate is a share k of n, sessions or payments, over a window; the same rules
// serve all of them. Its series are
//
//	ecom:rate_n:inc30m{tenant, rate, dimension, slice}
//	ecom:rate_k:inc30m{tenant, rate, dimension, slice}
//
// where dimension and slice are empty for the whole shop. The windows 2h and 1d
// are sums of the first. A count has only one series, ecom:count:inc30m.
type rate struct {
	name, dimension string
	n, k            string // instant vectors with the labels tenant and slice, or tenant
}

// window is the time over which a rate is compared.
type window string

const (
	halfHour window = "30m"
	twoHours window = "2h"
	day      window = "1d"
)

var growing = [...]window{halfHour, twoHours, day}

// increase30m sums the increase of a counter over half an hour by tenant, and
// by the label if there is one, which then becomes slice.
func increase30m(counter, label string) string { return increase(counter, "30m", label) }

func increase(counter, over, label string) string {
	if label == "" {
		return fmt.Sprintf("sum by (tenant) (increase(%s[%s]))", counter, over)
	}
	return slice(fmt.Sprintf("sum by (tenant, %s) (increase(%s[%s]))", label, counter, over), label)
}

func slice(vector, label string) string {
	return fmt.Sprintf(`sum by (tenant, slice) (label_replace(%s, "slice", "$1", "%s", "(.*)"))`, vector, label)
}

func stage(s schemas.Stage) string {
	return fmt.Sprintf("ecom_session_stage_total{stage=%q}", schemas.StageNames[s])
}

func stageByRegion(s schemas.Stage) string {
	return fmt.Sprintf("ecom_session_stage_region_total{stage=%q}", schemas.StageNames[s])
}

// step names the way from a stage to the next.
func step(from schemas.Stage) string {
	return schemas.StageNames[from] + "_to_" + schemas.StageNames[from+1]
}

const (
	firstStage = schemas.StageVisit
	lastStage  = schemas.StagePay
)

// rates lists what is compared with the past.
func rates() []rate {
	all := []rate{{name: "cvr", n: increase30m(stage(firstStage), ""), k: increase30m(stage(lastStage), "")}}
	for s := firstStage; s < lastStage; s++ {
		all = append(all, rate{name: step(s), n: increase30m(stage(s), ""), k: increase30m(stage(s+1), "")})
	}
	for _, label := range []string{"platform", "channel"} {
		all = append(all, rate{"cvr", label, increase30m(stage(firstStage), label), increase30m(stage(lastStage), label)})
	}
	return append(
		all,
		rate{"cvr", "device_class", byDevice("ecom:rate_n:inc30m"), byDevice("ecom:rate_k:inc30m")},
		rate{"cvr", "region", increase30m(stageByRegion(firstStage), "region"), increase30m(stageByRegion(lastStage), "region")},
		rate{name: "cart_to_pay", n: increase30m(`ecom_cart_sessions_total{outcome="added"}`, ""), k: increase30m(`ecom_cart_sessions_total{outcome="paid"}`, "")},
		rate{"bounce", "landing_page_type", increase30m("ecom_sessions_closed_total", "landing_page_type"), increase30m("ecom_sessions_bounced_total", "landing_page_type")},
		rate{name: "attributed", n: increase30m("ecom_orders_attributed_total", ""), k: increase30m(`ecom_orders_attributed_total{status!="none"}`, "")},
	)
}

// byDevice adds platforms up: device_class follows from platform.
func byDevice(record string) string {
	expr := record + `{rate="cvr",dimension="platform"}`
	groups := map[schemas.DeviceClass][]string{}
	for p, name := range schemas.PlatformNames {
		d := schemas.Platform(p).Device()
		groups[d] = append(groups[d], name)
	}
	for d, name := range schemas.DeviceClassNames {
		if platforms := groups[schemas.DeviceClass(d)]; len(platforms) > 0 {
			expr = fmt.Sprintf(`label_replace(%s, "device_class", "%s", "slice", "%s")`, expr, name, strings.Join(platforms, "|"))
		}
	}
	return slice(fmt.Sprintf("sum by (tenant, device_class) (%s)", expr), "device_class")
}

const clientEvents = `ecom_events_ingested_total{topic="clickstream"}`

// counted lists what is compared by number; each is a rule of its own because a
// count may have a slice and a currency.
func counted() []Rule {
	count := func(name, dimension, expr string) Rule {
		return Rule{Record: "ecom:count:inc30m", Expr: expr, Labels: map[string]string{"count": name, "dimension": dimension}}
	}
	money := "sum by (tenant, currency) (increase(ecom_orders_paid_amount_minor_total[30m]))"
	return []Rule{
		count("sessions", "", increase30m("ecom_sessions_started_total", "")),
		count("orders_placed", "", increase30m("ecom_orders_placed_total", "")),
		count("orders_paid", "", increase30m("ecom_orders_paid_total", "")),
		count("gmv_paid", "", money),
		count("events", "platform", increase30m(clientEvents, "platform")),
		count("orders_placed", "platform", increase30m("ecom_orders_placed_total", "platform")),
		{Record: "ecom:sessions_open", Expr: "sum(ecom_sessions_open)"},
		{Record: "ecom:sessions:inc15m", Expr: increase("ecom_sessions_started_total", "15m", "")},
		{Record: "ecom:count:inc15m", Expr: increase(clientEvents, "15m", "platform"), Labels: map[string]string{"count": "events", "dimension": "platform"}},
		{Record: "ecom:count:inc15m", Expr: increase("ecom_orders_placed_total", "15m", "platform"), Labels: map[string]string{"count": "orders_placed", "dimension": "platform"}},
		{Record: "ecom:events:inc30m", Expr: increase30m(clientEvents, "")},
		{Record: "ecom:bots:inc30m", Expr: increase30m("ecom_events_bot_total", "")},
	}
}

// payments: attempts, and those that failed for technical reasons. A buyer who
// gives up is no failure.
func payments() []Rule {
	var out []Rule
	for _, over := range []string{"5m", "30m"} {
		out = append(
			out,
			Rule{Record: "ecom:payments:inc" + over, Expr: increase(`ecom_payment_attempts_total{result="attempted"}`, over, "payment_method")},
			Rule{Record: "ecom:payment_failures:inc" + over, Expr: increase(`ecom_payment_attempts_total{result!~"attempted|user_cancel"}`, over, "payment_method")},
			Rule{Record: "ecom:payment_errors:inc" + over, Expr: increase(`ecom_payment_attempts_total{result!="attempted"}`, over, "payment_method")},
		)
	}
	return out
}

// promotions are those that run now, by tenant and kind.
const promotions = "ecom:promo:active"

// windows records what happened in the windows that end now.
func windows() []Rule {
	// Only what runs: 0 and an absent series are the same, no promotion.
	out := []Rule{{Record: promotions, Expr: "max by (tenant, kind) (ecom_promo_active) > 0"}}
	for _, r := range rates() {
		labels := map[string]string{"rate": r.name, "dimension": r.dimension}
		out = append(out, Rule{Record: "ecom:rate_n:inc30m", Expr: r.n, Labels: labels}, Rule{Record: "ecom:rate_k:inc30m", Expr: r.k, Labels: labels})
	}
	out = append(out, counted()...)
	out = append(out, payments()...)
	for _, s := range []string{"ecom:rate_n", "ecom:rate_k", "ecom:count"} {
		half := s + ":inc30m"
		out = append(
			out,
			Rule{Record: s + ":inc2h", Expr: fmt.Sprintf("%[1]s + %[1]s offset 30m + %[1]s offset 1h + %[1]s offset 90m", half)},
			// At most half an hour old, which a day does not notice; and only of a
			// whole day: a part of one would be compared with whole ones.
			Rule{Record: s + ":inc1d", Expr: fmt.Sprintf("sum_over_time(%[1]s[1d:30m]) and count_over_time(%[1]s[1d:30m]) >= 46", half)},
		)
	}
	// How much wider limits are, for every shop that has numbers to judge.
	shops := "group by (tenant) (ecom:rate_n:inc30m) or group by (tenant) (ecom:sessions:inc15m)"
	return append(out, Rule{Record: "ecom:promo:factor", Expr: fmt.Sprintf("1.5 * group by (tenant) (%s) or (%s)", promotions, shops)})
}
