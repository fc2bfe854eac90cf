package ingest

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/schemas"
)

// TestSecurityOnKafka: the listeners for SASL, plain and over TLS, that
// tools/kafka/kafka.sh opens two and five ports above the first one.
func TestSecurityOnKafka(t *testing.T) {
	b := realBroker(t)
	host, port, err := net.SplitHostPort(b.addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	ca := os.Getenv("STOREPULSE_TEST_KAFKA_CA")
	if ca == "" {
		devtest.Missing(t, "STOREPULSE_TEST_KAFKA_CA names no certificate: `make test-kafka` starts a Kafka that has the listeners")
	}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, listener := range map[string]struct {
		port int
		tls  TLSConfig
	}{"plain": {n + 2, TLSConfig{}}, "TLS": {n + 5, TLSConfig{Enabled: true, CAFile: ca}}} {
		for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
			t.Run(name+" "+mechanism, func(t *testing.T) {
				w := newWorld(t, b, 2, nil)
				w.cfg.Kafka.Brokers, w.cfg.Kafka.TLS = []string{net.JoinHostPort(host, strconv.Itoa(listener.port))}, listener.tls
				w.cfg.Kafka.SASL = SASLConfig{Mechanism: mechanism, User: "shop", PasswordFile: password}
				c, _ := w.newClient()
				m := w.join(c)
				settle(t, 2, m)
				l := c.Lane(0)
				if _, err := l.Read(w.ctx(), schemas.Ranges{}); err != nil {
					t.Fatal(err)
				}
				if err := m.leave(t); err != nil {
					t.Fatal(err)
				}
				w.refused(func(c *Config) { c.Kafka.SASL.User = "thief" }, `the brokers refused user "thief"`)
				if listener.tls.Enabled {
					w.refused(func(c *Config) { c.Kafka.TLS.CAFile = "" }, "kafka.tls.ca_file")
				}
			})
		}
	}
}

// refused demands that a client with another configuration does not start, and why.
func (w *world) refused(change func(*Config), why string) {
	w.t.Helper()
	bad := w.cfg
	change(&bad)
	c, err := New(bad, w.client.log, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := c.Run(w.ctx(), nil); !errors.Is(err, errSetup) || !strings.Contains(err.Error(), why) {
		w.t.Errorf("%s: Run ended with %v, want a set-up error that says %q", bad.Kafka.SASL.Mechanism, err, why)
	}
}
