package devmode_test

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/internal/devmode"
	"github.com/storepulse/storepulse/internal/devmode/devtest"
)

// Acknowledged rows outlive kill -9: every writer's acknowledged numbers stand,
// once each, and at most the one in flight is there beside them.
func TestKilledDuringInsertsKeepsAcknowledgedRows(t *testing.T) {
	const writers, rounds, perRound = 4, 3, 25
	dir := t.TempDir()
	var acked [writers][]uint64
	var next [writers]uint64
	for round := range rounds {
		c := devtest.StartClickHouse(t, dir)
		devtest.Exec(t, c.URL(), "CREATE TABLE IF NOT EXISTS t (w UInt8, n UInt64, pad String) ENGINE = MergeTree ORDER BY (w, n) SETTINGS fsync_after_insert = 1, fsync_part_directory = 1")
		var total atomic.Int64
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for {
					n := next[w]
					next[w]++
					sql := fmt.Sprintf("INSERT INTO t SELECT %d, %d, repeat('x', 100) FROM numbers(100)", w, n)
					if n%2 == 0 {
						sql = "INSERT INTO t FORMAT CSV\n" + strings.Repeat(fmt.Sprintf("%d,%d,x\n", w, n), 100)
					}
					if _, err := devtest.TryExec(c.URL(), sql, "async_insert", "0"); err != nil {
						return // the server is gone
					}
					acked[w] = append(acked[w], n)
					if total.Add(1) == perRound {
						if err := c.Kill(); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
		if err := c.Wait(); err == nil {
			t.Errorf("round %d: a killed server ended without an error", round)
		}
	}
	c := devtest.StartClickHouse(t, dir)
	for w := range writers {
		stand := map[uint64]string{}
		for _, line := range strings.Split(devtest.Exec(t, c.URL(), fmt.Sprintf("SELECT n, count() FROM t WHERE w = %d GROUP BY n ORDER BY n", w)), "\n") {
			n, count, _ := strings.Cut(line, "\t")
			number, err := strconv.ParseUint(n, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if count != "100" {
				t.Errorf("writer %d: insert %d stands with %s of 100 rows", w, number, count)
			}
			stand[number] = count
		}
		for _, n := range acked[w] {
			if stand[n] == "" {
				t.Errorf("writer %d: acknowledged insert %d is lost", w, n)
			}
		}
		if extra := len(stand) - len(acked[w]); extra > rounds {
			t.Errorf("writer %d: %d inserts stand that were never acknowledged", w, extra)
		}
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
}

// The fence, tokens and the window as the pipeline uses them, by two writers at once.
func TestFenceAndTokensWithTwoWriters(t *testing.T) {
	server := devtest.ClickHouse(t)
	db := devtest.Database(t, server)
	for _, sql := range []string{
		"CREATE TABLE lanes (lane UInt32, term UInt64) ENGINE = MergeTree ORDER BY (lane, term)",
		`CREATE TABLE facts (lane UInt32, term UInt64, n UInt64,
			CONSTRAINT fenced CHECK (lane, term) IN (SELECT lane, max(term) FROM lanes GROUP BY lane))
			ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 10000`,
		"INSERT INTO lanes VALUES (1, 10), (2, 10)",
	} {
		devtest.Exec(t, server, sql, "database", db)
	}
	insert := func(lane, term, n int) error {
		rows := strings.Repeat(fmt.Sprintf("%d,%d,%d\n", lane, term, n), 10)
		_, err := devtest.TryExec(server, rows, "database", db, "query", "INSERT INTO facts FORMAT CSV", "async_insert", "0",
			"insert_deduplicate", "1", "insert_deduplication_token", fmt.Sprintf("%d/%d", lane, n))
		return err
	}
	var wg sync.WaitGroup
	for lane := 1; lane <= 2; lane++ {
		wg.Go(func() {
			for n := range 20 {
				for range 2 { // every insert is sent twice
					if err := insert(lane, 10, n); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	// Lane 1 changes hands: the former owner is refused, with a new token and
	// with one seen before; the new owner and the other lane are not.
	devtest.Exec(t, server, "INSERT INTO lanes VALUES (1, 11)", "database", db)
	for _, n := range []int{0, 100} {
		if err := insert(1, 10, n); err == nil || !strings.Contains(err.Error(), "Code: 469.") {
			t.Errorf("former owner: %v", err)
		}
	}
	for _, err := range []error{insert(1, 11, 101), insert(2, 10, 102)} {
		if err != nil {
			t.Error(err)
		}
	}
	got := devtest.Exec(t, server, "SELECT lane, term, count() FROM facts GROUP BY ALL ORDER BY ALL", "database", db)
	if diff := cmp.Diff(got, "1\t10\t200\n1\t11\t10\n2\t10\t210"); diff != "" {
		t.Errorf("(-got, +want):\n%s", diff)
	}
}

func TestOneServerPerDataDirectory(t *testing.T) {
	dir := t.TempDir()
	if _, ok := devmode.Attach(dir + "/data"); ok {
		t.Error("attached to nothing")
	}
	c := devtest.StartClickHouse(t, dir)
	devtest.Exec(t, c.URL(), "CREATE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a")
	devtest.Exec(t, c.URL(), "INSERT INTO kept VALUES (7)")
	if url, ok := devmode.Attach(dir + "/data"); !ok || url != c.URL() {
		t.Errorf("attach: %q %v, want %q", url, ok, c.URL())
	}
	_, err := devtest.TryStart(dir)
	if err == nil || !strings.Contains(err.Error(), "another process uses the data directory") {
		t.Errorf("second server: %v", err)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	if _, ok := devmode.Attach(dir + "/data"); ok {
		t.Error("attached to a stopped server")
	}
	c = devtest.StartClickHouse(t, dir)
	if got := devtest.Exec(t, c.URL(), "SELECT a FROM kept"); got != "7" {
		t.Errorf("after a restart: %q", got)
	}
	if _, err := url.Parse(c.URL()); err != nil {
		t.Error(err)
	}
}

func TestOnlyLoopback(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:8123"} {
		if _, err := devmode.StartKafka(devmode.KafkaOptions{Listen: listen}); err == nil || !strings.Contains(err.Error(), "only a loopback address") {
			t.Errorf("Kafka on %s: %v", listen, err)
		}
		err := devmode.ServeClickHouse(t.Context(), devmode.ServeOptions{Listen: listen, DataDir: t.TempDir(), Engine: "none"})
		if err == nil || !strings.Contains(err.Error(), "only a loopback address") {
			t.Errorf("ClickHouse on %s: %v", listen, err)
		}
	}
}
