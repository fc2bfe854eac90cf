package imports

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/storepulse/storepulse/internal/gen"
)

func BenchmarkImport(b *testing.B) {
	var text strings.Builder
	text.WriteString("event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n")
	for i := range 100_000 {
		fmt.Fprintf(&text, "2019-10-01 00:%02d:%02d UTC,view,%d,2053013552326770905,appliances.kitchen,aqua,33.20,%d,9333dfbd-b87a-4708-9857-6336556b0fcc\n", i/60%60, i%60, i%900, i%5000)
	}
	path := filepath.Join(b.TempDir(), "in.csv")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	m, err := LoadMapping(filepath.Join("..", "..", "examples", "rees46.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(text.Len()) / 100_000)
	b.ReportAllocs()
	var e gen.Event
	var r *Reader
	for b.Loop() {
		if r == nil || !r.Next(&e) {
			if r != nil {
				_ = r.Close()
			}
			if r, err = Open(path, m, Options{}); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	_ = r.Close()
}
