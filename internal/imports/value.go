package imports

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// row is the values of the columns the mapping reads, with the line they stand in.
type row struct {
	line   int64
	values []string
}

// as is the JSON form of a value.
type as uint8

const (
	asText as = iota
	asNumber
	asMoney
	asInteger
	asBool
)

var asNames = []string{"text", "number", "money", "integer", "bool"}

const timeFormat = "2006-01-02T15:04:05.000Z"

const lineNumber = -2 // column of a part: the row's line number

// value says how a field is made of the rows of a group, or of one row.
type value struct {
	column   int // -1 = none
	parts    []part
	sum      []int          // product of these columns, added over the rows
	after    *time.Duration // the event's own time, so much later
	as       as
	table    map[string]string
	fallback []part // for an empty column or a word that table lacks; nil = the field is left out
	scale    *decimal
	decimals int
	absolute bool
}

type part struct {
	text   string
	column int // -1 = text, lineNumber, or a column
}

// text evaluates to the raw words; ok is false if the field is to be left out.
func (v *value) text(r *row) (string, bool) {
	s, ok := "", true
	switch {
	case v.column >= 0:
		s = r.values[v.column]
		ok = s != ""
	default:
		s = join(v.parts, r)
		ok = s != ""
	}
	if v.table != nil {
		s, ok = v.table[s]
	}
	if !ok && v.fallback != nil {
		s = join(v.fallback, r)
		ok = s != ""
	}
	return s, ok
}

func join(parts []part, r *row) string {
	if len(parts) == 1 && parts[0].column == -1 {
		return parts[0].text
	}
	var b strings.Builder
	for _, p := range parts {
		switch {
		case p.column == lineNumber:
			b.WriteString(strconv.FormatInt(r.line, 10))
		case p.column >= 0:
			b.WriteString(r.values[p.column])
		default:
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// append writes the value as JSON, false if the field is to be left out. rows
// is the group: all values but a sum are those of its first row. at is the
// event's time.
func (v *value) append(b []byte, rows []row, at time.Time) ([]byte, bool, error) {
	if v.after != nil {
		return append(at.Add(*v.after).AppendFormat(append(b, '"'), timeFormat), '"'), true, nil
	}
	if v.sum != nil {
		total, err := v.total(rows)
		if err != nil {
			return b, false, err
		}
		b, err = v.amount(b, total)
		return b, true, err
	}
	s, ok := v.text(&rows[0])
	if !ok {
		return b, false, nil
	}
	switch v.as {
	case asInteger:
		n, err := strconv.ParseInt(strings.TrimSuffix(s, ".0"), 10, 64)
		if err != nil {
			return b, false, fmt.Errorf("%q is not a whole number", clip(s))
		}
		return strconv.AppendInt(b, n, 10), true, nil
	case asBool:
		t, err := strconv.ParseBool(strings.ToLower(s))
		if err != nil {
			return b, false, fmt.Errorf("%q is neither true nor false", clip(s))
		}
		return strconv.AppendBool(b, t), true, nil
	case asMoney, asNumber:
		if v.scale == nil && !v.absolute && tidyDecimal(s, v.decimals) {
			return v.number(b, []byte(s)), true, nil
		}
		r, ok := parseDecimal(s)
		if !ok {
			return b, false, fmt.Errorf("%q is not a decimal number", clip(s))
		}
		b, err := v.amount(b, r)
		return b, true, err
	}
	if !utf8.ValidString(s) {
		return b, false, fmt.Errorf("%q is not UTF-8", clip(s))
	}
	return appendString(b, s), true, nil
}

// total adds the products over the rows.
func (v *value) total(rows []row) (decimal, error) {
	var sum decimal
	for i := range rows {
		product, ok := decimal{m: 1}, true
		for _, c := range v.sum {
			s := rows[i].values[c]
			d, isNumber := parseDecimal(s)
			if !isNumber {
				return sum, fmt.Errorf("%q is not a decimal number", clip(s))
			}
			if product, ok = product.mul(d); !ok {
				return sum, errDigits
			}
		}
		if sum, ok = sum.add(product); !ok {
			return sum, errDigits
		}
	}
	return sum, nil
}

var errDigits = errors.New("a number of more than 18 digits")

func (v *value) amount(b []byte, d decimal) ([]byte, error) {
	if v.absolute {
		d = d.abs()
	}
	ok := true
	if v.scale != nil {
		d, ok = d.mul(*v.scale)
	}
	text, fits := appendDecimal(nil, d, v.decimals)
	switch {
	case !ok || !fits:
		return b, errDigits
	case v.as == asMoney && d.m < 0:
		return b, fmt.Errorf("amount %s is negative", text)
	}
	return v.number(b, text), nil
}

// number writes money as a decimal string, which no reader can round.
func (v *value) number(b, digits []byte) []byte {
	if v.as == asMoney {
		b = append(b, '"')
		b = append(b, digits...)
		return append(b, '"')
	}
	return append(b, digits...)
}

// condition is one test of a column; all given parts must hold.
type condition struct {
	column    int
	in, notIn []string
	matches   *regexp.Regexp
	empty     *bool
	min, max  *decimal
}

func (c *condition) holds(r *row) bool {
	s := r.values[c.column]
	if c.in != nil && indexOf(c.in, s) < 0 || c.notIn != nil && indexOf(c.notIn, s) >= 0 {
		return false
	}
	if c.matches != nil && !c.matches.MatchString(s) || c.empty != nil && (s == "") != *c.empty {
		return false
	}
	if c.min == nil && c.max == nil {
		return true
	}
	n, ok := parseDecimal(s)
	return ok && (c.min == nil || n.compare(*c.min) >= 0) && (c.max == nil || n.compare(*c.max) <= 0)
}

func allHold(list []condition, r *row) bool {
	for i := range list {
		if !list[i].holds(r) {
			return false
		}
	}
	return true
}

// timeRule reads the time of a row.
type timeRule struct {
	column  []int // joined by one space
	layouts []string
	zone    *time.Location
}

func (t *timeRule) read(r *row) (time.Time, error) {
	s := r.values[t.column[0]]
	for _, c := range t.column[1:] {
		s += " " + r.values[c]
	}
	for _, l := range t.layouts {
		if at, ok := parseTime(s, l, t.zone); ok {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("time %q has none of the formats %s", clip(s), strings.Join(t.layouts, " | "))
}

func parseTime(s, layout string, zone *time.Location) (time.Time, bool) {
	switch layout {
	case "rfc3339":
		at, err := time.Parse(time.RFC3339Nano, s)
		return at, err == nil
	case "unix_seconds", "unix_millis":
		return parseUnix(s, layout == "unix_millis")
	}
	at, err := time.ParseInLocation(layout, s, zone)
	return at, err == nil
}

// parseUnix takes whole numbers and decimals of seconds or milliseconds.
func parseUnix(s string, millis bool) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n < 0 || n > 1e14 || len(fraction) > 9 || !allDigits(fraction) {
		return time.Time{}, false
	}
	if millis {
		return time.UnixMilli(n), true
	}
	nanos, _ := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	return time.Unix(n, nanos), n <= 1e11
}

// clip keeps messages short: the value comes from a file nobody has seen.
func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

// appendString writes valid UTF-8 as a JSON string.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		if c == '"' || c == '\\' {
			b = append(b, '\\', c)
		} else {
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		from = i + 1
	}
	return append(append(b, s[from:]...), '"')
}
