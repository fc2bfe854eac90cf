package clickhouse

import (
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/storepulse/storepulse/schemas"
)

// benchEvents gives events like a shop's: short ids, long addresses, most of
// the optional fields empty.
func benchEvents(tb testing.TB, n int) arrow.Record {
	tb.Helper()
	v, err := schemas.NewVocabulary([2]string{"ecom.clickstream.v1", "ecom.orders.v1"}, []schemas.Tenant{{ID: "acme", Location: time.UTC, Currency: "CNY"}}, nil, nil)
	if err != nil {
		tb.Fatal(err)
	}
	e := schemas.NewEvents(v)
	for i := range n {
		h := uint64(i+1) * 0x9e3779b97f4a7c15
		var id schemas.ID
		for k := range id {
			id[k] = byte(h >> (k % 8 * 8))
		}
		for c, col := range e.Columns() {
			def := schemas.EventsTable.Columns[c]
			switch col := col.(type) {
			case *schemas.Fixed[uint8]:
				col.Append(0)
			case *schemas.Fixed[uint16]:
				if def.Type == "Date" {
					col.Append(20697)
				} else {
					col.Append(uint16(h % 3))
				}
			case *schemas.Fixed[uint32]:
				col.Append(uint32(h % 5))
			case *schemas.Fixed[uint64]:
				col.Append(h)
			case *schemas.Fixed[int64]:
				if def.Type == "DateTime64(3)" {
					col.Append(20697*86_400_000 + int64(i)*3)
				} else {
					col.Append(int64(i))
				}
			case *schemas.Fixed[schemas.ID]:
				col.Append(id)
			case *schemas.Dict:
				col.Append(uint8(h % uint64(min(len(col.Names), 12))))
			case *schemas.Strings:
				switch def.Name {
				case "event_id":
					col.AppendString(fmt.Sprintf("%016x-%08x", h, i))
				case "anonymous_id":
					col.AppendString(fmt.Sprintf("a-%016x", h%7919*0x9e3779b97f4a7c15))
				case "source":
					col.AppendString("//shop.example/web")
				case "page_url", "referrer":
					col.AppendString(fmt.Sprintf("https://shop.example/p/%d?spm=a21bo.%d", h%5000, h%97))
				case "item_id":
					col.AppendString(fmt.Sprintf("sku-%d", h%5000))
				default:
					col.AppendString("")
				}
			default:
				tb.Fatalf("%T", col)
			}
		}
	}
	rec := schemas.NewRecord(e)
	tb.Cleanup(rec.Release)
	return rec
}

const benchRows = 50_000

func BenchmarkEncode(b *testing.B) {
	rec := benchEvents(b, benchRows)
	l := newLayout(schemas.EventsTable)
	stamp := schemas.Stamp{Lane: 1, Term: 1, Epoch: 1}
	buf := newBuffer()
	step := func(encode, frame bool) func(*testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if encode {
					var err error
					if buf.block, err = l.encode(buf.block[:0], stamp, rec, nil); err != nil {
						b.Fatal(err)
					}
				}
				if frame {
					if err := buf.frame(); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
			b.ReportMetric(float64(len(buf.block))/benchRows, "B/row")
			b.ReportMetric(float64(len(buf.frames))/benchRows, "lz4-B/row")
		}
	}
	b.Run("native", step(true, false))
	b.Run("lz4", step(false, true))
	b.Run("both", step(true, true))
}

// BenchmarkInsert needs a server: STOREPULSE_TEST_CLICKHOUSE=http://127.0.0.1:8123.
func BenchmarkInsert(b *testing.B) {
	server := os.Getenv("STOREPULSE_TEST_CLICKHOUSE")
	if server == "" {
		b.Skip("no server: set STOREPULSE_TEST_CLICKHOUSE to the URL of one")
	}
	cfg := DefaultConfig()
	cfg.URL, cfg.Database = server, fmt.Sprintf("bench_%d", time.Now().UnixNano())
	c, err := New(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer c.Exec(b.Context(), "DROP DATABASE "+quote(cfg.Database)+" SYNC", nil)
	if err := c.Exec(b.Context(), "INSERT INTO lanes (lane, term) SELECT 1, 1", nil); err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{100, 1000, benchRows} {
		rec := benchEvents(b, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				stamp := schemas.Stamp{Lane: 1, Term: 1, Epoch: uint64(i)}
				if err := c.Insert(b.Context(), fmt.Sprintf("storepulse/bench/1/1/%d-%d", n, i), fmt.Sprintf("%d/%d/%d", n, b.N, i)+time.Now().String(), stamp, schemas.FactEvents, rec, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
