package verify_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/pipeline"
	"github.com/storepulse/storepulse/internal/produce"
	"github.com/storepulse/storepulse/internal/verify"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
	"github.com/storepulse/storepulse/transform"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// shop is one lane on an embedded Kafka and the real engine, drained.
type shop struct {
	t       *testing.T
	cfg     config.Config
	kafka   *ingest.Client
	client  *clickhouse.Client
	store   *checkpoint.Store
	records int
}

// newShop takes some hours of traffic with defects through a lane.
func newShop(t *testing.T, events int64) *shop {
	t.Helper()
	s := &shop{t: t, cfg: config.Default()}
	url := devtest.ClickHouse(t)
	s.cfg.Sink.ClickHouse.URL, s.cfg.Sink.ClickHouse.Database = url, devtest.Database(t, url)
	s.cfg.Kafka.Brokers = []string{devtest.Kafka(t, 1, s.cfg.Kafka.Topics.Clickstream, s.cfg.Kafka.Topics.Orders)}
	s.cfg.Ingest.Epoch.Records, s.cfg.Ingest.Epoch.Interval = 200, 20*time.Millisecond
	var err error
	quiet := slog.New(slog.DiscardHandler)
	if s.kafka, err = ingest.New(s.cfg.Source(), quiet, prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.kafka.Close() })
	if s.client, err = clickhouse.New(s.cfg.ClickHouse(), quiet, prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.client.Close() })
	if _, err := s.client.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.store = checkpoint.NewStore(s.client, s.cfg.Pipeline.ID)
	s.feed(events)
	s.drain()
	return s
}

// clone gives the same run in a database of its own.
func (s *shop) clone(t *testing.T) *shop {
	t.Helper()
	c := *s
	c.t = t
	c.cfg.Sink.ClickHouse.Database = devtest.Database(t, s.cfg.Sink.ClickHouse.URL)
	var err error
	if c.client, err = clickhouse.New(c.cfg.ClickHouse(), slog.New(slog.DiscardHandler), prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.client.Close() })
	if _, err := c.client.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.store = checkpoint.NewStore(c.client, c.cfg.Pipeline.ID)
	tables := []string{"lanes", "epochs", "fact_orders"}
	for table := range schemas.NumTables {
		tables = append(tables, schemas.TableName(table))
	}
	for _, table := range tables {
		c.exec("ALTER TABLE " + table + " ATTACH PARTITION ALL FROM " + s.cfg.Sink.ClickHouse.Database + "." + table)
	}
	return &c
}

func (s *shop) feed(events int64) {
	s.t.Helper()
	defects := gen.RealisticDefects()
	defects.Duplicate, defects.Broken, defects.Late, defects.TooLate, defects.OutOfOrder = 0.02, 0.02, 0.01, 0.002, 0.1
	g := gen.New(gen.Settings{Seed: 7, Start: time.Date(2026, 11, 10, 9, 0, 0, 0, time.UTC), Rate: 0.1, FlatDay: true, MaxEvents: events, KnownVisitors: 40, Defects: defects})
	w := produce.NewWriter(produce.Config{Brokers: s.cfg.Kafka.Brokers, Topics: [2]string{s.cfg.Kafka.Topics.Clickstream, s.cfg.Kafka.Topics.Orders}})
	err := produce.Run(s.t.Context(), w, func(e *gen.Event) bool {
		if !g.Next(e) {
			return false
		}
		s.records++
		return true
	}, produce.Pace{}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := w.Close(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// drain runs the lane until everything is written and every session closed.
func (s *shop) drain() {
	t := s.t
	t.Helper()
	voc, err := s.cfg.Vocabulary()
	if err != nil {
		t.Fatal(err)
	}
	register := schemas.NewRegister(voc)
	lanes := s.cfg.Lanes()
	lanes.Partitions, lanes.DrainPoll = 1, 20*time.Millisecond
	if lanes.Identity, err = s.kafka.Identity(t.Context()); err != nil {
		t.Fatal(err)
	}
	source := s.kafka.Lane(0)
	defer source.Close()
	lane := pipeline.NewLane(0, lanes, source, pipeline.Deps{
		Ledger: s.store, Facts: s.client, Publisher: nobody{},
		Rules: pipeline.Rules{
			Current: transform.Version, Runs: func(v int) bool { return v == transform.Version },
			New: func() pipeline.Engine { return transform.New(voc, register, s.cfg.Transform()) },
			Restore: func(b []byte) (pipeline.Engine, error) {
				return transform.Restore(voc, register, s.cfg.Transform(), b)
			},
			Differs: func(pipeline.Engine) bool { return false }, Adopt: func(pipeline.Engine) {},
		},
		Vocabulary: voc, Register: register, Decoder: func() pipeline.Decoder { return schemas.NewDecoder(voc) },
		Log: slog.New(slog.DiscardHandler), Now: time.Now, Random: rand.Uint32, Packers: pipeline.NewPackers(1), Spawn: func(f func()) { f() },
		Sleep: func(ctx context.Context, d time.Duration) error {
			timer := time.NewTimer(d)
			defer timer.Stop()
			select {
			case <-timer.C:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	})
	lane.Drain()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := lane.Run(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatal("the lane was not drained in time")
	}
}

type nobody struct{}

func (nobody) Publish(uint32, *schemas.Deltas) {}
func (nobody) Show(uint32, *schemas.Deltas)    {}
func (nobody) Drop(uint32)                     {}

func (s *shop) options() verify.Options {
	set := s.cfg.Transform()
	return verify.Options{
		Topics: s.cfg.ClickHouse().Topics, Tables: true, Sessions: true, Records: true, Gap: set.Gap,
		Settled: 72*time.Hour + set.PayWindow + set.MergeHorizon + set.Gap, Log: verify.NewKafka(s.kafka),
	}
}

func (s *shop) check(change ...func(*verify.Options)) *verify.Report {
	s.t.Helper()
	opt := s.options()
	for _, f := range change {
		f(&opt)
	}
	r, err := verify.Check(s.t.Context(), s.store, s.client, opt)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// exec runs a statement; a mutation is waited for.
func (s *shop) exec(query string) string {
	s.t.Helper()
	return strings.TrimSpace(devtest.Exec(s.t, s.cfg.Sink.ClickHouse.URL, query, "database", s.cfg.Sink.ClickHouse.Database,
		"mutations_sync", "2", "insert_deduplicate", "0"))
}

func (s *shop) number(query string) int64 {
	s.t.Helper()
	n, err := strconv.ParseInt(s.exec(query), 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// names demands that the findings name exactly this epoch (0: none), are of
// these checks, and say these texts.
func (s *shop) names(r *verify.Report, epoch int64, checks string, texts ...string) {
	s.t.Helper()
	if r.Agrees() {
		s.t.Fatal("nothing was found")
	}
	var out strings.Builder
	if err := r.Print(&out); err != nil {
		s.t.Fatal(err)
	}
	got := map[string]bool{}
	for _, f := range r.Findings {
		got[f.Check] = true
		if int64(f.Epoch) != epoch {
			s.t.Errorf("epoch %d is named, want %d only: %s", f.Epoch, epoch, f.What)
		}
		if f.Remedy == "" {
			s.t.Errorf("no remedy for: %s", f.What)
		}
	}
	for _, c := range strings.Fields(checks) {
		if !got[c] {
			s.t.Errorf("check %q found nothing", c)
		}
		delete(got, c)
	}
	for c := range got {
		s.t.Errorf("check %q found something too", c)
	}
	for _, text := range append(texts, "DISAGREE") {
		if !strings.Contains(out.String(), text) {
			s.t.Errorf("the report does not say %q", text)
		}
	}
	if s.t.Failed() || testing.Verbose() {
		s.t.Logf("\n%s", out.String())
	}
}
