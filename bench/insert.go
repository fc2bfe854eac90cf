package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

func insertStage(ctx context.Context, b *bench) error {
	if err := b.startClickHouse(ctx); err != nil {
		return err
	}
	for _, c := range []struct {
		stage, event string
		s            *stream
	}{{"insert", "315B", b.small}, {"insert-800", "800B", b.large}} {
		var engine float64
		err := b.measure(ctx, c.stage, c.event, c.s.n, "all tables of each epoch of 50,000", func() (float64, error) {
			var cpu float64
			var err error
			cpu, engine, err = b.insert(ctx, c.event, c.s)
			return cpu, err
		})
		if err != nil {
			return err
		}
		b.report.cpu(c.stage+"-engine", c.event, c.s.n, engine, b.report.lastCalibration(), "the ClickHouse process meanwhile, merges included")
	}
	return nil
}

// insert writes decoded and transformed epochs as a lane does. It gives the CPU
// seconds per million events of this process and of the engine.
func (b *bench) insert(ctx context.Context, event string, s *stream) (own, engine float64, err error) {
	cfg := clickhouse.DefaultConfig()
	cfg.URL, cfg.Database = b.click.URL(), "bench_insert_"+event
	client, err := clickhouse.New(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return 0, 0, err
	}
	defer client.Close()
	if _, err := client.Migrate(ctx); err != nil {
		return 0, 0, err
	}
	stamp := schemas.Stamp{Term: 1 << 32}
	if err := checkpoint.NewStore(client, "bench").Claim(ctx, stamp.Lane, stamp.Term, "bench", 4); err != nil {
		return 0, 0, err
	}
	var m meter
	d, batch, e := schemas.NewDecoder(b.vocabulary), schemas.NewBatch(b.vocabulary), newEngine(b)
	before, err := cpuOf(b.click.Pid())
	if err != nil {
		return 0, 0, err
	}
	err = s.epochs(func(records []schemas.Record) error {
		decodeInto(d, records, batch)
		if err := e.apply(batch, records[len(records)-1].Offset); err != nil {
			return err
		}
		stamp.Epoch++
		binary.BigEndian.PutUint64(stamp.PlanID[:], stamp.Epoch)
		m.start()
		defer m.stop()
		for _, t := range tables(batch, e) {
			if t.facts.Rows() == 0 {
				continue
			}
			id := fmt.Sprintf("bench/%s/%d/%d", event, stamp.Epoch, t.id)
			rec := schemas.NewRecord(t.facts)
			err := client.Insert(ctx, id, id, stamp, t.id, rec, nil)
			rec.Release()
			switch {
			case err == nil:
			case errors.Is(err, sink.ErrUnknown) && ctx.Err() == nil:
				// The rows were encoded and sent, which is what is measured. A worker
				// would claim the lane again.
				b.progress("insert: an outcome is unknown, its CPU counts: %v", err)
			default:
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	after, err := cpuOf(b.click.Pid())
	return m.perMillion(s.n), perMillion(after-before, s.n), err
}

type tableFacts struct {
	id    schemas.TableID
	facts schemas.Facts
}

// tables are the facts of an epoch in the order of writing.
func tables(batch *schemas.Batch, e *engine) []tableFacts {
	return []tableFacts{
		{schemas.FactEvents, batch.Events},
		{schemas.FactSessions, e.out.Sessions},
		{schemas.FactOrderEvents, batch.Orders},
		{schemas.FactOrderItems, batch.Items},
		{schemas.FactRefunds, e.out.Refunds},
		{schemas.LateEvents, e.out.Late},
		{schemas.DeadLetters, batch.Letters},
	}
}
