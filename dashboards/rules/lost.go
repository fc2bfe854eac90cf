package rules

import (
	"fmt"
	"strings"

	"github.com/storepulse/storepulse/schemas"
)

const (
	lostOrders = "ecom:lost:orders_per_hour"
	lostMoney  = "ecom:lost:money_per_hour"
	orderValue = "ecom:order_value:mean"
)

var hours = map[window]float64{"5m": 1. / 12, quarter: .25, halfHour: .5, twoHours: 2, day: 24}

// lost records what a difference from the past costs, in orders and money an
// hour, under the labels of what differs and of the window. They are estimates:
// as if what is missing had gone on as it used to.
func lost() []Rule {
	var out []Rule
	orders := func(of string, w window, expr string) {
		out = append(out, Rule{Record: lostOrders, Labels: map[string]string{"of": of, "window": string(w)}, Expr: fmt.Sprintf("clamp_min((%s) / %.6g, 0)", expr, hours[w])})
	}
	var steps []string
	for s := firstStage; s < lastStage; s++ {
		steps = append(steps, step(s))
	}
	for _, w := range growing {
		missing := func(sel string) string {
			return fmt.Sprintf("(ecom:rate:base%[1]s%[2]s - ecom:rate:now%[1]s%[2]s) * ecom:rate_n:inc%[1]s%[2]s", w, sel)
		}
		orders("rate", w, missing(`{rate=~"cvr|cart_to_pay"}`))
		// Of those who are lost at a step, as many would have paid as usual of those
		// who get beyond it.
		sel := fmt.Sprintf(`{rate=~%q}`, strings.Join(steps, "|"))
		orders("step", w, fmt.Sprintf(`%s / (ecom:rate_k:base%s%s > 0) * on (tenant) group_left () ecom:rate_k:base%s{rate="cvr",dimension=""}`, missing(sel), w, sel, w))
		orders("orders", w, fmt.Sprintf("%s%s - ecom:count:inc%s%s", expected(w), paidOrders, w, paidOrders))
	}
	for _, w := range paymentWindows {
		n, f := fmt.Sprintf("ecom:payments:inc%s", w), fmt.Sprintf("ecom:payment_failures:inc%s", w)
		orders("payments", w, fmt.Sprintf("%s - %s * %s", f, usualFailures, n))
	}
	orders("silence", "5m", usualPerMinute+" * 5")
	orders("no_success", halfHour, "(ecom:payments:base30m - ecom:payment_errors:base30m) / 7")
	orders("sessions", quarter, `(ecom:sessions:median15m - ecom:sessions:inc15m) * on (tenant) group_left () ecom:rate:base30m{rate="cvr",dimension=""}`)
	value := func(w window) string {
		// Amounts are in the shop's own currency; orders in others have none here.
		own := fmt.Sprintf(`(sum by (tenant) (ecom:count:inc%[1]s%[2]s) - on (tenant) (sum by (tenant) (ecom:count:inc%[1]s{count="orders_paid_foreign"})) > 0)`, w, paidOrders)
		return "sum by (tenant, currency) (" + money(fmt.Sprintf("ecom:count:inc%s", w), `count="gmv_paid"`) + ") / on (tenant) group_left () " + own
	}
	out = append(
		out,
		Rule{Record: orderValue, Expr: fmt.Sprintf("topk by (tenant) (1, %s or %s)", value(day), value(halfHour))},
		Rule{Record: lostMoney, Expr: fmt.Sprintf(`%s{of!="orders"} * on (tenant) group_left (currency) %s`, lostOrders, orderValue)},
	)
	for _, w := range growing {
		// What is missing of GMV is known, whatever the value of an order.
		out = append(out, Rule{
			Record: lostMoney, Labels: map[string]string{"of": "orders", "window": string(w)},
			Expr: fmt.Sprintf("clamp_min((%s - %s) / %g, 0)", money(expected(w), `count="gmv_paid"`), money(fmt.Sprintf("ecom:count:inc%s", w), `count="gmv_paid"`), hours[w]),
		})
	}
	return out
}

// money is an amount in units of its currency, of a record in minor units.
func money(record, matchers string) string {
	const usual = 2 // digits of most currencies
	odd := map[uint8][]string{}
	var all []string
	for i, name := range schemas.CurrencyNames() {
		if e := schemas.CurrencyExponent(uint8(i)); i > 0 && e != usual {
			odd[e], all = append(odd[e], name), append(all, name)
		}
	}
	parts := []string{fmt.Sprintf("%s{%s,currency!~%q} / 100", record, matchers, strings.Join(all, "|"))}
	unit := 1
	for e := range uint8(5) {
		if list := odd[e]; len(list) > 0 {
			parts = append(parts, fmt.Sprintf("%s{%s,currency=~%q} / %d", record, matchers, strings.Join(list, "|"), unit))
		}
		unit *= 10
	}
	return "(" + strings.Join(parts, " or ") + ")"
}
