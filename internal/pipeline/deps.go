// Package pipeline joins the stages and owns the order of durable steps: one
// goroutine per lane claims it, recovers it and runs its epochs. The worker
// starts the lanes and waits for them; nothing here outlives Run.
package pipeline

import (
	"context"
	"log/slog"
	"time"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform"
)

// Ledger is what a lane asks of its ledger; *checkpoint.Store is one. Writes
// fail with the classes of package sink.
type Ledger interface {
	MaxTerm(ctx context.Context, lane uint32) (uint64, error)
	Partitions(ctx context.Context) (uint32, error)
	Claim(ctx context.Context, lane uint32, term uint64, worker string, partitions uint32) error
	Owner(ctx context.Context, lane uint32) (uint64, error)
	Drain(ctx context.Context, lane uint32, term uint64) error
	Head(ctx context.Context, lane uint32) (*checkpoint.Plan, error)
	Chain(ctx context.Context, lane uint32, head *checkpoint.Plan, from uint64) ([]checkpoint.Plan, error)
	WritePlan(ctx context.Context, p *checkpoint.Plan) error
	SaveSnapshot(ctx context.Context, s *checkpoint.Snapshot) error
	LoadSnapshot(ctx context.Context, lane uint32, ref checkpoint.SnapshotRef) (*checkpoint.Snapshot, error)
	Snapshots(ctx context.Context, lane uint32) ([]checkpoint.SnapshotRef, error)
}

// Facts is where a lane writes its facts; *clickhouse.Client is one.
type Facts interface {
	Insert(ctx context.Context, queryID, token string, stamp schemas.Stamp, table schemas.TableID, rec arrow.Record, rows []uint32) error
	Probe(ctx context.Context, table schemas.TableID, rec arrow.Record, rows []uint32) error
	Standing(ctx context.Context, table schemas.TableID, stamp schemas.Stamp) ([]uint32, error)
	Refused(ctx context.Context, stamp schemas.Stamp) (map[schemas.TableID][]uint32, error)
	Refeed(ctx context.Context, queryID string, stamp schemas.Stamp) error
	Positions(ctx context.Context, table schemas.TableID, stamp schemas.Stamp) ([]schemas.RowPosition, error)
	Copies(ctx context.Context, lane uint32, t schemas.Topic, refs []schemas.EventRef) ([]int64, error)
}

// Past answers what a rebuild asks of the facts of a lane's epochs before the
// given one; *rebuild.Store is one. An answer depends on those epochs alone.
type Past interface {
	Past(ctx context.Context, lane uint32, epoch uint64, ask *transform.Ask) (*transform.Past, error)
}

// Source reads the two partitions of a lane; *ingest.Lane is one.
type Source interface {
	Next(ctx context.Context, from schemas.Positions) (*ingest.Input, error)
	Read(ctx context.Context, r schemas.Ranges) (*ingest.Input, error)
	Bounds(ctx context.Context) (start, end schemas.Positions, err error)
	Close() error
}

// Publisher takes metric changes; *prom.Collector is one.
type Publisher interface {
	Publish(lane uint32, d *schemas.Deltas)
	Show(lane uint32, d *schemas.Deltas)
	Drop(lane uint32)
}

// Decoder turns a record into a row of the batch; *schemas.Decoder is one.
type Decoder interface {
	Decode(t schemas.Topic, r *schemas.Record, b *schemas.Batch) schemas.Reason
}

// Engine is the state of one lane; *transform.State is one.
type Engine interface {
	Apply(version int, in transform.Input, out *transform.Output) error
	NextWatermark(b *schemas.Batch) int64
	Suspects(b *schemas.Batch, dst *transform.Suspects)
	MayLack()
	Watermark() int64
	CloseAllWatermark() int64
	Survey(load func(*transform.Ask) (*transform.Past, error)) (due bool, err error)
	Rebuild(version int, epoch uint64, out *transform.Output) (transform.Rebuilt, error)
	Waiting() int
	Snapshot(dst []byte) []byte
	Gauges(d *schemas.Deltas, at int64)
	Bytes() int64
	Sessions() (open, retained int)
}

// Rules are the transform versions this program can run.
type Rules struct {
	Current int
	Runs    func(version int) bool
	New     func() Engine
	Restore func(snapshot []byte) (Engine, error)
	// Differs says whether the configuration has other settings than a restored
	// state, Adopt puts them in force.
	Differs func(Engine) bool
	Adopt   func(Engine)
}

// Deps are the parts a lane works with.
type Deps struct {
	Ledger     Ledger
	Facts      Facts
	Past       Past // nil: no rebuild begins
	Publisher  Publisher
	Rules      Rules
	Vocabulary *schemas.Vocabulary
	Register   *schemas.Register
	Decoder    func() Decoder
	Log        *slog.Logger
	Now        func() time.Time
	Sleep      func(ctx context.Context, d time.Duration) error
	Random     func() uint32 // drawn per claim; must be really random
	Packers    *Packers      // shared by the lanes of the worker
	Spawn      func(func())  // runs a snapshot's compression and insert beside the lane
	Metrics    *Metrics
}
