package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/storepulse/storepulse/internal/devmode/devtest"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
)

// What a lane can find when it recovers (docs/design.md, section 3), and the
// test that makes it find it. All of them run the built program.
//
//	what the lane finds                              test
//	planned range below the log start, later ranges  TestRetentionAteAPlan
//	done epochs below the log start, no snapshot     TestRetentionAteDoneEpochs (facts of the one in doubt stand)
//	topic created again                              TestTopicCreatedAgain
//	bytes at recorded offsets changed                TestTheLedgerIsNotPaperedOver/input_changed
//	re-run differs from the ledger                   TestTheLedgerIsNotPaperedOver/not_deterministic
//	transform version unknown                        TestTheLedgerIsNotPaperedOver/unknown_transform
//	tenants changed while an epoch must be repeated  TestTheLedgerIsNotPaperedOver/other_tenants
//	types changed, session settings changed          TestSettingsChangeAfterACrash
//	number of partitions changed                     TestTheLedgerIsNotPaperedOver/more_partitions
//	ClickHouse older than Kafka's offset             TestClickHouseRestoredFromABackup
//	group forgotten, rewound, or ahead               TestTheGroupForgets
//	window of tokens passed                          TestTheTokenIsForgotten
//	late insert of a fenced owner                    TestALateInsertOfAFencedOwner
//	zombie whose lanes moved, copy in flight         TestAZombieWakes
//	snapshot missing, damaged, then all missing      TestSnapshotsDamaged
//	rows lost by power loss                          TestRowsLostWithThePower
//	a table that takes no row of an epoch            TestMostRowsAreRefused
//	two owners that both live                        TestTwoOwnersDuel
//	crashes at random moments                        TestKill9, TestPropertyOnEngine

// began is when the shopping time of these tests begins.
var began = time.Date(2026, 11, 10, 18, 0, 0, 0, time.UTC)

// shopping generates records from a moment of shopping time on. Nothing later
// than the merge horizon: it has its own tests.
func shopping(seed uint64, start time.Time) *gen.Generator {
	defects := gen.RealisticDefects()
	defects.Late, defects.TooLate = 0, 0
	return gen.New(gen.Settings{Seed: seed, Start: start, Rate: 5, FlatDay: true, Defects: defects})
}

// load writes the generator's next n records as fast as the broker
// takes them.
func (s *shop) load(g *gen.Generator, n int) []gen.Event {
	s.t.Helper()
	w := produce.NewWriter(s.writer())
	all := make([]gen.Event, 0, n)
	err := produce.Run(s.t.Context(), w, func(e *gen.Event) bool {
		if len(all) == n || !g.Next(e) {
			return false
		}
		all = append(all, gen.Event{Topic: e.Topic, Key: bytes.Clone(e.Key), Value: bytes.Clone(e.Value), Time: e.Time})
		return true
	}, produce.Pace{}, nil)
	if err := errors.Join(err, w.Close(s.t.Context())); err != nil {
		s.t.Fatal(err)
	}
	return all
}

// Epochs of these tests are small, so that a few thousand records are many;
// no snapshot is taken unless a test asks for it.
func (s *shop) small(extra ...string) []string {
	return append(append(s.env(), "STOREPULSE_INGEST_EPOCH_RECORDS=200", "STOREPULSE_PIPELINE_SNAPSHOT_EVERY=1h"), extra...)
}

// crash runs a worker through the gate, kills it at the trap, and leaves its
// group behind: nobody has to wait until the broker misses the dead member.
func (s *shop) crash(g *gate, tr *trap, extra ...string) {
	s.t.Helper()
	p := s.startEnv(s.small(append(extra, g.env())...), "run")
	tr.await(p)
	p.kill()
	s.otherGroup()
}

func (s *shop) otherGroup() {
	name, n, _ := strings.Cut(s.cfg.Kafka.Group, "~")
	number, _ := strconv.Atoi(n)
	s.cfg.Kafka.Group = fmt.Sprintf("%s~%d", name, number+1)
}

// recovers drains with small epochs and gives what the worker said.
func (s *shop) recovers(extra ...string) string {
	s.t.Helper()
	p := s.startEnv(s.small(extra...), "run", "--drain")
	p.wait(s.t)
	return p.log.String()
}

// refuses drains with small epochs and expects an end with these words.
func (s *shop) refuses(env []string, words ...string) {
	s.t.Helper()
	fails(s.t, s.startEnv(env, "run", "--drain"), words...)
	s.otherGroup()
}

// judge is the full judgement: Kafka, ledger and tables agree, each event
// stands once, the sessions are the oracle's.
func (s *shop) judge() {
	s.t.Helper()
	s.start("verify", "--records").wait(s.t)
	s.judged()
}

// wait asks until a query's answer is the wanted one. A worker that has not
// made the tables yet has no answer.
func (s *shop) wait(query, want string) {
	s.t.Helper()
	eventually(s.t, func() string {
		got, err := devtest.TryExec(s.cfg.Sink.ClickHouse.URL, query, "database", s.cfg.Sink.ClickHouse.Database)
		if err == nil && strings.TrimSpace(got) == want {
			return ""
		}
		return fmt.Sprintf("%s: got %q (%v), want %q", query, got, err, want)
	})
}

// change alters the ledger or the snapshots and waits until it is done.
func (s *shop) change(statement string) {
	s.t.Helper()
	devtest.Exec(s.t, s.cfg.Sink.ClickHouse.URL, statement, "database", s.cfg.Sink.ClickHouse.Database, "mutations_sync", "2")
}

func (s *shop) admin() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(s.cfg.Kafka.Brokers...), Transport: s.transport(), Timeout: time.Minute}
}

// transport is one of its own: the library's default one knows each address for
// ever, and another test's broker may have had this one.
func (s *shop) transport() *kafka.Transport {
	transport := &kafka.Transport{}
	s.t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func (s *shop) topics() []string {
	return []string{s.cfg.Kafka.Topics.Clickstream, s.cfg.Kafka.Topics.Orders}
}

// mentions checks what a worker said.
func mentions(t *testing.T, log string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(log, w) {
			t.Errorf("the worker does not say %q:\n%s", w, log[max(0, len(log)-6000):])
		}
	}
}

// within bounds a step of a test.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
