package ingest

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/storepulse/storepulse/schemas"
)

// Config is the sum of what ingest is told; kafka and ingest are sections of
// the program's configuration.
type Config struct {
	Kafka  KafkaConfig  `yaml:"kafka"`
	Ingest IngestConfig `yaml:"ingest"`
	// IdleAfter is transform.session.idle_after: how long both topics must be
	// at their log end before a lane counts as idle.
	IdleAfter time.Duration `yaml:"-"`
}

// KafkaConfig says where Kafka is and who we are there.
type KafkaConfig struct {
	Brokers        []string      `yaml:"brokers"`
	Group          string        `yaml:"group"`
	Topics         TopicsConfig  `yaml:"topics"`
	SessionTimeout time.Duration `yaml:"session_timeout"`
	TLS            TLSConfig     `yaml:"tls"`
	SASL           SASLConfig    `yaml:"sasl"`
}

// TopicsConfig names the two topics of a lane.
type TopicsConfig struct {
	Clickstream string `yaml:"clickstream"`
	Orders      string `yaml:"orders"`
}

// Names gives the names by topic.
func (t TopicsConfig) Names() [schemas.NumTopics]string {
	return [schemas.NumTopics]string{schemas.Clickstream: t.Clickstream, schemas.OrdersTopic: t.Orders}
}

func (t TopicsConfig) list() []string {
	names := t.Names()
	return names[:]
}

func (t TopicsConfig) name(topic schemas.Topic) string { return t.Names()[topic] }

// IngestConfig is the section ingest.
type IngestConfig struct {
	Epoch EpochConfig `yaml:"epoch"`
}

// EpochConfig says when a lane's input is cut: at whichever comes first.
type EpochConfig struct {
	Records  int           `yaml:"records"`
	Bytes    Bytes         `yaml:"bytes"`
	Interval time.Duration `yaml:"interval"`
}

// DefaultConfig reads from Kafka on this machine.
func DefaultConfig() Config {
	return Config{
		Kafka: KafkaConfig{
			Brokers: []string{"127.0.0.1:9092"}, Group: "storepulse", SessionTimeout: 10 * time.Second,
			Topics: TopicsConfig{Clickstream: "ecom.clickstream.v1", Orders: "ecom.orders.v1"},
		},
		Ingest:    IngestConfig{Epoch: EpochConfig{Records: 50_000, Bytes: 32 << 20, Interval: time.Second}},
		IdleAfter: 30 * time.Second,
	}
}

// The greatest epochs. Every table takes an epoch's rows as one insert: 64 MiB
// of order lines, 16 bytes the shortest, are four million rows and take the
// engine five seconds of the fifteen it has; 100,000 records leave each of them
// ten session rows.
const (
	MaxEpochRecords       = 100_000
	MaxEpochBytes   Bytes = 64 << 20
)

// Validate reports all faults joined, each with its key and value.
func (c Config) Validate() error {
	var errs []error
	fault := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if len(c.Kafka.Brokers) == 0 {
		fault("kafka.brokers", "must name at least one broker as host:port")
	}
	for _, b := range c.Kafka.Brokers {
		host, port, err := net.SplitHostPort(b)
		if n, perr := strconv.Atoi(port); err != nil || host == "" || perr != nil || n < 1 || n > 65535 {
			fault("kafka.brokers", "must be host:port (got %q)", b)
		}
	}
	if c.Kafka.Group == "" {
		fault("kafka.group", "must not be empty")
	}
	if c.Kafka.Topics.Clickstream == "" {
		fault("kafka.topics.clickstream", "must not be empty")
	}
	if c.Kafka.Topics.Orders == "" {
		fault("kafka.topics.orders", "must not be empty")
	}
	if c.Kafka.Topics.Clickstream != "" && c.Kafka.Topics.Clickstream == c.Kafka.Topics.Orders {
		fault("kafka.topics.orders", "must differ from kafka.topics.clickstream (both are %q)", c.Kafka.Topics.Orders)
	}
	if t := c.Kafka.SessionTimeout; t < time.Second || t > 30*time.Minute {
		fault("kafka.session_timeout", "must be between 1s and 30m (got %s)", t)
	}
	errs = append(errs, c.Kafka.TLS.validate()...)
	errs = append(errs, c.Kafka.SASL.validate()...)
	if n := c.Ingest.Epoch.Records; n < 1 || n > MaxEpochRecords {
		fault("ingest.epoch.records", "must be between 1 and %d (got %d)", MaxEpochRecords, n)
	}
	if n := c.Ingest.Epoch.Bytes; n < 1<<20 || n > MaxEpochBytes {
		fault("ingest.epoch.bytes", "must be between 1MiB and %s (got %s)", MaxEpochBytes, n)
	}
	if d := c.Ingest.Epoch.Interval; d < 10*time.Millisecond || d > time.Minute {
		fault("ingest.epoch.interval", "must be between 10ms and 1m (got %s)", d)
	}
	if c.IdleAfter <= 0 {
		fault("transform.session.idle_after", "must be positive (got %s)", c.IdleAfter)
	}
	return errors.Join(errs...)
}

// Bytes is a size in configuration: a number, or one with KiB, MiB or GiB.
type Bytes int64

// UnmarshalText reads 33554432 or 32MiB.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.Trim(string(text), `"' `)
	unit := int64(1)
	for suffix, n := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = strings.TrimSpace(rest), n
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return fmt.Errorf("size %q: must be a number, or one with KiB, MiB or GiB, such as 32MiB", text)
	}
	*b = Bytes(n * unit)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

func (b Bytes) String() string {
	switch {
	case b != 0 && b%(1<<30) == 0:
		return fmt.Sprintf("%dGiB", b>>30)
	case b != 0 && b%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", b>>20)
	case b != 0 && b%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", b>>10)
	}
	return strconv.FormatInt(int64(b), 10)
}
