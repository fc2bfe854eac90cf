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
	windows         []window // nil: growing
}

var (
	overallGate = gate{rate: "cvr", sessions: 500, expected: 20}
	sliceGate   = gate{rate: "cvr", dimension: "*", sessions: 300, expected: 20, share: 0.02}
	cartGate    = gate{rate: "cart_to_pay", sessions: 300}
	// Pages on which hardly anybody lands need fewer to be judged.
	bounceGates = [...]gate{
		{rate: "bounce", dimension: "landing_page_type", match: `slice!~"cart|checkout|payment"`, sessions: 300, windows: []window{halfHour}},
		{rate: "bounce", dimension: "landing_page_type", match: `slice=~"cart|checkout|payment"`, sessions: 100, windows: []window{halfHour}},
	}
	attributedGate = gate{rate: "attributed", sessions: 20, windows: []window{halfHour}}
)

func stepGate(s schemas.Stage) gate { return gate{rate: step(s), sessions: 300, expected: 20} }

func (g gate) over() []window {
	if g.windows != nil {
		return g.windows
	}
	return growing[:]
}

func (g gate) selector() string {
	dimension := fmt.Sprintf("dimension=%q", g.dimension)
	if g.dimension == "*" {
		dimension = `dimension!=""`
	}
	return "{" + strings.TrimSuffix(strings.Join([]string{fmt.Sprintf("rate=%q", g.rate), dimension, g.match}, ","), ",") + "}"
}

// holds is true where the window has so many times the sample.
func (g gate) holds(w window, times float64) string {
	n, sel := fmt.Sprintf("ecom:rate_n:inc%s", w), g.selector()
	parts := []string{fmt.Sprintf("%s%s >= %g", n, sel, float64(g.sessions)*times)}
	if g.expected > 0 {
		parts = append(parts, fmt.Sprintf("%s%s * ecom:rate:base%s%s >= %g", n, sel, w, sel, float64(g.expected)*times))
	} else {
		parts = append(parts, fmt.Sprintf("ecom:rate:base%s%s >= 0", w, sel))
	}
	if g.share > 0 {
		parts = append(parts, g.counts(w))
	}
	return strings.Join(parts, " and ")
}

// counts is true where the slice is large enough a part of its shop.
func (g gate) counts(w window) string {
	n := fmt.Sprintf("ecom:rate_n:inc%s", w)
	return fmt.Sprintf(`%s%s >= on (tenant) group_left () (%g * %s{rate="cvr",dimension=""})`, n, g.selector(), g.share, n)
}

// enough is how many times its sample a window has before larger ones are left
// out. At the limit both are judged, so that a shop that comes and goes around it
// does not begin to wait anew each minute.
const enough = 1.25

// grown joins the conditions: a window counts where no smaller one has enough.
func (g gate) grown(w window, conditions ...string) string {
	expr := "(" + strings.Join(conditions, " and ") + ") and (" + g.holds(w, 1) + ")"
	for _, smaller := range g.over() {
		if smaller == w {
			break
		}
		expr += " unless (" + g.holds(smaller, enough) + ")"
	}
	return expr
}

// below says that the share is down by the relative part; in a promotion by half
// as much again.
func (g gate) below(w window, relative float64) string {
	sel := g.selector()
	return fmt.Sprintf("ecom:rate:now%[1]s%[2]s <= (ecom:rate:base%[1]s%[2]s * on (tenant) group_left () clamp_min(1 - %[3]g * ecom:promo:factor, 0))", w, sel, relative)
}

// by says that the share differs by so many points: down, or up if they are
// below zero.
func (g gate) by(w window, points float64) string {
	sel, op := g.selector(), ">="
	if points < 0 {
		op = "<="
	}
	return fmt.Sprintf("ecom:rate:base%[1]s%[2]s - ecom:rate:now%[1]s%[2]s %[3]s on (tenant) group_left () (%[4]g * ecom:promo:factor)", w, sel, op, points)
}

// unlikely says that the drop, or below zero the rise, is none of chance.
func (g gate) unlikely(w window, z float64) string {
	op := ">="
	if z < 0 {
		op = "<="
	}
	return fmt.Sprintf("ecom:rate:z%s%s %s on (tenant) group_left () (%g * ecom:promo:factor)", w, g.selector(), op, z)
}
