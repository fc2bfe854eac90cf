package rules

import (
	"fmt"
	"strings"
)

// weeks is a union of a vector over a window one to four weeks ago, with the
// label week. Weeks that nobody saw are absent, and so are those of strange.
// by is tenant where the vector has it.
func weeks(vector string, w window, by string) string {
	by = strings.TrimPrefix(by+", week", ", ")
	return fmt.Sprintf("(%s) unless on (%s) max by (%s) (%s%s)", inWeeks.union(vector+" %s"), by, by, strangeWeeks, w)
}

const strangeWeeks = "ecom:promo:weeks"

// strange records the weeks whose window touched a promotion: what a shop does
// then says nothing of a usual week. If promotions of those kinds run now as
// well, as on the member day of every week, they are what to compare with.
func strange() (out []Rule) {
	for _, w := range growing {
		ran := fmt.Sprintf("max_over_time(%s[%s]", promotions, w)
		out = append(out, Rule{Record: strangeWeeks + string(w), Expr: fmt.Sprintf("group by (tenant, week) ((%s) unless on (tenant, kind) %s))", inWeeks.union(ran+" %s)"), ran)})
	}
	return out
}

// baselines records the same windows of the four weeks before: same weekday,
// same time of day by the clock of the shop.
func baselines() []Rule {
	out := append([]Rule{clocks()}, strange()...)
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
		out = append(out, Rule{Record: s + ":base30m", Expr: "sum without (day) (" + inDays.union(s+":inc30m %s") + ")"})
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
