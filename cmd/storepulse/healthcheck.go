package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/internal/obs"
)

// probeTime bounds a health check; container runtimes ask every few seconds.
const probeTime = 5 * time.Second

func newHealthcheck(s *shared) *cobra.Command {
	var who login
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the worker that runs here whether it is ready",
		Long: `healthcheck asks /readyz of the worker that runs with the same configuration on
this machine or in this container, by TLS if http.web_config_file says so. Exit
code 0: it is ready. 1: it is not, or does not answer. Images without a shell
have no other way to ask.`,
		Example: `  storepulse healthcheck
  storepulse healthcheck --user probe --password-file /run/secrets/probe`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			password, err := who.password()
			if err != nil {
				return err
			}
			cfg, err := s.config()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), probeTime)
			defer cancel()
			text, err := obs.Probe(ctx, cfg.HTTP, obs.Login{User: who.user, Password: password})
			if err != nil {
				return err
			}
			fmt.Fprintln(s.out, text)
			return nil
		},
	}
	who.add(cmd.Flags(), "a user of basic_auth_users in http.web_config_file")
	return cmd
}
