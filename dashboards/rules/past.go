package rules

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// Past is a growth that baselines read weeks after it was recorded: what the
// rules would have recorded can be computed from the facts.
type Past struct {
	Counter string // whose facts
	Windows []Window
	labels  map[string]string
	growth  growth
}

// Window is one of the windows over which it is recorded.
type Window struct {
	Record string
	Length time.Duration
	// Step is above zero where the window ends at the last whole step, as the
	// subquery that records a day does.
	Step time.Duration
}

// OpenSessions is the recorded number of open sessions, which baselines read too.
const OpenSessions = openSessions

// RunningPromotions is the record of promotions that run, 1 by tenant and kind:
// baselines leave out the weeks of promotions.
const RunningPromotions = promotions

// past is the window as the rules record it.
func (w window) past(name string) Window {
	p := Window{Record: fmt.Sprintf("%s:inc%s", name, w)}
	switch w {
	case quarter:
		p.Length = 15 * time.Minute
	case halfHour:
		p.Length = 30 * time.Minute
	case twoHours:
		p.Length = 2 * time.Hour
	case day:
		p.Length, p.Step = 24*time.Hour, 30*time.Minute
	default:
		panic("BUG: no baseline reads windows of " + string(w))
	}
	return p
}

// Pasts lists all that baselines read, from the definitions that the rules are
// made of.
func Pasts() []Past {
	var out []Past
	for _, w := range recorded() {
		if len(w.past) == 0 {
			continue
		}
		p := Past{Counter: w.growth.name, labels: w.labels, growth: w.growth}
		for _, over := range w.past {
			p.Windows = append(p.Windows, over.past(w.name))
		}
		out = append(out, p)
	}
	return out
}

// Slice says to which slice a series of the counter belongs, "" where there is
// only one, and whether it counts at all.
func (p Past) Slice(label func(name string) string) (slice string, ok bool) {
	for _, m := range p.growth.where {
		if !m.holds(label(m.label)) {
			return "", false
		}
	}
	if p.growth.label == "" {
		return "", true
	}
	return p.fold(label(p.growth.label)), true
}

// Slices lists those that the register's series have: a counter begins at zero,
// so all of them are recorded.
func (p Past) Slices(r *schemas.Register) []string {
	if p.growth.label == "" {
		return []string{""}
	}
	var out []string
	for _, m := range r.Metrics {
		for _, l := range m.Labels {
			if m.Name != p.Counter || l.Name != p.growth.label {
				continue
			}
			for _, v := range l.Values {
				if s := p.fold(v); !slices.Contains(out, s) {
					out = append(out, s)
				}
			}
		}
	}
	return out
}

func (p Past) fold(value string) string {
	if p.growth.devices == "" {
		return value
	}
	return schemas.DeviceClassNames[schemas.Platform(max(0, slices.Index(schemas.PlatformNames, value))).Device()]
}

// Labels are those of the recorded series of a slice, empty ones left out.
func (p Past) Labels(slice string) map[string]string {
	out := maps.Clone(p.labels)
	if out == nil {
		out = map[string]string{}
	}
	out[p.growth.as()] = slice
	maps.DeleteFunc(out, func(k, v string) bool { return k == "" || v == "" })
	return out
}
