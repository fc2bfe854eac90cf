package verify

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/internal/obs"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/sink/clickhouse"
)

// What a watch costs is bounded by what it looks at.
const (
	watchEvery  = time.Minute
	watchFirst  = 100  // epochs of a lane that has just come
	watchMost   = 5000 // epochs of a lane at once
	watchWithin = 30 * time.Second
)

// Watch compares the epochs that a worker's lanes have finished since the last
// look with the tables. It stands beside the lanes: it writes nothing, and a
// look that fails is counted and made up for by the next one.
type Watch struct {
	store     *checkpoint.Store
	client    *clickhouse.Client
	topics    [schemas.NumTopics]string
	lanes     func() []uint32
	log       *slog.Logger
	throttled *slog.Logger      // for what repeats until somebody acts
	seen      map[uint32]uint64 // last epoch looked at, by lane
	imbalance *prometheus.GaugeVec
	looks     *prometheus.CounterVec
}

// NewWatch makes a watch over the lanes that the function names; Run starts it.
func NewWatch(store *checkpoint.Store, client *clickhouse.Client, topics [schemas.NumTopics]string, lanes func() []uint32, log *slog.Logger, reg prometheus.Registerer) *Watch {
	w := &Watch{
		store: store, client: client, topics: topics, lanes: lanes, log: log, throttled: obs.Throttled(log, 10*time.Minute), seen: map[uint32]uint64{},
		imbalance: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ecom_ledger_imbalance_events", Help: "Rows by which the ledger and the tables differ, as far as this worker has looked since it started.",
		}, []string{"topic"}),
		looks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ecom_ledger_checks_total", Help: "Comparisons of a lane's finished epochs with the tables.",
		}, []string{"outcome"}),
	}
	reg.MustRegister(w.imbalance, w.looks)
	for _, t := range schemas.TopicNames {
		w.imbalance.WithLabelValues(t)
	}
	for _, o := range []string{"agree", "differ", "failed"} {
		w.looks.WithLabelValues(o)
	}
	return w
}

// Run looks every minute until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			w.Look(ctx)
		}
	}
}

// Look compares what has been finished since the last look.
func (w *Watch) Look(ctx context.Context) {
	lanes := w.lanes()
	slices.Sort(lanes)
	for _, lane := range lanes {
		lctx, cancel := context.WithTimeout(ctx, watchWithin)
		r, err := w.look(lctx, lane)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			w.looks.WithLabelValues("failed").Inc()
			w.throttled.Warn("finished epochs could not be compared with the tables, the next look makes up for it", "lane", lane, "cause", err)
		case r.Agrees():
			w.looks.WithLabelValues("agree").Inc()
		default:
			w.looks.WithLabelValues("differ").Inc()
			w.tell(lane, r)
		}
	}
}

// tell adds what differs to the gauge and names it.
func (w *Watch) tell(lane uint32, r *Report) {
	var epochs []string
	for _, f := range r.Findings {
		if f.events == [schemas.NumTopics]int64{} {
			f.events[schemas.Clickstream] = 1 // of a plan, not of a row
		}
		for t, n := range f.events {
			w.imbalance.WithLabelValues(schemas.Topic(t).String()).Add(float64(n))
		}
		if e := fmt.Sprint(f.Epoch); !slices.Contains(epochs, e) {
			epochs = append(epochs, e)
		}
	}
	first := r.Findings[0]
	w.log.Error("ledger and tables differ", "lane", lane, "epochs", strings.Join(epochs[:min(len(epochs), 20)], " "), "findings", len(r.Findings)+r.More,
		"first", strings.TrimPrefix(first.Table+": "+first.What, ": "), "do", fmt.Sprintf("storepulse verify --lane %d", lane))
}

// look compares the epochs of one lane since the last look.
func (w *Watch) look(ctx context.Context, lane uint32) (*Report, error) {
	head, err := w.store.Head(ctx, lane)
	if err != nil || head == nil {
		return &Report{}, err
	}
	l := &laneCheck{
		checker: &checker{opt: Options{Topics: w.topics}, store: w.store, client: w.client, report: &Report{}},
		Lane:    &Lane{Lane: lane, Head: head.Epoch}, head: head, to: head.Epoch,
	}
	if !head.Kind.Done() {
		l.to--
	}
	most := uint64(watchMost)
	if w.seen[lane] == 0 {
		most = watchFirst
	}
	l.from = w.seen[lane] + 1
	if l.to >= l.from && l.to-l.from >= most {
		l.from = l.to - most + 1
	}
	if l.to < l.from {
		return l.report, nil
	}
	err = l.walk(ctx, func(chunk []epoch) error {
		for i := range chunk {
			l.balance(&chunk[i])
		}
		return l.glance(ctx, chunk)
	})
	if err == nil {
		w.seen[lane] = l.to
	}
	return l.report, err
}

// glance compares epochs with the tables in one cheap query: rows are counted
// and their numbers added up. What does not add up is looked at closely.
func (l *laneCheck) glance(ctx context.Context, chunk []epoch) error {
	type sum struct{ rows, numbers uint64 }
	type place struct {
		table string
		at    link
	}
	var tables []string
	for table := range schemas.NumTables {
		// Rows of fact_sessions cannot be counted: merges thin them.
		if table != schemas.FactSessions && slices.ContainsFunc(chunk, func(e epoch) bool { return e.expected(table) > 0 }) {
			name := schemas.TableName(table)
			tables = append(tables, "SELECT '"+name+"' AS name, epoch, plan_id, count(), sum(epoch_row) FROM "+name+
				" WHERE lane = {lane:UInt32} AND epoch >= {from:UInt64} AND epoch <= {to:UInt64} AND epoch_row < 2147483648 GROUP BY epoch, plan_id")
		}
	}
	if len(tables) == 0 {
		return nil
	}
	stands := map[place]sum{}
	err := l.client.Each(ctx, strings.Join(tables, " UNION ALL "), l.args(chunk[0].number(), chunk[len(chunk)-1].number()), func(rows driver.Rows) error {
		var p place
		var plan uuid.UUID
		var s sum
		err := rows.Scan(&p.table, &p.at.epoch, &plan, &s.rows, &s.numbers)
		p.at.id = schemas.ID(plan)
		stands[p] = s
		return err
	})
	if err != nil {
		return fmt.Errorf("add up the rows of epochs %d to %d: %w", chunk[0].number(), chunk[len(chunk)-1].number(), err)
	}
	for i := range chunk {
		e := &chunk[i]
		fits := true
		for table := range schemas.NumTables {
			n := uint64(e.expected(table))
			if s := stands[place{schemas.TableName(table), link{e.number(), e.plan.ID}}]; table != schemas.FactSessions && (s.rows != n || n > 0 && s.numbers != n*(n-1)/2) {
				fits = false
			}
		}
		if e.done && !fits {
			if err := l.tables(ctx, chunk[i:i+1]); err != nil {
				return err
			}
		}
	}
	return nil
}
