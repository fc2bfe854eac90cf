package produce

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/schemas"
)

// The fake broker takes its share of the machine: the figure is a lower bound.
func BenchmarkWrite(b *testing.B) {
	topics := [schemas.NumTopics]string{"clicks", "orders"}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(8, topics[0], topics[1]))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	events := gen.Standard(1, 10_000, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	w := NewWriter(Config{Brokers: c.ListenAddrs(), Topics: topics})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := w.Write(b.Context(), &events[i%len(events)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
	if err := w.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
