package imports

import (
	"regexp"
	"strings"
	"time"
)

// reserved are written by the importer itself.
var reserved = []string{"id", "source", "type", "time", "partitionkey"}

func (c *compiler) fields(t tree) []field {
	var list []field
	for _, e := range c.entries(t) {
		for _, r := range reserved {
			if e.key == r {
				c.fail(e.value, "is written by the importer from source and the event's id, key, type and time")
			}
		}
		if hasField(list, e.key) {
			c.fail(e.value, "field stands twice")
		}
		f := field{name: e.key}
		if e.key == "items" && isMapping(e.value) {
			f.items = c.fields(e.value)
			if len(f.items) == 0 {
				c.fail(e.value, "name at least one field of an item")
			}
		} else {
			f.value = c.value(e.value)
		}
		list = append(list, f)
	}
	return list
}

// value compiles {column|const|template|sum|event_time, …} or the short form $column.
func (c *compiler) value(t tree) *value {
	v := &value{column: -1, decimals: 2}
	if !isMapping(t) {
		s := c.text(t)
		if name, ok := strings.CutPrefix(s, "$"); ok && name != "" {
			v.column = c.slot(name)
		} else {
			c.fail(t, "must be $column or a mapping with column, const, template, sum or event_time (got %q)", s)
		}
		return v
	}
	k := c.known(t, "column", "const", "template", "sum", "event_time", "as", "map", "default", "scale", "decimals", "absolute")
	n := 0
	if e := k["column"]; !e.absent() {
		n++
		v.column = c.slot(c.text(e))
	}
	if e := k["const"]; !e.absent() {
		n++
		v.parts = []part{{text: c.text(e), column: -1}}
	}
	if e := k["template"]; !e.absent() {
		n++
		v.parts = c.parts(e)
	}
	if e := k["sum"]; !e.absent() {
		n++
		v.as = asMoney
		for _, column := range c.texts(e) {
			v.sum = append(v.sum, c.slot(column))
		}
		if len(v.sum) == 0 || len(v.sum) > 4 {
			c.fail(e, "needs one to four columns: their products are added over the rows")
		}
	}
	if e := k["event_time"]; !e.absent() {
		n++
		after := c.duration(e)
		v.after = &after
	}
	if n != 1 {
		c.fail(t, "needs exactly one of column, const, template, sum, event_time (got %d)", n)
	}
	c.options(v, k)
	return v
}

func (c *compiler) options(v *value, k map[string]tree) {
	if e := k["as"]; !e.absent() {
		i := indexOf(asNames, c.text(e))
		if i < 0 {
			c.fail(e, "must be one of %s (got %q)", strings.Join(asNames, ", "), c.text(e))
		}
		v.as = as(max(i, 0))
	}
	if e := k["map"]; !e.absent() {
		v.table = map[string]string{}
		for _, x := range c.entries(e) {
			v.table[x.key] = c.text(x.value)
		}
	}
	if e := k["default"]; !e.absent() {
		v.fallback = c.parts(e)
	}
	if e := k["scale"]; !e.absent() {
		r, ok := parseDecimal(c.text(e))
		if !ok || r.m <= 0 {
			c.fail(e, "must be a positive decimal like 0.01 (got %q)", c.text(e))
		}
		v.scale = &r
	}
	v.decimals = c.integer(k["decimals"], 0, 6, 2)
	v.absolute = c.bool(k["absolute"])
	if (v.scale != nil || v.absolute) && v.as != asMoney && v.as != asNumber {
		c.fail(k["as"], "scale and absolute need as: money or as: number")
	}
}

// parts splits "rees-{user_session}-{line}" into texts and columns.
func (c *compiler) parts(t tree) []part {
	s := c.text(t)
	var list []part
	for s != "" {
		open := strings.IndexByte(s, '{')
		if open < 0 {
			return append(list, part{text: s, column: -1})
		}
		end := strings.IndexByte(s[open:], '}')
		if end < 0 {
			c.fail(t, "a { without }")
			return list
		}
		if open > 0 {
			list = append(list, part{text: s[:open], column: -1})
		}
		switch name := s[open+1 : open+end]; name {
		case "":
			c.fail(t, "{} names no column")
		case "line":
			list = append(list, part{column: lineNumber})
		default:
			list = append(list, part{column: c.slot(name)})
		}
		s = s[open+end+1:]
	}
	if list == nil {
		list = []part{}
	}
	return list
}

// conditions compiles {column: value | [values] | {prefix, matches, …}}.
func (c *compiler) conditions(t tree) []condition {
	var list []condition
	for _, e := range c.entries(t) {
		x := condition{column: c.slot(e.key)}
		switch {
		case isList(e.value):
			x.in = c.texts(e.value)
		case isMapping(e.value):
			c.test(&x, e.value)
		default:
			x.in = []string{c.text(e.value)}
		}
		list = append(list, x)
	}
	return list
}

func (c *compiler) test(x *condition, t tree) {
	k := c.known(t, "in", "not_in", "matches", "empty", "min", "max")
	x.in, x.notIn = c.texts(k["in"]), c.texts(k["not_in"])
	if e := k["matches"]; !e.absent() {
		re, err := regexp.Compile(c.text(e))
		if err != nil {
			c.fail(e, "is no regular expression: %v", err)
		}
		x.matches = re
	}
	if e := k["empty"]; !e.absent() {
		empty := c.bool(e)
		x.empty = &empty
	}
	for name, to := range map[string]**decimal{"min": &x.min, "max": &x.max} {
		if e := k[name]; !e.absent() {
			r, ok := parseDecimal(c.text(e))
			if !ok {
				c.fail(e, "must be a number (got %q)", c.text(e))
			}
			*to = &r
		}
	}
}

func (c *compiler) timeRule(t tree) timeRule {
	k := c.known(t, "column", "columns", "formats", "zone")
	r := timeRule{zone: c.zone}
	for _, column := range append(c.texts(k["columns"]), single(c.text(k["column"]))...) {
		r.column = append(r.column, c.slot(column))
	}
	if len(r.column) == 0 {
		c.fail(named(k["column"], t, "column"), "is missing")
	}
	if name := c.text(k["zone"]); name != "" {
		zone, err := time.LoadLocation(name)
		if err != nil {
			c.fail(k["zone"], "no time zone %q", name)
			zone = time.UTC
		}
		r.zone = zone
	}
	r.layouts = c.texts(k["formats"])
	if len(r.layouts) == 0 {
		c.fail(named(k["formats"], t, "formats"), `is missing; list rfc3339, unix_seconds, unix_millis or layouts by example, as in "2006-01-02 15:04:05"`)
	}
	for _, l := range r.layouts {
		if l != "rfc3339" && l != "unix_seconds" && l != "unix_millis" && !strings.Contains(l, "06") {
			c.fail(k["formats"], "layout %q does not show how 2006-01-02 15:04:05 would be written", l)
		}
	}
	return r
}

func single(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func indexOf(list []string, s string) int {
	for i, x := range list {
		if x == s {
			return i
		}
	}
	return -1
}
