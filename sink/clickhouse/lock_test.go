package clickhouse

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
)

func TestTheLockOfADeadProgramIsTakenOver(t *testing.T) {
	cfg := DefaultConfig()
	if cfg.URL = os.Getenv("STOREPULSE_TEST_CLICKHOUSE"); cfg.URL == "" {
		cfg.URL = devtest.ClickHouse(t)
	}
	cfg.Database = fmt.Sprintf("t_lock_%d", time.Now().UnixNano())
	c, err := New(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.server.Exec(t.Context(), "CREATE DATABASE "+quote(cfg.Database)); err != nil {
		t.Fatal(err)
	}
	dead, err := c.lock(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	patient, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := c.lock(patient, time.Hour); err == nil || !strings.Contains(err.Error(), "another migration") {
		t.Errorf("a lock that is held: %v", err)
	}
	next, err := c.lock(t.Context(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.renew(t.Context()); err == nil || !strings.Contains(err.Error(), "taken over") {
		t.Errorf("a holder that was only slow: %v", err)
	}
	if err := dead.release(t.Context()); err != nil {
		t.Error(err)
	}
	if err := next.renew(t.Context()); err != nil {
		t.Errorf("the release of a lost lock took the new one: %v", err)
	}
	if err := next.release(t.Context()); err != nil {
		t.Error(err)
	}
	var left uint64
	if err := c.conn.QueryRow(t.Context(), "SELECT count() FROM system.tables WHERE database = currentDatabase()").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d tables are left: %v", left, err)
	}
}
