package main

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/storepulse/storepulse/internal/obs"
)

// TestHealthcheck: the exit code is what a container runtime looks at.
func TestHealthcheck(t *testing.T) {
	var waits error
	worker := httptest.NewServer(obs.NewServer(obs.HTTPConfig{}, slog.New(slog.DiscardHandler), obs.NewRegistry(obs.Build{}), func() error { return waits }).Handler())
	t.Setenv("STOREPULSE_HTTP_LISTEN", worker.Listener.Addr().String())
	check := func(code int, text string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		if got := execute(t.Context(), append([]string{"storepulse", "healthcheck"}, args...), streams{strings.NewReader(""), &out, &out}); got != code || !strings.Contains(out.String(), text) {
			t.Errorf("healthcheck %v: exit code %d, %q; want %d and %q", args, got, out.String(), code, text)
		}
	}
	check(0, "ready")
	waits = errors.New("not a member of the consumer group yet")
	check(1, "storepulse: not ready: not a member of the consumer group yet")
	check(2, "--user and --password-file go together", "--user", "probe")
	check(1, "--password-file", "--user", "probe", "--password-file", "missing")
	worker.Close()
	check(1, "connection refused")
}
