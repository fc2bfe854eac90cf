package pipeline

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math/rand"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/schemas"
)

// The randomized model of docs/design.md, section 3: the lane's own code runs
// as coroutines against fake stores in which every message may be lost, late or
// applied with an error, and every step of every worker interleaves with every
// other. One seed is one schedule of one lane.

var (
	modelSeeds = flag.Int("model.seeds", 20000, "schedules to run")
	modelFirst = flag.Int64("model.first", 1, "first seed")
	modelShow  = flag.Bool("model.show", false, "print the trace of the first failing seed")
)

// faults is what a schedule may contain.
type faults struct {
	kill, zombie, late, lost, idle, deploy, power, refuse, retain, half, duel, stop, copies bool
	window                                                                                  int // dedup tokens the store remembers
	sabotage                                                                                sabotage
}

// sabotage takes one sentence of the protocol away; the model must notice.
type sabotage string

const (
	noFence     sabotage = "no fence"
	noDrain     sabotage = "claim does not wait for inserts under way"
	noDiff      sabotage = "recovery inserts everything again under a new token"
	retryLost   sabotage = "an unknown outcome is sent again"
	trustDone   sabotage = "the epoch in doubt is taken as done"
	skipRefused sabotage = "refused rows are dropped"
	noBound     sabotage = "a repeated rebuild reads what came after it"
	earlierIDs  sabotage = "a rebuild asks for the session ids of earlier epochs only"

	noLookup     sabotage = "late copies are not looked up"
	forgetCopies sabotage = "the plan does not name the copies"
	askAnew      sabotage = "recovery looks for copies anew"
)

func TestModel(t *testing.T) {
	all := faults{kill: true, zombie: true, late: true, lost: true, idle: true, deploy: true, power: true, refuse: true, half: true, stop: true, copies: true, window: 2}
	duel, retain, roomy := all, all, all
	duel.duel, retain.retain, roomy.window = true, true, 1000
	cases := []struct {
		name   string
		faults faults
		share  int // of the seeds, in percent
	}{{"everything", all, 40}, {"duelling workers", duel, 20}, {"retention", retain, 20}, {"large dedup window", roomy, 20}}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := int64(*modelSeeds * c.share / 100)
			if testing.Short() {
				n /= 10
			}
			var total modelTotals
			var group errgroup.Group
			group.SetLimit(runtime.GOMAXPROCS(0))
			fail := make(chan *world, n)
			results := make(chan modelTotals, n)
			for seed := *modelFirst; seed < *modelFirst+n; seed++ {
				group.Go(func() error {
					w := simulate(seed, c.faults)
					if w.bad != "" {
						fail <- w
					}
					results <- modelTotals{w.epochs, w.claims, w.faultCount, w.rebuilds}
					return nil
				})
			}
			_ = group.Wait()
			close(fail)
			close(results)
			for r := range results {
				total.epochs += r.epochs
				total.claims += r.claims
				total.faults += r.faults
				total.rebuilds += r.rebuilds
			}
			t.Logf("%d schedules from seed %d: %d epochs, %d claims, %d faults, %d rebuilds", n, *modelFirst, total.epochs, total.claims, total.faults, total.rebuilds)
			shown := 0
			for w := range fail {
				if shown++; shown > 5 {
					continue
				}
				t.Errorf("seed %d: %s (repeat with -run '%s' -model.first %d -model.seeds 100 -model.show)", w.seed, w.bad, t.Name(), w.seed)
				if *modelShow && shown == 1 {
					t.Log(strings.Join(w.trace, "\n"))
				}
			}
			if shown > 0 {
				t.Errorf("%d of %d schedules failed", shown, n)
			}
			if total.epochs == 0 || total.faults == 0 || total.rebuilds == 0 {
				t.Error("the model did nothing")
			}
		})
	}
}

// TestModelFindsFaults shows that the model can fail: without one sentence of
// the protocol it must find a record lost, doubled or torn.
func TestModelFindsFaults(t *testing.T) {
	base := faults{kill: true, zombie: true, late: true, lost: true, idle: true, power: true, refuse: true, half: true, stop: true, copies: true, window: 2}
	for _, s := range []sabotage{noFence, noDrain, noDiff, retryLost, trustDone, skipRefused, noBound, earlierIDs, noLookup, forgetCopies, askAnew} {
		t.Run(string(s), func(t *testing.T) {
			f := base
			f.sabotage = s
			first := int64(1)
			if s == earlierIDs {
				first = 1800 // one schedule in two thousand shows it
			}
			for seed := first; seed < first+20_000; seed++ {
				if w := simulate(seed, f); w.bad != "" {
					t.Logf("found at seed %d: %.200s", seed, w.bad)
					return
				}
			}
			t.Error("20,000 schedules found nothing")
		})
	}
}

// TestNoCommitNoHarm: Kafka's committed offset serves lag tools. A lane that
// cannot commit keeps its claim and its state.
func TestNoCommitNoHarm(t *testing.T) {
	for seed := range int64(100) {
		w := simulate(seed, faults{idle: true, window: 2})
		if w.bad != "" {
			t.Fatalf("seed %d: %s", seed, w.bad)
		}
		if w.claims > len(w.procs) || w.commits == 0 {
			t.Fatalf("seed %d: %d claims of %d workers, %d commits that failed", seed, w.claims, len(w.procs), w.commits)
		}
	}
}

type modelTotals struct{ epochs, claims, faults, rebuilds int }

// logRecord is one record of the fake Kafka.
type logRecord struct {
	id         int
	bad1, bad2 bool // a dead letter under transform version 1, 2
	refused    bool // the store refuses its row in the second table
	old        bool // the lane's state does not remember it: its copies must be looked up
}

func (r logRecord) value() []byte {
	return fmt.Appendf(nil, "%d %t %t %t %t", r.id, r.bad1, r.bad2, r.refused, r.old)
}

func parseRecord(v []byte) (r logRecord) {
	f := strings.Fields(string(v))
	r.id, _ = strconv.Atoi(f[0])
	r.bad1, r.bad2, r.refused, r.old = f[1] == "true", f[2] == "true", f[3] == "true", f[4] == "true"
	return r
}

// world is everything outside the workers.
type world struct {
	seed       int64
	r          *rand.Rand
	f          faults
	log        [schemas.NumTopics][]logRecord
	todo       []logRecord
	start      schemas.Positions // log start
	tables     [numFakeTables][]row
	window     [numFakeTables][]string
	msgs       []*message
	procs      []*proc
	trace      []string
	quiet      bool
	bad        string
	lost       map[schemas.RowPosition]bool
	topics     map[int]int // of a record's id: its copies are in the same
	faultCount int
	epochs     int
	claims     int
	commits    int
	rebuilds   int
	clock      time.Time
	salt       uint64 // of the processes to come
}

func (w *world) logf(format string, args ...any) {
	if *modelShow {
		w.trace = append(w.trace, fmt.Sprintf(format, args...))
	}
}

func (w *world) fault(format string, args ...any) {
	w.faultCount++
	w.logf("  !! "+format, args...)
}

func (w *world) fail(format string, args ...any) {
	if w.bad == "" {
		w.bad = fmt.Sprintf(format, args...)
		w.logf("  XX %s", w.bad)
	}
}

// proc is one worker process running the real lane.
type proc struct {
	w            *world
	name         string
	version      int
	vocabulary   *schemas.Vocabulary
	salt         uint64 // stands for the session settings of its configuration
	next         func() (struct{}, bool)
	kill         func()
	yield        func(struct{}) bool
	stop         context.CancelFunc
	dead, paused bool
	drained      bool
	idle         bool
	lane         *Lane
	err          error
}

type killed struct{}

// step lets other things happen; a killed process never comes back from it.
func (p *proc) step() {
	if !p.yield(struct{}{}) {
		panic(killed{})
	}
}

func (w *world) spawn(version int) *proc {
	p := &proc{w: w, name: fmt.Sprintf("w%d(v%d)", len(w.procs)+1, version), version: version, salt: w.salt, vocabulary: modelVocabulary}
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	p.next, p.kill = iter.Pull(func(yield func(struct{}) bool) {
		defer cancel()
		defer func() {
			if e := recover(); e != nil {
				if _, ok := e.(killed); !ok {
					w.fail("panic: %v %s", e, stack())
				}
			}
		}()
		p.yield = yield
		p.lane = p.newLane()
		p.err = p.lane.Run(ctx, func(context.Context, uint32, schemas.Positions) error {
			p.w.commits++
			return errors.New("no coordinator") // nothing may hang on it
		})
	})
	w.procs = append(w.procs, p)
	return p
}

func stack() string {
	b := make([]byte, 4<<10)
	return string(b[:runtime.Stack(b, false)])
}

func (p *proc) advance() {
	if _, more := p.next(); !more {
		p.dead = true
		if p.err != nil {
			p.w.logf("%s stops: %v", p.name, p.err)
			if !strings.Contains(p.err.Error(), "transform version") {
				p.w.fail("%s: %v", p.name, p.err)
			}
		}
	}
}

func (p *proc) newLane() *Lane {
	w := p.w
	cfg := DefaultConfig()
	cfg.Identity, cfg.Worker, cfg.StopBound, cfg.DrainPoll = "t", p.name, time.Hour, time.Hour
	cfg.SnapshotEvery, cfg.RebuildEvery = 3*time.Second, 2*time.Second
	// One millisecond of sleep is one step of the schedule; a recovery takes some hundred.
	cfg.ClaimBackoff = Backoff{Min: 8 * time.Millisecond, Max: 2048 * time.Millisecond}
	cfg.RetryBackoff = Backoff{Min: 2 * time.Millisecond, Max: 8 * time.Millisecond}
	voc := p.vocabulary
	return NewLane(0, cfg, &fakeSource{p}, Deps{
		Ledger: &fakeLedger{p}, Facts: &fakeFacts{p}, Past: &fakePast{p}, Publisher: fakePublisher{p},
		Rules: Rules{
			Current: p.version, Runs: func(v int) bool { return v == p.version || v == p.version-1 },
			New: func() Engine { return &toyEngine{wm: -100, salt: p.salt} }, Restore: restoreToy,
			Differs: func(e Engine) bool { return e.(*toyEngine).salt != p.salt },
			Adopt:   func(e Engine) { e.(*toyEngine).salt = p.salt },
		},
		Vocabulary: voc, Register: modelRegister, Decoder: func() Decoder { return toyDecoder{} },
		Log: modelLogger(p), Now: func() time.Time { return w.clock },
		Sleep: func(ctx context.Context, d time.Duration) error {
			for range d / time.Millisecond {
				p.step()
				if ctx.Err() != nil {
					return ctx.Err()
				}
			}
			return nil
		},
		Random: w.r.Uint32, Packers: NewPackers(1), Spawn: func(f func()) { f() },
	})
}

func modelLogger(p *proc) *slog.Logger {
	if *modelShow {
		return slog.New(slog.NewTextHandler(traceWriter{p}, nil))
	}
	return slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError + 1}))
}

type traceWriter struct{ p *proc }

func (t traceWriter) Write(b []byte) (int, error) {
	t.p.w.logf("%s says %s", t.p.name, strings.TrimSpace(string(b)))
	return len(b), nil
}

// simulate runs one schedule: faults for a while, then quiet, then the check.
func simulate(seed int64, f faults) *world {
	w := &world{seed: seed, r: rand.New(rand.NewSource(seed)), f: f, lost: map[schemas.RowPosition]bool{}, topics: map[int]int{}, clock: time.Unix(1_700_000_000, 0)}
	for i := range 3 + w.r.Intn(7) {
		r := logRecord{id: i + 1, bad1: w.r.Intn(7) == 0}
		r.bad2 = r.bad1
		if f.deploy && w.r.Intn(3) == 0 {
			r.bad2 = !r.bad1
		}
		r.refused = f.refuse && w.r.Intn(4) == 0
		r.old = f.copies && w.r.Intn(3) == 0
		w.todo = append(w.todo, r)
	}
	for _, r := range slices.Clone(w.todo) {
		for r.old && w.r.Intn(2) == 0 {
			w.todo = slices.Insert(w.todo, w.r.Intn(len(w.todo)+1), r)
		}
	}
	version := 1
	w.spawn(version)
	for range 400 {
		if w.bad != "" {
			break
		}
		w.clock = w.clock.Add(100 * time.Millisecond)
		switch x := w.r.Intn(100); {
		case x < 62:
			w.runOne()
		case x < 86:
			w.deliver()
		case x < 92:
			w.produce(1)
		case w.faultCount < 8:
			w.chaos(&version)
		}
	}
	w.settle(version)
	w.check()
	for _, p := range w.procs {
		p.kill()
	}
	return w
}

func (w *world) produce(n int) {
	for ; n > 0 && len(w.todo) > 0; n-- {
		t, again := w.topics[w.todo[0].id]
		if !again {
			t = w.r.Intn(int(schemas.NumTopics))
			w.topics[w.todo[0].id] = t
		}
		w.log[t] = append(w.log[t], w.todo[0])
		w.todo = w.todo[1:]
	}
}

func (w *world) runOne() {
	var can []*proc
	for _, p := range w.procs {
		if !p.dead && !p.paused {
			can = append(can, p)
		}
	}
	if len(can) > 0 {
		can[w.r.Intn(len(can))].advance()
	}
}

func (w *world) live() (list []*proc) {
	for _, p := range w.procs {
		if !p.dead {
			list = append(list, p)
		}
	}
	return list
}

func (w *world) chaos(version *int) {
	live := w.live()
	var p *proc
	if len(live) > 0 {
		p = live[w.r.Intn(len(live))]
	}
	switch w.r.Intn(10) {
	case 0:
		if w.f.kill && p != nil {
			p.dead = true
			p.kill()
			w.fault("kill -9 %s", p.name)
			w.spawn(*version)
		}
	case 1:
		if w.f.zombie && p != nil && !p.paused {
			p.paused = true
			w.fault("%s frozen", p.name)
			w.spawn(*version)
		}
	case 2:
		for _, p := range live {
			if p.paused {
				p.paused = false
				w.logf("-- %s wakes up", p.name)
				return
			}
		}
	case 3:
		if w.f.zombie && len(live) < 4 {
			w.fault("second believer %s", w.spawn(*version).name)
		}
	case 4:
		if w.f.deploy && *version == 1 {
			*version = 2
			w.fault("version 2 deployed: %s", w.spawn(2).name)
		}
	case 5:
		if w.f.power {
			w.powerLoss()
		}
	case 9:
		if w.f.deploy {
			w.salt++
			w.fault("settings changed: %s", w.spawn(*version).name)
		}
	case 6:
		if w.f.late {
			for t := range w.window {
				for range w.r.Intn(3) {
					w.remember(fakeTable(t), "another lane")
				}
			}
		}
	case 7:
		t := w.r.Intn(int(schemas.NumTopics))
		if rest := int64(len(w.log[t])) - w.start[t]; w.f.retain && rest > 0 {
			w.start[t] += 1 + w.r.Int63n(min(2, rest))
			w.fault("retention: topic %d starts at %d", t, w.start[t])
		}
	case 8:
		if w.f.stop && p != nil && !p.paused {
			p.stop()
			w.fault("%s told to stop", p.name)
			w.spawn(*version)
		}
	}
}

// settle lets the faults stop and gives the rest time to finish.
func (w *world) settle(version int) {
	w.quiet = true
	w.logf("== faults stop")
	w.produce(len(w.todo))
	keep := 1
	if w.f.duel {
		keep = 2
	}
	live := w.live()
	for _, p := range live {
		p.paused = false
	}
	if len(live) == 0 || w.r.Intn(2) == 0 {
		live = append(live, w.spawn(version))
	}
	// Those that remain assigned: the newest version; the others are stopped.
	w.r.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
	kept := 0
	for _, p := range live {
		if p.version == version && kept < keep {
			kept++
			continue
		}
		p.dead = true
		p.kill()
	}
	if kept == 0 {
		w.spawn(version)
	}
	for i := 0; i < 40000 && w.bad == ""; i++ {
		w.clock = w.clock.Add(10 * time.Millisecond)
		if w.r.Intn(2) == 0 {
			w.runOne()
		} else {
			w.deliver()
		}
		if i%100 == 99 && i > 600 && len(w.msgs) == 0 && w.finished() {
			w.drainOne()
			return
		}
		if i%100 == 99 && len(w.live()) == 0 {
			w.spawn(version) // stopped on request just before the quiet
		}
	}
}

// drainOne lets a worker close everything and stop by itself, now and then.
func (w *world) drainOne() {
	i := slices.IndexFunc(w.procs, func(p *proc) bool { return !p.dead && p.idle })
	if w.r.Intn(4) != 0 || w.f.duel || i < 0 {
		return
	}
	p := w.procs[i]
	w.logf("== %s drains", p.name)
	p.lane.Drain()
	p.drained = true
	for n := 0; !p.dead && w.bad == ""; n++ {
		p.advance()
		w.deliver()
		if n == 20000 {
			w.fail("%s never drained", p.name)
		}
	}
	if open, _ := p.lane.state.Sessions(); open > 0 && w.bad == "" && p.err == nil {
		w.fail("%s drained and left %d sessions open", p.name, open)
	}
}

func (w *world) finished() bool {
	at := w.start // where a lane without a ledger begins
	if head := w.head(); head != nil {
		at = head.Ranges.End()
	}
	for t := range at {
		if at[t] != int64(len(w.log[t])) {
			return false
		}
	}
	for _, p := range w.procs {
		if !p.dead && p.idle || p.drained {
			return true
		}
	}
	return false
}

func (w *world) head() *checkpoint.Plan {
	var best *checkpoint.Plan
	for i := range w.tables[tEpochs] {
		p := w.tables[tEpochs][i].plan
		if best == nil || p.Term > best.Term || p.Term == best.Term && p.Seq > best.Seq {
			best = p
		}
	}
	return best
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(m.Run())
}
