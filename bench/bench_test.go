package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/schemas"
)

// Every event of a stream is accepted, is its own, and has its standard size.
func TestStreamEventsAreAccepted(t *testing.T) {
	cfg := config.Default()
	v, err := cfg.Vocabulary()
	if err != nil {
		t.Fatal(err)
	}
	for name, newOf := range map[string]func(int) (*stream, error){"315": standard315, "800": standard800} {
		s, err := newOf(24_000)
		if err != nil {
			t.Fatal(err)
		}
		var e epoch
		records := e.fill(s, 0, 20*s.group*s.per)
		d, batch := schemas.NewDecoder(v), schemas.NewBatch(v)
		ids, visitors, size := map[string]bool{}, map[string]int{}, 0
		for i := range records {
			if reason := d.Decode(schemas.Clickstream, &records[i], batch); reason != schemas.ReasonNone {
				t.Fatalf("%s: %s: %s\n%s", name, reason, batch.Letters.Detail.At(0), records[i].Value)
			}
			ids[string(batch.Events.EventID.At(i))] = true
			visitors[string(records[i].Key)]++
			size += len(records[i].Value)
			if got := batch.Events.Time[i]; got != records[i].Timestamp {
				t.Fatalf("%s: event time %d, want the record's %d", name, got, records[i].Timestamp)
			}
		}
		if len(ids) != len(records) || len(visitors) != len(records)/perVisitor {
			t.Errorf("%s: %d events have %d ids and %d visitors, want %d visitors", name, len(records), len(ids), len(visitors), len(records)/perVisitor)
		}
		t.Logf("%s: %d bytes on average: %s", name, size/len(records), records[0].Value)
	}
}

// Readers of the file rely on its shape: the five stages have two members and
// nothing else.
func TestReportShape(t *testing.T) {
	var r report
	r.calibration = []float64{4, 2}
	r.cpu("decode", "315B", 1000, 0.5, 2, "")
	r.cpu("decode-800", "800B", 500, 1, 2, "")
	r.results = append(r.results, result{Stage: "bytes_per_open_session", Bytes: 300, Sessions: 10, note: "n"})
	r.finish()
	path := filepath.Join(t.TempDir(), "build", "bench.json")
	if err := r.write(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{
		{"stage": "decode", "cpu_s_per_million": 0.5},
		{"stage": "decode-800", "cpu_s_per_million": 1.0, "event": "800B", "events": 500.0, "ratio_to_calibration": 0.5},
		{"stage": "bytes_per_open_session", "bytes": 300.0, "sessions": 10.0},
		{"stage": "calibration-encoding-json", "cpu_s_per_million": 3.0, "event": "315B"},
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("bench.json (-got, +want):\n%s", diff)
	}
	var table bytes.Buffer
	r.table(&table)
	for _, line := range []string{"decode-800", "bytes_per_open_session: n"} {
		if !strings.Contains(table.String(), line) {
			t.Errorf("the table has no %q:\n%s", line, table.String())
		}
	}
}

func TestParseStat(t *testing.T) {
	got, err := parseStat([]byte("42 (a b) c) S 1 42 42 0 -1 4194560 1 0 0 0 150 25 0 0 20 0 7 0 100 1 2"))
	if err != nil || got != 1750*time.Millisecond {
		t.Errorf("got %s, %v, want 1.75s", got, err)
	}
	if _, err := parseStat([]byte("42 (x) S 1")); err == nil {
		t.Error("a cut line was taken")
	}
}
