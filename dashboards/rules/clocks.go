package rules

import (
	"fmt"
	"strings"
)

// ShopClocks is the record of by how much the clock of a shop is ahead of UTC, by
// tenant, in seconds: baselines ask for it weeks later.
const ShopClocks = "ecom:clock:offset"

// clocksMoved is by how much a shop's clock was further ahead so many weeks or
// days ago, where it was. Where nobody knows, it was not.
const clocksMoved = "ecom:clock:moved"

// back is a time in the past that windows are compared with.
type back struct {
	unit  string // label and, by its first letter, unit of PromQL
	hours int
	most  int
}

var (
	inWeeks = back{"week", 7 * 24, 4}
	inDays  = back{"day", 24, 7}
)

// union is a vector at each of the times, with the label of it. Customers get up by
// the clock of the shop: where that was moved by an hour since, the hour before or
// after is the same one. Moved by anything else, it is none.
// The vector has %s where its offset belongs.
func (b back) union(vector string) string {
	var parts []string
	for n := 1; n <= b.most; n++ {
		at := func(offset string) string { return fmt.Sprintf(vector, "offset "+offset) }
		moved := fmt.Sprintf(`%s{%s="%d"}`, clocksMoved, b.unit, n)
		parts = append(parts, fmt.Sprintf(`label_replace(%s unless on (tenant) %s or %s and on (tenant) %s == 3600 or %s and on (tenant) %s == -3600, "%s", "%d", "", "")`,
			at(fmt.Sprintf("%d%c", n, b.unit[0])), moved, at(fmt.Sprintf("%dh", n*b.hours+1)), moved, at(fmt.Sprintf("%dh", n*b.hours-1)), moved, b.unit, n))
	}
	return strings.Join(parts, " or ")
}

// clocks records what was moved since.
func clocks() Rule {
	var parts []string
	for _, b := range []back{inWeeks, inDays} {
		for n := 1; n <= b.most; n++ {
			parts = append(parts, fmt.Sprintf(`label_replace(%[1]s offset %[2]d%[3]c - %[1]s != 0, "%[4]s", "%[2]d", "", "")`, ShopClocks, n, b.unit[0], b.unit))
		}
	}
	return Rule{Record: clocksMoved, Expr: strings.Join(parts, " or ")}
}
