// Command storepulse turns a shop's raw events into numbers that operators can
// trust: it consumes clickstream and order events from Kafka, sessionizes them,
// writes facts to ClickHouse and exposes Prometheus series.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/internal/config"
)

// version is set by the build (-ldflags -X main.version=…).
var version = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the default comes back: a second one kills.
	context.AfterFunc(ctx, stop)
	os.Exit(execute(ctx, os.Args, streams{os.Stdin, os.Stdout, os.Stderr}))
}

// streams are the program's standard streams.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// errFailed: what is wrong has been printed; only the exit code is left to set.
var errFailed = errors.New("failed")

// execute runs one command line, the program's name first, and gives its exit
// code: 0, 1 for a failure, 2 for a command line that makes no sense.
func execute(ctx context.Context, args []string, std streams) int {
	root := newRoot(args[0], std)
	root.SetArgs(args[1:])
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFailed):
		return 1
	case errors.As(err, &usage), strings.HasPrefix(err.Error(), "unknown command"): // cobra has no type for it
		fmt.Fprintf(std.err, "storepulse: %v\nRun 'storepulse --help'.\n", err)
		return 2
	}
	fmt.Fprintf(std.err, "storepulse: %v\n", err)
	return 1
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// shared is what every command can see.
type shared struct {
	streams
	program    string // as it was called
	configFile string
}

// config loads the configuration that the command line names.
func (s *shared) config() (config.Config, error) {
	return config.Load(s.configFile, os.Environ())
}

func newRoot(program string, std streams) *cobra.Command {
	s := &shared{streams: std, program: program}
	root := &cobra.Command{
		Use:   "storepulse",
		Short: "Streaming metrics for online shops: Kafka to ClickHouse and Prometheus",
		Long: `storepulse consumes a shop's clickstream and order events from Kafka, sessionizes
them into funnel stages, writes facts to ClickHouse and exposes Prometheus series.

  storepulse demo      the whole product on this machine, with shoppers
  storepulse run       a worker on your Kafka and ClickHouse`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().StringVarP(&s.configFile, "config", "c", os.Getenv("STOREPULSE_CONFIG"), "configuration file (YAML); the environment wins over it")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(
		newRun(s), newHealthcheck(s), newDemo(s), newGenerate(s), newImport(s), newValidate(s), newSQL(s), newStatus(s), newVerify(s), newTrace(s), newDeadLetters(s), newMigrate(s),
		newMetrics(s), newDashboards(s), newRules(s), newConfig(s), newDev(s), newVersion(s),
	)
	for _, c := range root.Commands() {
		wrapArgs(c)
	}
	return root
}

// group is a command that does nothing but hold others: alone it says which.
func group(use, short string, holds ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short,
		Args: cobra.NoArgs, // without it cobra shows the help for any wrong word, and calls that a success
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(holds...)
	return cmd
}

// wrapArgs makes wrong arguments a usage error, in subcommands too.
func wrapArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return &usageError{fmt.Errorf("%s: %w", strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" "), err)}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}
