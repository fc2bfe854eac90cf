package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/internal/obs"
)

func newVersion(s *shared) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := obs.ReadBuild(version)
			_, err := fmt.Fprintf(s.out, "storepulse %s (%s, %s, %s/%s)\n", b.Version, b.Revision, b.GoVersion, runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
