//go:build linux

package devmode_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
)

// usage reads a process's CPU time and resident memory.
func usage(b *testing.B, pid int) (cpu time.Duration, rss int64) {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	var ticks int64
	for _, s := range f[11:13] { // utime and stime, in hundredths of a second
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	pages, err := strconv.ParseInt(f[21], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(ticks) * 10 * time.Millisecond, pages * int64(os.Getpagesize())
}

// wideBlock is 50,000 rows × 45 columns in ClickHouse's compressed Native format:
// 10 low-cardinality and 10 plain strings, 25 numbers.
func wideBlock(b *testing.B, rows int) (body []byte, ddl string, raw int) {
	b.Helper()
	var in proto.Input
	var cols []string
	add := func(name, typ string, c proto.ColInput) {
		in = append(in, proto.InputColumn{Name: name, Data: c})
		cols = append(cols, name+" "+typ)
	}
	for i := range 10 {
		c := new(proto.ColStr).LowCardinality()
		for r := range rows {
			c.Append(fmt.Sprint("value", (r*7+i)%23))
		}
		if err := c.Prepare(); err != nil {
			b.Fatal(err)
		}
		add(fmt.Sprint("l", i), "LowCardinality(String)", c)
	}
	for i := range 10 {
		c := new(proto.ColStr)
		for r := range rows {
			c.Append(fmt.Sprintf("%x-%d", uint32(r*2654435761+i), i))
		}
		add(fmt.Sprint("s", i), "String", c)
	}
	for i := range 25 {
		c := new(proto.ColInt64)
		for r := range rows {
			c.Append(int64(r*(i+1)) + 1_700_000_000_000)
		}
		add(fmt.Sprint("n", i), "Int64", c)
	}
	var buf proto.Buffer
	block := proto.Block{Rows: rows, Columns: len(in)}
	if err := block.EncodeRawBlock(&buf, 0, in); err != nil {
		b.Fatal(err)
	}
	w := compress.NewWriter(0, compress.LZ4)
	for p := buf.Buf; len(p) > 0; {
		n := min(len(p), 1<<20)
		if err := w.Compress(p[:n]); err != nil {
			b.Fatal(err)
		}
		body = append(body, w.Data...)
		p = p[n:]
	}
	return body, "(" + strings.Join(cols, ", ") + ")", len(buf.Buf)
}

func BenchmarkInsertNativeLZ4(b *testing.B) {
	const rows = 50_000
	c := devtest.StartClickHouse(b, b.TempDir())
	body, ddl, raw := wideBlock(b, rows)
	devtest.Exec(b, c.URL(), "CREATE TABLE t "+ddl+" ENGINE = MergeTree ORDER BY n0")
	q := url.Values{"query": {"INSERT INTO t FORMAT Native"}, "decompress": {"1"}, "async_insert": {"0"}, "max_insert_block_size": {"1000000"}}
	before, _ := usage(b, c.Pid())
	b.SetBytes(int64(raw))
	n := 0
	for b.Loop() {
		n++
		q.Set("insert_deduplication_token", fmt.Sprint(n))
		resp, err := devtest.HTTP.Post(c.URL()+"/?"+q.Encode(), "application/octet-stream", bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			b.Fatal(resp.Status)
		}
	}
	after, rss := usage(b, c.Pid())
	b.ReportMetric(float64(rows*n)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64((after-before).Microseconds())/float64(rows*n), "engine-µs/row")
	b.ReportMetric(float64(rss)/1e6, "engine-MB")
	if got, want := devtest.Exec(b, c.URL(), "SELECT count() FROM t"), fmt.Sprint(rows*n); got != want {
		b.Fatalf("%s rows stand, want %s", got, want)
	}
}

func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		c, err := devtest.TryStart(dir)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_, rss := usage(b, c.Pid())
		b.ReportMetric(float64(rss)/1e6, "engine-MB")
		if err := c.Stop(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func BenchmarkSmallStatements(b *testing.B) {
	server := devtest.ClickHouse(b)
	db := devtest.Database(b, server)
	devtest.Exec(b, server, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a", "database", db)
	n := 0
	for name, f := range map[string]func(){
		"select":              func() { devtest.Exec(b, server, "SELECT 1", "database", db) },
		"select-new-query-id": func() { n++; devtest.Exec(b, server, "SELECT 1", "database", db, "query_id", fmt.Sprint(n)) },
		"insert-one-row":      func() { devtest.Exec(b, server, "INSERT INTO t VALUES (1)", "database", db, "async_insert", "0") },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f()
			}
		})
	}
}
