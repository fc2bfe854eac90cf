package devmode_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"

	"github.com/storepulse/storepulse/internal/devmode"
)

func TestKafkaKeepsTopicsOverRestarts(t *testing.T) {
	topics := []string{"clicks", "orders"}
	dir := t.TempDir()
	var want, got []string
	large := bytes.Repeat([]byte("x"), 9<<20) // one message near the limit
	for round := range 3 {
		// The number of partitions belongs to the topic: later wishes do not change it.
		k, err := devmode.StartKafka(devmode.KafkaOptions{DataDir: dir, Partitions: 3 + round, Topics: topics})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := devmode.StartKafka(devmode.KafkaOptions{DataDir: dir}); err == nil || !strings.Contains(err.Error(), "another process uses the data directory") {
			t.Errorf("second broker over one directory: %v", err)
		}
		parts, err := partitions(t.Context(), k.Addr(), topics)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(parts, map[string]int{"clicks": 3, "orders": 3}); diff != "" {
			t.Errorf("round %d (-got, +want):\n%s", round, diff)
		}
		transport := &kafka.Transport{} // the default one remembers each address
		w := &kafka.Writer{Addr: kafka.TCP(k.Addr()), Transport: transport, RequiredAcks: kafka.RequireAll, BatchBytes: 10 << 20, BatchTimeout: time.Millisecond, WriteTimeout: time.Minute}
		key := fmt.Sprint("key", round)
		if err := w.WriteMessages(t.Context(),
			kafka.Message{Topic: "clicks", Key: []byte(key), Value: []byte("v")},
			kafka.Message{Topic: "orders", Key: []byte(key), Value: large},
		); err != nil {
			t.Fatal(err)
		}
		want = append(want, key)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
		if round == 2 {
			for p := range 3 {
				got = append(got, keys(t, k.Addr(), "clicks", p)...)
			}
		}
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
	}
	set := func(list []string) map[string]bool {
		m := map[string]bool{}
		for _, s := range list {
			m[s] = true
		}
		return m
	}
	if diff := cmp.Diff(set(got), set(want)); diff != "" || len(got) != len(want) {
		t.Errorf("kept messages (-got, +want):\n%s", diff)
	}
}

func partitions(ctx context.Context, addr string, topics []string) (map[string]int, error) {
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(addr), Transport: transport}
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
	if err != nil {
		return nil, err
	}
	n := map[string]int{}
	for _, t := range meta.Topics {
		n[t.Name] = len(t.Partitions)
	}
	return n, nil
}

func keys(t *testing.T, addr, topic string, partition int) (list []string) {
	t.Helper()
	conn, err := kafka.DialLeader(t.Context(), "tcp", addr, topic, partition)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	end, err := conn.ReadLastOffset()
	if err != nil {
		t.Fatal(err)
	}
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{addr}, Topic: topic, Partition: partition, MaxBytes: 20 << 20})
	defer r.Close()
	for int64(len(list)) < end {
		m, err := r.ReadMessage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(m.Key))
	}
	return list
}
