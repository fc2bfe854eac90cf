package rules

import (
	"fmt"
	"strings"

	"github.com/storepulse/storepulse/schemas"
)

// overdispersion is how much more shops vary than dice do: the standard
// deviation of z scores in quiet weeks.
const (
	overdispersion      = 1.5 // of shares, and of numbers of orders
	countOverdispersion = 2.0 // of numbers of sessions
)

// statistics records shares, what is expected, and how unlikely the difference
// from it is: a one-sided z, divided by the over-dispersion; above zero is a drop.
func statistics() []Rule {
	var out []Rule
	for _, w := range growing {
		n, k, n0, k0 := fmt.Sprintf("ecom:rate_n:inc%s", w), fmt.Sprintf("ecom:rate_k:inc%s", w), fmt.Sprintf("ecom:rate_n:base%s", w), fmt.Sprintf("ecom:rate_k:base%s", w)
		p := fmt.Sprintf("ecom:rate:pooled%s", w)
		out = append(
			out,
			Rule{Record: fmt.Sprintf("ecom:rate:now%s", w), Expr: fmt.Sprintf("%s / (%s > 0)", k, n)},
			Rule{Record: fmt.Sprintf("ecom:rate:base%s", w), Expr: fmt.Sprintf("%s / (%s > 0)", k0, n0)},
			Rule{Record: p, Expr: fmt.Sprintf("(%s + %s) / ((%s + %s) > 0)", k, k0, n, n0)},
			Rule{Record: fmt.Sprintf("ecom:rate:z%s", w), Expr: proportions(fmt.Sprintf("ecom:rate:base%[1]s - ecom:rate:now%[1]s", w), p, n, n0)},
		)
	}
	for _, w := range growing {
		out = append(
			out,
			Rule{Record: expected(w), Expr: fmt.Sprintf(`ecom:count:mean%[1]s{count="orders_paid",dimension=""} * ecom:count:trend{count="orders_paid"} or ecom:count:median%[1]s{count="gmv_paid"} * ecom:count:trend{count="gmv_paid"}`, w)},
			// Now against the mean of four slots.
			Rule{Record: fmt.Sprintf("ecom:count:z%s", w), Expr: poisson(expected(w)+paidOrders, fmt.Sprintf("ecom:count:inc%s%s", w, paidOrders), overdispersion)},
		)
	}
	out = append(
		out,
		Rule{Record: "ecom:sessions:z15m", Expr: poisson("ecom:sessions:median15m", "ecom:sessions:inc15m", countOverdispersion)},
		Rule{Record: usualPerMinute, Expr: usualSilence()},
	)
	for _, w := range paymentWindows {
		n, f := fmt.Sprintf("ecom:payments:inc%s", w), fmt.Sprintf("ecom:payment_failures:inc%s", w)
		pooled := fmt.Sprintf("((%s + ecom:payment_failures:base30m) / (%s + ecom:payments:base30m))", f, n)
		out = append(
			out,
			Rule{Record: fmt.Sprintf("ecom:payments:share%s", w), Expr: fmt.Sprintf("%s / (%s > 0)", f, n)},
			// Above zero is a rise.
			Rule{Record: fmt.Sprintf("ecom:payments:z%s", w), Expr: proportions(fmt.Sprintf("%s / (%s > 0) - %s", f, n, usualFailures), pooled, n, "ecom:payments:base30m")},
		)
	}
	return append(out, Rule{Record: trackingShare, Expr: untracked()})
}

// expected is how many paid orders, and how much GMV, a window should have.
func expected(w window) string { return "ecom:count:expected" + string(w) }

const (
	paidOrders = `{count="orders_paid",dimension=""}`
	// usualPerMinute is the usual number of paid orders a minute around this hour
	// of the week.
	usualPerMinute = "ecom:orders_paid:usual_per_minute"
	usualFailures  = "(ecom:payment_failures:base30m / (ecom:payments:base30m > 0))"
	trackingShare  = "ecom:tracking:share"
)

// paymentWindows: half an hour where five minutes have no sample.
var paymentWindows = [...]window{"5m", halfHour}

// proportions is the z of two shares that differ, with the pooled share.
func proportions(difference, pooled, n, n0 string) string {
	return fmt.Sprintf("(%[1]s) / (%[2]g * sqrt(%[3]s * (1 - %[3]s) * (1 / (%[4]s > 0) + 1 / (%[5]s > 0))) > 0)", difference, overdispersion, pooled, n, n0)
}

// poisson is the z of a count that should be mu, known from four slots.
func poisson(mu, k string, dispersion float64) string {
	return fmt.Sprintf("(%[1]s - %[2]s) / (%[3]g * sqrt(%[1]s * 1.25) > 0)", mu, k, dispersion)
}

// usualSilence takes the smaller of what is usual in half an hour and in two: a
// night must not be judged by the morning that follows it.
func usualSilence() string {
	half := fmt.Sprintf("(ecom:count:mean30m%s / 30)", paidOrders)
	two := fmt.Sprintf("(ecom:count:mean2h%s / 120)", paidOrders)
	return fmt.Sprintf("%[1]s < %[2]s or %[2]s or %[1]s", half, two)
}

// untracked is the share of the usual client events of a platform that sells as
// usual and hardly reports, all of them or of a type. A quarter of an hour tells,
// or half an hour where that has no sample: it must be known before A-TRF-01 has
// held, which would take it for a fall of visitors.
func untracked() string {
	var names []string
	for _, k := range eventTypes {
		names = append(names, schemas.KindNames[k])
	}
	of := func(what string, w window, count string) string {
		return fmt.Sprintf(`ecom:count:%s%s{count%s,dimension="platform"}`, what, w, count)
	}
	fallen := func(count string) string {
		var parts []string
		for _, w := range []window{quarter, halfHour} {
			parts = append(parts, fmt.Sprintf("(%[1]s / (%[2]s >= 100) < 0.3 and on (tenant, slice) (%[3]s >= 0.7 * %[4]s and %[4]s >= 20))",
				of("inc", w, count), of("median", w, count), of("inc", w, `="orders_placed"`), of("median", w, `="orders_placed"`)))
		}
		return strings.Join(parts, " or ")
	}
	return fallen(`="events"`) + " or " + fallen(`=~"`+strings.Join(names, "|")+`"`)
}
