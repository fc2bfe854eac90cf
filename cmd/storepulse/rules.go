package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/dashboards/counted"
	"github.com/storepulse/storepulse/internal/backfill"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/progress"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

func newRules(s *shared) *cobra.Command {
	return group("rules", "Compute past weeks for the recording rules", newRulesBackfill(s))
}

// backfillFlags are the command line of rules backfill.
type backfillFlags struct {
	from, to string
	weeks    int
	output   string
	dryRun   bool
}

func newRulesBackfill(s *shared) *cobra.Command {
	f := backfillFlags{}
	cmd := &cobra.Command{
		Use:   "backfill",
		Short: "Compute the weeks that alerts compare with from the facts in ClickHouse",
		Long: `backfill computes what the recording rules would have recorded in the last weeks
from the facts in ClickHouse, and writes it as OpenMetrics text. promtool makes
blocks of it, so that alerts can compare with weeks in which no Prometheus ran.
The configured promotions of those weeks are written too, because baselines
leave them out. It only reads, and may run while workers write.

Samples end where the facts are complete, or at --to: give it the first
sample of a Prometheus that runs already. docs/operations.md, "The first four
weeks", has the whole procedure.`,
		Example: `  storepulse rules backfill --dry-run
  storepulse rules backfill --output past.om
  promtool tsdb create-blocks-from openmetrics --quiet --max-block-duration=486h past.om /prometheus`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("from") && cmd.Flags().Changed("weeks") {
				return &usageError{errors.New("--from and --weeks say the same: give one of them")}
			}
			return runBackfill(cmd.Context(), s, f, time.Now())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.from, "from", "", "first sample: "+timeForms)
	fl.StringVar(&f.to, "to", "", "last sample; without it, now or as far as the facts are complete")
	fl.IntVar(&f.weeks, "weeks", 4, "this many weeks before --to; a fifth lets the trend of GMV see four whole weeks")
	outputFlag(fl, &f.output)
	fl.BoolVar(&f.dryRun, "dry-run", false, "compute and count, write nothing")
	return cmd
}

func runBackfill(ctx context.Context, s *shared, f backfillFlags, now time.Time) error {
	cfg, err := s.config()
	if err != nil {
		return err
	}
	from, until, err := f.times(now)
	if err != nil {
		return err
	}
	return withStore(ctx, s, cfg, place{}, func(cfg config.Config, client *clickhouse.Client) error {
		return f.fill(ctx, s, cfg, client, from, until)
	})
}

// fill computes from the facts, as far as they are complete.
func (f backfillFlags) fill(ctx context.Context, s *shared, cfg config.Config, client *clickhouse.Client, from, until time.Time) error {
	voc, err := cfg.Vocabulary()
	if err != nil {
		return err
	}
	complete, lane, err := completeUntil(ctx, checkpoint.NewStore(client, cfg.Pipeline.ID))
	switch {
	case err != nil:
		return err
	case complete.IsZero():
		return errors.New("the ledger is empty: no worker has written facts into this database yet (is sink.clickhouse.database the right one?)")
	case f.to == "" && complete.Before(until):
		until = complete
	case complete.Before(until):
		fmt.Fprintf(s.err, "the facts are complete until %s only (lane %d): later samples may be too low\n", complete.Format(time.RFC3339), lane)
	}
	if from.IsZero() {
		from = until.AddDate(0, 0, -7*f.weeks)
	}
	if !from.Before(until) {
		return &usageError{fmt.Errorf("--from %s is not before %s, where the samples end", from.Format(time.RFC3339), until.Format(time.RFC3339))}
	}
	out, done, err := f.open(s)
	if err != nil {
		return err
	}
	bar := progress.NewCount(s.err, "backfill", "queries")
	r, err := backfill.Run(ctx, client, out, backfill.Options{
		From: from, Until: until, Settings: countedSettings(cfg, voc), Tenants: voc.TenantNames,
		Promotions: cfg.Calendar(), Register: schemas.NewRegister(voc), Progress: bar.Show,
	})
	bar.Done()
	if err := errors.Join(err, done(err)); err != nil {
		return fmt.Errorf("backfill: %w", err)
	}
	return f.print(s.err, r)
}

// times reads the range; a zero from is that of --weeks.
func (f backfillFlags) times(now time.Time) (from, until time.Time, err error) {
	if from, err = timeFlag("from", f.from, now); err != nil {
		return from, until, err
	}
	if until, err = timeFlag("to", f.to, now); err != nil {
		return from, until, err
	}
	switch {
	case until.IsZero():
		until = now
	case until.After(now):
		return from, until, &usageError{fmt.Errorf("--to %s is in the future: Prometheus would refuse all samples before it", f.to)}
	}
	if f.weeks < 1 || f.weeks > 6 {
		return from, until, &usageError{fmt.Errorf("--weeks: want 1 to 6, Prometheus keeps 45 days (got %d)", f.weeks)}
	}
	return from, until, nil
}

// completeUntil is up to when every lane has written its facts, and the lane
// that is last.
func completeUntil(ctx context.Context, store *checkpoint.Store) (until time.Time, lane uint32, err error) {
	lanes, err := store.Lanes(ctx)
	if err != nil {
		return until, 0, err
	}
	for _, l := range lanes {
		if l.Head.Epoch == 0 {
			continue
		}
		at := time.UnixMilli(l.Head.Watermark).UTC()
		if !l.Head.Kind.Done() {
			at = at.Add(-backfill.Grid) // of an epoch in hand, rows may be missing
		}
		if until.IsZero() || at.Before(until) {
			until, lane = at, l.Head.Lane
		}
	}
	return until, lane, nil
}

func countedSettings(cfg config.Config, voc *schemas.Vocabulary) counted.Settings {
	t := cfg.Transform()
	return counted.Settings{Gap: t.Gap, MaxLength: t.MaxLength, OutOfOrder: t.OutOfOrder, PayWindow: t.PayWindow, Vocabulary: voc}
}

// open gives where to write; done closes it, and takes away what is not whole.
func (f backfillFlags) open(s *shared) (w io.Writer, done func(error) error, err error) {
	switch {
	case f.dryRun:
		return io.Discard, func(error) error { return nil }, nil
	case f.output == "-":
		return s.out, func(error) error { return nil }, nil
	}
	file, err := os.Create(f.output)
	if err != nil {
		return nil, nil, fmt.Errorf("--output: %w", err)
	}
	return file, func(failed error) error {
		err := file.Close()
		if failed != nil || err != nil {
			err = errors.Join(err, os.Remove(f.output))
		}
		return err
	}, nil
}

// print says what was written, on the error stream: the output may be the other.
func (f backfillFlags) print(w io.Writer, r *backfill.Report) error {
	var b bytes.Buffer
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "record\tseries\tsamples\t")
	for _, rec := range r.Records {
		fmt.Fprintf(tw, "%s\t%d\t%d\t\n", rec.Name, rec.Series, rec.Samples)
	}
	_ = tw.Flush() // into a buffer
	for _, n := range r.Notes {
		fmt.Fprintln(&b, n)
	}
	verb, more := "written", ""
	if f.dryRun {
		verb = "would be written"
	} else if f.output != "-" {
		more = "\nnext: promtool tsdb create-blocks-from openmetrics --quiet --max-block-duration=486h " + f.output + " DIRECTORY"
	}
	fmt.Fprintf(&b, "%d samples, %s, from %s until %s %s%s\n", r.Samples(), progress.Bytes(r.Bytes), r.From.Format(time.RFC3339), r.Until.Format(time.RFC3339), verb, more)
	_, err := w.Write(b.Bytes())
	return err
}
