package rules

import (
	"fmt"
	"strings"
)

// weeks is a union of a vector over a window one to four weeks ago, with the
// label week. Weeks that nobody saw are absent, and so are those of strange.
// by is tenant where the vector has it.
func weeks(vector string, w window, by string) string {
	var parts []string
	for n := 1; n <= 4; n++ {
		parts = append(parts, fmt.Sprintf(`label_replace(%s offset %[2]dw, "week", "%[2]d", "", "")`, vector, n))
	}
	by = strings.TrimPrefix(by+", week", ", ")
	return fmt.Sprintf("(%s) unless on (%s) max by (%s) (%s%s)", strings.Join(parts, " or "), by, by, strangeWeeks, w)
}

const strangeWeeks = "ecom:promo:weeks"

// strange records the weeks whose window touched a promotion: what a shop does
// then says nothing of a usual week. If promotions of those kinds run now as
// well, as on the member day of every week, they are what to compare with.
func strange() (out []Rule) {
	for _, w := range growing {
		var parts []string
		for n := 1; n <= 4; n++ {
			parts = append(parts, fmt.Sprintf(`label_replace(group by (tenant) (max_over_time(%[1]s[%[2]s] offset %[3]dw) unless max_over_time(%[1]s[%[2]s])), "week", "%[3]d", "", "")`, promotions, w, n))
		}
		out = append(out, Rule{Record: strangeWeeks + string(w), Expr: strings.Join(parts, " or ")})
	}
	return out
}

// baselines records the same windows of the four weeks before: same weekday,
// same time of day.
func baselines() []Rule {
	out := strange()
	for _, w := range growing {
		for _, s := range []string{"ecom:rate_n", "ecom:rate_k"} {
			out = append(out, Rule{Record: fmt.Sprintf("%s:base%s", s, w), Expr: "sum without (week) (" + weeks(fmt.Sprintf("%s:inc%s", s, w), w, "tenant") + ")"})
		}
		past := weeks(fmt.Sprintf("ecom:count:inc%s", w), w, "tenant")
		out = append(
			out,
			Rule{Record: fmt.Sprintf("ecom:count:mean%s", w), Expr: "avg without (week) (" + past + ")"},
			Rule{Record: fmt.Sprintf("ecom:count:median%s", w), Expr: "quantile without (week) (0.5, " + past + ")"},
		)
	}
	out = append(
		out,
		Rule{Record: "ecom:sessions:median15m", Expr: "quantile without (week) (0.5, " + weeks("ecom:sessions:inc15m", halfHour, "tenant") + ")"},
		Rule{Record: "ecom:count:median15m", Expr: "quantile without (week) (0.5, " + weeks("ecom:count:inc15m", halfHour, "tenant") + ")"},
		// How the last week compares with the four before it: a shop that grows
		// must not hide a drop, nor one that shrinks cry wolf.
		Rule{
			Record: "ecom:count:trend",
			Expr:   `clamp(avg_over_time(ecom:count:inc1d{dimension=""}[7d:1d]) / (avg_over_time(ecom:count:inc1d{dimension=""}[28d:1d] offset 1w) > 0), 0.5, 2)`,
		},
	)
	for _, s := range []string{"ecom:payments", "ecom:payment_failures", "ecom:payment_errors"} {
		var days []string
		for d := 1; d <= 7; d++ {
			days = append(days, fmt.Sprintf(`label_replace(%[1]s:inc30m offset %[2]dd, "day", "%[2]d", "", "")`, s, d))
		}
		out = append(out, Rule{Record: s + ":base30m", Expr: "sum without (day) (" + strings.Join(days, " or ") + ")"})
	}
	return out
}

// overdispersion is how much more shops vary than dice do: the standard
// deviation of z scores in quiet weeks.
const (
	overdispersion      = 1.5 // of shares
	countOverdispersion = 2.0 // of numbers of sessions
)

// statistics records shares, and how unlikely the difference from the
// baseline is: one-sided z of two proportions with the pooled share, divided by
// the over-dispersion; above zero is a drop.
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
			Rule{
				Record: fmt.Sprintf("ecom:rate:z%s", w),
				Expr: fmt.Sprintf("(ecom:rate:base%[1]s - ecom:rate:now%[1]s) / (%[2]g * sqrt(%[3]s * (1 - %[3]s) * (1 / (%[4]s > 0) + 1 / (%[5]s > 0))) > 0)",
					w, overdispersion, p, n, n0),
			},
		)
	}
	return append(
		out,
		Rule{Record: "ecom:tracking:share", Expr: untracked("15m") + " or " + untracked("30m")},
		Rule{
			Record: "ecom:cvr:lost_orders_per_hour", Expr: `clamp_min((ecom:rate:base30m{rate="cvr"} - ecom:rate:now30m{rate="cvr"}) * ecom:rate_n:inc30m{rate="cvr"} * 2, 0)`,
		},
		Rule{
			Record: "ecom:order_value:mean", Expr: `sum by (tenant, currency) (ecom:count:inc1d{count="gmv_paid"}) / on (tenant) group_left () (sum by (tenant) (ecom:count:inc1d{count="orders_paid",dimension=""}) > 0)`,
		},
	)
}
