package rules

import "fmt"

const (
	// paidPerMinute is the usual number of paid orders a minute in this hour of
	// the week.
	paidPerMinute      = `(ecom:count:median30m{count="orders_paid",dimension=""} / 30)`
	leastPaidPerMinute = 0.05
	// silence is how many expected orders must fail to come before it is no
	// chance: e^-9.2 is one in ten thousand.
	silence = 9.2
)

// orders: A-ORD-01, A-GMV-01, A-PAY-01.
func orders(o Options) []Rule {
	out := []Rule{alert{
		id: "A-ORD-01", name: "NoPaidOrders", severity: "critical", family: "business", scope: "overall", hold: "0s", dashboard: "storepulse-d02",
		expr:        fmt.Sprintf("(time() - max by (tenant) (ecom_last_paid_order_timestamp_seconds > 0)) >= on (tenant) group_left () clamp_min(%g * 60 / (%s >= %g), 300)", silence, paidPerMinute, leastPaidPerMinute),
		summary:     "No order has been paid for {{ $value | humanizeDuration }}",
		description: "So long a silence happens by chance once in ten thousand times at this hour.",
		current:     "0 orders in {{ $value | humanizeDuration }}",
		base:        ask("ecom:count:median30m", number, map[string]string{"count": "orders_paid", "dimension": ""}, "tenant") + " orders in 30 minutes",
	}.rule(o)}
	holds := map[window]string{halfHour: "15m", twoHours: "20m", day: "0s"}
	for _, w := range growing {
		mu := fmt.Sprintf(`(ecom:count:mean%s{count="orders_paid",dimension=""} * ecom:count:trend{count="orders_paid"})`, w)
		k := fmt.Sprintf(`ecom:count:inc%s{count="orders_paid",dimension=""}`, w)
		money := fmt.Sprintf(`ecom:count:inc%[1]s{count="gmv_paid"} <= 0.7 * ecom:count:median%[1]s{count="gmv_paid"} * ecom:count:trend{count="gmv_paid"}`, w)
		// Orders now against the mean of four slots, as counts that vary more than dice do.
		few := fmt.Sprintf("(%[1]s - %[2]s) / (%[3]g * sqrt(%[1]s * 1.25)) >= 3", mu, k, overdispersion)
		sample := fmt.Sprintf("%s >= 30", mu)
		for _, smaller := range growing {
			if smaller == w {
				break
			}
			sample += fmt.Sprintf(` unless ecom:count:mean%s{count="orders_paid",dimension=""} * ecom:count:trend{count="orders_paid"} >= 30`, smaller)
		}
		// No comparison of money while a promotion runs: the other day had none.
		usual := "unless on (tenant) (ecom:promo:factor > 1)"
		for _, both := range []bool{true, false} {
			a := alert{
				id: "A-GMV-01", name: "GmvDropWoW", severity: "critical", family: "business", scope: "overall", hold: holds[w], window: string(w), dashboard: "storepulse-d01",
				summary:     "Paid GMV is down by 30 % or more, and orders with it",
				description: "Against the same window of the last four weeks, scaled by how the last week compares with them. " + ask(fmt.Sprintf("ecom:count:inc%s", w), number, map[string]string{"count": "gmv_paid"}, "tenant", "currency") + " minor units now.",
				current:     "{{ $value | humanize }} minor units",
				base:        ask(fmt.Sprintf("ecom:count:median%s", w), number, map[string]string{"count": "gmv_paid"}, "tenant", "currency") + " minor units",
				sample:      ask(fmt.Sprintf("ecom:count:inc%s", w), number, map[string]string{"count": "orders_paid", "dimension": ""}, "tenant") + " orders",
			}
			join := "and on (tenant)"
			if !both {
				a.severity, join = "warning", "unless on (tenant)"
				a.summary = "Paid GMV is down by 30 % or more, orders are not: they are smaller"
			}
			a.expr = fmt.Sprintf("(%s) %s (%s) and on (tenant) (%s) %s", money, join, few, sample, usual)
			out = append(out, a.rule(o))
		}
	}
	return append(out, paymentAlerts(o)...)
}

// paymentAlerts: over 5 minutes, or over half an hour where those have no sample.
func paymentAlerts(o Options) []Rule {
	var out []Rule
	base := "(ecom:payment_failures:base30m / (ecom:payments:base30m > 0))"
	for _, over := range []string{"5m", "30m"} {
		n, f := "ecom:payments:inc"+over, "ecom:payment_failures:inc"+over
		share := fmt.Sprintf("(%s / (%s > 0))", f, n)
		pooled := fmt.Sprintf("((%s + ecom:payment_failures:base30m) / (%s + ecom:payments:base30m))", f, n)
		z := fmt.Sprintf("(%[1]s - %[2]s) / (%[3]g * sqrt(%[4]s * (1 - %[4]s) * (1 / %[5]s + 1 / ecom:payments:base30m)) > 0) >= 3", share, base, overdispersion, pooled, n)
		sample := n + " >= 50"
		if over != "5m" {
			sample += " unless ecom:payments:inc5m >= 50"
		}
		a := alert{
			id: "A-PAY-01", name: "PaymentFailureSpike", severity: "critical", family: "business", scope: "overall", hold: "5m", window: over, dashboard: "storepulse-d02",
			expr:        fmt.Sprintf("%s >= 0.1 and %s >= 2 * %s and %s and %s", share, share, base, z, sample),
			summary:     "Payments fail with {{ $labels.slice }}: {{ $value | humanizePercentage }} of the attempts",
			description: "Technical failures, without buyers who gave up, in the last " + over + ", against the same hours of the last seven days.",
			current:     "{{ $value | humanizePercentage }}",
			base:        ask("ecom:payment_failures:base30m", number, nil, "tenant", "slice") + " of " + ask("ecom:payments:base30m", number, nil, "tenant", "slice") + " in seven days",
			sample:      ask(n, number, nil, "tenant", "slice") + " attempts",
			labels:      map[string]string{"dimension": "payment_method", "reason": "failures"},
		}
		out = append(out, a.rule(o))
	}
	return append(out, alert{
		id: "A-PAY-01", name: "PaymentFailureSpike", severity: "critical", family: "business", scope: "overall", hold: "5m", window: "30m", dashboard: "storepulse-d02",
		expr:        "ecom:payment_errors:inc30m >= ecom:payments:inc30m and ecom:payments:inc30m >= 10 and ecom:payments:inc30m - ecom:payment_errors:inc30m <= 0 and (ecom:payments:base30m - ecom:payment_errors:base30m) / 7 >= 10",
		summary:     "No payment with {{ $labels.slice }} has succeeded for half an hour",
		description: "Every attempt failed, where ten or more successes are usual.",
		current:     "0 successes", base: ask("ecom:payments:base30m", number, nil, "tenant", "slice") + " attempts in these half hours of seven days",
		labels: map[string]string{"dimension": "payment_method", "reason": "no_success"},
	}.rule(o))
}
