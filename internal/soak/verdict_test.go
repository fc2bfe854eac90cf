package soak

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
	"github.com/storepulse/storepulse/schemas"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// A soak that cannot fail is worth nothing: after a run without any fault the
// verdict is clean, and each thing done to the tables by hand is noticed.
func TestVerdictNotices(t *testing.T) {
	url := devtest.ClickHouse(t)
	cfg := config.Default()
	cfg.Sink.ClickHouse.URL, cfg.Sink.ClickHouse.Database = url, devtest.Database(t, url)
	topics := [schemas.NumTopics]string{cfg.Kafka.Topics.Clickstream, cfg.Kafka.Topics.Orders}
	cfg.Kafka.Brokers = []string{devtest.Kafka(t, 2, topics[:]...)}

	w := produce.NewWriter(produce.Config{Brokers: cfg.Kafka.Brokers, Topics: topics})
	defects := gen.RealisticDefects()
	defects.Late, defects.TooLate = 0, 0 // rebuilds have tests of their own
	shop := gen.New(gen.Settings{Seed: 3, Start: time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC), Rate: 3, FlatDay: true, MaxEvents: 3000, Defects: defects})
	if err := errors.Join(produce.Run(t.Context(), w, shop.Next, produce.Pace{}, nil), w.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	drain(t, cfg)
	ask := func(query string) {
		t.Helper()
		devtest.Exec(t, url, query, "database", cfg.Sink.ClickHouse.Database, "mutations_sync", "1")
	}
	judged := func() (Result, error) {
		t.Helper()
		res, _, err := verdict(t.Context(), cfg.Kafka.Brokers, cfg)
		return res, err
	}
	clean, err := judged()
	if err != nil || clean.Events < 2000 || clean.Lost+clean.Duplicated+clean.SessionsWrong != 0 {
		t.Fatalf("untouched tables: %v: %v", clean, err)
	}
	for _, c := range []struct {
		name, do string
		want     Result
		says     string
	}{
		{
			"a fact is deleted", "ALTER TABLE fact_order_events DELETE WHERE event_id = (SELECT max(event_id) FROM fact_order_events)",
			Result{Lost: 1},
			"lost: event",
		},
		{
			"a fact stands twice", "INSERT INTO fact_events SELECT * FROM fact_events ORDER BY event_id LIMIT 1",
			Result{Lost: 1, Duplicated: 1},
			"duplicated: event",
		},
		{
			"a session is deleted", "ALTER TABLE fact_sessions DELETE WHERE session_id = (SELECT max(session_id) FROM fact_sessions)",
			Result{Lost: 1, Duplicated: 1, SessionsWrong: 1},
			"session",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			ask(c.do)
			got, err := judged()
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error should say %q: %v", c.says, err)
			}
			c.want.Events = clean.Events
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// drain runs the real program over the topics.
func drain(t *testing.T, cfg config.Config) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "storepulse")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/storepulse/storepulse/cmd/storepulse").CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "run", "--drain")
	cmd.Env = append(os.Environ(),
		"STOREPULSE_KAFKA_BROKERS="+cfg.Kafka.Brokers[0],
		"STOREPULSE_SINK_CLICKHOUSE_URL="+cfg.Sink.ClickHouse.URL, "STOREPULSE_SINK_CLICKHOUSE_DATABASE="+cfg.Sink.ClickHouse.Database,
		"STOREPULSE_HTTP_LISTEN=127.0.0.1:0")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("drain: %v\n%s", err, out.String())
	}
}

// The same seed deals the same faults, and two dozen of them are of many kinds.
func TestScheduleIsItsSeed(t *testing.T) {
	for nodes := 1; nodes <= 3; nodes += 2 {
		a, b, other := NewSchedule(7, time.Second, nodes, startWorkers), NewSchedule(7, time.Second, nodes, startWorkers), NewSchedule(8, time.Second, nodes, startWorkers)
		seen, differ, workers := map[Kind]bool{}, false, startWorkers
		for n := range 200 {
			f, g := a.Next(), b.Next()
			if f != g {
				t.Fatalf("fault %d: %+v, the same seed gave %+v", n, f, g)
			}
			differ = differ || f != other.Next()
			if kinds[f.Kind].nodes > nodes {
				t.Fatalf("%s was dealt on %d broker(s)", f.Kind, nodes)
			}
			switch f.Kind {
			case ScaleUp:
				workers++
			case ScaleDown:
				workers--
			}
			if workers < minWorkers || workers > maxWorkers {
				t.Fatalf("fault %d leaves %d workers", n, workers)
			}
			if n < 20 {
				seen[f.Kind] = true
			}
		}
		if !differ || len(seen) < 8 {
			t.Errorf("%d brokers: another seed differs: %v; kinds among the first 20: %d", nodes, differ, len(seen))
		}
	}
}
