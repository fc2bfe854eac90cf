package clickhouse

import (
	"errors"
	"strings"

	ddl "github.com/storepulse/storepulse/schemas/clickhouse"
)

// orderFeed is the SELECT of the view that feeds fact_orders, cut where a
// filter goes.
type orderFeed struct{ query, group string }

// feed takes the SELECT from the migrations, so that there is one text of it.
func (c *Client) feed() (orderFeed, error) {
	all, err := ddl.Load()
	if err != nil {
		return orderFeed{}, err
	}
	var f orderFeed
	for _, m := range all {
		for _, s := range m.Statements(ddl.Dialect{}) {
			query, ok := feedQuery(s)
			if !ok {
				continue
			}
			at := strings.LastIndex(query, "\nGROUP BY ")
			if at < 0 {
				return f, errors.New("BUG: the view of fact_orders has no GROUP BY")
			}
			f = orderFeed{query: query[:at], group: query[at+1:]} // the last definition holds
		}
	}
	if f.query == "" {
		return f, errors.New("BUG: no migration defines the view of fact_orders")
	}
	return f, nil
}

// feedQuery gives what a statement makes of the view: it creates it or changes it.
func feedQuery(statement string) (query string, ok bool) {
	for _, mark := range []string{" TO fact_orders AS\n", " MODIFY QUERY\n"} {
		head, query, ok := strings.Cut(statement, mark)
		if ok && strings.Contains(head, "fact_orders_feed") {
			return query, true
		}
	}
	return "", false
}

// Literal writes a string constant.
func Literal(s string) string {
	return "'" + strings.NewReplacer("\\", "\\\\", "'", "\\'").Replace(s) + "'"
}
