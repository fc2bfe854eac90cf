package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/internal/obs"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

func newStatus(s *shared) *cobra.Command {
	var dataDir string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show where every lane stands and whether ledger and tables agree",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.config()
			if err != nil {
				return err
			}
			if dataDir != "" {
				detach, err := attachClickHouse(cmd.Context(), s.err, dataDir, &cfg)
				if err != nil {
					return err
				}
				defer detach()
			}
			client, err := clickhouse.New(cfg.ClickHouse(), obs.NewLogger(s.err, cfg.Log), prometheus.NewRegistry())
			if err != nil {
				return err
			}
			defer func() { _ = client.Close() }()
			if err := client.Ping(cmd.Context()); err != nil {
				return err
			}
			if err := client.CheckSchema(cmd.Context()); err != nil {
				return err
			}
			return status(cmd.Context(), s.out, checkpoint.NewStore(client, cfg.Pipeline.ID))
		},
	}
	cmd.Flags().StringVar(&dataDir, "data-dir", "", "a demo's data directory")
	return cmd
}

func status(ctx context.Context, w io.Writer, store *checkpoint.Store) error {
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
	_, err = balance(ctx, w, store)
	return err
}

// balance prints the ledger against the tables; errFailed if they disagree.
func balance(ctx context.Context, w io.Writer, store *checkpoint.Store) (checkpoint.Balance, error) {
	b, err := store.Balance(ctx)
	if err != nil {
		return b, err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "\ntopic\tconsumed\t= facts\t+ duplicates\t+ dead letters\t+ tombstones\t+ lost\t+ absent\trows in tables\t")
	for t, name := range schemas.TopicNames {
		c := b.Ledger
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name, b.Consumed[t], c.Facts[t], c.Duplicates[t], c.Letters[t], c.Tombstones[t], c.Lost[t], c.Absent[t], b.Facts[t])
	}
	if err := tw.Flush(); err != nil {
		return b, err
	}
	if !b.Balanced() {
		fmt.Fprintln(w, "\nledger and tables DISAGREE")
		return b, errFailed
	}
	fmt.Fprintf(w, "\nledger and tables agree: %d lanes, %d epochs, %d dead letters\n", b.Lanes, b.Epochs, b.Letters)
	return b, nil
}

// report is what a demo says at its end: the shop's numbers from ClickHouse,
// and whether ledger, tables and the metrics of this run agree.
func report(ctx context.Context, w io.Writer, st *stack, before checkpoint.Balance) error {
	client, err := clickhouse.New(st.cfg.ClickHouse(), st.log, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	fmt.Fprintln(w, "\nSessions by the stage they reached (ClickHouse, bots excluded)")
	err = errors.Join(
		client.Ask(ctx, w, `SELECT max_stage, count() AS sessions, sum(orders) AS orders, sum(orders_paid) AS paid, countIf(is_closed) AS closed
			FROM fact_sessions FINAL WHERE NOT is_bot AND NOT is_test AND NOT is_internal GROUP BY max_stage ORDER BY sessions DESC`, "PrettyCompactMonoBlock"),
		client.Ask(ctx, w, `SELECT currency, count() AS orders, countIf(paid_at IS NOT NULL) AS paid, sum(paid_minor) AS gmv_paid_minor, sum(refunded_minor) AS refunded_minor
			FROM orders GROUP BY currency ORDER BY orders DESC`, "PrettyCompactMonoBlock"))
	if err != nil {
		return err
	}
	b, err := balance(ctx, w, checkpoint.NewStore(client, st.cfg.Pipeline.ID))
	if err != nil {
		return err
	}
	m, err := gather(st.reg)
	if err != nil {
		return err
	}
	for t, name := range schemas.TopicNames {
		rows, counted := b.Facts[t]-before.Facts[t], int64(m.sum("ecom_pipeline_records_total", "topic", name, "outcome", "fact"))
		if rows != counted {
			// A worker that was killed leaves an epoch in doubt; finishing it
			// publishes nothing.
			fmt.Fprintf(w, "metrics of this run count %d facts of %s, the tables got %d: epochs in doubt were finished at the start\n", counted, name, rows)
			return nil
		}
	}
	fmt.Fprintln(w, "metrics of this run and tables agree")
	return nil
}
