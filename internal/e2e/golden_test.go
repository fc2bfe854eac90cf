package e2e

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestOutputHasAVersion: what decoder and transform make of the same records
// belongs to the transform's version, because a crashed epoch is repeated
// under the version that planned it.
func TestOutputHasAVersion(t *testing.T) {
	voc, err := config.Default().Vocabulary()
	if err != nil {
		t.Fatal(err)
	}
	register := schemas.NewRegister(voc)
	state, out := transform.New(voc, register, transform.DefaultSettings()), transform.NewOutput(voc, register)
	batch, decoder := schemas.NewBatch(voc), schemas.NewDecoder(voc)
	g := gen.New(gen.Settings{Seed: 11, Start: time.Date(2026, 11, 10, 0, 0, 0, 0, time.UTC), Rate: 5, MaxEvents: 20_000, FlatDay: true, Defects: gen.RealisticDefects()})
	h := xxh3.New()
	var e gen.Event
	offsets := [schemas.NumTopics]int64{}
	for epoch, more := uint64(1), true; more; epoch++ {
		batch.Reset()
		for n := 0; n < 1000; n++ {
			if more = g.Next(&e); !more {
				break
			}
			decoder.Decode(e.Topic, &schemas.Record{Offset: offsets[e.Topic], Timestamp: e.Time.UnixMilli(), Key: e.Key, Value: e.Value}, batch)
			offsets[e.Topic]++
		}
		in := transform.Input{Epoch: epoch, Batch: batch, Watermark: state.NextWatermark(batch), LastClick: offsets[0] - 1}
		if err := state.Apply(transform.Version, in, out); err != nil {
			t.Fatal(err)
		}
		for _, f := range []schemas.Facts{batch.Events, batch.Orders, batch.Items, batch.Letters, out.Sessions, out.Refunds, out.Late} {
			rec := schemas.NewRecord(f)
			for _, c := range rec.Columns() {
				for _, b := range c.Data().Buffers() {
					if b != nil {
						_, _ = h.Write(b.Bytes())
					}
				}
			}
			rec.Release()
		}
	}
	got := fmt.Sprintf("version %d: %016x over %d clicks and %d order events\n", transform.Version, h.Sum64(), offsets[0], offsets[1])
	golden := filepath.Join("testdata", "output_version.txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got  %swant %sThe same records give other facts: raise transform.Version and keep the former one runnable, "+
			"or, if only the generator has changed, rewrite the file with -update.", got, want)
	}
}
