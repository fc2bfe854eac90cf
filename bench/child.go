package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/storepulse/storepulse/internal/devmode"
	"github.com/storepulse/storepulse/schemas"
)

// childEnv says which part this program runs as its own child.
const childEnv = "STOREPULSE_BENCH_CHILD"

const partitions = 4

// child is the program as a child: it serves until its standard input ends,
// which also happens when the parent dies.
func child(role string) int {
	signal.Ignore(os.Interrupt) // a terminal sends it to the children as well; the parent stops them
	err := fmt.Errorf("BUG: unknown role %q", role)
	switch role {
	case "kafka":
		err = serveKafka(os.Args[1:])
	case "clickhouse":
		err = serveClickHouse(os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serveKafka(args []string) error {
	fs := flag.NewFlagSet("kafka", flag.ContinueOnError)
	partitions := fs.Int("partitions", partitions, "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	k, err := devmode.StartKafka(devmode.KafkaOptions{Partitions: *partitions, Topics: fs.Args()})
	if err != nil {
		return err
	}
	fmt.Println(k.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return k.Close()
}

func serveClickHouse(args []string) error {
	fs := flag.NewFlagSet("clickhouse", flag.ContinueOnError)
	opts := devmode.ServeOptions{Parent: os.Stdin, Ready: devmode.TellParent}
	fs.StringVar(&opts.DataDir, "data-dir", "", "")
	fs.StringVar(&opts.Engine, "engine", "", "")
	fs.StringVar(&opts.Listen, "listen", "", "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return devmode.ServeClickHouse(ctx, opts)
}

// kafkaChild is a broker in a process of its own, with a pair of topics for
// each size of event.
type kafkaChild struct {
	cmd    *exec.Cmd // nil: somebody else's
	stdin  io.Closer
	addr   string
	filled map[string]bool
}

// topicsOf names the topics of a size of event.
func topicsOf(event string) [schemas.NumTopics]string {
	return [schemas.NumTopics]string{"bench.clickstream." + event, "bench.orders." + event}
}

func (b *bench) startKafka() (err error) {
	if b.kafka == nil {
		b.kafka, err = newKafkaChild(partitions, "315B", "800B")
	}
	return err
}

// newKafkaChild starts a broker with a pair of topics for each size of event.
func newKafkaChild(partitions int, events ...string) (*kafkaChild, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start kafka: find this program: %w", err)
	}
	args := []string{"-partitions", strconv.Itoa(partitions)}
	for _, event := range events {
		t := topicsOf(event)
		args = append(args, t[:]...)
	}
	k := &kafkaChild{cmd: exec.Command(exe, args...), filled: map[string]bool{}}
	k.cmd.Env = append(os.Environ(), childEnv+"=kafka")
	k.cmd.Stderr = os.Stderr
	if k.stdin, err = k.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start kafka: %w", err)
	}
	out, err := k.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start kafka: %w", err)
	}
	if err := k.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start kafka: %w", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start kafka: the child said no address: %w", err), k.stop())
	}
	k.addr = strings.TrimSpace(line)
	return k, nil
}

// realKafka makes a pair of topics on a broker that runs already. They are not
// deleted: its data is thrown away as a whole.
func realKafka(ctx context.Context, addr string, partitions int, event string) (*kafkaChild, error) {
	var topics []kafka.TopicConfig
	for _, name := range topicsOf(event) {
		topics = append(topics, kafka.TopicConfig{
			Topic: name, NumPartitions: partitions, ReplicationFactor: 1,
			ConfigEntries: []kafka.ConfigEntry{{ConfigName: "retention.ms", ConfigValue: "-1"}}, // the events bear fixed dates
		})
	}
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(addr), Transport: transport, Timeout: 30 * time.Second}
	res, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: topics})
	if err != nil {
		return nil, fmt.Errorf("create topics on %s: %w", addr, err)
	}
	for name, err := range res.Errors {
		if err != nil {
			return nil, fmt.Errorf("create topic %s on %s: %w", name, addr, err)
		}
	}
	return &kafkaChild{addr: addr, filled: map[string]bool{}}, nil
}

func (k *kafkaChild) stop() error {
	if k.cmd == nil { // not ours
		return nil
	}
	_ = k.stdin.Close()
	return stopWithin(k.cmd, 10*time.Second)
}

// stopWithin waits for a child that was asked to end, and kills it if it does not.
func stopWithin(cmd *exec.Cmd, d time.Duration) error {
	timer := time.AfterFunc(d, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	return cmd.Wait()
}

// clickHouseChild is the embedded engine in a process of its own.
type clickHouseChild struct{ *devmode.ClickHouse }

func (b *bench) startClickHouse(ctx context.Context) error {
	if b.click != nil {
		return nil
	}
	engine, err := devmode.EnsureEngine(ctx, os.Stderr)
	if err != nil {
		return err
	}
	c, err := devmode.StartClickHouse(ctx, devmode.ClickHouseOptions{
		DataDir: filepath.Join(b.dir, "clickhouse"), Engine: engine, Args: []string{}, Env: []string{childEnv + "=clickhouse"},
	})
	if err != nil {
		return err
	}
	b.click = &clickHouseChild{c}
	return nil
}

func (c *clickHouseChild) stop() error { return c.Stop() }
