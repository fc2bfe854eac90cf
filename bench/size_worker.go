package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/storepulse/storepulse/sink/clickhouse"
)

// sizeWorker is a running worker of the size stage.
type sizeWorker struct {
	cmd     *exec.Cmd
	log     lockedBuffer
	metrics string
	done    chan struct{}
	err     error
	began   time.Time
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (z *size) start(ctx context.Context) (*sizeWorker, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find a port: %w", err)
	}
	listen := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	topics := topicsOf(z.event)
	w := &sizeWorker{cmd: exec.CommandContext(ctx, z.exe, "run"), metrics: "http://" + listen + "/metrics", done: make(chan struct{}), began: time.Now()}
	w.cmd.Stdout, w.cmd.Stderr = &w.log, &w.log
	w.cmd.Env = append(
		os.Environ(),
		"STOREPULSE_KAFKA_BROKERS="+z.kafka.addr,
		"STOREPULSE_KAFKA_GROUP="+z.event,
		"STOREPULSE_KAFKA_TOPICS_CLICKSTREAM="+topics[0],
		"STOREPULSE_KAFKA_TOPICS_ORDERS="+topics[1],
		"STOREPULSE_KAFKA_SESSION_TIMEOUT="+sizeTimeout.String(),
		"STOREPULSE_SINK_CLICKHOUSE_URL="+z.click.URL(),
		"STOREPULSE_SINK_CLICKHOUSE_DATABASE="+sizeDatabase,
		"STOREPULSE_HTTP_LISTEN="+listen,
		"STOREPULSE_LOG_FORMAT=text",
	)
	if err := w.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	go func() {
		w.err = w.cmd.Wait()
		close(w.done)
	}()
	return w, nil
}

func (w *sizeWorker) kill() {
	_ = w.cmd.Process.Kill()
	<-w.done
}

// stop is a deploy's way: SIGTERM, and wait.
func (w *sizeWorker) stop() error {
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-w.done:
		return w.failure()
	case <-time.After(sizeStop):
		w.kill()
		return fmt.Errorf("worker did not end within %s\n%s", sizeStop, w.log.String())
	}
}

// failure is how a worker that has ended failed, with its last words.
func (w *sizeWorker) failure() error {
	select {
	case <-w.done:
		if w.err != nil {
			return fmt.Errorf("worker: %w\n%s", w.err, w.log.String())
		}
	default:
	}
	return nil
}

var assignedLine = regexp.MustCompile(`(?m)^time=(\S+) .*msg="lanes assigned".* lanes="?\[([0-9 ]+)\]`)

// assigned is when the worker got lanes first, zero if it has none yet.
func (w *sizeWorker) assigned() time.Time {
	m := assignedLine.FindStringSubmatch(w.log.String())
	if m == nil {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, m[1])
	if err != nil {
		return time.Time{}
	}
	return at
}

// scrape reads the worker's series.
func (w *sizeWorker) scrape(ctx context.Context) (map[string]*dto.MetricFamily, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.metrics, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(res.Body)
}

func (b *bench) client(database string) (*clickhouse.Client, error) {
	cfg := clickhouse.DefaultConfig()
	cfg.URL, cfg.Database = b.click.URL(), database
	return clickhouse.New(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

// ignoreMissing: before the first worker has migrated there is nothing to ask.
func ignoreMissing(err error) error {
	var exception *ch.Exception
	if errors.As(err, &exception) && (exception.Code == 60 || exception.Code == 81) || err != nil && strings.Contains(err.Error(), "UNKNOWN_") {
		return nil
	}
	return err
}
