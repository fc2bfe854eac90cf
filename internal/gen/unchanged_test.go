package gen

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/zeebo/xxh3"
)

// unchanged is the hash of the streams below as they were before the generator
// knew incidents.
const unchanged = 0x60a43f747a46d13

// Without an incident nothing is drawn, and nothing written, otherwise than
// before there were any: seeds that people have written down keep their streams.
func TestWithoutIncidentsStreamsAreWhatTheyWere(t *testing.T) {
	h := xxh3.New()
	for _, s := range []Settings{
		{Seed: 42, Start: start, Rate: 50, MaxEvents: 60_000, Defects: RealisticDefects(), KnownVisitors: 1000},
		{Seed: 7, Start: start, Rate: 5, FlatDay: true, Duration: 3 * time.Hour, Finish: true, Defects: messy, Storms: []Storm{{From: time.Hour, To: 2 * time.Hour, Defects: DuplicateStorm().plus(LateStorm()).plus(SkewStorm())}}},
	} {
		g := New(s)
		for e := (Event{}); g.Next(&e); {
			_, _ = h.Write(append(binary.BigEndian.AppendUint64(nil, uint64(e.Time.UnixMilli())), byte(e.Topic)))
			_, _ = h.Write(e.Key)
			_, _ = h.Write(e.Value)
		}
	}
	if got := h.Sum64(); got != unchanged {
		t.Errorf("the streams have the hash %#x, want %#x: a draw was added, removed or moved", got, uint64(unchanged))
	}
}
