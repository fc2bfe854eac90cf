//go:build !noengine

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/internal/devmode"
	"github.com/storepulse/storepulse/internal/obs"
)

func newDev(s *shared) *cobra.Command {
	return group("dev", "Run one embedded part alone: kafka or clickhouse", newDevKafka(s), newDevClickHouse(s))
}

func newDevKafka(s *shared) *cobra.Command {
	var opts devmode.KafkaOptions
	cmd := &cobra.Command{
		Use:   "kafka",
		Short: "Run the embedded Kafka-compatible broker with both topics until Ctrl-C",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.config()
			if err != nil {
				return err
			}
			topics := cfg.Kafka.Topics.Names()
			opts.Topics = topics[:]
			k, err := devmode.StartKafka(opts)
			if err != nil {
				return err
			}
			fmt.Fprintf(s.out, "kafka listens on %s\n", k.Addr())
			<-cmd.Context().Done()
			return k.Close()
		},
	}
	f := cmd.Flags()
	f.StringVar(&opts.DataDir, "data-dir", "", "where topics and offsets live (empty: in memory)")
	f.StringVar(&opts.Listen, "listen", "127.0.0.1:9092", "loopback address")
	f.IntVar(&opts.Partitions, "partitions", 4, "partitions of new topics")
	return cmd
}

func newDevClickHouse(s *shared) *cobra.Command {
	var opts devmode.ServeOptions
	var child bool
	cmd := &cobra.Command{
		Use:   "clickhouse",
		Short: "Run the embedded ClickHouse engine behind its HTTP interface until Ctrl-C",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.config()
			if err != nil {
				return err
			}
			opts.Log = obs.NewLogger(s.err, cfg.Log)
			if opts.Engine == "" {
				if opts.Engine, err = devmode.EnsureEngine(cmd.Context(), s.err); err != nil {
					return err
				}
			}
			opts.Ready = func(url string) { fmt.Fprintf(s.out, "clickhouse listens on %s\n", url) }
			if child {
				opts.Ready, opts.Parent = devmode.TellParent, os.Stdin
			}
			return devmode.ServeClickHouse(cmd.Context(), opts)
		},
	}
	f := cmd.Flags()
	f.StringVar(&opts.DataDir, "data-dir", ".storepulse/clickhouse", "where the tables live")
	f.StringVar(&opts.Engine, "engine", "", "the engine's library (default: installed by npm into the user's cache)")
	f.StringVar(&opts.Listen, "listen", "127.0.0.1:8123", "loopback address")
	f.BoolVar(&child, "child", false, "end with the process that started this one")
	_ = f.MarkHidden("child")
	return cmd
}
