package imports

import (
	"fmt"
	"strings"
)

// maxGroupedRows bounds the rows held while groups are open.
const maxGroupedRows = 2_000_000

// groups collects the rows that share the key columns.
type groups struct {
	rule  *grouping
	open  map[string]*openGroup
	order []*openGroup // by first row
	held  int
	last  string
}

type openGroup struct {
	key  string
	rows []row
}

func newGroups(rule *grouping) *groups {
	return &groups{rule: rule, open: map[string]*openGroup{}}
}

// add takes a row and gives the group that it completes, if any: with scope
// consecutive, the one before a change of key.
func (g *groups) add(in *row) ([]row, error) {
	var key strings.Builder
	for _, c := range g.rule.columns {
		key.WriteString(in.values[c])
		key.WriteByte(0)
	}
	k := key.String()
	var done []row
	if !g.rule.wide && k != g.last && len(g.order) > 0 {
		done = g.order[0].rows
		g.clear()
	}
	g.last = k
	o := g.open[k]
	if o == nil {
		o = &openGroup{key: k}
		g.open[k] = o
		g.order = append(g.order, o)
	}
	switch {
	case len(o.rows) >= g.rule.maxRows:
		return done, fmt.Errorf("a group of more than %d rows: raise group_by.max_rows", g.rule.maxRows)
	case g.held >= maxGroupedRows:
		return done, fmt.Errorf("more than %d rows in open groups: sort the file by the key and use scope: consecutive", maxGroupedRows)
	}
	o.rows = append(o.rows, row{line: in.line, values: append([]string(nil), in.values...)})
	g.held++
	return done, nil
}

func (g *groups) clear() {
	clear(g.open)
	g.order, g.held = g.order[:0], 0
}

// rest gives the groups that are still open, by their first row.
func (g *groups) rest() [][]row {
	var list [][]row
	for _, o := range g.order {
		list = append(list, o.rows)
	}
	g.clear()
	return list
}
