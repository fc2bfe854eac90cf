package rules

import (
	"fmt"
	"maps"
	"strings"
)

const insufficientData = "ecom:insufficient_data"

// insufficient records which alert cannot be judged for want of a sample, or of
// weeks to compare with: visible, and not green. Each flag is made of what its
// alert demands, so that the two cannot part.
func insufficient() []Rule {
	var out []Rule
	flag := func(id, having, judged string, labels map[string]string) {
		all := map[string]string{"alert_id": id}
		maps.Copy(all, labels)
		out = append(out, Rule{Record: insufficientData, Labels: all, Expr: fmt.Sprintf("(%s) * 0 + 1 unless (%s)", having, judged)})
	}
	gated := func(id string, g gate, labels map[string]string) {
		var judged []string
		for _, w := range g.over() {
			judged = append(judged, "("+g.holds(w, 1)+")")
		}
		having := "ecom:rate_n:inc30m" + g.selector()
		if g.share > 0 { // the others are not watched
			having = g.counts(halfHour)
		}
		flag(id, having, strings.Join(judged, " or "), labels)
	}
	gated("A-CVR-01", overallGate, nil)
	for s := firstStage; s < lastStage; s++ {
		gated("A-CVR-02", stepGate(s), map[string]string{"step": step(s)})
	}
	gated("A-CVR-03", sliceGate, nil)
	gated("A-CVR-04", cartGate, nil)
	for i, g := range bounceGates {
		gated("A-BNC-01", g, map[string]string{"pages": [...]string{"landing", "checkout"}[i]})
	}
	gated("A-TRK-01", attributedGate, map[string]string{"reason": "attribution"})

	shop := func(series string) string { return "group by (tenant) (" + series + ")" }
	flag("A-ORD-01", shop("ecom:count:inc30m"+paidOrders), shop(usualPerMinute+" >= "+fmt.Sprint(leastPaidPerMinute)), nil)
	var windows []string
	for _, w := range growing {
		windows = append(windows, expected(w)+paidOrders+fmt.Sprintf(" >= %d", leastOrders))
	}
	flag("A-GMV-01", shop("ecom:count:inc30m"+paidOrders), shop(strings.Join(windows, " or ")), nil)
	flag("A-TRF-01", shop("ecom:sessions:inc15m"), shop(fmt.Sprintf("ecom:sessions:median15m >= %d", leastVisits)), nil)
	crowd := `{count="sessions"}`
	flag("A-TRF-02", shop("ecom:count:inc30m"+crowd), shop(fmt.Sprintf("ecom:count:inc30m%[1]s >= %[2]d and ecom:count:median30m%[1]s > 0", crowd, leastCrowd)), nil)
	platform := func(what, count string) string {
		return fmt.Sprintf(`ecom:count:%s30m{count=%q,dimension="platform"}`, what, count)
	}
	flag("A-TRK-01", "group by (tenant, slice) ("+platform("inc", "events")+" > 0 or "+platform("inc", "orders_placed")+" > 0)",
		fmt.Sprintf("group by (tenant, slice) (%s >= 100 and on (tenant, slice) %s >= 20)", platform("median", "events"), platform("median", "orders_placed")),
		map[string]string{"reason": "events", "dimension": "platform"})
	// Of a method with fewer attempts it is still seen when none succeeds.
	flag("A-PAY-01", "group by (tenant, slice) (ecom:payments:inc30m > 0)",
		fmt.Sprintf("group by (tenant, slice) (ecom:payments:inc30m >= %d and ecom:payments:base30m > 0 or %s)", leastAttempts, successesUsual),
		map[string]string{"dimension": "payment_method"})
	return out
}
