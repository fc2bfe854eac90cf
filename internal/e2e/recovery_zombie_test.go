package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAZombieWakes: a worker sleeps beyond the session timeout with an insert
// in the table, a copy of the same insert under way, and the rest of the epoch
// in hand. Another takes its lanes and waits for the copy, which the token
// drops. The zombie wakes, is refused by the fence and lets go.
func TestAZombieWakes(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, _ time.Duration) {
		// What a worker that wakes has in hand ends with its session: it needs the
		// time to be refused.
		s := newShop(t, addr, 2*brief, 2)
		g := shopping(41, began)
		events := s.load(g, 2000)
		gate := newGate(t, s.cfg.Sink.ClickHouse.URL)
		tr := gate.trap("fact_events", ofLane(0), 2, twice)
		zombie := s.startEnv(s.small(gate.env()), "run")
		tr.await(zombie)
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("the zombie said\n%s", zombie.log.tail(40))
			}
		})
		lane0 := "(SELECT max(epoch) FROM epochs WHERE lane = 0)"
		var claim int // not always the first: an insert whose outcome is unknown costs one
		if _, err := fmt.Sscan(s.ask("SELECT bitShiftRight(max(term), 32) FROM lanes WHERE lane = 0"), &claim); err != nil {
			t.Fatal(err)
		}
		rows := s.ask("SELECT count() FROM fact_events WHERE lane = 0 AND epoch = " + lane0)
		if rows == "0" {
			t.Fatal("the first copy of the insert has not landed")
		}
		const owner = "ecom_complete_until_timestamp_seconds"
		if zombie.scraped(t).sum(owner, "lane", "0") == 0 && claim == 1 {
			t.Error("the owner does not show its lane before it sleeps")
		}
		if err := zombie.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}

		heir := s.startEnv(s.small(), "run")
		s.wait(fmt.Sprintf("SELECT bitShiftRight(max(term), 32) > %d FROM lanes WHERE lane = 0", claim), "1")
		if strings.Contains(heir.log.String(), `msg="lane recovered" part=pipeline lane=0`) {
			t.Error("the new owner did not wait for the insert under way")
		}
		if status := tr.finish(); status != http.StatusOK {
			t.Errorf("the copy that began before the fence: status %d, want it taken and dropped", status)
		}
		heir.await(t, `msg="lane recovered" part=pipeline lane=0`)
		s.wait(fmt.Sprintf("SELECT count() > 0 FROM epochs WHERE lane = 0 AND bitShiftRight(term, 32) > %d", claim), "1")

		if err := zombie.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		zombie.await(t, "into fact_sessions: the lane has a newer owner")
		if zombie.scraped(t).sum("ecom_clickhouse_insert_failures_total", "class", "fenced") == 0 {
			t.Error("the zombie counts no insert that the fence refused")
		}
		events = append(events, s.load(g, 1000)...)
		s.consumed(len(events))
		// Each lane is shown by one worker, and by one alone.
		for lane := range 2 {
			eventually(t, func() string {
				shown := 0
				for _, p := range []*process{zombie, heir} {
					if p.scraped(t).sum(owner, "lane", fmt.Sprint(lane)) != 0 {
						shown++
					}
				}
				if shown == 1 {
					return ""
				}
				return fmt.Sprintf("lane %d is shown by %d workers", lane, shown)
			})
		}
		zombie.stop(t)
		heir.stop(t)
		s.recovers()
		s.wantCount("SELECT count() - uniqExact(lane, epoch, epoch_row) FROM fact_events", 0)
		s.judge()
	})
}

// TestALateInsertOfAFencedOwner: an insert that began before the fence lands
// after it, or never ends. The next owner waits for the one and kills the other.
func TestALateInsertOfAFencedOwner(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 1)
		s.load(shopping(42, began), 2500)
		gate := newGate(t, s.cfg.Sink.ClickHouse.URL)
		claims := func(n int) { s.wait("SELECT bitShiftRight(max(term), 32) FROM lanes", fmt.Sprint(n)) }

		tr := gate.trap("fact_events", "", 2, half)
		s.crash(gate, tr)
		s.wantCount("SELECT count() FROM fact_events WHERE epoch = 3", 0)
		second := gate.trap("fact_events", "", 1, half)
		p := s.startEnv(s.small(gate.env()), "run")
		claims(2)
		if status := tr.finish(); status != http.StatusOK {
			t.Errorf("the insert that began before the fence: status %d, want it taken", status)
		}
		p.await(t, "lane recovered")
		s.wantCount("SELECT count() > 0 AND count() = uniqExact(epoch_row) AND uniqExact(term) = 1 FROM fact_events WHERE epoch = 3", 1)

		second.await(p)
		p.kill()
		s.otherGroup()
		p = s.startEnv(s.small(), "run")
		claims(3)
		s.wait("SELECT count() FROM system.processes WHERE is_cancelled AND startsWith(query, 'INSERT') AND Settings['log_comment'] LIKE 'storepulse/main/0/%' AND current_database = currentDatabase()", "1")
		if strings.Contains(p.log.String(), "lane recovered") {
			t.Error("the new owner did not wait for the end of the insert it killed")
		}
		if status := second.finish(); status == http.StatusOK {
			t.Error("a killed insert was applied")
		}
		p.await(t, "lane recovered")
		p.stop(t)
		s.recovers()
		s.judge()
	})
}

// TestTwoOwnersDuel: two groups are given the same lane of the same pipeline.
// Each fences the other, and what stands is right all the same.
func TestTwoOwnersDuel(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 1)
		g := shopping(43, began)
		events := s.load(g, 200)
		one := s.startEnv(s.small(), "run")
		s.otherGroup()
		two := s.startEnv(s.small(), "run")
		const lost = "lane lost, will claim it again"
		for deadline := time.Now().Add(patience); strings.Count(one.log.String(), lost) < 2 || strings.Count(two.log.String(), lost) < 2; {
			if time.Now().After(deadline) {
				t.Fatalf("they do not meet:\n%s\n%s", one.log.tail(20), two.log.tail(20))
			}
			events = append(events, s.load(g, 40)...)
			pause(t, 200*time.Millisecond) // the pace of the load, not a wait for anything
		}
		s.consumed(len(events))
		one.stop(t)
		two.stop(t)
		t.Logf("%d events; the first was fenced %d times, the second %d times; %s claims", len(events),
			strings.Count(one.log.String(), lost), strings.Count(two.log.String(), lost), s.ask("SELECT bitShiftRight(max(term), 32) FROM lanes"))
		s.recovers()
		s.judge()
	})
}
