//go:build !noengine

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/devmode"
)

// needEngine says why this build cannot run the embedded parts; this one can.
func needEngine() error { return nil }

// local is the embedded Kafka and ClickHouse of one data directory, and the
// configuration that points at them.
type local struct {
	cfg        config.Config
	kafka      *devmode.Kafka
	clickhouse *devmode.ClickHouse
}

// startLocal starts both; progress tells of a first-time download.
func startLocal(ctx context.Context, progress io.Writer, dataDir string, partitions int, cfg config.Config, log *slog.Logger) (*local, error) {
	l := &local{cfg: cfg}
	var err error
	if l.clickhouse, err = startClickHouse(ctx, progress, dataDir, log); err != nil {
		return nil, err
	}
	topics := cfg.Kafka.Topics.Names()
	l.kafka, err = devmode.StartKafka(devmode.KafkaOptions{
		DataDir: filepath.Join(dataDir, "kafka"), Partitions: partitions, Topics: topics[:],
	})
	if err != nil {
		return nil, errors.Join(err, l.clickhouse.Stop())
	}
	// As in pointAt: no user of the configured one, no TLS.
	l.cfg.Kafka.Brokers, l.cfg.Kafka.TLS, l.cfg.Kafka.SASL = []string{l.kafka.Addr()}, ingest.TLSConfig{}, ingest.SASLConfig{}
	// Nobody waits for the lanes of this only worker, and the machine may be busy.
	l.cfg.Kafka.SessionTimeout = max(l.cfg.Kafka.SessionTimeout, 30*time.Second)
	pointAt(&l.cfg, l.clickhouse.URL())
	return l, nil
}

func startClickHouse(ctx context.Context, progress io.Writer, dataDir string, log *slog.Logger) (*devmode.ClickHouse, error) {
	engine, err := devmode.EnsureEngine(ctx, progress)
	if err != nil {
		return nil, fmt.Errorf("get the embedded ClickHouse: %w", err)
	}
	return devmode.StartClickHouse(ctx, devmode.ClickHouseOptions{DataDir: filepath.Join(dataDir, "clickhouse"), Engine: engine, Args: []string{"dev", "clickhouse", "--child"}, Log: log})
}

// pointAt makes the configuration speak of an embedded ClickHouse: no user of
// the configured one, no TLS.
func pointAt(cfg *config.Config, url string) {
	ch := config.Default().Sink.ClickHouse
	ch.URL, ch.Database = url, cfg.Sink.ClickHouse.Database
	cfg.Sink.ClickHouse, cfg.Sink.Migrate = ch, true
}

func (l *local) stop() error {
	return errors.Join(l.kafka.Close(), l.clickhouse.Stop())
}

// dataDirExists keeps a misspelt name from becoming an empty data directory.
func dataDirExists(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "clickhouse")); err != nil {
		return fmt.Errorf("%s is no data directory of a demo (`storepulse demo --data-dir` makes one): %w", dir, err)
	}
	return nil
}

// attachClickHouse points the configuration at the ClickHouse of a data
// directory: the running one, or one that it starts and the returned function stops.
func attachClickHouse(ctx context.Context, progress io.Writer, dataDir string, cfg *config.Config) (func(), error) {
	if err := dataDirExists(dataDir); err != nil {
		return nil, err
	}
	dir := filepath.Join(dataDir, "clickhouse")
	if url, ok := devmode.Attach(dir); ok {
		pointAt(cfg, url)
		return func() {}, nil
	}
	ch, err := startClickHouse(ctx, progress, dataDir, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	pointAt(cfg, ch.URL())
	return func() { _ = ch.Stop() }, nil
}

// attachBoth points the configuration at the ClickHouse and the Kafka of a data
// directory, which it starts and detach stops. If a demo is running there,
// kafka is false: its Kafka cannot be found from outside.
func attachBoth(ctx context.Context, progress io.Writer, dataDir string, cfg *config.Config) (detach func(), kafka bool, err error) {
	if err := dataDirExists(dataDir); err != nil {
		return nil, false, err
	}
	if url, ok := devmode.Attach(filepath.Join(dataDir, "clickhouse")); ok {
		pointAt(cfg, url)
		return func() {}, false, nil
	}
	l, err := startLocal(ctx, progress, dataDir, 0, *cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, false, err
	}
	*cfg = l.cfg
	return func() { _ = l.stop() }, true, nil
}
