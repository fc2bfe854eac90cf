package devtest

import (
	"testing"

	"github.com/storepulse/storepulse/internal/devmode"
)

// Kafka returns the address of a broker in memory with the given topics. It
// ends with the test.
func Kafka(t testing.TB, partitions int, topics ...string) string {
	t.Helper()
	k, err := devmode.StartKafka(devmode.KafkaOptions{Partitions: partitions, Topics: topics})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k.Addr()
}
