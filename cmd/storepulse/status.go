package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/verify"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

func newStatus(s *shared) *cobra.Command {
	var dataDir string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show where every lane stands and whether its last epochs agree",
		Long: `status is the quick look: where every lane stands, and whether ledger and tables
agree over the last 1,000 epochs of each. verify compares everything. Exit code 0:
they agree. 1: something differs, or could not be compared.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.config()
			if err != nil {
				return err
			}
			return withStore(cmd.Context(), s, cfg, place{dataDir: dataDir}, func(cfg config.Config, client *clickhouse.Client) error {
				return status(cmd.Context(), s.out, cfg, client)
			})
		},
	}
	dataDirFlag(cmd.Flags(), &dataDir)
	return cmd
}

func status(ctx context.Context, w io.Writer, cfg config.Config, client *clickhouse.Client) error {
	store := checkpoint.NewStore(client, cfg.Pipeline.ID)
	lanes, err := store.Lanes(ctx)
	if err != nil {
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "LANE\tCLAIM\tEPOCH\tSTATE\tCLICKSTREAM\tORDERS\tCOMPLETE UNTIL\tSNAPSHOT\tWORKER")
	for _, l := range lanes {
		h := l.Head
		state, until := "in hand", "-"
		switch {
		case h.Epoch == 0:
			state = "claimed"
		case h.Kind.Done():
			state = "done"
		}
		if h.Epoch > 0 {
			until = time.UnixMilli(h.Watermark).UTC().Format(time.DateTime)
		}
		fmt.Fprintf(tw, "%d\t%d\t%d\t%s\t%d\t%d\t%s\t%d\t%s\n", h.Lane, h.Term>>32, h.Epoch, state,
			h.Ranges[schemas.Clickstream].End, h.Ranges[schemas.OrdersTopic].End, until, h.Snapshot.Epoch, l.Worker)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	r, err := verify.Check(ctx, store, client, verify.Options{Topics: cfg.ClickHouse().Topics, Last: statusEpochs, Tables: true})
	if err != nil {
		return err
	}
	return errors.Join(r.PrintBalance(w), verdict(w, r))
}

// statusEpochs is how many of the last epochs of a lane a quick look compares.
const statusEpochs = 1000

// verdict says whether anything differs; errFailed if so.
func verdict(w io.Writer, r *verify.Report) error {
	if err := r.PrintVerdict(w); err != nil {
		return err
	}
	if !r.Agrees() {
		return errFailed
	}
	return nil
}
