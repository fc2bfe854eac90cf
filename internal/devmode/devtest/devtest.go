// Package devtest gives tests the real ClickHouse engine and a Kafka broker.
// A package that calls ClickHouse has a TestMain that calls Main; Main starts
// nothing until a test asks and stops everything at the end.
package devtest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/storepulse/storepulse/internal/devmode"
)

// childEnv marks the test binary's own child, which serves ClickHouse.
const childEnv = "STOREPULSE_TEST_CLICKHOUSE_CHILD"

// shared is what the tests of one binary have in common. It is a package
// variable because a test binary has one Main and its tests share nothing else.
var shared struct {
	sync.Mutex
	main    bool
	dir     string
	server  *devmode.ClickHouse
	failure error
	names   atomic.Int64
}

// Main runs the tests: func TestMain(m *testing.M) { devtest.Main(m) }.
func Main(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	shared.main = true
	code := m.Run()
	shared.Lock()
	if shared.server != nil {
		if err := shared.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	if shared.dir != "" {
		os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

func child() int {
	fs := flag.NewFlagSet("clickhouse", flag.ContinueOnError)
	var opts devmode.ServeOptions
	fs.StringVar(&opts.DataDir, "data-dir", "", "")
	fs.StringVar(&opts.Engine, "engine", "", "")
	fs.StringVar(&opts.Listen, "listen", "", "")
	if err := fs.Parse(os.Args[1:]); err != nil {
		return 2
	}
	opts.Parent, opts.Ready = os.Stdin, devmode.TellParent
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := devmode.ServeClickHouse(ctx, opts); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// ClickHouse returns the URL of an engine that all tests of the binary share.
// Without an engine the test is skipped, and fails where CI=true.
func ClickHouse(t testing.TB) string {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.failure == nil {
		shared.server, shared.failure = start(folder(t))
	}
	if shared.failure != nil {
		missing(t, shared.failure)
	}
	return shared.server.URL()
}

// Dir is a folder that all tests of the binary share; it goes when they are over.
func Dir(t testing.TB) string {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	return folder(t)
}

// folder is Dir under the lock.
func folder(t testing.TB) string {
	t.Helper()
	if !shared.main {
		t.Fatal("BUG: the test package needs func TestMain(m *testing.M) { devtest.Main(m) }")
	}
	if shared.dir == "" {
		dir, err := os.MkdirTemp("", "storepulse-test-")
		if err != nil {
			t.Fatal(err)
		}
		shared.dir = dir
	}
	return shared.dir
}

// StartClickHouse starts an engine of the test's own over dir, for tests that
// kill or restart it. It is stopped at the test's end.
func StartClickHouse(t testing.TB, dir string) *devmode.ClickHouse {
	t.Helper()
	c, err := start(dir)
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(func() { _ = c.Kill() })
	return c
}

// TryStart is StartClickHouse with the error returned and the end left to the caller.
func TryStart(dir string) (*devmode.ClickHouse, error) { return start(dir) }

func start(dir string) (*devmode.ClickHouse, error) {
	if !shared.main {
		return nil, fmt.Errorf("BUG: the test package needs func TestMain(m *testing.M) { devtest.Main(m) }")
	}
	engine, err := devmode.EnsureEngine(context.Background(), os.Stderr)
	if err != nil {
		return nil, err
	}
	return devmode.StartClickHouse(context.Background(), devmode.ClickHouseOptions{
		DataDir: filepath.Join(dir, "data"), Engine: engine, Args: []string{}, Env: []string{childEnv + "=1"},
	})
}

func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" || strings.HasPrefix(err.Error(), "BUG:") {
		t.Fatal(err)
	}
	t.Skipf("no ClickHouse engine: %v", err)
}
