package rules

import (
	"fmt"
	"slices"

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
	n, k            growth
}

// window is the time over which a rate is compared.
type window string

const (
	quarter  window = "15m"
	halfHour window = "30m"
	twoHours window = "2h"
	day      window = "1d"
)

var growing = [...]window{halfHour, twoHours, day}

func stage(s schemas.Stage) counter {
	return counter{"ecom_session_stage_total", []matcher{{"stage", "=", schemas.StageNames[s]}}}
}

func stageByRegion(s schemas.Stage) counter {
	return counter{"ecom_session_stage_region_total", []matcher{{"stage", "=", schemas.StageNames[s]}}}
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
	carts := func(outcome string) growth {
		return growth{counter: counter{"ecom_cart_sessions_total", []matcher{{"outcome", "=", outcome}}}}
	}
	all := []rate{{name: "cvr", n: growth{counter: stage(firstStage)}, k: growth{counter: stage(lastStage)}}}
	for s := firstStage; s < lastStage; s++ {
		all = append(all, rate{name: step(s), n: growth{counter: stage(s)}, k: growth{counter: stage(s + 1)}})
	}
	for _, label := range []string{"platform", "channel"} {
		all = append(all, rate{"cvr", label, growth{counter: stage(firstStage), label: label}, growth{counter: stage(lastStage), label: label}})
	}
	orders := counter{name: "ecom_orders_attributed_total"}
	found := counter{orders.name, []matcher{{"status", "!=", "none"}}}
	return append(
		all,
		rate{"cvr", "device_class", growth{stage(firstStage), "platform", "ecom:rate_n"}, growth{stage(lastStage), "platform", "ecom:rate_k"}},
		rate{"cvr", "region", growth{counter: stageByRegion(firstStage), label: "region"}, growth{counter: stageByRegion(lastStage), label: "region"}},
		rate{name: "cart_to_pay", n: carts("added"), k: carts("paid")},
		rate{"bounce", "landing_page_type", growth{counter: counter{name: "ecom_sessions_closed_total"}, label: "landing_page_type"}, growth{counter: counter{name: "ecom_sessions_bounced_total"}, label: "landing_page_type"}},
		rate{name: "attributed", n: growth{counter: orders}, k: growth{counter: found}},
	)
}

// eventTypes are the client events that move a session through the funnel: a
// tracker can lose one of them alone.
var eventTypes = [...]schemas.Kind{schemas.KindPageView, schemas.KindViewItem, schemas.KindAddToCart, schemas.KindBeginCheckout}

// counts lists what is compared by number.
func counts() []windowed {
	clicks := counter{"ecom_events_ingested_total", []matcher{{"topic", "=", schemas.TopicNames[schemas.Clickstream]}}}
	var types []windowed
	for _, k := range eventTypes {
		c := counter{clicks.name, append(slices.Clone(clicks.where), matcher{"type", "=", schemas.KindNames[k]})}
		for _, w := range []window{quarter, halfHour} {
			types = append(types, windowed{"ecom:count", w, map[string]string{"count": schemas.KindNames[k], "dimension": "platform"}, growth{counter: c, label: "platform"}, []window{w}})
		}
	}
	count := func(name, dimension string, g growth) windowed {
		return windowed{"ecom:count", halfHour, map[string]string{"count": name, "dimension": dimension}, g, growing[:]}
	}
	of := func(name string) growth { return growth{counter: counter{name: name}} }
	return append([]windowed{
		count("sessions", "", of("ecom_sessions_started_total")),
		count("orders_placed", "", of("ecom_orders_placed_total")),
		count("orders_paid", "", of("ecom_orders_paid_total")),
		count("gmv_paid", "", growth{counter: counter{name: "ecom_orders_paid_amount_minor_total"}, label: "currency"}),
		count("orders_paid_foreign", "", of("ecom_orders_foreign_currency_total")),
		count("events", "platform", growth{counter: clicks, label: "platform"}),
		count("orders_placed", "platform", growth{counter: counter{name: "ecom_orders_placed_total"}, label: "platform"}),
		{"ecom:sessions", quarter, nil, of("ecom_sessions_started_total"), []window{quarter}},
		{"ecom:count", quarter, map[string]string{"count": "events", "dimension": "platform"}, growth{counter: clicks, label: "platform"}, []window{quarter}},
		{"ecom:count", quarter, map[string]string{"count": "orders_placed", "dimension": "platform"}, growth{counter: counter{name: "ecom_orders_placed_total"}, label: "platform"}, []window{quarter}},
		{"ecom:events", halfHour, nil, growth{counter: clicks}, nil},
		{"ecom:bots", halfHour, nil, of("ecom_events_bot_total"), nil},
	}, types...)
}

// payments: attempts, and those that failed for technical reasons. A buyer who
// gives up is no failure.
func payments() []windowed {
	var out []windowed
	attempts := func(op, result string) growth {
		return growth{counter: counter{"ecom_payment_attempts_total", []matcher{{"result", op, result}}}, label: "payment_method"}
	}
	for _, over := range []window{"5m", halfHour} {
		var past []window
		if over == halfHour {
			past = []window{halfHour}
		}
		out = append(
			out,
			windowed{"ecom:payments", over, nil, attempts("=", "attempted"), past},
			windowed{"ecom:payment_failures", over, nil, attempts("!~", "attempted|user_cancel"), past},
			windowed{"ecom:payment_errors", over, nil, attempts("!=", "attempted"), past},
		)
	}
	return out
}

// recorded lists the windows that are taken from the counters.
func recorded() []windowed {
	var out []windowed
	for _, r := range rates() {
		labels := map[string]string{"rate": r.name, "dimension": r.dimension}
		out = append(out, windowed{"ecom:rate_n", halfHour, labels, r.n, growing[:]}, windowed{"ecom:rate_k", halfHour, labels, r.k, growing[:]})
	}
	return slices.Concat(out, counts(), payments())
}

// promotions are those that run now, by tenant and kind.
const promotions = "ecom:promo:active"

// windows records what happened in the windows that end now.
func windows() []Rule {
	// Only what runs: 0 and an absent series are the same, no promotion.
	out := []Rule{
		{Record: promotions, Expr: "max by (tenant, kind) (ecom_promo_active) > 0"},
		{Record: ShopClocks, Expr: "max by (tenant) (ecom_shop_utc_offset_seconds)"},
	}
	for _, w := range recorded() {
		out = append(out, w.rule())
	}
	out = append(out, Rule{Record: openSessions, Expr: "sum(ecom_sessions_open)"})
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

const openSessions = "ecom:sessions_open"
