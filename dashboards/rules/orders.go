package rules

import "fmt"

const (
	// leastPaidPerMinute: A-ORD-01 does not watch a smaller shop, and A-CVR-01
	// over a day does.
	leastPaidPerMinute = 0.05
	// silence is how many expected orders must fail to come before it is no
	// chance. e^-9.2 is one in ten thousand, of which a shop with an order a minute
	// has one a week, and what is usual is known from four slots only. With 16,
	// simulated shops of 3 to 120 orders an hour were paged wrongly twice in 216
	// weeks; with 12, ten times.
	silence = 16
	// leastOrders is the sample of A-GMV-01, in a window.
	leastOrders = 30
	// leastAttempts is the sample of A-PAY-01, in 5 minutes or else in 30.
	leastAttempts = 50
	// successesUsual: so many must be usual in half an hour before none is remarkable.
	successesUsual = "(ecom:payments:base30m - ecom:payment_errors:base30m) / 7 >= 10"
)

// orders: A-ORD-01, A-GMV-01, A-PAY-01.
func orders(o Options) []Rule {
	a := alert{
		id: "A-ORD-01", name: "NoPaidOrders", severity: "critical", family: "business", scope: "overall", hold: "0s", dashboard: "storepulse-d02",
		// By what is complete, not by the clock: while the pipeline stands, nobody
		// knows whether orders are paid. What a worker shows goes and comes back with
		// its lanes, hence the hour.
		expr: fmt.Sprintf("(scalar(min(%s)) - max by (tenant) (max_over_time(ecom_last_paid_order_timestamp_seconds[1h]) > 0)) >= on (tenant) group_left () clamp_min(%d * 60 / (%s >= %g), 300)",
			knownComplete, silence, usualPerMinute, leastPaidPerMinute),
		summary:     "No order has been paid for {{ $value | humanizeDuration }}",
		description: "So long a silence is no chance at this hour of the week.",
		current:     "0 orders in {{ $value | humanizeDuration }}",
		base:        ask(usualPerMinute, `printf "%.2f"`, nil, "tenant") + " orders a minute",
		sample:      ask(usualPerMinute, `printf "%.2f"`, nil, "tenant") + " orders a minute are usual, from four weeks",
		z:           fmt.Sprintf("%d orders or more are missing; by chance e^-%[1]d", silence),
	}
	a.costs("silence", "5m")
	out := []Rule{a.rule(o)}
	holds := map[window]string{halfHour: "15m", twoHours: "20m", day: "0s"}
	for _, w := range growing {
		mu, money := expected(w)+paidOrders, expected(w)+`{count="gmv_paid"}`
		down := fmt.Sprintf(`ecom:count:inc%s{count="gmv_paid"} <= 0.7 * %s`, w, money)
		few := fmt.Sprintf("ecom:count:z%s%s >= 3", w, paidOrders)
		sample := fmt.Sprintf("%s >= %d", mu, leastOrders)
		for _, smaller := range growing {
			if smaller == w {
				break
			}
			sample += fmt.Sprintf(" unless %s%s >= %g", expected(smaller), paidOrders, leastOrders*enough)
		}
		for _, both := range []bool{true, false} {
			a := alert{
				id: "A-GMV-01", name: "GmvDropWoW", severity: "critical", family: "business", scope: "overall", hold: holds[w], window: w, dashboard: "storepulse-d01",
				summary:     "Paid GMV is down by 30 % or more, and orders with it",
				description: "Against the same window of the last four weeks, scaled by how the last week compares with them.",
				current:     "{{ $value | humanize }} minor units of {{ $labels.currency }}",
				base:        ask(expected(w), "humanize", map[string]string{"count": "gmv_paid"}, "tenant", "currency") + " minor units",
				sample:      ask(fmt.Sprintf("ecom:count:inc%s", w), number, map[string]string{"count": "orders_paid", "dimension": ""}, "tenant") + " orders, usually " + ask(expected(w), number, map[string]string{"count": "orders_paid"}, "tenant"),
				z:           ask(fmt.Sprintf("ecom:count:z%s", w), score, map[string]string{"count": "orders_paid"}, "tenant"),
			}
			a.costs("orders", w)
			join := "and on (tenant)"
			if !both {
				a.severity, join = "warning", "unless on (tenant)"
				a.summary = "Paid GMV is down by 30 % or more, orders are not: they are smaller"
			}
			// No comparison of money while a promotion runs: the other day had none.
			a.expr = fmt.Sprintf("(%s) %s (%s) and on (tenant) (%s) unless on (tenant) (ecom:promo:factor > 1)", down, join, few, sample)
			out = append(out, a.rule(o))
		}
	}
	return append(out, paymentAlerts(o)...)
}

// paymentAlerts: over 5 minutes, or over half an hour where those have no sample.
func paymentAlerts(o Options) []Rule {
	var out []Rule
	method := alert{
		id: "A-PAY-01", name: "PaymentFailureSpike", severity: "critical", family: "business", scope: "slice", hold: "5m", dashboard: "storepulse-d02",
	}
	for _, w := range paymentWindows {
		n, share := fmt.Sprintf("ecom:payments:inc%s", w), fmt.Sprintf("ecom:payments:share%s", w)
		sample := fmt.Sprintf("%s >= %d", n, leastAttempts)
		if w != paymentWindows[0] {
			sample += fmt.Sprintf(" unless ecom:payments:inc%s >= %g", paymentWindows[0], leastAttempts*enough)
		}
		a := method
		a.window, a.labels = w, map[string]string{"dimension": "payment_method", "reason": "failures"}
		a.expr = fmt.Sprintf("%[1]s >= 0.1 and %[1]s >= 2 * %[2]s and ecom:payments:z%[3]s >= 3 and %[4]s", share, usualFailures, w, sample)
		a.summary = "Payments fail with {{ $labels.slice }}: {{ $value | humanizePercentage }} of the attempts"
		a.description = "Technical failures, without buyers who gave up, in the last " + string(w) + ", against the same hours of the last seven days."
		a.current = "{{ $value | humanizePercentage }}"
		a.base = ask("ecom:payment_failures:base30m", number, nil, "tenant", "slice") + " of " + ask("ecom:payments:base30m", number, nil, "tenant", "slice") + " in seven days"
		a.sample = ask(n, number, nil, "tenant", "slice") + " attempts"
		a.z = ask(fmt.Sprintf("ecom:payments:z%s", w), score, nil, "tenant", "slice")
		a.costs("payments", w)
		out = append(out, a.rule(o))
	}
	// A payment that was begun a moment ago has neither failed nor succeeded: one
	// in fifty may be such.
	a := method
	a.window, a.labels = halfHour, map[string]string{"dimension": "payment_method", "reason": "no_success"}
	a.expr = "ecom:payments:inc30m - ecom:payment_errors:inc30m < clamp_min(0.02 * ecom:payments:inc30m, 1) and " + successesUsual
	a.summary = "No payment with {{ $labels.slice }} has succeeded for half an hour"
	a.description = "Every attempt failed, or nobody could try, where ten or more successes are usual."
	a.current, a.base = "0 successes", ask("ecom:payments:base30m", number, nil, "tenant", "slice")+" attempts in these half hours of seven days"
	a.sample, a.z = ask("ecom:payments:inc30m", number, nil, "tenant", "slice")+" attempts", "ten or more successes are missing; by chance e^-10"
	a.costs("no_success", halfHour)
	return append(out, a.rule(o))
}
