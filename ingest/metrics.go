package ingest

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/storepulse/storepulse/schemas"
)

// metrics of the package. The lag is read from the open lanes when scraped, so
// a lane's gauges leave with it.
type metrics struct {
	fetchErrors    *prometheus.CounterVec
	fetchedBytes   *prometheus.CounterVec
	fetchedRecords *prometheus.CounterVec
	misrouted      *prometheus.CounterVec
	generations    prometheus.Counter
	groupErrors    prometheus.Counter
}

// fetchReasons are the label values of the fetch error counter.
func fetchReasons() []string {
	return []string{"connection", "leader", "offset", "corrupt", "auth", "broker"}
}

func newMetrics(reg prometheus.Registerer, lags func() []lag) *metrics {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		fetchErrors:    counter("ecom_kafka_fetch_errors_total", "Fetches that brought nothing, by reason.", "topic", "reason"),
		fetchedBytes:   counter("ecom_kafka_fetched_bytes_total", "Bytes of record batches fetched, as compressed by the producer.", "topic"),
		fetchedRecords: counter("ecom_kafka_fetched_records_total", "Records fetched, those read again included.", "topic"),
		misrouted:      counter("ecom_ingest_misrouted_total", "Records, of one in 1024 looked at, whose key does not belong to their partition under murmur2.", "topic"),
		generations:    prometheus.NewCounter(prometheus.CounterOpts{Name: "ecom_kafka_group_generations_total", Help: "Generations of the consumer group this worker took part in."}),
		groupErrors:    prometheus.NewCounter(prometheus.CounterOpts{Name: "ecom_kafka_group_errors_total", Help: "Failed attempts to join the consumer group."}),
	}
	for t := range schemas.NumTopics {
		m.fetchedBytes.WithLabelValues(t.String())
		m.fetchedRecords.WithLabelValues(t.String())
		m.misrouted.WithLabelValues(t.String())
		for _, r := range fetchReasons() {
			m.fetchErrors.WithLabelValues(t.String(), r)
		}
	}
	labels := []string{"topic", "partition"}
	reg.MustRegister(m.fetchErrors, m.fetchedBytes, m.fetchedRecords, m.misrouted, m.generations, m.groupErrors, &lagCollector{
		lags:     lags,
		messages: prometheus.NewDesc("ecom_kafka_consumer_lag_messages", "Offsets between the last finished epoch and the last stable offset.", labels, nil),
		seconds:  prometheus.NewDesc("ecom_kafka_consumer_lag_seconds", "Age of the oldest record that no finished epoch has read, 0 if there is none.", labels, nil),
	})
	return m
}

// lag of one topic of one open lane.
type lag struct {
	topic     schemas.Topic
	partition uint32
	messages  int64
	seconds   float64
}

type lagCollector struct {
	lags              func() []lag
	messages, seconds *prometheus.Desc
}

func (c *lagCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.messages
	ch <- c.seconds
}

func (c *lagCollector) Collect(ch chan<- prometheus.Metric) {
	for _, l := range c.lags() {
		labels := []string{l.topic.String(), strconv.FormatUint(uint64(l.partition), 10)}
		ch <- prometheus.MustNewConstMetric(c.messages, prometheus.GaugeValue, float64(l.messages), labels...)
		ch <- prometheus.MustNewConstMetric(c.seconds, prometheus.GaugeValue, l.seconds, labels...)
	}
}

// lags of all lanes that read.
func (c *Client) lags() []lag {
	c.lanes.Lock()
	defer c.lanes.Unlock()
	now := time.Now().UnixMilli()
	var all []lag
	for _, l := range c.lanes.open {
		all = l.appendLags(all, now)
	}
	return all
}

func (l *Lane) appendLags(all []lag, now int64) []lag {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop == nil || l.mu.closed {
		return all
	}
	for t := range schemas.NumTopics {
		q := &l.mu.queues[t]
		g := lag{topic: t, partition: l.partition}
		oldest := q.oldest
		switch {
		case oldest != 0:
		case q.records > 0:
			oldest = q.chunks[0].records[q.head].Timestamp
		case !q.atEnd: // as far as is known: what came after the last look
			oldest = q.tail
			if !q.endAt.IsZero() {
				oldest = max(oldest, q.endAt.UnixMilli())
			}
		}
		if oldest != 0 {
			g.seconds = max(float64(now-oldest)/1000, 0)
		}
		if q.oldest != 0 || q.records > 0 || !q.atEnd { // else only markers remain
			g.messages = max(q.logEnd-q.done, 0)
		}
		all = append(all, g)
	}
	return all
}
