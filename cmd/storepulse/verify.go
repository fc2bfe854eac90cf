package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/obs"
	"github.com/storepulse/storepulse/internal/progress"
	"github.com/storepulse/storepulse/internal/verify"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// verifyFlags are the command line of verify.
type verifyFlags struct {
	from, to string
	lanes    lanes
	records  bool
	noKafka  bool
	json     bool
	dataDir  string
}

func newVerify(s *shared) *cobra.Command {
	f := verifyFlags{}
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that nothing was lost and nothing stands twice",
		Long: `verify compares Kafka's offsets, the ledger and the tables, prints a balance per
lane and topic and names every epoch that differs. It only reads, and may run
while workers write. Exit code 0: all agree. 1: something differs, or could not
be compared.

With --records it also reads the recorded ranges from Kafka again, as far as
they are still there, and compares the checksum of every epoch.`,
		Example: `  storepulse verify
  storepulse verify --from 2026-11-10 --to 2026-11-12 --lane 3 --records
  storepulse verify --data-dir .storepulse --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runVerify(cmd.Context(), s, f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.from, "from", "", "only epochs planned at or after this time: "+timeForms)
	fl.StringVar(&f.to, "to", "", "only epochs planned before this time")
	laneFlag(fl, &f.lanes)
	fl.BoolVar(&f.records, "records", false, "read the records from Kafka again and compare checksums")
	fl.BoolVar(&f.noKafka, "no-kafka", false, "compare ledger and tables only")
	fl.BoolVar(&f.json, "json", false, "write the report as JSON")
	dataDirFlag(fl, &f.dataDir)
	return cmd
}

func runVerify(ctx context.Context, s *shared, f verifyFlags) error {
	cfg, err := s.config()
	if err != nil {
		return err
	}
	opt := cfg.Verify()
	now := time.Now()
	if opt.From, err = timeFlag("from", f.from, now); err != nil {
		return err
	}
	if opt.To, err = timeFlag("to", f.to, now); err != nil {
		return err
	}
	if f.records && f.noKafka {
		return &usageError{errors.New("--records reads Kafka: leave --no-kafka out")}
	}
	opt.Records, opt.Lanes = f.records, f.lanes
	at := place{dataDir: f.dataDir}
	switch {
	case f.records:
		at.kafka = "--records"
	case f.dataDir != "" && !f.noKafka: // with Kafka if it can be had
		detach, kafka, err := attachBoth(ctx, s.err, f.dataDir, &cfg)
		if err != nil {
			return err
		}
		defer detach()
		if !kafka {
			fmt.Fprintln(s.err, "the demo in this data directory is running: comparing ledger and tables, without its Kafka")
		}
		at, f.noKafka = place{}, !kafka
	}
	return withStore(ctx, s, cfg, at, func(cfg config.Config, client *clickhouse.Client) error {
		return f.compare(ctx, s, cfg, client, opt)
	})
}

func (f verifyFlags) compare(ctx context.Context, s *shared, cfg config.Config, client *clickhouse.Client, opt verify.Options) error {
	if !f.noKafka {
		kafka, err := ingest.New(cfg.Source(), obs.NewLogger(s.err, cfg.Log), prometheus.NewRegistry())
		if err != nil {
			return err
		}
		defer func() { _ = kafka.Close() }()
		if _, err := kafka.Check(ctx); err != nil {
			return fmt.Errorf("%w; --no-kafka compares ledger and tables only", err)
		}
		opt.Log = verify.NewKafka(kafka)
	}
	bar := progress.NewCount(s.err, "verify", "epochs")
	if f.json && !isTerminal(s.err) {
		bar = nil
	}
	opt.Progress = bar.Show
	r, err := verify.Check(ctx, checkpoint.NewStore(client, cfg.Pipeline.ID), client, opt)
	bar.Done()
	var slow net.Error
	switch {
	case errors.As(err, &slow) && slow.Timeout():
		return fmt.Errorf("verify: %w (less at once takes less time: --from, --to, --lane)", err)
	case err != nil:
		return fmt.Errorf("verify: %w", err)
	}
	return f.print(s.out, r)
}

func (f verifyFlags) print(w io.Writer, r *verify.Report) (err error) {
	if f.json {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		err = enc.Encode(r)
	} else {
		err = r.Print(w)
	}
	if err == nil && !r.Agrees() {
		err = errFailed
	}
	return err
}
