package dashboards

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/schemas/catalogue"
)

// byDay groups by the shop's business day. Whose day has begun before midnight
// UTC finds it at the hour that runs.
const byDay = "least(toDateTime(business_date, 'UTC'), toStartOfHour(now(), 'UTC')) AS day"

// daily says whether it shows business days. They lie at midnight UTC, whose
// local time may be on the day before.
func (p panel) daily() bool {
	return slices.ContainsFunc(p.targets, func(t target) bool { return strings.Contains(t.sql, byDay) })
}

// history asks the views of the catalogue: metrics that share one, by columns of
// it ("" for one row), and more for the end of the query.
func history(by string, names []string, more string) string {
	m := definition(names[0])
	var keys, columns []string
	if by != "" {
		keys = append(keys, by)
	}
	for _, name := range names {
		if strings.HasPrefix(definition(name).Unit, "minor units") {
			keys = append(keys, "currency")
			break
		}
	}
	columns = append(columns, keys...)
	for _, name := range names {
		d := definition(name)
		if d.ViewName() != m.ViewName() {
			panic(fmt.Sprintf("BUG: %s and %s read different views", m.Name, name))
		}
		value := d.Value
		if strings.HasPrefix(d.Unit, "minor units") {
			value = major("(" + value + ")")
		}
		columns = append(columns, value+" AS "+name)
	}
	for i, k := range keys {
		_, alias, named := strings.Cut(k, " AS ")
		if named {
			keys[i] = alias
		}
	}
	return from(m, strings.Join(columns, ", "), strings.Join(keys, ", "), more)
}

// from reads columns of a metric's view in the time range, as the variables choose:
// by day those that begin in it.
func from(m *catalogue.Metric, columns, by, more string) string {
	var chosen []string
	for _, d := range m.Dimensions {
		if d == "platform" || d == "channel" {
			chosen = append(chosen, d)
		}
	}
	shop := sqlFilter(chosen...)
	if strings.HasPrefix(m.ID, "PLT-") && m.Name != "tracking_completeness" { // of the ledger, which knows no shops
		shop = "tenant = ''"
	}
	// A day is in with all its hours or not at all: cut off it would look low.
	moment := "time"
	if strings.Contains(columns, byDay) {
		moment = "day"
	}
	// The tables are parted by business date: a day more on each side holds the
	// hours of the range in every time zone.
	q := fmt.Sprintf("SELECT %s FROM %s WHERE $__timeFilter(%s) AND business_date BETWEEN toDate($__fromTime, 'UTC') - 1 AND toDate($__toTime, 'UTC') + 1 AND %s", columns, m.ViewName(), moment, shop)
	if by != "" {
		q += " GROUP BY " + by
	}
	if more != "" {
		q += " " + more
	}
	return q
}

// definition is a metric of the catalogue, by its name.
func definition(name string) *catalogue.Metric {
	found := catalogue.Find(name)
	if len(found) != 1 {
		panic("BUG: no metric " + name)
	}
	return found[0]
}

// share is a ratio that is null, a gap, where there is nothing to divide by.
func share(part, whole string) string { return fmt.Sprintf("%s / nullIf(%s, 0)", part, whole) }

// major gives an amount in units of its currency. Amounts of different
// currencies are never added: group by currency.
func major(minor string) string {
	var names, exponents []string
	for i, name := range schemas.CurrencyNames() {
		if e := schemas.CurrencyExponent(uint8(i)); i > 0 && e != usualExponent {
			names, exponents = append(names, "'"+name+"'"), append(exponents, strconv.Itoa(int(e)))
		}
	}
	return fmt.Sprintf("%s / exp10(transform(toString(currency), [%s], [%s], %d))", minor, strings.Join(names, ", "), strings.Join(exponents, ", "), usualExponent)
}

// majorNow gives amounts of series with the label currency in units of it; %s in
// the query takes a matcher more.
func majorNow(query string) string {
	others := map[uint8][]string{}
	var all []string
	for i, name := range schemas.CurrencyNames() {
		if e := schemas.CurrencyExponent(uint8(i)); i > 0 && e != usualExponent {
			others[e], all = append(others[e], name), append(all, name)
		}
	}
	out := fmt.Sprintf("%s / %g", fmt.Sprintf(query, `,currency!~"`+strings.Join(all, "|")+`"`), math.Pow10(usualExponent))
	for _, e := range slices.Sorted(maps.Keys(others)) {
		out += fmt.Sprintf(" or %s / %g", fmt.Sprintf(query, `,currency=~"`+strings.Join(others[e], "|")+`"`), math.Pow10(int(e)))
	}
	return out
}

// usualExponent: most currencies have hundredths.
const usualExponent = 2
