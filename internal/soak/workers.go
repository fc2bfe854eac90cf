package soak

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// worker is one `storepulse run`.
type worker struct {
	*process
	metrics string // host:port
	expect  bool   // its end was asked for
	frozen  bool
}

// workers are the worker processes. One that ends by itself after it has
// started to work is a finding.
type workers struct {
	binary string
	port   int // of the first worker; each has one of its own, also those that have gone
	dir    string
	env    []string
	found  func(error) // called with what must fail the run

	mu struct {
		sync.Mutex
		list    []*worker // alive, oldest first
		next    int
		refused int // starts that ended because Kafka or the store was down
		closed  bool
	}
}

func newWorkers(binary, dir string, port int, env []string, found func(error)) *workers {
	return &workers{binary: binary, dir: dir, port: port, env: env, found: found}
}

// startedText is what a worker logs once it has spoken to both ends.
const startedText = "worker starts"

// start runs one more worker and watches it.
func (c *workers) start() error {
	w, err := c.launch("run")
	if err != nil {
		return err
	}
	go c.watch(w)
	return nil
}

func (c *workers) launch(args ...string) (*worker, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return nil, errors.New("start a worker: the run is over")
	}
	c.mu.next++
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port+c.mu.next-1))
	name := fmt.Sprintf("worker-%03d", c.mu.next)
	p, err := startProcess(name, filepath.Join(c.dir, name+".log"), append(c.env, "STOREPULSE_HTTP_LISTEN="+addr), c.binary, args...)
	if err != nil {
		return nil, err
	}
	w := &worker{process: p, metrics: addr}
	c.mu.list = append(c.mu.list, w)
	return w, nil
}

// watch waits for the worker's end. A worker checks both ends before it
// begins; where a fault made that fail it is started again, as a supervisor would.
func (c *workers) watch(w *worker) {
	<-w.done
	c.remove(w)
	c.mu.Lock()
	expected, closed := w.expect, c.mu.closed
	c.mu.Unlock()
	if expected || closed {
		return
	}
	if w.said(startedText) {
		c.found(fmt.Errorf("%s ended by itself: %w\n%s", w.name, w.err, w.tail(40)))
		return
	}
	time.Sleep(time.Second) // a supervisor's pause between two starts
	c.mu.Lock()
	c.mu.refused++
	closed = c.mu.closed
	c.mu.Unlock()
	if closed {
		return
	}
	if err := c.start(); err != nil {
		c.found(err)
	}
}

func (c *workers) remove(w *worker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, o := range c.mu.list {
		if o == w {
			c.mu.list = append(c.mu.list[:i:i], c.mu.list[i+1:]...)
			return
		}
	}
}

// alive lists the workers that run, the frozen ones included, oldest first.
func (c *workers) alive() []*worker {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*worker(nil), c.mu.list...)
}

// victim picks a running worker, waiting for one that works if there is none.
func (c *workers) victim(ctx context.Context, pick int) (*worker, error) {
	for {
		c.mu.Lock()
		var awake []*worker
		for _, w := range c.mu.list {
			if !w.frozen && !w.expect {
				awake = append(awake, w)
			}
		}
		c.mu.Unlock()
		if len(awake) > 0 {
			return awake[pick%len(awake)], nil
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// leave marks the worker's end as asked for.
func (c *workers) leave(w *worker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.expect = true
}

func (c *workers) freeze(w *worker, yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.frozen = yes
}

// stopAll ends every worker by SIGTERM; each must exit cleanly.
func (c *workers) stopAll() error {
	var all sync.WaitGroup
	list := c.alive()
	errs := make([]error, len(list))
	for i, w := range list {
		c.leave(w)
		all.Go(func() { errs[i] = c.stop(w) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// stopBound is how long a worker may take to leave, with a store that does not
// answer: an insert in flight is waited for.
const stopBound = 2 * time.Minute

// stop is SIGTERM; a worker that was still checking its ends may say so.
func (c *workers) stop(w *worker) error {
	c.leave(w)
	err := w.stop(stopBound)
	if err != nil && w.ended() && !w.said(startedText) {
		return nil
	}
	return err
}

// close kills what is left.
func (c *workers) close() {
	c.mu.Lock()
	c.mu.closed = true
	c.mu.Unlock()
	for _, w := range c.alive() {
		w.kill()
	}
}

func (c *workers) refusedStarts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.refused
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
