package rules

import (
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/storepulse/storepulse/schemas"
)

// matcher is a condition on a label of a counter, as PromQL writes it.
type matcher struct{ label, op, value string }

func (m matcher) holds(value string) bool {
	switch m.op {
	case "=":
		return value == m.value
	case "!=":
		return value != m.value
	}
	hit := regexp.MustCompile("^(?:" + m.value + ")$").MatchString(value)
	return hit == (m.op == "=~")
}

// counter is some of the series of a counter.
type counter struct {
	name  string
	where []matcher
}

func (c counter) String() string {
	if len(c.where) == 0 {
		return c.name
	}
	var parts []string
	for _, m := range c.where {
		parts = append(parts, fmt.Sprintf("%s%s%q", m.label, m.op, m.value))
	}
	return c.name + "{" + strings.Join(parts, ",") + "}"
}

// growth is by how much a counter grows, by tenant and by a label if there is
// one. The label becomes slice, a currency excepted.
type growth struct {
	counter
	label string
	// devices adds platforms up to device classes, from the series that are
	// recorded under this name by platform already.
	devices string
}

// as is the name under which the label is recorded.
func (g growth) as() string {
	if g.label == "" || g.label == "currency" {
		return g.label
	}
	return "slice"
}

// over is the growth in the window that ends now.
func (g growth) over(w window) string {
	switch {
	case g.devices != "":
		return byDevice(fmt.Sprintf("%s:inc%s", g.devices, w))
	case g.label == "":
		return fmt.Sprintf("sum by (tenant) (increase(%s[%s]))", g.counter, w)
	}
	by := fmt.Sprintf("sum by (tenant, %s) (increase(%s[%s]))", g.label, g.counter, w)
	if g.as() != "slice" {
		return by
	}
	return slice(by, g.label)
}

func slice(vector, label string) string {
	return fmt.Sprintf(`sum by (tenant, slice) (label_replace(%s, "slice", "$1", "%s", "(.*)"))`, vector, label)
}

// byDevice adds platforms up: device_class follows from platform.
func byDevice(record string) string {
	expr := record + `{rate="cvr",dimension="platform"}`
	groups := map[schemas.DeviceClass][]string{}
	for p, name := range schemas.PlatformNames {
		d := schemas.Platform(p).Device()
		groups[d] = append(groups[d], name)
	}
	for d, name := range schemas.DeviceClassNames {
		if platforms := groups[schemas.DeviceClass(d)]; len(platforms) > 0 {
			expr = fmt.Sprintf(`label_replace(%s, "device_class", "%s", "slice", "%s")`, expr, name, strings.Join(platforms, "|"))
		}
	}
	return slice(fmt.Sprintf("sum by (tenant, device_class) (%s)", expr), "device_class")
}

// windowed is a growth that is recorded over a window, in a rule of its own.
type windowed struct {
	name   string // the window is added: ecom:rate_n becomes ecom:rate_n:inc30m
	over   window
	labels map[string]string
	growth growth
	past   []window // those that are compared with weeks before
}

func (w windowed) rule() Rule {
	return Rule{Record: fmt.Sprintf("%s:inc%s", w.name, w.over), Expr: w.growth.over(w.over), Labels: maps.Clone(w.labels)}
}
