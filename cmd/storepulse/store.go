package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/obs"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// place is where a command's data is: where the configuration says, or in a
// demo's data directory.
type place struct {
	dataDir string
	kafka   string // the flag that needs the demo's Kafka, too; empty: ClickHouse is enough
}

// attach points the configuration at the place, until detach is called.
func (p place) attach(ctx context.Context, progress io.Writer, cfg *config.Config) (detach func(), err error) {
	switch {
	case p.dataDir == "":
		return func() {}, nil
	case p.kafka == "":
		return attachClickHouse(ctx, progress, p.dataDir, cfg)
	}
	detach, kafka, err := attachBoth(ctx, progress, p.dataDir, cfg)
	if err == nil && !kafka {
		return nil, fmt.Errorf("%s: the demo in this data directory is running, and its Kafka cannot be reached from outside: stop the demo first", p.kafka)
	}
	return detach, err
}

// withStore runs f with the ClickHouse of a place, whose tables must be there,
// and with the configuration that leads to it.
func withStore(ctx context.Context, s *shared, cfg config.Config, at place, f func(config.Config, *clickhouse.Client) error) (err error) {
	detach, err := at.attach(ctx, s.err, &cfg)
	if err != nil {
		return err
	}
	defer detach()
	client, err := clickhouse.New(cfg.ClickHouse(), obs.NewLogger(s.err, cfg.Log), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	if err := client.Ping(ctx); err != nil {
		return err
	}
	if err := client.CheckSchema(ctx); err != nil {
		return err
	}
	return f(cfg, client)
}
