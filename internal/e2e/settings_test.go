package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
)

// TestSettingsChangeAfterACrash: what was planned under the old session gap is
// finished under it, the new gap begins at a snapshot of its own, and what a
// record becomes cannot change in between.
func TestSettingsChangeAfterACrash(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, _ time.Duration) {
		s := newShop(t, addr, brief, 2)
		worker := s.startEnv(append(s.env(), "STOREPULSE_PIPELINE_SNAPSHOT_EVERY=1h"), "run") // no snapshot covers what is planned
		g := gen.New(gen.Settings{Seed: 5, Start: time.Date(2026, 11, 10, 18, 0, 0, 0, time.UTC), Rate: 5, FlatDay: true, MaxEvents: 20_000})
		events := s.feed(t.Context(), g, produce.Pace{})
		s.wait("SELECT uniqExact(lane) FROM epochs", "2")
		worker.kill()

		// Other event types after a crash are refused.
		fails(t, s.startEnv(append(s.env(), "STOREPULSE_EVENTS_EXTRA_TYPES=wish"), "run", "--drain"), "planned under another configuration")

		p := s.startEnv(append(s.env(), "STOREPULSE_TRANSFORM_SESSION_GAP=10m"), "run", "--drain")
		p.wait(t)
		if !strings.Contains(p.log.String(), "session settings changed") {
			t.Errorf("the new gap was not put in force\n%s", p.log.tail(20))
		}
		s.verify(events) // which gap a session has depends on how far the first worker came
		s.start("status").wait(t)
	})
}
