//go:build noengine

package main

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/storepulse/storepulse/internal/config"
)

// errNoEngine answers every command that needs the embedded parts: this build
// leaves them out, because the engine's library is loaded at run time and a
// program that can do so is not static.
var errNoEngine = errors.New("built without the embedded engine: use compose.yaml, or a build without the tag noengine")

func needEngine() error { return errNoEngine }

// local cannot exist in this build.
type local struct{ cfg config.Config }

func startLocal(context.Context, io.Writer, string, int, config.Config, *slog.Logger) (*local, error) {
	return nil, errNoEngine
}

func (*local) stop() error { return errNoEngine }

func attachClickHouse(context.Context, io.Writer, string, *config.Config) (func(), error) {
	return nil, errNoEngine
}

func attachBoth(context.Context, io.Writer, string, *config.Config) (func(), bool, error) {
	return nil, false, errNoEngine
}

// newDev stands in for the commands that run one embedded part alone.
func newDev(*shared) *cobra.Command {
	return &cobra.Command{
		Use:                "dev",
		Short:              "Run one embedded part alone (not in this build)",
		DisableFlagParsing: true, // whatever the other build takes gets the same answer
		RunE:               func(*cobra.Command, []string) error { return errNoEngine },
	}
}
