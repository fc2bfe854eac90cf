package devmode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/storepulse/storepulse/internal/devmode/chdb"
	"github.com/storepulse/storepulse/internal/devmode/chhttp"
)

const (
	lockFile    = "storepulse.lock" // held by the process that serves the data directory
	addressFile = "storepulse.url"  // where it serves
	// drainTimeout bounds how long a stopping server waits for its requests.
	drainTimeout = 20 * time.Second
)

// ServeOptions says what a ClickHouse child process serves.
type ServeOptions struct {
	DataDir string
	Engine  string // path of the engine's library; empty = EnsureEngine
	Listen  string // default 127.0.0.1:0
	Log     *slog.Logger
	// Ready is called once with the URL when requests are answered.
	Ready func(url string)
	// Parent, if given, is read until it ends; then the server stops. A child
	// passes its standard input, so it never outlives its parent.
	Parent io.Reader
}

// ServeClickHouse serves the engine over one data directory until ctx ends or
// Parent does. It may run once per process.
func ServeClickHouse(ctx context.Context, opts ServeOptions) error {
	if opts.Listen == "" {
		opts.Listen = "127.0.0.1:0"
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.DataDir == "" {
		return errors.New("serve the embedded ClickHouse: no data directory given")
	}
	if err := checkLoopback(opts.Listen); err != nil {
		return fmt.Errorf("serve the embedded ClickHouse: %w", err)
	}
	dir, err := filepath.Abs(opts.DataDir)
	if err != nil {
		return fmt.Errorf("serve the embedded ClickHouse: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("serve the embedded ClickHouse: %w", err)
	}
	lock, err := tryLock(filepath.Join(dir, lockFile))
	if errors.Is(err, errLocked) {
		return fmt.Errorf("serve the embedded ClickHouse: another process uses the data directory %s: stop it or choose another directory", dir)
	} else if err != nil {
		return fmt.Errorf("serve the embedded ClickHouse: %w", err)
	}
	defer lock.release()
	if opts.Engine == "" {
		if opts.Engine, err = EnsureEngine(ctx, os.Stderr); err != nil {
			return err
		}
	}
	engine, err := chdb.Load(opts.Engine)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "clickhouse")
	handler, err := chhttp.New(func() (*chdb.Conn, error) { return engine.Connect("--path=" + path) }, opts.Log)
	if err != nil {
		return fmt.Errorf("open the data directory %s: %w", dir, err)
	}
	return serve(ctx, dir, handler, opts)
}

func serve(ctx context.Context, dir string, handler *chhttp.Handler, opts ServeOptions) error {
	ln, err := net.Listen("tcp", opts.Listen)
	if err != nil {
		return fmt.Errorf("serve the embedded ClickHouse: %w", err)
	}
	url := "http://" + ln.Addr().String()
	address := filepath.Join(dir, addressFile)
	if err := writeFile(address, url); err != nil {
		ln.Close()
		return fmt.Errorf("serve the embedded ClickHouse: %w", err)
	}
	defer os.Remove(address)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if opts.Parent != nil {
		go func() {
			_, _ = io.Copy(io.Discard, opts.Parent) // ends with the parent
			cancel()
		}()
	}
	srv := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          slog.NewLogLogger(opts.Log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	opts.Log.Info("embedded ClickHouse serves", "url", url, "version", handler.Version(), "data_dir", dir)
	if opts.Ready != nil {
		opts.Ready(url)
	}
	select {
	case err := <-served:
		return fmt.Errorf("serve the embedded ClickHouse: %w", err)
	case <-ctx.Done():
	}
	// Order: no new request, wait for running ones, close the connections.
	// The engine flushes on close; what was acknowledged stands without it.
	drain, stop := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer stop()
	return errors.Join(srv.Shutdown(drain), handler.Close(drain))
}

// Attach finds the server that runs over a data directory, if there is one.
func Attach(dataDir string) (url string, ok bool) {
	lock, err := tryLock(filepath.Join(dataDir, lockFile))
	if err == nil {
		lock.release()
		return "", false // an address file without its holder is a leftover
	}
	if !errors.Is(err, errLocked) {
		return "", false
	}
	b, err := os.ReadFile(filepath.Join(dataDir, addressFile))
	if err != nil || len(b) == 0 {
		return "", false
	}
	return string(b), true
}

// writeFile replaces a file in one step.
func writeFile(path, text string) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// TellParent is the Ready function of a child process that StartClickHouse runs.
func TellParent(url string) { fmt.Println(readyPrefix + url) }
