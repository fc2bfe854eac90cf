package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/imports"
	"github.com/storepulse/storepulse/internal/obs"
	"github.com/storepulse/storepulse/internal/produce"
)

// demoFlags are the command line of demo.
type demoFlags struct {
	dataDir    string
	duration   time.Duration
	rate       float64
	timeLapse  float64
	seed       uint64
	partitions int
	importFile string
	mapping    string
	incidents  []string
	verbose    bool
}

func newDemo(s *shared) *cobra.Command {
	f := demoFlags{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole product on this machine: Kafka, ClickHouse and shoppers embedded",
		Long: `demo starts an embedded Kafka-compatible broker, the real ClickHouse engine in a
child process, a shop full of simulated shoppers and one worker, all on loopback,
and shows the shop's numbers as they come. Data stays in the data directory: the
next demo goes on where this one stopped.

With --import it feeds a file instead of the shoppers, waits until everything is
written, closes all sessions and exits.
` + incidentHelp + `

The shop opens twelve hours ago and catches up with the clock, so an incident that is to be
watched as it happens starts after 12h.`,
		Example: `  storepulse demo --duration 60s
  storepulse demo --time-lapse 600 --incident payment_outage,start=12h5m,length=10m,platform=app_ios
  storepulse demo --import events.csv.gz --mapping examples/rees46.yaml --data-dir /tmp/rees46`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (f.importFile == "") != (f.mapping == "") {
				return &usageError{errors.New("--import and --mapping go together")}
			}
			for _, name := range []string{"incident", "duration", "rate", "time-lapse", "seed"} {
				if f.importFile != "" && cmd.Flags().Changed(name) {
					return &usageError{fmt.Errorf("--%s needs shoppers, and --import takes their place", name)}
				}
			}
			if f.timeLapse <= 0 {
				return &usageError{fmt.Errorf("--time-lapse: must be above 0 (got %g)", f.timeLapse)}
			}
			if f.partitions < 1 {
				return &usageError{fmt.Errorf("--partitions: must be at least 1 (got %d)", f.partitions)}
			}
			if err := notNegative("duration", f.duration); err != nil {
				return err
			}
			return runDemo(cmd.Context(), s, f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.dataDir, "data-dir", ".storepulse", "where topics, tables and the engine's files live")
	fl.DurationVar(&f.duration, "duration", 0, "stop after this long (0 = until Ctrl-C)")
	fl.Float64Var(&f.rate, "rate", 20, "events per second of simulated time, averaged over a day")
	fl.Float64Var(&f.timeLapse, "time-lapse", 60, "simulated seconds per second until the shop has caught up with the clock")
	fl.Uint64Var(&f.seed, "seed", 1, "seed of the simulation")
	fl.IntVar(&f.partitions, "partitions", 4, "lanes of a new data directory")
	fl.StringVar(&f.importFile, "import", "", "feed this file instead of shoppers, then exit")
	fl.StringVar(&f.mapping, "mapping", "", "how to read the file of --import (YAML)")
	incidentFlag(fl, &f.incidents)
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "show the log as well")
	return cmd
}

// runDemo starts the parts in the order of the data and stops them in reverse.
func runDemo(ctx context.Context, s *shared, f demoFlags) (err error) {
	if err := needEngine(); err != nil {
		return err
	}
	cfg, err := s.config()
	if err != nil {
		return err
	}
	set, err := f.shopSettings(time.Now())
	if err != nil {
		return err
	}
	if f.mapping != "" {
		// The embedded stack is there for this file: it knows the file's types.
		m, err := imports.LoadMapping(f.mapping)
		if err != nil {
			return err
		}
		for _, t := range m.Extra {
			if !slices.Contains(cfg.Events.ExtraTypes, t) {
				cfg.Events.ExtraTypes = append(cfg.Events.ExtraTypes, t)
			}
		}
	}
	if err := os.MkdirAll(f.dataDir, 0o755); err != nil {
		return fmt.Errorf("create the data directory: %w", err)
	}
	log, closeLog, err := demoLog(s, f, cfg)
	if err != nil {
		return err
	}
	defer closeLog()

	local, err := startLocal(ctx, s.err, f.dataDir, f.partitions, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, local.stop()) }()
	cfg = local.cfg
	st, err := newStack(cfg, log)
	if err != nil {
		return err
	}
	if err := st.check(ctx); err != nil {
		return errors.Join(err, st.close())
	}
	before, err := factRows(ctx, st.store)
	if err != nil {
		return errors.Join(err, st.close())
	}
	if f.importFile != "" {
		err = demoImport(ctx, s, f, cfg, st)
	} else {
		err = demoLive(ctx, s, f, set, st)
	}
	err = errors.Join(err, st.close())
	if err != nil {
		return err
	}
	return report(context.WithoutCancel(ctx), s.out, st, before)
}

// demoImport feeds a file to the embedded stack, waits until all of it is
// written and every session closed.
func demoImport(ctx context.Context, s *shared, f demoFlags, cfg config.Config, st *stack) error {
	begun := time.Now()
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts errgroup.Group
	parts.Go(func() error {
		defer cancel()
		return st.run(work)
	})
	parts.Go(func() error {
		if err := importFile(work, s, cfg, f.importFile, f.mapping, produce.Pace{}); err != nil {
			cancel()
			return err
		}
		st.worker.Drain()
		return nil
	})
	if err := parts.Wait(); err != nil {
		return err
	}
	if ctx.Err() == nil { // else the worker was stopped before it was drained
		fmt.Fprintf(s.out, "everything written after %s\n", time.Since(begun).Round(100*time.Millisecond))
	}
	return nil
}

// demoLog keeps the log beside the data, so that the screen belongs to the numbers.
func demoLog(s *shared, f demoFlags, cfg config.Config) (*slog.Logger, func(), error) {
	if f.verbose {
		return obs.NewLogger(s.err, cfg.Log), func() {}, nil
	}
	file, err := os.OpenFile(filepath.Join(f.dataDir, "demo.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, nil, fmt.Errorf("open the log: %w", err)
	}
	return obs.NewLogger(file, cfg.Log), func() { _ = file.Close() }, nil
}
