package e2e

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/judge"
	"github.com/storepulse/storepulse/internal/pipeline"
	"github.com/storepulse/storepulse/internal/rebuild"
	"github.com/storepulse/storepulse/internal/verify"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink"
	"github.com/storepulse/storepulse/sink/clickhouse"
	"github.com/storepulse/storepulse/transform"
)

var (
	worlds    = flag.Int("worlds", 12, "random worlds of TestPropertyOnEngine")
	worldSeed = flag.Uint64("world.seed", 0, "seed of TestPropertyOnEngine, 0 = by the clock")
)

// TestPropertyOnEngine: random worlds, each a lane of its own, cut into random
// epochs, with inserts that are lost, applied with an error or refused for now,
// through the real lane, ledger and engine. Each event stands once and the
// sessions are the oracle's.
func TestPropertyOnEngine(t *testing.T) {
	seed := *worldSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (repeat with -world.seed %d)", seed, seed)
	cfg := config.Default()
	cfg.Sink.ClickHouse.URL = devtest.ClickHouse(t)
	cfg.Sink.ClickHouse.Database = devtest.Database(t, cfg.Sink.ClickHouse.URL)
	s := &shop{t: t, cfg: cfg}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	client, err := clickhouse.New(cfg.ClickHouse(), quiet, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all judge.Records
	faults, copies := 0, 0
	for n := range *worlds {
		rng := rand.New(rand.NewPCG(seed, uint64(n)))
		events := randomWorld(rng)
		source := newMemorySource(events, rng)
		for topic, log := range source.log {
			for _, r := range log {
				all = append(all, judge.Record{Topic: schemas.Topic(topic), Partition: int32(n), Record: r})
			}
		}
		f := &faultyFacts{Client: client, rng: rng}
		runLane(t, uint32(n), cfg, source, f, client, checkpoint.NewStore(client, cfg.Pipeline.ID), rng, quiet)
		faults += f.faults
		copies += f.copies
	}
	t.Logf("%d worlds, %d records, %d faults, %d copies found among the facts", *worlds, len(all), faults, copies)
	if copies == 0 && *worlds > 5 {
		t.Error("no copy came after its original had left the state")
	}
	s.judgeRecords(all)
	for _, what := range []string{"SELECT count() > 0 FROM late_events WHERE late_class = 'late'", "SELECT count() > 0 FROM epochs WHERE kind = 'rebuild'"} {
		s.wantCount(what, 1)
	}
	settings := cfg.Transform()
	r, err := verify.Check(t.Context(), checkpoint.NewStore(client, cfg.Pipeline.ID), client, verify.Options{
		Topics: cfg.ClickHouse().Topics, Tables: true, Sessions: true, Gap: settings.Gap,
	})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Agrees() {
		t.Errorf("ledger and tables disagree: %+v", r.Findings)
	}
}

// randomWorld is a few hours of a small shop with its defects.
func randomWorld(rng *rand.Rand) []gen.Event {
	defects := gen.RealisticDefects()
	defects.Late, defects.TooLate = 0, 0 // a small world ends before they come: see below
	defects.Duplicate, defects.OutOfOrder, defects.Broken = 0.1, 0.2, 0.03
	defects.Repeated = 0.1 // also hours and days after everything around them has left the state
	start := time.Date(2026, 11, 1+rng.IntN(20), rng.IntN(24), 0, 0, 0, time.UTC)
	g := gen.New(gen.Settings{
		Seed: rng.Uint64(), Start: start,
		Rate: 0.01, Duration: time.Duration(1+rng.IntN(8)) * time.Hour, Finish: true, FlatDay: true, KnownVisitors: 30, Defects: defects,
	})
	events := []gen.Event{visit(rng, start)} // a small shop may have no other for hours
	for e := (gen.Event{}); g.Next(&e); {
		events = append(events, gen.Event{Topic: e.Topic, Key: bytes.Clone(e.Key), Value: bytes.Clone(e.Value), Time: e.Time})
	}
	events = append(events, ownedLater(rng, start)...)
	if late := rng.IntN(20); late > 2 {
		for i := range events {
			if rng.IntN(late) == 0 {
				events[i].Time = events[i].Time.Add(time.Duration(rng.Int64N(int64([]time.Duration{4, 20, 90}[rng.IntN(3)] * time.Hour)))).Truncate(time.Millisecond)
			}
		}
		for range rng.IntN(12) { // others, so that time goes on
			events = append(events, visit(rng, start.Add(time.Duration(rng.Int64N(int64(90*time.Hour))))))
		}
	}
	slices.SortStableFunc(events, func(a, b gen.Event) int { return a.Time.Compare(b.Time) })
	// The last one comes when every span, order and late event before has long
	// left the state, so that all rebuilds are due when the lane drains.
	return append(events, visit(rng, events[len(events)-1].Time.Add(200*time.Hour)))
}

// ownedLater is a session that comes up again hours later, with an order of
// which one event tells when it was created and another whose it is.
func ownedLater(rng *rand.Rand, start time.Time) []gen.Event {
	id := rng.Uint64()
	event := func(topic schemas.Topic, kind string, at, arrived time.Duration, fields string) gen.Event {
		value := fmt.Sprintf(`{"id":"%d-%d","source":"/owned","type":%q,"time":%q,"platform":"h5",%s}`, id, at, kind, start.Add(at).Format(time.RFC3339Nano), fields)
		return gen.Event{Topic: topic, Key: []byte("owned"), Value: []byte(value), Time: start.Add(arrived)}
	}
	owner := fmt.Sprintf(`"anonymous_id":"%d"`, id)
	view := owner + `,"page_type":"home","page_url":"https://shop.example/"`
	order := fmt.Sprintf(`"order_id":"%d","currency":"CNY"`, id)
	created, paid := time.Minute, time.Duration(60+rng.IntN(60))*time.Minute
	late := time.Duration(10+rng.IntN(50)) * time.Hour
	return []gen.Event{
		event(schemas.Clickstream, "page_view", 0, 0, view),
		event(schemas.OrdersTopic, "order.created", created, created, order+fmt.Sprintf(`,"order_version":1,"user_id":"%d","created_at":%q,"payable_amount":"10.00","items":[{"item_id":"s1","price":"10.00"}]`,
			id, start.Add(created).Format(time.RFC3339Nano))),
		event(schemas.OrdersTopic, "order.paid", paid, paid, order+fmt.Sprintf(`,"order_version":2,%s,"paid_at":%q,"paid_amount":"10.00","payment_method":"alipay"`,
			owner, start.Add(paid).Format(time.RFC3339Nano))),
		visit(rng, start.Add(late)),
		event(schemas.Clickstream, "page_view", 20*time.Minute, late, view),
	}
}

// visit is a visitor's only page view, at the given time.
func visit(rng *rand.Rand, at time.Time) gen.Event {
	at = at.UTC().Truncate(time.Millisecond)
	value := fmt.Sprintf(`{"id":"%d","source":"/visit","type":"page_view","time":%q,"anonymous_id":"%[1]d","platform":"h5","page_type":"home","page_url":"https://shop.example/"}`,
		rng.Uint64(), at.Format(time.RFC3339Nano))
	return gen.Event{Topic: schemas.Clickstream, Key: []byte("visit"), Value: []byte(value), Time: at}
}

// runLane takes the events through a lane until it is drained.
func runLane(t *testing.T, id uint32, cfg config.Config, source pipeline.Source, facts pipeline.Facts, client *clickhouse.Client, ledger pipeline.Ledger, rng *rand.Rand, log *slog.Logger) {
	t.Helper()
	voc, err := cfg.Vocabulary()
	if err != nil {
		t.Fatal(err)
	}
	register := schemas.NewRegister(voc)
	lanes := cfg.Lanes()
	lanes.Partitions = uint32(*worlds)
	lanes.DrainPoll, lanes.SnapshotEvery, lanes.RebuildEvery = 20*time.Millisecond, 20*time.Millisecond, 50*time.Millisecond
	lanes.ClaimBackoff = pipeline.Backoff{Min: time.Millisecond, Max: 5 * time.Millisecond}
	lanes.RetryBackoff = lanes.ClaimBackoff
	lane := pipeline.NewLane(id, lanes, source, pipeline.Deps{
		Ledger: ledger, Facts: facts, Past: &faultyPast{rebuild.NewStore(client, voc), rng}, Publisher: nobody{},
		Rules: pipeline.Rules{
			Current: transform.Version, Runs: func(v int) bool { return v == transform.Version },
			New:     func() pipeline.Engine { return transform.New(voc, register, cfg.Transform()) },
			Restore: func(b []byte) (pipeline.Engine, error) { return transform.Restore(voc, register, cfg.Transform(), b) },
			Differs: func(pipeline.Engine) bool { return false }, Adopt: func(pipeline.Engine) {},
		},
		Vocabulary: voc, Register: register, Decoder: func() pipeline.Decoder { return schemas.NewDecoder(voc) },
		Log: log, Now: time.Now, Random: rng.Uint32, Packers: pipeline.NewPackers(1), Spawn: func(f func()) { f() },
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
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := lane.Run(ctx, nil); err != nil {
		t.Fatalf("lane %d: %v", id, err)
	}
	if ctx.Err() != nil {
		t.Fatalf("lane %d was not drained in time", id)
	}
}

type nobody struct{}

func (nobody) Publish(uint32, *schemas.Deltas) {}
func (nobody) Show(uint32, *schemas.Deltas)    {}
func (nobody) Drop(uint32)                     {}

// faultyFacts loses inserts, or their acknowledgements, and answers to lookups.
type faultyFacts struct {
	*clickhouse.Client
	rng    *rand.Rand
	faults int
	copies int // found
}

func (f *faultyFacts) Copies(ctx context.Context, lane uint32, topic schemas.Topic, refs []schemas.EventRef) ([]int64, error) {
	if f.rng.IntN(6) == 0 {
		f.faults++
		return nil, errors.New("the answer is lost")
	}
	found, err := f.Client.Copies(ctx, lane, topic, refs)
	f.copies += len(found)
	return found, err
}

func (f *faultyFacts) Insert(ctx context.Context, queryID, token string, stamp schemas.Stamp, table schemas.TableID, rec arrow.Record, rows []uint32) error {
	fate := f.rng.IntN(12)
	if fate < 3 {
		f.faults++
	}
	switch fate {
	case 0:
		return errors.Join(sink.ErrUnknown, errors.New("lost on its way"))
	case 1:
		return errors.Join(sink.ErrNotApplied, errors.New("refused for now"))
	}
	err := f.Client.Insert(ctx, queryID, token, stamp, table, rec, rows)
	if err == nil && fate == 2 {
		return errors.Join(sink.ErrUnknown, errors.New("applied, but the answer is lost"))
	}
	return err
}

// faultyPast does not always answer.
type faultyPast struct {
	*rebuild.Store
	rng *rand.Rand
}

func (f *faultyPast) Past(ctx context.Context, lane uint32, epoch uint64, ask *transform.Ask) (*transform.Past, error) {
	if f.rng.IntN(50) == 0 {
		return nil, errors.New("no answer")
	}
	return f.Store.Past(ctx, lane, epoch, ask)
}

// memorySource is a lane's log in memory, cut at random.
type memorySource struct {
	log [schemas.NumTopics][]schemas.Record
	rng *rand.Rand
}

func newMemorySource(events []gen.Event, rng *rand.Rand) *memorySource {
	m := &memorySource{rng: rng}
	for _, e := range events {
		t := e.Topic
		m.log[t] = append(m.log[t], schemas.Record{Offset: int64(len(m.log[t])), Timestamp: e.Time.UnixMilli(), Key: e.Key, Value: e.Value})
	}
	return m
}

// Next cuts both topics at the same record time, as the real planner does.
func (m *memorySource) Next(ctx context.Context, from schemas.Positions) (*ingest.Input, error) {
	next := func(t int, skip int64) int64 {
		if i := from[t] + skip; i < int64(len(m.log[t])) {
			return m.log[t][i].Timestamp
		}
		return 1<<62 - 1
	}
	limit := min(next(0, int64(m.rng.IntN(60))), max(next(1, int64(m.rng.IntN(10))), next(0, 0)))
	var r schemas.Ranges
	for t := range from {
		r[t] = schemas.Range{Start: from[t], End: from[t]}
		for r[t].End < int64(len(m.log[t])) && m.log[t][r[t].End].Timestamp <= limit {
			r[t].End++
		}
	}
	if r.Empty() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return m.Read(ctx, r)
}

func (m *memorySource) Read(_ context.Context, r schemas.Ranges) (*ingest.Input, error) {
	in := &ingest.Input{Ranges: r}
	for t := range r {
		in.Records[t] = m.log[t][r[t].Start:r[t].End]
		for i := range in.Records[t] {
			in.CRC = crc32.Update(in.CRC, crc32.IEEETable, in.Records[t][i].Value)
		}
	}
	return in, nil
}

func (m *memorySource) Bounds(context.Context) (start, end schemas.Positions, err error) {
	return start, schemas.Positions{int64(len(m.log[0])), int64(len(m.log[1]))}, nil
}

func (m *memorySource) Close() error { return nil }
