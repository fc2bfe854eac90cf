package e2e

import (
	"flag"
	"testing"
	"time"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/judge"
	"github.com/storepulse/storepulse/internal/produce"
)

var stormSeed = flag.Uint64("storm.seed", 0, "seed of TestStorms, 0 = by the clock")

// TestStorms: copies up to days after their originals, records hours and days
// late, broken ones of every kind and clocks that are wrong by years, first one
// by one, then all at once. Each event is a fact once, each broken record a
// dead letter, and when time has gone on every session is the oracle's.
func TestStorms(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		seed := *stormSeed
		if seed == 0 {
			seed = uint64(time.Now().UnixNano())
		}
		t.Logf("seed %d (repeat with -storm.seed %d)", seed, seed)
		const lanes = 2
		s := newShop(t, addr, session, lanes)
		storms := []gen.Defects{gen.DuplicateStorm(), gen.LateStorm(), gen.PoisonStorm(), gen.SkewStorm()}
		set := gen.Settings{
			Seed: seed, Start: time.Date(2026, 9, 10, 10, 0, 0, 0, time.UTC), Rate: 0.3, FlatDay: true, KnownVisitors: 40,
			Duration: 14 * time.Hour, Finish: true, Defects: gen.RealisticDefects(),
		}
		for i, d := range storms {
			set.Storms = append(set.Storms,
				gen.Storm{From: time.Duration(1+2*i) * time.Hour, To: time.Duration(2+2*i) * time.Hour, Defects: d},
				gen.Storm{From: 9 * time.Hour, To: 11 * time.Hour, Defects: d})
		}
		g := gen.New(set)
		events := s.feed(t.Context(), g, produce.Pace{})
		horizon := latest(events).Add(4 * time.Hour)
		last := produce.LastVisitors(lanes, horizon, horizon.Add(80*time.Hour)) // no order waits for its payment any more
		s.send(last)
		// Small epochs: the state must forget while the storm goes on.
		s.startEnv(append(s.env(), "STOREPULSE_INGEST_EPOCH_RECORDS=500"), "run", "--drain").wait(t)
		s.start("status").wait(t)

		records, err := judge.Read(t.Context(), s.cfg.Kafka.Brokers, s.cfg.ClickHouse().Topics)
		if err != nil {
			t.Fatal(err)
		}
		r := s.judgeRecords(records)
		want := g.Stats()
		if r.Records != len(events)+len(last) || int64(r.Events-len(last)) != want.Good() || int64(r.Letters) != want.BrokenTotal() || int64(r.Copies) != want.Duplicates[0]+want.Duplicates[1] {
			t.Errorf("the judge counts %s; the generator made %d records, %d events, %d letters, %v copies", r, len(events), want.Good(), want.BrokenTotal(), want.Duplicates)
		}
		for what, n := range map[string]int64{
			"late": int64(r.Late), "too late": int64(r.TooLate), "copies after hours": want.Stale, "wrong clocks": want.Skewed,
		} {
			if n < 20 {
				t.Errorf("%s: only %d, the storms were none", what, n)
			}
		}
		t.Logf("the generator: %+v", *want)
	})
}

// latest is the greatest arrival time.
func latest(events []gen.Event) (t time.Time) {
	for i := range events {
		if events[i].Time.After(t) {
			t = events[i].Time
		}
	}
	return t
}
