package ingest

import (
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

func TestDefaultConfigIsValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestConfigRoundTrip(t *testing.T) {
	cfg := DefaultConfig()
	text, err := yaml.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "bytes: 32MiB") || !strings.Contains(string(text), "interval: 1s") {
		t.Errorf("written as\n%s", text)
	}
	again := Config{IdleAfter: cfg.IdleAfter}
	if err := yaml.UnmarshalWithOptions(text, &again, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(again, cfg); diff != "" {
		t.Fatalf("(-got, +want):\n%s", diff)
	}

	const file = `
kafka:
  brokers: [k1:9092, k2:9092]
  session_timeout: 20s
  sasl: {mechanism: PLAIN, user: shop, password_file: /run/secrets/kafka}
ingest:
  epoch: {bytes: 1048576, interval: 2s}
`
	if err := yaml.UnmarshalWithOptions([]byte(file), &cfg, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.Kafka.Brokers = []string{"k1:9092", "k2:9092"}
	want.Kafka.SessionTimeout = 20 * time.Second
	want.Kafka.SASL = SASLConfig{Mechanism: "PLAIN", User: "shop", PasswordFile: "/run/secrets/kafka"}
	want.Ingest.Epoch.Bytes, want.Ingest.Epoch.Interval = 1<<20, 2*time.Second
	if diff := cmp.Diff(cfg, want); diff != "" {
		t.Fatalf("(-got, +want):\n%s", diff)
	}
	if err := yaml.Unmarshal([]byte("ingest: {epoch: {bytes: 5 MB}}"), &cfg); err == nil || !strings.Contains(err.Error(), "such as 32MiB") {
		t.Errorf("5 MB gave error %v", err)
	}
}

// All faults are told at once, each with its key.
func TestConfigFaults(t *testing.T) {
	cfg := Config{Kafka: KafkaConfig{Brokers: []string{"nowhere"}, SASL: SASLConfig{Mechanism: "GSSAPI"}, TLS: TLSConfig{CertFile: "x"}}}
	got := cfg.Validate().Error()
	want := `kafka.brokers: must be host:port (got "nowhere")
kafka.group: must not be empty
kafka.topics.clickstream: must not be empty
kafka.topics.orders: must not be empty
kafka.session_timeout: must be between 1s and 30m (got 0s)
kafka.tls.enabled: must be true when other keys of kafka.tls are set
kafka.tls.cert_file: must be set together with kafka.tls.key_file
kafka.sasl.mechanism: must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 (got "GSSAPI")
kafka.sasl.user: must not be empty
kafka.sasl.password_file: must name a file that holds the password
ingest.epoch.records: must be between 1 and 100000 (got 0)
ingest.epoch.bytes: must be between 1MiB and 64MiB (got 0)
ingest.epoch.interval: must be between 10ms and 1m (got 0s)
transform.session.idle_after: must be positive (got 0s)`
	if diff := cmp.Diff(strings.Split(got, "\n"), strings.Split(want, "\n")); diff != "" {
		t.Fatalf("(-got, +want):\n%s", diff)
	}
}

// Epochs come at most ten times a second over all lanes of a worker.
func TestIntervalGrowsWithLanes(t *testing.T) {
	c, _ := newMemoryLog().client(t, nil)
	var got []time.Duration
	for _, n := range []int{0, 1, 10, 64} {
		c.SetLanes(n)
		got = append(got, c.Interval())
	}
	if diff := cmp.Diff(got, []time.Duration{time.Second, time.Second, time.Second, 6400 * time.Millisecond}); diff != "" {
		t.Fatalf("(-got, +want):\n%s", diff)
	}
}
