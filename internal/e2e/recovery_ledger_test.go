package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// TestTheLedgerIsNotPaperedOver: a worker that cannot repeat what the ledger
// says refuses the lane, says why and what to do, and writes nothing; when the
// cause is gone the lane goes on from the same place.
func TestTheLedgerIsNotPaperedOver(t *testing.T) {
	kafkas(t, func(t *testing.T, addr string, session time.Duration) {
		s := newShop(t, addr, session, 1)
		s.load(shopping(21, began), 2500)
		g := newGate(t, s.cfg.Sink.ClickHouse.URL)
		s.crash(g, g.trap("fact_sessions", "", 4, before))
		head := s.ask("SELECT max(epoch) FROM epochs")
		if head != "5" {
			t.Fatalf("crashed in epoch %s, want 5", head)
		}
		rows := s.ask("SELECT count() FROM fact_events")

		// A lane that an operator must see to must not take the others with it:
		// all of these end by themselves only because they drain.
		for _, c := range []struct{ name, column, as, back, where, says, remedy string }{
			{"input changed", "input_crc", "bitXor(input_crc, 1)", "bitXor(input_crc, 1)", "epoch = 5", "input changed: the records of epoch 5", "operator"},
			{
				"not deterministic", "done", "mapApply((k, v) -> (k, if(k = 'fact_events', v + 1, v)), done)",
				"mapApply((k, v) -> (k, if(k = 'fact_events', v - 1, v)), done)", "epoch = 4", "not deterministic: the re-run of epoch 3", "report",
			},
			{
				"a hole in the ledger", "prev_plan_id", "reinterpretAsUUID(bitXor(reinterpretAsUInt128(prev_plan_id), 1))",
				"reinterpretAsUUID(bitXor(reinterpretAsUInt128(prev_plan_id), 1))", "epoch = 4", "the ledger's chain of plans is broken", "restore the database from a backup",
			},
			{"unknown transform", "transform", "transform + 1", "transform - 1", "epoch = 5", "transform version", "start a release that runs both"},
		} {
			t.Run(c.name, func(t *testing.T) {
				// alter gives the column's value before and after.
				alter := func(value string) (was, is string) {
					read := "SELECT toString(" + c.column + ") FROM epochs WHERE " + c.where
					was = s.ask(read)
					s.change(fmt.Sprintf("ALTER TABLE epochs UPDATE %s = CAST(%s AS %s) WHERE %s", c.column, value, s.typeOf("epochs", c.column), c.where))
					return was, s.ask(read)
				}
				was, is := alter(c.as)
				if is == was {
					t.Fatalf("%s is still %s", c.column, was)
				}
				s.refuses(s.small(), c.says, c.remedy)
				if _, is := alter(c.back); is != was {
					t.Fatalf("%s is %s, was %s", c.column, is, was)
				}
			})
		}
		t.Run("other tenants", func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "tenants.yaml")
			if err := os.WriteFile(file, []byte("tenants:\n  default: {}\n  north: {timezone: Europe/Oslo, currency: NOK}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			s.refuses(s.small("STOREPULSE_CONFIG="+file), "planned under another configuration", "put the former one back")
		})
		if got := s.ask("SELECT count() FROM fact_events"); got != rows {
			t.Errorf("refused lanes wrote facts: %s rows, before %s", got, rows)
		}
		if got := s.ask("SELECT max(epoch) FROM epochs"); got != head {
			t.Errorf("refused lanes planned: epoch %s, before %s", got, head)
		}

		t.Run("more partitions", func(t *testing.T) {
			for _, topic := range s.topics() {
				res, err := s.admin().CreatePartitions(within(t, 20*time.Second), &kafka.CreatePartitionsRequest{
					Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: 2}},
				})
				if err != nil || res.Errors[topic] != nil {
					t.Fatalf("more partitions of %s: %v %v", topic, err, res)
				}
			}
			s.awaitPartitions(2, 2)
			// The lane that was there goes on, the new one is not consumed.
			s.refuses(s.small(), "lane 1: the topics have more partitions than the 1 this pipeline began with", "create new topics", "run --drain")
		})
		s.wantCount("SELECT uniqExact(lane) FROM epochs", 1)
		s.judge()
	})
}

// typeOf gives the type of a column.
func (s *shop) typeOf(table, column string) string {
	s.t.Helper()
	return s.ask(fmt.Sprintf("SELECT type FROM system.columns WHERE database = currentDatabase() AND table = '%s' AND name = '%s'", table, column))
}
