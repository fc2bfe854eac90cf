package rebuild_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/internal/rebuild"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
	"github.com/storepulse/storepulse/transform"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// open gives empty tables, lane 1 claimed, and what reads them.
func open(t *testing.T) (*clickhouse.Client, *rebuild.Store) {
	t.Helper()
	cfg := clickhouse.DefaultConfig()
	cfg.URL = devtest.ClickHouse(t)
	cfg.Database = devtest.Database(t, cfg.URL)
	c, err := clickhouse.New(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	v, err := schemas.NewVocabulary(cfg.Topics, []schemas.Tenant{{ID: "default", Location: time.UTC, Currency: "CNY"}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(t.Context(), "INSERT INTO lanes (lane, term) SELECT 1, 1", nil); err != nil {
		t.Fatal(err)
	}
	return c, rebuild.NewStore(c, v)
}

// TestOrdersWithLongIDs: the clicks that name orders are found however long the
// orders' ids are; a request's value has room for a part of them only.
func TestOrdersWithLongIDs(t *testing.T) {
	c, store := open(t)
	const n = 200
	var ask transform.Ask
	id := func(i int) string { return strings.Repeat("🛒", 127) + fmt.Sprintf("%04d", i) }
	var orders, clicks []string
	for i := range n {
		hash, _ := schemas.Hash64(nil, "default", []byte(id(i)))
		ask.Orders = append(ask.Orders, hash)
		orders = append(orders, fmt.Sprintf("('%s', %d)", id(i), hash))
		clicks = append(clicks, fmt.Sprintf("('%s', %d)", id(i), i))
	}
	for _, q := range []string{
		`INSERT INTO fact_order_events (lane, term, epoch, tenant, event_type, platform, currency, ship_region, order_type, order_id, order_hash)
			SELECT 1, 1, 1, 'default', 'order.created', 'h5', 'CNY', 'unknown', 'normal', x.1, x.2 FROM (SELECT arrayJoin([` + strings.Join(orders, ",") + `]) AS x)`,
		`INSERT INTO fact_events (lane, term, epoch, tenant, event_type, platform, page_type, channel, region, order_id, kafka_offset)
			SELECT 1, 1, 1, 'default', 'purchase', 'h5', 'unknown', 'unknown', 'unknown', x.1, x.2 FROM (SELECT arrayJoin([` + strings.Join(clicks, ",") + `]) AS x)`,
	} {
		if err := c.Exec(t.Context(), q, nil); err != nil {
			t.Fatalf("%.500v", err)
		}
	}
	past, err := store.Past(t.Context(), 1, 2, &ask)
	if err != nil {
		t.Fatalf("%.500v", err)
	}
	if len(past.Orders) != n || len(past.Clicks) != n {
		t.Errorf("found %d orders and %d clicks that name them, want %d of each", len(past.Orders), len(past.Clicks), n)
	}
}

// TestOwnedOrders: an order is its visitor's whichever events tell the owner and
// the time, and however far apart they lie.
func TestOwnedOrders(t *testing.T) {
	c, store := open(t)
	start := time.Date(2026, 11, 10, 4, 0, 0, 0, time.UTC)
	ann, bob, nobody := uuid.UUID{1}, uuid.UUID{2}, uuid.UUID{}
	add := func(lane, epoch int, order uint64, owner uuid.UUID, kind string, at, created, paid time.Duration) {
		t.Helper()
		stated := func(d time.Duration) string {
			if d == 0 {
				return "NULL"
			}
			return fmt.Sprintf("fromUnixTimestamp64Milli(%d)", start.Add(d).UnixMilli())
		}
		q := fmt.Sprintf(`INSERT INTO fact_order_events (lane, term, epoch, tenant, event_type, order_id, order_hash, visitor_id, event_time, received_at, business_date, created_at, paid_at)
			SELECT %d, 1, %d, 'default', '%s', 'o%d', %[4]d, '%s', %s AS at, at, toDate(at), %s, %s`, lane, epoch, kind, order, owner, stated(at), stated(created), stated(paid))
		if err := c.Exec(t.Context(), q, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Exec(t.Context(), "INSERT INTO lanes (lane, term) SELECT 2, 1", nil); err != nil {
		t.Fatal(err)
	}
	m, d := time.Minute, 24*time.Hour
	add(1, 1, 1, nobody, "order.created", m, m, 0) // the payment days later tells the owner
	add(1, 2, 1, ann, "order.paid", 3*d, 0, 3*d)
	add(1, 1, 2, ann, "order.created", m, m, 0)          // one event tells both
	add(1, 1, 3, ann, "order.updated", -2*d, 0, 0)       // the owner is known first, the time later
	add(1, 1, 3, bob, "order.paid", 9*d, 2*m, 9*d)       // and states that the order is older
	add(1, 1, 4, bob, "order.created", m, m, 0)          // another's
	add(1, 1, 5, ann, "order.created", 5*d, 5*d, 0)      // of another time
	add(1, 1, 6, nobody, "order.created", m, m, 0)       // the owner is not known yet
	add(1, 3, 6, ann, "order.paid", m, 0, m)             //
	add(2, 1, 7, ann, "order.created", m, m, 0)          // of another lane
	add(1, 1, 8, ann, "order.updated", 40*d, 0, 0)       // of the other span: bob's
	add(1, 1, 8, nobody, "order.created", 20*d, 20*d, 0) //
	add(1, 1, 9, bob, "order.paid", 40*d, 0, 40*d)       //
	add(1, 1, 9, nobody, "order.created", 20*d, 20*d, 0) //
	span := func(v uuid.UUID, from, to time.Duration) transform.Span {
		return transform.Span{Visitor: schemas.ID(v), From: start.Add(from).UnixMilli(), To: start.Add(to).UnixMilli()}
	}
	past, err := store.Past(t.Context(), 1, 3, &transform.Ask{Owned: []transform.Span{span(ann, 0, 2*m), span(bob, 20*d, 20*d)}})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(past.Owned)
	if d := cmp.Diff(past.Owned, []uint64{1, 2, 3, 9}); d != "" {
		t.Errorf("orders found (-got +want):\n%s", d)
	}
}
