package pipeline

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/ingest"
	"github.com/storepulse/storepulse/internal/checkpoint"
	"github.com/storepulse/storepulse/schemas"
	"github.com/storepulse/storepulse/transform"
)

// Metrics are the pipeline's own series; business series are the transform's.
type Metrics struct {
	epochs, rows, claims, retries, refusedRows, snapshotFailures, partialStates *prometheus.CounterVec
	ledger, lookups                                                             *prometheus.CounterVec
	epochSeconds, latency                                                       *prometheus.HistogramVec
	recoverySeconds, snapshotSeconds, lookupSeconds                             prometheus.Histogram
	snapshotBytes                                                               prometheus.Gauge
	stateBytes, laneStopped                                                     *prometheus.GaugeVec
	rebuilds                                                                    *prometheus.CounterVec
	rebuildFailures                                                             prometheus.Counter
	waiting                                                                     *prometheus.GaugeVec
	watermarks                                                                  *watermarks
	now                                                                         func() time.Time
}

// NewMetrics registers the series.
func NewMetrics(reg prometheus.Registerer, now func() time.Time) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
		reg.MustRegister(g)
		return g
	}
	hist := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		reg.MustRegister(h)
		return h
	}
	m := &Metrics{
		now:              now,
		epochs:           counter("ecom_pipeline_epochs_total", "Epochs finished.", "kind"),
		rows:             counter("ecom_pipeline_rows_total", "Fact rows written.", "table"),
		ledger:           counter("ecom_pipeline_records_total", "Records consumed, by what became of them.", "topic", "outcome"),
		claims:           counter("ecom_pipeline_claims_total", "Claims of a lane."),
		retries:          counter("ecom_pipeline_retries_total", "Writes repeated because they were definitely not applied.", "what"),
		refusedRows:      counter("ecom_pipeline_refused_rows_total", "Rows the store refused for good; they are dead letters.", "table"),
		snapshotFailures: counter("ecom_pipeline_snapshot_failures_total", "Snapshots that could not be saved or used."),
		partialStates:    counter("ecom_pipeline_partial_recoveries_total", "Recoveries for which Kafka no longer had all input."),
		epochSeconds:     hist("ecom_pipeline_epoch_seconds", "Time from plan to publish of an epoch.", []float64{.01, .03, .1, .3, 1, 3, 10}),
		latency:          hist("ecom_pipeline_e2e_latency_seconds", "Time from the newest record of an epoch in Kafka to its facts in the store.", []float64{.1, .3, 1, 3, 10, 30, 60, 300}, "topic"),
		recoverySeconds:  hist("ecom_pipeline_recovery_seconds", "Time from claim to the first new epoch.", []float64{.1, .3, 1, 3, 10, 30, 60}).WithLabelValues().(prometheus.Histogram),
		lookups:          counter("ecom_pipeline_copy_lookups_total", "Records looked up among the facts, because they may be copies that the state no longer recognises."),
		lookupSeconds:    hist("ecom_pipeline_copy_lookup_seconds", "Time a lane waited for such a lookup.", []float64{.003, .01, .03, .1, .3, 1, 3}).WithLabelValues().(prometheus.Histogram),
		snapshotSeconds:  hist("ecom_pipeline_snapshot_pause_seconds", "Time a lane stood still for its snapshot.", []float64{.0001, .001, .01, .03, .1, .3, 1}).WithLabelValues().(prometheus.Histogram),
		snapshotBytes:    gauge("ecom_pipeline_snapshot_bytes", "Size of the last snapshot before compression.").WithLabelValues(),
		watermarks:       newWatermarks(now),
		rebuilds:         counter("ecom_pipeline_rebuilds_total", "Rebuilds of sessions with late events: sessions written anew, those of them withdrawn, places settled, places left because their sessions are too large.", "what"),
		rebuildFailures:  counter("ecom_pipeline_rebuild_failures_total", "Times the past could not be read for a rebuild.").WithLabelValues(),
		waiting:          gauge("ecom_pipeline_rebuild_waiting", "Places in visitors' time, and orders, that wait for a rebuild.", "lane"),
		stateBytes:       gauge("ecom_state_bytes", "Memory held by the lane's state.", "lane"),
		laneStopped:      gauge("ecom_pipeline_lane_stopped", "1 while a lane needs an operator.", "lane"),
	}
	reg.MustRegister(m.watermarks)
	for t := range schemas.NumTables {
		m.refusedRows.WithLabelValues(schemas.TableName(t))
	}
	for _, t := range schemas.TopicNames {
		for _, o := range outcomes {
			m.ledger.WithLabelValues(t, o)
		}
	}
	return m
}

var outcomes = []string{"fact", "duplicate", "dead_letter", "tombstone", "lost_to_retention", "absent"}

func (m *Metrics) epoch(l *Lane, p *checkpoint.Plan, got outcome, in *ingest.Input, took time.Duration) {
	if m == nil {
		return
	}
	m.epochs.WithLabelValues(checkpoint.KindNames[p.Kind]).Inc()
	for _, r := range got.rows {
		m.rows.WithLabelValues(schemas.TableName(r.Table)).Add(float64(r.Rows))
	}
	c := got.counts
	for t, name := range schemas.TopicNames {
		for i, n := range []int64{c.Facts[t], c.Duplicates[t], c.Letters[t], c.Tombstones[t], c.Lost[t], c.Absent[t]} {
			m.ledger.WithLabelValues(name, outcomes[i]).Add(float64(n))
		}
		if n := len(in.Records[t]); n > 0 {
			m.latency.WithLabelValues(name).Observe(m.now().Sub(time.UnixMilli(in.Records[t][n-1].Timestamp)).Seconds())
		}
	}
	m.epochSeconds.WithLabelValues().Observe(took.Seconds())
	lane := strconv.Itoa(int(l.id))
	m.watermarks.set(l.id, p.Watermark)
	m.stateBytes.WithLabelValues(lane).Set(float64(l.state.Bytes()))
	m.waiting.WithLabelValues(lane).Set(float64(l.state.Waiting()))
	m.laneStopped.WithLabelValues(lane).Set(0)
}

func (m *Metrics) drop(lane uint32) {
	if m == nil {
		return
	}
	m.watermarks.drop(lane)
	m.stateBytes.DeleteLabelValues(strconv.Itoa(int(lane)))
	m.waiting.DeleteLabelValues(strconv.Itoa(int(lane)))
	m.laneStopped.DeleteLabelValues(strconv.Itoa(int(lane)))
}

func (m *Metrics) stopped(lane uint32) {
	if m != nil {
		m.laneStopped.WithLabelValues(strconv.Itoa(int(lane))).Set(1)
	}
}

func (m *Metrics) claimed() {
	if m != nil {
		m.claims.WithLabelValues().Inc()
	}
}

func (m *Metrics) retried(what string) {
	if m != nil {
		m.retries.WithLabelValues(what).Inc()
	}
}

func (m *Metrics) lookedUp(n int, took time.Duration) {
	if m != nil && n > 0 {
		m.lookups.WithLabelValues().Add(float64(n))
		m.lookupSeconds.Observe(took.Seconds())
	}
}

func (m *Metrics) refused(table string, n int) {
	if m != nil {
		m.refusedRows.WithLabelValues(table).Add(float64(n))
	}
}

func (m *Metrics) snapshotFailed() {
	if m != nil {
		m.snapshotFailures.WithLabelValues().Inc()
	}
}

func (m *Metrics) rebuilt(did transform.Rebuilt) {
	if m == nil {
		return
	}
	for what, n := range map[string]int{"session": did.Sessions, "withdrawn": did.Withdrawn, "settled": did.Settled - did.Left, "left": did.Left} {
		m.rebuilds.WithLabelValues(what).Add(float64(n))
	}
}

func (m *Metrics) rebuildFailed() {
	if m != nil {
		m.rebuildFailures.Inc()
	}
}

func (m *Metrics) partial() {
	if m != nil {
		m.partialStates.WithLabelValues().Inc()
	}
}

// lost counts the losses of a recovered epoch: nothing else of it is counted,
// but an alert hangs on these.
func (m *Metrics) lost(n [schemas.NumTopics]int64) {
	if m == nil {
		return
	}
	for t, name := range schemas.TopicNames {
		m.ledger.WithLabelValues(name, "lost_to_retention").Add(float64(n[t]))
	}
}

func (m *Metrics) recovered(took time.Duration) {
	if m != nil {
		m.recoverySeconds.Observe(took.Seconds())
	}
}

func (m *Metrics) snapshotPause(took time.Duration, bytes int) {
	if m != nil {
		m.snapshotSeconds.Observe(took.Seconds())
		m.snapshotBytes.Set(float64(bytes))
	}
}
