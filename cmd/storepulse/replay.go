package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/deadletters"
	"github.com/storepulse/storepulse/internal/obs"
	"github.com/storepulse/storepulse/internal/progress"
	"github.com/storepulse/storepulse/internal/records"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// rememberSlack is added to how long a lane knows an id: it is better that a
// letter waits a little than that the lane drops its record as a copy.
const rememberSlack = 15 * time.Minute

type replayFlags struct {
	letterFlags
	fix      string
	dry, yes bool
	rate     float64
}

func newLettersReplay(s *shared) *cobra.Command {
	var flags replayFlags
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Send letters to their topic again, mended if need be",
		Long: `replay sends dead letters to their topic again, with their id and key, so that
each arrives once and restates its sessions and orders. A record that would be
refused again is not sent; nor is one that is a fact, or was replayed before.
--dry-run shows what would be sent. The same command again is always safe.

A fix file mends records first; it never changes an id:

  rules:
    - match: {reason: bad_currency, field: currency, type: order.created}
      map: {currency: {RMB: CNY}}
    - match: {reason: missing_required, field: platform}
      set: {platform: h5}
    - match: {reason: pii}
      remove: [receiver.phone]
    - rename: {page: page_type}`,
		Example: `  storepulse deadletters replay --reason bad_currency --fix mend.yaml --dry-run
  storepulse deadletters replay --reason bad_currency --fix mend.yaml --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := notNegative("rate", flags.rate); err != nil {
				return err
			}
			cfg, filter, err := flags.read(s)
			if err != nil {
				return err
			}
			return withStore(cmd.Context(), s, cfg, place{}, func(cfg config.Config, c *clickhouse.Client) error {
				return replay(cmd.Context(), s, cfg, c, flags, filter)
			})
		},
	}
	flags.add(cmd, 0, "at most this many letters (0 = all)")
	f := cmd.Flags()
	f.StringVar(&flags.fix, "fix", "", "mend records by this file first (YAML)")
	f.BoolVar(&flags.dry, "dry-run", false, "show what would be sent, and send nothing")
	f.BoolVar(&flags.yes, "yes", false, "do not ask")
	f.Float64Var(&flags.rate, "rate", 200, "events per second (0 = as fast as it goes)")
	return cmd
}

func replay(ctx context.Context, s *shared, cfg config.Config, c *clickhouse.Client, flags replayFlags, filter deadletters.Filter) error {
	voc, err := cfg.Vocabulary()
	if err != nil {
		return err
	}
	var fix *deadletters.Fix
	if flags.fix != "" {
		if fix, err = deadletters.LoadFix(flags.fix); err != nil {
			return err
		}
	}
	kafka, err := records.NewReader(cfg.Source(), obs.NewLogger(s.err, cfg.Log))
	if err != nil {
		return err
	}
	defer func() { _ = kafka.Close() }()
	producer, err := producerConfig(cfg)
	if err != nil {
		return err
	}
	marks, err := watermarks(ctx, cfg, c)
	if err != nil {
		return err
	}
	rules := cfg.Transform()
	r := deadletters.Replay{
		Store: c, Kafka: kafka, Fix: fix, Filter: filter, Run: uuid.New(), By: whoami(), Rate: flags.rate,
		Writer:   producer,
		Settings: deadletters.Settings{Vocabulary: voc, Watermarks: marks, Horizon: rules.MergeHorizon, Remember: rules.Gap + rules.MergeHorizon + rememberSlack},
	}
	var show func(*deadletters.Verdict) error
	if flags.dry {
		show = func(v *deadletters.Verdict) error { return v.Diff(s.out, voc.Topics) }
	}
	plan, err := r.Plan(ctx, show)
	if err != nil {
		return err
	}
	printPlan(s.out, "replay would", plan, fix)
	n := plan.Fates[deadletters.Send]
	if flags.dry || n+plan.Found == 0 {
		return nil
	}
	if !flags.yes && n > 0 {
		if err := confirm(s, n); err != nil {
			return err
		}
	}
	bar := progress.NewCount(s.err, "replay", "letters")
	total := 0
	for _, n := range plan.Fates {
		total += n
	}
	r.Progress = func(done int) { bar.Set(int64(done), int64(total)) }
	done, err := r.Send(ctx)
	bar.Done()
	if err != nil {
		return err
	}
	printPlan(s.out, "replay has", done, nil)
	return nil
}

// watermarks reads how far every lane is.
func watermarks(ctx context.Context, cfg config.Config, c *clickhouse.Client) (map[uint32]int64, error) {
	lanes, err := checkpoint.NewStore(c, cfg.Pipeline.ID).Lanes(ctx)
	if err != nil {
		return nil, err
	}
	marks := map[uint32]int64{}
	for _, l := range lanes {
		if l.Head.Epoch > 0 {
			marks[l.Head.Lane] = l.Head.Watermark
		}
	}
	return marks, nil
}

// confirm asks on a terminal; elsewhere the flag is needed.
func confirm(s *shared, n int) error {
	in, ok := s.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return &usageError{errors.New("deadletters replay: --yes is needed where nobody can be asked (--dry-run shows what would be sent)")}
	}
	fmt.Fprintf(s.err, "send %d records? [y/N] ", n)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && line == "" {
		return fmt.Errorf("read the answer: %w", err)
	}
	if a := strings.ToLower(strings.TrimSpace(line)); a != "y" && a != "yes" {
		return errors.New("nothing was sent")
	}
	return nil
}

func whoami() string {
	name := "?"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "?"
	}
	return name + "@" + host
}
