package imports

import (
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/internal/gen"
)

// file writes a small input.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func parse(t *testing.T, text string) *Mapping {
	t.Helper()
	m, err := parseMapping([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// story imports the file and gives each event as topic, time and JSON.
func story(t *testing.T, path string, m *Mapping, o Options) (string, *Report) {
	t.Helper()
	r, err := Open(path, m, o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b strings.Builder
	for e := (gen.Event{}); r.Next(&e); {
		b.WriteString(e.Topic.String() + " " + string(e.Key) + " " + e.Time.Format("15:04:05") + " " + string(e.Value) + "\n")
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return b.String(), r.Report()
}

const views = `
input: {format: csv, header: true}
source: /import/test
time: {column: at, formats: ["2006-01-02 15:04"]}
zone: Asia/Shanghai
fields: {anonymous_id: $who}
events:
  - type: page_view
    when: {what: [home, list]}
    fields:
      page_type: {column: what, map: {home: home, list: category}}
`

func TestRowsBecomeEventsAndFaultsAreCounted(t *testing.T) {
	path := file(t, "v.csv", "\xef\xbb\xbfat,who,what\n2026-03-01 09:30,u1,home\n2026-03-01 09:31,u1,list\n"+
		"yesterday,u1,home\n2026-03-01 09:32,,home\n2026-03-01 09:33,u1,help\n2026-03-01 09:34,u1\n2026-03-01 09:35,u\xff,home\n2026-03-01 09:36,\"u\"\"1\",home\n")
	got, report := story(t, path, parse(t, views), Options{})
	want := `clickstream u1 01:30:00 {"id":"L2-0","source":"/import/test","type":"page_view","time":"2026-03-01T01:30:00.000Z","partitionkey":"u1","anonymous_id":"u1","page_type":"home"}
clickstream u1 01:31:00 {"id":"L3-0","source":"/import/test","type":"page_view","time":"2026-03-01T01:31:00.000Z","partitionkey":"u1","anonymous_id":"u1","page_type":"category"}
clickstream u"1 01:36:00 {"id":"L9-0","source":"/import/test","type":"page_view","time":"2026-03-01T01:36:00.000Z","partitionkey":"u\"1","anonymous_id":"u\"1","page_type":"home"}
`
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("events (-got +want):\n%s", d)
	}
	if d := cmp.Diff(report.Examples, []Rejection{
		{4, `page_view: time "yesterday" has none of the formats 2006-01-02 15:04`},
		{5, "page_view: no key: anonymous_id, user_id and order_id are empty"},
		{7, "2 columns, want 3"},
		{8, `page_view: key "u\xff" is not UTF-8`},
	}); d != "" {
		t.Errorf("rejections (-got +want):\n%s", d)
	}
	if report.Rows != 8 || report.Unmatched != 1 || report.Rejected != 4 {
		t.Errorf("%+v: want 8 rows, 1 unmatched, 4 rejected", report)
	}
}

func TestGzipIsRecognizedByItsMagic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.txt")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	if _, err := z.Write([]byte("at,who,what\n2026-03-01 09:30,u1,home\n")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _ := story(t, path, parse(t, views), Options{}); strings.Count(got, "\n") != 1 {
		t.Errorf("got %q, want one event", got)
	}
}

func TestJSONLinesReachIntoObjects(t *testing.T) {
	path := file(t, "e.jsonl", `{"ts":1772328600123,"user":{"id":17,"vip":true},"name":"页"}`+"\n\n"+`{"ts":1}{}`+"\n"+`[1]`)
	got, report := story(t, path, parse(t, `
input: {format: jsonl}
source: /import/json
time: {column: ts, formats: [unix_millis]}
events:
  - type: page_view
    id: {template: "e-{line}"}
    fields: {anonymous_id: $user.id, page_type: {const: home}, is_internal: {column: user.vip, as: bool}, page_title: $name}
`), Options{})
	want := `clickstream 17 01:30:00 {"id":"e-1","source":"/import/json","type":"page_view","time":"2026-03-01T01:30:00.123Z","partitionkey":"17","anonymous_id":"17","page_type":"home","is_internal":true,"page_title":"页"}` + "\n"
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("events (-got +want):\n%s", d)
	}
	if report.Rejected != 2 {
		t.Errorf("rejected %v, want the lines 3 and 4", report.Examples)
	}
}

const invoices = `
input: {format: csv, header: true}
source: /import/orders
time: {column: at, formats: [unix_seconds]}
group_by: {columns: [order], scope: SCOPE, max_rows: 3}
order: ORDER
events:
  - type: order.created
    fields:
      order_id: $order
      order_version: {const: 1, as: integer}
      currency: {const: EUR}
      created_at: {event_time: 0s}
      payable_amount: {sum: [price, n]}
      items: {item_id: $sku, price: {column: price, as: money}, quantity: {column: n, as: integer}}
  - type: order.paid
    after: 90s
    fields:
      order_id: $order
      order_version: {const: 2, as: integer}
      paid_amount: {sum: [price, n]}
`

func ordersMapping(t *testing.T, scope, order string) *Mapping {
	t.Helper()
	return parse(t, strings.NewReplacer("SCOPE", scope, "ORDER", order).Replace(invoices))
}

func TestRowsOfOneOrderBecomeOneOrder(t *testing.T) {
	path := file(t, "o.csv", "at,order,sku,price,n\n1772328600,A,s1,2.50,2\n1772328600,A,s2,0.015,1\n1772328601,B,s1,2.50,1\n1772328602,A,s3,1,1\n")
	two := `orders A 01:30:00 {"id":"L2-0","source":"/import/orders","type":"order.created","time":"2026-03-01T01:30:00.000Z","partitionkey":"A","order_id":"A","order_version":1,"currency":"EUR","created_at":"2026-03-01T01:30:00.000Z","payable_amount":"5.02","items":[{"item_id":"s1","price":"2.50","quantity":2},{"item_id":"s2","price":"0.02","quantity":1}]}
orders A 01:31:30 {"id":"L2-1","source":"/import/orders","type":"order.paid","time":"2026-03-01T01:31:30.000Z","partitionkey":"A","order_id":"A","order_version":2,"paid_amount":"5.02"}
`
	got, _ := story(t, path, ordersMapping(t, "consecutive", "file"), Options{})
	if !strings.HasPrefix(got, two) || strings.Count(got, "\n") != 6 {
		t.Errorf("consecutive: three orders that begin with\n%sgot\n%s", two, got)
	}
	got, _ = story(t, path, ordersMapping(t, "file", "file"), Options{})
	if strings.Count(got, "\n") != 4 || !strings.Contains(got, `"payable_amount":"6.02"`) {
		t.Errorf("whole file: want two orders, A over 6.02, got\n%s", got)
	}
	got, report := story(t, path, ordersMapping(t, "file", "time"), Options{})
	var times []string
	for _, l := range strings.Split(strings.TrimSpace(got), "\n") {
		times = append(times, strings.Fields(l)[2])
	}
	if d := cmp.Diff(times, []string{"01:30:00", "01:30:01", "01:31:30", "01:31:31"}); d != "" || report.Disordered != 0 {
		t.Errorf("by time (-got +want):\n%s", d)
	}
}

func TestBoundsAreErrorsThatSayWhatToDo(t *testing.T) {
	path := file(t, "o.csv", "at,order,sku,price,n\n1,A,s,1,1\n")
	long := file(t, "long.csv", "at,order,sku,price,n\n1772328600,A,s,1,1\n1772328600,A,s,1,1\n1772328600,A,s,1,1\n1772328600,A,s,1,1\n")
	quote := file(t, "quote.csv", "at,order,sku,price,n\n1772328600,\"A,s,1,1\n"+strings.Repeat("1772328600,A,s,1,1\n", 300_000))
	_, report := story(t, path, ordersMapping(t, "file", "file"), Options{})
	if want := "order.created: time 1970-01-01T00:00:01Z is before 2015, which the engine refuses: add shift: to the mapping"; report.Examples[0].Reason != want {
		t.Errorf("got %q, want %q", report.Examples[0].Reason, want)
	}
	_, report = story(t, long, ordersMapping(t, "file", "file"), Options{})
	if report.Rejected != 1 || !strings.Contains(report.Examples[0].Reason, "raise group_by.max_rows") {
		t.Errorf("a group over its bound: %+v", report)
	}
	for name, c := range map[string]struct {
		path, want string
		o          Options
	}{
		"sort bound":     {long, "sort the file by time first", Options{SortedEvents: 1}},
		"unclosed quote": {quote, "a quote that is never closed?", Options{}},
	} {
		m := ordersMapping(t, "consecutive", "time")
		r, err := Open(c.path, m, c.o)
		if err != nil {
			t.Fatal(err)
		}
		for e := (gen.Event{}); r.Next(&e); {
		}
		if r.Err() == nil || !strings.Contains(r.Err().Error(), c.want) {
			t.Errorf("%s: got %v, want it to contain %q", name, r.Err(), c.want)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := Open(file(t, "x.csv", "at,order\n"), ordersMapping(t, "file", "file"), Options{}); err == nil || !strings.Contains(err.Error(), `reads column "price", the file has at, order`) {
		t.Errorf("a missing column: %v", err)
	}
}

func TestDisorderIsCountedAndShiftMovesTimes(t *testing.T) {
	path := file(t, "v.csv", "at,who,what\n2026-03-01 09:30,u1,home\n2026-03-01 09:20,u1,home\n")
	got, report := story(t, path, parse(t, views), Options{Shift: 24 * time.Hour})
	if report.Disordered != 1 {
		t.Errorf("%d events out of order, want 1", report.Disordered)
	}
	if !strings.Contains(got, "2026-03-02T01:30:00.000Z") {
		t.Errorf("not moved by a day: %s", got)
	}
}

func TestTheEnginesVerdictIsARejectionWithItsLine(t *testing.T) {
	path := file(t, "v.csv", "at,who,what\n2026-03-01 09:30,u1,home\n")
	m := parse(t, strings.Replace(views, "fields: {anonymous_id: $who}", "fields: {anonymous_id: $who, phone: $who}", 1))
	_, report := story(t, path, m, Options{Vocabulary: vocabulary(t)})
	if report.Rejected != 1 || !strings.Contains(report.Examples[0].Reason, "pii phone") {
		t.Errorf("got %+v, want line 2 refused as pii", report)
	}
}
