package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/deadletters"
	"github.com/storepulse/storepulse/internal/obs"
	"github.com/storepulse/storepulse/internal/records"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

func newLettersExport(s *shared) *cobra.Command {
	var flags letterFlags
	var dataDir, file string
	var headers bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Letters as JSON lines",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, f, err := flags.read(s)
			if err != nil {
				return err
			}
			at := place{dataDir: dataDir}
			if headers {
				at.kafka = "--headers"
			}
			return withStore(cmd.Context(), s, cfg, at, func(cfg config.Config, c *clickhouse.Client) error {
				var k deadletters.Kafka
				if headers {
					r, err := records.NewReader(cfg.Source(), obs.NewLogger(s.err, cfg.Log))
					if err != nil {
						return err
					}
					defer func() { _ = r.Close() }()
					k = r
				}
				return exportLetters(cmd.Context(), s, c, k, f, file)
			})
		},
	}
	flags.add(cmd, 0, "at most this many letters (0 = all)")
	outputFlag(cmd.Flags(), &file)
	cmd.Flags().BoolVar(&headers, "headers", false, "add the headers of records that Kafka still has")
	dataDirFlag(cmd.Flags(), &dataDir)
	return cmd
}

// exportLetters writes to a file that only its owner may read: letters hold
// what customers sent.
func exportLetters(ctx context.Context, s *shared, c *clickhouse.Client, k deadletters.Kafka, f deadletters.Filter, file string) error {
	if file == "-" {
		_, err := deadletters.Export(ctx, c, k, f, s.out)
		return err
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	n, err := deadletters.Export(ctx, c, k, f, out)
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	fmt.Fprintf(s.err, "%d letters in %s\n", n, file)
	return nil
}
