package dashboards

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/storepulse/storepulse/schemas"
)

// sessions reads the current rows of sessions of customers in the time range.
func sessions(columns, more string) string {
	return fmt.Sprintf("SELECT %s FROM fact_sessions FINAL WHERE is_deleted = 0 AND NOT is_bot AND %s AND $__timeFilter(start_time) AND %s %s",
		columns, real, sqlFilter("platform", "channel"), more)
}

// placed reads the orders of customers that were created in the time range,
// paid those that were paid in it.
func placed(columns, more string) string {
	return fmt.Sprintf("SELECT %s FROM orders WHERE %s AND $__timeFilter(created_at) AND %s %s", columns, real, sqlFilter("platform"), more)
}

func paid(columns, more string) string {
	return fmt.Sprintf("SELECT %s FROM orders WHERE %s AND $__timeFilter(paid_at) AND %s %s", columns, real, sqlFilter("platform"), more)
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

// usualExponent: most currencies have hundredths.
const usualExponent = 2
