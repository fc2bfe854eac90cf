package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
)

func newGenerate(s *shared) *cobra.Command {
	var set gen.Settings
	var start string
	var perfect, stdout bool
	var pace produce.Pace
	var incidents []string
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Write the events of believable shoppers to Kafka or to standard output",
		Long: `generate simulates a shop: daily curve, devices, channels, provinces, categories,
abandoned carts, late payments, cancellations, refunds, and the defects of real
traffic. The same seed and settings give the same bytes.
` + incidentHelp,
		Example: `  storepulse generate --stdout --events 1000 --seed 1
  storepulse generate --rate 500 --time-lapse 60 --start 2026-11-01T00:00:00+08:00
  storepulse generate --incident payment_outage,start=2m,length=10m,platform=app_ios
  storepulse generate --incident slow_pages,start=1h,length=30m,page_type=product_detail \
                      --incident stock_out,start=2h,length=1h,category=beauty`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(notNegative("time-lapse", pace.TimeLapse), notNegative("events", set.MaxEvents)); err != nil {
				return err
			}
			if stdout && cmd.Flags().Changed("time-lapse") {
				return &usageError{errors.New("generate: --time-lapse is the pace for Kafka; --stdout always writes as fast as it is read")}
			}
			cfg, err := s.config()
			if err != nil {
				return err
			}
			now := time.Now().Truncate(time.Second)
			if set.Start, err = timeFlag("start", start, now); err != nil {
				return err
			}
			if set.Start.IsZero() {
				set.Start = now
			}
			if !perfect {
				set.Defects = gen.RealisticDefects()
			}
			set.Incidents, err = gen.ParseIncidents(incidents)
			if err := errors.Join(err, set.Validate()); err != nil {
				return &usageError{err}
			}
			if stdout {
				return generateTo(cmd.Context(), s, gen.New(set))
			}
			return generateKafka(cmd.Context(), s, cfg, set, pace)
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&set.Seed, "seed", 1, "seed of the simulation")
	f.Float64Var(&set.Rate, "rate", 100, "events per second of simulated time, averaged over a day")
	f.StringVar(&start, "start", "", "simulated start: "+timeForms+" (default now)")
	f.DurationVar(&set.Duration, "duration", 0, "simulated time to generate (0 = no end)")
	f.Int64Var(&set.MaxEvents, "events", 0, "stop after this many records (0 = no end)")
	f.BoolVar(&perfect, "perfect", false, "no duplicates, no late and no broken events")
	f.BoolVar(&stdout, "stdout", false, "write JSON lines instead of producing to Kafka")
	f.Float64Var(&pace.TimeLapse, "time-lapse", 1, "simulated seconds per second; 0 = as fast as possible")
	incidentFlag(f, &incidents)
	return cmd
}

func generateTo(ctx context.Context, s *shared, g *gen.Generator) error {
	out := bufio.NewWriterSize(s.out, 1<<20)
	var e gen.Event
	for n := 0; g.Next(&e); n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			break
		}
		tell(s.err, g.News(e.Time))
		if _, err := out.Write(append(e.Value, '\n')); err != nil {
			return fmt.Errorf("write events: %w", err)
		}
	}
	tell(s.err, g.Unfinished())
	return out.Flush()
}

func generateKafka(ctx context.Context, s *shared, cfg config.Config, set gen.Settings, pace produce.Pace) error {
	w, err := newWriter(cfg)
	if err != nil {
		return err
	}
	g := gen.New(set)
	last := time.Now()
	err = produce.Run(ctx, w, g.Next, pace, func(c produce.Counts) {
		tell(s.err, g.News(c.Last))
		if now := time.Now(); now.Sub(last) >= 2*time.Second {
			last = now
			fmt.Fprintf(s.err, "%d events written, simulated time %s\n", c.Total(), c.Last.UTC().Format(time.RFC3339))
		}
	})
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	err = errors.Join(err, w.Close(context.WithoutCancel(ctx)))
	tell(s.err, g.Unfinished())
	fmt.Fprintf(s.err, "%d events written\n", w.Counts().Total())
	return err
}
