package imports

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/internal/gen"
)

func TestEveryFaultOfAMappingIsNamedWithItsLine(t *testing.T) {
	_, err := parseMapping([]byte(`input:
  format: xml
source: ""
zone: Mars/Olympus
sorce: x
order: random
rows:
  a: {matches: "("}
group_by: {scope: all}
events:
  - type: warp
    fields:
      id: $x
      price: {column: a, const: b}
      note: plain
      when: {template: "a{b"}
  - type: order.paid
    topic: clickstream
    after: soon
    time: {column: t, formats: [yyyy]}
    fields: {order_id: $o, amount: {column: a, as: gold, scale: -1}}
`))
	if err == nil {
		t.Fatal("the mapping is taken")
	}
	want := `line 5: sorce: unknown key, want one of input, source, zone, time, shift, order, extra_types, rows, group_by, fields, events
line 2: input.format: must be csv, tsv or jsonl (got "xml")
line 3: source: is missing; it is the identity of the file, for instance /import/shop-2024
line 4: zone: no time zone "Mars/Olympus": use a name like Asia/Shanghai
line 6: order: must be file or time (got "random")
line 8: rows.a.matches: is no regular expression: error parsing regexp: missing closing ): ` + "`(`" + `
line 9: group_by.columns: name the columns that rows of one group share
line 9: group_by.scope: must be consecutive or file (got "all")
line 11: events[0].time: is missing, here and at the top
line 11: events[0].type: "warp" is not known; types of your own go to extra_types here and to events.extra_types of the engine; the engine's are page_view, view_item, add_to_cart, remove_from_cart, view_cart, begin_checkout, order_submit, purchase, search, login, order.created, order.updated, order.paid, order.cancelled, payment.attempted, payment.failed, refund.requested, refund.succeeded
line 13: events[0].fields.id: is written by the importer from source and the event's id, key, type and time
line 14: events[0].fields.price: needs exactly one of column, const, template, sum, event_time (got 2)
line 15: events[0].fields.note: must be $column or a mapping with column, const, template, sum or event_time (got "plain")
line 16: events[0].fields.when.template: a { without }
line 11: events[0]: has no key: give it a key, or one of the fields anonymous_id, user_id, order_id
line 19: events[1].after: must be a duration like 90s or 8760h (got "soon")
line 20: events[1].time.formats: layout "yyyy" does not show how 2006-01-02 15:04:05 would be written
line 18: events[1].topic: events of type order.paid travel on topic orders
line 21: events[1].fields.amount.as: must be one of text, number, money, integer, bool (got "gold")
line 21: events[1].fields.amount.scale: must be a positive decimal like 0.01 (got "-1")
line 21: events[1].fields.amount.as: scale and absolute need as: money or as: number`
	if d := cmp.Diff(err.Error(), want); d != "" {
		t.Errorf("faults (-got +want):\n%s", d)
	}
}

// FuzzMapping: a mapping is taken or refused; with one that is taken, rows can
// be read, whatever it makes of them.
func FuzzMapping(f *testing.F) {
	examples, err := filepath.Glob(filepath.Join("..", "..", "examples", "*.yaml"))
	if err != nil || len(examples) == 0 {
		f.Fatal("no example mappings", err)
	}
	for _, name := range examples {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(views))
	f.Add([]byte(invoices))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMapping(data)
		if (m == nil) == (err == nil) {
			t.Fatalf("mapping %v and error %v", m, err)
		}
		if err != nil {
			return
		}
		for _, format := range []string{"csv", "tsv", "jsonl"} {
			shaped := *m
			shaped.Format = format
			in := &source{Reader: strings.NewReader(rowsFor(t, &shaped))}
			r, err := newReader(in, &shaped, Options{})
			if err != nil {
				continue // the first line is no header: a name of it begins with the mark, for instance
			}
			for e := (gen.Event{}); r.Next(&e); {
				if !json.Valid(e.Value) || len(e.Key) == 0 {
					t.Fatalf("key %q, event %q", e.Key, e.Value)
				}
			}
			if p := r.Report(); r.Err() == nil && p.Rows != p.Imported+p.Skipped+p.Unmatched+p.Rejected {
				t.Fatalf("%s: rows do not add up: %+v", format, p)
			}
		}
	})
}

// rowsFor writes three rows in the mapping's format, with values that some
// column may well hold.
func rowsFor(t *testing.T, m *Mapping) string {
	t.Helper()
	values := []string{"2026-03-01 09:30", "1772328600", "2.50", "u1", "-3", "", "home"}
	names := m.Columns
	if len(names) == 0 || m.Format == "jsonl" {
		names = m.columns
	}
	var b bytes.Buffer
	table := csv.NewWriter(&b)
	if m.Format == "tsv" {
		table.Comma = '\t'
	}
	lines := json.NewEncoder(&b)
	write := func(row []string) error {
		if m.Format != "jsonl" {
			err := table.Write(row)
			table.Flush()
			return err
		}
		object := map[string]string{}
		for i, name := range names {
			object[name] = row[i]
		}
		return lines.Encode(object)
	}
	if len(m.Columns) == 0 && m.Format != "jsonl" {
		if err := write(names); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 3 {
		row := make([]string, len(names))
		for i := range row {
			row[i] = values[(i+n*(i%2+1))%len(values)]
		}
		if err := write(row); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}
