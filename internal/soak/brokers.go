package soak

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// brokers are the nodes of a real Kafka, each run by kafka.sh in the foreground.
type brokers struct {
	script, home, dir string
	port, nodes       int

	mu struct {
		sync.Mutex
		node []*process
	}
}

// Ports of a node, as kafka.sh lays them out, and after them those of the rest.
// None is the kernel's to choose: it would give the port of what is down just
// now, or not yet up, to somebody else.
const (
	nodeStep       = 10
	proxiedPort    = 3   // where it answers what came through a proxy
	proxyPort      = 4   // where it tells those clients to go
	storePort      = 6   // of the first node's ten: the engine's
	storeProxyPort = 7   // and where the workers find it
	workersPort    = 100 // of the first worker
)

func newBrokers(script, dir string, port, nodes int) *brokers {
	home := filepath.Join(filepath.Dir(script), "..", "..", "build", "kafka")
	b := &brokers{script: script, home: home, dir: dir, port: port, nodes: nodes}
	b.mu.node = make([]*process, nodes)
	return b
}

func (b *brokers) addr(node, offset int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port+nodeStep*node+offset))
}

// list gives the address of every node at one of its ports.
func (b *brokers) list(offset int) []string {
	var all []string
	for n := range b.nodes {
		all = append(all, b.addr(n, offset))
	}
	return all
}

func (b *brokers) env(node int) []string {
	return []string{
		"KAFKA_HOME=" + b.home, "KAFKA_PORT=" + strconv.Itoa(b.port), "KAFKA_NODES=" + strconv.Itoa(b.nodes), "KAFKA_NODE=" + strconv.Itoa(node+1),
		"KAFKA_HEAP=320m", "KAFKA_STOP_WAIT=1",
	}
}

// start begins with empty brokers and waits until they are ready.
func (b *brokers) start(ctx context.Context) error {
	if err := b.clean(ctx); err != nil {
		return err
	}
	for n := range b.nodes {
		if err := b.launch(n); err != nil {
			return err
		}
	}
	for n := range b.nodes {
		if err := b.ready(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// clean removes the brokers' data, and a broker that an earlier run left.
func (b *brokers) clean(ctx context.Context) error {
	for n := range b.nodes {
		cmd := exec.CommandContext(ctx, b.script, "clean")
		cmd.Env = append(os.Environ(), b.env(n)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("clean kafka: %w\n%s", err, out)
		}
	}
	return nil
}

func (b *brokers) launch(node int) error {
	if err := os.Remove(b.log(node)); err != nil && !errors.Is(err, fs.ErrNotExist) { // it says that the former one was ready
		return err
	}
	p, err := startProcess(fmt.Sprintf("kafka-%d", node+1), filepath.Join(b.dir, fmt.Sprintf("kafka-%d.log", node+1)), b.env(node), b.script, "run")
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.node[node] = p
	return nil
}

func (b *brokers) process(node int) *process {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.node[node]
}

// log is where kafka.sh lets the node write.
func (b *brokers) log(node int) string {
	return filepath.Join(b.home, strconv.Itoa(b.port+nodeStep*node), "kafka.log")
}

// startBound is how long a broker may take to come back on a busy machine.
const startBound = 5 * time.Minute

// ready waits until a launched node says that it has started.
func (b *brokers) ready(ctx context.Context, node int) error {
	ctx, cancel := context.WithTimeout(ctx, startBound)
	defer cancel()
	p, log := b.process(node), b.log(node)
	for {
		text, _ := os.ReadFile(log)
		if strings.Contains(string(text), "Kafka Server started") {
			return nil
		}
		if p.ended() {
			return fmt.Errorf("kafka node %d ended while starting: %w\n%s\n%s", node+1, p.err, p.tail(10), log)
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("kafka node %d is not ready (%s): %w", node+1, log, err)
		}
	}
}

// again starts a node that has ended and waits until it is ready.
func (b *brokers) again(ctx context.Context, node int) error {
	if err := b.launch(node); err != nil {
		return err
	}
	return b.ready(ctx, node)
}

// revive starts every node that does not run.
func (b *brokers) revive(ctx context.Context) error {
	var errs []error
	for n := range b.nodes {
		if p := b.process(n); p != nil && p.ended() {
			errs = append(errs, b.again(ctx, n))
		}
	}
	return errors.Join(errs...)
}

func (b *brokers) close() {
	for n := range b.nodes {
		if p := b.process(n); p != nil {
			p.kill()
		}
	}
}

// createTopics makes both topics. Their records are dated as the simulated
// shop goes, long past for the broker: retention must not look at that.
func (b *brokers) createTopics(ctx context.Context, lanes int, names ...string) error {
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(b.list(0)...), Transport: transport, Timeout: time.Minute}
	copies := 1
	if b.nodes >= 3 {
		copies = 3
	}
	req := &kafka.CreateTopicsRequest{}
	for _, name := range names {
		req.Topics = append(req.Topics, kafka.TopicConfig{Topic: name, NumPartitions: lanes, ReplicationFactor: copies, ConfigEntries: []kafka.ConfigEntry{
			{ConfigName: "retention.ms", ConfigValue: "-1"}, {ConfigName: "max.message.bytes", ConfigValue: "20971520"},
		}})
	}
	res, err := client.CreateTopics(ctx, req)
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	for name, err := range res.Errors {
		if err != nil {
			return fmt.Errorf("create topic %s: %w", name, err)
		}
	}
	return nil
}

// moveLeaders turns the replicas of every partition by one and elects the
// first of them: each partition gets another leader.
func (b *brokers) moveLeaders(ctx context.Context, topics ...string) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.list(0)...))
	if err != nil {
		return err
	}
	defer cl.Close()
	ask := kmsg.NewPtrMetadataRequest()
	for i := range topics {
		ask.Topics = append(ask.Topics, kmsg.MetadataRequestTopic{Topic: &topics[i]})
	}
	meta, err := ask.RequestWith(ctx, cl)
	if err != nil {
		return fmt.Errorf("ask for leaders: %w", err)
	}
	alter := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	alter.TimeoutMillis = 20_000
	elect := kmsg.NewPtrElectLeadersRequest()
	elect.TimeoutMillis = 20_000
	for _, t := range meta.Topics {
		a := kmsg.NewAlterPartitionAssignmentsRequestTopic()
		e := kmsg.NewElectLeadersRequestTopic()
		a.Topic, e.Topic = *t.Topic, *t.Topic
		for _, p := range t.Partitions {
			ap := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
			ap.Partition, ap.Replicas = p.Partition, append(p.Replicas[1:len(p.Replicas):len(p.Replicas)], p.Replicas[0])
			a.Partitions = append(a.Partitions, ap)
			e.Partitions = append(e.Partitions, p.Partition)
		}
		alter.Topics, elect.Topics = append(alter.Topics, a), append(elect.Topics, e)
	}
	if _, err := alter.RequestWith(ctx, cl); err != nil {
		return fmt.Errorf("reassign replicas: %w", err)
	}
	// A node that is still behind cannot be elected yet; the order stands all
	// the same and the broker elects it in time.
	if _, err := elect.RequestWith(ctx, cl); err != nil {
		return fmt.Errorf("elect leaders: %w", err)
	}
	return nil
}
