package pipeline

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// watermarks exposes how far each lane is. The delay is reckoned when asked:
// a lane that stands still must not keep the delay of its last epoch.
type watermarks struct {
	now             func() time.Time
	complete, delay *prometheus.Desc
	mu              struct {
		sync.Mutex
		lanes map[uint32]int64 // Unix ms
	}
}

func newWatermarks(now func() time.Time) *watermarks {
	w := &watermarks{
		now:      now,
		complete: prometheus.NewDesc("ecom_complete_until_timestamp_seconds", "Event time up to which the lane's facts are complete (its watermark).", []string{"lane"}, nil),
		delay:    prometheus.NewDesc("ecom_watermark_delay_seconds", "Wall clock minus watermark, per lane.", []string{"lane"}, nil),
	}
	w.mu.lanes = map[uint32]int64{}
	return w
}

func (w *watermarks) set(lane uint32, watermark int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.lanes[lane] = watermark
}

// shown exposes the watermark of a lane that has been recovered or has come
// back, before its first epoch here: a lane that is missing would let the
// minimum over all lanes look better than it is.
func (m *Metrics) shown(lane uint32, watermark int64) {
	if m != nil && watermark > 0 { // 0 before the first event ever
		m.watermarks.set(lane, watermark)
	}
}

func (w *watermarks) drop(lane uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.mu.lanes, lane)
}

func (w *watermarks) Describe(ch chan<- *prometheus.Desc) {
	ch <- w.complete
	ch <- w.delay
}

func (w *watermarks) Collect(ch chan<- prometheus.Metric) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	for lane, ms := range w.mu.lanes {
		label := strconv.Itoa(int(lane))
		ch <- prometheus.MustNewConstMetric(w.complete, prometheus.GaugeValue, float64(ms)/1000, label)
		ch <- prometheus.MustNewConstMetric(w.delay, prometheus.GaugeValue, now.Sub(time.UnixMilli(ms)).Seconds(), label)
	}
}
