package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/imports"
	"github.com/storepulse/storepulse/internal/produce"
	"github.com/storepulse/storepulse/internal/progress"
)

func newImport(s *shared) *cobra.Command {
	var mapping string
	var pace produce.Pace
	cmd := &cobra.Command{
		Use:   "import FILE --mapping M.yaml",
		Short: "Turn a CSV, TSV or JSON lines file into live events on Kafka",
		Long: `import reads a file (plain or gzip, - is standard input) by a declarative mapping
and writes the events to the configured Kafka, where workers take them like any
other. Every row is accounted for in the report at the end.`,
		Example: `  storepulse import 2019-Oct.csv.gz --mapping examples/rees46.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if mapping == "" {
				return &usageError{errors.New("import: --mapping is needed: how to read the file")}
			}
			if pace.TimeLapse > 0 && pace.Rate > 0 {
				return &usageError{errors.New("import: --time-lapse and --rate both set the pace: give one of them")}
			}
			if err := errors.Join(notNegative("time-lapse", pace.TimeLapse), notNegative("rate", pace.Rate)); err != nil {
				return err
			}
			cfg, err := s.config()
			if err != nil {
				return err
			}
			return importFile(cmd.Context(), s, cfg, args[0], mapping, pace)
		},
	}
	f := cmd.Flags()
	f.StringVar(&mapping, "mapping", "", "how to read the file (YAML)")
	f.Float64Var(&pace.TimeLapse, "time-lapse", 0, "the file's seconds per second; 0 = full speed")
	f.Float64Var(&pace.Rate, "rate", 0, "events per second, whatever their times; 0 = full speed")
	return cmd
}

// importFile feeds a file to Kafka and prints what became of its rows.
func importFile(ctx context.Context, s *shared, cfg config.Config, path, mapping string, pace produce.Pace) error {
	m, err := imports.LoadMapping(mapping)
	if err != nil {
		return err
	}
	voc, err := cfg.Vocabulary()
	if err != nil {
		return err
	}
	r, err := imports.Open(path, m, imports.Options{Vocabulary: voc})
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	w, err := newWriter(cfg)
	if err != nil {
		return err
	}
	bar := progress.New(s.err, "import "+path)
	err = produce.Run(ctx, w, r.Next, pace, func(produce.Counts) { bar.Set(r.Progress()) })
	err = errors.Join(err, r.Err(), w.Close(context.WithoutCancel(ctx)))
	bar.Done()
	if werr := r.Report().Write(s.out); werr != nil {
		err = errors.Join(err, werr)
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("import stopped after %d events; the same import again continues safely, events that are there already are dropped as duplicates", w.Counts().Total())
	}
	return err
}
