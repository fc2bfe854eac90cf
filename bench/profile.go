package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/pprof"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// profileLoop runs decode, transform and the encoding of inserts in this
// process and writes its CPU profile. The server answers and stores nothing.
func profileLoop(ctx context.Context, b *bench, path string) (err error) {
	nobody := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer nobody.Close()
	cfg := clickhouse.DefaultConfig()
	cfg.URL = nobody.URL
	client, err := clickhouse.New(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	defer client.Close()
	// The input is made before the profile begins.
	var all []*epoch
	for from := 0; from < b.small.n; from += epochRecords {
		e := &epoch{}
		e.fill(b.small, from, min(from+epochRecords, b.small.n))
		all = append(all, e)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	var m meter
	d, batch := schemas.NewDecoder(b.vocabulary), schemas.NewBatch(b.vocabulary)
	const rounds = 5
	m.start()
	for range rounds {
		eng := newEngine(b)
		stamp := schemas.Stamp{Term: 1 << 32}
		for _, e := range all {
			if err := ctx.Err(); err != nil {
				return err
			}
			decodeInto(d, e.records, batch)
			if err := eng.apply(batch, e.records[len(e.records)-1].Offset); err != nil {
				return err
			}
			stamp.Epoch++
			for _, t := range tables(batch, eng) {
				if t.facts.Rows() == 0 {
					continue
				}
				rec := schemas.NewRecord(t.facts)
				err := client.Insert(ctx, "bench", "bench", stamp, t.id, rec, nil)
				rec.Release()
				if err != nil {
					return err
				}
			}
		}
	}
	m.stop()
	b.progress("decode, transform and encode: %.3f CPU s per million, profile in %s", m.perMillion(rounds*b.small.n), path)
	fmt.Fprintf(os.Stderr, "look at it: go tool pprof -top %s\n", path)
	return nil
}
