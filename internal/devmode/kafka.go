package devmode

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
)

// maxMessageBytes is what the embedded broker takes as one record batch.
// Kafka's default of 1 MB would refuse the largest order events a producer may
// send in one batch.
const maxMessageBytes = 10 << 20

// KafkaOptions says how the embedded broker runs.
type KafkaOptions struct {
	DataDir    string   // topics and offsets live here; empty = in memory
	Listen     string   // default 127.0.0.1:0; the port of a data directory may change between runs
	Partitions int      // of topics that are created; default 4
	Topics     []string // created unless the data directory has them
}

// Kafka is an embedded Kafka-compatible broker.
type Kafka struct {
	cluster *kfake.Cluster
	lock    *fileLock
	addr    string
}

// StartKafka starts a broker and creates the topics. The caller closes it.
func StartKafka(opts KafkaOptions) (*Kafka, error) {
	if opts.Listen == "" {
		opts.Listen = "127.0.0.1:0"
	}
	if opts.Partitions <= 0 {
		opts.Partitions = 4
	}
	if err := checkLoopback(opts.Listen); err != nil {
		return nil, fmt.Errorf("start the embedded Kafka: %w", err)
	}
	k := &Kafka{}
	kopts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.DefaultNumPartitions(opts.Partitions),
		kfake.BrokerConfigs(map[string]string{
			"message.max.bytes": strconv.Itoa(maxMessageBytes),
			// A restarted demo should not wait the usual six seconds for its dead self.
			"group.min.session.timeout.ms": "1000",
		}),
		// The fixed address replaces whatever the broker would choose: a data
		// directory remembers no port.
		kfake.ListenFn(func(network, _ string) (net.Listener, error) { return net.Listen(network, opts.Listen) }),
	}
	if opts.DataDir != "" {
		if err := os.MkdirAll(opts.DataDir, 0o755); err != nil {
			return nil, fmt.Errorf("start the embedded Kafka: %w", err)
		}
		lock, err := tryLock(filepath.Join(opts.DataDir, "storepulse.lock"))
		if errors.Is(err, errLocked) {
			return nil, fmt.Errorf("start the embedded Kafka: another process uses the data directory %s: stop it or choose another directory", opts.DataDir)
		} else if err != nil {
			return nil, fmt.Errorf("start the embedded Kafka: %w", err)
		}
		k.lock = lock
		kopts = append(kopts, kfake.DataDir(filepath.Join(opts.DataDir, "log")))
	}
	if err := k.start(kopts, opts); err != nil {
		k.Close()
		return nil, fmt.Errorf("start the embedded Kafka on %s: %w", opts.Listen, err)
	}
	return k, nil
}

func (k *Kafka) start(kopts []kfake.Opt, opts KafkaOptions) error {
	cluster, err := kfake.NewCluster(kopts...)
	if err != nil {
		return err
	}
	k.cluster = cluster
	addrs := cluster.ListenAddrs()
	if len(addrs) == 0 {
		return errors.New("the broker listens nowhere")
	}
	k.addr = addrs[0]
	for _, topic := range opts.Topics {
		if cluster.TopicInfo(topic) != nil {
			continue // kept from an earlier run, with its partitions
		}
		if err := cluster.CreateTopic(topic, int32(opts.Partitions), nil); err != nil {
			return fmt.Errorf("create topic %s: %w", topic, err)
		}
	}
	return nil
}

// Addr is the broker's host:port.
func (k *Kafka) Addr() string { return k.addr }

// Close stops the broker after it has written what it holds.
func (k *Kafka) Close() error {
	if k.cluster != nil {
		k.cluster.Close()
		k.cluster = nil
	}
	k.lock.release()
	k.lock = nil
	return nil
}
