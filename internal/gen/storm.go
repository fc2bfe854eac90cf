package gen

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// Storm adds defects from From to To. Storms may overlap: their defects add up.
type Storm struct {
	From, To time.Duration // since Start
	Defects  Defects
}

// SetStorm adds defects to those of the settings from the next simulated
// moment on, until it is called again; the zero value ends the storm. A stream
// with the same calls between the same records is the same stream.
func (g *Generator) SetStorm(d Defects) {
	g.storm = d
	g.turn = g.now
	g.turnWeather()
}

// turnWeather works out the defects of now and when they change next.
func (g *Generator) turnWeather() {
	start := g.set.Start.UnixMilli()
	d := g.set.Defects.plus(g.storm)
	g.turn = 1<<62 - 1
	for _, s := range g.set.Storms {
		from, to := start+s.From.Milliseconds(), start+s.To.Milliseconds()
		switch {
		case g.now < from:
			g.turn = min(g.turn, from)
		case g.now < to:
			g.turn = min(g.turn, to)
			d = d.plus(s.Defects)
		}
	}
	g.defects = d
}

func (d Defects) plus(s Defects) Defects {
	a, b := d.shares(), s.shares()
	for i := range a {
		*a[i].value = min(*a[i].value+*b[i].value, 1)
	}
	return d
}

type share struct {
	name  string
	value *float64
}

// shares lists every field of d by its name for messages.
func (d *Defects) shares() []share {
	return []share{
		{"duplicate", &d.Duplicate},
		{"out_of_order", &d.OutOfOrder},
		{"late", &d.Late},
		{"too_late", &d.TooLate},
		{"future", &d.Future},
		{"skewed_apps", &d.SkewedApps},
		{"broken", &d.Broken},
		{"bots", &d.Bots},
		{"test", &d.Test},
		{"repeated", &d.Repeated},
		{"poison", &d.Poison},
		{"skewed", &d.Skewed},
		{"amended", &d.Amended},
	}
}

// validate names the shares that are none.
func (d Defects) validate(prefix string) error {
	var errs []error
	for _, s := range d.shares() {
		if !(*s.value >= 0 && *s.value <= 1) {
			errs = append(errs, fmt.Errorf("%s.%s: must be between 0 and 1 (got %g)", prefix, s.name, *s.value))
		}
	}
	return errors.Join(errs...)
}

// DuplicateStorm: two of five records come two to five times, seconds to days later.
func DuplicateStorm() Defects { return Defects{Repeated: 0.4} }

// LateStorm: two of five records come 10 minutes to 12 hours late, one in
// twenty over three days.
func LateStorm() Defects { return Defects{Late: 0.4, TooLate: 0.05} }

// PoisonStorm: every third record has a broken relative, and orders are
// amended before they are paid.
func PoisonStorm() Defects { return Defects{Poison: 0.35, Amended: 0.3} }

// SkewStorm: three of ten visits have a clock that is minutes to years wrong.
func SkewStorm() Defects { return Defects{Skewed: 0.3, Future: 0.01} }

// repeat delivers the record one to four times more: seconds later, hours later,
// when everything that surrounded it has long left the engine's memory, and days later.
func (g *Generator) repeat(slot int32) {
	for range 1 + g.rng.IntN(4) {
		second, r := g.copyOf(slot)
		r.fate = fateDuplicate
		switch g.rng.IntN(4) {
		case 0:
			r.arrives += g.between(50, 60_000)
		case 1:
			r.arrives += g.between(60_000, 2*3600_000)
		case 2:
			r.arrives += g.between(2*3600_000, 24*3600_000)
		default:
			r.arrives += g.between(24*3600_000, 144*3600_000)
		}
		r.stale = r.arrives-r.at > stale
		g.deliver(second)
	}
}

// stale is the age of a copy, in ms, at which no default horizon holds its original.
const stale = 4 * 3600_000

// skewClock gives a visit a wrong clock: a minute to three years ahead or
// behind. Every second one sends the pair of times that makes it harmless.
func (g *Generator) skewClock(v *visit) {
	v.skew = g.between(60_000, 3*365*24*3600_000)
	if g.rng.IntN(2) == 0 {
		v.skew = -v.skew
	}
	v.sendsTimes = g.rng.IntN(2) == 0
	v.wrongClock = true
}

// poison chooses a way to be wrong that fits the topic. What only the orders
// topic can have is preferred there, and what is large is rare.
func (g *Generator) poison(topic schemas.Topic) *breakage {
	special := topic == schemas.OrdersTopic && g.rng.IntN(2) == 0
	for {
		b := &poisons[g.rng.IntN(len(poisons))]
		if special == b.any || b.reason == schemas.ReasonTooLarge && g.rng.IntN(10) > 0 {
			continue
		}
		return b
	}
}

// Header is a header of a record.
type Header struct {
	Key   string
	Value []byte
}

// poisons are every way to be wrong: those of breakages, and those too rare or
// too large for everyday traffic.
var poisons = append(breakages[:len(breakages):len(breakages)], []breakage{
	{reason: schemas.ReasonTooLarge, any: true, damage: func(r *record) []byte { return set("note", `"`+strings.Repeat("x", 300<<10)+`"`)(r) }},
	{reason: schemas.ReasonBadValue, any: true, damage: set("specversion", `"0.3"`)},
	{reason: schemas.ReasonBadValue, any: true, damage: func(r *record) []byte { // given twice
		return append(append(r.value[:len(r.value)-1], `,"partitionkey":"x"`...), '}')
	}},
	{reason: schemas.ReasonBadValue, any: true, damage: set("extra_depth", strings.Repeat("[", 100)+strings.Repeat("]", 100))},
	{reason: schemas.ReasonBadJSON, any: true, damage: func(r *record) []byte { return replace(r.value, `"source":"`, "\"source\":\"\xff") }},
	{reason: schemas.ReasonUnsupportedMode, any: true, damage: func(r *record) []byte {
		r.headers = []Header{{"content-type", []byte("application/cloudevents+json; charset=UTF-8")}}
		return r.value
	}},
	{reason: schemas.ReasonUnsupportedMode, any: true, damage: func(r *record) []byte {
		r.headers = []Header{{"ce_specversion", []byte("1.0")}, {"ce_type", []byte("order.paid")}}
		return r.value
	}},
	{reason: schemas.ReasonBadMoney, topic: schemas.OrdersTopic, damage: set("freight_amount", `"-1.00"`)},
}...)
