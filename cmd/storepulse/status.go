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
agree over the last 1,000 epochs of each. verify compares everything.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return audited(cmd, s, dataDir, func(cfg config.Config, client *clickhouse.Client) error {
				return status(cmd.Context(), s.out, cfg, client)
			})
		},
	}
	cmd.Flags().StringVar(&dataDir, "data-dir", "", "a demo's data directory")
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

// report is what a demo says at its end: the shop's numbers from ClickHouse,
// and whether ledger, tables and the metrics of this run agree.
func report(ctx context.Context, w io.Writer, st *stack, before [schemas.NumTopics]int64) error {
	client, err := clickhouse.New(st.cfg.ClickHouse(), st.log, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	fmt.Fprintln(w, "\nSessions by the stage they reached (ClickHouse, bots excluded)")
	err = errors.Join(
		client.Ask(ctx, w, `SELECT max_stage, count() AS sessions, sum(orders) AS orders, sum(orders_paid) AS paid, countIf(is_closed) AS closed
			FROM fact_sessions FINAL WHERE NOT is_bot AND NOT is_test AND NOT is_internal GROUP BY max_stage ORDER BY sessions DESC`, "PrettyCompactMonoBlock"),
		client.Ask(ctx, w, `SELECT paid_currency AS currency, count() AS orders, countIf(paid_at IS NOT NULL) AS paid, sum(paid_minor) AS gmv_paid_minor, sum(refunded_minor) AS refunded_minor
			FROM orders GROUP BY currency ORDER BY orders DESC`, "PrettyCompactMonoBlock"))
	if err != nil {
		return err
	}
	r, err := verify.Check(ctx, checkpoint.NewStore(client, st.cfg.Pipeline.ID), client, st.cfg.Verify())
	if err != nil {
		return err
	}
	fmt.Fprintln(w)
	if err := errors.Join(r.PrintBalance(w), verdict(w, r)); err != nil {
		return err
	}
	m, err := gather(st.reg)
	if err != nil {
		return err
	}
	after, err := factRows(ctx, client)
	if err != nil {
		return err
	}
	for t, name := range schemas.TopicNames {
		rows, counted := after[t]-before[t], int64(m.sum("ecom_pipeline_records_total", "topic", name, "outcome", "fact"))
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

// factRows counts the facts per topic.
func factRows(ctx context.Context, client *clickhouse.Client) (n [schemas.NumTopics]int64, err error) {
	rows, err := client.Query(ctx, "SELECT toInt64((SELECT count() FROM fact_events)), toInt64((SELECT count() FROM fact_order_events))", nil)
	if err != nil {
		return n, fmt.Errorf("count the facts: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&n[schemas.Clickstream], &n[schemas.OrdersTopic]); err != nil {
			return n, fmt.Errorf("count the facts: %w", err)
		}
	}
	return n, rows.Err()
}
