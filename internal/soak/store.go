package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/storepulse/storepulse/internal/devmode"
)

// store is the ClickHouse engine in its own process, always at one address.
type store struct {
	opts devmode.ClickHouseOptions
	addr string // host:port of the engine itself
	db   string
	http *http.Client

	mu struct {
		sync.Mutex
		child *devmode.ClickHouse
	}
}

func startStore(ctx context.Context, binary, dir, db, addr string) (*store, error) {
	s := &store{addr: addr, db: db, http: &http.Client{Timeout: 20 * time.Second}}
	s.opts = devmode.ClickHouseOptions{DataDir: dir, Listen: s.addr, Exe: binary, Args: []string{"dev", "clickhouse", "--child"}}
	return s, s.start(ctx)
}

func (s *store) start(ctx context.Context) error {
	child, err := devmode.StartClickHouse(ctx, s.opts)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.child = child
	return nil
}

func (s *store) child() *devmode.ClickHouse {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.child
}

func (s *store) url() string { return "http://" + s.addr }

func (s *store) signal(sig syscall.Signal) error { return syscall.Kill(s.child().Pid(), sig) }

// stop ends the engine; a stopped process is woken first.
func (s *store) stop() error {
	child := s.child()
	if child == nil {
		return nil
	}
	select {
	case <-child.Done():
		return nil
	default:
	}
	_ = s.signal(syscall.SIGCONT)
	return child.Stop()
}

// ask runs a query on the engine itself, past the proxy, and gives the answer
// tab-separated.
func (s *store) ask(ctx context.Context, query string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url()+"/?"+url.Values{"database": {s.db}}.Encode(), strings.NewReader(query))
	if err != nil {
		return "", err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask clickhouse: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", fmt.Errorf("ask clickhouse: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", errors.New("clickhouse: " + strings.TrimSpace(string(b)))
	}
	return strings.TrimRight(string(b), "\n"), nil
}
