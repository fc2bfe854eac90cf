package ingest

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/storepulse/storepulse/schemas"
)

// member is one worker of a group under test.
type member struct {
	assigned chan Assignment
	stop     context.CancelFunc
	done     chan error
}

func (w *world) join(c *Client) *member {
	ctx, cancel := context.WithCancel(w.t.Context())
	m := &member{assigned: make(chan Assignment, 100), stop: cancel, done: make(chan error, 1)}
	go func() {
		defer close(m.done)
		m.done <- c.Run(ctx, func(ctx context.Context, a Assignment) error {
			m.assigned <- a
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	w.t.Cleanup(func() { _ = m.leave(w.t) }) // it logs until then
	return m
}

// leave ends the member's run and gives how it ended.
func (m *member) leave(t testing.TB) error {
	t.Helper()
	m.stop()
	select {
	case err := <-m.done:
		return err
	case <-time.After(patience):
		t.Fatal("a member that was told to stop has not left")
		return nil
	}
}

// settle waits until the members' newest assignments cover all lanes evenly
// and are of one generation.
func settle(t testing.TB, lanes int, members ...*member) []Assignment {
	t.Helper()
	newest := make([]Assignment, len(members))
	deadline := time.After(patience)
	for {
		covered, same := map[uint32]bool{}, true
		for _, a := range newest {
			same = same && a.Generation == newest[0].Generation && a.Generation > 0
			for _, l := range a.Lanes {
				same = same && !covered[l]
				covered[l] = true
			}
		}
		if same && len(covered) == lanes {
			return newest
		}
		cases := make(chan struct{})
		var once sync.Once
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for i, m := range members {
			wg.Add(1)
			go func() {
				defer wg.Done()
				select {
				case a := <-m.assigned:
					newest[i] = a
					once.Do(func() { close(cases) })
				case <-stop:
				}
			}()
		}
		select {
		case <-cases:
		case <-deadline:
			close(stop)
			wg.Wait()
			t.Fatalf("the group did not settle: %v", newest)
		}
		close(stop)
		wg.Wait()
	}
}

func lanesOf(as []Assignment) (out [][]uint32) {
	for _, a := range as {
		out = append(out, a.Lanes)
	}
	return out
}

func TestGroupSharesLanes(t *testing.T) {
	onBrokers(t, func(t *testing.T, b broker) {
		w := newWorld(t, b, 8, nil)
		first := w.join(w.client)
		got := settle(t, 8, first)
		if diff := cmp.Diff(lanesOf(got), [][]uint32{{0, 1, 2, 3, 4, 5, 6, 7}}); diff != "" {
			t.Fatalf("alone (-got, +want):\n%s", diff)
		}
		c2, _ := w.newClient()
		second := w.join(c2)
		got = settle(t, 8, first, second)
		if diff := cmp.Diff(lanesOf(got), [][]uint32{{0, 1, 2, 3}, {4, 5, 6, 7}}); diff != "" {
			t.Fatalf("two members (-got, +want):\n%s", diff)
		}

		// A commit of this generation is read back, one of a former is refused.
		if err := got[1].Commit(w.ctx(), 5, schemas.Positions{11, 7}); err != nil {
			t.Fatal(err)
		}
		topics := w.cfg.Kafka.Topics.list()
		res, err := c2.admin.OffsetFetch(w.ctx(), &kafka.OffsetFetchRequest{GroupID: w.cfg.Kafka.Group, Topics: map[string][]int{topics[0]: {5}, topics[1]: {5}}})
		if err != nil {
			t.Fatal(err)
		}
		if a, b := res.Topics[topics[0]][0].CommittedOffset, res.Topics[topics[1]][0].CommittedOffset; a != 11 || b != 7 {
			t.Fatalf("committed %d and %d, want 11 and 7", a, b)
		}

		// A member that leaves gives its lanes to the other; who stays keeps what it has.
		if err := second.leave(t); err != nil {
			t.Fatal(err)
		}
		after := settle(t, 8, first)
		if len(after[0].Lanes) != 8 {
			t.Fatalf("after the other left: %v", after[0].Lanes)
		}
		if err := got[1].Commit(w.ctx(), 5, schemas.Positions{12, 8}); err == nil {
			t.Fatal("a commit of a former generation was accepted")
		}
		if err := first.leave(t); err != nil {
			t.Fatal(err)
		}
	})
}

// Every connection of a worker is cut without a word, as by kill -9: the other
// gets its lanes when the session ends, and a new one takes its share.
func TestGroupSurvivesAKill(t *testing.T) {
	onBrokers(t, func(t *testing.T, b broker) {
		w := newWorld(t, b, 6, func(c *Config) { c.Kafka.SessionTimeout = 6 * time.Second })
		first := w.join(w.client)
		settle(t, 6, first)
		proxy := startProxy(t)
		c2, _ := w.newClient()
		c2.dial = proxy.dial
		second := w.join(c2)
		before := settle(t, 6, first, second)

		killed := time.Now()
		proxy.kill()
		after := settle(t, 6, first)
		t.Logf("lanes moved %s after the kill, session timeout %s", time.Since(killed).Round(10*time.Millisecond), w.cfg.Kafka.SessionTimeout)
		_ = second.leave(t) // cut off from the brokers, it may say so

		c3, _ := w.newClient()
		third := w.join(c3)
		again := settle(t, 6, first, third)
		kept := 0
		for _, l := range again[0].Lanes {
			if slices.Contains(after[0].Lanes, l) {
				kept++
			}
		}
		if kept != 3 || len(again[1].Lanes) != 3 {
			t.Fatalf("before %v, after the kill %v, then %v", lanesOf(before), lanesOf(after), lanesOf(again))
		}
	})
}

// proxy lets a test cut a client off: connections close, new ones are refused.
type proxy struct {
	mu struct {
		sync.Mutex
		dead  bool
		conns []net.Conn
	}
}

func startProxy(*testing.T) *proxy { return &proxy{} }

func (p *proxy) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.dead {
		_ = c.Close()
		return nil, errors.New("cut off by the test")
	}
	p.mu.conns = append(p.mu.conns, c)
	return c, nil
}

func (p *proxy) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.dead = true
	for _, c := range p.mu.conns {
		_ = c.Close()
	}
}

func TestMoreWorkersThanLanes(t *testing.T) {
	onBrokers(t, func(t *testing.T, b broker) {
		w := newWorld(t, b, 1, nil)
		c2, _ := w.newClient()
		first, second := w.join(w.client), w.join(c2)
		got := settle(t, 1, first, second)
		if len(got[0].Lanes)+len(got[1].Lanes) != 1 {
			t.Fatalf("assignments %v", lanesOf(got))
		}
	})
}

// What run returns while it still has its lanes ends Run.
func TestRunError(t *testing.T) {
	w := newWorld(t, startFake(t), 1, nil)
	want := errors.New("the pipeline gave up")
	err := w.client.Run(w.ctx(), func(context.Context, Assignment) error { return want })
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

// Each generation is told what the topics are now.
func TestAssignmentAfterATopicWasCreatedAgain(t *testing.T) {
	onBrokers(t, func(t *testing.T, b broker) {
		w := newWorld(t, b, 2, nil)
		first := w.join(w.client)
		before := settle(t, 2, first)[0].Identity
		w.recreate(schemas.OrdersTopic, 2, func() {})
		c2, _ := w.newClient()
		second := w.join(c2)
		now, err := c2.Identity(w.ctx())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range settle(t, 2, first, second) {
			if a.Identity != now || a.Identity == before {
				t.Errorf("assigned %s, before %s, now %s", a.Identity, before, now)
			}
		}
	})
}

// A broker that knows no topic ids is named, at once and by every way.
func TestKafkaBefore28(t *testing.T) {
	b := startFake(t, kfake.MaxVersions(kversion.V2_7_0()), kfake.SeedTopics(2, "c", "o"))
	cfg := DefaultConfig()
	cfg.Kafka.Brokers = []string{b.addr}
	cfg.Kafka.Topics = TopicsConfig{Clickstream: "c", Orders: "o"}
	c, err := New(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, checkErr := c.Check(ctx)
	for _, err := range []error{checkErr, c.Run(ctx, nil)} {
		if !errors.Is(err, errSetup) || !strings.Contains(err.Error(), "Kafka 2.8") {
			t.Errorf("error %v, want it to name Kafka 2.8", err)
		}
	}
}

// A rebalance, which is not logged, does not hide the error after it.
func TestJoinErrorsAreLogged(t *testing.T) {
	var out bytes.Buffer
	c, err := New(DefaultConfig(), slog.New(slog.NewTextHandler(&out, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	warn := throttle{every: warnEvery}
	for _, err := range []error{kafka.RebalanceInProgress, kafka.RebalanceInProgress, kafka.NotCoordinatorForGroup, kafka.NotCoordinatorForGroup} {
		c.joinFails(&warn, err)
	}
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "cause=") || !strings.Contains(got, "Not Coordinator") {
		t.Errorf("logged %q, want the second error once", got)
	}
	if n := testutil.ToFloat64(c.metrics.groupErrors); n != 4 {
		t.Errorf("%v errors counted", n)
	}
}

func TestCheckSaysWhatToDo(t *testing.T) {
	onBrokers(t, func(t *testing.T, b broker) {
		w := newWorld(t, b, 2, nil)
		for name, tc := range map[string]struct {
			change func(*Config)
			want   []string
		}{
			"missing topic": {
				func(c *Config) { c.Kafka.Topics.Orders = "no-such-topic" },
				[]string{"topic no-such-topic does not exist", "--create --topic no-such-topic"},
			},
			"unreachable": {
				func(c *Config) { c.Kafka.Brokers = []string{"127.0.0.1:1"} },
				[]string{"kafka.brokers: cannot reach 127.0.0.1:1:", "refused", "advertised.listeners"},
			},
		} {
			t.Run(name, func(t *testing.T) {
				cfg := w.cfg
				tc.change(&cfg)
				c, err := New(cfg, w.client.log, nil)
				if err != nil {
					t.Fatal(err)
				}
				_, err = c.Check(w.ctx())
				for _, part := range tc.want {
					if err == nil || !strings.Contains(err.Error(), part) {
						t.Errorf("error %v, want it to say %q", err, part)
					}
				}
			})
		}
		other := *w
		other.cfg.Kafka.Topics.Orders += "-3"
		w.createTopic(other.cfg.Kafka.Topics.Orders, 3)
		c, err := New(other.cfg, w.client.log, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err = c.Run(w.ctx(), nil); !errors.Is(err, errSetup) || !strings.Contains(err.Error(), "same number of partitions") {
			t.Errorf("error %v for 2 and 3 partitions", err)
		}
	})
}

// Who hangs up may have left bytes unread: the connection is then reset, and
// says the same as one that ends.
func TestCheckOfAListenerThatHangsUp(t *testing.T) {
	for name, reset := range map[string]bool{"closed": false, "reset": true} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				if _, err := conn.Read(make([]byte, 1<<10)); err == nil && reset {
					_ = conn.(*net.TCPConn).SetLinger(0)
				}
				_ = conn.Close()
			}
		}()
		cfg := DefaultConfig()
		cfg.Kafka.Brokers = []string{l.Addr().String()}
		c, err := New(cfg, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "expect TLS or SASL") {
			t.Errorf("%s: error %v, want it to name TLS and SASL", name, err)
		}
	}
}
