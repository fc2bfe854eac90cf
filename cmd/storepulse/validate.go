package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/internal/imports"
)

func newValidate(s *shared) *cobra.Command {
	var limit int64
	cmd := &cobra.Command{
		Use:   "validate FILE",
		Short: "Say offline whether events are right, and why not",
		Long: `validate reads one JSON event per line (plain or gzip, - is standard input) and
judges each as a worker would. It exits with 1 if any event would be set aside.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := notNegative("limit", limit); err != nil {
				return err
			}
			cfg, err := s.config()
			if err != nil {
				return err
			}
			voc, err := cfg.Vocabulary()
			if err != nil {
				return err
			}
			v, err := imports.Validate(args[0], voc, s.out, limit)
			if err != nil {
				return err
			}
			fmt.Fprintf(s.out, "%d events: %d right, %d refused\n", v.Lines, v.Accepted, v.Refused)
			for _, list := range []map[string]int64{v.Types, v.Reasons} {
				for _, name := range slices.Sorted(maps.Keys(list)) {
					fmt.Fprintf(s.out, "%10d  %s\n", list[name], name)
				}
			}
			if v.Refused > 0 {
				return errFailed
			}
			return nil
		},
	}
	cmd.Flags().Int64Var(&limit, "limit", 100, "print at most this many refused events (0 = all)")
	return cmd
}
