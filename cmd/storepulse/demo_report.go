package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/internal/verify"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

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
			// A worker that was killed, or an insert without an answer, leaves an
			// epoch in doubt; finishing it publishes nothing.
			fmt.Fprintf(w, "metrics of this run count %d facts of %s, the tables got %d: an epoch in doubt was finished, which metrics leave out\n", counted, name, rows)
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
