package e2e

import (
	"context"
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
)

var (
	kills    = flag.Int("kills", 10, "how often TestKill9 kills a worker")
	killSeed = flag.Uint64("kill.seed", 0, "seed of TestKill9, 0 = by the clock")
)

// TestKill9 kills workers at random moments under load. In the end the ledger
// balances, every event stands exactly once, and the sessions are the oracle's.
func TestKill9(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, _ time.Duration) {
		seed := *killSeed
		if seed == 0 {
			seed = uint64(time.Now().UnixNano())
		}
		t.Logf("seed %d (repeat with -kill.seed %d -kills %d)", seed, seed, *kills)
		rng := rand.New(rand.NewPCG(seed, 0))
		s := newShop(t, addr, brief, 3)

		// Load for as long as the killing takes: an hour of shopping time lasts
		// 36 seconds. Nothing later than the merge horizon: it has its own tests.
		defects := gen.RealisticDefects()
		defects.Late, defects.TooLate = 0, 0
		g := gen.New(gen.Settings{Seed: seed, Start: time.Date(2026, 11, 10, 18, 0, 0, 0, time.UTC), Rate: 10, FlatDay: true, Defects: defects})
		ctx, stopFeed := context.WithCancel(t.Context())
		defer stopFeed()
		fed := make(chan []gen.Event, 1)
		go func() { fed <- s.feed(ctx, g, produce.Pace{TimeLapse: 100}) }()

		worker := s.startWorker()
		for n := range *kills {
			if !pause(t, brief/2+time.Duration(rng.Int64N(int64(brief)*5/2))) {
				break
			}
			select {
			case <-worker.done:
				t.Fatalf("worker ended by itself before kill %d: %v\n%s", n+1, worker.err, worker.log.tail(60))
			default:
			}
			worker.kill()
			if testing.Verbose() {
				t.Logf("killed worker %d said\n%s", n+1, worker.log.tail(12))
			}
			worker = s.startWorker()
		}
		stopFeed()
		events := <-fed
		worker.stop(t)
		s.drain()

		status := s.start("status")
		status.wait(t)
		t.Logf("%d kills, %d records\n%s", *kills, len(events), status.log)
		if r := s.judged(); r.Records != len(events) {
			t.Errorf("the topics hold %d records, %d were acknowledged", r.Records, len(events))
		}
	})
}

// pause waits while the world goes on; it says false when the test is over.
func pause(t *testing.T, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-t.Context().Done():
		return false
	}
}
