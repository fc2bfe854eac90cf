package gen

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/schemas"
)

// A storm of the settings and one that is switched between records: what they
// send is what the decoder finds, and calm is calm.
func TestStorms(t *testing.T) {
	all := DuplicateStorm().plus(LateStorm()).plus(PoisonStorm()).plus(SkewStorm())
	for name, stream := range map[string]func() *Generator{
		"by time": func() *Generator {
			return New(Settings{Seed: 5, Start: start, Rate: 5, FlatDay: true, Duration: 2 * time.Hour, Finish: true, Storms: []Storm{{From: 30 * time.Minute, To: 90 * time.Minute, Defects: all}}})
		},
		"by call": func() *Generator {
			return New(Settings{Seed: 5, Start: start, Rate: 5, FlatDay: true, Duration: 2 * time.Hour, Finish: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			g, again := stream(), stream()
			v := vocabulary(t)
			d, b := schemas.NewDecoder(v), schemas.NewBatch(v)
			seen := map[string]bool{}
			var broken, calm [schemas.NumReasons]int64
			var kinds [schemas.NumKinds]int64
			copies, wrong, records := int64(0), int64(0), 0
			for e, same := (Event{}), (Event{}); g.Next(&e); records++ {
				if !again.Next(&same) {
					t.Fatalf("the same stream ends after %d records", records)
				}
				if e.Topic != same.Topic || !e.Time.Equal(same.Time) || !bytes.Equal(e.Value, same.Value) || len(e.Headers) != len(same.Headers) {
					t.Fatalf("record %d is %.200s, then %.200s", records, e.Value, same.Value)
				}
				if name == "by call" && (records == 6_000 || records == 30_000) {
					weather := Defects{}
					if records == 6_000 {
						weather, calm = all, broken
					}
					g.SetStorm(weather)
					again.SetStorm(weather)
				}
				b.Reset()
				rec := schemas.Record{Key: e.Key, Value: e.Value, Timestamp: e.Time.UnixMilli()}
				for _, h := range e.Headers { // one header is enough to be told by
					rec.Headers = append(append([]byte{2, byte(2 * len(h.Key))}, h.Key...), byte(2*len(h.Value)&0x7f|0x80), byte(2*len(h.Value)>>7))
					rec.Headers = append(rec.Headers, h.Value...)
				}
				if reason := d.Decode(e.Topic, &rec, b); reason != schemas.ReasonNone {
					broken[reason]++
					if broken != g.Stats().Broken {
						t.Fatalf("the decoder says %s (%s: %s), the generator %v for %.300s", reason, b.Letters.Field.At(0), b.Letters.Detail.At(0), g.Stats().Broken, e.Value)
					}
					continue
				}
				id := string(e.Value[:40])
				if seen[id] {
					copies++
					continue
				}
				seen[id] = true
				if e.Topic == schemas.Clickstream {
					kinds[b.Events.Kind[0]]++
					if off := b.Events.Time[0] - e.Time.UnixMilli(); b.Events.Sent[0] == 0 && (off > 60_000 || off < -121*3600_000) {
						wrong++
					}
				} else {
					kinds[b.Orders.Kind[0]]++
				}
			}
			s := g.Stats()
			if diff := cmp.Diff(kinds, s.Kinds); diff != "" {
				t.Errorf("events by kind (-decoded +generated)\n%s", diff)
			}
			if copies != s.Duplicates[0]+s.Duplicates[1] {
				t.Errorf("%d copies, the generator counts %v", copies, s.Duplicates)
			}
			for _, w := range poisons {
				if s.Broken[w.reason] == 0 {
					t.Errorf("nothing was broken as %s", w.reason)
				}
			}
			if calm != [schemas.NumReasons]int64{} {
				t.Errorf("broken before the storm: %v", calm)
			}
			for what, n := range map[string]int64{
				"copies": copies, "stale copies": s.Stale, "late": s.Late, "too late": s.TooLate, "wrong clocks": s.Skewed, "times far off": wrong,
				"order.updated": s.Kinds[schemas.KindOrderUpdated],
			} {
				if n < 10 {
					t.Errorf("%s: only %d", what, n)
				}
			}
			t.Logf("%d records: %+v", records, *s)
		})
	}
}

func TestBadStormsAreNamed(t *testing.T) {
	err := Settings{Start: start, Storms: []Storm{{From: time.Hour, To: time.Hour, Defects: Defects{Poison: 2}}}}.Validate()
	want := "storms[0].poison: must be between 0 and 1 (got 2)\nstorms[0]: to (1h0m0s) must be after from (1h0m0s)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
