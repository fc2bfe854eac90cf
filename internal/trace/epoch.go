package trace

import (
	"context"
	"fmt"
	"slices"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/storepulse/storepulse/internal/records"
	"github.com/storepulse/storepulse/schemas"
)

// Epoch is the micro-batch that read a record.
type Epoch struct {
	Lane      uint32          `json:"lane"`
	Epoch     uint64          `json:"epoch"`
	PlanID    uuid.UUID       `json:"plan_id"`
	Kind      string          `json:"kind"`
	Ranges    schemas.Ranges  `json:"ranges"`
	Watermark time.Time       `json:"watermark"`
	Transform uint32          `json:"transform_version"`
	Planned   time.Time       `json:"planned_at"`
	Term      uint64          `json:"term"`
	Worker    string          `json:"worker,omitempty"` // empty: a newer claim has replaced the row
	Done      bool            `json:"done"`
	Counts    *[2]TopicCounts `json:"counts,omitempty"` // by topic, once it is done

	copies [schemas.NumTopics][]int64
}

// Claim is the number of the claim under which it was planned.
func (e *Epoch) Claim() uint64 { return e.Term >> 32 }

// TopicCounts are what an epoch made of its records.
type TopicCounts struct {
	Facts      int64 `json:"facts"`
	Duplicates int64 `json:"duplicates"`
	Letters    int64 `json:"dead_letters"`
	Tombstones int64 `json:"tombstones"`
	Late       int64 `json:"late"`
	Lost       int64 `json:"lost_to_retention"`
	Absent     int64 `json:"absent"`
}

const epochColumns = `lane, epoch, plan_id, kind, clickstream_start, clickstream_end, orders_start, orders_end, watermark, transform, created_at, term,
	clickstream_copies, orders_copies`

func (e *Epoch) scan(r driver.Rows) error {
	var watermark int64
	err := r.Scan(&e.Lane, &e.Epoch, &e.PlanID, &e.Kind, &e.Ranges[0].Start, &e.Ranges[0].End, &e.Ranges[1].Start, &e.Ranges[1].End, &watermark,
		&e.Transform, &e.Planned, &e.Term, &e.copies[0], &e.copies[1])
	e.Watermark = time.UnixMilli(watermark).UTC()
	return err
}

// epochOf reads the plan that a row stands under.
func (t *Tracer) epochOf(ctx context.Context, s *Stamp) (*Epoch, error) {
	var e *Epoch
	args := ch.Parameters{"lane": fmt.Sprint(s.Lane), "epoch": fmt.Sprint(s.Epoch), "next": fmt.Sprint(s.Epoch + 1), "plan": s.PlanID.String()}
	err := t.each(ctx, "the ledger", "SELECT "+epochColumns+" FROM epochs WHERE lane = {lane:UInt32} AND epoch = {epoch:UInt64} AND plan_id = {plan:UUID} ORDER BY term, seq LIMIT 1", args,
		func(r driver.Rows) error {
			e = &Epoch{}
			return e.scan(r)
		})
	if err != nil || e == nil {
		return nil, err
	}
	return e, t.finish(ctx, e, args)
}

// finish adds what the ledger says of the epoch's end, and who planned it.
func (t *Tracer) finish(ctx context.Context, e *Epoch, args ch.Parameters) error {
	// The plan after it says what it gave, or its own done row.
	err := t.each(ctx, "the ledger", `SELECT clickstream_facts, clickstream_duplicates, clickstream_letters, clickstream_tombstones, clickstream_late, clickstream_lost, clickstream_absent,
			orders_facts, orders_duplicates, orders_letters, orders_tombstones, orders_late, orders_lost, orders_absent
		FROM epochs WHERE lane = {lane:UInt32} AND has_done AND (epoch = {next:UInt64} AND prev_plan_id = {plan:UUID} AND NOT endsWith(kind, 'done')
			OR epoch = {epoch:UInt64} AND plan_id = {plan:UUID} AND endsWith(kind, 'done')) ORDER BY term, seq LIMIT 1`, args,
		func(r driver.Rows) error {
			e.Done, e.Counts = true, &[2]TopicCounts{}
			var into []any
			for i := range e.Counts {
				c := &e.Counts[i]
				into = append(into, &c.Facts, &c.Duplicates, &c.Letters, &c.Tombstones, &c.Late, &c.Lost, &c.Absent)
			}
			return r.Scan(into...)
		})
	if err != nil {
		return err
	}
	args["term"] = fmt.Sprint(e.Term)
	return t.each(ctx, "claims", "SELECT worker FROM lanes WHERE lane = {lane:UInt32} AND term = {term:UInt64}", args,
		func(r driver.Rows) error { return r.Scan(&e.Worker) })
}

// epochAt finds the plan whose range holds the offset: of several for the same
// offset the one with the greatest (term, seq), for it is the one in force.
func (t *Tracer) epochAt(ctx context.Context, p records.Position) (*Epoch, error) {
	topic, ok := records.TopicOf(p.Topic, t.Vocabulary.Topics)
	if !ok {
		return nil, nil
	}
	var found *Stamp
	err := t.each(ctx, "the ledger", fmt.Sprintf(`SELECT lane, epoch, plan_id FROM epochs WHERE lane = {lane:UInt32} AND %[1]s_start <= {offset:Int64} AND %[1]s_end > {offset:Int64}
		ORDER BY term DESC, seq DESC LIMIT 1`, topic), ch.Parameters{"lane": fmt.Sprint(p.Partition), "offset": fmt.Sprint(p.Offset)},
		func(r driver.Rows) error {
			found = &Stamp{}
			return r.Scan(&found.Lane, &found.Epoch, &found.PlanID)
		})
	if err != nil || found == nil {
		return nil, err
	}
	return t.epochOf(ctx, found)
}

// copied says that the plan names the offset as a copy of an earlier event.
func (e *Epoch) copied(topic schemas.Topic, offset int64) bool {
	_, ok := slices.BinarySearch(e.copies[topic], offset)
	return ok
}
