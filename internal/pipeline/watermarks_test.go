package pipeline

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform"
)

// emptied is a state from which every session has left.
type emptied struct{ Engine }

func (emptied) Watermark() int64               { return 1_000_000 }
func (emptied) Waiting() int                   { return 0 }
func (emptied) Sessions() (open, retained int) { return 0, 0 }

func (emptied) Gauges(d *schemas.Deltas, at int64) { d.Tenants[0][0] = at }

// shower keeps the time that emptied writes as its only gauge.
type shower struct {
	Publisher
	last int64
}

func (s *shower) Show(_ uint32, d *schemas.Deltas) { s.last = d.Tenants[0][0] }

// TestQuietLane: nothing waits for the watermark of a lane without sessions, so it
// stands; but the facts are complete as long as nothing comes.
func TestQuietLane(t *testing.T) {
	m := NewMetrics(prometheus.NewRegistry(), time.Now)
	voc, err := schemas.NewVocabulary([schemas.NumTopics]string{"clicks", "orders"}, []schemas.Tenant{{ID: "t", Location: time.UTC, Currency: "CNY"}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	shown := &shower{}
	l := &Lane{
		id: 1, state: emptied{}, batch: schemas.NewBatch(voc), out: &transform.Output{Deltas: schemas.NewDeltas(schemas.NewRegister(voc), 1)},
		deps: Deps{Metrics: m, Publisher: shown},
	}
	for range 3 {
		if err := l.step(t.Context(), &ingest.Input{Idle: 20 * time.Second}, checkpoint.KindPlan); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := shown.last, int64(1_060_000); got != want {
		t.Errorf("gauges as of %d ms, want %d", got, want)
	}
	if got, want := m.watermarks.mu.lanes[1], int64(1_060_000); got != want {
		t.Errorf("complete until %d ms after a minute without records, want %d", got, want)
	}
}

// TestCompleteUntil: a lane shows how far its facts are complete from its
// recovery on, its delay grows while it stands still, and it leaves with the lane.
func TestCompleteUntil(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	reg := prometheus.NewRegistry()
	m := NewMetrics(reg, func() time.Time { return now })
	want := func(lines ...string) {
		t.Helper()
		text := ""
		for _, name := range []string{"ecom_complete_until_timestamp_seconds", "ecom_watermark_delay_seconds"} {
			help := map[bool]string{true: "Event time up to which the lane's facts are complete (its watermark).", false: "Wall clock minus watermark, per lane."}[name == "ecom_complete_until_timestamp_seconds"]
			if len(lines) > 0 {
				text += "# HELP " + name + " " + help + "\n# TYPE " + name + " gauge\n"
			}
			for _, l := range lines {
				if strings.HasPrefix(l, name) {
					text += l + "\n"
				}
			}
		}
		if err := testutil.GatherAndCompare(reg, strings.NewReader(text), "ecom_complete_until_timestamp_seconds", "ecom_watermark_delay_seconds"); err != nil {
			t.Error(err)
		}
	}
	m.shown(1, 0) // nothing has happened in it yet
	want()
	m.shown(3, 999_900_500)
	want(`ecom_complete_until_timestamp_seconds{lane="3"} 999900.5`, `ecom_watermark_delay_seconds{lane="3"} 99.5`)
	now = now.Add(time.Minute)
	want(`ecom_complete_until_timestamp_seconds{lane="3"} 999900.5`, `ecom_watermark_delay_seconds{lane="3"} 159.5`)
	m.watermarks.set(3, 999_990_000)
	want(`ecom_complete_until_timestamp_seconds{lane="3"} 999990`, `ecom_watermark_delay_seconds{lane="3"} 70`)
	m.drop(3)
	want()
}
