package rebuild_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/internal/rebuild"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
	"github.com/storepulse/storepulse/transform"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// TestOrdersWithLongIDs: the clicks that name orders are found however long the
// orders' ids are; a request's value has room for a part of them only.
func TestOrdersWithLongIDs(t *testing.T) {
	cfg := clickhouse.DefaultConfig()
	cfg.URL = devtest.ClickHouse(t)
	cfg.Database = devtest.Database(t, cfg.URL)
	c, err := clickhouse.New(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
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
	past, err := rebuild.NewStore(c, v).Past(t.Context(), 1, 2, &ask)
	if err != nil {
		t.Fatalf("%.500v", err)
	}
	if len(past.Orders) != n || len(past.Clicks) != n {
		t.Errorf("found %d orders and %d clicks that name them, want %d of each", len(past.Orders), len(past.Clicks), n)
	}
}
