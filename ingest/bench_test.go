package ingest

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/storepulse/storepulse/schemas"
)

// BenchmarkFetch reads a backlog of 315-byte values through Next. cpu-ns/record
// is this process's user and system time: the reader's alone when
// STOREPULSE_TEST_KAFKA names a broker elsewhere, else with kfake's in it.
func BenchmarkFetch(b *testing.B) {
	const total = 400_000
	for _, codec := range []string{"none", "lz4", "zstd"} {
		b.Run(codec, func(b *testing.B) {
			b.ReportAllocs()
			k := broker{addr: os.Getenv("STOREPULSE_TEST_KAFKA")}
			if k.addr == "" {
				k = startFake(b)
			}
			w := newWorld(b, k, 1, func(c *Config) { c.Ingest.Epoch.Interval = 300 * time.Millisecond })
			producer := w.kgo(kgo.ProducerBatchCompression(codecsOf()[codec]), kgo.ProducerBatchMaxBytes(1<<20))
			batch := make([]*kgo.Record, 20_000)
			for n := 0; n < total; n += len(batch) {
				for i := range batch {
					batch[i] = &kgo.Record{Key: fmt.Appendf(nil, "visitor-%d", i%5000), Value: event(n + i), Timestamp: time.UnixMilli(int64(n + i))}
				}
				w.produce(producer, schemas.Clickstream, batch...)
			}
			producer.Close()
			b.ResetTimer()
			var records int
			start := cpuTime(b)
			for range b.N {
				l := w.client.Lane(0)
				for from := (schemas.Positions{}); from[0] < total; {
					in := w.next(l, from)
					records += len(in.Records[0])
					from = in.Ranges.End()
					in.Release()
				}
				_ = l.Close()
			}
			b.ReportMetric(float64(cpuTime(b)-start)/float64(records), "cpu-ns/record")
			b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// event is 315 bytes that compress about as tracker events do.
func event(i int) []byte {
	v := fmt.Appendf(nil, `{"id":"%016x","type":"view_item","time":"2026-05-01T10:%02d:%02d.%03dZ","anonymous_id":"%012x","page":{"url":"https://shop.example/p/%d"},`,
		uint64(i)*0x9e3779b97f4a7c15, i/60%60, i%60, i%1000, uint64(i%5000)*0xbf58476d1ce4e5b9&0xffffffffffff, i%9973)
	return append(v, bytes.Repeat([]byte(`"k":"value",`), 30)[:315-len(v)]...)
}

func cpuTime(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
