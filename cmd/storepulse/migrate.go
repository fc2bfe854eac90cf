package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/internal/obs"
)

func newMigrate(s *shared) *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Create or update the tables and views in ClickHouse",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.config()
			if err != nil {
				return err
			}
			st, err := newStack(cfg, obs.NewLogger(s.err, cfg.Log))
			if err != nil {
				return err
			}
			defer func() { _ = st.close() }()
			if err := st.store.Ping(cmd.Context()); err != nil {
				return err
			}
			applied, err := st.migrate(cmd.Context())
			for _, f := range applied {
				fmt.Fprintln(s.out, "applied", f)
			}
			if err == nil && len(applied) == 0 {
				fmt.Fprintln(s.out, "the tables were up to date; views written")
			}
			return err
		},
	}
}
