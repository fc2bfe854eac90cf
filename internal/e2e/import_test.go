package e2e

import (
	"compress/gzip"
	"encoding/csv"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/storepulse/storepulse/internal/devmode"
	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/imports"
)

// importShop runs `storepulse import` and then drains.
func importShop(t *testing.T, file, mapping string, extra ...string) (s *shop, records int) {
	t.Helper()
	k, err := devmode.StartKafka(devmode.KafkaOptions{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	s = newShop(t, k.Addr(), calm, 4)
	s.cfg.Events.ExtraTypes = extra
	p := s.start("import", file, "--mapping", mapping)
	p.wait(t)
	s.drain()

	m, err := imports.LoadMapping(mapping)
	if err != nil {
		t.Fatal(err)
	}
	r, err := imports.Open(file, m, imports.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for e := (gen.Event{}); r.Next(&e); {
		records++
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return s, records
}

// plainCount counts the values of one column of a gzipped CSV, by itself.
func plainCount(t *testing.T, file string, column int, header bool) map[string]int {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows := csv.NewReader(z)
	rows.FieldsPerRecord = -1
	counts := map[string]int{}
	for {
		row, err := rows.Read()
		if err == io.EOF {
			return counts
		}
		if err != nil {
			t.Fatal(err)
		}
		if header {
			header = false
			continue
		}
		counts[row[column]]++
	}
}

// TestImportREES46: a real shop's first hours go through the whole program.
func TestImportREES46(t *testing.T) {
	file := devtest.Data(t, "rees46/2019-Oct.csv.gz")
	s, records := importShop(t, file, "../../examples/rees46.yaml")
	if r := s.judged(); r.Records != records {
		t.Errorf("the topics hold %d records, the file gives %d", r.Records, records)
	}

	plain := plainCount(t, file, 1, true)
	for event, column := range map[string]string{"view_item": "view", "add_to_cart": "cart", "purchase": "purchase"} {
		s.wantCount("SELECT count() FROM fact_events WHERE event_type = '"+event+"'", plain[column])
	}
	for _, event := range []string{"order.created", "order.paid"} {
		s.wantCount("SELECT count() FROM fact_order_events WHERE event_type = '"+event+"'", plain["purchase"])
	}
	s.wantCount("SELECT count() FROM orders WHERE status = 'paid'", plain["purchase"])

	// A purchase without a cart event has reached the cart and has no raw cart.
	noCart := s.ask("SELECT count() FROM fact_sessions FINAL WHERE orders > 0 AND NOT bitTest(stages_raw, 3)")
	if noCart == "0" {
		t.Error("no session bought without a cart event; two thirds of the buyers do in this file")
	}
	if got := s.ask("SELECT count() FROM fact_sessions FINAL WHERE orders > 0 AND NOT bitTest(stages_raw, 3) AND cart_skipped AND max_stage = 'pay'"); got != noCart {
		t.Errorf("%s sessions bought without a cart event, only %s of them have reach(cart) and cart_skipped", noCart, got)
	}
	t.Logf("%s of %s buying sessions have no cart event: reach(cart) yes, raw(cart) no", noCart, s.ask("SELECT count() FROM fact_sessions FINAL WHERE orders > 0"))

	const joined = `(SELECT e.client_session_id AS theirs, s.session_id AS ours FROM fact_events AS e
		ASOF JOIN (SELECT * FROM fact_sessions FINAL) AS s ON e.visitor_id = s.visitor_id AND e.event_time >= s.start_time)`
	t.Logf("sessions: REES46 %s, ours %s; REES46 ids that lie in one of ours: %s %%; ours that hold one REES46 id: %s %%",
		s.ask("SELECT uniqExact(client_session_id) FROM fact_events"), s.ask("SELECT count() FROM fact_sessions FINAL"),
		s.ask("SELECT round(100 * avg(n = 1), 2) FROM (SELECT theirs, uniqExact(ours) AS n FROM "+joined+" GROUP BY theirs)"),
		s.ask("SELECT round(100 * avg(n = 1), 2) FROM (SELECT ours, uniqExact(theirs) AS n FROM "+joined+" GROUP BY ours)"))
}

// TestImportTaobao: 75 dense minutes without sessions and prices.
func TestImportTaobao(t *testing.T) {
	file := devtest.Data(t, "taobao/UserBehavior.csv.gz")
	s, records := importShop(t, file, "../../examples/taobao.yaml", "add_to_wishlist")
	if r := s.judged(); r.Records != records {
		t.Errorf("the topics hold %d records, the file gives %d", r.Records, records)
	}
	plain := plainCount(t, file, 3, false)
	for event, column := range map[string]string{"view_item": "pv", "add_to_cart": "cart", "add_to_wishlist": "fav", "purchase": "buy"} {
		s.wantCount("SELECT count() FROM fact_events WHERE event_type = '"+event+"'", plain[column])
	}
	s.wantCount("SELECT count() FROM orders WHERE status = 'paid'", plain["buy"])
	t.Log(strings.ReplaceAll(s.ask("SELECT max_stage, count() FROM fact_sessions FINAL GROUP BY max_stage ORDER BY 2 DESC"), "\n", "; "))
}
