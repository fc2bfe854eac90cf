package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	dto "github.com/prometheus/client_model/go"
)

// phases measures the lanes while workers stop, die and join.
func (z *size) phases(ctx context.Context, w *sizeWorker) error {
	if err := z.snapshots(ctx, w); err != nil {
		return errors.Join(err, w.failure())
	}
	z.progress("size: a worker that stops and one that takes over everything")
	if err := w.stop(); err != nil {
		return err
	}
	second, err := z.start(ctx)
	if err != nil {
		return err
	}
	defer second.kill()
	if err := z.until(ctx, time.Minute, "lanes are assigned", func() (bool, error) { return !second.assigned().IsZero(), second.failure() }); err != nil {
		return err
	}
	if err := z.takeover(ctx, "first_epoch_after_assignment_ms", "from the assignment of all lanes to the last lane's first new epoch in the tables", second.assigned()); err != nil {
		return errors.Join(err, second.failure())
	}

	z.progress("size: kill -9")
	second.kill()
	killed := time.Now()
	third, err := z.start(ctx)
	if err != nil {
		return err
	}
	defer third.kill()
	note := fmt.Sprintf("from a kill -9 to the last lane's first new epoch in the tables (session timeout %s)", sizeTimeout)
	if err := z.takeover(ctx, "first_epoch_after_kill_ms", note, killed); err != nil {
		return errors.Join(err, third.failure())
	}
	return z.rebalance(ctx, third)
}

// snapshots waits for a round of snapshots of every lane.
func (z *size) snapshots(ctx context.Context, w *sizeWorker) error {
	z.progress("size: snapshots of every lane")
	together, err := apart(w.cmd.Process.Pid)
	if err != nil {
		return err
	}
	defer together()
	count := func() (*dto.Histogram, map[string]*dto.MetricFamily, error) {
		families, err := w.scrape(ctx)
		if err != nil {
			return nil, nil, err
		}
		f := families["ecom_pipeline_snapshot_pause_seconds"]
		if f == nil || len(f.Metric) == 0 {
			return nil, nil, errors.New("the worker has no histogram of snapshot pauses")
		}
		return f.Metric[0].Histogram, families, nil
	}
	before, _, err := count()
	if err != nil {
		return err
	}
	var after *dto.Histogram
	var families map[string]*dto.MetricFamily
	if err := z.until(ctx, 3*time.Minute, "every lane has saved its state twice", func() (bool, error) {
		after, families, err = count()
		return err == nil && after.GetSampleCount() >= before.GetSampleCount()+2*uint64(z.lanes), err
	}); err != nil {
		return err
	}
	n := after.GetSampleCount() - before.GetSampleCount()
	mean := (after.GetSampleSum() - before.GetSampleSum()) / float64(n)
	below := uint64(0)
	for i, b := range after.Bucket {
		if b.GetUpperBound() == 0.1 {
			below = b.GetCumulativeCount() - before.Bucket[i].GetCumulativeCount()
		}
	}
	state := 0.0
	for _, m := range families["ecom_state_bytes"].GetMetric() {
		state += m.GetGauge().GetValue()
	}
	resident := families["process_resident_memory_bytes"].GetMetric()[0].GetGauge().GetValue()
	z.add("size_snapshot_pause_ms", mean*1000, fmt.Sprintf("mean %.0f ms, %d of %d at most 100 ms; %d lanes under load, %d sessions of %d events; worker on one processor, engine, broker and producer on the others",
		mean*1000, below, n, z.lanes, z.sessions, sessionEvents))
	z.report.results = append(z.report.results, result{
		Stage: "size_memory", Bytes: resident, Sessions: z.sessions,
		note: fmt.Sprintf("%.0f MB resident in one worker with all lanes, %.0f bytes a session by the states' own count", resident/1e6, state/float64(z.sessions)),
	})
	return nil
}

func (z *size) add(stage string, millis float64, note string) {
	z.report.results = append(z.report.results, result{Stage: stage, Millis: millis, Sessions: z.sessions, note: note})
	z.progress("%s: %s", stage, note)
}

// takeover waits until every lane has stored an epoch that was planned after
// the moment, and reports how long that took.
func (z *size) takeover(ctx context.Context, stage, note string, from time.Time) error {
	var lanes uint64
	var last time.Time
	err := z.until(ctx, 2*time.Minute, "every lane has a new epoch", func() (bool, error) {
		err := z.db.QueryRow(since(ctx, from), `
			SELECT count(), max(stored) FROM (
				SELECT lane, min(at) AS stored FROM (
					SELECT lane, epoch, max(inserted_at) AS at FROM fact_events
					WHERE (lane, epoch) IN (SELECT lane, epoch FROM epochs WHERE kind = 'plan' GROUP BY lane, epoch HAVING min(created_at) > toDateTime64({from:String}, 3, 'UTC'))
					GROUP BY lane, epoch)
				GROUP BY lane)`).Scan(&lanes, &last)
		return lanes == uint64(z.lanes), err
	})
	if err != nil {
		return err
	}
	took := last.Sub(from)
	z.add(stage, milliseconds(took), fmt.Sprintf("%.1f s %s; %d lanes, %d sessions", took.Seconds(), note, z.lanes, z.sessions))
	return nil
}

// since binds the parameter from.
func since(ctx context.Context, t time.Time) context.Context {
	return ch.Context(ctx, ch.WithParameters(ch.Parameters{"from": t.UTC().Format("2006-01-02 15:04:05.000")}))
}

// rebalance measures how long lanes stand still while a third worker joins two.
func (z *size) rebalance(ctx context.Context, w *sizeWorker) error {
	z.progress("size: two workers, then three")
	second, err := z.start(ctx)
	if err != nil {
		return err
	}
	defer second.kill()
	// settled: every lane has planned epochs for a while after the worker's assignment.
	settled := func(w *sizeWorker) error {
		return z.until(ctx, 2*time.Minute, "the lanes go on under the new assignment", func() (bool, error) {
			at := w.assigned()
			if at.IsZero() {
				return false, w.failure()
			}
			var lanes uint64
			err := z.db.QueryRow(since(ctx, at.Add(8*time.Second)), `SELECT uniqExact(lane) FROM epochs WHERE kind = 'plan' AND created_at > toDateTime64({from:String}, 3, 'UTC')`).Scan(&lanes)
			return lanes == uint64(z.lanes), err
		})
	}
	if err := settled(second); err != nil {
		return err
	}
	third, err := z.start(ctx)
	if err != nil {
		return err
	}
	defer third.kill()
	if err := settled(third); err != nil {
		return err
	}
	var moved, worstMoved, worstStayed, usual float64
	err = z.db.QueryRow(since(ctx, third.began.Add(-3*time.Second)), `
		SELECT toFloat64(countIf(claims > 0)), toFloat64(maxIf(gap, claims > 0)), toFloat64(maxIf(gap, claims = 0)), toFloat64(quantileExact(0.5)(usual)) FROM (
			SELECT lane, uniqExact(term) - 1 AS claims, arraySort(groupArray(toUnixTimestamp64Milli(created_at))) AS at, arrayDifference(at) AS d,
				arrayMax(d) AS gap, arrayElement(arraySort(d), intDiv(length(d), 2) + 1) AS usual
			FROM epochs WHERE kind = 'plan' AND created_at > toDateTime64({from:String}, 3, 'UTC') GROUP BY lane)`).Scan(&moved, &worstMoved, &worstStayed, &usual)
	if err != nil {
		return fmt.Errorf("measure the gaps: %w", err)
	}
	z.add("rebalance_gap_ms", max(worstMoved, worstStayed), fmt.Sprintf("longest time between two plans of a lane while a third worker joins: %.0f ms for the %.0f lanes that moved, %.0f ms for those that stayed; %.0f ms at other times",
		worstMoved, moved, worstStayed, usual))
	for _, w := range []*sizeWorker{third, second, w} {
		if err := w.stop(); err != nil {
			return err
		}
	}
	return nil
}
