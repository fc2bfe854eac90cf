package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newConfig(s *shared) *cobra.Command {
	return group("config", "Check or show the configuration", &cobra.Command{
		Use:   "check",
		Short: "Report every fault of the configuration and exit",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := s.config()
			if err != nil {
				return err
			}
			if _, err := cfg.Vocabulary(); err != nil {
				return err
			}
			fmt.Fprintln(s.out, "configuration is good")
			return nil
		},
	}, &cobra.Command{
		Use:   "dump",
		Short: "Print the configuration in force, secrets masked",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := s.config()
			if err != nil {
				return err
			}
			return cfg.Dump(s.out)
		},
	})
}
