package imports

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/schemas"
)

func vocabulary(t testing.TB, extra ...string) *schemas.Vocabulary {
	t.Helper()
	v, err := schemas.NewVocabulary([schemas.NumTopics]string{"ecom.clickstream.v1", "ecom.orders.v1"},
		[]schemas.Tenant{{ID: "default", Location: time.UTC, Currency: "CNY"}}, extra, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func mapping(t *testing.T, name string) *Mapping {
	t.Helper()
	m, err := LoadMapping(filepath.Join("..", "..", "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// read gives the events of a file, each approved by the decoder.
func read(t *testing.T, path string, m *Mapping) (*Report, []gen.Event) {
	t.Helper()
	r, err := Open(path, m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	j := newJudge(vocabulary(t, m.Extra...))
	var events []gen.Event
	for {
		var e gen.Event
		if !r.Next(&e) {
			break
		}
		if x := j.event(e.Topic, e.Value); x != nil {
			t.Fatalf("%s %s: %s\n%s", x.Reason, x.Field, x.Detail, e.Value)
		}
		events = append(events, e)
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	if got, total := r.Progress(); got != total {
		t.Errorf("progress ends at %d of %d bytes", got, total)
	}
	return r.Report(), events
}

// plainCount counts the words of one column without any of the importer's code.
func plainCount(t *testing.T, path string, column int) map[string]int64 {
	t.Helper()
	in, err := openSource(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	n := map[string]int64{}
	for s := bufio.NewScanner(in); s.Scan(); {
		n[strings.Split(s.Text(), ",")[column]]++
	}
	return n
}

func TestREES46(t *testing.T) {
	path := devtest.Data(t, "rees46/2019-Oct.csv.gz")
	report, events := read(t, path, mapping(t, "rees46.yaml"))
	n := plainCount(t, path, 1)
	want := map[string]int64{
		"view_item": n["view"], "add_to_cart": n["cart"], "purchase": n["purchase"],
		"order.created": n["purchase"], "order.paid": n["purchase"],
	}
	if d := cmp.Diff(report.Types, want); d != "" {
		t.Errorf("events by type (-imported +counted):\n%s", d)
	}
	if report.Rejected+report.Skipped+report.Unmatched+report.Disordered != 0 {
		t.Errorf("every row is an event in order, got %+v", report)
	}
	if d := cmp.Diff(string(events[0].Value), `{"id":"L2-0","source":"/import/rees46","type":"view_item","time":"2019-10-01T00:00:00.000Z","partitionkey":"541312140",`+
		`"anonymous_id":"541312140","platform":"other","currency":"USD","items":[{"item_id":"44600062","item_brand":"shiseido","price":"35.79"}],`+
		`"client_session_id":"72d76fde-8bb3-4e00-8c23-a032dfed738c","value":"35.79"}`); d != "" {
		t.Errorf("first event (-got +want):\n%s", d)
	}
}

func TestTaobao(t *testing.T) {
	path := devtest.Data(t, "taobao/UserBehavior.csv.gz")
	report, _ := read(t, path, mapping(t, "taobao.yaml"))
	n := plainCount(t, path, 3)
	want := map[string]int64{
		"view_item": n["pv"], "add_to_cart": n["cart"], "add_to_wishlist": n["fav"], "purchase": n["buy"],
		"order.created": n["buy"], "order.paid": n["buy"],
	}
	if d := cmp.Diff(report.Types, want); d != "" {
		t.Errorf("events by type (-imported +counted):\n%s", d)
	}
	if report.Rejected+report.Skipped+report.Unmatched+report.Disordered != 0 {
		t.Errorf("every row is an event in order, got %+v", report)
	}
}

func TestOnlineRetailGroupsInvoices(t *testing.T) {
	path := devtest.Data(t, "uci_online_retail/online_retail_2010-12_2011-08.csv.gz")
	report, events := read(t, path, mapping(t, "uci_online_retail.yaml"))
	orders, pence := countInvoices(t, path)
	want := map[string]int64{"purchase": orders, "order.created": orders, "order.paid": orders}
	if d := cmp.Diff(report.Types, want); d != "" {
		t.Errorf("events by type (-imported +counted):\n%s", d)
	}
	if report.Rejected != 0 || report.Rows != report.Skipped+int64(lines(events))+report.Cut {
		t.Errorf("rows do not add up: %+v, %d lines in orders", report, lines(events))
	}
	v := vocabulary(t)
	d, b := schemas.NewDecoder(v), schemas.NewBatch(v)
	for _, e := range events {
		if e.Topic == schemas.OrdersTopic {
			d.Decode(e.Topic, &schemas.Record{Value: e.Value, Timestamp: e.Time.UnixMilli()}, b)
		}
	}
	got := int64(0)
	for _, p := range b.Orders.Paid {
		got += p
	}
	// Each order is rounded once; the counted sum is exact.
	if diff := float64(got) - pence; diff > float64(orders)/2 || diff < -float64(orders)/2 {
		t.Errorf("paid %d pence, counted %.1f", got, pence)
	}
}

// lines counts the order lines of the order.created events.
func lines(events []gen.Event) int {
	n := 0
	for _, e := range events {
		if bytes.Contains(e.Value, []byte(`"type":"order.created"`)) {
			n += bytes.Count(e.Value, []byte(`"item_id":`))
		}
	}
	return n
}

// countInvoices counts runs of one invoice among the rows the mapping takes,
// and adds their amounts up, without any of the importer's code.
func countInvoices(t *testing.T, path string) (orders int64, pence float64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	in := csv.NewReader(z)
	in.LazyQuotes = true
	last := ""
	for {
		row, err := in.Read()
		if err == io.EOF {
			return orders, pence
		}
		if err != nil {
			t.Fatal(err)
		}
		quantity, _ := strconv.ParseFloat(row[3], 64)
		price, _ := strconv.ParseFloat(row[5], 64)
		if _, err := strconv.Atoi(row[0]); err != nil || quantity < 1 || price < 0.01 {
			continue
		}
		if row[0] != last {
			orders, last = orders+1, row[0]
		}
		pence += quantity * price * 100
	}
}
