package checkpoint

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// kept is how many snapshots of a lane stay: the newest one may be the one
// that a crash makes unreadable, the one before it may be too old for Kafka.
const kept = 3

// SaveSnapshot inserts a state and then drops those before the last three. Only
// the insert decides the outcome: a drop that fails leaves a snapshot more.
func (s *Store) SaveSnapshot(ctx context.Context, sn *Snapshot) error {
	// With the term: before the first epoch two owners may save different states
	// under the same reference, and the newer one counts.
	token := fmt.Sprintf("%s/%d/%d/%d/%x/snapshots", s.pipeline, sn.Lane, sn.Term, sn.Epoch, sn.Plan)
	err := s.c.InsertColumns(ctx, s.queryID(sn.Lane, sn.Term), token, "snapshots", 1, []clickhouse.Column{
		u32("lane", sn.Lane), u64("term", sn.Term), u64("epoch", sn.Epoch), id("plan_id", sn.Plan),
		{Name: "body", Type: "String", Data: clickhouse.AppendString(nil, sn.Body)},
	})
	if err != nil {
		return err
	}
	s.dropOld(ctx, sn.Lane)
	return nil
}

// dropOld drops whole partitions: one holds one epoch's snapshot of one lane.
// A former owner that comes here late drops nothing that a newer one needs:
// "older than the third newest" only ever grows.
func (s *Store) dropOld(ctx context.Context, lane uint32) {
	refs, err := s.Snapshots(ctx, lane)
	if err != nil || len(refs) <= kept {
		return
	}
	var drops []string
	oldest := refs[kept-1].Epoch
	for _, ref := range refs[kept:] {
		if drop := fmt.Sprintf("DROP PARTITION (%d, %d)", lane, ref.Epoch); ref.Epoch < oldest && !slices.Contains(drops, drop) {
			drops = append(drops, drop)
		}
	}
	if len(drops) > 0 {
		_ = s.c.Exec(ctx, "ALTER TABLE snapshots "+strings.Join(drops, ", "), nil)
	}
}

// Snapshots lists what can be loaded, newest first.
func (s *Store) Snapshots(ctx context.Context, lane uint32) ([]SnapshotRef, error) {
	var out []SnapshotRef
	err := s.c.Each(ctx, `SELECT epoch, plan_id FROM snapshots WHERE lane = {lane:UInt32}
		GROUP BY epoch, plan_id ORDER BY epoch DESC, max(term) DESC`, laneArg(lane), func(rows driver.Rows) error {
		var epoch uint64
		var plan uuid.UUID
		err := rows.Scan(&epoch, &plan)
		out = append(out, SnapshotRef{Epoch: epoch, Plan: schemas.ID(plan)})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the snapshots of lane %d: %w", lane, err)
	}
	return out, nil
}

// LoadSnapshot reads one state; nil, nil if it is gone.
func (s *Store) LoadSnapshot(ctx context.Context, lane uint32, ref SnapshotRef) (*Snapshot, error) {
	args := laneArg(lane)
	args["epoch"], args["plan"] = fmt.Sprint(ref.Epoch), uuid.UUID(ref.Plan).String()
	var sn *Snapshot
	err := s.c.Each(ctx, `SELECT term, body FROM snapshots
		WHERE lane = {lane:UInt32} AND epoch = {epoch:UInt64} AND plan_id = {plan:UUID} ORDER BY term DESC LIMIT 1`, args, func(rows driver.Rows) error {
		sn = &Snapshot{Lane: lane, SnapshotRef: ref}
		return rows.Scan(&sn.Term, &sn.Body)
	})
	if err != nil {
		return nil, fmt.Errorf("load the snapshot of lane %d after epoch %d: %w", lane, ref.Epoch, err)
	}
	return sn, nil
}
