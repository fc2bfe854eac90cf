package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/internal/obs"
)

func newRun(s *shared) *cobra.Command {
	var drain bool
	var within time.Duration
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run a worker on the configured Kafka and ClickHouse",
		Long: `run takes part in the consumer group and works on the lanes it is given until it
is told to stop (Ctrl-C, SIGTERM): it then finishes the epochs in hand, saves its
state and leaves. With --drain it takes what is in the topics now, closes every
session and exits.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !drain && cmd.Flags().Changed("within") {
				return &usageError{errors.New("run: --within belongs to --drain")}
			}
			cfg, err := s.config()
			if err != nil {
				return err
			}
			log := obs.NewLogger(s.err, cfg.Log)
			st, err := newStack(cfg, log)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			if err := st.check(ctx); err != nil {
				return errors.Join(err, st.close())
			}
			log.Info("worker starts", "version", version, "metrics", "http://"+cfg.HTTP.Listen+"/metrics")
			if drain {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, within, fmt.Errorf("not drained within %s; run it again, nothing is lost", within))
				defer cancel()
				st.worker.Drain()
			}
			err = st.run(ctx)
			if cause := context.Cause(ctx); drain && cause != nil && cmd.Context().Err() == nil {
				err = errors.Join(err, cause)
			}
			err = errors.Join(err, st.close())
			log.Info("worker stopped", "clean", err == nil)
			return err
		},
	}
	cmd.Flags().BoolVar(&drain, "drain", false, "take what is in the topics, close every session and exit")
	cmd.Flags().DurationVar(&within, "within", 10*time.Minute, "with --drain: give up after this long")
	return cmd
}
