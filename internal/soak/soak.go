// Package soak runs real workers on a real Kafka and the real ClickHouse engine
// under believable traffic, disturbs them by faults drawn from a seed, and
// judges in the end whether anything was lost, counted twice or sessionized
// wrongly. The command in internal/tools/soak calls Run, which starts
// everything and stops everything it started.
package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/storepulse/storepulse/internal/config"
	"github.com/storepulse/storepulse/internal/gen"
	"github.com/storepulse/storepulse/internal/produce"
	"github.com/storepulse/storepulse/schemas"
)

// Options say what is run and for how long.
type Options struct {
	Binary    string        // the built program
	Kafka     string        // tools/kafka/kafka.sh
	KafkaPort int           // of the first node
	Nodes     int           // brokers: 1 or 3
	Dir       string        // logs and data go into a folder of it, named by the seed
	Seed      uint64        // decides faults and events
	For       time.Duration // of disturbance
	Every     time.Duration // one fault so often, on average
	Only      []Kind        // faults of no other kind; empty = all
	Rate      float64       // events per second
	Lanes     int
	Outage    time.Duration // > 0: no faults but this: the store is down so long

	// Faults and kinds of faults without which the disturbance goes on, up to
	// three times as long: a slow machine is slow to restart a broker, too.
	LeastFaults, LeastKinds int
}

// run is one soak in progress.
type run struct {
	Options
	cfg      config.Config
	topics   [schemas.NumTopics]string
	table    *table
	brokers  *brokers
	store    *store
	network  *network
	workers  *workers
	progress *progress
	feed     *feed
	stopped  atomic.Bool // the feed has ended

	failed chan struct{} // closed with the first finding
	mu     struct {
		sync.Mutex
		findings []error
		most     sample // the largest of each seen
	}
}

// timeLapse is how fast the simulated shop goes: an hour of soak is four days
// of shopping, so that sessions end, days change and horizons pass.
const timeLapse = 100

const startWorkers = 3

// Run soaks and judges. The result is valid if something was judged; the error
// says everything that is wrong. out gets a line for each fault and the table;
// the result is for the caller to print.
func Run(ctx context.Context, o Options, out io.Writer) (res Result, err error) {
	for _, k := range o.Only {
		if kinds[k].nodes > o.Nodes {
			return res, fmt.Errorf("%s needs %d brokers, there are %d", k, kinds[k].nodes, o.Nodes)
		}
	}
	dir := filepath.Join(o.Dir, strconv.FormatUint(o.Seed, 10))
	if err := os.RemoveAll(dir); err != nil {
		return res, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return res, err
	}
	r := &run{Options: o, table: &table{out: out, begun: time.Now()}, network: newNetwork(), failed: make(chan struct{})}
	defer func() {
		r.closeAll()
		if err == nil { // what a failed run left is evidence
			err = errors.Join(os.RemoveAll(filepath.Join(dir, "clickhouse")), r.brokers.clean(context.WithoutCancel(ctx)))
		}
	}()
	// Ctrl-C ends the disturbance; what was done so far is judged.
	life := context.WithoutCancel(ctx)
	if err := r.setUp(life, dir); err != nil {
		return res, err
	}
	begun := time.Now()
	if err := r.live(ctx, life); err != nil {
		r.found(err)
	}
	seconds := int(time.Since(begun).Seconds())
	res, err = r.judge(life)
	res.Seconds = seconds
	res.Faults, _ = r.table.counts()
	res.Kinds = r.table.kinds()
	r.table.print()
	return res, errors.Join(append(r.findings(), err)...)
}

// found takes a finding: the run ends, and fails.
func (r *run) found(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.findings = append(r.mu.findings, err)
	if len(r.mu.findings) == 1 {
		close(r.failed)
	}
}

func (r *run) findings() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]error(nil), r.mu.findings...)
}

// setUp starts Kafka, the engine, the proxies and the first workers.
func (r *run) setUp(ctx context.Context, dir string) error {
	r.cfg = config.Default()
	r.topics = r.cfg.Kafka.Topics.Names()
	r.brokers = newBrokers(r.Kafka, dir, r.KafkaPort, r.Nodes)
	r.table.printf("starting %d broker(s) on port %d, the engine, %d workers; logs in %s", r.Nodes, r.KafkaPort, startWorkers, dir)
	if err := r.brokers.start(ctx); err != nil {
		return err
	}
	if err := r.brokers.createTopics(ctx, r.Lanes, r.topics[:]...); err != nil {
		return err
	}
	var err error
	if r.store, err = startStore(ctx, r.Binary, filepath.Join(dir, "clickhouse"), r.cfg.Sink.ClickHouse.Database, r.brokers.addr(0, storePort)); err != nil {
		return err
	}
	for n := range r.Nodes {
		if err := r.network.toKafka(r.brokers.addr(n, proxyPort), r.brokers.addr(n, proxiedPort)); err != nil {
			return err
		}
	}
	url, err := r.network.toStore(r.brokers.addr(0, storeProxyPort), r.store.addr)
	if err != nil {
		return err
	}
	r.cfg.Sink.ClickHouse.URL = r.store.url()
	r.workers = newWorkers(r.Binary, dir, r.KafkaPort+workersPort, []string{
		"STOREPULSE_KAFKA_BROKERS=" + strings.Join(r.brokers.list(proxyPort), ","),
		"STOREPULSE_KAFKA_SESSION_TIMEOUT=" + sessionTimeout.String(),
		"STOREPULSE_SINK_CLICKHOUSE_URL=" + url,
		"STOREPULSE_PIPELINE_SNAPSHOT_EVERY=5s",
		"STOREPULSE_PIPELINE_REBUILD_EVERY=5s",
		"STOREPULSE_INGEST_EPOCH_INTERVAL=500ms",
		"STOREPULSE_LOG_FORMAT=text",
	}, r.found)
	r.progress = newProgress(r.store, r.Lanes)
	for range startWorkers {
		if err := r.workers.start(); err != nil {
			return err
		}
	}
	r.feed = &feed{
		gen: gen.New(gen.Settings{
			Seed: r.Seed, Start: time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC), Rate: r.Rate / timeLapse, FlatDay: true, KnownVisitors: 5000, Defects: gen.RealisticDefects(),
		}),
		cfg:  produce.Config{Brokers: r.brokers.list(0), Topics: r.topics},
		pace: produce.Pace{TimeLapse: timeLapse},
	}
	return nil
}

// live feeds and disturbs, then lets everything recover.
func (r *run) live(ctx, life context.Context) error {
	feeding, stopFeeding := context.WithCancel(life)
	defer stopFeeding()
	fed := make(chan error, 1)
	go func() { fed <- r.feed.run(feeding) }()
	watching, stopWatching := context.WithCancel(life)
	defer stopWatching()
	var watch sync.WaitGroup
	watch.Go(func() { r.progress.run(watching) })
	watch.Go(func() { r.say(watching) })
	defer watch.Wait()
	defer stopWatching()

	going, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-r.failed:
			stop()
		case <-going.Done():
		}
	}()
	err := r.settle(going)
	disturbing, enough := context.WithCancel(going)
	defer enough()
	watch.Go(func() {
		defer enough()
		r.last(disturbing)
	})
	switch {
	case err != nil:
	case r.Outage > 0:
		r.outage(disturbing)
	default:
		r.disturb(disturbing, life, NewSchedule(r.Seed, r.Every, r.Nodes, startWorkers, r.Only...))
	}
	r.table.printf("disturbance is over; the feed stops")
	stopFeeding()
	err = errors.Join(err, <-fed)
	r.stopped.Store(true)
	return err
}

// last returns when there was enough disturbance: after the time asked for, or
// where too little has happened by then, as soon as it has.
func (r *run) last(ctx context.Context) {
	begun := time.Now()
	_ = sleep(ctx, r.For)
	for ctx.Err() == nil && time.Since(begun) < 3*r.For {
		if faults, _ := r.table.counts(); faults >= r.LeastFaults && r.table.kinds() >= r.LeastKinds {
			return
		}
		_ = sleep(ctx, 100*time.Millisecond)
	}
}

// settle waits until every lane has finished an epoch: faults begin on a
// system that works.
func (r *run) settle(ctx context.Context) error {
	begun := time.Now()
	for {
		if _, ok := r.progress.recovered(begun); ok {
			r.table.printf("all %d lanes work", r.Lanes)
			return nil
		}
		if time.Since(begun) > stuck {
			return fmt.Errorf("the workers never began to work; lanes %s", r.progress.waiting(begun))
		}
		if sleep(ctx, 200*time.Millisecond) != nil {
			return nil // Ctrl-C, or a finding
		}
	}
}

// say tells every ten seconds how it goes.
func (r *run) say(ctx context.Context) {
	for n := 1; sleep(ctx, 2*time.Second) == nil; n++ {
		s := r.look(ctx)
		r.mu.Lock()
		r.mu.most.rss, r.mu.most.lag = max(r.mu.most.rss, s.rss), max(r.mu.most.lag, s.lag)
		m := &r.mu.most
		m.oldest, m.agreed, m.failed, m.imbalance = max(m.oldest, s.oldest), max(m.agreed, s.agreed), max(m.failed, s.failed), max(m.imbalance, s.imbalance)
		r.mu.Unlock()
		if n%5 != 0 {
			continue
		}
		begun, over := r.table.counts()
		sent := r.feed.sent.Load()
		r.table.printf("%d events sent, %d behind; %d workers, largest %d MB; faults: %d begun, %d over", sent, max(0, sent-r.progress.taken()), s.workers, s.rss>>20, begun, over)
	}
}

// judge mends everything, pushes all sessions out of the horizon, drains and judges.
func (r *run) judge(ctx context.Context) (Result, error) {
	var errs []error
	for _, p := range append(r.network.kafka[:len(r.network.kafka):len(r.network.kafka)], r.network.store) {
		errs = append(errs, heal(p))
	}
	errs = append(errs, r.brokers.revive(ctx), r.tick(ctx))
	r.table.printf("stopping the workers")
	errs = append(errs, r.workers.stopAll())
	r.table.printf("draining")
	errs = append(errs, r.drainOnce(5*time.Minute))
	r.table.printf("judging")
	r.mu.Lock()
	most := r.mu.most
	r.mu.Unlock()
	errs = append(errs, r.selfChecks(most))
	res, said, err := verdict(ctx, r.brokers.list(0), r.cfg)
	r.table.printf("judged: %s", said)
	if epochs, err := r.store.ask(ctx, "SELECT arrayStringConcat(groupArray(concat(kind, '=', toString(n))), ' ') FROM (SELECT kind, count() AS n FROM epochs GROUP BY kind ORDER BY kind)"); err == nil {
		claims, _ := r.store.ask(ctx, "SELECT count() FROM lanes")
		r.table.printf("ledger: rows %s, claims=%s", epochs, claims)
	}
	r.table.printf("sent %d records, batches sent again %d, starts refused while an end was down %d, largest worker %d MB, greatest lag %.0f messages",
		r.feed.sent.Load(), r.feed.retries.Load(), r.workers.refusedStarts(), most.rss>>20, most.lag)
	return res, errors.Join(append(errs, err)...)
}

func (r *run) closeAll() {
	if r.workers != nil {
		r.workers.close()
	}
	r.network.close()
	if r.store != nil {
		_ = r.store.stop()
	}
	if r.brokers != nil {
		r.brokers.close()
	}
}
