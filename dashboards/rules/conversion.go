package rules

import (
	"cmp"

	"github.com/storepulse/storepulse/schemas"
)

// conversion: A-CVR-01 to 04.
func conversion(o Options) []Rule {
	var out []Rule
	add := func(a alert, hold string) {
		a.severity, a.family, a.dashboard = cmp.Or(a.severity, "warning"), "business", "storepulse-d04"
		// The larger windows have their patience built in.
		a.hold = map[window]string{halfHour: hold, twoHours: "20m", day: "0s"}[a.window]
		out = append(out, a.rule(o))
	}
	for _, w := range growing {
		a := alert{
			id: "A-CVR-01", name: "ConversionDropOverall", severity: "critical", scope: "overall", window: w,
			expr:        overallGate.grown(w, overallGate.unlikely(w, 3), overallGate.below(w, 0.2)),
			summary:     "Conversion of sessions is down by a fifth or more",
			description: "Of the sessions of the last " + string(w) + " fewer paid than in the same window of the last weeks, by more than chance.",
		}
		a.numbersOfRate("cvr")
		add(a, "10m")
	}
	for s := firstStage; s < lastStage; s++ {
		for _, w := range growing {
			g := stepGate(s)
			a := alert{
				id: "A-CVR-02", name: "ConversionDropStage", scope: "stage", window: w,
				expr: g.grown(w, g.unlikely(w, 3.5), g.below(w, 0.2)), labels: map[string]string{"step": step(s)},
				summary:     "Fewer sessions go from " + schemas.StageNames[s] + " to " + schemas.StageNames[s+1],
				description: "The step is down by a fifth or more against the same window of the last weeks; the step says where to look.",
			}
			if s+1 == lastStage {
				a.severity = "critical"
			}
			a.numbersOfRate(step(s))
			add(a, "10m")
		}
	}
	for _, w := range growing {
		a := alert{
			id: "A-CVR-03", name: "ConversionDropSlice", scope: "slice", window: w,
			// z of 4 stands for the control of many slices at once.
			expr:        sliceGate.grown(w, sliceGate.unlikely(w, 4), sliceGate.below(w, 0.3)),
			summary:     "Conversion is down by 30 % or more where {{ $labels.dimension }} is {{ $labels.slice }}",
			description: "One slice converts less than in the same window of the last weeks, by more than chance.",
		}
		a.numbersOfRate("cvr")
		add(a, "15m")
	}
	for _, w := range growing {
		a := alert{
			id: "A-CVR-04", name: "CartToPayLossSpike", scope: "stage", window: w,
			expr:        cartGate.grown(w, cartGate.by(w, 0.05), cartGate.unlikely(w, 3)),
			summary:     "More sessions with a cart leave without paying",
			description: "The loss between cart and payment is 5 points or more above the same window of the last weeks.",
		}
		a.numbersOfRate("cart_to_pay")
		add(a, "20m")
	}
	return out
}
