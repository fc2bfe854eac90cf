package verify_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/storepulse/storepulse/internal/verify"
)

func imbalance(clicks, orders int) string {
	return fmt.Sprintf(`# HELP ecom_ledger_imbalance_events Rows by which the ledger and the tables differ, as far as this worker has looked since it started.
# TYPE ecom_ledger_imbalance_events gauge
ecom_ledger_imbalance_events{topic="clickstream"} %d
ecom_ledger_imbalance_events{topic="orders"} %d
`, clicks, orders)
}

// TestTheWatchNamesTheEpoch: the gauge is there at 0, stays there while ledger
// and tables agree, and counts a deletion once.
func TestTheWatchNamesTheEpoch(t *testing.T) {
	s := newShop(t, 800)
	var log bytes.Buffer
	reg := prometheus.NewRegistry()
	w := verify.NewWatch(s.store, s.client, s.cfg.ClickHouse().Topics, func() []uint32 { return []uint32{0} }, slog.New(slog.NewTextHandler(&log, nil)), reg)
	want := func(text string) {
		t.Helper()
		if err := testutil.GatherAndCompare(reg, strings.NewReader(text), "ecom_ledger_imbalance_events"); err != nil {
			t.Error(err)
		}
	}
	want(imbalance(0, 0))
	w.Look(t.Context())
	want(imbalance(0, 0))
	if log.Len() > 0 {
		t.Errorf("log: %s", &log)
	}

	was := s.number("SELECT max(epoch) FROM epochs")
	s.feed(1200) // the first 800 again, and more
	s.drain()
	epoch := s.number(fmt.Sprintf("SELECT min(epoch) FROM fact_events WHERE epoch > %d", was))
	s.exec(fmt.Sprintf("ALTER TABLE fact_events DELETE WHERE epoch = %d AND epoch_row < 3", epoch))
	orders := s.number(fmt.Sprintf("SELECT count() FROM fact_order_events WHERE epoch = %d", epoch))
	w.Look(t.Context())
	want(imbalance(3, 0))
	for _, text := range []string{"ledger and tables differ", fmt.Sprintf("epochs=%d ", epoch), "storepulse verify --lane 0"} {
		if !strings.Contains(log.String(), text) {
			t.Errorf("the log does not say %q: %s (%d orders)", text, &log, orders)
		}
	}
	w.Look(t.Context()) // nothing new
	want(imbalance(3, 0))
}
