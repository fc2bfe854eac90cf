package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/obs"
	"github.com/storepulse/storepulse/internal/pipeline"
	"github.com/storepulse/storepulse/internal/rebuild"
	"github.com/storepulse/storepulse/internal/verify"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
	"github.com/storepulse/storepulse/sink/prom"
	"github.com/storepulse/storepulse/transform"
)

// stack is one worker with everything it needs, put together in the order of
// the data. newStack starts nothing.
type stack struct {
	cfg    config.Config
	log    *slog.Logger
	reg    *prometheus.Registry
	kafka  *ingest.Client
	store  *clickhouse.Client
	worker *pipeline.Worker
	server *obs.Server
	watch  *verify.Watch
	views  []clickhouse.View
	snaps  sync.WaitGroup
}

func newStack(cfg config.Config, log *slog.Logger) (*stack, error) {
	voc, err := cfg.Vocabulary()
	if err != nil {
		return nil, err
	}
	s := &stack{cfg: cfg, log: log, reg: obs.NewRegistry(obs.ReadBuild(version)), views: metricViews(cfg, voc)}
	if s.kafka, err = ingest.New(cfg.Source(), log.With("part", "ingest"), s.reg); err != nil {
		return nil, err
	}
	if s.store, err = clickhouse.New(cfg.ClickHouse(), log.With("part", "clickhouse"), s.reg); err != nil {
		return nil, err
	}
	register := schemas.NewRegister(voc)
	business := prom.New(voc, register)
	s.reg.MustRegister(business, prom.NewPromotions(voc, register, cfg.Calendar(), time.Now), prom.NewClocks(voc, register, time.Now))
	settings := cfg.Transform()
	lanes := cfg.Lanes()
	lanes.Worker = workerName()
	s.worker = pipeline.NewWorker(lanes, s.kafka.Run, func(lane uint32) pipeline.Source { return s.kafka.Lane(lane) }, pipeline.Deps{
		Ledger: checkpoint.NewStore(s.store, cfg.Pipeline.ID), Facts: s.store, Past: rebuild.NewStore(s.store, voc), Publisher: business,
		Rules: pipeline.Rules{
			Current: transform.Version,
			Runs:    func(v int) bool { return v == transform.Version },
			New:     func() pipeline.Engine { return transform.New(voc, register, settings) },
			Restore: func(b []byte) (pipeline.Engine, error) { return transform.Restore(voc, register, settings, b) },
			Differs: func(e pipeline.Engine) bool { return e.(*transform.State).Settings() != settings },
			Adopt:   func(e pipeline.Engine) { e.(*transform.State).Adopt(settings) },
		},
		Vocabulary: voc, Register: register, Decoder: func() pipeline.Decoder { return schemas.NewDecoder(voc) },
		Log: log.With("part", "pipeline"), Now: time.Now, Sleep: sleep, Random: random,
		Packers: pipeline.NewPackers(runtime.GOMAXPROCS(0)), Spawn: func(f func()) { s.snaps.Go(f) }, Metrics: pipeline.NewMetrics(s.reg, time.Now),
	})
	s.watch = verify.NewWatch(checkpoint.NewStore(s.store, cfg.Pipeline.ID), s.store, cfg.ClickHouse().Topics, s.worker.Lanes, log.With("part", "verify"), s.reg)
	s.server = obs.NewServer(cfg.HTTP, log.With("part", "http"), s.reg, s.worker.Ready)
	return s, nil
}

// check speaks to both ends before anything is consumed, so that a wrong
// address is an error on the first screen.
func (s *stack) check(ctx context.Context) error {
	if err := s.store.Ping(ctx); err != nil {
		return err
	}
	if !s.cfg.Sink.Migrate {
		if err := s.store.CheckSchema(ctx); err != nil {
			return fmt.Errorf("%w, or set sink.migrate", err)
		}
	} else {
		applied, err := s.migrate(ctx)
		if err != nil {
			return err
		}
		if len(applied) > 0 {
			s.log.Info("migrations applied", "files", strings.Join(applied, " "))
		}
	}
	n, err := s.kafka.Check(ctx)
	if err != nil {
		return err
	}
	s.log.Info("both ends answer", "lanes", n, "kafka", strings.Join(s.cfg.Kafka.Brokers, ","), "clickhouse", s.cfg.Sink.ClickHouse.URL)
	return nil
}

// migrate brings tables and views to the program's schema.
func (s *stack) migrate(ctx context.Context) (applied []string, err error) {
	if applied, err = s.store.Migrate(ctx); err != nil {
		return applied, err
	}
	return applied, s.store.ApplyViews(ctx, s.views)
}

// run works until ctx ends or the worker is drained.
func (s *stack) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts errgroup.Group
	part := func(f func(context.Context) error) {
		parts.Go(func() error {
			err := f(ctx)
			if err != nil && !errors.Is(err, context.Canceled) {
				cancel()
				return err
			}
			return nil
		})
	}
	part(s.server.Run)
	part(s.store.Run)
	part(s.watch.Run)
	part(func(ctx context.Context) error {
		defer cancel() // the other parts serve the worker
		return s.worker.Run(ctx)
	})
	return parts.Wait()
}

// close lets go of connections, after run.
func (s *stack) close() error {
	s.snaps.Wait()
	return errors.Join(s.kafka.Close(), s.store.Close())
}

func workerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// random is drawn per claim and must differ between machines and restarts.
func random() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return binary.LittleEndian.Uint32(b[:])
}
