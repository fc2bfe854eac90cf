package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/dashboards"
	"github.com/storepulse/storepulse/dashboards/rules"
	"github.com/storepulse/storepulse/internal/grafana"
)

func newDashboards(s *shared) *cobra.Command {
	return group("dashboards", "Grafana's dashboards, Prometheus' rules and alerts, Alertmanager's configuration", newDashboardsGenerate(s), newDashboardsPush(s))
}

func newDashboardsGenerate(s *shared) *cobra.Command {
	o, metrics := rules.DefaultOptions(), dashboards.DefaultOptions().Metrics
	dir := "dashboards/generated"
	cmd := &cobra.Command{
		Use:     "generate",
		Short:   "Write dashboards, rules and alert routes as files",
		Example: "  storepulse dashboards generate --dir /etc/storepulse/generated --grafana https://grafana.example",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			o.Grafana = strings.TrimSuffix(o.Grafana, "/")
			files, err := rules.Files(o)
			if err != nil {
				return err
			}
			boards, err := dashboards.Files(dashboards.Options{Runbooks: o.Runbooks, Metrics: metrics})
			if err != nil {
				return err
			}
			maps.Copy(files, boards)
			for _, name := range slices.Sorted(maps.Keys(files)) {
				path := filepath.Join(dir, filepath.FromSlash(name))
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					return fmt.Errorf("make the folder of %s: %w", path, err)
				}
				if err := os.WriteFile(path, files[name], 0o644); err != nil {
					return fmt.Errorf("write %s: %w", path, err)
				}
				fmt.Fprintln(s.out, path)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", dir, "folder to write into")
	cmd.Flags().StringVar(&o.Grafana, "grafana", o.Grafana, "address of Grafana, for the links in alerts")
	cmd.Flags().StringVar(&o.Runbooks, "runbooks", o.Runbooks, "where docs/operations.md can be read, for the links to runbooks")
	cmd.Flags().StringVar(&metrics, "metrics", metrics, metricsUsage)
	return cmd
}

const metricsUsage = "where docs/metrics.md can be read, for the links to definitions"

func newDashboardsPush(s *shared) *cobra.Command {
	var cfg grafana.Config
	var who login
	var tokenFile, folder string
	runbooks, metrics := rules.DefaultOptions().Runbooks, dashboards.DefaultOptions().Metrics
	cmd := &cobra.Command{
		Use:     "push",
		Short:   "Store the dashboards in a running Grafana",
		Example: "  storepulse dashboards push --url https://grafana.example --token-file /run/secrets/grafana",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			cfg.User = who.user
			if cfg.Password, err = who.password(); err != nil {
				return err
			}
			if cfg.Token, err = readSecret("token-file", tokenFile); err != nil {
				return err
			}
			client, err := grafana.New(cfg)
			if err != nil {
				return &usageError{err}
			}
			files, err := dashboards.Files(dashboards.Options{Runbooks: runbooks, Metrics: metrics})
			if err != nil {
				return err
			}
			for _, name := range slices.Sorted(maps.Keys(files)) {
				path, err := client.Push(cmd.Context(), folder, files[name])
				if err != nil {
					return fmt.Errorf("push %s: %w", filepath.Base(name), err)
				}
				fmt.Fprintf(s.out, "%-24s %s\n", filepath.Base(name), path)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&cfg.URL, "url", "http://localhost:3000", "address of Grafana")
	cmd.Flags().StringVar(&tokenFile, "token-file", "", "file with the token of a service account that may edit")
	who.add(cmd.Flags(), "user, in place of a token")
	cmd.Flags().StringVar(&folder, "folder", "storepulse", "title of the folder, when it is made")
	cmd.Flags().StringVar(&runbooks, "runbooks", runbooks, "where docs/operations.md can be read")
	cmd.Flags().StringVar(&metrics, "metrics", metrics, metricsUsage)
	return cmd
}
