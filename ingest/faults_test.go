package ingest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/storepulse/storepulse/schemas"
)

// Leaders move while a lane reads, twice per topic: nothing is lost or read twice.
func TestLeaderMoves(t *testing.T) {
	w := newWorld(t, startFake(t), 1, nil)
	producer := w.kgo()
	l := w.lane(0)
	now := time.Now().UnixMilli()
	var from schemas.Positions
	for round := range int64(4) {
		for topic := range schemas.NumTopics {
			w.produce(producer, topic, at(now+10*round, 10)...)
		}
		want := schemas.Positions{10 * (round + 1), 10 * (round + 1)}
		got := w.collect(l, from, want)
		if len(got[0]) != 10 || len(got[1]) != 10 {
			t.Fatalf("round %d: %d and %d records", round, len(got[0]), len(got[1]))
		}
		from = want
		for topic := range schemas.NumTopics {
			leader := w.b.fake.LeaderFor(w.topic(topic), 0)
			if err := w.b.fake.MoveTopicPartition(w.topic(topic), 0, (leader+1)%3); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := testutil.ToFloat64(w.client.metrics.fetchErrors.WithLabelValues("clickstream", "leader")); n == 0 {
		t.Error("no fetch met a former leader: the test proves nothing")
	}
}

// Connections break in the middle and answers are errors; the lane goes on.
func TestFetchFaults(t *testing.T) {
	w := newWorld(t, startFake(t), 1, nil)
	w.produce(w.kgo(), schemas.Clickstream, at(time.Now().UnixMilli(), 50)...)
	n := 0
	w.b.fake.ControlKey(1, func(kmsg.Request) (kmsg.Response, error, bool) {
		w.b.fake.KeepControl()
		if n++; n <= 6 {
			return nil, fmt.Errorf("connection cut"), true
		}
		return nil, nil, false
	})
	got := w.collect(w.lane(0), schemas.Positions{}, schemas.Positions{50, 0})
	if len(got[0]) != 50 {
		t.Fatalf("%d records", len(got[0]))
	}
}

// A topic that was re-created has an end before our position.
func TestBeyondTheLogEnd(t *testing.T) {
	onBrokers(t, func(t *testing.T, b broker) {
		w := newWorld(t, b, 1, nil)
		w.produce(w.kgo(), schemas.Clickstream, at(time.Now().UnixMilli(), 5)...)
		l := w.lane(0)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := l.Next(ctx, schemas.Positions{9, 0}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v: an end that is behind must be given time", err)
		}
		s := l.source(schemas.Clickstream)
		s.failing = failing{since: time.Now().Add(-time.Minute), tries: 10}
		_, err := s.once(w.ctx(), 9)
		err = s.fatal(w.ctx(), 9, err)
		var beyond *BeyondEndError
		if !errors.As(err, &beyond) || !errors.Is(err, ErrBeyondEnd) || beyond.LogEnd != 5 {
			t.Fatalf("got %v, want beyond the log end at 5", err)
		}
	})
}

// The whole broker goes and comes back on its port.
func TestBrokerRestart(t *testing.T) {
	dir := t.TempDir()
	port, err := strconv.Atoi(portOfBroker(t)) // no client gets it in between
	if err != nil {
		t.Fatal(err)
	}
	first := startFake(t, kfake.NumBrokers(1), kfake.DataDir(dir), kfake.SyncWrites(), kfake.Ports(port))
	w := newWorld(t, first, 1, nil)
	now := time.Now().UnixMilli()
	w.produce(w.kgo(), schemas.Clickstream, at(now, 10)...)
	l := w.lane(0)
	w.collect(l, schemas.Positions{}, schemas.Positions{10, 0})
	first.fake.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := l.Next(ctx, schemas.Positions{10, 0}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("without a broker: %v", err)
	}
	w.b = startFake(t, kfake.NumBrokers(1), kfake.DataDir(dir), kfake.Ports(port))
	w.produce(w.kgo(), schemas.Clickstream, at(now+10, 10)...)
	if got := w.collect(l, schemas.Positions{10, 0}, schemas.Positions{20, 0}); len(got[0]) != 10 {
		t.Fatalf("%d records after the restart", len(got[0]))
	}
}

func TestMisroutedKeysAreCounted(t *testing.T) {
	onBrokers(t, func(t *testing.T, b broker) {
		w := newWorld(t, b, 4, nil)
		var records []*kgo.Record
		for i := range 2 * misrouteSample {
			records = append(records, &kgo.Record{Key: []byte("same"), Partition: (partitionOf([]byte("same"), 4) + 1) % 4, Value: fmt.Appendf(nil, "%d", i)})
		}
		wrong := uint32(records[0].Partition)
		w.produce(w.kgo(), schemas.OrdersTopic, records...)
		w.collect(w.lane(wrong), schemas.Positions{}, schemas.Positions{0, 2 * misrouteSample})
		if n := testutil.ToFloat64(w.client.metrics.misrouted.WithLabelValues("orders")); n != 2 {
			t.Fatalf("counted %v of %d, want 2", n, len(records))
		}
		right := uint32((wrong + 3) % 4)
		for _, r := range records {
			r.Partition = int32(right)
		}
		w.produce(w.kgo(), schemas.OrdersTopic, records...)
		w.collect(w.lane(right), schemas.Positions{}, schemas.Positions{0, 2 * misrouteSample})
		if n := testutil.ToFloat64(w.client.metrics.misrouted.WithLabelValues("orders")); n != 2 {
			t.Fatalf("counted %v after records that lie right", n)
		}
	})
}

func TestTLSAndSASL(t *testing.T) {
	dir := t.TempDir()
	server, ca := selfSigned(t, dir)
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			b := startFake(t, kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser(mechanism, "shop", "secret"), kfake.TLS(server), kfake.SeedTopics(2, "c", "o"))
			cfg := DefaultConfig()
			cfg.Kafka.Brokers = []string{b.addr}
			cfg.Kafka.Topics = TopicsConfig{Clickstream: "c", Orders: "o"}
			cfg.Kafka.TLS = TLSConfig{Enabled: true, CAFile: ca}
			cfg.Kafka.SASL = SASLConfig{Mechanism: mechanism, User: "shop", PasswordFile: password}
			w := &world{t: t, b: b, cfg: cfg}
			w.client, w.reg = w.newClient()
			if n, err := w.client.Check(w.ctx()); err != nil || n != 2 {
				t.Fatalf("%d partitions, %v", n, err)
			}
			m := w.join(w.client)
			settle(t, 2, m)
			if _, _, err := w.lane(1).Bounds(w.ctx()); err != nil {
				t.Fatal(err)
			}

			for name, tc := range map[string]struct {
				change func(*Config)
				want   string
			}{
				// kfake hangs up; TestSecurityOnKafka meets a broker that answers.
				"wrong user":        {func(c *Config) { c.Kafka.SASL.User = "thief" }, "are kafka.sasl.user and the password right"},
				"unknown authority": {func(c *Config) { c.Kafka.TLS.CAFile = "" }, "kafka.tls.ca_file"},
				"no TLS":            {func(c *Config) { c.Kafka.TLS = TLSConfig{} }, "expect TLS"},
			} {
				bad := cfg
				tc.change(&bad)
				c, err := New(bad, w.client.log, nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := c.Check(w.ctx()); err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("%s: error %v, want it to say %q", name, err, tc.want)
				}
				if name != "unknown authority" {
					continue // looks like a connection that may heal
				}
				if err := c.Run(w.ctx(), nil); !errors.Is(err, errSetup) {
					t.Errorf("%s: Run ended with %v, want a set-up error", name, err)
				}
			}
		})
	}
}

// selfSigned gives a server's configuration and the file of its authority.
func selfSigned(t *testing.T, dir string) (*tls.Config, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}, ca
}
