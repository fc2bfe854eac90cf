package soak

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/storepulse/storepulse/internal/devmode"
)

// process is a child of the soak: a worker or a broker. It dies with the soak,
// however that ends.
type process struct {
	name    string
	cmd     *exec.Cmd
	log     string // path of what it writes
	started time.Time
	done    chan struct{}
	err     error // how it ended; valid after done
}

// startProcess runs a program that writes to a log file of its own.
func startProcess(name, log string, env []string, program string, args ...string) (*process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer out.Close()
	p := &process{name: name, cmd: exec.Command(program, args...), log: log, started: time.Now(), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := devmode.StartChild(p.cmd, func(err error) { p.err = err; close(p.done) }); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) signal(s syscall.Signal) error {
	err := p.cmd.Process.Signal(s)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// kill is kill -9, of a stopped process too.
func (p *process) kill() {
	_ = p.signal(syscall.SIGKILL)
	<-p.done
}

// ended says whether the process is over.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop is SIGTERM and a bounded wait; an exit with an error is one.
func (p *process) stop(within time.Duration) error {
	_ = p.signal(syscall.SIGTERM)
	return p.wait(within)
}

func (p *process) wait(within time.Duration) error {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		p.kill()
		return fmt.Errorf("%s did not end within %s\n%s", p.name, within, p.tail(30))
	}
	if p.err != nil {
		return fmt.Errorf("%s failed: %w\n%s", p.name, p.err, p.tail(30))
	}
	return nil
}

// said says whether the log holds a text.
func (p *process) said(text string) bool {
	b, err := os.ReadFile(p.log)
	return err == nil && strings.Contains(string(b), text)
}

// tail gives the last lines of the log.
func (p *process) tail(lines int) string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(b)), "\n")
	return p.log + ":\n  " + strings.Join(all[max(0, len(all)-lines):], "\n  ")
}
