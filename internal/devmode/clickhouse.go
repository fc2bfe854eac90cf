package devmode

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// readyPrefix begins the line by which a child tells where it serves.
	readyPrefix = "ready "
	// readyTimeout bounds the start of a child; opening a large data directory
	// takes seconds.
	readyTimeout = 2 * time.Minute
	// stopTimeout bounds a graceful stop, a little above the child's own bound.
	stopTimeout = drainTimeout + 5*time.Second
)

// ClickHouseOptions says how the child process runs.
type ClickHouseOptions struct {
	DataDir string
	Engine  string   // path of the engine's library; empty = EnsureEngine
	Listen  string   // default 127.0.0.1:0
	Exe     string   // program to run; default this one
	Args    []string // its arguments before the flags; default dev clickhouse
	Env     []string // added to the environment
	Log     *slog.Logger
}

// ClickHouse is a running child process.
type ClickHouse struct {
	url   string
	cmd   *exec.Cmd
	stdin io.Closer
	done  chan struct{} // closed when the process has ended
	err   error         // how it ended; valid after done
	tail  *tailWriter
}

// StartClickHouse runs ServeClickHouse in a child process and waits until it
// answers. The child ends with this process, however this process ends.
func StartClickHouse(ctx context.Context, opts ClickHouseOptions) (*ClickHouse, error) {
	if err := opts.complete(ctx); err != nil {
		return nil, err
	}
	args := append(append([]string{}, opts.Args...), "--data-dir", opts.DataDir, "--engine", opts.Engine, "--listen", opts.Listen)
	c := &ClickHouse{cmd: exec.Command(opts.Exe, args...), done: make(chan struct{}), tail: &tailWriter{log: opts.Log}}
	c.cmd.Env = append(os.Environ(), opts.Env...)
	c.cmd.Stderr = c.tail
	c.cmd.WaitDelay = 2 * time.Second
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the embedded ClickHouse: %w", err)
	}
	c.stdin = stdin
	stdout, stdoutW, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the embedded ClickHouse: %w", err)
	}
	c.cmd.Stdout = stdoutW
	err = StartChild(c.cmd, func(err error) {
		c.err = err
		close(c.done)
	})
	stdoutW.Close()
	if err != nil {
		stdout.Close()
		return nil, fmt.Errorf("start the embedded ClickHouse (%s): %w", opts.Exe, err)
	}
	if err := c.await(ctx, stdout); err != nil {
		_ = c.Kill()
		return nil, fmt.Errorf("start the embedded ClickHouse over %s: %w", opts.DataDir, err)
	}
	return c, nil
}

func (o *ClickHouseOptions) complete(ctx context.Context) error {
	var err error
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.DataDir == "" {
		return errors.New("start the embedded ClickHouse: no data directory given")
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Args == nil {
		o.Args = []string{"dev", "clickhouse"}
	}
	if o.Exe == "" {
		if o.Exe, err = os.Executable(); err != nil {
			return fmt.Errorf("start the embedded ClickHouse: find this program: %w", err)
		}
	}
	if o.Engine == "" {
		o.Engine, err = EnsureEngine(ctx, os.Stderr)
	}
	return err
}

// await reads the child's standard output up to the line that says where it serves.
func (c *ClickHouse) await(ctx context.Context, stdout *os.File) error {
	line := make(chan string, 1)
	go func() {
		defer stdout.Close()
		r := bufio.NewReader(stdout)
		for {
			s, err := r.ReadString('\n')
			if url, ok := strings.CutPrefix(strings.TrimSpace(s), readyPrefix); ok {
				line <- url
			}
			if err != nil {
				return // read to the end, or the child would block on a full pipe
			}
		}
	}()
	timer := time.NewTimer(readyTimeout)
	defer timer.Stop()
	select {
	case c.url = <-line:
		return nil
	case <-c.done:
		return fmt.Errorf("the child process ended (%v): %s", c.err, c.tail.last())
	case <-timer.C:
		return fmt.Errorf("the child process is not ready after %s: %s", readyTimeout, c.tail.last())
	case <-ctx.Done():
		return ctx.Err()
	}
}

// URL of the HTTP interface, such as http://127.0.0.1:40123.
func (c *ClickHouse) URL() string { return c.url }

// Pid of the child process.
func (c *ClickHouse) Pid() int { return c.cmd.Process.Pid }

// Done is closed when the child process has ended, asked to or not.
func (c *ClickHouse) Done() <-chan struct{} { return c.done }

// Wait waits for the child's end and says how it ended; nil after Stop.
func (c *ClickHouse) Wait() error {
	<-c.done
	if c.err != nil {
		return fmt.Errorf("the embedded ClickHouse ended (%w): %s", c.err, c.tail.last())
	}
	return nil
}

// Stop lets running requests finish and ends the child; it is killed when that
// takes too long. Calling it again only waits.
func (c *ClickHouse) Stop() error {
	_ = c.stdin.Close() // the child watches it
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-c.done:
		return c.Wait()
	case <-timer.C:
		_ = c.Kill()
		return fmt.Errorf("the embedded ClickHouse did not stop within %s and was killed", stopTimeout)
	}
}

// Kill ends the child at once (SIGKILL), for tests of crashes.
func (c *ClickHouse) Kill() error {
	err := c.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH) {
		err = nil
	}
	<-c.done
	return err
}

// tailWriter passes a child's standard error to the log, line by line, and
// keeps its end for error messages.
type tailWriter struct {
	log *slog.Logger
	mu  struct {
		sync.Mutex
		tail []byte
		line []byte
	}
}

const tailBytes = 4 << 10

func (t *tailWriter) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.tail = append(t.mu.tail, p...)
	if n := len(t.mu.tail) - tailBytes; n > 0 {
		t.mu.tail = append(t.mu.tail[:0], t.mu.tail[n:]...)
	}
	t.mu.line = append(t.mu.line, p...)
	for {
		i := strings.IndexByte(string(t.mu.line), '\n')
		if i < 0 {
			if len(t.mu.line) > tailBytes {
				t.mu.line = t.mu.line[:0]
			}
			return len(p), nil
		}
		if s := strings.TrimSpace(string(t.mu.line[:i])); s != "" {
			t.log.Info("embedded ClickHouse", "line", s)
		}
		t.mu.line = append(t.mu.line[:0], t.mu.line[i+1:]...)
	}
}

func (t *tailWriter) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := strings.TrimSpace(string(t.mu.tail)); s != "" {
		return s
	}
	return "it wrote nothing to standard error"
}
