// Package imports turns files of other systems into events: a YAML mapping
// says which rows become which events and where each field comes from. It also
// validates files of events. The caller of Open reads with Next and must Close;
// nothing runs in the background.
package imports

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// Mapping is a compiled mapping file. It is immutable and may be shared.
type Mapping struct {
	Format  string   // csv, tsv or jsonl
	Columns []string // names in order; empty = the first line has them
	Lazy    bool     // quotes inside unquoted fields are text
	Source  string   // written as source of every event: the identity of the file
	Sorted  bool     // events are sorted by time in memory before the first is given out
	Extra   []string // types the engine must be configured for (events.extra_types)

	shift   time.Duration
	rows    []condition // a row that fails one is skipped
	group   *grouping
	events  []template
	columns []string // every column the mapping reads; a row is their values
}

// template makes one event of a row or of a group.
type template struct {
	topic  schemas.Topic
	name   string
	when   []condition
	time   timeRule
	after  time.Duration
	id     *value // nil = line number and number of the template
	key    *value // nil = anonymous_id, else user_id, else order_id
	fields []field
}

// field is one JSON field. items has a list of fields instead of a value.
type field struct {
	name  string
	value *value
	items []field // of each element: one per row of the group
}

// grouping makes one event of several rows.
type grouping struct {
	columns []int
	wide    bool // rows of a group may stand anywhere in the file
	maxRows int
	cut     bool // items beyond the engine's limit are left out, sums keep them
}

// LoadMapping reads and checks a mapping file.
func LoadMapping(path string) (*Mapping, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read mapping: %w", err)
	}
	m, err := parseMapping(data)
	if err != nil {
		return nil, fmt.Errorf("mapping %s:\n%w", path, err)
	}
	return m, nil
}

// parseMapping checks a mapping; the error joins every fault, each with its line.
func parseMapping(data []byte) (*Mapping, error) {
	d, root, err := parseDocument(data)
	if err != nil {
		return nil, err
	}
	c := &compiler{document: d, m: &Mapping{}, slots: map[string]int{}}
	c.mapping(root)
	if len(d.errs) > 0 {
		return nil, errors.Join(d.errs...)
	}
	c.m.columns = c.names
	return c.m, nil
}

// compiler turns the tree into a mapping; slots numbers the columns it meets.
type compiler struct {
	*document
	m      *Mapping
	zone   *time.Location
	slots  map[string]int
	names  []string
	common []field
	time   timeRule
}

func (c *compiler) slot(column string) int {
	if i, ok := c.slots[column]; ok {
		return i
	}
	c.slots[column] = len(c.names)
	c.names = append(c.names, column)
	return len(c.names) - 1
}

func (c *compiler) mapping(root tree) {
	if root.absent() {
		c.fail(root, "the mapping is empty: it needs input, source, time and events")
		return
	}
	k := c.known(root, "input", "source", "zone", "time", "shift", "order", "extra_types", "rows", "group_by", "fields", "events")
	c.input(named(k["input"], root, "input"))
	if c.m.Source = c.text(k["source"]); c.m.Source == "" {
		c.fail(named(k["source"], root, "source"), "is missing; it is the identity of the file, for instance /import/shop-2024")
	}
	c.zone = time.UTC
	if name := c.text(k["zone"]); name != "" {
		zone, err := time.LoadLocation(name)
		if err != nil {
			c.fail(k["zone"], "no time zone %q: use a name like Asia/Shanghai", name)
		} else {
			c.zone = zone
		}
	}
	c.m.shift = c.duration(k["shift"])
	switch order := c.text(k["order"]); order {
	case "", "file":
	case "time":
		c.m.Sorted = true
	default:
		c.fail(k["order"], "must be file or time (got %q)", order)
	}
	c.m.Extra = c.texts(k["extra_types"])
	c.m.rows = c.conditions(k["rows"])
	c.groupBy(k["group_by"])
	if !k["time"].absent() {
		c.time = c.timeRule(k["time"])
	}
	c.common = c.fields(k["fields"])
	events := c.list(k["events"])
	if len(events) == 0 {
		c.fail(named(k["events"], root, "events"), "is missing or empty; list at least one event")
	}
	for _, e := range events {
		c.template(e)
	}
}

// named gives a missing key the place of its parent.
func named(t, parent tree, name string) tree {
	if t.node == nil {
		return tree{node: parent.node, path: parent.child(name, nil).path, missing: true}
	}
	return t
}

func (c *compiler) input(t tree) {
	k := c.known(t, "format", "header", "columns", "lazy_quotes")
	c.m.Format = c.text(k["format"])
	c.m.Columns = c.texts(k["columns"])
	c.m.Lazy = c.bool(k["lazy_quotes"])
	switch c.m.Format {
	case "csv", "tsv":
		if c.bool(k["header"]) == (len(c.m.Columns) > 0) {
			c.fail(t, "needs either header: true or columns: [names]")
		}
	case "jsonl":
		if len(c.m.Columns) > 0 || c.bool(k["header"]) {
			c.fail(t, "jsonl names its fields itself: leave header and columns out")
		}
	default:
		c.fail(named(k["format"], t, "format"), "must be csv, tsv or jsonl (got %q)", c.m.Format)
	}
}

func (c *compiler) groupBy(t tree) {
	if t.absent() {
		return
	}
	k := c.known(t, "columns", "scope", "max_rows", "over_200")
	g := &grouping{maxRows: c.integer(k["max_rows"], 1, 100_000, 1000)}
	for _, column := range c.texts(k["columns"]) {
		g.columns = append(g.columns, c.slot(column))
	}
	if len(g.columns) == 0 {
		c.fail(named(k["columns"], t, "columns"), "name the columns that rows of one group share")
	}
	switch scope := c.text(k["scope"]); scope {
	case "", "consecutive":
	case "file":
		g.wide = true
	default:
		c.fail(k["scope"], "must be consecutive or file (got %q)", scope)
	}
	switch over := c.text(k["over_200"]); over {
	case "", "reject":
	case "cut":
		g.cut = true
	default:
		c.fail(k["over_200"], "must be reject or cut (got %q)", over)
	}
	c.m.group = g
}

func (c *compiler) duration(t tree) time.Duration {
	if t.absent() {
		return 0
	}
	d, err := time.ParseDuration(c.text(t))
	if err != nil {
		c.fail(t, "must be a duration like 90s or 8760h (got %q)", c.text(t))
	}
	return d
}

func (c *compiler) template(t tree) {
	k := c.known(t, "type", "topic", "when", "time", "after", "id", "key", "fields")
	e := template{name: c.text(k["type"]), when: c.conditions(k["when"]), after: c.duration(k["after"]), time: c.time}
	if !k["time"].absent() {
		e.time = c.timeRule(k["time"])
	}
	if e.time.column == nil && e.time.layouts == nil {
		c.fail(named(k["time"], t, "time"), "is missing, here and at the top")
	}
	c.typeAndTopic(&e, t, k)
	if !k["id"].absent() {
		e.id = c.value(k["id"])
	}
	if !k["key"].absent() {
		e.key = c.value(k["key"])
	}
	own := c.fields(k["fields"])
	for _, f := range c.common {
		if !hasField(own, f.name) {
			e.fields = append(e.fields, f)
		}
	}
	e.fields = append(e.fields, own...)
	if e.key == nil && !hasField(e.fields, "anonymous_id") && !hasField(e.fields, "user_id") && !hasField(e.fields, "order_id") {
		c.fail(t, "has no key: give it a key, or one of the fields anonymous_id, user_id, order_id")
	}
	c.m.events = append(c.m.events, e)
}

func (c *compiler) typeAndTopic(e *template, t tree, k map[string]tree) {
	kind := schemas.KindUnknown
	for i := schemas.KindOther + 1; i < schemas.NumKinds; i++ {
		if i.String() == e.name {
			kind = i
		}
	}
	known := kind != schemas.KindUnknown
	for _, x := range c.m.Extra {
		known = known || x == e.name
	}
	if !known {
		c.fail(named(k["type"], t, "type"), "%q is not known; types of your own go to extra_types here and to events.extra_types of the engine; the engine's are %s",
			e.name, strings.Join(schemas.KindNames[schemas.KindOther+1:], ", "))
	}
	e.topic = kind.Topic()
	switch topic := c.text(k["topic"]); topic {
	case "":
	case "clickstream", "orders":
		if kind != schemas.KindUnknown && topic != e.topic.String() {
			c.fail(k["topic"], "events of type %s travel on topic %s", e.name, e.topic)
		}
		if topic == "orders" {
			e.topic = schemas.OrdersTopic
		}
	default:
		c.fail(k["topic"], "must be clickstream or orders (got %q)", topic)
	}
}

func hasField(list []field, name string) bool {
	for _, f := range list {
		if f.name == name {
			return true
		}
	}
	return false
}
