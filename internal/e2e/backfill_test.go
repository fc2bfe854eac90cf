package e2e

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
)

// TestBackfill: a shop with five weeks of history and a Prometheus that has
// none. The weeks are computed from the tables, promtool makes blocks of them,
// and the rules that a real Prometheus runs on these compare with four weeks
// before: with the numbers that the tables give.
func TestBackfill(t *testing.T) {
	promtool, prometheus := promtools(t, "promtool"), promtools(t, "prometheus")
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 2)
		now := time.Now()
		h := newHistory(now)
		w := produce.NewWriter(produce.Config{Brokers: s.cfg.Kafka.Brokers, Topics: s.cfg.ClickHouse().Topics})
		var e gen.Event
		for h.Next(&e) {
			if err := w.Write(t.Context(), &e); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d records of five weeks, %s", w.Counts().Total(), time.Since(now))
		s.drain()
		t.Logf("drained %s", time.Since(now))

		dir := t.TempDir()
		file, data := filepath.Join(dir, "past.om"), filepath.Join(dir, "data")
		p := s.start("rules", "backfill", "--output", file)
		p.wait(t, 2*time.Minute)
		t.Log("\n" + p.log.String())
		t.Logf("backfilled %s", time.Since(now))
		out, err := exec.CommandContext(t.Context(), promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet", "--max-block-duration=486h", file, data).CombinedOutput()
		if err != nil {
			t.Fatalf("promtool: %v\n%s", err, out)
		}
		t.Logf("blocks %s", time.Since(now))
		prom := startPrometheus(t, prometheus, data)
		for !prom.has(t, "ecom:rate:z30m") {
			pause(t, time.Second)
		}
		t.Logf("rules %s", time.Since(now))
		_ = prom
	})
}
