package rules

import (
	"fmt"
	"strings"

	"github.com/storepulse/storepulse/schemas"
)

// gate is the sample a comparison needs in a window: below it nothing is said,
// and the window grows.
type gate struct {
	rate, dimension string // dimension "*": every slice
	match           string // further matchers
	sessions        int    // at least, n
	expected        int    // at least, of n times the baseline's share
	share           float64
}

func (g gate) selector() string {
	dimension := fmt.Sprintf("dimension=%q", g.dimension)
	if g.dimension == "*" {
		dimension = `dimension!=""`
	}
	return "{" + strings.TrimSuffix(strings.Join([]string{fmt.Sprintf("rate=%q", g.rate), dimension, g.match}, ","), ",") + "}"
}

// holds is true where the window has the sample.
func (g gate) holds(w window) string {
	n, sel := fmt.Sprintf("ecom:rate_n:inc%s", w), g.selector()
	parts := []string{fmt.Sprintf("%s%s >= %d", n, sel, g.sessions)}
	if g.expected > 0 {
		parts = append(parts, fmt.Sprintf("%s%s * ecom:rate:base%s%s >= %d", n, sel, w, sel, g.expected))
	} else {
		parts = append(parts, fmt.Sprintf("ecom:rate:base%s%s >= 0", w, sel))
	}
	if g.share > 0 {
		parts = append(parts, fmt.Sprintf(`%s%s >= on (tenant) group_left () (%g * %s{rate="cvr",dimension=""})`, n, sel, g.share, n))
	}
	return strings.Join(parts, " and ")
}

// grown joins the conditions: a window counts where no smaller one has a sample.
func (g gate) grown(w window, condition string) string {
	expr := "(" + condition + ") and (" + g.holds(w) + ")"
	for _, smaller := range growing {
		if smaller == w {
			break
		}
		expr += " unless (" + g.holds(smaller) + ")"
	}
	return expr
}

// below says that the share is down by the relative part.
func (g gate) below(w window, relative float64) string {
	sel := g.selector()
	return fmt.Sprintf("ecom:rate:now%[1]s%[2]s <= (ecom:rate:base%[1]s%[2]s * on (tenant) group_left () clamp_min(1 - %[3]g * ecom:promo:factor, 0))", w, sel, relative)
}

// unlikely says that the drop is none of chance.
func (g gate) unlikely(w window, z float64) string {
	return fmt.Sprintf("ecom:rate:z%s%s >= on (tenant) group_left () (%g * ecom:promo:factor)", w, g.selector(), z)
}

var (
	overallGate = gate{rate: "cvr", sessions: 500, expected: 20}
	sliceGate   = gate{rate: "cvr", dimension: "*", sessions: 300, expected: 20, share: 0.02}
	cartGate    = gate{rate: "cart_to_pay", sessions: 300}
)

func stepGate(s schemas.Stage) gate { return gate{rate: step(s), sessions: 300, expected: 20} }

// conversion: A-CVR-01 to 04.
func conversion(o Options) []Rule {
	var out []Rule
	holds := map[window]string{halfHour: "10m", twoHours: "20m", day: "0s"}
	for _, w := range growing {
		a := alert{
			id: "A-CVR-01", name: "ConversionDropOverall", severity: "critical", family: "business", scope: "overall", hold: holds[w], window: string(w),
			expr: overallGate.grown(w, overallGate.unlikely(w, 3)+" and "+overallGate.below(w, 0.2)), dashboard: "storepulse-d04",
			summary:     "Conversion of sessions is down by a fifth or more",
			description: "Of the sessions of the last " + string(w) + " fewer paid than in the same window of the last weeks, by more than chance.",
		}
		a.numbersOfRate(w, "cvr")
		a.moneyOfRate()
		out = append(out, a.rule(o))
	}
	for s := firstStage; s < lastStage; s++ {
		severity := "warning"
		if s+1 == lastStage {
			severity = "critical"
		}
		for _, w := range growing {
			g := stepGate(s)
			a := alert{
				id: "A-CVR-02", name: "ConversionDropStage", severity: severity, family: "business", scope: "stage", hold: holds[w], window: string(w),
				expr: g.grown(w, g.unlikely(w, 3.5)+" and "+g.below(w, 0.2)), dashboard: "storepulse-d04", labels: map[string]string{"step": step(s)},
				summary:     "Fewer sessions go from " + schemas.StageNames[s] + " to " + schemas.StageNames[s+1],
				description: "The step is down by a fifth or more against the same window of the last weeks; the step says where to look.",
			}
			a.numbersOfRate(w, step(s))
			out = append(out, a.rule(o))
		}
	}
	for _, w := range growing {
		a := alert{
			id: "A-CVR-03", name: "ConversionDropSlice", severity: "warning", family: "business", scope: "slice", hold: map[window]string{halfHour: "15m", twoHours: "20m", day: "0s"}[w], window: string(w),
			// z of 4 stands for the control of many slices at once.
			expr: sliceGate.grown(w, sliceGate.unlikely(w, 4)+" and "+sliceGate.below(w, 0.3)), dashboard: "storepulse-d04",
			summary:     "Conversion is down by 30 % or more where {{ $labels.dimension }} is {{ $labels.slice }}",
			description: "One slice converts less than in the same window of the last weeks, by more than chance.",
		}
		a.numbersOfRate(w, "cvr")
		a.moneyOfRate()
		out = append(out, a.rule(o))
	}
	for _, w := range growing {
		sel := cartGate.selector()
		a := alert{
			id: "A-CVR-04", name: "CartToPayLossSpike", severity: "warning", family: "business", scope: "stage", hold: map[window]string{halfHour: "20m", twoHours: "20m", day: "0s"}[w], window: string(w),
			expr: cartGate.grown(w, fmt.Sprintf("ecom:rate:base%[1]s%[2]s - ecom:rate:now%[1]s%[2]s >= on (tenant) group_left () (0.05 * ecom:promo:factor) and ", w, sel)+cartGate.unlikely(w, 3)), dashboard: "storepulse-d04",
			summary:     "More sessions with a cart leave without paying",
			description: "The loss between cart and payment is 5 points or more above the same window of the last weeks.",
		}
		a.numbersOfRate(w, "cart_to_pay")
		out = append(out, a.rule(o))
	}
	return out
}

// insufficient records which alert cannot be judged for want of a sample, or of
// weeks to compare with: visible, and not green.
func insufficient() []Rule {
	var out []Rule
	add := func(id string, g gate, labels map[string]string) {
		var any []string
		for _, w := range growing {
			any = append(any, "("+g.holds(w)+")")
		}
		all := map[string]string{"alert_id": id}
		for k, v := range labels {
			all[k] = v
		}
		out = append(out, Rule{
			Record: "ecom:insufficient_data", Labels: all,
			Expr: fmt.Sprintf("(ecom:rate_n:inc30m%s * 0 + 1) unless (%s)", g.selector(), strings.Join(any, " or ")),
		})
	}
	add("A-CVR-01", overallGate, nil)
	for s := firstStage; s < lastStage; s++ {
		add("A-CVR-02", stepGate(s), map[string]string{"step": step(s)})
	}
	add("A-CVR-04", cartGate, nil)
	for i, g := range bounceGates {
		add("A-BNC-01", g, map[string]string{"pages": [...]string{"landing", "checkout"}[i]})
	}
	flag := func(id, having, enough string) {
		out = append(out, Rule{Record: "ecom:insufficient_data", Labels: map[string]string{"alert_id": id}, Expr: fmt.Sprintf("(%s * 0 + 1) unless on (tenant) (%s)", having, enough)})
	}
	flag("A-ORD-01", `ecom:count:inc30m{count="orders_paid"}`, fmt.Sprintf("%s >= %g", paidPerMinute, leastPaidPerMinute))
	flag("A-GMV-01", `ecom:count:inc30m{count="orders_paid"}`, `ecom:count:mean1d{count="orders_paid"} >= 30`)
	flag("A-TRF-01", "ecom:sessions:inc15m", "ecom:sessions:median15m >= 200")
	flag("A-TRK-01", `sum by (tenant) (ecom:count:inc30m{count="events",dimension="platform"})`, `max by (tenant) (ecom:count:median30m{count="events",dimension="platform"}) >= 100`)
	flag("A-PAY-01", "sum by (tenant) (ecom:payments:inc30m)", "max by (tenant) (ecom:payments:inc30m) >= 50")
	return out
}
