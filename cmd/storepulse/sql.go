package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/obs"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

var sqlFormats = map[string]string{"table": "PrettyCompactMonoBlock", "csv": "CSVWithNames", "json": "JSONEachRow"}

func newSQL(s *shared) *cobra.Command {
	var dataDir, format string
	cmd := &cobra.Command{
		Use:   "sql QUERY",
		Short: "Ask ClickHouse, the configured one or a demo's",
		Long: `sql sends one query to the configured ClickHouse, or with --data-dir to the
embedded one of a demo, whether that is running or not.`,
		Example: `  storepulse sql 'SELECT count() FROM fact_events' --data-dir .storepulse
  storepulse sql 'SELECT * FROM orders LIMIT 5' --format json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ch, ok := sqlFormats[format]
			if !ok {
				return &usageError{fmt.Errorf("--format: want table, csv or json (got %q)", format)}
			}
			cfg, err := s.config()
			if err != nil {
				return err
			}
			detach, err := place{dataDir: dataDir}.attach(cmd.Context(), s.err, &cfg)
			if err != nil {
				return err
			}
			defer detach()
			return ask(cmd.Context(), s, cfg, args[0], ch)
		},
	}
	dataDirFlag(cmd.Flags(), &dataDir)
	cmd.Flags().StringVar(&format, "format", "table", fmt.Sprintf("output: %s", strings.Join(slices.Sorted(maps.Keys(sqlFormats)), ", ")))
	return cmd
}

// ask prints the answer as the server formats it.
func ask(ctx context.Context, s *shared, cfg config.Config, query, format string) error {
	client, err := clickhouse.New(cfg.ClickHouse(), obs.NewLogger(s.err, cfg.Log), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	return errors.Join(client.Ask(ctx, s.out, query, format), client.Close())
}
