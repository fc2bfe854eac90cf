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
		Rule{Record: openSessions + ":median", Expr: "quantile without (week) (0.5, " + weeks(openSessions, halfHour, "") + ")"},
		Rule{Record: "ecom:count:trend", Expr: trend()},
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

// trend is how the last week compares with the four before it: a shop that grows
// must not hide a drop, nor one that shrinks cry wolf. Days that a promotion
// touched say nothing of that, on either side.
func trend() string {
	usual := fmt.Sprintf(`(ecom:count:inc1d{dimension=""} unless on (tenant) max by (tenant) (max_over_time(%s[1d])))`, promotions)
	return fmt.Sprintf("clamp(avg_over_time(%[1]s[7d:1d]) / (avg_over_time(%[1]s[28d:1d] offset 1w) > 0), 0.5, 2)", usual)
}
