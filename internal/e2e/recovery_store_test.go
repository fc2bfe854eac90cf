package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/internal/devmode"
	"github.com/storepulse/storepulse/internal/devmode/devtest"
)

// TestTheTokenIsForgotten: an insert stands, its sender never learns, and by
// the time the lane asks again the table has forgotten its token. Row numbers
// decide.
func TestTheTokenIsForgotten(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 2)
		g := shopping(61, began)
		events := s.load(g, 3000)
		s.start("migrate").wait(t)
		for _, table := range []string{"fact_events", "fact_sessions", "fact_order_events"} {
			s.change("ALTER TABLE " + table + " MODIFY SETTING non_replicated_deduplication_window = 1")
		}
		gate := newGate(t, s.cfg.Sink.ClickHouse.URL)
		tr := gate.trap("fact_events", ofLane(0), 1, cut)
		p := s.startEnv(s.small(gate.env()), "run")
		tr.await(p)
		since := s.ask("SELECT uniqExact(epoch) FROM fact_events WHERE lane = 1")
		events = append(events, s.load(g, 2000)...)
		s.wait("SELECT uniqExact(epoch) >= 3 + "+since+" FROM fact_events WHERE lane = 1", "1")
		tr.finish()
		p.await(t, `msg="lane recovered" part=pipeline lane=0`)
		mentions(t, p.log.String(), "outcome unknown")
		s.consumed(len(events))
		p.stop(t)
		s.recovers()
		s.judge()
	})
}

// TestSnapshotsDamaged: where the newest snapshot is missing or damaged the lane
// takes the one before; with none left the state is rebuilt from the log.
func TestSnapshotsDamaged(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 1)
		g := shopping(62, began)
		records := 0
		load := func(n int) { records += len(s.load(g, n)) }
		two := func() (newest, older int) {
			for range 2 {
				load(400)
				s.work(records) // ends with a snapshot
			}
			newest = s.number("SELECT max(epoch) FROM snapshots")
			older = s.number(fmt.Sprintf("SELECT max(epoch) FROM snapshots WHERE epoch < %d", newest))
			if older == 0 {
				t.Fatalf("no snapshot before that of epoch %d", newest)
			}
			return newest, older
		}
		newest, older := two()
		load(1200)
		gate := newGate(t, s.cfg.Sink.ClickHouse.URL)
		s.crash(gate, gate.trap("fact_sessions", "", 1, before))
		s.change(fmt.Sprintf("ALTER TABLE snapshots DELETE WHERE epoch = %d", newest))
		head := s.number("SELECT max(epoch) FROM epochs")
		log := s.recovers()
		mentions(t, log, "lane recovered", fmt.Sprintf("rerun=%d", head-older))
		if strings.Contains(log, "partial") {
			t.Error("a state from the snapshot before is called partial")
		}

		newest, _ = two()
		load(1200)
		s.crash(gate, gate.trap("fact_sessions", "", 1, before))
		s.change("ALTER TABLE snapshots UPDATE body = concat(substring(body, 1, 50), char(bitXor(reinterpretAsUInt8(substring(body, 51, 1)), 1)), substring(body, 52)) WHERE epoch = " + strconv.Itoa(newest))
		tr := gate.trap("fact_sessions", "", 2, before)
		p := s.startEnv(s.small(gate.env()), "run")
		tr.await(p)
		p.await(t, "lane recovered")
		mentions(t, p.log.String(), `snapshot unusable, falling back to an older one" part=pipeline lane=0 epoch=`+strconv.Itoa(newest), "checksum differs")
		if n := p.scraped(t).sum("ecom_pipeline_snapshot_failures_total"); n != 1 {
			t.Errorf("%v unusable snapshots are counted, want 1", n)
		}
		p.kill()
		s.otherGroup()

		s.change("TRUNCATE TABLE snapshots")
		epochs := s.ask("SELECT max(epoch) FROM epochs")
		log = s.recovers()
		mentions(t, log, "lane recovered", "rerun="+epochs)
		if strings.Contains(log, "partial") {
			t.Error("a state rebuilt from the whole log is called partial")
		}
		s.judge()
	})
}

// number gives a query's answer as a number.
func (s *shop) number(query string) int {
	s.t.Helper()
	answer := s.ask(query)
	n, err := strconv.Atoi(answer)
	if err != nil {
		s.t.Fatalf("%s: %q is no number", query, answer)
	}
	return n
}

// ownEngine gives the shop a ClickHouse of its own, which may be stopped.
func (s *shop) ownEngine(dir string) *devmode.ClickHouse {
	s.t.Helper()
	engine := devtest.StartClickHouse(s.t, dir)
	if s.cfg.Sink.ClickHouse.URL == "" {
		s.cfg.Sink.ClickHouse.Database = devtest.Database(s.t, engine.URL())
	}
	s.cfg.Sink.ClickHouse.URL = engine.URL()
	return engine
}

// TestRowsLostWithThePower: rows that were acknowledged are gone after a power
// failure, their tokens are not. The epoch in doubt gets exactly what it lacks.
func TestRowsLostWithThePower(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 1)
		dir := t.TempDir()
		s.cfg.Sink.ClickHouse.URL = ""
		engine := s.ownEngine(dir)
		s.load(shopping(63, began), 1500)
		s.start("migrate").wait(t)
		lost := []string{"fact_events", "fact_order_events"}
		for _, table := range lost {
			s.change("SYSTEM STOP MERGES " + table)
		}
		// Epoch 4 is written and nobody has said so.
		gate := newGate(t, engine.URL())
		s.crash(gate, gate.trap("epochs", "", 4, before))
		had := s.ask("SELECT count() FROM fact_events WHERE epoch = 4")
		engine = s.loseParts(engine, dir, 4, lost...)
		s.recovers()
		if got := s.ask("SELECT count() FROM fact_events WHERE epoch = 4"); got != had {
			t.Errorf("epoch 4 has %s rows again, it had %s", got, had)
		}
		s.judge()

		// An epoch that is done is never repeated: its loss is damage, and is named.
		s.change("SYSTEM STOP MERGES fact_events") // the restart forgot it
		s.wait("SELECT count() FROM system.merges WHERE database = currentDatabase() AND table = 'fact_events'", "0")
		s.loseParts(engine, dir, 2, "fact_events")
		fails(t, s.start("verify", "--no-kafka"), "epoch 2")
	})
}

// loseParts kills the engine, deletes the files that hold rows of an epoch, or
// did before a merge, and starts it again: a power failure over a disk that had lied.
func (s *shop) loseParts(engine *devmode.ClickHouse, dir string, epoch int, tables ...string) *devmode.ClickHouse {
	s.t.Helper()
	var parts []string
	for _, table := range tables {
		found := lines(s.ask(fmt.Sprintf(`SELECT path FROM system.parts WHERE database = currentDatabase() AND table = '%[1]s'
			AND (NOT active OR name IN (SELECT _part FROM %[1]s WHERE epoch = %[2]d))`, table, epoch)))
		if len(found) == 0 {
			s.t.Fatalf("epoch %d has no part in %s", epoch, table)
		}
		parts = append(parts, found...)
	}
	if err := engine.Kill(); err != nil {
		s.t.Fatal(err)
	}
	for _, part := range parts {
		if !filepath.IsAbs(part) {
			part = filepath.Join(dir, "data", part)
		}
		if err := os.RemoveAll(part); err != nil {
			s.t.Fatal(err)
		}
	}
	engine = s.ownEngine(dir)
	for _, table := range tables {
		s.wantCount(fmt.Sprintf("SELECT count() FROM %s WHERE epoch = %d", table, epoch), 0)
	}
	return engine
}

// TestClickHouseRestoredFromABackup: the ledger is older than the group's
// offset. The lanes go on where the ledger ends.
func TestClickHouseRestoredFromABackup(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		const lanes = 2
		s := newShop(t, addr, session, lanes)
		dir := t.TempDir()
		s.cfg.Sink.ClickHouse.URL = ""
		engine := s.ownEngine(dir)
		g := shopping(64, began)
		events := s.load(g, 600)
		s.work(len(events))
		backup, data := filepath.Join(dir, "backup"), filepath.Join(dir, "data")
		if err := engine.Stop(); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("cp", "-a", data, backup).CombinedOutput(); err != nil {
			t.Fatalf("copy the data: %v\n%s", err, out)
		}

		engine = s.ownEngine(dir)
		events = append(events, s.load(g, 600)...)
		s.work(len(events))
		if err := engine.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(backup, data); err != nil {
			t.Fatal(err)
		}
		s.ownEngine(dir)
		s.consumed(600)
		if got := s.committed(lanes); got != int64(len(events)) {
			t.Fatalf("%d offsets are committed, want %d: ahead of the restored ledger", got, len(events))
		}
		events = append(events, s.load(g, 300)...)
		s.recovers()
		s.wantCount(fmt.Sprintf("SELECT sum(c + o) = %d FROM (SELECT max(clickstream_end) AS c, max(orders_end) AS o FROM epochs GROUP BY lane)", len(events)), 1)
		s.judge()
	})
}
