package main

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/obs"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// withStore runs f with the configured ClickHouse, or with that of a demo's
// data directory, whose tables must be there. f gets the configuration that
// leads to it.
func withStore(ctx context.Context, s *shared, cfg config.Config, dataDir string, f func(config.Config, *clickhouse.Client) error) (err error) {
	if dataDir != "" {
		detach, err := attachClickHouse(ctx, s.err, dataDir, &cfg)
		if err != nil {
			return err
		}
		defer detach()
	}
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
