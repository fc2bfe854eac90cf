package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
)

// lockClient is a client of an empty database.
func lockClient(t *testing.T) *Client {
	t.Helper()
	cfg := DefaultConfig()
	if cfg.URL = os.Getenv("STOREPULSE_TEST_CLICKHOUSE"); cfg.URL == "" {
		cfg.URL = devtest.ClickHouse(t)
	}
	cfg.Database = fmt.Sprintf("t_lock_%d", time.Now().UnixNano())
	c, err := New(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.server.Exec(t.Context(), "CREATE DATABASE "+quote(cfg.Database)); err != nil {
		t.Fatal(err)
	}
	return c
}

// left counts the tables of the database.
func (c *Client) left(t *testing.T) (n uint64) {
	t.Helper()
	if err := c.conn.QueryRow(t.Context(), "SELECT count() FROM system.tables WHERE database = currentDatabase()").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTheLockOfADeadProgramIsTakenOver(t *testing.T) {
	c := lockClient(t)
	dead, err := c.lock(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, patience := range []time.Duration{0, time.Millisecond, time.Second} { // wherever it is when that ends
		patient, cancel := context.WithTimeout(t.Context(), patience)
		_, err := c.lock(patient, time.Hour)
		if cancel(); err == nil || !strings.Contains(err.Error(), "another migration") {
			t.Errorf("a lock that is held, after %s: %v", patience, err)
		}
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
	if n := c.left(t); n != 0 {
		t.Errorf("%d tables are left", n)
	}
}

// TestALockThatIsLeftBlocksNoStart: workers ask for migrations and views whenever
// they start. Where all is in place, the lock of a program that died is nothing to them.
func TestALockThatIsLeftBlocksNoStart(t *testing.T) {
	c := lockClient(t)
	views := []View{{"metric_one", `a 'quote' and a \`, "SELECT 1 AS one"}, {"metric_two", "", "SELECT 2 AS two"}}
	if _, err := c.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.ApplyViews(t.Context(), views); err != nil {
		t.Fatal(err)
	}
	if _, err := c.lock(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	start, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if applied, err := c.Migrate(start); err != nil || len(applied) != 0 {
		t.Errorf("a start beside the lock applied %v: %v", applied, err)
	}
	if err := c.ApplyViews(start, views); err != nil {
		t.Errorf("a start beside the lock: %v", err)
	}
	views[1].SQL = "SELECT 3 AS two"
	if other, err := c.otherViews(t.Context(), views); err != nil || len(other) != 1 || other[0].Name != "metric_two" {
		t.Errorf("another definition of metric_two: to replace are %v, %v", other, err)
	}
}

// TestAStopLeavesNoLock: who is told to stop while the lock is being made gives
// it back.
func TestAStopLeavesNoLock(t *testing.T) {
	c := lockClient(t)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := c.lock(stopped, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("a lock for a program that stops: %v", err)
	}
	if n := c.left(t); n != 0 {
		t.Errorf("%d tables are left", n)
	}
}
