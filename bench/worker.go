package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/sink/clickhouse"
)

func workerStage(ctx context.Context, b *bench) error {
	exe := b.exe
	if exe == "" {
		var err error
		if exe, err = b.build(ctx); err != nil {
			return err
		}
	}
	if err := b.startClickHouse(ctx); err != nil {
		return err
	}
	for _, c := range []struct {
		stage, event string
		s            *stream
	}{{"worker", "315B", b.small}, {"worker-800", "800B", b.large}} {
		if err := b.fill(ctx, c.event, c.s); err != nil {
			return err
		}
		err := b.measure(ctx, c.stage, c.event, c.s.n, "the process from start to end, 4 lanes", func() (float64, error) {
			return b.work(ctx, exe, c.event, c.s.n)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) build(ctx context.Context) (string, error) {
	b.progress("worker: building ./cmd/storepulse")
	exe := filepath.Join(b.dir, "storepulse")
	out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", exe, "github.com/storepulse/storepulse/cmd/storepulse").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the worker: %w\n%s", err, out)
	}
	return exe, nil
}

// work lets a worker process take the whole topic and gives its CPU seconds
// per million events. Every event must be in the database afterwards.
func (b *bench) work(ctx context.Context, exe, event string, want int) (float64, error) {
	database := "bench_worker_" + event
	topics := topicsOf(event)
	var log bytes.Buffer
	cmd := exec.CommandContext(ctx, exe, "run", "--drain", "--within", "4m")
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	cmd.Env = append(
		os.Environ(),
		"STOREPULSE_KAFKA_BROKERS="+b.kafka.addr,
		"STOREPULSE_KAFKA_GROUP="+database,
		"STOREPULSE_KAFKA_TOPICS_CLICKSTREAM="+topics[0],
		"STOREPULSE_KAFKA_TOPICS_ORDERS="+topics[1],
		"STOREPULSE_SINK_CLICKHOUSE_URL="+b.click.URL(),
		"STOREPULSE_SINK_CLICKHOUSE_DATABASE="+database,
		"STOREPULSE_HTTP_LISTEN=127.0.0.1:0",
		"STOREPULSE_LOG_LEVEL=warn",
	)
	if err := cmd.Run(); ctx.Err() != nil {
		return 0, ctx.Err()
	} else if err != nil {
		return 0, fmt.Errorf("storepulse run --drain: %w\n%s", err, log.Bytes())
	}
	got, err := b.count(ctx, database)
	if err != nil {
		return 0, err
	}
	if got != uint64(want) {
		return 0, fmt.Errorf("fact_events has %d rows after the worker has drained, want %d\n%s", got, want, log.Bytes())
	}
	return perMillion(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), want), nil
}

func (b *bench) count(ctx context.Context, database string) (n uint64, err error) {
	cfg := clickhouse.DefaultConfig()
	cfg.URL, cfg.Database = b.click.URL(), database
	client, err := clickhouse.New(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return 0, err
	}
	defer client.Close()
	err = client.Conn().QueryRow(ctx, "SELECT count() FROM fact_events").Scan(&n)
	return n, err
}
