package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/schemas"
)

// shortItem is the shortest order line there is, with its comma.
const shortItem = `{"item_id":"a"},`

// TestGreatestEpoch: no epoch that can be configured has more rows of a table
// than can be numbered, and one of more than a million order lines is one insert.
func TestGreatestEpoch(t *testing.T) {
	const lines, orders = 200, 5244 // 1,048,600 lines in the second epoch
	if n := int(ingest.MaxEpochBytes)/len(shortItem) + lines; n > schemas.MaxRows {
		t.Fatalf("an epoch of %s can have %d order lines, at most %d can be numbered", ingest.MaxEpochBytes, n, schemas.MaxRows)
	}
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 1)
		at := time.Date(2026, 11, 10, 10, 0, 0, 0, time.UTC)
		items := strings.TrimSuffix(strings.Repeat(shortItem, lines), ",")
		var events []gen.Event
		for i := range orders {
			events = append(events, gen.Event{Topic: schemas.OrdersTopic, Key: []byte("a"), Time: at, Value: fmt.Appendf(nil,
				`{"id":"o%d","source":"/oms","type":"order.updated","time":"2026-11-10T10:00:00Z","anonymous_id":"a","platform":"h5","order_id":"o%d","order_version":2,"currency":"CNY","payable_amount":"1.00","items":[%s]}`, i, i, items)})
		}
		// The second epoch is full with all that follows the first, however long that takes to send.
		worker := s.startEnv(append(s.env(), "STOREPULSE_INGEST_EPOCH_INTERVAL=1m", fmt.Sprint("STOREPULSE_INGEST_EPOCH_RECORDS=", orders-1)), "run")
		s.send(events[:1]) // the first epoch takes what there is
		worker.await(t, "lane starts")
		s.wait("SELECT count() FROM fact_order_items", fmt.Sprint(lines))
		s.send(events[1:])
		s.wait("SELECT uniqExact(epoch_row) FROM fact_order_items WHERE epoch = 2", fmt.Sprint(lines*(orders-1)))
		worker.stop(t)
		s.drain()
		s.wantCount("SELECT count() FROM fact_order_items", lines*orders)
	})
}
