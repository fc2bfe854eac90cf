package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
	"github.com/storepulse/storepulse/internal/verify"
)

// TestVerify: `storepulse verify` passes on a clean run with defects, and then
// names exactly the epoch of each lane that was damaged in a way of its own.
func TestVerify(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 6)
		defects := gen.RealisticDefects()
		defects.Duplicate, defects.Broken, defects.Late = 0.02, 0.02, 0
		s.feed(t.Context(), gen.New(gen.Settings{
			Seed: 3, Start: time.Date(2026, 11, 10, 18, 0, 0, 0, time.UTC), Rate: 1, FlatDay: true, MaxEvents: 6000, KnownVisitors: 200, Defects: defects,
		}), produce.Pace{})
		env := append(s.env(), "STOREPULSE_INGEST_EPOCH_RECORDS=150")
		worker := s.startEnv(env, "run", "--drain")
		worker.wait(t)

		code, r := s.runVerify("--records")
		if code != 0 || !r.Agrees() {
			t.Fatalf("a clean run: exit code %d, %d findings, %+v\n%s\n%s", code, len(r.Findings), r.Findings[:min(3, len(r.Findings))],
				s.ask("SELECT lane, bitShiftRight(term, 32) AS claim, seq, epoch, kind, done['fact_sessions'] FROM epochs ORDER BY lane, epoch, term, seq"), worker.log.tail(60))
		}
		b := r.Total()
		if n := b.Consumed[0] + b.Consumed[1]; n < 6000 || b.Ledger.Letters[0] == 0 || b.Ledger.Duplicates[0] == 0 || r.Lanes[0].Log == nil {
			t.Errorf("%d records consumed: %+v, %+v", n, b.Ledger, r.Lanes[0].Log)
		}
		if n := s.ask("SELECT min(e) FROM (SELECT max(epoch) AS e FROM epochs GROUP BY lane)"); n < "5" && len(n) == 1 {
			t.Fatalf("a lane has only %s epochs", n)
		}

		damage := []struct {
			name, do string
			epoch    string // a query; empty: the finding names a visitor
			says     string
		}{
			{"deleted row", "ALTER TABLE fact_events DELETE WHERE lane = 0 AND epoch = %s AND epoch_row = 5", "3", "missing row 5"},
			{"doubled row", "INSERT INTO fact_events SELECT * REPLACE((SELECT max(term) FROM lanes WHERE lane = 1) AS term) FROM fact_events WHERE lane = 1 AND epoch = %s AND epoch_row = 5", "2", "stands 2 times"},
			{"skipped epoch", "ALTER TABLE epochs DELETE WHERE lane = 2 AND epoch = %s", "3", "the ledger lacks this epoch"},
			{"deleted session", "ALTER TABLE fact_sessions DELETE WHERE session_id = (SELECT session_id FROM sessions WHERE lane = 3 ORDER BY events DESC, session_id LIMIT 1)%s", "", "in no session"},
			{"rewritten checksum", "ALTER TABLE epochs UPDATE input_crc = bitXor(input_crc, 1) WHERE lane = 4 AND epoch = %s", "2", "not those that were planned"},
			{"deleted dead letter", "ALTER TABLE dead_letters DELETE WHERE lane = 5 AND epoch = %s AND epoch_row = 0", "SELECT min(epoch) FROM dead_letters WHERE lane = 5", "dead_letters"},
		}
		want := make([]string, len(damage))
		for lane, d := range damage {
			if strings.HasPrefix(d.epoch, "SELECT") {
				d.epoch = s.ask(d.epoch)
			}
			want[lane] = d.epoch
			devtest.Exec(t, s.cfg.Sink.ClickHouse.URL, fmt.Sprintf(d.do, d.epoch),
				"database", s.cfg.Sink.ClickHouse.Database, "mutations_sync", "2", "insert_deduplicate", "0")
		}
		for lane, d := range damage {
			code, r := s.runVerify("--records", "--lane", fmt.Sprint(lane))
			var named []string
			said := ""
			for _, f := range r.Findings {
				said += f.Table + ": " + f.What + "\n"
				if e := fmt.Sprint(f.Epoch); f.Epoch > 0 && !slices.Contains(named, e) {
					named = append(named, e)
				}
				if f.Lane != uint32(lane) || f.Remedy == "" {
					t.Errorf("%s in lane %d: %+v", d.name, lane, f)
				}
			}
			if got := strings.Join(named, " "); code != 1 || got != want[lane] || !strings.Contains(said, d.says) {
				t.Errorf("%s: exit code %d, epochs %q named, want %q and %q:\n%s", d.name, code, got, want[lane], d.says, said)
			}
		}
		fails(t, s.start("verify", "--no-kafka"), "lane 0 epoch 3", "missing row 5", "DISAGREE")
		s.cfg.Kafka.Brokers = []string{"127.0.0.1:1"}
		fails(t, s.start("verify"), "kafka.brokers", "--no-kafka")
	})
}

// runVerify gives the exit code and the report.
func (s *shop) runVerify(args ...string) (int, *verify.Report) {
	s.t.Helper()
	cmd := exec.Command(program(s.t), append([]string{"verify", "--json"}, args...)...)
	cmd.Env = s.env()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	r := &verify.Report{}
	if err := json.Unmarshal(out, r); err != nil {
		s.t.Fatalf("verify %v: %v\n%s\n%s", args, err, out, &stderr)
	}
	return cmd.ProcessState.ExitCode(), r
}
