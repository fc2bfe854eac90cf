package clickhouse

import (
	"fmt"
	"log/slog"
	"os"
	"testing"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/schemas"
)

// Over a network the block goes in LZ4 frames; here it does so on the loopback.
func TestCompressedBlockOfSeveralFrames(t *testing.T) {
	cfg := DefaultConfig()
	if cfg.URL = os.Getenv("STOREPULSE_TEST_CLICKHOUSE"); cfg.URL == "" {
		cfg.URL = devtest.ClickHouse(t)
	}
	cfg.Database = fmt.Sprintf("t_frames_%d", os.Getpid())
	c, err := New(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.compress {
		t.Error("blocks are compressed on the loopback")
	}
	c.compress = true
	if _, err := c.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(t.Context(), "INSERT INTO lanes (lane, term) SELECT 1, 1", nil); err != nil {
		t.Fatal(err)
	}
	const rows = 20_000 // 6 MB, six frames
	rec := benchEvents(t, rows)
	if err := c.Insert(t.Context(), "q", "t", schemas.Stamp{Lane: 1, Term: 1, Epoch: 1}, schemas.FactEvents, rec, nil); err != nil {
		t.Fatal(err)
	}
	var n, parts uint64
	err = c.conn.QueryRow(t.Context(), "SELECT uniqExact(event_id), (SELECT count() FROM system.parts WHERE active AND database = currentDatabase() AND table = 'fact_events') FROM fact_events").Scan(&n, &parts)
	if err != nil || n != rows || parts != 1 {
		t.Errorf("%d of %d events in %d parts, want one block: %v", n, rows, parts, err)
	}
}
