package checkpoint

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/storepulse/storepulse/sink/clickhouse"
)

// Store is the ledger in ClickHouse. It holds no state of a lane and is safe
// for concurrent use.
type Store struct {
	c        *clickhouse.Client
	pipeline string
	queries  atomic.Uint64
}

// NewStore makes a ledger for one pipeline; pipelineID is part of every query id.
func NewStore(c *clickhouse.Client, pipelineID string) *Store {
	return &Store{c: c, pipeline: pipelineID}
}

// queryID names an insert so that a later claim can wait for it. The letter
// keeps the store's numbers apart from those of the lane's facts.
func (s *Store) queryID(lane uint32, term uint64) string {
	return fmt.Sprintf("%s%d/c%d", s.prefix(lane), term, s.queries.Add(1))
}

// prefix begins the query ids of a lane; the term follows.
func (s *Store) prefix(lane uint32) string {
	return fmt.Sprintf("storepulse/%s/%d/", s.pipeline, lane)
}

// MaxTerm is the greatest term of the lane in lanes and epochs, 0 if none. Both,
// because after a partial restore either may be behind.
func (s *Store) MaxTerm(ctx context.Context, lane uint32) (uint64, error) {
	return s.term(ctx, lane, `SELECT max(t) FROM (SELECT max(term) AS t FROM lanes WHERE lane = {lane:UInt32}
		UNION ALL SELECT max(term) FROM epochs WHERE lane = {lane:UInt32})`)
}

// Owner is the greatest term of the lane in lanes, 0 if none: what the fence goes by.
func (s *Store) Owner(ctx context.Context, lane uint32) (uint64, error) {
	return s.term(ctx, lane, "SELECT max(term) FROM lanes WHERE lane = {lane:UInt32}")
}

func (s *Store) term(ctx context.Context, lane uint32, query string) (term uint64, err error) {
	err = s.c.Each(ctx, query, laneArg(lane), func(rows driver.Rows) error { return rows.Scan(&term) })
	if err != nil {
		return 0, fmt.Errorf("read the term of lane %d: %w", lane, err)
	}
	return term, nil
}

// Claim writes the row that fences every older term. No deduplication token:
// a claim must never be taken for a copy of another. partitions is the number
// of lanes the pipeline began with.
func (s *Store) Claim(ctx context.Context, lane uint32, term uint64, worker string, partitions uint32) error {
	return s.c.InsertColumns(ctx, s.queryID(lane, term), "", "lanes", 1, []clickhouse.Column{
		u32("lane", lane), u64("term", term), str("worker", worker), str("pipeline", s.pipeline), u32("partitions", partitions),
	})
}

// Partitions is the number of lanes the pipeline began with, 0 if nobody has
// claimed one yet.
func (s *Store) Partitions(ctx context.Context) (n uint32, err error) {
	err = s.c.Each(ctx, "SELECT max(partitions) FROM lanes", nil, func(rows driver.Rows) error { return rows.Scan(&n) })
	if err != nil {
		return 0, fmt.Errorf("read the number of lanes: %w", err)
	}
	return n, nil
}

func laneArg(lane uint32) ch.Parameters { return ch.Parameters{"lane": fmt.Sprint(lane)} }

func u32(name string, v uint32) clickhouse.Column {
	return clickhouse.Column{Name: name, Type: "UInt32", Data: binary.LittleEndian.AppendUint32(nil, v)}
}

func u64(name string, v uint64) clickhouse.Column {
	return clickhouse.Column{Name: name, Type: "UInt64", Data: binary.LittleEndian.AppendUint64(nil, v)}
}

func i64(name string, v int64) clickhouse.Column {
	return clickhouse.Column{Name: name, Type: "Int64", Data: binary.LittleEndian.AppendUint64(nil, uint64(v))}
}

// i64s is one row of Array(Int64): the end of the row, then the values.
func i64s(name string, values []int64) clickhouse.Column {
	data := binary.LittleEndian.AppendUint64(nil, uint64(len(values)))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint64(data, uint64(v))
	}
	return clickhouse.Column{Name: name, Type: "Array(Int64)", Data: data}
}

func str(name, v string) clickhouse.Column {
	return clickhouse.Column{Name: name, Type: "String", Data: clickhouse.AppendString(nil, v)}
}

func id(name string, v [16]byte) clickhouse.Column {
	return clickhouse.Column{Name: name, Type: "UUID", Data: clickhouse.AppendUUID(nil, v)}
}
