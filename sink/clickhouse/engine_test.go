package clickhouse_test

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// newClient gives a client on a database of its own, migrated.
func newClient(t testing.TB) *clickhouse.Client {
	t.Helper()
	c := openClient(t, engine(t), newDatabase(t))
	if _, err := c.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

func newDatabase(t testing.TB) string {
	return fmt.Sprintf("t_%d_%.30s", time.Now().UnixNano(), strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, t.Name()))
}

func openClient(t testing.TB, url, database string) *clickhouse.Client {
	t.Helper()
	cfg := clickhouse.DefaultConfig()
	cfg.URL, cfg.Database = url, database
	c, err := clickhouse.New(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// engine gives the URL of a real ClickHouse engine: a server that the
// environment names, else the embedded one.
func engine(t testing.TB) string {
	t.Helper()
	if url := os.Getenv("STOREPULSE_TEST_CLICKHOUSE"); url != "" {
		return url
	}
	return devtest.ClickHouse(t)
}

func TestMain(m *testing.M) { devtest.Main(m) }
